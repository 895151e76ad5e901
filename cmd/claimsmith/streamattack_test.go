package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/claimsmith/claimsmith/handlers"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

// listen serves the world's API on a port, with nothing between the client and the server.
func (w *world) listen(idle time.Duration) string {
	w.t.Helper()
	server, err := handlers.New(handlers.Config{
		Logger: slog.New(slog.DiscardHandler), Now: w.clock.Now, Dialects: w.app.dialects(), RequestTimeout: 20 * time.Second, StreamTimeout: idle,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	s := httptest.NewServer(server)
	w.t.Cleanup(s.Close)
	return s.URL
}

// conversation is a stream whose lines are sent one by one.
type conversation struct {
	t    *testing.T
	send *io.PipeWriter
	body io.ReadCloser
	read *bufio.Scanner
}

func converse(t *testing.T, address, bearer string, first string) *conversation {
	t.Helper()
	body, send := io.Pipe()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+bearer)
	r.Header.Set("Content-Type", lines)
	go func() { _, _ = io.WriteString(send, first) }()
	answer, err := new(http.Transport).RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = answer.Body.Close() })
	if answer.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(answer.Body)
		t.Fatalf("%s %s", answer.Status, text)
	}
	return &conversation{t, send, answer.Body, bufio.NewScanner(answer.Body)}
}

// say sends a piece of the body.
func (c *conversation) say(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c.send, text); err != nil {
		c.t.Fatal(err)
	}
}

// hear waits for the next line of the answer.
func (c *conversation) hear() (o struct {
	Line, Status      int
	Code, Field       string
	Done              bool
	Succeeded, Failed int
},
) {
	c.t.Helper()
	if !c.read.Scan() {
		c.t.Fatalf("no line: %v", c.read.Err())
	}
	if err := json.Unmarshal(c.read.Bytes(), &o); err != nil {
		c.t.Fatalf("%q: %v", c.read.Text(), err)
	}
	return o
}

// Whatever a line is, it is refused by itself and the next one is read.
func TestBadLines(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Embedded(t).Client)
	good := `{"user":"jane-id","set":[{"key":"n","value":1}]}`
	c := converse(t, w.listen(0)+"/api/metadata/bulk", adminToken, good+"\n")
	if o := c.hear(); o.Status != http.StatusOK {
		t.Fatalf("%+v", o)
	}
	line := 1
	for name, bad := range map[string]struct {
		text   string
		status int
	}{
		"3 MiB":              {`{"user":"jane-id","delete":["` + strings.Repeat("x", 3<<20) + `"]}`, 413},
		"3 MiB of nothing":   {strings.Repeat(" ", 3<<20), 413},
		"no JSON":            {"user=jane-id", 400},
		"half of it":         {good[:len(good)-1], 400},
		"two values":         {good + good, 400},
		"an array":           {"[" + good + "]", 400},
		"null":               {"null", 400},
		"a byte order mark":  {"\ufeff" + good, 400},
		"invalid UTF-8":      {`{"user":"jane-id","set":[{"key":"n","value":"` + "\xff" + `"}]}`, 400},
		"a lone surrogate":   {`{"user":"jane-id","set":[{"key":"n","value":"\ud800"}]}`, 400},
		"a duplicate member": {`{"user":"jane-id","user":"other","delete":["n"]}`, 400},
		"one spelt again":    {`{"user":"jane-id","\u0075ser":"other","delete":["n"]}`, 400},
		"another case":       {`{"User":"jane-id","delete":["n"]}`, 400},
		"inside of a value":  {`{"user":"jane-id","set":[{"key":"n","value":{"a":1,"A":2}}]}`, 400},
		"too deep":           {`{"user":"jane-id","set":[{"key":"n","value":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}]}`, 400},
		"an organisation":    {`{"user":"jane-id","org":"default","delete":["n"]}`, 400},
		"another's path":     {`{"user":"../x","delete":["n"]}`, 404},
		"a control":          {`{"user":"jane-id","set":[{"key":"a\u0000","value":1}]}`, 400},
		"a number as user":   {`{"user":7,"delete":["n"]}`, 400},
		"a claim of a name":  {`{"user":"jane-id","set":[{"key":"a b","value":1,"profileClaim":true}]}`, 400},
	} {
		c.say(bad.text + "\n" + good + "\n")
		line++
		if o := c.hear(); o.Status != bad.status || o.Line != line {
			t.Errorf("%s: %+v, want line %d with %d", name, o, line, bad.status)
		}
		line++
		if o := c.hear(); o.Status != http.StatusOK || o.Line != line {
			t.Errorf("after %s: %+v, want line %d", name, o, line)
		}
	}
	for range 1000 {
		c.say("{\n")
		line++
		if o := c.hear(); o.Status != http.StatusBadRequest || o.Line != line {
			t.Fatalf("%+v, want line %d", o, line)
		}
	}
	c.say(good) // without an end
	_ = c.send.Close()
	if o := c.hear(); o.Status != http.StatusOK {
		t.Errorf("the last line: %+v", o)
	}
	if o := c.hear(); !o.Done || o.Failed != 1020 || o.Succeeded != 22 || c.read.Scan() {
		t.Errorf("the sum: %+v", o)
	}
}

