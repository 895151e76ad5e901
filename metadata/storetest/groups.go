package storetest

import (
	"fmt"
	"slices"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/claimsmith/claimsmith/metadata"
)

func (s *suite) wantIndex(o metadata.Owner, searchable ...string) {
	s.Helper()
	if diff := cmp.Diff(IndexFor(o, s.get(o), searchable...), s.users.IndexOf(s.T, o), cmpopts.EquateEmpty()); diff != "" {
		s.Errorf("index (-of the document +stored):\n%s", diff)
	}
}

func (s *suite) groups() {
	o := s.member()
	of := func(ids ...string) metadata.Patch { return metadata.Patch{Groups: &ids} }
	want := func(doc metadata.Document, revision uint64, groups ...string) {
		s.Helper()
		claims, err := Claims(s.Context(), s.store, o.Org, o.User, "")
		if doc.Revision != revision || !slices.Equal(doc.Groups, groups) {
			s.Errorf("groups %v at revision %d, want %v at %d", doc.Groups, doc.Revision, groups, revision)
		}
		if err != nil || !slices.Equal(claims.Groups, groups) || claims.Revision != revision {
			s.Errorf("for a token: %+v, %v", claims, err)
		}
		s.wantIndex(o)
	}
	want(s.mustApply(o, of()), 0)
	want(s.mustApply(o, of("g1", "g2")), 1, "g1", "g2")
	want(s.get(o), 1, "g1", "g2")
	want(s.mustApply(o, of("g1", "g2")), 1, "g1", "g2") // he is there already
	want(s.mustApply(o, set(claim("a", text("1")), entry("b", text("1")))), 2, "g1", "g2")
	brief := set(entry("b", text("2")))
	brief.Brief = true
	if doc := s.mustApply(o, brief); len(doc.Entries) != 1 || !slices.Equal(doc.Groups, []string{"g1", "g2"}) {
		s.Errorf("in brief: %+v", doc)
	}
	want(s.mustApply(o, metadata.Patch{Replace: true, Set: []metadata.Put{claim("c", text("1"))}}), 4, "g1", "g2")
	both := set(entry("b", text("3")))
	both.Groups = &[]string{"g0", "g2", "g3"}
	want(s.mustApply(o, both), 5, "g0", "g2", "g3")
	want(s.mustApply(o, metadata.Patch{Replace: true, Groups: &[]string{}}), 6)
	s.wantSame(s.get(o), emptied(6, start))

	// Groups are no entries, and a repetition puts nobody back.
	p := change(of("g1"))
	want(s.mustApply(o, p), 7, "g1")
	want(s.mustApply(o, of("g2")), 8, "g2")
	want(s.mustApply(o, p), 8, "g2")
	full := set(entry("1", text("")), entry("2", text("")))
	full.Limits = metadata.Limits{Entries: 2, DocumentBytes: 6, ClaimsBytes: 100}
	want(s.mustApply(o, full), 9, "g2")
	full = set(entry("3", text("")))
	full.Limits = metadata.Limits{Entries: 2, DocumentBytes: 100, ClaimsBytes: 100}
	before := s.get(o)
	_, err := s.apply(o, full)
	s.wantRefusal(err, metadata.LimitExceeded, o, before)

	for _, o := range []metadata.Owner{{Org: o.Org, User: o.User, App: "app"}, {Org: o.Org}} {
		if _, err := s.apply(o, of("g1")); err == nil {
			s.Errorf("%+v is in a group", o)
		}
	}
}

