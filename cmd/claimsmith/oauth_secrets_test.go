package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/claimsmith/claimsmith/internal/redistest"
)

// Every kind of secret a flow has opens what it is for and nothing else (rows T-06, O-04, O-22).
func TestEverySecretOfAFlowAtEveryOtherInput(t *testing.T) {
	w := newWorld(t, redistest.Embedded(t).Client)
	app := client{"app", w.webClient("app", `,"first_party":true`)}
	w.patch("/api/client/app", adminToken, `{"grant_types":["authorization_code","refresh_token","client_credentials","`+deviceGrant+`","`+exchangeGrant+`"],
		"exchange_audiences":["`+stockAudience+`"],"post_logout_redirect_uris":["https://app.example/"],"require_dpop":false}`).want(t, http.StatusOK)
	key := w.newSigner("ES256")
	w.newKeyClient("key", key, `,"grant_types":["client_credentials"],"scopes":["reports"]`)
	as := func(parameters ...string) answer { return w.clientForm("/oauth/token", app, parameters...) }
	b := w.newBrowser()
	plain := as(codeRequest(w.codeFrom(b, "app"))...).want(t, http.StatusOK)
	bound := w.postForm("/oauth/token", codeRequest(w.codeFrom(b, "app")), "Authorization", app.basic(), "DPoP", key.proof("POST", "/oauth/token")).want(t, http.StatusOK)
	device := w.clientForm("/oauth/device", app, "scope", "openid").want(t, http.StatusOK)
	secrets := map[string]string{
		"access token": plain.text(t, "access_token"), "bound token": bound.text(t, "access_token"), "ID token": plain.text(t, "id_token"),
		"refresh token": plain.text(t, "refresh_token"), "code": w.codeFrom(b, "app"), "device code": device.text(t, "device_code"),
		"user code": device.text(t, "user_code"), "request_uri": w.push(app, pushable...), "proof": key.proof("POST", "/oauth/token"),
		"assertion": key.assertion("key"), "session": b.cookieOf(sessionCookie), "API token": adminToken, "client secret": app.secret,
	}
	ok := func(a answer) bool { return a.status < http.StatusBadRequest && a.body != inactive }
	redirected := func(target string) bool { // not with an error, but to log in
		return strings.HasPrefix(w.get(strings.TrimPrefix(target, testIssuer), "").header.Get("Location"), "/signin?flow=")
	}
	inputs := map[string]func(s string) bool{
		"userinfo":           func(s string) bool { return ok(w.get("/oauth/userinfo", s)) },
		"userinfo, as bound": func(s string) bool { return ok(w.asBound(http.MethodGet, "/oauth/userinfo", s, key)) },
		"API of the user":    func(s string) bool { return ok(w.get("/api/user/me", s)) },
		"introspection":      func(s string) bool { return ok(w.introspect(app, s)) },
		"refresh":            func(s string) bool { return ok(as("grant_type", "refresh_token", "refresh_token", s)) },
		"redemption":         func(s string) bool { return ok(as(codeRequest(s)...)) },
		"device": func(s string) bool {
			return as("grant_type", deviceGrant, "device_code", s).text(t, "error") == "authorization_pending"
		},
		"exchange": func(s string) bool { return ok(as(exchangeRequest(s)...)) },
		"client assertion": func(s string) bool {
			return ok(w.form("/oauth/token", "grant_type", "client_credentials", "client_assertion_type", assertionType, "client_assertion", s))
		},
		"client secret": func(s string) bool {
			return w.clientForm("/oauth/revoke", client{"app", s}, "token", "x").status == http.StatusOK
		},
		"proof": func(s string) bool {
			return ok(w.postForm("/oauth/token", []string{"grant_type", "client_credentials"}, "Authorization", app.basic(), "DPoP", s))
		},
		"hint of a login": func(s string) bool { return redirected(authorizeURL("app", webRedirect, "id_token_hint", s)) },
		"request_uri":     func(s string) bool { return redirected(pushedURL("app", s)) },
		"hint of a logout": func(s string) bool {
			query := encodeForm([]string{"id_token_hint", s, "post_logout_redirect_uri", "https://app.example/"})
			return w.get("/oauth/logout?"+query, "").header.Get("Location") == "https://app.example/"
		},
	}
	opens := map[string]bool{}
	for _, what := range []string{
		"access token at userinfo", "access token at API of the user", "access token at introspection", "access token at exchange",
		"bound token at userinfo, as bound", "bound token at introspection", "bound token at exchange",
		"ID token at hint of a login", "ID token at hint of a logout", "refresh token at refresh", "code at redemption", "device code at device",
		"request_uri at request_uri", "proof at proof", "assertion at client assertion", "client secret at client secret",
	} {
		opens[what] = true
	}
	for kind, secret := range secrets {
		if secret == "" {
			t.Fatalf("there is no %s", kind)
		}
		for name, present := range inputs {
			what := kind + " at " + name
			if present(secret) != opens[what] {
				t.Errorf("%s: %v", what, !opens[what])
			}
			delete(opens, what)
		}
	}
	for what := range opens {
		t.Errorf("%s was never tried", what)
	}
}

// What is no signature of this server's is no subject token, no hint, no assertion and no proof (rows T-01 to T-03).
func TestForgedTokensInFlows(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	app := c.newClient(acme, "acme-app", `"first_party":true,"grant_types":["password","client_credentials","`+exchangeGrant+`"],"scopes":["openid"],
		"exchange_audiences":["`+stockAudience+`"]`)
	c.post("/api/client?org="+acme, adminToken, `{"client_id":"acme-web","preset":"web","redirect_uris":["`+webRedirect+`"]}`).want(t, http.StatusCreated)
	token := c.clientForm("/oauth/token", app, "grant_type", "password", "username", c.acme.user.username, "password", c.acme.user.password).
		want(t, http.StatusOK).text(t, "access_token")
	c.clientForm("/oauth/token", app, exchangeRequest(token)...).want(t, http.StatusOK)
	for what, forged := range forgeries(t, c, token, "https://keys.example") {
		refused(t, what, c.clientForm("/oauth/token", app, exchangeRequest(forged)...), 400, "invalid_request", badSubject)
		refused(t, what, c.form("/oauth/token", "grant_type", "client_credentials", "client_assertion_type", assertionType, "client_assertion", forged), 401,
			"invalid_client", badStatment)
		proved := c.postForm("/oauth/token", []string{"grant_type", "client_credentials"}, "Authorization", app.basic(), "DPoP", forged)
		if proved.status != http.StatusBadRequest || proved.text(t, "error") != "invalid_dpop_proof" {
			t.Errorf("%s as a proof: %d %s", what, proved.status, proved.body)
		}
		if len(forged) > 30_000 {
			continue // for an address
		}
		hinted := c.get(strings.TrimPrefix(authorizeURL("acme-web", webRedirect, "id_token_hint", forged), testIssuer), "")
		if !strings.HasPrefix(hinted.header.Get("Location"), webRedirect+"?error=invalid_request&") {
			t.Errorf("%s as a hint: %d %v", what, hinted.status, hinted.header)
		}
		if out := c.get("/oauth/logout?"+encodeForm([]string{"id_token_hint", forged}), ""); out.status != http.StatusBadRequest {
			t.Errorf("%s as a hint to log out: %d", what, out.status)
		}
	}
	c.clientForm("/oauth/token", app, exchangeRequest(token)...).want(t, http.StatusOK)
}
