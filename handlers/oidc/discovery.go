package oidc

import (
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/keys"
)

// configuration is the metadata of OpenID Connect Discovery §3 and RFC 8414 §2: what is served, and nothing else.
type configuration struct {
	Issuer                       string   `json:"issuer"`
	TokenEndpoint                string   `json:"token_endpoint"`
	UserInfoEndpoint             string   `json:"userinfo_endpoint"`
	IntrospectionEndpoint        string   `json:"introspection_endpoint"`
	RevocationEndpoint           string   `json:"revocation_endpoint"`
	KeysURI                      string   `json:"jwks_uri"`
	ScopesSupported              []string `json:"scopes_supported"`
	ResponseTypesSupported       []string `json:"response_types_supported"`
	GrantTypesSupported          []string `json:"grant_types_supported"`
	SubjectTypesSupported        []string `json:"subject_types_supported"`
	IDTokenAlgs                  []string `json:"id_token_signing_alg_values_supported"`
	TokenEndpointAuthMethods     []string `json:"token_endpoint_auth_methods_supported"`
	IntrospectionAuthMethods     []string `json:"introspection_endpoint_auth_methods_supported"`
	RevocationAuthMethods        []string `json:"revocation_endpoint_auth_methods_supported"`
	ClaimsSupported              []string `json:"claims_supported"`
	ACRValuesSupported           []string `json:"acr_values_supported"`
	RequestParameterSupported    bool     `json:"request_parameter_supported"`
	RequestURIParameterSupported bool     `json:"request_uri_parameter_supported"`
	ClaimsParameterSupported     bool     `json:"claims_parameter_supported"`
}

func (d *Dialect) discovery(c echo.Context) error {
	c.Response().Header().Set("Cache-Control", "public, max-age=300")
	secrets := []string{"client_secret_basic", "client_secret_post"}
	return respond(c, http.StatusOK, configuration{
		Issuer:                d.Issuer,
		TokenEndpoint:         d.Issuer + pathToken,
		UserInfoEndpoint:      d.Issuer + pathUserInfo,
		IntrospectionEndpoint: d.Issuer + pathIntrospection,
		RevocationEndpoint:    d.Issuer + pathRevocation,
		KeysURI:               d.Issuer + pathKeys,
		ScopesSupported:       []string{auth.ScopeOpenID, "profile", "email", "phone", "address"},
		// There is no authorization endpoint, hence no response type (RFC 8414 §2 requires the member).
		ResponseTypesSupported:   []string{},
		GrantTypesSupported:      d.Dispatcher.Types(),
		SubjectTypesSupported:    []string{"public"},
		IDTokenAlgs:              keys.Algorithms(),
		TokenEndpointAuthMethods: append([]string{"none"}, secrets...),
		IntrospectionAuthMethods: secrets,
		RevocationAuthMethods:    append([]string{"none"}, secrets...),
		ClaimsSupported: []string{
			"sub", "iss", "aud", "exp", "iat", "auth_time", "acr", "amr", "sid", "org", "claims_rev",
			"name", "given_name", "family_name", "middle_name", "nickname", "preferred_username", "profile", "picture", "website",
			"gender", "birthdate", "zoneinfo", "locale", "updated_at", "email", "email_verified", "phone_number",
			"phone_number_verified", "address",
		},
		ACRValuesSupported: []string{"1"},
	})
}

func (d *Dialect) keySet(c echo.Context) error {
	set, err := d.Keys.JWKS()
	if err != nil {
		return err
	}
	c.Response().Header().Set("Cache-Control", "public, max-age="+strconv.Itoa(int(d.KeysMaxAge.Seconds())))
	return c.JSONBlob(http.StatusOK, set)
}
