package redisstore

import (
	"context"
	"slices"

	"github.com/claimsmith/claimsmith/auth"
)

var _ auth.OriginStore = (*Store)(nil)

var addOriginScript = script("add_origin")

// addOrigins notes a client under the origins it is about to have. Nothing ever takes a client away from an origin: the two lie in
// different slots, and a client of the same id may be on its way in just then.
func (s *Store) addOrigins(ctx context.Context, c *auth.Client) error {
	for _, origin := range c.AllowedOrigins {
		if _, err := s.runner.Run(ctx, addOriginScript, []string{s.space.Origins(origin)}, c.ID); err != nil {
			return unavailable("note an origin of client:"+c.ID, err)
		}
	}
	return nil
}

// ClientsOfOrigin implements auth.OriginStore.
func (s *Store) ClientsOfOrigin(ctx context.Context, origin string) ([]string, error) {
	ids, err := s.rdb.SMembers(ctx, s.space.Origins(origin)).Result()
	if err != nil {
		return nil, unavailable("read the clients of an origin", err)
	}
	slices.Sort(ids)
	return ids, nil
}
