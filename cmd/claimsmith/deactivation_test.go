package main

import (
	"net/http"
	"testing"
	"time"

	"github.com/claimsmith/claimsmith/internal/redistest"
)

// credentials are what somebody holds when he is shut out.
type credentials struct {
	person          person
	app             string // the client he logged in by
	access, refresh string
	spare           string // another refresh token
	machine         client
	machineToken    string
	operator        string
	introspector    client

	late, lateMachine, lateOperator string // the same, not used before
}

// holders are everything that can be disabled, and how (row A-06).
var holders = []struct {
	name            string
	disable, enable func(c *cast) answer
	// which of the credentials are shut out
	user, machine, operator bool
}{
	{
		name: "user",
		disable: func(c *cast) answer {
			return c.patch("/api/user/acme-user-id?org=acme", adminToken, `{"disabled":true}`)
		},
		enable: func(c *cast) answer {
			return c.patch("/api/user/acme-user-id?org=acme", adminToken, `{"disabled":false}`)
		},
		user: true,
	},
	{
		name:    "organisation",
		disable: func(c *cast) answer { return c.patch("/api/org/acme", adminToken, `{"disabled":true}`) },
		enable:  func(c *cast) answer { return c.patch("/api/org/acme", adminToken, `{"disabled":false}`) },
		user:    true, machine: true, operator: true,
	},
	{
		name:    "client of a user",
		disable: func(c *cast) answer { return c.patch("/api/client/acme-app?org=acme", adminToken, `{"disabled":true}`) },
		enable: func(c *cast) answer {
			return c.patch("/api/client/acme-app?org=acme", adminToken, `{"disabled":false}`)
		},
		user: true,
	},
	{
		name: "machine client",
		disable: func(c *cast) answer {
			return c.patch("/api/client/acme-machine?org=acme", adminToken, `{"disabled":true}`)
		},
		enable: func(c *cast) answer {
			return c.patch("/api/client/acme-machine?org=acme", adminToken, `{"disabled":false}`)
		},
		machine: true,
	},
	{
		name: "membership",
		disable: func(c *cast) answer {
			return c.patch("/api/user/acme-user-id?org=acme", adminToken, `{"orgs":["globex"]}`)
		},
		enable: func(c *cast) answer {
			return c.patch("/api/user/acme-user-id?org=globex", adminToken, `{"orgs":["acme"]}`)
		},
		user: true,
	},
	{
		name: "first-party flag",
		disable: func(c *cast) answer {
			return c.patch("/api/client/acme-app?org=acme", adminToken, `{"first_party":false,"grant_types":["refresh_token"],"disabled":true}`)
		},
		enable: func(c *cast) answer {
			return c.patch("/api/client/acme-app?org=acme", adminToken, `{"first_party":true,"grant_types":["password","refresh_token"],"disabled":false}`)
		},
		user: true,
	},
}

// Whoever is disabled is shut out everywhere within a second, on every instance, and stays so with what he held (rows A-06, L-08, O-08).
func TestDeactivationTakesEffect(t *testing.T) {
	t.Parallel()
	for _, h := range holders {
		t.Run(h.name, func(t *testing.T) {
			c := newCast(t, redistest.Embedded(t))
			second := c.again()
			c.post("/api/client?org=acme", adminToken, `{"client_id":"acme-app","public":true,"first_party":true,
				"grant_types":["password","refresh_token"],"scopes":["openid"]}`).want(t, http.StatusCreated)
			held := c.credentials()
			for _, w := range []*world{c.world, second} { // both have seen everything just now
				held.check(t, w, "before", true, true, true)
			}
			pass(100*time.Millisecond, c.world, second)

			h.disable(c).want(t, http.StatusOK)
			held.check(t, c.world, "disabled, here", !h.user, !h.machine, !h.operator)
			held.checkLogins(t, c.world, "disabled, here", !h.user, !h.machine)
			// What the other instance has only just found, resting on what it had found before, must not last longer for it.
			pass(450*time.Millisecond, c.world, second)
			second.get("/api/user/me", held.late)
			second.get("/api/user", held.lateMachine)
			second.get("/api/user", held.lateOperator)
			pass(550*time.Millisecond, c.world, second)
			late := held
			late.access, late.machineToken, late.operator = held.late, held.lateMachine, held.lateOperator
			late.check(t, second, "disabled, late", !h.user, !h.machine, !h.operator)
			held.check(t, second, "disabled, elsewhere", !h.user, !h.machine, !h.operator)
			held.checkLogins(t, second, "disabled, elsewhere", !h.user, !h.machine)

			h.enable(c).want(t, http.StatusOK)
			pass(time.Second, c.world, second)
			for _, w := range []*world{c.world, second} {
				held.checkLogins(t, w, "enabled", true, true)
				held.check(t, w, "enabled, with what was issued before", !h.user, !h.machine, true)
			}
			if a := second.refreshBy(held.app, held.refresh); (a.status == http.StatusOK) == h.user {
				t.Errorf("enabled, the old refresh token: %d %s", a.status, a.body)
			}
		})
	}
}

