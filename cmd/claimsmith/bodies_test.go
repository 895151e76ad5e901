package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/claimsmith/claimsmith/internal/redistest"
)

// body is a request with a body that is valid where % is removed. At the % another member can be put into an object.
type body struct{ route, target, text string }

// bodies has a row for every object in every body.
var bodies = []body{
	{"PUT /api/user/:userId/metadata", "/api/user/acme-user-id/metadata", `{"metadata":[]%}`},
	{"PUT /api/user/:userId/metadata", "/api/user/acme-user-id/metadata", `{"metadata":[{"key":"a","value":1%}]}`},
	{"PATCH /api/user/:userId/metadata", "/api/user/acme-user-id/metadata", `{"set":[]%}`},
	{"PATCH /api/user/:userId/metadata", "/api/user/acme-user-id/metadata", `{"set":[{"key":"a","value":1%}]}`},
	{"PUT /api/user/:userId/metadata/:key", "/api/user/acme-user-id/metadata/a", `{"value":1%}`},
	{"POST /api/user/:userId/rollback", "/api/user/acme-user-id/rollback", `{"revision":0%}`},
	{"POST /api/user/:userId/claims", "/api/user/acme-user-id/claims", `{"scope":"openid"%}`},
	{"POST /api/user/:userId/claims", "/api/user/acme-user-id/claims", `{"set":[{"key":"a","value":1%}]}`},
	{"PUT /api/user/:userId/group", "/api/user/acme-user-id/group", `{"groups":["acme-staff"]%}`},
	{"POST /api/user", "/api/user", `{"username":"created"%}`},
	{"POST /api/user", "/api/user", `{"username":"created","profile":{"name":"x"%}}`},
	{"POST /api/user", "/api/user", `{"username":"created","profile":{"address":{"country":"x"%}}}`},
	{"PATCH /api/user/:userId", "/api/user/acme-user-id", `{"profile":{}%}`},
	{"PATCH /api/user/:userId", "/api/user/acme-user-id", `{"profile":{"name":"x"%}}`},
	{"PATCH /api/user/:userId", "/api/user/acme-user-id", `{"profile":{"address":{"country":"x"%}}}`},
	{"PUT /api/user/:userId/password", "/api/user/acme-user-id/password", `{"password":"a new password"%}`},

	{"PUT /api/user/:userId/role", "/api/user/acme-user-id/role", `{"role":"reader"%}`},
	{"POST /api/user/search", "/api/user/search", `{"where":{"handle":"a"}%}`},
	{"POST /api/user/search", "/api/user/search", `{"where":{"handle":"a"%}}`},
	{"POST /api/metadata/bulk", "/api/metadata/bulk", `{"user":"acme-user-id"%}`},
	{"POST /api/metadata/bulk", "/api/metadata/bulk", `{"user":"acme-user-id","set":[{"key":"a","value":1%}]}`},
	{"POST /api/user/import", "/api/user/import", `{"username":"created"%}`},
	{"POST /api/user/import", "/api/user/import", `{"username":"created","metadata":[{"key":"a","value":1%}]}`},
	{"POST /api/user/import", "/api/user/import", `{"apps":[{"client_id":"login"%}]}`},
	{"POST /api/user/import", "/api/user/import", `{"apps":[{"client_id":"login","metadata":[{"key":"a","value":1%}]}]}`},
	{"POST /api/user/import", "/api/user/import", `{"username":"created","profile":{"name":"x"%}}`},
	{"POST /api/user/import", "/api/user/import", `{"username":"created","profile":{"address":{"country":"x"%}}}`},
	{"POST /api/user/import", "/api/user/import", `{"username":"created","biography":{"title":"x"%}}`},
	{"POST /api/user/import", "/api/user/import", `{"username":"created","biography":{"links":[{"platform":"x","url":"https://www.x.com/a"%}]}}`},
	{"POST /api/user/import", "/api/user/import", `{"username":"created","biography":{"extended":[{"name":"x","value":"y"%}]}}`},

	{"POST /api/group", "/api/group", `{"slug":"created"%}`},
	{"PATCH /api/group/:group", "/api/group/acme-staff", `{"name":"x"%}`},
	{"PUT /api/group/:group/metadata", "/api/group/acme-staff/metadata", `{"metadata":[]%}`},
	{"PUT /api/group/:group/metadata", "/api/group/acme-staff/metadata", `{"metadata":[{"key":"a","value":1%}]}`},
	{"PATCH /api/group/:group/metadata", "/api/group/acme-staff/metadata", `{"set":[]%}`},
	{"PATCH /api/group/:group/metadata", "/api/group/acme-staff/metadata", `{"set":[{"key":"a","value":1%}]}`},
	{"PUT /api/group/:group/metadata/:key", "/api/group/acme-staff/metadata/a", `{"value":1%}`},
	{"POST /api/group/:group/rollback", "/api/group/acme-staff/rollback", `{"revision":0%}`},
	{"PUT /api/metadata-key/:key", "/api/metadata-key/created", `{"type":"string"%}`},
	{"POST /api/metadata-key/:key/check", "/api/metadata-key/created/check", `{"type":"string"%}`},

	{"POST /api/org", "/api/org", `{"slug":"created"%}`},
	{"PATCH /api/org/:org", "/api/org/acme", `{"name":"x"%}`},
	{"PUT /api/org/:org/metadata", "/api/org/acme/metadata", `{"metadata":[]%}`},
	{"PUT /api/org/:org/metadata", "/api/org/acme/metadata", `{"metadata":[{"key":"a","value":1%}]}`},
	{"PATCH /api/org/:org/metadata", "/api/org/acme/metadata", `{"set":[]%}`},
	{"PATCH /api/org/:org/metadata", "/api/org/acme/metadata", `{"set":[{"key":"a","value":1%}]}`},
	{"PUT /api/org/:org/metadata/:key", "/api/org/acme/metadata/a", `{"value":1%}`},
	{"POST /api/org/:org/rollback", "/api/org/acme/rollback", `{"revision":0%}`},

	{"POST /api/client", "/api/client", `{"name":"x"%}`},
	{"PATCH /api/client/:clientId", "/api/client/acme-plain", `{"name":"x"%}`},
	{"POST /api/token", "/api/token", `{"role":"reader"%}`},
	{"POST /login", "/login", `{"username":"acme-user","password":"x"%}`},
}

