package handlers_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/claimsmith/claimsmith/handlers"
)

// http2Client speaks HTTP/2 without TLS, to who is known to understand it, over connections of its own.
func http2Client(t *testing.T) *http.Client {
	t.Helper()
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 20 * time.Second}
}

func posts(handlers map[string]echo.HandlerFunc) *dialect {
	return &dialect{name: "native", prefixes: []string{"/api"}, mount: func(e *echo.Echo) {
		for path, handler := range handlers {
			e.POST(path, handler)
		}
	}}
}

// What a handler writes after the body, and the headers of every answer, come through all that is around it.
func TestHTTP2Trailers(t *testing.T) {
	s, _ := newServer(t, handlers.Config{Dialects: []handlers.Dialect{posts(map[string]echo.HandlerFunc{
		"/api/call/:what": func(c echo.Context) error {
			w := c.Response()
			if _, err := io.Copy(w, c.Request().Body); err != nil {
				return err
			}
			w.Flush()
			w.Header().Set(http.TrailerPrefix+"Grpc-Status", "5")
			return nil
		},
	})}})
	server := run(t, s)
	answer, err := http2Client(t).Post("http://"+server.address+"/api/call/a%2Fb", "application/grpc", strings.NewReader("a message"))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.ProtoMajor != 2 || string(text) != "a message" || answer.Trailer.Get("Grpc-Status") != "5" {
		t.Errorf("%s %q %v: %v", answer.Proto, text, answer.Trailer, err)
	}
	if h := answer.Header; h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Cache-Control") != "no-store" || h.Get("X-Request-Id") == "" {
		t.Errorf("headers: %v", h)
	}
}

// Rows D-01 to D-03: a request is as bounded as over HTTP/1.
func TestHTTP2IsBounded(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	s, _ := newServer(t, handlers.Config{MaxInFlight: 1, MaxBody: 100, RequestTimeout: 50 * time.Millisecond, Dialects: []handlers.Dialect{
		posts(map[string]echo.HandlerFunc{
			"/api/read": func(c echo.Context) error {
				_, err := io.ReadAll(c.Request().Body)
				return err
			},
			"/api/wait": func(c echo.Context) error {
				<-c.Request().Context().Done()
				return c.Request().Context().Err()
			},
			"/api/hold": func(c echo.Context) error {
				close(entered)
				<-leave
				return c.NoContent(http.StatusNoContent)
			},
		}),
	}})
	server := run(t, s)
	client := http2Client(t)
	status := func(path string, body io.Reader) int {
		answer, err := client.Post("http://"+server.address+path, "text/plain", body)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		return answer.StatusCode
	}
	if got := status("/api/read", io.MultiReader(strings.NewReader(strings.Repeat("x", 101)))); got != http.StatusRequestEntityTooLarge {
		t.Errorf("a body over the limit: %d", got)
	}
	if got := status("/api/wait", http.NoBody); got != http.StatusServiceUnavailable {
		t.Errorf("a request over its time: %d", got)
	}
	if got := status("/api//read", http.NoBody); got != http.StatusBadRequest {
		t.Errorf("an ambiguous path: %d", got)
	}
	held := make(chan int)
	go func() { held <- status("/api/hold", http.NoBody) }()
	<-entered
	if got := status("/api/read", http.NoBody); got != http.StatusServiceUnavailable {
		t.Errorf("one request too many: %d", got)
	}
	close(leave)
	if got := <-held; got != http.StatusNoContent {
		t.Errorf("the one under way: %d", got)
	}
}

// A connection on which requests are under way is told to send no more, and they are answered.
func TestHTTP2Drains(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	s, _ := newServer(t, handlers.Config{RequestTimeout: time.Minute, Dialects: []handlers.Dialect{posts(map[string]echo.HandlerFunc{
		"/api/wait": func(c echo.Context) error {
			close(entered)
			<-leave
			return c.String(http.StatusOK, "done")
		},
	})}})
	server := run(t, s)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	connection, err := new(net.Dialer).DialContext(ctx, "tcp", server.address)
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	frames := http2.NewFramer(connection, connection)
	var headers bytes.Buffer
	fields := hpack.NewEncoder(&headers)
	for _, f := range [][2]string{{":method", "POST"}, {":scheme", "http"}, {":authority", "x"}, {":path", "/api/wait"}} {
		if err := fields.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}); err != nil {
			t.Fatal(err)
		}
	}
	_, err = io.WriteString(connection, http2.ClientPreface)
	err = errors.Join(err, frames.WriteSettings(),
		frames.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: headers.Bytes(), EndStream: true, EndHeaders: true}))
	if err != nil {
		t.Fatal(err)
	}
	<-entered
	server.stop()
	var seen []string
	for {
		frame, err := frames.ReadFrame()
		if err != nil {
			break
		}
		switch f := frame.(type) {
		case *http2.GoAwayFrame:
			if len(seen) == 0 {
				close(leave)
			}
			seen = append(seen, fmt.Sprint("goaway ", f.ErrCode))
		case *http2.DataFrame:
			seen = append(seen, string(f.Data()))
		}
	}
	if got := strings.Join(seen, ", "); !strings.HasPrefix(got, "goaway NO_ERROR") || !strings.Contains(got, "done") {
		t.Errorf("heard %s", got)
	}
	if err := <-server.ended; err != nil {
		t.Errorf("Run: %v", err)
	}
}
