package profile_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/profile"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

// modelAccount is what a person has written, as simple as it can be.
type modelAccount struct {
	text      map[string]string // of members that are one text, "" for none
	year      int
	languages []string
	links     map[string]string
	extended  map[string]string
}

// value is one that a member is given: good ones change the model, others are at fault.
type value struct {
	json any
	good bool
	set  func(*modelAccount)
}

func bad(values ...any) *rapid.Generator[value] {
	return rapid.Map(rapid.SampledFrom(values), func(v any) value { return value{json: v} })
}

// one is a member that is one text.
func one(name string, good *rapid.Generator[string], nullable bool, faulty ...any) *rapid.Generator[value] {
	set := func(text string) func(*modelAccount) {
		return func(m *modelAccount) {
			if name == "country" && m.text["country"] == "US" && text != "US" {
				m.text["state"] = ""
			}
			m.text[name] = text
		}
	}
	written := rapid.Map(good, func(text string) value { return value{text, true, set(text)} })
	null := rapid.Just(value{nil, true, set("")})
	if !nullable {
		null = rapid.Just(value{})
	}
	return rapid.OneOf(written, written, written, null, bad(append(faulty, 5, true, []int{}, map[string]int{})...))
}

func sampled(texts ...string) *rapid.Generator[string] { return rapid.SampledFrom(texts) }

// lines are texts that can be written.
var lines = rapid.Custom(func(t *rapid.T) string {
	text := rapid.StringOfN(rapid.RuneFrom([]rune("aZ 9ßé漢𝒜\n<>&\"'\\/")), 0, 200, -1).Draw(t, "text")
	return strings.TrimSpace(text)
})

var memberValues = map[string]*rapid.Generator[value]{
	"name":               one("name", sampled("A", "Zoë ß", "J.R. Doe", strings.Repeat("é", 255)), false, "", " ", "<", "www.a"),
	"bio":                one("bio", lines, true, strings.Repeat("x", 301), "\x00"),
	"goals":              one("goals", lines, true, strings.Repeat("x", 2001)),
	"mailing_address":    one("mailing_address", lines, true, strings.Repeat("x", 1025)),
	"state":              one("state", sampled("", "MA", "Baden-Württemberg"), true, "a\nb", strings.Repeat("x", 256)),
	"gender":             one("gender", sampled("", "f", "m", "o"), true, "x", "female"),
	"level_of_education": one("level_of_education", sampled("", "p", "m", "b", "a", "hs", "jhs", "el", "none", "o"), true, "x", "HS"),
	"country":            one("country", sampled("", "US", "DE", "CA"), true, "us", "XX"),
	"phone_number":       one("phone_number", sampled("", "12345", "+4915112345678"), true, "x", "++12345", "12 345"),
	"account_privacy":    one("account_privacy", sampled("all_users", "private"), false, "", "custom"),
	"username":           bad("alice", nil, 7),
	"is_active":          bad(true, nil),
	"email":              bad(nil, "", "x", 7),
	"email_verified":     rapid.Just(value{true, true, func(*modelAccount) {}}),
	"Name":               rapid.Just(value{"x", true, func(*modelAccount) {}}),
	"year_of_birth": rapid.OneOf(bad(0, 1899, 2027, "x", "", true), rapid.Map(rapid.IntRange(1900, 2026), func(year int) value {
		return value{year, true, func(m *modelAccount) { m.year = year }}
	}), rapid.Just(value{nil, true, func(m *modelAccount) { m.year = 0 }})),
	"language_proficiencies": rapid.OneOf(
		bad("en", []string{"en"}, []map[string]string{{"code": "en"}, {"code": "en"}}, []map[string]string{{"code": "xx"}}, []any{nil}),
		rapid.Map(rapid.SliceOfNDistinct(sampled("en", "de", "zh_HANS", "yue"), 0, 4, rapid.ID), func(codes []string) value {
			list := []map[string]string{}
			for _, code := range codes {
				list = append(list, map[string]string{"code": code})
			}
			return value{list, true, func(m *modelAccount) { m.languages = codes }}
		})),
	"social_links":     rapid.OneOf(badLinks, goodLinks, goodLinks),
	"extended_profile": rapid.OneOf(bad("x", map[string]int{}, []any{1}, []map[string]string{{"field_value": "x"}}), goodFields, goodFields),
}

