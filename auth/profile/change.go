package profile

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/claims"
	"github.com/claimsmith/claimsmith/internal/audit"
)

// change is what members of an account ask for, as far as they are faultless.
type change struct {
	edits []edit
	// email is the address wanted, "" for the one there is.
	email  string
	faults Faults
}

// Change applies the members of an edX account (merge-patch) that are known, all or none: Faults says what is wrong with which. The
// person himself alone may: AccessDenied for everybody else, whoever is named. A new address is asked for and stays unused until
// ConfirmEmail; Throttled where that is asked too often.
func (s *Service) Change(ctx context.Context, caller *auth.Caller, name string, members map[string]jsontext.Value) (Account, error) {
	user, err := s.self(ctx, caller, name)
	if err != nil {
		return Account{}, s.refused(ctx, caller, err)
	}
	var c change
	c.read(fields(s.Now), members)
	if value, sent := members["email"]; sent {
		c.readEmail(&user, value)
	}
	if err := s.check(&c, &user); err != nil {
		return Account{}, err
	}
	if user, err = s.make(ctx, caller, user, &c); err != nil {
		return Account{}, err
	}
	return s.account(ctx, user, true)
}

// refused records that somebody tried to change what is not his, and returns the error: what is his auth.Users records.
func (s *Service) refused(ctx context.Context, caller *auth.Caller, err error) error {
	if auth.CodeOf(err) == auth.AccessDenied {
		s.Audit.Record(ctx, audit.Event{
			Action: "user.profile", Actor: caller.Ref(), Org: caller.HomeOrg(), Outcome: audit.Denied, Reason: string(auth.AccessDenied),
		})
	}
	return err
}

// read reads the members that are fields, in the order of their names.
func (c *change) read(known map[string]field, members map[string]jsontext.Value) {
	for _, name := range slices.Sorted(maps.Keys(known)) {
		value, sent := members[name]
		if !sent {
			continue
		}
		edit, fault := known[name](name, value)
		if fault != nil {
			c.fault(name, fault)
			continue
		}
		c.edits = append(c.edits, edit)
	}
}

func (c *change) fault(name string, f *Fault) {
	if c.faults == nil {
		c.faults = Faults{}
	}
	c.faults[name] = *f
}

// readEmail reads a wanted address. One's own that is verified is no other one.
func (c *change) readEmail(user *auth.User, value jsontext.Value) {
	if value.Kind() == 'n' {
		c.fault("email", isNull("email", value))
		return
	}
	text, _ := words("email", value)
	h, err := auth.ParseEmail(text)
	if err != nil {
		c.fault("email", thrown("validate_new_email", tellEmail))
		return
	}
	if h.Canonical != user.Email || !user.EmailVerified {
		c.email = h.Canonical
	}
}

// check reports why a change of a user cannot be made.
func (s *Service) check(c *change, user *auth.User) error {
	if len(c.faults) > 0 {
		return c.faults
	}
	if c.email != "" && s.Mail == nil {
		return Faults{"": unsaved("Email address changes have been disabled by the site operators.")}
	}
	_, err := s.Users.CheckProfile(*user, applied(c.edits))
	return faulty(err)
}

// make makes a change that was checked. What can be refused comes before what is saved, and the mail last.
func (s *Service) make(ctx context.Context, caller *auth.Caller, user auth.User, c *change) (auth.User, error) {
	secret := ""
	var err error
	if c.email != "" {
		if secret, err = s.Users.AskEmail(ctx, caller, c.email); err != nil {
			return user, err
		}
	}
	user, err = s.edit(ctx, caller, user, c.edits)
	if err == nil && secret != "" {
		s.mailConfirmation(c.email, secret)
	}
	return user, err
}

func (s *Service) edit(ctx context.Context, caller *auth.Caller, user auth.User, edits []edit) (auth.User, error) {
	if len(edits) == 0 {
		return user, nil
	}
	changed, err := s.Users.ChangeProfile(ctx, caller, caller.HomeOrg(), user.ID, applied(edits))
	if err = faulty(err); err != nil {
		return user, err
	}
	return changed, nil
}

func applied(edits []edit) auth.ProfileChange {
	return func(p *claims.Profile, b *auth.Biography) error {
		for _, edit := range edits {
			edit(p, b)
		}
		return nil
	}
}

// faulty is an error of auth.Users, as Faults where it is about what was sent.
func faulty(err error) error {
	if refused, ok := errors.AsType[*auth.Error](err); ok && refused.Code == auth.InvalidRequest {
		return Faults{"": unsaved(refused.Field + ": " + refused.Detail)}
	}
	return err
}
