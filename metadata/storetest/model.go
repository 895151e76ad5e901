package storetest

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/claimsmith/claimsmith/metadata"
)

// model is what a document should be, written as plainly as possible.
type model struct {
	revision uint64
	entries  map[string]metadata.Entry
	groups   []string
	created  time.Time
	changed  time.Time
	// past is what the document was before each change, made the changes, and kept how many of them are remembered.
	past []metadata.Document
	made []metadata.Patch
	kept int
}

// The scheme that the model's partition was told of.
const announced = 3

var searchable = []string{"a", "B", "cc"}

// verdict is why a change is refused; "" if it is made.
type verdict struct {
	code          metadata.Code
	schemeChanged bool
}

func (m *model) apply(p metadata.Patch) verdict {
	if p.Scheme < announced {
		return verdict{metadata.Unavailable, true}
	}
	if !m.holds(p.If) {
		return verdict{code: metadata.PreconditionFailed}
	}
	touched := slices.Clone(p.Delete)
	for _, put := range p.Set {
		touched = append(touched, put.Key)
	}
	for _, key := range touched {
		if m.mayNotTouch(p.Self, key) {
			return verdict{code: metadata.Forbidden}
		}
	}
	for _, key := range p.Delete {
		if _, ok := m.entries[key]; p.MustExist && !ok {
			return verdict{code: metadata.NotFound}
		}
	}
	after := maps.Clone(m.entries)
	for key := range m.entries {
		named := slices.ContainsFunc(p.Set, func(put metadata.Put) bool { return put.Key == key })
		if slices.Contains(p.Delete, key) || p.Replace && !named && !m.mayNotTouch(p.Self, key) {
			delete(after, key)
		}
	}
	groups := m.groups
	if p.Groups != nil {
		groups = *p.Groups
	}
	changed := len(after) < len(m.entries) || !slices.Equal(groups, m.groups)
	setsClaim := false
	for _, put := range p.Set {
		if old, ok := m.entries[put.Key]; ok && p.KeepEqual && (old.Value == put.Value || old.Value == put.Alike) {
			continue
		}
		changed = true
		e := metadata.Entry{
			Key: put.Key, Value: put.Value, ProfileClaim: put.ProfileClaim,
			Revision: m.revision + 1, CreatedAt: p.At, ChangedAt: p.At, ChangedBy: p.ChangedBy,
		}
		if old, ok := m.entries[put.Key]; ok {
			e.CreatedAt = old.CreatedAt
			if put.Unmarked {
				e.ProfileClaim = old.ProfileClaim
			}
		}
		after[put.Key] = e
		setsClaim = setsClaim || e.ProfileClaim
	}
	if code := m.exceeds(after, setsClaim, p.Limits); code != "" {
		return verdict{code: code}
	}
	if changed && !p.DryRun {
		m.remember(p)
	}
	if changed {
		if m.revision++; m.revision == 1 {
			m.created = p.At
		}
		m.changed = p.At
		m.entries, m.groups = after, groups
	}
	return verdict{}
}

func (m *model) mayNotTouch(rules *metadata.SelfRules, key string) bool {
	return rules != nil && (slices.ContainsFunc(rules.Reserved, func(other string) bool { return strings.EqualFold(other, key) }) ||
		m.entries[key].ProfileClaim && !slices.Contains(rules.Own, key))
}

func (m *model) exceeds(after map[string]metadata.Entry, setsClaim bool, limits metadata.Limits) metadata.Code {
	before, would := measure(m.entries), measure(after)
	switch {
	case would.Entries > limits.Entries && would.Entries > before.Entries,
		would.DocumentBytes > limits.DocumentBytes && would.DocumentBytes > before.DocumentBytes,
		setsClaim && would.ClaimsBytes > limits.ClaimsBytes && would.ClaimsBytes > before.ClaimsBytes:
		return metadata.LimitExceeded
	}
	names := make(map[string]bool)
	for key, e := range after {
		if e.ProfileClaim {
			if names[strings.ToLower(key)] || e.Value.Kind() != metadata.KindJSON {
				return metadata.Conflict
			}
			names[strings.ToLower(key)] = true
		}
	}
	return ""
}

