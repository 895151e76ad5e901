package redistest_test

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/claimsmith/claimsmith/internal/redistest"
)

func TestRefuse(t *testing.T) {
	proxied(t, func(t *testing.T, p *redistest.Proxy, direct *redis.Client, connect func(int) *redis.Client) {
		c := connect(2)
		if err := c.Set(t.Context(), "key", "old", 0).Err(); err != nil {
			t.Fatal(err)
		}
		p.Reset()
		p.Refuse()
		for name, c := range map[string]*redis.Client{"an open": c, "a new": connect(noRetries)} {
			if err := c.Set(t.Context(), "key", "new", 0).Err(); err == nil || isReply(err) || isTimeout(err) {
				t.Errorf("%s connection: %v, want a network error at once", name, err)
			}
		}
		if got := direct.Get(t.Context(), "key").Val(); got != "old" || len(p.Calls()) != 0 {
			t.Errorf("executed %v: the key is %q", p.Calls(), got)
		}
		p.Heal()
		if err := c.Set(t.Context(), "key", "new", 0).Err(); err != nil {
			t.Errorf("after Heal: %v", err)
		}
	})
}

func TestBlackhole(t *testing.T) {
	proxied(t, func(t *testing.T, p *redistest.Proxy, direct *redis.Client, connect func(int) *redis.Client) {
		c := connect(noRetries)
		if err := c.Set(t.Context(), "key", "old", 0).Err(); err != nil {
			t.Fatal(err)
		}
		p.Reset()
		p.Blackhole()
		for name, c := range map[string]*redis.Client{"an open": c, "a new": connect(noRetries)} {
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			err := c.Set(ctx, "key", "new", 0).Err()
			cancel()
			if !isTimeout(err) {
				t.Errorf("%s connection: %v, want a timeout", name, err)
			}
		}
		p.Heal()
		if err := c.Set(t.Context(), "after", "x", 0).Err(); err != nil {
			t.Errorf("after Heal: %v", err)
		}
		if got := direct.Get(t.Context(), "key").Val(); got != "old" {
			t.Errorf("what was sent into the black hole was executed: the key is %q", got)
		}
		if got := p.Calls(); !slices.Equal(got, []string{"SET"}) {
			t.Errorf("calls %v, want only the one after Heal", got)
		}
	})
}

func TestHealClosesWhatWasInTheBlackhole(t *testing.T) {
	p := redistest.NewProxy(t, redistest.Embedded(t).Addrs[0])
	conn := dial(t, p)
	const ping = "*1\r\n$4\r\nPING\r\n"
	if _, err := io.WriteString(conn, ping); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(conn, make([]byte, len("+PONG\r\n"))); err != nil {
		t.Fatal(err)
	}
	p.Blackhole()
	if _, err := io.WriteString(conn, ping); err != nil {
		t.Fatal(err)
	}
	p.Heal()
	if reply, err := io.ReadAll(conn); len(reply) != 0 || isTimeout(err) {
		t.Errorf("after Heal: %q, %v; want a closed connection", reply, err)
	}
}

func TestBlackholeHidesThatTheServerDied(t *testing.T) {
	server := redistest.Server(t)
	p := redistest.NewProxy(t, server.Addr())
	c := redistest.NewClient(t, p.Addr(), func(o *redis.Options) { o.MaxRetries = noRetries })
	conn := c.Conn()
	defer func() { _ = conn.Close() }()
	if err := conn.Set(t.Context(), "key", "x", 0).Err(); err != nil {
		t.Fatal(err)
	}
	p.Blackhole()
	server.Kill()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := conn.Get(ctx, "key").Err()
	if !isTimeout(err) {
		t.Errorf("in the black hole: %v, want a timeout", err)
	}
}

func TestProxyOutlivesTheServer(t *testing.T) {
	server := redistest.Server(t)
	p := redistest.NewProxy(t, server.Addr())
	c := redistest.NewClient(t, p.Addr())
	server.Kill()
	if err := c.Ping(t.Context()).Err(); err == nil {
		t.Error("a dead server answers")
	}
	server.Restart()
	if err := c.Ping(t.Context()).Err(); err != nil {
		t.Errorf("after the restart: %v", err)
	}
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
}
