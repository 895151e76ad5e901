package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/claimsmith/claimsmith/internal/durable"
	"github.com/claimsmith/claimsmith/internal/redistest"
	"github.com/claimsmith/claimsmith/metadata"
	"github.com/claimsmith/claimsmith/metadata/redisstore"
	"github.com/claimsmith/claimsmith/metadata/storetest"
)

var methods = []string{"Apply", "Erase", "Get", "GetEntry", "ProfileClaims"}

// call calls a method; Apply makes the n-th change.
func call(ctx context.Context, method string, store *redisstore.Store, o metadata.Owner, n int) (err error) {
	switch method {
	case "Get":
		_, err = store.Get(ctx, o)
	case "GetEntry":
		_, err = store.GetEntry(ctx, o, "k")
	case "ProfileClaims":
		_, err = storetest.Claims(ctx, store, o.Org, o.User, "app")
	case "Apply":
		_, err = store.Apply(ctx, o, numbered(n, "k"))
	case "Erase":
		err = store.Erase(ctx, o.User, []string{o.Org})
	}
	return err
}

func wantUnavailable(t *testing.T, name string, err error) {
	t.Helper()
	var fault *metadata.Error
	if !errors.As(err, &fault) || fault.Code != metadata.Unavailable || fault.Err == nil {
		t.Errorf("%s: %v, want unavailable with a cause", name, err)
	}
}

func TestServerErrorsAreUnavailable(t *testing.T) {
	server := miniredis.RunT(t)
	store, users := open(redistest.NewClient(t, server.Addr(), func(o *redis.Options) { o.MinRetryBackoff, o.MaxRetryBackoff = 1, 2 }))
	o := member(t, users)
	if _, err := store.Apply(t.Context(), o, numbered(1, "k")); err != nil {
		t.Fatal(err)
	}
	for _, message := range []string{
		"OOM command not allowed when used memory > 'maxmemory'.", "READONLY You can't write against a read only replica.",
		"LOADING Redis is loading the dataset in memory", "MASTERDOWN Link with MASTER is down", "CLUSTERDOWN The cluster is down",
		"NOREPLICAS Not enough good replicas to write.", "MISCONF Redis is configured to save RDB snapshots", "BUSY Redis is busy running a script",
		"TRYAGAIN Multiple keys request during rehashing of slot", "NOAUTH Authentication required.", "NOPERM this user has no permissions",
		"WRONGTYPE Operation against a key holding the wrong kind of value", "ERR unknown command", "LIMIT", "LIMIT of something", "nonsense",
	} {
		server.SetError(message)
		for _, method := range methods {
			wantUnavailable(t, message+": "+method, call(t.Context(), method, store, o, 2))
		}
		server.SetError("")
	}
	if doc, err := store.Get(t.Context(), o); err != nil || doc.Revision != 1 {
		t.Errorf("afterwards: %+v, %v", doc, err)
	}
}

func TestARefusingServerChangesNothing(t *testing.T) {
	server := redistest.Server(t)
	client := redistest.NewClient(t, server.Addr(), func(o *redis.Options) { o.MinRetryBackoff, o.MaxRetryBackoff = 1, 2 })
	store, users := open(client)
	o := member(t, users)
	if _, err := store.Apply(t.Context(), o, numbered(1, "k", "gone")); err != nil {
		t.Fatal(err)
	}
	set := func(option, value string) func() error {
		return func() error { return client.ConfigSet(t.Context(), option, value).Err() }
	}
	replicaOf := func(host, port string) func() error {
		return func() error { return client.ReplicaOf(t.Context(), host, port).Err() }
	}
	tests := []struct {
		name           string
		spoil, restore func() error
	}{
		{"out of memory", set("maxmemory", "1"), set("maxmemory", "0")},
		{"too few replicas", set("min-replicas-to-write", "1"), set("min-replicas-to-write", "0")},
		{"a replica", replicaOf("127.0.0.1", "1"), replicaOf("NO", "ONE")},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if err := test.spoil(); err != nil {
				t.Fatal(err)
			}
			p := numbered(2, "k")
			p.Delete = []string{"gone"}
			_, err := store.Apply(t.Context(), o, p)
			wantUnavailable(t, "Apply", err)
			if err := test.restore(); err != nil {
				t.Fatal(err)
			}
			doc, err := store.Get(t.Context(), o)
			claims, claimsErr := storetest.Claims(t.Context(), store, o.Org, o.User, "")
			if err != nil || claimsErr != nil || doc.Revision != 1 || len(doc.Entries) != 2 || len(claims.User) != 2 || claims.User[0].JSON != "1" {
				t.Errorf("afterwards: %+v, %v, %+v, %v", doc, err, claims, claimsErr)
			}
		})
	}
}

