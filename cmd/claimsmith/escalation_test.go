package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/claimsmith/claimsmith/internal/redistest"
)

// attempt is a request nobody may succeed with.
type attempt struct {
	method, target, bearer, body string
	status                       int
}

func (c *cast) attempt(attempts []attempt) {
	c.t.Helper()
	for _, a := range attempts {
		got := c.send(a.method, a.target, a.bearer, a.body)
		if got.status != a.status {
			c.t.Errorf("%s %s %s: %d %s, want %d", a.method, a.target, a.body, got.status, got.body, a.status)
		}
	}
}

// Nobody hands out, takes or changes more than he has himself (row A-04).
func TestNobodyGrantsAboveHisLevel(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	operator, machine := c.acme.operator, c.acme.machineToken
	abroad := c.globex.operator // sam's home
	adminID := c.post("/api/token", adminToken, `{"role":"admin"}`).want(t, 201).text(t, "id")
	c.newClient("default", "installation-wide", `"all_orgs":true,"grant_types":["client_credentials"],"scopes":["iam/"]`)
	ofDefault := c.newAPIToken("default", "operator")
	before := c.snapshot(acme) + c.snapshot(globex)
	c.attempt([]attempt{
		{"POST", "/api/token", operator, `{"role":"admin"}`, 403},
		{"POST", "/api/token", operator, `{"role":"admin","org":""}`, 403},
		{"POST", "/api/token", operator, `{"role":"admin","org":"acme"}`, 400},
		{"POST", "/api/token", adminToken, `{"role":"admin","org":"acme"}`, 400},
		{"POST", "/api/token", operator, `{"role":"operator","org":""}`, 403},
		{"POST", "/api/token", operator, `{"role":"operator","org":"default"}`, 404},
		{"POST", "/api/token", operator, `{"role":"operator","org":"globex"}`, 404},
		{"POST", "/api/token", operator, `{"role":"Admin"}`, 400},
		{"POST", "/api/token", operator, `{"role":"system"}`, 400},
		{"POST", "/api/token", operator, `{"role":""}`, 400},
		{"POST", "/api/token", operator, `{}`, 400},
		{"DELETE", "/api/token/" + adminID, operator, "", 404},
		{"GET", "/api/token/" + adminID, operator, "", 404},
		// A machine manages users, not who may manage.
		{"POST", "/api/token", machine, `{"role":"reader"}`, 403},
		{"POST", "/api/token", machine, `{"role":"operator"}`, 403},
		{"POST", "/api/client", machine, `{}`, 403},
		{"PATCH", "/api/client/acme-machine", machine, `{"scopes":["iam/"]}`, 403},
		{"PATCH", "/api/client/acme-plain", machine, `{"scopes":["iam/"]}`, 403},
		{"POST", "/api/client/acme-plain/secret", machine, "", 403},
		{"DELETE", "/api/client/acme-plain", machine, "", 403},
		// What serves all organisations is the installation's.
		{"POST", "/api/client", operator, `{"all_orgs":true}`, 403},
		{"PATCH", "/api/client/acme-plain", operator, `{"all_orgs":true}`, 403},
		{"PATCH", "/api/client/login", ofDefault, `{"disabled":true}`, 403},
		{"PATCH", "/api/client/login", ofDefault, `{"all_orgs":false}`, 403},
		{"DELETE", "/api/client/login", ofDefault, "", 403},
		{"PATCH", "/api/client/installation-wide", ofDefault, `{"audience":["https://mine.example"]}`, 403},
		{"POST", "/api/client/installation-wide/secret", ofDefault, "", 403},
		{"DELETE", "/api/client/installation-wide", ofDefault, "", 403},
		// A user of two organisations is managed from his home alone.
		{"PUT", "/api/user/sam-id/password", operator, `{"password":"a password of mine"}`, 403},
		{"PATCH", "/api/user/sam-id", operator, `{"email":"mine@acme.example","email_verified":true}`, 403},
		{"PATCH", "/api/user/sam", operator, `{"username":"mine"}`, 403},
		{"PATCH", "/api/user/sam-id", operator, `{"disabled":true}`, 403},
		{"PATCH", "/api/user/sam-id", operator, `{"orgs":["acme"]}`, 403},
		{"PATCH", "/api/user/sam-id", abroad, `{"orgs":["globex"]}`, 403},
		{"DELETE", "/api/user/sam@globex.example", operator, "", 403},
		{"PUT", "/api/user/sam-id/password", machine, `{"password":"a password of mine"}`, 403},
		{"POST", "/api/user", operator, `{"id":"sam-id"}`, 409},
		{"POST", "/api/user", operator, `{"username":"sam","password":"a password of mine"}`, 409},
		{"POST", "/api/user", operator, `{"email":"sam@globex.example","email_verified":true,"password":"a password of mine"}`, 409},
		{"PATCH", "/api/user/acme-user-id", operator, `{"username":"sam"}`, 409},
		{"PATCH", "/api/user/acme-user-id", operator, `{"username":"sam-id"}`, 409},
		{"PATCH", "/api/user/acme-user-id", operator, `{"orgs":["acme","globex"]}`, 403},
		// Organisations and their budgets are the administrator's.
		{"POST", "/api/org", operator, `{"slug":"mine"}`, 403},
		{"PATCH", "/api/org/acme", operator, `{"claims_budget":4096}`, 403},
		{"PATCH", "/api/org/acme", machine, `{"disabled":false}`, 403},
		{"PATCH", "/api/org/default", adminToken, `{"disabled":true}`, 400},
	})
	if after := c.snapshot(acme) + c.snapshot(globex); after != before {
		t.Errorf("it was\n%s\nand is\n%s", before, after)
	}
	c.loginAs(c.shared, "")
}

