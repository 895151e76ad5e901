package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/claimsmith/claimsmith/internal/redistest"
)

// accountWrites are the requests with bodies, of acme's user: at % is what is sent.
var accountWrites = []spoken{
	{"PATCH", edxAccount, `{%}`, true},
	{"PATCH", edxPreferences, `{%}`, true},
	{"PUT", edxPreferences + "/time_zone", `%`, true},
	{"POST", extendedProfile, `{"username":"acme-user",%}`, true},
	{"POST", edxEmails, `{"emails":[],%}`, false},
}

// write sends a text in place of the one of a row, as the person himself or acme's operator.
func (c *cast) write(b spoken, self, text string, headers ...string) answer {
	c.t.Helper()
	bearer := c.acme.operator
	if b.own {
		bearer = self
	}
	return c.send(b.method, b.target, "", text, append(inDialect(b.target, bearer), headers...)...)
}

// person is all an administrator sees of one.
func (c *cast) person(name string) string {
	c.t.Helper()
	user, org := "/api/user/"+name, "?org="+strings.SplitN(name, "-", 2)[0]
	return c.get(user+org, adminToken).want(c.t, http.StatusOK).body + c.get(user+"/role"+org, adminToken).body +
		c.get(user+"/group"+org, adminToken).body + c.get(user+"/metadata"+org, adminToken).body
}

// What is not one strict JSON value of the right type is refused, and changes nothing (rows I-04, D-02, D-04).
func TestBodiesOfAccounts(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	self := c.loginAs(c.acme.user, "").text(t, "access_token")
	before := c.person("acme-user")
	nested := func(depth int) string { return strings.Repeat("[", depth) + strings.Repeat("]", depth) }
	var million strings.Builder
	for n := range 1_000_000 {
		fmt.Fprintf(&million, `"k%d":1,`, n)
	}
	for _, b := range accountWrites {
		filled := func(with string) string { return strings.Replace(b.text, "%", with, 1) }
		valid, object := filled(`"x":"y"`), b.text != "%"
		texts := map[string]string{
			"nothing": " ", "null": "null", "trailing text": valid + " trailing", "another value": valid + valid, "a byte order mark": "\ufeff" + valid,
			"cut": valid[:len(valid)-1], "no UTF-8": strings.Replace(valid, "y", "\xff", 1), "half a character": strings.Replace(valid, "y", `\ud800`, 1),
			"single quotes": strings.ReplaceAll(valid, `"`, `'`), "too deep": filled(`"x":` + nested(37)), "a list": nested(33),
		}
		if object {
			texts["a text"], texts["a number"] = `"x"`, "7"
			texts["a member twice"], texts["twice, escaped"] = filled(`"x":1,"x":2`), filled(`"x":1,"\u0078":2`)
			texts["twice within"] = filled(`"bio":{"x":1,"x":2}`)
			texts["many members"] = filled(strings.TrimSuffix(million.String()[:20_000], ",") + `":1`)
		}
		for name, text := range texts {
			if a := c.write(b, self, text); a.status != http.StatusBadRequest {
				t.Errorf("%s %s, %s: %d %.200s", b.method, b.target, name, a.status, a.body)
			}
		}
		for _, contentType := range []string{
			"text/plain", "application/xml", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/json", "application/jsonx",
			"application/json, text/plain", "application/json; charset=utf-16", mergePatch + "; charset=latin1", "application/json-patch+json", "",
		} {
			if a := c.write(b, self, valid, "Content-Type", contentType); a.status != http.StatusUnsupportedMediaType {
				t.Errorf("%s %s, %q: %d %s", b.method, b.target, contentType, a.status, a.body)
			}
		}
		other := map[string]string{"PATCH": "application/json", "PUT": mergePatch, "POST": mergePatch}[b.method]
		c.write(b, self, valid, "Content-Type", other).want(t, http.StatusUnsupportedMediaType)
		c.write(b, self, valid, "Content-Encoding", "gzip").want(t, http.StatusUnsupportedMediaType)

		const most = 256 << 10
		fits := filled(`"x":"` + strings.Repeat("y", most-len(valid)+1) + `"`)
		if a := c.write(b, self, fits); len(fits) != most || a.status == http.StatusRequestEntityTooLarge {
			t.Errorf("%s %s, %d bytes: %d %.200s", b.method, b.target, len(fits), a.status, a.body)
		}
		c.write(b, self, fits+" ").want(t, http.StatusRequestEntityTooLarge)
		c.write(b, self, filled(strings.TrimSuffix(million.String(), ","))).want(t, http.StatusRequestEntityTooLarge)
		r := httptest.NewRequest(b.method, b.target, io.MultiReader(strings.NewReader(fits+" "))) // of unknown length
		for n, headers := 0, append(inDialect(b.target, self), "Content-Type", "application/json"); n+1 < len(headers); n += 2 {
			if r.Header.Get(headers[n]) == "" {
				r.Header.Set(headers[n], headers[n+1])
			}
		}
		if b.own {
			c.serve(r).want(t, http.StatusRequestEntityTooLarge)
		}
	}
	entries := c.get(ofUser, adminToken).body // the texts that fit are an entry of the extended profile
	c.put(ofUser, adminToken, `{"metadata":[{"key":"badge","value":7,"profileClaim":true}]}`).want(t, http.StatusOK)
	if !strings.Contains(entries, `{"key":"x","value":"yy`) {
		t.Errorf("what fits is not there: %.200s", entries)
	}
	c.put(ofUser, adminToken, `{"metadata":[]}`).want(t, http.StatusOK)
	if after := c.person("acme-user"); after != before {
		t.Errorf("acme's user was\n%s\nand is\n%s", before, after)
	}
}

