package grant

import (
	"context"
	"slices"
	"strings"

	"github.com/claimsmith/claimsmith/auth"
)

// ClientCredentials is the client_credentials grant (RFC 6749 §4.4).
type ClientCredentials struct {
	Issuer *auth.Issuer
}

// Type implements Grant.
func (ClientCredentials) Type() string { return auth.GrantClientCredentials }

// userScopes speak of a user, and a client's own token has none.
var userScopes = []string{auth.ScopeOpenID, "profile", "email", "phone", "address", auth.ScopeOffline, auth.ScopeUserMetadata}

func isUserScope(scope string) bool { return slices.Contains(userScopes, scope) }

// Authorize implements Grant.
func (g ClientCredentials) Authorize(_ context.Context, client *auth.Client, r Request) (auth.Tokens, About, error) {
	about := About{Target: "client:" + client.ID}
	if client.Public() {
		return auth.Tokens{}, about, &auth.Error{Code: auth.UnauthorizedClient, Detail: "a public client has no token of its own"}
	}
	asked := r.Scope
	if asked == "" && r.Audience == auth.ScopeAPI { // seed 002's older form
		asked = auth.ScopeAPI
	}
	if auth.HasScope(asked, auth.ScopeZitadelAPI) { // Zitadel's client libraries ask for openid whoever they are
		asked = strings.Join(slices.DeleteFunc(auth.Scopes(asked), isUserScope), " ")
	}
	own := *client
	own.Scopes = slices.DeleteFunc(slices.Clone(client.Scopes), isUserScope)
	scope, err := auth.NarrowScope(&own, asked)
	if err != nil {
		return auth.Tokens{}, about, err
	}
	tokens, err := g.Issuer.ForClient(client, scope, r.keyThumbprint)
	return tokens, about, err
}
