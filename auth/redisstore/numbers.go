package redisstore

import (
	"context"
	"errors"
	"strconv"

	"github.com/redis/go-redis/v9"

	"github.com/claimsmith/claimsmith/auth"
)

var (
	numberClientScript = script("number_client")
	numberUserScript   = script("number_user")
)

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
	return s.numbered(ctx, s.space.ClientNumbers(), n)
}

func (s *Store) numbered(ctx context.Context, numbers string, n uint64) (string, error) {
	doing := "read whose number " + strconv.FormatUint(n, 10) + " is"
	id, err := s.rdb.HGet(ctx, numbers, "n:"+strconv.FormatUint(n, 10)).Result()
	if errors.Is(err, redis.Nil) {
		return "", nil
	}
	if err != nil {
		return "", unavailable(doing, err)
	}
	return id, nil
}

// NumberUser implements auth.UserStore. Every partition counts for itself, and the numbers of partition p are those that leave p when
// divided by the number of partitions. Also a number known already is confirmed, since it must never become another user's.
func (s *Store) NumberUser(ctx context.Context, id string) (uint64, error) {
	o := s.userObject(id)
	doing := "number " + o.String()
	reply, err := s.runner.Run(ctx, numberUserScript, []string{o.key, s.userNumbers(id)}, id, s.space.Partition(id), s.space.Partitions())
	if err != nil {
		return 0, refused(doing, err, map[string]*auth.Error{"NOTFOUND": notFound(o.kind)})
	}
	n, err := number(reply)
	if err != nil || n == 0 {
		return 0, unavailable(doing, errors.Join(errNumbers, err))
	}
	return n, nil
}

// NumberedUser implements auth.UserStore.
func (s *Store) NumberedUser(ctx context.Context, n uint64) (string, error) {
	partition := int(n % uint64(s.space.Partitions())) //nolint:gosec // 1 to 16384
	return s.numbered(ctx, s.space.UserNumbers(partition), n)
}

func (s *Store) userNumbers(id string) string { return s.space.UserNumbers(s.space.Partition(id)) }

var errNumbers = errors.New("the numbers are damaged")
