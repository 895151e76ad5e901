package main

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// kept is an entry as the model has it.
type kept struct {
	// text is exact JSON, or, of bytes, these. exact says that somebody gave it as JSON: of a text that came as bytes any spelling will do.
	text         string
	bytes, exact bool
	claim        bool
}

// opaque is the entry where there are only bytes.
func (k kept) opaque() string {
	if !k.bytes && strings.HasPrefix(k.text, `"`) {
		return unquoted(k.text)
	}
	return k.text
}

// json is the entry where there is only JSON.
func (k kept) json() string {
	if k.bytes {
		return `"` + base64.StdEncoding.EncodeToString([]byte(k.text)) + `"`
	}
	return k.text
}

func unquoted(text string) string {
	var s string
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		panic(err)
	}
	return s
}

// paper is a document of the model.
type paper map[string]kept

// laid is what acme and globex lay down for a key in these tests.
type laid struct {
	definition string
	operators  bool // alone may write it
	hidden     bool // from everybody else
	mark       string
	marked     bool // where nobody says and mark is ""
	text       bool // nothing else
}

var laws = map[string]laid{
	"plan":   {definition: planDefinition, operators: true, mark: "true", text: true},
	"rating": {definition: `{"claim":"never","read":"operator"}`, operators: true, hidden: true, mark: "false"},
	"nick":   {definition: `{"write":"self","claim":"always"}`, mark: "true"},
	"motto":  {definition: `{"write":"self","profile_claim":true}`, marked: true},
}

// law is what is laid down for a key, however its letters are written.
func law(key string) (name string, l laid, found bool) {
	for name, l := range laws {
		if strings.EqualFold(name, key) {
			return name, l, true
		}
	}
	return "", laid{}, false
}

// marks reports whether a new entry of the key is a claim where nobody says so.
func marks(key string) bool {
	_, l, _ := law(key)
	return l.mark == "true" || l.marked
}

// own reports whether users may write claims of the key.
func own(key string) bool {
	name, l, found := law(key)
	return found && name == key && !l.operators
}

// step is a change of one document, however it is spoken of.
type step struct {
	self    bool // by the user
	opaque  bool // values are bytes
	strict  bool // what is to be removed has to be there
	knows   bool // of claims
	set     []pair
	gone    []string
	replace bool
}

// isThere reports whether a pair is there already, which dialects of bytes pass over.
func (s step) isThere(p pair, before kept, exists bool) bool {
	respelt := before.exact && !before.bytes && strings.HasPrefix(before.text, `"`) && before.text != spelt(p.value)
	return s.opaque && exists && before.opaque() == p.value && !respelt
}

// spelt is how a text that came as bytes is written. A JSON string with other escapes is not the same as its text.
func spelt(text string) string {
	quoted, _ := jsontext.AppendQuote(nil, text)
	return string(quoted)
}

// keep is what becomes of a pair.
func (s step) keep(p pair, before kept, exists bool) kept {
	if s.isThere(p, before, exists) {
		return before
	}
	k := kept{text: p.value, exact: true}
	if s.opaque {
		k = kept{text: quote(p.value)}
		if !utf8.ValidString(p.value) {
			k = kept{text: p.value, bytes: true}
		}
	}
	_, l, _ := law(p.key)
	switch {
	case l.mark != "":
		k.claim = l.mark == "true"
	case s.knows && p.mark != "":
		k.claim = p.mark == "true"
	case exists && (!s.knows || s.self):
		k.claim = before.claim
	default:
		k.claim = marks(p.key)
	}
	return k
}

// refusals are the classes of answers the step may get that are not success; with none it must succeed.
func (s step) refusals(d paper) []string {
	var all []string
	for _, key := range s.gone {
		_, l, lawful := law(key)
		switch before, exists := d[key]; {
		case s.self && (lawful && l.operators || before.claim && !own(key)):
			all = append(all, classRefused)
		case s.strict && !exists:
			all = append(all, classAbsent)
		}
	}
	if slices.ContainsFunc(s.set, func(p pair) bool { return p.mark == "true" && !claimable.MatchString(p.key) }) {
		all = append(all, classInvalid)
	}
	after := maps.Clone(d)
	for _, p := range s.effective() {
		before, exists := d[p.key]
		name, l, lawful := law(p.key)
		if s.isThere(p, before, exists) && !(s.self && (l.operators || before.claim && !own(p.key))) {
			continue
		}
		k := s.keep(p, before, exists)
		after[p.key] = k
		switch {
		case s.self && lawful && l.operators, s.self && before.claim && !own(p.key):
			all = append(all, classRefused)
		case s.self && s.knows && p.mark != "" && (p.mark == "true") != (exists && before.claim || !exists && marks(p.key) || l.mark == "true"):
			all = append(all, classRefused)
		case lawful && name != p.key:
			all = append(all, classInvalid)
		case s.knows && p.mark != "" && l.mark != "" && p.mark != l.mark:
			all = append(all, classInvalid)
		case l.text && (k.bytes || !strings.HasPrefix(k.text, `"`)):
			all = append(all, classInvalid)
		case k.claim && k.bytes:
			all = append(all, classInvalid)
		}
		if k.claim && !claimable.MatchString(p.key) {
			all = append(all, classInvalid)
		}
	}
	for _, key := range s.gone {
		delete(after, key)
	}
	if s.replace {
		after = s.apply(d)
	}
	if clashes(after) {
		all = append(all, classInvalid)
	}
	return all
}

