package e2e

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/claimsmith/claimsmith/internal/keyspace"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

func TestServeOverACluster(t *testing.T) {
	t.Parallel()
	nodes := redistest.Cluster(t, 3, durable...)
	i := install(t, "CLAIMSMITH_REDIS_MODE=cluster", "CLAIMSMITH_REDIS_ADDR="+redistest.Addrs(nodes)[1])
	s := i.serve()
	for n := range 8 { // so that several nodes have some
		if err := s.mainJob(i.admin, fmt.Sprintf("user-%d", n)); err != nil {
			t.Fatal(err)
		}
	}
	for _, addr := range redistest.Addrs(nodes) {
		if redistest.NewClient(t, addr).DBSize(t.Context()).Val() == 0 {
			t.Errorf("%s has nothing", addr)
		}
	}
	listed := s.get("/api/user", i.admin).want(t, http.StatusOK).body
	if got := strings.Count(listed, `"id"`); got != 8 {
		t.Errorf("%d users are listed: %s", got, listed)
	}
	if keys := listedKeys(t, i); len(keys) != 3 {
		t.Errorf("keys list shows %v", keys)
	}
}

func listedKeys(t *testing.T, i *installation) []keyIn {
	t.Helper()
	return listed(t, i.must("keys", "list"))
}

// mainJob makes a user with an entry, logs him in, changes the entry, and looks for it in the refreshed token. It returns at the first
// answer that is not a success.
func (s *server) mainJob(admin, name string) error {
	s.t.Helper()
	password := "long enough for " + name
	var tokens, refreshed answer
	for _, step := range []func() answer{
		func() answer {
			return s.send(http.MethodPost, "/api/user", admin, `{"id":"`+name+`","username":"of-`+name+`","password":"`+password+` too"}`)
		},
		func() answer {
			return s.send(http.MethodPut, "/api/user/"+name+"/metadata/theme", admin, `{"value":"Dark","profileClaim":true}`)
		},
		func() answer { tokens = s.login("of-"+name, password+" too"); return tokens },
		func() answer {
			return s.send(http.MethodPut, "/api/user/"+name+"/metadata/theme", admin, `{"value":"Light","profileClaim":true}`)
		},
		func() answer { refreshed = s.refresh(tokens.text(s.t, "refresh_token")); return refreshed },
	} {
		if a := step(); a.status/100 != 2 {
			return fmt.Errorf("answered %d %s", a.status, a.body)
		}
	}
	for theme, a := range map[string]answer{"Dark": tokens, "Light": refreshed} {
		decoded, err := decode(a.text(s.t, "access_token"))
		if err != nil || !strings.Contains(decoded.body, `{"metadata_theme":"`+theme+`",`) {
			return fmt.Errorf("%s, %w", decoded.body, err)
		}
	}
	return nil
}

// A failover is over for the server as soon as it is for Redis, and what was confirmed by a replica is there after it.
func TestServeFollowsSentinel(t *testing.T) {
	t.Parallel()
	master := redistest.Server(t, durable...)
	// With two replicas there is one to confirm writes right after the failover.
	replicas := []*redistest.Process{master.Replica(durable...), master.Replica(durable...)}
	sentinel := startSentinel(t, master.Addr())
	i := install(t, "CLAIMSMITH_REDIS_MODE=sentinel", "CLAIMSMITH_REDIS_ADDR="+sentinel.Options().Addr,
		"CLAIMSMITH_REDIS_SENTINEL_MASTER=claimsmith", "CLAIMSMITH_REDIS_WAIT_REPLICAS=1")
	s := i.serve()
	if err := s.mainJob(i.admin, "jane"); err != nil {
		t.Fatal(err)
	}

	eventually(t, "the sentinel knows the replicas", patience, func() bool {
		known, err := sentinel.Do(t.Context(), "SENTINEL", "REPLICAS", "claimsmith").Slice()
		return err == nil && len(known) == 2 && strings.Count(fmt.Sprint(known), "master-link-status:ok") == 2
	})
	if err := sentinel.Do(t.Context(), "SENTINEL", "FAILOVER", "claimsmith").Err(); err != nil {
		t.Fatal(err)
	}
	var promoted *redis.Client
	eventually(t, "a replica is the master", patience, func() bool {
		at, err := sentinel.Do(t.Context(), "SENTINEL", "GET-MASTER-ADDR-BY-NAME", "claimsmith").StringSlice()
		if err != nil || !slices.Contains(redistest.Addrs(replicas), strings.Join(at, ":")) {
			return false
		}
		promoted = redistest.NewClient(t, strings.Join(at, ":"))
		return true
	})
	// Until the new master has a replica, writes are not confirmed: a client tries again.
	attempt := 0
	took := eventually(t, "the server does its job on the new master", patience, func() bool {
		attempt++
		name := fmt.Sprintf("mary-%d", attempt)
		record := keyspace.New(keyspace.DefaultPartitions).User(name)
		return s.mainJob(i.admin, name) == nil && promoted.Exists(t.Context(), record).Val() == 1
	})
	t.Logf("the job is done again %s after the failover, at attempt %d", took.Round(time.Millisecond), attempt)
	if entry := s.get("/api/user/jane/metadata/theme", i.admin).want(t, http.StatusOK).text(t, "value"); entry != "Light" {
		t.Errorf("the entry is %q", entry)
	}
	s.login("of-jane", "long enough for jane too").want(t, http.StatusOK)
	s.awaitReady()
}

// startSentinel starts a sentinel of its own for a master it calls claimsmith.
func startSentinel(t *testing.T, master string) *redis.Client {
	t.Helper()
	path, err := exec.LookPath("redis-server") // redis-sentinel is another name for it
	if err != nil {
		t.Fatal(err)
	}
	host, port, _ := net.SplitHostPort(master)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, own, _ := net.SplitHostPort(l.Addr().String())
	_ = l.Close()
	config := filepath.Join(t.TempDir(), "sentinel.conf") // it writes there what it learns
	text := fmt.Sprintf("port %s\nbind 127.0.0.1\nsentinel monitor claimsmith %s %s 1\nsentinel down-after-milliseconds claimsmith 2000\n"+
		"sentinel failover-timeout claimsmith 10000\n", own, host, port)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := launch(t, nil, path, config, "--sentinel")
	client := redistest.NewClient(t, net.JoinHostPort("127.0.0.1", own))
	p.until("the sentinel answers", func() bool {
		conn, err := net.Dial("tcp", client.Options().Addr) // first, because go-redis logs every failure to connect
		if err == nil {
			_ = conn.Close()
		}
		return err == nil && client.Ping(t.Context()).Err() == nil
	})
	return client
}
