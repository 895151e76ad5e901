package metadata_test

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/claimsmith/claimsmith/metadata"
)

func TestOpaqueIsWhatOtherSystemsSee(t *testing.T) {
	for json, want := range map[string]string{
		`""`: ``, `"a"`: `a`, `"\u0000"`: "\x00", `"caf\u00e9 \ud83d\ude00"`: `café 😀`, `"\"\\\/\n"`: "\"\\/\n", `"[]"`: `[]`, `"\"a\""`: `"a"`,
		`[]`: `[]`, `{"a":1.0}`: `{"a":1.0}`, `9007199254740993`: `9007199254740993`, `true`: `true`, `null`: `null`,
	} {
		v, err := metadata.JSON([]byte(json))
		if err != nil {
			t.Fatal(err)
		}
		if got := string(v.Opaque()); got != want {
			t.Errorf("%s is %q, want %q", json, got, want)
		}
	}
	for _, b := range []string{"", "a", "\xff\x00", `"a"`} {
		if got := string(metadata.Bytes([]byte(b)).Opaque()); got != b {
			t.Errorf("bytes %q are %q", b, got)
		}
	}
}

func TestWhatIsStoredOfOpaqueBytes(t *testing.T) {
	fits := strings.Repeat("x", metadata.MaxValueBytes-2)
	grows := strings.Repeat("\x01", metadata.MaxValueBytes/6+1)
	list := `["` + strings.Repeat(`","`, 130_000) + `"]` // as a string every quote takes two bytes
	tests := []struct {
		name, given string
		kind        metadata.Kind
		raw, alike  string
	}{
		{"nothing", "", metadata.KindJSON, `""`, ""},
		{"a text", "a b", metadata.KindJSON, `"a b"`, ""},
		{"a text with quotes", `say "é"` + "\n", metadata.KindJSON, `"say \"é\"\n"`, ""},
		{"NUL", "\x00", metadata.KindJSON, `"\u0000"`, ""},
		{"an unpaired byte", "a\xff", metadata.KindBytes, "a\xff", ""},
		{"a surrogate", "\xed\xa0\x80", metadata.KindBytes, "\xed\xa0\x80", ""},
		{"the replacement character", "\ufffd", metadata.KindJSON, "\"\ufffd\"", ""},
		{"a number", "1.0", metadata.KindJSON, `"1.0"`, "1.0"},
		{"a list", "[]", metadata.KindJSON, `"[]"`, "[]"},
		{"an object", `{"a":"\u00e9"}`, metadata.KindJSON, `"{\"a\":\"\\u00e9\"}"`, `{"a":"\u00e9"}`},
		{"a literal", "true", metadata.KindJSON, `"true"`, "true"},
		{"JSON with white space", "[1, 2]", metadata.KindJSON, `"[1, 2]"`, ""},
		{"JSON in white space", " 1", metadata.KindJSON, `" 1"`, ""},
		{"a JSON string", `"a"`, metadata.KindJSON, `"\"a\""`, ""},
		{"JSON that no value can be", `{"a":1,"A":2}`, metadata.KindJSON, `"{\"a\":1,\"A\":2}"`, ""},
		{"the longest text", fits, metadata.KindJSON, `"` + fits + `"`, ""},
		{"one more", fits + "x", metadata.KindBytes, fits + "x", ""},
		{"what grows too long as JSON", grows, metadata.KindBytes, grows, ""},
		{"JSON that grows too long in a string", list, metadata.KindBytes, list, list},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			v, alike := metadata.FromOpaque([]byte(test.given))
			if v.Kind() != test.kind || v.Raw() != test.raw {
				t.Errorf("stored is %.40q of kind %c, want %.40q", v.Raw(), v.Kind(), test.raw)
			}
			want := metadata.Value{}
			if test.alike != "" {
				want = metadata.Restore(metadata.KindJSON, test.alike)
			}
			if alike != want {
				t.Errorf("alike is %.40q, want %.40q", alike.Raw(), test.alike)
			}
		})
	}
}

func FuzzFromOpaque(f *testing.F) {
	for _, seed := range []string{"", "a", "\x00", "\xff", "[]", `"a"`, `{"a":1}`, "1e2", "\u2028", `\`, "\ufffd", "\ufeff1"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		v, alike := metadata.FromOpaque(b)
		if !bytes.Equal(v.Opaque(), b) {
			t.Errorf("%q comes back as %q", b, v.Opaque())
		}
		if v.Kind() == metadata.KindBytes && utf8.Valid(b) && len(b) < metadata.MaxValueBytes/6-2 {
			t.Errorf("the text %q is stored as bytes", b)
		}
		if v.Kind() == metadata.KindJSON {
			if exact, err := metadata.JSON([]byte(v.Raw())); err != nil || exact != v {
				t.Errorf("%q is stored as %s, which would be %s, %v", b, v.Raw(), exact.Raw(), err)
			}
		}
		exact, err := metadata.JSON(b)
		isAlike := err == nil && exact.Raw() == string(b) && b[0] != '"'
		if isAlike != (alike != metadata.Value{}) || isAlike && (alike != exact || !bytes.Equal(alike.Opaque(), b) || alike == v) {
			t.Errorf("%q is alike %q, JSON %q, %v", b, alike.Raw(), exact.Raw(), err)
		}
	})
}
