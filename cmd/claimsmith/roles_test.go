package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/claimsmith/claimsmith/internal/redistest"
)

// newRole makes a user of an organisation with a role.
func (c *cast) newRole(name, org, role string) person {
	c.t.Helper()
	p := c.newPerson(name, org)
	c.put("/api/user/"+p.id+"/role?org="+org, adminToken, `{"role":"`+role+`"}`).want(c.t, http.StatusOK)
	return p
}

func (c *cast) roleOf(id, org string) string {
	c.t.Helper()
	return c.get("/api/user/"+id+"/role?org="+org, adminToken).want(c.t, http.StatusOK).text(c.t, "role")
}

// ways are all ways to change a person.
func ways(c *cast, id string) []attempt {
	c.t.Helper()
	return []attempt{
		{"PUT", "/api/user/" + id + "/password", "", `{"password":"a password of mine"}`, 0},
		{"PUT", "/api/user/" + id + "/password", "", `{"password":"a password of mine","temporary":true}`, 0},
		{"DELETE", "/api/user/" + id + "/factor", "", "", 0},
		{"DELETE", "/api/user/" + id + "/session/" + c.startSession(id).ID, "", "", 0},
		{"DELETE", "/api/user/" + id + "/session", "", "", 0},
		{"DELETE", "/api/user/" + id + "/consent/acme-plain", "", "", 0},
		{"PATCH", "/api/user/" + id, "", `{"username":"mine"}`, 0},
		{"PATCH", "/api/user/" + id, "", `{"email":"mine@acme.example","email_verified":true}`, 0},
		{"PATCH", "/api/user/" + id, "", `{"disabled":true}`, 0},
		{"PATCH", "/api/user/" + id, "", `{"profile":{"name":"Mine"}}`, 0},
		{"PATCH", "/api/user/" + id, "", `{"orgs":["acme"]}`, 0},
		{"PATCH", "/api/user/" + id, "", `{}`, 0},
		{"DELETE", "/api/user/" + id, "", "", 0},
		{"PUT", "/api/user/" + id + "/role", "", `{"role":"reader"}`, 0},
		{"PUT", "/api/user/" + id + "/role", "", `{"role":"admin"}`, 0},
		{"DELETE", "/api/user/" + id + "/role", "", "", 0},
	}
}

// Who could not give a user's role has no power over him, in any way (row A-04).
func TestNobodyManagesWhoIsAboveHim(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	admin, operator, reader := c.newRole("ada", acme, "admin"), c.newRole("oscar", acme, "operator"), c.newRole("rita", acme, "reader")
	before := c.snapshot(acme)
	for _, target := range []struct {
		person
		by     map[string]string // who tries
		status int
	}{
		{admin, map[string]string{"operator": c.acme.operator, "machine": c.acme.machineToken, "reader": c.acme.reader}, 403},
		{operator, map[string]string{"machine": c.acme.machineToken, "reader": c.acme.reader}, 403},
		{reader, map[string]string{"machine": c.acme.machineToken, "reader": c.acme.reader}, 403},
		{operator, map[string]string{"globex's operator": c.globex.operator, "globex's machine": c.globex.machineToken}, 404},
		{operator, map[string]string{"a colleague": c.loginAs(c.acme.other, "").text(t, "access_token")}, 404},
	} {
		for who, bearer := range target.by {
			for _, a := range ways(c, target.id) {
				got := c.send(a.method, a.target+"?org=acme", bearer, a.body)
				if got.status != target.status {
					t.Errorf("%s: %s %s %s: %d %s, want %d", who, a.method, a.target, a.body, got.status, got.body, target.status)
				}
				if got.status < 400 {
					t.Fatalf("%s: %s %s %s: %d", who, a.method, a.target, a.body, got.status)
				}
			}
		}
	}
	if after := c.snapshot(acme); after != before {
		t.Errorf("acme was\n%s\nand is\n%s", before, after)
	}
	for _, p := range []person{admin, operator, reader} {
		c.loginAs(p, "") // by the same name and password
	}
	// Their equals may.
	for _, a := range []attempt{
		{"PUT", "/api/user/oscar-id/role", "", `{"role":"reader"}`, 200},
		{"PUT", "/api/user/oscar-id/role", "", `{"role":"operator"}`, 200},
		{"PUT", "/api/user/oscar-id/password", "", `{"password":"a password of mine"}`, 204},
		{"DELETE", "/api/user/oscar-id/factor", "", "", 204},
		{"DELETE", "/api/user/oscar-id/session", "", "", 204},
		{"PATCH", "/api/user/oscar-id", "", `{"disabled":true}`, 200},
		{"DELETE", "/api/user/oscar-id", "", "", 204},
	} {
		if got := c.send(a.method, a.target+"?org=acme", c.acme.operator, a.body); got.status != a.status {
			t.Errorf("%s %s: %d %s", a.method, a.target, got.status, got.body)
		}
	}
	c.delete("/api/user/"+admin.id+"?org=acme", adminToken).want(t, http.StatusNoContent)
}

