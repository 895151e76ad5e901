package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/keys"
	"github.com/claimsmith/claimsmith/handlers"
)

// flow is what an honest client does in one request, on something of its own.
type flow struct {
	name string
	// prepare makes what the request is about, named by a name nobody has, over a connection nothing happens to.
	prepare func(d *world, name string) (given string)
	do      func(w *world, name, given string) answer
	// repeated are the answers to the same request, after one whose outcome the client was not told, that tell him he is done.
	repeated []int
	// check looks at what the flow left behind; a is the last answer, and once says that the request was sent only once.
	check func(t *testing.T, d *world, name, given string, a answer, once bool)
	// tidies says that the request ends with tidying up, whose failure is nobody's but the next one's who comes by.
	tidies bool
}

func withUser(d *world, name string) string {
	return d.post("/api/user", adminToken, `{"id":"`+name+`","username":"`+name+`-name","email":"`+name+`@x.example","email_verified":true,"password_hash":`+quote(hashOf(d.t, janePass))+`}`).
		want(d.t, http.StatusCreated).text(d.t, "id")
}

// withoutPassword is cheaper.
func withoutPassword(d *world, name string) string {
	return d.post("/api/user", adminToken, `{"id":"`+name+`","username":"`+name+`-name"}`).want(d.t, http.StatusCreated).text(d.t, "id")
}

func withSession(d *world, name string) string {
	withUser(d, name)
	return d.try(name+"-name", janePass, "").want(d.t, http.StatusOK).body
}

func withClient(d *world, name string) string {
	a := d.post("/api/client", adminToken, `{"client_id":"`+name+`","grant_types":["client_credentials"],"scopes":["iam/"]}`)
	return a.want(d.t, http.StatusCreated).text(d.t, "client_secret")
}

func nothing(*world, string) string { return "" }

func member(t testing.TB, given, name string) string { return answer{body: given}.text(t, name) }

func ends(statuses ...int) []int { return statuses }

