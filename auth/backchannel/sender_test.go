package backchannel_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/backchannel"
)

// received is what an application got.
type received struct {
	mu       sync.Mutex
	requests []*http.Request // with their forms
}

func (r *received) add(q *http.Request) {
	_ = q.ParseForm()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests = append(r.requests, q)
}

func (r *received) take() []*http.Request {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.requests
	r.requests = nil
	return all
}

// answering is an application that answers with a status.
func (w *world) answering(status func() int) (address string, got *received) {
	w.t.Helper()
	got = &received{}
	address = w.listen(func(rw http.ResponseWriter, q *http.Request) {
		got.add(q)
		rw.Header().Set("Location", "https://"+q.Host+"/elsewhere")
		rw.WriteHeader(status())
	})
	return address, got
}

func always(status int) func() int { return func() int { return status } }

// open verifies a token with the published keys and returns its header and its claims.
func (w *world) open(token string) (header jose.Header, claims map[string]any) {
	w.t.Helper()
	text, err := w.ring.JWKS()
	w.must(err)
	var set jose.JSONWebKeySet
	w.must(json.Unmarshal(text, &set))
	signed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.RS256, jose.ES256, jose.EdDSA})
	w.must(err)
	header = signed.Signatures[0].Header
	found := set.Key(header.KeyID)
	if len(found) != 1 {
		w.t.Fatalf("%d keys are %q", len(found), header.KeyID)
	}
	payload, err := signed.Verify(found[0])
	w.must(err)
	w.must(json.Unmarshal(payload, &claims))
	return header, claims
}

// The request and the token are as OpenID Connect Back-Channel Logout §2.4 and §2.5 have them.
func TestLogoutToken(t *testing.T) {
	for alg, want := range map[string]string{"": "RS256", "RS256": "RS256", "ES256": "ES256", "EdDSA": "EdDSA"} {
		t.Run(alg, func(t *testing.T) {
			w := newWorld(t)
			if want == "EdDSA" {
				if _, err := w.ring.Rotate(t.Context(), "system", "EdDSA"); err != nil {
					t.Fatal(err)
				}
				w.clock.Advance(time.Minute)
				w.must(w.ring.Refresh(t.Context()))
			}
			address, got := w.answering(always(http.StatusOK))
			w.client("app", address, func(c *auth.Client) { c.IDTokenAlg = alg })
			family := w.end("app")[0]
			w.clock.Advance(time.Second)
			w.deliver()
			requests := got.take()
			if len(requests) != 1 {
				t.Fatalf("%d requests", len(requests))
			}
			q := requests[0]
			if q.Method != http.MethodPost || q.URL.Path != "/logout" || q.URL.RawQuery != "" ||
				q.Header.Get("Content-Type") != "application/x-www-form-urlencoded" || len(q.PostForm) != 1 || len(q.PostForm["logout_token"]) != 1 {
				t.Errorf("%s %s %v %v", q.Method, q.URL, q.Header, q.PostForm)
			}
			header, claims := w.open(q.PostForm.Get("logout_token"))
			if header.Algorithm != want || header.ExtraHeaders["typ"] != "logout+jwt" {
				t.Errorf("header %+v", header)
			}
			jti, _ := claims["jti"].(string)
			delete(claims, "jti")
			now := float64(w.clock.Now().Unix())
			if diff := cmp.Diff(map[string]any{
				"iss": issuer, "sub": "jane", "aud": "app", "sid": family, "iat": now, "exp": now + 120,
				"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}},
			}, claims); diff != "" || len(jti) < 22 {
				t.Errorf("jti %q, claims (-want +got):\n%s", jti, diff)
			}
			if diff := cmp.Diff([]string{"logout.notify client:app success"}, w.recorded()); diff != "" {
				t.Errorf("recorded (-want +got):\n%s", diff)
			}
			if w.deliver(); len(got.take()) != 0 || w.left() != 0 {
				t.Error("it is told again")
			}
		})
	}
}