// Values that are too deep or of another type are told as what is wrong with a member, or an entry (row D-04).
func TestValuesOfAccounts(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	self := c.loginAs(c.acme.user, "").text(t, "access_token")
	before := c.person("acme-user")
	deep := strings.Repeat("[", 33) + strings.Repeat("]", 33)
	for name := range c.get(edxAccount, self).want(t, http.StatusOK).json(t) {
		for _, value := range []string{deep, `{"a":{"b":[{}]}}`, `[[]]`, `[1,null,{}]`, `1e400`, `-0.5`, `true`, `"\u0000"`, `"\u001b[31m"`, `"` + strings.Repeat("x", 9000) + `"`} {
			if a := c.changeAccount(edxAccount, self, `{"`+name+`":`+value+`,"goals":"Not kept."}`); a.status != http.StatusBadRequest && a.status != http.StatusOK ||
				a.status == http.StatusOK && !ignored[name] {
				t.Errorf("%s of %.40s: %d %.200s", name, value, a.status, a.body)
			} else if a.status == http.StatusOK {
				c.changeAccount(edxAccount, self, `{"goals":""}`).want(t, http.StatusOK)
			}
		}
	}
	for key, value := range map[string]string{"note": deep, "public_metadata": deep, "a\\u0000b": "1", strings.Repeat("k", 201): "1", "title": "7", "is_profile_public": `"yes"`} {
		c.post(extendedProfile, self, `{"username":"acme-user","`+key+`":`+value+`,"fits":1,"about":"Not kept."}`).want(t, http.StatusBadRequest)
	}
	if after := c.person("acme-user"); after != before {
		t.Errorf("acme's user was\n%s\nand is\n%s", before, after)
	}
}

// ignored are members of an account that nobody writes, and that edX passes over.
var ignored = map[string]bool{
	"id": true, "course_certificates": true, "last_login": true, "verified_name": true, "pending_name_change": true, "time_zone": true,
	"secondary_email_enabled": true,
}

// factNames are those of what an installation knows of a person, and what other systems call it.
var factNames = []string{
	"id", "user_id", "sub", "email_verified", "emailVerified", "isEmailVerified", "Email_Verified", "email_verified ", "phone_number_verified",
	"phone_verified", "is_staff", "is_superuser", "isAdmin", "is_active", "disabled", "role", "roles", "orgs", "org", "org_id", "groups", "password",
	"password_hash", "hash_algorithm", "must_change_password", "pending_email", "email_proof", "picture", "Picture", "biography", "profile", "created_at",
	"updated_at", "version", "epoch", "deleting", "profileClaim", "profile_claim", "metadata", "secondary_email", "date_joined", "__proto__", "constructor",
}

