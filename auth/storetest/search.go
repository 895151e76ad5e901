package storetest

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/claimsmith/claimsmith/auth"
)

// wantHandles checks by which handles an organisation's users are found, each as "<handle> <user>".
func (s *suite) wantHandles(t *testing.T, org string, want ...string) {
	t.Helper()
	got, err := s.HandlesIn(t.Context(), org)
	must(t, err)
	slices.Sort(want)
	if diff := cmp.Diff(append([]string{}, want...), append([]string{}, got...)); diff != "" {
		t.Errorf("handles in %s differ:\n%s", org, diff)
	}
}

func (s *suite) testHandleIndex(t *testing.T) {
	u := s.newUser()
	home, second, third := name(), name(), name()
	u.Orgs, u.Email = []string{home, second}, name()+"@example.com"
	create := name()
	var err error
	u.Version, err = s.PutUser(t.Context(), u, nil, nil, create)
	must(t, err)
	first := u.Username + " " + u.ID
	s.wantHandles(t, home, first) // an unverified address leads to nobody
	s.wantHandles(t, second, first)

	u.EmailVerified = true
	u = s.putUser(t, u)
	address := u.Email + " " + u.ID
	s.wantHandles(t, home, first, address)
	s.wantHandles(t, second, first, address)

	u.Username, u.Orgs = name(), []string{home, third}
	u = s.putUser(t, u, second)
	renamed := u.Username + " " + u.ID
	s.wantHandles(t, home, renamed, address)
	s.wantHandles(t, second)
	s.wantHandles(t, third, renamed, address)

	_, err = s.PutUser(t.Context(), auth.User{ID: u.ID, Username: name(), Orgs: []string{second}}, nil, nil, create)
	must(t, err) // the creation, sent again late
	stale := u
	stale.Version--
	stale.Username = name()
	_, err = s.PutUser(t.Context(), stale, nil, nil, name())
	wantCode(t, err, auth.PreconditionFailed)
	s.wantHandles(t, home, renamed, address)
	s.wantHandles(t, second)

	u.Disabled, u.Email = true, name()+"@example.com"
	u = s.putUser(t, u)
	address = u.Email + " " + u.ID
	s.wantHandles(t, home, renamed, address)
	u.EmailVerified, u.Username = false, ""
	u = s.putUser(t, u)
	s.wantHandles(t, home)
	s.wantHandles(t, third)
	u.EmailVerified, u.Username = true, name()
	u = s.putUser(t, u)

	other := s.user(t, func(o *auth.User) { o.Orgs = []string{home} })
	others := other.Username + " " + other.ID
	s.wantHandles(t, home, u.Username+" "+u.ID, address, others)
	for range 2 {
		must(t, s.BeginDelete(t.Context(), u))
		s.wantHandles(t, home, others)
		s.wantHandles(t, third)
	}
	must(t, s.FinishDelete(t.Context(), u.ID))
	s.wantHandles(t, home, others)
}

// testHandleIndexRaces renames, moves and deletes users at once.
func (s *suite) testHandleIndexRaces(t *testing.T) {
	for range 20 {
		u := s.user(t)
		home, second := u.Orgs[0], name()
		var mu sync.Mutex
		var left []auth.User
		s.together(8, func(i int, store Store) {
			changed := u
			changed.Username, changed.Orgs = fmt.Sprint(name(), i), []string{home, second}
			var err error
			if i == 7 {
				err = store.BeginDelete(t.Context(), u)
			} else if changed.Version, err = store.PutUser(t.Context(), changed, nil, nil, name()); err == nil {
				mu.Lock()
				left = append(left, changed)
				mu.Unlock()
			}
			if code := auth.CodeOf(err); err != nil && code != auth.PreconditionFailed && code != auth.NotFound {
				t.Error(err)
			}
		})
		if len(left) == 0 {
			s.wantHandles(t, home)
			s.wantHandles(t, second)
			continue
		}
		if len(left) > 1 {
			t.Fatalf("%d of one version's changes were made", len(left))
		}
		s.wantHandles(t, home, left[0].Username+" "+u.ID)
		s.wantHandles(t, second, left[0].Username+" "+u.ID)
	}
}
