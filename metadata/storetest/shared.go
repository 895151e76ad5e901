package storetest

import (
	"errors"
	"fmt"

	"github.com/google/go-cmp/cmp"

	"github.com/claimsmith/claimsmith/metadata"
)

// latest has a change checked against the scheme as it is.
func (s *suite) latest(o metadata.Owner, p metadata.Patch) metadata.Patch {
	s.Helper()
	p = change(p)
	p.Scheme = s.users.SchemeRevision(s.T, o.Org)
	return p
}

func (s *suite) sharedDocuments() {
	org := s.newOrg("g1", "g2")
	owners := []metadata.Owner{{Org: org}, {Org: org, Group: "g1"}, {Org: org, Group: "g2"}}
	scheme := uint64(0)
	for i, o := range owners {
		s.wantSame(s.get(o), metadata.Document{})
		p := s.latest(o, set(claim("c", text(fmt.Sprint(i))), entry("e", text("x"))))
		doc := s.mustApply(o, p)
		scheme++
		if got := s.users.SchemeRevision(s.T, org); doc.Revision != 1 || len(doc.Entries) != 2 || got != scheme {
			s.Errorf("%+v has %+v, the scheme is at %d, want %d", o, doc, got, scheme)
		}
		s.wantSame(s.mustApply(o, p), doc)
		s.wantSame(s.mustApply(o, s.latest(o, remove("absent"))), doc)
		failing := s.latest(o, remove("c"))
		failing.If = metadata.Precondition{IfMatch: revisions(7)}
		_, err := s.apply(o, failing)
		s.wantRefusal(err, metadata.PreconditionFailed, o, doc)
		if got := s.users.SchemeRevision(s.T, org); got != scheme {
			s.Errorf("what changed nothing left the scheme at %d, not %d", got, scheme)
		}
	}
	for i, o := range owners {
		e, err := s.store.GetEntry(s.Context(), o, "c")
		if err != nil || e.Value != text(fmt.Sprint(i)) {
			s.Errorf("%+v has %+v, %v", o, e, err)
		}
		doc := s.mustApply(o, s.latest(o, metadata.Patch{Replace: true}))
		scheme++
		after, past, err := s.store.History(s.Context(), o, metadata.DefaultLimits.History, start)
		if err != nil || len(past) != 2 || past[0].Scheme != scheme || past[1].Scheme != uint64(i+1) {
			s.Fatalf("%+v: history %+v, %v", o, past, err)
		}
		s.wantSame(after, doc)
		if before := Undo(doc, past[0]); len(before.Entries) != 2 || before.Entries[0].Value != text(fmt.Sprint(i)) {
			s.Errorf("%+v was %+v", o, before)
		}
	}
	// A user's documents in the same organisation are others, and no history of theirs knows the scheme.
	user := s.memberOf(org)
	s.mustApply(user, set(entry("mine", text("x"))))
	if _, past, err := s.store.History(s.Context(), user, metadata.DefaultLimits.History, start); err != nil || len(past) != 1 || past[0].Scheme != 0 {
		s.Errorf("a user's history is %+v, %v", past, err)
	}
	s.wantSame(s.get(owners[0]), emptied(2, start))
}

func (s *suite) sharedRefusals() {
	org := s.newOrg("g1")
	unknown := []metadata.Owner{{Org: "nowhere"}, {Org: "nowhere", Group: "g1"}, {Org: org, Group: "g2"}, {Org: org, Group: "G1"}}
	for _, o := range unknown {
		_, getErr := s.store.Get(s.Context(), o)
		_, entryErr := s.store.GetEntry(s.Context(), o, "a")
		_, applyErr := s.apply(o, set(entry("a", text("1"))))
		_, _, historyErr := s.store.History(s.Context(), o, metadata.DefaultLimits.History, start)
		calls := map[string]error{"Get": getErr, "GetEntry": entryErr, "Apply": applyErr, "History": historyErr}
		if o.Org == org { // a group that was deleted has one
			delete(calls, "History")
			if historyErr != nil {
				s.Errorf("History of %+v: %v", o, historyErr)
			}
		}
		for call, err := range calls {
			if e := new(metadata.Error); !errors.As(err, &e) || e.Code != metadata.NotFound || e.Field != "" {
				s.Errorf("%s of %+v: %v", call, o, err)
			}
		}
		if revision := s.users.SchemeRevision(s.T, o.Org); revision != 0 {
			s.Errorf("the scheme of %s is at %d", o.Org, revision)
		}
	}
	for _, o := range []metadata.Owner{{Org: org}, {Org: org, Group: "g1"}} {
		stale := s.latest(o, set(entry("a", text("stale"))))
		doc := s.mustApply(o, s.latest(o, set(entry("a", text("1")))))
		if _, err := s.store.Apply(s.Context(), o, stale); err != error(metadata.ErrSchemeChanged) { //nolint:errorlint // the very value
			s.Errorf("a change checked against an earlier scheme: %v", err)
		}
		s.wantSame(s.get(o), doc)

		limits := metadata.DefaultLimits
		limits.ClaimsBytes, limits.InheritedBytes = 1, metadata.ClaimBytes("c", ofLength(20))
		p := s.latest(o, set(claim("c", ofLength(21))))
		p.Limits = limits
		_, err := s.apply(o, p)
		s.wantRefusal(err, metadata.LimitExceeded, o, doc)
		p = s.latest(o, set(claim("c", ofLength(20))))
		p.Limits = limits
		s.mustApply(o, p)
	}
}

// parallelShared has every writer change the documents of one organisation until its change was checked against the latest scheme.
func (s *suite) parallelShared() {
	org := s.newOrg("g1")
	for _, err := range s.parallel(func(i int) error {
		o := metadata.Owner{Org: org}
		if i%2 == 1 {
			o.Group = "g1"
		}
		for {
			_, err := s.store.Apply(s.Context(), o, s.latest(o, set(claim(fmt.Sprintf("k%02d", i), text("x")))))
			if !errors.Is(err, metadata.ErrSchemeChanged) {
				return err
			}
		}
	}) {
		if err != nil {
			s.Fatal(err)
		}
	}
	var seen []uint64
	for _, o := range []metadata.Owner{{Org: org}, {Org: org, Group: "g1"}} {
		doc, past, err := s.store.History(s.Context(), o, metadata.DefaultLimits.History, start)
		if err != nil || doc.Revision != writers/2 || len(past) != writers/2 {
			s.Fatalf("%+v is at %d with %d changes, %v", o, doc.Revision, len(past), err)
		}
		for _, r := range past {
			seen = append(seen, r.Scheme)
		}
	}
	counted := make(map[uint64]bool)
	for _, revision := range seen {
		counted[revision] = revision <= writers
	}
	if revision := s.users.SchemeRevision(s.T, org); revision != writers || len(counted) != writers || !cmp.Equal(counted[0], false) {
		s.Errorf("the scheme is at %d after changes %v", revision, seen)
	}
}
