package redistest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// readyTimeout bounds every wait for a server, generously: it only ever passes when something is broken.
	readyTimeout = 30 * time.Second
	pollInterval = 10 * time.Millisecond

	// Ports lie below the range from which the kernel serves outgoing connections, so that nothing takes the port of
	// a killed server before its restart. A cluster node also uses its port + busOffset.
	firstPort = 10000
	lastPort  = 19999
	busOffset = 10000
)

// Process is a redis-server that belongs to one test. Its methods are for the test's own goroutine: where they fail
// they end the test.
type Process struct {
	t       testing.TB // nil for shared servers
	path    string
	dir     string
	port    int
	args    []string
	cluster bool
	admin   *redis.Client

	cmd  *exec.Cmd
	gone chan struct{} // closed when cmd has ended
}

// Server starts a redis-server with its own data directory, kept empty on disk unless args say otherwise, for example
// "--appendonly", "yes", "--appendfsync", "always". It accepts commands when Server returns and ends with the test.
// Passwords and TLS are not supported.
func Server(t testing.TB, args ...string) *Process {
	t.Helper()
	p, err := launch(t.Context(), serverPath(t), t.TempDir(), args...)
	if err != nil {
		t.Fatal(err)
	}
	p.adopt(t)
	return p
}

// Replica starts a replica of p, in p's cluster when p is a node of one. When it returns the replica has p's data and
// WAIT on p counts it.
func (p *Process) Replica(args ...string) *Process {
	p.t.Helper()
	r, err := p.launchReplica(p.t.Context(), p.t.TempDir(), args...)
	if err != nil {
		p.t.Fatal(err)
	}
	r.adopt(p.t)
	return r
}

// adopt makes t the owner of p.
func (p *Process) adopt(t testing.TB) {
	p.t = t
	t.Cleanup(p.stop)
}

// Addr is the host:port of the server, the same after a restart.
func (p *Process) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(p.port)) }

// Addrs are the addresses of the servers, in their order.
func Addrs(servers []*Process) []string {
	addrs := make([]string, len(servers))
	for i, p := range servers {
		addrs[i] = p.Addr()
	}
	return addrs
}

// Kill ends the server with SIGKILL, as a crash would, and returns when it is gone. A server that has ended stays so.
func (p *Process) Kill() {
	if p.cmd.Process != nil { // nil when it could not be started
		_ = p.cmd.Process.Kill() // the only error is that it has ended
	}
	<-p.gone
}

// Restart starts the server again on the same port and data directory, after a Kill if it still runs, and returns when
// it has loaded its data. It does not wait until a master counts its replica or a cluster its node again.
func (p *Process) Restart() {
	p.t.Helper()
	p.Kill()
	if err := p.run(p.t.Context()); err != nil {
		p.t.Fatal(err)
	}
}

func (p *Process) stop() {
	p.Kill()
	_ = p.admin.Close()
}

// serverPath finds redis-server, or skips or fails the test without it.
func serverPath(t testing.TB) string {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	if err == nil {
		return path
	}
	if os.Getenv("CLAIMSMITH_TEST_REQUIRE_REDIS") == "1" {
		t.Fatalf("CLAIMSMITH_TEST_REQUIRE_REDIS=1: %v", err)
	}
	t.Skipf("needs a real Redis: %v", err)
	return ""
}

// launch starts the redis-server at path on a free port, with its files in dir. When it fails, nothing runs.
func launch(ctx context.Context, path, dir string, args ...string) (*Process, error) {
	var err error
	for range 3 { // another program may take the port between freePort and the server
		port, noPort := freePort()
		if noPort != nil {
			return nil, noPort
		}
		p := &Process{path: path, dir: dir, port: port, args: args}
		p.admin = redis.NewClient(&redis.Options{Addr: p.Addr(), ContextTimeoutEnabled: true, MaxRetries: -1})
		err = p.run(ctx)
		if err == nil {
			return p, nil
		}
		_ = p.admin.Close()
	}
	return nil, err
}

func freePort() (int, error) {
	for range 1000 {
		port := firstPort + rand.IntN(lastPort-firstPort+1)
		if canListen(port) && canListen(port+busOffset) {
			return port, nil
		}
	}
	return 0, errors.New("find a free port: none")
}

