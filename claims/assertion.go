package claims

import (
	"fmt"
	"slices"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// maxAssertionLife is how far ahead the exp of an assertion may be.
const maxAssertionLife = 5 * time.Minute

// Assertion is a verified client assertion (RFC 7523 §2.2).
type Assertion struct {
	ClientID string
	// ID is the jti. An assertion is used once: whoever accepts one remembers client and jti until ExpiresAt.
	ID        string
	ExpiresAt time.Time
}

// ExpectedAssertion is what the server knows of the client that has to have made an assertion.
type ExpectedAssertion struct {
	ClientID string
	// Keys are the client's, see [ParseKeySet].
	Keys map[string]Key
	// Audiences are what the assertion may be addressed to: exactly one of them, as a string.
	Audiences []string
	Leeway    time.Duration
	Now       time.Time
}

// assertionTypes may stand in an assertion's typ. Most clients write none or JWT; the last is of the successor of RFC 7523. Every
// other typ is that of another kind of token.
var assertionTypes = []string{"", "JWT", "client-authentication+jwt"}

// assertionPayload is the payload of an assertion (RFC 7523 §3). An audience of several is not read: such an assertion would be
// good elsewhere too.
type assertionPayload struct {
	Issuer    string      `json:"iss"`
	Subject   string      `json:"sub"`
	Audience  string      `json:"aud"`
	ID        string      `json:"jti"`
	ExpiresAt numericDate `json:"exp"`
	IssuedAt  numericDate `json:"iat"`
	NotBefore numericDate `json:"nbf"`
}

// AssertionClient returns which client an assertion says it is of, for looking up that client's keys. Nothing of it is verified.
func AssertionClient(assertion string) (string, error) {
	jws, err := parseCompact(assertion)
	if err != nil {
		return "", err
	}
	var p assertionPayload
	if err := parsePayload(jws.payload, &p); err != nil {
		return "", err
	}
	if p.Subject == "" {
		return "", fmt.Errorf("%w: sub", ErrMissing)
	}
	return p.Subject, nil
}

// VerifyAssertion checks a client assertion as RFC 7523 §3 and OpenID Connect Core §9 demand of an authorization server, but for
// its having been used before, which the caller has to see to.
func VerifyAssertion(assertion string, want ExpectedAssertion) (*Assertion, error) {
	jws, err := parseCompact(assertion)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(assertionTypes, jws.header.Type) {
		return nil, ErrType
	}
	key, err := keyFor(&jws.header, want.Keys)
	if err != nil {
		return nil, err
	}
	if err := jwt.GetSigningMethod(key.Algorithm).Verify(jws.signed, jws.signature, key.Public); err != nil {
		return nil, ErrSignature
	}
	var p assertionPayload
	if err := parsePayload(jws.payload, &p); err != nil {
		return nil, err
	}
	if err := p.check(want); err != nil {
		return nil, err
	}
	return &Assertion{ClientID: p.Subject, ID: p.ID, ExpiresAt: p.ExpiresAt.time()}, nil
}

func (p *assertionPayload) check(want ExpectedAssertion) error {
	switch {
	case p.ID == "":
		return fmt.Errorf("%w: jti", ErrMissing)
	case !p.ExpiresAt.sane():
		return fmt.Errorf("%w: exp", ErrMissing)
	case p.Issuer != want.ClientID, p.Subject != want.ClientID, want.ClientID == "":
		return ErrIssuer
	case p.Audience == "", !slices.Contains(want.Audiences, p.Audience):
		return ErrAudience
	}
	expires, latest := p.ExpiresAt.time(), want.Now.Add(want.Leeway)
	switch {
	case !want.Now.Before(expires.Add(want.Leeway)):
		return ErrExpired
	case expires.After(latest.Add(maxAssertionLife)):
		return fmt.Errorf("%w: exp is too far ahead", ErrMissing)
	case p.IssuedAt.time().After(latest), p.NotBefore.time().After(latest):
		return ErrNotYetValid
	}
	return nil
}

// keyFor finds the key a header names, or, where it names none, the only one of its algorithm (OpenID Connect Core §10.1).
func keyFor(h *header, keys map[string]Key) (Key, error) {
	if h.KeyID != "" {
		key, ok := keys[h.KeyID]
		switch {
		case !ok:
			return Key{}, ErrKeyUnknown
		case key.Algorithm != h.Algorithm:
			return Key{}, fmt.Errorf("%w: key is for another", ErrAlgorithm)
		}
		return key, nil
	}
	var found []Key
	for _, key := range keys {
		if key.Algorithm == h.Algorithm {
			found = append(found, key)
		}
	}
	if len(found) != 1 {
		return Key{}, ErrKeyUnknown
	}
	return found[0], nil
}
