package claims_test

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/claimsmith/claimsmith/claims"
)

// remote is a verifier that has to fetch the keys of a server.
func remote(tb testing.TB, s *server, c *clock) *claims.Verifier {
	tb.Helper()
	return newVerifier(tb, claims.Config{Issuer: s.URL, Now: c.now})
}

func verify(v *claims.Verifier, token string) error {
	_, err := v.VerifyAccessToken(context.Background(), token)
	return err
}

func unavailable(w http.ResponseWriter, _ *http.Request) bool {
	w.WriteHeader(http.StatusInternalServerError)
	return true
}

func TestKeysAreFetchedOnceAndCached(t *testing.T) {
	s := newServer(t, signers()...)
	clock := newClock()
	v := remote(t, s, clock)
	tokens := []string{s.token(es256()), s.token(rs256()), s.token(eddsa())}

	var wg sync.WaitGroup
	for i := range 60 {
		wg.Go(func() {
			if err := verify(v, tokens[i%3]); err != nil {
				t.Errorf("cold: %v", err)
			}
		})
	}
	wg.Wait()
	if d, f := s.discoveries.Load(), s.fetches.Load(); d != 1 || f != 1 {
		t.Errorf("%d discoveries, %d fetches for 60 concurrent tokens; want one each", d, f)
	}

	clock.advance(299 * time.Second)
	if err := verify(v, tokens[0]); err != nil || s.fetches.Load() != 1 {
		t.Errorf("within max-age: %v, %d fetches", err, s.fetches.Load())
	}
	clock.advance(2 * time.Second)
	if err := verify(v, tokens[0]); err != nil || s.fetches.Load() != 2 || s.discoveries.Load() != 1 {
		t.Errorf("past max-age: %v, %d fetches, %d discoveries", err, s.fetches.Load(), s.discoveries.Load())
	}
}

func TestCacheControl(t *testing.T) {
	for _, tt := range []struct {
		control, age string
		fresh        time.Duration
	}{
		{"max-age=60", "", time.Minute},
		{"public, Max-Age=60, must-revalidate", "", time.Minute},
		{`max-age="60"`, "", time.Minute},
		{"max-age=60", "20", 40 * time.Second},
		{"max-age=60", "100", 10 * time.Second},
		{"", "", 5 * time.Minute},
		{"no-store", "", 10 * time.Second},
		{"no-cache, max-age=60", "", 10 * time.Second},
		{"max-age=0", "", 10 * time.Second},
		{"max-age=-1", "", 10 * time.Second},
		{"max-age=bogus", "", 10 * time.Second},
		{"max-age=31536000", "", claims.MaxFresh},
		{"max-age=99999999999999999999", "", 10 * time.Second},
	} {
		s := newServer(t, es256())
		s.behave(func(w http.ResponseWriter, r *http.Request) bool {
			if tt.age != "" {
				w.Header().Set("Age", tt.age)
			}
			return false
		})
		s.maxAge = tt.control
		clock := newClock()
		v := remote(t, s, clock)
		token := s.token(es256())
		for _, step := range []struct {
			advance time.Duration
			fetches int64
		}{{0, 1}, {tt.fresh - 1, 1}, {1, 2}} {
			clock.advance(step.advance)
			if err := verify(v, token); err != nil || s.fetches.Load() != step.fetches {
				t.Errorf("%q, age %q, %v later: %v, %d fetches, want %d", tt.control, tt.age, step.advance, err, s.fetches.Load(), step.fetches)
			}
		}
	}
}

// SECURITY.md T-13.
func TestUnknownKeysCostNoFetches(t *testing.T) {
	s := newServer(t, eddsa())
	clock := newClock()
	v := remote(t, s, clock)
	valid := s.token(eddsa())
	payload := valid[strings.IndexByte(valid, '.'):]
	for i := range 10_000 {
		clock.advance(time.Millisecond) // ten seconds in all
		kid := make([]byte, 12)
		_, _ = rand.Read(kid)
		token := encode(fmt.Sprintf(`{"alg":"EdDSA","typ":"at+jwt","kid":"%x"}`, kid)) + payload
		if err := verify(v, token); !errors.Is(err, claims.ErrKeyUnknown) {
			t.Fatalf("token %d: %v", i, err)
		}
	}
	if n := s.fetches.Load() + s.discoveries.Load() - 1; n > 2 {
		t.Errorf("%d fetches of the keys, want at most 2", n)
	}
	if err := verify(v, valid); err != nil {
		t.Errorf("the honest token meanwhile: %v", err)
	}
}

