package main

import (
	"encoding/json"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/claimsmith/claimsmith/internal/redistest"
)

// sign signs a payload with the real key, as only a flaw of the server's own could.
func (c *cast) sign(typ, payload string) string {
	c.t.Helper()
	token, err := c.app.ring.Sign("ES256", typ, []byte(payload))
	if err != nil {
		c.t.Fatal(err)
	}
	return token
}

// payload is a live token's with a jti of its own, since one of the places revokes, and with members changed: to a JSON text, or
// removed by "".
func payload(t *testing.T, token string, changes map[string]string) string {
	t.Helper()
	members := map[string]json.RawMessage{}
	if err := json.Unmarshal([]byte(decodeSegment(t, strings.Split(token, ".")[1])), &members); err != nil {
		t.Fatal(err)
	}
	members["jti"] = json.RawMessage(quote(randomName()))
	for name, value := range changes {
		if members[name] = json.RawMessage(value); value == "" {
			delete(members, name)
		}
	}
	var text strings.Builder
	for name, value := range maps.All(members) {
		text.WriteString("," + quote(name) + ":" + string(value))
	}
	return "{" + text.String()[1:] + "}"
}

// A signature is not enough: what is required must be there, and be what it should be (rows T-05, T-07, T-08, A-09).
func TestSignedNonsense(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	live := c.loginAs(c.acme.user, "").text(t, "access_token")
	c.accepted(c.sign("at+jwt", payload(t, live, nil)))
	hour := quoteTime(c.clock.Now().Add(time.Hour))
	for member, values := range map[string][]string{
		"exp":       {"", "0", "null", `"9999999999"`, "1e308", "-1", "1e30", "1.5e9", "true", "[]", "99999999999999999999", "253402300800", quoteTime(c.clock.Now().Add(-31 * time.Second))},
		"iat":       {"", "0", "null", `"1"`, "-1", "1e30", hour},
		"nbf":       {hour, `"1"`, "1e308"},
		"iss":       {"", "null", `""`, `"https://id.example/"`, `"https://ID.example"`, `"http://id.example"`, `"https://evil.example"`, `["https://id.example"]`},
		"aud":       {"", "null", `""`, "[]", "5", `[5]`, `{"0":"https://id.example"}`},
		"sub":       {"", "null", `""`, "5", `["acme-user-id"]`, `"acme-other-id"`, `"globex-user-id"`, `"nobody"`, `"login"`, `"ACME-USER-ID"`, `"acme-user"`},
		"jti":       {"", "null", `""`, "5"},
		"client_id": {"", "null", `""`, "5", `"nobody"`, `"globex-plain"`, `"../login"`, `"LOGIN"`},
		"org":       {"", "null", `""`, `"globex"`, `"default"`, `"zzzzzz"`, `"acme:x"`, `"ACME"`, `["acme"]`},
		"sid":       {"", "null", `""`, `"AAAAAAAAAAAAAAAA"`, `"x:y"`, "5"},
	} {
		for _, value := range values {
			c.refusedEverywhere(member+" = "+value, c.sign("at+jwt", payload(t, live, map[string]string{member: value})))
		}
	}
	text := payload(t, live, nil)
	c.accepted(c.sign("at+jwt", text))
	for _, whole := range []string{
		"null", "[]", `""`, "", "5", "{}", "{", text + text, text + "x", "[" + text + "]", "\ufeff" + text, text[:len(text)-1],
		strings.TrimSuffix(text, "}") + `,"sub":"acme-other-id"}`, `{"sub":"acme-other-id",` + text[1:],
		strings.TrimSuffix(text, "}") + `,"\u0073ub":"acme-other-id"}`, strings.TrimSuffix(text, "}") + `,"aud":"x"}`,
		strings.TrimSuffix(text, "}") + `,"x":{"a":1,"a":2}}`, strings.TrimSuffix(text, "}") + `,"x":"\ud800"}`, strings.TrimSuffix(text, "}") + ",\"x\":\"\xff\"}",
		strings.Replace(text, "acme-user-id", "acme-user-id\xff", 1), strings.Replace(text, "acme-user-id", `acme-user-id\u0000`, 1),
	} {
		c.refusedEverywhere("payload "+whole, c.sign("at+jwt", whole))
	}
	// A member that differs in case is another member.
	for _, other := range []string{`"SUB":"acme-other-id"`, `"\u017fub":"acme-other-id"`, `"Sub":"acme-other-id","ORG":"globex","EXP":1`} {
		token := c.sign("at+jwt", strings.TrimSuffix(text, "}")+","+other+"}")
		if sub := c.get("/oauth/userinfo", token).want(t, http.StatusOK).text(t, "sub"); sub != "acme-user-id" {
			t.Errorf("%s: sub is %s", other, sub)
		}
		if id := c.get("/api/user/me", token).want(t, http.StatusOK).text(t, "id"); id != "acme-user-id" {
			t.Errorf("%s: me is %s", other, id)
		}
	}
	for _, typ := range []string{"JWT", "jwt", "logout+jwt", "dpop+jwt", "id+jwt", "refresh+jwt", "AT+JWT"} {
		c.refusedEverywhere("typ "+typ, c.sign(typ, text))
	}
	c.accepted(live)
}