// flows are the operations whose interruption is tested (row F-01).
var flows = []flow{
	{
		name: "key rotation",
		prepare: func(d *world, _ string) string { // the next key of the last time signs by now
			for range 40 {
				pass(30*time.Second, d)
			}
			return fmt.Sprint(len(published(d)))
		},
		do: func(w *world, _, _ string) answer {
			ctx, cancel := context.WithTimeout(w.t.Context(), time.Second)
			defer cancel()
			err := w.app.ring.Refresh(ctx)
			if err == nil {
				_, err = w.app.ring.Rotate(ctx, "system", auth.DefaultAlg)
			}
			if err != nil { // as HTTP would put it
				return answer{status: http.StatusServiceUnavailable, header: http.Header{"Retry-After": {"1"}}}
			}
			return answer{status: http.StatusOK}
		},
		check: func(t *testing.T, d *world, _, _ string, _ answer, _ bool) {
			pass(0, d)
			set, err := d.app.ring.Set()
			if err != nil {
				t.Fatal(err)
			}
			next := 0
			for _, k := range set.List(d.clock.Now()) {
				if k.Alg == auth.DefaultAlg && k.Status == keys.Next {
					next++
				}
			}
			if next != 1 {
				t.Errorf("%d next keys", next)
			}
		},
	},
	{
		name: "login", prepare: withUser,
		do: func(w *world, name, _ string) answer { return w.try(name+"-name", janePass, "") },
		check: func(t *testing.T, d *world, name, _ string, a answer, once bool) {
			d.get("/oauth/userinfo", a.text(t, "access_token")).want(t, http.StatusOK)
			d.refresh(a.text(t, "refresh_token")).want(t, http.StatusOK)
			if n := d.in.runner.Client.ZCard(t.Context(), d.in.space.Grants(name)).Val(); once && n != 1 {
				t.Errorf("%d families", n)
			}
		},
	},
	{
		name: "refresh", prepare: withSession,
		do: func(w *world, _, given string) answer { return w.refresh(member(w.t, given, "refresh_token")) },
		check: func(t *testing.T, d *world, _, given string, a answer, _ bool) {
			// Whoever asks again within the grace gets what the first answer said, and that is the one live head.
			again := refreshToken(t, d.refresh(member(t, given, "refresh_token")))
			if again != a.text(t, "refresh_token") {
				t.Error("the family has two heads")
			}
			d.refresh(again).want(t, http.StatusOK)
		},
	},
	{
		name: "revocation of a session", prepare: withSession,
		do: func(w *world, _, given string) answer {
			return w.form("/oauth/revoke", "client_id", "login", "token", member(w.t, given, "refresh_token"))
		},
		check: func(t *testing.T, d *world, _, given string, _ answer, _ bool) {
			d.get("/oauth/userinfo", member(t, given, "access_token")).want(t, http.StatusUnauthorized)
			d.refresh(member(t, given, "refresh_token")).want(t, http.StatusBadRequest)
		},
	},
	{
		name: "revocation of a token", prepare: withSession,
		do: func(w *world, _, given string) answer {
			return w.form("/oauth/revoke", "client_id", "login", "token", member(w.t, given, "access_token"))
		},
		check: func(t *testing.T, d *world, _, given string, _ answer, _ bool) {
			d.get("/oauth/userinfo", member(t, given, "access_token")).want(t, http.StatusUnauthorized)
			d.refresh(member(t, given, "refresh_token")).want(t, http.StatusOK)
		},
	},
	{
		name: "client_credentials", prepare: withClient,
		do: func(w *world, name, given string) answer {
			return w.clientForm("/oauth/token", client{name, given}, "grant_type", "client_credentials", "scope", "iam/")
		},
		check: func(t *testing.T, d *world, _, _ string, a answer, _ bool) {
			d.get("/api/user/jane", a.text(t, "access_token")).want(t, http.StatusOK)
		},
	},
	{
		name: "userinfo", prepare: withSession,
		do: func(w *world, _, given string) answer {
			return w.get("/oauth/userinfo", member(w.t, given, "access_token"))
		},
		check: func(*testing.T, *world, string, string, answer, bool) {},
	},
	{
		name: "introspection", prepare: withSession,
		do: func(w *world, _, given string) answer {
			return w.introspectAs(adminToken, member(w.t, given, "access_token"))
		},
		check: func(t *testing.T, _ *world, _, _ string, a answer, _ bool) {
			if !strings.HasPrefix(a.body, `{"active":true,`) {
				t.Errorf("a live token is %s", a.body)
			}
		},
	},
	{
		name: "metadata read", prepare: withEntries,
		do: func(w *world, name, _ string) answer { return w.get("/api/user/"+name+"-name/metadata", adminToken) },
		check: func(t *testing.T, _ *world, _, _ string, a answer, _ bool) {
			if a.body != `{"metadata":[{"key":"a","value":1,"profileClaim":true},{"key":"b","value":2,"profileClaim":false}]}` {
				t.Errorf("read %s", a.body)
			}
		},
	},
	{
		name: "metadata put", prepare: withEntries,
		do: func(w *world, name, _ string) answer {
			return w.put("/api/user/"+name+"-name/metadata/c", adminToken, `{"value":3,"profileClaim":true}`)
		},
		check: document(`{"key":"a","value":1,"profileClaim":true},{"key":"b","value":2,"profileClaim":false},{"key":"c","value":3,"profileClaim":true}`),
	},
	{
		name: "metadata patch", prepare: withEntries,
		do: func(w *world, name, _ string) answer {
			return w.patch("/api/user/"+name+"/metadata", adminToken, `{"set":[{"key":"c","value":3}],"delete":["a"]}`)
		},
		check: document(`{"key":"b","value":2,"profileClaim":false},{"key":"c","value":3,"profileClaim":false}`),
	},
	{
		name: "metadata replacement", prepare: withEntries,
		do: func(w *world, name, _ string) answer {
			return w.put("/api/user/"+name+"/metadata", adminToken, `{"metadata":[{"key":"c","value":3}]}`)
		},
		check: document(`{"key":"c","value":3,"profileClaim":false}`),
	},
	{
		name: "metadata delete", prepare: withEntries,
		do:    func(w *world, name, _ string) answer { return w.delete("/api/user/"+name+"/metadata/a", adminToken) },
		check: document(`{"key":"b","value":2,"profileClaim":false}`),
	},
	{
		name: "user create", prepare: nothing, repeated: ends(http.StatusConflict),
		do:    func(w *world, name, _ string) answer { return createUser(w, name) },
		check: oneUser,
	},
	{
		name: "user create under a key", prepare: nothing,
		do:    func(w *world, name, _ string) answer { return createUser(w, name, "Idempotency-Key", name) },
		check: oneUser,
	},
	{
		name: "user rename", prepare: withUser, tidies: true,
		do: func(w *world, name, _ string) answer {
			return w.patch("/api/user/"+name, adminToken, `{"username":"`+name+`-new","email":"new-`+name+`@x.example","email_verified":true}`)
		},
		check: func(t *testing.T, d *world, name, _ string, _ answer, _ bool) {
			for _, now := range []string{name + "-new", "new-" + name + "@x.example"} {
				if id := d.get("/api/user/"+now, adminToken).want(t, http.StatusOK).text(t, "id"); id != name {
					t.Errorf("%s leads to %s", now, id)
				}
			}
			for _, body := range []string{`{"username":"` + name + `-name"}`, `{"email":"` + name + `@x.example","email_verified":true}`} {
				d.post("/api/user", adminToken, body).want(t, http.StatusCreated) // the old names are free
			}
			d.post("/api/user", adminToken, `{"username":"`+name+`-new"}`).want(t, http.StatusConflict)
		},
	},
	{
		name: "user disable", prepare: withSession,
		do: func(w *world, name, _ string) answer {
			return w.patch("/api/user/"+name, adminToken, `{"disabled":true}`)
		},
		check: func(t *testing.T, d *world, name, given string, _ answer, _ bool) {
			d.refresh(member(t, given, "refresh_token")).want(t, http.StatusBadRequest)
			d.try(name+"-name", janePass, "").want(t, http.StatusBadRequest)
		},
	},
	{
		name: "user leaves an organisation",
		prepare: func(d *world, name string) string {
			withoutPassword(d, name)
			d.post("/api/org", adminToken, `{"slug":"`+name+`-org"}`).want(d.t, http.StatusCreated)
			d.patch("/api/user/"+name, adminToken, `{"orgs":["default","`+name+`-org"]}`).want(d.t, http.StatusOK)
			for _, app := range []string{"", "&app=login"} {
				d.put("/api/user/"+name+"/metadata/a?org="+name+"-org"+app, adminToken, `{"value":1,"profileClaim":true}`).want(d.t, http.StatusOK)
			}
			return ""
		},
		do: func(w *world, name, _ string) answer {
			return w.patch("/api/user/"+name, adminToken, `{"orgs":["default"]}`)
		},
		check: func(t *testing.T, d *world, name, _ string, _ answer, _ bool) {
			for _, app := range []string{"", "login"} {
				for _, key := range []string{d.in.space.Entries(name+"-org", name, app), d.in.space.Claims(name+"-org", name, app)} {
					if d.in.runner.Client.Exists(t.Context(), key).Val() != 0 {
						t.Errorf("%s is left", key)
					}
				}
			}
		},
	},
	{
		name: "user delete", repeated: ends(http.StatusNotFound),
		prepare: func(d *world, name string) string {
			given := withSession(d, name)
			d.put("/api/user/"+name+"/metadata/a", adminToken, `{"value":1,"profileClaim":true}`).want(d.t, http.StatusOK)
			d.put("/api/user/"+name+"/metadata/a?app=login", adminToken, `{"value":1,"profileClaim":true}`).want(d.t, http.StatusOK)
			return given
		},
		do: func(w *world, name, _ string) answer { return w.delete("/api/user/"+name, adminToken) },
		check: func(t *testing.T, d *world, name, given string, _ answer, _ bool) {
			d.get("/oauth/userinfo", member(t, given, "access_token")).want(t, http.StatusUnauthorized)
			onlyTombstones(t, d, d.backend(), []string{name})
		},
	},
	{
		name: "user delete by name", repeated: ends(http.StatusNotFound), prepare: withUser,
		do: func(w *world, name, _ string) answer { return w.delete("/api/user/"+name+"-name", adminToken) },
		check: func(t *testing.T, d *world, name, _ string, _ answer, _ bool) {
			onlyTombstones(t, d, d.backend(), []string{name})
		},
	},
	{
		name: "password set", prepare: withSession,
		do: func(w *world, name, _ string) answer {
			return w.put("/api/user/"+name+"/password", adminToken, `{"password":"something new altogether"}`)
		},
		check: func(t *testing.T, d *world, name, given string, _ answer, _ bool) {
			d.try(name+"-name", "something new altogether", "").want(t, http.StatusOK)
			d.try(name+"-name", janePass, "").want(t, http.StatusBadRequest)
			d.refresh(member(t, given, "refresh_token")).want(t, http.StatusBadRequest)
		},
	},
	{
		name: "organisation create", prepare: nothing, repeated: ends(http.StatusConflict),
		do: func(w *world, name, _ string) answer { return w.post("/api/org", adminToken, `{"slug":"`+name+`"}`) },
		check: func(t *testing.T, d *world, name, _ string, _ answer, _ bool) {
			d.get("/api/org/"+name, adminToken).want(t, http.StatusOK)
		},
	},
	{
		name: "client create", prepare: nothing, repeated: ends(http.StatusConflict),
		do: func(w *world, name, _ string) answer {
			return w.post("/api/client", adminToken, `{"client_id":"`+name+`","grant_types":["client_credentials"],"scopes":["iam/"]}`)
		},
		check: func(t *testing.T, d *world, name, _ string, a answer, _ bool) {
			if a.status == http.StatusConflict { // the secret went with the answer that was lost
				a = d.post("/api/client/"+name+"/secret", adminToken, "").want(t, http.StatusOK)
			}
			d.machineLogin(client{name, a.text(t, "client_secret")}, "iam/")
		},
	},
	{
		name: "client secret", prepare: withClient,
		do: func(w *world, name, _ string) answer { return w.post("/api/client/"+name+"/secret", adminToken, "") },
		check: func(t *testing.T, d *world, name, given string, a answer, _ bool) {
			d.machineLogin(client{name, a.text(t, "client_secret")}, "iam/")
			d.clientForm("/oauth/token", client{name, given}, "grant_type", "client_credentials").want(t, http.StatusUnauthorized)
		},
	},
	{
		name: "client delete", prepare: withClient, repeated: ends(http.StatusNotFound),
		do: func(w *world, name, _ string) answer { return w.delete("/api/client/"+name, adminToken) },
		check: func(t *testing.T, d *world, name, given string, _ answer, _ bool) {
			d.clientForm("/oauth/token", client{name, given}, "grant_type", "client_credentials").want(t, http.StatusUnauthorized)
		},
	},
	{
		name: "API token create", prepare: nothing,
		do: func(w *world, name, _ string) answer {
			return w.post("/api/token", adminToken, `{"org":"default","role":"reader","name":"`+name+`"}`)
		},
		check: func(t *testing.T, d *world, name, _ string, a answer, once bool) {
			d.get("/api/user/jane", a.text(t, "token")).want(t, http.StatusOK)
			// One whose answer was lost is nobody's: its text is nowhere.
			if n := strings.Count(d.dumped(), name); once && n != 1 {
				t.Errorf("%d tokens", n)
			}
		},
	},
	{
		name: "API token delete", repeated: ends(http.StatusNotFound),
		prepare: func(d *world, _ string) string {
			return d.post("/api/token", adminToken, `{"org":"default","role":"reader"}`).want(d.t, http.StatusCreated).body
		},
		do: func(w *world, _, given string) answer {
			return w.delete("/api/token/"+member(w.t, given, "id"), adminToken)
		},
		check: func(t *testing.T, d *world, _, given string, _ answer, _ bool) {
			d.get("/api/user", member(t, given, "token")).want(t, http.StatusUnauthorized)
		},
	},
}

