package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/claimsmith/claimsmith/internal/redistest"
)

// snapshot is all an administrator sees of an organisation.
func (c *cast) snapshot(org string) string {
	c.t.Helper()
	var all strings.Builder
	for _, target := range []string{
		"/api/org/" + org, "/api/user?org=" + org, "/api/client?org=" + org, "/api/token?org=" + org,
		"/api/user/" + org + "-user-id/metadata?org=" + org, "/api/user/sam-id/metadata?org=" + org,
		"/api/user/" + org + "-user-id/history?org=" + org, "/api/user/" + org + "-user-id/group?org=" + org,
		"/api/group?org=" + org, "/api/group/" + org + "-staff/metadata?org=" + org, "/api/group/" + org + "-staff/member?org=" + org,
		"/api/org/" + org + "/metadata", "/api/metadata-key?org=" + org,
	} {
		all.WriteString(c.get(target, adminToken).want(c.t, http.StatusOK).body + "\n")
	}
	return all.String()
}

// Lists and records hold nothing of another organisation, not even a count or its name (rows ).
func TestListsStayWithinTheOrganisation(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	for _, target := range []string{
		"/api/user", "/api/client", "/api/token", "/api/org", "/api/user?org=acme", "/api/user/sam-id", "/api/user?limit=200", "/api/org/acme",
	} {
		for _, bearer := range []string{c.acme.operator, c.acme.reader, c.acme.machineToken} {
			a := c.get(target, bearer).want(t, http.StatusOK)
			if strings.Contains(a.body, "globex-") || strings.Contains(a.body, `"globex"`) {
				t.Errorf("%s shows globex: %s", target, a.body)
			}
		}
	}
	token := c.loginAs(c.shared, `,"org":"acme"`).text(t, "access_token")
	if a := c.get("/api/user/me", token).want(t, 200); strings.Contains(a.body, `"globex"`) {
		t.Errorf("acting in acme, the user of both sees %s", a.body)
	}
}

// Whom a request is about stands in its path and nowhere else (row A-02).
func TestSubjectComesFromThePathAlone(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	victim := "acme-other-id"
	var prepared []preparedRequest
	for _, op := range eachRoute() {
		target, body := op.prepare(c)
		prepared = append(prepared, preparedRequest{op.route, target, body})
	}
	before := c.snapshot(acme)
	for _, body := range []string{
		`{"value":1,"userId":"%s"}`, `{"value":1,"USERID":"%s"}`, `{"value":1,"user":"%s"}`, `{"value":1,"id":"%s"}`, `{"value":1,"sub":"%s"}`,
		`{"value":1,"key":"%s"}`, `{"value":1,"org":"globex"}`,
	} {
		body = strings.Replace(body, "%s", victim, 1)
		c.put("/api/user/acme-user-id/metadata/note", c.acme.operator, body).want(t, http.StatusBadRequest)
	}
	described := describedByRoute(t)
	for _, r := range prepared {
		for _, name := range []string{"userId", "user", "id", "key", "sub", "group", "client_id", "where"} {
			if !described[r.route].hasQuery(name) {
				c.refusesQuery(r, name+"="+victim)
			}
		}
		c.refusesQuery(r, "org=acme&org=globex")
		c.refusesQuery(r, "org=globex&org=acme")
	}
	for _, form := range []struct{ contentType, body string }{
		{"application/x-www-form-urlencoded", "value=1&userId=" + victim}, {"application/xml", "<x><userId>" + victim + "</userId></x>"},
		{"text/plain", `{"value":1}`}, {"multipart/form-data; boundary=x", "--x--"}, {"application/json; charset=utf-16", `{"value":1}`},
	} {
		c.put("/api/user/acme-user-id/metadata/note", c.acme.operator, form.body, "Content-Type", form.contentType).want(t, http.StatusUnsupportedMediaType)
	}
	for _, header := range []string{"X-User-Id", "X-Forwarded-User", "X-Remote-User", "X-Original-Url", "X-Http-Method-Override"} {
		a := c.get("/api/user/acme-user-id", c.acme.operator, header, victim).want(t, 200)
		if a.text(t, "id") != "acme-user-id" {
			t.Errorf("%s decides whom %s is about", header, a.body)
		}
	}
	if after := c.snapshot(acme); after != before {
		t.Errorf("acme was\n%s\nand is\n%s", before, after)
	}
}

// preparedRequest is an operation that could be done now.
type preparedRequest struct{ route, target, body string }

// refusesQuery adds to the query of an operation what it does not take.
func (c *cast) refusesQuery(r preparedRequest, query string) {
	c.t.Helper()
	separator := "?"
	if strings.Contains(r.target, "?") {
		separator = "&"
	}
	method, _, _ := strings.Cut(r.route, " ")
	if status, a := c.verdict(method, r.target+separator+query, adminToken, r.body); status != http.StatusBadRequest {
		c.t.Errorf("%s with %s: %d %s", r.route, query, status, a.body)
	}
}

