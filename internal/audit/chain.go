package audit

import (
	"context"
	"errors"
	"time"
)

// Entry is an event as it is remembered: a link of its organisation's chain.
type Entry struct {
	// Seq counts the chain's events from 1.
	Seq  uint64
	Time time.Time // in microseconds, UTC
	Event
	Request
	// Hash is the HMAC-SHA-256, in base64url, of the previous entry's hash and this entry, so that none can be changed, inserted or
	// removed by somebody who has the store but not the key.
	Hash string
}

// Verification is what checking a chain found.
type Verification struct {
	// First and Last are the entries' numbers, 0 for a chain without entries; earlier ones have been removed as they became too old. Head
	// is the last one's hash: who noted an earlier head can see that it is still in the chain.
	First, Last uint64
	Head        string
	// Broken is the number of the first entry that is not what was written, 0 for none, and Why says what is wrong.
	Broken uint64
	Why    string
}

// ErrNoOrg is what appending to a chain of no organisation ends with.
var ErrNoOrg = errors.New("there is no such organisation")

// Store keeps chains, by organisation, "" for the installation's own. It keeps what it is given and checks nothing that needs a key; what
// somebody else has changed in it is answered as it stands, with no hash where it is not even of the form that was written.
type Store interface {
	// Append adds entries, numbered and linked, behind the head it expects; conflict reports that the head is another one. The same
	// entries again, as long as they are in the chain, are no conflict and change nothing.
	Append(ctx context.Context, org string, expected Head, entries []Entry) (conflict bool, err error)
	// Trim removes the entries up to and including to, if from is the base still; else it reports a conflict. The same again is none.
	Trim(ctx context.Context, org string, from uint64, to Base) (conflict bool, err error)
	Head(ctx context.Context, org string) (Head, error)
	// Range reads up to limit entries from number from on, backwards if asked. 0 backwards is from the end.
	Range(ctx context.Context, org string, from uint64, limit int, backwards bool) ([]Entry, error)
}

// Head is where a chain ends and begins.
type Head struct {
	Seq  uint64
	Hash string
	Base Base
}

// Base is the last entry that was removed, the zero Base for none. Proof shows that it was removed by who has the key.
type Base struct {
	Seq         uint64
	Hash, Proof string
}
