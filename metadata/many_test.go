package metadata_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/claimsmith/claimsmith/metadata"
	"github.com/claimsmith/claimsmith/metadata/storetest"
)

// What is said of a user who is not there yet is what happens to him once he is.
func TestWhatNewcomersAreRefusedForIsKnownBefore(t *testing.T) {
	l := newLaws(t)
	l.define(metadata.Definition{Key: "plan", Claim: metadata.ClaimAlways, Schema: `{"enum":["gold","silver"]}`})
	l.define(metadata.Definition{Key: "note", Claim: metadata.ClaimNever, MaxBytes: 8})
	l.define(metadata.Definition{Key: "theme", ProfileClaim: true, Write: metadata.ForSelf})
	for n := range 3 {
		g := l.group(fmt.Sprint("g", n), n)
		_, err := l.Apply(t.Context(), operator, metadata.Target{Shared: true, Group: g.Slug},
			metadata.Change{Set: []metadata.Put{claim(fmt.Sprint("inherited", n), `"`+strings.Repeat("x", 20)+`"`)}}, none)
		if err != nil {
			t.Fatal(err)
		}
	}
	limits := metadata.DefaultLimits
	limits.Entries, limits.DocumentBytes, limits.ClaimsBytes, limits.InheritedBytes = 4, 120, 110, 100
	l.Limits = func(context.Context, string) (metadata.Limits, error) { return limits, nil }

	user := 0
	verdict := func(change metadata.Change, groups []string) (metadata.Code, error) {
		before := l.CheckNew(t.Context(), operator, "default", change, &groups)
		user++
		id := fmt.Sprint("newcomer-", user)
		l.users.New(t, storetest.User{ID: id, Orgs: []string{"default"}})
		dry, err := l.Make(t.Context(), operator, target(id), change, &groups, none, true)
		if codeOf(err) != codeOf(before) {
			return "", fmt.Errorf("he is refused with %w, a dry run with %w", before, err)
		}
		doc, err := l.Make(t.Context(), operator, target(id), change, &groups, none, false)
		if codeOf(err) != codeOf(before) {
			return "", fmt.Errorf("he is refused with %w, and then with %w", before, err)
		}
		if diff := cmp.Diff(doc, dry, cmp.AllowUnexported(metadata.Value{})); diff != "" {
			return "", fmt.Errorf("the dry run foresaw otherwise:\n%s", diff)
		}
		return codeOf(before), nil
	}
	long := `"` + strings.Repeat("x", 12) + `"`
	rapid.Check(t, func(rt *rapid.T) {
		puts := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) metadata.Put {
			return metadata.Put{
				Key:          rapid.SampledFrom([]string{"plan", "note", "theme", "a", "A", "a", "A", "b", "c", "a/b"}).Draw(rt, "key"),
				Value:        metadata.Restore(metadata.KindJSON, rapid.SampledFrom([]string{`"gold"`, `1`, long}).Draw(rt, "value")),
				ProfileClaim: rapid.Bool().Draw(rt, "claim"), Unmarked: rapid.Bool().Draw(rt, "unmarked"),
			}
		}), 0, 5).Draw(rt, "puts")
		groups := rapid.SliceOfN(rapid.SampledFrom([]string{"g0", "g1", "g2", "g3"}), 0, 3).Draw(rt, "groups")
		if _, err := verdict(metadata.Change{Set: puts}, groups); err != nil {
			rt.Fatal(err)
		}
	})
	for _, c := range []struct {
		puts   []metadata.Put
		groups []string
		want   metadata.Code
	}{
		{nil, nil, ""},
		{[]metadata.Put{claim("a", "1"), put("A", "1")}, []string{"g0", "g1"}, ""},
		{[]metadata.Put{claim("a", "1"), claim("A", "1")}, nil, metadata.Conflict},
		{[]metadata.Put{claim("a", long), claim("A", long), claim("b", long), claim("c", long)}, nil, metadata.LimitExceeded},
		{[]metadata.Put{put("1", "1"), put("2", "1"), put("3", "1"), put("4", "1"), put("5", "1")}, nil, metadata.LimitExceeded},
		{[]metadata.Put{put("note", long)}, nil, metadata.LimitExceeded},
		{nil, []string{"g0", "g1", "g2"}, metadata.LimitExceeded},
		{nil, []string{"g3"}, metadata.Invalid},
		{[]metadata.Put{put("plan", `"gold"`)}, nil, metadata.Invalid},
		{[]metadata.Put{claim("plan", "1")}, nil, metadata.Invalid},
		{[]metadata.Put{claim("a/b", "1")}, nil, metadata.Invalid},
	} {
		if got, err := verdict(metadata.Change{Set: c.puts}, c.groups); got != c.want || err != nil {
			t.Errorf("%v in %v: %q, want %q (%v)", c.puts, c.groups, got, c.want, err)
		}
	}
}

