// Package keys owns the keys tokens are signed with: what they are, how they rest in the store, when each of them is
// published, signs and disappears, and the view of all this that one process signs and verifies by.
//
// A key is published before it signs and stays published until the last token it signed has expired. Each of these steps
// is a time written into the key's record when the step is decided, and every decision is one compare-and-swap of the
// whole state. So any number of processes may decide at once, and one that dies leaves nothing half done.
//
// The package fails closed: a state that is missing, damaged, older than one already seen, or sealed under a
// key-encryption key that is not configured is an error, never a reason to make a new key.
package keys

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"
)

// The errors operations of this package end with; test for them with errors.Is.
var (
	// ErrUnavailable: the state could not be read or the outcome of a change is unknown. Repeating the operation is safe.
	ErrUnavailable = errors.New("signing keys are unavailable")
	// ErrConflict: another writer won the compare-and-swap.
	ErrConflict = errors.New("signing keys were changed by another process")
	// ErrCorrupt: what is stored is not a state this package wrote.
	ErrCorrupt = errors.New("stored signing keys are damaged")
	// ErrRolledBack: the stored state is older than one this process has already seen.
	ErrRolledBack = errors.New("stored signing keys were rolled back")
	// ErrEmpty: there are no signing keys yet; see Ring.Init.
	ErrEmpty = errors.New("no signing keys are stored")
	// ErrNotEmpty: there already are signing keys.
	ErrNotEmpty = errors.New("signing keys are already stored")
	// ErrNotFound: no key has that identifier, or it has expired.
	ErrNotFound = errors.New("no such signing key")
	// ErrAlgorithm: the algorithm is not one of Algorithms, or no key of it signs yet.
	ErrAlgorithm = errors.New("no signing key of that algorithm")
)

// The algorithms keys exist for (RFC 7518 §3.1, RFC 8037 §3.1). A key has exactly one.
const (
	ES256 = "ES256"
	RS256 = "RS256"
	EdDSA = "EdDSA"
)

// Algorithms returns all algorithms, in the order their first keys are made.
func Algorithms() []string { return []string{ES256, RS256, EdDSA} }

// rsaBits is the least RFC 7518 §3.3 allows. 3072 bits make a signature three times as dear; those who want more strength
// per signature choose ES256, the default.
const rsaBits = 2048

// Key is an opened signing key. It is immutable and safe for concurrent use.
type Key struct {
	ID     string // RFC 7638 SHA-256 thumbprint of Public
	Alg    string
	Public crypto.PublicKey

	private crypto.Signer
	method  jwt.SigningMethod
	jwk     []byte
	record  Record
	headers atomic.Pointer[[]header]
}

// header is an encoded JOSE header for tokens of one typ.
type header struct{ typ, encoded string }

// String names the key without showing it.
func (k *Key) String() string { return k.Alg + " " + k.ID }

// GoString keeps %#v from showing the private part.
func (k *Key) GoString() string { return "keys.Key(" + k.String() + ")" }

// Sign returns the JWS compact serialisation (RFC 7515 §7.1) of payload, signed by this key. typ becomes the header's typ
// member; it is one of the few the program uses, never text from a request.
func (k *Key) Sign(typ string, payload []byte) (string, error) {
	head, err := k.header(typ)
	if err != nil {
		return "", err
	}
	const chunk = 768 // a multiple of 3, so that encoded chunks join without padding
	var encoded [chunk / 3 * 4]byte
	var b strings.Builder
	b.Grow(len(head) + base64.RawURLEncoding.EncodedLen(len(payload)) + 2 + base64.RawURLEncoding.EncodedLen(rsaBits/8))
	b.WriteString(head)
	b.WriteByte('.')
	for part := range slices.Chunk(payload, chunk) {
		b.Write(base64.RawURLEncoding.AppendEncode(encoded[:0], part))
	}
	signature, err := k.method.Sign(b.String(), k.private)
	if err != nil {
		return "", fmt.Errorf("signing with key %s: %w", k.ID, err)
	}
	b.WriteByte('.')
	b.Write(base64.RawURLEncoding.AppendEncode(encoded[:0], signature))
	return b.String(), nil
}

