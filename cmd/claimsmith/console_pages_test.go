package main

import (
	"archive/zip"
	"bytes"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/claimsmith/claimsmith/config"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

// A user from beginning to end.
func TestConsoleUsers(t *testing.T) {
	t.Parallel()
	w := newConsole(t)
	w.post("/api/group", adminToken, `{"slug":"staff","name":"Staff"}`).want(t, http.StatusCreated)
	p := w.console("olive", inDefault("user/new"))
	taken := p.submit("create", "username", "jane", "name", "Another").want(http.StatusConflict)
	if formValues(taken.element("user-form")).Get("name") != "Another" {
		t.Errorf("what was typed is gone: %s", taken.body)
	}
	p = taken.submit("create", "username", "max", "name", "Max", "password", "correct horse max").wantText("The user was created.", "Max")
	id := strings.TrimPrefix(p.url.Path, inDefault("user/"))

	p = p.submit("save_profile", "username", "maxim", "given_name", "Maximilian").wantText("The profile was saved.", "Maximilian", "maxim")
	stale := p
	p = p.submit("save_profile", "locale", "de").wantText("The profile was saved.")
	lost := stale.submit("save_profile", "nickname", "Mäx").want(http.StatusPreconditionFailed)
	if formValues(lost.element("profile-form")).Get("nickname") != "Mäx" {
		t.Errorf("what was typed is gone: %s", lost.text())
	}
	p.submit("save_profile", "website", "javascript:alert(1)").want(http.StatusBadRequest).wantText("an https URL")

	group := ""
	for name := range formValuesAll(p, "groups-form") {
		group = name
	}
	p = p.submit("save_groups", group, "1").wantText("The groups were saved.")
	p.b.open(inDefault("group/staff")).wantText("Max")
	p.b.open(inDefault("user?group=staff")).wantText("Max")
	p.b.open(inDefault("user?handle=max")).wantText("Max")
	if found := p.b.open(inDefault("user?handle=nobody")); found.element("none") == nil {
		t.Errorf("found %s", found.text())
	}

	p.submit("set_password", "password", "short").want(http.StatusBadRequest)
	p = p.submit("set_password", "password", "correct horse maxim").wantText("The password was set.")
	if got := w.get("/api/user/"+id, adminToken).json(t)["password_temporary"]; got != true {
		t.Errorf("temporary: %v", got)
	}
	p = p.submit("disable").wantText("The user was disabled.")
	p = p.submit("enable").wantText("The user was enabled.")
	p = p.submit("end_all").wantText("signed out everywhere")

	p = p.submit("set_role", "role", "reader").wantText("The role was changed.", "Reader")
	p.b.post(inDefault("user/"+id+"/role"), "token", p.token(), "role", "admin").want(http.StatusForbidden)
	archive := p.submit("export").want(http.StatusOK)
	if _, err := zip.NewReader(bytes.NewReader([]byte(archive.body)), int64(len(archive.body))); err != nil {
		t.Errorf("%v: %.100s", err, archive.body)
	}

	ask := p.b.open(inDefault("user/" + id + "/erase"))
	ask.submit("erase_user", "confirmation", "max").want(http.StatusBadRequest).wantText("Nothing was erased")
	ask.submit("erase_user", "confirmation", "maxim").wantText("The user was erased.")
	w.get("/api/user/"+id, adminToken).want(t, http.StatusNotFound)
}

// formValuesAll are all fields of a form, ticked or not.
func formValuesAll(p *page, form string) url.Values {
	values := url.Values{}
	for n := range p.element(form).Descendants() {
		if n.Data == "input" && attribute(n, "type") == "checkbox" {
			values.Set(attribute(n, "name"), attribute(n, "value"))
		}
	}
	return values
}

// Nobody manages who is above him (row A-04).
func TestConsoleOperatorsManageNoAdministrator(t *testing.T) {
	t.Parallel()
	w := newConsole(t)
	p := w.console("olive", inDefault("user/ada-id"))
	for path, fields := range map[string][]string{
		"password": {"password", "correct horse taken"}, "state": {"state", "disabled"}, "role": {"role", ""}, "session/end-all": nil, "factor/reset": nil,
		"profile": {"version", "1", "username", "taken"}, "erase": {"version", "1", "confirmation", "ada"},
	} {
		q := p.b.post(inDefault("user/ada-id/"+path), append(fields, "token", p.token())...)
		if q.status != http.StatusForbidden && q.status != http.StatusPreconditionFailed {
			t.Errorf("%s: %d %s", path, q.status, q.text())
		}
	}
	w.console("ada", "/console").want(http.StatusOK)
}

// A definition is checked before it is applied, and what it finds must be accepted.
func TestConsoleDefinitions(t *testing.T) {
	t.Parallel()
	w := newConsole(t)
	w.put("/api/user/jane-id/metadata/plan", adminToken, `{"value":"gold","profileClaim":true}`).want(t, http.StatusOK)
	p := w.console("olive", inDefault("definition/edit"))
	p.submit("check", "key", "plan", "type", "schema", "schema", "{").want(http.StatusBadRequest)
	p = p.submit("check", "key", "plan", "type", "integer").want(http.StatusOK).wantText("Against the definition 1", "jane-id")
	refused := p.submit("apply").want(http.StatusConflict).wantText("has to be accepted first")
	w.get("/api/metadata-key/plan", adminToken).want(t, http.StatusNotFound)
	refused.submit("apply", "accept_violations", "1").wantText("The definition was applied.", "plan")
	p = p.b.open(inDefault("definition/edit?key=plan"))
	stale := p
	p = p.submit("check", "type", "choice", "choices", "free\r\ngold\r\n", "claim", "always", "default", "free", "searchable", "1", "place.id_token", "1", "all_places", "",
		"description", "What is paid for").want(http.StatusOK).wantText("Against the definition 0")
	p.submit("apply").wantText("The definition was applied.", "What is paid for")
	d := w.get("/api/metadata-key/plan", adminToken).want(t, http.StatusOK).body
	for _, want := range []string{`"enum":["free","gold"]`, `"default":"free"`, `"places":["id_token"]`, `"searchable":true`, `"claim":"always"`, `"clients":null`} {
		if !strings.Contains(d, want) {
			t.Errorf("%s lacks %s", d, want)
		}
	}
	stale.submit("check").submit("apply").want(http.StatusPreconditionFailed)
	p.b.open(inDefault("user?key1=plan&op1=equals&value1=gold")).wantText("Jane Doe")
	if q := p.b.open(inDefault("user?key1=plan&op1=equals&value1=free")); q.element("none") == nil {
		t.Errorf("found %s", q.text())
	}
	p.b.open(inDefault("user?key1=plan&op1=exists")).wantText("Jane Doe")
	p.b.open(inDefault("user?key1=other&op1=exists")).want(http.StatusBadRequest)
	p.b.open(inDefault("definition/edit?key=plan")).submit("delete_definition").wantText("The definition was removed.")
}

func TestConsoleGroups(t *testing.T) {
	t.Parallel()
	w := newConsole(t)
	p := w.console("olive", inDefault("group"))
	p.submit("create_group", "slug", "Not A Slug", "name", "X").want(http.StatusBadRequest)
	p = p.submit("create_group", "slug", "staff", "name", "Staff", "order", "5").wantText("The group was created.", "Staff")
	p.submit("add_member", "member", "nobody").want(http.StatusBadRequest).wantText("There is nobody called nobody.")
	p = p.submit("add_member", "member", janeMail).wantText("The members were changed.", "Jane Doe")
	p = p.submit("save_group", "name", "All staff", "order", "7").wantText("The group was saved.", "All staff", "order 7")
	p.b.post(inDefault("group/staff/member"), "token", p.token(), "member", "jane-id", "do", "leave").wantText("Nobody is in this group.")
	p.submit("delete_group", "confirmation", "x").want(http.StatusBadRequest)
	p.submit("delete_group", "confirmation", "staff").wantText("The group was deleted.")
}

// Secrets are shown once, on the answer itself.
func TestConsoleClientsAndTokens(t *testing.T) {
	t.Parallel()
	w := newConsole(t)
	p := w.console("olive", inDefault("client/new"))
	p.submit("create_client", "preset", "web", "name", "App").want(http.StatusBadRequest).wantText("redirect_uris")
	shown := p.submit("create_client", "preset", "web", "name", "App", "client_id", "app", "redirect_uris", "https://app.example/cb\r\n").want(http.StatusOK)
	secret := shown.element("secret").FirstChild.Data
	if !strings.HasPrefix(secret, "cs_") || shown.header.Get("Cache-Control") != "no-store" {
		t.Errorf("secret %q, %v", secret, shown.header)
	}
	p = p.b.open(inDefault("client/app"))
	if strings.Contains(p.body, secret) {
		t.Error("the secret is shown again")
	}
	p = p.submit("save_client", "name", "The app", "require_par", "1", "scopes", "openid\r\nprofile", "all_keys", "", "claim_keys", "plan").wantText("The client was saved.")
	c := w.get("/api/client/app", adminToken).want(t, http.StatusOK).body
	for _, want := range []string{`"name":"The app"`, `"require_par":true`, `"claim_keys":["plan"]`, `"claims_in":null`, `"scopes":["openid","profile"]`, `"require_pkce":true`} {
		if !strings.Contains(c, want) {
			t.Errorf("%s lacks %s", c, want)
		}
	}
	again := p.submit("renew_secret").want(http.StatusOK)
	if again.element("secret").FirstChild.Data == secret {
		t.Error("the secret is the same")
	}
	p.b.open(inDefault("client/app")).submit("delete_client", "confirmation", "app").wantText("The client was deleted.")
	// What serves all organisations is an administrator's (row A-04).
	p.b.post(inDefault("client/login"), "token", p.token(), "version", "1", "name", "Mine").want(http.StatusForbidden)

	tokens := p.b.open(inDefault("token")).submit("create_token", "name", "script", "role", "operator").want(http.StatusOK)
	text := tokens.element("secret").FirstChild.Data
	w.get("/api/user", text).want(t, http.StatusOK)
	if q := p.b.open(inDefault("token")); strings.Contains(q.body, text) {
		t.Error("the token is shown again")
	}
	tokens.b.post(inDefault("token"), "token", tokens.token(), "name", "x", "role", "admin").want(http.StatusBadRequest)
}

func TestConsoleInstallation(t *testing.T) {
	t.Parallel()
	w := newConsole(t)
	p := w.console("ada", "/console/orgs")
	p = p.submit("create_org", "slug", "acme", "name", "Acme").wantText("The organisation was created.", "Acme")
	p = p.submit("save_settings", "color", "#0b7a4b", "claims_budget", "1024", "history_days", "30").wantText("The settings were saved.")
	p.submit("save_settings", "claims_budget", "many").want(http.StatusBadRequest)
	if org := w.get("/api/org/acme", adminToken).want(t, http.StatusOK).body; !strings.Contains(org, `"claims_budget":1024`) || !strings.Contains(org, `"history_days":30`) {
		t.Error(org)
	}
	p.b.open("/console/org/acme/user").want(http.StatusOK)

	keys := p.b.open("/console/keys").wantText("ES256", "RS256", "EdDSA")
	keys = keys.submit("rotate").wantText("The next keys were made.", "next")
	kid := ""
	for n := range keys.element("keys").Descendants() {
		if n.Data == "input" && attribute(n, "name") == "key" {
			kid = attribute(n, "value")
		}
	}
	keys.b.post("/console/keys/withdraw", "token", keys.token(), "key", kid).wantText("The key was withdrawn.", "withdrawn")

	if err := w.app.recorder.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	own := p.b.open("/console/audit?action=keys.").wantText("keys.rotate", "user:ada-id").submit("verify").want(http.StatusOK)
	if own.element("verified") == nil {
		t.Errorf("not verified: %s", own.text())
	}
	p.b.open(inDefault("audit?actor=user:ada-id&from=2020-01-01&to=2100-01-01&outcome=success")).wantText("authorize")
	p.b.open(inDefault("audit?from=yesterday")).want(http.StatusBadRequest)
}

// A bulk change is tried first; bad lines are named and stop nothing.
func TestConsoleBulk(t *testing.T) {
	t.Parallel()
	w := newConsole(t)
	lines := `{"user":"jane","set":[{"key":"plan","value":"gold","profileClaim":true}]}` + "\n\nnot json\n" + `{"user":"nobody","set":[]}` + "\n" +
		`{"user":"rita","set":[{"key":"plan","value":1.10}]}`
	p := w.console("olive", inDefault("bulk"))
	tried := p.submit("dry_run", "text", lines).want(http.StatusOK).wantText("2 in order", "2 refused", "Trial")
	for _, line := range []string{"3", "4"} {
		found := false
		for n := range tried.element("faults").Descendants() {
			found = found || n.Data == "td" && n.FirstChild != nil && n.FirstChild.Data == line
		}
		if !found {
			t.Errorf("line %s is not named: %s", line, tried.text())
		}
	}
	if got := w.entry("jane-id", "plan"); got != "" {
		t.Errorf("a trial has written %s", got)
	}
	tried.submit("apply").want(http.StatusOK).wantText("2 in order")
	if got := w.entry("jane-id", "plan") + w.entry("rita-id", "plan"); !strings.Contains(got, `"value":"gold","profileClaim":true`) || !strings.Contains(got, `"value":1.10,`) {
		t.Errorf("afterwards: %s", got)
	}
}

// What dev seeds has somebody for the console.
func TestConsoleOfDev(t *testing.T) {
	w := newWorld(t, redistest.Embedded(t).Client)
	if _, err := w.app.seed(t.Context(), &config.Dev{DevPassword: config.NewSecret(janePass)}); err != nil {
		t.Fatal(err)
	}
	w.newBrowser().open("/console").submit("login", "username", demoAdmin, "password", janePass).want(http.StatusOK).wantText("Olive Operator", "New user")
}
