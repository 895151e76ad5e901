package redistest_test

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/claimsmith/claimsmith/internal/redistest"
)

// proxied runs fn over the standalone servers and both protocols. direct reaches the server without the proxy; connect
// returns a client behind it with this many retries.
func proxied(t *testing.T, fn func(
	t *testing.T, p *redistest.Proxy, direct *redis.Client, connect func(retries int) *redis.Client,
)) {
	run := func(name string, server func(t *testing.T) string) {
		for _, protocol := range []int{2, 3} {
			t.Run(name+"/RESP"+string(rune('0'+protocol)), func(t *testing.T) {
				addr := server(t)
				p := redistest.NewProxy(t, addr)
				fn(t, p, redistest.NewClient(t, addr), func(retries int) *redis.Client {
					return redistest.NewClient(t, p.Addr(), func(o *redis.Options) {
						o.Protocol, o.MaxRetries = protocol, retries
						o.DialTimeout, o.ReadTimeout, o.WriteTimeout = patience, patience, patience
					})
				})
			})
		}
	}
	run("miniredis", func(t *testing.T) string { return redistest.Embedded(t).Addrs[0] })
	run("redis", func(t *testing.T) string { return redistest.Server(t).Addr() })
}

const (
	noRetries = -1
	patience  = 10 * time.Second // for what must not time out, however slow the machine
)

func TestProxyCountsCalls(t *testing.T) {
	proxied(t, func(t *testing.T, p *redistest.Proxy, _ *redis.Client, connect func(int) *redis.Client) {
		ctx := t.Context()
		c := connect(noRetries)
		calls := func(want ...string) {
			t.Helper()
			if got := p.Calls(); !slices.Equal(got, want) {
				t.Errorf("calls %v, want %v", got, want)
			}
			p.Reset()
		}
		if err := c.Ping(ctx).Err(); err != nil {
			t.Fatal(err)
		}
		calls()
		c.Set(ctx, "key", "x", 0)
		c.HSet(ctx, "hash", "a", "1", "b", "2")
		if got := c.HGetAll(ctx, "hash").Val(); len(got) != 2 {
			t.Errorf("HGETALL through the proxy: %v", got)
		}
		calls("SET", "HSET", "HGETALL")
		if _, err := c.Pipelined(ctx, func(pipe redis.Pipeliner) error {
			pipe.Get(ctx, "key")
			pipe.Incr(ctx, "n")
			return nil
		}); err != nil {
			t.Error(err)
		}
		calls("GET", "INCR")
		if _, err := c.TxPipelined(ctx, func(tx redis.Pipeliner) error { return tx.Incr(ctx, "n").Err() }); err != nil {
			t.Error(err)
		}
		calls("MULTI", "INCR", "EXEC")
		if err := redis.NewScript(`return {1, 'a', {}}`).Run(ctx, c, nil).Err(); err != nil {
			t.Error(err)
		}
		calls("EVALSHA", "EVAL")
	})
}

func TestProxyPassesLargeAndManyValues(t *testing.T) {
	proxied(t, func(t *testing.T, _ *redistest.Proxy, _ *redis.Client, connect func(int) *redis.Client) {
		c := connect(noRetries)
		value := strings.Repeat("0123456789\r\n", 100_000)
		if err := c.Set(t.Context(), "key", value, 0).Err(); err != nil {
			t.Fatal(err)
		}
		if got, err := c.Get(t.Context(), "key").Result(); got != value {
			t.Errorf("a value of %d bytes came back with %d, %v", len(value), len(got), err)
		}
		replies, err := c.Pipelined(t.Context(), func(pipe redis.Pipeliner) error {
			for range 5000 {
				pipe.Incr(t.Context(), "n")
			}
			return nil
		})
		if err != nil || replies[4999].(*redis.IntCmd).Val() != 5000 {
			t.Errorf("pipeline: %v", err)
		}
	})
}

func TestCutReplyExecutesTheCommand(t *testing.T) {
	proxied(t, func(t *testing.T, p *redistest.Proxy, direct *redis.Client, connect func(int) *redis.Client) {
		ctx := t.Context()
		c := connect(noRetries)
		p.CutReply(2)
		if err := c.Set(ctx, "first", "x", 0).Err(); err != nil {
			t.Errorf("the call before the cut: %v", err)
		}
		err := c.Set(ctx, "second", "x", 0).Err()
		if err == nil || isReply(err) {
			t.Errorf("the cut call: %v, want a network error", err)
		}
		if got := direct.Get(ctx, "second").Val(); got != "x" {
			t.Errorf("the cut SET was not executed: the key is %q", got)
		}
		if err := c.Set(ctx, "third", "x", 0).Err(); err != nil {
			t.Errorf("a cut happens once, but the next call got %v", err)
		}
		if got := p.Calls(); !slices.Equal(got, []string{"SET", "SET", "SET"}) {
			t.Errorf("calls %v", got)
		}
		p.Reset()
		for range 2 {
			if err := c.Set(ctx, "fourth", "x", 0).Err(); err != nil {
				t.Errorf("a cut happens once, but after Reset a call got %v", err)
			}
		}
	})
}