func published(d *world) []any {
	return d.get("/.well-known/jwks.json", "").want(d.t, http.StatusOK).json(d.t)["keys"].([]any)
}

// withEntries makes a user with a document in revision 1.
func withEntries(d *world, name string) string {
	withoutPassword(d, name)
	d.put("/api/user/"+name+"/metadata", adminToken, `{"metadata":[{"key":"a","value":1,"profileClaim":true},{"key":"b","value":2}]}`).want(d.t, http.StatusOK)
	return ""
}

func document(want string) func(*testing.T, *world, string, string, answer, bool) {
	return func(t *testing.T, d *world, name, _ string, _ answer, once bool) {
		t.Helper()
		a := d.get("/api/user/"+name+"/metadata", adminToken).want(t, http.StatusOK)
		if a.body != `{"metadata":[`+want+`]}` {
			t.Errorf("the document is %s", a.body)
		}
		if got := revision(t, a); once && got != 2 {
			t.Errorf("revision %d", got)
		}
		var claims []string
		for key, value := range d.in.runner.Client.HGetAll(t.Context(), d.in.space.Claims("default", name, "")).Val() {
			if key != "" {
				claims = append(claims, `{"key":"`+key+`","value":`+value+`,"profileClaim":true}`)
			}
		}
		slices.Sort(claims)
		var wanted []string
		for _, e := range strings.SplitAfter(want, "},") {
			if e = strings.TrimSuffix(e, ","); strings.Contains(e, `"profileClaim":true`) {
				wanted = append(wanted, e)
			}
		}
		if !slices.Equal(claims, wanted) {
			t.Errorf("the claims are %v, the entries say %v", claims, wanted)
		}
	}
}

