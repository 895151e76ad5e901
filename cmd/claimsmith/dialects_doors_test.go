package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/claimsmith/claimsmith/internal/redistest"
)

// foreignDoors are all ways to write an entry through the other dialects: of exact JSON, and of bytes. Each of a fresh document.
var foreignDoors = []struct {
	tongue *tongue
	write  func(c *cast, a about, p pair) answer
}{
	{&platformMetadata, func(c *cast, a about, p pair) answer { return platformMetadata.change(c, a, []pair{p}, nil) }},
	{&platformMetadata, func(c *cast, a about, p pair) answer { return platformMetadata.replace(c, a, []pair{p}) }},
	{&platformMetadata, func(c *cast, a about, p pair) answer {
		return c.post(extendedProfile, a.bearer, `{"username":`+quote(a.user.username)+`,`+strings.TrimPrefix(object([]pair{p}), "{"))
	}},
	{&profiles, func(c *cast, a about, p pair) answer {
		return profiles.replace(c, a, []pair{p, {key: "another", value: "1"}})
	}},
	{&zitadelV1, func(c *cast, a about, p pair) answer { return zitadelV1.change(c, a, []pair{p}, nil) }},
	{&zitadelV1, func(c *cast, a about, p pair) answer {
		return zitadelV1.change(c, a, []pair{p, {key: "another", value: "1"}}, nil)
	}},
	{&zitadelV2, func(c *cast, a about, p pair) answer { return zitadelV2.change(c, a, []pair{p}, nil) }},
	{&zitadelGRPC, func(c *cast, a about, p pair) answer { return zitadelGRPC.change(c, a, []pair{p}, nil) }},
	{&zitadelConnect, func(c *cast, a about, p pair) answer { return zitadelConnect.change(c, a, []pair{p}, nil) }},
}

// What the native API refuses every dialect does, and what it stores they do, to the byte (rows M-02 to M-08).
func TestDialectsStoreWhatTheAPIStores(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	for _, v := range vectors {
		if v.mark == "true" || strings.Contains(v.mark, ",") || strings.Contains(v.value, `,"value"`) || v.mark != "" && v.mark != "false" {
			continue // a dialect that knows no claims cannot say so
		}
		for n, d := range foreignDoors {
			p := pair{key: v.key, value: v.value}
			want := v.value
			if d.tongue.opaque {
				if v.value != "1" {
					continue // bytes are never wrong; what they become is in the next test
				}
				want = `"1"`
			}
			what := fmt.Sprintf("%s: %s by %s (%d)", v.row, v.text(), d.tongue.name, n)
			a := c.inAcme(d.tongue, c.acme.operator)
			nativeAPI.replace(c, a, nil).want(t, http.StatusOK)
			if d.tongue.apps && v.key != "k" && v.status != http.StatusOK {
				continue // an object that no entries can be made of is stored whole
			}
			got := d.write(c, a, p)
			_, stored := nativeAPI.read(c, a)
			delete(stored, "another")
			if (got.class() == classDone) != (v.status == http.StatusOK) || got.class() != classDone && got.class() != classInvalid {
				t.Errorf("%s: %d %s", what, got.status, got.body)
			}
			if v.status != http.StatusOK && len(stored) > 0 || v.status == http.StatusOK && (len(stored) != 1 || stored[v.key] != want) {
				t.Errorf("%s: stored is %q", what, stored)
			}
		}
	}
}

