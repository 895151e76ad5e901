package grant_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/grant"
	"github.com/claimsmith/claimsmith/internal/audit"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

func TestLogoutEndsTheLogin(t *testing.T) {
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		w := newWorld(t, b)
		ctx := context.Background()
		w.client("web", func(c *auth.Client) { c.FirstParty = true })
		other := w.token(request("web", w.code("web", nil)))
		login := w.token(request("web", w.code("web", nil)))
		newer := w.token(refresh("web", login.RefreshToken))
		if _, err := w.callers.Resolve(ctx, newer.AccessToken); err != nil {
			t.Fatal(err)
		}
		check(t, w.inspector.Logout(ctx, login.AccessToken))
		want := audit.Event{Action: "login.end", Actor: "user:jane-id", Org: auth.DefaultOrg, Target: "user:jane-id", Outcome: audit.Success}
		if diff := cmp.Diff(want, w.audit.Last()); diff != "" {
			t.Errorf("the event differs:\n%s", diff)
		}
		for _, token := range []string{login.AccessToken, newer.AccessToken} {
			if w.active(token) {
				t.Error("a token of the login stands")
			}
			if _, err := w.callers.Resolve(ctx, token); auth.CodeOf(err) != auth.Unauthenticated {
				t.Errorf("a token of the login is accepted: %v", err) // nothing is remembered where it was ended
			}
			if err := w.inspector.Logout(ctx, token); auth.CodeOf(err) != auth.Unauthenticated {
				t.Errorf("logging out again: %v", err)
			}
		}
		w.refused("a refresh token of the login", refresh("web", newer.RefreshToken), auth.InvalidGrant)
		if !w.active(other.AccessToken) {
			t.Error("another login has ended too")
		}
	})
}

// Only what Callers would take for the user himself ends his login.
func TestWhatIsNoUsersTokenEndsNoLogin(t *testing.T) {
	w := newGateway(t)
	ctx := context.Background()
	login := w.login(nil)
	k := newKeyPair(t)
	bound := request("web", w.code("web", nil))
	bound.Proof = w.proof(k, "")
	expiring := w.login(nil)
	machine := w.token(grant.Request{GrantType: auth.GrantClientCredentials, Credentials: by("gateway"), Scope: "orders"}).AccessToken
	exchanged := w.token(exchange("gateway", login.AccessToken)).AccessToken
	foreign := w.login(func(a *auth.Approval) { a.Scope = "profile" }).AccessToken // for its audience alone
	boundToken := w.token(bound).AccessToken
	for what, token := range map[string]string{
		"a machine's token":                    machine,
		"an exchanged token":                   exchanged,
		"one that is bound to a key":           boundToken,
		"one for somebody else":                foreign,
		"a refresh token":                      login.RefreshToken,
		"an ID token":                          login.IDToken,
		"nothing":                              "",
		"an operator's token":                  "cs_at_test",
		"one with another signature":           login.AccessToken[:len(login.AccessToken)-6] + "AAAAAA",
		"one whose login another token is not": "a.b.c",
	} {
		if err := w.inspector.Logout(ctx, token); auth.CodeOf(err) != auth.Unauthenticated {
			t.Errorf("%s: %v", what, err)
		}
		if e := w.audit.Last(); e.Action != "login.end" || e.Outcome != audit.Denied || e.Actor != "" || e.Target != "" {
			t.Errorf("%s: event %+v", what, e)
		}
	}
	for what, token := range map[string]string{"login": login.AccessToken, "bound": boundToken, "foreign": foreign} {
		if !w.active(token) {
			t.Errorf("the token %s does not stand any more", what)
		}
	}
	w.advance(11 * time.Minute)
	if err := w.inspector.Logout(ctx, expiring.AccessToken); auth.CodeOf(err) != auth.Unauthenticated {
		t.Errorf("an expired token: %v", err)
	}
	w.token(refresh("web", expiring.RefreshToken))
}

// Row R-10.
func TestLogoutWithoutTheStoreIsUnknown(t *testing.T) {
	w := newWorld(t, redistest.Embedded(t))
	w.client("web", func(c *auth.Client) { c.FirstParty = true })
	login := w.token(request("web", w.code("web", nil)))
	check(t, w.backend.Client.Close())
	if err := w.inspector.Logout(context.Background(), login.AccessToken); auth.CodeOf(err) != auth.Unavailable {
		t.Errorf("without the store: %v", err)
	}
	if e := w.audit.Last(); e.Outcome != audit.Failed {
		t.Errorf("event %+v", e)
	}
}
