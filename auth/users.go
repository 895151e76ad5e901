package auth

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/claimsmith/claimsmith/claims"
	"github.com/claimsmith/claimsmith/internal/audit"
)

// Eraser removes what other packages keep about a user. *metadata.Service is one.
type Eraser interface {
	// EraseUser removes all of it in the given organisations, and where the user is to be gone as a whole what belongs to none of them too.
	// Removing what is gone already is no error.
	EraseUser(ctx context.Context, user string, orgs []string, whole bool) error
}

// Pictures is who keeps people's pictures. *profile.Service is one.
type Pictures interface {
	// WithdrawPicture removes a kept picture that the standard claim of a user to be stored has left, from him too.
	WithdrawPicture(ctx context.Context, u *User) error
}

// Users manages users. Whoever operates a user's home organisation manages the person: name, password, existence. Operators of
// further organisations he belongs to see him there and no more, so that sharing a user never means sharing his account.
type Users struct {
	Store    UserStore
	Registry *Registry
	Callers  *Callers
	Hasher   *Hasher
	Limiter  Limiter
	Eraser   Eraser
	// Pictures may be nil where none are kept.
	Pictures Pictures
	// Sessions may be nil where there are no browser sessions.
	Sessions SessionEnder
	Audit    audit.Log
	Now      func() time.Time
	// Issuer is the server's own address, below which kept pictures lie.
	Issuer string
	// EmailKeys authenticate what ConfirmEmail reads. The first writes, all of them read.
	EmailKeys [][]byte

	recent recent[string, *User] // by any name
}

// NewUser describes a user to create. Password and PasswordHash exclude each other; neither means that the user cannot log in
// by password.
type NewUser struct {
	ID            string // "" for a generated one
	Username      string
	Email         string
	EmailVerified bool
	Password      string
	PasswordHash  string
	HashAlgorithm string // what PasswordHash is, see ImportedHash
	// Temporary makes the user choose another password before anything else.
	Temporary bool
	Disabled  bool
	Profile   claims.Profile
	// Biography is taken without its Picture, which is not here.
	Biography Biography `json:",omitzero"`
}

// UserChange changes the fields that are not nil.
type UserChange struct {
	Username      *string
	Email         *string
	EmailVerified *bool
	Disabled      *bool
	Orgs          *[]string // administrators only
	Profile       func(*claims.Profile)
}

// UserByName returns the id a username or address leads to, "" if none, and the name in canonical form. Whether it is still the
// user's shows in his record.
func (s *Users) UserByName(ctx context.Context, name string) (id, canonical string, err error) {
	h, err := ParseHandle(name)
	if err != nil {
		return "", "", nil //nolint:nilerr // what cannot be a name leads to nobody
	}
	id, err = s.Store.HandleOwner(ctx, h)
	return id, h.Canonical, err
}

// Find resolves what a path or a query names a user by, in an organisation the caller may see: id, username, verified address, or
// "me". Every failure is the same NotFound.
func (s *Users) Find(ctx context.Context, caller *Caller, orgName, name string) (User, error) {
	user, err := s.find(caller, orgName, name, func(name string) (*User, error) {
		user, err := s.lookup(ctx, name)
		return &user, err
	})
	if err != nil {
		return User{}, err
	}
	return *user, nil
}

func (s *Users) find(caller *Caller, orgName, name string, lookup func(name string) (*User, error)) (*User, error) {
	org := caller.OrgOf(orgName)
	self, isUser := caller.Self(org)
	if !isUser && !caller.MayRead(org) {
		return nil, errNotFound("user")
	}
	if name == "me" {
		name = self
	}
	user, err := lookup(name)
	if err != nil {
		return nil, err
	}
	if user.Deleting || !user.MemberOf(org) || isUser && user.ID != self {
		return nil, errNotFound("user")
	}
	return user, nil
}

func (s *Users) lookup(ctx context.Context, name string) (User, error) {
	if ValidUserID(name) {
		user, _, err := s.Store.User(ctx, name)
		if CodeOf(err) != NotFound {
			return user, err
		}
	}
	h, err := ParseHandle(name)
	if err != nil {
		return User{}, errNotFound("user")
	}
	return s.called(ctx, h)
}

// called returns whom a handle leads to.
func (s *Users) called(ctx context.Context, h Handle) (User, error) {
	id, err := s.Store.HandleOwner(ctx, h)
	if err != nil {
		return User{}, err
	}
	if id == "" {
		return User{}, errNotFound("user")
	}
	user, _, err := s.Store.User(ctx, id)
	if err == nil && !owns(&user, h) {
		return User{}, errNotFound("user")
	}
	return user, err
}