func TestRotation(t *testing.T) {
	s := newServer(t, es256())
	clock := newClock()
	v := remote(t, s, clock)
	oldToken, newToken := s.token(es256()), s.token(eddsa())
	if err := verify(v, oldToken); err != nil {
		t.Fatal(err)
	}
	if err := verify(v, newToken); !errors.Is(err, claims.ErrKeyUnknown) {
		t.Fatalf("before it is published: %v", err)
	}

	s.publish(es256().jwk(), eddsa().jwk())
	clock.advance(9 * time.Second)
	if err := verify(v, newToken); !errors.Is(err, claims.ErrKeyUnknown) {
		t.Errorf("within the interval: %v", err)
	}
	clock.advance(time.Second)
	if err := verify(v, newToken); err != nil {
		t.Errorf("a new key, the interval later: %v", err)
	}

	s.publish(eddsa().jwk())
	clock.advance(5 * time.Minute)
	if err := verify(v, newToken); err != nil {
		t.Errorf("after the old key was withdrawn: %v", err)
	}
	if err := verify(v, oldToken); !errors.Is(err, claims.ErrKeyUnknown) {
		t.Errorf("a withdrawn key: %v", err)
	}
}

func TestKeysMove(t *testing.T) {
	s := newServer(t, es256())
	clock := newClock()
	v := remote(t, s, clock)
	token := s.token(es256())
	if err := verify(v, token); err != nil {
		t.Fatal(err)
	}
	s.behave(unavailable)
	clock.advance(301 * time.Second)
	if err := verify(v, token); err != nil || s.discoveries.Load() != 1 {
		t.Errorf("when the keys are gone: %v, %d discoveries", err, s.discoveries.Load())
	}
	s.behave(func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasPrefix(r.URL.Path, "/.well-known/") {
			fmt.Fprintf(w, `{"issuer":"%[1]s","jwks_uri":"%[1]s/elsewhere/jwks"}`, s.URL)
			return true
		}
		return false
	})
	clock.advance(claims.MaxStale) // too old, so that the next has to wait for the answer
	if err := verify(v, token); err != nil || s.discoveries.Load() != 2 {
		t.Errorf("once they are elsewhere: %v, %d discoveries", err, s.discoveries.Load())
	}
}

// A clock that is set back must not put off the next fetch until it has caught up.
func TestClockSetBack(t *testing.T) {
	s := newServer(t, es256())
	clock := newClock()
	clock.advance(2 * time.Hour)
	v := remote(t, s, clock)
	if err := verify(v, s.token(es256())); err != nil {
		t.Fatal(err)
	}
	s.publish(es256().jwk(), eddsa().jwk())
	clock.advance(-time.Hour)
	if err := verify(v, s.token(eddsa())); err != nil {
		t.Errorf("a new key after the clock was set back: %v", err)
	}
}

func TestIssuerOutage(t *testing.T) {
	s := newServer(t, es256())
	clock := newClock()
	v := remote(t, s, clock)
	token, unknown := s.token(es256()), s.token(eddsa())
	if err := verify(v, token); err != nil {
		t.Fatal(err)
	}

	s.behave(unavailable)
	clock.advance(301 * time.Second)
	for range 100 {
		if err := verify(v, token); err != nil {
			t.Fatalf("with stale keys: %v", err)
		}
	}
	if n := s.fetches.Load(); n != 2 {
		t.Errorf("%d fetches, want one more", n)
	}
	if err := verify(v, unknown); !errors.Is(err, claims.ErrUnavailable) {
		t.Errorf("a key that may be new: %v, want unavailable", err)
	}

	clock.advance(claims.MaxStale - 2*time.Second)
	if err := verify(v, token); err != nil {
		t.Errorf("the last moment of stale keys: %v", err)
	}
	clock.advance(time.Second)
	for range 2 { // the attempt, and within the interval after it
		if err := verify(v, token); !errors.Is(err, claims.ErrUnavailable) {
			t.Errorf("keys too old: %v, want unavailable", err)
		}
	}

	s.behave(nil)
	clock.advance(10 * time.Second)
	if err := verify(v, token); err != nil {
		t.Errorf("after the outage: %v", err)
	}
	clock.advance(10 * time.Second)
	if err := verify(v, unknown); !errors.Is(err, claims.ErrKeyUnknown) {
		t.Errorf("an unknown key after the outage: %v", err)
	}
}

// A stalled issuer may hold up the one request that finds the keys stale, not those after it.
func TestStalledIssuer(t *testing.T) {
	s := newServer(t, es256())
	clock := newClock()
	v := remote(t, s, clock)
	token := s.token(es256())
	if err := verify(v, token); err != nil {
		t.Fatal(err)
	}
	s.behave(unavailable)
	clock.advance(301 * time.Second)
	if err := verify(v, token); err != nil { // the attempt that fails
		t.Fatal(err)
	}

	release, stalled := make(chan struct{}), make(chan struct{}, 8)
	defer close(release)
	s.behave(func(http.ResponseWriter, *http.Request) bool {
		stalled <- struct{}{}
		<-release
		return false
	})
	clock.advance(10 * time.Second)
	for range 10 { // would never return if it waited
		if err := verify(v, token); err != nil {
			t.Fatal(err)
		}
	}
	<-stalled
	// An unknown key has to wait, but no longer than its request.
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := v.VerifyAccessToken(ctx, s.token(eddsa())); !errors.Is(err, claims.ErrUnavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("a request that went away: %v", err)
	}
}

