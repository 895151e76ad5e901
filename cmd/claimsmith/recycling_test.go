package main

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/claimsmith/claimsmith/internal/redistest"
)

// Whoever gets a name somebody had before starts with nothing of his (row M-15).
func TestRecycledUsernames(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	old := c.acme.user
	tokens := c.loginAs(old, "")
	access, refresh := tokens.text(t, "access_token"), tokens.text(t, "refresh_token")
	c.put("/api/user/"+old.id+"/metadata/badge", c.acme.operator, `{"value":"old","profileClaim":true}`).want(t, 200)
	c.put("/api/user/"+old.id+"/metadata/note?app=login", c.acme.operator, `{"value":"old","profileClaim":true}`).want(t, 200)
	for range 3 {
		c.try(old.username, "not the password", "")
	}
	c.delete("/api/user/"+old.id, c.acme.operator).want(t, http.StatusNoContent)
	c.delete("/api/user/"+old.id, c.acme.operator).want(t, http.StatusNotFound)
	c.post("/api/user", c.acme.operator, `{"id":"`+old.id+`"}`).want(t, http.StatusConflict)
	c.post("/api/user", c.globex.operator, `{"id":"`+old.id+`"}`).want(t, http.StatusConflict)
	c.post("/api/client", c.globex.operator, `{"client_id":"`+old.id+`"}`).want(t, http.StatusConflict)

	for _, m := range []team{c.globex, c.acme} {
		body := `{"username":"` + old.username + `","email":"` + old.email + `","email_verified":true,"password":"another password altogether"}`
		id := c.post("/api/user", m.operator, body).want(t, http.StatusCreated).text(t, "id")
		if id == old.id {
			t.Fatalf("the id came back in %s", m.org)
		}
		login := c.try(old.username, "another password altogether", "").want(t, http.StatusOK)
		claims := claimsOf(t, login.text(t, "access_token"))
		if claims["sub"] != id || claims["metadata_badge"] != nil || claims["metadata_note"] != nil {
			t.Errorf("%s: the new user's token says %v", m.org, claims)
		}
		for _, name := range []string{id, old.username, old.email} {
			for _, app := range []string{"", "?app=login"} {
				if a := c.get("/api/user/"+name+"/metadata"+app, m.operator); a.body != `{"metadata":[]}` {
					t.Errorf("%s: metadata of the new user: %s", m.org, a.body)
				}
			}
		}
		c.try(old.username, old.password, "").want(t, http.StatusBadRequest)
		c.get("/oauth/userinfo", access).want(t, http.StatusUnauthorized)
		c.get("/api/user/me", access).want(t, http.StatusUnauthorized)
		c.refresh(refresh).want(t, http.StatusBadRequest)
		if a := c.introspectAs(adminToken, access); a.body != inactive {
			t.Errorf("%s: the old token is %s", m.org, a.body)
		}
		c.delete("/api/user/"+id, m.operator).want(t, http.StatusNoContent)
	}
}

// The throttle of the one who had the name does not meet the one who has it now.
func TestRecycledUsernameIsNotThrottled(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	old := c.acme.user
	for c.try(old.username, "not the password", "").status != http.StatusTooManyRequests {
		continue
	}
	c.delete("/api/user/"+old.id, c.acme.operator).want(t, http.StatusNoContent)
	c.post("/api/user", c.acme.operator, `{"username":"`+old.username+`","password":"another password altogether"}`).want(t, http.StatusCreated)
	c.try(old.username, "another password altogether", "").want(t, http.StatusOK)
}