func TestCutReplyMakesTheClientRepeat(t *testing.T) {
	proxied(t, func(t *testing.T, p *redistest.Proxy, direct *redis.Client, connect func(int) *redis.Client) {
		p.CutReply(1)
		n, err := connect(2).Incr(t.Context(), "n").Result()
		if err != nil || n != 2 {
			t.Errorf("INCR answers %d, %v; want the 2 of its repetition", n, err)
		}
		if got := direct.Get(t.Context(), "n").Val(); got != "2" {
			t.Errorf("the counter is %s, want 2", got)
		}
		if got := p.Calls(); len(got) != 2 {
			t.Errorf("calls %v, want two", got)
		}
	})
}

func TestCutReplyWithinAPipeline(t *testing.T) {
	proxied(t, func(t *testing.T, p *redistest.Proxy, direct *redis.Client, connect func(int) *redis.Client) {
		c := connect(noRetries)
		p.CutReply(2)
		_, err := c.Pipelined(t.Context(), func(pipe redis.Pipeliner) error {
			for _, key := range []string{"a", "b", "c"} {
				pipe.Set(t.Context(), key, "x", 0)
			}
			return nil
		})
		if err == nil || isReply(err) {
			t.Errorf("pipeline: %v, want a network error", err)
		}
		if n := direct.Exists(t.Context(), "a", "b").Val(); n != 2 {
			t.Errorf("%d of the two commands up to the cut were executed", n)
		}
		if n := direct.Exists(t.Context(), "c").Val(); n != 0 {
			t.Error("the command after the cut was executed")
		}
		if got := p.Calls(); len(got) != 2 {
			t.Errorf("calls %v, want two", got)
		}
	})
}

// go-redis fails a pipeline as a whole, so this one speaks to the proxy itself.
func TestCutReplyDeliversTheRepliesBeforeIt(t *testing.T) {
	p := redistest.NewProxy(t, redistest.Embedded(t).Addrs[0])
	p.CutReply(3)
	conn := dial(t, p)
	const incr = "*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n"
	if _, err := io.WriteString(conn, strings.Repeat(incr, 4)); err != nil {
		t.Fatal(err)
	}
	if replies, err := io.ReadAll(conn); string(replies) != ":1\r\n:2\r\n" || err != nil {
		t.Errorf("got %q, %v; want the first two replies and the end", replies, err)
	}
}

func TestCutReplyOfATransaction(t *testing.T) {
	proxied(t, func(t *testing.T, p *redistest.Proxy, direct *redis.Client, connect func(int) *redis.Client) {
		c := connect(noRetries)
		for n, want := range map[int]int64{1: 0, 2: 0, 3: 1} { // MULTI, SET, EXEC
			direct.FlushAll(t.Context())
			p.Reset()
			p.CutReply(n)
			_, err := c.TxPipelined(t.Context(), func(tx redis.Pipeliner) error {
				return tx.Set(t.Context(), "key", "x", 0).Err()
			})
			if err == nil || isReply(err) {
				t.Errorf("cut at %d: %v, want a network error", n, err)
			}
			if got := direct.Exists(t.Context(), "key").Val(); got != want {
				t.Errorf("cut at %d: %d keys, want %d", n, got, want)
			}
		}
	})
}

func TestCutAllReplies(t *testing.T) {
	proxied(t, func(t *testing.T, p *redistest.Proxy, direct *redis.Client, connect func(int) *redis.Client) {
		ctx := t.Context()
		c := connect(2)
		p.CutAllReplies(2)
		if err := c.Incr(ctx, "n").Err(); err != nil {
			t.Errorf("the call before the cut: %v", err)
		}
		if err := c.Incr(ctx, "n").Err(); err == nil || isReply(err) {
			t.Errorf("the cut call: %v, want a network error", err)
		}
		if err := connect(noRetries).Incr(ctx, "n").Err(); err == nil || isReply(err) {
			t.Errorf("a cut call of another client: %v, want a network error", err)
		}
		if got := direct.Get(ctx, "n").Val(); got != "5" { // 1, with two repetitions 3, 1
			t.Errorf("the counter is %s, want 5", got)
		}
		p.Heal()
		if n, err := c.Incr(ctx, "n").Result(); err != nil || n != 6 {
			t.Errorf("after Heal: %d, %v", n, err)
		}
	})
}

func TestResetCountsAnew(t *testing.T) {
	proxied(t, func(t *testing.T, p *redistest.Proxy, _ *redis.Client, connect func(int) *redis.Client) {
		c := connect(noRetries)
		p.CutReply(2)
		for range 3 {
			p.Reset()
			if err := c.Incr(t.Context(), "n").Err(); err != nil {
				t.Error(err)
			}
		}
		if err := c.Incr(t.Context(), "n").Err(); err == nil {
			t.Error("the second call after Reset was not cut")
		}
	})
}

