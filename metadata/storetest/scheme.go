package storetest

import (
	"cmp"
	"crypto/rand"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/claimsmith/claimsmith/metadata"
)

// schemesAndSearch are the tests of what an organisation lays down, and of finding its users.
var schemesAndSearch = []struct {
	name string
	run  func(*suite)
}{
	{"a scheme nobody laid down is empty", (*suite).emptyScheme},
	{"definitions and groups come back as they were put", (*suite).schemeChanges},
	{"definitions and groups have versions", (*suite).schemeVersions},
	{"a repeated change of a scheme is made once", (*suite).schemeRepetition},
	{"a scheme remembers what it was", (*suite).schemeHistory},
	{"a scheme has the claims of shared documents", (*suite).sharedClaims},
	{"a scheme is read as one", (*suite).schemeSnapshots},
	{"one parallel change of a definition wins", (*suite).schemeRaces},
	{"what is announced holds everywhere", (*suite).announcing},
	{"searching", (*suite).searching},
	{"searches are literal", (*suite).literalSearches},
	{"random searches find what the model does", (*suite).randomSearches},
	{"an index is completed and removed", (*suite).reindexing},
	{"an index is completed while entries are written", (*suite).reindexRaces},
	{"scanning", (*suite).scanning},
	{"scanning many", (*suite).scanningMany},
	{"scanning sees whole documents", (*suite).scanningWhole},
}

// newOrg is an organisation nothing is laid down for but groups of these ids.
func (s *suite) newOrg(groups ...string) string {
	s.Helper()
	return s.users.NewOrg(s.T, groups...)
}

func lay(c metadata.SchemeChange) metadata.SchemeChange {
	if c.By == "" {
		c.By, c.Via = writer, "native"
	}
	if c.At.IsZero() {
		c.At = start
	}
	if c.Op == "" {
		c.Op = rand.Text()
	}
	return c
}

func (s *suite) changeScheme(org string, c metadata.SchemeChange) (uint64, error) {
	return s.store.ChangeScheme(s.Context(), org, lay(c))
}

func (s *suite) mustChangeScheme(org string, c metadata.SchemeChange) uint64 {
	s.Helper()
	revision, err := s.changeScheme(org, c)
	if err != nil {
		s.Fatal(err)
	}
	return revision
}

func (s *suite) scheme(org string) *metadata.Scheme {
	s.Helper()
	scheme, err := s.store.Scheme(s.Context(), org)
	if err != nil {
		s.Fatal(err)
	}
	return scheme
}

// announce makes what is laid down known everywhere.
func (s *suite) announce(org string) *metadata.Scheme {
	s.Helper()
	scheme := s.scheme(org)
	if err := s.store.Announce(s.Context(), scheme); err != nil {
		s.Fatal(err)
	}
	return scheme
}

// share changes a shared document.
func (s *suite) share(o metadata.Owner, p metadata.Patch) {
	s.Helper()
	p.Scheme = s.scheme(o.Org).Revision
	s.mustApply(o, p)
}

func (s *suite) wantScheme(got, want *metadata.Scheme) {
	s.Helper()
	if diff := gocmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		s.Errorf("scheme (-want +got):\n%s", diff)
	}
}

func (s *suite) emptyScheme() {
	for _, org := range []string{"o-" + strings.ToLower(rand.Text()), s.newOrg()} {
		s.wantScheme(s.scheme(org), &metadata.Scheme{Org: org})
		if _, past, err := s.store.SchemeHistory(s.Context(), org); err != nil || len(past) != 0 {
			s.Errorf("history %v, %v", past, err)
		}
	}
}

