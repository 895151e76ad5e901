package oidc

import (
	"net/http"
	"net/url"

	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/grant"
	"github.com/claimsmith/claimsmith/handlers/request"
)

// tokenBody is a token response (RFC 6749 §5.1, OpenID Connect Core §3.1.3.3, RFC 8693 §2.2.1).
type tokenBody struct {
	AccessToken     string `json:"access_token"`
	IssuedTokenType string `json:"issued_token_type,omitempty"`
	TokenType       string `json:"token_type"`
	ExpiresIn       int64  `json:"expires_in"`
	RefreshToken    string `json:"refresh_token,omitempty"`
	IDToken         string `json:"id_token,omitempty"`
	Scope           string `json:"scope,omitempty"`
}

func respondTokens(c echo.Context, t auth.Tokens) error {
	return respond(c, http.StatusOK, tokenBody{
		AccessToken: t.AccessToken, IssuedTokenType: t.IssuedTokenType, TokenType: t.TokenType, ExpiresIn: int64(t.ExpiresIn.Seconds()),
		RefreshToken: t.RefreshToken, IDToken: t.IDToken, Scope: t.Scope,
	})
}

func (d *Dialect) token(c echo.Context) error {
	form, err := request.DecodeForm(c.Request())
	if err != nil {
		return err
	}
	credentials, err := formCredentials(c.Request(), form)
	if err != nil {
		return err
	}
	tokens, err := d.Dispatcher.Token(c.Request().Context(), grant.Request{
		Credentials: credentials, GrantType: form.Get("grant_type"), Scope: form.Get("scope"), Org: form.Get("org"),
		Username: form.Get("username"), Password: form.Get("password"), OTP: form.Get("otp"), RefreshToken: form.Get("refresh_token"),
		Code: form.Get("code"), RedirectURI: form.Get("redirect_uri"), CodeVerifier: form.Get("code_verifier"),
		DeviceCode: form.Get("device_code"), SubjectToken: form.Get("subject_token"), SubjectTokenType: form.Get("subject_token_type"),
		ActorToken: form.Get("actor_token"), ActorTokenType: form.Get("actor_token_type"),
		RequestedTokenType: form.Get("requested_token_type"), Resource: form.Get("resource"), Audience: form.Get("audience"),
		Proof: d.proof(c), Address: c.RealIP(),
	})
	if err != nil {
		return err
	}
	return respondTokens(c, tokens)
}

// proof is what a request proves the possession of a key with (RFC 9449 §4.2), at the address the endpoint is published under.
func (d *Dialect) proof(c echo.Context) auth.Proof {
	r := c.Request()
	return auth.Proof{Headers: r.Header.Values("DPoP"), Method: r.Method, URL: d.Issuer + c.Path()}
}

// formCredentials takes a client's credentials from the Authorization header or the form.
func formCredentials(r *http.Request, form url.Values) (grant.Credentials, error) {
	return credentials(r, grant.Credentials{
		ClientID: form.Get("client_id"), ClientSecret: form.Get("client_secret"),
		ClientAssertion: form.Get("client_assertion"), ClientAssertionType: form.Get("client_assertion_type"),
	})
}

// credentials completes those of a body by those of the Authorization header: never secrets from both (RFC 6749 §2.3). An id in both
// places must be the same.
func credentials(r *http.Request, body grant.Credentials) (grant.Credentials, error) {
	id, secret, present, err := request.Basic(r)
	switch {
	case err != nil:
		return grant.Credentials{}, err
	case !present && body.ClientSecret != "":
		body.AuthMethod = auth.AuthSecretPost
		return body, nil
	case !present:
		return body, nil
	case body.ClientSecret != "", body.ClientAssertion != "", body.ClientID != "" && body.ClientID != id:
		return grant.Credentials{}, &auth.Error{Code: auth.InvalidRequest, Detail: "use one method of client authentication, not two"}
	}
	return grant.Credentials{ClientID: id, ClientSecret: secret, AuthMethod: auth.AuthSecretBasic}, nil
}

// loginBody is a login in JSON.
type loginBody struct {
	Username string `json:"username"`
	Password string `json:"password"`
	OTP      string `json:"otp"`
	Org      string `json:"org"`
	ClientID string `json:"client_id"`
	Scope    string `json:"scope"`
}

const maxLoginBody = 64 << 10

// login is the password grant for those who would rather send JSON than a form. Without a client it is for the built-in one.
func (d *Dialect) login(c echo.Context) error {
	if _, err := request.Query(c.Request()); err != nil {
		return err
	}
	body, err := request.DecodeJSON[loginBody](c.Request(), maxLoginBody)
	if err != nil {
		return err
	}
	client, err := credentials(c.Request(), grant.Credentials{ClientID: body.ClientID})
	if err != nil {
		return err
	}
	if client.ClientID == "" {
		client.ClientID = auth.LoginClient
	}
	tokens, err := d.Dispatcher.Token(c.Request().Context(), grant.Request{
		Credentials: client, GrantType: auth.GrantPassword, Scope: body.Scope, Org: body.Org,
		Username: body.Username, Password: body.Password, OTP: body.OTP, Proof: d.proof(c), Address: c.RealIP(),
	})
	if err != nil {
		return err
	}
	return respondTokens(c, tokens)
}
