package main

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/claimsmith/claimsmith/cmd/claimsmith/migrate"
)

func TestCellsAreNoFormulas(t *testing.T) {
	for _, cell := range []string{`=HYPERLINK("https://evil.example")`, "+1", "-1", "@SUM(A1)", "\tx", "\rx", "'=1", "''=1", "=", "+43 1 2345"} {
		if got := guarded(cell); got != "'"+cell || unguarded(got) != cell {
			t.Errorf("%q becomes %q and then %q", cell, got, unguarded(got))
		}
	}
	for _, cell := range []string{"", "'", "''", "'a", "a=1", " =1", "1", "O'Neil", "[1]"} {
		if got := guarded(cell); got != cell || unguarded(cell) != cell {
			t.Errorf("%q becomes %q and then %q", cell, got, unguarded(cell))
		}
	}
}

func TestEveryCellComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cell := rapid.StringOf(rapid.RuneFrom([]rune("'=+-@\t\ra1"))).Draw(t, "cell")
		if got := unguarded(guarded(cell)); got != cell {
			t.Errorf("%q comes back as %q", cell, got)
		}
		if got := guarded(cell); got != "" && strings.ContainsRune(risky, rune(got[0])) {
			t.Errorf("%q stays risky", cell)
		}
	})
}

func TestTitlesOfColumns(t *testing.T) {
	for title, want := range map[string]entryColumn{
		"metadata.plan": {key: "plan"}, "metadata.plan!": {key: "plan", claim: true}, "metadata.plan:json": {key: "plan", json: true},
		"metadata.plan:json!": {key: "plan", json: true, claim: true}, "metadata.a b": {key: "a b"}, "metadata.wow!:text": {key: "wow!"},
		"metadata.x:json:text": {key: "x:json"}, "metadata.x:text:text": {key: "x:text"}, "metadata.wow!:json": {key: "wow!", json: true},
		"metadata.metadata.": {key: "metadata."},
	} {
		if got, ok := parseEntryColumn(title); !ok || got != want || got.title() != title {
			t.Errorf("%s is %+v, whose title is %s", title, got, got.title())
		}
	}
}

func TestEveryTitleComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := entryColumn{
			key:  rapid.StringOfN(rapid.RuneFrom([]rune("a.!:jsontex ")), 1, 12, -1).Draw(t, "key"),
			json: rapid.Bool().Draw(t, "json"), claim: rapid.Bool().Draw(t, "claim"),
		}
		if got, ok := parseEntryColumn(want.title()); !ok || got != want {
			t.Errorf("%+v has the title %q, which is %+v", want, want.title(), got)
		}
	})
}

