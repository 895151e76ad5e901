package grant

import (
	"context"

	"github.com/claimsmith/claimsmith/auth"
)

// Refresh is the refresh_token grant (RFC 6749 §6) with rotation (RFC 9700 §4.14.2).
type Refresh struct {
	Issuer *auth.Issuer
}

// Type implements Grant.
func (Refresh) Type() string { return auth.GrantRefreshToken }

// Authorize implements Grant.
func (g Refresh) Authorize(ctx context.Context, client *auth.Client, r Request) (auth.Tokens, About, error) {
	if r.RefreshToken == "" {
		return auth.Tokens{}, About{}, &auth.Error{Code: auth.InvalidRequest, Field: "refresh_token", Detail: "refresh_token is required"}
	}
	tokens, family, err := g.Issuer.Refresh(ctx, client, r.RefreshToken, r.Scope, r.keyThumbprint)
	about := About{Org: family.Org}
	if family.User != "" {
		about.Target = "user:" + family.User
	}
	return tokens, about, err
}