// List pages through the users of an organisation.
func (s *Users) List(ctx context.Context, caller *Caller, orgName string, p Page) ([]User, string, error) {
	org := caller.OrgOf(orgName)
	if !caller.MayRead(org) {
		return nil, "", errNotFound("organisation")
	}
	return s.Store.Users(ctx, org, p)
}

// unlessChanged makes a change that starts with reading the object. A caller who does not say which version he means does not care
// that somebody else changed it in between, so then it is made again. It is Busy where that happens time and again.
func unlessChanged(want *uint64, change func() error) error {
	const attempts = 8
	for n := 1; ; n++ {
		err := change()
		if want != nil || CodeOf(err) != PreconditionFailed {
			return err
		}
		if n == attempts {
			return &Error{Code: Busy, Detail: "others are changing this at once, try again", RetryAfter: time.Second, Err: err}
		}
	}
}

func checkVersion(got uint64, want *uint64) error {
	if want != nil && *want != got {
		return &Error{Code: PreconditionFailed, Detail: "the object was changed by somebody else"}
	}
	return nil
}

// Create adds a user to an organisation the caller operates. idempotencyKey, if not "", makes repeating the same call return the
// user it created before.
func (s *Users) Create(ctx context.Context, caller *Caller, orgName string, n NewUser, idempotencyKey string) (User, error) {
	user, err := s.create(ctx, caller, caller.OrgOf(orgName), n, idempotencyKey)
	s.record(ctx, "user.create", caller, caller.OrgOf(orgName), user.ID, err)
	return user, err
}

func (s *Users) create(ctx context.Context, caller *Caller, org string, n NewUser, idempotencyKey string) (User, error) {
	if err := caller.refuse(caller.MayWrite(org), org, "user"); err != nil {
		return User{}, err
	}
	if _, err := s.Registry.Org(ctx, org); err != nil {
		return User{}, err
	}
	user, err := s.newUser(n, org)
	if err != nil {
		return User{}, err
	}
	op := newOperation()
	if idempotencyKey != "" {
		op = keyedOperation(caller, org, idempotencyKey)
		if n.ID == "" {
			user.ID = keyedUserID(op)
		}
	}
	hash, err := s.passwordHash(ctx, n, &user)
	if err != nil {
		return User{}, err
	}
	if err := s.noOneIsCalled(ctx, &user); err != nil {
		return User{}, err
	}
	claim, handles := Holder{user.ID, op}, user.Handles()
	if err := s.claimHandles(ctx, handles, claim); err != nil {
		return User{}, err
	}
	user.Version, err = s.Store.PutUser(ctx, user, &hash, nil, op)
	if idempotencyKey != "" && (err == nil || CodeOf(err) == Conflict && n.ID == "") {
		// A store that remembers the operation does not say whether it wrote this user then or another one. One that has forgotten it
		// has the user nevertheless, if the id was made from the key.
		user, err = s.createdBefore(ctx, &user, n)
	} else if CodeOf(err) == Conflict {
		err = errIDUsed
	}
	if CodeOf(err) == Conflict {
		s.abandonHandles(ctx, handles, claim)
	}
	if err != nil {
		return User{}, err
	}
	if err := s.settleNew(ctx, &user, handles, claim); err != nil {
		return User{}, err
	}
	return user, nil
}

// settleNew settles the handles of a user just made. When somebody else took one of them it removes him again.
func (s *Users) settleNew(ctx context.Context, u *User, handles []Handle, by Holder) error {
	err := s.settleHandles(ctx, u, handles, by)
	if CodeOf(err) == Conflict {
		err = errors.Join(err, s.Store.BeginDelete(ctx, *u), s.Store.FinishDelete(ctx, u.ID))
		for _, h := range handles {
			err = errors.Join(err, s.Store.ReleaseHandle(ctx, h, Holder{User: u.ID}))
		}
	}
	return err
}

var errOtherPassword = &Error{Code: Conflict, Field: "Idempotency-Key", Detail: "this key was used with another password"}

