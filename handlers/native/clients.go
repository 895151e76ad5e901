package native

import (
	"context"
	"net/http"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/handlers/request"
)

type clientBody struct {
	ClientID               string         `json:"client_id"`
	Org                    string         `json:"org"`
	Number                 uint64         `json:"number,omitzero"`
	Name                   string         `json:"name,omitempty"`
	Description            string         `json:"description,omitempty"`
	Type                   string         `json:"type"`
	Listed                 bool           `json:"listed"`
	SelfRegistration       bool           `json:"self_registration"`
	Public                 bool           `json:"public"`
	FirstParty             bool           `json:"first_party"`
	AllOrgs                bool           `json:"all_orgs"`
	GrantTypes             []string       `json:"grant_types"`
	Scopes                 []string       `json:"scopes"`
	Audience               []string       `json:"audience"`
	RedirectURIs           []string       `json:"redirect_uris"`
	PostLogoutRedirectURIs []string       `json:"post_logout_redirect_uris"`
	BackchannelLogoutURI   string         `json:"backchannel_logout_uri,omitempty"`
	AllowedOrigins         []string       `json:"allowed_origins"`
	AuthMethod             string         `json:"token_endpoint_auth_method,omitempty"`
	JWKS                   jsontext.Value `json:"jwks,omitempty"`
	EndpointAudience       bool           `json:"allow_token_endpoint_audience"`
	RequirePKCE            bool           `json:"require_pkce"`
	RequirePAR             bool           `json:"require_par"`
	RequireDPoP            bool           `json:"require_dpop"`
	RequireConsent         bool           `json:"require_consent"`
	RotateRefreshTokens    bool           `json:"rotate_refresh_tokens"`
	CodeLifetime           int            `json:"code_lifetime"`
	ExchangeAudiences      []string       `json:"exchange_audiences"`
	AccessTokenAlg         string         `json:"access_token_alg,omitempty"`
	IDTokenAlg             string         `json:"id_token_alg,omitempty"`
	ClaimsIn               *[]string      `json:"claims_in"`
	ClaimKeys              *[]string      `json:"claim_keys"`
	Disabled               bool           `json:"disabled"`
	Warnings               []warningBody  `json:"warnings"`
	CreatedAt              time.Time      `json:"created_at"`
	UpdatedAt              time.Time      `json:"updated_at"`
	// ClientSecret is there only in the answer that created it.
	ClientSecret string `json:"client_secret,omitempty"`
}

type warningBody struct {
	Code string `json:"code"`
	Text string `json:"text"`
}

func viewClient(c *auth.Client) clientBody {
	body := clientBody{
		ClientID: c.ID, Org: c.Org, Number: c.Number, Name: c.Name, Description: c.Description, Type: c.Application(), Listed: c.Listed,
		SelfRegistration: c.SelfRegistration, Public: c.Public(), FirstParty: c.FirstParty, AllOrgs: c.AllOrgs,
		GrantTypes: c.GrantTypes, Scopes: c.Scopes, Audience: c.Audience, RedirectURIs: c.RedirectURIs,
		PostLogoutRedirectURIs: c.PostLogoutRedirectURIs, BackchannelLogoutURI: c.BackchannelLogoutURI, AllowedOrigins: c.AllowedOrigins,
		AuthMethod: c.AuthMethod, EndpointAudience: c.EndpointAudience,
		RequirePKCE: c.RequirePKCE, RequirePAR: c.RequirePAR, RequireDPoP: c.RequireDPoP, RequireConsent: c.RequireConsent,
		RotateRefreshTokens: !c.KeepRefreshTokens, CodeLifetime: c.CodeSeconds(), ExchangeAudiences: c.ExchangeAudiences,
		AccessTokenAlg: c.AccessTokenAlg, IDTokenAlg: c.IDTokenAlg, ClaimsIn: listOrNull(c.ClaimsIn), ClaimKeys: listOrNull(c.ClaimKeys),
		Disabled: c.Disabled, Warnings: []warningBody{}, CreatedAt: c.CreatedAt, UpdatedAt: c.UpdatedAt,
	}
	if c.Public() {
		body.AuthMethod = auth.AuthNone
	}
	if c.KeySet != "" {
		body.JWKS = jsontext.Value(c.KeySet)
	}
	for _, w := range c.Warnings() {
		body.Warnings = append(body.Warnings, warningBody(w))
	}
	return body
}

