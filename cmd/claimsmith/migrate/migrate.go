// Package migrate turns what other systems export of their users into lines of an import: a file for each system. A reader converts what
// has the same meaning here, refuses a record it cannot understand, and names whatever of the rest a record has, so that nothing is lost
// without being said.
package migrate

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/claimsmith/claimsmith/claims"
)

// Line is a user as a line of an import has him.
type Line struct {
	ID            string         `json:"id,omitempty"`
	Username      string         `json:"username,omitempty"`
	Email         string         `json:"email,omitempty"`
	EmailVerified bool           `json:"email_verified,omitzero"`
	Password      string         `json:"password,omitempty"`
	PasswordHash  string         `json:"password_hash,omitempty"`
	HashAlgorithm string         `json:"hash_algorithm,omitempty"`
	Temporary     bool           `json:"temporary,omitzero"`
	Disabled      bool           `json:"disabled,omitzero"`
	Profile       claims.Profile `json:"profile,omitzero"`
	Biography     jsontext.Value `json:"biography,omitzero"`
	Groups        []string       `json:"groups,omitempty"`
	Metadata      []Entry        `json:"metadata,omitempty"`
	Apps          []App          `json:"apps,omitempty"`
}

// Entry is an entry of metadata. Exactly one of Value and ValueBase64 is set.
type Entry struct {
	Key         string         `json:"key"`
	Value       jsontext.Value `json:"value,omitzero"`
	ValueBase64 *string        `json:"valueBase64,omitzero"`
	// ProfileClaim says whether it is a claim, nil that its definition does.
	ProfileClaim *bool `json:"profileClaim,omitzero"`
}

// Claim reports whether the entry is said to be a claim.
func (e *Entry) Claim() bool { return e.ProfileClaim != nil && *e.ProfileClaim }

// App is what an application keeps about a user.
type App struct {
	ClientID string  `json:"client_id"`
	Metadata []Entry `json:"metadata"`
}

// Record is one user of an export, as far as he could be read.
type Record struct {
	Number int // of the line he begins in, or his place in a document of JSON
	Line   Line
	// Refused says why he cannot be imported as he is.
	Refused error
	// Passed says what the record is, where it is no user to import.
	Passed string
	// LeftOut names what he has that does not come along.
	LeftOut []string
	// Raw is the record in a form that the same reader takes, for the file of those that were refused.
	Raw []byte
}

// Reader reads an export.
type Reader interface {
	// Next returns the next record. The error is io.EOF, or that of a file from which no more can be read.
	Next() (Record, error)
	// Offset is how much of the file has been read.
	Offset() int64
	// Head is what a file of records begins with.
	Head() []byte
	// Beside counts what the file has beside users. It is complete at its end.
	Beside() map[string]int
	// Close ends the reading, also before the end of the file, which it leaves open.
	Close()
}

// Options are what only who moves can know.
type Options struct {
	// Claims are the keys of the entries that become profile claims. Where a system keeps apart what users write of themselves, a key means
	// what they do not, and theirs is written user_metadata.KEY. What users may have written becomes none otherwise.
	Claims []string
	// From is the organisation of the other system whose users are meant, "" for the only one.
	From string
	// Apps has the client ids of the other system's applications by their numbers.
	Apps map[string]string
	// Passwords is the file of password hashes, for a system that has one, or nil.
	Passwords io.Reader
	// Now tells whether a ban is over.
	Now time.Time
}

// Open begins to read an export of a system. A reader of Zitadel's exports also needs in to be an io.ReadSeeker and io.ReaderAt.
func Open(system string, in io.Reader, o Options) (Reader, error) {
	switch system {
	case Auth0:
		return newAuth0(in, o)
	case Supabase:
		return newSupabase(in, o)
	case Keycloak:
		return newKeycloak(in, o), nil
	case Zitadel:
		return newZitadel(in, o)
	case IBL:
		return newIBL(in, o)
	case Sentinel:
		return newSentinel(in, o)
	}
	return nil, fmt.Errorf("there is no reader for %s", system)
}

// The systems.
const (
	Auth0    = "auth0"
	Supabase = "supabase"
	Keycloak = "keycloak"
	Zitadel  = "zitadel"
	IBL      = "iblai"
	Sentinel = "sentinel"
)

// MaxRecord is how many bytes a record may have, and a line of an import.
const MaxRecord = 2 << 20

// ErrLong refuses a record that is too long.
var ErrLong = errors.New("a line may have at most 2097152 bytes")
