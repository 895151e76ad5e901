// Package openapitest holds what a server answers to the OpenAPI document it serves, so that the document cannot say anything
// else than the handlers do. It is for tests alone.
package openapitest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"

	"github.com/claimsmith/claimsmith/handlers/openapi"
)

// Handler returns a handler that answers as next does, and fails t for every answer that the document for the issuer does not
// describe: its status, headers, media type and body. What brought about a success must be described too: a request the document
// does not know is a fault of the document. It is safe for concurrent use.
func Handler(t testing.TB, issuer string, next http.Handler) http.Handler {
	t.Helper()
	c, err := load(issuer)
	if err != nil {
		t.Fatalf("the OpenAPI document is not valid: %v", err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		exchanged := exchange{request: r, response: httptest.NewRecorder()}
		inner := r.Clone(r.Context())
		if r.Body != nil && r.Body != http.NoBody {
			inner.Body = io.NopCloser(io.TeeReader(r.Body, &exchanged.sent))
		}
		next.ServeHTTP(exchanged.response, inner)
		if err := c.check(&exchanged); err != nil {
			reason, _, _ := strings.Cut(err.Error(), "\nSchema:")
			t.Errorf("openapi.yaml does not describe %s %s, answered %d: %s\n%.1000s",
				r.Method, r.URL.EscapedPath(), exchanged.response.Code, reason, exchanged.response.Body)
		}
		maps.Copy(w.Header(), exchanged.response.Header())
		w.WriteHeader(exchanged.response.Code)
		_, _ = w.Write(exchanged.response.Body.Bytes())
	})
}

// exchange is a request and its answer.
type exchange struct {
	request  *http.Request
	sent     bytes.Buffer // what the handler read of the request's body
	response *httptest.ResponseRecorder
}

// checker is a loaded document.
type checker struct {
	document *openapi3.T
	router   routers.Router
}

var checkers sync.Map // by issuer: loading takes longer than most tests

func init() {
	for _, mediaType := range []string{"text/html", streamed, "application/zip"} {
		openapi3filter.RegisterBodyDecoder(mediaType, openapi3filter.FileBodyDecoder)
	}
}

func load(issuer string) (*checker, error) {
	loaded, _ := checkers.LoadOrStore(issuer, sync.OnceValues(func() (*checker, error) {
		text, err := openapi.Document(issuer)
		if err != nil {
			return nil, err
		}
		c := new(checker)
		if c.document, err = openapi3.NewLoader().LoadFromData(text); err != nil {
			return nil, err
		}
		if err := c.document.Validate(context.Background()); err != nil {
			return nil, err
		}
		c.document.Servers = nil // tests speak to handlers, not to hosts
		c.router, err = gorillamux.NewRouter(c.document)
		return c, err
	}))
	return loaded.(func() (*checker, error))()
}

func (c *checker) check(e *exchange) error {
	asked := e.request.Clone(context.Background())
	if asked.Method == http.MethodHead {
		asked.Method = http.MethodGet
	}
	asked.Body = io.NopCloser(bytes.NewReader(e.sent.Bytes()))
	route, values, err := c.router.FindRoute(asked)
	if err != nil {
		return c.checkUnknown(e)
	}
	if route.Operation.RequestBody == nil && drained.MatchString(asked.URL.Path) {
		asked.Body, asked.ContentLength = http.NoBody, 0
		e.sent.Reset()
	}
	input := &openapi3filter.RequestValidationInput{
		Request: asked, PathParams: values, Route: route, QueryParams: asked.URL.Query(),
		Options: &openapi3filter.Options{
			IncludeResponseStatus: true, RejectWhenRequestBodyNotSpecified: true, SkipSettingDefaults: true,
			AuthenticationFunc: hasCredentials,
		},
	}
	if err := c.checkResponse(e, input); err != nil {
		return err
	}
	if e.response.Code/100 == 2 {
		return checkRequest(e, input)
	}
	return nil
}

// drained are the paths where a body that nobody asked for is read away all the same, so that the connection serves on.
var drained = regexp.MustCompile(`^/api/(group|org|metadata-key|audit)/|/export$`)

// apart are pages for people that are not part of the API.
var apart = []string{"/docs", "/console"}

// pages are the prefixes of those a login passes through, whose errors are pages too.
var pages = []string{"/oauth/authorize", "/oauth/logout", "/signin", "/consent", "/device", "/account", "/static", "/brand"}

func below(path string, prefixes ...string) bool {
	return slices.ContainsFunc(prefixes, func(prefix string) bool { return path == prefix || strings.HasPrefix(path, prefix+"/") })
}

// checkUnknown is about a request that the document has no operation for: there is no answer but an error, in the dialect's form.
func (c *checker) checkUnknown(e *exchange) error {
	path, status, h := e.request.URL.Path, e.response.Code, e.response.Header()
	switch {
	case below(path, apart...):
		return nil
	case e.request.Method == http.MethodOptions && status == http.StatusNoContent && h.Get("Allow") != "":
		return nil
	case status < http.StatusBadRequest:
		return errors.New("there is no such operation")
	case status == http.StatusMethodNotAllowed && h.Values("Allow") == nil:
		return errors.New("header Allow is missing")
	}
	name, mediaType := "Problem", "application/problem+json"
	switch {
	case below(path, pages...):
		name, mediaType = "Page", "text/html; charset=UTF-8"
	case below(path, "/login", "/oauth", "/connect", "/.well-known"):
		name, mediaType = "OAuthError", "application/json"
	}
	if got := h.Get("Content-Type"); got != mediaType {
		return fmt.Errorf("the error has media type %q", got)
	}
	response := openapi3.NewResponse().WithContent(openapi3.Content{
		mediaType: openapi3.NewMediaType().WithSchemaRef(c.document.Components.Schemas[name]),
	})
	operation := &openapi3.Operation{Responses: openapi3.NewResponses(openapi3.WithName("default", response))}
	return checkBody(e, &openapi3filter.RequestValidationInput{
		Request: e.request, Route: &routers.Route{Spec: c.document, Operation: operation},
	})
}

