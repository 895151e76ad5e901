package request_test

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/claimsmith/claimsmith/handlers/request"
	"github.com/claimsmith/claimsmith/metadata"
)

func withHeader(name string, values ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/?access_token=query", nil)
	for _, value := range values {
		r.Header.Add(name, value)
	}
	return r
}

func TestBearer(t *testing.T) {
	longest := strings.Repeat("a", 16<<10)
	tests := []struct {
		headers []string
		token   string
		code    request.Code
	}{
		{[]string{"Bearer abc-._~+/19=="}, "abc-._~+/19==", ""},
		{[]string{"bEARER a.b.c"}, "a.b.c", ""},
		{[]string{"Bearer   a"}, "a", ""},
		{[]string{"Bearer " + longest}, longest, ""},
		{nil, "", request.MissingCredentials},
		{[]string{""}, "", request.MissingCredentials},
		{[]string{"Basic YTpi"}, "", request.MissingCredentials},
		{[]string{"Bearerabc"}, "", request.MissingCredentials},
		{[]string{"Bearer"}, "", request.InvalidToken},
		{[]string{"Bearer "}, "", request.InvalidToken},
		{[]string{"Bearer =="}, "", request.InvalidToken},
		{[]string{"Bearer a b"}, "", request.InvalidToken},
		{[]string{"Bearer a=b"}, "", request.InvalidToken},
		{[]string{"Bearer a,Bearer b"}, "", request.InvalidToken},
		{[]string{"Bearer a\n"}, "", request.InvalidToken},
		{[]string{"Bearer é"}, "", request.InvalidToken},
		{[]string{"Bearer a" + longest}, "", request.InvalidToken},
		{[]string{"Bearer " + strings.Repeat(".", 10<<20)}, "", request.InvalidToken},
		{[]string{"Bearer a", "Bearer a"}, "", request.Malformed},
		{[]string{"Basic YTpi", "Bearer a"}, "", request.Malformed},
	}
	for _, test := range tests {
		token, err := request.Bearer(withHeader("Authorization", test.headers...))
		if token != test.token || codeOf(err) != test.code || err != nil && strings.Contains(err.Error(), "abc") {
			t.Errorf("%.60q: %.20q, %v", test.headers, token, err)
		}
	}
}

func TestAccessToken(t *testing.T) {
	longest := strings.Repeat("a", 16<<10)
	tests := []struct {
		headers       []string
		scheme, token string
		code          request.Code
	}{
		{[]string{"Bearer a.b.c"}, "Bearer", "a.b.c", ""},
		{[]string{"DPoP a.b.c"}, "DPoP", "a.b.c", ""},
		{[]string{"dpop   a.b.c"}, "DPoP", "a.b.c", ""},
		{[]string{"DPoP " + longest}, "DPoP", longest, ""},
		{nil, "Bearer", "", request.MissingCredentials},
		{[]string{"Basic YTpi"}, "Bearer", "", request.MissingCredentials},
		{[]string{"DPoPa.b.c"}, "Bearer", "", request.MissingCredentials},
		{[]string{"Bearer"}, "Bearer", "", request.InvalidToken},
		{[]string{"DPoP"}, "DPoP", "", request.InvalidToken},
		{[]string{"DPoP a b"}, "DPoP", "", request.InvalidToken},
		{[]string{"DPoP a, Bearer b"}, "DPoP", "", request.InvalidToken},
		{[]string{"DPoP a" + longest}, "DPoP", "", request.InvalidToken},
		{[]string{"DPoP a", "Bearer a"}, "Bearer", "", request.Malformed},
		{[]string{"DPoP a", "DPoP a"}, "Bearer", "", request.Malformed},
	}
	for _, test := range tests {
		scheme, token, err := request.AccessToken(withHeader("Authorization", test.headers...))
		if scheme != test.scheme || token != test.token || codeOf(err) != test.code {
			t.Errorf("%.60q: %s %.20q, %v", test.headers, scheme, token, err)
		}
	}
}

func TestBasic(t *testing.T) {
	encode := func(pair string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(pair)) }
	tests := []struct {
		name    string
		headers []string
		id      string
		secret  string
		present bool
		code    request.Code
	}{
		{"absent", nil, "", "", false, ""},
		{"plain", []string{encode("app:secret")}, "app", "secret", true, ""},
		{"scheme in another case", []string{"bAsIc YTpi"}, "a", "b", true, ""},
		{"form-encoded", []string{encode("a%3Ab:%3A%25%2B+%C3%A9")}, "a:b", ":%+ é", true, ""},
		{"a raw colon in the secret", []string{encode("app:a:b")}, "app", "a:b", true, ""},
		{"an empty secret", []string{encode("app:")}, "app", "", true, ""},
		{"another scheme", []string{"Bearer abc"}, "", "", false, request.InvalidClient},
		{"an empty header", []string{""}, "", "", false, request.InvalidClient},
		{"no colon", []string{encode("app")}, "", "", false, request.InvalidClient},
		{"no id", []string{encode(":secret")}, "", "", false, request.InvalidClient},
		{"a raw percent", []string{encode("app:100%")}, "", "", false, request.InvalidClient},
		{"invalid UTF-8", []string{encode("app:%FF")}, "", "", false, request.InvalidClient},
		{"a control character", []string{encode("app:%00")}, "", "", false, request.InvalidClient},
		{"no padding", []string{"Basic YTpiYw"}, "", "", false, request.InvalidClient},
		{"spare bits", []string{"Basic YTpiYx=="}, "", "", false, request.InvalidClient},
		{"a line break inside", []string{"Basic YTpi\r\nYw=="}, "", "", false, request.InvalidClient},
		{"too long", []string{encode("app:" + strings.Repeat("a", 16<<10))}, "", "", false, request.InvalidClient},
		{"two headers", []string{encode("a:b"), encode("a:b")}, "", "", false, request.Malformed},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			id, secret, present, err := request.Basic(withHeader("Authorization", test.headers...))
			if id != test.id || secret != test.secret || present != test.present || codeOf(err) != test.code {
				t.Errorf("got %q %q %v, %v", id, secret, present, err)
			}
		})
	}
}

