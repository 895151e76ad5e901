package main

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/claimsmith/claimsmith/internal/redistest"
)

const (
	sessionCookie = "__Host-claimsmith-session"
	browserCookie = "__Host-claimsmith-browser"
)

// watched checks every answer a browser gets on its way, redirects too.
type watched struct {
	t    testing.TB
	next http.RoundTripper
}

func (w watched) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := w.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	policy := answer.Header.Get("Content-Security-Policy")
	for _, part := range []string{"default-src 'none'", "base-uri 'none'", "frame-ancestors 'none'", "form-action"} { // rows S-05, S-06
		if !strings.Contains(policy, part) || strings.Contains(policy, "unsafe") || strings.Contains(policy, "*") {
			w.t.Errorf("%s %s: policy %s", r.Method, r.URL.Path, policy)
		}
	}
	for name, want := range map[string]string{ // row O-20
		"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff", "Cross-Origin-Opener-Policy": "same-origin",
		"Access-Control-Allow-Origin": "",
	} {
		if got := answer.Header.Get(name); got != want {
			w.t.Errorf("%s %s: %s %q", r.Method, r.URL.Path, name, got)
		}
	}
	if answer.StatusCode/100 == 3 && answer.StatusCode != http.StatusSeeOther {
		w.t.Errorf("%s %s: %d repeats the request", r.Method, r.URL.Path, answer.StatusCode)
	}
	for _, line := range answer.Header.Values("Set-Cookie") { // row S-01
		c, err := http.ParseSetCookie(line)
		if err != nil || c.Name != sessionCookie && c.Name != browserCookie || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode ||
			c.Path != "/" || c.Domain != "" || len(line) >= 4096 {
			w.t.Errorf("%s %s sets %s", r.Method, r.URL.Path, line)
		}
	}
	return answer, nil
}

// visitor opens a browser whose every answer is checked.
func (w *world) visitor() *browser {
	b := w.newBrowser()
	b.client.Transport = watched{w.t, b.client.Transport}
	return b
}

// cookieOf returns the value of a cookie the browser has, "" for none.
func (b *browser) cookieOf(name string) string {
	u, _ := url.Parse(testIssuer)
	for _, c := range b.client.Jar.Cookies(u) {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

func (b *browser) giveCookie(name, value string) {
	u, _ := url.Parse(testIssuer)
	b.client.Jar.SetCookies(u, []*http.Cookie{{Name: name, Value: value, Path: "/", Secure: true}})
}

// shows fails unless the page has elements with these ids.
func (p *page) shows(ids ...string) *page {
	p.b.t.Helper()
	for _, id := range ids {
		if p.element(id) == nil {
			p.b.t.Fatalf("%s: %d without %s:\n%s", p.url, p.status, id, p.text())
		}
	}
	return p
}

func (p *page) says(text string) *page {
	p.b.t.Helper()
	if !strings.Contains(p.text(), text) {
		p.b.t.Fatalf("%s: %d does not say %q:\n%s", p.url, p.status, text, p.text())
	}
	return p
}

// valueOf is the value of the first field of the page with a name.
func (p *page) valueOf(name string) string {
	p.b.t.Helper()
	var field *html.Node
	p.walk(func(n *html.Node) bool {
		if n.Data == "input" && attribute(n, "name") == name {
			field = n
		}
		return field == nil
	})
	if field == nil {
		p.b.t.Fatalf("%s has no field %s", p.url, name)
	}
	return attribute(field, "value")
}

// bob is a second user.
func (w *world) bob() (name, password string) {
	w.post("/api/user", adminToken, `{"id":"bob-id","username":"bob","password":"another horse battery"}`).want(w.t, http.StatusCreated)
	return "bob", "another horse battery"
}

func onePage(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, redistest.Embedded(t).Client)
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(w.log.String())
		}
	})
	return w
}

