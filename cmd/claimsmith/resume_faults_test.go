package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/career"
	"github.com/claimsmith/claimsmith/auth/records"
)

// partsSent is an upload to the service itself.
func partsSent(parts ...career.Part) career.Upload {
	return func(yield func(career.Part, error) bool) {
		for _, p := range parts {
			if !yield(p, nil) {
				return
			}
		}
	}
}

func (c *fileCast) add(user string, parts ...career.Part) error {
	_, err := c.app.career.AddToResume(c.t.Context(), auth.System(), acme, user, partsSent(parts...))
	return err
}

// Whoever goes away while he sends leaves nothing.
func TestUploadThatIsCutOff(t *testing.T) {
	t.Parallel()
	c := newFileCast(t)
	token, inner := c.userToken(c.acme.user), c.listening()
	done := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() { done <- struct{}{} }()
		inner.ServeHTTP(w, r)
	}))
	defer server.Close()
	for _, framing := range []string{"Content-Length: 1000000\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\nfffff\r\n"} {
		connection, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		good := upload{"additional_files;a.gif;" + gifOfOne, "resume;cv.pdf;" + smallPDF}.body()
		fmt.Fprintf(connection, "POST %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: %s\r\n%s%s",
			usersResume, token, formOfXX, framing, good[:len(good)-30])
		if err := connection.Close(); err != nil {
			t.Fatal(err)
		}
		<-done
		if left := c.kept("acme-user-id", false); len(left) > 0 {
			t.Errorf("left is %q", left)
		}
	}
	if a := c.get(usersResume, token); filesOf(t, a) != "" {
		t.Error(a.body)
	}
}

// Of what fails on its way nothing is left, and the résumé is as it was.
func TestUploadsThatFail(t *testing.T) {
	t.Parallel()
	c := newFileCast(t)
	c.upload("POST", usersResume, adminToken, "resume;cv.pdf;"+smallPDF, "link_1=https://one.example").want(t, http.StatusOK)
	away := c.dir + " elsewhere"
	t.Cleanup(func() { _ = os.RemoveAll(away) })
	leave := func() {
		if err := os.Rename(c.dir, away); err != nil {
			t.Fatal(err)
		}
	}
	back := func() {
		if err := errors.Join(os.RemoveAll(c.dir), os.Rename(away, c.dir)); err != nil {
			t.Fatal(err)
		}
	}
	asBefore := func(when string) {
		t.Helper()
		a := c.get(usersResume, adminToken)
		if filesOf(t, a) != "cv.pdf resume" || !strings.Contains(a.body, "https://one.example") {
			t.Errorf("%s: %s", when, a.body)
		}
		names := c.kept("acme-user-id", false)
		if len(names) != 1 {
			t.Errorf("%s: %q are kept", when, names)
		}
	}
	file := func(field string, body io.Reader) career.Part {
		return career.Part{Field: field, Name: "x.pdf", Body: body}
	}
	mine := errors.New("the reader broke")
	for when, parts := range map[string][]career.Part{
		"at the first byte":   {file("resume", iotest.ErrReader(mine))},
		"in the first file":   {file("resume", io.MultiReader(strings.NewReader(smallPDF), iotest.ErrReader(mine)))},
		"in the second file":  {file("resume", strings.NewReader(smallPDF)), file("additional_files", io.MultiReader(strings.NewReader("%PDF-1.7"), iotest.ErrReader(mine)))},
		"in a field after it": {file("resume", strings.NewReader(smallPDF)), {Field: "user", Body: iotest.ErrReader(mine)}},
	} {
		if err := c.add("acme-user", parts...); !errors.Is(err, mine) {
			t.Errorf("%s: %v", when, err)
		}
		asBefore(when)
	}

	leave()
	a := c.upload("POST", usersResume, adminToken, "resume;new.pdf;"+smallPDF).want(t, http.StatusServiceUnavailable)
	if a.header.Get("Retry-After") == "" {
		t.Errorf("%v", a.header)
	}
	address := addressOf(t, c.get(usersResume, adminToken), "cv.pdf")
	c.get(address, "").want(t, http.StatusServiceUnavailable)
	back()
	asBefore("without a bucket")
	err := c.add("acme-user", file("resume", io.MultiReader(strings.NewReader(smallPDF), once(leave))))
	back()
	if auth.CodeOf(err) != auth.Unavailable {
		t.Error(err)
	}
	c.get(usersResume, adminToken).want(t, http.StatusOK)
	if a := c.get(usersResume, adminToken); filesOf(t, a) != "cv.pdf resume" {
		t.Error(a.body)
	}

	// What cannot be deleted is deleted the next time.
	if err := c.app.records.Files.Erase(t.Context(), records.Folder{User: "acme-user-id", Org: acme}); err != nil { // what the last one left
		t.Fatal(err)
	}
	c.upload("PUT", usersResume, adminToken, "additional_files;a.gif;"+gifOfOne).want(t, http.StatusOK)
	gif := fileIDIn(addressOf(t, c.get(usersResume, adminToken), "a.gif"))
	leave()
	if err := c.app.career.RemoveFile(t.Context(), auth.System(), acme, "acme-user", gif); err != nil {
		t.Error(err)
	}
	back()
	if len(c.kept("acme-user-id", false)) != 1 {
		t.Fatal("it is gone")
	}
	c.upload("POST", usersResume, adminToken, "link_1=https://two.example").want(t, http.StatusOK)
	if left := c.kept("acme-user-id", false); len(left) != 0 {
		t.Errorf("left is %q", left)
	}
	if err := c.app.career.RemoveFile(t.Context(), auth.System(), acme, "acme-user", gif); auth.CodeOf(err) != auth.NotFound {
		t.Error(err)
	}
}

