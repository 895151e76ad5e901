package metadata_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claimsmith/claimsmith/internal/audit"
	"github.com/claimsmith/claimsmith/internal/durable"
	"github.com/claimsmith/claimsmith/internal/keyspace"
	"github.com/claimsmith/claimsmith/internal/redistest"
	"github.com/claimsmith/claimsmith/metadata"
	"github.com/claimsmith/claimsmith/metadata/redisstore"
	"github.com/claimsmith/claimsmith/metadata/storetest"
)

// laws is a service of an organisation with few partitions, so that all of them are soon told of a change. Jane and john are members.
type laws struct {
	*metadata.Service
	t       *testing.T
	backend redistest.Backend
	users   *storetest.Users
	trail   *trail
	limits  metadata.Limits
}

type trail struct {
	mu     sync.Mutex
	events []audit.Event
}

func (r *trail) Record(_ context.Context, e audit.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

func (r *trail) take() []audit.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	taken := r.events
	r.events = nil
	return taken
}

func newLaws(t *testing.T) *laws { return lawsOver(t, redistest.Embedded(t)) }

func lawsOver(t *testing.T, b redistest.Backend) *laws {
	space := keyspace.New(4)
	l := &laws{t: t, backend: b, users: &storetest.Users{Client: b.Client, Space: space}, trail: &trail{}, limits: metadata.DefaultLimits}
	l.users.New(t, storetest.User{ID: "u-jane", Username: "jane", Orgs: []string{"default"}})
	l.users.New(t, storetest.User{ID: "u-john", Username: "john", Orgs: []string{"default"}})
	if err := b.Client.HSet(t.Context(), space.Org("default"), "rec", "{}").Err(); err != nil {
		t.Fatal(err)
	}
	l.Service = l.another()
	return l
}

// another is a second instance over the same store.
func (l *laws) another() *metadata.Service {
	space := keyspace.New(4)
	store := redisstore.New(&durable.Runner{Client: l.backend.Client}, space)
	clock := func() time.Time { return now }
	return &metadata.Service{
		Store: store, Schemes: &metadata.Schemes{Store: store, Now: clock}, Audit: l.trail, Now: clock,
		Directory: directory{"jane": "u-jane", "john": "u-john"},
		Limits:    func(context.Context, string) (metadata.Limits, error) { return l.limits, nil },
	}
}

// define lays down a definition that must be accepted.
func (l *laws) define(d metadata.Definition) metadata.Definition {
	l.t.Helper()
	made, _, err := l.Define(l.t.Context(), operator, "", d, nil, metadata.Accept{})
	if err != nil {
		l.t.Fatalf("define %+v: %v", d, err)
	}
	return made
}

func (l *laws) group(slug string, order int) metadata.Group {
	l.t.Helper()
	g, err := l.CreateGroup(l.t.Context(), operator, "", metadata.GroupChange{Slug: &slug, Order: &order})
	if err != nil {
		l.t.Fatal(err)
	}
	return g
}

func (l *laws) apply(c metadata.Caller, to metadata.Target, puts ...metadata.Put) (metadata.Document, error) {
	return l.Apply(l.t.Context(), c, to, metadata.Change{Set: puts}, none)
}

func (l *laws) must(c metadata.Caller, to metadata.Target, puts ...metadata.Put) metadata.Document {
	l.t.Helper()
	doc, err := l.apply(c, to, puts...)
	if err != nil {
		l.t.Fatal(err)
	}
	return doc
}

// tokens are the claims of an access token.
func (l *laws) tokens(user string) []string {
	l.t.Helper()
	_, read := l.ProfileClaims(l.t.Context(), "default", user, "")
	claims, _, _, _, err := read()
	if err != nil {
		l.t.Fatal(err)
	}
	var list []string
	for key, value := range claims("access_token") {
		list = append(list, key+"="+value)
	}
	return list
}

func unmarked(key, json string) metadata.Put {
	p := put(key, json)
	p.Unmarked = true
	return p
}

func ofGroup(slug string) metadata.Target { return metadata.Target{Shared: true, Group: slug} }

var ofOrg = metadata.Target{Shared: true}

