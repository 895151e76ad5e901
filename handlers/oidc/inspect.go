package oidc

import (
	"net/http"
	"net/url"

	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/keys"
	"github.com/claimsmith/claimsmith/handlers/problem"
	"github.com/claimsmith/claimsmith/handlers/request"
)

// userInfo takes the token from the header or, a plain one by POST, from the form (RFC 6750 §2.1, §2.2, RFC 9449 §7.1), never from the
// address.
func (d *Dialect) userInfo(c echo.Context) error {
	scheme, token, err := userInfoToken(c.Request())
	if err != nil {
		return problem.AtResource(err, scheme, keys.Algorithms())
	}
	t, err := d.Inspector.UserInfo(c.Request().Context(), scheme, token, d.proof(c))
	if err != nil {
		return problem.AtResource(err, scheme, keys.Algorithms())
	}
	return c.JSONBlob(http.StatusOK, t.UserInfo())
}

func userInfoToken(r *http.Request) (scheme, token string, err error) {
	if _, err := request.Query(r); err != nil {
		return request.SchemeBearer, "", err
	}
	header := r.Header.Get("Authorization") != ""
	if r.Method != http.MethodPost || r.ContentLength == 0 || header && !request.IsForm(r) {
		return request.AccessToken(r)
	}
	form, err := request.DecodeForm(r)
	switch {
	case err != nil:
	case header && form.Has("access_token"): // RFC 6750 §2
		err = &auth.Error{Code: auth.InvalidRequest, Field: "access_token", Detail: "send the access token once, in the header or in the form"}
	case header:
		return request.AccessToken(r)
	case !form.Has("access_token"):
		err = &request.Error{Code: request.MissingCredentials, Detail: "an access token is required"}
	}
	return request.SchemeBearer, form.Get("access_token"), err
}

// introspect answers confidential clients and operators (RFC 7662).
func (d *Dialect) introspect(c echo.Context) error {
	form, err := request.DecodeForm(c.Request())
	if err != nil {
		return err
	}
	client, operator, err := d.introspector(c, form)
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
	return c.JSONBlob(http.StatusOK, t.Introspection())
}

func (d *Dialect) introspector(c echo.Context, form url.Values) (*auth.Client, *auth.Caller, error) {
	if bearer, err := request.Bearer(c.Request()); err == nil {
		operator, err := d.Callers.Resolve(c.Request().Context(), bearer)
		return nil, operator, err
	}
	client, err := d.client(c, form)
	if err == nil && client.Public() {
		err = &auth.Error{Code: auth.InvalidClient, Detail: "a public client may not introspect tokens"}
	}
	return client, nil, err
}

func (d *Dialect) client(c echo.Context, form url.Values) (*auth.Client, error) {
	credentials, err := formCredentials(c.Request(), form)
	if err != nil {
		return nil, err
	}
	return d.Dispatcher.Authenticate(c.Request().Context(), credentials)
}

// revoke answers 200 also where there was nothing to revoke (RFC 7009 §2.2).
func (d *Dialect) revoke(c echo.Context) error {
	form, err := request.DecodeForm(c.Request())
	if err != nil {
		return err
	}
	client, err := d.client(c, form)
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
