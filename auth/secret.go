package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"

	"github.com/claimsmith/claimsmith/auth/ticket"
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
// text leads to the family without a lookup (see package ticket).
const (
	familyIDLen = 12
	secretLen   = 24
	payloadLen  = familyIDLen + 8 + secretLen
)

// refreshToken is a refresh token taken apart.
type refreshToken struct {
	FamilyRef
	generation uint64
	secret     []byte
}

// refreshCodec writes and reads refresh tokens.
type refreshCodec struct{ ticket.Codec }

func newRefreshCodec(keys [][]byte) refreshCodec {
	return refreshCodec{ticket.Codec{Prefix: refreshPrefix, Parts: 2, Payload: payloadLen, Keys: keys}}
}

func newFamilyID() string { return base64.RawURLEncoding.EncodeToString(ticket.Random(familyIDLen)) }

func newRefreshSecret() []byte { return ticket.Random(secretLen) }

func (c refreshCodec) format(t refreshToken) string {
	payload := make([]byte, 0, payloadLen)
	payload, _ = base64.RawURLEncoding.AppendDecode(payload, []byte(t.ID))
	payload = binary.BigEndian.AppendUint64(payload, t.generation)
	payload = append(payload, t.secret...)
	return c.Format(payload, t.User, t.Org)
}

// parse reports false for every text that format did not produce under one of the keys.
func (c refreshCodec) parse(text string) (refreshToken, bool) {
	payload, parts, ok := c.Parse(text)
	if !ok || !ValidUserID(parts[0]) || !ValidSlug(parts[1]) {
		return refreshToken{}, false
	}
	return refreshToken{
		FamilyRef:  FamilyRef{User: parts[0], Org: parts[1], ID: base64.RawURLEncoding.EncodeToString(payload[:familyIDLen])},
		generation: binary.BigEndian.Uint64(payload[familyIDLen:]),
		secret:     payload[familyIDLen+8:],
	}, true
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
