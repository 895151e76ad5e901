package auth_test

import (
	"context"
	"testing"
	"time"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/redisstore"
	"github.com/claimsmith/claimsmith/internal/durable"
	"github.com/claimsmith/claimsmith/internal/keyspace"
	"github.com/claimsmith/claimsmith/internal/redistest"
	"github.com/claimsmith/claimsmith/internal/testkit"
)

// nothing is an Eraser of what is not kept.
type nothing struct{}

func (nothing) EraseUser(context.Context, string, []string, bool) error { return nil }

// services are those that manage users, organisations and clients, of one instance, with the organisations default and acme.
type services struct {
	t        *testing.T
	store    *redisstore.Store
	registry *auth.Registry
	users    *auth.Users
	orgs     *auth.Orgs
	clients  *auth.Clients
	log      *testkit.Trail
	clock    *testkit.Clock
}

func newServices(t *testing.T, b redistest.Backend) *services {
	t.Helper()
	s := instanceOver(t, &durable.Runner{Client: b.Client}, testkit.NewClock(time.Now().UTC().Truncate(time.Second)))
	for _, slug := range []string{auth.DefaultOrg, "acme"} {
		_, err := s.orgs.Create(t.Context(), auth.System(), slug, auth.OrgChange{})
		s.must(err)
	}
	return s
}

// instanceOver is one more instance over the data a runner leads to.
func instanceOver(t *testing.T, runner *durable.Runner, clock *testkit.Clock) *services {
	t.Helper()
	s := &services{t: t, store: redisstore.New(runner, keyspace.New(3)), log: &testkit.Trail{}, clock: clock}
	s.registry = &auth.Registry{ClientStore: s.store, OrgStore: s.store, OriginStore: s.store, Now: clock.Now}
	callers := &auth.Callers{Tokens: s.store, Registry: s.registry, Audit: s.log, Now: clock.Now}
	hasher, err := auth.NewHasher(auth.HashConfig{})
	s.must(err)
	s.users = &auth.Users{
		Store: s.store, Registry: s.registry, Callers: callers, Hasher: hasher, Limiter: s.store, Eraser: nothing{}, Audit: s.log,
		Now: clock.Now, Issuer: "http://localhost:8080", EmailKeys: [][]byte{[]byte("a key of 32 bytes for test mails")},
	}
	s.orgs = &auth.Orgs{Store: s.store, Registry: s.registry, Callers: callers, Audit: s.log, Now: clock.Now}
	s.clients = &auth.Clients{
		Store: s.store, Users: s.store, Registry: s.registry, Callers: callers, Issuer: "https://id.example", Audit: s.log, Now: clock.Now,
	}
	return s
}

func (s *services) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// wantError checks an error's code and field.
func (s *services) wantError(what string, err error, code auth.Code, field string) {
	s.t.Helper()
	if auth.CodeOf(err) != code || fieldOf(err) != field {
		s.t.Errorf("%s: %v (field %q), want %s %q", what, err, fieldOf(err), code, field)
	}
}

// client creates one for password logins, as changed by change.
func (s *services) client(org, id string, change func(*auth.NewClient)) auth.Client {
	s.t.Helper()
	yes, grants, scopes := true, []string{auth.GrantPassword}, []string{auth.ScopeOpenID}
	n := auth.NewClient{ID: id, Public: &yes, ClientChange: auth.ClientChange{FirstParty: &yes, GrantTypes: &grants, Scopes: &scopes}}
	if change != nil {
		change(&n)
	}
	c, _, err := s.clients.Create(s.t.Context(), auth.System(), org, n)
	s.must(err)
	return c
}

func (s *services) update(org, id string, change auth.ClientChange) auth.Client {
	s.t.Helper()
	c, err := s.clients.Update(s.t.Context(), auth.System(), org, id, nil, change)
	s.must(err)
	return c
}

// lost is a way to Redis on which replies get lost.
func lost(t *testing.T, b redistest.Backend) (*redistest.Proxy, *durable.Runner) {
	t.Helper()
	if len(b.Addrs) > 1 {
		t.Skip("one proxy stands before one server")
	}
	proxy := redistest.NewProxy(t, b.Addrs[0])
	return proxy, &durable.Runner{Client: redistest.NewClient(t, proxy.Addr())}
}
