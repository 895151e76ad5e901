package handlers_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/handlers"
)

// What was accepted takes its time, whether its body has been read by then or is read after: neither the deadline of requests, nor that of
// reading or of writing ends it, but its own does.
func TestPatientWorkGoesOn(t *testing.T) {
	const brief = 50 * time.Millisecond
	read := func(c echo.Context) error {
		_, err := io.Copy(io.Discard, c.Request().Body)
		return err
	}
	work := func(c echo.Context) error {
		select {
		case <-c.Request().Context().Done():
			return c.String(http.StatusOK, context.Cause(c.Request().Context()).Error())
		case <-time.After(5 * brief):
			return c.String(http.StatusOK, "done")
		}
	}
	readAnd := func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			if err := read(c); err != nil {
				return err
			}
			return next(c)
		}
	}
	for limit, want := range map[time.Duration]string{time.Minute: "done", 2 * brief: context.DeadlineExceeded.Error()} {
		s, _ := newServer(t, handlers.Config{RequestTimeout: brief, StreamTimeout: brief, Patience: limit, Dialects: []handlers.Dialect{
			&dialect{name: "native", prefixes: []string{"/api"}, mount: func(e *echo.Echo) {
				e.POST("/api/before", readAnd(handlers.Patient(work)))
				e.POST("/api/inside", handlers.Patient(readAnd(work)))
				e.POST("/api/none", handlers.Patient(work))
			}},
		}})
		server := httptest.NewServer(s)
		t.Cleanup(server.Close)
		for path, body := range map[string]io.Reader{"/api/before": strings.NewReader("a form"), "/api/inside": strings.NewReader("a form"), "/api/none": nil} {
			if _, got := fetch(t, http.MethodPost, server.URL+path, body); got != want {
				t.Errorf("%s within %s: %q", path, limit, got)
			}
		}
	}
}
