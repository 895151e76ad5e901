package auth

import (
	"reflect"

	"github.com/go-json-experiment/json/jsontext"
)

// ClientChange changes the fields that are not nil.
type ClientChange struct {
	Name                   *string
	Description            *string
	Listed                 *bool
	SelfRegistration       *bool
	Type                   *string // "": TypeWeb
	FirstParty             *bool
	AllOrgs                *bool // administrators only
	GrantTypes             *[]string
	Scopes                 *[]string
	Audience               *[]string
	RedirectURIs           *[]string
	PostLogoutRedirectURIs *[]string
	BackchannelLogoutURI   *string
	AllowedOrigins         *[]string
	AuthMethod             *string
	KeySet                 *string // JSON
	EndpointAudience       *bool
	RequirePKCE            *bool
	RequirePAR             *bool
	RequireDPoP            *bool
	RequireConsent         *bool
	RotateRefreshTokens    *bool
	CodeLifetime           *int // seconds
	ExchangeAudiences      *[]string
	AccessTokenAlg         *string
	IDTokenAlg             *string
	ClaimsIn               **[]string // pointing to nil: everywhere
	ClaimKeys              **[]string // pointing to nil: all
	Disabled               *bool
}

// over returns base with what c says in place of what base does.
func (c ClientChange) over(base ClientChange) ClientChange {
	said, merged := reflect.ValueOf(c), reflect.ValueOf(&base).Elem()
	for n := range said.NumField() {
		if !said.Field(n).IsNil() {
			merged.Field(n).Set(said.Field(n))
		}
	}
	return base
}

// NewClient describes a client to create.
type NewClient struct {
	ID     string // "" for a generated one
	Preset string // one of Presets, which fills in what is not said; "" for none
	Public *bool  // whether it has no secret; nil: as AuthMethod or the preset says, else it has one
	// Secret is one of the caller's choice, for demonstrations and migrations; "" for a generated one. With a dot in it, it is none for
	// Sentinel's X-API-KEY, where the last dot ends the id.
	Secret string
	ClientChange
}

// change is what to make of a new client: what was said, then the preset.
func (n NewClient) change() (ClientChange, error) {
	base, err := presetChange(n.Preset)
	if err != nil {
		return base, err
	}
	said := n.ClientChange
	if n.Public != nil {
		none, either := AuthNone, ""
		switch {
		case said.AuthMethod != nil && *n.Public != (*said.AuthMethod == AuthNone):
			return base, &Error{
				Code: InvalidRequest, Field: "token_endpoint_auth_method", Detail: "none is for clients with public true, and only for them",
			}
		case *n.Public:
			said.AuthMethod = &none
		case said.AuthMethod == nil && base.AuthMethod != nil && *base.AuthMethod == AuthNone:
			said.AuthMethod = &either
		}
	}
	change := said.over(base)
	if n.Preset == PresetSPA && change.AllowedOrigins == nil && change.RedirectURIs != nil {
		origins := originsOf(*change.RedirectURIs)
		change.AllowedOrigins = &origins
	}
	return change, nil
}

