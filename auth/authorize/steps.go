package authorize

import (
	"context"
	"slices"
	"time"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/session"
)

// primaryLifetime is how long after the password the second factor may come.
const primaryLifetime = 10 * time.Minute

// place is a flow that has got as far as its user and his organisation.
type place struct {
	flow    *Flow
	client  *auth.Client // nil for the pages of an account
	session *session.Session
	user    *auth.User
	org     *auth.Org
}

// Next decides what has to happen before a flow is answered, for a browser with that session or nil. It may be asked at any time and as
// often as wanted; where nothing is left to do it answers (StepAnswer), which makes a code.
func (s *Service) Next(ctx context.Context, f *Flow, sess *session.Session) (*Step, error) {
	at, step, err := s.advance(ctx, f, sess)
	if err != nil || step != nil {
		return step, err
	}
	if f.toAccount() {
		return &Step{Kind: StepPage, User: at.user, Org: at.org}, nil
	}
	due, err := s.consentDue(ctx, at)
	switch {
	case err != nil:
		return nil, err
	case due && f.asks("none"):
		return s.refuse(ctx, at, &auth.Error{Code: auth.ConsentRequired, Detail: "the user has not agreed to this yet"})
	case due:
		return s.askConsent(ctx, at)
	}
	return s.grant(ctx, at)
}

// advance goes through everything that comes before consent. Exactly one of its results is not nil.
func (s *Service) advance(ctx context.Context, f *Flow, sess *session.Session) (*place, *Step, error) {
	at := &place{flow: f, session: sess}
	var err error
	if at.client, err = s.clientOf(ctx, f); err != nil {
		return nil, nil, err
	}
	if at.user, err = s.userOf(ctx, sess); err != nil {
		return nil, nil, err
	}
	for _, check := range []func(context.Context, *place) (*Step, error){
		s.checkLogin, s.checkClass, s.checkPassword, s.checkAccount, s.checkOrg,
	} {
		if step, err := check(ctx, at); err != nil || step != nil {
			return nil, step, err
		}
	}
	return at, nil, nil
}

// clientOf reads the client of a flow again: what was right when the flow began need not be so any more (row A-06).
func (s *Service) clientOf(ctx context.Context, f *Flow) (*auth.Client, error) {
	if f.toAccount() {
		return nil, nil //nolint:nilnil // an account's pages have none
	}
	client, err := s.client(ctx, f.Client)
	if err != nil {
		return nil, err
	}
	grantType := auth.GrantAuthorizationCode
	if f.Page == PageDevice {
		grantType = auth.GrantDeviceCode
	}
	if !client.Allows(grantType) {
		return nil, &auth.Error{Code: auth.UnauthorizedClient, Detail: "this client may not use this grant type"}
	}
	if f.Page == "" && !client.RedirectsTo(f.RedirectURI) {
		return nil, invalid("redirect_uri", "it is no longer registered for this client")
	}
	return client, nil
}

// userOf returns whom a session belongs to, nil where it counts for nothing: no session, a user who is disabled or gone, or one whose
// credentials have changed since (rows L-08, S-03).
func (s *Service) userOf(ctx context.Context, sess *session.Session) (*auth.User, error) {
	if sess == nil {
		return nil, nil //nolint:nilnil // nobody is logged in
	}
	user, err := s.activeUser(ctx, sess.User)
	if err != nil || user == nil || user.Epoch != sess.Epoch || !s.Now().Before(sess.ExpiresAt) {
		return nil, err
	}
	return user, nil
}

// activeUser returns a user who may log in, or nil.
func (s *Service) activeUser(ctx context.Context, id string) (*auth.User, error) {
	user, _, err := s.Users.User(ctx, id)
	if auth.CodeOf(err) == auth.NotFound || err == nil && (user.Disabled || user.Deleting) {
		return nil, nil //nolint:nilnil // nobody who may log in
	}
	if err != nil {
		return nil, err
	}
	return &user, nil
}

// checkLogin: is the user logged in, as the one who is expected, and recently enough?
func (s *Service) checkLogin(ctx context.Context, at *place) (*Step, error) {
	f := at.flow
	if at.user == nil {
		return s.askLogin(ctx, at)
	}
	fresh := !at.session.AuthTime.Before(f.Began)
	if f.HintUser != "" && f.HintUser != at.user.ID {
		if fresh { // OpenID Connect Core §3.1.2.1, id_token_hint
			return s.refuse(ctx, at, &auth.Error{Code: auth.LoginRequired, Detail: "another user than the expected one has logged in"})
		}
		return s.askLogin(ctx, at)
	}
	if !fresh && (f.asks("login") || f.MaxAge != nil && !s.within(at.session.AuthTime, *f.MaxAge)) {
		return s.askLogin(ctx, at)
	}
	return nil, nil //nolint:nilnil // goes on
}

// within reports whether a login is at most that many seconds old: with 0 none is that was not made on the way.
func (s *Service) within(login time.Time, maxAge int64) bool {
	return s.Now().Sub(login) <= time.Duration(maxAge)*time.Second
}

