package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/grant"
	"github.com/claimsmith/claimsmith/auth/keys"
	authstore "github.com/claimsmith/claimsmith/auth/redisstore"
	"github.com/claimsmith/claimsmith/claims"
	"github.com/claimsmith/claimsmith/config"
	"github.com/claimsmith/claimsmith/handlers"
	"github.com/claimsmith/claimsmith/handlers/native"
	"github.com/claimsmith/claimsmith/handlers/oidc"
	"github.com/claimsmith/claimsmith/handlers/openapi"
	"github.com/claimsmith/claimsmith/internal/audit"
	"github.com/claimsmith/claimsmith/internal/durable"
	"github.com/claimsmith/claimsmith/internal/keyspace"
	"github.com/claimsmith/claimsmith/metadata"
	metastore "github.com/claimsmith/claimsmith/metadata/redisstore"
)

// What the packages require of each other without knowing it.
var (
	_ auth.ProfileSource = (*metadata.Service)(nil)
	_ auth.Eraser        = (*metadata.Service)(nil)
	_ metadata.Caller    = (*auth.Caller)(nil)
	_ metadata.Directory = (*auth.Users)(nil)
)

// clockSkew is how far the clocks of two instances, or of an instance and a verifier, may be apart.
const clockSkew = 30 * time.Second

// app is the program put together: every service over one store.
type app struct {
	settings *config.Server
	logger   *slog.Logger
	audit    audit.Log
	now      func() time.Time

	ring      *keys.Ring
	users     *auth.Users
	orgs      *auth.Orgs
	clients   *auth.Clients
	apiTokens *auth.APITokens
	callers   *auth.Callers
	metadata  *metadata.Service
	grants    *grant.Dispatcher
	inspector *auth.Inspector
	cursorKey []byte
}

// installation is where the data is and what opens it.
type installation struct {
	runner *durable.Runner
	space  keyspace.Space
	sealer *keys.Sealer
	now    func() time.Time
}

// ring returns the key ring of the installation.
func (i installation) ring(t config.Tokens, log *slog.Logger) (*keys.Ring, error) {
	return keys.NewRing(keys.Config{
		Store: authstore.NewKeys(i.runner, i.space), Sealer: i.sealer, JWKSMaxAge: t.JWKSMaxAge,
		TokenLifetime: max(t.AccessTokenTTL, t.IDTokenTTL), Skew: clockSkew, Rotation: t.KeyRotation,
		Audit: audit.NewLog(log), Logger: log, Now: i.now,
	})
}

func newApp(i installation, s *config.Server, log *slog.Logger) (*app, error) {
	a := &app{settings: s, logger: log, audit: audit.NewLog(log), now: i.now, cursorKey: i.sealer.Derive("list cursors")}
	var err error
	if a.ring, err = i.ring(s.Tokens, log); err != nil {
		return nil, err
	}
	verifier, err := claims.NewVerifier(claims.Config{Issuer: s.Issuer, Audience: s.Issuer, Keys: a.ring, Now: a.now})
	if err != nil {
		return nil, err
	}
	p := s.Passwords
	hasher, err := auth.NewHasher(auth.HashConfig{
		MemoryKiB: p.Argon2Memory, Time: p.Argon2Time, Parallelism: p.Argon2Parallelism, MemoryBudgetMiB: p.HashMemory,
		MinLength: p.MinLength,
	})
	if err != nil {
		return nil, err
	}
	store := authstore.New(i.runner, i.space)
	registry := &auth.Registry{ClientStore: store, OrgStore: store, Now: a.now}
	a.callers = &auth.Callers{
		Issuer: s.Issuer, Verifier: verifier, Tokens: store, Families: store, Registry: registry, Audit: a.audit,
		Now: a.now,
	}
	a.metadata = &metadata.Service{
		Store: metastore.New(i.runner, i.space), Audit: a.audit, Now: a.now, Limits: limits(s.Limits, registry),
	}
	a.users = &auth.Users{
		Store: store, Registry: registry, Callers: a.callers, Hasher: hasher, Limiter: store, Eraser: a.metadata, Audit: a.audit, Now: a.now,
	}
	a.metadata.Directory = a.users
	a.orgs = &auth.Orgs{Store: store, Registry: registry, Callers: a.callers, Audit: a.audit, Now: a.now}
	a.clients = &auth.Clients{
		Store: store, Users: store, Registry: registry, Callers: a.callers, Issuer: s.Issuer, Audit: a.audit, Now: a.now,
	}
	a.apiTokens = &auth.APITokens{Store: store, Registry: registry, Callers: a.callers, Audit: a.audit, Now: a.now}
	issuer := auth.NewIssuer(auth.Issuer{
		URL: s.Issuer, Keys: a.ring, Profiles: a.metadata, Families: store, Registry: registry, Now: a.now,
		Lifetimes: auth.Lifetimes{
			AccessToken: s.Tokens.AccessTokenTTL, IDToken: s.Tokens.IDTokenTTL, RefreshIdle: s.Tokens.RefreshIdle,
			RefreshAbsolute: s.Tokens.RefreshAbsolute, RefreshGrace: s.Tokens.RefreshGrace,
		},
	}, i.sealer.DeriveAll("refresh tokens"))
	authenticator := &auth.Authenticator{
		Users: store, Hasher: hasher, Limiter: store, Limits: auth.DefaultLoginLimits, Registry: registry, Logger: log,
		Now: a.now,
	}
	a.grants = &grant.Dispatcher{Registry: registry, Audit: a.audit, Grants: []grant.Grant{
		grant.Password{Authenticator: authenticator, Issuer: issuer},
		grant.Refresh{Issuer: issuer},
		grant.ClientCredentials{Issuer: issuer},
	}}
	a.inspector = &auth.Inspector{
		Issuer: issuer, Verifier: verifier, Families: store, Users: store, Registry: registry, Callers: a.callers, Audit: a.audit,
	}
	return a, nil
}

