package redisstore_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/redisstore"
	"github.com/claimsmith/claimsmith/internal/durable"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

// What no script may use (row R-03): JSON, which Lua corrupts; the server's clock, for clocks are inputs; what is not safe to repeat;
// text that becomes code; names put together from keys.
var forbidden = regexp.MustCompile(`cjson|cmsgpack|'(TIME|INCR\w*|SETNX|GETDEL|GETSET|HINCR\w*|APPEND|EXPIRE|PEXPIRE|SETEX|PSETEX)'|load|KEYS\[\d+\]\s*\.\.`)

func TestScriptsAreHygienic(t *testing.T) {
	files, err := filepath.Glob("*.lua")
	if err != nil || len(files) < 10 {
		t.Fatalf("found scripts %q (%v)", files, err)
	}
	replaySafe := regexp.MustCompile(`(?m)^-- (Idempotent by nature|Replay-safe by)`)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if found := forbidden.Find(text); found != nil {
			t.Errorf("%s uses %q", file, found)
		}
		if file != "keys.lua" && !replaySafe.Match(text) {
			t.Errorf("%s does not say why it is safe to repeat", file)
		}
	}
}

// Row R-03: a server that forgets its scripts is told them again.
func TestForgottenScripts(t *testing.T) {
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		s := open(b.Client)
		for i := range 50 {
			if i%3 == 0 {
				if err := b.Client.ScriptFlush(t.Context()).Err(); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := s.PutOrg(t.Context(), auth.Org{Slug: fmt.Sprintf("org-%d", i)}, "op"); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// Row R-07: repeating a call that changed something already is confirmed only when the replicas have that change, although the
// repetition itself writes nothing.
func TestRepetitionsAreConfirmedToo(t *testing.T) {
	primary := redistest.Server(t)
	replica := redistest.NewClient(t, primary.Replica("--enable-debug-command", "yes").Addr(), func(o *redis.Options) {
		o.ReadTimeout = 10 * time.Second
	})
	confirmed := func() *redisstore.Store {
		c := redistest.NewClient(t, primary.Addr())
		return redisstore.New(&durable.Runner{Client: c, Replicas: 1, Timeout: 50 * time.Millisecond}, space)
	}
	s := confirmed()
	w := newWorld(t, s)

	awake := make(chan error, 1)
	go func() { awake <- replica.Do(t.Context(), "DEBUG", "SLEEP", "2").Err() }()
	for i := 0; ; i++ { // until the replica sleeps
		if err := s.Deny(t.Context(), "jane", fmt.Sprint(i), w.now.Add(time.Hour)); err != nil {
			break
		}
	}
	for _, store := range []*redisstore.Store{s, s, confirmed()} {
		if err := store.Revoke(t.Context(), w.family.FamilyRef, "web"); auth.CodeOf(err) != auth.Unavailable {
			t.Errorf("revoked with a sleeping replica: %v, want unavailable", err)
		}
	}
	if err := <-awake; err != nil {
		t.Fatal(err)
	}
	for {
		if err := s.Revoke(t.Context(), w.family.FamilyRef, "web"); err == nil {
			break
		} else if auth.CodeOf(err) != auth.Unavailable {
			t.Fatal(err)
		}
	}
	if n, err := replica.Exists(t.Context(), space.Grant("jane", "acme", "F1")).Result(); err != nil || n != 0 {
		t.Errorf("the replica still has the revoked family (%v)", err)
	}
}