// checkClass: is the login of the class (acr) that is asked for? One that needs a second factor is asked for where the user has one.
func (s *Service) checkClass(ctx context.Context, at *place) (*Step, error) {
	f := at.flow
	if len(f.ACR) == 0 || f.ACR[0] == auth.ClassOne || auth.ClassOf(at.session.AMR) == auth.ClassTwo {
		return nil, nil //nolint:nilnil // goes on
	}
	factors, err := s.Factors.Of(ctx, at.user.ID)
	switch {
	case err != nil:
		return nil, err
	case factors.Any():
		return s.askLogin(ctx, at)
	case f.ACREssential && !slices.Contains(f.ACR, auth.ClassOne): // OpenID Connect Core §5.5.1.1
		return s.refuse(ctx, at, &auth.Error{Code: auth.UnmetAuthentication, Detail: "this user has no second factor"})
	}
	return nil, nil //nolint:nilnil // what is not essential is voluntary
}

// checkPassword: is it the user's own? One that somebody else has chosen is good for nothing but being replaced (row L-13).
func (s *Service) checkPassword(ctx context.Context, at *place) (*Step, error) {
	switch {
	case !at.user.MustChangePassword:
		return nil, nil //nolint:nilnil // goes on
	case at.flow.asks("none"):
		return s.refuse(ctx, at, &auth.Error{Code: auth.InteractionRequired, Detail: "the user must choose another password"})
	}
	return s.step(ctx, at, StepPassword)
}

// checkAccount: has the user said that it is this account he wants to go on with? Having just logged in says so.
func (s *Service) checkAccount(ctx context.Context, at *place) (*Step, error) {
	f := at.flow
	if !f.asks("select_account") || f.Chosen || !at.session.AuthTime.Before(f.Began) {
		return nil, nil //nolint:nilnil // goes on
	}
	return s.step(ctx, at, StepAccount)
}

// checkOrg: which organisation is it in? Being no member of it and its being disabled or unknown are the same answer (row A-05).
func (s *Service) checkOrg(ctx context.Context, at *place) (*Step, error) {
	f := at.flow
	var orgs []auth.Org
	for _, slug := range at.user.Orgs {
		if f.Org != "" && f.Org != slug || at.client != nil && !at.client.Serves(slug) {
			continue
		}
		org, err := s.Registry.Org(ctx, slug)
		if auth.CodeOf(err) == auth.NotFound {
			continue
		}
		if err != nil {
			return nil, err
		}
		orgs = append(orgs, *org)
	}
	switch {
	case len(orgs) == 0:
		return s.refuse(ctx, at, &auth.Error{Code: auth.AccessDenied, Detail: "this user cannot use this application"})
	case len(orgs) == 1 || f.toAccount(): // the account is that of the home organisation
		at.org = &orgs[0]
		return nil, nil //nolint:nilnil // goes on
	case f.asks("none"):
		return s.refuse(ctx, at, &auth.Error{Code: auth.InteractionRequired, Detail: "the user must choose an organisation"})
	}
	step, err := s.step(ctx, at, StepOrg)
	if err == nil {
		step.Orgs = orgs
	}
	return step, err
}

// askLogin asks for whatever is missing: a name and password, or the second factor after them.
func (s *Service) askLogin(ctx context.Context, at *place) (*Step, error) {
	if at.flow.asks("none") {
		return s.refuse(ctx, at, &auth.Error{Code: auth.LoginRequired, Detail: "the user must log in"})
	}
	if !s.primaryDone(at.flow) {
		return s.step(ctx, at, StepSignIn)
	}
	factors, err := s.Factors.Of(ctx, at.flow.Primary.User)
	if auth.CodeOf(err) == auth.NotFound || err == nil && !factors.Any() {
		return s.step(ctx, at, StepSignIn)
	}
	if err != nil {
		return nil, err
	}
	step, err := s.step(ctx, at, StepFactor)
	if err == nil {
		step.Factors = factors
	}
	return step, err
}

func (s *Service) primaryDone(f *Flow) bool {
	return f.Primary != nil && s.Now().Sub(f.Primary.AuthTime) <= primaryLifetime
}

// step is a page, in the look of the organisation it is known to be about: the one decided, the one asked for, or the client's.
func (s *Service) step(ctx context.Context, at *place, kind StepKind) (*Step, error) {
	step := &Step{Kind: kind, Client: at.client, Org: at.org, User: at.user}
	if step.Org != nil {
		return step, nil
	}
	slugs := []string{at.flow.Org}
	if at.client != nil {
		slugs = append(slugs, at.client.Org)
	}
	var err error
	step.Org, err = s.look(ctx, slugs...)
	return step, err
}

// look returns the first of some organisations that there is, or else the default one.
func (s *Service) look(ctx context.Context, slugs ...string) (*auth.Org, error) {
	for _, slug := range slugs {
		if org, err := s.Registry.Org(ctx, slug); err == nil || auth.CodeOf(err) != auth.NotFound {
			return org, err
		}
	}
	return s.Registry.Org(ctx, auth.DefaultOrg)
}

// refuse ends a flow: by an answer to its client, or, where there is none to be redirected to, with the error itself.
func (s *Service) refuse(ctx context.Context, at *place, err error) (*Step, error) {
	client, org := "", ""
	if at.client != nil {
		client, org = at.client.ID, at.client.Org
	}
	s.record(ctx, actionAuthorize, at.user, org, client, err)
	if at.flow.Page != "" {
		return nil, err
	}
	return &Step{Kind: StepAnswer, Answer: s.failure(at.flow, err), Client: at.client, User: at.user}, nil
}
