package request_test

import (
	"bytes"
	stdjson "encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"github.com/claimsmith/claimsmith/handlers/request"
)

type address struct {
	City string `json:"city"`
}

type putUser struct {
	Name    string                    `json:"name"`
	Active  bool                      `json:"active"`
	Age     int64                     `json:"age"`
	Tags    []string                  `json:"tags"`
	Born    time.Time                 `json:"born"`
	Home    address                   `json:"home"`
	Nick    *string                   `json:"nick"`
	Value   jsontext.Value            `json:"value"`
	Entries map[string]jsontext.Value `json:"entries"`
}

func post(contentType, body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	return r
}

func decode(body string) (putUser, error) {
	return request.DecodeJSON[putUser](post("application/json", body), 1<<20)
}

func TestDecodeJSONReadsExactly(t *testing.T) {
	got, err := decode(`{"name":"jane","active":true,"age":-7,"tags":["a"],"born":"2026-01-02T03:04:05Z","home":{"city":"Århus"},
		"nick":null,"value":9007199254740993.10,"entries":{"a":[],"Name":null}} ` + "\n")
	if err != nil {
		t.Fatal(err)
	}
	want := putUser{
		Name: "jane", Active: true, Age: -7, Tags: []string{"a"}, Born: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Home: address{"Århus"}, Value: jsontext.Value("9007199254740993.10"),
		Entries: map[string]jsontext.Value{"a": jsontext.Value("[]"), "Name": jsontext.Value("null")},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestDecodeJSONTellsAbsentFromNull(t *testing.T) {
	absent, err := decode(`{}`)
	if err != nil || absent.Value != nil || absent.Nick != nil {
		t.Errorf("absent: %+v, %v", absent, err)
	}
	null, err := decode(`{"value":null,"nick":null}`)
	if err != nil || string(null.Value) != "null" || null.Nick != nil {
		t.Errorf("null: %+v, %v", null, err)
	}
}

// Rows I-04, M-05, M-06 and D-04 of the acceptance table.
func TestDecodeJSONRefuses(t *testing.T) {
	nested := func(n int) string { return `{"value":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}` }
	many := func(n int) string { // distinct members of one object
		var b strings.Builder
		b.WriteString(`{"entries":{`)
		for i := range n {
			if i > 0 {
				b.WriteByte(',')
			}
			name, _ := stdjson.Marshal("k" + strings.Repeat("x", i%7) + time.Duration(i).String())
			b.Write(name)
			b.WriteString(`:1`)
		}
		b.WriteString(`}}`)
		return b.String()
	}
	tests := []struct {
		name, body, field, detail string
	}{
		{"an empty body", "", "", "empty"},
		{"white space alone", " \n\t ", "", "empty"},
		{"a lone null", " null ", "", "must not be null"},
		{"a byte order mark", "\ufeff{}", "", "byte order mark"},
		{"text after the value", `{"name":"x"} trailing`, "", "nothing after"},
		{"a second value", `{"name":"x"}{}`, "", "nothing after"},
		{"XML", `<Upd><name>x</name></Upd>`, "", "not valid JSON at byte 0"},
		{"an array", `[]`, "", "expected an object"},
		{"a truncated body", `{"name":"x`, "/name", "ends early"},
		{"a member in another case", `{"Name":"x"}`, "/Name", "unknown member; allowed here: name, active, age, tags, born, home, nick, value, entries"},
		{"a member with a long s", `{"tag\u017f":[]}`, "/tagſ", "unknown member"},
		{"an unknown member", `{"home":{"city":"x","zip":1}}`, "/home/zip", "unknown member; allowed here: city"},
		{"a duplicate", `{"name":"x","name":"y"}`, "/name", "more than once"},
		{"an escaped duplicate", `{"name":"x","\u006eame":"y"}`, "/name", "more than once"},
		{"a duplicate inside a free value", `{"value":[{"a":1,"a":2}]}`, "/value/0/a", "more than once"},
		{"a duplicate in a map", `{"entries":{"a":1,"\u0061":2}}`, "/entries/a", "more than once"},
		{"invalid UTF-8", "{\"name\":\"\xff\"}", "", "UTF-8"},
		{"an overlong encoding", "{\"name\":\"\xc0\xaf\"}", "", "UTF-8"},
		{"a lone surrogate", `{"value":"\ud800"}`, "/value", "not valid JSON"},
		{"a lone surrogate in a name", `{"entries":{"\udc00":1}}`, "/entries", "not valid JSON"},
		{"null for a string", `{"name":null}`, "/name", "must not be null; expected a string"},
		{"null for a list", `{"tags":null}`, "/tags", "must not be null; expected an array"},
		{"null in a list", `{"tags":["a",null]}`, "/tags/1", "must not be null"},
		{"null for an object", `{"home":null}`, "/home", "must not be null; expected an object"},
		{"a number for a string", `{"name":7}`, "/name", "expected a string"},
		{"a string for a boolean", `{"active":"true"}`, "/active", "expected true or false"},
		{"a fraction", `{"age":1.5}`, "/age", "expected an integer of 64 bits"},
		{"an exponent", `{"age":1e2}`, "/age", "expected an integer"},
		{"an overflow", `{"age":9223372036854775808}`, "/age", "expected an integer"},
		{"a time that is none", `{"born":"yesterday"}`, "/born", "RFC 3339"},
		{"a leading zero", `{"value":01}`, "", "not valid JSON"},
		{"NaN", `{"value":NaN}`, "/value", "not valid JSON"},
		{"a comment", `{"name":"x"/**/}`, "", "not valid JSON"},
		{"too deep", nested(request.MaxDepth), "", "levels deep"},
		{"far too deep", nested(100_000), "", "levels deep"},
		{"too many members", many(1001), "/entries", "1000 members"},
		{"too many elements", `{"value":[` + strings.Repeat("{},", 100_000) + `{}]}`, "/value", "10000 elements"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			start := time.Now()
			got, err := decode(test.body)
			if elapsed := time.Since(start); elapsed > time.Second {
				t.Errorf("took %v", elapsed)
			}
			failure, ok := errors.AsType[*request.Error](err)
			if !ok {
				t.Fatalf("err = %v", err)
			}
			if failure.Code != request.Malformed || !strings.Contains(failure.Detail, test.detail) {
				t.Errorf("got %q %q, want detail %q", failure.Code, failure.Detail, test.detail)
			}
			if test.field != "" && failure.Field != test.field {
				t.Errorf("field %q, want %q", failure.Field, test.field)
			}
			if diff := cmp.Diff(putUser{}, got); diff != "" {
				t.Errorf("a value came with the error: %s", diff)
			}
		})
	}
	for name, body := range map[string]string{"depth": nested(request.MaxDepth - 1), "members": many(1000)} {
		if _, err := decode(body); err != nil {
			t.Errorf("%s at the limit: %v", name, err)
		}
	}
}

func TestDecodeJSONNeverEchoesValues(t *testing.T) {
	const secret = "c4nary"
	for _, body := range []string{
		`{"age":"` + secret + `"}`, `{"born":"` + secret + `"}`, `{"name":"` + secret, `{"name":` + secret + `}`,
		`{"active":"` + secret + `"}`, `{"name":"` + secret + `"} ` + secret, `"` + secret + `"`, secret,
	} {
		if _, err := decode(body); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", body, err)
		}
	}
	_, err := decode(`{"` + strings.Repeat("é", 5000) + `":1}`)
	if failure, ok := errors.AsType[*request.Error](err); !ok || len(failure.Field) > 210 {
		t.Errorf("a long name came back: %v", err)
	}
}

