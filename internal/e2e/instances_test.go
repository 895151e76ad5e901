package e2e

import (
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/claimsmith/claimsmith/auth"
)

// What one instance does the other knows, at once or within auth.Recency.
func TestInstancesShareTheirState(t *testing.T) {
	t.Parallel()
	i, _ := newInstallation(t)
	a, b := i.serve(), i.serve()
	const password = "long enough for jane"

	a.send(http.MethodPost, "/api/user", i.admin, `{"id":"jane","username":"jane","password":"`+password+`"}`).want(t, http.StatusCreated)
	b.send(http.MethodPut, "/api/user/jane/metadata/theme", i.admin, `{"value":"Dark Mode","profileClaim":true}`).want(t, http.StatusOK)
	tokens := a.login("jane", password).want(t, http.StatusOK)
	access := tokens.text(t, "access_token")
	b.get("/oauth/userinfo", access).want(t, http.StatusOK)
	if a, b := a.get("/.well-known/jwks.json", "").body, b.get("/.well-known/jwks.json", "").body; a != b {
		t.Errorf("two sets of keys:\n%s\n%s", a, b)
	}

	// A refresh token is used once, wherever.
	second := b.refresh(tokens.text(t, "refresh_token")).want(t, http.StatusOK).text(t, "refresh_token")
	third := a.refresh(second).want(t, http.StatusOK)
	b.refresh(tokens.text(t, "refresh_token")).want(t, http.StatusBadRequest)
	a.get("/oauth/userinfo", third.text(t, "access_token")).want(t, http.StatusUnauthorized)

	// What was made or changed here counts there.
	reader := a.send(http.MethodPost, "/api/token", i.admin, `{"role":"reader"}`).want(t, http.StatusCreated)
	b.get("/api/user/jane", reader.text(t, "token")).want(t, http.StatusOK)
	a.send(http.MethodDelete, "/api/token/"+reader.text(t, "id"), i.admin, "").want(t, http.StatusNoContent)
	took := eventually(t, "a revoked token is refused", 5*time.Second, func() bool {
		return b.get("/api/user/jane", reader.text(t, "token")).status == http.StatusUnauthorized
	})
	if took > auth.Recency+time.Second {
		t.Errorf("a revoked token was accepted elsewhere for %s", took)
	}
	b.send(http.MethodPatch, "/api/user/jane", i.admin, `{"disabled":true}`).want(t, http.StatusOK)
	a.login("jane", password).want(t, http.StatusBadRequest)

	// Of two who change the same thing at once one wins.
	const rounds = 20
	for range rounds {
		tag := a.send(http.MethodGet, "/api/user/jane/metadata/theme", i.admin, "").want(t, http.StatusOK).header.Get("ETag")
		var wins atomic.Int32
		var both sync.WaitGroup
		for _, s := range []*server{a, b} {
			both.Go(func() {
				got, err := s.try(http.MethodPut, "/api/user/jane/metadata/theme", i.admin, `{"value":1}`, "If-Match", tag)
				if err == nil && got.status == http.StatusOK {
					wins.Add(1)
				}
			})
		}
		both.Wait()
		if wins.Load() != 1 {
			t.Fatalf("%d of two changes of the same revision were made", wins.Load())
		}
	}
}
