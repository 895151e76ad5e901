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
	Proofs   *Proofs
	Audit    audit.Log
}

// Inspected is a live access token with the metadata of now.
type Inspected struct {
	Token *claims.Access
	User  *User // nil for a client's own token
	// Requested is what the login asked to be told besides its scopes.
	Requested RequestedClaims
	view      view
}

// Type is TokenBearer or TokenDPoP.
func (t *Inspected) Type() string {
	if t.Token.KeyThumbprint != "" {
		return TokenDPoP
	}
	return TokenBearer
}

// UserInfo is what the userinfo endpoint answers (OpenID Connect Core §5.3.2).
func (t *Inspected) UserInfo() []byte {
	info := claims.UserInfo{
		Subject: t.User.ID, Org: t.Token.Org, Scope: t.Token.Scope, Requested: t.Requested.UserInfo, Profile: StandardProfile(t.User),
		Revision: t.view.revision, AppRevision: t.view.appRevision, OrgRevision: t.view.orgRevision,
		UserMetadata: t.view.userMetadataIn(InUserInfo),
	}
	return info.AppendJSON(nil, t.view.in(InUserInfo))
}

// Introspection is what a live token is introspected as (RFC 7662 §2.2): its claims, those from metadata as they are now.
func (t *Inspected) Introspection() []byte {
	token := t.Token.AccessToken
	token.Revision, token.AppRevision, token.OrgRevision = t.view.revision, t.view.appRevision, t.view.orgRevision
	token.UserMetadata = nil
	var entries iter.Seq2[string, string]
	if t.User != nil {
		entries, token.UserMetadata = t.view.in(InIntrospection), t.view.userMetadataIn(InIntrospection)
	}
	return append([]byte(`{"active":true,"token_type":"`+t.Type()+`",`), token.AppendJSON(nil, entries)[1:]...)
}

var errInactive = &Error{Code: Unauthenticated, Detail: "the access token is not valid"}

// UserInfo returns the live token of a user's OpenID login (OpenID Connect Core §5.3), presented with the scheme TokenBearer or
// TokenDPoP. Unauthenticated means that the token does not stand or is of the other scheme, InvalidProof that it stands but the
// proof does not, InsufficientScope that it lacks scope openid.
func (s *Inspector) UserInfo(ctx context.Context, scheme, token string, proof Proof) (*Inspected, error) {
	t, err := s.inspect(ctx, token)
	switch {
	case err != nil:
		return nil, err
	case t.Type() != scheme, t.User == nil, !slices.Contains(t.Token.Audience, s.Issuer.URL):
		return nil, errInactive
	}
	t.Token.Scope = stillAllowed(t.view.client, t.Token.Scope) // row O-08
	if !HasScope(t.Token.Scope, ScopeOpenID) {
		return nil, &Error{Code: InsufficientScope, Detail: "the token needs scope openid"}
	}
	if scheme == TokenDPoP {
		if err := s.possession(ctx, t.Token, token, proof); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// possession checks that whoever brings a bound token has its key (RFC 9449 §7.1).
func (s *Inspector) possession(ctx context.Context, t *claims.Access, token string, proof Proof) error {
	verified, err := s.Proofs.Verify(proof, token)
	if err != nil {
		return err
	}
	if verified.KeyThumbprint != t.KeyThumbprint {
		return &Error{Code: InvalidProof, Detail: "the DPoP proof is by another key than the token is bound to"}
	}
	return s.Proofs.Spend(ctx, verified)
}

// Subject returns a user's live access token that a client may exchange for one of its own (RFC 8693 §2.1): one that was issued to
// it, or meant for it. The error is InvalidRequest.
func (s *Inspector) Subject(ctx context.Context, client *Client, token string) (*claims.Access, error) {
	t, _, _, err := s.alive(ctx, token)
	if CodeOf(err) == Unauthenticated || err == nil && (isMachine(t) || !concerns(client, t)) {
		return nil, &Error{ // RFC 8693 §2.2.2
			Code: InvalidRequest, Field: "subject_token", Err: err,
			Detail: "the subject token must be a live access token of a user, issued to this client or with it or its audience in aud",
		}
	}
	return t, err
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
	return !c.Public() && concerns(c, t)
}

// concerns reports whether a token was issued to a client or is meant for it.
func concerns(c *Client, t *claims.Access) bool {
	if !c.Serves(t.Org) {
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
	t, client, requested, err := s.alive(ctx, token)
	if err != nil {
		return nil, err
	}
	if isMachine(t) {
		return &Inspected{Token: t}, nil
	}
	user, _, err := s.Users.User(ctx, t.Subject)
	if CodeOf(err) == NotFound {
		return nil, errInactive
	}
	if err != nil {
		return nil, err
	}
	ref := FamilyRef{User: t.Subject, Org: t.Org, ID: t.SessionID}
	v, err := s.Issuer.view(ctx, client, ref, stillAllowed(client, t.Scope)) // row O-08
	if err != nil {
		return nil, err
	}
	return &Inspected{Token: t, User: &user, Requested: requested, view: v}, nil
}

// alive returns a token that stands, the client it was issued to, and what its login asked to be told. The login of an exchanged
// token is another client's: what has to stand besides it is the client that has the token now.
func (s *Inspector) alive(ctx context.Context, token string) (*claims.Access, *Client, RequestedClaims, error) {
	var none RequestedClaims
	t, err := s.verify(ctx, token)
	if err != nil {
		return nil, nil, none, err
	}
	client, err := s.Registry.Standing(ctx, t.ClientID, t.Org, t.IssuedAt)
	if CodeOf(err) == InvalidClient {
		return nil, nil, none, errInactive
	}
	if err != nil {
		return nil, nil, none, err
	}
	if isMachine(t) {
		denied, err := s.Families.Denied(ctx, t.Subject, t.ID)
		if err == nil && denied {
			err = errInactive
		}
		return t, client, none, err
	}
	if t.SessionID == "" { // nothing could end it
		return nil, nil, none, errInactive
	}
	live, requested, err := s.Families.Live(ctx, FamilyRef{User: t.Subject, Org: t.Org, ID: t.SessionID}, t.ID)
	if err == nil && !live {
		err = errInactive
	}
	if t.Actor != nil {
		requested = none // it was the other client that asked
	}
	return t, client, requested.stillFor(client), err
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

// Logout ends the login that a user's live access token came from, with all its tokens; Unauthenticated: it does not stand.
func (s *Inspector) Logout(ctx context.Context, token string) error {
	t, err := s.logout(ctx, token)
	e := Outcome("login.end", "", err)
	if t != nil {
		e.Actor = "user:" + t.Subject
		e = About(e, t.Org, "user", t.Subject)
	}
	s.Audit.Record(ctx, e)
	if err == nil {
		s.Callers.Forget()
	}
	return err
}

func (s *Inspector) logout(ctx context.Context, token string) (*claims.Access, error) {
	t, _, _, err := s.alive(ctx, token)
	if err != nil {
		return nil, err
	}
	// Like Callers: a bound token is not for bearing, an exchanged one is another client's.
	if isMachine(t) || t.KeyThumbprint != "" || t.Actor != nil || !slices.Contains(t.Audience, s.Issuer.URL) {
		return nil, errInactive
	}
	return t, s.Families.Revoke(ctx, FamilyRef{User: t.Subject, Org: t.Org, ID: t.SessionID}, "")
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
