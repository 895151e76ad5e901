package profile_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/profile"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

// What others see of a person (seed 001).
var (
	ofPrivate = []string{"account_privacy", "profile_image", "username"}
	ofShared  = []string{
		"account_privacy", "bio", "country", "course_certificates", "date_joined", "language_proficiencies", "level_of_education",
		"profile_image", "social_links", "time_zone", "username",
	}
)

func TestWhoSeesWhat(t *testing.T) {
	w := newWorld(t, redistest.Embedded(t))
	operator, reader := w.holder(auth.RoleOperator, "acme"), w.holder(auth.RoleReader, "acme")
	private := func(u *auth.User) { u.Biography.Privacy = auth.PrivacyPrivate }
	custom := func(shown ...string) func(*auth.User) {
		return func(u *auth.User) { u.Biography.Privacy, u.Biography.Shown = auth.PrivacyCustom, shown }
	}
	born := func(date string) func(*auth.User) { return func(u *auth.User) { u.Profile.Birthdate = date } }
	for what, row := range map[string]struct {
		change  func(*auth.User)
		fields  []string
		privacy string
		consent bool
	}{
		"nothing said":           {func(*auth.User) {}, ofShared, "all_users", false},
		"for all":                {func(u *auth.User) { u.Biography.Privacy = "all_users" }, ofShared, "all_users", false},
		"private":                {private, ofPrivate, "private", false},
		"custom, nothing":        {custom(), ofPrivate, "custom", false},
		"custom, some":           {custom("name", "bio"), append([]string{"bio", "name"}, ofPrivate...), "custom", false},
		"custom, what is hidden": {custom("email", "phone_number", "id"), ofPrivate, "custom", false},
		"no birthdate":           {born(""), ofPrivate, "private", true},
		"no year of birth":       {born("0000-05-03"), ofPrivate, "private", true},
		"the day before 13":      {born("2013-11-23"), ofPrivate, "private", true},
		"the day of 13":          {born("2013-11-22"), ofShared, "all_users", false},
		"13 at the year's end":   {born("2013"), ofPrivate, "private", true},
		"13 before this year":    {born("2012"), ofShared, "all_users", false},
		"child for all": {func(u *auth.User) { u.Profile.Birthdate, u.Biography.Privacy = "2020", "all_users" },
			ofPrivate, "private", true},
		"child, custom": {func(u *auth.User) {
			u.Profile.Birthdate, u.Biography.Privacy, u.Biography.Shown = "2020", "custom", []string{"bio"}
		}, ofPrivate, "private", true},
	} {
		w.operate("bob", func(u *auth.User) { u.Profile.Birthdate, u.Biography = "1980-05-03", auth.Biography{} })
		w.operate("bob", row.change)
		for _, who := range []struct {
			name   string
			caller *auth.Caller
			whole  bool
		}{
			{"himself", w.person("bob"), true}, {"an operator", operator, true}, {"a reader", reader, true},
			{"somebody else", w.person("alice"), false},
		} {
			for _, shared := range []bool{false, true} {
				account, err := w.profile.Account(t.Context(), who.caller, "bob", shared)
				w.must(err)
				fields := slices.Sorted(slices.Values(account.Fields))
				if who.whole && !shared && account.Fields == nil && account.Shows("email") && account.Number > 0 {
					fields = row.fields // all of them
					slices.Sort(fields)
				}
				want := slices.Sorted(slices.Values(row.fields))
				if diff := cmp.Diff(want, fields); diff != "" {
					t.Errorf("%s, shared %v: %s sees\n%s", what, shared, who.name, diff)
				}
				if account.Fields != nil && (account.Shows("email") || !account.Shows("username")) {
					t.Errorf("%s: Shows does not say what Fields do", what)
				}
				if account.Privacy != row.privacy || account.ParentalConsent != row.consent {
					t.Errorf("%s: %q, consent %v", what, account.Privacy, account.ParentalConsent)
				}
			}
		}
	}
}

func TestNobodySeesPeopleOfOtherOrganisations(t *testing.T) {
	w := newWorld(t, redistest.Embedded(t))
	operator := w.holder(auth.RoleOperator, "other")
	for name, row := range map[string]struct {
		caller *auth.Caller
		sees   map[string]bool
	}{
		"alice":                 {w.person("alice"), map[string]bool{"alice": true, "bob": true, "dora": true}},
		"carl":                  {w.person("carl"), map[string]bool{"carl": true, "dora": true}},
		"an operator of carl's": {operator, map[string]bool{"carl": true, "dora": true}},
		"nobody in particular":  {auth.Person("no-such-user", "acme"), map[string]bool{"alice": true, "bob": true, "dora": true}},
	} {
		for _, about := range []string{"alice", "bob", "carl", "dora", "nobody", "", "..", "me"} {
			account, err := w.profile.Account(t.Context(), row.caller, about, false)
			self, _ := row.caller.Self(row.caller.HomeOrg())
			switch {
			case about == "me":
				if err == nil && account.User.ID != self {
					t.Errorf("%s is somebody else", name)
				}
			case row.sees[about] != (err == nil) || err != nil && auth.CodeOf(err) != auth.NotFound:
				t.Errorf("%s looks at %q: %v", name, about, err)
			}
		}
	}
	// By id or address nobody finds people but those who manage them.
	for _, about := range []string{w.ids["bob"], "bob@example.com"} {
		if _, err := w.profile.Account(t.Context(), w.person("alice"), about, false); auth.CodeOf(err) != auth.NotFound {
			t.Errorf("alice looks at %q: %v", about, err)
		}
	}
}

