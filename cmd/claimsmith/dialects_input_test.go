package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/claimsmith/claimsmith/internal/redistest"
)

// spoken is a request of a dialect with a body that is valid where % is removed. At the % another member can be put into an object; # is
// the number of application acme-plain, ~ a refresh token.
type spoken struct {
	method, target, text string
	own                  bool // the user himself sends it
}

// spokenBodies has a row for every object that a dialect reads and that is not a value or the entries themselves.
var spokenBodies = append([]spoken{
	{"PATCH", "/dm/api/core/users/platform-metadata/?platform_key=acme&username=acme-user", `{"metadata":{"note":1}%}`, false},
	{"PUT", "/api/core/users/platform-metadata?platform_key=acme&username=acme-user", `{"metadata":{"note":1}%}`, false},
	{"POST", "/auth/login", `{"username":"acme-user","password":"the password of acme-user!"%}`, false},
	{"POST", "/auth/refresh", `{"refresh_token":"~"%}`, false},
	{"POST", "/auth/register", `{"user_info":` + newcomer + `},"password":"the password of a newcomer"%}`, false},
	{"POST", "/auth/register", `{"user_info":` + newcomer + `%},"password":"the password of a newcomer"}`, false},
	{"POST", "/operator/app/register", `{"app":"An app"%}`, false},
	{"POST", "/operator/profile/register", `{"app":"Another app"%}`, false},
	{"POST", "/operator/profile/create-bulk", `{"profiles":[{"app_id":#,"user_id":"acme-user-id","profile_data":{"note":1}}]%}`, false},
	{"POST", "/operator/profile/create-bulk", `{"profiles":[{"app_id":#,"user_id":"acme-user-id","profile_data":{"note":1}%}]}`, false},
	{"POST", "/user/profiles/create", `{"app_id":#,"profile_data":{"note":1}%}`, true},
	{"POST", managed + "/note", `{"value":"MQ=="%}`, false},
	{"POST", managed + "/_bulk", `{"metadata":[{"key":"note","value":"MQ=="}]%}`, false},
	{"POST", managed + "/_bulk", `{"metadata":[{"key":"note","value":"MQ=="%}]}`, false},
	{"DELETE", managed + "/_bulk", `{"keys":["note"]%}`, false},
	{"POST", managed + "/_search", `{"query":{"limit":5}%}`, false},
	{"POST", managed + "/_search", `{"query":{"limit":5%}}`, false},
	{"POST", managed + "/_search", `{"queries":[{"keyQuery":{"key":"note"}%}]}`, false},
	{"POST", managed + "/_search", `{"queries":[{"keyQuery":{"key":"note"%}}]}`, false},
	{"POST", "/auth/v1/users/me/metadata/_search", `{"queries":[{"keyQuery":{"key":"note"}}]%}`, true},
	{"POST", newer, `{"metadata":[{"key":"note","value":"MQ=="}]%}`, false},
	{"POST", newer, `{"metadata":[{"key":"note","value":"MQ=="%}]}`, false},
	{"POST", newer + "/search", `{"pagination":{"limit":5}%}`, false},
	{"POST", newer + "/search", `{"pagination":{"limit":5%}}`, false},
	{"POST", newer + "/search", `{"filters":[{"keyFilter":{"key":"note"}%}]}`, false},
	{"POST", newer + "/search", `{"filters":[{"keyFilter":{"key":"note"%}}]}`, false},
	{"POST", "/zitadel.user.v2.UserService/SetUserMetadata", `{"userId":"acme-user-id","metadata":[{"key":"note","value":"MQ=="}]%}`, false},
	{"POST", "/zitadel.management.v1.ManagementService/SetUserMetadata", `{"id":"acme-user-id","key":"note","value":"MQ=="%}`, false},
}, slices.Concat(memoryBodies, accountBodies)...)

// newcomer is somebody who registers, but for the end of it.
const newcomer = `{"username":"newcomer","email":"newcomer@x.example","first_name":"N","last_name":"C"`

// speaker is a cast that has what spokenBodies need.
type speaker struct {
	*cast
	user, refresh, number string
}

func newSpeaker(t testing.TB) *speaker {
	t.Helper()
	s := &speaker{cast: newCast(t, redistest.Embedded(t))}
	s.newSentinelClient()
	tokens := s.keyed("/auth/login", sentinelKey, `{"username":"acme-user","password":"the password of acme-user!"}`).want(t, http.StatusOK)
	s.user, s.refresh = s.loginAs(s.acme.user, "").text(t, "access_token"), tokens.text(t, "refresh_token")
	s.number = s.numberOf("acme-plain", acme)
	return s
}

func (s *speaker) filled(b spoken, more string) string {
	return strings.NewReplacer("#", s.number, "~", s.refresh, "%", more).Replace(b.text)
}

// say sends a body in place of the one of a row.
func (s *speaker) say(b spoken, text string, headers ...string) answer {
	s.t.Helper()
	bearer := s.acme.operator
	if b.own {
		bearer = s.user
	}
	return s.send(b.method, b.target, bearer, text, append(inDialect(b.target, bearer), headers...)...)
}