// Nothing but a person's own words is taken from him: no fact, verification or role, whatever it is called and wherever it is (rows I-05, L-12).
func TestAccountTakesNoFacts(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	c.patch("/api/user/acme-user-id?org=acme", adminToken, `{"email_verified":false,"profile":{"phone_number":"+14155550100","phone_number_verified":true}}`).want(t, 200)
	self := c.loginAs(c.acme.user, "").text(t, "access_token")
	record := func() string {
		return c.get("/api/user/acme-user-id?org=acme", adminToken).want(t, http.StatusOK).body + c.get("/api/user/acme-user-id/role?org=acme", adminToken).body +
			c.get("/api/user/acme-user-id/group?org=acme", adminToken).body
	}
	before := record()
	for _, name := range factNames {
		for _, value := range []string{`true`, `false`, `"admin"`, `"globex"`, `["globex"]`, `{"email_verified":true,"role":"admin"}`, `7`, `null`} {
			for _, b := range accountWrites {
				for _, with := range []string{quote(name) + ":" + value, `"extra":{` + quote(name) + ":" + value + `}`} {
					text := strings.Replace(b.text, "%", with, 1)
					if b.text == "%" {
						text = "{" + with + "}"
					}
					if a := c.write(b, self, text); a.status >= 500 {
						t.Errorf("%s %s %s: %d %s", b.method, b.target, text, a.status, a.body)
					}
				}
			}
		}
	}
	if after := record(); after != before {
		t.Errorf("the user was\n%s\nand is\n%s", before, after)
	}
	for _, e := range parsed[nativeDocument](t, c.get(ofUser, adminToken)).Metadata {
		if e.ProfileClaim {
			t.Errorf("%s is a claim", e.Key)
		}
	}
	claims := claimsOf(t, c.loginAs(c.acme.user, "").text(t, "access_token"))
	for name := range claims {
		if strings.HasPrefix(name, "metadata_") || name == "role" || name == "roles" {
			t.Errorf("the token has %s", name)
		}
	}
	// A changed number is not a verified one, and one that comes back isn't either.
	for _, number := range []string{"+14155550199", "+14155550100"} {
		c.changeAccount(edxAccount, self, `{"phone_number":"`+number+`","phone_number_verified":true}`).want(t, http.StatusOK)
		if got := c.get("/api/user/acme-user-id?org=acme", adminToken).body; strings.Contains(got, "phone_number_verified") || !strings.Contains(got, number) {
			t.Errorf("%s: %s", number, got)
		}
	}
}

// What operators answer for a person does not write, nor see what only they may read; and then nothing else of the request is done (row M-01).
func TestExtendedProfileLeavesOperatorsTheirs(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	self := c.loginAs(c.acme.user, "").text(t, "access_token")
	c.put(ofUser, adminToken, `{"metadata":[{"key":"badge","value":7,"profileClaim":true},{"key":"rating","value":3},{"key":"plan","value":"free"},
		{"key":"username","value":"root"},{"key":"is_active","value":false}]}`).want(t, http.StatusOK)
	before := c.person("acme-user")
	for _, more := range []string{`"badge":8`, `"plan":"gold"`, `"rating":5`, `"plan":"gold","profileClaim":true`} {
		a := c.post(extendedProfile, self, `{"username":"acme-user","title":"Not kept.","note":1,`+more+`}`)
		if a.status != http.StatusForbidden && a.status != http.StatusBadRequest || !strings.HasPrefix(a.body, `{"error":`) {
			t.Errorf("%s: %d %s", more, a.status, a.body)
		}
	}
	c.post(extendedProfile, c.acme.reader, `{"username":"acme-user","note":1}`).want(t, http.StatusForbidden)
	if after := c.person("acme-user"); after != before {
		t.Errorf("acme's user was\n%s\nand is\n%s", before, after)
	}
	a := c.get(extendedProfile+"?username=acme-user", self).want(t, http.StatusOK)
	if strings.Contains(a.body, "rating") || !strings.Contains(a.body, `"badge":7`) || a.text(t, "username") != "acme-user" || !strings.Contains(a.body, `"is_active":true`) {
		t.Errorf("%s", a.body)
	}
	if a := c.get(extendedProfile+"?username=acme-user", c.acme.operator).want(t, http.StatusOK); !strings.Contains(a.body, `"rating":3`) {
		t.Errorf("to an operator: %s", a.body)
	}
	c.post(extendedProfile, c.acme.operator, `{"username":"acme-user","badge":8}`).want(t, http.StatusOK)
	if now := claimsOf(t, c.loginAs(c.acme.user, "").text(t, "access_token")); fmt.Sprint(now["metadata_badge"]) != "8" {
		t.Errorf("badge is %v", now["metadata_badge"])
	}
}

