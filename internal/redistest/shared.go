package redistest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"
)

// Starting a cluster takes seconds, so the real servers of Each live as long as the test binary.
var (
	mainRuns      bool // set before the first test starts, never changed after
	sharedServer  = shared{start: startServer}
	sharedCluster = shared{start: startCluster}
)

// Main runs the tests of a package and then stops the servers that [Each] started for them:
//
//	func TestMain(m *testing.M) { redistest.Main(m) }
func Main(m *testing.M) {
	mainRuns = true
	m.Run()
	if err := errors.Join(sharedServer.stop(), sharedCluster.stop()); err != nil {
		fmt.Fprintln(os.Stderr, "redistest: clean up:", err)
	}
}

// shared are servers that are started when first asked for and used by one subtest at a time.
type shared struct {
	start func(ctx context.Context, path, dir string) ([]*Process, error)

	mu    sync.Mutex // held by the subtest that uses the servers; guards what follows
	dir   string
	nodes []*Process
	err   error // why start failed; it is not tried again
}

func startServer(ctx context.Context, path, dir string) ([]*Process, error) {
	p, err := launch(ctx, path, dir)
	if err != nil {
		return nil, err
	}
	return []*Process{p}, nil
}

func startCluster(ctx context.Context, path, dir string) ([]*Process, error) {
	return launchCluster(ctx, path, dir, 3)
}

func (s *shared) backend(t *testing.T, name, mode string) Backend {
	t.Helper()
	path := serverPath(t)
	if !mainRuns {
		t.Fatal("the package has no TestMain that calls redistest.Main")
	}
	s.mu.Lock()
	t.Cleanup(s.mu.Unlock)
	if s.dir == "" && s.err == nil {
		s.dir, s.err = os.MkdirTemp("", "redistest-")
		if s.err == nil {
			s.nodes, s.err = s.start(t.Context(), path, s.dir)
		}
	}
	if s.err != nil {
		t.Fatalf("start the %s of this package: %v", name, s.err)
	}

	b := Backend{Name: name, Mode: mode, Addrs: Addrs(s.nodes)}
	b.FastForward = func(d time.Duration) { t.Helper(); b.age(t, d) }
	if mode == Clustered {
		if err := awaitCluster(t.Context(), s.nodes); err != nil {
			t.Fatalf("prepare %s: %v", name, err)
		}
		b.Client = NewClusterClient(t, b.Addrs)
	} else {
		b.Client = NewClient(t, b.Addrs[0])
	}
	for _, p := range s.nodes {
		if err := empty(t.Context(), p.admin); err != nil {
			t.Fatalf("empty %s: %v", name, err)
		}
	}
	return b
}

func (s *shared) stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.nodes {
		p.stop()
	}
	if s.dir == "" {
		return nil
	}
	return os.RemoveAll(s.dir)
}
