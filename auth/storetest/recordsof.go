package storetest

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/records"
)

const plenty = 1000

// collections returns one of a new user and one of a new organisation: they are alike.
func (s *suite) collections(t *testing.T) map[string]records.Collection {
	t.Helper()
	u := s.user(t)
	org := name()
	_, err := s.PutOrg(t.Context(), auth.Org{Slug: org}, name())
	must(t, err)
	return map[string]records.Collection{
		"of a user": {Org: u.Orgs[0], User: u.ID, Kind: "things"}, "of an organisation": {Org: org, Kind: "things"},
	}
}

func (s *suite) newRecord(nameOf, needs, body string) records.Record {
	return records.Record{Name: nameOf, Needs: needs, Body: []byte(body), CreatedAt: s.now, UpdatedAt: s.now}
}

func (s *suite) create(t *testing.T, c records.Collection, r records.Record) records.Record {
	t.Helper()
	created, err := s.CreateRecord(t.Context(), c, r, name(), plenty)
	must(t, err)
	return created
}

// wantRecords compares a collection with what it must be.
func (s *suite) wantRecords(t *testing.T, c records.Collection, want ...records.Record) {
	t.Helper()
	got, err := s.Records(t.Context(), c)
	must(t, err)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("the records of %+v differ:\n%s", c, diff)
	}
}

// wantRefused stops the test unless err is a refusal with that code and field.
func wantRefused(t *testing.T, err error, code auth.Code, field string) {
	t.Helper()
	wantCode(t, err, code)
	if e, ok := err.(*auth.Error); ok && e.Field != field { //nolint:errorlint // the contract is the error itself
		t.Fatalf("%v has field %q, want %q", err, e.Field, field)
	}
}

func (s *suite) testRecordsOf(t *testing.T) {
	for what, c := range s.collections(t) {
		t.Run(what, func(t *testing.T) {
			ctx := t.Context()
			s.wantRecords(t, c)
			refuseBoth := func(r records.Record, code auth.Code, field string) {
				t.Helper()
				_, err := s.UpdateRecord(ctx, c, r, name())
				wantRefused(t, err, code, field)
			}
			refuseBoth(records.Record{ID: 1, Version: 1}, auth.NotFound, "")
			wantRefused(t, s.DeleteRecord(ctx, c, 1, name()), auth.NotFound, "")

			op := name()
			sent := s.newRecord("", "", `{"a": [9007199254740993, 1.0, "x y\n\u0000é"]}`)
			one, err := s.CreateRecord(ctx, c, sent, op, plenty)
			must(t, err)
			want := sent
			want.ID, want.Version, want.Kind = 1, 1, c.Kind
			if diff := cmp.Diff(want, one); diff != "" {
				t.Fatalf("what was created differs:\n%s", diff)
			}
			other := records.Collection{Org: c.Org, User: c.User, Kind: "thing"} // the beginning of the other kind's name
			two := s.create(t, other, s.newRecord("", "", "null"))
			three := s.create(t, c, s.newRecord("", "", `""`))
			if two.ID != 2 || three.ID != 3 {
				t.Fatalf("the next ids are %d and %d, want 2 and 3", two.ID, three.ID)
			}
			s.wantRecords(t, c, one, three)
			s.wantRecords(t, other, two)
			s.create(t, records.Collection{Org: c.Org, User: c.User, Kind: "others"}, s.newRecord("x", reference(two), "0"))
			both, err := s.Records(ctx, c, "thing", "nothing")
			must(t, err)
			if diff := cmp.Diff([]records.Record{one, two, three}, both); diff != "" {
				t.Fatalf("two kinds read together differ:\n%s", diff)
			}

			// One of another version, id or kind.
			for _, version := range []uint64{0, 2} {
				r := one
				r.Version = version
				refuseBoth(r, auth.PreconditionFailed, "")
			}
			refuseBoth(records.Record{ID: two.ID, Version: 1}, auth.NotFound, "")
			wantRefused(t, s.DeleteRecord(ctx, c, two.ID, name()), auth.NotFound, "")

			// What is written once is not changed by another time of creation.
			change := one
			change.Body, change.UpdatedAt, change.CreatedAt = []byte("2"), s.now.Add(time.Second), s.now.Add(time.Hour)
			update := name()
			changed, err := s.UpdateRecord(ctx, c, change, update)
			must(t, err)
			one.Body, one.UpdatedAt, one.Version = change.Body, change.UpdatedAt, 2
			if changed.Version != 2 {
				t.Fatalf("version %d, want 2", changed.Version)
			}
			s.wantRecords(t, c, one, three)

			// Repeated operations answer as they did and change nothing, the latest or not.
			remove := name()
			must(t, s.DeleteRecord(ctx, c, three.ID, remove))
			for range 2 {
				if again, err := s.CreateRecord(ctx, c, sent, op, 1); err != nil || again.ID != 1 || again.Version != 1 {
					t.Fatalf("created again: %+v, %v", again, err)
				}
				if again, err := s.UpdateRecord(ctx, c, change, update); err != nil || again.Version != 2 {
					t.Fatalf("updated again: %+v, %v", again, err)
				}
				must(t, s.DeleteRecord(ctx, c, three.ID, remove))
				s.wantRecords(t, c, one)
				s.wantRecords(t, other, two)
			}
			wantRefused(t, s.DeleteRecord(ctx, c, three.ID, name()), auth.NotFound, "")

			// An id is never used again.
			must(t, s.DeleteRecord(ctx, c, one.ID, name()))
			if next := s.create(t, c, s.newRecord("", "", "0")); next.ID != 5 {
				t.Fatalf("after the removal of others the next id is %d, want 5", next.ID)
			}
		})
	}
}

