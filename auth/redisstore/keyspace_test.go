package redisstore_test

import (
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/redisstore"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

// world is one object of every kind, as far as the flows of this package create them.
type world struct {
	store  *redisstore.Store
	now    time.Time
	user   auth.User
	handle auth.Handle
	org    auth.Org
	client auth.Client
	token  auth.APIToken
	family auth.Family
	secret []byte
	ref    string // of a code
	polls  int    // for notices
}

func newWorld(t *testing.T, s *redisstore.Store) *world {
	t.Helper()
	w := &world{store: s, now: time.Now().Truncate(time.Millisecond).UTC()}
	w.user = auth.User{ID: "jane", Username: "jane.doe", Email: "jane@example.com", Orgs: []string{"acme", "other"}, Epoch: 1}
	w.handle = auth.Handle{Kind: auth.KindUsername, Canonical: "jane.doe"}
	w.org = auth.Org{Slug: "acme", Name: "Acme"}
	w.client = auth.Client{ID: "web", Org: "acme"}
	w.token = auth.APIToken{ID: "t1", Org: "acme", Role: auth.RoleReader}
	w.family = auth.Family{
		FamilyRef: auth.FamilyRef{User: "jane", Org: "acme", ID: "F1"}, Client: "web", Scope: "openid", AuthTime: w.now, Epoch: 1,
		ExpiresAt: w.now.Add(24 * time.Hour), Generation: 1,
	}
	w.secret = []byte("first")
	password := "hash"
	var err error
	if w.user.Version, err = s.PutUser(t.Context(), w.user, &password, nil, "create user"); err != nil {
		t.Fatal(err)
	}
	if _, err = s.ClaimHandle(t.Context(), w.handle, auth.Holder{User: "jane"}, auth.Holder{}); err != nil {
		t.Fatal(err)
	}
	if w.org.Version, err = s.PutOrg(t.Context(), w.org, "create org"); err != nil {
		t.Fatal(err)
	}
	if w.client.Version, err = s.PutClient(t.Context(), w.client, "create client"); err != nil {
		t.Fatal(err)
	}
	if w.token.Version, err = s.PutAPIToken(t.Context(), w.token, "create token"); err != nil {
		t.Fatal(err)
	}
	if err = s.CreateFamily(t.Context(), w.family, w.secret, w.now.Add(time.Hour), 3); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) rotation(presented, successor string, generation uint64, after time.Duration) auth.Rotation {
	now := w.now.Add(after)
	return auth.Rotation{
		Client: "web", Presented: []byte(presented), Generation: generation, Successor: []byte(successor), Wrapped: []byte("to " + successor),
		Now: now, Grace: 30 * time.Second, IdleUntil: now.Add(time.Hour),
	}
}

// Keys that are to end by themselves, and how long they may last at most (row R-11).
var ephemeral = map[*regexp.Regexp]time.Duration{
	regexp.MustCompile(`^cs:\{\d+\}:(g|gs):`):    24 * time.Hour,
	regexp.MustCompile(`^cs:\{\d+\}:x:`):         time.Hour,
	regexp.MustCompile(`^rate:cs:\{\d+\}:l:\w+`): 10 * time.Minute,
}

var lasting = regexp.MustCompile(`^cs:(meta$|\{\d+\}:(u|h|uo|uh|o|os|c|co|t|to|keys|numbers|un)(:|$))`)

// wantTTLs checks that exactly the ephemeral keys have a life, and that no key is of an unknown kind. It notes the kinds it saw.
func wantTTLs(t *testing.T, b redistest.Backend, step string, seen map[*regexp.Regexp]bool) {
	t.Helper()
	ttls := b.TTLs(t)
	for key, ttl := range ttls {
		// While a family lives the set of its user's families does, or deletion and cap would miss it.
		if set := ttls[space.Grants("jane")]; strings.Contains(key, ":g:jane:") && set < ttl-time.Second {
			t.Errorf("after %s: %q lasts %v, the set of families only %v", step, key, ttl, set)
		}
		most := time.Duration(-1)
		for pattern, d := range ephemeral {
			if pattern.MatchString(key) {
				most, seen[pattern] = d, true
			}
		}
		switch {
		case most < 0 && !lasting.MatchString(key):
			t.Errorf("after %s: key %q is of no known kind", step, key)
		case most < 0 && ttl != -1:
			t.Errorf("after %s: %q ends in %v, must stay", step, key, ttl)
		case most >= 0 && (ttl <= 0 || ttl > most+time.Minute):
			t.Errorf("after %s: %q lasts %v, must end within %v", step, key, ttl, most)
		}
	}
}

func TestEveryEphemeralKeyEnds(t *testing.T) {
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		s := open(b.Client)
		w := newWorld(t, s)
		bucket := []auth.Bucket{{Kind: "login", Subject: "jane", Burst: 3, Period: time.Minute}}
		second := w.family
		second.ID = "F2"
		seen := make(map[*regexp.Regexp]bool)
		for _, step := range []struct {
			name string
			run  func() error
		}{
			{"creation", func() error { return nil }},
			{"rotation", func() error {
				_, err := s.Rotate(t.Context(), w.family.FamilyRef, w.rotation("first", "second", 1, 30*time.Minute))
				return err
			}},
			{"repeated rotation", func() error {
				_, err := s.Rotate(t.Context(), w.family.FamilyRef, w.rotation("first", "third", 1, 30*time.Minute+time.Second))
				return err
			}},
			{"another family", func() error {
				return s.CreateFamily(t.Context(), second, []byte("x"), w.now.Add(time.Minute), 2)
			}},
			{"a family at the cap", func() error {
				third := w.family
				third.ID = "F3"
				return s.CreateFamily(t.Context(), third, []byte("x"), w.now.Add(2*time.Minute), 2)
			}},
			{"revocation", func() error { return s.Revoke(t.Context(), w.family.FamilyRef, "web") }},
			{"denial", func() error { return s.Deny(t.Context(), "jane", "J", w.now.Add(10*time.Minute)) }},
			{"repeated denial", func() error { return s.Deny(t.Context(), "jane", "J", w.now.Add(10*time.Minute)) }},
			{"limit", func() error { _, err := s.Take(t.Context(), bucket); return err }},
			{"used-up limit", func() error {
				for range 5 {
					if _, err := s.Take(t.Context(), bucket); err != nil {
						return err
					}
				}
				return nil
			}},
			{"upgrade", func() error { return s.UpgradePassword(t.Context(), "jane", "hash", "better") }},
			{"number", func() error { _, err := s.NumberUser(t.Context(), "jane"); return err }},
			{"update", func() error { _, err := s.PutUser(t.Context(), w.user, nil, nil, "update"); return err }},
		} {
			if err := step.run(); err != nil {
				t.Fatalf("%s: %v", step.name, err)
			}
			wantTTLs(t, b, step.name, seen)
		}
		if len(seen) != len(ephemeral) {
			t.Errorf("saw %d kinds of ephemeral keys, want %d", len(seen), len(ephemeral))
		}

		// What ended by itself is gone for the contract too, and the index of families goes with the last of them.
		b.FastForward(25 * time.Hour)
		if live, _, err := s.Live(t.Context(), second.FamilyRef, "J2"); err != nil || live {
			t.Errorf("an expired family is live: %v (%v)", live, err)
		}
		for key, ttl := range b.TTLs(t) {
			if ttl != -1 {
				t.Errorf("%q is still there", key)
			}
		}
	})
}

