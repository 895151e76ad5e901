package redisstore

import (
	"context"
	"fmt"
	"time"

	"github.com/claimsmith/claimsmith/auth"
)

var _ auth.PushedStore = (*Store)(nil)

var (
	pushScript       = script("push")
	takePushedScript = script("take_pushed")
)

// Push implements auth.PushedStore. Another request under the id is a Conflict.
func (s *Store) Push(ctx context.Context, id string, request []byte, until time.Time) error {
	if _, err := s.runner.Run(ctx, pushScript, []string{s.space.Pushed(id)}, request, until.UnixMilli()); err != nil {
		return refused("push a request", err, map[string]*auth.Error{
			"CONFLICT": {Code: auth.Conflict, Detail: "this id is in use"},
		})
	}
	return nil
}

// TakePushed implements auth.PushedStore. The end of a request is left to Redis: its clock and that of who pushed it may differ by
// what the clocks of two instances may.
func (s *Store) TakePushed(ctx context.Context, id, op string) ([]byte, error) {
	const doing = "take a pushed request"
	reply, err := s.runner.Run(ctx, takePushedScript, []string{s.space.Pushed(id)}, op)
	if err != nil {
		return nil, refused(doing, err, map[string]*auth.Error{"NOTFOUND": notFound("pushed request")})
	}
	request, ok := reply.(string)
	if !ok {
		return nil, unavailable(doing, fmt.Errorf("unexpected reply %T", reply))
	}
	return []byte(request), nil
}
