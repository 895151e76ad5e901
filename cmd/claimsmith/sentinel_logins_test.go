package main

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

// The whole of a key is tried as the id of a public client before it is cut: ids may have dots.
func TestSentinelKeysWithDots(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	shop := c.newSentinelApp(acme, "shop", "")
	open := c.newSentinelApp(acme, "shop.open.v2", `,"public":true`)
	between := c.newSentinelApp(acme, "shop.open", "")
	for _, app := range []sentinelApp{shop, open, between} {
		if got := claimsOf(t, c.sentinelLogin(app, c.acme.user))["client_id"]; got != app.id {
			t.Errorf("with the key of %s that is a login to %v", app.id, got)
		}
	}
}

// A login that is of no use here is refused before it is one.
func TestSentinelLoginsAreForThisServer(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	const elsewhere = `"audience":["https://elsewhere.example"]`
	jane := c.acme.user
	body := `{"username":` + quote(jane.username) + `,"password":` + quote(jane.password) + `}`
	w := c.post("/api/client?org=acme", adminToken, `{"client_id":"w","public":true,"first_party":true,
		"grant_types":["password","refresh_token"],"scopes":["profile"],`+elsewhere+`}`).want(t, http.StatusCreated)
	c.keyed("/auth/login", w.text(t, "client_id"), body).
		wantError(t, http.StatusForbidden, "the access tokens of this application are not for this server")
	if n := c.families(t, jane.id); n != 0 {
		t.Errorf("%d logins were made", n)
	}
	// Where openid is asked for the tokens are for this server as well, and /oauth/token does not mind.
	c.sentinelLogin(c.newSentinelApp(acme, "both", `,`+elsewhere), jane)
	c.form("/oauth/token", "grant_type", "password", "client_id", "w", "username", jane.username, "password", jane.password).
		want(t, http.StatusOK)
	if n := c.families(t, jane.id); n != 2 {
		t.Errorf("there are %d logins, want 2", n)
	}
}

// A name that has passed to somebody else leads to him from that moment on, also where another instance has made the change.
func TestSentinelFollowsNamesAtOnce(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	app := c.newSentinelApp(acme, "shop", "")
	other := c.again()
	jane, colleague := c.acme.user, c.acme.other
	bulk := func() answer {
		return c.post("/operator/profile/create-bulk", c.acme.operator,
			`{"profiles":[{"app_id":`+app.number+`,"profile_data":{"a":1},"user_id":"`+jane.username+`"}]}`)
	}
	of := func(a answer) string {
		t.Helper()
		_, id, _ := strings.Cut(a.body, `"user_id":"`)
		id, _, _ = strings.Cut(id, `"`)
		return id
	}
	read := func() answer { return c.get("/operator/users/profile/"+jane.username+"/"+app.number, c.acme.operator) }
	if id := of(bulk().want(t, http.StatusCreated)); id != jane.id {
		t.Fatalf("%s is %s", jane.username, id)
	}
	if id := of(read().want(t, http.StatusOK)); id != jane.id {
		t.Fatalf("%s is %s", jane.username, id)
	}
	other.patch("/api/user/"+jane.id+"?org=acme", adminToken, `{"username":"former"}`).want(t, http.StatusOK)
	other.patch("/api/user/"+colleague.id+"?org=acme", adminToken, `{"username":"`+jane.username+`"}`).want(t, http.StatusOK)
	if got := read(); got.status != http.StatusNotFound {
		t.Errorf("read %d %s", got.status, got.body)
	}
	if id := of(bulk().want(t, http.StatusCreated)); id != colleague.id {
		t.Errorf("wrote to %s, want %s", id, colleague.id)
	}
}

// A request that is repeated too often is told when to come back.
func TestSentinelLoginsAreThrottled(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	app := c.newSentinelApp(acme, "shop", "")
	for range 100 {
		got := c.keyed("/auth/login", app.key, `{"username":"acme-user","password":"wrong"}`)
		if got.status == http.StatusTooManyRequests {
			if got.header.Get("Retry-After") == "" || !strings.HasPrefix(got.body, `{"error":"`) {
				t.Errorf("got %s, Retry-After %q", got.body, got.header.Get("Retry-After"))
			}
			return
		}
		got.want(t, http.StatusUnauthorized)
	}
	t.Error("a hundred wrong passwords were taken")
}

func TestSentinelLoginWithASecondFactor(t *testing.T) {
	w := newWorld(t, redistest.Embedded(t).Client)
	app, _ := w.newBrowser().enrol()
	pass(time.Minute, w) // the code of now has been used
	login := func(password, otp string) answer {
		return w.keyed("/auth/login", auth.LoginClient, `{"email":`+quote(janeMail)+`,"password":`+quote(password)+`,"otp":`+quote(otp)+`}`)
	}
	if got := login(janePass, ""); got.status != http.StatusUnauthorized || !strings.Contains(got.body, "second factor") {
		t.Errorf("without a code: %d %s", got.status, got.body)
	}
	code := w.code(app)
	wrong, both := login("x", code), login("x", "")
	if wrong.status != http.StatusUnauthorized || wrong.body != both.body {
		t.Errorf("a wrong password with a right code: %d %s, without: %s", wrong.status, wrong.body, both.body)
	}
	if got := login(janePass, "000000"); got.status != http.StatusUnauthorized || !strings.Contains(got.body, "otp") {
		t.Errorf("a wrong code: %d %s", got.status, got.body)
	}
	token := login(janePass, code).want(t, http.StatusOK).text(t, "token")
	w.get("/auth/verify", token).want(t, http.StatusOK)
	if got := login(janePass, code); got.status != http.StatusUnauthorized {
		t.Errorf("the code again: %d %s", got.status, got.body)
	}
}