// An expired family whose key is still there, since embedded servers do not expire anything by themselves, is not accepted.
func TestExpiryIsComparedNotOnlyLeftToRedis(t *testing.T) {
	s := open(redistest.Embedded(t).Client)
	w := newWorld(t, s)
	_, err := s.Rotate(t.Context(), w.family.FamilyRef, w.rotation("first", "second", 1, time.Hour))
	if auth.CodeOf(err) != auth.InvalidGrant {
		t.Errorf("an idle family answers %v, want invalid_grant", err)
	}
}

// What a list would only leave out is not in its index either.
func TestIndexesAreKeptClean(t *testing.T) {
	c := redistest.Embedded(t).Client
	s := open(c)
	w := newWorld(t, s)
	expect := func(key string, want ...string) {
		t.Helper()
		got, err := c.ZRange(t.Context(), key, 0, -1).Result()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(append([]string{}, want...), got); diff != "" {
			t.Errorf("%q differs:\n%s", key, diff)
		}
	}
	left, clients := space.UsersOf(space.Partition("jane"), "other"), space.ClientsOf(space.Partition("web"), "acme")
	handles, handlesLeft := space.HandlesOf(space.Partition("jane"), "acme"), space.HandlesOf(space.Partition("jane"), "other")
	tokens := space.APITokensOf(space.Partition("t1"), "acme")
	expect(left, "jane")
	expect(handles, "jane.doe\x00jane")
	expect(handlesLeft, "jane.doe\x00jane")
	expect(clients, "web")
	expect(tokens, "t1")

	w.user.Orgs = []string{"acme"}
	if _, err := s.PutUser(t.Context(), w.user, nil, []string{"other"}, "leave"); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.DeleteClient(t.Context(), w.client), s.DeleteAPIToken(t.Context(), w.token)); err != nil {
		t.Fatal(err)
	}
	expect(left)
	expect(handles, "jane.doe\x00jane")
	expect(handlesLeft)
	expect(clients)
	expect(tokens)

	// A login forgets the families that ended before.
	families := space.Grants("jane")
	expect(families, "acme:F1")
	later := w.family
	later.ID, later.AuthTime, later.ExpiresAt = "F2", w.family.ExpiresAt.Add(time.Hour), w.family.ExpiresAt.Add(2*time.Hour)
	if err := s.CreateFamily(t.Context(), later, []byte("x"), later.ExpiresAt, 10); err != nil {
		t.Fatal(err)
	}
	expect(families, "acme:F2")
}

