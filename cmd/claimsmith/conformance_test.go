package main

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/claimsmith/claimsmith/claims"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

// What the OpenID Foundation's conformance suite holds to be a failure or a warning, module by module and named as there, for a provider
// with static clients. Each of its subtests is one module; what a module asks of every answer is in suite.
const (
	suiteCallback = "https://localhost.emobix.co.uk:8443/test/a/claimsmith/callback"
	suiteSecond   = suiteCallback + "?dummy1=lorem&dummy2=ipsum"
	suiteBye      = "https://localhost.emobix.co.uk:8443/test/a/claimsmith/post_logout_redirect"
)

// suite is one module at work: a browser without cookies, and the clients it was configured with.
type suite struct {
	*world
	t    *testing.T
	b    *browser
	mode string // response_mode, "" for the default
	// basic and second authenticate in the header, post in the form.
	basic, second, post client
	// logins counts the times the robot was asked to log in.
	logins int
}

// certification makes the clients and the user a run of the suite needs.
func certification(t *testing.T, mode, members string) func(*testing.T) *suite {
	t.Helper()
	w := newWorld(t, redistest.Embedded(t).Client)
	w.patch("/api/user/jane-id", adminToken, `{"profile":{"name":"Jane Doe","given_name":"Jane","family_name":"Doe","middle_name":"M.",
		"nickname":"janie","preferred_username":"jane","profile":"https://jane.example/","picture":"https://jane.example/p.png",
		"website":"https://jane.example/w","gender":"female","birthdate":"1987-10-16","zoneinfo":"Europe/Berlin","locale":"de-DE",
		"phone_number":"+14155550100","phone_number_verified":true,"address":{"formatted":"1 Long Lane\nOldtown",
		"street_address":"1 Long Lane","locality":"Oldtown","region":"Somewhere","postal_code":"12345","country":"Nowhere"}}}`).want(t, http.StatusOK)
	made := func(id, redirect, method string) client {
		return w.newClient("default", id, `"preset":"plain-oidc","token_endpoint_auth_method":"`+method+`","redirect_uris":["`+redirect+`"],
			"post_logout_redirect_uris":["`+suiteBye+`"]`+members)
	}
	basic, second := made("basic", suiteCallback, "client_secret_basic"), made("second", suiteSecond, "client_secret_basic")
	post := made("post", suiteCallback, "client_secret_post")
	return func(t *testing.T) *suite {
		t.Helper()
		w.t = t
		pass(time.Second, w) // the suite is quick
		return &suite{world: w, t: t, b: w.newBrowser(), mode: mode, basic: basic, second: second, post: post}
	}
}

func (s *suite) redirect(c client) string {
	if c.id == s.second.id {
		return suiteSecond
	}
	return suiteCallback
}

// request is the authorization request modules begin with, with pairs of further parameters; "" leaves one out.
func (s *suite) request(c client, more ...string) url.Values {
	values := url.Values{
		"client_id": {c.id}, "redirect_uri": {s.redirect(c)}, "scope": {"openid"}, "state": {"a-state"}, "nonce": {"a-nonce"},
		"response_type": {"code"},
	}
	if s.mode != "" {
		values.Set("response_mode", s.mode)
	}
	for n := 0; n+1 < len(more); n += 2 {
		values.Set(more[n], more[n+1])
		if more[n+1] == "" {
			values.Del(more[n])
		}
	}
	return values
}

// authorize is the robot on its way from an authorization request to the callback: it fills in what it is asked. It returns the response.
func (s *suite) authorize(request url.Values) url.Values {
	s.t.Helper()
	return s.arrive(s.b.open("/oauth/authorize?"+request.Encode()), request)
}

func (s *suite) arrive(p *page, request url.Values) url.Values {
	s.t.Helper()
	for range 3 {
		switch {
		case p.element("login") != nil:
			s.logins++
			p = p.signIn()
		case p.element("approve") != nil:
			p = p.submit("approve")
		}
	}
	redirect := request.Get("redirect_uri")
	var response url.Values
	if form := p.element("form_post"); s.mode == "form_post" && form != nil {
		// The robot knows scripts, too: this page sends itself on, by POST, in the form's default encoding.
		if attribute(form, "action") != redirect || attribute(form, "method") != "post" || attribute(form, "enctype") != "" ||
			!strings.Contains(p.body, "data-submit") || p.status != http.StatusOK {
			s.t.Fatalf("%d %s", p.status, p.body)
		}
		response = formValues(form)
	} else {
		to, found := strings.CutPrefix(p.location, redirect)
		if s.mode == "form_post" || !found || p.status != http.StatusSeeOther || strings.Contains(p.location, "#") {
			s.t.Fatalf("%s: %d to %q, want %s\n%s", p.url, p.status, p.location, redirect, p.text())
		}
		var err error
		if response, err = url.ParseQuery(to[1:]); err != nil {
			s.t.Fatal(err)
		}
	}
	allowed := []string{"code", "state", "iss"}
	if response.Has("error") {
		allowed = []string{"error", "error_description", "error_uri", "state", "iss"}
	}
	for name, values := range response {
		if len(values) != 1 || !slices.Contains(allowed, name) {
			s.t.Errorf("unexpected parameter %s: %v", name, values)
		}
	}
	if response.Get("iss") != testIssuer || request.Get("request") == "" && response.Get("state") != request.Get("state") {
		s.t.Errorf("iss %q, state %q", response.Get("iss"), response.Get("state"))
	}
	return response
}

