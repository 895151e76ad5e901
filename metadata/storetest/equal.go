package storetest

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claimsmith/claimsmith/metadata"
)

// untimed is a document as one of the past is told, which does not know when it was created and changed.
func untimed(doc metadata.Document) metadata.Document {
	doc.CreatedAt, doc.ChangedAt = time.Time{}, time.Time{}
	return doc
}

func alike(p metadata.Put, v metadata.Value) metadata.Put {
	p.Alike = v
	return p
}

func (s *suite) keepEqual() {
	list := metadata.Restore(metadata.KindJSON, `[]`)
	number := metadata.Restore(metadata.KindJSON, `1`)
	binary := metadata.Bytes([]byte("1"))
	everything := []metadata.Put{entry("plain", text("1")), claim("claim", text("1")), entry("list", list), entry("bytes", binary)}
	same := []string{"bytes", "claim", "list", "plain"}
	himself := func(own ...string) metadata.Patch {
		return metadata.Patch{Set: []metadata.Put{entry("claim", text("1"))}, Self: &metadata.SelfRules{Own: own}}
	}
	tests := []struct {
		name  string
		patch metadata.Patch
		code  metadata.Code
		// written are the keys of the entries written, keys all there are then; both nil if nothing happens.
		written, keys []string
	}{
		{name: "an equal entry", patch: set(entry("plain", text("1")))},
		{name: "equal entries of all kinds", patch: set(everything...)},
		{name: "another mark", patch: set(claim("plain", text("1")), entry("claim", text("1")))},
		{name: "another value", patch: set(entry("plain", text("2"))), written: []string{"plain"}, keys: same},
		{name: "another kind", patch: set(entry("bytes", number)), written: []string{"bytes"}, keys: same},
		{name: "another key", patch: set(entry("Plain", text("1"))), written: []string{"Plain"}, keys: []string{"Plain", "bytes", "claim", "list", "plain"}},
		{name: "a longer value", patch: set(entry("plain", text("1 "))), written: []string{"plain"}, keys: same},
		{name: "one that is alike", patch: set(alike(entry("list", text("[]")), list))},
		{
			name: "one alike of another kind", patch: set(alike(entry("bytes", text("1")), number)),
			written: []string{"bytes"}, keys: same,
		},
		{name: "one alike to another", patch: set(alike(entry("plain", text("2")), list)), written: []string{"plain"}, keys: same},
		{
			name: "some equal", patch: set(entry("plain", text("1")), alike(entry("list", text("2")), number), entry("new", list)),
			written: []string{"list", "new"}, keys: []string{"bytes", "claim", "list", "new", "plain"},
		},
		{
			name: "equal in a replacement", patch: metadata.Patch{Replace: true, Set: []metadata.Put{entry("plain", text("1")), entry("claim", text("1"))}},
			written: []string{}, keys: []string{"claim", "plain"},
		},
		{name: "everything equal in a replacement", patch: metadata.Patch{Replace: true, Set: everything}},
		{
			name: "equal beside one that is deleted", patch: metadata.Patch{Delete: []string{"list"}, Set: []metadata.Put{entry("plain", text("1"))}},
			written: []string{}, keys: []string{"bytes", "claim", "plain"},
		},
		{name: "an equal claim of somebody who may not", patch: himself(), code: metadata.Forbidden},
		{name: "an equal claim of one's own", patch: himself("claim")},
		{
			name: "an equal entry of another revision", code: metadata.PreconditionFailed,
			patch: metadata.Patch{Set: []metadata.Put{entry("plain", text("1"))}, If: metadata.Precondition{Key: "plain", IfMatch: revisions(7)}},
		},
		{name: "bytes in a claim", patch: set(unmarked(entry("claim", metadata.Bytes([]byte(`"1"`))))), code: metadata.Conflict},
	}
	org := s.newOrg("g1")
	user := s.users.New(s.T, User{Orgs: []string{org}})
	later := start.Add(time.Minute)
	for _, test := range tests {
		for _, o := range []metadata.Owner{{Org: org, User: user}, {Org: org, User: user, App: "app"}, {Org: org}, {Org: org, Group: "g1"}} {
			if test.patch.Self != nil && o.Shared() {
				continue
			}
			s.Run(test.name, func(t *testing.T) {
				s := s.sub(t)
				first := set(everything...)
				first.Replace, first.Scheme = true, 1000
				before := s.mustApply(o, first)
				dump := s.users.Dump(t, o)
				p := change(test.patch)
				p.KeepEqual, p.Scheme, p.At, p.ChangedBy = true, 1000, later, "user:else"
				p.DryRun = true
				thought, thoughtErr := s.apply(o, p)
				p.DryRun = false
				changed, err := s.apply(o, p)
				if codeOf(err) != test.code || codeOf(thoughtErr) != test.code {
					t.Fatalf("%v, the dry run %v, want %q", err, thoughtErr, test.code)
				}
				if diff := diffDocuments(changed, thought); err == nil && diff != "" {
					t.Errorf("(-changed +dry run)\n%s", diff)
				}
				doc := s.get(o)
				if test.keys == nil {
					s.wantSame(doc, before)
					if diff := cmp.Diff(dump, s.users.Dump(t, o)); diff != "" {
						t.Errorf("what is stored changed (-before +after):\n%s", diff)
					}
					return
				}
				var written []string
				for _, e := range doc.Entries {
					if was, ok := before.Entry(e.Key); !ok || was != e {
						written = append(written, e.Key)
					}
				}
				if !cmp.Equal(written, test.written) && len(written)+len(test.written) > 0 || !cmp.Equal(keysOf(doc), test.keys) ||
					doc.Revision != before.Revision+1 || !doc.ChangedAt.Equal(later) {
					t.Errorf("written are %v of %v, want %v of %v, revision %d", written, keysOf(doc), test.written, test.keys, doc.Revision)
				}
				s.mustApply(o, p) // again, when it is made already
				s.wantSame(s.get(o), doc)
			})
		}
	}

	// A brief answer has what was passed over, too.
	o := s.member()
	s.mustApply(o, set(entry("a", text("1")), entry("b", text("1")), entry("c", text("1"))))
	for _, b := range []string{"1", "2"} {
		p := set(entry("a", text("1")), entry("b", text(b)))
		p.KeepEqual, p.Brief = true, true
		p.DryRun = true
		thought := s.mustApply(o, p)
		p.DryRun = false
		doc := s.mustApply(o, p)
		s.wantSame(thought, doc)
		if e, _ := doc.Entry("a"); !cmp.Equal(keysOf(doc), []string{"a", "b"}) || e.Revision != 1 {
			s.Errorf("in brief: %+v", doc)
		}
	}
}

