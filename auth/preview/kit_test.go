package preview_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/keys"
	"github.com/claimsmith/claimsmith/auth/preview"
	"github.com/claimsmith/claimsmith/auth/redisstore"
	"github.com/claimsmith/claimsmith/claims"
	"github.com/claimsmith/claimsmith/internal/audit"
	"github.com/claimsmith/claimsmith/internal/durable"
	"github.com/claimsmith/claimsmith/internal/redistest"
	"github.com/claimsmith/claimsmith/metadata"
	metastore "github.com/claimsmith/claimsmith/metadata/redisstore"
)

func TestMain(m *testing.M) { redistest.Main(m) }

const (
	issuer = "https://id.example"
	org    = auth.DefaultOrg
	userID = "jane-id"
)

// world is one installation with jane, and clients of many policies.
type world struct {
	t         testing.TB
	documents *metastore.Store
	metadata  *metadata.Service
	issuer    *auth.Issuer
	inspector *auth.Inspector
	preview   *preview.Service
	clients   []*auth.Client
	now       time.Time
	// changes is how many of a document's changes are remembered.
	changes int
}

type silence struct{}

func (silence) Record(context.Context, audit.Event) {}

func newWorld(t testing.TB, b redistest.Backend) *world {
	t.Helper()
	ctx := context.Background()
	run := &durable.Runner{Client: b.Client}
	space, err := redisstore.Initialise(ctx, run, 4) // few partitions have to be told of every change of a scheme
	check(t, err)
	sealer, err := keys.NewSealer([]byte("a key encryption key of 32 bytes"))
	check(t, err)
	store := redisstore.New(run, space)
	w := &world{t: t, documents: metastore.New(run, space), now: time.Now().UTC().Truncate(time.Second), changes: 1000}
	clock := func() time.Time { return w.now }
	ring, err := keys.NewRing(keys.Config{
		Store: redisstore.NewKeys(run, space), Sealer: sealer, JWKSMaxAge: time.Minute, TokenLifetime: time.Hour,
		Audit: silence{}, Logger: slog.New(slog.DiscardHandler), Now: clock,
	})
	check(t, err)
	check(t, ring.Init(ctx, "test"))
	check(t, ring.Refresh(ctx))
	verifier, err := claims.NewVerifier(claims.Config{Issuer: issuer, Audience: issuer, Keys: ring, Now: clock})
	check(t, err)
	registry := &auth.Registry{ClientStore: store, OrgStore: store, Now: clock}
	w.metadata = &metadata.Service{
		Store: w.documents, Schemes: &metadata.Schemes{Store: w.documents, Now: clock}, Audit: silence{}, Now: clock, HashKey: []byte("hashes"),
		Limits: func(context.Context, string) (metadata.Limits, error) { return w.limits(), nil },
	}
	users := &auth.Users{Store: store, Registry: registry, Audit: silence{}, Now: clock}
	w.metadata.Directory = users
	w.issuer = auth.NewIssuer(auth.Issuer{
		URL: issuer, Keys: ring, Profiles: w.metadata, Families: store, Codes: store, Users: store, Registry: registry, Now: clock,
		Lifetimes: auth.Lifetimes{
			AccessToken: 10 * time.Minute, IDToken: 5 * time.Minute, RefreshIdle: 24 * time.Hour, RefreshAbsolute: 240 * time.Hour,
			RefreshGrace: 30 * time.Second,
		},
	}, sealer.DeriveAll("refresh tokens"))
	w.inspector = &auth.Inspector{
		Issuer: w.issuer, Verifier: verifier, Families: store, Users: store, Registry: registry, Proofs: &auth.Proofs{Once: store, Now: clock},
		Audit: silence{},
	}
	w.preview = &preview.Service{Issuer: w.issuer, Metadata: w.metadata, Registry: registry, Users: users}
	for _, slug := range []string{org, "acme"} {
		_, err = store.PutOrg(ctx, auth.Org{Slug: slug, Since: w.now, CreatedAt: w.now}, rand.Text())
		check(t, err)
	}
	none := ""
	jane := auth.User{
		ID: userID, Username: "jane", Orgs: []string{org}, Epoch: 1, Email: "jane@example.com", EmailVerified: true,
		Profile: claims.Profile{Name: `Jane "JD" Dœ`, GivenName: "Jane"}, CreatedAt: w.now, UpdatedAt: w.now,
	}
	_, err = store.PutUser(ctx, jane, &none, nil, rand.Text())
	check(t, err)
	for _, h := range jane.Handles() {
		_, err = store.ClaimHandle(ctx, h, auth.Holder{User: userID}, auth.Holder{})
		check(t, err)
	}
	for _, c := range clients() {
		c.CreatedAt, c.Since = w.now, w.now
		_, err = store.PutClient(ctx, c, rand.Text())
		check(t, err)
		w.clients = append(w.clients, &c)
	}
	return w
}

