package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/claimsmith/claimsmith/internal/redistest"
)

// pushable is an authorization request that a web client may push.
var pushable = []string{
	"response_type", "code", "redirect_uri", webRedirect, "scope", "openid", "state", "a-state", "nonce", "a-nonce",
	"code_challenge", challengeOf(testVerifier), "code_challenge_method", "S256",
}

// push pushes a request and returns the request_uri.
func (w *world) push(c client, parameters ...string) string {
	w.t.Helper()
	a := w.clientForm("/oauth/par", c, parameters...).want(w.t, http.StatusCreated)
	return a.text(w.t, "request_uri")
}

// pushedURL is the address a client sends a browser to after it has pushed its request.
func pushedURL(client, requestURI string, further ...string) string {
	return testIssuer + "/oauth/authorize?" + encodeForm(append([]string{"client_id", client, "request_uri", requestURI}, further...))
}

func TestPushedRequest(t *testing.T) {
	w := newWorld(t, redistest.Embedded(t).Client)
	shop := client{"shop", w.webClient("shop", `,"first_party":true,"require_par":true`)}
	a := w.clientForm("/oauth/par", shop, pushable...).want(t, http.StatusCreated)
	if body := a.json(t); len(body) != 2 || !strings.HasPrefix(a.text(t, "request_uri"), "urn:ietf:params:oauth:request_uri:") || a.header.Get("Cache-Control") != "no-store" {
		t.Errorf("%v %s", a.header, a.body)
	}
	if lifetime := a.json(t)["expires_in"]; lifetime != json.Number("60") {
		t.Errorf("expires_in is %v", lifetime)
	}
	// What is in the address besides is not looked at (RFC 9126 §4).
	answer := w.newBrowser().open(pushedURL("shop", a.text(t, "request_uri"), "state", "another", "scope", "openid profile", "redirect_uri", "https://evil.example/")).
		signIn().answered()
	if answer.Get("state") != "a-state" || answer.Get("iss") != testIssuer {
		t.Errorf("answer: %v", answer)
	}
	tokens := w.clientForm("/oauth/token", shop, codeRequest(answer.Get("code"))...).want(t, http.StatusOK)
	if tokens.text(t, "scope") != "openid" || claimsOf(t, tokens.text(t, "id_token"))["nonce"] != "a-nonce" {
		t.Errorf("%s", tokens.body)
	}
	// A request that was not pushed is none for this client.
	notPushed := w.newBrowser().open(authorizeURL("shop", webRedirect)).answered()
	if notPushed.Get("error") != "invalid_request" || notPushed.Get("error_description") != "this client must push its requests first (RFC 9126)" {
		t.Errorf("%v", notPushed)
	}
}

// A request_uri is for its client, for a minute, and for one request (row O-23).
func TestPushedRequestIsUsedOnce(t *testing.T) {
	w := newWorld(t, redistest.Embedded(t).Client)
	shop := client{"shop", w.webClient("shop", `,"first_party":true`)}
	other := client{"other", w.webClient("other", `,"first_party":true`)}
	gone := func(what, target string) {
		t.Helper()
		p := w.newBrowser().open(target)
		if p.status != http.StatusBadRequest || p.location != "" || p.element("error") == nil {
			t.Errorf("%s: %d to %q\n%s", what, p.status, p.location, p.text())
		}
	}
	uri := w.push(shop, pushable...)
	gone("another client's", pushedURL("other", uri))
	gone("after another client tried it", pushedURL("shop", uri))

	uri = w.push(shop, pushable...)
	w.newBrowser().open(pushedURL("shop", uri)).want(http.StatusOK)
	gone("used", pushedURL("shop", uri))

	uri = w.push(other, pushable...)
	w.clock.Advance(61 * time.Second)
	gone("old", pushedURL("other", uri))

	for _, wrong := range []string{"", "x", strings.Repeat("A", 43), strings.Repeat("A", 4000), "../../etc"} {
		gone("made up "+wrong, pushedURL("shop", "urn:ietf:params:oauth:request_uri:"+wrong))
	}
	foreign := w.newBrowser().open(authorizeURL("shop", webRedirect, "request_uri", "https://evil.example/request.jwt")).answered()
	if foreign.Get("error") != "request_uri_not_supported" {
		t.Errorf("another's request_uri: %v", foreign)
	}
}

