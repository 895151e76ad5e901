package console_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/handlers"
	"github.com/claimsmith/claimsmith/handlers/console"
	"github.com/claimsmith/claimsmith/handlers/console/page/pagetest"
	"github.com/claimsmith/claimsmith/handlers/problem"
)

// failing is the console with a route more, whose error is given.
type failing struct {
	*console.Dialect
	err error
}

func (f failing) Mount(e *echo.Echo) {
	f.Dialect.Mount(e)
	e.GET("/account/fails", func(echo.Context) error { return f.err })
}

// newServer serves the console without services: what is tested here must not get as far.
func newServer(t *testing.T, err error) http.Handler {
	t.Helper()
	server, newErr := handlers.New(handlers.Config{
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)), Now: func() time.Time { return time.Unix(1_800_000_000, 0) }, HTTPS: true,
		Dialects: []handlers.Dialect{failing{&console.Dialect{Issuer: "https://id.example"}, err}},
	})
	if newErr != nil {
		t.Fatal(newErr)
	}
	return server
}

func call(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// Rows S-05, S-06, O-20: the headers of a page, whatever its status.
func checkHeaders(t *testing.T, h http.Header) {
	t.Helper()
	policy := h.Get("Content-Security-Policy")
	for _, part := range []string{"default-src 'none'", "base-uri 'none'", "frame-ancestors 'none'", "form-action 'self'"} {
		if !strings.Contains(policy, part) {
			t.Errorf("the policy lacks %s: %s", part, policy)
		}
	}
	if strings.Contains(policy, "unsafe") || strings.Contains(policy, "*") {
		t.Errorf("policy %s", policy)
	}
	for name, want := range map[string]string{
		"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff",
		"Cross-Origin-Opener-Policy": "same-origin", "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
		"Www-Authenticate": "", "Access-Control-Allow-Origin": "",
	} {
		if got := h.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// Every error is a page that says what happened, what to do, and by what reference it is found.
func TestErrorPages(t *testing.T) {
	tests := []struct {
		err          error
		status       int
		title        string
		says, hushes string
	}{
		{&auth.Error{Code: auth.InvalidRequest, Field: "scope", Detail: "it is not allowed"}, 400, "This request cannot be answered", ">scope: it is not allowed<", ""},
		{&auth.Error{Code: auth.InvalidRequest, Field: "scope", Detail: "scope is required"}, 400, "This request cannot be answered", ">scope is required<", "scope: "},
		{&auth.Error{Code: auth.InvalidRequest, Field: "call 555-0199", Detail: "appears twice"}, 400, "This request cannot be answered", ">appears twice<", "555"},
		{&auth.Error{Code: auth.InvalidClient, Detail: "unknown client"}, 400, "Unknown application", "unknown client", ""},
		{&auth.Error{Code: auth.AccessDenied}, 403, "No access", "", ""},
		{&auth.Error{Code: auth.NotFound}, 404, "Nothing is here", "", ""},
		{&auth.Error{Code: auth.Throttled, RetryAfter: 5 * time.Second}, 429, "Too many attempts", "", ""},
		{&auth.Error{Code: auth.Unavailable, Detail: "redis said no", Err: io.EOF}, 503, "Not available at present", "", "redis"},
		{io.ErrUnexpectedEOF, 500, "Something went wrong", "", "EOF"},
		{problem.New(problem.Unauthenticated, ""), 400, "This request cannot be answered", "", ""},
		{&auth.Error{Code: auth.InvalidRequest, Detail: pagetest.Hostile}, 400, "This request cannot be answered", "alert(1)", "<script>"},
	}
	for _, test := range tests {
		answer := call(newServer(t, test.err), httptest.NewRequest(http.MethodGet, "/account/fails", http.NoBody))
		body := answer.Body.String()
		if answer.Code != test.status || !strings.Contains(body, test.title) {
			t.Errorf("%v: %d %s", test.err, answer.Code, body)
		}
		if !strings.Contains(body, answer.Header().Get("X-Request-Id")) {
			t.Errorf("%v: no reference", test.err)
		}
		if !strings.Contains(body, test.says) || test.hushes != "" && strings.Contains(body, test.hushes) {
			t.Errorf("%v: %s", test.err, body)
		}
		checkHeaders(t, answer.Header())
		pagetest.Elements(t, body)
	}
}

// What the router and the middleware refuse is a page as well, in the reader's language, with nothing of the request in it.
func TestRefusedRequests(t *testing.T) {
	server := newServer(t, nil)
	tests := []struct {
		method, target string
		status         int
	}{
		{http.MethodGet, "/signin/%3Cscript%3Ealert(1)%3C/script%3E", 404},
		{http.MethodPut, "/signin", 405},
		{http.MethodGet, "/account/password?_method=POST", 405},
		{http.MethodGet, "/signin/consent", 405},
		{http.MethodGet, "/signin?flow=a&flow=b", 400},
		{http.MethodGet, "/signin?next=https://evil.example", 400},
		{http.MethodGet, "/signin?flow=%3Cscript%3Ealert(1)", 400},
		{http.MethodGet, "/oauth/authorize?client_id=a&client_id=%3Cscript%3Ealert(1)", 400},
		{http.MethodGet, "/static/console.css", 404},
		{http.MethodGet, "/static/..%2fconsole.go", 404},
		{http.MethodGet, "/brand/acme.css", 404},
		{http.MethodGet, "/brand/0b7a4b", 404},
		{http.MethodGet, "/brand/0B7A4B.css", 404},
		{http.MethodGet, "/account//", 400},
	}
	for _, test := range tests {
		r := httptest.NewRequest(test.method, test.target, http.NoBody)
		r.Header.Set("Accept-Language", "de")
		r.Header.Set("X-Http-Method-Override", http.MethodPost)
		answer := call(server, r)
		body := answer.Body.String()
		if answer.Code != test.status || answer.Header().Get("Location") != "" {
			t.Errorf("%s %s: %d, want %d\n%s", test.method, test.target, answer.Code, test.status, body)
		}
		if !strings.Contains(body, `lang="de"`) || strings.Contains(body, "alert") || strings.Contains(body, "evil") {
			t.Errorf("%s %s: %s", test.method, test.target, body)
		}
		checkHeaders(t, answer.Header())
	}
}

// Row S-04: a form of another site is refused before anything looks at it, wherever it is sent. There are no services here to look.
func TestForeignForms(t *testing.T) {
	server := newServer(t, nil)
	e := echo.New()
	(&console.Dialect{Issuer: "https://id.example"}).Mount(e)
	forms := 0
	for _, route := range e.Routes() {
		if route.Method != http.MethodPost || route.Path == "/oauth/authorize" || route.Path == "/oauth/logout" {
			continue
		}
		forms++
		for _, test := range []struct{ site, origin, mediaType, body string }{
			{"cross-site", "https://evil.example", "application/x-www-form-urlencoded", "token=x&flow=x"},
			{"cross-site", "", "application/x-www-form-urlencoded", "token=x"},
			{"cross-site", "null", "text/plain", `{"token":"x"}`},
			{"same-site", "https://sub.id.example", "application/x-www-form-urlencoded", "token=x"},
			{"", "https://evil.example", "application/x-www-form-urlencoded", "_method=GET"},
		} {
			r := httptest.NewRequest(http.MethodPost, route.Path, strings.NewReader(test.body))
			r.Header.Set("Content-Type", test.mediaType)
			r.Header.Set("X-Http-Method-Override", http.MethodGet)
			r.Header.Set("Cookie", "__Host-claimsmith-session=cs_ss_jane.x; __Host-claimsmith-browser=x")
			if test.site != "" {
				r.Header.Set("Sec-Fetch-Site", test.site)
			}
			if test.origin != "" {
				r.Header.Set("Origin", test.origin)
			}
			answer := call(server, r)
			if answer.Code != http.StatusForbidden || !strings.Contains(answer.Body.String(), "This form was not accepted") {
				t.Errorf("%s %+v: %d", route.Path, test, answer.Code)
			}
			if cookies := answer.Result().Cookies(); len(cookies) > 0 {
				t.Errorf("%s sets %v", route.Path, cookies)
			}
			checkHeaders(t, answer.Header())
		}
		// Our own page, but not as browsers send forms.
		r := httptest.NewRequest(http.MethodPost, route.Path, strings.NewReader(`{"token":"x"}`))
		r.Header.Set("Content-Type", "text/plain")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		want := http.StatusUnsupportedMediaType
		if slices.Contains([]string{"/account/preferences", "/account/profile/picture", "/account/profile/career/file"}, route.Path) {
			want = http.StatusSeeOther // nothing is read for nobody
		}
		if answer := call(server, r); answer.Code != want {
			t.Errorf("%s with text/plain: %d", route.Path, answer.Code)
		}
	}
	if forms < 15 {
		t.Fatalf("%d forms", forms)
	}
}

// What an application has a browser post is asked again by GET, with which the cookies come. Nothing else happens.
func TestPostedRequests(t *testing.T) {
	server := newServer(t, nil)
	post := func(target, body string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodPost, target, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		return call(server, r)
	}
	for target, want := range map[string]string{
		"/oauth/authorize":          "/oauth/authorize?client_id=app&state=a+b%26c",
		"/oauth/authorize?scope=x":  "/oauth/authorize?client_id=app&scope=x&state=a+b%26c",
		"/oauth/logout":             "/oauth/logout?client_id=app&state=a+b%26c",
		"/oauth/logout?ui_locales=": "/oauth/logout?client_id=app&state=a+b%26c",
	} {
		answer := post(target, "client_id=app&state=a+b%26c&nonce=")
		if answer.Code != http.StatusSeeOther || answer.Header().Get("Location") != want || len(answer.Result().Cookies()) > 0 {
			t.Errorf("%s: %d %v", target, answer.Code, answer.Header())
		}
	}
	for _, test := range []struct{ target, body string }{
		{"/oauth/authorize", "client_id=a&client_id=b"},
		{"/oauth/authorize?client_id=a", "client_id=a"},
		{"/oauth/authorize?client_id=", "client_id=a"},
		{"/oauth/logout?state=a", "state=b"},
	} {
		if answer := post(test.target, test.body); answer.Code != http.StatusBadRequest || answer.Header().Get("Location") != "" {
			t.Errorf("%v: %d", test, answer.Code)
		}
	}
}

func TestAssets(t *testing.T) {
	server := newServer(t, nil)
	for name, served := range console.AssetNames {
		answer := call(server, httptest.NewRequest(http.MethodGet, "/static/"+served, http.NoBody))
		h := answer.Header()
		if answer.Code != http.StatusOK || h.Get("Cache-Control") != "public, max-age=31536000, immutable" || h.Get("X-Content-Type-Options") != "nosniff" ||
			h.Get("Content-Type") == "" || answer.Body.Len() == 0 {
			t.Errorf("%s: %d %v", name, answer.Code, h)
		}
	}
	answer := call(server, httptest.NewRequest(http.MethodGet, "/brand/0b7a4b.css", http.NoBody))
	if answer.Code != http.StatusOK || !strings.Contains(answer.Body.String(), "--brand:#0b7a4b;") || answer.Header().Get("Content-Type") != "text/css; charset=utf-8" {
		t.Errorf("brand: %d %v", answer.Code, answer.Header())
	}
}