// maxHeaders bounds what Sign remembers, should a caller break its contract.
const maxHeaders = 16

func (k *Key) header(typ string) (string, error) {
	known := k.headers.Load()
	for _, h := range *known {
		if h.typ == typ {
			return h.encoded, nil
		}
	}
	if typ == "" || strings.ContainsFunc(typ, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' }) {
		return "", fmt.Errorf("signing: %q is no token type", typ)
	}
	encoded := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"` + k.Alg + `","kid":"` + k.ID + `","typ":"` + typ + `"}`))
	if len(*known) < maxHeaders {
		more := append(slices.Clip(*known), header{typ, encoded})
		k.headers.CompareAndSwap(known, &more) // who loses the race encodes it once more next time
	}
	return encoded, nil
}

// newKey checks that private is a key for alg and gives it its identifier.
func newKey(alg string, private any) (*Key, error) {
	k := &Key{Alg: alg}
	ok := false
	switch p := private.(type) {
	case *ecdsa.PrivateKey:
		k.private, k.method, ok = p, jwt.SigningMethodES256, alg == ES256 && p.Curve == elliptic.P256()
	case *rsa.PrivateKey:
		k.private, k.method, ok = p, jwt.SigningMethodRS256, alg == RS256 && p.N.BitLen() >= rsaBits
	case ed25519.PrivateKey:
		k.private, k.method, ok = p, jwt.SigningMethodEdDSA, alg == EdDSA
	}
	if !ok {
		return nil, fmt.Errorf("%T is no key for %q: %w", private, alg, ErrAlgorithm)
	}
	k.Public = k.private.Public()
	var err error
	if k.ID, err = thumbprint(k.Public); err != nil {
		return nil, err
	}
	k.jwk, err = jose.JSONWebKey{Key: k.Public, KeyID: k.ID, Algorithm: alg, Use: "sig"}.MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("encoding key %s: %w", k.ID, err)
	}
	k.headers.Store(new([]header))
	return k, nil
}

// thumbprint computes the RFC 7638 SHA-256 thumbprint of a public key, in base64url.
func thumbprint(public crypto.PublicKey) (string, error) {
	sum, err := (&jose.JSONWebKey{Key: public}).Thumbprint(crypto.SHA256)
	if err != nil {
		return "", fmt.Errorf("thumbprint of a key: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(sum), nil
}

func generate(alg string) (*Key, error) {
	var private any
	var err error
	switch alg {
	case ES256:
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case RS256:
		private, err = rsa.GenerateKey(rand.Reader, rsaBits)
	case EdDSA:
		_, private, err = ed25519.GenerateKey(rand.Reader)
	default:
		return nil, fmt.Errorf("making a key for %q: %w", alg, ErrAlgorithm)
	}
	if err != nil {
		return nil, fmt.Errorf("making a key for %s: %w", alg, err)
	}
	return newKey(alg, private)
}

// purpose is what signing keys are sealed for.
const purpose = "signing key"

func (k *Key) seal(s *Sealer) ([]byte, error) {
	plain, err := x509.MarshalPKCS8PrivateKey(k.private)
	if err != nil {
		return nil, fmt.Errorf("encoding key %s: %w", k.ID, err)
	}
	defer clear(plain)
	return s.Seal(plain, purpose, k.Alg, k.ID), nil
}

// openKey opens the private part of a record and makes sure that it is the one the record names.
func openKey(r Record, s *Sealer) (*Key, error) {
	plain, err := s.Open(r.Sealed, purpose, r.Alg, r.ID)
	if err != nil {
		return nil, fmt.Errorf("opening key %s: %w", r.ID, err)
	}
	defer clear(plain)
	private, err := x509.ParsePKCS8PrivateKey(plain)
	if err != nil {
		return nil, fmt.Errorf("opening key %s: %w: %w", r.ID, ErrCorrupt, err)
	}
	k, err := newKey(r.Alg, private)
	if err != nil {
		return nil, fmt.Errorf("opening key %s: %w: %w", r.ID, ErrCorrupt, err)
	}
	if k.ID != r.ID {
		return nil, fmt.Errorf("opening key %s: it is key %s: %w", r.ID, k.ID, ErrCorrupt)
	}
	k.record = r
	return k, nil
}
