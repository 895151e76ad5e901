package main

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/claimsmith/claimsmith/internal/redistest"
)

// Userinfo tells what the scopes release and what the request asked for by name, by every way a token can be sent, once (RFC 6750 §2).
func TestUserInfo(t *testing.T) {
	w := newWorld(t, redistest.Embedded(t).Client)
	shop := client{"shop", w.webClient("shop", `,"first_party":true`)}
	tokens := w.clientForm("/oauth/token", shop,
		codeRequest(w.codeFor("shop", "scope", "openid", "claims", `{"userinfo":{"name":{"essential":true},"email":null},"id_token":{"email":null}}`))...).want(t, 200)
	access := tokens.text(t, "access_token")
	want := map[string]any{"sub": "jane-id", "org": "default", "name": "Jane Doe", "email": janeMail, "email_verified": nil}
	for what, a := range map[string]answer{
		"GET": w.get("/oauth/userinfo", access), "POST": w.send(http.MethodPost, "/oauth/userinfo", access, ""),
		"form":                 w.form("/oauth/userinfo", "access_token", access),
		"header beside a form": w.postForm("/oauth/userinfo", []string{"x", "y"}, "Authorization", "Bearer "+access),
	} {
		got := a.want(t, http.StatusOK).json(t)
		got["email_verified"] = nil
		delete(want, "claims_rev")
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", what, diff)
		}
		if a.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %v", what, a.header)
		}
	}
	id := claimsOf(t, tokens.text(t, "id_token"))
	if id["email"] != janeMail || id["name"] != nil {
		t.Errorf("ID token: %v", id)
	}
	refused(t, "in both", w.postForm("/oauth/userinfo", []string{"access_token", access}, "Authorization", "Bearer "+access), 400, "invalid_request",
		"access_token: send the access token once, in the header or in the form")
	refused(t, "in the address", w.get("/oauth/userinfo?access_token="+access, ""), 400, "invalid_request",
		"access_token: unknown query parameter; allowed here: none")
	refused(t, "in the address of a POST", w.form("/oauth/userinfo?access_token="+access, "access_token", access), 400, "invalid_request",
		"access_token: unknown query parameter; allowed here: none")
	refused(t, "twice in the form", w.form("/oauth/userinfo", "access_token", access, "access_token", access), 400, "invalid_request",
		"access_token: the parameter appears more than once")
	refused(t, "nowhere", w.get("/oauth/userinfo", ""), 401, "invalid_token", "a bearer token is required in the Authorization header")
	refused(t, "nowhere in the form", w.form("/oauth/userinfo", "x", "y"), 401, "invalid_token", "an access token is required")

	// Claims asked for by name are told after a refresh, too.
	next := w.clientForm("/oauth/token", shop, "grant_type", "refresh_token", "refresh_token", tokens.text(t, "refresh_token")).want(t, http.StatusOK)
	if got := w.get("/oauth/userinfo", next.text(t, "access_token")).want(t, http.StatusOK).json(t); got["name"] != "Jane Doe" {
		t.Errorf("after a refresh: %v", got)
	}
	// It is live.
	b := w.newBrowser()
	access = w.clientForm("/oauth/token", shop, codeRequest(w.codeFrom(b, "shop"))...).want(t, http.StatusOK).text(t, "access_token")
	w.get("/oauth/userinfo", access).want(t, http.StatusOK)
	b.open("/oauth/logout").want(http.StatusOK).submit("logout").want(http.StatusOK)
	refused(t, "after logout", w.get("/oauth/userinfo", access), 401, "invalid_token", "the access token is not valid")
}
