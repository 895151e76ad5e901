package iblai

import (
	"errors"
	"net/http"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/profile"
	"github.com/claimsmith/claimsmith/handlers/request"
)

var errNoPreferences = &refusal{http.StatusBadRequest, toBoth("No data provided for user preference update")}

func (d *Dialect) preferences(c echo.Context, caller *auth.Caller, username string) error {
	all, err := d.Profile.Preferences(c.Request().Context(), caller, username)
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, all)
}

func (d *Dialect) changePreferences(c echo.Context, caller *auth.Caller, username string) error {
	body, err := decodeUpTo[members](c.Request(), maxAccountBody, mergePatch)
	if err != nil {
		return err
	}
	if len(body.All) == 0 {
		return errNoPreferences
	}
	if err := d.Profile.SetPreferences(c.Request().Context(), caller, username, body.All); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

// preference answers with one value, a JSON text.
func (d *Dialect) preference(c echo.Context, caller *auth.Caller, username string) error {
	key, err := request.PathValue(c, "key")
	if err != nil {
		return err
	}
	all, err := d.Profile.Preferences(c.Request().Context(), caller, username)
	if err != nil {
		return err
	}
	value, ok := all[key]
	if !ok {
		return errNoAccount
	}
	return respond(c, http.StatusOK, value)
}

func (d *Dialect) setPreference(c echo.Context, caller *auth.Caller, username string) error {
	value, err := decodeUpTo[jsontext.Value](c.Request(), maxAccountBody)
	if err != nil {
		return err
	}
	return d.changePreference(c, caller, username, value)
}

func (d *Dialect) removePreference(c echo.Context, caller *auth.Caller, username string) error {
	return d.changePreference(c, caller, username, jsontext.Value("null"))
}

// changePreference changes the one of the path. What is wrong with it is told without its name.
func (d *Dialect) changePreference(c echo.Context, caller *auth.Caller, username string, value jsontext.Value) error {
	key, err := request.PathValue(c, "key")
	if err != nil {
		return err
	}
	err = d.Profile.SetPreferences(c.Request().Context(), caller, username, map[string]jsontext.Value{key: value})
	if faults, ok := errors.AsType[profile.Faults](err); ok {
		if fault, ok := faults[key]; ok {
			return ofAccount(profile.Faults{"": fault})
		}
	}
	if err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}