func (m *model) remember(p metadata.Patch) {
	m.past = append(slices.Clip(m.past), untimed(m.document()))
	m.made = append(slices.Clip(m.made), p)
	if p.Limits.History.Bytes == 0 {
		m.kept = 0
	} else {
		m.kept = min(m.kept+1, p.Limits.History.Changes)
	}
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
	doc := metadata.Document{Revision: m.revision, Groups: m.groups, CreatedAt: m.created, ChangedAt: m.changed}
	for _, key := range slices.Sorted(maps.Keys(m.entries)) {
		doc.Entries = append(doc.Entries, m.entries[key])
	}
	return doc
}

func (m *model) claims() metadata.Claims {
	c := metadata.Claims{Revision: m.revision, Groups: m.groups}
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
	someOf    = rapid.SliceOfNDistinct(someKeys, 0, 2, rapid.ID)
	somePatch = rapid.Custom(func(t *rapid.T) metadata.Patch {
		keys := rapid.SliceOfNDistinct(someKeys, 0, 5, rapid.ID).Draw(t, "keys")
		cut := rapid.IntRange(0, len(keys)).Draw(t, "deleted")
		p := metadata.Patch{
			Delete:  keys[:cut],
			Replace: rapid.IntRange(0, 5).Draw(t, "replace") == 0, KeepEqual: rapid.Bool().Draw(t, "keep equal"),
			MustExist: rapid.IntRange(0, 3).Draw(t, "must exist") == 0,
			If:        metadata.Precondition{IfMatch: someCondition.Draw(t, "match"), IfNoneMatch: someCondition.Draw(t, "none match")},
			Limits: metadata.Limits{
				Entries: rapid.IntRange(2, 6).Draw(t, "entries"), DocumentBytes: rapid.IntRange(60, 200).Draw(t, "bytes"),
				ClaimsBytes: rapid.IntRange(40, 160).Draw(t, "claims"),
				History:     metadata.Retention{Changes: rapid.SampledFrom([]int{100, 100, 100, 4, 2, 0}).Draw(t, "kept"), Bytes: 1 << 20},
			},
			Scheme:    announced - 1 + rapid.SampledFrom([]uint64{1, 1, 1, 1, 2, 1, 1, 0}).Draw(t, "scheme"),
			Via:       rapid.SampledFrom([]string{"", "native", "zitadel"}).Draw(t, "dialect"),
			ChangedBy: rapid.SampledFrom([]string{writer, "user:u", "client:c"}).Draw(t, "writer"),
			At:        start.Add(time.Duration(rapid.IntRange(0, 3600_000).Draw(t, "ms")) * time.Millisecond),
		}
		if rapid.IntRange(0, 3).Draw(t, "by himself") == 0 {
			p.Self = &metadata.SelfRules{Own: someOf.Draw(t, "own"), Reserved: someOf.Draw(t, "reserved")}
		}
		if rapid.IntRange(0, 3).Draw(t, "regroup") == 0 {
			groups := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"g1", "g2", "g3"}), 0, 3, rapid.ID).Draw(t, "groups")
			slices.Sort(groups)
			p.Groups = &groups
		}
		if rapid.Bool().Draw(t, "on an entry") {
			p.If.Key = someKeys.Draw(t, "precondition key")
		}
		for _, key := range keys[cut:] {
			put := found(entry(key, someValues.Draw(t, "value")))
			put.ProfileClaim = put.Value.Kind() == metadata.KindJSON && rapid.Bool().Draw(t, "claim")
			put.Unmarked = rapid.IntRange(0, 3).Draw(t, "unmarked") == 0
			if rapid.IntRange(0, 2).Draw(t, "alike") == 0 {
				put.Alike = someValues.Draw(t, "alike value")
			}
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
		o := s.memberOf(s.newOrg())
		s.users.Announce(s.T, o, announced, searchable...)
		m := model{entries: make(map[string]metadata.Entry)}
		var last metadata.Patch
		for range rapid.IntRange(1, 15).Draw(t, "changes") {
			if last.Op != "" && rapid.IntRange(0, 9).Draw(t, "repeat") == 0 {
				last.Scheme = 0 // it was made in time
				if doc, err := s.apply(o, last); err != nil {
					t.Fatalf("repeating %+v: %v", last, err)
				} else if diff := diffDocuments(m.answer(last), doc); diff != "" {
					t.Fatalf("after repeating %+v (-model +store):\n%s", last, diff)
				}
			}
			p := somePatch.Draw(t, "patch")
			p.Brief = rapid.Bool().Draw(t, "brief")
			if rapid.IntRange(0, 2).Draw(t, "try") == 0 {
				thought := m
				p.DryRun = true
				before := s.users.Dump(s.T, o)
				s.agree(t, &thought, o, p)
				if diff := cmp.Diff(before, s.users.Dump(s.T, o)); diff != "" {
					t.Fatalf("a dry run of %+v changed (-before +after):\n%s", p, diff)
				}
				p.DryRun = false
			}
			revision := m.revision
			s.agree(t, &m, o, p)
			if last = (metadata.Patch{}); m.revision > revision {
				last = p
			}
			s.compare(t, &m, o, p)
		}
	})
}

