package claims

import (
	stdjson "encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Metadata are the metadata claims of a token, by key without [Prefix]. The zero value has none. Values keep their exact
// JSON text, so that a number is the number that was stored. It is safe for concurrent reading. Where users may write a key
// themselves, its claim is a wish of theirs: decide by it what to show, never what to allow.
//
// The methods that return a value and a bool report false when the claim is absent and when it is of another JSON type:
// "true" is not true.
type Metadata struct {
	values map[string]jsontext.Value
}

func (m *Metadata) set(key string, value jsontext.Value) {
	if m.values == nil {
		m.values = make(map[string]jsontext.Value)
	}
	m.values[key] = value
}

// Keys are the keys present, sorted.
func (m Metadata) Keys() []string { return slices.Sorted(maps.Keys(m.values)) }

// Has reports whether the claim is present, be it null.
func (m Metadata) Has(key string) bool {
	_, ok := m.values[key]
	return ok
}

// Raw returns the exact JSON text of a claim.
func (m Metadata) Raw(key string) (string, bool) {
	value, ok := m.values[key]
	return string(value), ok
}

// String returns a JSON string.
func (m Metadata) String(key string) (string, bool) {
	value := m.values[key]
	if value.Kind() != '"' {
		return "", false
	}
	text, err := jsontext.AppendUnquote(nil, value)
	return string(text), err == nil
}

// Bool returns true or false.
func (m Metadata) Bool(key string) (value, ok bool) {
	kind := m.values[key].Kind()
	return kind == 't', kind == 't' || kind == 'f'
}

// Int64 returns a JSON number written as an integer that fits; never a rounded one. 1.0 and 1e2 are not written as
// integers: see Number.
func (m Metadata) Int64(key string) (int64, bool) {
	value := m.values[key]
	if value.Kind() != '0' {
		return 0, false
	}
	n, err := strconv.ParseInt(string(value), 10, 64)
	return n, err == nil
}

// Number returns the text of a JSON number of any size and precision.
func (m Metadata) Number(key string) (stdjson.Number, bool) {
	value := m.values[key]
	if value.Kind() != '0' {
		return "", false
	}
	return stdjson.Number(value), true
}

// Strings returns a JSON array that has only strings.
func (m Metadata) Strings(key string) ([]string, bool) {
	value := m.values[key]
	if value.Kind() != '[' {
		return nil, false
	}
	var elements []*string // a null is not a string
	if err := json.Unmarshal(value, &elements); err != nil || slices.Contains(elements, nil) {
		return nil, false
	}
	texts := make([]string, len(elements))
	for i, e := range elements {
		texts[i] = *e
	}
	return texts, true
}

// Decode stores one claim in *v by the rules of Unmarshal. The error is ErrNoMetadata when the claim is absent.
func (m Metadata) Decode(key string, v any) error {
	value, ok := m.values[key]
	if !ok {
		return fmt.Errorf("%w: %q", ErrNoMetadata, key)
	}
	if err := json.Unmarshal(value, v, exactNumbers); err != nil {
		return fmt.Errorf("claims: decoding metadata claim %q: %w", key, err)
	}
	return nil
}

// Unmarshal stores all claims in *v, a struct whose json tags name keys, or a map. Names match exactly: the claim Theme
// does not fill a field tagged theme. A value of another type than its field is an error, as is a number that does not fit
// an integer; claims without a field are passed over. A number becomes a [stdjson.Number] where the type of the field is
// any, since float64 would round it.
func (m Metadata) Unmarshal(v any) error {
	text, err := m.MarshalJSON()
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, v, exactNumbers); err != nil {
		return fmt.Errorf("claims: decoding metadata: %w", err)
	}
	return nil
}

// MarshalJSON writes an object of the claims, sorted by key, values as they are.
func (m Metadata) MarshalJSON() ([]byte, error) {
	text := []byte{'{'}
	for _, key := range m.Keys() {
		text = append(appendName(text, key), m.values[key]...)
	}
	return append(text, '}'), nil
}

// UnmarshalJSON reads what MarshalJSON wrote. It is for passing metadata on, and for tests of services.
func (m *Metadata) UnmarshalJSON(text []byte) error {
	var values map[string]jsontext.Value
	if err := json.Unmarshal(text, &values); err != nil {
		return fmt.Errorf("claims: reading metadata: %w", err)
	}
	for key := range values {
		if !ValidKey(key) {
			return fmt.Errorf("claims: reading metadata: %q cannot be the key of a claim", key)
		}
	}
	m.values = values
	return nil
}

// exactNumbers gives numbers to json.Number and to any as their text.
var exactNumbers = json.WithUnmarshalers(json.JoinUnmarshalers(
	json.UnmarshalFromFunc(func(dec *jsontext.Decoder, v *any) error {
		if dec.PeekKind() != '0' {
			return errors.ErrUnsupported
		}
		value, err := dec.ReadValue()
		*v = stdjson.Number(value)
		return err
	}),
	json.UnmarshalFromFunc(func(dec *jsontext.Decoder, v *stdjson.Number) error {
		if dec.PeekKind() != '0' {
			return errors.ErrUnsupported
		}
		value, err := dec.ReadValue()
		*v = stdjson.Number(value)
		return err
	}),
))
