package iblai

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/memory"
	"github.com/claimsmith/claimsmith/handlers/origin"
	"github.com/claimsmith/claimsmith/handlers/request"
	"github.com/claimsmith/claimsmith/metadata"
)

// maxMemoryBody bounds what is sent about memories, in bytes: a content of the most characters, each of them escaped twice, fits.
const maxMemoryBody = 64 << 10

// mountMemory adds what assistants remember.
func (d *Dialect) mountMemory(e *echo.Echo) {
	const (
		org        = "/api/ai-mentor/orgs/:org"
		ofUser     = org + "/users/:user"
		memories   = ofUser + "/mentors/:mentor/mentor-memories"
		globals    = ofUser + "/global-memories"
		facts      = ofUser + "/ai-user-profile-memory"
		categories = org + "/mentors/:mentor/memory-categories"
	)
	add := func(path string, routes ...origin.Route) { d.add(e, dmHost, path, routes...) }
	route := func(method, path string, do func(*remembering) error) origin.Route {
		return origin.Route{Method: method, Handler: d.remember(path, do)}
	}
	add(memories, route("GET", memories, d.groupedMemories), route("POST", memories, d.addMemory))
	add(memories+"/:id", route("PATCH", memories+"/:id", d.changeMemory), route("DELETE", memories+"/:id", d.forgetMemory))
	add(memories+"-list", route("GET", memories, d.listMemories))
	add(categories, route("GET", categories, d.listCategories), route("POST", categories, d.addCategory))
	add(categories+"/:id", route("PATCH", categories+"/:id", d.changeCategory), route("DELETE", categories+"/:id", d.deactivateCategory))
	add(globals, route("GET", globals, d.listGlobals), route("POST", globals, d.addGlobal))
	add(globals+"/:id", route("DELETE", globals+"/:id", d.forgetGlobal))
	add(ofUser+"/memsearch-settings", route("GET", ofUser, d.flags), route("PUT", ofUser, d.setFlags))
	add(facts, route("GET", facts, d.listFacts), route("POST", facts, d.setFact))
	add(facts+"/:tag", route("DELETE", facts+"/:tag", d.forgetFact))
}

// remembering is a request about memories.
type remembering struct {
	echo.Context
	caller                 *auth.Caller
	org, user, mentor, tag string
	id                     uint64
}

func (r *remembering) ctx() context.Context { return r.Request().Context() }

// remember reads what a path says and runs do, which answers.
func (d *Dialect) remember(path string, do func(*remembering) error) echo.HandlerFunc {
	return d.authenticated(func(c echo.Context, caller *auth.Caller) error {
		r, id := &remembering{Context: c, caller: caller}, ""
		for name, value := range map[string]*string{"org": &r.org, "user": &r.user, "mentor": &r.mentor, "tag": &r.tag, "id": &id} {
			if !strings.Contains(path+"/", "/:"+name+"/") {
				continue
			}
			var err error
			if *value, err = request.PathValue(c, name); err != nil {
				return err
			}
		}
		if id != "" {
			var err error
			if r.id, err = strconv.ParseUint(id, 10, 64); err != nil {
				r.id = 0 // which is nothing's
			}
		}
		return ofMemory(do(r))
	})
}

// ofMemory puts refusals of memory.Service into the words of ibl.ai.
func ofMemory(err error) error {
	if faults, ok := errors.AsType[memory.Faults](err); ok {
		return &refusal{http.StatusBadRequest, faults}
	}
	if refused, ok := errors.AsType[*auth.Error](err); ok && refused.Code == auth.Conflict {
		return &refusal{http.StatusConflict, map[string][]string{refused.Field: {refused.Detail}}}
	}
	if refused, ok := errors.AsType[*metadata.Error](err); ok {
		switch refused.Code {
		case metadata.Forbidden:
			return &refusal{http.StatusForbidden, inDetail(at(refused.Field, refused.Detail))}
		case metadata.Invalid, metadata.Conflict, metadata.LimitExceeded:
			return &refusal{http.StatusBadRequest, map[string][]string{refused.Field: {refused.Detail}}}
		}
	}
	return err
}

// required is what is wrong where members are missing, nil where none is.
func required(members map[string]*request.Maybe[string]) error {
	faults := memory.Faults{}
	for name, member := range members {
		if !member.Given {
			faults[name] = []string{"This field is required."}
		}
	}
	if len(faults) > 0 {
		return faults
	}
	return nil
}

// orNil is a member that need not be there.
func orNil[T any](m request.Maybe[T]) *T {
	if !m.Given {
		return nil
	}
	return &m.Value
}
