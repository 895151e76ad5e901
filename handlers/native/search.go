package native

import (
	"net/url"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/handlers/request"
	"github.com/claimsmith/claimsmith/metadata"
)

// searchBody is whom to look for.
type searchBody struct {
	Where    *whereBody `json:"where"`
	Metadata bool       `json:"metadata"`
	Limit    *int       `json:"limit"`
	Cursor   string     `json:"cursor"`
}

// whereBody is a condition: one of its first five members, or a key with one of the last three.
type whereBody struct {
	All    *[]whereBody   `json:"all"`
	Any    *[]whereBody   `json:"any"`
	Not    *whereBody     `json:"not"`
	Group  *string        `json:"group"`
	Handle *string        `json:"handle"`
	Key    *string        `json:"key"`
	Equals jsontext.Value `json:"equals"`
	Prefix *string        `json:"prefix"`
	Exists *bool          `json:"exists"`
}

func (d *Dialect) searchUsers(c echo.Context, caller *auth.Caller) error {
	org, err := org(c)
	if err != nil {
		return err
	}
	body, err := request.DecodeJSON[searchBody](c.Request(), maxBody)
	if err != nil {
		return err
	}
	if body.Where == nil {
		return &metadata.Error{Code: metadata.Invalid, Field: "where", Detail: "where is required: the condition users are to meet"}
	}
	query, err := body.Where.query("/where")
	if err != nil {
		return err
	}
	where, err := json.Marshal(query, json.Deterministic(true))
	if err != nil {
		return err
	}
	page, err := d.paging(c, caller, body.paging(org), string(where))
	if err != nil {
		return err
	}
	found, next, err := d.People.Search(c.Request().Context(), caller, org, query, body.Metadata, page.Page)
	if err != nil {
		return err
	}
	return respondPeople(c, caller, found, page.next(next))
}

// paging is the query of a list that begins where the body says.
func (b *searchBody) paging(org string) url.Values {
	query := url.Values{}
	if org != "" {
		query.Set("org", org)
	}
	if b.Cursor != "" {
		query.Set("cursor", b.Cursor)
	}
	if b.Limit != nil {
		query.Set("limit", strconv.Itoa(*b.Limit))
	}
	return query
}

func (w *whereBody) query(at string) (q metadata.Query, err error) {
	given := 0
	for _, member := range []bool{w.All != nil, w.Any != nil, w.Not != nil, w.Group != nil, w.Handle != nil, w.Key != nil} {
		if member {
			given++
		}
	}
	match := 0
	for _, member := range []bool{w.Equals != nil, w.Prefix != nil, w.Exists != nil} {
		if member {
			match++
		}
	}
	if given != 1 || w.Key == nil && match > 0 {
		return q, &metadata.Error{Code: metadata.Invalid, Field: at, Detail: "exactly one of all, any, not, group, handle and key is required"}
	}
	switch {
	case w.All != nil:
		q.All, err = queries(*w.All, at+"/all")
	case w.Any != nil:
		q.Any, err = queries(*w.Any, at+"/any")
	case w.Not != nil:
		var not metadata.Query
		not, err = w.Not.query(at + "/not")
		q.Not = &not
	case w.Group != nil:
		q.Group = *w.Group
	case w.Handle != nil:
		q.Handle = *w.Handle
	default:
		q.Has, err = w.match(at, match)
	}
	return q, err
}

func queries(all []whereBody, at string) ([]metadata.Query, error) {
	list := make([]metadata.Query, 0, len(all))
	for n := range all {
		q, err := all[n].query(at + "/" + strconv.Itoa(n))
		if err != nil {
			return nil, err
		}
		list = append(list, q)
	}
	return list, nil
}

func (w *whereBody) match(at string, given int) (*metadata.Match, error) {
	m := &metadata.Match{Key: *w.Key, Prefix: w.Prefix}
	switch {
	case given != 1 || w.Exists != nil && !*w.Exists:
		return nil, &metadata.Error{
			Code: metadata.Invalid, Field: at, Detail: "with a key, exactly one of equals, prefix and exists (which is true) is required",
		}
	case w.Equals != nil:
		value, err := metadata.JSON(w.Equals)
		if err != nil {
			return nil, err
		}
		term := metadata.TermOf(value)
		m.Equals = &term
	}
	return m, nil
}
