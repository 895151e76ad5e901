package metadata_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/claimsmith/claimsmith/metadata"
)

func kept(p metadata.Put) metadata.Put {
	p.Kept = true
	return p
}

func bytesOf(key, b string) metadata.Put {
	return metadata.Put{Key: key, Value: metadata.Bytes([]byte(b))}
}

// describe is the entries of a document with their marks.
func describe(doc metadata.Document) string {
	var all []string
	for _, e := range doc.Entries {
		mark := "-"
		if e.ProfileClaim {
			mark = "+"
		}
		all = append(all, mark+e.Key+"="+e.Value.JSON())
	}
	return strings.Join(all, " ")
}

// Who knows nothing of profile claims changes no mark.
func TestAKeptEntryKeepsItsMark(t *testing.T) {
	always, optional := metadata.ClaimAlways, metadata.ClaimOptional
	definitions := []metadata.Definition{
		{Key: "always", Claim: always}, {Key: "never", Claim: metadata.ClaimNever}, {Key: "marked", Claim: optional, ProfileClaim: true},
		{Key: "unmarked", Claim: optional}, {Key: "mine", Claim: optional, ProfileClaim: true, Write: metadata.ForSelf},
		{Key: "minenever", Claim: metadata.ClaimNever, Write: metadata.ForSelf},
	}
	tests := []struct {
		caller *caller
		was    string // the marks of the entry before, "" for none there is
		put    metadata.Put
		want   string
		code   metadata.Code
	}{
		// Without a definition.
		{operator, "+", put("a", "2"), "+a=2", ""},
		{operator, "-", put("a", "2"), "-a=2", ""},
		{operator, "", put("a", "2"), "-a=2", ""},
		{operator, "", claim("a", "2"), "-a=2", ""}, // what else it says counts for nothing
		{operator, "-", claim("a", "2"), "-a=2", ""},
		{operator, "", claim("not a claim key", "2"), "-not a claim key=2", ""},
		{operator, "-", bytesOf("a", "2"), `-a="Mg=="`, ""},
		{operator, "+", bytesOf("a", "2"), "", metadata.Conflict},
		{jane, "-", put("a", "2"), "-a=2", ""},
		{jane, "", put("a", "2"), "-a=2", ""},
		{jane, "", claim("a", "2"), "-a=2", ""},
		{jane, "+", put("a", "2"), "", metadata.Forbidden},
		// With one.
		{operator, "", put("always", "2"), "+always=2", ""},
		{operator, "+", put("always", "2"), "+always=2", ""},
		{operator, "+", bytesOf("always", "2"), "", metadata.Invalid},
		{operator, "", put("never", "2"), "-never=2", ""},
		{operator, "-", claim("never", "2"), "-never=2", ""},
		{operator, "", put("marked", "2"), "+marked=2", ""},
		{operator, "-", put("marked", "2"), "-marked=2", ""},
		{operator, "+", put("marked", "2"), "+marked=2", ""},
		{operator, "-", bytesOf("marked", "2"), `-marked="Mg=="`, ""},
		{operator, "+", bytesOf("marked", "2"), "", metadata.Conflict},
		{operator, "", bytesOf("marked", "2"), "", metadata.Conflict},
		{operator, "", put("unmarked", "2"), "-unmarked=2", ""},
		{operator, "+", put("unmarked", "2"), "+unmarked=2", ""},
		{jane, "", put("mine", "2"), "+mine=2", ""},
		{jane, "+", put("mine", "2"), "+mine=2", ""},
		{jane, "-", put("mine", "2"), "-mine=2", ""},
		{jane, "", put("minenever", "2"), "-minenever=2", ""},
		{jane, "", put("unmarked", "2"), "", metadata.Forbidden},
	}
	for _, test := range tests {
		for _, app := range []string{"", "app"} {
			t.Run(fmt.Sprint(test.caller.ref, test.was, test.put.Key, test.put.ProfileClaim, app), func(t *testing.T) {
				l := newLaws(t)
				for _, d := range definitions {
					l.define(d)
				}
				to := metadata.Target{User: "u-jane", App: app}
				if test.was != "" {
					before := put(test.put.Key, "1")
					before.ProfileClaim = test.was == "+"
					l.must(operator, to, before)
				}
				before, err := l.Get(t.Context(), operator, to)
				if err != nil {
					t.Fatal(err)
				}
				_, dry := l.Make(t.Context(), test.caller, to, metadata.Change{Set: []metadata.Put{kept(test.put)}}, nil, none, true)
				_, err = l.apply(test.caller, to, kept(test.put))
				if codeOf(err) != test.code || codeOf(dry) != test.code {
					t.Errorf("%v, the dry run %v, want %q", err, dry, test.code)
				}
				after, err := l.Get(t.Context(), operator, to)
				want := test.want
				if test.code != "" {
					want = describe(before)
				}
				if got := describe(after); err != nil || got != want {
					t.Errorf("it is %q, %v, want %q", got, err, want)
				}
			})
		}
	}
}