// clients are of every policy that decides about a token's contents or length.
func clients() []auth.Client {
	sum := sha256.Sum256([]byte("a secret of the client"))
	secret := base64.RawURLEncoding.EncodeToString(sum[:])
	scopes := []string{"openid", "profile", "email", "orders", auth.ScopeOffline, auth.ScopeUserMetadata}
	login := []string{auth.GrantPassword, auth.GrantRefreshToken}
	return []auth.Client{
		{ID: "web", Org: org, SecretHash: secret, GrantTypes: login, Scopes: scopes},
		{ID: "short", Org: org, GrantTypes: []string{auth.GrantPassword}, Scopes: scopes, IDTokenAlg: "EdDSA", AccessTokenAlg: "RS256"},
		{ID: "picky", Org: org, GrantTypes: login, Scopes: scopes, ClaimKeys: []string{"plan", "b2", "K1", "tags"}, IDTokenAlg: "ES256"},
		{ID: "blind", Org: org, GrantTypes: login, Scopes: scopes, ClaimsIn: []string{}, AccessTokenAlg: "EdDSA"},
		{ID: "narrow", Org: org, GrantTypes: login, Scopes: scopes, ClaimsIn: []string{auth.InIDToken, auth.InIntrospection}},
		{ID: "other", Org: "acme", AllOrgs: true, GrantTypes: login, Scopes: scopes, Audience: []string{"https://api.example", "é"}},
		{ID: "bound", Org: org, GrantTypes: login, Scopes: []string{"orders", auth.ScopeUserMetadata}, RequireDPoP: true},
	}
}

func (w *world) limits() metadata.Limits {
	l := metadata.DefaultLimits
	l.ClaimsBytes, l.InheritedBytes, l.History.Changes = 64<<10, 64<<10, w.changes
	return l
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// scheme is the latest.
func (w *world) scheme() *metadata.Scheme {
	w.t.Helper()
	s, err := w.documents.Scheme(context.Background(), org)
	check(w.t, err)
	return s
}

// lay changes the scheme, without asking whether what is stored fits.
func (w *world) lay(c metadata.SchemeChange) {
	w.t.Helper()
	c.By, c.Via, c.At, c.Op = "token:op", "native", w.now, rand.Text()
	_, err := w.documents.ChangeScheme(context.Background(), org, c)
	check(w.t, err)
	check(w.t, w.documents.Announce(context.Background(), w.scheme()))
	w.metadata.Schemes.Forget(org)
}

// write changes a document, without asking the definitions. It reports whether the store allowed it.
func (w *world) write(o metadata.Owner, p metadata.Patch) bool {
	w.t.Helper()
	o.Org = org
	p.Limits, p.Scheme, p.ChangedBy, p.Via, p.At, p.Op = w.limits(), w.scheme().Revision, "token:op", "native", w.now, rand.Text()
	_, err := w.documents.Apply(context.Background(), o, p)
	var fault *metadata.Error
	if refused(err, &fault) && (fault.Code == metadata.Conflict || fault.Code == metadata.LimitExceeded) {
		return false
	}
	check(w.t, err)
	if o.Shared() {
		w.metadata.Schemes.Forget(org)
	}
	return true
}

// issued is what was really given out, by place.
type issued struct {
	client, scope string
	tokens        auth.Tokens
	payloads      map[string]string
	sizes         map[string]int
}

// login logs jane in by password and asks about her token.
func (w *world) login(client *auth.Client, scope string) issued {
	w.t.Helper()
	ctx := context.Background()
	thumbprint := ""
	if client.RequireDPoP {
		thumbprint = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
	}
	subject := auth.Subject{User: userID, Org: org, AuthTime: w.now, AMR: []string{auth.MethodPassword}, Epoch: 1}
	tokens, err := w.issuer.Begin(ctx, client, subject, scope, thumbprint)
	check(w.t, err)
	got := issued{client: client.ID, scope: scope, tokens: tokens, payloads: map[string]string{}, sizes: map[string]int{}}
	got.payloads[auth.InAccessToken], got.sizes[auth.InAccessToken] = payload(w.t, tokens.AccessToken), len(tokens.AccessToken)
	if tokens.IDToken != "" {
		got.payloads[auth.InIDToken], got.sizes[auth.InIDToken] = payload(w.t, tokens.IDToken), len(tokens.IDToken)
	}
	if auth.HasScope(scope, auth.ScopeOpenID) {
		t, err := w.inspector.UserInfo(ctx, auth.TokenBearer, tokens.AccessToken, auth.Proof{})
		check(w.t, err)
		got.payloads[auth.InUserInfo] = string(t.UserInfo())
	}
	t, err := w.inspector.Introspect(ctx, nil, auth.System(), tokens.AccessToken)
	check(w.t, err)
	got.payloads[auth.InIntrospection] = string(t.Introspection())
	return got
}

func payload(t testing.TB, token string) string {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("%q is no token", token)
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	check(t, err)
	return string(raw)
}

// pick returns one of some values.
func pick[T any](r source, values ...T) T { return values[r.IntN(len(values))] }

type source interface {
	IntN(n int) int
	Uint64() uint64
}

func sorted(values []string) []string {
	slices.Sort(values)
	return slices.Compact(values)
}
