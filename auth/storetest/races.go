package storetest

import (
	"bytes"
	"context"
	"sync"
	"testing"
	"time"

	"github.com/claimsmith/claimsmith/auth"
)

// crowd is how many call at once.
const crowd = 64

// outcomes counts how calls ended, by the code of their error.
type outcomes struct {
	mu     sync.Mutex
	counts map[auth.Code]int
}

func (o *outcomes) add(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.counts == nil {
		o.counts = make(map[auth.Code]int)
	}
	code := auth.CodeOf(err)
	if err != nil && code == "" {
		code = "not an auth.Error"
	}
	o.counts[code]++
}

func (o *outcomes) want(t *testing.T, want map[auth.Code]int) {
	t.Helper()
	for code, n := range want {
		if o.counts[code] != n {
			t.Errorf("outcomes are %v, want %v", o.counts, want)
			return
		}
	}
}

func (s *suite) testRecordRaces(t *testing.T) {
	ctx := t.Context()
	id := name()
	put := func(version uint64) *outcomes {
		var o outcomes
		s.together(crowd, func(_ int, store Store) {
			_, err := store.PutUser(ctx, auth.User{ID: id, Orgs: []string{"o"}, Version: version}, nil, nil, name())
			o.add(err)
		})
		return &o
	}
	put(0).want(t, map[auth.Code]int{"": 1, auth.Conflict: crowd - 1})
	put(1).want(t, map[auth.Code]int{"": 1, auth.PreconditionFailed: crowd - 1})

	// Of one operation sent many times all answer alike, and it happens once.
	org := auth.Org{Slug: name()}
	op := name()
	var o outcomes
	s.together(crowd, func(_ int, store Store) {
		version, err := store.PutOrg(ctx, org, op)
		if err == nil && version != 1 {
			t.Errorf("version %d, want 1", version)
		}
		o.add(err)
	})
	o.want(t, map[auth.Code]int{"": crowd})
}

func (s *suite) testHandleRaces(t *testing.T) {
	ctx := t.Context()
	h := auth.Handle{Kind: auth.KindEmail, Canonical: name() + "@example.com"}
	// First a free handle, then one left behind by its owner.
	for _, from := range []string{"", "left behind"} {
		if from != "" {
			owner, err := s.HandleOwner(ctx, h)
			must(t, err)
			must(t, s.ReleaseHandle(ctx, h, auth.Holder{User: owner}))
			_, err = s.ClaimHandle(ctx, h, auth.Holder{User: from}, auth.Holder{})
			must(t, err)
		}
		var mu sync.Mutex
		owners := make(map[string]int)
		winners := 0
		s.together(crowd, func(_ int, store Store) {
			by := auth.Holder{User: name()}
			holder, err := store.ClaimHandle(ctx, h, by, auth.Holder{User: from})
			if err != nil {
				t.Errorf("claim: %v", err)
			}
			mu.Lock()
			defer mu.Unlock()
			owners[holder.User]++
			if holder == by {
				winners++
			}
		})
		if len(owners) != 1 || winners != 1 {
			t.Errorf("from %q: %d owners and %d winners, want 1", from, len(owners), winners)
		}
	}
}

func (s *suite) testRotationRaces(t *testing.T) {
	ctx := t.Context()
	u := s.user(t)
	k := s.login(t, u)
	for round := range 50 {
		var mu sync.Mutex
		var next []token
		first := 0
		s.together(crowd, func(_ int, store Store) {
			got, rotated, err := s.refresh(ctx, store, k, 0)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Errorf("refresh: %v", err)
				return
			}
			if !rotated.Repeated {
				first++
			}
			next = append(next, got)
		})
		if len(next) != crowd || first != 1 {
			t.Fatalf("round %d: %d successes, %d of them rotations; want %d and 1", round, len(next), first, crowd)
		}
		for _, got := range next {
			if !bytes.Equal(got.secret, next[0].secret) {
				t.Fatalf("round %d: two successors of one token", round)
			}
		}
		k = next[0]
	}
	s.mustRefresh(t, k, 0)

	// Without grace one wins, and the second already ends the family.
	k = s.login(t, u)
	var o outcomes
	s.together(crowd, func(_ int, store Store) {
		r := s.rotation(k, newSecret(), 0)
		r.Grace = 0
		_, err := store.Rotate(ctx, k.FamilyRef, r)
		o.add(err)
	})
	o.want(t, map[auth.Code]int{"": 1, auth.InvalidGrant: crowd - 1})
	s.wantLive(t, k.FamilyRef, false)
}

