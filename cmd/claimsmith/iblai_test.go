package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/claimsmith/claimsmith/internal/redistest"
)

// platformMetadataPath is the path of ibl.ai's clients, with acme's platform_key.
const platformMetadataPath = "/dm/api/core/users/platform-metadata/?platform_key=acme"

// platform sends a request about an object of acme. of is more of the query.
func (c *cast) platform(method, of, bearer, body string) answer {
	c.t.Helper()
	return c.send(method, platformMetadataPath+of, bearer, body)
}

// entriesOfObject are those of an object of ibl.ai's, as their text.
func entriesOfObject(t testing.TB, a answer) string {
	t.Helper()
	_, rest, _ := strings.Cut(a.want(t, http.StatusOK).body, `"metadata":`)
	entries, _, _ := strings.Cut(rest, `,"created_at"`)
	return entries
}

const (
	onlyAdmins = `{"error":"Only tenant admins can access other users' metadata"}`
	noPlatform = `{"error":"Platform not found"}`
	noUser     = `{"error":"User not found"}`
)

// Who asks decides what there is: to a user nobody but himself, to an organisation's credentials its users, and no platform but their own
// (rows ).
func TestPlatformMetadataIsOnesOwn(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	token := c.loginAs(c.acme.user, "").text(t, "access_token")
	c.platform("PATCH", "", token, `{"metadata":{"theme":"dark"}}`).want(t, http.StatusOK)
	before := c.snapshot(acme) + c.snapshot(globex)
	const patch = `{"metadata":{"theme":"stolen"},"delete_keys":["theme"]}`
	refused := func(name, of, bearer string, status int, body string) {
		t.Helper()
		for method, sent := range map[string]string{"GET": "", "PATCH": patch, "PUT": patch, "DELETE": ""} {
			if a := c.platform(method, of, bearer, sent); a.status != status || a.body != body {
				t.Errorf("%s, %s: %d %s", name, method, a.status, a.body)
			}
		}
	}
	for _, other := range []string{"acme-other", "acme-other-id", "acme-other@acme.example", "globex-user", "globex-user-id", "jane", "sam", "nobody"} {
		refused("a user about "+other, "&username="+other, token, http.StatusForbidden, onlyAdmins)
	}
	for _, other := range []string{"globex-user", "globex-user-id", "jane", "nobody", "", "me"} {
		if other != "" {
			refused("an operator about "+other, "&username="+other, c.acme.operator, http.StatusNotFound, noUser)
			refused("a machine about "+other, "&username="+other, c.acme.machineToken, http.StatusNotFound, noUser)
		}
	}
	for name, bearer := range map[string]string{
		"an operator": c.globex.operator, "a reader": c.globex.reader, "a machine": c.globex.machineToken,
		"a user": c.loginAs(c.globex.user, "").text(t, "access_token"),
	} {
		refused(name+" of another organisation", "&username=acme-user", bearer, http.StatusNotFound, noPlatform)
	}
	for _, platform := range []string{"globex", "nowhere", "ACME", "a/b", "acme%00", "%25", "acme%20"} {
		target := strings.Replace(platformMetadataPath, "acme", platform, 1) + "&username=acme-user"
		if a := c.get(target, c.acme.operator); a.status != http.StatusNotFound || a.body != noPlatform {
			t.Errorf("%s: %d %s", platform, a.status, a.body)
		}
	}
	for _, credential := range []string{c.acme.operator, c.acme.reader, c.acme.machineToken} {
		refused("a credential of nobody's", "", credential, http.StatusBadRequest,
			`{"error":"username query parameter is required: this credential belongs to no user"}`)
	}
	c.platform("PATCH", "&username=acme-user", c.acme.reader, patch).want(t, http.StatusForbidden)
	if after := c.snapshot(acme) + c.snapshot(globex); after != before {
		t.Errorf("there was\n%s\nand is\n%s", before, after)
	}
	for _, bearer := range []string{c.acme.operator, c.acme.reader, c.acme.machineToken, adminToken} {
		if got := entriesOfObject(t, c.platform("GET", "&username=acme-user%40acme.example", bearer, "")); got != `{"theme":"dark"}` {
			t.Errorf("%s", got)
		}
	}
	// What the user is called makes no difference, and an administrator is in no organisation.
	for _, self := range []string{"", "&username=", "&username=me", "&username=acme-user", "&username=ACME-User", "&username=acme-user-id"} {
		if got := entriesOfObject(t, c.platform("GET", self, token, "")); got != `{"theme":"dark"}` {
			t.Errorf("%q: %s", self, got)
		}
	}
}

