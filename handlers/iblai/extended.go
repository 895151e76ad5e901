package iblai

import (
	"errors"
	"net/http"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/profile"
	"github.com/claimsmith/claimsmith/handlers/origin"
	"github.com/claimsmith/claimsmith/handlers/request"
	"github.com/claimsmith/claimsmith/metadata"
)

// mountExtended adds ibl.ai's own profile of a person, which is the account of Open edX and more.
func (d *Dialect) mountExtended(e *echo.Echo) {
	d.add(e, lmsHost, "/api/ibl/users/manage/metadata",
		origin.Route{Method: http.MethodGet, Handler: d.authenticated(d.extended)},
		origin.Route{Method: http.MethodPost, Handler: d.authenticated(d.setExtended)})
}

var (
	errNoUsername = &refusal{http.StatusBadRequest, inError("username is required")}
	errNotOnesOwn = &refusal{http.StatusForbidden, inError("Only the user himself and administrators may use this profile")}
)

func (d *Dialect) extended(c echo.Context, caller *auth.Caller) error {
	query, err := request.Parameters(c.Request())
	if err != nil {
		return err
	}
	username := query.Get("username")
	if username == "" {
		return errNoUsername
	}
	found, err := d.Profile.Extended(c.Request().Context(), caller, username)
	if err != nil {
		return ofExtended(err)
	}
	return respond(c, http.StatusOK, d.viewExtended(&found))
}

// extendedBody says whom a change is about, and the rest of it.
type extendedBody struct {
	Username request.Maybe[string]     `json:"username"`
	Others   map[string]jsontext.Value `json:",embed"`
}

func (d *Dialect) setExtended(c echo.Context, caller *auth.Caller) error {
	body, err := decodeUpTo[extendedBody](c.Request(), maxAccountBody)
	if err != nil {
		return err
	}
	if body.Username.Value == "" {
		return errNoUsername
	}
	changed, err := d.Profile.SetExtended(c.Request().Context(), caller, body.Username.Value, body.Others)
	if err != nil {
		return ofExtended(err)
	}
	return respond(c, http.StatusOK, d.viewExtended(&changed))
}

// viewExtended shows the account, what ibl.ai calls some of it, and then the entries.
func (d *Dialect) viewExtended(x *profile.Extended) ordered {
	u := &x.User
	all := append(d.viewAccount(&x.Account),
		member{"about", orNull(u.Biography.Bio)},
		member{"title", orNull(u.Biography.Title)},
		member{"language", orNull(u.Profile.Locale)},
		member{"profile_image_url", d.viewImage(u).Full},
		member{"is_profile_public", x.Privacy == auth.PrivacyAll})
	for _, e := range x.Entries {
		all = append(all, member{e.Key, jsontext.Value(e.Value.JSON())})
	}
	return all
}

// ofExtended puts a refusal into the words of ibl.ai.
func ofExtended(err error) error {
	if faults, ok := errors.AsType[profile.Faults](err); ok {
		return &refusal{http.StatusBadRequest, viewFaults(faults)}
	}
	if refused, ok := errors.AsType[*metadata.Error](err); ok {
		switch refused.Code {
		case metadata.NotFound:
			return errNoUser
		case metadata.Forbidden:
			return &refusal{http.StatusForbidden, inError(at(refused.Field, refused.Detail))}
		case metadata.Invalid, metadata.Conflict, metadata.LimitExceeded:
			return &refusal{http.StatusBadRequest, inError(at(refused.Field, refused.Detail))}
		}
		return err
	}
	switch auth.CodeOf(err) {
	case auth.AccessDenied:
		return errNotOnesOwn
	case auth.NotFound:
		return errNoUser
	}
	return err
}
