package authorize_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/authorize"
	"github.com/claimsmith/claimsmith/claims"
)

// An error that nobody can be trusted with is a page and never an answer (rows O-01, O-02).
func TestWhatIsNeverRedirected(t *testing.T) {
	w := newWorld(t)
	w.client("off", func(c *auth.Client) { c.Disabled = true })
	w.client("of-closed", func(c *auth.Client) { c.Org = "closed" })
	w.client("native", func(c *auth.Client) {
		c.Type, c.RedirectURIs = auth.TypeNative, []string{"http://127.0.0.1/cb", "http://localhost:80/cb"}
	})
	for name, c := range map[string]struct {
		params url.Values
		field  string
	}{
		"no client":                      {request("app", "client_id", ""), "client_id"},
		"an unknown client":              {request("nobody"), "client_id"},
		"what cannot be a client":        {request("<svg onload=alert(1)>"), "client_id"},
		"a disabled client":              {request("off"), "client_id"},
		"a client of a disabled one":     {request("of-closed"), "client_id"},
		"no redirect URI":                {request("app", "redirect_uri", ""), "redirect_uri"},
		"a slash more":                   {request("app", "redirect_uri", callback+"/"), "redirect_uri"},
		"a query more":                   {request("app", "redirect_uri", callback+"?x=1"), "redirect_uri"},
		"a fragment":                     {request("app", "redirect_uri", callback+"#f"), "redirect_uri"},
		"another case":                   {request("app", "redirect_uri", "https://app.example/CB"), "redirect_uri"},
		"another host":                   {request("app", "redirect_uri", "https://app.example@evil.example/cb"), "redirect_uri"},
		"a backslash":                    {request("app", "redirect_uri", `https://app.example\@evil.example`), "redirect_uri"},
		"a port":                         {request("app", "redirect_uri", "https://app.example:443/cb"), "redirect_uri"},
		"the logout's":                   {request("app", "redirect_uri", "https://app.example/bye"), "redirect_uri"},
		"localhost and another port":     {request("native", "redirect_uri", "http://localhost:81/cb"), "redirect_uri"},
		"localhost":                      {request("native", "redirect_uri", "http://localhost:80/cb"), "redirect_uri"},
		"two redirect URIs":              {url.Values{"client_id": {"app"}, "redirect_uri": {callback, callback}}, "redirect_uri"},
		"two challenges":                 {url.Values{"client_id": {"app"}, "code_challenge": {challenge, challenge}}, "code_challenge"},
		"two states":                     {url.Values{"client_id": {"app"}, "state": {"a", "b"}}, "state"},
		"a pushed request that is not":   {request("app", "request_uri", "urn:ietf:params:oauth:request_uri:x"), "request_uri"},
		"a bad one, and another mistake": {request("app", "redirect_uri", "https://evil.example/", "response_type", "token"), "redirect_uri"},
	} {
		t.Run(name, func(t *testing.T) {
			f, answer, err := w.Begin(t.Context(), c.params, browser)
			e, _ := err.(*auth.Error) //nolint:errorlint // the very error
			if f != nil || answer != nil || e == nil || e.Field != c.field ||
				e.Code != auth.InvalidRequest && e.Code != auth.InvalidRequestURI {
				t.Errorf("got %v %v %v, want an error about %s", f, answer, err, c.field)
			}
			if got := w.recorded("authorize"); len(got) != 1 || !strings.HasPrefix(got[0], "denied") {
				t.Errorf("recorded %q", got)
			}
		})
	}
}

