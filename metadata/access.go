package metadata

import (
	"context"
	"errors"

	"github.com/claimsmith/claimsmith/internal/audit"
)

// Caller is whoever asks. What he may do follows from him alone, never from a request's body.
type Caller interface {
	// Ref names the caller for the record: "token:<id>", "client:<id>", "user:<id>". It contains no white space.
	Ref() string
	// HomeOrg is the organisation meant where a request names none.
	HomeOrg() string
	// MayRead and MayWrite report whether the caller may see, and change, everything of an organisation.
	MayRead(org string) bool
	MayWrite(org string) bool
	// Self returns the user the caller is, when acting in an organisation.
	Self(org string) (userID string, ok bool)
}

// Directory finds users by the names people call them. *auth.Users is one.
type Directory interface {
	// UserByName returns the id of the user whom a username or e-mail address leads to, and the name in canonical form; the id is
	// "" where it leads to nobody or cannot be a name. It may be out of date: the store compares Owner.Handle.
	UserByName(ctx context.Context, name string) (id, canonical string, err error)
}

// Target names the document a request is about.
type Target struct {
	// Org is the organisation, "" for the caller's home.
	Org string
	// User is an id, a username, an e-mail address, or "me". What is the id of one user and the username of another means
	// the first.
	User string
	// App is a client id for that application's document, "" for the user-wide one.
	App string
}

// owner returns the target's document without its user.
func (t Target) owner(c Caller) (Owner, error) {
	o := Owner{Org: t.Org, App: t.App}
	if o.Org == "" {
		o.Org = c.HomeOrg()
	}
	if !isOrg(o.Org) {
		return o, ErrUserNotFound
	}
	if o.App != "" && !isApp(o.App) {
		return o, invalid("app", "this cannot be a client id")
	}
	return o, nil
}

// read runs do on the document a target names, if the caller may see it.
func (s *Service) read(ctx context.Context, c Caller, t Target, do func(Owner) error) error {
	o, err := t.owner(c)
	if err != nil {
		return err
	}
	if c.MayRead(o.Org) {
		_, err := s.anyUser(ctx, c, o, t.User, do)
		return err
	}
	o, err = s.self(ctx, c, o, t.User)
	if err != nil {
		if errors.Is(err, ErrUserNotFound) {
			s.record(ctx, c, "metadata.read", o.Org, t.User, audit.Denied, NotFound)
		}
		return err
	}
	return do(o)
}

// write runs do on the document a target names, if the caller may change it; asSelf tells whether only as its user.
func (s *Service) write(ctx context.Context, c Caller, t Target, do func(o Owner, asSelf bool) error) error {
	o, err := t.owner(c)
	if err != nil {
		return err
	}
	if c.MayWrite(o.Org) {
		o, err = s.anyUser(ctx, c, o, t.User, func(o Owner) error { return do(o, false) })
	} else if o, err = s.self(ctx, c, o, t.User); err == nil {
		err = do(o, true)
	} else if errors.Is(err, ErrUserNotFound) && c.MayRead(o.Org) {
		err = &Error{Code: Forbidden, Detail: "the caller may read but not change metadata of this organisation"}
	}
	user := o.User
	if user == "" {
		user = t.User
	}
	s.recordWrite(ctx, c, o.Org, user, err)
	return err
}

// anyUser runs do on the user of that name, whoever it is. An id costs no look-up.
func (s *Service) anyUser(ctx context.Context, c Caller, o Owner, name string, do func(Owner) error) (Owner, error) {
	if name == "me" {
		o, err := s.self(ctx, c, o, name)
		if err != nil {
			return o, err
		}
		return o, do(o)
	}
	if isUserID(name) {
		o.User = name
		if err := do(o); !errors.Is(err, ErrUserNotFound) {
			return o, err
		}
	}
	o, err := s.byHandle(ctx, o, name)
	if err != nil {
		return o, err
	}
	return o, do(o)
}

// self completes the owner if name is the caller himself; anybody else is ErrUserNotFound.
func (s *Service) self(ctx context.Context, c Caller, o Owner, name string) (Owner, error) {
	id, ok := c.Self(o.Org)
	if !ok {
		return o, ErrUserNotFound
	}
	if name == "me" || name == id {
		o.User = id
		return o, nil
	}
	named, err := s.byHandle(ctx, o, name)
	if err != nil {
		return o, err
	}
	if named.User != id {
		return o, ErrUserNotFound
	}
	return named, nil
}

func (s *Service) byHandle(ctx context.Context, o Owner, name string) (Owner, error) {
	o.User = ""
	id, canonical, err := s.Directory.UserByName(ctx, name)
	if err != nil {
		return o, Unknown("find user by name", err)
	}
	if id == "" {
		return o, ErrUserNotFound
	}
	o.User, o.Handle = id, canonical
	return o, nil
}

func (s *Service) recordWrite(ctx context.Context, c Caller, org, user string, err error) {
	var fault *Error
	switch {
	case err == nil:
		s.record(ctx, c, "metadata.write", org, user, audit.Success, "")
	case !errors.As(err, &fault) || fault.Code == Unavailable:
		s.record(ctx, c, "metadata.write", org, user, audit.Failed, Unavailable)
	case fault.Code == Forbidden || fault.Code == NotFound:
		s.record(ctx, c, "metadata.write", org, user, audit.Denied, fault.Code)
	}
}

func (s *Service) record(ctx context.Context, c Caller, action, org, user, outcome string, reason Code) {
	e := audit.Event{Action: action, Actor: c.Ref(), Org: org, Outcome: outcome, Reason: string(reason)}
	if isUserID(user) { // no other text somebody chose: it may be anything
		e.Target = "user:" + user
	}
	s.Audit.Record(ctx, e)
}