func createUser(w *world, name string, headers ...string) answer {
	return w.post("/api/user", adminToken, `{"username":"`+name+`","email":"`+name+`@x.example","email_verified":true}`, headers...)
}

func oneUser(t *testing.T, d *world, name, _ string, a answer, _ bool) {
	t.Helper()
	byName := d.get("/api/user/"+name, adminToken).want(t, http.StatusOK).text(t, "id")
	byAddress := d.get("/api/user/"+name+"@x.example", adminToken).want(t, http.StatusOK).text(t, "id")
	if byName != byAddress || a.status == http.StatusCreated && a.text(t, "id") != byName {
		t.Errorf("%s, %s and %s", byName, byAddress, a.body)
	}
	records := 0
	for line := range strings.Lines(d.dumped()) {
		var user struct{ Username string }
		if at := strings.Index(line, "rec:{"); at >= 0 && json.NewDecoder(strings.NewReader(line[at+4:])).Decode(&user) == nil && user.Username == name {
			records++
		}
	}
	if records != 1 {
		t.Errorf("%d records of %s", records, name)
	}
}

// hurry returns the same instance with the server's own request timeout, which production has.
func (w *world) hurry() *world {
	w.t.Helper()
	hurried := *w
	server, err := handlers.New(handlers.Config{Logger: w.app.logger, Now: w.clock.Now, Dialects: w.app.dialects(), HTTPS: true})
	if err != nil {
		w.t.Fatal(err)
	}
	hurried.server = server
	return &hurried
}
