package authorize_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/authorize"
	"github.com/claimsmith/claimsmith/auth/session"
	"github.com/claimsmith/claimsmith/claims"
	"github.com/claimsmith/claimsmith/metadata"
)

// approve agrees to a flow.
func (w *world) approve(f *authorize.Flow, sess *session.Session) auth.Approval {
	w.t.Helper()
	w.next(f, sess, authorize.StepConsent)
	answer, err := w.Approve(w.t.Context(), w.reopened(f), sess)
	w.must(err)
	return w.approval(answer)
}

// Row O-18: asked once per client, organisation, scopes and redirect URI, and again after it was taken back.
func TestConsent(t *testing.T) {
	w := newWorld(t)
	w.client("asking", func(c *auth.Client) {
		c.RequireConsent, c.AllOrgs, c.RedirectURIs = true, true, []string{callback, callback + "2"}
	})
	w.client("other", func(c *auth.Client) { c.RequireConsent = true })
	sess := w.session("jane")
	ask := func(client string, pairs ...string) *authorize.Flow {
		return w.begin(client, append([]string{"org", "default"}, pairs...)...)
	}
	w.approve(ask("asking"), sess)
	if got := w.recorded("consent.grant"); !slices.Equal(got, []string{"success user:jane-id default client:asking"}) {
		t.Errorf("recorded %q", got)
	}
	w.approval(w.next(ask("asking"), sess, authorize.StepAnswer).Answer)
	w.approval(w.next(ask("asking", "prompt", "none"), sess, authorize.StepAnswer).Answer)

	for name, f := range map[string]*authorize.Flow{
		"another client":         ask("other"),
		"more scope":             ask("asking", "scope", "openid email"),
		"a claim":                ask("asking", "claims", `{"userinfo":{"email":null}}`),
		"another redirect URI":   ask("asking", "redirect_uri", callback+"2"),
		"another organisation":   ask("asking", "org", "acme"),
		"prompt=consent":         ask("asking", "prompt", "consent"),
		"another user's session": ask("asking"),
	} {
		sess := sess
		if strings.HasPrefix(name, "another user") {
			sess = w.session("john")
		}
		if step := w.next(f, sess, authorize.StepConsent); step.Client.ID != f.Client {
			t.Errorf("%s: it is about %s", name, step.Client.ID)
		}
	}

	// What is agreed to later comes on top; a claim is covered by its scope.
	w.approve(ask("asking", "claims", `{"id_token":{"email":null}}`), sess)
	w.approval(w.next(ask("asking", "scope", "openid email"), sess, authorize.StepAnswer).Answer)
	w.approval(w.next(ask("asking", "claims", `{"userinfo":{"email_verified":null}}`), sess, authorize.StepAnswer).Answer)
	// prompt=consent asks however often.
	w.approve(ask("asking", "prompt", "consent"), sess)
	w.next(ask("asking", "prompt", "consent"), sess, authorize.StepConsent)

	apps, err := w.Applications(t.Context(), "jane-id")
	w.must(err)
	if len(apps) != 1 || apps[0].Name != "The asking" || apps[0].Client != "asking" || !slices.Equal(apps[0].Scopes, []string{"openid", "email"}) {
		t.Errorf("applications are %+v", apps)
	}
	w.recorded("")
	w.must(w.Withdraw(t.Context(), "jane-id", "default", "asking"))
	if got := w.recorded("consent.withdraw"); !slices.Equal(got, []string{"success user:jane-id default client:asking"}) {
		t.Errorf("recorded %q", got)
	}
	w.wantCode(w.Withdraw(t.Context(), "jane-id", "no organisation", "a secret, here by mistake"), auth.NotFound)
	if got := w.recorded("consent.withdraw"); !slices.Equal(got, []string{"denied not_found user:jane-id"}) {
		t.Errorf("recorded %q", got)
	}
	w.next(ask("asking"), sess, authorize.StepConsent)
	if apps, err := w.Applications(t.Context(), "jane-id"); err != nil || len(apps) != 0 {
		t.Errorf("applications are %+v %v", apps, err)
	}
}

// Withdrawing ends the logins of that client in that organisation, and of no other.
func TestWithdrawEndsLogins(t *testing.T) {
	w := newWorld(t)
	who, err := w.SignIn(t.Context(), w.begin("app"), "jane", password, address)
	w.must(err)
	tokens := map[string]auth.Tokens{}
	for _, c := range []string{"app", "wide"} {
		client, err := w.Registry.Client(t.Context(), c)
		w.must(err)
		tokens[c], err = w.Tokens.Begin(t.Context(), client, *who, "openid", "")
		w.must(err)
	}
	w.must(w.Withdraw(t.Context(), "jane-id", "acme", "app"))
	w.must(w.Withdraw(t.Context(), "jane-id", "default", "wide"))
	for c, want := range map[string]auth.Code{"app": "", "wide": auth.InvalidGrant} {
		client, err := w.Registry.Client(t.Context(), c)
		w.must(err)
		_, _, err = w.Tokens.Refresh(t.Context(), client, tokens[c].RefreshToken, "", "")
		w.wantCode(err, want)
	}
}

// A consent given to an earlier client of the same id is none (row M-15), and does not come back with the next one.
func TestConsentToARecycledClient(t *testing.T) {
	w := newWorld(t)
	w.client("asking", func(c *auth.Client) { c.RequireConsent = true })
	sess := w.session("jane")
	w.approve(w.begin("asking", "scope", "openid email"), sess)
	w.pass(time.Minute)
	w.client("asking", func(c *auth.Client) { c.Since = w.clock.Now() })
	w.pass(time.Second)
	w.approve(w.begin("asking", "scope", "openid"), sess)
	w.next(w.begin("asking", "scope", "openid email"), sess, authorize.StepConsent)
}

