package profile_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/profile"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

const invalidValue = "This value is invalid."

// fault is what is told of a member; the text for developers contains developer.
type fault struct{ developer, user string }

func TestWhatIsWrongWithAMember(t *testing.T) {
	w := newWorld(t, redistest.Embedded(t))
	readOnly := func(name string) fault {
		return fault{"This field is not editable via this API", "The '" + name + "' field cannot be edited."}
	}
	null := fault{"This field may not be null.", "This field may not be null."}
	link := func(stub, name string) fault {
		text := `Make sure that you are providing a valid username or a URL that contains "` + stub +
			`". To remove the link from your ` + name + ` profile, leave this field blank.`
		return fault{"Error when adding new social link: '" + text + "'", text}
	}
	format := "Invalid extended profile format"
	brackets := "Full Name cannot contain the following characters: < >"
	platforms := fault{"The social platform must be facebook, twitter or linkedin", invalidValue}
	bio := "The about me field must be at most 300 characters long."
	email := fault{"Error thrown from validate_new_email: 'Valid e-mail address required.'", "Valid e-mail address required."}
	long := func(n int) string { return `"` + strings.Repeat("ß", n) + `"` }
	for members, want := range map[string]fault{
		`{"username":"bob"}`:                 readOnly("username"),
		`{"username":"alice"}`:               readOnly("username"),
		`{"date_joined":null}`:               readOnly("date_joined"),
		`{"is_active":false}`:                readOnly("is_active"),
		`{"profile_image":{}}`:               readOnly("profile_image"),
		`{"requires_parental_consent":true}`: readOnly("requires_parental_consent"),
		`{"password_toggle_history":[]}`:     readOnly("password_toggle_history"),
		`{"secondary_email":"b@x.example"}`:  readOnly("secondary_email"),

		`{"name":null}`:                       null,
		`{"name":""}`:                         {"The name field must be at least 1 character long.", invalidValue},
		`{"name":"  "}`:                       {"The name field must be at least 1 character long.", invalidValue},
		`{"name":` + long(256) + `}`:          {"Ensure this field has no more than 255 characters.", invalidValue},
		`{"name":"<b>"}`:                      {"Error thrown from validate_name: '" + brackets, brackets},
		`{"name":"a > b"}`:                    {"Error thrown from validate_name: '", brackets},
		`{"name":"see http://evil.example"}`:  {"Error thrown from validate_name: 'Enter a valid name'", "Enter a valid name"},
		`{"name":"see HTTPS://evil.example"}`: {"Error thrown from validate_name: '", "Enter a valid name"},
		`{"name":"www.evil.example"}`:         {"Error thrown from validate_name: '", "Enter a valid name"},
		`{"name":"a\u0000b"}`:                 {"Control characters are not allowed.", invalidValue},
		`{"name":"a\nb"}`:                     {"Control characters are not allowed.", invalidValue},
		`{"name":7}`:                          {"Value '7' is not valid for field 'name'", invalidValue},
		`{"name":["a"]}`:                      {"Not a valid string.", invalidValue},

		`{"bio":` + long(301) + `}`:   {"Value 'ß", bio},
		`{"bio":` + long(99999) + `}`: {"ErrorDetail(string='" + bio + "', code='invalid')]", bio},
		`{"bio":{}}`:                  {"Value '{}' is not valid for field 'bio'", invalidValue},
		`{"bio":"a\u0007b"}`:          {"Control characters", invalidValue},

		`{"gender":"x"}`:                         {`"x" is not a valid choice.`, invalidValue},
		`{"gender":"F"}`:                         {`is not a valid choice.`, invalidValue},
		`{"gender":true}`:                        {`Value 'true' is not valid for field 'gender'`, invalidValue},
		`{"level_of_education":"phd"}`:           {`"phd" is not a valid choice.`, invalidValue},
		`{"level_of_education":["p"]}`:           {`Not a valid string.`, invalidValue},
		`{"country":"us"}`:                       {`"us" is not a valid choice.`, invalidValue},
		`{"country":"XX"}`:                       {`"XX" is not a valid choice.`, invalidValue},
		`{"country":"Germany"}`:                  {`"Germany" is not a valid choice.`, invalidValue},
		`{"country":1}`:                          {`Not a valid string.`, invalidValue},
		`{"state":` + long(256) + `}`:            {"no more than 255 characters", invalidValue},
		`{"state":"a\nb"}`:                       {"Control characters", invalidValue},
		`{"year_of_birth":"not_an_int"}`:         {"A valid integer is required.", invalidValue},
		`{"year_of_birth":""}`:                   {"A valid integer is required.", invalidValue},
		`{"year_of_birth":1980.5}`:               {"A valid integer is required.", invalidValue},
		`{"year_of_birth":1e3}`:                  {"A valid integer is required.", invalidValue},
		`{"year_of_birth":true}`:                 {"A valid integer is required.", invalidValue},
		`{"year_of_birth":0}`:                    {"Ensure this value is from 1900 to 2026.", invalidValue},
		`{"year_of_birth":2027}`:                 {"Ensure this value is from 1900 to 2026.", invalidValue},
		`{"year_of_birth":-1980}`:                {"Ensure this value is from 1900 to 2026.", invalidValue},
		`{"year_of_birth":99999999999999999999}`: {"A valid integer is required.", invalidValue},

		`{"goals":` + long(2001) + `}`:           {"no more than 2000 characters", invalidValue},
		`{"mailing_address":` + long(513) + `}`:  {"no more than 1024 bytes", invalidValue},
		`{"mailing_address":` + long(1025) + `}`: {"no more than 1024 characters", invalidValue},
		`{"mailing_address":"a\u001bb"}`:         {"Control characters", invalidValue},

		`{"language_proficiencies":"en"}`:            {`Expected a list of items but got type "str".`, invalidValue},
		`{"language_proficiencies":{}}`:              {`Expected a list of items but got type "dict".`, invalidValue},
		`{"language_proficiencies":3}`:               {`Expected a list of items but got type "int".`, invalidValue},
		`{"language_proficiencies":1.5}`:             {`Expected a list of items but got type "float".`, invalidValue},
		`{"language_proficiencies":true}`:            {`Expected a list of items but got type "bool".`, invalidValue},
		`{"language_proficiencies":["en"]}`:          {`Invalid data. Expected a dictionary, but got str.`, invalidValue},
		`{"language_proficiencies":[null]}`:          {`Invalid data. Expected a dictionary, but got NoneType.`, invalidValue},
		`{"language_proficiencies":[{}]}`:            {`This field is required.`, invalidValue},
		`{"language_proficiencies":[{"Code":"en"}]}`: {`This field is required.`, invalidValue},
		`{"language_proficiencies":[{"code":7}]}`:    {`Not a valid string.`, invalidValue},
		`{"language_proficiencies":[{"code":""}]}`:   {`"" is not a valid choice.`, invalidValue},
		`{"language_proficiencies":[{"code":"xx"}]}`: {`"xx" is not a valid choice.`, invalidValue},
		`{"language_proficiencies":[{"code":"EN"}]}`: {`"EN" is not a valid choice.`, invalidValue},
		`{"language_proficiencies":[{"code":"en"},{"code":"en"}]}`: {
			`The language_proficiencies field must consist of unique languages.`, invalidValue},
		`{"language_proficiencies":[` + strings.Repeat(`{"code":"en"},`, 50) + `{"code":"de"}]}`: {`no more than 50 elements`, invalidValue},

		`{"social_links":"x"}`:                                        {`Expected a list of items but got type "str".`, invalidValue},
		`{"social_links":[1]}`:                                        {`Invalid data. Expected a dictionary, but got int.`, invalidValue},
		`{"social_links":[[]]}`:                                       {`Invalid data. Expected a dictionary, but got list.`, invalidValue},
		`{"social_links":[{"social_link":"a"}]}`:                      {`This field is required.`, invalidValue},
		`{"social_links":[{"platform":"orkut","social_link":"a"}]}`:   platforms,
		`{"social_links":[{"platform":"Linkedin","social_link":""}]}`: platforms,
		`{"social_links":[{"platform":"x","social_link":"a"},{"platform":"x","social_link":""}]}`: {
			`The social_links field must consist of unique social platforms.`, invalidValue},
		`{"social_links":[{"platform":"linkedin","social_link":"a/b"}]}`: link("linkedin.com/in/", "linkedin"),
		`{"social_links":[{"platform":"facebook","social_link":"a/b"}]}`: link("facebook.com/", "facebook"),
		`{"social_links":[{"platform":"twitter","social_link":"a b"}]}`:  link("twitter.com/", "twitter"),
		`{"social_links":[{"platform":"x","social_link":".."}]}`:         link("x.com/", "x"),

		`{"extended_profile":{}}`:                                                    {"extended_profile must be a list", format},
		`{"extended_profile":"x"}`:                                                   {"extended_profile must be a list", format},
		`{"extended_profile":["x"]}`:                                                 {"Expected a dictionary, but got str", format},
		`{"extended_profile":[{"field_value":"x"}]}`:                                 {"This field is required.", format},
		`{"extended_profile":[{"field_name":""}]}`:                                   {"This field is required.", format},
		`{"extended_profile":[{"field_name":true}]}`:                                 {"Not a valid string.", format},
		`{"extended_profile":[{"field_name":"a\nb"}]}`:                               {"no control characters", format},
		`{"extended_profile":[{"field_name":"a","field_value":` + long(1001) + `}]}`: {"1000", format},
		`{"extended_profile":[{"field_name":"a"},{"field_name":"a"}]}`:               {"named twice", format},

		`{"account_privacy":""}`:        {`"" is not a valid choice.`, invalidValue},
		`{"account_privacy":"custom"}`:  {`"custom" is not a valid choice.`, invalidValue},
		`{"account_privacy":"PRIVATE"}`: {`"PRIVATE" is not a valid choice.`, invalidValue},
		`{"account_privacy":null}`:      null,
		`{"phone_number":"call me"}`:    {"A phone number is", invalidValue},
		`{"phone_number":"+"}`:          {"A phone number is", invalidValue},
		`{"phone_number":"1234"}`:       {"A phone number is", invalidValue},
		`{"phone_number":"0049 1511"}`:  {"A phone number is", invalidValue},
		`{"phone_number":"٠١٢٣٤٥٦"}`:    {"A phone number is", invalidValue},
		`{"phone_number":4915112345}`:   {"Not a valid string.", invalidValue},

		`{"email":null}`:            null,
		`{"email":""}`:              email,
		`{"email":"alice"}`:         email,
		`{"email":"a@b@c.example"}`: email,
		`{"email":7}`:               email,
		`{"email":"` + strings.Repeat("a", 250) + `@x.example"}`: email,
	} {
		shown := members[:min(len(members), 80)]
		before := w.record("alice")
		_, err := w.change("alice", members)
		faults, ok := err.(profile.Faults) //nolint:errorlint // it is promised as it is
		if !ok || len(faults) != 1 {
			t.Errorf("%s: %v", shown, err)
			continue
		}
		for name, f := range faults {
			if !strings.HasPrefix(members, `{"`+name+`"`) || !strings.Contains(f.Developer, want.developer) || f.User != want.user {
				t.Errorf("%s: %q\n%s\n%s\nwant\n%s\n%s", shown, name, f.Developer, f.User, want.developer, want.user)
			}
			if len(f.Developer)+len(f.User) > 1000 {
				t.Errorf("%s: a fault of %d bytes", shown, len(f.Developer))
			}
		}
		if diff := cmp.Diff(before, w.record("alice")); diff != "" {
			t.Fatalf("%s changed\n%s", shown, diff)
		}
	}
	if len(w.mail.sent) > 0 {
		t.Error("mail was sent")
	}
}

