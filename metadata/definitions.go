package metadata

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Accept says which findings of a Report do not keep a definition from being changed.
type Accept struct {
	// Violations: entries that are against the new definition stay as they are until they are written again.
	Violations bool
	// SelfWrite: claims that operators wrote become claims their users may change, so that none of the key can be trusted any more.
	SelfWrite bool
}

// Violation is an entry that is against a definition.
type Violation struct {
	Owner  Owner
	Key    string
	Reason string // a sentence: the rule, the limit, the figure; never the value
}

// Report is what a change of a definition would do to everybody.
type Report struct {
	// Created: there was no definition of the key.
	Created   bool
	Documents int // visited
	Entries   int // of the key
	// Violations is how many entries are against the new definition, Listed a page of them.
	Violations int
	Listed     []Violation
	Next       string
	// SelfWrite is how many claims written by operators the users could change from then on.
	SelfWrite int
	// Gaining, Losing and Changing are how many users' tokens would show the claim as they do not now, no longer, or with another value,
	// to a client that sees everything.
	Gaining, Losing, Changing int
	// OverBudget is how many users would inherit more than Limits.InheritedBytes: 1 if nobody does yet, but whoever comes would. That is
	// never accepted.
	OverBudget int
}

// Definitions lists an organisation's definitions by key, those the caller may not read left out.
func (s *Service) Definitions(ctx context.Context, c Caller, org string, p Page) (all []Definition, next string, err error) {
	scheme, err := s.definitionsFor(ctx, c, org)
	if err != nil {
		return nil, "", err
	}
	readable := slices.DeleteFunc(slices.Clone(scheme.Definitions), func(d Definition) bool { return !readable(c, scheme.Org, &d) })
	all, next = page(readable, p, func(d Definition) string { return d.Key })
	return all, next, nil
}

// Definition returns one, or NotFound.
func (s *Service) Definition(ctx context.Context, c Caller, org, key string) (Definition, error) {
	scheme, err := s.definitionsFor(ctx, c, org)
	if err != nil {
		return Definition{}, err
	}
	d := scheme.defined(key)
	if d == nil || !readable(c, scheme.Org, d) {
		return Definition{}, errNoDefinition
	}
	return *d, nil
}

// definitionsFor returns the scheme of now to whoever may read definitions: members too, since they tell what members may write.
func (s *Service) definitionsFor(ctx context.Context, c Caller, org string) (*Scheme, error) {
	org = orgOf(c, org)
	_, member := c.Self(org)
	if !isOrg(org) || !member && !c.MayRead(org) {
		return nil, errNoOrg
	}
	return s.latest(ctx, org)
}

// defined returns the definition of exactly that key, nil for none.
func (s *Scheme) defined(key string) *Definition {
	if d := s.Definition(key); d != nil && d.Key == key {
		return d
	}
	return nil
}

// CheckDefinition says what Define would do, and changes nothing. A page is one of the violations.
func (s *Service) CheckDefinition(ctx context.Context, c Caller, org string, d Definition, p Page) (Report, error) {
	org = orgOf(c, org)
	if err := mayGovern(c, org); err != nil {
		return Report{}, err
	}
	if err := s.checkDefinition(&d); err != nil {
		return Report{}, err
	}
	scheme, err := s.latest(ctx, org)
	if err != nil {
		return Report{}, err
	}
	old := scheme.defined(d.Key)
	if err := scheme.fits(&d); err != nil {
		return Report{}, err
	}
	found, err := s.survey(ctx, scheme, old, &d, p)
	found.Created = old == nil
	return found.Report, err
}

// fits reports why a scheme cannot have a definition.
func (s *Scheme) fits(d *Definition) error {
	other := s.Definition(d.Key)
	if other != nil && other.Key != d.Key {
		return &Error{Code: Conflict, Field: "key", Detail: fmt.Sprintf("%q differs only in case from %q, which is defined", d.Key, other.Key)}
	}
	if other == nil && len(s.Definitions) >= MaxDefinitions {
		return Exceeded("", "definitions of this organisation", len(s.Definitions)+1, MaxDefinitions)
	}
	return nil
}