// What arrived of a line whose rest got lost does nothing, and the answer says by having no end that it is not complete.
func TestAStreamThatBreaksOff(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Embedded(t).Client)
	c := converse(t, w.listen(0)+"/api/metadata/bulk", adminToken, `{"user":"jane-id","set":[{"key":"a","value":1}]}`+"\n")
	c.hear()
	c.say(`{"user":"jane-id","set":[{"key":"b","value":1}]}`)
	_ = c.send.CloseWithError(errors.New("gone"))
	if c.read.Scan() {
		t.Errorf("there is one more line: %s", c.read.Text())
	}
	if got := w.get("/api/user/jane/metadata", adminToken).body; strings.Contains(got, `"b"`) {
		t.Error(got)
	}
}

func TestStreamsAreRefusedBeforeTheyBegin(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	user := c.loginAs(c.acme.user, "").text(t, "access_token")
	for _, path := range []string{"/api/metadata/bulk", "/api/user/import"} {
		for _, attempt := range []struct {
			bearer, query, mediaType string
			want                     int
		}{
			{c.acme.operator, "", "application/json", 415}, {c.acme.operator, "", "text/plain", 415}, {c.acme.operator, "", "", 415},
			{c.acme.operator, "", lines + "; charset=utf-16", 415},
			{c.acme.operator, "?dry_run=1", lines, 400}, {c.acme.operator, "?dry_run=", lines, 400}, {c.acme.operator, "?dryrun=true", lines, 400},
			{c.acme.operator, "?org=acme&org=globex", lines, 400},
			{c.acme.operator, "?org=globex", lines, 404}, {c.acme.operator, "?org=nowhere", lines, 404}, {c.acme.reader, "", lines, 403},
			{user, "", lines, 404}, {c.acme.plainToken, "", lines, 401}, {"", "", lines, 401}, {"cs_at_nobody", "", lines, 401},
		} {
			c.post(path+attempt.query, attempt.bearer, `{"user":"acme-user-id","set":[]}`, "Content-Type", attempt.mediaType).want(t, attempt.want)
		}
		c.post(path, c.acme.operator, "x", "Content-Type", lines, "Content-Encoding", "gzip").want(t, http.StatusUnsupportedMediaType)
	}
}