// reading is what an account has in the words of a test.
func reading(u *auth.User) string {
	list := func(n int, at func(int) string) string {
		var all []string
		for i := range n {
			all = append(all, at(i))
		}
		return strings.Join(all, ",")
	}
	links, codes := profile.Links(u), profile.Languages(u)
	return fmt.Sprint("name=", u.Profile.Name, " bio=", u.Biography.Bio, " gender=", profile.Gender(u),
		" level=", u.Biography.LevelOfEducation,
		" country=", profile.Country(u), " state=", u.Profile.Address.Region, " year=", profile.YearOfBirth(u), " goals=", u.Biography.Goals,
		" mail=", u.Profile.Address.Formatted, " phone=", u.Profile.PhoneNumber, " privacy=", u.Biography.Privacy,
		" languages=", list(len(codes), func(i int) string { return codes[i] }),
		" links=", list(len(links), func(i int) string { return links[i].Platform + ":" + links[i].URL }),
		" extended=", list(len(u.Biography.Extended), func(i int) string {
			return u.Biography.Extended[i].Name + ":" + u.Biography.Extended[i].Value
		}))
}

func TestWhatIsWrittenReadsBack(t *testing.T) {
	w := newWorld(t, redistest.Embedded(t))
	for _, row := range []struct{ members, want string }{
		{`{"name":" Alice A. "}`, "name=Alice A. "},
		{`{"name":"` + strings.Repeat("𝒜", 255) + `"}`, "name=" + strings.Repeat("𝒜", 255) + " "},
		{`{"bio":"two\nlines"}`, "bio=two\nlines "},
		{`{"bio":"` + strings.Repeat("ß", 300) + `"}`, "bio=" + strings.Repeat("ß", 300) + " "},
		{`{"bio":""}`, "bio= "},
		{`{"bio":"x"}`, "bio=x "},
		{`{"bio":null}`, "bio= "},
		{`{"gender":"f"}`, "gender=f "}, {`{"gender":"m"}`, "gender=m "}, {`{"gender":""}`, "gender= "},
		{`{"gender":"o"}`, "gender=o "}, {`{"gender":null}`, "gender= "},
		{`{"level_of_education":"jhs"}`, "level=jhs "}, {`{"level_of_education":"none"}`, "level=none "},
		{`{"level_of_education":""}`, "level= "},
		{`{"country":"US","state":"MA"}`, "country=US state=MA "},
		{`{"country":"US"}`, "country=US state=MA "},
		{`{"country":"CA"}`, "country=CA state= "},
		{`{"state":"BC"}`, "country=CA state=BC "},
		{`{"country":"DE"}`, "country=DE state=BC "},
		{`{"state":null}`, "country=DE state= "},
		{`{"country":"US","state":"NY"}`, "country=US state=NY "},
		{`{"state":"Bayern","country":"DE"}`, "country=DE state=Bayern "},
		{`{"country":"US","state":"NY"}`, "country=US state=NY "},
		{`{"country":null}`, "country= state= "},
		{`{"year_of_birth":1999}`, "year=1999 "}, {`{"year_of_birth":"2001"}`, "year=2001 "}, {`{"year_of_birth":null}`, "year=0 "},
		{`{"goals":"learn"}`, "goals=learn "}, {`{"goals":null}`, "goals= "},
		{`{"mailing_address":"Street 1\nTown"}`, "mail=Street 1\nTown "}, {`{"mailing_address":null}`, "mail= "},
		{`{"phone_number":"+4915112345"}`, "phone=+4915112345 "}, {`{"phone_number":"015112345"}`, "phone=015112345 "},
		{`{"phone_number":""}`, "phone= "}, {`{"phone_number":null}`, "phone= "},
		{`{"account_privacy":"private"}`, "privacy=private "}, {`{"account_privacy":"all_users"}`, "privacy=all_users "},
		{`{"language_proficiencies":[{"code":"de"},{"code":"ar","level":1}]}`, "languages=ar,de "},
		{`{"language_proficiencies":[{"code":"zh_HANT"}]}`, "languages=zh_HANT "},
		{`{"language_proficiencies":[{"code":"en"}]}`, "languages=en "},
		{`{"language_proficiencies":[]}`, "languages= "}, {`{"language_proficiencies":[{"code":"en"}]}`, "languages=en "},
		{`{"language_proficiencies":null}`, "languages= "},
		{`{"social_links":[{"platform":"linkedin","social_link":"alice"}]}`, "links=linkedin:https://www.linkedin.com/in/alice "},
		{`{"social_links":[{"platform":"x","social_link":"@al"},{"platform":"twitter","social_link":"https://twitter.com/al/"}]}`,
			"links=linkedin:https://www.linkedin.com/in/alice,twitter:https://www.twitter.com/al,x:https://www.x.com/al "},
		{`{"social_links":[{"platform":"linkedin","social_link":""},{"platform":"x","social_link":null}]}`,
			"links=twitter:https://www.twitter.com/al "},
		{`{"social_links":[]}`, "links=twitter:https://www.twitter.com/al "},
		{`{"social_links":[{"platform":"facebook"}]}`, "links=twitter:https://www.twitter.com/al "},
		{`{"social_links":null}`, "links= "},
		{`{"extended_profile":[{"field_name":"job","field_value":"cook"},{"field_name":"city","field_value":"Rome"}]}`,
			"extended=city:Rome,job:cook"},
		{`{"extended_profile":[{"field_name":"job","field_value":""}]}`, "extended=city:Rome"},
		{`{"extended_profile":[{"field_name":"a"}]}`, "extended=city:Rome"},
		{`{"extended_profile":null}`, "extended="},
	} {
		account, err := w.change("alice", row.members)
		if err != nil {
			t.Errorf("%.80s: %v", row.members, err)
			continue
		}
		stored := w.record("alice")
		got := reading(&stored)
		if !strings.Contains(got, row.want) && !strings.HasSuffix(got, row.want) {
			t.Errorf("%.80s: %s\nwant %s", row.members, got, row.want)
		}
		if answered := reading(&account.User); answered != got || account.Fields != nil || account.Number == 0 {
			t.Errorf("%.80s: answered %s\nstored %s", row.members, answered, got)
		}
	}
}

func TestTheRecordKeepsMoreThanTheCodeThatStays(t *testing.T) {
	w := newWorld(t, redistest.Embedded(t))
	w.operate("alice", func(u *auth.User) {
		u.Profile.Gender, u.Profile.Birthdate, u.Profile.GivenName = "non-binary", "1980-05-03", "Alice"
		u.Profile.Address.Locality = "Boston"
	})
	if _, err := w.change("alice", `{"gender":"o","year_of_birth":1980,"name":"Al"}`); err != nil {
		t.Fatal(err)
	}
	p := w.record("alice").Profile
	if p.Gender != "non-binary" || p.Birthdate != "1980-05-03" || p.GivenName != "Alice" || p.Address.Locality != "Boston" {
		t.Errorf("%+v", p)
	}
	if _, err := w.change("alice", `{"gender":"f","year_of_birth":1981}`); err != nil {
		t.Fatal(err)
	}
	if p = w.record("alice").Profile; p.Gender != "female" || p.Birthdate != "1981" {
		t.Errorf("%+v", p)
	}
}
