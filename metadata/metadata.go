// Package metadata owns per-user metadata: what an entry and a document are, which keys and values are allowed, who may
// write what, and the contract of the store underneath. It knows neither HTTP nor Redis.
//
// All entries of one user in one organisation form a document; an application's entries form a document of their own.
// Service is the only door: it resolves whom a request means, decides whether the caller may, and hands the store patches
// that are valid. What must be decided in the same instant as the write (preconditions, limits, clashes between claim
// keys) is part of the Store contract.
package metadata

import (
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
	// CreatedAt is when the document was first written, ChangedAt when it was last changed, both with milliseconds; the zero time of one
	// nothing was ever written to, and of one of the past.
	CreatedAt time.Time
	ChangedAt time.Time
	// Groups are the ids of the groups the user is in, of a user-wide document alone, ascending. Ids of groups that no longer exist may
	// be among them.
	Groups []string
}

// Entry returns the entry with that key.
func (d Document) Entry(key string) (Entry, bool) {
	i, ok := slices.BinarySearchFunc(d.Entries, key, func(e Entry, key string) int { return strings.Compare(e.Key, key) })
	if !ok {
		return Entry{}, false
	}
	return d.Entries[i], true
}

// Owner names a document: a user's in an organisation, or, with an App, that application's about the user. Without a User it is a
// shared document: what all users of the organisation inherit, or, with a Group, what its members do.
type Owner struct {
	Org   string
	User  string // the immutable id
	App   string
	Group string // the immutable id
	// Handle is the canonical username or e-mail address (it contains '@') that led to User, "" if the id did. The store
	// compares it with the record in the same step, so that a handle that moved on meanwhile reaches nobody's data.
	Handle string
}

// Shared reports whether the document is one that users inherit from.
func (o Owner) Shared() bool { return o.User == "" }

// Put is one entry to write.
type Put struct {
	Key          string
	Value        Value
	ProfileClaim bool
	// Unmarked: nobody said whether the entry is a profile claim. In a Change its definition decides, or else it is none. In a Patch
	// an entry that exists keeps its mark, and ProfileClaim is for one that does not.
	Unmarked bool
	// Kept: an entry that exists keeps its mark whatever it is; one that does not is Unmarked. It is for who knows nothing of profile
	// claims, and of a Change alone.
	Kept bool
	// Alike is another value that who sets this one cannot tell from it, the zero Value for none: with KeepEqual an entry that has it is
	// equal, and where the definition of the key allows it and not Value it is what is set.
	Alike Value
	// Term is what the entry is found by if its key is searchable, see TermOf. Service fills it in.
	Term string
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
	// ClaimsBytes is the claims budget: the sum of ClaimBytes over the entries marked ProfileClaim. Of a shared document it is
	// InheritedBytes.
	ClaimsBytes int
	// Applications is the number of application documents about one user, all organisations together.
	Applications int
	// InheritedBytes is the part of a token that a user may inherit beside his own claims budget: the sum of ClaimBytes over what his
	// groups, his organisation and the defaults of definitions give him.
	InheritedBytes int
	// History bounds what is remembered of a document's changes.
	History Retention
}

// Retention bounds a history: the latest Changes, in at most Bytes, none older than Age. Age 0 bounds nothing.
type Retention struct {
	Changes int
	Bytes   int
	Age     time.Duration
}

// DefaultLimits are the limits where an organisation has none of its own.
var DefaultLimits = Limits{
	Entries: 1000, DocumentBytes: 1 << 20, ClaimsBytes: 4096, Applications: 100, InheritedBytes: 2048,
	History: Retention{Changes: 100, Bytes: 1 << 20},
}

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
	// KeepEqual passes over what Set has for an entry that has exactly its Value, or its Alike, already: the entry stays as it is.
	KeepEqual bool
	// MustExist refuses to delete an entry that is not there, as NotFound with Field set to the key.
	MustExist bool
	// Self, of a user who changes his own metadata, says what he may.
	Self *SelfRules
	// Groups are the ids of the groups the user is in afterwards, ascending; nil leaves him where he is. Of a user-wide document alone.
	Groups *[]string
	If     Precondition
	Limits Limits
	// Scheme is the revision of the Scheme that the change was checked against.
	Scheme uint64
	// DryRun refuses what would be refused and returns the document as it would be, and changes nothing.
	DryRun bool
	// Brief spares reading the rest: of the entries, the document returned has only those that Set names.
	Brief bool
	// ChangedBy is recorded with every entry set, and both with the change: who made it and through which dialect, "" if through none.
	// They contain no white space.
	ChangedBy string
	Via       string
	At        time.Time
	// Op identifies the operation: 1 to 64 characters [A-Za-z0-9_-], random.
	Op string
}

// SelfRules say which entries a user may not set or delete himself, which is Forbidden; Replace leaves them where they are. They are
// the claim entries whose keys are not Own, and those whose keys are Reserved, but for the case of ASCII letters, be there an entry or not.
type SelfRules struct {
	Own      []string
	Reserved []string
}

// Claim is one claim-visible entry: its key without the metadata_ prefix and the exact JSON of its value.
type Claim struct {
	Key  string
	JSON string
}

// Claims is what a user and an application about him have of their own for a token: the claim entries of the user-wide document and of
// the application's, each ordered by key, with the revisions they were read at, and the ids of the user's groups.
type Claims struct {
	User        []Claim
	Revision    uint64
	Groups      []string
	App         []Claim
	AppRevision uint64
}
