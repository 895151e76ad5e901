package authorize_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/authorize"
	"github.com/claimsmith/claimsmith/auth/factor"
	"github.com/claimsmith/claimsmith/auth/keys"
	"github.com/claimsmith/claimsmith/auth/redisstore"
	"github.com/claimsmith/claimsmith/auth/session"
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
	issuer    = "https://id.example"
	address   = "192.0.2.7"
	browser   = "the secret of one browser"
	password  = "correct horse jane"
	callback  = "https://app.example/cb"
	challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM" // RFC 7636 appendix B
)

// world is an installation with the organisations default, acme and closed, which is disabled. jane is in default and acme, john in
// default, mary in closed. The clients: app serves default, wide all of them, and both ask for nothing but a code challenge.
type world struct {
	*authorize.Service
	t     testing.TB
	store *redisstore.Store
	users *auth.Users
	ring  *keys.Ring
	meta  *metadata.Service
	trail *testkit.Trail
	clock *testkit.Clock
}

// pass lets time go by for everything but Redis.
func (w *world) pass(d time.Duration) {
	w.t.Helper()
	w.clock.Advance(d)
	w.must(w.ring.Refresh(w.t.Context()))
}

// recorded returns what was recorded of an action since it was asked last, as "outcome reason actor org target".
func (w *world) recorded(action string) (found []string) {
	for _, e := range w.trail.Take(action) {
		found = append(found, strings.Join(strings.Fields(strings.Join([]string{e.Outcome, e.Reason, e.Actor, e.Org, e.Target}, " ")), " "))
	}
	return found
}

func newWorld(t testing.TB) *world { return newWorldOver(t, redistest.Embedded(t)) }

