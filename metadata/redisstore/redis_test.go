package redisstore_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/claimsmith/claimsmith/internal/redistest"
	"github.com/claimsmith/claimsmith/metadata"
	"github.com/claimsmith/claimsmith/metadata/storetest"
)

var start = time.Date(2026, 3, 14, 15, 9, 26, 535e6, time.UTC)

func value(n int) metadata.Value {
	return metadata.Restore(metadata.KindJSON, strconv.Itoa(n))
}

// numbered is the n-th change of a document: every key gets the value n.
func numbered(n int, keys ...string) metadata.Patch {
	p := metadata.Patch{Limits: metadata.DefaultLimits, ChangedBy: "token:t", At: start, Op: fmt.Sprintf("op-%010d", n)}
	for _, key := range keys {
		p.Set = append(p.Set, metadata.Put{Key: key, Value: value(n), ProfileClaim: true})
	}
	return p
}

func member(t testing.TB, users *storetest.Users) metadata.Owner {
	return metadata.Owner{Org: "default", User: users.New(t, storetest.User{Orgs: []string{"default"}})}
}

func TestAUsersKeysShareASlotAndNeverExpire(t *testing.T) {
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		store, users := open(b.Client)
		for _, id := range []string{"a", "A", "me", "default", "-_-", strings.Repeat("x", 64)} {
			users.New(t, storetest.User{ID: id, Username: "u", Email: "u@example.com", Orgs: []string{"default", "acme"}})
			for _, org := range []string{"default", "acme"} {
				for _, app := range []string{"", "default", "web.portal_1"} {
					if _, err := store.Apply(t.Context(), metadata.Owner{Org: org, User: id, App: app}, numbered(1, "k")); err != nil {
						t.Fatal(err)
					}
				}
			}
			keys := b.TTLs(t)
			if want := 1 + 6*2 + 1; len(keys) != want { // record, two hashes per document, the list of applications
				t.Errorf("%q has %d keys, want %d: %v", id, len(keys), want, keys)
			}
			slots := make(map[int64][]string)
			for key, ttl := range keys {
				slot, err := b.Client.ClusterKeySlot(t.Context(), key).Result()
				if err != nil && b.Name != "redis" { // outside of cluster mode it does not tell
					t.Fatal(err)
				}
				slots[slot] = append(slots[slot], key)
				if ttl != -1 {
					t.Errorf("%s expires in %v", key, ttl)
				}
			}
			if len(slots) != 1 {
				t.Errorf("%q is in %d slots: %v", id, len(slots), slots)
			}
			users.SetState(t, id, storetest.Deleting)
			if err := store.Erase(t.Context(), id, []string{"default", "acme"}); err != nil {
				t.Fatal(err)
			}
			if err := b.Client.Del(t.Context(), space.User(id)).Err(); err != nil {
				t.Fatal(err)
			}
			if left := b.TTLs(t); len(left) != 0 {
				t.Errorf("erasing left %v", left)
			}
		}
	})
}

// trips counts how often a client goes to the server.
type trips struct{ n int }

func (c *trips) DialHook(next redis.DialHook) redis.DialHook { return next }

func (c *trips) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		c.n++
		return next(ctx, cmd)
	}
}

func (c *trips) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		c.n++
		return next(ctx, cmds)
	}
}

func TestRoundTrips(t *testing.T) {
	b := redistest.Embedded(t)
	store, users := open(b.Client)
	o := member(t, users)
	if _, err := store.Apply(t.Context(), o, numbered(1, "k")); err != nil { // loads the script
		t.Fatal(err)
	}
	var counter trips
	b.Client.AddHook(&counter)
	for name, call := range map[string]func() error{
		"Get":           func() error { _, err := store.Get(t.Context(), o); return err },
		"GetEntry":      func() error { _, err := store.GetEntry(t.Context(), o, "k"); return err },
		"ProfileClaims": func() error { _, err := storetest.Claims(t.Context(), store, o.Org, o.User, ""); return err },
		"ProfileClaims of an application": func() error {
			_, err := storetest.Claims(t.Context(), store, o.Org, o.User, "app")
			return err
		},
		"Apply": func() error { _, err := store.Apply(t.Context(), o, numbered(2, "k", "l", "m")); return err },
	} {
		counter.n = 0
		if err := call(); err != nil || counter.n != 1 {
			t.Errorf("%s: %d round trips, %v", name, counter.n, err)
		}
	}
}

func TestFlushingScriptsUnderLoad(t *testing.T) {
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		store, users := open(b.Client)
		o := member(t, users)
		node := nodeOf(t, b.Client, o)
		const writers, each = 4, 25
		var writing sync.WaitGroup
		for w := range writers {
			writing.Go(func() {
				for i := range each {
					if _, err := store.Apply(t.Context(), o, numbered(w*each+i, fmt.Sprintf("k%d", w))); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		finished := make(chan struct{})
		go func() { writing.Wait(); close(finished) }()
		for flushing := true; flushing; {
			if err := node.ScriptFlush(t.Context()).Err(); err != nil {
				t.Error(err)
			}
			select {
			case <-finished:
				flushing = false
			default:
			}
		}
		if doc, err := store.Get(t.Context(), o); err != nil || doc.Revision != writers*each {
			t.Errorf("%+v, %v", doc, err)
		}
	})
}

// nodeOf returns a client of the one server that has a user's keys.
func nodeOf(t *testing.T, client redis.UniversalClient, o metadata.Owner) *redis.Client {
	t.Helper()
	switch client := client.(type) {
	case *redis.ClusterClient:
		node, err := client.MasterForKey(t.Context(), space.User(o.User))
		if err != nil {
			t.Fatal(err)
		}
		return node
	default:
		return client.(*redis.Client)
	}
}

func TestRememberedOperationsAreFew(t *testing.T) {
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		store, users := open(b.Client)
		o := member(t, users)
		header := func() string { return b.Client.HGet(t.Context(), space.Entries(o.Org, o.User, o.App), "").Val() }
		write := func(n int, at time.Time) {
			t.Helper()
			p := numbered(n, "k")
			p.At = at
			if _, err := store.Apply(t.Context(), o, p); err != nil {
				t.Fatal(err)
			}
		}
		for n := range 100 {
			write(n, start.Add(time.Duration(n)*time.Millisecond))
		}
		if n := strings.Count(header(), "@"); n != 32 {
			t.Errorf("%d operations are remembered: %s", n, header())
		}
		if doc, err := store.Apply(t.Context(), o, numbered(68, "k")); err != nil || doc.Revision != 100 {
			t.Errorf("the oldest one remembered was made again: revision %d, %v", doc.Revision, err)
		}
		last := start.Add(99*time.Millisecond + 10*time.Second - time.Millisecond)
		write(100, last)
		if n := strings.Count(header(), "@"); n != 32 {
			t.Errorf("when a change follows within ten seconds %d operations are remembered: %s", n, header())
		}
		write(101, last.Add(10*time.Second))
		if n := strings.Count(header(), "@"); n != 1 {
			t.Errorf("when ten seconds have passed %d operations are remembered: %s", n, header())
		}
	})
}
