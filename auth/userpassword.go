package auth

import (
	"context"
	"strings"
	"time"
)

var errTwoPasswords = &Error{Code: InvalidRequest, Field: "password_hash", Detail: "give a password or its hash, not both"}

var errNoHash = &Error{Code: InvalidRequest, Field: hashAlgorithmKey, Detail: "only with password_hash"}

func (n *NewUser) imported() ImportedHash { return ImportedHash{n.HashAlgorithm, n.PasswordHash} }

func (s *Users) passwordHash(ctx context.Context, n NewUser, u *User) (string, error) {
	switch {
	case n.PasswordHash == "" && n.HashAlgorithm != "":
		return "", errNoHash
	case n.Password != "" && n.PasswordHash != "":
		return "", errTwoPasswords
	case n.PasswordHash != "":
		return s.Hasher.Import(ctx, n.imported())
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

// NewPassword is what a password is replaced by.
type NewPassword struct {
	Password string
	// Current is the present one, which a user needs for his own.
	Current string
	// Temporary makes the user choose another one before anything else; only an operator's choice can be.
	Temporary bool
}

// SetPassword replaces a user's password and ends everything issued under the old one. An operator of the home organisation sets
// it outright; a user needs his present one.
func (s *Users) SetPassword(ctx context.Context, caller *Caller, orgName, name string, p NewPassword) error {
	user, err := s.Find(ctx, caller, orgName, name)
	if err == nil {
		err = s.setPassword(ctx, caller, user, p)
	}
	s.record(ctx, "user.password", caller, caller.OrgOf(orgName), user.ID, err)
	return err
}

func (s *Users) setPassword(ctx context.Context, caller *Caller, user User, p NewPassword) error {
	_, self := caller.Self(caller.HomeOrg())
	if self && p.Temporary {
		return &Error{Code: InvalidRequest, Field: "temporary", Detail: "only an operator's choice can be temporary"}
	}
	verified := ""
	var err error
	if self {
		verified, err = s.checkCurrent(ctx, &user, p.Current)
	} else if !caller.mayManage(&user) {
		err = errForbidden("change this user")
	}
	if err != nil {
		return err
	}
	hash, err := s.Hasher.Hash(ctx, p.Password, namesOf(&user)...)
	if err != nil {
		return err
	}
	epoch := uint64(0)
	err = unlessChanged(nil, func() error {
		present, stored, err := s.Store.User(ctx, user.ID)
		switch {
		case err != nil:
			return err
		case self && stored != verified: // somebody set another one while this one was being hashed
			return errPresentPassword
		case !self && !caller.mayManage(&present):
			return errForbidden("change this user")
		}
		present.Epoch++
		present.MustChangePassword = p.Temporary
		present.UpdatedAt = s.Now()
		epoch = present.Epoch
		_, err = s.Store.PutUser(ctx, present, &hash, nil, newOperation())
		return err
	})
	if err != nil {
		return err
	}
	s.Callers.Forget()
	return s.endSessions(ctx, user.ID, epoch)
}

var errPresentPassword = &Error{Code: AccessDenied, Field: "current_password", Detail: "the present password is wrong"}

// checkCurrent returns the stored hash that the present password matches.
func (s *Users) checkCurrent(ctx context.Context, user *User, current string) (hash string, err error) {
	account := Bucket{Kind: "password", Subject: "user:" + user.ID, Burst: 5, Period: time.Minute}
	if err := Attempt(ctx, s.Limiter, account); err != nil {
		return "", err
	}
	if _, hash, err = s.Store.User(ctx, user.ID); err != nil {
		return "", err
	}
	ok := false
	if hash != "" {
		if ok, _, err = s.Hasher.Verify(ctx, hash, current); err != nil {
			return "", err
		}
	}
	if !ok {
		return "", errPresentPassword
	}
	return hash, s.Limiter.Reset(ctx, []Bucket{account})
}