// Entries that operators answer for stay what they are, whatever the user sends; operators change them, and they stay claims (row M-01).
func TestPlatformMetadataLeavesOperatorsTheirs(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		c := newCast(t, b)
		token := c.loginAs(c.acme.user, "").text(t, "access_token")
		c.put("/api/user/acme-user-id/metadata", c.acme.operator, `{"metadata":[{"key":"role","value":"viewer","profileClaim":true},
			{"key":"plan","value":"free"},{"key":"rating","value":3},{"key":"theme","value":"dark"}]}`).want(t, http.StatusOK)
		const shown = `{"plan":"free","role":"viewer"}`
		for _, body := range []string{
			`{"metadata":{"role":"admin"}}`, `{"delete_keys":["role"]}`, `{"metadata":{"plan":"gold"}}`, `{"metadata":{"theme":"x","role":"admin"}}`,
			`{"metadata":{"ROLE":"admin"},"delete_keys":["role"]}`,
		} {
			c.platform("PATCH", "", token, body).want(t, http.StatusForbidden)
		}
		c.platform("PUT", "", token, `{"metadata":{"role":"viewer"}}`).want(t, http.StatusForbidden)
		if got := entriesOfObject(t, c.platform("PUT", "", token, `{"metadata":{"language":"en"},"profileClaim":true}`)); got != `{"language":"en","plan":"free","role":"viewer"}` {
			t.Errorf("after PUT: %s", got)
		}
		c.platform("DELETE", "", token, "").want(t, http.StatusNoContent)
		if got := entriesOfObject(t, c.platform("GET", "", token, "")); got != shown {
			t.Errorf("after DELETE: %s", got)
		}
		if got := entriesOfObject(t, c.platform("GET", "&username=acme-user", c.acme.operator, "")); got != `{"plan":"free","rating":3,"role":"viewer"}` {
			t.Errorf("to an operator: %s", got)
		}
		c.platform("PATCH", "&username=acme-user", c.acme.operator, `{"metadata":{"role":"editor","plan":"gold","nick":"Ace"}}`).want(t, http.StatusOK)
		const marked = `{"metadata":[{"key":"nick","value":"Ace","profileClaim":false},{"key":"plan","value":"gold","profileClaim":true},` +
			`{"key":"rating","value":3,"profileClaim":false},{"key":"role","value":"editor","profileClaim":true}]}`
		if a := c.get("/api/user/acme-user-id/metadata", c.acme.operator); a.body != marked {
			t.Errorf("marks: %s", a.body)
		}
		if now := claimsOf(t, c.loginAs(c.acme.user, "").text(t, "access_token")); now["metadata_role"] != "editor" || now["metadata_nick"] != nil {
			t.Errorf("claims: %v", now)
		}
	})
}

// All of many changes to different keys are there in the end, through whatever dialect and instance they came (row M-12).
func TestParallelPatchesOfPlatformMetadata(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		c := newCast(t, b)
		token := c.loginAs(c.acme.user, "").text(t, "access_token")
		second := &cast{world: c.again()}
		for a := range rounds(b, 5) {
			const many = 50
			answers := together(many, func(n int) answer {
				key := fmt.Sprintf("k%02d", n)
				switch n % 3 {
				case 0:
					return c.platform("PATCH", "", token, fmt.Sprintf(`{"metadata":{%q:%d},"delete_keys":["%s-before"]}`, key, a, key))
				case 1:
					return second.platform("PATCH", "&username=acme-user", c.acme.operator, fmt.Sprintf(`{"metadata":{%q:%d}}`, key, a))
				}
				return second.patch("/api/user/me/metadata", token, fmt.Sprintf(`{"set":[{"key":%q,"value":%d}]}`, key, a))
			})
			if counts := tally(answers); counts[http.StatusOK] != many {
				t.Fatalf("%v", counts)
			}
			var want []string
			for n := range many {
				want = append(want, fmt.Sprintf(`"k%02d":%d`, n, a))
			}
			if got := entriesOfObject(t, c.platform("GET", "", token, "")); got != "{"+strings.Join(want, ",")+"}" {
				t.Fatalf("%s", got)
			}
		}
	})
}

// The object is as old as the user until it is first written, and moves with every change but one that changes nothing.
func TestTimesOfPlatformMetadata(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	token := c.loginAs(c.acme.other, "").text(t, "access_token")
	times := func(a answer) [2]string {
		t.Helper()
		return [2]string{a.want(t, http.StatusOK).text(t, "created_at"), a.text(t, "updated_at")}
	}
	at := func() string { return c.clock.Now().Format("2006-01-02T15:04:05.000000Z") }
	user := at()
	c.clock.Advance(time.Second)
	if got := times(c.platform("GET", "", token, "")); got != [2]string{user, user} {
		t.Errorf("never written: %v, the user is of %s", got, user)
	}
	c.clock.Advance(time.Millisecond)
	first := at()
	for _, step := range []struct{ method, body, updated string }{
		{"PATCH", `{"metadata":{"theme":"dark"}}`, "now"}, {"PUT", `{"metadata":{"theme":"light"}}`, "now"}, {"GET", "", ""},
		{"PATCH", `{"metadata":{}}`, ""}, {"DELETE", "", "now"}, {"GET", "", ""},
	} {
		updated := at()
		a := c.platform(step.method, "", token, step.body)
		if step.method == "DELETE" {
			a.want(t, http.StatusNoContent)
			a = c.platform("GET", "", token, "")
		}
		got := times(a)
		if got[0] != first || (got[1] == updated) != (step.updated == "now") {
			t.Errorf("%s %s at %s: %v, first written at %s", step.method, step.body, updated, got, first)
		}
		c.clock.Advance(time.Second)
	}
}

// A user is shown by his username, else by his address if that is his, else by his id.
func TestNamesInPlatformMetadata(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	for _, user := range []struct{ members, name string }{
		{`"id":"u1","username":"one","email":"one@acme.example","email_verified":true`, "one"},
		{`"id":"u2","email":"two@acme.example","email_verified":true`, "two@acme.example"},
		{`"id":"u3","email":"three@acme.example"`, "u3"}, {`"id":"u4"`, "u4"},
	} {
		id := c.post("/api/user?org=acme", adminToken, "{"+user.members+"}").want(t, http.StatusCreated).text(t, "id")
		a := c.platform("PATCH", "&username="+id, c.acme.operator, `{"metadata":{"a":1}}`).want(t, http.StatusOK)
		if a.text(t, "username") != user.name || a.text(t, "platform_key") != "acme" {
			t.Errorf("%s: %s", user.members, a.body)
		}
	}
}
