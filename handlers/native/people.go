package native

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/people"
	"github.com/claimsmith/claimsmith/handlers/request"
)

// listedBody is a user in a list that may carry his metadata along.
type listedBody struct {
	userBody
	Metadata *[]entryBody `json:"metadata,omitempty"`
}

func viewPeople(caller *auth.Caller, all []people.Person) []listedBody {
	return each(all, func(p *people.Person) listedBody {
		body := listedBody{userBody: viewUser(caller, &p.User)}
		if p.Document != nil {
			entries := viewDocument(p.Document).Metadata
			body.Metadata = &entries
		}
		return body
	})
}

func (d *Dialect) listUsers(c echo.Context, caller *auth.Caller) error {
	query, err := request.Query(c.Request(), "org", "limit", "cursor", "metadata")
	if err != nil {
		return err
	}
	withMetadata, err := request.Flag(query, "metadata")
	if err != nil {
		return err
	}
	page, err := d.paging(c, caller, query)
	if err != nil {
		return err
	}
	users, next, err := d.People.List(c.Request().Context(), caller, query.Get("org"), withMetadata, page.Page)
	if err != nil {
		return err
	}
	return respondPeople(c, caller, users, page.next(next))
}

func respondPeople(c echo.Context, caller *auth.Caller, all []people.Person, next string) error {
	return respond(c, http.StatusOK, 0, map[string]any{"users": viewPeople(caller, all), "next": next})
}