// aDefinition has something in every field.
func aDefinition(key string) metadata.Definition {
	return metadata.Definition{
		Key: key, Description: "what \"it\" <means> \u2028 \\ \x00", Owner: "team@example.com",
		Schema:   `{"type":"string","x":[1.0,9007199254740993]}`,
		MaxBytes: 100, Claim: metadata.ClaimAlways, ProfileClaim: true, Write: metadata.ForSelf, Read: metadata.ForServices,
		Clients: []string{"a", "b"}, Places: []string{}, Default: `{"a":[],"b":{},"c":1.0}`, Searchable: true, Indexed: true, Sensitive: true,
		CreatedAt: start, UpdatedAt: start.Add(time.Nanosecond), UpdatedBy: writer,
	}
}

func aGroup(slug string, order int) metadata.Group {
	return metadata.Group{
		ID: strings.ToLower(rand.Text()), Slug: slug, Name: "Näme \"x\"", Description: "\x00 <d>", Order: order,
		CreatedAt: start, UpdatedAt: start,
	}
}

func (s *suite) schemeChanges() {
	org := s.newOrg()
	want := &metadata.Scheme{Org: org}
	for _, key := range []string{"b", "a", "!", "op", "a b", "d:b", "{", "\u00e9"} {
		d := aDefinition(key)
		if key == "b" {
			d = metadata.Definition{Key: key, CreatedAt: start, UpdatedAt: start}
		}
		d.Version = s.mustChangeScheme(org, metadata.SchemeChange{PutDefinition: &d})
		if want.Revision++; d.Version != want.Revision {
			s.Fatalf("revision %d, want %d", d.Version, want.Revision)
		}
		want.Definitions = append(want.Definitions, d)
	}
	groups := []metadata.Group{aGroup("staff", 2), aGroup("zz", 1), aGroup("a", 2), aGroup("first", 0)}
	for i := range groups {
		groups[i].Version = s.mustChangeScheme(org, metadata.SchemeChange{PutGroup: &groups[i]})
		want.Revision++
	}
	want.Groups = []metadata.Group{groups[3], groups[1], groups[2], groups[0]}
	slices.SortFunc(want.Definitions, func(a, b metadata.Definition) int { return cmp.Compare(a.Key, b.Key) })
	s.wantScheme(s.scheme(org), want)
}

func (s *suite) schemeVersions() {
	org := s.newOrg()
	d, g := aDefinition("plan"), aGroup("staff", 1)
	refused := func(code metadata.Code, c metadata.SchemeChange) {
		s.Helper()
		before := s.scheme(org)
		if revision, err := s.changeScheme(org, c); codeOf(err) != code {
			s.Errorf("%d, %v, want %s", revision, err, code)
		}
		s.wantScheme(s.scheme(org), before)
	}
	refused(metadata.NotFound, metadata.SchemeChange{PutDefinition: &d, IfVersion: 1})
	refused(metadata.NotFound, metadata.SchemeChange{DeleteDefinition: "plan", IfVersion: 1})
	refused(metadata.NotFound, metadata.SchemeChange{DeleteDefinition: "plan"})
	refused(metadata.NotFound, metadata.SchemeChange{PutGroup: &g, IfVersion: 7})
	refused(metadata.NotFound, metadata.SchemeChange{DeleteGroup: g.ID, IfVersion: 7})
	first := s.mustChangeScheme(org, metadata.SchemeChange{PutDefinition: &d})
	group := s.mustChangeScheme(org, metadata.SchemeChange{PutGroup: &g})
	refused(metadata.Conflict, metadata.SchemeChange{PutDefinition: &d})
	refused(metadata.Conflict, metadata.SchemeChange{DeleteDefinition: "plan"})
	refused(metadata.PreconditionFailed, metadata.SchemeChange{PutDefinition: &d, IfVersion: group})
	refused(metadata.PreconditionFailed, metadata.SchemeChange{DeleteGroup: g.ID, IfVersion: first})

	// Two groups of one slug, and two definitions that differ only in case, would be two of one name.
	second, upper := aGroup("staff", 2), aDefinition("Plan")
	refused(metadata.Conflict, metadata.SchemeChange{PutGroup: &second})
	refused(metadata.Conflict, metadata.SchemeChange{PutDefinition: &upper})
	second.Slug, second.Description = "staf", `"slug":"staff"`
	version := s.mustChangeScheme(org, metadata.SchemeChange{PutGroup: &second})
	second.Slug = "staff"
	refused(metadata.Conflict, metadata.SchemeChange{PutGroup: &second, IfVersion: version})

	g.Slug = "people"
	group = s.mustChangeScheme(org, metadata.SchemeChange{PutGroup: &g, IfVersion: group})
	s.mustChangeScheme(org, metadata.SchemeChange{PutGroup: &second, IfVersion: version})
	s.mustChangeScheme(org, metadata.SchemeChange{DeleteGroup: g.ID, IfVersion: group})
	s.mustChangeScheme(org, metadata.SchemeChange{DeleteDefinition: "plan", IfVersion: first})
	s.mustChangeScheme(org, metadata.SchemeChange{PutDefinition: &upper})
	got := s.scheme(org)
	if len(got.Groups) != 1 || got.Groups[0].ID != second.ID || len(got.Definitions) != 1 || got.Definitions[0].Key != "Plan" {
		s.Errorf("%+v", got)
	}
}

