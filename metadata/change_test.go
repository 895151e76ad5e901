package metadata_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/claimsmith/claimsmith/internal/audit"
	"github.com/claimsmith/claimsmith/metadata"
	"github.com/claimsmith/claimsmith/metadata/storetest"
)

func TestAChangeIsMadeCanonical(t *testing.T) {
	f := newFixture(t)
	f.seed(t)
	doc, err := f.Apply(t.Context(), operator, target("u-jane"), metadata.Change{
		Set: []metadata.Put{
			put("a", `1`), claim("b", `1`), put("c", `1`), put("a", `2`), put("note", `"x"`), put("b", `3`), put("a", `4`),
		},
		Delete: []string{"note", "c", "absent", "note"},
	}, none)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range doc.Entries {
		got = append(got, fmt.Sprintf("%s=%s %t", e.Key, e.Value.Raw(), e.ProfileClaim))
	}
	if want := []string{"a=4 false", "b=3 false", `role="user" true`}; !slices.Equal(got, want) || doc.Revision != 2 {
		t.Errorf("%v at revision %d, want %v", got, doc.Revision, want)
	}
	a, _ := doc.Entry("a")
	if a.ChangedBy != operator.ref || !a.ChangedAt.Equal(now) || !a.CreatedAt.Equal(now) {
		t.Errorf("recorded as %+v", a)
	}
}

func TestInvalidChangesChangeNothing(t *testing.T) {
	long := metadata.Bytes(make([]byte, metadata.MaxValueBytes+1))
	onBadKey := metadata.Precondition{Key: "a\x00", IfMatch: &metadata.Condition{Any: true}}
	tests := []struct {
		name   string
		change metadata.Change
		pre    metadata.Precondition
		code   metadata.Code
		field  string
	}{
		{"an empty key", metadata.Change{Set: []metadata.Put{put("ok", `1`), put("", `1`)}}, none, metadata.Invalid, "key"},
		{"a control character", metadata.Change{Set: []metadata.Put{put("a\n", `1`)}}, none, metadata.Invalid, "a\n"},
		{"a bad key to delete", metadata.Change{Delete: []string{""}, Set: []metadata.Put{put("ok", `1`)}}, none, metadata.Invalid, "key"},
		{"a bad key in the precondition", metadata.Change{Set: []metadata.Put{put("ok", `1`)}}, onBadKey, metadata.Invalid, "a\x00"},
		{"no value", metadata.Change{Set: []metadata.Put{{Key: "a"}}}, none, metadata.Invalid, "a"},
		{"too long a value", metadata.Change{Set: []metadata.Put{{Key: "a", Value: long}}}, none, metadata.LimitExceeded, "a"},
		{"a key that no claim has", metadata.Change{Set: []metadata.Put{claim("my role", `1`)}}, none, metadata.Invalid, "my role"},
		{"a key no claim has, overridden", metadata.Change{Set: []metadata.Put{claim("1", `1`), put("1", `1`)}}, none, metadata.Invalid, "1"},
		{"bytes as a claim", metadata.Change{Set: []metadata.Put{{Key: "a", Value: metadata.Bytes(nil), ProfileClaim: true}}}, none, metadata.Invalid, "a"},
		{"too many keys", metadata.Change{Delete: slices.Repeat([]string{"a"}, metadata.MaxChangedKeys), Set: []metadata.Put{put("a", `1`)}}, none, metadata.LimitExceeded, ""},
		{"claims that differ in case", metadata.Change{Set: []metadata.Put{claim("ROLE", `1`)}}, none, metadata.Conflict, "ROLE"},
		{"a revision that has passed", metadata.Change{Delete: []string{"note"}}, metadata.Precondition{IfMatch: &metadata.Condition{}}, metadata.PreconditionFailed, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := newFixture(t)
			f.seed(t)
			_, err := f.Apply(t.Context(), operator, target("u-jane"), test.change, test.pre)
			var fault *metadata.Error
			if !errors.As(err, &fault) || fault.Code != test.code || fault.Field != test.field || fault.Detail == "" {
				t.Errorf("%v, want %q about %q", err, test.code, test.field)
			}
			if doc, err := f.Get(t.Context(), operator, target("u-jane")); err != nil || doc.Revision != 1 || len(doc.Entries) != 2 {
				t.Errorf("the document became %+v, %v", doc, err)
			}
			if got := f.events.take(); len(got) != 0 {
				t.Errorf("recorded %+v", got)
			}
		})
	}
	f := newFixture(t)
	for _, key := range []string{"", "a\n", "\xff"} {
		if _, err := f.GetEntry(t.Context(), operator, target("u-jane"), key); codeOf(err) != metadata.Invalid {
			t.Errorf("entry %q: %v", key, err)
		}
	}
	_, err := f.GetEntry(t.Context(), operator, target("u-jane"), "absent")
	if e := new(metadata.Error); !errors.As(err, &e) || e.Code != metadata.NotFound || e.Field != "absent" || errors.Is(err, metadata.ErrUserNotFound) {
		t.Errorf("an entry that is not there: %v", err)
	}
}

