package redisstore

import (
	"context"
	"errors"
	"strconv"

	"github.com/redis/go-redis/v9"
)

var numberClientScript = script("number_client")

// NumberClient implements auth.ClientStore.
func (s *Store) NumberClient(ctx context.Context, id string) (uint64, error) {
	doing := "number client:" + id
	reply, err := s.runner.Run(ctx, numberClientScript, []string{s.space.ClientNumbers()}, id)
	if err != nil {
		return 0, unavailable(doing, err)
	}
	n, err := number(reply)
	if err != nil || n == 0 {
		return 0, unavailable(doing, errors.Join(errNumbers, err))
	}
	return n, nil
}

// NumberedClient implements auth.ClientStore.
func (s *Store) NumberedClient(ctx context.Context, n uint64) (string, error) {
	doing := "read whose number " + strconv.FormatUint(n, 10) + " is"
	id, err := s.rdb.HGet(ctx, s.space.ClientNumbers(), "n:"+strconv.FormatUint(n, 10)).Result()
	if errors.Is(err, redis.Nil) {
		return "", nil
	}
	if err != nil {
		return "", unavailable(doing, err)
	}
	return id, nil
}

var errNumbers = errors.New("the numbers of clients are damaged")