// claimable is the grammar of the keys of claims.
var claimable = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.-]{0,63}$`)

// clashes reports whether two claims differ only in case.
func clashes(d paper) bool {
	seen := map[string]bool{}
	for key, k := range d {
		folded := strings.ToLower(key)
		if k.claim && seen[folded] {
			return true
		}
		seen[folded] = seen[folded] || k.claim
	}
	return false
}

// effective are the pairs that count: the last of each key, and none of those that are removed as well.
func (s step) effective() []pair {
	var all []pair
	for n, p := range s.set {
		later := slices.ContainsFunc(s.set[n+1:], func(later pair) bool { return later.key == p.key })
		if !later && !slices.Contains(s.gone, p.key) {
			all = append(all, p)
		}
	}
	return all
}

// apply is the document after a step that was not refused.
func (s step) apply(d paper) paper {
	after := paper{}
	for key, k := range d {
		_, l, lawful := law(key)
		stays := s.self && (lawful && l.operators || k.claim && !own(key))
		if !s.replace || stays {
			after[key] = k
		}
	}
	for _, p := range s.effective() {
		before, exists := d[p.key]
		after[p.key] = s.keep(p, before, exists)
	}
	for _, key := range s.gone {
		delete(after, key)
	}
	return after
}

// seen is what a caller may see of a document.
func (d paper) seen(self bool) paper {
	visible := paper{}
	for key, k := range d {
		if _, l, _ := law(key); !self || !l.hidden {
			visible[key] = k
		}
	}
	return visible
}

// claimsIn are those that tokens for an application have, by name.
func claimsIn(wide, app paper) map[string]kept {
	all := map[string]kept{}
	for key, k := range wide {
		hidden := false
		for other, o := range app {
			hidden = hidden || o.claim && strings.EqualFold(other, key)
		}
		if k.claim && !hidden {
			all["metadata_"+key] = k
		}
	}
	for key, k := range app {
		if k.claim {
			all["metadata_"+key] = k
		}
	}
	return all
}

// sameJSON reports whether a JSON text is what the model has.
func (k kept) sameJSON(text string) bool {
	if k.exact || k.bytes || !strings.HasPrefix(text, `"`) {
		return text == k.json()
	}
	return unquoted(text) == k.opaque()
}

// differs reports how what a tongue shows differs from the model, "" if it does not.
func (d paper) differs(t *tongue, shown map[string]string) string {
	if !slices.Equal(slices.Sorted(maps.Keys(d)), slices.Sorted(maps.Keys(shown))) {
		return "keys " + quoteKeys(shown) + ", not " + quoteKeys(d)
	}
	for key, k := range d {
		if t.opaque && shown[key] != k.opaque() {
			return quote(key) + " is " + quote(shown[key]) + ", not " + quote(k.opaque())
		}
		if !t.opaque && !k.sameJSON(shown[key]) {
			return quote(key) + " is " + shown[key] + ", not " + k.json()
		}
	}
	return ""
}

func quoteKeys[V any](m map[string]V) string { return list(slices.Sorted(maps.Keys(m))) }

// whole is how a document of an application looks as a profile: "" is the key of what is no object, and an empty object adds nothing to others.
func (d paper) whole(t interface{ Fatalf(string, ...any) }) paper {
	k, there := d["$"]
	switch {
	case !there, len(d) > 1 && k.text != "{}":
		return d
	case len(d) > 1:
		others := maps.Clone(d)
		delete(others, "$")
		return others
	}
	if !strings.HasPrefix(k.text, "{") {
		return paper{"": k}
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal([]byte(k.text), &members); err != nil {
		t.Fatalf("%s: %v", k.text, err)
	}
	shown := paper{}
	for key, value := range members {
		shown[key] = kept{text: string(value), exact: true}
	}
	return shown
}

// entriesOf are the entries that a profile becomes.
func entriesOf(t interface{ Fatalf(string, ...any) }, data string) []pair {
	if !strings.HasPrefix(data, "{") || data == "{}" {
		return []pair{{key: "$", value: data}}
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal([]byte(data), &members); err != nil {
		t.Fatalf("%s: %v", data, err)
	}
	_, marked := members["$"]
	whole := marked && len(members) == 1
	var all []pair
	for _, key := range slices.Sorted(maps.Keys(members)) {
		all = append(all, pair{key: key, value: string(members[key])})
		whole = whole || key == "" || key == "$" && string(members[key]) == "{}" || strings.ContainsAny(key, "\n\x00") || utf8.RuneCountInString(key) > 200
	}
	if whole {
		return []pair{{key: "$", value: data}}
	}
	return all
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
