package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/claimsmith/claimsmith/internal/redistest"
)

// entry is an entry to be written, as JSON texts; mark is "" where nobody says whether it is a claim.
type entry struct{ key, value, mark string }

// text is the entry as an element of a list.
func (e entry) text() string { return `{"key":` + quote(e.key) + `,` + e.members() + `}` }

func (e entry) members() string {
	if e.mark == "" {
		return `"value":` + e.value
	}
	return `"value":` + e.value + `,"profileClaim":` + e.mark
}

// door is a way to write an entry.
type door struct {
	name, method, target string
	// body has the entry at %s, or, with a path that ends in a key, its members.
	body string
	// document is what shows it afterwards, "" where nothing does.
	document string
}

// importing is a door that makes a user, named by @ in target, body and document: another one each time.
const importing = "/api/user/import?org=acme"

const (
	ofUser  = "/api/user/acme-user-id/metadata?org=acme"
	ofApp   = "/api/user/acme-user-id/metadata?org=acme&app=login"
	ofGroup = "/api/group/acme-staff/metadata?org=acme"
	ofOrg   = "/api/org/acme/metadata?"
)

// doors are all there are in this API. Whatever one of them refuses all do, and what they store is the same (rows M-02, A-03).
var doors = []door{
	{"a user's entries", "PUT", ofUser, `{"metadata":[%s]}`, ofUser},
	{"a change of a user's", "PATCH", ofUser, `{"set":[%s]}`, ofUser},
	{"one of a user's", "PUT", "/api/user/acme-user-id/metadata/%s?org=acme", `{%s}`, ofUser},
	{"an application's entries", "PUT", ofApp, `{"metadata":[%s]}`, ofApp},
	{"a change of an application's", "PATCH", ofApp, `{"set":[%s]}`, ofApp},
	{"one of an application's", "PUT", "/api/user/acme-user-id/metadata/%s?org=acme&app=login", `{%s}`, ofApp},
	{"a group's entries", "PUT", ofGroup, `{"metadata":[%s]}`, ofGroup},
	{"a change of a group's", "PATCH", ofGroup, `{"set":[%s]}`, ofGroup},
	{"one of a group's", "PUT", "/api/group/acme-staff/metadata/%s?org=acme", `{%s}`, ofGroup},
	{"an organisation's entries", "PUT", ofOrg, `{"metadata":[%s]}`, ofOrg},
	{"a change of an organisation's", "PATCH", ofOrg, `{"set":[%s]}`, ofOrg},
	{"one of an organisation's", "PUT", "/api/org/acme/metadata/%s?", `{%s}`, ofOrg},
	{"a preview", "POST", "/api/user/acme-user-id/claims?org=acme", `{"set":[%s]}`, ""},
	{"a preview of an application's", "POST", "/api/user/acme-user-id/claims?org=acme", `{"client_id":"login","app":true,"set":[%s]}`, ""},
	{"a bulk change", "POST", "/api/metadata/bulk?org=acme", `{"user":"acme-user-id","set":[%s]}`, ofUser},
	{"a bulk replacement", "POST", "/api/metadata/bulk?org=acme", `{"user":"acme-user-id","replace":true,"set":[%s]}`, ofUser},
	{"a bulk change of an application's", "POST", "/api/metadata/bulk?org=acme", `{"user":"acme-user-id","app":"login","set":[%s]}`, ofApp},
	{"a tried bulk change", "POST", "/api/metadata/bulk?org=acme&dry_run=true", `{"user":"acme-user-id","set":[%s]}`, ""},
	{"an import", "POST", importing, `{"id":"@","metadata":[%s]}`, "/api/user/@/metadata?org=acme"},
	{"a tried import", "POST", importing + "&dry_run=true", `{"id":"@","metadata":[%s]}`, ""},
}

