package keys_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/claimsmith/claimsmith/auth/keys"
	"github.com/claimsmith/claimsmith/auth/redisstore"
	"github.com/claimsmith/claimsmith/claims"
	"github.com/claimsmith/claimsmith/internal/audit"
	"github.com/claimsmith/claimsmith/internal/durable"
	"github.com/claimsmith/claimsmith/internal/redistest"
	"github.com/claimsmith/claimsmith/internal/testkit"
)

func TestLifeOfAKey(t *testing.T) {
	b := newBench(t)
	r := b.started()
	first := signer(t, r, keys.ES256)
	b.clock.Advance(24 * time.Hour)
	b.refresh(r)

	next := b.rotate(r, keys.ES256)
	now := b.clock.Now()
	want := keys.Listing{ID: next.ID, Alg: keys.ES256, Status: keys.Next, CreatedAt: now, ActivatesAt: now.Add(lead)}
	if next != want {
		t.Errorf("Rotate = %+v, want %+v", next, want)
	}
	if again := b.rotate(r, keys.ES256); again != want {
		t.Errorf("Rotate again = %+v, want %+v", again, want)
	}

	at := func(d time.Duration, signs string, publishes ...string) {
		t.Helper()
		b.clock.Advance(now.Add(d).Sub(b.clock.Now()))
		b.refresh(r)
		if got := signer(t, r, keys.ES256); got != signs {
			t.Errorf("after %v %s signs, want %s", d, got, signs)
		}
		kids := published(t, r)
		for _, kid := range []string{first, next.ID} {
			_, err := r.Key(t.Context(), kid)
			if want := slices.Contains(publishes, kid); kids[kid] != want || (err == nil) != want {
				t.Errorf("after %v key %s is published: %v, accepted: %v, want %v", d, kid, kids[kid], err == nil, want)
			}
		}
	}
	const end = lead + lifetime + skew
	at(0, first, first, next.ID)
	at(lead-time.Millisecond, first, first, next.ID)
	at(lead, next.ID, first, next.ID)
	at(end-time.Millisecond, next.ID, first, next.ID)
	at(end, next.ID, next.ID)

	if got := b.ids(keys.ES256, keys.Expired); len(got) != 0 {
		t.Errorf("expired keys are listed: %v", got)
	}
	if n := len(b.stored().Records); n != 4 {
		t.Errorf("%d records, want the expired one among 4", n)
	}
	b.rotate(r, keys.RS256)
	for _, rec := range b.stored().Records {
		if rec.ID == first {
			t.Error("the next change kept the expired record")
		}
	}
	events := b.trail.Take()
	if len(events) != 3 || events[1].Target != "key:"+next.ID || events[1].Action != "keys.rotate" {
		t.Errorf("audit %+v, want one init and two rotations", events)
	}
}

func TestRotateRefusesUnknownAlgorithms(t *testing.T) {
	b := newBench(t)
	r := b.started()
	for _, alg := range []string{"", "none", "HS256", "es256"} {
		if _, err := r.Rotate(t.Context(), "user:op", alg); !errors.Is(err, keys.ErrAlgorithm) {
			t.Errorf("Rotate(%q) = %v, want ErrAlgorithm", alg, err)
		}
		if _, err := r.Sign(alg, "at+jwt", []byte(`{}`)); !errors.Is(err, keys.ErrAlgorithm) {
			t.Errorf("Sign(%q) = %v, want ErrAlgorithm", alg, err)
		}
	}
	if _, err := newBench(t).ring().Rotate(t.Context(), "user:op", keys.ES256); !errors.Is(err, keys.ErrEmpty) {
		t.Errorf("Rotate without keys = %v, want ErrEmpty", err)
	}
}

