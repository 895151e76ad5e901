package main

import (
	"bytes"
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

	"github.com/claimsmith/claimsmith/handlers"
	"github.com/claimsmith/claimsmith/handlers/iblai"
	"github.com/claimsmith/claimsmith/handlers/native"
	"github.com/claimsmith/claimsmith/handlers/sentinel"
	"github.com/claimsmith/claimsmith/handlers/zitadel"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

var update = flag.Bool("update", false, "write the golden files anew")

// Who may do what (rows ). The table is the whole truth: a route without a row fails, and so does any answer that is
// not the table's. Read a change of it as carefully as one of the code.
func TestPermissionMatrix(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	c.newClient(acme, "acme-global", `"all_orgs":true`)
	c.newSentinelClient()
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

	c.restore()
	var table bytes.Buffer
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "# Rows: an operation on something of organisation acme. Columns: an administrator, acme's operator and reader, globex's operator,\n"+
		"# acme's machine client with scope iam/ and one without, the user himself, another user of acme, a user of globex, nobody.\n")
	for _, role := range roles {
		fmt.Fprint(w, role.name, "\t")
	}
	fmt.Fprintln(w, "operation")
	for _, op := range slices.Concat(operations, dialectOperations) {
		method, _, _ := strings.Cut(op.route, " ")
		for n, role := range roles {
			target, body := op.prepare(c)
			bearer := role.bearer
			if role.name == "self" {
				bearer = selfToken
			}
			status, a := c.verdict(method, target, bearer, body, inDialect(target, bearer)...)
			fmt.Fprint(w, status, "\t")
			if status/100 == 2 && method != http.MethodGet {
				c.restore()
			}
			if a.status == http.StatusNoContent && strings.Contains(target, "/password") {
				c.put("/api/user/acme-user-id/password?org=acme", adminToken, `{"password":"`+c.acme.user.password+`"}`).want(t, http.StatusNoContent)
				selfToken = self() // a new password ends what was issued under the old one
			}
			if a.status == http.StatusNoContent && (strings.HasSuffix(op.route, "/session") || strings.HasSuffix(op.route, "/factor")) {
				selfToken = self()
			}
			if strings.HasSuffix(op.route, "/logout") {
				selfToken = self()
				for person, p := range map[string]person{"other": c.acme.other, "stranger": c.globex.user} {
					if role.name == person {
						roles[n].bearer = c.loginAs(p, "").text(t, "access_token")
					}
				}
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
	c.delete("/api/user/acme-user-id/role?org=acme", adminToken).want(c.t, http.StatusNoContent)
	c.put("/api/user/acme-user-id/group?org=acme", adminToken, `{"groups":["acme-staff"]}`).want(c.t, http.StatusOK)
	c.put("/api/user/acme-user-id/metadata?org=acme&app=acme-plain", adminToken, `{"metadata":[{"key":"badge","value":7,"profileClaim":true}]}`).
		want(c.t, http.StatusOK)
	for _, of := range []string{"/api/group/acme-staff/metadata?org=acme", "/api/org/acme/metadata"} {
		c.put(of, adminToken, `{"metadata":[{"key":"floor","value":1},{"key":"city","value":"Wels"}]}`).want(c.t, http.StatusOK)
	}
}

func TestEveryRouteHasARow(t *testing.T) {
	e := echo.New()
	for _, d := range []handlers.Dialect{&native.Dialect{}, &iblai.Dialect{}, &sentinel.Dialect{}, &zitadel.Dialect{}} {
		d.Mount(e)
	}
	rows := map[string]bool{}
	for _, op := range slices.Concat(operations, dialectOperations) {
		rows[op.route] = true
	}
	var missing []string
	for _, r := range e.Routes() {
		if r.Method == http.MethodOptions {
			continue // says what there is, to everybody
		}
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
