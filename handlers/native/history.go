package native

import (
	"net/http"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/handlers/request"
	"github.com/claimsmith/claimsmith/metadata"
)

type pastBody struct {
	Revision uint64           `json:"revision"`
	At       time.Time        `json:"at"`
	By       string           `json:"by"`
	Via      string           `json:"via"`
	Changes  []differenceBody `json:"changes"`
	Joined   []string         `json:"joined"`
	Left     []string         `json:"left"`
}

type differenceBody struct {
	Key    string     `json:"key"`
	Before *shownBody `json:"before"`
	After  *shownBody `json:"after"`
}

// shownBody has a value, or the hash that stands for a sensitive one.
type shownBody struct {
	Value        jsontext.Value `json:"value,omitzero"`
	Hash         string         `json:"hash,omitempty"`
	ProfileClaim bool           `json:"profileClaim"`
}

func viewPast(p *metadata.Past) pastBody {
	return pastBody{
		Revision: p.Revision, At: p.At, By: p.By, Via: p.Via, Joined: names(p.Joined), Left: names(p.Left),
		Changes: each(p.Changes, func(d *metadata.Difference) differenceBody {
			return differenceBody{Key: d.Key, Before: viewShown(d.Before), After: viewShown(d.After)}
		}),
	}
}

// names is a list that is shown even where it is empty.
func names(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

func viewShown(s *metadata.Shown) *shownBody {
	switch {
	case s == nil:
		return nil
	case s.Hash != "":
		return &shownBody{Hash: s.Hash, ProfileClaim: s.ProfileClaim}
	}
	return &shownBody{Value: jsonOf(s.Value), ProfileClaim: s.ProfileClaim}
}

func (d documents) history(c echo.Context, caller *auth.Caller) error {
	t, query, err := d.target(c, "key", "limit", "cursor")
	if err != nil {
		return err
	}
	page, err := d.paging(c, caller, query)
	if err != nil {
		return err
	}
	past, next, err := d.Metadata.History(c.Request().Context(), caller, t, query.Get("key"), metadata.Page(page.Page))
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, 0, map[string]any{"history": each(past, viewPast), "next": page.next(next)})
}

type rollbackBody struct {
	Revision *uint64 `json:"revision"`
	Key      *string `json:"key"`
}

func (d documents) rollback(c echo.Context, caller *auth.Caller) error {
	t, _, err := d.target(c)
	if err != nil {
		return err
	}
	body, err := request.DecodeJSON[rollbackBody](c.Request(), maxBody)
	if err != nil {
		return err
	}
	if body.Revision == nil {
		return &metadata.Error{
			Code: metadata.Invalid, Field: "revision", Detail: "revision is required; the history of the document lists them, and 0 is the empty document",
		}
	}
	key := ""
	if body.Key != nil {
		if key = *body.Key; key == "" {
			return &metadata.Error{Code: metadata.Invalid, Field: "key", Detail: "a key is not empty; leave it out for the whole document"}
		}
	}
	pre, err := precondition(c, "")
	if err != nil {
		return err
	}
	doc, err := d.Metadata.Rollback(c.Request().Context(), caller, t, *body.Revision, key, pre)
	if err != nil {
		return err
	}
	return respondDocument(c, &doc)
}
