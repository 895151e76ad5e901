package main

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/claimsmith/claimsmith/internal/redistest"
)

// named are names of objects of one kind: globex's, each beside one of nobody's.
type named struct{ foreign, nobody []string }

// naming is what the parameters of paths and queries, and the members of bodies, name an object by.
func (c *cast) naming() map[string]named {
	c.t.Helper()
	victim := c.globex.user
	users := named{
		[]string{victim.id, victim.username, victim.email, strings.ToUpper(victim.email)},
		[]string{"zzzzzzz-user-id", "zzzzzz-user", "zzzzzz-user@globex.example", "ZZZZZZ-USER@GLOBEX.EXAMPLE"},
	}
	orgs := named{[]string{globex}, []string{"zzzzzz"}}
	clients := named{[]string{"globex-machine"}, []string{"zzzzzz-machine"}}
	groups := named{[]string{"globex-staff"}, []string{"zzzzzz-staff"}}
	tokens := named{
		[]string{
			c.post("/api/token", adminToken, `{"org":"globex","role":"reader"}`).want(c.t, http.StatusCreated).text(c.t, "id"),
			c.post("/api/token", adminToken, `{"role":"admin"}`).want(c.t, http.StatusCreated).text(c.t, "id"),
		},
		[]string{"zzzzzzzzzzzzzzzzzzzzzzzz", "yyyyyyyyyyyyyyyyyyyyyyyy"},
	}
	sessions := named{[]string{c.startSession(victim.id).ID}, []string{"zzzzzzzzzzzzzzzz"}}
	keys := named{[]string{"secretive"}, []string{"zzzzzzzzz"}}
	return map[string]named{
		"userId": users, "user": users, "org": orgs, "orgs": orgs, "clientId": clients, "client": clients, "client_id": clients, "app": clients,
		"clients": clients, "group": groups, "groups": groups, "tokenId": tokens, "sessionId": sessions, "key": keys,
	}
}

// namesNothing are the parameters and members that name no object of an organisation.
var namesNothing = []string{
	"limit", "cursor", "scope", "revision", "app_revision", "org_revision", "at", "accept", "dry_run", "metadata", "secrets",
	"actor", "target", "action", "outcome", "from", "to", "key",
}

// namesNew are the members that name what is to be made. That the name is taken elsewhere has to be said.
var namesNew = []string{
	"POST /api/client client_id", "POST /api/org slug", "POST /api/group slug", "PATCH /api/group/:group slug",
}

// naming schemas are those of members that name an object.
var namingSchemas = []string{"#/components/schemas/Slug", "#/components/schemas/ClientId", "#/components/schemas/GroupSlug"}

// eachRoute has the first operation of every route.
func eachRoute() []operation {
	var first []operation
	for _, op := range operations {
		if !slices.ContainsFunc(first, func(other operation) bool { return other.route == op.route }) {
			first = append(first, op)
		}
	}
	return first
}

// describedByRoute are the operations of the document as they are mounted.
func describedByRoute(t *testing.T) map[string]described {
	t.Helper()
	all := map[string]described{}
	for _, o := range describedOperations(t) {
		all[o.routeOf()] = o
	}
	return all
}

func (o described) hasQuery(name string) bool {
	return o.parameters.GetByInAndName(openapi3.ParameterInQuery, name) != nil
}

// place is where a request can name an object, and what with returns names it there.
type place struct {
	what string
	of   named
	with func(target, body, name string) (string, string)
	// must: whatever is not the caller's is refused. In a body it need not be: nobody looks whether a client named there exists.
	must bool
}

// places are all of an operation's.
func (c *cast) places(t *testing.T, op operation, o described, naming map[string]named) []place {
	t.Helper()
	var all []place
	_, pattern, _ := strings.Cut(op.route, " ")
	for n, segment := range strings.Split(pattern, "/") {
		name, isParameter := strings.CutPrefix(segment, ":")
		if !isParameter {
			continue
		}
		of, known := naming[name]
		if !known {
			t.Errorf("%s: nobody says what :%s names", op.route, name)
		}
		if name == "key" && !strings.HasPrefix(pattern, "/api/metadata-key") {
			continue // of the document that the rest of the path names
		}
		all = append(all, place{segment, of, func(target, body, name string) (string, string) {
			path, query, _ := strings.Cut(target, "?")
			segments := strings.Split(path, "/")
			segments[n] = url.PathEscape(name)
			return strings.Join(segments, "/") + "?" + query, body
		}, name != "key" && !strings.Contains(pattern, "/consent/")}) // a key is everybody's, and no consent is withdrawn without an error
	}
	for _, p := range o.parameters {
		name := p.Value.Name
		if p.Value.In != openapi3.ParameterInQuery || slices.Contains(namesNothing, name) {
			continue
		}
		of, known := naming[name]
		if !known {
			t.Errorf("%s: nobody says what ?%s names", op.route, name)
		}
		all = append(all, place{"?" + name, of, func(target, body, value string) (string, string) {
			path, text, _ := strings.Cut(target, "?")
			query, err := url.ParseQuery(text)
			if err != nil {
				t.Fatal(err)
			}
			query.Set(name, value)
			return path + "?" + query.Encode(), body
		}, name == "org"})
	}
	return append(all, placesInBodies(t, op, naming)...)
}

