package career

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// The most that members hold which ibl.ai sets no bound for: a description, in characters, and free JSON, in bytes and levels.
const (
	maxDescription = 5000
	maxJSON        = 4096
	maxDepth       = 32
)

// member is a writable member of a kind. read returns what is kept of a value, which is neither null nor an empty text, or what is wrong
// with it.
type member struct {
	name     string
	required bool
	read     func(jsontext.Value) (jsontext.Value, string)
}

var (
	null = jsontext.Value("null")
	no   = jsontext.Value("false")
)

// members are the writable members of the kinds, in their order.
var members = map[Kind][]member{
	Education: {
		{"institution_id", true, readID},
		{"degree", false, text(100)},
		{"field_of_study", false, text(100)},
		{"start_date", true, readDate},
		{"end_date", false, readDate},
		{memberCurrent, false, readFlag},
		{"grade", false, readGrade},
		{"activities", false, text(255)},
		{"description", false, text(maxDescription)},
		{"data", false, readJSON},
		{"metadata", false, readJSON},
	},
	Experience: {
		{"company_id", true, readID},
		{"title", true, text(100)},
		{"employment_type", false, text(50)},
		{"location", false, text(100)},
		{"start_date", true, readDate},
		{"end_date", false, readDate},
		{memberCurrent, false, readFlag},
		{"description", false, text(maxDescription)},
		{"data", false, readJSON},
		{"metadata", false, readJSON},
	},
	Institutions: {
		{"name", true, text(100)},
		{"institution_type", false, choice("university", "college", "institute", "academy", "other")},
		{"location", false, text(100)},
		{"website", false, address},
		{"accreditation", false, text(100)},
		{"established_year", false, readInteger},
		{"data", false, readJSON},
		{"metadata", false, readJSON},
	},
	Companies: {
		{"name", true, text(100)},
		{"industry", false, text(100)},
		{"website", false, address},
		{"logo_url", false, address},
		{"data", false, readJSON},
		{"metadata", false, readJSON},
	},
}

// memberCurrent is false where nothing is said; every other member is null then.
const memberCurrent = "is_current"

// Members are the names of a kind's writable members, in their order.
func Members(kind Kind) []string {
	names := make([]string, len(members[kind]))
	for n, m := range members[kind] {
		names[n] = m.name
	}
	return names
}

// isFree reports whether a member is any JSON, in which an empty text is a value.
func isFree(name string) bool { return name == "data" || name == "metadata" }

// FormMembers are the members that the texts of a form stand for.
func FormMembers(form url.Values) map[string]jsontext.Value {
	all := make(map[string]jsontext.Value, len(form))
	for name := range form {
		text := form.Get(name)
		if isFree(name) {
			all[name] = jsontext.Value(cmp.Or(strings.TrimSpace(text), "null"))
			continue
		}
		quoted, err := jsontext.AppendQuote(nil, text)
		if err != nil {
			quoted = jsontext.Value(`"\u0000"`) // which no member may hold
		}
		all[name] = quoted
	}
	return all
}

// check returns what is kept of the members sent for a record, or Faults.
func check(kind Kind, sent map[string]jsontext.Value) (map[string]jsontext.Value, error) {
	kept, faults := make(map[string]jsontext.Value, len(members[kind])), Faults{}
	for _, m := range members[kind] {
		value, given := sent[m.name]
		isNull := !given || string(value) == "null"
		if s, err := textOf(value); err == nil && strings.TrimSpace(s) == "" && !isFree(m.name) {
			isNull = true
		}
		kept[m.name] = null
		switch fault := ""; {
		case m.required && !given:
			faults[m.name] = []string{"This field is required."}
		case m.required && string(value) == "null":
			faults[m.name] = []string{"This field may not be null."}
		case m.required && isNull:
			faults[m.name] = []string{"This field may not be blank."}
		case isNull && m.name == memberCurrent:
			kept[m.name] = no
		case !isNull:
			if kept[m.name], fault = m.read(value); fault != "" {
				faults[m.name] = []string{fault}
			}
		}
	}
	if len(faults) > 0 {
		return nil, faults
	}
	return kept, nil
}

var errNoText = errors.New("no text")

// textOf is the text that a JSON string stands for.
func textOf(v jsontext.Value) (string, error) {
	if v.Kind() != '"' {
		return "", errNoText
	}
	text, err := jsontext.AppendUnquote(nil, v)
	return string(text), err
}

// plain is the text of a string, or of a number as it was written.
func plain(v jsontext.Value) string {
	if v.Kind() == '0' {
		return string(v)
	}
	text, _ := textOf(v)
	return strings.TrimSpace(text)
}

func quote(text string) jsontext.Value {
	quoted, _ := jsontext.AppendQuote(nil, text) // it is valid UTF-8
	return quoted
}

func text(most int) func(jsontext.Value) (jsontext.Value, string) {
	return func(v jsontext.Value) (jsontext.Value, string) {
		s, err := textOf(v)
		s = strings.TrimSpace(s)
		switch {
		case err != nil:
			return nil, "Not a valid string."
		case strings.ContainsRune(s, 0):
			return nil, "Null characters are not allowed."
		case utf8.RuneCountInString(s) > most:
			return nil, fmt.Sprintf("Ensure this field has no more than %d characters.", most)
		}
		return quote(s), ""
	}
}

// address takes a web address, also without a scheme, and none that a page must not lead to (row M-13).
func address(v jsontext.Value) (jsontext.Value, string) {
	kept, fault := text(255)(v)
	if fault != "" {
		return nil, fault
	}
	u, err := url.Parse(plain(v))
	if err != nil || u.Scheme != "" && u.Scheme != "http" && u.Scheme != "https" {
		return nil, "Enter a valid URL."
	}
	return kept, ""
}

