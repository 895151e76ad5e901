package e2e

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/claimsmith/claimsmith/handlers/openapi/openapitest"
)

// transcript is a file of testdata. Its format is testdata/README.md.
type transcript struct {
	path  string
	lines []string
	// known are the values of placeholders.
	known map[string]string
	// standing are the headers of the * lines read so far.
	standing http.Header
	// kinds are those of placeholders that were just learned, to be written down with them.
	kinds   map[string]string
	changed bool
}

// exchange is one request of a transcript with the answer it expects.
type exchange struct {
	line     int // of the request line, from 1
	request  []string
	response []string
	// first and end are the indexes of the response's lines in the file.
	first, end int
}

func readTranscript(t *testing.T, name string, known map[string]string) *transcript {
	t.Helper()
	path := filepath.Join("testdata", name)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return &transcript{path: path, lines: strings.Split(string(text), "\n"), known: maps.Clone(known),
		standing: http.Header{}, kinds: map[string]string{}}
}

// play sends every request to a server, in order, and compares what comes back.
//
// Each answer must also be one that the OpenAPI document describes.
func (tr *transcript) play(t *testing.T, url string) {
	var written []string
	kept := 0
	for n := 0; n < len(tr.lines); n++ {
		if header, ok := strings.CutPrefix(tr.lines[n], "* "); ok {
			name, value, _ := strings.Cut(header, ": ")
			tr.standing.Set(name, value)
		}
		if !strings.HasPrefix(tr.lines[n], ">") {
			continue
		}
		x := tr.exchangeAt(n)
		actual, fault := tr.try(t, url, x)
		if fault != "" && *update {
			tr.learn(x, actual)
			written = append(append(written, tr.lines[kept:x.first]...), tr.describe(actual)...)
			kept, tr.changed = x.end, true
		} else if fault != "" {
			t.Errorf("%s:%d: %s\n%s", tr.path, x.line, fault, strings.Join(tr.lines[n:x.end], "\n"))
		}
		for name := range tr.known {
			if strings.HasPrefix(name, "_") {
				delete(tr.known, name)
			}
		}
		n = x.end - 1
	}
	if tr.changed {
		text := strings.Join(append(written, tr.lines[kept:]...), "\n")
		if err := os.WriteFile(tr.path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func (tr *transcript) exchangeAt(n int) exchange {
	x := exchange{line: n + 1}
	take := func(mark string) (lines []string) {
		for ; n < len(tr.lines) && strings.HasPrefix(tr.lines[n], mark); n++ {
			lines = append(lines, strings.TrimPrefix(strings.TrimPrefix(tr.lines[n], mark), " "))
		}
		return lines
	}
	x.request = take(">")
	x.first = n
	x.response = take("<")
	x.end = n
	return x
}

// message is a request or a response.
type message struct {
	start  string // the request line, or the status
	header http.Header
	body   string
}

func parseMessage(lines []string) message {
	m := message{header: http.Header{}}
	for n := 0; n < len(lines); n++ {
		if lines[n] == "" {
			if m.body = join(lines[n+1:]); m.header.Get("Content-Type") == ndjson {
				m.body = joinValues(lines[n+1:])
			}
			break
		}
		first := n
		for n+1 < len(lines) && strings.HasPrefix(lines[n+1], " ") {
			n++
		}
		line := join(lines[first : n+1])
		if first == 0 {
			m.start = line
			continue
		}
		name, value, _ := strings.Cut(line, ": ")
		m.header.Add(name, value)
	}
	return m
}

// join undoes the line breaks of a body.
func join(lines []string) string {
	var text strings.Builder
	for _, line := range lines {
		text.WriteString(strings.TrimLeft(line, " "))
	}
	return text.String()
}

// ndjson is the media type of bodies of one JSON value a line.
const ndjson = "application/x-ndjson"

// joinValues undoes the line breaks within the values of such a body, and ends each value with one.
func joinValues(lines []string) string {
	var text strings.Builder
	for n, line := range lines {
		if n > 0 && !strings.HasPrefix(line, " ") {
			text.WriteByte('\n')
		}
		text.WriteString(strings.TrimLeft(line, " "))
	}
	return text.String() + "\n"
}

// try makes one exchange. fault is "" when the answer is the one expected.
func (tr *transcript) try(t *testing.T, base string, x exchange) (actual message, fault string) {
	request := parseMessage(x.request)
	actual, err := tr.send(t, base, request)
	if err != nil {
		return actual, err.Error()
	}
	if isDecode(request.start) {
		return actual, tr.match(join(x.response), actual.body)
	}
	wanted := parseMessage(x.response)
	if fault := tr.match(wanted.start, actual.start); fault != "" {
		return actual, "status: " + fault + "\n" + actual.body
	}
	for name, standing := range tr.standing {
		if wanted.header[name] == nil {
			wanted.header[name] = standing
		}
	}
	for _, name := range slices.Sorted(maps.Keys(wanted.header)) {
		want, got := strings.Join(wanted.header[name], "\n"), strings.Join(actual.header[name], "\n")
		if want == "-" {
			want = ""
		}
		if fault := tr.match(want, got); fault != "" {
			return actual, name + ": " + fault
		}
	}
	for name := range actual.header {
		if wanted.header[name] == nil {
			return actual, fmt.Sprintf("%s: %q is not expected", name, actual.header[name])
		}
	}
	if fault := tr.match(wanted.body, actual.body); fault != "" {
		return actual, "body: " + fault
	}
	return actual, ""
}

// send sends a request as it is written, and returns what came back.
func (tr *transcript) send(t *testing.T, base string, m message) (message, error) {
	method, target, _ := strings.Cut(tr.fill(m.start), " ")
	if isDecode(m.start) {
		return decode(target)
	}
	request := httptest.NewRequest(method, base+"/", strings.NewReader(tr.fill(m.body)))
	request.Header.Set("User-Agent", "transcript")
	for name, values := range m.header {
		request.Header.Del(name)
		for _, value := range values {
			value = tr.fill(value)
			if pair, ok := strings.CutPrefix(value, "Basic "); ok && strings.Contains(pair, ":") {
				value = "Basic " + base64.StdEncoding.EncodeToString([]byte(pair))
			}
			request.Header.Add(name, value)
		}
	}
	var failure error
	exchange := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		failure = forward(w, r, target)
	}))
	if address, err := url.Parse(base + target); err == nil && method != http.MethodHead { // whose body is not described
		request.URL = address
		exchange = openapitest.Handler(t, tr.known["issuer"], exchange)
	}
	recorder := httptest.NewRecorder()
	exchange.ServeHTTP(recorder, request)
	return message{start: strconv.Itoa(recorder.Code), header: recorder.Header(), body: recorder.Body.String()}, failure
}