// method is that of the route.
func (b body) method() string {
	method, _, _ := strings.Cut(b.route, " ")
	return method
}

// with is the text with another member.
func (b body) with(name, value string) string {
	return strings.Replace(b.text, "%", ","+quote(name)+":"+value, 1)
}

// path says where the % is, with [] for an element of a list.
func (b body) path(t testing.TB) string {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(b.with("%", "0")), &v); err != nil {
		t.Fatalf("%s: %v", b.text, err)
	}
	path, found := pathTo(v)
	if !found {
		t.Fatalf("%s has no %%", b.text)
	}
	return path
}

func pathTo(v any) (string, bool) {
	switch v := v.(type) {
	case map[string]any:
		if _, here := v["%"]; here {
			return "", true
		}
		for name, inner := range v {
			if path, found := pathTo(inner); found {
				return "/" + name + path, true
			}
		}
	case []any:
		for _, inner := range v {
			if path, found := pathTo(inner); found {
				return "/[]" + path, true
			}
		}
	}
	return "", false
}

// routeOf is how an operation of the document is mounted.
func (o described) routeOf() string {
	return o.method + " " + strings.NewReplacer("{", ":", "}", "").Replace(o.path)
}

// lineSchemas are those of the lines of bodies that are many.
var lineSchemas = map[string]string{"POST /api/metadata/bulk": "BulkLine", "POST /api/user/import": "Newcomer"}

// bodySchema is that of an operation's JSON, or of each line, nil for one that takes none.
func (o described) bodySchema(t testing.TB) *openapi3.Schema {
	t.Helper()
	if media := o.content("application/json"); media != nil {
		return media.Schema.Value
	}
	if o.content("application/x-ndjson") == nil {
		return nil
	}
	line := openAPI(t).Components.Schemas[lineSchemas[o.routeOf()]]
	if line == nil {
		t.Fatalf("%s: nobody says what its lines are", o.routeOf())
	}
	return line.Value
}