// Entries and groups are one change, of one revision; a dry run is none.
func TestMakeIsOneChange(t *testing.T) {
	l := newLaws(t)
	l.group("staff", 0)
	change := metadata.Change{Set: []metadata.Put{put("a", "1")}}
	staff, nowhere := []string{"staff"}, []string{"nowhere"}
	doc, err := l.Make(t.Context(), operator, target("john"), change, &staff, none, true)
	if err != nil || doc.Revision != 1 || len(doc.Groups) != 1 || l.groupsOf("u-john") != "" {
		t.Errorf("a dry run makes %+v, %v, groups %q", doc, err, l.groupsOf("u-john"))
	}
	doc, err = l.Make(t.Context(), operator, target("john"), change, &staff, none, false)
	if err != nil || doc.Revision != 1 || l.groupsOf("u-john") != "staff" {
		t.Errorf("made is %+v, %v, groups %q", doc, err, l.groupsOf("u-john"))
	}
	old := metadata.Precondition{IfMatch: &metadata.Condition{Revisions: []uint64{0}}}
	_, err = l.Make(t.Context(), operator, target("john"), change, &[]string{}, old, false)
	wantOnly(t, "another revision", err, metadata.PreconditionFailed)
	_, err = l.Make(t.Context(), operator, target("john"), change, &nowhere, none, false)
	wantOnly(t, "a group that is not there", err, metadata.Invalid)
	// Nobody else is told which groups there are.
	for _, c := range []*caller{reader, john, powerless, acmeOperator} {
		_, some := l.Make(t.Context(), c, metadata.Target{Org: "default", User: "u-john"}, change, &staff, none, false)
		_, other := l.Make(t.Context(), c, metadata.Target{Org: "default", User: "u-john"}, change, &nowhere, none, false)
		if some == nil || other == nil || some.Error() != other.Error() {
			t.Errorf("%s: %v and %v", c.ref, some, other)
		}
	}
	if got := l.groupsOf("u-john"); got != "staff" {
		t.Errorf("he is in %q", got)
	}
}

func TestManyAreReadByTheRulesOfOne(t *testing.T) {
	l := newLaws(t)
	l.define(metadata.Definition{Key: "secret", Read: metadata.ForOperators, Claim: metadata.ClaimNever})
	for _, user := range []string{"u-jane", "u-john"} {
		change := metadata.Change{Set: []metadata.Put{put("secret", "1"), put("open", "2")}}
		if _, err := l.Apply(t.Context(), operator, target(user), change, none); err != nil {
			t.Fatal(err)
		}
	}
	for c, want := range map[*caller]string{operator: "open secret", reader: "open"} {
		all, err := l.GetAll(t.Context(), c, "default", []string{"u-john", "u-acme", "nobody", "u-jane"})
		if err != nil || len(all) != 4 || all[1] != nil || all[2] != nil {
			t.Fatalf("%v, %v", all, err)
		}
		for _, n := range []int{0, 3} {
			var keys []string
			for _, e := range all[n].Entries {
				keys = append(keys, e.Key)
			}
			if got := strings.Join(keys, " "); got != want {
				t.Errorf("%s reads %q, want %q", c.ref, got, want)
			}
		}
	}
	for _, c := range []*caller{jane, powerless, acmeOperator} {
		if all, err := l.GetAll(t.Context(), c, "default", []string{"u-jane"}); codeOf(err) != metadata.NotFound || all != nil {
			t.Errorf("%s: %v, %v", c.ref, all, err)
		}
		if all, err := l.AllGroups(t.Context(), c, "default"); codeOf(err) != metadata.NotFound || all != nil {
			t.Errorf("%s: %v, %v", c.ref, all, err)
		}
		if err := l.CheckNew(t.Context(), c, "default", metadata.Change{}, nil); err == nil {
			t.Errorf("%s may create users", c.ref)
		}
		if err := l.CheckNewApplications(t.Context(), c, "default", 0); err == nil {
			t.Errorf("%s may create users with applications", c.ref)
		}
	}
}

func TestNewApplicationsAreCounted(t *testing.T) {
	l := newLaws(t)
	l.limits.Applications = 3
	for n, want := range map[int]metadata.Code{0: "", 3: "", 4: metadata.LimitExceeded} {
		if err := l.CheckNewApplications(t.Context(), operator, "default", n); codeOf(err) != want {
			t.Errorf("%d: %v, want %q", n, err, want)
		}
	}
}
