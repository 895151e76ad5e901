package auth_test

import (
	"context"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

// confirm confirms an address, and returns what the record has then.
func (s *services) confirm(secret string) auth.User {
	s.t.Helper()
	_, after, err := s.users.ConfirmEmail(s.t.Context(), secret)
	s.must(err)
	if diff := cmp.Diff(after, s.stored(after.ID)); diff != "" {
		s.t.Errorf("what is stored differs:\n%s", diff)
	}
	return after
}

// wantBefore checks which addresses have not been told.
func (s *services) wantBefore(what string, u auth.User, want ...string) {
	s.t.Helper()
	if !slices.Equal(s.stored(u.ID).EmailsBefore, want) {
		s.t.Errorf("%s: %q are to be told, want %q", what, s.stored(u.ID).EmailsBefore, want)
	}
}

// Row L-12: the record has the addresses that were taken from a person until they have been told, and confirming again changes nothing.
func TestAddressesBefore(t *testing.T) {
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		s := newServices(t, b)
		ctx := t.Context()
		jane := s.person("jane")
		secret := s.ask(jane, "second@example.com")
		s.confirm(secret)
		s.wantBefore("confirmed", jane, "jane@example.com")
		s.log.Take()
		before := s.stored(jane.ID)
		for range 3 {
			s.confirm(secret)
		}
		if diff := cmp.Diff(before, s.stored(jane.ID)); diff != "" || before.Version == 0 {
			t.Errorf("repeated:\n%s", diff)
		}
		if events := s.log.Take(); len(events) > 0 {
			t.Errorf("the events are %+v", events)
		}

		s.confirm(s.ask(jane, "third@example.com"))
		s.wantBefore("twice", jane, "jane@example.com", "second@example.com")
		s.must(s.users.ToldBefore(ctx, jane.ID, []string{"second@example.com", "nobody@example.com"}))
		s.wantBefore("one was told", jane, "jane@example.com")
		s.confirm(s.ask(jane, "jane@example.com"))
		s.wantBefore("his again", jane, "third@example.com")
		s.must(s.users.ToldBefore(ctx, jane.ID, []string{"third@example.com"}))
		s.wantBefore("all were told", jane)
		before = s.stored(jane.ID)
		s.must(s.users.ToldBefore(ctx, jane.ID, []string{"third@example.com"}))
		if diff := cmp.Diff(before, s.stored(jane.ID)); diff != "" {
			t.Errorf("told again:\n%s", diff)
		}

		// One that was not known to be his is told nothing, nor does an operator's change leave anything to tell.
		no, other := false, "operators@example.com"
		_, err := s.users.Update(ctx, auth.System(), "acme", jane.ID, nil, auth.UserChange{EmailVerified: &no})
		s.must(err)
		s.confirm(s.ask(jane, "fourth@example.com"))
		s.wantBefore("not his", jane)
		s.confirm(s.ask(jane, "fifth@example.com"))
		s.wantBefore("his", jane, "fourth@example.com")
		_, err = s.users.Update(ctx, auth.System(), "acme", jane.ID, nil, auth.UserChange{Email: &other})
		s.must(err)
		s.wantBefore("an operator's", jane)
	})
}

// unsettling is a store of which the first settling fails.
type unsettling struct {
	auth.UserStore
	failed *bool
}

func (u unsettling) SettleHandle(ctx context.Context, h auth.Handle, by auth.Holder) (bool, error) {
	if !*u.failed {
		*u.failed = true
		return false, &auth.Error{Code: auth.Unavailable}
	}
	return u.UserStore.SettleHandle(ctx, h, by)
}

// A confirmation that was cut off before the address was settled is one that is left to be done, and recorded.
func TestConfirmingWhatIsNotSettled(t *testing.T) {
	s := newServices(t, redistest.Embedded(t))
	jane := s.person("jane")
	secret := s.ask(jane, "new@example.com")
	s.users.Store = unsettling{s.store, new(bool)}
	if _, _, err := s.users.ConfirmEmail(t.Context(), secret); auth.CodeOf(err) != auth.Unavailable {
		t.Fatalf("cut off: %v", err)
	}
	s.wantBefore("cut off", jane, "jane@example.com")
	s.log.Take()
	s.confirm(secret)
	s.wantBefore("repeated", jane, "jane@example.com")
	if e := s.log.Take(); len(e) != 1 || e[0].Action != "user.email" || e[0].Outcome != "success" {
		t.Errorf("the events are %+v", e)
	}
	h := auth.Handle{Kind: auth.KindEmail, Canonical: "new@example.com"}
	if his, err := s.store.SettleHandle(t.Context(), h, auth.Holder{User: jane.ID, Operation: "none"}); err != nil || !his {
		t.Errorf("the address is not settled (%v)", err)
	}
}