// objects are the objects of a schema that take their own members alone, by path. One that is in itself is there once.
func objects(path string, s *openapi3.Schema, around ...*openapi3.Schema) map[string]*openapi3.Schema {
	all := map[string]*openapi3.Schema{}
	switch {
	case slices.Contains(around, s):
	case s.Type.Is("array"):
		maps.Copy(all, objects(path+"/[]", s.Items.Value, around...))
	case s.Type.Is("object") && (s.AdditionalProperties.Has == nil || !*s.AdditionalProperties.Has):
		all[path] = s
		for name, property := range s.Properties {
			maps.Copy(all, objects(path+"/"+name, property.Value, append(around, s)...))
		}
	}
	return all
}

// objectsOf are the objects of all bodies, by route and path.
func objectsOf(t *testing.T) map[string]map[string]*openapi3.Schema {
	t.Helper()
	all := map[string]map[string]*openapi3.Schema{}
	for _, o := range describedOperations(t) {
		if schema := o.bodySchema(t); schema != nil && o.Tags[0] != "Pages" {
			all[o.routeOf()] = objects("", schema)
		}
	}
	return all
}

// Every object of every body has its row, so that what follows is about all of them.
func TestEveryBodyHasARow(t *testing.T) {
	left := objectsOf(t)
	for _, b := range bodies {
		if left[b.route] == nil {
			t.Errorf("%s takes no JSON", b.route)
			continue
		}
		delete(left[b.route], b.path(t))
	}
	for route, paths := range left {
		for path := range paths {
			t.Errorf("%s: no row for a body with another member at %q", route, path)
		}
	}
}

// otherNames are those of what is stored, of what other systems call it, and other spellings; the names of the document come with them.
var otherNames = []string{
	"ID", "user_id", "userId", "Username", "emailVerified", "Email_Verified", "isEmailVerified", "Password", "PASSWORD", "passwordHash", "pw",
	"Orgs", "Org", "org_id", "orgId", "Role", "roles", "deleting", "epoch", "ep", "st", "un", "em", "rec", "v", "op", "version", "Version", "object",
	"since", "Since", "profileclaim", "ProfileClaim", "metadata", "app_metadata", "raw_app_meta_data", "customData", "claims", "clientId",
	"secret", "secret_hash", "hash", "Public", "allOrgs", "All_Orgs", "firstParty", "auth_method", "key_set", "keep_refresh_tokens", "Slug",
	"shared", "term", "indexed", "frozen", "announced", "order_", "Order", "group", "group_id", "members", "via", "by", "at", "inherited",
	"dry_run", "dryRun", "accept", "$set", "__proto__", "constructor", "\u017fub", "",
}

// A request sets what its operation is for and nothing else; a name it does not have is refused (rows I-05, L-12).
func TestMassAssignment(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	described := objectsOf(t)
	names := map[string]bool{}
	for _, name := range otherNames {
		names[name] = true
	}
	for _, name := range memberNames(t) {
		names[name] = true
	}
	before := c.snapshot(acme)
	count := 0
	for _, b := range bodies {
		own := described[b.route][b.path(t)]
		if own == nil {
			t.Fatalf("%s %s: the document has no such object", b.route, b.text)
		}
		for name := range names {
			if own.Properties[name] != nil {
				continue
			}
			value := []string{`true`, `null`, `"admin"`}[count%3]
			count++
			if status, a := c.verdict(b.method(), b.target, c.acme.operator, b.with(name, value)); status != http.StatusBadRequest {
				t.Errorf("%s %s: %d %s", b.route, b.with(name, value), status, a.body)
			}
		}
	}
	t.Logf("%d bodies", count)
	if after := c.snapshot(acme); after != before {
		t.Errorf("acme was\n%s\nand is\n%s", before, after)
	}
}

