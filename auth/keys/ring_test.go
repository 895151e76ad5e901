package keys_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/claimsmith/claimsmith/auth/keys"
	"github.com/claimsmith/claimsmith/claims"
	"github.com/claimsmith/claimsmith/internal/audit"
)

var _ claims.KeySource = (*keys.Ring)(nil)

func TestConfigIsChecked(t *testing.T) {
	good := keys.Config{Sealer: sealerOf(t, 1), JWKSMaxAge: maxAge, TokenLifetime: lifetime, Skew: skew}
	for name, change := range map[string]func(*keys.Config){
		"no sealer":                 func(c *keys.Config) { c.Sealer = nil },
		"negative max-age":          func(c *keys.Config) { c.JWKSMaxAge = -1 },
		"negative skew":             func(c *keys.Config) { c.Skew = -1 },
		"no token lifetime":         func(c *keys.Config) { c.TokenLifetime = 0 },
		"rotating faster than lead": func(c *keys.Config) { c.Rotation = lead - 1 },
		"a hundred keys at once":    func(c *keys.Config) { c.TokenLifetime, c.Rotation = 100*lead, lead },
		"negative rotation":         func(c *keys.Config) { c.Rotation = -time.Hour },
	} {
		c := good
		change(&c)
		if r, err := keys.NewRing(c); err == nil || r != nil {
			t.Errorf("%s: accepted", name)
		}
	}
	good.Rotation = lead
	if _, err := keys.NewRing(good); err != nil {
		t.Error(err)
	}
}

func TestNothingWorksBeforeThereAreKeys(t *testing.T) {
	b := newBench(t)
	r := b.ring()
	if err := r.Refresh(t.Context()); !errors.Is(err, keys.ErrEmpty) {
		t.Errorf("Refresh = %v, want ErrEmpty", err)
	}
	wantRefused(t, r)
	if got := b.stored(); got.Version != 0 {
		t.Errorf("reading made a state: %+v", got)
	}
}

// wantRefused checks that the ring does nothing any more.
func wantRefused(t *testing.T, r *keys.Ring) {
	t.Helper()
	if token, err := r.Sign(keys.ES256, "at+jwt", []byte(`{}`)); !errors.Is(err, keys.ErrUnavailable) {
		t.Errorf("Sign = %q, %v, want ErrUnavailable", token, err)
	}
	if set, err := r.JWKS(); !errors.Is(err, keys.ErrUnavailable) {
		t.Errorf("JWKS = %s, %v, want ErrUnavailable", set, err)
	}
	if _, err := r.Key(t.Context(), "any"); !errors.Is(err, claims.ErrUnavailable) || !errors.Is(err, keys.ErrUnavailable) {
		t.Errorf("Key = %v, want both packages' ErrUnavailable", err)
	}
}

func wantWorking(t *testing.T, r *keys.Ring) {
	t.Helper()
	for _, alg := range keys.Algorithms() {
		token, err := r.Sign(alg, "at+jwt", []byte(`{}`))
		if err != nil {
			t.Errorf("Sign with %s: %v", alg, err)
			continue
		}
		kid := kidOf(t, token)
		if k, err := r.Key(t.Context(), kid); err != nil || k.ID != kid || k.Algorithm != alg || k.Public == nil {
			t.Errorf("Key(%s) = %+v, %v", kid, k, err)
		}
		if !published(t, r)[kid] {
			t.Errorf("key %s signs and is not published", kid)
		}
	}
}

func TestInitMakesOneKeyPerAlgorithmOnce(t *testing.T) {
	b := newBench(t)
	r := b.started()
	wantWorking(t, r)
	if got := len(published(t, r)); got != 3 {
		t.Errorf("%d keys, want 3", got)
	}
	other := b.ring(func(c *keys.Config) { c.Now = func() time.Time { return b.clock.Now().Add(-skew) } })
	if err := other.Init(t.Context(), "user:op"); !errors.Is(err, keys.ErrNotEmpty) {
		t.Errorf("second Init = %v, want ErrNotEmpty", err)
	}
	b.refresh(other)
	wantWorking(t, other) // on a clock that is behind, too
	if v := b.stored().Version; v != 1 {
		t.Errorf("version %d, want 1", v)
	}
	want := []audit.Event{
		{Action: "keys.init", Actor: "user:op", Outcome: audit.Success},
		{Action: "keys.init", Actor: "user:op", Outcome: audit.Denied, Reason: "not_empty"},
	}
	if got := b.trail.Take(); !slices.Equal(got, want) {
		t.Errorf("audit %+v", got)
	}
}