// testEndingRaces lets refreshes race with what ends a family. Once both have returned no token of it stands.
func (s *suite) testEndingRaces(t *testing.T) {
	disable := func(ctx context.Context, store Store, u auth.User) error {
		u.Disabled = true
		u.Epoch++
		_, err := store.PutUser(ctx, u, nil, nil, name())
		return err
	}
	for _, race := range []struct {
		name   string
		rounds int
		end    func(ctx context.Context, store Store, u auth.User, k token) error
	}{
		{"revoke", 200, func(ctx context.Context, store Store, _ auth.User, k token) error {
			return store.Revoke(ctx, k.FamilyRef, k.client)
		}},
		{"disable", 100, func(ctx context.Context, store Store, u auth.User, _ token) error { return disable(ctx, store, u) }},
		{"delete", 100, func(ctx context.Context, store Store, u auth.User, _ token) error {
			if err := store.BeginDelete(ctx, u); err != nil {
				return err
			}
			return store.FinishDelete(ctx, u.ID)
		}},
	} {
		t.Run(race.name, func(t *testing.T) {
			for range race.rounds {
				u := s.user(t)
				k := s.login(t, u)
				newer, older := token{}, k
				s.together(2, func(i int, store Store) {
					if i == 0 {
						if err := race.end(t.Context(), store, u, k); err != nil {
							t.Errorf("%s: %v", race.name, err)
						}
						return
					}
					// As fast as it can, until it is over.
					for !t.Failed() {
						next, _, err := s.refresh(t.Context(), store, older, 0)
						if err != nil {
							if auth.CodeOf(err) != auth.InvalidGrant {
								t.Errorf("refresh: %v", err)
							}
							return
						}
						newer, older = next, next
					}
				})
				if t.Failed() {
					return
				}
				s.wantLive(t, k.FamilyRef, false)
				s.mustNotRefresh(t, k, 0, "")
				if newer.secret != nil {
					s.mustNotRefresh(t, newer, 0, "")
				}
			}
		})
	}
}

func (s *suite) testLoginRaces(t *testing.T) {
	ctx := t.Context()
	t.Run("many logins of one user", func(t *testing.T) {
		const limit = 5
		u := s.user(t)
		families := make([]auth.Family, crowd)
		s.together(crowd, func(i int, store Store) {
			families[i] = s.newFamily(u)
			if err := store.CreateFamily(ctx, families[i], hash(newSecret()), s.now.Add(idle), limit); err != nil {
				t.Errorf("create: %v", err)
			}
		})
		live := 0
		for _, f := range families {
			if ok, _, err := s.Live(ctx, f.FamilyRef, name()); err != nil {
				t.Fatal(err)
			} else if ok {
				live++
			}
		}
		if live != limit {
			t.Errorf("%d families live, want %d", live, limit)
		}
	})
	t.Run("login and deletion", func(t *testing.T) {
		for range 50 {
			u := s.user(t)
			families := make([]auth.Family, 4)
			s.together(1+len(families), func(i int, store Store) {
				if i == 0 {
					if err := store.BeginDelete(ctx, u); err != nil {
						t.Errorf("delete: %v", err)
					}
					return
				}
				families[i-1] = s.newFamily(u)
				err := store.CreateFamily(ctx, families[i-1], hash(newSecret()), s.now.Add(time.Minute), 3)
				if err != nil && auth.CodeOf(err) != auth.InvalidGrant {
					t.Errorf("create: %v", err)
				}
			})
			for _, f := range families {
				s.wantLive(t, f.FamilyRef, false)
			}
		}
	})
}
