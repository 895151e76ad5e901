package profile_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/profile"
	"github.com/claimsmith/claimsmith/internal/audit"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

func TestAChangeIsWhatUserinfoTells(t *testing.T) {
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		w := newWorld(t, b)
		_, err := w.change("alice", `{"name":"Alice A.","gender":"f","year_of_birth":1981,"phone_number":"+4915112345","country":"DE",
			"state":"Bayern","mailing_address":"Street 1\nTown","language_proficiencies":[{"code":"zh_HANT"},{"code":"en"}],
			"social_links":[{"platform":"x","social_link":"al"},{"platform":"facebook","social_link":"ally"}],"bio":"b"}`)
		w.must(err)
		w.must(w.profile.SetPreferences(t.Context(), w.person("alice"), "alice", object(t, `{"time_zone":"Europe/Berlin"}`)))
		alice := w.record("alice")
		p := auth.StandardProfile(&alice)
		got := fmt.Sprint(p.Name, p.Gender, p.Birthdate, p.PhoneNumber, p.PhoneNumberVerified, p.Address.Country, p.Address.Region,
			p.Address.Formatted, p.Locale, p.ProfileURL, p.Zoneinfo, p.Email, p.EmailVerified, p.PreferredUsername)
		want := "Alice A.female1981+4915112345falseDEBayernStreet 1\nTown" +
			"zh-Hanthttps://www.facebook.com/allyEurope/Berlinalice@example.comtruealice"
		if got != want {
			t.Errorf("%s\nwant\n%s", got, want)
		}
		if e := w.trail.Last(); e.Action != "user.profile" || e.Outcome != audit.Success || !strings.Contains(e.Target, alice.ID) {
			t.Errorf("recorded %+v", e)
		}
		// And what an operator writes into the claims shows in the account.
		w.operate("alice", func(u *auth.User) {
			u.Profile.Name, u.Profile.Locale, u.Profile.ProfileURL = "Al", "pt-BR", "https://de.linkedin.com/in/alice?trk=1"
			u.Profile.PhoneNumberVerified = true
		})
		account, err := w.profile.Account(t.Context(), w.person("alice"), "me", false)
		w.must(err)
		said := reading(&account.User)
		for _, part := range []string{"name=Al ", "languages=en,pt,zh_HANT ", "links=facebook:https://www.facebook.com/ally," +
			"linkedin:https://www.linkedin.com/in/alice,x:https://www.x.com/al "} {
			if !strings.Contains(said, part) {
				t.Errorf("%s has no %s", said, part)
			}
		}
	})
}

func TestAllMembersOrNone(t *testing.T) {
	w := newWorld(t, redistest.Embedded(t))
	before := w.record("alice")
	_, err := w.change("alice", `{"name":"Al","bio":5,"email":"new@example.com","gender":"x","username":"al","social_links":[],"unknown":1}`)
	faults, _ := errors.AsType[profile.Faults](err)
	if diff := cmp.Diff([]string{"bio", "gender", "username"}, slices.Sorted(maps.Keys(faults))); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(before, w.record("alice")); diff != "" || len(w.mail.sent) > 0 {
		t.Errorf("changed\n%s, sent %v", diff, w.mail.sent)
	}
	if text := err.Error(); text != "members were refused: bio, gender, username" {
		t.Error(text)
	}
}

