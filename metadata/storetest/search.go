package storetest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/claimsmith/claimsmith/metadata"
)

// searchable makes exactly these keys of an organisation searchable, and their index complete.
func (s *suite) searchable(org string, keys ...string) {
	s.Helper()
	before := s.scheme(org)
	for _, d := range before.Definitions {
		s.mustChangeScheme(org, metadata.SchemeChange{DeleteDefinition: d.Key, IfVersion: d.Version})
	}
	for _, key := range keys {
		s.mustChangeScheme(org, metadata.SchemeChange{PutDefinition: &metadata.Definition{Key: key, Searchable: true}})
	}
	s.announce(org)
	for _, d := range before.Definitions {
		s.reindex(org, d.Key)
	}
	for _, key := range keys {
		s.reindex(org, key)
	}
}

func (s *suite) reindex(org, key string) {
	s.Helper()
	if err := s.store.Reindex(s.Context(), org, key); err != nil {
		s.Fatal(err)
	}
}

// found returns who a query finds, by pages of a size, and checks that nobody is found twice.
func (s *suite) found(org string, q metadata.Query, size int) []string {
	s.Helper()
	var all []string
	for p := (metadata.Page{Limit: size}); ; {
		users, next, err := s.store.Search(s.Context(), org, q, p)
		if err != nil {
			s.Fatal(err)
		}
		if len(users) > size {
			s.Fatalf("%d users on a page of %d", len(users), size)
		}
		all = append(all, users...)
		if next == "" {
			break
		}
		p.After = next
	}
	if unique := slices.Compact(slices.Sorted(slices.Values(all))); len(unique) != len(all) {
		s.Errorf("%+v finds %d users as %d", q, len(unique), len(all))
	}
	return all
}

func (s *suite) wantFound(org string, q metadata.Query, want ...string) {
	s.Helper()
	var before []string
	for _, size := range []int{100, 1, 2} {
		got := s.found(org, q, size)
		if before != nil && !slices.Equal(got, before) {
			s.Errorf("in pages of %d the order is %v, not %v", size, got, before)
		}
		before = got
		if diff := gocmp.Diff(slices.Sorted(slices.Values(want)), slices.Sorted(slices.Values(got))); diff != "" {
			s.Errorf("found (-want +got):\n%s", diff)
		}
	}
}

func equals(key string, v metadata.Value) metadata.Query {
	term := metadata.TermOf(v)
	return metadata.Query{Has: &metadata.Match{Key: key, Equals: &term}}
}

func prefix(key, beginning string) metadata.Query {
	term := metadata.TermOf(text(beginning))
	return metadata.Query{Has: &metadata.Match{Key: key, Prefix: &term}}
}

func has(key string) metadata.Query { return metadata.Query{Has: &metadata.Match{Key: key}} }

func not(q metadata.Query) metadata.Query { return metadata.Query{Not: &q} }

func json(raw string) metadata.Value { return metadata.Restore(metadata.KindJSON, raw) }

// indexed puts entries as a service does that knows what they are found by.
func indexed(puts ...metadata.Put) []metadata.Put {
	for i := range puts {
		puts[i].Term = metadata.TermOf(puts[i].Value)
	}
	return puts
}

func (s *suite) person(org, username string, groups []string, puts ...metadata.Put) string {
	s.Helper()
	id := s.users.New(s.T, User{Username: username, Orgs: []string{org, "default"}})
	s.write(org, id, metadata.Patch{Set: indexed(puts...), Groups: &groups})
	return id
}

// write is a change checked against the scheme of now.
func (s *suite) write(org, id string, p metadata.Patch) {
	s.Helper()
	p.Set = indexed(p.Set...)
	p.Scheme = s.scheme(org).Revision
	s.mustApply(metadata.Owner{Org: org, User: id}, p)
}

