package request_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/claimsmith/claimsmith/handlers/request"
)

func TestParameters(t *testing.T) {
	tests := []struct {
		name, method, target, mediaType, body string
		want                                  url.Values // nil: refused
	}{
		{"a query", http.MethodGet, "/?state=a+b&x-unknown=1&nonce=", "", "", url.Values{"state": {"a b"}, "x-unknown": {"1"}}},
		{"nothing", http.MethodGet, "/", "", "", url.Values{}},
		{"a form", http.MethodPost, "/", formType, "state=%C3%A4&nonce=", url.Values{"state": {"ä"}}},
		{"both", http.MethodPost, "/?ui_locales=de", formType, "state=a", url.Values{"ui_locales": {"de"}, "state": {"a"}}},
		{"a body that comes with GET is no part of the request", http.MethodGet, "/?state=a", formType, "state=b", url.Values{"state": {"a"}}},
		{"twice in the query", http.MethodGet, "/?state=a&state=a", "", "", nil},
		{"twice in the form", http.MethodPost, "/", formType, "state=a&st%61te=b", nil},
		{"once in each", http.MethodPost, "/?state=a", formType, "state=a", nil},
		{"once in each, one empty", http.MethodPost, "/?state=", formType, "state=a", nil},
		{"once in each, the other empty", http.MethodPost, "/?state=a", formType, "state=", nil},
		{"text/plain", http.MethodPost, "/", "text/plain", "state=a", nil},
		{"JSON", http.MethodPost, "/", "application/json", `{"state":"a"}`, nil},
		{"not UTF-8", http.MethodGet, "/?state=%ff", "", "", nil},
		{"too many", http.MethodGet, "/?" + parameters(101), "", "", nil},
		{"too long", http.MethodPost, "/", formType, "state=" + strings.Repeat("x", 64<<10), nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequest(test.method, test.target, strings.NewReader(test.body))
			r.Header.Set("Content-Type", test.mediaType)
			got, err := request.Parameters(r)
			if test.want == nil {
				if err == nil || got != nil {
					t.Fatalf("got %v, %v", got, err)
				}
				return
			}
			if diff := cmp.Diff(test.want, got); diff != "" || err != nil {
				t.Errorf("%v %s", err, diff)
			}
		})
	}
}

func FuzzParameters(f *testing.F) {
	f.Add("state=a&nonce=", "client_id=b")
	f.Add("a=1", "a=2")
	f.Fuzz(func(t *testing.T, query, body string) {
		r := &http.Request{
			Method: http.MethodPost, URL: &url.URL{RawQuery: query}, Header: http.Header{"Content-Type": {formType}},
			Body: http.NoBody, ContentLength: int64(len(body)),
		}
		r.Body = readCloser{strings.NewReader(body)}
		params, err := request.Parameters(r)
		if err != nil {
			if params != nil {
				t.Fatal("values with an error")
			}
			return
		}
		again, err := request.Parameters(&http.Request{Method: http.MethodGet, URL: &url.URL{RawQuery: params.Encode()}})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(params, again); diff != "" {
			t.Error(diff)
		}
		for name, values := range params {
			if len(values) != 1 || values[0] == "" || name == "" {
				t.Errorf("%q: %q", name, values)
			}
		}
	})
}

type readCloser struct{ *strings.Reader }

func (readCloser) Close() error { return nil }
