package redisstore_test

import (
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/claimsmith/claimsmith/internal/durable"
	"github.com/claimsmith/claimsmith/internal/keyspace"
	"github.com/claimsmith/claimsmith/internal/redistest"
	"github.com/claimsmith/claimsmith/metadata"
	"github.com/claimsmith/claimsmith/metadata/redisstore"
	"github.com/claimsmith/claimsmith/metadata/storetest"
)

func TestMain(m *testing.M) { redistest.Main(m) }

var space = keyspace.New(keyspace.DefaultPartitions)

func open(client redis.UniversalClient) (*redisstore.Store, *storetest.Users) {
	return redisstore.New(&durable.Runner{Client: client}, space), &storetest.Users{Client: client, Space: space}
}

func TestStore(t *testing.T) {
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		storetest.Run(t, func(*testing.T) (metadata.Store, *storetest.Users) { return open(b.Client) })
	})
}