func TestConditions(t *testing.T) {
	tests := []struct {
		name             string
		headers          []string
		match, noneMatch *request.Condition
		malformed        bool
	}{
		{"absent", nil, nil, nil, false},
		{"one tag", []string{`"17"`}, revisions(17), revisions(17), false},
		{"a list", []string{`"1" , "2","18446744073709551615"`}, revisions(1, 2, 1<<64-1), revisions(1, 2, 1<<64-1), false},
		{"two lines", []string{`"1"`, `"2"`}, revisions(1, 2), revisions(1, 2), false},
		{"empty elements", []string{`,"1",, `}, revisions(1), revisions(1), false},
		{"anything", []string{" * "}, &request.Condition{Any: true}, &request.Condition{Any: true}, false},
		{"a weak tag", []string{`W/"5", "6"`}, revisions(6), revisions(5, 6), false},
		{"foreign tags", []string{`"abc", "01", "+1", "", "18446744073709551616", "1,2", "é"`}, revisions(), revisions(), false},
		{"no quotes", []string{`17`}, nil, nil, true},
		{"an open quote", []string{`"17`}, nil, nil, true},
		{"a lower-case weak mark", []string{`w/"17"`}, nil, nil, true},
		{"a space in a tag", []string{`"1 7"`}, nil, nil, true},
		{"no comma", []string{`"1""2"`}, nil, nil, true},
		{"a star in a list", []string{`*, "1"`}, nil, nil, true},
		{"a star and a tag in two lines", []string{`"1"`, `*`}, nil, nil, true},
		{"an empty header", []string{``}, nil, nil, true},
		{"commas alone", []string{` , ,`}, nil, nil, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			match, err := request.IfMatch(withHeader("If-Match", test.headers...))
			if diff := cmp.Diff(test.match, match); diff != "" || (codeOf(err) == request.Malformed) != test.malformed {
				t.Errorf("If-Match: %v %s", err, diff)
			}
			noneMatch, err := request.IfNoneMatch(withHeader("If-None-Match", test.headers...))
			if diff := cmp.Diff(test.noneMatch, noneMatch); diff != "" || (codeOf(err) == request.Malformed) != test.malformed {
				t.Errorf("If-None-Match: %v %s", err, diff)
			}
		})
	}
}

func revisions(list ...uint64) *request.Condition {
	return &request.Condition{Revisions: list}
}

func TestConditionMatches(t *testing.T) {
	var absent *request.Condition
	if absent.Matches(1) || revisions().Matches(0) || revisions(1, 2).Matches(3) {
		t.Error("matched what is not named")
	}
	if !revisions(1, 2).Matches(2) || !(&request.Condition{Any: true}).Matches(7) {
		t.Error("did not match what is named")
	}
	if _ = (*metadata.Condition)(revisions(1)); request.ETag(1<<64-1) != `"18446744073709551615"` {
		t.Error("ETag")
	}
}

func FuzzConditions(f *testing.F) {
	for _, seed := range []string{`"1"`, `W/"2", "x"`, `*`, `,`, `"a,b"`, `"1" "2"`, `"01"`, "\"\xff\""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		strong, strongErr := request.IfMatch(withHeader("If-Match", header))
		weak, weakErr := request.IfNoneMatch(withHeader("If-None-Match", header))
		if (strongErr == nil) != (weakErr == nil) {
			t.Fatalf("%q: %v but %v", header, strongErr, weakErr)
		}
		if strongErr != nil {
			if codeOf(strongErr) == "" || strong != nil || weak != nil {
				t.Fatalf("%q: %+v, %v", header, strong, strongErr)
			}
			return
		}
		var tags []string
		for _, revision := range strong.Revisions {
			if !slices.Contains(weak.Revisions, revision) {
				t.Fatalf("%q: %d matches strongly alone", header, revision)
			}
			if tag := request.ETag(revision); !strings.Contains(header, tag) {
				t.Fatalf("%q: does not hold %s", header, tag)
			}
			tags = append(tags, request.ETag(revision))
		}
		if len(tags) == 0 {
			return
		}
		again, err := request.IfMatch(withHeader("If-Match", strings.Join(tags, ", ")))
		if diff := cmp.Diff(strong, again); err != nil || diff != "" {
			t.Fatalf("%q: read again: %v %s", header, err, diff)
		}
	})
}
