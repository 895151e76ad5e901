package storetest

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/claimsmith/claimsmith/metadata"
)

// memberOf is a new user of an organisation.
func (s *suite) memberOf(org string) metadata.Owner {
	s.Helper()
	return metadata.Owner{Org: org, User: s.users.New(s.T, User{Orgs: []string{org}})}
}

func (s *suite) sub(t *testing.T) *suite { return &suite{T: t, store: s.store, users: s.users} }

func unmarked(p metadata.Put) metadata.Put {
	p.Unmarked = true
	return p
}

func found(p metadata.Put) metadata.Put {
	p.Term = TermFor(p.Value)
	return p
}

func (s *suite) selfRules() {
	rules := metadata.SelfRules{Own: []string{"theme", "both"}, Reserved: []string{"locked", "fresh", "both"}}
	tests := []struct {
		name    string
		patch   metadata.Patch
		refused string
		keys    []string
		claims  map[string]string
	}{
		{
			name: "sets a claim of his own", patch: set(claim("theme", text("2"))),
			keys: []string{"both", "locked", "plain", "role", "theme"}, claims: map[string]string{"both": `"1"`, "role": `"1"`, "theme": `"2"`},
		},
		{
			name: "deletes a claim of his own", patch: remove("theme"),
			keys: []string{"both", "locked", "plain", "role"}, claims: map[string]string{"both": `"1"`, "role": `"1"`},
		},
		{
			name: "replaces", patch: metadata.Patch{Replace: true, Set: []metadata.Put{entry("new", text("2"))}},
			keys: []string{"both", "locked", "new", "role"}, claims: map[string]string{"both": `"1"`, "role": `"1"`},
		},
		{name: "sets a claim that is not his own", patch: set(unmarked(entry("role", text("2")))), refused: "role"},
		{name: "deletes a claim that is not his own", patch: remove("role"), refused: "role"},
		{name: "sets a reserved entry", patch: set(entry("plain", text("2")), entry("locked", text("2"))), refused: "locked"},
		{name: "deletes a reserved entry", patch: remove("plain", "locked"), refused: "locked"},
		{name: "creates a reserved entry", patch: set(entry("fresh", text("2"))), refused: "fresh"},
		{name: "deletes a reserved entry that is none", patch: remove("fresh"), refused: "fresh"},
		{name: "replaces with a reserved entry", patch: metadata.Patch{Replace: true, Set: []metadata.Put{entry("locked", text("2"))}}, refused: "locked"},
		{name: "deletes a reserved entry of another case", patch: remove("LOCKED"), refused: "LOCKED"},
		{name: "sets a claim of his own that is reserved", patch: set(claim("both", text("2"))), refused: "both"},
	}
	for _, test := range tests {
		s.Run(test.name, func(t *testing.T) {
			s := s.sub(t)
			o := s.member()
			before := s.mustApply(o, set(claim("role", text("1")), claim("theme", text("1")), claim("both", text("1")),
				entry("locked", text("1")), entry("plain", text("1"))))
			p := test.patch
			p.Self = &rules
			doc, err := s.apply(o, p)
			if test.refused != "" {
				s.wantRefusal(err, metadata.Forbidden, o, before)
				if e := new(metadata.Error); errors.As(err, &e) && e.Field != test.refused {
					s.Errorf("refused for %q, want %q", e.Field, test.refused)
				}
				return
			}
			claims, _ := s.claimsOf(o)
			if err != nil || !slices.Equal(keysOf(doc), test.keys) || !cmp.Equal(claims, test.claims) {
				s.Errorf("entries %v, claims %v, %v", keysOf(doc), claims, err)
			}
		})
	}
}

func (s *suite) unmarkedEntries() {
	tests := []struct {
		name   string
		put    metadata.Put
		code   metadata.Code
		claims map[string]string
	}{
		{"a claim stays one", unmarked(entry("c", text("2"))), "", map[string]string{"c": `"2"`}},
		{"another entry stays none", unmarked(claim("e", text("2"))), "", map[string]string{"c": `"1"`}},
		{"a new entry is a claim where that is the default", unmarked(claim("n", text("2"))), "", map[string]string{"c": `"1"`, "n": `"2"`}},
		{"a new entry is none where that is the default", unmarked(entry("n", text("2"))), "", map[string]string{"c": `"1"`}},
		{"a claim that grows counts", unmarked(entry("c", ofLength(40))), metadata.LimitExceeded, nil},
		{"an entry that grows does not", unmarked(entry("e", ofLength(40))), "", map[string]string{"c": `"1"`}},
		{"two claims differ in more than case", unmarked(claim("C", text("2"))), metadata.Conflict, nil},
		{"a claim cannot become bytes", unmarked(entry("c", metadata.Bytes([]byte("2")))), metadata.Conflict, nil},
		{"an entry can", unmarked(entry("e", metadata.Bytes([]byte("2")))), "", map[string]string{"c": `"1"`}},
	}
	for _, test := range tests {
		s.Run(test.name, func(t *testing.T) {
			s := s.sub(t)
			o := s.member()
			before := s.mustApply(o, set(claim("c", text("1")), entry("e", text("1"))))
			p := set(test.put)
			p.Limits = metadata.DefaultLimits
			p.Limits.ClaimsBytes = 50
			_, err := s.apply(o, p)
			if test.code != "" {
				s.wantRefusal(err, test.code, o, before)
				return
			}
			if claims, _ := s.claimsOf(o); err != nil || !cmp.Equal(claims, test.claims) {
				s.Errorf("claims %v, %v, want %v", claims, err, test.claims)
			}
		})
	}
}

