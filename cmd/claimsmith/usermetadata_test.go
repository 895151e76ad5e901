package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/claims"
	"github.com/claimsmith/claimsmith/internal/redistest"
	"github.com/claimsmith/claimsmith/metadata"
)

const allMetadata = auth.ScopeUserMetadata

// store puts a value that need not be JSON.
func (w *world) store(user, key string, value metadata.Value) {
	w.t.Helper()
	target := metadata.Target{Org: auth.DefaultOrg, User: user}
	change := metadata.Change{Set: []metadata.Put{{Key: key, Value: value}}}
	if _, err := w.app.metadata.Apply(w.t.Context(), auth.System(), target, change, metadata.Precondition{}); err != nil {
		w.t.Fatal(err)
	}
}

// loginTo logs jane in by password to a client and returns the token response.
func (w *world) loginTo(c client, scope string) answer {
	w.t.Helper()
	parameters := []string{"grant_type", "password", "username", janeMail, "password", janePass}
	if scope != "" {
		parameters = append(parameters, "scope", scope)
	}
	return w.clientForm("/oauth/token", c, parameters...).want(w.t, http.StatusOK)
}

// told is the exact text of the claim in what a token response leads to, by place; "" where it is not there.
func (w *world) told(a answer) map[string]string {
	w.t.Helper()
	access := a.text(w.t, "access_token")
	payloads := map[string]string{
		auth.InAccessToken:   decodeSegment(w.t, strings.Split(access, ".")[1]),
		auth.InIntrospection: w.introspectAs(adminToken, access).want(w.t, http.StatusOK).body,
	}
	if id := a.text(w.t, "id_token"); id != "" {
		payloads[auth.InIDToken] = decodeSegment(w.t, strings.Split(id, ".")[1])
		payloads[auth.InUserInfo] = w.get("/oauth/userinfo", access).want(w.t, http.StatusOK).body
	}
	for place, payload := range payloads {
		var all map[string]json.RawMessage
		if err := json.Unmarshal([]byte(payload), &all); err != nil {
			w.t.Fatal(err)
		}
		payloads[place] = string(all[claims.UserMetadataClaim])
	}
	return payloads
}

// wantTold checks that every place tells the same.
func (w *world) wantTold(what string, a answer, want string) {
	w.t.Helper()
	for place, got := range w.told(a) {
		if got != want {
			w.t.Errorf("%s: %s has\n%s\nwant\n%s", what, place, got, want)
		}
	}
}

// reader is a client that may ask for everything stored.
func (w *world) reader(id, members string) client {
	w.t.Helper()
	return w.newClient("default", id, `"first_party":true,"grant_types":["password","refresh_token"],
		"scopes":["openid","profile","`+allMetadata+`"]`+members)
}

