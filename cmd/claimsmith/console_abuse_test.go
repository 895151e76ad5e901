package main

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/config"
)

// How an operator logs in himself is not for whoever finds his console open.
func TestConsoleChangesNoLoginOfItsOwnUser(t *testing.T) {
	t.Parallel()
	w := newConsole(t)
	p := w.console("olive", inDefault("user/olive-id"))
	p.wantText("Your own password")
	for _, name := range []string{"olive-id", "olive"} {
		p.b.post(inDefault("user/"+name+"/password"), "token", p.token(), "password", "correct horse taken").
			want(http.StatusForbidden).wantText("changed at /account")
		p.b.post(inDefault("user/"+name+"/factor/reset"), "token", p.token()).want(http.StatusForbidden).wantText("changed at /account")
	}
	w.console("olive", "/console").want(http.StatusOK)
	p.b.post(inDefault("user/jane-id/password"), "token", p.token(), "password", "correct horse given").wantText("password was set")
}

// unread is a body that must not be asked for.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("the body is read")
	return 0, errors.New("unread")
}

// Nothing is read of what nobody sends, and only who had a login is shown again what he typed.
func TestConsoleLostForms(t *testing.T) {
	t.Parallel()
	w := newConsole(t)
	_, posts := consoleRoutes(t, w)
	for _, path := range append(posts, "/account/preferences") {
		for _, cookie := range []string{"", "__Host-claimsmith-console=" + strings.Repeat("A", 200)} {
			r := httptest.NewRequest(http.MethodPost, path, unread{t})
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set("Sec-Fetch-Site", "same-origin")
			r.Header.Set("Cookie", cookie)
			recorder := httptest.NewRecorder()
			w.server.ServeHTTP(recorder, r)
			if recorder.Code != http.StatusForbidden && recorder.Code != http.StatusSeeOther {
				t.Errorf("%s: %d", path, recorder.Code)
			}
		}
	}
	p := w.console("olive", inDefault("user/jane-id"))
	w.pass(12 * time.Hour)
	p.b.post(inDefault("user/jane-id/profile"), "token", p.token(), "nickname", "typed before").want(http.StatusForbidden).wantText("typed before")
	long := p.b.post(inDefault("user/jane-id/profile"), "token", p.token(), "nickname", strings.Repeat("typed ", 20_000)).want(http.StatusForbidden)
	if len(long.body) > 64<<10 {
		t.Errorf("%d bytes are sent back", len(long.body))
	}
}

// What somebody is elsewhere is for those who look after that organisation.
func TestConsoleListHidesRolesOfElsewhere(t *testing.T) {
	t.Parallel()
	w := newConsole(t)
	w.post("/api/org", adminToken, `{"slug":"acme","name":"Acme"}`).want(t, http.StatusCreated)
	w.post("/api/user?org=acme", adminToken, `{"id":"zed-id","username":"zed"}`).want(t, http.StatusCreated)
	w.send(http.MethodPatch, "/api/user/zed-id?org=acme", adminToken, `{"orgs":["acme","default"]}`).want(t, http.StatusOK)
	if err := w.app.users.SetRole(t.Context(), auth.System(), "acme", "zed", auth.RoleReader); err != nil {
		t.Fatal(err)
	}
	if list := w.console("olive", inDefault("user?handle=zed")).wantText("zed"); strings.Contains(list.text(), "Reader") {
		t.Errorf("olive sees %s", list.text())
	}
	w.console("ada", inDefault("user?handle=zed")).wantText("zed", "Reader")
}

func TestConsoleTokensEndWhenSaid(t *testing.T) {
	t.Parallel()
	w := newConsole(t)
	p := w.console("olive", inDefault("token"))
	for _, days := range []string{"", "-1", "+1", "1.5", "1e3", "36501", "4294967296", "99999999999999999999", "soon"} {
		p.submit("create_token", "name", "script", "role", "reader", "days", days).want(http.StatusBadRequest).wantText("36500")
	}
	p.submit("create_token", "name", "script", "role", "reader", "days", " 36500 ").want(http.StatusOK)
	p.submit("create_token", "name", "script", "role", "reader", "days", "0").want(http.StatusOK)
}

// The client of the console is nobody's to make or to remove.
func TestConsoleClientIsReserved(t *testing.T) {
	t.Parallel()
	w := newConsole(t)
	client := "/api/client/" + auth.ConsoleClient
	w.send(http.MethodDelete, client, adminToken, "").want(t, http.StatusForbidden)
	w.get(client, adminToken).want(t, http.StatusOK)
	a := w.post("/api/client", adminToken, `{"client_id":"`+auth.ConsoleClient+`","preset":"machine"}`).want(t, http.StatusConflict)
	if !strings.Contains(a.body, "operator console") {
		t.Error(a.body)
	}
}

// Whatever a token says, a terminal obeys nothing of it (row M-16).
func TestInspectedTokensAreShownHarmless(t *testing.T) {
	t.Parallel()
	w := newConsole(t)
	server := httptest.NewServer(w.server)
	defer server.Close()
	part := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	evil := "a\u009b31m\u202eb\u2066c\u200fd\u007fe\u061c"
	token := part(`{"alg":"ES256","typ":"at+jwt","kid":"`+evil+`\u001b]0;x\u0007"}`) + "." +
		part(`{"`+evil+`\u001b[2J":"`+evil+`\u001b[2J\r\n","list":["`+evil+`\u001b"],"object":{"a":"`+evil+`"},"mixed":[1,"`+evil+`"]}`) + "." + part("x")
	var out strings.Builder
	c := &config.TokensInspect{Text: token}
	c.URL, c.Token, c.Output = server.URL, config.NewSecret(adminToken), tableOutput
	if err := runTokensInspect(t.Context(), c, strings.NewReader(""), &out); err == nil || out.Len() == 0 {
		t.Fatalf("a token nobody signed: %v, %s", err, out.String())
	}
	checkHarmless(t, out.String())

	out.Reset()
	preview := `{"tokens":{"access_token":{"claims":{"x":"` + evil + `"},"bytes":1,"size":1}},"diff":[{"claim":"` + evil + `","tokens":["` + evil + `"]}],
		"entries":[{"key":"` + evil + `","source":"user","value":"` + evil + `","shown":["` + evil + `"],"reasons":{"id_token":"` + evil + `"}}]}`
	if err := printPreview(&out, tableOutput, []byte(preview)); err != nil {
		t.Fatal(err)
	}
	checkHarmless(t, out.String())
}

func checkHarmless(t *testing.T, text string) {
	t.Helper()
	if !strings.Contains(text, "\ufffd") {
		t.Errorf("nothing was made harmless in %q", text)
	}
	for _, r := range text {
		if r < ' ' && r != '\n' || 0x7f <= r && r <= 0x9f || strings.ContainsRune("\u061c\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069", r) {
			t.Errorf("%U is in %q", r, text)
		}
	}
}
