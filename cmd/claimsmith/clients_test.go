package main

import (
	"context"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claimsmith/claimsmith/auth"
	authstore "github.com/claimsmith/claimsmith/auth/redisstore"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

// A public key and the private one it belongs to (RFC 7515 appendix A.3).
const (
	keyMembers   = `"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"`
	publicKeySet = `{"keys":[{` + keyMembers + `,"kid":"k1","use":"sig","alg":"ES256"}]}`
	secretKeySet = `{"keys":[{` + keyMembers + `,"kid":"k1","use":"sig","alg":"ES256","d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}]}`
	callback     = `"redirect_uris":["https://app.example/callback"]`
)

// policy is what a client's representation says, without what differs from one to the next.
func policy(t testing.TB, a answer) map[string]any {
	t.Helper()
	members := a.json(t)
	for _, name := range []string{"client_id", "client_secret", "number", "org", "created_at", "updated_at"} {
		delete(members, name)
	}
	var codes []any
	warnings, _ := members["warnings"].([]any)
	for _, w := range warnings {
		warning, _ := w.(map[string]any)
		if text, _ := warning["text"].(string); len(text) < 20 {
			t.Errorf("the warning %v says nothing", warning)
		}
		codes = append(codes, warning["code"])
	}
	members["warnings"] = nil
	if codes != nil {
		members["warnings"] = codes
	}
	return members
}

// members is a JSON object.
func members(t testing.TB, text string) map[string]any {
	t.Helper()
	return answer{body: text}.json(t)
}

// strictest is a client of which nothing was said.
const strictest = `{"type":"web","listed":false,"self_registration":false,"public":false,"first_party":false,"all_orgs":false,"grant_types":[],"scopes":[],"audience":[],
	"redirect_uris":[],"post_logout_redirect_uris":[],"allowed_origins":[],"allow_token_endpoint_audience":false,"require_pkce":true,
	"require_par":true,"require_dpop":false,"require_consent":true,"rotate_refresh_tokens":true,"code_lifetime":60,"exchange_audiences":[],
	"claims_in":null,"claim_keys":null,"disabled":false,"warnings":null}`

func TestPresetsAndDefaults(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Embedded(t).Client)
	code := `"grant_types":["authorization_code","refresh_token"],"redirect_uris":["https://app.example/callback"]`
	es, rs := `"access_token_alg":"ES256","id_token_alg":"ES256"`, `"access_token_alg":"ES256","id_token_alg":"RS256"`
	for _, test := range []struct{ name, sent, differs string }{
		{"nothing said", `{}`, `{}`},
		{"first party", `{"first_party":true}`, `{"first_party":true,"require_consent":false}`},
		{"code", `{"grant_types":["authorization_code"],` + callback + `}`, `{"grant_types":["authorization_code"],` + callback + `,"require_dpop":true}`},
		{
			"device code", `{"public":true,"grant_types":["urn:ietf:params:oauth:grant-type:device_code"]}`,
			`{"public":true,"token_endpoint_auth_method":"none","grant_types":["urn:ietf:params:oauth:grant-type:device_code"],"require_dpop":true}`,
		},
		{"machine grant", `{"grant_types":["client_credentials"]}`, `{"grant_types":["client_credentials"]}`},
		{
			"relaxed", `{` + code + `,"require_pkce":false,"require_par":false,"require_dpop":false,"require_consent":false,"rotate_refresh_tokens":false}`,
			`{` + code + `,"require_pkce":false,"require_par":false,"require_consent":false,"rotate_refresh_tokens":false,
				"warnings":["no_pkce","no_par","no_dpop","no_consent","no_rotation"]}`,
		},
		{
			"web", `{"preset":"web",` + callback + `}`,
			`{` + code + `,` + rs + `,"scopes":["openid","profile","email","offline_access"],"require_par":false,"warnings":["no_par","no_dpop"]}`,
		},
		{
			"spa", `{"preset":"spa","redirect_uris":["https://app.example/a","https://app.example:8443/b","https://app.example/c"]}`,
			`{"public":true,"token_endpoint_auth_method":"none","grant_types":["authorization_code","refresh_token"],` + rs + `,
				"redirect_uris":["https://app.example/a","https://app.example:8443/b","https://app.example/c"],
				"allowed_origins":["https://app.example","https://app.example:8443"],
				"scopes":["openid","profile","email"],"require_par":false,"warnings":["no_par","no_dpop"]}`,
		},
		{
			"native", `{"preset":"native","redirect_uris":["http://127.0.0.1/cb","com.example.app:/cb"]}`,
			`{"type":"native","public":true,"token_endpoint_auth_method":"none","grant_types":["authorization_code","refresh_token"],` + rs + `,
				"redirect_uris":["http://127.0.0.1/cb","com.example.app:/cb"],"scopes":["openid","profile","email","offline_access"],
				"require_par":false,"warnings":["no_par","no_dpop"]}`,
		},
		{"machine", `{"preset":"machine","scopes":["iam/"]}`, `{"grant_types":["client_credentials"],"scopes":["iam/"],` + rs + `}`},
		{
			"device", `{"preset":"device"}`,
			`{"type":"native","public":true,"token_endpoint_auth_method":"none",` + rs + `,"scopes":["openid","profile","email"],
				"grant_types":["urn:ietf:params:oauth:grant-type:device_code","refresh_token"],"warnings":["no_dpop"]}`,
		},
		{
			"strict", `{"preset":"strict",` + callback + `,"jwks":` + publicKeySet + `}`,
			`{` + code + `,` + es + `,"token_endpoint_auth_method":"private_key_jwt","jwks":` + publicKeySet + `,
				"scopes":["openid","profile","email","offline_access"],"require_dpop":true}`,
		},
		{
			"plain-oidc", `{"preset":"plain-oidc",` + callback + `}`,
			`{` + code + `,` + rs + `,"scopes":["openid","profile","email","address","phone","offline_access"],"require_pkce":false,
				"require_par":false,"warnings":["no_pkce","no_par","no_dpop"]}`,
		},
		{
			"beside a preset", `{"preset":"plain-oidc",` + callback + `,"first_party":true,"require_pkce":true,"scopes":["openid"],"code_lifetime":5,
				"id_token_alg":"EdDSA","token_endpoint_auth_method":"client_secret_post","require_consent":true}`,
			`{` + code + `,"access_token_alg":"ES256","id_token_alg":"EdDSA","first_party":true,"scopes":["openid"],"code_lifetime":5,
				"token_endpoint_auth_method":"client_secret_post","require_par":false,"warnings":["no_par","no_dpop"]}`,
		},
		{
			"confidential beside a public preset", `{"preset":"native","public":false,` + callback + `}`,
			`{"type":"native",` + code + `,` + rs + `,"scopes":["openid","profile","email","offline_access"],"require_par":false,
				"warnings":["no_par","no_dpop"]}`,
		},
		{
			"no origins beside spa", `{"preset":"spa",` + callback + `,"allowed_origins":[]}`,
			`{"public":true,"token_endpoint_auth_method":"none",` + code + `,` + rs + `,"scopes":["openid","profile","email"],"require_par":false,
				"warnings":["no_par","no_dpop"]}`,
		},
		{
			"everything", `{"type":"native","name":"Ä","redirect_uris":["http://[::1]:1/cb"],"post_logout_redirect_uris":["com.example:/out"],
				"backchannel_logout_uri":"https://app.example/out?a=b","allowed_origins":["https://app.example","http://localhost:3000","http://[::1]"],
				"token_endpoint_auth_method":"private_key_jwt","jwks":` + publicKeySet + `,"allow_token_endpoint_audience":true,"require_dpop":true,
				"code_lifetime":1,"exchange_audiences":["https://other.example"],"grant_types":["urn:ietf:params:oauth:grant-type:token-exchange"],
				"claims_in":[],"claim_keys":["theme"],"disabled":true,"audience":["api"]}`,
			`{"type":"native","name":"Ä","redirect_uris":["http://[::1]:1/cb"],"post_logout_redirect_uris":["com.example:/out"],
				"backchannel_logout_uri":"https://app.example/out?a=b","allowed_origins":["https://app.example","http://localhost:3000","http://[::1]"],
				"token_endpoint_auth_method":"private_key_jwt","jwks":` + publicKeySet + `,"allow_token_endpoint_audience":true,"require_dpop":true,
				"code_lifetime":1,"exchange_audiences":["https://other.example"],"grant_types":["urn:ietf:params:oauth:grant-type:token-exchange"],
				"claims_in":[],"claim_keys":["theme"],"disabled":true,"audience":["api"],"warnings":["token_endpoint_audience"]}`,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			want := members(t, strictest)
			maps.Copy(want, members(t, test.differs))
			created := w.post("/api/client", adminToken, test.sent).want(t, http.StatusCreated)
			if diff := cmp.Diff(want, policy(t, created)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			authenticates := want["public"] == false && want["token_endpoint_auth_method"] != auth.AuthPrivateKeyJWT
			if secret := created.text(t, "client_secret"); (secret != "") != authenticates {
				t.Errorf("the secret is %q", secret)
			}
			read := w.get("/api/client/"+created.text(t, "client_id"), adminToken).want(t, http.StatusOK)
			if diff := cmp.Diff(want, policy(t, read)); diff != "" {
				t.Errorf("read again (-want +got):\n%s", diff)
			}
		})
	}
}