func TestADefinitionMustNotContradictItself(t *testing.T) {
	never, self, forSelf := metadata.ClaimNever, metadata.ForSelf, metadata.ForSelf
	many := slices.Repeat([]string{"c"}, 101)
	for i := range many {
		many[i] = fmt.Sprint("c", i)
	}
	tests := []struct {
		name  string
		d     metadata.Definition
		field string // "" for a good one
	}{
		{"a key alone", metadata.Definition{Key: "plan"}, ""},
		{"no key", metadata.Definition{}, "key"},
		{"a long key", metadata.Definition{Key: strings.Repeat("k", 201), Claim: never}, "key"},
		{"a key no claim can have", metadata.Definition{Key: "a b"}, "claim"},
		{"that is never one", metadata.Definition{Key: "a b", Claim: never}, ""},
		{"another claim rule", metadata.Definition{Key: "k", Claim: "maybe"}, "claim"},
		{"written by the audience", metadata.Definition{Key: "k", Write: metadata.ForServices}, "write"},
		{"read by nobody", metadata.Definition{Key: "k", Read: "nobody"}, "read"},
		{"a claim that services may not read", metadata.Definition{Key: "k", Read: forSelf}, "read"},
		{"a claim always that operators alone read", metadata.Definition{Key: "k", Read: metadata.ForOperators, Claim: metadata.ClaimAlways}, "read"},
		{"for operators", metadata.Definition{Key: "k", Read: metadata.ForOperators, Claim: never}, ""},
		{"written blindly", metadata.Definition{Key: "k", Read: metadata.ForOperators, Claim: never, Write: self}, "write"},
		{"never a claim unless unsaid", metadata.Definition{Key: "k", Claim: never, ProfileClaim: true}, "profile_claim"},
		{"searchable and sensitive", metadata.Definition{Key: "k", Searchable: true, Sensitive: true}, "searchable"},
		{"no such client", metadata.Definition{Key: "k", Clients: []string{"a:b"}}, "clients"},
		{"a client twice", metadata.Definition{Key: "k", Clients: []string{"a", "a"}}, "clients"},
		{"many clients", metadata.Definition{Key: "k", Clients: many}, "clients"},
		{"no such place", metadata.Definition{Key: "k", Places: []string{"header"}}, "places"},
		{"all places", metadata.Definition{Key: "k", Places: metadata.Places}, ""},
		{"less than no bytes", metadata.Definition{Key: "k", MaxBytes: -1}, "max_bytes"},
		{"too many bytes", metadata.Definition{Key: "k", MaxBytes: metadata.MaxValueBytes + 1}, "max_bytes"},
		{"a long description", metadata.Definition{Key: "k", Description: strings.Repeat("x", 1001)}, "description"},
		{"an owner of control characters", metadata.Definition{Key: "k", Owner: "a\x1b[31m"}, "owner"},
		{"a schema", metadata.Definition{Key: "k", Schema: `{ "type" : "integer" }`, Default: `5`}, ""},
		{"no schema", metadata.Definition{Key: "k", Schema: `{"type":5}`}, "schema"},
		{"a schema elsewhere", metadata.Definition{Key: "k", Schema: `{"$ref":"https://example.com/s"}`}, "schema"},
		{"a large schema", metadata.Definition{Key: "k", Schema: `{"title":"` + strings.Repeat("x", 16<<10) + `"}`}, "schema"},
		{"a default of another type", metadata.Definition{Key: "k", Schema: `{"type":"integer"}`, Default: `"5"`}, "default"},
		{"a default that is no JSON", metadata.Definition{Key: "k", Default: `{`}, "default"},
		{"a default beyond the limit", metadata.Definition{Key: "k", MaxBytes: 3, Default: `"abc"`}, "default"},
		{"a default that is never shown", metadata.Definition{Key: "k", Claim: never, Default: `1`}, "default"},
	}
	l := newLaws(t)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, checkErr := l.CheckDefinition(t.Context(), operator, "", test.d, metadata.Page{})
			_, _, err := l.Define(t.Context(), operator, "", test.d, nil, metadata.Accept{})
			for call, err := range map[string]error{"CheckDefinition": checkErr, "Define": err} {
				fault, _ := err.(*metadata.Error) //nolint:errorlint // the very value
				if test.field == "" && err != nil || test.field != "" && (fault == nil || fault.Field != test.field ||
					fault.Code != metadata.Invalid && fault.Code != metadata.LimitExceeded) {
					t.Errorf("%s: %v, want a fault of %q", call, err, test.field)
				}
			}
		})
	}
}

