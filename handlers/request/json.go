package request

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Bounds on a JSON body, checked before any of it is decoded. A value inside a body may be 32 levels deep (metadata), so four
// more are left for what surrounds it.
const (
	MaxDepth    = 36
	MaxMembers  = 1000   // of one object
	MaxElements = 10_000 // of one array
)

// DecodeJSON reads the one JSON value of a body of at most limit bytes. The media type must be application/json, or one of
// mediaTypes where these are given.
//
// Refused are: an empty body, a lone null, a byte order mark, anything after the value, invalid UTF-8 and lone surrogates, a
// member twice in one object (however it is spelt), members T does not have (names are compared exactly), and what is over
// MaxDepth, MaxMembers or MaxElements.
//
// T says how null is read: a member of any other type refuses it, *E reads null and an absent member both as nil, and
// jsontext.Value tells them apart (absent is nil, null is the text null) and keeps the exact text of numbers. A T that is to
// ignore unknown members has a field map[string]jsontext.Value tagged `json:",embed"`. Floats and any are not allowed in T,
// since they lose digits.
//
// With an error, the T returned is zero.
func DecodeJSON[T any](r *http.Request, limit int64, mediaTypes ...string) (T, error) {
	var zero T
	if len(mediaTypes) == 0 {
		mediaTypes = []string{"application/json"}
	}
	body, err := readBody(r, limit, mediaTypes)
	if err != nil {
		return zero, err
	}
	return decode[T]("body", body)
}

// JSONText returns a body that DecodeJSON would take, as far as that does not depend on T, for formats that have a decoder of their own.
func JSONText(r *http.Request, limit int64, mediaTypes ...string) ([]byte, error) {
	if len(mediaTypes) == 0 {
		mediaTypes = []string{"application/json"}
	}
	body, err := readBody(r, limit, mediaTypes)
	if err != nil {
		return nil, err
	}
	return body, checkJSON("body", body)
}

// decode reads the one JSON value of a text, which is called what.
func decode[T any](what string, text []byte) (T, error) {
	var value, zero T
	if err := checkJSON(what, text); err != nil {
		return zero, err
	}
	if err := json.Unmarshal(text, &value, json.RejectUnknownMembers(true), strictValues); err != nil {
		return zero, explain(err)
	}
	return value, nil
}

// decoders are kept from one body to the next, since making one costs more than reading a small body.
var decoders = sync.Pool{New: func() any { return new(jsontext.Decoder) }}

// checkJSON walks the text once without building anything.
func checkJSON(what string, text []byte) error {
	switch {
	case len(bytes.TrimLeft(text, " \t\r\n")) == 0:
		return malformed("", "the "+what+" is empty; a JSON value is required")
	case bytes.HasPrefix(text, []byte("\ufeff")):
		return malformed("", "the "+what+" must not begin with a byte order mark")
	case !utf8.Valid(text):
		return malformed("", "the "+what+" is not valid UTF-8")
	}
	decoder := decoders.Get().(*jsontext.Decoder)
	defer decoders.Put(decoder)
	decoder.Reset(bytes.NewBuffer(text))
	for first := true; ; first = false {
		token, err := decoder.ReadToken()
		if err != nil {
			return explain(err)
		}
		if first && token.Kind() == 'n' {
			return malformed("", "the "+what+" must not be null")
		}
		depth := decoder.StackDepth()
		if depth == 0 {
			break
		}
		if depth > MaxDepth {
			return malformed("", "the JSON is nested more than "+strconv.Itoa(MaxDepth)+" levels deep")
		}
		switch kind, length := decoder.StackIndex(depth); {
		case kind == '{' && length > 2*MaxMembers: // names and values are counted
			return malformed(parent(decoder.StackPointer()), "an object may have at most "+strconv.Itoa(MaxMembers)+" members")
		case kind == '[' && length > MaxElements:
			return malformed(parent(decoder.StackPointer()), "an array may have at most "+strconv.Itoa(MaxElements)+" elements")
		}
	}
	if _, err := decoder.ReadToken(); !errors.Is(err, io.EOF) {
		return malformed("", "the "+what+" must hold one JSON value and nothing after it")
	}
	return nil
}

