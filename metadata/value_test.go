package metadata_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/claimsmith/claimsmith/metadata"
)

func TestJSONKeepsTheText(t *testing.T) {
	for _, text := range []string{
		`9007199254740993`, `-9007199254740993`, `12345678901234567890`, `1.0`, `1e2`, `1E+2`, `-0`, `0.1`, `1e400`, `1E-400`,
		`[]`, `{}`, `null`, `true`, `"true"`, `"123"`, `""`, `"\/\u003c\u00e9é"`, `"\ud83d\ude00"`, `"<&>\u2028` + "\u2028" + `"`,
		`{"b":1,"a":[1,null,{"":{}}]}`, `{"a":{"x":1},"b":{"x":1}}`, `{"a":{"x":1,"y":[{"a":0}]},"x":2}`, `{"K":1,"k2":2}`,
	} {
		v, err := metadata.JSON([]byte(text))
		if err != nil || v.Raw() != text || v.Kind() != metadata.KindJSON {
			t.Errorf("%s became %s of kind %c, %v", text, v.Raw(), v.Kind(), err)
		}
	}
	given := []byte(" {\r\n\t\"a b\" : [ 1 , \"x  y\" ] }\n")
	before := bytes.Clone(given)
	v, err := metadata.JSON(given)
	if want := `{"a b":[1,"x  y"]}`; err != nil || v.Raw() != want {
		t.Errorf("with white space: %s, %v, want %s", v.Raw(), err, want)
	}
	if !bytes.Equal(given, before) {
		t.Error("the caller's bytes changed")
	}
}

func TestJSONRefuses(t *testing.T) {
	tests := map[string]string{
		"nothing":                        ``,
		"white space":                    ` `,
		"two values":                     `1 2`,
		"two objects":                    `{}{}`,
		"trailing text":                  `{} x`,
		"trailing comma":                 `[1,]`,
		"an open array":                  `[1`,
		"a bare word":                    `dark`,
		"single quotes":                  `'a'`,
		"a comment":                      `1 // one`,
		"NaN":                            `NaN`,
		"a leading zero":                 `01`,
		"a leading plus":                 `+1`,
		"a bare fraction":                `.5`,
		"hexadecimal":                    `0x10`,
		"a byte order mark":              "\ufeff1",
		"invalid UTF-8":                  "\"ja\xffne\"",
		"invalid UTF-8 in a name":        "{\"a\xff\":1,\"a\xfe\":2}",
		"an overlong encoding":           "\"\xc0\xaf\"",
		"a surrogate in UTF-8":           "\"\xed\xa0\x80\"",
		"a lone high surrogate":          `"\ud800"`,
		"a lone low surrogate":           `"\udc00"`,
		"a broken surrogate pair":        `"\ud800\u0041"`,
		"a lone surrogate in a name":     `{"\ud800":1}`,
		"a raw control character":        "\"a\nb\"",
		"a raw NUL":                      "\"\x00\"",
		"a member twice":                 `{"role":"user","role":"admin"}`,
		"a member twice, escaped":        `{"role":"user","\u0072ole":"admin"}`,
		"a member twice, deep":           `[{"a":{"x":1,"y":2,"x":3}}]`,
		"members differing in case":      `{"role":1,"Role":2}`,
		"members differing in case deep": `{"a":[{"role":1,"other":3,"ROLE":2}]}`,
		"members around another object":  `{"role":{"x":1},"Role":2}`,
		"a long s":                       `{"sub":1,"ſub":2}`,
		"a Kelvin sign":                  `{"k":1,"\u212a":2}`,
		"too deep":                       strings.Repeat("[", 33) + strings.Repeat("]", 33),
		"too deep in objects":            strings.Repeat(`{"a":`, 33) + "1" + strings.Repeat("}", 33),
		"too many members":               members(1001),
	}
	for name, text := range tests {
		t.Run(name, func(t *testing.T) {
			v, err := metadata.JSON([]byte(text))
			if codeOf(err) != metadata.Invalid || v != (metadata.Value{}) {
				t.Errorf("%s, %v", v.Raw(), err)
			}
		})
	}
}

func members(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"m%d":%d`, i, i)
	}
	return "{" + b.String()[1:] + "}"
}

func TestJSONBounds(t *testing.T) {
	quoted := func(n int) string { return `"` + strings.Repeat("x", n-2) + `"` }
	tests := []struct {
		name, text string
		code       metadata.Code
	}{
		{"as deep as allowed", strings.Repeat("[", 32) + strings.Repeat("]", 32), ""},
		{"as many members as allowed", members(1000), ""},
		{"as long as allowed", quoted(metadata.MaxValueBytes), ""},
		{"as long as allowed without white space", " " + quoted(metadata.MaxValueBytes) + "\n", ""},
		{"one byte longer", quoted(metadata.MaxValueBytes + 1), metadata.LimitExceeded},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if _, err := metadata.JSON([]byte(test.text)); codeOf(err) != test.code {
				t.Errorf("%v, want %q", err, test.code)
			}
		})
	}
}

func TestBytesKeepsItsOwnCopy(t *testing.T) {
	given := []byte("\x00\xff ")
	v := metadata.Bytes(given)
	given[0] = 'x'
	if v.Raw() != "\x00\xff " || v.Kind() != metadata.KindBytes || v == metadata.Restore(metadata.KindJSON, v.Raw()) {
		t.Errorf("%q of kind %c", v.Raw(), v.Kind())
	}
}

// FuzzJSON looks for a value that is accepted but is not JSON to others, or not what was given.
func FuzzJSON(f *testing.F) {
	for _, seed := range []string{`{"a":[1,{"b":null}],"A":"\ud83d\ude00"}`, ` [1.0e+2 , "x" ] `, `"\ud800"`, `{"a":1,"a":2}`, "\"\xff\"", `9007199254740993`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, given []byte) {
		v, err := metadata.JSON(given)
		if err != nil {
			if v != (metadata.Value{}) {
				t.Fatalf("a value with an error: %q, %v", v.Raw(), err)
			}
			return
		}
		if !json.Valid([]byte(v.Raw())) || !jsontext.Value(v.Raw()).IsValid() {
			t.Fatalf("accepted %q", v.Raw())
		}
		var compact bytes.Buffer
		if err := json.Compact(&compact, given); err != nil || compact.String() != v.Raw() {
			t.Fatalf("%q became %q, want %q, %v", given, v.Raw(), compact.String(), err)
		}
		again, err := metadata.JSON([]byte(v.Raw()))
		if err != nil || again != v {
			t.Fatalf("%q read again is %q, %v", v.Raw(), again.Raw(), err)
		}
	})
}

func BenchmarkJSON(b *testing.B) {
	for name, text := range map[string]string{
		"string": `"Dark Mode"`,
		"object": `{"street":"1 Main St","city":"Springfield","geo":{"lat":1.5,"lon":2.5},"tags":["a","b","c"]}`,
	} {
		b.Run(name, func(b *testing.B) {
			raw := []byte(text)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := metadata.JSON(raw); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
