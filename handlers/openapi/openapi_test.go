package openapi_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"
	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/handlers"
	"github.com/claimsmith/claimsmith/handlers/console"
	"github.com/claimsmith/claimsmith/handlers/iblai"
	"github.com/claimsmith/claimsmith/handlers/native"
	"github.com/claimsmith/claimsmith/handlers/oidc"
	"github.com/claimsmith/claimsmith/handlers/openapi"
	"github.com/claimsmith/claimsmith/handlers/sentinel"
	"github.com/claimsmith/claimsmith/handlers/zitadel"
)

const issuer = "http://127.0.0.1:8080/id"

func load(t *testing.T, name string) *openapi3.T {
	t.Helper()
	text, err := openapi.Document(issuer, name)
	if err != nil {
		t.Fatal(err)
	}
	document, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		t.Fatal(err)
	}
	return document
}

// each is every document, with the dialects it describes.
var each = map[string][]handlers.Dialect{
	openapi.Own: {new(native.Dialect), new(oidc.Dialect), new(console.Dialect), new(openapi.Dialect)},
	"iblai":     {new(iblai.Dialect)},
	"sentinel":  {new(sentinel.Dialect)},
	"zitadel":   {new(zitadel.Dialect)},
}

// Everything that is served is described, and everything that is described is served.
func TestDocumentHasEveryRoute(t *testing.T) {
	for name, dialects := range each {
		var mounted []string
		if name == openapi.Own {
			mounted = []string{"GET /", "GET /healthz", "GET /readyz"} // of package handlers itself
		}
		e := echo.New()
		for _, d := range dialects {
			d.Mount(e)
		}
		parameter := regexp.MustCompile(`:(\w+)`)
		for _, route := range e.Routes() {
			if !strings.HasPrefix(route.Path, "/docs") && !isRPC(route.Path) {
				mounted = append(mounted, route.Method+" "+parameter.ReplaceAllString(route.Path, "{$1}"))
			}
		}
		var described []string
		for path, item := range load(t, name).Paths.Map() {
			for method := range item.Operations() {
				described = append(described, method+" "+path)
			}
		}
		slices.Sort(mounted)
		slices.Sort(described)
		if diff := cmp.Diff(mounted, described); diff != "" {
			t.Errorf("%s: routes (-mounted +described):\n%s", name, diff)
		}
	}
}

// isRPC reports whether a path is that of a method of gRPC, which has its own description.
func isRPC(path string) bool { return strings.HasPrefix(path, "/zitadel.") }

