package authorize

import (
	"context"
	"slices"

	"github.com/claimsmith/claimsmith/auth"
)

var (
	errPrimary = &auth.Error{Code: auth.LoginRequired, Detail: "it took too long, begin with your name again"}
	errPasskey = &auth.Error{Code: auth.InvalidCredentials, Field: "response", Detail: "this passkey was not accepted: try again"}
	// One who has only shown that he holds a key has still to show something he knows.
	errUnverified = &auth.Error{
		Code: auth.InvalidCredentials, Field: "response",
		Detail: "this passkey did not ask who you are: sign in with your password first",
	}
)

// SignIn checks a name and a password. Where the user has a second factor it notes in f that the first is done and returns no subject.
func (s *Service) SignIn(ctx context.Context, f *Flow, name, password, address string) (*auth.Subject, error) {
	user, err := s.Authenticator.Password(ctx, name, password, address)
	s.recordLogin(ctx, &user, err)
	if err != nil {
		return nil, err
	}
	return s.loggedIn(ctx, f, &user, auth.MethodPassword)
}

// loggedIn is what one method of proving who one is amounts to: everything, for a user without a second factor.
func (s *Service) loggedIn(ctx context.Context, f *Flow, user *auth.User, method string) (*auth.Subject, error) {
	required, err := s.Factors.Required(ctx, user.ID)
	if err != nil {
		return nil, err
	}
	subject := s.subject(user, method)
	if !required {
		return &subject, nil
	}
	f.Primary = &subject
	return nil, nil //nolint:nilnil // as SignIn says
}

// subject is a user who has proved who he is in his home organisation; which one the flow goes on in is decided later.
func (s *Service) subject(user *auth.User, methods ...string) auth.Subject {
	return auth.Subject{User: user.ID, Org: user.Orgs[0], AuthTime: s.Now(), AMR: methods, ACR: auth.ClassOf(methods), Epoch: user.Epoch}
}

// CheckCode checks the one-time password or recovery code that is due. LoginRequired: none is due any more.
func (s *Service) CheckCode(ctx context.Context, f *Flow, code, address string) (*auth.Subject, error) {
	if !s.primaryDone(f) {
		return nil, errPrimary
	}
	if err := s.Factors.CheckCode(ctx, f.Primary.User, code, address); err != nil {
		return nil, err
	}
	return s.complete(f, auth.MethodCode), nil
}

// CheckPasskey checks a browser's answer to a passkey ceremony: alone, or as the second factor that is due. Alone it must have verified the
// user; where it has not it is a first factor, and if there is a second of another kind, that is due then.
func (s *Service) CheckPasskey(ctx context.Context, f *Flow, state, response, address string) (*auth.Subject, error) {
	id, verified, err := s.Factors.FinishLogin(ctx, state, response, address)
	if err != nil {
		return nil, err
	}
	if s.primaryDone(f) && f.Primary.User == id && !slices.Contains(f.Primary.AMR, auth.MethodKey) {
		return s.complete(f, auth.MethodKey), nil
	}
	user, err := s.activeUser(ctx, id)
	switch {
	case err != nil:
		return nil, err
	case user == nil:
		return nil, errPasskey
	}
	// After the epoch was read: a reset that came in between has removed the passkey, and one that comes later ends this login.
	factors, err := s.Factors.Of(ctx, id)
	switch {
	case err != nil:
		return nil, err
	case len(factors.Passkeys) == 0:
		return nil, errPasskey
	case verified:
		subject := s.subject(user, auth.MethodKey, auth.MethodsTwo)
		return &subject, nil
	case factors.TOTP == nil:
		return nil, errUnverified
	}
	return s.loggedIn(ctx, f, user, auth.MethodKey)
}

// complete adds the second method to the first. The epoch stays that of the first, so that what has changed since makes both void.
func (s *Service) complete(f *Flow, method string) *auth.Subject {
	subject := *f.Primary
	subject.AMR = append(slices.Clip(subject.AMR), method, auth.MethodsTwo)
	subject.ACR, subject.AuthTime = auth.ClassTwo, s.Now()
	f.Primary = nil
	return &subject
}

// recordLogin notes a password that was tried; whose, if he exists, is for the log alone.
func (s *Service) recordLogin(ctx context.Context, user *auth.User, err error) {
	e := auth.Outcome(actionPassword, "", err)
	if user.ID != "" {
		e.Org, e.Target = user.Orgs[0], "user:"+user.ID
	}
	if err == nil {
		e.Actor = "user:" + user.ID
	}
	s.Audit.Record(ctx, e)
}