func (s *suite) searching() {
	org := s.newOrg()
	s.searchable(org, "plan", "seats")
	free := s.person(org, "ann", []string{"g1"}, entry("plan", text("free")), entry("seats", json("1")))
	freedom := s.person(org, "anna", []string{"g1", "g2"}, entry("plan", text("freedom")), entry("seats", json("10")))
	number := s.person(org, "bob", nil, entry("plan", json("1")), entry("other", text("free")))
	none := s.person(org, "Bob's", []string{"g12"}, entry("seats", json(`["free"]`)))
	nobody := s.users.New(s.T, User{Username: "x", Email: "ann@example.com", Orgs: []string{org}})
	s.person(s.newOrg(), "ann", []string{"g1"}, entry("plan", text("free"))) // another organisation's

	s.wantFound(org, equals("plan", text("free")), free)
	s.wantFound(org, equals("plan", json(`"fre\u0065"`)), free)
	s.wantFound(org, equals("plan", text("fre")))
	s.wantFound(org, equals("plan", text("1")))
	s.wantFound(org, equals("plan", json("1")), number)
	s.wantFound(org, equals("plan", json("1.0")))
	s.wantFound(org, prefix("plan", "free"), free, freedom)
	s.wantFound(org, prefix("plan", "freed"), freedom)
	s.wantFound(org, prefix("plan", ""), free, freedom)
	s.wantFound(org, prefix("pla", ""))
	s.wantFound(org, has("plan"), free, freedom, number)
	s.wantFound(org, has("pla"))
	s.wantFound(org, has("other")) // is not searchable
	s.wantFound(org, metadata.Query{Group: "g1"}, free, freedom)
	s.wantFound(org, metadata.Query{Group: "g"})
	s.wantFound(org, metadata.Query{Handle: "ann"}, free, freedom, nobody)
	s.wantFound(org, metadata.Query{Handle: "ann@"}, nobody)
	s.wantFound(org, metadata.Query{Handle: "anna"}, freedom)
	s.wantFound(org, not(has("plan")), none, nobody)
	s.wantFound(org, not(not(has("plan"))), free, freedom, number)
	s.wantFound(org, metadata.Query{All: []metadata.Query{has("plan"), not(equals("seats", json("1")))}}, freedom, number)
	s.wantFound(org, metadata.Query{Any: []metadata.Query{equals("seats", json(`["free"]`)), {Handle: "bob"}}}, none, number)
	s.wantFound(org, metadata.Query{Any: []metadata.Query{not(has("plan")), {Group: "g2"}}}, none, nobody, freedom)

	// What changes is found as it is then.
	o := metadata.Owner{Org: org, User: free}
	s.write(org, free, set(entry("plan", text("gold"))))
	s.write(org, freedom, metadata.Patch{Delete: []string{"plan"}, Groups: &[]string{"g2"}})
	s.write(org, number, metadata.Patch{Replace: true})
	s.wantFound(org, has("plan"), free)
	s.wantFound(org, equals("plan", text("free")))
	s.wantFound(org, metadata.Query{Group: "g1"}, free)
	p := set(indexed(entry("plan", text("tried")))...)
	p.DryRun, p.Scheme = true, s.scheme(org).Revision
	s.mustApply(o, p)
	s.wantFound(org, equals("plan", text("gold")), free)
	app := o
	app.App = "app"
	s.mustApply(app, metadata.Patch{Set: indexed(entry("plan", text("app's"))), Scheme: p.Scheme})
	s.wantFound(org, equals("plan", text("app's")))

	// So are those who come and go.
	s.users.SetState(s.T, free, Disabled)
	s.wantFound(org, has("plan"), free)
	s.users.Leave(s.T, free, org)
	s.wantFound(org, has("plan"))
	s.wantFound(org, not(has("plan")), freedom, number, none, nobody)
	s.users.Join(s.T, free, org)
	s.wantFound(org, has("plan"), free)
	s.users.SetState(s.T, free, Deleting)
	s.wantFound(org, metadata.Query{Group: "g1"})
	if err := s.store.Erase(s.Context(), free, []string{org}); err != nil {
		s.Fatal(err)
	}
	s.users.SetState(s.T, free, Active) // as nobody would be: the index alone decides now
	s.wantFound(org, has("plan"))
	s.wantFound(org, metadata.Query{Group: "g1"})

	for _, position := range []string{"x", "1", "1:", "-1:a", "99999:a", ":a"} {
		if _, _, err := s.store.Search(s.Context(), org, has("plan"), metadata.Page{After: position, Limit: 1}); codeOf(err) != metadata.Invalid {
			s.Errorf("the position %q: %v", position, err)
		}
	}
}

