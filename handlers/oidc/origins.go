package oidc

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"
)

// share adds a route whose answers pages of other origins may read, those of its clients alone (row S-07): with its preflight. Nothing
// else answers to an origin, least of all the authorization endpoint (RFC 9700 §2.6).
func (d *Dialect) share(e *echo.Echo, path string, handler echo.HandlerFunc, methods ...string) {
	for _, method := range methods {
		e.Add(method, path, handler, d.answerOrigin)
	}
	// Every GET route answers HEAD too.
	served := strings.Replace(strings.Join(methods, ", "), http.MethodGet, http.MethodGet+", "+http.MethodHead, 1)
	e.Add(http.MethodOptions, path, preflight(served), d.answerOrigin)
}

// preflightAge is how long a browser may go on without asking again. What it then gets to read is decided anew each time.
const preflightAge = "600"

// preflight answers as the router would, and with what a page may send (Fetch §3.2.3). No credentials: there are no cookies to share.
func preflight(methods string) echo.HandlerFunc {
	allow := "OPTIONS, " + methods
	return func(c echo.Context) error {
		h := c.Response().Header()
		h.Set("Allow", allow)
		if h.Get("Access-Control-Allow-Origin") != "" {
			h.Set("Access-Control-Allow-Methods", methods)
			h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, DPoP")
			h.Set("Access-Control-Max-Age", preflightAge)
		}
		return c.NoContent(http.StatusNoContent)
	}
}

// answerOrigin names the origin of the asking page if it is a client's, on whatever the handler answers.
func (d *Dialect) answerOrigin(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		h := c.Response().Header()
		h.Add("Vary", "Origin")
		if origins := c.Request().Header.Values("Origin"); len(origins) == 1 {
			allowed, err := d.Registry.OriginAllowed(c.Request().Context(), origins[0])
			if err != nil {
				return err
			}
			if allowed {
				h.Set("Access-Control-Allow-Origin", origins[0])
			}
		}
		return next(c)
	}
}
