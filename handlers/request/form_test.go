package request_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/claimsmith/claimsmith/handlers/request"
)

const formType = "application/x-www-form-urlencoded"

func TestDecodeForm(t *testing.T) {
	got, err := request.DecodeForm(post(formType+"; charset=UTF-8", "grant_type=password&username=j%C3%A4ne+d&password=a%26b%3Dc;d&scope=&&flag"))
	if err != nil {
		t.Fatal(err)
	}
	want := url.Values{"grant_type": {"password"}, "username": {"jäne d"}, "password": {"a&b=c;d"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Row O-13 of the acceptance table.
func TestDecodeFormRefuses(t *testing.T) {
	tests := []struct {
		name, target, contentType, body string
		code                            request.Code
		field                           string
	}{
		{"a secret in the query", "/?client_secret=x", formType, "grant_type=a", request.Malformed, ""},
		{"a grant in the query", "/?grant_type=a", formType, "", request.Malformed, ""},
		{"anything in the query", "/?a", formType, "grant_type=a", request.Malformed, ""},
		{"a parameter twice", "/", formType, "client_id=a&client_id=b", request.Malformed, "client_id"},
		{"a parameter twice with the same value", "/", formType, "client_id=a&client_id=a", request.Malformed, "client_id"},
		{"a parameter twice, once escaped", "/", formType, "client_id=a&client%5Fid=b", request.Malformed, "client_id"},
		{"a parameter twice, once empty", "/", formType, "client_id=&client_id=b", request.Malformed, "client_id"},
		{"JSON", "/", "application/json", `{"grant_type":"a"}`, request.UnsupportedMediaType, ""},
		{"multipart", "/", "multipart/form-data; boundary=x", "--x--", request.UnsupportedMediaType, ""},
		{"no media type", "/", "", "grant_type=a", request.UnsupportedMediaType, ""},
		{"another charset", "/", formType + "; charset=utf-7", "grant_type=a", request.UnsupportedMediaType, ""},
		{"an invalid escape", "/", formType, "scope=%zz", request.Malformed, "scope"},
		{"a cut escape", "/", formType, "scope=%4", request.Malformed, "scope"},
		{"an invalid escape in a name", "/", formType, "%zz=a", request.Malformed, ""},
		{"invalid UTF-8", "/", formType, "scope=%FF", request.Malformed, "scope"},
		{"raw invalid UTF-8", "/", formType, "scope=\xff", request.Malformed, "scope"},
		{"no name", "/", formType, "=a", request.Malformed, ""},
		{"101 parameters", "/", formType, parameters(101), request.Malformed, ""},
		{"over 64 KiB", "/", formType, "a=" + strings.Repeat("x", 64<<10), request.TooLarge, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodPost, test.target, strings.NewReader(test.body))
			r.Header.Set("Content-Type", test.contentType)
			form, err := request.DecodeForm(r)
			if codeOf(err) != test.code || form != nil {
				t.Fatalf("got %v, %v", form, err)
			}
			if test.field != "" && !strings.Contains(err.Error(), test.field) {
				t.Errorf("%v does not name %s", err, test.field)
			}
		})
	}
}

// parameters returns a form of n distinct parameters.
func parameters(n int) string {
	form := make(url.Values, n)
	for i := range n {
		form.Set("p"+strconv.Itoa(i), "x")
	}
	return form.Encode()
}

func TestDecodeFormAtItsLimit(t *testing.T) {
	if form, err := request.DecodeForm(post(formType, parameters(100))); err != nil || len(form) != 100 {
		t.Errorf("%d parameters, %v", len(form), err)
	}
}

func TestQuery(t *testing.T) {
	tests := []struct {
		query string
		want  url.Values // nil: refused
	}{
		{"", url.Values{}},
		{"org=acme&limit=10", url.Values{"org": {"acme"}, "limit": {"10"}}},
		{"org=a%26b+c", url.Values{"org": {"a&b c"}}},
		{"org", url.Values{"org": {""}}},
		{"org=a&org=b", nil},
		{"org=a&%6Frg=b", nil},
		{"Org=a", nil},
		{"access_token=x", nil},
		{"org=%FF", nil},
		{"org=%", nil},
		{"=a", nil},
		{strings.Repeat("a=&", 100_000), nil},
	}
	for _, test := range tests {
		start := time.Now()
		got, err := request.Query(&http.Request{URL: &url.URL{RawQuery: test.query}}, "org", "limit", "cursor")
		if test.want == nil && (codeOf(err) != request.Malformed || got != nil) || test.want != nil && err != nil {
			t.Errorf("%.40q: %v, %v", test.query, got, err)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%.40q: %s", test.query, diff)
		}
		if elapsed := time.Since(start); elapsed > time.Second {
			t.Errorf("%.40q took %v", test.query, elapsed)
		}
	}
}

func TestParsePage(t *testing.T) {
	for query, want := range map[string]request.Page{
		"":                    {Limit: 50},
		"limit=1":             {Limit: 1},
		"limit=200&cursor=ab": {Limit: 200, Cursor: "ab"},
	} {
		values, _ := url.ParseQuery(query)
		if got, err := request.ParsePage(values); err != nil || got != want {
			t.Errorf("%q: %+v, %v", query, got, err)
		}
	}
	for _, query := range []string{"limit=0", "limit=201", "limit=-1", "limit=", "limit=1e2", "limit=%2B5", "limit=99999999999999999999", "cursor=" + strings.Repeat("a", 1025)} {
		values, _ := url.ParseQuery(query)
		if got, err := request.ParsePage(values); codeOf(err) != request.Malformed || got != (request.Page{}) {
			t.Errorf("%.40q: %+v, %v", query, got, err)
		}
	}
}

func FuzzDecodeForm(f *testing.F) {
	for _, seed := range []string{"a=1&b=2", "a=%41+%26", "a=1&%61=2", "a=%zz", "a=%FF", "=x", "a;b=1", "&&", "a==b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		form, err := request.DecodeForm(post(formType, body))
		standard, standardErr := url.ParseQuery(body)
		for name, values := range standard {
			if len(values) > 1 && err == nil {
				t.Fatalf("%q: %q is repeated", body, name)
			}
		}
		if err != nil {
			if codeOf(err) == "" || form != nil {
				t.Fatalf("%q: %v, %v", body, form, err)
			}
			return
		}
		for name, values := range form {
			if len(values) != 1 || values[0] == "" || !utf8.ValidString(name+values[0]) {
				t.Fatalf("%q: %q = %q", body, name, values)
			}
			if standardErr == nil && standard.Get(name) != values[0] {
				t.Fatalf("%q: %q = %q, net/url reads %q", body, name, values[0], standard.Get(name))
			}
		}
		again, err := request.DecodeForm(post(formType, form.Encode()))
		if diff := cmp.Diff(form, again); err != nil || diff != "" {
			t.Fatalf("%q: read again: %v %s", body, err, diff)
		}
	})
}
