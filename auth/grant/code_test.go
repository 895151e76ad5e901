package grant_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"iter"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/grant"
	"github.com/claimsmith/claimsmith/claims"
	"github.com/claimsmith/claimsmith/internal/audit"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

func TestCode(t *testing.T) {
	w := newWorld(t, redistest.Embedded(t))
	ctx := context.Background()
	w.client("web", nil)
	session := w.session()
	began := w.clock.Now().Add(-time.Hour)
	tokens := w.token(request("web", w.code("web", func(a *auth.Approval) {
		a.Session, a.Nonce, a.AMR, a.AuthTime = session, "n-1", []string{"pwd", "otp", "mfa"}, began
		a.Requested = auth.RequestedClaims{IDToken: []string{"email"}, UserInfo: []string{"name", "email"}}
		a.Scope = "openid orders"
	})))
	if tokens.TokenType != auth.TokenBearer || tokens.ExpiresIn != 10*time.Minute || tokens.Scope != "openid orders" || tokens.RefreshToken == "" {
		t.Errorf("tokens %+v", tokens)
	}
	id, err := w.verifier.VerifyIDToken(ctx, tokens.IDToken, claims.Expected{ClientID: "web", Nonce: "n-1", AccessToken: tokens.AccessToken})
	check(t, err)
	access, err := w.verifier.VerifyAccessToken(ctx, tokens.AccessToken)
	check(t, err)
	theme, _ := id.Metadata.String("theme")
	if id.Subject != "jane-id" || id.Org != "" || access.Org != auth.DefaultOrg || !id.AuthTime.Equal(began) || id.ACR != "2" || id.Profile.Email != "jane@example.com" ||
		id.Profile.Name != "" || id.AccessTokenHash == "" || id.SessionID == "" || id.SessionID != access.SessionID || theme != "dark" {
		t.Errorf("ID token %+v", id)
	}
	info, err := w.inspector.UserInfo(ctx, auth.TokenBearer, tokens.AccessToken, auth.Proof{})
	check(t, err)
	if sorted(info.Requested.UserInfo) != "[email name]" {
		t.Errorf("userinfo was asked for %v", info.Requested)
	}
	logins, err := w.Logins(ctx, "jane-id", session)
	check(t, err)
	if len(logins) != 1 || logins[0].Family != access.SessionID || logins[0].Offline {
		t.Errorf("opened from the session: %+v", logins)
	}
	if e := w.audit.Last(); e.Action != "token.authorization_code" || e.Actor != "client:web" || e.Target != "user:jane-id" || e.Outcome != audit.Success {
		t.Errorf("audit %+v", e)
	}

	// A refresh says the same of the login, without a nonce.
	w.advance(time.Minute)
	again := w.token(refresh("web", tokens.RefreshToken))
	id, err = w.verifier.VerifyIDToken(ctx, again.IDToken, claims.Expected{ClientID: "web", AccessToken: again.AccessToken})
	check(t, err)
	if !id.AuthTime.Equal(began) || id.ACR != "2" || id.Profile.Email != "jane@example.com" || id.SessionID != access.SessionID || again.ExpiresIn != 10*time.Minute {
		t.Errorf("refreshed ID token %+v", id)
	}
	// What the session ends with its families ends.
	if done, err := w.EndSession(ctx, "jane-id", session, logins, nil, w.clock.Now()); err != nil || !done {
		t.Fatal(done, err)
	}
	w.refused("refresh after the session", refresh("web", again.RefreshToken), auth.InvalidGrant)
	if w.active(again.AccessToken) {
		t.Error("an access token stands after its session")
	}
}

// What a client may not ask for any more it is told no more, also where it once asked by name (row O-08).
func TestClaimsByNameFollowTheClient(t *testing.T) {
	w := newWorld(t, redistest.Embedded(t))
	ctx := context.Background()
	w.client("web", nil)
	tokens := w.token(request("web", w.code("web", func(a *auth.Approval) {
		a.Scope = "openid"
		a.Requested = auth.RequestedClaims{IDToken: []string{"email", "name"}, UserInfo: []string{"email", "name"}}
	})))
	c, err := w.Client(ctx, "web")
	check(t, err)
	c.Scopes = []string{"openid", "profile"}
	_, err = w.PutClient(ctx, c, rand.Text())
	check(t, err)
	w.advance(auth.Recency)
	tokens = w.token(refresh("web", tokens.RefreshToken))
	id, err := w.verifier.VerifyIDToken(ctx, tokens.IDToken, claims.Expected{ClientID: "web", AccessToken: tokens.AccessToken})
	check(t, err)
	if id.Profile.Email != "" || id.Profile.Name == "" {
		t.Errorf("ID token %+v", id.Profile)
	}
	info, err := w.inspector.UserInfo(ctx, auth.TokenBearer, tokens.AccessToken, auth.Proof{})
	check(t, err)
	if sorted(info.Requested.UserInfo) != "[name]" {
		t.Errorf("userinfo tells %v", info.Requested)
	}
}

