package factor_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/descope/virtualwebauthn"
	"github.com/pquerna/otp/totp"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/factor"
	"github.com/claimsmith/claimsmith/auth/keys"
	"github.com/claimsmith/claimsmith/auth/redisstore"
	"github.com/claimsmith/claimsmith/internal/audit"
	"github.com/claimsmith/claimsmith/internal/durable"
	"github.com/claimsmith/claimsmith/internal/keyspace"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

func TestMain(m *testing.M) { redistest.Main(m) }

// crowd is how many call at once.
const crowd = 64

// world is an installation with the organisations acme and globex and the users jane and bob, whose home is acme.
type world struct {
	*factor.Service
	t       testing.TB
	store   *redisstore.Store
	sealer  *keys.Sealer
	callers *auth.Callers
	tokens  *auth.APITokens

	mu     sync.Mutex
	now    time.Time
	events []audit.Event
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, now: time.Now().UTC().Truncate(time.Second)} // Redis has a clock of its own
	w.store = redisstore.New(&durable.Runner{Client: redistest.Embedded(t).Client}, keyspace.New(keyspace.DefaultPartitions))
	w.sealer = newSealer(t, "a key encryption key of 32 bytes")
	registry := &auth.Registry{ClientStore: w.store, OrgStore: w.store, Now: w.time}
	w.callers = &auth.Callers{Tokens: w.store, Families: w.store, Registry: registry, Audit: w, Now: w.time}
	w.tokens = &auth.APITokens{Store: w.store, Registry: registry, Callers: w.callers, Audit: w, Now: w.time}
	w.Service = &factor.Service{
		Store: w.store, Once: w.store, UserIDs: w.store, Limiter: w.store, Sealer: w.sealer, Issuer: "https://id.example", Audit: w, Now: w.time,
		Users: &auth.Users{Store: w.store, Registry: registry, Callers: w.callers, Limiter: w.store, Audit: w, Now: w.time},
	}
	for _, slug := range []string{"acme", "globex"} {
		if _, err := w.store.PutOrg(t.Context(), auth.Org{Slug: slug}, slug); err != nil {
			t.Fatal(err)
		}
	}
	w.addUser("jane", "acme", "globex")
	w.addUser("bob", "acme")
	return w
}

