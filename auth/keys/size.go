package keys

import (
	"crypto/rsa"
	"encoding/base64"
	"fmt"
)

// Size returns the length of what Sign would return, without signing.
func (r *Ring) Size(alg, typ string, payload []byte) (int, error) {
	set, err := r.Set()
	if err != nil {
		return 0, fmt.Errorf("signing: %w", err)
	}
	k, err := set.Signing(alg, r.cfg.Now())
	if err != nil {
		return 0, err
	}
	return k.Size(typ, payload)
}

// Size returns the length of what Sign would return, without signing.
func (k *Key) Size(typ string, payload []byte) (int, error) {
	head, err := k.header(typ)
	if err != nil {
		return 0, err
	}
	signature := 64 // of ES256 (RFC 7518 §3.4) and Ed25519 (RFC 8032 §5.1.6)
	if public, ok := k.Public.(*rsa.PublicKey); ok {
		signature = public.Size()
	}
	encoded := base64.RawURLEncoding.EncodedLen
	return len(head) + 1 + encoded(len(payload)) + 1 + encoded(signature), nil
}