func TestDeny(t *testing.T) {
	w := newWorld(t)
	w.client("asking", func(c *auth.Client) { c.RequireConsent = true })
	sess, f := w.session("jane"), w.begin("asking", "response_mode", "form_post")
	answer, err := w.Deny(t.Context(), w.reopened(f), sess)
	w.must(err)
	if w.wantAnswer(answer, auth.AccessDenied); answer.Mode != "form_post" {
		t.Errorf("it goes by %s", answer.Mode)
	}
	if got := w.recorded("authorize"); !slices.Equal(got, []string{"denied access_denied user:jane-id default client:asking"}) {
		t.Errorf("recorded %q", got)
	}
	w.next(f, sess, authorize.StepConsent)
	if _, err := w.Deny(t.Context(), f, nil); auth.CodeOf(err) != auth.InteractionRequired {
		t.Errorf("denied by nobody: %v", err)
	}
}

// Agreeing jumps over nothing.
func TestApproveIsOneStep(t *testing.T) {
	w := newWorld(t)
	w.client("asking", func(c *auth.Client) { c.RequireConsent, c.AllOrgs = true, true })
	old, mary := w.session("jane"), w.session("mary")
	w.pass(time.Minute)
	for name, c := range map[string]struct {
		pairs []string
		sess  *session.Session
	}{
		"nobody":         {nil, nil},
		"login":          {[]string{"prompt", "login", "org", "default"}, old},
		"account":        {[]string{"prompt", "select_account", "org", "default"}, old},
		"organisation":   {nil, old},
		"the other user": {[]string{"org", "default", "id_token_hint", w.idToken("john-id", "asking", nil)}, old},
	} {
		if answer, err := w.Approve(t.Context(), w.begin("asking", c.pairs...), c.sess); auth.CodeOf(err) != auth.InteractionRequired {
			t.Errorf("%s: %v %v", name, parameters(answer), err)
		}
	}
	answer, err := w.Approve(t.Context(), w.begin("asking"), mary)
	w.must(err)
	w.wantAnswer(answer, auth.AccessDenied)
	for _, user := range []string{"jane-id", "mary-id"} {
		if apps, err := w.Applications(t.Context(), user); err != nil || len(apps) != 0 {
			t.Errorf("applications of %s are %+v %v", user, apps, err)
		}
	}
}

// The page shows exactly what the client would get, by name and value.
func TestConsentShows(t *testing.T) {
	w := newWorld(t)
	w.client("asking", func(c *auth.Client) { c.RequireConsent, c.ClaimKeys = true, []string{"plan", "number"} })
	w.client("blind", func(c *auth.Client) { c.RequireConsent, c.ClaimsIn = true, []string{} })
	w.client("listener", func(c *auth.Client) { c.RequireConsent, c.ClaimsIn = true, []string{auth.InIntrospection} })
	var set []metadata.Put
	for key, value := range map[string]string{"plan": `"gold"`, "number": "9007199254740993", "other": "[]"} {
		v, err := metadata.JSON([]byte(value))
		w.must(err)
		set = append(set, metadata.Put{Key: key, Value: v, ProfileClaim: true})
	}
	_, err := w.meta.Apply(t.Context(), auth.System(), metadata.Target{Org: "default", User: "jane-id"}, metadata.Change{Set: set}, metadata.Precondition{})
	w.must(err)
	all := []authorize.Claim{{Key: "number", Value: "9007199254740993"}, {Key: "other", Value: "[]"}, {Key: "plan", Value: `"gold"`}}
	for client, want := range map[string][]authorize.Claim{"asking": {all[0], all[2]}, "blind": nil, "listener": all} {
		step := w.next(w.begin(client), w.session("jane"), authorize.StepConsent)
		if diff := cmp.Diff(want, step.Claims); diff != "" {
			t.Errorf("%s: %s", client, diff)
		}
	}
	w.client("open", func(c *auth.Client) { c.RequireConsent = true })
	_, _, err = w.meta.Define(t.Context(), auth.System(), "default", metadata.Definition{Key: "other", Places: []string{auth.InUserInfo}}, nil, metadata.Accept{})
	w.must(err)
	_, _, err = w.meta.Define(t.Context(), auth.System(), "default", metadata.Definition{Key: "plan", Clients: []string{"app"}}, nil, metadata.Accept{})
	w.must(err)
	for client, want := range map[string][]authorize.Claim{"open": {all[0], all[1]}, "listener": {all[0]}} {
		step := w.next(w.begin(client), w.session("jane"), authorize.StepConsent)
		if diff := cmp.Diff(want, step.Claims); diff != "" {
			t.Errorf("%s, where the organisation has definitions: %s", client, diff)
		}
	}
	email := claims.Profile{Email: "jane@example.com", EmailVerified: true}
	both := email
	both.Name, both.PreferredUsername = "The jane", "jane"
	phone := claims.Profile{PhoneNumber: "+14155550100"}
	for _, c := range []struct {
		pairs  []string
		scopes string
		want   claims.Profile
	}{
		{[]string{"scope", "openid"}, "openid", claims.Profile{}},
		{[]string{"scope", "openid email"}, "openid email", email},
		{[]string{"scope", "openid phone offline_access"}, "openid phone offline_access", phone},
		{[]string{"scope", "openid email", "claims", `{"userinfo":{"name":null}}`}, "openid email profile", both},
	} {
		step := w.next(w.begin("asking", c.pairs...), w.session("jane"), authorize.StepConsent)
		if diff := cmp.Diff(c.want, step.Profile); diff != "" || strings.Join(step.Scopes, " ") != c.scopes {
			t.Errorf("%v shows %v and %s", c.pairs, step.Scopes, diff)
		}
	}
}
