package openapitest_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/claimsmith/claimsmith/handlers/openapi/openapitest"
)

// recorder is a test that keeps its failures.
type recorder struct {
	testing.TB
	failures []string
}

func (r *recorder) Errorf(format string, args ...any) {
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

// answer is what a server under test says.
type answer struct {
	status int
	header string // lines of "Name: value", beside Cache-Control: no-store
	body   string
}

// unasked is an answer that begins before the request has been read.
type unasked struct{ answer }

func (u unasked) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rest := r.Body
	r.Body = http.NoBody
	u.answer.ServeHTTP(w, r)
	_, _ = io.Copy(io.Discard, rest)
}

func (a answer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	w.Header()["Content-Type"] = nil // no guessing
	w.Header().Set("Cache-Control", "no-store")
	for line := range strings.Lines(a.header) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		w.Header().Set(name, value)
	}
	w.WriteHeader(a.status)
	_, _ = io.WriteString(w, a.body)
}

const (
	isJSON    = "Content-Type: application/json\n"
	isLines   = "Content-Type: application/x-ndjson\n"
	isProblem = "Content-Type: application/problem+json\n"
	entry     = `{"key":"theme","value":null,"profileClaim":true}`
	notFound  = `{"type":"about:blank","title":"Not Found","status":404,"code":"not_found","traceId":"T"}`
	bearer    = "Authorization: Bearer cs_at_x\n"
	isPage    = "Content-Type: text/html; charset=UTF-8\n"
	asked     = "GET /oauth/authorize?client_id=shop"
)

