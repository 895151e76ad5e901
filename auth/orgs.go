package auth

import (
	"context"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/claimsmith/claimsmith/internal/audit"
)

// MaxClaimsBudget is the largest claims budget an organisation can be given, in bytes: with it a token still passes the 8 KiB
// header limit most proxies have.
const MaxClaimsBudget = 4096

// The most an organisation's history may be told to hold.
const (
	MaxHistoryChanges = 1000
	MaxHistoryDays    = 3650
)

// Orgs manages organisations: administrators create and change them, everybody sees his own.
type Orgs struct {
	Store    OrgStore
	Registry *Registry
	Callers  *Callers
	Audit    audit.Log
	Now      func() time.Time
}

// OrgChange changes the fields that are not nil. A disabled organisation's users, clients and operators are refused everywhere.
type OrgChange struct {
	Name           *string
	Disabled       *bool
	ClaimsBudget   *int
	HistoryChanges *int
	HistoryDays    *int
	LogoURL        *string
	Color          *string
}

// Get returns an organisation the caller may see.
func (s *Orgs) Get(ctx context.Context, caller *Caller, slug string) (Org, error) {
	if !caller.MayRead(slug) || !ValidSlug(slug) {
		return Org{}, errNotFound("organisation")
	}
	return s.Store.Org(ctx, slug)
}

// List pages through all organisations for an administrator and returns just the own one for anybody else.
func (s *Orgs) List(ctx context.Context, caller *Caller, p Page) ([]Org, string, error) {
	if caller.IsAdmin() {
		return s.Store.Orgs(ctx, p)
	}
	org, err := s.Get(ctx, caller, caller.HomeOrg())
	if err != nil {
		return nil, "", err
	}
	return []Org{org}, "", nil
}

// Create adds an organisation. Repeating the call is a Conflict that changes nothing.
func (s *Orgs) Create(ctx context.Context, caller *Caller, slug string, c OrgChange) (Org, error) {
	now := s.Now()
	org := Org{Slug: slug, Since: now, CreatedAt: now, UpdatedAt: now}
	err := s.mayAdminister(caller, slug)
	if err == nil && !ValidSlug(slug) {
		err = &Error{Code: InvalidRequest, Field: "slug", Detail: "1 to 63 of a-z 0-9 -, starting with a letter or digit"}
	}
	if err == nil {
		err = s.put(ctx, &org, c)
	}
	s.record(ctx, "org.create", caller, slug, err)
	return org, err
}

// Update changes an organisation. want, if not nil, is the version the change is based on.
func (s *Orgs) Update(ctx context.Context, caller *Caller, slug string, want *uint64, c OrgChange) (Org, error) {
	var org Org
	err := unlessChanged(want, func() (err error) {
		if org, err = s.Get(ctx, caller, slug); err != nil {
			return err
		}
		if err := s.mayAdminister(caller, slug); err != nil {
			return err
		}
		if err := checkVersion(org.Version, want); err != nil {
			return err
		}
		org.UpdatedAt = s.Now()
		return s.put(ctx, &org, c)
	})
	s.record(ctx, "org.update", caller, slug, err)
	return org, err
}

func (s *Orgs) mayAdminister(caller *Caller, slug string) error {
	if caller.IsAdmin() {
		return nil
	}
	if caller.MayRead(slug) {
		return errForbidden("change an organisation")
	}
	return errForbidden("create an organisation")
}

func (s *Orgs) put(ctx context.Context, org *Org, c OrgChange) error {
	if c.Name != nil {
		if err := checkName("name", *c.Name); err != nil {
			return err
		}
		org.Name = *c.Name
	}
	if c.ClaimsBudget != nil {
		if *c.ClaimsBudget < 0 || *c.ClaimsBudget > MaxClaimsBudget {
			return &Error{Code: InvalidRequest, Field: "claims_budget", Detail: "0 (the server's default) to 4096 bytes"}
		}
		org.ClaimsBudget = *c.ClaimsBudget
	}
	if err := org.setHistory(c); err != nil {
		return err
	}
	if err := org.setLook(c); err != nil {
		return err
	}
	if c.Disabled != nil {
		if *c.Disabled && org.Slug == DefaultOrg {
			return &Error{Code: InvalidRequest, Field: "disabled", Detail: "the default organisation cannot be disabled"}
		}
		if org.Disabled && !*c.Disabled {
			org.Since = s.Now()
		}
		org.Disabled = *c.Disabled
	}
	version, err := s.Store.PutOrg(ctx, *org, newOperation())
	if err != nil {
		return err
	}
	org.Version = version
	s.Registry.Forget()
	s.Callers.Forget()
	return nil
}

func (o *Org) setHistory(c OrgChange) error {
	if c.HistoryChanges != nil {
		if *c.HistoryChanges < 0 || *c.HistoryChanges > MaxHistoryChanges {
			return &Error{Code: InvalidRequest, Field: "history_changes", Detail: "0 (the server's default) to 1000 changes"}
		}
		o.HistoryChanges = *c.HistoryChanges
	}
	if c.HistoryDays != nil {
		if *c.HistoryDays < 0 || *c.HistoryDays > MaxHistoryDays {
			return &Error{Code: InvalidRequest, Field: "history_days", Detail: "0 (no bound) to 3650 days"}
		}
		o.HistoryDays = *c.HistoryDays
	}
	return nil
}

func (s *Orgs) record(ctx context.Context, action string, caller *Caller, slug string, err error) {
	s.Audit.Record(ctx, About(Outcome(action, caller.Ref(), err), slug, "org", slug))
}

// checkName bounds a free text shown to people.
func checkName(field, name string) error { return checkText(field, name, 200) }

func checkText(field, text string, most int) error {
	if utf8.RuneCountInString(text) > most || !printable(text) {
		return &Error{Code: InvalidRequest, Field: field, Detail: fmt.Sprintf("at most %d characters, no control characters", most)}
	}
	return nil
}

func printable(s string) bool {
	for _, r := range s {
		if r < ' ' || 0x7f <= r && r <= 0x9f || r == 0x2028 || r == 0x2029 {
			return false
		}
	}
	return utf8.ValidString(s)
}
