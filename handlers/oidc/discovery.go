package oidc

import (
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/keys"
	"github.com/claimsmith/claimsmith/claims"
)

// configuration is the metadata of OpenID Connect Discovery §3 and RFC 8414 §2: what is served, and nothing else.
type configuration struct {
	Issuer                        string   `json:"issuer"`
	AuthorizationEndpoint         string   `json:"authorization_endpoint"`
	TokenEndpoint                 string   `json:"token_endpoint"`
	UserInfoEndpoint              string   `json:"userinfo_endpoint"`
	IntrospectionEndpoint         string   `json:"introspection_endpoint"`
	RevocationEndpoint            string   `json:"revocation_endpoint"`
	PushedRequestEndpoint         string   `json:"pushed_authorization_request_endpoint"` // RFC 9126 §5
	DeviceEndpoint                string   `json:"device_authorization_endpoint"`         // RFC 8628 §4
	EndSessionEndpoint            string   `json:"end_session_endpoint"`                  // RP-Initiated Logout §2.1
	KeysURI                       string   `json:"jwks_uri"`
	ScopesSupported               []string `json:"scopes_supported"`
	ResponseTypesSupported        []string `json:"response_types_supported"`
	ResponseModesSupported        []string `json:"response_modes_supported"`
	GrantTypesSupported           []string `json:"grant_types_supported"`
	SubjectTypesSupported         []string `json:"subject_types_supported"`
	IDTokenAlgs                   []string `json:"id_token_signing_alg_values_supported"`
	TokenEndpointAuthMethods      []string `json:"token_endpoint_auth_methods_supported"`
	TokenEndpointAuthAlgs         []string `json:"token_endpoint_auth_signing_alg_values_supported"`
	IntrospectionAuthMethods      []string `json:"introspection_endpoint_auth_methods_supported"`
	IntrospectionAuthAlgs         []string `json:"introspection_endpoint_auth_signing_alg_values_supported"`
	RevocationAuthMethods         []string `json:"revocation_endpoint_auth_methods_supported"`
	RevocationAuthAlgs            []string `json:"revocation_endpoint_auth_signing_alg_values_supported"`
	CodeChallengeMethodsSupported []string `json:"code_challenge_methods_supported"`
	ProofAlgs                     []string `json:"dpop_signing_alg_values_supported"` // RFC 9449 §5.1
	ClaimsSupported               []string `json:"claims_supported"`
	ACRValuesSupported            []string `json:"acr_values_supported"`
	PromptValuesSupported         []string `json:"prompt_values_supported"` // Prompt Create §4.3
	UILocalesSupported            []string `json:"ui_locales_supported"`
	ClaimsParameterSupported      bool     `json:"claims_parameter_supported"`
	RequestParameterSupported     bool     `json:"request_parameter_supported"`
	RequestURIParameterSupported  bool     `json:"request_uri_parameter_supported"`
	ResponseIssSupported          bool     `json:"authorization_response_iss_parameter_supported"` // RFC 9207 §3
	BackchannelLogout             bool     `json:"backchannel_logout_supported"`                   // Back-Channel Logout §2.1
	BackchannelLogoutSession      bool     `json:"backchannel_logout_session_supported"`
}

func (d *Dialect) discovery(c echo.Context) error {
	c.Response().Header().Set("Cache-Control", "public, max-age=300")
	confidential := []string{auth.AuthSecretBasic, auth.AuthSecretPost, auth.AuthPrivateKeyJWT}
	anyMethod := append([]string{auth.AuthNone}, confidential...)
	return respond(c, http.StatusOK, configuration{
		Issuer:                d.Issuer,
		AuthorizationEndpoint: d.Issuer + pathAuthorization,
		TokenEndpoint:         d.Issuer + TokenPath,
		UserInfoEndpoint:      d.Issuer + pathUserInfo,
		IntrospectionEndpoint: d.Issuer + pathIntrospection,
		RevocationEndpoint:    d.Issuer + pathRevocation,
		PushedRequestEndpoint: d.Issuer + pathPushed,
		DeviceEndpoint:        d.Issuer + pathDevice,
		EndSessionEndpoint:    d.Issuer + pathLogout,
		KeysURI:               d.Issuer + pathKeys,
		ScopesSupported: []string{
			auth.ScopeOpenID, "profile", "email", "phone", "address", auth.ScopeOffline, auth.ScopeUserMetadata,
		},
		ResponseTypesSupported:        []string{"code"},
		ResponseModesSupported:        []string{"query", "form_post"},
		GrantTypesSupported:           d.Dispatcher.Types(),
		SubjectTypesSupported:         []string{"public"},
		IDTokenAlgs:                   keys.Algorithms(),
		TokenEndpointAuthMethods:      anyMethod,
		TokenEndpointAuthAlgs:         keys.Algorithms(),
		IntrospectionAuthMethods:      confidential,
		IntrospectionAuthAlgs:         keys.Algorithms(),
		RevocationAuthMethods:         anyMethod,
		RevocationAuthAlgs:            keys.Algorithms(),
		CodeChallengeMethodsSupported: []string{"S256"},
		ProofAlgs:                     keys.Algorithms(),
		ClaimsSupported: []string{
			"sub", "iss", "aud", "exp", "iat", "auth_time", "acr", "amr", "sid", "org", "claims_rev", "claims_app_rev", "claims_org_rev",
			"name", "given_name", "family_name", "middle_name", "nickname", "preferred_username", "profile", "picture", "website",
			"gender", "birthdate", "zoneinfo", "locale", "updated_at", "email", "email_verified", "phone_number",
			"phone_number_verified", "address", claims.UserMetadataClaim,
		},
		ACRValuesSupported:       auth.Classes(),
		PromptValuesSupported:    []string{"none", "login", "consent", "select_account"},
		UILocalesSupported:       d.UILocales,
		ClaimsParameterSupported: true,
		// Request objects are refused, and request_uri takes what was pushed (RFC 9126) and nothing else.
		RequestParameterSupported:    false,
		RequestURIParameterSupported: false,
		ResponseIssSupported:         true,
		BackchannelLogout:            true,
		BackchannelLogoutSession:     true,
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
