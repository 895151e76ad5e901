package redisstore

import (
	"context"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/claimsmith/claimsmith/metadata"
)

// usersAtOnce bounds what a scan keeps in memory.
const usersAtOnce = 128

// Scan is part of metadata.Store. A user's own document is followed by those of applications about him, by name.
func (s *Store) Scan(ctx context.Context, org string, what metadata.Extent, visit func(metadata.Holding) error) error {
	return s.eachUser(ctx, org, what.Group, func(users []string) error {
		owners, err := s.owners(ctx, org, users, what.Group == "")
		if err != nil {
			return err
		}
		for chunk := range slices.Chunk(owners, usersAtOnce) {
			found, err := s.holdings(ctx, chunk, what)
			if err != nil {
				return err
			}
			for _, h := range found {
				if err := visit(h); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// eachUser visits the users of an organisation, or those in a group, some at once. Where a partition has many it reads on
// there, so that it reads hardly anybody twice.
func (s *Store) eachUser(ctx context.Context, org, group string, visit func(users []string) error) error {
	c := s.compile(org, metadata.Query{Group: group})
	for partition, last, width := 0, "", firstPartitions; partition < s.space.Partitions(); {
		width = max(1, min(width, s.space.Partitions()-partition, rangesAtOnce))
		answers, err := s.ranges(ctx, c, partition, width, last, usersAtOnce)
		if err != nil {
			return metadata.Unknown("redisstore: list users", err)
		}
		var users []string
		next := min(width*4, membersAtOnce*width/(1+count(answers)))
		if last != "" {
			next = 1 // where one partition has many, others have
		}
		partition, last = partition+width, ""
		for i, answer := range answers {
			users = append(users, answer[0]...)
			if len(answer[0]) == usersAtOnce {
				partition, last, next = partition-width+i, answer[0][usersAtOnce-1], 1
				break
			}
		}
		width = next
		for chunk := range slices.Chunk(users, usersAtOnce) {
			if group != "" {
				if chunk, err = s.members(ctx, org, chunk); err != nil {
					return err
				}
			}
			if len(chunk) == 0 {
				continue
			}
			if err := visit(chunk); err != nil {
				return err
			}
		}
	}
	return nil
}

// owners lists the documents of users.
func (s *Store) owners(ctx context.Context, org string, users []string, apps bool) ([]metadata.Owner, error) {
	documents := make([]*redis.StringSliceCmd, len(users))
	if apps {
		pipe := s.client.Pipeline()
		for i, user := range users {
			documents[i] = pipe.SMembers(ctx, s.space.AppDocuments(user))
		}
		if _, err := pipe.Exec(ctx); err != nil {
			return nil, metadata.Unknown("redisstore: list documents", err)
		}
	}
	var owners []metadata.Owner
	for i, user := range users {
		owners = append(owners, metadata.Owner{Org: org, User: user})
		if apps {
			names := documents[i].Val()
			slices.Sort(names)
			for _, name := range names {
				if app, ok := strings.CutPrefix(name, org+":"); ok {
					owners = append(owners, metadata.Owner{Org: org, User: user, App: app})
				}
			}
		}
	}
	return owners, nil
}

// holdings reads of each document what is asked for, as one snapshot of it.
func (s *Store) holdings(ctx context.Context, owners []metadata.Owner, what metadata.Extent) ([]metadata.Holding, error) {
	found := make([]metadata.Holding, len(owners))
	pending := make([]int, len(owners))
	for i := range pending {
		pending[i] = i
	}
	for range snapshotTries {
		var again []int
		pipe := s.client.Pipeline()
		entries, claims := make(map[int]*redis.SliceCmd), make(map[int]*redis.MapStringStringCmd)
		for _, i := range pending {
			o := owners[i]
			if !what.Claims || len(what.Keys) > 0 {
				entries[i] = pipe.HMGet(ctx, s.space.Entries(o.Org, o.User, o.App), append([]string{headerField}, what.Keys...)...)
			}
			if what.Claims {
				claims[i] = pipe.HGetAll(ctx, s.space.Claims(o.Org, o.User, o.App))
			}
		}
		if _, err := pipe.Exec(ctx); err != nil {
			return nil, metadata.Unknown("redisstore: read documents", err)
		}
		for _, i := range pending {
			h, whole, err := parseHolding(owners[i], what.Keys, entries[i], claims[i])
			if err != nil {
				return nil, metadata.Unknown("redisstore: read documents", err)
			}
			if found[i] = h; !whole {
				again = append(again, i)
			}
		}
		if pending = again; len(pending) == 0 {
			return found, nil
		}
	}
	return nil, metadata.Unknown("redisstore: read documents", errRestless)
}

// parseHolding reports in whole whether what was read of both hashes is of one revision.
func parseHolding(o metadata.Owner, keys []string, entries *redis.SliceCmd, claims *redis.MapStringStringCmd) (
	h metadata.Holding, whole bool, err error,
) {
	h = metadata.Holding{Owner: o}
	if claims != nil {
		if h.Claims, h.Groups, h.Revision, err = parseClaims(claims.Val()); err != nil {
			return h, false, err
		}
	}
	if entries == nil {
		return h, true, nil
	}
	header, ok := entries.Val()[0].(string)
	if !ok {
		return h, claims == nil || h.Revision == 0, nil
	}
	document, err := parseHeader(header)
	if err != nil {
		return h, false, err
	}
	whole = claims == nil || h.Revision == document.revision
	h.Revision = document.revision
	for i, key := range keys {
		if stored, ok := entries.Val()[i+1].(string); ok {
			e, err := parseEntry(key, stored, document.author)
			if err != nil {
				return h, false, err
			}
			h.Entries = append(h.Entries, e)
		}
	}
	slices.SortFunc(h.Entries, func(a, b metadata.Entry) int { return strings.Compare(a.Key, b.Key) })
	return h, whole, nil
}