// once is an empty reader that does something first.
type once func()

func (f once) Read([]byte) (int, error) {
	f()
	return 0, io.EOF
}

// Where there is no place for files there are links all the same.
func TestNoPlaceForFiles(t *testing.T) {
	t.Parallel()
	c := newFileCast(t)
	c.app.records.Files = nil
	a := c.upload("POST", usersResume, adminToken, "resume;cv.pdf;"+smallPDF).want(t, http.StatusServiceUnavailable)
	if !strings.Contains(a.body, "--files") {
		t.Error(a.body)
	}
	c.upload("POST", usersResume, adminToken, "link_1=https://x.example").want(t, http.StatusOK)
	c.delete("/api/user/acme-user-id?org=acme", adminToken).want(t, http.StatusNoContent)
}

// Uploads under way are few: two of a person, and no more in all than memory is for.
func TestUploadsUnderWayAreBounded(t *testing.T) {
	t.Parallel()
	c := newFileCast(t)
	ended := make(chan error, 100)
	var ends []func()
	begin := func(user string) {
		reader, writer := io.Pipe()
		begun := make(chan struct{})
		go func() {
			_, err := c.app.career.AddToResume(t.Context(), auth.System(), acme, user, func(yield func(career.Part, error) bool) {
				close(begun)
				yield(career.Part{Field: "link_1", Body: reader}, nil)
			})
			ended <- err
		}()
		<-begun
		ends = append(ends, func() { _ = writer.Close() })
	}
	begin("acme-user")
	begin("acme-user")
	a := c.upload("POST", usersResume, adminToken, "link_1=https://x.example").want(t, http.StatusTooManyRequests)
	if a.header.Get("Retry-After") == "" {
		t.Errorf("%v", a.header)
	}
	for n := range 7 {
		p := c.newPerson(fmt.Sprintf("busy-%d", n), acme)
		begin(p.username)
		begin(p.username)
	}
	c.upload("POST", resumeOf+"acme-other/", adminToken, "link_1=https://x.example").want(t, http.StatusServiceUnavailable)
	for _, end := range ends {
		end()
	}
	for range ends {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	c.upload("POST", usersResume, adminToken, "link_1=https://x.example").want(t, http.StatusOK)
	c.upload("POST", resumeOf+"acme-other/", adminToken, "link_1=https://x.example").want(t, http.StatusOK)
}

// An upload is never held as a whole. Not parallel: what others allocate counts too.
func TestUploadsHoldLittle(t *testing.T) {
	c := newFileCast(t)
	server := c.listening()
	r := httptest.NewRequest(http.MethodPost, usersResume, io.MultiReader(
		strings.NewReader("--XX\r\nContent-Disposition: form-data; name=\"resume\"; filename=\"cv.pdf\"\r\n\r\n"), zeros(career.MaxFile),
		strings.NewReader("\r\n--XX--\r\n")))
	r.ContentLength = -1
	r.Header.Set("Authorization", "Bearer "+adminToken)
	r.Header.Set("Content-Type", formOfXX)
	w := httptest.NewRecorder()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	server.ServeHTTP(w, r)
	runtime.ReadMemStats(&after)
	if held := after.TotalAlloc - before.TotalAlloc; w.Code != http.StatusOK || held > 3<<20 {
		t.Errorf("%d %s: %d bytes were allocated", w.Code, w.Body, held)
	}
}

// zeros are so many bytes of a PDF that ends as it should.
func zeros(size int64) io.Reader {
	const head, end = "%PDF-1.7\n", "\n%%EOF"
	return io.MultiReader(strings.NewReader(head), io.LimitReader(endless{}, size-int64(len(head)+len(end))), strings.NewReader(end))
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// Row D-02: a byte more than allowed is refused, however it is sent, and as much as is allowed is not. Other routes keep their own bounds.
func TestLargeUploads(t *testing.T) {
	t.Parallel()
	c := newFileCast(t)
	token := c.userToken(c.acme.user)
	server := c.listening()
	send := func(target string, size int64, announced bool) *httptest.ResponseRecorder {
		head := "--XX\r\nContent-Disposition: form-data; name=\"resume\"; filename=\"cv.pdf\"\r\n\r\n"
		const end = "\r\n--XX--\r\n"
		r := httptest.NewRequest("POST", target, io.MultiReader(strings.NewReader(head), zeros(size), strings.NewReader(end)))
		r.ContentLength = -1
		if announced {
			r.ContentLength = int64(len(head)) + size + int64(len(end))
		}
		r.RemoteAddr = c.address
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Content-Type", formOfXX)
		w := httptest.NewRecorder()
		server.ServeHTTP(w, r)
		return w
	}
	for _, announced := range []bool{true, false} {
		for size, status := range map[int64]int{career.MaxFile: 200, career.MaxFile + 1: 413, 27 << 20: 413, 64 << 20: 413} {
			if w := send(usersResume, size, announced); w.Code != status || status == 413 && !strings.Contains(w.Body.String(), "detail") {
				t.Errorf("%d bytes, announced %t: %d %s", size, announced, w.Code, w.Body)
			}
		}
		if w := send(resumeOf+"acme-other/", 27<<20, announced); w.Code != http.StatusForbidden {
			t.Errorf("somebody else's: %d", w.Code)
		}
		if w := send("/dm/api/career/orgs/acme/education/users/acme-user/", 27<<20, announced); w.Code < 400 {
			t.Errorf("another route: %d", w.Code)
		}
	}
	if left := c.kept("acme-user-id", false); len(left) != 1 {
		t.Errorf("files that are kept: %q", left)
	}
	var two bytes.Buffer
	for n := range 2 {
		fmt.Fprintf(&two, "--XX\r\nContent-Disposition: form-data; name=\"additional_files\"; filename=\"%d.pdf\"\r\n\r\n", n)
		_, _ = io.Copy(&two, zeros(career.MaxFile/2+1))
		two.WriteString("\r\n")
	}
	two.WriteString("--XX--\r\n")
	if a := c.send("POST", usersResume, token, two.String(), "Content-Type", formOfXX); a.status != http.StatusRequestEntityTooLarge {
		t.Errorf("two files: %d %s", a.status, a.body)
	}
	if left := c.kept("acme-user-id", false); len(left) != 1 {
		t.Errorf("afterwards: %q", left)
	}
}