// T-11: a process signs, another one that lags behind in everything publishes, and verifiers cache what that one publishes
// for all of the max-age. None ever meets a kid it does not know, and old tokens verify until they expire.
func TestRotationIsInvisibleToVerifiers(t *testing.T) {
	b := newBench(t)
	ahead := testkit.NewClock(b.clock.Now().Add(skew / 2))
	behind := testkit.NewClock(b.clock.Now().Add(-skew / 2))
	signing := b.started(func(c *keys.Config) { c.Now = ahead.Now })
	publishing := b.ring(func(c *keys.Config) { c.Now = behind.Now })
	rotating := b.ring(func(c *keys.Config) { c.Now = behind.Now })

	type verifier struct {
		kids    map[string]bool
		fetched time.Time
	}
	type token struct {
		kid     string
		expires time.Time
	}
	const step = time.Second
	start := b.clock.Now()
	verifiers := make([]verifier, 30)
	var live []token
	signers := make(map[string]time.Duration) // since when
	var rotated time.Duration
	for elapsed := time.Duration(0); elapsed < 3*maxAge+lifetime+2*skew; elapsed += step {
		if elapsed == time.Minute {
			b.rotate(rotating, keys.EdDSA)
			rotated = elapsed
		}
		b.refresh(signing) // as soon as anything changes
		if elapsed%keys.MaxStale == 0 {
			b.refresh(publishing) // as late as it may
		}
		kid := signer(t, signing, keys.EdDSA)
		if _, ok := signers[kid]; !ok {
			signers[kid] = elapsed
		}
		now := b.clock.Now()
		live = append(live, token{kid, ahead.Now().Add(lifetime)})
		kids := published(t, publishing)
		for i := range verifiers {
			v := &verifiers[i]
			// Their fetches are spread over the max-age; the first ones come before the rotation.
			if v.kids == nil || !now.Before(v.fetched.Add(maxAge)) {
				if v.kids == nil && elapsed < time.Duration(i)*maxAge/time.Duration(len(verifiers)) {
					continue
				}
				v.kids, v.fetched = kids, now
			}
			if !v.kids[kid] {
				t.Fatalf("after %v verifier %d does not know key %s", elapsed, i, kid)
			}
		}
		live = slices.DeleteFunc(live, func(tk token) bool { return !now.Before(tk.expires) })
		for _, tk := range live {
			if !kids[tk.kid] {
				t.Fatalf("after %v key %s is gone, a token it signed has not expired", elapsed, tk.kid)
			}
		}
		for _, c := range []*testkit.Clock{b.clock, ahead, behind} {
			c.Advance(step)
		}
	}
	if len(signers) != 2 {
		t.Fatalf("%d keys signed in %v, want 2: nothing was tested", len(signers), b.clock.Now().Sub(start))
	}
	for kid, since := range signers {
		if since > 0 && since-rotated < maxAge {
			t.Errorf("key %s signed %v after it was published", kid, since-rotated)
		}
	}
	if got := len(published(t, signing)); got != 3 {
		t.Errorf("%d keys are published in the end, want 3", got)
	}
}

