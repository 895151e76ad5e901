package metadata_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/claimsmith/claimsmith/internal/redistest"
	"github.com/claimsmith/claimsmith/metadata"
)

func slugs(groups []metadata.Group) string {
	var list []string
	for _, g := range groups {
		list = append(list, g.Slug)
	}
	return strings.Join(list, " ")
}

func (l *laws) groupsOf(user string) string {
	l.t.Helper()
	groups, _, err := l.GroupsOf(l.t.Context(), operator, target(user))
	if err != nil {
		l.t.Fatal(err)
	}
	return slugs(groups)
}

func TestGroupsAreCreatedChangedAndRemoved(t *testing.T) {
	l := newLaws(t)
	text := func(s string) *string { return &s }
	number := func(n int) *int { return &n }
	for name, change := range map[string]metadata.GroupChange{
		"no slug": {}, "a bad slug": {Slug: text("Staff!")}, "an order below 0": {Slug: text("x"), Order: number(-1)},
		"an order beyond a million": {Slug: text("x"), Order: number(1_000_001)}, "a long name": {Slug: text("x"), Name: text(strings.Repeat("x", 201))},
		"a name of control characters": {Slug: text("x"), Name: text("a\x00b")},
	} {
		_, err := l.CreateGroup(t.Context(), operator, "", change)
		wantOnly(t, name, err, metadata.Invalid)
	}
	b, a, c := l.group("b", 1), l.group("a", 1), l.group("c", 0)
	if a.ID == b.ID || len(a.ID) < 20 || a.Version <= b.Version {
		t.Errorf("%+v, %+v", a, b)
	}
	_, err := l.CreateGroup(t.Context(), operator, "", metadata.GroupChange{Slug: text("a")})
	wantOnly(t, "a slug that is taken", err, metadata.Conflict)
	all, next, err := l.Groups(t.Context(), operator, "", metadata.Page{Limit: 2})
	if err != nil || slugs(all) != "c a" || next == "" {
		t.Errorf("%s, %q, %v", slugs(all), next, err)
	}
	all, next, err = l.Groups(t.Context(), operator, "", metadata.Page{Limit: 2, After: next})
	if err != nil || slugs(all) != "b" || next != "" {
		t.Errorf("%s, %q, %v", slugs(all), next, err)
	}

	_, err = l.UpdateGroup(t.Context(), operator, "", "b", &a.Version, metadata.GroupChange{Name: text("B")})
	wantOnly(t, "changing what it is not", err, metadata.PreconditionFailed)
	_, err = l.UpdateGroup(t.Context(), operator, "", "b", nil, metadata.GroupChange{Slug: text("a")})
	wantOnly(t, "taking another's slug", err, metadata.Conflict)
	changed, err := l.UpdateGroup(t.Context(), operator, "", "b", &b.Version, metadata.GroupChange{Slug: text("bee"), Name: text("B"), Order: number(0)})
	if err != nil || changed.ID != b.ID || changed.Version <= c.Version || changed.Name != "B" || !changed.CreatedAt.Equal(now) {
		t.Errorf("%+v, %v", changed, err)
	}
	got, err := l.Group(t.Context(), operator, "", "bee")
	if diff := cmp.Diff(changed, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}

	l.must(operator, ofGroup("bee"), claim("plan", `"team"`))
	if err := l.Join(t.Context(), operator, target("jane"), "bee"); err != nil {
		t.Fatal(err)
	}
	if got := l.tokens("u-jane"); !cmp.Equal(got, []string{`plan="team"`}) {
		t.Errorf("a member's token says %v", got)
	}
	wantOnly(t, "removing what it is not", l.DeleteGroup(t.Context(), operator, "", "bee", &b.Version), metadata.PreconditionFailed)
	wantOnly(t, "removing it", l.DeleteGroup(t.Context(), operator, "", "bee", &changed.Version), "")
	wantOnly(t, "removing it again", l.DeleteGroup(t.Context(), operator, "", "bee", nil), metadata.NotFound)
	if got := l.tokens("u-jane"); got != nil || l.groupsOf("jane") != "" {
		t.Errorf("after the group's end a member's token says %v", got)
	}
	again := l.group("bee", 0)
	if got := l.tokens("u-jane"); again.ID == b.ID || got != nil {
		t.Errorf("a group of the same slug: %v", got)
	}
	_, err = l.Get(t.Context(), operator, ofGroup("gone"))
	wantOnly(t, "the document of no group", err, metadata.NotFound)
	_, err = l.apply(operator, ofGroup("gone"), put("k", `1`))
	wantOnly(t, "a change of it", err, metadata.NotFound)
	_, err = l.apply(operator, metadata.Target{Shared: true, App: "web"}, put("k", `1`))
	wantOnly(t, "an application's shared document", err, metadata.Invalid)
}

