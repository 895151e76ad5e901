package main

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/claimsmith/claimsmith/internal/redistest"
)

const formType = "application/x-www-form-urlencoded"

// The OAuth endpoints read their parameters from a form body, once each, with one client authentication (row O-13).
func TestAmbiguousTokenRequests(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	machine := c.acme.machine
	right := "grant_type=client_credentials&client_id=acme-machine&client_secret=" + url.QueryEscape(machine.secret)
	c.send(http.MethodPost, "/oauth/token", "", right, "Content-Type", formType).want(t, http.StatusOK)
	login := "grant_type=password&client_id=login&username=acme-user&password=" + url.QueryEscape(c.acme.user.password)
	c.send(http.MethodPost, "/oauth/token", "", login, "Content-Type", formType).want(t, http.StatusOK)
	before := strings.Count(c.log.String(), `"outcome":"success"`)

	for _, target := range []string{"/oauth/token", "/connect/token"} {
		for _, r := range []struct {
			what, method, query, body string
			headers                   []string
			status                    int
		}{
			{"everything in the query", "POST", right, "", []string{"Content-Type", formType}, 400},
			{"the secret in the query", "POST", "client_secret=" + machine.secret, right, []string{"Content-Type", formType}, 400},
			{"the grant in the query", "POST", "grant_type=client_credentials", right, []string{"Content-Type", formType}, 400},
			{"anything in the query", "POST", "x", right, []string{"Content-Type", formType}, 400},
			{"GET", "GET", right, "", nil, 405},
			{"PUT", "PUT", "", right, []string{"Content-Type", formType}, 405},
			{"GET with a body", "GET", "", right, []string{"Content-Type", formType}, 405},
			{"a method in a header", "GET", "", right, []string{"Content-Type", formType, "X-Http-Method-Override", "POST"}, 405},
			{"client_id twice", "POST", "", right + "&client_id=acme-machine", []string{"Content-Type", formType}, 400},
			{"another client_id too", "POST", "", "client_id=acme-plain&" + right, []string{"Content-Type", formType}, 400},
			{"grant_type twice", "POST", "", right + "&grant_type=password", []string{"Content-Type", formType}, 400},
			{"scope twice", "POST", "", right + "&scope=reports&scope=iam/", []string{"Content-Type", formType}, 400},
			{"an escaped name twice", "POST", "", right + "&%63lient_id=acme-machine", []string{"Content-Type", formType}, 400},
			{"password twice", "POST", "", login + "&password=x", []string{"Content-Type", formType}, 400},
			{"header and body", "POST", "", right, []string{"Content-Type", formType, "Authorization", machine.basic()}, 400},
			{"header and another client's body", "POST", "", right, []string{"Content-Type", formType, "Authorization", c.acme.plain.basic()}, 400},
			{"another client_id than the header's", "POST", "", "grant_type=client_credentials&client_id=acme-plain", []string{"Content-Type", formType, "Authorization", machine.basic()}, 400},
			{"a bearer", "POST", "", right, []string{"Content-Type", formType, "Authorization", "Bearer " + c.acme.operator}, 401},
			{"another scheme", "POST", "", right, []string{"Content-Type", formType, "Authorization", "Digest x"}, 401},
			{"Basic without colon", "POST", "", "grant_type=client_credentials", []string{"Content-Type", formType, "Authorization", "Basic YWJj"}, 401},
			{"Basic of no base64", "POST", "", "grant_type=client_credentials", []string{"Content-Type", formType, "Authorization", "Basic !!"}, 401},
			{"JSON", "POST", "", `{"grant_type":"client_credentials","client_id":"acme-machine","client_secret":"` + machine.secret + `"}`, []string{"Content-Type", "application/json"}, 415},
			{"a form called JSON", "POST", "", right, []string{"Content-Type", "application/json"}, 415},
			{"no media type", "POST", "", right, []string{"Content-Type", ""}, 415},
			{"multipart", "POST", "", right, []string{"Content-Type", "multipart/form-data; boundary=x"}, 415},
			{"UTF-16", "POST", "", right, []string{"Content-Type", formType + "; charset=utf-16"}, 415},
			{"UTF-7", "POST", "", right, []string{"Content-Type", formType + "; charset=utf-7"}, 415},
			{"compressed", "POST", "", right, []string{"Content-Type", formType, "Content-Encoding", "gzip"}, 415},
			{"bad escape", "POST", "", right + "&x=%zz", []string{"Content-Type", formType}, 400},
			{"bad UTF-8", "POST", "", right + "&x=%ff", []string{"Content-Type", formType}, 400},
			{"101 parameters", "POST", "", right + strings.Repeat("&a", 100), []string{"Content-Type", formType}, 400},
			{"65 KiB", "POST", "", right + "&x=" + strings.Repeat("x", 64<<10), []string{"Content-Type", formType}, 413},
			{"nothing", "POST", "", "", []string{"Content-Type", formType}, 400},
			{"no grant type", "POST", "", "client_id=login", []string{"Content-Type", formType}, 400},
			{"no client", "POST", "", "grant_type=client_credentials", []string{"Content-Type", formType}, 401},
			{"no secret", "POST", "", "grant_type=client_credentials&client_id=acme-machine", []string{"Content-Type", formType}, 401},
			{"a secret for a public client", "POST", "", login + "&client_secret=x", []string{"Content-Type", formType}, 401},
			{"an unknown client", "POST", "", "grant_type=client_credentials&client_id=zzzzzz&client_secret=x", []string{"Content-Type", formType}, 401},
			{"an unknown grant", "POST", "", strings.Replace(right, "client_credentials", "urn:x", 1), []string{"Content-Type", formType}, 400},
			{"a retired grant", "POST", "", strings.Replace(right, "client_credentials", "implicit", 1), []string{"Content-Type", formType}, 400},
			{"a grant it may not use", "POST", "", strings.Replace(right, "client_credentials", "password", 1), []string{"Content-Type", formType}, 400},
			{"a grant of other case", "POST", "", strings.Replace(right, "client_credentials", "CLIENT_CREDENTIALS", 1), []string{"Content-Type", formType}, 400},
		} {
			a := c.send(r.method, target+"?"+r.query, "", r.body, r.headers...)
			if r.query == "" {
				a = c.send(r.method, target, "", r.body, r.headers...)
			}
			if a.status != r.status {
				t.Errorf("%s: %d %s, want %d", r.what, a.status, a.body, r.status)
			}
			if cache := a.header.Get("Cache-Control"); cache != "no-store" {
				t.Errorf("%s: Cache-Control %q", r.what, cache)
			}
			if a.status == http.StatusUnauthorized && !strings.HasPrefix(a.header.Get("WWW-Authenticate"), "Basic ") {
				t.Errorf("%s: WWW-Authenticate %q", r.what, a.header.Get("WWW-Authenticate"))
			}
			if a.status == http.StatusBadRequest && a.header.Get("WWW-Authenticate") != "" {
				t.Errorf("%s: 400 with WWW-Authenticate %q", r.what, a.header.Get("WWW-Authenticate"))
			}
		}
	}
	log := c.log.String()
	if strings.Count(log, `"outcome":"success"`) != before {
		t.Error("one of them succeeded")
	}
	for _, secret := range []string{machine.secret, url.QueryEscape(machine.secret), c.acme.user.password} {
		if strings.Contains(log, secret) {
			t.Error("a secret is in the log")
		}
	}
	// An unknown client and a wrong secret are told alike (row O-14).
	same(t, "unknown client", c.clientForm("/oauth/token", client{"zzzzzz", "x"}, "grant_type", "client_credentials"),
		c.clientForm("/oauth/token", client{"acme-machine", "x"}, "grant_type", "client_credentials"))
	wrong := c.try("acme-user", "not the password", "").want(t, http.StatusBadRequest)
	if challenge := wrong.header.Get("WWW-Authenticate"); challenge != "" {
		t.Errorf("400 with WWW-Authenticate %q", challenge)
	}
}