// Scope urn:zitadel:iam:user:metadata gives all entries that services may read, as bytes, over every store.
func TestUserMetadataIsEverythingAsItsBytes(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		w := newWorld(t, b.Client)
		c := w.reader("reader", "")
		w.wantTold("nothing stored", w.loginTo(c, "openid "+allMetadata), "")
		for key, value := range map[string]string{
			"ContractNumber": `"1234"`, "number": `1.0`, "list": `[1, {"a":null}]`, "empty": `""`, "unicode": `"Zürich \u0000 \ud83d\ude00"`,
			"iss": `"https://evil.example"`, `quote"\`: `true`, "ключ <b>&": `"x"`,
		} {
			v, err := metadata.JSON([]byte(value))
			if err != nil {
				t.Fatal(err)
			}
			w.store("jane", key, v)
		}
		w.store("jane", "bytes", metadata.Bytes([]byte{0xff, 0xfe, 0, '"', '>', '?'}))
		w.put("/api/user/jane/metadata/theme", adminToken, `{"value":"Dark","profileClaim":true}`).want(t, http.StatusOK)
		w.put("/api/user/jane/metadata/own?app=reader", adminToken, `{"value":"of the application"}`).want(t, http.StatusOK)
		want := `{"ContractNumber":"MTIzNA","bytes":"__4AIj4_","empty":"","iss":"aHR0cHM6Ly9ldmlsLmV4YW1wbGU","list":"WzEseyJhIjpudWxsfV0",` +
			`"number":"MS4w","quote\"\\":"dHJ1ZQ","theme":"RGFyaw","unicode":"WsO8cmljaCAAIPCfmIA","ключ <b>&":"eA"}`
		tokens := w.loginTo(c, "openid "+allMetadata)
		w.wantTold("everything", tokens, want)

		access, err := w.app.verifier.VerifyAccessToken(t.Context(), tokens.text(t, "access_token"))
		if err != nil {
			t.Fatal(err)
		}
		if access.Issuer != testIssuer || string(access.UserMetadata["bytes"]) != "\xff\xfe\x00\">?" || len(access.UserMetadata) != 10 {
			t.Errorf("a service reads %+v", access)
		}
		w.wantTold("refreshed", w.clientForm("/oauth/token", c, "grant_type", "refresh_token", "refresh_token", tokens.text(t, "refresh_token")), want)
		w.wantTold("without openid", w.loginTo(c, allMetadata), want)
		w.wantTold("not asked for", w.loginTo(c, "openid profile"), "")
		w.wantTold("asked for nothing", w.loginTo(c, ""), "")
	})
}

// The wire is pinned.
func TestAccessTokenWithUserMetadata(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Embedded(t).Client)
	w.put("/api/user/jane/metadata/ContractNumber", adminToken, `{"value":"1234"}`).want(t, http.StatusOK)
	w.put("/api/user/jane/metadata/theme", adminToken, `{"value":"Dark","profileClaim":true}`).want(t, http.StatusOK)
	payload := decodeSegment(t, strings.Split(w.loginTo(w.reader("reader", ""), "openid "+allMetadata).text(t, "access_token"), ".")[1])
	changing := regexp.MustCompile(`"(exp|iat|jti|auth_time|sid)":("[^"]*"|[0-9]+)`)
	const want = `{"metadata_theme":"Dark","urn:zitadel:iam:user:metadata":{"ContractNumber":"MTIzNA","theme":"RGFyaw"},"iss":"https://id.example",` +
		`"sub":"jane-id","aud":"https://id.example","exp":*,"iat":*,"jti":*,"client_id":"reader","scope":"openid urn:zitadel:iam:user:metadata",` +
		`"auth_time":*,"acr":"1","amr":["pwd"],"sid":*,"org":"default","claims_rev":2}`
	if got := changing.ReplaceAllString(payload, `"$1":*`); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// A token leaves the claim out where it is too large for a header, and not what is one byte shorter; answers never do.
func TestUserMetadataTooLargeForTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Embedded(t).Client)
	c := w.reader("reader", "")
	for _, tt := range []struct {
		key    string
		size   int
		inside bool
	}{{"k", 4096, true}, {"kk", 4097, false}, {`"`, 4097, false}} {
		w.put("/api/user/jane/metadata", adminToken, `{"metadata":[]}`).want(t, http.StatusOK)
		w.store("jane", tt.key, metadata.Bytes([]byte(strings.Repeat("\xff", 3066))))
		told := w.told(w.loginTo(c, "openid "+allMetadata))
		for place, got := range told {
			token := place == auth.InAccessToken || place == auth.InIDToken
			if want := tt.inside || !token; want != (got != "") || want && len(got) != tt.size {
				t.Errorf("%q of %d bytes: %s has %d bytes", tt.key, tt.size, place, len(got))
			}
		}
	}
	w.store("jane", "large", metadata.Bytes([]byte(strings.Repeat("\xff", metadata.MaxValueBytes))))
	tokens := w.loginTo(c, "openid "+allMetadata)
	if told := w.told(tokens); len(told[auth.InUserInfo]) < metadata.MaxValueBytes || len(tokens.text(t, "access_token")) > 1000 {
		t.Errorf("userinfo has %d bytes, the access token %d", len(told[auth.InUserInfo]), len(tokens.text(t, "access_token")))
	}
}

// A token whose claims leave no room for it has it no more, and is read by everybody (see maxPayload of package auth).
func TestUserMetadataGivesWayToClaims(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Embedded(t).Client)
	c := w.reader("reader", "")
	claim := func(length int) string {
		return `{"value":` + quote(strings.Repeat("x", length)) + `,"profileClaim":true}`
	}
	w.put("/api/user/jane/metadata/a", adminToken, claim(2900)).want(t, http.StatusOK)
	w.put("/api/user/jane/metadata/b?app=reader", adminToken, claim(3000)).want(t, http.StatusOK)
	if told := w.told(w.loginTo(c, "openid "+allMetadata)); told[auth.InAccessToken] == "" || told[auth.InIDToken] == "" {
		t.Error("there was room")
	}
	w.put("/api/org/default/metadata/c", adminToken, claim(1900)).want(t, http.StatusOK)
	pass(time.Second, w)
	tokens := w.loginTo(c, "openid "+allMetadata)
	if told := w.told(tokens); told[auth.InAccessToken] != "" || told[auth.InIDToken] != "" || told[auth.InUserInfo] == "" {
		t.Errorf("%v", told)
	}
	if _, err := w.app.verifier.VerifyAccessToken(t.Context(), tokens.text(t, "access_token")); err != nil {
		t.Error(err)
	}
}