// A creation that fails because the id is taken takes nothing from the one whose id it is.
func TestTakenIDTakesNoNames(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	for _, key := range [][]string{nil, {"Idempotency-Key", "k"}} {
		for _, body := range []string{
			`{"id":"sam-id","username":"sam"}`, `{"id":"sam-id","username":"sam","email":"sam@globex.example","email_verified":true}`,
			`{"id":"sam-id","username":"sam","email":"sam@globex.example","email_verified":true,"password":"a password of mine"}`,
			`{"id":"acme-user-id","username":"sam"}`, `{"id":"globex-user-id","username":"globex-user"}`,
		} {
			c.post("/api/user", c.acme.operator, body, key...).want(t, http.StatusConflict)
		}
	}
	for _, name := range []string{"sam", "sam@globex.example"} {
		c.get("/api/user/"+name, c.globex.operator).want(t, http.StatusOK)
		c.try(name, c.shared.password, "").want(t, http.StatusOK)
	}
	c.loginAs(c.globex.user, "")
	c.post("/api/user", c.acme.operator, `{"username":"sam"}`).want(t, http.StatusConflict)
}

// Clients cannot ask for what they were not given, and cannot be registered as somebody or something else (rows T-07, O-21).
func TestClientsAreWhatTheyWereRegisteredAs(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	operator := c.acme.operator
	var attempts []attempt
	for _, audience := range []string{testIssuer, testIssuer + "/api", testIssuer + "/", testIssuer + "/anything"} {
		attempts = append(attempts,
			attempt{"POST", "/api/client", operator, `{"audience":["https://api.acme.example",` + quote(audience) + `]}`, 400},
			attempt{"PATCH", "/api/client/acme-plain", adminToken + "", `{"audience":[` + quote(audience) + `]}`, 404}, // of default
			attempt{"PATCH", "/api/client/acme-plain?org=acme", adminToken, `{"audience":[` + quote(audience) + `]}`, 400})
	}
	c.attempt(append(attempts,
		attempt{"POST", "/api/client", operator, `{"client_id":"acme-user-id"}`, 409},
		attempt{"POST", "/api/client", operator, `{"client_id":"globex-user-id"}`, 409},
		attempt{"POST", "/api/client", operator, `{"client_id":"globex-machine"}`, 409},
		attempt{"POST", "/api/client", operator, `{"client_id":"login"}`, 409},
		attempt{"POST", "/api/client", operator, `{"client_id":"me"}`, 400},
		attempt{"POST", "/api/client", operator, `{"client_id":".."}`, 400},
		attempt{"POST", "/api/client", operator, `{"client_id":"a:b"}`, 400},
		attempt{"POST", "/api/user", operator, `{"id":"acme-machine"}`, 409},
		attempt{"POST", "/api/user", operator, `{"id":"globex-machine"}`, 409},
		attempt{"POST", "/api/client", operator, `{"public":true,"grant_types":["client_credentials"]}`, 400},
		attempt{"POST", "/api/client", operator, `{"grant_types":["password"]}`, 400},
		attempt{"POST", "/api/client", operator, `{"grant_types":["implicit"]}`, 400},
		attempt{"POST", "/api/client", operator, `{"access_token_alg":"none"}`, 400},
		attempt{"POST", "/api/client", operator, `{"id_token_alg":"HS256"}`, 400},
		attempt{"POST", "/api/client", operator, `{"claim_keys":["sub","a b"]}`, 400},
		attempt{"POST", "/api/client", operator, `{"scopes":["a b"]}`, 400},
	))
	for _, scope := range []string{"iam/", "reports iam/", "iam/ iam/", "openid", "IAM/", "iam"} {
		if a := c.clientForm("/oauth/token", c.acme.plain, "grant_type", "client_credentials", "scope", scope); a.status != http.StatusBadRequest {
			t.Errorf("scope %q: %d %s", scope, a.status, a.body)
		}
	}
	if a := c.clientForm("/oauth/token", c.acme.plain, "grant_type", "client_credentials", "audience", "iam/"); a.status != http.StatusBadRequest {
		t.Errorf("audience iam/: %d %s", a.status, a.body)
	}
	// Scope iam/ never comes unasked.
	token := c.clientForm("/oauth/token", c.acme.machine, "grant_type", "client_credentials").want(t, 200).text(t, "access_token")
	c.get("/api/user", token).want(t, http.StatusUnauthorized)
	for _, grant := range []string{"password", "refresh_token"} {
		c.clientForm("/oauth/token", c.acme.plain, "grant_type", grant, "username", c.acme.user.username, "password", c.acme.user.password,
			"refresh_token", "cs_rt_x").want(t, http.StatusBadRequest)
	}
}