func TestDecodeJSONMediaType(t *testing.T) {
	for contentType, want := range map[string]request.Code{
		"application/json":                         "",
		"Application/JSON; charset=UTF-8":          "",
		"application/json;charset=\"utf-8\"":       "",
		"application/json; charset=utf-16":         request.UnsupportedMediaType,
		"application/json; charset=utf-8; q=1":     request.UnsupportedMediaType,
		"text/plain":                               request.UnsupportedMediaType,
		"application/xml":                          request.UnsupportedMediaType,
		"application/x-www-form-urlencoded":        request.UnsupportedMediaType,
		"multipart/form-data; boundary=x":          request.UnsupportedMediaType,
		"application/merge-patch+json":             request.UnsupportedMediaType,
		"application/json, application/json":       request.UnsupportedMediaType,
		"application/jsonx":                        request.UnsupportedMediaType,
		"":                                         request.UnsupportedMediaType,
		"application/json; charset=utf-8; charset": request.UnsupportedMediaType,
	} {
		_, err := request.DecodeJSON[address](post(contentType, `{}`), 100)
		if got := codeOf(err); got != want {
			t.Errorf("%q: %q, want %q", contentType, got, want)
		}
	}

	if _, err := request.DecodeJSON[address](post("application/merge-patch+json", `{}`), 100, "application/merge-patch+json"); err != nil {
		t.Errorf("the wanted type: %v", err)
	}
	if _, err := request.DecodeJSON[address](post("application/json", `{}`), 100, "application/merge-patch+json"); codeOf(err) != request.UnsupportedMediaType {
		t.Errorf("another than the wanted type: %v", err)
	}

	twice := post("application/json", `{}`)
	twice.Header.Add("Content-Type", "application/json")
	if _, err := request.DecodeJSON[address](twice, 100); codeOf(err) != request.UnsupportedMediaType {
		t.Errorf("two headers: %v", err)
	}
	packed := post("application/json", `{}`)
	packed.Header.Set("Content-Encoding", "gzip")
	if _, err := request.DecodeJSON[address](packed, 100); codeOf(err) != request.UnsupportedMediaType {
		t.Errorf("an encoded body: %v", err)
	}
}