func TestMembers(t *testing.T) {
	l := newLaws(t)
	l.group("staff", 1)
	l.group("vip", 0)
	for range 2 { // being there already is no error
		for _, user := range []string{"u-jane", "john"} {
			if err := l.Join(t.Context(), operator, target(user), "staff"); err != nil {
				t.Fatal(err)
			}
		}
	}
	members := func() string {
		t.Helper()
		users, _, err := l.Members(t.Context(), operator, "", "staff", metadata.Page{Limit: 10})
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(len(users), strings.Join(users, " "))
	}
	if got := members(); !strings.HasPrefix(got, "2") {
		t.Error(got)
	}
	groups, revision, err := l.SetGroups(t.Context(), operator, target("jane"), []string{"staff", "vip", "staff"}, none)
	if err != nil || slugs(groups) != "vip staff" || revision != 2 {
		t.Errorf("%s, revision %d, %v", slugs(groups), revision, err)
	}
	_, revision, err = l.GroupsOf(t.Context(), jane, target("me"))
	if err != nil || revision != 2 {
		t.Errorf("revision %d, %v", revision, err)
	}
	_, _, err = l.SetGroups(t.Context(), operator, target("jane"), nil, metadata.Precondition{IfMatch: &metadata.Condition{Revisions: []uint64{1}}})
	wantOnly(t, "setting those of another revision", err, metadata.PreconditionFailed)
	_, _, err = l.SetGroups(t.Context(), operator, target("jane"), []string{"nobody"}, none)
	wantOnly(t, "a group that is none", err, metadata.Invalid)
	wantOnly(t, "joining it", l.Join(t.Context(), operator, target("jane"), "nobody"), metadata.NotFound)
	wantOnly(t, "a user who is none", l.Join(t.Context(), operator, target("nobody"), "staff"), metadata.NotFound)
	_, _, err = l.SetGroups(t.Context(), jane, target("me"), []string{"staff"}, none)
	wantOnly(t, "one's own groups", err, metadata.Forbidden)
	l.must(operator, target("jane"), put("k", `1`))
	for range 2 {
		if err := l.Leave(t.Context(), operator, target("jane"), "staff"); err != nil {
			t.Fatal(err)
		}
	}
	if got := members(); got != "1u-john" || l.groupsOf("jane") != "vip" {
		t.Errorf("members %s, groups of jane: %s", got, l.groupsOf("jane"))
	}
	var many []string
	for i := range metadata.MaxGroupsOfUser + 1 {
		many = append(many, l.group(fmt.Sprint("g", i), 5).Slug)
	}
	_, _, err = l.SetGroups(t.Context(), operator, target("jane"), many, none)
	wantOnly(t, "more groups than one may be in", err, metadata.LimitExceeded)
	if _, _, err = l.SetGroups(t.Context(), operator, target("jane"), many[1:], none); err != nil {
		t.Error(err)
	}
}

