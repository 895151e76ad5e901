package storetest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/factor"
)

func (s *suite) testFactors(t *testing.T) {
	ctx := t.Context()
	u := s.user(t)
	expect := func(want factor.Factors) {
		t.Helper()
		got, err := s.Factors(ctx, u.ID)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Fatalf("factors (%v) differ:\n%s", err, diff)
		}
	}
	put := func(f factor.Factors, op string, want uint64) {
		t.Helper()
		if got, err := s.PutFactors(ctx, u.ID, f, op); err != nil || got != want {
			t.Fatalf("put answers %d (%v), want %d", got, err, want)
		}
	}
	refuse := func(user string, version uint64, op string, want auth.Code) {
		t.Helper()
		_, err := s.PutFactors(ctx, user, factor.Factors{Version: version}, op)
		wantCode(t, err, want)
	}
	expect(factor.Factors{})
	refuse(u.ID, 1, name(), auth.PreconditionFailed)

	one := factor.Factors{
		TOTP:          &factor.TOTP{Secret: []byte("sealed\x00\xff"), Step: 9007199254740993, CreatedAt: s.now},
		RecoveryCodes: []string{"a", "b"},
		Passkeys: []factor.Passkey{
			{
				ID: []byte{0, 1}, Name: "Jané's \"key\" \u2028", Credential: []byte(`{"a":[],"n":9007199254740993}`), CreatedAt: s.now,
				UsedAt: s.now,
			},
			{ID: []byte{2}, Name: "x", Credential: []byte("{}"), CreatedAt: s.now},
		},
	}
	create, update := name(), name()
	put(one, create, 1)
	one.Version = 1
	expect(one)
	refuse(u.ID, 0, name(), auth.PreconditionFailed)
	refuse(u.ID, 2, name(), auth.PreconditionFailed)
	put(factor.Factors{Version: 1}, update, 2)
	expect(factor.Factors{Version: 2})

	// Repeated operations answer as they did and change nothing, the latest or not.
	first := one
	first.Version = 0
	put(first, create, 1)
	put(one, update, 2)
	expect(factor.Factors{Version: 2})

	// Factors and record change apart from each other.
	one.Version = 2
	put(one, name(), 3)
	one.Version = 3
	got, _, err := s.User(ctx, u.ID)
	must(t, err)
	if got.Version != u.Version {
		t.Errorf("putting factors made the user's version %d, want %d", got.Version, u.Version)
	}
	u.Disabled = true
	u = s.putUser(t, u)
	expect(one)
	put(factor.Factors{Version: 3}, name(), 4) // an operator may reset those of a disabled user
	if f, err := s.Factors(ctx, s.user(t).ID); err != nil || f.Version != 0 {
		t.Errorf("another user has factors of version %d (%v)", f.Version, err)
	}

	// Nobody's, and of nobody any more.
	last := name()
	put(factor.Factors{Version: 4}, last, 5)
	stranger := name()
	must(t, s.BeginDelete(ctx, u))
	for range 2 {
		for _, id := range []string{u.ID, stranger} {
			_, err = s.Factors(ctx, id)
			wantCode(t, err, auth.NotFound)
			for version := range uint64(7) {
				refuse(id, version, name(), auth.NotFound)
			}
			refuse(id, 4, last, auth.NotFound)
		}
		must(t, s.FinishDelete(ctx, u.ID))
	}
	if used, err := s.UserIDUsed(ctx, stranger); err != nil || used {
		t.Errorf("factors of nobody used up the id: %v (%v)", used, err)
	}
}

func (s *suite) testFactorRaces(t *testing.T) {
	ctx := t.Context()
	u := s.user(t)
	for version := range uint64(5) {
		var o outcomes
		s.together(crowd, func(_ int, store Store) {
			_, err := store.PutFactors(ctx, u.ID, factor.Factors{Version: version}, name())
			o.add(err)
		})
		o.want(t, map[auth.Code]int{"": 1, auth.PreconditionFailed: crowd - 1})
	}
	op := name()
	var o outcomes
	s.together(crowd, func(_ int, store Store) {
		version, err := store.PutFactors(ctx, u.ID, factor.Factors{Version: 5}, op)
		if err == nil && version != 6 {
			t.Errorf("version %d, want 6", version)
		}
		o.add(err)
	})
	o.want(t, map[auth.Code]int{"": crowd})

	// Once a deletion has begun nothing of the user is written, whoever was first.
	for range 20 {
		u := s.user(t)
		s.together(4, func(i int, store Store) {
			if i == 0 {
				if err := store.BeginDelete(ctx, u); err != nil {
					t.Errorf("delete: %v", err)
				}
				return
			}
			_, err := store.PutFactors(ctx, u.ID, factor.Factors{RecoveryCodes: []string{"x"}}, name())
			if code := auth.CodeOf(err); err != nil && code != auth.NotFound && code != auth.PreconditionFailed {
				t.Errorf("put: %v", err)
			}
		})
		_, err := s.Factors(ctx, u.ID)
		wantCode(t, err, auth.NotFound)
	}
}

