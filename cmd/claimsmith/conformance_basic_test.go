package main

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// module is one of the suite's.
type module struct {
	name string
	run  func(*suite)
}

// Basic OP and Form Post OP: the same modules by either response mode; for a client users are asked about, and for one that they are not
// asked about and that keeps their metadata out of its ID tokens.
func TestConformanceBasic(t *testing.T) {
	t.Parallel()
	for _, plan := range []struct{ name, mode, members string }{
		{"oidcc-basic-certification-test-plan", "", ""},
		{"oidcc-formpost-basic-certification-test-plan", "form_post", `,"first_party":true,"claims_in":["access_token","userinfo"]`},
	} {
		t.Run(plan.name, func(t *testing.T) {
			configured := certification(t, plan.mode, plan.members)
			if plan.mode != "" {
				configured(t).put("/api/user/jane/metadata/theme", adminToken, `{"value":"Dark Mode","profileClaim":true}`).want(t, http.StatusOK)
			}
			for _, m := range slices.Concat(basicModules, hintModules, refusalModules) {
				t.Run(m.name, func(t *testing.T) { m.run(configured(t)) })
			}
		})
	}
}

var profileScope = []string{
	"name", "given_name", "family_name", "middle_name", "nickname", "preferred_username", "profile", "picture", "website", "gender",
	"birthdate", "zoneinfo", "locale", "updated_at",
}

// scopeModule asks for scopes whose claims userinfo must all tell.
func scopeModule(scope string, claims ...string) func(*suite) {
	return func(s *suite) {
		got := s.login(s.basic, "scope", scope)
		info := s.userInfo(s.get("/oauth/userinfo", got.access))
		for _, name := range claims {
			if info[name] == nil {
				s.t.Errorf("userinfo lacks %s: %v", name, info)
			}
		}
	}
}

// accepts is a module that only adds parameters.
func accepts(parameters ...string) func(*suite) {
	return func(s *suite) { s.login(s.basic, parameters...) }
}

var basicModules = []module{
	{"oidcc-server", func(s *suite) { s.login(s.basic) }},
	{"oidcc-userinfo-get", func(s *suite) { s.userInfo(s.get("/oauth/userinfo", s.login(s.basic).access)) }},
	{"oidcc-userinfo-post-header", func(s *suite) {
		s.userInfo(s.send(http.MethodPost, "/oauth/userinfo", s.login(s.basic).access, "", "Content-Type", formType))
	}},
	{"oidcc-userinfo-post-body", func(s *suite) {
		s.userInfo(s.postForm("/oauth/userinfo", []string{"access_token", s.login(s.basic).access}, "Content-Type", formType+";charset=UTF-8"))
	}},
	{"oidcc-ensure-request-without-nonce-succeeds-for-code-flow", accepts("nonce", "")},
	{"oidcc-scope-profile", scopeModule("openid profile", profileScope...)},
	{"oidcc-scope-email", scopeModule("openid email", "email", "email_verified")},
	{"oidcc-scope-address", scopeModule("openid address", "address")},
	{"oidcc-scope-phone", scopeModule("openid phone", "phone_number", "phone_number_verified")},
	{"oidcc-scope-all", scopeModule("openid email phone address profile",
		append([]string{"email", "email_verified", "address", "phone_number", "phone_number_verified"}, profileScope...)...)},
	{"oidcc-ensure-other-scope-order-succeeds", scopeModule("email openid", "email", "email_verified")},
	{"oidcc-display-page", accepts("display", "page")},
	{"oidcc-display-popup", accepts("display", "popup")},
	{"oidcc-ensure-request-with-unknown-parameter-succeeds", accepts("extra", "foobar")},
	{"oidcc-login-hint", accepts("login_hint", "buffy@id.example")},
	{"oidcc-ui-locales", accepts("ui_locales", "se")},
	{"oidcc-claims-locales", accepts("claims_locales", "se")},
	// Of the values in acr_values_supported, one comes back; issued wants "1" of everybody with a password alone.
	{"oidcc-ensure-request-with-acr-values-succeeds", accepts("acr_values", "1 2")},
	{"oidcc-ensure-request-with-valid-pkce-succeeds", accepts("code_challenge", challengeOf(testVerifier), "code_challenge_method", "S256")},
	{"oidcc-server-client-secret-post", func(s *suite) { s.login(s.post) }},
	{"oidcc-claims-essential", func(s *suite) {
		got := s.login(s.basic, "claims", `{"userinfo":{"name":{"essential":true}}}`)
		if info := s.userInfo(s.get("/oauth/userinfo", got.access)); info["name"] != "Jane Doe" || info["given_name"] != nil {
			s.t.Errorf("userinfo: %v", info)
		}
	}},
	{"oidcc-ensure-post-request-succeeds", func(s *suite) {
		request := s.request(s.basic)
		r, err := http.NewRequest(http.MethodPost, testIssuer+"/oauth/authorize", strings.NewReader(request.Encode()))
		if err != nil {
			s.t.Fatal(err)
		}
		r.Header.Set("Content-Type", formType)
		s.issued(s.basic, s.redeem(s.basic, s.code(s.arrive(s.b.do(r), request))), "a-nonce")
	}},
	{"oidcc-refresh-token", func(s *suite) {
		var last tokens
		for _, c := range []client{s.basic, s.second} {
			got := s.login(c, "scope", "openid offline_access", "prompt", "consent")
			if got.refresh == "" {
				s.t.Fatal("no refresh token, which discovery promises")
			}
			pass(time.Second, s.world)
			scope := []string{}
			if c == s.basic {
				scope = []string{"scope", "openid offline_access"}
			}
			// The nonce of the login does not have to be told again.
			last = s.issued(c, s.token(c, append(scope, "grant_type", "refresh_token", "refresh_token", got.refresh)...), nil)
			for _, name := range []string{"iss", "sub", "aud", "auth_time", "azp", "sid"} {
				if last.claims[name] != got.claims[name] {
					s.t.Errorf("%s was %v and is %v", name, got.claims[name], last.claims[name])
				}
			}
			if last.claims["iat"] == got.claims["iat"] || last.access == got.access {
				s.t.Error("nothing new")
			}
			s.userInfo(s.get("/oauth/userinfo", last.access))
		}
		s.refused(s.token(s.basic, "grant_type", "refresh_token", "refresh_token", last.refresh, "scope", "openid offline_access"))
	}},
}