func TestLimitsAreTheOrganisations(t *testing.T) {
	f := newFixture(t)
	change := metadata.Change{Set: []metadata.Put{claim("a", `"`+strings.Repeat("x", 4096-16)+`"`)}} // 4096 with key and quotes
	if _, err := f.Apply(t.Context(), operator, target("u-jane"), change, none); err != nil {
		t.Error("the default budget is too small:", err)
	}
	change = metadata.Change{Set: []metadata.Put{claim("a", `"`+strings.Repeat("x", 4096-15)+`"`)}}
	_, err := f.Apply(t.Context(), operator, target("u-jane"), change, none)
	if codeOf(err) != metadata.LimitExceeded || !strings.Contains(err.Error(), "4097") || !strings.Contains(err.Error(), "4096") {
		t.Errorf("one byte over the default budget: %v", err)
	}
	failure := errors.New("no connection")
	f.Limits = func(_ context.Context, org string) (metadata.Limits, error) {
		limits := metadata.DefaultLimits
		if org == "acme" {
			limits.Entries = 1
		}
		if org == "default" {
			return metadata.Limits{}, failure
		}
		return limits, nil
	}
	two := metadata.Change{Set: []metadata.Put{put("a", `1`), put("b", `1`)}}
	if _, err := f.Apply(t.Context(), acmeOperator, target("u-acme"), two, none); codeOf(err) != metadata.LimitExceeded {
		t.Errorf("two entries where one is allowed: %v", err)
	}
	if _, err := f.Apply(t.Context(), operator, target("u-john"), two, none); codeOf(err) != metadata.Unavailable || !errors.Is(err, failure) {
		t.Errorf("without knowing the limits: %v", err)
	}
	if _, err := f.Get(t.Context(), operator, target("u-john")); err != nil {
		t.Errorf("reading needs no limits: %v", err)
	}
}

func TestWritesAndRefusalsAreRecorded(t *testing.T) {
	f := newFixture(t)
	f.seed(t)
	ctx := t.Context()
	write := func(c metadata.Caller, to metadata.Target, put metadata.Put) {
		_, _ = f.Apply(ctx, c, to, metadata.Change{Set: []metadata.Put{put}}, none)
	}
	event := func(action string, by *caller, org, target, outcome string, reason metadata.Code) []audit.Event {
		return []audit.Event{{Action: action, Actor: by.ref, Org: org, Target: "user:" + target, Outcome: outcome, Reason: string(reason)}}
	}
	tests := []struct {
		name string
		do   func()
		want []audit.Event
	}{
		{"a write", func() { write(operator, target("jane@example.com"), put("a", `"secret"`)) },
			event("metadata.write", operator, "default", "u-jane", "success", "")},
		{"a user's write", func() { write(jane, target("me"), put("a", `1`)) }, event("metadata.write", jane, "default", "u-jane", "success", "")},
		{"a user's claim", func() { write(jane, target("me"), claim("a", `1`)) },
			event("metadata.write", jane, "default", "u-jane", "denied", metadata.Forbidden)},
		{"a reader's write", func() { write(reader, target("u-jane"), put("a", `1`)) },
			event("metadata.write", reader, "default", "u-jane", "denied", metadata.Forbidden)},
		{"another user's write", func() { write(john, target("u-jane"), put("a", `1`)) },
			event("metadata.write", john, "default", "u-jane", "denied", metadata.NotFound)},
		{"a write abroad", func() { write(operator, metadata.Target{Org: "acme", User: "u-jane"}, put("a", `1`)) },
			event("metadata.write", operator, "acme", "u-jane", "denied", metadata.NotFound)},
		{"a write to nobody", func() { write(operator, target("nobody"), put("a", `1`)) },
			event("metadata.write", operator, "default", "nobody", "denied", metadata.NotFound)},
		{"a read", func() { _, _ = f.Get(ctx, operator, target("u-jane")) }, nil},
		{"a user's read", func() { _, _ = f.GetEntry(ctx, jane, target("me"), "note") }, nil},
		{"a read of nobody", func() { _, _ = f.Get(ctx, operator, target("nobody")) }, nil},
		{"another user's read", func() { _, _ = f.Get(ctx, john, target("jane")) },
			event("metadata.read", john, "default", "jane", "denied", metadata.NotFound)},
		{"a read abroad", func() { _, _ = f.GetEntry(ctx, operator, metadata.Target{Org: "acme", User: "u-jane"}, "note") },
			event("metadata.read", operator, "acme", "u-jane", "denied", metadata.NotFound)},
		{"a write of unknown outcome", func() { write(operator, target("broken"), put("a", `1`)) },
			event("metadata.write", operator, "default", "broken", "failed", metadata.Unavailable)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.do()
			if diff := cmp.Diff(test.want, f.events.take()); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
		})
	}
}