func TestNobodyInheritsTooMuch(t *testing.T) {
	l := newLaws(t)
	l.limits.InheritedBytes = 200
	l.group("a", 1)
	l.group("b", 2)
	sixty := `"` + strings.Repeat("x", 60) + `"` // 62 and 13 and the key: 76
	l.must(operator, ofGroup("a"), claim("a", sixty))
	l.must(operator, ofGroup("b"), claim("b", sixty))
	_, err := l.apply(operator, ofGroup("b"), claim("c", sixty), claim("d", sixty))
	wantOnly(t, "a document that alone is too much", err, metadata.LimitExceeded)
	if _, _, err := l.SetGroups(t.Context(), operator, target("jane"), []string{"a", "b"}, none); err != nil {
		t.Fatal(err)
	}
	_, err = l.apply(operator, ofOrg, claim("o", sixty))
	wantExceeded(t, err, "bytes of profile claims inherited by users, 1 of whom would have too many: 228, the limit is 200")
	_, err = l.apply(operator, ofGroup("a"), claim("a", `"`+strings.Repeat("x", 110)+`"`))
	wantOnly(t, "an entry that grows", err, metadata.LimitExceeded)
	l.must(operator, ofGroup("a"), put("z", sixty), claim("a", `1`)) // no claim, and less of one
	l.must(operator, ofOrg, claim("o", sixty))
	if err := l.Join(t.Context(), operator, target("john"), "a"); err != nil {
		t.Fatal(err)
	}
	if err := l.Join(t.Context(), operator, target("john"), "b"); err != nil {
		t.Fatal(err)
	}
	_, err = l.apply(operator, ofGroup("a"), claim("a", sixty))
	wantOnly(t, "a third of 76", err, metadata.LimitExceeded)
	_, _, err = l.Define(t.Context(), operator, "", metadata.Definition{Key: "p", Default: sixty}, nil, metadata.Accept{Violations: true, SelfWrite: true})
	wantExceeded(t, err, `"p": bytes of profile claims inherited by users, 2 of whom would have too many: 243, the limit is 200`)
	if err := l.Leave(t.Context(), operator, target("john"), "b"); err != nil {
		t.Fatal(err)
	}
	l.limits.InheritedBytes = 50 // lowered later: what there is may be cut down, and not grow
	err = l.Join(t.Context(), operator, target("john"), "b")
	wantExceeded(t, err, "bytes of profile claims that the user would inherit: 167, the limit is 50")
	if err := l.Leave(t.Context(), operator, target("jane"), "b"); err != nil {
		t.Error(err)
	}
	l.must(operator, ofOrg, claim("o", `2`))
}

// Whoever comes to an organisation inherits its document and the defaults, also the first.
func TestNobodyToComeInheritsTooMuch(t *testing.T) {
	l := newLaws(t)
	for _, user := range []string{"u-jane", "u-john"} {
		l.users.Leave(t, user, "default")
	}
	l.limits.InheritedBytes = 200
	big := `"` + strings.Repeat("x", 100) + `"`
	l.group("a", 1)
	l.must(operator, ofGroup("a"), claim("a", big))
	l.must(operator, ofOrg, claim("o", big))
	d := metadata.Definition{Key: "p", Default: big}
	report := l.check(d)
	_, _, err := l.Define(t.Context(), operator, "", d, nil, metadata.Accept{})
	wantExceeded(t, err, "the limit is 200")
	if report.OverBudget != 1 {
		t.Errorf("%+v", report)
	}
	if _, err := l.Apply(t.Context(), operator, ofOrg, metadata.Change{Delete: []string{"o"}}, none); err != nil {
		t.Fatal(err)
	}
	l.define(d)
	_, err = l.apply(operator, ofOrg, claim("o", big))
	wantExceeded(t, err, "the limit is 200")
	l.limits.InheritedBytes = 50 // lowered later
	l.define(metadata.Definition{Key: "p", Default: `"` + strings.Repeat("x", 90) + `"`})
	l.must(operator, ofOrg, put("o", big))
}

// A group that somebody changes at whatever moment of its deletion is there with all its document has, or gone.
func TestARefusedDeletionLeavesAGroupsDocument(t *testing.T) {
	refused := 0
	for n := 1; ; n++ {
		l := newLaws(t)
		g := l.group("a", 1)
		l.must(operator, ofGroup("a"), claim("k", `1`))
		deleting, changing := l.another(), l.another()
		name := "changed"
		hook := &between{Store: deleting.Store, n: n, then: func() {
			_, err := changing.UpdateGroup(context.Background(), operator, "", "a", nil, metadata.GroupChange{Name: &name})
			if err != nil && codeOf(err) != metadata.NotFound {
				t.Error(err)
			}
		}}
		deleting.Store, deleting.Schemes.Store = hook, hook
		err := deleting.DeleteGroup(t.Context(), operator, "", "a", &g.Version)
		if hook.n > 0 {
			break
		}
		doc, _, docErr := l.Store.History(t.Context(), metadata.Owner{Org: "default", Group: g.ID}, metadata.DefaultLimits.History, now)
		if want := map[bool]int{true: 1}[err != nil]; docErr != nil || len(doc.Entries) != want {
			t.Errorf("step %d: %v, and its document is %+v, %v", n, err, doc, docErr)
		}
		if err != nil {
			refused++
			wantOnly(t, "DeleteGroup", err, metadata.PreconditionFailed)
		}
	}
	if refused == 0 {
		t.Error("it was never refused")
	}
}

