// Package origin owns what pages of other origins may read (CORS): the answers of routes that share theirs, to pages of origins that a
// client has listed. Nothing else answers to an origin.
package origin

import (
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/auth"
)

// Sharing is for the routes of one dialect.
type Sharing struct {
	Registry *auth.Registry
	// Sent and Read are the headers a page may send and read, beside those of Fetch §2.2.2.
	Sent, Read string
}

// Route is a method of a path.
type Route struct {
	Method  string
	Handler echo.HandlerFunc
}

// Add adds all the routes of a path, with their preflight (row S-07).
func (s Sharing) Add(e *echo.Echo, path string, routes ...Route) {
	served := make([]string, 0, len(routes)+1)
	for _, route := range routes {
		e.Add(route.Method, path, route.Handler, s.answer)
		served = append(served, route.Method)
		if route.Method == http.MethodGet { // every GET route answers HEAD too
			served = append(served, http.MethodHead)
		}
	}
	e.Add(http.MethodOptions, path, s.preflight(strings.Join(served, ", ")), s.answer)
}

// preflightAge is how long a browser may go on without asking again. What it then gets to read is decided anew each time.
const preflightAge = "600"

// preflight answers as the router would, and with what a page may send (Fetch §3.2.3). No credentials: there are no cookies to share.
func (s Sharing) preflight(methods string) echo.HandlerFunc {
	allow := "OPTIONS, " + methods
	return func(c echo.Context) error {
		h := c.Response().Header()
		h.Set("Allow", allow)
		if h.Get("Access-Control-Allow-Origin") != "" {
			h.Set("Access-Control-Allow-Methods", methods)
			h.Set("Access-Control-Allow-Headers", s.Sent)
			h.Set("Access-Control-Max-Age", preflightAge)
		}
		return c.NoContent(http.StatusNoContent)
	}
}

// answer names the origin of the asking page if it is a client's, on whatever the handler answers.
func (s Sharing) answer(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		h := c.Response().Header()
		h.Add("Vary", "Origin")
		if origins := c.Request().Header.Values("Origin"); len(origins) == 1 {
			allowed, err := s.Registry.OriginAllowed(c.Request().Context(), origins[0])
			if err != nil {
				return err
			}
			if allowed {
				h.Set("Access-Control-Allow-Origin", origins[0])
				if s.Read != "" {
					h.Set("Access-Control-Expose-Headers", s.Read)
				}
			}
		}
		return next(c)
	}
}
