package storetest

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/claimsmith/claimsmith/metadata"
)

// parallel runs do for every writer at the same moment and returns what each returned.
func (s *suite) parallel(do func(i int) error) []error {
	outcomes := make([]error, writers)
	ready := make(chan struct{})
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			<-ready
			outcomes[i] = do(i)
		})
	}
	close(ready)
	wg.Wait()
	return outcomes
}

func (s *suite) parallelKeys() {
	o := s.member()
	s.mustApply(o, set(entry("before", text("x"))))
	for _, err := range s.parallel(func(i int) error {
		_, err := s.apply(o, set(claim(fmt.Sprintf("k%02d", i), text(fmt.Sprint(i)))))
		return err
	}) {
		if err != nil {
			s.Fatal(err)
		}
	}
	doc := s.get(o)
	claims, revision := s.claimsOf(o)
	if doc.Revision != 1+writers || revision != 1+writers || len(doc.Entries) != 1+writers || len(claims) != writers {
		s.Errorf("after %d writers: revision %d, claims at %d, %d entries, %d claims", writers, doc.Revision, revision, len(doc.Entries), len(claims))
	}
	seen := make(map[uint64]bool)
	for i := range writers {
		e, _ := doc.Entry(fmt.Sprintf("k%02d", i))
		if e.Value != text(fmt.Sprint(i)) || seen[e.Revision] {
			s.Errorf("entry %d is %+v", i, e)
		}
		seen[e.Revision] = true
	}
}

func (s *suite) parallelIfMatch() {
	o := s.member()
	revision := s.mustApply(o, set(entry("k", text("start")))).Revision
	for range 5 {
		var winner atomic.Int64
		won := 0
		for _, err := range s.parallel(func(i int) error {
			p := set(entry("k", text(fmt.Sprint(i))))
			p.If = metadata.Precondition{Key: "k", IfMatch: revisions(revision)}
			_, err := s.apply(o, p)
			if err == nil {
				winner.Store(int64(i))
			}
			return err
		}) {
			if err == nil {
				won++
			} else if codeOf(err) != metadata.PreconditionFailed {
				s.Error(err)
			}
		}
		doc := s.get(o)
		k, _ := doc.Entry("k")
		if won != 1 || doc.Revision != revision+1 || k.Value != text(fmt.Sprint(winner.Load())) {
			s.Fatalf("%d writers won on revision %d; it became %d with %+v", won, revision, doc.Revision, k)
		}
		revision = doc.Revision
	}
}

func (s *suite) parallelCreation() {
	for _, key := range []string{"", "k"} {
		o := s.member()
		won := 0
		for _, err := range s.parallel(func(i int) error {
			p := set(entry("k", text(fmt.Sprint(i))))
			p.If = metadata.Precondition{Key: key, IfNoneMatch: anything}
			_, err := s.apply(o, p)
			return err
		}) {
			if err == nil {
				won++
			} else if codeOf(err) != metadata.PreconditionFailed {
				s.Error(err)
			}
		}
		if doc := s.get(o); won != 1 || doc.Revision != 1 {
			s.Errorf("%d writers created %q; revision %d", won, key, doc.Revision)
		}
	}
}

// snapshots has one writer keep two claims and an entry equal to the revision that sets them, and readers look for a
// moment when they are not.
func (s *suite) snapshots() {
	const enough = 200 // reads
	o := s.member()
	var reads atomic.Int64
	done := make(chan struct{}) // when there were enough reads, or a reader gave up
	var finish sync.Once
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			defer finish.Do(func() { close(done) })
			for last := uint64(0); reads.Add(1) < enough; {
				claims, claimsErr := Claims(s.Context(), s.store, o.Org, o.User, "")
				doc, docErr := s.store.Get(s.Context(), o)
				later, past, pastErr := s.store.History(s.Context(), o, metadata.DefaultLimits.History, start)
				if err := errors.Join(claimsErr, docErr, pastErr); err != nil {
					s.Error(err)
					return
				}
				if claims.Revision < last || doc.Revision < claims.Revision {
					s.Errorf("claims at revision %d, then the document at %d, after %d", claims.Revision, doc.Revision, last)
				}
				last = doc.Revision
				var visible, all []string
				for _, c := range claims.User {
					visible = append(visible, c.JSON)
				}
				for _, e := range doc.Entries {
					all = append(all, e.Value.Raw())
				}
				s.wantAll(visible, 2, claims.Revision)
				s.wantAll(all, 3, doc.Revision)
				if later.Revision < last || later.Revision > 0 && len(past) == 0 {
					s.Errorf("the document at revision %d, after %d, has %d changes", later.Revision, last, len(past))
				}
				for _, r := range past {
					later = Undo(later, r)
					all = nil
					for _, e := range later.Entries {
						all = append(all, e.Value.Raw())
					}
					s.wantAll(all, 3, later.Revision)
				}
			}
		})
	}
	for i := 1; !closed(done); i++ {
		// The name of the second claim alternates: one appears in the instant another goes.
		v := text(fmt.Sprint(i))
		p := set(claim("a", v), claim(fmt.Sprintf("b%d", i%2), v), entry("e", v))
		p.Delete = []string{fmt.Sprintf("b%d", (i+1)%2)}
		if _, err := s.apply(o, p); err != nil {
			s.Error(err)
			break
		}
	}
	readers.Wait()
}

// wantAll checks that a snapshot taken at a revision has n values and that they all name it.
func (s *suite) wantAll(values []string, n int, revision uint64) {
	if revision == 0 {
		n = 0
	}
	if len(values) != n {
		s.Errorf("at revision %d there are %d values, want %d", revision, len(values), n)
	}
	for _, value := range values {
		if want := strconv.Quote(strconv.FormatUint(revision, 10)); value != want {
			s.Errorf("at revision %d a value is %s", revision, value)
		}
	}
}

func closed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func (s *suite) deletionRace() {
	o := s.member()
	app := o
	app.App = "app"
	var writing, busy sync.WaitGroup
	for i := range 8 {
		busy.Add(1)
		writing.Go(func() {
			underWay := sync.OnceFunc(busy.Done)
			defer underWay()
			for n := 0; ; n++ {
				target := o
				if n%2 == 1 {
					target = app
				}
				_, err := s.apply(target, set(claim(fmt.Sprintf("k%d", i), text(fmt.Sprint(n)))))
				if errors.Is(err, metadata.ErrUserNotFound) {
					return
				}
				if err != nil {
					s.Error(err)
					return
				}
				if n == 5 {
					underWay()
				}
			}
		})
	}
	busy.Wait()
	s.users.SetState(s.T, o.User, Deleting)
	if err := s.store.Erase(s.Context(), o.User, []string{o.Org}); err != nil {
		s.Error(err)
	}
	writing.Wait()
	s.users.SetState(s.T, o.User, Active)
	s.wantSame(s.get(o), metadata.Document{})
	s.wantSame(s.get(app), metadata.Document{})
	if claims, revision := s.claimsOf(o); len(claims) != 0 || revision != 0 {
		s.Errorf("claims %v at revision %d", claims, revision)
	}
}
