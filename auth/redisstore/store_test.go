package redisstore_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/claimsmith/claimsmith/auth/redisstore"
	"github.com/claimsmith/claimsmith/auth/storetest"
	"github.com/claimsmith/claimsmith/internal/durable"
	"github.com/claimsmith/claimsmith/internal/keyspace"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

var space = keyspace.New(keyspace.DefaultPartitions)

func open(c redis.UniversalClient) *redisstore.Store {
	return redisstore.New(&durable.Runner{Client: c}, space)
}

// searched is a store whose indexes are looked into.
type searched struct {
	*redisstore.Store
	client redis.UniversalClient
}

func (s searched) HandlesIn(ctx context.Context, org string) ([]string, error) {
	pipe := s.client.Pipeline()
	partitions := make([]*redis.StringSliceCmd, space.Partitions())
	for p := range partitions {
		partitions[p] = pipe.ZRange(ctx, space.HandlesOf(p, org), 0, -1)
	}
	_, err := pipe.Exec(ctx)
	var found []string
	for _, p := range partitions {
		for _, member := range p.Val() {
			found = append(found, strings.Replace(member, "\x00", " ", 1))
		}
	}
	slices.Sort(found)
	return found, err
}

func TestContract(t *testing.T) {
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		storetest.Run(t, searched{open(b.Client), b.Client}, searched{open(b.Client), b.Client})
	})
}
