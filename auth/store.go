package auth

import (
	"context"
	"time"
)

// The store contracts. They are implemented on Redis in auth/redisstore and tested by auth/storetest.
//
// For all of them: methods are safe for concurrent use; reads see the latest confirmed write; an object that does not exist
// is an *Error with NotFound; anything the store cannot decide is Unavailable, and then the operation may or may not have
// happened and may be repeated. A Put compares Version with the stored one (0: must not exist), answers Conflict when the
// object exists and should not, NotFound when it does not and should, PreconditionFailed when the versions differ, and otherwise
// stores the object with the next version, which it returns. Puts and deletes are replay-safe: op identifies the operation, and one
// that already took effect answers as it did then. The organisation of a client or an API token never changes.

// Page asks for up to Limit items after a position; the zero After is the start.
type Page struct {
	After string
	Limit int
}

// Holder has a handle: a user, or, until it has finished, one of his operations. A handle leads to its holder's user either way.
type Holder struct{ User, Operation string }

// UserStore keeps users, their password hashes and handles.
type UserStore interface {
	// User reads a user and the password hash ("" if none). A user whose deletion is finished is NotFound; one whose deletion
	// has begun is returned with Deleting set.
	User(ctx context.Context, id string) (User, string, error)
	// UsersByID reads users, in the order of their ids. One whom User would not find is nil.
	UsersByID(ctx context.Context, ids []string) ([]*User, error)
	// UserIDUsed reports whether an id is, or ever was, a user's.
	UserIDUsed(ctx context.Context, id string) (bool, error)
	// PutUser creates or updates a user. A nil password leaves the hash as it is; leftOrgs are organisations the user no longer
	// belongs to. An id that was ever used is a Conflict forever.
	PutUser(ctx context.Context, u User, password *string, leftOrgs []string, op string) (version uint64, err error)
	// UpgradePassword replaces the hash from by to and changes nothing else; if the hash is no longer from it does nothing.
	UpgradePassword(ctx context.Context, id, from, to string) error
	// BeginDelete marks the user as being deleted, removes the password, the second factors, all families and the organisations' index
	// entries. From then on nothing of the user can be added or changed. The record stays readable and tells what is left to remove, so
	// that the deletion can be resumed by calling it again, and his sessions, of no more use, are listed until they are ended, so that
	// clients can be told. PreconditionFailed: the deletion has not begun and u is not the stored version.
	BeginDelete(ctx context.Context, u User) error
	// FinishDelete leaves of the user only the fact that the id was used. PreconditionFailed: the deletion has not begun.
	FinishDelete(ctx context.Context, id string) error
	// ClaimHandle makes by hold the handle if it is free, held by the same user, or held by exactly from, and returns who holds it then.
	ClaimHandle(ctx context.Context, h Handle, by, from Holder) (Holder, error)
	// SettleHandle makes the user hold the handle if exactly by, an operation of his, holds it, and reports whether he holds it then.
	SettleHandle(ctx context.Context, h Handle, by Holder) (settled bool, err error)
	// ReleaseHandle frees the handle if by holds it: a user, himself or in the name of an operation; an operation, exactly that one.
	ReleaseHandle(ctx context.Context, h Handle, by Holder) error
	// HandleOwner returns whom a handle leads to, "" if nobody. The record decides whether it still is the user's.
	HandleOwner(ctx context.Context, h Handle) (string, error)
	// NumberUser returns the number of a user, a new one if he has none yet: from 1, below 2^53 as long as fewer than 2^53 divided by the
	// number of partitions were ever given in one, and never another user's, also when he is gone. It is NotFound for nobody, and for a
	// user who is being deleted and has none.
	NumberUser(ctx context.Context, id string) (uint64, error)
	// NumberedUser returns the id of the user who has a number, "" for nobody.
	NumberedUser(ctx context.Context, number uint64) (id string, err error)
	// Users lists the users of an organisation in an order that never changes; next is "" at the end.
	Users(ctx context.Context, org string, p Page) (users []User, next string, err error)
}

// OrgStore keeps organisations.
type OrgStore interface {
	Org(ctx context.Context, slug string) (Org, error)
	PutOrg(ctx context.Context, o Org, op string) (version uint64, err error)
	Orgs(ctx context.Context, p Page) (orgs []Org, next string, err error)
}

// ClientStore keeps clients.
type ClientStore interface {
	Client(ctx context.Context, id string) (Client, error)
	PutClient(ctx context.Context, c Client, op string) (version uint64, err error)
	// DeleteClient removes a client of exactly that version, else PreconditionFailed; deleting one that is not there is no error.
	DeleteClient(ctx context.Context, c Client) error
	Clients(ctx context.Context, org string, p Page) (clients []Client, next string, err error)
	// NumberClient returns the number of a client's id, the next one if it has none yet. An id keeps its number for good.
	NumberClient(ctx context.Context, id string) (uint64, error)
	// NumberedClient returns the id that has a number, "" if none has.
	NumberedClient(ctx context.Context, number uint64) (id string, err error)
}

// APITokenStore keeps operators' API tokens. Listing org "" lists the administrators' tokens.
type APITokenStore interface {
	APIToken(ctx context.Context, id string) (APIToken, error)
	PutAPIToken(ctx context.Context, t APIToken, op string) (version uint64, err error)
	// DeleteAPIToken is like DeleteClient.
	DeleteAPIToken(ctx context.Context, t APIToken) error
	APITokens(ctx context.Context, org string, p Page) (tokens []APIToken, next string, err error)
}

