package redisstore_test

import (
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/claimsmith/claimsmith/auth/redisstore"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

// check returns what is found, each as "fault: ..." or "warning: ...".
func check(t *testing.T, c redis.UniversalClient, r redisstore.Requirements) string {
	t.Helper()
	found, err := redisstore.CheckServer(t.Context(), c, r)
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, text := range found.Faults {
		all.WriteString("fault: " + text + "\n")
	}
	for _, text := range found.Warnings {
		all.WriteString("warning: " + text + "\n")
	}
	return all.String()
}

func wantFindings(t *testing.T, got string, want ...string) {
	t.Helper()
	for _, text := range want {
		kind, text, _ := strings.Cut(text, ": ")
		found := false
		for line := range strings.Lines(got) {
			found = found || strings.HasPrefix(line, kind) && strings.Contains(line, text)
		}
		if !found {
			t.Errorf("no %s %q among:\n%s", kind, text, got)
		}
	}
}

func TestCheckServer(t *testing.T) {
	p := redistest.Server(t, "--appendonly", "yes", "--appendfsync", "always", "--maxmemory", "1gb", "--maxmemory-policy", "noeviction")
	c := redistest.NewClient(t, p.Addr())
	durable := redisstore.Requirements{Durable: true}
	set := func(name, value string) {
		t.Helper()
		if err := c.ConfigSet(t.Context(), name, value).Err(); err != nil {
			t.Fatal(err)
		}
	}

	if got := check(t, c, durable); strings.Contains(got, "fault") || strings.Contains(got, "append") || strings.Contains(got, "memory") {
		t.Errorf("a server as it should be has findings:\n%s", got)
	}
	wantFindings(t, check(t, c, redisstore.Requirements{Replicas: 1}), "warning: 0 replicas are connected, 1 must")

	set("maxmemory-policy", "allkeys-lru")
	wantFindings(t, check(t, c, durable), "fault: maxmemory-policy is allkeys-lru")
	set("maxmemory-policy", "noeviction")
	set("maxmemory", "1mb")
	wantFindings(t, check(t, c, durable), "warning: % of maxmemory are used")
	set("maxmemory", "0")
	wantFindings(t, check(t, c, durable), "warning: maxmemory is 0")

	set("appendfsync", "everysec")
	wantFindings(t, check(t, c, durable), "warning: appendfsync is everysec")
	set("appendonly", "no")
	wantFindings(t, check(t, c, durable), "fault: appendonly is off")
	wantFindings(t, check(t, c, redisstore.Requirements{}), "warning: appendonly is off")

	r := p.Replica()
	wantFindings(t, check(t, redistest.NewClient(t, r.Addr()), durable), `fault: the server's role is "slave"`)

	// What INFO does not tell stays unknown to a user without CONFIG.
	set("appendonly", "yes")
	if err := c.Do(t.Context(), "ACL", "SETUSER", "app", "on", ">pw", "~*", "+@all", "-@admin", "-@dangerous", "+info").Err(); err != nil {
		t.Fatal(err)
	}
	app := redistest.NewClient(t, p.Addr(), func(o *redis.Options) { o.Username, o.Password = "app", "pw" })
	wantFindings(t, check(t, app, durable), "warning: appendfsync is unknown")

	p.Kill()
	if _, err := redisstore.CheckServer(t.Context(), c, durable); err == nil {
		t.Error("a server that is gone was found in order")
	}
}

func TestCheckServerAsksEveryPrimary(t *testing.T) {
	nodes := redistest.Cluster(t, 3)
	c := redistest.NewClusterClient(t, redistest.Addrs(nodes))
	last := redistest.NewClient(t, nodes[2].Addr())
	for name, value := range map[string]string{"maxmemory": "1gb", "maxmemory-policy": "volatile-ttl"} {
		if err := last.ConfigSet(t.Context(), name, value).Err(); err != nil {
			t.Fatal(err)
		}
	}
	got := check(t, c, redisstore.Requirements{})
	wantFindings(t, got, "fault: "+nodes[2].Addr()+": maxmemory-policy is volatile-ttl", "warning: "+nodes[0].Addr(), "warning: "+nodes[1].Addr())
	if strings.Count(got, "fault") != 1 {
		t.Errorf("more than one fault:\n%s", got)
	}
}

func TestPatchedVersions(t *testing.T) {
	for version, want := range map[string]bool{
		"7.0.15": false, "7.2.11": false, "7.4.10": false, "7.4.11": true, "7.4.12": true, "8.0.9": false, "8.2.8": false, "8.2.9": true,
		"8.10.0": false, "8.10.1": true, "8.12.0": true, "9.0.0": true, "": false, "x.y.z": false, "255.255.255": true,
	} {
		if got := redisstore.Patched(version); got != want {
			t.Errorf("version %q: %v, want %v", version, got, want)
		}
	}
}
