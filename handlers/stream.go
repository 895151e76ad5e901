package handlers

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/handlers/problem"
)

// Stream is a request that is read, or answered, piece by piece for as long as both sides get on: what bounds other requests as a whole
// bounds each piece of it. It takes no more of its client's body than its handler asks for, and it ends when the client does not send
// the next piece, or does not take what it is sent, for Config.StreamTimeout.
//
// Reading is for one goroutine, and so are Write and Flush; it may be another.
type Stream struct {
	connection *http.ResponseController
	out        io.Writer
	maxBody    int64
	// step bounds a piece of work, idle the wait for the client, patience all of what is Patient.
	step, idle, patience time.Duration
	// until is when no piece is waited for any more, zero for streams that may go on for ever.
	until time.Time

	mu          sync.Mutex
	interrupted bool
}

// unbounded is a request as it was before it got its deadline and the bound of its body.
type unbounded struct {
	server  *Server
	context context.Context
	body    io.ReadCloser
}

type unboundedKey struct{}

// Streaming makes a handler one of streams. It is for routes, and inside of whatever authenticates.
func Streaming(handler func(echo.Context, *Stream) error) echo.HandlerFunc {
	return func(c echo.Context) error {
		whole, ok := c.Request().Context().Value(unboundedKey{}).(*unbounded)
		if !ok {
			return errors.New("a stream outside of the server")
		}
		r := c.Request().WithContext(whole.context)
		r.Body = whole.body
		c.SetRequest(r)
		config := &whole.server.config
		s := &Stream{
			connection: http.NewResponseController(c.Response().Writer), out: c.Response(), // whose own Flush has no error
			step: config.RequestTimeout, idle: config.StreamTimeout, patience: config.Patience, maxBody: config.MaxBody,
		}
		// Nothing but HTTP/1 has to be told, and no other has a reason to refuse.
		_ = s.connection.EnableFullDuplex()
		if r.ContentLength == 0 {
			s.Received()
		} else {
			s.Receiving()
		}
		err := handler(c, s)
		s.leave(c, whole.body)
		return err
	}
}

// leave passes over what the handler has not read of a body, all of which has to come within the time of one piece, or gives up the
// connection: where the server finds the end of a body itself, after a handler with full duplex, it cannot read another request.
func (s *Stream) leave(c echo.Context, body io.Reader) {
	const most = 256 << 10 // as net/http after any other request
	if length := c.Request().ContentLength; length == 0 {
		return
	} else if length > 0 && length <= most {
		s.Receiving()
		if _, err := io.Copy(io.Discard, body); err == nil {
			s.Received()
			return
		}
	}
	c.Response().Header().Set("Connection", "close")
}

// Step returns the context of one piece of work.
func (s *Stream) Step(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, s.step)
}

// Receiving gives the client time to send the next piece.
func (s *Stream) Receiving() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.interrupted {
		_ = s.connection.SetReadDeadline(s.idleUntil()) // refused only where there is no connection
	}
}

// Received says that nothing is to come any more: a deadline that passes now would end the request's context.
func (s *Stream) Received() { _ = s.connection.SetReadDeadline(time.Time{}) }

// Interrupt ends the receiving: whoever waits for the client gives up.
func (s *Stream) Interrupt() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.interrupted = true
	_ = s.connection.SetReadDeadline(time.Unix(1, 0))
}

// Write sends a piece, or keeps it until there is more.
func (s *Stream) Write(p []byte) (int, error) {
	s.sending()
	return s.out.Write(p)
}

// Flush sends what was kept. It is for streams that have written something.
func (s *Stream) Flush() error {
	s.sending()
	return s.connection.Flush()
}

func (s *Stream) sending() { _ = s.connection.SetWriteDeadline(s.idleUntil()) }

// idleUntil is in real time, which connections go by.
func (s *Stream) idleUntil() time.Time {
	end := time.Now().Add(s.idle) //nolint:forbidigo // see above
	if !s.until.IsZero() && s.until.Before(end) {
		return s.until
	}
	return end
}

// slowest is how many bytes a second a client has to send or take of a file.
const slowest = 32 << 10

// timeFor is how long a file of so many bytes may be on its way.
func (s *Stream) timeFor(size int64) time.Duration {
	return s.idle + time.Duration(size/slowest)*time.Second
}

// endIn bounds all of a stream.
func (s *Stream) endIn(d time.Duration) { s.until = time.Now().Add(d) } //nolint:forbidigo // as in idleUntil

// transfers are the streams of one kind that carry files, and take long. They are bounded in number, for each server: all of them, and
// those of one caller.
type transfers struct {
	most, ofOne int

	mu       sync.Mutex
	underWay map[transfer]int
}

// transfer is whose stream it is, with caller "" for everybody's.
type transfer struct {
	server *Server
	caller string
}

// of is Streaming for who has not too many transfers under way.
func (t *transfers) of(caller string, handler func(echo.Context, *Stream) error) echo.HandlerFunc {
	stream := Streaming(handler)
	return func(c echo.Context) error {
		var server *Server
		if whole, ok := c.Request().Context().Value(unboundedKey{}).(*unbounded); ok {
			server = whole.server
		}
		if err := t.begin(server, caller); err != nil {
			return err
		}
		defer t.end(server, caller)
		return stream(c)
	}
}

func (t *transfers) begin(server *Server, caller string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	all, own := transfer{server: server}, transfer{server, caller}
	switch {
	case t.underWay[own] >= t.ofOne:
		return tooMany(problem.Throttled)
	case t.underWay[all] >= t.most:
		return tooMany(problem.Busy)
	case t.underWay == nil:
		t.underWay = map[transfer]int{}
	}
	t.underWay[all]++
	t.underWay[own]++
	return nil
}

func (t *transfers) end(server *Server, caller string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, one := range []transfer{{server: server}, {server, caller}} {
		if t.underWay[one]--; t.underWay[one] == 0 {
			delete(t.underWay, one)
		}
	}
}

func tooMany(code problem.Code) error {
	p := problem.New(code, "too many files are under way; wait for them to end")
	p.RetryAfter = 5 * time.Second
	return p
}