// The organisation of a request agrees with the credential and the membership, or there is none (row A-05).
func TestOrganisationIsNotChosenByInput(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	for _, op := range eachRoute() {
		method, _, _ := strings.Cut(op.route, " ")
		if method != http.MethodGet {
			continue
		}
		target, _ := op.prepare(c)
		target = strings.Replace(target, "org=acme", "", 1)
		want := c.get(target, c.acme.operator)
		for _, header := range []string{"X-Org", "X-Org-Id", "X-Organization", "X-Tenant", "X-Zitadel-Orgid", "Host"} {
			same(t, op.route+" with "+header, c.get(target, c.acme.operator, header, globex), want)
		}
	}
	// A login in an organisation the user is not of, or the client does not serve, is a wrong password's.
	wrong := c.try(c.acme.user.username, "not the password", "")
	for _, members := range []string{`,"org":"globex"`, `,"org":"default"`, `,"org":"zzzzzz"`, `,"org":"ACME"`, `,"org":" acme"`, `,"org":"acme\u0000"`} {
		same(t, "login with "+members, c.try(c.acme.user.username, c.acme.user.password, members), wrong)
	}
	c.post("/api/client?org=globex", adminToken, `{"client_id":"globex-app","public":true,"first_party":true,"grant_types":["password","refresh_token"]}`).want(t, 201)
	for _, members := range []string{`,"client_id":"globex-app"`, `,"client_id":"globex-app","org":"acme"`, `,"client_id":"globex-app","org":"globex"`} {
		same(t, "login with "+members, c.try(c.acme.user.username, c.acme.user.password, members), wrong)
	}
	same(t, "a login in the other of his organisations", c.try("sam", c.shared.password, `,"client_id":"globex-app","org":"acme"`), wrong)

	// The organisation of a token is that of the login, and acting in it leads to no other.
	tokens := c.loginAs(c.shared, `,"org":"acme"`)
	token := tokens.text(t, "access_token")
	if org := claimsOf(t, token)["org"]; org != acme {
		t.Errorf("org is %v", org)
	}
	for _, target := range []string{"/api/user/me?org=globex", "/api/user/sam?org=globex", "/api/user/me/metadata?org=globex", "/api/user/sam-id/metadata/x?org=globex"} {
		c.get(target, token).want(t, http.StatusNotFound)
	}
	refreshed := c.form("/oauth/token", "grant_type", "refresh_token", "client_id", "login", "org", globex, "refresh_token", tokens.text(t, "refresh_token"))
	if refreshed.status == http.StatusOK && claimsOf(t, refreshed.text(t, "access_token"))["org"] != acme {
		t.Errorf("a refresh moved the token to globex")
	}
	// A machine client stays in its own.
	for _, members := range [][]string{{"org", globex}, {"org", "default"}} {
		a := c.clientForm("/oauth/token", c.acme.machine, append([]string{"grant_type", "client_credentials", "scope", "iam/"}, members...)...)
		if a.status == http.StatusOK && claimsOf(t, a.text(t, "access_token"))["org"] != acme {
			t.Errorf("%v moved the token", members)
		}
	}
}

// Repeating a creation under an idempotency key gives back what that creation made, and nobody else's user.
func TestIdempotencyKeyShowsNobodyElsesUser(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	c.post("/api/user?org=globex", adminToken, `{"id":"secretive","username":"shy","profile":{"phone_number":"+14155550100"}}`).want(t, 201)
	a := c.post("/api/user", c.acme.operator, `{"id":"secretive","username":"shy"}`, "Idempotency-Key", "mine")
	if a.status != http.StatusConflict || strings.Contains(a.body, "+1415") {
		t.Errorf("got %d %s", a.status, a.body)
	}
	body := `{"username":"repeated"}`
	first := c.post("/api/user", c.acme.operator, body, "Idempotency-Key", "k").want(t, http.StatusCreated)
	same(t, "the same again", c.post("/api/user", c.acme.operator, body, "Idempotency-Key", "k"), first)
	c.post("/api/user", c.acme.operator, `{"username":"somebody-else"}`, "Idempotency-Key", "k").want(t, http.StatusConflict)
	c.post("/api/user", c.globex.operator, body, "Idempotency-Key", "k").want(t, http.StatusConflict) // the name is taken
	named := `{"id":"given","username":"given-name"}`
	first = c.post("/api/user", c.acme.operator, named, "Idempotency-Key", "n").want(t, http.StatusCreated)
	same(t, "the same id again", c.post("/api/user", c.acme.operator, named, "Idempotency-Key", "n"), first)
}
