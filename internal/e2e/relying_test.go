package e2e

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// needNode returns the Node program and the directory of the packages installed for it.
func needNode(t *testing.T, packages ...string) (node, modules string) {
	t.Helper()
	modules, err := filepath.Abs("node_modules")
	if err != nil {
		t.Fatal(err)
	}
	node, err = exec.LookPath("node")
	for _, name := range packages {
		if err == nil {
			_, err = os.Stat(filepath.Join(modules, name))
		}
	}
	if err != nil {
		missing := t.Skipf
		if os.Getenv("CLAIMSMITH_TEST_REQUIRE_NODE") == "1" {
			missing = t.Fatalf
		}
		missing("needs node and npm --prefix internal/e2e ci: %v", err)
	}
	return node, modules
}

// npm openid-client as every kind of application, with a service on npm jose.
func TestOpenIDClientLibrary(t *testing.T) {
	t.Parallel()
	node, modules := needNode(t, "openid-client", "jose")
	s := dev(t)
	s.send(http.MethodPut, "/api/user/jane/metadata/theme", devOperator, `{"value":"Dark Mode","profileClaim":true}`).want(t, http.StatusOK)
	text, err := os.ReadFile("testdata/relying.mjs")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	program := filepath.Join(dir, "relying.mjs")
	if err := os.WriteFile(program, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(modules, filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	for _, scenario := range []string{"web", "spa", "strict", "device", "machine", "logout"} {
		t.Run(scenario, func(t *testing.T) {
			t.Parallel()
			out, err := exec.CommandContext(t.Context(), node, program, scenario, s.issuer, devOperator, devPassword).CombinedOutput()
			if err != nil || !strings.HasSuffix(string(out), "done\n") {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
