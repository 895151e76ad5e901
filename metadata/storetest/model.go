package storetest

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/claimsmith/claimsmith/metadata"
)

// model is what a document should be, written as plainly as possible.
type model struct {
	revision uint64
	entries  map[string]metadata.Entry
}

func (m *model) apply(p metadata.Patch) metadata.Code {
	if !m.holds(p.If) {
		return metadata.PreconditionFailed
	}
	after := maps.Clone(m.entries)
	touched := slices.Clone(p.Delete)
	for _, put := range p.Set {
		touched = append(touched, put.Key)
	}
	for _, key := range touched {
		if p.KeepClaims && m.entries[key].ProfileClaim {
			return metadata.Forbidden
		}
	}
	for key, e := range m.entries {
		if slices.Contains(p.Delete, key) || p.Replace && !(p.KeepClaims && e.ProfileClaim) {
			delete(after, key)
		}
	}
	changed := len(after) < len(m.entries) || len(p.Set) > 0
	for _, put := range p.Set {
		e := metadata.Entry{
			Key: put.Key, Value: put.Value, ProfileClaim: put.ProfileClaim,
			Revision: m.revision + 1, CreatedAt: p.At, ChangedAt: p.At, ChangedBy: p.ChangedBy,
		}
		if old, ok := m.entries[put.Key]; ok {
			e.CreatedAt = old.CreatedAt
		}
		after[put.Key] = e
	}
	before, would := measure(m.entries), measure(after)
	setsClaim := slices.ContainsFunc(p.Set, func(put metadata.Put) bool { return put.ProfileClaim })
	switch {
	case would.Entries > p.Limits.Entries && would.Entries > before.Entries,
		would.DocumentBytes > p.Limits.DocumentBytes && would.DocumentBytes > before.DocumentBytes,
		setsClaim && would.ClaimsBytes > p.Limits.ClaimsBytes && would.ClaimsBytes > before.ClaimsBytes:
		return metadata.LimitExceeded
	}
	names := make(map[string]bool)
	for key, e := range after {
		if e.ProfileClaim {
			if names[strings.ToLower(key)] {
				return metadata.Conflict
			}
			names[strings.ToLower(key)] = true
		}
	}
	if changed {
		m.revision++
		m.entries = after
	}
	return ""
}

func (m *model) holds(pre metadata.Precondition) bool {
	exists, revision, known := m.revision > 0, m.revision, true
	if pre.Key != "" {
		e, ok := m.entries[pre.Key]
		exists, revision, known = ok, e.Revision, ok
	}
	matches := func(c *metadata.Condition) bool {
		return c.Any && exists || !c.Any && known && slices.Contains(c.Revisions, revision)
	}
	return (pre.IfMatch == nil || matches(pre.IfMatch)) && (pre.IfNoneMatch == nil || !matches(pre.IfNoneMatch))
}

func measure(entries map[string]metadata.Entry) metadata.Limits {
	var l metadata.Limits
	for key, e := range entries {
		l.Entries++
		l.DocumentBytes += len(key) + len(e.Value.Raw())
		if e.ProfileClaim {
			l.ClaimsBytes += metadata.ClaimBytes(key, e.Value)
		}
	}
	return l
}

func (m *model) document() metadata.Document {
	doc := metadata.Document{Revision: m.revision}
	for _, key := range slices.Sorted(maps.Keys(m.entries)) {
		doc.Entries = append(doc.Entries, m.entries[key])
	}
	return doc
}

func (m *model) claims() metadata.Claims {
	c := metadata.Claims{Revision: m.revision}
	for _, e := range m.document().Entries {
		if e.ProfileClaim {
			c.User = append(c.User, metadata.Claim{Key: e.Key, JSON: e.Value.Raw()})
		}
	}
	return c
}

