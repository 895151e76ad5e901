package memory

import (
	"cmp"
	"context"
	"crypto/rand"
	"slices"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/records"
)

// Fact is a detail of a person under a tag.
type Fact struct{ Tag, Detail string }

type factBody struct {
	Detail string `json:"detail"`
}

// Facts lists them by tag.
func (s *Service) Facts(ctx context.Context, caller *auth.Caller, org, user string) ([]Fact, error) {
	owner, err := s.Subject(ctx, caller, org, user, false)
	if err != nil {
		return nil, err
	}
	list, err := read[factBody](ctx, s, records.Collection{Org: org, User: owner.ID, Kind: kindFact})
	if err != nil {
		return nil, err
	}
	facts := make([]Fact, len(list))
	for n := range list {
		facts[n] = Fact{Tag: list[n].Name, Detail: list[n].body.Detail}
	}
	slices.SortFunc(facts, func(a, b Fact) int { return cmp.Compare(a.Tag, b.Tag) })
	return facts, nil
}

// SetFact sets one, whatever its tag stood for before.
func (s *Service) SetFact(ctx context.Context, caller *auth.Caller, org, user string, f Fact) error {
	return s.change(ctx, caller, org, user, "memory.update", func(c records.Collection) error {
		c.Kind = kindFact
		faults := Faults{}
		faults.tag(f.Tag)
		faults.text("detail", f.Detail, MaxContent)
		if err := faults.err(); err != nil {
			return err
		}
		return unlessOvertaken(func() error { return s.putFact(ctx, c, f) })
	})
}

// putFact is PreconditionFailed where somebody else has put the same at the moment.
func (s *Service) putFact(ctx context.Context, c records.Collection, f Fact) error {
	now, found, err := s.fact(ctx, c, f.Tag)
	if err != nil {
		return err
	}
	if found {
		_, err = s.update(ctx, c, now, factBody{f.Detail})
		if auth.CodeOf(err) != auth.NotFound {
			return orTooMuch(err, maxFacts, "facts")
		}
	} // or it was removed meanwhile, or whose it was, who is NotFound below
	_, err = s.create(ctx, c, f.Tag, factBody{f.Detail}, maxFacts)
	err = orTooMuch(err, maxFacts, "facts")
	if auth.CodeOf(err) == auth.Conflict {
		return overtaken(err)
	}
	return err
}

func overtaken(err error) error { return &auth.Error{Code: auth.PreconditionFailed, Err: err} }

// ForgetFact removes one.
func (s *Service) ForgetFact(ctx context.Context, caller *auth.Caller, org, user, tag string) error {
	return s.change(ctx, caller, org, user, "memory.delete", func(c records.Collection) error {
		c.Kind = kindFact
		now, found, err := s.fact(ctx, c, tag)
		if err == nil && !found {
			err = errNone("fact")
		}
		if err != nil {
			return err
		}
		return s.Store.DeleteRecord(ctx, c, now.ID, rand.Text())
	})
}

func (s *Service) fact(ctx context.Context, c records.Collection, tag string) (records.Record, bool, error) {
	all, err := s.Store.Records(ctx, c)
	n := slices.IndexFunc(all, func(r records.Record) bool { return r.Name == tag })
	if err != nil || n < 0 {
		return records.Record{}, false, err
	}
	return all[n], true, nil
}
