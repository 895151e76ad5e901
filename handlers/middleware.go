package handlers

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/handlers/problem"
	"github.com/claimsmith/claimsmith/internal/audit"
)

// begin gives the request its context: what audit events tell about it, and its deadline. Request ids are never taken from
// outside, so that no client can make its requests look like another's.
func (s *Server) begin(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		facts := audit.Request{ID: rand.Text(), Address: c.RealIP(), Dialect: s.dialectOf(r.URL.EscapedPath()).Name()}
		whole := &unbounded{server: s, context: audit.WithRequest(r.Context(), facts), body: r.Body}
		ctx, cancel := context.WithTimeout(context.WithValue(whole.context, unboundedKey{}, whole), s.config.RequestTimeout)
		defer cancel()
		r = r.WithContext(ctx) // a copy: the server looks at the body of the request it made
		if r.ContentLength != 0 {
			whole.body = &noticed{ReadCloser: r.Body}
			r.Body = whole.body
		}
		c.SetRequest(r)
		c.Response().Header()["X-Request-Id"] = []string{facts.ID}
		return next(c)
	}
}

// observe has the request answered, then counts it and writes the access log: the pattern of the route and never the path, the
// query or a value.
func (s *Server) observe(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		start := s.config.Now()
		defer func() {
			method, route, status := c.Request().Method, c.Path(), c.Response().Status
			if !isKnownMethod(method) {
				method = "other"
			}
			if route == "" {
				route = "none"
			}
			ctx := c.Request().Context()
			if status >= http.StatusInternalServerError && errors.Is(ctx.Err(), context.Canceled) {
				status = statusClientGone
			}
			elapsed := s.config.Now().Sub(start)
			s.metrics.record(method, route, status, elapsed)
			if !s.config.AccessLog || !s.config.Logger.Enabled(ctx, slog.LevelInfo) {
				return
			}
			facts := audit.RequestFrom(ctx)
			s.config.Logger.LogAttrs(ctx, slog.LevelInfo, "request",
				slog.String("method", method), slog.String("route", route), slog.Int("status", status), slog.Duration("duration", elapsed),
				slog.String("request_id", facts.ID), slog.String("address", facts.Address), slog.String("dialect", facts.Dialect))
		}()
		if err := next(c); err != nil {
			s.fail(err, c)
		} else if err, ok := c.Get(failedKey).(error); ok {
			s.log(c, c.Response().Status, err)
		}
		return nil
	}
}

// statusClientGone is what the log and the metrics say of a failure nobody waited for. It is never sent.
const statusClientGone = 499

func isKnownMethod(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions,
		http.MethodTrace, http.MethodConnect:
		return true
	}
	return false
}

// The headers of every answer. Handlers set Cache-Control where an answer may be kept, and pages their own policy.
// The lists are shared between requests: Header.Set replaces them, and Header.Add has no room in them.
var (
	noStore       = []string{"no-store"}
	noSniff       = []string{"nosniff"}
	noReferrer    = []string{"no-referrer"}
	nothingLoaded = []string{"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"}
	sameOrigin    = []string{"same-origin"}
	oneYear       = []string{"max-age=31536000; includeSubDomains"}
	closing       = []string{"close"}
)

func (s *Server) secureHeaders(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		h := c.Response().Header()
		h["Cache-Control"] = noStore
		h["X-Content-Type-Options"] = noSniff
		h["Referrer-Policy"] = noReferrer
		h["Content-Security-Policy"] = nothingLoaded
		h["Cross-Origin-Opener-Policy"] = sameOrigin
		if s.config.HTTPS {
			h["Strict-Transport-Security"] = oneYear
		}
		if s.draining.Load() {
			h["Connection"] = closing
		}
		return next(c)
	}
}

// recoverPanic turns a panic into an answer without text. The log gets the stack and, for an error of the runtime, its words;
// other panics may have been given anything to say, so only their type is logged.
func (s *Server) recoverPanic(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) (err error) {
		defer func() {
			if v := recover(); v != nil {
				err = s.panicked(c, v)
			}
		}()
		return next(c)
	}
}

// errPanic stands for a panic that has been logged.
var errPanic = errors.New("panic")

func (s *Server) panicked(c echo.Context, v any) error {
	if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(v)
	}
	what := fmt.Sprintf("%T", v)
	if failure, ok := v.(runtime.Error); ok {
		what = failure.Error()
	}
	ctx := c.Request().Context()
	s.config.Logger.LogAttrs(ctx, slog.LevelError, "panic",
		slog.String("panic", what), slog.String("route", c.Path()), slog.String("request_id", audit.RequestFrom(ctx).ID),
		slog.String("stack", string(debug.Stack())))
	return errPanic
}

var errBusy error = problem.New(problem.Busy, "too many requests are under way; try again")

// admit sheds load beyond MaxInFlight, before it costs anything. Health is always answered.
func (s *Server) admit(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if path := c.Request().URL.Path; path == livePath || path == readyPath {
			return next(c)
		}
		defer s.inFlight.Add(-1)
		if s.inFlight.Add(1) > int64(s.config.MaxInFlight) {
			return errBusy
		}
		return next(c)
	}
}

// boundBody is the last bound on a body, for routes that read without one.
func (s *Server) boundBody(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		if r.ContentLength != 0 {
			r.Body = http.MaxBytesReader(c.Response().Writer, r.Body, s.config.MaxBody)
		}
		return next(c)
	}
}

// wholeSegments keeps a parameter at the end of a route to its one segment. Echo would let it take the rest of the path, and
// so find a route where there is none.
func wholeSegments(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		route, path := c.Path(), c.Request().URL.RawPath
		if route != "" && !strings.HasSuffix(route, "*") && strings.Count(route, "/") != strings.Count(path, "/") {
			return echo.ErrNotFound
		}
		return next(c)
	}
}
