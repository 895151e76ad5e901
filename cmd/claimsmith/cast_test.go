package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

// The organisations of a cast. Every attack comes from acme and is aimed at globex.
const (
	acme   = "acme"
	globex = "globex"
)

// team is an organisation with somebody in every role.
type team struct {
	org              string
	operator, reader string // API tokens
	user             person
	other            person // no more than a colleague
	machine, plain   client // confidential clients: with scope iam/, and without
	machineToken     string // their access tokens
	plainToken       string
}

// planDefinition is what both organisations lay down for key plan.
const planDefinition = `{"type":"string","claim":"always","write":"operator","searchable":true}`

// layDown gives an organisation a group with its user in it, something for its users and its group to inherit, and definitions: of plan,
// and of rating, which operators alone may read.
func (c *cast) layDown(org string) {
	c.t.Helper()
	c.post("/api/group?org="+org, adminToken, `{"slug":"`+org+`-staff"}`).want(c.t, http.StatusCreated)
	c.put("/api/user/"+org+"-user-id/group?org="+org, adminToken, `{"groups":["`+org+`-staff"]}`).want(c.t, http.StatusOK)
	c.put("/api/metadata-key/plan?org="+org, adminToken, planDefinition).want(c.t, http.StatusCreated)
	c.put("/api/metadata-key/rating?org="+org, adminToken, `{"claim":"never","read":"operator"}`).want(c.t, http.StatusCreated)
	for _, of := range []string{"/api/group/" + org + "-staff/metadata?org=" + org, "/api/org/" + org + "/metadata"} {
		c.put(of, adminToken, `{"metadata":[{"key":"floor","value":1},{"key":"city","value":"Wels"}]}`).want(c.t, http.StatusOK)
	}
}

// person is a user with a password.
type person struct{ id, username, email, password string }

// client is a client with a secret.
type client struct{ id, secret string }

// cast is a world with two teams in it, and a user of both whose home is globex.
type cast struct {
	*world
	acme, globex team
	shared       person
	silent       int // events of the log that are not those of the step under test
}

func newCast(t testing.TB, b redistest.Backend) *cast {
	t.Helper()
	c := &cast{world: newWorld(t, b.Client)}
	c.acme, c.globex = c.newTeam(acme), c.newTeam(globex)
	c.shared = c.newPerson("sam", globex)
	c.patch("/api/user/"+c.shared.id+"?org="+globex, adminToken, `{"orgs":["globex","acme"]}`).want(t, http.StatusOK)
	c.layDown(acme)
	c.layDown(globex)
	return c
}

func (w *world) newTeam(org string) team {
	w.t.Helper()
	w.post("/api/org", adminToken, `{"slug":"`+org+`"}`).want(w.t, http.StatusCreated)
	m := team{
		org: org, operator: w.newAPIToken(org, "operator"), reader: w.newAPIToken(org, "reader"),
		user: w.newPerson(org+"-user", org), other: w.newPerson(org+"-other", org),
		machine: w.newClient(org, org+"-machine", `"grant_types":["client_credentials"],"scopes":["iam/","reports"]`),
		plain:   w.newClient(org, org+"-plain", `"grant_types":["client_credentials"],"scopes":["reports"]`),
	}
	m.machineToken = w.machineLogin(m.machine, "iam/")
	m.plainToken = w.machineLogin(m.plain, "reports")
	return m
}

func (w *world) newAPIToken(org, role string) string {
	w.t.Helper()
	return w.post("/api/token", adminToken, `{"org":"`+org+`","role":"`+role+`","name":"`+org+`"}`).want(w.t, http.StatusCreated).text(w.t, "token")
}

// newPerson makes a user whose id, username, address and password follow from one name.
func (w *world) newPerson(name, org string) person {
	w.t.Helper()
	p := person{name + "-id", name, name + "@" + org + ".example", "the password of " + name + "!"}
	w.post("/api/user?org="+org, adminToken, `{"id":"`+p.id+`","username":"`+p.username+`","email":"`+p.email+
		`","email_verified":true,"password_hash":`+quote(hashOf(w.t, p.password))+`}`).want(w.t, http.StatusCreated)
	return p
}

// hashes are those of the passwords of these tests, computed once, since that is what takes the time.
var (
	hashesMu sync.Mutex
	hashes   = map[string]string{}
)

// hashOf is the hash the server would make of a password.
func hashOf(t testing.TB, password string) string {
	t.Helper()
	hashesMu.Lock()
	defer hashesMu.Unlock()
	if hashes[password] == "" {
		hasher, err := auth.NewHasher(auth.HashConfig{})
		if err != nil {
			t.Fatal(err)
		}
		if hashes[password], err = hasher.Hash(context.Background(), password); err != nil {
			t.Fatal(err)
		}
	}
	return hashes[password]
}

