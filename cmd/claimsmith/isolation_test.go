package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/claimsmith/claimsmith/internal/redistest"
)

// place is a spot in a request that names an object, written %s, and the object of globex to name there.
type place struct {
	method, target, body string
	of                   []string // names of globex's object, each beside one of nobody's
	nobody               []string
}

// Everything of another organisation looks to everybody like nothing at all (row A-01), in whichever place of whichever request it is named.
func TestForeignObjectsLookLikeNothing(t *testing.T) {
	c := newCast(t, redistest.Embedded(t))
	victim := c.globex.user
	c.put("/api/user/"+victim.id+"/metadata/theme?org=globex", adminToken, `{"value":"dark","profileClaim":true}`).want(t, 200)
	tokenID := c.post("/api/token", adminToken, `{"org":"globex","role":"reader"}`).text(t, "id")
	adminTokenID := c.post("/api/token", adminToken, `{"role":"admin"}`).text(t, "id")
	users := []string{victim.id, victim.username, victim.email, strings.ToUpper(victim.email)}
	noUsers := []string{"zzzzzzz-user-id", "zzzzzz-user", "zzzzzz-user@globex.example", "ZZZZZZ-USER@GLOBEX.EXAMPLE"}

	var places []place
	for _, org := range []string{"", "?org=acme"} {
		for _, route := range []struct{ method, suffix, body string }{
			{"GET", "", ""},
			{"PATCH", "", `{"disabled":true}`},
			{"DELETE", "", ""},
			{"PUT", "/password", `{"password":"a password of mine","current_password":"` + victim.password + `"}`},
			{"GET", "/metadata", ""},
			{"PUT", "/metadata", `{"metadata":[]}`},
			{"PATCH", "/metadata", `{"delete":["theme"]}`},
			{"GET", "/metadata/theme", ""},
			{"PUT", "/metadata/theme", `{"value":1}`},
			{"DELETE", "/metadata/theme", ""},
		} {
			places = append(places, place{route.method, "/api/user/%s" + route.suffix + org, route.body, users, noUsers})
		}
		for _, route := range []struct{ method, suffix, body string }{
			{"GET", "", ""}, {"PATCH", "", `{"disabled":true}`}, {"DELETE", "", ""}, {"POST", "/secret", ""},
		} {
			places = append(places, place{
				route.method, "/api/client/%s" + route.suffix + org, route.body, []string{"globex-machine"}, []string{"zzzzzz-machine"},
			})
		}
	}
	tokens, noTokens := []string{tokenID, adminTokenID}, []string{"zzzzzzzzzzzzzzzzzzzzzzzz", "yyyyyyyyyyyyyyyyyyyyyyyy"}
	orgs, noOrgs := []string{globex, globex}, []string{"zzzzzz", "no such-slug!"}
	places = append(places,
		place{"GET", "/api/token/%s", "", tokens, noTokens},
		place{"DELETE", "/api/token/%s", "", tokens, noTokens},
		place{"GET", "/api/org/%s", "", orgs[:1], noOrgs},
		place{"PATCH", "/api/org/%s", `{"disabled":true}`, orgs[:1], noOrgs},
		place{"POST", "/api/token", `{"role":"reader","org":"%s"}`, orgs[:1], noOrgs},
		place{"PATCH", "/api/user/acme-user-id", `{"orgs":["acme","%s"]}`, orgs[:1], noOrgs},
	)
	for _, route := range []struct{ method, target, body string }{
		{"GET", "/api/user", ""}, {"POST", "/api/user", `{}`}, {"GET", "/api/client", ""}, {"POST", "/api/client", `{}`}, {"GET", "/api/token", ""},
		{"GET", "/api/user/acme-user-id", ""}, {"PATCH", "/api/user/acme-user-id", `{}`}, {"DELETE", "/api/user/acme-user-id", ""},
		{"PUT", "/api/user/acme-user-id/password", `{"password":"a password of mine"}`},
		{"GET", "/api/user/me", ""}, {"GET", "/api/user/me/metadata", ""}, {"GET", "/api/user/sam/metadata", ""},
		{"GET", "/api/user/" + victim.id, ""}, {"GET", "/api/user/" + victim.email, ""}, {"DELETE", "/api/user/" + victim.id, ""},
		{"GET", "/api/user/" + victim.id + "/metadata", ""}, {"PUT", "/api/user/" + victim.id + "/metadata/theme", `{"value":1}`},
		{"GET", "/api/client/globex-machine", ""}, {"POST", "/api/client/globex-machine/secret", ""}, {"DELETE", "/api/client/globex-machine", ""},
	} {
		places = append(places, place{route.method, route.target + "?org=%s", route.body, orgs[:1], noOrgs[:1]})
	}

	before := c.snapshot(globex)
	for _, caller := range []struct{ name, bearer string }{
		{"operator", c.acme.operator}, {"reader", c.acme.reader}, {"machine", c.acme.machineToken},
		{"user", c.loginAs(c.acme.user, "").text(t, "access_token")},
	} {
		for _, p := range places {
			for n := range p.of {
				ask := func(name string) answer {
					target, body := strings.Replace(p.target, "%s", escapeName(name), 1), strings.Replace(p.body, "%s", name, 1)
					return c.send(p.method, target, caller.bearer, body)
				}
				foreign, nothing := ask(p.of[n]), ask(p.nobody[n])
				what := caller.name + " " + p.method + " " + p.target + " " + p.body + " of " + p.of[n]
				same(t, what, foreign, nothing)
				if foreign.status != http.StatusNotFound && foreign.status != http.StatusForbidden {
					t.Errorf("%s: %d %s", what, foreign.status, foreign.body)
				}
			}
		}
	}
	if after := c.snapshot(globex); after != before {
		t.Errorf("globex was\n%s\nand is\n%s", before, after)
	}
}

