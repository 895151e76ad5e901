package grant_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/grant"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

// boundTo returns the thumbprint an access token is bound to, "" for none.
func boundTo(t testing.TB, token string) string {
	t.Helper()
	cnf, _ := claimsOf(t, token)["cnf"].(map[string]any)
	jkt, _ := cnf["jkt"].(string)
	return jkt
}

func TestTokensAreBound(t *testing.T) {
	w := newWorld(t, redistest.Embedded(t))
	ctx := context.Background()
	key, other := newKeyPair(t), newKeyPair(t)
	w.client("web", func(c *auth.Client) { c.RequireDPoP = true })
	w.client("free", nil)

	r := request("web", w.code("web", nil))
	w.refused("without a proof", r, auth.InvalidProof)
	r.Proof = w.proof(key, "")
	twice := r
	tokens := w.token(r)
	if tokens.TokenType != auth.TokenDPoP || boundTo(t, tokens.AccessToken) != key.thumbprint {
		t.Errorf("type %s, bound to %s", tokens.TokenType, boundTo(t, tokens.AccessToken))
	}
	twice.Code = w.code("web", nil)
	w.refused("the proof again", twice, auth.InvalidProof)
	twice.Proof = w.proof(key, "")
	twice.Proof.Headers = append(twice.Proof.Headers, w.proof(key, "").Headers...)
	w.refused("two proofs", twice, auth.InvalidProof)
	twice.Proof.Headers = []string{""}
	w.refused("an empty proof", twice, auth.InvalidProof)
	twice.Proof = w.proof(key, tokens.AccessToken)
	twice.Proof.Method, twice.Proof.URL = "POST", tokenURL
	w.refused("a proof for userinfo", twice, auth.InvalidProof)
	twice.Proof = w.proof(key, "")
	w.advance(61 * time.Second)
	w.refused("an old proof", twice, auth.InvalidProof)

	// Refreshed with whatever key a client has that authenticates; never without one.
	again := refresh("web", tokens.RefreshToken)
	w.refused("refresh without a proof", again, auth.InvalidProof)
	again.Proof = w.proof(other, "")
	if next := w.token(again); boundTo(t, next.AccessToken) != other.thumbprint || next.TokenType != auth.TokenDPoP {
		t.Errorf("refreshed: type %s, bound to %s", next.TokenType, boundTo(t, next.AccessToken))
	}

	// Where no proof is required, one binds all the same.
	free := request("free", w.code("free", nil))
	free.Proof = w.proof(key, "")
	if tokens := w.token(free); tokens.TokenType != auth.TokenDPoP || boundTo(t, tokens.AccessToken) != key.thumbprint {
		t.Errorf("type %s, bound to %s", tokens.TokenType, boundTo(t, tokens.AccessToken))
	}
	own := grant.Request{GrantType: auth.GrantClientCredentials, Credentials: by("free"), Proof: w.proof(key, "")}
	if tokens := w.token(own); tokens.TokenType != auth.TokenDPoP || boundTo(t, tokens.AccessToken) != key.thumbprint {
		t.Errorf("client's own: type %s, bound to %s", tokens.TokenType, boundTo(t, tokens.AccessToken))
	}

	// Introspection tells; the API takes no such token.
	inspected, err := w.inspector.Introspect(ctx, nil, auth.System(), tokens.AccessToken)
	check(t, err)
	if inspected == nil || inspected.Type() != auth.TokenDPoP || inspected.Token.KeyThumbprint != key.thumbprint {
		t.Errorf("introspected %+v", inspected)
	}
}

// RFC 9449 §5: without a secret, the refresh token itself is bound.
func TestPublicRefreshTokensAreBound(t *testing.T) {
	w := newWorld(t, redistest.Embedded(t))
	key, other := newKeyPair(t), newKeyPair(t)
	w.client("spa", public)
	credentials := grant.Credentials{ClientID: "spa"}
	r := request("spa", w.code("spa", nil))
	r.Credentials, r.Proof = credentials, w.proof(key, "")
	tokens := w.token(r)

	stolen := refresh("spa", tokens.RefreshToken)
	stolen.Credentials = credentials
	w.refused("without a proof", stolen, auth.InvalidGrant)
	stolen.Proof = w.proof(other, "")
	w.refused("by another key", stolen, auth.InvalidGrant)
	if !w.active(tokens.AccessToken) {
		t.Error("who has not the key has ended the login")
	}
	stolen.Proof = w.proof(key, "")
	next := w.token(stolen)
	if boundTo(t, next.AccessToken) != key.thumbprint {
		t.Error("not bound to the key")
	}

	unbound := request("spa", w.code("spa", nil))
	unbound.Credentials = credentials
	tokens = w.token(unbound)
	if tokens.TokenType != auth.TokenBearer || boundTo(t, tokens.AccessToken) != "" {
		t.Errorf("without a proof: %+v", tokens)
	}
	later := refresh("spa", tokens.RefreshToken)
	later.Credentials = credentials
	w.token(later)
}

