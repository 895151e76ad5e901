package main

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/claimsmith/claimsmith/internal/redistest"
)

const (
	wrongCode     = "the code is not valid, or it is not this client's"
	usedCode      = "the code is not valid, or it has been used"
	wrongRedirect = "redirect_uri must be that of the authorization request"
	wrongVerifier = "code_verifier must be the 43 to 128 characters the code_challenge was made of"
	noChallenge   = "there was no code_challenge in the authorization request"
)

// A code is its client's, with the redirect URI and the verifier of the request; whatever is wrong, it stays as it is (rows O-03, O-04).
func TestCodeRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Embedded(t).Client)
	shop := client{"shop", w.webClient("shop", `,"first_party":true`)}
	w.patch("/api/client/shop", adminToken, `{"redirect_uris":["`+webRedirect+`","https://app.example/other"]}`).want(t, http.StatusOK)
	other := client{"other", w.webClient("other", `,"first_party":true`)}
	w.webClient("open", `,"first_party":true,"public":true`)
	plain := client{"plain", w.webClient("plain", `,"first_party":true,"require_pkce":false`)}
	machine := w.newClient("default", "machine", `"grant_types":["client_credentials"],"scopes":["reports"]`)
	code := w.codeFor("shop")
	right := codeRequest(code)
	as := func(c client, parameters ...string) answer { return w.clientForm("/oauth/token", c, parameters...) }

	for _, test := range []struct {
		what         string
		got          answer
		status       int
		code, detail string
	}{
		{"no code", as(shop, without(right, "code")...), 400, "invalid_request", "code: code is required"},
		{"another client", as(other, right...), 400, "invalid_grant", wrongCode},
		{"a public client", w.form("/oauth/token", append(right, "client_id", "open")...), 400, "invalid_grant", wrongCode},
		{"its id alone", w.form("/oauth/token", append(right, "client_id", "shop")...), 401, "invalid_client", notThisWay},
		{"nobody", w.form("/oauth/token", right...), 401, "invalid_client", noWayAtAll},
		{"a client of another grant", as(machine, right...), 400, "unauthorized_client", "this client may not use this grant type"},
		{"no redirect_uri", as(shop, without(right, "redirect_uri")...), 400, "invalid_grant", wrongRedirect},
		{"another of its redirect URIs", as(shop, with(right, "redirect_uri", "https://app.example/other")...), 400, "invalid_grant", wrongRedirect},
		{"a redirect URI with something added", as(shop, with(right, "redirect_uri", webRedirect+"?x=1")...), 400, "invalid_grant", wrongRedirect},
		{"no verifier", as(shop, without(right, "code_verifier")...), 400, "invalid_grant", wrongVerifier},
		{"another verifier", as(shop, with(right, "code_verifier", strings.Repeat("a", 43))...), 400, "invalid_grant", wrongVerifier},
		{"the challenge as verifier", as(shop, with(right, "code_verifier", challengeOf(testVerifier))...), 400, "invalid_grant", wrongVerifier},
		{"a verifier of 42 characters", as(shop, with(right, "code_verifier", testVerifier[:42])...), 400, "invalid_grant", wrongVerifier},
		{"a verifier of 129 characters", as(shop, with(right, "code_verifier", strings.Repeat("a", 129))...), 400, "invalid_grant", wrongVerifier},
		{"a verifier with a plus", as(shop, with(right, "code_verifier", testVerifier+"+")...), 400, "invalid_grant", wrongVerifier},
		{"a resource", as(shop, with(right, "resource", "https://stock.example")...), 400, "invalid_target", resourceRefused},
		{"cut", as(shop, with(right, "code", code[:len(code)-1])...), 400, "invalid_grant", notThisCode},
		{"longer", as(shop, with(right, "code", code+"A")...), 400, "invalid_grant", notThisCode},
		{"tampered with", as(shop, with(right, "code", tampered(code))...), 400, "invalid_grant", notThisCode},
		{"in capitals", as(shop, with(right, "code", strings.ToUpper(code))...), 400, "invalid_grant", notThisCode},
		{"a refresh token", as(shop, with(right, "code", w.login().text(t, "refresh_token"))...), 400, "invalid_grant", notThisCode},
		{"nonsense", as(shop, with(right, "code", "x")...), 400, "invalid_grant", notThisCode},
		{"a verifier where there was no challenge", as(plain, codeRequest(w.codeFor("plain", "code_challenge", "", "code_challenge_method", ""))...), 400,
			"invalid_grant", noChallenge},
		{"the code twice", as(shop, append(right, "code", code)...), 400, "invalid_request", "code: the parameter appears more than once"},
	} {
		refused(t, test.what, test.got, test.status, test.code, test.detail)
	}
	tokens := as(shop, right...).want(t, http.StatusOK)
	// Using it again with something wrong ends nothing; using it again rightly ends what it began (row O-05).
	refused(t, "again, with another verifier", as(shop, with(right, "code_verifier", strings.Repeat("a", 43))...), 400, "invalid_grant", wrongVerifier)
	refused(t, "again, by another client", as(other, right...), 400, "invalid_grant", wrongCode)
	w.get("/oauth/userinfo", tokens.text(t, "access_token")).want(t, http.StatusOK)
	refused(t, "again", as(shop, right...), 400, "invalid_grant", usedCode)
	w.get("/oauth/userinfo", tokens.text(t, "access_token")).want(t, http.StatusUnauthorized)
	refused(t, "its refresh token", as(shop, "grant_type", "refresh_token", "refresh_token", tokens.text(t, "refresh_token")), 400, "invalid_grant",
		"the refresh token is not valid")
	pass(30*time.Second, w)
	w.get("/oauth/userinfo", tokens.text(t, "access_token")).want(t, http.StatusUnauthorized)
	if log := w.log.String(); strings.Contains(log, code) || strings.Contains(log, testVerifier) || !strings.Contains(log, `"reason":"replay"`) {
		t.Error("the log has the code or its verifier, or has not noticed the replay")
	}
}

