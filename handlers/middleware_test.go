package handlers_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/handlers"
	"github.com/claimsmith/claimsmith/handlers/request"
	"github.com/claimsmith/claimsmith/internal/audit"
)

// Row I-08 of the acceptance table: what goes wrong inside is not told, and hurts nobody else.
func TestErrorsSayNothing(t *testing.T) {
	var none []int
	s, log := newServer(t, handlers.Config{Dialects: []handlers.Dialect{routes(map[string]echo.HandlerFunc{
		"/api/panic":   func(echo.Context) error { panic("password s3cret") },
		"/api/error":   func(echo.Context) error { panic(fmt.Errorf("token %s", "s3cret")) },
		"/api/runtime": func(echo.Context) error { _ = none[len(none)+4]; return nil },
		"/api/redis":   failWith(fmt.Errorf("read user: %w", errors.New("dial tcp 10.9.8.7:6379: redis is down"))),
		"/api/http":    failWith(echo.NewHTTPError(400, "redis s3cret")),
		"/api/fine":    say("fine"),
	})}})
	for _, target := range []string{"/api/panic", "/api/error", "/api/runtime", "/api/redis", "/api/http"} {
		w := call(s, "GET", target)
		body := w.Body.String()
		for _, leak := range []string{"redis", "goroutine", ".go", "10.9.8.7", "s3cret", "panic", "index"} {
			if strings.Contains(body, leak) {
				t.Errorf("%s: %q in %s", target, leak, body)
			}
		}
		id := w.Header().Get("X-Request-Id")
		if id == "" || !strings.Contains(body, id) {
			t.Errorf("%s: no request id in %s", target, body)
		}
		if w.Code != 500 && target != "/api/http" || w.Code == 500 && !strings.Contains(log.String(), id) {
			t.Errorf("%s: %d, log %s", target, w.Code, log)
		}
		if w := call(s, "GET", "/api/fine"); w.Code != 200 || w.Body.String() != "fine" {
			t.Errorf("after %s: %d %s", target, w.Code, w.Body)
		}
	}
	logged := log.String()
	for _, want := range []string{"index out of range", "middleware_test.go", "redis is down", "*errors.errorString", `"route":"/api/panic"`} {
		if !strings.Contains(logged, want) {
			t.Errorf("%q is not in the log", want)
		}
	}
	if strings.Contains(logged, "s3cret") {
		t.Errorf("a secret is in the log: %s", logged)
	}
}

func TestHalfAnAnswerBreaksTheConnection(t *testing.T) {
	for name, end := range map[string]func() error{
		"error": func() error { return errors.New("late") }, "panic": func() error { panic("late") },
	} {
		s, _ := newServer(t, handlers.Config{Dialects: []handlers.Dialect{routes(map[string]echo.HandlerFunc{"/api/x": func(c echo.Context) error {
			if err := c.String(200, strings.Repeat("x", 1<<16)); err != nil {
				return err
			}
			return end()
		}})}})
		server := httptest.NewUnstartedServer(s)
		server.Config.ErrorLog = s.HTTP().ErrorLog
		server.Start()
		answer, err := server.Client().Get(server.URL + "/api/x")
		if err == nil {
			_, err = io.ReadAll(answer.Body)
			answer.Body.Close()
		}
		if err == nil {
			t.Errorf("%s: the answer looks whole", name)
		}
		server.Close()
	}
}