// What an application answers decides what happens next (§2.8).
func TestAnswers(t *testing.T) {
	for status, test := range map[int]struct {
		left   int
		record []string
	}{
		200: {0, []string{"logout.notify client:app success"}}, 204: {0, []string{"logout.notify client:app success"}},
		400: {0, []string{"logout.notify client:app denied invalid_request"}},
		201: {1, nil}, 301: {1, nil}, 302: {1, nil}, 303: {1, nil}, 307: {1, nil}, 308: {1, nil}, 401: {1, nil}, 404: {1, nil}, 429: {1, nil},
		500: {1, nil}, 501: {1, nil}, 503: {1, nil},
	} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			w := newWorld(t)
			address, got := w.answering(always(status))
			w.client("app", address)
			w.end("app")
			w.deliver()
			if n := len(got.take()); n != 1 {
				t.Errorf("%d requests", n) // a redirection is not followed
			}
			if diff := cmp.Diff(test.record, w.recorded()); diff != "" {
				t.Errorf("recorded (-want +got):\n%s", diff)
			}
			if n := w.left(); n != test.left {
				t.Errorf("%d left", n)
			}
		})
	}
}

// Attempts come ever more seldom, for a day.
func TestRetries(t *testing.T) {
	w := newWorld(t)
	status := http.StatusServiceUnavailable
	address, got := w.answering(func() int { return status })
	w.client("app", address)
	began := w.clock.Now()
	w.end("app")
	var attempts []time.Duration
	tokens := map[string]bool{}
	for w.clock.Now().Sub(began) < 30*time.Hour {
		w.deliver()
		for _, q := range got.take() {
			attempts = append(attempts, w.clock.Now().Sub(began))
			tokens[q.PostForm.Get("logout_token")] = true
		}
		if w.clock.Now().Sub(began) < 25*time.Minute {
			w.clock.Advance(5 * time.Second)
		} else {
			w.clock.Advance(5 * time.Minute)
		}
		w.must(w.ring.Refresh(t.Context()))
	}
	second, minute := time.Second, time.Minute
	want := []time.Duration{
		0, 5 * second, 10 * second, 20 * second, 40 * second, 80 * second, 160 * second, 320 * second, 640 * second, 640*second + 10*minute,
	}
	if len(attempts) < len(want) || !slices.Equal(attempts[:len(want)], want) {
		t.Errorf("attempts after %v", attempts)
	}
	if last := attempts[len(attempts)-1]; last < 23*time.Hour+45*time.Minute || last >= 24*time.Hour {
		t.Errorf("the last attempt is after %v", last)
	}
	for n := 1; n < len(attempts); n++ {
		if pause := attempts[n] - attempts[n-1]; pause > 15*minute {
			t.Errorf("a pause of %v", pause)
		}
	}
	if len(tokens) != len(attempts) {
		t.Errorf("%d attempts with %d tokens", len(attempts), len(tokens))
	}
	if diff := cmp.Diff([]string{"logout.notify client:app failed unavailable"}, w.recorded()); diff != "" || w.left() != 0 {
		t.Errorf("%d left, recorded (-want +got):\n%s", w.left(), diff)
	}

	w.end("app")
	w.deliver()
	status = http.StatusOK
	w.clock.Advance(5 * second)
	w.deliver()
	if n := len(got.take()); n != 2 || w.left() != 0 {
		t.Errorf("%d requests, %d left", n, w.left())
	}
}

// A client that does not answer is not asked again and again while others wait; nothing of it is lost.
func TestASilentClientDoesNotHoldUpOthers(t *testing.T) {
	w := newWorld(t)
	status := http.StatusServiceUnavailable
	down, downGot := w.answering(func() int { return status })
	up, upGot := w.answering(func() int { return http.StatusOK })
	w.client("down", down)
	w.client("up", up)
	for range 30 {
		w.end("down")
	}
	w.end("up")
	w.deliver()
	if asked, told := len(downGot.take()), len(upGot.take()); asked == 0 || asked > 8 || told != 1 || w.left() != 30 {
		t.Errorf("%d asked of the silent client, %d told the other, %d left", asked, told, w.left())
	}
	status = http.StatusOK
	w.clock.Advance(5 * time.Second)
	w.deliver()
	if told := len(downGot.take()); told != 30 || w.left() != 0 {
		t.Errorf("%d told later, %d left", told, w.left())
	}
}

