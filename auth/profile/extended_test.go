package profile_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/profile"
	"github.com/claimsmith/claimsmith/internal/audit"
	"github.com/claimsmith/claimsmith/internal/redistest"
	"github.com/claimsmith/claimsmith/metadata"
)

// entries are those of an extended profile, as JSON by key.
func entries(e profile.Extended) map[string]string {
	all := map[string]string{}
	for _, entry := range e.Entries {
		all[entry.Key] = entry.Value.Raw()
	}
	return all
}

func TestTheExtendedProfileIsTheAccountAndEntries(t *testing.T) {
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		w := newWorld(t, b)
		got, err := w.profile.SetExtended(t.Context(), w.person("alice"), "alice", object(t, `{"username":"alice","name":"Al","about":"b",
			"title":"Cook","language":"pt_BR","is_profile_public":false,"social_links":[{"platform":"x","social_link":"al"}],
			"public_metadata":{"name":"Other","n":1.0},"enable_sidebar_ai_mentor_display":true,"mine":null,"email":"new@example.com"}`))
		w.must(err)
		stored := w.record("alice")
		if diff := cmp.Diff(stored, got.User); diff != "" {
			t.Error(diff)
		}
		said := reading(&stored) + " title=" + stored.Biography.Title + " locale=" + stored.Profile.Locale
		for _, part := range []string{"name=Al ", "bio=b ", "title=Cook", "locale=pt-BR", "privacy=private ", "links=x:https://www.x.com/al "} {
			if !strings.Contains(said, part) {
				t.Errorf("%s has no %s", said, part)
			}
		}
		if stored.Email != "alice@example.com" || len(w.mail.sent) != 1 || w.mail.sent[0].to != "new@example.com" {
			t.Errorf("%s, sent %+v", stored.Email, w.mail.sent)
		}
		want := map[string]string{"public_metadata": `{"name":"Other","n":1.0}`, "enable_sidebar_ai_mentor_display": "true", "mine": "null"}
		if diff := cmp.Diff(want, entries(got)); diff != "" {
			t.Error(diff)
		}
		// What is not named stays, and what an operator marked as a claim does too.
		operator := w.holder(auth.RoleOperator, "acme")
		got, err = w.profile.SetExtended(t.Context(), operator, "alice", object(t, `{"about":null,"mine":2,"email":"alice@example.com"}`))
		w.must(err)
		want["mine"] = "2"
		if diff := cmp.Diff(want, entries(got)); diff != "" || got.User.Biography.Bio != "" || got.User.Profile.Name != "Al" {
			t.Errorf("%+v\n%s", got.User, diff)
		}
		for who, caller := range map[string]*auth.Caller{
			"himself": w.person("alice"), "an operator": operator, "a reader": w.holder(auth.RoleReader, "acme"),
		} {
			read, err := w.profile.Extended(t.Context(), caller, "alice")
			if diff := cmp.Diff(entries(got), entries(read)); diff != "" || err != nil || read.Fields != nil {
				t.Errorf("%s: %v\n%s", who, err, diff)
			}
		}
	})
}

