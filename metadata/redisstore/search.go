package redisstore

import (
	"context"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/claimsmith/claimsmith/internal/keyspace"
	"github.com/claimsmith/claimsmith/metadata"
)

// Members of a partition's index, all of score 0, so that they are in the order of their bytes:
//
//	k NUL <key> NUL <term> NUL <user>    for an entry of a searchable key in the user-wide document
//	g NUL <group> NUL <user>             for a membership
//
// Members of the handles are `<handle> NUL <user>`, those of the users of an organisation their ids.

// leaf is a condition that a range of a sorted set in every partition answers.
type leaf struct {
	set       func(partition int) string
	beginning string // of the members
	// ordered: the range's members are in the order of their users.
	ordered bool
}

func everybody(space keyspace.Space, org string) leaf {
	return leaf{set: func(partition int) string { return space.UsersOf(partition, org) }, ordered: true}
}

// lexRange is the range of the members that begin alike. No text in UTF-8 has the byte 0xff.
func lexRange(beginning string) redis.ZRangeBy {
	if beginning == "" {
		return redis.ZRangeBy{Min: "-", Max: "+"}
	}
	return redis.ZRangeBy{Min: "[" + beginning, Max: "(" + beginning + "\xff"}
}

func keyRange(key string) string { return "k\x00" + key + "\x00" }

// search is a query over leaves. Exactly one member of a branch is set.
type search struct {
	leaves []leaf
	root   branch
}

type branch struct {
	all, any []branch
	not      *branch
	leaf     int // where the others are nil
}

func (s *Store) compile(org string, q metadata.Query) *search {
	index := func(partition int) string { return s.space.Index(partition, org) }
	handles := func(partition int) string { return s.space.HandlesOf(partition, org) }
	c := &search{}
	var add func(metadata.Query) branch
	add = func(q metadata.Query) (b branch) {
		switch {
		case q.All != nil:
			for _, part := range q.All {
				b.all = append(b.all, add(part))
			}
			return b
		case q.Any != nil:
			for _, part := range q.Any {
				b.any = append(b.any, add(part))
			}
			return b
		case q.Not != nil:
			part := add(*q.Not)
			b.not = &part
			return b
		case q.Has != nil && q.Has.Equals != nil:
			c.leaves = append(c.leaves, leaf{index, keyRange(q.Has.Key) + *q.Has.Equals + "\x00", true})
		case q.Has != nil && q.Has.Prefix != nil:
			c.leaves = append(c.leaves, leaf{index, keyRange(q.Has.Key) + *q.Has.Prefix, false})
		case q.Has != nil:
			c.leaves = append(c.leaves, leaf{index, keyRange(q.Has.Key), false})
		case q.Group != "":
			c.leaves = append(c.leaves, leaf{index, "g\x00" + q.Group + "\x00", true})
		case q.Handle != "":
			c.leaves = append(c.leaves, leaf{handles, q.Handle, false})
		default:
			c.leaves = append(c.leaves, everybody(s.space, org))
		}
		b.leaf = len(c.leaves) - 1
		return b
	}
	c.root = add(q)
	if c.root.inverted() { // then everybody is part of the answer
		c.root = branch{all: []branch{{leaf: len(c.leaves)}, c.root}}
		c.leaves = append(c.leaves, everybody(s.space, org))
	}
	return c
}

// inverted reports whether a branch is answered by those who are not in its set of users.
func (b branch) inverted() bool {
	isInverted := func(part branch) bool { return part.inverted() }
	switch {
	case b.not != nil:
		return !b.not.inverted()
	case b.any != nil:
		return slices.ContainsFunc(b.any, isInverted)
	default:
		return b.all != nil && !slices.ContainsFunc(b.all, func(part branch) bool { return !part.inverted() })
	}
}

// users are ascending ids, or, inverted, everybody but them.
type users struct {
	ids      []string
	inverted bool
}

func (b branch) eval(found [][]string) users {
	switch {
	case b.not != nil:
		u := b.not.eval(found)
		u.inverted = !u.inverted
		return u
	case b.all != nil:
		u := b.all[0].eval(found)
		for _, part := range b.all[1:] {
			u = u.and(part.eval(found))
		}
		return u
	case b.any != nil: // none of them is outside of all
		u := users{inverted: true}
		for _, part := range b.any {
			next := part.eval(found)
			next.inverted = !next.inverted
			u = u.and(next)
		}
		u.inverted = !u.inverted
		return u
	default:
		return users{ids: found[b.leaf]}
	}
}

func (u users) and(v users) users {
	switch {
	case u.inverted && v.inverted:
		return users{merge(u.ids, v.ids, true, true, true), true}
	case u.inverted:
		return users{merge(v.ids, u.ids, true, false, false), false}
	case v.inverted:
		return users{merge(u.ids, v.ids, true, false, false), false}
	default:
		return users{merge(u.ids, v.ids, false, true, false), false}
	}
}

