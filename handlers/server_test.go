package handlers_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/claimsmith/claimsmith/handlers"
)

// Rows D-01 and D-03.
func TestConnectionsAreBounded(t *testing.T) {
	s, _ := newServer(t, handlers.Config{})
	h := s.HTTP()
	if h.ReadHeaderTimeout <= 0 || h.ReadHeaderTimeout > 5*time.Second || h.ReadTimeout <= 0 || h.WriteTimeout <= 0 || h.IdleTimeout <= 0 {
		t.Errorf("timeouts: %+v", h)
	}
	if h.MaxHeaderBytes < 16<<10 || h.MaxHeaderBytes > 32<<10 {
		t.Errorf("header limit: %d", h.MaxHeaderBytes)
	}
	if !h.Protocols.UnencryptedHTTP2() || !h.Protocols.HTTP1() {
		t.Errorf("protocols: %v", h.Protocols)
	}
	if two := h.HTTP2; two.MaxConcurrentStreams > 250 || two.MaxReceiveBufferPerStream > 1<<20 || two.MaxReceiveBufferPerConnection > 4<<20 ||
		two.SendPingTimeout <= 0 || two.WriteByteTimeout <= 0 {
		t.Errorf("HTTP/2: %+v", two)
	}
}

// observedListener tells when it was closed.
type observedListener struct {
	net.Listener
	closed func()
}

func (l observedListener) Close() error {
	l.closed()
	return l.Listener.Close()
}

// running is a server on a free port, until the test ends or stop is called.
type running struct {
	address string
	stop    context.CancelFunc
	closed  chan struct{} // when no more connections are accepted
	ended   chan error    // what Run returned
}

func run(t *testing.T, s *handlers.Server) running {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	r := running{listener.Addr().String(), cancel, make(chan struct{}), make(chan error, 1)}
	listener = observedListener{listener, sync.OnceFunc(func() { close(r.closed) })}
	go func() { r.ended <- s.Run(ctx, listener) }()
	return r
}

// exchange writes text to a connection and reads the status of one answer.
func exchange(t *testing.T, address, text string) int {
	t.Helper()
	connection, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	go io.WriteString(connection, text) //nolint:errcheck // the server may hang up first
	answer, err := http.ReadResponse(bufio.NewReader(connection), nil)
	if err != nil {
		t.Fatalf("%.40q: %v", text, err)
	}
	answer.Body.Close()
	return answer.StatusCode
}

func TestOnTheWire(t *testing.T) {
	s, _ := newServer(t, handlers.Config{})
	server := run(t, s)
	for text, want := range map[string]int{
		"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n":                                        200,
		"GET http://evil.example/healthz HTTP/1.1\r\nHost: x\r\n\r\n":                     200,
		"CONNECT evil.example:443 HTTP/1.1\r\nHost: x\r\n\r\n":                            405,
		"TRACE /healthz HTTP/1.1\r\nHost: x\r\n\r\n":                                      405,
		"GET /healthz/%zz HTTP/1.1\r\nHost: x\r\n\r\n":                                    400,
		"GET //healthz HTTP/1.1\r\nHost: x\r\n\r\n":                                       400,
		"GET /x/../healthz HTTP/1.1\r\nHost: x\r\n\r\n":                                   400,
		"GET \\healthz HTTP/1.1\r\nHost: x\r\n\r\n":                                       400,
		"GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 512<<10) + "\r\n": 431,
	} {
		if status := exchange(t, server.address, text); status != want {
			t.Errorf("%.60q: %d, want %d", text, status, want)
		}
	}
	server.stop()
	if err := <-server.ended; err != nil {
		t.Errorf("Run: %v", err)
	}
}

func TestRunDrains(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	s, _ := newServer(t, handlers.Config{DrainDelay: time.Second, RequestTimeout: time.Minute, Dialects: []handlers.Dialect{
		routes(map[string]echo.HandlerFunc{"/api/wait": func(c echo.Context) error {
			close(entered)
			<-leave
			return c.String(200, "done")
		}}),
	}})
	server := run(t, s)
	waiting := make(chan string)
	go func() {
		answer, err := http.Get("http://" + server.address + "/api/wait")
		if err != nil {
			waiting <- err.Error()
			return
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		waiting <- fmt.Sprint(string(text), err)
	}()
	<-entered
	if w := call(s, "GET", "/readyz"); w.Code != 200 {
		t.Fatalf("before: %d %s", w.Code, w.Body)
	}
	server.stop()
	for call(s, "GET", "/readyz").Code == 200 { // until Run has heard of it
	}
	answer, body := fetch(t, "GET", "http://"+server.address+"/readyz", nil)
	if answer.StatusCode != 503 || body != `{"status":"not ready","failed":["draining"]}` || !answer.Close {
		t.Errorf("draining: %v %s", answer, body)
	}
	if answer, _ := fetch(t, "GET", "http://"+server.address+"/healthz", nil); answer.StatusCode != 200 {
		t.Errorf("draining, but still alive: %d", answer.StatusCode)
	}
	<-server.closed
	select {
	case err := <-server.ended:
		t.Fatalf("Run returned with a request under way: %v", err)
	default:
	}
	close(leave)
	if got := <-waiting; got != "done<nil>" {
		t.Errorf("the request under way: %s", got)
	}
	if err := <-server.ended; err != nil {
		t.Errorf("Run: %v", err)
	}
}

func TestRunGivesUp(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	defer close(leave)
	s, _ := newServer(t, handlers.Config{ShutdownTimeout: time.Millisecond, Dialects: []handlers.Dialect{
		routes(map[string]echo.HandlerFunc{"/api/wait": func(echo.Context) error { close(entered); <-leave; return nil }}),
	}})
	server := run(t, s)
	go func() {
		if answer, err := http.Get("http://" + server.address + "/api/wait"); err == nil {
			answer.Body.Close()
		}
	}()
	<-entered
	server.stop()
	if err := <-server.ended; !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Run: %v", err)
	}
}

