package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/claimsmith/claimsmith/metadata"
)

func (s *suite) historyOf(o metadata.Owner, keep metadata.Retention, now time.Time) (metadata.Document, []metadata.Revision) {
	s.Helper()
	doc, past, err := s.store.History(s.Context(), o, keep, now)
	if err != nil {
		s.Fatal(err)
	}
	return doc, past
}

// kept returns the revisions that a history remembers.
func (s *suite) kept(o metadata.Owner, keep metadata.Retention, now time.Time) []uint64 {
	s.Helper()
	_, past := s.historyOf(o, keep, now)
	var revisions []uint64
	for _, r := range past {
		revisions = append(revisions, r.Revision)
	}
	return revisions
}

var all = metadata.Retention{Changes: 1 << 20, Bytes: 1 << 40}

func (s *suite) history() {
	o := s.member()
	if doc, past := s.historyOf(o, all, start); doc.Revision != 0 || len(past) != 0 {
		s.Errorf("of a document nobody wrote: %+v, %+v", doc, past)
	}
	at := func(n int) time.Time { return start.Add(time.Duration(n) * time.Minute) }
	binary := metadata.Bytes([]byte("12:34:\x00 9:9:+j 1 0 0  x\r\n\xff"))
	changes := []metadata.Patch{
		{Set: []metadata.Put{claim("a", text("1")), entry("b", text("1"))}, ChangedBy: "user:u", Via: "native"},
		{Set: []metadata.Put{entry("a", text("2")), entry("x:1", binary)}, ChangedBy: "token:t", Via: "zitadel"},
		{Delete: []string{"b", "absent"}, Groups: &[]string{"g1", "g2"}, ChangedBy: "user:u"},
		{Replace: true, Set: []metadata.Put{entry("a", text("2")), claim("c", text("1"))}, ChangedBy: "client:c", Via: "native"},
		{Set: []metadata.Put{entry("x:1", text("again"))}, Groups: &[]string{}, ChangedBy: "user:u", Via: "native"},
		{Replace: true, ChangedBy: "user:u", Via: "native"},
	}
	documents := []metadata.Document{{}}
	for i := range changes {
		changes[i].At = at(i)
		documents = append(documents, s.mustApply(o, changes[i]))
		s.mustApply(o, remove("absent")) // which is none
	}
	doc, past := s.historyOf(o, all, start)
	s.wantSame(doc, documents[len(changes)])
	if len(past) != len(changes) {
		s.Fatalf("%d of %d changes are remembered", len(past), len(changes))
	}
	for i, r := range past {
		n := len(changes) - i
		p := changes[n-1]
		if r.Revision != uint64(n) || !r.At.Equal(p.At) || r.By != p.ChangedBy || r.Via != p.Via || (r.GroupsBefore != nil) != (p.Groups != nil) {
			s.Errorf("change %d is remembered as %+v", n, r)
		}
		if doc = Undo(doc, r); doc.Revision > 0 || len(doc.Entries) > 0 {
			s.wantSame(doc, untimed(documents[n-1]))
		}
	}
	value := func(v metadata.Value) *metadata.Entry { return &metadata.Entry{Value: v} }
	for i, want := range []map[string]*metadata.Entry{
		{"a": value(text("2")), "c": value(text("1")), "x:1": value(text("again"))},
		{"x:1": nil},
		{"a": value(text("2")), "x:1": value(binary), "c": nil},
		{"b": value(text("1"))},
		{"a": value(text("1")), "x:1": nil},
		{"a": nil, "b": nil},
	} {
		diff := cmp.Diff(want, past[i].Before, cmp.AllowUnexported(metadata.Value{}), cmpopts.IgnoreFields(metadata.Entry{}, "Key", "ProfileClaim", "Revision", "CreatedAt", "ChangedAt", "ChangedBy"))
		if diff != "" {
			s.Errorf("before revision %d (-want +got):\n%s", past[i].Revision, diff)
		}
	}
	app := o
	app.App = "app"
	s.mustApply(app, set(entry("a", text("1"))))
	if kept := s.kept(app, all, start); !slices.Equal(kept, []uint64{1}) {
		s.Errorf("the application's history has %v", kept)
	}
	for _, o := range []metadata.Owner{{Org: o.Org, User: "nobody"}, {Org: "acme", User: o.User}} {
		if _, _, err := s.store.History(s.Context(), o, all, start); err != error(metadata.ErrUserNotFound) { //nolint:errorlint // the very value
			s.Errorf("history of %+v: %v", o, err)
		}
	}
}

