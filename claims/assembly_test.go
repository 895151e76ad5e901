package claims_test

import (
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/claimsmith/claimsmith/claims"
)

var janesProfile = claims.Profile{
	Name: `Jane "JD" Doe`, GivenName: "Jane", FamilyName: "Doe", MiddleName: "Q", Nickname: "jd", PreferredUsername: "jane",
	ProfileURL: "https://jane.example", Picture: "https://jane.example/p.png", Website: "https://jane.example/w",
	Gender: "female", Birthdate: "1990-05-17", Zoneinfo: "Europe/Vienna", Locale: "de-AT",
	UpdatedAt: time.Unix(1700000000, 0), Email: "jane@example.com", EmailVerified: true, PhoneNumber: "+43123",
	Address: claims.Address{
		Formatted: "Ring 1\n1010 Wien", StreetAddress: "Ring 1", Locality: "Wien", Region: "Wien", PostalCode: "1010", Country: "AT",
	},
}

// The wire is pinned: whoever changes a byte here changes every token.
func TestPayloadBytes(t *testing.T) {
	full := accessToken()
	minimal := claims.AccessToken{
		Issuer: issuer, Subject: "svc", Audience: []string{audience, "https://b.example"}, ID: "t2", ClientID: "svc",
		IssuedAt: issuedAt, ExpiresAt: issuedAt.Add(time.Minute),
	}
	odd := claims.AccessToken{Issuer: issuer, Subject: "a\"\\\n\u2028\x7f\xff<é>", IssuedAt: issuedAt, ExpiresAt: issuedAt}
	bound := claims.AccessToken{
		Issuer: issuer, Subject: "jane", Audience: []string{"https://orders.example"}, ID: "t3", ClientID: "web",
		IssuedAt: issuedAt, ExpiresAt: issuedAt.Add(time.Minute), KeyThumbprint: "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I",
		Actor: &claims.Actor{Subject: "web", Actor: &claims.Actor{Subject: `a"b`}},
	}
	logout := claims.LogoutToken{
		Issuer: issuer, Subject: "jane", Audience: "web", ID: "l1", SessionID: "s1", IssuedAt: issuedAt, ExpiresAt: issuedAt.Add(2 * time.Minute),
	}
	id := claims.IDToken{
		Issuer: issuer, Subject: "jane", Audience: []string{"web"}, AuthorizedParty: "web", Nonce: "n", AccessTokenHash: "h",
		SessionID: "s1", Org: "default", ACR: "1", AMR: []string{"pwd"}, IssuedAt: issuedAt, ExpiresAt: issuedAt.Add(time.Hour),
		AuthTime: issuedAt, Profile: janesProfile, Revision: 7, AppRevision: 3, OrgRevision: 5,
	}
	asked := id
	asked.Requested = []string{"name", "email_verified", "address", "sub", "no_such"}
	userinfo := func(scope string, requested ...string) *claims.UserInfo {
		return &claims.UserInfo{Subject: "jane", Org: "default", Scope: scope, Requested: requested, Profile: janesProfile, Revision: 7, OrgRevision: 5}
	}
	theme := profileOf(pair{"theme", `"Dark mode"`})

	for _, tt := range []struct{ name, got, want string }{
		{"an access token with everything", string(full.AppendJSON(nil, profileOf(
			pair{"ContractNumber", `12345678901234567890`}, pair{"empty", `[]`}, pair{"nothing", `null`}, pair{"prefs", `{"b":1,"a":[1.0,-0]}`}, pair{"user-theme", `"Light"`}))),
			`{"metadata_ContractNumber":12345678901234567890,"metadata_empty":[],"metadata_nothing":null,` +
				`"metadata_prefs":{"b":1,"a":[1.0,-0]},"metadata_user-theme":"Light",` +
				`"iss":"https://id.example","sub":"jane","aud":"https://api.example","exp":1788264600,"iat":1788264000,` +
				`"jti":"t1","client_id":"web","scope":"openid profile","auth_time":1788263940,"acr":"1","amr":["pwd","otp"],` +
				`"sid":"s1","org":"default","claims_rev":7,"claims_app_rev":3,"claims_org_rev":5}`},
		{"an access token with the least", string(minimal.AppendJSON(nil, nil)),
			`{"iss":"https://id.example","sub":"svc","aud":["https://api.example","https://b.example"],"exp":1788264060,` +
				`"iat":1788264000,"jti":"t2","client_id":"svc"}`},
		{"an access token bound to a key", string(bound.AppendJSON(nil, theme)),
			`{"metadata_theme":"Dark mode","iss":"https://id.example","sub":"jane","aud":"https://orders.example","exp":1788264060,` +
				`"iat":1788264000,"jti":"t3","client_id":"web","cnf":{"jkt":"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"},` +
				`"act":{"sub":"web","act":{"sub":"a\"b"}}}`},
		{"a logout token", string(logout.AppendJSON(nil)),
			`{"iss":"https://id.example","sub":"jane","aud":"web","iat":1788264000,"exp":1788264120,"jti":"l1","sid":"s1",` +
				`"events":{"http://schemas.openid.net/event/backchannel-logout":{}}}`},
		{"text that needs escaping, and no audience", string(odd.AppendJSON(nil, profileOf())),
			`{"iss":"https://id.example","sub":"a\"\\\n` + "\u2028\x7f\ufffd" + `<é>","aud":[],"exp":1788264000,"iat":1788264000}`},
		{"what dst has stays in front", string(minimal.AppendJSON([]byte("{"), theme))[:30], `{{"metadata_theme":"Dark mode"`},
		{"an ID token, without the profile it knows", string(id.AppendJSON(nil, theme)),
			`{"metadata_theme":"Dark mode","iss":"https://id.example","sub":"jane","aud":"web","exp":1788267600,"iat":1788264000,` +
				`"auth_time":1788264000,"nonce":"n","acr":"1","amr":["pwd"],"azp":"web","at_hash":"h","sid":"s1","org":"default",` +
				`"claims_rev":7,"claims_app_rev":3,"claims_org_rev":5}`},
		{"an ID token with profile claims asked for", string(asked.AppendJSON(nil, nil)),
			`{"name":"Jane \"JD\" Doe","email_verified":true,"address":{"formatted":"Ring 1\n1010 Wien","street_address":"Ring 1",` +
				`"locality":"Wien","region":"Wien","postal_code":"1010","country":"AT"},"iss":"https://id.example","sub":"jane","aud":"web",` +
				`"exp":1788267600,"iat":1788264000,"auth_time":1788264000,"nonce":"n","acr":"1","amr":["pwd"],"azp":"web",` +
				`"at_hash":"h","sid":"s1","org":"default","claims_rev":7,"claims_app_rev":3,"claims_org_rev":5}`},
		{"userinfo by openid alone", string(userinfo("openid").AppendJSON(nil, theme)),
			`{"metadata_theme":"Dark mode","sub":"jane","org":"default","claims_rev":7,"claims_org_rev":5}`},
		{"userinfo by profile", string(userinfo("openid profile").AppendJSON(nil, nil)),
			`{"name":"Jane \"JD\" Doe","given_name":"Jane","family_name":"Doe","middle_name":"Q","nickname":"jd",` +
				`"preferred_username":"jane","profile":"https://jane.example","picture":"https://jane.example/p.png",` +
				`"website":"https://jane.example/w","gender":"female","birthdate":"1990-05-17","zoneinfo":"Europe/Vienna",` +
				`"locale":"de-AT","updated_at":1700000000,"sub":"jane","org":"default","claims_rev":7,"claims_org_rev":5}`},
		{"userinfo by email, phone and one name", string(userinfo("phone openid email", "locale").AppendJSON(nil, nil)),
			`{"locale":"de-AT","email":"jane@example.com","email_verified":true,"phone_number":"+43123",` +
				`"phone_number_verified":false,"sub":"jane","org":"default","claims_rev":7,"claims_org_rev":5}`},
		{"userinfo by address", string(userinfo("address").AppendJSON(nil, nil)),
			`{"address":{"formatted":"Ring 1\n1010 Wien","street_address":"Ring 1","locality":"Wien","region":"Wien",` +
				`"postal_code":"1010","country":"AT"},"sub":"jane","org":"default","claims_rev":7,"claims_org_rev":5}`},
		{"userinfo of somebody unknown", string((&claims.UserInfo{Subject: "x", Scope: "profile email phone address"}).AppendJSON(nil, nil)),
			`{"sub":"x"}`},
	} {
		if diff := cmp.Diff(tt.want, tt.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

// SECURITY.md M-03: stored keys that are named like the issuer's claims, or not like keys at all.
func TestMetadataCannotReachOtherClaims(t *testing.T) {
	token := accessToken()
	for _, key := range []string{
		"sub", "iss", "aud", "exp", "scope", "client_id", "cnf", "act", "org_id", "azp", "roles", "amr", "metadata_x",
	} {
		got := string(token.AppendJSON(nil, profileOf(pair{key, `"stored"`})))
		if want := `{"metadata_` + key + `":"stored",` + string(token.AppendJSON(nil, nil))[1:]; got != want {
			t.Errorf("key %q:\ngot  %s\nwant %s", key, got, want)
		}
	}

	plain := string(token.AppendJSON(nil, nil))
	for name, p := range map[string]pair{
		"an empty key":              {"", `1`},
		"a quote in the key":        {`a":1,"sub`, `"admin"`},
		"a key of another alphabet": {"ſub", `1`},
		"a value with a member":     {"a", `1,"sub":"admin"`},
		"a value closing the token": {"a", `1}`},
		"a value with a duplicate":  {"a", `{"x":1,"\u0078":2}`},
		"a value cut off":           {"a", `{"x":`},
		"an unterminated string":    {"a", `"`},
		"no value":                  {"a", ``},
		"a value not in UTF-8":      {"a", "\"\xff\""},
		"a lone surrogate":          {"a", `"\ud800"`},
	} {
		if got := string(token.AppendJSON(nil, profileOf(p))); got != plain {
			t.Errorf("%s got into the token: %s", name, got)
		}
	}

	repeated := profileOf(pair{"b", `1`}, pair{"a", `2`}, pair{"b", `3`}, pair{"a", `4`}, pair{"c", `5`}, pair{"c", `6`})
	if got, want := string(token.AppendJSON(nil, repeated)), `{"metadata_b":1,"metadata_a":2,"metadata_c":5,"iss"`; !strings.HasPrefix(got, want) {
		t.Errorf("repeated keys: got %s", got)
	}
}

// checkPayload fails unless text is one JSON object without duplicate members whose members are the issuer's or begin with
// the prefix and a key, and whose members named in own have those values.
func checkPayload(t interface{ Fatalf(string, ...any) }, text []byte, own map[string]string) {
	var members map[string]jsontext.Value
	if err := json.Unmarshal(text, &members); err != nil {
		t.Fatalf("not strict JSON: %v\n%s", err, text)
	}
	for name := range members {
		key, stored := strings.CutPrefix(name, claims.Prefix)
		if stored && !claims.ValidKey(key) || !stored && !claims.Reserved(name) {
			t.Fatalf("unexpected member %q in %s", name, text)
		}
	}
	for name, want := range own {
		if got := string(members[name]); got != want {
			t.Fatalf("%s is %s, not %s, in %s", name, got, want, text)
		}
	}
}

var ownClaims = map[string]string{
	"iss": `"https://id.example"`, "sub": `"jane"`, "aud": `"https://api.example"`, "jti": `"t1"`, "client_id": `"web"`,
	"scope": `"openid profile"`, "org": `"default"`, "exp": "1788264600", "iat": "1788264000", "claims_rev": "7",
}

func TestNothingStoredCanForgeAClaim(t *testing.T) {
	key := rapid.OneOf(rapid.String(), rapid.StringMatching(`[A-Za-z][A-Za-z0-9_.-]{0,70}`),
		rapid.SampledFrom([]string{"sub", "iss", "a", "b", `a":1,"sub`, "theme", "Theme"}))
	value := rapid.OneOf(rapid.String(), rapid.Map(rapid.String(), func(s string) string {
		text, _ := jsontext.AppendQuote(nil, s)
		return string(text)
	}), rapid.SampledFrom([]string{"1", "null", "[]", `{"sub":"admin"}`, `1,"sub":"admin"`, `{}}`, `"`, `"\u0000"`}))
	pairs := rapid.SliceOf(rapid.Custom(func(t *rapid.T) pair { return pair{key.Draw(t, "key"), value.Draw(t, "value")} }))
	rapid.Check(t, func(t *rapid.T) {
		stored := profileOf(pairs.Draw(t, "stored")...)
		access := accessToken()
		checkPayload(t, access.AppendJSON(nil, stored), ownClaims)
		text := rapid.String()
		id := claims.IDToken{Issuer: issuer, Subject: "jane", Nonce: text.Draw(t, "nonce"), Requested: []string{"name"},
			Profile: claims.Profile{Name: text.Draw(t, "name")}}
		checkPayload(t, id.AppendJSON(nil, stored), map[string]string{"sub": `"jane"`})
		info := claims.UserInfo{Subject: "jane", Scope: "profile address", Profile: claims.Profile{
			Name: text.Draw(t, "name"), Address: claims.Address{Country: text.Draw(t, "country")}}}
		checkPayload(t, info.AppendJSON(nil, stored), map[string]string{"sub": `"jane"`})
	})
}

func FuzzAccessTokenJSON(f *testing.F) {
	f.Add("theme", `"dark"`, "sub", `"admin"`, "jane")
	f.Add(`a":1,"sub`, `1`, "a", `1,"sub":"admin"`, "\xff")
	f.Add("a", `{"a":1}`, "a", "2", `"`)
	f.Fuzz(func(t *testing.T, key1, value1, key2, value2, acr string) {
		token := accessToken()
		token.ACR = acr
		got := token.AppendJSON([]byte("before"), profileOf(pair{key1, value1}, pair{key2, value2}))
		checkPayload(t, got[len("before"):], ownClaims)
	})
}

func TestAccessTokenHash(t *testing.T) {
	// The first is the example of OpenID Connect Core appendix A.4.
	for _, tt := range []struct{ alg, token, want string }{
		{"RS256", "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y", "77QmUPtjPfzWtF2AnpK9RQ"},
		{"ES256", "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y", "77QmUPtjPfzWtF2AnpK9RQ"},
	} {
		if got, err := claims.AccessTokenHash(tt.alg, tt.token); err != nil || got != tt.want {
			t.Errorf("%s: %q, %v; want %q", tt.alg, got, err, tt.want)
		}
	}
	if got, err := claims.AccessTokenHash("EdDSA", "x"); err != nil || len(got) != 43 {
		t.Errorf("EdDSA: %q, %v; want the half of a SHA-512", got, err)
	}
	if got, err := claims.AccessTokenHash("HS256", "x"); err == nil {
		t.Errorf("HS256: %q, want an error", got)
	}
}