func TestWhoMayLayDownWhat(t *testing.T) {
	l := newLaws(t)
	l.define(metadata.Definition{Key: "salary", Claim: metadata.ClaimNever, Read: metadata.ForOperators})
	l.define(metadata.Definition{Key: "theme"})
	l.group("staff", 1)
	slug := "team"
	tests := []struct {
		caller         metadata.Caller
		defs           string // keys he may read
		groups, govern metadata.Code
	}{
		{operator, "salary theme", "", ""},
		{reader, "theme", "", metadata.Forbidden},
		{jane, "theme", metadata.NotFound, metadata.Forbidden},
		{acmeOperator, "", metadata.NotFound, metadata.NotFound},
		{powerless, "", metadata.NotFound, metadata.NotFound},
	}
	for _, test := range tests {
		t.Run(test.caller.Ref(), func(t *testing.T) {
			l.trail.take()
			defs, _, err := l.Definitions(t.Context(), test.caller, "default", metadata.Page{})
			var keys []string
			for _, d := range defs {
				keys = append(keys, d.Key)
			}
			if got := strings.Join(keys, " "); got != test.defs || (err == nil) != (test.defs != "") {
				t.Errorf("definitions are %q, %v, want %q", got, err, test.defs)
			}
			_, err = l.Definition(t.Context(), test.caller, "default", "salary")
			if visible := strings.Contains(test.defs, "salary"); (err == nil) != visible || !visible && codeOf(err) != metadata.NotFound {
				t.Errorf("the hidden definition: %v", err)
			}
			_, _, err = l.Groups(t.Context(), test.caller, "default", metadata.Page{})
			wantOnly(t, "Groups", err, test.groups)
			_, err = l.Group(t.Context(), test.caller, "default", "staff")
			wantOnly(t, "Group", err, test.groups)
			_, _, err = l.Members(t.Context(), test.caller, "default", "staff", metadata.Page{Limit: 10})
			wantOnly(t, "Members", err, test.groups)
			_, err = l.Get(t.Context(), test.caller, metadata.Target{Org: "default", Shared: true})
			wantOnly(t, "Get", err, test.groups)

			_, _, err = l.Define(t.Context(), test.caller, "default", metadata.Definition{Key: "new"}, nil, metadata.Accept{})
			wantOnly(t, "Define", err, test.govern)
			_, err = l.CheckDefinition(t.Context(), test.caller, "default", metadata.Definition{Key: "new"}, metadata.Page{})
			wantOnly(t, "CheckDefinition", err, test.govern)
			wantOnly(t, "Undefine", l.Undefine(t.Context(), test.caller, "default", "new", nil), test.govern)
			_, err = l.CreateGroup(t.Context(), test.caller, "default", metadata.GroupChange{Slug: &slug})
			wantOnly(t, "CreateGroup", err, test.govern)
			_, err = l.UpdateGroup(t.Context(), test.caller, "default", "team", nil, metadata.GroupChange{Name: &slug})
			wantOnly(t, "UpdateGroup", err, test.govern)
			wantOnly(t, "DeleteGroup", l.DeleteGroup(t.Context(), test.caller, "default", "team", nil), test.govern)
			_, err = l.apply(test.caller, metadata.Target{Org: "default", Shared: true, Group: "staff"}, put("k", `1`))
			wantOnly(t, "Apply", err, test.govern)

			join := test.govern
			if test.caller == metadata.Caller(jane) {
				join = metadata.Forbidden
			}
			wantOnly(t, "Join", l.Join(t.Context(), test.caller, metadata.Target{Org: "default", User: "u-jane"}, "staff"), join)
			wantOnly(t, "Leave", l.Leave(t.Context(), test.caller, metadata.Target{Org: "default", User: "u-jane"}, "staff"), join)
			outcome := map[metadata.Code]string{"": audit.Success}[test.govern]
			if outcome == "" {
				outcome = audit.Denied
			}
			events := map[string]string{}
			for _, e := range l.trail.take() {
				if e.Action != "metadata.read" {
					events[e.Action] = e.Outcome
				}
				if e.Org != "default" || e.Actor != test.caller.Ref() {
					t.Errorf("recorded %+v", e)
				}
			}
			want := map[string]string{}
			for _, action := range []string{
				"definition.put", "definition.delete", "group.create", "group.update", "group.delete", "metadata.write", "group.join", "group.leave",
			} {
				want[action] = outcome
			}
			if diff := cmp.Diff(want, events); diff != "" {
				t.Errorf("recorded (-want +got):\n%s", diff)
			}
		})
	}
}

func wantOnly(t *testing.T, call string, err error, want metadata.Code) {
	t.Helper()
	if codeOf(err) != want {
		t.Errorf("%s: %v, want %q", call, err, want)
	}
}
