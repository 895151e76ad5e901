package main

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/auth"
)

// consoleRoutes are all routes of the console, with names of what there is in the place of parameters.
func consoleRoutes(t *testing.T, w *world) (gets, posts []string) {
	t.Helper()
	e := echo.New()
	w.app.operatorConsole().Mount(e)
	for _, route := range e.Routes() {
		path := strings.NewReplacer(":org", "default", ":user", "jane-id", ":group", "staff", ":client", "login").Replace(route.Path)
		switch {
		case route.Method == http.MethodPost:
			posts = append(posts, path)
		case path != "/console/callback":
			gets = append(gets, path)
		}
	}
	if len(gets) < 25 || len(posts) < 35 {
		t.Fatalf("%d pages, %d forms", len(gets), len(posts))
	}
	return gets, posts
}

// post sends a form of the console as a page would, with pairs of fields. The one for files is sent as such.
func (b *browser) post(path string, fields ...string) *page {
	b.t.Helper()
	values := url.Values{}
	for n := 0; n+1 < len(fields); n += 2 {
		values.Set(fields[n], fields[n+1])
	}
	if strings.HasSuffix(path, "/bulk") {
		return b.postParts(testIssuer+path, values)
	}
	return b.postForm(path, values)
}

// token is the proof in a page's forms.
func (p *page) token() string {
	p.b.t.Helper()
	form := p.element("signout")
	if form == nil {
		p.b.t.Fatalf("%s: nobody is signed in: %s", p.url, p.text())
	}
	return formValues(form.Parent).Get("token")
}

func (p *page) wantText(texts ...string) *page {
	p.b.t.Helper()
	for _, text := range texts {
		if !strings.Contains(p.text(), text) {
			p.b.t.Fatalf("%s does not say %q: %s", p.url, text, p.text())
		}
	}
	return p
}