// asItCame adds nothing to requests and decompresses no answer.
var asItCame = &http.Transport{DisableCompression: true}

// forward sends a request with its target as it is, whatever it is, and answers what comes back.
func forward(w http.ResponseWriter, r *http.Request, target string) error {
	body, err := io.ReadAll(r.Body) // now: an answer may come before it is all sent
	if err != nil {
		return err
	}
	r.RequestURI, r.Close = "", false
	r.Body = io.NopCloser(bytes.NewReader(body))
	path, query, hasQuery := strings.Cut(target, "?")
	r.URL = &url.URL{Scheme: "http", Host: r.Host, Opaque: path, RawQuery: query, ForceQuery: hasQuery && query == ""}
	if len(body) == 0 {
		r.Body = http.NoBody
	}
	response, err := asItCame.RoundTrip(r)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	response.Header.Del("Date")
	response.Header.Del("Content-Length")
	if response.Close {
		response.Header.Set("Connection", "close")
	}
	maps.Copy(w.Header(), response.Header)
	w.WriteHeader(response.StatusCode)
	_, err = io.Copy(w, response.Body)
	return err
}

func isDecode(start string) bool { return strings.HasPrefix(start, "DECODE ") }

// decode shows the header and the payload of a JWT.
func decode(token string) (message, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return message{}, fmt.Errorf("%q is not a JWT", token)
	}
	header, err := base64.RawURLEncoding.DecodeString(parts[0])
	if err != nil {
		return message{}, err
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	return message{body: string(header) + "." + string(payload)}, err
}