func (c *checker) checkResponse(e *exchange, input *openapi3filter.RequestValidationInput) error {
	described := input.Route.Operation.Responses.Status(e.response.Code)
	if described == nil {
		return errors.New("the status is not described")
	}
	h := e.response.Header()
	for _, name := range []string{"Allow", "Etag", "Location", "Retry-After", "Www-Authenticate"} {
		if h.Values(name) != nil && !describesHeader(described.Value, name) {
			return fmt.Errorf("header %s is not described", name)
		}
	}
	if h.Get("Cache-Control") != "no-store" && !describesHeader(described.Value, "Cache-Control") {
		return errors.New("the answer may be kept, and nothing says so")
	}
	for name, header := range described.Value.Headers {
		if header.Value.Required && h.Get(name) == "" {
			return fmt.Errorf("header %s is missing", name)
		}
	}
	if len(described.Value.Content) == 0 {
		if e.response.Body.Len() > 0 || h.Get("Content-Type") != "" {
			return fmt.Errorf("there is a body, of type %q", h.Get("Content-Type"))
		}
		return nil
	}
	if described.Value.Content[h.Get("Content-Type")] == nil {
		return fmt.Errorf("media type %q is not described", h.Get("Content-Type"))
	}
	if err := checkBody(e, input); err != nil {
		return err
	}
	return c.checkLines(e.response.Body.Bytes(), described.Value.Content[streamed])
}

// streamed is the media type of bodies of one JSON value a line. The schema each line has to fit is named by x-line, since a schema of the
// document is one of a whole body.
const streamed = "application/x-ndjson"

// checkLines holds a body of lines to the schema of its lines. content is nil for any other body.
func (c *checker) checkLines(body []byte, content *openapi3.MediaType) error {
	if content == nil || len(body) == 0 {
		return nil
	}
	name, _ := content.Extensions["x-line"].(string)
	schema := c.document.Components.Schemas[name]
	if schema == nil {
		return fmt.Errorf("there is no schema %q for the lines", name)
	}
	for n, line := range bytes.Split(bytes.TrimSuffix(body, []byte("\n")), []byte("\n")) {
		var value any
		decoder := json.NewDecoder(bytes.NewReader(line))
		decoder.UseNumber()
		if err := decoder.Decode(&value); err != nil {
			return fmt.Errorf("line %d: %w", n+1, err)
		}
		if err := schema.Value.VisitJSON(within(value)); err != nil {
			return fmt.Errorf("line %d: %w", n+1, err)
		}
	}
	return nil
}

// within is a value whose numbers are what a schema can look at; one too large for that is any.
func within(value any) any {
	switch v := value.(type) {
	case json.Number:
		f, _ := v.Float64()
		if math.IsInf(f, 0) {
			return 0.0
		}
		return f
	case []any:
		for n := range v {
			v[n] = within(v[n])
		}
	case map[string]any:
		for name := range v {
			v[name] = within(v[name])
		}
	}
	return value
}

func describesHeader(response *openapi3.Response, name string) bool {
	for described := range response.Headers {
		if strings.EqualFold(described, name) {
			return true
		}
	}
	return false
}

func checkBody(e *exchange, input *openapi3filter.RequestValidationInput) error {
	return openapi3filter.ValidateResponse(context.Background(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input, Options: input.Options,
		Status: e.response.Code, Header: e.response.Header(), Body: io.NopCloser(bytes.NewReader(e.response.Body.Bytes())),
	})
}

// checkRequest is about a request that was answered with success.
func checkRequest(e *exchange, input *openapi3filter.RequestValidationInput) error {
	describes := func(in, name string) bool {
		return input.Route.PathItem.Parameters.GetByInAndName(in, name) != nil ||
			input.Route.Operation.Parameters.GetByInAndName(in, name) != nil
	}
	for name := range input.QueryParams {
		if !describes(openapi3.ParameterInQuery, name) && !takesAny(input.Route.Operation) {
			return fmt.Errorf("query parameter %s is not described", name)
		}
	}
	for _, name := range []string{"If-Match", "If-None-Match", "Idempotency-Key"} {
		if e.request.Header.Values(name) != nil && !describes(openapi3.ParameterInHeader, name) {
			return fmt.Errorf("request header %s is not described", name)
		}
	}
	return openapi3filter.ValidateRequest(context.Background(), input)
}

// takesAny reports whether an operation passes over query parameters it does not know: one that is an object with any members.
func takesAny(o *openapi3.Operation) bool {
	return slices.ContainsFunc(o.Parameters, func(p *openapi3.ParameterRef) bool {
		return p.Value.In == openapi3.ParameterInQuery && p.Value.Schema.Value.Type.Is(openapi3.TypeObject)
	})
}

// hasCredentials reports whether the request has credentials of the scheme. Whether they stand the server has decided.
func hasCredentials(_ context.Context, input *openapi3filter.AuthenticationInput) error {
	scheme, _, _ := strings.Cut(input.RequestValidationInput.Request.Header.Get("Authorization"), " ")
	if !slices.Contains([]string{"bearer", "basic", "dpop"}, input.SecurityScheme.Scheme) || !strings.EqualFold(scheme, input.SecurityScheme.Scheme) {
		return fmt.Errorf("no %s credentials", input.SecurityScheme.Scheme)
	}
	return nil
}