// Each of these is refused for its own reason, created or changed, and changes nothing.
func TestClientRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Embedded(t).Client)
	w.post("/api/client", adminToken, `{"client_id":"other"}`).want(t, http.StatusCreated)
	// One of each kind, to be changed.
	web := `"grant_types":["authorization_code","refresh_token","client_credentials"],` + callback
	for id, members := range map[string]string{
		"secret": web, "public": `"public":true,"grant_types":["refresh_token"]`,
		"key":    `"token_endpoint_auth_method":"private_key_jwt","jwks":` + publicKeySet,
		"native": `"type":"native","public":true,"redirect_uris":["http://127.0.0.1/cb"]`,
	} {
		w.post("/api/client", adminToken, `{"client_id":"`+id+`",`+members+`}`).want(t, http.StatusCreated)
	}
	for _, test := range []struct{ client, field, body string }{
		{"secret", "type", `{"type":"desktop"}`},
		{"secret", "redirect_uris", `{"redirect_uris":[]}`},
		{"secret", "redirect_uris", `{"redirect_uris":["http://127.0.0.1/cb"]}`}, // type web
		{"secret", "redirect_uris", `{"redirect_uris":["https://app.example/cb","https://app.example/cb#f"]}`},
		{"secret", "redirect_uris", `{"redirect_uris":["https://*.app.example/cb"]}`},
		{"secret", "redirect_uris", `{"redirect_uris":["` + strings.Repeat(`https://app.example/cb","`, 50) + `https://app.example/cb"]}`},
		{"native", "redirect_uris", `{"type":"web"}`},
		{"native", "redirect_uris", `{"redirect_uris":["javascript:alert(1)"]}`},
		{"secret", "post_logout_redirect_uris", `{"post_logout_redirect_uris":["https://user@app.example/out"]}`},
		{"secret", "post_logout_redirect_uris", `{"post_logout_redirect_uris":["` + strings.Repeat(`https://app.example/cb","`, 50) + `https://app.example/cb"]}`},
		{"secret", "backchannel_logout_uri", `{"backchannel_logout_uri":"http://app.example/out"}`},
		{"secret", "backchannel_logout_uri", `{"backchannel_logout_uri":"https://app.example/out#f"}`},
		{"secret", "backchannel_logout_uri", `{"backchannel_logout_uri":"https://app.example/out#"}`},
		{"secret", "backchannel_logout_uri", `{"backchannel_logout_uri":"https://me@app.example/out"}`},
		{"secret", "backchannel_logout_uri", `{"backchannel_logout_uri":"https:///out"}`},
		{"secret", "backchannel_logout_uri", `{"backchannel_logout_uri":"//app.example/out"}`},
		{"secret", "backchannel_logout_uri", `{"backchannel_logout_uri":"https:app.example"}`},
		{"secret", "backchannel_logout_uri", `{"backchannel_logout_uri":"https://app.example\\@evil.example/"}`},
		{"secret", "backchannel_logout_uri", `{"backchannel_logout_uri":"https://app.example/` + strings.Repeat("a", 2048) + `"}`},
		{"secret", "allowed_origins", `{"allowed_origins":["*"]}`},
		{"secret", "allowed_origins", `{"allowed_origins":["null"]}`},
		{"secret", "allowed_origins", `{"allowed_origins":[""]}`},
		{"secret", "allowed_origins", `{"allowed_origins":["http://app.example"]}`},
		{"secret", "allowed_origins", `{"allowed_origins":["https://app.example/"]}`},
		{"secret", "allowed_origins", `{"allowed_origins":["https://app.example:443"]}`},
		{"secret", "allowed_origins", `{"allowed_origins":["http://localhost:80"]}`},
		{"secret", "allowed_origins", `{"allowed_origins":["https://APP.example"]}`},
		{"secret", "allowed_origins", `{"allowed_origins":["https://*.app.example"]}`},
		{"secret", "allowed_origins", `{"allowed_origins":["https://me@app.example"]}`},
		{"secret", "allowed_origins", `{"allowed_origins":["https://app.example?"]}`},
		{"secret", "allowed_origins", `{"allowed_origins":["https://ünï.example"]}`},
		{"secret", "allowed_origins", `{"allowed_origins":["https://app.example:"]}`},
		{"secret", "allowed_origins", `{"allowed_origins":["com.example.app:/cb"]}`},
		{"secret", "allowed_origins", `{"allowed_origins":["` + strings.Repeat(`https://app.example","`, 50) + `https://app.example"]}`},
		{"secret", "token_endpoint_auth_method", `{"token_endpoint_auth_method":"client_secret_jwt"}`},
		{"secret", "token_endpoint_auth_method", `{"token_endpoint_auth_method":"none"}`},
		{"public", "token_endpoint_auth_method", `{"token_endpoint_auth_method":"client_secret_basic"}`},
		{"key", "token_endpoint_auth_method", `{"token_endpoint_auth_method":"none"}`},
		{"key", "token_endpoint_auth_method", `{"token_endpoint_auth_method":"client_secret_post"}`},
		{"key", "token_endpoint_auth_method", `{"token_endpoint_auth_method":""}`},
		{"secret", "jwks", `{"token_endpoint_auth_method":"private_key_jwt"}`},
		{"secret", "jwks", `{"jwks":` + publicKeySet + `}`},
		{"public", "jwks", `{"jwks":` + publicKeySet + `}`},
		{"key", "jwks", `{"jwks":` + secretKeySet + `}`},
		{"key", "jwks", `{"jwks":{"keys":[]}}`},
		{"key", "jwks", `{"jwks":{}}`},
		{"key", "jwks", `{"jwks":"{}"}`},
		{"key", "jwks", `{"jwks":null}`},
		{"key", "jwks", `{"jwks":{"keys":[{"kty":"oct","k":"c2VjcmV0","kid":"k1","use":"sig","alg":"HS256"}]}}`},
		{"key", "jwks", `{"jwks":{"keys":[{` + keyMembers + `,"kid":"k1","use":"enc","alg":"ECDH-ES"}]}}`},
		{"key", "jwks", `{"jwks":{"keys":[{` + keyMembers + `,"kid":"k1","use":"sig","alg":"ES256","x5u":"` + strings.Repeat("x", 16<<10) + `"}]}}`},
		{"secret", "allow_token_endpoint_audience", `{"allow_token_endpoint_audience":true}`},
		{"public", "rotate_refresh_tokens", `{"rotate_refresh_tokens":false}`},
		{"secret", "code_lifetime", `{"code_lifetime":0}`},
		{"secret", "code_lifetime", `{"code_lifetime":61}`},
		{"secret", "code_lifetime", `{"code_lifetime":-1}`},
		{"public", "grant_types", `{"grant_types":["client_credentials"]}`},
		{"public", "grant_types", `{"grant_types":["urn:ietf:params:oauth:grant-type:token-exchange"],"exchange_audiences":["api"]}`},
		{"public", "redirect_uris", `{"grant_types":["authorization_code"]}`},
		{"secret", "exchange_audiences", `{"grant_types":["urn:ietf:params:oauth:grant-type:token-exchange"]}`},
		{"secret", "exchange_audiences", `{"exchange_audiences":["` + testIssuer + `"]}`},
		{"secret", "exchange_audiences", `{"exchange_audiences":["` + testIssuer + `/api"]}`},
		{"secret", "exchange_audiences", `{"exchange_audiences":["a b"]}`},
		{"secret", "exchange_audiences", `{"exchange_audiences":["other"]}`},
		{"secret", "audience", `{"audience":["other"]}`},
		{"secret", "grant_types", `{"grant_types":["password"]}`},
		{"secret", "grant_types", `{"grant_types":["device_code"]}`},
	} {
		before := w.get("/api/client/"+test.client, adminToken)
		refused := w.patch("/api/client/"+test.client, adminToken, test.body)
		fields, _ := refused.json(t)["errors"].(map[string]any)
		if refused.status != http.StatusBadRequest || fields[test.field] == nil {
			t.Errorf("%s %.200s: %d %s, want 400 about %s", test.client, test.body, refused.status, refused.body, test.field)
		}
		same(t, test.client+" "+test.body, w.get("/api/client/"+test.client, adminToken), before)
	}
	for _, test := range []struct{ field, body string }{
		{"preset", `"preset":"implicit"`},
		{"redirect_uris", `"preset":"web"`},
		{"redirect_uris", `"preset":"spa"`},
		{"redirect_uris", `"preset":"spa","redirect_uris":["http://localhost:3000/"]`},
		{"jwks", `"preset":"strict",` + callback},
		{"jwks", `"preset":"web",` + callback + `,"jwks":` + publicKeySet},
		{"token_endpoint_auth_method", `"public":true,"token_endpoint_auth_method":"client_secret_basic"`},
		{"token_endpoint_auth_method", `"public":true,"token_endpoint_auth_method":"private_key_jwt","jwks":` + publicKeySet},
		{"token_endpoint_auth_method", `"public":false,"token_endpoint_auth_method":"none"`},
		{"grant_types", `"public":true,"preset":"machine"`},
		{"rotate_refresh_tokens", `"preset":"native",` + callback + `,"rotate_refresh_tokens":false`},
	} {
		refused := w.post("/api/client", adminToken, `{"client_id":"refused",`+test.body+`}`)
		fields, _ := refused.json(t)["errors"].(map[string]any)
		if refused.status != http.StatusBadRequest || fields[test.field] == nil {
			t.Errorf("%.200s: %d %s, want 400 about %s", test.body, refused.status, refused.body, test.field)
		}
		w.get("/api/client/refused", adminToken).want(t, http.StatusNotFound)
	}
	if strings.Contains(w.log.String(), "jpsQnnGQmL") {
		t.Error("a private key is in the log")
	}
}

