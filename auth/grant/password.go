package grant

import (
	"context"
	"slices"
	"strings"

	"github.com/claimsmith/claimsmith/auth"
)

// Password is the resource owner password credentials grant (RFC 6749 §4.3). RFC 9700 §2.4 forbids it between strangers; here only
// clients the operator marked as first-party can be allowed it.
type Password struct {
	Authenticator *auth.Authenticator
	Issuer        *auth.Issuer
}

// Type implements Grant.
func (Password) Type() string { return auth.GrantPassword }

// Authorize implements Grant.
func (g Password) Authorize(ctx context.Context, client *auth.Client, r Request) (auth.Tokens, About, error) {
	if !client.FirstParty {
		return auth.Tokens{}, About{}, &auth.Error{Code: auth.UnauthorizedClient, Detail: "this client may not use this grant type"}
	}
	for _, p := range []struct{ name, value string }{{"username", r.Username}, {"password", r.Password}} {
		if p.value == "" {
			return auth.Tokens{}, About{}, &auth.Error{Code: auth.InvalidRequest, Field: p.name, Detail: p.name + " is required"}
		}
	}
	scope, err := auth.NarrowScope(client, r.Scope)
	if err != nil {
		return auth.Tokens{}, About{}, err
	}
	// A login by password that asks for nothing is one of OpenID: the simplest client there is still wants to know who logged in.
	if len(auth.Scopes(r.Scope)) == 0 && slices.Contains(client.Scopes, auth.ScopeOpenID) {
		scope = strings.TrimSpace(auth.ScopeOpenID + " " + scope)
	}
	if r.Here && !g.Issuer.IsAudience(client, scope) {
		return auth.Tokens{}, About{}, &auth.Error{
			Code: auth.AccessDenied, Detail: "the access tokens of this application are not for this server",
		}
	}
	subject, err := g.Authenticator.Authenticate(ctx, auth.Login{
		Username: r.Username, Password: r.Password, OTP: r.OTP, Org: r.Org, Client: client, Address: r.Address,
	})
	about := About{Org: subject.Org}
	if subject.User != "" {
		about.Target = "user:" + subject.User
	}
	if err != nil {
		return auth.Tokens{}, about, err
	}
	tokens, err := g.Issuer.Begin(ctx, client, subject, scope, r.keyThumbprint)
	return tokens, about, err
}
