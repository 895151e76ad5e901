package grant_test

import (
	"context"
	"crypto/rand"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/grant"
	"github.com/claimsmith/claimsmith/claims"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

const (
	orders   = "https://orders.example"
	payments = "https://payments.example"
)

// exchange is a proper request of the client gateway.
func exchange(client, subject string) grant.Request {
	return grant.Request{
		GrantType: auth.GrantTokenExchange, Credentials: by(client), SubjectToken: subject, SubjectTokenType: auth.TokenTypeAccess, Audience: orders,
	}
}

// gateway receives tokens of web's users and exchanges them.
func newGateway(t testing.TB) *world {
	t.Helper()
	w := newWorld(t, redistest.Embedded(t))
	w.client("web", func(c *auth.Client) { c.Audience = []string{"https://gateway.example"}; c.FirstParty = true })
	w.client("gateway", func(c *auth.Client) {
		c.Audience, c.ExchangeAudiences, c.Scopes = []string{"https://gateway.example"}, []string{orders, payments}, []string{"openid", "orders", "stock"}
		c.FirstParty = true
	})
	return w
}

func (w *world) login(change func(*auth.Approval)) auth.Tokens {
	w.t.Helper()
	return w.token(request("web", w.code("web", func(a *auth.Approval) {
		a.Scope = "openid profile orders"
		if change != nil {
			change(a)
		}
	})))
}

func TestExchange(t *testing.T) {
	w := newGateway(t)
	ctx := context.Background()
	login := w.login(nil)
	subject, err := w.verifier.VerifyAnyAudience(ctx, login.AccessToken)
	check(t, err)
	w.advance(4*time.Minute + 500*time.Millisecond)
	tokens := w.token(exchange("gateway", login.AccessToken))
	if tokens.IssuedTokenType != auth.TokenTypeAccess || tokens.TokenType != auth.TokenBearer || tokens.RefreshToken != "" || tokens.IDToken != "" ||
		tokens.Scope != "openid orders" {
		t.Errorf("tokens %+v", tokens)
	}
	if tokens.ExpiresIn > 6*time.Minute || tokens.ExpiresIn < 5*time.Minute+59*time.Second {
		t.Errorf("expires in %v, and the subject token in 5m59.5s", tokens.ExpiresIn)
	}
	got, err := w.verifier.VerifyAnyAudience(ctx, tokens.AccessToken)
	check(t, err)
	want := subject.AccessToken
	want.Audience, want.ClientID, want.Scope, want.ID = []string{orders}, "gateway", "openid orders", got.ID
	want.IssuedAt, want.Actor = w.clock.Now().Truncate(time.Second), &claims.Actor{Subject: "gateway"}
	if diff := cmp.Diff(want, got.AccessToken); diff != "" {
		t.Errorf("exchanged (-want +got):\n%s", diff)
	}
	if theme, _ := got.Metadata.String("theme"); theme != "dark" || got.ID == subject.ID {
		t.Errorf("metadata %v, jti %s", got.Metadata.Keys(), got.ID)
	}
	if e := w.audit.Last(); e.Actor != "client:gateway" || e.Target != "user:jane-id" || e.Org != auth.DefaultOrg {
		t.Errorf("audit %+v", e)
	}

	// It stands where it is asked about, and is no way into anything else.
	if !w.active(tokens.AccessToken) {
		t.Fatal("not active")
	}
	if _, err := w.callers.Resolve(ctx, tokens.AccessToken); auth.CodeOf(err) != auth.Unauthenticated {
		t.Errorf("at the API: %v", err)
	}
	if _, err := w.inspector.UserInfo(ctx, auth.TokenBearer, tokens.AccessToken, auth.Proof{}); auth.CodeOf(err) != auth.Unauthenticated {
		t.Errorf("at userinfo: %v", err)
	}

	// Narrower, for another, bound.
	narrow := exchange("gateway", login.AccessToken)
	key := newKeyPair(t)
	narrow.Scope, narrow.Audience, narrow.RequestedTokenType, narrow.Proof = "orders", payments, auth.TokenTypeAccess, w.proof(key, "")
	if tokens := w.token(narrow); tokens.Scope != "orders" || tokens.TokenType != auth.TokenDPoP || boundTo(t, tokens.AccessToken) != key.thumbprint {
		t.Errorf("narrowed %+v", tokens)
	}

	// It ends with the login it comes from.
	check(t, w.Revoke(ctx, auth.FamilyRef{User: "jane-id", Org: auth.DefaultOrg, ID: subject.SessionID}, ""))
	if w.active(tokens.AccessToken) {
		t.Error("an exchanged token stands after the login has ended")
	}
	w.refused("exchange after the login has ended", exchange("gateway", login.AccessToken), auth.InvalidRequest)
}

func TestExchangeAgain(t *testing.T) {
	w := newGateway(t)
	w.client("order-service", func(c *auth.Client) {
		c.Audience, c.ExchangeAudiences = []string{orders}, []string{orders}
	})
	token := w.token(exchange("gateway", w.login(nil).AccessToken)).AccessToken
	token = w.token(exchange("order-service", token)).AccessToken
	want := map[string]any{"sub": "order-service", "act": map[string]any{"sub": "gateway"}}
	if diff := cmp.Diff(want, claimsOf(t, token)["act"]); diff != "" {
		t.Errorf("actors (-want +got):\n%s", diff)
	}
	for range 6 {
		token = w.token(exchange("order-service", token)).AccessToken
	}
	w.refused("for the ninth time", exchange("order-service", token), auth.InvalidRequest)
}

// Row O-22.
func TestExchangeRefusals(t *testing.T) {
	w := newGateway(t)
	ctx := context.Background()
	w.client("stranger", func(c *auth.Client) { c.ExchangeAudiences = []string{orders} })
	w.client("open", func(c *auth.Client) { c.SecretHash, c.ExchangeAudiences = "", []string{orders} })
	w.client("acme", func(c *auth.Client) {
		c.Org, c.Audience, c.ExchangeAudiences = "acme", []string{"https://gateway.example"}, []string{orders}
	})
	w.client("ungranted", func(c *auth.Client) {
		c.GrantTypes, c.ExchangeAudiences, c.Audience = nil, []string{orders}, []string{"https://gateway.example"}
	})
	login := w.login(nil)
	good := login.AccessToken
	machine := w.token(grant.Request{GrantType: auth.GrantClientCredentials, Credentials: by("gateway"), Scope: "orders"}).AccessToken
	denied := w.login(nil).AccessToken
	revoked, err := w.verifier.VerifyAnyAudience(ctx, denied)
	check(t, err)
	check(t, w.Deny(ctx, "jane-id", revoked.ID, revoked.ExpiresAt))
	key := newKeyPair(t)
	forged := key.sign(t, map[string]any{"typ": "at+jwt", "kid": key.jwk.KeyID}, claimsOf(t, good))

	for name, tt := range map[string]struct {
		spoil func(*grant.Request)
		want  auth.Code
	}{
		"no subject token":          {func(r *grant.Request) { r.SubjectToken = "" }, auth.InvalidRequest},
		"no type":                   {func(r *grant.Request) { r.SubjectTokenType = "" }, auth.InvalidRequest},
		"type refresh token":        {func(r *grant.Request) { r.SubjectTokenType = "urn:ietf:params:oauth:token-type:refresh_token" }, auth.InvalidRequest},
		"type ID token":             {func(r *grant.Request) { r.SubjectTokenType = "urn:ietf:params:oauth:token-type:id_token" }, auth.InvalidRequest},
		"type JWT":                  {func(r *grant.Request) { r.SubjectTokenType = "urn:ietf:params:oauth:token-type:jwt" }, auth.InvalidRequest},
		"an actor":                  {func(r *grant.Request) { r.ActorToken, r.ActorTokenType = machine, auth.TokenTypeAccess }, auth.InvalidRequest},
		"an actor's type":           {func(r *grant.Request) { r.ActorTokenType = auth.TokenTypeAccess }, auth.InvalidRequest},
		"a refresh token wanted":    {func(r *grant.Request) { r.RequestedTokenType = "urn:ietf:params:oauth:token-type:refresh_token" }, auth.InvalidRequest},
		"a resource":                {func(r *grant.Request) { r.Resource = orders }, auth.InvalidTarget},
		"no audience":               {func(r *grant.Request) { r.Audience = "" }, auth.InvalidRequest},
		"another audience":          {func(r *grant.Request) { r.Audience = "https://other.example" }, auth.InvalidTarget},
		"two audiences in one":      {func(r *grant.Request) { r.Audience = orders + " " + payments }, auth.InvalidTarget},
		"the issuer":                {func(r *grant.Request) { r.Audience = issuer }, auth.InvalidTarget},
		"the API":                   {func(r *grant.Request) { r.Audience = auth.APIAudience(issuer) }, auth.InvalidTarget},
		"a scope it has not":        {func(r *grant.Request) { r.Scope = "orders profile" }, auth.InvalidScope},
		"a scope the token has not": {func(r *grant.Request) { r.Scope = "stock" }, auth.InvalidScope},
		"scope iam/":                {func(r *grant.Request) { r.Scope = auth.ScopeAPI }, auth.InvalidScope},
		"an ID token":               {func(r *grant.Request) { r.SubjectToken = login.IDToken }, auth.InvalidRequest},
		"a refresh token":           {func(r *grant.Request) { r.SubjectToken = login.RefreshToken }, auth.InvalidRequest},
		"a client's own token":      {func(r *grant.Request) { r.SubjectToken = machine }, auth.InvalidRequest},
		"a revoked token":           {func(r *grant.Request) { r.SubjectToken = denied }, auth.InvalidRequest},
		"a forged token":            {func(r *grant.Request) { r.SubjectToken = forged }, auth.InvalidRequest},
		"a proof":                   {func(r *grant.Request) { r.SubjectToken = w.proof(key, "").Headers[0] }, auth.InvalidRequest},
		"nonsense":                  {func(r *grant.Request) { r.SubjectToken = "x" }, auth.InvalidRequest},
		"another spelling":          {func(r *grant.Request) { r.SubjectToken += "=" }, auth.InvalidRequest},
		"not meant for the client":  {func(r *grant.Request) { r.Credentials = by("stranger") }, auth.InvalidRequest},
		"of another organisation":   {func(r *grant.Request) { r.Credentials = by("acme") }, auth.InvalidRequest},
		"a public client":           {func(r *grant.Request) { r.Credentials = grant.Credentials{ClientID: "open"} }, auth.UnauthorizedClient},
		"without the grant":         {func(r *grant.Request) { r.Credentials = by("ungranted") }, auth.UnauthorizedClient},
		"its own user's":            {func(r *grant.Request) { r.Credentials = by("web") }, auth.InvalidTarget},
	} {
		r := exchange("gateway", good)
		tt.spoil(&r)
		w.refused(name, r, tt.want)
	}
	w.token(exchange("gateway", good)) // control

	w.advance(11 * time.Minute)
	w.refused("an expired token", exchange("gateway", good), auth.InvalidRequest)
	young := w.login(nil).AccessToken
	w.changeUser(func(u *auth.User) { u.Disabled, u.Epoch = true, u.Epoch+1 })
	w.refused("a disabled user's", exchange("gateway", young), auth.InvalidRequest)
}

// An exchanged token falls with the client that has it.
func TestExchangedTokenOfDisabledClient(t *testing.T) {
	w := newGateway(t)
	ctx := context.Background()
	token := w.token(exchange("gateway", w.login(nil).AccessToken)).AccessToken
	c, err := w.Client(ctx, "gateway")
	check(t, err)
	c.Disabled = true
	_, err = w.PutClient(ctx, c, rand.Text())
	check(t, err)
	w.advance(auth.Recency)
	if w.active(token) {
		t.Error("active")
	}
}

func TestKeptRefreshTokens(t *testing.T) {
	w := newWorld(t, redistest.Embedded(t))
	ctx := context.Background()
	w.client("web", func(c *auth.Client) { c.KeepRefreshTokens = true })
	first := w.token(request("web", w.code("web", nil)))
	for n := range 3 {
		w.advance(time.Hour)
		again := w.token(refresh("web", first.RefreshToken))
		if again.RefreshToken != first.RefreshToken || again.AccessToken == first.AccessToken || again.IDToken == "" {
			t.Errorf("use %d: %+v", n, again)
		}
	}
	// From now on it is replaced; then it is kept again.
	set := func(keep bool) {
		c, err := w.Client(ctx, "web")
		check(t, err)
		c.KeepRefreshTokens = keep
		_, err = w.PutClient(ctx, c, rand.Text())
		check(t, err)
		w.advance(auth.Recency)
	}
	set(false)
	second := w.token(refresh("web", first.RefreshToken))
	if second.RefreshToken == first.RefreshToken {
		t.Error("not replaced")
	}
	set(true)
	if repeated := w.token(refresh("web", first.RefreshToken)); repeated.RefreshToken != second.RefreshToken {
		t.Error("within the grace the predecessor does not get its successor")
	}
	if kept := w.token(refresh("web", second.RefreshToken)); kept.RefreshToken != second.RefreshToken {
		t.Error("not kept")
	}
	w.advance(time.Minute)
	w.refused("the predecessor after the grace", refresh("web", first.RefreshToken), auth.InvalidGrant)
	w.refused("after a replay", refresh("web", second.RefreshToken), auth.InvalidGrant)
}

func TestScopes(t *testing.T) {
	client := &auth.Client{Scopes: []string{"openid", "profile", "orders", auth.ScopeOffline, auth.ScopeAPI}}
	for asked, want := range map[string]string{
		"": "profile orders", "openid": "openid", "orders  openid orders": "orders openid", "org:acme": "profile orders",
		"openid org:acme": "openid", "openid offline_access": "openid offline_access", "iam/": "iam/",
	} {
		if got, err := auth.NarrowScope(client, asked); got != want || err != nil {
			t.Errorf("%q: %q, error %v, want %q", asked, got, err, want)
		}
	}
	for _, asked := range []string{"email", "openid email", "OPENID", "openid,profile"} {
		if got, err := auth.NarrowScope(client, asked); auth.CodeOf(err) != auth.InvalidScope || got != "" {
			t.Errorf("%q: %q, error %v", asked, got, err)
		}
	}

	w := newWorld(t, redistest.Embedded(t))
	w.client("web", nil)
	tokens := w.token(request("web", w.code("web", nil)))
	for n, scope := range []string{"openid", "org:acme openid", "org:acme", "  ", "profile openid profile"} {
		r := refresh("web", tokens.RefreshToken)
		r.Scope = scope
		next := w.token(r)
		if strings.Contains(next.Scope, "org:") || next.Scope == "" {
			t.Errorf("scope %s: %s", strconv.Quote(scope), next.Scope)
		}
		if full := n == 2 || n == 3; full != (next.Scope == "openid profile") && n < 4 {
			t.Errorf("scope %q: %q", scope, next.Scope)
		}
		tokens = next
	}
	r := refresh("web", tokens.RefreshToken)
	r.Scope = "openid orders"
	w.refused("a wider scope", r, auth.InvalidScope)
	w.token(refresh("web", tokens.RefreshToken))
}
