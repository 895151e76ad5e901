package main

import (
	"context"
	"net/http"
	"strings"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/session"
)

// operation is one thing the API can be asked to do to something of acme's. prepare makes what it needs anew, so that no role finds
// what another left, and returns the address and the body.
type operation struct {
	route   string // as it is mounted
	variant string // what tells it from others of the route
	prepare func(c *cast) (target, body string)
}

func fixed(target, body string) func(*cast) (string, string) {
	return func(*cast) (string, string) { return target, body }
}

// onUser is an operation on acme's user, whom no operation may remove.
func onUser(suffix, body string) func(*cast) (string, string) {
	return fixed("/api/user/acme-user-id"+suffix+"?org=acme", body)
}

func newUserOf(org string) func(*cast) (string, string) {
	return func(c *cast) (string, string) { return "/api/user/" + c.newUser(org, "") + "?org=acme", "" }
}

// newUserWith is an operation on a user of acme's who has just been made.
func newUserWith(suffix, body string) func(*cast) (string, string) {
	return func(c *cast) (string, string) { return "/api/user/" + c.newUser(acme, "") + suffix + "?org=acme", body }
}

// newSessionOf is an operation on a session of a user that has just begun.
func newSessionOf(user string) func(*cast) (string, string) {
	return func(c *cast) (string, string) {
		return "/api/user/" + user + "/session/" + c.startSession(user).ID + "?org=acme", ""
	}
}

// startSession logs a user in with a browser.
func (c *cast) startSession(user string) *session.Session {
	c.t.Helper()
	u, _, err := c.app.store.User(context.Background(), user)
	if err != nil {
		c.t.Fatal(err)
	}
	who := auth.Subject{User: user, Org: u.Orgs[0], AuthTime: c.clock.Now(), AMR: []string{"pwd"}, ACR: "1", Epoch: u.Epoch}
	sess, _, err := c.app.sessions.Start(context.Background(), who, nil, "a browser", "192.0.2.1")
	if err != nil {
		c.t.Fatal(err)
	}
	return sess
}

func newClientAt(suffix, body string) func(*cast) (string, string) {
	return func(c *cast) (string, string) {
		id := c.post("/api/client?org=acme", adminToken, `{}`).want(c.t, http.StatusCreated).text(c.t, "client_id")
		return "/api/client/" + id + suffix + "?org=acme", body
	}
}

func newAPITokenWith(members string) func(*cast) (string, string) {
	return func(c *cast) (string, string) {
		return "/api/token/" + c.post("/api/token", adminToken, `{`+members+`}`).want(c.t, http.StatusCreated).text(c.t, "id"), ""
	}
}

// onGroup is an operation on acme's group.
func onGroup(suffix, body string) func(*cast) (string, string) {
	return fixed("/api/group/acme-staff"+suffix+"?org=acme", body)
}

// rollBack restores what a document is now, since earlier revisions are forgotten at some time.
func rollBack(of, query, members string) func(*cast) (string, string) {
	return func(c *cast) (string, string) {
		revision := strings.Trim(c.get(of+"/metadata"+query, adminToken).want(c.t, http.StatusOK).header.Get("ETag"), `"`)
		return of + "/rollback" + query, `{"revision":` + revision + members + `}`
	}
}

