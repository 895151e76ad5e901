package metadata

import (
	"cmp"
	"context"
	"fmt"
	"reflect"
	"time"
)

// A change of a definition and the writes of entries happen in different places, so each is made in steps. Everybody's entries are
// looked at; the definition is changed; all partitions are told, after which no write succeeds that was checked against an earlier one;
// everybody's entries are looked at again, and the definition becomes what it was if that found something new. A change that lets users
// write claims of a key could not be taken back, since one of them might have used it. So the key is frozen first: nobody can write it
// while it is looked at for the second time.

const frozenFor = 2 * finishTimeout

// redefinition is one change of one definition.
type redefinition struct {
	service  *Service
	caller   Caller
	org      string
	old, new *Definition // nil for none
	accept   Accept
	// distrusting refuses claims that users wrote themselves, whatever is accepted.
	distrusting bool
}

// make makes new of old, and says what that does to everybody. new becomes what is stored.
func (r *redefinition) make(ctx context.Context, scheme *Scheme) (Report, error) {
	if r.old != nil && sameRules(*r.old, *r.new, true) {
		*r.new = *r.old
		ctx, cancel := finishing(ctx)
		defer cancel()
		return Report{}, r.index(ctx, r.old)
	}
	surveyed := r.old == nil || !sameRules(*r.old, *r.new, false)
	var report Report
	if surveyed {
		found, err := r.survey(ctx, scheme)
		if report = found.Report; err != nil {
			return report, err
		}
	}
	ctx, cancel := finishing(ctx)
	defer cancel()
	opens := r.new.selfClaims() && (r.old == nil || !r.old.selfClaims())
	first := *r.new
	if opens {
		first = Definition{Key: r.new.Key, CreatedAt: r.new.CreatedAt, UpdatedAt: r.new.UpdatedAt, UpdatedBy: r.new.UpdatedBy}
		if r.old != nil {
			first = *r.old
		}
		first.Frozen = r.service.Now().Add(frozenFor)
	}
	var err error
	if first.Version, err = r.put(ctx, first, r.old); err != nil {
		return report, err
	}
	if surveyed {
		found, err := r.surveyAgain(ctx)
		if err == nil && opens && !r.service.Now().Before(first.Frozen.Add(-finishTimeout)) {
			err = Unknown("open a key", context.DeadlineExceeded)
		}
		if err != nil {
			return found.Report, cmp.Or(r.restore(ctx, first), err)
		}
		report = found.Report
	}
	if opens {
		if r.new.Version, err = r.put(ctx, *r.new, &first); err != nil {
			return report, err
		}
	} else {
		r.new.Version = first.Version
	}
	if _, err := r.service.announced(ctx, r.org); err != nil {
		return report, err
	}
	return report, r.index(ctx, r.old)
}

// sameRules compares what definitions say, or, without the texts, what of it concerns entries that there are.
func sameRules(a, b Definition, texts bool) bool {
	if texts && (!a.Frozen.IsZero() || !b.Frozen.IsZero()) {
		return false
	}
	for _, d := range []*Definition{&a, &b} {
		d.Claim, d.Write, d.Read = d.claims(), d.writes(), d.reads()
		d.Indexed, d.Frozen, d.CreatedAt, d.UpdatedAt, d.UpdatedBy, d.Version = false, time.Time{}, time.Time{}, time.Time{}, "", 0
		if !texts {
			d.Description, d.Owner, d.ProfileClaim, d.Searchable, d.Sensitive = "", "", false, false, false
		}
	}
	return reflect.DeepEqual(a, b)
}

func (r *redefinition) surveyAgain(ctx context.Context) (findings, error) {
	scheme, err := r.service.announced(ctx, r.org)
	if err != nil {
		return findings{}, err
	}
	return r.survey(ctx, scheme)
}