func TestAccountsAreThoseThatExist(t *testing.T) {
	w := newWorld(t, redistest.Embedded(t))
	names := []string{"bob", "nobody", "alice", "carl", "bob"}
	accounts, err := w.profile.Accounts(t.Context(), w.person("alice"), names, false)
	w.must(err)
	var seen []string
	for i := range accounts {
		seen = append(seen, accounts[i].User.Username)
		if (accounts[i].Fields == nil) != (accounts[i].User.Username == "alice") {
			t.Errorf("%s: %v", accounts[i].User.Username, accounts[i].Fields)
		}
	}
	if diff := cmp.Diff([]string{"bob", "alice"}, seen); diff != "" {
		t.Error(diff)
	}
	shared, err := w.profile.Accounts(t.Context(), w.person("alice"), []string{"alice"}, true)
	w.must(err)
	if len(shared) != 1 || shared[0].Fields == nil {
		t.Errorf("%+v is not what is shared", shared)
	}
	if _, err := w.profile.Accounts(t.Context(), w.person("alice"), make([]string, 101), false); auth.CodeOf(err) != auth.InvalidRequest {
		t.Errorf("101 people: %v", err)
	}
}

func TestOnlyThoseWhoReadFindByAddressAndNumber(t *testing.T) {
	w := newWorld(t, redistest.Embedded(t))
	reader := w.holder(auth.RoleReader, "acme")
	alice, err := w.profile.ByEmail(t.Context(), reader, "Alice@example.com", false)
	w.must(err)
	again, err := w.profile.ByNumber(t.Context(), reader, alice.Number, true)
	w.must(err)
	if alice.User.Username != "alice" || again.User.ID != alice.User.ID || alice.Fields != nil || again.Fields == nil {
		t.Errorf("%+v and %+v", alice, again)
	}
	carl, err := w.profile.Account(t.Context(), w.person("carl"), "carl", false)
	w.must(err)
	if carl.Number == alice.Number {
		t.Error("two people have one number")
	}
	byEmail := func(email string) func(*auth.Caller) error {
		return func(c *auth.Caller) error {
			_, err := w.profile.ByEmail(t.Context(), c, email, false)
			return err
		}
	}
	byNumber := func(number uint64) func(*auth.Caller) error {
		return func(c *auth.Caller) error {
			_, err := w.profile.ByNumber(t.Context(), c, number, false)
			return err
		}
	}
	for what, row := range map[string]struct {
		find func(*auth.Caller) error
		code auth.Code
	}{
		"a username":       {byEmail("alice"), auth.NotFound},
		"an address":       {byEmail("x@y.example"), auth.NotFound},
		"carl's address":   {byEmail("carl@example.com"), auth.NotFound},
		"carl's number":    {byNumber(carl.Number), auth.NotFound},
		"nobody's number":  {byNumber(1 << 40), auth.NotFound},
		"number zero":      {byNumber(0), auth.NotFound},
		"alice's, as such": {byNumber(alice.Number), ""},
	} {
		if err := row.find(reader); auth.CodeOf(err) != row.code {
			t.Errorf("%s: %v", what, err)
		}
		if err := row.find(w.person("alice")); auth.CodeOf(err) != auth.AccessDenied {
			t.Errorf("%s, by a person: %v", what, err)
		}
	}
}

func TestWhatARecordSaysInTheCodesOfEdX(t *testing.T) {
	for gender, code := range map[string]string{"": "", "female": "f", "male": "m", "other": "o", "non-binary": "o", "Female": "o"} {
		u := auth.User{}
		u.Profile.Gender = gender
		if got := profile.Gender(&u); got != code {
			t.Errorf("%q is %q", gender, got)
		}
	}
	for country, code := range map[string]string{
		"": "", "DE": "DE", "US": "US", "de": "", "Germany": "", "XX": "", "D": "", "DE ": "", " D": "", "E A": "",
	} {
		u := auth.User{}
		u.Profile.Address.Country = country
		if got := profile.Country(&u); got != code {
			t.Errorf("%q is %q", country, got)
		}
	}
	for date, year := range map[string]int{"": 0, "1980": 1980, "1980-05-03": 1980, "0000-05-03": 0} {
		u := auth.User{}
		u.Profile.Birthdate = date
		if got := profile.YearOfBirth(&u); got != year {
			t.Errorf("%q is of %d", date, got)
		}
	}
}
