package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/claimsmith/claimsmith/claims"
)

// The claims of every test here, as they are stored.
var stored = []struct{ key, value string }{
	{"contract", `9007199254740993`}, {"roles", `["admin","ops"]`}, {"theme", `"Dark Mode"`}, {"trial", `false`},
}

// issue starts a server with the claims stored and logs jane in.
func issue(t *testing.T) (s *server, access, id string) {
	t.Helper()
	s = dev(t)
	for _, e := range stored {
		s.send(http.MethodPut, "/api/user/jane/metadata/"+e.key, devOperator, `{"value":`+e.value+`,"profileClaim":true}`).want(t, http.StatusOK)
	}
	tokens := s.login(janeMail, devPassword).want(t, http.StatusOK)
	return s, tokens.text(t, "access_token"), tokens.text(t, "id_token")
}

// The Node program of docs/reading-claims.md prints the claims of an access token and refuses everything else.
func TestReadingClaimsInNode(t *testing.T) {
	t.Parallel()
	node, modules := needNode(t, "jose")
	dir := t.TempDir()
	if err := os.Symlink(modules, filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "read.mjs")
	writeSnippet(t, program, "<!-- run: node -->\n```js\n")
	// As the document says, JavaScript rounds what is above 2^53.
	readsClaims(t, `{"metadata_contract":9007199254740992,"metadata_roles":["admin","ops"],"metadata_theme":"Dark Mode","metadata_trial":false}`,
		node, program)
}

// Likewise the Python program.
func TestReadingClaimsInPython(t *testing.T) {
	t.Parallel()
	python, err := exec.LookPath("python3")
	if err == nil {
		err = exec.Command(python, "-c", "import jwt, cryptography").Run()
	}
	if err != nil {
		t.Skipf("needs python3 and pip install 'pyjwt[crypto]': %v", err)
	}
	program := filepath.Join(t.TempDir(), "read.py")
	writeSnippet(t, program, "```python\n")
	readsClaims(t, `{"metadata_contract": 9007199254740993, "metadata_roles": ["admin", "ops"], "metadata_theme": "Dark Mode", "metadata_trial": false}`,
		python, program)
}

// writeSnippet writes the code block of docs/reading-claims.md that begins like this.
func writeSnippet(t *testing.T, name, begin string) {
	t.Helper()
	text, err := os.ReadFile("../../docs/reading-claims.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), begin)
	code, _, closed := strings.Cut(rest, "\n```\n")
	if !found || !closed {
		t.Fatalf("docs/reading-claims.md has no block %q", begin)
	}
	if err := os.WriteFile(name, []byte(code+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// readsClaims runs a program as docs/reading-claims.md describes it, which must print what is wanted for an access token, and fail
// for whatever is not one for this service.
func readsClaims(t *testing.T, want string, command ...string) {
	t.Helper()
	s, access, id := issue(t)
	read := func(issuer, audience, token string) (string, error) {
		program := exec.Command(command[0], command[1:]...)
		program.Env = append(os.Environ(), "ISSUER="+issuer, "AUDIENCE="+audience, "TOKEN="+token)
		out, err := program.CombinedOutput()
		return strings.TrimSpace(string(out)), err
	}
	if got, err := read(s.issuer, s.issuer, access); err != nil || got != want {
		t.Errorf("got\n%s, %v\nwant\n%s", got, err, want)
	}
	signature := strings.LastIndex(access, ".") + 5
	tampered := access[:signature] + flipped(access[signature]) + access[signature+1:]
	for name, try := range map[string][3]string{
		"an ID token":             {s.issuer, "login", id},
		"another audience":        {s.issuer, "https://api.example", access},
		"another signature":       {s.issuer, s.issuer, tampered},
		"another issuer's":        {strings.Replace(s.issuer, "127.0.0.1", "localhost", 1), s.issuer, access},
		"something else entirely": {s.issuer, s.issuer, "x.y.z"},
	} {
		if got, err := read(try[0], try[1], try[2]); err == nil {
			t.Errorf("%s is accepted: %s", name, got)
		}
	}
}

// flipped is another character of base64.
func flipped(c byte) string {
	if c == 'A' {
		return "B"
	}
	return "A"
}

// A Go service that has nothing but the issuer's URL, as in README.md.
func TestReadingClaimsInGo(t *testing.T) {
	t.Parallel()
	s, access, id := issue(t)
	verifier, err := claims.NewVerifier(claims.Config{Issuer: s.issuer, Audience: s.issuer})
	if err != nil {
		t.Fatal(err)
	}
	service := httptest.NewServer(claims.Middleware(verifier)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, _ := claims.FromContext(r.Context())
		theme, _ := token.Metadata.String("theme")
		contract, _ := token.Metadata.Int64("contract")
		roles, _ := token.Metadata.Strings("roles")
		trial, isBool := token.Metadata.Bool("trial")
		_, _ = fmt.Fprintln(w, token.Subject, theme, contract, roles, trial, isBool)
	})))
	t.Cleanup(service.Close)
	call := func(token string) (int, string) {
		request, err := http.NewRequest(http.MethodGet, service.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+token)
		response, err := browser.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = response.Body.Close() }()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, string(body)
	}
	jane := s.get("/api/user/jane", devOperator).text(t, "id")
	if status, got := call(access); status != http.StatusOK || got != jane+" Dark Mode 9007199254740993 [admin ops] false true\n" {
		t.Errorf("%d %q", status, got)
	}
	for _, token := range []string{id, access[:len(access)-1], "x"} {
		if status, _ := call(token); status != http.StatusUnauthorized {
			t.Errorf("%s is answered %d", token, status)
		}
	}
	// What was fetched once verifies on while the issuer is away.
	s.kill()
	if status, got := call(access); status != http.StatusOK {
		t.Errorf("without the issuer: %d %s", status, got)
	}
}

// The tables of docs/reading-claims.md and of the programs name the same algorithms as the server.
func TestReadingClaimsNamesTheAlgorithms(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/reading-claims.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range publishedKeys(t, dev(t)) {
		if alg := k["alg"]; len(regexp.MustCompile(`\b`+alg+`\b`).FindAll(text, -1)) < 3 {
			t.Errorf("docs/reading-claims.md does not tell readers of %s", alg)
		}
	}
}
