package oidc

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/grant"
	"github.com/claimsmith/claimsmith/handlers/request"
)

// tokenBody is a token response (RFC 6749 §5.1, OpenID Connect Core §3.1.3.3).
type tokenBody struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int64  `json:"expires_in"`
	RefreshToken string `json:"refresh_token,omitempty"`
	IDToken      string `json:"id_token,omitempty"`
	Scope        string `json:"scope,omitempty"`
}

func respondTokens(c echo.Context, t auth.Tokens) error {
	return respond(c, http.StatusOK, tokenBody{
		AccessToken: t.AccessToken, TokenType: "Bearer", ExpiresIn: int64(t.ExpiresIn.Seconds()),
		RefreshToken: t.RefreshToken, IDToken: t.IDToken, Scope: t.Scope,
	})
}

func (d *Dialect) token(c echo.Context) error {
	form, err := request.DecodeForm(c.Request())
	if err != nil {
		return err
	}
	id, secret, err := clientCredentials(c.Request(), form.Get("client_id"), form.Get("client_secret"))
	if err != nil {
		return err
	}
	tokens, err := d.Dispatcher.Token(c.Request().Context(), grant.Request{
		GrantType: form.Get("grant_type"), ClientID: id, ClientSecret: secret,
		Scope: form.Get("scope"), Org: form.Get("org"), Audience: form.Get("audience"),
		Username: form.Get("username"), Password: form.Get("password"), RefreshToken: form.Get("refresh_token"),
		Address: c.RealIP(),
	})
	if err != nil {
		return err
	}
	return respondTokens(c, tokens)
}

// clientCredentials takes a client's credentials from the Authorization header or the body, never a secret from both (RFC 6749
// §2.3). An id in both places must be the same.
func clientCredentials(r *http.Request, bodyID, bodySecret string) (id, secret string, err error) {
	id, secret, present, err := request.Basic(r)
	if err != nil {
		return "", "", err
	}
	if !present {
		return bodyID, bodySecret, nil
	}
	if bodySecret != "" || bodyID != "" && bodyID != id {
		return "", "", &auth.Error{Code: auth.InvalidRequest, Detail: "use one method of client authentication, not two"}
	}
	return id, secret, nil
}

// loginBody is a login in JSON.
type loginBody struct {
	Username string `json:"username"`
	Password string `json:"password"`
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
	id, secret, err := clientCredentials(c.Request(), body.ClientID, "")
	if err != nil {
		return err
	}
	if id == "" {
		id = auth.LoginClient
	}
	tokens, err := d.Dispatcher.Token(c.Request().Context(), grant.Request{
		GrantType: auth.GrantPassword, ClientID: id, ClientSecret: secret, Scope: body.Scope, Org: body.Org,
		Username: body.Username, Password: body.Password, Address: c.RealIP(),
	})
	if err != nil {
		return err
	}
	return respondTokens(c, tokens)
}