func TestHandler(t *testing.T) {
	tests := []struct {
		name    string
		request string // method, target, headers, empty line, body
		answer  answer
		want    string // in the failure; "" for none
	}{
		{"as described", "PUT /api/user/me/metadata/theme\n" + bearer + isJSON + "\n" + `{"value":1e400}`,
			answer{200, isJSON + `ETag: "1"`, entry}, ""},
		{"an escaped path", "GET /api/user/jane%40example.com/metadata/a%2Fb?org=acme\n" + bearer,
			answer{304, `ETag: "1"`, ""}, ""},
		{"HEAD", "HEAD /api/user/me/metadata\n" + bearer, answer{200, isJSON + `ETag: "0"`, `{"metadata":[` + entry + `]}`}, ""},
		{"claims of any name", "GET /oauth/userinfo\n" + bearer, answer{200, isJSON, `{"sub":"j","org":"acme","metadata_x.y":[1]}`}, ""},
		{"an error", "GET /api/user/me/metadata/x", answer{404, isProblem, notFound}, ""},
		{"an unknown path", "GET /api/nothing", answer{404, isProblem, notFound}, ""},
		{"an unknown path of OAuth", "GET /oauth/nothing", answer{404, isJSON, `{"error":"invalid_request"}`}, ""},
		{"another method", "PUT /login", answer{405, isJSON + "Allow: POST", `{"error":"invalid_request"}`}, ""},
		{"OPTIONS", "OPTIONS /login", answer{204, "Allow: POST", ""}, ""},
		{"a page", "GET /docs/", answer{200, "Content-Type: text/html", "<p>"}, ""},
		{"a bound token", "GET /oauth/userinfo\nAuthorization: DPoP x\nDPoP: y\n", answer{200, isJSON, `{"sub":"j","org":"acme"}`}, ""},
		{"a preflight", "OPTIONS /oauth/token", answer{204, "Allow: OPTIONS, POST\nVary: Origin", ""}, ""},
		{"a page of a login", asked + "&response_type=code&an-unknown=1", answer{200, isPage, "<p>"}, ""},
		{"lines", "GET /api/user/export\n" + bearer, answer{200, isLines, `{"id":"j"}` + "\n" + `{"id":"k","groups":[]}` + "\n"}, ""},
		{"no lines", "GET /api/user/export\n" + bearer, answer{200, isLines, ""}, ""},
		{"a redirect of a login", asked, answer{303, "Location: /signin?flow=x", ""}, ""},
		{"an error of a login", asked, answer{400, isPage, "<p>"}, ""},
		{"an unknown path of a login", "GET /signin/nothing", answer{404, isPage, "<p>"}, ""},

		{"an unknown member", "GET /api/user/me/metadata\n" + bearer,
			answer{200, isJSON + `ETag: "1"`, `{"metadata":[],"more":1}`}, "'more' not allowed"},
		{"an unknown member inside", "GET /api/user/me/metadata\n" + bearer,
			answer{200, isJSON + `ETag: "1"`, `{"metadata":[{"key":"k","value":1,"profileClaim":true,"x":1}]}`}, `"x"`},
		{"an unknown member in a line", "GET /api/user/export\n" + bearer, answer{200, isLines, "{}\n" + `{"x":1}` + "\n"}, "line 2"},
		{"a line that is none", "GET /api/user/export\n" + bearer, answer{200, isLines, "{}\n\n{}\n"}, "line 2"},
		{"a member is missing", "GET /api/user/me/metadata\n" + bearer, answer{200, isJSON + `ETag: "1"`, `{}`}, "metadata"},
		{"a member of another type", "GET /api/user/me/metadata\n" + bearer,
			answer{200, isJSON + `ETag: "1"`, `{"metadata":null}`}, "metadata"},
		{"a claim outside the prefix", "GET /oauth/userinfo\n" + bearer, answer{200, isJSON, `{"sub":"j","org":"acme","theme":1}`}, "'theme'"},
		{"no JSON", "GET /api/user/me/metadata\n" + bearer, answer{200, isJSON + `ETag: "1"`, `{`}, "not JSON"},
		{"another media type", "GET /api/user/me/metadata\n" + bearer,
			answer{200, "Content-Type: application/json; charset=utf-8\n" + `ETag: "1"`, `{"metadata":[]}`}, "media type"},
		{"another status", "GET /api/user/me/metadata", answer{418, isProblem, notFound}, "status"},
		{"a success of an operation that is none", "DELETE /login", answer{204, "", ""}, "no such operation"},
		{"no ETag", "GET /api/user/me/metadata\n" + bearer, answer{200, isJSON, `{"metadata":[]}`}, "ETag is missing"},
		{"no ETag with 304", "GET /api/user/me/metadata\n" + bearer, answer{304, "", ""}, "ETag is missing"},
		{"an ETag that is no revision", "GET /api/user/me/metadata\n" + bearer, answer{200, isJSON + `ETag: W/"1"`, `{"metadata":[]}`}, "ETag"},
		{"a Location nobody knows of", "GET /api/user/me/metadata\n" + bearer,
			answer{200, isJSON + "Location: /x\n" + `ETag: "1"`, `{"metadata":[]}`}, "Location"},
		{"no challenge", "GET /api/user/me/metadata", answer{401, isProblem, notFound}, "WWW-Authenticate is missing"},
		{"a body where there is none", "DELETE /api/user/me/metadata/x\n" + bearer, answer{204, isJSON + `ETag: "1"`, `{}`}, "there is a body"},
		{"an answer that may be kept", "GET /api/user/me/metadata\n" + bearer,
			answer{200, isJSON + "Cache-Control: max-age=9\n" + `ETag: "1"`, `{"metadata":[]}`}, "may be kept"},
		{"another form of error", "GET /api/nothing", answer{404, isJSON, `{"error":"invalid_request"}`}, "media type"},
		{"another form of error of OAuth", "GET /oauth/nothing", answer{404, isJSON, notFound}, "error"},
		{"another form of error of a login", "GET /signin/nothing", answer{404, isJSON, `{"error":"invalid_request"}`}, "media type"},
		{"JSON where there is a page", asked, answer{200, isJSON, "{}"}, "media type"},
		{"a preflight for all to keep", "OPTIONS /oauth/token", answer{204, "Allow: OPTIONS, POST", ""}, "Vary is missing"},
		{"no Allow", "PUT /login", answer{405, isJSON, `{"error":"invalid_request"}`}, "Allow"},

		{"an unknown member was taken", "PUT /api/user/me/metadata/theme\n" + bearer + isJSON + "\n" + `{"value":1,"more":1}`,
			answer{200, isJSON + `ETag: "1"`, entry}, "more"},
		{"a required member was not asked for", "PUT /api/user/me/metadata/theme\n" + bearer + isJSON + "\n" + `{}`,
			answer{200, isJSON + `ETag: "1"`, entry}, "value"},
		{"a body was taken", "DELETE /api/user/me/metadata/x\n" + bearer + isJSON + "\n{}", answer{204, `ETag: "1"`, ""}, "body"},
		{"an unknown parameter was taken", "GET /api/user/me/metadata?x=1\n" + bearer,
			answer{200, isJSON + `ETag: "1"`, `{"metadata":[]}`}, "parameter x"},
		{"a parameter out of bounds was taken", "GET /api/user?limit=201\n" + bearer,
			answer{200, isJSON, `{"users":[],"next":""}`}, "limit"},
		{"an unknown condition was heeded", "GET /api/user\nIf-Match: *\n" + bearer, answer{200, isJSON, `{"users":[],"next":""}`}, "If-Match"},
		{"nobody asked who it is", "GET /api/user/me/metadata", answer{200, isJSON + `ETag: "1"`, `{"metadata":[]}`}, "no apiToken credentials"},
		{"what was refused need not be described", "PUT /api/user/me/metadata/theme?x=1\n\n{", answer{404, isProblem, notFound}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			head, body, _ := strings.Cut(test.request, "\n\n")
			line, headers, _ := strings.Cut(head, "\n")
			method, target, _ := strings.Cut(line, " ")
			r := httptest.NewRequest(method, target, strings.NewReader(body))
			for header := range strings.Lines(headers) {
				name, value, _ := strings.Cut(strings.TrimSpace(header), ": ")
				r.Header.Set(name, value)
			}
			failed := &recorder{TB: t}
			w := httptest.NewRecorder()
			openapitest.Handler(failed, "https://id.example", test.answer).ServeHTTP(w, r)
			got := strings.Join(failed.failures, "\n")
			if (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
				t.Errorf("reports %q", got)
			}
			if w.Code != test.answer.status || w.Body.String() != test.answer.body {
				t.Errorf("passes on %d %s", w.Code, w.Body)
			}
		})
	}
}

// What is read away after the answer has begun no route took, but a body that an operation asks for is held to the document however late it
// is read.
func TestWhatIsReadAway(t *testing.T) {
	for _, test := range []struct {
		method, target, body string
		answer               answer
		want                 string
	}{
		{"DELETE", "/api/user/me/metadata/x", "{}", answer{204, `ETag: "1"`, ""}, ""},
		{"PUT", "/api/user/me/metadata/x", `{"value":1,"more":1}`, answer{200, isJSON + `ETag: "1"`, entry}, "more"},
	} {
		r := httptest.NewRequest(test.method, test.target, strings.NewReader(test.body))
		r.Header.Set("Authorization", "Bearer cs_at_x")
		r.Header.Set("Content-Type", "application/json")
		failed := &recorder{TB: t}
		openapitest.Handler(failed, "https://id.example", unasked{test.answer}).ServeHTTP(httptest.NewRecorder(), r)
		if got := strings.Join(failed.failures, "\n"); (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
			t.Errorf("%s: reports %q", test.method, got)
		}
	}
}
