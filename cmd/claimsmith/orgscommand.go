package main

import (
	"context"
	"io"
	"net/http"
	"net/url"

	"github.com/claimsmith/claimsmith/config"
)

func orgPath(slug string) string { return "/api/org/" + url.PathEscape(slug) }

func runOrgsList(ctx context.Context, c *config.OrgsList, stdout io.Writer) error {
	items, err := newOperator(c.API).all(ctx, "/api/org", "orgs", nil, 0)
	if err != nil {
		return err
	}
	if c.Output != tableOutput {
		return printList(stdout, c.Output, "orgs", items)
	}
	return printTable(stdout, items, column{"ORGANISATION", "slug"}, column{"NAME", "name"}, column{"DISABLED", "disabled"},
		column{"CLAIMS BUDGET", "claims_budget"})
}

func runOrgsShow(ctx context.Context, c *config.OrgsShow, stdout io.Writer) error {
	a, err := newOperator(c.API).send(ctx, http.MethodGet, orgPath(c.Slug), nil, "", nil)
	if err != nil {
		return err
	}
	return printObject(stdout, c.Output, a.body)
}

func orgBody(o *config.Organisation) map[string]any {
	body := map[string]any{}
	say(body, "name", o.Name)
	say(body, "claims_budget", o.ClaimsBudget)
	say(body, "history_changes", o.HistoryChanges)
	say(body, "history_days", o.HistoryDays)
	say(body, "logo_url", o.LogoURL)
	say(body, "color", o.Color)
	say(body, "disabled", o.Disabled)
	return body
}

func runOrgsCreate(ctx context.Context, c *config.OrgsCreate, stdout io.Writer) error {
	body := orgBody(&c.Organisation)
	body["slug"] = c.Slug
	a, err := newOperator(c.API).send(ctx, http.MethodPost, "/api/org", nil, "", body)
	if err != nil {
		return err
	}
	return printObject(stdout, c.Output, a.body)
}

func runOrgsUpdate(ctx context.Context, c *config.OrgsUpdate, stdout io.Writer) error {
	a, err := newOperator(c.API).send(ctx, http.MethodPatch, orgPath(c.Slug), nil, "", orgBody(&c.Organisation))
	if err != nil {
		return err
	}
	return printObject(stdout, c.Output, a.body)
}