// Push messages stand between the replies; a cut must neither take one for a reply nor lose one before it.
func TestProxyTellsPushMessagesFromReplies(t *testing.T) {
	server := redistest.Server(t)
	p := redistest.NewProxy(t, server.Addr())
	direct := redistest.NewClient(t, server.Addr())
	ctx := t.Context()

	// A tracking connection is told of a change it makes itself before it gets the reply to it.
	conn := redistest.NewClient(t, p.Addr(), func(o *redis.Options) { o.MaxRetries = noRetries }).Conn()
	defer func() { _ = conn.Close() }()
	if err := conn.Do(ctx, "CLIENT", "TRACKING", "ON").Err(); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		conn.Get(ctx, "key")
		if err := conn.Set(ctx, "key", "x", 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	conn.Get(ctx, "key")
	p.Reset()
	p.CutReply(1)
	if err := conn.Set(ctx, "key", "y", 0).Err(); err == nil || isReply(err) {
		t.Errorf("the cut call: %v, want a network error", err)
	}
	if got := direct.Get(ctx, "key").Val(); got != "y" {
		t.Errorf("the cut SET was not executed: the key is %q", got)
	}

	p.Reset()
	subscription := redistest.NewClient(t, p.Addr()).Subscribe(ctx, "channel")
	defer func() { _ = subscription.Close() }()
	if _, err := subscription.Receive(ctx); err != nil {
		t.Fatal(err)
	}
	if err := direct.Publish(ctx, "channel", "hello").Err(); err != nil {
		t.Fatal(err)
	}
	if m, err := subscription.ReceiveMessage(ctx); err != nil || m.Payload != "hello" {
		t.Errorf("message %v, %v", m, err)
	}
	if got := p.Calls(); len(got) != 0 {
		t.Errorf("the subscription counted: %v", got)
	}
}

func TestProxyToOneNodeOfACluster(t *testing.T) {
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		direct, ok := b.Client.(*redis.ClusterClient)
		if !ok {
			return
		}
		owner, err := direct.MasterForKey(t.Context(), "n")
		if err != nil {
			t.Fatal(err)
		}
		p := redistest.NewProxy(t, owner.Options().Addr)
		c := redistest.NewClusterClient(t, b.Addrs, func(o *redis.ClusterOptions) {
			o.Dialer = func(ctx context.Context, network, addr string) (net.Conn, error) {
				if addr == owner.Options().Addr {
					addr = p.Addr()
				}
				return new(net.Dialer).DialContext(ctx, network, addr)
			}
		})
		p.CutReply(1)
		if n, err := c.Incr(t.Context(), "n").Result(); err != nil || n != 2 {
			t.Errorf("INCR answers %d, %v; want the 2 of its repetition", n, err)
		}
		if got := direct.Get(t.Context(), "n").Val(); got != "2" || len(p.Calls()) != 2 {
			t.Errorf("the counter is %s, calls %v", got, p.Calls())
		}
	})
}

func TestProxyWithConcurrentClients(t *testing.T) {
	proxied(t, func(t *testing.T, p *redistest.Proxy, direct *redis.Client, connect func(int) *redis.Client) {
		const workers, each = 8, 50
		c := connect(noRetries)
		p.CutReply(workers * each / 2)
		var mu sync.Mutex
		failed := 0
		var running sync.WaitGroup
		for range workers {
			running.Go(func() {
				for range each {
					if c.Incr(t.Context(), "n").Err() != nil {
						mu.Lock()
						failed++
						mu.Unlock()
					}
				}
			})
		}
		running.Wait()
		if failed != 1 {
			t.Errorf("%d calls failed, want the cut one", failed)
		}
		if n, _ := direct.Get(t.Context(), "n").Int(); n != workers*each || len(p.Calls()) != n {
			t.Errorf("the counter is %d, calls %d, want %d", n, len(p.Calls()), workers*each)
		}
	})
}

// The pattern that the documentation of Proxy recommends, on a flow of two calls.
func TestCutEveryReplyOfAFlow(t *testing.T) {
	proxied(t, func(t *testing.T, p *redistest.Proxy, direct *redis.Client, connect func(int) *redis.Client) {
		c := connect(noRetries)
		var states []string
		for n := 1; ; n++ {
			direct.FlushAll(t.Context())
			p.Reset()
			p.CutReply(n)
			err := c.Set(t.Context(), "a", "x", 0).Err()
			if err == nil {
				err = c.Set(t.Context(), "b", "x", 0).Err()
			}
			keys := direct.Keys(t.Context(), "*").Val()
			slices.Sort(keys)
			state := strings.Join(keys, "")
			if err != nil {
				state += "!"
			}
			states = append(states, state)
			if len(p.Calls()) < n {
				break
			}
		}
		if want := []string{"a!", "ab!", "ab"}; !slices.Equal(states, want) {
			t.Errorf("states %q, want %q", states, want)
		}
	})
}

func dial(t *testing.T, p *redistest.Proxy) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	return conn
}

// isReply reports whether err is one that the server sent.
func isReply(err error) bool {
	var reply redis.Error
	return errors.As(err, &reply)
}
