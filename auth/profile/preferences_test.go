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
	"github.com/claimsmith/claimsmith/internal/redistest"
)

func TestPreferencesReadBack(t *testing.T) {
	w := newWorld(t, redistest.Embedded(t))
	reader := w.holder(auth.RoleReader, "acme")
	for _, row := range []struct {
		members string
		want    map[string]string
	}{
		{`{}`, map[string]string{"account_privacy": "all_users"}},
		{`{"time_zone":"Europe/Berlin","pref-lang":"pt_BR"}`,
			map[string]string{"account_privacy": "all_users", "time_zone": "Europe/Berlin", "pref-lang": "pt-BR"}},
		{`{"time_zone":null,"pref-lang":"de","visibility.bio":"all_users"}`,
			map[string]string{"account_privacy": "all_users", "pref-lang": "de", "visibility.bio": "all_users"}},
		{`{"account_privacy":"custom","pref-lang":null,"visibility.name":"all_users","visibility.bio":"private"}`, map[string]string{
			"account_privacy": "custom", "visibility.name": "all_users", "visibility.bio": "private", "visibility.country": "private",
			"visibility.course_certificates": "private", "visibility.date_joined": "private", "visibility.language_proficiencies": "private",
			"visibility.level_of_education": "private", "visibility.social_links": "private", "visibility.time_zone": "private",
		}},
		{`{"account_privacy":"private","visibility.name":null}`, map[string]string{"account_privacy": "private"}},
		{`{"account_privacy":null,"visibility.name":null}`, map[string]string{"account_privacy": "all_users"}},
	} {
		if err := w.profile.SetPreferences(t.Context(), w.person("alice"), "alice", object(t, row.members)); err != nil {
			t.Errorf("%s: %v", row.members, err)
		}
		for who, caller := range map[string]*auth.Caller{"himself": w.person("alice"), "a reader": reader} {
			got, err := w.profile.Preferences(t.Context(), caller, "alice")
			if diff := cmp.Diff(row.want, got); diff != "" || err != nil {
				t.Errorf("%s, %s: %v\n%s", row.members, who, err, diff)
			}
		}
	}
	for who, row := range map[string]struct {
		caller *auth.Caller
		name   string
		code   auth.Code
	}{
		"somebody else":      {w.person("bob"), "alice", auth.AccessDenied},
		"about nobody":       {w.person("bob"), "nobody", auth.NotFound},
		"elsewhere":          {w.person("carl"), "alice", auth.NotFound},
		"a reader elsewhere": {w.holder(auth.RoleReader, "other"), "alice", auth.NotFound},
	} {
		if _, err := w.profile.Preferences(t.Context(), row.caller, row.name); auth.CodeOf(err) != row.code {
			t.Errorf("%s: %v", who, err)
		}
	}
}

func TestWhatIsWrongWithAPreference(t *testing.T) {
	w := newWorld(t, redistest.Embedded(t))
	before := w.record("alice")
	for members, want := range map[string]profile.Fault{
		`{"time_zone":"Mars/Olympus"}`: {
			Developer: "Value 'Mars/Olympus' is not valid for user preference 'time_zone': this is none of its values",
			User:      "Value 'Mars/Olympus' is not valid for user preference 'time_zone'."},
		`{"time_zone":""}`: {
			Developer: "Preference 'time_zone' cannot be set to an empty value.", User: "Preference 'time_zone' cannot be set to an empty value."},
		`{"time_zone":"Local"}`:               {User: "Value 'Local' is not valid for user preference 'time_zone'."},
		`{"time_zone":"../../etc/passwd"}`:    {User: "Value '../../etc/passwd' is not valid for user preference 'time_zone'."},
		`{"time_zone":"Europe/Berlin\u0000"}`: {User: "Value 'Europe/Berlin\x00' is not valid for user preference 'time_zone'."},
		`{"time_zone":5}`:                     {User: "Value '5' is not valid for user preference 'time_zone'."},
		`{"pref-lang":"??"}`:                  {User: "Value '??' is not valid for user preference 'pref-lang'."},
		`{"pref-lang":"xx"}`:                  {User: "Value 'xx' is not valid for user preference 'pref-lang'."},
		`{"account_privacy":"nobody"}`:        {User: "Value 'nobody' is not valid for user preference 'account_privacy'."},
		`{"visibility.bio":"custom"}`:         {User: "Value 'custom' is not valid for user preference 'visibility.bio'."},
		`{"visibility.email":"all_users"}`:    {User: "Value 'all_users' is not valid for user preference 'visibility.email'."},
		`{"visibility.":"all_users"}`:         {User: "Value 'all_users' is not valid for user preference 'visibility.'."},
		`{"unknown":null}`:                    {User: "Value 'None' is not valid for user preference 'unknown'."},
	} {
		err := w.profile.SetPreferences(t.Context(), w.person("alice"), "alice", object(t, members))
		faults, _ := errors.AsType[profile.Faults](err)
		if len(faults) != 1 {
			t.Errorf("%s: %v", members, err)
		}
		for name, f := range faults {
			if !strings.HasPrefix(members, `{"`+name+`"`) || f.User != want.User || want.Developer != "" && f != want {
				t.Errorf("%s: %q\n%+v, want\n%+v", members, name, f, want)
			}
		}
	}
	_, err := w.profile.Preferences(t.Context(), w.person("alice"), "alice")
	w.must(err)
	err = w.profile.SetPreferences(t.Context(), w.person("alice"), "alice", object(t, `{"pref-lang":"de","time_zone":"x","y":"z"}`))
	faults, _ := errors.AsType[profile.Faults](err)
	if diff := cmp.Diff([]string{"time_zone", "y"}, slices.Sorted(maps.Keys(faults))); diff != "" {
		t.Error(diff)
	}
	many := object(t, "{}")
	for n := range 1000 {
		many[fmt.Sprint(n)+strings.Repeat("k", 1000)] = []byte(`"v"`)
	}
	faults, _ = errors.AsType[profile.Faults](w.profile.SetPreferences(t.Context(), w.person("alice"), "alice", many))
	size := 0
	for name, f := range faults {
		size += len(name) + len(f.Developer) + len(f.User)
	}
	if len(faults) == 0 || size > 100_000 {
		t.Errorf("faults of %d bytes", size)
	}
	if diff := cmp.Diff(before, w.record("alice")); diff != "" {
		t.Error(diff)
	}
}