var badLinks = bad("x", []any{1}, []map[string]string{{"platform": "orkut", "social_link": "a"}},
	[]map[string]string{{"platform": "x", "social_link": "a/b"}}, []map[string]string{{"platform": "x"}, {"platform": "x"}})

var goodLinks = rapid.Map(rapid.MapOfN(sampled("facebook", "linkedin", "twitter", "x"), sampled("", "alice", "bob"), 0, 4),
	func(names map[string]string) value {
		list := []map[string]string{}
		for platform, name := range names {
			list = append(list, map[string]string{"platform": platform, "social_link": name})
		}
		return value{list, true, func(m *modelAccount) {
			for platform, name := range names {
				if delete(m.links, platform); name != "" {
					m.links[platform] = stubs[platform] + name
				}
			}
		}}
	})

var formFields = rapid.MapOfN(sampled("job", "city", "Ort"), sampled("", "x", "y\nz"), 0, 3)

var goodFields = rapid.Map(formFields, func(fields map[string]string) value {
	list := []map[string]string{}
	for name, text := range fields {
		list = append(list, map[string]string{"field_name": name, "field_value": text})
	}
	return value{list, true, func(m *modelAccount) {
		for name, text := range fields {
			if delete(m.extended, name); text != "" {
				m.extended[name] = text
			}
		}
	}}
})

// accountOf is a record as the model has it.
func accountOf(u *auth.User) modelAccount {
	p, b := &u.Profile, &u.Biography
	m := modelAccount{text: map[string]string{
		"name": p.Name, "bio": b.Bio, "goals": b.Goals, "mailing_address": p.Address.Formatted, "state": p.Address.Region,
		"gender": profile.Gender(u), "level_of_education": b.LevelOfEducation, "country": profile.Country(u), "phone_number": p.PhoneNumber,
		"account_privacy": b.Privacy,
	}, year: profile.YearOfBirth(u), languages: profile.Languages(u), links: map[string]string{}, extended: map[string]string{}}
	for _, l := range profile.Links(u) {
		m.links[l.Platform] = l.URL
	}
	for _, f := range b.Extended {
		m.extended[f.Name] = f.Value
	}
	return m
}

// TestAnyChange makes random changes one after the other: either exactly the members that are wrong are reported and nothing is changed, or
// what was written reads back and nothing else is different.
func TestAnyChange(t *testing.T) {
	w := newWorld(t, redistest.Embedded(t))
	stored := w.record("alice")
	model := accountOf(&stored)
	names := slices.Sorted(maps.Keys(memberValues))
	made, refused := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		members, wrong := map[string]jsontext.Value{}, []string{}
		after := modelAccount{maps.Clone(model.text), model.year, model.languages, maps.Clone(model.links), maps.Clone(model.extended)}
		some := rapid.SliceOfNDistinct(rapid.SampledFrom(names), 1, 6, rapid.ID).Draw(t, "members")
		slices.Sort(some) // country is before state
		for _, name := range some {
			v := memberValues[name].Draw(t, name)
			text, err := json.Marshal(v.json, json.Deterministic(true))
			if err != nil {
				t.Fatal(err)
			}
			if members[name] = text; v.good {
				v.set(&after)
			} else {
				wrong = append(wrong, name)
			}
		}
		before := w.record("alice")
		_, err := w.profile.Change(w.ctx(), w.person("alice"), "alice", members)
		now := w.record("alice")
		faults, _ := errors.AsType[profile.Faults](err)
		if got := slices.Sorted(maps.Keys(faults)); !slices.Equal(got, wrong) || err != nil && len(faults) == 0 {
			t.Fatalf("%s: %v, want %v", members, err, wrong)
		}
		if err != nil {
			if diff := cmp.Diff(before, now); diff != "" {
				t.Fatal(diff)
			}
			refused++
			return
		}
		made++
		model = after
		want := modelAccount{after.text, after.year, slices.Sorted(slices.Values(after.languages)), after.links, after.extended}
		if diff := cmp.Diff(want, accountOf(&now), cmp.AllowUnexported(modelAccount{})); diff != "" {
			t.Fatalf("%s\n%s", members, diff)
		}
		for _, of := range []func(*auth.User) any{ // what no member is about
			func(u *auth.User) any {
				return []any{u.ID, u.Username, u.Email, u.EmailVerified, u.Orgs, u.Disabled, u.Role, u.Epoch}
			},
			func(u *auth.User) any {
				return []any{u.Profile.GivenName, u.Profile.Picture, u.Profile.Website, u.Profile.Zoneinfo}
			},
			func(u *auth.User) any {
				return []any{u.Biography.Title, u.Biography.Shown, u.Biography.Picture, u.PendingEmail}
			},
		} {
			if diff := cmp.Diff(of(&before), of(&now)); diff != "" {
				t.Fatal(diff)
			}
		}
		if p := auth.StandardProfile(&now); len(after.links) > 0 && !slices.Contains(slices.Collect(maps.Values(after.links)), p.ProfileURL) ||
			len(after.links) == 0 && p.ProfileURL != "" || (p.Locale == "") != (len(after.languages) == 0) || p.Name != after.text["name"] {
			t.Fatalf("the claims are %+v", p)
		}
	})
	if made == 0 || refused == 0 {
		t.Errorf("%d made, %d refused", made, refused)
	}
}

