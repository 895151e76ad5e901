package claims_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/claimsmith/claimsmith/claims"
)

// SECURITY.md M-04, with the grammar of the design.
func TestValidKey(t *testing.T) {
	for _, key := range []string{
		"a", "Z", "theme", "user-theme", "ContractNumber", "a.b", "a_b", "Role", "ROLE", "sub", "constructor", "metadata_x",
		"a1", strings.Repeat("a", 64),
	} {
		if !claims.ValidKey(key) {
			t.Errorf("ValidKey(%q) = false", key)
		}
	}
	for _, key := range []string{
		"", "-", "0", "_", ".", "1a", "_a", "__proto__", "$where", "a b", "a/b", "a:b", "a{b}", `a"b`, `a\b`, "a\u0000", "a\n",
		"\na", "rôle", "ro\u0302le", "ｒole", "ſub", "\u212a", "roles\u200b", "\u202eelor", "a\u00adb", "a\xff", "😀",
		strings.Repeat("a", 65), strings.Repeat("a", 10000),
	} {
		if claims.ValidKey(key) {
			t.Errorf("ValidKey(%q) = true", key)
		}
	}
}

func FuzzValidKey(f *testing.F) {
	grammar := regexp.MustCompile(`\A[A-Za-z][A-Za-z0-9_.-]{0,63}\z`)
	f.Add("theme")
	f.Add("a\n")
	f.Fuzz(func(t *testing.T, key string) {
		if got, want := claims.ValidKey(key), grammar.MatchString(key); got != want {
			t.Errorf("ValidKey(%q) = %v, the grammar says %v", key, got, want)
		}
	})
}

func TestReservedNames(t *testing.T) {
	for _, name := range []string{"iss", "sub", "aud", "exp", "scope", "client_id", "cnf", "act", "azp", "roles", "amr", "org", "claims_org_rev",
		claims.UserMetadataClaim,
	} {
		if !claims.Reserved(name) {
			t.Errorf("Reserved(%q) = false", name)
		}
	}
	for _, name := range []string{"", "theme", "metadata_theme", "metadata_sub", "SUB"} {
		if claims.Reserved(name) {
			t.Errorf("Reserved(%q) = true", name)
		}
	}
}