// Rows S-04, S-08, A-03: who is nobody, comes from elsewhere or has a page of another session gets nowhere, at any route.
func TestConsoleGuards(t *testing.T) {
	w := newConsole(t)
	gets, posts := consoleRoutes(t, w)
	w.post("/api/group", adminToken, `{"slug":"staff"}`).want(t, http.StatusCreated)
	olive, jane := w.console("olive", "/console"), w.newBrowser().open("/console").signIn()
	foreign := w.console("ada", "/console").token()
	nobody := w.newBrowser()
	nobody.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

	for _, path := range gets {
		if p := nobody.open(path); p.status != http.StatusSeeOther || !strings.HasPrefix(p.location, "/oauth/authorize?") {
			t.Errorf("GET %s by nobody: %d to %q", path, p.status, p.location)
		}
		if p := jane.b.open(path); p.status != http.StatusForbidden || p.element("no_role") == nil {
			t.Errorf("GET %s without a role: %d %s", path, p.status, p.text())
		}
	}
	for _, path := range posts {
		if p := nobody.post(path, "token", olive.token(), "note", "typed"); p.status != http.StatusForbidden || p.element("lost") == nil {
			t.Errorf("POST %s by nobody: %d %s", path, p.status, p.text())
		}
		for name, token := range map[string]string{"no token": "", "another session's": foreign, "another user's": jane.token()} {
			if p := olive.b.post(path, "token", token); p.status != http.StatusForbidden || !strings.Contains(p.text(), "This form was not accepted") {
				t.Errorf("POST %s with %s: %d %s", path, name, p.status, p.text())
			}
		}
		if strings.HasSuffix(path, "/signout") || strings.HasSuffix(path, "/confirm") {
			continue // which are for everybody
		}
		if p := jane.b.post(path, "token", jane.token()); p.status != http.StatusForbidden || p.element("no_role") == nil {
			t.Errorf("POST %s without a role: %d %s", path, p.status, p.text())
		}
	}
	for _, path := range posts {
		r := httptest.NewRequest(http.MethodPost, path, strings.NewReader("token="+olive.token()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		for _, c := range olive.b.client.Jar.Cookies(olive.url) {
			r.AddCookie(c)
		}
		recorder := httptest.NewRecorder()
		w.server.ServeHTTP(recorder, r)
		if recorder.Code != http.StatusForbidden || !strings.Contains(recorder.Body.String(), "This form was not accepted") {
			t.Errorf("POST %s from elsewhere: %d", path, recorder.Code)
		}
	}
}

// Rows: a reader sees everything of his organisation and changes nothing; nobody but an administrator leaves his own.
func TestConsoleRoles(t *testing.T) {
	t.Parallel()
	w := newConsole(t)
	w.post("/api/org", adminToken, `{"slug":"acme","name":"Acme"}`).want(t, http.StatusCreated)
	w.post("/api/group", adminToken, `{"slug":"staff"}`).want(t, http.StatusCreated)
	w.put("/api/user/jane-id/metadata/plan", adminToken, `{"value":"gold","profileClaim":true}`).want(t, http.StatusOK)
	w.put("/api/org/default/metadata/plan", adminToken, `{"value":"free","profileClaim":true}`).want(t, http.StatusOK)
	w.put("/api/group/staff/metadata/plan", adminToken, `{"value":"silver","profileClaim":true}`).want(t, http.StatusOK)
	gets, posts := consoleRoutes(t, w)
	rita, olive, ada := w.console("rita", "/console"), w.console("olive", "/console"), w.console("ada", "/console")

	installation := map[string]bool{"/console/keys": true, "/console/audit": true}
	for _, path := range gets {
		path := strings.Replace(path, "/restore", "/restore?revision=0", 1)
		for name, p := range map[string]*page{"rita": rita.b.open(path), "olive": olive.b.open(path), "ada": ada.b.open(path)} {
			want := http.StatusOK
			if installation[path] && name != "ada" {
				want = http.StatusForbidden
			}
			if p.status != want {
				t.Errorf("%s opens %s: %d %s", name, path, p.status, p.text())
			}
		}
		if !strings.Contains(path, "/org/default") {
			continue
		}
		theirs := olive.b.open(strings.Replace(path, "/org/default", "/org/acme", 1))
		none := olive.b.open(strings.Replace(path, "/org/default", "/org/no-such", 1))
		if theirs.status != http.StatusNotFound || none.status != http.StatusNotFound {
			t.Errorf("a foreign organisation's %s: %d, one that is not: %d", path, theirs.status, none.status)
		}
	}

	token := w.post("/api/token", adminToken, `{"name":"script","org":"default","role":"reader"}`).want(t, http.StatusCreated).text(t, "id")
	// Looking is no change.
	looks := []string{"/signout", "/confirm", "/metadata/preview", "/audit/verify"}
	before := w.get("/api/user/jane-id/metadata", adminToken).body + w.get("/api/user/jane-id", adminToken).body + w.get("/api/client", adminToken).body + w.get("/api/token?org=default", adminToken).body
	for _, path := range posts {
		looked := false
		for _, look := range looks {
			looked = looked || strings.HasSuffix(path, look)
		}
		if looked {
			continue
		}
		do := "apply"
		if strings.HasSuffix(path, "/metadata") {
			do = "save"
		}
		p := rita.b.post(path, "token", rita.token(), "version", "1", "revision", "1", "do", do, "id", token, "rows", "1", "key.0", "plan", "kind.0", "text",
			"value.0", "stolen", "claim.0", "1", "user", "x", "username", "x", "slug", "x", "name", "x", "key", "plan", "member", "jane-id",
			"role", "operator", "password", "correct horse rita", "confirmation", janeMail, "preset", "machine", "text", `{"user":"jane","delete":["plan"]}`,
			"back", "/console")
		if p.status != http.StatusForbidden && p.status != http.StatusNotFound && p.status != http.StatusBadRequest {
			t.Errorf("rita posts %s: %d at %s %s", path, p.status, p.url, p.text())
		}
	}
	after := w.get("/api/user/jane-id/metadata", adminToken).body + w.get("/api/user/jane-id", adminToken).body + w.get("/api/client", adminToken).body + w.get("/api/token?org=default", adminToken).body
	if before != after {
		t.Errorf("a reader changed something:\n%s\n%s", before, after)
	}
}

// Rows S-01, S-02, S-03, A-10: what a login at the console is, and when it ends.
func TestConsoleLoginsEnd(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*world, *page){
		"signing out": func(_ *world, p *page) { p.submit("signout").want(http.StatusOK) },
		"disabling": func(w *world, _ *page) {
			w.send("PATCH", "/api/user/olive", adminToken, `{"disabled":true}`).want(w.t, 200)
		},
		"a new password": func(w *world, _ *page) {
			w.put("/api/user/olive/password", adminToken, `{"password":"correct horse olive 2"}`).want(w.t, 204)
		},
		"ending all sessions": func(w *world, _ *page) { w.send("DELETE", "/api/user/olive/session", adminToken, "").want(w.t, 204) },
		"deletion":            func(w *world, _ *page) { w.send("DELETE", "/api/user/olive", adminToken, "").want(w.t, 204) },
		"time":                func(w *world, _ *page) { w.pass(12 * time.Hour) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newConsole(t)
			p := w.console("olive", "/console")
			kept := p.b.client.Jar.Cookies(p.url)
			end(w, p)
			w.clock.Advance(time.Second) // what an instance remembers
			r := httptest.NewRequest(http.MethodGet, inDefault("user"), http.NoBody)
			for _, c := range kept {
				r.AddCookie(c)
			}
			recorder := httptest.NewRecorder()
			w.server.ServeHTTP(recorder, r)
			if recorder.Code != http.StatusSeeOther || !strings.HasPrefix(recorder.Header().Get("Location"), "/oauth/authorize?") {
				t.Errorf("the old cookies: %d %s", recorder.Code, recorder.Header().Get("Location"))
			}
		})
	}
}