// The definitions of a key hold in every dialect (row M-02).
func TestDefinitionsHoldInDialects(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	for key, definition := range map[string]string{
		"tier": `{"type":"string","max_bytes":8,"claim":"always"}`, "secret": `{"claim":"never"}`, "level": `{"type":"integer","profile_claim":true}`,
	} {
		c.put("/api/metadata-key/"+key+"?org=acme", adminToken, definition).want(t, http.StatusCreated)
	}
	for _, v := range []struct {
		key, value, bytes string // bytes is the same through dialects of bytes, "" where they cannot say it
		taken, marked     bool
	}{
		{"tier", `"gold"`, "gold", true, true}, {"tier", `1`, "\xff", false, false}, {"tier", `null`, "", false, false},
		{"tier", `"platinum"`, "platinum", false, false}, {"TIER", `"gold"`, "gold", false, false}, {"secret", `"1"`, "1", true, false},
		{"level", `7`, "7", true, true}, {"level", `7.5`, "7.5", false, false}, {"level", `"7"`, "", false, false},
	} {
		for n, d := range foreignDoors {
			p := pair{key: v.key, value: v.value}
			if d.tongue.opaque {
				if p.value = v.bytes; v.bytes == "" {
					continue
				}
			}
			a := c.inAcme(d.tongue, c.acme.operator)
			nativeAPI.replace(c, a, nil).want(t, http.StatusOK)
			got := d.write(c, a, p)
			if (got.class() == classDone) != v.taken || got.class() != classDone && got.class() != classInvalid {
				t.Errorf("%s %s by %s (%d): %d %s", v.key, v.value, d.tongue.name, n, got.status, got.body)
			}
			want := fmt.Sprintf(`{"key":%s,"value":%s,"profileClaim":%t}`, quote(v.key), v.value, v.marked)
			if stored := c.stored(a.native("")); strings.Contains(stored, quote(v.key)) != v.taken || v.taken && !strings.Contains(stored, want) {
				t.Errorf("%s %s by %s (%d): stored is %s", v.key, v.value, d.tongue.name, n, stored)
			}
		}
	}
}

// Through no dialect and by no spelling does a user say what others are to believe of him (row M-01).
func TestUsersReachNoClaimThroughDialects(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	token := c.loginAs(c.acme.user, "").text(t, "access_token")
	number := c.numberOf("acme-plain", acme)
	platform := platformPaths[0] + "?platform_key=acme"
	for _, r := range []struct{ method, target, body string }{
		{"PATCH", platform, `{"metadata":{"role":"admin"}}`}, {"PATCH", platform, `{"metadata":{"role":"admin"},"profileClaim":true}`},
		{"PATCH", platform, `{"metadata":{"role":{"value":"admin","profileClaim":true}}}`}, {"PATCH", platform, `{"metadata":{"profileClaim":true}}`},
		{"PATCH", platform, `{"metadata":{"x":{"profileClaim":true}},"app_metadata":{"role":"admin"},"raw_app_meta_data":{"role":"admin"}}`},
		{"PUT", platform, `{"metadata":{"role":"admin","metadata_role":"admin"}}`}, {"PUT", platform, `{"metadata":[{"key":"role","value":"admin","profileClaim":true}]}`},
		{"PATCH", platform, `{"metadata":{"plan":"gold"}}`}, {"PATCH", platform, `{"metadata":{"PLAN":"gold"}}`}, {"PUT", platform, `{"metadata":{"plan":"gold"}}`},
		{"POST", "/user/profiles/create", `{"app_id":` + number + `,"profile_data":{"role":"admin"},"profileClaim":true}`},
		{"POST", "/user/profiles/create", `{"app_id":` + number + `,"profile_data":{"role":{"value":"admin","profileClaim":true}}}`},
		{"POST", "/user/profiles/create", `{"app_id":` + number + `,"profile_data":{"plan":"gold"}}`},
		{"POST", "/operator/profile/create-bulk", `{"profiles":[{"app_id":` + number + `,"user_id":"acme-user-id","profile_data":{"role":"admin"}}]}`},
		{"POST", managed + "/role", `{"value":"YWRtaW4=","profileClaim":true}`}, {"POST", managed + "/plan", `{"value":"Z29sZA=="}`},
		{"POST", managed + "/_bulk", `{"metadata":[{"key":"role","value":"YWRtaW4="},{"key":"plan","value":"Z29sZA=="}]}`},
		{"POST", newer, `{"metadata":[{"key":"role","value":"YWRtaW4=","profileClaim":true}]}`}, {"POST", newer, `{"metadata":[{"key":"plan","value":"Z29sZA=="}]}`},
		{"POST", "/zitadel.user.v2.UserService/SetUserMetadata", `{"userId":"acme-user-id","metadata":[{"key":"plan","value":"Z29sZA=="}]}`},
		{"POST", "/zitadel.management.v1.ManagementService/SetUserMetadata", `{"id":"acme-user-id","key":"plan","value":"Z29sZA=="}`},
	} {
		a := c.send(r.method, r.target, token, r.body, inDialect(r.target, token)...)
		if strings.Contains(strings.ToLower(r.body), `"plan"`) && a.class() != classRefused || a.status >= 500 {
			t.Errorf("%s %s %s: %d %s", r.method, r.target, r.body, a.status, a.body)
		}
		for _, of := range []string{ofUser, "/api/user/acme-user-id/metadata?org=acme&app=acme-plain"} {
			for _, e := range parsed[nativeDocument](t, c.get(of, adminToken)).Metadata {
				if e.ProfileClaim || strings.EqualFold(e.Key, "plan") {
					t.Errorf("%s %s %s: stored is %s", r.method, r.target, r.body, e.Key)
				}
			}
		}
	}
	for claim := range claimsOf(t, c.loginAs(c.acme.user, "").text(t, "access_token")) {
		if strings.HasPrefix(claim, "metadata_") {
			t.Errorf("the token has %s", claim)
		}
	}
}

