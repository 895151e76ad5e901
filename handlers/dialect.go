package handlers

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/handlers/problem"
)

// Dialect is one wire dialect: its routes, and the envelope its errors come in. All methods but Mount are called concurrently.
type Dialect interface {
	// Name is short and stable; it is in logs, metrics and audit events.
	Name() string
	// Prefixes are the paths whose errors the dialect renders, its own and the router's. Each means itself and everything
	// below, in whole segments; the longest that fits a path decides. "/" fits every path.
	Prefixes() []string
	// Mount adds the dialect's routes. Middleware goes on routes, never on the Echo or a group: a group with middleware
	// answers 404 where 405 is due. Every GET route answers HEAD too.
	Mount(e *echo.Echo)
	// RenderError answers with p. The status is the dialect's choice; the headers of p.SetHeader are set already.
	RenderError(c echo.Context, p problem.Problem) error
}

// surface is a dialect below one of its prefixes.
type surface struct {
	prefix  string // without a slash at the end
	dialect Dialect
}

func surfacesOf(d Dialect) []surface {
	var surfaces []surface
	for _, prefix := range d.Prefixes() {
		surfaces = append(surfaces, surface{strings.TrimSuffix(prefix, "/"), d})
	}
	return surfaces
}

func (f surface) holds(path string) bool {
	rest, found := strings.CutPrefix(path, f.prefix)
	return found && (rest == "" || rest[0] == '/')
}

// parameter is one in the pattern of a route. The router does not tell its names apart.
var parameter = regexp.MustCompile(`:[^/]+`)

// mount adds the routes of all dialects to e and returns the surfaces, longest prefix first.
func mount(e *echo.Echo, dialects []Dialect) ([]surface, error) {
	var surfaces []surface
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }

	for _, d := range dialects {
		for _, f := range surfacesOf(d) {
			if f.prefix != "" && f.prefix[0] != '/' {
				fault("dialect %s: prefix %q does not begin with a slash", d.Name(), f.prefix)
			}
			if slices.ContainsFunc(surfaces, func(other surface) bool { return other.prefix == f.prefix }) {
				fault("dialect %s: prefix %q is taken", d.Name(), f.prefix)
			}
			surfaces = append(surfaces, f)
		}
	}
	slices.SortFunc(surfaces, func(a, b surface) int { return cmp.Compare(len(b.prefix), len(a.prefix)) })

	routes := make(map[string]bool)
	for _, d := range dialects {
		own := surfacesOf(d)
		e.OnAddRouteHandler = func(_ string, route echo.Route, handler echo.HandlerFunc, middleware []echo.MiddlewareFunc) {
			key := route.Method + " " + route.Path
			if !slices.Contains(routeMethods, route.Method) {
				fault("dialect %s: %s: a route is for one of %s", d.Name(), key, strings.Join(routeMethods, ", "))
			}
			if same := parameter.ReplaceAllString(key, ":"); routes[same] {
				fault("dialect %s: %s is taken", d.Name(), key)
			} else {
				routes[same] = true
			}
			inside := route.Path == homePath || slices.ContainsFunc(own, func(f surface) bool { return f.holds(route.Path) })
			if !strings.HasPrefix(route.Path, "/") || !inside {
				fault("dialect %s: %s is outside its prefixes", d.Name(), key)
			}
			if route.Method == http.MethodGet {
				e.Router().Add(http.MethodHead, route.Path, wrap(handler, middleware))
			}
		}
		d.Mount(e)
	}
	e.OnAddRouteHandler = nil
	return surfaces, errors.Join(faults...)
}

// routeMethods are the methods a route may have. HEAD comes with GET; every other method is answered 405.
var routeMethods = []string{
	http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions,
}

func wrap(handler echo.HandlerFunc, middleware []echo.MiddlewareFunc) echo.HandlerFunc {
	for _, m := range slices.Backward(middleware) {
		handler = m(handler)
	}
	return handler
}

// dialectOf returns whom a path belongs to. The operations dialect fits whatever no other does.
func (s *Server) dialectOf(path string) Dialect {
	for _, f := range s.surfaces {
		if f.holds(path) {
			return f.dialect
		}
	}
	return operations{s}
}
