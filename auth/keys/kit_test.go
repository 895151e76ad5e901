package keys_test

import (
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/claimsmith/claimsmith/auth/keys"
	"github.com/claimsmith/claimsmith/auth/redisstore"
	"github.com/claimsmith/claimsmith/internal/durable"
	"github.com/claimsmith/claimsmith/internal/keyspace"
	"github.com/claimsmith/claimsmith/internal/redistest"
	"github.com/claimsmith/claimsmith/internal/testkit"
)

const (
	maxAge   = 5 * time.Minute
	lifetime = 10 * time.Minute
	skew     = 30 * time.Second
	lead     = maxAge + keys.MaxStale + skew // from publication to the first signature
)

var space = keyspace.New(keyspace.DefaultPartitions)

func kekOf(b byte) []byte {
	k := make([]byte, keys.KEKSize)
	for i := range k {
		k[i] = b
	}
	return k
}

func sealerOf(t testing.TB, current byte, previous ...byte) *keys.Sealer {
	t.Helper()
	var older [][]byte
	for _, p := range previous {
		older = append(older, kekOf(p))
	}
	s, err := keys.NewSealer(kekOf(current), older...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// bench is a store with the means to disturb it, a clock, and an audit trail.
type bench struct {
	t      testing.TB
	client redis.UniversalClient // past the proxy
	proxy  *redistest.Proxy
	store  *redisstore.Keys // through the proxy
	clock  *testkit.Clock
	trail  *testkit.Trail
}

func newBench(t testing.TB) *bench {
	t.Helper()
	b := redistest.Embedded(t)
	proxy := redistest.NewProxy(t, b.Addrs[0])
	through := redistest.NewClient(t, proxy.Addr())
	return &bench{
		t: t, client: b.Client, proxy: proxy, store: redisstore.NewKeys(&durable.Runner{Client: through}, space),
		clock: testkit.NewClock(time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)), trail: &testkit.Trail{},
	}
}

// ring returns the view of one more process, configured as adjust says.
func (b *bench) ring(adjust ...func(*keys.Config)) *keys.Ring {
	b.t.Helper()
	c := keys.Config{
		Store: b.store, Sealer: sealerOf(b.t, 1), JWKSMaxAge: maxAge, TokenLifetime: lifetime, Skew: skew,
		Audit: b.trail, Logger: slog.New(slog.DiscardHandler), Now: b.clock.Now,
	}
	for _, change := range adjust {
		change(&c)
	}
	r, err := keys.NewRing(c)
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

// started returns a ring over an initialised store.
func (b *bench) started(adjust ...func(*keys.Config)) *keys.Ring {
	b.t.Helper()
	r := b.ring(adjust...)
	if err := r.Init(b.t.Context(), "user:op"); err != nil {
		b.t.Fatal(err)
	}
	return r
}

func (b *bench) refresh(r *keys.Ring) {
	b.t.Helper()
	if err := r.Refresh(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) rotate(r *keys.Ring, alg string) keys.Listing {
	b.t.Helper()
	next, err := r.Rotate(b.t.Context(), "user:op", alg)
	if err != nil {
		b.t.Fatal(err)
	}
	return next
}

func (b *bench) withdraw(r *keys.Ring, kid string) {
	b.t.Helper()
	if err := r.Withdraw(b.t.Context(), "user:op", kid); err != nil {
		b.t.Fatal(err)
	}
}

// stored is the state past all rings.
func (b *bench) stored() keys.State {
	b.t.Helper()
	s, err := redisstore.NewKeys(&durable.Runner{Client: b.client}, space).Load(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}

// ids are the keys of an algorithm in a status.
func (b *bench) ids(alg string, status keys.Status) (ids []string) {
	b.t.Helper()
	for _, l := range b.stored().List(b.clock.Now()) {
		if l.Alg == alg && l.Status == status {
			ids = append(ids, l.ID)
		}
	}
	return ids
}

// signer is the kid of a token the ring signs now.
func signer(t testing.TB, r *keys.Ring, alg string) string {
	t.Helper()
	token, err := r.Sign(alg, "at+jwt", []byte(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	return kidOf(t, token)
}

func kidOf(t testing.TB, token string) string {
	t.Helper()
	head, _, _ := strings.Cut(token, ".")
	raw, err := base64.RawURLEncoding.DecodeString(head)
	if err != nil {
		t.Fatal(err)
	}
	var h struct{ Kid string }
	if err := json.Unmarshal(raw, &h); err != nil {
		t.Fatal(err)
	}
	return h.Kid
}

// published are the kids in the ring's key set.
func published(t testing.TB, r *keys.Ring) map[string]bool {
	t.Helper()
	raw, err := r.JWKS()
	if err != nil {
		t.Fatal(err)
	}
	var set struct{ Keys []struct{ Kid string } }
	if err := json.Unmarshal(raw, &set); err != nil {
		t.Fatal(err)
	}
	kids := make(map[string]bool)
	for _, k := range set.Keys {
		kids[k.Kid] = true
	}
	return kids
}
