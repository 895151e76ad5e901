package metadata_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/claimsmith/claimsmith/internal/audit"
	"github.com/claimsmith/claimsmith/internal/durable"
	"github.com/claimsmith/claimsmith/internal/keyspace"
	"github.com/claimsmith/claimsmith/internal/redistest"
	"github.com/claimsmith/claimsmith/metadata"
	"github.com/claimsmith/claimsmith/metadata/redisstore"
	"github.com/claimsmith/claimsmith/metadata/storetest"
)

// fixture is a service over a real store with these users; jane and john are usernames.
//
//	id u-jane  jane  jane@example.com  member of default and acme
//	id u-john  john                    member of default
//	id u-acme                          member of acme
type fixture struct {
	*metadata.Service
	backend   redistest.Backend
	users     *storetest.Users
	directory directory
	events    events
}

type directory map[string]string

func (d directory) UserByName(_ context.Context, name string) (id, canonical string, err error) {
	canonical = strings.ToLower(name)
	if id = d[canonical]; id == "error" {
		return "", "", errors.New("connection refused by redis-7.internal")
	}
	return id, canonical, nil
}

type events []audit.Event

func (e *events) Record(_ context.Context, event audit.Event) { *e = append(*e, event) }

func (e *events) take() []audit.Event {
	taken := *e
	*e = nil
	return taken
}

var now = time.Date(2026, 3, 14, 15, 9, 26, 535e6, time.UTC)

func newFixture(t *testing.T) *fixture {
	f := &fixture{backend: redistest.Embedded(t), directory: directory{
		"jane": "u-jane", "jane@example.com": "u-jane", "john": "u-john", "broken": "error",
	}}
	space := keyspace.New(keyspace.DefaultPartitions)
	f.users = &storetest.Users{Client: f.backend.Client, Space: space}
	f.users.New(t, storetest.User{ID: "u-jane", Username: "jane", Email: "jane@example.com", Orgs: []string{"default", "acme"}})
	f.users.New(t, storetest.User{ID: "u-john", Username: "john", Orgs: []string{"default"}})
	f.users.New(t, storetest.User{ID: "u-acme", Orgs: []string{"acme"}})
	store := redisstore.New(&durable.Runner{Client: f.backend.Client}, space)
	clock := func() time.Time { return now }
	f.Service = &metadata.Service{
		Store: store, Schemes: &metadata.Schemes{Store: store, Now: clock}, Directory: f.directory, Audit: &f.events, Now: clock,
	}
	return f
}

type caller struct {
	ref, home, self string
	read, write     []string
}

func (c *caller) Ref() string              { return c.ref }
func (c *caller) HomeOrg() string          { return c.home }
func (c *caller) MayRead(org string) bool  { return slices.Contains(c.read, org) || c.MayWrite(org) }
func (c *caller) MayWrite(org string) bool { return slices.Contains(c.write, org) }
func (c *caller) Self(org string) (string, bool) {
	return c.self, c.self != "" && org == c.home
}

var (
	operator     = &caller{ref: "token:op", home: "default", write: []string{"default"}}
	admin        = &caller{ref: "token:admin", home: "default", write: []string{"default", "acme"}}
	reader       = &caller{ref: "token:reader", home: "default", read: []string{"default"}}
	acmeOperator = &caller{ref: "token:acme", home: "acme", write: []string{"acme"}}
	jane         = &caller{ref: "user:u-jane", home: "default", self: "u-jane"}
	john         = &caller{ref: "user:u-john", home: "default", self: "u-john"}
	janeReader   = &caller{ref: "user:u-jane", home: "default", self: "u-jane", read: []string{"default"}}
	powerless    = &caller{ref: "client:app", home: "default"}
	none         metadata.Precondition
)

func target(user string) metadata.Target { return metadata.Target{User: user} }

func put(key, json string) metadata.Put {
	return metadata.Put{Key: key, Value: metadata.Restore(metadata.KindJSON, json)}
}

