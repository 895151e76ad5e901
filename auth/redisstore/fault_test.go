package redisstore_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/redisstore"
	"github.com/claimsmith/claimsmith/internal/durable"
	"github.com/claimsmith/claimsmith/internal/keyspace"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

// rig is a store behind a proxy, and the same beside it.
type rig struct {
	proxy         *redistest.Proxy
	faulty, plain *redisstore.Store
	direct        redis.UniversalClient
}

// A list reads every partition, and every reply is to be lost once.
var fewPartitions = keyspace.New(3)

// newRig puts a proxy before the one server at addr. direct is a client of it, and the other one will be of the same kind.
func newRig(t *testing.T, addr string, direct redis.UniversalClient, replicas int) rig {
	t.Helper()
	p := redistest.NewProxy(t, addr)
	var c redis.UniversalClient
	if _, clustered := direct.(*redis.ClusterClient); clustered {
		c = redistest.NewClusterClient(t, []string{addr}, func(o *redis.ClusterOptions) {
			o.Dialer = func(ctx context.Context, network, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, network, p.Addr())
			}
		})
	} else {
		c = redistest.NewClient(t, p.Addr())
	}
	return rig{
		proxy:  p,
		faulty: redisstore.New(&durable.Runner{Client: c, Replicas: replicas, Timeout: time.Second}, fewPartitions),
		plain:  redisstore.New(&durable.Runner{Client: direct}, fewPartitions),
		direct: direct,
	}
}

// each runs fn for every flow.
func (r rig) each(t *testing.T, fn func(t *testing.T, f flow)) {
	for _, f := range flows {
		t.Run(f.name, func(t *testing.T) { fn(t, f) })
	}
}

// world makes a new world for a flow, of which the proxy has seen nothing, in place of everything else.
func (r rig) world(t *testing.T, f flow) *world {
	t.Helper()
	r.proxy.Heal()
	if err := r.direct.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, r.plain)
	if f.prepare != nil {
		if err := f.prepare(t.Context(), r.plain, w); err != nil {
			t.Fatal(err)
		}
	}
	r.proxy.Reset()
	return w
}

func (r rig) checked(t *testing.T, f flow, w *world) {
	t.Helper()
	if f.check != nil {
		if err := f.check(t.Context(), r.plain, w); err != nil {
			t.Error(err)
		}
	}
}

// eachRig runs fn over every kind of client, and over a server whose replica confirms each write.
func eachRig(t *testing.T, fn func(t *testing.T, r rig)) {
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		if len(b.Addrs) > 1 {
			t.Skip("one proxy stands before one server")
		}
		fn(t, newRig(t, b.Addrs[0], b.Client, 0))
	})
	t.Run("redis with a replica", func(t *testing.T) {
		primary := redistest.Server(t)
		primary.Replica()
		fn(t, newRig(t, primary.Addr(), redistest.NewClient(t, primary.Addr()), 1))
	})
}

// Row R-04, F-01: a reply lost after the command ran is made up for by repeating it, and the effect is there once.
func TestALostReplyIsNotNoticed(t *testing.T) {
	eachRig(t, func(t *testing.T, r rig) {
		r.each(t, func(t *testing.T, f flow) {
			for n := 1; ; n++ {
				w := r.world(t, f)
				r.proxy.CutReply(n)
				if err := f.call(t.Context(), r.faulty, w); err != nil {
					t.Fatalf("with reply %d of %v lost: %v", n, r.proxy.Calls(), err)
				}
				cut := len(r.proxy.Calls()) >= n
				r.checked(t, f, w)
				if t.Failed() {
					t.Fatalf("with reply %d of %v lost", n, r.proxy.Calls())
				}
				if !cut {
					if n == 1 {
						t.Error("no reply was lost")
					}
					return
				}
			}
		})
	})
}

// Rows: where no reply comes at all the outcome is unknown, and the caller may repeat the call.
func TestLosingAllRepliesIsUnavailableAndRepeatable(t *testing.T) {
	eachRig(t, func(t *testing.T, r rig) {
		r.each(t, func(t *testing.T, f flow) {
			if err := f.call(t.Context(), r.plain, r.world(t, f)); err != nil { // from now on the server knows the scripts
				t.Fatal(err)
			}
			w := r.world(t, f)
			r.proxy.CutAllReplies(1)
			if err := f.call(t.Context(), r.faulty, w); auth.CodeOf(err) != auth.Unavailable {
				t.Fatalf("without replies: %v, want unavailable", err)
			}
			r.proxy.Heal()
			if err := f.call(t.Context(), r.faulty, w); err != nil {
				t.Fatalf("repeated: %v", err)
			}
			r.checked(t, f, w)
		})
	})
}

// Row R-05: a server that does not answer costs no more than the caller's deadline.
func TestDeadlinesAreHonoured(t *testing.T) {
	b := redistest.Embedded(t)
	r := newRig(t, b.Addrs[0], b.Client, 0)
	r.each(t, func(t *testing.T, f flow) {
		if err := f.call(t.Context(), r.faulty, r.world(t, f)); err != nil { // with connections established
			t.Fatal(err)
		}
		w := r.world(t, f)
		r.proxy.Blackhole()
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		begin := time.Now()
		if err := f.call(ctx, r.faulty, w); auth.CodeOf(err) != auth.Unavailable {
			t.Errorf("in the black hole: %v, want unavailable", err)
		}
		if took := time.Since(begin); took > 500*time.Millisecond {
			t.Errorf("it took %v, the deadline was 100ms", took)
		}
	})
}

// Row R-10: whatever a server refuses with is an unknown outcome, never an answer.
func TestServerErrorsAreUnavailable(t *testing.T) {
	for _, refusal := range []string{
		"OOM command not allowed when used memory > 'maxmemory'.", "READONLY You can't write against a read only replica.",
		"LOADING Redis is loading the dataset in memory", "MASTERDOWN Link with MASTER is down", "CLUSTERDOWN The cluster is down",
		"NOREPLICAS Not enough good replicas to write.", "NOPERM this user has no permissions", "ERR unknown", "WRONGTYPE Operation",
		"NOTFOUNDX no record",
	} {
		t.Run(refusal, func(t *testing.T) {
			b := redistest.Embedded(t)
			r := newRig(t, b.Addrs[0], b.Client, 0)
			c := redistest.NewClient(t, b.Addrs[0], func(o *redis.Options) { o.MaxRetries = -1 })
			c.AddHook(refuse{proto(refusal)})
			r.faulty = redisstore.New(&durable.Runner{Client: c}, fewPartitions)
			r.each(t, func(t *testing.T, f flow) {
				if err := f.call(t.Context(), r.faulty, r.world(t, f)); auth.CodeOf(err) != auth.Unavailable {
					t.Errorf("%v, want unavailable", err)
				}
			})
		})
	}
}

// proto is an error the server replied with.
type proto string

func (e proto) Error() string { return string(e) }
func (proto) RedisError()     {}

// refuse answers every command with an error.
type refuse struct{ err error }

func (refuse) DialHook(next redis.DialHook) redis.DialHook { return next }

func (h refuse) ProcessHook(redis.ProcessHook) redis.ProcessHook {
	return func(_ context.Context, cmd redis.Cmder) error {
		cmd.SetErr(h.err)
		return h.err
	}
}

func (h refuse) ProcessPipelineHook(redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(_ context.Context, cmds []redis.Cmder) error {
		for _, cmd := range cmds {
			cmd.SetErr(h.err)
		}
		return h.err
	}
}
