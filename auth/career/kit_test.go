package career_test

import (
	"testing"
	"time"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/career"
	"github.com/claimsmith/claimsmith/auth/records"
	"github.com/claimsmith/claimsmith/auth/redisstore"
	"github.com/claimsmith/claimsmith/internal/durable"
	"github.com/claimsmith/claimsmith/internal/keyspace"
	"github.com/claimsmith/claimsmith/internal/redistest"
	"github.com/claimsmith/claimsmith/internal/testkit"
)

func TestMain(m *testing.M) { redistest.Main(m) }

const (
	org  = "acme"
	jane = "jane"
)

// kit is a service with jane and bob in acme.
type kit struct {
	*career.Service
	events *testkit.Trail
	now    time.Time
	jane   *auth.Caller
}

func newKit(t *testing.T) *kit {
	t.Helper()
	store := redisstore.New(&durable.Runner{Client: redistest.Embedded(t).Client}, keyspace.New(3))
	k := &kit{events: &testkit.Trail{}, now: time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC), jane: auth.Person(jane, org)}
	users := &auth.Users{Store: store, Audit: k.events, Now: func() time.Time { return k.now }}
	k.Service = &career.Service{
		Service: &records.Service{Store: store, Users: users}, Audit: k.events, Now: func() time.Time { return k.now },
	}
	k.newUser(t, jane)
	k.newUser(t, "bob")
	return k
}

func (k *kit) newUser(t fataler, id string) {
	t.Helper()
	u := auth.User{ID: id, Username: id, Orgs: []string{org}, CreatedAt: k.now}
	if _, err := k.Users.Store.PutUser(t.Context(), u, nil, nil, "make "+id); err != nil {
		t.Fatalf("make %s: %v", id, err)
	}
}