func newWorldOver(t testing.TB, b redistest.Backend) *world {
	t.Helper()
	w := &world{t: t, trail: &testkit.Trail{}, clock: testkit.NewClock(time.Now().UTC().Truncate(time.Millisecond))}
	ctx := t.Context()
	runner, space := &durable.Runner{Client: b.Client}, keyspace.New(keyspace.DefaultPartitions)
	sealer, err := keys.NewSealer([]byte("a key encryption key of 32 bytes"))
	w.must(err)
	w.store = redisstore.New(runner, space)
	w.ring, err = keys.NewRing(keys.Config{
		Store: redisstore.NewKeys(runner, space), Sealer: sealer, TokenLifetime: time.Hour, JWKSMaxAge: time.Minute, Audit: w.trail,
		Logger: slog.New(slog.DiscardHandler), Now: w.clock.Now,
	})
	w.must(err)
	w.must(w.ring.Init(ctx, "system"))
	w.must(w.ring.Refresh(ctx))
	verifier, err := claims.NewVerifier(claims.Config{Issuer: issuer, Audience: issuer, Keys: w.ring, Now: w.clock.Now})
	w.must(err)
	registry := &auth.Registry{ClientStore: w.store, OrgStore: w.store, Now: w.clock.Now}
	callers := &auth.Callers{Tokens: w.store, Registry: registry, Audit: w.trail, Now: w.clock.Now}
	hasher, err := auth.NewHasher(auth.HashConfig{MemoryKiB: 19456, Time: 2, Parallelism: 1, MemoryBudgetMiB: 64, MinLength: 8})
	w.must(err)
	documents := metastore.New(runner, space)
	w.meta = &metadata.Service{Store: documents, Schemes: &metadata.Schemes{Store: documents, Now: w.clock.Now}, Audit: w.trail, Now: w.clock.Now}
	w.users = &auth.Users{
		Store: w.store, Registry: registry, Callers: callers, Hasher: hasher, Limiter: w.store, Eraser: w.meta, Audit: w.trail, Now: w.clock.Now,
	}
	w.meta.Directory = w.users
	factors := &factor.Service{
		Store: w.store, Once: w.store, Users: w.users, UserIDs: w.store, Limiter: w.store, Sealer: sealer, Issuer: issuer, Audit: w.trail,
		Now: w.clock.Now,
	}
	sessions := &session.Service{
		Store: w.store, Registry: registry, Users: w.users, Keys: sealer.DeriveAll("session cookies"), Audit: w.trail, Now: w.clock.Now,
		Lifetimes: session.Lifetimes{Idle: 12 * time.Hour, Absolute: 30 * 24 * time.Hour},
	}
	w.users.Sessions = sessions
	w.Service = &authorize.Service{
		Issuer: issuer, Registry: registry, Users: w.store, Factors: factors, Sessions: sessions, Verifier: verifier,
		Authenticator: &auth.Authenticator{
			Users: w.store, Hasher: hasher, Limiter: w.store, Limits: auth.DefaultLoginLimits, Registry: registry, Factors: factors,
			Logger: slog.New(slog.DiscardHandler), Now: w.clock.Now,
		},
		Tokens: auth.NewIssuer(auth.Issuer{
			URL: issuer, Keys: w.ring, Profiles: w.meta, Families: w.store, Codes: w.store, Users: w.store, Registry: registry, Now: w.clock.Now,
			Lifetimes: auth.Lifetimes{
				AccessToken: 10 * time.Minute, IDToken: 10 * time.Minute, RefreshIdle: 24 * time.Hour, RefreshAbsolute: 240 * time.Hour,
			},
		}, sealer.DeriveAll("refresh tokens")),
		Codes: w.store, Pushed: w.store, Devices: w.store, Consents: w.store, Limiter: w.store, Sealer: sealer,
		CodeKeys: sealer.DeriveAll("authorization codes"), DeviceKeys: sealer.DeriveAll("device codes"), Audit: w.trail, Now: w.clock.Now,
	}
	orgs := &auth.Orgs{Store: w.store, Registry: registry, Callers: callers, Audit: w.trail, Now: w.clock.Now}
	for _, slug := range []string{"default", "acme", "closed"} {
		_, err := orgs.Create(ctx, auth.System(), slug, auth.OrgChange{})
		w.must(err)
	}
	for name, in := range map[string][]string{"jane": {"default", "acme"}, "john": {"default"}, "mary": {"closed"}} {
		_, err := w.users.Create(ctx, auth.System(), in[0], auth.NewUser{
			ID: name + "-id", Username: name, Password: password, Email: name + "@example.com", EmailVerified: true,
			Profile: claims.Profile{Name: "The " + name, PhoneNumber: "+14155550100"},
		}, "")
		w.must(err)
		if len(in) > 1 {
			_, err = w.users.Update(ctx, auth.System(), in[0], name, nil, auth.UserChange{Orgs: &in})
			w.must(err)
		}
	}
	yes := true
	_, err = orgs.Update(ctx, auth.System(), "closed", nil, auth.OrgChange{Disabled: &yes})
	w.must(err)
	w.client("app", func(*auth.Client) {})
	w.client("wide", func(c *auth.Client) { c.AllOrgs = true })
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) wantCode(err error, want auth.Code) {
	w.t.Helper()
	if auth.CodeOf(err) != want {
		w.t.Errorf("error is %v, want code %q", err, want)
	}
}

// client makes or changes a client.
func (w *world) client(id string, change func(*auth.Client)) *auth.Client {
	w.t.Helper()
	ctx := context.Background()
	c, err := w.store.Client(ctx, id)
	if auth.CodeOf(err) == auth.NotFound {
		c = auth.Client{
			ID: id, Org: "default", Name: "The " + id, Since: w.clock.Now().Add(-time.Hour), SecretHash: "x",
			GrantTypes:   []string{auth.GrantAuthorizationCode, auth.GrantRefreshToken, auth.GrantDeviceCode},
			Scopes:       []string{"openid", "profile", "email", "phone", "offline_access"},
			RedirectURIs: []string{callback}, PostLogoutRedirectURIs: []string{"https://app.example/bye"}, RequirePKCE: true,
		}
	} else {
		w.must(err)
	}
	change(&c)
	c.Version, err = w.store.PutClient(ctx, c, rand.Text())
	w.must(err)
	w.Registry.Forget()
	return &c
}

// request is a good request of a client, with pairs of parameters changed; "" takes one away.
func request(client string, pairs ...string) url.Values {
	params := url.Values{
		"client_id": {client}, "redirect_uri": {callback}, "response_type": {"code"}, "scope": {"openid"}, "state": {"st"},
		"code_challenge": {challenge}, "code_challenge_method": {"S256"},
	}
	for n := 0; n+1 < len(pairs); n += 2 {
		if params.Set(pairs[n], pairs[n+1]); pairs[n+1] == "" {
			params.Del(pairs[n])
		}
	}
	return params
}

