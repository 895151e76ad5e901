package redistest_test

import (
	"errors"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/claimsmith/claimsmith/internal/redistest"
)

func TestServerTakesConfiguration(t *testing.T) {
	p := redistest.Server(t, "--appendonly", "yes", "--appendfsync", "always")
	got, err := redistest.NewClient(t, p.Addr()).ConfigGet(t.Context(), "append*").Result()
	if err != nil || got["appendonly"] != "yes" || got["appendfsync"] != "always" {
		t.Errorf("configuration %v, %v", got, err)
	}
}

func TestServersAreSeparate(t *testing.T) {
	a, b := redistest.Server(t), redistest.Server(t)
	if err := redistest.NewClient(t, a.Addr()).Set(t.Context(), "key", "x", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if n := redistest.NewClient(t, b.Addr()).DBSize(t.Context()).Val(); n != 0 {
		t.Errorf("the second server has %d keys of the first", n)
	}
}

func TestKillAndRestart(t *testing.T) {
	for _, test := range []struct {
		name string
		args []string
		want string
	}{
		{"a server with an append-only file keeps its data", []string{"--appendonly", "yes", "--appendfsync", "always"}, "x"},
		{"a server without one starts empty", nil, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := redistest.Server(t, test.args...)
			addr := p.Addr()
			c := redistest.NewClient(t, addr)
			if err := c.Set(t.Context(), "key", "x", 0).Err(); err != nil {
				t.Fatal(err)
			}

			p.Kill()
			if conn, err := net.DialTimeout("tcp", addr, time.Second); err == nil {
				_ = conn.Close()
				t.Error("a killed server accepts connections")
			}
			if err := c.Get(t.Context(), "key").Err(); err == nil || errors.Is(err, redis.Nil) {
				t.Errorf("a killed server answers: %v", err)
			}
			p.Kill() // again: no effect

			p.Restart()
			if p.Addr() != addr {
				t.Errorf("moved from %s to %s", addr, p.Addr())
			}
			got, err := c.Get(t.Context(), "key").Result()
			if err != nil && !errors.Is(err, redis.Nil) || got != test.want {
				t.Errorf("after the restart: %q, %v; want %q", got, err, test.want)
			}
		})
	}
}

func TestRestartEndsARunningServer(t *testing.T) {
	p := redistest.Server(t)
	c := redistest.NewClient(t, p.Addr())
	before := c.InfoMap(t.Context(), "server").Val()["Server"]["run_id"]
	p.Restart()
	after := c.InfoMap(t.Context(), "server").Val()["Server"]["run_id"]
	if before == "" || after == "" || after == before {
		t.Errorf("run id %q before, %q after", before, after)
	}
}

func TestReplicaAcknowledgesWrites(t *testing.T) {
	master := redistest.Server(t)
	c := redistest.NewClient(t, master.Addr())
	if err := c.Set(t.Context(), "before", "x", 0).Err(); err != nil {
		t.Fatal(err)
	}
	replica := master.Replica()
	if got := redistest.NewClient(t, replica.Addr()).Get(t.Context(), "before").Val(); got != "x" {
		t.Errorf("the new replica has %q", got)
	}
	if n := setAndWait(t, c, 500*time.Millisecond); n != 1 {
		t.Errorf("WAIT with one replica: %d", n)
	}
	replica.Kill()
	if n := setAndWait(t, c, 20*time.Millisecond); n != 0 {
		t.Errorf("WAIT with a dead replica: %d", n)
	}
	replica.Restart()
	if n := setAndWait(t, c, 10*time.Second); n != 1 {
		t.Errorf("WAIT with the replica back: %d", n)
	}
}

// setAndWait writes and returns how many replicas acknowledge that in time.
func setAndWait(t *testing.T, c *redis.Client, timeout time.Duration) int64 {
	t.Helper()
	conn := c.Conn() // WAIT is about the writes of its connection
	defer func() { _ = conn.Close() }()
	if err := conn.Set(t.Context(), "key", "x", 0).Err(); err != nil {
		t.Fatal(err)
	}
	n, err := conn.Wait(t.Context(), 1, timeout).Result()
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestCluster(t *testing.T) {
	nodes := redistest.Cluster(t, 3, "--maxmemory-policy", "noeviction")
	for _, addr := range redistest.Addrs(nodes) {
		c := redistest.NewClient(t, addr)
		shards, err := c.ClusterShards(t.Context()).Result()
		if err != nil || len(shards) != 3 {
			t.Fatalf("%s sees shards %v, %v", addr, shards, err)
		}
		if policy := c.ConfigGet(t.Context(), "maxmemory-policy").Val()["maxmemory-policy"]; policy != "noeviction" {
			t.Errorf("%s has maxmemory-policy %q", addr, policy)
		}
	}
	cluster := redistest.NewClusterClient(t, redistest.Addrs(nodes))
	for i := range 100 {
		if err := cluster.Set(t.Context(), "key"+strconv.Itoa(i), "x", 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range nodes {
		if n := redistest.NewClient(t, p.Addr()).DBSize(t.Context()).Val(); n == 0 {
			t.Errorf("%s has none of 100 keys", p.Addr())
		}
	}

	owner, err := cluster.MasterForKey(t.Context(), "key")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range nodes {
		if p.Addr() == owner.Options().Addr {
			p.Replica()
		}
	}
	if n := setAndWait(t, owner, 500*time.Millisecond); n != 1 {
		t.Errorf("WAIT on a master with one replica: %d", n)
	}
}
