package redistest

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// clientOptions are the production client's: short timeouts, a bounded pool, deadlines that count, few retries.
func clientOptions(addrs ...string) *redis.UniversalOptions {
	return &redis.UniversalOptions{
		Addrs:                 addrs,
		Protocol:              3,
		ContextTimeoutEnabled: true,
		DialTimeout:           500 * time.Millisecond,
		DialerRetries:         1,
		ReadTimeout:           time.Second,
		WriteTimeout:          time.Second,
		PoolSize:              32,
		MaxActiveConns:        128,
		PoolTimeout:           500 * time.Millisecond,
		MinIdleConns:          4,
		MaxRetries:            2,
		MaintNotificationsConfig: &maintnotifications.Config{
			Mode: maintnotifications.ModeDisabled,
		},
	}
}

// NewClient returns a client of the one server at addr, with the production options as changed by adjust. It is closed
// when the test ends.
func NewClient(t testing.TB, addr string, adjust ...func(*redis.Options)) *redis.Client {
	o := clientOptions(addr).Simple()
	for _, change := range adjust {
		change(o)
	}
	c := redis.NewClient(o)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// NewClusterClient returns a client of the cluster that the servers at addrs belong to, with the production options as
// changed by adjust. It is closed when the test ends. To reach one node through a [Proxy], let adjust set a Dialer that
// replaces its address.
func NewClusterClient(t testing.TB, addrs []string, adjust ...func(*redis.ClusterOptions)) *redis.ClusterClient {
	o := clientOptions(addrs...).Cluster()
	o.ClusterStateReloadInterval = 2 * time.Second
	for _, change := range adjust {
		change(o)
	}
	c := redis.NewClusterClient(o)
	t.Cleanup(func() { _ = c.Close() })
	return c
}
