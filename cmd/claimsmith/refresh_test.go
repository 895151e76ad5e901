package main

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/claimsmith/claimsmith/internal/redistest"
)

func refreshToken(t testing.TB, a answer) string {
	t.Helper()
	return a.want(t, http.StatusOK).text(t, "refresh_token")
}

// Whose answer was lost asks again and gets the same successor; whoever comes later, or with an older token, ends the family (row O-07).
func TestRefreshGrace(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		w := newWorld(t, b.Client)
		second := w.again()
		dead := func(tokens ...string) {
			t.Helper()
			for _, token := range tokens {
				for _, at := range []*world{w, second} {
					at.refresh(token).want(t, http.StatusBadRequest)
				}
			}
		}

		login := w.login()
		first := login.text(t, "refresh_token")
		next := refreshToken(t, w.refresh(first))
		if next == first {
			t.Fatal("the token did not change")
		}
		pass(2*time.Second, w, second)
		if again := refreshToken(t, second.refresh(first)); again != next {
			t.Error("the same request got another successor")
		}
		pass(27*time.Second, w, second)
		if again := refreshToken(t, w.refresh(first)); again != next {
			t.Error("the same request got another successor after 29 s")
		}
		// Asking again does not begin the grace again.
		pass(time.Second, w, second)
		second.refresh(first).want(t, http.StatusBadRequest)
		dead(next, first)
		w.get("/oauth/userinfo", login.text(t, "access_token")).want(t, http.StatusUnauthorized)
		if !strings.Contains(w.log.String()+second.log.String(), `"action":"token.refresh_token","outcome":"denied","reason":"replay"`) {
			t.Error("no audit event tells of the replay")
		}

		// A grandparent ends the family at once, however young it is.
		first = w.login().text(t, "refresh_token")
		next = refreshToken(t, w.refresh(first))
		third := refreshToken(t, w.refresh(next))
		second.refresh(first).want(t, http.StatusBadRequest)
		dead(third, next, first)

		// Once the successor was used the predecessor is a grandparent, also within the same second and after a restart.
		first = w.login().text(t, "refresh_token")
		next = refreshToken(t, w.refresh(first))
		third = refreshToken(t, w.refresh(next))
		if again := refreshToken(t, w.again().refresh(next)); again != third {
			t.Error("after a restart there was another successor")
		}
		w.again().refresh(first).want(t, http.StatusBadRequest)
		dead(third, next)

		// The families of other logins are untouched.
		first = w.login().text(t, "refresh_token")
		w.refresh(first).want(t, http.StatusOK)
	})
}

// A refused refresh says the same whatever the reason.
func TestRefusedRefreshesAreAlike(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	first := c.loginAs(c.acme.user, "").text(t, "refresh_token")
	next := refreshToken(t, c.refresh(first))
	refreshToken(t, c.refresh(next))
	replayed := c.refresh(first)
	t.Log(replayed.body)
	same(t, "ended", c.refresh(next), replayed)
	same(t, "nonsense", c.refresh("cs_rt_x.y.z"), replayed)
	revoked := c.loginAs(c.acme.user, "").text(t, "refresh_token")
	c.form("/oauth/revoke", "client_id", "login", "token", revoked).want(t, http.StatusOK)
	same(t, "revoked", c.refresh(revoked), replayed)
	same(t, "a JWT", c.refresh(c.acme.machineToken), replayed)
	foreign := c.loginAs(c.acme.user, "").text(t, "refresh_token")
	c.post("/api/client?org=acme", adminToken, `{"client_id":"acme-app","public":true,"grant_types":["refresh_token"]}`).want(t, http.StatusCreated)
	same(t, "another client's", c.refreshBy("acme-app", foreign), replayed)
	c.delete("/api/user/acme-user-id", c.acme.operator).want(t, http.StatusNoContent)
	same(t, "a deleted user's", c.refresh(foreign), replayed)
}

