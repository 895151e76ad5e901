package zitadel_test

import (
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/claimsmith/claimsmith/handlers/zitadel"
	managementv1 "github.com/claimsmith/claimsmith/handlers/zitadel/gen/zitadel/management/v1"
	userv2 "github.com/claimsmith/claimsmith/handlers/zitadel/gen/zitadel/user/v2"
)

func decoded(body string, into proto.Message) error {
	r := httptest.NewRequest("POST", "/", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	return zitadel.Decode(r, into)
}

func TestDecode(t *testing.T) {
	for body, want := range map[string]string{
		"":                               "",
		`{}`:                             "",
		`{"value":"_-4="}`:               "\xff\xee",
		`{"value":"/+4"}`:                "\xff\xee",
		`{"value":"_-4"}`:                "\xff\xee",
		`{"value":"/+4="}`:               "\xff\xee",
		`{"value":null}`:                 "",
		` {"more":[{"a":1}],"value":""}`: "",
	} {
		var m managementv1.SetUserMetadataRequest
		if err := decoded(body, &m); err != nil || string(m.Value) != want {
			t.Errorf("%s: %q, %v", body, m.Value, err)
		}
	}
	for body, want := range map[string]string{
		`{"value":"%%"}`:            "proto: (line 1:10): invalid value for bytes field value",
		`{"value":12}`:              "proto: (line 1:10): invalid value for bytes field value",
		`[]`:                        "proto: the body does not fit zitadel.management.v1.SetUserMetadataRequest",
		`null`:                      "proto: the body must not be null",
		`{`:                         "proto: the JSON ends early",
		`{"value":"","value":""}`:   "proto: (/value): the member appears more than once",
		`{"value":""} {}`:           "proto: the body must hold one JSON value and nothing after it",
		`{"a":"\ud800"}`:            "proto: (/a): not valid JSON at byte 6",
		"{\"a\":\"\xff\"}":          "proto: the body is not valid UTF-8",
		strings.Repeat(`{"a":`, 40): "proto: the JSON is nested more than 36 levels deep",
	} {
		err := decoded(body, new(managementv1.SetUserMetadataRequest))
		if err == nil || err.Error() != want {
			t.Errorf("%.60s: %v, want %s", body, err, want)
		}
	}
	for body, want := range map[string]string{
		`{"filters":[{"keyFilter":{"method":"TEXT_FILTER_METHOD_CONTAINS"}}]}`:     "",
		`{"filters":[{"key_filter":{"method":"TEXT_QUERY_METHOD_CONTAINS"}}]}`:     "proto: invalid value for enum field method",
		`{"filters":[{},{"keyFilter":{"method":"\u0054EXT_FILTER_METHOD_LIKE"}}]}`: "proto: invalid value for enum field method",
		`{"filters":[{"keyFilter":{"method":"\u0054EXT_FILTER_METHOD_EQUALS"}}]}`:  "",
		`{"filters":null,"pagination":{"limit":"7","offset":1e2}}`:                 "",
		`{"pagination":{"limit":-1}}`:                                              "proto: (line 1:24): invalid value for uint32 field limit",
		`{"filters":[{"keyFilter":{"key":"a"},"key_filter":{"key":"b"}}]}`:         "proto: the body does not fit zitadel.user.v2.ListUserMetadataRequest",
	} {
		err := decoded(body, new(userv2.ListUserMetadataRequest))
		if err == nil && want != "" || err != nil && err.Error() != want {
			t.Errorf("%s: %v, want %s", body, err, want)
		}
	}
}

// place is where in a body something is wrong, which names members.
var place = regexp.MustCompile(`\(/[^)]*\)`)

// What is taken can be written and taken again, and what is refused is refused in words that hold no value of the body.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		``, `{}`,
		`{"id":"a","queries":[{"keyQuery":{"key":"k","method":"TEXT_QUERY_METHOD_CONTAINS"}}],"query":{"offset":"1","limit":2,"asc":true}}`,
		`{"queries":[{"key_query":{"method":7}}]}`, `{"queries":[{"keyQuery":{"method":"secret"}}]}`, `{"query":{"limit":"secret"}}`,
		`{"id":1}`, `[`, `{"secret":1,}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		var m managementv1.ListUserMetadataRequest
		if err := decoded(body, &m); err != nil {
			if strings.Contains(place.ReplaceAllString(err.Error(), ""), "secret") {
				t.Fatalf("%q: %v", body, err)
			}
			return
		}
		text, err := protojson.Marshal(&m)
		if err != nil {
			t.Fatalf("%q: %v", body, err)
		}
		var again managementv1.ListUserMetadataRequest
		if err := decoded(string(text), &again); err != nil || !proto.Equal(&m, &again) {
			t.Fatalf("%q: %s: %v", body, text, err)
		}
	})
}
