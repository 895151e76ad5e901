package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claimsmith/claimsmith/metadata"
)

func (s *suite) emptyDocument() {
	o := s.member()
	s.wantSame(s.get(o), metadata.Document{})
	_, err := s.store.GetEntry(s.Context(), o, "theme")
	if e := new(metadata.Error); !errors.As(err, &e) || e.Code != metadata.NotFound || e.Field != "theme" {
		s.Errorf("entry of an empty document: %v", err)
	}
	if claims, revision := s.claimsOf(o); len(claims) != 0 || revision != 0 {
		s.Errorf("claims %v at revision %d", claims, revision)
	}
}

func (s *suite) setAndGet() {
	o := s.member()
	got := s.mustApply(o, set(entry("zeta", text("last")), claim("alpha", text("first")), entry("Übung", text("x")), entry("Zeta", metadata.Bytes([]byte("b")))))
	as := func(p metadata.Put) metadata.Entry {
		return metadata.Entry{
			Key: p.Key, Value: p.Value, ProfileClaim: p.ProfileClaim,
			Revision: 1, CreatedAt: start, ChangedAt: start, ChangedBy: writer,
		}
	}
	want := metadata.Document{Revision: 1, CreatedAt: start, ChangedAt: start, Entries: []metadata.Entry{
		as(entry("Zeta", metadata.Bytes([]byte("b")))), as(claim("alpha", text("first"))), as(entry("zeta", text("last"))), as(entry("Übung", text("x"))),
	}}
	s.wantSame(got, want)
	s.wantSame(s.get(o), want)
	for _, e := range want.Entries {
		one, err := s.store.GetEntry(s.Context(), o, e.Key)
		if err != nil || one != e {
			s.Errorf("entry %+v, %v, want %+v", one, err, e)
		}
		if found, ok := want.Entry(e.Key); !ok || found != e {
			s.Errorf("Document.Entry(%q) = %+v, %t", e.Key, found, ok)
		}
	}
}

func (s *suite) creationTime() {
	o := s.member()
	second, third := start.Add(time.Millisecond), start.Add(48*time.Hour)
	at := func(t time.Time, by string, p metadata.Patch) metadata.Patch {
		p.At, p.ChangedBy = t, by
		return p
	}
	s.mustApply(o, set(entry("a", text("1")), entry("b", text("1"))))
	s.mustApply(o, at(second, "user:u", set(claim("a", text("2")))))
	got, err := s.store.GetEntry(s.Context(), o, "a")
	want := metadata.Entry{
		Key: "a", Value: text("2"), ProfileClaim: true, Revision: 2, CreatedAt: start, ChangedAt: second, ChangedBy: "user:u",
	}
	if err != nil || got != want {
		s.Errorf("changed entry %+v, %v, want %+v", got, err, want)
	}
	s.mustApply(o, remove("a"))
	doc := s.mustApply(o, at(third, "client:c", set(entry("a", text("3")))))
	want = metadata.Entry{Key: "a", Value: text("3"), Revision: 4, CreatedAt: third, ChangedAt: third, ChangedBy: "client:c"}
	if got, _ := doc.Entry("a"); got != want {
		s.Errorf("entry created again %+v, want %+v", got, want)
	}
	if b, _ := doc.Entry("b"); b.Revision != 1 || b.ChangedBy != writer || !b.ChangedAt.Equal(start) {
		s.Errorf("the entry nobody touched is %+v", b)
	}
}

func (s *suite) exactValues() {
	o := s.member()
	texts := []string{
		`9007199254740993`, `-9007199254740993`, `12345678901234567890`, `1.0`, `1e2`, `-0`, `0.1`, `1e400`, `1E-400`,
		`[]`, `{}`, `[1,null,2]`, `{"a":null}`, `{"a":[],"b":{},"n":9007199254740993,"s":"\/<\u003c"}`, `null`, `true`, `"true"`,
		`"123"`, `123`, `""`, `" "`, `"\u0000"`, `"\ud83d\ude00"`, `"😀"`, `"\u2028"`,
	}
	var p metadata.Patch
	for i, t := range texts {
		v, err := metadata.JSON([]byte(t))
		if err != nil {
			s.Fatal(err)
		}
		p.Set = append(p.Set, claim(fmt.Sprintf("c%02d", i), v))
	}
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	for i, b := range [][]byte{nil, all, []byte(" "), []byte("123"), []byte("+j 1 0 0 x y"), []byte("\xff\xfe")} {
		p.Set = append(p.Set, entry(fmt.Sprintf("x%d", i), metadata.Bytes(b)))
	}
	s.mustApply(o, p)
	doc := s.get(o)
	for _, put := range p.Set {
		if e, _ := doc.Entry(put.Key); e.Value != put.Value {
			s.Errorf("stored %q of kind %c, got %q of kind %c", put.Value.Raw(), put.Value.Kind(), e.Value.Raw(), e.Value.Kind())
		}
		e, err := s.store.GetEntry(s.Context(), o, put.Key)
		if err != nil || e.Value != put.Value {
			s.Errorf("stored %q, got %q alone, %v", put.Value.Raw(), e.Value.Raw(), err)
		}
	}
	claims, _ := s.claimsOf(o)
	for i, t := range texts {
		if got := claims[fmt.Sprintf("c%02d", i)]; got != t {
			s.Errorf("claim %s became %s", t, got)
		}
	}
}

