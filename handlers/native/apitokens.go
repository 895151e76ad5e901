package native

import (
	"context"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/handlers/request"
)

type apiTokenBody struct {
	ID        string    `json:"id"`
	Name      string    `json:"name,omitempty"`
	Org       string    `json:"org,omitempty"`
	Role      string    `json:"role"`
	ExpiresAt time.Time `json:"expires_at,omitzero"`
	CreatedAt time.Time `json:"created_at"`
	CreatedBy string    `json:"created_by"`
	// Token is there only in the answer that created it.
	Token string `json:"token,omitempty"`
}

func viewAPIToken(t *auth.APIToken) apiTokenBody {
	return apiTokenBody{
		ID: t.ID, Name: t.Name, Org: t.Org, Role: string(t.Role), ExpiresAt: t.ExpiresAt, CreatedAt: t.CreatedAt, CreatedBy: t.CreatedBy,
	}
}

type newAPITokenBody struct {
	Name      string     `json:"name"`
	Org       *string    `json:"org"`
	Role      string     `json:"role"`
	ExpiresAt *time.Time `json:"expires_at"`
}

func (d *Dialect) listAPITokens(c echo.Context, caller *auth.Caller) error {
	return list(c, d, caller, "tokens",
		func(ctx context.Context, org string, p auth.Page) ([]auth.APIToken, string, error) {
			return d.APITokens.List(ctx, caller, org, p)
		}, viewAPIToken)
}

func (d *Dialect) createAPIToken(c echo.Context, caller *auth.Caller) error {
	if err := noQuery(c); err != nil {
		return err
	}
	body, err := request.DecodeJSON[newAPITokenBody](c.Request(), maxBody)
	if err != nil {
		return err
	}
	n := auth.NewAPIToken{Name: body.Name, Role: auth.Role(body.Role)}
	switch {
	case body.Org != nil:
		n.Org = *body.Org
	case n.Role != auth.RoleAdmin:
		n.Org = caller.HomeOrg()
	}
	if body.ExpiresAt != nil {
		n.ExpiresAt = *body.ExpiresAt
	}
	t, text, err := d.APITokens.Create(c.Request().Context(), caller, n)
	if err != nil {
		return err
	}
	location(c, "token", t.ID)
	view := viewAPIToken(&t)
	view.Token = text
	return respond(c, http.StatusCreated, t.Version, view)
}

func apiTokenName(c echo.Context) (string, error) {
	if err := noQuery(c); err != nil {
		return "", err
	}
	return request.PathValue(c, "tokenId")
}

func (d *Dialect) getAPIToken(c echo.Context, caller *auth.Caller) error {
	id, err := apiTokenName(c)
	if err != nil {
		return err
	}
	t, err := d.APITokens.Get(c.Request().Context(), caller, id)
	if err != nil {
		return err
	}
	return show(c, t.Version, viewAPIToken(&t))
}

func (d *Dialect) deleteAPIToken(c echo.Context, caller *auth.Caller) error {
	id, err := apiTokenName(c)
	if err != nil {
		return err
	}
	want, err := version(c)
	if err != nil {
		return err
	}
	if err := d.APITokens.Delete(c.Request().Context(), caller, id, want); err != nil {
		return err
	}
	return noContent(c)
}
