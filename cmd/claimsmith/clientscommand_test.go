package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/claimsmith/claimsmith/internal/redistest"
)

// commandLine runs the program against a world's API.
type commandLine struct {
	t     *testing.T
	world *world
	env   map[string]string
	input string
	// commands is what every command line begins with.
	commands []string
}

func newCommandLine(t *testing.T, commands ...string) *commandLine {
	w := newWorld(t, redistest.Embedded(t).Client)
	server := httptest.NewServer(w.server)
	t.Cleanup(server.Close)
	return &commandLine{t: t, world: w, commands: commands, env: map[string]string{"CLAIMSMITH_URL": server.URL, "CLAIMSMITH_TOKEN": adminToken}}
}

func (c *commandLine) run(args ...string) (code int, stdout, stderr string) {
	c.t.Helper()
	var out, errs bytes.Buffer
	lookup := func(name string) (string, bool) {
		value, ok := c.env[name]
		return value, ok
	}
	code = run(context.Background(), append(slices.Clone(c.commands), args...), lookup, strings.NewReader(c.input), &out, &errs)
	if strings.Contains(out.String()+errs.String(), adminToken) {
		c.t.Errorf("%q shows the operator's token", args)
	}
	return code, out.String(), errs.String()
}

// must runs a command that works and writes nothing to standard error.
func (c *commandLine) must(args ...string) string {
	c.t.Helper()
	code, stdout, stderr := c.run(args...)
	if code != 0 || stderr != "" {
		c.t.Fatalf("%q: exit code %d, %s", args, code, stderr)
	}
	return stdout
}

// refused runs a command that fails with a code and a line that contains want, and prints nothing else.
func (c *commandLine) refused(code int, want string, args ...string) {
	c.t.Helper()
	got, stdout, stderr := c.run(args...)
	if got != code || stdout != "" || !strings.Contains(stderr, want) {
		c.t.Errorf("%q: exit code %d, %q, %q; want %d with %q", args, got, stdout, stderr, code, want)
	}
}

func TestClientsCommands(t *testing.T) {
	c := newCommandLine(t, "clients")
	keys := filepath.Join(t.TempDir(), "keys.json")
	if err := os.WriteFile(keys, []byte(publicKeySet), 0o600); err != nil {
		t.Fatal(err)
	}

	// The secret is shown, after the members and the warnings, and works.
	created := c.must("create", "shop", "--preset=web", "--redirect-uri=https://shop.example/cb", "--redirect-uri=https://shop.example/a,b",
		"--name=The Shop", "--claim-keys=theme,plan", "--scopes=openid,orders", "--grant-types=authorization_code,client_credentials")
	for _, line := range []string{
		"client_id                      shop\n", "name                           The Shop\n", "public                         no\n",
		"redirect_uris                  https://shop.example/cb https://shop.example/a,b\n", "claim_keys                     theme plan\n",
		"claims_in                      all\n", "grant_types                    authorization_code client_credentials\n",
		"code_lifetime                  60\n", "audience                       -\n", "\nWarning no_par: ", "\nWarning no_dpop: ",
	} {
		if !strings.Contains(created, line) {
			t.Errorf("%q is not in\n%s", line, created)
		}
	}
	_, secret, _ := strings.Cut(created, "It is shown this once:\n\n")
	if strings.Count(created, "cs_cs_") != 1 || !strings.HasPrefix(secret, "cs_cs_") {
		t.Fatalf("the secret is not shown once:\n%s", created)
	}
	c.world.patch("/api/client/shop", adminToken, `{"require_dpop":false}`).want(t, http.StatusOK)
	c.world.machineLogin(client{"shop", strings.TrimSpace(secret)}, "orders")
	if shown := c.must("show", "shop"); strings.Contains(shown, "cs_cs_") || strings.Contains(shown, "shown this once") {
		t.Errorf("the secret is shown again:\n%s", shown)
	}

	var asJSON map[string]any
	if err := json.Unmarshal([]byte(c.must("create", "bank", "-o", "json", "--preset", "strict", "--jwks", keys,
		"--redirect-uri=https://bank.example/cb")), &asJSON); err != nil || asJSON["require_par"] != true || asJSON["jwks"] == nil {
		t.Errorf("%v: %v", asJSON, err)
	}
	if made := c.must("create"); !strings.Contains(made, "cs_cs_") {
		t.Errorf("without an id there is no client:\n%s", made)
	}

	// What is said changes, what is not stays; lists can be emptied and restrictions lifted.
	changed := c.must("update", "shop", "--no-require-pkce", "--claims-in=", "--claim-keys=*", "--audience=", "--code-lifetime=9",
		"--backchannel-logout-uri=https://shop.example/out", "--allowed-origin=https://shop.example")
	for _, line := range []string{
		"require_pkce                   no\n", "claims_in                      -\n", "claim_keys                     all\n",
		"code_lifetime                  9\n", "name                           The Shop\n", "backchannel_logout_uri         https://shop.example/out\n",
		"allowed_origins                https://shop.example\n", "\nWarning no_pkce: ",
	} {
		if !strings.Contains(changed, line) {
			t.Errorf("%q is not in\n%s", line, changed)
		}
	}
	if changed := c.must("update", "shop", "--backchannel-logout-uri=", "--redirect-uri=", "--grant-types=", "-o", "json"); !strings.Contains(
		changed, `"redirect_uris":[]`) || strings.Contains(changed, "backchannel") {
		t.Errorf("not emptied: %s", changed)
	}

	list := c.must("list")
	for _, want := range []string{"CLIENT  ", "shop  ", "bank  ", "login  ", "password_grant"} {
		if !strings.Contains(list, want) {
			t.Errorf("%q is not in\n%s", want, list)
		}
	}
}

