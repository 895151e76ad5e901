package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/go-json-experiment/json"

	"github.com/claimsmith/claimsmith/config"
)

func groupPath(slug string) string { return "/api/group/" + url.PathEscape(slug) }

func runGroupsList(ctx context.Context, c *config.GroupsList, stdout io.Writer) error {
	items, err := newOperator(c.API).all(ctx, "/api/group", "groups", nil, 0)
	if err != nil {
		return err
	}
	if c.Output != tableOutput {
		return printList(stdout, c.Output, "groups", items)
	}
	return printTable(stdout, items, groupColumns...)
}

func runGroupsShow(ctx context.Context, c *config.GroupsShow, stdout io.Writer) error {
	a, err := newOperator(c.API).send(ctx, http.MethodGet, groupPath(c.Slug), nil, "", nil)
	if err != nil {
		return err
	}
	return printObject(stdout, c.Output, a.body)
}

func groupBody(g *config.GroupFacts) map[string]any {
	body := map[string]any{}
	say(body, "name", g.Name)
	say(body, "description", g.Description)
	say(body, "order", g.Order)
	return body
}

func runGroupsCreate(ctx context.Context, c *config.GroupsCreate, stdout io.Writer) error {
	body := groupBody(&c.GroupFacts)
	body["slug"] = c.Slug
	a, err := newOperator(c.API).send(ctx, http.MethodPost, "/api/group", nil, "", body)
	if err != nil {
		return err
	}
	return printObject(stdout, c.Output, a.body)
}

func runGroupsUpdate(ctx context.Context, c *config.GroupsUpdate, stdout io.Writer) error {
	a, err := newOperator(c.API).send(ctx, http.MethodPatch, groupPath(c.Slug), nil, "", groupBody(&c.GroupFacts))
	if err != nil {
		return err
	}
	return printObject(stdout, c.Output, a.body)
}

func runGroupsDelete(ctx context.Context, c *config.GroupsDelete, stdin io.Reader, stdout, stderr io.Writer) error {
	o, etag := newOperator(c.API), ""
	if !c.Yes {
		a, err := o.send(ctx, http.MethodGet, groupPath(c.Slug), nil, "", nil)
		if err != nil {
			return err
		}
		if err := confirm(stdin, stderr, fmt.Sprintf("Delete group %s? Its members no longer inherit its metadata.", c.Slug)); err != nil {
			return err
		}
		etag = a.etag
	}
	if _, err := o.send(ctx, http.MethodDelete, groupPath(c.Slug), nil, etag, nil); err != nil {
		return err
	}
	return printDone(stdout, c.Output, "Group %s is deleted.", c.Slug)
}

func runGroupsMembers(ctx context.Context, c *config.GroupsMembers, stdout io.Writer) error {
	items, err := newOperator(c.API).all(ctx, groupPath(c.Slug)+"/member", "members", nil, 0)
	if err != nil {
		return err
	}
	if c.Output != tableOutput {
		return printList(stdout, c.Output, "members", items)
	}
	for _, item := range items {
		var id string
		if err := json.Unmarshal(item, &id); err != nil {
			return fmt.Errorf("%w: %w", errNoClaimsmith, err)
		}
		if _, err := fmt.Fprintln(stdout, id); err != nil {
			return err
		}
	}
	return nil
}

func runGroupsJoin(ctx context.Context, c *config.GroupsJoin, stdout io.Writer) error {
	if err := moveMember(ctx, c.API, http.MethodPut, c.Slug, c.Name); err != nil {
		return err
	}
	return printDone(stdout, c.Output, "User %s is in group %s.", c.Name, c.Slug)
}

func runGroupsLeave(ctx context.Context, c *config.GroupsLeave, stdout io.Writer) error {
	if err := moveMember(ctx, c.API, http.MethodDelete, c.Slug, c.Name); err != nil {
		return err
	}
	return printDone(stdout, c.Output, "User %s is not in group %s.", c.Name, c.Slug)
}

func moveMember(ctx context.Context, api config.API, method, group, user string) error {
	_, err := newOperator(api).send(ctx, method, groupPath(group)+"/member/"+url.PathEscape(user), nil, "", nil)
	return err
}
