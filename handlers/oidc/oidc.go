// Package oidc is the OAuth 2.0 and OpenID Connect dialect: login and token endpoint, keys, discovery, userinfo, introspection
// and revocation. It only translates; the rules are in auth and auth/grant.
package oidc

import (
	"net/http"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/grant"
	"github.com/claimsmith/claimsmith/auth/keys"
	"github.com/claimsmith/claimsmith/handlers/problem"
)

// Dialect mounts the endpoints.
type Dialect struct {
	Issuer     string
	Dispatcher *grant.Dispatcher
	Inspector  *auth.Inspector
	Callers    *auth.Callers
	Keys       *keys.Ring
	// KeysMaxAge is how long verifiers may cache the key set.
	KeysMaxAge time.Duration
}

// Paths of the endpoints, below the issuer.
const (
	pathLogin         = "/login"
	pathToken         = "/oauth/token"
	pathConnectToken  = "/connect/token" // where seed 002's clients look for it
	pathUserInfo      = "/oauth/userinfo"
	pathIntrospection = "/oauth/introspect"
	pathRevocation    = "/oauth/revoke"
	pathKeys          = "/.well-known/jwks.json"
	pathOpenID        = "/.well-known/openid-configuration"
	pathOAuth         = "/.well-known/oauth-authorization-server"
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
	e.Add(http.MethodPost, pathToken, d.token)
	e.Add(http.MethodPost, pathConnectToken, d.token)
	e.Add(http.MethodGet, pathUserInfo, d.userInfo)
	e.Add(http.MethodPost, pathUserInfo, d.userInfo)
	e.Add(http.MethodPost, pathIntrospection, d.introspect)
	e.Add(http.MethodPost, pathRevocation, d.revoke)
	e.Add(http.MethodGet, pathKeys, d.keySet)
	e.Add(http.MethodGet, pathOpenID, d.discovery)
	e.Add(http.MethodGet, pathOAuth, d.discovery)
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