// refused wants invalid_grant (RFC 6749 §5.2).
func (s *suite) refused(a answer) {
	s.t.Helper()
	if a.status != http.StatusBadRequest || a.text(s.t, "error") != "invalid_grant" || a.header.Get("Content-Type") != "application/json" ||
		!describes.MatchString(a.text(s.t, "error_description")) {
		s.t.Errorf("%d %v %s", a.status, a.header, a.body)
	}
}

// again repeats a login in the same browser and tells how often the robot had to log in for it.
func (s *suite) again(parameters ...string) (got tokens, asked int) {
	s.t.Helper()
	before := s.logins
	got = s.login(s.basic, parameters...)
	return got, s.logins - before
}

// sameLogin is a module whose second request is answered from the session, with the same subject and auth_time.
func sameLogin(second func(first tokens) []string) func(*suite) {
	return func(s *suite) {
		first := s.login(s.basic)
		pass(2*time.Second, s.world)
		next, asked := s.again(second(first)...)
		if asked != 0 || next.claims["auth_time"] != first.claims["auth_time"] || next.claims["sub"] != first.claims["sub"] {
			s.t.Errorf("asked %d times; %v after %v", asked, next.claims, first.claims)
		}
	}
}

// newLogin is one whose second request has to be answered by a login.
func newLogin(wait time.Duration, parameters ...string) func(*suite) {
	return func(s *suite) {
		first := s.login(s.basic)
		pass(wait, s.world)
		next, asked := s.again(parameters...)
		if asked != 1 || number(next.claims["auth_time"]) <= number(first.claims["auth_time"]) || next.claims["sub"] != first.claims["sub"] {
			s.t.Errorf("asked %d times; %v after %v", asked, next.claims, first.claims)
		}
	}
}