// Who registers himself, or an application, through a dialect gets nothing an operator would have to give (row A-04).
func TestDialectsGrantNothing(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	c.newSentinelClient()
	for n, more := range []string{
		``, `,"role":"admin"`, `,"operator":true`, `,"Operator":true`, `,"orgs":["globex"]`, `,"org":"globex"`, `,"email_verified":true`, `,"metadata":{"plan":"gold"}`,
		`,"profileClaim":true`, `,"UserID":"chosen"`, `,"id":"chosen"`,
	} {
		name := fmt.Sprintf("grasping-%d", n)
		body := `{"user_info":{"username":"` + name + `","email":"` + name + `@x.example","first_name":"G","last_name":"N"%},"password":"the password of it"%}`
		c.address = fmt.Sprintf("198.51.100.%d:1", n)
		for _, at := range []string{strings.Replace(strings.Replace(body, "%", more, 1), "%", "", 1), strings.Replace(strings.Replace(body, "%", "", 1), "%", more, 1)} {
			if a := c.post("/auth/register", "", at, "X-Api-Key", sentinelKey); a.status >= 500 || more == "" && a.status != http.StatusCreated {
				t.Errorf("%s: %d %s", at, a.status, a.body)
			}
		}
		got := c.get("/api/user/"+name+"?org=acme", adminToken)
		if got.status == http.StatusNotFound && more != "" {
			continue // refused
		}
		user := got.want(t, http.StatusOK)
		id := user.text(t, "id")
		if user.text(t, "role") != "" || id == "chosen" || fmt.Sprint(user.json(t)["email_verified"]) == "true" || strings.Contains(user.body, globex) {
			t.Errorf("%s made %s", more, user.body)
		}
		if role := c.get("/api/user/"+id+"/role?org=acme", adminToken); strings.Contains(role.body, "admin") || strings.Contains(role.body, "operator") {
			t.Errorf("%s gave %s", more, role.body)
		}
		if stored := c.stored("/api/user/" + id + "/metadata?org=acme"); stored != `{"metadata":[]}` {
			t.Errorf("%s stored %s", more, stored)
		}
	}
	for _, more := range []string{``, `,"scopes":["iam/"]`, `,"all_orgs":true`, `,"org":"globex"`, `,"grant_types":["client_credentials"]`, `,"client_id":"chosen"`} {
		a := c.post("/operator/app/register", c.acme.operator, `{"app":"An app"`+more+`}`)
		if a.status == http.StatusBadRequest && more != "" {
			continue // refused
		}
		a.want(t, http.StatusCreated)
		made := c.get("/api/client/"+a.text(t, "client_id")+"?org=acme", adminToken).want(t, http.StatusOK)
		if made.text(t, "org") != acme || strings.Contains(made.body, "iam/") || strings.Contains(made.body, "client_credentials") ||
			fmt.Sprint(made.json(t)["all_orgs"]) == "true" || made.text(t, "client_id") == "chosen" {
			t.Errorf("%s made %s", more, made.body)
		}
	}
}
