package audit_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/claimsmith/claimsmith/internal/audit"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

// item is an entry as it lies in the stream: its id, and fields with their values.
type item struct {
	id     string
	fields []string
}

func (i item) set(field, value string) item {
	fields := slices.Clone(i.fields)
	for n := 0; n < len(fields); n += 2 {
		if fields[n] == field {
			fields[n+1] = value
		}
	}
	return item{i.id, fields}
}

func (i item) at(id string) item { return item{id, i.fields} }

// stream reads a chain as somebody does who has the store.
func (k *kit) stream(org string) []item {
	k.t.Helper()
	replies, err := k.redis.Do(k.t.Context(), "XRANGE", space.Audit(org), "-", "+").Slice()
	if err != nil {
		k.t.Fatal(err)
	}
	var items []item
	for _, reply := range replies {
		pair, _ := reply.([]any)
		i := item{id: fmt.Sprint(pair[0])}
		fields, _ := pair[1].([]any)
		for _, field := range fields {
			i.fields = append(i.fields, fmt.Sprint(field))
		}
		items = append(items, i)
	}
	return items
}

// rewrite puts other entries in place of a chain's.
func (k *kit) rewrite(org string, items []item) {
	k.t.Helper()
	_, err := k.redis.Pipelined(k.t.Context(), func(pipe redis.Pipeliner) error {
		pipe.Del(k.t.Context(), space.Audit(org))
		for _, i := range items {
			args := []any{"XADD", space.Audit(org), i.id}
			for _, f := range i.fields {
				args = append(args, f)
			}
			pipe.Do(k.t.Context(), args...)
		}
		return nil
	})
	if err != nil {
		k.t.Fatal(err)
	}
}

func (k *kit) setHead(org string, fields ...any) {
	k.t.Helper()
	if err := k.redis.HSet(k.t.Context(), space.AuditHead(org), fields...).Err(); err != nil {
		k.t.Fatal(err)
	}
}

const (
	notWritten  = "not what was written"
	missing     = "it is missing"
	notTheEnd   = "does not end in the hash"
	behindHead  = "the head says"
	notByServer = "not removed by the server"
	second      = "a second entry"
)

// edit is a tampering with the twelve entries of acme's chain.
type edit func(items []item) []item

// tamperings are the ways to change a chain without its key, with the entry that must be found out and why.
var tamperings = []struct {
	name   string
	edit   edit
	head   []any
	broken uint64
	why    string
}{
	{"an entry removed", func(i []item) []item { return slices.Delete(i, 4, 5) }, nil, 5, missing},
	{"the first removed", func(i []item) []item { return i[1:] }, nil, 1, missing},
	{"the last removed", func(i []item) []item { return i[:11] }, nil, 12, missing},
	{"all removed", func([]item) []item { return nil }, nil, 1, missing},
	{"two in each other's place", func(i []item) []item { i[4], i[7] = i[7].at(i[4].id), i[4].at(i[7].id); return i }, nil, 5, notWritten},
	{"an entry twice", func(i []item) []item { return slices.Insert(i, 5, i[4].at("5-1")) }, nil, 5, second},
	{"an entry twice, the others moved", func(i []item) []item {
		return renumbered(slices.Insert(i, 5, i[4]))
	}, []any{"n", 13}, 6, notWritten},
	{"one removed, the others moved", func(i []item) []item { return renumbered(slices.Delete(i, 4, 5)) }, []any{"n", 11}, 5, notWritten},
	{"a number with a second part", func(i []item) []item { i[4] = i[4].at("5-7"); return i }, nil, 5, notWritten},
	{"no hash", func(i []item) []item { i[4] = i[4].set("h", ""); return i }, nil, 5, notWritten},
	{"another's hash", func(i []item) []item { i[4] = i[4].set("h", i[5].fields[len(i[5].fields)-1]); return i }, nil, 5, notWritten},
	{"a field more", func(i []item) []item { i[4].fields = append(i[4].fields, "x", "y"); return i }, nil, 5, notWritten},
	{"a field less", func(i []item) []item { i[4].fields = i[4].fields[2:]; return i }, nil, 5, notWritten},
	{"text from one field in the next", func(i []item) []item {
		i[4] = i[4].set("do", "user.updatetoken").set("by", ":t1")
		return i
	}, nil, 5, notWritten},
	{"a time with zeros before it", func(i []item) []item { i[4] = i[4].set("t", "0"+i[4].fields[1]); return i }, nil, 5, notWritten},
	{"a time that is none", func(i []item) []item { i[4] = i[4].set("t", "x"); return i }, nil, 5, notWritten},
	{"a time beyond all times", func(i []item) []item { i[4] = i[4].set("t", "9223372036854775807"); return i }, nil, 5, notWritten},
	{"bytes that are no text", func(i []item) []item { i[4] = i[4].set("by", "\xff"); return i }, nil, 5, notWritten},
	{"one appended", func(i []item) []item { return append(i, i[11].at("13-0")) }, nil, 13, behindHead},
	{"one appended far away", func(i []item) []item { return append(i, i[11].at("99-0")) }, nil, 99, behindHead},
	{"one appended, and the head moved", func(i []item) []item { return append(i, i[11].at("13-0")) }, []any{"n", 13}, 13, notWritten},
	{"the head moved forward", nil, []any{"n", 13}, 13, missing},
	{"the head moved back", nil, []any{"n", 11}, 11, notTheEnd},
	{"the head's hash changed", nil, []any{"h", "AAAA"}, 12, notTheEnd},
	{"a head that is no number", nil, []any{"n", "x"}, 1, notTheEnd},
	{"a head beyond all numbers", nil, []any{"n", "18446744073709551615"}, 1, notTheEnd},
	{"the beginning cut off", func(i []item) []item { return i[3:] }, []any{"b", 3, "bh", "hash of 3"}, 4, notByServer},
	{"the beginning cut off, with a proof", func(i []item) []item { return i[3:] }, []any{"b", 3, "bh", "hash of 3", "bp", "hash of 3"}, 4, notByServer},
	{"the base moved without a cut", nil, []any{"b", 3, "bh", "hash of 3"}, 4, notByServer},
	{"a base without a number", nil, []any{"bh", "hash of 3"}, 1, notByServer},
}