func reference(r records.Record) string { return r.Kind + ":" + strconv.FormatUint(r.ID, 10) }

// What is repeated is known for what it is as long as the promise says, whatever others did meanwhile.
func (s *suite) testRecordRepetitions(t *testing.T) {
	for what, c := range s.collections(t) {
		t.Run(what, func(t *testing.T) {
			ctx := t.Context()
			between := func(n int) {
				t.Helper()
				other := records.Collection{Org: c.Org, User: c.User, Kind: "others"}
				r := s.create(t, other, s.newRecord("", "", "0"))
				for range n - 2 {
					var err error
					r, err = s.UpdateRecord(ctx, other, r, name())
					must(t, err)
				}
				must(t, s.DeleteRecord(ctx, other, r.ID, name()))
			}
			create, update, remove := name(), name(), name()
			sent := s.newRecord("", "", "1")
			one, err := s.CreateRecord(ctx, c, sent, create, plenty)
			must(t, err)
			between(127)
			again, err := s.CreateRecord(ctx, c, sent, create, plenty)
			if err != nil || again.ID != one.ID {
				t.Fatalf("created again: %+v, %v", again, err)
			}
			s.wantRecords(t, c, one)
			two, err := s.UpdateRecord(ctx, c, one, update)
			must(t, err)
			between(127)
			if again, err = s.UpdateRecord(ctx, c, one, update); err != nil || again.Version != two.Version {
				t.Fatalf("updated again: %+v, %v", again, err)
			}
			s.wantRecords(t, c, two)
			must(t, s.DeleteRecord(ctx, c, one.ID, remove))
			between(127)
			must(t, s.DeleteRecord(ctx, c, one.ID, remove))
		})
	}
}

func (s *suite) testRecordNames(t *testing.T) {
	for what, c := range s.collections(t) {
		t.Run(what, func(t *testing.T) {
			ctx := t.Context()
			other := records.Collection{Org: c.Org, User: c.User, Kind: "others"}
			var all []records.Record
			for _, text := range append(slices.Clone(hostile), "-", "a", "A", "a b") {
				if text == "" {
					continue
				}
				all = append(all, s.create(t, c, s.newRecord(text, "", "0")))
				_, err := s.CreateRecord(ctx, c, s.newRecord(text, "", "0"), name(), plenty)
				wantRefused(t, err, auth.Conflict, "name")
				s.create(t, other, s.newRecord(text, "", "0")) // a name of another kind
			}
			for range 3 { // what has no name is in nobody's way
				all = append(all, s.create(t, c, s.newRecord("", "", "0")))
			}
			s.wantRecords(t, c, all...)
			rename := func(r records.Record, to string) error {
				r.Name = to
				_, err := s.UpdateRecord(ctx, c, r, name())
				return err
			}
			first, second := all[0], all[1]
			wantRefused(t, rename(second, first.Name), auth.Conflict, "name")
			s.wantRecords(t, c, all...)
			must(t, rename(first, first.Name)) // its own
			first.Version++
			must(t, rename(first, "another"))
			must(t, rename(second, first.Name)) // which is free now
			wantRefused(t, rename(all[2], "another"), auth.Conflict, "name")
			must(t, s.DeleteRecord(ctx, c, first.ID, name()))
			must(t, rename(all[2], "another"))
			second.Version++
			must(t, rename(second, ""))
			s.create(t, c, s.newRecord(first.Name, "", "0"))
		})
	}
}

