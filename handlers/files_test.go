package handlers_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/handlers"
)

// content is a file that is in memory.
type content struct {
	io.ReadSeeker
	closed *bool
}

func (c content) Close() error {
	*c.closed = true
	return nil
}

func filing(t *testing.T, config handlers.Config, mount func(*echo.Echo)) string {
	t.Helper()
	config.Dialects = append(config.Dialects, &dialect{name: "native", prefixes: []string{"/api"}, mount: mount})
	s, _ := newServer(t, config)
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return server.URL
}

// Row D-04: a file is sent to be kept, by its own name as far as a name is harmless, and as no page.
func TestAttachments(t *testing.T) {
	for name, want := range map[string]string{
		"cv.pdf":                    "cv.pdf",
		"Lebenslauf für \U0001f600": "Lebenslauf für \U0001f600",
		`a"b;c=d\e/f:g`:             "a_b;c=d_e_f_g",
		"a\r\nSet-Cookie: x=y":      "a__Set-Cookie_ x=y",
		"\u202efdp.exe":             "_fdp.exe",
		"100%\x00'":                 "100%_'",
	} {
		closed := false
		address := filing(t, handlers.Config{RequestTimeout: time.Hour}, func(e *echo.Echo) {
			e.GET("/api/file", handlers.Attachment("user:1", func(echo.Context) (handlers.Kept, error) {
				return handlers.Kept{
					Name: name, MediaType: "application/pdf", Size: 10, ChangedAt: time.Unix(1_800_000_000, 0), Content: content{bytes.NewReader([]byte("0123456789")), &closed},
				}, nil
			}))
		})
		answer, body := fetch(t, http.MethodGet, address+"/api/file", http.NoBody)
		kind, parameters, err := mime.ParseMediaType(answer.Header.Get("Content-Disposition"))
		if err != nil || kind != "attachment" || parameters["filename"] != want {
			t.Errorf("%q is sent as %s: %v, %v", name, answer.Header.Get("Content-Disposition"), parameters, err)
		}
		if strings.ContainsFunc(answer.Header.Get("Content-Disposition"), func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("%q is not sent in ASCII", name)
		}
		if body != "0123456789" || !closed || answer.Header.Get("Content-Type") != "application/pdf" || answer.Header.Get("X-Content-Type-Options") != "nosniff" ||
			!strings.HasPrefix(answer.Header.Get("Content-Security-Policy"), "sandbox; default-src 'none'") || answer.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%q: %v", body, answer.Header)
		}
	}
}

// An upload may have more bytes than any other body, and no more than its own limit.
func TestUploadsHaveALimitOfTheirOwn(t *testing.T) {
	address := filing(t, handlers.Config{MaxBody: 10}, func(e *echo.Echo) {
		e.POST("/api/file", handlers.Uploading("user:1", 1<<20, func(c echo.Context) error {
			least := 20 * time.Second
			if c.Request().ContentLength != 0 {
				least = time.Minute
			}
			if end, bound := c.Request().Context().Deadline(); !bound || time.Until(end) < least || time.Until(end) > 2*time.Minute {
				t.Errorf("it has until %v", end)
			}
			n, err := io.Copy(io.Discard, c.Request().Body)
			if err != nil {
				return err
			}
			return c.String(http.StatusOK, strconv.FormatInt(n, 10))
		}))
	})
	if _, got := fetch(t, http.MethodPost, address+"/api/file", strings.NewReader(strings.Repeat("x", 1<<20))); got != "1048576" {
		t.Errorf("read %s", got)
	}
	if answer, _ := fetch(t, http.MethodPost, address+"/api/file", strings.NewReader(strings.Repeat("x", 1<<20+1))); answer.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("a byte too many: %s", answer.Status)
	}
	if _, got := fetch(t, http.MethodPost, address+"/api/file", http.NoBody); got != "0" {
		t.Errorf("read %s", got)
	}
}