var (
	someKeys   = rapid.SampledFrom([]string{"a", "A", "b", "B", "cc", "Cc", "d-1"})
	someValues = rapid.SampledFrom([]metadata.Value{
		text(""), text("1"), ofLength(20), ofLength(21), ofLength(40), metadata.Restore(metadata.KindJSON, `[]`), metadata.Bytes([]byte(" \x00 ")),
	})
	someCondition = rapid.Custom(func(t *rapid.T) *metadata.Condition {
		switch rapid.IntRange(0, 9).Draw(t, "condition") {
		case 0:
			return anything
		case 1:
			return revisions(rapid.SliceOfN(rapid.Uint64Range(0, 12), 0, 4).Draw(t, "revisions")...)
		default:
			return nil
		}
	})
	somePatch = rapid.Custom(func(t *rapid.T) metadata.Patch {
		keys := rapid.SliceOfNDistinct(someKeys, 0, 5, rapid.ID).Draw(t, "keys")
		cut := rapid.IntRange(0, len(keys)).Draw(t, "deleted")
		p := metadata.Patch{
			Delete:     keys[:cut],
			Replace:    rapid.IntRange(0, 5).Draw(t, "replace") == 0,
			KeepClaims: rapid.IntRange(0, 3).Draw(t, "keep claims") == 0,
			If:         metadata.Precondition{IfMatch: someCondition.Draw(t, "match"), IfNoneMatch: someCondition.Draw(t, "none match")},
			Limits: metadata.Limits{
				Entries: rapid.IntRange(2, 6).Draw(t, "entries"), DocumentBytes: rapid.IntRange(60, 200).Draw(t, "bytes"),
				ClaimsBytes: rapid.IntRange(40, 160).Draw(t, "claims"),
			},
			ChangedBy: rapid.SampledFrom([]string{writer, "user:u", "client:c"}).Draw(t, "writer"),
			At:        start.Add(time.Duration(rapid.IntRange(0, 3600_000).Draw(t, "ms")) * time.Millisecond),
		}
		if rapid.Bool().Draw(t, "on an entry") {
			p.If.Key = someKeys.Draw(t, "precondition key")
		}
		for _, key := range keys[cut:] {
			put := entry(key, someValues.Draw(t, "value"))
			put.ProfileClaim = put.Value.Kind() == metadata.KindJSON && rapid.Bool().Draw(t, "claim")
			p.Set = append(p.Set, put)
		}
		return change(p)
	})
)

// answer is what a change is answered with.
func (m *model) answer(p metadata.Patch) metadata.Document {
	doc := m.document()
	if p.Brief {
		doc.Entries = slices.DeleteFunc(doc.Entries, func(e metadata.Entry) bool {
			return !slices.ContainsFunc(p.Set, func(put metadata.Put) bool { return put.Key == e.Key })
		})
	}
	return doc
}

func (s *suite) random() {
	rapid.Check(s.T, func(t *rapid.T) {
		o := s.member()
		m := model{entries: make(map[string]metadata.Entry)}
		var last metadata.Patch
		for range rapid.IntRange(1, 15).Draw(t, "changes") {
			if last.Op != "" && rapid.IntRange(0, 9).Draw(t, "repeat") == 0 {
				if doc, err := s.apply(o, last); err != nil {
					t.Fatalf("repeating %+v: %v", last, err)
				} else if diff := diffDocuments(m.answer(last), doc); diff != "" {
					t.Fatalf("after repeating %+v (-model +store):\n%s", last, diff)
				}
			}
			p := somePatch.Draw(t, "patch")
			p.Brief = rapid.Bool().Draw(t, "brief")
			revision := m.revision
			code := m.apply(p)
			doc, err := s.apply(o, p)
			if codeOf(err) != code || (err == nil) != (code == "") {
				t.Fatalf("%+v\nis %v, the model says %q", p, err, code)
			}
			if err == nil {
				if diff := diffDocuments(m.answer(p), doc); diff != "" {
					t.Fatalf("%+v\nleaves (-model +store):\n%s", p, diff)
				}
			}
			if last = (metadata.Patch{}); err == nil && m.revision > revision {
				last = p
			}
			stored, err := s.store.Get(s.Context(), o)
			if diff := diffDocuments(m.document(), stored); err != nil || diff != "" {
				t.Fatalf("%+v: %v\nstores (-model +store):\n%s", p, err, diff)
			}
			claims, err := Claims(s.Context(), s.store, o.Org, o.User, "")
			if diff := cmp.Diff(m.claims(), claims); err != nil || diff != "" {
				t.Fatalf("%+v: %v\nclaims (-model +store):\n%s", p, err, diff)
			}
		}
	})
}
