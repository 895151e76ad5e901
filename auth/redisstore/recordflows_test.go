package redisstore_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/records"
	"github.com/claimsmith/claimsmith/auth/redisstore"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

var (
	schools = records.Collection{Org: "acme", User: "jane", Kind: "schools"}
	courses = records.Collection{Org: "acme", User: "jane", Kind: "courses"}
)

func (w *world) record(name, needs string) records.Record {
	return records.Record{Name: name, Needs: needs, Body: []byte(`{"a b": 1}`), CreatedAt: w.now, UpdatedAt: w.now}
}

// study makes a school and a course that needs it.
func (w *world) study(ctx context.Context, s *redisstore.Store) error {
	if _, err := s.CreateRecord(ctx, schools, w.record("school", ""), "make a school", 9); err != nil {
		return err
	}
	_, err := s.CreateRecord(ctx, courses, w.record("", "schools:1"), "make a course", 9)
	return err
}

func expectRecords(ctx context.Context, s *redisstore.Store, c records.Collection, want ...uint64) error {
	all, err := s.Records(ctx, c)
	var ids []uint64
	for _, r := range all {
		ids = append(ids, r.ID)
	}
	if err == nil && !slices.Equal(ids, want) {
		return wrong("the %s are %d, want %d", c.Kind, ids, want)
	}
	return err
}

// numberedFlows are of the records that are numbered.
var numberedFlows = []flow{
	{
		name:    "Records",
		prepare: func(ctx context.Context, s *redisstore.Store, w *world) error { return w.study(ctx, s) },
		call: func(ctx context.Context, s *redisstore.Store, _ *world) error {
			return expectRecords(ctx, s, courses, 2)
		},
	},
	{
		name:    "CreateRecord",
		prepare: func(ctx context.Context, s *redisstore.Store, w *world) error { return w.study(ctx, s) },
		call: func(ctx context.Context, s *redisstore.Store, w *world) error {
			r, err := s.CreateRecord(ctx, courses, w.record("unique", "schools:1"), "make another", 2)
			if err == nil && (r.ID != 3 || r.Version != 1) {
				return wrong("created %+v", r)
			}
			return err
		},
		check: func(ctx context.Context, s *redisstore.Store, w *world) error {
			_, err := s.CreateRecord(ctx, courses, w.record("", ""), "make a third", 2)
			if err := expectCode(err, auth.Conflict); err != nil {
				return err
			}
			return expectRecords(ctx, s, courses, 2, 3)
		},
	},
	{
		name:    "UpdateRecord",
		prepare: func(ctx context.Context, s *redisstore.Store, w *world) error { return w.study(ctx, s) },
		call: func(ctx context.Context, s *redisstore.Store, w *world) error {
			r := w.record("", "")
			r.ID, r.Version = 2, 1
			r, err := s.UpdateRecord(ctx, courses, r, "leave the school")
			if err == nil && r.Version != 2 {
				return wrong("version %d", r.Version)
			}
			return err
		},
		check: func(ctx context.Context, s *redisstore.Store, _ *world) error {
			all, err := s.Records(ctx, courses)
			if err == nil && (len(all) != 1 || all[0].Version != 2 || all[0].Needs != "") {
				return wrong("the courses are %+v", all)
			}
			if err != nil {
				return err
			}
			return s.DeleteRecord(ctx, schools, 1, "close the school") // nothing needs it any more
		},
	},
	{
		name:    "DeleteRecord",
		prepare: func(ctx context.Context, s *redisstore.Store, w *world) error { return w.study(ctx, s) },
		call: func(ctx context.Context, s *redisstore.Store, _ *world) error {
			return s.DeleteRecord(ctx, courses, 2, "end the course")
		},
		check: func(ctx context.Context, s *redisstore.Store, _ *world) error {
			if err := expectRecords(ctx, s, courses); err != nil {
				return err
			}
			return s.DeleteRecord(ctx, schools, 1, "close the school")
		},
	},
	{
		name: "EraseRecords",
		prepare: func(ctx context.Context, s *redisstore.Store, w *world) error {
			if err := w.study(ctx, s); err != nil {
				return err
			}
			return s.BeginDelete(ctx, w.user)
		},
		call: func(ctx context.Context, s *redisstore.Store, _ *world) error {
			return s.EraseRecords(ctx, "jane", []string{"acme", "other"})
		},
		check: func(ctx context.Context, s *redisstore.Store, _ *world) error { return expectRecords(ctx, s, schools) },
	},
}