// open empties the document behind the door, writes an entry to it, and returns the address of the document.
func (d door) open(c *cast, bearer string, e entry) (status int, a answer, document string) {
	c.t.Helper()
	user := "imported-" + randomName()
	document = strings.Replace(d.document, "@", user, 1)
	if document != "" && document == d.document {
		c.put(document, adminToken, `{"metadata":[]}`).want(c.t, http.StatusOK)
	}
	target, text := d.target, e.text()
	if strings.Contains(target, "%s") {
		target, text = strings.Replace(target, "%s", url.PathEscape(e.key), 1), e.members()
	}
	status, a = c.verdict(d.method, target, bearer, strings.NewReplacer("%s", text, "@", user).Replace(d.body))
	if status == http.StatusCreated {
		status = http.StatusOK // of an import
	}
	return status, a, document
}

// stored are the entries of a document. A user who was not imported has none.
func (c *cast) stored(document string) string {
	c.t.Helper()
	a := c.get(document, adminToken)
	if a.status == http.StatusNotFound {
		return `{"metadata":[]}`
	}
	return a.want(c.t, http.StatusOK).body
}

// vectors are entries and what every door does with them: the status, and where it takes one what is stored.
var vectors = []struct {
	row string
	entry
	status int
}{
	// Claims keep to their prefix, whatever they are called.
	{"M-03", entry{"sub", `"acme-other-id"`, "true"}, 200}, {"M-03", entry{"iss", `"https://evil.example"`, "true"}, 200},
	{"M-03", entry{"aud", `"x"`, "true"}, 200}, {"M-03", entry{"exp", `9999999999`, "true"}, 200},
	{"M-03", entry{"scope", `"iam/"`, "true"}, 200}, {"M-03", entry{"client_id", `"x"`, "true"}, 200},
	{"M-03", entry{"cnf", `{"jkt":"x"}`, "true"}, 200}, {"M-03", entry{"act", `{"sub":"x"}`, "true"}, 200},
	{"M-03", entry{"org", `"globex"`, "true"}, 200}, {"M-03", entry{"azp", `"x"`, "true"}, 200},
	{"M-03", entry{"roles", `["admin"]`, "true"}, 200}, {"M-03", entry{"amr", `["mfa"]`, "true"}, 200},
	{"M-03", entry{"metadata_x", `1`, "true"}, 200}, {"M-03", entry{"claims_rev", `7`, "true"}, 200},
	// What can be no claim's key is none's.
	{"M-04", entry{"rôle", `1`, "true"}, 400}, {"M-04", entry{"ro\u0302le", `1`, "true"}, 400}, {"M-04", entry{"ｒole", `1`, "true"}, 400},
	{"M-04", entry{"ſub", `1`, "true"}, 400}, {"M-04", entry{"\u212a", `1`, "true"}, 400}, {"M-04", entry{"roles\u200b", `1`, "true"}, 400},
	{"M-04", entry{"\u202eelor", `1`, "true"}, 400}, {"M-04", entry{"ro\u00adle", `1`, "true"}, 400}, {"M-04", entry{"a/b", `1`, "true"}, 400},
	{"M-04", entry{"a:b", `1`, "true"}, 400}, {"M-04", entry{"a{b}", `1`, "true"}, 400}, {"M-04", entry{"a b", `1`, "true"}, 400},
	{"M-04", entry{"$where", `1`, "true"}, 400}, {"M-04", entry{"__proto__", `1`, "true"}, 400}, {"M-04", entry{"-", `1`, "true"}, 400},
	{"M-04", entry{"0", `1`, "true"}, 400}, {"M-04", entry{"😀", `1`, "true"}, 400}, {"M-04", entry{strings.Repeat("k", 65), `1`, "true"}, 400},
	{"M-04", entry{strings.Repeat("k", 201), `1`, ""}, 400}, {"M-04", entry{"a\u0000", `1`, ""}, 400}, {"M-04", entry{"a\n", `1`, ""}, 400},
	{"M-04", entry{"a/b c😀", `1`, ""}, 200},
	// One member, one value.
	{"M-05", entry{"k", `{"role":"user","role":"admin"}`, ""}, 400}, {"M-05", entry{"k", `{"role":1,"\u0072ole":2}`, ""}, 400},
	{"M-05", entry{"k", `{"role":1,"Role":2}`, ""}, 400}, {"M-05", entry{"k", `[{"a":{"x":1,"x":2}}]`, ""}, 400},
	{"M-05", entry{"k", `1`, `true,"profileClaim":false`}, 400}, {"M-05", entry{"k", `1,"value":2`, ""}, 400},
	{"M-05", entry{"k", `1`, `true,"profileclaim":true`}, 400}, {"M-05", entry{"k", `1`, `"true"`}, 400}, {"M-05", entry{"k", `1`, `null`}, 400},
	// Text is Unicode.
	{"M-06", entry{"k", `"\ud800"`, ""}, 400}, {"M-06", entry{"k", `"\udc00\ud800"`, ""}, 400}, {"M-06", entry{"k", "\"\xff\"", ""}, 400},
	{"M-06", entry{"k", "\"\xc0\xaf\"", ""}, 400}, {"M-06", entry{"k", "{\"a\xff\":1,\"a\xfe\":2}", ""}, 400}, {"M-06", entry{"k", "\"\t\"", ""}, 400},
	{"M-06", entry{"k", `"\x41"`, ""}, 400}, {"M-06", entry{"k", "\ufeff1", ""}, 400}, {"M-06", entry{"k", `"é😀\u00e9"`, ""}, 200},
	{"M-06", entry{"k", ``, ""}, 400}, {"M-06", entry{"k", `nul`, ""}, 400}, {"M-06", entry{"k", `[1,]`, ""}, 400}, {"M-06", entry{"k", `'x'`, ""}, 400},
	// Numbers keep their digits.
	{"M-07", entry{"k", `9007199254740993`, "true"}, 200}, {"M-07", entry{"k", `-9007199254740993`, "true"}, 200},
	{"M-07", entry{"k", `12345678901234567890`, "true"}, 200}, {"M-07", entry{"k", `1.0`, "true"}, 200}, {"M-07", entry{"k", `1e2`, "true"}, 200},
	{"M-07", entry{"k", `-0`, "true"}, 200}, {"M-07", entry{"k", `0.1`, "true"}, 200}, {"M-07", entry{"k", `1e400`, "true"}, 200},
	{"M-07", entry{"k", `1E-400`, "true"}, 200}, {"M-07", entry{"k", `01`, "true"}, 400}, {"M-07", entry{"k", `NaN`, "true"}, 400},
	{"M-07", entry{"k", `+1`, "true"}, 400}, {"M-07", entry{"k", `0x10`, "true"}, 400},
	// What is empty stays what it was.
	{"M-08", entry{"k", `{"a":[],"b":{},"c":null,"d":"true","e":"1"}`, "true"}, 200}, {"M-08", entry{"k", `[]`, "true"}, 200},
	{"M-08", entry{"k", `{}`, "true"}, 200}, {"M-08", entry{"k", `null`, "true"}, 200}, {"M-08", entry{"k", `""`, "true"}, 200},
	{"M-08", entry{"k", `"null"`, "false"}, 200}, {"M-08", entry{"k", `false`, "false"}, 200},
}