func TestSignInPage(t *testing.T) {
	t.Parallel()
	w := onePage(t)
	w.webClient("shop", `,"name":"The Shop"`)
	b := w.visitor()
	page := b.open(authorizeURL("shop", webRedirect, "login_hint", "jane", "x-unknown", "1")).want(http.StatusOK).shows("username", "password", "login")
	if page.url.Path != "/signin" || page.valueOf("username") != "jane" {
		t.Errorf("%s with %q", page.url, page.valueOf("username"))
	}
	if policy := page.header.Get("Content-Security-Policy"); !strings.Contains(policy, "form-action 'self' https://app.example;") {
		t.Errorf("policy %s", policy)
	}
	// Row L-06: one page for a wrong password and an unknown name, and neither logs in.
	wrong := page.submit("login", "username", "jane", "password", "wrong").want(http.StatusBadRequest).shows("error", "login").says("is wrong")
	unknown := page.submit("login", "username", "nobody", "password", "wrong").want(http.StatusBadRequest).says("is wrong")
	if wrong.text() != unknown.text() || wrong.valueOf("username") != "jane" || strings.Contains(wrong.body, `"wrong"`) {
		t.Errorf("%s\n%s", wrong.text(), unknown.text())
	}
	if b.cookieOf(sessionCookie) != "" {
		t.Error("a session without a login")
	}
	for range 20 {
		if wrong = wrong.submit("login", "username", "jane", "password", "wrong"); wrong.status == http.StatusTooManyRequests {
			break
		}
	}
	wrong.want(http.StatusTooManyRequests).shows("error", "login").says("Too many attempts")
	if wrong.header.Get("Retry-After") == "" {
		t.Error("when to try again?")
	}
	w.address = "192.0.2.99:1"
	wrong.signIn().want(http.StatusOK).shows("approve", "deny", "scopes", "profile").says("The Shop").says("Jane Doe")
}

func TestPagesSpeakTheReadersLanguage(t *testing.T) {
	t.Parallel()
	w := onePage(t)
	w.webClient("shop", "")
	b := w.visitor()
	b.headers["Accept-Language"] = "fr, de;q=0.8, en;q=0.5"
	b.open(authorizeURL("shop", webRedirect)).says("Anmelden").signIn().says("Zugriff erlauben?")
	b.open(authorizeURL("shop", webRedirect, "ui_locales", "en")).says("Allow access?").submit("deny")
	b.open(authorizeURL("nobody", webRedirect)).want(http.StatusBadRequest).says("Diese")
	b.headers["Accept-Language"] = "en"
	b.open(authorizeURL("shop", webRedirect, "ui_locales", "fr de")).says("Zugriff erlauben?")
	b.open("/account").says("Your account")
}

// Row O-02 and PROTOCOL.md: what cannot be redirected is a page.
func TestErrorsThatAreNotRedirected(t *testing.T) {
	t.Parallel()
	w := onePage(t)
	w.webClient("shop", "")
	for _, target := range []string{
		authorizeURL("nobody", webRedirect),
		authorizeURL("shop", "https://evil.example/callback"),
		authorizeURL("shop", webRedirect+"?x=1"),
		authorizeURL("shop", ""),
		authorizeURL("", webRedirect),
		authorizeURL("shop", webRedirect) + "&client_id=shop",
		authorizeURL("shop", webRedirect) + "&error_hint=%FF",
		authorizeURL("<svg onload=alert(1)>", webRedirect, "error_hint", "<svg onload=alert(1)>"),
		testIssuer + "/oauth/authorize",
	} {
		page := w.visitor().open(target).want(http.StatusBadRequest).shows("error", "reference")
		if page.location != "" || strings.Contains(page.body, "<svg") || strings.Contains(page.body, "evil.example") {
			t.Errorf("%s: %s %s", target, page.location, page.body)
		}
		if reference := page.header.Get("X-Request-Id"); !strings.Contains(page.body, reference) {
			t.Errorf("%s: no reference", target)
		}
	}
}

