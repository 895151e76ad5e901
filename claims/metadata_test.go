package claims_test

import (
	"context"
	stdjson "encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/claimsmith/claimsmith/claims"
)

// through puts stored metadata into a token, verifies it, and returns what a service reads.
func through(tb testing.TB, pairs ...pair) claims.Metadata {
	tb.Helper()
	token := accessToken()
	got, err := testVerifier(tb).VerifyAccessToken(context.Background(), es256().access(string(token.AppendJSON(nil, profileOf(pairs...)))))
	if err != nil {
		tb.Fatal(err)
	}
	return got.Metadata
}

// SECURITY.md M-07 and M-08: values arrive as they were stored, to the byte.
func TestValuesAreExact(t *testing.T) {
	for _, value := range []string{
		"9007199254740993", "-9007199254740993", "12345678901234567890", "1.0", "1e2", "-0", "0.1", "1e400", "1E-400", "0",
		`[]`, `{}`, `null`, `true`, `"true"`, `""`, `"1"`, `{"a":[],"b":{},"c":null,"d":"true","e":"1"}`, `"\u00e9\n\/"`, `"é😀"`,
		`{"Theme":1,"theme":2}`, `[1, 2 ]`,
	} {
		m := through(t, pair{"a", "1"}, pair{"v", value})
		if got, ok := m.Raw("v"); got != value || !ok {
			t.Errorf("%s arrived as %s, %v", value, got, ok)
		}
	}
}

func TestMetadata(t *testing.T) {
	m := through(t, pair{"text", `"a\u00e9\"\n"`}, pair{"yes", `true`}, pair{"no", `false`}, pair{"n", `9007199254740993`},
		pair{"min", `-9223372036854775808`}, pair{"max", `9223372036854775807`}, pair{"over", `9223372036854775808`}, pair{"frac", `1.0`},
		pair{"exp", `1e2`}, pair{"minus", `-0`}, pair{"nothing", `null`}, pair{"list", `["a","b",""]`}, pair{"mixed", `["a",null]`},
		pair{"numbers", `[1]`}, pair{"empty", `[]`}, pair{"object", `{"a":1}`}, pair{"word", `"true"`}, pair{"digits", `"7"`}, pair{"Text", `"other"`})

	check(t, "String", m, m.String, map[string]string{"text": "aé\"\n", "Text": "other", "word": "true", "digits": "7"})
	check(t, "Bool", m, m.Bool, map[string]bool{"yes": true, "no": false})
	check(t, "Int64", m, m.Int64, map[string]int64{
		"n": 9007199254740993, "min": -9223372036854775808, "max": 9223372036854775807, "minus": 0})
	check(t, "Number", m, m.Number, map[string]stdjson.Number{
		"n": "9007199254740993", "min": "-9223372036854775808", "max": "9223372036854775807", "over": "9223372036854775808",
		"frac": "1.0", "exp": "1e2", "minus": "-0"})
	check(t, "Strings", m, m.Strings, map[string][]string{"list": {"a", "b", ""}, "empty": {}})

	if !m.Has("nothing") || m.Has("absent") || m.Has("TEXT") {
		t.Error("Has is wrong about null, absence or case")
	}
	if _, ok := m.Raw("absent"); ok {
		t.Error("Raw found what is absent")
	}
	if keys := (claims.Metadata{}).Keys(); len(keys) != 0 {
		t.Errorf("no metadata has keys %v", keys)
	}
}

// check compares what get finds, under every key there is and some there are not.
func check[T any](t *testing.T, name string, m claims.Metadata, get func(string) (T, bool), want map[string]T) {
	t.Helper()
	got := map[string]T{}
	for _, key := range append(m.Keys(), "absent", "", "metadata_text", "TEXT") {
		if value, ok := get(key); ok {
			got[key] = value
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

func TestDecode(t *testing.T) {
	m := through(t, pair{"n", `9007199254740993`}, pair{"prefs", `{"Size":3,"size":4,"ids":[12345678901234567890]}`}, pair{"theme", `"dark"`})
	var n int64
	if err := m.Decode("n", &n); err != nil || n != 9007199254740993 {
		t.Errorf("n: %d, %v", n, err)
	}
	var prefs struct {
		Size int              `json:"size"`
		IDs  []stdjson.Number `json:"ids"`
	}
	if err := m.Decode("prefs", &prefs); err != nil || prefs.Size != 4 || prefs.IDs[0] != "12345678901234567890" {
		t.Errorf("prefs: %+v, %v", prefs, err)
	}
	var anything any
	if err := m.Decode("prefs", &anything); err != nil {
		t.Error(err)
	}
	want := map[string]any{"Size": stdjson.Number("3"), "size": stdjson.Number("4"), "ids": []any{stdjson.Number("12345678901234567890")}}
	if diff := cmp.Diff(any(want), anything); diff != "" {
		t.Errorf("into any (-want +got):\n%s", diff)
	}
	var small int8
	var text string
	for key, v := range map[string]any{"n": &small, "theme": &n, "prefs": &text} {
		if err := m.Decode(key, v); err == nil || errors.Is(err, claims.ErrNoMetadata) {
			t.Errorf("%s into %T: error %v", key, v, err)
		}
	}
	if err := m.Decode("absent", &text); !errors.Is(err, claims.ErrNoMetadata) {
		t.Errorf("absent: %v", err)
	}
}

func TestUnmarshal(t *testing.T) {
	m := through(t, pair{"Theme", `"shadow"`}, pair{"id", `9007199254740993`}, pair{"other", `[]`})
	var into struct {
		Theme string         `json:"theme"`
		ID    int64          `json:"id"`
		Num   stdjson.Number `json:"num"`
	}
	if err := m.Unmarshal(&into); err != nil || into.Theme != "" || into.ID != 9007199254740993 {
		t.Errorf("%+v, %v; the claim Theme must not fill theme", into, err)
	}
	var all map[string]any
	if err := m.Unmarshal(&all); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(map[string]any{"Theme": "shadow", "id": stdjson.Number("9007199254740993"), "other": []any{}}, all); diff != "" {
		t.Errorf("into a map (-want +got):\n%s", diff)
	}
	var wrong struct {
		ID string `json:"id"`
	}
	if err := m.Unmarshal(&wrong); err == nil {
		t.Error("a number became a string")
	}
}

func TestMetadataAsJSON(t *testing.T) {
	const text = `{"a":9007199254740993,"b":{"x":[1.0,-0]}}`
	got, err := stdjson.Marshal(through(t, pair{"b", `{"x":[1.0,-0]}`}, pair{"a", `9007199254740993`}))
	if err != nil || string(got) != text {
		t.Errorf("%s, %v; want %s", got, err, text)
	}
	var m claims.Metadata
	if err := stdjson.Unmarshal([]byte(text), &m); err != nil {
		t.Fatal(err)
	}
	if again, err := stdjson.Marshal(m); err != nil || string(again) != text {
		t.Errorf("and back: %s, %v", again, err)
	}
	if none, err := stdjson.Marshal(claims.Metadata{}); err != nil || string(none) != "{}" {
		t.Errorf("none: %s, %v", none, err)
	}
	for _, bad := range []string{`{"a b":1}`, `{"__proto__":1}`, `[]`, `{"a":1,"a":2}`, `"a"`} {
		if err := m.UnmarshalJSON([]byte(bad)); err == nil {
			t.Errorf("%s: accepted", bad)
		}
	}
}
