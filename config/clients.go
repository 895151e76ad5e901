package config

import (
	"errors"
	"reflect"
)

// Clients are the commands on the clients of a running server.
type Clients struct {
	Create ClientsCreate `cmd:"" help:"Create a client. Its secret, if it has one, is printed once."`
	List   ClientsList   `cmd:"" help:"List the clients of an organisation."`
	Show   ClientsShow   `cmd:"" help:"Show everything about a client but its secret."`
	Update ClientsUpdate `cmd:"" help:"Change a client. What is not given stays as it is."`
	Delete ClientsDelete `cmd:"" help:"Delete a client, and with it all that was issued to it."`
}

// ClientsCreate are the settings of the clients create command.
type ClientsCreate struct {
	API    `embed:"" group:"Server"`
	ID     string       `arg:"" optional:"" name:"client-id" help:"Identifier of the client. Default: one the server makes up."`
	Preset string       `flagonly:"" group:"New client" placeholder:"NAME" help:"What the client is: web, spa, native, machine, device, strict (PAR, DPoP and private_key_jwt) or plain-oidc (no PKCE). Every other flag goes before what the preset says. Default: all that tightens security, and nothing else."`
	Public *bool        `flagonly:"" negatable:"" group:"New client" help:"Whether the client cannot keep a secret."`
	Policy ClientPolicy `embed:"" group:"Client"`
}

// ClientsList are the settings of the clients list command.
type ClientsList struct {
	API `embed:"" group:"Server"`
}

// ClientsShow are the settings of the clients show command.
type ClientsShow struct {
	API `embed:"" group:"Server"`
	ID  string `arg:"" name:"client-id" help:"Identifier of the client."`
}

// ClientsUpdate are the settings of the clients update command.
type ClientsUpdate struct {
	API    `embed:"" group:"Server"`
	ID     string       `arg:"" name:"client-id" help:"Identifier of the client."`
	Policy ClientPolicy `embed:"" group:"Client"`
}

// ClientsDelete are the settings of the clients delete command.
type ClientsDelete struct {
	API `embed:"" group:"Server"`
	ID  string `arg:"" name:"client-id" help:"Identifier of the client."`
	Yes bool   `group:"Confirmation" help:"Do it without asking."`
}

// ClientPolicy is what can be said of a client; nil says nothing. These are flags alone: a variable left over in the environment must not
// change a client. The server knows what is allowed.
type ClientPolicy struct {
	Name                   *string  `flagonly:"" placeholder:"TEXT" help:"Name shown to people."`
	Description            *string  `flagonly:"" placeholder:"TEXT" help:"What it is, for people."`
	Listed                 *bool    `flagonly:"" negatable:"" help:"Whether everybody may see it in the directory of applications."`
	SelfRegistration       *bool    `flagonly:"" negatable:"" help:"Whether people may make themselves users through it. Needs first-party and the grant password."`
	Type                   *string  `flagonly:"" placeholder:"TYPE" help:"Kind of application: web or native."`
	FirstParty             *bool    `flagonly:"" negatable:"" help:"Whether it is your own, which may take a user's password."`
	AllOrgs                *bool    `flagonly:"" negatable:"" help:"Whether it serves the users of every organisation. For administrators."`
	GrantTypes             []string `flagonly:"" placeholder:"GRANT" help:"Ways it may obtain tokens: authorization_code, refresh_token, client_credentials, password, urn:ietf:params:oauth:grant-type:device_code, urn:ietf:params:oauth:grant-type:token-exchange."`
	Scopes                 []string `flagonly:"" placeholder:"SCOPE" help:"Scopes it may ask for."`
	Audience               []string `flagonly:"" sep:"none" placeholder:"NAME" help:"Who is to accept its access tokens; may be repeated. None: the issuer, which scope openid adds in any case: once any client has audiences, no service may use the issuer's URL as its own."`
	RedirectURIs           []string `flagonly:"" name:"redirect-uri" sep:"none" placeholder:"URI" help:"Where to return to with a code; may be repeated."`
	PostLogoutRedirectURIs []string `flagonly:"" name:"post-logout-redirect-uri" sep:"none" placeholder:"URI" help:"Where to return to after logging out; may be repeated."`
	BackchannelLogoutURI   *string  `flagonly:"" name:"backchannel-logout-uri" placeholder:"URI" help:"Address to be told of logouts at."`
	AllowedOrigins         []string `flagonly:"" name:"allowed-origin" sep:"none" placeholder:"ORIGIN" help:"Origin of its pages, like https://app.example.com; may be repeated."`
	TokenEndpointAuth      *string  `flagonly:"" name:"token-endpoint-auth-method" placeholder:"METHOD" help:"How it authenticates: none, client_secret_basic, client_secret_post or private_key_jwt. Empty: with its secret, either way."`
	JWKS                   string   `flagonly:"" name:"jwks" placeholder:"FILE" help:"File with its public keys, a JSON Web Key Set, for private_key_jwt."`
	AllowTokenEndpointAud  *bool    `flagonly:"" name:"allow-token-endpoint-audience" negatable:"" help:"Whether private_key_jwt assertions may be addressed to the token endpoint instead of the issuer."`
	RequirePKCE            *bool    `flagonly:"" name:"require-pkce" negatable:"" help:"Whether its requests need PKCE."`
	RequirePAR             *bool    `flagonly:"" name:"require-par" negatable:"" help:"Whether its requests must be pushed."`
	RequireDPoP            *bool    `flagonly:"" name:"require-dpop" negatable:"" help:"Whether its tokens are bound to a key."`
	RequireConsent         *bool    `flagonly:"" negatable:"" help:"Whether users are asked before it gets anything of theirs."`
	RotateRefreshTokens    *bool    `flagonly:"" negatable:"" help:"Whether a refresh token is replaced when it is used."`
	CodeLifetime           *int     `flagonly:"" placeholder:"SECONDS" help:"How long its authorization codes last: 1 to 60."`
	ExchangeAudiences      []string `flagonly:"" name:"exchange-audience" sep:"none" placeholder:"NAME" help:"Audience it may exchange its users' tokens for; may be repeated."`
	AccessTokenAlg         *string  `flagonly:"" placeholder:"ALG" help:"What signs its access tokens: ES256, RS256 or EdDSA."`
	IDTokenAlg             *string  `flagonly:"" name:"id-token-alg" placeholder:"ALG" help:"What signs its ID tokens: RS256, ES256 or EdDSA."`
	ClaimsIn               []string `flagonly:"" placeholder:"PLACE" help:"Where it sees metadata claims: access_token, id_token, userinfo, introspection. An asterisk: everywhere."`
	ClaimKeys              []string `flagonly:"" placeholder:"KEY" help:"Metadata keys it sees. An asterisk: all."`
	Disabled               *bool    `flagonly:"" negatable:"" help:"Whether it is refused everywhere."`
}

func (c *ClientsCreate) check(f *faults) { c.API.check(f) }

func (c *ClientsList) check(f *faults) { c.API.check(f) }

func (c *ClientsShow) check(f *faults) { c.API.check(f) }

func (c *ClientsUpdate) check(f *faults) {
	c.API.check(f)
	if reflect.ValueOf(c.Policy).IsZero() {
		f.lines = append(f.lines, errors.New("nothing to change: give a flag of what is to be otherwise"))
	}
}

func (c *ClientsDelete) check(f *faults) { c.API.check(f) }