// One rule and one form for every door (rows M-02 to M-08).
func TestDoorsAgree(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	for _, v := range vectors {
		mark := v.mark
		if mark != "true" {
			mark = "false"
		}
		want := `{"metadata":[]}`
		if v.status == http.StatusOK {
			want = `{"metadata":[{"key":` + quote(v.key) + `,"value":` + v.value + `,"profileClaim":` + mark + `}]}`
		}
		for _, d := range doors {
			what := fmt.Sprintf("%s: %s by %s", v.row, v.text(), d.name)
			status, a, document := d.open(c, c.acme.operator, v.entry)
			if status != v.status {
				t.Errorf("%s: %d %s", what, status, a.body)
				continue
			}
			if document == "" {
				continue
			}
			if got := c.stored(document); got != want {
				t.Errorf("%s: stored is\n%s, not\n%s", what, got, want)
			}
		}
	}
}

// The definitions of a key hold on every door (row M-02).
func TestDefinitionsHoldOnEveryDoor(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	for key, definition := range map[string]string{
		"tier": `{"type":"string","max_bytes":8,"claim":"always"}`, "secret": `{"claim":"never"}`, "level": `{"type":"integer","profile_claim":true}`,
	} {
		c.put("/api/metadata-key/"+key+"?org=acme", adminToken, definition).want(t, http.StatusCreated)
	}
	for _, v := range []struct {
		entry
		status int
		marked bool
	}{
		{entry{"tier", `"gold"`, ""}, 200, true}, {entry{"tier", `"gold"`, "true"}, 200, true}, {entry{"tier", `"gold"`, "false"}, 400, false},
		{entry{"tier", `1`, ""}, 400, false}, {entry{"tier", `null`, ""}, 400, false}, {entry{"tier", `"platinum"`, ""}, 422, false},
		{entry{"secret", `1`, ""}, 200, false}, {entry{"secret", `1`, "true"}, 400, false},
		{entry{"level", `7`, ""}, 200, true}, {entry{"level", `7`, "false"}, 200, false}, {entry{"level", `7.5`, ""}, 400, false},
		{entry{"level", `"7"`, ""}, 400, false},
	} {
		for _, d := range doors {
			what := v.text() + " by " + d.name
			status, a, document := d.open(c, c.acme.operator, v.entry)
			if status != v.status {
				t.Errorf("%s: %d %s, want %d", what, status, a.body, v.status)
				continue
			}
			if document == "" {
				continue
			}
			want := `{"metadata":[]}`
			if status == http.StatusOK {
				want = fmt.Sprintf(`{"metadata":[{"key":%s,"value":%s,"profileClaim":%t}]}`, quote(v.key), v.value, v.marked)
			}
			if got := c.stored(document); got != want {
				t.Errorf("%s: stored is %s", what, got)
			}
		}
	}
}

