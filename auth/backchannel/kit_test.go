package backchannel_test

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/backchannel"
	"github.com/claimsmith/claimsmith/auth/keys"
	"github.com/claimsmith/claimsmith/auth/redisstore"
	"github.com/claimsmith/claimsmith/auth/session"
	"github.com/claimsmith/claimsmith/internal/durable"
	"github.com/claimsmith/claimsmith/internal/keyspace"
	"github.com/claimsmith/claimsmith/internal/redistest"
	"github.com/claimsmith/claimsmith/internal/testkit"
)

func TestMain(m *testing.M) { redistest.Main(m) }

const issuer = "https://id.example"

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

// world is an installation with the organisation acme and the user jane.
type world struct {
	*backchannel.Sender
	t       *testing.T
	backend redistest.Backend
	store   *redisstore.Store
	space   keyspace.Space
	ring    *keys.Ring
	trail   *testkit.Trail
	log     *testkit.Log
	roots   *x509.CertPool
	clock   *testkit.Clock
}

// recorded returns what was recorded since it was asked last, as "action target outcome reason".
func (w *world) recorded() (found []string) {
	for _, e := range w.trail.Take() {
		found = append(found, strings.TrimSpace(e.Action+" "+e.Target+" "+e.Outcome+" "+e.Reason))
	}
	return found
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{
		t: t, backend: redistest.Embedded(t), trail: &testkit.Trail{}, log: &testkit.Log{}, roots: x509.NewCertPool(),
		space: keyspace.New(keyspace.DefaultPartitions), clock: testkit.NewClock(time.Now().UTC().Truncate(time.Millisecond)),
	}
	runner := &durable.Runner{Client: w.backend.Client}
	w.store = redisstore.New(runner, w.space)
	sealer, err := keys.NewSealer([]byte("a key encryption key of 32 bytes"))
	w.must(err)
	w.ring, err = keys.NewRing(keys.Config{
		Store: redisstore.NewKeys(runner, w.space), Sealer: sealer, TokenLifetime: 10 * time.Minute, Audit: &testkit.Trail{},
		Logger: slog.New(slog.DiscardHandler), Now: w.clock.Now,
	})
	w.must(err)
	w.must(w.ring.Init(t.Context(), "system"))
	w.must(w.ring.Refresh(t.Context()))
	_, err = w.store.PutOrg(t.Context(), auth.Org{Slug: "acme"}, rand.Text())
	w.must(err)
	_, err = w.store.PutUser(t.Context(), auth.User{ID: "jane", Orgs: []string{"acme"}}, nil, nil, rand.Text())
	w.must(err)
	w.Sender = w.sender(backchannel.Policy{AllowedNetworks: loopback})
	return w
}

// sender is one more instance over the installation.
func (w *world) sender(p backchannel.Policy) *backchannel.Sender {
	return backchannel.New(backchannel.Sender{
		Store: w.store, Registry: &auth.Registry{ClientStore: w.store, OrgStore: w.store, Now: w.clock.Now}, Keys: w.ring, Issuer: issuer,
		Policy: p, Roots: w.roots, Audit: w.trail, Logger: slog.New(slog.NewTextHandler(w.log, nil)), Now: w.clock.Now,
	})
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// client is an application that listens at an address.
func (w *world) client(id, address string, change ...func(*auth.Client)) {
	w.t.Helper()
	c, err := w.store.Client(w.t.Context(), id)
	if err != nil {
		c = auth.Client{ID: id, Org: "acme", Since: w.clock.Now()}
	}
	c.BackchannelLogoutURI = address
	for _, f := range change {
		f(&c)
	}
	_, err = w.store.PutClient(w.t.Context(), c, rand.Text())
	w.must(err)
	w.Registry.Forget()
}

// listen starts the server of an application, with TLS.
func (w *world) listen(h http.HandlerFunc) (address string) {
	w.t.Helper()
	server := httptest.NewTLSServer(h)
	w.t.Cleanup(server.Close)
	w.roots.AddCert(server.Certificate())
	return server.URL + "/logout"
}

// end ends a session of jane's in which she had logins at clients, and returns their sids.
func (w *world) end(clients ...string) (families []string) {
	w.t.Helper()
	now := w.clock.Now()
	id := func() string {
		b := make([]byte, 12)
		_, _ = rand.Read(b)
		return base64.RawURLEncoding.EncodeToString(b)
	}
	sess := session.Session{User: "jane", ID: id(), AuthTime: now, CreatedAt: now, SeenAt: now, ExpiresAt: now.Add(time.Hour)}
	w.must(w.store.CreateSession(w.t.Context(), sess, []byte("hash"), now.Add(time.Hour), "", 50))
	var notices []session.Notice
	for _, client := range clients {
		family := id()
		families = append(families, family)
		notices = append(notices, session.Notice{User: "jane", Org: "acme", Family: family, Client: client, Since: now})
	}
	done, err := w.store.EndSession(w.t.Context(), "jane", sess.ID, nil, notices, now)
	w.must(err)
	if !done {
		w.t.Fatal("the session did not end")
	}
	return families
}

func (w *world) deliver() {
	w.t.Helper()
	w.must(w.Deliver(w.t.Context()))
}

// left is how many notices have still to be delivered, whenever they are due.
func (w *world) left() int {
	w.t.Helper()
	n := int64(0)
	for p := range w.space.Partitions() {
		n += w.backend.Client.ZCard(w.t.Context(), w.space.Logouts(p)).Val()
	}
	return int(n)
}