func TestUnknownKidsNeverReachTheStore(t *testing.T) {
	b := newBench(t)
	r := b.started()
	b.proxy.Reset()
	for i := range 10_000 {
		if _, err := r.Key(t.Context(), fmt.Sprintf("../%d' OR {a}*\x00", i)); !errors.Is(err, claims.ErrKeyUnknown) {
			t.Fatalf("Key = %v, want ErrKeyUnknown", err)
		}
	}
	if calls := b.proxy.Calls(); len(calls) != 0 {
		t.Errorf("%d calls to Redis: %v", len(calls), calls[:1])
	}
}

func TestUnreachableStoreIsToleratedForMaxStale(t *testing.T) {
	b := newBench(t)
	r := b.started()
	b.proxy.Refuse()
	b.clock.Advance(keys.MaxStale)
	if err := r.Refresh(t.Context()); !errors.Is(err, keys.ErrUnavailable) {
		t.Fatalf("Refresh = %v, want ErrUnavailable", err)
	}
	wantWorking(t, r)
	b.clock.Advance(time.Millisecond)
	wantRefused(t, r)
	for _, err := range []error{
		ignore(r.Rotate(t.Context(), "user:op", keys.ES256)),
		r.Withdraw(t.Context(), "user:op", "x"),
		b.ring().Init(t.Context(), "user:op"),
	} {
		if !errors.Is(err, keys.ErrUnavailable) {
			t.Errorf("%v, want ErrUnavailable", err)
		}
	}
	for _, e := range b.trail.Take()[1:] {
		if e.Outcome != audit.Failed || e.Reason != "unavailable" {
			t.Errorf("audit %+v", e)
		}
	}
	b.proxy.Heal()
	b.refresh(r)
	wantWorking(t, r)
	if v := b.stored().Version; v != 1 {
		t.Errorf("version %d, want 1: an outage changed the keys", v)
	}
}

func ignore(_ keys.Listing, err error) error { return err }