// A client that stands no more is not told, nor is one that took the name of another since.
func TestClientsThatAreNotTold(t *testing.T) {
	for name, change := range map[string]func(w *world, address string){
		"disabled":          func(w *world, address string) { w.client("app", address, func(c *auth.Client) { c.Disabled = true }) },
		"listening no more": func(w *world, _ string) { w.client("app", "") },
		"of the same name": func(w *world, address string) {
			w.client("app", address, func(c *auth.Client) { c.Since = w.clock.Now() })
		},
		"gone": func(w *world, _ string) {
			w.must(w.store.DeleteClient(w.t.Context(), auth.Client{ID: "app", Org: "acme", Version: 1}))
			w.Registry.Forget()
		},
		"of a closed organisation": func(w *world, _ string) {
			_, err := w.store.PutOrg(w.t.Context(), auth.Org{Slug: "acme", Disabled: true, Version: 1}, "closing")
			w.must(err)
			w.Registry.Forget()
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			address, got := w.answering(always(http.StatusOK))
			w.client("app", address)
			w.end("app")
			w.clock.Advance(time.Minute)
			change(w, address)
			w.deliver()
			if diff := cmp.Diff([]string{"logout.notify client:app denied invalid_client"}, w.recorded()); diff != "" {
				t.Errorf("recorded (-want +got):\n%s", diff)
			}
			if n := len(got.take()); n != 0 || w.left() != 0 {
				t.Errorf("%d requests, %d left", n, w.left())
			}
		})
	}
}

func TestWithoutKeysNothingIsLost(t *testing.T) {
	w := newWorld(t)
	address, got := w.answering(always(http.StatusOK))
	w.client("app", address)
	w.end("app")
	w.clock.Advance(time.Minute) // the ring was not read for so long
	w.deliver()
	if n := len(got.take()); n != 0 || w.left() != 1 {
		t.Fatalf("%d requests, %d left", n, w.left())
	}
	w.must(w.ring.Refresh(t.Context()))
	w.clock.Advance(time.Minute)
	w.must(w.ring.Refresh(t.Context()))
	w.deliver()
	if n := len(got.take()); n != 1 || w.left() != 0 {
		t.Errorf("%d requests, %d left", n, w.left())
	}
}

func TestAStoreThatFailsIsTriedAgain(t *testing.T) {
	w := newWorld(t)
	w.must(w.backend.Client.Close())
	if err := w.Deliver(t.Context()); auth.CodeOf(err) != auth.Unavailable {
		t.Errorf("the error is %v", err)
	}
}

// So many are told at once and no more.
func TestParallelDelivery(t *testing.T) {
	w := newWorld(t)
	const notices = 40
	arrived, go_ := make(chan struct{}, notices), make(chan struct{})
	clients := []string{"one", "two", "three", "four"}
	for _, id := range clients {
		w.client(id, w.listen(func(http.ResponseWriter, *http.Request) {
			arrived <- struct{}{}
			<-go_
		}))
	}
	w.end(slices.Repeat(clients, notices/len(clients))...)
	done := make(chan error)
	go func() { done <- w.Deliver(t.Context()) }()
	for range 8 {
		<-arrived
	}
	select {
	case <-arrived:
		t.Error("nine at once")
	case <-time.After(50 * time.Millisecond):
	}
	close(go_)
	w.must(<-done)
	if n := len(arrived) + 8; n != notices || w.left() != 0 {
		t.Errorf("%d told, %d left", n, w.left())
	}
}