// Introspection tells those who may know, and tells everybody else the same nothing (row O-11).
func TestIntrospectionTellsNothing(t *testing.T) {
	t.Parallel()
	b := redistest.Embedded(t)
	c := newCast(t, b)
	service := c.newClient(acme, "acme-service", `"first_party":true,"grant_types":["password"],"scopes":["openid"],"audience":["https://api.acme.example"]`)
	mine := c.clientForm("/oauth/token", service, "grant_type", "password", "username", "acme-user", "password", c.acme.user.password).want(t, 200)
	active := mine.text(t, "access_token")
	revoked := c.loginAs(c.acme.user, "").text(t, "access_token")
	c.form("/oauth/revoke", "client_id", "login", "token", revoked).want(t, http.StatusOK)
	if a := c.introspect(service, active); !strings.HasPrefix(a.body, `{"active":true,`) {
		t.Fatalf("the client of the token: %d %s", a.status, a.body)
	}
	reference := c.introspect(service, "nonsense").want(t, http.StatusOK)
	if reference.body != inactive {
		t.Fatal(reference.body)
	}
	user := c.loginAs(c.acme.user, "")
	for what, a := range map[string]answer{
		"revoked": c.introspect(service, revoked), "cut": c.introspect(service, active[:len(active)-5]), "refresh token": c.introspectAs(adminToken, user.text(t, "refresh_token")),
		"ID token": c.introspectAs(adminToken, user.text(t, "id_token")), "API token": c.introspectAs(adminToken, c.acme.operator),
		"another client of the organisation": c.introspect(c.acme.plain, active), "a client of another": c.introspect(c.globex.plain, active),
		"an operator of another": c.introspectAs(c.globex.operator, active), "a user": c.introspectAs(user.text(t, "access_token"), active),
		"his own": c.introspectAs(user.text(t, "access_token"), user.text(t, "access_token")), "a machine of another": c.introspectAs(c.globex.machineToken, active),
		"a machine's token at another organisation": c.introspectAs(c.globex.reader, c.acme.machineToken),
	} {
		same(t, what, a, reference)
	}
	for what, a := range map[string]answer{
		"nobody": c.form("/oauth/introspect", "token", active), "a public client": c.form("/oauth/introspect", "client_id", "login", "token", active),
		"a wrong secret": c.introspect(client{"acme-service", "x"}, active), "a bearer of nothing": c.introspectAs("nothing", active),
		"an unknown client": c.introspect(client{"zzzzzz", "x"}, active),
	} {
		if a.status != http.StatusUnauthorized || strings.Contains(a.body, "active") {
			t.Errorf("%s: %d %s", what, a.status, a.body)
		}
	}
	c.send(http.MethodGet, "/oauth/introspect?token="+active, adminToken, "").want(t, http.StatusMethodNotAllowed)
	c.send(http.MethodPost, "/oauth/introspect?token="+active, adminToken, "token="+active, "Content-Type", formType).want(t, http.StatusBadRequest)
	for _, allowed := range []string{c.acme.reader, c.acme.operator, c.acme.machineToken, adminToken} {
		if a := c.introspectAs(allowed, active); !strings.HasPrefix(a.body, `{"active":true,`) {
			t.Errorf("an operator of the organisation: %d %s", a.status, a.body)
		}
	}
	c.get("/oauth/userinfo?access_token="+active, "").want(t, http.StatusBadRequest)
	pass(11*time.Minute, c.world)
	same(t, "expired", c.introspect(service, active), reference)
}

