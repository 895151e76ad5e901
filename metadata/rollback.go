package metadata

import (
	"context"
	"slices"
	"strconv"
)

const actionRollback = "metadata.rollback"

// rollbackAttempts is how often a document that moves meanwhile is rolled back.
const rollbackAttempts = 8

// Rollback makes a document, or with a key one entry, what it was at a revision, as a change of now that obeys the rules of now: values and
// marks, and of a whole user-wide document the groups that still exist. Operators alone may. NotFound: nothing is remembered that far
// back; Detail says how far.
func (s *Service) Rollback(ctx context.Context, c Caller, t Target, to uint64, key string, pre Precondition) (Document, error) {
	if key != "" {
		if err := CheckKey(key); err != nil {
			return Document{}, err
		}
	}
	o, err := t.owner(c)
	if err != nil {
		return Document{}, err
	}
	w := write{action: actionRollback, operators: true}
	if !c.MayWrite(o.Org) {
		done, err := s.apply(ctx, c, t, w) // which says what such a caller is told
		return done.Document, err
	}
	for n := 1; ; n++ {
		if err := s.planRollback(ctx, c, t, to, key, pre, &w); err != nil {
			return Document{}, err
		}
		done, err := s.apply(ctx, c, t, w)
		if !isCode(err, PreconditionFailed) {
			return done.Document, err
		}
		if n == rollbackAttempts { // what the caller asked for held every time
			return Document{}, Unknown("roll back", err)
		}
	}
}

// planRollback makes w the change that is needed now, on condition that the document stays as it is until then.
func (s *Service) planRollback(ctx context.Context, c Caller, t Target, to uint64, key string, pre Precondition, w *write) error {
	return s.read(ctx, c, t, func(o Owner) error {
		limits, err := s.limits(ctx, o.Org)
		if err != nil {
			return err
		}
		doc, past, err := s.Store.History(ctx, o, limits.History, s.Now())
		if err != nil {
			return err
		}
		if err := pre.check(&doc); err != nil {
			return err
		}
		then, err := doc.rewound(past, to, "revision")
		if err != nil {
			return err
		}
		w.change, w.groups = doc.changeTo(&then, key), nil
		if key == "" && o.App == "" && !o.Shared() {
			scheme, err := s.scheme(ctx, o.Org)
			if err != nil {
				return err
			}
			if groups := scheme.existing(then.Groups); !slices.Equal(groups, scheme.existing(doc.Groups)) {
				w.groups = &groups
			}
		}
		w.pre = Precondition{IfMatch: &Condition{Revisions: []uint64{doc.Revision}}}
		return nil
	})
}

// changeTo is the change that makes a document's entries, or only that of a key, those of another.
func (d *Document) changeTo(then *Document, key string) Change {
	var change Change
	for _, e := range then.Entries {
		if key != "" && e.Key != key {
			continue
		}
		if is, ok := d.Entry(e.Key); !ok || is.Value != e.Value || is.ProfileClaim != e.ProfileClaim {
			change.Set = append(change.Set, Put{Key: e.Key, Value: e.Value, ProfileClaim: e.ProfileClaim})
		}
	}
	for _, e := range d.Entries {
		if _, ok := then.Entry(e.Key); !ok && (key == "" || e.Key == key) {
			change.Delete = append(change.Delete, e.Key)
		}
	}
	return change
}

// existing are those of some groups that there are, ascending.
func (s *Scheme) existing(ids []string) []string {
	groups := []string{}
	for _, id := range ids {
		if s.groupByID(id) != nil {
			groups = append(groups, id)
		}
	}
	slices.Sort(groups)
	return groups
}

// check reports as PreconditionFailed what does not hold of a document.
func (p *Precondition) check(d *Document) error {
	revision, exists := d.Revision, d.Revision > 0
	if p.Key != "" {
		var e Entry
		e, exists = d.Entry(p.Key)
		revision = e.Revision
	}
	matches := func(c *Condition) bool {
		if c.Any {
			return exists
		}
		return (exists || p.Key == "") && slices.Contains(c.Revisions, revision)
	}
	if p.IfMatch != nil && !matches(p.IfMatch) || p.IfNoneMatch != nil && matches(p.IfNoneMatch) {
		return &Error{Code: PreconditionFailed, Detail: "the current revision is " + strconv.FormatUint(revision, 10)}
	}
	return nil
}
