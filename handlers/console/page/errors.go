package page

import (
	"net/http"
	"regexp"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/handlers/problem"
	"github.com/claimsmith/claimsmith/internal/audit"
)

// A form that is not from one of our pages, or not from one made for this user, and a flow that this browser cannot go on with. Each has
// an error page of its own.
const (
	detailForged = "the form was sent from another site, or from a page made for another session"
	detailFlow   = "the flow is of another browser, or too old, or none"
)

// The errors.
var (
	ErrForged error = problem.New(problem.AccessDenied, detailForged)
	ErrFlow   error = problem.New(problem.InvalidRequest, detailFlow)
)

var errorPages = ParseTemplates(templateFiles)

// RenderError answers with a page that says what happened, what to do, and how those who run the server find it in their log. Details are
// ours and hold no value of the request.
func (s Site) RenderError(c echo.Context, p problem.Problem) error {
	c.Response().Header().Del("WWW-Authenticate")
	w, kind, detail := shared.For("", c.Request().Header.Get("Accept-Language")), errorKind(p), faultOf(p)
	status := StatusOf(p)
	if status >= http.StatusInternalServerError {
		detail = ""
	}
	return errorPages.Respond(c, status, "error", &View{Words: w, Site: s, Look: LookOf(nil), Data: ErrorPage{
		Title: w.T("error." + kind + ".title"), Text: w.T("error." + kind + ".text"), Detail: detail,
		Reference: audit.RequestFrom(c.Request().Context()).ID,
	}})
}

// StatusOf is the status of a page about a problem. It needs no credentials of the kind a browser would ask for, and a 401 without a
// challenge is none (RFC 9110 §15.5.2).
func StatusOf(p problem.Problem) int {
	if p.Status == http.StatusUnauthorized {
		return http.StatusBadRequest
	}
	return p.Status
}

// FaultStatus is the status of a page that shows a form again because of an error, and says when it may be sent again.
func FaultStatus(c echo.Context, err error) int {
	p := problem.Of(err)
	if p.RetryAfter > 0 {
		c.Response().Header().Set("Retry-After", Seconds(p.RetryAfter))
	}
	return StatusOf(p)
}

// Fault is what any page with a form says about an error that its user can do something about, "" for all others.
func (w Words) Fault(err error) string {
	switch p := problem.Of(err); p.Code {
	case problem.Throttled:
		return w.T("fault.throttled", "seconds", Seconds(p.RetryAfter))
	case problem.Busy:
		return w.T("fault.busy")
	}
	return ""
}

// parameterForm is what the name of a parameter looks like. Names that are not of this form were made up by whoever sent them.
var parameterForm = regexp.MustCompile(`^[a-z_]{1,32}$`)

// faultOf says what is wrong, and with which parameter.
func faultOf(p problem.Problem) string {
	if len(p.Errors) != 1 {
		return p.Detail
	}
	for field := range p.Errors {
		if parameterForm.MatchString(field) && !strings.HasPrefix(p.Detail, field+" ") {
			return field + ": " + p.Detail
		}
	}
	return p.Detail
}

// ErrorPage is the data of the error page.
type ErrorPage struct{ Title, Text, Detail, Reference string }

// errorKinds are the kinds of error page.
var errorKinds = []string{"request", "client", "denied", "forged", "flow", "missing", "throttled", "unavailable", "internal"}

func errorKind(p problem.Problem) string {
	switch {
	case p.Detail == detailForged:
		return "forged"
	case p.Detail == detailFlow:
		return "flow"
	case p.Code == problem.InvalidClient, p.Code == problem.UnauthorizedClient:
		return "client"
	}
	switch p.Status {
	case http.StatusForbidden:
		return "denied"
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		return "missing"
	case http.StatusTooManyRequests:
		return "throttled"
	case http.StatusServiceUnavailable:
		return "unavailable"
	case http.StatusInternalServerError:
		return "internal"
	}
	return "request"
}