// Row S-08: a flow goes on only in the browser it began in.
func TestFlowOfAnotherBrowser(t *testing.T) {
	t.Parallel()
	w := onePage(t)
	w.webClient("shop", "")
	attacker, victim := w.visitor(), w.visitor()
	page := attacker.open(authorizeURL("shop", webRedirect)).shows("login")
	flow := page.valueOf("flow")
	victim.open("/signin?flow=" + flow).want(http.StatusBadRequest).says("This sign-in cannot go on")
	victim.postForm("/signin", url.Values{"flow": {flow}, "username": {janeMail}, "password": {janePass}}).want(http.StatusBadRequest)
	if victim.cookieOf(sessionCookie) != "" {
		t.Error("logged in by a foreign flow")
	}
	victim.open("/signin?flow=nonsense").want(http.StatusBadRequest)
	fresh := w.visitor() // without any cookie
	fresh.postForm("/signin", url.Values{"flow": {flow}, "username": {janeMail}, "password": {janePass}}).want(http.StatusBadRequest)
	pass(61*time.Minute, w)
	page.signIn().want(http.StatusBadRequest).says("This sign-in cannot go on")
	// The attacker logs in and has the victim open what comes next.
	consent := attacker.open(authorizeURL("shop", webRedirect)).signIn().shows("approve")
	victim.open("/account").signIn()
	for name, form := range map[string]url.Values{
		"the attacker's flow and token": {"flow": {consent.valueOf("flow")}, "token": {consent.valueOf("token")}, "decision": {"approve"}},
		"the attacker's flow":           {"flow": {consent.valueOf("flow")}, "decision": {"approve"}},
	} {
		if answer := victim.postForm("/signin/consent", form); answer.status != http.StatusBadRequest || answer.location != "" {
			t.Errorf("%s: %d %s", name, answer.status, answer.location)
		}
	}
}

// Row S-04: what a page decides counts only for the session it was shown to.
func TestConsentOfAnotherSession(t *testing.T) {
	t.Parallel()
	w := onePage(t)
	w.webClient("shop", "")
	name, password := w.bob()
	b := w.visitor()
	consent := b.open(authorizeURL("shop", webRedirect)).signIn().shows("approve")
	flow, token := consent.valueOf("flow"), consent.valueOf("token")
	pass(time.Minute, w) // Somebody else logs in, in another tab.
	b.open(authorizeURL("shop", webRedirect, "prompt", "login")).submit("login", "username", name, "password", password).shows("approve")
	for name, form := range map[string]url.Values{
		"the page of the session before": {"flow": {flow}, "token": {token}, "decision": {"approve"}},
		"no token":                       {"flow": {flow}, "decision": {"approve"}},
		"another token":                  {"flow": {flow}, "token": {"x"}, "decision": {"approve"}},
		"an empty one":                   {"flow": {flow}, "token": {""}, "decision": {"approve"}},
	} {
		if p := b.postForm("/signin/consent", form); p.status != http.StatusForbidden || p.location != "" {
			t.Errorf("%s: %d %s", name, p.status, p.location)
		}
	}
	// A scope or a client that is added to the form is no part of the flow.
	page := b.open(authorizeURL("shop", webRedirect)).shows("approve")
	page.submit("approve", "decision", "perhaps").shows("approve") // which is no decision
	answer := page.submit("approve", "scope", "openid iam/", "client_id", "other").answered()
	if answer.Get("code") == "" || answer.Get("error") != "" {
		t.Errorf("%v", answer)
	}
}

