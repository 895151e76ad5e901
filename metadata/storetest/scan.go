package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/claimsmith/claimsmith/metadata"
)

func (s *suite) scan(org string, what metadata.Extent) []metadata.Holding {
	s.Helper()
	var all []metadata.Holding
	if err := s.store.Scan(s.Context(), org, what, func(h metadata.Holding) error { all = append(all, h); return nil }); err != nil {
		s.Fatal(err)
	}
	return all
}

func (s *suite) scanning() {
	org := s.newOrg()
	jane := metadata.Owner{Org: org, User: s.users.New(s.T, User{Orgs: []string{org, "default"}})}
	groups := []string{"g1", "g2"}
	p := set(claim("z", text("1")), entry("a", text("2")), entry("b", text("3")))
	p.Groups = &groups
	doc := s.mustApply(jane, p)
	s.mustApply(metadata.Owner{Org: "default", User: jane.User, App: "elsewhere"}, set(entry("a", text("2"))))
	one, two := jane, jane
	one.App, two.App = "app-1", "app-2"
	s.mustApply(two, set(claim("c", text("4"))))
	s.mustApply(one, set(claim("a", text("5"))))
	docOne := s.mustApply(one, set(entry("b", text("6"))))
	blank := metadata.Owner{Org: org, User: s.users.New(s.T, User{Orgs: []string{org}})}
	left := s.users.New(s.T, User{Orgs: []string{org}})
	s.mustApply(metadata.Owner{Org: org, User: left}, metadata.Patch{Set: p.Set, Groups: &groups})
	s.users.Leave(s.T, left, org)

	want := func(what metadata.Extent, ofJane, ofOne, ofTwo metadata.Holding) {
		s.Helper()
		ofJane.Owner, ofOne.Owner, ofTwo.Owner = jane, one, two
		all := s.scan(org, what)
		slices.SortStableFunc(all, func(a, b metadata.Holding) int { // the blank one last; each user's stay in their order
			return strings.Compare(fmt.Sprint(a.Owner.User == blank.User), fmt.Sprint(b.Owner.User == blank.User))
		})
		if diff := gocmp.Diff([]metadata.Holding{ofJane, ofOne, ofTwo, {Owner: blank}}, all,
			gocmp.AllowUnexported(metadata.Value{}), cmpopts.EquateEmpty()); diff != "" {
			s.Errorf("%+v (-want +got):\n%s", what, diff)
		}
	}
	z, a, b := doc.Entries[2], doc.Entries[0], doc.Entries[1]
	want(metadata.Extent{}, metadata.Holding{Revision: 1}, metadata.Holding{Revision: 2}, metadata.Holding{Revision: 1})
	want(metadata.Extent{Keys: []string{"z", "b", "a", "none"}},
		metadata.Holding{Revision: 1, Entries: []metadata.Entry{a, b, z}}, metadata.Holding{Revision: 2, Entries: docOne.Entries},
		metadata.Holding{Revision: 1})
	janes := metadata.Holding{Revision: 1, Claims: []metadata.Claim{{Key: "z", JSON: `"1"`}}, Groups: groups}
	ones := metadata.Holding{Revision: 2, Claims: []metadata.Claim{{Key: "a", JSON: `"5"`}}}
	twos := metadata.Holding{Revision: 1, Claims: []metadata.Claim{{Key: "c", JSON: `"4"`}}}
	want(metadata.Extent{Claims: true}, janes, ones, twos)
	janes.Entries, ones.Entries = []metadata.Entry{a}, docOne.Entries[:1]
	want(metadata.Extent{Claims: true, Keys: []string{"a"}}, janes, ones, twos)

	members := s.scan(org, metadata.Extent{Claims: true, Group: "g2"})
	janes.Owner, janes.Entries = jane, nil
	if diff := gocmp.Diff([]metadata.Holding{janes}, members, gocmp.AllowUnexported(metadata.Value{}), cmpopts.EquateEmpty()); diff != "" {
		s.Errorf("members (-want +got):\n%s", diff)
	}

	broken := errors.New("enough")
	visits := 0
	err := s.store.Scan(s.Context(), org, metadata.Extent{}, func(metadata.Holding) error { visits++; return broken })
	if err != broken || visits != 1 { //nolint:errorlint // the contract is the error itself
		s.Errorf("%d visits, %v", visits, err)
	}
}

// scanningMany visits more users than are read at once, each once, while others come and go.
func (s *suite) scanningMany() {
	org := s.newOrg()
	want := make(map[string]bool)
	for range 400 {
		want[s.users.New(s.T, User{Orgs: []string{org}})] = true
	}
	come := 0
	seen := make(map[string]int)
	err := s.store.Scan(s.Context(), org, metadata.Extent{Claims: true}, func(h metadata.Holding) error {
		if want[h.Owner.User] {
			seen[h.Owner.User]++
		}
		if come++; come%10 == 0 && come < 500 {
			s.users.Leave(s.T, s.users.New(s.T, User{Orgs: []string{org}}), org)
			s.users.New(s.T, User{Orgs: []string{org}})
		}
		return nil
	})
	if err != nil {
		s.Fatal(err)
	}
	for id := range want {
		if seen[id] != 1 {
			s.Errorf("%s was visited %d times", id, seen[id])
		}
	}
}

// scanningWhole has writers, and a scanner look for a moment when what it reads is not of one revision.
func (s *suite) scanningWhole() {
	org := s.newOrg()
	o := metadata.Owner{Org: org, User: s.users.New(s.T, User{Orgs: []string{org}})}
	finished := make(chan struct{})
	var writing sync.WaitGroup
	for w := range 4 {
		writing.Go(func() {
			for n := range 200 {
				if _, err := s.apply(o, set(claim("k", json(fmt.Sprint(n*4+w))))); err != nil {
					s.Error(err)
					return
				}
			}
		})
	}
	go func() { writing.Wait(); close(finished) }()
	defer writing.Wait()
	for {
		for _, h := range s.scan(org, metadata.Extent{Claims: true, Keys: []string{"k"}}) {
			if h.Revision > 0 && (h.Entries[0].Revision != h.Revision || h.Entries[0].Value.Raw() != h.Claims[0].JSON) {
				s.Fatalf("revision %d has %+v and %+v", h.Revision, h.Claims, h.Entries)
			}
		}
		select {
		case <-finished:
			return
		default:
		}
	}
}