func TestCodeWithoutOpenID(t *testing.T) {
	w := newWorld(t, redistest.Embedded(t))
	w.client("web", func(c *auth.Client) { c.GrantTypes = []string{auth.GrantAuthorizationCode} })
	tokens := w.token(request("web", w.code("web", func(a *auth.Approval) { a.Scope = "orders unknown" })))
	if tokens.IDToken != "" || tokens.RefreshToken != "" || tokens.Scope != "orders" {
		t.Errorf("tokens %+v; no ID token without openid, no refresh token without the grant, no scope the client may not have", tokens)
	}
	w.backend.FastForward(10*time.Minute + time.Second)
	if n := w.families(); n != 0 {
		t.Errorf("%d logins outlive their only access token", n)
	}
}

// Row O-03, the token endpoint's half.
func TestVerifiers(t *testing.T) {
	w := newWorld(t, redistest.Embedded(t))
	w.client("web", nil)
	challenge := func(verifier string) func(*auth.Approval) {
		sum := sha256.Sum256([]byte(verifier))
		return func(a *auth.Approval) { a.Challenge = base64.RawURLEncoding.EncodeToString(sum[:]) }
	}
	for _, good := range []string{strings.Repeat("a", 43), strings.Repeat("~", 128), "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"} {
		r := request("web", w.code("web", challenge(good)))
		r.CodeVerifier = good
		w.token(r)
	}
	for _, bad := range []string{
		"", strings.Repeat("a", 42), strings.Repeat("a", 129), strings.Repeat("a", 42) + "+", strings.Repeat("a", 42) + "=", strings.Repeat("a", 42) + " ",
		strings.Repeat("a", 42) + "%", strings.Repeat("a", 42) + "\n", strings.Repeat("é", 22), strings.Repeat("a", 42) + "/",
	} {
		r := request("web", w.code("web", challenge(bad))) // it is what the challenge was made of, and yet no verifier
		r.CodeVerifier = bad
		w.refused("verifier "+bad, r, auth.InvalidGrant)
	}
	code := w.code("web", nil)
	for name, other := range map[string]string{"none": "", "another": strings.Repeat("a", 43), "in capitals": strings.ToUpper(verifier), "the challenge": challengeOf(verifier)} {
		r := request("web", code)
		r.CodeVerifier = other
		w.refused("verifier "+name, r, auth.InvalidGrant)
	}
	w.token(request("web", code))

	plain := func(a *auth.Approval) { a.Challenge = "" }
	code = w.code("web", plain)
	w.refused("a verifier where there was no challenge", request("web", code), auth.InvalidGrant)
	r := request("web", code)
	r.CodeVerifier = ""
	w.token(r)
}