// Every other mistake goes back to the client, with the issuer and its state (PROTOCOL.md, rows O-03, O-12, O-16).
func TestWhatIsRedirected(t *testing.T) {
	w := newWorld(t)
	w.client("strict", func(c *auth.Client) { c.RequirePAR = true })
	w.client("plain", func(c *auth.Client) { c.RequirePKCE = false })
	w.client("machine", func(c *auth.Client) { c.GrantTypes = []string{auth.GrantClientCredentials} })
	long := strings.Repeat("a", 3000)
	hint := func(change func(*claims.IDToken)) string { return w.idToken("jane-id", "app", change) }
	for name, c := range map[string]struct {
		client string
		pairs  []string
		want   auth.Code
	}{
		"a client without the grant":     {"machine", nil, auth.UnauthorizedClient},
		"a request that must be pushed":  {"strict", nil, auth.InvalidRequest},
		"no response type":               {"app", []string{"response_type", ""}, auth.InvalidRequest},
		"implicit":                       {"app", []string{"response_type", "token"}, auth.UnsupportedResponseType},
		"hybrid":                         {"app", []string{"response_type", "code id_token"}, auth.UnsupportedResponseType},
		"response mode fragment":         {"app", []string{"response_mode", "fragment"}, auth.InvalidRequest},
		"request":                        {"app", []string{"request", "eyJhbGciOiJub25lIn0.e30."}, auth.RequestNotSupported},
		"request_uri":                    {"app", []string{"request_uri", "https://app.example/request"}, auth.RequestURINotSupported},
		"no challenge":                   {"app", []string{"code_challenge", "", "code_challenge_method", ""}, auth.InvalidRequest},
		"an empty challenge":             {"app", []string{"code_challenge", ""}, auth.InvalidRequest},
		"a method without a challenge":   {"plain", []string{"code_challenge", ""}, auth.InvalidRequest},
		"plain":                          {"app", []string{"code_challenge_method", "plain"}, auth.InvalidRequest},
		"no method, which means plain":   {"app", []string{"code_challenge_method", ""}, auth.InvalidRequest},
		"method in another case":         {"app", []string{"code_challenge_method", "s256"}, auth.InvalidRequest},
		"plain where none is needed":     {"plain", []string{"code_challenge_method", "plain"}, auth.InvalidRequest},
		"a challenge of 42":              {"app", []string{"code_challenge", challenge[:42]}, auth.InvalidRequest},
		"a challenge of 44":              {"app", []string{"code_challenge", challenge + "A"}, auth.InvalidRequest},
		"a challenge with padding":       {"app", []string{"code_challenge", challenge[:42] + "="}, auth.InvalidRequest},
		"a challenge of no base64url":    {"app", []string{"code_challenge", "+" + challenge[1:]}, auth.InvalidRequest},
		"a challenge with a line break":  {"app", []string{"code_challenge", challenge[:42] + "\n"}, auth.InvalidRequest},
		"a challenge of 257 bits":        {"app", []string{"code_challenge", challenge[:42] + "N"}, auth.InvalidRequest},
		"a bad thumbprint":               {"app", []string{"dpop_jkt", "x"}, auth.InvalidRequest},
		"a scope it may not ask for":     {"app", []string{"scope", "openid iam/"}, auth.InvalidScope},
		"an unknown scope":               {"app", []string{"scope", "openid more"}, auth.InvalidScope},
		"another organisation":           {"app", []string{"org", "acme"}, auth.InvalidRequest},
		"another organisation by scope":  {"app", []string{"scope", "openid org:acme"}, auth.InvalidRequest},
		"two organisations":              {"wide", []string{"org", "default", "scope", "openid org:acme"}, auth.InvalidRequest},
		"two organisations by scope":     {"wide", []string{"scope", "org:default org:acme"}, auth.InvalidRequest},
		"what can be no organisation":    {"wide", []string{"org", "A{}:*"}, auth.InvalidRequest},
		"prompt unknown":                 {"app", []string{"prompt", "create"}, auth.InvalidRequest},
		"prompt none and more":           {"app", []string{"prompt", "none login"}, auth.InvalidRequest},
		"max_age of letters":             {"app", []string{"max_age", "ten"}, auth.InvalidRequest},
		"max_age below zero":             {"app", []string{"max_age", "-1"}, auth.InvalidRequest},
		"max_age with a point":           {"app", []string{"max_age", "1.5"}, auth.InvalidRequest},
		"claims that is no JSON":         {"app", []string{"claims", "{"}, auth.InvalidRequest},
		"claims that is no object":       {"app", []string{"claims", "[]"}, auth.InvalidRequest},
		"claims twice the same":          {"app", []string{"claims", `{"userinfo":{"name":null,"name":null}}`}, auth.InvalidRequest},
		"claims and more":                {"app", []string{"claims", `{} {}`}, auth.InvalidRequest},
		"claims of another form":         {"app", []string{"claims", `{"userinfo":["name"]}`}, auth.InvalidRequest},
		"a claim of another form":        {"app", []string{"claims", `{"userinfo":{"name":"x"}}`}, auth.InvalidRequest},
		"sub that is no text":            {"app", []string{"claims", `{"id_token":{"sub":{"value":1}}}`}, auth.InvalidRequest},
		"two subs":                       {"app", []string{"claims", `{"id_token":{"sub":{"values":["a","b"]}}}`}, auth.InvalidRequest},
		"two subs that differ":           {"app", []string{"claims", `{"id_token":{"sub":{"value":"a"}},"userinfo":{"sub":{"value":"b"}}}`}, auth.InvalidRequest},
		"acr that is no text":            {"app", []string{"claims", `{"id_token":{"acr":{"values":[1]}}}`}, auth.InvalidRequest},
		"an acr that cannot be met":      {"app", []string{"claims", `{"id_token":{"acr":{"essential":true,"value":"9"}}}`}, auth.UnmetAuthentication},
		"a hint that is none":            {"app", []string{"id_token_hint", "x.y.z"}, auth.InvalidRequest},
		"a hint without a signature":     {"app", []string{"id_token_hint", "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.e30."}, auth.InvalidRequest},
		"a hint that was changed":        {"app", []string{"id_token_hint", hint(nil)[:200] + "A" + hint(nil)[201:]}, auth.InvalidRequest},
		"a hint of another issuer":       {"app", []string{"id_token_hint", hint(func(t *claims.IDToken) { t.Issuer = "https://evil.example" })}, auth.InvalidRequest},
		"a hint of another client":       {"app", []string{"id_token_hint", hint(func(t *claims.IDToken) { t.Audience = []string{"wide"} })}, auth.InvalidRequest},
		"a hint unlike the claims":       {"app", []string{"id_token_hint", hint(nil), "claims", `{"id_token":{"sub":{"value":"john-id"}}}`}, auth.InvalidRequest},
		"a nonce too long":               {"app", []string{"nonce", long}, auth.InvalidRequest},
		"a nonce with control character": {"app", []string{"nonce", "a\x00"}, auth.InvalidRequest},
	} {
		t.Run(name, func(t *testing.T) {
			params := request(c.client, c.pairs...)
			w.recorded("")
			f, answer, err := w.Begin(t.Context(), params, browser)
			if f != nil || err != nil {
				t.Fatalf("got %v %v, want an answer", f, err)
			}
			w.wantAnswer(answer, c.want)
			if answer.RedirectURI != callback || answer.Mode != "query" {
				t.Errorf("it goes to %s by %s", answer.RedirectURI, answer.Mode)
			}
			if text := parameters(answer)["error_description"]; strings.ContainsFunc(text, func(r rune) bool {
				return r < ' ' || r > '~' || r == '"' || r == '\\' // RFC 6749 §4.1.2.1
			}) {
				t.Errorf("error_description is %q", text)
			}
			if got := w.recorded("authorize"); !slices.Equal(got, []string{"denied " + string(c.want) + " default client:" + c.client}) {
				t.Errorf("recorded %q", got)
			}
			params.Set("response_mode", "form_post")
			if _, answer, _ := w.Begin(t.Context(), params, browser); c.pairs == nil || c.pairs[0] != "response_mode" {
				if answer == nil || answer.Mode != "form_post" {
					t.Errorf("with form_post it is %+v", answer)
				}
			}
		})
	}
	// A state that cannot be brought back as it is.
	for _, state := range []string{long, "a\nb", "\xff"} {
		_, answer, err := w.Begin(t.Context(), request("app", "state", state), browser)
		w.must(err)
		if p := parameters(answer); p["error"] != "invalid_request" || !slices.Equal(sorted(p), []string{"error", "error_description", "iss"}) {
			t.Errorf("answered %v", p)
		}
	}
}