func TestBadDiscovery(t *testing.T) {
	for name, body := range map[string]string{
		"another issuer":        `{"issuer":"https://evil.example","jwks_uri":"%[1]s/jwks"}`,
		"an issuer with slash":  `{"issuer":"%[1]s/","jwks_uri":"%[1]s/jwks"}`,
		"no issuer":             `{"jwks_uri":"%[1]s/jwks"}`,
		"no jwks_uri":           `{"issuer":"%[1]s"}`,
		"jwks_uri over http":    `{"issuer":"%[1]s","jwks_uri":"http://keys.example/jwks"}`,
		"jwks_uri a file":       `{"issuer":"%[1]s","jwks_uri":"file:///jwks"}`,
		"jwks_uri twice":        `{"issuer":"%[1]s","jwks_uri":"%[1]s/jwks","jwks_uri":"%[1]s/jwks"}`,
		"Issuer in another way": `{"Issuer":"%[1]s","jwks_uri":"%[1]s/jwks"}`,
		"HTML":                  `<html>`,
		"too much":              `{"issuer":"%[1]s","jwks_uri":"%[1]s/jwks"}` + strings.Repeat(" ", 256<<10),
	} {
		s := newServer(t, es256())
		s.behave(func(w http.ResponseWriter, _ *http.Request) bool {
			fmt.Fprintf(w, body, s.URL)
			return true
		})
		requests := new(counter)
		v := newVerifier(t, claims.Config{Issuer: s.URL, HTTPClient: &http.Client{Transport: requests}})
		if err := verify(v, s.token(es256())); !errors.Is(err, claims.ErrUnavailable) {
			t.Errorf("%s: %v, want unavailable", name, err)
		}
		if n := requests.n.Load(); n != 1 || requests.unbounded.Load() {
			t.Errorf("%s: %d requests, want the one of discovery, with a deadline", name, n)
		}
	}

	// A redirect is not followed, wherever it leads and whatever client was given.
	s := newServer(t, es256())
	s.behave(func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/jwks" {
			return false
		}
		http.Redirect(w, r, "/jwks", http.StatusFound)
		return true
	})
	v := newVerifier(t, claims.Config{Issuer: s.URL, HTTPClient: &http.Client{}})
	if err := verify(v, s.token(es256())); !errors.Is(err, claims.ErrUnavailable) || s.fetches.Load() != 0 {
		t.Errorf("a redirect: %v, %d fetches of keys", err, s.fetches.Load())
	}
}

// counter is a transport that counts, and notes a request that could take forever.
type counter struct {
	n         atomic.Int64
	unbounded atomic.Bool
}

func (c *counter) RoundTrip(r *http.Request) (*http.Response, error) {
	c.n.Add(1)
	if _, ok := r.Context().Deadline(); !ok {
		c.unbounded.Store(true)
	}
	return http.DefaultTransport.RoundTrip(r)
}

func TestIssuerWithPath(t *testing.T) {
	var paths sync.Map
	mux := http.NewServeMux()
	s := httptest.NewServer(mux)
	defer s.Close()
	mux.HandleFunc("/", func(_ http.ResponseWriter, r *http.Request) { paths.Store(r.URL.Path, true) })
	v := newVerifier(t, claims.Config{Issuer: s.URL + "/tenant/"})
	_ = verify(v, es256().access(janesPayload()))
	if _, ok := paths.Load("/tenant/.well-known/openid-configuration"); !ok {
		t.Error("discovery did not look below the issuer's path")
	}
}

// SECURITY.md T-02: addresses in a token are never connected to, nor keys in it used.
func TestEmbeddedKeysAreIgnored(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var connections atomic.Int64
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			connections.Add(1)
			conn.Close()
		}
	}()

	s := newServer(t, es256())
	v := remote(t, s, newClock())
	attacker := newSigner("ES256")
	jwk, err := attacker.jwk().MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	good := s.token(es256())
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(good, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	address := "http://" + listener.Addr().String() + "/jwks"
	for _, member := range []string{
		`"jku":"` + address + `"`, `"x5u":"` + address + `"`, `"jwk":` + string(jwk), `"x5c":["MIIB"]`,
		`"jku":"` + address + `","x5u":"` + address + `","jwk":` + string(jwk),
	} {
		for _, kid := range []string{attacker.kid, es256().kid, address} {
			token := attacker.sign(`{"alg":"ES256","typ":"at+jwt","kid":"`+kid+`",`+member+`}`, string(payload))
			want := claims.ErrKeyUnknown
			if kid == es256().kid {
				want = claims.ErrSignature
			}
			if err := verify(v, token); !errors.Is(err, want) {
				t.Errorf("%s, kid %s: %v, want %v", member, kid, err, want)
			}
		}
		// And do no harm where the issuer's own key has signed.
		if err := verify(v, es256().sign(`{"alg":"ES256","typ":"at+jwt","kid":"`+es256().kid+`",`+member+`}`, string(payload))); err != nil {
			t.Errorf("%s in an honest token: %v", member, err)
		}
	}
	listener.Close()
	<-done
	if n := connections.Load(); n != 0 {
		t.Errorf("%d connections to an address from a token", n)
	}
}
