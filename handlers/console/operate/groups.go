package operate

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/handlers/console/page"
	"github.com/claimsmith/claimsmith/handlers/problem"
	"github.com/claimsmith/claimsmith/metadata"
)

// groupsPage is the data of the list of groups, with the form for another one.
type groupsPage struct {
	Groups []metadata.Group
	New    groupForm
}

type groupForm struct{ Slug, Name, Description, Order string }

func (k *desk) groups() error {
	if _, err := k.query(); err != nil {
		return err
	}
	return k.showGroups(groupForm{}, nil)
}

func (k *desk) showGroups(typed groupForm, fault error) error {
	s, err := k.scheme()
	if err != nil {
		return err
	}
	data := groupsPage{s.Groups, typed}
	if fault != nil {
		return k.refuse(fault, "groups", "groups", data)
	}
	return k.respond(http.StatusOK, "groups", "groups", data)
}

// readGroup reads a group's form.
func (k *desk) readGroup() (groupForm, metadata.GroupChange, error) {
	f := groupForm{
		strings.TrimSpace(k.form.Get("slug")), k.form.Get("name"), k.form.Get("description"), strings.TrimSpace(k.form.Get("order")),
	}
	change := metadata.GroupChange{Slug: &f.Slug, Name: &f.Name, Description: &f.Description}
	order := 0
	if f.Order != "" {
		var err error
		if order, err = strconv.Atoi(f.Order); err != nil {
			return f, change, &metadata.Error{Code: metadata.Invalid, Field: "order", Detail: "a number from 0 to 1000000"}
		}
	}
	change.Order = &order
	return f, change, nil
}

func (k *desk) createGroup() error {
	typed, change, err := k.readGroup()
	if err == nil {
		_, err = k.Metadata.CreateGroup(k.Request().Context(), k.caller, k.org.Slug, change)
	}
	if err != nil {
		return k.showGroups(typed, err)
	}
	return k.done(k.here("group", typed.Slug), "group_created")
}

// groupPage is the data of a group's page.
type groupPage struct {
	paging
	Group   *metadata.Group
	Form    groupForm
	Version string
	Members []member
	// Member is what was typed to be found and was not.
	Member string
}

type member struct{ ID, Name, Username string }

func (k *desk) group() error {
	query, err := k.query("cursor")
	if err != nil {
		return err
	}
	p, err := k.paging(query)
	if err != nil {
		return err
	}
	return k.showGroup(p, nil, nil)
}

func (k *desk) showGroup(p paging, typed *groupForm, fault error) error {
	s, err := k.subject("members", "")
	if err != nil {
		return err
	}
	g := s.Group
	data := groupPage{
		paging: p, Group: g, Form: groupForm{g.Slug, g.Name, g.Description, strconv.Itoa(g.Order)}, Version: strconv.FormatUint(g.Version, 10),
		Member: k.form.Get("member"),
	}
	if typed != nil {
		data.Form = *typed
	}
	ctx := k.Request().Context()
	ids, next, err := k.Metadata.Members(ctx, k.caller, k.org.Slug, g.Slug, metadata.Page{After: p.After, Limit: pageSize})
	if err != nil {
		return err
	}
	data.then(next)
	for _, id := range ids {
		user, err := k.Users.Find(ctx, k.caller, k.org.Slug, id)
		if auth.CodeOf(err) == auth.NotFound { // since the list was read
			continue
		}
		if err != nil {
			return err
		}
		data.Members = append(data.Members, member{id, page.NameOf(&user), user.Username})
	}
	if fault != nil {
		return k.refuse(fault, "group", "groups", &data)
	}
	return k.respond(http.StatusOK, "group", "groups", &data)
}

func (k *desk) saveGroup() error {
	slug, err := k.value("group")
	if err != nil {
		return err
	}
	version, err := k.version()
	if err != nil {
		return err
	}
	typed, change, err := k.readGroup()
	if err == nil {
		_, err = k.Metadata.UpdateGroup(k.Request().Context(), k.caller, k.org.Slug, slug, version, change)
	}
	if err != nil {
		return k.groupFault(&typed, err)
	}
	return k.done(k.here("group", typed.Slug), "group")
}

// groupFault shows the page again where there is something to say on it.
func (k *desk) groupFault(typed *groupForm, fault error) error {
	if k.fault(fault) == "" {
		return fault
	}
	return k.showGroup(paging{}, typed, fault)
}

func (k *desk) deleteGroup() error {
	slug, err := k.value("group")
	if err != nil {
		return err
	}
	version, err := k.version()
	if err != nil {
		return err
	}
	if k.form.Get("confirmation") != slug {
		return k.groupFault(nil, problem.New(problem.InvalidRequest, k.text("group.delete.mismatch")))
	}
	if err := k.Metadata.DeleteGroup(k.Request().Context(), k.caller, k.org.Slug, slug, version); err != nil {
		return k.groupFault(nil, err)
	}
	return k.done(k.here("group"), "group_deleted")
}

// changeMember puts a user into a group, or takes him out.
func (k *desk) changeMember() error {
	slug, err := k.value("group")
	if err != nil {
		return err
	}
	t := metadata.Target{Org: k.org.Slug, User: strings.TrimSpace(k.form.Get("member"))}
	if k.form.Get("do") == "leave" {
		err = k.Metadata.Leave(k.Request().Context(), k.caller, t, slug)
	} else {
		err = k.Metadata.Join(k.Request().Context(), k.caller, t, slug)
	}
	if problem.Of(err).Code == problem.NotFound {
		err = problem.New(problem.InvalidRequest, k.text("group.member.unknown", "name", t.User))
	}
	if err != nil {
		return k.groupFault(nil, err)
	}
	return k.done(k.here("group", slug), "member")
}
