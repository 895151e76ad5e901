package main

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

// Whatever is asked of a client, it is refused and nothing changes, or the client is one that keeps the rules.
func TestClientsKeepTheRules(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Embedded(t).Client)
	texts := map[string][]string{
		"type": {`"web"`, `"native"`}, "token_endpoint_auth_method": {`"none"`, `"client_secret_basic"`, `"private_key_jwt"`, `""`},
		"jwks": {publicKeySet, secretKeySet, `{"keys":[]}`}, "first_party": {`true`, `false`}, "require_pkce": {`true`, `false`},
		"require_par": {`true`, `false`}, "require_dpop": {`true`, `false`}, "require_consent": {`true`, `false`},
		"rotate_refresh_tokens": {`true`, `false`}, "code_lifetime": {`0`, `1`, `60`, `61`}, "allow_token_endpoint_audience": {`true`, `false`},
		"self_registration":  {`true`, `false`},
		"redirect_uris":      {`[]`, `["https://app.example/cb"]`, `["http://127.0.0.1/cb"]`, `["com.example.app:/cb"]`, `["http://app.example/cb"]`},
		"allowed_origins":    {`[]`, `["https://app.example"]`, `["*"]`},
		"exchange_audiences": {`[]`, `["api"]`, `["` + testIssuer + `/api"]`},
		"grant_types": {
			`[]`, `["authorization_code"]`, `["authorization_code","refresh_token"]`, `["client_credentials"]`, `["password"]`,
			`["urn:ietf:params:oauth:grant-type:device_code","refresh_token"]`, `["urn:ietf:params:oauth:grant-type:token-exchange"]`,
		},
	}
	names := slices.Sorted(maps.Keys(texts))
	draw := func(t *rapid.T, extra string) string {
		parts := []string{}
		if extra != "" {
			parts = append(parts, extra)
		}
		for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom(names), 0, 5, rapid.ID[string]).Draw(t, "members") {
			parts = append(parts, quote(name)+":"+rapid.SampledFrom(texts[name]).Draw(t, name))
		}
		return "{" + strings.Join(parts, ",") + "}"
	}
	created, changed := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		extra := rapid.SampledFrom(append([]string{"", "", `"public":true`}, presetMembers()...)).Draw(t, "first")
		sent := draw(t, extra)
		a := w.post("/api/client", adminToken, sent)
		if a.status == http.StatusBadRequest {
			return
		}
		if a.status != http.StatusCreated {
			t.Fatalf("%s: %d %s", sent, a.status, a.body)
		}
		created++
		keepsTheRules(t, sent, a)
		target := a.header.Get("Location")
		for range 3 {
			before := w.get(target, adminToken)
			change := draw(t, "")
			switch a := w.patch(target, adminToken, change); a.status {
			case http.StatusBadRequest:
				if after := w.get(target, adminToken); after.body != before.body || after.header.Get("ETag") != before.header.Get("ETag") {
					t.Fatalf("%s was refused and yet changed\n%s\nto\n%s", change, before.body, after.body)
				}
			case http.StatusOK:
				changed++
				keepsTheRules(t, before.body+change, a)
				if strings.Contains(before.body, `"public":false`) && !strings.Contains(a.body, `"public":false`) {
					t.Fatalf("%s made a client public that was not", change)
				}
			default:
				t.Fatalf("%s: %d %s", change, a.status, a.body)
			}
		}
	})
	if created < 10 || changed < 10 {
		t.Errorf("only %d clients were created and %d changed: this shows nothing", created, changed)
	}
}

func presetMembers() (all []string) {
	for _, name := range auth.Presets() {
		all = append(all, `"preset":`+quote(name)+`,`+callback, `"preset":`+quote(name))
	}
	return all
}

func keepsTheRules(t *rapid.T, what string, a answer) {
	var c struct {
		JWKS              json.RawMessage         `json:"jwks"`
		Public            bool                    `json:"public"`
		FirstParty        bool                    `json:"first_party"`
		GrantTypes        []string                `json:"grant_types"`
		RedirectURIs      []string                `json:"redirect_uris"`
		ExchangeAudiences []string                `json:"exchange_audiences"`
		AuthMethod        string                  `json:"token_endpoint_auth_method"`
		PKCE              bool                    `json:"require_pkce"`
		PAR               bool                    `json:"require_par"`
		DPoP              bool                    `json:"require_dpop"`
		Consent           bool                    `json:"require_consent"`
		Rotate            bool                    `json:"rotate_refresh_tokens"`
		EndpointAudience  bool                    `json:"allow_token_endpoint_audience"`
		CodeLifetime      int                     `json:"code_lifetime"`
		SelfRegistration  bool                    `json:"self_registration"`
		Warnings          []struct{ Code string } `json:"warnings"`
	}
	if err := json.Unmarshal([]byte(a.body), &c); err != nil {
		t.Fatal(err)
	}
	has := func(grant string) bool { return slices.Contains(c.GrantTypes, grant) }
	warns := func(code string) bool {
		return slices.ContainsFunc(c.Warnings, func(w struct{ Code string }) bool { return w.Code == code })
	}
	key, code := c.AuthMethod == auth.AuthPrivateKeyJWT, has(auth.GrantAuthorizationCode)
	users := code || has(auth.GrantDeviceCode)
	for rule, broken := range map[string]bool{
		"a code goes somewhere":                     code && len(c.RedirectURIs) == 0,
		"a key is there to authenticate with":       key != (len(c.JWKS) > 0),
		"public means none":                         c.Public != (c.AuthMethod == auth.AuthNone),
		"only who authenticates acts for itself":    c.Public && (has(auth.GrantClientCredentials) || has(auth.GrantTokenExchange)),
		"an exchange has an audience":               has(auth.GrantTokenExchange) && len(c.ExchangeAudiences) == 0,
		"passwords are for first parties":           has(auth.GrantPassword) && !c.FirstParty,
		"public refresh tokens are bound or rotate": c.Public && !c.Rotate && !c.DPoP,
		"codes are short-lived":                     c.CodeLifetime < 1 || c.CodeLifetime > 60,
		"no foreign audience without a key":         c.EndpointAudience && !key,
		"no_pkce":                                   warns("no_pkce") != (code && !c.PKCE),
		"no_par":                                    warns("no_par") != (code && !c.PAR),
		"no_dpop":                                   warns("no_dpop") != (users && !c.DPoP),
		"no_consent":                                warns("no_consent") != (users && !c.Consent && !c.FirstParty),
		"no_rotation":                               warns("no_rotation") != (has(auth.GrantRefreshToken) && !c.Rotate),
		"token_endpoint_audience":                   warns("token_endpoint_audience") != c.EndpointAudience,
		"password_grant":                            warns("password_grant") != has(auth.GrantPassword),
		"self_registration":                         warns("self_registration") != c.SelfRegistration,
		"registration takes passwords":              c.SelfRegistration && !has(auth.GrantPassword),
		"origins are origins":                       strings.Contains(a.body, `"allowed_origins":["*"]`),
		"the API is nobody's audience":              strings.Contains(a.body, testIssuer+"/api"),
		"private keys stay away":                    strings.Contains(a.body, `"d":`),
		"redirects are safe":                        strings.Contains(a.body, "http://app.example") || !strings.Contains(a.body, `"native"`) && strings.Contains(a.body, "127.0.0.1"),
	} {
		if broken {
			t.Fatalf("%s: not so after %s:\n%s", rule, what, a.body)
		}
	}
}
