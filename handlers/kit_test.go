package handlers_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/handlers"
	"github.com/claimsmith/claimsmith/handlers/problem"
)

// dialect is one whose routes are given by the test. Its errors are "<name> <status> <code>", unless render says otherwise.
type dialect struct {
	name     string
	prefixes []string
	mount    func(*echo.Echo)
	render   func(echo.Context, problem.Problem) error
}

func (d *dialect) Name() string       { return d.name }
func (d *dialect) Prefixes() []string { return d.prefixes }

func (d *dialect) Mount(e *echo.Echo) {
	if d.mount != nil {
		d.mount(e)
	}
}

func (d *dialect) RenderError(c echo.Context, p problem.Problem) error {
	if d.render != nil {
		return d.render(c, p)
	}
	return c.String(p.Status, d.name+" "+http.StatusText(p.Status)+" "+string(p.Code))
}

func say(text string) echo.HandlerFunc {
	return func(c echo.Context) error { return c.String(http.StatusOK, text) }
}

func failWith(err error) echo.HandlerFunc {
	return func(echo.Context) error { return err }
}

// routes is a dialect below /api with these GET routes.
func routes(handlers map[string]echo.HandlerFunc) *dialect {
	return &dialect{name: "native", prefixes: []string{"/api"}, mount: func(e *echo.Echo) {
		for path, handler := range handlers {
			e.GET(path, handler)
		}
	}, render: func(c echo.Context, p problem.Problem) error { return p.Write(c.Response()) }}
}

// logBuffer is what a test's server logged.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// newServer builds a Server that logs everything into the buffer.
func newServer(t testing.TB, config handlers.Config) (*handlers.Server, *logBuffer) {
	t.Helper()
	log := new(logBuffer)
	config.Logger = slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	config.Now = func() time.Time { return time.Unix(1_800_000_000, 0) }
	s, err := handlers.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return s, log
}

// call sends one request straight to the handler.
func call(s http.Handler, method, target string, header ...string) *httptest.ResponseRecorder {
	return callBody(s, method, target, nil, header...)
}

func callBody(s http.Handler, method, target string, body io.Reader, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, body)
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

// fetch sends one request over a connection.
func fetch(t *testing.T, method, url string, body io.Reader) (*http.Response, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, strings.TrimSpace(string(text))
}
