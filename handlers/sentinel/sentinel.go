// Package sentinel is the dialect of Sentinel: applications with numbers, which are clients; a profile of any JSON per user and
// application, which is the user's document of that client; and the routes by which Sentinel's clients get tokens. It only translates.
package sentinel

import (
	"net/http"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/grant"
	"github.com/claimsmith/claimsmith/handlers/origin"
	"github.com/claimsmith/claimsmith/handlers/request"
	"github.com/claimsmith/claimsmith/metadata"
)

// Dialect mounts the routes.
type Dialect struct {
	Callers    *auth.Callers
	Metadata   *metadata.Service
	Users      *auth.Users
	Clients    *auth.Clients
	Registry   *auth.Registry
	Dispatcher *grant.Dispatcher
	Inspector  *auth.Inspector
}

// Body limits in bytes. A profile is a document of at most 1 MiB; the server reads no more of a request than the largest.
const (
	maxBody        = 64 << 10
	maxProfileBody = 2 << 20
	maxBulkBody    = 4 << 20
)

// Name implements handlers.Dialect.
func (d *Dialect) Name() string { return "sentinel" }

// Prefixes implements handlers.Dialect.
func (d *Dialect) Prefixes() []string { return []string{"/app", "/auth", "/user", "/operator"} }

// Mount implements handlers.Dialect. What is for users is shared with pages of other origins, what is for operators is not.
func (d *Dialect) Mount(e *echo.Echo) {
	sharing := origin.Sharing{Registry: d.Registry, Sent: "Authorization, Content-Type, X-API-KEY"}
	share := func(method, path string, h echo.HandlerFunc) {
		sharing.Add(e, path, origin.Route{Method: method, Handler: exactly(h)})
	}
	share(http.MethodGet, "/app/all", d.applications)

	share(http.MethodPost, "/auth/register", d.register)
	share(http.MethodPost, "/auth/login", d.login)
	share(http.MethodPost, "/auth/refresh", d.refresh)
	share(http.MethodGet, "/auth/verify", d.verify)
	share(http.MethodGet, "/auth/logout", d.logout)

	share(http.MethodGet, "/user/profiles/:appid", d.authenticated(d.ownProfile))
	share(http.MethodPost, "/user/profiles/create", d.authenticated(d.createOwn))

	// Sentinel's documents know the first under both names.
	e.POST("/operator/app/register", exactly(d.operator(d.registerApplication)))
	e.POST("/operator/profile/register", exactly(d.operator(d.registerApplication)))
	e.POST("/operator/profile/create-bulk", exactly(d.operator(d.createBulk)))
	e.GET("/operator/users/profile/:userid/:appid", exactly(d.operator(d.profileOf)))
}

// exactly refuses query parameters, of which Sentinel has none.
func exactly(h echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if _, err := request.Query(c.Request()); err != nil {
			return err
		}
		return h(c)
	}
}

// handler is a request whose caller is known.
type handler func(c echo.Context, caller *auth.Caller) error

func (d *Dialect) authenticated(h handler) echo.HandlerFunc {
	return func(c echo.Context) error {
		caller, err := d.caller(c)
		if err != nil {
			return err
		}
		return h(c, caller)
	}
}

// operator keeps what only operators see from everybody else, before anything is looked up.
func (d *Dialect) operator(h handler) echo.HandlerFunc {
	return d.authenticated(func(c echo.Context, caller *auth.Caller) error {
		if !caller.MayRead(caller.HomeOrg()) {
			return errNoOperator
		}
		return h(c, caller)
	})
}

var errNoOperator = &auth.Error{Code: auth.AccessDenied, Detail: "only an operator may do this"}

func (d *Dialect) caller(c echo.Context) (*auth.Caller, error) {
	bearer, err := request.Bearer(c.Request())
	if err != nil {
		return nil, err
	}
	return d.Callers.Resolve(c.Request().Context(), bearer)
}

func respond(c echo.Context, status int, body any) error {
	encoded, err := json.Marshal(body, json.Deterministic(true), jsontext.PreserveRawStrings(true)) // values are as they were written
	if err != nil {
		return err
	}
	return c.JSONBlob(status, encoded)
}

// messageBody is what a request that has nothing else to tell is answered with.
type messageBody struct {
	Message string `json:"message"`
}

func respondMessage(c echo.Context, text string) error {
	return respond(c, http.StatusOK, messageBody{text})
}
