package request_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/claimsmith/claimsmith/handlers/request"
)

func part(disposition, text string) string {
	return "--b\r\nContent-Disposition: form-data; " + disposition + "\r\n\r\n" + text + "\r\n"
}

func TestDecodeUpload(t *testing.T) {
	field, file := part(`name="do"`, "check"), part(`name="file"; filename="../x"`, "a\xff\r\nb")
	tests := []struct {
		name, target, mediaType, body string
		fields                        url.Values
		files                         map[string][]byte
		code                          request.Code
	}{
		{"fields and a file", "/", "multipart/form-data; boundary=b", field + file + "--b--", url.Values{"do": {"check"}}, map[string][]byte{"file": []byte("a\xff\r\nb")}, ""},
		{"an empty file", "/", "multipart/form-data; boundary=b", part(`name="file"; filename="x"`, "") + "--b--", url.Values{}, map[string][]byte{}, ""},
		{"a query", "/?a=b", "multipart/form-data; boundary=b", field + "--b--", nil, nil, request.Malformed},
		{"another type", "/", "application/x-www-form-urlencoded", "do=check", nil, nil, request.UnsupportedMediaType},
		{"no boundary", "/", "multipart/form-data", field + "--b--", nil, nil, request.Malformed},
		{"cut off", "/", "multipart/form-data; boundary=b", field + "--b\r\nContent-Disp", nil, nil, request.Malformed},
		{"a field twice", "/", "multipart/form-data; boundary=b", field + field + "--b--", nil, nil, request.Malformed},
		{"a file and a field of one name", "/", "multipart/form-data; boundary=b", file + part(`name="file"`, "x") + "--b--", nil, nil, request.Malformed},
		{"no name", "/", "multipart/form-data; boundary=b", part(`filename="x"`, "x") + "--b--", nil, nil, request.Malformed},
		{"a field that is no text", "/", "multipart/form-data; boundary=b", part(`name="do"`, "\xff") + "--b--", nil, nil, request.Malformed},
		{"a long field", "/", "multipart/form-data; boundary=b", part(`name="do"`, strings.Repeat("x", 64<<10+1)) + "--b--", nil, nil, request.TooLarge},
		{"a long file", "/", "multipart/form-data; boundary=b", part(`name="f"; filename="x"`, strings.Repeat("x", 101)) + "--b--", nil, nil, request.TooLarge},
		{"files that are long together", "/", "multipart/form-data; boundary=b", part(`name="f"; filename="x"`, strings.Repeat("x", 60)) +
			part(`name="g"; filename="x"`, strings.Repeat("x", 60)) + "--b--", nil, nil, request.TooLarge},
		{"as many fields as there may be", "/", "multipart/form-data; boundary=b", manyParts(20) + "--b--", manyFields(20), map[string][]byte{}, ""},
		{"many fields", "/", "multipart/form-data; boundary=b", manyParts(21) + "--b--", nil, nil, request.Malformed},
	}
	for _, test := range tests {
		r := httptest.NewRequest(http.MethodPost, test.target, strings.NewReader(test.body))
		r.Header.Set("Content-Type", test.mediaType)
		fields, files, err := request.DecodeUpload(r, 100)
		var refused *request.Error
		if errors.As(err, &refused); (refused == nil) != (test.code == "") || refused != nil && refused.Code != test.code {
			t.Errorf("%s: %v", test.name, err)
		}
		if diff := cmp.Diff(test.fields, fields) + cmp.Diff(test.files, files); diff != "" {
			t.Errorf("%s: %s", test.name, diff)
		}
	}
}

func manyFields(n int) url.Values {
	all := url.Values{}
	for i := range n {
		all["f"+strings.Repeat("x", i)] = []string{"v"}
	}
	return all
}

func manyParts(n int) string {
	all := ""
	for i := range n {
		all += part(`name="f`+strings.Repeat("x", i)+`"`, "v")
	}
	return all
}

func TestDecodeFields(t *testing.T) {
	field := part(`name="a"`, "x")
	for _, test := range []struct {
		name, body string
		fields     url.Values
		code       request.Code
	}{
		{"nothing", "--b--", url.Values{}, ""},
		{"fields", field + part(`name="b"`, "") + "--b--", url.Values{"a": {"x"}, "b": {""}}, ""},
		{"as many as there may be", manyParts(3) + "--b--", manyFields(3), ""},
		{"many fields", manyParts(4) + "--b--", nil, request.Malformed},
		{"a field twice", field + field + "--b--", nil, request.Malformed},
		{"a file", field + part(`name="f"; filename="x"`, "x") + "--b--", nil, request.Malformed},
		{"an empty file", part(`name="f"; filename="x"`, "") + "--b--", nil, request.Malformed},
		{"a field that is no text", part(`name="a"`, "\xff") + "--b--", nil, request.Malformed},
		{"a long body", part(`name="a"`, strings.Repeat("x", 500)) + "--b--", nil, request.TooLarge},
	} {
		r := httptest.NewRequest(http.MethodPost, "/?q=1", strings.NewReader(test.body))
		r.Header.Set("Content-Type", formWithFiles)
		fields, err := request.DecodeFields(r, 500, 3)
		if refused, _ := errors.AsType[*request.Error](err); (refused == nil) != (test.code == "") || refused != nil && refused.Code != test.code {
			t.Errorf("%s: %v", test.name, err)
		}
		if diff := cmp.Diff(test.fields, fields); diff != "" {
			t.Errorf("%s: %s", test.name, diff)
		}
	}
}

func TestDecodeLargeForm(t *testing.T) {
	decode := func(target, body string) (url.Values, error) {
		r := httptest.NewRequest(http.MethodPost, target, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		return request.DecodeLargeForm(r, 100, 3)
	}
	if form, err := decode("/", "a=1&b=&c=3"); err != nil || !cmp.Equal(form, url.Values{"a": {"1"}, "b": {""}, "c": {"3"}}) {
		t.Errorf("%v %v", form, err)
	}
	for _, test := range []struct{ target, body string }{
		{"/", "a=1&b=2&c=3&d=4"}, {"/", "a=1&a=2"}, {"/", "a=" + strings.Repeat("x", 100)}, {"/?a=1", "b=2"}, {"/", "a=%ff"},
	} {
		if form, err := decode(test.target, test.body); err == nil {
			t.Errorf("%v: %v", test, form)
		}
	}
}

// Row A-08: a cursor goes on with its own list alone.
func TestCursors(t *testing.T) {
	key := []byte("a key")
	cursor := request.SealCursor(key, "scope", "position")
	if got, err := request.OpenCursor(key, "scope", cursor); got != "position" || err != nil {
		t.Errorf("%q %v", got, err)
	}
	if request.SealCursor(key, "scope", "") != "" {
		t.Error("the end has a cursor")
	}
	if got, err := request.OpenCursor(key, "scope", ""); got != "" || err != nil {
		t.Errorf("the beginning: %q %v", got, err)
	}
	for _, wrong := range []string{cursor[1:], cursor + "A", "x", "AAAA", cursor[:len(cursor)-4]} {
		if got, err := request.OpenCursor(key, "scope", wrong); err == nil {
			t.Errorf("%q opens: %q", wrong, got)
		}
	}
	if _, err := request.OpenCursor(key, "another", cursor); err == nil {
		t.Error("it opens for another list")
	}
	if _, err := request.OpenCursor([]byte("another"), "scope", cursor); err == nil {
		t.Error("it opens with another key")
	}
}
