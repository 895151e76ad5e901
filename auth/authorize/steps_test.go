package authorize_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/authorize"
	"github.com/claimsmith/claimsmith/auth/session"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

// slugs of the organisations a step offers.
func slugs(step *authorize.Step) (list []string) {
	for _, o := range step.Orgs {
		list = append(list, o.Slug)
	}
	return list
}

func TestCode(t *testing.T) {
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		w := newWorldOver(t, b)
		w.client("app", func(c *auth.Client) { c.CodeLifetime = 20 })
		sess := w.session("jane", "pwd", "otp", "mfa")
		w.pass(time.Hour)
		f := w.begin("app", "nonce", "n", "scope", "openid email", "dpop_jkt", challenge, "response_mode", "form_post",
			"claims", `{"id_token":{"email":null}}`)
		step := w.next(f, sess, authorize.StepAnswer)
		if step.Answer.RedirectURI != callback || step.Answer.Mode != "form_post" {
			t.Errorf("it goes to %s by %s", step.Answer.RedirectURI, step.Answer.Mode)
		}
		if got := w.recorded("authorize"); !slices.Equal(got, []string{"success user:jane-id default client:app"}) {
			t.Errorf("recorded %q", got)
		}
		a := w.approval(step.Answer)
		if !a.AuthTime.Equal(sess.AuthTime) || !a.ExpiresAt.Equal(w.clock.Now().Add(20*time.Second)) || !a.CreatedAt.Equal(w.clock.Now()) {
			t.Errorf("logged in at %v, given at %v until %v", a.AuthTime, a.CreatedAt, a.ExpiresAt)
		}
		if a.User != "jane-id" || a.Org != "default" || a.Client != "app" || a.Scope != "openid email" || a.Session != sess.ID ||
			a.RedirectURI != callback || a.Challenge != challenge || a.Nonce != "n" || a.KeyThumbprint != challenge || a.ACR != "2" ||
			strings.Join(a.AMR, " ") != "pwd otp mfa" || a.Epoch != sess.Epoch || !slices.Equal(a.Requested.IDToken, []string{"email"}) {
			t.Errorf("the approval is %+v", a)
		}

		code := parameters(step.Answer)["code"]
		if !strings.HasPrefix(code, "cs_ac_") || strings.Contains(code, "jane") {
			t.Errorf("the code is %s", code)
		}
		if other := parameters(w.next(f, sess, authorize.StepAnswer).Answer)["code"]; other == code {
			t.Error("two codes are the same")
		}
		for _, wrong := range []string{"", "x", code[:len(code)-1], code + "A", strings.ToLower(code), strings.Replace(code, "cs_ac_", "cs_rt_", 1)} {
			_, _, err := w.Code(t.Context(), wrong)
			w.wantCode(err, auth.InvalidGrant)
		}
		w.client("app", func(c *auth.Client) { c.CodeLifetime = 0 })
		if a := w.approval(w.next(f, sess, authorize.StepAnswer).Answer); !a.ExpiresAt.Equal(w.clock.Now().Add(time.Minute)) {
			t.Errorf("a code of no set lifetime lives until %v", a.ExpiresAt)
		}
	})
}