// What the authorization endpoint would refuse is refused when it is pushed, as JSON.
func TestPushedRequestRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Embedded(t).Client)
	shop := client{"shop", w.webClient("shop", "")}
	machine := w.newClient("default", "machine", `"grant_types":["client_credentials"],"scopes":["reports"]`)
	key := w.newSigner("ES256")
	for _, test := range []struct {
		what         string
		client       client
		parameters   []string
		status       int
		code, detail string
	}{
		{"no response_type", shop, without(pushable, "response_type"), 400, "invalid_request", "response_type: response_type is required and can be: code"},
		{"response_type token", shop, with(pushable, "response_type", "token"), 400, "unsupported_response_type", "response_type: response_type can be: code"},
		{"response_type id_token token", shop, with(pushable, "response_type", "id_token token"), 400, "unsupported_response_type", "response_type: response_type can be: code"},
		{"response_mode fragment", shop, with(pushable, "response_mode", "fragment"), 400, "invalid_request", "response_mode: response_mode can be: query, form_post"},
		{"no redirect_uri", shop, without(pushable, "redirect_uri"), 400, "invalid_request", "redirect_uri: redirect_uri is required"},
		{"another redirect_uri", shop, with(pushable, "redirect_uri", webRedirect+"/"), 400, "invalid_request",
			"redirect_uri: it must be exactly one of those registered for this client"},
		{"a foreign redirect_uri", shop, with(pushable, "redirect_uri", "https://evil.example/"), 400, "invalid_request",
			"redirect_uri: it must be exactly one of those registered for this client"},
		{"a request object", shop, with(pushable, "request", "a.b.c"), 400, "request_not_supported", "request: send the parameters themselves"},
		{"a request_uri", shop, with(pushable, "request_uri", "urn:ietf:params:oauth:request_uri:x"), 400, "invalid_request",
			"request_uri: a pushed request cannot refer to another"},
		{"no code_challenge", shop, without(without(pushable, "code_challenge"), "code_challenge_method"), 400, "invalid_request",
			"code_challenge: code_challenge is required (RFC 7636)"},
		{"plain", shop, with(pushable, "code_challenge_method", "plain"), 400, "invalid_request", "code_challenge_method: code_challenge_method must be S256"},
		{"no method", shop, without(pushable, "code_challenge_method"), 400, "invalid_request", "code_challenge_method: code_challenge_method must be S256"},
		{"a challenge of 42 characters", shop, with(pushable, "code_challenge", challengeOf("x")[1:]), 400, "invalid_request", "code_challenge: a SHA-256 in base64url, 43 characters"},
		{"a challenge of 44 characters", shop, with(pushable, "code_challenge", challengeOf("x")+"A"), 400, "invalid_request", "code_challenge: a SHA-256 in base64url, 43 characters"},
		{"a scope it may not have", shop, with(pushable, "scope", "openid admin"), 400, "invalid_scope", "scope: this client may ask for: openid, profile, email, offline_access"},
		{"prompt none with another", shop, with(pushable, "prompt", "none login"), 400, "invalid_request", "prompt: none cannot be combined"},
		{"an unknown prompt", shop, with(pushable, "prompt", "create"), 400, "invalid_request", "prompt: prompt can be: none, login, consent, select_account"},
		{"max_age in words", shop, with(pushable, "max_age", "soon"), 400, "invalid_request", "max_age: a number of seconds"},
		{"a resource", shop, with(pushable, "resource", "https://stock.example"), 400, "invalid_target", "resource: resource is not supported"},
		{"a hint that is no ID token", shop, with(pushable, "id_token_hint", "x"), 400, "invalid_request", "id_token_hint: it is not an ID token of this issuer"},
		{"a thumbprint that is none", shop, with(pushable, "dpop_jkt", "x"), 400, "invalid_request", "dpop_jkt: a SHA-256 in base64url, 43 characters"},
		{"a parameter twice", shop, append(append([]string{}, pushable...), "state", "b"), 400, "invalid_request", "state: the parameter appears more than once"},
		{"a client of another grant", machine, pushable, 400, "invalid_request", "redirect_uri: it must be exactly one of those registered for this client"},
	} {
		refused(t, test.what, w.clientForm("/oauth/par", test.client, test.parameters...), test.status, test.code, test.detail)
	}
	w.clientForm("/oauth/par?"+encodeForm(pushable), shop, pushable...).want(t, http.StatusBadRequest)
	w.post("/oauth/par", "", `{"response_type":"code"}`).want(t, http.StatusUnsupportedMediaType)
	w.get("/oauth/par", "").want(t, http.StatusMethodNotAllowed)
	w.clientForm("/oauth/par", shop, append(append([]string{}, pushable...), "x", strings.Repeat("x", 64<<10))...).want(t, http.StatusRequestEntityTooLarge)

	// A proof binds the code to its key, and has to be the one that is named (RFC 9449 §10.1).
	proved := func(form []string, changes ...change) answer {
		return w.postForm("/oauth/par", form, "Authorization", shop.basic(), "DPoP", key.proof("POST", "/oauth/par", changes...))
	}
	proved(pushable).want(t, http.StatusCreated)
	proved(with(pushable, "dpop_jkt", key.thumbprint())).want(t, http.StatusCreated)
	refused(t, "another key", proved(with(pushable, "dpop_jkt", challengeOf("another"))), 400, "invalid_request",
		"dpop_jkt: it is not the thumbprint of the key of the DPoP proof")
	refused(t, "a proof for the token endpoint", proved(pushable, claim("htu", testIssuer+"/oauth/token")), 400, "invalid_dpop_proof",
		"the DPoP proof is not valid: no proof of possession for this request: htu")
}

// The limit is the client's and the address's.
func TestPushedRequestsAreLimited(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Embedded(t).Client)
	w.webClient("spa", `,"public":true`)
	form := append([]string{"client_id", "spa"}, pushable...)
	for n := 0; ; n++ {
		if n > 200 {
			t.Fatal("not limited")
		}
		a := w.form("/oauth/par", form...)
		if a.status == http.StatusCreated {
			continue
		}
		a.want(t, http.StatusTooManyRequests)
		if a.text(t, "error") != "temporarily_unavailable" || a.header.Get("Retry-After") == "" || n < 100 {
			t.Errorf("after %d: %v %s", n, a.header, a.body)
		}
		break
	}
	w.address = "192.0.2.77:1"
	w.form("/oauth/par", form...).want(t, http.StatusCreated)
}