func (s *suite) schemeRepetition() {
	org := s.newOrg()
	d := aDefinition("plan")
	create := lay(metadata.SchemeChange{PutDefinition: &d})
	first := s.mustChangeScheme(org, create)
	d.Version = s.mustChangeScheme(org, metadata.SchemeChange{PutDefinition: &d, IfVersion: first})
	remove := lay(metadata.SchemeChange{DeleteDefinition: "plan", IfVersion: d.Version})
	removed := s.mustChangeScheme(org, remove)
	before := s.scheme(org)
	for range 2 {
		if revision, err := s.changeScheme(org, create); err != nil || revision != first {
			s.Errorf("the creation again is %d, %v, want %d", revision, err, first)
		}
		if revision, err := s.changeScheme(org, remove); err != nil || revision != removed {
			s.Errorf("the removal again is %d, %v, want %d", revision, err, removed)
		}
	}
	s.wantScheme(s.scheme(org), before)
	if _, past, err := s.store.SchemeHistory(s.Context(), org); err != nil || len(past) != 3 {
		s.Errorf("%d changes are remembered, %v", len(past), err)
	}
	for _, c := range []metadata.SchemeChange{{}, {PutDefinition: &d, DeleteGroup: "x"}} {
		if _, err := s.changeScheme(org, c); err == nil {
			s.Errorf("%+v is no single change", c)
		}
	}
}

func (s *suite) schemeHistory() {
	org := s.newOrg()
	d, g := aDefinition("a key: 1 2"), aGroup("staff", 1)
	var want []metadata.SchemeRevision // latest last
	step := func(c metadata.SchemeChange, r metadata.SchemeRevision) uint64 {
		s.Helper()
		c = lay(c)
		r.Revision, r.At, r.By, r.Via = s.mustChangeScheme(org, c), c.At, c.By, c.Via
		want = append(want, r)
		return r.Revision
	}
	version := step(metadata.SchemeChange{PutDefinition: &d, By: "user:jane"}, metadata.SchemeRevision{Key: d.Key})
	before := d
	before.Version = version
	d.Description = ""
	version = step(metadata.SchemeChange{PutDefinition: &d, IfVersion: version, At: start.Add(time.Hour)},
		metadata.SchemeRevision{Key: d.Key, Definition: &before})
	group := step(metadata.SchemeChange{PutGroup: &g}, metadata.SchemeRevision{GroupID: g.ID})
	gone := g
	gone.Version = group
	step(metadata.SchemeChange{DeleteGroup: g.ID, IfVersion: group}, metadata.SchemeRevision{GroupID: g.ID, Group: &gone})
	last := d
	last.Version = version
	step(metadata.SchemeChange{DeleteDefinition: d.Key, IfVersion: version}, metadata.SchemeRevision{Key: d.Key, Definition: &last})
	slices.Reverse(want)
	scheme, past, err := s.store.SchemeHistory(s.Context(), org)
	if diff := gocmp.Diff(want, past); err != nil || diff != "" {
		s.Errorf("history (-want +got): %v\n%s", err, diff)
	}
	s.wantScheme(scheme, s.scheme(org))

	const remembered = 1000
	d.Description = "again"
	version = 0
	for range remembered + 1 {
		version = s.mustChangeScheme(org, metadata.SchemeChange{PutDefinition: &d, IfVersion: version})
	}
	_, past, err = s.store.SchemeHistory(s.Context(), org)
	if err != nil || len(past) != remembered || past[0].Revision != version || past[remembered-1].Revision != version-remembered+1 {
		s.Errorf("%d changes are remembered, %v", len(past), err)
	}
}

