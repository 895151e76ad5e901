package handlers_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/handlers"
)

// streaming is a server whose POST /api/stream is this handler.
func streaming(t *testing.T, config handlers.Config, handler func(echo.Context, *handlers.Stream) error) *httptest.Server {
	t.Helper()
	config.Dialects = append(config.Dialects, &dialect{name: "native", prefixes: []string{"/api"}, mount: func(e *echo.Echo) {
		e.POST("/api/stream", handlers.Streaming(handler))
		e.POST("/api/plain", func(c echo.Context) error {
			_, err := io.Copy(io.Discard, c.Request().Body)
			return err
		})
	}})
	s, _ := newServer(t, config)
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return server
}

// echoLines answers every line with itself.
func echoLines(c echo.Context, s *handlers.Stream) error {
	lines := bufio.NewReader(c.Request().Body)
	for {
		s.Receiving()
		line, err := lines.ReadString('\n')
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if _, err := io.WriteString(s, line); err != nil {
			return err
		}
		if err := s.Flush(); err != nil {
			return err
		}
	}
}

// A client hears of each line before it sends the next.
func TestStreamsAreReadAndAnsweredAtOnce(t *testing.T) {
	server := streaming(t, handlers.Config{RequestTimeout: time.Nanosecond}, echoLines)
	body, send := io.Pipe()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/api/stream", body)
	if err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.WriteString(send, "0\n") }()
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	lines := bufio.NewReader(answer.Body)
	for n := range 100 {
		if got, err := lines.ReadString('\n'); got != fmt.Sprintln(n) {
			t.Fatalf("line %d is %q (%v)", n, got, err)
		}
		if _, err := fmt.Fprintln(send, n+1); err != nil {
			t.Fatal(err)
		}
	}
	_ = send.Close()
	if rest, err := io.ReadAll(lines); string(rest) != "100\n" || err != nil {
		t.Errorf("the end is %q (%v)", rest, err)
	}
}

func TestStreamsAreBoundInTheirPiecesOnly(t *testing.T) {
	server := streaming(t, handlers.Config{MaxBody: 10, RequestTimeout: time.Hour}, func(c echo.Context, s *handlers.Stream) error {
		ctx := c.Request().Context()
		if _, bound := ctx.Deadline(); bound {
			t.Error("the stream has a deadline")
		}
		step, cancel := s.Step(ctx)
		defer cancel()
		if end, bound := step.Deadline(); !bound || time.Until(end) > time.Hour {
			t.Error("its steps have none")
		}
		n, err := io.Copy(io.Discard, c.Request().Body)
		if err != nil {
			return err
		}
		return c.String(http.StatusOK, fmt.Sprint(n))
	})
	body := strings.Repeat("x", 1<<20)
	if _, got := fetch(t, http.MethodPost, server.URL+"/api/stream", strings.NewReader(body)); got != "1048576" {
		t.Errorf("read %s bytes", got)
	}
	if answer, _ := fetch(t, http.MethodPost, server.URL+"/api/plain", strings.NewReader(body)); answer.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("another route answers %d", answer.StatusCode)
	}
}

// A client that sends nothing, or takes nothing, is cut off; nobody else on the way is.
func TestIdleStreamsEnd(t *testing.T) {
	ended := make(chan error, 1)
	server := streaming(t, handlers.Config{StreamTimeout: 20 * time.Millisecond}, func(c echo.Context, s *handlers.Stream) error {
		var err error
		if c.QueryParam("what") == "sends" {
			_, err = io.Copy(io.Discard, c.Request().Body)
		} else {
			for piece := make([]byte, 1<<20); err == nil; {
				_, err = s.Write(piece)
			}
		}
		ended <- err
		return err
	})
	for _, what := range []string{"sends", "reads"} {
		connection, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer connection.Close()
		_, err = fmt.Fprintf(connection, "POST /api/stream?what=%s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", what)
		if err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-ended:
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("who %s nothing ends with %v", what, err)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("who %s nothing is waited for", what)
		}
	}
}

// Who has sent everything may take his time to read, and work that takes longer than he was waited for goes on.
func TestStreamsThatHaveReceivedEverythingGoOn(t *testing.T) {
	const idle = 10 * time.Millisecond
	server := streaming(t, handlers.Config{StreamTimeout: idle}, func(c echo.Context, s *handlers.Stream) error {
		if _, err := io.Copy(io.Discard, c.Request().Body); err != nil {
			return err
		}
		s.Received()
		select {
		case <-c.Request().Context().Done():
			return context.Cause(c.Request().Context())
		case <-time.After(3 * idle):
			return c.String(http.StatusOK, "done")
		}
	})
	for _, body := range []string{"", "hello"} {
		if _, got := fetch(t, http.MethodPost, server.URL+"/api/stream", strings.NewReader(body)); got != "done" {
			t.Errorf("%q is answered %q", body, got)
		}
	}
}

func TestInterruptedStreamsReceiveNoMore(t *testing.T) {
	ended := make(chan error, 1)
	server := streaming(t, handlers.Config{}, func(c echo.Context, s *handlers.Stream) error {
		go s.Interrupt()
		_, err := io.Copy(io.Discard, c.Request().Body)
		s.Receiving()
		_, again := c.Request().Body.Read(make([]byte, 1))
		ended <- errors.Join(err, again)
		return err
	})
	ctx, cancel := context.WithCancel(t.Context())
	body, send := io.Pipe()
	defer send.Close()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL+"/api/stream", body)
	if err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = http.DefaultTransport.RoundTrip(r) }()
	defer cancel()
	if err := <-ended; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("ends with %v", err)
	}
}

// The connection of a stream can be used again.
func TestAConnectionServesOnAfterAStream(t *testing.T) {
	server := streaming(t, handlers.Config{}, echoLines)
	reused := false
	trace := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) { reused = i.Reused }})
	transport := new(http.Transport)
	for range 3 {
		r, err := http.NewRequestWithContext(trace, http.MethodPost, server.URL+"/api/stream", strings.NewReader("hello\n"))
		if err != nil {
			t.Fatal(err)
		}
		answer, err := transport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(answer.Body)
		_ = answer.Body.Close()
		if string(text) != "hello\n" || err != nil {
			t.Fatalf("%q (%v)", text, err)
		}
	}
	if !reused {
		t.Error("every stream has a connection of its own")
	}
}

// The connection of a stream that was refused before it was read can be used again, or is closed in order.
func TestAConnectionServesOnAfterAStreamThatWasNotRead(t *testing.T) {
	server := streaming(t, handlers.Config{}, func(echo.Context, *handlers.Stream) error { return echo.ErrNotFound })
	for _, size := range []int{6, 300 << 10, 600 << 10} {
		transport := new(http.Transport)
		for range 20 {
			body := strings.NewReader(strings.Repeat("x", size))
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/api/stream", body)
			if err != nil {
				t.Fatal(err)
			}
			r.GetBody = nil // nothing is sent twice
			answer, err := transport.RoundTrip(r)
			if err != nil {
				t.Fatalf("%d bytes: %v", size, err)
			}
			_ = answer.Body.Close()
		}
	}
}