func TestKeysOfAnotherTypeAreUnavailable(t *testing.T) {
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		store, users := open(b.Client)
		for _, name := range []string{"record", "entries", "claims", "documents"} {
			o := member(t, users)
			o.App = "app"
			keys := map[string]string{
				"record": space.User(o.User), "entries": space.Entries(o.Org, o.User, o.App),
				"claims": space.Claims(o.Org, o.User, o.App), "documents": space.AppDocuments(o.User),
			}
			if err := errors.Join(b.Client.Del(t.Context(), keys[name]).Err(), b.Client.Set(t.Context(), keys[name], "x", 0).Err()); err != nil {
				t.Fatal(err)
			}
			_, err := store.Apply(t.Context(), o, numbered(1, "k"))
			wantUnavailable(t, "Apply with a string for "+name, err)
			for other, key := range keys {
				n, err := b.Client.Exists(t.Context(), key).Result()
				if written := other == "entries" || other == "claims"; err != nil || written && other != name && n != 0 {
					t.Errorf("with a string for %s there are %s, %v", name, other, err)
				}
			}
		}
	})
}

func TestDamagedDocumentsAreUnavailable(t *testing.T) {
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		store, users := open(b.Client)
		for _, damage := range [][2]string{{"k", `{"value":1}`}, {"", "x"}, {"", ""}} {
			o := member(t, users)
			if _, err := store.Apply(t.Context(), o, numbered(1, "k")); err != nil {
				t.Fatal(err)
			}
			pipe := b.Client.Pipeline()
			pipe.HSet(t.Context(), space.Entries(o.Org, o.User, ""), damage[0], damage[1])
			pipe.HSet(t.Context(), space.Claims(o.Org, o.User, ""), "", "x")
			if _, err := pipe.Exec(t.Context()); err != nil {
				t.Fatal(err)
			}
			for _, method := range []string{"Get", "GetEntry", "ProfileClaims", "Apply"} { // Erase helps even then
				wantUnavailable(t, fmt.Sprintf("%s with %q", method, damage), call(t.Context(), method, store, o, 2))
			}
		}
	})
}

func TestUnusableOperations(t *testing.T) {
	store, users := open(redistest.Embedded(t).Client)
	o := member(t, users)
	for _, change := range []func(*metadata.Patch){
		func(p *metadata.Patch) { p.ChangedBy = "" }, func(p *metadata.Patch) { p.ChangedBy = "user:a b" },
		func(p *metadata.Patch) { p.ChangedBy = "user:a\tb" },
		func(p *metadata.Patch) { p.Op = "" }, func(p *metadata.Patch) { p.Op = "a,b" }, func(p *metadata.Patch) { p.Op = "a@b" },
		func(p *metadata.Patch) { p.Op = strings.Repeat("a", 65) },
	} {
		p := numbered(1, "k")
		change(&p)
		if _, err := store.Apply(t.Context(), o, p); err == nil {
			t.Errorf("operation %q by %q was recorded", p.Op, p.ChangedBy)
		}
	}
}