// Who manages a person's entries in one of his organisations does not change the person, who is at home in another (row A-04); and then
// nothing of the request is done.
func TestExtendedProfileIsOfThePerson(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	before := c.get("/api/user/sam-id?org=globex", adminToken).body + c.get("/api/user/sam-id/metadata?org=acme", adminToken).body
	for _, bearer := range []string{c.acme.operator, c.acme.machineToken} {
		for _, with := range []string{`"title":"Theirs."`, `"name":"Theirs.","note":1`, `"note":1,"is_profile_public":false`, `"note":1,"email":"x@acme.example"`} {
			if a := c.post(extendedProfile, bearer, `{"username":"sam",`+with+`}`); a.status != http.StatusForbidden && a.status != http.StatusBadRequest {
				t.Errorf("%s: %d %s", with, a.status, a.body)
			}
		}
	}
	if after := c.get("/api/user/sam-id?org=globex", adminToken).body + c.get("/api/user/sam-id/metadata?org=acme", adminToken).body; after != before {
		t.Errorf("sam was\n%s\nand is\n%s", before, after)
	}
}

// Whom a request is about is named once, where the route says (row A-02).
func TestAccountsNameTheSubjectOnce(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	self := c.loginAs(c.acme.user, "").text(t, "access_token")
	before := c.person("acme-other")
	for _, other := range []string{"acme-other", "acme-other-id", "acme-other@acme.example", "globex-user", "sam", "jane", "me2"} {
		for _, name := range []string{"username", "Username", "USERNAME", "user", "user_id", "userId", "id", "sub", "email"} {
			for _, b := range accountWrites {
				with := quote(name) + ":" + quote(other)
				text := strings.Replace(b.text, "%", `"bio":"Theirs.","title":"Theirs.",`+with, 1)
				a := c.write(b, self, text)
				if a.status >= 500 || name == "username" && a.status == http.StatusOK && b.target != edxEmails {
					t.Errorf("%s %s %s: %d %s", b.method, b.target, text, a.status, a.body)
				}
				asked := b
				asked.target += "?" + name + "=" + other
				asked.text = strings.Replace(b.text, "%", `"bio":"Mine.","note":"Mine."`, 1)
				if a := c.write(asked, self, asked.text); a.status >= 500 {
					t.Errorf("%s %s: %d %s", b.method, asked.target, a.status, a.body)
				}
			}
		}
		mine := `{"username":"acme-user","note":"Mine.","user":"` + other + `"}`
		if a := c.post(extendedProfile+"?username="+other, c.acme.operator, mine).want(t, http.StatusOK); a.text(t, "username") != "acme-user" {
			t.Errorf("with %s in the query: %s", other, a.body)
		}
		for _, target := range []string{edxAccounts + "/" + other, "/lms/api/user/v1/preferences/" + other} {
			c.changeAccount(target, self, `{"account_privacy":"private"}`).want(t, http.StatusForbidden)
			if a := c.changeAccount(target, c.acme.operator, `{"account_privacy":"private"}`); a.status != http.StatusForbidden || a.body != "" {
				t.Errorf("an operator at %s: %d %s", target, a.status, a.body)
			}
		}
		if a := c.post(extendedProfile, self, `{"username":"`+other+`","title":"Theirs."}`); a.status != http.StatusForbidden && a.status != http.StatusNotFound {
			t.Errorf("%s: %d %s", other, a.status, a.body)
		}
	}
	for _, query := range []string{"username=acme-user&username=acme-other", "username=acme-other&username=acme-user", "email=a&email=b", "view=shared&view=shared"} {
		for _, path := range []string{edxAccounts, edxAccount, extendedProfile} {
			c.get(path+"?"+query, c.acme.operator).want(t, http.StatusBadRequest)
		}
	}
	if a := c.get(edxAccount+"?username=acme-other&user=acme-other", c.acme.operator); a.text(t, "username") != "acme-user" {
		t.Errorf("%s", a.body)
	}
	if after := c.person("acme-other"); after != before {
		t.Errorf("the other was\n%s\nand is\n%s", before, after)
	}
}