func TestOnlyThePersonChangesHisAccount(t *testing.T) {
	w := newWorld(t, redistest.Embedded(t))
	operator := w.holder(auth.RoleOperator, "acme")
	before := []auth.User{w.record("alice"), w.record("bob"), w.record("carl")}
	for who, caller := range map[string]*auth.Caller{
		"alice": w.person("alice"), "an operator": operator, "a reader": w.holder(auth.RoleReader, "acme"), "an admin": auth.System(),
		"somebody who has gone": auth.Person("no-such-user", "acme"),
	} {
		for _, name := range []string{"bob", "carl", "nobody", "", "bob@example.com", w.ids["bob"]} {
			for what, change := range map[string]func() error{
				"account": func() error {
					_, err := w.profile.Change(t.Context(), caller, name, object(t, `{"name":"Mine","email":"mine@example.com"}`))
					return err
				},
				"preferences": func() error {
					return w.profile.SetPreferences(t.Context(), caller, name, object(t, `{"pref-lang":"de"}`))
				},
			} {
				w.trail.Take()
				if err := change(); auth.CodeOf(err) != auth.AccessDenied {
					t.Errorf("%s, %s of %q: %v", who, what, name, err)
				}
				if all := w.trail.Take(); len(all) != 1 || all[0].Action != "user.profile" || all[0].Outcome != audit.Denied {
					t.Errorf("%s, %s of %q: recorded %+v", who, what, name, all)
				}
			}
		}
	}
	if _, err := w.profile.Change(t.Context(), operator, "me", nil); auth.CodeOf(err) != auth.AccessDenied {
		t.Errorf("who is nobody: %v", err)
	}
	if diff := cmp.Diff(before, []auth.User{w.record("alice"), w.record("bob"), w.record("carl")}); diff != "" {
		t.Error(diff)
	}
}

func TestMembersThatAreNoneAreNeverHeeded(t *testing.T) { // rows L-12, I-05
	w := newWorld(t, redistest.Embedded(t))
	members := map[string]jsontext.Value{}
	for _, name := range []string{
		"Name", "NAME", "Username", "USERNAME", "Email", "id", "sub", "ID", "user_id", "email_verified", "isEmailVerified", "EmailVerified",
		"phone_number_verified", "phone_verified", "is_staff", "is_superuser", "role", "roles", "orgs", "org_id", "left", "disabled", "Disabled",
		"epoch", "version", "Version", "created_at", "updated_at", "password", "password_hash", "profile", "Profile", "biography", "Biography",
		"pending_email", "email_proof", "must_change_password", "deleting", "picture", "locale", "zoneinfo", "time_zone", "website", "address",
		"last_login", "verified_name", "pending_name_change", "course_certificates", "secondary_email_enabled", "name\u0000", " name", "",
	} {
		for n, value := range []string{`true`, `"x"`, `{"email_verified":true}`, `["acme"]`, `99`, `null`} {
			before := w.record("alice")
			one := map[string]jsontext.Value{name: jsontext.Value(value)}
			if _, err := w.profile.Change(t.Context(), w.person("alice"), "alice", one); err != nil {
				t.Errorf("%q: %v", name, err)
			}
			if diff := cmp.Diff(before, w.record("alice")); diff != "" {
				t.Errorf("%q:%s changed\n%s", name, value, diff)
			}
			if n == 0 {
				members[name] = jsontext.Value(value)
			}
		}
	}
	before := w.record("alice")
	members["name"] = jsontext.Value(`"Al"`)
	if _, err := w.profile.Change(t.Context(), w.person("alice"), "alice", members); err != nil {
		t.Error(err)
	}
	before.Profile.Name, before.Version = "Al", before.Version+1
	if diff := cmp.Diff(before, w.record("alice")); diff != "" {
		t.Error(diff)
	}
}

func TestAWrittenPhoneNumberIsNotVerified(t *testing.T) {
	w := newWorld(t, redistest.Embedded(t))
	verify := func() {
		update := auth.UserChange{Profile: asVerified("+4915112345")}
		_, err := w.users.Update(t.Context(), auth.System(), "acme", "alice", nil, update)
		w.must(err)
	}
	for members, verified := range map[string]bool{
		`{"phone_number":"+4915112345"}`: true, `{"phone_number":"4915112345"}`: false, `{"phone_number":"+49151123456"}`: false,
		`{"phone_number":null}`: false, `{"name":"Al"}`: true,
	} {
		verify()
		if _, err := w.change("alice", members); err != nil {
			t.Error(members, err)
		}
		if got := w.record("alice").Profile.PhoneNumberVerified; got != verified {
			t.Errorf("%s: verified %v", members, got)
		}
	}
}