func escapeName(name string) string {
	return strings.NewReplacer(" ", "%20", "!", "%21").Replace(name)
}

// snapshot is all an administrator sees of an organisation.
func (c *cast) snapshot(org string) string {
	c.t.Helper()
	var all strings.Builder
	for _, target := range []string{
		"/api/org/" + org, "/api/user?org=" + org, "/api/client?org=" + org, "/api/token?org=" + org,
		"/api/user/" + org + "-user-id/metadata?org=" + org, "/api/user/sam-id/metadata?org=" + org,
	} {
		all.WriteString(c.get(target, adminToken).want(c.t, http.StatusOK).body + "\n")
	}
	return all.String()
}

// Lists and records hold nothing of another organisation, not even a count or its name (rows ).
func TestListsStayWithinTheOrganisation(t *testing.T) {
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
	c := newCast(t, redistest.Embedded(t))
	victim := "acme-other-id"
	before := c.snapshot(acme)
	for _, body := range []string{
		`{"value":1,"userId":"%s"}`, `{"value":1,"USERID":"%s"}`, `{"value":1,"user":"%s"}`, `{"value":1,"id":"%s"}`, `{"value":1,"sub":"%s"}`,
		`{"value":1,"key":"%s"}`, `{"value":1,"org":"globex"}`,
	} {
		body = strings.Replace(body, "%s", victim, 1)
		c.put("/api/user/acme-user-id/metadata/note", c.acme.operator, body).want(t, http.StatusBadRequest)
	}
	for _, query := range []string{"userId=" + victim, "user=" + victim, "id=" + victim, "key=theme", "org=acme&org=globex", "org=globex&org=acme"} {
		for _, r := range []struct{ method, target, body string }{
			{"PUT", "/api/user/acme-user-id/metadata/note", `{"value":1}`}, {"PATCH", "/api/user/acme-user-id", `{}`},
			{"GET", "/api/user/acme-user-id", ""}, {"DELETE", "/api/user/acme-user-id", ""}, {"POST", "/api/user", `{}`},
			{"PUT", "/api/user/acme-user-id/password", `{"password":"a password of mine"}`}, {"GET", "/api/token", ""},
			{"POST", "/api/token", `{"role":"reader"}`}, {"POST", "/api/client", `{}`}, {"GET", "/api/client/acme-plain", ""},
			{"POST", "/api/org", `{"slug":"initech"}`}, {"GET", "/api/org/acme", ""}, {"PATCH", "/api/org/acme", `{}`},
			{"DELETE", "/api/token/zzzzzz", ""}, {"GET", "/api/token/zzzzzz", ""},
		} {
			if a := c.send(r.method, r.target+"?"+query, adminToken, r.body); a.status != http.StatusBadRequest {
				t.Errorf("%s %s?%s: %d %s", r.method, r.target, query, a.status, a.body)
			}
		}
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

// The organisation of a request agrees with the credential and the membership, or there is none (row A-05).
func TestOrganisationIsNotChosenByInput(t *testing.T) {
	c := newCast(t, redistest.Embedded(t))
	for _, header := range []string{"X-Org", "X-Org-Id", "X-Organization", "X-Tenant", "X-Zitadel-Orgid", "Host"} {
		a := c.get("/api/user/globex-user-id", c.acme.operator, header, globex)
		same(t, header, a, c.get("/api/user/globex-user-id", c.acme.operator))
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

// A cursor continues the list it came from, for the caller it was given to, and nothing else (row A-08).
func TestForgedCursors(t *testing.T) {
	c := newCast(t, redistest.Embedded(t))
	next := func(target, bearer string) string {
		return c.get(target, bearer).want(t, http.StatusOK).text(t, "next")
	}
	cursor := next("/api/user?org=acme&limit=1", c.acme.operator)
	page := "/api/user?org=acme&limit=1&cursor="
	c.get(page+cursor, c.acme.operator).want(t, http.StatusOK)

	for what, target := range map[string]string{
		"another list": "/api/client?org=acme&cursor=" + cursor, "the tokens": "/api/token?org=acme&cursor=" + cursor,
		"no organisation": "/api/user?cursor=" + cursor, "organisations": "/api/org?cursor=" + cursor,
		"cut": page + cursor[:len(cursor)-1], "longer": page + cursor + "A", "twice": page + cursor + cursor, "padded": page + cursor + "=",
		"text": page + "acme-user-id", "spaces": page + "%20" + cursor, "long": page + strings.Repeat("A", 2000), "empty tag": page + "AAAAAAAAAAAAAAAAAAAAAAAA",
	} {
		if a := c.get(target, c.acme.operator); a.status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", what, a.status, a.body)
		}
	}
	for n := range cursor {
		changed := []byte(cursor)
		if changed[n]++; changed[n] == cursor[n]|0x20 || strings.IndexByte("[{:`@", changed[n]) >= 0 {
			changed[n] = 'A'
		}
		if string(changed) == cursor {
			continue
		}
		if a := c.get(page+string(changed), c.acme.operator); a.status != http.StatusBadRequest {
			t.Errorf("changed at %d: %d %s", n, a.status, a.body)
		}
	}
	c.get(page+cursor, c.acme.reader).want(t, http.StatusBadRequest)
	c.get(page+cursor, adminToken).want(t, http.StatusBadRequest)
	c.get("/api/user?org=globex&cursor="+next("/api/user?org=acme&limit=1", adminToken), adminToken).want(t, http.StatusBadRequest)
}

// Repeating a creation under an idempotency key gives back what that creation made, and nobody else's user.
func TestIdempotencyKeyShowsNobodyElsesUser(t *testing.T) {
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
