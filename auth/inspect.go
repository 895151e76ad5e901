package auth

import (
	"context"
	"errors"
	"iter"
	"slices"

	"github.com/claimsmith/claimsmith/claims"
	"github.com/claimsmith/claimsmith/internal/audit"
)

// Inspector answers for tokens already issued: userinfo, introspection, revocation.
type Inspector struct {
	Issuer   *Issuer
	Verifier *claims.Verifier
	Families FamilyStore
	Users    UserStore
	Registry *Registry
	Callers  *Callers
	Audit    audit.Log
}

// Inspected is a live access token with the metadata of now.
type Inspected struct {
	Token *claims.Access
	User  *User // nil for a client's own token
	view  view
}

// Entries are the metadata claims a place shows, nil for none.
func (t *Inspected) Entries(place string) iter.Seq2[string, string] {
	if t.User == nil {
		return nil
	}
	return t.view.in(place)
}

// Revisions are those of the documents the entries come from.
func (t *Inspected) Revisions() (revision, appRevision uint64) {
	return t.view.revision, t.view.appRevision
}

var errInactive = &Error{Code: Unauthenticated, Detail: "the access token is not valid"}

// UserInfo returns the live token of a user's OpenID login (OpenID Connect Core §5.3). Unauthenticated means that the token does
// not stand, InsufficientScope that it lacks scope openid.
func (s *Inspector) UserInfo(ctx context.Context, token string) (*Inspected, error) {
	t, err := s.inspect(ctx, token)
	switch {
	case err != nil:
		return nil, err
	case t.User == nil, !slices.Contains(t.Token.Audience, s.Issuer.URL):
		return nil, errInactive
	case !HasScope(t.Token.Scope, ScopeOpenID):
		return nil, &Error{Code: InsufficientScope, Detail: "the token needs scope openid"}
	}
	return t, nil
}

// Introspect returns the live token, or nil where it is not active or not the caller's to ask about (RFC 7662 §2.2). Exactly one of
// client and operator asks: a confidential client about its own tokens and those whose audience it is, an operator about those of
// organisations he may read.
func (s *Inspector) Introspect(ctx context.Context, client *Client, operator *Caller, token string) (*Inspected, error) {
	t, err := s.inspect(ctx, token)
	if CodeOf(err) == Unauthenticated {
		return nil, nil //nolint:nilnil // an inactive token is an answer, not an error
	}
	if err != nil {
		return nil, err
	}
	if operator != nil && operator.MayRead(t.Token.Org) || client != nil && mayIntrospect(client, t.Token) {
		return t, nil
	}
	return nil, nil //nolint:nilnil // as above
}

func mayIntrospect(c *Client, t *claims.Access) bool {
	if c.Public() || !c.Serves(t.Org) {
		return false
	}
	if t.ClientID == c.ID || slices.Contains(t.Audience, c.ID) {
		return true
	}
	for _, audience := range c.Audience {
		if slices.Contains(t.Audience, audience) {
			return true
		}
	}
	return false
}

func (s *Inspector) inspect(ctx context.Context, token string) (*Inspected, error) {
	t, err := s.verify(ctx, token)
	if err != nil {
		return nil, err
	}
	client, err := s.Registry.Standing(ctx, t.ClientID, t.Org, t.IssuedAt)
	if CodeOf(err) == InvalidClient {
		return nil, errInactive
	}
	if err != nil {
		return nil, err
	}
	if isMachine(t) {
		denied, err := s.Families.Denied(ctx, t.Subject, t.ID)
		if err != nil {
			return nil, err
		}
		if denied {
			return nil, errInactive
		}
		return &Inspected{Token: t}, nil
	}
	if t.SessionID == "" { // nothing could end it
		return nil, errInactive
	}
	ref := FamilyRef{User: t.Subject, Org: t.Org, ID: t.SessionID}
	live, err := s.Families.Live(ctx, ref, t.ID)
	if err != nil {
		return nil, err
	}
	if !live {
		return nil, errInactive
	}
	user, _, err := s.Users.User(ctx, t.Subject)
	if CodeOf(err) == NotFound {
		return nil, errInactive
	}
	if err != nil {
		return nil, err
	}
	v, err := s.Issuer.view(ctx, client, ref)
	if err != nil {
		return nil, err
	}
	return &Inspected{Token: t, User: &user, view: v}, nil
}

func (s *Inspector) verify(ctx context.Context, token string) (*claims.Access, error) {
	t, err := s.Verifier.VerifyAnyAudience(ctx, token)
	if errors.Is(err, claims.ErrUnavailable) {
		return nil, &Error{Code: Unavailable, Err: err}
	}
	if err != nil {
		return nil, &Error{Code: Unauthenticated, Detail: errInactive.Detail, Err: err}
	}
	return t, nil
}

// Revoke ends what a token stands for if it is the client's: for a refresh token its whole family, for an access token that token
// (RFC 7009 §2.1). A token that is unknown, expired or somebody else's is no error and has no effect.
func (s *Inspector) Revoke(ctx context.Context, client *Client, token string) error {
	target, org, err := s.revoke(ctx, client, token)
	e := Outcome("token.revoke", "client:"+client.ID, err)
	e.Org, e.Target = org, target
	s.Audit.Record(ctx, e)
	if err == nil {
		s.Callers.Forget()
	}
	return err
}

func (s *Inspector) revoke(ctx context.Context, client *Client, token string) (target, org string, err error) {
	if refresh, ok := s.Issuer.refresh.parse(token); ok {
		return "user:" + refresh.User, refresh.Org, s.Families.Revoke(ctx, refresh.FamilyRef, client.ID)
	}
	t, err := s.verify(ctx, token)
	if CodeOf(err) == Unauthenticated || err == nil && t.ClientID != client.ID {
		return "", client.Org, nil
	}
	if err != nil {
		return "", client.Org, err
	}
	target = "user:" + t.Subject
	if isMachine(t) {
		target = "client:" + t.Subject
	}
	// Verifiers here allow for clocks that differ, and so must the mark.
	return target, t.Org, s.Families.Deny(ctx, t.Subject, t.ID, t.ExpiresAt.Add(claims.MaxLeeway))
}
