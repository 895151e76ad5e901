package auth_test

import (
	"errors"
	"strings"
	"testing"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/claimsmith/claimsmith/auth"
)

// Row I-02: every input is refused or has exactly one canonical form; "" is refused.
func TestParseUsername(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"plain", "jane", "jane"},
		{"capitals are the same user", "Jane", "jane"},
		{"all allowed punctuation", "_jane-doe.v2_", "_jane-doe.v2_"},
		{"digits", "007", "007"},
		{"a name like a role is a name", "admin", "admin"},
		{"NFC", "caf\u00e9", "caf\u00e9"},
		{"NFD is the same user", "cafe\u0301", "caf\u00e9"},
		{"ASCII is folded around accents", "CAF\u00e9", "caf\u00e9"},
		{"Kelvin sign is K in NFC", "\u212aim", "kim"},
		{"Polish, Turkish, Danish, Icelandic", "łąğæøþ", "łąğæøþ"},
		{"longest", strings.Repeat("a", 256), strings.Repeat("a", 256)},

		{"empty", "", ""},
		{"one dot", ".", ""},
		{"two dots", "..", ""},
		{"me", "me", ""},
		{"ME", "ME", ""},
		{"me with Kelvin's cousin", "m\u0435", ""}, // Cyrillic ie
		{"leading space", " x", ""},
		{"trailing space", "x ", ""},
		{"inner space", "x y", ""},
		{"no-break space", "x\u00a0y", ""},
		{"dot first", ".x", ""},
		{"dot last", "x.", ""},
		{"two dots within", "x..y", ""},
		{"at sign", "x@y", ""},
		{"two at signs", "x@y@z", ""},
		{"colon", "x:y", ""},
		{"braces", "{x}", ""},
		{"slash", "x/y", ""},
		{"percent", "%2e%2e", ""},
		{"NUL", "x\x00", ""},
		{"line feed at the end", "x\n", ""},
		{"delete", "x\x7f", ""},
		{"C1 control", "x\u0085", ""},
		{"invalid UTF-8", "x\xff", ""},
		{"zero-width space", "jane\u200b", ""},
		{"zero-width joiner", "ja\u200dne", ""},
		{"byte order mark", "\ufeffjane", ""},
		{"soft hyphen", "ja\u00adne", ""},
		{"right-to-left override", "\u202eenaj", ""},
		{"isolate", "\u2066jane", ""},
		{"tag character", "jane\U000e0061", ""},
		{"variation selector", "jane\ufe0f", ""},
		{"dotless i", "\u0131an", ""},
		{"capital I with dot", "\u0130an", ""},
		{"sharp s", "stra\u00dfe", ""},
		{"capital sharp s", "STRA\u1e9eE", ""},
		{"long s", "\u017fam", ""},
		{"ligature fi", "\ufb01n", ""},
		{"fullwidth", "\uff4aane", ""},
		{"Cyrillic a", "j\u0430ne", ""},
		{"Greek omicron", "j\u03bfe", ""},
		{"accented capital", "\u00c9MILE", ""},
		{"lone combining mark", "\u0301jane", ""},
		{"mark that does not compose", "q\u0301", ""},
		{"one dot above too many", "i\u0307an", ""},
		{"caron for breve", "\u01ce", ""},
		{"e with breve for e with caron", "\u0115", ""},
		{"Arabic digit", "jane\u0661", ""},
		{"superscript", "x\u00b2", ""},
		{"multiplication sign", "2\u00d72", ""},
		{"division sign", "2\u00f72", ""},
		{"one byte too long", strings.Repeat("a", 257), ""},
		{"a megabyte", strings.Repeat("\u0301", 1<<19), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h, err := auth.ParseUsername(tt.in)
			check(t, h, err, auth.KindUsername, tt.in, tt.want)
		})
	}
}

