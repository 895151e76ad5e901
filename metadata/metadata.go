// Package metadata owns per-user metadata: what an entry and a document are, which keys and values are allowed, who may
// write what, and the contract of the store underneath. It knows neither HTTP nor Redis.
//
// All entries of one user in one organisation form a document; an application's entries form a document of their own.
// Service is the only door: it resolves whom a request means, decides whether the caller may, and hands the store patches
// that are valid. What must be decided in the same instant as the write (preconditions, limits, clashes between claim
// keys) is part of the Store contract.
package metadata

import (
	"context"
	"slices"
	"strings"
	"time"
)

// Entry is one key of a document.
type Entry struct {
	Key   string
	Value Value
	// ProfileClaim marks an entry that appears in the user's tokens as the claim metadata_<Key>.
	ProfileClaim bool
	// Revision is the document's revision at the write that set the entry. It is never used twice within a document, so an entry
	// that was deleted and created again has another one.
	Revision uint64
	// CreatedAt is when the key last came into being, ChangedAt when it was last written, both with milliseconds.
	CreatedAt time.Time
	ChangedAt time.Time
	// ChangedBy is the Caller.Ref of the last writer.
	ChangedBy string
}

// Document is all entries of an owner, ordered by the bytes of their keys. Revision counts the document's changes; it is 0
// until the first one and goes on counting when all entries have been deleted.
type Document struct {
	Revision uint64
	Entries  []Entry
}

// Entry returns the entry with that key.
func (d Document) Entry(key string) (Entry, bool) {
	i, ok := slices.BinarySearchFunc(d.Entries, key, func(e Entry, key string) int { return strings.Compare(e.Key, key) })
	if !ok {
		return Entry{}, false
	}
	return d.Entries[i], true
}

// Owner names a document: a user's in an organisation, or, with an App, that application's about the user.
type Owner struct {
	Org  string
	User string // the immutable id
	App  string
	// Handle is the canonical username or e-mail address (it contains '@') that led to User, "" if the id did. The store
	// compares it with the record in the same step, so that a handle that moved on meanwhile reaches nobody's data.
	Handle string
}

// Put is one entry to write.
type Put struct {
	Key          string
	Value        Value
	ProfileClaim bool
}

// Condition is the list of an If-Match or If-None-Match header: the revisions that match, or Any. A Condition that names
// nothing matches nothing.
type Condition struct {
	Any       bool
	Revisions []uint64
}

// Precondition is what must hold for a change to happen (RFC 9110 §13.1). It speaks of one entry, or of the document when
// Key is "". Any matches an entry that exists and a document that was ever written; a document that was not has revision 0.
// A nil Condition asks nothing.
type Precondition struct {
	Key         string
	IfMatch     *Condition
	IfNoneMatch *Condition
}

// Limits bound a document. A change that ends above a limit is refused, unless it makes the excess no larger: so a
// document that was written under wider limits can still be cut down.
type Limits struct {
	// Entries is the number of entries.
	Entries int
	// DocumentBytes is the sum of all keys' and values' lengths.
	DocumentBytes int
	// ClaimsBytes is the claims budget: the sum of ClaimBytes over the entries marked ProfileClaim.
	ClaimsBytes int
	// Applications is the number of application documents about one user, all organisations together.
	Applications int
}

// DefaultLimits are the limits where an organisation has none of its own.
var DefaultLimits = Limits{Entries: 1000, DocumentBytes: 1 << 20, ClaimsBytes: 4096, Applications: 100}

// ClaimBytes is what a claim takes of the claims budget: the length of "metadata_<key>":<value>, in a token.
func ClaimBytes(key string, value Value) int {
	return len(`"metadata_":,`) + len(key) + len(value.raw)
}

// Patch is one atomic change of a document. No key occurs twice in Set and Delete together and none is empty; Service
// sees to that.
type Patch struct {
	Set    []Put
	Delete []string
	// Replace removes every entry that Set does not name.
	Replace bool
	// KeepClaims is for a user who changes his own metadata: setting or deleting an existing claim entry is Forbidden, and
	// Replace leaves claim entries where they are.
	KeepClaims bool
	If         Precondition
	Limits     Limits
	// Brief spares reading the rest: of the entries, the document returned has only those that Set names.
	Brief bool
	// ChangedBy is recorded with every entry set. It contains no white space.
	ChangedBy string
	At        time.Time
	// Op identifies the operation: 1 to 64 characters [A-Za-z0-9_-], random.
	Op string
}

// Claim is one claim-visible entry: its key without the metadata_ prefix and the exact JSON of its value.
type Claim struct {
	Key  string
	JSON string
}

// Claims is what a token embeds: the claim entries of the user-wide document and of the application's, each ordered by
// key, with the revisions they were read at.
type Claims struct {
	User        []Claim
	Revision    uint64
	App         []Claim
	AppRevision uint64
}

// Store keeps documents. Methods are safe for concurrent use, also by other processes, and reads see the latest confirmed
// write. Every document or entry returned is one consistent snapshot.
//
// Errors are *Error. ErrUserNotFound: there is no such user, he is being deleted, does not belong to the organisation, or
// is not who Owner.Handle names; a disabled user is found. Unavailable: the store cannot tell, and a change may or may not
// have happened; repeating it is safe.
type Store interface {
	// Get reads a document; a user nothing was ever stored about has an empty one. One round trip.
	Get(ctx context.Context, o Owner) (Document, error)
	// GetEntry reads one entry, NotFound with Field set to the key when there is none. One round trip.
	GetEntry(ctx context.Context, o Owner, key string) (Entry, error)
	// Apply makes a change and returns the document as it stands afterwards. It happens completely or not at all, isolated from
	// every other change. It is refused, in this order, with ErrUserNotFound, PreconditionFailed, Forbidden (KeepClaims),
	// LimitExceeded, or Conflict (two claim keys that differ only in case).
	//
	// A change that sets at least one entry, even to what it was, or deletes one that exists raises the revision by one.
	// Any other leaves it.
	//
	// A change whose Op is among the document's latest (some seconds and dozens of changes back) is the repetition of one that
	// was made: it does nothing and succeeds with the document as it stands now, later changes included.
	Apply(ctx context.Context, o Owner, p Patch) (Document, error)
	// ProfileClaims prepares to read the claims of a user, and those of an application when app is not "". read returns them, at the cost
	// of one round trip, or of none if the store was changed meanwhile with the context returned, by a step in the user's partition:
	// then they are as they were right after that. It does not look at the user's record: an unknown one has no claims. The two documents
	// are two snapshots. Context and read are for one goroutine and one use.
	ProfileClaims(ctx context.Context, org, user, app string) (with context.Context, read func() (Claims, error))
	// Erase removes everything about a user in those of these organisations that he is not a member of, applications' documents and
	// revisions included. Where he is a member, because he came back meanwhile or was never made to leave, it removes nothing. It may
	// be repeated.
	Erase(ctx context.Context, user string, orgs []string) error
}
