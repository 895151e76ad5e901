package redisstore

import (
	"context"
	"fmt"
	"time"

	"github.com/claimsmith/claimsmith/auth"
)

var _ auth.OnceStore = (*Store)(nil)

var onceScript = script("once")

// Once implements auth.OnceStore.
func (s *Store) Once(ctx context.Context, kind, subject, op string, until time.Time) (bool, error) {
	doing := "use once: " + kind
	reply, err := s.runner.Run(ctx, onceScript, []string{s.space.Once(kind, subject)}, op, until.UnixMilli())
	if err != nil {
		return false, unavailable(doing, err)
	}
	first, ok := reply.(string)
	if !ok {
		return false, unavailable(doing, fmt.Errorf("unexpected reply %T", reply))
	}
	return first == op, nil
}