func TestParseEmail(t *testing.T) {
	label63 := strings.Repeat("d", 63)
	local64 := strings.Repeat("l", 64)
	tests := []struct{ name, in, want string }{
		{"plain", "jane.doe@example.com", "jane.doe@example.com"},
		{"capitals on both sides are the same user", "Jane.Doe@EXAMPLE.Com", "jane.doe@example.com"},
		{"NFD local part is the same user", "rene\u0301@example.com", "ren\u00e9@example.com"},
		{"atoms", "o'brien+tag=1&x_y-z!#$%*/?^`{|}~@x.example", "o'brien+tag=1&x_y-z!#$%*/?^`{|}~@x.example"},
		{"host without dots", "root@localhost", "root@localhost"},
		{"punycode", "a@xn--bcher-kva.example", "a@xn--bcher-kva.example"},
		{"longest local part", local64 + "@x.example", local64 + "@x.example"},
		{"longest label", "a@" + label63 + ".example", "a@" + label63 + ".example"},
		{
			"longest", "a@" + strings.Repeat(label63+".", 3) + strings.Repeat("e", 61),
			"a@" + strings.Repeat(label63+".", 3) + strings.Repeat("e", 61),
		},

		{"no at sign", "jane", ""},
		{"no local part", "@example.com", ""},
		{"no domain", "jane@", ""},
		{"two at signs", "jane@evil.example@example.com", ""},
		{"two at signs in a row", "jane@@example.com", ""},
		{"fullwidth at sign", "jane\uff20evil.example@example.com", ""},
		{"quoted string", `"jane doe"@example.com`, ""},
		{"comment", "jane(x)@example.com", ""},
		{"display name", "Jane <jane@example.com>", ""},
		{"leading space", " jane@example.com", ""},
		{"trailing space", "jane@example.com ", ""},
		{"header injection", "jane@example.com\r\nbcc:x@y.example", ""},
		{"line feed at the end", "jane@example.com\n", ""},
		{"NUL", "jane@example.com\x00", ""},
		{"zero-width space", "jane\u200b@example.com", ""},
		{"bidi", "\u202ejane@example.com", ""},
		{"dotless i", "jan\u0131@example.com", ""},
		{"Cyrillic", "j\u0430ne@example.com", ""},
		{"dot first", ".jane@example.com", ""},
		{"dot last", "jane.@example.com", ""},
		{"two dots", "jane..doe@example.com", ""},
		{"Unicode domain", "a@b\u00fccher.example", ""},
		{"ideographic full stop", "a@example\u3002com", ""},
		{"address literal", "a@[127.0.0.1]", ""},
		{"IP address", "a@127.0.0.1", ""},
		{"trailing dot", "a@example.com.", ""},
		{"empty label", "a@example..com", ""},
		{"hyphen first", "a@-example.com", ""},
		{"hyphen last", "a@example-.com", ""},
		{"underscore in the domain", "a@ex_ample.com", ""},
		{"port", "a@example.com:25", ""},
		{"local part too long", local64 + "l@x.example", ""},
		{"label too long", "a@" + label63 + "d.example", ""},
		{"domain too long", "a@" + strings.Repeat(label63+".", 3) + strings.Repeat("e", 62), ""},
		{"invalid UTF-8", "a\xff@example.com", ""},
		{"a megabyte of at signs", strings.Repeat("@", 1<<20), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h, err := auth.ParseEmail(tt.in)
			check(t, h, err, auth.KindEmail, tt.in, tt.want)
		})
	}
}

func check(t *testing.T, h auth.Handle, err error, kind auth.HandleKind, in, want string) {
	t.Helper()
	if want == "" {
		var refused *auth.Error
		if !errors.As(err, &refused) || refused.Code != auth.InvalidRequest || refused.Field != string(kind) {
			t.Fatalf("got %+v, %v; want it refused", h, err)
		}
		if len(in) > 8 && strings.Contains(err.Error(), in) {
			t.Errorf("the error %q repeats the input", err)
		}
		return
	}
	if err != nil || h != (auth.Handle{Kind: kind, Canonical: want}) {
		t.Fatalf("got %+v, %v; want %q", h, err, want)
	}
}

func TestParseHandleTellsAddressesByTheAt(t *testing.T) {
	for in, want := range map[string]auth.Handle{
		"Jane":              {Kind: auth.KindUsername, Canonical: "jane"},
		"Jane@Example.com":  {Kind: auth.KindEmail, Canonical: "jane@example.com"},
		"jane@x@y.example":  {},
		"jane@example.com ": {},
		"ja ne":             {},
	} {
		h, err := auth.ParseHandle(in)
		if h != want || (err == nil) != (want != auth.Handle{}) {
			t.Errorf("ParseHandle(%q) = %+v, %v; want %+v", in, h, err, want)
		}
	}
}