func (s *suite) testPushed(t *testing.T) {
	ctx := t.Context()
	until := s.now.Add(time.Hour)
	take := func(id, op, want string) {
		t.Helper()
		got, err := s.TakePushed(ctx, id, op)
		if err != nil || string(got) != want {
			t.Fatalf("took %q (%v), want %q", got, err, want)
		}
	}
	id, op := name(), name()
	_, err := s.TakePushed(ctx, id, op)
	wantCode(t, err, auth.NotFound)
	const request = "a=\x00\xff&b=\r\n{}"
	for range 2 { // the same again is the same
		must(t, s.Push(ctx, id, []byte(request), until))
	}
	wantCode(t, s.Push(ctx, id, []byte("another"), until), auth.Conflict)
	_, err = s.TakePushed(ctx, name(), op)
	wantCode(t, err, auth.NotFound)
	for range 2 {
		take(id, op, request)
		_, err = s.TakePushed(ctx, id, name())
		wantCode(t, err, auth.NotFound)
	}
	// A late repetition of its creation does not bring it back.
	must(t, s.Push(ctx, id, []byte(request), until))
	_, err = s.TakePushed(ctx, id, name())
	wantCode(t, err, auth.NotFound)

	late := name()
	must(t, s.Push(ctx, late, []byte(request), s.now.Add(-time.Minute)))
	_, err = s.TakePushed(ctx, late, op)
	wantCode(t, err, auth.NotFound)

	for range 20 {
		id := name()
		must(t, s.Push(ctx, id, []byte(request), until))
		var o outcomes
		s.together(crowd, func(_ int, store Store) {
			got, err := store.TakePushed(ctx, id, name())
			if err == nil && string(got) != request {
				t.Errorf("took %q", got)
			}
			o.add(err)
		})
		o.want(t, map[auth.Code]int{"": 1, auth.NotFound: crowd - 1})
	}
}

func (s *suite) testOnce(t *testing.T) {
	ctx := t.Context()
	until := s.now.Add(time.Hour)
	expect := func(kind, subject, op string, want bool) {
		t.Helper()
		if first, err := s.Once(ctx, kind, subject, op, until); err != nil || first != want {
			t.Fatalf("%s %.20q by %s is the first: %v (%v), want %v", kind, subject, op, first, err, want)
		}
	}
	subject := name()
	expect("a", subject, "one", true)
	expect("a", subject, "two", false)
	expect("a", subject, "one", true)
	expect("b", subject, "two", true)
	expect("a", name(), "two", true)
	for _, text := range hostile { // each is something of its own
		expect(subject, text, "one", true)
	}

	for range 20 {
		subject := name()
		counts := make(chan bool, crowd)
		s.together(crowd, func(_ int, store Store) {
			first, err := store.Once(ctx, "race", subject, name(), until)
			if err != nil {
				t.Errorf("once: %v", err)
			}
			counts <- first
		})
		close(counts)
		firsts := 0
		for first := range counts {
			if first {
				firsts++
			}
		}
		if firsts != 1 {
			t.Fatalf("%d of %d were the first", firsts, crowd)
		}
	}
}

func (s *suite) testOrigins(t *testing.T) {
	ctx := t.Context()
	origin := func() string { return "https://" + name() + ".example" }
	expect := func(origin string, want ...string) {
		t.Helper()
		got, err := s.ClientsOfOrigin(ctx, origin)
		if diff := cmp.Diff(append([]string{}, want...), append([]string{}, got...)); err != nil || diff != "" {
			t.Fatalf("clients of %s (%v) differ:\n%s", origin, err, diff)
		}
	}
	first, second := origin(), origin()
	expect(first)
	c := auth.Client{ID: "a" + name(), Org: name(), AllowedOrigins: []string{first, second}}
	var err error
	c.Version, err = s.PutClient(ctx, c, name())
	must(t, err)
	expect(first, c.ID)
	expect(second, c.ID)
	expect(first + ":443")
	got, err := s.Client(ctx, c.ID)
	if diff := cmp.Diff(c, got); err != nil || diff != "" {
		t.Errorf("stored client (%v) differs:\n%s", err, diff)
	}

	other := auth.Client{ID: "b" + name(), Org: name(), AllowedOrigins: []string{second}}
	_, err = s.PutClient(ctx, other, name())
	must(t, err)
	expect(second, c.ID, other.ID)
	added := origin()
	c.AllowedOrigins = []string{added}
	_, err = s.PutClient(ctx, c, name())
	must(t, err)
	expect(added, c.ID)

	// Whatever comes and goes, one that is there is never missing.
	for range 30 {
		c := auth.Client{ID: name(), Org: name(), AllowedOrigins: []string{origin()}}
		version, err := s.PutClient(ctx, c, name())
		must(t, err)
		s.together(2, func(i int, store Store) {
			if i == 0 {
				old := c
				old.Version = version
				if err := store.DeleteClient(ctx, old); err != nil {
					t.Errorf("delete: %v", err)
				}
			} else if _, err := store.PutClient(ctx, c, name()); err != nil && auth.CodeOf(err) != auth.Conflict {
				t.Errorf("put: %v", err)
			}
		})
		_, err = s.Client(ctx, c.ID)
		if err == nil {
			expect(c.AllowedOrigins[0], c.ID)
		} else {
			wantCode(t, err, auth.NotFound)
		}
	}
}
