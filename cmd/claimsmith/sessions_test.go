package main

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

// browse logs jane in with a browser and returns what the browser holds.
func (w *world) browse() string {
	w.t.Helper()
	u, _, err := w.app.store.User(context.Background(), "jane-id")
	if err != nil {
		w.t.Fatal(err)
	}
	who := auth.Subject{User: u.ID, Org: "default", AuthTime: w.clock.Now(), AMR: []string{"pwd"}, ACR: "1", Epoch: u.Epoch}
	_, text, err := w.app.sessions.Start(context.Background(), who, nil, "a browser", "192.0.2.9")
	if err != nil {
		w.t.Fatal(err)
	}
	return text
}

func (w *world) wantSession(text string, want bool) {
	w.t.Helper()
	sess, err := w.app.sessions.Resolve(context.Background(), text, "192.0.2.9")
	if err != nil || (sess != nil) != want {
		w.t.Errorf("the session is %+v, %v; want one: %v", sess, err, want)
	}
}

// What is ended at one node has ended at all (row S-03).
func TestSessionsThroughTheAPI(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Embedded(t).Client)
	node := instance(t, w.in, w.clock)
	first := w.browse()
	pass(time.Minute, w, node)
	second := w.browse()
	tokens := w.login()
	self := tokens.text(t, "access_token")

	list := node.get("/api/user/me/session", self).want(t, http.StatusOK).json(t)["sessions"].([]any)
	if len(list) != 2 {
		t.Fatalf("%d sessions", len(list))
	}
	latest := list[0].(map[string]any)
	id, _ := latest["id"].(string)
	now := w.clock.Now().Format(time.RFC3339)
	if diff := cmp.Diff(map[string]any{
		"id": id, "created_at": now, "auth_time": now, "seen_at": now, "amr": []any{"pwd"}, "agent": "a browser", "address": "192.0.2.9",
		"expires_at": w.clock.Now().Add(testSettings().Sessions.Absolute).Format(time.RFC3339),
	}, latest); diff != "" {
		t.Errorf("session (-want +got):\n%s", diff)
	}
	node.delete("/api/user/me/session/"+id, self).want(t, http.StatusNoContent)
	node.delete("/api/user/me/session/"+id, self).want(t, http.StatusNotFound)
	for _, n := range []*world{w, node} {
		n.wantSession(first, true)
		n.wantSession(second, false)
	}

	node.delete("/api/user/jane/session", adminToken).want(t, http.StatusNoContent)
	pass(time.Second, w, node)
	w.wantSession(first, false)
	w.refresh(tokens.text(t, "refresh_token")).want(t, http.StatusBadRequest)
	w.get("/api/user/me", self).want(t, http.StatusUnauthorized)
	if list := w.get("/api/user/jane/session", adminToken).json(t)["sessions"].([]any); len(list) != 0 {
		t.Errorf("sessions are left: %v", list)
	}
	w.login()
}

