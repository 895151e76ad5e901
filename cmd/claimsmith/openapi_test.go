package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"

	"github.com/claimsmith/claimsmith/config"
	"github.com/claimsmith/claimsmith/handlers/openapi"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

// described is an operation of the OpenAPI document.
type described struct {
	*openapi3.Operation
	method, path string
	parameters   openapi3.Parameters
}

// openAPI is the document of the API.
func openAPI(t testing.TB) *openapi3.T {
	t.Helper()
	text, err := openapi.Document(testIssuer, openapi.Own)
	if err != nil {
		t.Fatal(err)
	}
	document, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		t.Fatal(err)
	}
	return document
}

// describedOperations returns all of the document, what creates before what reads and that before what deletes.
func describedOperations(t *testing.T) []described {
	t.Helper()
	document := openAPI(t)
	var all []described
	paths := slices.Sorted(maps.Keys(document.Paths.Map()))
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodGet, http.MethodDelete} {
		if method == http.MethodDelete {
			// What is in something goes before the thing itself.
			slices.SortStableFunc(paths, func(a, b string) int { return strings.Count(b, "/") - strings.Count(a, "/") })
		}
		for _, path := range paths {
			item := document.Paths.Value(path)
			if o := item.GetOperation(method); o != nil {
				all = append(all, described{o, method, path, slices.Concat(item.Parameters, o.Parameters)})
			}
		}
	}
	return all
}

// target is the path with the examples of its parameters.
func (o described) target() string {
	path := o.path
	for _, p := range o.parameters {
		if example, ok := p.Value.Example.(string); ok && p.Value.In == openapi3.ParameterInPath {
			path = strings.ReplaceAll(path, "{"+p.Value.Name+"}", url.PathEscape(example))
		}
	}
	return path
}

func (o described) content(mediaType string) *openapi3.MediaType {
	if o.RequestBody == nil {
		return nil
	}
	return o.RequestBody.Value.Content[mediaType]
}

// isPublic reports whether nobody has to say who asks.
func (o described) isPublic() bool { return o.Security != nil && len(*o.Security) == 0 }

// The document has the members and the query parameters that the handlers accept, no more and no less: whoever sends another one
// is told which there are.
func TestDocumentHasWhatHandlersAccept(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Embedded(t).Client)
	for _, o := range describedOperations(t) {
		if o.Tags[0] == "Pages" {
			continue // they pass over what they do not know, or are sent by pages alone
		}
		name := o.method + " " + o.path
		if media := o.content("application/json"); media != nil {
			for _, probe := range probes(media.Schema.Value) {
				got := allowed(t, w.send(o.method, o.target(), adminToken, probe.body))
				if diff := cmp.Diff(probe.members, got); diff != "" {
					t.Errorf("%s %s: members (-document +handler):\n%s", name, probe.body, diff)
				}
			}
		}
		if o.isPublic() || o.content("application/x-www-form-urlencoded") != nil {
			continue // ignores the query, or refuses it
		}
		names := []string{}
		for _, p := range o.parameters {
			if p.Value.In == openapi3.ParameterInQuery {
				names = append(names, p.Value.Name)
			}
		}
		slices.Sort(names)
		got := allowed(t, w.send(o.method, o.target()+"?no-such-parameter=1", adminToken, ""))
		if diff := cmp.Diff(names, got); diff != "" {
			t.Errorf("%s: query parameters (-document +handler):\n%s", name, diff)
		}
	}
}

// probe is a body with a member that no object has, and the members which the document gives the object it is in.
type probe struct {
	body    string
	members []string
}

func probes(s *openapi3.Schema, around ...*openapi3.Schema) []probe {
	switch {
	case slices.Contains(around, s):
		return nil // it is in itself
	case s.Type.Is("array"):
		return within("[%s]", probes(s.Items.Value, around...))
	case !s.Type.Is("object"):
		return nil
	case s.AdditionalProperties.Has != nil && *s.AdditionalProperties.Has:
		return nil // takes any member
	}
	all := []probe{{`{"no such member":0}`, slices.Sorted(maps.Keys(s.Properties))}}
	for name, property := range s.Properties {
		all = append(all, within(fmt.Sprintf("{%q:%%s}", name), probes(property.Value, append(around, s)...))...)
	}
	return all
}

func within(around string, inner []probe) []probe {
	for n := range inner {
		inner[n].body = fmt.Sprintf(around, inner[n].body)
	}
	return inner
}

// allowed reads the names out of a refusal.
func allowed(t *testing.T, a answer) []string {
	t.Helper()
	a.want(t, http.StatusBadRequest)
	_, list, found := strings.Cut(a.text(t, "detail")+a.text(t, "error_description"), "allowed here: ")
	if !found {
		t.Errorf("refused for something else: %s", a.body)
	}
	if list == "none" {
		return []string{}
	}
	names := strings.Split(list, ", ")
	slices.Sort(names)
	return names
}

// The examples of the document work against what dev seeds.
func TestExamplesWork(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Embedded(t).Client)
	seeded, err := w.app.seed(context.Background(), &config.Dev{DevPassword: config.NewSecret(janePass)})
	if err != nil {
		t.Fatal(err)
	}
	tokenID := ""
	for _, o := range describedOperations(t) {
		bearer := seeded.token
		switch o.Tags[0] {
		case "Pages":
			continue // they have browsers of their own
		case "Organisations":
			bearer = adminToken // some of them are for administrators
		case "Login and tokens":
			bearer = ""
			if o.RequestBody == nil {
				continue // needs a user's token, and has no example
			}
		}
		for _, example := range examples(t, o) {
			target := strings.ReplaceAll(o.target(), "{tokenId}", tokenID)
			if strings.Contains(target, "{sessionId}") {
				continue // begins in a browser
			}
			a := w.send(o.method, target, bearer, example.body, "Content-Type", example.mediaType)
			if a.status/100 != 2 {
				t.Errorf("%s %s %s: %d %s", o.method, target, example.body, a.status, a.body)
			}
			if o.OperationID == "createAPIToken" {
				tokenID = a.text(t, "id")
			}
		}
	}
}

type example struct{ mediaType, body string }

// examples returns the requests that can be sent as they are: the others have a part left out, written "…".
func examples(t *testing.T, o described) []example {
	t.Helper()
	if o.RequestBody == nil {
		return []example{{}}
	}
	var all []example
	for mediaType, media := range o.RequestBody.Value.Content {
		values := []any{media.Example}
		for _, e := range media.Examples {
			values = append(values, e.Value.Value)
		}
		for _, value := range values {
			body, err := json.Marshal(value)
			if err != nil {
				t.Fatal(err)
			}
			if mediaType == "application/x-www-form-urlencoded" {
				form := url.Values{}
				parameters, _ := value.(map[string]any)
				for name, v := range parameters {
					form.Set(name, fmt.Sprint(v))
				}
				body = []byte(form.Encode())
			}
			if value != nil && !strings.Contains(fmt.Sprint(value), "…") {
				all = append(all, example{mediaType, string(body)})
			}
		}
	}
	return all
}