func (s *Clients) apply(caller *Caller, c *Client, change ClientChange) error {
	before := *c
	set(&c.Name, change.Name)
	set(&c.Description, change.Description)
	set(&c.Listed, change.Listed)
	set(&c.SelfRegistration, change.SelfRegistration)
	set(&c.Type, change.Type)
	set(&c.FirstParty, change.FirstParty)
	set(&c.GrantTypes, change.GrantTypes)
	set(&c.Scopes, change.Scopes)
	set(&c.Audience, change.Audience)
	set(&c.RedirectURIs, change.RedirectURIs)
	set(&c.PostLogoutRedirectURIs, change.PostLogoutRedirectURIs)
	set(&c.BackchannelLogoutURI, change.BackchannelLogoutURI)
	set(&c.AllowedOrigins, change.AllowedOrigins)
	set(&c.EndpointAudience, change.EndpointAudience)
	set(&c.RequirePKCE, change.RequirePKCE)
	set(&c.RequirePAR, change.RequirePAR)
	set(&c.RequireDPoP, change.RequireDPoP)
	set(&c.RequireConsent, change.RequireConsent)
	set(&c.CodeLifetime, change.CodeLifetime)
	set(&c.ExchangeAudiences, change.ExchangeAudiences)
	set(&c.AccessTokenAlg, change.AccessTokenAlg)
	set(&c.IDTokenAlg, change.IDTokenAlg)
	setList(&c.ClaimsIn, change.ClaimsIn)
	setList(&c.ClaimKeys, change.ClaimKeys)
	set(&c.Disabled, change.Disabled)
	if change.RotateRefreshTokens != nil {
		c.KeepRefreshTokens = !*change.RotateRefreshTokens
	}
	if change.AllOrgs != nil && *change.AllOrgs != c.AllOrgs {
		if !caller.IsAdmin() {
			return errForbidden("let a client serve all organisations")
		}
		c.AllOrgs = *change.AllOrgs
	}
	if change.CodeLifetime != nil && *change.CodeLifetime == 0 {
		return errCodeLifetime // in a record it means the default
	}
	if err := applyAuthentication(c, &before, change); err != nil {
		return err
	}
	tighten(c, &before, change)
	if err := s.check(c); err != nil {
		return err
	}
	if before.Version > 0 && endsWhatWasIssued(c, &before) {
		c.Since = s.Now()
	}
	return nil
}

func applyAuthentication(c, before *Client, change ClientChange) error {
	set(&c.AuthMethod, change.AuthMethod)
	if change.KeySet != nil {
		text := jsontext.Value(*change.KeySet)
		if err := text.Compact(); err != nil {
			return &Error{Code: InvalidRequest, Field: "jwks", Detail: keySetRule, Err: err}
		}
		c.KeySet = string(text)
	}
	if c.AuthMethod == AuthPrivateKeyJWT {
		c.SecretHash = ""
	}
	// What was issued to a client that authenticates is worth nothing to whoever steals it; it would be then.
	if before.Version > 0 && c.Public() && !before.Public() {
		return &Error{
			Code: InvalidRequest, Field: "token_endpoint_auth_method",
			Detail: "a client that authenticates by a key gets no secret and cannot become public; create another one",
		}
	}
	return nil
}

// tighten makes strict what a change leaves unsaid of a client that is new, or that could not have users come by a browser or a device
// before it: what a record says of the rules for that is then no decision.
func tighten(c, before *Client, change ClientChange) {
	created := before.Version == 0
	if created || c.Allows(GrantAuthorizationCode) && !before.Allows(GrantAuthorizationCode) {
		c.RequirePKCE = change.RequirePKCE == nil || *change.RequirePKCE
		c.RequirePAR = change.RequirePAR == nil || *change.RequirePAR
	}
	opened := c.meetsUsers() && !before.meetsUsers()
	if opened && change.RequireDPoP == nil {
		c.RequireDPoP = true
	}
	if (created || opened || before.FirstParty && !c.FirstParty) && change.RequireConsent == nil {
		c.RequireConsent = !c.FirstParty
	}
}

// meetsUsers reports whether users come to the client through pages of this server.
func (c *Client) meetsUsers() bool {
	return c.Allows(GrantAuthorizationCode) || c.Allows(GrantDeviceCode)
}

// endsWhatWasIssued reports whether what the client was issued under the rules before must not go on under the new ones. A refresh token
// that is bound to no key would be bound to whoever uses it next, and what was given without asking the user would stay given. Nothing
// is ended by the other rules. Grant types, scopes, organisations, audiences, claims and rotation are looked at in every use. Codes
// that came without PKCE or unpushed last a minute. A new secret or key is asked for in the next use. What is issued to a disabled client
// is refused and stays so when it is enabled again (row A-06).
func endsWhatWasIssued(c, before *Client) bool {
	return c.RequireDPoP && !before.RequireDPoP || c.RequireConsent && !before.RequireConsent || before.Disabled && !c.Disabled
}

func set[T any](field, value *T) {
	if value != nil {
		*field = *value
	}
}

func setList(field *[]string, value **[]string) {
	switch {
	case value == nil:
	case *value == nil:
		*field = nil
	default:
		*field = **value
	}
}
