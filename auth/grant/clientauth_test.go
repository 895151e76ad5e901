package grant_test

import (
	"context"
	"encoding/base64"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/grant"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

// Row O-13, O-14: every way to authenticate against every way a client can be registered for.
func TestClientAuthentication(t *testing.T) {
	w := newWorld(t, redistest.Embedded(t))
	key := newKeyPair(t)
	for _, method := range []string{auth.AuthSecretBasic, auth.AuthSecretPost, ""} {
		w.client("secret"+method, func(c *auth.Client) { c.AuthMethod = method })
	}
	w.client("none", func(c *auth.Client) { c.SecretHash, c.AuthMethod = "", auth.AuthNone })
	w.client("unsaid", public)
	w.client("keysbesides", func(c *auth.Client) { c.AuthMethod, c.KeySet = auth.AuthSecretBasic, key.set(t) })
	w.client("jwt", func(c *auth.Client) { c.SecretHash, c.AuthMethod, c.KeySet = "", auth.AuthPrivateKeyJWT, key.set(t) })
	w.client("keyless", func(c *auth.Client) { c.SecretHash, c.AuthMethod = "", auth.AuthPrivateKeyJWT })
	w.client("disabled", func(c *auth.Client) { c.Disabled = true })

	const none, basic, post = "", auth.AuthSecretBasic, auth.AuthSecretPost
	ways := map[string]func(id string) grant.Credentials{
		"none":      func(id string) grant.Credentials { return grant.Credentials{ClientID: id} },
		"basic":     func(id string) grant.Credentials { return grant.Credentials{id, secret, basic, "", ""} },
		"post":      func(id string) grant.Credentials { return grant.Credentials{id, secret, post, "", ""} },
		"wrong":     func(id string) grant.Credentials { return grant.Credentials{id, secret + "x", basic, "", ""} },
		"empty":     func(id string) grant.Credentials { return grant.Credentials{id, "", basic, "", ""} },
		"assertion": func(id string) grant.Credentials { return w.assertion(key, id, nil) },
		"assertion and id": func(id string) grant.Credentials {
			c := w.assertion(key, id, nil)
			c.ClientID = id
			return c
		},
	}
	accepted := map[string]string{
		"secret" + none: "basic post", "secret" + basic: "basic", "secret" + post: "post",
		"none": "none empty", "unsaid": "none empty", // a Basic header without a secret is none
		"keysbesides": "basic", "jwt": "assertion,assertion and id", "keyless": "", "disabled": "", "missing": "", "": "",
	}
	for id, list := range accepted {
		separator := " "
		if strings.Contains(list, ",") {
			separator = ","
		}
		good := map[string]bool{}
		for _, way := range strings.Split(list, separator) {
			good[way] = true
		}
		for way, credentials := range ways {
			client, err := w.dispatcher.Authenticate(context.Background(), credentials(id))
			switch {
			case good[way] && (err != nil || client.ID != id):
				t.Errorf("%q by %s: %v, error %v", id, way, client, err)
			case !good[way] && (auth.CodeOf(err) != auth.InvalidClient || client != nil):
				t.Errorf("%q by %s: %v, error %v, want invalid_client", id, way, client, err)
			}
		}
	}
	if e := w.audit.Last(); e.Action != "client.authenticate" || e.Reason != string(auth.InvalidClient) {
		t.Errorf("audit %+v", e)
	}

	for name, spoil := range map[string]func(*grant.Credentials){
		"a secret besides": func(c *grant.Credentials) { c.ClientSecret, c.AuthMethod = secret, post },
		"a header besides": func(c *grant.Credentials) { c.AuthMethod = basic },
		"no type":          func(c *grant.Credentials) { c.ClientAssertionType = "" },
		"another type": func(c *grant.Credentials) {
			c.ClientAssertionType = "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"
		},
		"a type and nothing":    func(c *grant.Credentials) { c.ClientAssertion = "" },
		"a type and a password": func(c *grant.Credentials) { c.ClientAssertion, c.ClientID, c.ClientSecret = "", "jwt", secret },
	} {
		c := w.assertion(key, "jwt", nil)
		spoil(&c)
		if _, err := w.dispatcher.Authenticate(context.Background(), c); auth.CodeOf(err) != auth.InvalidRequest {
			t.Errorf("%s: %v, want invalid_request", name, err)
		}
	}
}

// Row O-14.
func TestAssertions(t *testing.T) {
	w := newWorld(t, redistest.Embedded(t))
	ctx := context.Background()
	key, other := newKeyPair(t), newKeyPair(t)
	keyed := func(c *auth.Client) { c.SecretHash, c.AuthMethod, c.KeySet = "", auth.AuthPrivateKeyJWT, key.set(t) }
	w.client("jwt", keyed)
	w.client("twin", keyed)
	w.client("older", func(c *auth.Client) { keyed(c); c.EndpointAudience = true })
	set := func(name string, value any) func(_, payload map[string]any) {
		return func(_, payload map[string]any) { payload[name] = value }
	}
	for name, c := range map[string]grant.Credentials{
		"another key":          w.assertion(other, "jwt", nil),
		"the key's id":         w.assertion(other, "jwt", func(header, _ map[string]any) { header["kid"] = key.jwk.KeyID }),
		"aud as a list":        w.assertion(key, "jwt", set("aud", []string{issuer})),
		"the token endpoint":   w.assertion(key, "jwt", set("aud", tokenURL)),
		"another endpoint":     w.assertion(key, "older", set("aud", issuer+"/oauth/par")),
		"another issuer":       w.assertion(key, "jwt", set("aud", "https://other.example")),
		"the client as aud":    w.assertion(key, "jwt", set("aud", "jwt")),
		"no jti":               w.assertion(key, "jwt", set("jti", "")),
		"a day":                w.assertion(key, "jwt", set("exp", w.clock.Now().Add(24*time.Hour).Unix())),
		"over":                 w.assertion(key, "jwt", set("exp", w.clock.Now().Add(-time.Minute).Unix())),
		"another subject":      w.assertion(key, "jwt", set("sub", "twin")),
		"another maker":        w.assertion(key, "jwt", set("iss", "twin")),
		"another typ":          w.assertion(key, "jwt", func(header, _ map[string]any) { header["typ"] = "dpop+jwt" }),
		"a proof":              {ClientAssertion: w.proof(key, "").Headers[0], ClientAssertionType: w.assertion(key, "jwt", nil).ClientAssertionType},
		"a client that is not": w.assertion(key, "nobody", nil),
		"nonsense":             {ClientAssertion: "x", ClientAssertionType: w.assertion(key, "jwt", nil).ClientAssertionType},
	} {
		client, err := w.dispatcher.Authenticate(ctx, c)
		if auth.CodeOf(err) != auth.InvalidClient || client != nil {
			t.Errorf("%s: %v, error %v", name, client, err)
		}
	}
	for id, aud := range map[string]string{"jwt": issuer, "older": issuer} {
		if _, err := w.dispatcher.Authenticate(ctx, w.assertion(key, id, set("aud", aud))); err != nil {
			t.Errorf("%s: %v", id, err)
		}
	}
	if _, err := w.dispatcher.Authenticate(ctx, w.assertion(key, "older", set("aud", tokenURL))); err != nil {
		t.Errorf("the token endpoint where it is allowed: %v", err)
	}

	// Once, by whomever and in whatever spelling, but only for its own client.
	once := w.assertion(key, "jwt", set("jti", "once"))
	if _, err := w.dispatcher.Authenticate(ctx, once); err != nil {
		t.Fatal(err)
	}
	for _, again := range []grant.Credentials{once, w.assertion(key, "jwt", set("jti", "once"))} {
		if _, err := w.dispatcher.Authenticate(ctx, again); auth.CodeOf(err) != auth.InvalidClient {
			t.Errorf("used twice: %v", err)
		}
	}
	if _, err := w.dispatcher.Authenticate(ctx, w.assertion(key, "twin", set("jti", "once"))); err != nil {
		t.Errorf("another client's jti: %v", err)
	}

	// A client that authenticates by its key has tokens of its own.
	r := grant.Request{GrantType: auth.GrantClientCredentials, Credentials: w.assertion(key, "jwt", nil), Scope: "orders"}
	if tokens := w.token(r); tokens.RefreshToken != "" || tokens.IDToken != "" || claimsOf(t, tokens.AccessToken)["sub"] != "jwt" {
		t.Errorf("tokens %+v", tokens)
	}
	if e := w.audit.Last(); e.Actor != "client:jwt" || e.Target != "client:jwt" {
		t.Errorf("audit %+v", e)
	}
	w.refused("the same assertion for another token", r, auth.InvalidClient)
}

func TestAssertionRace(t *testing.T) {
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		w := newWorld(t, b)
		key := newKeyPair(t)
		w.client("jwt", func(c *auth.Client) { c.SecretHash, c.AuthMethod, c.KeySet = "", auth.AuthPrivateKeyJWT, key.set(t) })
		c := w.assertion(key, "jwt", nil)
		var wg sync.WaitGroup
		var mu sync.Mutex
		won := 0
		for range 16 {
			wg.Go(func() {
				_, err := w.dispatcher.Authenticate(context.Background(), c)
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					won++
				} else if auth.CodeOf(err) != auth.InvalidClient {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if won != 1 {
			t.Errorf("one assertion was good %d times", won)
		}
	})
}

// A secret in the wrong place reaches no log (row P-02).
func TestNothingSecretIsRecorded(t *testing.T) {
	w := newWorld(t, redistest.Embedded(t))
	for _, c := range []grant.Credentials{
		{ClientID: "s3cret-put-in-the-wrong-place"}, {ClientAssertion: "s3cret", ClientAssertionType: "s3cret"},
		{ClientAssertion: "e30." + base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"s3cret"}`)) + ".", ClientAssertionType: "x"},
	} {
		_, _ = w.dispatcher.Token(context.Background(), grant.Request{GrantType: "s3cret", Credentials: c})
		if e := w.audit.Last(); strings.Contains(e.Action+e.Actor+e.Org+e.Target+e.Reason, "s3cret") {
			t.Errorf("recorded %+v", e)
		}
	}
}
