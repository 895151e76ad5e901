package sentinel

import (
	"cmp"
	"errors"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/handlers/problem"
	"github.com/claimsmith/claimsmith/metadata"
)

// The challenges of a 401 (RFC 9110 §11.6.1): the scheme of a key is nobody's but ours.
const (
	keyWanted     = `ApiKey header="X-API-KEY"`
	bearerInvalid = `Bearer error="invalid_token"`
)

// errorBody is the one form of all errors.
type errorBody struct {
	Error string `json:"error"`
}

// RenderError implements handlers.Dialect. Statuses that Sentinel's clients cannot know become the nearest they do.
func (d *Dialect) RenderError(c echo.Context, p problem.Problem) error {
	switch p.Code {
	case problem.InvalidClient:
		p.Challenge = keyWanted
	case problem.InvalidGrant: // of a refresh token: log in again
		p.Status, p.Challenge = http.StatusUnauthorized, bearerInvalid
	case problem.UnauthorizedClient:
		p.Status = http.StatusForbidden
	case problem.LimitExceeded:
		p.Status = http.StatusBadRequest
	}
	p.SetHeader(c.Response().Header())
	// Texts may name keys that were refused for not being UTF-8.
	encoded, err := json.Marshal(errorBody{text(p)}, jsontext.AllowInvalidUTF8(true))
	if err != nil {
		return err
	}
	return c.JSONBlob(p.Status, encoded)
}

// text is what is wrong and, where that is one member or parameter, which.
func text(p problem.Problem) string {
	detail := cmp.Or(p.Detail, p.Title)
	for field := range p.Errors {
		if place := strings.TrimPrefix(field, "/"); !strings.Contains(detail, place) {
			return place + ": " + detail
		}
	}
	return detail
}

// within says where in the body the entry was that an error is about.
func within(place string, err error) error {
	refused, ok := errors.AsType[*metadata.Error](err)
	if !ok || refused.Code == metadata.NotFound || refused.Code == metadata.Unavailable {
		return err
	}
	field := place
	if refused.Field != "" {
		field += "/" + refused.Field
	}
	return &metadata.Error{Code: refused.Code, Field: field, Detail: refused.Detail, Err: err}
}
