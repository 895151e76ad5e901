package redistest_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/claimsmith/claimsmith/internal/redistest"
)

func TestMain(m *testing.M) { redistest.Main(m) }

func TestEachRunsEveryTopology(t *testing.T) {
	var names []string
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		names = append(names, b.Name)
		if !strings.HasSuffix(t.Name(), "/"+b.Name) {
			t.Errorf("subtest %s got backend %s", t.Name(), b.Name)
		}
		_, clusterClient := b.Client.(*redis.ClusterClient)
		if want := b.Mode == redistest.Clustered; clusterClient != want || strings.HasSuffix(b.Name, "-cluster") != want {
			t.Errorf("%s: mode %q, client %T", b.Name, b.Mode, b.Client)
		}
		addrs := 1
		if b.Name == "redis-cluster" {
			addrs = 3
		}
		if len(b.Addrs) != addrs {
			t.Errorf("%s: addresses %v, want %d", b.Name, b.Addrs, addrs)
		}
		for _, addr := range b.Addrs {
			if err := redistest.NewClient(t, addr).Ping(t.Context()).Err(); err != nil {
				t.Errorf("%s: %v", addr, err)
			}
		}
	})
	want := []string{"miniredis", "miniredis-cluster", "redis", "redis-cluster"}
	if haveRedis() && !slices.Equal(names, want) {
		t.Errorf("ran over %v, want %v", names, want)
	}
}

func TestEachStartsEmpty(t *testing.T) {
	script := redis.NewScript(`return redis.call('SET', KEYS[1], 'x')`)
	for range 2 { // the second run meets what the first has left
		redistest.Each(t, func(t *testing.T, b redistest.Backend) {
			if ttls := b.TTLs(t); len(ttls) != 0 {
				t.Fatalf("starts with %v", ttls)
			}
			for i := range 100 { // enough keys for every master to get some
				key := "key" + strconv.Itoa(i)
				err := script.EvalSha(t.Context(), b.Client, []string{key}).Err()
				if i == 0 && !redis.HasErrorPrefix(err, "NOSCRIPT") {
					t.Fatalf("the script is cached at the start: %v", err)
				}
				if err := script.Run(t.Context(), b.Client, []string{key}).Err(); err != nil {
					t.Fatal(err)
				}
			}
			if ttls := b.TTLs(t); len(ttls) != 100 {
				t.Fatalf("TTLs lists %d of 100 keys", len(ttls))
			}
		})
	}
}

func TestParallelTestsDoNotShareData(t *testing.T) {
	for _, name := range []string{"a", "b"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			redistest.Each(t, func(t *testing.T, b redistest.Backend) {
				for range 50 {
					if err := b.Client.Set(t.Context(), name, 1, 0).Err(); err != nil {
						t.Fatal(err)
					}
					if ttls := b.TTLs(t); len(ttls) != 1 {
						t.Fatalf("sees %v", ttls)
					}
				}
			})
		})
	}
}

func TestFastForward(t *testing.T) {
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		for key, life := range map[string]time.Duration{"short": time.Minute, "long": time.Hour, "endless": 0} {
			if err := b.Client.Set(t.Context(), key, "x", life).Err(); err != nil {
				t.Fatal(err)
			}
		}
		b.FastForward(time.Minute)
		ttls := b.TTLs(t)
		if _, ok := ttls["short"]; ok || len(ttls) != 2 {
			t.Errorf("after a minute there are %v", ttls)
		}
		if ttls["endless"] != -1 {
			t.Errorf("the key without expiry got one: %v", ttls["endless"])
		}
		if life := ttls["long"]; life > 59*time.Minute || life < 58*time.Minute {
			t.Errorf("the key with an hour to live has %v left", life)
		}
	})
}

// Only real servers check the slots of a script, and only a cluster client those of a transaction: why Each runs both.
func TestOnlyARealClusterRefusesACrossSlotScript(t *testing.T) {
	script := redis.NewScript(`redis.call('SET', KEYS[1], 'x') return redis.call('SET', KEYS[2], 'x')`)
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		err := script.Run(t.Context(), b.Client, []string{"{1}:key", "{2}:key"}).Err()
		if b.Name == "redis-cluster" {
			if !redis.HasErrorPrefix(err, "CROSSSLOT") {
				t.Errorf("script over two slots: %v, want CROSSSLOT", err)
			}
		} else if err != nil {
			t.Errorf("script over two slots: %v", err)
		}

		_, err = b.Client.TxPipelined(t.Context(), func(tx redis.Pipeliner) error {
			tx.Set(t.Context(), "{1}:key", "x", 0)
			tx.Set(t.Context(), "{2}:key", "x", 0)
			return nil
		})
		if want := b.Mode == redistest.Clustered; errors.Is(err, redis.ErrCrossSlot) != want || err != nil != want {
			t.Errorf("transaction over two slots: %v, refused should be %v", err, want)
		}
	})
}