// What a shared document keeps counts among what its heirs inherit.
func TestWhatASharedDocumentKeepsCounts(t *testing.T) {
	l := newLaws(t)
	l.group("staff", 0)
	long := `"` + strings.Repeat("x", 40) + `"`
	for _, to := range []metadata.Target{ofOrg, ofGroup("staff")} {
		l.limits = metadata.DefaultLimits
		l.must(operator, to, claim("a", `"1"`), put("b", `"1"`))
		l.limits.InheritedBytes = 50
		if _, err := l.apply(operator, to, kept(put("a", long))); codeOf(err) != metadata.LimitExceeded {
			t.Errorf("%+v: a claim that stays one and grows: %v", to, err)
		}
		if doc := l.must(operator, to, kept(put("b", long)), kept(put("a", `"2"`))); describe(doc) != `+a="2" -b=`+long {
			t.Errorf("%+v: %s", to, describe(doc))
		}
		// Entries that are passed over stay claims, whatever was said, and count.
		change := metadata.Change{KeepEqual: true, Set: []metadata.Put{put("a", `"2"`), claim("c", long)}}
		if _, err := l.Apply(t.Context(), operator, to, change, none); codeOf(err) != metadata.LimitExceeded {
			t.Errorf("%+v: a claim passed over beside a new one: %v", to, err)
		}
		change.Set[1] = claim("b", long) // which is equal, and no claim
		doc, err := l.Apply(t.Context(), operator, to, change, none)
		if err != nil || describe(doc) != `+a="2" -b=`+long || doc.Revision != 2 {
			t.Errorf("%+v: %v, %s at %d", to, err, describe(doc), doc.Revision)
		}
		l.must(operator, to, put("a", `"2"`), put("b", `"2"`))
	}
}

func TestADefinitionDecidesWhatOpaqueBytesAre(t *testing.T) {
	l := newLaws(t)
	l.define(metadata.Definition{Key: "seats", Schema: `{"type":"integer"}`})
	for _, test := range []struct {
		bytes, want string
		code        metadata.Code
	}{
		{"12", `-seats=12`, ""},
		{"12.5", ``, metadata.Invalid},
		{"twelve", ``, metadata.Invalid},
	} {
		v, alike := metadata.FromOpaque([]byte(test.bytes))
		seats := metadata.Put{Key: "seats", Value: v, Alike: alike, Kept: true}
		doc, err := l.Apply(t.Context(), operator, target("u-jane"), metadata.Change{Set: []metadata.Put{seats}}, none)
		if codeOf(err) != test.code || describe(doc) != test.want {
			t.Errorf("%s: %s, %v, want %s %q", test.bytes, describe(doc), err, test.want, test.code)
		}
	}
}

func TestKeepEqualAndMustExistThroughTheService(t *testing.T) {
	l := newLaws(t)
	me := metadata.Target{User: "me"}
	l.must(operator, target("u-jane"), claim("role", `"user"`), put("note", `[]`))
	before, err := l.Get(t.Context(), jane, me)
	if err != nil {
		t.Fatal(err)
	}
	v, alike := metadata.FromOpaque([]byte("[]"))
	note := metadata.Put{Key: "note", Value: v, Alike: alike, Kept: true}
	for _, test := range []struct {
		what   string
		caller *caller
		change metadata.Change
		code   metadata.Code
	}{
		{"what is alike", jane, metadata.Change{KeepEqual: true, Set: []metadata.Put{note}}, ""},
		{"an equal claim by the operator", operator, metadata.Change{KeepEqual: true, Set: []metadata.Put{kept(put("role", `"user"`))}}, ""},
		{"an equal claim by the user", jane, metadata.Change{KeepEqual: true, Set: []metadata.Put{kept(put("role", `"user"`))}}, metadata.Forbidden},
		{"another claim by the user", jane, metadata.Change{KeepEqual: true, Set: []metadata.Put{kept(put("role", `"admin"`))}}, metadata.Forbidden},
		{"deleting what is not there", jane, metadata.Change{MustExist: true, Delete: []string{"note", "x"}}, metadata.NotFound},
		{"deleting a claim", jane, metadata.Change{MustExist: true, Delete: []string{"x", "role"}}, metadata.Forbidden},
	} {
		if _, err := l.Apply(t.Context(), test.caller, metadata.Target{User: "u-jane"}, test.change, none); codeOf(err) != test.code {
			t.Errorf("%s: %v, want %q", test.what, err, test.code)
		}
	}
	after, err := l.Get(t.Context(), jane, me)
	if err != nil || describe(after) != describe(before) || after.Revision != before.Revision || !after.CreatedAt.Equal(now) {
		t.Errorf("it became %+v, %v", after, err)
	}
	note.Alike = metadata.Value{}
	doc, err := l.Apply(t.Context(), jane, me, metadata.Change{KeepEqual: true, Set: []metadata.Put{note}}, none)
	if err != nil || describe(doc) != `-note="[]" +role="user"` {
		t.Errorf("without what is alike: %s, %v", describe(doc), err)
	}
}