func (s *suite) index() {
	o := s.memberOf(s.newOrg())
	s.mustApply(o, set(found(entry("plan", text("early")))))
	s.wantIndex(o) // nothing was announced
	s.users.Announce(s.T, o, 0, "plan", "Plan", "role", "a:b")
	searchable := []string{"plan", "Plan", "role", "a:b"}
	steps := []metadata.Patch{
		set(found(entry("plan", text("pro")))),
		set(found(entry("plan", text("pro"))), found(entry("other", text("x")))),
		set(found(claim("plan", text("free"))), found(claim("role", text("user")))),
		set(found(entry("Plan", text("free"))), found(entry("a:b", text("")))),
		set(entry("plan", metadata.Bytes([]byte("pro")))), // bytes have no term
		set(found(entry("plan", text("pro")))),
		remove("role", "other", "absent"),
		{Replace: true, Set: []metadata.Put{found(entry("role", text("admin")))}},
		{Delete: []string{"role"}, Set: []metadata.Put{found(entry("plan", text("x")))}, Groups: &[]string{"g1"}},
		{Replace: true},
	}
	for i, p := range steps {
		s.mustApply(o, p)
		if doc := s.get(o); i == 2 && len(IndexFor(o, doc, searchable...)) != 2 {
			s.Errorf("the index of %+v is %q", doc, IndexFor(o, doc, searchable...))
		}
		s.wantIndex(o, searchable...)
	}
	// Applications' entries are not searched, and an application does not disturb the user's.
	s.mustApply(o, set(found(entry("plan", text("pro")))))
	app := o
	app.App = "app"
	s.mustApply(app, set(found(entry("plan", text("free"))), found(entry("role", text("user")))))
	s.mustApply(app, metadata.Patch{Replace: true})
	s.wantIndex(o, searchable...)

	// A key that is no longer searchable leaves the index when its entry is written.
	s.mustApply(o, set(found(entry("role", text("user"))), found(entry("Plan", text("user")))))
	s.users.Announce(s.T, o, 0, "Plan")
	s.mustApply(o, set(found(entry("plan", text("new")))))
	s.mustApply(o, remove("role"))
	s.wantIndex(o, "Plan")

	many := metadata.Patch{Limits: metadata.DefaultLimits}
	many.Limits.Entries = 3000
	names := make([]string, 2500)
	for i := range names {
		names[i] = fmt.Sprintf("k%04d", i)
		many.Set = append(many.Set, found(entry(names[i], text("x"))))
	}
	s.users.Announce(s.T, o, 0, names...)
	s.mustApply(o, many)
	s.wantIndex(o, append(names, "Plan")...)
	s.mustApply(o, remove(names[1:]...))
	s.wantIndex(o, append(names, "Plan")...)
	s.mustApply(o, many)
	s.mustApply(o, metadata.Patch{Replace: true})
	s.wantIndex(o)
}

func (s *suite) getAll() {
	org := s.newOrg()
	users := make([]string, 205)
	want := make([]*metadata.Document, len(users))
	for i := range users {
		o := s.memberOf(org)
		users[i], want[i] = o.User, &metadata.Document{}
		if i%2 == 0 {
			p := set(claim("n", text(fmt.Sprint(i))))
			p.Groups = &[]string{"g1"}
			*want[i] = s.mustApply(o, p)
		}
	}
	users = append(users, "nobody", s.member().User, users[0])
	want = append(want, nil, nil, want[0])
	s.users.SetState(s.T, users[2], Disabled)
	s.users.SetState(s.T, users[4], Deleting)
	want[4] = nil
	got, err := s.store.GetAll(s.Context(), org, users)
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(metadata.Value{}), cmpopts.EquateEmpty()); err != nil || diff != "" {
		s.Errorf("%v\n%s", err, diff)
	}
	if got, err := s.store.GetAll(s.Context(), org, nil); err != nil || len(got) != 0 {
		s.Errorf("of nobody: %v, %v", got, err)
	}
}

func (s *suite) documents() {
	user := s.users.New(s.T, User{Orgs: []string{"default", "acme"}})
	o := func(org, app string) metadata.Owner { return metadata.Owner{Org: org, User: user, App: app} }
	for _, o := range []metadata.Owner{o("default", "web"), o("default", "acme"), o("default", "Z.1"), o("acme", "")} {
		s.mustApply(o, set(entry("a", text("1"))))
	}
	for org, apps := range map[string][]string{"default": {"", "Z.1", "acme", "web"}, "acme": {""}} {
		var want []metadata.Owner
		for _, app := range apps {
			want = append(want, o(org, app))
		}
		if got, err := s.store.Documents(s.Context(), org, user); err != nil || !slices.Equal(got, want) {
			s.Errorf("of %s: %+v, %v", org, got, err)
		}
	}
	for _, org := range []string{"acme-2", "def"} {
		if got, err := s.store.Documents(s.Context(), org, user); err != error(metadata.ErrUserNotFound) { //nolint:errorlint // the very value
			s.Errorf("of %s: %+v, %v", org, got, err)
		}
	}
	s.erase(user, "default")
	if got, err := s.store.Documents(s.Context(), "default", user); err != nil || len(got) != 1 {
		s.Errorf("after erasing: %+v, %v", got, err)
	}
}
