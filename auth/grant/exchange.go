package grant

import (
	"context"

	"github.com/claimsmith/claimsmith/auth"
)

// Exchange is the token-exchange grant (RFC 8693): a user's access token for one of another audience, with the client as actor.
type Exchange struct {
	Inspector *auth.Inspector
	Issuer    *auth.Issuer
}

// Type implements Grant.
func (Exchange) Type() string { return auth.GrantTokenExchange }

// Authorize implements Grant.
func (g Exchange) Authorize(ctx context.Context, client *auth.Client, r Request) (auth.Tokens, About, error) {
	if client.Public() {
		return auth.Tokens{}, About{}, &auth.Error{Code: auth.UnauthorizedClient, Detail: "a public client cannot act for a user"}
	}
	if err := checkExchange(r); err != nil {
		return auth.Tokens{}, About{}, err
	}
	subject, err := g.Inspector.Subject(ctx, client, r.SubjectToken)
	if err != nil {
		return auth.Tokens{}, About{}, err
	}
	tokens, err := g.Issuer.Exchange(ctx, client, subject, r.Audience, r.Scope, r.keyThumbprint)
	return tokens, About{Target: "user:" + subject.Subject, Org: subject.Org}, err
}

// checkExchange refuses what is asked for in another form than the one there is: a parameter is never passed over (row O-22).
func checkExchange(r Request) error {
	invalid := func(field, detail string) error {
		return &auth.Error{Code: auth.InvalidRequest, Field: field, Detail: detail}
	}
	switch {
	case r.SubjectToken == "":
		return invalid("subject_token", "subject_token is required")
	case r.SubjectTokenType != auth.TokenTypeAccess:
		return invalid("subject_token_type", "subject_token_type must be "+auth.TokenTypeAccess)
	case r.ActorToken != "" || r.ActorTokenType != "":
		return invalid("actor_token", "actor_token is not supported: the client itself is the actor")
	case r.RequestedTokenType != "" && r.RequestedTokenType != auth.TokenTypeAccess:
		return invalid("requested_token_type", "requested_token_type must be "+auth.TokenTypeAccess)
	case r.Audience == "":
		return invalid("audience", "audience is required")
	}
	return nil
}
