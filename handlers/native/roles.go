package native

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/handlers/request"
)

type roleBody struct {
	Role string `json:"role"`
}

func (d *Dialect) getRole(c echo.Context, caller *auth.Caller) error {
	org, name, err := userName(c)
	if err != nil {
		return err
	}
	role, err := d.Users.RoleOf(c.Request().Context(), caller, org, name)
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, 0, roleBody{string(role)})
}

func (d *Dialect) putRole(c echo.Context, caller *auth.Caller) error {
	org, name, err := userName(c)
	if err != nil {
		return err
	}
	body, err := request.DecodeJSON[roleBody](c.Request(), maxBody)
	if err != nil {
		return err
	}
	if body.Role == "" {
		return &auth.Error{Code: auth.InvalidRequest, Field: "role", Detail: "one of admin, operator, reader; DELETE takes a role away"}
	}
	if err := d.Users.SetRole(c.Request().Context(), caller, org, name, auth.Role(body.Role)); err != nil {
		return err
	}
	return respond(c, http.StatusOK, 0, body)
}

func (d *Dialect) deleteRole(c echo.Context, caller *auth.Caller) error {
	org, name, err := userName(c)
	if err != nil {
		return err
	}
	if err := d.Users.SetRole(c.Request().Context(), caller, org, name, ""); err != nil {
		return err
	}
	return noContent(c)
}
