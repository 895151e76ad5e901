package native

import (
	"context"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/handlers/request"
)

type orgBody struct {
	Slug           string    `json:"slug"`
	Name           string    `json:"name,omitempty"`
	Disabled       bool      `json:"disabled"`
	ClaimsBudget   int       `json:"claims_budget"`
	HistoryChanges int       `json:"history_changes"`
	HistoryDays    int       `json:"history_days"`
	LogoURL        string    `json:"logo_url,omitempty"`
	Color          string    `json:"color,omitempty"`
	CreatedAt      time.Time `json:"created_at"`
	UpdatedAt      time.Time `json:"updated_at"`
}

func viewOrg(o *auth.Org) orgBody {
	return orgBody{
		Slug: o.Slug, Name: o.Name, Disabled: o.Disabled, ClaimsBudget: o.ClaimsBudget,
		HistoryChanges: o.HistoryChanges, HistoryDays: o.HistoryDays,
		LogoURL: o.LogoURL, Color: o.Color, CreatedAt: o.CreatedAt, UpdatedAt: o.UpdatedAt,
	}
}

type orgPatch struct {
	Name           *string `json:"name"`
	Disabled       *bool   `json:"disabled"`
	ClaimsBudget   *int    `json:"claims_budget"`
	HistoryChanges *int    `json:"history_changes"`
	HistoryDays    *int    `json:"history_days"`
	LogoURL        *string `json:"logo_url"`
	Color          *string `json:"color"`
}

type newOrgBody struct {
	Slug string `json:"slug"`
	orgPatch
}

func (d *Dialect) listOrgs(c echo.Context, caller *auth.Caller) error {
	if _, err := request.Query(c.Request(), "limit", "cursor"); err != nil {
		return err
	}
	return list(c, d, caller, "orgs",
		func(ctx context.Context, _ string, p auth.Page) ([]auth.Org, string, error) {
			return d.Orgs.List(ctx, caller, p)
		}, viewOrg)
}

func (d *Dialect) createOrg(c echo.Context, caller *auth.Caller) error {
	if err := noQuery(c); err != nil {
		return err
	}
	body, err := request.DecodeJSON[newOrgBody](c.Request(), maxBody)
	if err != nil {
		return err
	}
	o, err := d.Orgs.Create(c.Request().Context(), caller, body.Slug, auth.OrgChange(body.orgPatch))
	if err != nil {
		return err
	}
	location(c, "org", o.Slug)
	return respond(c, http.StatusCreated, o.Version, viewOrg(&o))
}

func orgName(c echo.Context) (string, error) {
	if err := noQuery(c); err != nil {
		return "", err
	}
	return request.PathValue(c, "org")
}

func (d *Dialect) getOrg(c echo.Context, caller *auth.Caller) error {
	slug, err := orgName(c)
	if err != nil {
		return err
	}
	o, err := d.Orgs.Get(c.Request().Context(), caller, slug)
	if err != nil {
		return err
	}
	return show(c, o.Version, viewOrg(&o))
}

func (d *Dialect) updateOrg(c echo.Context, caller *auth.Caller) error {
	slug, err := orgName(c)
	if err != nil {
		return err
	}
	body, err := request.DecodeJSON[orgPatch](c.Request(), maxBody)
	if err != nil {
		return err
	}
	want, err := version(c)
	if err != nil {
		return err
	}
	o, err := d.Orgs.Update(c.Request().Context(), caller, slug, want, auth.OrgChange(body))
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, o.Version, viewOrg(&o))
}