func placesInBodies(t *testing.T, op operation, naming map[string]named) []place {
	t.Helper()
	var all []place
	for _, b := range bodies {
		if b.route != op.route {
			continue
		}
		for name, schema := range objectsOf(t)[b.route][b.path(t)].Properties {
			of, known := naming[name]
			if slices.Contains(namesNew, op.route+" "+name) || name == "key" {
				continue
			}
			isList := schema.Value.Type.Includes("array")
			if names := slices.Contains(namingSchemas, schema.Ref) ||
				isList && slices.Contains(namingSchemas, schema.Value.Items.Ref); names && !known {
				t.Errorf("%s: nobody says what member %s names", op.route, name)
			}
			if !known {
				continue
			}
			all = append(all, place{b.path(t) + "/" + name, of, func(target, _, value string) (string, string) {
				text := quote(value)
				if isList {
					text = "[" + text + "]"
				}
				return target, b.set(t, name, text)
			}, false})
		}
	}
	return all
}

// set is the text with a member where the % is, in place of the one of that name.
func (b body) set(t testing.TB, name, value string) string {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(b.with("%", "0")), &v); err != nil {
		t.Fatal(err)
	}
	setAt(v, name, json.RawMessage(value))
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func setAt(v any, name string, value json.RawMessage) {
	switch v := v.(type) {
	case map[string]any:
		if _, here := v["%"]; here {
			delete(v, "%")
			v[name] = value
			return
		}
		for _, inner := range v {
			setAt(inner, name, value)
		}
	case []any:
		for _, inner := range v {
			setAt(inner, name, value)
		}
	}
}

// Everything of another organisation looks to everybody like nothing at all (row A-01), in whichever place of whichever request it is
// named: every parameter of every path and query, and every member that names something.
func TestForeignObjectsLookLikeNothing(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	c.put("/api/user/globex-user-id/metadata/secretive?org=globex", adminToken, `{"value":"dark","profileClaim":true}`).want(t, http.StatusOK)
	c.put("/api/metadata-key/secretive?org=globex", adminToken, `{}`).want(t, http.StatusCreated)
	naming, described := c.naming(), describedByRoute(t)
	callers := []struct{ name, bearer string }{
		{"operator", c.acme.operator}, {"reader", c.acme.reader}, {"machine", c.acme.machineToken},
		{"user", c.loginAs(c.acme.user, "").text(t, "access_token")},
	}
	before := c.snapshot(globex)
	count := 0
	for _, op := range eachRoute() {
		method, _, _ := strings.Cut(op.route, " ")
		ownTarget, ownBody := op.prepare(c)
		for _, p := range c.places(t, op, described[op.route], naming) {
			for _, caller := range callers {
				for n := range p.of.foreign {
					ask := func(name string) answer {
						target, body := p.with(ownTarget, ownBody, name)
						status, a := c.verdict(method, target, caller.bearer, body)
						if count++; status/100 == 2 && method != http.MethodGet {
							c.restore()
							ownTarget, ownBody = op.prepare(c)
						}
						return a.without(name)
					}
					foreign, nothing := ask(p.of.foreign[n]), ask(p.of.nobody[n])
					what := caller.name + " " + op.route + " " + p.what + " of " + p.of.foreign[n]
					same(t, what, foreign, nothing)
					if p.must && foreign.status != http.StatusNotFound && foreign.status != http.StatusForbidden {
						t.Errorf("%s: %d %s", what, foreign.status, foreign.body)
					}
				}
			}
		}
	}
	t.Logf("%d requests", count)
	if after := c.snapshot(globex); after != before {
		t.Errorf("globex was\n%s\nand is\n%s", before, after)
	}
}

// counting is what counts on with every change that one's own objects have seen, and what is made up anew.
var counting = regexp.MustCompile(`("(?:revision|claims_(?:app_|org_)?rev|id|client_id|client_secret|slug)":)("[^"]*"|\d+)`)

// without is the answer without the name that was asked for.
func (a answer) without(name string) answer {
	header, text := a.header.Clone(), strings.ReplaceAll(a.body, name, "…")
	if a.status/100 == 2 {
		header.Del("ETag")
		header.Del("Location")
		text = counting.ReplaceAllString(text, "$1…")
	}
	return answer{a.status, header, text}
}