// newUser makes a user without a password and returns the id.
func (w *world) newUser(org, username string) string {
	w.t.Helper()
	return w.post("/api/user?org="+org, adminToken, `{"username":"`+username+`"}`).want(w.t, http.StatusCreated).text(w.t, "id")
}

// newClient makes a confidential client with these further members.
func (w *world) newClient(org, id, members string) client {
	w.t.Helper()
	a := w.post("/api/client?org="+org, adminToken, `{"client_id":"`+id+`",`+members+`}`).want(w.t, http.StatusCreated)
	return client{id, a.text(w.t, "client_secret")}
}

func (w *world) patch(target, bearer, body string, headers ...string) answer {
	w.t.Helper()
	return w.send(http.MethodPatch, target, bearer, body, headers...)
}

func (w *world) delete(target, bearer string, headers ...string) answer {
	w.t.Helper()
	return w.send(http.MethodDelete, target, bearer, "", headers...)
}

// try tries a login by JSON with these further members, each as `,"name":value`.
func (w *world) try(username, password, members string) answer {
	w.t.Helper()
	return w.post("/login", "", `{"username":`+quote(username)+`,"password":`+quote(password)+members+`}`)
}

// loginAs returns the token response of a person who logs in.
func (w *world) loginAs(p person, members string) answer {
	w.t.Helper()
	return w.try(p.username, p.password, members).want(w.t, http.StatusOK)
}

func (w *world) machineLogin(c client, scope string) string {
	w.t.Helper()
	return w.clientForm("/oauth/token", c, "grant_type", "client_credentials", "scope", scope).want(w.t, http.StatusOK).text(w.t, "access_token")
}

// clientForm posts a form as a client that authenticates by its header.
func (w *world) clientForm(target string, c client, parameters ...string) answer {
	w.t.Helper()
	return w.send(http.MethodPost, target, "", encodeForm(parameters),
		"Content-Type", "application/x-www-form-urlencoded", "Authorization", c.basic())
}

// introspect asks as a client whether a token is active.
func (w *world) introspect(c client, token string) answer {
	w.t.Helper()
	return w.clientForm("/oauth/introspect", c, "token", token)
}

// introspectAs asks as an operator.
func (w *world) introspectAs(bearer, token string) answer {
	w.t.Helper()
	return w.send(http.MethodPost, "/oauth/introspect", bearer, encodeForm([]string{"token", token}),
		"Content-Type", "application/x-www-form-urlencoded")
}

func (c client) basic() string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(c.id)+":"+url.QueryEscape(c.secret)))
}

func encodeForm(parameters []string) string {
	values := url.Values{}
	for n := 0; n+1 < len(parameters); n += 2 {
		values.Add(parameters[n], parameters[n+1])
	}
	return values.Encode()
}

func quote(s string) string {
	text, _ := json.Marshal(s)
	return string(text)
}

// serve sends a request as it is.
func (w *world) serve(r *http.Request) answer {
	r.RemoteAddr = w.address
	recorder := httptest.NewRecorder()
	w.server.ServeHTTP(recorder, r)
	return answer{recorder.Code, recorder.Header(), recorder.Body.String()}
}

// again is one more process over the same installation, with a clock of the same time.
func (w *world) again() *world {
	w.t.Helper()
	return instance(w.t, w.in, w.clock)
}

// pass lets time go by for all instances: it moves the clock they share and has each of them read the keys, as Run would have.
func pass(d time.Duration, instances ...*world) {
	instances[0].clock.Advance(d)
	for _, w := range instances {
		if err := w.app.ring.Refresh(context.Background()); err != nil {
			w.t.Fatal(err)
		}
	}
}

var traceID = regexp.MustCompile(`"traceId":"[^"]*"`)

// masked is an answer without what differs between two requests of the same meaning.
func (a answer) masked() answer {
	header := a.header.Clone()
	header.Del("X-Request-Id")
	header.Del("Date")
	return answer{a.status, header, traceID.ReplaceAllString(a.body, `"traceId":"…"`)}
}

// same fails unless two answers agree in status, headers and body.
func same(t testing.TB, what string, got, want answer) {
	t.Helper()
	got, want = got.masked(), want.masked()
	if got.status != want.status || got.body != want.body || !sameHeader(got.header, want.header) {
		t.Errorf("%s:\n got %d %v %s\nwant %d %v %s", what, got.status, got.header, got.body, want.status, want.header, want.body)
	}
}

func sameHeader(a, b http.Header) bool {
	if len(a) != len(b) {
		return false
	}
	for name := range a {
		if strings.Join(a.Values(name), "\x00") != strings.Join(b.Values(name), "\x00") {
			return false
		}
	}
	return true
}

// inactive is the one answer about tokens that do not stand.
const inactive = `{"active":false}`

// randomName is a name nobody has.
func randomName() string { return rand.Text()[:12] }