// Row S-02: a login has a session of its own, and ends the one before.
func TestSessionFixation(t *testing.T) {
	t.Parallel()
	w := onePage(t)
	name, password := w.bob()
	b := w.visitor()
	b.giveCookie(sessionCookie, "cs_ss_jane-id.planted")
	b.open("/account").shows("login").signIn().shows("sessions")
	first := b.cookieOf(sessionCookie)
	if first == "" || strings.Contains(first, "planted") {
		t.Fatalf("session %q", first)
	}
	pass(10*time.Minute, w)
	b.open("/account").submit("confirm").shows("login").signIn().shows("sessions")
	second := b.cookieOf(sessionCookie)
	if second == first {
		t.Error("the same session after another login")
	}
	for _, cookies := range []string{ // who sends two does not know which is ours
		sessionCookie + "=" + second + "; " + sessionCookie + "=" + second, sessionCookie + "=x; " + sessionCookie + "=" + second,
	} {
		if answer := w.get(testIssuer+"/account", "", "Cookie", cookies); answer.status != http.StatusSeeOther {
			t.Errorf("%.60s: %d", cookies, answer.status)
		}
	}
	w.get(testIssuer+"/account", "", "Cookie", sessionCookie+"="+second).want(t, http.StatusOK)
	thief := w.visitor()
	thief.giveCookie(sessionCookie, first)
	thief.open("/account").shows("login")

	// The cookie is lost, and somebody else logs in: nothing of jane's is left in this browser.
	pass(10*time.Minute, w)
	b.open("/account").submit("confirm").submit("login", "username", name, "password", password).says("bob")
	third := b.cookieOf(sessionCookie)
	thief.giveCookie(sessionCookie, second)
	thief.open("/account").shows("login")
	thief.giveCookie(sessionCookie, third)
	thief.open("/account").says("bob")
}

func TestChooseAccountPage(t *testing.T) {
	t.Parallel()
	w := onePage(t)
	w.webClient("shop", "")
	name, password := w.bob()
	b := w.visitor()
	b.open(authorizeURL("shop", webRedirect)).signIn().submit("approve").answered()
	pass(time.Minute, w)
	page := b.open(authorizeURL("shop", webRedirect, "prompt", "select_account")).shows("continue", "other").says("Jane Doe")
	if code := page.submit("continue").answered().Get("code"); code == "" {
		t.Error("no code for the account chosen")
	}
	page = b.open(authorizeURL("shop", webRedirect, "prompt", "select_account")).submit("other").shows("login")
	page.submit("login", "username", name, "password", password).shows("approve").says("bob")
}

func TestChooseOrganisationPage(t *testing.T) {
	t.Parallel()
	w := onePage(t)
	w.post("/api/org", adminToken, `{"slug":"acme","name":"Acme Inc.","color":"#0b7a4b","logo_url":"https://cdn.example/acme.svg"}`).want(t, http.StatusCreated)
	w.send(http.MethodPatch, "/api/user/jane", adminToken, `{"orgs":["default","acme"]}`).want(t, http.StatusOK)
	secret := w.webClient("portal", `,"all_orgs":true`)
	b := w.visitor()
	page := b.open(authorizeURL("portal", webRedirect)).signIn().shows("organisation", "organisation-acme", "organisation-default", "continue")
	refused := page.submit("continue", "organisation", "elsewhere")
	if refused.status != http.StatusNotFound {
		t.Errorf("an organisation that is not his: %d", refused.status)
	}
	page = page.submit("continue", "organisation", "acme").shows("approve").says("Acme Inc.")
	if policy := page.header.Get("Content-Security-Policy"); !strings.Contains(policy, "img-src 'self' https://cdn.example;") {
		t.Errorf("policy %s", policy)
	}
	if !strings.Contains(page.body, `href="/brand/0b7a4b.css"`) || !strings.Contains(page.body, `src="https://cdn.example/acme.svg"`) {
		t.Error("the page does not look like Acme's")
	}
	code := page.submit("approve").answered().Get("code")
	if id := claimsOf(t, w.redeem("portal", secret, code).want(t, http.StatusOK).text(t, "id_token")); id["org"] != "acme" {
		t.Errorf("%v", id)
	}
}

