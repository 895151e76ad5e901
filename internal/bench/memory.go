package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/claimsmith/claimsmith/internal/durable"
	"github.com/claimsmith/claimsmith/internal/keyspace"
	"github.com/claimsmith/claimsmith/metadata"
	metastore "github.com/claimsmith/claimsmith/metadata/redisstore"
)

const (
	memoryUsers  = 100_000
	memoryGoal   = 1.25
	memoryWriter = 16
)

// memory stores the same ten entries of 100,000 users, five of them claims, as bare hashes and as documents, and compares what
// redis-server says it uses. Bare are two hashes a user: the entries as seed 002's JSON without the key, and the claims' values. The
// users' records, which the documents need, are there before both measurements.
func memory(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "claimsmith-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	server, addr, err := redisServer(ctx, dir, otherCore)
	if err != nil {
		return err
	}
	defer server.stop()
	if err := waitForRedis(ctx, addr); err != nil {
		return err
	}
	rdb := redis.NewClient(&redis.Options{Addr: addr, ReadTimeout: 30 * time.Second})
	defer rdb.Close()

	space := keyspace.New(keyspace.DefaultPartitions)
	store := metastore.New(&durable.Runner{Client: rdb}, space)
	user := func(n int) string { return fmt.Sprintf("01jd3k5v8w9x2y4z6a7b%06d", n) }
	if err := forAll(func(n int) error {
		return rdb.HSet(ctx, space.User(user(n)), "st", "active", "o:default", "1").Err()
	}); err != nil {
		return err
	}
	start, err := used(ctx, rdb)
	if err != nil {
		return err
	}
	if err := forAll(func(n int) error {
		var entries, claims []string
		for k := range 10 {
			value := memoryValue(n, k)
			entries = append(entries, memoryKey(k), `{"value":`+value+`,"profileClaim":`+strconv.FormatBool(k < 5)+`}`)
			if k < 5 {
				claims = append(claims, memoryKey(k), value)
			}
		}
		if err := rdb.HSet(ctx, "bare:entries:default:"+user(n), entries).Err(); err != nil {
			return err
		}
		return rdb.HSet(ctx, "bare:claims:default:"+user(n), claims).Err()
	}); err != nil {
		return err
	}
	bare, err := used(ctx, rdb)
	if err != nil {
		return err
	}
	if err := forAll(func(n int) error {
		patch := metadata.Patch{Limits: metadata.DefaultLimits, ChangedBy: "token:bench", At: time.Now(), Op: "bench" + strconv.Itoa(n)}
		for k := range 10 {
			value, err := metadata.JSON([]byte(memoryValue(n, k)))
			if err != nil {
				return err
			}
			patch.Set = append(patch.Set, metadata.Put{Key: memoryKey(k), Value: value, ProfileClaim: k < 5})
		}
		_, err := store.Apply(ctx, metadata.Owner{Org: "default", User: user(n)}, patch)
		return err
	}); err != nil {
		return err
	}
	documents, err := used(ctx, rdb)
	if err != nil {
		return err
	}
	perBare, perDocument := (bare-start)/memoryUsers, (documents-bare)/memoryUsers
	fmt.Printf("%d users with 10 entries, 5 of them claims, hash-max-listpack-value 512\n", memoryUsers)
	fmt.Printf("bare hashes %d B/user, documents %d B/user, ratio %.2f (goal <= %.2f)\n",
		perBare, perDocument, float64(documents-bare)/float64(bare-start), memoryGoal)
	return nil
}

func memoryKey(k int) string { return "profile-entry-" + strconv.Itoa(k) }

func memoryValue(n, k int) string {
	return `"` + strings.Repeat("v", 20+k) + strconv.Itoa(n%10) + `"`
}

// forAll runs do for every user, several at a time.
func forAll(do func(n int) error) error {
	var workers sync.WaitGroup
	failures := make(chan error, memoryWriter)
	for w := range memoryWriter {
		workers.Go(func() {
			for n := w; n < memoryUsers; n += memoryWriter {
				if err := do(n); err != nil {
					failures <- err
					return
				}
			}
		})
	}
	workers.Wait()
	close(failures)
	return <-failures
}

func used(ctx context.Context, rdb *redis.Client) (int64, error) {
	info, err := rdb.Info(ctx, "memory").Result()
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(info, "used_memory_dataset:")
	value, _, _ := strings.Cut(rest, "\r\n")
	return strconv.ParseInt(value, 10, 64)
}
