package metadata_test

import (
	"cmp"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/claimsmith/claimsmith/metadata"
)

func termOf(t *testing.T, json string) string {
	t.Helper()
	v, err := metadata.JSON([]byte(json))
	if err != nil {
		t.Fatalf("%.40q: %v", json, err)
	}
	return metadata.TermOf(v)
}

func TestTermsTellValuesApart(t *testing.T) {
	long := strings.Repeat("a", metadata.MaxTermBytes)
	values := []string{
		`""`, `"a"`, `"A"`, `"1"`, `1`, `1.0`, `"1.0"`, `10`, `true`, `"true"`, `null`, `"null"`, `[]`, `{}`, `"[]"`, `["a"]`, `{"a":1}`,
		`"\u0000"`, `"\u0001"`, `"\u0001\u0001"`, `"\u0001\u0002"`, `"\u0000\u0000"`, `"\u0001\u0003"`,
		`"a\u0000b"`, `"a\u0001b"`, `"\""`, `"\"a"`,
		`"é"`, `"e\u0301"`, `"` + long + `"`, `"` + long + `b"`,
		`"` + long + `c"`, `"` + long + `\u0001\u0003"`, `["` + long + `b"]`, `["` + long + `c"]`,
	}
	seen := make(map[string]string)
	for _, json := range values {
		term := termOf(t, json)
		if other, ok := seen[term]; ok || term == "" || strings.Contains(term, "\x00") {
			t.Errorf("%.20q and %.20q are found by %.40q", json, other, term)
		}
		seen[term] = json
	}
	for a, b := range map[string]string{`"a"`: `"\u0061"`, `"/"`: `"\/"`, `"é"`: `"\u00e9"`, ` [1, 2] `: `[1,2]`} {
		if termOf(t, a) != termOf(t, b) {
			t.Errorf("%s and %s are found by different terms", a, b)
		}
	}
	if term := metadata.TermOf(metadata.Bytes([]byte(`"a"`))); term != "" {
		t.Errorf("bytes are found by %q", term)
	}
	if term := metadata.TermOf(metadata.Value{}); term != "" {
		t.Errorf("no value is found by %q", term)
	}
	for _, json := range []string{`"` + strings.Repeat(`\u0000`, 80_000) + `"`, `[` + strings.Repeat("1,", 80_000) + `1]`} {
		if term := termOf(t, json); len(term) > 3*metadata.MaxTermBytes {
			t.Errorf("a term has %d bytes", len(term))
		}
	}
}

func FuzzTermOf(f *testing.F) {
	for _, pair := range [][2]string{
		{"", "a"}, {"a", "ab"}, {"\x00", "\x01"}, {"\x01", "\x01\x01"}, {"a\x00", "a\x01"}, {"\x01\x03", "é"},
		{strings.Repeat("a", metadata.MaxTermBytes), strings.Repeat("a", metadata.MaxTermBytes+1)},
		{strings.Repeat("é", metadata.MaxTermBytes), strings.Repeat("é", metadata.MaxTermBytes) + "b"},
	} {
		f.Add(pair[0], pair[1])
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		quote := func(text string) metadata.Value {
			json, err := jsontext.AppendQuote(nil, text)
			if err != nil {
				t.Skip("not UTF-8")
			}
			v, err := metadata.JSON(json)
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
		termA, termB := metadata.TermOf(quote(a)), metadata.TermOf(quote(b))
		if (termA == termB) != (a == b) {
			t.Errorf("%q and %q are found by %q and %q", a, b, termA, termB)
		}
		if strings.ContainsAny(termA, "\x00") {
			t.Errorf("%q is found by %q", a, termA)
		}
		if len(a) <= metadata.MaxTermBytes && strings.HasPrefix(termB, termA) != strings.HasPrefix(b, a) {
			t.Errorf("%q begins with %q, and %q with %q", b, a, termB, termA)
		}
		if len(a) <= metadata.MaxTermBytes && len(b) <= metadata.MaxTermBytes && cmp.Compare(termA, termB) != cmp.Compare(a, b) {
			t.Errorf("%q and %q are in another order than %q and %q", termA, termB, a, b)
		}
		if v, err := metadata.JSON([]byte(a)); err == nil && v.Raw()[0] != '"' && metadata.TermOf(v) == termB {
			t.Errorf("the JSON %q and the text %q are found alike", a, b)
		}
	})
}
