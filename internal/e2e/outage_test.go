package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

// No write that was answered with success is lost when Redis is killed while it is written to, and the server goes on by itself
// when Redis is back. The client of a write that failed repeats it without harm.
func TestWritesSurviveAKilledRedis(t *testing.T) {
	t.Parallel()
	i, redis := newInstallation(t)
	s := i.serve()

	const writers, something = 4, 50
	var acknowledged [writers]int
	var refused atomic.Int32
	var all sync.WaitGroup
	for w := range writers {
		user := fmt.Sprintf("user-%d", w)
		s.send(http.MethodPost, "/api/user", i.admin, `{"id":"`+user+`"}`).want(t, http.StatusCreated)
		all.Go(func() {
			for refused.Load() < 2*writers {
				n := acknowledged[w]
				got, err := s.try(http.MethodPut, fmt.Sprintf("/api/user/%s/metadata/%d", user, n), i.admin, fmt.Sprintf(`{"value":%d}`, n))
				switch {
				case err == nil && got.status == http.StatusOK:
					acknowledged[w]++
					continue
				case err != nil || got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "":
					t.Errorf("a write that failed was answered %d %s, %v", got.status, got.body, err)
				}
				refused.Add(1)
			}
		})
	}
	eventually(t, "there is something to lose", patience, func() bool {
		return len(s.entriesOf("user-0", i.admin)) >= something
	})
	redis.Kill()
	all.Wait()
	redis.Restart()
	s.awaitReady()

	for w, count := range acknowledged {
		user := fmt.Sprintf("user-%d", w)
		entries := s.entriesOf(user, i.admin)
		for n := range count {
			if got := entries[strconv.Itoa(n)]; got != strconv.Itoa(n) {
				t.Errorf("%s: entry %d of %d, which was acknowledged, is %q", user, n, count, got)
			}
		}
		t.Logf("%s: %d writes were acknowledged", user, count)
	}
	s.send(http.MethodPut, "/api/user/user-0/metadata/after", i.admin, `{"value":true}`).want(t, http.StatusOK)
}

// entriesOf returns a user's metadata by key, the values as JSON.
func (s *server) entriesOf(user, token string) map[string]string {
	s.t.Helper()
	var document struct {
		Metadata []struct {
			Key   string          `json:"key"`
			Value json.RawMessage `json:"value"`
		} `json:"metadata"`
	}
	text := s.get("/api/user/"+user+"/metadata", token).want(s.t, http.StatusOK).body
	if err := json.Unmarshal([]byte(text), &document); err != nil {
		s.t.Fatalf("%s: %v", text, err)
	}
	entries := make(map[string]string)
	for _, e := range document.Metadata {
		entries[e.Key] = string(e.Value)
	}
	return entries
}

// enough is how long a request may take when Redis does not answer: a second, and what a busy machine adds.
const enough = 2500 * time.Millisecond