// Nobody gives a role above his own, to others or to himself.
func TestNobodyGivesMoreThanHeHas(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	oscar := c.newRole("oscar", acme, "operator")
	oscarToken := c.loginAs(oscar, "").text(t, "access_token")
	user := c.loginAs(c.acme.user, "").text(t, "access_token")
	var attempts []attempt
	for _, body := range []string{`{"role":"reader"}`, `{"role":"operator"}`, `{"role":"admin"}`} {
		attempts = append(attempts,
			attempt{"PUT", "/api/user/acme-user-id/role", c.acme.reader, body, 403},
			attempt{"PUT", "/api/user/acme-user-id/role", c.acme.machineToken, body, 403},
			attempt{"PUT", "/api/user/acme-user-id/role?org=acme", c.globex.operator, body, 404},
			attempt{"PUT", "/api/user/sam-id/role", c.acme.operator, body, 403}, // at home elsewhere
			attempt{"PUT", "/api/user/me/role", user, body, 403},
			attempt{"PUT", "/api/user/acme-user-id/role", user, body, 403},
			attempt{"PUT", "/api/user/acme-other-id/role", user, body, 404},
			attempt{"PUT", "/api/user/me/role", oscarToken, body, 403}, // a token is no console (row A-10)
			attempt{"PUT", "/api/user/acme-other-id/role", oscarToken, body, 404},
		)
	}
	c.attempt(append(attempts,
		attempt{"PUT", "/api/user/acme-user-id/role", c.acme.operator, `{"role":"admin"}`, 403},
		attempt{"DELETE", "/api/user/acme-user-id/role", c.acme.machineToken, "", 403},
		attempt{"DELETE", "/api/user/me/role", oscarToken, "", 403},
		attempt{"GET", "/api/user", oscarToken, "", 404},
		attempt{"GET", "/api/audit", oscarToken, "", 404},
		attempt{"PUT", "/api/user/acme-user-id/role", c.acme.operator, `{"role":"Operator"}`, 400},
		attempt{"PUT", "/api/user/acme-user-id/role", c.acme.operator, `{"role":"system"}`, 400},
		attempt{"PUT", "/api/user/acme-user-id/role", c.acme.operator, `{"role":""}`, 400},
		attempt{"PUT", "/api/user/acme-user-id/role", c.acme.operator, `{"role":null}`, 400},
		attempt{"PUT", "/api/user/acme-user-id/role", c.acme.operator, `{}`, 400},
		// A role is given in its own place and in no other.
		attempt{"PATCH", "/api/user/acme-user-id", adminToken, `{"role":"reader"}`, 400},
		attempt{"POST", "/api/user", adminToken, `{"username":"new","role":"reader"}`, 400},
	))
	for _, id := range []string{"acme-user-id", "acme-other-id", "sam-id"} {
		if role := c.roleOf(id, acme); role != "" {
			t.Errorf("%s has the role %q", id, role)
		}
	}
	imported := c.send(http.MethodPost, "/api/user/import?org=acme", adminToken, `{"username":"new","role":"admin"}`+"\n",
		"Content-Type", "application/x-ndjson").want(t, http.StatusOK)
	if !strings.Contains(imported.body, `"failed":1`) || !strings.Contains(imported.body, `"status":400`) {
		t.Errorf("a role was imported: %s", imported.body)
	}
	for _, role := range []string{"operator", "reader"} {
		c.put("/api/user/acme-user-id/role", c.acme.operator, `{"role":"`+role+`"}`).want(t, http.StatusOK)
		if got := c.get("/api/user/me/role", user).want(t, 200).text(t, "role"); got != role {
			t.Errorf("he sees %q, want %q", got, role)
		}
	}
	c.delete("/api/user/acme-user-id/role", c.acme.operator).want(t, http.StatusNoContent)
	c.delete("/api/user/acme-user-id/role", c.acme.operator).want(t, http.StatusNoContent)
}

// A role belongs to the home organisation: it ends with it, and shows there alone.
func TestARoleEndsWithTheHomeOrganisation(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	p := c.newRole("oscar", globex, "operator")
	orgs := func(list string) {
		t.Helper()
		c.patch("/api/user/oscar-id?org=globex", adminToken, `{"orgs":`+list+`}`).want(t, http.StatusOK)
	}
	orgs(`["globex","acme"]`)
	if role := c.roleOf(p.id, globex); role != "operator" {
		t.Errorf("with a further organisation he has the role %q", role)
	}
	if role := c.get("/api/user/oscar-id/role?org=acme", c.acme.operator).want(t, 200).text(t, "role"); role != "" {
		t.Errorf("acme sees the role %q", role)
	}
	if role := c.get("/api/user/oscar-id/role?org=globex", c.globex.reader).want(t, 200).text(t, "role"); role != "operator" {
		t.Errorf("globex sees the role %q", role)
	}
	orgs(`["acme","globex"]`)
	if role := c.roleOf(p.id, globex); role != "" {
		t.Errorf("in another home he has the role %q", role)
	}
	orgs(`["globex","acme"]`)
	if role := c.roleOf(p.id, globex); role != "" {
		t.Errorf("back home he has the role %q", role)
	}
}
