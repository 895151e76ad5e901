// Package native is Claimsmith's own dialect: the management API under /api, with seed 002's metadata routes exactly as its
// clients know them. It only translates: every handler decodes a request, makes one call of a service and encodes the result.
package native

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/authorize"
	"github.com/claimsmith/claimsmith/auth/factor"
	"github.com/claimsmith/claimsmith/auth/people"
	"github.com/claimsmith/claimsmith/auth/preview"
	"github.com/claimsmith/claimsmith/auth/session"
	"github.com/claimsmith/claimsmith/handlers/problem"
	"github.com/claimsmith/claimsmith/handlers/request"
	"github.com/claimsmith/claimsmith/metadata"
)

// Dialect mounts the API.
type Dialect struct {
	Callers   *auth.Callers
	Metadata  *metadata.Service
	Users     *auth.Users
	Orgs      *auth.Orgs
	Clients   *auth.Clients
	APITokens *auth.APITokens
	Sessions  *session.Service
	Factors   *factor.Service
	Authorize *authorize.Service
	Preview   *preview.Service
	People    *people.Service
	Trail     *auth.Trail
	// CursorKey authenticates the cursors of lists.
	CursorKey []byte
	// Logger takes what went wrong in a line of a stream, which goes on.
	Logger *slog.Logger
}

// Body limits in bytes. Metadata values may have 512 KiB each and a document 1 MiB; nothing else here is large.
const (
	maxBody         = 256 << 10
	maxMetadataBody = 2 << 20
)

// Name implements handlers.Dialect.
func (d *Dialect) Name() string { return "native" }

// Prefixes implements handlers.Dialect.
func (d *Dialect) Prefixes() []string { return []string{"/api"} }

// RenderError implements handlers.Dialect with RFC 9457 problem details.
func (d *Dialect) RenderError(c echo.Context, p problem.Problem) error { return p.Write(c.Response()) }

// handler is a request whose caller is known.
type handler func(c echo.Context, caller *auth.Caller) error

func (d *Dialect) authenticated(h handler) echo.HandlerFunc {
	return func(c echo.Context) error {
		bearer, err := request.Bearer(c.Request())
		if err != nil {
			return err
		}
		caller, err := d.Callers.Resolve(c.Request().Context(), bearer)
		if err != nil {
			return err
		}
		return h(c, caller)
	}
}

// respond writes a JSON body and, where there is one, the revision it shows.
func respond(c echo.Context, status int, revision uint64, body any) error {
	if revision > 0 {
		c.Response().Header().Set("ETag", request.ETag(revision))
	}
	encoded, err := json.Marshal(body, json.Deterministic(true), jsontext.PreserveRawStrings(true)) // values are as they were written
	if err != nil {
		return err
	}
	return c.JSONBlob(status, encoded)
}

func noContent(c echo.Context) error { return c.NoContent(http.StatusNoContent) }

// version reads If-Match for objects that have just one revision, nil where the request sets no condition. A list or a foreign tag
// can match nothing but what it names, so a version that does not exist stands for it.
func version(c echo.Context) (*uint64, error) {
	condition, err := request.IfMatch(c.Request())
	if err != nil || condition == nil || condition.Any {
		return nil, err
	}
	wanted := uint64(0)
	if len(condition.Revisions) == 1 {
		wanted = condition.Revisions[0]
	}
	return &wanted, nil
}

// notModified reports whether the client already has the revision (RFC 9110 §13.1.2).
func notModified(c echo.Context, revision uint64) (bool, error) {
	condition, err := request.IfNoneMatch(c.Request())
	if err != nil || condition == nil {
		return false, err
	}
	return condition.Matches(revision), nil
}

// show answers a GET with an object or, if the client already has it, with 304.
func show(c echo.Context, revision uint64, body any) error {
	same, err := notModified(c, revision)
	if err != nil {
		return err
	}
	if same {
		c.Response().Header().Set("ETag", request.ETag(revision))
		return c.NoContent(http.StatusNotModified)
	}
	return respond(c, http.StatusOK, revision, body)
}

// showRevision and respondRevision are show and respond for what is part of a document: the revision 0 of one nothing was ever written to
// can be matched too.
func showRevision(c echo.Context, revision uint64, body any) error {
	c.Response().Header().Set("ETag", request.ETag(revision))
	return show(c, revision, body)
}

func respondRevision(c echo.Context, revision uint64, body any) error {
	c.Response().Header().Set("ETag", request.ETag(revision))
	return respond(c, http.StatusOK, revision, body)
}

// list answers with one page of objects. read is called with the organisation asked for and the page.
func list[T, B any](c echo.Context, d *Dialect, caller *auth.Caller, what string,
	read func(ctx context.Context, org string, p auth.Page) ([]T, string, error), view func(*T) B,
) error {
	query, err := request.Query(c.Request(), "org", "limit", "cursor")
	if err != nil {
		return err
	}
	page, err := d.paging(c, caller, query)
	if err != nil {
		return err
	}
	items, next, err := read(c.Request().Context(), query.Get("org"), page.Page)
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, 0, map[string]any{what: each(items, view), "next": page.next(next)})
}

// org reads the one query parameter of a request about a single object.
func org(c echo.Context) (string, error) {
	query, err := request.Query(c.Request(), "org")
	return query.Get("org"), err
}

// noQuery refuses query parameters where a request has none.
func noQuery(c echo.Context) error {
	_, err := request.Query(c.Request())
	return err
}

func location(c echo.Context, parts ...string) {
	path := "/api"
	for _, part := range parts {
		path += "/" + part
	}
	c.Response().Header().Set("Location", path)
}
