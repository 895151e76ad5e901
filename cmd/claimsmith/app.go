package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/authorize"
	"github.com/claimsmith/claimsmith/auth/backchannel"
	"github.com/claimsmith/claimsmith/auth/career"
	"github.com/claimsmith/claimsmith/auth/factor"
	"github.com/claimsmith/claimsmith/auth/grant"
	"github.com/claimsmith/claimsmith/auth/keys"
	"github.com/claimsmith/claimsmith/auth/memory"
	"github.com/claimsmith/claimsmith/auth/people"
	"github.com/claimsmith/claimsmith/auth/preview"
	"github.com/claimsmith/claimsmith/auth/profile"
	"github.com/claimsmith/claimsmith/auth/records"
	authstore "github.com/claimsmith/claimsmith/auth/redisstore"
	"github.com/claimsmith/claimsmith/auth/session"
	"github.com/claimsmith/claimsmith/claims"
	"github.com/claimsmith/claimsmith/config"
	"github.com/claimsmith/claimsmith/handlers"
	"github.com/claimsmith/claimsmith/handlers/console"
	"github.com/claimsmith/claimsmith/handlers/iblai"
	"github.com/claimsmith/claimsmith/handlers/native"
	"github.com/claimsmith/claimsmith/handlers/oidc"
	"github.com/claimsmith/claimsmith/handlers/openapi"
	"github.com/claimsmith/claimsmith/handlers/sentinel"
	"github.com/claimsmith/claimsmith/handlers/zitadel"
	"github.com/claimsmith/claimsmith/internal/audit"
	"github.com/claimsmith/claimsmith/internal/durable"
	"github.com/claimsmith/claimsmith/internal/keyspace"
	"github.com/claimsmith/claimsmith/internal/mail"
	"github.com/claimsmith/claimsmith/metadata"
	metastore "github.com/claimsmith/claimsmith/metadata/redisstore"
)

// What the packages require of each other without knowing it.
var (
	_ auth.ProfileSource = (*metadata.Service)(nil)
	_ auth.Eraser        = (*metadata.Service)(nil)
	_ auth.Eraser        = (*records.Service)(nil)
	_ auth.Eraser        = (*profile.Service)(nil)
	_ auth.Pictures      = (*profile.Service)(nil)
	_ auth.SessionEnder  = (*session.Service)(nil)
	_ auth.SecondFactor  = (*factor.Service)(nil)
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
	recorder *audit.Recorder
	now      func() time.Time

	ring      *keys.Ring
	store     *authstore.Store
	registry  *auth.Registry
	verifier  *claims.Verifier
	hasher    *auth.Hasher
	users     *auth.Users
	orgs      *auth.Orgs
	clients   *auth.Clients
	apiTokens *auth.APITokens
	callers   *auth.Callers
	metadata  *metadata.Service
	preview   *preview.Service
	people    *people.Service
	records   *records.Service
	profile   *profile.Service
	mail      *mail.Sender // nil where there is no mail server
	career    *career.Service
	memory    *memory.Service
	trail     *auth.Trail
	issuer    *auth.Issuer
	grants    *grant.Dispatcher
	inspector *auth.Inspector
	sessions  *session.Service
	factors   *factor.Service
	authorize *authorize.Service
	// logouts tells clients of sessions that ended.
	logouts   *backchannel.Sender
	sealer    *keys.Sealer
	cursorKey []byte
}

// installation is where the data is and what opens it.
type installation struct {
	runner *durable.Runner
	space  keyspace.Space
	sealer *keys.Sealer
	now    func() time.Time
	files  *records.Files // nil where none are kept
}

// ring returns the key ring of the installation.
func (i installation) ring(t config.Tokens, events audit.Log, log *slog.Logger) (*keys.Ring, error) {
	return keys.NewRing(keys.Config{
		Store: authstore.NewKeys(i.runner, i.space), Sealer: i.sealer, JWKSMaxAge: t.JWKSMaxAge,
		TokenLifetime: max(t.AccessTokenTTL, t.IDTokenTTL), Skew: clockSkew, Rotation: t.KeyRotation,
		Audit: events, Logger: log, Now: i.now,
	})
}

