package redisstore

import (
	"context"
	"time"

	"github.com/go-redis/redis_rate/v10"

	"github.com/claimsmith/claimsmith/auth"
)

// Take implements auth.Limiter with GCRA buckets, which redis_rate keeps under "rate:" + keyspace.Space.Limit until they are full
// again. It costs one round trip per bucket. The clock is the server's (TIME within the script), so all instances agree on it. A
// call whose reply was lost is sent again and then counts twice: the limit errs to the strict side by one.
func (s *Store) Take(ctx context.Context, buckets []auth.Bucket) (retryAfter time.Duration, err error) {
	for _, b := range buckets {
		result, err := s.limiter.Allow(ctx, s.space.Limit(b.Kind, b.Subject), redis_rate.Limit{Rate: 1, Period: b.Period, Burst: b.Burst})
		if err != nil {
			return 0, unavailable("take from limit "+b.Kind, err)
		}
		if result.Allowed == 0 {
			return max(result.RetryAfter, time.Millisecond), nil
		}
	}
	return 0, nil
}

// Reset implements auth.Limiter.
func (s *Store) Reset(ctx context.Context, buckets []auth.Bucket) error {
	for _, b := range buckets {
		if err := s.limiter.Reset(ctx, s.space.Limit(b.Kind, b.Subject)); err != nil {
			return unavailable("reset limit "+b.Kind, err)
		}
	}
	return nil
}
