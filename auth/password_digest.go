package auth

import (
	"context"
	"crypto/md5"  //nolint:gosec // of what other systems kept
	"crypto/sha1" //nolint:gosec // same
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"strings"

	"golang.org/x/crypto/blake2b"
)

// A fastDigest is an unsalted hash that other systems kept passwords as. Whoever read such digests could try billions of passwords a
// second on all of them at once, so none is ever stored: what is stored is the name, a plus sign and the argon2id hash of the digest in
// lower-case hexadecimal.
type fastDigest struct {
	name  string // in stored hashes
	bytes int
	sum   func([]byte) []byte
}

var fastDigests = []*fastDigest{
	{"md5", md5.Size, func(b []byte) []byte { sum := md5.Sum(b); return sum[:] }},    //nolint:gosec // see above
	{"sha1", sha1.Size, func(b []byte) []byte { sum := sha1.Sum(b); return sum[:] }}, //nolint:gosec // same
	{"sha256", sha256.Size, func(b []byte) []byte { sum := sha256.Sum256(b); return sum[:] }},
	{"sha512", sha512.Size, func(b []byte) []byte { sum := sha512.Sum512(b); return sum[:] }},
	{"blake2b-256", blake2b.Size256, func(b []byte) []byte { sum := blake2b.Sum256(b); return sum[:] }},
	{"blake2b-512", blake2b.Size, func(b []byte) []byte { sum := blake2b.Sum512(b); return sum[:] }},
}

func (d *fastDigest) of(password string) string { return hex.EncodeToString(d.sum([]byte(password))) }

// What a password hash to be imported is said to be. The names of digests are followed by the digest in hexadecimal; blake2b is either of
// its two lengths, and black2b is the same, as one system spells it.
const (
	hashAlgorithmKey = "hash_algorithm"
	algorithmBcrypt  = "bcrypt"
	algorithmMD5     = "md5-crypt"
	algorithmBlake2b = "blake2b"
	algorithmBlack2b = "black2b"
)

// HashAlgorithms are the names NewUser.HashAlgorithm may have, besides "".
func HashAlgorithms() []string {
	return []string{algorithmBcrypt, "md5", "sha1", "sha256", "sha512", algorithmBlake2b, algorithmBlack2b, algorithmMD5}
}

// ImportedHash is a password hash of another system.
type ImportedHash struct {
	// Algorithm is one of HashAlgorithms; "" where the text says what it is, see CheckImported.
	Algorithm string
	Text      string
}

// IsDigest reports whether the hash is named to be one that is tried faster than any other.
func (i ImportedHash) IsDigest() bool {
	return i.Algorithm != "" && i.Algorithm != algorithmBcrypt && i.Algorithm != algorithmMD5
}

// digest returns what a text is if it is named to be a digest, in lower case; nil if it is none.
func (i ImportedHash) digest() (*fastDigest, string, error) {
	name := i.Algorithm
	if name == algorithmBlack2b {
		name = algorithmBlake2b
	}
	named := false
	raw, err := hex.DecodeString(i.Text)
	for _, d := range fastDigests {
		if kind, _, _ := strings.Cut(d.name, "-"); kind != name {
			continue
		}
		named = true
		if err == nil && len(raw) == d.bytes {
			return d, hex.EncodeToString(raw), nil
		}
	}
	if named {
		return nil, "", &Error{Code: InvalidRequest, Field: passwordHashKey, Detail: "a " + name + " digest in hexadecimal, without salt"}
	}
	return nil, "", nil
}

// CheckHash reports why a hash cannot be taken over, as an InvalidRequest. It computes no hash.
func (h *Hasher) CheckHash(i ImportedHash) error {
	prefixes := map[string]string{"": "", algorithmBcrypt: "$2", algorithmMD5: "$1$"}
	if d, _, err := i.digest(); d != nil || err != nil {
		return err
	}
	prefix, known := prefixes[i.Algorithm]
	switch {
	case !known:
		return &Error{Code: InvalidRequest, Field: hashAlgorithmKey, Detail: "allowed: " + describe(HashAlgorithms())}
	case !strings.HasPrefix(i.Text, prefix):
		return &Error{Code: InvalidRequest, Field: passwordHashKey, Detail: "the hash is none of " + i.Algorithm}
	}
	return h.CheckImported(i.Text)
}

// Import returns what to store of a hash: itself, or, of a digest, an argon2id hash of that, which costs what Hash does. Its errors are
// those of CheckHash, and Busy.
func (h *Hasher) Import(ctx context.Context, i ImportedHash) (string, error) {
	if err := h.CheckHash(i); err != nil {
		return "", err
	}
	d, text, err := i.digest()
	if d == nil || err != nil {
		return i.Text, err
	}
	phc, err := h.hash(ctx, text)
	if err != nil {
		return "", err
	}
	return d.name + "+" + phc, nil
}

// stillImported reports whether a stored hash is that of a digest that was imported, or none that could tell.
func (h *Hasher) stillImported(ctx context.Context, phc string, i ImportedHash) (same bool, err error) {
	d, text, err := i.digest()
	if d == nil || err != nil {
		return true, err
	}
	stored, refused := h.parse(phc)
	if refused != nil || stored.first == nil {
		return true, nil //nolint:nilerr // what cannot be told is no difference
	}
	err = h.run(ctx, stored.memoryKiB, func() { same = stored.first == d && stored.digest.Match(text) })
	return same, err
}