// Neither what only operators may read is in it, nor what a definition or the client's policy keeps from the client (row M-14).
func TestUserMetadataKeepsToTheRules(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Embedded(t).Client)
	all := w.reader("reader", "")
	picky := w.reader("picky", `,"claim_keys":["others","open"]`)
	narrow := w.reader("narrow", `,"claims_in":["userinfo"]`)
	w.store("jane", "RATING", metadata.Bytes([]byte("1")))
	w.define("rating", `{"claim":"never","read":"operator"}`)
	w.define("others", `{"clients":["picky"]}`)
	w.define("answers", `{"places":["userinfo","introspection"]}`)
	w.define("private", `{"claim":"never","read":"self"}`)
	pass(time.Second, w)
	for _, key := range []string{"rating", "others", "answers", "private", "open"} {
		w.store("jane", key, metadata.Bytes([]byte("1")))
	}
	const (
		answers = `{"answers":"MQ","open":"MQ"}`
		tokens  = `{"open":"MQ"}`
		few     = `{"open":"MQ","others":"MQ"}`
	)
	for _, tt := range []struct {
		client                      client
		access, id, info, introspec string
	}{
		{all, tokens, tokens, answers, answers},
		{picky, few, few, few, few},
		{narrow, "", "", answers, ""},
	} {
		told := w.told(w.loginTo(tt.client, "openid "+allMetadata))
		for place, want := range map[string]string{
			auth.InAccessToken: tt.access, auth.InIDToken: tt.id, auth.InUserInfo: tt.info, auth.InIntrospection: tt.introspec,
		} {
			if told[place] != want {
				t.Errorf("%s: %s has %s, want %s", tt.client.id, place, told[place], want)
			}
		}
	}
	w.delete("/api/metadata-key/rating", adminToken).want(t, http.StatusNoContent)
	w.define("open", `{"claim":"never","read":"operator"}`)
	pass(time.Second, w)
	told := w.told(w.loginTo(all, "openid "+allMetadata))
	if want := `{"RATING":"MQ","rating":"MQ"}`; told[auth.InAccessToken] != want {
		t.Errorf("after the definitions changed: %s", told[auth.InAccessToken])
	}
}

// What the client may no longer ask for it is no longer told, and a refresh can do without (row O-08).
func TestUserMetadataFollowsTheScope(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Embedded(t).Client)
	w.put("/api/user/jane/metadata/k", adminToken, `{"value":"v"}`).want(t, http.StatusOK)
	c := w.reader("reader", "")
	const value = `{"k":"dg"}`
	refresh := func(a answer, more ...string) answer {
		t.Helper()
		parameters := append([]string{"grant_type", "refresh_token", "refresh_token", a.text(t, "refresh_token")}, more...)
		return w.clientForm("/oauth/token", c, parameters...).want(t, http.StatusOK)
	}
	tokens := w.loginTo(c, "openid "+allMetadata)
	narrowed := refresh(tokens, "scope", "openid")
	w.wantTold("narrowed", narrowed, "")
	wide := refresh(narrowed)
	w.wantTold("as wide as the login", wide, value)

	w.patch("/api/client/reader", adminToken, `{"scopes":["openid","profile"]}`).want(t, http.StatusOK)
	pass(time.Second, w)
	told := w.told(wide)
	if told[auth.InAccessToken] != value || told[auth.InUserInfo] != "" || told[auth.InIntrospection] != "" {
		t.Errorf("after the scope was taken away: %v", told)
	}
	reduced := refresh(wide)
	if w.wantTold("refreshed then", reduced, ""); reduced.text(t, "scope") != "openid" {
		t.Errorf("scope %s", reduced.text(t, "scope"))
	}
	refused := w.clientForm("/oauth/token", c, "grant_type", "password", "username", janeMail, "password", janePass, "scope", allMetadata)
	if refused.status != http.StatusBadRequest || refused.text(t, "error") != "invalid_scope" {
		t.Errorf("asked for again: %d %s", refused.status, refused.body)
	}
}