// agree makes a change of the model and of the store, which must be answered alike.
func (s *suite) agree(t *rapid.T, m *model, o metadata.Owner, p metadata.Patch) {
	want := m.apply(p)
	doc, err := s.apply(o, p)
	if got := (verdict{codeOf(err), errors.Is(err, metadata.ErrSchemeChanged)}); got != want || (err == nil) != (want == verdict{}) {
		t.Fatalf("%+v\nis %v, the model says %+v", p, err, want)
	}
	if err == nil {
		if diff := diffDocuments(m.answer(p), doc); diff != "" {
			t.Fatalf("%+v\nleaves (-model +store):\n%s", p, diff)
		}
	}
}

// compare looks at all that is stored after a change.
func (s *suite) compare(t *rapid.T, m *model, o metadata.Owner, p metadata.Patch) {
	stored, past, err := s.store.History(s.Context(), o, all, start)
	if diff := diffDocuments(m.document(), stored); err != nil || diff != "" {
		t.Fatalf("%+v: %v\nstores (-model +store):\n%s", p, err, diff)
	}
	claims, err := Claims(s.Context(), s.store, o.Org, o.User, "")
	if diff := cmp.Diff(m.claims(), claims, cmpopts.EquateEmpty()); err != nil || diff != "" {
		t.Fatalf("%+v: %v\nclaims (-model +store):\n%s", p, err, diff)
	}
	if diff := cmp.Diff(IndexFor(o, m.document(), searchable...), s.users.IndexOf(s.T, o), cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("%+v\nindex (-model +store):\n%s", p, diff)
	}
	if len(past) != m.kept {
		t.Fatalf("%+v\n%d changes are remembered, want %d", p, len(past), m.kept)
	}
	for i, r := range past {
		n := len(m.made) - 1 - i
		made := m.made[n]
		if r.Revision != uint64(n+1) || !r.At.Equal(made.At) || r.By != made.ChangedBy || r.Via != made.Via {
			t.Fatalf("change %+v is remembered as %+v", made, r)
		}
		stored = Undo(stored, r)
		if diff := diffDocuments(m.past[n], stored); diff != "" {
			t.Fatalf("%+v\nbefore revision %d (-model +history):\n%s", p, n+1, diff)
		}
	}
}
