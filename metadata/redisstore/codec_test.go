package redisstore

import (
	"fmt"
	"maps"
	"math"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claimsmith/claimsmith/metadata"
)

// formatEntry is parseEntry backwards, as apply.lua does it.
func formatEntry(e metadata.Entry, author string) string {
	flag, by := '-', e.ChangedBy
	if e.ProfileClaim {
		flag = '+'
	}
	if by == author {
		by = ""
	}
	return fmt.Sprintf("%c%c %d %s %s %s %s", flag, e.Value.Kind(), e.Revision, formatTime(e.CreatedAt), formatTime(e.ChangedAt), by, e.Value.Raw())
}

func TestParseEntry(t *testing.T) {
	created, changed := time.UnixMilli(1773500966535).UTC(), time.UnixMilli(1773500966536).UTC()
	base := metadata.Entry{
		Key: "k", Value: metadata.Restore(metadata.KindJSON, `"a b"`), ProfileClaim: true,
		Revision: 12, CreatedAt: created, ChangedAt: changed, ChangedBy: "token:a",
	}
	with := func(change func(*metadata.Entry)) metadata.Entry {
		e := base
		change(&e)
		return e
	}
	tests := map[string]metadata.Entry{
		`+j 12 mmqgont3 mmqgont4  "a b"`:       base,
		`+j 12 mmqgont3 mmqgont4 user:b "a b"`: with(func(e *metadata.Entry) { e.ChangedBy = "user:b" }),
		`-j 12 mmqgont3 mmqgont4  "a b"`:       with(func(e *metadata.Entry) { e.ProfileClaim = false }),
		"-b 12 mmqgont3 mmqgont4   \x00 ": with(func(e *metadata.Entry) {
			e.ProfileClaim, e.Value = false, metadata.Bytes([]byte(" \x00 "))
		}),
		`+b 12 mmqgont3 mmqgont4  `: with(func(e *metadata.Entry) { e.Value = metadata.Bytes(nil) }),
		`+j 18446744073709551615 0 mmqgont4  "a b"`: with(func(e *metadata.Entry) {
			e.Revision, e.CreatedAt = math.MaxUint64, time.UnixMilli(0).UTC()
		}),
	}
	for stored, want := range tests {
		got, err := parseEntry("k", stored, "token:a")
		if err != nil || got != want {
			t.Errorf("%q is %+v, %v, want %+v", stored, got, err, want)
		}
		if again := formatEntry(want, "token:a"); again != stored {
			t.Errorf("%+v is written %q, want %q", want, again, stored)
		}
	}
	for _, stored := range []string{
		``, ` `, `     `, `+j 12 mmqgont3 mmqgont4`, `+j 12 mmqgont3 mmqgont4 token:b`, `*j 12 mmqgont3 mmqgont4  1`, `+x 12 mmqgont3 mmqgont4  1`,
		`+ 12 mmqgont3 mmqgont4  1`, `+jj 12 mmqgont3 mmqgont4  1`, `+j 012 mmqgont3 mmqgont4  1`, `+j +12 mmqgont3 mmqgont4  1`,
		`+j 1a mmqgont3 mmqgont4  1`, `+j 18446744073709551616 mmqgont3 mmqgont4  1`, `+j 12 MMQGONT3 mmqgont4  1`, `+j 12 -1 mmqgont4  1`,
		`+j 12  mmqgont4  1`, `+j 12 zzzzzzzzzzzzz mmqgont4  1`, `+j 12 mmqgont3 mmqgont4 token:a 1`, `{"value":1,"profileClaim":true}`,
	} {
		if e, err := parseEntry("k", stored, "token:a"); err == nil || e != (metadata.Entry{}) {
			t.Errorf("%q is read as %+v, %v", stored, e, err)
		}
	}
}