// wantError checks an error response of the authorization endpoint.
func (s *suite) wantError(response url.Values, codes ...string) {
	s.t.Helper()
	if !slices.Contains(codes, response.Get("error")) || response.Has("code") || !describes.MatchString(response.Get("error_description")) {
		s.t.Errorf("got %v, want one of %v", response, codes)
	}
}

// describes is what may stand in an error_description (RFC 6749 §5.2).
var describes = regexp.MustCompile(`^[\x20-\x21\x23-\x5b\x5d-\x7e]*$`)

// token sends a token request, authenticated as the client does it.
func (s *suite) token(c client, parameters ...string) answer {
	s.t.Helper()
	headers := []string{"Content-Type", formType + ";charset=UTF-8", "Accept", "application/json", "Accept-Charset", "utf-8"}
	if c.id == s.post.id {
		return s.postForm("/oauth/token", append(parameters, "client_id", c.id, "client_secret", c.secret), headers...)
	}
	return s.postForm("/oauth/token", parameters, append(headers, "Authorization", c.basic())...)
}

func (s *suite) redeem(c client, code string, more ...string) answer {
	s.t.Helper()
	return s.token(c, append([]string{"grant_type", "authorization_code", "code", code, "redirect_uri", s.redirect(c)}, more...)...)
}

// tokens are those of a token response that was checked.
type tokens struct {
	access, refresh, id string
	claims              map[string]any
}

// issued checks a token response to the last condition. nonce is that of the request.
func (s *suite) issued(c client, a answer, nonce any) tokens {
	s.t.Helper()
	body := a.want(s.t, http.StatusOK).json(s.t)
	if a.header.Get("Content-Type") != "application/json" || a.header.Get("Cache-Control") != "no-store" {
		s.t.Errorf("headers: %v", a.header)
	}
	if seconds, err := body["expires_in"].(json.Number).Int64(); err != nil || seconds <= 0 {
		s.t.Errorf("expires_in: %v", body["expires_in"])
	}
	got := tokens{access: a.text(s.t, "access_token"), refresh: a.text(s.t, "refresh_token"), id: a.text(s.t, "id_token")}
	for name, text := range map[string]string{"access_token": got.access, "refresh_token": got.refresh} {
		if !regexp.MustCompile(`^[\x20-\x7e]+$`).MatchString(text) || entropy(text) <= 96 {
			s.t.Errorf("%s: %q", name, text)
		}
	}
	if !strings.EqualFold(a.text(s.t, "token_type"), "bearer") || a.text(s.t, "scope") == "" {
		s.t.Errorf("%v", body)
	}
	got.claims = s.verified(got.id, "RS256")
	now := s.clock.Now().Unix()
	hash, err := claims.AccessTokenHash("RS256", got.access)
	if err != nil {
		s.t.Fatal(err)
	}
	for name, right := range map[string]bool{
		"iss": got.claims["iss"] == testIssuer, "aud": got.claims["aud"] == c.id, "azp": got.claims["azp"] == nil || got.claims["azp"] == c.id,
		"sub": got.claims["sub"] == "jane-id", "nonce": got.claims["nonce"] == nonce, "acr": got.claims["acr"] == "1",
		"iat": number(got.claims["iat"]) == now, "exp": number(got.claims["exp"]) > now, "auth_time": number(got.claims["auth_time"]) <= now,
		"at_hash": got.claims["at_hash"] == hash, "sid": got.claims["sid"] != nil,
	} {
		if !right {
			s.t.Errorf("%s of %v", name, got.claims)
		}
	}
	// What was not asked for is a warning, and the claims of scopes are told at userinfo.
	standard := []string{"iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "azp", "at_hash", "sid"}
	for name := range got.claims {
		if !slices.Contains(standard, name) {
			s.t.Errorf("%s in an ID token without being asked for", name)
		}
	}
	return got
}

func number(v any) int64 {
	n, _ := v.(json.Number)
	i, err := n.Int64()
	if err != nil {
		return math.MaxInt64
	}
	return i
}

// entropy is the Shannon entropy of a text in bits, as the suite estimates it.
func entropy(text string) (bits float64) {
	for _, r := range text {
		bits -= math.Log2(float64(strings.Count(text, string(r))) / float64(len(text)))
	}
	return bits
}

// keySet is what jwks_uri tells: public signing keys alone, each told apart.
func (s *suite) keySet() jose.JSONWebKeySet {
	s.t.Helper()
	a := s.get("/.well-known/jwks.json", "").want(s.t, http.StatusOK)
	if a.header.Get("Content-Type") != "application/json" {
		s.t.Errorf("keys are %s", a.header.Get("Content-Type"))
	}
	var raw struct{ Keys []map[string]any }
	var set jose.JSONWebKeySet
	if json.Unmarshal([]byte(a.body), &raw) != nil || json.Unmarshal([]byte(a.body), &set) != nil || len(raw.Keys) == 0 {
		s.t.Fatalf("keys: %s", a.body)
	}
	seen := map[string]bool{}
	for n, key := range set.Keys {
		if !key.Valid() || !key.IsPublic() || key.KeyID == "" || seen[key.KeyID] || key.Use != "sig" || key.Algorithm == "" {
			s.t.Errorf("key %v", raw.Keys[n])
		}
		for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"} {
			if raw.Keys[n][private] != nil {
				s.t.Errorf("%s of a key is published", private)
			}
		}
		for _, name := range []string{"n", "e", "x", "y"} {
			if text, ok := raw.Keys[n][name].(string); ok {
				if _, err := base64.RawURLEncoding.Strict().DecodeString(text); err != nil {
					s.t.Errorf("%s of a key: %v", name, err)
				}
			}
		}
		seen[key.KeyID] = true
	}
	return set
}

