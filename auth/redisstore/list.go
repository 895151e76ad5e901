package redisstore

import (
	"context"

	"github.com/redis/go-redis/v9"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/internal/keyspace"
)

// list reads one page of an index that lies spread over the partitions, and fields of the objects in it. The order is that of the
// partitions, and by id within one: it never changes, so an object that exists throughout appears exactly once however many
// come and go meanwhile. read may drop an object, such as one removed since the index was read.
func list[T any](
	ctx context.Context, s *Store, index func(partition int) string, p auth.Page, of func(id string) object,
	fields []string, read func(o object, row []any) (item T, ok bool, err error),
) (items []T, next string, err error) {
	ids, next, err := s.members(ctx, index, p)
	if err != nil {
		return nil, "", err
	}
	pipe := s.rdb.Pipeline()
	rows := make([]*redis.SliceCmd, len(ids))
	for i, id := range ids {
		rows[i] = pipe.HMGet(ctx, of(id).key, fields...)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, "", unavailable("list", err)
	}
	items = make([]T, 0, len(ids))
	for i, id := range ids {
		item, ok, err := read(of(id), rows[i].Val())
		if err != nil {
			return nil, "", unavailable("list "+of(id).String(), err)
		}
		if ok {
			items = append(items, item)
		}
	}
	return items, next, nil
}

// listRecords is list for records that have no fields of their own. name gives a record what its JSON does not hold and reports
// whether it belongs in the list.
func listRecords[T any](
	ctx context.Context, s *Store, index func(partition int) string, p auth.Page, of func(id string) object,
	name func(record *T, id string, version uint64) bool,
) ([]T, string, error) {
	return list(ctx, s, index, p, of, []string{"v", "rec"}, func(o object, row []any) (record T, ok bool, err error) {
		version, found, err := decode(o, row[0], row[1], &record)
		return record, found && name(&record, o.id, version), err
	})
}

// members reads one page of ids. It looks at few partitions first, which suffice for a large index, and at twice as many each
// time, so that a small one takes seven round trips at 256 partitions.
func (s *Store) members(ctx context.Context, index func(partition int) string, p auth.Page) (ids []string, next string, err error) {
	partition, last, err := s.space.ParsePosition(p.After)
	if err != nil {
		return nil, "", &auth.Error{Code: auth.InvalidRequest, Detail: "this is not a position in the list", Err: err}
	}
	limit := max(p.Limit, 1)
	for width := 4; partition < s.space.Partitions(); width *= 2 {
		pipe := s.rdb.Pipeline()
		found := make([]*redis.StringSliceCmd, min(width, s.space.Partitions()-partition))
		for i := range found {
			after := "-"
			if last != "" {
				after, last = "("+last, ""
			}
			found[i] = pipe.ZRangeByLex(ctx, index(partition+i), &redis.ZRangeBy{
				Min: after, Max: "+", Count: int64(limit + 1 - len(ids)),
			})
		}
		if _, err := pipe.Exec(ctx); err != nil {
			return nil, "", unavailable("list", err)
		}
		for i, cmd := range found {
			for _, id := range cmd.Val() {
				if len(ids) == limit {
					return ids, next, nil
				}
				ids = append(ids, id)
				next = keyspace.Position(partition+i, id)
			}
		}
		partition += len(found)
	}
	return ids, "", nil
}