func (c *cast) credentials() credentials {
	c.t.Helper()
	tokens := c.loginAs(c.acme.user, `,"client_id":"acme-app"`)
	return credentials{
		person: c.acme.user, app: "acme-app", access: tokens.text(c.t, "access_token"), refresh: tokens.text(c.t, "refresh_token"),
		spare: c.loginAs(c.acme.user, `,"client_id":"acme-app"`).text(c.t, "refresh_token"),
		late:  c.loginAs(c.acme.user, `,"client_id":"acme-app"`).text(c.t, "access_token"), lateMachine: c.machineLogin(c.acme.machine, "iam/"),
		lateOperator: c.newAPIToken(acme, "operator"),
		machine:      c.acme.machine, machineToken: c.acme.machineToken, operator: c.acme.operator, introspector: c.acme.plain,
	}
}

func (w *world) refreshBy(clientID, token string) answer {
	w.t.Helper()
	return w.form("/oauth/token", "grant_type", "refresh_token", "client_id", clientID, "refresh_token", token)
}

// check presents what was issued at every place that takes it.
func (h credentials) check(t *testing.T, w *world, when string, user, machine, operator bool) {
	t.Helper()
	expect := func(what string, a answer, stands bool, refusal int) {
		t.Helper()
		if stands && a.status == http.StatusOK && a.body != inactive {
			return
		}
		if !stands && (a.status == refusal || refusal == http.StatusOK && a.body == inactive) {
			return
		}
		t.Errorf("%s: %s: %d %s", when, what, a.status, a.body)
	}
	expect("userinfo", w.get("/oauth/userinfo", h.access), user, http.StatusUnauthorized)
	expect("own metadata", w.get("/api/user/me/metadata", h.access), user, http.StatusUnauthorized)
	expect("introspection of a user's token", w.introspectAs(adminToken, h.access), user, http.StatusOK)
	expect("API by a machine", w.get("/api/user", h.machineToken), machine, http.StatusUnauthorized)
	expect("introspection of a machine's token", w.introspectAs(adminToken, h.machineToken), machine, http.StatusOK)
	expect("API by an operator", w.get("/api/user", h.operator), operator, http.StatusUnauthorized)
	if !operator {
		expect("introspection by an operator", w.introspectAs(h.operator, h.access), false, http.StatusUnauthorized)
		expect("introspection by a client", w.introspect(h.introspector, h.access), false, http.StatusUnauthorized)
	}
}

// checkLogins asks for new tokens.
func (h credentials) checkLogins(t *testing.T, w *world, when string, user, machine bool) {
	t.Helper()
	login := w.try(h.person.email, h.person.password, `,"client_id":"`+h.app+`"`)
	if (login.status == http.StatusOK) != user {
		t.Errorf("%s: login: %d %s", when, login.status, login.body)
	}
	if builtIn := w.try(h.person.username, h.person.password, ""); user && builtIn.status != http.StatusOK {
		t.Errorf("%s: login by the built-in client: %d %s", when, builtIn.status, builtIn.body)
	}
	if !user {
		if refreshed := w.refreshBy(h.app, h.spare); refreshed.status != http.StatusBadRequest && refreshed.status != http.StatusUnauthorized {
			t.Errorf("%s: refresh: %d %s", when, refreshed.status, refreshed.body)
		}
	}
	own := w.clientForm("/oauth/token", h.machine, "grant_type", "client_credentials", "scope", "iam/")
	if (own.status == http.StatusOK) != machine {
		t.Errorf("%s: a machine's login: %d %s", when, own.status, own.body)
	}
}