func newSealer(t testing.TB, keks ...string) *keys.Sealer {
	t.Helper()
	var previous [][]byte
	for _, kek := range keks[1:] {
		previous = append(previous, []byte(kek))
	}
	s, err := keys.NewSealer([]byte(keks[0]), previous...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (w *world) addUser(id string, orgs ...string) {
	w.t.Helper()
	if _, err := w.store.PutUser(w.t.Context(), auth.User{ID: id, Username: id, Orgs: orgs, Epoch: 1}, nil, nil, id); err != nil {
		w.t.Fatal(err)
	}
}

// change changes a user's record.
func (w *world) change(id string, change func(*auth.User)) {
	w.t.Helper()
	u, _, err := w.store.User(w.t.Context(), id)
	if err == nil {
		change(&u)
		_, err = w.store.PutUser(w.t.Context(), u, nil, nil, fmt.Sprint(id, u.Version))
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// caller makes an API token and returns whom it stands for.
func (w *world) caller(role auth.Role, org string) *auth.Caller {
	w.t.Helper()
	_, text, err := w.tokens.Create(w.t.Context(), auth.System(), auth.NewAPIToken{Name: "test", Role: role, Org: org})
	if err != nil {
		w.t.Fatal(err)
	}
	caller, err := w.callers.Resolve(w.t.Context(), text)
	if err != nil {
		w.t.Fatal(err)
	}
	return caller
}

func (w *world) time() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) advance(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

// Record implements audit.Log.
func (w *world) Record(_ context.Context, e audit.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, e)
}

// recorded returns the events of these actions since it was last asked.
func (w *world) recorded(actions ...string) []audit.Event {
	w.mu.Lock()
	defer w.mu.Unlock()
	var found []audit.Event
	for _, e := range w.events {
		if slices.Contains(actions, e.Action) {
			found = append(found, e)
		}
	}
	w.events = nil
	return found
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) wantCode(err error, want auth.Code) {
	w.t.Helper()
	if auth.CodeOf(err) != want || err == nil {
		w.t.Fatalf("error is %v, want %s", err, want)
	}
}

// unlimited is a limiter for what is not about limits.
type unlimited struct{}

func (unlimited) Take(context.Context, []auth.Bucket) (time.Duration, error) { return 0, nil }
func (unlimited) Reset(context.Context, []auth.Bucket) error                 { return nil }

// app is an authenticator app.
type app struct{ secret string }

func (a app) code(t testing.TB, at time.Time) string {
	t.Helper()
	code, err := totp.GenerateCode(a.secret, at)
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// enrol gives a user an authenticator app, in the step before the present one.
func (w *world) enrol(user string) (app, []string) {
	w.t.Helper()
	e, err := w.BeginTOTP(w.t.Context(), user, user)
	w.must(err)
	a := app{e.Secret}
	recovery, err := w.FinishTOTP(w.t.Context(), user, e.State, a.code(w.t, w.time().Add(-30*time.Second)))
	w.must(err)
	return a, recovery
}

func (w *world) check(user, code string) error {
	return w.CheckCode(w.t.Context(), user, code, "192.0.2.1")
}

// browser is a browser at an origin with a software authenticator.
type browser struct {
	rp            virtualwebauthn.RelyingParty
	authenticator virtualwebauthn.Authenticator
	credential    virtualwebauthn.Credential
}

func newBrowser(user string) *browser {
	return &browser{
		rp:            virtualwebauthn.RelyingParty{ID: "id.example", Name: "id.example", Origin: "https://id.example"},
		authenticator: virtualwebauthn.NewAuthenticatorWithOptions(virtualwebauthn.AuthenticatorOptions{UserHandle: []byte(user)}),
		credential:    newCredential(),
	}
}

// newCredential skips the keys that this authenticator writes too short: those with a coordinate that begins with a zero.
func newCredential() virtualwebauthn.Credential {
	for {
		if c := virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2); len(c.Key.AttestationData()) == 77 {
			return c
		}
	}
}

// create answers a registration.
func (b *browser) create(t testing.TB, c factor.Ceremony) string {
	t.Helper()
	options, err := virtualwebauthn.ParseAttestationOptions(c.Options)
	if err != nil {
		t.Fatal(err)
	}
	return virtualwebauthn.CreateAttestationResponse(b.rp, b.authenticator, b.credential, *options)
}

// get answers a login.
func (b *browser) get(t testing.TB, c factor.Ceremony) string {
	t.Helper()
	options, err := virtualwebauthn.ParseAssertionOptions(c.Options)
	if err != nil {
		t.Fatal(err)
	}
	b.credential.Counter++
	return virtualwebauthn.CreateAssertionResponse(b.rp, b.authenticator, b.credential, *options)
}

func (b *browser) id() string { return base64.RawURLEncoding.EncodeToString(b.credential.ID) }

// register gives a user a passkey.
func (w *world) register(user string) *browser {
	w.t.Helper()
	b := newBrowser(user)
	c, err := w.BeginPasskey(w.t.Context(), user, user)
	w.must(err)
	w.must(w.FinishPasskey(w.t.Context(), user, "a key", c.State, b.create(w.t, c)))
	return b
}

func (w *world) begin(user string) factor.Ceremony {
	w.t.Helper()
	c, err := w.BeginLogin(w.t.Context(), user)
	w.must(err)
	return c
}

func (w *world) finish(c factor.Ceremony, answer string) (string, bool, error) {
	return w.FinishLogin(w.t.Context(), c.State, answer, "192.0.2.1")
}
