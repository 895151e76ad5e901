package claims_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"iter"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"

	"github.com/claimsmith/claimsmith/claims"
)

const (
	issuer   = "https://id.example"
	audience = "https://api.example"
)

// issuedAt is when the tokens of the tests are minted and, unless a test says otherwise, verified.
var issuedAt = time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)

func atIssue() time.Time { return issuedAt }

// signer is a key pair of an issuer.
type signer struct {
	kid, alg string
	private  crypto.Signer
}

// sign makes a compact JWS of any header and payload text, however wrong they are.
func (s signer) sign(header, payload string) string {
	text := encode(header) + "." + encode(payload)
	signature, err := jwt.GetSigningMethod(s.alg).Sign(text, s.private)
	if err != nil {
		panic(err)
	}
	return text + "." + encode(string(signature))
}

// token signs a payload under the header the issuer writes.
func (s signer) token(typ, payload string) string {
	return s.sign(`{"alg":"`+s.alg+`","typ":"`+typ+`","kid":"`+s.kid+`"}`, payload)
}

func (s signer) access(payload string) string {
	return s.token("at+jwt", payload)
}

func (s signer) jwk() jose.JSONWebKey {
	return jose.JSONWebKey{Key: s.private.Public(), KeyID: s.kid, Algorithm: s.alg, Use: "sig"}
}

func encode(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

func newSigner(alg string) signer {
	var private crypto.Signer
	var err error
	switch alg {
	case "ES256":
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "RS256":
		private, err = rsa.GenerateKey(rand.Reader, 2048)
	case "EdDSA":
		_, private, err = ed25519.GenerateKey(rand.Reader)
	}
	if err != nil {
		panic(err)
	}
	jwk := jose.JSONWebKey{Key: private.Public()}
	thumbprint, err := jwk.Thumbprint(crypto.SHA256)
	if err != nil {
		panic(err)
	}
	return signer{kid: base64.RawURLEncoding.EncodeToString(thumbprint), alg: alg, private: private}
}

// One key of each algorithm for the whole run: RSA keys are slow to make.
var (
	es256 = sync.OnceValue(func() signer { return newSigner("ES256") })
	rs256 = sync.OnceValue(func() signer { return newSigner("RS256") })
	eddsa = sync.OnceValue(func() signer { return newSigner("EdDSA") })
)

func signers() []signer { return []signer{es256(), rs256(), eddsa()} }

// memoryKeys is a KeySource as the issuer has one, which counts how often it is asked.
type memoryKeys struct {
	keys  map[string]claims.Key
	asked atomic.Int64
}

func (m *memoryKeys) Key(_ context.Context, kid string) (claims.Key, error) {
	m.asked.Add(1)
	key, ok := m.keys[kid]
	if !ok {
		return claims.Key{}, claims.ErrKeyUnknown
	}
	return key, nil
}

func keysOf(signers ...signer) *memoryKeys {
	m := &memoryKeys{keys: map[string]claims.Key{}}
	for _, s := range signers {
		m.keys[s.kid] = claims.Key{ID: s.kid, Algorithm: s.alg, Public: s.private.Public()}
	}
	return m
}

func newVerifier(tb testing.TB, cfg claims.Config) *claims.Verifier {
	tb.Helper()
	if cfg.Issuer == "" {
		cfg.Issuer = issuer
	}
	if cfg.Audience == "" {
		cfg.Audience = audience
	}
	if cfg.Now == nil {
		cfg.Now = atIssue
	}
	v, err := claims.NewVerifier(cfg)
	if err != nil {
		tb.Fatalf("NewVerifier: %v", err)
	}
	return v
}

// testVerifier knows the three keys of the run.
func testVerifier(tb testing.TB) *claims.Verifier {
	tb.Helper()
	return newVerifier(tb, claims.Config{Keys: keysOf(signers()...)})
}

// jane's access token with everything in it.
func accessToken() claims.AccessToken {
	return claims.AccessToken{
		Issuer: issuer, Subject: "jane", Audience: []string{audience}, ID: "t1", ClientID: "web", Scope: "openid profile",
		SessionID: "s1", Org: "default", ACR: "1", AMR: []string{"pwd", "otp"}, IssuedAt: issuedAt,
		ExpiresAt: issuedAt.Add(10 * time.Minute), AuthTime: issuedAt.Add(-time.Minute), Revision: 7, AppRevision: 3, OrgRevision: 5,
	}
}

type pair struct{ key, value string }

func profileOf(pairs ...pair) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for _, p := range pairs {
			if !yield(p.key, p.value) {
				return
			}
		}
	}
}

// server is an issuer on loopback: discovery and key set, whose behaviour a test may change at any time.
type server struct {
	*httptest.Server
	discoveries, fetches atomic.Int64

	mu     sync.Mutex
	keys   []any                                         // of the set; guarded by mu
	answer func(http.ResponseWriter, *http.Request) bool // true: it has answered; guarded by mu
	maxAge string
}

func newServer(tb testing.TB, signers ...signer) *server {
	tb.Helper()
	s := &server{maxAge: "max-age=300"}
	for _, signer := range signers {
		s.keys = append(s.keys, signer.jwk())
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, r *http.Request) {
		s.discoveries.Add(1)
		if !s.overridden(w, r) {
			_ = json.NewEncoder(w).Encode(map[string]string{"issuer": s.URL, "jwks_uri": s.URL + "/jwks"})
		}
	})
	keySet := func(w http.ResponseWriter, r *http.Request) {
		s.fetches.Add(1)
		if !s.overridden(w, r) {
			s.mu.Lock()
			defer s.mu.Unlock()
			w.Header().Set("Cache-Control", s.maxAge)
			_ = json.NewEncoder(w).Encode(map[string]any{"keys": s.keys})
		}
	}
	mux.HandleFunc("GET /jwks", keySet)
	mux.HandleFunc("GET /elsewhere/jwks", keySet)
	s.Server = httptest.NewServer(mux)
	tb.Cleanup(s.Close)
	return s
}

func (s *server) overridden(w http.ResponseWriter, r *http.Request) bool {
	s.mu.Lock()
	answer := s.answer
	s.mu.Unlock()
	return answer != nil && answer(w, r)
}

// behave makes answer come before what the server says by itself; nil ends that.
func (s *server) behave(answer func(http.ResponseWriter, *http.Request) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

func (s *server) publish(keys ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys = keys
}

// token is an access token of this server.
func (s *server) token(by signer) string {
	t := accessToken()
	t.Issuer = s.URL
	t.ExpiresAt = issuedAt.Add(24 * time.Hour)
	return by.access(string(t.AppendJSON(nil, nil)))
}

// clock is a clock that only moves when told.
type clock struct{ nanos atomic.Int64 }

func newClock() *clock {
	c := new(clock)
	c.nanos.Store(issuedAt.UnixNano())
	return c
}

func (c *clock) now() time.Time          { return time.Unix(0, c.nanos.Load()) }
func (c *clock) advance(d time.Duration) { c.nanos.Add(int64(d)) }
