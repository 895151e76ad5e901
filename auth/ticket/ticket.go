// Package ticket owns the form of the secrets that lead to their own record: refresh tokens, codes, session cookies. A ticket reads
// <prefix><part>.<part>.<payload>, the payload being base64url of fixed bytes and a tag, an HMAC under a key of the server over all of
// it. A text that nobody was ever given is therefore refused without touching the store, and only one that was once issued can have
// consequences by being used again (rows T-16, D-07).
package ticket

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"strings"
)

// TagLen is the length of the tag in bytes: 96 bits, which nobody guesses online.
const TagLen = 12

// Codec writes and reads the tickets of one kind. The zero value is not usable; it is immutable and safe for concurrent use.
type Codec struct {
	// Prefix is the recognisable beginning, such as cs_rt_, for secret scanners and for people.
	Prefix string
	// Parts is how many readable parts stand before the payload; they hold no '.'.
	Parts int
	// Payload is the length of the payload in bytes, without the tag.
	Payload int
	// Keys authenticate. The first writes, all of them read.
	Keys [][]byte
}

// Format writes a ticket. It panics unless there are as many parts and bytes as the Codec says.
func (c Codec) Format(payload []byte, parts ...string) string {
	if len(parts) != c.Parts || len(payload) != c.Payload {
		panic("ticket: wrong number of parts or bytes")
	}
	var b strings.Builder
	b.WriteString(c.Prefix)
	for _, part := range parts {
		b.WriteString(part)
		b.WriteByte('.')
	}
	tagged := append(payload[:len(payload):len(payload)], tag(c.Keys[0], payload, parts)...)
	b.WriteString(base64.RawURLEncoding.EncodeToString(tagged))
	return b.String()
}

// Parse reports false for every text that Format did not write under one of the keys.
func (c Codec) Parse(text string) (payload []byte, parts []string, ok bool) {
	rest, ok := strings.CutPrefix(text, c.Prefix)
	if !ok || len(rest) > 512 {
		return nil, nil, false
	}
	fields := strings.Split(rest, ".")
	if len(fields) != c.Parts+1 {
		return nil, nil, false
	}
	parts, encoded := fields[:c.Parts], fields[c.Parts]
	if len(encoded) != base64.RawURLEncoding.EncodedLen(c.Payload+TagLen) {
		return nil, nil, false
	}
	tagged, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if err != nil || len(tagged) != c.Payload+TagLen { // line breaks are skipped by the decoder
		return nil, nil, false
	}
	payload = tagged[:c.Payload:c.Payload]
	known := 0
	for _, key := range c.Keys {
		known |= subtle.ConstantTimeCompare(tagged[c.Payload:], tag(key, payload, parts))
	}
	return payload, parts, known == 1
}

func tag(key, payload []byte, parts []string) []byte {
	mac := hmac.New(sha256.New, key)
	for _, part := range parts {
		mac.Write([]byte(part))
		mac.Write([]byte{0})
	}
	mac.Write(payload)
	return mac.Sum(nil)[:TagLen]
}

// Random returns n random bytes.
func Random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails, see crypto/rand
	return b
}