// Several instances tell each client once.
func TestInstancesShareTheWork(t *testing.T) {
	w := newWorld(t)
	address, got := w.answering(always(http.StatusOK))
	w.client("app", address)
	families := w.end(slices.Repeat([]string{"app"}, 100)...)
	var working sync.WaitGroup
	for range 3 {
		instance := w.sender(backchannel.Policy{AllowedNetworks: loopback})
		working.Go(func() {
			if err := instance.Deliver(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	working.Wait()
	var told []string
	for _, q := range got.take() {
		_, claims := w.open(q.PostForm.Get("logout_token"))
		told = append(told, claims["sid"].(string))
	}
	slices.Sort(families)
	slices.Sort(told)
	if diff := cmp.Diff(families, told); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}

// One that died in the middle is followed by another when its lease ends.
func TestTheLeaseEnds(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	status := func() int { cancel(); return http.StatusServiceUnavailable }
	address, got := w.answering(func() int { return status() })
	w.client("app", address)
	w.end("app")
	_ = w.Deliver(ctx)
	status = always(http.StatusOK)
	w.clock.Advance(29 * time.Second)
	if w.deliver(); len(got.take()) != 1 {
		t.Error("another instance does not wait")
	}
	w.clock.Advance(time.Second)
	w.deliver()
	if n := len(got.take()); n != 1 || w.left() != 0 {
		t.Errorf("%d requests, %d left", n, w.left())
	}
}

func TestRunDeliversWhenNudged(t *testing.T) {
	w := newWorld(t)
	told := make(chan struct{}, 10)
	w.client("app", w.listen(func(http.ResponseWriter, *http.Request) { told <- struct{}{} }))
	for range 3 {
		w.Nudge() // nobody listens yet, and it does not block
	}
	w.end("app")
	ctx, cancel := context.WithCancel(t.Context())
	tick := make(chan time.Time)
	ended := make(chan struct{})
	go func() { w.Run(ctx, tick); close(ended) }()
	<-told
	w.end("app")
	w.Nudge()
	<-told
	w.end("app")
	tick <- w.clock.Now()
	<-told
	cancel()
	<-ended
}

func TestTheLogKeepsSecrets(t *testing.T) {
	w := newWorld(t)
	address, got := w.answering(always(http.StatusServiceUnavailable))
	w.client("app", strings.Replace(address, "https://", "https://user:sesame@", 1))
	w.client("other", "https://127.0.0.1:1/logout")
	w.end("app", "other")
	w.deliver()
	requests := got.take()
	log := w.log.String()
	if len(requests) != 1 || !strings.Contains(log, "client=app") || !strings.Contains(log, "client=other") {
		t.Fatalf("%d requests; the log has\n%s", len(requests), log)
	}
	for _, secret := range []string{"sesame", requests[0].PostForm.Get("logout_token"), url.QueryEscape(requests[0].PostForm.Get("logout_token"))} {
		if strings.Contains(log, secret) {
			t.Errorf("the log has %q:\n%s", secret, log)
		}
	}
}

// A client cannot hold up its instance: what it says is not read to the end.
func TestEndlessAnswers(t *testing.T) {
	w := newWorld(t)
	w.client("app", w.listen(func(rw http.ResponseWriter, q *http.Request) {
		for q.Context().Err() == nil {
			if _, err := rw.Write(make([]byte, 1<<10)); err != nil {
				return
			}
		}
	}))
	w.end("app")
	began := time.Now()
	w.deliver()
	if diff := cmp.Diff([]string{"logout.notify client:app success"}, w.recorded()); diff != "" || time.Since(began) > 4*time.Second {
		t.Errorf("it took %v, recorded (-want +got):\n%s", time.Since(began), diff)
	}
}

// Nor by saying nothing.
func TestSilentClients(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.client("app", w.listen(func(_ http.ResponseWriter, q *http.Request) {
		_ = q.ParseForm() // or the server does not notice that nobody waits any more
		<-q.Context().Done()
	}))
	w.end("app")
	began := time.Now()
	w.deliver()
	if took := time.Since(began); took > 8*time.Second || w.left() != 1 {
		t.Errorf("it took %v, %d left", took, w.left())
	}
}
