package redisstore_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/claimsmith/claimsmith/internal/durable"
	"github.com/claimsmith/claimsmith/internal/keyspace"
	"github.com/claimsmith/claimsmith/internal/redistest"
	"github.com/claimsmith/claimsmith/metadata"
	"github.com/claimsmith/claimsmith/metadata/redisstore"
	"github.com/claimsmith/claimsmith/metadata/storetest"
)

// listed counts what reads of ranges answer.
type listed struct{ members int }

func (l *listed) DialHook(next redis.DialHook) redis.DialHook { return next }

func (l *listed) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

func (l *listed) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		err := next(ctx, cmds)
		for _, cmd := range cmds {
			if found, ok := cmd.(*redis.StringSliceCmd); ok && cmd.Name() == "zrangebylex" {
				l.members += len(found.Val())
			}
		}
		return err
	}
}

func TestAScanReadsNobodyManyTimes(t *testing.T) {
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		space := keyspace.New(32)
		store := redisstore.New(&durable.Runner{Client: b.Client}, space)
		users := &storetest.Users{Client: b.Client, Space: space}
		const many = 6000
		pipe := b.Client.Pipeline()
		var want []string
		for n := range many {
			id := fmt.Sprintf("u%04d", n)
			if n%20 == 0 { // the others are only listed
				users.New(t, storetest.User{ID: id, Orgs: []string{"default"}})
				want = append(want, id)
			}
			pipe.ZAdd(t.Context(), space.UsersOf(space.Partition(id), "default"), redis.Z{Member: id})
			pipe.ZAdd(t.Context(), space.Index(space.Partition(id), "default"), redis.Z{Member: "g\x00staff\x00" + id})
		}
		if _, err := pipe.Exec(t.Context()); err != nil {
			t.Fatal(err)
		}
		count := &listed{}
		b.Client.AddHook(count)
		for group, visits := range map[string]int{"": many, "staff": len(want)} {
			count.members = 0
			var visited []string
			err := store.Scan(t.Context(), "default", metadata.Extent{Claims: true, Group: group}, func(h metadata.Holding) error {
				visited = append(visited, h.Owner.User)
				return nil
			})
			slices.Sort(visited)
			if err != nil || len(visited) != visits || len(slices.Compact(visited)) != visits {
				t.Errorf("group %q: %d visits, want %d; %v", group, len(visited), visits, err)
			}
			if group != "" && !slices.Equal(visited, want) {
				t.Errorf("group %q: others than its members were visited", group)
			}
			if count.members > 2*many {
				t.Errorf("group %q: %d users were read to visit %d", group, count.members, visits)
			}
		}
	})
}