func challengeOf(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// Row O-04: everything a code is bound to, with AND; and whoever fails has not used it up (row O-05).
func TestCodeBinding(t *testing.T) {
	w := newWorld(t, redistest.Embedded(t))
	key, other := newKeyPair(t), newKeyPair(t)
	w.client("web", nil)
	w.client("rival", nil)
	w.client("spa", public)
	w.client("elsewhere", func(c *auth.Client) { c.Org = "acme" })
	w.client("batch", func(c *auth.Client) { c.GrantTypes = []string{auth.GrantClientCredentials} })
	code := w.code("web", func(a *auth.Approval) { a.KeyThumbprint = key.thumbprint })
	good := func() grant.Request {
		r := request("web", code)
		r.Proof = w.proof(key, "")
		return r
	}
	for name, tt := range map[string]struct {
		spoil func(*grant.Request)
		want  auth.Code
	}{
		"another client":              {func(r *grant.Request) { r.Credentials = by("rival") }, auth.InvalidGrant},
		"a public client":             {func(r *grant.Request) { r.Credentials = grant.Credentials{ClientID: "spa"} }, auth.InvalidGrant},
		"a client of another org":     {func(r *grant.Request) { r.Credentials = by("elsewhere") }, auth.InvalidGrant},
		"a client without the grant":  {func(r *grant.Request) { r.Credentials = by("batch") }, auth.UnauthorizedClient},
		"the client without a secret": {func(r *grant.Request) { r.Credentials = grant.Credentials{ClientID: "web"} }, auth.InvalidClient},
		"a wrong secret":              {func(r *grant.Request) { r.ClientSecret += "x" }, auth.InvalidClient},
		"nobody":                      {func(r *grant.Request) { r.Credentials = grant.Credentials{} }, auth.InvalidClient},
		"no redirect URI":             {func(r *grant.Request) { r.RedirectURI = "" }, auth.InvalidGrant},
		"another redirect URI":        {func(r *grant.Request) { r.RedirectURI += "/" }, auth.InvalidGrant},
		"another verifier":            {func(r *grant.Request) { r.CodeVerifier = strings.Repeat("a", 43) }, auth.InvalidGrant},
		"no verifier":                 {func(r *grant.Request) { r.CodeVerifier = "" }, auth.InvalidGrant},
		"another key":                 {func(r *grant.Request) { r.Proof = w.proof(other, "") }, auth.InvalidGrant},
		"no key":                      {func(r *grant.Request) { r.Proof = auth.Proof{} }, auth.InvalidGrant},
		"a proof for elsewhere":       {func(r *grant.Request) { r.Proof.URL = issuer + "/oauth/par" }, auth.InvalidProof},
		"no code":                     {func(r *grant.Request) { r.Code = "" }, auth.InvalidRequest},
		"another code":                {func(r *grant.Request) { r.Code = code[:len(code)-2] + "AA" }, auth.InvalidGrant},
		"half a code":                 {func(r *grant.Request) { r.Code = code[:len(code)/2] }, auth.InvalidGrant},
		"another grant":               {func(r *grant.Request) { r.GrantType = auth.GrantDeviceCode; r.DeviceCode = code }, auth.InvalidGrant},
		"no grant type":               {func(r *grant.Request) { r.GrantType = "" }, auth.InvalidRequest},
		"a retired grant":             {func(r *grant.Request) { r.GrantType = "implicit" }, auth.UnsupportedGrantType},
	} {
		r := good()
		tt.spoil(&r)
		w.refused(name, r, tt.want)
		if e := w.audit.Last(); r.ClientID != "web" && e.Target != "" {
			t.Errorf("%s: recorded about %s", name, e.Target)
		}
	}
	if n := w.families(); n != 0 {
		t.Errorf("%d logins of requests that failed", n)
	}
	w.token(good())
}

// Row O-05.
func TestCodeReplay(t *testing.T) {
	w := newWorld(t, redistest.Embedded(t))
	w.client("web", nil)
	w.client("rival", nil)
	code := w.code("web", nil)
	tokens := w.token(request("web", code))

	wrong := request("web", code)
	wrong.CodeVerifier = strings.Repeat("a", 43)
	w.refused("replay with a wrong verifier", wrong, auth.InvalidGrant)
	w.refused("replay by another client", request("rival", code), auth.InvalidGrant)
	if !w.active(tokens.AccessToken) {
		t.Fatal("a replay that could not have redeemed the code has ended what it made")
	}

	w.advance(30 * time.Second)
	w.refused("replay", request("web", code), auth.InvalidGrant)
	if e := w.audit.Last(); e.Reason != "replay" || e.Outcome != audit.Denied {
		t.Errorf("audit %+v", e)
	}
	if w.active(tokens.AccessToken) {
		t.Error("the access token stands after a replay")
	}
	w.refused("refresh after a replay", refresh("web", tokens.RefreshToken), auth.InvalidGrant)
	w.refused("replay again", request("web", code), auth.InvalidGrant)

	late := w.code("web", nil)
	w.advance(61 * time.Second)
	w.refused("after 61 s", request("web", late), auth.InvalidGrant)
	inTime := w.code("web", nil)
	w.advance(59 * time.Second)
	w.token(request("web", inTime))
}

func TestCodeRace(t *testing.T) {
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		w := newWorld(t, b)
		w.client("web", nil)
		for range 3 {
			code := w.code("web", nil)
			var wg sync.WaitGroup
			var mu sync.Mutex
			var won []auth.Tokens
			for range 16 {
				wg.Go(func() {
					tokens, err := w.dispatcher.Token(context.Background(), request("web", code))
					mu.Lock()
					defer mu.Unlock()
					if err == nil {
						won = append(won, tokens)
					} else if auth.CodeOf(err) != auth.InvalidGrant {
						t.Errorf("%v", err)
					}
				})
			}
			wg.Wait()
			if len(won) != 1 {
				t.Fatalf("%d redemptions of one code", len(won))
			}
			if w.active(won[0].AccessToken) {
				t.Error("tokens stand although their code was used by others too")
			}
		}
	})
}