// literalSearches are patterns, or parts of the index's own language, elsewhere.
func (s *suite) literalSearches() {
	org := s.newOrg()
	hostile := []string{
		"*", "?", "[a-", "[a-z]", `\\`, strings.Repeat("a*b*", 200), "-", "+", "(a", "[a", "{x}", "%", "a b", "\xc3\xa9", "_", "k", "g",
	}
	s.searchable(org, append([]string{"plan"}, hostile...)...)
	plain := s.person(org, "abc", []string{"g1"}, entry("plan", text("abc")))
	users := make(map[string]string)
	for i, pattern := range hostile {
		users[pattern] = s.person(org, fmt.Sprintf("u%02d%s", i, pattern), []string{pattern},
			entry("plan", json(fmt.Sprintf("%q", pattern))), entry(pattern, text("x")))
	}
	for i, pattern := range hostile {
		id := users[pattern]
		s.wantFound(org, equals("plan", json(fmt.Sprintf("%q", pattern))), id)
		s.wantFound(org, has(pattern), id)
		s.wantFound(org, metadata.Query{Group: pattern}, id)
		s.wantFound(org, metadata.Query{Handle: fmt.Sprintf("u%02d%s", i, pattern)}, id)
	}
	for _, pattern := range []string{"a*", "a?c", "[a]bc", "*"} {
		if found := s.found(org, metadata.Query{Handle: pattern}, 10); len(found) != 0 {
			s.Errorf("%q finds %v by name", pattern, found)
		}
		if found := s.found(org, prefix("plan", pattern), 100); slices.Contains(found, plain) {
			s.Errorf("%q finds what begins with a", pattern)
		}
	}
	// Keys, terms and groups that run together are not the same.
	s.searchable(org, "a", "ab")
	one := s.person(org, "", nil, entry("a", text("bc")))
	two := s.person(org, "", nil, entry("ab", text("c")))
	nul := s.person(org, "", nil, entry("a", json(`"b\u0000c"`)), entry("ab", json(`"\u0001"`)))
	s.wantFound(org, equals("a", text("bc")), one)
	s.wantFound(org, equals("ab", text("c")), two)
	s.wantFound(org, equals("a", json(`"b\u0000c"`)), nul)
	s.wantFound(org, equals("a", text("b")))
	s.wantFound(org, prefix("a", "b"), one, nul)
	s.wantFound(org, equals("ab", json(`"\u0000"`)))
}

// traits are what a person of the model is found by.
type traits struct {
	values   map[string]metadata.Value
	groups   []string
	username string
}

func (u traits) answers(q metadata.Query) bool {
	answers := func(part metadata.Query) bool { return u.answers(part) }
	switch {
	case q.All != nil:
		return !slices.ContainsFunc(q.All, func(part metadata.Query) bool { return !u.answers(part) })
	case q.Any != nil:
		return slices.ContainsFunc(q.Any, answers)
	case q.Not != nil:
		return !u.answers(*q.Not)
	case q.Group != "":
		return slices.Contains(u.groups, q.Group)
	case q.Handle != "":
		return strings.HasPrefix(u.username, q.Handle)
	}
	v, ok := u.values[q.Has.Key]
	switch {
	case q.Has.Equals != nil:
		return ok && metadata.TermOf(v) == *q.Has.Equals
	case q.Has.Prefix != nil:
		return ok && strings.HasPrefix(v.Raw(), *q.Has.Prefix) // of these texts without escapes
	default:
		return ok
	}
}