func canListen(port int) bool {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return false
	}
	return l.Close() == nil
}

// run starts the server on p's port and returns when it has loaded its data. When it fails, nothing runs.
func (p *Process) run(ctx context.Context) error {
	logName := filepath.Join(p.dir, "redis.log")
	log, err := os.OpenFile(logName, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("start redis-server: %w", err)
	}
	defer func() { _ = log.Close() }()

	args := []string{
		"--port", strconv.Itoa(p.port), "--bind", "127.0.0.1", "--dir", p.dir,
		"--save", "",
		"--repl-diskless-sync", "no", // with it a replica acknowledges nothing for up to a second
	}
	p.cmd = exec.Command(p.path, append(args, p.args...)...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = dieWithParent()
	p.gone = make(chan struct{})
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // to the kernel the parent is the thread, which must outlive the server
		defer runtime.UnlockOSThread()
		defer close(p.gone)
		err := p.cmd.Start()
		started <- err
		if err == nil {
			_ = p.cmd.Wait() // how it ended is in its log
		}
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("start redis-server: %w", err)
	}
	if err := p.awaitReady(ctx); err != nil {
		p.Kill()
		said, _ := os.ReadFile(logName)
		return fmt.Errorf("start redis-server on port %d: %w; its log:\n%s", p.port, err, said)
	}
	return nil
}

func (p *Process) awaitReady(ctx context.Context) error {
	return poll(ctx, func() error {
		select {
		case <-p.gone:
			return fmt.Errorf("%w: it has ended", errHopeless)
		default:
		}
		conn, err := net.Dial("tcp", p.Addr()) // first, because go-redis logs every failure to connect
		if err != nil {
			return err
		}
		_ = conn.Close()
		info, err := p.info(ctx)
		switch {
		case err != nil:
			return err
		case info["process_id"] != strconv.Itoa(p.cmd.Process.Pid):
			return fmt.Errorf("%w: the port belongs to another server", errHopeless)
		case info["loading"] != "0":
			return errors.New("it is loading its data")
		}
		return nil
	})
}

func (p *Process) launchReplica(ctx context.Context, dir string, args ...string) (*Process, error) {
	if p.cluster {
		return p.launchClusterReplica(ctx, dir, args...)
	}
	r, err := launch(ctx, p.path, dir, append([]string{"--replicaof", "127.0.0.1", strconv.Itoa(p.port)}, args...)...)
	if err != nil {
		return nil, err
	}
	if err := p.awaitReplica(ctx, r); err != nil {
		r.stop()
		return nil, err
	}
	return r, nil
}

// awaitReplica returns when r has p's data and p counts it.
func (p *Process) awaitReplica(ctx context.Context, r *Process) error {
	online := fmt.Sprintf("port=%d,state=online,", r.port)
	return poll(ctx, func() error {
		replica, err := r.info(ctx)
		if err != nil {
			return err
		}
		if replica["master_link_status"] != "up" {
			return fmt.Errorf("replica %s has no link to %s", r.Addr(), p.Addr())
		}
		master, err := p.info(ctx)
		if err != nil {
			return err
		}
		for name, value := range master {
			if strings.HasPrefix(name, "slave") && strings.Contains(value, online) {
				return nil
			}
		}
		return fmt.Errorf("%s does not list %s as a replica", p.Addr(), r.Addr())
	})
}

// info returns the fields of INFO.
func (p *Process) info(ctx context.Context) (map[string]string, error) {
	text, err := p.admin.Info(ctx).Result()
	return fields(text), err
}

// fields parses the name:value lines that INFO and CLUSTER INFO answer.
func fields(text string) map[string]string {
	m := make(map[string]string)
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			m[name] = value
		}
	}
	return m
}

// errHopeless is wrapped by a check that need not be repeated.
var errHopeless = errors.New("no use to wait")

// poll calls check until it succeeds, is hopeless or readyTimeout has passed, and returns its last error.
func poll(ctx context.Context, check func() error) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		err := check()
		if err == nil || errors.Is(err, errHopeless) {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		}
	}
}
