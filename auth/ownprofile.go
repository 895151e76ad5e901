package auth

import (
	"context"

	"github.com/claimsmith/claimsmith/claims"
)

// ProfileChange changes what it is given. It may be called more than once; its error ends the change and is the caller's.
type ProfileChange func(p *claims.Profile, b *Biography) error

// ChangeProfile changes what is said about a person: by himself, or by who may manage him. What proves something stays what it is: a new
// phone number is not verified (row L-12), and neither names, addresses nor states are in a ProfileChange's reach.
func (s *Users) ChangeProfile(ctx context.Context, caller *Caller, orgName, name string, change ProfileChange) (User, error) {
	var user User
	err := unlessChanged(nil, func() (err error) {
		if user, err = s.Find(ctx, caller, orgName, name); err != nil {
			return err
		}
		if _, self := caller.Self(caller.HomeOrg()); !self && !caller.mayManage(&user) { // Find shows a person nobody else
			return errForbidden("change this user")
		}
		user, err = s.changeProfile(ctx, user, change)
		return err
	})
	s.record(ctx, "user.profile", caller, caller.OrgOf(orgName), user.ID, err)
	return user, err
}

func (s *Users) changeProfile(ctx context.Context, old User, change ProfileChange) (User, error) {
	user, err := s.CheckProfile(old, change)
	if err != nil {
		return old, err
	}
	user.UpdatedAt = s.Now()
	user.PendingEmail = user.Asked(user.UpdatedAt)
	version, err := s.Store.PutUser(ctx, user, nil, nil, newOperation())
	if err != nil {
		return old, err
	}
	user.Version = version
	s.changed()
	return user, nil
}

// CheckProfile returns what a user would become by a change, or the error that ChangeProfile would refuse it with. It changes nothing.
func (s *Users) CheckProfile(old User, change ProfileChange) (User, error) { //nolint:gocritic // a copy is wanted
	user := old
	user.Biography = old.Biography.clone()
	if err := change(&user.Profile, &user.Biography); err != nil {
		return old, err
	}
	p, before := &user.Profile, &old.Profile
	p.Email, p.EmailVerified, p.UpdatedAt = before.Email, before.EmailVerified, before.UpdatedAt
	p.PhoneNumberVerified = before.PhoneNumberVerified && p.PhoneNumber == before.PhoneNumber
	if err := s.checkPerson(&user); err != nil {
		return old, err
	}
	return user, nil
}

// Peer is Find by username alone, for a person who looks at another one of the organisation he is logged in to. What he may see of him is
// for the caller to decide.
func (s *Users) Peer(ctx context.Context, caller *Caller, username string) (User, error) {
	org := caller.HomeOrg()
	if _, isUser := caller.Self(org); !isUser && !caller.MayRead(org) {
		return User{}, errNotFound("user")
	}
	h, err := ParseUsername(username)
	if err != nil {
		return User{}, errNotFound("user")
	}
	user, err := s.called(ctx, h)
	if err != nil {
		return User{}, err
	}
	if user.Deleting || !user.MemberOf(org) {
		return User{}, errNotFound("user")
	}
	return user, nil
}

// Number returns the number that systems with numbered users call a user by: given once, on first need, and never another user's.
func (s *Users) Number(ctx context.Context, id string) (uint64, error) {
	return s.Store.NumberUser(ctx, id)
}

// Numbered is Find by number.
func (s *Users) Numbered(ctx context.Context, caller *Caller, orgName string, number uint64) (User, error) {
	user, err := s.find(caller, orgName, "", func(string) (*User, error) {
		id, err := s.Store.NumberedUser(ctx, number)
		if err != nil {
			return nil, err
		}
		if id == "" {
			return nil, errNotFound("user")
		}
		user, _, err := s.Store.User(ctx, id)
		return &user, err
	})
	if err != nil {
		return User{}, err
	}
	return *user, nil
}