func TestConsoleCookies(t *testing.T) {
	t.Parallel()
	w := newConsole(t)
	p := w.console("olive", "/console")
	var console *http.Cookie
	for _, c := range p.b.client.Jar.Cookies(p.url) {
		if c.Name == "__Host-claimsmith-console" {
			console = c
		}
	}
	if console == nil || len(console.Value) > 1000 {
		t.Fatalf("cookies: %v", p.b.client.Jar.Cookies(p.url))
	}
	// Row A-10: it is nothing at the API, and an API token is nothing here.
	w.get("/api/user", "", "Cookie", console.Name+"="+console.Value).want(t, http.StatusUnauthorized)
	w.get("/api/user", console.Value).want(t, http.StatusUnauthorized)
	w.get(inDefault("user"), adminToken).want(t, http.StatusSeeOther)
	// One byte of it changed, or one of another purpose, is none.
	for _, value := range []string{console.Value[1:], console.Value[:40] + "-_" + console.Value[42:], console.Value + "A", "", strings.Repeat("A", 10_000)} {
		w.get(inDefault("user"), "", "Cookie", console.Name+"="+value).want(t, http.StatusSeeOther)
	}
	// A role that is taken counts at once.
	if err := w.app.users.SetRole(t.Context(), auth.System(), auth.DefaultOrg, "olive", ""); err != nil {
		t.Fatal(err)
	}
	if q := p.b.open("/console"); q.status != http.StatusForbidden || q.element("no_role") == nil {
		t.Errorf("without a role: %d %s", q.status, q.text())
	}
}

// Row S-10: what can do most harm needs a login of the last minutes.
func TestConsoleStepUp(t *testing.T) {
	t.Parallel()
	w := newConsole(t)
	ada := w.console("ada", inDefault("user/jane-id"))
	secret := w.post("/api/client", adminToken, `{"client_id":"app","preset":"machine","scopes":["iam/"]}`).want(t, http.StatusCreated)
	if secret.text(t, "client_secret") == "" {
		t.Fatal("no secret")
	}
	w.pass(6 * time.Minute)
	ada.b.open(inDefault("user/jane-id")).wantText("Confirm that it is you")
	for _, path := range []string{
		inDefault("user/jane-id/password"), inDefault("user/jane-id/profile"), inDefault("user/jane-id/factor/reset"), inDefault("client/app"),
		inDefault("user/jane-id/role"), inDefault("user/jane-id/export"), inDefault("user/jane-id/erase"), inDefault("client"),
		inDefault("client/app/secret"), inDefault("token"), inDefault("token/delete"), "/console/keys/rotate", "/console/keys/withdraw",
	} {
		p := ada.b.post(path, "token", ada.token(), "role", "reader", "confirmation", janeMail, "version", "1", "name", "x", "preset", "machine",
			"back", inDefault("user/jane-id"))
		if p.element("login") == nil {
			t.Errorf("%s: %d at %s %s", path, p.status, p.url, p.text())
		}
	}
	w.get("/api/user/jane-id", adminToken).want(t, http.StatusOK)

	// Confirming leads back, to a login with proofs of its own.
	p := ada.b.open(inDefault("user/jane-id")).submit("confirm").submit("login", "username", "ada", "password", operatorPass)
	if p.want(http.StatusOK).url.Path != inDefault("user/jane-id") || p.token() == ada.token() {
		t.Fatalf("at %s: %s", p.url, p.text())
	}
	p.submit("set_role", "role", "reader").wantText("The role was changed.")
	w.get("/api/user/jane-id/role", adminToken).want(t, http.StatusOK)
	if role := w.get("/api/user/jane-id/role", adminToken).text(t, "role"); role != "reader" {
		t.Errorf("the role is %q", role)
	}
	p.b.post(inDefault("user/jane-id/role"), "token", ada.token()).want(http.StatusForbidden)
}

// Where a login leads back to is a page of the console, whatever is said.
func TestConsoleReturnAddresses(t *testing.T) {
	w := newConsole(t)
	p := w.console("olive", "/console")
	for _, back := range []string{"https://evil.example", "//evil.example", "/console/../account", "/console/\\evil", "/account", "/console//evil", "javascript:alert(1)", ""} {
		q := p.b.post("/console/confirm", "token", p.b.open("/console").token(), "back", back)
		if q.status != http.StatusOK || q.url.Path != inDefault("user") {
			t.Errorf("%q leads to %s, %d to %s", back, q.url, q.status, q.location)
		}
	}
	// An answer that nobody here asked for is none.
	w.newBrowser().open("/console/callback?code=x&state=x&iss=" + testIssuer).want(http.StatusBadRequest)
	w.newBrowser().open("/console/callback").want(http.StatusBadRequest)
}