// Revocation is the client's own and nobody else's; it says 200 to whatever is not its (row O-10).
func TestRevocationIsTheClientsOwn(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	tokens := c.loginAs(c.acme.user, "")
	access, refresh := tokens.text(t, "access_token"), tokens.text(t, "refresh_token")
	c.post("/api/client?org=acme", adminToken, `{"client_id":"acme-app","public":true}`).want(t, http.StatusCreated)
	for _, token := range []string{access, refresh, c.acme.machineToken, c.acme.operator, tokens.text(t, "id_token"), "nonsense", "cs_rt_", strings.Repeat("x", 9000)} {
		c.form("/oauth/revoke", "client_id", "acme-app", "token", token).want(t, http.StatusOK)
		c.clientForm("/oauth/revoke", c.acme.plain, "token", token).want(t, http.StatusOK)
		c.clientForm("/oauth/revoke", c.acme.plain, "token", token, "token_type_hint", "refresh_token").want(t, http.StatusOK)
		c.form("/oauth/revoke", "token", token).want(t, http.StatusUnauthorized)
		c.clientForm("/oauth/revoke", client{"acme-plain", "x"}, "token", token).want(t, http.StatusUnauthorized)
		c.send(http.MethodPost, "/oauth/revoke", adminToken, encodeForm([]string{"token", token}), "Content-Type", formType).want(t, http.StatusUnauthorized)
	}
	c.accepted(access)
	c.get("/api/user", c.acme.machineToken).want(t, http.StatusOK)
	c.get("/api/user", c.acme.operator).want(t, http.StatusOK)
	refresh = refreshToken(t, c.refresh(refresh))
	// An access token ends alone, a refresh token with its family; both for good, and saying so twice is no error.
	for range 2 {
		c.form("/oauth/revoke", "client_id", "login", "token", access, "token_type_hint", "refresh_token").want(t, http.StatusOK)
	}
	c.get("/oauth/userinfo", access).want(t, http.StatusUnauthorized)
	next := c.refresh(refresh).want(t, http.StatusOK)
	for range 2 {
		c.form("/oauth/revoke", "client_id", "login", "token", refresh).want(t, http.StatusOK) // the predecessor stands for the family too
	}
	c.get("/oauth/userinfo", next.text(t, "access_token")).want(t, http.StatusUnauthorized)
	c.get("/api/user/me", next.text(t, "access_token")).want(t, http.StatusUnauthorized)
	c.refresh(next.text(t, "refresh_token")).want(t, http.StatusBadRequest)
}

