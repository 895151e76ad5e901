package storetest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/internal/audit"
)

// RunAudit runs the suite of audit.Store over at least two instances that share their data. orgs keeps the organisations of the same data.
func RunAudit(t *testing.T, orgs auth.OrgStore, instances ...audit.Store) {
	if len(instances) < 2 {
		t.Fatal("storetest needs two instances that share their data")
	}
	s := auditSuite{Store: instances[0], instances: instances, orgs: orgs, now: time.Now().Truncate(time.Microsecond).UTC()}
	for _, part := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"appending", s.testAppend},
		{"repetitions", s.testRepetitions},
		{"reading", s.testRange},
		{"trimming", s.testTrim},
		{"chains", s.testChains},
		{"races", s.testRaces},
	} {
		t.Run(part.name, part.run)
	}
}

type auditSuite struct {
	audit.Store
	instances []audit.Store
	orgs      auth.OrgStore
	now       time.Time
}

// org makes an organisation.
func (s *auditSuite) org(t *testing.T) string {
	t.Helper()
	slug := name()
	if _, err := s.orgs.PutOrg(t.Context(), auth.Org{Slug: slug, CreatedAt: s.now, UpdatedAt: s.now}, name()); err != nil {
		t.Fatal(err)
	}
	return slug
}

// entries are n that can stand behind a head. The store does not ask what a hash is of.
func (s *auditSuite) entries(org string, head audit.Head, n int) []audit.Entry {
	entries := make([]audit.Entry, n)
	for i := range entries {
		entries[i] = audit.Entry{
			Seq: head.Seq + uint64(i) + 1, Time: s.now.Add(time.Duration(i) * time.Microsecond),
			Event: audit.Event{
				Action: "user.create", Actor: "user:a\x00b", Org: org, Target: "=user:\u2028{x}\r\n", Outcome: audit.Denied, Reason: "",
			},
			Request: audit.Request{ID: name(), Address: "2001:db8::1", Dialect: "native"},
			Hash:    name(),
		}
	}
	return entries
}

// behind is the head after entries were added.
func behind(head audit.Head, entries []audit.Entry) audit.Head {
	last := entries[len(entries)-1]
	head.Seq, head.Hash = last.Seq, last.Hash
	return head
}

func (s *auditSuite) append(t *testing.T, store audit.Store, org string, head audit.Head, entries []audit.Entry, wantConflict bool) {
	t.Helper()
	conflict, err := store.Append(t.Context(), org, head, entries)
	if err != nil || conflict != wantConflict {
		t.Fatalf("append: conflict %v (%v), want %v", conflict, err, wantConflict)
	}
}

func (s *auditSuite) want(t *testing.T, org string, head audit.Head, entries []audit.Entry) {
	t.Helper()
	for _, store := range s.instances {
		got, err := store.Head(t.Context(), org)
		must(t, err)
		if diff := cmp.Diff(head, got); diff != "" {
			t.Errorf("the head differs:\n%s", diff)
		}
		all, err := store.Range(t.Context(), org, 1, 10_000, false)
		must(t, err)
		if diff := cmp.Diff(append([]audit.Entry{}, entries...), all); diff != "" {
			t.Errorf("the entries differ:\n%s", diff)
		}
	}
}

func (s *auditSuite) testAppend(t *testing.T) {
	org := s.org(t)
	s.want(t, org, audit.Head{}, nil)
	first := s.entries(org, audit.Head{}, 3)
	s.append(t, s.Store, org, audit.Head{}, first, false)
	head := behind(audit.Head{}, first)
	s.want(t, org, head, first)

	for _, expected := range []audit.Head{{}, {Seq: 2, Hash: first[1].Hash}, {Seq: 3, Hash: first[1].Hash}, {Seq: 4, Hash: first[2].Hash}} {
		s.append(t, s.Store, org, expected, s.entries(org, expected, 2), true)
	}
	s.want(t, org, head, first)
	second := s.entries(org, head, 500)
	s.append(t, s.instances[1], org, head, second, false)
	s.want(t, org, behind(head, second), append(first, second...))
}

// What is in the chain already is not added again, however far that has grown.
func (s *auditSuite) testRepetitions(t *testing.T) {
	org := s.org(t)
	first := s.entries(org, audit.Head{}, 2)
	head := behind(audit.Head{}, first)
	for range 3 {
		s.append(t, s.Store, org, audit.Head{}, first, false)
		s.want(t, org, head, first)
	}
	second := s.entries(org, head, 3)
	s.append(t, s.Store, org, head, second, false)
	for _, store := range s.instances {
		s.append(t, store, org, audit.Head{}, first, false)
	}
	s.append(t, s.Store, org, audit.Head{}, s.entries(org, audit.Head{}, 2), true) // of the same numbers, and others
	s.want(t, org, behind(head, second), append(first, second...))
}