// A browser's login, a device and an exchange have the scope where they asked for it, and a client of its own has no user.
func TestUserMetadataInEveryFlow(t *testing.T) {
	w := newWorld(t, redistest.Embedded(t).Client)
	w.put("/api/user/jane/metadata/k", adminToken, `{"value":"v"}`).want(t, http.StatusOK)
	const value = `{"k":"dg"}`
	scopes := `,"scopes":["openid","profile","` + allMetadata + `"]`

	secret := w.webClient("shop", scopes)
	b := w.newBrowser()
	consent := b.open(authorizeURL("shop", webRedirect, "scope", "openid "+allMetadata)).signIn().want(http.StatusOK)
	if !strings.Contains(consent.text(), "Everything that is stored about you here") {
		t.Errorf("the consent page says %s", consent.text())
	}
	code := consent.submit("approve").answered().Get("code")
	w.wantTold("by code", w.redeem("shop", secret, code).want(t, http.StatusOK), value)
	code = b.open(authorizeURL("shop", webRedirect, "scope", "openid", "prompt", "none")).answered().Get("code")
	w.wantTold("by code, not asked for", w.redeem("shop", secret, code).want(t, http.StatusOK), "")

	w.newDeviceClient("tv", scopes)
	tv := &device{w, "tv", w.form("/oauth/device", "client_id", "tv", "scope", "openid "+allMetadata).want(t, http.StatusOK)}
	tv.settle("approve")
	w.clock.Advance(6 * time.Second)
	w.wantTold("by device", tv.poll().want(t, http.StatusOK), value)

	app := w.reader("app", `,"audience":["`+gatewayAudience+`"]`)
	service := `"grant_types":["` + exchangeGrant + `","client_credentials"],"audience":["` + gatewayAudience + `"],"exchange_audiences":["` + stockAudience + `"]`
	knows := w.newClient("default", "knows", service+`,"scopes":["profile","`+allMetadata+`"]`)
	not := w.newClient("default", "knows-not", service+`,"scopes":["profile"]`)
	subject := w.loginTo(app, "openid profile "+allMetadata).text(t, "access_token")
	w.wantTold("exchanged", w.clientForm("/oauth/token", knows, exchangeRequest(subject)...).want(t, http.StatusOK), value)
	w.wantTold("exchanged for less", w.clientForm("/oauth/token", knows, with(exchangeRequest(subject), "scope", "profile")...).want(t, http.StatusOK), "")
	w.wantTold("exchanged without the scope", w.clientForm("/oauth/token", not, exchangeRequest(subject)...).want(t, http.StatusOK), "")

	a := w.clientForm("/oauth/token", knows, "grant_type", "client_credentials", "scope", allMetadata)
	if a.status != http.StatusBadRequest || a.text(t, "error") != "invalid_scope" {
		t.Errorf("a client for itself: %d %s", a.status, a.body)
	}
	w.wantTold("a client's own", w.clientForm("/oauth/token", knows, "grant_type", "client_credentials").want(t, http.StatusOK), "")
}

// Whoever does not ask costs nobody a round trip, and whoever asks one.
func TestUserMetadataCostsOneRoundTrip(t *testing.T) {
	t.Parallel()
	first, w, hook := overtake(t, redistest.Embedded(t))
	first.put("/api/user/jane/metadata/k", adminToken, `{"value":"v"}`).want(t, http.StatusOK)
	c := first.reader("reader", "")
	count := func(do func()) int {
		do() // so that scripts are known, and what is remembered is
		hook.next(0, nil)
		do()
		return hook.disarm()
	}
	of := func(scope string) (refresh, info int) {
		tokens := w.loginTo(c, scope)
		refresh = count(func() {
			tokens = w.clientForm("/oauth/token", c, "grant_type", "refresh_token", "refresh_token", tokens.text(t, "refresh_token")).want(t, http.StatusOK)
		})
		return refresh, count(func() { w.get("/oauth/userinfo", tokens.text(t, "access_token")).want(t, http.StatusOK) })
	}
	refresh, info := of("openid profile")
	withRefresh, withInfo := of("openid " + allMetadata)
	if withRefresh != refresh+1 || withInfo != info+1 || refresh > 2 {
		t.Errorf("a refresh takes %d and %d, userinfo %d and %d", refresh, withRefresh, info, withInfo)
	}
}

