package profile_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/profile"
	"github.com/claimsmith/claimsmith/auth/redisstore"
	"github.com/claimsmith/claimsmith/claims"
	"github.com/claimsmith/claimsmith/internal/durable"
	"github.com/claimsmith/claimsmith/internal/keyspace"
	"github.com/claimsmith/claimsmith/internal/redistest"
	"github.com/claimsmith/claimsmith/internal/testkit"
	"github.com/claimsmith/claimsmith/metadata"
	metastore "github.com/claimsmith/claimsmith/metadata/redisstore"
)

func TestMain(m *testing.M) { redistest.Main(m) }

const issuer = "https://id.example"

// world has the organisations default, acme and other. Of acme are alice and bob, dora is of acme and other, carl of other alone.
type world struct {
	t        testing.TB
	users    *auth.Users
	metadata *metadata.Service
	tokens   *auth.APITokens
	callers  *auth.Callers
	profile  *profile.Service
	mail     *outbox
	trail    *testkit.Trail
	now      time.Time
	ids      map[string]string
}

// outbox keeps what was sent.
type outbox struct {
	mu   sync.Mutex
	sent []message
}

type message struct{ to, subject, text string }

func (o *outbox) Send(to, subject, text string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.sent = append(o.sent, message{to, subject, text})
}

type nothing struct{}

func (nothing) EraseUser(context.Context, string, []string, bool) error { return nil }

func newWorld(t testing.TB, b redistest.Backend) *world {
	t.Helper()
	w := &world{t: t, mail: &outbox{}, trail: &testkit.Trail{}, now: at, ids: map[string]string{}}
	clock := func() time.Time { return w.now }
	runner, space := &durable.Runner{Client: b.Client}, keyspace.New(3)
	store, documents := redisstore.New(runner, space), metastore.New(runner, space)
	registry := &auth.Registry{ClientStore: store, OrgStore: store, OriginStore: store, Now: clock}
	w.callers = &auth.Callers{Tokens: store, Registry: registry, Audit: w.trail, Now: clock}
	hasher, err := auth.NewHasher(auth.HashConfig{})
	w.must(err)
	w.users = &auth.Users{
		Store: store, Registry: registry, Callers: w.callers, Hasher: hasher, Limiter: store, Eraser: nothing{}, Audit: w.trail, Now: clock,
		Issuer: issuer, EmailKeys: [][]byte{[]byte("0123456789abcdef0123456789abcdef")},
	}
	w.tokens = &auth.APITokens{Store: store, Registry: registry, Callers: w.callers, Audit: w.trail, Now: clock}
	w.metadata = &metadata.Service{
		Store: documents, Schemes: &metadata.Schemes{Store: documents, Now: clock}, Directory: w.users, Audit: w.trail, Now: clock,
	}
	w.profile = &profile.Service{Users: w.users, Metadata: w.metadata, Mail: w.mail, Issuer: issuer, Audit: w.trail, Now: clock}
	orgs := &auth.Orgs{Store: store, Registry: registry, Callers: w.callers, Audit: w.trail, Now: clock}
	for _, slug := range []string{auth.DefaultOrg, "acme", "other"} {
		_, err := orgs.Create(w.ctx(), auth.System(), slug, auth.OrgChange{})
		w.must(err)
	}
	w.user("acme", "alice")
	w.user("acme", "bob")
	w.user("acme", "dora")
	w.user("other", "carl")
	both := []string{"acme", "other"}
	_, err = w.users.Update(w.ctx(), auth.System(), "acme", "dora", nil, auth.UserChange{Orgs: &both})
	w.must(err)
	return w
}

func (w *world) ctx() context.Context { return w.t.Context() }

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// user makes one who was born in 1980, with a verified address.
func (w *world) user(org, name string) {
	w.t.Helper()
	n := auth.NewUser{Username: name, Email: name + "@example.com", EmailVerified: true}
	n.Profile.Name, n.Profile.Birthdate = strings.ToUpper(name[:1])+name[1:], "1980-05-03"
	u, err := w.users.Create(w.ctx(), auth.System(), org, n, "")
	w.must(err)
	w.ids[name] = u.ID
}

// person acts for a user in acme, or in the organisation carl is of.
func (w *world) person(name string) *auth.Caller {
	org := "acme"
	if name == "carl" {
		org = "other"
	}
	return auth.Person(w.ids[name], org)
}

// holder is who has an API token of a role.
func (w *world) holder(role auth.Role, org string) *auth.Caller {
	w.t.Helper()
	_, secret, err := w.tokens.Create(w.ctx(), auth.System(), auth.NewAPIToken{Role: role, Org: org})
	w.must(err)
	caller, err := w.callers.Resolve(w.ctx(), secret)
	w.must(err)
	return caller
}

// record is a user as he is stored.
func (w *world) record(name string) auth.User {
	w.t.Helper()
	u, _, err := w.users.Store.User(w.ctx(), w.ids[name])
	w.must(err)
	return u
}

// operate changes a user's standard claims as an operator does.
func (w *world) operate(name string, change func(*auth.User)) {
	w.t.Helper()
	_, err := w.users.ChangeProfile(w.ctx(), auth.System(), w.record(name).Orgs[0], w.ids[name], asChange(change))
	w.must(err)
}

func (w *world) change(name, members string) (profile.Account, error) {
	w.t.Helper()
	return w.profile.Change(w.ctx(), w.person(name), name, object(w.t, members))
}

// object is the members of a JSON object.
func object(t testing.TB, text string) map[string]jsontext.Value {
	t.Helper()
	var members map[string]jsontext.Value
	if err := json.Unmarshal([]byte(text), &members); err != nil {
		t.Fatal(text, err)
	}
	return members
}

func asChange(change func(*auth.User)) auth.ProfileChange {
	return func(p *claims.Profile, b *auth.Biography) error {
		u := auth.User{Profile: *p, Biography: *b}
		change(&u)
		*p, *b = u.Profile, u.Biography
		return nil
	}
}

// asVerified is what an operator says of a telephone number that he has checked.
func asVerified(number string) func(*claims.Profile) {
	return func(p *claims.Profile) { p.PhoneNumber, p.PhoneNumberVerified = number, true }
}

// at is a moment.
var at = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// inJSON are members with these values.
func inJSON(t rapid.TB, members map[string]any) map[string]jsontext.Value {
	t.Helper()
	all := map[string]jsontext.Value{}
	for name, value := range members {
		text, err := json.Marshal(value, json.Deterministic(true))
		if err != nil {
			t.Fatal(err)
		}
		all[name] = text
	}
	return all
}
