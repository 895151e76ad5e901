package metadata

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"unicode"

	"github.com/go-json-experiment/json/jsontext"
)

// Bounds of a value.
const (
	MaxValueBytes  = 512 << 10
	MaxJSONDepth   = 32
	MaxJSONMembers = 1000 // object members, all levels together
)

// Kind says what a Value is. It is stored, never guessed.
type Kind byte

// The kinds.
const (
	KindJSON  Kind = 'j'
	KindBytes Kind = 'b'
)

// Value is a metadata value, exactly as it was given: a JSON text (numbers and escapes as written, only white space between
// tokens removed) or bytes. Values can be compared with ==. The zero Value is none.
type Value struct {
	kind Kind
	raw  string
}

// JSON checks and returns a JSON value. It is Invalid unless raw is one RFC 8259 text in UTF-8 without lone surrogates,
// object members that are equal or differ only in case, more than MaxJSONDepth levels or MaxJSONMembers members, and
// LimitExceeded above MaxValueBytes.
func JSON(raw []byte) (Value, error) {
	if err := checkJSON(raw); err != nil {
		return Value{}, err
	}
	compact := jsontext.Value(slices.Clone(raw))
	if err := compact.Compact(); err != nil {
		return Value{}, &Error{Code: Invalid, Field: "value", Detail: "the value is not valid JSON", Err: err}
	}
	v := Value{KindJSON, string(compact)}
	return v, v.checkSize("value")
}

// Bytes returns a value of kind bytes.
func Bytes(b []byte) Value { return Value{KindBytes, string(b)} }

// Restore returns a value from what Kind and Raw told of it. Nothing is checked: it is for stores.
func Restore(kind Kind, raw string) Value { return Value{kind, raw} }

// Kind returns what the value is, 0 for the zero Value.
func (v Value) Kind() Kind { return v.kind }

// Raw returns the JSON text, or the bytes.
func (v Value) Raw() string { return v.raw }

// JSON returns the value where only JSON can stand: bytes as a string, in padded base64 of the standard alphabet.
func (v Value) JSON() string {
	if v.kind != KindBytes {
		return v.raw
	}
	return `"` + base64.StdEncoding.EncodeToString([]byte(v.raw)) + `"`
}

// Opaque returns the value where only bytes can stand: bytes as they are, a JSON string as its text, any other JSON as its own text.
func (v Value) Opaque() []byte {
	if v.kind == KindJSON && strings.HasPrefix(v.raw, `"`) {
		if text, err := jsontext.AppendUnquote(nil, v.raw); err == nil {
			return text
		}
	}
	return []byte(v.raw)
}

// FromOpaque returns what is stored of bytes from where there are only bytes, so that Opaque gives the same bytes back: a JSON string if
// they are UTF-8 that fits into one, else bytes. alike is what they could be instead, JSON of another type that Opaque would give the same
// bytes for, or the zero Value.
func FromOpaque(b []byte) (v, alike Value) {
	v = Bytes(b)
	if quoted, err := jsontext.AppendQuote(nil, b); err == nil && len(quoted) <= MaxValueBytes {
		v = Value{KindJSON, string(quoted)}
	}
	if other, err := JSON(b); err == nil && other.raw == string(b) && other.raw[0] != '"' {
		alike = other
	}
	return v, alike
}

func (v Value) checkSize(field string) error {
	if len(v.raw) > MaxValueBytes {
		return Exceeded(field, "bytes of this value", len(v.raw), MaxValueBytes)
	}
	return nil
}

// decoders are kept from one value to the next, since making one costs more than reading a small value.
var decoders = sync.Pool{New: func() any { return new(jsontext.Decoder) }}

func checkJSON(raw []byte) error {
	var (
		dec     = decoders.Get().(*jsontext.Decoder)
		objects []map[string]struct{} // the folded member names of each open object
		members int
	)
	defer decoders.Put(dec)
	dec.Reset(bytes.NewBuffer(raw))
	for {
		kind, length := dec.StackIndex(dec.StackDepth())
		isName := kind == '{' && length%2 == 0
		token, err := dec.ReadToken()
		if err != nil {
			return jsonError(err)
		}
		switch {
		case token.Kind() == '{':
			objects = append(objects, nil)
		case token.Kind() == '}':
			objects = objects[:len(objects)-1]
		case isName:
			if members++; members > MaxJSONMembers {
				return invalid("value", "the value has more than %d object members", MaxJSONMembers)
			}
			names := &objects[len(objects)-1]
			if *names == nil {
				*names = make(map[string]struct{})
			}
			name := fold(token.String())
			if _, twice := (*names)[name]; twice {
				return invalid("value", "the value has object members that differ only in case")
			}
			(*names)[name] = struct{}{}
		}
		if depth := dec.StackDepth(); depth > MaxJSONDepth {
			return invalid("value", "the value is nested more than %d levels deep", MaxJSONDepth)
		} else if depth == 0 {
			break
		}
	}
	if _, err := dec.ReadToken(); !errors.Is(err, io.EOF) {
		return invalid("value", "there is more than one JSON value")
	}
	return nil
}

func jsonError(err error) error {
	detail := "the value is not valid JSON"
	if errors.Is(err, jsontext.ErrDuplicateName) {
		detail = "the value has an object member twice"
	}
	return &Error{Code: Invalid, Field: "value", Detail: detail, Err: err}
}

// fold maps texts that differ only in case (Unicode simple folding) to one.
func fold(s string) string {
	return strings.Map(func(r rune) rune {
		if r < unicode.MaxASCII && !(('A' <= r && r <= 'Z') || ('a' <= r && r <= 'z')) {
			return r
		}
		least := r
		for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
			least = min(least, next)
		}
		return least
	}, s)
}