// listedViolations is how many violations a refusal lists.
const listedViolations = 20

// Define creates or changes a definition (those fields that are not the server's). want is the version it must have, 0 for none, nil for
// any. It is refused with Conflict, and the report, where that has violations or self-writing that are not accepted.
func (s *Service) Define(ctx context.Context, c Caller, org string, d Definition, want *uint64, accept Accept,
) (Definition, Report, error) {
	org = orgOf(c, org)
	var report Report
	err := mayGovern(c, org)
	if err == nil {
		err = s.checkDefinition(&d)
	}
	target := definitionRef(d.Key)
	if err == nil {
		err = s.retry(want, func() (err error) {
			proposed := d
			if report, err = s.define(ctx, c, org, &proposed, want, accept); err == nil {
				d = proposed
			}
			return err
		})
	}
	s.recordWrite(ctx, c, "definition.put", org, target, err)
	if err != nil {
		return Definition{}, report, err
	}
	return d, report, nil
}

// definitionRef names a definition for the record, if it can be one.
func definitionRef(key string) string {
	if CheckKey(key) != nil {
		return ""
	}
	return "definition:" + key
}

func (s *Service) define(ctx context.Context, c Caller, org string, d *Definition, want *uint64, accept Accept,
) (report Report, err error) {
	scheme, err := s.latest(ctx, org)
	if err != nil {
		return report, err
	}
	old := scheme.defined(d.Key)
	version := uint64(0)
	if old != nil {
		version = old.Version
	}
	if want != nil && *want != version {
		return report, errVersion(version)
	}
	if err := scheme.fits(d); err != nil {
		return report, err
	}
	now := s.Now()
	d.CreatedAt, d.UpdatedAt, d.UpdatedBy, d.Version, d.Indexed, d.Frozen = now, now, c.Ref(), 0, false, time.Time{}
	if old != nil {
		d.CreatedAt, d.Indexed = old.CreatedAt, old.Indexed && d.Searchable
	}
	change := redefinition{service: s, caller: c, org: org, old: old, new: d, accept: accept}
	report, err = change.make(ctx, scheme)
	report.Created = old == nil
	return report, err
}

// Undefine removes a definition. It is refused with Conflict where users wrote claims of the key themselves, which nobody could tell from
// what operators wrote afterwards.
func (s *Service) Undefine(ctx context.Context, c Caller, org, key string, want *uint64) error {
	org = orgOf(c, org)
	err := mayGovern(c, org)
	if err == nil {
		err = s.retry(want, func() error { return s.undefine(ctx, c, org, key, want) })
	}
	s.recordWrite(ctx, c, "definition.delete", org, definitionRef(key), err)
	return err
}

func (s *Service) undefine(ctx context.Context, c Caller, org, key string, want *uint64) error {
	scheme, err := s.latest(ctx, org)
	if err != nil {
		return err
	}
	old := scheme.defined(key)
	if old == nil {
		return errNoDefinition
	}
	if want != nil && *want != old.Version {
		return errVersion(old.Version)
	}
	change := redefinition{service: s, caller: c, org: org, old: old}
	if old.selfClaims() {
		closed := *old
		closed.Write = ForOperators
		closing := redefinition{service: s, caller: c, org: org, old: old, new: &closed, accept: Accept{Violations: true}, distrusting: true}
		if _, err := closing.make(ctx, scheme); err != nil {
			return err
		}
		change.old = &closed
	} else {
		same := redefinition{service: s, caller: c, org: org, old: old, new: old, accept: Accept{Violations: true}, distrusting: true}
		if _, err := same.surveyAgain(ctx); err != nil {
			return err
		}
	}
	return change.remove(ctx)
}