// A disabled organisation has no logins by anybody's client, not even the one that serves all organisations.
func TestNoLoginInADisabledOrganisation(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	wrong := c.try(c.acme.user.username, "not the password", "")
	c.patch("/api/org/acme", adminToken, `{"disabled":true}`).want(t, http.StatusOK)
	same(t, "login", c.try(c.acme.user.username, c.acme.user.password, ""), wrong)
	same(t, "login of a user of both", c.try(c.shared.username, c.shared.password, `,"org":"acme"`), wrong)
	c.loginAs(c.shared, "")
	for _, r := range []struct{ target, body string }{
		{"/api/user?org=acme", `{"username":"late"}`}, {"/api/client?org=acme", `{}`}, {"/api/token", `{"org":"acme","role":"reader"}`},
	} {
		c.post(r.target, adminToken, r.body).want(t, http.StatusNotFound)
	}
}

// A revoked API token ends within a second, and one that expires ends on time.
func TestAPITokensEnd(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	second := c.again()
	created := c.post("/api/token", c.acme.operator, `{"role":"reader","expires_at":`+quote(c.clock.Now().Add(time.Minute).Format(time.RFC3339))+`}`).want(t, http.StatusCreated)
	text := created.text(t, "token")
	for _, w := range []*world{c.world, second} {
		w.get("/api/user", text).want(t, http.StatusOK)
		w.get("/api/user", c.acme.reader).want(t, http.StatusOK)
	}
	id := ""
	for _, token := range c.get("/api/token", c.acme.operator).json(t)["tokens"].([]any) {
		if m := token.(map[string]any); m["role"] == "reader" && m["expires_at"] == nil {
			id, _ = m["id"].(string)
		}
	}
	c.delete("/api/token/"+id, c.acme.operator).want(t, http.StatusNoContent)
	c.get("/api/user", c.acme.reader).want(t, http.StatusUnauthorized)
	pass(time.Second, c.world, second)
	second.get("/api/user", c.acme.reader).want(t, http.StatusUnauthorized)
	second.introspectAs(c.acme.reader, c.acme.machineToken).want(t, http.StatusUnauthorized)

	pass(58*time.Second, c.world, second)
	second.get("/api/user", text).want(t, http.StatusOK)
	pass(time.Second, c.world, second) // remembered as valid a second ago
	second.get("/api/user", text).want(t, http.StatusUnauthorized)
	c.get("/api/user", text).want(t, http.StatusUnauthorized)
}

// A scope, a flag or a grant type a client loses is lost for what it was given before as well (row O-08).
func TestClientsLoseWhatIsTakenFromThem(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	c.get("/api/user", c.acme.machineToken).want(t, http.StatusOK)
	c.patch("/api/client/acme-machine?org=acme", adminToken, `{"scopes":["reports"]}`).want(t, http.StatusOK)
	c.get("/api/user", c.acme.machineToken).want(t, http.StatusNotFound)
	c.clientForm("/oauth/token", c.acme.machine, "grant_type", "client_credentials", "scope", "iam/").want(t, http.StatusBadRequest)

	c.post("/api/client?org=acme", adminToken, `{"client_id":"acme-app","public":true,"first_party":true,"all_orgs":true,
		"grant_types":["password","refresh_token"],"scopes":["openid","email"]}`).want(t, http.StatusCreated)
	tokens := c.loginAs(c.acme.user, `,"client_id":"acme-app"`)
	abroad := c.loginAs(c.globex.user, `,"client_id":"acme-app"`)
	c.patch("/api/client/acme-app?org=acme", adminToken, `{"scopes":["openid"]}`).want(t, http.StatusOK)
	tokens = c.refreshBy("acme-app", tokens.text(t, "refresh_token")).want(t, http.StatusOK)
	if scope := tokens.text(t, "scope"); scope != "openid" {
		t.Errorf("scope is %q", scope)
	}
	c.patch("/api/client/acme-app?org=acme", adminToken, `{"all_orgs":false}`).want(t, http.StatusOK)
	c.refreshBy("acme-app", abroad.text(t, "refresh_token")).want(t, http.StatusBadRequest)
	c.get("/oauth/userinfo", abroad.text(t, "access_token")).want(t, http.StatusUnauthorized)
	c.get("/api/user/me", abroad.text(t, "access_token")).want(t, http.StatusUnauthorized)
	c.get("/api/user/me", tokens.text(t, "access_token")).want(t, http.StatusOK)
	c.patch("/api/client/acme-app?org=acme", adminToken, `{"first_party":false,"grant_types":["refresh_token"]}`).want(t, http.StatusOK)
	c.get("/api/user/me", tokens.text(t, "access_token")).want(t, http.StatusUnauthorized)
	c.patch("/api/client/acme-app?org=acme", adminToken, `{"grant_types":[]}`).want(t, http.StatusOK)
	c.refreshBy("acme-app", tokens.text(t, "refresh_token")).want(t, http.StatusBadRequest)
}
