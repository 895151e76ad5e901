package factor

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"time"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/keys"
	"github.com/claimsmith/claimsmith/internal/audit"
)

// Service enrols, checks and removes factors. What a user does about his own is for pages that have just seen him prove who he is.
type Service struct {
	Store   Store
	Once    auth.OnceStore
	Users   *auth.Users
	UserIDs auth.UserStore
	Limiter auth.Limiter
	Sealer  *keys.Sealer
	// Issuer is the issuer's URL: its host is the relying party id of passkeys and what authenticator apps show, its origin theirs.
	Issuer string
	Audit  audit.Log
	Now    func() time.Time
}

// Of returns what a user has.
func (s *Service) Of(ctx context.Context, user string) (Factors, error) {
	return s.Store.Factors(ctx, user)
}

// Required reports whether a password alone does not do for a user. It implements auth.SecondFactor.
func (s *Service) Required(ctx context.Context, user string) (bool, error) {
	f, err := s.Store.Factors(ctx, user)
	return f.Any(), err
}

var (
	errCode = &auth.Error{Code: auth.InvalidCredentials, Field: "otp", Detail: "this code is wrong, or it was used before"}
	// A user without codes has proved his password already, so he may be told.
	errNoCodes = &auth.Error{
		Code: auth.SecondFactorRequired, Field: "otp",
		Detail: "this user has a passkey and no codes: sign in with a browser",
	}
)

// CheckCode checks a one-time password or a recovery code of a user; each works once. InvalidCredentials or Throttled, or
// SecondFactorRequired for a user who has only passkeys. It implements auth.SecondFactor. Guesses count per user wherever they come
// from: who makes them knows the password, and a passkey still lets the owner in.
func (s *Service) CheckCode(ctx context.Context, user, code, _ string) error {
	u, err := s.active(ctx, user)
	if err == nil {
		err = s.checkCode(ctx, user, code)
	}
	if auth.CodeOf(err) == auth.NotFound {
		err = errCode
	}
	s.record(ctx, "factor.verify", "user:"+u.ID, &u, err)
	return err
}

func (s *Service) checkCode(ctx context.Context, user, code string) error {
	guesses := auth.Bucket{Kind: "factor", Subject: "user:" + user, Burst: 5, Period: 30 * time.Second}
	if err := auth.Attempt(ctx, s.Limiter, guesses); err != nil {
		return err
	}
	err := s.change(ctx, user, func(f *Factors) error {
		if f.TOTP == nil && len(f.RecoveryCodes) == 0 && f.Any() {
			return errNoCodes
		}
		text := compact(code)
		if isOneTime(text) {
			return s.useTOTP(f, user, text)
		}
		return useRecoveryCode(f, user, text)
	})
	if err != nil {
		return err
	}
	return s.Limiter.Reset(ctx, []auth.Bucket{guesses})
}

// Reset removes all factors of a user and ends everything issued to him: for an operator of his home organisation, when they are lost.
// It can be repeated until it succeeds.
func (s *Service) Reset(ctx context.Context, caller *auth.Caller, org, name string) error {
	user, err := s.Users.Managed(ctx, caller, org, name)
	if err == nil {
		err = s.change(ctx, user.ID, func(f *Factors) error {
			*f = Factors{Version: f.Version}
			return nil
		})
	}
	if err == nil { // last, so that it ends what the lost factors still opened meanwhile
		err = s.Users.EndIssued(ctx, user.ID)
	}
	e := auth.Outcome("factor.reset", caller.Ref(), err)
	org = caller.OrgOf(org)
	if auth.ValidSlug(org) {
		e.Org = org
	}
	if user.ID != "" {
		e.Target = "user:" + user.ID
	}
	s.Audit.Record(ctx, e)
	return err
}

// active returns a user who may log in. Anybody else is NotFound.
func (s *Service) active(ctx context.Context, id string) (auth.User, error) {
	if !auth.ValidUserID(id) {
		return auth.User{}, errNoUser
	}
	u, _, err := s.UserIDs.User(ctx, id)
	if err == nil && (u.Deleting || u.Disabled) {
		err = errNoUser
	}
	return u, err
}

var errNoUser = &auth.Error{Code: auth.NotFound, Detail: "no such user"}

// own makes a change a user makes to his own factors, and records it.
func (s *Service) own(ctx context.Context, action, user string, change func(*Factors) error) error {
	u, err := s.active(ctx, user)
	if err == nil {
		err = s.change(ctx, user, change)
	}
	s.record(ctx, action, "user:"+u.ID, &u, err)
	return err
}

// change makes a change that starts with reading what a user has. Where somebody else was quicker it is made again.
func (s *Service) change(ctx context.Context, user string, change func(*Factors) error) error {
	const attempts = 8
	for n := 1; ; n++ {
		f, err := s.Store.Factors(ctx, user)
		if err != nil {
			return err
		}
		if err := change(&f); err != nil {
			return err
		}
		_, err = s.Store.PutFactors(ctx, user, f, rand.Text())
		switch {
		case auth.CodeOf(err) != auth.PreconditionFailed:
			return err
		case n == attempts:
			return &auth.Error{Code: auth.Busy, Detail: "too much happens to this user at once, try again", RetryAfter: time.Second, Err: err}
		}
	}
}

// record notes what happened to the factors of a user, who may be nobody.
func (s *Service) record(ctx context.Context, action, actor string, u *auth.User, err error) {
	if u.ID == "" {
		actor = ""
	}
	e := auth.Outcome(action, actor, err)
	if u.ID != "" {
		e.Org, e.Target = u.Orgs[0], "user:"+u.ID
	}
	s.Audit.Record(ctx, e)
}

// maxText bounds what comes back from a browser, before it is looked at.
const maxText = 64 << 10

// seal makes the text of a state that travels through the browser, and open reads it.
func (s *Service) seal(plain []byte, purpose string, bound ...string) string {
	return base64.RawURLEncoding.EncodeToString(s.Sealer.Seal(plain, purpose, bound...))
}

func (s *Service) open(text, purpose string, bound ...string) ([]byte, bool) {
	if len(text) > maxText {
		return nil, false
	}
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, false
	}
	plain, err := s.Sealer.Open(sealed, purpose, bound...)
	return plain, err == nil
}
