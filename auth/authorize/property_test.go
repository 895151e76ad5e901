package authorize_test

import (
	"crypto/rand"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/authorize"
	"github.com/claimsmith/claimsmith/auth/session"
)

// situation is a request, who is logged in, and what the server knows of the two.
type situation struct {
	// The client's record.
	ClientDisabled, HasGrant, RequirePKCE, RequirePAR, RequireConsent, AllOrgs bool
	ClientOrg                                                                  string
	// The user's, after he logged in.
	Orgs                                 []string
	UserDisabled, Temporary, EpochRaised bool
	// The session. Age is that of the login.
	LoggedIn, Ended, TwoFactors bool
	Age                         time.Duration
	// What the user agreed to before: "" for nothing.
	Agreed string
	// The request.
	ResponseType, RedirectURI, Challenge, Scope, Org, Prompt, MaxAge, Hint, ACR, Claims string
	Pushed                                                                              bool
}

// drawSituation draws one that is good but for a few things.
func drawSituation(t *rapid.T) situation {
	s := situation{
		HasGrant: true, RequirePKCE: true, ClientOrg: "default", Orgs: []string{"default"}, LoggedIn: true, Agreed: "openid email profile",
		ResponseType: "code", RedirectURI: callback, Challenge: challenge, Scope: "openid",
	}
	text := func(field *string, of ...string) func() {
		return func() { *field = rapid.SampledFrom(of).Draw(t, "value") }
	}
	flip := func(field *bool) func() { return func() { *field = !*field } }
	changes := []func(){
		flip(&s.ClientDisabled), flip(&s.HasGrant), flip(&s.RequirePKCE), flip(&s.RequirePAR), flip(&s.RequireConsent), flip(&s.AllOrgs),
		flip(&s.UserDisabled), flip(&s.Temporary), flip(&s.EpochRaised), flip(&s.LoggedIn), flip(&s.Ended), flip(&s.TwoFactors), flip(&s.Pushed),
		text(&s.ClientOrg, "acme"), text(&s.Agreed, "", "openid", "openid email"), text(&s.ResponseType, "token", ""),
		text(&s.RedirectURI, callback+"/", ""), text(&s.Challenge, ""), text(&s.Scope, "openid email", "email", "openid iam/"),
		text(&s.Org, "default", "acme", "closed", "nowhere"), text(&s.Prompt, "none", "login", "consent", "select_account", "none login"),
		text(&s.MaxAge, "600", "0", "x"), text(&s.Hint, "self", "other"), text(&s.ACR, "1", "2"),
		text(&s.Claims, `{"id_token":{"acr":{"essential":true,"value":"2"}}}`, `{"userinfo":{"name":null}}`, "{"),
		func() { s.Age = time.Duration(rapid.SampledFrom([]int{5, 20}).Draw(t, "age")) * time.Minute },
		func() {
			s.Orgs = rapid.SampledFrom([][]string{{"acme"}, {"default", "acme"}, {"default", "closed"}, {"closed"}}).Draw(t, "orgs")
		},
	}
	for _, n := range rapid.SliceOfNDistinct(rapid.IntRange(0, len(changes)-1), 0, 7, rapid.ID[int]).Draw(t, "changes") {
		changes[n]()
	}
	return s
}

// code reports whether a code may be given out without the user doing anything, and in which organisation.
func (s *situation) code() (org string, allowed bool) {
	fresh := s.Age == 0
	org = s.ClientOrg
	if s.AllOrgs {
		org = s.Org
		var possible []string
		for _, o := range s.Orgs {
			if o != "closed" && (org == "" || org == o) {
				possible = append(possible, o)
			}
		}
		if s.Hint == "self" && org == "" && slices.Contains(possible, "default") { // the hint is of a login there
			possible = []string{"default"}
		} else if s.Hint == "self" && org == "" {
			possible = nil
		}
		if len(possible) != 1 {
			return "", false
		}
		org = possible[0]
	}
	wanted := s.Scope
	if s.Claims == `{"userinfo":{"name":null}}` {
		wanted += " profile"
	}
	agreed := true
	for _, scope := range auth.Scopes(wanted) {
		agreed = agreed && auth.HasScope(s.Agreed, scope)
	}
	for _, holds := range []bool{
		!s.ClientDisabled, s.HasGrant, s.RedirectURI == callback, s.ResponseType == "code",
		s.Challenge != "" || !s.RequirePKCE,
		s.Pushed || !s.RequirePAR,
		s.Scope != "openid iam/", s.Prompt != "none login", s.MaxAge != "x", s.Claims != "{",
		s.AllOrgs || s.Org == "" || s.Org == s.ClientOrg,
		s.LoggedIn, !s.Ended, !s.UserDisabled, !s.EpochRaised, !s.Temporary,
		slices.Contains(s.Orgs, org), org != "closed",
		s.Hint != "other",
		fresh || s.Prompt != "login" && s.Prompt != "select_account" && s.MaxAge != "0" && (s.MaxAge != "600" || s.Age <= 10*time.Minute),
		s.Prompt != "consent", agreed || !s.RequireConsent,
		s.TwoFactors || s.Claims != `{"id_token":{"acr":{"essential":true,"value":"2"}}}`,
	} {
		if !holds {
			return "", false
		}
	}
	return org, true
}