// createdBefore answers a repeated call with the user as he is now, if it asks for the same one.
func (s *Users) createdBefore(ctx context.Context, asked *User, n NewUser) (User, error) {
	user, hash, err := s.Store.User(ctx, asked.ID)
	if CodeOf(err) == NotFound || err == nil && (user.Deleting || !user.MemberOf(asked.Orgs[0]) ||
		user.Username != asked.Username || user.Email != asked.Email) {
		return User{}, &Error{Code: Conflict, Field: "Idempotency-Key", Detail: "this key was used to create another user"}
	}
	if err == nil && n.Password != "" {
		same := false
		if same, _, err = s.Hasher.Verify(ctx, hash, n.Password); err == nil && !same {
			err = errOtherPassword
		}
	} else if err == nil {
		same := false
		if same, err = s.Hasher.stillImported(ctx, hash, n.imported()); err == nil && !same {
			err = errOtherPassword
		}
	}
	if err != nil {
		return User{}, err
	}
	return user, nil
}

func (s *Users) newUser(n NewUser, org string) (User, error) {
	now := s.Now()
	user := User{
		ID: n.ID, Orgs: []string{org}, Disabled: n.Disabled, Profile: n.Profile, Biography: n.Biography.clone(), CreatedAt: now, UpdatedAt: now,
	}
	user.Biography.Picture = ""
	if n.ID == "" {
		user.ID = NewUserID()
	} else if !ValidUserID(n.ID) || reserved[n.ID] {
		return User{}, &Error{Code: InvalidRequest, Field: "id", Detail: "1 to 64 of A-Z a-z 0-9 _ -, and not a reserved word"}
	}
	if err := setNames(&user, &n.Username, &n.Email, &n.EmailVerified); err != nil {
		return User{}, err
	}
	if err := s.checkPerson(&user); err != nil {
		return User{}, err
	}
	if (n.Password != "" || n.PasswordHash != "") && len(user.Handles()) == 0 {
		return User{}, &Error{
			Code: InvalidRequest, Field: "username",
			Detail: "a user with a password needs a name to log in by: a username, or an email with email_verified true",
		}
	}
	if n.Temporary && n.Password == "" && n.PasswordHash == "" {
		return User{}, &Error{Code: InvalidRequest, Field: "temporary", Detail: "only where there is a password"}
	}
	user.MustChangePassword = n.Temporary
	return user, nil
}

// Update changes a user. want, if not nil, is the version the change is based on.
func (s *Users) Update(ctx context.Context, caller *Caller, orgName, name string, want *uint64, c UserChange) (User, error) {
	var user User
	err := unlessChanged(want, func() (err error) {
		if user, err = s.Managed(ctx, caller, orgName, name); err == nil {
			user, err = s.update(ctx, caller, user, want, c)
		}
		return err
	})
	s.record(ctx, "user.update", caller, caller.OrgOf(orgName), user.ID, err)
	return user, err
}

func (s *Users) update(ctx context.Context, caller *Caller, user User, want *uint64, c UserChange) (User, error) {
	if err := checkVersion(user.Version, want); err != nil {
		return user, err
	}
	old := user
	user.Orgs = slices.Clone(old.Orgs)
	if err := setNames(&user, c.Username, c.Email, c.EmailVerified); err != nil {
		return old, err
	}
	if c.Profile != nil {
		c.Profile(&user.Profile)
		if err := checkProfile(&user.Profile, s.Issuer); err != nil {
			return old, err
		}
	}
	if user.Email != old.Email || user.EmailVerified != old.EmailVerified {
		user.PendingEmail, user.EmailProof, user.EmailsBefore = nil, "", nil // what was asked for before is no longer what counts
	}
	if c.Disabled != nil && *c.Disabled != user.Disabled {
		user.Disabled = *c.Disabled
		if user.Disabled {
			user.Epoch++ // what was issued stays dead when the user is enabled again (row A-06)
		}
	}
	left, err := s.setOrgs(ctx, caller, &user, c.Orgs)
	if err != nil {
		return old, err
	}
	if len(without(old.Orgs, user.Orgs)) > 0 {
		user.Epoch++ // who comes back to an organisation does not get his old logins back
	}
	if back := without(user.Orgs, without(user.Orgs, old.Left)); len(back) > 0 {
		// Should it have failed when he left. Nothing is written there before he is back.
		if err := s.Eraser.EraseUser(ctx, user.ID, back, false); err != nil {
			return old, err
		}
	}
	user.UpdatedAt = s.Now()
	user.PendingEmail = user.Asked(user.UpdatedAt)
	if err := s.noOneIsCalled(ctx, &user); err != nil {
		return old, err
	}
	if s.Pictures != nil && user.Profile.Picture != old.Profile.Picture {
		if err := s.Pictures.WithdrawPicture(ctx, &user); err != nil {
			return old, err
		}
	}
	stored, err := s.write(ctx, &user, &old, left)
	if !stored {
		return old, err
	}
	if c.Disabled != nil || c.Orgs != nil { // whether or not this call is the one that ended them: it may be a repetition
		err = errors.Join(err, s.endSessions(ctx, user.ID, user.Epoch))
	}
	if len(left) > 0 {
		err = errors.Join(err, s.Eraser.EraseUser(ctx, user.ID, left, false))
	}
	return user, err
}

