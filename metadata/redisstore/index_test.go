package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/redis/go-redis/v9"

	"github.com/claimsmith/claimsmith/internal/durable"
	"github.com/claimsmith/claimsmith/internal/keyspace"
	"github.com/claimsmith/claimsmith/internal/redistest"
	"github.com/claimsmith/claimsmith/metadata"
	"github.com/claimsmith/claimsmith/metadata/redisstore"
)

// crowd is users of one organisation whose entries, groups and memberships change, and whose keys become searchable and not, all at once
// and on a server that is killed now and then.
type crowd struct {
	*testing.T
	client redis.UniversalClient
	space  keyspace.Space
	store  *redisstore.Store
	users  []string
	scheme atomic.Pointer[metadata.Scheme] // as last read
	laying sync.Mutex                      // one change of the scheme at a time
	made   atomic.Int64                    // operations that were confirmed
	op     atomic.Int64
}

const crowded = "crowded"

var (
	crowdKeys   = []string{"a", "b", "c", "d"}
	crowdGroups = []string{"g1", "g2", "g3"}
	crowdValues = []metadata.Value{
		metadata.Restore(metadata.KindJSON, `"x"`), metadata.Restore(metadata.KindJSON, `"xy"`), metadata.Restore(metadata.KindJSON, `1`),
		metadata.Restore(metadata.KindJSON, `"\u0000"`), metadata.Bytes([]byte("x")),
	}
)

// TestIndexAgreesWithEntries makes a few operations, or as many as CLAIMSMITH_TEST_INDEX_OPERATIONS says.
func TestIndexAgreesWithEntries(t *testing.T) {
	operations, rounds := 2000, 4
	if text := os.Getenv("CLAIMSMITH_TEST_INDEX_OPERATIONS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		operations, rounds = n, 20
	}
	server := redistest.Server(t, "--appendonly", "yes", "--appendfsync", "always")
	client := redistest.NewClient(t, server.Addr())
	c := &crowd{T: t, client: client, space: keyspace.New(8)} // few partitions, so that indexes are shared by many
	c.store = redisstore.New(&durable.Runner{Client: client}, c.space)
	for i := range 100 {
		c.users = append(c.users, fmt.Sprintf("u%d", i))
		if err := c.join(t.Context(), c.users[i]); err != nil {
			t.Fatal(err)
		}
	}
	c.scheme.Store(&metadata.Scheme{Org: crowded})

	for round := range rounds { // each with a kill in the middle of it, and a look at everything at its end
		end := int64((round + 1) * operations / rounds)
		middle := make(chan struct{})
		var once sync.Once
		var working sync.WaitGroup
		for w := range 8 {
			working.Go(func() {
				random := rand.New(rand.NewPCG(uint64(round), uint64(w)))
				for c.made.Load() < end && !t.Failed() {
					c.step(random)
					if c.made.Load() > end-int64(operations/rounds/2) {
						once.Do(func() { close(middle) })
					}
				}
				once.Do(func() { close(middle) })
			})
		}
		<-middle
		server.Kill()
		server.Restart()
		working.Wait()
		c.check()
		if t.Failed() {
			t.Fatalf("after %d operations and %d kills", c.made.Load(), round+1)
		}
	}
	t.Logf("%d confirmed operations, %d begun, %d kills, scheme revision %d", c.made.Load(), c.op.Load(), rounds, c.scheme.Load().Revision)
}

// step makes one operation, or gives up where its outcome is unknown.
func (c *crowd) step(random *rand.Rand) {
	ctx := c.Context()
	user := c.users[random.IntN(len(c.users))]
	var err error
	switch n := random.IntN(200); {
	case n == 0:
		c.toggle(ctx, crowdKeys[random.IntN(len(crowdKeys))])
	case n < 4:
		c.comeBack(ctx, user)
	default:
		err = c.write(ctx, random, user)
	}
	if err == nil {
		c.made.Add(1)
	}
}

func (c *crowd) write(ctx context.Context, random *rand.Rand, user string) error {
	p := metadata.Patch{
		Replace: random.IntN(10) == 0, Limits: metadata.DefaultLimits, ChangedBy: "token:t", At: start,
		Op: fmt.Sprintf("op-%d", c.op.Add(1)), Brief: random.IntN(2) == 0, DryRun: random.IntN(20) == 0,
	}
	if random.IntN(3) == 0 {
		groups := slices.DeleteFunc(slices.Clone(crowdGroups), func(string) bool { return random.IntN(2) == 0 })
		p.Groups = &groups
	}
	for _, key := range crowdKeys {
		switch random.IntN(4) {
		case 0:
			v := crowdValues[random.IntN(len(crowdValues))]
			p.Set = append(p.Set, metadata.Put{Key: key, Value: v, Term: metadata.TermOf(v)})
		case 1:
			p.Delete = append(p.Delete, key)
		}
	}
	for range 3 {
		p.Scheme = c.scheme.Load().Revision
		_, err := c.store.Apply(ctx, metadata.Owner{Org: crowded, User: user}, p)
		switch {
		case errors.Is(err, metadata.ErrSchemeChanged):
			if scheme, err := c.store.Scheme(ctx, crowded); err == nil {
				c.scheme.Store(scheme)
			}
		case codeOf(err) == metadata.Unavailable && random.IntN(2) == 0: // the same again
		case err == nil || codeOf(err) == metadata.Unavailable || codeOf(err) == metadata.NotFound:
			return err
		default:
			c.Error(err)
			return err
		}
	}
	return errors.New("given up")
}

