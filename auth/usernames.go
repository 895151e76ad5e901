package auth

import (
	"context"
	"errors"
)

func setNames(u *User, username, email *string, verified *bool) error {
	if username != nil {
		u.Username = ""
		if *username != "" {
			h, err := ParseUsername(*username)
			if err != nil {
				return err
			}
			u.Username = h.Canonical
		}
	}
	if email != nil {
		if *email == "" {
			u.Email, u.EmailVerified = "", false
		} else {
			h, err := ParseEmail(*email)
			if err != nil {
				return err
			}
			// An address is verified anew whenever it changes, unless the operator says otherwise in the same call.
			if h.Canonical != u.Email {
				u.Email, u.EmailVerified = h.Canonical, false
			}
		}
	}
	if verified != nil {
		if *verified && u.Email == "" {
			return &Error{Code: InvalidRequest, Field: "email_verified", Detail: "there is no email to be verified"}
		}
		u.EmailVerified = *verified
	}
	return nil
}

var errIDUsed = &Error{Code: Conflict, Field: "id", Detail: "this id is or was in use"}

// An id and a username of the same text would name two people in one path.
func (s *Users) noOneIsCalled(ctx context.Context, u *User) error {
	if u.Version == 0 {
		// Its own tokens would be the user's (row O-21).
		if _, err := s.Registry.ClientStore.Client(ctx, u.ID); err == nil {
			return errIDUsed
		} else if CodeOf(err) != NotFound {
			return err
		}
	}
	if h, err := ParseUsername(u.ID); err == nil {
		if owner, err := s.Store.HandleOwner(ctx, h); err != nil {
			return err
		} else if owner != "" && owner != u.ID {
			return &Error{Code: Conflict, Field: "id", Detail: "this id is somebody's username"}
		}
	}
	if u.Username == u.ID || !ValidUserID(u.Username) {
		return nil
	}
	_, _, err := s.Store.User(ctx, u.Username)
	if err == nil {
		return &Error{Code: Conflict, Field: "username", Detail: "this username is somebody's id"}
	}
	if CodeOf(err) == NotFound {
		return nil
	}
	return err
}

// How a handle gets from one user to another, though it lives on another server than they do: an operation claims it in its own name,
// writes the record, and then settles it on the user. Until that, whoever wants the handle may take it from the operation if the record
// does not have it, which the operation notices when it settles; after that, nobody holds what he read the operation to
// hold, and has to look at the record again. So of all who want a handle at once exactly one settles it.

// claimHandles has an operation of a user hold handles, taking over those whose holder does not have them in his record. When it
// fails it has given back what it claimed.
func (s *Users) claimHandles(ctx context.Context, handles []Handle, by Holder) error {
	for n, h := range handles {
		if err := s.claimHandle(ctx, h, by); err != nil {
			s.abandonHandles(ctx, handles[:n], by)
			return err
		}
	}
	return nil
}

func (s *Users) claimHandle(ctx context.Context, h Handle, by Holder) error {
	holder, err := s.Store.ClaimHandle(ctx, h, by, Holder{})
	if err != nil || holder == by {
		return err
	}
	user, _, err := s.Store.User(ctx, holder.User)
	if CodeOf(err) != NotFound && err != nil {
		return err
	}
	if err == nil && (user.Deleting || owns(&user, h)) {
		return errTaken(h)
	}
	if holder, err = s.Store.ClaimHandle(ctx, h, by, holder); err != nil {
		return err
	}
	if holder != by {
		return errTaken(h)
	}
	return nil
}

func errTaken(h Handle) error {
	return &Error{Code: Conflict, Field: string(h.Kind), Detail: "this " + string(h.Kind) + " is in use"}
}

