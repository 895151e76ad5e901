package main

import (
	"net/http"
	"testing"
	"time"

	"github.com/claimsmith/claimsmith/internal/redistest"
)

const webRedirect = "https://app.example/callback"

// webClient makes a confidential client of preset web and returns its secret. Further members of the request follow a comma.
func (w *world) webClient(id, members string) string {
	w.t.Helper()
	return w.post("/api/client", adminToken, `{"client_id":"`+id+`","preset":"web","redirect_uris":["`+webRedirect+`"]`+members+`}`).
		want(w.t, http.StatusCreated).text(w.t, "client_secret")
}

// redeem exchanges a code of a web client.
func (w *world) redeem(client, secret, code string, more ...string) answer {
	w.t.Helper()
	return w.form("/oauth/token", append([]string{
		"grant_type", "authorization_code", "client_id", client, "client_secret", secret, "code", code, "redirect_uri", webRedirect,
		"code_verifier", testVerifier,
	}, more...)...)
}

// A login in a browser, from the application's first redirect to its last token, over every store.
func TestCodeFlow(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, r redistest.Backend) {
		w := newWorld(t, r.Client)
		w.put("/api/user/jane/metadata/theme", adminToken, `{"value":"Dark Mode","profileClaim":true}`).want(t, http.StatusOK)
		secret := w.webClient("shop", "")
		b := w.newBrowser()
		page := b.open(authorizeURL("shop", webRedirect)).want(http.StatusOK).signIn().want(http.StatusOK)
		answer := page.submit("approve").answered()
		if answer.Get("state") != "a-state" || answer.Get("iss") != testIssuer {
			t.Fatalf("answer: %v", answer)
		}
		tokens := w.redeem("shop", secret, answer.Get("code")).want(t, http.StatusOK)
		id := claimsOf(t, tokens.text(t, "id_token"))
		if id["nonce"] != "a-nonce" || id["metadata_theme"] != "Dark Mode" || id["sub"] != "jane-id" || id["acr"] != "1" {
			t.Errorf("ID token: %v", id)
		}
		if access := claimsOf(t, tokens.text(t, "access_token")); access["metadata_theme"] != "Dark Mode" {
			t.Errorf("access token: %v", access)
		}
		w.get("/oauth/userinfo", tokens.text(t, "access_token")).want(t, http.StatusOK)
		// The browser is logged in and has consented: nobody is asked again.
		again := b.open(authorizeURL("shop", webRedirect, "prompt", "none")).answered()
		second := claimsOf(t, w.redeem("shop", secret, again.Get("code")).want(t, http.StatusOK).text(t, "id_token"))
		if second["auth_time"] != id["auth_time"] || second["sub"] != id["sub"] {
			t.Errorf("silent login: %v after %v", second, id)
		}
	})
}

// A session that ran out of time can still be logged out of: what was opened from it ends then.
func TestLogoutAfterTheSessionTimedOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Embedded(t).Client)
	secret := w.webClient("shop", `,"first_party":true,"post_logout_redirect_uris":["https://app.example/bye"]`)
	b := w.newBrowser()
	code := b.open(authorizeURL("shop", webRedirect)).signIn().answered().Get("code")
	tokens := w.redeem("shop", secret, code).want(t, http.StatusOK)
	refresh := func(token string) answer {
		return w.form("/oauth/token", "grant_type", "refresh_token", "client_id", "shop", "client_secret", secret, "refresh_token", token)
	}

	pass(13*time.Hour, w) // longer than a session may be idle
	if answer := b.open(authorizeURL("shop", webRedirect, "prompt", "none")).answered(); answer.Get("error") != "login_required" {
		t.Fatalf("after the session's time: %v", answer)
	}
	tokens = refresh(tokens.text(t, "refresh_token")).want(t, http.StatusOK)
	// Without a hint nobody can be asked whether he means it, and nothing ends.
	b.open("/oauth/logout").want(http.StatusOK)
	refresh(tokens.text(t, "refresh_token")).want(t, http.StatusOK)

	b = w.newBrowser()
	code = b.open(authorizeURL("shop", webRedirect)).signIn().answered().Get("code")
	tokens = w.redeem("shop", secret, code).want(t, http.StatusOK)
	pass(13*time.Hour, w)
	page := b.open("/oauth/logout?id_token_hint=" + tokens.text(t, "id_token") + "&post_logout_redirect_uri=https://app.example/bye")
	if page.location != "https://app.example/bye" {
		t.Fatalf("logout leads to %q: %s", page.location, page.text())
	}
	refresh(tokens.text(t, "refresh_token")).want(t, http.StatusBadRequest)
}

// What a client may no longer ask for, userinfo no longer tells it, also for tokens it has (row O-08).
func TestUserInfoFollowsTheClient(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Embedded(t).Client)
	secret := w.webClient("shop", `,"first_party":true,"scopes":["openid","profile","email"]`)
	code := w.newBrowser().open(authorizeURL("shop", webRedirect)).signIn().answered().Get("code")
	token := w.redeem("shop", secret, code).want(t, http.StatusOK).text(t, "access_token")
	if info := w.get("/oauth/userinfo", token).want(t, http.StatusOK).json(t); info["email"] != janeMail || info["name"] != "Jane Doe" {
		t.Fatalf("before: %v", info)
	}
	w.patch("/api/client/shop", adminToken, `{"scopes":["openid","profile"]}`).want(t, http.StatusOK)
	if info := w.get("/oauth/userinfo", token).want(t, http.StatusOK).json(t); info["email"] != nil || info["name"] != "Jane Doe" {
		t.Errorf("after: %v", info)
	}
}