func TestWhoseExtendedProfile(t *testing.T) {
	w := newWorld(t, redistest.Embedded(t))
	before := w.record("alice")
	reader := w.holder(auth.RoleReader, "acme")
	for who, row := range map[string]struct {
		caller     *auth.Caller
		name       string
		get, write auth.Code
	}{
		"somebody else":         {w.person("bob"), "alice", auth.AccessDenied, auth.AccessDenied},
		"about nobody":          {w.person("bob"), "nobody", auth.NotFound, auth.NotFound},
		"somebody elsewhere":    {w.person("carl"), "alice", auth.NotFound, auth.NotFound},
		"a reader":              {reader, "alice", "", auth.AccessDenied},
		"a reader, of nobody":   {reader, "nobody", auth.NotFound, auth.NotFound},
		"an operator, of none":  {w.holder(auth.RoleOperator, "acme"), "nobody", auth.NotFound, auth.NotFound},
		"an operator elsewhere": {w.holder(auth.RoleOperator, "other"), "alice", auth.NotFound, auth.NotFound},
	} {
		if _, err := w.profile.Extended(t.Context(), row.caller, row.name); auth.CodeOf(err) != row.get {
			t.Errorf("%s reads: %v", who, err)
		}
		for _, members := range []string{`{"name":"Mine","mine":1}`, `{"mine":1}`, `{"name":"Mine"}`, `{}`} {
			_, err := w.profile.SetExtended(t.Context(), row.caller, row.name, object(t, members))
			if auth.CodeOf(err) != row.write {
				t.Errorf("%s writes %s: %v", who, members, err)
			}
		}
	}
	// Who operates one of his further organisations sees him, and what there is of him there, and does not change the person.
	operator := w.holder(auth.RoleOperator, "other")
	if _, err := w.profile.Extended(t.Context(), operator, "dora"); err != nil {
		t.Error(err)
	}
	for _, members := range []string{`{"name":"Mine"}`, `{"name":"Mine","theirs":1}`} {
		_, err := w.profile.SetExtended(t.Context(), operator, "dora", object(t, members))
		if e := w.trail.Last(); auth.CodeOf(err) != auth.AccessDenied || e.Action != "user.profile" || e.Outcome != audit.Denied {
			t.Errorf("%s: %v, recorded %+v", members, err, e)
		}
	}
	got, err := w.profile.SetExtended(t.Context(), operator, "dora", object(t, `{"mine":1}`))
	if err != nil || got.User.Profile.Name != "Dora" || len(got.Entries) != 1 {
		t.Errorf("dora is %+v, %v", got, err)
	}
	got, err = w.profile.Extended(t.Context(), w.person("alice"), "alice")
	w.must(err)
	if diff := cmp.Diff(before, w.record("alice")); diff != "" || len(got.Entries) > 0 {
		t.Errorf("%v\n%s", got.Entries, diff)
	}
}

func TestTheExtendedProfileAllOrNone(t *testing.T) {
	w := newWorld(t, redistest.Embedded(t))
	operator := w.holder(auth.RoleOperator, "acme")
	before := w.record("alice")
	for _, row := range []struct {
		caller  *auth.Caller
		members string
		faults  []string
		code    metadata.Code
	}{
		{w.person("alice"), `{"mine":1,"name":"","about":3,"title":7,"language":"Klingon","is_profile_public":"yes"}`,
			[]string{"about", "is_profile_public", "language", "name", "title"}, ""},
		{w.person("alice"), `{"mine":1,"is_profile_public":null,"social_links":[{"platform":"x","social_link":"a/b"}]}`,
			[]string{"is_profile_public", "social_links"}, ""},
		{w.person("alice"), `{"mine":1,"name":"Al","email":"nobody"}`, []string{"email"}, ""},
		{operator, `{"mine":1,"name":"Al","email":"new@example.com"}`, []string{"email"}, ""},
		{w.person("alice"), `{"mine":1,"name":"Al","` + strings.Repeat("k", 300) + `":1}`, nil, metadata.Invalid},
		{w.person("alice"), `{"mine":1,"name":"Al","deep":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`, nil, metadata.Invalid},
		{w.person("alice"), `{"mine":1,"name":"Al","long":"` + strings.Repeat("k", 600<<10) + `"}`, nil, metadata.LimitExceeded},
	} {
		_, err := w.profile.SetExtended(t.Context(), row.caller, "alice", object(t, row.members))
		faults, _ := errors.AsType[profile.Faults](err)
		refused, _ := errors.AsType[*metadata.Error](err)
		if !slices.Equal(row.faults, slices.Sorted(maps.Keys(faults))) || err == nil ||
			row.code != "" && (refused == nil || refused.Code != row.code) {
			t.Errorf("%.80s: %v", row.members, err)
		}
		if refused != nil && refused.Field == "" {
			t.Errorf("%.80s: %v names no member", row.members, err)
		}
		got, err := w.profile.Extended(t.Context(), w.person("alice"), "alice")
		w.must(err)
		if diff := cmp.Diff(before, w.record("alice")); diff != "" || len(got.Entries) > 0 || len(w.mail.sent) > 0 {
			t.Fatalf("%.80s: %v\n%s", row.members, got.Entries, diff)
		}
	}
}