// begin begins a good request.
func (w *world) begin(client string, pairs ...string) *authorize.Flow {
	w.t.Helper()
	f, answer, err := w.Begin(context.Background(), request(client, pairs...), browser)
	w.must(err)
	if answer != nil {
		w.t.Fatalf("answered %v", answer.Parameters)
	}
	return f
}

// session logs a user in, by these methods.
func (w *world) session(user string, amr ...string) *session.Session {
	w.t.Helper()
	if len(amr) == 0 {
		amr = []string{"pwd"}
	}
	u, _, err := w.store.User(context.Background(), user+"-id")
	w.must(err)
	return w.start(auth.Subject{User: u.ID, Org: u.Orgs[0], AuthTime: w.clock.Now(), AMR: amr, Epoch: u.Epoch})
}

// start makes a session as a page would, and reads it back as the next request of the browser would.
func (w *world) start(who auth.Subject) *session.Session {
	w.t.Helper()
	_, text, err := w.Sessions.Start(context.Background(), who, nil, "a browser", address)
	w.must(err)
	sess, err := w.Sessions.Resolve(context.Background(), text, address)
	w.must(err)
	if sess == nil {
		w.t.Fatal("there is no session")
	}
	return sess
}

// next asks for the next step, which must be of a kind.
func (w *world) next(f *authorize.Flow, sess *session.Session, want authorize.StepKind) *authorize.Step {
	w.t.Helper()
	step, err := w.Next(context.Background(), w.reopened(f), sess)
	w.must(err)
	if step.Kind != want {
		w.t.Fatalf("the next step is %q %v, want %q", step.Kind, parameters(step.Answer), want)
	}
	return step
}

// reopened is a flow after its way through the browser.
func (w *world) reopened(f *authorize.Flow) *authorize.Flow {
	w.t.Helper()
	opened, err := w.Open(w.Seal(f), browser)
	w.must(err)
	return opened
}

func parameters(a *authorize.Answer) map[string]string {
	if a == nil {
		return nil
	}
	m := map[string]string{}
	for _, p := range a.Parameters {
		m[p.Name] = p.Value
	}
	return m
}

// wantAnswer checks an error answer, and that like every answer it names the issuer and brings the state back (row O-16).
func (w *world) wantAnswer(a *authorize.Answer, want auth.Code) {
	w.t.Helper()
	p := parameters(a)
	if p["error"] != string(want) || p["iss"] != issuer || p["state"] != "st" || p["code"] != "" || len(p) != 4 || p["error_description"] == "" {
		w.t.Errorf("answered %v, want error %s, error_description, state and iss", p, want)
	}
}

// approval redeems the code of an answer as the token endpoint would look at it.
func (w *world) approval(a *authorize.Answer) auth.Approval {
	w.t.Helper()
	p := parameters(a)
	if p["code"] == "" || p["iss"] != issuer || p["state"] != "st" || len(p) != 3 {
		w.t.Fatalf("answered %v, want code, state and iss", p)
	}
	approval, _, err := w.Code(context.Background(), p["code"])
	w.must(err)
	return approval
}

// idToken is one this issuer might have issued to a client.
func (w *world) idToken(user, client string, change func(*claims.IDToken)) string {
	w.t.Helper()
	id := claims.IDToken{
		Issuer: issuer, Subject: user, Audience: []string{client}, IssuedAt: w.clock.Now(), ExpiresAt: w.clock.Now().Add(time.Minute), Org: "default",
	}
	if change != nil {
		change(&id)
	}
	text, err := w.ring.Sign("RS256", "JWT", id.AppendJSON(nil, nil))
	w.must(err)
	return text
}

// enrol gives a user an authenticator app and returns what makes its codes.
func (w *world) enrol(user string) (code func() string) {
	w.t.Helper()
	ctx := context.Background()
	enrolment, err := w.Factors.BeginTOTP(ctx, user, user)
	w.must(err)
	code = func() string {
		w.t.Helper()
		text, err := totp.GenerateCode(enrolment.Secret, w.clock.Now())
		w.must(err)
		return text
	}
	_, err = w.Factors.FinishTOTP(ctx, user, enrolment.State, code())
	w.must(err)
	w.pass(time.Minute) // a code works once
	return code
}

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func sorted(m map[string]string) (names []string) {
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
