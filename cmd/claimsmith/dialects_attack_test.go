package main

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/claimsmith/claimsmith/internal/redistest"
)

// nobodyThere is whom no organisation has.
var nobodyThere = person{id: "zzzzzz-user-id", username: "zzzzzz-user", email: "zzzzzz@acme.example"}

// inAcme is acme's user, as a target of every tongue.
func (c *cast) inAcme(t *tongue, bearer string) about {
	c.t.Helper()
	a := about{org: acme, user: c.acme.user, bearer: bearer}
	if !t.wide {
		a.app, a.number = "acme-plain", c.numberOf("acme-plain", acme)
	}
	return a
}

// wish is something to do to a document.
type wish struct {
	name string
	// self and reader: the user himself, a reader, may.
	self, reader bool
	do           func(t *tongue, c *cast, a about) (answer, bool) // false where the tongue has no words for it
}

// wishes are what all dialects have words for, or most.
var wishes = []wish{
	{"read", true, true, func(t *tongue, c *cast, a about) (answer, bool) {
		got, shown := t.read(c, a)
		if _, sees := shown["badge"]; got.status == http.StatusOK && !sees {
			got.status = http.StatusNotFound // there is nothing for him
		}
		return got, true
	}},
	{"read one", true, true, func(t *tongue, c *cast, a about) (answer, bool) {
		if t.one == nil {
			return answer{}, false
		}
		got, _ := t.one(c, a, "badge")
		return got, true
	}},
	{"set what is no claim", true, false, writing(pair{key: "note", value: "1"})},
	{"set what is a claim", false, false, writing(pair{key: "badge", value: "8"})},
	{"set a key of operators", false, false, writing(pair{key: "rating", value: "8"})},
	{"set both", false, false, writing(pair{key: "note", value: "1"}, pair{key: "badge", value: "8"})},
	{"remove what is no claim", true, false, removing("theme")},
	{"remove what is a claim", false, false, removing("badge")},
	{"replace", true, false, func(t *tongue, c *cast, a about) (answer, bool) {
		if t.replace == nil {
			return answer{}, false
		}
		return t.replace(c, a, []pair{{key: "note", value: "1"}}), true
	}},
	{"clear", true, false, func(t *tongue, c *cast, a about) (answer, bool) {
		if t.clear == nil {
			return answer{}, false
		}
		return t.clear(c, a), true
	}},
}

func writing(pairs ...pair) func(*tongue, *cast, about) (answer, bool) {
	return func(t *tongue, c *cast, a about) (answer, bool) {
		if t.change == nil {
			return t.replace(c, a, pairs), true
		}
		return t.change(c, a, pairs, nil), true
	}
}

func removing(keys ...string) func(*tongue, *cast, about) (answer, bool) {
	return func(t *tongue, c *cast, a about) (answer, bool) {
		if t.change == nil {
			return answer{}, false
		}
		return t.change(c, a, nil, keys), true
	}
}

// Who may do what is the same through every dialect; and who may not know whether somebody exists is told nothing by any (rows M-01, M-02, A-01, A-03).
func TestDialectsAllowAlike(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	login := func(p person) string { return c.loginAs(p, "").text(t, "access_token") }
	for _, role := range []struct {
		name, bearer           string
		operator, reader, self bool
	}{
		{"operator", c.acme.operator, true, false, false}, {"machine", c.acme.machineToken, true, false, false},
		{"reader", c.acme.reader, false, true, false}, {"self", login(c.acme.user), false, false, true},
		{"plain", c.acme.plainToken, false, false, false}, {"foreign operator", c.globex.operator, false, false, false},
		{"foreign machine", c.globex.machineToken, false, false, false},
		{"other", login(c.acme.other), false, false, false}, {"stranger", login(c.globex.user), false, false, false},
		{"anonymous", "", false, false, false}, {"nonsense", "cs_at_nonsense", false, false, false},
	} {
		for n := range tongues {
			spoken := &tongues[n]
			for _, w := range wishes {
				what := role.name + " " + w.name + " by " + spoken.name
				a := c.inAcme(spoken, role.bearer)
				a.self = role.self
				allowed := role.operator || role.self && w.self || role.reader && w.reader
				if allowed || w.name == wishes[0].name {
					c.layOut(a)
				}
				before := c.stored(a.native(""))
				got, said := w.do(spoken, c, a)
				if !said {
					continue
				}
				if (got.class() == classDone) != allowed {
					t.Errorf("%s: %d %s", what, got.status, got.body)
				}
				if allowed {
					continue
				}
				if after := c.stored(a.native("")); after != before {
					t.Errorf("%s changed\n%s into\n%s", what, before, after)
				}
				if role.self || role.reader {
					if got.class() != classRefused {
						t.Errorf("%s: %d %s", what, got.status, got.body)
					}
					continue
				}
				a.user = nobodyThere
				nothing, _ := w.do(spoken, c, a)
				same(t, what, got.without(c.acme.user.id).without(c.acme.user.username), nothing.without(nobodyThere.id).without(nobodyThere.username))
			}
		}
	}
}