func renumbered(items []item) []item {
	for n := range items {
		items[n].id = fmt.Sprintf("%d-0", n+1)
	}
	return items
}

// Whatever somebody changes who has the store and not the key, it shows where.
func TestTamperingIsFound(t *testing.T) {
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		k := newKit(t, b.Client)
		k.written(k.recorder(), acme, 12)
		k.whole(acme, 1, 12)
		original := k.stream(acme)
		head := b.Client.HGetAll(t.Context(), space.AuditHead(acme)).Val()
		tamper := func(name string, change edit, headFields []any, broken uint64, why string) {
			t.Helper()
			items := make([]item, len(original))
			for n, i := range original {
				items[n] = item{i.id, slices.Clone(i.fields)}
			}
			if change != nil {
				items = change(items)
			}
			k.rewrite(acme, items)
			b.Client.Del(t.Context(), space.AuditHead(acme))
			k.setHead(acme, head)
			headFields = slices.Clone(headFields)
			for n, f := range headFields {
				if f == "hash of 3" {
					headFields[n] = original[2].fields[len(original[2].fields)-1]
				}
			}
			if len(headFields) > 0 {
				k.setHead(acme, headFields...)
			}
			if v := k.verify(acme); v.Broken != broken || !strings.Contains(v.Why, why) || why == "" != (v.Why == "") {
				t.Errorf("%s: %+v, want %d: %s", name, v, broken, why)
			}
		}
		tamper("nothing", nil, nil, 0, "")
		for _, c := range tamperings {
			tamper(c.name, c.edit, c.head, c.broken, c.why)
		}
		for n := 0; n < len(original[6].fields); n += 2 { // every field, to something and to nothing
			field := original[6].fields[n]
			for _, value := range []string{"1785585600000001", ""} {
				if original[6].fields[n+1] == value {
					continue
				}
				tamper(field+" changed", func(i []item) []item { i[6] = i[6].set(field, value); return i }, nil, 7, notWritten)
			}
		}
		tamper("nothing again", nil, nil, 0, "")
		b.Client.Del(t.Context(), space.AuditHead(acme))
		if v := k.verify(acme); v.Broken != 1 || !strings.Contains(v.Why, behindHead) {
			t.Errorf("without a head: %+v", v)
		}
	})
}

