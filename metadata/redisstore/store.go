// Package redisstore keeps metadata in Redis. It owns the layout of a document, which is two hashes and a list of what they were, and the
// script that is the only writer of them, and of what users are found by; see apply.lua and codec.go. It knows no rule about who may
// write what.
package redisstore

import (
	"context"
	_ "embed"
	"errors"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/claimsmith/claimsmith/internal/durable"
	"github.com/claimsmith/claimsmith/internal/keyspace"
	"github.com/claimsmith/claimsmith/metadata"
)

//go:embed erase.lua
var eraseSource string

var eraseScript = redis.NewScript(eraseSource)

var _ metadata.Store = (*Store)(nil)

// Store is a metadata.Store. Reads go to the client of its runner, which reads from primaries alone.
type Store struct {
	client redis.UniversalClient
	runner *durable.Runner
	space  keyspace.Space
}

// New returns a store in the Redis of runner.
func New(runner *durable.Runner, space keyspace.Space) *Store {
	return &Store{client: runner.Client, runner: runner, space: space}
}

// Get is part of metadata.Store.
func (s *Store) Get(ctx context.Context, o metadata.Owner) (metadata.Document, error) {
	pipe := s.client.Pipeline()
	found := s.owner(ctx, pipe, o)
	entries := pipe.HGetAll(ctx, s.entries(o))
	if _, err := pipe.Exec(ctx); err != nil {
		return metadata.Document{}, metadata.Unknown("redisstore: read document", err)
	}
	if err := found(); err != nil {
		return metadata.Document{}, err
	}
	doc, err := parseDocument(entries.Val())
	if err != nil {
		return metadata.Document{}, metadata.Unknown("redisstore: read document", err)
	}
	return doc, nil
}

// GetEntry is part of metadata.Store.
func (s *Store) GetEntry(ctx context.Context, o metadata.Owner, key string) (metadata.Entry, error) {
	pipe := s.client.Pipeline()
	found := s.owner(ctx, pipe, o)
	fields := pipe.HMGet(ctx, s.entries(o), headerField, key)
	if _, err := pipe.Exec(ctx); err != nil {
		return metadata.Entry{}, metadata.Unknown("redisstore: read entry", err)
	}
	if err := found(); err != nil {
		return metadata.Entry{}, err
	}
	header, _ := fields.Val()[0].(string)
	stored, ok := fields.Val()[1].(string)
	if !ok {
		return metadata.Entry{}, noSuchEntry(key)
	}
	h, err := parseHeader(header)
	if err != nil {
		return metadata.Entry{}, metadata.Unknown("redisstore: read entry", err)
	}
	e, err := parseEntry(key, stored, h.author)
	if err != nil {
		return metadata.Entry{}, metadata.Unknown("redisstore: read entry", err)
	}
	return e, nil
}

// readAtOnce is how many documents GetAll asks for in one pipeline.
const readAtOnce = 100

// GetAll is part of metadata.Store.
func (s *Store) GetAll(ctx context.Context, org string, users []string) ([]*metadata.Document, error) {
	docs := make([]*metadata.Document, 0, len(users))
	for chunk := range slices.Chunk(users, readAtOnce) {
		pipe := s.client.Pipeline()
		found := make([]func() error, len(chunk))
		entries := make([]*redis.MapStringStringCmd, len(chunk))
		for i, user := range chunk {
			o := metadata.Owner{Org: org, User: user}
			found[i], entries[i] = s.owner(ctx, pipe, o), pipe.HGetAll(ctx, s.entries(o))
		}
		if _, err := pipe.Exec(ctx); err != nil {
			return nil, metadata.Unknown("redisstore: read documents", err)
		}
		for i := range chunk {
			if found[i]() != nil {
				docs = append(docs, nil)
				continue
			}
			doc, err := parseDocument(entries[i].Val())
			if err != nil {
				return nil, metadata.Unknown("redisstore: read documents", err)
			}
			docs = append(docs, &doc)
		}
	}
	return docs, nil
}

