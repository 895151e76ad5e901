package main

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

// sharedRoutes are those whose answers pages of other origins may read.
var sharedRoutes = map[string][]string{
	"/oauth/token": {"POST"}, "/connect/token": {"POST"}, "/oauth/par": {"POST"}, "/oauth/revoke": {"POST"},
	"/oauth/userinfo": {"GET", "POST"}, "/.well-known/jwks.json": {"GET"},
	"/.well-known/openid-configuration": {"GET"}, "/.well-known/oauth-authorization-server": {"GET"},
}

// Answers name the origin of a page only if a client lists exactly that one (row S-07).
func TestOrigins(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	c.newClient(acme, "acme-spa", `"allowed_origins":["https://app.example","https://other.example:8443"]`)
	for target, methods := range sharedRoutes {
		for _, method := range methods {
			for _, origin := range []string{"https://app.example", "https://other.example:8443"} {
				a := c.send(method, target, "", "", "Origin", origin)
				if got := a.header.Get("Access-Control-Allow-Origin"); got != origin {
					t.Errorf("%s %s from %s: %q", method, target, origin, got)
				}
				noCredentials(t, a)
			}
			for _, origin := range []string{
				"https://evil.example", "null", "NULL", "*", "", "https://app.example.evil", "http://app.example", "https://app.example/",
				"https://app.example:443", "HTTPS://APP.EXAMPLE", "https://app.example ", "https://sub.app.example", "https://other.example",
				"app.example", "https://app.example,https://evil.example", strings.Repeat("a", 10_000),
			} {
				a := c.send(method, target, "", "", "Origin", origin)
				if a.header.Get("Access-Control-Allow-Origin") != "" {
					t.Errorf("%s %s from %.40q: %v", method, target, origin, a.header)
				}
			}
		}
		allowed := c.send(http.MethodOptions, target, "", "", "Origin", "https://app.example",
			"Access-Control-Request-Method", methods[0], "Access-Control-Request-Headers", "dpop,content-type").want(t, http.StatusNoContent)
		for name, want := range map[string]string{
			"Access-Control-Allow-Origin": "https://app.example", "Access-Control-Allow-Headers": "Authorization, Content-Type, DPoP",
			"Access-Control-Allow-Methods": served(methods), "Access-Control-Max-Age": "600", "Allow": "OPTIONS, " + served(methods), "Vary": "Origin",
		} {
			if got := allowed.header.Get(name); got != want {
				t.Errorf("preflight of %s: %s is %q, want %q", target, name, got, want)
			}
		}
		noCredentials(t, allowed)
		refused := c.send(http.MethodOptions, target, "", "", "Origin", "https://evil.example", "Access-Control-Request-Method", methods[0]).want(t, http.StatusNoContent)
		for name := range refused.header {
			if strings.HasPrefix(name, "Access-Control-") {
				t.Errorf("preflight of %s from elsewhere has %s", target, name)
			}
		}
		if got := refused.header.Get("Allow"); got != "OPTIONS, "+served(methods) {
			t.Errorf("preflight of %s from elsewhere: Allow %q", target, got)
		}
		// The router still knows what is served.
		c.send(http.MethodDelete, target, "", "", "Origin", "https://app.example").want(t, http.StatusMethodNotAllowed)
	}
}

func served(methods []string) string {
	return strings.Replace(strings.Join(methods, ", "), "GET", "GET, HEAD", 1)
}

func noCredentials(t *testing.T, a answer) {
	t.Helper()
	if a.header.Get("Access-Control-Allow-Credentials") != "" || a.header.Get("Access-Control-Expose-Headers") != "" || a.header.Get("Vary") != "Origin" {
		t.Errorf("%v", a.header)
	}
}

