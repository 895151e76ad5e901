package storetest

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claimsmith/claimsmith/metadata"
)

func revisions(list ...uint64) *metadata.Condition { return &metadata.Condition{Revisions: list} }

var anything = &metadata.Condition{Any: true}

func (s *suite) preconditions() {
	type document int
	const (
		unwritten document = iota
		written            // revision 3: a set at 2, b at 3, deleted the rest
		emptied            // revision 4
	)
	tests := []struct {
		on          document
		key         string
		ifMatch     *metadata.Condition
		ifNoneMatch *metadata.Condition
		holds       bool
	}{
		{on: unwritten, holds: true},
		{on: unwritten, ifMatch: anything},
		{on: unwritten, ifMatch: revisions(0), holds: true},
		{on: unwritten, ifMatch: revisions(1)},
		{on: unwritten, ifMatch: revisions()},
		{on: unwritten, ifNoneMatch: anything, holds: true},
		{on: unwritten, ifNoneMatch: revisions(0)},
		{on: unwritten, ifNoneMatch: revisions(), holds: true},
		{on: unwritten, key: "a", ifMatch: anything},
		{on: unwritten, key: "a", ifMatch: revisions(0)},
		{on: unwritten, key: "a", ifNoneMatch: anything, holds: true},

		{on: written, ifMatch: anything, holds: true},
		{on: written, ifMatch: revisions(3), holds: true},
		{on: written, ifMatch: revisions(1, 2, 3), holds: true},
		{on: written, ifMatch: revisions(2)},
		{on: written, ifMatch: revisions(30, 13, 33)},
		{on: written, ifMatch: revisions(0)},
		{on: written, ifMatch: revisions(math.MaxUint64)},
		{on: written, ifMatch: revisions()},
		{on: written, ifNoneMatch: anything},
		{on: written, ifNoneMatch: revisions(3)},
		{on: written, ifNoneMatch: revisions(2, 4), holds: true},
		{on: written, ifMatch: revisions(3), ifNoneMatch: revisions(2), holds: true},
		{on: written, ifMatch: revisions(3), ifNoneMatch: revisions(3)},
		{on: written, ifMatch: revisions(2), ifNoneMatch: revisions(2)},

		{on: written, key: "a", ifMatch: anything, holds: true},
		{on: written, key: "a", ifMatch: revisions(2), holds: true},
		{on: written, key: "a", ifMatch: revisions(3)}, // the document's
		{on: written, key: "a", ifMatch: revisions(1)}, // its own earlier one
		{on: written, key: "a", ifNoneMatch: anything},
		{on: written, key: "a", ifNoneMatch: revisions(2)},
		{on: written, key: "a", ifNoneMatch: revisions(1), holds: true},
		{on: written, key: "absent", ifMatch: anything},
		{on: written, key: "absent", ifMatch: revisions(0)},
		{on: written, key: "absent", ifMatch: revisions()},
		{on: written, key: "absent", ifNoneMatch: anything, holds: true},
		{on: written, key: "absent", ifNoneMatch: revisions(3), holds: true},

		{on: emptied, ifMatch: revisions(4), holds: true},
		{on: emptied, ifMatch: revisions(0)},
		{on: emptied, ifMatch: anything, holds: true},
		{on: emptied, ifNoneMatch: anything},
		{on: emptied, key: "a", ifNoneMatch: anything, holds: true},
		{on: emptied, key: "a", ifMatch: revisions(2)},
	}
	for _, test := range tests {
		s.Run(fmt.Sprintf("document %d key %q match %v none match %v", test.on, test.key, test.ifMatch, test.ifNoneMatch), func(t *testing.T) {
			s := &suite{T: t, store: s.store, users: s.users}
			o := s.member()
			if test.on != unwritten {
				s.mustApply(o, set(entry("a", text("1"))))
				s.mustApply(o, set(entry("a", text("2"))))
				s.mustApply(o, set(entry("b", text("3"))))
			}
			if test.on == emptied {
				s.mustApply(o, remove("a", "b"))
			}
			before := s.get(o)
			condition := metadata.Precondition{Key: test.key, IfMatch: test.ifMatch, IfNoneMatch: test.ifNoneMatch}
			for _, p := range []metadata.Patch{remove("nothing"), {Replace: true, Set: []metadata.Put{entry("new", text("x"))}}} {
				p.If = condition
				_, err := s.apply(o, p)
				if !test.holds {
					s.wantRefusal(err, metadata.PreconditionFailed, o, before)
				} else if err != nil {
					s.Error(err)
				}
			}
		})
	}
}

