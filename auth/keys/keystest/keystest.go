// Package keystest owns the conformance suite for implementations of keys.Store.
package keystest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claimsmith/claimsmith/auth/keys"
	"github.com/claimsmith/claimsmith/internal/audit"
)

// Test runs the suite. Each call of open returns a store of an installation without keys.
func Test(t *testing.T, open func(t *testing.T) keys.Store) {
	tests := []struct {
		name string
		run  func(*testing.T, keys.Store)
	}{
		{"without a save there is the zero state", testZero},
		{"what is saved is loaded", testRoundTrip},
		{"only the next version is saved", testCompareAndSwap},
		{"a repeated save succeeds once", testReplay},
		{"a repeated save is forgotten after eight others", testReplayForgotten},
		{"one of many writers wins", testRace},
		{"a cancelled call is unavailable", testCancelled},
		{"processes that rotate at once make one key", testRotation},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { tt.run(t, open(t)) })
	}
}

var start = time.Date(2026, 8, 1, 12, 0, 0, 123e6, time.UTC)

// record is one with every member set.
func record(id string) keys.Record {
	return keys.Record{
		ID: id, Alg: keys.ES256, Sealed: []byte("\x00\xff\"sealed"), Withdrawn: true,
		CreatedAt: start, ActivatesAt: start.Add(time.Minute), RetiresAt: start.Add(time.Hour), ExpiresAt: start.Add(24 * time.Hour),
	}
}

func save(t *testing.T, s keys.Store, version uint64, op, id string) {
	t.Helper()
	if err := s.Save(t.Context(), keys.State{Version: version, Records: []keys.Record{record(id)}}, op); err != nil {
		t.Fatalf("Save(version %d, op %s): %v", version, op, err)
	}
}

func wantState(t *testing.T, s keys.Store, want keys.State) {
	t.Helper()
	got, err := s.Load(t.Context())
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("Load (-want +got):\n%s", diff)
	}
}

func testZero(t *testing.T, s keys.Store) { wantState(t, s, keys.State{}) }

func testRoundTrip(t *testing.T, s keys.Store) {
	plain := keys.Record{ID: "b", Alg: keys.RS256, Sealed: []byte{0}, CreatedAt: start, ActivatesAt: start}
	if err := s.Save(t.Context(), keys.State{Records: []keys.Record{record("a"), plain}}, "OP"); err != nil {
		t.Fatalf("Save: %v", err)
	}
	wantState(t, s, keys.State{Version: 1, Records: []keys.Record{record("a"), plain}})
}

func testCompareAndSwap(t *testing.T, s keys.Store) {
	conflict := func(version uint64, op string) {
		t.Helper()
		err := s.Save(t.Context(), keys.State{Version: version, Records: []keys.Record{record("loser")}}, op)
		if !errors.Is(err, keys.ErrConflict) {
			t.Errorf("Save(version %d) = %v, want ErrConflict", version, err)
		}
	}
	conflict(1, "OP1")
	wantState(t, s, keys.State{})
	save(t, s, 0, "OP2", "a")
	conflict(0, "OP3")
	conflict(2, "OP4")
	save(t, s, 1, "OP5", "b")
	conflict(1, "OP6")
	wantState(t, s, keys.State{Version: 2, Records: []keys.Record{record("b")}})
}

func testReplay(t *testing.T, s keys.Store) {
	save(t, s, 0, "OP1", "a")
	save(t, s, 0, "OP1", "a")
	save(t, s, 1, "OP2", "b")
	save(t, s, 0, "OP1", "a")
	wantState(t, s, keys.State{Version: 2, Records: []keys.Record{record("b")}})
	if err := s.Save(t.Context(), keys.State{}, "OP"); !errors.Is(err, keys.ErrConflict) {
		t.Errorf("Save with the beginning of another operation = %v, want ErrConflict", err)
	}
}

