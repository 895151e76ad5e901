package handlers

import (
	"context"
	"errors"
	"io"
	"net/http"

	"github.com/labstack/echo/v4"
)

// Patient makes a handler of one that may take longer than other requests, as what looks at everybody does, but not longer than
// Config.Patience. It is for what is inside of whatever authenticates: nobody is given more time before it is known who he is. The body is
// still to be read, or has been read to its end.
func Patient(h echo.HandlerFunc) echo.HandlerFunc {
	return Streaming(func(c echo.Context, s *Stream) error {
		ctx, cancel := context.WithTimeout(c.Request().Context(), s.patience)
		defer cancel()
		whole := c.Request()
		defer c.SetRequest(whole) // whose context has not ended, so that a failure is known as one
		r := whole.WithContext(ctx)
		if body, ok := r.Body.(*noticed); ok && body.ended {
			s.Received()
		} else if r.ContentLength != 0 {
			r.Body = &readOnce{http.MaxBytesReader(c.Response().Writer, r.Body, s.maxBody), s}
		}
		c.SetRequest(r)
		// Refused only where there is no connection.
		_ = s.connection.SetWriteDeadline(s.idleUntil().Add(s.patience))
		return h(c)
	})
}

// noticed is a body that knows whether it has been read to its end.
type noticed struct {
	io.ReadCloser
	ended bool
}

func (n *noticed) Read(p []byte) (int, error) {
	read, err := n.ReadCloser.Read(p)
	n.ended = n.ended || errors.Is(err, io.EOF)
	return read, err
}

// readOnce is a body whose end is the end of receiving.
type readOnce struct {
	io.ReadCloser
	stream *Stream
}

func (r *readOnce) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	if err != nil {
		r.stream.Received()
	}
	return n, err
}
