package claims

import (
	"crypto"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/golang-jwt/jwt/v5"
)

// ProofWindow is how far the iat of a proof may be from now: proofs are made for one request, right before it.
const ProofWindow = 60 * time.Second

// maxProofID bounds the jti of a proof, which has to be remembered.
const maxProofID = 128

// Proof is a verified DPoP proof (RFC 9449 §4.2).
type Proof struct {
	// KeyThumbprint is the JWK SHA-256 thumbprint of the key whose possession is proved (RFC 7638).
	KeyThumbprint string
	// ID is the jti. A proof is used once: whoever accepts one remembers key and jti until ProofWindow after IssuedAt.
	ID       string
	IssuedAt time.Time
}

// ExpectedProof is the request a proof has to be for.
type ExpectedProof struct {
	Method string
	// URL is the address of the request as its sender knows it; query and fragment do not matter.
	URL string
	// AccessToken is the one the request brings, "" for none.
	AccessToken string
	Now         time.Time
}

// proofAlgorithms may sign proofs: asymmetric ones only (RFC 9449 §11.6).
var proofAlgorithms = []string{"ES256", "RS256", "EdDSA"}

// VerifyProof checks the text of a DPoP header as RFC 9449 §4.3 demands of a server, but for the proof having been used before,
// which the caller has to see to. The caller also has seen that there is one such header, and that the token is bound to the key.
func VerifyProof(proof string, want ExpectedProof) (*Proof, error) {
	jws, err := parseCompact(proof)
	if err != nil {
		return nil, err
	}
	if jws.header.Type != "dpop+jwt" {
		return nil, ErrType
	}
	if !slices.Contains(proofAlgorithms, jws.header.Algorithm) {
		return nil, ErrAlgorithm
	}
	key, thumbprint, err := proofKey(&jws)
	if err != nil {
		return nil, err
	}
	if err := jwt.GetSigningMethod(key.Algorithm).Verify(jws.signed, jws.signature, key.Public); err != nil {
		return nil, ErrSignature
	}
	var p proofPayload
	if err := parsePayload(jws.payload, &p); err != nil {
		return nil, err
	}
	if err := p.check(want); err != nil {
		return nil, err
	}
	return &Proof{KeyThumbprint: thumbprint, ID: p.ID, IssuedAt: p.IssuedAt.time()}, nil
}

// proofPayload is the payload of a proof (RFC 9449 §4.2).
type proofPayload struct {
	ID              string      `json:"jti"`
	Method          string      `json:"htm"`
	URL             string      `json:"htu"`
	IssuedAt        numericDate `json:"iat"`
	AccessTokenHash string      `json:"ath"`
}

func (p *proofPayload) check(want ExpectedProof) error {
	switch {
	case p.ID == "", len(p.ID) > maxProofID:
		return fmt.Errorf("%w: jti", ErrMissing)
	case p.Method == "":
		return fmt.Errorf("%w: htm", ErrMissing)
	case p.URL == "":
		return fmt.Errorf("%w: htu", ErrMissing)
	case !p.IssuedAt.sane():
		return fmt.Errorf("%w: iat", ErrMissing)
	case p.Method != want.Method:
		return fmt.Errorf("%w: htm", ErrProof)
	}
	if at, ok := normalURL(want.URL); !ok {
		return fmt.Errorf("%w: the request has no absolute URL", ErrProof)
	} else if claimed, ok := normalURL(p.URL); !ok || claimed != at {
		return fmt.Errorf("%w: htu", ErrProof)
	}
	if want.AccessToken != "" {
		sum := sha256.Sum256([]byte(want.AccessToken))
		if p.AccessTokenHash != base64.RawURLEncoding.EncodeToString(sum[:]) {
			return fmt.Errorf("%w: ath", ErrProof)
		}
	}
	switch age := want.Now.Sub(p.IssuedAt.time()); {
	case age > ProofWindow:
		return ErrExpired
	case age < -ProofWindow:
		return ErrNotYetValid
	}
	return nil
}

// proofKey reads the jwk of a proof's header, the one place where a key may come with what it signed: the proof says only that
// whoever made it has that key.
func proofKey(jws *compact) (Key, string, error) {
	var h struct {
		Key jsontext.Value `json:"jwk"`
	}
	if err := json.Unmarshal(jws.rawHeader, &h); err != nil {
		return Key{}, "", fmt.Errorf("%w: header", ErrMalformed)
	}
	if h.Key.Kind() != '{' {
		return Key{}, "", fmt.Errorf("%w: jwk", ErrMissing)
	}
	var k jwk
	if err := json.Unmarshal(h.Key, &k); err != nil {
		return Key{}, "", fmt.Errorf("%w: jwk", ErrMalformed)
	}
	if k.secret() { // RFC 9449 §4.3, 7
		return Key{}, "", fmt.Errorf("%w: jwk has private members", ErrMalformed)
	}
	// What a proof's key need not say follows from the header.
	if k.Algorithm == "" {
		k.Algorithm = jws.header.Algorithm
	}
	if k.Use == "" {
		k.Use = "sig"
	}
	k.KeyID = "jwk"
	key, err := k.verificationKey(h.Key)
	if err != nil || key.Algorithm != jws.header.Algorithm {
		return Key{}, "", fmt.Errorf("%w: jwk", ErrAlgorithm)
	}
	thumbprint, err := (&jose.JSONWebKey{Key: key.Public}).Thumbprint(crypto.SHA256)
	if err != nil {
		return Key{}, "", fmt.Errorf("%w: jwk", ErrAlgorithm)
	}
	return key, base64.RawURLEncoding.EncodeToString(thumbprint), nil
}

// normalURL is an http address without query and fragment in the form in which equal ones are equal (RFC 9449 §4.3, 9; RFC 3986
// §6.2.2, §6.2.3).
func normalURL(text string) (string, bool) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil {
		return "", false
	}
	host := strings.ToLower(u.Host)
	host = strings.TrimSuffix(host, map[string]string{"https": ":443", "http": ":80"}[u.Scheme])
	path := (&url.URL{}).ResolveReference(u).EscapedPath() // without dot segments
	if path == "" {
		path = "/"
	}
	return u.Scheme + "://" + strings.TrimSuffix(host, ":") + normalEscapes(path), true
}

// normalEscapes writes every escape in capitals, and what needs none (RFC 3986 §2.3) without.
func normalEscapes(path string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := 0; i < len(path); i++ {
		if path[i] != '%' {
			b.WriteByte(path[i])
			continue
		}
		c := unhex(path[i+1])<<4 | unhex(path[i+2]) // EscapedPath has whole escapes only
		i += 2
		if isLetter(c) || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(hex[c>>4])
		b.WriteByte(hex[c&15])
	}
	return b.String()
}

func unhex(c byte) byte {
	switch {
	case c >= 'a':
		return c - 'a' + 10
	case c >= 'A':
		return c - 'A' + 10
	}
	return c - '0'
}
