package audit_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/redisstore"
	"github.com/claimsmith/claimsmith/internal/audit"
	"github.com/claimsmith/claimsmith/internal/durable"
	"github.com/claimsmith/claimsmith/internal/keyspace"
	"github.com/claimsmith/claimsmith/internal/redistest"
	"github.com/claimsmith/claimsmith/internal/testkit"
)

func TestMain(m *testing.M) { redistest.Main(m) }

const acme = "acme"

var (
	space   = keyspace.New(keyspace.DefaultPartitions)
	oneKey  = [][]byte{[]byte("the key of these tests, 32 bytes")}
	begin   = time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)
	nowhere = audit.NewLog(slog.New(slog.DiscardHandler))
)

// kit is a Redis with the organisation acme in it.
type kit struct {
	t     testing.TB
	redis redis.UniversalClient
	store *redisstore.Audit
	log   *testkit.Log
	clock *testkit.Clock
}

func newKit(t testing.TB, client redis.UniversalClient) *kit {
	t.Helper()
	k := &kit{t: t, redis: client, store: storeOn(client), log: &testkit.Log{}, clock: testkit.NewClock(begin)}
	k.addOrg(acme)
	return k
}

func storeOn(client redis.UniversalClient) *redisstore.Audit {
	return redisstore.NewAudit(&durable.Runner{Client: client}, space)
}

func (k *kit) addOrg(slug string) {
	k.t.Helper()
	if _, err := redisstore.New(&durable.Runner{Client: k.redis}, space).PutOrg(k.t.Context(), auth.Org{Slug: slug}, "op "+slug); err != nil {
		k.t.Fatal(err)
	}
}

// recorder returns a recorder over the kit's store, with a configuration as changed by change.
func (k *kit) recorder(change ...func(*audit.Config)) *audit.Recorder {
	cfg := audit.Config{Store: k.store, Log: nowhere, Keys: oneKey, Logger: slog.New(slog.NewTextHandler(k.log, nil)), Now: k.clock.Now}
	for _, c := range change {
		c(&cfg)
	}
	return audit.NewRecorder(cfg)
}

func (k *kit) flush(r *audit.Recorder) {
	k.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := r.Flush(ctx); err != nil {
		k.t.Fatal(err)
	}
}

// written has n events of an organisation written by a recorder.
func (k *kit) written(r *audit.Recorder, org string, n int) {
	k.t.Helper()
	for i := range n {
		r.Record(k.t.Context(), event(org, fmt.Sprint(i)))
	}
	k.flush(r)
}

func event(org, target string) audit.Event {
	return audit.Event{Action: "user.update", Actor: "token:t1", Org: org, Target: "user:" + target, Outcome: audit.Success}
}

func (k *kit) entries(org string) []audit.Entry {
	k.t.Helper()
	all, err := k.store.Range(k.t.Context(), org, 1, 1_000_000, false)
	if err != nil {
		k.t.Fatal(err)
	}
	return all
}

func (k *kit) verify(org string, keys ...[]byte) audit.Verification {
	k.t.Helper()
	if len(keys) == 0 {
		keys = oneKey
	}
	v, err := audit.Verify(k.t.Context(), k.store, keys, org)
	if err != nil {
		k.t.Fatal(err)
	}
	return v
}

// whole fails unless a chain has exactly the entries from first to last and is unbroken.
func (k *kit) whole(org string, first, last uint64) {
	k.t.Helper()
	entries := k.entries(org)
	v := k.verify(org)
	if v.Broken != 0 || v.Why != "" || v.First != first || v.Last != last || uint64(len(entries)) != last-first+1 {
		k.t.Fatalf("%+v, %d entries, want %d to %d", v, len(entries), first, last)
	}
	if head := entries[len(entries)-1].Hash; v.Head != head {
		k.t.Errorf("head %s, the last entry has %s", v.Head, head)
	}
}

// running runs a recorder until the function it returns is called.
func running(r *audit.Recorder) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		r.Run(ctx, nil)
		close(done)
	}()
	return func() {
		cancel()
		<-done
	}
}