// memberNames are those of every object that the document knows, shown or sent.
func memberNames(t *testing.T) []string {
	t.Helper()
	names := map[string]bool{}
	seen := map[*openapi3.Schema]bool{}
	var walk func(s *openapi3.SchemaRef)
	walk = func(s *openapi3.SchemaRef) {
		if s == nil || s.Value == nil || seen[s.Value] {
			return
		}
		seen[s.Value] = true
		for name, property := range s.Value.Properties {
			names[name] = true
			walk(property)
		}
		walk(s.Value.Items)
		for _, one := range s.Value.OneOf {
			walk(one)
		}
	}
	for _, s := range openAPI(t).Components.Schemas {
		walk(s)
	}
	return slices.Sorted(maps.Keys(names))
}

// verdict sends JSON and returns the status: with lines of JSON, that of the first line's result.
func (w *world) verdict(method, target, bearer, text string, headers ...string) (int, answer) {
	w.t.Helper()
	if !isLines(target) {
		a := w.send(method, target, bearer, text, headers...)
		return a.status, a
	}
	a := w.send(method, target, bearer, text+"\n", append([]string{"Content-Type", "application/x-ndjson"}, headers...)...)
	if a.status != http.StatusOK {
		return a.status, a
	}
	first, _, _ := strings.Cut(a.body, "\n")
	var line struct{ Status int }
	if err := json.Unmarshal([]byte(first), &line); err != nil {
		w.t.Fatalf("%s: %v", a.body, err)
	}
	return line.Status, a
}

// isLines reports whether what is sent there is lines of JSON.
func isLines(target string) bool {
	path, _, _ := strings.Cut(target, "?")
	return path == "/api/metadata/bulk" || path == "/api/user/import"
}

// What is not one JSON value in UTF-8, said to be one, is refused by every operation (row I-04).
func TestOnlyJSONIsRead(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	before := c.snapshot(acme)
	for _, b := range bodies {
		if isLines(b.target) {
			continue
		}
		valid := strings.Replace(b.text, "%", "", 1)
		for name, text := range map[string]string{
			"trailing text": valid + " trailing", "another value": valid + valid, "a byte order mark": "\ufeff" + valid, "nothing": "",
			"white space": " \n", "null": "null", "a list": "[" + valid + "]", "a text": quote(valid),
		} {
			a := c.send(b.method(), b.target, c.acme.operator, text, "Content-Type", "application/json")
			if a.status != http.StatusBadRequest {
				t.Errorf("%s: %s: %d %s", b.route, name, a.status, a.body)
			}
		}
		for _, contentType := range []string{
			"", "text/plain", "application/xml", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
			"application/json; charset=utf-16", "application/json, text/plain", "application/jsonx", "text/json",
		} {
			if a := c.send(b.method(), b.target, c.acme.operator, valid, "Content-Type", contentType); a.status != http.StatusUnsupportedMediaType {
				t.Errorf("%s: %q: %d %s", b.route, contentType, a.status, a.body)
			}
		}
		a := c.send(b.method(), b.target, c.acme.operator, valid, "Content-Encoding", "gzip")
		if a.status != http.StatusUnsupportedMediaType {
			t.Errorf("%s: compressed: %d %s", b.route, a.status, a.body)
		}
		for _, text := range []string{upperFirstMember(valid), repeatFirstMember(valid, false), repeatFirstMember(valid, true)} {
			if a := c.send(b.method(), b.target, c.acme.operator, text); a.status != http.StatusBadRequest {
				t.Errorf("%s %s: %d %s", b.route, text, a.status, a.body)
			}
		}
	}
	if after := c.snapshot(acme); after != before {
		t.Errorf("acme was\n%s\nand is\n%s", before, after)
	}
}

// upperFirstMember spells the first member with a capital.
func upperFirstMember(text string) string { return text[:2] + strings.ToUpper(text[2:3]) + text[3:] }

// repeatFirstMember has the first member twice, the second time with an escape if wanted.
func repeatFirstMember(text string, escaped bool) string {
	name, _, _ := strings.Cut(text[2:], `"`)
	again := name
	if escaped {
		again = fmt.Sprintf(`\u%04x%s`, name[0], name[1:])
	}
	return `{"` + again + `":null,` + text[1:]
}
