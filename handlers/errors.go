package handlers

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/handlers/problem"
	"github.com/claimsmith/claimsmith/internal/audit"
)

// fail answers a request that ended in an error: in the envelope of the dialect its path belongs to, or, where that fails too,
// as a plain problem. The log gets the text of what is the server's fault; the client gets what problem.Of lets it have.
func (s *Server) fail(err error, c echo.Context) {
	p := problem.Of(err)
	p.TraceID = audit.RequestFrom(c.Request().Context()).ID
	s.log(c, p.Status, err)
	if c.Response().Committed {
		// Half an answer is out. Breaking the connection is all that can still tell the client.
		panic(http.ErrAbortHandler)
	}
	h := c.Response().Header()
	for _, name := range []string{"Etag", "Last-Modified", "Content-Length", "Content-Disposition", "Expires"} {
		delete(h, name)
	}
	p.SetHeader(h)
	if s.render(c, p) != nil && !c.Response().Committed {
		_ = p.Write(c.Response()) // the client is told, or gone
	}
}

// log writes of a request that ended in an error of this status what is the server's fault.
func (s *Server) log(c echo.Context, status int, err error) {
	ctx := c.Request().Context()
	if status < http.StatusInternalServerError || problem.Of(err).Code == problem.Busy || errors.Is(err, errPanic) ||
		errors.Is(ctx.Err(), context.Canceled) {
		return
	}
	facts := audit.RequestFrom(ctx)
	s.config.Logger.LogAttrs(ctx, slog.LevelError, "request failed",
		slog.Int("status", status), slog.String("error", err.Error()), slog.String("route", c.Path()),
		slog.String("request_id", facts.ID), slog.String("dialect", facts.Dialect))
}

// failedKey is what the error of Failed is kept under in the context of a request.
const failedKey = "handlers.failed"

// Failed tells the server of an error that a handler has answered itself, where the status on the wire does not say so: the log and the
// metrics get this one.
func Failed(c echo.Context, status int, err error) {
	c.Response().Status = status
	c.Set(failedKey, err)
}

// render has the dialect answer.
func (s *Server) render(c echo.Context, p problem.Problem) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = s.panicked(c, v)
		}
	}()
	return s.dialectOf(c.Request().URL.EscapedPath()).RenderError(c, p)
}