// What is read is what stood at one moment, whoever writes meanwhile.
func TestUserMetadataIsOneSnapshot(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		w := newWorld(t, b.Client)
		second := w.again()
		c := w.reader("reader", "")
		write := func(n int) answer {
			body := fmt.Sprintf(`{"set":[{"key":"a","value":%d},{"key":"b","value":%d,"profileClaim":true}]}`, n, n)
			return w.patch("/api/user/jane-id/metadata", adminToken, body)
		}
		write(0).want(t, http.StatusOK)
		tokens := w.loginTo(c, "openid "+allMetadata)
		rounds := rounds(b, 4)
		answers := together(rounds*8, func(n int) answer {
			if n%2 == 0 {
				return write(n)
			}
			return second.get("/oauth/userinfo", tokens.text(t, "access_token"))
		})
		for n, a := range answers {
			a.want(t, http.StatusOK)
			if n%2 == 0 {
				continue
			}
			var told struct {
				All map[string]string `json:"urn:zitadel:iam:user:metadata"`
			}
			if err := json.Unmarshal([]byte(a.body), &told); err != nil || told.All["a"] == "" || told.All["a"] != told.All["b"] {
				t.Errorf("half a change: %s (%v)", a.body, err)
			}
		}
	})
}

// Who is disabled, erased or out of the organisation is told about no more.
func TestUserMetadataOfWhoIsGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Embedded(t).Client)
	c := w.reader("reader", "")
	for name, end := range map[string]func(id string){
		"disabled": func(id string) { w.patch("/api/user/"+id, adminToken, `{"disabled":true}`).want(t, http.StatusOK) },
		"erased":   func(id string) { w.delete("/api/user/"+id, adminToken).want(t, http.StatusNoContent) },
	} {
		withUser(w, name)
		w.put("/api/user/"+name+"/metadata/k", adminToken, `{"value":"v"}`).want(t, http.StatusOK)
		tokens := w.clientForm("/oauth/token", c, "grant_type", "password", "username", name+"-name", "password", janePass, "scope", "openid "+allMetadata)
		w.wantTold(name+", before", tokens.want(t, http.StatusOK), `{"k":"dg"}`)
		end(name)
		pass(time.Second, w)
		access := tokens.text(t, "access_token")
		w.get("/oauth/userinfo", access).want(t, http.StatusUnauthorized)
		if a := w.introspectAs(adminToken, access); !isInactive(a) {
			t.Errorf("%s: %s", name, a.body)
		}
		w.clientForm("/oauth/token", c, "grant_type", "refresh_token", "refresh_token", tokens.text(t, "refresh_token")).want(t, http.StatusBadRequest)
	}
}

// urn:zitadel:iam:org:project:id:zitadel:aud makes a machine client what iam/ does, and a user nothing.
func TestZitadelScopeIsThatOfTheAPI(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Embedded(t).Client)
	scopes := `"scopes":["reports","iam/","` + auth.ScopeZitadelAPI + `"]`
	machine := w.newClient("default", "machine", `"grant_types":["client_credentials"],`+scopes)
	token := func(c client, more ...string) answer {
		return w.clientForm("/oauth/token", c, append([]string{"grant_type", "client_credentials"}, more...)...)
	}
	if got := token(machine).text(t, "scope"); got != "reports" {
		t.Errorf("unasked it gets %q", got)
	}
	issued := token(machine, "scope", auth.ScopeZitadelAPI).want(t, http.StatusOK)
	access := issued.text(t, "access_token")
	if aud := claimsOf(t, access)["aud"]; aud != auth.APIAudience(testIssuer) || issued.text(t, "scope") != auth.ScopeZitadelAPI {
		t.Errorf("aud %v, %s", aud, issued.body)
	}
	w.put("/api/user/jane/metadata/plan", access, `{"value":"pro","profileClaim":true}`).want(t, http.StatusOK)
	w.get("/api/user/jane", access).want(t, http.StatusOK)
	w.post("/api/client", access, `{"client_id":"another"}`).want(t, http.StatusForbidden) // as with iam/

	beside := token(machine, "scope", "openid profile "+auth.ScopeZitadelAPI+" reports").want(t, http.StatusOK)
	if got := beside.text(t, "scope"); got != auth.ScopeZitadelAPI+" reports" {
		t.Errorf("asking as Zitadel's libraries do it gets %q", got)
	}
	token(machine, "scope", "openid reports").want(t, http.StatusBadRequest)

	only := w.newClient("default", "only", `"grant_types":["client_credentials"],"scopes":["iam/"]`)
	token(only, "scope", auth.ScopeZitadelAPI).want(t, http.StatusBadRequest)
	w.patch("/api/client/machine", adminToken, `{"scopes":["reports","iam/"]}`).want(t, http.StatusOK)
	pass(2*time.Second, w)
	w.put("/api/user/jane/metadata/plan", access, `{"value":"free","profileClaim":true}`).want(t, http.StatusNotFound)

	app := w.newClient("default", "app", `"first_party":true,"grant_types":["password"],"scopes":["openid","iam/","`+auth.ScopeZitadelAPI+`"]`)
	other := w.post("/api/user", adminToken, `{"username":"john"}`).want(t, http.StatusCreated).text(t, "id")
	jane := w.loginTo(app, "openid "+auth.ScopeZitadelAPI).text(t, "access_token")
	w.get("/api/user/me", jane).want(t, http.StatusOK)
	for _, target := range []string{"/api/user/" + other, "/api/user/" + other + "/metadata", "/api/user"} {
		if a := w.get(target, jane); a.status != http.StatusNotFound && a.status != http.StatusForbidden {
			t.Errorf("a user reads %s: %d %s", target, a.status, a.body)
		}
	}
	w.put("/api/user/jane/metadata/mine", jane, `{"value":1,"profileClaim":true}`).want(t, http.StatusForbidden)
	if got := w.loginTo(app, "").text(t, "scope"); got != "openid" {
		t.Errorf("a user gets %q unasked", got)
	}
}