// operations has at least one row for every route. The id, the name or the slug of what is created stays free for the next role.
var operations = []operation{
	{"GET /api/user/:userId/metadata", "", onUser("/metadata", "")},
	{"PUT /api/user/:userId/metadata", "without claims", onUser("/metadata", `{"metadata":[{"key":"note","value":1}]}`)},
	{"PUT /api/user/:userId/metadata", "with a claim", onUser("/metadata", `{"metadata":[{"key":"role","value":1,"profileClaim":true}]}`)},
	{"PATCH /api/user/:userId/metadata", "no claim", onUser("/metadata", `{"set":[{"key":"note","value":1}]}`)},
	{"PATCH /api/user/:userId/metadata", "a claim", onUser("/metadata", `{"set":[{"key":"role","value":1,"profileClaim":true}]}`)},
	{"PATCH /api/user/:userId/metadata", "what is a claim", onUser("/metadata", `{"delete":["badge"]}`)},
	{"GET /api/user/:userId/metadata/:key", "", onUser("/metadata/badge", "")},
	{"PUT /api/user/:userId/metadata/:key", "no claim", onUser("/metadata/note", `{"value":1}`)},
	{"PUT /api/user/:userId/metadata/:key", "a claim", onUser("/metadata/role", `{"value":1,"profileClaim":true}`)},
	{"PUT /api/user/:userId/metadata/:key", "what is a claim", onUser("/metadata/badge", `{"value":1}`)},
	{"PUT /api/user/:userId/metadata/:key", "of an application", fixed("/api/user/acme-user-id/metadata/note?org=acme&app=login", `{"value":1}`)},
	{"DELETE /api/user/:userId/metadata/:key", "no claim", onUser("/metadata/note", "")},
	{"DELETE /api/user/:userId/metadata/:key", "what is a claim", onUser("/metadata/badge", "")},

	{"GET /api/user/:userId/history", "", onUser("/history", "")},
	{"GET /api/user/:userId/history", "of a key", fixed("/api/user/acme-user-id/history?org=acme&key=badge", "")},
	{"POST /api/user/:userId/rollback", "", rollBack("/api/user/acme-user-id", "?org=acme", "")},
	{"POST /api/user/:userId/rollback", "one entry", rollBack("/api/user/acme-user-id", "?org=acme", `,"key":"badge"`)},
	{"GET /api/user/:userId/claims", "", onUser("/claims", "")},
	{"GET /api/user/:userId/claims", "of a client", fixed("/api/user/acme-user-id/claims?org=acme&client=login", "")},
	{"POST /api/user/:userId/claims", "", onUser("/claims", `{}`)},
	{"POST /api/user/:userId/claims", "no claim", onUser("/claims", `{"set":[{"key":"note","value":1}]}`)},
	{"POST /api/user/:userId/claims", "a claim", onUser("/claims", `{"set":[{"key":"role","value":1,"profileClaim":true}]}`)},
	{"POST /api/user/:userId/claims", "other groups", onUser("/claims", `{"groups":[]}`)},
	{"GET /api/user/:userId/group", "", onUser("/group", "")},
	{"PUT /api/user/:userId/group", "", onUser("/group", `{"groups":["acme-staff"]}`)},

	{"GET /api/group", "", fixed("/api/group?org=acme", "")},
	{"POST /api/group", "", func(*cast) (string, string) {
		return "/api/group?org=acme", `{"slug":"group-` + strings.ToLower(randomName()) + `"}`
	}},
	{"GET /api/group/:group", "", onGroup("", "")},
	{"PATCH /api/group/:group", "", onGroup("", `{"name":"Staff"}`)},
	{"DELETE /api/group/:group", "", func(c *cast) (string, string) {
		slug := "group-" + strings.ToLower(randomName())
		c.post("/api/group?org=acme", adminToken, `{"slug":"`+slug+`"}`).want(c.t, http.StatusCreated)
		return "/api/group/" + slug + "?org=acme", ""
	}},
	{"GET /api/group/:group/member", "", onGroup("/member", "")},
	{"PUT /api/group/:group/member/:userId", "", onGroup("/member/acme-user-id", "")},
	{"DELETE /api/group/:group/member/:userId", "", onGroup("/member/acme-user-id", "")},
	{"GET /api/group/:group/metadata", "", onGroup("/metadata", "")},
	{"PUT /api/group/:group/metadata", "", onGroup("/metadata", `{"metadata":[{"key":"floor","value":2}]}`)},
	{"PATCH /api/group/:group/metadata", "", onGroup("/metadata", `{"set":[{"key":"floor","value":3}]}`)},
	{"GET /api/group/:group/metadata/:key", "", onGroup("/metadata/floor", "")},
	{"PUT /api/group/:group/metadata/:key", "", onGroup("/metadata/floor", `{"value":4,"profileClaim":true}`)},
	{"DELETE /api/group/:group/metadata/:key", "", onGroup("/metadata/ceiling", "")},
	{"GET /api/group/:group/history", "", onGroup("/history", "")},
	{"POST /api/group/:group/rollback", "", rollBack("/api/group/acme-staff", "?org=acme", "")},

	{"GET /api/org/:org/metadata", "", fixed("/api/org/acme/metadata", "")},
	{"PUT /api/org/:org/metadata", "", fixed("/api/org/acme/metadata", `{"metadata":[{"key":"city","value":"Wien"}]}`)},
	{"PATCH /api/org/:org/metadata", "", fixed("/api/org/acme/metadata", `{"set":[{"key":"city","value":"Graz"}]}`)},
	{"GET /api/org/:org/metadata/:key", "", fixed("/api/org/acme/metadata/city", "")},
	{"PUT /api/org/:org/metadata/:key", "", fixed("/api/org/acme/metadata/city", `{"value":"Linz","profileClaim":true}`)},
	{"DELETE /api/org/:org/metadata/:key", "", fixed("/api/org/acme/metadata/river", "")},
	{"GET /api/org/:org/history", "", fixed("/api/org/acme/history", "")},
	{"POST /api/org/:org/rollback", "", rollBack("/api/org/acme", "", "")},

	{"GET /api/metadata-key", "", fixed("/api/metadata-key?org=acme", "")},
	{"GET /api/metadata-key/:key", "", fixed("/api/metadata-key/plan?org=acme", "")},
	{"GET /api/metadata-key/:key", "that operators alone may read", fixed("/api/metadata-key/rating?org=acme", "")},
	{"PUT /api/metadata-key/:key", "", fixed("/api/metadata-key/plan?org=acme", planDefinition)},
	{"POST /api/metadata-key/:key/check", "", fixed("/api/metadata-key/plan/check?org=acme", planDefinition)},
	{"DELETE /api/metadata-key/:key", "", func(c *cast) (string, string) {
		target := "/api/metadata-key/key-" + randomName() + "?org=acme"
		c.put(target, adminToken, `{}`).want(c.t, http.StatusCreated)
		return target, ""
	}},

	{"GET /api/user", "", fixed("/api/user?org=acme", "")},
	{"POST /api/user", "", fixed("/api/user?org=acme", `{}`)},
	{"GET /api/user/:userId", "", onUser("", "")},
	{"GET /api/user/:userId", "of both, at home elsewhere", fixed("/api/user/sam-id?org=acme", "")},
	{"PATCH /api/user/:userId", "the profile", onUser("", `{"profile":{"name":"Somebody"}}`)},
	{"PATCH /api/user/:userId", "the organisations", onUser("", `{"orgs":["acme"]}`)},
	{"PATCH /api/user/:userId", "email_verified", onUser("", `{"email_verified":true}`)},
	{"PATCH /api/user/:userId", "of both, at home elsewhere", fixed("/api/user/sam-id?org=acme", `{"profile":{"name":"Sam"}}`)},
	{"DELETE /api/user/:userId", "", newUserOf(acme)},
	{"DELETE /api/user/:userId", "of both, at home elsewhere", func(c *cast) (string, string) {
		id := c.newUser(globex, "")
		c.patch("/api/user/"+id+"?org=globex", adminToken, `{"orgs":["globex","acme"]}`).want(c.t, http.StatusOK)
		return "/api/user/" + id + "?org=acme", ""
	}},
	{"PUT /api/user/:userId/password", "", onUser("/password", `{"password":"a new password","current_password":"the password of acme-user!"}`)},
	{"PUT /api/user/:userId/password", "without the present one", onUser("/password", `{"password":"a new password"}`)},
	{"PUT /api/user/:userId/password", "of both, at home elsewhere", fixed("/api/user/sam-id/password?org=acme", `{"password":"a new password"}`)},

	{"GET /api/user/:userId/session", "", onUser("/session", "")},
	{"GET /api/user/:userId/session", "of both, at home elsewhere", fixed("/api/user/sam-id/session?org=acme", "")},
	{"DELETE /api/user/:userId/session/:sessionId", "", newSessionOf("acme-user-id")},
	{"DELETE /api/user/:userId/session/:sessionId", "of both, at home elsewhere", newSessionOf("sam-id")},
	{"DELETE /api/user/:userId/session", "", onUser("/session", "")},
	{"DELETE /api/user/:userId/session", "of both, at home elsewhere", fixed("/api/user/sam-id/session?org=acme", "")},
	{"GET /api/user/:userId/factor", "", onUser("/factor", "")},
	{"GET /api/user/:userId/factor", "of both, at home elsewhere", fixed("/api/user/sam-id/factor?org=acme", "")},
	{"DELETE /api/user/:userId/factor", "", onUser("/factor", "")},
	{"DELETE /api/user/:userId/factor", "of both, at home elsewhere", fixed("/api/user/sam-id/factor?org=acme", "")},
	{"GET /api/user/:userId/consent", "", onUser("/consent", "")},
	{"GET /api/user/:userId/consent", "of both, at home elsewhere", fixed("/api/user/sam-id/consent?org=acme", "")},
	{"DELETE /api/user/:userId/consent/:clientId", "", onUser("/consent/some-app", "")},
	{"DELETE /api/user/:userId/consent/:clientId", "of both, at home elsewhere", fixed("/api/user/sam-id/consent/some-app?org=acme", "")},

	{"GET /api/user/:userId/role", "", onUser("/role", "")},
	{"GET /api/user/:userId/role", "of both, at home elsewhere", fixed("/api/user/sam-id/role?org=acme", "")},
	{"PUT /api/user/:userId/role", "reader", newUserWith("/role", `{"role":"reader"}`)},
	{"PUT /api/user/:userId/role", "operator", newUserWith("/role", `{"role":"operator"}`)},
	{"PUT /api/user/:userId/role", "admin", newUserWith("/role", `{"role":"admin"}`)},
	{"PUT /api/user/:userId/role", "that stays", onUser("/role", `{"role":"reader"}`)},
	{"PUT /api/user/:userId/role", "of both, at home elsewhere", fixed("/api/user/sam-id/role?org=acme", `{"role":"reader"}`)},
	{"DELETE /api/user/:userId/role", "", newUserWith("/role", "")},

	{"POST /api/user/search", "", fixed("/api/user/search?org=acme", `{"where":{"handle":"acme"}}`)},
	{"POST /api/user/search", "with metadata", fixed("/api/user/search?org=acme", `{"where":{"group":"acme-staff"},"metadata":true}`)},
	{"POST /api/metadata/bulk", "no claim", fixed("/api/metadata/bulk?org=acme", `{"user":"acme-user-id","set":[{"key":"note","value":1}]}`)},
	{"POST /api/metadata/bulk", "a claim", fixed("/api/metadata/bulk?org=acme", `{"user":"acme-user-id","set":[{"key":"a","value":1,"profileClaim":true}]}`)},
	{"POST /api/metadata/bulk", "tried", fixed("/api/metadata/bulk?org=acme&dry_run=true", `{"user":"acme-user-id","delete":["badge"]}`)},
	{"POST /api/user/import", "", fixed("/api/user/import?org=acme", `{}`)},
	{"POST /api/user/import", "tried", fixed("/api/user/import?org=acme&dry_run=true", `{}`)},
	{"GET /api/user/export", "", fixed("/api/user/export?org=acme", "")},
	{"GET /api/user/export", "with hashes", fixed("/api/user/export?org=acme&secrets=true", "")},
	{"GET /api/user/:userId/export", "", onUser("/export", "")},
	{"GET /api/user/:userId/export", "of both, at home elsewhere", fixed("/api/user/sam-id/export?org=acme", "")},

	{"GET /api/audit", "", fixed("/api/audit?org=acme", "")},
	{"GET /api/audit", "of the installation", fixed("/api/audit?org=-", "")},
	{"GET /api/audit/export", "", fixed("/api/audit/export?org=acme", "")},
	{"GET /api/audit/export", "of the installation", fixed("/api/audit/export?org=-", "")},
	{"GET /api/audit/verify", "", fixed("/api/audit/verify?org=acme", "")},

	{"GET /api/org", "", fixed("/api/org", "")},
	{"POST /api/org", "", func(*cast) (string, string) {
		return "/api/org", `{"slug":"org-` + strings.ToLower(randomName()) + `"}`
	}},
	{"GET /api/org/:org", "", fixed("/api/org/acme", "")},
	{"PATCH /api/org/:org", "", fixed("/api/org/acme", `{"name":"Acme"}`)},

	{"GET /api/client", "", fixed("/api/client?org=acme", "")},
	{"POST /api/client", "", fixed("/api/client?org=acme", `{}`)},
	{"POST /api/client", "for all organisations", fixed("/api/client?org=acme", `{"all_orgs":true}`)},
	{"GET /api/client/:clientId", "", newClientAt("", "")},
	{"PATCH /api/client/:clientId", "", newClientAt("", `{"name":"App"}`)},
	{"PATCH /api/client/:clientId", "for all organisations", newClientAt("", `{"all_orgs":true}`)},
	{"DELETE /api/client/:clientId", "", newClientAt("", "")},
	{"POST /api/client/:clientId/secret", "", newClientAt("/secret", "")},
	{"GET /api/client/:clientId", "that serves all organisations", fixed("/api/client/acme-global?org=acme", "")},
	{"PATCH /api/client/:clientId", "that serves all organisations", fixed("/api/client/acme-global?org=acme", `{"name":"App"}`)},
	{"POST /api/client/:clientId/secret", "that serves all organisations", fixed("/api/client/acme-global/secret?org=acme", "")},
	{"DELETE /api/client/:clientId", "that serves all organisations", func(c *cast) (string, string) {
		id := c.post("/api/client?org=acme", adminToken, `{"all_orgs":true}`).want(c.t, http.StatusCreated).text(c.t, "client_id")
		return "/api/client/" + id + "?org=acme", ""
	}},

	{"GET /api/token", "", fixed("/api/token?org=acme", "")},
	{"POST /api/token", "reader", fixed("/api/token", `{"org":"acme","role":"reader"}`)},
	{"POST /api/token", "operator", fixed("/api/token", `{"org":"acme","role":"operator"}`)},
	{"POST /api/token", "admin", fixed("/api/token", `{"role":"admin"}`)},
	{"GET /api/token/:tokenId", "reader", newAPITokenWith(`"org":"acme","role":"reader"`)},
	{"GET /api/token/:tokenId", "admin", newAPITokenWith(`"role":"admin"`)},
	{"DELETE /api/token/:tokenId", "reader", newAPITokenWith(`"org":"acme","role":"reader"`)},
	{"DELETE /api/token/:tokenId", "operator", newAPITokenWith(`"org":"acme","role":"operator"`)},
	{"DELETE /api/token/:tokenId", "admin", newAPITokenWith(`"role":"admin"`)},
}
