// Package people is what needs a user and his metadata at once: searching, bulk changes, import, and the archive of everything held about
// one person.
package people

import (
	"context"
	"time"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/career"
	"github.com/claimsmith/claimsmith/auth/factor"
	"github.com/claimsmith/claimsmith/auth/memory"
	"github.com/claimsmith/claimsmith/auth/profile"
	"github.com/claimsmith/claimsmith/auth/session"
	"github.com/claimsmith/claimsmith/internal/audit"
	"github.com/claimsmith/claimsmith/metadata"
)

// Service is safe for concurrent use.
type Service struct {
	Users    *auth.Users
	Metadata *metadata.Service
	Sessions *session.Service
	Factors  *factor.Service
	Consents auth.ConsentStore
	Trail    *auth.Trail
	Profile  *profile.Service
	Career   *career.Service
	Memory   *memory.Service
	// Limiter bounds how often a user takes what is held about him.
	Limiter auth.Limiter
	Audit   audit.Log
	Now     func() time.Time
}

// Person is a user with the user-wide document of one organisation, nil where it was not asked for.
type Person struct {
	auth.User
	Document *metadata.Document
}

// List pages through the users of an organisation, with their metadata if asked for: then a page has no more than 50.
func (s *Service) List(ctx context.Context, caller *auth.Caller, org string, withMetadata bool, p auth.Page) ([]Person, string, error) {
	if withMetadata {
		p.Limit = min(p.Limit, pageWithDocuments)
	}
	users, next, err := s.Users.List(ctx, caller, org, p)
	if err != nil {
		return nil, "", err
	}
	people := make([]Person, len(users))
	for n, u := range users {
		people[n].User = u
	}
	return people, next, s.addDocuments(ctx, caller, org, withMetadata, people)
}

// Search is List for those a query finds. It is one of metadata.Service: groups are named by slug. A page may have fewer than asked for,
// or none, and still a next.
func (s *Service) Search(
	ctx context.Context, caller *auth.Caller, org string, q metadata.Query, withMetadata bool, p auth.Page,
) ([]Person, string, error) {
	if withMetadata {
		p.Limit = min(p.Limit, pageWithDocuments)
	}
	ids, next, err := s.Metadata.Search(ctx, caller, caller.OrgOf(org), q, metadata.Page(p))
	if err != nil {
		return nil, "", err
	}
	users, err := s.Users.Named(ctx, caller, org, ids)
	if err != nil {
		return nil, "", err
	}
	people := make([]Person, len(users))
	for n, u := range users {
		people[n].User = u
	}
	return people, next, s.addDocuments(ctx, caller, org, withMetadata, people)
}

// addDocuments reads the documents of people. Who was removed meanwhile stays without.
func (s *Service) addDocuments(ctx context.Context, caller *auth.Caller, org string, wanted bool, people []Person) error {
	if !wanted || len(people) == 0 {
		return nil
	}
	ids := make([]string, len(people))
	for n := range people {
		ids[n] = people[n].ID
	}
	documents, err := s.Metadata.GetAll(ctx, caller, caller.OrgOf(org), ids)
	if err != nil {
		return err
	}
	for n, d := range documents {
		people[n].Document = d
	}
	return nil
}