// merge returns, in order, those only in a, in both, and only in b, as far as they are asked for.
func merge(a, b []string, onlyA, both, onlyB bool) []string {
	var out []string
	for len(a) > 0 && len(b) > 0 {
		switch order := strings.Compare(a[0], b[0]); {
		case order < 0:
			if onlyA {
				out = append(out, a[0])
			}
			a = a[1:]
		case order > 0:
			if onlyB {
				out = append(out, b[0])
			}
			b = b[1:]
		default:
			if both {
				out = append(out, a[0])
			}
			a, b = a[1:], b[1:]
		}
	}
	if onlyA {
		out = append(out, a...)
	}
	if onlyB {
		out = append(out, b...)
	}
	return out
}

// users returns the users of a range's members, each once, in order.
func (l leaf) users(members []string) []string {
	ids := members[:0]
	for _, member := range members {
		if strings.HasPrefix(member, l.beginning) { // miniredis takes "[-" for "-"
			ids = append(ids, userOf(member))
		}
	}
	if !l.ordered {
		slices.Sort(ids)
		ids = slices.Compact(ids)
	}
	return ids
}

// userOf is what is behind the last NUL.
func userOf(member string) string { return member[strings.LastIndexByte(member, 0)+1:] }

const (
	// firstPartitions are enough to fill a page from a large organisation; each following round trip looks at up to four times as many.
	firstPartitions = 16
	// rangesAtOnce and membersAtOnce bound a round trip, the latter by what there was to read in the one before.
	rangesAtOnce  = 2048
	membersAtOnce = 1 << 16
)

// Search is part of metadata.Store. Each condition is read on its own.
func (s *Store) Search(ctx context.Context, org string, q metadata.Query, p metadata.Page) ([]string, string, error) {
	found, next, err := s.find(ctx, s.compile(org, q), p)
	if err != nil || len(found) == 0 {
		return nil, next, err
	}
	found, err = s.members(ctx, org, found)
	if err != nil {
		return nil, "", err
	}
	return found, next, nil
}

// members leaves out, in place, those of some users who have left, or are being deleted: they may be in the index still.
func (s *Store) members(ctx context.Context, org string, found []string) ([]string, error) {
	pipe := s.client.Pipeline()
	records := make([]*redis.SliceCmd, len(found))
	for i, user := range found {
		records[i] = pipe.HMGet(ctx, s.space.User(user), recordFields(metadata.Owner{Org: org})...)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, metadata.Unknown("redisstore: search", err)
	}
	members := found[:0]
	for i, user := range found {
		if isOwner(records[i].Val(), metadata.Owner{Org: org}) {
			members = append(members, user)
		}
	}
	return members, nil
}

// find returns a page of who is found, in the order of the partitions, and by id within one: it never changes.
func (s *Store) find(ctx context.Context, c *search, p metadata.Page) (found []string, next string, err error) {
	partition, last, err := s.space.ParsePosition(p.After)
	if err != nil {
		return nil, "", &metadata.Error{Code: metadata.Invalid, Field: "cursor", Detail: "this is not a position in the list", Err: err}
	}
	limit := max(p.Limit, 1)
	// A range that is the whole query and in the order of the users need not be read to its end.
	paged := len(c.leaves) == 1 && c.leaves[0].ordered
	for width := firstPartitions; partition < s.space.Partitions(); {
		width = max(1, min(width, s.space.Partitions()-partition, rangesAtOnce/len(c.leaves)))
		atMost := 0
		if paged {
			atMost = limit + 1 - len(found)
		}
		answers, err := s.ranges(ctx, c, partition, width, last, atMost)
		if err != nil {
			return nil, "", metadata.Unknown("redisstore: search", err)
		}
		for i, answer := range answers {
			ids := c.root.eval(answer).ids
			if last != "" {
				after, exact := slices.BinarySearch(ids, last)
				if ids = ids[after:]; exact {
					ids = ids[1:]
				}
				last = ""
			}
			for _, id := range ids {
				if len(found) == limit {
					return found, next, nil
				}
				found = append(found, id)
				next = keyspace.Position(partition+i, id)
			}
		}
		partition += width
		width = min(width*4, membersAtOnce*width/(1+count(answers)))
	}
	return found, "", nil
}

func count(answers [][][]string) (members int) {
	for _, answer := range answers {
		for _, ids := range answer {
			members += len(ids)
		}
	}
	return members
}

// ranges reads the users of every leaf in some partitions, in one round trip. atMost, where it is not 0, bounds each range, which then
// begins after the last user of the first partition.
func (s *Store) ranges(ctx context.Context, c *search, partition, width int, last string, atMost int) ([][][]string, error) {
	pipe := s.client.Pipeline()
	cmds := make([]*redis.StringSliceCmd, 0, width*len(c.leaves))
	for i := range width {
		for _, l := range c.leaves {
			by := lexRange(l.beginning)
			by.Count = int64(atMost)
			if atMost > 0 && i == 0 && last != "" {
				by.Min = "(" + l.beginning + last
			}
			cmds = append(cmds, pipe.ZRangeByLex(ctx, l.set(partition+i), &by))
		}
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, err
	}
	answers := make([][][]string, width)
	for i := range answers {
		for j, l := range c.leaves {
			answers[i] = append(answers[i], l.users(cmds[i*len(c.leaves)+j].Val()))
		}
	}
	return answers, nil
}
