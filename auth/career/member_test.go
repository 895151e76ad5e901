package career

import (
	"net/url"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
)

// The words of Django REST framework, which clients show to people.
func TestWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		kind                 Kind
		member, value, fault string
	}{
		{Education, "institution_id", `null`, "This field may not be null."},
		{Education, "institution_id", `""`, "This field may not be blank."},
		{Education, "institution_id", `"x"`, "Incorrect type. Expected pk value, received str."},
		{Education, "institution_id", `true`, "Incorrect type. Expected pk value, received bool."},
		{Education, "institution_id", `{}`, "Incorrect type. Expected pk value, received dict."},
		{Education, "institution_id", `[]`, "Incorrect type. Expected pk value, received list."},
		{Education, "institution_id", `1.5`, "Incorrect type. Expected pk value, received float."},
		{Education, "institution_id", `0`, `Invalid pk "0" - object does not exist.`},
		{Education, "institution_id", `-1`, `Invalid pk "-1" - object does not exist.`},
		{Education, "institution_id", `99999999999999999999999`, `Invalid pk "99999999999999999999" - object does not exist.`},
		{Education, "start_date", `"2018"`, "Date has wrong format. Use one of these formats instead: YYYY-MM-DD."},
		{Education, "start_date", `"2018-09-01T00:00:00Z"`, "Date has wrong format. Use one of these formats instead: YYYY-MM-DD."},
		{Education, "grade", `"A"`, "A valid number is required."},
		{Education, "grade", `"NaN"`, "A valid number is required."},
		{Education, "grade", `true`, "A valid number is required."},
		{Education, "grade", `3.999`, "Ensure that there are no more than 2 decimal places."},
		{Education, "grade", `42`, "Ensure that there are no more than 1 digits before the decimal point."},
		{Education, "is_current", `"perhaps"`, "Must be a valid boolean."},
		{Experience, "employment_type", `"123456789012345678901234567890123456789012345678901"`, "Ensure this field has no more than 50 characters."},
		{Experience, "location", `7`, "Not a valid string."},
		{Experience, "title", `"a\u0000"`, "Null characters are not allowed."},
		{Institutions, "institution_type", `"x"`, `"x" is not a valid choice.`},
		{Institutions, "institution_type", `{"a":1}`, `"{"a":1}" is not a valid choice.`},
		{Institutions, "established_year", `"MDCCC"`, "A valid integer is required."},
		{Institutions, "established_year", `9999999999999999999999`, "Ensure this value is less than or equal to 2147483647."},
		{Institutions, "established_year", `-9999999999999999999999`, "Ensure this value is greater than or equal to -2147483648."},
		{Companies, "logo_url", `"javascript:alert(1)"`, "Enter a valid URL."},
		{Companies, "website", `"%zz"`, "Enter a valid URL."},
	} {
		_, err := check(c.kind, map[string]jsontext.Value{c.member: jsontext.Value(c.value)})
		faults, _ := err.(Faults) //nolint:errorlint // it is the error itself
		if diff := cmp.Diff([]string{c.fault}, faults[c.member]); diff != "" {
			t.Errorf("%s %s:\n%s", c.member, c.value, diff)
		}
	}
	for kind, want := range map[Kind]Faults{
		Education:    {"institution_id": {"This field is required."}, "start_date": {"This field is required."}},
		Experience:   {"company_id": {"This field is required."}, "start_date": {"This field is required."}, "title": {"This field is required."}},
		Institutions: {"name": {"This field is required."}},
		Companies:    {"name": {"This field is required."}},
	} {
		_, err := check(kind, nil)
		if diff := cmp.Diff(error(want), err); diff != "" {
			t.Errorf("%s of nothing:\n%s", kind, diff)
		}
	}
}

// A form says what JSON says.
func TestFormMembers(t *testing.T) {
	form := url.Values{
		"institution_id": {"3"}, "degree": {""}, "start_date": {"2020-01-01"}, "end_date": {""}, "is_current": {"true"}, "grade": {"3.9"},
		"data": {`{"a": "b"}`}, "metadata": {" "},
	}
	got, err := check(Education, FormMembers(form))
	want, _ := check(Education, map[string]jsontext.Value{
		"institution_id": jsontext.Value("3"), "start_date": quote("2020-01-01"), "is_current": jsontext.Value("true"), "grade": quote("3.9"),
		"data": jsontext.Value(`{"a":"b"}`),
	})
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v:\n%s", err, diff)
	}
	for _, text := range []string{"{", "{'a':1}", "nothing", `{"a":1,"a":2}`, "1 2", "\x00"} {
		_, err := check(Institutions, FormMembers(url.Values{"name": {"x"}, "data": {text}}))
		if diff := cmp.Diff(error(Faults{"data": {"Value must be valid JSON."}}), err); diff != "" {
			t.Errorf("%q:\n%s", text, diff)
		}
	}
}

// Whatever is sent is refused or kept, and what is kept can be sent again and stays what it is.
func FuzzMembers(f *testing.F) {
	f.Add(`{"institution_id":"3","start_date":"2020-01-01","grade":"-.5","data":[1.0],"is_current":"on"}`)
	f.Add(`{"company_id":4,"title":" x ","start_date":"0001-01-01","description":"\u2028","metadata":{"a":{}}}`)
	f.Add(`{"name":"MIT","institution_type":"college","established_year":-0,"website":"//x"}`)
	f.Add(`{"name":"\ud800","logo_url":"http://[::1"}`)
	f.Add(`{"grade":"00000000000000000000000003.00","end_date":" 2020-02-29 "}`)
	f.Fuzz(func(t *testing.T, text string) {
		var sent map[string]jsontext.Value
		if json.Unmarshal([]byte(text), &sent) != nil {
			t.Skip()
		}
		for kind := range members {
			kept, err := check(kind, sent)
			if err != nil {
				continue
			}
			body, err := encode(kept)
			if err != nil {
				t.Fatalf("%s of %q cannot be kept: %v", kind, text, err)
			}
			again, err := decode(kind, body)
			if diff := cmp.Diff(kept, again); err != nil || diff != "" {
				t.Fatalf("%s of %q comes back otherwise (%v):\n%s", kind, text, err, diff)
			}
			same, err := check(kind, again)
			if diff := cmp.Diff(kept, same); err != nil || diff != "" {
				t.Fatalf("%s of %q, sent again, is something else (%v):\n%s", kind, text, err, diff)
			}
		}
	})
}
