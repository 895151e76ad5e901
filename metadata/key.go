package metadata

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of keys, in characters.
const (
	MaxKeyLength      = 200
	MaxClaimKeyLength = 64
)

// CheckKey reports why a text cannot be a metadata key: it must be 1 to MaxKeyLength characters of valid UTF-8 without
// control characters.
func CheckKey(key string) error {
	switch {
	case key == "":
		return invalid("key", "a metadata key must not be empty")
	case !utf8.ValidString(key):
		return invalid("key", "a metadata key must be valid UTF-8")
	case utf8.RuneCountInString(key) > MaxKeyLength:
		return invalid("key", "a metadata key has at most %d characters", MaxKeyLength)
	case strings.ContainsFunc(key, unicode.IsControl):
		return invalid(key, "a metadata key must not contain control characters")
	}
	return nil
}

// CheckClaimKey reports why a text cannot be the key of a claim entry: it must match ^[A-Za-z][A-Za-z0-9_.-]{0,63}$, so
// that no consumer can take it for another claim.
func CheckClaimKey(key string) error {
	if key == "" || len(key) > MaxClaimKeyLength || !isLetter(key[0]) || !consistsOf(key, isNameByte) {
		return invalid(key, "the key of a profile claim starts with a letter and has at most %d characters A-Z a-z 0-9 _ . -", MaxClaimKeyLength)
	}
	return nil
}

// The grammars of ids that become part of key names. Text outside of them names nothing.
func isUserID(s string) bool {
	return s != "" && len(s) <= 64 && consistsOf(s, func(c byte) bool { return c != '.' && isNameByte(c) })
}

func isOrg(s string) bool {
	return s != "" && len(s) <= 63 && s[0] != '-' && consistsOf(s, func(c byte) bool { return 'a' <= c && c <= 'z' || isDigit(c) || c == '-' })
}

func isApp(s string) bool { return s != "" && len(s) <= 64 && consistsOf(s, isNameByte) }

func consistsOf(s string, allowed func(byte) bool) bool {
	for i := range len(s) {
		if !allowed(s[i]) {
			return false
		}
	}
	return true
}

func isLetter(c byte) bool   { return 'a' <= c|0x20 && c|0x20 <= 'z' }
func isDigit(c byte) bool    { return '0' <= c && c <= '9' }
func isNameByte(c byte) bool { return isLetter(c) || isDigit(c) || c == '_' || c == '.' || c == '-' }
