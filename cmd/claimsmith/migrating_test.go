package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/claimsmith/claimsmith/config"
)

// sample is a copy of an export of another system, so that what an import leaves beside it is the test's own.
func (c *commandLine) sample(name string) string {
	c.t.Helper()
	return c.file(name, contentOfFile(c.t, filepath.Join("migrate", "testdata", name)))
}

// logsIn reports whether somebody gets a token with this password.
func (c *commandLine) logsIn(name, password string) bool {
	c.t.Helper()
	return c.world.post("/login", "", `{"username":`+quote(name)+`,"password":`+quote(password)+`}`).status == http.StatusOK
}

// admitted tries passwords of people: the right one once another one has failed.
func (c *commandLine) admitted(people map[string]string) {
	c.t.Helper()
	for name, password := range people {
		if c.logsIn(name, password+"x") {
			c.t.Errorf("%s logs in with another password", name)
		}
		if !c.logsIn(name, password) {
			c.t.Errorf("%s does not log in", name)
		}
	}
}

func (c *commandLine) hasAnswer(target string, parts ...string) {
	c.t.Helper()
	body := c.world.get(target, adminToken).want(c.t, http.StatusOK).body
	for _, part := range parts {
		if !strings.Contains(body, part) {
			c.t.Errorf("%s has no %s: %s", target, part, body)
		}
	}
}

// reports runs an import that refuses somebody and compares what it says.
func (c *commandLine) reports(want string, args ...string) {
	c.t.Helper()
	code, stdout, _ := c.run(append([]string{"import"}, args...)...)
	if code != 1 || stdout != strings.ReplaceAll(want, "FILE", args[0]) {
		c.t.Errorf("%q ends with %d:\n%s", args, code, stdout)
	}
}

func TestMovingFromAuth0(t *testing.T) {
	t.Parallel()
	c := newCommandLine(t)
	users, passwords := c.sample("auth0.ndjson"), c.sample("auth0-passwords.ndjson")
	c.reports(`4 users imported, 1 refused.
       1  400 invalid_auth0: user_metadata.plan: has another value in app_metadata (line 4)
The refused lines are in FILE.rejects.
Left out of those imported, by how many have it:
       2  identity of google-oauth2
       1  multifactor
       1  picture (not https)
       1  user_id (cannot be an id here; he has a new one)
`, users, "--format=auth0", "--passwords", passwords, "--claim=plan")
	c.admitted(map[string]string{"anna.berg@example.com": "walnut harbour kite"})
	if c.logsIn("bert@example.com", "copper lantern moss") {
		t.Error("who was blocked logs in")
	}
	c.hasAnswer("/api/user/auth0_65f0a1b2c3d4e5f601020304/metadata", `{"key":"plan","value":"gold","profileClaim":true`, `{"key":"theme","value":"dark","profileClaim":false`)
	c.hasAnswer("/api/user/google-oauth2_108091299999329986433/metadata", `{"key":"plan","value":"gold","profileClaim":false`)
	token := c.world.post("/login", "", `{"username":"anna.berg","password":"walnut harbour kite"}`).text(t, "access_token")
	if got := claimsOf(t, token)["metadata_plan"]; got != "gold" {
		t.Errorf("the token says %v", got)
	}

	// The file of those refused is one of the same form.
	corrected := c.file("corrected", strings.Replace(contentOfFile(t, users+".rejects"), `"user_metadata":{"plan":"free"},`, "", 1))
	if got := c.must("import", corrected, "--format=auth0", "--claim=plan"); !strings.HasPrefix(got, "1 users imported, 0 refused.\n") {
		t.Error(got)
	}
}