// verified checks a signature by the one key its header names and returns the payload.
func (s *suite) verified(token, alg string) map[string]any {
	s.t.Helper()
	signed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(alg)})
	if err != nil {
		s.t.Fatalf("%q: %v", token, err)
	}
	set := s.keySet()
	keys := set.Key(signed.Signatures[0].Header.KeyID)
	if len(keys) != 1 || keys[0].Algorithm != alg {
		s.t.Fatalf("%d keys for %v", len(keys), signed.Signatures[0].Header)
	}
	payload, err := signed.Verify(keys[0])
	if err != nil {
		s.t.Fatal(err)
	}
	return answer{body: string(payload)}.json(s.t)
}

// login is the whole flow: the request, the code for tokens, userinfo.
func (s *suite) login(c client, more ...string) tokens {
	s.t.Helper()
	request := s.request(c, more...)
	code := s.code(s.authorize(request))
	var verifier []string
	if request.Has("code_challenge") {
		verifier = []string{"code_verifier", testVerifier}
	}
	var nonce any
	if request.Has("nonce") {
		nonce = request.Get("nonce")
	}
	got := s.issued(c, s.redeem(c, code, verifier...), nonce)
	s.userInfo(s.get("/oauth/userinfo", got.access))
	return got
}

// code is that of a successful response.
func (s *suite) code(response url.Values) string {
	s.t.Helper()
	code := response.Get("code")
	if len(code) < 22 || entropy(code) <= 96 || response.Has("error") {
		s.t.Fatalf("response: %v", response)
	}
	return code
}

// userInfo checks an answer of the userinfo endpoint: JSON, of the right person, with standard claims of their types (Core §5.1).
func (s *suite) userInfo(a answer) map[string]any {
	s.t.Helper()
	info := a.want(s.t, http.StatusOK).json(s.t)
	if a.header.Get("Content-Type") != "application/json" || info["sub"] != "jane-id" {
		s.t.Errorf("%v %v", a.header, info)
	}
	for name, value := range info {
		right := true
		switch text, isText := value.(string); name {
		case "email_verified", "phone_number_verified":
			_, right = value.(bool)
		case "claims_rev": // no claim of the standard's
		case "updated_at":
			right = number(value) <= s.clock.Now().Unix()
		case "address":
			address, isObject := value.(map[string]any)
			right = isObject && len(address) > 0
			for _, part := range address {
				text, isText := part.(string)
				right = right && isText && strings.TrimSpace(text) != ""
			}
		case "birthdate":
			_, err := time.Parse(time.DateOnly, text)
			right = err == nil
		default:
			right = isText && strings.TrimSpace(text) != "" && text != "null"
		}
		if !right {
			s.t.Errorf("%s is %v", name, value)
		}
	}
	return info
}