// What a record from before the policies says of them is no decision: the strict defaults apply once they matter.
func TestOldRecordsBecomeStrict(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Embedded(t).Client)
	store := authstore.New(w.in.runner, w.in.space)
	for _, test := range []struct{ name, change, differs string }{
		{"nothing new", `{"name":"x"}`, `{"require_pkce":false,"require_par":false,"require_consent":false,"warnings":null}`},
		{
			"code", `{"grant_types":["authorization_code"],` + callback + `}`,
			`{"grant_types":["authorization_code"],` + callback + `,"require_dpop":true,"warnings":null}`,
		},
		{
			"code, decided", `{"grant_types":["authorization_code"],` + callback + `,"require_par":false,"require_dpop":false,"require_consent":false}`,
			`{"grant_types":["authorization_code"],` + callback + `,"require_par":false,"require_consent":false,"warnings":["no_par","no_dpop","no_consent"]}`,
		},
		{
			"device", `{"grant_types":["urn:ietf:params:oauth:grant-type:device_code"]}`,
			`{"grant_types":["urn:ietf:params:oauth:grant-type:device_code"],"require_pkce":false,"require_par":false,"require_dpop":true,"warnings":null}`,
		},
	} {
		id := "old-" + randomName()
		old := auth.Client{ID: id, Org: auth.DefaultOrg, Name: "x", SecretHash: "h", GrantTypes: []string{auth.GrantClientCredentials}}
		if _, err := store.PutClient(context.Background(), old, randomName()); err != nil {
			t.Fatal(err)
		}
		want := members(t, strictest)
		maps.Copy(want, map[string]any{"name": "x", "grant_types": []any{auth.GrantClientCredentials}})
		maps.Copy(want, members(t, test.differs))
		changed := w.patch("/api/client/"+id, adminToken, test.change).want(t, http.StatusOK)
		if diff := cmp.Diff(want, policy(t, changed)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}

	// What was decided stays decided when another such grant is added.
	w.post("/api/client", adminToken, `{"client_id":"web","preset":"web",`+callback+`}`).want(t, http.StatusCreated)
	changed := w.patch("/api/client/web", adminToken, `{"grant_types":["authorization_code","urn:ietf:params:oauth:grant-type:device_code"]}`)
	if got := policy(t, changed.want(t, http.StatusOK)); got["require_dpop"] != false || got["require_par"] != false {
		t.Errorf("require_dpop is %v, require_par %v", got["require_dpop"], got["require_par"])
	}
	// A client that is the operator's own no more asks, unless told not to.
	w.post("/api/client", adminToken, `{"client_id":"own","first_party":true}`).want(t, http.StatusCreated)
	if got := policy(t, w.patch("/api/client/own", adminToken, `{"first_party":false}`).want(t, http.StatusOK)); got["require_consent"] != true {
		t.Errorf("require_consent is %v", got["require_consent"])
	}
}