func TestEntriesNeverPassForTheRecord(t *testing.T) { // row L-12
	w := newWorld(t, redistest.Embedded(t))
	before := w.record("alice")
	members := object(t, `{"username":"bob","Username":"bob","id":7,"is_active":false,"date_joined":"2000","profile_image":{},"last_login":"x",
		"profile_image_url":"https://evil.example/x","requires_parental_consent":false,"email_verified":true,"EMAIL_VERIFIED":true,"Email":"x",
		"is_staff":true,"is_superuser":true,"user_id":7,"sub":"x","phone_number_verified":true,"secondary_email":"x@y.example","NAME":"x",
		"time_zone":"x","activation_key":"x"}`)
	got, err := w.profile.SetExtended(t.Context(), w.person("alice"), "alice", members)
	w.must(err)
	if diff := cmp.Diff(before, w.record("alice")); diff != "" || len(got.Entries) > 0 {
		t.Errorf("%v\n%s", got.Entries, diff)
	}
	// Nor those that were written through another door.
	value, err := metadata.JSON([]byte(`"bob"`))
	w.must(err)
	puts := []metadata.Put{{Key: "username", Value: value}, {Key: "IS_STAFF", Value: value}, {Key: "mine", Value: value}}
	_, err = w.metadata.Apply(t.Context(), auth.System(), metadata.Target{Org: "acme", User: w.ids["alice"]}, metadata.Change{Set: puts},
		metadata.Precondition{})
	w.must(err)
	got, err = w.profile.Extended(t.Context(), w.person("alice"), "alice")
	w.must(err)
	if diff := cmp.Diff(map[string]string{"mine": `"bob"`}, entries(got)); diff != "" {
		t.Error(diff)
	}
}

func TestEntriesObeyTheirDefinitions(t *testing.T) {
	w := newWorld(t, redistest.Embedded(t))
	claim := metadata.Put{Key: "plan", ProfileClaim: true}
	var err error
	claim.Value, err = metadata.JSON([]byte(`"gold"`))
	w.must(err)
	_, err = w.metadata.Apply(t.Context(), auth.System(), metadata.Target{Org: "acme", User: w.ids["alice"]},
		metadata.Change{Set: []metadata.Put{claim}}, metadata.Precondition{})
	w.must(err)
	_, err = w.profile.SetExtended(t.Context(), w.person("alice"), "alice", object(t, `{"plan":"platinum","name":"Al"}`))
	if refused, _ := errors.AsType[*metadata.Error](err); refused == nil || refused.Code != metadata.Forbidden {
		t.Errorf("a claim that operators write: %v", err)
	}
	if got := w.record("alice").Profile.Name; got != "Alice" {
		t.Errorf("alice is %q", got)
	}
	got, err := w.profile.SetExtended(t.Context(), w.holder(auth.RoleOperator, "acme"), "alice", object(t, `{"plan":"platinum"}`))
	w.must(err)
	if len(got.Entries) != 1 || !got.Entries[0].ProfileClaim || got.Entries[0].Value.Raw() != `"platinum"` {
		t.Errorf("%+v", got.Entries)
	}
}

// What the account refuses keeps the entries beside it from being written.
func TestRefusedAccountsWriteNoEntries(t *testing.T) {
	w := newWorld(t, redistest.Embedded(t))
	w.operate("alice", func(u *auth.User) {
		for n := range 50 {
			u.Biography.Extended = append(u.Biography.Extended, auth.ExtendedField{Name: fmt.Sprintf("f%02d", n), Value: "x"})
		}
	})
	one := object(t, `{"mine":1,"extended_profile":[{"field_name":"one_more","field_value":"x"}]}`)
	if _, err := w.profile.SetExtended(t.Context(), w.person("alice"), "alice", one); err == nil {
		t.Error("a field too many was taken")
	}
	got, err := w.profile.Extended(t.Context(), w.person("alice"), "alice")
	w.must(err)
	if len(got.Entries) != 0 {
		t.Errorf("there are %+v", got.Entries)
	}
}

func TestWhatIsPublic(t *testing.T) {
	w := newWorld(t, redistest.Embedded(t))
	for _, row := range []struct{ before, members, after string }{
		{"", `{"is_profile_public":true}`, "all_users"}, {"all_users", `{"is_profile_public":false}`, "private"},
		{"private", `{"is_profile_public":true}`, "all_users"}, {"private", `{"is_profile_public":false}`, "private"},
		{"custom", `{"is_profile_public":true}`, "all_users"}, {"custom", `{"is_profile_public":false}`, "custom"},
		{"private", `{"account_privacy":"private","is_profile_public":true}`, "all_users"},
	} {
		w.operate("alice", func(u *auth.User) { u.Biography.Privacy = row.before })
		_, err := w.profile.SetExtended(t.Context(), w.person("alice"), "alice", object(t, row.members))
		if got := w.record("alice").Biography.Privacy; got != row.after || err != nil {
			t.Errorf("%q, %s: %q, %v", row.before, row.members, got, err)
		}
	}
}
