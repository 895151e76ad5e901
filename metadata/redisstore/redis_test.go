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
				users.Announce(t, metadata.Owner{Org: org, User: id}, 0, "k")
				for _, app := range []string{"", "default", "web.portal_1"} {
					for n := range 2 {
						p := numbered(n, "k")
						p.Set[0].Term = "t"
						if _, err := store.Apply(t.Context(), metadata.Owner{Org: org, User: id, App: app}, p); err != nil {
							t.Fatal(err)
						}
					}
				}
			}
			keys := b.TTLs(t)
			// The record, two hashes and a list per document, the list of applications; per organisation the user's terms, the partition's
			// index, what it was told, its users and their handles.
			if want := 1 + 6*3 + 1 + 2*5; len(keys) != want {
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
			partition := space.Partition(id)
			if err := b.Client.Del(t.Context(), space.User(id), space.Announced(partition, "default"), space.Announced(partition, "acme")).Err(); err != nil {
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
		"GetAll": func() error {
			_, err := store.GetAll(t.Context(), o.Org, []string{o.User, "nobody", o.User})
			return err
		},
		"Documents": func() error { _, err := store.Documents(t.Context(), o.Org, o.User); return err },
		"History": func() error {
			_, _, err := store.History(t.Context(), o, metadata.DefaultLimits.History, start)
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

// A history that is to be forgotten with time goes even if nobody writes the document again.
func TestHistoriesExpire(t *testing.T) {
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		store, users := open(b.Client)
		o := member(t, users)
		write := func(n int, age time.Duration) {
			t.Helper()
			p := numbered(n, "k")
			p.Limits.History.Age = age
			if _, err := store.Apply(t.Context(), o, p); err != nil {
				t.Fatal(err)
			}
		}
		life := func() time.Duration { return b.TTLs(t)[space.History(o.Org, o.User, "")].Round(time.Minute) }
		remembered := func() int {
			t.Helper()
			_, past, err := store.History(t.Context(), o, metadata.DefaultLimits.History, start)
			if err != nil {
				t.Fatal(err)
			}
			return len(past)
		}
		write(1, time.Hour)
		write(2, time.Hour)
		if got := life(); got != time.Hour || remembered() != 2 {
			t.Errorf("%d changes expire in %v", remembered(), got)
		}
		write(3, 0)
		b.FastForward(2 * time.Hour)
		if remembered() != 3 {
			t.Errorf("%d changes are remembered of those that are kept for ever", remembered())
		}
		write(4, 2*time.Hour)
		b.FastForward(time.Hour)
		write(5, 2*time.Hour)
		b.FastForward(90 * time.Minute)
		if remembered() != 5 {
			t.Errorf("%d changes are remembered before they expire", remembered())
		}
		b.FastForward(time.Hour)
		if remembered() != 0 {
			t.Errorf("%d changes are remembered after they expired", remembered())
		}
		for n := 6; n < 9; n++ {
			write(n, 0)
		}
		if got := life(); got > 0 || remembered() != 3 {
			t.Errorf("%d changes are remembered, for %v, once they are again", remembered(), got)
		}
		noted := func() string { return b.Client.HGet(t.Context(), space.Entries(o.Org, o.User, ""), "\x02").Val() }
		list := strings.Join(b.Client.LRange(t.Context(), space.History(o.Org, o.User, ""), 0, -1).Val(), "")
		if noted() != fmt.Sprint("/", len(list)) {
			t.Errorf("%d bytes of changes are noted as %s", len(list), noted())
		}

		p := numbered(9, "k")
		p.Limits.History = metadata.Retention{}
		if _, err := store.Apply(t.Context(), o, p); err != nil {
			t.Fatal(err)
		}
		if _, stored := b.TTLs(t)[space.History(o.Org, o.User, "")]; stored || noted() != "" {
			t.Errorf("what is not to be remembered is still stored, noted as %q", noted())
		}
	})
}

func TestHistoriesAreBounded(t *testing.T) {
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		store, users := open(b.Client)
		o := member(t, users)
		for n := range 300 {
			p := numbered(n, fmt.Sprint("k", n%7))
			p.Set[0].Value = metadata.Restore(metadata.KindJSON, strings.Repeat("1", 1+n*37%500))
			p.Limits.History = metadata.Retention{Changes: 20 + n/10, Bytes: 4000}
			if _, err := store.Apply(t.Context(), o, p); err != nil {
				t.Fatal(err)
			}
			list := b.Client.LRange(t.Context(), space.History(o.Org, o.User, ""), 0, -1).Val()
			bytes := 0
			for _, change := range list {
				bytes += len(change)
			}
			noted := b.Client.HGet(t.Context(), space.Entries(o.Org, o.User, ""), "\x02").Val()
			if n > 0 && noted != fmt.Sprint("/", bytes) || bytes > 4000 || len(list) > 20+n/10 {
				t.Fatalf("after change %d there are %d with %d bytes, noted as %s", n, len(list), bytes, noted)
			}
		}
		if n := b.Client.LLen(t.Context(), space.History(o.Org, o.User, "")).Val(); n < 10 {
			t.Errorf("only %d changes are remembered", n)
		}
	})
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