// What was issued under weaker rules ends where it would go on under stronger ones, and only there.
func TestTighteningEndsWhatWasIssued(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Embedded(t).Client)
	for n, test := range []struct {
		change string
		ends   bool
	}{
		{`{"require_consent":true}`, true},
		{`{"require_dpop":true,"require_pkce":true}`, true},
		{`{"require_pkce":true,"require_par":true,"code_lifetime":5,"post_logout_redirect_uris":["https://app.example/"]}`, false},
		{`{"claims_in":[],"name":"x"}`, false},
	} {
		id := "app" + string(rune('a'+n))
		w.post("/api/client", adminToken, `{"client_id":"`+id+`","public":true,"first_party":true,"grant_types":["password","refresh_token"],
			"scopes":["openid"],"require_pkce":false,"require_par":false}`).want(t, http.StatusCreated)
		login := func() string {
			return w.try(janeMail, janePass, `,"client_id":"`+id+`"`).want(t, http.StatusOK).text(t, "refresh_token")
		}
		refresh := func(token string) answer {
			return w.form("/oauth/token", "grant_type", "refresh_token", "client_id", id, "refresh_token", token)
		}
		token := login()
		w.clock.Advance(2 * time.Second)
		w.patch("/api/client/"+id, adminToken, test.change).want(t, http.StatusOK)
		// With DPoP off again the key is no reason to refuse: the login itself has ended.
		w.patch("/api/client/"+id, adminToken, `{"require_dpop":false}`).want(t, http.StatusOK)
		status := http.StatusOK
		if test.ends {
			status = http.StatusBadRequest
		}
		if a := refresh(token); a.status != status {
			t.Errorf("%s: a refresh token from before gives %d %s, want %d", test.change, a.status, a.body, status)
		}
		refresh(login()).want(t, http.StatusOK)
		w.clock.Advance(2 * time.Second)
	}
}

