package redisstore

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/claimsmith/claimsmith/internal/durable"
	"github.com/claimsmith/claimsmith/metadata"
)

//go:embed change_scheme.lua
var changeSchemeSource string

//go:embed announce.lua
var announceSource string

//go:embed announced.lua
var announcedSource string

var (
	changeSchemeScript = redis.NewScript(changeSchemeSource)
	announceScript     = redis.NewScript(announceSource)
	announcedScript    = redis.NewScript(announcedSource)
)

// snapshotTries is how often a scheme is read that changes while it is.
const snapshotTries = 20

var errRestless = errors.New("it was changed every time it was read")

// Scheme is part of metadata.SchemeStore.
func (s *Store) Scheme(ctx context.Context, org string) (*metadata.Scheme, error) {
	scheme, err := s.scheme(ctx, org, func(redis.Pipeliner) {})
	if err != nil {
		return nil, metadata.Unknown("redisstore: read the scheme of "+org, err)
	}
	return scheme, nil
}

// SchemeHistory is part of metadata.SchemeStore.
func (s *Store) SchemeHistory(ctx context.Context, org string) (*metadata.Scheme, []metadata.SchemeRevision, error) {
	var history *redis.StringSliceCmd
	scheme, err := s.scheme(ctx, org, func(pipe redis.Pipeliner) { history = pipe.LRange(ctx, s.space.SchemeHistory(org), 0, -1) })
	var past []metadata.SchemeRevision
	if err == nil {
		past, err = parseSchemeHistory(history.Val())
	}
	if err != nil {
		return nil, nil, metadata.Unknown("redisstore: read the history of the scheme of "+org, err)
	}
	return scheme, past, nil
}

// scheme reads a scheme and what else also asks for, as one snapshot: everything that changes any of it raises the revision, which is
// read first and last. Without groups that is one round trip.
func (s *Store) scheme(ctx context.Context, org string, also func(redis.Pipeliner)) (*metadata.Scheme, error) {
	for range snapshotTries {
		pipe := s.client.Pipeline()
		fields, own := pipe.HGetAll(ctx, s.space.Scheme(org)), pipe.HGetAll(ctx, s.space.SharedClaims(org, ""))
		also(pipe)
		last := pipe.HMGet(ctx, s.space.Scheme(org), "")
		if _, err := pipe.Exec(ctx); err != nil {
			return nil, err
		}
		scheme, err := parseScheme(org, fields.Val())
		if err != nil {
			return nil, err
		}
		shared := map[string]*redis.MapStringStringCmd{"": own}
		if len(scheme.Groups) > 0 {
			pipe := s.client.Pipeline()
			for _, group := range scheme.Groups {
				shared[group.ID] = pipe.HGetAll(ctx, s.space.SharedClaims(org, group.ID))
			}
			last = pipe.HMGet(ctx, s.space.Scheme(org), "")
			if _, err := pipe.Exec(ctx); err != nil {
				return nil, err
			}
		}
		if revision, _ := last.Val()[0].(string); revision != fields.Val()[""] {
			continue
		}
		for group, fields := range shared {
			if claims, _, _, err := parseClaims(fields.Val()); err != nil {
				return nil, err
			} else if len(claims) > 0 {
				scheme.Shared[group] = claims
			}
		}
		return scheme, nil
	}
	return nil, errRestless
}

// ChangeScheme is part of metadata.SchemeStore.
func (s *Store) ChangeScheme(ctx context.Context, org string, c metadata.SchemeChange) (revision uint64, err error) {
	o, err := objectOf(c)
	if err != nil {
		return 0, err
	}
	if c.By == "" || strings.ContainsAny(c.By+c.Via, " \t\n\v\f\r") || c.Op == "" || strings.ContainsAny(c.Op, "@ ") {
		return 0, fmt.Errorf("redisstore: operation %q by %q cannot be recorded", c.Op, c.By)
	}
	keys := []string{s.space.Scheme(org), s.space.SchemeHistory(org)}
	reply, err := s.runner.Run(ctx, changeSchemeScript, keys, c.Op, formatTime(c.At), c.By, c.Via, o.field, c.IfVersion, o.json, o.unique)
	if err != nil {
		return 0, o.verdict(err)
	}
	text, _ := reply.(string)
	if !parseUint(text, 10, &revision) {
		return 0, metadata.Unknown("redisstore: change a scheme", fmt.Errorf("unexpected reply %v", reply))
	}
	return revision, nil
}

// verdict translates the refusals of change_scheme.lua.
func (o schemeObject) verdict(err error) error {
	word, rest, _ := durable.Verdict(err)
	kind, name := "definition", o.field[len(definitionPrefix):]
	if strings.HasPrefix(o.field, groupPrefix) {
		kind, name = "group", ""
	}
	switch word {
	case "NOTFOUND":
		return &metadata.Error{Code: metadata.NotFound, Field: name, Detail: "no such " + kind}
	case "PRECONDITION":
		return &metadata.Error{Code: metadata.PreconditionFailed, Field: name, Detail: "the current version is " + rest}
	case "CONFLICT":
		detail := "this " + kind + " exists"
		if reason, other, _ := strings.Cut(rest, " "); reason == "slug" {
			detail = "another group has this slug"
		} else if reason == "case" {
			detail = "the key of the definition " + other + " differs only in case"
		}
		return &metadata.Error{Code: metadata.Conflict, Field: name, Detail: detail}
	}
	return metadata.Unknown("redisstore: change a scheme", err)
}

// Announce is part of metadata.SchemeStore.
func (s *Store) Announce(ctx context.Context, scheme *metadata.Scheme) error {
	args := []any{scheme.Revision}
	for _, d := range scheme.Definitions {
		if d.Searchable {
			args = append(args, d.Key)
		}
	}
	calls := make([]durable.Call, s.space.Partitions())
	for partition := range calls {
		calls[partition] = durable.Call{Keys: []string{s.space.Announced(partition, scheme.Org)}, Args: args}
	}
	_, err := s.runner.RunAll(ctx, announceScript, calls)
	if err == nil {
		_, err = s.runner.Run(ctx, announcedScript, []string{s.space.Scheme(scheme.Org)}, scheme.Revision)
	}
	if err != nil {
		return metadata.Unknown("redisstore: announce the scheme of "+scheme.Org, err)
	}
	return nil
}