func (s *suite) schemes() {
	org := s.newOrg()
	user := s.users.New(s.T, User{Orgs: []string{org, "default"}})
	for _, o := range []metadata.Owner{{Org: org, User: user}, {Org: org, User: user, App: "app"}} {
		checked := func(revision uint64, p metadata.Patch) metadata.Patch {
			p = change(p)
			p.Scheme = revision
			return p
		}
		first := checked(4, set(entry("a", text("1"))))
		before := s.mustApply(o, first)
		s.users.Announce(s.T, o, 5)
		failing := checked(4, set(entry("a", text("2"))))
		failing.If = metadata.Precondition{IfMatch: revisions(7)}
		for _, p := range []metadata.Patch{checked(4, set(entry("a", text("2")))), checked(0, remove("absent")), failing} {
			_, err := s.store.Apply(s.Context(), o, p)
			if err != error(metadata.ErrSchemeChanged) { //nolint:errorlint // the very value
				s.Errorf("%+v: %v", p, err)
			}
			s.wantSame(s.get(o), before)
		}
		s.wantSame(s.mustApply(o, first), before) // it was made in time
		nobody := o
		nobody.User = "nobody"
		if _, err := s.apply(nobody, set(entry("a", text("2")))); !errors.Is(err, metadata.ErrUserNotFound) {
			s.Errorf("of a user there is not: %v", err)
		}
		for i, revision := range []uint64{5, 6, 1 << 52} {
			if doc := s.mustApply(o, checked(revision, set(entry("a", text("2"))))); doc.Revision != uint64(2+i) {
				s.Errorf("checked against %d: %+v", revision, doc)
			}
		}
		elsewhere := o
		elsewhere.Org = "default"
		s.mustApply(elsewhere, set(entry("a", text("2"))))
		s.users.Announce(s.T, o, 0)
	}
}

func (s *suite) dryRun() {
	org := s.newOrg("g1")
	user := s.users.New(s.T, User{Orgs: []string{org}})
	userWide := metadata.Owner{Org: org, User: user}
	s.users.Announce(s.T, userWide, 0, "a")
	groups, none := []string{"g1", "g2"}, []string{}
	patches := map[string]metadata.Patch{
		"sets":              set(found(claim("a", text("2"))), entry("new", text("2"))),
		"deletes":           remove("a", "b"),
		"replaces":          {Replace: true, Set: []metadata.Put{entry("b", text("2"))}},
		"joins":             {Groups: &groups},
		"leaves":            {Groups: &none, Set: []metadata.Put{entry("b", text("3"))}},
		"does nothing":      remove("absent"),
		"is for a revision": {Delete: []string{"a"}, If: metadata.Precondition{IfMatch: revisions(9)}},
		"is by himself":     {Delete: []string{"a"}, Self: &metadata.SelfRules{}},
		"is too long":       set(entry("b", ofLength(metadata.MaxValueBytes)), entry("c", ofLength(metadata.MaxValueBytes))),
		"clashes":           set(claim("A", text("2"))),
	}
	for _, o := range []metadata.Owner{userWide, {Org: org, User: user, App: "app"}, {Org: org}, {Org: org, Group: "g1"}} {
		for _, written := range []bool{false, true} {
			for name, p := range patches {
				if p.Groups != nil && o != userWide {
					continue
				}
				p.Scheme = 1000
				for _, brief := range []bool{false, true} {
					if written {
						first := set(found(claim("a", text("1"))), entry("b", text("1")))
						first.Scheme = 1000
						s.mustApply(o, first)
					}
					p.Brief, p.DryRun = brief, true
					before := s.users.Dump(s.T, o)
					thought, thoughtErr := s.apply(o, p)
					if diff := cmp.Diff(before, s.users.Dump(s.T, o)); diff != "" {
						s.Errorf("a dry run that %s of %+v changed (-before +after):\n%s", name, o, diff)
					}
					if !written {
						continue
					}
					p.DryRun = false
					done, err := s.apply(o, p)
					if codeOf(err) != codeOf(thoughtErr) || (err == nil) != (thoughtErr == nil) {
						s.Errorf("%s, of %+v: the dry run was %v, the change %v", name, o, thoughtErr, err)
					}
					if diff := diffDocuments(done, thought); diff != "" {
						s.Errorf("%s, of %+v (-changed +dry run):\n%s", name, o, diff)
					}
				}
			}
		}
	}
}