func TestSecretsAndKeysOfAClient(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Embedded(t).Client)
	c := w.newClient("default", "service", `"grant_types":["client_credentials"],"scopes":["x"]`)
	w.machineLogin(c, "x")
	changed := w.patch("/api/client/service", adminToken, `{"token_endpoint_auth_method":"private_key_jwt","jwks":`+publicKeySet+`}`).want(t, http.StatusOK)
	if changed.json(t)["public"] != false {
		t.Errorf("a client with a key is public: %s", changed.body)
	}
	// Its secret is gone, and none is made.
	if a := w.clientForm("/oauth/token", c, "grant_type", "client_credentials"); a.status != http.StatusUnauthorized {
		t.Errorf("its secret is still taken: %d %s", a.status, a.body)
	}
	w.post("/api/client/service/secret", adminToken, "").want(t, http.StatusBadRequest)

	w.post("/api/client", adminToken, `{"client_id":"page","public":true}`).want(t, http.StatusCreated)
	w.patch("/api/client/page", adminToken, `{"token_endpoint_auth_method":"private_key_jwt","jwks":`+publicKeySet+`}`).want(t, http.StatusOK)
	w.patch("/api/client/page", adminToken, `{"jwks":{"keys":[{`+keyMembers+`,"kid":"k2","use":"sig","alg":"ES256"}],"extra":1}}`).want(t, http.StatusOK)
	if text := w.get("/api/client/page", adminToken).body; !strings.Contains(text, `"kid":"k2"`) || strings.Contains(text, `"k1"`) {
		t.Errorf("the keys are not the new ones: %s", text)
	}
}