// movers have a plan each, where the other system lets users write it.
var movers = []struct {
	name  string
	file  string
	flags []string
	named string // how --claim names the plan
	entry string // where it is afterwards
}{
	{
		"Auth0", `{"user_id":"auth0|1","user_metadata":{"plan":"gold"}}`, []string{"--format=auth0"},
		"user_metadata.plan", "/api/user/auth0_1/metadata",
	},
	{
		"Supabase", `{"id":"s1","raw_user_meta_data":{"plan":"gold"}}`, []string{"--format=supabase"},
		"user_metadata.plan", "/api/user/s1/metadata",
	},
	{
		"Keycloak", `{"users":[{"id":"k1","username":"kurt","attributes":{"plan":["gold"]}}]}`, []string{"--format=keycloak"},
		"plan", "/api/user/kurt/metadata",
	},
	{
		"Keycloak, two values", `{"users":[{"id":"k2","username":"kora","attributes":{"plan":["gold","free"]}}]}`, []string{"--format=keycloak"},
		"plan", "/api/user/kora/metadata",
	},
	{
		"ibl.ai", `{"username":"ines","platform_key":"default","metadata":{"plan":"gold"}}`, []string{"--format=iblai"},
		"plan", "/api/user/ines/metadata",
	},
	{
		"Sentinel", `{"user_id":"n1","profiles":[{"app_id":1,"profile_data":{"plan":"gold"}}]}`, []string{"--format=sentinel", "--app=1=shop"},
		"plan", "/api/user/n1/metadata?app=shop",
	},
}

// What users wrote of themselves, or may have, is no claim, whatever the definition makes of an entry of which nothing is said: not if it
// always is one, and the line is refused, and not if it is one unless somebody says otherwise.
func TestUsersCannotBringClaimsAlong(t *testing.T) {
	t.Parallel()
	for _, m := range movers {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			c := newCommandLine(t)
			bring := func(flags ...string) (code int, stdout string) {
				c.input = m.file
				code, stdout, _ = c.run(append(append([]string{"import", "-"}, m.flags...), flags...)...)
				return code, stdout
			}
			const key = "/api/metadata-key/plan"
			c.world.put(key, adminToken, `{"claim":"always"}`).want(t, http.StatusCreated)
			var others []string // a plan of app_metadata is not theirs
			if m.named != "plan" {
				others = []string{"--claim=plan"}
			}
			code, stdout := bring(others...)
			if code != 1 || !strings.HasPrefix(stdout, "0 users imported, 1 refused.\n") || !strings.Contains(stdout, "always a profile claim") {
				t.Errorf("with a definition of claims: %d %s", code, stdout)
			}
			c.world.put(key, adminToken, `{"claim":"optional","profile_claim":true}`).want(t, http.StatusOK)
			if code, stdout := bring(others...); code != 0 {
				t.Fatalf("with a definition of claims unless somebody says otherwise: %d %s", code, stdout)
			}
			c.hasAnswer(m.entry, `"key":"plan"`, `"profileClaim":false`)
		})
	}
}

// Who moves may know better, and says so by name.
func TestWhoMovesMakesClaimsByName(t *testing.T) {
	t.Parallel()
	for _, m := range movers {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			c := newCommandLine(t)
			c.world.put("/api/metadata-key/plan", adminToken, `{"claim":"always"}`).want(t, http.StatusCreated)
			c.input = m.file
			c.must(append([]string{"import", "-", "--claim=" + m.named}, m.flags...)...)
			c.hasAnswer(m.entry, `"key":"plan"`, `"profileClaim":true`)
		})
	}
}

// Zitadel lets nobody write metadata but who manages users, so there the definition decides.
func TestOperatorsEntriesAreWhatTheirDefinitionSays(t *testing.T) {
	t.Parallel()
	for definition, want := range map[string]string{
		`{"claim":"always"}`:                        `"profileClaim":true`,
		`{"claim":"optional","profile_claim":true}`: `"profileClaim":true`,
		`{"claim":"optional"}`:                      `"profileClaim":false`,
	} {
		c := newCommandLine(t)
		c.world.put("/api/metadata-key/plan", adminToken, definition).want(t, http.StatusCreated)
		c.must("import", c.sample("zitadel.json"), "--format=zitadel")
		c.hasAnswer("/api/user/guta.stein/metadata/plan", want)
		c.input = `{"user_id":"auth0|1","app_metadata":{"plan":"gold"}}`
		c.must("import", "-", "--format=auth0")
		c.hasAnswer("/api/user/auth0_1/metadata/plan", want)
	}
}