func TestDocumentsAreValid(t *testing.T) {
	for name, dialects := range each {
		document := load(t, name)
		if err := document.Validate(context.Background()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		text, err := openapi.Document(issuer, name)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(text, []byte("id.example.com")) || !bytes.Contains(text, []byte(`"url":"`+issuer+`"`)) {
			t.Errorf("%s: the issuer is not filled in", name)
		}
		if bytes.Contains(text, []byte(":null")) {
			t.Errorf("%s: a member has no value: a text with a comma must be in quotes", name)
		}
		if name == openapi.Own {
			continue
		}
		prefixes := document.Extensions["x-prefixes"].([]any)
		for _, prefix := range dialects[0].Prefixes() {
			if !isRPC(prefix) && !slices.Contains(prefixes, any(prefix)) {
				t.Errorf("%s: x-prefixes is %v, without %s", name, prefixes, prefix)
			}
		}
		for path, item := range document.Paths.Map() {
			if same, ok := item.Extensions["x-same-as"]; ok && document.Paths.Value(same.(string)) == nil {
				t.Errorf("%s: %s is the same as %s, which there is not", name, path, same)
			}
		}
	}
	text, err := openapi.Document(issuer, openapi.Own)
	if err != nil {
		t.Fatal(err)
	}
	if before, after := bytes.Index(text, []byte(`"/login":`)), bytes.Index(text, []byte(`"/api/user":`)); before < 0 || before > after {
		t.Error("the order of the source is lost")
	}
}

// newServer serves the description of a server with these dialects of other systems.
func newServer(t *testing.T, dialects ...string) http.Handler {
	t.Helper()
	s, err := handlers.New(handlers.Config{
		Logger: slog.New(slog.NewTextHandler(t.Output(), nil)), Now: time.Now,
		Dialects: []handlers.Dialect{&openapi.Dialect{Issuer: issuer, Dialects: dialects}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// get sends a request with headers given as pairs.
func get(s http.Handler, target string, headers ...string) *http.Response {
	r := httptest.NewRequest(http.MethodGet, target, nil)
	for n := 0; n < len(headers); n += 2 {
		r.Header.Set(headers[n], headers[n+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, r io.Reader) string {
	t.Helper()
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The own document names the others, and what it says otherwise is the source.
func TestDocumentIsServed(t *testing.T) {
	text, err := openapi.Document(issuer, openapi.Own)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		dialects []string
		named    string
	}{
		{nil, `[]`},
		{[]string{"iblai", "zitadel"}, `[{"name":"iblai","url":"` + issuer + `/openapi/iblai.json"},` +
			`{"name":"zitadel","url":"` + issuer + `/openapi/zitadel.json"}]`},
	} {
		answer := get(newServer(t, test.dialects...), "/openapi.json")
		if answer.StatusCode != 200 || answer.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%v", answer)
		}
		if got := body(t, answer.Body); got != `{"x-documents":`+test.named+`,`+string(text[1:]) {
			t.Errorf("%v: %.300s", test.dialects, got)
		}
	}
}

func TestDocumentsOfDialectsAreServed(t *testing.T) {
	s := newServer(t, "iblai", "zitadel")
	for _, name := range []string{"iblai", "zitadel"} {
		text, err := openapi.Document(issuer, name)
		if err != nil {
			t.Fatal(err)
		}
		answer := get(s, "/openapi/"+name+".json")
		if answer.StatusCode != 200 || answer.Header.Get("Content-Type") != "application/json" || body(t, answer.Body) != string(text) {
			t.Errorf("%s: %v", name, answer)
		}
	}
	for _, target := range []string{"/openapi/sentinel.json", "/openapi/openapi.json", "/openapi/", "/openapi", "/openapi/iblai.yaml", "/openapi/iblai"} {
		if answer := get(s, target); answer.StatusCode != 404 {
			t.Errorf("%s: %v", target, answer)
		}
	}
}

func TestWhatIsKnownIsNotSentAgain(t *testing.T) {
	s := newServer(t)
	for _, target := range []string{"/openapi.json", "/docs/", "/docs/swagger-ui-bundle.js"} {
		tag := get(s, target).Header.Get("ETag")
		again := get(s, target, "If-None-Match", tag)
		if again.StatusCode != 304 || again.Header.Get("ETag") != tag || again.Header.Get("Cache-Control") != "no-cache" {
			t.Errorf("%s: %v", target, again)
		}
		if other := get(s, target, "If-None-Match", `"1"`); other.StatusCode != 200 {
			t.Errorf("%s: %v", target, other)
		}
		refused := get(s, target, "If-None-Match", "1", "Accept-Encoding", "gzip")
		if refused.StatusCode != 400 || refused.Header.Get("Content-Encoding") != "" || refused.Header.Get("ETag") != "" {
			t.Errorf("%s: %v", target, refused)
		}
	}
	if get(s, "/docs/swagger-ui.css").Header.Get("ETag") == get(s, "/docs/swagger-ui.css", "Accept-Encoding", "gzip").Header.Get("ETag") {
		t.Error("two representations have one tag")
	}
}

func TestPageLoadsWhatIsServed(t *testing.T) {
	s := newServer(t)
	moved := get(s, "/docs")
	if moved.StatusCode != 308 || moved.Header.Get("Location") != "docs/" {
		t.Errorf("%v", moved)
	}
	page := get(s, "/docs/")
	html := body(t, page.Body)
	if page.StatusCode != 200 || page.Header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Errorf("%v", page)
	}
	policy := page.Header.Get("Content-Security-Policy")
	if !strings.Contains(policy, "default-src 'none'; script-src 'self'; style-src 'self';") || strings.Contains(policy, "unsafe") {
		t.Errorf("policy %q", policy)
	}
	if strings.Contains(html, "//") || regexp.MustCompile(`<script[^>]*>[^<]|<style|style=| on\w+=`).MatchString(html) {
		t.Errorf("the page loads from elsewhere or has inline code:\n%s", html)
	}
	types := map[string]string{
		".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".png": "image/png",
	}
	loaded := regexp.MustCompile(`<(?:link|script)[^>]* (?:href|src)="([^"]*)"`).FindAllStringSubmatch(html, -1)
	if len(loaded) != 4 {
		t.Errorf("the page loads %v", loaded)
	}
	for _, match := range loaded {
		answer := get(s, "/docs/"+match[1])
		want := types[match[1][strings.LastIndexByte(match[1], '.'):]]
		if answer.StatusCode != 200 || answer.Header.Get("Content-Type") != want || answer.Header.Get("Cache-Control") != "no-cache" {
			t.Errorf("%s: %v", match[1], answer)
		}
	}
	for _, target := range []string{
		"/docs/index.html", "/docs/swagger-ui.js", "/docs/swagger-ui-bundle.js.gz", "/docs/page/start.js", "/docs/..%2Fopenapi.yaml", "/openapi.yaml",
	} {
		if answer := get(s, target); answer.StatusCode != 404 || answer.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %v", target, answer)
		}
	}
}

func TestCompression(t *testing.T) {
	s := newServer(t)
	plain := body(t, get(s, "/docs/swagger-ui.css").Body)
	if !strings.Contains(plain, ".swagger-ui") {
		t.Fatalf("%.100q", plain)
	}
	for accepted, compressed := range map[string]bool{
		"gzip": true, "gzip, deflate, br": true, "br, GZIP;q=0.1": true, "gzip;q=0": false, "gzip; q=0.000": false, "br": false, "": false, "*": false,
	} {
		answer := get(s, "/docs/swagger-ui.css", "Accept-Encoding", accepted)
		var text io.Reader = answer.Body
		if compressed {
			reader, err := gzip.NewReader(answer.Body)
			if err != nil {
				t.Errorf("%q: %v", accepted, err)
				continue
			}
			text = reader
		}
		if (answer.Header.Get("Content-Encoding") == "gzip") != compressed || answer.Header.Get("Vary") != "Accept-Encoding" || body(t, text) != plain {
			t.Errorf("%q: %v", accepted, answer)
		}
	}
}