// Nothing else answers to an origin, least of all what uses cookies (RFC 9700 §2.6).
func TestOriginsElsewhere(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	c.newClient(acme, "acme-spa", `"allowed_origins":["https://app.example"]`)
	for _, target := range []string{
		"/oauth/authorize", "/oauth/logout", "/oauth/introspect", "/oauth/device", "/login", "/signin", "/device", "/account", "/api/user", "/api/client", "/healthz",
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodOptions} {
			a := c.send(method, target, "", "", "Origin", "https://app.example", "Access-Control-Request-Method", "POST")
			for name := range a.header {
				if strings.HasPrefix(name, "Access-Control-") {
					t.Errorf("%s %s: %d with %s", method, target, a.status, name)
				}
			}
		}
	}
}

// namesAll is a store that names clients who have an origin no more, as auth.OriginStore may.
type namesAll struct{ clients []string }

func (n namesAll) ClientsOfOrigin(context.Context, string) ([]string, error) { return n.clients, nil }

// A client that is disabled, deleted or changed has no pages any more: at once where that was done, within a second elsewhere.
func TestOriginsEndWithTheirClient(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	other := c.again()
	allowed := func(w *world) bool {
		a := w.get("/.well-known/jwks.json", "", "Origin", "https://app.example").want(t, http.StatusOK)
		return a.header.Get("Access-Control-Allow-Origin") != ""
	}
	if allowed(c.world) {
		t.Error("allowed before there is a client")
	}
	c.newClient(acme, "acme-spa", `"allowed_origins":["https://app.example"]`)
	for _, stale := range []bool{false, true} {
		if stale {
			c.app.registry.OriginStore = namesAll{[]string{"acme-machine", "acme-spa", "nobody"}}
			other.app.registry.OriginStore = c.app.registry.OriginStore
		}
		for what, change := range map[string][2]string{
			"the client is disabled":       {"/api/client/acme-spa?org=acme", `{"disabled":true}`},
			"the client has other pages":   {"/api/client/acme-spa?org=acme", `{"allowed_origins":["https://other.example"]}`},
			"the client has no pages":      {"/api/client/acme-spa?org=acme", `{"allowed_origins":[]}`},
			"the organisation is disabled": {"/api/org/acme", `{"disabled":true}`},
		} {
			c.patch("/api/org/acme", adminToken, `{"disabled":false}`).want(t, http.StatusOK)
			c.patch("/api/client/acme-spa?org=acme", adminToken, `{"disabled":false,"allowed_origins":["https://app.example"]}`).want(t, http.StatusOK)
			c.clock.Advance(2 * auth.Recency)
			if !allowed(c.world) || !allowed(other) {
				t.Fatalf("before %s: not allowed", what)
			}
			c.patch(change[0], adminToken, change[1]).want(t, http.StatusOK)
			if allowed(c.world) {
				t.Errorf("%s: still allowed", what)
			}
			c.clock.Advance(2 * auth.Recency)
			if allowed(other) {
				t.Errorf("%s: still allowed at another instance", what)
			}
		}
	}
	c.patch("/api/org/acme", adminToken, `{"disabled":false}`).want(t, http.StatusOK)
	c.delete("/api/client/acme-spa?org=acme", adminToken).want(t, http.StatusNoContent)
	if allowed(c.world) {
		t.Error("the client is gone: still allowed")
	}
}

// Whose page asks cannot be told without the store: nothing happens then, and nothing is allowed.
func TestOriginsWithoutTheStore(t *testing.T) {
	t.Parallel()
	i := interrupt(t, redistest.Embedded(t).Addrs[0])
	i.newClient("default", "spa", `"allowed_origins":["https://app.example"]`)
	i.proxy.Refuse()
	for target, methods := range sharedRoutes {
		a := i.hurried.send(methods[0], target, "", "", "Origin", "https://app.example").want(t, http.StatusServiceUnavailable)
		if a.header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: %v", target, a.header)
		}
	}
	i.hurried.get("/.well-known/jwks.json", "").want(t, http.StatusOK)
}