var (
	searchedKeys   = []string{"a", "b"}
	searchedValues = []metadata.Value{text(""), text("x"), text("xy"), text("y"), json("1"), json("12"), json("null")}
	searchedGroups = []string{"g", "g1", "g2"}
	someMatch      = rapid.Custom(func(t *rapid.T) metadata.Query {
		key := rapid.SampledFrom(searchedKeys).Draw(t, "key")
		switch rapid.IntRange(0, 4).Draw(t, "condition") {
		case 0:
			return equals(key, rapid.SampledFrom(searchedValues).Draw(t, "value"))
		case 1:
			return prefix(key, rapid.SampledFrom([]string{"", "x", "xy", "z"}).Draw(t, "prefix"))
		case 2:
			return has(key)
		case 3:
			return metadata.Query{Group: rapid.SampledFrom(searchedGroups).Draw(t, "group")}
		default:
			return metadata.Query{Handle: rapid.SampledFrom([]string{"u", "u1", "u12", "v"}).Draw(t, "handle")}
		}
	})
)

func someQuery(depth int) *rapid.Generator[metadata.Query] {
	return rapid.Custom(func(t *rapid.T) metadata.Query {
		kind := rapid.IntRange(0, 4).Draw(t, "kind")
		if depth == 0 || kind > 2 {
			return someMatch.Draw(t, "match")
		}
		if kind == 0 {
			return not(someQuery(depth-1).Draw(t, "negated"))
		}
		parts := rapid.SliceOfN(someQuery(depth-1), 1, 4).Draw(t, "parts")
		if kind == 1 {
			return metadata.Query{All: parts}
		}
		return metadata.Query{Any: parts}
	})
}

func (s *suite) randomSearches() {
	org := s.newOrg()
	s.searchable(org, searchedKeys...)
	scheme := s.scheme(org).Revision
	people := make(map[string]traits)
	rapid.Check(s.T, func(t *rapid.T) {
		for range rapid.IntRange(0, 3).Draw(t, "newcomers") {
			if len(people) > 60 {
				break
			}
			u := traits{username: fmt.Sprintf("u%d", len(people)), values: make(map[string]metadata.Value)}
			people[s.users.New(s.T, User{Username: u.username, Orgs: []string{org}})] = u
		}
		for _, id := range slices.Sorted(maps.Keys(people)) {
			if rapid.IntRange(0, 9).Draw(t, "change") > 0 {
				continue
			}
			u := people[id]
			u.groups = slices.Sorted(slices.Values(rapid.SliceOfNDistinct(rapid.SampledFrom(searchedGroups), 0, 3, rapid.ID).Draw(t, "groups")))
			p := metadata.Patch{Groups: &u.groups, Scheme: scheme}
			for _, key := range searchedKeys {
				if rapid.Bool().Draw(t, "has") {
					u.values[key] = rapid.SampledFrom(searchedValues).Draw(t, "value")
					p.Set = append(p.Set, entry(key, u.values[key]))
				} else {
					delete(u.values, key)
					p.Delete = append(p.Delete, key)
				}
			}
			p.Set = indexed(p.Set...)
			people[id] = u
			s.mustApply(metadata.Owner{Org: org, User: id}, p)
		}
		q := someQuery(3).Draw(t, "query")
		var want []string
		for id, u := range people {
			if u.answers(q) {
				want = append(want, id)
			}
		}
		slices.Sort(want)
		size := rapid.IntRange(1, 80).Draw(t, "page")
		got := s.found(org, q, size)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Fatalf("%d found, %d answer the query", len(got), len(want))
		}
	})
}

