// Package oidc is what applications speak of OAuth 2.0 and OpenID Connect: login and token endpoint, pushed and device authorization
// requests, keys, discovery, userinfo, introspection and revocation. What a browser shows is in handlers/console. It only translates;
// the rules are in auth, auth/grant and auth/authorize.
package oidc

import (
	"net/http"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/authorize"
	"github.com/claimsmith/claimsmith/auth/grant"
	"github.com/claimsmith/claimsmith/auth/keys"
	"github.com/claimsmith/claimsmith/handlers/problem"
)

// Dialect mounts the endpoints.
type Dialect struct {
	Issuer     string
	Dispatcher *grant.Dispatcher
	Authorize  *authorize.Service
	Inspector  *auth.Inspector
	Callers    *auth.Callers
	Registry   *auth.Registry
	Keys       *keys.Ring
	// KeysMaxAge is how long verifiers may cache the key set.
	KeysMaxAge time.Duration
	// UILocales are the languages of the pages.
	UILocales []string
}

// TokenPath is where the token endpoint is, below the issuer.
const TokenPath = "/oauth/token"

// Paths of the other endpoints.
const (
	pathLogin         = "/login"
	pathConnectToken  = "/connect/token" // where seed 002's clients look for it
	pathUserInfo      = "/oauth/userinfo"
	pathIntrospection = "/oauth/introspect"
	pathRevocation    = "/oauth/revoke"
	pathPushed        = "/oauth/par"
	pathDevice        = "/oauth/device"
	pathKeys          = "/.well-known/jwks.json"
	pathOpenID        = "/.well-known/openid-configuration"
	pathOAuth         = "/.well-known/oauth-authorization-server"
)

// Paths of pages, which are handlers/console's.
const (
	pathAuthorization = "/oauth/authorize"
	pathLogout        = "/oauth/logout"
	pathDevicePage    = "/device"
)

// Name implements handlers.Dialect.
func (d *Dialect) Name() string { return "oidc" }

// Prefixes implements handlers.Dialect.
func (d *Dialect) Prefixes() []string {
	return []string{"/login", "/oauth", "/connect", "/.well-known"}
}

// Mount implements handlers.Dialect. This is the list of what the dialect serves.
func (d *Dialect) Mount(e *echo.Echo) {
	e.Add(http.MethodPost, pathLogin, d.login)
	d.share(e, TokenPath, d.token, http.MethodPost)
	d.share(e, pathConnectToken, d.token, http.MethodPost)
	d.share(e, pathPushed, d.push, http.MethodPost)
	e.Add(http.MethodPost, pathDevice, d.beginDevice)
	d.share(e, pathUserInfo, d.userInfo, http.MethodGet, http.MethodPost)
	e.Add(http.MethodPost, pathIntrospection, d.introspect)
	d.share(e, pathRevocation, d.revoke, http.MethodPost)
	d.share(e, pathKeys, d.keySet, http.MethodGet)
	d.share(e, pathOpenID, d.discovery, http.MethodGet)
	d.share(e, pathOAuth, d.discovery, http.MethodGet)
}

// RenderError implements handlers.Dialect with the error response of RFC 6749 §5.2, also for what the router refuses.
func (d *Dialect) RenderError(c echo.Context, p problem.Problem) error {
	return p.WriteOAuth(c.Response())
}

// respond writes a JSON body. Everything here but keys and discovery is a secret or about a person, and the server's default of no-store
// stands (RFC 6749 §5.1).
func respond(c echo.Context, status int, body any) error {
	encoded, err := json.Marshal(body, json.Deterministic(true))
	if err != nil {
		return err
	}
	return c.JSONBlob(status, encoded)
}
