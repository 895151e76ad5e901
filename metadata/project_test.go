package metadata_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/claimsmith/claimsmith/metadata"
)

// laidDown is a fixture with definitions, a group and inherited entries, and entries of jane's.
func laidDown(t *testing.T) *historyFixture {
	f := newHistoryFixture(t)
	f.lay(metadata.SchemeChange{PutGroup: &metadata.Group{ID: "g1", Slug: "staff"}})
	f.define(metadata.Definition{Key: "score", Read: metadata.ForOperators, Default: `0`})
	f.define(metadata.Definition{Key: "color", Write: metadata.ForSelf, ProfileClaim: true, Places: []string{"userinfo"}})
	f.define(metadata.Definition{Key: "tier", Default: `"none"`, Clients: []string{"shop"}})
	f.write(metadata.Owner{}, metadata.Patch{Set: []metadata.Put{claim("plan", `"basic"`), claim("region", `"eu"`)}})
	f.write(metadata.Owner{Group: "g1"}, metadata.Patch{Set: []metadata.Put{claim("Plan", `"staff"`), claim("badge", `7`)}})
	groups := []string{"g1"}
	f.write(metadata.Owner{User: "u-jane"}, metadata.Patch{
		Set:    []metadata.Put{claim("role", `"user"`), claim("badge", `8`), claim("score", `99`), put("note", `"x"`)},
		Groups: &groups,
	})
	f.write(metadata.Owner{User: "u-jane", App: "portal"}, metadata.Patch{Set: []metadata.Put{claim("role", `"editor"`)}})
	f.events.take()
	return f
}

// tell writes down what a projection says of every candidate in the access token.
func tell(p *metadata.Projection) (lines []string) {
	for _, c := range p.Candidates {
		line := strings.TrimSpace(fmt.Sprintf("%s %s %s", c.Key, c.Source, c.Group)) + " " + c.JSON
		if c.HiddenBy != "" {
			line += " < " + string(c.HiddenBy)
		}
		if why := c.Why["access_token"]; why != "" {
			line += ": " + why
		}
		lines = append(lines, line)
	}
	return lines
}

func shownIn(p *metadata.Projection, place string) (lines []string) {
	for key, value := range p.ProfileClaims.In(place) {
		lines = append(lines, key+"="+value)
	}
	return lines
}

func (f *historyFixture) project(c metadata.Caller, app string, at metadata.Point, p *metadata.Proposal) metadata.Projection {
	f.t.Helper()
	made, err := f.Project(f.t.Context(), c, target("u-jane"), app, at, p)
	if err != nil {
		f.t.Fatal(err)
	}
	return made
}

