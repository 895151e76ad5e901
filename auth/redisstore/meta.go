package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/redis/go-redis/v9"

	"github.com/claimsmith/claimsmith/internal/durable"
	"github.com/claimsmith/claimsmith/internal/keyspace"
)

// schema is the version of everything stored that this program writes and reads. It changes with every format that its predecessor does
// not read, or that does not read its predecessor's.
const schema = 2

// maxPartitions is what keyspace.New takes.
const maxPartitions = 16384

// ErrNotInitialised means that the Redis holds no installation: it is new, or it is not the one that was meant.
var ErrNotInitialised = errors.New("redis holds no claimsmith installation")

// Open returns the key space of the installation a Redis holds. A server that has not been initialised is ErrNotInitialised: an
// empty Redis may be the wrong one, or one that lost its data, and must not pass for a new installation.
func Open(ctx context.Context, c redis.UniversalClient) (keyspace.Space, error) {
	facts, err := c.HMGet(ctx, keyspace.Meta, "partitions", "schema").Result()
	if err != nil {
		return keyspace.Space{}, fmt.Errorf("open the installation: %w", err)
	}
	return readFacts(facts)
}

var initialiseScript = script("initialise")

// Initialise makes a Redis an installation with that many partitions, for good. One that is already keeps the facts it has, and
// the key space returned is that of those, so it can be repeated and any number of instances may try.
func Initialise(ctx context.Context, r *durable.Runner, partitions int) (keyspace.Space, error) {
	if _, err := partitionCount(strconv.Itoa(partitions)); err != nil {
		return keyspace.Space{}, fmt.Errorf("initialise the installation: %w", err)
	}
	reply, err := r.Run(ctx, initialiseScript, []string{keyspace.Meta}, partitions, schema)
	if err != nil {
		return keyspace.Space{}, fmt.Errorf("initialise the installation: %w", err)
	}
	facts, _ := reply.([]any)
	return readFacts(facts)
}

func readFacts(facts []any) (keyspace.Space, error) {
	stored := texts(facts)
	if len(stored) == 0 {
		return keyspace.Space{}, ErrNotInitialised
	}
	if len(stored) != 2 {
		return keyspace.Space{}, fmt.Errorf("%s is damaged: %q", keyspace.Meta, facts)
	}
	if stored[1] != strconv.Itoa(schema) {
		return keyspace.Space{}, fmt.Errorf(
			"the data in this redis has format %q, and this version of claimsmith reads and writes format %d alone: run the version that wrote it",
			stored[1], schema)
	}
	partitions, err := partitionCount(stored[0])
	if err != nil {
		return keyspace.Space{}, fmt.Errorf("%s is damaged: %w", keyspace.Meta, err)
	}
	return keyspace.New(partitions), nil
}

func partitionCount(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxPartitions {
		return 0, fmt.Errorf("%q partitions, want 1 to %d", text, maxPartitions)
	}
	return n, nil
}