// A user has no say in what others are to believe about him (rows L-12, M-01).
func TestUsersCannotVouchForThemselves(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	tokens := c.loginAs(c.acme.user, "")
	token := tokens.text(t, "access_token")
	before := c.snapshot(acme)
	var attempts []attempt
	for _, body := range []string{
		`{"email":"new@acme.example"}`, `{"email_verified":true}`, `{"profile":{"phone_number_verified":true}}`, `{"profile":{"name":"x"}}`,
		`{"disabled":false}`, `{"orgs":["acme"]}`, `{}`,
	} {
		attempts = append(attempts, attempt{"PATCH", "/api/user/me", token, body, 403}, attempt{"PATCH", "/api/user/acme-user-id", token, body, 403})
	}
	for _, body := range []string{`{"value":"admin","profileClaim":true}`} {
		attempts = append(attempts, attempt{"PUT", "/api/user/me/metadata/role", token, body, 403})
	}
	c.attempt(append(attempts,
		attempt{"PUT", "/api/user/me/metadata", token, `{"metadata":[{"key":"role","value":"admin","profileClaim":true}]}`, 403},
		attempt{"PATCH", "/api/user/me/metadata", token, `{"set":[{"key":"a","value":1},{"key":"role","value":"admin","profileClaim":true}]}`, 403},
		attempt{"DELETE", "/api/user/me", token, "", 404},
		attempt{"POST", "/api/token", token, `{"role":"reader"}`, 404},
		attempt{"POST", "/api/client", token, `{}`, 404},
	))
	if after := c.snapshot(acme); after != before {
		t.Errorf("acme was\n%s\nand is\n%s", before, after)
	}
	// What only looks like a claim is none.
	for _, body := range []string{`{"value":{"profileClaim":true}}`, `{"value":"admin","profileClaim":false}`} {
		c.put("/api/user/me/metadata/role", token, body).want(t, http.StatusOK)
	}
	c.put("/api/user/me/metadata/metadata_role", token, `{"value":"admin"}`).want(t, http.StatusOK)
	refreshed := c.refresh(tokens.text(t, "refresh_token")).want(t, http.StatusOK)
	for _, name := range []string{"access_token"} {
		for claim := range claimsOf(t, refreshed.text(t, name)) {
			if strings.Contains(claim, "role") {
				t.Errorf("%s has %s", name, claim)
			}
		}
	}
	// A claim an operator made stays as it is through everything the user may do.
	c.put("/api/user/acme-user-id/metadata/badge", c.acme.operator, `{"value":7,"profileClaim":true}`).want(t, http.StatusOK)
	c.put("/api/user/me/metadata", token, `{"metadata":[]}`).want(t, http.StatusOK)
	for _, r := range []struct{ method, target, body string }{
		{"PUT", "/api/user/me/metadata/badge", `{"value":8}`}, {"DELETE", "/api/user/me/metadata/badge", ""},
		{"PATCH", "/api/user/me/metadata", `{"delete":["badge"]}`}, {"PATCH", "/api/user/me/metadata", `{"set":[{"key":"badge","value":8}]}`},
		{"PUT", "/api/user/me/metadata", `{"metadata":[{"key":"badge","value":8}]}`},
	} {
		c.send(r.method, r.target, token, r.body).want(t, http.StatusForbidden)
	}
	if a := c.get("/api/user/me/metadata", token); a.body != `{"metadata":[{"key":"badge","value":7,"profileClaim":true}]}` {
		t.Errorf("left is %s", a.body)
	}
}