// T-14: whoever can write to Redis cannot have anything signed, accepted or published that this package did not decide.
func TestTamperedStateIsRefusedAtOnce(t *testing.T) {
	edit := func(f func(rs []keys.Record) []keys.Record) func(*testing.T, *bench, *keys.Ring) {
		return func(t *testing.T, b *bench, _ *keys.Ring) {
			s := b.stored()
			s.Records = f(s.Records)
			if err := b.store.Save(t.Context(), s, "TAMPER"); err != nil {
				t.Fatal(err)
			}
		}
	}
	field := func(name, value string) func(*testing.T, *bench, *keys.Ring) {
		return func(t *testing.T, b *bench, _ *keys.Ring) {
			if err := b.client.HSet(t.Context(), space.Keys(), name, value).Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
	tests := map[string]struct {
		tamper func(*testing.T, *bench, *keys.Ring)
		want   error
	}{
		"private parts swapped": {edit(func(rs []keys.Record) []keys.Record {
			rs[0].Sealed, rs[2].Sealed = rs[2].Sealed, rs[0].Sealed
			return rs
		}), keys.ErrNotSealed},
		"identifiers swapped": {edit(func(rs []keys.Record) []keys.Record {
			rs[0].ID, rs[2].ID = rs[2].ID, rs[0].ID
			return rs
		}), keys.ErrNotSealed},
		"another algorithm": {edit(func(rs []keys.Record) []keys.Record {
			rs[0].Alg = keys.EdDSA
			rs[0].RetiresAt, rs[0].ExpiresAt = rs[0].ActivatesAt, rs[0].ActivatesAt.Add(time.Hour)
			return rs
		}), keys.ErrNotSealed},
		"a bit flipped": {edit(func(rs []keys.Record) []keys.Record {
			rs[1].Sealed[len(rs[1].Sealed)-1] ^= 1
			return rs
		}), keys.ErrNotSealed},
		"cut": {edit(func(rs []keys.Record) []keys.Record {
			rs[1].Sealed = rs[1].Sealed[:40]
			return rs
		}), keys.ErrNotSealed},
		"somebody else's key": {edit(func(rs []keys.Record) []keys.Record {
			foreign := rfcState(t, sealerOf(t, 9)).Records[2]
			foreign.RetiresAt, foreign.ExpiresAt = foreign.ActivatesAt, foreign.ActivatesAt.Add(time.Hour)
			return append(rs, foreign)
		}), keys.ErrUnknownKEK},
		"a key of another installation with the same KEK, renamed": {edit(func(rs []keys.Record) []keys.Record {
			foreign := rfcState(t, sealerOf(t, 1)).Records[0]
			rs[0].Sealed = foreign.Sealed
			return rs
		}), keys.ErrNotSealed},
		"an identifier that is not the thumbprint": {edit(func(rs []keys.Record) []keys.Record {
			k := rfcKeys(t)[0]
			k.ID = "mine"
			rs[0].ID, rs[0].Sealed = k.ID, sealedBy(t, k, sealerOf(t, 1))
			return rs
		}), keys.ErrCorrupt},
		"no private part": {edit(func(rs []keys.Record) []keys.Record {
			rs[0].Sealed = nil
			return rs
		}), keys.ErrCorrupt},
		"withdrawn with a private part": {edit(func(rs []keys.Record) []keys.Record {
			rs[0].Withdrawn, rs[0].RetiresAt, rs[0].ExpiresAt = true, rs[0].CreatedAt, rs[0].CreatedAt.Add(time.Hour)
			return rs
		}), keys.ErrCorrupt},
		"a key twice":             {edit(func(rs []keys.Record) []keys.Record { return append(rs, rs[0]) }), keys.ErrCorrupt},
		"two keys that never end": {edit(func(rs []keys.Record) []keys.Record { return append(rs, rfcState(t, sealerOf(t, 1)).Records[0]) }), keys.ErrCorrupt},
		"retires before it signs": {edit(func(rs []keys.Record) []keys.Record {
			rs[0].RetiresAt = rs[0].ActivatesAt.Add(-1e9)
			rs[0].ExpiresAt = rs[0].ActivatesAt
			return rs
		}), keys.ErrCorrupt},
		"expires without retiring": {edit(func(rs []keys.Record) []keys.Record { rs[0].ExpiresAt = rs[0].ActivatesAt.Add(1e9); return rs }), keys.ErrCorrupt},
		"no time":                  {edit(func(rs []keys.Record) []keys.Record { rs[0].ActivatesAt = time.Time{}; return rs }), keys.ErrCorrupt},
		"no keys":                  {edit(func([]keys.Record) []keys.Record { return nil }), keys.ErrCorrupt},
		"too many keys": {edit(func(rs []keys.Record) []keys.Record {
			for i := range 100 {
				at := rs[0].CreatedAt
				rs = append(rs, keys.Record{ID: fmt.Sprint(i), CreatedAt: at, ActivatesAt: at, RetiresAt: at, ExpiresAt: at, Withdrawn: true})
			}
			return rs
		}), keys.ErrCorrupt},
		"no JSON":                             {field("s", "{"), keys.ErrCorrupt},
		"no version":                          {field("v", ""), keys.ErrCorrupt},
		"the same version with other content": {field("s", `[]`), keys.ErrRolledBack},
		"an older version": {func(t *testing.T, b *bench, r *keys.Ring) {
			older := b.client.HGetAll(t.Context(), space.Keys()).Val()
			b.rotate(b.ring(), keys.EdDSA)
			b.refresh(r)
			b.client.HSet(t.Context(), space.Keys(), older)
		}, keys.ErrRolledBack},
		"no state at all": {func(t *testing.T, b *bench, _ *keys.Ring) { b.client.Del(t.Context(), space.Keys()) }, keys.ErrRolledBack},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			r := b.started()
			tt.tamper(t, b, r)
			before := b.client.HGetAll(t.Context(), space.Keys()).Val()
			if err := r.Refresh(t.Context()); !errors.Is(err, tt.want) {
				t.Errorf("Refresh = %v, want %v", err, tt.want)
			}
			wantRefused(t, r)
			for what, err := range map[string]error{
				"Rotate": ignore(r.Rotate(t.Context(), "user:op", keys.RS256)),
				"Init":   r.Init(t.Context(), "user:op"),
			} {
				if err == nil {
					t.Errorf("%s changed a state that is not in order", what)
				}
			}
			after := b.client.HGetAll(t.Context(), space.Keys()).Val()
			if fmt.Sprint(before) != fmt.Sprint(after) {
				t.Error("the stored state was changed")
			}
		})
	}
}

