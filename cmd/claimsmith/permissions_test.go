package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"

	"github.com/google/go-cmp/cmp"
	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/session"
	"github.com/claimsmith/claimsmith/handlers/native"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

var update = flag.Bool("update", false, "write the golden files anew")

// operation is one thing the API can be asked to do to something of acme's. prepare makes what it needs anew, so that no role finds
// what another left, and returns the address and the body.
type operation struct {
	route   string // as it is mounted
	variant string // what tells it from others of the route
	prepare func(c *cast) (target, body string)
}

func fixed(target, body string) func(*cast) (string, string) {
	return func(*cast) (string, string) { return target, body }
}

// onUser is an operation on acme's user, whom no operation may remove.
func onUser(suffix, body string) func(*cast) (string, string) {
	return fixed("/api/user/acme-user-id"+suffix+"?org=acme", body)
}

func newUserOf(org string) func(*cast) (string, string) {
	return func(c *cast) (string, string) { return "/api/user/" + c.newUser(org, "") + "?org=acme", "" }
}

// newSessionOf is an operation on a session of a user that has just begun.
func newSessionOf(user string) func(*cast) (string, string) {
	return func(c *cast) (string, string) {
		return "/api/user/" + user + "/session/" + c.startSession(user).ID + "?org=acme", ""
	}
}

// startSession logs a user in with a browser.
func (c *cast) startSession(user string) *session.Session {
	c.t.Helper()
	u, _, err := c.app.store.User(context.Background(), user)
	if err != nil {
		c.t.Fatal(err)
	}
	who := auth.Subject{User: user, Org: u.Orgs[0], AuthTime: c.clock.Now(), AMR: []string{"pwd"}, ACR: "1", Epoch: u.Epoch}
	sess, _, err := c.app.sessions.Start(context.Background(), who, nil, "a browser", "192.0.2.1")
	if err != nil {
		c.t.Fatal(err)
	}
	return sess
}

func newClientAt(suffix, body string) func(*cast) (string, string) {
	return func(c *cast) (string, string) {
		id := c.post("/api/client?org=acme", adminToken, `{}`).want(c.t, http.StatusCreated).text(c.t, "client_id")
		return "/api/client/" + id + suffix + "?org=acme", body
	}
}

func newAPITokenWith(members string) func(*cast) (string, string) {
	return func(c *cast) (string, string) {
		return "/api/token/" + c.post("/api/token", adminToken, `{`+members+`}`).want(c.t, http.StatusCreated).text(c.t, "id"), ""
	}
}