// DELETE is for the version it names, like PATCH.
func TestDeletionHonoursIfMatch(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Embedded(t).Client)
	for _, kind := range []struct{ what, path, body string }{
		{"client", "/api/client", `{"name":"x"}`}, {"token", "/api/token", `{"role":"reader"}`},
	} {
		created := w.post(kind.path, adminToken, kind.body).want(t, http.StatusCreated)
		etag, target := created.header.Get("ETag"), created.header.Get("Location")
		for _, other := range []string{`"99"`, `W/` + etag, `"0"`, `"foreign"`} {
			w.delete(target, adminToken, "If-Match", other).want(t, http.StatusPreconditionFailed)
		}
		w.delete(target, adminToken, "If-Match", "unquoted").want(t, http.StatusBadRequest)
		w.get(target, adminToken).want(t, http.StatusOK)
		if kind.what == "client" {
			w.patch(target, adminToken, `{"name":"y"}`).want(t, http.StatusOK)
			w.delete(target, adminToken, "If-Match", etag).want(t, http.StatusPreconditionFailed)
			etag = w.get(target, adminToken).header.Get("ETag")
		}
		w.delete(target, adminToken, "If-Match", etag).want(t, http.StatusNoContent)
		w.delete(target, adminToken, "If-Match", etag).want(t, http.StatusNotFound)
		for _, condition := range []string{"", "*"} {
			target := w.post(kind.path, adminToken, kind.body).want(t, http.StatusCreated).header.Get("Location")
			var headers []string
			if condition != "" {
				headers = []string{"If-Match", condition}
			}
			w.delete(target, adminToken, headers...).want(t, http.StatusNoContent)
		}
	}
}