func TestSecurityHeaders(t *testing.T) {
	dialects := func() []handlers.Dialect {
		return []handlers.Dialect{routes(map[string]echo.HandlerFunc{
			"/api/ok":    say("ok"),
			"/api/moved": func(c echo.Context) error { return c.Redirect(303, "/api/ok") },
			"/api/panic": func(echo.Context) error { panic("") },
			"/api/keys": func(c echo.Context) error {
				c.Response().Header().Set("Cache-Control", "public, max-age=300")
				return c.NoContent(204)
			},
			"/api/keys-fail": func(c echo.Context) error {
				c.Response().Header().Set("Cache-Control", "public, max-age=300")
				c.Response().Header().Set("ETag", `"1"`)
				return errors.New("boom")
			},
		})}
	}
	s, _ := newServer(t, handlers.Config{HTTPS: true, Dialects: dialects()})
	for target, status := range map[string]int{
		"/api/ok": 200, "/api/moved": 303, "/api/nothing": 404, "//": 400, "/api/panic": 500, "/api/keys": 204, "/api/keys-fail": 500, "/healthz": 200,
	} {
		w := call(s, "GET", target)
		cache := "no-store"
		if target == "/api/keys" {
			cache = "public, max-age=300"
		}
		want := map[string]string{
			"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": cache, "Cross-Origin-Opener-Policy": "same-origin",
			"Content-Security-Policy":   "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
			"Strict-Transport-Security": "max-age=31536000; includeSubDomains", "Etag": "", "Server": "", "X-Powered-By": "",
		}
		if w.Code != status {
			t.Errorf("%s: %d", target, w.Code)
		}
		for name, value := range want {
			if got := strings.Join(w.Header()[name], "|"); got != value {
				t.Errorf("%s: %s is %q, want %q", target, name, got, value)
			}
		}
	}
	plain, _ := newServer(t, handlers.Config{Dialects: dialects()})
	if w := call(plain, "GET", "/api/ok"); w.Header().Get("Strict-Transport-Security") != "" {
		t.Error("HSTS without https")
	}
	w := call(s, "GET", "/api/ok")
	w.Header().Add("X-Content-Type-Options", "planted")
	if got := call(s, "GET", "/api/ok").Header()["X-Content-Type-Options"]; len(got) != 1 {
		t.Errorf("one answer's header reached the next: %q", got)
	}
}

// Row L-10: nobody but a listed proxy says whom a request is from.
func TestClientAddress(t *testing.T) {
	var seen audit.Request
	dialects := func() []handlers.Dialect {
		return []handlers.Dialect{routes(map[string]echo.HandlerFunc{"/api/x": func(c echo.Context) error {
			seen = audit.RequestFrom(c.Request().Context())
			return nil
		}})}
	}
	proxies := []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("2001:db8::/32")}
	tests := []struct {
		name    string
		proxies []netip.Prefix
		peer    string
		header  []string
		want    string
	}{
		{"direct", nil, "203.0.113.9:1", nil, "203.0.113.9"},
		{"direct, spoofed", nil, "203.0.113.9:1", []string{"X-Forwarded-For", "1.1.1.1", "X-Real-IP", "2.2.2.2", "Forwarded", "for=3.3.3.3"}, "203.0.113.9"},
		{"direct on loopback, spoofed", nil, "127.0.0.1:1", []string{"X-Forwarded-For", "1.1.1.1"}, "127.0.0.1"},
		{"another peer than a proxy, spoofed", proxies, "203.0.113.9:1", []string{"X-Forwarded-For", "1.1.1.1"}, "203.0.113.9"},
		{"a private peer that is not listed", proxies, "10.2.0.1:1", []string{"X-Forwarded-For", "1.1.1.1"}, "10.2.0.1"},
		{"through a proxy", proxies, "10.1.0.5:1", []string{"X-Forwarded-For", "198.51.100.7"}, "198.51.100.7"},
		{"through a proxy, spoofed further out", proxies, "10.1.0.5:1", []string{"X-Forwarded-For", "1.1.1.1, 198.51.100.7"}, "198.51.100.7"},
		{"through two proxies", proxies, "[2001:db8::1]:1", []string{"X-Forwarded-For", "198.51.100.7, 10.1.0.9"}, "198.51.100.7"},
		{"through a proxy, not an address", proxies, "10.1.0.5:1", []string{"X-Forwarded-For", "<script>"}, "10.1.0.5"},
		{"through a proxy, X-Real-IP alone", proxies, "10.1.0.5:1", []string{"X-Real-IP", "1.1.1.1"}, "10.1.0.5"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s, _ := newServer(t, handlers.Config{TrustedProxies: test.proxies, Dialects: dialects()})
			r := httptest.NewRequest("GET", "/api/x", nil)
			r.RemoteAddr = test.peer
			for i := 0; i < len(test.header); i += 2 {
				r.Header.Set(test.header[i], test.header[i+1])
			}
			s.ServeHTTP(httptest.NewRecorder(), r)
			if seen.Address != test.want || seen.Dialect != "native" {
				t.Errorf("got %+v", seen)
			}
		})
	}
}

