package audit_test

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claimsmith/claimsmith/internal/audit"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

func TestEventsAreRememberedInOrderPerOrganisation(t *testing.T) {
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		k := newKit(t, b.Client)
		k.addOrg("globex")
		r := k.recorder(func(c *audit.Config) { c.Kept = func(e audit.Event) bool { return e.Action != "token.refresh_token" } })
		ctx := audit.WithRequest(t.Context(), audit.Request{ID: "R1", Address: "192.0.2.7", Dialect: "native"})
		full := audit.Event{
			Action: "user.create", Actor: "token:a\nb", Org: acme, Target: "user:\x1b[31mjane\u2028", Outcome: audit.Denied, Reason: "conflict",
		}
		r.Record(ctx, full)
		r.Record(ctx, event("globex", "1"))
		r.Record(ctx, audit.Event{Action: "keys.rotate", Outcome: audit.Success})
		r.Record(ctx, event("nobodys", "2")) // no such organisation
		r.Record(ctx, audit.Event{Action: "token.refresh_token", Org: acme, Outcome: audit.Success})
		k.clock.Advance(time.Microsecond)
		r.Record(context.Background(), event(acme, strings.Repeat("x", 600)+"\xff"))
		k.flush(r)

		request := audit.Request{ID: "R1", Address: "192.0.2.7", Dialect: "native"}
		want := map[string][]audit.Entry{
			acme: {
				{Seq: 1, Time: begin, Event: full, Request: request},
				{Seq: 2, Time: begin.Add(time.Microsecond), Event: event(acme, strings.Repeat("x", 507))},
			},
			"globex": {{Seq: 1, Time: begin, Event: event("globex", "1"), Request: request}},
			"": {
				{Seq: 1, Time: begin, Event: audit.Event{Action: "keys.rotate", Outcome: audit.Success}, Request: request},
				{Seq: 2, Time: begin, Event: event("nobodys", "2"), Request: request},
			},
			"nobodys": {},
		}
		for org, entries := range want {
			got := k.entries(org)
			for n := range got {
				if len(got[n].Hash) != 43 {
					t.Errorf("entry %d has the hash %q", n+1, got[n].Hash)
				}
				got[n].Hash = ""
			}
			if diff := cmp.Diff(entries, got); diff != "" {
				t.Errorf("%q:\n%s", org, diff)
			}
			if v := k.verify(org); v.Broken != 0 || v.Last != uint64(len(entries)) {
				t.Errorf("%q: %+v", org, v)
			}
		}
	})
}

// Whoever writes, every event is there once, each one's in his order, and the chain is one.
func TestRecordersShareAChain(t *testing.T) {
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		const recorders, each = 3, 1500
		k := newKit(t, b.Client)
		var recording sync.WaitGroup
		for n := range recorders {
			r := k.recorder(func(c *audit.Config) { c.Store = storeOn(b.Client) })
			stop := running(r)
			recording.Go(func() {
				defer stop()
				for i := range each {
					e := event(acme, strconv.Itoa(i))
					e.Actor = strconv.Itoa(n)
					r.Record(context.Background(), e)
					if i%500 == 499 { // batches of one meet those of others
						ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
						if err := r.Flush(ctx); err != nil {
							t.Error(err)
						}
						cancel()
					}
				}
			})
		}
		recording.Wait()
		k.whole(acme, 1, recorders*each)
		next := map[string]int{}
		for _, e := range k.entries(acme) {
			if e.Target != "user:"+strconv.Itoa(next[e.Actor]) {
				t.Fatalf("entry %d of %s is %s, want %d", e.Seq, e.Actor, e.Target, next[e.Actor])
			}
			next[e.Actor]++
		}
	})
}

// A server that dies at any moment loses nothing it confirmed, and what it did not confirm is not written twice.
func TestAKilledServerLosesNothing(t *testing.T) {
	server := redistest.Server(t, "--appendonly", "yes", "--appendfsync", "always")
	client := redistest.NewClient(t, server.Addr())
	k := newKit(t, client)
	r := k.recorder(func(c *audit.Config) { c.Capacity = 1 << 20 })
	stop := running(r)
	const kills, each = 5, 4000
	for kill := range kills {
		for i := range each { // batches of them are under way when it dies
			r.Record(t.Context(), event(acme, strconv.Itoa(kill*each+i)))
			if i == each/2 {
				go func() { _ = r.Flush(t.Context()) }()
			}
		}
		server.Kill()
		server.Restart()
	}
	k.flush(r)
	stop()
	k.whole(acme, 1, kills*each)
	for n, e := range k.entries(acme) {
		if e.Target != fmt.Sprintf("user:%d", n) {
			t.Fatalf("entry %d is %s", e.Seq, e.Target)
		}
	}
	if s := r.Stats(); s != (audit.Stats{}) {
		t.Errorf("%+v", s)
	}
}