func TestWhatARequestAsksFor(t *testing.T) {
	w := newWorld(t)
	w.client("plain", func(c *auth.Client) { c.RequirePKCE, c.Scopes = false, []string{"openid", "email", "offline_access"} })
	w.client("native", func(c *auth.Client) { c.Type, c.RedirectURIs = auth.TypeNative, []string{"http://127.0.0.1/cb"} })
	state := strings.Repeat(`"\é&=`, 300) // 2100 bytes would be too many
	for name, c := range map[string]struct {
		params url.Values
		want   func(*authorize.Flow)
	}{
		"as little as possible": {
			url.Values{"client_id": {"plain"}, "redirect_uri": {callback}, "response_type": {"code"}},
			func(f *authorize.Flow) { f.Client, f.Challenge, f.State, f.Scope = "plain", "", "", "email" },
		},
		"empty parameters are none": {
			url.Values{"client_id": {"plain"}, "redirect_uri": {callback}, "response_type": {"code"}, "request": {""}, "scope": {""}, "max_age": {""}},
			func(f *authorize.Flow) { f.Client, f.Challenge, f.State, f.Scope = "plain", "", "", "email" },
		},
		"unknown and passed over": {
			request("app", "display", "popup", "claims_locales", "de", "ui_locales", "de en", "foo", "bar", "login_hint", "jane", "acr_values", "urn:x",
				"claims", `{"userinfo":{"metadata_x":null,"shoe_size":{"essential":true,"foo":1}},"other":3,"id_token":{"auth_time":{"essential":true},"acr":null}}`),
			func(f *authorize.Flow) { f.UILocales, f.LoginHint = "de en", "jane" },
		},
		"hints of no use": {
			request("app", "login_hint", strings.Repeat("a", 300), "ui_locales", "\x00"), func(*authorize.Flow) {},
		},
		"plain OAuth": {request("app", "scope", "profile"), func(f *authorize.Flow) { f.Scope = "profile" }},
		"scopes once": {request("app", "scope", "openid profile openid"), func(f *authorize.Flow) { f.Scope = "openid profile" }},
		"its own organisation": {
			request("app", "org", "default", "scope", "openid org:default"), func(*authorize.Flow) {},
		},
		"an organisation": {
			request("wide", "org", "acme", "scope", "org:acme openid org:acme"), func(f *authorize.Flow) { f.Client, f.Org = "wide", "acme" },
		},
		"an organisation by scope alone": {
			request("wide", "scope", "org:acme openid"), func(f *authorize.Flow) { f.Client, f.Org = "wide", "acme" },
		},
		"an organisation still open": {request("wide"), func(f *authorize.Flow) { f.Client, f.Org = "wide", "" }},
		"everything": {
			request("app", "response_mode", "form_post", "nonce", "n", "prompt", "login consent", "max_age", "60", "acr_values", "x 2 1 2",
				"dpop_jkt", challenge, "scope", "openid"),
			func(f *authorize.Flow) {
				f.ResponseMode, f.Nonce, f.Prompt, f.ACR, f.KeyThumbprint = "form_post", "n", []string{"login", "consent"}, []string{"2", "1"}, challenge
				f.MaxAge = new(int64(60))
			},
		},
		"max_age of an age": {
			request("app", "max_age", "99999999999999999999999"), func(f *authorize.Flow) { f.MaxAge = new(int64(1_000_000_000)) },
		},
		"claims": {
			request("app", "acr_values", "1", "claims", `{"userinfo":{"name":{"essential":true},"email":null,"sub":{"value":"jane-id"},"address":null},
				"id_token":{"email":{},"acr":{"essential":true,"values":["x","2"]},"sub":{"value":"jane-id"}}}`),
			func(f *authorize.Flow) { // address is of a scope the client may not ask for
				f.Requested = auth.RequestedClaims{UserInfo: []string{"email", "name"}, IDToken: []string{"email"}}
				f.HintUser, f.ACR, f.ACREssential = "jane-id", []string{"2"}, true
			},
		},
		"a state that needs care": {request("app", "state", state), func(f *authorize.Flow) { f.State = state }},
		"a loopback port":         {request("native", "redirect_uri", "http://127.0.0.1:4711/cb"), func(f *authorize.Flow) { f.Client, f.RedirectURI = "native", "http://127.0.0.1:4711/cb" }},
		"an expired id_token_hint": {
			request("app", "id_token_hint", w.idToken("jane-id", "app", func(t *claims.IDToken) { t.ExpiresAt = t.IssuedAt.Add(-time.Hour) })),
			func(f *authorize.Flow) { f.HintUser = "jane-id" },
		},
		"an id_token_hint chooses its organisation": {
			request("wide", "id_token_hint", w.idToken("jane-id", "wide", func(t *claims.IDToken) { t.Org = "acme" })),
			func(f *authorize.Flow) { f.Client, f.HintUser, f.Org = "wide", "jane-id", "acme" },
		},
		"but not where another is named": {
			request("wide", "org", "default", "id_token_hint", w.idToken("jane-id", "wide", func(t *claims.IDToken) { t.Org = "acme" })),
			func(f *authorize.Flow) { f.Client, f.HintUser, f.Org = "wide", "jane-id", "default" },
		},
	} {
		t.Run(name, func(t *testing.T) {
			want := &authorize.Flow{
				Client: "app", RedirectURI: callback, ResponseMode: "query", State: "st", Scope: "openid", Org: "default", Challenge: challenge,
				Began: w.clock.Now().Truncate(time.Millisecond), Browser: hash(browser),
			}
			c.want(want)
			f, answer, err := w.Begin(t.Context(), c.params, browser)
			if err != nil || answer != nil {
				t.Fatalf("got %v %v", parameters(answer), err)
			}
			if diff := cmp.Diff(want, w.reopened(f), cmp.Comparer(func(a, b []string) bool { return slices.Equal(a, b) })); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAnswerURL(t *testing.T) {
	for uri, want := range map[string]string{
		callback:              callback + "?code=a%2Bb+c&state=%22%26%23%C3%A9",
		callback + "?x=1":     callback + "?x=1&code=a%2Bb+c&state=%22%26%23%C3%A9",
		"com.example.app:/cb": "com.example.app:/cb?code=a%2Bb+c&state=%22%26%23%C3%A9",
	} {
		a := authorize.Answer{RedirectURI: uri, Parameters: []authorize.Parameter{{Name: "code", Value: "a+b c"}, {Name: "state", Value: `"&#é`}}}
		if got := a.URL(); got != want {
			t.Errorf("%s leads to %s, want %s", uri, got, want)
		}
	}
}

// A flow opens in the browser it began in, for an hour (rows S-08, D-07).
func TestFlowTravels(t *testing.T) {
	w := newWorld(t)
	f := w.begin("app", "nonce", "n", "max_age", "0")
	f.Primary = &auth.Subject{User: "jane-id", AuthTime: w.clock.Now(), AMR: []string{"pwd"}, Epoch: 7}
	text := w.Seal(f)
	if diff := cmp.Diff(f, w.reopened(f), cmp.Comparer(func(a, b []string) bool { return slices.Equal(a, b) })); diff != "" {
		t.Error(diff)
	}
	changed := []byte(text)
	changed[len(changed)/2] ^= 1
	for name, c := range map[string][2]string{
		"another browser": {text, "another"}, "no browser": {text, ""}, "a changed one": {string(changed), browser},
		"a cut one": {text[:len(text)-4], browser}, "nothing": {"", browser}, "padding": {text + "=", browser},
		"a long one": {strings.Repeat("A", 1<<20), browser}, "a line break": {text[:8] + "\n" + text[8:], browser},
	} {
		if opened, err := w.Open(c[0], c[1]); auth.CodeOf(err) != auth.InvalidRequest {
			t.Errorf("%s: %v %v", name, opened, err)
		}
	}
	if strings.Contains(text, "jane") {
		t.Error("it shows what it holds")
	}
	w.pass(time.Hour)
	if _, err := w.Open(text, browser); err != nil {
		t.Errorf("after an hour: %v", err)
	}
	w.pass(time.Millisecond)
	if _, err := w.Open(text, browser); auth.CodeOf(err) != auth.InvalidRequest {
		t.Errorf("after more than an hour: %v", err)
	}
}

// The longest request that is taken still fits an address line, with everything noted on the way.
func TestFlowStaysSmall(t *testing.T) {
	w := newWorld(t)
	w.client("many", func(c *auth.Client) {
		for n := range 100 {
			c.Scopes = append(c.Scopes, strings.Repeat("s", 100)+string(rune('a'+n%26))+string(rune('a'+n/26)))
		}
	})
	taken := 0
	for n := range 100 {
		f, answer, err := w.Begin(t.Context(), request("many", "scope", strings.Join(w.client("many", func(*auth.Client) {}).Scopes[:n+5], " "),
			"state", strings.Repeat(`"`, 2048)), browser)
		w.must(err)
		if answer != nil {
			w.recorded("")
			if p := parameters(answer); p["error"] != "invalid_request" {
				t.Fatalf("answered %v", p)
			}
			break
		}
		taken++
		f.Primary = &auth.Subject{User: strings.Repeat("u", 64), Org: strings.Repeat("o", 63), AuthTime: w.clock.Now(), AMR: []string{"pwd"}, Epoch: 1 << 60}
		w.reopened(f)
	}
	if taken < 10 || taken == 100 {
		t.Errorf("%d requests were taken", taken)
	}
}