func (s *suite) retention() {
	const value = 1000
	keep := func(r metadata.Retention, p metadata.Patch, minute int) metadata.Patch {
		p.Limits = metadata.DefaultLimits
		p.Limits.History = r
		p.At = start.Add(time.Duration(minute) * time.Minute)
		return p
	}
	write := func(o metadata.Owner, r metadata.Retention, n, minute int) {
		s.Helper()
		s.mustApply(o, keep(r, set(entry("a", ofLength(value+n))), minute))
	}
	want := func(o metadata.Owner, r metadata.Retention, minute int, want ...uint64) {
		s.Helper()
		if kept := s.kept(o, r, start.Add(time.Duration(minute)*time.Minute)); !slices.Equal(kept, want) {
			s.Errorf("%v are remembered, want %v", kept, want)
		}
	}
	byCount := metadata.Retention{Changes: 3, Bytes: 1 << 20}
	byBytes := metadata.Retention{Changes: 100, Bytes: 3.5 * value}
	byAge := metadata.Retention{Changes: 100, Bytes: 1 << 20, Age: 15 * time.Minute}

	o := s.member()
	for n := range 5 {
		write(o, byCount, n, n)
	}
	want(o, all, 0, 5, 4, 3)
	want(o, metadata.Retention{Changes: 2, Bytes: 1 << 20}, 0, 5, 4)
	want(o, metadata.Retention{Changes: 3, Bytes: 2.5 * value}, 0, 5, 4)
	want(o, metadata.Retention{Changes: 3}, 0)
	want(o, metadata.Retention{Bytes: 1 << 20}, 0)

	o = s.member()
	for n := range 6 {
		write(o, byBytes, n, n)
	}
	want(o, all, 0, 6, 5, 4)
	s.mustApply(o, keep(byBytes, set(entry("a", ofLength(3*value))), 7)) // what was before it is short
	want(o, all, 0, 7, 6, 5)
	write(o, byBytes, 8, 8) // what was before it is long
	want(o, all, 0, 8)
	s.mustApply(o, keep(byBytes, set(entry("a", ofLength(4*value))), 9))
	write(o, byBytes, 10, 10) // what was before it is too long
	want(o, all, 0)
	write(o, byBytes, 11, 11)
	want(o, all, 0, 11)

	o = s.member()
	for n := range 4 {
		write(o, byAge, n, 10*n)
	}
	want(o, all, 0, 4, 3)
	want(o, byAge, 35, 4, 3)
	want(o, byAge, 36, 4)
	want(o, byAge, 46)
	write(o, all, 5, 200)
	write(o, all, 6, 400) // its age does not matter any more
	want(o, all, 0, 6, 5, 4, 3)

	// A history that is not kept leaves no gap when it is kept again.
	write(o, metadata.Retention{Changes: 0, Bytes: 1 << 20}, 7, 401)
	want(o, all, 0)
	write(o, all, 8, 402)
	want(o, all, 0, 8)
	write(o, metadata.Retention{Changes: 10}, 9, 403)
	want(o, all, 0)
	s.mustApply(o, keep(metadata.Retention{}, metadata.Patch{}, 404))
	write(o, byCount, 10, 404)
	want(o, all, 0, 10)
}

// parallelHistory has writers change entries and groups at once: undoing it all leads back to nothing, and the index is the document's.
func (s *suite) parallelHistory() {
	o := s.memberOf(s.newOrg())
	searchable := []string{"k0", "k1", "k2", "shared"}
	s.users.Announce(s.T, o, 0, searchable...)
	for _, err := range s.parallel(func(i int) error {
		var err error
		for n := range 4 {
			p := set(found(claim(fmt.Sprintf("k%d", i%5), text(fmt.Sprint(n)))), found(entry("shared", text(fmt.Sprint(i)))))
			switch (i + n) % 4 {
			case 1:
				p = remove("shared", "k1")
			case 2:
				p.Groups = &[]string{fmt.Sprintf("g%d", n), "gx"}
			case 3:
				p.Replace, p.Groups = true, &[]string{}
			}
			p.Limits = metadata.DefaultLimits
			p.Limits.History = all
			if _, applyErr := s.apply(o, p); applyErr != nil {
				err = applyErr
			}
		}
		return err
	}) {
		if err != nil {
			s.Fatal(err)
		}
	}
	s.wantIndex(o, searchable...)
	doc, past := s.historyOf(o, all, start)
	if uint64(len(past)) != doc.Revision || doc.Revision < writers {
		s.Fatalf("%d changes are remembered of %d", len(past), doc.Revision)
	}
	for _, r := range past {
		for key, before := range r.Before {
			if e, is := doc.Entry(key); is && e.Revision != r.Revision || !is && before == nil {
				s.Errorf("revision %d changed %q from %+v to %+v", r.Revision, key, before, e)
			}
		}
		doc = Undo(doc, r)
	}
	s.wantSame(doc, metadata.Document{})
}

// announcement has writers go by a scheme until their partition is told of a later one: then nothing changes any more.
func (s *suite) announcement() {
	o := s.memberOf(s.newOrg())
	s.users.Announce(s.T, o, 1)
	outcomes := make(chan []error, 1)
	begun := make(chan struct{}, writers)
	go func() {
		outcomes <- s.parallel(func(i int) error {
			for {
				p := set(entry(fmt.Sprint(i), text("x")))
				p.Scheme = 1
				if _, err := s.apply(o, p); err != nil {
					return err
				}
				select {
				case begun <- struct{}{}:
				default:
				}
			}
		})
	}()
	for range writers {
		<-begun
	}
	s.users.Announce(s.T, o, 2)
	then := s.get(o)
	for _, err := range <-outcomes {
		if err != error(metadata.ErrSchemeChanged) { //nolint:errorlint // the very value
			s.Error(err)
		}
	}
	s.wantSame(s.get(o), then)
}