func TestWithdrawOfTheSigningKey(t *testing.T) {
	b := newBench(t)
	r := b.started()
	other := b.ring()
	b.refresh(other)
	token, err := r.Sign(keys.ES256, "at+jwt", []byte(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	kid := kidOf(t, token)
	b.trail.Take()
	b.withdraw(r, kid)

	if published(t, r)[kid] {
		t.Error("it is still published")
	}
	if _, err := r.Key(t.Context(), kid); !errors.Is(err, claims.ErrKeyUnknown) {
		t.Errorf("Key = %v, want ErrKeyUnknown", err)
	}
	wantWorking(t, r)
	if got := signer(t, r, keys.ES256); got == kid {
		t.Error("it still signs")
	}
	b.clock.Advance(5 * time.Second) // T-15, with RefreshInterval between
	b.refresh(other)
	if _, err := other.Key(t.Context(), kid); !errors.Is(err, claims.ErrKeyUnknown) || published(t, other)[kid] {
		t.Errorf("elsewhere: Key = %v, want ErrKeyUnknown", err)
	}
	if got, want := signer(t, other, keys.ES256), signer(t, r, keys.ES256); got != want {
		t.Errorf("elsewhere %s signs, here %s", got, want)
	}
	if got := b.ids(keys.ES256, keys.Withdrawn); !slices.Equal(got, []string{kid}) {
		t.Errorf("withdrawn keys %v, want %s", got, kid)
	}
	for _, rec := range b.stored().Records {
		if rec.ID == kid && rec.Sealed != nil {
			t.Error("the private part is still stored")
		}
	}
	want := []audit.Event{{Action: "keys.withdraw", Actor: "user:op", Target: "key:" + kid, Outcome: audit.Success}}
	if got := b.trail.Take(); !slices.Equal(got, want) {
		t.Errorf("audit %+v, want %+v", got, want)
	}

	version := b.stored().Version
	b.withdraw(r, kid)
	if v := b.stored().Version; v != version {
		t.Error("withdrawing it again changed the state")
	}
	b.clock.Advance(lifetime + skew)
	b.rotate(r, keys.RS256)
	if err := r.Withdraw(t.Context(), "user:op", kid); !errors.Is(err, keys.ErrNotFound) {
		t.Errorf("Withdraw after its expiry = %v, want ErrNotFound", err)
	}
}

func TestWithdrawPromotesTheNextKey(t *testing.T) {
	b := newBench(t)
	r := b.started()
	next := b.rotate(r, keys.ES256)
	b.withdraw(r, signer(t, r, keys.ES256))
	if got := signer(t, r, keys.ES256); got != next.ID {
		t.Errorf("%s signs, want the next key %s", got, next.ID)
	}
	if n := len(b.stored().Records); n != 4 {
		t.Errorf("%d records, want no new one", n)
	}
}

func TestWithdrawOfTheNextKeyLeavesTheSigner(t *testing.T) {
	b := newBench(t)
	r := b.started()
	first := signer(t, r, keys.ES256)
	next := b.rotate(r, keys.ES256)
	b.withdraw(r, next.ID)
	b.clock.Advance(lead + lifetime + skew)
	b.refresh(r)
	if got := signer(t, r, keys.ES256); got != first {
		t.Errorf("%s signs, want %s", got, first)
	}
	if again := b.rotate(r, keys.ES256); again.ID == next.ID {
		t.Error("the withdrawn key is next again")
	}
}

func TestWithdrawOfARetiringKeyLeavesTheSigner(t *testing.T) {
	b := newBench(t)
	r := b.started()
	first := signer(t, r, keys.ES256)
	next := b.rotate(r, keys.ES256)
	b.clock.Advance(lead)
	b.refresh(r)
	b.withdraw(r, first)
	if got := signer(t, r, keys.ES256); got != next.ID {
		t.Errorf("%s signs, want %s", got, next.ID)
	}
	if published(t, r)[first] {
		t.Error("the withdrawn key is published")
	}
}

func TestWithdrawOfNoKey(t *testing.T) {
	b := newBench(t)
	r := b.started()
	b.trail.Take()
	if err := r.Withdraw(t.Context(), "user:op", "nobody"); !errors.Is(err, keys.ErrNotFound) {
		t.Errorf("Withdraw = %v, want ErrNotFound", err)
	}
	if got := b.trail.Take(); len(got) != 1 || got[0].Outcome != audit.Denied || got[0].Reason != "not_found" {
		t.Errorf("audit %+v", got)
	}
}

// T-12, F-08: a process ends, or loses touch with the store, after any of its calls. Whoever comes next finds the keys as
// they were before or after the change, and completes it by asking for it again.
func TestChangeInterruptedAnywhere(t *testing.T) {
	changes := map[string]func(context.Context, *keys.Ring, string) error{
		"rotate": func(ctx context.Context, r *keys.Ring, _ string) error {
			return ignore(r.Rotate(ctx, "user:op", keys.ES256))
		},
		"withdraw": func(ctx context.Context, r *keys.Ring, kid string) error { return r.Withdraw(ctx, "user:op", kid) },
	}
	for name, change := range changes {
		for _, retries := range []int{-1, 2} {
			for n := 1; ; n++ {
				b := newBench(t)
				b.started()
				first := b.ids(keys.ES256, keys.Active)[0]
				client := redistest.NewClient(t, b.proxy.Addr(), func(o *redis.Options) { o.MaxRetries = retries })
				store := redisstore.NewKeys(&durable.Runner{Client: client}, space)
				r := b.ring(func(c *keys.Config) { c.Store = store })
				b.proxy.Reset()
				b.proxy.CutReply(n)
				err := change(t.Context(), r, first)
				interrupted := len(b.proxy.Calls()) >= n
				b.proxy.Heal()
				if err != nil && (!interrupted || retries == 2 || !errors.Is(err, keys.ErrUnavailable)) {
					t.Errorf("%s with %d retries, call %d lost: %v", name, retries, n, err)
				}
				if v := b.stored().Version; v > 2 || err == nil && v != 2 {
					t.Errorf("%s with %d retries, call %d lost: version %d", name, retries, n, v)
				}
				successor := b.ring()
				b.refresh(successor)
				wantWorking(t, successor)
				if err := change(t.Context(), successor, first); err != nil {
					t.Errorf("%s again: %v", name, err)
				}
				if v := b.stored().Version; v != 2 {
					t.Errorf("%s again: version %d, want 2", name, v)
				}
				wantWorking(t, successor)
				if !interrupted {
					if n < 3 {
						t.Errorf("%s: only %d calls were lost", name, n-1)
					}
					break
				}
			}
		}
	}
}

// An operator lists keys without being trusted with a KEK.
func TestListNeedsNoKEK(t *testing.T) {
	b := newBench(t)
	r := b.started()
	b.rotate(r, keys.RS256)
	var got []string
	for _, l := range b.stored().List(b.clock.Now()) {
		got = append(got, l.Alg+" "+string(l.Status))
	}
	if want := "ES256 active,RS256 active,EdDSA active,RS256 next"; strings.Join(got, ",") != want {
		t.Errorf("List = %v, want %s", got, want)
	}
	set, err := r.Set()
	if err != nil || !slices.Equal(set.List(b.clock.Now()), b.stored().List(b.clock.Now())) {
		t.Errorf("the set lists %+v, %v", set.List(b.clock.Now()), err)
	}
}
