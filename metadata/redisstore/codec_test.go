package redisstore

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

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
		"": "7 40 token:a  op1@mmqgont3", "b": "-j 7 mmqgont3 mmqgont3  1", "B": "-j 2 mmqgont3 mmqgont3 user:u 2",
		"\x01": "g1,g2", "\x02": "/123",
	}
	doc, err := parseDocument(fields)
	if err != nil || doc.Revision != 7 || len(doc.Entries) != 2 || doc.Entries[0].Key != "B" || doc.Entries[1].ChangedBy != "token:a" ||
		!slices.Equal(doc.Groups, []string{"g1", "g2"}) {
		t.Errorf("%+v, %v", doc, err)
	}
	for _, header := range []string{
		"", "7", "7 40", "7 40 ", "7 40   op1@mmqgont3", "x 40 token:a  op1@mmqgont3", "-7 40 token:a  op1@mmqgont3", "7 40 token:a op1@mmqgont3",
		"7 40 token:a  x", "7 40 token:a  op1@", "7 40 token:a  op1@mmqgont!", "7 40 token:a mmqgont! op1@mmqgont3",
		"7 40 token:a mmqgont3 op1@mmqgont3", "7 40 token:a 0mmqgont3 op1@mmqgont4",
	} {
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
	if claims, _, _, err := parseClaims(map[string]string{"a": "1", "": "x"}); err == nil || claims != nil {
		t.Errorf("claims without a revision: %+v", claims)
	}
}