func (s *suite) sharedClaims() {
	org := s.newOrg()
	staff, rest := aGroup("staff", 1), aGroup("rest", 2)
	s.mustChangeScheme(org, metadata.SchemeChange{PutGroup: &staff})
	version := s.mustChangeScheme(org, metadata.SchemeChange{PutGroup: &rest})
	for _, group := range []string{"", staff.ID, rest.ID} {
		o := metadata.Owner{Org: org, Group: group}
		s.share(o, set(claim("z", text("1"+group)), claim("a", text("2")), entry("b", text("no claim"))))
	}
	s.share(metadata.Owner{Org: org, Group: rest.ID}, remove("z"))
	got := s.scheme(org)
	want := map[string][]metadata.Claim{
		"":       {{Key: "a", JSON: `"2"`}, {Key: "z", JSON: `"1"`}},
		staff.ID: {{Key: "a", JSON: `"2"`}, {Key: "z", JSON: `"1` + staff.ID + `"`}},
		rest.ID:  {{Key: "a", JSON: `"2"`}},
	}
	if diff := gocmp.Diff(want, got.Shared); diff != "" || got.Revision != version+4 {
		s.Errorf("revision %d, want %d; shared (-want +got):\n%s", got.Revision, version+4, diff)
	}

	// The document of a group that is gone can be emptied and nothing else.
	s.mustChangeScheme(org, metadata.SchemeChange{DeleteGroup: rest.ID, IfVersion: version})
	o := metadata.Owner{Org: org, Group: rest.ID}
	filled := set(claim("a", text("2")))
	filled.Replace = true
	for name, p := range map[string]metadata.Patch{"writing": set(claim("a", text("2"))), "deleting": remove("a"), "replacing": filled} {
		if _, err := s.apply(o, p); codeOf(err) != metadata.NotFound {
			s.Errorf("%s in a group that is gone: %v", name, err)
		}
	}
	s.share(o, metadata.Patch{Replace: true})
	if doc, past, err := s.store.History(s.Context(), o, all, start); err != nil || len(doc.Entries) != 0 || len(past) != 3 {
		s.Errorf("%+v is left of a group that is gone, after %d changes; %v", doc, len(past), err)
	}
}