func parent(p jsontext.Pointer) string { return string(p.Parent()) }

var errInexact = errors.New("request types must keep numbers exact: no floats, no any")

// nullError is a null where a value of another type is required.
type nullError struct{ reflect.Type }

func (nullError) Error() string { return "null for a type that has none" }

// strictValues adds to json's rules that null is not a spelling of the zero value.
var strictValues = json.WithUnmarshalers(json.UnmarshalFromFunc(func(decoder *jsontext.Decoder, target any) error {
	switch target.(type) {
	case *float32, *float64, *any:
		return errInexact
	}
	if decoder.PeekKind() != 'n' {
		return errors.ErrUnsupported
	}
	switch target.(type) {
	case json.UnmarshalerFrom, json.Unmarshaler:
		return errors.ErrUnsupported
	}
	wanted := reflect.TypeOf(target).Elem()
	if wanted.Kind() == reflect.Pointer {
		return errors.ErrUnsupported
	}
	return nullError{wanted}
}))

// Maybe is a member that need not be there, but is not null.
type Maybe[T any] struct {
	Value T
	Given bool
}

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (m *Maybe[T]) UnmarshalJSONFrom(decoder *jsontext.Decoder) error {
	if decoder.PeekKind() == 'n' {
		return nullError{reflect.TypeFor[T]()}
	}
	m.Given = true
	return json.UnmarshalDecode(decoder, &m.Value)
}

// explain puts a failure of the JSON library into words that hold nothing of the body but the names on the way to the fault.
func explain(err error) error {
	if errors.Is(err, errInexact) {
		return fmt.Errorf("decode request: %w", errInexact)
	}
	if syntactic, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		field := string(syntactic.JSONPointer)
		switch {
		case errors.Is(err, jsontext.ErrDuplicateName):
			return malformed(field, "the member appears more than once")
		case errors.Is(err, io.ErrUnexpectedEOF):
			return malformed(field, "the JSON ends early")
		}
		return malformed(field, "not valid JSON at byte "+strconv.FormatInt(syntactic.ByteOffset, 10))
	}
	semantic, ok := errors.AsType[*json.SemanticError](err)
	if !ok {
		return malformed("", "the body is not valid JSON")
	}
	field := string(semantic.JSONPointer)
	if errors.Is(err, json.ErrUnknownName) {
		return malformed(field, "unknown member; allowed here: "+oneOf(memberNames(semantic.GoType)))
	}
	if null, ok := errors.AsType[nullError](err); ok {
		return malformed(field, "must not be null; expected "+typeName(null.Type))
	}
	return malformed(field, "expected "+typeName(semantic.GoType))
}

func typeName(t reflect.Type) string {
	if t == nil {
		return "another value"
	}
	if t == reflect.TypeFor[time.Time]() {
		return "a time as in RFC 3339"
	}
	switch t.Kind() {
	case reflect.Pointer:
		return typeName(t.Elem())
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "a string"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return "an integer of " + strconv.Itoa(t.Bits()) + " bits"
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a non-negative integer of " + strconv.Itoa(t.Bits()) + " bits"
	case reflect.Slice, reflect.Array:
		if t.Elem().Kind() == reflect.Uint8 {
			return "a string in base64"
		}
		return "an array"
	default:
		return "an object"
	}
}

// memberNames lists what an object of a struct type may hold.
func memberNames(t reflect.Type) []string {
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == nil || t.Kind() != reflect.Struct {
		return nil
	}
	var names []string
	for _, field := range reflect.VisibleFields(t) {
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case !field.IsExported(), field.Anonymous && name == "", name == "-":
		case strings.Contains(options, "embed"):
			names = append(names, memberNames(field.Type)...)
		case name == "":
			names = append(names, field.Name)
		default:
			names = append(names, name)
		}
	}
	return names
}

func size(n int64) string {
	if n >= 1<<10 && n%(1<<10) == 0 {
		return strconv.FormatInt(n>>10, 10) + " KiB"
	}
	return strconv.FormatInt(n, 10) + " bytes"
}