// A code is good for a minute, or as long as its client's policy says.
func TestCodesExpire(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Embedded(t).Client)
	for _, test := range []struct {
		id, members  string
		within, past time.Duration
	}{{"minute", "", 59 * time.Second, 61 * time.Second}, {"short", `,"code_lifetime":5`, 4 * time.Second, 6 * time.Second}} {
		c := client{test.id, w.webClient(test.id, `,"first_party":true`+test.members)}
		late, early := w.codeFor(test.id), w.codeFor(test.id)
		pass(test.within, w)
		w.clientForm("/oauth/token", c, codeRequest(early)...).want(t, http.StatusOK)
		pass(test.past-test.within, w)
		refused(t, test.id, w.clientForm("/oauth/token", c, codeRequest(late)...), 400, "invalid_grant", usedCode)
	}
}

// Between a code and its tokens the world may change: what has ended by then gets nothing.
func TestCodesOfWhatHasEnded(t *testing.T) {
	for what, end := range map[string]func(*world, *browser){
		"the user is disabled": func(w *world, _ *browser) {
			w.patch("/api/user/jane-id", adminToken, `{"disabled":true}`).want(t, http.StatusOK)
		},
		"the user is gone": func(w *world, _ *browser) { w.delete("/api/user/jane-id", adminToken).want(t, http.StatusNoContent) },
		"another password": func(w *world, _ *browser) {
			w.put("/api/user/jane-id/password", adminToken, `{"password":"another horse altogether"}`).want(t, http.StatusNoContent)
		},
		"the client lost the grant": func(w *world, _ *browser) {
			w.patch("/api/client/shop", adminToken, `{"grant_types":["client_credentials"]}`).want(t, http.StatusOK)
		},
		"the client is disabled": func(w *world, _ *browser) {
			w.patch("/api/client/shop", adminToken, `{"disabled":true}`).want(t, http.StatusOK)
		},
		"the user signed out": func(_ *world, b *browser) {
			b.open("/oauth/logout").want(http.StatusOK).submit("logout").want(http.StatusOK)
		},
	} {
		t.Run(what, func(t *testing.T) {
			w := newWorld(t, redistest.Embedded(t).Client)
			shop := client{"shop", w.webClient("shop", `,"first_party":true`)}
			b := w.newBrowser()
			code := w.codeFrom(b, "shop")
			end(w, b)
			a := w.clientForm("/oauth/token", shop, codeRequest(code)...)
			want := map[string]string{"the client lost the grant": "unauthorized_client", "the client is disabled": "invalid_client"}[what]
			if want == "" {
				want = "invalid_grant"
			}
			if a.text(t, "error") != want || a.text(t, "access_token") != "" {
				t.Errorf("%d %s, want %s", a.status, a.body, want)
			}
			for line := range strings.Lines(w.log.String()) {
				if strings.Contains(line, `"token.authorization_code"`) && strings.Contains(line, `"outcome":"success"`) {
					t.Errorf("the log tells of a success: %s", line)
				}
			}
		})
	}
}

// One code gives one client one set of tokens, however many instances it reaches in the same moment; whoever is second ends the first.
func TestCodeRace(t *testing.T) {
	w := newWorld(t, redistest.Embedded(t).Client)
	shop := client{"shop", w.webClient("shop", `,"first_party":true`)}
	instances := []*world{w, w.again(), w.again()}
	b := w.newBrowser()
	for range 10 {
		form := codeRequest(w.codeFrom(b, "shop"))
		access := ""
		for _, a := range together(16, func(n int) answer { return instances[n%3].clientForm("/oauth/token", shop, form...) }) {
			switch {
			case a.status == http.StatusOK && access == "":
				access = a.text(t, "access_token")
			case a.status == http.StatusOK:
				t.Fatal("two successes")
			default:
				refused(t, "all others", a, 400, "invalid_grant", usedCode)
			}
		}
		if access == "" {
			t.Fatal("no success")
		}
		w.get("/oauth/userinfo", access).want(t, http.StatusUnauthorized)
	}
}