func TestParseDocument(t *testing.T) {
	fields := map[string]string{
		"": "7 40 token:a op1@mmqgont3", "b": "-j 7 mmqgont3 mmqgont3  1", "B": "-j 2 mmqgont3 mmqgont3 user:u 2",
	}
	doc, err := parseDocument(fields)
	if err != nil || doc.Revision != 7 || len(doc.Entries) != 2 || doc.Entries[0].Key != "B" || doc.Entries[1].ChangedBy != "token:a" {
		t.Errorf("%+v, %v", doc, err)
	}
	for _, header := range []string{"", "7", "7 40", "7 40 ", "7 40  x", "x 40 token:a x", "-7 40 token:a x"} {
		bad := maps.Clone(fields)
		bad[""] = header
		if doc, err := parseDocument(bad); err == nil || !cmp.Equal(doc, metadata.Document{}) {
			t.Errorf("with header %q: %+v, %v", header, doc, err)
		}
	}
	delete(fields, "")
	if doc, err := parseDocument(fields); err == nil {
		t.Errorf("without a header: %+v", doc)
	}
	if claims, _, err := parseClaims(map[string]string{"a": "1", "": "x"}); err == nil || claims != nil {
		t.Errorf("claims without a revision: %+v", claims)
	}
}

func TestPairs(t *testing.T) {
	got, err := pairs([]any{"a", "1", "", "2"})
	if err != nil || !maps.Equal(got, map[string]string{"a": "1", "": "2"}) {
		t.Errorf("%v, %v", got, err)
	}
	for _, reply := range []any{nil, "OK", int64(1), []any{"a"}, []any{"a", int64(1)}, []any{int64(1), "a"}, []any{"a", "1", nil, "2"}} {
		if got, err := pairs(reply); err == nil || got != nil {
			t.Errorf("%v is %v", reply, got)
		}
	}
}

// FuzzEntry looks for two spellings of one entry, and for a reading that comes with an error.
func FuzzEntry(f *testing.F) {
	for _, seed := range []string{
		`+j 12 mmqgont3 mmqgont4  "a b"`, "-b 1 0 0 user:b  \x00 ", `+j 18446744073709551615 1 2 x `, ``, `+j 01 0 0  1`, `+j 1 0 0 token:a 1`,
	} {
		f.Add(seed, "token:a")
	}
	f.Fuzz(func(t *testing.T, stored, author string) {
		if author == "" {
			return // parseHeader refuses it
		}
		e, err := parseEntry("k", stored, author)
		if err != nil {
			if e != (metadata.Entry{}) {
				t.Fatalf("%q: %+v with %v", stored, e, err)
			}
			return
		}
		if again := formatEntry(e, author); again != stored {
			t.Fatalf("%q is read as %+v and written %q", stored, e, again)
		}
	})
}

func TestParseUint(t *testing.T) {
	for _, base := range []uint64{10, 36} {
		for _, n := range []uint64{0, 1, 9, 10, 35, 36, 12345, math.MaxUint32, math.MaxUint64 - 1, math.MaxUint64} {
			var got uint64
			text := strconv.FormatUint(n, int(base))
			if !parseUint(text, base, &got) || got != n {
				t.Errorf("%s to base %d is %d, want %d", text, base, got, n)
			}
			if n > 0 && parseUint("0"+text, base, &got) {
				t.Errorf("0%s was accepted", text)
			}
		}
		for _, text := range []string{"", "-1", "+1", " 1", "1 ", "1_0", "A", "{", "/", ":", "é", "3w5e11264sgsg", "99999999999999999999"} {
			var got uint64
			if parseUint(text, base, &got) && strconv.FormatUint(got, int(base)) != text {
				t.Errorf("%q to base %d was read as %d", text, base, got)
			}
		}
	}
}

func BenchmarkParseEntry(b *testing.B) {
	stored := `+j 12 mmqgont3 mmqgont4 token:k7qhw2m5x4tzr3vbn6cdabcd "Dark Mode"`
	b.ReportAllocs()
	for b.Loop() {
		if _, err := parseEntry("user-theme", stored, "token:a"); err != nil {
			b.Fatal(err)
		}
	}
}