// layOut makes the document of a user what it is in the beginning.
func (c *cast) layOut(a about) {
	c.t.Helper()
	a.bearer = adminToken
	nativeAPI.replace(c, a, []pair{
		{"badge", "7", "true"}, {"theme", `"dark"`, "false"}, {"rating", `"nobody-but-operators"`, ""},
	}).want(c.t, http.StatusOK)
}

// Each type stays what it is, whichever dialect writes and whichever reads (row M-08).
func TestTypesSurviveEveryPairOfDialects(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	const whole = `{"a":[],"b":{},"c":null,"d":"true","e":"1"}`
	values := []string{whole, `[]`, `{}`, `null`, `true`, `"true"`, `1`, `"1"`, `1.0`, `""`, `"[]"`, `9007199254740993`, `-0`}
	for n := range tongues {
		for m := range tongues {
			writer, reader := &tongues[n], &tongues[m]
			if writer.opaque || writer.wide != reader.wide && !(writer.apps && reader.apps) {
				continue
			}
			a := c.inAcme(writer, c.acme.operator)
			if !reader.wide {
				a = c.inAcme(reader, c.acme.operator)
			}
			for _, value := range values {
				writer.replace(c, a, []pair{{key: "k", value: value}}).want(t, writer.made())
				_, shown := reader.read(c, a)
				want := value
				if reader.opaque {
					want = kept{text: value}.opaque()
				}
				if len(shown) != 1 || shown["k"] != want {
					t.Errorf("%s by %s is %q by %s", value, writer.name, shown, reader.name)
				}
				if !reader.opaque || want == "" {
					continue
				}
				// What is written back as it was read is what it was, and nothing has happened.
				revision := c.get(a.native(""), adminToken).header.Get("ETag")
				reader.change(c, a, []pair{{key: "k", value: want}}, nil).want(t, http.StatusOK)
				if _, now := nativeAPI.read(c, a); now["k"] != value || c.get(a.native(""), adminToken).header.Get("ETag") != revision {
					t.Errorf("%s, written back by %s, is %s", value, reader.name, now["k"])
				}
			}
		}
	}
}

// made is the status of a replacement that succeeds.
func (t *tongue) made() int {
	if t.name == profiles.name {
		return http.StatusCreated // of the request
	}
	return http.StatusOK
}

// No update is lost, whichever dialects they come through at once (row M-12).
func TestNoUpdateIsLostBetweenDialects(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	var able []*tongue
	for n := range tongues {
		if tongues[n].wide && tongues[n].change != nil {
			able = append(able, &tongues[n])
		}
	}
	a := c.inAcme(&nativeAPI, c.acme.operator)
	const writers = 50
	want := map[string]string{}
	var wg sync.WaitGroup
	for n := range writers {
		key := fmt.Sprintf("k%d", n)
		want[key] = `"x"`
		wg.Go(func() {
			by, value := able[n%len(able)], `"x"`
			if by.opaque {
				value = "x"
			}
			if got := by.change(c, a, []pair{{key: key, value: value}}, nil); got.class() != classDone {
				t.Errorf("%s: %d %s", by.name, got.status, got.body)
			}
		})
	}
	wg.Wait()
	_, shown := nativeAPI.read(c, a)
	for key := range want {
		if shown[key] != want[key] {
			t.Errorf("%s is lost", key)
		}
	}

	// Sentinel replaces whole profiles: a user's own takes nothing from what operators mark at the same time.
	a = c.inAcme(&profiles, c.acme.operator)
	self := a
	self.self, self.bearer = true, c.loginAs(c.acme.user, "").text(t, "access_token")
	for n := range writers / 2 {
		wg.Go(func() {
			if got := nativeAPI.change(c, a, []pair{{fmt.Sprintf("k%d", n), `"x"`, "true"}}, nil); got.class() != classDone {
				t.Errorf("%s: %d %s", nativeAPI.name, got.status, got.body)
			}
		})
		wg.Go(func() {
			if got := profiles.replace(c, self, []pair{{key: "note", value: fmt.Sprint(n)}}); got.class() != classDone {
				t.Errorf("%s: %d %s", profiles.name, got.status, got.body)
			}
		})
	}
	wg.Wait()
	_, shown = profiles.read(c, a)
	for n := range writers / 2 {
		if key := fmt.Sprintf("k%d", n); shown[key] != want[key] {
			t.Errorf("%s is lost to Sentinel", key)
		}
	}
	if shown["note"] == "" || len(shown) != writers/2+1 {
		t.Errorf("the profile is %q", shown)
	}
}