// What has to happen before a code, and what prompt=none answers instead (OpenID Connect Core §3.1.2.1, §3.1.2.6).
func TestSteps(t *testing.T) {
	w := newWorld(t)
	w.client("asking", func(c *auth.Client) { c.RequireConsent = true })
	w.client("of-acme", func(c *auth.Client) { c.Org = "acme" })
	temporary := auth.NewUser{ID: "temp-id", Username: "temp", Password: password, Temporary: true}
	_, err := w.users.Create(t.Context(), auth.System(), "default", temporary, "")
	w.must(err)
	code := w.enrol("john-id")
	jane, john, mary := w.session("jane"), w.session("john"), w.session("mary")
	temp, strong := w.session("temp"), w.session("john", "pwd", "otp", "mfa")
	_ = code
	w.pass(10 * time.Minute)
	hint := func(user, client string) string { return w.idToken(user, client, nil) }
	const page, login, consent, chooseOrg = authorize.StepAnswer, authorize.StepSignIn, authorize.StepConsent, authorize.StepOrg
	for name, c := range map[string]struct {
		client string
		pairs  []string
		sess   *session.Session
		want   authorize.StepKind
		none   auth.Code // what prompt=none answers, "" for a code
		answer auth.Code // what is answered where want is StepAnswer, "" for a code
	}{
		"nobody":                          {"app", nil, nil, login, auth.LoginRequired, ""},
		"logged in":                       {"app", nil, jane, page, "", ""},
		"prompt=login":                    {"app", []string{"prompt", "login"}, jane, login, "-", ""},
		"max_age met":                     {"app", []string{"max_age", "600"}, jane, page, "", ""},
		"max_age not met":                 {"app", []string{"max_age", "599"}, jane, login, auth.LoginRequired, ""},
		"max_age=0":                       {"app", []string{"max_age", "0"}, jane, login, auth.LoginRequired, ""},
		"the expected user":               {"app", []string{"id_token_hint", hint("jane-id", "app")}, jane, page, "", ""},
		"another than the expected":       {"app", []string{"id_token_hint", hint("john-id", "app")}, jane, login, auth.LoginRequired, ""},
		"another than claims expects":     {"app", []string{"claims", `{"id_token":{"sub":{"value":"john-id"}}}`}, jane, login, auth.LoginRequired, ""},
		"select_account":                  {"app", []string{"prompt", "select_account"}, jane, authorize.StepAccount, "-", ""},
		"select_account and nobody":       {"app", []string{"prompt", "select_account"}, nil, login, "-", ""},
		"one organisation":                {"wide", nil, john, page, "", ""},
		"two organisations":               {"wide", nil, jane, chooseOrg, auth.InteractionRequired, ""},
		"an organisation named":           {"wide", []string{"org", "acme"}, jane, page, "", ""},
		"an organisation he is not in":    {"wide", []string{"org", "acme"}, john, page, auth.AccessDenied, auth.AccessDenied},
		"an organisation there is not":    {"wide", []string{"org", "nowhere"}, john, page, auth.AccessDenied, auth.AccessDenied},
		"an organisation disabled":        {"wide", []string{"org", "closed"}, mary, page, auth.AccessDenied, auth.AccessDenied},
		"no organisation left":            {"wide", nil, mary, page, auth.AccessDenied, auth.AccessDenied},
		"a client of another":             {"of-acme", nil, john, page, auth.AccessDenied, auth.AccessDenied},
		"a client of his second":          {"of-acme", nil, jane, page, "", ""},
		"consent":                         {"asking", nil, jane, consent, auth.ConsentRequired, ""},
		"prompt=consent":                  {"app", []string{"prompt", "consent"}, jane, consent, "-", ""},
		"a temporary password":            {"app", nil, temp, authorize.StepPassword, auth.InteractionRequired, ""},
		"acr 1":                           {"app", []string{"acr_values", "1"}, john, page, "", ""},
		"acr 2 and a second factor":       {"app", []string{"acr_values", "2"}, john, login, auth.LoginRequired, ""},
		"acr 2 before 1":                  {"app", []string{"acr_values", "2 1"}, john, login, auth.LoginRequired, ""},
		"acr 1 before 2":                  {"app", []string{"acr_values", "1 2"}, john, page, "", ""},
		"acr 2 met":                       {"app", []string{"acr_values", "2"}, strong, page, "", ""},
		"acr 2 and no second factor":      {"app", []string{"acr_values", "2"}, jane, page, "", ""},
		"an unknown acr":                  {"app", []string{"acr_values", "urn:gold"}, jane, page, "", ""},
		"essential acr 2, no factor":      {"app", []string{"claims", `{"id_token":{"acr":{"essential":true,"value":"2"}}}`}, jane, page, auth.UnmetAuthentication, auth.UnmetAuthentication},
		"essential acr 2 or 1, no factor": {"app", []string{"claims", `{"id_token":{"acr":{"essential":true,"values":["2","1"]}}}`}, jane, page, "", ""},
		"essential acr 2, a factor":       {"app", []string{"claims", `{"id_token":{"acr":{"essential":true,"value":"2"}}}`}, john, login, auth.LoginRequired, ""},
		"voluntary acr 2 in claims":       {"app", []string{"claims", `{"id_token":{"acr":{"value":"2"}}}`}, jane, page, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			check := func(step *authorize.Step, want auth.Code) {
				t.Helper()
				if want == "" {
					w.approval(step.Answer)
				} else {
					w.wantAnswer(step.Answer, want)
				}
			}
			step := w.next(w.begin(c.client, c.pairs...), c.sess, c.want)
			if c.want == page {
				check(step, c.answer)
			} else if step.Org == nil || step.Client == nil || step.Client.ID != c.client || (step.User == nil) != (c.sess == nil) {
				t.Errorf("the page is of %+v for %+v in the look of %+v", step.Client, step.User, step.Org)
			}
			if c.want == chooseOrg && !slices.Equal(slugs(step), []string{"default", "acme"}) {
				t.Errorf("it offers %v", slugs(step))
			}
			if c.none != "-" { // prompt has a value of its own
				check(w.next(w.begin(c.client, append(c.pairs, "prompt", "none")...), c.sess, page), c.none)
			}
		})
	}
}