// dialectSnapshot is all there is in acme, with the document of its application.
func (c *cast) dialectSnapshot() string {
	c.t.Helper()
	return c.snapshot(acme) + c.get("/api/user/acme-user-id/metadata?org=acme&app=acme-plain", adminToken).body +
		c.get("/api/user/acme-other-id/metadata?org=acme", adminToken).body
}

// Where a dialect passes over members it does not know, nothing of them is stored, and nobody else is meant (rows I-05, A-02).
func TestUnknownMembersOfDialects(t *testing.T) {
	t.Parallel()
	c := newSpeaker(t)
	names := slices.Concat(otherNames, []string{
		"username", "user_name", "platform_key", "profileClaim", "profile_claim", "created_at", "password_hash", "email_verified", "disabled",
		"details", "resourceOwner", "resource_owner", "creationDate", "org_id", "orgId", "x-zitadel-orgid", "operator", "Operator", "isAdmin",
	})
	for _, b := range spokenBodies {
		send := func(more string) answer {
			if b.method == http.MethodDelete {
				c.put("/api/user/acme-user-id/metadata/note?org=acme", adminToken, `{"value":1}`).want(t, http.StatusOK)
			}
			return c.say(b, c.filled(b, more))
		}
		if a := send(""); a.status/100 != 2 {
			t.Fatalf("%s %s: %d %s", b.target, b.text, a.status, a.body)
		}
		entries := func() string {
			return c.stored("/api/user/acme-user-id/metadata?org=acme") + c.stored("/api/user/acme-other-id/metadata?org=acme") +
				c.stored("/api/user/acme-user-id/metadata?org=acme&app=acme-plain") +
				c.get("/api/user?limit=100&org=acme", adminToken).body + c.get("/api/client?limit=100&org=acme", adminToken).body
		}
		before := entries()
		for n, name := range names {
			if strings.Contains(b.text, quote(name)+":") {
				continue // it has this one
			}
			value := []string{`true`, `null`, `"acme-other-id"`, `"acme-other"`, `"globex"`}[n%5]
			if a := send("," + quote(name) + ":" + value); a.status >= 500 {
				t.Errorf("%s with %s: %d %s", b.target, name, a.status, a.body)
			}
		}
		if after := entries(); after != before {
			t.Fatalf("%s %s: it was\n%s\nand is\n%s", b.target, b.text, before, after)
		}
	}
}

// What is not one JSON value in UTF-8, said to be one, is read by no dialect; nothing is stored of it (row I-04).
func TestDialectsReadOnlyJSON(t *testing.T) {
	t.Parallel()
	c := newSpeaker(t)
	c.put("/api/user/acme-user-id/metadata/note?org=acme", adminToken, `{"value":1}`).want(t, http.StatusOK)
	before := c.dialectSnapshot()
	for _, b := range spokenBodies {
		valid := c.filled(b, "")
		send := func(text string, headers ...string) answer { return c.say(b, text, headers...) }
		texts := map[string]string{
			"trailing text": valid + " trailing", "another value": valid + valid, "a byte order mark": "\ufeff" + valid, "null": "null",
			"a list": "[" + valid + "]", "a text": quote(valid), "a member twice": repeatFirstMember(valid, false),
			"a member twice, escaped": repeatFirstMember(valid, true), "no UTF-8": strings.Replace(valid, "note", "no\xffte", 1), "cut": valid[:len(valid)-1],
			"deep": `{"x":` + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000) + `,` + valid[1:],
		}
		for name, text := range texts {
			if text == valid {
				continue // nothing to spoil
			}
			if a := send(text); a.status/100 != 4 {
				t.Errorf("%s %s: %s: %d %s", b.method, b.target, name, a.status, a.body)
			}
		}
		for _, contentType := range []string{
			"text/plain", "application/xml", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/json, text/plain",
			"application/jsonx", "text/json", "application/json; charset=utf-16",
		} {
			if a := send(valid, "Content-Type", contentType); a.status != http.StatusUnsupportedMediaType && a.status != http.StatusBadRequest {
				t.Errorf("%s %s: %q: %d %s", b.method, b.target, contentType, a.status, a.body)
			}
		}
	}
	if after := c.dialectSnapshot(); after != before {
		t.Errorf("acme was\n%s\nand is\n%s", before, after)
	}
}