func TestMovingFromSupabase(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"supabase.csv", "supabase.json"} {
		c := newCommandLine(t)
		want := `2 users imported, 0 refused.
Passed over:
       1  deleted users
Left out of those imported, by how many have it:
       1  identity of google
       1  is_super_admin
`
		if got := c.must("import", c.sample(file), "--format=supabase", "--claim=plan"); got != want {
			t.Errorf("%s: %s", file, got)
		}
		c.admitted(map[string]string{"dora@example.com": "granite willow drum"})
		if c.logsIn("emil@example.com", "velvet anchor plum") {
			t.Error("who is banned logs in")
		}
		c.hasAnswer("/api/user/dora@example.com/metadata", `{"key":"org","value":{"id":7,"role":"owner"}`, `{"key":"plan","value":"gold","profileClaim":true`)
		c.hasAnswer("/api/user/dora@example.com", `"id":"6e1f3a0c-2f0e-4d55-9a4a-1d2c3b4a5f60"`, `"phone_number":"+436641112233"`)
	}
}

func TestMovingFromKeycloak(t *testing.T) {
	t.Parallel()
	c := newCommandLine(t)
	c.world.post("/api/group", adminToken, `{"slug":"staff","name":"Staff"}`).want(t, http.StatusCreated)
	realm := c.sample("keycloak.json")
	c.reports(`5 users imported, 1 refused.
       1  400 invalid_keycloak: credentials: a hash by custom-hash cannot be taken over (line 7)
The refused lines are in FILE.rejects.
Passed over:
       1  service accounts
Left out of those imported, by how many have it:
       1  credential otp
       1  group /staff/night
       1  identity of github
       1  realm role admin
       1  required action CONFIGURE_TOTP
       1  role buyer of client shop
Beside users, left out:
       2  clients
       1  groups
       1  identityProviders
`, realm, "--format=keycloak", "--claim=plan", "--claim=roles")
	c.admitted(map[string]string{"hans": "thimble river oak", "ines@example.com": "pepper canyon dusk", "jens": "ribbon tundra fig"})
	if c.logsIn("karl", "ember violin shore") {
		t.Error("who is not enabled logs in")
	}
	c.world.send(http.MethodPatch, "/api/user/karl", adminToken, `{"disabled":false}`).want(t, http.StatusOK)
	c.admitted(map[string]string{"karl": "ember violin shore"})
	if c.logsIn("lena", "juniper kettle dawn") {
		t.Error("a temporary password is good for more than choosing another")
	}
	c.hasAnswer("/api/user/hans/metadata", `{"key":"plan","value":"gold","profileClaim":true`, `{"key":"roles","value":["editor","admin"],"profileClaim":true`)
	c.hasAnswer("/api/group/staff/member", `9f0b7a52-6f0a-4f3e-8f64-000000000001`)
}

func TestMovingFromZitadel(t *testing.T) {
	t.Parallel()
	c := newCommandLine(t)
	want := `2 users imported, 0 refused.
Left out of those imported, by how many have it:
       1  identities elsewhere
       1  second factor
       1  user.userName (cannot be a username here)
Beside users, left out:
       1  machineUsers
       1  projects
       1  userMetadata of others
`
	if got := c.must("import", c.sample("zitadel.json"), "--format=zitadel", "--claim=plan"); got != want {
		t.Error(got)
	}
	c.admitted(map[string]string{"guta.stein": "marble cedar flute"})
	c.hasAnswer("/api/user/guta.stein", `"id":"104133391271651848"`)
	// Bytes are the same bytes for Zitadel's clients.
	c.hasAnswer("/management/v1/users/104133391271651848/metadata/blob", `"value":"//4AAQ=="`)
	c.hasAnswer("/management/v1/users/104133391271651848/metadata/plan", `"value":"Z29sZA=="`)
	c.hasAnswer("/api/user/ida@example.com/metadata", `"value":"für alle\n"`)
}