// usersOf reads a CSV file: the users it has as lines, and what is wrong with the others.
func usersOf(t interface {
	Helper()
	Fatal(...any)
}, text string) (all []string, faults []error) {
	t.Helper()
	in, err := newCSVUsers(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	for {
		_, _, line, refused, err := in.next()
		switch {
		case errors.Is(err, io.EOF):
			return all, faults
		case err != nil:
			t.Fatal(err)
		case refused != nil:
			faults = append(faults, refused)
		default:
			all = append(all, string(line))
		}
	}
}

func TestRowsAreUsers(t *testing.T) {
	got, faults := usersOf(t, "\ufeffid,username,email,email_verified,given_name,phone_number,address.locality,groups,metadata.plan!,metadata.note,metadata.n:json\r\n"+
		"1,jane,jane@example.com,true,Jané,'+14155550100,Graz,staff;night,gold,\"a \"\"b\"\"\nc\",9007199254740993\r\n"+
		"2,,,,,,,,,,\r\n"+
		"3,joe,,maybe,,,,,,,\r\n"+
		"4,joe,,,,,,,,,{\r\n"+
		"5,joe\r\n"+
		"6,,,false,,,,,'=x,'it is,'-1\r\n")
	want := []string{
		`{"id":"1","username":"jane","email":"jane@example.com","email_verified":true,"profile":{"given_name":"Jané","phone_number":"+14155550100","address":{"locality":"Graz"}},"groups":["staff","night"],"metadata":[{"key":"plan","value":"gold","profileClaim":true},{"key":"note","value":"a \"b\"\nc"},{"key":"n","value":9007199254740993}]}`,
		`{"id":"2"}`,
		`{"id":"6","metadata":[{"key":"plan","value":"=x","profileClaim":true},{"key":"note","value":"'it is"},{"key":"n","value":-1}]}`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if text := errors.Join(faults...).Error(); text != "email_verified: must be true or false\nmetadata.n:json: not valid JSON\n2 columns, the first line has 11" {
		t.Error(text)
	}
	for header, want := range map[string]string{
		"": "names its columns", "id;username": `"id;username" is none`, "id,id": "twice", "id,role": `"role" is none`, "id,Username": `"Username" is none`,
		"id,metadata.": `"metadata." is none`, "id,metadata.!": `"metadata.!" is none`, "\"id": "names its columns",
	} {
		if _, err := newCSVUsers(strings.NewReader(header)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", header, err)
		}
	}
}

// Whatever users are like, the table made of them gives them back.
func TestTablesGiveBackTheirUsers(t *testing.T) {
	text := rapid.StringOf(rapid.RuneFrom([]rune("aä=+-@'\",;\n\r\t \u2028{}[]0!:")))
	value := rapid.OneOf(
		rapid.Map(text, func(s string) jsontext.Value { v, _ := jsontext.AppendQuote(nil, s); return v }),
		rapid.SampledFrom([]jsontext.Value{
			jsontext.Value("null"), jsontext.Value("-1"), jsontext.Value("9007199254740993"), jsontext.Value("[]"), jsontext.Value("{}"), jsontext.Value("true"), jsontext.Value("1.0"),
			jsontext.Value(`""`), jsontext.Value(`{"a":[1,"=x"]}`),
		}))
	rapid.Check(t, func(t *rapid.T) {
		var want []string
		var out bytes.Buffer
		table, err := newCSVExport(&out)
		if err != nil {
			t.Fatal(err)
		}
		defer table.close()
		for range rapid.IntRange(0, 5).Draw(t, "users") {
			p := migrate.Line{
				ID: rapid.StringMatching(`[a-z0-9_-]{1,8}`).Draw(t, "id"), Username: rapid.StringMatching(`[a-z]{0,8}`).Draw(t, "username"),
				EmailVerified: rapid.Bool().Draw(t, "verified"), Disabled: rapid.Bool().Draw(t, "disabled"),
			}
			p.Profile.Name = rapid.StringOf(rapid.RuneFrom([]rune("aÜ=+-@'\", "))).Draw(t, "name")
			p.Biography = rapid.SampledFrom([]jsontext.Value{
				nil, jsontext.Value(`{"bio":"=1\r\n\"a\";,"}`), jsontext.Value(`{"links":[{"platform":"x","url":"https://x.com/a"}]}`),
			}).Draw(t, "biography")
			p.Groups = rapid.SliceOfN(rapid.StringMatching(`[a-z][a-z-]{0,3}`), 0, 3).Draw(t, "groups")
			keys := rapid.SliceOfDistinct(rapid.StringMatching(`[a-c!]{1,2}(:json|:text|:base64)?`), rapid.ID[string]).Draw(t, "keys")
			for _, key := range keys {
				entry := migrate.Entry{Key: key, Value: value.Draw(t, "value")}
				if rapid.Bool().Draw(t, "bytes") {
					entry.Value, entry.ValueBase64 = nil, new(rapid.StringMatching(`([+/A-Z]{4}){1,2}`).Draw(t, "base64"))
				}
				if !strings.ContainsAny(key, "!:") && rapid.Bool().Draw(t, "claim") {
					entry.ProfileClaim = new(true)
				}
				p.Metadata = append(p.Metadata, entry)
			}
			line, err := json.Marshal(p)
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, string(line))
			if err := table.add(line); err != nil {
				t.Fatal(err)
			}
		}
		if err := table.write(); err != nil {
			t.Fatal(err)
		}
		got, faults := usersOf(t, out.String())
		if len(faults) > 0 || len(got) != len(want) {
			t.Fatalf("%d users of %d come back, %v:\n%s", len(got), len(want), faults, out.String())
		}
		for n := range want {
			if diff := cmp.Diff(byKey(t, want[n]), byKey(t, got[n])); diff != "" {
				t.Errorf("%s\ncomes back as\n%s\nby\n%s", want[n], got[n], out.String())
			}
		}
		rows, err := csv.NewReader(&out).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range rows {
			for _, cell := range row {
				if cell != "" && strings.ContainsRune(risky, rune(cell[0])) {
					t.Errorf("%q is a formula", cell)
				}
			}
		}
	})
}

// byKey is a user without an order of his entries, and without what is empty.
func byKey(t *rapid.T, line string) any {
	var p migrate.Line
	if err := json.Unmarshal([]byte(line), &p); err != nil {
		t.Fatal(err)
	}
	entries := map[string]string{}
	for _, e := range p.Metadata {
		entries[e.Key] = string(e.Value)
		if e.ValueBase64 != nil {
			entries[e.Key] = "bytes " + *e.ValueBase64
		}
		if e.Claim() {
			entries[e.Key] += " claim"
		}
	}
	p.Metadata = nil
	if len(p.Groups) == 0 {
		p.Groups = nil
	}
	text, _ := json.Marshal(p)
	return []any{string(text), entries}
}

func TestTooManyColumnsAreNoTable(t *testing.T) {
	table, err := newCSVExport(io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	defer table.close()
	for n := range maxCSVColumns + 1 {
		err = table.add([]byte(`{"id":"x","metadata":[{"key":"k` + strings.Repeat("x", n) + `","value":1}]}`))
	}
	if !errors.Is(err, errColumns) {
		t.Error(err)
	}
}
