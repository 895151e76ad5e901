package grant_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/authorize"
	"github.com/claimsmith/claimsmith/auth/grant"
	"github.com/claimsmith/claimsmith/auth/keys"
	"github.com/claimsmith/claimsmith/auth/redisstore"
	"github.com/claimsmith/claimsmith/auth/session"
	"github.com/claimsmith/claimsmith/auth/ticket"
	"github.com/claimsmith/claimsmith/claims"
	"github.com/claimsmith/claimsmith/internal/durable"
	"github.com/claimsmith/claimsmith/internal/keyspace"
	"github.com/claimsmith/claimsmith/internal/redistest"
	"github.com/claimsmith/claimsmith/internal/testkit"
	"github.com/claimsmith/claimsmith/metadata"
	metastore "github.com/claimsmith/claimsmith/metadata/redisstore"
)

func TestMain(m *testing.M) { redistest.Main(m) }

const (
	issuer   = "https://id.example"
	tokenURL = issuer + "/oauth/token"
	callback = "https://app.example/cb"
	secret   = "a secret of the client"
	verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
)

// world is one installation over a Redis of its own.
type world struct {
	*redisstore.Store
	t          testing.TB
	backend    redistest.Backend
	registry   *auth.Registry
	authorize  *authorize.Service
	dispatcher *grant.Dispatcher
	issuer     *auth.Issuer
	inspector  *auth.Inspector
	callers    *auth.Callers
	ring       *keys.Ring
	verifier   *claims.Verifier
	audit      *testkit.Trail
	codeKeys   [][]byte
	clock      *testkit.Clock
}

func (w *world) advance(d time.Duration) {
	w.t.Helper()
	w.clock.Advance(d)
	check(w.t, w.ring.Refresh(context.Background()))
}