// Row R-04: whichever replies are lost, each event is written once.
func TestLostRepliesDoNotDoubleEvents(t *testing.T) {
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		if b.Mode != redistest.Standalone {
			t.Skip("one proxy stands before one server")
		}
		proxy := redistest.NewProxy(t, b.Addrs[0])
		k := newKit(t, b.Client)
		other := k.recorder()
		for n := 1; n <= 6; n++ {
			for _, cut := range []func(int){proxy.CutReply, proxy.CutAllReplies} {
				before := len(k.entries(acme))
				faulty := storeOn(redistest.NewClient(t, proxy.Addr()))
				r := k.recorder(func(c *audit.Config) { c.Store = faulty })
				proxy.Reset()
				cut(n)
				r.Record(t.Context(), event(acme, "a"))
				r.Record(t.Context(), event(acme, "b"))
				ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
				_ = r.Flush(ctx) // no reply may have come
				cancel()
				k.written(other, acme, 3) // behind what may have been written
				proxy.Heal()
				r.Record(t.Context(), event(acme, "c"))
				k.flush(r)
				got := map[string]int{}
				for _, e := range k.entries(acme)[before:] {
					got[e.Target]++
				}
				want := map[string]int{"user:a": 1, "user:b": 1, "user:c": 1, "user:0": 1, "user:1": 1, "user:2": 1}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("reply %d lost:\n%s", n, diff)
				}
			}
		}
		k.whole(acme, 1, uint64(len(k.entries(acme))))
	})
}