// What has changed since the user approved counts (rows A-06, M-15, S-03).
func TestCodeOfAnotherWorld(t *testing.T) {
	ctx := context.Background()
	for name, change := range map[string]func(w *world, session string){
		"session ended": func(w *world, session string) {
			_, err := w.EndSession(ctx, "jane-id", session, nil, nil, w.clock.Now())
			check(w.t, err)
		},
		"user disabled": func(w *world, _ string) { w.changeUser(func(u *auth.User) { u.Disabled, u.Epoch = true, u.Epoch+1 }) },
		"user left": func(w *world, _ string) {
			w.changeUser(func(u *auth.User) { u.Orgs = []string{"acme"} }, auth.DefaultOrg)
		},
		"client disabled and enabled": func(w *world, _ string) {
			c, err := w.Client(ctx, "web")
			check(w.t, err)
			w.advance(2 * time.Second)
			c.Since = w.clock.Now()
			_, err = w.PutClient(ctx, c, "op")
			check(w.t, err)
		},
		"organisation disabled and enabled": func(w *world, _ string) {
			o, err := w.Org(ctx, auth.DefaultOrg)
			check(w.t, err)
			w.advance(2 * time.Second)
			o.Since = w.clock.Now()
			_, err = w.PutOrg(ctx, o, "op")
			check(w.t, err)
		},
	} {
		w := newWorld(t, redistest.Embedded(t))
		w.client("web", nil)
		session := w.session()
		code := w.code("web", func(a *auth.Approval) { a.Session = session })
		change(w, session)
		w.refused(name, request("web", code), auth.InvalidGrant)
		if n := w.families(); n != 0 {
			t.Errorf("%s: %d logins", name, n)
		}
	}
}

func (w *world) changeUser(change func(*auth.User), left ...string) {
	w.t.Helper()
	u, _, err := w.User(context.Background(), "jane-id")
	check(w.t, err)
	change(&u)
	_, err = w.PutUser(context.Background(), u, nil, left, "op")
	check(w.t, err)
}

// A session may have begun long before a client was made, or enabled again: what counts is when the client got the login.
func TestClientYoungerThanTheSession(t *testing.T) {
	w := newWorld(t, redistest.Embedded(t))
	w.advance(time.Hour)
	w.client("web", nil)
	tokens := w.token(request("web", w.code("web", func(a *auth.Approval) { a.AuthTime = w.clock.Now().Add(-2 * time.Hour) })))
	w.token(refresh("web", tokens.RefreshToken))
	if !w.active(tokens.AccessToken) {
		t.Error("the access token does not stand")
	}
}

// brokenProfiles cannot read metadata.
type brokenProfiles struct{}

func (brokenProfiles) ProfileClaims(ctx context.Context, _, _, _ string) (
	context.Context, func() (func(string) iter.Seq2[string, string], uint64, uint64, uint64, error),
) {
	return ctx, func() (func(string) iter.Seq2[string, string], uint64, uint64, uint64, error) {
		return nil, 0, 0, 0, errors.New("gone")
	}
}

func (brokenProfiles) UserMetadata(context.Context, string, string, string) (func(string) iter.Seq2[string, []byte], error) {
	return nil, errors.New("gone")
}

// A login whose tokens cannot be made leaves nothing behind, and the code is used up.
func TestCodeWithoutMetadata(t *testing.T) {
	w := newWorld(t, redistest.Embedded(t))
	w.client("web", nil)
	w.issuer.Profiles = brokenProfiles{}
	session := w.session()
	code := w.code("web", func(a *auth.Approval) { a.Session = session })
	w.refused("metadata gone", request("web", code), auth.Unavailable)
	if n := w.families(); n != 0 {
		t.Errorf("%d logins are left", n)
	}
	w.refused("the code again", request("web", code), auth.InvalidGrant)
}

// The claims ride behind the script: redeeming is two round trips, one of which reads the code.
func TestCodeRoundTrips(t *testing.T) {
	b := redistest.Embedded(t)
	w := newWorld(t, b)
	w.client("web", nil)
	w.token(request("web", w.code("web", nil))) // the scripts are cached, the client is known
	code := w.code("web", nil)
	trips := new(roundTrips)
	b.Client.AddHook(trips)
	w.token(request("web", code))
	if n := trips.Load(); n != 2 {
		t.Errorf("%d round trips", n)
	}
}

type roundTrips struct{ atomic.Int64 }

func (r *roundTrips) DialHook(next redis.DialHook) redis.DialHook { return next }

func (r *roundTrips) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error { r.Add(1); return next(ctx, cmd) }
}

func (r *roundTrips) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error { r.Add(1); return next(ctx, cmds) }
}