// The organisation of a dialect's request is one the credential is good for, and is named once (row A-05).
func TestOrganisationIsNotChosenInDialects(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	c.put("/api/user/globex-user-id/metadata/note?org=globex", adminToken, `{"value":"secretive"}`).want(t, http.StatusOK)
	user := c.loginAs(c.acme.user, "").text(t, "access_token")
	shared := c.loginAs(c.shared, `,"org":"acme"`).text(t, "access_token")
	before := c.snapshot(globex)
	for _, caller := range []struct{ name, bearer string }{
		{"operator", c.acme.operator}, {"reader", c.acme.reader}, {"machine", c.acme.machineToken}, {"user", user}, {"user of both", shared},
	} {
		for n := range tongues {
			spoken := &tongues[n]
			if !spoken.wide {
				continue // the caller's own
			}
			for _, whom := range []person{c.globex.user, nobodyThere} {
				for _, w := range wishes {
					a := about{org: globex, user: whom, bearer: caller.bearer}
					nowhere := a
					nowhere.org = "zzzzzz"
					got, said := w.do(spoken, c, a)
					nothing, _ := w.do(spoken, c, nowhere)
					if !said {
						continue
					}
					what := fmt.Sprintf("%s %s by %s", caller.name, w.name, spoken.name)
					if got.class() == classDone || strings.Contains(got.body, "secretive") {
						t.Errorf("%s: %d %s", what, got.status, got.body)
					}
					same(t, what, got.without(globex), nothing.without("zzzzzz"))
				}
			}
		}
		c.ambiguousOrganisations(caller.bearer)
	}
	if after := c.snapshot(globex); after != before {
		t.Errorf("globex was\n%s\nand is\n%s", before, after)
	}
}

// ambiguousOrganisations names two, in every order; no dialect picks one.
func (c *cast) ambiguousOrganisations(bearer string) {
	c.t.Helper()
	for _, pair := range [][2]string{{acme, globex}, {globex, acme}, {acme, acme}} {
		for _, path := range platformPaths {
			a := c.get(path+"?platform_key="+pair[0]+"&platform_key="+pair[1], "", about{bearer: bearer}.scheme("Token")...)
			if a.status/100 == 2 {
				c.t.Errorf("%s with %q: %d %s", path, pair, a.status, a.body)
			}
		}
		for _, op := range slices.Concat(zitadelOperations, rpcOperations) {
			method, _, _ := strings.Cut(op.route, " ")
			target, body := op.prepare(c)
			r := newRequest(method, target, bearer, body)
			r.Header["X-Zitadel-Orgid"] = pair[:]
			if a := c.serve(r); a.status/100 == 2 {
				c.t.Errorf("%s with %q: %d %s", target, pair, a.status, a.body)
			}
		}
	}
}

// Whom a dialect's request is about is named once, where the dialect says (row A-02).
func TestDialectsNameTheSubjectOnce(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	user := c.loginAs(c.acme.user, "").text(t, "access_token")
	before := c.get("/api/user/acme-other-id/metadata?org=acme", adminToken).body
	number := c.numberOf("acme-plain", acme)
	for _, names := range []string{"username=acme-user&username=acme-other", "username=acme-other&username=acme-user", "username=acme-user&USERNAME=acme-other"} {
		a := c.send(http.MethodPatch, platformPaths[0]+"?platform_key=acme&"+names, c.acme.operator, `{"metadata":{"note":1}}`)
		if a.status/100 == 2 && !strings.Contains(names, "USERNAME") {
			t.Errorf("%s: %d %s", names, a.status, a.body)
		}
	}
	for _, body := range []string{
		`{"app_id":` + number + `,"profile_data":{"note":1},"user_id":"acme-other-id"}`, `{"app_id":` + number + `,"profile_data":{"note":1},"user_id":"acme-other"}`,
		`{"app_id":` + number + `,"profile_data":{"note":1},"user_id":"zzzzzz-user-id"}`,
	} {
		if a := c.post("/user/profiles/create", user, body); a.status/100 != 4 {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
	}
	unchecked := c.hurry() // nobody describes what is passed over
	for _, r := range []struct{ target, body string }{
		{managed + "/note", `{"id":"acme-other-id","key":"other","value":"MQ=="}`}, {managed + "/_bulk", `{"id":"acme-other-id","metadata":[` + noteSet + `]}`},
		{newer, `{"userId":"acme-other-id","metadata":[` + noteSet + `]}`}, {newer, `{"user_id":"acme-other-id","metadata":[` + noteSet + `]}`},
		{managed + "/note?id=acme-other-id", `{"value":"MQ=="}`}, {newer + "?user_id=acme-other-id", `{"metadata":[` + noteSet + `]}`},
	} {
		if a := unchecked.post(r.target, c.acme.operator, r.body); a.status >= 500 {
			t.Errorf("%s %s: %d %s", r.target, r.body, a.status, a.body)
		}
	}
	if after := c.get("/api/user/acme-other-id/metadata?org=acme", adminToken).body; after != before {
		t.Errorf("the other was\n%s\nand is\n%s", before, after)
	}
	if a := c.get("/api/user/acme-other-id/metadata?org=acme&app=acme-plain", adminToken); strings.Contains(a.body, "note") {
		t.Errorf("the other's profile is %s", a.body)
	}
}

func newRequest(method, target, bearer, body string) *http.Request {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	if body == "" {
		r = httptest.NewRequest(method, target, http.NoBody)
	} else {
		r.Header.Set("Content-Type", "application/json")
	}
	r.Header.Set("Authorization", "Bearer "+bearer)
	return r
}
