package metadata_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/claimsmith/claimsmith/internal/audit"
	"github.com/claimsmith/claimsmith/metadata"
)

// lay lays down definitions and groups as they are given.
func (f *fixture) lay(t *testing.T, org string, changes ...metadata.SchemeChange) {
	t.Helper()
	for i, change := range changes {
		change.By, change.At, change.Op = "token:op", now, string(rune('a'+i))
		if _, err := f.Store.ChangeScheme(t.Context(), org, change); err != nil {
			t.Fatal(err)
		}
	}
	f.Schemes.Forget(org)
	if _, err := f.Schemes.Latest(t.Context(), org); err != nil { // announces it
		t.Fatal(err)
	}
}

func definition(d metadata.Definition) metadata.SchemeChange {
	return metadata.SchemeChange{PutDefinition: &d}
}

func searchFixture(t *testing.T) *fixture {
	f := newFixture(t)
	f.lay(t, "default",
		definition(metadata.Definition{Key: "plan", Searchable: true, Indexed: true}),
		definition(metadata.Definition{Key: "risk", Searchable: true, Indexed: true, Read: metadata.ForOperators, Claim: metadata.ClaimNever}),
		definition(metadata.Definition{Key: "new", Searchable: true}),
		definition(metadata.Definition{Key: "plain", Indexed: true}),
		metadata.SchemeChange{PutGroup: &metadata.Group{ID: "id-of-staff", Slug: "staff"}},
	)
	scheme, err := f.Schemes.Latest(t.Context(), "default")
	if err != nil {
		t.Fatal(err)
	}
	for user, plan := range map[string]string{"u-jane": `"gold*"`, "u-john": `"golden"`} {
		v := metadata.Restore(metadata.KindJSON, plan)
		p := metadata.Patch{
			Set:    []metadata.Put{{Key: "plan", Value: v, Term: metadata.TermOf(v)}, {Key: "risk", Value: v, Term: metadata.TermOf(v)}},
			Scheme: scheme.Revision, Limits: metadata.DefaultLimits, ChangedBy: "token:op", At: now, Op: "op-" + user,
		}
		if user == "u-jane" {
			p.Groups = &[]string{"id-of-staff"}
		}
		if _, err := f.Store.Apply(t.Context(), metadata.Owner{Org: "default", User: user}, p); err != nil {
			t.Fatal(err)
		}
	}
	f.events.take()
	return f
}

func having(key string) metadata.Query { return metadata.Query{Has: &metadata.Match{Key: key}} }

func beginning(key, text string) metadata.Query {
	return metadata.Query{Has: &metadata.Match{Key: key, Prefix: &text}}
}

func equalTo(key, json string) metadata.Query {
	term := metadata.TermOf(metadata.Restore(metadata.KindJSON, json))
	return metadata.Query{Has: &metadata.Match{Key: key, Equals: &term}}
}

func allOf(parts ...metadata.Query) metadata.Query { return metadata.Query{All: parts} }

func TestSearching(t *testing.T) {
	f := searchFixture(t)
	both := []string{"u-jane", "u-john"}
	for _, test := range []struct {
		name  string
		query metadata.Query
		want  []string
	}{
		{"a key", having("plan"), both},
		{"a value", equalTo("plan", `"golden"`), both[1:]},
		{"a value in another spelling", equalTo("plan", `"gold\u002a"`), both[:1]},
		{"no value is a pattern", equalTo("plan", `"*"`), nil},
		{"the beginning of a text", beginning("plan", "gold"), both},
		{"no beginning is a pattern", beginning("plan", "gold*"), both[:1]},
		{"the beginning of no text", beginning("plan", "g?"), nil},
		{"the longest beginning", beginning("plan", strings.Repeat("g", metadata.MaxTermBytes)), nil},
		{"every text", beginning("plan", ""), both},
		{"a group", metadata.Query{Group: "staff"}, both[:1]},
		{"a name", metadata.Query{Handle: "J"}, both},
		{"an address", metadata.Query{Handle: "JANE@"}, both[:1]},
		{"a name's second spelling", metadata.Query{Handle: "joh\u006e"}, both[1:]},
		{"no name is a pattern", metadata.Query{Handle: "j*"}, nil},
		{"not", metadata.Query{Not: &metadata.Query{Group: "staff"}}, both[1:]},
		{"all", allOf(having("plan"), metadata.Query{Handle: "john"}), both[1:]},
		{"any", metadata.Query{Any: []metadata.Query{{Group: "staff"}, {Handle: "john"}}}, both},
		{"five levels", allOf(allOf(allOf(allOf(having("plan"))))), both},
		{"twenty conditions", allOf(slices.Repeat([]metadata.Query{having("plan")}, metadata.MaxConditions)...), both},
	} {
		asked := metadata.Query{All: []metadata.Query{test.query}}
		if test.name == "five levels" {
			asked = test.query
		}
		users, next, err := f.Search(t.Context(), operator, "", asked, metadata.Page{Limit: 10})
		slices.Sort(users)
		if diff := cmp.Diff(test.want, users, cmpopts.EquateEmpty()); err != nil || next != "" || diff != "" {
			t.Errorf("%s: next %q, %v (-want +got):\n%s", test.name, next, err, diff)
		}
	}
	users, next, err := f.Search(t.Context(), operator, "default", having("plan"), metadata.Page{Limit: 1})
	if err != nil || len(users) != 1 || next == "" {
		t.Fatalf("the first page is %v, %q, %v", users, next, err)
	}
	rest, next, err := f.Search(t.Context(), operator, "default", having("plan"), metadata.Page{Limit: 1, After: next})
	if all := append(rest, users...); err != nil || next != "" || len(all) != 2 || all[0] == all[1] {
		t.Errorf("the second page is %v, %q, %v", rest, next, err)
	}
}

