// Package factor owns the second factors and passkeys of a user: one-time passwords by time (RFC 6238), recovery codes, and WebAuthn
// credentials. It knows no pages.
package factor

import (
	"context"
	"time"
)

// Factors is everything a user can prove himself with besides his password. The zero value is none.
type Factors struct {
	TOTP *TOTP `json:"totp,omitempty"`
	// RecoveryCodes are the SHA-256 of codes not used yet, in base64url.
	RecoveryCodes []string  `json:"recovery_codes,omitempty"`
	Passkeys      []Passkey `json:"passkeys,omitempty"`
	// Version counts changes from 1; 0 means that there is no record yet.
	Version uint64 `json:"-"`
}

// TOTP is an authenticator app.
type TOTP struct {
	// Secret is sealed, bound to the user.
	Secret []byte `json:"secret"`
	// Step is the last time step that was used: neither it nor an earlier one is accepted again (RFC 6238 §5.2).
	Step      int64     `json:"step"`
	CreatedAt time.Time `json:"created_at"`
}

// Passkey is a WebAuthn credential.
type Passkey struct {
	ID   []byte `json:"id"`
	Name string `json:"name"`
	// Credential is the record of the WebAuthn library.
	Credential []byte    `json:"credential"`
	CreatedAt  time.Time `json:"created_at"`
	UsedAt     time.Time `json:"used_at,omitzero"`
}

// Any reports whether there is a second factor, so that a password alone does not do.
func (f *Factors) Any() bool { return f.TOTP != nil || len(f.Passkeys) > 0 }

// Store keeps Factors in the user's record. The rules of the stores of package auth hold.
type Store interface {
	// Factors reads them; a user who has none has the zero value. NotFound: there is no such user.
	Factors(ctx context.Context, user string) (Factors, error)
	// PutFactors replaces them if they are still of f.Version, else it is PreconditionFailed; NotFound: the user does not exist or is
	// being deleted. The same op again answers as it did.
	PutFactors(ctx context.Context, user string, f Factors, op string) (version uint64, err error)
}
