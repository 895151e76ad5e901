package session_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/redisstore"
	"github.com/claimsmith/claimsmith/auth/session"
	"github.com/claimsmith/claimsmith/internal/durable"
	"github.com/claimsmith/claimsmith/internal/keyspace"
	"github.com/claimsmith/claimsmith/internal/redistest"
	"github.com/claimsmith/claimsmith/internal/testkit"
	"github.com/claimsmith/claimsmith/metadata"
	metastore "github.com/claimsmith/claimsmith/metadata/redisstore"
)

func TestMain(m *testing.M) { redistest.Main(m) }

const (
	idle     = 12 * time.Hour
	absolute = 30 * 24 * time.Hour
	agent    = "Mozilla/5.0 (X11; Linux x86_64)"
	address  = "192.0.2.7"
	password = "correct horse jane"
)

// world is an installation with the organisations default, acme and globex, and the users jane of default and acme, and john of default.
type world struct {
	*session.Service
	t       *testing.T
	backend redistest.Backend
	store   *redisstore.Store
	orgs    *auth.Orgs
	clients *auth.Clients
	tokens  *auth.APITokens
	callers *auth.Callers
	trail   *testkit.Trail
	ended   int
	clock   *testkit.Clock
}

func newWorld(t *testing.T, b redistest.Backend) *world {
	t.Helper()
	w := &world{t: t, backend: b, trail: &testkit.Trail{}, clock: testkit.NewClock(time.Now().UTC().Truncate(time.Millisecond))}
	runner, space := &durable.Runner{Client: b.Client}, keyspace.New(keyspace.DefaultPartitions)
	w.store = redisstore.New(runner, space)
	registry := &auth.Registry{ClientStore: w.store, OrgStore: w.store, Now: w.clock.Now}
	w.callers = &auth.Callers{Tokens: w.store, Registry: registry, Audit: w.trail, Now: w.clock.Now}
	hasher, err := auth.NewHasher(auth.HashConfig{MemoryKiB: 19456, Time: 2, Parallelism: 1, MemoryBudgetMiB: 64, MinLength: 8})
	w.must(err)
	users := &auth.Users{
		Store: w.store, Registry: registry, Callers: w.callers, Hasher: hasher, Limiter: w.store, Audit: w.trail, Now: w.clock.Now,
		Eraser: &metadata.Service{Store: metastore.New(runner, space)},
	}
	w.Service = &session.Service{
		Store: w.store, Registry: registry, Users: users, Keys: [][]byte{secret(32)}, Audit: w.trail, Now: w.clock.Now,
		Lifetimes: session.Lifetimes{Idle: idle, Absolute: absolute}, Ended: func() { w.ended++ },
	}
	users.Sessions = w.Service
	w.orgs = &auth.Orgs{Store: w.store, Registry: registry, Callers: w.callers, Audit: w.trail, Now: w.clock.Now}
	w.clients = &auth.Clients{Store: w.store, Users: w.store, Registry: registry, Callers: w.callers, Audit: w.trail, Now: w.clock.Now}
	w.tokens = &auth.APITokens{Store: w.store, Registry: registry, Callers: w.callers, Audit: w.trail, Now: w.clock.Now}
	for _, slug := range []string{"default", "acme", "globex"} {
		_, err := w.orgs.Create(t.Context(), auth.System(), slug, auth.OrgChange{})
		w.must(err)
	}
	for _, name := range []string{"jane", "john"} {
		_, err := users.Create(t.Context(), auth.System(), "default", auth.NewUser{ID: name + "-id", Username: name, Password: password}, "")
		w.must(err)
	}
	_, err = users.Update(t.Context(), auth.System(), "default", "jane", nil, auth.UserChange{Orgs: &[]string{"default", "acme"}})
	w.must(err)
	for _, id := range []string{"told", "silent", "disabled", "gone"} {
		w.putClient(id, "default", id != "silent")
	}
	w.putClient("acme-app", "acme", true)
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// putClient registers a client as auth.Clients would, and with an address for logouts.
func (w *world) putClient(id, org string, told bool) {
	w.t.Helper()
	c := auth.Client{
		ID: id, Org: org, Since: w.clock.Now(), GrantTypes: []string{auth.GrantAuthorizationCode}, Scopes: []string{auth.ScopeOpenID},
		RedirectURIs: []string{"https://app.example/cb"}, RequirePKCE: true,
	}
	if told {
		c.BackchannelLogoutURI = "https://" + id + ".example/logout"
	}
	_, err := w.store.PutClient(w.t.Context(), c, rand.Text())
	w.must(err)
}

func secret(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}

func sum(b []byte) []byte {
	s := sha256.Sum256(b)
	return s[:]
}

// who is a user who has just proved who he is.
func (w *world) who(user string) auth.Subject {
	w.t.Helper()
	u, _, err := w.store.User(w.t.Context(), user)
	w.must(err)
	return auth.Subject{User: user, Org: "default", AuthTime: w.clock.Now(), AMR: []string{"pwd", "otp", "mfa"}, ACR: "2", Epoch: u.Epoch}
}

// start logs a user in.
func (w *world) start(user string, prior *session.Session) (*session.Session, string) {
	w.t.Helper()
	sess, text, err := w.Start(w.t.Context(), w.who(user), prior, agent, address)
	w.must(err)
	return sess, text
}

// resolved is the session a text proves, or nil.
func (w *world) resolved(text string) *session.Session {
	w.t.Helper()
	sess, err := w.Resolve(w.t.Context(), text, address)
	w.must(err)
	return sess
}

func (w *world) wantGone(text string) {
	w.t.Helper()
	if sess := w.resolved(text); sess != nil {
		w.t.Errorf("the session is %+v, want none", sess)
	}
}

func (w *world) wantThere(text string) {
	w.t.Helper()
	if w.resolved(text) == nil {
		w.t.Error("there is no session")
	}
}

// tryOpen opens a login from a session as the authorization code grant does.
func (w *world) tryOpen(sess *session.Session, org, client, scope string) (auth.FamilyRef, error) {
	ctx := context.Background()
	code, now := secret(24), w.clock.Now()
	subject := auth.Subject{User: sess.User, Org: org, AuthTime: sess.AuthTime, AMR: sess.AMR, ACR: "2", Epoch: sess.Epoch}
	ref, err := w.store.CreateCode(ctx, secret(12), auth.Approval{
		Subject: subject, Client: client, Scope: scope, Session: sess.ID, RedirectURI: "https://app.example/cb", ExpiresAt: now.Add(time.Minute),
	}, sum(code))
	family := auth.FamilyRef{User: sess.User, Org: org, ID: base64.RawURLEncoding.EncodeToString(secret(12))}
	if err != nil {
		return family, err
	}
	return family, w.store.Redeem(ctx, ref, auth.Family{
		FamilyRef: family, Client: client, Scope: scope, AuthTime: sess.AuthTime, AMR: sess.AMR, Epoch: sess.Epoch,
		ExpiresAt: now.Add(absolute), Generation: 1, Session: sess.ID,
	}, sum(secret(24)), now, now.Add(absolute), 10_000)
}

func (w *world) open(sess *session.Session, org, client, scope string) auth.FamilyRef {
	w.t.Helper()
	family, err := w.tryOpen(sess, org, client, scope)
	w.must(err)
	return family
}

func (w *world) live(ref auth.FamilyRef) bool {
	w.t.Helper()
	live, _, err := w.store.Live(w.t.Context(), ref, rand.Text())
	w.must(err)
	return live
}

// told lists who is due to be told of what, as "client family", sorted, and forgets it.
func (w *world) told() []string {
	w.t.Helper()
	due, err := w.store.DueNotices(w.t.Context(), w.clock.Now(), time.Second, 10_000)
	w.must(err)
	var list []string
	for _, n := range due {
		w.must(w.store.DropNotice(w.t.Context(), n))
		list = append(list, n.Client+" "+n.Family)
	}
	slices.Sort(list)
	return list
}

func (w *world) wantTold(want ...string) {
	w.t.Helper()
	slices.Sort(want)
	if got := w.told(); !slices.Equal(got, want) {
		w.t.Errorf("told are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func (w *world) wantCode(err error, want auth.Code) {
	w.t.Helper()
	if auth.CodeOf(err) != want {
		w.t.Errorf("error is %v, want code %q", err, want)
	}
}

// operator is the caller with a new API token.
func (w *world) operator(org string, role auth.Role) *auth.Caller {
	w.t.Helper()
	_, text, err := w.tokens.Create(w.t.Context(), auth.System(), auth.NewAPIToken{Org: org, Role: role})
	w.must(err)
	caller, err := w.callers.Resolve(w.t.Context(), text)
	w.must(err)
	return caller
}