func claim(key, json string) metadata.Put {
	p := put(key, json)
	p.ProfileClaim = true
	return p
}

func codeOf(err error) metadata.Code {
	var e *metadata.Error
	if errors.As(err, &e) {
		return e.Code
	}
	if err != nil {
		return metadata.Code(err.Error())
	}
	return ""
}

func (f *fixture) seed(t *testing.T) {
	t.Helper()
	for _, to := range []metadata.Target{{Org: "default", User: "u-jane"}, {Org: "acme", User: "u-jane"}, {Org: "default", User: "u-john"}} {
		change := metadata.Change{Set: []metadata.Put{claim("role", `"user"`), put("note", `"`+to.Org+`"`)}}
		if _, err := f.Apply(t.Context(), admin, to, change, none); err != nil {
			t.Fatal(err)
		}
	}
	f.events.take()
}

func TestWhoMayDoWhat(t *testing.T) {
	const (
		ok        = metadata.Code("")
		notFound  = metadata.NotFound
		forbidden = metadata.Forbidden
	)
	tests := []struct {
		caller      *caller
		target      metadata.Target
		read, write metadata.Code
	}{
		{operator, target("u-jane"), ok, ok},
		{operator, target("jane"), ok, ok},
		{operator, target("jane@example.com"), ok, ok},
		{operator, target("me"), notFound, notFound},
		{operator, target("u-nobody"), notFound, notFound},
		{operator, target("nobody@example.com"), notFound, notFound},
		{operator, target("u-acme"), notFound, notFound},
		{operator, metadata.Target{Org: "acme", User: "u-jane"}, notFound, notFound},
		{operator, metadata.Target{Org: "acme", User: "jane@example.com"}, notFound, notFound},
		{operator, metadata.Target{Org: "nowhere", User: "u-jane"}, notFound, notFound},
		{admin, metadata.Target{Org: "acme", User: "u-jane"}, ok, ok},
		{admin, metadata.Target{Org: "acme", User: "u-john"}, notFound, notFound},
		{acmeOperator, target("u-jane"), ok, ok},
		{acmeOperator, target("u-john"), notFound, notFound},
		{acmeOperator, metadata.Target{Org: "default", User: "u-jane"}, notFound, notFound},

		{reader, target("u-jane"), ok, forbidden},
		{reader, target("jane"), ok, forbidden},
		{reader, target("u-nobody"), notFound, forbidden}, // no look before the verdict
		{reader, metadata.Target{Org: "acme", User: "u-jane"}, notFound, notFound},

		{jane, target("me"), ok, ok},
		{jane, target("u-jane"), ok, ok},
		{jane, target("jane"), ok, ok},
		{jane, target("JANE"), ok, ok},
		{jane, target("Jane@Example.COM"), ok, ok},
		{jane, target("john"), notFound, notFound},
		{jane, target("u-john"), notFound, notFound},
		{jane, target("u-nobody"), notFound, notFound},
		{jane, metadata.Target{Org: "acme", User: "me"}, notFound, notFound}, // her token is for default
		{jane, metadata.Target{Org: "acme", User: "u-jane"}, notFound, notFound},
		{john, target("u-jane"), notFound, notFound},
		{john, target("jane@example.com"), notFound, notFound},

		{janeReader, target("u-john"), ok, forbidden},
		{janeReader, target("me"), ok, ok},

		{powerless, target("u-jane"), notFound, notFound},
		{powerless, target("me"), notFound, notFound},
	}
	for _, test := range tests {
		t.Run(fmt.Sprintf("%s %+v", test.caller.ref, test.target), func(t *testing.T) {
			f := newFixture(t)
			f.seed(t)
			_, err := f.Get(t.Context(), test.caller, test.target)
			wantCode(t, "Get", err, test.read)
			_, err = f.GetEntry(t.Context(), test.caller, test.target, "note")
			wantCode(t, "GetEntry", err, test.read)
			_, err = f.Apply(t.Context(), test.caller, test.target, metadata.Change{Set: []metadata.Put{put("note", `"new"`)}}, none)
			wantCode(t, "Apply", err, test.write)

			wantOrg := test.target.Org
			if wantOrg == "" {
				wantOrg = test.caller.home
			}
			for _, org := range []string{"default", "acme"} {
				entry, err := f.GetEntry(t.Context(), admin, metadata.Target{Org: org, User: "u-jane"}, "note")
				want := `"` + org + `"`
				if org == wantOrg && test.write == "" {
					want = `"new"`
				}
				if err != nil || entry.Value.Raw() != want {
					t.Errorf("jane's note in %s is %s, %v, want %s", org, entry.Value.Raw(), err, want)
				}
			}
		})
	}
}

