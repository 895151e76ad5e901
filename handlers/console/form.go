package console

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/claimsmith/claimsmith/handlers/console/page"
)

// form is one form of a page. Its texts are in the reader's language.
type form struct {
	ID, Action, Token string
	Hidden            []fact
	Fields            []formField
	Submit, Fault     string
	// Files: it takes a file, and is sent in parts.
	Files bool
}

// formField is one of a form.
type formField struct {
	ID, Name, Label, Hint, Fault string
	Kind                         fieldKind
	// Value is its text; the codes of a fieldList are joined by commas. Was is what it held when it was shown, where that matters.
	Value, Was string
	Compared   bool
	Choices    []page.Choice
	// Suggestions is the id of a list to choose from, Fill what browsers may fill in.
	Suggestions, Fill string
	Max               int
	Required          bool
	Focus             bool // the first with a fault
}

// fieldKind is what a field looks like.
type fieldKind string

const (
	fieldText   fieldKind = "text"
	fieldLines  fieldKind = "lines"
	fieldDate   fieldKind = "date"
	fieldTick   fieldKind = "tick"
	fieldChoice fieldKind = "choice"
	fieldList   fieldKind = "list" // choices in an order
	fieldFile   fieldKind = "file"
)

// moreInList is how many further choices a fieldList has room for, maxInList how many it takes.
const (
	moreInList = 2
	maxInList  = 40
)

// Ticked reports whether the value is yes.
func (f formField) Ticked() bool { return f.Value == "true" }

// Described are the ids of what is said about the field.
func (f formField) Described() string {
	var ids []string
	if f.Hint != "" {
		ids = append(ids, f.ID+"-hint")
	}
	if f.Fault != "" {
		ids = append(ids, f.ID+"-fault")
	}
	return strings.Join(ids, " ")
}

// formChoice is one place of a fieldList.
type formChoice struct{ ID, Name, Label, Value string }

// Places are those of a fieldList.
func (f formField) Places() []formChoice {
	codes := append(codesIn(f.Value), make([]string, moreInList)...)
	places := make([]formChoice, 0, len(codes))
	for n, code := range codes {
		number := strconv.Itoa(n)
		places = append(places, formChoice{f.ID + "-" + number, f.Name + "." + number, f.Label + " " + strconv.Itoa(n+1), code})
	}
	return places
}

func codesIn(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' })
}

// Offered are the choices with the field's own value among them.
func (f formField) Offered(value string) []page.Choice {
	if slices.ContainsFunc(f.Choices, func(c page.Choice) bool { return c.Value == value }) {
		return f.Choices
	}
	return append([]page.Choice{{Value: value, Text: value}}, f.Choices...)
}

// read puts what was typed into the fields.
func (f *form) read(typed url.Values) {
	for n := range f.Fields {
		field := &f.Fields[n]
		field.Was = page.Lines(typed.Get("was." + field.Name))
		field.Value = page.Lines(typed.Get(field.Name))
		switch field.Kind {
		case fieldTick:
			field.Value = strconv.FormatBool(field.Value == "true")
		case fieldList:
			var codes []string
			for n := range maxInList {
				if code := typed.Get(field.Name + "." + strconv.Itoa(n)); code != "" && !slices.Contains(codes, code) {
					codes = append(codes, code)
				}
			}
			field.Value = strings.Join(codes, ",")
		}
	}
}

// blame says at a field what is wrong with it, and at the form where it has no such field.
func (f *form) blame(name, fault string) {
	for n := range f.Fields {
		if f.Fields[n].Name == name {
			f.Fields[n].Focus, f.Fields[n].Fault = !f.refused(), fault
			return
		}
	}
	f.Fault = strings.TrimSpace(f.Fault + " " + fault)
}

// refused reports whether something is wrong.
func (f *form) refused() bool {
	return f.Fault != "" || slices.ContainsFunc(f.Fields, func(field formField) bool { return field.Fault != "" })
}

// faultIn is what is wrong with a field in the reader's language: by the field, by what services say is wrong, else in their words.
func faultIn(w page.Words, name, said string) string {
	if key := "wrong." + name; w.Has(key) && !strings.HasPrefix(said, "This field") {
		return w.T(key)
	}
	for _, known := range []struct{ begins, key string }{
		{"This field", "wrong.required"}, {"Ensure this field has no more", "wrong.long"}, {"Date has wrong format", "wrong.date"},
	} {
		if strings.HasPrefix(said, known.begins) {
			return w.T(known.key)
		}
	}
	return cmp.Or(said, w.T("wrong.other"))
}

// textJSON is a text as a JSON string, null for none where that says so.
func textJSON(text string, orNull bool) jsontext.Value {
	if text == "" && orNull {
		return jsontext.Value("null")
	}
	quoted, err := jsontext.AppendQuote(nil, text)
	if err != nil { // not UTF-8, which no form is
		return jsontext.Value(`""`)
	}
	return quoted
}

// numberJSON is a text of digits as a JSON number, null for none. What is no number stays the text it is, for the service to refuse.
func numberJSON(text string) jsontext.Value {
	if n, err := strconv.Atoi(strings.TrimSpace(text)); err == nil {
		return jsontext.Value(strconv.Itoa(n))
	}
	return textJSON(text, true)
}

// textOf is what a JSON value reads as in a field: a string without quotes, nothing for null.
func textOf(value jsontext.Value) string {
	switch value.Kind() {
	case 'n', 0:
		return ""
	case '"':
		text, err := jsontext.AppendUnquote(nil, value)
		if err != nil {
			return ""
		}
		return string(text)
	}
	return string(value)
}