func TestMovingFromIBL(t *testing.T) {
	t.Parallel()
	c := newCommandLine(t)
	c.reports(`2 users imported, 1 refused.
       1  400 invalid_iblai: platform_key: is another than before; --from says which is meant (line 3)
The refused lines are in FILE.rejects.
`, c.sample("ibl.ndjson"), "--format=iblai")
	want := `2 users imported, 0 refused.
Passed over:
       1  platform other
`
	if got := c.must("import", c.sample("ibl.ndjson"), "--format=iblai", "--from=default"); got != want {
		t.Error(got)
	}
	c.hasAnswer("/api/core/users/platform-metadata/?platform_key=default&username=nora_k", `"theme":"dark"`, `"onboarding":{"step":3}`, `"score":1.0`, `"nothing":null`)
}

func TestMovingFromSentinel(t *testing.T) {
	t.Parallel()
	c := newCommandLine(t)
	c.world.post("/api/client", adminToken, `{"client_id":"shop","name":"Shop","grant_types":["password"],"first_party":true}`).want(t, http.StatusCreated)
	users := c.sample("sentinel.ndjson")
	c.reports(`6 users imported, 1 refused.
       1  400 invalid_sentinel: profiles: which client the application 9 is, --app 9=CLIENT says (line 3)
The refused lines are in FILE.rejects.
Left out of those imported, by how many have it:
       1  operator
`, users, "--format=sentinel", "--app=1=shop", "--app=2=game")
	if got := c.must("import", users+".rejects", "--format=sentinel", "--app=9=shop"); got != "1 users imported, 0 refused.\n" {
		t.Error(got)
	}
	for _, algorithm := range []string{"bcrypt", "sha256", "md5", "sha512", "sha1", "black2b", "md5-crypt"} {
		c.admitted(map[string]string{"olga-" + algorithm: "saffron bridge owl"})
	}
	c.hasAnswer("/api/user/olga-bcrypt/metadata?app=shop", `{"key":"level","value":3`, `{"key":"badges","value":["a","b"]`)
	c.hasAnswer("/api/user/olga-bcrypt/metadata?app=game", `{"key":"$","value":[1,2,3]`)
	c.hasAnswer("/operator/users/profile/2b1c4f0e-7d3a-4c8e-9b5f-000000000000/1", `"profile_data":{"badges":["a","b"],"level":3}`)
	c.hasAnswer("/operator/users/profile/2b1c4f0e-7d3a-4c8e-9b5f-000000000002/1", `"profile_data":{}`)
}

// An import of another system's file that was cut off goes on behind the last record that is done, and knows what it was told before.
func TestMovesThatAreCutOff(t *testing.T) {
	t.Parallel()
	c := newCommandLine(t)
	c.world.post("/api/group", adminToken, `{"slug":"staff","name":"Staff"}`).want(t, http.StatusCreated)
	realm := c.sample("keycloak.json")
	server := httptest.NewServer(&flaky{next: c.world.server, fault: func(n int) string {
		if n == 2 {
			return "401"
		}
		return ""
	}})
	defer server.Close()
	command := func(claims ...string) *config.Import {
		i := &config.Import{File: realm, Format: config.FromKeycloak, Rejects: realm + ".rejects", Claims: claims}
		i.URL, i.Output, i.Token = server.URL, tableOutput, secretOf(t, adminToken)
		return i
	}
	var out bytes.Buffer
	i := newImporter(command("plan"), &out)
	i.rows = 2
	if err := i.run(t.Context(), nil, &out); exitCode(err) != exitForbidden || !strings.HasPrefix(out.String(), "Not complete: 2 users imported, 0 refused.\n") {
		t.Fatalf("%v: %s", err, out.String())
	}
	if err := newImporter(command(), &out).run(t.Context(), nil, &out); err == nil || !strings.Contains(err.Error(), "with other settings") {
		t.Errorf("it goes on though something else is asked for: %v", err)
	}
	out.Reset()
	i = newImporter(command("plan"), &out)
	i.rows = 2
	if err := i.run(t.Context(), nil, &out); exitCode(err) != exitFailed || !strings.HasPrefix(out.String(), "5 users imported, 1 refused.\n") ||
		!strings.Contains(out.String(), "2  clients\n") || exists(realm+".progress") {
		t.Fatalf("%v: %s", err, out.String())
	}
	if got := strings.Count(contentOfFile(t, realm+".rejects"), "\n"); got != 1 {
		t.Errorf("%d are refused", got)
	}
	if got := strings.Count(c.must("users", "list", "-o", "json"), `"username"`); got != 6 { // with jane
		t.Errorf("there are %d users", got)
	}
}