// FamilyRef names a refresh family. Its parts stand in the refresh token's text.
type FamilyRef struct{ User, Org, ID string }

// Family is the refresh tokens that descend from one login: one live head, its predecessor for a short grace, and nothing
// else. Access tokens name it in sid.
type Family struct {
	FamilyRef
	Client   string
	Scope    string
	AuthTime time.Time
	AMR      []string
	// CreatedAt is when the client got the login, which may be long after AuthTime.
	CreatedAt time.Time
	// Epoch is the user's at the login; a family of another epoch is dead.
	Epoch uint64
	// ExpiresAt is the end of the family however often it is used.
	ExpiresAt time.Time
	// Generation counts rotations from 1.
	Generation uint64
	// Session is the browser session the login came from, whose end ends the family; "" for none.
	Session string
	// KeyThumbprint is that of the DPoP key the refresh tokens of a public client are bound to (RFC 9449 §5), "" for none.
	KeyThumbprint string
	Requested     RequestedClaims
}

// Rotation asks to exchange one refresh token of a family for its successor.
type Rotation struct {
	Client string
	// Scope the new tokens are narrowed to, "" for all of the family's.
	Scope string
	// Presented is the SHA-256 of the presented token's secret, Generation its number.
	Presented  []byte
	Generation uint64
	// Successor is the SHA-256 of the secret to follow, Wrapped that secret under a key only the presented one opens.
	Successor []byte
	Wrapped   []byte
	Now       time.Time
	// Grace is how long the head's predecessor is still accepted.
	Grace time.Duration
	// IdleUntil is when the family ends unless it is used again; Family.ExpiresAt bounds it.
	IdleUntil time.Time
	// Keep leaves the presented head in place: nothing is replaced, and Successor and Wrapped are not used.
	Keep bool
	// KeyThumbprint is that of the proof presented, "" for none. It must be the family's, if that has one.
	KeyThumbprint string
}

// Rotated is the outcome of a Rotation.
type Rotated struct {
	Family Family
	// Wrapped is the wrapped successor: that of the Rotation, or of the earlier one this call repeats.
	Wrapped  []byte
	Repeated bool
}

// FamilyStore keeps refresh families and the marks of revoked access tokens.
type FamilyStore interface {
	// CreateFamily starts a family, one without a Session, with the SHA-256 of its first secret. In the same step it makes sure that the
	// user is active, a member of the organisation and still of the family's epoch (else InvalidGrant), and ends the user's families beyond
	// max, the ones with the earliest ExpiresAt first. The same family with the same secret again is no error, with another one a Conflict.
	CreateFamily(ctx context.Context, f Family, head []byte, idleUntil time.Time, max int) error
	// Rotate exchanges the head for its successor in one step. InvalidGrant: no such family, another client's, the user is not
	// active or no member any more, expired. InvalidScope: the scope is wider than the family's. A secret that is neither the head nor
	// the predecessor within its grace ends the family and is InvalidGrant with Field "replay". The very same
	// Rotation sent again succeeds again, with or without a grace.
	Rotate(ctx context.Context, ref FamilyRef, r Rotation) (Rotated, error)
	// Revoke ends a family if it belongs to the client; client "" means any. Ending one that is not there is no error.
	Revoke(ctx context.Context, ref FamilyRef, client string) error
	// Deny marks an access token as revoked until it has expired anyway.
	Deny(ctx context.Context, subject, jti string, until time.Time) error
	// EndLogins ends all families of a user that belong to a client in an organisation.
	EndLogins(ctx context.Context, user, org, client string) error
	// Live reports whether an access token's state still stands: not denied, its family (if ref.ID is not "") alive and of the
	// user's epoch, the user active and a member. If so it also returns what the family's login asked to be told. It is one round trip.
	Live(ctx context.Context, ref FamilyRef, jti string) (live bool, requested RequestedClaims, err error)
	// Denied reports only whether a token that has no family is denied.
	Denied(ctx context.Context, subject, jti string) (bool, error)
}

// Limiter bounds how often something may be tried, shared by all instances.
type Limiter interface {
	// Take uses up one attempt of each bucket in turn. At the first one that is empty it stops and reports how long to wait: an
	// attempt refused for one's own sake costs nobody else. It reports 0 if none is empty.
	Take(ctx context.Context, buckets []Bucket) (retryAfter time.Duration, err error)
	// Reset fills a bucket again.
	Reset(ctx context.Context, buckets []Bucket) error
}

// Attempt uses up one attempt of each bucket in turn, and is Throttled at the first one that is empty.
func Attempt(ctx context.Context, l Limiter, buckets ...Bucket) error {
	wait, err := l.Take(ctx, buckets)
	if err == nil && wait > 0 {
		err = &Error{Code: Throttled, Detail: "too many attempts, try again later", RetryAfter: wait}
	}
	return err
}

// Bucket is one limit on one subject: Burst attempts at once, then one every Period.
type Bucket struct {
	Kind    string
	Subject string
	Burst   int
	Period  time.Duration
}

// SessionEnder ends a user's browser sessions. *session.Service is one.
type SessionEnder interface {
	// EndAll ends those that began before an epoch. Ending them again is no error.
	EndAll(ctx context.Context, user string, epoch uint64) error
}

// SecondFactor checks what a user has besides his password. *factor.Service is one.
type SecondFactor interface {
	// Required reports whether a password alone does not do.
	Required(ctx context.Context, user string) (bool, error)
	// CheckCode checks a one-time password or a recovery code: InvalidCredentials or Throttled.
	CheckCode(ctx context.Context, user, code, address string) error
}
