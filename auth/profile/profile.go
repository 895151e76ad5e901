// Package profile is what a person says about himself: the account of Open edX and of ibl.ai (seed 001) over the one user record, its
// privacy, his picture, and the change of his address. The standard claims of OpenID Connect are views of the same record.
package profile

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/records"
	"github.com/claimsmith/claimsmith/internal/audit"
	"github.com/claimsmith/claimsmith/metadata"
)

// Mailer sends mail in the background.
type Mailer interface {
	// Send takes a message over. What becomes of it is in the log.
	Send(to, subject, text string)
}

// Service is safe for concurrent use. What it changes auth.Users records; a change of somebody else's is refused and recorded here.
type Service struct {
	Users    *auth.Users
	Metadata *metadata.Service
	// Files is nil where there is no place for pictures, Mail where no mail can be sent: then addresses cannot be changed.
	Files *records.Files
	Mail  Mailer
	// Limiter bounds how often a person sets his picture.
	Limiter auth.Limiter
	Issuer  string
	Audit   audit.Log
	Now     func() time.Time
}

// Account is a person as the caller may see him.
type Account struct {
	User   auth.User
	Number uint64
	// Fields are the members of edX's account that the caller may see, nil for all.
	Fields []string
	// Privacy is what others are told and shown: auth.PrivacyPrivate for whoever needs his parents' consent.
	Privacy string
	// ParentalConsent: the person is under 13, or may be.
	ParentalConsent bool
}

// Shows reports whether the caller may see a member of edX's account.
func (a *Account) Shows(field string) bool {
	return a.Fields == nil || slices.Contains(a.Fields, field)
}

// Faults are what is wrong with members of a change, which was not made. One that cannot be made as a whole has the one of "".
type Faults map[string]Fault

// Fault is what edX tells developers and users; User "" is nothing for them.
type Fault struct{ Developer, User string }

func (f Faults) Error() string {
	return "members were refused: " + strings.Join(slices.Sorted(maps.Keys(f)), ", ")
}

// Extended is ibl.ai's own profile of a person: his account, and the entries of his user-wide document in the caller's home organisation
// whose keys are not members of the account.
type Extended struct {
	Account
	Entries []metadata.Entry
}
