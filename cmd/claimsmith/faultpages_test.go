package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/claimsmith/claimsmith/auth"
)

// carried is what an honest client or browser is about to send, and what it has to go on with.
type carried struct {
	Target  string
	Form    url.Values // nil for a GET
	Cookies map[string]string
	// Client and Secret are a client's own, Key is that of an authenticator app.
	Client, Secret, Key string
	Tokens              string // a token response
}

func (c carried) text() string {
	text, _ := json.Marshal(c) // strings
	return string(text)
}

func unpack(t testing.TB, given string) (c carried) {
	t.Helper()
	if err := json.Unmarshal([]byte(given), &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// visit sends what a browser is about to send, and goes on through redirects to the issuer's own pages as long as nothing fails.
func (w *world) visit(c carried) answer {
	w.t.Helper()
	a := w.step(c)
	for a.status == http.StatusSeeOther && strings.HasPrefix(a.header.Get("Location"), "/signin?flow=") {
		c = carried{Target: a.header.Get("Location"), Cookies: c.after(a)}
		a = w.step(c)
	}
	return a
}

// step sends it, and no more.
func (w *world) step(c carried) answer {
	w.t.Helper()
	var cookies []string
	for name, value := range c.Cookies {
		cookies = append(cookies, name+"="+value)
	}
	headers := []string{"Cookie", strings.Join(cookies, "; "), "Origin", testIssuer, "Content-Type", formType}
	if c.Form == nil {
		return w.get(c.Target, "", headers[:2]...)
	}
	return w.send(http.MethodPost, c.Target, "", c.Form.Encode(), headers...)
}

// after are the cookies a browser has after an answer.
func (c carried) after(a answer) map[string]string {
	cookies := map[string]string{}
	for name, value := range c.Cookies {
		cookies[name] = value
	}
	for _, set := range (&http.Response{Header: a.header}).Cookies() {
		if cookies[set.Name] = set.Value; set.MaxAge < 0 {
			delete(cookies, set.Name)
		}
	}
	return cookies
}

// jar is what a browser has.
func (b *browser) jar() map[string]string {
	cookies := map[string]string{}
	u, _ := url.Parse(testIssuer)
	for _, c := range b.client.Jar.Cookies(u) {
		cookies[c.Name] = c.Value
	}
	return cookies
}

// formOf is the form of a page that a button is in, filled in by pairs, about to be sent.
func (p *page) formOf(button string, fields ...string) carried {
	p.b.t.Helper()
	form := p.shows(button).element(button)
	for form.Data != "form" {
		form = form.Parent
	}
	values := formValues(form)
	for n := 0; n+1 < len(fields); n += 2 {
		values.Set(fields[n], fields[n+1])
	}
	return carried{Target: attribute(form, "action"), Form: values, Cookies: p.b.jar()}
}

// withBrowser makes a user and a browser he is logged in with.
func withBrowser(d *world, name string) *browser {
	withUser(d, name)
	ctx := context.Background()
	u, _, err := d.app.store.User(ctx, name)
	if err != nil {
		d.t.Fatal(err)
	}
	who := auth.Subject{User: name, Org: "default", AuthTime: d.clock.Now(), AMR: []string{"pwd"}, ACR: "1", Epoch: u.Epoch}
	_, text, err := d.app.sessions.Start(ctx, who, nil, "a browser", "192.0.2.9")
	if err != nil {
		d.t.Fatal(err)
	}
	b := d.newBrowser()
	b.giveCookie(sessionCookie, text)
	b.open("/account").shows("sessions")
	return b
}

// authorizing is a browser that a client of its own sends to log in.
func authorizing(d *world, b *browser, name, members string) carried {
	secret := d.webClient(name+"-app", members)
	return carried{Target: pathOf(authorizeURL(name+"-app", webRedirect)), Cookies: b.jar(), Client: name + "-app", Secret: secret}
}

func pathOf(address string) string { return strings.TrimPrefix(address, testIssuer) }

const firstParty = `,"first_party":true`

// codeIn returns the code of an authorization response.
func codeIn(t testing.TB, a answer) string {
	t.Helper()
	u, err := url.Parse(a.header.Get("Location"))
	if err != nil || a.status != http.StatusSeeOther || u.Query().Get("code") == "" {
		t.Fatalf("no code: %d to %q %s", a.status, a.header.Get("Location"), a.body)
	}
	return u.Query().Get("code")
}

// redeems fails unless a code gives tokens that work.
func (c carried) redeems(t testing.TB, d *world, a answer) answer {
	t.Helper()
	tokens := d.redeem(c.Client, c.Secret, codeIn(t, a)).want(t, http.StatusOK)
	d.get("/oauth/userinfo", tokens.text(t, "access_token")).want(t, http.StatusOK)
	d.form("/oauth/token", "grant_type", "refresh_token", "client_id", c.Client, "client_secret", c.Secret, "refresh_token",
		tokens.text(t, "refresh_token")).want(t, http.StatusOK)
	return tokens
}

// silently is the same browser asked by the same client once more.
func (c carried) silently(d *world) answer {
	d.t.Helper()
	return d.visit(carried{Target: pathOf(authorizeURL(c.Client, webRedirect, "prompt", "none")), Cookies: c.Cookies})
}

// lists returns how long a list of the API about a user is.
func (d *world) lists(t testing.TB, name, what, member string) int {
	t.Helper()
	list, _ := d.get("/api/user/"+name+"/"+what, adminToken).want(t, http.StatusOK).json(t)[member].([]any)
	return len(list)
}

func (d *world) families(t *testing.T, name string) int64 {
	t.Helper()
	return d.in.runner.Client.ZCard(t.Context(), d.in.space.Grants(name)).Val()
}

func visits(w *world, _, given string) answer { return w.visit(unpack(w.t, given)) }

// withTOTP makes a user with an authenticator app and a browser he is logged in with.
func withTOTP(d *world, name string) (b *browser, key string) {
	b = withBrowser(d, name)
	page := b.open("/account").submit("totp_add")
	key = strings.ReplaceAll(page.textOf("secret"), " ", "")
	page.submit("confirm", "otp", d.code(key)).want(http.StatusOK).shows("codes")
	return b, key
}

// pageFlows are those of browsers.
var pageFlows = []flow{
	{
		name: "silent authorization",
		prepare: func(d *world, name string) string {
			return authorizing(d, withBrowser(d, name), name, firstParty).text()
		},
		do: visits,
		check: func(t *testing.T, d *world, name, given string, a answer, once bool) {
			unpack(t, given).redeems(t, d, a)
			if n := d.families(t, name); n != 1 {
				t.Errorf("%d families", n)
			}
		},
	},
	{
		name: "signing in",
		prepare: func(d *world, name string) string {
			withUser(d, name)
			b := d.newBrowser()
			c := authorizing(d, b, name, firstParty)
			form := b.open(c.Target).formOf("login", "username", name+"-name", "password", janePass)
			form.Client, form.Secret = c.Client, c.Secret
			return form.text()
		},
		do: func(w *world, _, given string) answer { return w.step(unpack(w.t, given)) },
		check: func(t *testing.T, d *world, name, given string, a answer, once bool) {
			c := unpack(t, given)
			c.Cookies = c.after(a)
			c.redeems(t, d, d.visit(carried{Target: a.header.Get("Location"), Cookies: c.Cookies}))
			c.redeems(t, d, c.silently(d))
			if n := d.lists(t, name, "session", "sessions"); once && n != 1 {
				t.Errorf("%d sessions", n)
			}
		},
	},
	{
		name: "second factor", repeated: ends(http.StatusBadRequest), // the code was used up
		prepare: func(d *world, name string) string {
			_, key := withTOTP(d, name)
			pass(time.Minute, d)
			b := d.newBrowser()
			c := authorizing(d, b, name, firstParty)
			form := b.open(c.Target).submit("login", "username", name+"-name", "password", janePass).formOf("confirm")
			form.Client, form.Secret, form.Key = c.Client, c.Secret, key
			return form.text()
		},
		do: secondFactor,
		check: func(t *testing.T, d *world, name, given string, a answer, once bool) {
			if a.status == http.StatusBadRequest { // the next one is not
				pass(time.Minute, d)
				a = secondFactor(d, name, given)
			}
			c := unpack(t, given)
			c.Cookies = c.after(a)
			tokens := c.redeems(t, d, d.visit(carried{Target: a.header.Get("Location"), Cookies: c.Cookies}))
			if acr := claimsOf(t, tokens.text(t, "id_token"))["acr"]; acr != "2" {
				t.Errorf("acr %v", acr)
			}
			if n := d.lists(t, name, "session", "sessions"); once && n != 2 { // one enrolled the app
				t.Errorf("%d sessions", n)
			}
		},
	},
	{
		name: "consent",
		prepare: func(d *world, name string) string {
			b := withBrowser(d, name)
			c := authorizing(d, b, name, "")
			form := b.open(c.Target).formOf("approve", "decision", "approve")
			form.Client, form.Secret = c.Client, c.Secret
			return form.text()
		},
		do: visits,
		check: func(t *testing.T, d *world, name, given string, a answer, _ bool) {
			c := unpack(t, given)
			c.redeems(t, d, a)
			c.redeems(t, d, c.silently(d)) // it is remembered
			if n := d.lists(t, name, "consent", "consents"); n != 1 {
				t.Errorf("%d consents", n)
			}
		},
	},
	{
		name: "withdrawal of a consent",
		prepare: func(d *world, name string) string {
			b := withBrowser(d, name)
			c := authorizing(d, b, name, "")
			b.open(c.Target).submit("approve").answered()
			form := carried{Target: "/account/application/withdraw", Form: b.open("/account").formFor("/account/application/withdraw")}
			form.Cookies, form.Client = b.jar(), c.Client
			return form.text()
		},
		do: visits,
		check: func(t *testing.T, d *world, name, given string, _ answer, _ bool) {
			if n := d.lists(t, name, "consent", "consents"); n != 0 {
				t.Errorf("%d consents", n)
			}
			if to := unpack(t, given).silently(d).header.Get("Location"); !strings.Contains(to, "error=consent_required") {
				t.Errorf("sent to %s", to)
			}
		},
	},
	{
		name: "logout",
		prepare: func(d *world, name string) string {
			c := authorizing(d, withBrowser(d, name), name, firstParty+`,"post_logout_redirect_uris":["https://app.example/bye"]`)
			tokens := d.redeem(c.Client, c.Secret, codeIn(d.t, d.visit(c)))
			c.Tokens = tokens.want(d.t, http.StatusOK).body
			c.Target = "/oauth/logout?" + encodeForm([]string{
				"id_token_hint", tokens.text(d.t, "id_token"), "post_logout_redirect_uri", "https://app.example/bye",
			})
			return c.text()
		},
		do: visits,
		check: func(t *testing.T, d *world, name, given string, a answer, _ bool) {
			if to := a.header.Get("Location"); to != "https://app.example/bye" {
				t.Errorf("sent to %s", to)
			}
			unpack(t, given).hasEnded(t, d, name)
		},
	},
	{
		name: "end of a session by the API", repeated: ends(http.StatusNotFound),
		prepare: func(d *world, name string) string {
			c := authorizing(d, withBrowser(d, name), name, firstParty)
			c.Tokens = d.redeem(c.Client, c.Secret, codeIn(d.t, d.visit(c))).want(d.t, http.StatusOK).body
			list := d.get("/api/user/"+name+"/session", adminToken).json(d.t)["sessions"].([]any)
			id, _ := list[0].(map[string]any)["id"].(string)
			c.Target = "/api/user/" + name + "/session/" + id
			return c.text()
		},
		do: func(w *world, _, given string) answer { return w.delete(unpack(w.t, given).Target, adminToken) },
		check: func(t *testing.T, d *world, name, given string, _ answer, _ bool) {
			unpack(t, given).hasEnded(t, d, name)
		},
	},
	{
		name: "enrolment of an authenticator app", repeated: ends(http.StatusBadRequest, http.StatusConflict), // there is one by now
		prepare: func(d *world, name string) string {
			page := withBrowser(d, name).open("/account").submit("totp_add")
			c := page.formOf("confirm")
			c.Key = strings.ReplaceAll(page.textOf("secret"), " ", "")
			return c.text()
		},
		do: secondFactor,
		check: func(t *testing.T, d *world, name, given string, a answer, _ bool) {
			c := unpack(t, given)
			codes := strings.Contains(a.body, `id="codes"`)
			if (a.status == http.StatusOK) != codes {
				t.Fatalf("%d %s", a.status, a.body)
			}
			if !codes { // they went with the answer that was lost
				codes = strings.Contains(d.step(carried{Target: "/account/recovery", Form: c.Form, Cookies: c.Cookies}).body, `id="codes"`)
			}
			pass(time.Minute, d)
			d.try(name+"-name", janePass, "").want(t, http.StatusBadRequest)
			d.try(name+"-name", janePass, `,"otp":"`+d.code(c.Key)+`"`).want(t, http.StatusOK)
			if !codes {
				t.Error("there are no recovery codes to have")
			}
		},
	},
	{
		name: "removal of an authenticator app",
		prepare: func(d *world, name string) string {
			b, _ := withTOTP(d, name)
			return b.open("/account").formOf("totp_remove").text()
		},
		do: visits,
		check: func(t *testing.T, d *world, name, _ string, _ answer, _ bool) {
			d.try(name+"-name", janePass, "").want(t, http.StatusOK)
		},
	},
	{
		name: "change of a password", tidies: true, // by logging in anew
		prepare: func(d *world, name string) string {
			return withBrowser(d, name).open("/account").
				formOf("set_password", "current_password", janePass, "new_password", "something new altogether").text()
		},
		do: visits,
		check: func(t *testing.T, d *world, name, given string, _ answer, _ bool) {
			d.try(name+"-name", "something new altogether", "").want(t, http.StatusOK)
			d.try(name+"-name", janePass, "").want(t, http.StatusBadRequest)
			old := unpack(t, given)
			if a := d.visit(carried{Target: "/account", Cookies: old.Cookies}); !strings.Contains(a.body, `id="login"`) {
				t.Errorf("the session of before: %d %s", a.status, a.body)
			}
		},
	},
}

// secondFactor sends a form with the code the authenticator app shows at present.
func secondFactor(w *world, _, given string) answer {
	c := unpack(w.t, given)
	c.Form.Set("otp", w.code(c.Key))
	return w.step(c)
}

// hasEnded fails unless a session is over, and what was got from it.
func (c carried) hasEnded(t *testing.T, d *world, name string) {
	t.Helper()
	if to := c.silently(d).header.Get("Location"); !strings.Contains(to, "error=login_required") {
		t.Errorf("sent to %s", to)
	}
	if n := d.lists(t, name, "session", "sessions"); n != 0 {
		t.Errorf("%d sessions", n)
	}
	d.get("/oauth/userinfo", member(t, c.Tokens, "access_token")).want(t, http.StatusUnauthorized)
	d.form("/oauth/token", "grant_type", "refresh_token", "client_id", c.Client, "client_secret", c.Secret, "refresh_token",
		member(t, c.Tokens, "refresh_token")).want(t, http.StatusBadRequest)
}
