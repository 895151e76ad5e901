package redisstore_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/claimsmith/claimsmith/internal/durable"
	"github.com/claimsmith/claimsmith/internal/redistest"
	"github.com/claimsmith/claimsmith/metadata"
	"github.com/claimsmith/claimsmith/metadata/redisstore"
	"github.com/claimsmith/claimsmith/metadata/storetest"
)

var reads = []string{"Documents", "Get", "GetAll", "GetEntry", "History", "ProfileClaims"}

var methods = append([]string{"Apply", "Erase"}, reads...)

// call calls a method; Apply makes the n-th change.
func call(ctx context.Context, method string, store *redisstore.Store, o metadata.Owner, n int) (err error) {
	switch method {
	case "Get":
		_, err = store.Get(ctx, o)
	case "GetEntry":
		_, err = store.GetEntry(ctx, o, "k")
	case "ProfileClaims":
		_, err = storetest.Claims(ctx, store, o.Org, o.User, "app")
	case "GetAll":
		_, err = store.GetAll(ctx, o.Org, []string{o.User})
	case "Documents":
		_, err = store.Documents(ctx, o.Org, o.User)
	case "History":
		_, _, err = store.History(ctx, o, metadata.DefaultLimits.History, start)
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
		for name, app := range map[string]string{
			"record": "app", "entries": "app", "claims": "app", "documents": "app", "history": "app", "announced": "app",
			"terms": "", "index": "",
		} {
			o := member(t, users)
			o.App = app
			partition := space.Partition(o.User)
			keys := map[string]string{
				"record": space.User(o.User), "entries": space.Entries(o.Org, o.User, app), "claims": space.Claims(o.Org, o.User, app),
				"documents": space.AppDocuments(o.User), "history": space.History(o.Org, o.User, app),
				"announced": space.Announced(partition, o.Org), "terms": space.Terms(o.Org, o.User), "index": space.Index(partition, o.Org),
			}
			users.Announce(t, o, 0, "k")
			earlier := numbered(1, "k")
			earlier.Set[0].Term = "t"
			if name == "claims" { // the list of changes begins with one that then fails
				earlier.Limits.History = metadata.Retention{}
			}
			if _, err := store.Apply(t.Context(), o, earlier); err != nil {
				t.Fatal(err)
			}
			if name == "entries" || name == "documents" { // as if it were new
				if err := b.Client.Del(t.Context(), keys["entries"], keys["claims"]).Err(); err != nil {
					t.Fatal(err)
				}
			}
			if name == "history" { // which begins with the second change
				if _, err := store.Apply(t.Context(), o, numbered(2, "k")); err != nil {
					t.Fatal(err)
				}
			}
			before := users.Dump(t, o)
			if err := errors.Join(b.Client.Del(t.Context(), keys[name]).Err(), b.Client.Set(t.Context(), keys[name], "x", 0).Err()); err != nil {
				t.Fatal(err)
			}
			p := numbered(3, "k")
			p.Set[0].Term = "other"
			_, err := store.Apply(t.Context(), o, p)
			wantUnavailable(t, "Apply with a string for "+name, err)
			if err := b.Client.Del(t.Context(), keys[name]).Err(); err != nil {
				t.Fatal(err)
			}
			after := users.Dump(t, o)
			for _, written := range []string{"entries", "claims"} {
				if diff := cmp.Diff(before[keys[written]], after[keys[written]]); diff != "" && written != name {
					t.Errorf("with a string for %s the %s changed (-before +after):\n%s", name, written, diff)
				}
			}
			if _, err := store.Apply(t.Context(), o, p); name != "record" && err != nil { // a half-written list is no obstacle
				t.Errorf("without the string for %s: %v", name, err)
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
			for _, method := range []string{"Get", "GetAll", "GetEntry", "History", "ProfileClaims", "Apply"} { // Erase helps even then
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
		func(p *metadata.Patch) { p.Op = strings.Repeat("a", 65) }, func(p *metadata.Patch) { p.Via = "a b" },
		func(p *metadata.Patch) { p.Groups = &[]string{"a,b"} }, func(p *metadata.Patch) { p.Groups = &[]string{""} },
		func(p *metadata.Patch) { p.Groups = &[]string{"a\x00b"} }, func(p *metadata.Patch) { p.Set[0].Term = "a\x00b" },
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
		users.Announce(t, o, 0, "k")
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
				patch.Set[0].Term = storetest.TermFor(value(revision))
				groups := []string{"g", fmt.Sprint("g", revision)}
				patch.Groups = &groups
				doc, err := store.Apply(t.Context(), o, patch)
				k, _ := doc.Entry("k")
				if err != nil || doc.Revision != uint64(revision) || k.Value != value(revision) || !slices.Equal(doc.Groups, groups) {
					t.Fatalf("reply %d lost of %v: %+v, %v, want revision %d", n, p.Calls(), doc, err, revision)
				}
				_, past, err := direct.History(t.Context(), o, metadata.DefaultLimits.History, start)
				if err != nil || len(past) != revision {
					t.Fatalf("reply %d lost of %v: %d changes are remembered, %v, want %d", n, p.Calls(), len(past), err, revision)
				}
				if diff := cmp.Diff(storetest.IndexFor(o, doc, "k"), users.IndexOf(t, o)); diff != "" {
					t.Fatalf("reply %d lost of %v: index (-of the document +stored):\n%s", n, p.Calls(), diff)
				}
				if len(p.Calls()) < n {
					break
				}
			}
		}
		if revision < 5 {
			t.Errorf("only %d writes", revision)
		}
		lost := 0
		for _, method := range append(slices.Clone(reads), "Erase") {
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
				lost++
			}
		}
		if lost < 14 {
			t.Errorf("only %d replies were lost", lost)
		}
		if members := users.IndexOf(t, o); len(members) != 0 {
			t.Errorf("after erasing the index has %q", members)
		}
		users.Join(t, o.User, o.Org)
		doc, past, err := direct.History(t.Context(), o, metadata.DefaultLimits.History, start)
		if err != nil || doc.Revision != 0 || len(past) != 0 {
			t.Errorf("after erasing: %+v, %+v, %v", doc, past, err)
		}
	})
}

