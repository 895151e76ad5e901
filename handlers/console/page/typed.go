package page

import (
	"strings"
	"unicode"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/claimsmith/claimsmith/metadata"
)

// Kind is what a value is typed in as.
type Kind string

// The kinds.
const (
	KindText   Kind = "text"
	KindNumber Kind = "number"
	KindYesNo  Kind = "boolean"
	KindChoice Kind = "choice"
	KindJSON   Kind = "json"
	KindBytes  Kind = "bytes"
)

// Shape is what a definition's schema says of the field for its values, as far as that is simple.
type Shape struct {
	Kind    Kind
	Choices []Choice
}

// Choice is a value to choose: its exact JSON, and how it reads.
type Choice struct{ Value, Text string }

// ShapeOf is the shape of a definition's values; kind "" where it leaves that open, or there is none.
func ShapeOf(d *metadata.Definition) Shape {
	if d == nil || d.Schema == "" {
		return Shape{}
	}
	var schema struct {
		Type jsontext.Value   `json:"type"`
		Enum []jsontext.Value `json:"enum"`
	}
	if err := json.Unmarshal([]byte(d.Schema), &schema); err != nil {
		return Shape{}
	}
	if len(schema.Enum) > 0 {
		s := Shape{Kind: KindChoice}
		for _, value := range schema.Enum {
			exact, err := metadata.JSON(value)
			if err != nil {
				return Shape{Kind: KindJSON}
			}
			s.Choices = append(s.Choices, Choice{exact.Raw(), Readable(exact.Raw())})
		}
		return s
	}
	switch string(schema.Type) {
	case `"string"`:
		return Shape{Kind: KindText}
	case `"number"`, `"integer"`:
		return Shape{Kind: KindNumber}
	case `"boolean"`:
		return Shape{Kind: KindYesNo}
	case `"object"`, `"array"`:
		return Shape{Kind: KindJSON}
	}
	return Shape{}
}

// TextValue is a text as a JSON string.
func TextValue(text string) (metadata.Value, error) {
	quoted, err := jsontext.AppendQuote(nil, text)
	if err != nil {
		return metadata.Value{}, &metadata.Error{Code: metadata.Invalid, Field: "value", Detail: "the text is not valid UTF-8", Err: err}
	}
	return metadata.JSON(quoted)
}

// PlainText is the text of a JSON string as a field can hold it, byte for byte; ok is false for any other value, and for a string that a
// browser would change.
func PlainText(v metadata.Value) (text string, ok bool) {
	if v.Kind() != metadata.KindJSON || !strings.HasPrefix(v.Raw(), `"`) {
		return "", false
	}
	b, err := jsontext.AppendUnquote(nil, v.Raw())
	if err != nil {
		return "", false
	}
	text = string(b)
	return text, !strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' })
}

// Pretty is a JSON value with a line for each member. Tokens stay as they are.
func Pretty(raw string) string {
	text := jsontext.Value(raw)
	if err := text.Indent(jsontext.WithIndent("  ")); err != nil {
		return raw
	}
	return string(text)
}

// Lines joins what a browser sends of a field of several lines as it was typed.
func Lines(text string) string { return strings.ReplaceAll(text, "\r\n", "\n") }