// What makes a step unnecessary that was asked for.
func TestStepsAreTakenOnce(t *testing.T) {
	w := newWorld(t)
	old := w.session("jane")
	w.pass(time.Minute)
	for _, pairs := range [][]string{{"prompt", "login"}, {"max_age", "0"}, {"max_age", "10"}, {"prompt", "login select_account"}} {
		f := w.begin("app", pairs...)
		w.next(f, old, authorize.StepSignIn)
		w.pass(time.Second)
		fresh := w.session("jane")
		w.pass(time.Minute) // max_age is about the login, not about how long the flow takes
		w.approval(w.next(f, fresh, authorize.StepAnswer).Answer)
		w.next(w.begin("app", "prompt", "login"), fresh, authorize.StepSignIn)
	}
	// In the same millisecond.
	f := w.begin("app", "prompt", "login")
	w.approval(w.next(f, w.session("jane"), authorize.StepAnswer).Answer)

	f = w.begin("app", "prompt", "select_account")
	w.next(f, old, authorize.StepAccount)
	again := *f
	again.LogInAgain()
	w.next(&again, old, authorize.StepSignIn)
	f.GoOn()
	w.approval(w.next(f, old, authorize.StepAnswer).Answer)

	// Whoever logs in as somebody else than the client expects is not asked for ever.
	f = w.begin("app", "id_token_hint", w.idToken("john-id", "app", nil))
	w.next(f, old, authorize.StepSignIn)
	w.pass(time.Second)
	w.wantAnswer(w.next(f, w.session("jane"), authorize.StepAnswer).Answer, auth.LoginRequired)
	w.approval(w.next(f, w.session("john"), authorize.StepAnswer).Answer)

	f = w.begin("wide")
	w.next(f, old, authorize.StepOrg)
	for _, org := range []string{"", "closed", "nowhere", "A:{*}"} {
		w.wantCode(w.ChooseOrg(t.Context(), f, old, org), auth.NotFound)
	}
	w.wantCode(w.ChooseOrg(t.Context(), f, nil, "acme"), auth.InteractionRequired)
	w.wantCode(w.ChooseOrg(t.Context(), w.begin("app"), old, "acme"), auth.InteractionRequired)
	w.wantCode(w.ChooseOrg(t.Context(), w.begin("wide", "org", "default"), old, "acme"), auth.InteractionRequired)
	w.must(w.ChooseOrg(t.Context(), f, old, "acme"))
	if a := w.approval(w.next(f, old, authorize.StepAnswer).Answer); a.Org != "acme" {
		t.Errorf("the code is for %q", a.Org)
	}
}

// Whatever ends a login or a client between two steps counts at the next one (rows A-06, L-08, S-03).
func TestWhatChangesBetweenSteps(t *testing.T) {
	yes := true
	update := func(user string, c auth.UserChange) func(*world) {
		return func(w *world) {
			_, err := w.users.Update(context.Background(), auth.System(), "default", user, nil, c)
			w.must(err)
		}
	}
	change := func(c func(*auth.Client)) func(*world) { return func(w *world) { w.client("app", c) } }
	for name, c := range map[string]struct {
		happens func(*world)
		want    auth.Code // with prompt=none; "-" for a page that is no redirect
	}{
		"nothing":  {func(*world) {}, ""},
		"disabled": {update("jane", auth.UserChange{Disabled: &yes}), auth.LoginRequired},
		"expelled": {update("jane", auth.UserChange{Orgs: &[]string{"acme"}}), auth.LoginRequired},
		"new password": {func(w *world) {
			w.must(w.users.SetPassword(context.Background(), auth.System(), "default", "jane", auth.NewPassword{Password: "another one of hers"}))
		}, auth.LoginRequired},
		"everything ended": {func(w *world) {
			w.must(w.users.EndEverything(context.Background(), auth.System(), "default", "jane"))
		}, auth.LoginRequired},
		"deleted": {func(w *world) {
			w.must(w.users.Delete(context.Background(), auth.System(), "default", "jane", nil))
		}, auth.LoginRequired},
		"session expired":      {func(w *world) { w.pass(31 * 24 * time.Hour) }, auth.LoginRequired},
		"client disabled":      {change(func(c *auth.Client) { c.Disabled = true }), "-"},
		"redirect URI removed": {change(func(c *auth.Client) { c.RedirectURIs = nil }), "-"},
		"grant removed":        {change(func(c *auth.Client) { c.GrantTypes = nil }), "-"},
		"client moved on":      {change(func(c *auth.Client) { c.RequireConsent = true }), auth.ConsentRequired},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			sess := w.session("jane")
			f := w.begin("app", "prompt", "none")
			c.happens(w)
			step, err := w.Next(t.Context(), f, sess)
			switch {
			case c.want == "-":
				if auth.CodeOf(err) != auth.InvalidRequest && auth.CodeOf(err) != auth.UnauthorizedClient {
					t.Errorf("got %+v %v", step, err)
				}
			case err != nil || step.Kind != authorize.StepAnswer:
				t.Errorf("got %+v %v", step, err)
			case c.want == "":
				w.approval(step.Answer)
			default:
				w.wantAnswer(step.Answer, c.want)
			}
		})
	}
}

