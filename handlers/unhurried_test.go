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

// What was accepted takes its time: neither the deadline of requests, nor that of reading or of writing ends it, but its own does.
func TestUnhurriedWorkGoesOn(t *testing.T) {
	const brief = 10 * time.Millisecond
	config := handlers.Config{RequestTimeout: brief, StreamTimeout: brief}
	work := func(limit time.Duration) handlers.Dialect {
		return &dialect{name: "native", prefixes: []string{"/api"}, mount: func(e *echo.Echo) {
			e.POST("/api/work", func(c echo.Context) error {
				if _, err := io.Copy(io.Discard, c.Request().Body); err != nil {
					return err
				}
				return handlers.Unhurried(limit, func(c echo.Context) error {
					select {
					case <-c.Request().Context().Done():
						return c.String(http.StatusOK, context.Cause(c.Request().Context()).Error())
					case <-time.After(5 * brief):
						return c.String(http.StatusOK, "done")
					}
				})(c)
			})
		}}
	}
	for limit, want := range map[time.Duration]string{time.Minute: "done", 2 * brief: context.DeadlineExceeded.Error()} {
		config.Dialects = []handlers.Dialect{work(limit)}
		s, _ := newServer(t, config)
		server := httptest.NewServer(s)
		t.Cleanup(server.Close)
		if _, got := fetch(t, http.MethodPost, server.URL+"/api/work", strings.NewReader("a form")); got != want {
			t.Errorf("within %s: %q", limit, got)
		}
	}
}
