package auth

import (
	"context"
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

// An id and a username of the same text would name two people in one path.
func (s *Users) noOneIsCalled(ctx context.Context, u *User) error {
	if u.Version == 0 {
		// Its own tokens would be the user's (row O-21).
		if _, err := s.Registry.ClientStore.Client(ctx, u.ID); err == nil {
			return &Error{Code: Conflict, Field: "id", Detail: "this id is or was in use"}
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

// claimHandles makes the handles lead to id, taking over those whose last owner no longer has them. What it claimed before it
// failed it gives back.
func (s *Users) claimHandles(ctx context.Context, handles []Handle, id string) error {
	for n, h := range handles {
		if err := s.claimHandle(ctx, h, id); err != nil {
			s.releaseHandles(ctx, handles[:n], id)
			return err
		}
	}
	return nil
}

func (s *Users) claimHandle(ctx context.Context, h Handle, id string) error {
	owner, err := s.Store.ClaimHandle(ctx, h, id, "")
	if err != nil || owner == id {
		return err
	}
	user, _, err := s.Store.User(ctx, owner)
	if CodeOf(err) != NotFound && err != nil {
		return err
	}
	if err == nil && (user.Deleting || owns(&user, h)) {
		return errTaken(h)
	}
	// The handle was left behind by an operation that was cut off. Should that one still be running, it will find its handle
	// gone when it confirms, and give up.
	if owner, err = s.Store.ClaimHandle(ctx, h, id, owner); err != nil {
		return err
	}
	if owner != id {
		return errTaken(h)
	}
	return nil
}

func errTaken(h Handle) error {
	return &Error{Code: Conflict, Field: string(h.Kind), Detail: "this " + string(h.Kind) + " is in use"}
}

// releaseHandles tries to give handles back; one that stays behind is taken over by whoever wants it next.
func (s *Users) releaseHandles(ctx context.Context, handles []Handle, id string) {
	for _, h := range handles {
		_ = s.Store.ReleaseHandle(ctx, h, id)
	}
}

// confirmHandles makes sure that the handles of a user just written lead to him.
func (s *Users) confirmHandles(ctx context.Context, u *User) error {
	for _, h := range u.Handles() {
		owner, err := s.Store.HandleOwner(ctx, h)
		if err != nil {
			return err
		}
		if owner != u.ID {
			return errTaken(h)
		}
	}
	return nil
}