// A refresh token is its client's, its scope only narrows, and its end is absolute (row O-09).
func TestRefreshBounds(t *testing.T) {
	t.Parallel()
	b := redistest.Embedded(t)
	c := newCast(t, b)
	for _, id := range []string{"acme-app", "acme-app-2"} {
		c.post("/api/client?org=acme", adminToken, `{"client_id":"`+id+`","public":true,"first_party":true,
			"grant_types":["password","refresh_token"],"scopes":["openid","email","profile"]}`).want(t, http.StatusCreated)
	}
	login := c.loginAs(c.acme.user, `,"client_id":"acme-app","scope":"openid email"`)
	token := login.text(t, "refresh_token")
	for _, id := range []string{"acme-app-2", "login"} {
		c.refreshBy(id, token).want(t, http.StatusBadRequest)
	}
	by := func(scope string) answer {
		return c.form("/oauth/token", "grant_type", "refresh_token", "client_id", "acme-app", "refresh_token", token, "scope", scope)
	}
	for _, wider := range []string{"openid profile", "profile", "openid email profile", "iam/", "openid phone", "OPENID"} {
		if a := by(wider).want(t, http.StatusBadRequest); a.text(t, "error") != "invalid_scope" {
			t.Errorf("scope %q: %s", wider, a.body)
		}
	}
	narrowed := by("email").want(t, http.StatusOK)
	if claimsOf(t, narrowed.text(t, "access_token"))["scope"] != "email" || narrowed.text(t, "id_token") != "" {
		t.Errorf("narrowed to %s", narrowed.body)
	}
	token = narrowed.text(t, "refresh_token")
	whole := by("").want(t, http.StatusOK) // RFC 6749 §6: the grant keeps its scope
	before, after := claimsOf(t, login.text(t, "access_token")), claimsOf(t, whole.text(t, "access_token"))
	for _, name := range []string{"iss", "sub", "aud", "auth_time", "sid", "org", "scope", "acr"} {
		if before[name] != after[name] {
			t.Errorf("%s changed from %v to %v", name, before[name], after[name])
		}
	}
	if before["jti"] == after["jti"] {
		t.Error("jti stayed the same")
	}

	// Used every 20 days it ends after 90, unused after 30.
	const day = 24 * time.Hour
	live := func(d time.Duration) {
		b.FastForward(d)
		pass(d, c.world)
	}
	token = c.loginAs(c.acme.user, "").text(t, "refresh_token")
	for range 4 {
		live(20 * day)
		token = refreshToken(t, c.refresh(token))
	}
	live(10*day - time.Second)
	token = refreshToken(t, c.refresh(token))
	live(time.Second)
	c.refresh(token).want(t, http.StatusBadRequest)
	for age, status := range map[time.Duration]int{30*day - time.Second: http.StatusOK, 30 * day: http.StatusBadRequest} {
		token = c.loginAs(c.acme.user, "").text(t, "refresh_token")
		live(age)
		c.refresh(token).want(t, status)
	}
}

// What is written since the last token is in the next, and what is gone is not (row M-11).
func TestRefreshReadsTheWorldAnew(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	second := c.again()
	tokens := c.loginAs(c.acme.user, "")
	step := func(name, value string) {
		t.Helper()
		if value == "" {
			c.delete("/api/user/acme-user-id/metadata/"+name, c.acme.operator).want(t, http.StatusNoContent)
		} else {
			c.put("/api/user/acme-user-id/metadata/"+name, c.acme.operator, `{"value":`+value+`,"profileClaim":true}`).want(t, http.StatusOK)
		}
		access := tokens.text(t, "access_token")
		for _, w := range []*world{c.world, second} {
			for where, live := range map[string]map[string]any{
				"userinfo": w.get("/oauth/userinfo", access).want(t, 200).json(t), "introspection": w.introspectAs(adminToken, access).want(t, 200).json(t),
			} {
				if got := live["metadata_"+name]; got == nil != (value == "") {
					t.Errorf("%s shows metadata_%s %v", where, name, got)
				}
			}
		}
		tokens = second.refresh(tokens.text(t, "refresh_token")).want(t, http.StatusOK)
		for _, kind := range []string{"access_token", "id_token"} {
			if got := claimsOf(t, tokens.text(t, kind))["metadata_"+name]; got == nil != (value == "") {
				t.Errorf("%s has metadata_%s %v", kind, name, got)
			}
		}
	}
	step("theme", `"dark"`)
	step("level", `9007199254740993`)
	step("theme", "")
	step("level", "")
}