func (s *auditSuite) testRange(t *testing.T) {
	org := s.org(t)
	entries := s.entries(org, audit.Head{}, 20)
	s.append(t, s.Store, org, audit.Head{}, entries, false)
	for _, c := range []struct {
		from      uint64
		limit     int
		backwards bool
		want      []uint64
	}{
		{1, 3, false, []uint64{1, 2, 3}},
		{18, 5, false, []uint64{18, 19, 20}},
		{21, 5, false, nil},
		{0, 3, true, []uint64{20, 19, 18}},
		{10, 3, true, []uint64{10, 9, 8}},
		{2, 5, true, []uint64{2, 1}},
		{100, 1, true, []uint64{20}},
	} {
		got, err := s.Range(t.Context(), org, c.from, c.limit, c.backwards)
		must(t, err)
		var seqs []uint64
		for _, e := range got {
			seqs = append(seqs, e.Seq)
		}
		if diff := cmp.Diff(c.want, seqs); diff != "" {
			t.Errorf("%d from %d, backwards %v:\n%s", c.limit, c.from, c.backwards, diff)
		}
	}
}

func (s *auditSuite) testTrim(t *testing.T) {
	org := s.org(t)
	entries := s.entries(org, audit.Head{}, 10)
	s.append(t, s.Store, org, audit.Head{}, entries, false)
	head := behind(audit.Head{}, entries)
	trim := func(from uint64, to audit.Base, wantConflict bool) {
		t.Helper()
		conflict, err := s.Trim(t.Context(), org, from, to)
		if err != nil || conflict != wantConflict {
			t.Fatalf("trim: conflict %v (%v), want %v", conflict, err, wantConflict)
		}
	}
	for range 2 { // the same again is the same
		head.Base = audit.Base{Seq: 4, Hash: entries[3].Hash, Proof: "proof"}
		trim(0, head.Base, false)
		s.want(t, org, head, entries[4:])
	}
	trim(0, audit.Base{Seq: 6, Hash: entries[5].Hash}, true)
	trim(5, audit.Base{Seq: 6, Hash: entries[5].Hash}, true)
	s.want(t, org, head, entries[4:])

	more := s.entries(org, head, 1) // appending goes on
	s.append(t, s.Store, org, head, more, false)
	head = behind(head, more)
	head.Base = audit.Base{Seq: 11, Hash: more[0].Hash}
	trim(4, head.Base, false)
	s.want(t, org, head, nil)
	last := s.entries(org, head, 1)
	s.append(t, s.Store, org, head, last, false)
	s.want(t, org, behind(head, last), last)
}

func (s *auditSuite) testChains(t *testing.T) {
	org, other := s.org(t), s.org(t)
	entries, others := s.entries(org, audit.Head{}, 2), s.entries(other, audit.Head{}, 1)
	s.append(t, s.Store, org, audit.Head{}, entries, false)
	s.append(t, s.Store, other, audit.Head{}, others, false)
	s.want(t, org, behind(audit.Head{}, entries), entries)
	s.want(t, other, behind(audit.Head{}, others), others)

	nobodys := name()
	_, err := s.Append(t.Context(), nobodys, audit.Head{}, s.entries(nobodys, audit.Head{}, 1))
	if !errors.Is(err, audit.ErrNoOrg) {
		t.Errorf("appending for an organisation that does not exist: %v", err)
	}
	s.want(t, nobodys, audit.Head{}, nil)

	head, err := s.Head(t.Context(), "") // the installation has no record
	must(t, err)
	s.append(t, s.Store, "", head, s.entries(nobodys, head, 1), false)
}

// Of all who append behind the same head one does.
func (s *auditSuite) testRaces(t *testing.T) {
	const writers, each = 8, 12
	org := s.org(t)
	var written atomic.Int64
	var writing sync.WaitGroup
	for i := range writers {
		writing.Go(func() {
			store := s.instances[i%len(s.instances)]
			for done := 0; done < each; {
				head, err := store.Head(t.Context(), org)
				if err != nil {
					t.Error(err)
					return
				}
				entries := s.entries(org, head, 1+done%3)
				for n := range entries {
					entries[n].Actor = fmt.Sprintf("%d/%d/%d", i, done, n)
				}
				conflict, err := store.Append(t.Context(), org, head, entries)
				if err != nil {
					t.Error(err)
					return
				}
				if !conflict {
					done++
					written.Add(int64(len(entries)))
				}
			}
		})
	}
	writing.Wait()
	all, err := s.Range(t.Context(), org, 1, 10_000, false)
	must(t, err)
	seen := map[string]bool{}
	for n, e := range all {
		if e.Seq != uint64(n)+1 || seen[e.Actor] {
			t.Errorf("entry %d has number %d, of %s", n, e.Seq, e.Actor)
		}
		seen[e.Actor] = true
	}
	if int64(len(all)) != written.Load() {
		t.Errorf("%d entries, %d were written", len(all), written.Load())
	}
}
