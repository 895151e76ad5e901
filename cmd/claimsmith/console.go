package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/handlers/console/operate"
)

// consoleName is what people read where they log in to the console.
const consoleName = "Claimsmith Console"

// operatorConsole returns the operator console.
func (a *app) operatorConsole() *operate.Dialect {
	return &operate.Dialect{
		Issuer: a.settings.Issuer, Operators: &auth.Operators{Registry: a.registry, Families: a.store, Users: a.store}, Users: a.users,
		Orgs: a.orgs, Clients: a.clients, APITokens: a.apiTokens, Trail: a.trail, Sessions: a.sessions, Factors: a.factors,
		Metadata: a.metadata, Preview: a.preview, People: a.people, Career: a.career, Keys: a.ring, Grants: a.grants, Verifier: a.verifier,
		Sealer: a.sealer, CursorKey: a.cursorKey, Now: a.now,
	}
}

// installConsole sees to it that the client the console logs its users in by is there and is for this issuer, which bootstrap does not
// know, and is nothing else: its id may have been anybody's before.
func (a *app) installConsole(ctx context.Context) error {
	if !strings.HasPrefix(a.settings.Issuer, "http") {
		return nil
	}
	yes, no, name, alg := true, false, consoleName, auth.DefaultAlg
	method, kind, about, none := auth.AuthNone, auth.TypeWeb, "", []string{}
	redirects := []string{operate.RedirectURI(a.settings.Issuer)}
	grants, scopes := []string{auth.GrantAuthorizationCode, auth.GrantRefreshToken}, []string{auth.ScopeOpenID}
	nowhere, every := &none, (*[]string)(nil)
	change := auth.ClientChange{
		Name: &name, Description: &about, Listed: &no, SelfRegistration: &no, Type: &kind, FirstParty: &yes, AllOrgs: &yes,
		GrantTypes: &grants, Scopes: &scopes, Audience: &none, RedirectURIs: &redirects,
		PostLogoutRedirectURIs: &none, AllowedOrigins: &none, AuthMethod: &method, RequirePKCE: &yes, RequirePAR: &no, RequireDPoP: &no,
		RequireConsent: &no, RotateRefreshTokens: &yes, ExchangeAudiences: &none, AccessTokenAlg: &alg, IDTokenAlg: &alg, ClaimsIn: &nowhere,
		ClaimKeys: &every, Disabled: &no,
	}
	client, err := a.clients.Get(ctx, auth.System(), auth.DefaultOrg, auth.ConsoleClient)
	switch {
	case auth.CodeOf(err) == auth.NotFound:
		_, _, err = a.clients.Create(ctx, auth.System(), auth.DefaultOrg, auth.NewClient{ID: auth.ConsoleClient, ClientChange: change})
		if auth.CodeOf(err) == auth.Conflict { // another instance, starting too
			_, err = a.clients.Get(ctx, auth.System(), auth.DefaultOrg, auth.ConsoleClient)
		}
	case err == nil && !(client.AllOrgs && slices.Equal(client.RedirectURIs, redirects)):
		_, err = a.clients.Update(ctx, auth.System(), auth.DefaultOrg, auth.ConsoleClient, nil, change)
	}
	if err != nil {
		return fmt.Errorf("making the client %s of the operator console: %w", auth.ConsoleClient, err)
	}
	return nil
}
