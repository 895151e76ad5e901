package auth

import (
	"context"
	"strings"
)

// CheckNew reports what Create would refuse a new user for, and creates nobody. Repeating a Create that happened is refused for nothing.
func (s *Users) CheckNew(ctx context.Context, caller *Caller, orgName string, n NewUser, idempotencyKey string) error {
	org := caller.OrgOf(orgName)
	if err := caller.refuse(caller.MayWrite(org), org, "user"); err != nil {
		return err
	}
	if _, err := s.Registry.Org(ctx, org); err != nil {
		return err
	}
	user, err := s.newUser(n, org)
	if err != nil {
		return err
	}
	if idempotencyKey != "" && n.ID == "" {
		user.ID = keyedUserID(keyedOperation(caller, org, idempotencyKey))
	}
	if err := s.checkPassword(n, &user); err != nil {
		return err
	}
	if n.ID != "" {
		if used, err := s.Store.UserIDUsed(ctx, n.ID); err != nil {
			return err
		} else if used {
			return errIDUsed
		}
	}
	if err := s.noOneIsCalled(ctx, &user); err != nil {
		return err
	}
	for _, h := range user.Handles() {
		if err := s.checkFree(ctx, h, user.ID); err != nil {
			return err
		}
	}
	return nil
}

// checkFree reports whether another user has a handle.
func (s *Users) checkFree(ctx context.Context, h Handle, id string) error {
	owner, err := s.Store.HandleOwner(ctx, h)
	if err != nil || owner == "" || owner == id {
		return err
	}
	holder, _, err := s.Store.User(ctx, owner)
	if CodeOf(err) == NotFound {
		return nil
	}
	if err == nil && (holder.Deleting || owns(&holder, h)) {
		return errTaken(h)
	}
	return err
}

func (s *Users) checkPassword(n NewUser, u *User) error {
	switch {
	case n.PasswordHash == "" && n.HashAlgorithm != "":
		return errNoHash
	case n.Password != "" && n.PasswordHash != "":
		return errTwoPasswords
	case n.PasswordHash != "":
		return s.Hasher.CheckHash(n.imported())
	case n.Password != "":
		return s.Hasher.Check(n.Password, namesOf(u)...)
	}
	return nil
}

// keyedOperation is the operation of a Create that may be repeated, keyedUserID the id of the user it makes.
func keyedOperation(caller *Caller, org, key string) string {
	return hashSecret(strings.Join([]string{"create user", caller.Ref(), org, key}, "\x00"))
}

func keyedUserID(op string) string { return apiTokenID("user id\x00" + op) }
