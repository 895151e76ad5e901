package auth

import (
	"context"
	"strings"
	"time"
)

func (s *Users) passwordHash(ctx context.Context, n NewUser, u *User) (string, error) {
	switch {
	case n.Password != "" && n.PasswordHash != "":
		return "", &Error{Code: InvalidRequest, Field: "password_hash", Detail: "give a password or its hash, not both"}
	case n.PasswordHash != "":
		return n.PasswordHash, s.Hasher.CheckImported(n.PasswordHash)
	case n.Password != "":
		return s.Hasher.Hash(ctx, n.Password, namesOf(u)...)
	}
	return "", nil
}

// namesOf are the words a password of the user must not be.
func namesOf(u *User) []string {
	local, _, _ := strings.Cut(u.Email, "@")
	return append([]string{u.ID, u.Username, u.Email, local}, u.Orgs...)
}

// SetPassword replaces a user's password and ends everything issued under the old one. An operator of the home organisation sets
// it outright; a user needs his present one.
func (s *Users) SetPassword(ctx context.Context, caller *Caller, orgName, name, current, password string) error {
	user, err := s.Find(ctx, caller, orgName, name)
	if err == nil {
		err = s.setPassword(ctx, caller, user, current, password)
	}
	s.record(ctx, "user.password", caller, caller.orgOf(orgName), user.ID, err)
	return err
}

func (s *Users) setPassword(ctx context.Context, caller *Caller, user User, current, password string) error {
	if _, self := caller.Self(caller.HomeOrg()); self {
		if err := s.checkCurrent(ctx, &user, current); err != nil {
			return err
		}
	} else if !caller.MayWrite(user.Orgs[0]) {
		return errForbidden("change this user")
	}
	hash, err := s.Hasher.Hash(ctx, password, namesOf(&user)...)
	if err != nil {
		return err
	}
	err = unlessChanged(nil, func() error {
		present, _, err := s.Store.User(ctx, user.ID)
		if err != nil {
			return err
		}
		present.Epoch++
		present.UpdatedAt = s.Now()
		_, err = s.Store.PutUser(ctx, present, &hash, nil, newOperation())
		return err
	})
	if err == nil {
		s.Callers.Forget()
	}
	return err
}

func (s *Users) checkCurrent(ctx context.Context, user *User, current string) error {
	account := Bucket{Kind: "password", Subject: "user:" + user.ID, Burst: 5, Period: time.Minute}
	wait, err := s.Limiter.Take(ctx, []Bucket{account})
	if err != nil {
		return err
	}
	if wait > 0 {
		return &Error{Code: Throttled, Detail: "too many attempts, try again later", RetryAfter: wait}
	}
	_, hash, err := s.Store.User(ctx, user.ID)
	if err != nil {
		return err
	}
	ok := false
	if hash != "" {
		if ok, _, err = s.Hasher.Verify(ctx, hash, current); err != nil {
			return err
		}
	}
	if !ok {
		return &Error{Code: AccessDenied, Field: "current_password", Detail: "the present password is wrong"}
	}
	return s.Limiter.Reset(ctx, []Bucket{account})
}