// newWorld has two organisations, of which jane belongs to the first, and an entry of hers that becomes a claim.
func newWorld(t testing.TB, b redistest.Backend) *world {
	t.Helper()
	ctx := context.Background()
	run := &durable.Runner{Client: b.Client}
	space, err := redisstore.Initialise(ctx, run, keyspace.DefaultPartitions)
	check(t, err)
	sealer, err := keys.NewSealer([]byte("a key encryption key of 32 bytes"))
	check(t, err)
	store := redisstore.New(run, space)
	w := &world{
		Store: store, t: t, backend: b, audit: new(testkit.Trail), codeKeys: sealer.DeriveAll("authorization codes"),
		clock: testkit.NewClock(time.Now().UTC().Truncate(time.Second)), // Redis has a clock of its own
	}
	w.ring, err = keys.NewRing(keys.Config{
		Store: redisstore.NewKeys(run, space), Sealer: sealer, JWKSMaxAge: time.Minute, TokenLifetime: time.Hour,
		Audit: w.audit, Logger: slog.New(slog.DiscardHandler), Now: w.clock.Now,
	})
	check(t, err)
	check(t, w.ring.Init(ctx, "test"))
	check(t, w.ring.Refresh(ctx))
	w.verifier, err = claims.NewVerifier(claims.Config{Issuer: issuer, Audience: issuer, Keys: w.ring, Now: w.clock.Now})
	check(t, err)
	w.registry = &auth.Registry{ClientStore: store, OrgStore: store, Now: w.clock.Now}
	documents := metastore.New(run, space)
	meta := &metadata.Service{Store: documents, Schemes: &metadata.Schemes{Store: documents, Now: w.clock.Now}, Audit: w.audit, Now: w.clock.Now}
	users := &auth.Users{Store: store, Registry: w.registry, Audit: w.audit, Now: w.clock.Now}
	meta.Directory = users
	w.issuer = auth.NewIssuer(auth.Issuer{
		URL: issuer, Keys: w.ring, Profiles: meta, Families: store, Codes: store, Users: store, Registry: w.registry, Now: w.clock.Now,
		Lifetimes: auth.Lifetimes{
			AccessToken: 10 * time.Minute, IDToken: 5 * time.Minute, RefreshIdle: 24 * time.Hour, RefreshAbsolute: 240 * time.Hour,
			RefreshGrace: 30 * time.Second,
		},
	}, sealer.DeriveAll("refresh tokens"))
	w.callers = &auth.Callers{
		Issuer: issuer, Verifier: w.verifier, Tokens: store, Families: store, Registry: w.registry, Audit: w.audit, Now: w.clock.Now,
	}
	proofs := &auth.Proofs{Once: store, Now: w.clock.Now}
	w.inspector = &auth.Inspector{
		Issuer: w.issuer, Verifier: w.verifier, Families: store, Users: store, Registry: w.registry, Callers: w.callers, Proofs: proofs, Audit: w.audit,
	}
	w.authorize = &authorize.Service{
		Issuer: issuer, Registry: w.registry, Users: store, Codes: store, Devices: store, Consents: store, Limiter: store,
		CodeKeys: w.codeKeys, DeviceKeys: sealer.DeriveAll("device codes"), Audit: w.audit, Now: w.clock.Now,
	}
	w.dispatcher = &grant.Dispatcher{
		Issuer: issuer, TokenURL: tokenURL, Registry: w.registry, Proofs: proofs, Once: store, Audit: w.audit, Now: w.clock.Now,
		Grants: []grant.Grant{
			grant.AuthorizationCode{Codes: w.authorize, Issuer: w.issuer},
			grant.Device{Devices: w.authorize, Issuer: w.issuer},
			grant.Refresh{Issuer: w.issuer},
			grant.ClientCredentials{Issuer: w.issuer},
			grant.Exchange{Inspector: w.inspector, Issuer: w.issuer},
		},
	}
	for _, org := range []string{auth.DefaultOrg, "acme"} {
		_, err := store.PutOrg(ctx, auth.Org{Slug: org, Since: w.clock.Now(), CreatedAt: w.clock.Now()}, rand.Text())
		check(t, err)
	}
	jane := auth.User{
		ID: "jane-id", Username: "jane", Orgs: []string{auth.DefaultOrg}, Epoch: 1, Email: "jane@example.com", EmailVerified: true,
		Profile: claims.Profile{Name: "Jane Doe", GivenName: "Jane"}, CreatedAt: w.clock.Now(), UpdatedAt: w.clock.Now(),
	}
	none := ""
	_, err = store.PutUser(ctx, jane, &none, nil, rand.Text())
	check(t, err)
	dark, err := metadata.JSON([]byte(`"dark"`))
	check(t, err)
	_, err = meta.Apply(ctx, auth.System(), metadata.Target{User: "jane-id", Org: auth.DefaultOrg}, metadata.Change{
		Set: []metadata.Put{{Key: "theme", Value: dark, ProfileClaim: true}},
	}, metadata.Precondition{})
	check(t, err)
	return w
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// client stores a client: a confidential one for codes unless a test changes that.
func (w *world) client(id string, change func(*auth.Client)) *auth.Client {
	w.t.Helper()
	sum := sha256.Sum256([]byte(secret))
	c := auth.Client{
		ID: id, Org: auth.DefaultOrg, SecretHash: base64.RawURLEncoding.EncodeToString(sum[:]),
		GrantTypes: []string{
			auth.GrantAuthorizationCode, auth.GrantRefreshToken, auth.GrantDeviceCode, auth.GrantTokenExchange, auth.GrantClientCredentials,
		},
		Scopes: []string{"openid", "profile", "email", "orders", auth.ScopeOffline}, RedirectURIs: []string{callback}, CreatedAt: w.clock.Now(), Since: w.clock.Now(),
	}
	if change != nil {
		change(&c)
	}
	_, err := w.PutClient(context.Background(), c, rand.Text())
	check(w.t, err)
	return &c
}

func public(c *auth.Client) { c.SecretHash = "" }

// by are the credentials of a client made by client.
func by(id string) grant.Credentials {
	return grant.Credentials{ClientID: id, ClientSecret: secret, AuthMethod: auth.AuthSecretBasic}
}

// code approves something for a client in jane's name, and returns the authorization code.
func (w *world) code(client string, change func(*auth.Approval)) string {
	w.t.Helper()
	sum := sha256.Sum256([]byte(verifier))
	now := w.clock.Now()
	a := auth.Approval{
		Subject: auth.Subject{User: "jane-id", Org: auth.DefaultOrg, AuthTime: now.Add(-time.Hour), AMR: []string{"pwd"}, Epoch: 1},
		Client:  client, Scope: "openid profile", RedirectURI: callback, Challenge: base64.RawURLEncoding.EncodeToString(sum[:]),
		CreatedAt: now, ExpiresAt: now.Add(time.Minute),
	}
	if change != nil {
		change(&a)
	}
	hidden := ticket.Random(24)
	hash := sha256.Sum256(hidden)
	ref, err := w.CreateCode(context.Background(), ticket.Random(12), a, hash[:])
	check(w.t, err)
	partition, id, _ := strings.Cut(ref, ".")
	return ticket.Codec{Prefix: "cs_ac_", Parts: 2, Payload: 24, Keys: w.codeKeys}.Format(hidden, partition, id)
}

// session logs jane's browser in and returns the session's id.
func (w *world) session() string {
	w.t.Helper()
	s := session.Session{
		User: "jane-id", ID: base64.RawURLEncoding.EncodeToString(ticket.Random(12)), Epoch: 1, AuthTime: w.clock.Now(), AMR: []string{"pwd"},
		CreatedAt: w.clock.Now(), SeenAt: w.clock.Now(), ExpiresAt: w.clock.Now().Add(24 * time.Hour),
	}
	check(w.t, w.CreateSession(context.Background(), s, ticket.Random(32), w.clock.Now().Add(time.Hour), "", 100))
	return s.ID
}

// request redeems a code properly.
func request(client, code string) grant.Request {
	return grant.Request{
		GrantType: auth.GrantAuthorizationCode, Credentials: by(client), Code: code, RedirectURI: callback, CodeVerifier: verifier,
	}
}

// token makes a request that has to succeed.
func (w *world) token(r grant.Request) auth.Tokens {
	w.t.Helper()
	tokens, err := w.dispatcher.Token(context.Background(), r)
	if err != nil {
		w.t.Fatalf("%s: %v", r.GrantType, err)
	}
	return tokens
}

// refused makes a request that has to fail with a code, and leave nothing in the answer.
func (w *world) refused(what string, r grant.Request, code auth.Code) {
	w.t.Helper()
	tokens, err := w.dispatcher.Token(context.Background(), r)
	if auth.CodeOf(err) != code {
		w.t.Errorf("%s: %v, want %s", what, err, code)
	}
	if tokens != (auth.Tokens{}) {
		w.t.Errorf("%s: tokens beside an error: %+v", what, tokens)
	}
}

func refresh(client, token string) grant.Request {
	return grant.Request{GrantType: auth.GrantRefreshToken, Credentials: by(client), RefreshToken: token}
}

// active reports whether an access token stands.
func (w *world) active(token string) bool {
	w.t.Helper()
	t, err := w.inspector.Introspect(context.Background(), nil, auth.System(), token)
	check(w.t, err)
	return t != nil
}

// families counts the logins there are.
func (w *world) families() int {
	w.t.Helper()
	n := 0
	for key := range w.backend.TTLs(w.t) {
		if strings.Contains(key, "}:g:") {
			n++
		}
	}
	return n
}

// claimsOf decodes the payload of a token.
func claimsOf(t testing.TB, token string) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("%q is no token", token)
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	check(t, err)
	var members map[string]any
	check(t, json.Unmarshal(raw, &members))
	return members
}