// The store has the last word: what changes after it was read makes no code either.
func TestSessionEndsAtTheLastMoment(t *testing.T) {
	w := newWorld(t)
	sess := w.session("jane")
	w.must(w.Sessions.Logout(t.Context(), sess)) // sess is what was read before
	w.wantAnswer(w.next(w.begin("app", "prompt", "none"), sess, authorize.StepAnswer).Answer, auth.LoginRequired)
	w.next(w.begin("app"), sess, authorize.StepSignIn)
	if a, err := w.Approve(t.Context(), w.begin("app", "prompt", "consent"), sess); auth.CodeOf(err) != auth.InteractionRequired {
		t.Errorf("approved: %v %v", a, err)
	}
}

// A client that serves fewer organisations than when the flow began gives no way into the others.
func TestClientServesLess(t *testing.T) {
	w := newWorld(t)
	sess, f := w.session("jane"), w.begin("wide", "org", "acme")
	w.client("wide", func(c *auth.Client) { c.AllOrgs = false })
	w.wantAnswer(w.next(f, sess, authorize.StepAnswer).Answer, auth.AccessDenied)
}

func TestCodesAreBounded(t *testing.T) {
	w := newWorld(t)
	sess, f := w.session("jane"), w.begin("app")
	made := 0
	for range 200 {
		_, err := w.Next(t.Context(), f, sess)
		if auth.CodeOf(err) == auth.Throttled {
			break
		}
		w.must(err)
		made++
	}
	if made < 60 || made > 70 {
		t.Errorf("%d codes were made at once", made)
	}
	w.approval(w.next(f, w.session("john"), authorize.StepAnswer).Answer)
}

func TestAccountPage(t *testing.T) {
	w := newWorld(t)
	f, err := w.BeginPage(t.Context(), authorize.PageAccount, "", browser, address)
	w.must(err)
	if step := w.next(f, nil, authorize.StepSignIn); step.Org == nil || step.Org.Slug != "default" || step.Client != nil {
		t.Errorf("the page is %+v", step)
	}
	if step := w.next(f, w.session("jane"), authorize.StepPage); step.User.ID != "jane-id" || step.Org.Slug != "default" {
		t.Errorf("the page is %+v", step)
	}
	_, err = w.Next(t.Context(), f, w.session("mary"))
	w.wantCode(err, auth.AccessDenied)
	_, err = w.Approve(t.Context(), f, w.session("jane"))
	w.wantCode(err, auth.InvalidRequest)
	sess := w.session("john")
	john, _, err := w.store.User(t.Context(), "john-id")
	w.must(err)
	john.Disabled = true // and nothing else, as it might be in an installation of before
	_, err = w.store.PutUser(t.Context(), john, nil, nil, "disable john")
	w.must(err)
	w.next(f, sess, authorize.StepSignIn)
	_, err = w.BeginPage(t.Context(), "https://evil.example", "", browser, address)
	w.wantCode(err, auth.NotFound)
}

// A login page has the look of the organisation that is asked for, or of the client's.
func TestLook(t *testing.T) {
	w := newWorld(t)
	w.client("of-acme", func(c *auth.Client) { c.Org = "acme" })
	for want, f := range map[string]*authorize.Flow{
		"acme": w.begin("wide", "org", "acme"), "default": w.begin("wide", "org", "nowhere"),
	} {
		if step := w.next(f, nil, authorize.StepSignIn); step.Org.Slug != want {
			t.Errorf("org %s looks like %s", f.Org, step.Org.Slug)
		}
	}
	if step := w.next(w.begin("of-acme"), nil, authorize.StepSignIn); step.Org.Slug != "acme" {
		t.Errorf("a client of acme looks like %s", step.Org.Slug)
	}
	if step := w.next(w.begin("wide", "org", "closed"), nil, authorize.StepSignIn); step.Org.Slug != "default" {
		t.Errorf("a disabled organisation looks like %s", step.Org.Slug)
	}
}
