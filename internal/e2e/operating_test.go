package e2e

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// operating are the settings of a command that speaks to a server.
func (s *server) operating(token string) []string {
	return []string{"CLAIMSMITH_URL=" + s.url, "CLAIMSMITH_TOKEN=" + token}
}

func TestTokensInspect(t *testing.T) {
	t.Parallel()
	s := dev(t)
	inspect := func(token string) (code int, stdout, stderr string) {
		return run(t, s.operating(devOperator), "tokens", "inspect", token)
	}
	s.send(http.MethodPut, "/api/user/jane/metadata/theme", devOperator, `{"value":"Dark","profileClaim":true}`).want(t, 200)
	login := s.login(janeMail, devPassword).want(t, http.StatusOK)
	access := login.text(t, "access_token")

	code, stdout, stderr := inspect(access)
	if code != 0 || stderr != "" {
		t.Fatalf("exit code %d, %s", code, stderr)
	}
	for _, want := range []string{"signature  valid\n", "active     yes\n", `"typ":"at+jwt"`, "metadata_theme", "Dark"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("%q is not in\n%s", want, stdout)
		}
	}

	// What somebody else has put together is shown, and said to be that.
	parts := strings.Split(access, ".")
	forged := parts[0] + "." + parts[1] + "." + flipped(parts[2][0]) + parts[2][1:]
	if _, stdout, _ = inspect(forged); !strings.Contains(stdout, "NOT VALID") || !strings.Contains(stdout, "active     no\n") {
		t.Errorf("a forged token:\n%s", stdout)
	}
	s.form("/oauth/revoke", "token", login.text(t, "refresh_token"), "client_id", "login").want(t, http.StatusOK)
	if _, stdout, _ = inspect(access); !strings.Contains(stdout, "signature  valid\n") || !strings.Contains(stdout, "active     no\n") {
		t.Errorf("a revoked token:\n%s", stdout)
	}
	if code, _, stderr = inspect(login.text(t, "refresh_token")); code != 1 || !strings.Contains(stderr, "this is no JWT") {
		t.Errorf("a refresh token: exit code %d, %s", code, stderr)
	}
}

// The codes docs/operating.md lists are what a script sees.
func TestExitCodes(t *testing.T) {
	t.Parallel()
	s := dev(t)
	gone := dev(t)
	gone.terminate()
	gone.wait(patience)
	for _, test := range []struct {
		code     int
		settings []string
		args     []string
	}{
		{0, s.operating(devOperator), []string{"meta", "set", "jane", "plan", "gold"}},
		{1, s.operating(devOperator), []string{"meta", "set", "jane", "1", "x", "--claim"}},
		{2, s.operating(devOperator), []string{"meta", "set", "jane"}},
		{2, nil, []string{"meta", "list", "jane"}},
		{3, s.operating(devOperator), []string{"meta", "list", "nobody"}},
		{4, s.operating("cs_at_wrong"), []string{"meta", "list", "jane"}},
		{5, s.operating(devOperator), []string{"meta", "set", "jane", "plan", "x", "--if-match=none"}},
		{6, gone.operating(devOperator), []string{"meta", "list", "jane"}},
	} {
		settings := append([]string{"CLAIMSMITH_PROFILES=" + filepath.Join(t.TempDir(), "none")}, test.settings...)
		if code, stdout, stderr := run(t, settings, test.args...); code != test.code {
			t.Errorf("%q: exit code %d, want %d\n%s%s", test.args, code, test.code, stdout, stderr)
		}
	}
}

func TestProfilesAndCompletion(t *testing.T) {
	t.Parallel()
	s := dev(t)
	dir := t.TempDir()
	token := filepath.Join(dir, "token")
	if err := os.WriteFile(token, []byte(devOperator+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	settings := []string{"CLAIMSMITH_PROFILES=" + filepath.Join(dir, "profiles.json")}
	for _, args := range [][]string{
		{"profile", "set", "--url", s.url, "--token-file", token}, {"users", "list"}, {"profile", "list"}, {"profile", "remove", "default"},
	} {
		if code, stdout, stderr := run(t, settings, args...); code != 0 || strings.Contains(stdout+stderr, devOperator) {
			t.Errorf("%q: exit code %d\n%s%s", args, code, stdout, stderr)
		}
	}
	if code, _, stderr := run(t, settings, "users", "list"); code != 2 || !strings.Contains(stderr, "claimsmith profile set") {
		t.Errorf("without a profile: exit code %d, %s", code, stderr)
	}

	const typed = `source <(claimsmith completion bash); COMP_WORDS=(claimsmith meta s); COMP_CWORD=2; _claimsmith; echo "${COMPREPLY[*]}"`
	shell := exec.Command("bash", "-c", typed)
	shell.Env = append(os.Environ(), "PATH="+filepath.Dir(binary)+":"+os.Getenv("PATH"))
	if got, err := shell.Output(); err != nil || string(got) != "set\n" {
		t.Errorf("bash completes to %q, %v", got, err)
	}
}