// operations has at least one row for every route. The id, the name or the slug of what is created stays free for the next role.
var operations = []operation{
	{"GET /api/user/:userId/metadata", "", onUser("/metadata", "")},
	{"PUT /api/user/:userId/metadata", "without claims", onUser("/metadata", `{"metadata":[{"key":"note","value":1}]}`)},
	{"PUT /api/user/:userId/metadata", "with a claim", onUser("/metadata", `{"metadata":[{"key":"role","value":1,"profileClaim":true}]}`)},
	{"PATCH /api/user/:userId/metadata", "no claim", onUser("/metadata", `{"set":[{"key":"note","value":1}]}`)},
	{"PATCH /api/user/:userId/metadata", "a claim", onUser("/metadata", `{"set":[{"key":"role","value":1,"profileClaim":true}]}`)},
	{"PATCH /api/user/:userId/metadata", "what is a claim", onUser("/metadata", `{"delete":["badge"]}`)},
	{"GET /api/user/:userId/metadata/:key", "", onUser("/metadata/badge", "")},
	{"PUT /api/user/:userId/metadata/:key", "no claim", onUser("/metadata/note", `{"value":1}`)},
	{"PUT /api/user/:userId/metadata/:key", "a claim", onUser("/metadata/role", `{"value":1,"profileClaim":true}`)},
	{"PUT /api/user/:userId/metadata/:key", "what is a claim", onUser("/metadata/badge", `{"value":1}`)},
	{"PUT /api/user/:userId/metadata/:key", "of an application", fixed("/api/user/acme-user-id/metadata/note?org=acme&app=login", `{"value":1}`)},
	{"DELETE /api/user/:userId/metadata/:key", "no claim", onUser("/metadata/note", "")},
	{"DELETE /api/user/:userId/metadata/:key", "what is a claim", onUser("/metadata/badge", "")},

	{"GET /api/user", "", fixed("/api/user?org=acme", "")},
	{"POST /api/user", "", fixed("/api/user?org=acme", `{}`)},
	{"GET /api/user/:userId", "", onUser("", "")},
	{"GET /api/user/:userId", "of both, at home elsewhere", fixed("/api/user/sam-id?org=acme", "")},
	{"PATCH /api/user/:userId", "the profile", onUser("", `{"profile":{"name":"Somebody"}}`)},
	{"PATCH /api/user/:userId", "the organisations", onUser("", `{"orgs":["acme"]}`)},
	{"PATCH /api/user/:userId", "email_verified", onUser("", `{"email_verified":true}`)},
	{"PATCH /api/user/:userId", "of both, at home elsewhere", fixed("/api/user/sam-id?org=acme", `{"profile":{"name":"Sam"}}`)},
	{"DELETE /api/user/:userId", "", newUserOf(acme)},
	{"DELETE /api/user/:userId", "of both, at home elsewhere", func(c *cast) (string, string) {
		id := c.newUser(globex, "")
		c.patch("/api/user/"+id+"?org=globex", adminToken, `{"orgs":["globex","acme"]}`).want(c.t, http.StatusOK)
		return "/api/user/" + id + "?org=acme", ""
	}},
	{"PUT /api/user/:userId/password", "", onUser("/password", `{"password":"a new password","current_password":"the password of acme-user!"}`)},
	{"PUT /api/user/:userId/password", "without the present one", onUser("/password", `{"password":"a new password"}`)},
	{"PUT /api/user/:userId/password", "of both, at home elsewhere", fixed("/api/user/sam-id/password?org=acme", `{"password":"a new password"}`)},

	{"GET /api/user/:userId/session", "", onUser("/session", "")},
	{"GET /api/user/:userId/session", "of both, at home elsewhere", fixed("/api/user/sam-id/session?org=acme", "")},
	{"DELETE /api/user/:userId/session/:sessionId", "", newSessionOf("acme-user-id")},
	{"DELETE /api/user/:userId/session/:sessionId", "of both, at home elsewhere", newSessionOf("sam-id")},
	{"DELETE /api/user/:userId/session", "", onUser("/session", "")},
	{"DELETE /api/user/:userId/session", "of both, at home elsewhere", fixed("/api/user/sam-id/session?org=acme", "")},
	{"GET /api/user/:userId/factor", "", onUser("/factor", "")},
	{"GET /api/user/:userId/factor", "of both, at home elsewhere", fixed("/api/user/sam-id/factor?org=acme", "")},
	{"DELETE /api/user/:userId/factor", "", onUser("/factor", "")},
	{"DELETE /api/user/:userId/factor", "of both, at home elsewhere", fixed("/api/user/sam-id/factor?org=acme", "")},
	{"GET /api/user/:userId/consent", "", onUser("/consent", "")},
	{"GET /api/user/:userId/consent", "of both, at home elsewhere", fixed("/api/user/sam-id/consent?org=acme", "")},
	{"DELETE /api/user/:userId/consent/:clientId", "", onUser("/consent/some-app", "")},
	{"DELETE /api/user/:userId/consent/:clientId", "of both, at home elsewhere", fixed("/api/user/sam-id/consent/some-app?org=acme", "")},

	{"GET /api/org", "", fixed("/api/org", "")},
	{"POST /api/org", "", func(*cast) (string, string) {
		return "/api/org", `{"slug":"org-` + strings.ToLower(randomName()) + `"}`
	}},
	{"GET /api/org/:org", "", fixed("/api/org/acme", "")},
	{"PATCH /api/org/:org", "", fixed("/api/org/acme", `{"name":"Acme"}`)},

	{"GET /api/client", "", fixed("/api/client?org=acme", "")},
	{"POST /api/client", "", fixed("/api/client?org=acme", `{}`)},
	{"POST /api/client", "for all organisations", fixed("/api/client?org=acme", `{"all_orgs":true}`)},
	{"GET /api/client/:clientId", "", newClientAt("", "")},
	{"PATCH /api/client/:clientId", "", newClientAt("", `{"name":"App"}`)},
	{"PATCH /api/client/:clientId", "for all organisations", newClientAt("", `{"all_orgs":true}`)},
	{"DELETE /api/client/:clientId", "", newClientAt("", "")},
	{"POST /api/client/:clientId/secret", "", newClientAt("/secret", "")},
	{"GET /api/client/:clientId", "that serves all organisations", fixed("/api/client/acme-global?org=acme", "")},
	{"PATCH /api/client/:clientId", "that serves all organisations", fixed("/api/client/acme-global?org=acme", `{"name":"App"}`)},
	{"POST /api/client/:clientId/secret", "that serves all organisations", fixed("/api/client/acme-global/secret?org=acme", "")},
	{"DELETE /api/client/:clientId", "that serves all organisations", func(c *cast) (string, string) {
		id := c.post("/api/client?org=acme", adminToken, `{"all_orgs":true}`).want(c.t, http.StatusCreated).text(c.t, "client_id")
		return "/api/client/" + id + "?org=acme", ""
	}},

	{"GET /api/token", "", fixed("/api/token?org=acme", "")},
	{"POST /api/token", "reader", fixed("/api/token", `{"org":"acme","role":"reader"}`)},
	{"POST /api/token", "operator", fixed("/api/token", `{"org":"acme","role":"operator"}`)},
	{"POST /api/token", "admin", fixed("/api/token", `{"role":"admin"}`)},
	{"GET /api/token/:tokenId", "reader", newAPITokenWith(`"org":"acme","role":"reader"`)},
	{"GET /api/token/:tokenId", "admin", newAPITokenWith(`"role":"admin"`)},
	{"DELETE /api/token/:tokenId", "reader", newAPITokenWith(`"org":"acme","role":"reader"`)},
	{"DELETE /api/token/:tokenId", "operator", newAPITokenWith(`"org":"acme","role":"operator"`)},
	{"DELETE /api/token/:tokenId", "admin", newAPITokenWith(`"role":"admin"`)},
}