// While the store is away Record does not wait; what there is no room for is counted and said aloud, and the rest is written later.
func TestTheQueueIsBounded(t *testing.T) {
	b := redistest.Embedded(t)
	proxy := redistest.NewProxy(t, b.Addrs[0])
	k := newKit(t, b.Client)
	k.addOrg("globex")
	r := k.recorder(func(c *audit.Config) {
		c.Store, c.Capacity = storeOn(redistest.NewClient(t, proxy.Addr())), 40
	})
	proxy.Refuse()
	for i := range 25 {
		r.Record(t.Context(), event(acme, strconv.Itoa(i)))
	}
	for i := range 5 { // one chain that is full leaves room for another
		r.Record(t.Context(), event("globex", strconv.Itoa(i)))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := r.Flush(ctx); err == nil || !strings.Contains(err.Error(), "15 audit events") {
		t.Errorf("Flush = %v", err)
	}
	if s := r.Stats(); s != (audit.Stats{Queued: 15, Dropped: 15}) {
		t.Errorf("%+v", s)
	}
	if log := k.log.String(); strings.Count(log, "audit events are lost") != 1 || !strings.Contains(log, "level=ERROR") {
		t.Errorf("the log says %s", log)
	}
	proxy.Heal()
	k.flush(r)
	k.whole(acme, 1, 10)
	k.whole("globex", 1, 5)
	if s := r.Stats(); s != (audit.Stats{Dropped: 15}) {
		t.Errorf("%+v", s)
	}
}

func TestRunWritesWhatIsLeftAtItsEnd(t *testing.T) {
	k := newKit(t, redistest.Embedded(t).Client)
	r := k.recorder()
	stop := running(r)
	for i := range 1234 {
		r.Record(t.Context(), event(acme, strconv.Itoa(i)))
	}
	stop()
	k.whole(acme, 1, 1234)
}

func TestRunSaysWhatItCouldNotWrite(t *testing.T) {
	t.Parallel()
	b := redistest.Embedded(t)
	proxy := redistest.NewProxy(t, b.Addrs[0])
	k := newKit(t, b.Client)
	r := k.recorder(func(c *audit.Config) { c.Store = storeOn(redistest.NewClient(t, proxy.Addr())) })
	proxy.Refuse()
	stop := running(r)
	r.Record(t.Context(), event(acme, "1"))
	stop()
	if log := k.log.String(); !strings.Contains(log, `level=ERROR msg="audit events are lost but for this log"`) {
		t.Errorf("the log says %s", log)
	}
}

// Whoever is refused often is counted, so that he does not push out what others did.
func TestRefusalsDoNotFloodTheChain(t *testing.T) {
	k := newKit(t, redistest.Embedded(t).Client)
	r := k.recorder()
	denied := func(address string, n int) {
		ctx := audit.WithRequest(t.Context(), audit.Request{Address: address})
		for range n {
			r.Record(ctx, audit.Event{Action: "token.password", Org: acme, Outcome: audit.Denied, Reason: "invalid_credentials"})
		}
	}
	denied("192.0.2.1", 100)
	denied("192.0.2.2", 1)
	r.Record(t.Context(), event(acme, "1"))
	k.flush(r)
	k.whole(acme, 1, 60+1+1+1)
	last := k.entries(acme)[62]
	want := audit.Event{Action: audit.ActionSuppressed, Actor: "system", Org: acme, Target: "action:token.password", Outcome: audit.Success, Reason: "40"}
	if last.Event != want {
		t.Errorf("the last entry is %+v", last)
	}
	for i := range 5000 { // from everywhere
		denied(fmt.Sprintf("2001:db8::%x", i), 1)
	}
	k.clock.Advance(time.Minute)
	denied("192.0.2.1", 1) // in the next minute
	k.flush(r)
	k.whole(acme, 1, 63+600+1+1)
	if e := k.entries(acme)[63+600]; e.Action != audit.ActionSuppressed || e.Reason != "4400" {
		t.Errorf("the entry is %+v", e)
	}
	if s := r.Stats(); s != (audit.Stats{Suppressed: 4440}) {
		t.Errorf("%+v", s)
	}
}

// Row P-01: what was confirmed and is there no more is noticed by who wrote it.
func TestALossIsNoticed(t *testing.T) {
	k := newKit(t, redistest.Embedded(t).Client)
	r := k.recorder()
	k.written(r, acme, 5)
	k.redis.Del(t.Context(), space.Audit(acme), space.AuditHead(acme))
	k.written(r, acme, 2)
	k.whole(acme, 1, 2)
	if log := k.log.String(); !strings.Contains(log, "gone from the store") || !strings.Contains(log, "had=5") {
		t.Errorf("the log says %s", log)
	}
}

func TestRecordDoesNotWait(t *testing.T) {
	b := redistest.Embedded(t)
	proxy := redistest.NewProxy(t, b.Addrs[0])
	k := newKit(t, b.Client)
	r := k.recorder(func(c *audit.Config) { c.Store = storeOn(redistest.NewClient(t, proxy.Addr())) })
	proxy.Blackhole()
	stop := running(r)
	start := time.Now()
	for range 1000 {
		r.Record(t.Context(), event(acme, "1"))
	}
	if took := time.Since(start); took > 500*time.Millisecond {
		t.Errorf("1000 events took %v", took)
	}
	proxy.Heal()
	k.flush(r)
	stop()
	k.whole(acme, 1, 1000)
}

func BenchmarkRecord(b *testing.B) {
	k := newKit(b, redistest.NewClient(b, redistest.Server(b).Addr()))
	r := k.recorder(func(c *audit.Config) {
		c.Log, c.Capacity, c.Now = audit.NewLog(slog.New(slog.DiscardHandler)), 1<<30, time.Now
	})
	stop := running(r)
	ctx := audit.WithRequest(b.Context(), audit.Request{ID: "3J7FVQ2L6GZ4N5P8", Address: "192.0.2.7", Dialect: "native"})
	e := event(acme, "01jd3k5v8w9x2y4z6a7b8c9d0e")
	b.ReportAllocs()
	for b.Loop() {
		r.Record(ctx, e)
	}
	b.StopTimer()
	begin := time.Now()
	left := r.Stats().Queued
	k.flush(r)
	b.ReportMetric(float64(left)/max(time.Since(begin).Seconds(), 1e-9), "flushed/s")
	stop()
}

func BenchmarkVerify(b *testing.B) {
	const n = 20_000
	k := newKit(b, redistest.NewClient(b, redistest.Server(b).Addr()))
	r := k.recorder()
	before := usedMemory(k)
	for i := range n {
		r.Record(audit.WithRequest(b.Context(), audit.Request{ID: "3J7FVQ2L6GZ4N5P8ABCDEFGHIJ", Address: "192.0.2.7", Dialect: "native"}),
			event(acme, fmt.Sprintf("01jd3k5v8w9x2y4z6a7b%06d", i)))
	}
	k.flush(r)
	memory := usedMemory(k) - before
	for b.Loop() {
		if v := k.verify(acme); v.Broken != 0 || v.Last != n {
			b.Fatal(v)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/n, "µs/entry")
	b.ReportMetric(float64(memory)/n, "redis-B/entry")
}

func usedMemory(k *kit) int {
	text, err := k.redis.Info(k.t.Context(), "memory").Result()
	if err != nil {
		k.t.Fatal(err)
	}
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, "used_memory:"); ok {
			n, _ := strconv.Atoi(strings.TrimSpace(value))
			return n
		}
	}
	return 0
}
