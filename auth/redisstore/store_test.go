package redisstore_test

import (
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

func TestContract(t *testing.T) {
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		storetest.Run(t, open(b.Client), open(b.Client))
	})
}
