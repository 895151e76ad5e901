package main

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/keys"
	"github.com/claimsmith/claimsmith/auth/records"
	authstore "github.com/claimsmith/claimsmith/auth/redisstore"
	"github.com/claimsmith/claimsmith/config"
	"github.com/claimsmith/claimsmith/handlers"
	"github.com/claimsmith/claimsmith/handlers/openapi/openapitest"
	"github.com/claimsmith/claimsmith/internal/durable"
	"github.com/claimsmith/claimsmith/internal/redistest"
	"github.com/claimsmith/claimsmith/internal/testkit"
)

func TestMain(m *testing.M) { redistest.Main(m) }

const (
	testIssuer = "https://id.example"
	adminToken = "cs_at_test-administrator-token"
	janeMail   = "jane.doe@example.com"
	janePass   = "correct horse jane"
)

// fewPartitions make what tells all of them something quick. How many there are is nothing the program depends on.
const fewPartitions = 16

// world is one installation and one instance of the program over it, spoken to by HTTP.
type world struct {
	t      testing.TB
	app    *app
	server http.Handler
	clock  *testkit.Clock
	log    *testkit.Log
	in     installation
	// address requests seem to come from.
	address string
}

// newWorld installs into an empty Redis: an administrator with adminToken, the user jane, the login client.
func newWorld(t testing.TB, client redis.UniversalClient) *world {
	t.Helper()
	ctx := context.Background()
	run := &durable.Runner{Client: client}
	space, err := authstore.Initialise(ctx, run, fewPartitions)
	if err != nil {
		t.Fatal(err)
	}
	sealer, err := keys.NewSealer([]byte("a key encryption key of 32 bytes"))
	if err != nil {
		t.Fatal(err)
	}
	c := testkit.NewClock(time.Now().UTC().Truncate(time.Second)) // Redis has a clock of its own
	files, err := openFiles(ctx, records.InMemory, sealer)
	if err != nil {
		t.Fatal(err)
	}
	w := instance(t, installation{run, space, sealer, c.Now, files}, c)
	if err := w.app.install(ctx); err != nil {
		t.Fatal(err)
	}
	admin := auth.NewAPIToken{Name: "test", Role: auth.RoleAdmin}
	if _, err := w.app.apiTokens.CreateWith(ctx, auth.System(), admin, adminToken); err != nil {
		t.Fatal(err)
	}
	w.post("/api/user", adminToken, `{"id":"jane-id","username":"jane","email":"`+janeMail+`","email_verified":true,"password":"`+janePass+`",
		"profile":{"name":"Jane Doe"}}`).want(t, http.StatusCreated)
	return w
}

// instance is one more process over an installation.
func instance(t testing.TB, in installation, c *testkit.Clock) *world {
	t.Helper()
	w := &world{t: t, clock: c, log: &testkit.Log{}, in: in, address: "192.0.2.1:4711"}
	logger := slog.New(slog.NewJSONHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	var err error
	if w.app, err = newApp(in, testSettings(), logger); err != nil {
		t.Fatal(err)
	}
	_ = w.app.ring.Refresh(context.Background()) // fails before the installation; the ring is refreshed again then
	server, err := handlers.New(handlers.Config{
		Logger: logger, Now: c.Now, Issuer: testIssuer, Dialects: w.app.dialects(), HTTPS: true, AccessLog: true, RequestTimeout: 20 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	w.server = openapitest.Handler(t, testIssuer, server)
	return w
}

func testSettings() *config.Server {
	return &config.Server{
		Issuer: testIssuer, Dialects: config.Dialects{config.IBLAI, config.SentinelProfiles, config.Zitadel},
		Tokens: config.Tokens{
			AccessTokenTTL: 10 * time.Minute, IDTokenTTL: 10 * time.Minute, RefreshIdle: 720 * time.Hour,
			RefreshAbsolute: 2160 * time.Hour, RefreshGrace: 30 * time.Second, JWKSMaxAge: 10 * time.Minute,
		},
		Sessions: config.Sessions{Idle: 12 * time.Hour, Absolute: 720 * time.Hour},
		Limits:   config.Limits{ClaimsBudget: 4096, MaxEntries: 1000, MaxDocument: 1 << 20},
	}
}

// answer is a response read to its end.
type answer struct {
	status int
	header http.Header
	body   string
}

func (a answer) want(t testing.TB, status int) answer {
	t.Helper()
	if a.status != status {
		t.Fatalf("got %d %s, want %d", a.status, a.body, status)
	}
	return a
}

func (a answer) json(t testing.TB) map[string]any {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(a.body))
	decoder.UseNumber()
	var v map[string]any
	if err := decoder.Decode(&v); err != nil {
		t.Fatalf("%q: %v", a.body, err)
	}
	return v
}

// text returns a string member of the body.
func (a answer) text(t testing.TB, name string) string {
	t.Helper()
	s, _ := a.json(t)[name].(string)
	return s
}

// send sends a request. Headers are given as pairs.
func (w *world) send(method, target, bearer, body string, headers ...string) answer {
	w.t.Helper()
	var reader io.Reader = http.NoBody
	if body != "" {
		reader = strings.NewReader(body)
	}
	r := httptest.NewRequest(method, target, reader)
	r.RemoteAddr = w.address
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for n := 0; n+1 < len(headers); n += 2 {
		r.Header.Set(headers[n], headers[n+1])
	}
	recorder := httptest.NewRecorder()
	w.server.ServeHTTP(recorder, r)
	return answer{recorder.Code, recorder.Header(), recorder.Body.String()}
}

func (w *world) get(target, bearer string, headers ...string) answer {
	w.t.Helper()
	return w.send(http.MethodGet, target, bearer, "", headers...)
}

func (w *world) put(target, bearer, body string, headers ...string) answer {
	w.t.Helper()
	return w.send(http.MethodPut, target, bearer, body, headers...)
}

func (w *world) post(target, bearer, body string, headers ...string) answer {
	w.t.Helper()
	return w.send(http.MethodPost, target, bearer, body, headers...)
}

// form posts a form, with pairs of parameters.
func (w *world) form(target string, parameters ...string) answer {
	w.t.Helper()
	values := url.Values{}
	for n := 0; n+1 < len(parameters); n += 2 {
		values.Add(parameters[n], parameters[n+1])
	}
	return w.send(http.MethodPost, target, "", values.Encode(), "Content-Type", "application/x-www-form-urlencoded")
}

// login logs jane in and returns the token response.
func (w *world) login() answer {
	w.t.Helper()
	return w.post("/login", "", `{"username":"`+janeMail+`","password":"`+janePass+`"}`).want(w.t, http.StatusOK)
}

// refresh uses a refresh token of the login client.
func (w *world) refresh(token string) answer {
	w.t.Helper()
	return w.form("/oauth/token", "grant_type", "refresh_token", "client_id", auth.LoginClient, "refresh_token", token)
}

// claimsOf decodes the payload of a token without verifying it.
func claimsOf(t testing.TB, token string) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("%q is no token", token)
	}
	return answer{body: decodeSegment(t, parts[1])}.json(t)
}