func (s *Users) setOrgs(ctx context.Context, caller *Caller, u *User, orgs *[]string) (left []string, err error) {
	if orgs == nil {
		return nil, nil
	}
	if !caller.IsAdmin() {
		return nil, errForbidden("change the organisations of a user")
	}
	if !isSlugList(*orgs) {
		return nil, &Error{Code: InvalidRequest, Field: "orgs", Detail: "a list of at least one organisation"}
	}
	for n, org := range *orgs {
		if slices.Contains((*orgs)[:n], org) {
			return nil, &Error{Code: InvalidRequest, Field: "orgs", Detail: "an organisation is named twice"}
		}
		if _, err := s.Registry.Org(ctx, org); CodeOf(err) == NotFound {
			return nil, &Error{Code: InvalidRequest, Field: "orgs", Detail: "there is no organisation " + org}
		} else if err != nil {
			return nil, err
		}
	}
	left = without(slices.Concat(u.Orgs, without(u.Left, u.Orgs)), *orgs)
	if u.Orgs[0] != (*orgs)[0] {
		u.Role = "" // it was one in that organisation
	}
	u.Orgs, u.Left = slices.Clone(*orgs), left
	return left, nil
}

func without[T comparable](all, drop []T) []T {
	var rest []T
	for _, v := range all {
		if !slices.Contains(drop, v) {
			rest = append(rest, v)
		}
	}
	return rest
}

// Delete removes a user with everything that is his. It can be repeated until it succeeds: from the first step on the user is
// gone for everyone but Delete.
func (s *Users) Delete(ctx context.Context, caller *Caller, orgName, name string, want *uint64) error {
	id := ""
	err := unlessChanged(want, func() (err error) {
		id, err = s.delete(ctx, caller, caller.OrgOf(orgName), name, want)
		return err
	})
	s.record(ctx, "user.delete", caller, caller.OrgOf(orgName), id, err)
	return err
}

func (s *Users) delete(ctx context.Context, caller *Caller, org, name string, want *uint64) (string, error) {
	if !caller.MayRead(org) {
		return "", errNotFound("user")
	}
	user, err := s.lookup(ctx, name)
	if CodeOf(err) == NotFound {
		err = errors.Join(err, s.freeOfDeleted(ctx, name))
	}
	if err != nil {
		return "", err
	}
	if !user.MemberOf(org) {
		return "", errNotFound("user")
	}
	if !caller.mayManage(&user) {
		return user.ID, errForbidden("delete this user")
	}
	if !user.Deleting {
		if err := checkVersion(user.Version, want); err != nil {
			return user.ID, err
		}
	}
	if err := s.Store.BeginDelete(ctx, user); err != nil {
		return user.ID, err
	}
	s.changed()
	if err := s.endSessions(ctx, user.ID, user.Epoch+1); err != nil {
		return user.ID, err
	}
	if err := s.Eraser.EraseUser(ctx, user.ID, slices.Concat(user.Orgs, user.Left), true); err != nil {
		return user.ID, err
	}
	// The handle he was named by goes last, or the deletion could not be repeated.
	named, _ := ParseHandle(name)
	for _, h := range without(user.Handles(), []Handle{named}) {
		if err := s.Store.ReleaseHandle(ctx, h, Holder{User: user.ID}); err != nil {
			return user.ID, err
		}
	}
	if err := s.Store.FinishDelete(ctx, user.ID); err != nil || !owns(&user, named) {
		return user.ID, err
	}
	return user.ID, s.Store.ReleaseHandle(ctx, named, Holder{User: user.ID})
}

func (s *Users) changed() {
	s.Callers.Forget()
	s.recent.forget()
}

func (s *Users) record(ctx context.Context, action string, caller *Caller, org, id string, err error) {
	s.Audit.Record(ctx, About(Outcome(action, caller.Ref(), err), org, "user", id))
}