func TestFormPostPage(t *testing.T) {
	t.Parallel()
	w := onePage(t)
	w.webClient("shop", "")
	b := w.visitor()
	const state = `"><script>alert(1)</script>`
	page := b.open(authorizeURL("shop", webRedirect, "response_mode", "form_post", "state", state)).signIn().submit("approve")
	page.want(http.StatusOK).shows("form_post", "continue")
	form := page.element("form_post")
	values := formValues(form)
	if attribute(form, "action") != webRedirect || values.Get("code") == "" || values.Get("state") != state || values.Get("iss") != testIssuer {
		t.Errorf("%s %v", attribute(form, "action"), values)
	}
	if strings.Contains(page.body, "<script>") {
		t.Error("the state is part of the page")
	}
	if policy := page.header.Get("Content-Security-Policy"); !strings.Contains(policy, "form-action 'self' https://app.example;") {
		t.Errorf("policy %s", policy)
	}
	refused := w.visitor().open(authorizeURL("shop", webRedirect, "response_mode", "form_post", "prompt", "none")).want(http.StatusOK)
	if values := formValues(refused.element("form_post")); values.Get("error") != "login_required" || values.Get("iss") != testIssuer {
		t.Errorf("%v", values)
	}
	// By POST, which comes without cookies, it is the same.
	values, _ = url.ParseQuery(strings.SplitN(authorizeURL("shop", webRedirect, "prompt", "none"), "?", 2)[1])
	if code := b.postForm("/oauth/authorize", values).answered().Get("code"); code == "" {
		t.Error("no code for a request by POST")
	}
}

func TestDevicePages(t *testing.T) {
	t.Parallel()
	w := onePage(t)
	w.post("/api/client", adminToken, `{"client_id":"tv","name":"Television","preset":"device"}`).want(t, http.StatusCreated)
	begin := func() answer {
		return w.form("/oauth/device", "client_id", "tv", "scope", "openid profile").want(t, http.StatusOK)
	}
	b := w.visitor()
	b.open("/device").shows("user_code", "continue").submit("continue", "user_code", "BCDF-GHJK").want(http.StatusBadRequest).shows("error", "user_code")

	started := begin()
	code := started.text(t, "user_code")
	filled := b.open("/device?user_code=" + code)
	if filled.valueOf("user_code") != code {
		t.Errorf("%q is filled in", filled.valueOf("user_code"))
	}
	page := filled.submit("continue").shows("login").signIn().shows("approve", "deny").says(code).says("Television")
	approved := page.submit("approve").want(http.StatusOK).shows("device_approved")
	if w.visitor().open(approved.url.RequestURI()).element("device_approved") != nil {
		t.Error("the message of success can be shown to others")
	}
	w.form("/oauth/token", "grant_type", "urn:ietf:params:oauth:grant-type:device_code", "client_id", "tv", "device_code", started.text(t, "device_code")).
		want(t, http.StatusOK)
	page.submit("approve").want(http.StatusBadRequest).shows("error", "user_code") // a second time

	started = begin()
	page = b.open("/device").submit("continue", "user_code", strings.ToLower(strings.ReplaceAll(started.text(t, "user_code"), "-", " ")))
	page.shows("deny").submit("deny").shows("device_denied")
	w.form("/oauth/token", "grant_type", "urn:ietf:params:oauth:grant-type:device_code", "client_id", "tv", "device_code", started.text(t, "device_code")).
		want(t, http.StatusBadRequest)

	// Row S-04 for the form that needs no session.
	form := url.Values{"user_code": {begin().text(t, "user_code")}, "token": {w.visitor().open("/device").valueOf("token")}}
	b.postForm("/device", form).want(http.StatusForbidden)
	form.Del("token")
	b.postForm("/device", form).want(http.StatusForbidden)
	for range 20 {
		page = b.open("/device").submit("continue", "user_code", "BCDF-GHJK")
	}
	page.want(http.StatusTooManyRequests).shows("error", "user_code")
}