func TestUserInfoOfBoundTokens(t *testing.T) {
	w := newWorld(t, redistest.Embedded(t))
	ctx := context.Background()
	key, other := newKeyPair(t), newKeyPair(t)
	w.client("web", func(c *auth.Client) { c.FirstParty = true })
	r := request("web", w.code("web", nil))
	r.Proof = w.proof(key, "")
	bound := w.token(r).AccessToken
	bearer := w.token(request("web", w.code("web", nil))).AccessToken
	machine := w.token(grant.Request{GrantType: auth.GrantClientCredentials, Credentials: by("web"), Proof: w.proof(key, ""), Scope: "orders"}).AccessToken

	once := w.proof(key, bound)
	for _, tt := range []struct {
		name, scheme, token string
		proof               auth.Proof
		want                auth.Code
	}{
		{"with its proof", auth.TokenDPoP, bound, once, ""},
		{"with the proof again", auth.TokenDPoP, bound, once, auth.InvalidProof},
		{"without a proof", auth.TokenDPoP, bound, auth.Proof{}, auth.InvalidProof},
		{"by another key", auth.TokenDPoP, bound, w.proof(other, bound), auth.InvalidProof},
		{"with a proof for another token", auth.TokenDPoP, bound, w.proof(key, bearer), auth.InvalidProof},
		{"with a proof for the token endpoint", auth.TokenDPoP, bound, w.proof(key, ""), auth.InvalidProof},
		{"borne", auth.TokenBearer, bound, auth.Proof{}, auth.Unauthenticated},
		{"borne, with a proof", auth.TokenBearer, bound, w.proof(key, bound), auth.Unauthenticated},
		{"not bound", auth.TokenDPoP, bearer, w.proof(key, bearer), auth.Unauthenticated},
		{"not bound, borne", auth.TokenBearer, bearer, auth.Proof{}, ""},
		{"a client's own", auth.TokenDPoP, machine, w.proof(key, machine), auth.Unauthenticated},
		{"by no scheme", "", bearer, auth.Proof{}, auth.Unauthenticated},
		{"nonsense", auth.TokenDPoP, "x", w.proof(key, "x"), auth.Unauthenticated},
	} {
		info, err := w.inspector.UserInfo(ctx, tt.scheme, tt.token, tt.proof)
		if auth.CodeOf(err) != tt.want || (err == nil) != (info != nil) {
			t.Errorf("%s: %v, error %v, want %q", tt.name, info, err, tt.want)
		}
	}
	for name, token := range map[string]string{"bound": bound, "a bound client's own": machine} {
		if _, err := w.callers.Resolve(ctx, token); auth.CodeOf(err) != auth.Unauthenticated {
			t.Errorf("%s at the API: %v", name, err)
		}
	}
	if _, err := w.callers.Resolve(ctx, bearer); err != nil {
		t.Errorf("control: %v", err)
	}
}

// Row O-24: at whichever instance, a proof works once.
func TestProofRace(t *testing.T) {
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		w := newWorld(t, b)
		key := newKeyPair(t)
		w.client("web", nil)
		r := request("web", w.code("web", nil))
		r.Proof = w.proof(key, "")
		token := w.token(r).AccessToken
		proof := w.proof(key, token)
		instances := []*auth.Inspector{w.inspector, {
			Issuer: w.issuer, Verifier: w.verifier, Families: w, Users: w, Registry: w.registry, Callers: w.callers,
			Proofs: &auth.Proofs{Once: w, Now: w.clock.Now}, Audit: w.audit,
		}}
		var wg sync.WaitGroup
		var mu sync.Mutex
		won := 0
		for n := range 16 {
			wg.Go(func() {
				_, err := instances[n%2].UserInfo(context.Background(), auth.TokenDPoP, token, proof)
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					won++
				} else if auth.CodeOf(err) != auth.InvalidProof {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if won != 1 {
			t.Errorf("one proof was good %d times", won)
		}
	})
}

// What was pushed or asked for a device is proved the same way.
func TestProve(t *testing.T) {
	w := newWorld(t, redistest.Embedded(t))
	ctx := context.Background()
	key := newKeyPair(t)
	if jkt, err := w.dispatcher.Prove(ctx, auth.Proof{Method: "POST", URL: tokenURL}); jkt != "" || err != nil {
		t.Errorf("no proof: %q, %v", jkt, err)
	}
	proof := w.proof(key, "")
	if jkt, err := w.dispatcher.Prove(ctx, proof); jkt != key.thumbprint || err != nil {
		t.Errorf("%q, %v", jkt, err)
	}
	if jkt, err := w.dispatcher.Prove(ctx, proof); jkt != "" || auth.CodeOf(err) != auth.InvalidProof {
		t.Errorf("again: %q, %v", jkt, err)
	}
}
