package claims

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"fmt"
	"slices"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Key is a public signing key of the issuer.
type Key struct {
	ID string
	// Algorithm is the only one the key signs with: ES256, RS256 or EdDSA. A token's header cannot change it.
	Algorithm string
	// Public is an *ecdsa.PublicKey on P-256, an *rsa.PublicKey or an ed25519.PublicKey, as Algorithm says.
	Public crypto.PublicKey
}

// KeySource finds the issuer's keys. It is safe for concurrent use.
type KeySource interface {
	// Key returns the key with this id. An attacker chooses kid: it is only ever compared with ids of known keys, never made
	// part of an address, a path or a query, and many unknown ones must not cost more than few do. The error is ErrKeyUnknown
	// when the issuer has no such key and ErrUnavailable when that cannot be told now.
	Key(ctx context.Context, kid string) (Key, error)
}

const (
	minRSABits  = 2048 // go-jose refuses those over 4096, which would cost too much
	rsaExponent = 65537
)

// jwk has the members of a JWK that decide whether a key may verify; its material is go-jose's to read.
type jwk struct {
	KeyType    string   `json:"kty"`
	Curve      string   `json:"crv"`
	KeyID      string   `json:"kid"`
	Algorithm  string   `json:"alg"`
	Use        string   `json:"use"`
	Operations []string `json:"key_ops"`

	// Secret material (RFC 7518 §6.2.2, §6.3.2, §6.4.1, RFC 9964).
	D           jsontext.Value `json:"d"`
	P           jsontext.Value `json:"p"`
	Q           jsontext.Value `json:"q"`
	DP          jsontext.Value `json:"dp"`
	DQ          jsontext.Value `json:"dq"`
	QI          jsontext.Value `json:"qi"`
	Others      jsontext.Value `json:"oth"`
	Symmetric   jsontext.Value `json:"k"`
	PrivateSeed jsontext.Value `json:"priv"`
}

func (k *jwk) secret() bool {
	if k.KeyType == "oct" {
		return true
	}
	for _, member := range [...]jsontext.Value{k.D, k.P, k.Q, k.DP, k.DQ, k.QI, k.Others, k.Symmetric, k.PrivateSeed} {
		if member != nil {
			return true
		}
	}
	return false
}

// ParseKeySet reads a JWK Set (RFC 7517 §5). Keys that are not for verifying, of another type or too weak are passed over,
// as the RFC has it, and so verify nothing; what is returned are the others by their ids. A set that discloses secret material, or names two keys alike, is refused
// whole: its issuer is not to be trusted with the rest.
func ParseKeySet(data []byte) (map[string]Key, error) {
	var set struct {
		Keys []jsontext.Value `json:"keys"`
	}
	if err := json.Unmarshal(data, &set); err != nil {
		return nil, fmt.Errorf("parsing key set: %w", err)
	}
	if set.Keys == nil {
		return nil, errors.New("no key set") // an empty one is: its keys were withdrawn
	}
	keys := make(map[string]Key, len(set.Keys))
	ids := make(map[string]bool, len(set.Keys))
	for _, raw := range set.Keys {
		var k jwk
		if err := json.Unmarshal(raw, &k); err != nil {
			return nil, fmt.Errorf("parsing key: %w", err)
		}
		if k.secret() {
			return nil, errors.New("key set contains secret keys")
		}
		if k.KeyID != "" && ids[k.KeyID] {
			return nil, errors.New("key set names two keys alike")
		}
		ids[k.KeyID] = true
		if key, err := k.verificationKey(raw); err == nil {
			keys[key.ID] = key
		}
	}
	return keys, nil
}

// verificationKey accepts a key only when type, curve, algorithm, use and operations agree (RFC 7517 §4).
func (k *jwk) verificationKey(raw []byte) (Key, error) {
	if k.KeyID == "" || k.Use != "sig" || k.Operations != nil && !slices.Contains(k.Operations, "verify") {
		return Key{}, errors.New("not a named verification key")
	}
	switch [3]string{k.Algorithm, k.KeyType, k.Curve} {
	case [3]string{"ES256", "EC", "P-256"}, [3]string{"RS256", "RSA", ""}, [3]string{"EdDSA", "OKP", "Ed25519"}:
	default:
		return Key{}, errors.New("algorithm, type and curve do not agree")
	}
	var parsed jose.JSONWebKey
	if err := parsed.UnmarshalJSON(raw); err != nil {
		return Key{}, err
	}
	key := Key{ID: k.KeyID, Algorithm: k.Algorithm, Public: parsed.Key}
	return key, key.check()
}

// check refuses key material that a signature cannot be trusted with. Points off their curve go-jose has refused.
func (k Key) check() error {
	switch public := k.Public.(type) {
	case *ecdsa.PublicKey:
		if k.Algorithm == "ES256" && public.Curve == elliptic.P256() {
			return nil
		}
	case *rsa.PublicKey:
		if k.Algorithm == "RS256" && public.N.BitLen() >= minRSABits && public.N.Bit(0) == 1 && public.E == rsaExponent {
			return nil
		}
	case ed25519.PublicKey:
		if k.Algorithm == "EdDSA" && len(public) == ed25519.PublicKeySize {
			return nil
		}
	}
	return fmt.Errorf("unfit %s key", k.Algorithm)
}