// Who may do what (rows ). The table is the whole truth: a route without a row fails, and so does any answer that is
// not the table's. Read a change of it as carefully as one of the code.
func TestPermissionMatrix(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	c.newClient(acme, "acme-global", `"all_orgs":true`)
	roles := []struct{ name, bearer string }{
		{"admin", adminToken},
		{"operator", c.acme.operator},
		{"reader", c.acme.reader},
		{"foreign", c.globex.operator},
		{"machine", c.acme.machineToken},
		{"plain", c.acme.plainToken},
		{"self", ""},
		{"other", c.loginAs(c.acme.other, "").text(t, "access_token")},
		{"stranger", c.loginAs(c.globex.user, "").text(t, "access_token")},
		{"anonymous", ""},
	}
	self := func() string { return c.loginAs(c.acme.user, "").text(t, "access_token") }
	selfToken := self()

	var table bytes.Buffer
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "# Rows: an operation on something of organisation acme. Columns: an administrator, acme's operator and reader, globex's operator,\n"+
		"# acme's machine client with scope iam/ and one without, the user himself, another user of acme, a user of globex, nobody.\n")
	for _, role := range roles {
		fmt.Fprint(w, role.name, "\t")
	}
	fmt.Fprintln(w, "operation")
	for _, op := range operations {
		method, _, _ := strings.Cut(op.route, " ")
		for _, role := range roles {
			c.restore()
			target, body := op.prepare(c)
			bearer := role.bearer
			if role.name == "self" {
				bearer = selfToken
			}
			a := c.send(method, target, bearer, body)
			fmt.Fprint(w, a.status, "\t")
			if a.status == http.StatusNoContent && strings.Contains(target, "/password") {
				c.put("/api/user/acme-user-id/password?org=acme", adminToken, `{"password":"`+c.acme.user.password+`"}`).want(t, http.StatusNoContent)
				selfToken = self() // a new password ends what was issued under the old one
			}
			if a.status == http.StatusNoContent && (strings.HasSuffix(op.route, "/session") || strings.HasSuffix(op.route, "/factor")) {
				selfToken = self()
			}
		}
		fmt.Fprintln(w, strings.TrimSpace(op.route+"  "+op.variant))
	}
	_ = w.Flush()
	golden(t, "permissions.golden", table.Bytes())
}

// restore brings back what the operations on acme's user change.
func (c *cast) restore() {
	c.t.Helper()
	c.put("/api/user/acme-user-id/metadata?org=acme", adminToken, `{"metadata":[{"key":"badge","value":7,"profileClaim":true}]}`).want(c.t, http.StatusOK)
}

func TestEveryRouteHasARow(t *testing.T) {
	e := echo.New()
	(&native.Dialect{}).Mount(e)
	rows := map[string]bool{}
	for _, op := range operations {
		rows[op.route] = true
	}
	var missing []string
	for _, r := range e.Routes() {
		route := r.Method + " " + r.Path
		if !rows[route] {
			missing = append(missing, route)
		}
		delete(rows, route)
	}
	slices.Sort(missing)
	if len(missing) > 0 {
		t.Errorf("no row in the permission matrix for %v", missing)
	}
	if len(rows) > 0 {
		t.Errorf("rows for routes that do not exist: %v", rows)
	}
}

// golden compares with a file of testdata, or writes it under -update.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := "testdata/" + name
	if *update {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}
