// Package grant owns the token endpoint's work without its HTTP: one file per grant type, and a Dispatcher that runs the steps
// all of them share, so that a grant fills in only its own part and cannot forget one of the others.
package grant

import (
	"context"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/internal/audit"
)

// Request is a token request with every parameter parsed; a grant never reaches into a form. Empty means absent.
type Request struct {
	GrantType    string
	ClientID     string
	ClientSecret string
	Scope        string
	// Org is the organisation wanted (parameter org).
	Org          string
	Username     string
	Password     string
	RefreshToken string
	// Audience is accepted from clients of seed 002's older form, which name the API there instead of in scope.
	Audience string
	// Address is where the request comes from.
	Address string
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
	Registry *auth.Registry
	Audit    audit.Log
	Grants   []Grant
}

// Types are the grant types served, in order.
func (d *Dispatcher) Types() []string {
	types := make([]string, len(d.Grants))
	for n, g := range d.Grants {
		types[n] = g.Type()
	}
	return types
}

// Token answers a token request: authenticate the client, find the grant, check that the client may use it, let it authorize.
func (d *Dispatcher) Token(ctx context.Context, r Request) (auth.Tokens, error) {
	tokens, about, err := d.token(ctx, r)
	actor, home := d.actor(ctx, r.ClientID)
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
	client, err := d.authenticate(ctx, r.ClientID, r.ClientSecret)
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
	return grant.Authorize(ctx, client, r)
}

// Authenticate checks the credentials of a client that wants something else than tokens (RFC 6749 §2.3): its secret, or, for a public
// client, none. A failure is recorded, a success by what the client then does.
func (d *Dispatcher) Authenticate(ctx context.Context, id, secret string) (*auth.Client, error) {
	client, err := d.authenticate(ctx, id, secret)
	if err != nil {
		actor, home := d.actor(ctx, id)
		e := auth.Outcome("client.authenticate", actor, err)
		e.Org = home
		d.Audit.Record(ctx, e)
	}
	return client, err
}

func (d *Dispatcher) authenticate(ctx context.Context, id, secret string) (*auth.Client, error) {
	if id == "" {
		return nil, &auth.Error{Code: auth.InvalidClient, Detail: "client authentication is required"}
	}
	client, err := d.Registry.Client(ctx, id)
	if err != nil {
		return nil, err
	}
	if client.Public() && secret == "" || client.SecretIs(secret) {
		return client, nil
	}
	return nil, &auth.Error{Code: auth.InvalidClient, Detail: "client authentication failed"}
}

func (d *Dispatcher) find(grantType string) Grant {
	for _, g := range d.Grants {
		if g.Type() == grantType {
			return g
		}
	}
	return nil
}

// actor names a client that exists, and its organisation. What else stands where its id belongs may be a secret put in the wrong place (row P-02).
func (d *Dispatcher) actor(ctx context.Context, id string) (ref, org string) {
	client, err := d.Registry.Client(ctx, id)
	if err != nil {
		return "", ""
	}
	return "client:" + client.ID, client.Org
}

// known keeps text a stranger chose out of the audit log's actions.
func (d *Dispatcher) known(grantType string) string {
	if d.find(grantType) == nil {
		return "unsupported"
	}
	return grantType
}
