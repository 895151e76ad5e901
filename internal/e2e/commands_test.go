package e2e

import (
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

func TestHelpMentionsEveryCommand(t *testing.T) {
	t.Parallel()
	code, help, stderr := run(t, nil, "--help")
	if code != 0 || stderr != "" {
		t.Errorf("exit code %d, %q", code, stderr)
	}
	commands := []string{"meta list", "meta set", "meta rollback", "meta preview", "users list", "users delete", "orgs list", "groups list",
		"definitions put", "tokens inspect", "audit verify", "profile set", "completion", "dev", "serve", "bootstrap", "keys list", "keys rotate", "keys withdraw", "health", "clients create",
		"clients list", "clients show", "clients update", "clients delete"}
	for _, command := range commands {
		if !regexp.MustCompile(`(?m)^ +` + command + `\b`).MatchString(help) {
			t.Errorf("--help does not mention %s:\n%s", command, help)
		}
		if code, own, _ := run(t, nil, append(strings.Fields(command), "--help")...); code != 0 || !strings.Contains(own, "claimsmith "+command) {
			t.Errorf("%s --help: exit code %d\n%s", command, code, own)
		}
	}
	if code, _, stderr := run(t, nil, "server"); code != 2 || !strings.Contains(stderr, "server") {
		t.Errorf("a command there is not: exit code %d, %q", code, stderr)
	}
}

// All faults come at once, one line each that names flag and variable, and none shows a secret.
func TestServeRefusesUnsafeSettings(t *testing.T) {
	t.Parallel()
	const password, kek = "short-password", "cGFzc3BocmFzZQ=="
	code, stdout, stderr := run(t, []string{
		"CLAIMSMITH_ISSUER=http://id.example.com/", "CLAIMSMITH_REDIS_ADDR=redis.internal:6379",
		"CLAIMSMITH_REDIS_PASSWORD=" + password, "CLAIMSMITH_KEY_ENCRYPTION_KEY=" + kek, "CLAIMSMITH_ACCESS_TOKEN_TTL=48h",
	}, "serve", "--metrics-addr", "127.0.0.1:8080")
	if code != 2 || stdout != "" {
		t.Errorf("exit code %d, %q", code, stdout)
	}
	var flags []string
	for line := range strings.Lines(stderr) {
		parts := regexp.MustCompile(`^--([a-z-]+) \(CLAIMSMITH_([A-Z_]+)\): .+\n$`).FindStringSubmatch(line)
		if parts == nil || strings.ToUpper(strings.ReplaceAll(parts[1], "-", "_")) != parts[2] {
			t.Errorf("%q does not begin with a flag and its variable", line)
			continue
		}
		flags = append(flags, parts[1])
	}
	slices.Sort(flags)
	want := []string{
		"access-token-ttl", "issuer", "issuer", "key-encryption-key", "metrics-addr", "redis-mode", "redis-password", "trusted-proxies",
	}
	if !slices.Equal(flags, want) {
		t.Errorf("faults of %v, want %v:\n%s", flags, want, stderr)
	}
	if strings.Contains(stderr, password) || strings.Contains(stderr, kek) {
		t.Errorf("a secret is shown:\n%s", stderr)
	}
}

func TestServeRefusesUnsafeRedis(t *testing.T) {
	t.Parallel()
	redis := redistest.Server(t, "--maxmemory", "1gb", "--maxmemory-policy", "allkeys-lru")
	settings := slices.Concat(standalone(redis.Addr()), serverSettings(), []string{"CLAIMSMITH_KEY_ENCRYPTION_KEY=" + newKEK()})
	code, stdout, stderr := run(t, settings, "serve")
	if code == 0 || stdout != "" {
		t.Errorf("exit code %d, %q", code, stdout)
	}
	for _, want := range []string{
		redis.Addr() + ": maxmemory-policy is allkeys-lru, must be noeviction",
		redis.Addr() + ": appendonly is off: what was acknowledged is lost with the process",
	} {
		if !regexp.MustCompile(`(?m)^(claimsmith: )?` + regexp.QuoteMeta(want)).MatchString(stderr) {
			t.Errorf("no line says %q:\n%s", want, stderr)
		}
	}

	// What may be allowed is allowed, and said; the rest is not.
	code, _, stderr = run(t, settings, "serve", "--redis-allow-unsafe-persistence")
	if code == 0 || !strings.Contains(stderr, "must be noeviction") || strings.Contains(stderr, "claimsmith: appendonly") {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
	if !regexp.MustCompile(`level=WARN .*appendonly is off`).MatchString(stderr) {
		t.Errorf("it does not warn of what was allowed:\n%s", stderr)
	}
}

func TestServeNeedsAnInstallation(t *testing.T) {
	t.Parallel()
	redis := redistest.Server(t, durable...)
	settings := slices.Concat(standalone(redis.Addr()), serverSettings(), []string{"CLAIMSMITH_KEY_ENCRYPTION_KEY=" + newKEK()})
	for _, command := range []string{"serve", "keys list", "keys rotate", "keys withdraw x"} {
		args := strings.Fields(command)
		if args[0] == "keys" {
			settings = slices.DeleteFunc(settings, func(s string) bool { return slices.Contains(serverSettings(), s) })
		}
		code, stdout, stderr := run(t, settings, args...)
		if code != 1 || stdout != "" || !strings.Contains(stderr, "run claimsmith bootstrap once") {
			t.Errorf("%s: exit code %d, %q, %q", command, code, stdout, stderr)
		}
	}
	if info := redistest.NewClient(t, redis.Addr()).DBSize(t.Context()).Val(); info != 0 {
		t.Errorf("%d keys were written", info)
	}
}

func TestServeNeedsRedis(t *testing.T) {
	t.Parallel()
	redis := redistest.Server(t, durable...)
	i := install(t, standalone(redis.Addr())...)
	redis.Kill()
	code, _, stderr := run(t, slices.Concat(i.settings, serverSettings()), "serve")
	if code != 1 || !strings.Contains(stderr, redis.Addr()) {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
}

func TestBootstrapShowsTheTokenOnce(t *testing.T) {
	t.Parallel()
	i, _ := newInstallation(t)
	code, stdout, stderr := run(t, i.settings, "bootstrap")
	if code != 1 || stdout != "" || !strings.Contains(stderr, "--replace-token") {
		t.Errorf("the second time: exit code %d, %q, %q", code, stdout, stderr)
	}
	s := i.serve()
	s.get("/api/org", i.admin).want(t, http.StatusOK)

	code, stdout, stderr = run(t, i.settings, "bootstrap", "--replace-token")
	if code != 0 {
		t.Fatalf("--replace-token: exit code %d, %q", code, stderr)
	}
	replacement := tokenIn(t, stdout)
	s.get("/api/org", replacement).want(t, http.StatusOK)
	took := eventually(t, "the replaced token is refused", 5*time.Second, func() bool {
		return s.get("/api/org", i.admin).status == http.StatusUnauthorized
	})
	if took > auth.Recency+time.Second {
		t.Errorf("the replaced token was accepted for %s", took)
	}
}

// T-14: with another key the signing keys cannot be opened, and none are made in their place.
func TestServeRefusesAnotherKeyEncryptionKey(t *testing.T) {
	t.Parallel()
	i, redis := newInstallation(t)
	before := i.serve().get("/.well-known/jwks.json", "").body
	withKey := func(kek string, more ...string) []string {
		return slices.Concat(standalone(redis.Addr()), serverSettings(), []string{"CLAIMSMITH_KEY_ENCRYPTION_KEY=" + kek}, more)
	}

	code, stdout, stderr := run(t, withKey(newKEK()), "serve")
	if code != 1 || stdout != "" || !strings.Contains(stderr, "signing keys") {
		t.Errorf("another key: exit code %d, %q, %q", code, stdout, stderr)
	}
	code, _, stderr = run(t, withKey(""), "serve")
	if code != 2 || !strings.Contains(stderr, "--key-encryption-key (CLAIMSMITH_KEY_ENCRYPTION_KEY): not set") {
		t.Errorf("no key: exit code %d, %q", code, stderr)
	}

	// The former key among the previous ones opens what it sealed.
	changed := &installation{t: t, settings: withKey(newKEK(), "CLAIMSMITH_PREVIOUS_KEY_ENCRYPTION_KEYS="+i.kek)}
	if after := changed.serve().get("/.well-known/jwks.json", "").body; after != before {
		t.Errorf("keys were\n%s\nand are\n%s", before, after)
	}
}

func TestHealthTellsByItsExitCode(t *testing.T) {
	t.Parallel()
	s := dev(t)
	if code, stdout, stderr := run(t, nil, "health", "--addr", s.addr()); code != 0 || stdout+stderr != "" {
		t.Errorf("ready: exit code %d, %q", code, stdout+stderr)
	}
	code, _, stderr := run(t, []string{"CLAIMSMITH_ADDR=" + s.addr(), "CLAIMSMITH_HEALTH_TIMEOUT=5s"}, "health")
	if code != 0 {
		t.Errorf("by variables: exit code %d, %q", code, stderr)
	}
	if code, _, stderr := run(t, nil, "health", "--addr", "8080"); code != 2 || !strings.Contains(stderr, "HOST:PORT") {
		t.Errorf("no address: exit code %d, %q", code, stderr)
	}
	s.kill()
	if code, _, stderr := run(t, nil, "health", "--addr", s.addr()); code != 1 || stderr == "" {
		t.Errorf("gone: exit code %d, %q", code, stderr)
	}
	if code, _, _ := run(t, nil, "health", "--addr", silent(t), "--health-timeout", "200ms"); code != 1 {
		t.Errorf("no answer: exit code %d", code)
	}
}

// The commands on clients go over the API of a running server, as anybody's would.
func TestClientsOfARunningServer(t *testing.T) {
	t.Parallel()
	s := dev(t)
	settings := []string{"CLAIMSMITH_URL=" + s.url, "CLAIMSMITH_TOKEN=" + devOperator}
	code, stdout, stderr := run(t, settings, "clients", "create", "shop", "--preset=web", "--redirect-uri=https://shop.example/cb")
	if code != 0 || stderr != "" || !strings.Contains(stdout, "cs_cs_") || !strings.Contains(stdout, "Warning no_par") {
		t.Fatalf("create: exit code %d, %q\n%s", code, stderr, stdout)
	}
	if code, stdout, _ := run(t, settings, "clients", "list"); code != 0 || !regexp.MustCompile(`(?m)^\d+ +shop +.*no_par`).MatchString(stdout) {
		t.Errorf("list: exit code %d\n%s", code, stdout)
	}
	if code, _, stderr := run(t, settings, "clients", "delete", "shop"); code != 1 || !strings.Contains(stderr, "--yes") {
		t.Errorf("delete without a terminal: exit code %d, %q", code, stderr)
	}
	if code, _, stderr := run(t, settings, "clients", "delete", "shop", "--yes"); code != 0 {
		t.Errorf("delete: exit code %d, %q", code, stderr)
	}
	s.get("/api/client/shop", devOperator).want(t, http.StatusNotFound)
}

// silent returns the address of a listener that answers nothing.
func silent(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String()
}

func TestMetricsAreOffUnlessAsked(t *testing.T) {
	t.Parallel()
	if s := dev(t); strings.Contains(s.stderr.String(), "serving metrics") {
		t.Errorf("metrics are served:\n%s", s.stderr)
	}
	s := dev(t, "--metrics-addr", "127.0.0.1:0")
	s.get("/api/user/jane", devOperator)
	metrics := &server{process: s.process, url: "http://" + s.find(s.stderr, `msg="serving metrics" address=(\S+)`)}
	got := metrics.get("/metrics", "").want(t, http.StatusOK).body
	for _, want := range []string{
		`claimsmith_http_requests_total{method="GET",route="/api/user/:userId",status="200"} 1`, "claimsmith_http_requests_in_flight 0", "go_goroutines ",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
	if strings.Contains(got, "jane") {
		t.Error("the metrics name a user")
	}
	metrics.get("/api/user/jane", devOperator).want(t, http.StatusNotFound)
	s.get("/metrics", "").want(t, http.StatusNotFound)
}
