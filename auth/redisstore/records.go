package redisstore

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/records"
)

var _ records.Store = (*Store)(nil)

// The records that an organisation has of a user, or for itself, are one hash in the slot of whose they are. Its fields:
//
//	last           the highest id that was given
//	ops            the last operations, see records.lua
//	bytes          how many bytes the bodies of all records have
//	#<kind>        how many records there are of a kind
//	=<kind>:<name> the id of the record that has a name, which is in base64url
//	<<kind>:<id>   how many records need this one
//	<kind>:<id>    the record: `<object> <version> <created> <updated> <name> <needs> <body>`, with "-" for no name and for no need
var (
	createRecordScript = script("records", "create_record")
	updateRecordScript = script("records", "update_record")
	deleteRecordScript = script("records", "delete_record")
	eraseRecordsScript = script("erase_records")
)

const nothing = "-"

// maxRecordBytes bounds the bodies of all records that an organisation has of a user, or for itself, since they are read at once.
const maxRecordBytes = 4 << 20

func recordName(name string) string {
	if name == "" {
		return nothing
	}
	return base64.RawURLEncoding.EncodeToString([]byte(name))
}

func recordNeeds(needs string) string { return cmp.Or(needs, nothing) }

// recordsOf is what the records of a collection are of, but for the id.
func recordsOf(c records.Collection) string {
	return "record:" + c.Org + ":" + c.User + ":" + c.Kind + ":"
}

// recordKeys are the owner of a collection and the hash of its records, with the field that makes him one.
func (s *Store) recordKeys(c records.Collection) (keys []string, member string) {
	if c.User == "" {
		return []string{s.space.Org(c.Org), s.space.SharedRecords(c.Org)}, ""
	}
	return []string{s.space.User(c.User), s.space.Records(c.Org, c.User)}, membership(c.Org)
}

// Records implements records.Store.
func (s *Store) Records(ctx context.Context, c records.Collection, others ...string) ([]records.Record, error) {
	const doing = "read records"
	keys, _ := s.recordKeys(c)
	stored, err := s.rdb.HGetAll(ctx, keys[1]).Result()
	if err != nil {
		return nil, unavailable(doing, err)
	}
	var all []records.Record
	for field, text := range stored {
		kind, id, ok := strings.Cut(field, ":")
		if !ok || kind != c.Kind && !slices.Contains(others, kind) {
			continue
		}
		r, err := readRecord(records.Collection{Org: c.Org, User: c.User, Kind: kind}, id, text)
		if err != nil {
			return nil, unavailable(doing, err)
		}
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b records.Record) int { return cmp.Compare(a.ID, b.ID) })
	return all, nil
}

func readRecord(c records.Collection, id, text string) (r records.Record, err error) {
	parts := strings.SplitN(text, " ", 7)
	if len(parts) != 7 || parts[0] != recordsOf(c)+id {
		return r, fmt.Errorf("%w: %q", errForeign, parts[0])
	}
	var bad [5]error
	r.Kind = c.Kind
	r.ID, bad[0] = strconv.ParseUint(id, 10, 64)
	r.Version, bad[1] = strconv.ParseUint(parts[1], 10, 64)
	r.CreatedAt, bad[2] = moment(parts[2])
	r.UpdatedAt, bad[3] = moment(parts[3])
	if parts[4] != nothing {
		var name []byte
		name, bad[4] = base64.RawURLEncoding.DecodeString(parts[4])
		r.Name = string(name)
	}
	if parts[5] != nothing {
		r.Needs = parts[5]
	}
	r.Body = []byte(parts[6])
	return r, errors.Join(bad[:]...)
}

// CreateRecord implements records.Store.
func (s *Store) CreateRecord(ctx context.Context, c records.Collection, r records.Record, op string, limit int) (records.Record, error) {
	keys, member := s.recordKeys(c)
	reply, err := s.runner.Run(ctx, createRecordScript, keys, op, member, c.Kind, recordsOf(c),
		r.CreatedAt.UnixMilli(), r.UpdatedAt.UnixMilli(), recordName(r.Name), recordNeeds(r.Needs), limit, maxRecordBytes, r.Body)
	r.ID, err = recordReply("create", c, reply, err)
	r.Kind, r.Version = c.Kind, 1
	return r, err
}

// UpdateRecord implements records.Store.
func (s *Store) UpdateRecord(ctx context.Context, c records.Collection, r records.Record, op string) (records.Record, error) {
	keys, member := s.recordKeys(c)
	reply, err := s.runner.Run(ctx, updateRecordScript, keys, op, member, c.Kind, r.ID, r.Version,
		r.UpdatedAt.UnixMilli(), recordName(r.Name), recordNeeds(r.Needs), maxRecordBytes, r.Body)
	r.Kind = c.Kind
	r.Version, err = recordReply("update", c, reply, err)
	return r, err
}

// DeleteRecord implements records.Store.
func (s *Store) DeleteRecord(ctx context.Context, c records.Collection, id uint64, op string) error {
	keys, member := s.recordKeys(c)
	reply, err := s.runner.Run(ctx, deleteRecordScript, keys, op, member, c.Kind, id)
	_, err = recordReply("delete", c, reply, err)
	return err
}

// recordReply reads what a script answers: a number.
func recordReply(doing string, c records.Collection, reply any, err error) (uint64, error) {
	doing += " a record of " + c.Org + ":" + c.User
	if err != nil {
		return 0, refused(doing, err, map[string]*auth.Error{
			"OWNER":    notFound("user"),
			"NOTFOUND": notFound("record"),
			"STALE":    errStale,
			"NAME":     {Code: auth.Conflict, Field: "name", Detail: "this name is taken"},
			"NEEDS":    {Code: auth.NotFound, Field: "needs", Detail: "what the record needs is not there"},
			"LIMIT":    {Code: auth.Conflict, Field: "limit", Detail: "there are as many records as there may be"},
			"SIZE":     {Code: auth.Conflict, Field: "size", Detail: "the records are together larger than they may be"},
			"NEEDED":   {Code: auth.Conflict, Field: "needed", Detail: "another record needs this one"},
		})
	}
	n, err := number(reply)
	if err != nil {
		return 0, unavailable(doing, err)
	}
	return n, nil
}

// EraseRecords implements records.Store.
func (s *Store) EraseRecords(ctx context.Context, user string, orgs []string) error {
	keys, args := []string{s.space.User(user)}, make([]any, len(orgs))
	for i, org := range orgs {
		keys, args[i] = append(keys, s.space.Records(org, user)), membership(org)
	}
	if _, err := s.runner.Run(ctx, eraseRecordsScript, keys, args...); err != nil {
		return unavailable("erase the records of user:"+user, err)
	}
	return nil
}