func TestSearchesThatAreRefused(t *testing.T) {
	f := searchFixture(t)
	text := strings.Repeat("g", metadata.MaxTermBytes+1)
	empty, nul, invalid := "", "a\x00", "\xff"
	for _, test := range []struct {
		name  string
		query metadata.Query
		field string
	}{
		{"nothing", metadata.Query{}, "where"},
		{"two in one", metadata.Query{Group: "staff", Handle: "j"}, "where"},
		{"an empty list", metadata.Query{All: []metadata.Query{}}, "where"},
		{"an empty list of alternatives", metadata.Query{Any: []metadata.Query{}}, "where"},
		{"six levels", allOf(allOf(allOf(allOf(allOf(having("plan")))))), "where"},
		{"21 conditions", allOf(slices.Repeat([]metadata.Query{having("plan")}, metadata.MaxConditions+1)...), "where"},
		{"an undefined key", having("other"), "other"},
		{"a key in another case", having("Plan"), "Plan"},
		{"a key that is not searchable", having("plain"), "plain"},
		{"a key that is being indexed", having("new"), "new"},
		{"no key", having(""), "key"},
		{"a key with NUL", having("plan\x00"), "plan\x00"},
		{"both", metadata.Query{Has: &metadata.Match{Key: "plan", Equals: &text, Prefix: &text}}, "plan"},
		{"a value of bytes", metadata.Query{Has: &metadata.Match{Key: "plan", Equals: &empty}}, "plan"},
		{"no term", metadata.Query{Has: &metadata.Match{Key: "plan", Equals: &nul}}, "plan"},
		{"a long beginning", beginning("plan", text), "plan"},
		{"a beginning that is no text", beginning("plan", invalid), "plan"},
		{"an unknown group", metadata.Query{Group: "id-of-staff"}, "group"},
		{"a group with a pattern", metadata.Query{Group: "sta*"}, "group"},
		{"a name with NUL", metadata.Query{Handle: "jane\x00"}, "handle"},
		{"a long name", metadata.Query{Handle: text}, "handle"},
		{"a name that is no text", metadata.Query{Handle: invalid}, "handle"},
		{"one of many", allOf(having("plan"), metadata.Query{Not: &metadata.Query{Any: []metadata.Query{having("plan"), having("other")}}}), "other"},
	} {
		users, _, err := f.Search(t.Context(), operator, "", test.query, metadata.Page{Limit: 10})
		var e *metadata.Error
		if !errors.As(err, &e) || e.Code != metadata.Invalid || e.Field != test.field {
			t.Errorf("%s: %v, %v, want invalid %q", test.name, users, err, test.field)
		}
	}
	if _, _, err := f.Search(t.Context(), operator, "", having("plan"), metadata.Page{After: "x"}); codeOf(err) != metadata.Invalid {
		t.Errorf("a position that is none: %v", err)
	}
}

// Row M-14: what a caller may not read he cannot find out by searching either.
func TestSearchingShowsNothingHidden(t *testing.T) {
	f := searchFixture(t)
	find := func(c metadata.Caller, org string, q metadata.Query) (int, error) {
		users, _, err := f.Search(t.Context(), c, org, q, metadata.Page{Limit: 10})
		return len(users), err
	}
	if n, err := find(operator, "default", having("risk")); err != nil || n != 2 {
		t.Errorf("an operator finds %d, %v", n, err)
	}
	if n, err := find(reader, "", having("plan")); err != nil || n != 2 {
		t.Errorf("a reader finds %d, %v", n, err)
	}
	_, hidden := find(reader, "default", having("risk"))
	_, undefined := find(reader, "default", having("rusk"))
	if codeOf(hidden) != metadata.Invalid || hidden.Error() != strings.ReplaceAll(undefined.Error(), "rusk", "risk") {
		t.Errorf("a hidden key answers %v, an undefined one %v", hidden, undefined)
	}
	if events := f.events.take(); len(events) != 0 {
		t.Errorf("recorded %v", events)
	}
	for _, c := range []metadata.Caller{jane, powerless, acmeOperator} {
		_, theirs := find(c, "default", having("plan"))
		_, nobodys := find(c, "no-such-org", having("plan"))
		if codeOf(theirs) != metadata.NotFound || theirs.Error() != nobodys.Error() {
			t.Errorf("%s: %v, and of no organisation %v", c.Ref(), theirs, nobodys)
		}
		if events := f.events.take(); len(events) != 2 || events[0].Action != "metadata.read" || events[0].Outcome != audit.Denied {
			t.Errorf("%s: recorded %v", c.Ref(), events)
		}
	}
	if _, err := find(admin, "../x", having("plan")); codeOf(err) != metadata.NotFound {
		t.Errorf("no organisation's name: %v", err)
	}
	f.backend.Client.Close()
	f.Schemes.Forget("default")
	if _, err := find(operator, "default", having("plan")); codeOf(err) != metadata.Unavailable {
		t.Errorf("without Redis: %v", err)
	}
}