// stage makes a situation real and returns the session the browser believes to have.
func (w *world) stage(s *situation, user string) (*auth.Client, *session.Session) {
	w.t.Helper()
	ctx := w.t.Context()
	client := w.client("model", func(c *auth.Client) {
		c.Org, c.Disabled, c.RequirePKCE, c.RequirePAR, c.RequireConsent, c.AllOrgs = s.ClientOrg, false, s.RequirePKCE, s.RequirePAR, s.RequireConsent, s.AllOrgs
		c.GrantTypes = []string{auth.GrantRefreshToken}
		if s.HasGrant {
			c.GrantTypes = append(c.GrantTypes, auth.GrantAuthorizationCode)
		}
	})
	u := auth.User{ID: user, Username: user, Orgs: s.Orgs, Epoch: 1}
	var err error
	u.Version, err = w.store.PutUser(ctx, u, nil, nil, rand.Text())
	w.must(err)
	if s.Agreed != "" {
		for _, org := range []string{"default", "acme"} {
			w.must(w.store.PutConsent(ctx, user, auth.Consent{
				Org: org, Client: "model", Scopes: auth.Scopes(s.Agreed), RedirectURIs: []string{callback}, GrantedAt: w.clock.Now(),
			}))
		}
	}
	var sess *session.Session
	if s.LoggedIn {
		amr := []string{"pwd"}
		if s.TwoFactors {
			amr = []string{"pwd", "otp", "mfa"}
		}
		sess = w.start(auth.Subject{User: user, Org: s.Orgs[0], AuthTime: w.clock.Now().Add(-s.Age), AMR: amr, Epoch: 1})
		if s.Ended {
			w.must(w.Sessions.Logout(ctx, sess))
		}
	}
	if u.Disabled, u.MustChangePassword = s.UserDisabled, s.Temporary; s.EpochRaised {
		u.Epoch++
	}
	_, err = w.store.PutUser(ctx, u, nil, nil, rand.Text())
	w.must(err)
	if s.ClientDisabled {
		w.client("model", func(c *auth.Client) { c.Disabled = true })
	}
	return client, sess
}

// A code is given out exactly when every condition for it holds, and with prompt=none nothing is ever asked.
func TestCodeExactlyWhenAllowed(t *testing.T) {
	w := newWorld(t)
	w.client("model", func(*auth.Client) {})
	users, given := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		s := drawSituation(t)
		users++
		user := fmt.Sprintf("user-%d", users)
		client, sess := w.stage(&s, user)
		hint := map[string]string{"self": user, "other": "jane-id"}[s.Hint]
		if hint != "" {
			hint = w.idToken(hint, "model", nil)
		}
		method := "S256"
		if s.Challenge == "" {
			method = ""
		}
		params := request("model", "response_type", s.ResponseType, "redirect_uri", s.RedirectURI, "code_challenge", s.Challenge,
			"code_challenge_method", method, "scope", s.Scope, "org", s.Org, "prompt", s.Prompt, "max_age", s.MaxAge, "id_token_hint", hint,
			"acr_values", s.ACR, "claims", s.Claims)
		wantOrg, want := s.code()
		if s.Pushed {
			uri, _, err := w.Push(w.t.Context(), client, params, "", address)
			if err != nil {
				if want {
					t.Fatalf("pushing: %v", err)
				}
				return
			}
			params = request("model", "request_uri", uri, "redirect_uri", "", "response_type", "")
		}
		f, answer, err := w.Begin(w.t.Context(), params, browser)
		var step *authorize.Step
		if f != nil {
			step, err = w.Next(w.t.Context(), w.reopened(f), sess)
		}
		if step != nil {
			answer = step.Answer
		}
		code := parameters(answer)["code"]
		switch {
		case (code != "") != want:
			t.Fatalf("got %v %+v %v, want a code: %v", parameters(answer), step, err, want)
		case f != nil && err == nil && s.Prompt == "none" && step.Kind != authorize.StepAnswer:
			t.Fatalf("prompt=none leads to %s", step.Kind)
		case answer != nil && (answer.RedirectURI != callback || parameters(answer)["iss"] != issuer || parameters(answer)["state"] != "st"):
			t.Fatalf("answered %+v", answer)
		case code == "":
			return
		}
		given++
		a, _, err := w.Code(w.t.Context(), code)
		if err != nil || a.User != user || a.Org != wantOrg || a.Client != "model" || a.Scope != s.Scope || a.Session != sess.ID ||
			a.Challenge != s.Challenge || a.RedirectURI != callback || !a.AuthTime.Equal(sess.AuthTime) {
			t.Fatalf("the approval is %+v %v", a, err)
		}
	})
	t.Logf("%d codes in %d situations", given, users)
}