// Row D-02: the limit holds for a declared length and for a chunked body, which is not read further than the limit.
func TestDecodeJSONLimit(t *testing.T) {
	const limit = 64
	exact := `{"city":"` + strings.Repeat("x", limit-11) + `"}`
	for _, chunked := range []bool{false, true} {
		for _, test := range []struct {
			body string
			want request.Code
		}{{exact, ""}, {exact + " ", request.TooLarge}} {
			r := post("application/json", test.body)
			if chunked {
				r.ContentLength = -1
			}
			if _, err := request.DecodeJSON[address](r, limit); codeOf(err) != test.want {
				t.Errorf("%d bytes, chunked %v: %v", len(test.body), chunked, err)
			}
		}
	}

	endless := &counter{}
	r := httptest.NewRequest(http.MethodPost, "/", endless)
	r.Header.Set("Content-Type", "application/json")
	r.ContentLength = -1
	if _, err := request.DecodeJSON[address](r, limit); codeOf(err) != request.TooLarge || endless.read > 4<<10 {
		t.Errorf("endless body: %v after %d bytes", err, endless.read)
	}

	declared := post("application/json", "")
	declared.Body, declared.ContentLength = io.NopCloser(failing{}), limit+1
	if _, err := request.DecodeJSON[address](declared, limit); codeOf(err) != request.TooLarge {
		t.Errorf("a declared length over the limit was read: %v", err)
	}

	bounded := post("application/json", exact)
	bounded.ContentLength = -1
	bounded.Body = http.MaxBytesReader(httptest.NewRecorder(), bounded.Body, 10)
	if _, err := request.DecodeJSON[address](bounded, limit); codeOf(err) != request.TooLarge {
		t.Errorf("behind a smaller overall bound: %v", err)
	}

	broken := post("application/json", exact)
	broken.Body = io.NopCloser(io.MultiReader(strings.NewReader(`{}`), failing{}))
	if _, err := request.DecodeJSON[address](broken, limit); codeOf(err) != request.Malformed {
		t.Errorf("a connection that breaks: %v", err)
	}
}