// survey returns Conflict or LimitExceeded for findings that are not accepted.
func (r *redefinition) survey(ctx context.Context, scheme *Scheme) (findings, error) {
	found, err := r.service.survey(ctx, scheme, r.old, r.new, Page{Limit: listedViolations})
	if err != nil {
		return found, err
	}
	refuse := func(format string, args ...any) (findings, error) {
		return found, &Error{Code: Conflict, Field: r.new.Key, Detail: fmt.Sprintf("%q: ", r.new.Key) + fmt.Sprintf(format, args...)}
	}
	switch {
	case found.OverBudget > 0:
		what := fmt.Sprintf("%q: ", r.new.Key) + heirsOver(found.OverBudget)
		return found, Exceeded(r.new.Key, what, found.most, found.limit)
	case r.distrusting && found.selfWritten > 0:
		return refuse("%d of its claims were written by their users themselves, which nobody could tell afterwards", found.selfWritten)
	case found.Violations > 0 && !r.accept.Violations:
		return refuse("%d of %d entries are against this definition", found.Violations, found.Entries)
	case found.SelfWrite > 0 && !r.accept.SelfWrite:
		return refuse("users could change %d claims that they did not write, so that none of the key could be trusted any more", found.SelfWrite)
	}
	return found, nil
}

// put stores a definition in place of another, nil for none. That one not being there any more is PreconditionFailed.
func (r *redefinition) put(ctx context.Context, d Definition, instead *Definition) (version uint64, err error) {
	change := SchemeChange{PutDefinition: &d}
	if instead != nil {
		change.IfVersion = instead.Version
	}
	return r.change(ctx, change)
}

func (r *redefinition) change(ctx context.Context, change SchemeChange) (version uint64, err error) {
	version, err = r.service.changeScheme(ctx, r.caller, r.org, change)
	if isCode(err, Conflict) || isCode(err, NotFound) {
		err = &Error{Code: PreconditionFailed, Detail: "the definition has just been changed", Err: err}
	}
	return version, err
}

// restore makes the definition what it was before first was stored.
func (r *redefinition) restore(ctx context.Context, first Definition) error {
	change := SchemeChange{DeleteDefinition: first.Key, IfVersion: first.Version}
	if r.old != nil {
		old := *r.old
		old.Indexed = old.Indexed && first.Searchable // or else entries were written that are not in the index
		change = SchemeChange{PutDefinition: &old, IfVersion: first.Version}
	}
	if _, err := r.change(ctx, change); err != nil {
		return Unknown("restore a definition", err)
	}
	if _, err := r.service.announced(ctx, r.org); err != nil {
		return err
	}
	return r.index(ctx, &first)
}

// index makes the index of the key complete, or removes it, as its definition of now says; was is what that was.
func (r *redefinition) index(ctx context.Context, was *Definition) error {
	key := cmp.Or(r.new, was).Key
	scheme, err := r.service.announced(ctx, r.org)
	if err != nil {
		return err
	}
	d := scheme.defined(key)
	switch {
	case d == nil || !d.Searchable:
		if was != nil && was.Searchable {
			return r.service.Store.Reindex(ctx, r.org, key)
		}
		return nil
	case d.Indexed:
		return nil
	}
	if err := r.service.Store.Reindex(ctx, r.org, key); err != nil {
		return err
	}
	done := *d
	done.Indexed = true
	version, err := r.put(ctx, done, d)
	if isCode(err, PreconditionFailed) {
		return nil // whoever has changed the definition since sees to the index
	}
	if err == nil && r.new != nil && r.new.Version == d.Version {
		r.new.Indexed, r.new.Version = true, version
	}
	return err
}

// remove removes old.
func (r *redefinition) remove(ctx context.Context) error {
	ctx, cancel := finishing(ctx)
	defer cancel()
	if _, err := r.change(ctx, SchemeChange{DeleteDefinition: r.old.Key, IfVersion: r.old.Version}); err != nil {
		return err
	}
	if _, err := r.service.announced(ctx, r.org); err != nil {
		return err
	}
	return r.index(ctx, r.old)
}