// Nobody of another organisation can be told from nobody at all, through any of the routes (row A-01).
func TestAccountsOfOtherOrganisations(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	before := c.person("globex-user") + c.person("globex-other")
	number := c.accountNumber(edxAccounts+"/globex-user", c.globex.operator)
	callers := map[string]string{
		"operator": c.acme.operator, "reader": c.acme.reader, "machine": c.acme.machineToken, "plain": c.acme.plainToken, "admin": adminToken,
		"user": c.loginAs(c.acme.user, "").text(t, "access_token"), "user of both": c.loginAs(c.shared, `,"org":"acme"`).text(t, "access_token"),
	}
	for caller, bearer := range callers {
		for _, whom := range []string{"globex-user", "globex-user-id", "globex-user@globex.example", "GLOBEX-USER", "globex-other"} {
			nobody := strings.ToLower(randomName())
			if strings.Contains(whom, "@") {
				nobody += "@globex.example"
			}
			pairs := [][2]string{
				{"GET " + edxAccounts + "/%", ""}, {"GET " + edxAccounts + "/%?view=shared", ""}, {"PATCH " + edxAccounts + "/%", `{"bio":"x"}`},
				{"GET " + edxAccounts + "?username=%", ""}, {"GET " + edxAccounts + "?username=acme-user,%", ""}, {"GET " + edxAccounts + "?email=%", ""},
				{"POST " + edxEmails, `{"emails":["%"]}`}, {"GET /lms/api/user/v1/preferences/%", ""}, {"PATCH /lms/api/user/v1/preferences/%", `{"time_zone":null}`},
				{"GET /lms/api/user/v1/preferences/%/account_privacy", ""}, {"PUT /lms/api/user/v1/preferences/%/account_privacy", `"private"`},
				{"DELETE /lms/api/user/v1/preferences/%/account_privacy", ""}, {"GET " + extendedProfile + "?username=%", ""},
				{"POST " + extendedProfile, `{"username":"%","title":"x"}`},
			}
			for _, p := range pairs {
				ask := func(name string) answer {
					method, target, _ := strings.Cut(strings.ReplaceAll(p[0], "%", name), " ")
					return c.send(method, target, bearer, strings.ReplaceAll(p[1], "%", name), inDialect(target, bearer)...)
				}
				same(t, caller+" "+p[0]+" of "+whom, ask(whom), ask(nobody))
			}
		}
		same(t, caller+" by number", c.get(edxAccounts+"?lms_user_id="+number, bearer), c.get(edxAccounts+"?lms_user_id=999999999", bearer))
	}
	if after := c.person("globex-user") + c.person("globex-other"); after != before {
		t.Errorf("globex was\n%s\nand is\n%s", before, after)
	}
}