// Over all of Unicode: one letter makes a username exactly if it is of the documented set, and no letter that is allowed turns into
// another one by case, so that no two users differ by case alone.
func TestUsernameLetters(t *testing.T) {
	const lookAlikes = "ĕıĳĸŀŉſ"
	for r := rune(0x80); r <= unicode.MaxRune; r++ {
		if r >= 0xd800 && r <= 0xdfff {
			continue
		}
		s := norm.NFC.String(string(r))
		first := []rune(s)[0]
		want := len([]rune(s)) == 1 &&
			(first < 0x80 && (unicode.IsLetter(first) || unicode.IsDigit(first)) ||
				first >= 0xe0 && first <= 0x17f && unicode.IsLower(first) && !strings.ContainsRune(lookAlikes, first))
		h, err := auth.ParseUsername(string(r))
		if (err == nil) != want {
			t.Errorf("ParseUsername(%q, %U) = %v, want it allowed: %t", r, r, err, want)
		}
		if err != nil {
			continue
		}
		for f := unicode.SimpleFold(first); f != first; f = unicode.SimpleFold(f) {
			if other, err := auth.ParseUsername(string(f)); err == nil && other != h {
				t.Errorf("%q and %q differ by case alone and are two users", first, f)
			}
		}
	}
}

func FuzzParseHandle(f *testing.F) {
	for _, s := range []string{"jane", "Jane@Example.com", "cafe\u0301", "\u202ex", "a@b@c", "..", "\u212a"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		h, err := auth.ParseHandle(s)
		if err != nil {
			if h != (auth.Handle{}) {
				t.Fatalf("a value %+v with an error", h)
			}
			return
		}
		if again, err := auth.ParseHandle(h.Canonical); err != nil || again != h {
			t.Fatalf("%q: canonical %q is not its own canonical form: %+v, %v", s, h.Canonical, again, err)
		}
		if !norm.NFC.IsNormalString(h.Canonical) || strings.ToLower(h.Canonical) != h.Canonical || len(h.Canonical) > 256 {
			t.Fatalf("%q: canonical %q is not in NFC, lower case and up to 256 bytes", s, h.Canonical)
		}
		for _, spelling := range []string{norm.NFD.String(s), strings.ToUpper(s)} {
			if other, err := auth.ParseHandle(spelling); err == nil && other != h {
				t.Fatalf("%q and %q are two users", s, spelling)
			}
		}
	})
}

func TestGrammars(t *testing.T) {
	tests := []struct {
		in                   string
		userID, slug, client bool
	}{
		{"jane", true, true, true},
		{"a-1", true, true, true},
		{"0", true, true, true},
		{"-a", true, false, true},
		{"Jane_Doe", true, false, true},
		{"my.app", false, false, true},
		{strings.Repeat("a", 63), true, true, true},
		{strings.Repeat("a", 64), true, false, true},
		{strings.Repeat("a", 65), false, false, false},
		{"", false, false, false},
		{".", false, false, false},
		{"..", false, false, false},
		{"a\n", false, false, false},
		{"a b", false, false, false},
		{"a:b", false, false, false},
		{"a/b", false, false, false},
		{"{a}", false, false, false},
		{"é", false, false, false},
		{"a\x00", false, false, false},
		{"\u212a", false, false, false},
	}
	for _, tt := range tests {
		if got := auth.ValidUserID(tt.in); got != tt.userID {
			t.Errorf("ValidUserID(%q) = %t", tt.in, got)
		}
		if got := auth.ValidSlug(tt.in); got != tt.slug {
			t.Errorf("ValidSlug(%q) = %t", tt.in, got)
		}
		if got := auth.ValidClientID(tt.in); got != tt.client {
			t.Errorf("ValidClientID(%q) = %t", tt.in, got)
		}
	}
}

func TestNewUserID(t *testing.T) {
	seen := make(map[string]bool)
	for range 1000 {
		id := auth.NewUserID()
		if seen[id] {
			t.Fatalf("%q came twice", id)
		}
		seen[id] = true
		// 26 characters of base32 hold 130 bits.
		if len(id) != 26 || strings.Trim(id, "abcdefghijklmnopqrstuvwxyz234567") != "" || !auth.ValidUserID(id) {
			t.Fatalf("%q is not 128 bits of lower-case base32", id)
		}
	}
}