func (s *suite) testRecordNeeds(t *testing.T) {
	for what, c := range s.collections(t) {
		t.Run(what, func(t *testing.T) {
			ctx := t.Context()
			needed := records.Collection{Org: c.Org, User: c.User, Kind: "needed"}
			a, b := s.create(t, needed, s.newRecord("", "", "1")), s.create(t, needed, s.newRecord("", "", "2"))
			ref := func(id uint64) string { return "needed:" + strconv.FormatUint(id, 10) }
			for _, missing := range []string{ref(99), "things:1", "needed:"} {
				_, err := s.CreateRecord(ctx, c, s.newRecord("", missing, "0"), name(), plenty)
				wantRefused(t, err, auth.NotFound, "needs")
			}
			one, two := s.create(t, c, s.newRecord("", ref(a.ID), "0")), s.create(t, c, s.newRecord("", ref(a.ID), "0"))
			for _, r := range []records.Record{one, two} {
				wantRefused(t, s.DeleteRecord(ctx, needed, a.ID, name()), auth.Conflict, "needed")
				must(t, s.DeleteRecord(ctx, c, r.ID, name()))
			}
			three := s.create(t, c, s.newRecord("", ref(a.ID), "0"))
			move := three
			move.Needs = ref(99)
			_, err := s.UpdateRecord(ctx, c, move, name())
			wantRefused(t, err, auth.NotFound, "needs")
			wantRefused(t, s.DeleteRecord(ctx, needed, a.ID, name()), auth.Conflict, "needed")
			for _, to := range []string{three.Needs, ref(b.ID)} {
				move.Needs = to
				move, err = s.UpdateRecord(ctx, c, move, name())
				must(t, err)
			}
			must(t, s.DeleteRecord(ctx, needed, a.ID, name()))
			wantRefused(t, s.DeleteRecord(ctx, needed, b.ID, name()), auth.Conflict, "needed")
			b.Body = []byte("changed") // being needed is in the way of nothing else
			_, err = s.UpdateRecord(ctx, needed, b, name())
			must(t, err)
			move.Needs = ""
			_, err = s.UpdateRecord(ctx, c, move, name())
			must(t, err)
			must(t, s.DeleteRecord(ctx, needed, b.ID, name()))
		})
	}
}

func (s *suite) testRecordLimits(t *testing.T) {
	for what, c := range s.collections(t) {
		t.Run(what, func(t *testing.T) {
			ctx := t.Context()
			s.create(t, records.Collection{Org: c.Org, User: c.User, Kind: "others"}, s.newRecord("", "", "0"))
			full := func() {
				t.Helper()
				_, err := s.CreateRecord(ctx, c, s.newRecord("", "", "0"), name(), 3)
				wantRefused(t, err, auth.Conflict, "limit")
			}
			op := name()
			for range 3 {
				op = name()
				_, err := s.CreateRecord(ctx, c, s.newRecord("", "", "0"), op, 3)
				must(t, err)
			}
			full()
			last, err := s.CreateRecord(ctx, c, s.newRecord("", "", "0"), op, 3) // the third again
			must(t, err)
			must(t, s.DeleteRecord(ctx, c, last.ID, name()))
			_, err = s.CreateRecord(ctx, c, s.newRecord("", "", "0"), name(), 3)
			must(t, err)
			full()
		})
	}
}

