package request_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/handlers/request"
)

// routed sends a request for target through a router with the routes /u/:id, /u/:id/metadata and /u/:id/metadata/:key. It
// returns the route, the values of the parameters and the first error.
func routed(method, target string) (route string, values []string, err error) {
	e := echo.New()
	e.Pre(request.RawPath)
	e.HTTPErrorHandler = func(failure error, _ echo.Context) { err = failure }
	handler := func(names ...string) echo.HandlerFunc {
		return func(c echo.Context) error {
			route = c.Path()
			for _, name := range names {
				value, err := request.PathValue(c, name)
				if err != nil {
					return err
				}
				values = append(values, value)
			}
			return nil
		}
	}
	e.GET("/u/:id", handler("id"))
	e.GET("/u/:id/metadata", handler("id"))
	e.GET("/u/:id/metadata/", handler("id"))
	e.GET("/u/:id/metadata/:key", handler("id", "key"))
	r := httptest.NewRequest(method, "/", nil)
	parsed, parseErr := url.ParseRequestURI(target)
	if parseErr != nil {
		return "", nil, parseErr
	}
	r.URL, r.RequestURI = parsed, target
	e.ServeHTTP(httptest.NewRecorder(), r)
	return route, values, err
}

// Row I-01 of the acceptance table.
func TestPathValueDecodesOnce(t *testing.T) {
	for target, want := range map[string]string{
		"/u/jane.doe@example.com":         "jane.doe@example.com",
		"/u/jane.doe%40example.com":       "jane.doe@example.com",
		"/u/%6Aane.doe@example.com":       "jane.doe@example.com",
		"/u/a%2Fb":                        "a/b",
		"/u/a%252Fb":                      "a%2Fb",
		"/u/a%25252Fb":                    "a%252Fb",
		"/u/a+b":                          "a+b",
		"/u/a%20b":                        "a b",
		"/u/a%5Cb":                        `a\b`,
		"/u/a;b=c":                        "a;b=c",
		"/u/a%3Bb":                        "a;b",
		"/u/a%3Fb%23c":                    "a?b#c",
		"/u/caf%C3%A9":                    "café",
		"/u/café":                         "café",
		"/u/cafe%CC%81":                   "cafe\u0301",
		"/u/...":                          "...",
		"/u/%252e%252e":                   "%2e%2e",
		"/u/..a":                          "..a",
		"/u/metadata":                     "metadata",
		"/u/" + strings.Repeat("a", 1023): strings.Repeat("a", 1023),
		"http://evil.example/u/jane":      "jane",
	} {
		route, values, err := routed(http.MethodGet, target)
		if err != nil || route != "/u/:id" || len(values) != 1 || values[0] != want {
			t.Errorf("%s: %q %q, %v; want %q", target, route, values, err, want)
		}
	}

	_, values, err := routed(http.MethodGet, "/u/a%2Fmetadata/metadata/%2e%2fx%25")
	if err != nil || len(values) != 2 || values[0] != "a/metadata" || values[1] != "./x%" {
		t.Errorf("two parameters: %q, %v", values, err)
	}
	if route, _, err := routed(http.MethodGet, "/u/a/metadata/"); err != nil || route != "/u/:id/metadata/" {
		t.Errorf("a slash at the end: %q, %v", route, err)
	}
}

func TestPathValueRefuses(t *testing.T) {
	for target, want := range map[string]request.Code{
		"/u/%FF":                          request.Malformed,
		"/u/%C0%AF":                       request.Malformed,
		"/u/%ED%A0%80":                    request.Malformed,
		"/u/%00":                          request.Malformed,
		"/u/a%0d%0ab":                     request.Malformed,
		"/u/a%7Fb":                        request.Malformed,
		"/u/a%C2%85b":                     request.Malformed,
		"/u/" + strings.Repeat("a", 1024): request.Malformed,
		// Echo lets the last parameter of a route take the rest of the path.
		"/u/a/metadata/k/v": request.NoSuchPath,
	} {
		_, values, err := routed(http.MethodGet, target)
		if codeOf(err) != want || len(values) > 1 {
			t.Errorf("%.40s: %q, %v; want %q", target, values, err, want)
		}
	}
	if _, _, err := routed(http.MethodGet, "/u/%zz"); err == nil {
		t.Error("an invalid escape was accepted")
	}
}

// Row I-03: what two readers may resolve differently does not reach the router.
func TestRawPathRefusesAmbiguity(t *testing.T) {
	for _, target := range []string{
		"//u/jane", "/u//metadata", "/u//jane", "/u/jane//", "/./u/jane", "/u/./jane", "/u/jane/.", "/u/x/../jane", "/u/..", "/u/jane/../..",
		"/u/%2e", "/u/%2e%2e", "/u/%2E%2e/jane", "/u/.%2e/jane", "/u/%2e./jane", `/u/a\b`, `/\evil`, "/" + strings.Repeat("../", 5000),
	} {
		route, _, err := routed(http.MethodGet, target)
		if route != "" || codeOf(err) != request.Malformed {
			t.Errorf("%.40s: routed to %q, %v", target, route, err)
		}
	}
	if route, _, err := routed(http.MethodOptions, "*"); route != "" || codeOf(err) != request.Malformed {
		t.Errorf("*: routed to %q, %v", route, err)
	}
	for _, target := range []string{"/%75/jane", "/U/jane", "/u%2Fjane", "/", "/u", "/u/"} {
		if route, _, err := routed(http.MethodGet, target); route != "" || !errors.Is(err, echo.ErrNotFound) {
			t.Errorf("%s: routed to %q, %v", target, route, err)
		}
	}
}

func FuzzPathValue(f *testing.F) {
	for _, seed := range []string{"jane", "a%2Fb", "a%252Fb", "%2e%2e", "%FF", "%00", "a/b", `\`, "café", "..", "%zz", "a;b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, sent string) {
		if strings.ContainsAny(sent, "?#") {
			return
		}
		route, values, err := routed(http.MethodGet, "/u/"+sent)
		if err != nil || route != "/u/:id" {
			if route == "/u/:id" && len(values) > 0 {
				t.Fatalf("%q: values %q with %v", sent, values, err)
			}
			return
		}
		value := values[0]
		if value == "" || value == "." || value == ".." || len(value) >= 1024 || !utf8.ValidString(value) || strings.ContainsFunc(value, unicode.IsControl) {
			t.Fatalf("%q: accepted %q", sent, value)
		}
		if _, again, err := routed(http.MethodGet, "/u/"+url.PathEscape(value)); err != nil || again[0] != value {
			t.Fatalf("%q: %q came back as %q, %v", sent, value, again, err)
		}
	})
}
