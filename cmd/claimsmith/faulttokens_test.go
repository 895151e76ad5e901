package main

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// flowKey is the key of all clients here that prove one. To make it takes longer than to use it.
var flowKey struct {
	sync.Once
	*signer
}

func (w *world) flowSigner() *signer {
	w.t.Helper()
	flowKey.Do(func() { flowKey.signer = w.newSigner("ES256") })
	s := *flowKey.signer
	s.t, s.clock = w.t, w.clock
	return &s
}

// withDevice makes a device that has asked, and what its user's browser is about to send to let it in.
func withDevice(d *world, name string) (*device, carried) {
	d.newDeviceClient(name+"-tv", "")
	v := d.newDevice(name + "-tv")
	c := withBrowser(d, name).open(v.text(d.t, "verification_uri_complete")).submit("continue").formOf("approve", "decision", "approve")
	c.Client, c.Tokens = v.client, v.body
	return v, c
}

// polls is what the device asks.
func (c carried) polls(w *world) answer {
	w.t.Helper()
	return (&device{w, c.Client, answer{body: c.Tokens}}).poll()
}

// tokenFlows are those of clients.
var tokenFlows = []flow{
	{
		name: "code", repeated: ends(http.StatusBadRequest), // a code that may have been used is none any more
		prepare: func(d *world, name string) string {
			c := authorizing(d, withBrowser(d, name), name, firstParty)
			c.Tokens = codeIn(d.t, d.visit(c))
			return c.text()
		},
		do: func(w *world, _, given string) answer {
			c := unpack(w.t, given)
			return w.redeem(c.Client, c.Secret, c.Tokens)
		},
		check: func(t *testing.T, d *world, name, given string, a answer, once bool) {
			c := unpack(t, given)
			if a.status == http.StatusOK {
				d.get("/oauth/userinfo", a.text(t, "access_token")).want(t, http.StatusOK)
				if n := d.families(t, name); n != 1 {
					t.Errorf("%d families", n)
				}
			} else if n := d.families(t, name); once || member(t, a.body, "error") != "invalid_grant" || n != 0 {
				t.Errorf("%s, and %d families", a.body, n)
			}
			c.redeems(t, d, c.silently(d)) // the client begins again, and nobody notices
		},
	},
	{
		name: "device request",
		prepare: func(d *world, name string) string {
			d.newDeviceClient(name+"-tv", "")
			return ""
		},
		do: func(w *world, name, _ string) answer {
			return w.form("/oauth/device", "client_id", name+"-tv", "scope", "openid profile")
		},
		check: func(t *testing.T, d *world, name, _ string, a answer, _ bool) {
			c := carried{Client: name + "-tv", Tokens: a.body}
			refused(t, "nobody has let it in", c.polls(d), 400, "authorization_pending", pending)
		},
	},
	{
		name: "letting a device in",
		prepare: func(d *world, name string) string {
			_, c := withDevice(d, name)
			return c.text()
		},
		do: visits, repeated: ends(http.StatusBadRequest), // the code has been used
		check: func(t *testing.T, d *world, name, given string, _ answer, _ bool) {
			d.get("/oauth/userinfo", unpack(t, given).polls(d).want(t, http.StatusOK).text(t, "access_token")).want(t, http.StatusOK)
			if n := d.families(t, name); n != 1 {
				t.Errorf("%d families", n)
			}
		},
	},
	{
		name: "device", repeated: ends(http.StatusBadRequest), // too early to ask again, or collected
		prepare: func(d *world, name string) string {
			_, c := withDevice(d, name)
			d.visit(c).want(d.t, http.StatusSeeOther)
			return c.text()
		},
		do: func(w *world, _, given string) answer { return unpack(w.t, given).polls(w) },
		check: func(t *testing.T, d *world, name, given string, a answer, once bool) {
			if a.status == http.StatusBadRequest && member(t, a.body, "error") == "slow_down" {
				pass(20*time.Second, d)
				a = unpack(t, given).polls(d)
			}
			families := d.families(t, name)
			switch {
			case a.status == http.StatusOK:
				d.get("/oauth/userinfo", a.text(t, "access_token")).want(t, http.StatusOK)
				if families != 1 {
					t.Errorf("%d families", families)
				}
			case once || member(t, a.body, "error") != "invalid_grant" || families != 0:
				t.Errorf("%s, and %d families", a.body, families)
			}
		},
	},
	{
		name: "pushed request",
		prepare: func(d *world, name string) string {
			return carried{Client: name, Secret: d.webClient(name, firstParty)}.text()
		},
		do: func(w *world, _, given string) answer {
			c := unpack(w.t, given)
			return w.clientForm("/oauth/par", client{c.Client, c.Secret}, pushable...)
		},
		check: func(t *testing.T, d *world, name, _ string, a answer, _ bool) {
			d.newBrowser().open(pushedURL(name, a.text(t, "request_uri"))).want(http.StatusOK).shows("login")
		},
	},
	{
		name: "use of a pushed request", repeated: ends(http.StatusBadRequest), // it may have been used
		prepare: func(d *world, name string) string {
			c := authorizing(d, withBrowser(d, name), name, firstParty)
			c.Target = pathOf(pushedURL(c.Client, d.push(client{c.Client, c.Secret}, pushable...)))
			return c.text()
		},
		do: visits,
		check: func(t *testing.T, d *world, name, given string, a answer, once bool) {
			c := unpack(t, given)
			if a.status == http.StatusBadRequest && !once { // the application pushes another
				c.Target = pathOf(pushedURL(c.Client, d.push(client{c.Client, c.Secret}, pushable...)))
				a = d.visit(c)
			}
			c.redeems(t, d, a)
		},
	},
	{
		name: "token exchange",
		prepare: func(d *world, name string) string {
			withUser(d, name)
			app := d.newClient("default", name+"-app", `"first_party":true,"grant_types":["password","`+exchangeGrant+`"],
				"scopes":["openid","stock:read"],"audience":["`+gatewayAudience+`"],"exchange_audiences":["`+stockAudience+`"]`)
			login := d.clientForm("/oauth/token", app, "grant_type", "password", "username", name+"-name", "password", janePass)
			return carried{Client: app.id, Secret: app.secret, Tokens: login.want(d.t, http.StatusOK).body}.text()
		},
		do: func(w *world, _, given string) answer {
			c := unpack(w.t, given)
			request := with(exchangeRequest(member(w.t, c.Tokens, "access_token")), "scope", "stock:read")
			return w.clientForm("/oauth/token", client{c.Client, c.Secret}, request...)
		},
		check: func(t *testing.T, d *world, _, given string, a answer, _ bool) {
			c := unpack(t, given)
			if said := d.introspect(client{c.Client, c.Secret}, a.text(t, "access_token")).body; !strings.HasPrefix(said, `{"active":true,`) {
				t.Errorf("the token is %s", said)
			}
			if a.text(t, "refresh_token") != "" {
				t.Error("there is a refresh token")
			}
		},
	},
	{
		name: "refresh with DPoP",
		prepare: func(d *world, name string) string {
			c := authorizing(d, withBrowser(d, name), name, firstParty+`,"public":true,"require_dpop":true`)
			request := append(codeRequest(codeIn(d.t, d.visit(c))), "client_id", c.Client)
			c.Tokens = d.postForm("/oauth/token", request, "DPoP", d.flowSigner().proof("POST", "/oauth/token")).want(d.t, http.StatusOK).body
			return c.text()
		},
		do: func(w *world, _, given string) answer {
			c := unpack(w.t, given)
			return w.refreshBound(c.Client, member(w.t, c.Tokens, "refresh_token"))
		},
		check: func(t *testing.T, d *world, _, given string, a answer, _ bool) {
			c := unpack(t, given)
			d.asBound(http.MethodGet, "/oauth/userinfo", a.text(t, "access_token"), d.flowSigner()).want(t, http.StatusOK)
			again := refreshToken(t, d.refreshBound(c.Client, member(t, c.Tokens, "refresh_token")))
			if again != a.text(t, "refresh_token") {
				t.Error("the family has two heads")
			}
			d.refreshBound(c.Client, again).want(t, http.StatusOK)
		},
	},
	{
		name: "refresh with everything stored",
		prepare: func(d *world, name string) string {
			withUser(d, name)
			d.put("/api/user/"+name+"/metadata/k", adminToken, `{"value":"v"}`).want(d.t, http.StatusOK)
			c := d.reader(name+"-app", "")
			login := d.clientForm("/oauth/token", c, "grant_type", "password", "username", name+"-name", "password", janePass, "scope", allMetadata)
			return carried{Client: c.id, Secret: c.secret, Tokens: login.want(d.t, http.StatusOK).body}.text()
		},
		do: refreshes,
		check: func(t *testing.T, d *world, _, given string, a answer, _ bool) {
			if got := claimsOf(t, a.text(t, "access_token"))[allMetadata]; !cmp.Equal(got, map[string]any{"k": "dg"}) {
				t.Errorf("the token has %v", got)
			}
			if again := refreshes(d, "", given).want(t, http.StatusOK); again.text(t, "refresh_token") != a.text(t, "refresh_token") {
				t.Error("the family has two heads")
			}
		},
	},
	{
		name: "client_credentials with an assertion",
		prepare: func(d *world, name string) string {
			d.newKeyClient(name, d.flowSigner(), `,"grant_types":["client_credentials"],"scopes":["iam/"]`)
			return ""
		},
		do: func(w *world, name, _ string) answer {
			return w.form("/oauth/token", w.flowSigner().signed(name, "grant_type", "client_credentials", "scope", "iam/")...)
		},
		check: func(t *testing.T, d *world, _, _ string, a answer, _ bool) {
			d.get("/api/user/jane", a.text(t, "access_token")).want(t, http.StatusOK)
		},
	},
}

// refreshes is what a client with a secret does with its refresh token.
func refreshes(w *world, _, given string) answer {
	w.t.Helper()
	c := unpack(w.t, given)
	return w.clientForm("/oauth/token", client{c.Client, c.Secret}, "grant_type", "refresh_token", "refresh_token", member(w.t, c.Tokens, "refresh_token"))
}

// refreshBound refreshes with a proof of the key of these flows.
func (w *world) refreshBound(client, token string) answer {
	w.t.Helper()
	return w.postForm("/oauth/token", []string{"grant_type", "refresh_token", "client_id", client, "refresh_token", token},
		"DPoP", w.flowSigner().proof("POST", "/oauth/token"))
}