var hintModules = []module{
	{"oidcc-prompt-login", newLogin(time.Second, "prompt", "login")},
	{"oidcc-max-age-1", newLogin(2*time.Second, "max_age", "1")},
	{"oidcc-max-age-10000", sameLogin(func(tokens) []string { return []string{"max_age", "10000"} })},
	{"oidcc-prompt-none-logged-in", sameLogin(func(tokens) []string { return []string{"prompt", "none"} })},
	{"oidcc-id-token-hint", sameLogin(func(first tokens) []string { return []string{"prompt", "none", "id_token_hint", first.id} })},
	{"oidcc-prompt-none-not-logged-in", func(s *suite) {
		response := s.authorize(s.request(s.basic, "prompt", "none", "state", strings.Repeat("Long.State~", 12)))
		s.wantError(response, "login_required", "interaction_required", "consent_required", "account_selection_required")
		if s.logins != 0 {
			s.t.Error("asked, with prompt=none")
		}
	}},
}

// unsigned is an authorization request as a request object with alg none (OpenID Connect Core §6.1).
func (s *suite) unsigned(request url.Values) string {
	var members []string
	for name := range request {
		members = append(members, quote(name)+":"+quote(request.Get(name)))
	}
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"none"}`)) + "." + encode([]byte("{"+strings.Join(members, ",")+"}")) + "."
}

// byObject is a request whose parameters are in a request object, and as OAuth demands them beside it.
func (s *suite) byObject(redirect string) url.Values {
	whole := s.request(s.basic)
	return url.Values{
		"request": {s.unsigned(whole)}, "client_id": whole["client_id"], "scope": whole["scope"], "response_type": whole["response_type"],
		"redirect_uri": {redirect},
	}
}

// errorPage wants a page with an error and no way out of the issuer.
func (s *suite) errorPage(p *page) {
	s.t.Helper()
	if p.want(http.StatusBadRequest).shows("error", "reference"); p.location != "" || p.element("form_post") != nil {
		s.t.Errorf("%s leads to %s", p.url, p.location)
	}
}

var refusalModules = []module{
	{"oidcc-response-type-missing", func(s *suite) {
		s.wantError(s.authorize(s.request(s.basic, "response_type", "")), "unsupported_response_type", "invalid_request")
	}},
	{"oidcc-ensure-registered-redirect-uri", func(s *suite) {
		s.errorPage(s.b.open("/oauth/authorize?" + s.request(s.basic, "redirect_uri", suiteCallback+"/aBcDeFgHiJ").Encode()))
	}},
	{"oidcc-codereuse", func(s *suite) {
		code := s.code(s.authorize(s.request(s.basic)))
		s.issued(s.basic, s.redeem(s.basic, code), "a-nonce")
		s.refused(s.redeem(s.basic, code))
	}},
	{"oidcc-codereuse-30seconds", func(s *suite) {
		code := s.code(s.authorize(s.request(s.basic)))
		got := s.issued(s.basic, s.redeem(s.basic, code), "a-nonce")
		s.userInfo(s.get("/oauth/userinfo", got.access))
		pass(30*time.Second, s.world)
		s.refused(s.redeem(s.basic, code))
		s.get("/oauth/userinfo", got.access).want(s.t, http.StatusUnauthorized) // RFC 6749 §4.1.2
	}},
	{"oidcc-unsigned-request-object-supported-correctly-or-rejected-as-unsupported", func(s *suite) {
		s.wantError(s.authorize(s.byObject(suiteCallback)), "request_not_supported")
	}},
	{"oidcc-request-uri-unsigned-supported-correctly-or-rejected-as-unsupported", func(s *suite) {
		s.wantError(s.authorize(s.request(s.basic, "request_uri", "https://localhost.emobix.co.uk:8443/test/a/claimsmith/requesturi")),
			"request_uri_not_supported")
	}},
	{"oidcc-ensure-request-object-with-redirect-uri", func(s *suite) {
		s.errorPage(s.b.open("/oauth/authorize?" + s.byObject(suiteCallback+"/wrong").Encode()))
	}},
}

// Config OP, and what the plans for logout want to find there.
func TestConformanceConfig(t *testing.T) {
	t.Parallel()
	configured := certification(t, "", "")
	t.Run("oidcc-discovery-endpoint-verification", func(t *testing.T) {
		s := configured(t)
		a := s.get("/.well-known/openid-configuration", "").want(t, http.StatusOK)
		d := a.json(t)
		if a.header.Get("Content-Type") != "application/json" || d["issuer"] != testIssuer || strings.ContainsAny(testIssuer, "?#") {
			t.Errorf("%v %v", a.header, d["issuer"])
		}
		for name, value := range d {
			text, isText := value.(string)
			if address := strings.HasSuffix(name, "_endpoint") || strings.HasSuffix(name, "_uri"); address != (isText && name != "issuer") ||
				address && !strings.HasPrefix(text, "https://") {
				t.Errorf("%s is %v", name, value)
			}
			if list, isList := value.([]any); strings.HasSuffix(name, "_supported") && isList && len(list) == 0 {
				t.Errorf("%s is empty", name)
			}
		}
		for _, name := range []string{
			"authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri", "end_session_endpoint", "claims_supported",
		} {
			if d[name] == nil {
				t.Errorf("no %s", name)
			}
		}
		for name, values := range map[string][]string{
			"response_types_supported": {"code"}, "subject_types_supported": {"public"}, "scopes_supported": {"openid", "offline_access"},
			"id_token_signing_alg_values_supported": {"RS256"}, "grant_types_supported": {"authorization_code", "refresh_token"},
			"response_modes_supported": {"query", "form_post"}, "code_challenge_methods_supported": {"S256"},
			"token_endpoint_auth_methods_supported": {"client_secret_basic", "client_secret_post"}, "acr_values_supported": {"1", "2"},
		} {
			for _, value := range values {
				if list, _ := d[name].([]any); !slices.Contains(list, any(value)) {
					t.Errorf("%s has no %s: %v", name, value, d[name])
				}
			}
		}
		locales, _ := d["ui_locales_supported"].([]any)
		for _, tag := range locales { // registered, in the canonical casing
			if text, _ := tag.(string); !regexp.MustCompile(`^[a-z]{2}(-[A-Z]{2})?$`).MatchString(text) {
				t.Errorf("language %v", tag)
			}
		}
		// Said, since request_uri would be supported by default, and what signs neither request objects nor userinfo is not named.
		if d["request_parameter_supported"] != false || d["request_uri_parameter_supported"] != false || d["claims_parameter_supported"] != true ||
			d["request_object_signing_alg_values_supported"] != nil || d["userinfo_signing_alg_values_supported"] != nil {
			t.Errorf("%v", d)
		}
		s.keySet()
	})
	for _, name := range []string{
		"oidcc-rp-initiated-logout-discovery-endpoint-verification", "oidcc-backchannel-logout-discovery-endpoint-verification",
	} {
		t.Run(name, func(t *testing.T) {
			d := configured(t).get("/.well-known/openid-configuration", "").want(t, http.StatusOK).json(t)
			if d["end_session_endpoint"] != testIssuer+"/oauth/logout" || d["backchannel_logout_supported"] != true ||
				d["backchannel_logout_session_supported"] != true {
				t.Errorf("%v", d)
			}
		})
	}
	t.Run("oidcc-server-rotate-keys", func(t *testing.T) {
		s := configured(t)
		before := s.keySet()
		if _, err := s.app.ring.Rotate(context.Background(), "system", "RS256"); err != nil {
			t.Fatal(err)
		}
		pass(time.Second, s.world)
		after := s.keySet()
		if len(after.Keys) != len(before.Keys)+1 {
			t.Errorf("%d keys after %d", len(after.Keys), len(before.Keys))
		}
		for _, key := range before.Keys {
			if len(after.Key(key.KeyID)) != 1 {
				t.Errorf("%s is gone", key.KeyID)
			}
		}
		s.login(s.basic)
	})
	// Its browser is HtmlUnit, whose scripts know less than those of today; a file it cannot parse never sends a form_post on.
	t.Run("the robot reads the script", func(t *testing.T) {
		text, err := os.ReadFile("../../handlers/console/page/static/console.js")
		if err != nil {
			t.Fatal(err)
		}
		script := regexp.MustCompile(`(?m)//.*$`).ReplaceAllString(string(text), "")
		unknown := regexp.MustCompile(`\b(async|await|class|import|export)\b|for \((const|let)|\?\.|\?\?|\.\.\.|\x60`).FindString(script)
		if unknown != "" || !strings.Contains(script, "form[data-submit]") {
			t.Errorf("%q", unknown)
		}
	})
}
