package metadata_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/claimsmith/claimsmith/metadata"
)

func TestADocumentStandsForOneValue(t *testing.T) {
	long := strings.Repeat("k", metadata.MaxKeyLength+1)
	for raw, keys := range map[string]string{
		`{}`: "$", `{"a":1}`: "a", `{"a": {"b": [ ]} , "z":"\u0041"}`: "a z", `{"z":1,"a":9007199254740993}`: "z a", `{"a":1,"A":2}`: "a A",
		`null`: "$", `"text"`: "$", `[1,{"a":2}]`: "$", `1.0`: "$",
		`{"$":1}`: "$", `{"$":1,"a":2}`: "$ a", `{"$":{},"a":2}`: "$", `{"$":[],"a":2}`: "$ a",
		`{"":1,"a":2}`: "$", `{"a\n":1}`: "$", `{"` + long + `":1,"b":2}`: "$",
	} {
		puts, err := metadata.Split([]byte(raw))
		if err != nil {
			t.Errorf("%s: %v", raw, err)
			continue
		}
		var have []string
		entries := make([]metadata.Entry, len(puts))
		for n, put := range puts {
			have = append(have, put.Key)
			entries[n].Key, entries[n].Value = put.Key, put.Value
		}
		if got := strings.Join(have, " "); got != keys {
			t.Errorf("%s has the keys %q", raw, got)
		}
		whole := jsontext.Value(raw)
		if err := whole.Compact(); err != nil {
			t.Fatal(err)
		}
		if got := string(metadata.Join(entries)); got != string(whole) {
			t.Errorf("%s comes back as %s", raw, got)
		}
	}
	for _, raw := range []string{``, `{`, `{"a":1,"a":2}`, `{"a":{"b":1,"B":2}}`, `1 2`, `{"a":1} 2`, `{"a":1}}`, `{"":1,"":2}`, `{"a":"` + "\xff" + `"}`} {
		if puts, err := metadata.Split([]byte(raw)); err == nil {
			t.Errorf("%q is taken: %v", raw, puts)
		}
	}
}

func TestMembersAndObject(t *testing.T) {
	puts, err := metadata.Members([]byte(` { "$" : [ ] , "" : 1.0 , "\u0062" : "\u0062" } `))
	entries := make([]metadata.Entry, len(puts))
	for n, put := range puts {
		entries[n].Key, entries[n].Value = put.Key, put.Value
	}
	if got := string(metadata.Object(entries)); err != nil || got != `{"$":[],"":1.0,"b":"\u0062"}` {
		t.Errorf("the members are %s, %v", got, err)
	}
	if got := string(metadata.Object(entries[:1])); got != `{"$":[]}` {
		t.Errorf("an object with the member $ is %s", got)
	}
	if got := string(metadata.Object(nil)); got != `{}` {
		t.Errorf("nothing is %s", got)
	}
	for raw, field := range map[string]string{
		``: "value", `[]`: "value", `null`: "value", `{`: "value", `{"a":1,"a":2}`: "value", `{"a":1}{}`: "value", `{"a":1`: "value",
		`{"a":{"b":1,"B":2}}`: "a", `{"a":1,"b":"` + strings.Repeat("x", metadata.MaxValueBytes) + `"}`: "b",
	} {
		puts, err := metadata.Members([]byte(raw))
		if refused, ok := errors.AsType[*metadata.Error](err); !ok || refused.Field != field || puts != nil {
			t.Errorf("%.30q has %v, %v", raw, puts, err)
		}
	}
}

// What an empty object was to replace may have stayed, and is then all there is.
func TestAnEmptyObjectAddsNothingToADocument(t *testing.T) {
	entry := func(key, value string) metadata.Entry {
		v, err := metadata.JSON([]byte(value))
		if err != nil {
			t.Fatal(err)
		}
		return metadata.Entry{Key: key, Value: v}
	}
	for _, tt := range []struct {
		entries []metadata.Entry
		want    string
	}{
		{[]metadata.Entry{entry("$", `{}`)}, `{}`},
		{[]metadata.Entry{entry("$", `{}`), entry("role", `"x"`)}, `{"role":"x"}`},
		{[]metadata.Entry{entry("!", `1`), entry("$", `{}`), entry("role", `"x"`)}, `{"!":1,"role":"x"}`},
		{[]metadata.Entry{entry("$", `[]`), entry("role", `{}`)}, `{"$":[],"role":{}}`},
		{[]metadata.Entry{{Key: "$", Value: metadata.Bytes([]byte("{}"))}, entry("role", `1`)}, `{"$":"e30=","role":1}`},
	} {
		before := len(tt.entries)
		first := tt.entries[0]
		if got := string(metadata.Join(tt.entries)); got != tt.want || len(tt.entries) != before || tt.entries[0].Key != first.Key {
			t.Errorf("got %s, want %s", got, tt.want)
		}
	}
}
