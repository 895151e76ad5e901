package metadata

import (
	"context"
	"time"
)

// Store keeps documents. Methods are safe for concurrent use, also by other processes, and reads see the latest confirmed
// write. Every document or entry returned is one consistent snapshot.
//
// Errors are *Error. ErrUserNotFound: there is no such user, he is being deleted, does not belong to the organisation, or
// is not who Owner.Handle names; a disabled user is found. A shared document whose organisation or group does not exist is NotFound.
// Unavailable: the store cannot tell, and a change may or may not have happened; repeating it is safe.
type Store interface {
	// Get reads a document; a user nothing was ever stored about has an empty one. One round trip.
	Get(ctx context.Context, o Owner) (Document, error)
	// GetEntry reads one entry, NotFound with Field set to the key when there is none. One round trip.
	GetEntry(ctx context.Context, o Owner, key string) (Entry, error)
	// GetAll reads the user-wide documents of users in one organisation, in their order; that of a user who is not found is nil.
	GetAll(ctx context.Context, org string, users []string) ([]*Document, error)
	// Documents lists what documents there are about a user in an organisation: the user-wide one, and each application's, by name.
	Documents(ctx context.Context, org, user string) ([]Owner, error)
	// Apply makes a change and returns the document as it stands afterwards. It happens completely or not at all, isolated from
	// every other change. It is refused, in this order, with ErrUserNotFound, ErrSchemeChanged (the user's partition has announced a
	// later scheme than the change was checked against, or, of a shared document, there is one), PreconditionFailed, Forbidden (Self),
	// NotFound (MustExist), LimitExceeded, or Conflict (two claim keys that differ only in case, or a claim of bytes).
	//
	// A change that sets at least one entry, even to what it was, deletes one that exists, or puts the user into other groups raises
	// the revision by one, and is remembered by History. Any other leaves it, so one of which KeepEqual passes over everything. A change
	// of a shared document raises the revision of the organisation's Scheme too.
	//
	// A change whose Op is among the document's latest (some seconds and dozens of changes back) is the repetition of one that
	// was made: it does nothing and succeeds with the document as it stands now, later changes included.
	Apply(ctx context.Context, o Owner, p Patch) (Document, error)
	// History returns a document as it stands with its remembered changes, latest first, without a gap; it may remember none. One
	// snapshot. What the retention no longer allows is left out even while it is still stored. That of a group is found after its group
	// is gone.
	History(ctx context.Context, o Owner, keep Retention, now time.Time) (Document, []Revision, error)
	// ProfileClaims prepares to read the claims of a user, and those of an application when app is not "". read returns them, at the cost
	// of one round trip, or of none if the store was changed meanwhile with the context returned, by a step in the user's partition:
	// then they are as they were right after that. It does not look at the user's record: an unknown one has no claims. The two documents
	// are two snapshots. Context and read are for one goroutine and one use.
	ProfileClaims(ctx context.Context, org, user, app string) (with context.Context, read func() (Claims, error))
	// Erase removes everything about a user in those of these organisations that he is not a member of: entries, claims, history, index
	// entries and memberships of groups, applications' documents and revisions included. Where he is a member, because he came back
	// meanwhile or was never made to leave, it removes nothing. It may be repeated.
	Erase(ctx context.Context, user string, orgs []string) error
	// Search returns ids of users of an organisation that a query finds, in an order that never changes; next is "" at the end.
	Search(ctx context.Context, org string, q Query, p Page) (users []string, next string, err error)
	// Scan visits what an organisation's users and their applications hold, in that order and with no limit on how many there are. What
	// changes meanwhile is visited as it was or as it is. An error of visit ends the scan and is returned.
	Scan(ctx context.Context, org string, what Extent, visit func(Holding) error) error

	SchemeStore
}

// Page asks for up to Limit items after a position; the zero After is the start.
type Page struct {
	After string
	Limit int
}

// Revision is one remembered change of a document, and what the document was before it.
type Revision struct {
	// Revision is the document's revision after the change.
	Revision uint64
	At       time.Time
	By, Via  string
	// Scheme is the organisation's scheme revision after the change of a shared document, 0 of any other.
	Scheme uint64
	// Before has every entry set or deleted, by key, as it was; nil where there was none.
	Before map[string]*Entry
	// GroupsBefore are the groups the user was in, nil if the change left them.
	GroupsBefore *[]string
}

// Extent says what Scan reads of each document.
type Extent struct {
	// Keys are the entries to read; nil for none.
	Keys []string
	// Claims reads all claims and the groups of users.
	Claims bool
	// Group visits only its members' user-wide documents, "" everybody's.
	Group string
}

// Holding is what Scan found of one document.
type Holding struct {
	Owner    Owner
	Revision uint64
	Entries  []Entry // those that exist, ordered by key
	Claims   []Claim // ordered by key
	Groups   []string
}
