package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/claimsmith/claimsmith/config"
	"github.com/claimsmith/claimsmith/internal/durable"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

// interrupted is an instance whose way to Redis can be interrupted, with the client production has, beside one whose cannot.
type interrupted struct {
	*world
	hurried *world // the same instance, with the time production gives a request
	proxy   *redistest.Proxy
	direct  *world
	count   int
}

func interrupt(t *testing.T, addr string) *interrupted {
	t.Helper()
	proxy := redistest.NewProxy(t, addr)
	direct := newWorld(t, redistest.NewClient(t, addr))
	client := connect(config.Redis{Mode: config.Standalone, Addrs: []string{proxy.Addr()}})
	t.Cleanup(func() { _ = client.Close() })
	in := direct.in
	in.runner = &durable.Runner{Client: client}
	w := instance(t, in, direct.clock)
	return &interrupted{world: w, hurried: w.hurry(), proxy: proxy, direct: direct}
}

// backend lets the helpers that look into Redis do so.
func (w *world) backend() redistest.Backend {
	return redistest.Backend{Client: w.in.runner.Client}
}

func (w *world) dumped() string { return (&cast{world: w}).dump(w.backend()) }

// begin prepares a flow once more.
func (i *interrupted) begin(f flow) (name, given string) {
	i.t.Helper()
	i.count++
	i.address = fmt.Sprintf("198.51.%d.%d:1", i.count/250, i.count%250)
	i.direct.address, i.hurried.address = i.address, i.address
	name = fmt.Sprintf("flow-%d-of-a-test", i.count)
	given = f.prepare(i.direct, name)
	pass(time.Second, i.world, i.direct) // so that nothing is remembered
	i.proxy.Reset()
	return name, given
}

func isRetryable(a answer) bool {
	return a.status == http.StatusServiceUnavailable && a.header.Get("Retry-After") != ""
}

// A reply of Redis that is lost is as if nothing had happened: the effect is there, once (rows F-01, R-04).
func TestLostReply(t *testing.T) {
	t.Parallel()
	lostReply(t, slices.Concat(flows, pageFlows, tokenFlows))
}

func lostReply(t *testing.T, flows []flow) {
	t.Helper()
	i := interrupt(t, redistest.Embedded(t).Addrs[0])
	for _, f := range flows {
		t.Run(f.name, func(t *testing.T) {
			var calls []string
			for n := 1; ; n++ {
				name, given := i.begin(f)
				i.proxy.CutReply(n)
				a := f.do(i.world, name, given)
				made := i.proxy.Calls()
				i.proxy.Heal()
				if a.status >= http.StatusBadRequest {
					t.Fatalf("reply %d of %v: %d %s", n, made, a.status, a.body)
				}
				f.check(t, i.direct, name, given, a, true)
				if len(made) < n {
					calls = made
					break
				}
			}
			if len(calls) == 0 {
				t.Error("the flow makes no call")
			}
			t.Logf("%d calls: %s", len(calls), strings.Join(calls, " "))
		})
	}
}

// When no reply comes any more the client is told to try again, and when he does he is done (rows F-01, R-10, O-10).
func TestAllRepliesLost(t *testing.T) {
	t.Parallel()
	allRepliesLost(t, slices.Concat(flows, pageFlows, tokenFlows))
}

func allRepliesLost(t *testing.T, flows []flow) {
	t.Helper()
	i := interrupt(t, redistest.Embedded(t).Addrs[0])
	for _, f := range flows {
		t.Run(f.name, func(t *testing.T) {
			for n := 1; ; n++ {
				name, given := i.begin(f)
				i.proxy.CutAllReplies(n)
				a := f.do(i.world, name, given)
				made := len(i.proxy.Calls())
				i.proxy.Heal()
				if made < n {
					break
				}
				if !isRetryable(a) && !f.tidies {
					t.Fatalf("from reply %d on: %d %s", n, a.status, a.body)
				}
				if !isRetryable(a) { // it said that it was done
					f.check(t, i.direct, name, given, a, true)
					continue
				}
				a = f.do(i.world, name, given)
				if a.status >= http.StatusBadRequest && !slices.Contains(f.repeated, a.status) {
					t.Fatalf("from reply %d on, the second time: %d %s", n, a.status, a.body)
				}
				f.check(t, i.direct, name, given, a, false)
			}
		})
	}
}

// Scripts are sent again to a server that has forgotten them, in the middle of whatever (row R-03).
func TestForgottenScripts(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		w := newWorld(t, b.Client)
		b.Client.AddHook(forgetScripts(t, b))
		for n, f := range slices.Concat(flows, pageFlows, tokenFlows, dialectFlows) {
			name := fmt.Sprintf("flow-%d-of-a-test", n)
			given := f.prepare(w, name)
			if a := f.do(w, name, given); a.status >= http.StatusBadRequest {
				t.Errorf("%s: %d %s", f.name, a.status, a.body)
			}
		}
		// Text that looks like a script is text.
		hostile := `]] redis.call('FLUSHALL') --[["'\n$1\r\nFLUSHALL`
		w.put("/api/user/jane/metadata/a", adminToken, `{"value":`+quote(hostile)+`}`).want(t, http.StatusOK)
		if got := w.get("/api/user/jane/metadata/a", adminToken).want(t, http.StatusOK).text(t, "value"); got != hostile {
			t.Errorf("%q came back as %q", hostile, got)
		}
	})
}

// forgetful has the servers forget all scripts before every one that is run by its hash.
type forgetful struct{ servers []*redis.Client }

func forgetScripts(t *testing.T, b redistest.Backend) forgetful {
	var f forgetful
	for _, addr := range b.Addrs {
		f.servers = append(f.servers, redistest.NewClient(t, addr))
	}
	return f
}

func (forgetful) DialHook(next redis.DialHook) redis.DialHook { return next }

func (f forgetful) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if cmd.Name() == "evalsha" {
			for _, server := range f.servers {
				if err := server.ScriptFlush(ctx).Err(); err != nil {
					return err
				}
			}
		}
		return next(ctx, cmd)
	}
}

func (forgetful) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}
