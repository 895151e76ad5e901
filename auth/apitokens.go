package auth

import (
	"context"
	"time"

	"github.com/claimsmith/claimsmith/internal/audit"
)

// APITokens manages operators' API tokens.
type APITokens struct {
	Store    APITokenStore
	Registry *Registry
	Callers  *Callers
	Audit    audit.Log
	Now      func() time.Time
}

// NewAPIToken describes an API token to create.
type NewAPIToken struct {
	Name string
	// Org is the organisation it is for; it must be "" for RoleAdmin.
	Org  string
	Role Role
	// ExpiresAt is the end of its life, the zero time for none.
	ExpiresAt time.Time
}

// Create makes a token and returns its text, which is not kept and cannot be shown again. Nobody can create a token that may do
// more than himself.
func (s *APITokens) Create(ctx context.Context, caller *Caller, n NewAPIToken) (APIToken, string, error) {
	text := newSecret(apiTokenPrefix)
	t, err := s.create(ctx, caller, n, text)
	s.record(ctx, "token.create", caller, t, err)
	return t, text, err
}

// CreateWith makes a token with a text the caller chose, for demonstrations and scripts.
func (s *APITokens) CreateWith(ctx context.Context, caller *Caller, n NewAPIToken, text string) (APIToken, error) {
	t, err := s.create(ctx, caller, n, text)
	s.record(ctx, "token.create", caller, t, err)
	return t, err
}

func (s *APITokens) create(ctx context.Context, caller *Caller, n NewAPIToken, text string) (APIToken, error) {
	t := APIToken{
		ID: apiTokenID(text), Name: n.Name, Org: n.Org, Role: n.Role, Hash: hashSecret(text), ExpiresAt: n.ExpiresAt,
		CreatedAt: s.Now(), CreatedBy: caller.Ref(),
	}
	switch n.Role {
	case RoleAdmin, RoleOperator, RoleReader:
	default:
		return t, &Error{Code: InvalidRequest, Field: "role", Detail: "one of admin, operator, reader"}
	}
	if n.Role == RoleAdmin && n.Org != "" {
		return t, &Error{Code: InvalidRequest, Field: "org", Detail: "an admin token belongs to no organisation"}
	}
	if n.Org != "" && !caller.MayRead(n.Org) {
		return t, errNotFound("organisation")
	}
	if !caller.mayGrant(n.Role, n.Org) {
		return t, errForbidden("create such a token")
	}
	if err := checkName("name", n.Name); err != nil {
		return t, err
	}
	if !n.ExpiresAt.IsZero() && !n.ExpiresAt.After(t.CreatedAt) {
		return t, &Error{Code: InvalidRequest, Field: "expires_at", Detail: "a time in the future"}
	}
	if n.Org != "" {
		if _, err := s.Registry.Org(ctx, n.Org); err != nil {
			return t, err
		}
	}
	var err error
	t.Version, err = s.Store.PutAPIToken(ctx, t, newOperation())
	return t, err
}

// List pages through the tokens of an organisation; without one, through the administrators' tokens if the caller is one, and
// else through those of the caller's own.
func (s *APITokens) List(ctx context.Context, caller *Caller, org string, p Page) ([]APIToken, string, error) {
	if org == "" && !caller.IsAdmin() {
		org = caller.HomeOrg()
	}
	if !caller.MayRead(org) {
		return nil, "", errNotFound("organisation")
	}
	return s.Store.APITokens(ctx, org, p)
}

// Get returns a token the caller may see.
func (s *APITokens) Get(ctx context.Context, caller *Caller, id string) (APIToken, error) {
	if !ValidUserID(id) {
		return APIToken{}, errNotFound("token")
	}
	t, err := s.Store.APIToken(ctx, id)
	if err != nil {
		return APIToken{}, err
	}
	if !caller.MayRead(t.Org) {
		return APIToken{}, errNotFound("token")
	}
	return t, nil
}

// Delete revokes a token: at once here, within Recency on every other instance. want, if not nil, is the only version to revoke.
func (s *APITokens) Delete(ctx context.Context, caller *Caller, id string, want *uint64) error {
	var t APIToken
	err := unlessChanged(want, func() (err error) {
		if t, err = s.Get(ctx, caller, id); err != nil {
			return err
		}
		if !caller.mayGrant(t.Role, t.Org) {
			return errForbidden("revoke this token")
		}
		if err := checkVersion(t.Version, want); err != nil {
			return err
		}
		return s.Store.DeleteAPIToken(ctx, t)
	})
	if err == nil {
		s.Callers.Forget()
	}
	s.record(ctx, "token.delete", caller, t, err)
	return err
}

func (s *APITokens) record(ctx context.Context, action string, caller *Caller, t APIToken, err error) {
	s.Audit.Record(ctx, About(Outcome(action, caller.Ref(), err), t.Org, "token", t.ID))
}