// An entry is one of its own chain and key.
func TestEntriesOfAnotherChainOrKey(t *testing.T) {
	k := newKit(t, redistest.Embedded(t).Client)
	k.addOrg("globex")
	k.written(k.recorder(), acme, 3)
	k.written(k.recorder(), "globex", 3)
	k.rewrite("globex", k.stream(acme))
	head := k.redis.HGetAll(t.Context(), space.AuditHead(acme)).Val()
	k.setHead("globex", head)
	if v := k.verify("globex"); v.Broken != 1 || !strings.Contains(v.Why, notWritten) {
		t.Errorf("another's chain: %+v", v)
	}

	old, next := oneKey[0], []byte("another key")
	r := k.recorder(func(c *audit.Config) { c.Keys = [][]byte{next, old} })
	k.written(r, acme, 2)
	if v := k.verify(acme, next, old); v.Broken != 0 || v.Last != 5 {
		t.Errorf("with both keys: %+v", v)
	}
	for broken, key := range map[uint64][]byte{1: next, 4: old} {
		if v := k.verify(acme, key); v.Broken != broken || !strings.Contains(v.Why, "key is not among those configured") {
			t.Errorf("with one key: %+v, want %d", v, broken)
		}
	}
}

func TestRetentionByCount(t *testing.T) {
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		k := newKit(t, b.Client)
		r := k.recorder(func(c *audit.Config) { c.Retention.Events = 1000 })
		k.written(r, acme, 1010) // it is not done for every event
		k.whole(acme, 1, 1010)
		k.written(r, acme, 1)
		k.whole(acme, 12, 1011)
		k.written(k.recorder(func(c *audit.Config) { c.Retention.Events = 100 }), acme, 4000)
		k.whole(acme, 4912, 5011)
		k.written(r, acme, 1) // another one has trimmed
		k.whole(acme, 4912, 5012)
	})
}

func TestRetentionByAge(t *testing.T) {
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		k := newKit(t, b.Client)
		k.addOrg("globex")
		aging := func(c *audit.Config) { c.Retention.Age = 24 * time.Hour }
		r := k.recorder(aging)
		k.written(r, acme, 1500)
		k.clock.Advance(12 * time.Hour)
		k.written(r, acme, 5)
		r.Tidy(t.Context())
		k.whole(acme, 1, 1505)
		k.clock.Advance(12*time.Hour + time.Second)
		other := k.recorder(aging, func(c *audit.Config) { // which has written nothing
			c.Orgs = func(_ context.Context, after string) ([]string, string, error) {
				if after == "" {
					return []string{"globex"}, "more", nil
				}
				return []string{acme}, "", nil
			}
		})
		other.Tidy(t.Context())
		r.Tidy(t.Context())
		k.whole(acme, 1501, 1505)
		k.clock.Advance(13 * time.Hour)
		r.Tidy(t.Context())
		if v := k.verify(acme); v.Broken != 0 || v.First != 0 || v.Last != 0 || len(k.entries(acme)) != 0 {
			t.Errorf("%+v", v)
		}
		k.written(r, acme, 2)
		k.whole(acme, 1506, 1507)
		if log := k.log.String(); !strings.Contains(log, "audit chain") || !strings.Contains(log, "entries=1505") || strings.Contains(log, "WARN") {
			t.Errorf("the log says %s", log)
		}
	})
}

// What is made to look old goes, yet not without a trace.
func TestTrimmingDoesNotHideTampering(t *testing.T) {
	for name, change := range map[string]edit{
		"made old": func(i []item) []item { i[0], i[1] = i[0].set("t", "0"), i[1].set("t", "0"); return i },
		"removed before": func(i []item) []item {
			i[2] = i[2].set("t", "0")
			return slices.Delete(i, 0, 2)
		},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKit(t, redistest.Embedded(t).Client)
			r := k.recorder(func(c *audit.Config) { c.Retention.Age = time.Hour })
			k.written(r, acme, 10)
			k.rewrite(acme, change(k.stream(acme)))
			r.Tidy(t.Context())
			found := func(seq uint64) {
				t.Helper()
				if v := k.verify(acme); v.Broken != seq || !strings.Contains(v.Why, notByServer) {
					t.Errorf("%+v, want %d", v, seq)
				}
			}
			first := k.entries(acme)[0].Seq
			found(first)
			if !strings.Contains(k.log.String(), "are not those that were written") {
				t.Errorf("the log says %s", k.log)
			}
			k.clock.Advance(time.Minute)
			k.written(r, acme, 1)
			k.clock.Advance(time.Hour)
			r.Tidy(t.Context()) // later trimming does not make it good
			found(11)
		})
	}
}