func wantCode(t *testing.T, call string, err error, want metadata.Code) {
	t.Helper()
	if codeOf(err) != want {
		t.Errorf("%s: %v, want %q", call, err, want)
	}
	if want == metadata.NotFound && err != error(metadata.ErrUserNotFound) { //nolint:errorlint // every case is the very same value
		t.Errorf("%s: %v can be told from a random id's %v", call, err, metadata.ErrUserNotFound)
	}
}

func TestUserCannotReachTheClaims(t *testing.T) {
	tests := []struct {
		name   string
		change metadata.Change
		code   metadata.Code
	}{
		{"a new claim", metadata.Change{Set: []metadata.Put{claim("admin", `true`)}}, metadata.Forbidden},
		{"a claim set to what it is", metadata.Change{Set: []metadata.Put{claim("role", `"user"`)}}, metadata.Forbidden},
		{"another value of a claim", metadata.Change{Set: []metadata.Put{put("role", `"admin"`)}}, metadata.Forbidden},
		{"an own entry into a claim", metadata.Change{Set: []metadata.Put{claim("note", `"x"`)}}, metadata.Forbidden},
		{"a claim deleted", metadata.Change{Delete: []string{"role"}}, metadata.Forbidden},
		{"a claim deleted and set", metadata.Change{Delete: []string{"role"}, Set: []metadata.Put{put("role", `"x"`)}}, metadata.Forbidden},
		{"one of many", metadata.Change{Set: []metadata.Put{put("note", `"x"`), put("role", `"x"`)}}, metadata.Forbidden},
		{"in a replacement", metadata.Change{Replace: true, Set: []metadata.Put{put("role", `"x"`)}}, metadata.Forbidden},
		{"all entries replaced", metadata.Change{Replace: true, Set: []metadata.Put{put("new", `"x"`)}}, ""},
		{"all entries cleared", metadata.Change{Replace: true}, ""},
		{"his own entry", metadata.Change{Set: []metadata.Put{put("note", `"x"`)}}, ""},
		{"his own entry deleted", metadata.Change{Delete: []string{"note"}}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := newFixture(t)
			f.seed(t)
			before, err := f.Get(t.Context(), jane, target("me"))
			if err != nil {
				t.Fatal(err)
			}
			_, err = f.Apply(t.Context(), jane, target("me"), test.change, none)
			if codeOf(err) != test.code {
				t.Errorf("%v, want %q", err, test.code)
			}
			claims := f.claims(t, "default", "u-jane", "")
			if !cmp.Equal(claims, []string{`role="user"`}) {
				t.Errorf("claims are %v", claims)
			}
			after, err := f.Get(t.Context(), jane, target("me"))
			if err != nil || test.code != "" && after.Revision != before.Revision {
				t.Errorf("revision %d after %d, %v", after.Revision, before.Revision, err)
			}
		})
	}
}

func (f *fixture) claims(t *testing.T, org, user, app string) []string {
	t.Helper()
	_, read := f.ProfileClaims(t.Context(), org, user, app)
	claims, _, _, _, err := read()
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for key, value := range claims("access_token") {
		list = append(list, key+"="+value)
	}
	return list
}