// A secret that somebody puts where a user is named has the grammar of an id, and is not recorded. Whose id looks like one is named where
// he was changed.
func TestSecretsAreNotRecorded(t *testing.T) {
	f := newFixture(t)
	f.seed(t)
	ctx := t.Context()
	const secret = "cs_at_x4Zk0o8N1m-3fJ7qBv2wY5uRt9LcDhAeGiKsPzXnQo_"
	for _, by := range []*caller{operator, reader, john, powerless} {
		_, read := f.Get(ctx, by, target(secret))
		_, written := f.Apply(ctx, by, target(secret), metadata.Change{Set: []metadata.Put{put("a", `1`)}}, none)
		_, _, joined := f.SetGroups(ctx, by, target(secret), nil, none)
		if read == nil || written == nil || joined == nil {
			t.Errorf("%s: %v, %v, %v", by.ref, read, written, joined)
		}
	}
	all := f.events.take()
	if len(all) == 0 {
		t.Error("nothing was recorded")
	}
	for _, e := range all {
		if strings.Contains(fmt.Sprint(e), secret) {
			t.Errorf("%+v", e)
		}
	}
	f.users.New(t, storetest.User{ID: secret, Orgs: []string{"default"}})
	if _, err := f.Apply(ctx, operator, target(secret), metadata.Change{Set: []metadata.Put{put("a", `1`)}}, none); err != nil {
		t.Fatal(err)
	}
	if got := f.events.take(); len(got) != 1 || got[0].Target != "user:"+secret {
		t.Errorf("%+v", got)
	}
}

func TestProfileClaimsOfUserAndApplication(t *testing.T) {
	f := newFixture(t)
	set := func(app string, puts ...metadata.Put) {
		t.Helper()
		if _, err := f.Apply(t.Context(), operator, metadata.Target{User: "u-jane", App: app}, metadata.Change{Set: puts}, none); err != nil {
			t.Fatal(err)
		}
	}
	set("", claim("a", `1`), claim("Theme", `"light"`), claim("role", `"user"`), claim("z", `[]`), put("hidden", `1`))
	set("", claim("m", `9007199254740993`))
	set("portal", claim("theme", `"dark"`), claim("b", `2`), claim("zz", `3`), claim("role", `"editor"`), put("a", `"hidden"`))
	tests := map[string][]string{
		"":       {`Theme="light"`, `a=1`, `m=9007199254740993`, `role="user"`, `z=[]`},
		"other":  {`Theme="light"`, `a=1`, `m=9007199254740993`, `role="user"`, `z=[]`},
		"portal": {`a=1`, `b=2`, `m=9007199254740993`, `role="editor"`, `theme="dark"`, `z=[]`, `zz=3`},
	}
	for app, want := range tests {
		if got := f.claims(t, "default", "u-jane", app); !slices.Equal(got, want) {
			t.Errorf("for %q: %v, want %v", app, got, want)
		}
	}
	for app, want := range map[string][2]uint64{"": {2, 0}, "portal": {2, 1}, "other": {2, 0}} {
		_, read := f.ProfileClaims(t.Context(), "default", "u-jane", app)
		claims, revision, appRevision, _, err := read()
		if err != nil || revision != want[0] || appRevision != want[1] {
			t.Errorf("for %q: revisions %d and %d, %v, want %v", app, revision, appRevision, err, want)
		}
		for key := range claims("access_token") { // a reader may stop early
			if key != "Theme" && key != "a" {
				t.Errorf("for %q the first is %s", app, key)
			}
			break
		}
	}
	f.users.Leave(t, "u-jane", "default")
	if err := f.EraseUser(t.Context(), "u-jane", []string{"default"}, false); err != nil {
		t.Fatal(err)
	}
	if got := f.claims(t, "default", "u-jane", "portal"); len(got) != 0 {
		t.Errorf("after erasing: %v", got)
	}
}

func TestStoreFailuresAreUnavailable(t *testing.T) {
	f := newFixture(t)
	if err := f.backend.Client.Close(); err != nil {
		t.Fatal(err)
	}
	_, getErr := f.Get(t.Context(), operator, target("u-jane"))
	_, entryErr := f.GetEntry(t.Context(), operator, target("u-jane"), "a")
	_, applyErr := f.Apply(t.Context(), operator, target("u-jane"), metadata.Change{Set: []metadata.Put{put("a", `1`)}}, none)
	_, read := f.ProfileClaims(t.Context(), "default", "u-jane", "")
	_, _, _, _, claimsErr := read()
	for call, err := range map[string]error{
		"Get": getErr, "GetEntry": entryErr, "Apply": applyErr, "ProfileClaims": claimsErr, "EraseUser": f.EraseUser(t.Context(), "u-jane", []string{"default"}, false),
	} {
		if codeOf(err) != metadata.Unavailable {
			t.Errorf("%s: %v", call, err)
		}
	}
}