// Row M-15: of a deleted user nothing remains but the mark that the id was used.
func TestDeletionLeavesOnlyTheTombstone(t *testing.T) {
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		s := open(b.Client)
		w := newWorld(t, s)
		for i := range 250 { // more than one batch of families
			f := w.family
			f.ID = "many" + strings.Repeat("x", i)
			if err := s.CreateFamily(t.Context(), f, []byte("h"), w.now.Add(time.Hour), 1000); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 120 { // more than one batch of sessions
			if err := w.startSession(t.Context(), s, "S"+strings.Repeat("x", i), "", 1000); err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(withLogin(t.Context(), s, w), s.PutConsent(t.Context(), "jane", w.consent("openid"))); err != nil {
			t.Fatal(err)
		}
		if err := b.Client.HSet(t.Context(), space.User("jane"), "fac", "factors").Err(); err != nil {
			t.Fatal(err)
		}
		if _, err := s.NumberUser(t.Context(), "jane"); err != nil {
			t.Fatal(err)
		}
		if err := s.BeginDelete(t.Context(), w.user); err != nil {
			t.Fatal(err)
		}
		fields, err := b.Client.HKeys(t.Context(), space.User("jane")).Result()
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(fields)
		if diff := cmp.Diff([]string{"ep", "no", "op", "rec", "st", "v"}, fields); diff != "" {
			t.Errorf("a user being deleted has other fields:\n%s", diff)
		}
		if err := s.ReleaseHandle(t.Context(), w.handle, auth.Holder{User: "jane"}); err != nil {
			t.Fatal(err)
		}
		if err := s.FinishDelete(t.Context(), "jane"); err != nil {
			t.Fatal(err)
		}
		tombstone, err := b.Client.HGetAll(t.Context(), space.User("jane")).Result()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(map[string]string{"st": "gone"}, tombstone); diff != "" {
			t.Errorf("the tombstone differs:\n%s", diff)
		}
		numbers, err := b.Client.HGetAll(t.Context(), space.UserNumbers(space.Partition("jane"))).Result()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(map[string]string{"last": "1"}, numbers); diff != "" {
			t.Errorf("the numbers differ:\n%s", diff)
		}
		for key := range b.TTLs(t) {
			if key != space.User("jane") && (strings.Contains(key, "jane") || regexp.MustCompile(":(h|uo|uh):").MatchString(key)) {
				t.Errorf("%q is left", key)
			}
		}
	})
}

// The fields of a user's hash that the scripts of package metadata rely on.
func TestUserFields(t *testing.T) {
	b := redistest.Embedded(t)
	s := open(b.Client)
	u := auth.User{ID: "jane", Username: "jane.doe", Email: "jane@example.com", Orgs: []string{"acme", "other"}, Epoch: 4}
	expect := func(want map[string]string) {
		t.Helper()
		got, err := b.Client.HGetAll(t.Context(), space.User("jane")).Result()
		if err != nil {
			t.Fatal(err)
		}
		delete(got, "rec")
		delete(got, "op")
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("fields differ:\n%s", diff)
		}
	}
	put := func(password *string, left ...string) {
		t.Helper()
		var err error
		if u.Version, err = s.PutUser(t.Context(), u, password, left, "op"+string(rune('a'+u.Version))); err != nil {
			t.Fatal(err)
		}
	}
	put(nil)
	expect(map[string]string{"st": "active", "un": "jane.doe", "em": "", "o:acme": "1", "o:other": "1", "v": "1", "ep": "4"})
	password := "hash"
	u.EmailVerified, u.Disabled, u.Orgs = true, true, []string{"acme"}
	put(&password, "other")
	expect(map[string]string{
		"st": "disabled", "un": "jane.doe", "em": "jane@example.com", "o:acme": "1", "v": "2", "ep": "4", "pw": "hash",
	})
}

