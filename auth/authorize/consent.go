package authorize

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/session"
	"github.com/claimsmith/claimsmith/claims"
)

// consentDue reports whether the user has to be asked (row O-18). A device's request always asks: whoever began it may be somebody else
// (RFC 8628 §5.4).
func (s *Service) consentDue(ctx context.Context, at *place) (bool, error) {
	f := at.flow
	switch {
	case f.Page == PageDevice, f.asks("consent"):
		return true, nil
	case !at.client.RequireConsent:
		return false, nil
	}
	given, err := s.given(ctx, at)
	return given == nil || !given.Covers(f.consentScope(), f.RedirectURI), err
}

// given is the consent the user has given to this very client, nil for none: one to an earlier client of the same id is not (row M-15).
func (s *Service) given(ctx context.Context, at *place) (*auth.Consent, error) {
	c, err := s.Consents.Consent(ctx, at.user.ID, at.org.Slug, at.client.ID)
	if auth.CodeOf(err) == auth.NotFound || err == nil && c.GrantedAt.Before(at.client.Since.Truncate(time.Second)) {
		return nil, nil //nolint:nilnil // there is none
	}
	if err != nil {
		return nil, err
	}
	return &c, nil
}

// askConsent is the page that shows what agreeing gives away.
func (s *Service) askConsent(ctx context.Context, at *place) (*Step, error) {
	entries, err := s.Tokens.Preview(ctx, at.client, at.org.Slug, at.user.ID)
	if err != nil {
		return nil, err
	}
	scope := at.flow.consentScope()
	step := &Step{
		Kind: StepConsent, Client: at.client, Org: at.org, User: at.user, Scopes: auth.Scopes(scope), Profile: released(at.user, scope),
	}
	if entries != nil {
		for key, value := range entries {
			step.Claims = append(step.Claims, Claim{key, value})
		}
	}
	return step, nil
}

// released is what scopes tell of a user, as userinfo would.
func released(user *auth.User, scope string) (p claims.Profile) {
	info := claims.UserInfo{Scope: scope, Profile: auth.StandardProfile(user)}
	info.Profile.UpdatedAt = time.Time{} // a number there, and nothing to agree to
	if err := json.Unmarshal(info.AppendJSON(nil, nil), &p); err != nil {
		panic(err) // written just before
	}
	return p
}

// errElsewhere: the flow is not at the page that was answered, say because the session has ended meanwhile.
var errElsewhere = &auth.Error{Code: auth.InteractionRequired, Detail: "something else has to be done first"}

// Approve records the consent and answers; for PageDevice the Answer is nil and the device may go on. InteractionRequired: not yet,
// see Next.
func (s *Service) Approve(ctx context.Context, f *Flow, sess *session.Session) (*Answer, error) {
	at, answer, err := s.atConsent(ctx, f, sess)
	if at == nil {
		return answer, err
	}
	err = s.consent(ctx, at)
	s.record(ctx, actionConsent, at.user, at.org.Slug, at.client.ID, err)
	if auth.CodeOf(err) == auth.InvalidGrant {
		return nil, errElsewhere
	}
	if err != nil {
		return nil, err
	}
	if f.Page == PageDevice {
		return nil, s.approveDevice(ctx, at)
	}
	step, err := s.grant(ctx, at)
	if err == nil && step.Answer == nil {
		err = errElsewhere
	}
	if err != nil {
		return nil, err
	}
	return step.Answer, nil
}

// Deny answers access_denied; for PageDevice it refuses the device and the Answer is nil.
func (s *Service) Deny(ctx context.Context, f *Flow, sess *session.Session) (*Answer, error) {
	at, answer, err := s.atConsent(ctx, f, sess)
	if at == nil {
		return answer, err
	}
	if f.Page == PageDevice {
		return nil, s.denyDevice(ctx, at)
	}
	step, err := s.refuse(ctx, at, &auth.Error{Code: auth.AccessDenied, Detail: "the user has refused"})
	if err != nil {
		return nil, err
	}
	return step.Answer, nil
}