var (
	placeholder = regexp.MustCompile(`\{\{([A-Za-z_][A-Za-z0-9_]*)(?::(time|seconds|any|new))?\}\}`)
	repetition  = regexp.MustCompile(`\{\{(\d+)\*([^}]+)\}\}`)
	oneTime     = regexp.MustCompile(`\{\{otp\(([a-z_]+)\)\}\}`)
	rawByte     = regexp.MustCompile(`\{\{0x([0-9a-f]{2})\}\}`)
)

// fill puts values for what stands in a request.
func (tr *transcript) fill(text string) string {
	text = placeholder.ReplaceAllStringFunc(text, func(p string) string {
		if value, ok := tr.known[placeholder.FindStringSubmatch(p)[1]]; ok {
			return value
		}
		return p
	})
	text = oneTime.ReplaceAllStringFunc(text, func(p string) string {
		key := strings.ReplaceAll(tr.known[oneTime.FindStringSubmatch(p)[1]], " ", "")
		code, err := totp.GenerateCode(key, time.Now())
		if err != nil {
			return p
		}
		return code
	})
	text = repetition.ReplaceAllStringFunc(text, func(p string) string {
		parts := repetition.FindStringSubmatch(p)
		count, _ := strconv.Atoi(parts[1]) // digits
		return strings.Repeat(parts[2], count)
	})
	return rawByte.ReplaceAllStringFunc(text, func(p string) string {
		value, _ := strconv.ParseUint(rawByte.FindStringSubmatch(p)[1], 16, 8) // two hexadecimal digits
		return string([]byte{byte(value)})
	})
}

// kinds are what a placeholder of each kind can stand for.
var kinds = map[string]string{
	"": `([A-Za-z0-9_.~+/=-]+)`, "time": `(\d{4}-\d\d-\d\dT[0-9:.]+Z)`, "seconds": `(\d+)`, "any": `((?s:.+?))`,
	"new": `([A-Za-z0-9_.~+/=-]+)`,
}

// match compares a text with what was expected, and takes over the placeholders it finds.
func (tr *transcript) match(want, got string) (fault string) {
	pattern, names, last := "", [][]string(nil), 0
	kindOf := map[string]string{}
	literal := regexp.QuoteMeta
	if strings.HasPrefix(got, page) {
		literal = func(s string) string { return strings.ReplaceAll(regexp.QuoteMeta(s), "…", ".*?") }
	}
	for _, at := range placeholder.FindAllStringSubmatchIndex(want, -1) {
		found := placeholder.FindStringSubmatch(want[at[0]:at[1]])
		pattern += literal(want[last:at[0]])
		if value, ok := tr.known[found[1]]; ok && found[2] != "new" && kindOf[found[1]] == "" {
			pattern += regexp.QuoteMeta(value)
		} else {
			if found[2] != "" {
				kindOf[found[1]] = found[2]
			}
			pattern += kinds[kindOf[found[1]]]
			names = append(names, found)
		}
		last = at[1]
	}
	values := regexp.MustCompile(`^(?s:` + pattern + literal(want[last:]) + `)$`).FindStringSubmatch(got)
	if values == nil {
		return fmt.Sprintf("got\n%s\nwant\n%s", shorten(got), shorten(tr.fill(want)))
	}
	taken := map[string]string{}
	for n, found := range names {
		name, kind, value := found[1], found[2], values[n+1]
		if before, ok := taken[name]; ok && before != value {
			return fmt.Sprintf("{{%s}} is both %q and %q", name, before, value)
		}
		if (kind == "time" || kind == "seconds") && !isNow(kind, value) {
			return fmt.Sprintf("{{%s}} is %q, not a moment near now", name, value)
		}
		taken[name] = value
	}
	maps.Copy(tr.known, taken)
	return ""
}

// page is how one begins that is for people. Of those the transcripts show what matters to a program, with … for the rest.
const page = "<!DOCTYPE html>"

func isNow(kind, value string) bool {
	now := time.Now()
	if kind == "time" {
		at, err := time.Parse(time.RFC3339Nano, value)
		return err == nil && strings.HasSuffix(value, "Z") && at.Sub(now).Abs() < time.Minute
	}
	at, err := strconv.ParseInt(value, 10, 64)
	return err == nil && time.Unix(at, 0).Sub(now).Abs() < time.Hour
}

func shorten(s string) string {
	const most = 4000
	if len(s) <= most {
		return s
	}
	return s[:most] + fmt.Sprintf("… (%d bytes)", len(s))
}