func want[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestEveryEntryIsExplained(t *testing.T) {
	f := laidDown(t)
	p := f.project(operator, "portal", metadata.Point{}, nil)
	want(t, "an operator is told", tell(&p), []string{
		`badge user 8`,
		`badge group staff 7 < user`,
		`note user "x": the entry is not marked as a profile claim`,
		`Plan group staff "staff"`,
		`plan organisation "basic" < group`,
		`region organisation "eu"`,
		`role application "editor"`,
		`role user "user" < application`,
		`score user 99: its definition lets no service read it`,
		`score default 0 < user: its definition lets no service read it`,
		`tier default "none": its definition shows it to other clients only`,
	})
	want(t, "the access token", shownIn(&p, "access_token"), []string{`Plan="staff"`, `badge=8`, `region="eu"`, `role="editor"`})
	size := func(key, value string) int {
		return metadata.ClaimBytes(key, metadata.Restore(metadata.KindJSON, value))
	}
	want(t, "own bytes", p.OwnBytes, size("badge", "8")+size("role", `"user"`)+size("score", "99"))
	want(t, "the application's bytes", p.AppBytes, size("role", `"editor"`))
	want(t, "inherited bytes", p.InheritedBytes,
		size("Plan", `"staff"`)+size("badge", "7")+size("plan", `"basic"`)+size("region", `"eu"`)+size("tier", `"none"`))
	want(t, "the limit", p.Limits.InheritedBytes, 1<<20)

	all := f.project(operator, "", metadata.Point{}, nil)
	want(t, "who sees everything", shownIn(&all, "access_token"), []string{
		`Plan="staff"`, `badge=8`, `region="eu"`, `role="user"`, `tier="none"`,
	})
}

func TestOthersThanOperatorsAreNotToldWhatIsTheirs(t *testing.T) {
	f := laidDown(t)
	one := uint64(1)
	for name, point := range map[string]metadata.Point{"now": {}, "then": {Revision: &one, AppRevision: &one}} {
		for _, c := range []*caller{jane, reader} {
			p := f.project(c, "portal", point, nil)
			for _, line := range tell(&p) {
				if strings.Contains(line, "score") {
					t.Errorf("%s, %s is told of %s", name, c.ref, line)
				}
			}
			if _, there := p.Document.Entry("score"); there || len(p.Candidates) != 9 {
				t.Errorf("%s, %s is told %v", name, c.ref, tell(&p))
			}
			if p.OwnBytes != f.project(operator, "portal", point, nil).OwnBytes {
				t.Errorf("%s, %s is told of %d bytes", name, c.ref, p.OwnBytes)
			}
		}
	}
	// What was nobody's secret then and is the operators' now is not told either.
	revision := f.scheme().Revision
	f.define(metadata.Definition{Key: "region", Read: metadata.ForOperators})
	then := metadata.Point{OrgRevision: &revision}
	p := f.project(jane, "portal", then, nil)
	want(t, "jane is told", shownIn(&p, "access_token"), []string{`Plan="staff"`, `badge=8`, `role="editor"`})
	p = f.project(operator, "portal", then, nil)
	want(t, "an operator is told", shownIn(&p, "access_token"), []string{`Plan="staff"`, `badge=8`, `region="eu"`, `role="editor"`})

	for _, c := range []*caller{john, acmeOperator, powerless} {
		_, err := f.Project(t.Context(), c, metadata.Target{Org: "default", User: "u-jane"}, "portal", metadata.Point{}, nil)
		wantCode(t, c.ref, err, metadata.NotFound)
	}
}

func TestAProposalIsOnlyThoughtOf(t *testing.T) {
	f := laidDown(t)
	none := []string{}
	before, app := f.document(metadata.Owner{User: "u-jane"}), f.document(metadata.Owner{User: "u-jane", App: "portal"})
	p := f.project(operator, "portal", metadata.Point{}, &metadata.Proposal{
		Change: metadata.Change{Set: []metadata.Put{claim("region", `"us"`)}, Delete: []string{"badge"}, Brief: true}, Groups: &none,
	})
	want(t, "without the group", shownIn(&p, "access_token"), []string{`plan="basic"`, `region="us"`, `role="editor"`})
	want(t, "the revision", p.ProfileClaims.Revision, before.Revision+1)
	p = f.project(operator, "portal", metadata.Point{}, &metadata.Proposal{App: true, Change: metadata.Change{Replace: true}})
	want(t, "without the application's entries", shownIn(&p, "access_token"), []string{
		`Plan="staff"`, `badge=8`, `region="eu"`, `role="user"`,
	})
	want(t, "the application's revision", p.ProfileClaims.AppRevision, app.Revision+1)
	p = f.project(jane, "", metadata.Point{}, &metadata.Proposal{
		Change: metadata.Change{Set: []metadata.Put{{Key: "color", Value: metadata.Restore(metadata.KindJSON, `"red"`), Unmarked: true}}},
	})
	want(t, "what jane may change", shownIn(&p, "userinfo"), []string{
		`Plan="staff"`, `badge=8`, `color="red"`, `region="eu"`, `role="user"`, `tier="none"`,
	})
	if events := f.events.take(); len(events) != 0 {
		t.Errorf("recorded %+v", events)
	}
	want(t, "the document", contents(f.document(metadata.Owner{User: "u-jane"})), contents(before))
	want(t, "the application's document", contents(f.document(metadata.Owner{User: "u-jane", App: "portal"})), contents(app))
	if past, _, err := f.History(t.Context(), operator, target("u-jane"), "", metadata.Page{}); err != nil || len(past) != 1 {
		t.Errorf("the history is %v, %v", past, err)
	}
}

func TestProposalsThatAreRefused(t *testing.T) {
	f := laidDown(t)
	one, unknown, staff := uint64(1), []string{"nobody"}, []string{"staff"}
	role := metadata.Change{Set: []metadata.Put{claim("role", `"admin"`)}}
	for _, test := range []struct {
		name   string
		caller *caller
		target metadata.Target
		app    string
		at     metadata.Point
		p      *metadata.Proposal
		code   metadata.Code
	}{
		{"a user about his claims", jane, target("me"), "portal", metadata.Point{}, &metadata.Proposal{Change: role}, metadata.Forbidden},
		{"a user about his groups", jane, target("me"), "portal", metadata.Point{}, &metadata.Proposal{Groups: &staff}, metadata.Forbidden},
		{"a reader", reader, target("jane"), "portal", metadata.Point{}, &metadata.Proposal{Change: role}, metadata.Forbidden},
		{"another user", john, target("jane"), "portal", metadata.Point{}, &metadata.Proposal{Change: role}, metadata.NotFound},
		{"an unknown group", operator, target("jane"), "portal", metadata.Point{}, &metadata.Proposal{Groups: &unknown}, metadata.Invalid},
		{"groups of an application", operator, target("jane"), "portal", metadata.Point{},
			&metadata.Proposal{Groups: &staff, App: true}, metadata.Invalid},
		{"no application", operator, target("jane"), "", metadata.Point{}, &metadata.Proposal{Change: role, App: true}, metadata.Invalid},
		{"in the past", operator, target("jane"), "portal", metadata.Point{Revision: &one}, &metadata.Proposal{Change: role}, metadata.Invalid},
		{"over the budget", operator, target("jane"), "portal", metadata.Point{}, &metadata.Proposal{Change: metadata.Change{
			Set: []metadata.Put{claim("role", `"`+strings.Repeat("x", 5000)+`"`)},
		}}, metadata.LimitExceeded},
		{"no such client id", operator, target("jane"), "a b", metadata.Point{}, nil, metadata.Invalid},
		{"a shared document", operator, metadata.Target{Shared: true}, "", metadata.Point{}, nil, metadata.Invalid},
		{"an application's document", operator, metadata.Target{User: "jane", App: "portal"}, "", metadata.Point{}, nil, metadata.Invalid},
	} {
		_, err := f.Project(t.Context(), test.caller, test.target, test.app, test.at, test.p)
		if codeOf(err) != test.code {
			t.Errorf("%s: %v, want %s", test.name, err, test.code)
		}
	}
}