// drip sends a request and then byte after byte, of which each comes in time, until the server has enough. It returns the answer.
func drip(t *testing.T, address, head string) string {
	t.Helper()
	connection, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(address, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	if _, err := io.WriteString(connection, head); err != nil {
		t.Fatal(err)
	}
	go func() {
		for every := time.NewTicker(5 * time.Millisecond); ; <-every.C {
			if _, err := connection.Write([]byte("x")); err != nil {
				every.Stop()
				return
			}
		}
	}()
	if err := connection.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	answer, err := bufio.NewReader(connection).ReadString('\n')
	if err != nil {
		t.Errorf("there is no answer: %v", err)
	}
	return strings.TrimSpace(answer)
}

// However often a client sends a byte, an upload ends: one that was refused in the time of a piece, any other in that of its size.
func TestDrippingUploadsEnd(t *testing.T) {
	address := filing(t, handlers.Config{StreamTimeout: 200 * time.Millisecond}, func(e *echo.Echo) {
		e.POST("/api/refused", handlers.Uploading("user:1", 1<<20, func(c echo.Context) error {
			if _, err := c.Request().Body.Read(make([]byte, 1)); err != nil {
				return err
			}
			return echo.ErrNotFound
		}))
		e.POST("/api/beyond", handlers.Uploading("user:1", 10, func(c echo.Context) error {
			_, err := io.Copy(io.Discard, c.Request().Body)
			return err
		}))
		e.POST("/api/read", handlers.Uploading("user:1", 1<<20, func(c echo.Context) error {
			if _, err := io.Copy(io.Discard, c.Request().Body); err == nil {
				t.Error("all of it came")
			}
			return echo.ErrConflict
		}))
	})
	for path, want := range map[string]string{"refused": "404 Not Found", "beyond": "413 Request Entity Too Large", "read": "409 Conflict"} {
		if got := drip(t, address, "POST /api/"+path+" HTTP/1.1\r\nHost: x\r\nContent-Length: 20000\r\n\r\n"); got != "HTTP/1.1 "+want {
			t.Errorf("%s: %s", path, got)
		}
	}
}

// A failure behind an upload, or a download, is the server's and no client's who is gone.
func TestFailuresOfTransfersAreLogged(t *testing.T) {
	s, log := newServer(t, handlers.Config{Dialects: []handlers.Dialect{&dialect{name: "native", prefixes: []string{"/api"}, mount: func(e *echo.Echo) {
		e.POST("/api/file", handlers.Uploading("user:1", 10, failWith(errors.New("no place for it"))))
		e.GET("/api/file", handlers.Attachment("user:1", func(echo.Context) (handlers.Kept, error) {
			return handlers.Kept{}, errors.New("not where it was")
		}))
	}}}})
	call(s, http.MethodPost, "/api/file")
	call(s, http.MethodGet, "/api/file")
	for _, text := range []string{"no place for it", "not where it was"} {
		if !strings.Contains(log.String(), text) {
			t.Errorf("%q is not in the log: %s", text, log)
		}
	}
}

// Row D-09: of the files under way there are not many, and fewer of one caller; who is refused is told to come back.
func TestTransfersUnderWayAreBounded(t *testing.T) {
	closed := false
	for name, test := range map[string]struct {
		most, ofOne int
		of          func(caller string, wait func()) echo.HandlerFunc
	}{
		"uploads": {64, 4, func(caller string, wait func()) echo.HandlerFunc {
			return handlers.Uploading(caller, 10, func(echo.Context) error { wait(); return nil })
		}},
		"downloads": {256, 16, func(caller string, wait func()) echo.HandlerFunc {
			return handlers.Attachment(caller, func(echo.Context) (handlers.Kept, error) {
				wait()
				return handlers.Kept{Content: content{strings.NewReader(""), &closed}}, echo.ErrNotFound
			})
		}},
	} {
		entered, leave, done := make(chan struct{}), make(chan struct{}), make(chan int)
		mount := func(e *echo.Echo) {
			e.GET("/api/:caller/:wait", func(c echo.Context) error {
				path := strings.Split(c.Request().URL.Path, "/")
				return test.of(path[2], func() {
					if path[3] == "wait" {
						entered <- struct{}{}
						<-leave
					}
				})(c)
			})
		}
		server := func() http.Handler {
			s, _ := newServer(t, handlers.Config{RequestTimeout: time.Hour, Dialects: []handlers.Dialect{
				&dialect{name: "native", prefixes: []string{"/api"}, mount: mount},
			}})
			return s
		}
		s := server()
		begin := func(caller string) {
			go func() { done <- call(s, "GET", "/api/"+caller+"/wait").Code }()
			select {
			case <-entered:
			case status := <-done:
				t.Fatalf("%s: %s is refused: %d", name, caller, status)
			}
		}
		refused := func(caller string, status int) {
			t.Helper()
			if w := call(s, "GET", "/api/"+caller+"/now"); w.Code != status || w.Header().Get("Retry-After") != "5" {
				t.Errorf("%s: %s is answered %d %v", name, caller, w.Code, w.Header())
			}
		}
		for range test.ofOne {
			begin("one")
		}
		refused("one", http.StatusTooManyRequests)
		for n := range test.most - test.ofOne {
			begin(strconv.Itoa(n / test.ofOne))
		}
		refused("another", http.StatusServiceUnavailable)
		if w := call(server(), "GET", "/api/one/now"); w.Code >= 429 {
			t.Errorf("%s: another server answers %d", name, w.Code)
		}
		close(leave)
		for range test.most {
			<-done
		}
		for _, caller := range []string{"one", "another"} {
			if w := call(s, "GET", "/api/"+caller+"/now"); w.Code >= 429 {
				t.Errorf("%s: %s is answered %d afterwards", name, caller, w.Code)
			}
		}
	}
}

// However often a client takes a piece, a download ends in the time of its size.
func TestSlowDownloadsEnd(t *testing.T) {
	const length = 256 << 20
	closed := make(chan struct{})
	address := filing(t, handlers.Config{StreamTimeout: 200 * time.Millisecond}, func(e *echo.Echo) {
		e.GET("/api/file", handlers.Attachment("user:1", func(echo.Context) (handlers.Kept, error) {
			return handlers.Kept{Size: 1, Content: closing{io.NewSectionReader(zeros{}, 0, length), closed}}, nil
		}))
	})
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address+"/api/file", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	every := time.NewTicker(5 * time.Millisecond)
	defer every.Stop()
	for n := int64(0); err == nil; <-every.C {
		var piece int64
		if piece, err = io.CopyN(io.Discard, answer.Body, 512<<10); errors.Is(err, io.EOF) && n+piece == length {
			t.Error("all of it was sent")
		}
		n += piece
	}
	<-closed
}

type zeros struct{}

func (zeros) ReadAt(p []byte, _ int64) (int, error) {
	clear(p)
	return len(p), nil
}

// closing is a file that tells when it is closed.
type closing struct {
	io.ReadSeeker
	closed chan struct{}
}

func (c closing) Close() error {
	close(c.closed)
	return nil
}

// A file that is not found in the time of a request is not waited for. Reading one takes longer than that.
func TestOpeningADownloadIsBounded(t *testing.T) {
	for late, want := range map[bool]int{true: http.StatusServiceUnavailable, false: http.StatusOK} {
		var file context.Context
		closed := false
		address := filing(t, handlers.Config{RequestTimeout: 50 * time.Millisecond}, func(e *echo.Echo) {
			e.GET("/api/file", handlers.Attachment("user:1", func(c echo.Context) (handlers.Kept, error) {
				file = c.Request().Context()
				if late {
					select {
					case <-file.Done():
						return handlers.Kept{}, file.Err()
					case <-time.After(10 * time.Second):
					}
				}
				return handlers.Kept{Size: 3, Content: content{after{bytes.NewReader([]byte("abc")), file}, &closed}}, nil
			}))
		})
		if answer, body := fetch(t, http.MethodGet, address+"/api/file", http.NoBody); answer.StatusCode != want {
			t.Errorf("%v: %s %s", late, answer.Status, body)
		}
		if <-file.Done(); !late && !closed {
			t.Error("the file is not closed")
		}
	}
}

// after is a file that takes longer to read than a request may take.
type after struct {
	io.ReadSeeker
	file context.Context //nolint:containedctx // which the reading ends with
}

func (a after) Read(p []byte) (int, error) {
	select {
	case <-a.file.Done():
		return 0, a.file.Err()
	case <-time.After(100 * time.Millisecond):
		return a.ReadSeeker.Read(p)
	}
}

// A part of a file is sent alone. Of many at once, of which each would be fetched, none is.
func TestPartsOfDownloads(t *testing.T) {
	closed := false
	address := filing(t, handlers.Config{RequestTimeout: time.Hour}, func(e *echo.Echo) {
		e.GET("/api/file", handlers.Attachment("user:1", func(echo.Context) (handlers.Kept, error) {
			return handlers.Kept{Size: 10, MediaType: "application/pdf", Content: content{strings.NewReader("0123456789"), &closed}}, nil
		}))
	})
	for ranges, want := range map[string]string{
		"bytes=1-2": "206 12", "bytes=-1": "206 9", "bytes=1-2,4-5": "200 0123456789", "bytes=1-2, ": "200 0123456789",
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address+"/api/file", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Range", ranges)
		answer, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if got := fmt.Sprint(answer.StatusCode, " ", string(body)); got != want || err != nil {
			t.Errorf("%s: %q, %v", ranges, got, err)
		}
	}
}
