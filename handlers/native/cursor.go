package native

import (
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/handlers/request"
)

// paging is the part of a list that was asked for, and how to go on from there.
type paging struct {
	auth.Page
	key   []byte
	scope string
}

// paging reads limit and cursor of a query that request.Query has checked. Its cursors continue the same list for the same caller: the
// list is the path, the other parameters, and what more says about it.
func (d *Dialect) paging(c echo.Context, caller *auth.Caller, query url.Values, more ...string) (paging, error) {
	page, err := request.ParsePage(query)
	if err != nil {
		return paging{}, err
	}
	of := url.Values{}
	for name, values := range query {
		if name != "limit" && name != "cursor" {
			of[name] = values
		}
	}
	scope := []string{c.Path(), c.Request().URL.EscapedPath(), caller.Ref(), of.Encode()}
	p := paging{key: d.CursorKey, scope: strings.Join(append(scope, more...), "\x00")}
	after, err := request.OpenCursor(p.key, p.scope, page.Cursor)
	p.Page = auth.Page{After: after, Limit: page.Limit}
	return p, err
}

// next is the cursor of the page after a position, "" at the end.
func (p paging) next(position string) string { return request.SealCursor(p.key, p.scope, position) }
