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
	"slices"
	"strconv"
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
	all, err := load(issuer)
	if err != nil {
		t.Fatalf("an OpenAPI document is not valid: %v", err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		exchanged := exchange{request: r, response: httptest.NewRecorder()}
		inner := r.Clone(r.Context())
		if r.Body != nil && r.Body != http.NoBody {
			inner.Body = io.NopCloser(io.TeeReader(r.Body, &exchanged.sent))
		}
		next.ServeHTTP(&answering{ResponseRecorder: exchanged.response, exchange: &exchanged}, inner)
		exchanged.begin()
		c := all.of(r.URL.EscapedPath()) // as the server does
		if err := c.check(&exchanged); err != nil {
			reason, _, _ := strings.Cut(err.Error(), "\nSchema:")
			t.Errorf("%s.yaml does not describe %s %s, answered %d: %s\n%.1000s",
				c.name, r.Method, r.URL.EscapedPath(), exchanged.response.Code, reason, exchanged.response.Body)
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
	// begun tells that the answer has begun, and taken how much of the body had been read then. The rest is only read away, so that the
	// connection serves on.
	begun bool
	taken int
}

func (e *exchange) begin() {
	if !e.begun {
		e.begun, e.taken = true, e.sent.Len()
	}
}

// answering notes when an answer begins.
type answering struct {
	*httptest.ResponseRecorder
	exchange *exchange
}

func (a *answering) WriteHeader(status int) {
	a.exchange.begin()
	a.ResponseRecorder.WriteHeader(status)
}

func (a *answering) Write(text []byte) (int, error) {
	a.exchange.begin()
	return a.ResponseRecorder.Write(text)
}

func (a *answering) WriteString(text string) (int, error) {
	a.exchange.begin()
	return a.ResponseRecorder.WriteString(text)
}

func (a *answering) Flush() {
	a.exchange.begin()
	a.ResponseRecorder.Flush()
}

// checker is a loaded document.
type checker struct {
	name     string
	document *openapi3.T
	schemas  *schemas
	router   routers.Router
	// prefixes are where the dialect of the document is, none for the own API.
	prefixes []string
}

// documents are those of all dialects, the own API's first.
type documents []*checker

// of returns the document a path belongs to: that of the longest prefix.
func (all documents) of(path string) *checker {
	found, longest := all[0], 0
	for _, c := range all {
		for _, prefix := range c.prefixes {
			if below(path, prefix) && len(prefix) > longest {
				found, longest = c, len(prefix)
			}
		}
	}
	return found
}

var checkers sync.Map // by issuer: loading takes longer than most tests

func init() {
	for _, mediaType := range []string{"text/html", streamed, "application/zip", "application/pdf", "image/jpeg", "image/png", "image/gif"} {
		openapi3filter.RegisterBodyDecoder(mediaType, openapi3filter.FileBodyDecoder)
	}
}

func load(issuer string) (documents, error) {
	loaded, _ := checkers.LoadOrStore(issuer, sync.OnceValues(func() (all documents, err error) {
		for _, name := range []string{openapi.Own, "iblai", "sentinel", "zitadel"} {
			c, err := loadOne(issuer, name)
			if err != nil {
				return nil, fmt.Errorf("%s.yaml: %w", name, err)
			}
			all = append(all, c)
		}
		return all, nil
	}))
	return loaded.(func() (documents, error))()
}

func loadOne(issuer, name string) (*checker, error) {
	text, err := openapi.Document(issuer, name)
	if err != nil {
		return nil, err
	}
	c := &checker{name: name}
	if c.document, err = openapi3.NewLoader().LoadFromData(text); err != nil {
		return nil, err
	}
	if c.schemas, err = newSchemas(text); err != nil {
		return nil, err
	}
	if err := c.document.Validate(context.Background()); err != nil {
		return nil, err
	}
	prefixes, _ := c.document.Extensions["x-prefixes"].([]any)
	for _, prefix := range prefixes {
		c.prefixes = append(c.prefixes, prefix.(string))
	}
	c.document.Servers = nil // tests speak to handlers, not to hosts
	c.router, err = gorillamux.NewRouter(c.document)
	return c, err
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
	if route.Operation.RequestBody == nil {
		asked.Body, asked.ContentLength = io.NopCloser(bytes.NewReader(e.sent.Bytes()[:e.taken])), int64(e.taken)
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
		return c.checkRequest(e, input)
	}
	return nil
}

// apart are pages for people that are not part of the API, and the documents of the dialects.
var apart = []string{
	"/docs", "/console", "/openapi",
	"/zitadel.management.v1.ManagementService", "/zitadel.auth.v1.AuthService", "/zitadel.user.v2.UserService", // gRPC has its own description
}

// pages are the prefixes of those a login passes through, whose errors are pages too.
var pages = []string{"/oauth/authorize", "/oauth/logout", "/signin", "/consent", "/device", "/account", "/picture", "/static", "/brand"}

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
	case c.prefixes != nil:
		name, mediaType = "Error", "application/json"
	case below(path, pages...):
		name, mediaType = "Page", "text/html; charset=UTF-8"
	case below(path, "/login", "/oauth", "/connect", "/.well-known"):
		name, mediaType = "OAuthError", "application/json"
	}
	if got := h.Get("Content-Type"); got != mediaType {
		return fmt.Errorf("the error has media type %q", got)
	}
	if isJSON(mediaType) {
		return c.schemas.fits(e.response.Body.Bytes(), "components", "schemas", name)
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
	mediaType := h.Get("Content-Type")
	if mayBeEmpty, _ := described.Value.Extensions["x-may-be-empty"].(bool); mayBeEmpty && mediaType == "" && e.response.Body.Len() == 0 {
		return nil
	}
	content := described.Value.Content[mediaType]
	if content == nil {
		return fmt.Errorf("media type %q is not described", mediaType)
	}
	route, options := input.Route, *input.Options
	if content.Schema != nil && isJSON(mediaType) && route.Operation.Responses.Value(strconv.Itoa(e.response.Code)) != nil {
		options.ExcludeResponseBody = true
		err := c.schemas.fits(e.response.Body.Bytes(), "paths", route.Path, strings.ToLower(route.Method),
			"responses", strconv.Itoa(e.response.Code), "content", mediaType, "schema")
		if err != nil {
			return err
		}
	}
	rest := *input
	rest.Options = &options
	if err := checkBody(e, &rest); err != nil {
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
func (c *checker) checkRequest(e *exchange, input *openapi3filter.RequestValidationInput) error {
	describes := func(in, name string) bool {
		return input.Route.PathItem.Parameters.GetByInAndName(in, name) != nil ||
			input.Route.Operation.Parameters.GetByInAndName(in, name) != nil
	}
	for name := range input.QueryParams {
		if !describes(openapi3.ParameterInQuery, name) && !takesAny(input.Route) {
			return fmt.Errorf("query parameter %s is not described", name)
		}
	}
	for _, name := range []string{"If-Match", "If-None-Match", "Idempotency-Key"} {
		if e.request.Header.Values(name) != nil && !describes(openapi3.ParameterInHeader, name) {
			return fmt.Errorf("request header %s is not described", name)
		}
	}
	body := input.Route.Operation.RequestBody
	mediaType := e.request.Header.Get("Content-Type")
	if body == nil || e.sent.Len() == 0 || !isJSON(mediaType) || body.Value.Content[mediaType] == nil {
		return openapi3filter.ValidateRequest(context.Background(), input)
	}
	input.Options.ExcludeRequestBody = true
	if err := openapi3filter.ValidateRequest(context.Background(), input); err != nil {
		return err
	}
	route := input.Route
	return c.schemas.fits(e.sent.Bytes(), "paths", route.Path, strings.ToLower(route.Method), "requestBody", "content", mediaType, "schema")
}

// takesAny reports whether an operation passes over query parameters it does not know: one that is an object with any members.
func takesAny(route *routers.Route) bool {
	return slices.ContainsFunc(slices.Concat(route.PathItem.Parameters, route.Operation.Parameters), func(p *openapi3.ParameterRef) bool {
		return p.Value.In == openapi3.ParameterInQuery && p.Value.Schema.Value.Type.Is(openapi3.TypeObject)
	})
}

// hasCredentials reports whether the request has credentials of the scheme. Whether they stand the server has decided.
func hasCredentials(_ context.Context, input *openapi3filter.AuthenticationInput) error {
	wanted, h := input.SecurityScheme, input.RequestValidationInput.Request.Header
	if wanted.Type == "apiKey" && wanted.In == openapi3.ParameterInHeader && h.Get(wanted.Name) != "" {
		return nil
	}
	scheme, _, _ := strings.Cut(h.Get("Authorization"), " ")
	if wanted.Type != "http" || !strings.EqualFold(scheme, wanted.Scheme) {
		return fmt.Errorf("no %s credentials", input.SecuritySchemeName)
	}
	return nil
}
