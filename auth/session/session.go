// Package session owns login sessions: that a browser is logged in as a user, how and since when, and what was opened from there. It
// knows no cookies and no pages.
package session

import (
	"context"
	"time"
)

// Session is one browser logged in as one user. It lives in the user's slot and ends with his epoch, when it is not used for a while, and
// at a fixed time.
type Session struct {
	User, ID string
	// Epoch is the user's credentials epoch at the login.
	Epoch uint64
	// AuthTime is when he last proved who he is, AMR how (RFC 8176).
	AuthTime time.Time
	AMR      []string
	// CreatedAt is the time of the first login in this browser, SeenAt that of the last use, to the minute, ExpiresAt the end in any case.
	CreatedAt, SeenAt, ExpiresAt time.Time
	// Agent is what the browser said it is, Address where it was last seen; both are for the user to recognise it by.
	Agent, Address string
}

// Login is what was opened from a session: a refresh family. An Offline one (scope offline_access) outlives the session.
type Login struct {
	Org, Family, Client string
	Offline             bool
}

// Notice is a logout a client has to be told of (OpenID Connect Back-Channel Logout §2.5). Family is the sid its ID tokens had.
type Notice struct {
	User, Org, Family, Client string
	// Since is when the session ended.
	Since time.Time
}

// Store keeps sessions. What is said of the stores of package auth holds for it too: NotFound, Unavailable, replay safety.
type Store interface {
	// CreateSession starts a session under the SHA-256 of its secret, and, where replaces names another session of the user, ends that one
	// and takes over what was opened from it, in the same step. InvalidGrant: the user is not active or of another epoch. A user's
	// sessions beyond max end, the ones that expire first first; what was opened from those stays open. The same session with the
	// same secret again is no error.
	CreateSession(ctx context.Context, s Session, secret []byte, idleUntil time.Time, replaces string, max int) error
	// Session reads a session and the SHA-256 of its secret. NotFound: there is none, its user is not active, or it is of another epoch.
	Session(ctx context.Context, user, id string) (s Session, secret []byte, err error)
	// Touch puts off the idle end of a session, never beyond ExpiresAt, and notes when and from where it was used. It is no error if it has ended.
	Touch(ctx context.Context, user, id string, seen, idleUntil time.Time, address string) error
	// Sessions lists a user's sessions whatever their epoch, so that all of them can be ended.
	Sessions(ctx context.Context, user string) ([]Session, error)
	// Logins lists what was opened from a session; what has ended since may be among it.
	Logins(ctx context.Context, user, id string) ([]Login, error)
	// EndSession ends a session and the families of logins that are not Offline, and makes notices due at now, in one step. If anything
	// was opened from the session that is not in logins it changes nothing and reports false. Ending what has ended is no error and adds
	// no notice.
	EndSession(ctx context.Context, user, id string, logins []Login, notices []Notice, now time.Time) (done bool, err error)

	// DueNotices takes up to n notices that are due of all partitions and puts each off until now+lease, so that no other instance takes it too.
	DueNotices(ctx context.Context, now time.Time, lease time.Duration, n int) ([]Notice, error)
	// RetryNotice sets when a notice is due again, DropNotice forgets it.
	RetryNotice(ctx context.Context, n Notice, at time.Time) error
	DropNotice(ctx context.Context, n Notice) error
}