// A change of a shared document of which the reply is lost raises the revision of the scheme once.
func TestALostReplyIsMadeUpForInSharedDocuments(t *testing.T) {
	proxied(t, func(t *testing.T, of metadata.Owner, users *storetest.Users, p *redistest.Proxy, store, direct *redisstore.Store, _ func()) {
		revision := uint64(0)
		org := ""
		for org == "" || space.Partition(org) != space.Partition(of.User) { // behind the same proxy
			org = strings.ToLower(rand.Text())
		}
		if err := users.Client.HSet(t.Context(), space.Org(org), "rec", "{}").Err(); err != nil {
			t.Fatal(err)
		}
		o := metadata.Owner{Org: org}
		for n := 1; ; n++ {
			p.Reset()
			p.CutReply(n)
			patch := numbered(int(revision)+1, "k")
			patch.Scheme = revision
			doc, err := store.Apply(t.Context(), o, patch)
			revision++
			if got := users.SchemeRevision(t, org); err != nil || doc.Revision != revision || got != revision {
				t.Fatalf("reply %d lost of %v: %+v, %v; the scheme is at %d, want %d", n, p.Calls(), doc, err, got, revision)
			}
			if len(p.Calls()) < n {
				break
			}
		}
		_, past, err := direct.History(t.Context(), o, metadata.DefaultLimits.History, start)
		if err != nil || uint64(len(past)) != revision || revision < 2 || past[0].Scheme != revision {
			t.Errorf("%d changes are remembered of %d, %v", len(past), revision, err)
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
		for _, method := range reads {
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