func TestWrongKEKChangesNothing(t *testing.T) {
	b := newBench(t)
	b.started()
	stranger := b.ring(func(c *keys.Config) { c.Sealer = sealerOf(t, 9) })
	if err := stranger.Refresh(t.Context()); !errors.Is(err, keys.ErrUnknownKEK) {
		t.Errorf("Refresh = %v, want ErrUnknownKEK", err)
	}
	wantRefused(t, stranger)
	if _, err := stranger.Rotate(t.Context(), "user:op", keys.ES256); !errors.Is(err, keys.ErrUnknownKEK) {
		t.Errorf("Rotate = %v, want ErrUnknownKEK", err)
	}
	kid := b.ids(keys.ES256, keys.Active)[0]
	if err := stranger.Withdraw(t.Context(), "user:op", kid); !errors.Is(err, keys.ErrUnknownKEK) {
		t.Errorf("Withdraw = %v, want ErrUnknownKEK", err)
	}
	if v := b.stored().Version; v != 1 {
		t.Errorf("version %d, want 1", v)
	}
}

func TestStateInOrderAgainEndsTheRefusal(t *testing.T) {
	b := newBench(t)
	r := b.started()
	good := b.client.HGetAll(t.Context(), space.Keys()).Val()
	b.client.HSet(t.Context(), space.Keys(), "s", "damaged")
	if err := r.Refresh(t.Context()); !errors.Is(err, keys.ErrCorrupt) {
		t.Fatalf("Refresh = %v, want ErrCorrupt", err)
	}
	wantRefused(t, r)
	b.client.HSet(t.Context(), space.Keys(), good)
	b.refresh(r)
	wantWorking(t, r)
}

// One damaged key must not leave the operator without a way out.
func TestDamagedKeyCanBeWithdrawn(t *testing.T) {
	b := newBench(t)
	r := b.started()
	s := b.stored()
	s.Records[0].Sealed[20] ^= 1
	if err := b.store.Save(t.Context(), s, "DAMAGE"); err != nil {
		t.Fatal(err)
	}
	if err := r.Refresh(t.Context()); !errors.Is(err, keys.ErrNotSealed) {
		t.Fatalf("Refresh = %v, want ErrNotSealed", err)
	}
	b.withdraw(r, s.Records[0].ID)
	wantWorking(t, r)
	b.refresh(b.ring())
}

