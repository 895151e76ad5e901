package sentinel_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"

	"github.com/claimsmith/claimsmith/handlers/sentinel"
	"github.com/claimsmith/claimsmith/metadata"
)

// stored is what a store has of a profile: its entries ordered by key, the last of each key.
func stored(puts []metadata.Put) []metadata.Entry {
	values := map[string]metadata.Value{}
	for _, p := range puts {
		values[p.Key] = p.Value
	}
	var entries []metadata.Entry
	for key, value := range values {
		entries = append(entries, metadata.Entry{Key: key, Value: value})
	}
	slices.SortFunc(entries, func(a, b metadata.Entry) int { return cmp.Compare(a.Key, b.Key) })
	return entries
}

func roundTrip(t interface {
	Helper()
	Fatal(args ...any)
}, profile string) string {
	t.Helper()
	puts, err := sentinel.Entries(jsontext.Value(profile))
	if err != nil {
		t.Fatal(err)
	}
	return string(metadata.Join(stored(puts)))
}

func TestProfilesAreStoredAsEntriesWhereTheyCanBe(t *testing.T) {
	tests := []struct {
		profile string
		keys    []string
	}{
		{`{"b":1,"a":{"b":[]}}`, []string{"a", "b"}},
		{`{"$":1,"a":2}`, []string{"$", "a"}},
		{`{"a b/c.d é":null}`, []string{"a b/c.d é"}},
		{`{}`, []string{"$"}},
		{`{"$":1}`, []string{"$"}},
		{`{"$":{"$":1}}`, []string{"$"}},
		{`{"":1}`, []string{"$"}},
		{`{"a":1,"\u0000":2}`, []string{"$"}},
		{`{"a":1,"` + strings.Repeat("k", metadata.MaxKeyLength+1) + `":2}`, []string{"$"}},
		{`[]`, []string{"$"}},
		{`[{"a":1}]`, []string{"$"}},
		{`null`, []string{"$"}},
		{`"text"`, []string{"$"}},
		{`1.0`, []string{"$"}},
		{`false`, []string{"$"}},
	}
	for _, tt := range tests {
		puts, err := sentinel.Entries(jsontext.Value(tt.profile))
		if err != nil {
			t.Errorf("%s: %v", tt.profile, err)
			continue
		}
		var keys []string
		for _, p := range puts {
			keys = append(keys, p.Key)
			if !p.Kept || p.ProfileClaim {
				t.Errorf("%s: the entry %q says whether it is a claim", tt.profile, p.Key)
			}
		}
		slices.Sort(keys)
		if !slices.Equal(keys, tt.keys) {
			t.Errorf("%s has entries %q, want %q", tt.profile, keys, tt.keys)
		}
	}
}

// texts are pieces of which names, strings and numbers are made, with all that is special about keys and JSON among them.
var texts = []string{
	"", "$", "a", "A", "b", "_", " ", "/", "~", ".", "é", "e\u0301", "\u00df", "日本", "😀",
	`\"`, `\\`, `\u0000`, `\u001f`, `\u007f`, `\u0085`, `\u2028`, `\ud83d\ude00`, `\n`,
	strings.Repeat("k", 199), "toString", "__proto__", "value", "profileClaim",
}

var numbers = []string{
	"0", "-0", "1.0", "1.00", "1e2", "1E+02", "9007199254740993", "-9007199254740993",
	"123456789012345678901234567890.000000000000000001", "1e400", "0.1", "5e-324",
}

// anyJSON draws a JSON value of at most some levels whose object members differ in more than case.
func anyJSON(t *rapid.T, levels int) string {
	kinds := []string{"null", "true", "false", "number", "string", "object", "array"}
	if levels == 0 {
		kinds = kinds[:5]
	}
	switch kind := rapid.SampledFrom(kinds).Draw(t, "kind"); kind {
	case "number":
		return rapid.SampledFrom(numbers).Draw(t, "number")
	case "string":
		return aText(t)
	case "array":
		var elements []string
		for range rapid.IntRange(0, 3).Draw(t, "elements") {
			elements = append(elements, anyJSON(t, levels-1))
		}
		return "[" + strings.Join(elements, ",") + "]"
	case "object":
		return anObject(t, levels)
	default:
		return kind
	}
}

func aText(t *rapid.T) string {
	return `"` + strings.Join(rapid.SliceOfN(rapid.SampledFrom(texts), 0, 3).Draw(t, "text"), "") + `"`
}

