package redisstore

import (
	"context"
	_ "embed"

	"github.com/redis/go-redis/v9"

	"github.com/claimsmith/claimsmith/internal/durable"
	"github.com/claimsmith/claimsmith/metadata"
)

//go:embed reindex.lua
var reindexSource string

//go:embed unindex.lua
var unindexSource string

var (
	reindexScript = redis.NewScript(reindexSource)
	unindexScript = redis.NewScript(unindexSource)
)

// Reindex is part of metadata.SchemeStore. What a partition has been told decides, at every step: a key that is made searchable
// meanwhile keeps what there is in the index, one that is no longer gets no more.
func (s *Store) Reindex(ctx context.Context, org, key string) error {
	pipe := s.client.Pipeline()
	told := make([]*redis.SliceCmd, s.space.Partitions())
	for partition := range told {
		told[partition] = pipe.HMGet(ctx, s.space.Announced(partition, org), key)
	}
	_, err := pipe.Exec(ctx)
	var without []int
	for partition, cmd := range told {
		if err == nil && cmd.Val()[0] != "1" {
			without = append(without, partition)
		}
	}
	if err == nil {
		err = s.unindex(ctx, org, key, without)
	}
	if err == nil && len(without) < len(told) {
		err = s.eachUser(ctx, org, "", func(users []string) error { return s.index(ctx, org, key, users) })
	}
	if err != nil {
		return metadata.Unknown("redisstore: index a key", err)
	}
	return nil
}

// index brings entries of users into the index. One that is written meanwhile was indexed then.
func (s *Store) index(ctx context.Context, org, key string, users []string) error {
	for range snapshotTries {
		pipe := s.client.Pipeline()
		entries := make([]*redis.SliceCmd, len(users))
		for i, user := range users {
			entries[i] = pipe.HMGet(ctx, s.space.Entries(org, user, ""), headerField, key)
		}
		if _, err := pipe.Exec(ctx); err != nil {
			return err
		}
		var calls []durable.Call
		var called []string
		for i, user := range users {
			h, _, err := parseHolding(metadata.Owner{}, []string{key}, entries[i], nil)
			if err != nil {
				return err
			}
			if len(h.Entries) == 0 {
				continue
			}
			called = append(called, user)
			calls = append(calls, durable.Call{
				Keys: []string{
					s.space.Entries(org, user, ""), s.space.Terms(org, user), s.space.Index(s.space.Partition(user), org),
					s.space.Announced(s.space.Partition(user), org),
				},
				Args: []any{key, h.Entries[0].Revision, metadata.TermOf(h.Entries[0].Value), user},
			})
		}
		replies, err := s.runner.RunAll(ctx, reindexScript, calls)
		if err != nil {
			return err
		}
		users = nil
		for i, reply := range replies {
			if reply == int64(0) {
				users = append(users, called[i])
			}
		}
		if len(users) == 0 {
			return nil
		}
	}
	return errRestless
}

// removedAtOnce bounds a run of unindex.lua.
const removedAtOnce = 64

// unindex removes a key from the index of partitions.
func (s *Store) unindex(ctx context.Context, org, key string, partitions []int) error {
	some := lexRange(keyRange(key))
	some.Count = removedAtOnce
	for len(partitions) > 0 {
		pipe := s.client.Pipeline()
		found := make([]*redis.StringSliceCmd, len(partitions))
		for i, partition := range partitions {
			found[i] = pipe.ZRangeByLex(ctx, s.space.Index(partition, org), &some)
		}
		if _, err := pipe.Exec(ctx); err != nil {
			return err
		}
		var calls []durable.Call
		var called []int
		for i, partition := range partitions {
			members := found[i].Val()
			if len(members) == 0 {
				continue
			}
			call := durable.Call{Keys: []string{s.space.Announced(partition, org), s.space.Index(partition, org)}, Args: []any{key}}
			for _, member := range members {
				call.Args = append(call.Args, member)
				call.Keys = append(call.Keys, s.space.Terms(org, userOf(member)))
			}
			calls, called = append(calls, call), append(called, partition)
		}
		replies, err := s.runner.RunAll(ctx, unindexScript, calls)
		if err != nil {
			return err
		}
		partitions = nil
		for i, reply := range replies {
			if reply == int64(1) {
				partitions = append(partitions, called[i])
			}
		}
	}
	return nil
}
