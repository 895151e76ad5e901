package storetest

import (
	"testing"

	"github.com/claimsmith/claimsmith/auth"
)

func (s *suite) wantNumbered(t *testing.T, n uint64, want string) {
	t.Helper()
	if id, err := s.NumberedUser(t.Context(), n); err != nil || id != want {
		t.Errorf("number %d is that of %q (%v), want %q", n, id, err, want)
	}
}

func (s *suite) testUserNumbers(t *testing.T) {
	ctx := t.Context()
	given := make(map[uint64]string)
	number := func(id string) uint64 {
		t.Helper()
		n, err := s.NumberUser(ctx, id)
		must(t, err)
		if n == 0 || n >= 1<<53 {
			t.Fatalf("a user has number %d", n)
		}
		if other, taken := given[n]; taken && other != id {
			t.Fatalf("number %d is that of %q and of %q", n, id, other)
		}
		given[n] = id
		return n
	}
	u := s.user(t)
	n := number(u.ID)
	for range 100 { // of every partition several
		number(s.user(t).ID)
	}
	for n, id := range given {
		s.wantNumbered(t, n, id)
		if again := number(id); again != n {
			t.Errorf("%q had number %d and has %d", id, n, again)
		}
	}
	for _, nobodys := range []uint64{0, 1 << 52, 1<<64 - 1} {
		s.wantNumbered(t, nobodys, "")
	}

	// A number stays through whatever happens to the user, and says nothing about his version.
	got, _, err := s.User(ctx, u.ID)
	if err != nil || got.Version != u.Version {
		t.Errorf("a number changed the version from %d to %d (%v)", u.Version, got.Version, err)
	}
	u.Disabled = true
	u = s.putUser(t, u)
	if again := number(u.ID); again != n {
		t.Errorf("a disabled user had number %d and has %d", n, again)
	}
	unnumbered := s.user(t)
	must(t, s.BeginDelete(ctx, unnumbered))
	_, err = s.NumberUser(ctx, unnumbered.ID)
	wantCode(t, err, auth.NotFound)
	must(t, s.FinishDelete(ctx, unnumbered.ID))

	must(t, s.BeginDelete(ctx, u))
	if again := number(u.ID); again != n {
		t.Errorf("a user being deleted had number %d and has %d", n, again)
	}
	for range 2 {
		must(t, s.FinishDelete(ctx, u.ID))
		s.wantNumbered(t, n, "")
		_, err = s.NumberUser(ctx, u.ID)
		wantCode(t, err, auth.NotFound)
	}
	_, err = s.NumberUser(ctx, name())
	wantCode(t, err, auth.NotFound)
	for range 100 { // and nobody gets it again
		number(s.user(t).ID)
	}
}

func (s *suite) testUserNumberRaces(t *testing.T) {
	ctx := t.Context()
	// Each asks for a number of his own and for the one all ask for.
	shared := s.user(t)
	ids, numbers, ofShared := make([]string, crowd), make([]uint64, crowd), make([]uint64, crowd)
	for i := range ids {
		ids[i] = s.user(t).ID
	}
	s.together(crowd, func(i int, store Store) {
		var err error
		if numbers[i], err = store.NumberUser(ctx, ids[i]); err != nil {
			t.Errorf("number: %v", err)
		}
		if ofShared[i], err = store.NumberUser(ctx, shared.ID); err != nil {
			t.Errorf("number of the shared user: %v", err)
		}
	})
	for i, n := range ofShared {
		if n != ofShared[0] {
			t.Errorf("caller %d was told %d for the shared user, caller 0 %d", i, n, ofShared[0])
		}
	}
	for i, n := range numbers {
		s.wantNumbered(t, n, ids[i])
	}
	s.wantNumbered(t, ofShared[0], shared.ID)
}