func anObject(t *rapid.T, levels int) string {
	members := map[string]string{}
	for range rapid.IntRange(0, 4).Draw(t, "members") {
		text := aText(t)
		name, err := jsontext.AppendUnquote(nil, text)
		if err != nil {
			t.Fatal(err)
		}
		quoted, err := jsontext.AppendQuote(nil, name) // entries have one spelling of a name
		if err != nil {
			t.Fatal(err)
		}
		taken := false
		for other := range members {
			taken = taken || strings.EqualFold(other, string(quoted))
		}
		if !taken {
			members[string(quoted)] = anyJSON(t, levels-1)
		}
	}
	names := make([]string, 0, len(members))
	for name := range members {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { // as keys are ordered
		x, _ := jsontext.AppendUnquote(nil, a)
		y, _ := jsontext.AppendUnquote(nil, b)
		return cmp.Compare(string(x), string(y))
	})
	for n, name := range names {
		names[n] = name + ":" + members[name]
	}
	return "{" + strings.Join(names, ",") + "}"
}

func TestEveryProfileComesBackAsItWas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		profile := anyJSON(t, 5)
		if back := roundTrip(t, profile); back != profile {
			t.Fatalf("%s came back as %s", profile, back)
		}
	})
}

func TestWhatCannotBeStoredIsRefusedByItsPlace(t *testing.T) {
	tests := []struct{ profile, want string }{
		{`{"a":` + strings.Repeat("[", 33) + strings.Repeat("]", 33) + `}`, "a"},
		{`{"a":{"b":1,"B":2}}`, "a"},
		{strings.Repeat("[", 33) + strings.Repeat("]", 33), ""},
		{`["` + strings.Repeat("x", metadata.MaxValueBytes) + `"]`, ""},
	}
	for _, tt := range tests {
		_, err := sentinel.Entries(jsontext.Value(tt.profile))
		refused, ok := err.(*metadata.Error) //nolint:errorlint // it is the outermost
		if !ok || refused.Field != tt.want {
			t.Errorf("%.40s: got %v, want a refusal at %q", tt.profile, err, tt.want)
		}
	}
}

func TestProfileIDsAreStableAndApart(t *testing.T) {
	if got := sentinel.ProfileID("jane-id", "demo"); got != 3172677738658778 { // which clients have kept
		t.Errorf("the id is %d", got)
	}
	seen := map[uint64]string{}
	for user := range 100 {
		for app := range 10 {
			pair := fmt.Sprintf("user %d of app %d", user, app)
			id := sentinel.ProfileID(fmt.Sprintf("u%d", user), fmt.Sprintf("a%d", app))
			if other, taken := seen[id]; taken || id == 0 || id >= 1<<53 {
				t.Errorf("%s has id %d, like %s", pair, id, other)
			}
			seen[id] = pair
			if again := sentinel.ProfileID(fmt.Sprintf("u%d", user), fmt.Sprintf("a%d", app)); again != id {
				t.Errorf("%s had id %d and has %d", pair, id, again)
			}
		}
	}
}

// FuzzProfile stores whatever is JSON, and reads the same JSON back, but for the order and the spelling of an object's names.
func FuzzProfile(f *testing.F) {
	for _, seed := range []string{
		`{"a":1}`, `{"$":1}`, `{}`, `[1.0,{"a":[]}]`, `null`, `{"\u0000":"\ud800"}`, `{"b":-0,"a":1E+02}`, `"`, `{"a":1}{`, ` 1 `,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if !jsontext.Value(text).IsValid() { // what a request is refused for
			t.Skip()
		}
		puts, err := sentinel.Entries(jsontext.Value(text))
		if err != nil {
			return
		}
		if len(puts) == 0 {
			t.Fatalf("nothing is stored of %q", text)
		}
		back := metadata.Join(stored(puts))
		want, got := jsontext.Value(slices.Clone(text)), slices.Clone(back)
		// Members in one order and names in one spelling; values of entries are left as they are.
		if err := want.Format(jsontext.ReorderRawObjects(true), jsontext.PreserveRawStrings(false)); err != nil {
			t.Fatal(err)
		}
		if err := got.Format(jsontext.ReorderRawObjects(true), jsontext.PreserveRawStrings(false)); err != nil {
			t.Fatal(err)
		}
		if string(want) != string(got) {
			t.Fatalf("%q came back as %q", text, back)
		}
	})
}