// An operator lets somebody in with a password that is good for nothing but choosing another one (row L-13).
func TestTemporaryPasswords(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Embedded(t).Client)
	ctx := context.Background()
	temporary := func() bool {
		t.Helper()
		return w.get("/api/user/new", adminToken).want(t, http.StatusOK).json(t)["password_temporary"].(bool)
	}
	refused := func(password string) {
		t.Helper()
		a := w.post("/login", "", `{"username":"new","password":"`+password+`"}`).want(t, http.StatusBadRequest)
		if a.text(t, "error") != "invalid_grant" || !strings.Contains(a.text(t, "error_description"), "temporary") {
			t.Errorf("the answer is %s", a.body)
		}
		wrong := w.post("/login", "", `{"username":"new","password":"not the password"}`).want(t, http.StatusBadRequest)
		if unknown := w.post("/login", "", `{"username":"nobody","password":"not the password"}`); wrong.body != unknown.body {
			t.Errorf("a wrong password is told from nobody's: %s", wrong.body)
		}
	}
	choose := func(current, password string) {
		t.Helper()
		p := auth.NewPassword{Current: current, Password: password}
		if err := w.app.users.SetPassword(ctx, auth.Person("new-id", "default"), "", "me", p); err != nil {
			t.Fatal(err)
		}
	}
	letIn := func(password string) {
		t.Helper()
		w.post("/login", "", `{"username":"new","password":"`+password+`"}`).want(t, http.StatusOK)
	}

	w.post("/api/user", adminToken, `{"id":"new-id","username":"new","password":"a first password","temporary":true}`).want(t, http.StatusCreated)
	if !temporary() {
		t.Error("the user does not show it")
	}
	refused("a first password")
	choose("a first password", "a password of his own")
	if temporary() {
		t.Error("it stays after the user's own choice")
	}
	letIn("a password of his own")

	w.put("/api/user/new/password", adminToken, `{"password":"a second password","temporary":true}`).want(t, http.StatusNoContent)
	refused("a second password")
	w.patch("/api/user/new", adminToken, `{"profile":{"name":"New"}}`).want(t, http.StatusOK)
	if !temporary() {
		t.Error("another change takes it away")
	}
	w.put("/api/user/new/password", adminToken, `{"password":"a third password"}`).want(t, http.StatusNoContent)
	letIn("a third password")

	self := w.login().text(t, "access_token")
	a := w.put("/api/user/me/password", self, `{"password":"another of her own","current_password":"`+janePass+`","temporary":true}`)
	if a.want(t, http.StatusBadRequest); !strings.Contains(a.body, `"temporary":`) {
		t.Errorf("the answer is %s", a.body)
	}
	w.login()
	w.post("/api/user", adminToken, `{"username":"other","temporary":true}`).want(t, http.StatusBadRequest)
}

func TestLooksOfOrganisations(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Embedded(t).Client)
	long := "https://acme.example/" + strings.Repeat("x", 1024-len("https://acme.example/"))
	for body, want := range map[string]string{
		`{"logo_url":"https://acme.example/logo.svg","color":"#1A5fB4"}`: "https://acme.example/logo.svg #1a5fb4",
		`{"logo_url":"https://acme.example:8443/a%20b/~x?y=1&z"}`:        "https://acme.example:8443/a%20b/~x?y=1&z ",
		`{"logo_url":"` + long + `"}`:                                    long + " ",
		`{"logo_url":"","color":""}`:                                     " ",
	} {
		w.patch("/api/org/default", adminToken, `{"logo_url":"","color":""}`).want(t, http.StatusOK)
		w.patch("/api/org/default", adminToken, body).want(t, http.StatusOK)
		a := w.get("/api/org/default", adminToken)
		if got := a.text(t, "logo_url") + " " + a.text(t, "color"); got != want {
			t.Errorf("%s: %s", body, got)
		}
	}
	w.post("/api/org", adminToken, `{"slug":"acme","logo_url":"https://acme.example/logo.svg","color":"#000000"}`).want(t, http.StatusCreated)
	for member, values := range map[string][]string{
		"logo_url": {
			"http://acme.example/logo.svg", "//acme.example/logo.svg", "/logo.svg", "javascript:alert(1)", "data:image/svg+xml,x", "https://",
			"https:///logo.svg", "https://acme.example", "https://u:p@acme.example/logo.svg", "https://acme.example/logo.svg#x",
			"https://acme.example/a b", "https://acme.example/a;b", "https://acme.example/a,b", `https://acme.example/a'b`, `https://acme.example/<b>`,
			"https://acme.example;script-src/logo.svg", "https://[::1]/logo.svg", "https://äcme.example/logo.svg", "https://acme.example/\\u000a",
			"https://acme.example:99999999/logo.svg", "https://acme.example/%zz", long + "x",
		},
		"color": {"#fff", "#1a5fb4ff", "1a5fb4", "red", "#1a5fbg", "#1a5fb4;", "url(x)", " #1a5fb4"},
	} {
		for _, value := range values {
			a := w.patch("/api/org/acme", adminToken, `{"`+member+`":"`+value+`"}`)
			if a.status != http.StatusBadRequest || !strings.Contains(a.body, `"`+member+`"`) {
				t.Errorf("%s %q: %d %s", member, value, a.status, a.body)
			}
		}
	}
}
