package oidc

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/claims"
	"github.com/claimsmith/claimsmith/handlers/request"
)

// userInfo takes the token from the header or, by POST, from the form (RFC 6750 §2.1, §2.2), never from the address.
func (d *Dialect) userInfo(c echo.Context) error {
	token, err := userInfoToken(c.Request())
	if err != nil {
		return err
	}
	t, err := d.Inspector.UserInfo(c.Request().Context(), token)
	if err != nil {
		return err
	}
	info := claims.UserInfo{Subject: t.User.ID, Org: t.Token.Org, Scope: t.Token.Scope, Profile: auth.StandardProfile(t.User)}
	info.Revision, info.AppRevision = t.Revisions()
	return c.JSONBlob(http.StatusOK, info.AppendJSON(nil, t.Entries(auth.InUserInfo)))
}

func userInfoToken(r *http.Request) (string, error) {
	if _, err := request.Query(r); err != nil {
		return "", err
	}
	if r.Method != http.MethodPost || r.Header.Get("Authorization") != "" || r.ContentLength == 0 {
		return request.Bearer(r)
	}
	form, err := request.DecodeForm(r)
	if err != nil {
		return "", err
	}
	if form.Get("access_token") == "" {
		return "", &request.Error{Code: request.MissingCredentials, Detail: "an access token is required"}
	}
	return form.Get("access_token"), nil
}

// introspect answers confidential clients and operators (RFC 7662).
func (d *Dialect) introspect(c echo.Context) error {
	form, err := request.DecodeForm(c.Request())
	if err != nil {
		return err
	}
	client, operator, err := d.introspector(c, form.Get("client_id"), form.Get("client_secret"))
	if err != nil {
		return err
	}
	if form.Get("token") == "" {
		return &auth.Error{Code: auth.InvalidRequest, Field: "token", Detail: "token is required"}
	}
	t, err := d.Inspector.Introspect(c.Request().Context(), client, operator, form.Get("token"))
	if err != nil {
		return err
	}
	if t == nil {
		return c.JSONBlob(http.StatusOK, []byte(`{"active":false}`)) // RFC 7662 §2.2: and nothing else
	}
	token := t.Token.AccessToken
	token.Revision, token.AppRevision = t.Revisions()
	body := append([]byte(`{"active":true,"token_type":"Bearer",`), token.AppendJSON(nil, t.Entries(auth.InIntrospection))[1:]...)
	return c.JSONBlob(http.StatusOK, body)
}

func (d *Dialect) introspector(c echo.Context, id, secret string) (*auth.Client, *auth.Caller, error) {
	if bearer, err := request.Bearer(c.Request()); err == nil {
		operator, err := d.Callers.Resolve(c.Request().Context(), bearer)
		return nil, operator, err
	}
	client, err := d.client(c, id, secret)
	if err == nil && client.Public() {
		err = &auth.Error{Code: auth.InvalidClient, Detail: "a public client may not introspect tokens"}
	}
	return client, nil, err
}

func (d *Dialect) client(c echo.Context, id, secret string) (*auth.Client, error) {
	id, secret, err := clientCredentials(c.Request(), id, secret)
	if err != nil {
		return nil, err
	}
	return d.Dispatcher.Authenticate(c.Request().Context(), id, secret)
}

// revoke answers 200 also where there was nothing to revoke (RFC 7009 §2.2).
func (d *Dialect) revoke(c echo.Context) error {
	form, err := request.DecodeForm(c.Request())
	if err != nil {
		return err
	}
	client, err := d.client(c, form.Get("client_id"), form.Get("client_secret"))
	if err != nil {
		return err
	}
	if form.Get("token") == "" {
		return &auth.Error{Code: auth.InvalidRequest, Field: "token", Detail: "token is required"}
	}
	if err := d.Inspector.Revoke(c.Request().Context(), client, form.Get("token")); err != nil {
		return err
	}
	return c.NoContent(http.StatusOK)
}