// Documents is part of metadata.Store.
func (s *Store) Documents(ctx context.Context, org, user string) ([]metadata.Owner, error) {
	userWide := metadata.Owner{Org: org, User: user}
	pipe := s.client.Pipeline()
	found := s.owner(ctx, pipe, userWide)
	members := pipe.SMembers(ctx, s.space.AppDocuments(user))
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, metadata.Unknown("redisstore: list documents", err)
	}
	if err := found(); err != nil {
		return nil, err
	}
	all := []metadata.Owner{userWide}
	for _, app := range applicationsIn(org, members.Val()) {
		all = append(all, metadata.Owner{Org: org, User: user, App: app})
	}
	return all, nil
}

// applicationsIn returns the applications of an organisation among the members of a set of application documents.
func applicationsIn(org string, members []string) []string {
	var apps []string
	for _, member := range members {
		if app, ok := strings.CutPrefix(member, org+":"); ok {
			apps = append(apps, app)
		}
	}
	slices.Sort(apps)
	return apps
}

// ProfileClaims is part of metadata.Store.
func (s *Store) ProfileClaims(ctx context.Context, org, user, app string) (context.Context, func() (metadata.Claims, error)) {
	userWide := redis.NewMapStringStringCmd(ctx, "hgetall", s.space.Claims(org, user, ""))
	cmds := []redis.Cmder{userWide}
	var appOwn *redis.MapStringStringCmd
	if app != "" {
		appOwn = redis.NewMapStringStringCmd(ctx, "hgetall", s.space.Claims(org, user, app))
		cmds = append(cmds, appOwn)
	}
	with, reads := durable.WithReads(ctx, cmds...)
	return with, func() (c metadata.Claims, err error) {
		if !reads.Sent() {
			err = s.send(ctx, cmds)
		}
		if err = errors.Join(err, userWide.Err()); err == nil {
			c.User, c.Groups, c.Revision, err = parseClaims(userWide.Val())
		}
		if appOwn != nil && err == nil {
			if err = appOwn.Err(); err == nil {
				c.App, _, c.AppRevision, err = parseClaims(appOwn.Val())
			}
		}
		if err != nil {
			return metadata.Claims{}, metadata.Unknown("redisstore: read claims", err)
		}
		return c, nil
	}
}

func (s *Store) send(ctx context.Context, cmds []redis.Cmder) error {
	if len(cmds) == 1 {
		return s.client.Process(ctx, cmds[0])
	}
	pipe := s.client.Pipeline()
	for _, cmd := range cmds {
		_ = pipe.Process(ctx, cmd)
	}
	_, err := pipe.Exec(ctx)
	return err
}

// Erase is part of metadata.Store. It lists the applications' documents first and then removes everything in one step; what it
// leaves when interrupted, the next call removes.
func (s *Store) Erase(ctx context.Context, user string, orgs []string) error {
	documents, err := s.client.SMembers(ctx, s.space.AppDocuments(user)).Result()
	if err != nil {
		return metadata.Unknown("redisstore: list documents to erase", err)
	}
	keys := []string{s.space.User(user), s.space.AppDocuments(user)}
	args := []any{user}
	for _, org := range orgs {
		keys = append(keys, s.space.Index(s.space.Partition(user), org), s.space.Terms(org, user))
		apps := applicationsIn(org, documents)
		args = append(args, "o:"+org, len(apps))
		for _, app := range append([]string{""}, apps...) {
			o := metadata.Owner{Org: org, User: user, App: app}
			keys = append(keys, s.entries(o), s.claims(o), s.history(o))
			if app != "" {
				args = append(args, org+":"+app)
			}
		}
	}
	if _, err := s.runner.Run(ctx, eraseScript, keys, args...); err != nil {
		return metadata.Unknown("redisstore: erase documents", err)
	}
	return nil
}