func testReplayForgotten(t *testing.T, s keys.Store) {
	for v := range uint64(9) {
		save(t, s, v, fmt.Sprint("OP", v), "a")
	}
	save(t, s, 1, "OP1", "a")
	if err := s.Save(t.Context(), keys.State{}, "OP0"); !errors.Is(err, keys.ErrConflict) {
		t.Errorf("repeating an operation after eight others = %v, want ErrConflict", err)
	}
}

func testRace(t *testing.T, s keys.Store) {
	for version := range uint64(20) {
		var won atomic.Int32
		together(8, func(i int) {
			err := s.Save(t.Context(), keys.State{Version: version, Records: []keys.Record{record(fmt.Sprint(i))}}, rand.Text())
			if err == nil {
				won.Add(1)
			} else if !errors.Is(err, keys.ErrConflict) {
				t.Errorf("Save: %v", err)
			}
		})
		if won.Load() != 1 {
			t.Fatalf("version %d: %d writers won, want 1", version, won.Load())
		}
	}
}

func testCancelled(t *testing.T, s keys.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Load(ctx); !errors.Is(err, keys.ErrUnavailable) {
		t.Errorf("Load = %v, want ErrUnavailable", err)
	}
	if err := s.Save(ctx, keys.State{}, "OP"); !errors.Is(err, keys.ErrUnavailable) {
		t.Errorf("Save = %v, want ErrUnavailable", err)
	}
}

// testRotation has eight processes rotate at the same instant, round after round.
func testRotation(t *testing.T, s keys.Store) {
	rounds := 100
	if testing.Short() {
		rounds = 10
	}
	sealer, err := keys.NewSealer(make([]byte, keys.KEKSize))
	if err != nil {
		t.Fatal(err)
	}
	var clock atomic.Pointer[time.Time]
	clock.Store(&start)
	discard := slog.New(slog.DiscardHandler)
	rings := make([]*keys.Ring, 8)
	for i := range rings {
		rings[i], err = keys.NewRing(keys.Config{
			Store: s, Sealer: sealer, JWKSMaxAge: time.Minute, TokenLifetime: 10 * time.Minute, Skew: 10 * time.Second,
			Audit: audit.NewLog(discard), Logger: discard, Now: func() time.Time { return *clock.Load() },
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	together(len(rings), func(i int) {
		if err := rings[i].Init(t.Context(), "test"); err != nil && !errors.Is(err, keys.ErrNotEmpty) {
			t.Errorf("Init: %v", err)
		}
	})
	seen := listed(t, s, *clock.Load(), keys.EdDSA, keys.Active)
	if len(seen) != 1 {
		t.Fatalf("after Init %d keys sign, want 1", len(seen))
	}
	known := map[string]bool{seen[0]: true}
	for round := range rounds {
		ids := make([]string, len(rings))
		together(len(rings), func(i int) {
			next, err := rings[i].Rotate(t.Context(), "test", keys.EdDSA)
			if err != nil {
				t.Errorf("round %d: Rotate: %v", round, err)
			}
			ids[i] = next.ID
		})
		next := listed(t, s, *clock.Load(), keys.EdDSA, keys.Next)
		if len(next) != 1 || known[next[0]] {
			t.Fatalf("round %d: next keys %v, want one that is new", round, next)
		}
		known[next[0]] = true
		for _, id := range ids {
			if id != next[0] {
				t.Fatalf("round %d: Rotate returned %q, want %q", round, id, next[0])
			}
		}
		later := clock.Load().Add(2 * time.Minute)
		clock.Store(&later)
	}
}

func listed(t *testing.T, s keys.Store, now time.Time, alg string, status keys.Status) (ids []string) {
	t.Helper()
	state, err := s.Load(t.Context())
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	for _, l := range state.List(now) {
		if l.Alg == alg && l.Status == status {
			ids = append(ids, l.ID)
		}
	}
	return ids
}

// together calls f for 0 to n-1 at the same instant and returns when all have returned.
func together(n int, f func(i int)) {
	var wg sync.WaitGroup
	gate := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-gate
			f(i)
		})
	}
	close(gate)
	wg.Wait()
}
