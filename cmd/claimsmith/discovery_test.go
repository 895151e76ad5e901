package main

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/claims"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

const discoveryGolden = "testdata/discovery.json"

// The discovery document is exactly the one that was looked at, at both of its addresses.
func TestDiscoveryDocument(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Embedded(t).Client)
	openID := w.get("/.well-known/openid-configuration", "").want(t, http.StatusOK)
	same(t, "OAuth's", w.get("/.well-known/oauth-authorization-server", ""), openID)
	if openID.header.Get("Content-Type") != "application/json" || openID.header.Get("Cache-Control") != "public, max-age=300" {
		t.Errorf("%v", openID.header)
	}
	text, err := json.MarshalIndent(json.RawMessage(openID.body), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(discoveryGolden, append(text, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	golden, err := os.ReadFile(discoveryGolden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(golden), string(text)+"\n"); diff != "" {
		t.Errorf("-golden +served (go test -run TestDiscoveryDocument -update):\n%s", diff)
	}
}

// What the discovery document names is served.
func TestDiscoveryIsTrue(t *testing.T) {
	w := newWorld(t, redistest.Embedded(t).Client)
	document := w.get("/.well-known/openid-configuration", "").want(t, http.StatusOK).json(t)
	list := func(name string) (values []string) {
		all, _ := document[name].([]any)
		for _, v := range all {
			values = append(values, v.(string))
		}
		if len(values) == 0 {
			t.Errorf("%s is empty", name)
		}
		return values
	}
	for name, value := range document {
		address, ok := value.(string)
		if !ok || name == "issuer" {
			continue
		}
		path, found := strings.CutPrefix(address, testIssuer)
		method := http.MethodPost
		if name == "jwks_uri" {
			method = http.MethodGet
		}
		if a := w.send(method, path, "", "", "Content-Type", formType); !found || a.status == http.StatusNotFound || a.status == http.StatusMethodNotAllowed {
			t.Errorf("%s is %s, which answers %d", name, address, a.status)
		}
	}

	// Every grant type is known, and none besides.
	machine := w.newClient("default", "machine", `"grant_types":["client_credentials"],"scopes":["reports"]`)
	for _, grantType := range list("grant_types_supported") {
		if a := w.clientForm("/oauth/token", machine, "grant_type", grantType); a.text(t, "error") == "unsupported_grant_type" {
			t.Errorf("%s: %s", grantType, a.body)
		}
	}
	for _, grantType := range []string{"implicit", "urn:ietf:params:oauth:grant-type:jwt-bearer", "urn:openid:params:grant-type:ciba"} {
		refused(t, grantType, w.clientForm("/oauth/token", machine, "grant_type", grantType), 400, "unsupported_grant_type", "this grant type is not served")
	}

	// Every algorithm signs what it is said to sign.
	for _, alg := range list("token_endpoint_auth_signing_alg_values_supported") {
		s := w.newSigner(alg)
		w.newKeyClient("key-"+alg, s, `,"grant_types":["client_credentials"],"scopes":["reports"]`)
		w.form("/oauth/token", s.signed("key-"+alg, "grant_type", "client_credentials")...).want(t, http.StatusOK)
	}
	for _, alg := range list("dpop_signing_alg_values_supported") {
		s := w.newSigner(alg)
		w.postForm("/oauth/token", []string{"grant_type", "client_credentials"}, "Authorization", machine.basic(), "DPoP", s.proof("POST", "/oauth/token")).
			want(t, http.StatusOK)
	}
	for _, alg := range list("id_token_signing_alg_values_supported") {
		w.post("/api/client", adminToken, `{"client_id":"id-`+alg+`","public":true,"first_party":true,"grant_types":["password"],"scopes":["openid"],"id_token_alg":"`+alg+`"}`).
			want(t, http.StatusCreated)
		if got := headerOf(t, w.try(janeMail, janePass, `,"client_id":"id-`+alg+`"`).want(t, http.StatusOK).text(t, "id_token"))["alg"]; got != alg {
			t.Errorf("an ID token by %v, not %s", got, alg)
		}
	}

	// Every scope, response mode, prompt and acr is taken, and no other scope or mode.
	w.webClient("shop", `,"first_party":true,"scopes":["openid","profile","email","phone","address","offline_access","`+auth.ScopeUserMetadata+`"]`)
	b := w.newBrowser()
	b.open(authorizeURL("shop", webRedirect)).signIn()
	answered := func(parameters ...string) url.Values {
		return b.open(authorizeURL("shop", webRedirect, parameters...)).answered()
	}
	if answer := answered("scope", strings.Join(list("scopes_supported"), " ")); answer.Get("code") == "" {
		t.Errorf("scopes: %v", answer)
	}
	for n, scope := range list("scopes_supported") {
		w.post("/api/client", adminToken, `{"client_id":"scope-`+strconv.Itoa(n)+`","public":true,"scopes":["`+scope+`"]}`).want(t, http.StatusCreated)
	}
	if modes := list("response_modes_supported"); !slices.Equal(modes, []string{"query", "form_post"}) {
		t.Errorf("%v", modes)
	}
	if posted := b.open(authorizeURL("shop", webRedirect, "response_mode", "form_post")); posted.status != http.StatusOK || posted.element("code") == nil && !strings.Contains(posted.body, `name="code"`) {
		t.Errorf("form_post: %d\n%s", posted.status, posted.body)
	}
	if answer := answered("response_mode", "fragment"); answer.Get("error") != "invalid_request" {
		t.Errorf("fragment: %v", answer)
	}
	for _, prompt := range list("prompt_values_supported") {
		if p := b.open(authorizeURL("shop", webRedirect, "prompt", prompt)); p.status >= http.StatusBadRequest || strings.Contains(p.location, "error=") {
			t.Errorf("prompt %s: %d %s", prompt, p.status, p.location)
		}
	}
	if answer := answered("acr_values", strings.Join(list("acr_values_supported"), " ")); answer.Get("code") == "" {
		t.Errorf("acr_values: %v", answer)
	}
	for _, locale := range list("ui_locales_supported") {
		p := w.newBrowser().open(authorizeURL("shop", webRedirect, "ui_locales", locale)).want(http.StatusOK)
		if p.header.Get("Content-Language") != locale {
			t.Errorf("ui_locales %s: %s", locale, p.header.Get("Content-Language"))
		}
	}

	// No member of a profile is missing, and nothing is told that is none.
	supported := list("claims_supported")
	for _, name := range supported {
		if !claims.Reserved(name) {
			t.Errorf("%s is no claim", name)
		}
	}
	access := w.try(janeMail, janePass, "").want(t, http.StatusOK)
	for _, body := range []map[string]any{claimsOf(t, access.text(t, "id_token")), w.get("/oauth/userinfo", access.text(t, "access_token")).json(t)} {
		for name := range body {
			if !slices.Contains(supported, name) && name != "at_hash" {
				t.Errorf("%s is told and not named", name)
			}
		}
	}
	if answer := answered("request", "a.b.c"); answer.Get("error") != "request_not_supported" {
		t.Errorf("request: %v", answer)
	}
}
