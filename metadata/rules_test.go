package metadata_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/claimsmith/claimsmith/metadata"
)

func TestOperatorsObeyDefinitions(t *testing.T) {
	l := newLaws(t)
	l.define(metadata.Definition{Key: "plan", Schema: `{"enum":["free","pro"]}`, ProfileClaim: true})
	l.define(metadata.Definition{Key: "level", Claim: metadata.ClaimAlways, Schema: `{"type":"integer","maximum":9007199254740993}`})
	l.define(metadata.Definition{Key: "note", Claim: metadata.ClaimNever, MaxBytes: 5})
	l.group("staff", 1)
	tests := []struct {
		put  metadata.Put
		code metadata.Code
		says string // with the key, or: is it a claim
	}{
		{unmarked("plan", `"pro"`), "", "claim"},
		{put("plan", `"pro"`), "", "none"},
		{claim("plan", `"pro"`), "", "claim"},
		{claim("plan", `"SECRET"`), metadata.Invalid, `"plan": must be one of "free", "pro": the schema of the definition says so at /enum`},
		{claim("Plan", `"pro"`), metadata.Invalid, `"Plan" differs only in case from "plan", which is defined`},
		{unmarked("level", `9007199254740993`), "", "claim"},
		{put("level", `1`), metadata.Invalid, `"level": its definition says that it is always a profile claim`},
		{claim("level", `9007199254740994`), metadata.Invalid, `"level": must be at most 9007199254740993: the schema of the definition says so at /maximum`},
		{claim("level", `"SECRET"`), metadata.Invalid, `"level": must be integer, not string: the schema of the definition says so at /type`},
		{unmarked("note", `"abc"`), "", "none"},
		{claim("note", `"abc"`), metadata.Invalid, `"note": its definition says that it is never a profile claim`},
		{unmarked("note", `"SECRET"`), metadata.LimitExceeded, `"note": bytes of a value, by its definition: 8, the limit is 5`},
		{metadata.Put{Key: "plan", Value: metadata.Bytes([]byte("SECRET")), Unmarked: true}, metadata.Invalid, `a value of bytes cannot be a profile claim`},
		{metadata.Put{Key: "plan", Value: metadata.Bytes([]byte("SECRET"))}, metadata.Invalid, `"plan": must be JSON: its definition has a schema`},
		{unmarked("other", `1`), "", "none"},
		{claim("other", `1`), "", "claim"},
	}
	for _, to := range []metadata.Target{
		{User: "u-jane"}, {User: "u-jane", App: "portal"}, ofOrg, ofGroup("staff"),
	} {
		for _, test := range tests {
			t.Run(fmt.Sprintf("%+v %s %s", to, test.put.Key, test.put.Value.Raw()), func(t *testing.T) {
				doc, err := l.apply(operator, to, test.put)
				if codeOf(err) != test.code || err != nil && !strings.Contains(err.Error(), test.says) {
					t.Fatalf("%v, want %q %s", err, test.code, test.says)
				}
				if err != nil {
					if strings.Contains(err.Error(), "SECRET") {
						t.Errorf("%v has the value", err)
					}
					return
				}
				if e, ok := doc.Entry(test.put.Key); !ok || e.ProfileClaim != (test.says == "claim") {
					t.Errorf("it is %+v", e)
				}
			})
		}
	}
}

// byMark are the definitions that let a user write, and one that does not, with what operators wrote under them before.
func (l *laws) seedOwn() {
	l.t.Helper()
	l.must(operator, target("u-jane"), claim("role", `"user"`), claim("bio", `"b"`), put("theme", `"light"`), put("tag", `"t"`), claim("free", `1`))
	accept := metadata.Accept{SelfWrite: true, Violations: true}
	for _, d := range []metadata.Definition{
		{Key: "role"},
		{Key: "bio", Write: metadata.ForSelf},
		{Key: "theme", Write: metadata.ForSelf, ProfileClaim: true},
		{Key: "always", Write: metadata.ForSelf, Claim: metadata.ClaimAlways},
		{Key: "never", Write: metadata.ForSelf, Claim: metadata.ClaimNever, Read: metadata.ForSelf},
		{Key: "tag", Claim: metadata.ClaimNever},
		{Key: "hidden", Claim: metadata.ClaimNever, Read: metadata.ForOperators},
	} {
		if _, _, err := l.Define(l.t.Context(), operator, "", d, nil, accept); err != nil {
			l.t.Fatal(err)
		}
	}
	l.must(operator, target("u-jane"), put("hidden", `"h"`))
}