// atConsent returns the place of a flow that has got as far as consent, or else what it is answered with.
func (s *Service) atConsent(ctx context.Context, f *Flow, sess *session.Session) (*place, *Answer, error) {
	if f.toAccount() {
		return nil, nil, errFlow
	}
	at, step, err := s.advance(ctx, f, sess)
	switch {
	case err != nil:
		return nil, nil, err
	case step == nil:
		return at, nil, nil
	case step.Answer != nil:
		return nil, step.Answer, nil
	}
	return nil, nil, errElsewhere
}

// consent adds what is asked for to what was given before. What an earlier client of the same id was given is no part of that.
func (s *Service) consent(ctx context.Context, at *place) error {
	given, err := s.given(ctx, at)
	if err == nil && given == nil {
		err = s.Consents.DeleteConsent(ctx, at.user.ID, at.org.Slug, at.client.ID)
	}
	if err != nil {
		return err
	}
	c := auth.Consent{
		Org: at.org.Slug, Client: at.client.ID, Scopes: auth.Scopes(at.flow.consentScope()), GrantedAt: s.Now(),
	}
	if at.flow.RedirectURI != "" {
		c.RedirectURIs = []string{at.flow.RedirectURI}
	}
	return s.Consents.PutConsent(ctx, at.user.ID, c)
}

// ChooseOrg notes which of the user's organisations the flow goes on in.
func (s *Service) ChooseOrg(ctx context.Context, f *Flow, sess *session.Session, org string) error {
	_, step, err := s.advance(ctx, f, sess)
	switch {
	case err != nil:
		return err
	case step == nil || step.Kind != StepOrg:
		return errElsewhere
	case !slices.ContainsFunc(step.Orgs, func(o auth.Org) bool { return o.Slug == org }):
		return &auth.Error{Code: auth.NotFound, Field: "org", Detail: "no such organisation"}
	}
	f.Org = org
	return nil
}

// Application is a client a user has consented to.
type Application struct {
	auth.Consent
	Name string
}

// Applications lists what a user has let clients have, with their names, sorted by these.
func (s *Service) Applications(ctx context.Context, user string) ([]Application, error) {
	consents, err := s.Consents.Consents(ctx, user)
	if err != nil {
		return nil, err
	}
	apps := make([]Application, 0, len(consents))
	for _, c := range consents {
		client, err := s.Registry.ClientStore.Client(ctx, c.Client) // a disabled one too
		if auth.CodeOf(err) == auth.NotFound || err == nil && client.Name == "" {
			client.Name = c.Client
		} else if err != nil {
			return nil, err
		}
		apps = append(apps, Application{Consent: c, Name: client.Name})
	}
	slices.SortFunc(apps, func(a, b Application) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Client, b.Client), cmp.Compare(a.Org, b.Org))
	})
	return apps, nil
}

// Withdraw takes a consent back and ends the client's logins of the user (row O-18). The consent goes when they have ended, so that
// who is told to try again still finds it in his list; and they end once more afterwards, for one that it let through meanwhile.
func (s *Service) Withdraw(ctx context.Context, user, org, client string) error {
	err := s.withdraw(ctx, user, org, client)
	s.recordBy(ctx, actionWithdraw, "user:"+user, org, client, err)
	return err
}

func (s *Service) withdraw(ctx context.Context, user, org, client string) error {
	if !auth.ValidSlug(org) || !auth.ValidClientID(client) {
		return &auth.Error{Code: auth.NotFound, Detail: "no such client"}
	}
	err := s.Tokens.Families.EndLogins(ctx, user, org, client)
	if err == nil {
		err = s.Consents.DeleteConsent(ctx, user, org, client)
	}
	if err == nil {
		err = s.Tokens.Families.EndLogins(ctx, user, org, client)
	}
	return err
}