// while Redis is away everything that needs it is refused in about a second, whether its connections are refused or
// nothing answers, and no secret gets into the log for it.
func TestRequestsAreRefusedWithoutRedis(t *testing.T) {
	i, redis := newInstallation(t)
	proxy := redistest.NewProxy(t, redis.Addr())
	i.settings = append(i.settings, "CLAIMSMITH_REDIS_ADDR="+proxy.Addr()) // the last one counts
	s := i.serve("--log-level", "debug", "--access-log")
	const password, value = "canary-password-of-jane", "canary-metadata-value"
	s.send(http.MethodPost, "/api/user", i.admin, `{"id":"jane","username":"jane","password":"`+password+`"}`).want(t, http.StatusCreated)
	s.send(http.MethodPut, "/api/user/jane/metadata/theme", i.admin, `{"value":"`+value+`","profileClaim":true}`).want(t, http.StatusOK)
	tokens := s.login("jane", password).want(t, http.StatusOK)
	access, refresh := tokens.text(t, "access_token"), tokens.text(t, "refresh_token")
	created := s.send(http.MethodPost, "/api/client", i.admin, `{"client_id":"shop","grant_types":["client_credentials"]}`)
	secret := created.want(t, http.StatusCreated).text(t, "client_secret")

	requests := map[string]func() answer{
		"read metadata": func() answer { return s.get("/api/user/jane/metadata", i.admin) },
		"write metadata": func() answer {
			return s.send(http.MethodPut, "/api/user/jane/metadata/theme", i.admin, `{"value":"`+value+`"}`)
		},
		"create a user": func() answer { return s.send(http.MethodPost, "/api/user", i.admin, `{"username":"bob"}`) },
		"log in":        func() answer { return s.login("jane", password) },
		"refresh":       func() answer { return s.refresh(refresh) },
		"client credentials": func() answer {
			return s.form("/oauth/token", "grant_type", "client_credentials", "client_id", "shop", "client_secret", secret)
		},
		"userinfo": func() answer { return s.get("/oauth/userinfo", access) },
		"introspect": func() answer {
			return s.form("/oauth/introspect", "client_id", "shop", "client_secret", secret, "token", access)
		},
		"revoke": func() answer { return s.form("/oauth/revoke", "client_id", "login", "token", refresh) },
		"ready":  func() answer { return s.get("/readyz", "") },
	}
	for how, fail := range map[string]func(){"refused": proxy.Refuse, "silent": proxy.Blackhole} {
		t.Run(how, func(t *testing.T) {
			fail()
			defer proxy.Heal()
			var together sync.WaitGroup
			for name, request := range requests {
				together.Go(func() { refusedInTime(t, name, request) })
			}
			together.Wait()
			s.get("/healthz", "").want(t, http.StatusOK)
			s.get("/.well-known/jwks.json", "").want(t, http.StatusOK)
		})
		s.awaitReady()
	}

	// Nothing was decided meanwhile: what stood stands, and the refresh token can still be used.
	s.get("/oauth/userinfo", access).want(t, http.StatusOK)
	s.refresh(refresh).want(t, http.StatusOK)
	s.hides(t, map[string]string{
		"password": password, "metadata": value, "access token": access, "refresh token": refresh, "client secret": secret,
		"API token": i.admin, "key-encryption key": i.kek,
	})
}

// refusedInTime repeats a request until it is refused, which must be so once what was read of clients and credentials is as old as
// may be, and that no answer takes too long.
func refusedInTime(t *testing.T, name string, request func() answer) {
	t.Helper()
	for begin := time.Now(); ; {
		sent := time.Now()
		got := request()
		if took := time.Since(sent); took > enough {
			t.Errorf("%s was answered after %s", name, took)
		}
		if got.status == http.StatusOK && sent.Sub(begin) <= auth.Recency {
			continue
		}
		if got.status != http.StatusServiceUnavailable {
			t.Errorf("%s was answered %d %s", name, got.status, got.body)
		} else if name != "ready" && got.header.Get("Retry-After") == "" {
			t.Errorf("%s: nothing says when to try again", name)
		}
		return
	}
}

// that Redis was made to evict is noticed at the next look at its settings.
func TestServerStopsBeingReadyWhenRedisMayEvict(t *testing.T) {
	t.Parallel()
	i, redis := newInstallation(t)
	s := i.serve()
	client := redistest.NewClient(t, redis.Addr())
	configure := func(policy string) {
		t.Helper()
		if err := client.ConfigSet(t.Context(), "maxmemory-policy", policy).Err(); err != nil {
			t.Fatal(err)
		}
	}
	configure("allkeys-lru")
	const checkInterval = 30 * time.Second // of cmd/claimsmith
	took := eventually(t, "/readyz says no", checkInterval+5*time.Second, func() bool {
		return s.get("/readyz", "").body == `{"status":"not ready","failed":["redis settings"]}`
	})
	t.Logf("it was noticed after %s", took.Round(time.Second))
	if !strings.Contains(s.stderr.String(), "maxmemory-policy is allkeys-lru, must be noeviction") {
		t.Errorf("the log does not say why:\n%s", s.stderr.tail())
	}
	s.get("/healthz", "").want(t, http.StatusOK)
}