func TestReplicasMustConfirm(t *testing.T) {
	server := redistest.Server(t)
	client := redistest.NewClient(t, server.Addr())
	users := &storetest.Users{Client: client, Space: space}
	store := redisstore.New(&durable.Runner{Client: client, Replicas: 1, Timeout: 50 * time.Millisecond}, space)
	o := member(t, users)
	_, err := store.Apply(t.Context(), o, numbered(1, "k"))
	wantUnavailable(t, "Apply without a replica", err)
	if !errors.Is(err, durable.ErrUnconfirmed) {
		t.Error(err)
	}
	server.Replica()
	store = redisstore.New(&durable.Runner{Client: client, Replicas: 1, Timeout: 10 * time.Second}, space)
	doc, err := store.Apply(t.Context(), o, numbered(1, "k"))
	if err != nil || doc.Revision != 1 {
		t.Errorf("the same operation with a replica: %+v, %v", doc, err)
	}
	if _, err := store.Apply(t.Context(), o, metadata.Patch{If: metadata.Precondition{IfMatch: &metadata.Condition{}}, ChangedBy: "x", Op: "o", At: start}); err == nil {
		t.Error("a refusal got lost")
	}
}

func dialThrough(p *redistest.Proxy, target string) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		if addr == target {
			addr = p.Addr()
		}
		var d net.Dialer
		return d.DialContext(ctx, network, addr)
	}
}

// proxied runs fn over every backend with a store that reaches o's server through a proxy, and one that reaches it directly.
func proxied(t *testing.T,
	fn func(t *testing.T, o metadata.Owner, users *storetest.Users, p *redistest.Proxy, store, direct *redisstore.Store, flush func()),
) {
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		direct, users := open(b.Client)
		o := member(t, users)
		node := nodeOf(t, b.Client, o)
		target := node.Options().Addr
		p := redistest.NewProxy(t, target)
		var client redis.UniversalClient
		if b.Mode == redistest.Clustered {
			client = redistest.NewClusterClient(t, b.Addrs, func(o *redis.ClusterOptions) { o.Dialer = dialThrough(p, target) })
		} else {
			client = redistest.NewClient(t, p.Addr())
		}
		store, _ := open(client)
		fn(t, o, users, p, store, direct, func() {
			t.Helper()
			if err := node.ScriptFlush(t.Context()).Err(); err != nil {
				t.Fatal(err)
			}
		})
	})
}

func TestALostReplyIsMadeUpFor(t *testing.T) {
	proxied(t, func(t *testing.T, o metadata.Owner, users *storetest.Users, p *redistest.Proxy, store, direct *redisstore.Store, flush func()) {
		revision := 0
		for _, cached := range []bool{false, true} { // without a cached script Apply needs a second call
			for n := 1; ; n++ {
				if !cached {
					flush()
				}
				p.Reset()
				p.CutReply(n)
				revision++
				patch := numbered(revision, "k", "l")
				patch.If = metadata.Precondition{IfMatch: &metadata.Condition{Revisions: []uint64{uint64(revision - 1)}}}
				doc, err := store.Apply(t.Context(), o, patch)
				k, _ := doc.Entry("k")
				if err != nil || doc.Revision != uint64(revision) || k.Value != value(revision) {
					t.Fatalf("reply %d lost of %v: %+v, %v, want revision %d", n, p.Calls(), doc, err, revision)
				}
				if len(p.Calls()) < n {
					break
				}
			}
		}
		if revision < 5 {
			t.Errorf("only %d writes", revision)
		}
		reads := 0
		for _, method := range []string{"Get", "GetEntry", "ProfileClaims", "Erase"} {
			if method == "Erase" {
				users.Leave(t, o.User, o.Org)
			}
			for n := 1; ; n++ {
				p.Reset()
				p.CutReply(n)
				if err := call(t.Context(), method, store, o, 1000); err != nil {
					t.Fatalf("%s with reply %d lost of %v: %v", method, n, p.Calls(), err)
				}
				if len(p.Calls()) < n {
					break
				}
				reads++
			}
		}
		if reads < 8 {
			t.Errorf("only %d replies were lost", reads)
		}
		users.Join(t, o.User, o.Org)
		if doc, err := direct.Get(t.Context(), o); err != nil || doc.Revision != 0 {
			t.Errorf("after erasing: %+v, %v", doc, err)
		}
	})
}