// schemeSnapshots has a writer count up in a definition, in the organisation's document and in a group's, in turn, and readers look for
// a moment at which these are not of one revision.
func (s *suite) schemeSnapshots() {
	const rounds = 60
	org := s.newOrg()
	group := aGroup("staff", 1)
	base := s.mustChangeScheme(org, metadata.SchemeChange{PutGroup: &group})
	var finished atomic.Bool
	var readers sync.WaitGroup
	defer readers.Wait()
	defer finished.Store(true)
	for range 3 {
		readers.Go(func() {
			for !finished.Load() {
				got, past, err := s.store.SchemeHistory(s.Context(), org)
				if err != nil {
					s.Error(err)
					return
				}
				made := int(got.Revision - base)
				want := func(step int) string { return strconv.Itoa((made + 2 - step) / 3) }
				has := []string{"0", "0", "0"}
				if len(got.Definitions) > 0 {
					has[0] = got.Definitions[0].Description
				}
				for i, id := range []string{"", group.ID} {
					if len(got.Shared[id]) > 0 {
						has[i+1] = got.Shared[id][0].JSON
					}
				}
				if has[0] != want(0) || has[1] != want(1) || has[2] != want(2) || len(past) != 1+(made+2)/3 {
					s.Errorf("after %d changes: %v and %d remembered", made, has, len(past))
					return
				}
			}
		})
	}
	version := uint64(0)
	for i := range rounds {
		n := strconv.Itoa(i + 1)
		d := metadata.Definition{Key: "k", Description: n}
		version = s.mustChangeScheme(org, metadata.SchemeChange{PutDefinition: &d, IfVersion: version})
		s.share(metadata.Owner{Org: org}, set(claim("k", json(n))))
		s.share(metadata.Owner{Org: org, Group: group.ID}, set(claim("k", json(n))))
	}
}

func (s *suite) schemeRaces() {
	org := s.newOrg()
	version := uint64(0)
	for range 10 {
		var won atomic.Uint64
		for _, err := range s.parallel(func(i int) error {
			d := metadata.Definition{Key: "k", Description: fmt.Sprint(i)}
			revision, err := s.changeScheme(org, metadata.SchemeChange{PutDefinition: &d, IfVersion: version})
			if err == nil && !won.CompareAndSwap(0, revision) {
				s.Error("two changes of one version")
			}
			return err
		}) {
			if code := codeOf(err); err != nil && code != metadata.PreconditionFailed && code != metadata.Conflict {
				s.Error(err)
			}
		}
		if version++; won.Load() != version {
			s.Fatalf("version %d, want %d", won.Load(), version)
		}
	}
}

func (s *suite) announcing() {
	org := s.newOrg()
	o := metadata.Owner{Org: org, User: s.users.New(s.T, User{Orgs: []string{org}})}
	write := func(scheme uint64) metadata.Code {
		s.Helper()
		p := set(entry("k", text("v")))
		p.Scheme = scheme
		_, err := s.apply(o, p)
		if err == metadata.ErrSchemeChanged { //nolint:errorlint // the contract is the error itself
			return "changed"
		}
		return codeOf(err)
	}
	if code := write(0); code != "" {
		s.Errorf("before there is a scheme: %s", code)
	}
	first := s.scheme(org)
	first.Revision = s.mustChangeScheme(org, metadata.SchemeChange{PutDefinition: &metadata.Definition{Key: "k"}})
	if got := s.scheme(org); got.Announced != 0 || write(0) != "" {
		s.Errorf("what was not announced is known: %+v", got)
	}
	second := s.scheme(org)
	second.Revision = s.mustChangeScheme(org, metadata.SchemeChange{PutDefinition: &metadata.Definition{Key: "l"}})
	for _, scheme := range []*metadata.Scheme{second, first, second} { // never back
		if err := s.store.Announce(s.Context(), scheme); err != nil {
			s.Fatal(err)
		}
		if got := s.scheme(org); got.Announced != second.Revision {
			s.Errorf("%d is announced, want %d", got.Announced, second.Revision)
		}
		for revision, want := range map[uint64]metadata.Code{0: "changed", first.Revision: "changed", second.Revision: ""} {
			if code := write(revision); code != want {
				s.Errorf("a change checked against %d is %q, want %q", revision, code, want)
			}
		}
	}
	if elsewhere := s.member(); s.get(elsewhere).Revision != 0 {
		s.Error("a new user has a document")
	} else if _, err := s.apply(elsewhere, set(entry("k", text("v")))); err != nil {
		s.Errorf("another organisation knows of the scheme: %v", err)
	}
}