func TestWhatNamesAUser(t *testing.T) {
	f := newFixture(t)
	f.seed(t)
	f.users.New(t, storetest.User{ID: "john", Orgs: []string{"default"}}) // the id of one is the username of another
	f.directory["former"] = "u-jane"                                      // a handle she no longer has
	names := map[string]string{
		"u-jane": "u-jane", "jane": "u-jane", "JaNe": "u-jane", "JANE@EXAMPLE.COM": "u-jane",
		"john": "john", "John": "u-john", "u-john": "u-john",
		"former": "", "nobody": "", "u-Jane": "", "": "", " jane": "", "jane ": "", "jane@": "", "@": "", "jane@@example.com": "",
		"jane@example.com@example.com": "", "jane\x00": "", "\xff": "", "a:b": "", "a}x": "", "{victim}": "", "*": "", "\r\nFLUSHALL\r\n": "",
		strings.Repeat("x", 64): "", strings.Repeat("x", 512<<10): "", strings.Repeat("x", 250) + "@x.org": "",
	}
	var sent commands
	f.backend.Client.AddHook(&sent)
	for name, id := range names {
		_, err := f.Apply(t.Context(), operator, target(name), metadata.Change{Delete: []string{"absent"}}, none)
		if id == "" {
			wantCode(t, fmt.Sprintf("%.40q", name), err, metadata.NotFound)
		} else if event := f.events[len(f.events)-1]; err != nil || event.Target != "user:"+id {
			t.Errorf("%q: %v, %s, want %s", name, err, event.Target, id)
		}
	}
	for _, hostile := range []string{"a:b", "a}x", "{victim}", "*", "FLUSHALL", "\x00", "\xff", "@"} {
		if sent.contain("u:"+hostile) || hostile == "FLUSHALL" && sent.contain(hostile) {
			t.Errorf("%q reached Redis as an id", hostile)
		}
	}
	if sent.contain("u:cs:") { // the record's key right before the next one
		t.Error("the empty id reached Redis")
	}
	_, err := f.Get(t.Context(), operator, target("broken"))
	var fault *metadata.Error
	if !errors.As(err, &fault) || fault.Code != metadata.Unavailable || strings.Contains(fault.Detail, "redis") {
		t.Errorf("with a broken directory: %v", err)
	}
}

// commands are the arguments of everything sent to Redis.
type commands []string

func (c *commands) DialHook(next redis.DialHook) redis.DialHook { return next }

func (c *commands) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		*c = append(*c, fmt.Sprint(cmd.Args()...))
		return next(ctx, cmd)
	}
}

func (c *commands) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		for _, cmd := range cmds {
			*c = append(*c, fmt.Sprint(cmd.Args()...))
		}
		return next(ctx, cmds)
	}
}

func (c *commands) contain(text string) bool {
	return slices.ContainsFunc(*c, func(sent string) bool { return strings.Contains(sent, text) })
}

func TestOrganisationsAndApplicationsAreChecked(t *testing.T) {
	f := newFixture(t)
	var sent commands
	f.backend.Client.AddHook(&sent)
	everywhere := &caller{ref: "token:x", home: "default", write: []string{"a:b", "Default", "-", "{default}", strings.Repeat("a", 64)}}
	for _, org := range everywhere.write {
		_, err := f.Get(t.Context(), everywhere, metadata.Target{Org: org, User: "u-jane"})
		wantCode(t, fmt.Sprintf("organisation %q", org), err, metadata.NotFound)
	}
	if len(sent) != 0 {
		t.Errorf("Redis was asked %v", sent)
	}
	for _, app := range []string{"a:b", "{a}", " ", "a/b", "é", strings.Repeat("a", 65)} {
		_, err := f.Apply(t.Context(), operator, metadata.Target{User: "u-jane", App: app}, metadata.Change{Set: []metadata.Put{put("a", `1`)}}, none)
		if codeOf(err) != metadata.Invalid {
			t.Errorf("application %.40q: %v", app, err)
		}
	}
	if _, err := f.Get(t.Context(), operator, metadata.Target{User: "u-jane", App: "web.portal_1-" + strings.Repeat("a", 51)}); err != nil {
		t.Error(err)
	}
}
