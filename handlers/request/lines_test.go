package request_test

import (
	"errors"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/claimsmith/claimsmith/handlers/request"
)

// linesOf reads a body of lines to its end: every line as "<number> <text>", or with the code of what is wrong with it.
func linesOf(t *testing.T, body io.Reader, limit int) (all []string, end error) {
	t.Helper()
	r := httptest.NewRequest("POST", "/", body)
	r.Header.Set("Content-Type", "application/x-ndjson")
	lines, err := request.ReadLines(r, limit)
	if err != nil {
		t.Fatal(err)
	}
	for {
		line, err := lines.Next()
		if err != nil {
			return all, err
		}
		text := string(rune('0'+line.Number)) + " " + string(line.Text)
		var refused *request.Error
		if errors.As(line.Err, &refused) {
			text += string(refused.Code)
		}
		all = append(all, text)
	}
}

func TestLines(t *testing.T) {
	for name, c := range map[string]struct {
		body string
		want []string
	}{
		"nothing":                {"", nil},
		"empty lines":            {"\n\r\n \t\n", nil},
		"an unterminated line":   {"a\nb", []string{"1 a", "2 b"}},
		"numbers":                {"a\n\n\nb\n", []string{"1 a", "4 b"}},
		"exactly the limit":      {strings.Repeat("x", 10) + "\nb", []string{"1 xxxxxxxxxx", "2 b"}},
		"over the limit":         {strings.Repeat("x", 11) + "\nb\n" + strings.Repeat("y", 200_000) + "\nc", []string{"1 too_large", "2 b", "3 too_large", "4 c"}},
		"unterminated and over":  {strings.Repeat("x", 11), []string{"1 too_large"}},
		"carriage returns":       {"a\r\nb\r\n", []string{"1 a\r", "2 b\r"}},
		"a blank line, too long": {strings.Repeat(" ", 11) + "\na", []string{"1 too_large", "2 a"}},
	} {
		for form, body := range map[string]io.Reader{
			"whole": strings.NewReader(c.body), "by bytes": iotest.OneByteReader(strings.NewReader(c.body)),
		} {
			got, err := linesOf(t, body, 10)
			if diff := cmp.Diff(c.want, got); diff != "" || !errors.Is(err, io.EOF) {
				t.Errorf("%s, %s: ends with %v, differs:\n%s", name, form, err, diff)
			}
		}
	}
}

// What arrived of a line whose rest got lost is none, even if it looks like one.
func TestALineThatBreaksOffIsNone(t *testing.T) {
	got, err := linesOf(t, io.MultiReader(strings.NewReader("{}\n{}"), iotest.ErrReader(io.ErrUnexpectedEOF)), 10)
	var refused *request.Error
	if diff := cmp.Diff([]string{"1 {}"}, got); diff != "" || !errors.As(err, &refused) || refused.Code != request.Malformed {
		t.Errorf("got %v and %v", got, err)
	}
}

func TestLinesAreNDJSON(t *testing.T) {
	for _, header := range []string{"", "application/json", "text/plain", "application/x-ndjson; charset=latin1", "multipart/form-data; boundary=x"} {
		r := httptest.NewRequest("POST", "/", strings.NewReader("{}\n"))
		r.Header.Set("Content-Type", header)
		var refused *request.Error
		if _, err := request.ReadLines(r, 10); !errors.As(err, &refused) || refused.Code != request.UnsupportedMediaType {
			t.Errorf("%q: %v", header, err)
		}
	}
	r := httptest.NewRequest("POST", "/", strings.NewReader("{}\n"))
	r.Header.Set("Content-Type", "application/x-ndjson; charset=UTF-8")
	if _, err := request.ReadLines(r, 10); err != nil {
		t.Error(err)
	}
	r.Header.Set("Content-Encoding", "gzip")
	if _, err := request.ReadLines(r, 10); err == nil {
		t.Error("an encoded body is read")
	}
}

// A line is read like a body, and what is wrong with it is said of the line.
func TestLinesAreReadStrictly(t *testing.T) {
	type body struct {
		A int `json:"a"`
	}
	if got, err := request.DecodeLine[body]([]byte(`{"a":1}` + "\r")); err != nil || got.A != 1 {
		t.Errorf("%v, %v", got, err)
	}
	for text, want := range map[string]string{
		"\ufeff{}":              "the line must not begin with a byte order mark",
		"null":                  "the line must not be null",
		"{} {}":                 "the line must hold one JSON value and nothing after it",
		"{\"a\":1,\"a\":2}":     "the member appears more than once",
		"{\"a\":1,\"\\u0061\":": "the member appears more than once",
		"{\"A\":1}":             "unknown member; allowed here: a",
		"{\"b\":1}":             "unknown member; allowed here: a",
		"{\"a\":\"\xff\"}":      "the line is not valid UTF-8",
		"{\"a\":\"\\ud800\"}":   "not valid JSON at byte 6",
		"{\"a\":1":              "the JSON ends early",
		"[]":                    "expected an object",
	} {
		var refused *request.Error
		if _, err := request.DecodeLine[body]([]byte(text)); !errors.As(err, &refused) || refused.Detail != want {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}
