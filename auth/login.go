package auth

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/claimsmith/claimsmith/internal/audit"
)

// Subject is the user tokens are issued to, in one organisation, and how he proved to be it.
type Subject struct {
	User     string
	Org      string
	AuthTime time.Time
	// AMR are the methods used (RFC 8176), ACR the class they amount to.
	AMR []string
	ACR string
	// Epoch is the user's credentials epoch at that moment.
	Epoch uint64
}

// Login is an attempt to log in by password.
type Login struct {
	Username string
	Password string
	// Org is the organisation wanted, "" for the user's home organisation.
	Org string
	// Client is the client the login is for.
	Client *Client
	// Address is where the attempt comes from.
	Address string
	// OTP is a one-time password or a recovery code, "" for none.
	OTP string
}

// LoginLimits are the attempts allowed before a login has to wait. A successful login gives the account's attempts back.
type LoginLimits struct {
	// PerAccount bounds the attempts on one account from one address, AllAccount those from all addresses together, and
	// PerAddress those from one address on all accounts.
	PerAccount, AllAccount, PerAddress Bucket
}

// DefaultLoginLimits stop guessing long before it pays and still let an office behind one address begin its day. A stranger can
// slow an owner down only by spending AllAccount, and never lock him out for good (row L-09).
var DefaultLoginLimits = LoginLimits{
	PerAccount: Bucket{Kind: "login", Burst: 10, Period: 30 * time.Second},
	AllAccount: Bucket{Kind: "account", Burst: 100, Period: 10 * time.Second},
	PerAddress: Bucket{Kind: "address", Burst: 300, Period: 200 * time.Millisecond},
}

// Authenticator checks passwords.
type Authenticator struct {
	Users  UserStore
	Hasher *Hasher
	// Factors may be nil where nobody has a second factor.
	Factors SecondFactor
	Limiter Limiter
	Limits  LoginLimits
	// Registry knows which organisations are disabled.
	Registry *Registry
	Logger   *slog.Logger
	Now      func() time.Time
}

// One answer for an unknown user, a wrong password, a user without one, a disabled user and a foreign organisation (row L-06).
var errLogin = &Error{Code: InvalidCredentials, Detail: "the username or password is wrong"}

// What is still open after the right password.
var (
	errTemporary = &Error{
		Code: InvalidGrant, Field: "password", Detail: "this password is temporary: sign in with a browser and choose another one",
	}
	errSecondFactor = &Error{
		Code: SecondFactorRequired, Field: "otp",
		Detail: "this user has a second factor: send a one-time password or a recovery code as otp too, or sign in with a browser",
	}
)

// Authenticate returns who logged in. It fails with InvalidCredentials, Throttled, Busy, Unavailable or, after the right password,
// SecondFactorRequired or InvalidGrant, and takes as long for an unknown user as for a wrong password. Where it fails, User and Org say
// whose account was tried where, if it exists, for the audit log alone.
func (a *Authenticator) Authenticate(ctx context.Context, l Login) (Subject, error) {
	attempt, err := a.attempt(ctx, l.Username, l.Password, l.Address)
	user := &attempt.user
	org := l.Org
	if org == "" {
		org = homeFor(user, l.Client)
	}
	tried := Subject{User: user.ID}
	if user.MemberOf(org) {
		tried.Org = org
	}
	if err != nil {
		return tried, err
	}
	if user.Disabled || !user.MemberOf(org) || !l.Client.Serves(org) {
		return tried, errLogin
	}
	if _, err := a.Registry.Org(ctx, org); CodeOf(err) == NotFound {
		return tried, errLogin
	} else if err != nil {
		return tried, err
	}
	if err := a.succeed(ctx, &attempt, l.Password); err != nil {
		return tried, err
	}
	if user.MustChangePassword {
		return tried, errTemporary
	}
	amr, acr, err := a.secondFactor(ctx, user.ID, l)
	if err != nil {
		return tried, err
	}
	return Subject{User: user.ID, Org: org, AuthTime: a.Now(), AMR: amr, ACR: acr, Epoch: user.Epoch}, nil
}

// Password returns whose name and password these are, for pages that ask for one thing after another: in which organisation he logs in,
// whether he must choose another password and his second factor are still open. It fails like Authenticate, and then the user has only
// an id and his organisations, those of the account tried, for the audit log alone.
func (a *Authenticator) Password(ctx context.Context, name, password, address string) (User, error) {
	attempt, err := a.attempt(ctx, name, password, address)
	if err == nil && attempt.user.Disabled {
		err = errLogin
	}
	if err == nil {
		err = a.succeed(ctx, &attempt, password)
	}
	if err != nil {
		return User{ID: attempt.user.ID, Orgs: attempt.user.Orgs}, err
	}
	return attempt.user, nil
}

// attempt is a name and a password that were tried.
type attempt struct {
	user    User
	hash    string
	buckets []Bucket
	// upgrade: the password is right and its hash weaker than it should be.
	upgrade bool
}

// attempt checks a password and nothing else; a disabled user's can be right. It returns the user also where it fails, if there is one.
func (a *Authenticator) attempt(ctx context.Context, name, password, address string) (attempt, error) {
	user, hash, account, err := a.find(ctx, name)
	if err != nil {
		return attempt{}, err
	}
	t := attempt{user: user, hash: hash, buckets: a.Limits.buckets(account, address)}
	if err := Attempt(ctx, a.Limiter, t.buckets...); err != nil {
		return t, err
	}
	t.upgrade, err = a.verify(ctx, hash, password)
	return t, err
}