// A client that gets the id of a deleted one is another client, in another organisation above all.
func TestRecycledClients(t *testing.T) {
	t.Parallel()
	for _, heir := range []string{acme, globex} {
		t.Run(heir, func(t *testing.T) {
			c := newCast(t, redistest.Embedded(t))
			machine := `"grant_types":["client_credentials","password","refresh_token"],"first_party":true,"scopes":["iam/","openid"]`
			old := c.newClient(acme, "payroll", machine)
			own := c.machineLogin(old, "iam/")
			users := c.clientForm("/oauth/token", old, "grant_type", "password", "username", "sam", "password", c.shared.password, "org", acme).want(t, 200)
			c.get("/api/user", own).want(t, 200)
			c.delete("/api/client/payroll", c.acme.operator).want(t, http.StatusNoContent)
			pass(2*time.Second, c.world)
			heirClient := c.newClient(heir, "payroll", machine)
			c.get("/api/user", c.machineLogin(heirClient, "iam/")).want(t, http.StatusOK)

			for _, token := range []string{own, users.text(t, "access_token")} {
				c.get("/api/user", token).want(t, http.StatusUnauthorized)
				c.get("/api/user/me", token).want(t, http.StatusUnauthorized)
				c.get("/oauth/userinfo", token).want(t, http.StatusUnauthorized)
				for _, a := range []answer{c.introspect(heirClient, token), c.introspectAs(adminToken, token)} {
					if a.body != inactive {
						t.Errorf("introspection: %d %s", a.status, a.body)
					}
				}
			}
			c.clientForm("/oauth/token", heirClient, "grant_type", "refresh_token", "refresh_token", users.text(t, "refresh_token")).want(t, http.StatusBadRequest)
			c.clientForm("/oauth/token", old, "grant_type", "client_credentials", "scope", "iam/").want(t, http.StatusUnauthorized)
		})
	}
}

// Who leaves an organisation and comes back finds nothing of what he had there.
func TestReturningToAnOrganisation(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	c.put("/api/user/sam-id/metadata/badge", c.acme.operator, `{"value":"old","profileClaim":true}`).want(t, 200)
	c.put("/api/user/sam-id/metadata/badge?app=login", c.acme.operator, `{"value":"old","profileClaim":true}`).want(t, 200)
	c.put("/api/user/sam-id/metadata/badge", c.globex.operator, `{"value":"kept","profileClaim":true}`).want(t, 200)
	tokens := c.loginAs(c.shared, `,"org":"acme"`)
	c.patch("/api/user/sam-id", adminToken, `{"orgs":["globex"]}`).want(t, http.StatusNotFound) // of default
	c.patch("/api/user/sam-id?org=globex", adminToken, `{"orgs":["globex"]}`).want(t, http.StatusOK)
	c.get("/api/user/sam-id", c.acme.operator).want(t, http.StatusNotFound)
	c.patch("/api/user/sam-id?org=globex", adminToken, `{"orgs":["globex","acme"]}`).want(t, http.StatusOK)
	for _, app := range []string{"", "?app=login"} {
		if a := c.get("/api/user/sam-id/metadata"+app, c.acme.operator).want(t, 200); a.body != `{"metadata":[]}` {
			t.Errorf("in acme again: %s", a.body)
		}
	}
	if a := c.get("/api/user/sam-id/metadata", c.globex.operator).want(t, 200); !strings.Contains(a.body, "kept") {
		t.Errorf("in globex all the time: %s", a.body)
	}
	c.get("/oauth/userinfo", tokens.text(t, "access_token")).want(t, http.StatusUnauthorized)
	c.refresh(tokens.text(t, "refresh_token")).want(t, http.StatusBadRequest)
}

// An API token that was made and revoked is nothing, whoever has its text.
func TestRevokedAPITokenStaysRevoked(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	made := c.post("/api/token", c.acme.operator, `{"role":"operator"}`).want(t, http.StatusCreated)
	c.get("/api/user", made.text(t, "token")).want(t, http.StatusOK)
	c.delete("/api/token/"+made.text(t, "id"), c.acme.operator).want(t, http.StatusNoContent)
	c.get("/api/user", made.text(t, "token")).want(t, http.StatusUnauthorized)
	c.get("/api/token/"+made.text(t, "id"), c.acme.operator).want(t, http.StatusNotFound)
	c.delete("/api/token/"+made.text(t, "id"), c.acme.operator).want(t, http.StatusNotFound)
	c.newAPIToken(acme, "operator")
	c.get("/api/user", made.text(t, "token")).want(t, http.StatusUnauthorized)
}
