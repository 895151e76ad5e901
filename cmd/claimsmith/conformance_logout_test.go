package main

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/claimsmith/claimsmith/auth/backchannel"
)

// endSession is the request to end a session that modules begin with, with pairs of further parameters; "" leaves one out.
func (s *suite) endSession(idToken string, more ...string) *page {
	s.t.Helper()
	values := url.Values{"id_token_hint": {idToken}, "post_logout_redirect_uri": {suiteBye}, "state": {"end.session~state"}}
	for n := 0; n+1 < len(more); n += 2 {
		values.Set(more[n], more[n+1])
		if more[n+1] == "" {
			values.Del(more[n])
		}
	}
	return s.b.open("/oauth/logout?" + values.Encode())
}

// loggedOut wants nobody to be logged in any more.
func (s *suite) loggedOut() {
	s.t.Helper()
	before := s.logins
	s.wantError(s.authorize(s.request(s.basic, "prompt", "none")), "login_required", "interaction_required")
	if s.logins != before {
		s.t.Error("asked, with prompt=none")
	}
}

// loggedIn wants the login to have outlived what was refused.
func (s *suite) loggedIn() {
	s.t.Helper()
	s.login(s.basic, "prompt", "none")
}

// endsHere is a module whose request is answered by a page that says so, after a question where anybody could have sent it.
func endsHere(confirmed bool, without ...string) func(*suite) {
	return func(s *suite) {
		var more []string
		for _, name := range without {
			more = append(more, name, "")
		}
		p := s.endSession(s.login(s.basic).id, more...)
		if confirmed {
			p = p.want(http.StatusOK).shows("logout").submit("logout")
		}
		if p.want(http.StatusOK).shows("signed_out"); p.location != "" {
			s.t.Errorf("sent to %s", p.location)
		}
		s.loggedOut()
	}
}

// staysIn is one whose request must not lead back: it is an error, and the login stays.
func staysIn(parameters func(s *suite, idToken string) []string) func(*suite) {
	return func(s *suite) {
		id := s.login(s.basic).id
		s.errorPage(s.endSession(id, parameters(s, id)...))
		s.loggedIn()
	}
}

// RP-Initiated Logout OP.
func TestConformanceLogout(t *testing.T) {
	t.Parallel()
	configured := certification(t, "", "")
	for _, m := range []module{
		{"oidcc-rp-initiated-logout", func(s *suite) {
			state := strings.Repeat("Long.State~", 12)
			p := s.endSession(s.login(s.basic).id, "state", state).want(http.StatusSeeOther)
			if p.location != suiteBye+"?"+(url.Values{"state": {state}}).Encode() {
				s.t.Errorf("sent to %s", p.location)
			}
			s.loggedOut()
		}},
		{"oidcc-rp-initiated-logout-no-state", func(s *suite) {
			if p := s.endSession(s.login(s.basic).id, "state", "").want(http.StatusSeeOther); p.location != suiteBye {
				s.t.Errorf("sent to %s", p.location)
			}
			s.loggedOut()
		}},
		{"oidcc-rp-initiated-logout-no-params", endsHere(true, "id_token_hint", "post_logout_redirect_uri", "state")},
		{"oidcc-rp-initiated-logout-only-state", endsHere(true, "id_token_hint", "post_logout_redirect_uri")},
		{"oidcc-rp-initiated-logout-no-post-logout-redirect-uri", endsHere(false, "post_logout_redirect_uri")},
		{"oidcc-rp-initiated-logout-no-id-token-hint", endsHere(true, "id_token_hint")}, // it asks, and stays here
		{"oidcc-rp-initiated-logout-bad-post-logout-redirect-uri", staysIn(func(*suite, string) []string {
			return []string{"post_logout_redirect_uri", suiteBye + "aBcDeFgHiJ"}
		})},
		{"oidcc-rp-initiated-logout-query-added-to-post-logout-redirect-uri", staysIn(func(*suite, string) []string {
			return []string{"post_logout_redirect_uri", suiteBye + "?foo=bar"}
		})},
		{"oidcc-rp-initiated-logout-modified-id-token-hint", staysIn(func(_ *suite, id string) []string {
			payload := strings.Split(id, ".")[1]
			return []string{"id_token_hint", base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + payload + "."}
		})},
		{"oidcc-rp-initiated-logout-bad-id-token-hint", staysIn(func(s *suite, id string) []string {
			return []string{"id_token_hint", s.newSigner("RS256").jwt(map[string]any{"kid": headerOf(s.t, id)["kid"]}, claimsOf(s.t, id))}
		})},
	} {
		t.Run(m.name, func(t *testing.T) { m.run(configured(t)) })
	}
}

// Back-Channel Logout OP.
func TestConformanceBackChannel(t *testing.T) {
	t.Parallel()
	heard := make(chan *http.Request, 2)
	listener := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		w.Header().Set("Cache-Control", "no-store")
		heard <- r
	}))
	defer listener.Close()
	configured := certification(t, "", `,"backchannel_logout_uri":"`+listener.URL+`/test/a/claimsmith/backchannel_logout"`)
	t.Run("oidcc-backchannel-rp-initiated-logout", func(t *testing.T) {
		s := configured(t)
		login := s.login(s.basic)
		if p := s.endSession(login.id).want(http.StatusSeeOther); p.location != suiteBye+"?state=end.session~state" {
			t.Errorf("sent to %s", p.location)
		}
		s.deliver(listener)
		r := <-heard
		form := r.PostForm
		if r.Method != http.MethodPost || r.URL.Path != "/test/a/claimsmith/backchannel_logout" || r.URL.RawQuery != "" ||
			r.Header.Get("Content-Type") != formType || len(form) != 1 || len(form["logout_token"]) != 1 {
			t.Fatalf("%s %s %v", r.Method, r.URL, form)
		}
		said := s.verified(form.Get("logout_token"), "RS256")
		events, _ := said["events"].(map[string]any)
		event, isObject := events["http://schemas.openid.net/event/backchannel-logout"].(map[string]any)
		_, nonce := said["nonce"]
		if said["iss"] != testIssuer || said["aud"] != s.basic.id || said["sub"] != login.claims["sub"] || said["sid"] != login.claims["sid"] ||
			number(said["iat"]) > s.clock.Now().Unix() || number(said["exp"]) <= s.clock.Now().Unix() || said["jti"] == nil || nonce ||
			len(events) != 1 || !isObject || len(event) != 0 {
			t.Errorf("logout token: %v", said)
		}
		s.loggedOut()
	})
}

// deliver sends the notices that are due to a listener on loopback, whose certificate only this test knows.
func (s *suite) deliver(listener *httptest.Server) {
	s.t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(listener.Certificate())
	sender := backchannel.New(backchannel.Sender{
		Store: s.app.store, Registry: s.app.registry, Keys: s.app.ring, Issuer: testIssuer, Audit: s.app.audit, Logger: s.app.logger,
		Now: s.clock.Now, Roots: roots, Policy: backchannel.Policy{AllowedNetworks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}},
	})
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		sender.Run(ctx, nil)
	}()
	s.t.Cleanup(func() {
		stop()
		<-done
	})
}