func TestANewAddressIsAskedForByMail(t *testing.T) {
	w := newWorld(t, redistest.Embedded(t))
	account, err := w.change("alice", `{"email":"New@Example.com","bio":"b"}`)
	w.must(err)
	alice := w.record("alice")
	if account.User.Email != "alice@example.com" || alice.Email != "alice@example.com" || !alice.EmailVerified || alice.Biography.Bio != "b" {
		t.Errorf("%+v", alice)
	}
	if len(w.mail.sent) != 1 {
		t.Fatalf("sent %+v", w.mail.sent)
	}
	m := w.mail.sent[0]
	_, rest, _ := strings.Cut(m.text, "https://id.example/account/email?secret=")
	secret, _, _ := strings.Cut(rest, "\n")
	if m.to != "new@example.com" || m.subject == "" || !strings.Contains(m.text, "24 hours") || !strings.Contains(m.text, "not you") {
		t.Errorf("%+v", m)
	}
	if user, address, err := w.users.AskedEmail(t.Context(), secret); err != nil || user.ID != alice.ID || address != "new@example.com" {
		t.Errorf("the link: %v, %s, %v", user.ID, address, err)
	}
	for _, e := range w.trail.Take() {
		if strings.Contains(fmt.Sprint(e), secret) {
			t.Error("the secret is in the log")
		}
	}
	if _, _, err := w.users.ConfirmEmail(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	if alice = w.record("alice"); alice.Email != "new@example.com" || !alice.EmailVerified {
		t.Errorf("%+v", alice)
	}
}

func TestNoMailForAnAddressThatIsTaken(t *testing.T) {
	w := newWorld(t, redistest.Embedded(t))
	for _, address := range []string{"bob@example.com", "carl@example.com", "alice@example.com", "ALICE@example.com"} {
		account, err := w.change("alice", `{"email":"`+address+`","goals":"`+address+`"}`)
		if err != nil || account.User.Email != "alice@example.com" || account.User.Biography.Goals != address {
			t.Errorf("%s: %+v, %v", address, account.User, err)
		}
	}
	if len(w.mail.sent) > 0 {
		t.Errorf("sent %+v", w.mail.sent)
	}
}

// What a change is refused for as a whole is known before anything of it is done.
func TestNoAddressIsAskedForByARefusedChange(t *testing.T) {
	w := newWorld(t, redistest.Embedded(t))
	full := make([]string, 50)
	for n := range full {
		full[n] = fmt.Sprintf(`{"field_name":"f%d","field_value":"x"}`, n)
	}
	_, err := w.change("alice", `{"extended_profile":[`+strings.Join(full, ",")+`]}`)
	w.must(err)
	earlier := w.asked("earlier@example.com")
	before, sent := w.record("alice"), len(w.mail.sent)
	_, err = w.change("alice", `{"email":"new@example.com","name":"Al","extended_profile":[{"field_name":"one more","field_value":"x"}]}`)
	want := profile.Faults{"": {Developer: "Error thrown when saving account updates: 'biography/extended: at most 50'"}}
	if faults, _ := errors.AsType[profile.Faults](err); !cmp.Equal(want, faults) {
		t.Errorf("%+v", err)
	}
	if diff := cmp.Diff(before, w.record("alice")); diff != "" || len(w.mail.sent) != sent {
		t.Errorf("changed, or mail sent\n%s", diff)
	}
	if _, address, err := w.users.AskedEmail(t.Context(), earlier); err != nil || address != "earlier@example.com" {
		t.Errorf("the earlier link is of %s (%v)", address, err)
	}
}

func TestAddressesCannotBeChangedWithoutMail(t *testing.T) {
	w := newWorld(t, redistest.Embedded(t))
	w.profile.Mail = nil
	before := w.record("alice")
	_, err := w.change("alice", `{"email":"new@example.com","name":"Al"}`)
	want := profile.Faults{"": {
		Developer: "Error thrown when saving account updates: 'Email address changes have been disabled by the site operators.'",
	}}
	if faults, _ := errors.AsType[profile.Faults](err); !cmp.Equal(want, faults) {
		t.Errorf("%+v", err)
	}
	// What is wrong with members is told before.
	_, err = w.change("alice", `{"email":"new@example.com","name":""}`)
	if faults, _ := errors.AsType[profile.Faults](err); len(faults) != 1 || faults["name"].User == "" {
		t.Errorf("%+v", err)
	}
	if diff := cmp.Diff(before, w.record("alice")); diff != "" {
		t.Error(diff)
	}
	if _, err := w.change("alice", `{"email":"alice@example.com","name":"Al"}`); err != nil {
		t.Errorf("the address there is: %v", err)
	}
}

func TestAskingForAddressesIsThrottled(t *testing.T) {
	w := newWorld(t, redistest.Embedded(t))
	for n := range 20 {
		before, sent := w.record("alice"), len(w.mail.sent)
		_, err := w.change("alice", fmt.Sprintf(`{"email":"new%d@example.com","bio":"%d"}`, n, n))
		if err == nil {
			continue
		}
		if auth.CodeOf(err) != auth.Throttled || n == 0 {
			t.Fatalf("%d: %v", n, err)
		}
		if diff := cmp.Diff(before, w.record("alice")); diff != "" || len(w.mail.sent) != sent {
			t.Errorf("changed, or mail sent\n%s", diff)
		}
		return
	}
	t.Error("nothing stops him")
}

func TestAMailSaysNothingThatAPersonMadeUp(t *testing.T) {
	w := newWorld(t, redistest.Embedded(t))
	w.operate("alice", func(u *auth.User) { u.Profile.Name, u.Biography.Bio = "win at evil.example", "evil.example/bio" })
	if _, err := w.change("alice", `{"email":"evil.example@example.com"}`); err != nil {
		t.Fatal(err)
	}
	m := w.mail.sent[0]
	if all := m.subject + m.text; strings.Contains(all, "evil") || strings.Contains(all, "alice") ||
		strings.Count(all, "://") != strings.Count(all, issuer) {
		t.Errorf("%+v", m)
	}
}

func TestAPersonOfTwoOrganisationsIsHimselfInBoth(t *testing.T) {
	w := newWorld(t, redistest.Embedded(t))
	for _, org := range []string{"acme", "other"} {
		caller := auth.Person(w.ids["dora"], org)
		if _, err := w.profile.Change(t.Context(), caller, "dora", object(t, `{"bio":"of `+org+`"}`)); err != nil {
			t.Error(err)
		}
		if got := w.record("dora").Biography.Bio; got != "of "+org {
			t.Error(got)
		}
	}
}

func TestNothingLargeGetsIn(t *testing.T) { // row D-04
	large := map[string]string{
		"a long text":    `"` + strings.Repeat("x", 1<<20) + `"`,
		"many objects":   `[` + strings.Repeat(`{},`, 100_000) + `{}]`,
		"many members":   `[{` + manyMembers(100_000) + `"code":"en","platform":"x","field_name":"a"}]`,
		"a long element": `[{"code":"` + strings.Repeat("x", 1<<20) + `","platform":"x","social_link":"` + strings.Repeat("x", 1<<20) + `"}]`,
		"a long number":  strings.Repeat("9", 1<<20),
		"a long address": `[{"platform":"linkedin","social_link":"linkedin.com/in/a?` + strings.Repeat("x", 1<<20) + `"}]`,
		"long names":     `[{"field_name":"` + strings.Repeat("x", 1<<20) + `"}]`,
	}
	for what, text := range large {
		for _, name := range []string{
			"name", "bio", "goals", "mailing_address", "state", "gender", "level_of_education", "country", "year_of_birth", "phone_number",
			"account_privacy", "language_proficiencies", "social_links", "extended_profile", "username",
		} {
			u := auth.User{}
			faults := profile.Apply(&u, map[string]jsontext.Value{name: jsontext.Value(text)}, at)
			told := len(faults[name].Developer) + len(faults[name].User)
			// Members of no meaning within an element are passed over, as everywhere in an account.
			if passed := what == "many members" && strings.Contains("language_proficiencies social_links extended_profile", name); passed {
				if size := len(fmt.Sprint(u)); size > 2000 {
					t.Errorf("%s as %s: a record of %d bytes", what, name, size)
				}
			} else if len(faults) != 1 || told == 0 || told > 1000 {
				t.Errorf("%s as %s: %d faults, of %d bytes", what, name, len(faults), told)
			}
		}
	}
}

func manyMembers(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"m%d":1,`, i)
	}
	return b.String()
}