// succeed notes that a password was right and let its user in.
func (a *Authenticator) succeed(ctx context.Context, t *attempt, password string) error {
	if err := a.Limiter.Reset(ctx, t.buckets[1:]); err != nil {
		return err
	}
	if t.upgrade {
		a.upgrade(ctx, t.user.ID, t.hash, password)
	}
	return nil
}

// secondFactor asks for the second factor of a user whose password was right, if he has one, and returns how he has proved who he is
// (RFC 8176).
func (a *Authenticator) secondFactor(ctx context.Context, user string, l Login) (amr []string, acr string, err error) {
	required := false
	if a.Factors != nil {
		required, err = a.Factors.Required(ctx, user)
	}
	switch {
	case err != nil:
	case !required:
		return []string{MethodPassword}, ClassOne, nil
	case l.OTP == "":
		err = errSecondFactor
	default:
		err = a.Factors.CheckCode(ctx, user, l.OTP, l.Address)
	}
	if CodeOf(err) == NotFound { // deleted since
		err = errLogin
	}
	return []string{MethodPassword, MethodCode, MethodsTwo}, ClassTwo, err
}

// homeFor picks the organisation of a login that names none: the home organisation, or the client's own where it serves only that.
func homeFor(u *User, c *Client) string {
	if !c.AllOrgs {
		return c.Org
	}
	if len(u.Orgs) == 0 {
		return DefaultOrg
	}
	return u.Orgs[0]
}

// find returns the user a name leads to and the name of his account for counting attempts, the same under all his names (row
// L-07). Where there is none it returns a zero user, no hash, and the name itself.
func (a *Authenticator) find(ctx context.Context, name string) (User, string, string, error) {
	h, err := ParseHandle(name)
	if err != nil {
		return User{}, "", "name:" + name, nil //nolint:nilerr // a name that cannot exist is answered like one that does not
	}
	nobody := "name:" + string(h.Kind) + ":" + h.Canonical
	id, err := a.Users.HandleOwner(ctx, h)
	if err != nil {
		return User{}, "", "", err
	}
	if id == "" {
		return User{}, "", nobody, nil
	}
	user, hash, err := a.Users.User(ctx, id)
	if CodeOf(err) == NotFound {
		return User{}, "", nobody, nil
	}
	if err != nil {
		return User{}, "", "", err
	}
	if user.Deleting || !owns(&user, h) {
		return User{}, "", nobody, nil
	}
	return user, hash, "user:" + id, nil
}

// owns reports whether the record agrees that the handle is the user's: a handle can outlive a change that was cut off.
func owns(u *User, h Handle) bool {
	for _, own := range u.Handles() {
		if own == h {
			return true
		}
	}
	return false
}

func (l LoginLimits) buckets(account, address string) []Bucket {
	one, all, from := l.PerAccount, l.AllAccount, l.PerAddress
	one.Subject = account + "\x00" + address
	all.Subject = account
	from.Subject = address
	return []Bucket{from, one, all}
}

func (a *Authenticator) verify(ctx context.Context, hash, password string) (upgrade bool, err error) {
	if hash == "" {
		if err := a.Hasher.Dummy(ctx, password); err != nil {
			return false, err
		}
		return false, errLogin
	}
	ok, upgrade, err := a.Hasher.Verify(ctx, hash, password)
	if err != nil {
		return false, err
	}
	if !ok {
		return false, errLogin
	}
	return upgrade, nil
}

// A hash that could not be upgraded now will be at the next login.
func (a *Authenticator) upgrade(ctx context.Context, id, old, password string) {
	hash, err := a.Hasher.Rehash(ctx, password)
	if err == nil {
		err = a.Users.UpgradePassword(ctx, id, old, hash)
	}
	if err != nil {
		a.Logger.WarnContext(ctx, "password hash not upgraded", "user", id, "error", err)
	}
}

// fieldReplay is what FamilyStore.Rotate says of a refresh token that was used before.
const fieldReplay = "replay"

func isReplay(err error) bool {
	var e *Error
	for errors.As(err, &e) {
		if e.Field == fieldReplay {
			return true
		}
		err = e.Err
	}
	return false
}

// Outcome describes how an operation ended. Its Reason is the error's code, or "replay" for a refresh token that was used before, which
// tells of a thief and not only of a stale token (row O-07).
func Outcome(action, actor string, err error) audit.Event {
	e := audit.Event{Action: action, Actor: actor, Outcome: audit.Success}
	if err == nil {
		return e
	}
	e.Reason = string(CodeOf(err))
	if isReplay(err) {
		e.Reason = fieldReplay
	}
	switch CodeOf(err) {
	case Unavailable, Busy, "":
		e.Outcome = audit.Failed
	default:
		e.Outcome = audit.Denied
	}
	return e
}

// About completes an event with its organisation and its object. Text that cannot be the name of one is left out: it may be a secret
// in the wrong place (row P-02).
func About(e audit.Event, org, kind, id string) audit.Event {
	if ValidSlug(org) {
		e.Org = org
	}
	if ValidClientID(id) { // the widest of the grammars
		e.Target = kind + ":" + id
	}
	return e
}
