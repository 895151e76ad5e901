// Package iblai is the dialect of ibl.ai: the platform metadata, one JSON object per user and organisation, which is the user's user-wide
// document; the account of Open edX (seed 001); career, résumé and memory. It only translates.
package iblai

import (
	"errors"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/career"
	"github.com/claimsmith/claimsmith/auth/memory"
	"github.com/claimsmith/claimsmith/auth/profile"
	"github.com/claimsmith/claimsmith/handlers/origin"
	"github.com/claimsmith/claimsmith/handlers/request"
	"github.com/claimsmith/claimsmith/metadata"
)

// Dialect mounts the routes.
type Dialect struct {
	Callers  *auth.Callers
	Metadata *metadata.Service
	Users    *auth.Users
	Registry *auth.Registry
	Profile  *profile.Service
	Career   *career.Service
	Memory   *memory.Service
}

// Name implements handlers.Dialect.
func (d *Dialect) Name() string { return "iblai" }

// Prefixes implements handlers.Dialect.
func (d *Dialect) Prefixes() []string {
	return []string{
		"/dm", "/lms", "/edx", "/api/core", "/api/career", "/api/ai-mentor", "/api/ibl", "/api/profile_images",
		"/api/user/v1/me", "/api/user/v1/accounts", "/api/user/v1/preferences",
	}
}

// Mount implements handlers.Dialect.
func (d *Dialect) Mount(e *echo.Echo) {
	d.mountMetadata(e)
	d.mountAccounts(e)
	d.mountPictures(e)
	d.mountExtended(e)
	d.mountCareer(e)
	d.mountResume(e)
	d.mountMemory(e)
}

// What the gateway of ibl.ai strips from the paths of its two hosts, and nothing.
var (
	lmsHost = []string{"/lms", "/edx", ""}
	dmHost  = []string{"/dm", ""}
)

// add adds the routes of a path, behind each of the prefixes, with and without a slash at its end.
func (d *Dialect) add(e *echo.Echo, prefixes []string, path string, routes ...origin.Route) {
	shared := origin.Sharing{Registry: d.Registry, Sent: "Authorization, Content-Type"}
	for _, prefix := range prefixes {
		shared.Add(e, prefix+path, routes...)
		shared.Add(e, prefix+path+"/", routes...)
	}
}

// authenticated finds out who asks and runs do, which answers.
func (d *Dialect) authenticated(do func(c echo.Context, caller *auth.Caller) error) echo.HandlerFunc {
	return func(c echo.Context) error {
		caller, err := d.caller(c)
		if err == nil {
			err = do(c, caller)
		}
		if refused, ok := errors.AsType[*refusal](err); ok {
			return respond(c, refused.status, refused.body)
		}
		return err
	}
}

func (d *Dialect) caller(c echo.Context) (*auth.Caller, error) {
	r := c.Request()
	bearer, err := request.Token(r, request.SchemeAPIToken, request.SchemeToken, request.SchemeBearer)
	if err != nil {
		return nil, err
	}
	return d.Callers.Resolve(r.Context(), bearer)
}

// mountMetadata adds the platform metadata. The path ends in a slash; without it, and without what the gateway of ibl.ai strips, it is the same.
func (d *Dialect) mountMetadata(e *echo.Echo) {
	d.add(e, dmHost, "/api/core/users/platform-metadata",
		origin.Route{Method: http.MethodGet, Handler: d.serve(d.get)},
		origin.Route{Method: http.MethodPatch, Handler: d.serve(d.apply(patch))},
		origin.Route{Method: http.MethodPut, Handler: d.serve(d.apply(put))},
		origin.Route{Method: http.MethodDelete, Handler: d.serve(d.reset)})
}

// subject is the object a request is about.
type subject struct {
	caller *auth.Caller
	user   *auth.User
	target metadata.Target
}

// serve finds out what a request is about and runs do, which answers it. Of several faults of a request the first to be told is that of the
// credentials, of platform_key, of username, of the body.
func (d *Dialect) serve(do func(c echo.Context, about subject) error) echo.HandlerFunc {
	return func(c echo.Context) error {
		about, err := d.subject(c)
		if err == nil {
			err = about.explain(do(c, about))
		}
		if refused, ok := errors.AsType[*refusal](err); ok {
			return respond(c, refused.status, refused.body)
		}
		return err
	}
}

func (d *Dialect) subject(c echo.Context) (subject, error) {
	r := c.Request()
	caller, err := d.caller(c)
	if err != nil {
		return subject{}, err
	}
	query, err := request.Parameters(r)
	if err != nil {
		return subject{}, err
	}
	org, name := query.Get("platform_key"), query.Get("username")
	if org == "" {
		return subject{}, errNoPlatformKey
	}
	_, isUser := caller.Self(org)
	if !isUser && !caller.MayRead(org) {
		return subject{}, errNoPlatform
	}
	if _, err := d.Registry.Org(r.Context(), org); auth.CodeOf(err) == auth.NotFound {
		return subject{}, errNoPlatform
	} else if err != nil {
		return subject{}, err
	}
	if name == "" {
		if !isUser {
			return subject{}, errNobody
		}
		name = "me"
	}
	about := subject{caller: caller, target: metadata.Target{Org: org, User: name}}
	if about.user, err = d.Users.Recent(r.Context(), caller, org, name); auth.CodeOf(err) == auth.NotFound {
		return subject{}, about.unknown()
	}
	return about, err
}

// unknown is the answer about a user who, to the caller, does not exist.
func (s subject) unknown() error {
	if s.caller.MayRead(s.target.Org) {
		return errNoUser
	}
	return errOthers
}

// explain puts a refusal of metadata into the words of ibl.ai.
func (s subject) explain(err error) error {
	refused, ok := errors.AsType[*metadata.Error](err)
	if !ok {
		return err
	}
	switch refused.Code {
	case metadata.NotFound:
		return s.unknown()
	case metadata.Forbidden:
		if s.caller.MayRead(s.target.Org) {
			return errOthers
		}
		return &refusal{http.StatusForbidden, inError(at(refused.Field, refused.Detail))}
	case metadata.Invalid, metadata.Conflict, metadata.LimitExceeded:
		return &refusal{http.StatusBadRequest, map[string][]string{"metadata": {at(refused.Field, refused.Detail)}}}
	}
	return err
}

func (d *Dialect) get(c echo.Context, about subject) error {
	doc, err := d.Metadata.Get(c.Request().Context(), about.caller, about.target)
	if err != nil {
		return err
	}
	return show(c, about, &doc)
}

// apply makes the change that read finds in a body.
func (d *Dialect) apply(read func(*http.Request) (metadata.Change, error)) func(echo.Context, subject) error {
	return func(c echo.Context, about subject) error {
		change, err := read(c.Request())
		if err != nil {
			return err
		}
		doc, err := d.Metadata.Apply(c.Request().Context(), about.caller, about.target, change, metadata.Precondition{})
		if err != nil {
			return err
		}
		return show(c, about, &doc)
	}
}

func (d *Dialect) reset(c echo.Context, about subject) error {
	change := metadata.Change{Replace: true, Brief: true}
	if _, err := d.Metadata.Apply(c.Request().Context(), about.caller, about.target, change, metadata.Precondition{}); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}