func listOrNull(l []string) *[]string {
	if l == nil {
		return nil
	}
	return &l
}

type clientPatch struct {
	Name                   *string        `json:"name"`
	Description            *string        `json:"description"`
	Type                   *string        `json:"type"`
	Listed                 *bool          `json:"listed"`
	SelfRegistration       *bool          `json:"self_registration"`
	FirstParty             *bool          `json:"first_party"`
	AllOrgs                *bool          `json:"all_orgs"`
	GrantTypes             *[]string      `json:"grant_types"`
	Scopes                 *[]string      `json:"scopes"`
	Audience               *[]string      `json:"audience"`
	RedirectURIs           *[]string      `json:"redirect_uris"`
	PostLogoutRedirectURIs *[]string      `json:"post_logout_redirect_uris"`
	BackchannelLogoutURI   *string        `json:"backchannel_logout_uri"`
	AllowedOrigins         *[]string      `json:"allowed_origins"`
	AuthMethod             *string        `json:"token_endpoint_auth_method"`
	JWKS                   jsontext.Value `json:"jwks"`
	EndpointAudience       *bool          `json:"allow_token_endpoint_audience"`
	RequirePKCE            *bool          `json:"require_pkce"`
	RequirePAR             *bool          `json:"require_par"`
	RequireDPoP            *bool          `json:"require_dpop"`
	RequireConsent         *bool          `json:"require_consent"`
	RotateRefreshTokens    *bool          `json:"rotate_refresh_tokens"`
	CodeLifetime           *int           `json:"code_lifetime"`
	ExchangeAudiences      *[]string      `json:"exchange_audiences"`
	AccessTokenAlg         *string        `json:"access_token_alg"`
	IDTokenAlg             *string        `json:"id_token_alg"`
	ClaimsIn               jsontext.Value `json:"claims_in"`
	ClaimKeys              jsontext.Value `json:"claim_keys"`
	Disabled               *bool          `json:"disabled"`
}

func (b clientPatch) change() (auth.ClientChange, error) {
	change := auth.ClientChange{
		Name: b.Name, Description: b.Description, Type: b.Type, Listed: b.Listed, SelfRegistration: b.SelfRegistration,
		FirstParty: b.FirstParty, AllOrgs: b.AllOrgs, GrantTypes: b.GrantTypes, Scopes: b.Scopes,
		Audience: b.Audience, RedirectURIs: b.RedirectURIs, PostLogoutRedirectURIs: b.PostLogoutRedirectURIs,
		BackchannelLogoutURI: b.BackchannelLogoutURI, AllowedOrigins: b.AllowedOrigins, AuthMethod: b.AuthMethod,
		EndpointAudience: b.EndpointAudience, RequirePKCE: b.RequirePKCE, RequirePAR: b.RequirePAR, RequireDPoP: b.RequireDPoP,
		RequireConsent: b.RequireConsent, RotateRefreshTokens: b.RotateRefreshTokens, CodeLifetime: b.CodeLifetime,
		ExchangeAudiences: b.ExchangeAudiences, AccessTokenAlg: b.AccessTokenAlg, IDTokenAlg: b.IDTokenAlg, Disabled: b.Disabled,
	}
	var err error
	if b.JWKS != nil {
		if b.JWKS.Kind() != '{' {
			return change, &auth.Error{Code: auth.InvalidRequest, Field: "jwks", Detail: "a JSON Web Key Set, which is an object"}
		}
		text := string(b.JWKS)
		change.KeySet = &text
	}
	if change.ClaimsIn, err = nullableList("claims_in", b.ClaimsIn); err != nil {
		return change, err
	}
	change.ClaimKeys, err = nullableList("claim_keys", b.ClaimKeys)
	return change, err
}