func choice(values ...string) func(jsontext.Value) (jsontext.Value, string) {
	return func(v jsontext.Value) (jsontext.Value, string) {
		s, err := textOf(v)
		if err == nil && slices.Contains(values, s) {
			return quote(s), ""
		}
		if err != nil {
			s = string(v)
		}
		const most = 100 // of what is repeated
		if runes := []rune(s); len(runes) > most {
			s = string(runes[:most]) + "…"
		}
		return nil, `"` + s + `" is not a valid choice.`
	}
}

func readDate(v jsontext.Value) (jsontext.Value, string) {
	s, err := textOf(v)
	day, badDay := time.Parse(time.DateOnly, strings.TrimSpace(s))
	if err != nil || badDay != nil || day.Year() < 1 {
		return nil, "Date has wrong format. Use one of these formats instead: YYYY-MM-DD."
	}
	return quote(day.Format(time.DateOnly)), ""
}

func readFlag(v jsontext.Value) (jsontext.Value, string) {
	if k := v.Kind(); k == 't' || k == 'f' {
		return v.Clone(), ""
	}
	switch strings.ToLower(plain(v)) {
	case "true", "1", "on", "yes":
		return jsontext.Value("true"), ""
	case "false", "0", "off", "no":
		return no, ""
	}
	return nil, "Must be a valid boolean."
}

// readInteger takes one of 32 bits.
func readInteger(v jsontext.Value) (jsontext.Value, string) {
	n, err := strconv.ParseInt(plain(v), 10, 64)
	switch {
	case errors.Is(err, strconv.ErrSyntax):
		return nil, "A valid integer is required."
	case n > 1<<31-1:
		return nil, "Ensure this value is less than or equal to 2147483647."
	case n < -1<<31:
		return nil, "Ensure this value is greater than or equal to -2147483648."
	}
	return jsontext.Value(strconv.FormatInt(n, 10)), ""
}

// readID takes the id of another record. Whether it is there is for the store to say.
func readID(v jsontext.Value) (jsontext.Value, string) {
	n, err := strconv.ParseUint(plain(v), 10, 64)
	switch {
	case err == nil && n > 0:
		return jsontext.Value(strconv.FormatUint(n, 10)), ""
	case err == nil, errors.Is(err, strconv.ErrRange), integer.MatchString(plain(v)):
		return nil, noSuchRecord(plain(v))
	}
	return nil, "Incorrect type. Expected pk value, received " + typeName(v) + "."
}

func noSuchRecord(id string) string {
	const most = 20 // digits
	return `Invalid pk "` + id[:min(len(id), most)] + `" - object does not exist.`
}

// typeName is what Python calls the type of a value.
func typeName(v jsontext.Value) string {
	switch v.Kind() {
	case 't', 'f':
		return "bool"
	case '{':
		return "dict"
	case '[':
		return "list"
	case '0':
		return "float"
	}
	return "str"
}

var (
	integer = regexp.MustCompile(`^-?[0-9]+$`)
	decimal = regexp.MustCompile(`^(-?)([0-9]*)(?:\.([0-9]*))?$`)
)

// readGrade takes a decimal number of one digit before the point and two behind it, of which it keeps both.
func readGrade(v jsontext.Value) (jsontext.Value, string) {
	parts := decimal.FindStringSubmatch(plain(v))
	if parts == nil || parts[2]+parts[3] == "" {
		return nil, "A valid number is required."
	}
	sign, whole, fraction := parts[1], strings.TrimLeft(parts[2], "0"), parts[3]
	switch {
	case len(fraction) > 2:
		return nil, "Ensure that there are no more than 2 decimal places."
	case len(whole) > 1:
		return nil, "Ensure that there are no more than 1 digits before the decimal point."
	case whole == "":
		whole = "0"
	}
	number := whole + "." + (fraction + "00")[:2]
	if number != "0.00" {
		number = sign + number
	}
	return quote(number), ""
}

// readJSON takes any JSON.
func readJSON(v jsontext.Value) (jsontext.Value, string) {
	kept := v.Clone()
	if err := kept.Compact(); err != nil || depthOf(kept) > maxDepth {
		return nil, "Value must be valid JSON."
	}
	if len(kept) > maxJSON {
		return nil, fmt.Sprintf("Ensure this field has no more than %d bytes of JSON.", maxJSON)
	}
	return kept, ""
}

// depthOf is how many levels deep a value is, beyond maxDepth where that cannot be told.
func depthOf(v jsontext.Value) (deepest int) {
	d := jsontext.NewDecoder(bytes.NewReader(v))
	for {
		if _, err := d.ReadToken(); errors.Is(err, io.EOF) {
			return deepest
		} else if err != nil {
			return maxDepth + 1
		}
		deepest = max(deepest, d.StackDepth())
	}
}

// encode is the body of a record, decode reads it. A member that a record lacks, since it is older than the member, is null.
func encode(kept map[string]jsontext.Value) ([]byte, error) {
	return json.Marshal(kept, json.Deterministic(true), jsontext.PreserveRawStrings(true))
}

func decode(kind Kind, body []byte) (map[string]jsontext.Value, error) {
	var stored map[string]jsontext.Value
	if err := json.Unmarshal(body, &stored); err != nil {
		return nil, err
	}
	all := make(map[string]jsontext.Value, len(members[kind]))
	for _, m := range members[kind] {
		all[m.name] = null
		if value, ok := stored[m.name]; ok {
			all[m.name] = value
		}
	}
	return all, nil
}
