package redisstore

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/claimsmith/claimsmith/metadata"
)

// History is part of metadata.Store. The document is read before its history, which may have grown meanwhile.
func (s *Store) History(
	ctx context.Context, o metadata.Owner, keep metadata.Retention, now time.Time,
) (metadata.Document, []metadata.Revision, error) {
	pipe := s.client.Pipeline()
	whose := o
	if o.Shared() {
		whose.Group = "" // one that was deleted has had a history
	}
	found := s.owner(ctx, pipe, whose)
	entries := pipe.HGetAll(ctx, s.entries(o))
	var changes *redis.StringSliceCmd
	if keep.Changes > 0 {
		changes = pipe.LRange(ctx, s.history(o), 0, int64(keep.Changes)-1)
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return metadata.Document{}, nil, metadata.Unknown("redisstore: read history", err)
	}
	if err := found(); err != nil {
		return metadata.Document{}, nil, err
	}
	doc, err := parseDocument(entries.Val())
	var past []metadata.Revision
	if err == nil && changes != nil && doc.Revision > 0 {
		h, _ := parseHeader(entries.Val()[headerField])
		remembered := changes.Val()
		if creation, ok := parseCreation(entries.Val()[historyField], doc.Groups); ok {
			remembered = []string{creation}
		}
		past, err = parseHistory(doc, h.author, remembered, keep, now)
	}
	if err != nil {
		return metadata.Document{}, nil, metadata.Unknown("redisstore: read history", err)
	}
	return doc, past, nil
}

// parseHistory reads the changes that led to a document, latest first, as far as they are without a gap and as keep allows.
func parseHistory(
	doc metadata.Document, author string, changes []string, keep metadata.Retention, now time.Time,
) ([]metadata.Revision, error) {
	// What a change created it does not name: these are the entries of its revision, as they are now or were before a later change.
	created := make(map[uint64][]string)
	for _, e := range doc.Entries {
		created[e.Revision] = append(created[e.Revision], e.Key)
	}
	var past []metadata.Revision
	bytes := 0
	for _, stored := range changes {
		r, err := parseChange(stored, author)
		if err != nil {
			return nil, err
		}
		if r.Revision > doc.Revision {
			continue
		}
		bytes += len(stored)
		if r.Revision != doc.Revision-uint64(len(past)) || bytes > keep.Bytes || keep.Age > 0 && r.At.Before(now.Add(-keep.Age)) {
			break
		}
		for key, e := range r.Before {
			created[e.Revision] = append(created[e.Revision], key)
		}
		for _, key := range created[r.Revision] {
			if _, existed := r.Before[key]; !existed {
				r.Before[key] = nil
			}
		}
		past = append(past, r)
	}
	return past, nil
}

var errChange = errors.New("malformed change in a history")

// parseChange reads an element of a history, see codec.go.
func parseChange(stored, author string) (metadata.Revision, error) {
	words := strings.SplitN(stored, " ", 7)
	if len(words) != 7 {
		return metadata.Revision{}, errChange
	}
	r := metadata.Revision{By: words[2], Via: words[3], Before: make(map[string]*metadata.Entry)}
	ok := parseUint(words[0], 10, &r.Revision) && parseTime(words[1], &r.At) && r.By != author
	if r.By == "" {
		r.By = author
	}
	if words[4] != "" {
		ok = ok && parseUint(words[4], 10, &r.Scheme)
	}
	if ids, changed := strings.CutPrefix(words[5], "="); changed {
		groups := parseGroups(ids)
		r.GroupsBefore = &groups
	} else {
		ok = ok && words[5] == ""
	}
	for rest := words[6]; ok && rest != ""; {
		var keyLength, entryLength uint64
		first, after, _ := strings.Cut(rest, ":")
		second, after, _ := strings.Cut(after, ":")
		if !parseUint(first, 10, &keyLength) || !parseUint(second, 10, &entryLength) ||
			keyLength > uint64(len(after)) || entryLength > uint64(len(after))-keyLength {
			return metadata.Revision{}, errChange
		}
		key, entry := after[:keyLength], after[keyLength:keyLength+entryLength]
		e, err := parseEntry(key, entry, author)
		if err != nil {
			return metadata.Revision{}, err
		}
		r.Before[key], rest = &e, after[keyLength+entryLength:]
	}
	if !ok {
		return metadata.Revision{}, errChange
	}
	return r, nil
}
