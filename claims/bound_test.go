package claims_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/claimsmith/claimsmith/claims"
)

// boundPayload is an access token bound to a key.
func boundPayload(tb testing.TB, s signer) string {
	return payloadWith(tb, pair{"cnf", `{"jkt":"` + s.kid + `"}`})
}

func TestBoundTokens(t *testing.T) {
	ctx := context.Background()
	key := newSigner("ES256")
	token := es256().access(boundPayload(t, key))
	const at = "https://api.example/things"
	proof := func(by signer, changes ...pair) string {
		return proofOf(by, nil, append([]pair{{"htm", `"GET"`}, {"htu", `"` + at + `"`}, {"ath", ath(token)}}, changes...))
	}
	v := testVerifier(t)
	refused(t, v, "borne", token, claims.ErrProof)
	access, err := v.VerifyBoundToken(ctx, token, proof(key), "GET", at)
	if err != nil || access.KeyThumbprint != key.kid || access.Subject != "jane" {
		t.Fatalf("%+v, error %v", access, err)
	}
	for name, tt := range map[string]struct {
		token, proof string
		want         error
	}{
		"the proof again":     {token, proof(key), claims.ErrProof},
		"no proof":            {token, "", claims.ErrProof},
		"by another key":      {token, proof(newSigner("ES256")), claims.ErrProof},
		"for another token":   {token, proof(key, pair{"ath", ath(token + "x")}, pair{"jti", `"p2"`}), claims.ErrProof},
		"of yesterday":        {token, proof(key, pair{"iat", "1788177600"}, pair{"jti", `"p3"`}), claims.ErrProof},
		"a token not bound":   {es256().access(janesPayload()), proof(key, pair{"ath", ath(es256().access(janesPayload()))}, pair{"jti", `"p4"`}), claims.ErrProof},
		"an expired token":    {es256().access(payloadWith(t, pair{"cnf", `{"jkt":"` + key.kid + `"}`}, pair{"exp", "1788260000"})), proof(key, pair{"jti", `"p5"`}), claims.ErrExpired},
		"confirmed otherwise": {es256().access(payloadWith(t, pair{"cnf", `{"x5t#S256":"x"}`})), proof(key, pair{"jti", `"p6"`}), claims.ErrMissing},
	} {
		if access, err := v.VerifyBoundToken(ctx, tt.token, tt.proof, "GET", at); !errors.Is(err, tt.want) || access != nil {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
	}
	// What the issuer itself looks at it may look at without a proof.
	if access, err := v.VerifyAnyAudience(ctx, token); err != nil || access.KeyThumbprint != key.kid {
		t.Errorf("VerifyAnyAudience: %v, %v", access, err)
	}
}

// A proof is remembered for as long as it could be used, and not much longer.
func TestProofsAreForgotten(t *testing.T) {
	c := newClock()
	v := newVerifier(t, claims.Config{Keys: keysOf(es256()), Now: c.now})
	key := eddsa()
	token := es256().access(boundPayload(t, key))
	use := func(id string) error {
		proof := proofOf(key, nil, []pair{
			{"jti", `"` + id + `"`}, {"ath", ath(token)}, {"htu", `"https://api.example/"`}, {"iat", numericDate(c.now())},
		})
		_, err := v.VerifyBoundToken(context.Background(), token, proof, "POST", "https://api.example/")
		return err
	}
	for n := range 9 { // every minute one, each of which stays used for two
		id := "p" + strconv.Itoa(n)
		if err := use(id); err != nil {
			t.Fatal(err)
		}
		for past := max(n-2, 0); past <= n; past++ {
			if err := use("p" + strconv.Itoa(past)); !errors.Is(err, claims.ErrProof) {
				t.Fatalf("minute %d: p%d again: %v", n, past, err)
			}
		}
		c.advance(time.Minute)
	}
	if err := use("p0"); err != nil {
		t.Errorf("p0 after nine minutes: %v", err)
	}
}

func TestMiddlewareWithProofs(t *testing.T) {
	key := newSigner("ES256")
	token := es256().access(boundPayload(t, key))
	borne := es256().access(janesPayload())
	served := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if access, ok := claims.FromContext(r.Context()); !ok || access.KeyThumbprint != key.kid {
			t.Error("not the bound token in the context")
		}
	})
	jti := 0
	for _, origin := range []string{"", "https://api.example", "https://api.example/"} {
		v := newVerifier(t, claims.Config{Keys: keysOf(signers()...), Origin: origin})
		handler := claims.Middleware(v)(claims.RequireScope("profile")(served))
		at := "http://inside.example/things"
		if origin != "" {
			at = "https://api.example/things"
		}
		fresh := func(token, url string) string {
			jti++
			return proofOf(key, nil, []pair{{"jti", `"` + strconv.Itoa(jti) + `"`}, {"htm", `"GET"`}, {"htu", `"` + url + `"`}, {"ath", ath(token)}})
		}
		once := fresh(token, at)
		for _, tt := range []struct {
			name, authorization string
			proofs              []string
			status              int
			challenge           string
		}{
			{"a proof", "DPoP " + token, []string{once}, 200, ""},
			{"the scheme in another case", "dpop " + token, []string{fresh(token, at)}, 200, ""},
			{"the proof again", "DPoP " + token, []string{once}, 401, `DPoP error="invalid_dpop_proof", algs="ES256 RS256 EdDSA"`},
			{"no proof", "DPoP " + token, nil, 401, `DPoP error="invalid_dpop_proof", algs="ES256 RS256 EdDSA"`},
			{"two proofs", "DPoP " + token, []string{fresh(token, at), fresh(token, at)}, 401, `DPoP error="invalid_dpop_proof", algs="ES256 RS256 EdDSA"`},
			{"for elsewhere", "DPoP " + token, []string{fresh(token, "https://other.example/things")}, 401, `DPoP error="invalid_dpop_proof", algs="ES256 RS256 EdDSA"`},
			{"borne, with a proof", "Bearer " + token, []string{fresh(token, at)}, 401, `Bearer error="invalid_token"`},
			{"not bound", "DPoP " + borne, []string{fresh(borne, at)}, 401, `DPoP error="invalid_dpop_proof", algs="ES256 RS256 EdDSA"`},
			{"no token", "DPoP x", []string{fresh("x", at)}, 401, `DPoP error="invalid_token"`},
		} {
			r := httptest.NewRequest(http.MethodGet, "http://inside.example/things?q=1", nil)
			r.Header.Set("Authorization", tt.authorization)
			r.Header["Dpop"] = tt.proofs
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			if w.Code != tt.status || w.Header().Get("WWW-Authenticate") != tt.challenge {
				t.Errorf("origin %q, %s: %d %q; want %d %q", origin, tt.name, w.Code, w.Header().Get("WWW-Authenticate"), tt.status, tt.challenge)
			}
		}
		if origin != "" {
			poor := es256().access(payloadWith(t, pair{"cnf", `{"jkt":"` + key.kid + `"}`}, pair{"scope", `"openid"`}))
			r := httptest.NewRequest(http.MethodGet, "/things", nil)
			r.Header.Set("Authorization", "DPoP "+poor)
			r.Header.Set("DPoP", fresh(poor, at))
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			if want := `DPoP error="insufficient_scope", scope="profile"`; w.Code != 403 || w.Header().Get("WWW-Authenticate") != want {
				t.Errorf("too narrow: %d %q", w.Code, w.Header().Get("WWW-Authenticate"))
			}
		}
	}
}