func TestDecodeJSONKeepsUnknownMembersWhereAsked(t *testing.T) {
	type lenient struct {
		Name string                    `json:"name"`
		Rest map[string]jsontext.Value `json:",embed"`
	}
	got, err := request.DecodeJSON[lenient](post("application/json", `{"Name":"x","extra":{"a":1.0}}`), 100)
	if err != nil || got.Name != "" || string(got.Rest["extra"]) != `{"a":1.0}` || string(got.Rest["Name"]) != `"x"` {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestDecodeJSONRefusesTypesThatLoseDigits(t *testing.T) {
	if _, err := request.DecodeJSON[struct{ N float64 }](post("application/json", `{"N":1}`), 100); err == nil || codeOf(err) != "" {
		t.Errorf("float64: %v", err)
	}
	if _, err := request.DecodeJSON[struct{ N any }](post("application/json", `{"N":1}`), 100); err == nil || codeOf(err) != "" {
		t.Errorf("any: %v", err)
	}
}

type counter struct{ read int }

func (c *counter) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	c.read += len(p)
	return len(p), nil
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func codeOf(err error) request.Code {
	if failure, ok := errors.AsType[*request.Error](err); ok {
		return failure.Code
	}
	return ""
}

func FuzzDecodeJSON(f *testing.F) {
	for _, seed := range []string{
		`{"name":"jane","value":9007199254740993,"entries":{"a":[],"b":null}}`, `{"name":"x","\u006eame":"y"}`, `{"value":{"a":1,"a":2}}`,
		`{"tags":["\ud83d\ude00"]}`, `{"value":"\ud800"}`, "\ufeff{}", `null`, `{} {}`, `{"Name":1}`, `{"age":1e2}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := decode(string(body))
		if err != nil {
			if codeOf(err) == "" {
				t.Fatalf("not a request error: %v", err)
			}
			if diff := cmp.Diff(putUser{}, got); diff != "" {
				t.Fatalf("a value came with the error: %s", diff)
			}
			return
		}
		again, err := json.Marshal(got)
		if err != nil {
			t.Fatalf("encode what was accepted: %v", err)
		}
		if _, err := decode(string(again)); err != nil {
			t.Fatalf("read again %s: %v", again, err)
		}
		if name, twice := duplicate(body); twice {
			t.Fatalf("accepted %q twice: %s", name, body)
		}
	})
}

// duplicate finds a member that encoding/json reads twice in one object.
func duplicate(body []byte) (string, bool) {
	decoder := stdjson.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	type frame struct {
		names map[string]bool // nil for an array
		value bool            // a value is next, not a name
	}
	var stack []frame
	for {
		token, err := decoder.Token()
		if err != nil {
			return "", false
		}
		top := len(stack) - 1
		if name, ok := token.(string); ok && top >= 0 && stack[top].names != nil && !stack[top].value {
			if stack[top].names[name] {
				return name, true
			}
			stack[top].names[name], stack[top].value = true, true
			continue
		}
		if top >= 0 {
			stack[top].value = false
		}
		switch token {
		case stdjson.Delim('{'):
			stack = append(stack, frame{names: map[string]bool{}})
		case stdjson.Delim('['):
			stack = append(stack, frame{})
		case stdjson.Delim('}'), stdjson.Delim(']'):
			stack = stack[:top]
		}
	}
}

func BenchmarkDecodeJSON(b *testing.B) {
	const body = `{"name":"jane","active":true,"age":41,"tags":["a","b"],"value":{"theme":"dark","sizes":[1,2,3]}}`
	b.ReportAllocs()
	for b.Loop() {
		if _, err := decode(body); err != nil {
			b.Fatal(err)
		}
	}
}

// A member that may be missing is told from one that is there, and from null, which it is not.
func TestMaybe(t *testing.T) {
	type body struct {
		Marks []struct {
			Mark request.Maybe[bool] `json:"mark"`
		} `json:"marks"`
	}
	read := func(text string) (body, error) {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(text))
		r.Header.Set("Content-Type", "application/json")
		return request.DecodeJSON[body](r, 1000)
	}
	got, err := read(`{"marks":[{},{"mark":false},{"mark":true}]}`)
	if err != nil {
		t.Fatal(err)
	}
	for n, want := range []request.Maybe[bool]{{}, {Given: true}, {Value: true, Given: true}} {
		if got.Marks[n].Mark != want {
			t.Errorf("mark %d is %+v, not %+v", n, got.Marks[n].Mark, want)
		}
	}
	for value, want := range map[string]string{
		`null`: "must not be null; expected true or false", `"true"`: "expected true or false", `1`: "expected true or false",
	} {
		_, err := read(`{"marks":[{},{"mark":` + value + `}]}`)
		var fault *request.Error
		if !errors.As(err, &fault) || fault.Field != "/marks/1/mark" || fault.Detail != want {
			t.Errorf("%s: %v", value, err)
		}
	}
}
