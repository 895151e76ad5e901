package auth

import (
	"context"
	"crypto/rand"
	"slices"

	"github.com/claimsmith/claimsmith/claims"
)

// TokenTypeAccess is the only type of token that is exchanged and issued (RFC 8693 §3).
const TokenTypeAccess = "urn:ietf:params:oauth:token-type:access_token"

// maxActors bounds how often a token can be exchanged on, and so how long it gets.
const maxActors = 8

// Exchange issues an access token for another audience in place of a user's, with the client as actor (RFC 8693 §4.1): the same
// subject, organisation and login, no wider scope, no later end. subject is live and concerns the client, see Inspector.Subject.
func (i *Issuer) Exchange(
	ctx context.Context, client *Client, subject *claims.Access, audience, scope, keyThumbprint string,
) (Tokens, error) {
	if !slices.Contains(client.ExchangeAudiences, audience) {
		return Tokens{}, &Error{
			Code: InvalidTarget, Field: "audience", Detail: "this client may exchange tokens for: " + describe(client.ExchangeAudiences),
		}
	}
	actor := &claims.Actor{Subject: client.ID, Actor: subject.Actor}
	actors := 0
	for a := actor; a != nil; a = a.Actor {
		actors++
	}
	if actors > maxActors {
		return Tokens{}, &Error{Code: InvalidRequest, Field: "subject_token", Detail: "the token has been exchanged too often"}
	}
	have := stillAllowed(client, subject.Scope)
	scope, err := narrowAsked(client, scope)
	switch {
	case err != nil:
		return Tokens{}, err
	case scope == "":
		scope = have
	case !containsAll(Scopes(have), Scopes(scope)):
		return Tokens{}, &Error{
			Code: InvalidScope, Field: "scope", Detail: "of the subject token this client may have: " + describe(Scopes(have)),
		}
	}
	v, err := i.view(ctx, client, FamilyRef{User: subject.Subject, Org: subject.Org, ID: subject.SessionID}, scope)
	if err != nil {
		return Tokens{}, err
	}
	now := i.Now()
	expires := now.Add(i.Lifetimes.AccessToken)
	if subject.ExpiresAt.Before(expires) {
		expires = subject.ExpiresAt
	}
	tokens, err := i.signAccess(client, &claims.AccessToken{
		Issuer: i.URL, Subject: subject.Subject, Audience: []string{audience}, ID: rand.Text(), ClientID: client.ID, Scope: scope,
		SessionID: subject.SessionID, Org: subject.Org, ACR: subject.ACR, AMR: subject.AMR, AuthTime: subject.AuthTime,
		IssuedAt: now, ExpiresAt: expires, Revision: v.revision, AppRevision: v.appRevision, OrgRevision: v.orgRevision,
		KeyThumbprint: keyThumbprint, Actor: actor, UserMetadata: v.userMetadataIn(InAccessToken),
	}, v.in(InAccessToken))
	tokens.IssuedTokenType = TokenTypeAccess
	return tokens, err
}
