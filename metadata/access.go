package metadata

import (
	"cmp"
	"context"
	"errors"
	"strings"

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
	// Shared means not a user's document but the one that all users of the organisation inherit from, or, with the slug of a Group,
	// its members.
	Shared bool
	Group  string
}

// owner returns the target's document without its user, or group.
func (t Target) owner(c Caller) (Owner, error) {
	o := Owner{Org: orgOf(c, t.Org), App: t.App}
	if !isOrg(o.Org) {
		if t.Shared {
			return o, errNoOrg
		}
		return o, ErrUserNotFound
	}
	switch {
	case o.App != "" && t.Shared:
		return o, invalid("app", "applications have no shared documents")
	case o.App != "" && !isApp(o.App):
		return o, invalid("app", "this cannot be a client id")
	}
	return o, nil
}

func orgOf(c Caller, org string) string {
	if org == "" {
		return c.HomeOrg()
	}
	return org
}

// Answers about what an organisation lays down, each the same for what does not exist and for what is none of the caller's business.
var (
	errNoOrg        = &Error{Code: NotFound, Detail: "no such organisation"}
	errNoGroup      = &Error{Code: NotFound, Detail: "no such group"}
	errNoDefinition = &Error{Code: NotFound, Detail: "no such definition"}
	errOnlyReads    = &Error{Code: Forbidden, Detail: "the caller may read but not change metadata of this organisation"}
)

// mayGovern reports why a caller may not change what an organisation lays down.
func mayGovern(c Caller, org string) error {
	switch {
	case !isOrg(org):
		return errNoOrg
	case c.MayWrite(org):
		return nil
	case c.MayRead(org):
		return errOnlyReads
	}
	if _, member := c.Self(org); member {
		return &Error{Code: Forbidden, Detail: "only an operator changes this"}
	}
	return errNoOrg
}

// read runs do on the document a target names, if the caller may see it.
func (s *Service) read(ctx context.Context, c Caller, t Target, do func(Owner) error) error {
	o, err := t.owner(c)
	if err != nil {
		return err
	}
	if t.Shared {
		if !c.MayRead(o.Org) {
			s.record(ctx, c, "metadata.read", o.Org, "org:"+o.Org, audit.Denied, NotFound)
			return errNoOrg
		}
		return s.shared(ctx, o, t.Group, do)
	}
	if c.MayRead(o.Org) {
		_, err := s.anyUser(ctx, c, o, t.User, do)
		return err
	}
	o, err = s.self(ctx, c, o, t.User)
	if err != nil {
		if errors.Is(err, ErrUserNotFound) {
			s.record(ctx, c, "metadata.read", o.Org, userRef(t.User, err), audit.Denied, NotFound)
		}
		return err
	}
	return do(o)
}

// write runs do on the document a target names, if the caller may change it; asSelf tells whether only as its user.
func (s *Service) write(ctx context.Context, c Caller, t Target, w write, do func(o Owner, asSelf bool) error) error {
	o, err := t.owner(c)
	if err != nil {
		return err
	}
	about := ""
	switch {
	case t.Shared:
		about = "org:" + o.Org
		if err = mayGovern(c, o.Org); err == nil {
			err = s.shared(ctx, o, t.Group, func(o Owner) error {
				if o.Group != "" {
					about = "group:" + o.Group
				}
				return do(o, false)
			})
		}
	case c.MayWrite(o.Org):
		o, err = s.anyUser(ctx, c, o, t.User, func(o Owner) error { return do(o, false) })
		about = userRef(cmp.Or(o.User, t.User), err)
	default:
		if o, err = s.self(ctx, c, o, t.User); err == nil && w.operators {
			err = &Error{Code: Forbidden, Detail: "only an operator changes this"}
		} else if err == nil {
			err = do(o, true)
		} else if errors.Is(err, ErrUserNotFound) && c.MayRead(o.Org) {
			err = errOnlyReads
		}
		about = userRef(cmp.Or(o.User, t.User), err)
	}
	if err != nil || !w.dryRun {
		s.recordWrite(ctx, c, cmp.Or(w.action, "metadata.write"), o.Org, about, err)
	}
	return err
}

// shared runs do on the shared document of an organisation, or of its group of that slug.
func (s *Service) shared(ctx context.Context, o Owner, slug string, do func(Owner) error) error {
	if slug == "" {
		return do(o)
	}
	g, err := s.groupOf(ctx, o.Org, slug)
	if err != nil {
		return err
	}
	o.Group = g.ID
	return do(o)
}

// groupOf finds a group by its slug.
func (s *Service) groupOf(ctx context.Context, org, slug string) (*Group, error) {
	for _, scheme := range []func(context.Context, string) (*Scheme, error){s.scheme, s.latest} {
		known, err := scheme(ctx, org)
		if err != nil {
			return nil, err
		}
		if g := known.group(slug); g != nil {
			return g, nil
		}
	}
	return nil, errNoGroup
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

func (s *Service) recordWrite(ctx context.Context, c Caller, action, org, target string, err error) {
	var fault *Error
	switch {
	case err == nil:
		s.record(ctx, c, action, org, target, audit.Success, "")
	case !errors.As(err, &fault) || fault.Code == Unavailable:
		s.record(ctx, c, action, org, target, audit.Failed, Unavailable)
	case fault.Code == Forbidden || fault.Code == NotFound:
		s.record(ctx, c, action, org, target, audit.Denied, fault.Code)
	}
}

func (s *Service) record(ctx context.Context, c Caller, action, org, target, outcome string, reason Code) {
	s.Audit.Record(ctx, audit.Event{Action: action, Actor: c.Ref(), Org: org, Target: target, Outcome: outcome, Reason: string(reason)})
}

// secrets is what every secret begins with that this service hands out. Some of them have the grammar of an id.
const secrets = "cs_"

// userRef names a user for the record, if that is an id: any other text somebody chose may be anything. err is what has become of the
// request: of one that failed, what looks like a secret is taken for one in the wrong place.
func userRef(user string, err error) string {
	if !isUserID(user) || err != nil && strings.HasPrefix(user, secrets) {
		return ""
	}
	return "user:" + user
}