// hostileKeys are keys that would matter if any layer interpreted them.
var hostileKeys = []string{
	"a:b", "a", "a}x", "{victim}", "{", "}", "*", "?", "[a-", `\`, "a b", " ", "  ", "+j", "-", "0", "1", "$where", "__proto__", "constructor",
	"prototype", "toString", "]] redis.call('FLUSHALL')", "'); redis.call('FLUSHALL') --", "%s %d %f", "^%S+ ()", "rôle", "ro\u0302le", "ｒole",
	"ſub", "\u212a", "roles\u200b", "\u202eelor", "\u00ad", "😀", "Role", "ROLE", "role", "st", "un", "o:default", "metadata_x", "sub",
	strings.Repeat("é", metadata.MaxKeyLength),
}

func (s *suite) hostileText() {
	o := s.member()
	s.users.New(s.T, User{ID: "victim", Orgs: []string{"default"}})
	var p metadata.Patch
	for _, key := range hostileKeys {
		p.Set = append(p.Set, entry(key, text(strings.ReplaceAll(key, `\`, `\\`))))
	}
	p.Set = append(p.Set, entry("flush", metadata.Bytes([]byte("]] redis.call('FLUSHALL') --\r\nFLUSHALL\r\n\x00$6"))))
	written := s.mustApply(o, p)
	if len(written.Entries) != len(p.Set) {
		s.Fatalf("%d keys are %d entries", len(p.Set), len(written.Entries))
	}
	doc := s.get(o)
	s.wantSame(doc, written)
	for _, put := range p.Set {
		if e, _ := doc.Entry(put.Key); e.Value != put.Value {
			s.Errorf("key %q has value %q", put.Key, e.Value.Raw())
		}
	}
	p = metadata.Patch{Delete: slices.Clone(hostileKeys), If: metadata.Precondition{Key: hostileKeys[3], IfMatch: revisions(1)}}
	if doc := s.mustApply(o, p); len(doc.Entries) != 1 || doc.Entries[0].Key != "flush" {
		s.Errorf("after deleting all but one there are %+v", doc.Entries)
	}
	s.wantSame(s.get(metadata.Owner{Org: "default", User: "victim"}), metadata.Document{})
}

func (s *suite) deleting() {
	o := s.member()
	s.mustApply(o, set(entry("a", text("1")), claim("b", text("2"))))
	doc := s.mustApply(o, remove("a", "absent"))
	if _, ok := doc.Entry("a"); ok || doc.Revision != 2 || len(doc.Entries) != 1 {
		s.Errorf("after deleting a: %+v", doc)
	}
	s.wantSame(s.mustApply(o, remove("a", "absent")), doc) // nothing to delete, nothing happens
	s.wantSame(s.mustApply(o, metadata.Patch{}), doc)
	s.mustApply(o, remove("b"))
	s.wantSame(s.get(o), emptied(3, start))
	if claims, revision := s.claimsOf(o); len(claims) != 0 || revision != 3 {
		s.Errorf("claims %v at revision %d of an emptied document", claims, revision)
	}
}

func (s *suite) replacing() {
	o := s.member()
	s.wantSame(s.mustApply(o, metadata.Patch{Replace: true}), metadata.Document{})
	s.mustApply(o, set(entry("a", text("1")), claim("b", text("2")), claim("c", text("3"))))
	p := set(entry("b", text("4")), claim("d", text("5")))
	p.Replace = true
	p.At = start.Add(time.Second)
	doc := s.mustApply(o, p)
	if keys := keysOf(doc); !slices.Equal(keys, []string{"b", "d"}) || doc.Revision != 2 {
		s.Errorf("after replacing: %v at revision %d", keys, doc.Revision)
	}
	if b, _ := doc.Entry("b"); !b.CreatedAt.Equal(start) || b.ProfileClaim {
		s.Errorf("the entry that stayed is %+v", b)
	}
	if claims, _ := s.claimsOf(o); !cmp.Equal(claims, map[string]string{"d": `"5"`}) {
		s.Errorf("claims after replacing: %v", claims)
	}
	doc = s.mustApply(o, metadata.Patch{Replace: true})
	s.wantSame(doc, emptied(3, start))
	s.wantSame(s.mustApply(o, metadata.Patch{Replace: true}), doc)
}

func keysOf(doc metadata.Document) []string {
	var keys []string
	for _, e := range doc.Entries {
		keys = append(keys, e.Key)
	}
	return keys
}

func (s *suite) renaming() {
	o := s.member()
	s.mustApply(o, set(claim("Theme", text("1"))))
	p := set(claim("theme", text("2")))
	p.Delete = []string{"Theme"}
	doc := s.mustApply(o, p)
	if claims, revision := s.claimsOf(o); !cmp.Equal(claims, map[string]string{"theme": `"2"`}) || revision != doc.Revision {
		s.Errorf("claims %v at revision %d of %d", claims, revision, doc.Revision)
	}
}

func (s *suite) revisions() {
	o := s.member()
	seen := make(map[uint64]bool)
	last := uint64(0)
	for i := range 20 {
		doc := s.mustApply(o, set(entry("a", text("same"))))
		a, _ := doc.Entry("a")
		if doc.Revision <= last || a.Revision != doc.Revision || seen[a.Revision] {
			s.Fatalf("write %d: document at %d after %d, entry at %d", i, doc.Revision, last, a.Revision)
		}
		seen[a.Revision], last = true, doc.Revision
		if i%3 == 0 {
			last = s.mustApply(o, remove("a")).Revision
		}
	}
}

func (s *suite) separateDocuments() {
	user := s.users.New(s.T, User{Orgs: []string{"default", "acme"}})
	owners := []metadata.Owner{
		{Org: "default", User: user}, {Org: "acme", User: user}, {Org: "default", User: user, App: "app"}, {Org: "default", User: user, App: "acme"},
		{Org: "acme", User: user, App: "app"}, s.member(),
	}
	for i, o := range owners {
		s.mustApply(o, set(claim("c", text(fmt.Sprint(i))), entry(fmt.Sprint(i), text("x"))))
	}
	for i, o := range owners {
		doc := s.get(o)
		if c, _ := doc.Entry("c"); len(doc.Entries) != 2 || c.Value != text(fmt.Sprint(i)) || doc.Revision != 1 {
			s.Errorf("%+v has %+v", o, doc)
		}
	}
}

func (s *suite) claims() {
	o := s.member()
	app := metadata.Owner{Org: o.Org, User: o.User, App: "portal"}
	s.mustApply(o, set(claim("b", text("1")), claim("A", text("2")), claim("a.c", text("3")), entry("hidden", text("4"))))
	s.mustApply(o, set(entry("hidden", text("5"))))
	s.mustApply(app, set(claim("own", text("6"))))
	got, err := Claims(s.Context(), s.store, o.Org, o.User, "portal")
	want := metadata.Claims{
		User:     []metadata.Claim{{Key: "A", JSON: `"2"`}, {Key: "a.c", JSON: `"3"`}, {Key: "b", JSON: `"1"`}},
		Revision: 2, // the document's, whatever changed
		App:      []metadata.Claim{{Key: "own", JSON: `"6"`}}, AppRevision: 1,
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		s.Errorf("claims (-want +got):\n%s%v", diff, err)
	}
	s.mustApply(o, set(entry("b", text("7"))))
	s.mustApply(o, remove("A"))
	if claims, revision := s.claimsOf(o); !cmp.Equal(claims, map[string]string{"a.c": `"3"`}) || revision != 4 {
		s.Errorf("claims %v at revision %d", claims, revision)
	}
	for _, unknown := range []string{"nobody", s.member().User} {
		got, err := Claims(s.Context(), s.store, o.Org, unknown, "portal")
		if diff := cmp.Diff(metadata.Claims{}, got); err != nil || diff != "" {
			s.Errorf("claims of %s: %v\n%s", unknown, err, diff)
		}
	}
}

func (s *suite) claimsWithChange() {
	o := s.member()
	s.mustApply(o, set(claim("a", text("1"))))
	for _, app := range []string{"", "portal"} {
		with, read := s.store.ProfileClaims(s.Context(), o.Org, o.User, app)
		doc, err := s.store.Apply(with, o, change(set(claim("a", text("2"+app)))))
		if err != nil {
			s.Fatal(err)
		}
		s.mustApply(o, set(claim("a", text("3")))) // too late for what was read with the first
		want := metadata.Claims{User: []metadata.Claim{{Key: "a", JSON: `"2` + app + `"`}}, Revision: doc.Revision}
		if got, err := read(); err != nil || !cmp.Equal(got, want) {
			s.Errorf("for application %q: %v, %s", app, err, cmp.Diff(want, got))
		}
	}
	// A change that is refused does not spoil the reading.
	with, read := s.store.ProfileClaims(s.Context(), o.Org, o.User, "")
	refused := change(set(claim("a", text("4"))))
	refused.If = metadata.Precondition{IfMatch: revisions(1)}
	if _, err := s.store.Apply(with, o, refused); codeOf(err) != metadata.PreconditionFailed {
		s.Fatal(err)
	}
	if got, err := read(); err != nil || len(got.User) != 1 || got.User[0].JSON != `"3"` {
		s.Errorf("%v, %v", got, err)
	}
}

func (s *suite) owners() {
	id := s.users.New(s.T, User{Username: "jane", Email: "jane@example.com", Orgs: []string{"default"}})
	o := metadata.Owner{Org: "default", User: id}
	before := s.mustApply(o, set(entry("a", text("1"))))
	state := func(state string) func() { return func() { s.users.SetState(s.T, id, state) } }
	tests := []struct {
		name    string
		prepare func()
		org     string
		user    string
		handle  string
		found   bool
	}{
		{name: "by id", found: true},
		{name: "by username", handle: "jane", found: true},
		{name: "by e-mail address", handle: "jane@example.com", found: true},
		{name: "by another's username", handle: "john"},
		{name: "by another's address", handle: "jane@example.org"},
		{name: "another organisation", org: "acme"},
		{name: "unknown user", user: "nobody"},
		{name: "disabled", prepare: state(Disabled), found: true},
		{name: "being deleted", prepare: state(Deleting)},
		{name: "gone", prepare: state(Gone)},
		{name: "state nobody knows", prepare: state("")},
		{name: "enabled again", prepare: state(Active), found: true},
		{name: "no member any more", prepare: func() { s.users.Leave(s.T, id, "default") }},
		{name: "renamed", prepare: func() { s.users.New(s.T, User{ID: id, Username: "joan", Orgs: []string{"default"}}) }, handle: "jane"},
		{name: "without an address", handle: "jane@example.com"},
		{name: "by the new name", handle: "joan", found: true},
	}
	for _, test := range tests {
		s.Run(test.name, func(t *testing.T) {
			if test.prepare != nil {
				test.prepare()
			}
			owner := metadata.Owner{Org: "default", User: id, Handle: test.handle}
			if test.org != "" {
				owner.Org = test.org
			}
			if test.user != "" {
				owner.User = test.user
			}
			doc, getErr := s.store.Get(t.Context(), owner)
			_, entryErr := s.store.GetEntry(t.Context(), owner, "a")
			_, applyErr := s.store.Apply(t.Context(), owner, change(remove("absent")))
			var writeErr error
			if !test.found {
				_, writeErr = s.store.Apply(t.Context(), owner, change(set(entry("a", text("stolen")))))
			}
			for call, err := range map[string]error{"Get": getErr, "GetEntry": entryErr, "Apply": applyErr, "write": writeErr} {
				if want := error(metadata.ErrUserNotFound); test.found && err != nil || !test.found && err != want { //nolint:errorlint // the very value
					t.Errorf("%s: %v", call, err)
				}
			}
			if diff := diffDocuments(before, doc); test.found && diff != "" {
				t.Errorf("document (-want +got):\n%s", diff)
			}
		})
	}
	s.wantSame(s.get(o), before)
}

func (s *suite) erasing() {
	id := s.users.New(s.T, User{Orgs: []string{"default", "acme", "acme-2"}})
	other := s.member()
	document := func(org, app string) metadata.Owner { return metadata.Owner{Org: org, User: id, App: app} }
	erased := []metadata.Owner{document("default", ""), document("default", "app"), document("acme", ""), document("acme", "app"), document("acme", "portal")}
	kept := []metadata.Owner{document("acme-2", ""), document("acme-2", "app"), other}
	for _, o := range slices.Concat(erased, kept) {
		s.mustApply(o, set(claim("c", text("1")), entry("e", text("2"))))
	}
	if err := s.store.Erase(s.Context(), id, []string{"default", "acme", "acme-2"}); err != nil {
		s.Fatal(err)
	}
	for _, o := range slices.Concat(erased, kept) {
		if doc := s.get(o); len(doc.Entries) != 2 {
			s.Errorf("a member's document %+v is %+v after erasing", o, doc)
		}
	}
	for range 2 {
		s.users.Leave(s.T, id, "default")
		s.users.Leave(s.T, id, "acme")
		if err := s.store.Erase(s.Context(), id, []string{"default", "acme-2", "acme", "never-joined"}); err != nil {
			s.Fatal(err)
		}
		s.users.Join(s.T, id, "default")
		s.users.Join(s.T, id, "acme")
		for _, o := range erased {
			s.wantSame(s.get(o), metadata.Document{})
			if c, err := Claims(s.Context(), s.store, o.Org, id, o.App); err != nil || !cmp.Equal(c, metadata.Claims{}) {
				s.Errorf("claims of %+v: %+v, %v", o, c, err)
			}
		}
		for _, o := range kept {
			if doc := s.get(o); len(doc.Entries) != 2 {
				s.Errorf("%+v has %+v", o, doc)
			}
		}
	}
	s.erase(id, "acme-2")
	s.wantSame(s.get(kept[1]), metadata.Document{})
	s.wantSame(s.get(kept[0]), metadata.Document{})
	s.mustApply(kept[0], set(entry("e", text("3"))))
	s.users.SetState(s.T, id, Disabled)
	if err := s.store.Erase(s.Context(), id, []string{"acme-2"}); err != nil {
		s.Fatal(err)
	}
	if doc := s.get(kept[0]); len(doc.Entries) != 1 {
		s.Errorf("a disabled member's document is %+v after erasing", doc)
	}
	if err := s.store.Erase(s.Context(), "nobody", []string{"default"}); err != nil {
		s.Error(err)
	}
}

// erase has the user leave an organisation, erases it, and lets him in again.
func (s *suite) erase(id, org string) {
	s.Helper()
	s.users.Leave(s.T, id, org)
	if err := s.store.Erase(s.Context(), id, []string{org}); err != nil {
		s.Fatal(err)
	}
	s.users.Join(s.T, id, org)
}

func (s *suite) erasingEverything() {
	org := s.newOrg()
	user := s.users.New(s.T, User{Orgs: []string{org, "default"}})
	o := metadata.Owner{Org: org, User: user}
	app := metadata.Owner{Org: org, User: user, App: "app"}
	kept := metadata.Owner{Org: "default", User: user}
	s.users.Announce(s.T, o, 0, "a", "b")
	other := s.memberOf(org)
	s.users.Announce(s.T, other, 0, "a", "b")
	for _, o := range []metadata.Owner{o, app, kept, other} {
		p := set(found(claim("a", text("1"))), found(entry("b", text("1"))))
		if o.App == "" {
			p.Groups = &[]string{"g1", "g2"}
		}
		s.mustApply(o, p)
		s.mustApply(o, set(found(claim("a", text("2")))))
	}
	keptDump := func() map[string]any {
		dump := s.users.Dump(s.T, kept)
		delete(dump, s.users.Space.AppDocuments(user))
		return dump
	}
	before := keptDump()
	for range 2 {
		s.users.Leave(s.T, user, org)
		if err := s.store.Erase(s.Context(), user, []string{org}); err != nil {
			s.Fatal(err)
		}
		for _, o := range []metadata.Owner{o, app} {
			for key, value := range s.users.Dump(s.T, o) {
				if strings.Contains(fmt.Sprint(key, value), user) && key != s.users.Space.User(user) {
					s.Errorf("erasing left %s: %v", key, value)
				}
			}
		}
		if members := s.users.IndexOf(s.T, o); len(members) != 0 {
			s.Errorf("erasing left %q in the index", members)
		}
	}
	s.users.Join(s.T, user, org)
	for _, o := range []metadata.Owner{o, app} {
		if doc, past := s.historyOf(o, all, start); doc.Revision != 0 || len(past) != 0 {
			s.Errorf("erasing left %+v, %+v", doc, past)
		}
	}
	if diff := cmp.Diff(before, keptDump()); diff != "" {
		s.Errorf("what is in another organisation changed (-before +after):\n%s", diff)
	}
	s.wantIndex(kept)
	s.wantIndex(other, "a", "b")
	s.mustApply(o, set(entry("a", text("new"))))
	if kept := s.kept(o, all, start); !slices.Equal(kept, []uint64{1}) {
		s.Errorf("who came back has a history of %v", kept)
	}
}