func TestRequestIDsAreOurs(t *testing.T) {
	var seen string
	s, _ := newServer(t, handlers.Config{Dialects: []handlers.Dialect{routes(map[string]echo.HandlerFunc{"/api/x": func(c echo.Context) error {
		seen = audit.RequestFrom(c.Request().Context()).ID
		return nil
	}})}})
	ids := make(map[string]bool)
	for range 100 {
		w := call(s, "GET", "/api/x", "X-Request-Id", "forged")
		id := w.Header().Get("X-Request-Id")
		if len(id) < 22 || id != seen || ids[id] {
			t.Fatalf("%q, the handler saw %q", id, seen)
		}
		ids[id] = true
	}
}

func TestRequestsHaveADeadline(t *testing.T) {
	s, _ := newServer(t, handlers.Config{RequestTimeout: time.Millisecond, Dialects: []handlers.Dialect{routes(map[string]echo.HandlerFunc{
		"/api/slow": func(c echo.Context) error {
			<-c.Request().Context().Done()
			return fmt.Errorf("read user: %w", c.Request().Context().Err())
		},
	})}})
	if w := call(s, "GET", "/api/slow"); w.Code != 503 || w.Header().Get("Retry-After") == "" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}

func TestAClientThatLeavesIsNotAFailure(t *testing.T) {
	s, log := newServer(t, handlers.Config{AccessLog: true, Dialects: []handlers.Dialect{routes(map[string]echo.HandlerFunc{
		"/api/x": func(c echo.Context) error { return c.Request().Context().Err() },
	})}})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/api/x", nil).WithContext(ctx))
	if logged := log.String(); strings.Contains(logged, "request failed") || !strings.Contains(logged, `"status":499`) {
		t.Errorf("log: %s", logged)
	}
}