// Records stay until they are erased, and erasing leaves no key.
func TestRecordsStay(t *testing.T) {
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		s := open(b.Client)
		w := newWorld(t, s)
		if err := w.study(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		shared := records.Collection{Org: "acme", Kind: "schools"}
		if _, err := s.CreateRecord(t.Context(), shared, w.record("school", ""), "op", 9); err != nil {
			t.Fatal(err)
		}
		for _, key := range []string{space.Records("acme", "jane"), space.SharedRecords("acme")} {
			if ttl, ok := b.TTLs(t)[key]; !ok || ttl != -1 {
				t.Errorf("%q ends in %v (it is there: %v)", key, ttl, ok)
			}
		}
		if err := s.BeginDelete(t.Context(), w.user); err != nil {
			t.Fatal(err)
		}
		if err := s.EraseRecords(t.Context(), "jane", w.user.Orgs); err != nil {
			t.Fatal(err)
		}
		for key := range b.TTLs(t) {
			if strings.Contains(key, ":rs:") && strings.Contains(key, "jane") {
				t.Errorf("%q is left", key)
			}
		}
		if err := expectRecords(t.Context(), s, shared, 1); err != nil {
			t.Error(err)
		}
	})
}

// Row R-02: a record that stands under another's name is not taken for his, nor is half a record taken for a whole one.
func TestRecordsAreNotConfused(t *testing.T) {
	c := redistest.Embedded(t).Client
	s := open(c)
	w := newWorld(t, s)
	ctx := t.Context()
	if err := w.study(ctx, s); err != nil {
		t.Fatal(err)
	}
	mine := space.Records("acme", "jane")
	text, err := c.HGet(ctx, mine, "schools:1").Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, misplaced := range []struct {
		key, field, text string
		in               records.Collection
	}{
		{space.Records("acme", "bob"), "schools:1", text, records.Collection{Org: "acme", User: "bob", Kind: "schools"}},
		{space.Records("other", "jane"), "schools:1", text, records.Collection{Org: "other", User: "jane", Kind: "schools"}},
		{space.SharedRecords("acme"), "schools:1", text, records.Collection{Org: "acme", Kind: "schools"}},
		{mine, "clubs:1", text, records.Collection{Org: "acme", User: "jane", Kind: "clubs"}},
		{mine, "schools:7", text, schools},
		{mine, "schools:7", "", schools},
		{mine, "schools:7", "record:acme:jane:schools:7 1 0 0 - -", schools},
		{mine, "schools:7", "record:acme:jane:schools:7 x 0 0 - - {}", schools},
		{mine, "schools:7", "record:acme:jane:schools:7 1 x 0 - - {}", schools},
		{mine, "schools:7", "record:acme:jane:schools:7 1 0 x - - {}", schools},
		{mine, "schools:7", "record:acme:jane:schools:7 1 0 0 = - {}", schools},
		{mine, "schools:x", "record:acme:jane:schools:x 1 0 0 - - {}", schools},
	} {
		c.HSet(ctx, misplaced.key, misplaced.field, misplaced.text)
		if _, err := s.Records(ctx, misplaced.in); auth.CodeOf(err) != auth.Unavailable {
			t.Errorf("%q at %s: %v, want unavailable", misplaced.text, misplaced.field, err)
		}
		c.HDel(ctx, misplaced.key, misplaced.field)
	}
	if err := expectRecords(ctx, s, schools, 1); err != nil {
		t.Error(err)
	}
}