func FuzzChange(f *testing.F) {
	for _, seed := range []string{
		`{}`, `null`, `[]`, `{"name":"A","bio":null}`, `{"social_links":[{"platform":"x","social_link":"https://x.com/a"}]}`,
		`{"language_proficiencies":[{"code":"zh_HANT"},{"code":"en"}]}`, `{"extended_profile":[{"field_name":"a","field_value":"b"}]}`,
		`{"year_of_birth":"1980","gender":"o","country":"US","state":"MA","phone_number":"+4915112345"}`, `{"bio":"\ud800"}`,
		`{"language_proficiencies":[{"code":"en","code":"de"}]}`, `{"name":"\u0000","goals":"\u2028"}`, `{"year_of_birth":1e400}`,
		`{"social_links":null,"language_proficiencies":null,"extended_profile":null}`, `{"social_links":[[[[[[[[[[]]]]]]]]]]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var members map[string]jsontext.Value
		if json.Unmarshal(body, &members) != nil {
			members = map[string]jsontext.Value{} // what no body can bring
			for name := range memberValues {
				members[name] = body
			}
		}
		u := auth.User{}
		u.Profile.Name, u.Profile.Locale, u.Profile.ProfileURL = "Alice", "en", "https://x.com/al"
		if faults := profile.Apply(&u, members, at); faults != nil {
			size := 0
			for name, fault := range faults {
				if _, sent := members[name]; !sent || fault.Developer == "" || fault.User == "" {
					t.Fatalf("%q: %+v", name, fault)
				}
				size += len(fault.Developer) + len(fault.User)
			}
			if size > 1000*len(faults) {
				t.Fatalf("%d bytes of faults", size)
			}
			return
		}
		p, b := &u.Profile, &u.Biography
		for _, claim := range []string{p.Name, p.Gender, p.PhoneNumber, p.Locale, p.ProfileURL, p.Address.Region, p.Address.Country} {
			if len(claim) > 1024 || strings.ContainsFunc(claim, func(r rune) bool { return r < ' ' || r == 0x7f }) {
				t.Fatalf("a claim is %q", claim)
			}
		}
		if p.Name == "" || strings.ContainsAny(p.Name, "<>") || len(b.Bio) > 1200 || len(b.Goals) > 8000 || len(b.Extended) > 50 {
			t.Fatalf("%+v %+v", p, b)
		}
		for _, l := range profile.Links(&u) {
			checkLink(t, l.Platform, l.URL)
		}
		for _, code := range profile.Languages(&u) {
			if !profile.KnownLanguage(code) {
				t.Fatal(code)
			}
		}
		if again := u; profile.Apply(&again, members, at) != nil || !cmp.Equal(u, again) {
			t.Fatalf("repeated it is\n%s", cmp.Diff(u, again))
		}
	})
}