func TestWithoutAnyReplyTheOutcomeIsUnknown(t *testing.T) {
	proxied(t, func(t *testing.T, o metadata.Owner, _ *storetest.Users, p *redistest.Proxy, store, direct *redisstore.Store, flush func()) {
		if _, err := store.Apply(t.Context(), o, numbered(1, "k")); err != nil {
			t.Fatal(err)
		}
		p.Reset()
		p.CutAllReplies(1)
		_, err := store.Apply(t.Context(), o, numbered(2, "k"))
		wantUnavailable(t, "Apply", err)
		for _, method := range []string{"Get", "GetEntry", "ProfileClaims"} {
			wantUnavailable(t, method, call(t.Context(), method, store, o, 0))
		}
		p.Heal()
		doc, err := direct.Get(t.Context(), o)
		if k, _ := doc.Entry("k"); err != nil || doc.Revision != 2 || k.Value != value(2) {
			t.Errorf("the repeated attempts left %+v, %v, want one effect", doc, err)
		}
		doc, err = store.Apply(t.Context(), o, numbered(2, "k"))
		if err != nil || doc.Revision != 2 {
			t.Errorf("asking again: %+v, %v", doc, err)
		}
	})
}

func TestDeadlinesAreKept(t *testing.T) {
	proxied(t, func(t *testing.T, o metadata.Owner, _ *storetest.Users, p *redistest.Proxy, store, direct *redisstore.Store, _ func()) {
		if _, err := store.Apply(t.Context(), o, numbered(1, "k")); err != nil {
			t.Fatal(err)
		}
		for state, disturb := range map[string]func(){"no answer": p.Blackhole, "no connection": p.Refuse} {
			disturb()
			for _, method := range methods {
				ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
				began := time.Now()
				err := call(ctx, method, store, o, 2)
				if elapsed := time.Since(began); elapsed > 900*time.Millisecond { // less than the client's own time-outs
					t.Errorf("%s: %s took %v", state, method, elapsed)
				}
				cancel()
				wantUnavailable(t, state+": "+method, err)
			}
			p.Heal()
		}
		if doc, err := direct.Get(t.Context(), o); err != nil || doc.Revision != 1 {
			t.Errorf("afterwards: %+v, %v", doc, err)
		}
	})
}

// No write that was acknowledged may be missing after the server dies and comes back.
func TestAcknowledgedWritesSurviveACrash(t *testing.T) {
	server := redistest.Server(t, "--appendonly", "yes", "--appendfsync", "always")
	store, users := open(redistest.NewClient(t, server.Addr()))
	const writers, enough = 8, 400
	var (
		owners       [writers]metadata.Owner
		acknowledged [writers]int
		writing      sync.WaitGroup
		progress     = make(chan struct{}, enough)
	)
	for w := range writers {
		owners[w] = member(t, users)
		writing.Go(func() {
			for n := 1; ; n++ {
				doc, err := store.Apply(t.Context(), owners[w], numbered(n, "k", "l"))
				if err != nil {
					return
				}
				if doc.Revision != uint64(n) {
					t.Errorf("write %d made revision %d", n, doc.Revision)
				}
				acknowledged[w] = n
				select {
				case progress <- struct{}{}:
				default:
				}
			}
		})
	}
	for range enough {
		<-progress
	}
	server.Kill()
	writing.Wait()
	server.Restart()
	store, _ = open(redistest.NewClient(t, server.Addr()))
	for w, o := range owners {
		doc, err := store.Get(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		claims, err := storetest.Claims(t.Context(), store, o.Org, o.User, "")
		n := int(doc.Revision)
		if err != nil || n < acknowledged[w] || n > acknowledged[w]+1 || claims.Revision != doc.Revision {
			t.Errorf("writer %d was acknowledged %d writes; revision %d, claims at %d, %v", w, acknowledged[w], n, claims.Revision, err)
		}
		for _, e := range doc.Entries {
			if e.Value != value(n) {
				t.Errorf("writer %d: %s is %s at revision %d", w, e.Key, e.Value.Raw(), n)
			}
		}
	}
	if slices.Max(acknowledged[:]) == 0 {
		t.Error("nothing was acknowledged")
	}
}
