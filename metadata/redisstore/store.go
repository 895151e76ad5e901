// Package redisstore keeps metadata in Redis. It owns the layout of a document, which is two hashes, and the script that
// is the only writer of both; see apply.lua and codec.go. It knows no rule about who may write what.
package redisstore

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/claimsmith/claimsmith/internal/durable"
	"github.com/claimsmith/claimsmith/internal/keyspace"
	"github.com/claimsmith/claimsmith/metadata"
)

//go:embed apply.lua
var applySource string

//go:embed erase.lua
var eraseSource string

var (
	applyScript = redis.NewScript(applySource)
	eraseScript = redis.NewScript(eraseSource)
)

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
	record := pipe.HMGet(ctx, s.space.User(o.User), recordFields(o)...)
	entries := pipe.HGetAll(ctx, s.space.Entries(o.Org, o.User, o.App))
	if _, err := pipe.Exec(ctx); err != nil {
		return metadata.Document{}, metadata.Unknown("redisstore: read document", err)
	}
	if !isOwner(record.Val(), o) {
		return metadata.Document{}, metadata.ErrUserNotFound
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
	record := pipe.HMGet(ctx, s.space.User(o.User), recordFields(o)...)
	fields := pipe.HMGet(ctx, s.space.Entries(o.Org, o.User, o.App), headerField, key)
	if _, err := pipe.Exec(ctx); err != nil {
		return metadata.Entry{}, metadata.Unknown("redisstore: read entry", err)
	}
	if !isOwner(record.Val(), o) {
		return metadata.Entry{}, metadata.ErrUserNotFound
	}
	header, _ := fields.Val()[0].(string)
	stored, ok := fields.Val()[1].(string)
	if !ok {
		return metadata.Entry{}, &metadata.Error{Code: metadata.NotFound, Field: key, Detail: "no such entry"}
	}
	_, author, err := parseHeader(header)
	if err != nil {
		return metadata.Entry{}, metadata.Unknown("redisstore: read entry", err)
	}
	e, err := parseEntry(key, stored, author)
	if err != nil {
		return metadata.Entry{}, metadata.Unknown("redisstore: read entry", err)
	}
	return e, nil
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
			c.User, c.Revision, err = parseClaims(userWide.Val())
		}
		if appOwn != nil && err == nil {
			if err = appOwn.Err(); err == nil {
				c.App, c.AppRevision, err = parseClaims(appOwn.Val())
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

// Apply is part of metadata.Store.
func (s *Store) Apply(ctx context.Context, o metadata.Owner, p metadata.Patch) (metadata.Document, error) {
	if p.ChangedBy == "" || strings.ContainsAny(p.ChangedBy, " \t\n\v\f\r") || p.Op == "" || len(p.Op) > 64 || strings.ContainsAny(p.Op, ",@ ") {
		return metadata.Document{}, fmt.Errorf("redisstore: operation %q by %q cannot be recorded", p.Op, p.ChangedBy)
	}
	keys := []string{
		s.space.User(o.User), s.space.Entries(o.Org, o.User, o.App), s.space.Claims(o.Org, o.User, o.App), s.space.AppDocuments(o.User),
	}
	reply, err := s.runner.Run(ctx, applyScript, keys, arguments(o, p)...)
	if err != nil {
		return metadata.Document{}, verdict(err)
	}
	fields, err := pairs(reply)
	if err != nil {
		return metadata.Document{}, metadata.Unknown("redisstore: read changed document", err)
	}
	doc, err := parseDocument(fields)
	if err != nil {
		return metadata.Document{}, metadata.Unknown("redisstore: read changed document", err)
	}
	return doc, nil
}

// Erase is part of metadata.Store. It lists the applications' documents first and then removes them in one step; what it
// leaves when interrupted, the next call removes.
func (s *Store) Erase(ctx context.Context, user string, orgs []string) error {
	documents, err := s.client.SMembers(ctx, s.space.AppDocuments(user)).Result()
	if err != nil {
		return metadata.Unknown("redisstore: list documents to erase", err)
	}
	keys := []string{s.space.User(user), s.space.AppDocuments(user)}
	var args []any
	for _, org := range orgs {
		apps := []string{""}
		var members []any
		for _, document := range documents {
			if app, ok := strings.CutPrefix(document, org+":"); ok {
				members = append(members, document)
				apps = append(apps, app)
			}
		}
		for _, app := range apps {
			keys = append(keys, s.space.Entries(org, user, app), s.space.Claims(org, user, app))
		}
		args = append(append(args, "o:"+org, 2*len(apps), len(members)), members...)
	}
	if _, err := s.runner.Run(ctx, eraseScript, keys, args...); err != nil {
		return metadata.Unknown("redisstore: erase documents", err)
	}
	return nil
}

// recordFields are the fields of a user's record that decide whether o is a document's owner; isOwner reads them, and so
// does apply.lua.
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

// arguments are ARGV of apply.lua.
func arguments(o metadata.Owner, p metadata.Patch) []any {
	document := ""
	if o.App != "" {
		document = o.Org + ":" + o.App
	}
	args := make([]any, 0, 18+len(p.Delete)+3*len(p.Set))
	args = append(args,
		"o:"+o.Org, handleField(o), o.Handle,
		p.Op, formatTime(p.At), p.ChangedBy,
		p.Replace, p.KeepClaims, document,
		p.Limits.Applications, p.Limits.Entries, p.Limits.DocumentBytes, p.Limits.ClaimsBytes,
		p.If.Key, conditionList(p.If.IfMatch), conditionList(p.If.IfNoneMatch),
		p.Brief, len(p.Delete),
	)
	for _, key := range p.Delete {
		args = append(args, key)
	}
	for _, put := range p.Set {
		flags := "-" + string(put.Value.Kind())
		if put.ProfileClaim {
			flags = "+" + string(put.Value.Kind())
		}
		args = append(args, put.Key, flags, put.Value.Raw())
	}
	return args
}

func conditionList(c *metadata.Condition) string {
	switch {
	case c == nil:
		return ""
	case c.Any:
		return "*"
	}
	list := " "
	for _, revision := range c.Revisions {
		list += strconv.FormatUint(revision, 10) + " "
	}
	return list
}

// verdict translates the refusals of apply.lua. Every other error means that the outcome is unknown.
func verdict(err error) error {
	word, rest, _ := durable.Verdict(err)
	switch word {
	case "NOTFOUND":
		return metadata.ErrUserNotFound
	case "PRECONDITION":
		if rest == "none" {
			rest = "none: there is no such entry"
		}
		return &metadata.Error{Code: metadata.PreconditionFailed, Detail: "the current revision is " + rest}
	case "CLAIM":
		return &metadata.Error{Code: metadata.Forbidden, Field: rest, Detail: "only an operator changes a profile claim"}
	case "CONFLICT":
		key, other, _ := strings.Cut(rest, " ")
		return &metadata.Error{Code: metadata.Conflict, Field: key, Detail: "the profile claim " + other + " differs only in case"}
	case "LIMIT":
		var what string
		var would, limit int
		if _, err := fmt.Sscan(rest, &what, &would, &limit); err == nil {
			return metadata.Exceeded("", limits[what], would, limit)
		}
	}
	return metadata.Unknown("redisstore: change document", err)
}

// limits are what apply.lua's LIMIT speaks of, in words.
var limits = map[string]string{
	"entries":      "entries of this document",
	"bytes":        "bytes of keys and values in this document",
	"claims":       "bytes of profile claims in this document",
	"applications": "application documents about this user",
}

// pairs reads the alternating fields and values that a script replies with.
func pairs(reply any) (map[string]string, error) {
	list, ok := reply.([]any)
	ok = ok && len(list)%2 == 0
	fields := make(map[string]string, len(list)/2)
	for i := 0; ok && i < len(list); i += 2 {
		field, isText := list[i].(string)
		value, isTextToo := list[i+1].(string)
		fields[field], ok = value, isText && isTextToo
	}
	if !ok {
		return nil, fmt.Errorf("a reply of type %T is no hash", reply)
	}
	return fields, nil
}
