package auth

import (
	"crypto/rand"
	"regexp"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// HandleKind says which of a user's names a Handle is.
type HandleKind string

// The kinds of handle.
const (
	KindUsername HandleKind = "username"
	KindEmail    HandleKind = "email"
)

// Handle is a name that leads to a user, in the one form all its spellings share. Comparable; obtain it from ParseHandle,
// ParseUsername or ParseEmail.
//
// The form is Unicode NFC with A–Z folded to a–z; nothing is trimmed. What could make two people look like one is refused rather
// than folded: the letters allowed are a–z and the lower-case letters of Latin-1 and Latin Extended-A except those that read
// like others, so there is no second script, no invisible character and no case pair beyond ASCII. (PRECIS
// UsernameCaseMapped, RFC 8265 §3.3, accepts dotless i, and a Cyrillic a among Latin letters.)
type Handle struct {
	Kind      HandleKind
	Canonical string
}

const maxHandleBytes = 256

// Letters of U+00E0–U+017F in lower case, without division sign, e with breve (e with caron), dotless i, ligature ij, kra (k),
// l with middle dot, n with apostrophe and long s (f).
const (
	latinLetters  = `àáâãäåæçèéêëìíîïðñòóôõöøùúûüýþÿāăąćĉċčďđēėęěĝğġģĥħĩīĭįĵķĺļľłńņňŋōŏőœŕŗřśŝşšţťŧũūŭůűųŵŷźżž`
	handleLetters = `a-z0-9` + latinLetters
	atom          = `[` + handleLetters + "!#$%&'*+/=?^_`{|}~-]+" // RFC 5322 §3.2.3
)

// All patterns are RE2: their cost is linear in the input, which is bounded before.
var (
	usernamePattern = regexp.MustCompile(`^[` + handleLetters + `_-]+(\.[` + handleLetters + `_-]+)*$`)
	// RFC 5321 §4.1.2 dot-string and domain, no quoted string, no address literal; letters as in usernames (RFC 6531 §3.3).
	localPattern  = regexp.MustCompile(`^` + atom + `(\.` + atom + `)*$`)
	domainPattern = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z]([a-z0-9-]{0,61}[a-z0-9])?$`)

	userIDPattern   = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
	slugPattern     = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)
	clientIDPattern = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)
)

// reserved words mean something else where a user is named in a path.
var reserved = map[string]bool{".": true, "..": true, "me": true, "export": true}

// ParseHandle parses whatever a user may be called by at login: an address if there is an @ in it, else a username. Its errors are
// those of ParseEmail and ParseUsername.
func ParseHandle(s string) (Handle, error) {
	if strings.Contains(s, "@") {
		return ParseEmail(s)
	}
	return ParseUsername(s)
}

// ParseUsername returns the canonical handle of a username: letters as in Handle, digits, "_", "-", and single dots between them, up
// to 256 bytes, not a reserved word. The error is an *Error with InvalidRequest and never repeats the name.
func ParseUsername(s string) (Handle, error) {
	name, ok := canonical(s)
	if !ok || reserved[name] || !usernamePattern.MatchString(name) {
		return Handle{}, &Error{
			Code: InvalidRequest, Field: string(KindUsername),
			Detail: "a username is up to 256 bytes of Latin letters (accented ones in lower case), digits, _ and -, " +
				"with single dots in between, and not a reserved word",
		}
	}
	return Handle{Kind: KindUsername, Canonical: name}, nil
}

// ParseEmail returns the canonical handle of an e-mail address: a local part of up to 64 bytes, one @, and a domain name of up to
// 253 bytes in ASCII (an internationalised one in its xn-- form, so that it has one spelling), 256 bytes in all. The local part
// is case-folded too, as mail systems in use do. The error is an *Error with InvalidRequest and never repeats the address.
func ParseEmail(s string) (Handle, error) {
	address, ok := canonical(s)
	local, domain, _ := strings.Cut(address, "@")
	if !ok || len(local) > 64 || len(domain) > 253 || !localPattern.MatchString(local) || !domainPattern.MatchString(domain) {
		return Handle{}, &Error{
			Code: InvalidRequest, Field: string(KindEmail),
			Detail: "an address is name@domain with exactly one @, up to 64 bytes before it and 256 in all, " +
				"accented letters in lower case, the domain in ASCII",
		}
	}
	return Handle{Kind: KindEmail, Canonical: address}, nil
}

// canonical is NFC and the ASCII case fold, in this order: the Kelvin sign is a K in NFC.
func canonical(s string) (string, bool) {
	if len(s) > maxHandleBytes || !utf8.ValidString(s) {
		return "", false
	}
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, norm.NFC.String(s)), true
}

// NewUserID returns a fresh user id: 26 characters of lower-case base32, 130 random bits.
func NewUserID() string { return strings.ToLower(rand.Text()) }

// ValidUserID reports whether s has the grammar of a user id.
func ValidUserID(s string) bool { return userIDPattern.MatchString(s) }

// ValidSlug reports whether s has the grammar of an organisation's slug.
func ValidSlug(s string) bool { return slugPattern.MatchString(s) }

// ValidClientID reports whether s has the grammar of a client id. The dot segments of RFC 3986 §3.3 are none: a client id is
// part of a path.
func ValidClientID(s string) bool {
	return clientIDPattern.MatchString(s) && s != "." && s != ".." && s != "me"
}
