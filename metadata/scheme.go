package metadata

import (
	"context"
	"time"
)

// Scheme is what an organisation has laid down for the metadata of all its users: which keys mean what, which groups there are, and what
// members of the organisation and of its groups inherit. Revision counts its changes, those of the shared documents included; it is 0
// until the first one. A Scheme never changes.
type Scheme struct {
	Org         string
	Revision    uint64
	Definitions []Definition // ordered by key
	Groups      []Group      // ordered by Order, then by slug
	// Shared are the claims of the shared documents by group id, "" for the organisation's own, each ordered by key.
	Shared map[string][]Claim
	// Announced is the revision that all partitions know of.
	Announced uint64
}

// SchemeChange is one atomic change of definitions or of a group. Exactly one of the four is set.
type SchemeChange struct {
	PutDefinition    *Definition
	DeleteDefinition string // a key
	PutGroup         *Group
	DeleteGroup      string // an id; its shared document stays, and can only be emptied from then on
	// IfVersion is the version the object must have; 0: it must not exist.
	IfVersion uint64
	By, Via   string
	At        time.Time
	Op        string
}

// SchemeRevision is one remembered change of definitions and groups: what the object was before it, nil if it did not exist. Changes of
// shared documents are in their own histories.
type SchemeRevision struct {
	Revision   uint64
	At         time.Time
	By, Via    string
	Key        string // of the definition
	Definition *Definition
	GroupID    string
	Group      *Group
}

// SchemeStore keeps schemes. It is part of Store, whose rules for errors and concurrency hold.
type SchemeStore interface {
	// Scheme reads an organisation's scheme as one snapshot. One that was never laid down has revision 0; the organisation need not exist.
	Scheme(ctx context.Context, org string) (*Scheme, error)
	// ChangeScheme makes a change and returns the scheme's new revision, which is also the object's new version. Conflict: the object
	// exists and should not; NotFound: it does not and should; PreconditionFailed: it has another version. A change whose Op is among the
	// latest is answered as it was then.
	ChangeScheme(ctx context.Context, org string, c SchemeChange) (revision uint64, err error)
	// Announce tells every partition of a scheme's revision and of its searchable keys: from then on no change of a user's document that
	// was checked against an earlier one succeeds, and entries of these keys are indexed as they are written. It never goes back. When
	// all know, Scheme.Announced says so.
	Announce(ctx context.Context, s *Scheme) error
	// Reindex makes the index of an announced searchable key complete, or, if the key is none, removes it.
	Reindex(ctx context.Context, org, key string) error
	// SchemeHistory returns a scheme with its remembered changes, latest first, without a gap. One snapshot.
	SchemeHistory(ctx context.Context, org string) (*Scheme, []SchemeRevision, error)
}
