package operate

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/people"
	"github.com/claimsmith/claimsmith/handlers/console/page"
	"github.com/claimsmith/claimsmith/metadata"
)

// usersPage is the data of the list of users.
type usersPage struct {
	paging
	Search  search
	Columns []string
	Rows    []userRow
}

type userRow struct {
	ID, Name, Username, Email string
	Role                      auth.Role
	Disabled                  bool
	Created                   time.Time
	Groups                    []string
	// Cells are the values of the columns, "" for none.
	Cells []string
}

// search is what the list is narrowed by.
type search struct {
	Handle, Group string
	Conditions    []condition
	// Keys and Groups are what can be searched by.
	Keys   []string
	Groups []metadata.Group
	// Query are the parameters again, for the address of the next page.
	Query  url.Values
	Active bool
}

// condition is one about the entry of a key. Number tells its fields from those of others.
type condition struct{ Number, Key, Op, Value string }

const (
	opEquals = "equals"
	opPrefix = "prefix"
	opExists = "exists"

	maxConditions = 3
	maxColumns    = 3
)

func searchParameters() []string {
	names := []string{"handle", "group"}
	for n := range maxConditions {
		number := strconv.Itoa(n + 1)
		names = append(names, "key"+number, "op"+number, "value"+number)
	}
	return names
}

func (k *desk) users() error {
	query, err := k.query(append(searchParameters(), "cursor")...)
	if err != nil {
		return err
	}
	scheme, err := k.scheme()
	if err != nil {
		return err
	}
	data := usersPage{Search: readSearch(query, scheme), Columns: columns(scheme)}
	if data.paging, err = k.paging(query, searchParameters()...); err != nil {
		return err
	}
	q, err := data.Search.query(scheme)
	if err == nil {
		err = k.find(&data, q, scheme)
	}
	if err != nil {
		data.Rows = nil
		return k.refuse(err, "users", "users", &data)
	}
	return k.respond(http.StatusOK, "users", "users", &data)
}

// find fills in the lines of the list.
func (k *desk) find(data *usersPage, q *metadata.Query, scheme *scheme) error {
	ctx, p := k.Request().Context(), auth.Page{After: data.After, Limit: pageSize}
	var found []people.Person
	var next string
	var err error
	if q == nil {
		found, next, err = k.People.List(ctx, k.caller, k.org.Slug, true, p)
	} else {
		found, next, err = k.People.Search(ctx, k.caller, k.org.Slug, *q, true, p)
	}
	if err != nil {
		return err
	}
	data.then(next)
	for _, one := range found {
		row := userRow{
			ID: one.ID, Name: page.NameOf(&one.User), Username: one.Username, Email: one.Email, Disabled: one.Disabled, Created: one.CreatedAt,
		}
		if k.caller.MayRead(one.Orgs[0]) { // a role is a matter of the home organisation alone
			row.Role = one.Role
		}
		if one.Document != nil {
			row.Groups = scheme.slugs(one.Document.Groups)
		}
		for _, key := range data.Columns {
			row.Cells = append(row.Cells, cell(one.Document, key))
		}
		data.Rows = append(data.Rows, row)
	}
	return nil
}

// columns are the keys the list shows: those that can be searched by, or else the first there are. A list is no place for what is sensitive.
func columns(s *scheme) []string {
	var searchable, others []string
	for _, d := range s.Definitions {
		switch {
		case d.Sensitive:
		case d.Searchable:
			searchable = append(searchable, d.Key)
		default:
			others = append(others, d.Key)
		}
	}
	all := append(searchable, others...)
	return all[:min(len(all), maxColumns)]
}

const maxCell = 40 // characters

func cell(doc *metadata.Document, key string) string {
	if doc == nil {
		return ""
	}
	e, ok := doc.Entry(key)
	if !ok {
		return ""
	}
	return shorten(shownValue(e.Value), maxCell)
}

func shorten(text string, most int) string {
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return text
}

func readSearch(query url.Values, s *scheme) search {
	found := search{Handle: strings.TrimSpace(query.Get("handle")), Group: query.Get("group"), Groups: s.Groups, Query: url.Values{}}
	for _, d := range s.Definitions {
		if d.Searchable {
			found.Keys = append(found.Keys, d.Key)
		}
	}
	for n := range maxConditions {
		number := strconv.Itoa(n + 1)
		c := condition{number, query.Get("key" + number), query.Get("op" + number), query.Get("value" + number)}
		if c.Key != "" || len(found.Conditions) == 0 || found.Conditions[len(found.Conditions)-1].Key != "" {
			found.Conditions = append(found.Conditions, c) // the filled ones, and an empty one to fill in
		}
	}
	for _, name := range searchParameters() {
		if value := query.Get(name); value != "" {
			found.Query.Set(name, value)
		}
	}
	found.Active = found.Handle != "" || found.Group != "" || found.Conditions[0].Key != ""
	return found
}

// query is what is searched for, nil for everybody.
func (s *search) query(scheme *scheme) (*metadata.Query, error) {
	var all []metadata.Query
	if s.Handle != "" {
		all = append(all, metadata.Query{Handle: s.Handle})
	}
	if s.Group != "" {
		all = append(all, metadata.Query{Group: s.Group})
	}
	for _, c := range s.Conditions {
		if c.Key == "" {
			continue
		}
		match := &metadata.Match{Key: c.Key}
		switch c.Op {
		case opExists:
		case opPrefix:
			match.Prefix = &c.Value
		default:
			value, err := valueTyped(c.Value, scheme.definition(c.Key))
			if err != nil {
				return nil, err
			}
			term := metadata.TermOf(value)
			match.Equals = &term
		}
		all = append(all, metadata.Query{Has: match})
	}
	switch len(all) {
	case 0:
		return nil, nil //nolint:nilnil // everybody
	case 1:
		return &all[0], nil
	}
	return &metadata.Query{All: all}, nil
}

// Next is the address of the page that follows.
func (p *usersPage) NextQuery() string {
	values := url.Values{}
	for name := range p.Search.Query {
		values.Set(name, p.Search.Query.Get(name))
	}
	values.Set("cursor", p.Next)
	return values.Encode()
}

// newUserPage is the data of the form for a new user.
type newUserPage struct {
	ID, Username, Email, Name string
	Verified, Temporary       bool
}

func (k *desk) newUser() error {
	if _, err := k.query(); err != nil {
		return err
	}
	return k.respond(http.StatusOK, "user_new", "users", newUserPage{Verified: true, Temporary: true})
}

func (k *desk) createUser() error {
	n := auth.NewUser{
		ID: k.form.Get("id"), Username: k.form.Get("username"), Email: k.form.Get("email"), Password: k.form.Get("password"),
	}
	n.EmailVerified = n.Email != "" && k.checked("email_verified")
	n.Temporary = n.Password != "" && k.checked("temporary")
	n.Profile.Name = k.form.Get("name")
	user, err := k.Users.Create(k.Request().Context(), k.caller, k.org.Slug, n, "")
	if err != nil {
		return k.refuse(err, "user_new", "users", newUserPage{
			n.ID, n.Username, n.Email, n.Profile.Name, k.checked("email_verified"), k.checked("temporary"),
		})
	}
	return k.done(k.here("user", user.ID), "user_created")
}

func (k *desk) checked(name string) bool { return k.form.Get(name) != "" }
