package handlers

import (
	"context"
	"time"

	"github.com/labstack/echo/v4"
)

// Unhurried is Patient for a request whose body has been read: nobody is given more time before it is known who he is and what he sent.
func Unhurried(limit time.Duration, h echo.HandlerFunc) echo.HandlerFunc {
	return Streaming(func(c echo.Context, s *Stream) error {
		s.Received()
		ctx, cancel := context.WithTimeout(c.Request().Context(), limit)
		defer cancel()
		c.SetRequest(c.Request().WithContext(ctx))
		// Refused only where there is no connection.
		_ = s.connection.SetWriteDeadline(s.idleUntil().Add(limit))
		return h(c)
	})
}
