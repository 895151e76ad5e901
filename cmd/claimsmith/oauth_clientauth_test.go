package main

import (
	"context"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

// authenticated are the endpoints clients authenticate at, with requests that are answered with another status than 401 once they have.
var authenticated = map[string][]string{
	"/oauth/token":      {"grant_type", "authorization_code", "code", "x"},
	"/connect/token":    {"grant_type", "authorization_code", "code", "x"},
	"/oauth/par":        {"response_type", "code"},
	"/oauth/device":     {"scope", "no-such-scope"},
	"/oauth/introspect": {"token", "x"},
	"/oauth/revoke":     {"token", "x"},
}

const (
	twoMethods  = "use one method of client authentication, not two"
	notThisWay  = "client authentication failed"
	noWayAtAll  = "client authentication is required"
	badHeader   = "the Authorization header must hold form-encoded client credentials as in RFC 6749, section 2.3.1"
	badStatment = "client authentication failed: an assertion must be signed by a key of the client, with iss and sub its client id, aud " +
		testIssuer + ", exp at most 5 minutes ahead, and a jti that is used once"
)

// newKeyClient makes a client that authenticates by assertions of a key.
func (w *world) newKeyClient(id string, s *signer, members string) {
	w.t.Helper()
	w.post("/api/client", adminToken, `{"client_id":"`+id+`","preset":"web","redirect_uris":["`+webRedirect+`"],"token_endpoint_auth_method":"private_key_jwt",
		"jwks":`+s.keySet()+members+`}`).want(w.t, http.StatusCreated)
}

// A client authenticates in the way it is registered for, at every endpoint alike; in any other, or in two, it does not (rows O-13, O-14).
func TestClientAuthentication(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Embedded(t).Client)
	key := w.newSigner("ES256")
	either := client{"either", w.webClient("either", "")}
	basic := client{"basic", w.webClient("basic", `,"token_endpoint_auth_method":"client_secret_basic"`)}
	post := client{"post", w.webClient("post", `,"token_endpoint_auth_method":"client_secret_post"`)}
	w.newKeyClient("key", key, "")
	w.webClient("public", `,"public":true`)

	secret := func(c client) []string { return []string{"client_id", c.id, "client_secret", c.secret} }
	signed := func(id string) []string { return key.signed(id) }
	for _, test := range []struct {
		what, header string
		body         []string
		ok           bool
		status       int
		code, detail string
	}{
		{"either: basic", either.basic(), nil, true, 0, "", ""},
		{"either: basic, the id in the body too", either.basic(), []string{"client_id", "either"}, true, 0, "", ""},
		{"either: post", "", secret(either), true, 0, "", ""},
		{"either: a wrong secret", client{"either", "x"}.basic(), nil, false, 401, "invalid_client", notThisWay},
		{"either: another's secret", client{"either", post.secret}.basic(), nil, false, 401, "invalid_client", notThisWay},
		{"either: a wrong secret in the body", "", secret(client{"either", "x"}), false, 401, "invalid_client", notThisWay},
		{"either: no secret", "", []string{"client_id", "either"}, false, 401, "invalid_client", notThisWay},
		{"either: an empty secret", client{"either", ""}.basic(), nil, false, 401, "invalid_client", notThisWay},
		{"either: an assertion", "", signed("either"), false, 401, "invalid_client", badStatment},
		{"basic: basic", basic.basic(), nil, true, 0, "", ""},
		{"basic: post", "", secret(basic), false, 401, "invalid_client", notThisWay},
		{"post: post", "", secret(post), true, 0, "", ""},
		{"post: basic", post.basic(), nil, false, 401, "invalid_client", notThisWay},
		{"key: an assertion", "", signed("key"), true, 0, "", ""},
		{"key: an assertion and the id", "", append(signed("key"), "client_id", "key"), true, 0, "", ""},
		{"key: an assertion and another id", "", append(signed("key"), "client_id", "either"), false, 401, "invalid_client", badStatment},
		{"key: no assertion", "", []string{"client_id", "key"}, false, 401, "invalid_client", notThisWay},
		{"key: an empty secret", client{"key", ""}.basic(), nil, false, 401, "invalid_client", notThisWay},
		{"public: its id", "", []string{"client_id", "public"}, true, 0, "", ""},
		{"public: a secret", "", secret(client{"public", "x"}), false, 401, "invalid_client", notThisWay},
		{"public: an empty secret", client{"public", ""}.basic(), nil, true, 0, "", ""}, // as libraries send it that know no public clients
		{"public: an assertion", "", signed("public"), false, 401, "invalid_client", badStatment},
		{"unknown", client{"unknown", "x"}.basic(), nil, false, 401, "invalid_client", notThisWay},
		{"unknown, by its id", "", []string{"client_id", "unknown"}, false, 401, "invalid_client", notThisWay},
		{"unknown, by an assertion", "", signed("unknown"), false, 401, "invalid_client", badStatment},
		{"nobody", "", nil, false, 401, "invalid_client", noWayAtAll},
		{"basic and post", either.basic(), secret(either), false, 400, "invalid_request", twoMethods},
		{"basic and another id", either.basic(), []string{"client_id", "basic"}, false, 400, "invalid_request", twoMethods},
		{"basic and an assertion", either.basic(), signed("key"), false, 400, "invalid_request", twoMethods},
		{"post and an assertion", "", append(signed("key"), "client_secret", "x"), false, 400, "invalid_request", twoMethods},
		{"an assertion of no type", "", without(signed("key"), "client_assertion_type"), false, 400, "invalid_request",
			"client_assertion_type: client_assertion_type must be " + assertionType},
		{"an assertion of another type", "", with(signed("key"), "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"), false, 400,
			"invalid_request", "client_assertion_type: client_assertion_type must be " + assertionType},
		{"a type without an assertion", "", []string{"client_id", "public", "client_assertion_type", assertionType}, false, 400, "invalid_request",
			"client_assertion: client_assertion is required"},
		{"no base64", "Basic !!", nil, false, 401, "invalid_client", badHeader},
		{"no colon", "Basic YWJj", nil, false, 401, "invalid_client", badHeader},
		{"half an escape", "Basic " + base64.StdEncoding.EncodeToString([]byte("either:%4")), nil, false, 401, "invalid_client", badHeader},
	} {
		for target, request := range authenticated {
			body := test.body
			if n := len(body); n > 0 && strings.Contains(test.what, "assertion") && !strings.Contains(test.what, "no assertion") && !strings.Contains(test.what, "without") {
				body = fresh(key, body) // each works once
			}
			headers := []string{}
			if test.header != "" {
				headers = []string{"Authorization", test.header}
			}
			a := w.postForm(target, append(append([]string{}, request...), body...), headers...)
			what := test.what + " at " + target
			switch {
			case test.ok && target == "/oauth/introspect" && strings.HasPrefix(test.what, "public"):
				refused(t, what, a, 401, "invalid_client", "a public client may not introspect tokens")
			case test.ok:
				if a.status == http.StatusUnauthorized || strings.Contains(a.body, "invalid_client") {
					t.Errorf("%s: %d %s", what, a.status, a.body)
				}
			default:
				refused(t, what, a, test.status, test.code, test.detail)
			}
		}
	}
}