func newApp(i installation, s *config.Server, log *slog.Logger) (*app, error) {
	a := &app{
		settings: s, logger: log, recorder: i.recorder(s.Audit, log), now: i.now, sealer: i.sealer, cursorKey: i.sealer.Derive("list cursors"),
	}
	a.audit = a.recorder
	a.trail = &auth.Trail{
		Store: authstore.NewAudit(i.runner, i.space), Keys: i.sealer.DeriveAll(chainKeys), Audit: a.audit, Now: a.now,
	}
	var err error
	if a.ring, err = i.ring(s.Tokens, a.audit, log); err != nil {
		return nil, err
	}
	verifier, err := claims.NewVerifier(claims.Config{Issuer: s.Issuer, Audience: s.Issuer, Keys: a.ring, Now: a.now})
	if err != nil {
		return nil, err
	}
	a.verifier = verifier
	p := s.Passwords
	a.hasher, err = auth.NewHasher(auth.HashConfig{
		MemoryKiB: p.Argon2Memory, Time: p.Argon2Time, Parallelism: p.Argon2Parallelism, MemoryBudgetMiB: p.HashMemory,
		MinLength: p.MinLength,
	})
	if err != nil {
		return nil, err
	}
	a.store = authstore.New(i.runner, i.space)
	a.registry = &auth.Registry{ClientStore: a.store, OrgStore: a.store, OriginStore: a.store, Now: a.now}
	a.callers = &auth.Callers{
		Issuer: s.Issuer, Verifier: a.verifier, Tokens: a.store, Families: a.store, Registry: a.registry, Audit: a.audit, Now: a.now,
	}
	a.management(i)
	if err := a.connectMail(); err != nil {
		return nil, err
	}
	a.logins(i)
	a.tokens(i)
	for _, name := range s.Dialects {
		if !slices.ContainsFunc(a.dialects(), func(d handlers.Dialect) bool { return d.Name() == name }) {
			return nil, fmt.Errorf("there is no dialect %q", name)
		}
	}
	return a, nil
}

// management makes the services that change users, their metadata, organisations, clients and API tokens.
func (a *app) management(i installation) {
	s, store := a.settings, a.store
	documents := metastore.New(i.runner, i.space)
	a.metadata = &metadata.Service{
		Store: documents, Schemes: &metadata.Schemes{Store: documents, Now: a.now}, HashKey: i.sealer.Derive("sensitive values"),
		Audit: a.audit, Now: a.now, Limits: limits(s.Limits, a.registry),
	}
	a.users = &auth.Users{
		Store: store, Registry: a.registry, Callers: a.callers, Hasher: a.hasher, Limiter: store, Audit: a.audit, Now: a.now,
		Issuer: s.Issuer, EmailKeys: i.sealer.DeriveAll("confirmations of addresses"),
	}
	a.metadata.Directory = a.users
	a.records = &records.Service{Store: store, Files: i.files, Users: a.users}
	a.profile = &profile.Service{
		Users: a.users, Metadata: a.metadata, Files: a.records.Files, Limiter: store, Issuer: s.Issuer, Audit: a.audit, Now: a.now,
	}
	a.users.Eraser, a.users.Pictures = erasers{a.metadata, a.profile, a.records}, a.profile
	a.career = &career.Service{
		Service: a.records, Issuer: s.Issuer, Keys: i.sealer.DeriveAll("addresses of files"), Audit: a.audit, Now: a.now,
	}
	a.memory = &memory.Service{Service: a.records, Metadata: a.metadata, Audit: a.audit, Now: a.now}
	a.orgs = &auth.Orgs{Store: store, Registry: a.registry, Callers: a.callers, Audit: a.audit, Now: a.now}
	a.clients = &auth.Clients{
		Store: store, Users: store, Registry: a.registry, Callers: a.callers, Issuer: s.Issuer, Audit: a.audit, Now: a.now,
	}
	a.apiTokens = &auth.APITokens{Store: store, Registry: a.registry, Callers: a.callers, Audit: a.audit, Now: a.now}
}