func TestRunReportsABrokenListener(t *testing.T) {
	s, _ := newServer(t, handlers.Config{})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	if err := s.Run(t.Context(), listener); err == nil || errors.Is(err, http.ErrServerClosed) {
		t.Errorf("Run: %v", err)
	}
}

// Row P-04: liveness asks nobody; readiness says which check failed, and no more.
func TestHealth(t *testing.T) {
	var down error
	s, log := newServer(t, handlers.Config{Ready: []handlers.Check{
		{Name: "redis", Run: func(ctx context.Context) error {
			if _, ok := ctx.Deadline(); !ok {
				t.Error("a check without a deadline")
			}
			return down
		}},
		{Name: "keys", Run: func(context.Context) error { return nil }},
	}})
	if w := call(s, "GET", "/readyz"); w.Code != 200 || strings.TrimSpace(w.Body.String()) != `{"status":"ready"}` {
		t.Errorf("ready: %d %s", w.Code, w.Body)
	}
	down = errors.New("dial tcp 10.9.8.7:6379: refused")
	if w := call(s, "GET", "/readyz"); w.Code != 503 || strings.TrimSpace(w.Body.String()) != `{"status":"not ready","failed":["redis"]}` {
		t.Errorf("not ready: %d %s", w.Code, w.Body)
	}
	if !strings.Contains(log.String(), "10.9.8.7") {
		t.Errorf("log: %s", log)
	}
	if w := call(s, "GET", "/healthz"); w.Code != 200 || strings.TrimSpace(w.Body.String()) != `{"status":"alive"}` {
		t.Errorf("alive: %d %s", w.Code, w.Body)
	}
	for _, target := range []string{"/metrics", "/debug/pprof/", "/debug/vars"} {
		if w := call(s, "GET", target, "User-Agent", "kube-probe/1.30"); w.Code != 404 {
			t.Errorf("%s: %d", target, w.Code)
		}
	}
}

func TestMetrics(t *testing.T) {
	registry := prometheus.NewRegistry()
	s, _ := newServer(t, handlers.Config{Registry: registry, Dialects: []handlers.Dialect{
		routes(map[string]echo.HandlerFunc{"/api/user/:id": say("x"), "/api/panic": func(echo.Context) error { panic("") }}),
	}})
	call(s, "GET", "/api/user/jane")
	call(s, "GET", "/api/user/joe")
	call(s, "PUT", "/api/user/jane")
	call(s, "GET", "/api/panic")
	call(s, "JANE", "/nowhere/jane")
	text := call(s.Metrics(), "GET", "/metrics").Body.String()
	for _, want := range []string{
		`claimsmith_http_requests_total{method="GET",route="/api/user/:id",status="200"} 2`,
		`claimsmith_http_requests_total{method="PUT",route="/api/user/:id",status="405"} 1`,
		`claimsmith_http_requests_total{method="GET",route="/api/panic",status="500"} 1`,
		`claimsmith_http_requests_total{method="other",route="none",status="404"} 1`,
		`claimsmith_http_request_duration_seconds_count{method="GET",route="/api/user/:id"} 2`,
		"claimsmith_http_requests_in_flight 0", "go_goroutines", "process_cpu_seconds_total",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s", want)
		}
	}
	if strings.Contains(strings.ToLower(text), "jane") {
		t.Error("a path is in the metrics")
	}
	if _, err := handlers.New(handlers.Config{Logger: slog.New(slog.NewTextHandler(io.Discard, nil)), Now: time.Now, Registry: registry}); err == nil {
		t.Error("two servers share their metrics")
	}
}

// discard is a ResponseWriter that costs nothing.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}

// BenchmarkMiddleware is the price of the chain: compare it with Echo alone.
func BenchmarkMiddleware(b *testing.B) {
	answer := []byte(`{}`)
	handler := func(c echo.Context) error { return c.JSONBlob(200, answer) }
	bare := echo.New()
	bare.POST("/api/token", handler)
	quiet, logging := benchServer(b, false, handler), benchServer(b, true, handler)
	for _, server := range []struct {
		name string
		http.Handler
	}{{"echo", bare}, {"server", quiet}, {"server with access log", logging}} {
		b.Run(server.name, func(b *testing.B) {
			r := httptest.NewRequest("POST", "/api/token", nil)
			r.Body, r.ContentLength = http.NoBody, 0
			b.ReportAllocs()
			for b.Loop() {
				server.ServeHTTP(discard{make(http.Header)}, r)
			}
		})
	}
}

func benchServer(b *testing.B, accessLog bool, handler echo.HandlerFunc) *handlers.Server {
	s, err := handlers.New(handlers.Config{
		Logger: slog.New(slog.NewJSONHandler(io.Discard, nil)), Now: time.Now, HTTPS: true, AccessLog: accessLog,
		Dialects: []handlers.Dialect{&dialect{name: "native", prefixes: []string{"/api"}, mount: func(e *echo.Echo) { e.POST("/api/token", handler) }}},
	})
	if err != nil {
		b.Fatal(err)
	}
	return s
}
