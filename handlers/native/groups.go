package native

import (
	"context"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/handlers/request"
	"github.com/claimsmith/claimsmith/metadata"
)

type groupBody struct {
	ID          string    `json:"id"`
	Slug        string    `json:"slug"`
	Name        string    `json:"name,omitempty"`
	Description string    `json:"description,omitempty"`
	Order       int       `json:"order"`
	CreatedAt   time.Time `json:"created_at"`
	UpdatedAt   time.Time `json:"updated_at"`
}

func viewGroup(g *metadata.Group) groupBody {
	return groupBody{
		ID: g.ID, Slug: g.Slug, Name: g.Name, Description: g.Description, Order: g.Order, CreatedAt: g.CreatedAt, UpdatedAt: g.UpdatedAt,
	}
}

type groupPatch struct {
	Slug        *string `json:"slug"`
	Name        *string `json:"name"`
	Description *string `json:"description"`
	Order       *int    `json:"order"`
}

func (d *Dialect) listGroups(c echo.Context, caller *auth.Caller) error {
	return list(c, d, caller, "groups",
		func(ctx context.Context, org string, p auth.Page) ([]metadata.Group, string, error) {
			return d.Metadata.Groups(ctx, caller, org, metadata.Page(p))
		}, viewGroup)
}

func (d *Dialect) createGroup(c echo.Context, caller *auth.Caller) error {
	org, err := org(c)
	if err != nil {
		return err
	}
	body, err := request.DecodeJSON[groupPatch](c.Request(), maxBody)
	if err != nil {
		return err
	}
	g, err := d.Metadata.CreateGroup(c.Request().Context(), caller, org, metadata.GroupChange(body))
	if err != nil {
		return err
	}
	location(c, "group", g.Slug)
	return respond(c, http.StatusCreated, g.Version, viewGroup(&g))
}

func groupName(c echo.Context) (org_, slug string, err error) {
	if org_, err = org(c); err != nil {
		return "", "", err
	}
	slug, err = request.PathValue(c, "group")
	return org_, slug, err
}

func (d *Dialect) getGroup(c echo.Context, caller *auth.Caller) error {
	org, slug, err := groupName(c)
	if err != nil {
		return err
	}
	g, err := d.Metadata.Group(c.Request().Context(), caller, org, slug)
	if err != nil {
		return err
	}
	return show(c, g.Version, viewGroup(&g))
}

func (d *Dialect) updateGroup(c echo.Context, caller *auth.Caller) error {
	org, slug, err := groupName(c)
	if err != nil {
		return err
	}
	body, err := request.DecodeJSON[groupPatch](c.Request(), maxBody)
	if err != nil {
		return err
	}
	want, err := version(c)
	if err != nil {
		return err
	}
	g, err := d.Metadata.UpdateGroup(c.Request().Context(), caller, org, slug, want, metadata.GroupChange(body))
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, g.Version, viewGroup(&g))
}

func (d *Dialect) deleteGroup(c echo.Context, caller *auth.Caller) error {
	org, slug, err := groupName(c)
	if err != nil {
		return err
	}
	want, err := version(c)
	if err != nil {
		return err
	}
	if err := d.Metadata.DeleteGroup(c.Request().Context(), caller, org, slug, want); err != nil {
		return err
	}
	return noContent(c)
}

func (d *Dialect) listMembers(c echo.Context, caller *auth.Caller) error {
	slug, err := request.PathValue(c, "group")
	if err != nil {
		return err
	}
	return list(c, d, caller, "members",
		func(ctx context.Context, org string, p auth.Page) ([]string, string, error) {
			return d.Metadata.Members(ctx, caller, org, slug, metadata.Page(p))
		}, func(id *string) string { return *id })
}

// membership reads who is to join or leave which group.
func membership(c echo.Context) (t metadata.Target, slug string, err error) {
	if t.Org, slug, err = groupName(c); err != nil {
		return t, "", err
	}
	t.User, err = request.PathValue(c, "userId")
	return t, slug, err
}

func (d *Dialect) join(c echo.Context, caller *auth.Caller) error {
	t, slug, err := membership(c)
	if err != nil {
		return err
	}
	if err := d.Metadata.Join(c.Request().Context(), caller, t, slug); err != nil {
		return err
	}
	return noContent(c)
}

func (d *Dialect) leave(c echo.Context, caller *auth.Caller) error {
	t, slug, err := membership(c)
	if err != nil {
		return err
	}
	if err := d.Metadata.Leave(c.Request().Context(), caller, t, slug); err != nil {
		return err
	}
	return noContent(c)
}

func (d *Dialect) getGroupsOf(c echo.Context, caller *auth.Caller) error {
	org, user, err := userName(c)
	if err != nil {
		return err
	}
	groups, revision, err := d.Metadata.GroupsOf(c.Request().Context(), caller, metadata.Target{Org: org, User: user})
	if err != nil {
		return err
	}
	return showRevision(c, revision, map[string]any{"groups": each(groups, viewGroup)})
}

type groupsBody struct {
	Groups *[]string `json:"groups"`
}

func (d *Dialect) setGroupsOf(c echo.Context, caller *auth.Caller) error {
	org, user, err := userName(c)
	if err != nil {
		return err
	}
	body, err := request.DecodeJSON[groupsBody](c.Request(), maxBody)
	if err != nil {
		return err
	}
	if body.Groups == nil {
		return &metadata.Error{
			Code: metadata.Invalid, Field: "groups", Detail: "groups is required; an empty list takes the user out of all groups",
		}
	}
	pre, err := precondition(c, "")
	if err != nil {
		return err
	}
	t := metadata.Target{Org: org, User: user}
	groups, revision, err := d.Metadata.SetGroups(c.Request().Context(), caller, t, *body.Groups, pre)
	if err != nil {
		return err
	}
	return respondRevision(c, revision, map[string]any{"groups": each(groups, viewGroup)})
}