func TestRunKeepsTheViewFreshAndTellsOfFaults(t *testing.T) {
	b := newBench(t)
	b.started()
	var log bytes.Buffer
	r := b.ring(func(c *keys.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	tick, stop := run(t, r)
	tick()
	wantWorking(t, r)

	other := b.ring()
	b.withdraw(other, b.ids(keys.ES256, keys.Active)[0])
	tick()
	if got, want := signer(t, r, keys.ES256), b.ids(keys.ES256, keys.Active)[0]; got != want {
		t.Errorf("signs with %s, want %s", got, want)
	}

	b.client.HSet(t.Context(), space.Keys(), "s", "damaged")
	tick()
	wantRefused(t, r)
	stop()
	if !strings.Contains(log.String(), "level=ERROR") || !strings.Contains(log.String(), "damaged") {
		t.Errorf("log: %s", log.String())
	}
}

// run starts r.Run. The function tick returns once one round after the call of it has been completed.
func run(t *testing.T, r *keys.Ring) (tick, stop func()) {
	t.Helper()
	ticks, done := make(chan time.Time), make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer close(done)
		r.Run(ctx, ticks)
	}()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	// The second is taken only when the round of the first is over; it starts another, which does no harm.
	return func() { ticks <- time.Time{}; ticks <- time.Time{} }, stop
}

func TestAutomaticRotation(t *testing.T) {
	b := newBench(t)
	interval := 24 * time.Hour
	b.started()
	b.trail.Take()
	var rings []*keys.Ring
	var ticks []func()
	for range 3 {
		r := b.ring(func(c *keys.Config) { c.Rotation = interval })
		tick, _ := run(t, r)
		rings, ticks = append(rings, r), append(ticks, tick)
	}
	round := func() {
		for _, tick := range ticks {
			tick()
		}
	}
	b.clock.Advance(interval - skew - time.Millisecond) // the first keys are dated back by skew
	round()
	if v := b.stored().Version; v != 1 {
		t.Fatalf("rotated before it was due")
	}
	b.clock.Advance(time.Millisecond)
	round()
	round()
	if v := b.stored().Version; v != 4 {
		t.Errorf("version %d, want 4: one rotation for each algorithm", v)
	}
	for _, alg := range keys.Algorithms() {
		if next := b.ids(alg, keys.Next); len(next) != 1 {
			t.Errorf("%s: next keys %v", alg, next)
		}
	}
	events := b.trail.Take()
	if len(events) != 3 {
		t.Errorf("audit %+v", events)
	}
	for _, e := range events {
		if e.Action != "keys.rotate" || e.Actor != "system" || e.Outcome != audit.Success || !strings.HasPrefix(e.Target, "key:") {
			t.Errorf("audit %+v", e)
		}
	}
	for _, r := range rings {
		wantWorking(t, r)
	}
}

func TestKEKChange(t *testing.T) {
	b := newBench(t)
	const oldKEK, newKEK = 1, 2
	with := func(current byte, previous ...byte) func(*keys.Config) {
		return func(c *keys.Config) { c.Sealer = sealerOf(t, current, previous...) }
	}
	first := b.started(with(oldKEK))
	before := published(t, first)
	b.rotate(first, keys.ES256)
	b.withdraw(first, b.ids(keys.EdDSA, keys.Active)[0])
	b.trail.Take()

	// Everybody learns the new KEK as a previous one: nothing is sealed again.
	prepared := b.ring(with(oldKEK, newKEK))
	tick, _ := run(t, prepared)
	tick()
	version := b.stored().Version

	// One process after another makes it the current one.
	switched := b.ring(with(newKEK, oldKEK))
	tickSwitched, _ := run(t, switched)
	tickSwitched()
	if v := b.stored().Version; v != version+1 {
		t.Fatalf("version %d after %d, want one change", v, version)
	}
	// Both go on together, and neither undoes the other's work.
	for range 3 {
		tick()
		tickSwitched()
	}
	if v := b.stored().Version; v != version+1 {
		t.Errorf("version %d after %d: the processes fight", v, version)
	}
	wantWorking(t, prepared)
	wantWorking(t, switched)
	for _, e := range b.trail.Take() {
		if e.Action != "keys.reseal" || e.Outcome != audit.Success {
			t.Errorf("audit %+v", e)
		}
	}

	// The old one may go; the keys are still the same ones.
	last := b.ring(with(newKEK))
	b.refresh(last)
	wantWorking(t, last)
	kept := 0
	for kid := range published(t, last) {
		if before[kid] {
			kept++
		}
	}
	if kept != 2 {
		t.Errorf("%d of the first keys are left, want 2", kept)
	}
	if err := b.ring(with(oldKEK)).Refresh(t.Context()); !errors.Is(err, keys.ErrUnknownKEK) {
		t.Errorf("the old KEK alone: %v, want ErrUnknownKEK", err)
	}
}
