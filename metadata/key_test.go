package metadata_test

import (
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/claimsmith/claimsmith/metadata"
)

func TestCheckKey(t *testing.T) {
	accepted := []string{
		"a", " ", "a b", "a/b", "a:b", "{a}", "rôle", "ro\u0302le", "roles\u200b", "\u202eelor", "😀", "__proto__", "-", "0",
		strings.Repeat("é", 200),
	}
	for _, key := range accepted {
		if err := metadata.CheckKey(key); err != nil {
			t.Errorf("%q: %v", key, err)
		}
	}
	refused := []string{
		"", "a\x00", "a\n", "\r\nFLUSHALL\r\n", "\t", "\x1f", "\x7f", "\u0080", "\u0085", "\u009f", "\xff", "a\xc0\xaf", "\xed\xa0\x80",
		strings.Repeat("é", 201), strings.Repeat("a", 512<<10),
	}
	for _, key := range refused {
		if err := metadata.CheckKey(key); codeOf(err) != metadata.Invalid {
			t.Errorf("%.40q: %v", key, err)
		}
	}
}

func TestCheckClaimKey(t *testing.T) {
	for _, key := range []string{"a", "Z", "user-theme", "ContractNumber", "a.b", "metadata_x", "sub", "constructor", "a" + strings.Repeat("-", 63)} {
		if err := metadata.CheckClaimKey(key); err != nil {
			t.Errorf("%q: %v", key, err)
		}
	}
	for _, key := range []string{
		"", "-", "0", "_", ".", "1a", "rôle", "ro\u0302le", "ｒole", "ſub", "\u212a", "roles\u200b", "\u202eelor", "so\u00adft", "a/b", "a:b", "a{b}",
		"a b", "$where", "__proto__", "a\x00", "a\n", "😀", "a" + strings.Repeat("b", 64), strings.Repeat("a", 10000), "@", "[", "`", "{", "a@", "a[", "a`",
	} {
		if err := metadata.CheckClaimKey(key); codeOf(err) != metadata.Invalid {
			t.Errorf("%.40q: %v", key, err)
		}
	}
}

// FuzzKey compares the grammar of keys with another statement of it.
func FuzzKey(f *testing.F) {
	for _, seed := range []string{"a", "user-theme", "rôle", "a\x00", "\u0085", "\xff", "", "1a", strings.Repeat("a", 64), strings.Repeat("a", 65), strings.Repeat("é", 201)} {
		f.Add(seed)
	}
	claimKey := regexp.MustCompile(`\A[A-Za-z][A-Za-z0-9_.-]{0,63}\z`)
	f.Fuzz(func(t *testing.T, key string) {
		chars := []rune(key)
		want := utf8.ValidString(key) && len(chars) >= 1 && len(chars) <= 200
		for _, r := range chars {
			want = want && !unicode.Is(unicode.Cc, r)
		}
		if got := metadata.CheckKey(key) == nil; got != want {
			t.Errorf("key %q: accepted %t", key, got)
		}
		if got := metadata.CheckClaimKey(key) == nil; got != claimKey.MatchString(key) {
			t.Errorf("claim key %q: accepted %t", key, got)
		}
		if metadata.CheckClaimKey(key) == nil && metadata.CheckKey(key) != nil {
			t.Errorf("%q is a claim key but no key", key)
		}
	})
}