func limits(l config.Limits, registry *auth.Registry) func(context.Context, string) (metadata.Limits, error) {
	return func(ctx context.Context, org string) (metadata.Limits, error) {
		limits := metadata.Limits{
			Entries: l.MaxEntries, DocumentBytes: l.MaxDocument, ClaimsBytes: l.ClaimsBudget,
			Applications: metadata.DefaultLimits.Applications,
		}
		budget, err := registry.ClaimsBudget(ctx, org)
		if budget > 0 {
			limits.ClaimsBytes = budget
		}
		return limits, err
	}
}

func (a *app) dialects() []handlers.Dialect {
	return []handlers.Dialect{
		&native.Dialect{
			Callers: a.callers, Metadata: a.metadata, Users: a.users, Orgs: a.orgs, Clients: a.clients, APITokens: a.apiTokens,
			CursorKey: a.cursorKey,
		},
		&oidc.Dialect{
			Issuer: a.settings.Issuer, Dispatcher: a.grants, Inspector: a.inspector, Callers: a.callers, Keys: a.ring,
			KeysMaxAge: a.settings.Tokens.JWKSMaxAge,
		},
		&openapi.Dialect{Issuer: a.settings.Issuer},
	}
}

// install makes an opened Redis an installation: signing keys, the default organisation and the built-in login client. What is there
// already stays as it is, so that an installation that was cut off can be completed.
func (a *app) install(ctx context.Context) error {
	if err := a.ring.Init(ctx, auth.System().Ref()); err != nil && !errors.Is(err, keys.ErrNotEmpty) {
		return fmt.Errorf("making signing keys: %w", err)
	}
	if err := a.ring.Refresh(ctx); err != nil {
		return fmt.Errorf("reading signing keys: %w", err)
	}
	if _, err := a.orgs.Create(ctx, auth.System(), auth.DefaultOrg, auth.OrgChange{}); err != nil && auth.CodeOf(err) != auth.Conflict {
		return fmt.Errorf("making the default organisation: %w", err)
	}
	if err := a.installClient(ctx, auth.LoginClient, true); err != nil {
		return fmt.Errorf("making the login client: %w", err)
	}
	return nil
}

// installClient makes a public first-party client for logins by password.
func (a *app) installClient(ctx context.Context, id string, allOrgs bool) error {
	yes, alg := true, auth.DefaultAlg
	grantTypes := []string{auth.GrantPassword, auth.GrantRefreshToken}
	scopes := []string{auth.ScopeOpenID, "profile", "email"}
	_, _, err := a.clients.Create(ctx, auth.System(), auth.DefaultOrg, auth.NewClient{
		ID: id, Public: true,
		ClientChange: auth.ClientChange{
			FirstParty: &yes, AllOrgs: &allOrgs, GrantTypes: &grantTypes, Scopes: &scopes, IDTokenAlg: &alg,
		},
	})
	if auth.CodeOf(err) == auth.Conflict {
		return nil
	}
	return err
}

// open returns the installation a Redis holds.
func open(ctx context.Context, client redis.UniversalClient) (keyspace.Space, error) {
	space, err := authstore.Open(ctx, client)
	if errors.Is(err, authstore.ErrNotInitialised) {
		return space, fmt.Errorf("%w; run claimsmith bootstrap once", err)
	}
	return space, err
}