// What is kept of a user is kept of a member that exists.
func (s *suite) testRecordOwners(t *testing.T) {
	ctx := t.Context()
	refused := func(c records.Collection) {
		t.Helper()
		_, err := s.CreateRecord(ctx, c, s.newRecord("", "", "0"), name(), plenty)
		wantRefused(t, err, auth.NotFound, "")
		_, err = s.UpdateRecord(ctx, c, records.Record{ID: 1, Version: 1}, name())
		wantRefused(t, err, auth.NotFound, "")
		wantRefused(t, s.DeleteRecord(ctx, c, 1, name()), auth.NotFound, "")
	}
	refused(records.Collection{Org: name(), User: name(), Kind: "things"})
	refused(records.Collection{Org: name(), Kind: "things"})

	left := name()
	u := s.user(t, func(u *auth.User) { u.Orgs = append(u.Orgs, left) })
	home, away := records.Collection{Org: u.Orgs[0], User: u.ID, Kind: "things"}, records.Collection{Org: left, User: u.ID, Kind: "things"}
	foreign := records.Collection{Org: name(), User: u.ID, Kind: "things"}
	refused(foreign)
	one, two := s.create(t, home, s.newRecord("x", "", "0")), s.create(t, away, s.newRecord("x", "", "0"))
	if one.ID != 1 || two.ID != 1 {
		t.Fatalf("the first ids in two organisations are %d and %d", one.ID, two.ID)
	}
	u.Disabled = true
	u = s.putUser(t, u)
	must(t, s.DeleteRecord(ctx, home, one.ID, name())) // an operator may change what is kept of a disabled user
	two2 := s.create(t, home, s.newRecord("x", "", "0"))

	// A member's records are not erased, those of who left are, and he begins anew.
	must(t, s.EraseRecords(ctx, u.ID, []string{u.Orgs[0], left, foreign.Org}))
	s.wantRecords(t, home, two2)
	s.wantRecords(t, away, two)
	u.Orgs = u.Orgs[:1]
	u = s.putUser(t, u, left)
	refused(away)
	s.wantRecords(t, away, two)
	for range 2 {
		must(t, s.EraseRecords(ctx, u.ID, []string{left, foreign.Org}))
		s.wantRecords(t, away)
		s.wantRecords(t, home, two2)
	}
	u.Orgs = append(u.Orgs, left)
	u = s.putUser(t, u)
	if back := s.create(t, away, s.newRecord("x", "", "0")); back.ID != 1 {
		t.Errorf("what was erased left a trace: the next id is %d", back.ID)
	}
	must(t, s.EraseRecords(ctx, u.ID, nil))

	must(t, s.BeginDelete(ctx, u))
	refused(home)
	refused(away)
	must(t, s.EraseRecords(ctx, u.ID, u.Orgs))
	s.wantRecords(t, home)
	s.wantRecords(t, away)
	must(t, s.FinishDelete(ctx, u.ID))
	refused(home)
}