// fresh is a form with another assertion for the one in it.
func fresh(s *signer, form []string) []string {
	for n := 0; n+1 < len(form); n += 2 {
		if form[n] == "client_assertion" {
			id, _ := jwt.NewParser().Parse(form[n+1], nil)
			subject, _ := id.Claims.GetSubject()
			return with(form, "client_assertion", s.assertion(subject))
		}
	}
	return form
}

// A secret may have every character a header can carry once it is form-encoded (RFC 6749 §2.3.1).
func TestClientSecretsAreFormDecoded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Embedded(t).Client)
	grants, scopes := []string{auth.GrantClientCredentials}, []string{"reports"}
	for n, secret := range []string{"a:b:c", "100%", "a+b c", "é€😀", "%3A", "&=?#", ":", "+"} {
		id := "odd" + string(rune('a'+n))
		_, _, err := w.app.clients.Create(context.Background(), auth.System(), "", auth.NewClient{
			ID: id, Secret: secret, ClientChange: auth.ClientChange{GrantTypes: &grants, Scopes: &scopes},
		})
		if err != nil {
			t.Fatal(err)
		}
		c := client{id, secret}
		w.clientForm("/oauth/token", c, "grant_type", "client_credentials").want(t, http.StatusOK)
		w.form("/oauth/token", "grant_type", "client_credentials", "client_id", id, "client_secret", secret).want(t, http.StatusOK)
		raw := "Basic " + base64.StdEncoding.EncodeToString([]byte(id+":"+secret))
		if a := w.postForm("/oauth/token", []string{"grant_type", "client_credentials"}, "Authorization", raw); strings.ContainsAny(secret, "%+") && a.status != http.StatusUnauthorized {
			t.Errorf("%q as it is: %d %s", secret, a.status, a.body)
		}
	}
}