// erasers are everything that keeps something about a user.
type erasers []auth.Eraser

// EraseUser implements auth.Eraser.
func (all erasers) EraseUser(ctx context.Context, user string, orgs []string, whole bool) error {
	for _, e := range all {
		if err := e.EraseUser(ctx, user, orgs, whole); err != nil {
			return err
		}
	}
	return nil
}

// logins makes what a browser logs in and out by.
func (a *app) logins(i installation) {
	s, store := a.settings, a.store
	a.logouts = backchannel.New(backchannel.Sender{
		Store: store, Registry: a.registry, Keys: a.ring, Issuer: s.Issuer, Audit: a.audit, Logger: a.logger, Now: a.now,
		Policy: backchannel.Policy{AllowedNetworks: s.Logout.AllowNetworks, Plain: !a.https()},
	})
	a.sessions = &session.Service{
		Store: store, Registry: a.registry, Users: a.users, Keys: i.sealer.DeriveAll("session cookies"), Audit: a.audit, Now: a.now,
		Lifetimes: session.Lifetimes{Idle: s.Sessions.Idle, Absolute: s.Sessions.Absolute}, Ended: a.logouts.Nudge,
	}
	a.users.Sessions = a.sessions
	a.factors = &factor.Service{
		Store: store, Once: store, Users: a.users, UserIDs: store, Limiter: store, Sealer: i.sealer, Issuer: s.Issuer, Audit: a.audit,
		Now: a.now,
	}
	a.issuer = auth.NewIssuer(auth.Issuer{
		URL: s.Issuer, Keys: a.ring, Profiles: a.metadata, Families: store, Codes: store, Users: store, Registry: a.registry, Now: a.now,
		Lifetimes: auth.Lifetimes{
			AccessToken: s.Tokens.AccessTokenTTL, IDToken: s.Tokens.IDTokenTTL, RefreshIdle: s.Tokens.RefreshIdle,
			RefreshAbsolute: s.Tokens.RefreshAbsolute, RefreshGrace: s.Tokens.RefreshGrace,
		},
	}, i.sealer.DeriveAll("refresh tokens"))
	authenticator := &auth.Authenticator{
		Users: store, Hasher: a.hasher, Factors: a.factors, Limiter: store, Limits: auth.DefaultLoginLimits, Registry: a.registry,
		Logger: a.logger, Now: a.now,
	}
	a.authorize = &authorize.Service{
		Issuer: s.Issuer, Registry: a.registry, Users: store, Authenticator: authenticator, Factors: a.factors, Sessions: a.sessions,
		Tokens: a.issuer, Verifier: a.verifier, Codes: store, Pushed: store, Devices: store, Consents: store, Limiter: store,
		Sealer: i.sealer, CodeKeys: i.sealer.DeriveAll("authorization codes"), DeviceKeys: i.sealer.DeriveAll("device codes"),
		Audit: a.audit, Now: a.now,
	}
}

// tokens makes what answers at the token endpoint and about tokens.
func (a *app) tokens(installation) {
	s, store := a.settings, a.store
	a.preview = &preview.Service{Issuer: a.issuer, Metadata: a.metadata, Registry: a.registry, Users: a.users}
	a.people = &people.Service{
		Users: a.users, Metadata: a.metadata, Sessions: a.sessions, Factors: a.factors, Consents: store, Trail: a.trail, Limiter: store,
		Profile: a.profile, Career: a.career, Memory: a.memory, Audit: a.audit, Now: a.now,
	}
	proofs := &auth.Proofs{Once: store, Now: a.now}
	a.inspector = &auth.Inspector{
		Issuer: a.issuer, Verifier: a.verifier, Families: store, Users: store, Registry: a.registry, Callers: a.callers, Proofs: proofs,
		Audit: a.audit,
	}
	a.grants = &grant.Dispatcher{
		Issuer: s.Issuer, TokenURL: s.Issuer + "/oauth/token", Registry: a.registry, Proofs: proofs, Once: store, Audit: a.audit, Now: a.now,
		Grants: []grant.Grant{
			grant.AuthorizationCode{Codes: a.authorize, Issuer: a.issuer},
			grant.Refresh{Issuer: a.issuer},
			grant.ClientCredentials{Issuer: a.issuer},
			grant.Device{Devices: a.authorize, Issuer: a.issuer},
			grant.Exchange{Inspector: a.inspector, Issuer: a.issuer},
			grant.Password{Authenticator: a.authorize.Authenticator, Issuer: a.issuer},
		},
	}
}

