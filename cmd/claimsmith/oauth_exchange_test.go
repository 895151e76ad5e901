package main

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claimsmith/claimsmith/internal/redistest"
)

const (
	gatewayAudience = "https://gateway.example"
	stockAudience   = "https://stock.example"
	archiveAudience = "https://archive.example"
	badSubject      = "subject_token: the subject token must be a live access token of a user, issued to this client or with it or its audience in aud"
)

// chain is a world with services that call each other for jane: she logs in at an application whose tokens are for the gateway, which gets
// tokens for the stock service, which gets tokens for the archive.
type chain struct {
	*world
	app, gateway, stock client
}

func newChain(t *testing.T) *chain {
	w := newWorld(t, redistest.Embedded(t).Client)
	w.put("/api/user/jane/metadata/theme", adminToken, `{"value":"Dark Mode","profileClaim":true}`).want(t, http.StatusOK)
	service := `"grant_types":["` + exchangeGrant + `","client_credentials"],`
	return &chain{
		w,
		w.newClient("default", "app", `"first_party":true,"grant_types":["password","refresh_token"],"scopes":["openid","stock:read","stock:write"],
			"audience":["`+gatewayAudience+`"]`),
		w.newClient("default", "gateway", service+`"scopes":["stock:read","stock:write","report"],"audience":["`+gatewayAudience+`"],
			"exchange_audiences":["`+stockAudience+`"]`),
		w.newClient("default", "stock", service+`"scopes":["stock:read"],"audience":["`+stockAudience+`"],"exchange_audiences":["`+archiveAudience+`"],
			"claim_keys":[]`),
	}
}

// subject logs jane in at the application.
func (c *chain) subject() answer {
	c.t.Helper()
	return c.clientForm("/oauth/token", c.app, "grant_type", "password", "username", janeMail, "password", janePass).want(c.t, http.StatusOK)
}

// exchangeRequest are the parameters of an exchange for the stock service.
func exchangeRequest(subject string) []string {
	return []string{"grant_type", exchangeGrant, "subject_token", subject, "subject_token_type", accessType, "audience", stockAudience}
}

