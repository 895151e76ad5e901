package e2e

import (
	"crypto/rand"
	"encoding/base64"
	"slices"
	"strings"
	"testing"

	"github.com/claimsmith/claimsmith/internal/redistest"
)

// The issuer of every server that claimsmith serve runs here. Requests go to its listener.
const publicIssuer = "https://id.example.com"

// durable are the settings of docker-compose.yml. Its password a test sets once the server runs, where it needs one.
var durable = []string{
	"--appendonly", "yes", "--appendfsync", "always", "--maxmemory", "1gb", "--maxmemory-policy", "noeviction",
	"--hash-max-listpack-value", "512",
}

// installation is a Redis that claimsmith bootstrap has prepared.
type installation struct {
	t        testing.TB
	kek      string
	settings []string
	admin    string // the administrator's API token
}

// install prepares the Redis that settings lead to.
func install(t testing.TB, redis ...string) *installation {
	t.Helper()
	kek := newKEK()
	i := &installation{t: t, kek: kek, settings: append(slices.Clip(redis), "CLAIMSMITH_KEY_ENCRYPTION_KEY="+kek, "CLAIMSMITH_FILES="+t.TempDir())}
	code, stdout, stderr := run(t, i.settings, "bootstrap")
	if code != 0 {
		t.Fatalf("bootstrap: exit code %d\n%s", code, stderr)
	}
	i.admin = tokenIn(t, stdout)
	return i
}

// newInstallation prepares a Redis of its own with the durable settings.
func newInstallation(t testing.TB) (*installation, *redistest.Process) {
	t.Helper()
	r := redistest.Server(t, durable...)
	return install(t, standalone(r.Addr())...), r
}

func standalone(addr string) []string {
	return []string{"CLAIMSMITH_REDIS_MODE=standalone", "CLAIMSMITH_REDIS_ADDR=" + addr}
}

func newKEK() string {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	return base64.StdEncoding.EncodeToString(key)
}

// tokenIn returns the token on the last line that bootstrap printed.
func tokenIn(t testing.TB, stdout string) string {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	token := lines[len(lines)-1]
	if !strings.HasPrefix(token, "cs_at_") {
		t.Fatalf("no token in %q", stdout)
	}
	return token
}

// serverSettings are those serve has beyond the installation's.
func serverSettings() []string {
	return []string{"CLAIMSMITH_ADDR=127.0.0.1:0", "CLAIMSMITH_ISSUER=" + publicIssuer, "CLAIMSMITH_TRUSTED_PROXIES=none"}
}

// serve starts a server of the installation and waits until it takes requests.
func (i *installation) serve(args ...string) *server {
	i.t.Helper()
	p := start(i.t, slices.Concat(i.settings, serverSettings()), append([]string{"serve"}, args...)...)
	s := &server{process: p, url: "http://" + p.find(p.stderr, `msg=serving address=(\S+)`), issuer: publicIssuer}
	s.awaitReady()
	return s
}