// https reports whether clients reach the server by https. Only dev may do without.
func (a *app) https() bool { return strings.HasPrefix(a.settings.Issuer, "https:") }

func limits(l config.Limits, registry *auth.Registry) func(context.Context, string) (metadata.Limits, error) {
	return func(ctx context.Context, org string) (metadata.Limits, error) {
		limits := metadata.Limits{
			Entries: l.MaxEntries, DocumentBytes: l.MaxDocument, ClaimsBytes: l.ClaimsBudget,
			Applications: metadata.DefaultLimits.Applications, InheritedBytes: metadata.DefaultLimits.InheritedBytes,
			History: metadata.DefaultLimits.History,
		}
		own, err := registry.Bounds(ctx, org)
		if own.ClaimsBudget > 0 {
			limits.ClaimsBytes = own.ClaimsBudget
		}
		if own.HistoryChanges > 0 {
			limits.History.Changes = own.HistoryChanges
		}
		limits.History.Age = own.HistoryAge
		return limits, err
	}
}

func (a *app) dialects() []handlers.Dialect {
	all := []handlers.Dialect{
		&native.Dialect{
			Callers: a.callers, Metadata: a.metadata, Users: a.users, Orgs: a.orgs, Clients: a.clients, APITokens: a.apiTokens,
			Sessions: a.sessions, Factors: a.factors, Authorize: a.authorize, Preview: a.preview, People: a.people, Trail: a.trail,
			CursorKey: a.cursorKey, Logger: a.logger,
		},
		&oidc.Dialect{
			Issuer: a.settings.Issuer, Dispatcher: a.grants, Authorize: a.authorize, Inspector: a.inspector, Callers: a.callers,
			Registry: a.registry, Keys: a.ring, KeysMaxAge: a.settings.Tokens.JWKSMaxAge, UILocales: console.Languages(),
		},
		&console.Dialect{
			Issuer: a.settings.Issuer, Authorize: a.authorize, Sessions: a.sessions, Factors: a.factors, Users: a.users,
			Registry: a.registry, Metadata: a.metadata, Preview: a.preview, People: a.people, Profile: a.profile, Career: a.career, Memory: a.memory,
		},
		a.operatorConsole(),
		&openapi.Dialect{Issuer: a.settings.Issuer, Dialects: a.settings.Dialects},
	}
	for _, d := range []handlers.Dialect{
		&iblai.Dialect{
			Callers: a.callers, Metadata: a.metadata, Users: a.users, Registry: a.registry, Profile: a.profile, Career: a.career,
			Memory: a.memory,
		},
		&sentinel.Dialect{
			Callers: a.callers, Metadata: a.metadata, Users: a.users, Clients: a.clients, Registry: a.registry, Dispatcher: a.grants,
			Inspector: a.inspector,
		},
		&zitadel.Dialect{Callers: a.callers, Metadata: a.metadata, Registry: a.registry, Now: a.now},
	} {
		if a.settings.Dialects.Has(d.Name()) {
			all = append(all, d)
		}
	}
	return all
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
	return a.installConsole(ctx)
}

// installClient makes a public first-party client for logins by password.
func (a *app) installClient(ctx context.Context, id string, allOrgs bool) error {
	yes, alg := true, auth.DefaultAlg
	grantTypes := []string{auth.GrantPassword, auth.GrantRefreshToken}
	scopes := []string{auth.ScopeOpenID, "profile", "email"}
	_, _, err := a.clients.Create(ctx, auth.System(), auth.DefaultOrg, auth.NewClient{
		ID: id, Public: &yes,
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