func wantExceeded(t *testing.T, err error, figures string) {
	t.Helper()
	if codeOf(err) != metadata.LimitExceeded || !strings.HasSuffix(err.Error(), figures) {
		t.Errorf("%v, want %s", err, figures)
	}
}

// Somebody joins a group at whatever moment of a change of what its members inherit: he is refused, or the change is.
func TestNoRaceMakesAnybodyInheritTooMuch(t *testing.T) {
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		big := `"` + strings.Repeat("x", 100) + `"`
		for n := 1; ; n++ {
			flush(t, b)
			l := lawsOver(t, b)
			l.limits.InheritedBytes = 200
			l.group("a", 1)
			l.group("b", 2)
			l.must(operator, ofGroup("a"), claim("a", big), put("kept", `1`), claim("gone", `1`))
			l.must(operator, ofGroup("b"), claim("b", `1`), put("kept", `"b"`), claim("gone", `"b"`))
			if err := l.Join(t.Context(), operator, target("jane"), "a"); err != nil {
				t.Fatal(err)
			}
			changing, joining := l.another(), l.another()
			if _, err := joining.Schemes.Of(t.Context(), "default"); err != nil {
				t.Fatal(err)
			}
			var joined error
			hook := &between{Store: changing.Store, n: n, then: func() {
				joined = joining.Join(context.Background(), operator, target("jane"), "b")
			}}
			changing.Store, changing.Schemes.Store = hook, hook
			change := metadata.Change{Set: []metadata.Put{claim("b", big), claim("new", `1`)}, Delete: []string{"gone"}}
			_, changed := changing.Apply(t.Context(), operator, ofGroup("b"), change, none)
			if hook.n > 0 {
				if n < 4 {
					t.Errorf("it was made in %d steps", n-1)
				}
				break
			}
			t.Logf("step %d: joined %v, changed %v", n, joined, changed)
			for _, err := range []error{joined, changed} {
				if code := codeOf(err); code != "" && code != metadata.LimitExceeded {
					t.Fatalf("step %d: %v", n, err)
				}
			}
			if (joined == nil) == (changed == nil) {
				t.Errorf("step %d: joined %v, changed %v", n, joined, changed)
			}
			doc, err := l.Get(t.Context(), operator, ofGroup("b"))
			if err != nil {
				t.Fatal(err)
			}
			var state []string
			for _, e := range doc.Entries {
				state = append(state, fmt.Sprintf("%s %t %s", e.Key, e.ProfileClaim, e.Value.Raw()))
			}
			want := []string{`b true 1`, `gone true "b"`, `kept false "b"`}
			if changed == nil {
				want = []string{`b true ` + big, `kept false "b"`, `new true 1`}
			}
			if diff := cmp.Diff(want, state); diff != "" {
				t.Errorf("step %d (-want +got):\n%s", n, diff)
			}
		}
	})
}

func TestManyChangeOneSharedDocument(t *testing.T) {
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		l := lawsOver(t, b)
		instances := []*metadata.Service{l.another(), l.another()}
		var wait sync.WaitGroup
		for i := range 40 {
			wait.Go(func() {
				change := sets(claim(fmt.Sprintf("k%d", i), `1`))
				if _, err := instances[i%2].Apply(context.Background(), operator, ofOrg, change, none); err != nil {
					t.Error(err)
				}
			})
		}
		wait.Wait()
		if doc, err := l.Get(t.Context(), operator, ofOrg); err != nil || len(doc.Entries) != 40 || doc.Revision != 40 {
			t.Errorf("%d entries at revision %d, %v", len(doc.Entries), doc.Revision, err)
		}
	})
}