// No line reaches what its sender may not change (rows ).
func TestLinesDoWhatTheirSenderMay(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	c.post("/api/group?org=globex", adminToken, `{"slug":"secret-group"}`).want(t, http.StatusCreated)
	before := c.snapshot(globex)
	for _, bearer := range []string{c.acme.operator, c.acme.machineToken} {
		outcomes, _ := c.stream("/api/metadata/bulk", bearer,
			`{"user":"globex-user-id","set":[{"key":"n","value":1}]}`, `{"user":"globex-user","set":[]}`,
			`{"user":"zzzzzz-user-id","set":[{"key":"n","value":1}]}`,
			`{"user":"acme-user-id","groups":["secret-group"]}`, `{"user":"acme-user-id","groups":["no-such-group"]}`,
			`{"user":"sam","set":[{"key":"n","value":1}]}`)
		c.wantStream([]string{
			"1 404 not_found", "2 404 not_found", "3 404 not_found", "4 400 invalid_request groups", "5 400 invalid_request groups", "6 200",
		}, outcomes)
		outcomes, _ = c.stream("/api/user/import", bearer,
			`{"id":"globex-user-id"}`, `{"username":"x1","orgs":["globex"]}`, `{"username":"x1","role":"admin"}`, `{"username":"x1","groups":["secret-group"]}`,
			`{"username":"globex-user"}`)
		c.wantStream([]string{
			"1 409 conflict id", "2 400 invalid_request /orgs", "3 400 invalid_request /role", "4 400 invalid_request groups", "5 409 conflict username",
		}, outcomes)
	}
	if after := c.snapshot(globex); after != before {
		t.Errorf("globex was\n%s\nand is\n%s", before, after)
	}
}

// A credential that ends during a stream ends the stream with it (row A-06).
func TestStreamsEndWithTheirCredential(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Embedded(t).Client)
	made := w.post("/api/token", adminToken, `{"role":"operator","org":"default"}`).want(t, http.StatusCreated)
	line := `{"user":"jane-id","set":[{"key":"n","value":1}]}` + "\n"
	c := converse(t, w.listen(0)+"/api/metadata/bulk", made.text(t, "token"), line)
	c.hear()
	c.say(line)
	c.hear()
	w.delete("/api/token/"+made.text(t, "id"), adminToken).want(t, http.StatusNoContent)
	// The server has asked already, and waits for one more line.
	c.say(line)
	c.hear()
	go func() { _, _ = io.WriteString(c.send, line) }()
	if c.read.Scan() {
		t.Errorf("there is one more line: %s", c.read.Text())
	}
}

// A client that does not read what it is answered is not worked for any more, and holds no more than its share of memory.
func TestAClientThatDoesNotRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Embedded(t).Client)
	address := strings.TrimPrefix(w.listen(100*time.Millisecond), "http://")
	connection, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	_, err = fmt.Fprintf(connection, "POST /api/metadata/bulk HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: %s\r\n"+
		"Transfer-Encoding: chunked\r\n\r\n", adminToken, lines)
	if err != nil {
		t.Fatal(err)
	}
	// Every one of these is answered by some hundred bytes.
	chunk := strings.Repeat("x\n", 4<<10)
	for sent := 0; ; sent += len(chunk) {
		if _, err := fmt.Fprintf(connection, "%x\r\n%s\r\n", len(chunk), chunk); err != nil {
			break
		}
		if sent > 1<<30 {
			t.Fatal("a gigabyte was taken from a client that reads nothing")
		}
	}
}

// However long a stream is, it takes the same memory.
func TestStreamsTakeNoMemory(t *testing.T) {
	w := newWorld(t, redistest.Embedded(t).Client)
	var before runtime.MemStats // what other tests have left is not of these lines
	runtime.GC()
	runtime.ReadMemStats(&before)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	body, send := io.Pipe()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.listen(0)+"/api/metadata/bulk?dry_run=true", body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+adminToken)
	r.Header.Set("Content-Type", lines)
	go func() {
		bad := `{"user":"jane-id","set":"` + strings.Repeat("x", 1<<20) + `"}` + "\n"
		for range 300 {
			if _, err := io.WriteString(send, bad); err != nil {
				return
			}
		}
		_ = send.Close()
	}()
	answer, err := new(http.Transport).RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var most uint64
	count := 0
	for scan := bufio.NewScanner(answer.Body); scan.Scan(); count++ {
		if count%50 == 0 {
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			most = max(most, m.HeapAlloc)
		}
	}
	if count != 301 {
		t.Errorf("%d lines came back, want 301", count)
	}
	if most > before.HeapAlloc+150<<20 {
		t.Errorf("300 lines of a megabyte took %d MiB, and there were %d before", most>>20, before.HeapAlloc>>20)
	}
}
