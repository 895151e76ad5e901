package main

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/claimsmith/claimsmith/internal/redistest"
)

// paged is a list of acme's that goes on after its first element.
type paged struct {
	route, target string
	// body, where a cursor goes into it, ends in a member's place for it, %.
	body string
	// other is a query that makes it another list.
	other string
}

// lists has a row for every operation that takes a cursor.
var lists = []paged{
	{"GET /api/user", "/api/user?org=acme", "", "metadata=true"},
	{"GET /api/client", "/api/client?org=acme", "", ""},
	{"GET /api/token", "/api/token?org=acme", "", ""},
	{"GET /api/org", "/api/org?", "", ""},
	{"GET /api/group", "/api/group?org=acme", "", ""},
	{"GET /api/group/:group/member", "/api/group/acme-staff/member?org=acme", "", ""},
	{"GET /api/metadata-key", "/api/metadata-key?org=acme", "", ""},
	{"GET /api/user/:userId/history", "/api/user/acme-user-id/history?org=acme", "", "key=note"},
	{"GET /api/group/:group/history", "/api/group/acme-staff/history?org=acme", "", "key=note"},
	{"GET /api/org/:org/history", "/api/org/acme/history?", "", "key=note"},
	{"GET /api/audit", "/api/audit?org=acme", "", "outcome=success"},
	{"POST /api/metadata-key/:key/check", "/api/metadata-key/note/check?org=acme", `{"type":"number"}`, ""},
	{"POST /api/user/search", "/api/user/search?org=acme", `{"where":{"handle":"acme-"}%}`, ""},
}

// send asks for a page of one element, with a cursor unless it is "", and with more in the query.
func (l paged) send(c *cast, bearer, cursor, more string) answer {
	c.t.Helper()
	method, _, _ := strings.Cut(l.route, " ")
	target, text := l.target+"&limit=1", l.body
	switch {
	case strings.Contains(text, "%"):
		target = l.target
		member := `,"limit":1`
		if cursor != "" {
			member += `,"cursor":` + quote(cursor)
		}
		text = strings.Replace(text, "%", member, 1)
	case cursor != "":
		target += "&cursor=" + url.QueryEscape(cursor)
	}
	return c.send(method, target+more, bearer, text)
}

// A cursor continues the list it came from, for the caller it was given to, and nothing else (row A-08).
func TestForgedCursors(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	c.post("/api/group?org=acme", adminToken, `{"slug":"others"}`).want(t, http.StatusCreated)
	c.put("/api/group/acme-staff/member/acme-other-id?org=acme", adminToken, "").want(t, http.StatusNoContent)
	for _, of := range []string{
		"/api/user/acme-user-id/metadata/note?org=acme", "/api/user/acme-other-id/metadata/note?org=acme",
		"/api/group/acme-staff/metadata/note?org=acme", "/api/org/acme/metadata/note?",
	} {
		for _, value := range []string{`"a"`, `"b"`, `"c"`} {
			c.put(of, adminToken, `{"value":`+value+`}`).want(t, http.StatusOK)
		}
	}
	another := c.post("/api/token", adminToken, `{"role":"admin"}`).want(t, http.StatusCreated).text(t, "token")
	if err := c.app.recorder.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	left := map[string]bool{}
	for route, o := range describedByRoute(t) {
		schema := o.bodySchema(t)
		if o.hasQuery("cursor") || schema != nil && schema.Properties["cursor"] != nil {
			left[route] = true
		}
	}
	for _, l := range lists {
		delete(left, l.route)
		cursor := l.send(c, adminToken, "", "").want(t, http.StatusOK).text(t, "next")
		if cursor == "" {
			t.Errorf("%s ends after one element", l.route)
			continue
		}
		l.send(c, adminToken, cursor, "").want(t, http.StatusOK)
		refused := func(what string, l paged, bearer, cursor, more string) {
			t.Helper()
			if a := l.send(c, bearer, cursor, more); a.status != http.StatusBadRequest {
				t.Errorf("%s with %s: %d %s", l.route, what, a.status, a.body)
			}
		}
		refused("another's cursor", l, another, cursor, "")
		for what, text := range map[string]string{
			"a cut cursor": cursor[:len(cursor)-1], "a longer one": cursor + "A", "it twice": cursor + cursor, "padding": cursor + "=",
			"a text": "acme-user-id", "a space": " " + cursor, "a long one": strings.Repeat("A", 2000), "an empty one": "AAAAAAAAAAAAAAAAAAAAAAAA",
		} {
			refused(what, l, adminToken, text, "")
		}
		for n := 0; n < len(cursor); n += 1 + len(cursor)/40 {
			refused("a changed cursor", l, adminToken, cursor[:n]+changed(cursor[n])+cursor[n+1:], "")
		}
		if l.other != "" {
			refused(l.other, l, adminToken, cursor, "&"+l.other)
		}
		for _, other := range lists {
			if other.route != l.route {
				refused("the cursor of "+l.route, other, adminToken, cursor, "")
			}
		}
		elsewhere := l
		if elsewhere.target = strings.ReplaceAll(l.target, acme, globex); elsewhere.target != l.target {
			refused("a cursor of acme", elsewhere, adminToken, cursor, "")
		}
		if elsewhere.target = strings.Replace(l.target, "org=acme", "", 1); elsewhere.target != l.target {
			refused("a cursor of an organisation", elsewhere, adminToken, cursor, "")
		}
	}
	for route := range left {
		t.Errorf("no row for %s", route)
	}
}

// changed is another character of the alphabet of cursors.
func changed(char byte) string {
	if char == 'A' {
		return "B"
	}
	return "A"
}

// Walking a list page by page shows every element once, whatever the size of the pages.
func TestListsAreWalked(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	for _, slug := range []string{"a", "b", "c", "d"} {
		c.post("/api/group?org=acme", adminToken, `{"slug":"`+slug+`","order":7}`).want(t, http.StatusCreated)
		c.put("/api/metadata-key/"+slug+"?org=acme", adminToken, `{}`).want(t, http.StatusCreated)
		c.put("/api/user/acme-user-id/metadata/"+slug+"?org=acme", adminToken, `{"value":1}`).want(t, http.StatusOK)
		c.put("/api/group/acme-staff/member/"+c.newUser(acme, "member-"+slug)+"?org=acme", adminToken, "").want(t, http.StatusNoContent)
	}
	for _, list := range []struct{ target, member string }{
		{"/api/group", "groups"}, {"/api/metadata-key", "definitions"}, {"/api/group/acme-staff/member", "members"},
		{"/api/user/acme-user-id/history", "history"},
	} {
		whole := c.get(list.target+"?limit=200", c.acme.operator).want(t, http.StatusOK).json(t)[list.member].([]any)
		for _, size := range []string{"1", "2", "3"} {
			var walked []any
			for cursor, more := "", true; more; more = cursor != "" {
				a := c.get(list.target+"?limit="+size+"&cursor="+url.QueryEscape(cursor), c.acme.operator).want(t, http.StatusOK)
				walked = append(walked, a.json(t)[list.member].([]any)...)
				cursor = a.text(t, "next")
			}
			if got, want := quoteAll(t, walked), quoteAll(t, whole); got != want {
				t.Errorf("%s by %s:\n%s, not\n%s", list.target, size, got, want)
			}
		}
	}
}

func quoteAll(t testing.TB, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