func (s *suite) mustExist() {
	absent := func(keys ...string) metadata.Patch {
		p := remove(keys...)
		p.MustExist = true
		return p
	}
	tests := []struct {
		name, missing string
		patch         metadata.Patch
		code          metadata.Code
	}{
		{name: "one that is there", patch: absent("a")},
		{name: "all that are there", patch: absent("a", "b", "c")},
		{name: "one that is not", patch: absent("x y"), missing: "x y", code: metadata.NotFound},
		{name: "one of several", patch: absent("a", "x", "b", "y"), missing: "x", code: metadata.NotFound},
		{name: "one of another case", patch: absent("A"), missing: "A", code: metadata.NotFound},
		{
			name: "beside what is set", missing: "y", code: metadata.NotFound,
			patch: metadata.Patch{MustExist: true, Set: []metadata.Put{entry("x", text("1"))}, Delete: []string{"y"}},
		},
		{
			name: "in a replacement", missing: "y", code: metadata.NotFound,
			patch: metadata.Patch{MustExist: true, Replace: true, Delete: []string{"y"}},
		},
		{name: "nothing", patch: absent()},
		{
			name: "a claim of somebody who may not", missing: "c", code: metadata.Forbidden,
			patch: metadata.Patch{MustExist: true, Delete: []string{"y", "c"}, Self: &metadata.SelfRules{}},
		},
		{
			name: "what may not even be created", missing: "y", code: metadata.Forbidden,
			patch: metadata.Patch{MustExist: true, Delete: []string{"y"}, Self: &metadata.SelfRules{Reserved: []string{"y"}}},
		},
		{
			name: "at another revision", code: metadata.PreconditionFailed,
			patch: metadata.Patch{MustExist: true, Delete: []string{"y"}, If: metadata.Precondition{IfMatch: revisions(7)}},
		},
	}
	for _, test := range tests {
		s.Run(test.name, func(t *testing.T) {
			s := s.sub(t)
			o := s.member()
			if _, err := s.apply(o, absent("a")); codeOf(err) != metadata.NotFound {
				t.Errorf("of a document nobody wrote: %v", err)
			}
			s.wantSame(s.get(o), metadata.Document{})
			before := s.mustApply(o, set(entry("a", text("1")), entry("b", text("1")), claim("c", text("1"))))
			p := change(test.patch)
			p.DryRun = true
			_, thought := s.apply(o, p)
			s.wantSame(s.get(o), before)
			p.DryRun = false
			doc, err := s.apply(o, p)
			if codeOf(err) != test.code || codeOf(thought) != test.code {
				t.Fatalf("%v, the dry run %v, want %q", err, thought, test.code)
			}
			if test.code != "" {
				s.wantRefusal(err, test.code, o, before)
				if e := new(metadata.Error); errors.As(err, &e) && e.Field != test.missing {
					t.Errorf("it is %q, want %q", e.Field, test.missing)
				}
				return
			}
			if len(doc.Entries)+len(p.Delete) != 3 {
				t.Errorf("left is %+v", doc)
			}
			s.wantSame(s.mustApply(o, p), doc) // a repetition finds nothing to delete, and succeeds
		})
	}
}