// keyPair signs proofs and assertions.
type keyPair struct {
	private    *ecdsa.PrivateKey
	jwk        jose.JSONWebKey
	thumbprint string
}

func newKeyPair(t testing.TB) keyPair {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	jwk := jose.JSONWebKey{Key: private.Public(), Algorithm: "ES256", Use: "sig"}
	sum, err := jwk.Thumbprint(crypto.SHA256)
	check(t, err)
	jwk.KeyID = base64.RawURLEncoding.EncodeToString(sum)
	return keyPair{private, jwk, jwk.KeyID}
}

// set is the public key as a key set.
func (k keyPair) set(t testing.TB) string {
	t.Helper()
	text, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{k.jwk}})
	check(t, err)
	return string(text)
}

func (k keyPair) sign(t testing.TB, header, payload map[string]any) string {
	t.Helper()
	token := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims(payload))
	for name, value := range header {
		token.Header[name] = value
	}
	text, err := token.SignedString(k.private)
	check(t, err)
	return text
}

// proof proves the key for a token request, or, with an access token, for userinfo.
func (w *world) proof(k keyPair, accessToken string) auth.Proof {
	w.t.Helper()
	p := auth.Proof{Method: "POST", URL: tokenURL}
	payload := map[string]any{"jti": rand.Text(), "htm": "POST", "htu": tokenURL, "iat": w.clock.Now().Unix()}
	if accessToken != "" {
		sum := sha256.Sum256([]byte(accessToken))
		payload["ath"] = base64.RawURLEncoding.EncodeToString(sum[:])
		p.Method, p.URL = "GET", issuer+"/oauth/userinfo"
		payload["htm"], payload["htu"] = p.Method, p.URL
	}
	jwk := jose.JSONWebKey{Key: k.private.Public()}
	p.Headers = []string{k.sign(w.t, map[string]any{"typ": "dpop+jwt", "jwk": jwk}, payload)}
	return p
}

// assertion signs a client in; change may spoil it.
func (w *world) assertion(k keyPair, client string, change func(header, payload map[string]any)) grant.Credentials {
	w.t.Helper()
	header := map[string]any{"kid": k.jwk.KeyID}
	payload := map[string]any{
		"iss": client, "sub": client, "aud": issuer, "jti": rand.Text(), "exp": w.clock.Now().Add(time.Minute).Unix(), "iat": w.clock.Now().Unix(),
	}
	if change != nil {
		change(header, payload)
	}
	return grant.Credentials{
		ClientAssertion: k.sign(w.t, header, payload), ClientAssertionType: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
	}
}

func sorted(values []string) string {
	slices.Sort(values)
	return fmt.Sprint(values)
}
