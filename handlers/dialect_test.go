package handlers_test

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/handlers"
	"github.com/claimsmith/claimsmith/handlers/problem"
)

func twoDialects(t *testing.T) *handlers.Server {
	s, _ := newServer(t, handlers.Config{Dialects: []handlers.Dialect{
		&dialect{name: "outer", prefixes: []string{"/api/"}, mount: func(e *echo.Echo) {
			e.GET("/api/user/:id", say("user"))
			e.PUT("/api/user/:id", say("put"), func(next echo.HandlerFunc) echo.HandlerFunc { return next })
			e.POST("/api/user", say("created"))
			e.GET("/api/fails", failWith(errors.New("boom")))
		}},
		&dialect{name: "inner", prefixes: []string{"/api/inner", "/api/user/me/inner"}, mount: func(e *echo.Echo) {
			e.GET("/api/inner/x", say("x"))
			e.GET("/api/inner/trailing/", say("trailing"))
		}},
	}})
	return s
}

func TestErrorsComeInTheEnvelopeOfTheLongestPrefix(t *testing.T) {
	s := twoDialects(t)
	tests := []struct{ method, target, want, allow string }{
		{"GET", "/api/nothing", "outer Not Found not_found", ""},
		{"GET", "/api", "outer Not Found not_found", ""},
		{"DELETE", "/api/user/jane", "outer Method Not Allowed method_not_allowed", "GET, HEAD, OPTIONS, PUT"},
		{"GET", "/api/fails", "outer Internal Server Error internal", ""},
		{"GET", "/api/../secret", "outer Bad Request invalid_request", ""},
		{"GET", "/api/inner", "inner Not Found not_found", ""},
		{"GET", "/api/inner/nothing", "inner Not Found not_found", ""},
		{"PUT", "/api/inner/x", "inner Method Not Allowed method_not_allowed", "GET, HEAD, OPTIONS"},
		{"GET", "/api/inner/trailing", "inner Not Found not_found", ""},
		{"GET", "/api/user/me/inner/x", "inner Not Found not_found", ""},
		{"GET", "/api/user/jane/deeper", "outer Not Found not_found", ""},
		{"DELETE", "/api/user/jane/deeper", "outer Not Found not_found", ""},
		{"OPTIONS", "/api/user/jane/deeper", "outer Not Found not_found", ""},
		{"GET", "/api/innermost", "outer Not Found not_found", ""},
	}
	for _, test := range tests {
		w := call(s, test.method, test.target)
		allowed := strings.Split(w.Header().Get("Allow"), ", ")
		slices.Sort(allowed)
		if w.Body.String() != test.want || strings.Join(allowed, ", ") != test.allow {
			t.Errorf("%s %s: %d %s, Allow %q", test.method, test.target, w.Code, w.Body, allowed)
		}
	}
	for _, target := range []string{"/other", "/apix", "//", "/nothing/at/all"} {
		if w := call(s, "GET", target); w.Code < 400 || w.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %d %s", target, w.Code, w.Body)
		}
	}
}

func TestEveryEnvelopeHasTheHeadersOfItsProblem(t *testing.T) {
	s, _ := newServer(t, handlers.Config{Dialects: []handlers.Dialect{&dialect{name: "d", prefixes: []string{"/"}, mount: func(e *echo.Echo) {
		e.GET("/busy", failWith(problem.New(problem.Busy, "")))
		e.GET("/closed", func(c echo.Context) error {
			c.Response().Header().Set("Cache-Control", "public, max-age=300")
			return problem.New(problem.Unauthenticated, "")
		})
	}}}})
	if w := call(s, "GET", "/busy"); w.Code != 503 || w.Header().Get("Retry-After") != "1" {
		t.Errorf("busy: %d %v", w.Code, w.Header())
	}
	w := call(s, "GET", "/closed")
	if w.Code != 401 || w.Header().Get("WWW-Authenticate") != `Bearer error="invalid_token"` || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("closed: %d %v", w.Code, w.Header())
	}
}

func TestHeadAnswersLikeGet(t *testing.T) {
	server := httptest.NewServer(twoDialects(t))
	defer server.Close()
	answer, body := fetch(t, http.MethodHead, server.URL+"/api/user/jane", nil)
	if answer.StatusCode != 200 || body != "" || answer.ContentLength != int64(len("user")) || answer.Header.Get("Content-Type") == "" {
		t.Errorf("%v %q", answer, body)
	}
	if answer, body := fetch(t, http.MethodHead, server.URL+"/healthz", nil); answer.StatusCode != 200 || body != "" {
		t.Errorf("health: %v %q", answer, body)
	}
}