// Row R-02: a value of one kind or object is never taken for another's.
func TestKindsAreNotConfused(t *testing.T) {
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		s := open(b.Client)
		w := newWorld(t, s)
		ctx := t.Context()
		move := func(from, to string) {
			t.Helper()
			fields, err := b.Client.HGetAll(ctx, from).Result()
			if err != nil || len(fields) == 0 {
				t.Fatalf("read %q: %v", from, err)
			}
			b.Client.Del(ctx, to)
			if err := b.Client.HSet(ctx, to, fields).Err(); err != nil {
				t.Fatal(err)
			}
		}
		unavailable := func(what string, err error) {
			t.Helper()
			if auth.CodeOf(err) != auth.Unavailable {
				t.Errorf("%s: %v, want unavailable", what, err)
			}
		}

		move(space.Client("web"), space.Org("web"))
		_, err := s.Org(ctx, "web")
		unavailable("a client read as an organisation", err)
		move(space.Client("web"), space.APIToken("web"))
		_, err = s.APIToken(ctx, "web")
		unavailable("a client read as an API token", err)
		move(space.Client("web"), space.User("web"))
		_, _, err = s.User(ctx, "web")
		unavailable("a client read as a user", err)
		move(space.Client("web"), space.Client("other"))
		_, err = s.Client(ctx, "other")
		unavailable("a client read as another", err)
		move(space.User("jane"), space.User("bob"))
		_, _, err = s.User(ctx, "bob")
		unavailable("a user read as another", err)

		// A family under another user's name, a denial read as a handle, a handle read as a denial.
		if _, err := s.PutUser(ctx, auth.User{ID: "eve", Orgs: []string{"acme"}, Epoch: 1}, nil, nil, "eve"); err != nil {
			t.Fatal(err)
		}
		stolen := auth.FamilyRef{User: "eve", Org: "acme", ID: "F1"}
		move(space.Grant("jane", "acme", "F1"), space.Grant("eve", "acme", "F1"))
		if live, _, err := s.Live(ctx, stolen, "J"); err != nil || live {
			t.Errorf("another user's family is live: %v (%v)", live, err)
		}
		if _, err := s.Rotate(ctx, stolen, w.rotation("first", "second", 1, 0)); auth.CodeOf(err) != auth.InvalidGrant {
			t.Errorf("another user's family rotates: %v", err)
		}
		if denied, err := s.Denied(ctx, "jane", "F1"); err != nil || denied {
			t.Errorf("a family is a denial: %v (%v)", denied, err)
		}

		// A listing shows only what says itself that it belongs there.
		b.Client.ZAdd(ctx, space.ClientsOf(space.Partition("web"), "foreign"), redis.Z{Member: "web"})
		if clients, _, err := s.Clients(ctx, "foreign", auth.Page{Limit: 5}); err != nil || len(clients) != 0 {
			t.Errorf("a foreign organisation lists %d clients (%v)", len(clients), err)
		}
		b.Client.ZAdd(ctx, space.UsersOf(space.Partition("jane"), "foreign"), redis.Z{Member: "jane"})
		if users, _, err := s.Users(ctx, "foreign", auth.Page{Limit: 5}); err != nil || len(users) != 0 {
			t.Errorf("a foreign organisation lists %d users (%v)", len(users), err)
		}

		// Keys of the wrong type.
		b.Client.Set(ctx, space.User("text"), "x", 0)
		_, _, err = s.User(ctx, "text")
		unavailable("a text read as a user", err)
		b.Client.HSet(ctx, space.User("odd"), "st", "strange", "v", "1", "ep", "1", "rec", `{"object":"user:odd","orgs":["acme"]}`)
		_, _, err = s.User(ctx, "odd")
		unavailable("a user of an unknown status", err)
	})
}