// A list has every client, however many pages they fill.
func TestClientsListHasAllPages(t *testing.T) {
	c := newCommandLine(t, "clients")
	const many = 205
	for n := range many {
		c.world.post("/api/client", adminToken, fmt.Sprintf(`{"client_id":"c%d"}`, n)).want(t, http.StatusCreated)
	}
	var all struct {
		Clients []struct {
			ID string `json:"client_id"`
		}
	}
	if err := json.Unmarshal([]byte(c.must("list", "--output=json")), &all); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, one := range all.Clients {
		seen[one.ID] = true
	}
	if len(all.Clients) != many+2 || len(seen) != many+2 { // and the clients of POST /login and of the console
		t.Errorf("%d clients, %d of them different", len(all.Clients), len(seen))
	}
}

func TestClientsDeleteAsks(t *testing.T) {
	c := newCommandLine(t, "clients")
	exists := func(id string) bool { return c.world.get("/api/client/"+id, adminToken).status == http.StatusOK }
	c.must("create", "shop", "--name=The Shop")
	for _, answer := range []string{"", "\n", "n\n", "no\n", "yesterday\n", " \nyes\n"} {
		c.input = answer
		code, stdout, stderr := c.run("delete", "shop")
		if code != 1 || stdout != "" || !strings.Contains(stderr, "Delete client shop (The Shop) of organisation default?") || !exists("shop") {
			t.Fatalf("answered %q: exit code %d, %q, %q", answer, code, stdout, stderr)
		}
	}
	for id, answer := range map[string]string{"shop": "y\n", "bank": "YES", "cafe": "yes\r\n"} {
		if id != "shop" {
			c.must("create", id)
		}
		c.input = answer
		code, stdout, stderr := c.run("delete", id)
		if id != "shop" && !strings.Contains(stderr, "Delete client "+id+" of organisation default?") {
			t.Errorf("asked %q", stderr)
		}
		if code != 0 || stdout != "Client "+id+" is deleted.\n" || exists(id) {
			t.Errorf("answered %q: exit code %d, %q", answer, code, stdout)
		}
	}
	c.must("create", "shop")
	c.input = ""
	if out := c.must("delete", "shop", "--yes", "-o", "json"); out != "" || exists("shop") {
		t.Errorf("--yes: %q", out)
	}
	c.refused(exitNotFound, "404 not_found", "delete", "shop")
	c.refused(exitNotFound, "404 not_found", "delete", "shop", "--yes")
}

// What was changed after it was shown is not deleted.
func TestClientsDeleteOnlyWhatWasShown(t *testing.T) {
	c := newCommandLine(t, "clients")
	c.must("create", "shop")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodDelete {
			c.world.patch("/api/client/shop", adminToken, `{"name":"changed meanwhile"}`)
		}
		c.world.server.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	c.env["CLAIMSMITH_URL"], c.input = server.URL, "y\n"
	if code, _, stderr := c.run("delete", "shop"); code != exitChanged || !strings.Contains(stderr, "412 precondition_failed") {
		t.Errorf("exit code %d, %s", code, stderr)
	}
	c.world.get("/api/client/shop", adminToken).want(t, http.StatusOK)
}

