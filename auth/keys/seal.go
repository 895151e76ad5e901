package keys

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
)

// KEKSize is the length of a key-encryption key in bytes.
const KEKSize = 32

var (
	// ErrNoKEK: no key-encryption key was given, or one of the wrong length, or one twice.
	ErrNoKEK = errors.New("no usable key-encryption key")
	// ErrUnknownKEK: something is sealed under a key-encryption key that was not given.
	ErrUnknownKEK = errors.New("key-encryption key is not configured")
	// ErrNotSealed: a text was not sealed here, was changed since, or was sealed for something else.
	ErrNotSealed = errors.New("sealed text does not open")
)

// Sealer keeps secrets at rest under key-encryption keys (KEK), which live outside the store: the current one, under which
// it seals, and previous ones, which it only opens. It is immutable and safe for concurrent use.
//
// To change the KEK: give every process the new one as a previous one, then make it the current one everywhere, let
// Ring.Run seal the signing keys again, and only then take the old one away.
type Sealer struct{ keks []kek }

// kek is what is derived from one key-encryption key, which itself is not kept.
type kek struct {
	id   [idSize]byte
	aead cipher.AEAD
	prk  []byte // HKDF pseudo-random key
}

// A sealed text is: format version, KEK id, nonce, ciphertext and tag. The first two are authenticated with the binding.
const (
	formatVersion = 1
	idSize        = 8
	headSize      = 1 + idSize
)

// NewSealer makes a Sealer of key-encryption keys of KEKSize bytes each. Without a current one it is ErrNoKEK.
func NewSealer(current []byte, previous ...[]byte) (*Sealer, error) {
	s := &Sealer{}
	for i, secret := range append([][]byte{current}, previous...) {
		if len(secret) != KEKSize {
			return nil, fmt.Errorf("key-encryption key %d has %d bytes, want %d: %w", i, len(secret), KEKSize, ErrNoKEK)
		}
		k, err := newKEK(secret)
		if err != nil {
			return nil, fmt.Errorf("key-encryption key %d: %w", i, err)
		}
		if s.find(k.id[:]) != nil {
			return nil, fmt.Errorf("key-encryption key %d is given twice: %w", i, ErrNoKEK)
		}
		s.keks = append(s.keks, k)
	}
	return s, nil
}

func newKEK(secret []byte) (kek, error) {
	var k kek
	var err error
	if k.prk, err = hkdf.Extract(sha256.New, secret, nil); err != nil {
		return k, err
	}
	copy(k.id[:], k.expand("kek id v1"))
	block, err := aes.NewCipher(k.expand("seal v1"))
	if err != nil {
		return k, err
	}
	k.aead, err = cipher.NewGCMWithRandomNonce(block)
	return k, err
}

// expand derives 32 bytes (RFC 5869 §2.3).
func (k *kek) expand(info string) []byte {
	out, err := hkdf.Expand(sha256.New, k.prk, "claimsmith "+info, 32)
	if err != nil {
		panic(err) // only a length beyond 255 hashes fails
	}
	return out
}

func (s *Sealer) find(id []byte) *kek {
	for i := range s.keks {
		if string(s.keks[i].id[:]) == string(id) {
			return &s.keks[i]
		}
	}
	return nil
}

// Seal encrypts plain under the current KEK with AES-256-GCM and a fresh random nonce. It opens only for the same purpose and
// the same bound texts, in the same order.
func (s *Sealer) Seal(plain []byte, purpose string, bound ...string) []byte {
	k := &s.keks[0]
	head := append([]byte{formatVersion}, k.id[:]...)
	return k.aead.Seal(head, nil, plain, binding(head, purpose, bound)) //nolint:gosec // the AEAD draws the nonce itself
}

// Open decrypts what Seal returned. It is ErrUnknownKEK when the sealed text names a KEK this Sealer was not given, and
// ErrNotSealed for everything else that is not exactly as sealed.
func (s *Sealer) Open(sealed []byte, purpose string, bound ...string) ([]byte, error) {
	if len(sealed) < headSize || sealed[0] != formatVersion {
		return nil, ErrNotSealed
	}
	head := sealed[:headSize:headSize]
	k := s.find(head[1:])
	if k == nil {
		return nil, fmt.Errorf("sealed under %s: %w", hex.EncodeToString(head[1:]), ErrUnknownKEK)
	}
	plain, err := k.aead.Open(nil, nil, sealed[headSize:], binding(head, purpose, bound))
	if err != nil {
		return nil, ErrNotSealed
	}
	return plain, nil
}

// Current reports whether a sealed text names the current KEK.
func (s *Sealer) Current(sealed []byte) bool {
	return len(sealed) >= headSize && string(sealed[1:headSize]) == string(s.keks[0].id[:])
}

// binding joins texts so that no two lists give the same bytes.
func binding(head []byte, purpose string, bound []string) []byte {
	var out []byte
	for _, text := range append([]string{string(head), purpose}, bound...) {
		out = binary.BigEndian.AppendUint32(out, uint32(len(text))) //nolint:gosec // texts of a few bytes
		out = append(out, text...)
	}
	return out
}

// Derive returns a secret of 32 bytes for another purpose, from the current KEK by HKDF-SHA256. Different labels give
// independent secrets.
func (s *Sealer) Derive(label string) []byte { return s.keks[0].expand("derived " + label) }

// DeriveAll returns the secrets of that label from the current KEK and then from every previous one.
func (s *Sealer) DeriveAll(label string) [][]byte {
	all := make([][]byte, len(s.keks))
	for i := range s.keks {
		all[i] = s.keks[i].expand("derived " + label)
	}
	return all
}

// String names the current KEK without showing anything of it.
func (s *Sealer) String() string { return "sealer under " + hex.EncodeToString(s.keks[0].id[:]) }

// GoString keeps %#v from showing what was derived.
func (s *Sealer) GoString() string { return "keys.Sealer(" + s.String() + ")" }
