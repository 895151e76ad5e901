package iblai

import (
	"cmp"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/handlers/problem"
)

// refusal is an answer whose body is ibl.ai's own, nil for none.
type refusal struct {
	status int
	body   any
}

func (r *refusal) Error() string { return "refused: " + http.StatusText(r.status) }

// The two forms of an error with one text: the one of the API itself, and of Django REST framework below it.

func inError(text string) any { return map[string]string{"error": strings.ToValidUTF8(text, "?")} }

func inDetail(text string) any { return map[string]string{"detail": strings.ToValidUTF8(text, "?")} }

var (
	errNoPlatformKey = &refusal{http.StatusBadRequest, inError("platform_key query parameter is required")}
	errNoPlatform    = &refusal{http.StatusNotFound, inError("Platform not found")}
	errNobody        = &refusal{
		http.StatusBadRequest, inError("username query parameter is required: this credential belongs to no user"),
	}
	errNoUser   = &refusal{http.StatusNotFound, inError("User not found")}
	errOthers   = &refusal{http.StatusForbidden, inError("Only tenant admins can access other users' metadata")}
	errNoObject = &refusal{http.StatusBadRequest, inError("metadata must be a JSON object")}
	errNothing  = &refusal{http.StatusBadRequest, map[string][]string{
		"non_field_errors": {"Provide 'metadata' to update or 'delete_keys' to remove keys."},
	}}
)

// at is a text with the place it is about, if it has one.
func at(place, text string) string {
	if place == "" {
		return text
	}
	return place + ": " + text
}

// maxQuoted is how much of a header of the request an answer repeats.
const maxQuoted = 200

// RenderError implements handlers.Dialect with the bodies of Django REST framework.
func (d *Dialect) RenderError(c echo.Context, p problem.Problem) error {
	r, detail := c.Request(), p.Detail
	switch p.Status {
	case http.StatusBadRequest:
		for place := range p.Errors {
			detail = at(place, detail)
		}
	case http.StatusUnauthorized:
		detail = "Authentication credentials were not provided."
	case http.StatusForbidden:
		detail = "You do not have permission to perform this action."
	case http.StatusNotFound:
		detail = "Not found."
	case http.StatusMethodNotAllowed:
		detail = `Method "` + r.Method + `" not allowed.`
	case http.StatusUnsupportedMediaType:
		if r.Header.Get("Content-Encoding") == "" {
			sent := strings.Join(r.Header.Values("Content-Type"), ", ")
			detail = `Unsupported media type "` + sent[:min(len(sent), maxQuoted)] + `" in request.`
		}
	case http.StatusTooManyRequests:
		return respond(c, p.Status, inError("Too many requests"))
	case http.StatusServiceUnavailable:
		detail = cmp.Or(detail, "Service temporarily unavailable, try again later.")
	}
	return respond(c, p.Status, inDetail(cmp.Or(detail, p.Title)))
}
