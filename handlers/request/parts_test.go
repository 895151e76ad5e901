package request_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/claimsmith/claimsmith/handlers/request"
)

const formWithFiles = "multipart/form-data; boundary=b"

// readParts reads a form to its end, into "field|file|type|content" lines.
func readParts(mediaType, body string, headers ...string) (string, error) {
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	r.Header.Set("Content-Type", mediaType)
	for _, h := range headers {
		r.Header.Add(h, "gzip")
	}
	parts, err := request.NewParts(r)
	var all strings.Builder
	for err == nil {
		var part request.Part
		if part, err = parts.Next(); err == nil {
			content, bad := io.ReadAll(part.Body)
			fmt.Fprintf(&all, "%s|%s|%s|%s\n", part.Field, part.FileName, part.MediaType, content)
			err = bad
		}
	}
	return all.String(), err
}

func TestParts(t *testing.T) {
	file := "--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"../a b.pdf\"\r\nContent-Type: application/pdf\r\n\r\n%PDF\xff\r\n--bc\r\n"
	got, err := readParts(formWithFiles, part(`name="f"`, "one")+part(`name="f"`, "two")+part(`name="none"; filename=""`, "")+file+"--b--\r\nbehind")
	want := "f|||one\nf|||two\nf|a b.pdf|application/pdf|%PDF\xff\r\n--bc\n"
	if got != want || !errors.Is(err, io.EOF) {
		t.Errorf("%q, %v", got, err)
	}
}

// What two readers may read differently, or one never to its end, is refused.
func TestPartsRefuse(t *testing.T) {
	field := part(`name="a"`, "x")
	for name, test := range map[string]struct {
		mediaType, body string
		code            request.Code
	}{
		"no boundary":            {"multipart/form-data", field + "--b--", request.Malformed},
		"another boundary":       {"multipart/form-data; boundary=c", field + "--b--", request.Malformed},
		"two boundaries":         {"multipart/form-data; boundary=b; boundary=c", field + "--b--", request.UnsupportedMediaType},
		"a long boundary":        {"multipart/form-data; boundary=" + strings.Repeat("b", 71), field + "--b--", request.Malformed},
		"mixed":                  {"multipart/mixed; boundary=b", field + "--b--", request.UnsupportedMediaType},
		"no type":                {"", field + "--b--", request.UnsupportedMediaType},
		"nothing":                {formWithFiles, "", request.Malformed},
		"no end":                 {formWithFiles, field, request.Malformed},
		"no end of the file":     {formWithFiles, field + part(`name="f"; filename="x"`, "content"), request.Malformed},
		"cut in the head":        {formWithFiles, field + "--b\r\nContent-Disposition: form-da", request.Malformed},
		"no name":                {formWithFiles, part(`filename="x"`, "x") + "--b--", request.Malformed},
		"an empty name":          {formWithFiles, part(`name=""`, "x") + "--b--", request.Malformed},
		"two names":              {formWithFiles, part(`name="a"; name="b"`, "x") + "--b--", request.Malformed},
		"two file names":         {formWithFiles, part(`name="a"; filename="a.pdf"; filename="a.html"`, "x") + "--b--", request.Malformed},
		"a name that is no text": {formWithFiles, part("name=\"\xff\"", "x") + "--b--", request.Malformed},
		"an attachment":          {formWithFiles, "--b\r\nContent-Disposition: attachment; name=\"a\"\r\n\r\nx\r\n--b--", request.Malformed},
		"many parts":             {formWithFiles, strings.Repeat(field, 10_000) + "--b--", request.Malformed},
		"a long head":            {formWithFiles, "--b\r\n" + strings.Repeat("X-A: b\r\n", 11_000) + "\r\nx\r\n--b--", request.Malformed},
	} {
		_, err := readParts(test.mediaType, test.body)
		if refused, ok := errors.AsType[*request.Error](err); !ok || refused.Code != test.code {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := readParts(formWithFiles, field+"--b--", "Content-Encoding"); err == nil {
		t.Error("an encoded body is read")
	}
}

// The bound of the whole body is told from a body that is cut off.
func TestPartsKnowTheBound(t *testing.T) {
	body := part(`name="f"; filename="x"`, strings.Repeat("x", 500)) + "--b--"
	r := httptest.NewRequest(http.MethodPost, "/", http.MaxBytesReader(httptest.NewRecorder(), io.NopCloser(strings.NewReader(body)), 300))
	r.Header.Set("Content-Type", formWithFiles)
	parts, err := request.NewParts(r)
	if err != nil {
		t.Fatal(err)
	}
	p, err := parts.Next()
	if err == nil {
		_, err = io.Copy(io.Discard, p.Body)
	}
	if refused, ok := errors.AsType[*request.Error](err); !ok || refused.Code != request.TooLarge {
		t.Error(err)
	}
}

// A file is found behind others, and each once.
func TestPartsFindFiles(t *testing.T) {
	body := part(`name="f"`, "no file") + part(`name="g"; filename="y"`, "another") + part(`name="f"; filename=""`, "") +
		part(`name="f"; filename="x"`, "the file") + "--b--"
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	r.Header.Set("Content-Type", formWithFiles)
	parts, err := request.NewParts(r)
	if err != nil {
		t.Fatal(err)
	}
	file, err := parts.File("f")
	if err != nil || file.FileName != "x" {
		t.Fatalf("%+v, %v", file, err)
	}
	if text, err := io.ReadAll(file.Body); string(text) != "the file" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
	if file, err := parts.File("f"); !errors.Is(err, io.EOF) {
		t.Errorf("%+v, %v", file, err)
	}
}
