package redisstore

import (
	"context"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/claimsmith/claimsmith/metadata"
)

// record, entries, claims and history name the keys of a document and of its owner.
func (s *Store) record(o metadata.Owner) string {
	if o.Shared() {
		return s.space.Org(o.Org)
	}
	return s.space.User(o.User)
}

func (s *Store) entries(o metadata.Owner) string {
	if o.Shared() {
		return s.space.SharedEntries(o.Org, o.Group)
	}
	return s.space.Entries(o.Org, o.User, o.App)
}

func (s *Store) claims(o metadata.Owner) string {
	if o.Shared() {
		return s.space.SharedClaims(o.Org, o.Group)
	}
	return s.space.Claims(o.Org, o.User, o.App)
}

func (s *Store) history(o metadata.Owner) string {
	if o.Shared() {
		return s.space.SharedHistory(o.Org, o.Group)
	}
	return s.space.History(o.Org, o.User, o.App)
}

// owner has a pipeline read whether a document's owner exists, as apply.lua does. What it returns tells, once the pipeline has run.
func (s *Store) owner(ctx context.Context, pipe redis.Pipeliner, o metadata.Owner) (found func() error) {
	if !o.Shared() {
		record := pipe.HMGet(ctx, s.record(o), recordFields(o)...)
		return func() error {
			if !isOwner(record.Val(), o) {
				return metadata.ErrUserNotFound
			}
			return nil
		}
	}
	org := pipe.HExists(ctx, s.record(o), "rec")
	if o.Group == "" {
		return func() error { return mustExist(org, "organisation") }
	}
	group := pipe.HExists(ctx, s.space.Scheme(o.Org), groupPrefix+o.Group)
	return func() error {
		if err := mustExist(org, "organisation"); err != nil {
			return err
		}
		return mustExist(group, "group")
	}
}

func mustExist(exists *redis.BoolCmd, what string) error {
	if !exists.Val() {
		return noSuch(what)
	}
	return nil
}

func noSuchEntry(key string) error {
	return &metadata.Error{Code: metadata.NotFound, Field: key, Detail: "no such entry"}
}

func noSuch(what string) error {
	return &metadata.Error{Code: metadata.NotFound, Detail: "no such " + what}
}

// recordFields are the fields of a user's record that decide whether o is a document's owner.
func recordFields(o metadata.Owner) []string {
	fields := []string{"st", "o:" + o.Org}
	if o.Handle != "" {
		fields = append(fields, handleField(o))
	}
	return fields
}

func isOwner(record []any, o metadata.Owner) bool {
	exists := record[0] == "active" || record[0] == "disabled"
	return exists && record[1] == "1" && (o.Handle == "" || record[2] == o.Handle)
}

func handleField(o metadata.Owner) string {
	switch {
	case o.Handle == "":
		return ""
	case strings.Contains(o.Handle, "@"):
		return "em"
	default:
		return "un"
	}
}