func TestParseHeader(t *testing.T) {
	created, changed := time.UnixMilli(1773500966535).UTC(), time.UnixMilli(1773500966536).UTC()
	for stored, want := range map[string]header{
		"7 40 token:a  op1@mmqgont4":                           {7, "token:a", changed, changed},
		"7 40 token:a mmqgont3 op1@mmqgont4":                   {7, "token:a", created, changed},
		"7 40 token:a mmqgont3 op2@mmqgont4,op1@mmqgont3":      {7, "token:a", created, changed},
		"7 40 token:a mmqgont4 op2@mmqgont3,op1@mmqgont4,op0@": {7, "token:a", changed, created}, // by a clock that went back
	} {
		if got, err := parseHeader(stored); err != nil || got != want {
			t.Errorf("%q is %+v, %v, want %+v", stored, got, err, want)
		}
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

// formatChange is parseChange backwards, as apply.lua does it; the keys are in the order given.
func formatChange(r metadata.Revision, author string, keys ...string) string {
	by, scheme, groups := r.By, "", ""
	if by == author {
		by = ""
	}
	if r.Scheme != 0 {
		scheme = strconv.FormatUint(r.Scheme, 10)
	}
	if r.GroupsBefore != nil {
		groups = "=" + strings.Join(*r.GroupsBefore, ",")
	}
	text := fmt.Sprintf("%d %s %s %s %s %s ", r.Revision, formatTime(r.At), by, r.Via, scheme, groups)
	for _, key := range keys {
		entry := formatEntry(*r.Before[key], author)
		text += fmt.Sprintf("%d:%d:%s%s", len(key), len(entry), key, entry)
	}
	return text
}

func TestParseChange(t *testing.T) {
	at := time.UnixMilli(1773500966535).UTC()
	one, err := parseEntry("k", `+j 12 mmqgont3 mmqgont4  "a b"`, "token:a")
	if err != nil {
		t.Fatal(err)
	}
	other := one
	other.Key, other.Value, other.ProfileClaim, other.ChangedBy = "1:2:\u00e9", metadata.Bytes([]byte("3:4: \x00")), false, "user:u"
	before := map[string]*metadata.Entry{one.Key: &one, other.Key: &other}
	none := map[string]*metadata.Entry{}
	for text, want := range map[string]metadata.Revision{
		"7 mmqgont3     ":                          {Revision: 7, At: at, By: "token:a", Before: none},
		"7 mmqgont3 user:b native 12 = ":           {Revision: 7, At: at, By: "user:b", Via: "native", Scheme: 12, GroupsBefore: &[]string{}, Before: none},
		"7 mmqgont3  zitadel  =g1,g2 ":             {Revision: 7, At: at, By: "token:a", Via: "zitadel", GroupsBefore: &[]string{"g1", "g2"}, Before: none},
		"7 mmqgont3  =   " + formatted(one, other): {Revision: 7, At: at, By: "token:a", Via: "=", Before: before},
	} {
		got, err := parseChange(text, "token:a")
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(metadata.Value{}), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
		var keys []string
		if len(want.Before) > 0 {
			keys = []string{one.Key, other.Key}
		}
		if again := formatChange(got, "token:a", keys...); again != text {
			t.Errorf("%q is written %q", text, again)
		}
	}
	entry := formatEntry(one, "token:a")
	for _, text := range []string{
		"", "7 mmqgont3    ", "x mmqgont3     ", "07 mmqgont3     ", "7 MMQ     ", "7 mmqgont3 token:a    ", "7 mmqgont3   x  ", "7 mmqgont3    g1 ",
		"7 mmqgont3     1", "7 mmqgont3     1:1:", "7 mmqgont3     1:0:k", "7 mmqgont3     1:99999999999999999999:k" + entry,
		fmt.Sprintf("7 mmqgont3     1:%d:k%s", len(entry)+1, entry), fmt.Sprintf("7 mmqgont3     1:%d:k%s", len(entry)-1, entry),
		fmt.Sprintf("7 mmqgont3     18446744073709551615:%d:k%s", len(entry), entry), fmt.Sprintf("7 mmqgont3     1:18446744073709551615:k%s", entry),
	} {
		if r, err := parseChange(text, "token:a"); err == nil || r.Before != nil {
			t.Errorf("%q is read as %+v, %v", text, r, err)
		}
	}
}

func formatted(entries ...metadata.Entry) (text string) {
	for _, e := range entries {
		stored := formatEntry(e, "token:a")
		text += fmt.Sprintf("%d:%d:%s%s", len(e.Key), len(stored), e.Key, stored)
	}
	return text
}

// FuzzChange looks for a panic, and for a reading that comes with an error.
func FuzzChange(f *testing.F) {
	for _, seed := range []string{
		"7 mmqgont3     ", "7 mmqgont3 user:b native 12 = 1:27:a+j 1 mmqgont3 mmqgont3  \"1\"", "", "7 1     1:1:", "7 1     9999:1:k", "1 0   =g1,g2 ",
	} {
		f.Add(seed, "token:a")
	}
	f.Fuzz(func(t *testing.T, stored, author string) {
		r, err := parseChange(stored, author)
		if err != nil && r.Before != nil {
			t.Fatalf("%q: %+v with %v", stored, r, err)
		}
		total := 0
		for key, e := range r.Before {
			total += len(key) + len(e.Value.Raw())
		}
		if total > len(stored) {
			t.Fatalf("%q is read as %+v", stored, r)
		}
	})
}

func TestHistoriesHaveNoGaps(t *testing.T) {
	at := time.UnixMilli(1773500966535).UTC()
	change := func(revision uint64) string {
		return formatChange(metadata.Revision{Revision: revision, At: at, By: "a"}, "a")
	}
	keep := metadata.Retention{Changes: 10, Bytes: 1000}
	for name, test := range map[string]struct {
		stored []string
		want   int
	}{
		"none":                       {nil, 0},
		"all":                        {[]string{change(5), change(4), change(3)}, 3},
		"one is missing":             {[]string{change(5), change(3), change(2)}, 1},
		"the latest is missing":      {[]string{change(4), change(3)}, 0},
		"more than the document had": {[]string{change(7), change(6), change(5), change(4)}, 2},
		"one is there twice":         {[]string{change(5), change(5), change(4)}, 1},
		"from the beginning":         {[]string{change(5), change(4), change(3), change(2), change(1)}, 5},
	} {
		doc := metadata.Document{Revision: 5}
		if past, err := parseHistory(doc, "a", test.stored, keep, at); err != nil || len(past) != test.want {
			t.Errorf("%s: %d are remembered, %v, want %d", name, len(past), err, test.want)
		}
	}
	if past, err := parseHistory(metadata.Document{Revision: 5}, "a", []string{change(5), "x"}, keep, at); err == nil {
		t.Errorf("with a damaged change: %+v", past)
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