// What a handler has answered itself is in the log as what it was.
func TestFailuresThatAreAnswered(t *testing.T) {
	s, log := newServer(t, handlers.Config{AccessLog: true, Dialects: []handlers.Dialect{routes(map[string]echo.HandlerFunc{
		"/api/ours": func(c echo.Context) error {
			defer handlers.Failed(c, http.StatusServiceUnavailable, errors.New("the store is away"))
			return c.NoContent(http.StatusOK)
		},
		"/api/theirs": func(c echo.Context) error {
			defer handlers.Failed(c, http.StatusNotFound, errors.New("no such entry"))
			return c.NoContent(http.StatusOK)
		},
	})}})
	for _, path := range []string{"/api/ours", "/api/theirs"} {
		if w := call(s, "GET", path); w.Code != http.StatusOK {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	logged := log.String()
	for text, want := range map[string]int{
		`"msg":"request failed","status":503,"error":"the store is away","route":"/api/ours"`: 1, `"msg":"request failed"`: 1,
		`"route":"/api/ours","status":503`: 1, `"route":"/api/theirs","status":404`: 1,
	} {
		if got := strings.Count(logged, text); got != want {
			t.Errorf("%d times %s in the log, want %d: %s", got, text, want, logged)
		}
	}
}

// Row D-09: work under way is bounded, the surplus is told to come back, health is always answered.
func TestInFlightBound(t *testing.T) {
	const limit = 4
	entered, leave := make(chan struct{}), make(chan struct{})
	s, _ := newServer(t, handlers.Config{MaxInFlight: limit, Dialects: []handlers.Dialect{routes(map[string]echo.HandlerFunc{
		"/api/wait": func(echo.Context) error { entered <- struct{}{}; <-leave; return nil },
		"/api/x":    say("x"),
	})}})
	done := make(chan int)
	for range limit {
		go func() { done <- call(s, "GET", "/api/wait").Code }()
	}
	for range limit {
		<-entered
	}
	for range 3 {
		if w := call(s, "GET", "/api/x"); w.Code != 503 || w.Header().Get("Retry-After") == "" || !strings.Contains(w.Body.String(), `"busy"`) {
			t.Errorf("beyond the limit: %d %s", w.Code, w.Body)
		}
	}
	for _, target := range []string{"/healthz", "/readyz"} {
		if w := call(s, "GET", target); w.Code != 200 {
			t.Errorf("%s: %d", target, w.Code)
		}
	}
	close(leave)
	for range limit {
		if code := <-done; code != 200 {
			t.Errorf("within the limit: %d", code)
		}
	}
	if w := call(s, "GET", "/api/x"); w.Code != 200 {
		t.Errorf("afterwards: %d", w.Code)
	}
}

type thing struct {
	Name string `json:"name"`
}

// reading is a dialect with a JSON route and a form route.
func reading() handlers.Dialect {
	return &dialect{name: "reading", prefixes: []string{"/"}, mount: func(e *echo.Echo) {
		e.PUT("/json", func(c echo.Context) error {
			got, err := request.DecodeJSON[thing](c.Request(), 256<<10)
			if err != nil {
				return err
			}
			return c.String(200, got.Name)
		})
		e.POST("/token", func(c echo.Context) error {
			form, err := request.DecodeForm(c.Request())
			if err != nil {
				return err
			}
			return c.String(200, form.Get("grant_type"))
		})
		e.POST("/raw", func(c echo.Context) error {
			_, err := io.Copy(io.Discard, c.Request().Body)
			return err
		})
	}}
}

// Rows I-04, D-02 and D-04, through the whole server.
func TestBodies(t *testing.T) {
	s, _ := newServer(t, handlers.Config{Dialects: []handlers.Dialect{reading()}, MaxBody: 1 << 20})
	server := httptest.NewServer(s)
	defer server.Close()
	const jsonType, formType = "application/json", "application/x-www-form-urlencoded"
	tests := []struct {
		name, method, path, contentType, encoding, body string
		status                                          int
	}{
		{"good", "PUT", "/json", jsonType, "", `{"name":"x"}`, 200},
		{"trailing", "PUT", "/json", jsonType, "", `{"name":"x"} trailing`, 400},
		{"another case", "PUT", "/json", jsonType, "", `{"Name":"x"}`, 400},
		{"XML", "PUT", "/json", "application/xml", "", `<Upd/>`, 415},
		{"text", "PUT", "/json", "text/plain", "", `{"name":"x"}`, 415},
		{"a form", "PUT", "/json", formType, "", `name=x`, 415},
		{"null", "PUT", "/json", jsonType, "", `null`, 400},
		{"BOM", "PUT", "/json", jsonType, "", "\ufeff{}", 400},
		{"empty", "PUT", "/json", jsonType, "", "", 400},
		{"gzip", "PUT", "/json", jsonType, "gzip", "\x1f\x8b", 415},
		{"depth 100000", "PUT", "/json", jsonType, "", strings.Repeat("[", 100_000), 400},
		{"many elements", "PUT", "/json", jsonType, "", "[" + strings.Repeat("{},", 50_000) + "{}]", 400},
		{"a long string", "PUT", "/json", jsonType, "", `{"name":"` + strings.Repeat("x", 256<<10) + `"}`, 413},
		{"good form", "POST", "/token", formType, "", "grant_type=x", 200},
		{"form over the limit", "POST", "/token", formType, "", "a=" + strings.Repeat("x", 64<<10), 413},
		{"10000 fields", "POST", "/token", formType, "", strings.Repeat("a=&", 10_000), 400},
		{"multipart", "POST", "/token", "multipart/form-data; boundary=x", "", "--x--", 415},
		{"at the overall bound", "POST", "/raw", "", "", strings.Repeat("x", 1<<20), 200},
		{"over the overall bound", "POST", "/raw", "", "", strings.Repeat("x", 1<<20+1), 413},
	}
	for _, test := range tests {
		for _, chunked := range []bool{false, true} {
			r, err := http.NewRequestWithContext(t.Context(), test.method, server.URL+test.path, strings.NewReader(test.body))
			if err != nil {
				t.Fatal(err)
			}
			if chunked {
				r.ContentLength = -1
			}
			if test.contentType != "" {
				r.Header.Set("Content-Type", test.contentType)
			}
			if test.encoding != "" {
				r.Header.Set("Content-Encoding", test.encoding)
			}
			answer, err := server.Client().Do(r)
			if err != nil {
				t.Errorf("%s, chunked %v: %v", test.name, chunked, err)
				continue
			}
			answer.Body.Close()
			if answer.StatusCode != test.status {
				t.Errorf("%s, chunked %v: %d, want %d", test.name, chunked, answer.StatusCode, test.status)
			}
		}
	}
}

// Row O-13, as far as reading goes.
func TestOAuthParameters(t *testing.T) {
	s, log := newServer(t, handlers.Config{AccessLog: true, Dialects: []handlers.Dialect{reading()}})
	const formType = "application/x-www-form-urlencoded"
	for _, test := range []struct {
		method, target, contentType, body string
		status                            int
	}{
		{"POST", "/token?client_secret=s3cret", formType, "grant_type=x", 400},
		{"POST", "/token?grant_type=x", formType, "client_id=a", 400},
		{"POST", "/token", formType, "client_id=a&client_id=b", 400},
		{"POST", "/token", "application/json", `{"grant_type":"x"}`, 415},
		{"POST", "/token", formType + "; charset=utf-16", "grant_type=x", 415},
		{"GET", "/token?grant_type=x&client_secret=s3cret", formType, "", 405},
	} {
		w := callBody(s, test.method, test.target, strings.NewReader(test.body), "Content-Type", test.contentType)
		if w.Code != test.status || strings.Contains(w.Body.String(), "s3cret") {
			t.Errorf("%s %s: %d %s", test.method, test.target, w.Code, w.Body)
		}
	}
	if strings.Contains(log.String(), "s3cret") {
		t.Errorf("the query is in the log: %s", log)
	}
}

func TestAccessLog(t *testing.T) {
	dialects := func() []handlers.Dialect {
		return []handlers.Dialect{routes(map[string]echo.HandlerFunc{"/api/user/:id": say("x")})}
	}
	s, log := newServer(t, handlers.Config{AccessLog: true, Dialects: dialects()})
	w := call(s, "GET", "/api/user/jane@example.com?token=s3cret", "Authorization", "Bearer s3cret", "Cookie", "s3cret")
	want := `"level":"INFO","msg":"request","method":"GET","route":"/api/user/:id","status":200,"duration":0,"request_id":"` +
		w.Header().Get("X-Request-Id") + `","address":"192.0.2.1","dialect":"native"}`
	if !strings.Contains(log.String(), want) {
		t.Errorf("log: %s\nwant %s", log, want)
	}
	call(s, "JANE", "/nowhere/jane")
	if logged := log.String(); strings.Contains(logged, "jane") || strings.Contains(logged, "JANE") || strings.Contains(logged, "s3cret") ||
		!strings.Contains(logged, `"method":"other","route":"none","status":404`) {
		t.Errorf("log: %s", logged)
	}
	quiet, log := newServer(t, handlers.Config{Dialects: dialects()})
	if call(quiet, "GET", "/api/user/jane"); log.String() != "" {
		t.Errorf("log: %s", log)
	}
}