// A preview of the scope at the API is what is issued then.
func TestPreviewWithUserMetadata(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Embedded(t).Client)
	c := w.reader("reader", "")
	w.define("rating", `{"claim":"never","read":"operator"}`)
	w.store("jane", "rating", metadata.Bytes([]byte("1")))
	w.put("/api/user/jane/metadata/k", adminToken, `{"value":"v"}`).want(t, http.StatusOK)
	preview := func(body string) map[string]any {
		return w.post("/api/user/jane/claims", adminToken, body).want(t, http.StatusOK).json(t)
	}
	shown := func(p map[string]any, when string) string {
		tokens := p[when].(map[string]any)["access_token"].(map[string]any)["claims"].(map[string]any)
		text, err := json.Marshal(tokens[claims.UserMetadataClaim])
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	p := preview(`{"client_id":"reader","scope":"openid ` + allMetadata + `","set":[{"key":"new","value":[1]}],"delete":["k"]}`)
	before, after := `{"k":"dg"}`, `{"new":"`+base64.RawURLEncoding.EncodeToString([]byte("[1]"))+`"}`
	if shown(p, "before") != before || shown(p, "tokens") != after {
		t.Errorf("before %s, after %s", shown(p, "before"), shown(p, "tokens"))
	}
	diff, _ := p["diff"].([]any)
	if !slices.ContainsFunc(diff, func(d any) bool { return d.(map[string]any)["claim"] == claims.UserMetadataClaim }) {
		t.Errorf("the differences are %v", diff)
	}
	w.wantTold("issued", w.loginTo(c, "openid "+allMetadata), before)
	if p := preview(`{"client_id":"reader"}`); shown(p, "tokens") != "null" {
		t.Errorf("unasked: %s", shown(p, "tokens"))
	}
	w.patch("/api/user/jane/metadata", adminToken, `{"set":[{"key":"new","value":[1]}],"delete":["k"]}`).want(t, http.StatusOK)
	w.wantTold("after the change", w.loginTo(c, "openid "+allMetadata), after)
	past := w.get("/api/user/jane/claims?client=reader&revision=2&scope=openid+"+allMetadata, adminToken).want(t, http.StatusOK).json(t)
	if shown(past, "tokens") != before {
		t.Errorf("then: %s", shown(past, "tokens"))
	}
}

// What is written through Zitadel's API is in the claim as the bytes it was, in the other alphabet.
func TestUserMetadataWrittenThroughZitadel(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Embedded(t).Client)
	for key, value := range map[string]string{"bytes": "//79", "text": "MTIzNA==", "json": "WyAxLjAgXQ=="} {
		w.post("/management/v1/users/jane-id/metadata/"+key, adminToken, `{"value":"`+value+`"}`, "X-Zitadel-Orgid", "default").want(t, http.StatusOK)
	}
	w.wantTold("told", w.loginTo(w.reader("reader", ""), "openid "+allMetadata), `{"bytes":"__79","json":"WyAxLjAgXQ","text":"MTIzNA"}`)
}
