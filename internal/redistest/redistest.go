// Package redistest is the test kit for everything that talks to Redis. It runs a test over every topology the product
// supports, starts redis-servers of a test's own, and puts a proxy in front of a server to lose replies on purpose.
//
// It starts servers on free ports of the loopback interface and stops exactly those: at the end of the test that asked
// for them, or, for the servers that [Each] shares among the tests of a package, at the end of [Main]. On Linux they
// also die with the test binary when that is killed.
//
// Without redis-server on the PATH the tests that need it are skipped; with CLAIMSMITH_TEST_REQUIRE_REDIS=1 in the
// environment they fail instead.
package redistest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
)

// The values of [Backend.Mode].
const (
	Standalone = "standalone"
	Clustered  = "cluster"
)

// Backend is one Redis topology, empty when the test gets it and the test's alone until it ends.
type Backend struct {
	Name   string                // "miniredis", "miniredis-cluster", "redis" or "redis-cluster"
	Mode   string                // [Standalone] or [Clustered]: the kind of Client
	Addrs  []string              // host:port of every master
	Client redis.UniversalClient // has the production options; closed when the test ends

	// FastForward takes d off the life of every key and deletes those whose life it ends, so that a test sees an
	// expiry without waiting for it. On a real server it is not atomic, and the server's own clock stays: an absolute
	// expiry (PEXPIREAT) set afterwards counts from the real time. A failure ends the test.
	FastForward func(d time.Duration)
}

// Each runs fn as one subtest per topology:
//
//   - miniredis: a standalone client of what the embedded mode runs on. Finds commands that only real servers know.
//   - miniredis-cluster: a cluster client. Finds transactions over several slots, which the client refuses.
//   - redis: the real redis-server.
//   - redis-cluster: three real masters. Finds scripts over several slots, which only the servers refuse.
//
// Keys and cached scripts are gone before each. The package needs a TestMain that calls [Main]. fn must not call
// Parallel or Each on its t, since the subtest holds the shared servers until it ends; the test that calls Each may be
// parallel to others.
func Each(t *testing.T, fn func(t *testing.T, b Backend)) {
	t.Run("miniredis", func(t *testing.T) { fn(t, Embedded(t)) })
	t.Run("miniredis-cluster", func(t *testing.T) { fn(t, embeddedCluster(t)) })
	t.Run("redis", func(t *testing.T) { fn(t, sharedServer.backend(t, "redis", Standalone)) })
	t.Run("redis-cluster", func(t *testing.T) { fn(t, sharedCluster.backend(t, "redis-cluster", Clustered)) })
}

// Embedded returns a miniredis of the test's own, for tests whose subject is not the store.
func Embedded(t testing.TB) Backend {
	t.Helper()
	m := startMiniredis(t)
	return Backend{
		Name: "miniredis", Mode: Standalone, Addrs: []string{m.Addr()},
		Client: NewClient(t, m.Addr()), FastForward: m.FastForward,
	}
}

func embeddedCluster(t testing.TB) Backend {
	t.Helper()
	m := startMiniredis(t)
	return Backend{
		Name: "miniredis-cluster", Mode: Clustered, Addrs: []string{m.Addr()},
		Client: NewClusterClient(t, []string{m.Addr()}), FastForward: m.FastForward,
	}
}

func startMiniredis(t testing.TB) *miniredis.Miniredis {
	t.Helper()
	m := miniredis.NewMiniRedis()
	if err := m.Start(); err != nil {
		t.Fatalf("start miniredis: %v", err)
	}
	t.Cleanup(m.Close)
	return m
}

// TTLs returns every key there is with its remaining life, which is -1 for a key that never expires.
func (b Backend) TTLs(t testing.TB) map[string]time.Duration {
	t.Helper()
	var mu sync.Mutex // ForEachMaster is concurrent
	lives := make(map[string]*redis.DurationCmd)
	err := forEachMaster(t.Context(), b.Client, func(ctx context.Context, master *redis.Client) error {
		keys := master.Scan(ctx, 0, "*", 1000).Iterator()
		for keys.Next(ctx) {
			mu.Lock()
			lives[keys.Val()] = nil
			mu.Unlock()
		}
		return keys.Err()
	})
	if err == nil {
		_, err = b.Client.Pipelined(t.Context(), func(pipe redis.Pipeliner) error {
			for key := range lives {
				lives[key] = pipe.PTTL(t.Context(), key)
			}
			return nil
		})
	}
	if err != nil {
		t.Fatalf("list the keys of %s: %v", b.Name, err)
	}
	ttls := make(map[string]time.Duration, len(lives))
	for key, life := range lives {
		if ttl := life.Val(); ttl != -2 { // -2: gone since the scan
			ttls[key] = ttl
		}
	}
	return ttls
}

// age is FastForward for servers that have none.
func (b Backend) age(t testing.TB, d time.Duration) {
	t.Helper()
	ttls := b.TTLs(t)
	_, err := b.Client.Pipelined(t.Context(), func(pipe redis.Pipeliner) error {
		for key, ttl := range ttls {
			switch {
			case ttl == -1:
			case ttl <= d:
				pipe.Del(t.Context(), key)
			default:
				pipe.PExpire(t.Context(), key, ttl-d)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatalf("age the keys of %s: %v", b.Name, err)
	}
}

func forEachMaster(ctx context.Context, c redis.UniversalClient, fn func(context.Context, *redis.Client) error) error {
	switch c := c.(type) {
	case *redis.Client:
		return fn(ctx, c)
	case *redis.ClusterClient:
		return c.ForEachMaster(ctx, fn)
	default:
		return fmt.Errorf("no topology is known for a %T", c)
	}
}

// empty removes all keys, and the cached scripts so that a test sees NOSCRIPT on a real server as on a new miniredis.
func empty(ctx context.Context, master *redis.Client) error {
	return errors.Join(master.FlushAll(ctx).Err(), master.ScriptFlush(ctx).Err())
}