// Whatever is written into a text is that text, in JSON that no browser takes for a page, or refused; and a link leads to its platform
// (row M-13).
func TestHostileTextsInAccounts(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	self := c.loginAs(c.acme.user, "").text(t, "access_token")
	texts := []string{
		`<img src=x onerror=alert(1)>`, `</script><!--`, `"><svg/onload=alert(1)>`, `javascript:alert(1)`, `JaVaScRiPt:alert(1)`, `data:text/html,<script>alert(1)</script>`,
		"\u2028\u202e\u200b\ufeff", `{{.Token}}`, `'; DROP TABLE users;--`, `%3Cscript%3E`, `../../etc/passwd`, "a\r\nSet-Cookie: x=y", `//evil.example`,
		`https://evil.example/linkedin.com/in/ann`, `linkedin.com.evil.example/in/ann`, `https://linkedin.com@evil.example/in/x`, `x.com/a"onclick="b`, `ann?next=//evil.example`,
	}
	for _, text := range texts {
		for _, field := range []string{"name", "bio", "goals", "mailing_address", "state", "phone_number", "level_of_education", "country", "gender", "account_privacy"} {
			a := c.changeAccount(edxAccount, self, `{"`+field+`":`+quote(text)+`}`)
			if a.status == http.StatusOK && a.text(t, field) != strings.TrimSpace(text) || a.status != http.StatusOK && a.status != http.StatusBadRequest {
				t.Errorf("%s of %q: %d %s", field, text, a.status, a.body)
			}
			c.isData(a)
		}
		for _, platform := range []string{"facebook", "linkedin", "twitter", "x", text} {
			c.isData(c.changeAccount(edxAccount, self, `{"social_links":[{"platform":`+quote(platform)+`,"social_link":`+quote(text)+`}]}`))
		}
		c.isData(c.changeAccount(edxAccount, self, `{"language_proficiencies":[{"code":`+quote(text)+`}],"extended_profile":[{"field_name":`+quote(text)+`,"field_value":`+quote(text)+`}]}`))
		c.isData(c.changeAccount(edxAccount, self, `{"extended_profile":[{"field_name":`+quote(text)+`,"field_value":`+quote(text)+`}]}`))
		c.isData(c.post(extendedProfile, self, `{"username":"acme-user","title":`+quote(text)+`,"about":`+quote(text)+`,`+quote(text)+`:`+quote(text)+`}`))
		c.isData(c.put(edxPreferences+"/time_zone", self, quote(text)))
		c.isData(c.changeAccount(edxPreferences, self, `{`+quote(text)+`:`+quote(text)+`}`))
		account := parsed[struct {
			Links []struct {
				Platform string `json:"platform"`
				Link     string `json:"social_link"`
			} `json:"social_links"`
		}](t, c.get(edxAccount, self))
		for _, l := range account.Links {
			hosts := map[string]string{
				"facebook": "https://www.facebook.com/", "linkedin": "https://www.linkedin.com/in/", "twitter": "https://www.twitter.com/", "x": "https://www.x.com/",
			}
			rest, ok := strings.CutPrefix(l.Link, hosts[l.Platform])
			if !ok || strings.ContainsAny(rest, `/\"<>?#@: `) {
				t.Errorf("%q made the link %q to %s", text, l.Link, l.Platform)
			}
		}
		if profile := fmt.Sprint(c.get("/oauth/userinfo", self).want(t, http.StatusOK).json(t)["profile"]); profile != "<nil>" && !strings.HasPrefix(profile, "https://www.") {
			t.Errorf("%q made the claim profile %q", text, profile)
		}
	}
}

// isData fails unless an answer is what a browser shows as no page.
func (c *cast) isData(a answer) {
	c.t.Helper()
	h := a.header
	if a.status >= 500 || a.body != "" && h.Get("Content-Type") != "application/json" || h.Get("X-Content-Type-Options") != "nosniff" ||
		!strings.HasPrefix(h.Get("Content-Security-Policy"), "default-src 'none'") {
		c.t.Errorf("%d %v %s", a.status, h, a.body)
	}
}

// Without Redis the outcome is not known, and the client is told when to come back (row F-01).
func TestAccountsAreUnavailable(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Embedded(t).Client)
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	for _, op := range accountOperations() {
		if op.variant != "" || strings.Contains(op.route, "/me") || strings.HasPrefix(op.route, "PATCH") || strings.Contains(op.route, ":key") && !strings.HasPrefix(op.route, "GET") {
			continue // what staff never does
		}
		method, _, _ := strings.Cut(op.route, " ")
		target, body := op.prepare(nil)
		r := newRequest(method, target, adminToken, body).WithContext(ended)
		a := w.serve(r)
		if a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" || !strings.HasPrefix(a.body, `{"detail":"`) {
			t.Errorf("%s: %d %v %s", op.route, a.status, a.header, a.body)
		}
	}
}