func quoteTime(t time.Time) string {
	text, _ := json.Marshal(t.Unix())
	return string(text)
}

// A token for somebody else is no token here, and the API takes none that was not made for it (rows T-07, A-10).
func TestAudience(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	live := c.loginAs(c.acme.user, "").text(t, "access_token")
	for _, audience := range []string{`"https://other.example"`, `["https://other.example"]`, `"https://id.example/"`, `"login"`, `"HTTPS://ID.EXAMPLE"`, `"https://id.example/api"`} {
		token := c.sign("at+jwt", payload(t, live, map[string]string{"aud": audience}))
		for _, a := range []answer{c.get("/oauth/userinfo", token), c.get("/api/user/me", token)} {
			if !isInvalidToken(a) {
				t.Errorf("aud %s: %d %s", audience, a.status, a.body)
			}
		}
	}
	service := c.newClient(acme, "acme-service", `"first_party":true,"grant_types":["password","client_credentials"],"scopes":["reports","iam/"],"audience":["https://api.acme.example"]`)
	token := c.clientForm("/oauth/token", service, "grant_type", "password", "username", c.acme.user.username, "password", c.acme.user.password, "scope", "reports").
		want(t, http.StatusOK).text(t, "access_token")
	own := c.clientForm("/oauth/token", service, "grant_type", "client_credentials", "scope", "reports").want(t, 200).text(t, "access_token")
	for _, text := range []string{token, own} {
		if a := c.introspect(service, text); !strings.HasPrefix(a.body, `{"active":true,`) {
			t.Errorf("at its own client: %s", a.body)
		}
		for _, target := range []string{"/oauth/userinfo", "/api/user/me", "/api/user", "/api/token"} {
			if a := c.get(target, text); !isInvalidToken(a) {
				t.Errorf("%s: %d %s", target, a.status, a.body)
			}
		}
		if a := c.introspect(c.acme.plain, text); a.body != inactive {
			t.Errorf("at another client: %s", a.body)
		}
	}
	// A machine's token for the API is for nothing else, and what is signed with scope iam/ but for another audience is not for the API.
	machine := c.acme.machineToken
	c.get("/oauth/userinfo", machine).want(t, http.StatusUnauthorized)
	for _, audience := range []string{`"https://id.example"`, `"https://api.acme.example"`, `"acme-machine"`} {
		forged := c.sign("at+jwt", payload(t, machine, map[string]string{"aud": audience}))
		c.get("/api/user", forged).want(t, http.StatusUnauthorized)
	}
	for _, org := range []string{`"globex"`, `"default"`} {
		forged := c.sign("at+jwt", payload(t, machine, map[string]string{"org": org}))
		c.get("/api/user", forged).want(t, http.StatusUnauthorized)
	}
	forged := c.sign("at+jwt", payload(t, machine, map[string]string{"scope": `"reports"`}))
	c.get("/api/user", forged).want(t, http.StatusNotFound)
	plain := c.sign("at+jwt", payload(t, c.acme.plainToken, map[string]string{"scope": `"iam/"`, "aud": `"https://id.example/api"`}))
	c.get("/api/user", plain).want(t, http.StatusNotFound) // the client is not registered for it
}

// What was revoked or has expired is refused to the end, and beyond it for as long as clocks may differ.
func TestRevokedTokenStaysDeadInTheLeeway(t *testing.T) {
	t.Parallel()
	b := redistest.Embedded(t)
	c := newCast(t, b)
	revoked := c.loginAs(c.acme.user, "").text(t, "access_token")
	kept := c.loginAs(c.acme.user, "").text(t, "access_token")
	c.form("/oauth/revoke", "client_id", "login", "token", revoked).want(t, http.StatusOK)
	own := c.acme.machineToken
	c.clientForm("/oauth/revoke", c.acme.machine, "token", own).want(t, http.StatusOK)
	for _, d := range []time.Duration{0, 9 * time.Minute, time.Minute, 15 * time.Second, 14 * time.Second} {
		b.FastForward(d)
		pass(d, c.world)
		c.get("/oauth/userinfo", revoked).want(t, http.StatusUnauthorized)
		c.get("/api/user/me", revoked).want(t, http.StatusUnauthorized)
		c.get("/api/user", own).want(t, http.StatusUnauthorized)
		if a := c.introspectAs(adminToken, own); a.body != inactive {
			t.Errorf("a machine's revoked token: %s", a.body)
		}
		c.get("/oauth/userinfo", kept).want(t, http.StatusOK)
	}
	b.FastForward(2 * time.Second)
	pass(2*time.Second, c.world)
	c.refusedEverywhere("expired", kept)
}