func (s *suite) reindexing() {
	org := s.newOrg()
	o := func(id string) metadata.Owner { return metadata.Owner{Org: org, User: id} }
	var with []string
	for i := range 150 {
		id := s.users.New(s.T, User{Orgs: []string{org}})
		switch i % 3 {
		case 0:
			s.mustApply(o(id), set(entry("plan", text("x"))))
			with = append(with, id)
		case 1:
			s.mustApply(o(id), set(entry("plan", metadata.Bytes([]byte("x"))), entry("other", text("x"))))
		}
	}
	s.reindex(org, "plan") // is not searchable
	s.wantFound(org, has("plan"))
	s.searchable(org, "plan")
	s.wantFound(org, has("plan"), with...)
	s.wantFound(org, equals("plan", text("x")), with...)
	s.reindex(org, "plan")
	s.wantFound(org, has("plan"), with...)

	// While it is not searchable some are changed, and all is right when it is again.
	s.searchable(org)
	s.wantFound(org, has("plan"))
	s.write(org, with[0], set(entry("plan", text("y"))))
	s.write(org, with[1], remove("plan"))
	s.write(org, with[2], set(entry("plan", metadata.Bytes(nil))))
	s.searchable(org, "plan", "other")
	s.wantFound(org, equals("plan", text("y")), with[0])
	s.wantFound(org, has("plan"), append([]string{with[0]}, with[3:]...)...)

	// One that was indexed by another rule is indexed by the one of now.
	p := set(metadata.Put{Key: "plan", Value: text("y"), Term: "another rule's"})
	p.Scheme = s.scheme(org).Revision
	s.mustApply(o(with[3]), p)
	s.reindex(org, "plan")
	s.wantFound(org, equals("plan", text("y")), with[0], with[3])
	if found := s.found(org, has("plan"), 100); len(found) != len(with)-2 {
		s.Errorf("%d of %d are found", len(found), len(with)-2)
	}
	stale := "another rule's"
	s.wantFound(org, metadata.Query{Has: &metadata.Match{Key: "plan", Equals: &stale}})

	s.searchable(org, "other")
	s.wantFound(org, has("plan"))
	if found := s.found(org, has("other"), 100); len(found) != 50 {
		s.Errorf("removing one key left %d of 50 found by the other", len(found))
	}
}

// reindexRaces has writers go on, and the index be completed by several at once, while a key is made searchable and not.
func (s *suite) reindexRaces() {
	org := s.newOrg()
	const people = 40
	ids := make([]string, people)
	for i := range ids {
		ids[i] = s.users.New(s.T, User{Orgs: []string{org}})
	}
	for round := range 4 {
		s.meanwhile(func(i int) error {
			if i%4 == 3 {
				return s.store.Reindex(s.Context(), org, "plan")
			}
			p := set(indexed(entry("plan", json(fmt.Sprint(i))))...)
			if i%5 == 4 {
				p = remove("plan")
			}
			scheme, err := s.store.Scheme(s.Context(), org)
			if err == nil {
				p.Scheme = scheme.Revision
				_, err = s.apply(metadata.Owner{Org: org, User: ids[i%people]}, p)
			}
			return err
		}, func() {
			s.searchable(org, "plan")
			s.searchable(org)
			if round%2 == 0 {
				s.searchable(org, "plan")
			}
		})
		want := make(map[string][]string)
		var all []string
		for _, id := range ids {
			if e, ok := s.get(metadata.Owner{Org: org, User: id}).Entry("plan"); ok && round%2 == 0 {
				want[e.Value.Raw()] = append(want[e.Value.Raw()], id)
				all = append(all, id)
			}
		}
		s.wantFound(org, has("plan"), all...)
		for value, users := range want {
			s.wantFound(org, equals("plan", json(value)), users...)
		}
	}
}

// meanwhile calls background again and again, by several at once, until do returns. Only a scheme that has just changed may refuse it.
func (s *suite) meanwhile(background func(i int) error, do func()) {
	done := make(chan struct{})
	var running sync.WaitGroup
	var calls atomic.Int64
	for range 4 {
		running.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if err := background(int(calls.Add(1))); err != nil && !errors.Is(err, metadata.ErrSchemeChanged) {
					s.Error(err)
					return
				}
			}
		})
	}
	defer running.Wait()
	defer close(done)
	do()
}