// What operators alone may read is in no dialect's answer to anybody else, nor can anybody tell that it is there (row M-14).
func TestHiddenKeysAreInNoDialect(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	const key, value = "rating", "nobody-but-operators"
	user := c.loginAs(c.acme.user, "").text(t, "access_token")
	shown := 0
	for n := range tongues {
		spoken := &tongues[n]
		a := c.inAcme(spoken, c.acme.operator)
		c.layOut(a)
		if _, all := spoken.read(c, a); strings.Contains(all[key], value) {
			shown++
		}
		for _, caller := range []struct {
			bearer string
			self   bool
		}{{c.acme.reader, false}, {user, true}} {
			a.bearer, a.self = caller.bearer, caller.self
			got, all := spoken.read(c, a)
			if _, sees := all[key]; sees || len(all) == 0 || strings.Contains(got.body, value) {
				t.Errorf("%s (self %t): %s %q", spoken.name, a.self, got.body, all)
			}
			if spoken.one != nil {
				there, _ := spoken.one(c, a, key)
				missing, _ := spoken.one(c, a, "ratine")
				same(t, spoken.name, there.without(key), missing.without("ratine"))
			}
			if spoken.change != nil {
				ask := func(key, value string) answer { return spoken.change(c, a, []pair{{key: key, value: value}}, nil) }
				guess := `"` + value + `"`
				if spoken.opaque {
					guess = value
				}
				same(t, spoken.name+" guessing", ask(key, guess), ask(key, `"wrong"`))
				same(t, spoken.name+" removing", spoken.change(c, a, nil, []string{key}), c.withoutRating(spoken, a))
			}
		}
	}
	if shown != len(tongues) {
		t.Errorf("only %d dialects show it to the operator", shown)
	}
	if a := c.get("/api/user/acme-user-id/export?org=acme", user); strings.Contains(a.body, value) {
		t.Errorf("the export: %s", a.body)
	}
}

// withoutRating is what removing the key is answered where there is no entry.
func (c *cast) withoutRating(spoken *tongue, a about) answer {
	c.t.Helper()
	operator := a
	operator.bearer = adminToken
	nativeAPI.change(c, operator, nil, []string{"rating"}).want(c.t, http.StatusOK)
	got := spoken.change(c, a, nil, []string{"rating"})
	c.layOut(operator)
	return got
}

// Ambiguous spellings of a path lead to no dialect: not to what is there, nor to anything else (row I-03).
func TestAmbiguousPathsOfDialects(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	c.newSentinelClient()
	user := c.loginAs(c.acme.user, "").text(t, "access_token")
	prepared := make([][2]string, len(dialectOperations))
	for n, op := range dialectOperations {
		prepared[n][0], prepared[n][1] = op.prepare(c)
	}
	before := c.dialectSnapshot()
	for n, op := range dialectOperations {
		method, route, _ := strings.Cut(op.route, " ")
		path, query, _ := strings.Cut(prepared[n][0], "?")
		for _, spelt := range respellings(path) {
			for bearer, refused := range map[string]int{c.acme.operator: 0, user: http.StatusForbidden, "": http.StatusUnauthorized} {
				r := newRequest(method, "/", bearer, prepared[n][1])
				decoded, err := url.PathUnescape(spelt.path)
				if err != nil {
					t.Fatal(err)
				}
				r.URL = &url.URL{Path: decoded, RawPath: spelt.path, RawQuery: query}
				headers := inDialect(path, bearer)
				for n := 0; n+1 < len(headers); n += 2 {
					r.Header.Set(headers[n], headers[n+1])
				}
				if bearer == "" {
					r.Header.Del("Authorization")
				}
				if last := route[strings.LastIndex(strings.TrimSuffix(route, "/"), "/"):]; spelt.value && bearer != "" && strings.HasPrefix(last, "/:") {
					continue // it is another value
				}
				a := c.serve(r)
				if !slices.Contains(nowhere, a.status) && a.status != refused {
					t.Errorf("%s %s (%.9s): %d %s", method, spelt.path, bearer, a.status, a.body)
				}
			}
		}
	}
	if after := c.dialectSnapshot(); after != before {
		t.Errorf("acme was\n%s\nand is\n%s", before, after)
	}
}

// nowhere are the statuses of requests that were for nothing there is; calls have one of their own.
var nowhere = []int{http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented}

// spelling is another way to write a path. It may be taken for another value, where the path ends with one.
type spelling struct {
	path  string
	value bool
}

func respellings(path string) []spelling {
	last := strings.LastIndex(strings.TrimSuffix(path, "/"), "/")
	head, tail := path[:last], path[last+1:]
	var all []spelling
	for _, spelt := range []string{
		"/" + path, head + "//" + tail, head + "/./" + tail, head + "/x/../" + tail, head + "/%2e/" + tail, head + "/x/%2e%2e/" + tail,
		head + "%2F" + tail, head + "%5C" + tail, path + "/x", path + "//", strings.ToUpper(path), path + "%00", path + "/.", "/%2e" + path,
	} {
		all = append(all, spelling{path: spelt})
	}
	for _, spelt := range []string{path + ";a=b", path + "%3B", head + "/%2F" + tail, path + "%20"} {
		all = append(all, spelling{path: spelt, value: true})
	}
	return all
}
