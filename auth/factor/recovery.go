package factor

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"slices"
	"strings"

	"github.com/claimsmith/claimsmith/auth"
)

// A recovery code is 80 random bits as four groups of four characters, in an alphabet without those that look alike (i, l, o) and u.
const (
	recoveryCount = 10
	recoveryBytes = 10
	recoveryGroup = 4
)

var (
	recoveryCoding = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)
	misread        = strings.NewReplacer("i", "1", "l", "1", "o", "0")
)

// NewRecoveryCodes replaces the recovery codes and returns the new ones, shown this once.
func (s *Service) NewRecoveryCodes(ctx context.Context, user string) (codes []string, err error) {
	err = s.own(ctx, "factor.enrol", user, func(f *Factors) error {
		if !f.Any() {
			return &auth.Error{Code: auth.Conflict, Detail: "there is no second factor that recovery codes could stand in for"}
		}
		codes = newRecoveryCodes(f, user)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return codes, nil
}

// newRecoveryCodes gives f new ones and returns them.
func newRecoveryCodes(f *Factors, user string) []string {
	codes := make([]string, recoveryCount)
	f.RecoveryCodes = make([]string, recoveryCount)
	for n := range codes {
		b := make([]byte, recoveryBytes)
		_, _ = rand.Read(b) // never fails, see crypto/rand
		text := recoveryCoding.EncodeToString(b)
		f.RecoveryCodes[n] = recoveryHash(user, text)
		var groups []string
		for group := range slices.Chunk([]byte(text), recoveryGroup) {
			groups = append(groups, string(group))
		}
		codes[n] = strings.Join(groups, "-")
	}
	return codes
}

// useRecoveryCode accepts a recovery code and forgets it. code is compact.
func useRecoveryCode(f *Factors, user, code string) error {
	n := slices.Index(f.RecoveryCodes, recoveryHash(user, misread.Replace(strings.ToLower(code))))
	if n < 0 || !f.Any() {
		return errCode
	}
	f.RecoveryCodes = slices.Delete(f.RecoveryCodes, n, n+1)
	return nil
}

// recoveryHash is how a code is kept. The user stands in it, so that whoever steals many users' cannot search for them all at once.
func recoveryHash(user, code string) string {
	sum := sha256.Sum256([]byte("claimsmith recovery code\x00" + user + "\x00" + code))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