// Who the issuer is stands in the configuration; no request changes it (row O-15).
func TestHostDoesNotReachTheIssuer(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	for _, target := range []string{"/.well-known/openid-configuration", "/.well-known/oauth-authorization-server", "/.well-known/jwks.json"} {
		want := c.get(target, "")
		for _, attempt := range []struct{ target, host string }{
			{target, "evil.example"}, {"http://evil.example" + target, "evil.example"}, {"https://evil.example:8443" + target, "id.example"}, {target, "id.example@evil.example"},
		} {
			r := httptest.NewRequest(http.MethodGet, attempt.target, nil)
			r.Host = attempt.host
			for _, header := range []string{"X-Forwarded-Host", "X-Forwarded-Server", "X-Host", "X-Original-Host"} {
				r.Header.Set(header, "evil.example")
			}
			r.Header.Set("Forwarded", "host=evil.example;proto=http")
			r.Header.Set("X-Forwarded-Proto", "http")
			r.Header.Set("X-Forwarded-Prefix", "/evil")
			same(t, target, c.serve(r), want)
		}
	}
	evil := []string{"Host", "evil.example", "X-Forwarded-Host", "evil.example", "X-Forwarded-Proto", "http", "Forwarded", "host=evil.example"}
	tokens := c.post("http://evil.example/login", "", `{"username":"acme-user","password":`+quote(c.acme.user.password)+`}`, evil...).want(t, http.StatusOK)
	for _, name := range []string{"access_token", "id_token"} {
		if claims := claimsOf(t, tokens.text(t, name)); claims["iss"] != testIssuer {
			t.Errorf("%s has iss %v", name, claims["iss"])
		}
	}
	made := c.post("http://evil.example/api/user", c.acme.operator, `{}`, evil...).want(t, http.StatusCreated)
	if location := made.header.Get("Location"); !strings.HasPrefix(location, "/api/user/") {
		t.Errorf("Location is %q", location)
	}
	discovery := c.get("/.well-known/openid-configuration", "").json(t)
	for name, value := range discovery {
		if text, ok := value.(string); ok && !strings.HasPrefix(text, testIssuer) {
			t.Errorf("%s is %s", name, text)
		}
	}
	if discovery["issuer"] != testIssuer {
		t.Errorf("issuer is %v", discovery["issuer"])
	}
}
