package oidc

import (
	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/handlers/origin"
)

// share adds a route whose answers pages of other origins may read, those of its clients alone. Nothing else here answers to an origin,
// least of all the authorization endpoint (RFC 9700 §2.6).
func (d *Dialect) share(e *echo.Echo, path string, handler echo.HandlerFunc, methods ...string) {
	var routes []origin.Route
	for _, method := range methods {
		routes = append(routes, origin.Route{Method: method, Handler: handler})
	}
	origin.Sharing{Registry: d.Registry, Sent: "Authorization, Content-Type, DPoP"}.Add(e, path, routes...)
}
