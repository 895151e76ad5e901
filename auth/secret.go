package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"strings"
)

// Recognisable beginnings of the secrets handed out, for secret scanners and for people.
const (
	apiTokenPrefix     = "cs_at_"
	clientSecretPrefix = "cs_cs_"
	refreshPrefix      = "cs_rt_"
)

var lower32 = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// newSecret returns a prefix followed by 256 random bits.
func newSecret(prefix string) string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails, see crypto/rand
	return prefix + base64.RawURLEncoding.EncodeToString(b)
}

func hashSecret(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// apiTokenID derives a token's public id from its text, so that any text can be looked up without storing it.
func apiTokenID(text string) string {
	sum := sha256.Sum256([]byte("claimsmith api token id\x00" + text))
	return lower32.EncodeToString(sum[:15])
}

// newOperation returns the id by which a store recognises an operation it has already carried out.
func newOperation() string { return rand.Text() }

// Refresh tokens read cs_rt_<user>.<org>.<payload>, the payload being base64url of family id, generation, secret and tag. The
// text leads to the family without a lookup, and the tag, an HMAC under a key of the server, lets a text nobody was ever given be
// refused without touching the store or the family: only a token that was once issued can end its family by being replayed.
const (
	familyIDLen = 12
	secretLen   = 24
	tagLen      = 12
	payloadLen  = familyIDLen + 8 + secretLen + tagLen
)

// refreshToken is a refresh token taken apart.
type refreshToken struct {
	FamilyRef
	generation uint64
	secret     []byte
}

// refreshCodec writes and reads refresh tokens. The first key writes; all of them read.
type refreshCodec struct{ keys [][]byte }

func newFamilyID() string {
	b := make([]byte, familyIDLen)
	_, _ = rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}

func newRefreshSecret() []byte {
	b := make([]byte, secretLen)
	_, _ = rand.Read(b)
	return b
}

func (c refreshCodec) format(t refreshToken) string {
	payload := make([]byte, 0, payloadLen)
	payload, _ = base64.RawURLEncoding.AppendDecode(payload, []byte(t.ID))
	payload = binary.BigEndian.AppendUint64(payload, t.generation)
	payload = append(payload, t.secret...)
	payload = append(payload, refreshTag(c.keys[0], t.User, t.Org, payload)...)
	return refreshPrefix + t.User + "." + t.Org + "." + base64.RawURLEncoding.EncodeToString(payload)
}

// parse reports false for every text that format did not produce under one of the keys.
func (c refreshCodec) parse(text string) (refreshToken, bool) {
	rest, ok := strings.CutPrefix(text, refreshPrefix)
	if !ok {
		return refreshToken{}, false
	}
	user, rest, _ := strings.Cut(rest, ".")
	org, encoded, _ := strings.Cut(rest, ".")
	if !ValidUserID(user) || !ValidSlug(org) || len(encoded) != base64.RawURLEncoding.EncodedLen(payloadLen) {
		return refreshToken{}, false
	}
	payload, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if err != nil || len(payload) != payloadLen {
		return refreshToken{}, false
	}
	signed, tag := payload[:payloadLen-tagLen], payload[payloadLen-tagLen:]
	known := 0
	for _, key := range c.keys {
		known |= subtle.ConstantTimeCompare(tag, refreshTag(key, user, org, signed))
	}
	if known == 0 {
		return refreshToken{}, false
	}
	return refreshToken{
		FamilyRef:  FamilyRef{User: user, Org: org, ID: base64.RawURLEncoding.EncodeToString(payload[:familyIDLen])},
		generation: binary.BigEndian.Uint64(payload[familyIDLen:]),
		secret:     payload[familyIDLen+8 : familyIDLen+8+secretLen],
	}, true
}

func refreshTag(key []byte, user, org string, payload []byte) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(user))
	mac.Write([]byte{0})
	mac.Write([]byte(org))
	mac.Write([]byte{0})
	mac.Write(payload)
	return mac.Sum(nil)[:tagLen]
}

// wrap hides a successor's secret under its predecessor's, which is random and used as a key only here, and so only once; wrapping
// again unwraps. It lets a client whose answer was lost be given the same successor while the store holds no usable secret.
func wrap(successor, predecessor []byte) []byte {
	mac := hmac.New(sha256.New, predecessor)
	mac.Write([]byte("claimsmith refresh successor"))
	pad := mac.Sum(nil)
	out := make([]byte, secretLen)
	subtle.XORBytes(out, successor[:secretLen], pad)
	return out
}

func sha256Sum(b []byte) []byte {
	sum := sha256.Sum256(b)
	return sum[:]
}
