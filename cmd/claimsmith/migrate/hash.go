package migrate

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

var errHashBase64 = errors.New("the salt or the value of the hash is no base64")

// pbkdf2 are the digests of PBKDF2 by the names they have in the form of passlib: how many bytes each gives at a time.
var pbkdf2 = map[string]int{"pbkdf2": 20, "pbkdf2-sha256": 32, "pbkdf2-sha512": 64}

// adapted is base64 without padding, with a dot in place of the plus, as passlib has it.
var adapted = base64.NewEncoding("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789./").WithPadding(base64.NoPadding)

// pbkdf2Hash is a hash in the form of passlib. Of a key that is longer than the digest only the first block is kept: each block by itself
// depends on the whole password (RFC 8018 §5.2), so that more of them make only verifying slower.
func pbkdf2Hash(algorithm string, iterations int64, salt, key string) (string, error) {
	s, err := base64.StdEncoding.DecodeString(salt)
	if err != nil {
		return "", errHashBase64
	}
	k, err := base64.StdEncoding.DecodeString(key)
	if err != nil {
		return "", errHashBase64
	}
	if size := pbkdf2[algorithm]; len(k) > size {
		k = k[:size]
	}
	return fmt.Sprintf("$%s$%d$%s$%s", algorithm, iterations, adapted.EncodeToString(s), adapted.EncodeToString(k)), nil
}

// argon2Hash is a hash in the PHC form.
func argon2Hash(kind string, memory, passes, lanes int64, salt, key string) (string, error) {
	for _, text := range []string{salt, key} {
		if _, err := base64.StdEncoding.DecodeString(text); err != nil {
			return "", errHashBase64
		}
	}
	bare := func(text string) string { return strings.TrimRight(text, "=") }
	return fmt.Sprintf("$argon2%s$v=19$m=%d,t=%d,p=%d$%s$%s", kind, memory, passes, lanes, bare(salt), bare(key)), nil
}
