package metadata

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// Query is a tree of conditions on a user. Exactly one member is set.
type Query struct {
	All []Query // AND, at least one
	Any []Query // OR, at least one
	Not *Query
	// Has finds users with an entry of a searchable key in their user-wide document.
	Has *Match
	// Group finds its members, by id.
	Group string
	// Handle finds users whose username or verified address begins with this, in canonical form.
	Handle string
}

// Match is a condition on the entry of a key: that its term is Equals, or begins with Prefix, or, with neither, that there is one.
type Match struct {
	Key    string
	Equals *string
	Prefix *string
}

// MaxTermBytes is how much of a text a term keeps as it is. Longer ones are told apart by a hash of the whole.
const MaxTermBytes = 200

// TermOf is what a value is found by: the text of a JSON string, and the exact JSON of any other value, in a form without NUL that keeps
// them apart. Terms of strings that begin alike begin alike, up to MaxTermBytes. Bytes have none: "".
func TermOf(v Value) string {
	switch {
	case v.kind != KindJSON:
		return ""
	case strings.HasPrefix(v.raw, `"`):
		text, err := jsontext.AppendUnquote(nil, v.raw)
		if err != nil {
			return "" // no Value of this package
		}
		return textTerm(string(text))
	default:
		return cut(v.raw)
	}
}

// textTerm begins with a quotation mark, as no other value's JSON does. It is also what the terms of all longer texts begin with, up to
// MaxTermBytes.
func textTerm(text string) string { return `"` + cut(text) }

// escape frees a text of NUL and keeps the order of texts.
var escape = strings.NewReplacer("\x00", "\x01\x01", "\x01", "\x01\x02")

// cut is the escaped beginning of a text, and, where that is not all, what no escaped text contains and a hash of the whole.
func cut(text string) string {
	if len(text) <= MaxTermBytes {
		return escape.Replace(text)
	}
	sum := sha256.Sum256([]byte(text))
	return escape.Replace(text[:MaxTermBytes]) + "\x01\x03" + base64.RawURLEncoding.EncodeToString(sum[:])
}