// Through no door does a user say what others are to believe of him (row M-01).
func TestUsersOpenNoDoorToClaims(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	token := c.loginAs(c.acme.user, "").text(t, "access_token")
	for _, d := range doors {
		for _, e := range []entry{{"role", `"admin"`, "true"}, {"plan", `"gold"`, ""}, {"plan", `"gold"`, "true"}} {
			status, a, document := d.open(c, token, e)
			if status != http.StatusForbidden && status != http.StatusNotFound {
				t.Errorf("%s by %s: %d %s", e.text(), d.name, status, a.body)
			}
			if document == "" {
				continue
			}
			if got := c.stored(document); got != `{"metadata":[]}` {
				t.Errorf("%s by %s: stored is %s", e.text(), d.name, got)
			}
		}
		if d.document == ofUser || d.document == ofApp || strings.HasPrefix(d.target, "/api/user/acme-user-id") {
			continue // his own entries that are no claims he may write
		}
		if status, a, _ := d.open(c, token, entry{"note", `1`, "false"}); status != http.StatusForbidden && status != http.StatusNotFound {
			t.Errorf("a note by %s: %d %s", d.name, status, a.body)
		}
	}
	for claim := range claimsOf(t, c.loginAs(c.acme.user, "").text(t, "access_token")) {
		if claim == "metadata_role" || claim == "metadata_plan" {
			t.Errorf("the token has %s", claim)
		}
	}
}