// nullableList tells an absent member (nil), null (a pointer to nil: no restriction) and a list apart.
func nullableList(name string, raw jsontext.Value) (**[]string, error) {
	if raw == nil {
		return nil, nil //nolint:nilnil // absent is a value of its own here
	}
	var values *[]string
	if err := json.Unmarshal(raw, &values); err != nil {
		return nil, &auth.Error{Code: auth.InvalidRequest, Field: name, Detail: "a list of strings, or null for no restriction"}
	}
	return &values, nil
}

type newClientBody struct {
	ClientID string `json:"client_id"`
	Preset   string `json:"preset"`
	Public   *bool  `json:"public"`
	clientPatch
}

func (d *Dialect) listClients(c echo.Context, caller *auth.Caller) error {
	return list(c, d, caller, "clients",
		func(ctx context.Context, org string, p auth.Page) ([]auth.Client, string, error) {
			return d.Clients.List(ctx, caller, org, p)
		}, viewClient)
}

func (d *Dialect) createClient(c echo.Context, caller *auth.Caller) error {
	org, err := org(c)
	if err != nil {
		return err
	}
	body, err := request.DecodeJSON[newClientBody](c.Request(), maxBody)
	if err != nil {
		return err
	}
	change, err := body.change()
	if err != nil {
		return err
	}
	client, secret, err := d.Clients.Create(c.Request().Context(), caller, org,
		auth.NewClient{ID: body.ClientID, Preset: body.Preset, Public: body.Public, ClientChange: change})
	if err != nil {
		return err
	}
	location(c, "client", client.ID)
	return respondClient(c, http.StatusCreated, &client, secret)
}

func respondClient(c echo.Context, status int, client *auth.Client, secret string) error {
	body := viewClient(client)
	body.ClientSecret = secret
	return respond(c, status, client.Version, body)
}

func clientName(c echo.Context) (org_, id string, err error) {
	if org_, err = org(c); err != nil {
		return "", "", err
	}
	id, err = request.PathValue(c, "clientId")
	return org_, id, err
}

func (d *Dialect) getClient(c echo.Context, caller *auth.Caller) error {
	org, id, err := clientName(c)
	if err != nil {
		return err
	}
	client, err := d.Clients.Get(c.Request().Context(), caller, org, id)
	if err != nil {
		return err
	}
	return show(c, client.Version, viewClient(&client))
}

func (d *Dialect) updateClient(c echo.Context, caller *auth.Caller) error {
	org, id, err := clientName(c)
	if err != nil {
		return err
	}
	body, err := request.DecodeJSON[clientPatch](c.Request(), maxBody)
	if err != nil {
		return err
	}
	change, err := body.change()
	if err != nil {
		return err
	}
	want, err := version(c)
	if err != nil {
		return err
	}
	client, err := d.Clients.Update(c.Request().Context(), caller, org, id, want, change)
	if err != nil {
		return err
	}
	return respondClient(c, http.StatusOK, &client, "")
}

func (d *Dialect) newClientSecret(c echo.Context, caller *auth.Caller) error {
	org, id, err := clientName(c)
	if err != nil {
		return err
	}
	client, secret, err := d.Clients.NewSecret(c.Request().Context(), caller, org, id)
	if err != nil {
		return err
	}
	return respondClient(c, http.StatusOK, &client, secret)
}

func (d *Dialect) deleteClient(c echo.Context, caller *auth.Caller) error {
	org, id, err := clientName(c)
	if err != nil {
		return err
	}
	want, err := version(c)
	if err != nil {
		return err
	}
	if err := d.Clients.Delete(c.Request().Context(), caller, org, id, want); err != nil {
		return err
	}
	return noContent(c)
}