// settleHandles ends an operation's hold on handles: those in the record it wrote become the user's, the others free. It is a Conflict
// when somebody else took one of his.
func (s *Users) settleHandles(ctx context.Context, u *User, handles []Handle, by Holder) error {
	var errs []error
	for _, h := range handles {
		if owns(u, h) {
			errs = append(errs, s.settleHandle(ctx, h, by))
		} else {
			_ = s.Store.ReleaseHandle(ctx, h, by) // or whoever wants it next takes it over
		}
	}
	return errors.Join(errs...)
}

func (s *Users) settleHandle(ctx context.Context, h Handle, by Holder) error {
	settled, err := s.Store.SettleHandle(ctx, h, by)
	if settled || err != nil {
		return err
	}
	// Somebody took it over, and may have given it up again; or the user is being deleted, and must not get it back.
	if err := s.claimHandle(ctx, h, by); err != nil {
		return err
	}
	user, _, err := s.Store.User(ctx, by.User)
	switch {
	case CodeOf(err) == NotFound, err == nil && (user.Deleting || !owns(&user, h)):
		_ = s.Store.ReleaseHandle(ctx, h, by)
		return errNotFound("user")
	case err != nil:
		return err
	}
	if settled, err = s.Store.SettleHandle(ctx, h, by); err == nil && !settled {
		err = errTaken(h)
	}
	return err
}

// write stores what old has become, with the handles that come and go. stored reports whether it did: an error after that may be a
// Conflict, when somebody else was quicker, and user is then what it was before.
func (s *Users) write(ctx context.Context, user, old *User, left []string) (stored bool, err error) {
	claim := Holder{user.ID, newOperation()}
	moving := append(without(user.Handles(), old.Handles()), without(old.Handles(), user.Handles())...)
	if err := s.claimHandles(ctx, moving, claim); err != nil {
		return false, err
	}
	user.Version, err = s.Store.PutUser(ctx, *user, nil, left, claim.Operation)
	if err != nil {
		if CodeOf(err) != Unavailable {
			s.abandonHandles(ctx, moving, claim)
		}
		return false, err
	}
	s.changed()
	err = s.settleHandles(ctx, user, moving, claim)
	if CodeOf(err) == Conflict {
		err = errors.Join(err, s.undo(ctx, user, old, moving, claim))
	}
	return true, err
}

// undo makes a user what he was before an operation that somebody else was quicker than, but for what ended with it.
func (s *Users) undo(ctx context.Context, u, old *User, handles []Handle, by Holder) error {
	before := *old
	before.Version, before.Epoch, before.Orgs, before.Left, before.Role = u.Version, u.Epoch, u.Orgs, u.Left, u.Role
	version, err := s.Store.PutUser(ctx, before, nil, nil, newOperation())
	if err != nil {
		return err
	}
	*u = before
	u.Version = version
	return s.settleHandles(ctx, u, handles, by)
}

// abandonHandles ends the hold of an operation that changed nothing: what the user had he keeps. What it leaves behind on the way is
// taken over by whoever wants it next.
func (s *Users) abandonHandles(ctx context.Context, handles []Handle, by Holder) {
	user, _, err := s.Store.User(ctx, by.User)
	if err != nil && CodeOf(err) != NotFound {
		return
	}
	for _, h := range handles {
		if owns(&user, h) && !user.Deleting {
			_, _ = s.Store.SettleHandle(ctx, h, by)
		} else {
			_ = s.Store.ReleaseHandle(ctx, h, by)
		}
	}
}

// freeOfDeleted frees a name that leads to a user of whom nothing else is left, because his deletion was cut off.
func (s *Users) freeOfDeleted(ctx context.Context, name string) error {
	h, err := ParseHandle(name)
	if err != nil {
		return nil //nolint:nilerr // nobody's name
	}
	id, err := s.Store.HandleOwner(ctx, h)
	if err != nil || id == "" {
		return err
	}
	if _, _, err := s.Store.User(ctx, id); CodeOf(err) != NotFound {
		return err
	}
	used, err := s.Store.UserIDUsed(ctx, id) // or he is being created
	if err != nil || !used {
		return err
	}
	return s.Store.ReleaseHandle(ctx, h, Holder{User: id})
}