func TestRowsWithNothingInThemAreNobody(t *testing.T) {
	t.Parallel()
	c := newCommandLine(t)
	table := c.file("people.csv", "username,email,metadata.n\nanna,,1\n,,\n\n,\nbert,,\n")
	if got := c.must("import", table); got != "2 users imported, 0 refused.\n" {
		t.Error(got)
	}
}

// A file of refused rows of a table is read as a table.
func TestRejectsOfATableAreATable(t *testing.T) {
	t.Parallel()
	c := newCommandLine(t)
	rejects := c.file("people.csv.rejects", "username\nanna\n")
	if got := c.must("import", rejects); got != "1 users imported, 0 refused.\n" {
		t.Error(got)
	}
}

// What applications keep about a user is written with him, once, however often his line is sent.
func TestApplicationsKeepWhatAnImportBrings(t *testing.T) {
	t.Parallel()
	c := newCommandLine(t)
	c.input = `{"username":"anna","metadata":[{"key":"plan","value":"gold"}],"apps":[{"client_id":"shop","metadata":[{"key":"n","value":1,"profileClaim":true}]},{"client_id":"game"}]}`
	c.must("import", "-")
	c.hasAnswer("/api/user/anna/metadata", `{"key":"plan","value":"gold"`)
	c.hasAnswer("/api/user/anna/metadata?app=shop", `{"key":"n","value":1,"profileClaim":true`)
	c.world.put("/api/user/anna/metadata/n?app=shop", adminToken, `{"value":2}`).want(t, http.StatusOK)
	c.must("import", "-")
	c.hasAnswer("/api/user/anna/metadata?app=shop", `{"key":"n","value":2`)
	for line, want := range map[string]string{
		`{"username":"b1","apps":[{"client_id":"shop","metadata":[{"key":"","value":1}]}]}`:                     "a metadata key must not be empty",
		`{"username":"b2","apps":[{"client_id":"a/b"}]}`:                                                        "apps",
		`{"username":"b3","apps":[{"client_id":"a"},{"client_id":"a"}]}`:                                        "apps",
		`{"username":"b4","apps":[{"client_id":"a","metadata":[{"key":"k k","value":1,"profileClaim":true}]}]}`: "the key of a profile claim",
	} {
		c.input = line
		if code, stdout, _ := c.run("import", "-"); code != 1 || !strings.Contains(stdout, want) {
			t.Errorf("%s: %d %s", line, code, stdout)
		}
	}
	if got := c.world.get("/api/user/b1", adminToken).status; got != http.StatusNotFound {
		t.Errorf("who is refused is there: %d", got)
	}
}

func TestFlagsOfOtherSystems(t *testing.T) {
	t.Parallel()
	c := newCommandLine(t)
	file := c.file("users", "")
	c.refused(2, "--claim: only with --format auth0, supabase", "import", file, "--claim=plan")
	c.refused(2, "--passwords: only with --format auth0", "import", file, "--format=keycloak", "--passwords=x")
	c.refused(2, "--from: only with --format zitadel, iblai", "import", file, "--format=auth0", "--from=x")
	c.refused(2, "--app: only with --format sentinel", "import", file, "--app=1=x")
	c.refused(2, `--app: "1" is not KEY=VALUE`, "import", file, "--format=sentinel", "--app=1")
	c.refused(2, "zitadel is read twice", "import", "-", "--format=zitadel")
	c.refused(1, "no such file", "import", file, "--format=auth0", "--passwords", file+".none")
	c.refused(1, "_id.$oid is missing", "import", file, "--format=auth0", "--passwords", c.file("passwords", `{"email":"a"}`))
}
