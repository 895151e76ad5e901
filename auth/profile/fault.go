package profile

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// What edX tells users (seed 001).
const (
	tellInvalid = "This value is invalid."
	tellNull    = "This field may not be null."
	tellEmail   = "Valid e-mail address required."
	tellBio     = "The about me field must be at most 300 characters long."
)

// invalid is the fault of a value that breaks a rule, which developers are told.
func invalid(name string, value jsontext.Value, rule string, args ...any) *Fault {
	return &Fault{
		Developer: fmt.Sprintf("Value '%s' is not valid for field '%s': [ErrorDetail(string='%s', code='invalid')]",
			told(value), name, fmt.Sprintf(rule, args...)),
		User: tellInvalid,
	}
}

// telling is the same fault with a text for users.
func (f *Fault) telling(user string) *Fault { return &Fault{f.Developer, user} }

func isNull(name string, value jsontext.Value) *Fault {
	return invalid(name, value, tellNull).telling(tellNull)
}

func notEditable(name string, _ jsontext.Value) (edit, *Fault) {
	return nil, &Fault{"This field is not editable via this API", fmt.Sprintf("The '%s' field cannot be edited.", name)}
}

// thrown is the fault that a check of edX with a name of its own finds.
func thrown(check, text string) *Fault {
	return &Fault{fmt.Sprintf("Error thrown from %s: '%s'", check, text), text}
}

// unsaved is the fault of a change that failed as a whole.
func unsaved(text string) Fault {
	return Fault{Developer: fmt.Sprintf("Error thrown when saving account updates: '%s'", text)}
}

// maxTold is how much of a value a fault repeats, in bytes.
const maxTold = 200

// told is a value as a fault repeats it: a string without its quotation marks, and no more than the beginning of a long one.
func told(value jsontext.Value) string {
	text := string(value)
	switch value.Kind() {
	case 'n':
		text = "None"
	case '"':
		if unquoted, err := jsontext.AppendUnquote(nil, value); err == nil {
			text = string(unquoted)
		}
	}
	return shortened(text)
}

func shortened(text string) string {
	if len(text) > maxTold {
		cut := maxTold
		for cut > 0 && !utf8.RuneStart(text[cut]) {
			cut--
		}
		text = text[:cut] + "…"
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}

// kindOf is what a value is in Python.
func kindOf(value jsontext.Value) string {
	switch value.Kind() {
	case 'n':
		return "NoneType"
	case '{':
		return "dict"
	case '[':
		return "list"
	case 't', 'f':
		return "bool"
	case '0':
		if strings.ContainsAny(string(value), ".eE") {
			return "float"
		}
		return "int"
	}
	return "str"
}