// An assertion names its client and this issuer alone, lives for minutes and works once (row O-14).
func TestClientAssertions(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Embedded(t).Client)
	grants := `,"grant_types":["client_credentials"],"scopes":["reports"]`
	signers := map[string]*signer{}
	for _, alg := range []string{"ES256", "RS256", "EdDSA"} {
		signers[alg] = w.newSigner(alg)
		w.newKeyClient("key-"+alg, signers[alg], grants)
		form := signers[alg].signed("key-"+alg, "grant_type", "client_credentials")
		w.form("/oauth/token", form...).want(t, http.StatusOK)
		refused(t, "again", w.form("/oauth/token", form...), 401, "invalid_client", badStatment)
		refused(t, "again elsewhere", w.form("/oauth/revoke", append(without(form, "grant_type"), "token", "x")...), 401, "invalid_client", badStatment)
		refused(t, "again, at another instance", w.again().form("/oauth/token", form...), 401, "invalid_client", badStatment)
	}
	s, other := signers["ES256"], w.newSigner("ES256")
	other.public.KeyID = s.public.KeyID
	now := w.clock.Now()
	try := func(assertion string) answer {
		return w.form("/oauth/token", "grant_type", "client_credentials", "client_assertion_type", assertionType, "client_assertion", assertion)
	}
	for what, changes := range map[string][]change{
		"no kid, and only one key of that algorithm": {header("kid", nil)}, "exp in 5 minutes": {claim("exp", now.Add(5*time.Minute).Unix())},
		"no iat": {claim("iat", nil)}, "another typ that is allowed": {header("typ", "client-authentication+jwt")}, "no typ": {header("typ", nil)},
	} {
		if a := try(s.assertion("key-ES256", changes...)); a.status != http.StatusOK {
			t.Errorf("%s: %d %s", what, a.status, a.body)
		}
	}
	for what, changes := range map[string][]change{
		"aud is a list": {claim("aud", []string{testIssuer})}, "aud is the token endpoint": {claim("aud", testIssuer+"/oauth/token")},
		"aud is another issuer": {claim("aud", "https://evil.example")}, "aud with a slash": {claim("aud", testIssuer+"/")},
		"aud among others": {claim("aud", []string{testIssuer, "https://evil.example"})}, "no aud": {claim("aud", nil)}, "an empty aud": {claim("aud", "")},
		"sub is not iss": {claim("iss", "key-RS256")}, "iss is not sub": {claim("sub", "key-RS256")}, "no iss": {claim("iss", nil)}, "no sub": {claim("sub", nil)},
		"no jti": {claim("jti", nil)}, "an empty jti": {claim("jti", "")}, "no exp": {claim("exp", nil)}, "exp is text": {claim("exp", "9999999999")},
		"exp tomorrow": {claim("exp", now.Add(24*time.Hour).Unix())}, "expired": {claim("exp", now.Add(-2*time.Minute).Unix())},
		"iat in an hour": {claim("iat", now.Add(time.Hour).Unix())}, "nbf in an hour": {claim("nbf", now.Add(time.Hour).Unix())},
		"typ of an access token": {header("typ", "at+jwt")}, "typ of a proof": {header("typ", "dpop+jwt")}, "an unknown kid": {header("kid", "other")},
		"crit": {header("crit", []string{"b64"})}, "alg in the header only": {header("alg", "RS256")}, "alg none": {header("alg", "none")},
	} {
		refused(t, what, try(s.assertion("key-ES256", changes...)), 401, "invalid_client", badStatment)
	}
	right := s.assertion("key-ES256")
	pem := s.keySet()
	confused := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"iss": "key-ES256", "sub": "key-ES256", "aud": testIssuer, "jti": "1", "exp": now.Add(time.Minute).Unix()})
	confused.Header["kid"] = s.public.KeyID
	hs256, err := confused.SignedString([]byte(pem))
	if err != nil {
		t.Fatal(err)
	}
	for what, assertion := range map[string]string{
		"by another key": other.assertion("key-ES256"), "of another client": signers["RS256"].assertion("key-ES256"), "tampered with": tampered(right),
		"without its signature": right[:strings.LastIndexByte(right, '.')+1], "a MAC by the public key": hs256, "nonsense": "x", "three dots": "a.b.c.d",
		"an access token": w.login().text(t, "access_token"), "a line break": right + "\n", "long": strings.Repeat("a", 40_000),
	} {
		refused(t, what, try(assertion), 401, "invalid_client", badStatment)
	}
	try(right).want(t, http.StatusOK) // none of these has used it up
	// Libraries that address the token endpoint need a client that is allowed to.
	w.newKeyClient("lenient", s, grants+`,"allow_token_endpoint_audience":true`)
	try(s.assertion("lenient", claim("aud", testIssuer+"/oauth/token"))).want(t, http.StatusOK)
	try(s.assertion("lenient")).want(t, http.StatusOK)
	refused(t, "a list", try(s.assertion("lenient", claim("aud", []string{testIssuer + "/oauth/token"}))), 401, "invalid_client", badStatment)
	refused(t, "another endpoint", try(s.assertion("lenient", claim("aud", testIssuer+"/oauth/par"))), 401, "invalid_client", badStatment)
	if strings.Contains(w.log.String(), right) {
		t.Error("an assertion is in the log")
	}
}

// One assertion authenticates once, however many instances it reaches in the same moment.
func TestClientAssertionRace(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Embedded(t).Client)
	s := w.newSigner("ES256")
	w.newKeyClient("key", s, `,"grant_types":["client_credentials"],"scopes":["reports"]`)
	instances := []*world{w, w.again(), w.again()}
	for range 20 {
		form := s.signed("key", "grant_type", "client_credentials")
		succeeded := 0
		for _, a := range together(12, func(n int) answer { return instances[n%3].form("/oauth/token", form...) }) {
			if a.status == http.StatusOK {
				succeeded++
			}
		}
		if succeeded != 1 {
			t.Fatalf("%d of one assertion", succeeded)
		}
	}
}
