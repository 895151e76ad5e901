package handlers

import (
	"context"
	"io"
	"net/http"

	"github.com/labstack/echo/v4"
)

// uploads are read. Those of one are few, since each takes memory on its way to where it is kept.
var uploads = transfers{most: 64, ofOne: 4}

// Uploading makes a handler of one that reads a body of up to limit bytes, more than any other route does: reading on is a
// *http.MaxBytesError. The body has to keep coming, and to come whole in a time that follows its size. It is for what is inside of whatever
// authenticates, and caller is who was found: nobody may send much before it is known who he is, and nobody many bodies at once.
func Uploading(caller string, limit int64, h echo.HandlerFunc) echo.HandlerFunc {
	return uploads.of(caller, func(c echo.Context, s *Stream) error {
		whole := c.Request()
		defer c.SetRequest(whole) // whose context has not ended, so that a failure is known as one
		size := limit
		if whole.ContentLength >= 0 {
			size = min(size, whole.ContentLength)
		}
		most := s.timeFor(size)
		ctx, cancel := context.WithTimeout(whole.Context(), most)
		defer cancel()
		r := whole.WithContext(ctx)
		if r.ContentLength != 0 {
			r.Body = &arriving{http.MaxBytesReader(c.Response().Writer, r.Body, limit), ctx, s}
		}
		c.SetRequest(r)
		// Refused only where there is no connection.
		_ = s.connection.SetWriteDeadline(s.idleUntil().Add(most))
		s.endIn(most)
		return h(c)
	})
}

// arriving is a body of which the client has to send the next piece in time.
type arriving struct {
	io.ReadCloser
	ctx    context.Context // of the request whose body it is
	stream *Stream
}

func (a *arriving) Read(p []byte) (int, error) {
	if err := a.ctx.Err(); err != nil {
		return 0, err
	}
	a.stream.Receiving()
	n, err := a.ReadCloser.Read(p)
	if err != nil {
		a.stream.Received()
	}
	return n, err
}
