package metadata

import (
	"iter"
	"time"
)

// Source is where an entry of a token comes from.
type Source string

// The sources, in the order of their precedence: a user's own entry hides what his groups give him, that of a group of smaller order that
// of the next, those hide the organisation's, and all of them the default of the definition. Keys are compared without case.
const (
	FromApplication  Source = "application"
	FromUser         Source = "user"
	FromGroup        Source = "group"
	FromOrganisation Source = "organisation"
	FromDefault      Source = "default"
)

// Candidate is an entry that could be in a token.
type Candidate struct {
	Key    string
	Source Source
	Group  string // slug, of one from a group
	JSON   string // "" where the caller may not read it
	// ProfileClaim: it is a claim. An entry of the user's that is none is in no token and goes before nothing.
	ProfileClaim bool
	// HiddenBy is whose entry of the same key goes before it, "" for nobody's.
	HiddenBy Source
	// Why is, by place, what keeps it out of the client's token there besides HiddenBy, "" for nothing.
	Why map[string]string
}

// Point is a moment in the past of what a token is made of; nil fields mean now.
type Point struct {
	Revision, AppRevision, OrgRevision *uint64
	// Time stands for the revisions of then where they are nil.
	Time *time.Time
}

// Proposal is a change that is only thought of.
type Proposal struct {
	Change Change
	Groups *[]string // slugs
	// App makes it a change of the application's document.
	App bool
}

// Projection is what tokens of a user would be made of.
type Projection struct {
	Owner    Owner // the user-wide document
	Document Document
	App      *Document
	Scheme   *Scheme
	// OwnBytes and InheritedBytes are what the claims take of Limits.ClaimsBytes and Limits.InheritedBytes.
	OwnBytes, AppBytes, InheritedBytes int
	Limits                             Limits
	Candidates                         []Candidate
	// ProfileClaims are what Service.ProfileClaims would read, UserMetadata what Service.UserMetadata would.
	ProfileClaims *ProfileClaims
	UserMetadata  func(place string) iter.Seq2[string, []byte]
}
