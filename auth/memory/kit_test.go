package memory_test

import (
	"context"
	"testing"
	"time"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/memory"
	"github.com/claimsmith/claimsmith/auth/records"
	"github.com/claimsmith/claimsmith/auth/redisstore"
	"github.com/claimsmith/claimsmith/internal/audit"
	"github.com/claimsmith/claimsmith/internal/durable"
	"github.com/claimsmith/claimsmith/internal/redistest"
	"github.com/claimsmith/claimsmith/metadata"
	metastore "github.com/claimsmith/claimsmith/metadata/redisstore"
)

func TestMain(m *testing.M) { redistest.Main(m) }

const org = auth.DefaultOrg

type silence struct{}

func (silence) Record(context.Context, audit.Event) {}

type nothing struct{}

func (nothing) EraseUser(context.Context, string, []string, bool) error { return nil }

// kit is the service over an installation with one organisation.
type kit struct {
	*memory.Service
	t   *testing.T
	now time.Time
}

func newKit(t *testing.T, b redistest.Backend) *kit {
	t.Helper()
	run := &durable.Runner{Client: b.Client}
	space, err := redisstore.Initialise(t.Context(), run, 4)
	check(t, err)
	k := &kit{t: t, now: time.Now().UTC().Truncate(time.Second)}
	clock := func() time.Time { return k.now }
	store, documents := redisstore.New(run, space), metastore.New(run, space)
	registry := &auth.Registry{ClientStore: store, OrgStore: store, Now: clock}
	callers := &auth.Callers{Registry: registry, Audit: silence{}, Now: clock}
	users := &auth.Users{Store: store, Registry: registry, Callers: callers, Eraser: nothing{}, Audit: silence{}, Now: clock}
	k.Service = &memory.Service{
		Service: &records.Service{Store: store, Users: users},
		Metadata: &metadata.Service{
			Store: documents, Directory: users, Schemes: &metadata.Schemes{Store: documents, Now: clock}, Audit: silence{}, Now: clock,
		},
		Audit: silence{}, Now: clock,
	}
	orgs := &auth.Orgs{Store: store, Registry: registry, Callers: callers, Audit: silence{}, Now: clock}
	_, err = orgs.Create(t.Context(), auth.System(), org, auth.OrgChange{})
	check(t, err)
	return k
}

// person makes a user and returns who he is.
func (k *kit) person(id string) *auth.Caller {
	k.t.Helper()
	_, err := k.Users.Create(k.t.Context(), auth.System(), org, auth.NewUser{ID: id}, "")
	check(k.t, err)
	return auth.Person(id, org)
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