// Vectors of row M-01.
func TestAUserWritesWhatDefinitionsLetHim(t *testing.T) {
	const (
		ok        = metadata.Code("")
		forbidden = metadata.Forbidden
	)
	bytes := metadata.Put{Key: "theme", Value: metadata.Bytes([]byte{1}), Unmarked: true}
	tests := []struct {
		name   string
		change metadata.Change
		code   metadata.Code
		want   string // key, mark and value of what is there afterwards, where that is another than before
	}{
		{"a claim that is his", sets(unmarked("bio", `"x"`)), ok, `bio + "x"`},
		{"saying what it is", sets(claim("bio", `"x"`)), ok, `bio + "x"`},
		{"clearing its mark", sets(put("bio", `"x"`)), forbidden, ""},
		{"an entry that is none, which new ones are", sets(unmarked("theme", `"x"`)), ok, `theme - "x"`},
		{"saying that it is none", sets(put("theme", `"x"`)), ok, `theme - "x"`},
		{"setting its mark", sets(claim("theme", `"x"`)), forbidden, ""},
		{"deleting it and making another", metadata.Change{Delete: []string{"theme"}}, ok, `theme`},
		{"one that is always a claim", sets(unmarked("always", `1`)), ok, `always + 1`},
		{"and says so", sets(claim("always", `1`)), ok, `always + 1`},
		{"and denies it", sets(put("always", `1`)), forbidden, ""},
		{"one that never is", sets(unmarked("never", `1`)), ok, `never - 1`},
		{"and claims it", sets(claim("never", `1`)), forbidden, ""},
		{"an operator's claim", sets(unmarked("role", `"admin"`)), forbidden, ""},
		{"an operator's claim as an entry", sets(put("role", `"admin"`)), forbidden, ""},
		{"an operator's claim in other case", sets(put("Role", `"admin"`)), forbidden, ""},
		{"deleting it", metadata.Change{Delete: []string{"role"}}, forbidden, ""},
		{"deleting it in other case", metadata.Change{Delete: []string{"ROLE"}}, forbidden, ""},
		{"an operator's entry", sets(unmarked("tag", `"x"`)), forbidden, ""},
		{"deleting that", metadata.Change{Delete: []string{"tag"}}, forbidden, ""},
		{"a claim nobody defined", sets(unmarked("free", `2`)), forbidden, ""},
		{"a new one", sets(claim("new", `2`)), forbidden, ""},
		{"a new entry", sets(unmarked("new", `2`)), ok, `new - 2`},
		{"what he cannot see", sets(unmarked("hidden", `2`)), forbidden, ""},
		{"whether that is there", metadata.Change{Delete: []string{"hidden"}}, forbidden, ""},
		{"bytes", metadata.Change{Set: []metadata.Put{bytes}}, metadata.Invalid, ""},
		{"another case of his own key", sets(unmarked("BIO", `"x"`)), metadata.Invalid, ""},
		{"one of his and one that is not", sets(unmarked("bio", `"x"`), unmarked("role", `"x"`)), forbidden, ""},
		{"replacing all with nothing", metadata.Change{Replace: true}, ok, "bio; theme"},
		{"replacing all with a claim", metadata.Change{Replace: true, Set: []metadata.Put{unmarked("role", `"x"`)}}, forbidden, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			l := newLaws(t)
			l.seedOwn()
			before := l.state()
			doc, err := l.Apply(t.Context(), jane, target("me"), test.change, none)
			if codeOf(err) != test.code {
				t.Errorf("%v, want %q", err, test.code)
			}
			if _, ok := doc.Entry("hidden"); ok {
				t.Error("the answer has what only operators may read")
			}
			want := before
			for _, change := range strings.Split(test.want, "; ") {
				if key, now, _ := strings.Cut(change, " "); now != "" {
					want[key] = now
				} else {
					delete(want, key)
				}
			}
			if diff := cmp.Diff(want, l.state()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func sets(puts ...metadata.Put) metadata.Change { return metadata.Change{Set: puts} }

// state is all of jane's entries, as an operator sees them.
func (l *laws) state() map[string]string {
	l.t.Helper()
	doc, err := l.Get(l.t.Context(), operator, target("u-jane"))
	if err != nil {
		l.t.Fatal(err)
	}
	state := map[string]string{}
	for _, e := range doc.Entries {
		mark := "-"
		if e.ProfileClaim {
			mark = "+"
		}
		state[e.Key] = mark + " " + e.Value.Raw()
	}
	return state
}

func TestWhatOnlyOperatorsMayReadIsNotThere(t *testing.T) {
	l := newLaws(t)
	l.seedOwn()
	for _, c := range []*caller{jane, reader} {
		to := target("u-jane")
		doc, err := l.Get(t.Context(), c, to)
		if _, ok := doc.Entry("hidden"); ok || err != nil {
			t.Errorf("%s sees it: %v", c.ref, err)
		}
		if _, ok := doc.Entry("tag"); !ok {
			t.Errorf("%s sees only %+v", c.ref, doc)
		}
		_, hidden := l.GetEntry(t.Context(), c, to, "hidden")
		_, absent := l.GetEntry(t.Context(), c, to, "absent")
		var one, other *metadata.Error
		if !errors.As(hidden, &one) || !errors.As(absent, &other) {
			t.Fatalf("%s gets %v and %v", c.ref, hidden, absent)
		}
		if a, b := fmt.Sprintf("%+v", *one), fmt.Sprintf("%+v", *other); strings.ReplaceAll(a, "hidden", "absent") != b {
			t.Errorf("%s can tell %s from %s", c.ref, a, b)
		}
	}
	for _, key := range []string{"hidden", "Hidden"} {
		for _, pre := range []metadata.Precondition{
			{Key: key, IfMatch: &metadata.Condition{Any: true}}, {Key: key, IfNoneMatch: &metadata.Condition{Any: true}},
		} {
			_, err := l.Apply(t.Context(), jane, target("me"), sets(unmarked("new", `1`)), pre)
			wantOnly(t, "a precondition on it", err, metadata.Forbidden)
		}
	}
	if e, err := l.GetEntry(t.Context(), operator, target("u-jane"), "hidden"); err != nil || e.Value.Raw() != `"h"` {
		t.Errorf("the operator gets %+v, %v", e, err)
	}
}

// Whatever users and operators try under whatever definitions, what is stored obeys them, and no user has changed a claim he may not.
func TestEveryStateObeysTheDefinitions(t *testing.T) {
	keys := []string{"a", "b", "c", "A"}
	values := []string{`1`, `"x"`, `"long enough to be too long"`, `[1,2]`, `null`}
	rapid.Check(t, func(r *rapid.T) {
		l := newLaws(t)
		defs := map[string]metadata.Definition{}
		for _, key := range []string{"a", "b"} {
			if !rapid.Bool().Draw(r, "defined") {
				continue
			}
			d := metadata.Definition{
				Key: key, Claim: rapid.SampledFrom([]metadata.ClaimRule{"", metadata.ClaimAlways, metadata.ClaimNever}).Draw(r, "claim"),
				Write:    rapid.SampledFrom([]metadata.Audience{metadata.ForOperators, metadata.ForSelf}).Draw(r, "write"),
				MaxBytes: rapid.SampledFrom([]int{0, 10}).Draw(r, "max"),
				Schema:   rapid.SampledFrom([]string{"", `{"type":"string"}`, `{"not":{"type":"null"}}`}).Draw(r, "schema"),
			}
			d.ProfileClaim = d.Claim == "" && rapid.Bool().Draw(r, "mark")
			defs[key] = l.define(d)
		}
		for range rapid.IntRange(1, 12).Draw(r, "writes") {
			var change metadata.Change
			change.Replace = rapid.IntRange(0, 9).Draw(r, "replace") == 0
			for range rapid.IntRange(0, 3).Draw(r, "named") {
				key := rapid.SampledFrom(keys).Draw(r, "key")
				if rapid.IntRange(0, 3).Draw(r, "delete") == 0 {
					change.Delete = append(change.Delete, key)
					continue
				}
				p := put(key, rapid.SampledFrom(values).Draw(r, "value"))
				p.ProfileClaim, p.Unmarked = rapid.Bool().Draw(r, "claim"), rapid.Bool().Draw(r, "unmarked")
				change.Set = append(change.Set, p)
			}
			who := rapid.SampledFrom([]*caller{jane, operator}).Draw(r, "who")
			before := l.state()
			_, err := l.Apply(t.Context(), who, target("u-jane"), change, none)
			after := l.state()
			if err != nil && !cmp.Equal(before, after) {
				r.Fatalf("%v, and yet %v became %v", err, before, after)
			}
			refusals := []metadata.Code{"", metadata.Invalid, metadata.Forbidden, metadata.LimitExceeded, metadata.Conflict}
			if !slices.Contains(refusals, codeOf(err)) {
				r.Fatal(err)
			}
			for _, key := range keys {
				d, defined := defs[key]
				was, is := before[key], after[key]
				if was == is {
					continue
				}
				own := !defined && !strings.HasPrefix(was+is, "+") && !strings.Contains(is, "+ ") || defined && d.Write == metadata.ForSelf
				if who == jane && !own {
					r.Fatalf("jane made %q of %q under %q: %+v", is, was, key, d)
				}
				marked := defined && (d.Claim == metadata.ClaimAlways || d.Claim == metadata.ClaimOptional && d.ProfileClaim)
				if was != "" && d.Claim == metadata.ClaimOptional {
					marked = was[0] == '+'
				}
				if who == jane && is != "" && (is[0] == '+') != marked {
					r.Fatalf("jane marked %q: %q became %q, %+v", key, was, is, d)
				}
				if is == "" || !defined {
					continue
				}
				value := is[2:]
				if d.Claim == metadata.ClaimAlways && is[0] == '-' || d.Claim == metadata.ClaimNever && is[0] == '+' ||
					d.MaxBytes > 0 && len(value) > d.MaxBytes || d.Schema == `{"type":"string"}` && value[0] != '"' ||
					d.Schema != "" && value == "null" {
					r.Fatalf("%q is %q against %+v", key, is, d)
				}
			}
		}
	})
}

func TestAUserKeepsWhatIsReservedInAnyCase(t *testing.T) {
	l := newLaws(t)
	l.must(operator, target("u-jane"), put("Secret", `1`), put("free", `1`))
	if _, _, err := l.Define(t.Context(), operator, "", metadata.Definition{Key: "secret"}, nil, metadata.Accept{Violations: true}); err != nil {
		t.Fatal(err)
	}
	_, err := l.Apply(t.Context(), jane, target("me"), metadata.Change{Delete: []string{"Secret"}}, none)
	wantOnly(t, "deleting it", err, metadata.Forbidden)
	doc, err := l.Apply(t.Context(), jane, target("me"), metadata.Change{Replace: true}, none)
	if _, kept := doc.Entry("Secret"); err != nil || !kept || len(doc.Entries) != 1 {
		t.Errorf("%+v, %v", doc, err)
	}
}