func (s *suite) keepClaims() {
	tests := []struct {
		name    string
		patch   metadata.Patch
		refused bool
		keys    []string
	}{
		{name: "sets his own", patch: set(entry("own", text("2")), entry("new", text("3"))), keys: []string{"new", "own", "role", "theme"}},
		{name: "deletes his own", patch: remove("own", "absent"), keys: []string{"role", "theme"}},
		{name: "replaces", patch: metadata.Patch{Replace: true, Set: []metadata.Put{entry("new", text("3"))}}, keys: []string{"new", "role", "theme"}},
		{name: "clears", patch: metadata.Patch{Replace: true}, keys: []string{"role", "theme"}},
		{name: "sets a claim", patch: set(entry("own", text("2")), entry("role", text("admin"))), refused: true},
		{name: "sets a claim to what it is", patch: set(claim("role", text("user"))), refused: true},
		{name: "deletes a claim", patch: remove("own", "theme"), refused: true},
		{name: "replaces with a claim", patch: metadata.Patch{Replace: true, Set: []metadata.Put{entry("theme", text("3"))}}, refused: true},
		{name: "replaces and deletes a claim", patch: metadata.Patch{Replace: true, Delete: []string{"theme"}}, refused: true},
		{name: "names another key", patch: set(entry("Role", text("admin"))), keys: []string{"Role", "own", "role", "theme"}},
	}
	for _, test := range tests {
		s.Run(test.name, func(t *testing.T) {
			s := &suite{T: t, store: s.store, users: s.users}
			o := s.member()
			before := s.mustApply(o, set(claim("role", text("user")), claim("theme", text("dark")), entry("own", text("1"))))
			p := test.patch
			p.Self = &metadata.SelfRules{}
			doc, err := s.apply(o, p)
			if test.refused {
				s.wantRefusal(err, metadata.Forbidden, o, before)
			} else if keys := keysOf(doc); err != nil || !slices.Equal(keys, test.keys) {
				s.Errorf("entries %v, %v, want %v", keys, err, test.keys)
			}
			if claims, _ := s.claimsOf(o); !cmp.Equal(claims, map[string]string{"role": `"user"`, "theme": `"dark"`}) {
				s.Errorf("the claims became %v", claims)
			}
		})
	}
}

func (s *suite) caseClash() {
	tests := []struct {
		name    string
		patch   metadata.Patch
		refused bool
	}{
		{name: "another case", patch: set(claim("THEME", text("2"))), refused: true},
		{name: "an entry that is not a claim", patch: set(entry("THEME", text("2")))},
		{name: "two new ones", patch: set(claim("lang", text("2")), claim("Lang", text("2"))), refused: true},
		{name: "one becomes a claim", patch: set(claim("ROLE", text("2")), claim("role", text("2"))), refused: true},
		{name: "beside an entry that is not a claim", patch: set(claim("role", text("2")))},
		{name: "after deleting", patch: metadata.Patch{Delete: []string{"Theme"}, Set: []metadata.Put{claim("theme", text("2"))}}},
		{name: "after replacing", patch: metadata.Patch{Replace: true, Set: []metadata.Put{claim("theme", text("2"))}}},
		{name: "after hiding", patch: set(entry("Theme", text("2")), claim("theme", text("2")))},
		{name: "the same key", patch: set(claim("Theme", text("2")))},
		{name: "a similar key", patch: set(claim("Theme2", text("2")), claim("Them", text("2")), claim("The-me", text("2")))},
	}
	for _, test := range tests {
		s.Run(test.name, func(t *testing.T) {
			s := &suite{T: t, store: s.store, users: s.users}
			o := s.member()
			before := s.mustApply(o, set(claim("Theme", text("1")), entry("ROLE", text("1"))))
			_, err := s.apply(o, test.patch)
			if test.refused {
				s.wantRefusal(err, metadata.Conflict, o, before)
			} else if err != nil {
				s.Error(err)
			}
		})
	}
}

func (s *suite) repetition() {
	o := s.member()
	first := change(set(claim("a", text("1"))))
	first.If = metadata.Precondition{IfNoneMatch: anything}
	once := s.mustApply(o, first)
	s.wantSame(s.mustApply(o, first), once)

	second := change(set(claim("a", text("2"))))
	second.At = start.Add(time.Second)
	second.If = metadata.Precondition{Key: "a", IfMatch: revisions(1)}
	twice := s.mustApply(o, second)
	s.wantSame(s.mustApply(o, second), twice)
	s.wantSame(s.mustApply(o, first), twice) // it does not undo what came later
	if claims, revision := s.claimsOf(o); !cmp.Equal(claims, map[string]string{"a": `"2"`}) || revision != 2 {
		s.Errorf("claims %v at revision %d", claims, revision)
	}
	third := change(remove("a"))
	third.At = start.Add(2 * time.Second)
	s.mustApply(o, third)
	s.wantSame(s.mustApply(o, second), emptied(3, third.At))

	// What was refused is decided anew.
	refused := change(set(entry("b", text("1"))))
	refused.If = metadata.Precondition{Key: "b", IfMatch: anything}
	if _, err := s.apply(o, refused); codeOf(err) != metadata.PreconditionFailed {
		s.Fatal(err)
	}
	s.mustApply(o, set(entry("b", text("0"))))
	if b, _ := s.mustApply(o, refused).Entry("b"); b.Value != text("1") {
		s.Errorf("the second attempt wrote %q", b.Value.Raw())
	}

	// Another document's operations are its own.
	app := o
	app.App = "app"
	if doc := s.mustApply(app, first); doc.Revision != 1 {
		s.Errorf("the same operation on another document left it at %d", doc.Revision)
	}
}