func TestClientsCommandsRefuse(t *testing.T) {
	c := newCommandLine(t, "clients")
	c.must("create", "shop")
	c.refused(exitFailed, "400 invalid_request: redirect_uris: authorization_code needs at least one", "create", "x", "--preset=web")
	c.refused(exitFailed, "400 invalid_request: preset: allowed: web, spa, native, machine, device, strict, plain-oidc", "create", "x", "--preset=fast")
	c.refused(exitChanged, "409 conflict: client_id: this id is in use", "create", "shop")
	c.refused(exitNotFound, "404 not_found: no such client", "show", "nobody")
	c.refused(exitNotFound, "404 not_found: no such client", "update", "nobody", "--name=x")
	c.refused(exitNotFound, "404 not_found", "show", "shop", "--org=elsewhere")
	c.refused(exitFailed, "--jwks: open /nowhere: no such file", "update", "shop", "--jwks=/nowhere")
	c.refused(exitFailed, "--jwks: clients_test.go is no JSON", "update", "shop", "--jwks=clients_test.go")
	c.refused(exitUsage, "nothing to change", "update", "shop")
	c.refused(exitUsage, "unknown flag --require-mtls", "update", "shop", "--require-mtls")
	c.refused(exitUsage, "expected", "show")
	c.refused(exitUsage, `"xml" is none of table, json, yaml`, "list", "-o", "xml")

	url := c.env["CLAIMSMITH_URL"]
	for _, fault := range []struct{ url, want string }{
		{"", "--url (CLAIMSMITH_URL): not set"},
		{"http://id.example.com", "must begin with https:, or be http: on loopback"},
		{"ftp://127.0.0.1", "must begin with https:"},
		{"https://me:hunter2@id.example.com", "is not a URL of only a scheme, a host and perhaps a path"},
		{"id.example.com", "is not a URL"},
		{"https://id.example.com?x=1", "is not a URL"},
	} {
		c.env["CLAIMSMITH_URL"] = fault.url
		c.refused(exitUsage, fault.want, "list")
		if _, _, stderr := c.run("list"); strings.Contains(stderr, "hunter2") {
			t.Errorf("a password is shown: %s", stderr)
		}
	}
	c.env["CLAIMSMITH_URL"] = url + "/"
	c.must("list")
	c.env["CLAIMSMITH_URL"] = url
	for token, want := range map[string]string{"": "not set: give an operator's API token", "two words": "holds characters no bearer token may have"} {
		c.env["CLAIMSMITH_TOKEN"] = token
		c.refused(exitUsage, want, "list")
	}
	c.env["CLAIMSMITH_TOKEN"] = "cs_at_unknown"
	c.refused(exitForbidden, "401 unauthenticated", "list")
	delete(c.env, "CLAIMSMITH_TOKEN")
	c.env["CLAIMSMITH_TOKEN_FILE"] = filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(c.env["CLAIMSMITH_TOKEN_FILE"], []byte(adminToken+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.must("list")
	// Nothing in the environment says what a client is like.
	c.env["CLAIMSMITH_NAME"], c.env["CLAIMSMITH_DISABLED"] = "left over", "true"
	if changed := c.must("update", "shop", "--scopes=openid"); strings.Contains(changed, "left over") || !strings.Contains(changed, "disabled                       no\n") {
		t.Errorf("the environment was heeded:\n%s", changed)
	}

	for name, answer := range map[string]http.HandlerFunc{
		"what answers at --url is no Claimsmith": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) },
		"the server answers 302 Found": func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/elsewhere" {
				t.Error("the token was carried elsewhere")
			}
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
		},
		"the server answers 502 Bad Gateway": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) },
	} {
		server := httptest.NewServer(answer)
		c.env["CLAIMSMITH_URL"] = server.URL
		code := exitFailed
		if strings.Contains(name, "502") {
			code = exitUnavailable
		}
		c.refused(code, name, "show", "shop")
		c.refused(code, name, "list")
		server.Close()
		c.refused(exitUnavailable, "connection refused", "list")
	}
}