func codeOf(err error) metadata.Code {
	var e *metadata.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// until repeats what must not be left undone.
func (c *crowd) until(do func() error) {
	for end := time.Now().Add(time.Minute); ; {
		err := do()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			c.Error(err)
			return
		}
	}
}

// toggle makes a key searchable, or no longer, as the service does.
func (c *crowd) toggle(ctx context.Context, key string) {
	c.laying.Lock()
	defer c.laying.Unlock()
	var scheme *metadata.Scheme
	read := func() (err error) {
		scheme, err = c.store.Scheme(ctx, crowded)
		return err
	}
	c.until(read)
	change := metadata.SchemeChange{PutDefinition: &metadata.Definition{Key: key, Searchable: true}}
	for _, d := range scheme.Definitions {
		if d.Key == key {
			change = metadata.SchemeChange{DeleteDefinition: key, IfVersion: d.Version}
		}
	}
	change.Op, change.By, change.At = fmt.Sprintf("op-%d", c.op.Add(1)), "token:t", start
	c.until(func() error { _, err := c.store.ChangeScheme(ctx, crowded, change); return err })
	c.until(read)
	c.until(func() error { return c.store.Announce(ctx, scheme) })
	c.until(func() error { return c.store.Reindex(ctx, crowded, key) })
	c.scheme.Store(scheme)
}

// comeBack makes a user leave, removes what there is about him, and takes him in again.
func (c *crowd) comeBack(ctx context.Context, user string) {
	c.until(func() error {
		_, err := c.client.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
			pipe.HDel(ctx, c.space.User(user), "o:"+crowded)
			pipe.ZRem(ctx, c.space.UsersOf(c.space.Partition(user), crowded), user)
			return nil
		})
		return err
	})
	c.until(func() error { return c.store.Erase(ctx, user, []string{crowded}) })
	c.until(func() error { return c.join(ctx, user) })
}

func (c *crowd) join(ctx context.Context, user string) error {
	_, err := c.client.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
		pipe.HSet(ctx, c.space.User(user), "st", "active", "o:"+crowded, "1")
		pipe.ZAdd(ctx, c.space.UsersOf(c.space.Partition(user), crowded), redis.Z{Member: user})
		return nil
	})
	return err
}

// check compares the index, the terms and what searches find with what the documents hold.
func (c *crowd) check() {
	c.Helper()
	ctx := c.Context()
	scheme, err := c.store.Scheme(ctx, crowded)
	if err != nil {
		c.Fatal(err)
	}
	index := make(map[int][]string)
	hits := make(map[string][]string)
	for _, user := range c.users {
		doc, err := c.store.Get(ctx, metadata.Owner{Org: crowded, User: user})
		if err != nil {
			c.Fatal(err)
		}
		partition, terms := c.space.Partition(user), make(map[string]string)
		for _, d := range scheme.Definitions {
			if e, ok := doc.Entry(d.Key); ok && metadata.TermOf(e.Value) != "" {
				terms[d.Key] = metadata.TermOf(e.Value)
				index[partition] = append(index[partition], "k\x00"+d.Key+"\x00"+terms[d.Key]+"\x00"+user)
				hits[d.Key] = append(hits[d.Key], user)
			}
		}
		for _, group := range doc.Groups {
			index[partition] = append(index[partition], "g\x00"+group+"\x00"+user)
		}
		stored, err := c.client.HGetAll(ctx, c.space.Terms(crowded, user)).Result()
		if diff := cmp.Diff(terms, stored); err != nil || diff != "" {
			c.Errorf("terms of %s (-entries +terms): %v\n%s", user, err, diff)
		}
	}
	for partition := range c.space.Partitions() {
		stored, err := c.client.ZRange(ctx, c.space.Index(partition, crowded), 0, -1).Result()
		slices.Sort(index[partition])
		if diff := cmp.Diff(index[partition], stored, cmpopts.EquateEmpty()); err != nil || diff != "" {
			c.Errorf("partition %d (-entries +index): %v\n%s", partition, err, diff)
		}
	}
	for _, key := range crowdKeys {
		found, _, err := c.store.Search(ctx, crowded, metadata.Query{Has: &metadata.Match{Key: key}}, metadata.Page{Limit: 1000})
		slices.Sort(found)
		slices.Sort(hits[key])
		if diff := cmp.Diff(hits[key], found, cmpopts.EquateEmpty()); err != nil || diff != "" {
			c.Errorf("found by %s (-entries +search): %v\n%s", key, err, diff)
		}
	}
}