func (s *suite) documentTimes() {
	org := s.newOrg("g1")
	user := s.users.New(s.T, User{Orgs: []string{org}})
	for _, o := range []metadata.Owner{{Org: org, User: user}, {Org: org, User: user, App: "app"}, {Org: org}, {Org: org, Group: "g1"}} {
		at := func(ms int, p metadata.Patch) metadata.Patch {
			p = change(p)
			p.At, p.Scheme = start.Add(time.Duration(ms)*time.Millisecond), 1000
			return p
		}
		created := 5
		check := func(what string, doc metadata.Document, changed int) {
			s.Helper()
			if !doc.CreatedAt.Equal(at(created, remove()).At) || !doc.ChangedAt.Equal(at(changed, remove()).At) {
				s.Errorf("%s of %+v: created %v, changed %v, want %d and %d ms after %v", what, o, doc.CreatedAt, doc.ChangedAt, created, changed, start)
			}
		}
		if doc := s.mustApply(o, at(1, remove("a"))); !doc.CreatedAt.IsZero() || !doc.ChangedAt.IsZero() {
			s.Errorf("of a document nobody wrote: %+v", doc)
		}
		first := at(5, set(entry("a", text("1")), entry("b", text("1"))))
		steps := []struct {
			what    string
			patch   metadata.Patch
			changed int
		}{
			{"the first change", first, 5},
			{"another at the same time", at(5, set(entry("a", text("2")))), 5},
			{"a third", at(6, set(entry("a", text("3")))), 6},
			{"one long after", at(90_000, set(entry("a", text("4")))), 90_000},
			{"nothing", at(90_001, remove("absent")), 90_000},
			{"one that is equal", at(90_002, metadata.Patch{KeepEqual: true, Set: []metadata.Put{entry("a", text("4"))}}), 90_000},
			{"one by a clock that is slow", at(80_000, remove("b")), 80_000},
			{"one at the time of the first", at(5, set(entry("b", text("1")))), 5},
			{"one after that", at(7, set(entry("b", text("2")))), 7},
			{"clearing", at(100_000, metadata.Patch{Replace: true}), 100_000},
			{"clearing again", at(100_001, metadata.Patch{Replace: true}), 100_000},
			{"one after clearing", at(200_000, set(entry("b", text("1")))), 200_000},
		}
		for _, step := range steps {
			for _, brief := range []bool{true, false} {
				step.patch.Brief, step.patch.DryRun = brief, true
				check("a dry run: "+step.what, s.mustApply(o, step.patch), step.changed)
			}
			step.patch.DryRun = false
			check(step.what, s.mustApply(o, step.patch), step.changed)
			check("reading after "+step.what, s.get(o), step.changed)
			step.patch.Brief = true
			check("repeating "+step.what, s.mustApply(o, step.patch), step.changed)
			step.patch.Brief = false
			doc, _ := s.historyOf(o, all, start)
			check("the history after "+step.what, doc, step.changed)
			if step.what == "another at the same time" {
				check("repeating the first", s.mustApply(o, first), 5)
			}
		}
		refused := at(300_000, set(entry("a", text("9"))))
		refused.If = metadata.Precondition{IfMatch: revisions(1)}
		if _, err := s.apply(o, refused); codeOf(err) != metadata.PreconditionFailed {
			s.Error(err)
		}
		check("one that is refused", s.get(o), 200_000)
	}
	s.users.Leave(s.T, user, org)
	if err := s.store.Erase(s.Context(), user, []string{org}); err != nil {
		s.Fatal(err)
	}
	s.users.Join(s.T, user, org)
	o := metadata.Owner{Org: org, User: user}
	p := set(entry("a", text("1")))
	p.At = start.Add(time.Hour)
	if doc := s.mustApply(o, p); !doc.CreatedAt.Equal(p.At) {
		s.Errorf("written anew after erasing, it was created %v", doc.CreatedAt)
	}
	for _, app := range []string{"", "other"} {
		joins := metadata.Patch{Groups: &[]string{"g1"}, At: p.At}
		o := metadata.Owner{Org: org, User: s.users.New(s.T, User{Orgs: []string{org}}), App: app}
		if app != "" {
			joins = set(entry("a", text("1")))
			joins.At = p.At
		}
		if doc := s.mustApply(o, joins); !doc.CreatedAt.Equal(p.At) || !doc.ChangedAt.Equal(p.At) {
			s.Errorf("%+v: %+v", o, doc)
		}
	}
}

func (s *suite) parallelEqual() {
	o := s.member()
	s.mustApply(o, set(entry("a", text("start"))))
	for _, err := range s.parallel(func(int) error {
		p := set(entry("a", text("the same")))
		p.KeepEqual = true
		_, err := s.apply(o, p)
		return err
	}) {
		if err != nil {
			s.Error(err)
		}
	}
	if doc := s.get(o); doc.Revision != 2 {
		s.Errorf("%d writers of the same made revision %d", writers, doc.Revision)
	}
	gone := 0
	for _, err := range s.parallel(func(int) error {
		p := remove("a")
		p.MustExist = true
		_, err := s.apply(o, p)
		return err
	}) {
		if err == nil {
			gone++
		} else if codeOf(err) != metadata.NotFound {
			s.Error(err)
		}
	}
	if doc := s.get(o); gone != 1 || doc.Revision != 3 {
		s.Errorf("%d of %d writers deleted it, revision %d", gone, writers, doc.Revision)
	}
}
