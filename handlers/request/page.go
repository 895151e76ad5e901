package request

import (
	"net/url"
	"strconv"
)

// Bounds of a page.
const (
	DefaultLimit = 50
	MaxLimit     = 200
	maxCursor    = 1 << 10
)

// Page is the part of a list that was asked for. Cursor is opaque here, and "" at the start of the list; whoever issued it
// checks it.
type Page struct {
	Limit  int // 1..MaxLimit
	Cursor string
}

// ParsePage reads the parameters limit and cursor of a query that Query has checked.
func ParsePage(query url.Values) (Page, error) {
	page := Page{Limit: DefaultLimit, Cursor: query.Get("cursor")}
	if len(page.Cursor) > maxCursor {
		return Page{}, malformed("cursor", "a cursor has at most "+size(maxCursor))
	}
	if query.Has("limit") {
		limit, err := strconv.ParseUint(query.Get("limit"), 10, 16)
		if err != nil || limit < 1 || limit > MaxLimit {
			return Page{}, malformed("limit", "must be a number from 1 to "+strconv.Itoa(MaxLimit))
		}
		page.Limit = int(limit)
	}
	return page, nil
}