func TestExchange(t *testing.T) {
	c := newChain(t)
	login := c.subject()
	subject := login.text(t, "access_token")
	before := claimsOf(t, subject)
	pass(4*time.Minute, c.world)

	a := c.clientForm("/oauth/token", c.gateway, exchangeRequest(subject)...).want(t, http.StatusOK)
	body := a.json(t)
	delete(body, "access_token")
	want := map[string]any{ // no refresh token, no ID token, and no later end
		"token_type": "Bearer", "issued_token_type": accessType, "expires_in": json.Number("360"), "scope": "stock:read stock:write",
	}
	if diff := cmp.Diff(want, body); diff != "" {
		t.Error(diff)
	}
	first := a.text(t, "access_token")
	got := claimsOf(t, first)
	for _, name := range []string{"sub", "org", "sid", "auth_time", "amr", "acr", "exp", "metadata_theme"} {
		if diff := cmp.Diff(before[name], got[name]); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	if got["aud"] != stockAudience || got["client_id"] != "gateway" || got["jti"] == before["jti"] {
		t.Errorf("%v", got)
	}
	if diff := cmp.Diff(map[string]any{"sub": "gateway"}, got["act"]); diff != "" {
		t.Error(diff)
	}

	// The chain of actors grows, the claims are those the actor may see.
	second := c.clientForm("/oauth/token", c.stock, with(exchangeRequest(first), "audience", archiveAudience)...).want(t, http.StatusOK)
	got = claimsOf(t, second.text(t, "access_token"))
	if got["scope"] != "stock:read" || got["aud"] != archiveAudience || got["metadata_theme"] != nil {
		t.Errorf("%v", got)
	}
	if diff := cmp.Diff(map[string]any{"sub": "stock", "act": map[string]any{"sub": "gateway"}}, got["act"]); diff != "" {
		t.Error(diff)
	}
	if asked := c.introspect(c.stock, first).json(t); asked["active"] != true || cmp.Diff(map[string]any{"sub": "gateway"}, asked["act"]) != "" {
		t.Errorf("introspection: %v", asked)
	}
	c.get("/oauth/userinfo", first).want(t, http.StatusUnauthorized) // it is not for this issuer

	narrow := c.clientForm("/oauth/token", c.gateway, with(exchangeRequest(subject), "scope", "stock:read")...).want(t, http.StatusOK)
	if narrow.text(t, "scope") != "stock:read" {
		t.Errorf("%s", narrow.body)
	}
	key := c.newSigner("ES256")
	bound := c.postForm("/oauth/token", exchangeRequest(subject), "Authorization", c.gateway.basic(), "DPoP", key.proof("POST", "/oauth/token")).want(t, http.StatusOK)
	if cnf, _ := claimsOf(t, bound.text(t, "access_token"))["cnf"].(map[string]any); cnf["jkt"] != key.thumbprint() || bound.text(t, "token_type") != "DPoP" {
		t.Errorf("%s", bound.body)
	}

	// They all end with the login.
	c.clientForm("/oauth/revoke", c.app, "token", login.text(t, "refresh_token")).want(t, http.StatusOK)
	for _, token := range []string{first, bound.text(t, "access_token"), narrow.text(t, "access_token")} {
		if a := c.introspect(c.stock, token); a.body != inactive {
			t.Errorf("after the end of the login: %s", a.body)
		}
	}
	refused(t, "after the end of the login", c.clientForm("/oauth/token", c.stock, with(exchangeRequest(first), "audience", archiveAudience)...), 400, "invalid_request", badSubject)
}

// Only a live token of a user, which the client may use, for an audience it may call, with no more than it has (row O-22).
func TestExchangeRefusals(t *testing.T) {
	c := newChain(t)
	login := c.subject()
	subject := login.text(t, "access_token")
	stranger := c.newClient("default", "stranger", `"grant_types":["`+exchangeGrant+`"],"scopes":["stock:read"],"exchange_audiences":["`+stockAudience+`"]`)
	c.post("/api/org", adminToken, `{"slug":"acme"}`).want(t, http.StatusCreated)
	foreign := c.newClient("acme", "foreign", `"grant_types":["`+exchangeGrant+`"],"scopes":["stock:read"],"audience":["`+gatewayAudience+`"],"exchange_audiences":["`+stockAudience+`"]`)
	own := c.clientForm("/oauth/token", c.gateway, "grant_type", "client_credentials", "scope", "report").want(t, http.StatusOK).text(t, "access_token")
	revoked := c.subject().text(t, "access_token")
	c.clientForm("/oauth/revoke", c.app, "token", revoked).want(t, http.StatusOK)
	right := exchangeRequest(subject)

	for _, test := range []struct {
		what         string
		client       client
		parameters   []string
		code, detail string
	}{
		{"no subject token", c.gateway, without(right, "subject_token"), "invalid_request", "subject_token: subject_token is required"},
		{"an empty one", c.gateway, with(right, "subject_token", ""), "invalid_request", "subject_token: subject_token is required"},
		{"no type", c.gateway, without(right, "subject_token_type"), "invalid_request", "subject_token_type: subject_token_type must be " + accessType},
		{"the type of an ID token", c.gateway, with(right, "subject_token_type", "urn:ietf:params:oauth:token-type:id_token"), "invalid_request",
			"subject_token_type: subject_token_type must be " + accessType},
		{"the type of any JWT", c.gateway, with(right, "subject_token_type", "urn:ietf:params:oauth:token-type:jwt"), "invalid_request",
			"subject_token_type: subject_token_type must be " + accessType},
		{"a refresh token is wanted", c.gateway, with(right, "requested_token_type", "urn:ietf:params:oauth:token-type:refresh_token"), "invalid_request",
			"requested_token_type: requested_token_type must be " + accessType},
		{"an actor token", c.gateway, with(with(right, "actor_token", subject), "actor_token_type", accessType), "invalid_request",
			"actor_token: actor_token is not supported: the client itself is the actor"},
		{"the type of an actor token alone", c.gateway, with(right, "actor_token_type", accessType), "invalid_request",
			"actor_token: actor_token is not supported: the client itself is the actor"},
		{"a resource", c.gateway, with(right, "resource", stockAudience), "invalid_target", resourceRefused},
		{"no audience", c.gateway, without(right, "audience"), "invalid_request", "audience: audience is required"},
		{"another audience", c.gateway, with(right, "audience", archiveAudience), "invalid_target", "audience: this client may exchange tokens for: " + stockAudience},
		{"this issuer", c.gateway, with(right, "audience", testIssuer), "invalid_target", "audience: this client may exchange tokens for: " + stockAudience},
		{"the API", c.gateway, with(right, "audience", testIssuer+"/api"), "invalid_target", "audience: this client may exchange tokens for: " + stockAudience},
		{"two audiences", c.gateway, append(append([]string{}, right...), "audience", archiveAudience), "invalid_request", "audience: the parameter appears more than once"},
		{"a scope it may not have", c.gateway, with(right, "scope", "admin"), "invalid_scope", "scope: this client may ask for: stock:read, stock:write, report"},
		{"a scope the subject has not", c.gateway, with(right, "scope", "report"), "invalid_scope", "scope: of the subject token this client may have: stock:read, stock:write"},
		{"a scope of the user's", c.gateway, with(right, "scope", "openid"), "invalid_scope", "scope: this client may ask for: stock:read, stock:write, report"},
		{"a token for somebody else", stranger, right, "invalid_request", badSubject},
		{"a token of another organisation", foreign, right, "invalid_request", badSubject},
		{"a client's own token", c.gateway, with(right, "subject_token", own), "invalid_request", badSubject},
		{"an ID token", c.gateway, with(right, "subject_token", login.text(t, "id_token")), "invalid_request", badSubject},
		{"a refresh token", c.gateway, with(right, "subject_token", login.text(t, "refresh_token")), "invalid_request", badSubject},
		{"an API token", c.gateway, with(right, "subject_token", adminToken), "invalid_request", badSubject},
		{"a revoked token", c.gateway, with(right, "subject_token", revoked), "invalid_request", badSubject},
		{"a token that was tampered with", c.gateway, with(right, "subject_token", tampered(subject)), "invalid_request", badSubject},
		{"nonsense", c.gateway, with(right, "subject_token", "x"), "invalid_request", badSubject},
		{"a client of other grants", c.app, right, "unauthorized_client", "this client may not use this grant type"},
	} {
		refused(t, test.what, c.clientForm("/oauth/token", test.client, test.parameters...), http.StatusBadRequest, test.code, test.detail)
	}
	c.clientForm("/oauth/token", c.gateway, right...).want(t, http.StatusOK)
	c.clientForm("/oauth/token", c.app, "grant_type", "refresh_token", "refresh_token", login.text(t, "refresh_token")).want(t, http.StatusOK)

	pass(11*time.Minute, c.world)
	refused(t, "an expired token", c.clientForm("/oauth/token", c.gateway, right...), 400, "invalid_request", badSubject)
	again := c.subject().text(t, "access_token")
	c.patch("/api/user/jane-id", adminToken, `{"disabled":true}`).want(t, http.StatusOK)
	refused(t, "a disabled user's token", c.clientForm("/oauth/token", c.gateway, exchangeRequest(again)...), 400, "invalid_request", badSubject)
}