func TestClientHonoursDeadlines(t *testing.T) {
	p := redistest.NewProxy(t, redistest.Embedded(t).Addrs[0])
	c := redistest.NewClient(t, p.Addr(), func(o *redis.Options) { o.ReadTimeout = time.Hour })
	if err := c.Ping(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	p.Blackhole()
	ended := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		ended <- c.Get(ctx, "key").Err()
	}()
	select {
	case err := <-ended:
		if !isTimeout(err) {
			t.Errorf("with a deadline: %v, want a timeout", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("the deadline of 50 ms has no effect")
	}
}

// outcome is a testing.TB that keeps to itself how a test ended.
type outcome struct {
	testing.TB
	skipped, failed string
}

func (o *outcome) Helper()                      {}
func (o *outcome) Skipf(f string, args ...any)  { o.skipped = fmt.Sprintf(f, args...); runtime.Goexit() }
func (o *outcome) Fatalf(f string, args ...any) { o.failed = fmt.Sprintf(f, args...); runtime.Goexit() }
func (o *outcome) Fatal(args ...any)            { o.failed = fmt.Sprint(args...); runtime.Goexit() }

// outcomeOf runs fn as the body of a test.
func outcomeOf(t *testing.T, fn func(t testing.TB)) *outcome {
	o := &outcome{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		fn(o)
	}()
	<-done
	return o
}

func TestWithoutRedisServer(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	start := func(t testing.TB) { redistest.Server(t) }
	t.Setenv("CLAIMSMITH_TEST_REQUIRE_REDIS", "")
	if o := outcomeOf(t, start); o.skipped == "" || o.failed != "" {
		t.Errorf("not required: skipped %q, failed %q", o.skipped, o.failed)
	}
	t.Setenv("CLAIMSMITH_TEST_REQUIRE_REDIS", "1")
	if o := outcomeOf(t, start); o.skipped != "" || o.failed == "" {
		t.Errorf("required: skipped %q, failed %q", o.skipped, o.failed)
	}
}

func TestServerThatDoesNotStart(t *testing.T) {
	if !haveRedis() {
		t.Skip("needs redis-server")
	}
	o := outcomeOf(t, func(t testing.TB) { redistest.Server(t, "--no-such-setting", "1") })
	if !strings.Contains(o.failed, "no-such-setting") {
		t.Errorf("failed with %q, which does not name the setting that redis-server refused", o.failed)
	}
}

func haveRedis() bool {
	_, err := exec.LookPath("redis-server")
	return err == nil
}

const childEnv = "REDISTEST_CHILD"

// TestChild is run by the tests below in a process of its own.
func TestChild(t *testing.T) {
	how := os.Getenv(childEnv)
	if how == "" {
		t.Skip("runs only as the child of another test")
	}
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		if b.Name != "redis" {
			return
		}
		info := b.Client.InfoMap(t.Context(), "server").Val()["Server"]
		dir := b.Client.ConfigGet(t.Context(), "dir").Val()["dir"]
		if _, err := os.Stdout.WriteString("server " + info["process_id"] + " " + dir + "\n"); err != nil {
			t.Fatal(err)
		}
		if how == "killed" {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		}
	})
}

// child runs TestChild and returns the process id and directory of its shared server.
func child(t *testing.T, how string) (pid int, dir string) {
	t.Helper()
	if !haveRedis() {
		t.Skip("needs redis-server")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "-test.run=^TestChild$/^redis$", "-test.v")
	cmd.Env = append(os.Environ(), childEnv+"="+how)
	out, err := cmd.CombinedOutput()
	if (err == nil) != (how == "ends") {
		t.Fatalf("child: %v\n%s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "server" {
			pid, _ = strconv.Atoi(f[1])
			return pid, f[2]
		}
	}
	t.Fatalf("the child names no server:\n%s", out)
	return 0, ""
}

func TestMainStopsTheSharedServers(t *testing.T) {
	pid, dir := child(t, "ends")
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("after Main the server's process still exists: %v", err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after Main its directory still exists: %v", err)
	}
}

func TestServersDieWithAKilledTestBinary(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the promise is for Linux")
	}
	pid, dir := child(t, "killed")
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	deadline := time.Now().Add(10 * time.Second)
	for syscall.Kill(pid, 0) == nil && !zombie(pid) {
		if time.Now().After(deadline) {
			t.Fatalf("server %d outlives the test binary", pid)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// zombie reports whether the process has ended and only awaits its parent, which in a container may never come.
func zombie(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && strings.Contains(string(stat), ") Z ")
}
