// Package grant owns the token endpoint's work without its HTTP: one file per grant type, and a Dispatcher that runs the steps
// all of them share, so that a grant fills in only its own part and cannot forget one of the others.
package grant

import (
	"context"
	"time"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/internal/audit"
)

// Request is a token request with every parameter parsed; a grant never reaches into a form. Empty means absent.
type Request struct {
	Credentials
	GrantType string
	Scope     string
	// Org is the organisation wanted (parameter org).
	Org          string
	Username     string
	Password     string
	OTP          string
	RefreshToken string
	// Code, RedirectURI and CodeVerifier are of an authorization code (RFC 6749 §4.1.3, RFC 7636 §4.5).
	Code         string
	RedirectURI  string
	CodeVerifier string
	DeviceCode   string
	// The parameters of an exchange (RFC 8693 §2.1). Audience is also accepted from clients of seed 002's older form, which name
	// the API there instead of in scope.
	SubjectToken       string
	SubjectTokenType   string
	ActorToken         string
	ActorTokenType     string
	RequestedTokenType string
	Resource           string
	Audience           string
	// Proof is the request's proof of possession, if any.
	Proof auth.Proof
	// Address is where the request comes from.
	Address string
	// Here refuses a login by password, before it is one, where its access token would not be for the issuer itself.
	Here bool

	// keyThumbprint is that of the key Proof has proved, "" for none.
	keyThumbprint string
}

// Grant is one grant type (RFC 6749 §1.3).
type Grant interface {
	// Type is the value of grant_type.
	Type() string
	// Authorize checks what the grant type requires and issues the tokens. The client is authenticated and may use the grant.
	Authorize(ctx context.Context, client *auth.Client, r Request) (auth.Tokens, About, error)
}

// About says for the audit log whom tokens are about, as far as it is known: a reference, and the organisation it acts in.
type About struct{ Target, Org string }

// Dispatcher answers token requests.
type Dispatcher struct {
	// Issuer and TokenURL, that of the token endpoint, are what client assertions are addressed to.
	Issuer   string
	TokenURL string
	Registry *auth.Registry
	Proofs   *auth.Proofs
	// Once remembers the assertions that were used.
	Once   auth.OnceStore
	Audit  audit.Log
	Grants []Grant
	Now    func() time.Time
}

// Types are the grant types served, in order.
func (d *Dispatcher) Types() []string {
	types := make([]string, len(d.Grants))
	for n, g := range d.Grants {
		types[n] = g.Type()
	}
	return types
}

// Token answers a token request: authenticate the client, find the grant, check that the client may use it and has the key it
// claims to have, let the grant authorize.
func (d *Dispatcher) Token(ctx context.Context, r Request) (auth.Tokens, error) {
	tokens, about, err := d.token(ctx, r)
	actor, home := d.actor(ctx, r.Credentials)
	e := auth.Outcome("token."+d.known(r.GrantType), actor, err)
	if e.Org, e.Target = about.Org, about.Target; e.Org == "" {
		e.Org = home
	}
	d.Audit.Record(ctx, e)
	return tokens, err
}

func (d *Dispatcher) token(ctx context.Context, r Request) (tokens auth.Tokens, about About, err error) {
	if r.GrantType == "" {
		return tokens, about, &auth.Error{Code: auth.InvalidRequest, Field: "grant_type", Detail: "grant_type is required"}
	}
	client, err := d.authenticate(ctx, r.Credentials)
	if err != nil {
		return tokens, about, err
	}
	grant := d.find(r.GrantType)
	if grant == nil {
		return tokens, about, &auth.Error{Code: auth.UnsupportedGrantType, Detail: "this grant type is not served"}
	}
	if !client.Allows(r.GrantType) {
		return tokens, about, &auth.Error{Code: auth.UnauthorizedClient, Detail: "this client may not use this grant type"}
	}
	if err := auth.CheckResource(r.Resource); err != nil {
		return tokens, about, err
	}
	if r.keyThumbprint, err = d.prove(ctx, client, r.Proof); err != nil {
		return tokens, about, err
	}
	return grant.Authorize(ctx, client, r)
}

func (d *Dispatcher) find(grantType string) Grant {
	for _, g := range d.Grants {
		if g.Type() == grantType {
			return g
		}
	}
	return nil
}

// known keeps text a stranger chose out of the audit log's actions.
func (d *Dispatcher) known(grantType string) string {
	if d.find(grantType) == nil {
		return "unsupported"
	}
	return grantType
}
