// Package memory is what assistants remember of a person (seed 001): whether they may, memories by category, global ones, and tagged
// facts. Nothing of it is in tokens, but for the two flags where an operator makes these entries claims.
package memory

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/records"
	"github.com/claimsmith/claimsmith/internal/audit"
	"github.com/claimsmith/claimsmith/metadata"
)

// Service is safe for concurrent use. Who may is decided by records.Service.Subject. Changes are audit events "memory.create", "update"
// and "delete", of categories "category.create" and "update", and "metadata.write" of the flags; what was refused as Faults is none.
type Service struct {
	*records.Service
	Metadata *metadata.Service
	Audit    audit.Log
	Now      func() time.Time
}

// Kinds of records, and how many a person, or of categories an organisation, has of each.
const (
	kindMemory   = "memory"
	kindGlobal   = "global-memory"
	kindFact     = "fact"
	kindCategory = "category"

	maxMemories   = 500
	maxFacts      = 100
	maxCategories = 1000
)

// attempts is how often a change is made anew because somebody else was faster.
const attempts = 8

// Faults are what is wrong with which members, in the words of Django REST framework.
type Faults map[string][]string

func (f Faults) Error() string { return "members of the memory were refused" }

// change makes a change of what is a person's and records it.
func (s *Service) change(
	ctx context.Context, caller *auth.Caller, org, user, action string, do func(c records.Collection) error,
) error {
	owner, err := s.Subject(ctx, caller, org, user, true)
	if err == nil {
		err = do(records.Collection{Org: org, User: owner.ID})
	}
	s.record(ctx, caller, action, org, "user", owner.ID, err)
	return err
}

// record records an event about what was found: text of a request that names nothing may be a secret in the wrong place.
func (s *Service) record(ctx context.Context, caller *auth.Caller, action, org, kind, id string, err error) {
	if _, refused := errors.AsType[Faults](err); !refused {
		s.Audit.Record(ctx, auth.About(auth.Outcome(action, caller.Ref(), err), org, kind, id))
	}
}

// create adds a record of a kind with this body, which is made of JSON.
func (s *Service) create(ctx context.Context, c records.Collection, name string, body any, limit int) (records.Record, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return records.Record{}, err
	}
	now := s.Now().Truncate(time.Millisecond) // as exactly as it is stored
	return s.Store.CreateRecord(ctx, c, records.Record{Name: name, Body: text, CreatedAt: now, UpdatedAt: now}, rand.Text(), limit)
}

// update replaces the name and the body of a record.
func (s *Service) update(ctx context.Context, c records.Collection, r records.Record, body any) (records.Record, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return records.Record{}, err
	}
	r.Body, r.UpdatedAt = text, s.Now()
	return s.Store.UpdateRecord(ctx, c, r, rand.Text())
}

// unlessOvertaken does something again as long as somebody else changes the same in between.
func unlessOvertaken(do func() error) (err error) {
	for range attempts {
		if err = do(); auth.CodeOf(err) != auth.PreconditionFailed {
			return err
		}
	}
	return &auth.Error{Code: auth.Unavailable, Detail: "others are changing the same; try again", Err: err}
}

// read returns the records of a collection with their bodies.
func read[T any](ctx context.Context, s *Service, c records.Collection) ([]stored[T], error) {
	all, err := s.Store.Records(ctx, c)
	if err != nil {
		return nil, err
	}
	return decode[T](all)
}

func decode[T any](all []records.Record) ([]stored[T], error) {
	list := make([]stored[T], len(all))
	for n, r := range all {
		list[n].Record = r
		if err := json.Unmarshal(r.Body, &list[n].body); err != nil {
			return nil, &auth.Error{Code: auth.Unavailable, Detail: "what is stored cannot be read", Err: err}
		}
	}
	return list, nil
}

type stored[T any] struct {
	records.Record
	body T
}

// orTooMuch puts a refusal of the store into words: there are as many, or as long ones, as there may be.
func orTooMuch(err error, most int, what string) error {
	refused, ok := errors.AsType[*auth.Error](err)
	if ok && refused.Code == auth.Conflict && (refused.Field == "limit" || refused.Field == "size") {
		return Faults{"non_field_errors": {
			fmt.Sprintf("There may be at most %d %s, and a few megabytes of everything together; remove something first.", most, what),
		}}
	}
	return err
}

func errNone(what string) error { return &auth.Error{Code: auth.NotFound, Detail: "no such " + what} }