// Nothing that is stored makes a claim outside the prefix, or changes one of the server's (row M-03).
func TestServerClaimsAreNotShadowed(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	before := claimsOf(t, c.loginAs(c.acme.user, "").text(t, "access_token"))
	for _, of := range []string{ofUser, ofGroup, ofOrg} {
		var all []string
		for _, name := range []string{"sub", "iss", "aud", "exp", "iat", "jti", "scope", "client_id", "cnf", "act", "org", "sid", "acr", "amr"} {
			all = append(all, entry{name, `"evil"`, "true"}.text())
		}
		c.put(of, adminToken, `{"metadata":[`+strings.Join(all, ",")+`]}`).want(t, http.StatusOK)
		after := claimsOf(t, c.loginAs(c.acme.user, "").text(t, "access_token"))
		for name, value := range after {
			_, known := before[name]
			switch {
			case strings.HasPrefix(name, "metadata_") || strings.HasPrefix(name, "claims_"):
			case !known:
				t.Errorf("%s made the claim %s", of, name)
			case name != "jti" && name != "sid" && fmt.Sprint(value) != fmt.Sprint(before[name]):
				t.Errorf("%s changed %s from %v to %v", of, name, before[name], value)
			}
		}
		if after["metadata_sub"] != "evil" {
			t.Errorf("%s: metadata_sub is %v", of, after["metadata_sub"])
		}
	}
}

// No update is lost, whichever doors they come through at once (row M-12).
func TestNoUpdateIsLost(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	for of, writers := range map[string]int{ofUser: 50, ofApp: 50, ofGroup: 8, ofOrg: 8} {
		c.put(of, adminToken, `{"metadata":[]}`).want(t, http.StatusOK)
		path, query, _ := strings.Cut(of, "?")
		at := c.get(of, adminToken).header.Get("ETag")
		c.put(path+"/first?"+query, adminToken, `{"value":1}`).want(t, http.StatusOK)
		var wg sync.WaitGroup
		for n := range writers {
			wg.Go(func() {
				e := entry{fmt.Sprintf("k%d", n), `1`, "false"}
				a := c.patient(http.MethodPatch, of, `{"set":[`+e.text()+`]}`)
				if n%2 == 0 {
					a = c.patient(http.MethodPut, path+"/"+e.key+"?"+query, `{`+e.members()+`}`)
				}
				if a.status != http.StatusOK {
					t.Errorf("%s: %d %s", of, a.status, a.body)
				}
				a = c.patient(http.MethodPatch, of, `{"set":[{"key":"late","value":1}]}`, "If-Match", at)
				if a.status != http.StatusPreconditionFailed {
					t.Errorf("%s: a change of what others had changed: %d %s", of, a.status, a.body)
				}
			})
		}
		wg.Wait()
		var doc struct{ Metadata []struct{ Key string } }
		if err := json.Unmarshal([]byte(c.get(of, adminToken).want(t, http.StatusOK).body), &doc); err != nil {
			t.Fatal(err)
		}
		if len(doc.Metadata) != writers+1 {
			t.Errorf("%s: %d of %d writes are there", of, len(doc.Metadata), writers+1)
		}
		c.raceWithCondition(of)
	}
}

// patient repeats a request for as long as it may have been too early.
func (c *cast) patient(method, target, body string, headers ...string) (a answer) {
	c.t.Helper()
	for range 200 {
		if a = c.send(method, target, adminToken, body, headers...); a.status != http.StatusServiceUnavailable {
			break
		}
	}
	return a
}

// raceWithCondition has many write what they have all read: one of them does.
func (c *cast) raceWithCondition(of string) {
	c.t.Helper()
	const writers = 20
	at := c.get(of, adminToken).want(c.t, http.StatusOK).header.Get("ETag")
	var won atomic.Int32
	var wg sync.WaitGroup
	for n := range writers {
		wg.Go(func() {
			switch a := c.patient(http.MethodPatch, of, fmt.Sprintf(`{"set":[{"key":"same","value":%d}]}`, n), "If-Match", at); a.status {
			case http.StatusOK:
				won.Add(1)
			case http.StatusPreconditionFailed:
			default:
				c.t.Errorf("%s: %d %s", of, a.status, a.body)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		c.t.Errorf("%s: %d of those who had read the same wrote", of, won.Load())
	}
}