func (s *suite) testRecordsOfRaces(t *testing.T) {
	for what, c := range s.collections(t) {
		t.Run(what, func(t *testing.T) {
			ctx := t.Context()
			var o outcomes
			ids := make([]uint64, crowd)
			s.together(crowd, func(i int, store Store) {
				r, err := store.CreateRecord(ctx, c, s.newRecord("", "", strconv.Itoa(i)), name(), plenty)
				ids[i] = r.ID
				o.add(err)
			})
			o.want(t, map[auth.Code]int{"": crowd})
			slices.Sort(ids)
			for i, id := range ids {
				if id != uint64(i)+1 {
					t.Fatalf("the ids are %d, want each from 1 once", ids)
				}
			}

			// One name, one operation, one place left, one version.
			race := func(what string, want map[auth.Code]int, call func(i int, store Store) error) {
				t.Helper()
				var o outcomes
				s.together(crowd, func(i int, store Store) { o.add(call(i, store)) })
				if o.want(t, want); t.Failed() {
					t.Fatal(what)
				}
			}
			op := name()
			one := map[auth.Code]int{"": 1, auth.Conflict: crowd - 1}
			race("one name", one, func(_ int, store Store) error {
				_, err := store.CreateRecord(ctx, c, s.newRecord("x", "", "0"), name(), plenty)
				return err
			})
			race("one operation", map[auth.Code]int{"": crowd}, func(_ int, store Store) error {
				r, err := store.CreateRecord(ctx, c, s.newRecord("y", "", "0"), op, plenty)
				if err == nil && r.ID != crowd+2 {
					err = fmt.Errorf("created %d, want %d", r.ID, crowd+2)
				}
				return err
			})
			race("one place left", one, func(_ int, store Store) error {
				_, err := store.CreateRecord(ctx, c, s.newRecord("", "", "0"), name(), crowd+3)
				return err
			})
			race("one version", map[auth.Code]int{"": 1, auth.PreconditionFailed: crowd - 1}, func(i int, store Store) error {
				_, err := store.UpdateRecord(ctx, c, records.Record{ID: 1, Version: 1, Body: []byte(strconv.Itoa(i))}, name())
				return err
			})
			race("one record", map[auth.Code]int{"": 1, auth.NotFound: crowd - 1}, func(_ int, store Store) error {
				return store.DeleteRecord(ctx, c, 1, name())
			})

			// What is removed while others begin to need it is gone, or needed, and never both.
			needed := records.Collection{Org: c.Org, User: c.User, Kind: "needed"}
			for range 20 {
				r := s.create(t, needed, s.newRecord("", "", "0"))
				ref := "needed:" + strconv.FormatUint(r.ID, 10)
				var removed error
				var o outcomes
				s.together(4, func(i int, store Store) {
					if i == 0 {
						removed = store.DeleteRecord(ctx, needed, r.ID, name())
						return
					}
					_, err := store.CreateRecord(ctx, c, s.newRecord("", ref, "0"), name(), plenty)
					o.add(err)
				})
				if removed == nil {
					o.want(t, map[auth.Code]int{auth.NotFound: 3})
				} else {
					wantRefused(t, removed, auth.Conflict, "needed")
					if o.counts[""] == 0 || o.counts[""]+o.counts[auth.NotFound] != 3 {
						t.Fatalf("outcomes are %v", o.counts)
					}
				}
			}
		})
	}

	// Once a deletion has begun nothing of the user is written, whoever was first.
	for range 20 {
		u := s.user(t)
		c := records.Collection{Org: u.Orgs[0], User: u.ID, Kind: "things"}
		s.together(4, func(i int, store Store) {
			ctx := context.WithoutCancel(t.Context())
			if i == 0 {
				if err := store.BeginDelete(ctx, u); err != nil {
					t.Errorf("delete: %v", err)
				}
				if err := store.EraseRecords(ctx, u.ID, u.Orgs); err != nil {
					t.Errorf("erase: %v", err)
				}
				return
			}
			_, err := store.CreateRecord(ctx, c, s.newRecord("", "", "0"), name(), plenty)
			if code := auth.CodeOf(err); err != nil && code != auth.NotFound {
				t.Errorf("create: %v", err)
			}
		})
		s.wantRecords(t, c)
	}
}

// All that is kept of an owner is read at once, so its size is bounded: nobody makes reading it costly.
func (s *suite) testRecordBytes(t *testing.T) {
	for what, c := range s.collections(t) {
		t.Run(what, func(t *testing.T) {
			ctx := t.Context()
			body := strings.Repeat("x", 1<<20)
			var r records.Record
			var err error
			n := 0
			for err == nil && n < 10 {
				n++
				r, err = s.CreateRecord(ctx, c, s.newRecord("", "", body), name(), plenty)
			}
			wantRefused(t, err, auth.Conflict, "size")
			if n < 3 {
				t.Errorf("%d records of 1 MiB are too many", n)
			}
			_, err = s.CreateRecord(ctx, c, s.newRecord("", "", body), name(), n-1) // one is too many already
			wantRefused(t, err, auth.Conflict, "limit")
			r.ID, r.Version, r.Body = uint64(n-1), 1, []byte(body+body)
			_, err = s.UpdateRecord(ctx, c, r, name())
			wantRefused(t, err, auth.Conflict, "size")
			r.Body = []byte("x")
			_, err = s.UpdateRecord(ctx, c, r, name())
			must(t, err)
			again := s.create(t, c, s.newRecord("", "", body[1:]))
			_, err = s.CreateRecord(ctx, c, s.newRecord("", "", "x"), name(), plenty)
			wantRefused(t, err, auth.Conflict, "size")
			must(t, s.DeleteRecord(ctx, c, again.ID, name()))
			s.create(t, c, s.newRecord("", "", body[1:]))
		})
	}
}