// Row I-07 of the acceptance table.
func TestMethods(t *testing.T) {
	reached := ""
	s, _ := newServer(t, handlers.Config{Dialects: []handlers.Dialect{&dialect{name: "d", prefixes: []string{"/"}, mount: func(e *echo.Echo) {
		for _, method := range []string{"GET", "POST", "DELETE"} {
			e.Add(method, "/thing", func(c echo.Context) error { reached = method; return c.NoContent(204) })
		}
		e.POST("/action", func(echo.Context) error { reached = "action"; return nil })
	}}}})
	for _, test := range []struct{ method, target string }{
		{"TRACE", "/thing"}, {"CONNECT", "/thing"}, {"CONNECT", "example.com:443"}, {"FROB", "/thing"}, {"get", "/thing"}, {"PUT", "/thing"},
		{"HEAD", "/action"}, {"PROPFIND", "/action"}, {"REPORT", "/thing"},
	} {
		w := call(s, test.method, test.target)
		if _, allow := w.Header()["Allow"]; w.Code != 405 || !allow || reached != "" {
			t.Errorf("%s %s: %d %v, reached %q", test.method, test.target, w.Code, w.Header(), reached)
		}
	}
	for _, header := range []string{"X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"} {
		for _, target := range []string{"/thing", "/thing?_method=DELETE"} {
			if call(s, "POST", target, header, "DELETE"); reached != "POST" {
				t.Errorf("%s: reached %q", header, reached)
			}
		}
	}
}

// No route may be registered so that another method on it is a 404.
func TestEveryRouteAnswersOtherMethods405(t *testing.T) {
	s := twoDialects(t)
	for _, target := range []string{"/api/user/jane", "/api/user", "/api/fails", "/api/inner/x", "/api/inner/trailing/", "/healthz", "/readyz"} {
		if w := call(s, http.MethodPatch, target); w.Code != 405 || w.Header().Get("Allow") == "" {
			t.Errorf("%s: %d %v", target, w.Code, w.Header())
		}
	}
}

func TestNewRefusesContradictions(t *testing.T) {
	mounting := func(mount func(*echo.Echo)) []handlers.Dialect {
		return []handlers.Dialect{&dialect{name: "a", prefixes: []string{"/a"}, mount: mount}}
	}
	pass := func(next echo.HandlerFunc) echo.HandlerFunc { return next }
	tests := []struct {
		name     string
		dialects []handlers.Dialect
		want     string
	}{
		{"a prefix twice", []handlers.Dialect{&dialect{name: "a", prefixes: []string{"/x"}}, &dialect{name: "b", prefixes: []string{"/x/"}}}, `"/x" is taken`},
		{"a relative prefix", []handlers.Dialect{&dialect{name: "a", prefixes: []string{"x"}}}, "begin with a slash"},
		{"the prefix of health", []handlers.Dialect{&dialect{name: "a", prefixes: []string{"/healthz"}}}, "is taken"},
		{"a route twice", mounting(func(e *echo.Echo) { e.GET("/a/x", say("")); e.GET("/a/x", say("")) }), "GET /a/x is taken"},
		{"a route twice by other names", mounting(func(e *echo.Echo) { e.GET("/a/:x/y", say("")); e.GET("/a/:id/y", say("")) }), "GET /a/:id/y is taken"},
		{"a route outside", mounting(func(e *echo.Echo) { e.GET("/ab", say("")) }), "GET /ab is outside its prefixes"},
		{"a route of another dialect", append(mounting(func(e *echo.Echo) { e.GET("/a/b/x", say("")); e.GET("/c", say("")) }), &dialect{name: "b", prefixes: []string{"/c"}}), "GET /c is outside its prefixes"},
		{"a group with middleware", mounting(func(e *echo.Echo) { e.Group("/a/g", pass).GET("/x", say("")) }), "a route is for one of"},
		{"TRACE", mounting(func(e *echo.Echo) { e.TRACE("/a/x", say("")) }), "TRACE /a/x"},
		{"HEAD", mounting(func(e *echo.Echo) { e.HEAD("/a/x", say("")) }), "HEAD /a/x"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := handlers.New(handlers.Config{Logger: slog.New(slog.NewTextHandler(io.Discard, nil)), Now: time.Now, Dialects: test.dialects})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("err = %v", err)
			}
		})
	}
	if _, err := handlers.New(handlers.Config{}); err == nil {
		t.Error("a Server without a logger and a clock")
	}
}

func TestADialectWhoseRenderingFails(t *testing.T) {
	for name, render := range map[string]func(echo.Context, problem.Problem) error{
		"error": func(echo.Context, problem.Problem) error { return errors.New("template: s3cret") },
		"panic": func(echo.Context, problem.Problem) error { panic("s3cret") },
	} {
		s, log := newServer(t, handlers.Config{Dialects: []handlers.Dialect{&dialect{name: "broken", prefixes: []string{"/"}, render: render}}})
		w := call(s, "GET", "/x")
		if w.Code != 404 || w.Header().Get("Content-Type") != "application/problem+json" || strings.Contains(w.Body.String()+log.String(), "s3cret") {
			t.Errorf("%s: %d %s %s", name, w.Code, w.Body, log)
		}
	}
}
