package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// numberOf is the number of a client, as an application.
func (w *world) numberOf(client, org string) string {
	w.t.Helper()
	return fmt.Sprint(w.get("/api/client/"+client+"?org="+org, adminToken).want(w.t, http.StatusOK).json(w.t)["number"])
}

// withNote makes an entry anew that is to be removed, where removing what is not there is an error.
func withNote(target, body string) func(*cast) (string, string) {
	return func(c *cast) (string, string) {
		c.put("/api/user/acme-user-id/metadata/note?org=acme", adminToken, `{"value":1}`).want(c.t, http.StatusOK)
		return target, body
	}
}

// platformPaths are all that ibl.ai's object is at.
var platformPaths = []string{
	"/dm/api/core/users/platform-metadata/", "/dm/api/core/users/platform-metadata", "/api/core/users/platform-metadata/",
	"/api/core/users/platform-metadata",
}

func platformOperations() []operation {
	const of, own = "?platform_key=acme&username=acme-user", "?platform_key=acme"
	var all []operation
	for _, path := range platformPaths {
		at := fixed(path+of, "")
		all = append(all,
			operation{"GET " + path, "", at},
			operation{"PATCH " + path, "no claim", fixed(path+of, `{"metadata":{"note":1}}`)},
			operation{"PUT " + path, "without claims", fixed(path+of, `{"metadata":{"note":1}}`)},
			operation{"DELETE " + path, "", at},
		)
	}
	path := platformPaths[0]
	return append(all,
		operation{"GET " + path, "one's own", fixed(path+own, "")},
		operation{"GET " + path, "of both, at home elsewhere", fixed(path+own+"&username=sam", "")},
		operation{"PATCH " + path, "what is a claim", fixed(path+of, `{"metadata":{"badge":1}}`)},
		operation{"PATCH " + path, "removing what is a claim", fixed(path+of, `{"delete_keys":["badge"]}`)},
		operation{"PATCH " + path, "a key of operators", fixed(path+of, `{"metadata":{"plan":"gold"}}`)},
		operation{"PATCH " + path, "one's own", fixed(path+own, `{"metadata":{"note":1}}`)},
		operation{"PUT " + path, "what is a claim", fixed(path+of, `{"metadata":{"badge":1}}`)},
		operation{"DELETE " + path, "one's own", fixed(path+own, "")},
	)
}

// sentinelKey is a client that lets people log in and register by Sentinel's routes.
const sentinelKey = "acme-sentinel"

func (c *cast) newSentinelClient() {
	c.t.Helper()
	c.post("/api/client?org=acme", adminToken, `{"client_id":"`+sentinelKey+`","public":true,"first_party":true,"self_registration":true,
		"listed":true,"grant_types":["password","refresh_token"],"scopes":["openid"]}`).want(c.t, http.StatusCreated)
}

// inApp is an operation with the number of an application for % in its address and body.
func inApp(target, body string) func(*cast) (string, string) {
	return func(c *cast) (string, string) {
		fill := strings.NewReplacer("%", c.numberOf("acme-plain", acme))
		return fill.Replace(target), fill.Replace(body)
	}
}

// registering is somebody new.
func registering(with string) func(*cast) (string, string) {
	return func(*cast) (string, string) {
		name := "newcomer-" + strings.ToLower(randomName())
		return "/auth/register", `{"user_info":{"username":"` + name + `","email":"` + name + `@x.example","first_name":"N","last_name":"C"},` + with + `}`
	}
}

func profileOf(user, data string) string {
	return `{"profiles":[{"app_id":%,"profile_data":` + data + `,"user_id":"` + user + `"}]}`
}

var sentinelOperations = []operation{
	{"GET /app/all", "", fixed("/app/all", "")},
	{"POST /auth/register", "", registering(`"password":"the password of a newcomer"`)},
	{"POST /auth/register", "with a hash", registering(`"password_hash":"5f4dcc3b5aa765d61d8327deb882cf99","hash_algorithm":"md5"`)},
	{"POST /auth/login", "", fixed("/auth/login", `{"username":"acme-user","password":"the password of acme-user!"}`)},
	{"POST /auth/refresh", "with what is no token", fixed("/auth/refresh", `{"refresh_token":"nothing"}`)},
	{"GET /auth/verify", "", fixed("/auth/verify", "")},
	{"GET /auth/logout", "", fixed("/auth/logout", "")},
	{"POST /operator/app/register", "", fixed("/operator/app/register", `{"app":"An app"}`)},
	{"POST /operator/profile/register", "", fixed("/operator/profile/register", `{"app":"An app"}`)},
	{"POST /operator/profile/create-bulk", "no claim", inApp("/operator/profile/create-bulk", profileOf("acme-user-id", `{"note":1}`))},
	{"POST /operator/profile/create-bulk", "what is a claim", inApp("/operator/profile/create-bulk", profileOf("acme-user-id", `{"badge":1}`))},
	{"POST /operator/profile/create-bulk", "of both, at home elsewhere", inApp("/operator/profile/create-bulk", profileOf("sam-id", `{"note":1}`))},
	{"GET /operator/users/profile/:userid/:appid", "", inApp("/operator/users/profile/acme-user-id/%", "")},
	{"GET /user/profiles/:appid", "", inApp("/user/profiles/%", "")},
	{"POST /user/profiles/create", "no claim", inApp("/user/profiles/create", `{"app_id":%,"profile_data":{"note":1}}`)},
	{"POST /user/profiles/create", "what is a claim", inApp("/user/profiles/create", `{"app_id":%,"profile_data":{"badge":1}}`)},
	{"POST /user/profiles/create", "named as acme's user", inApp("/user/profiles/create", `{"app_id":%,"profile_data":{},"user_id":"acme-user-id"}`)},
}

const (
	managed = "/management/v1/users/acme-user-id/metadata"
	newer   = "/v2/users/acme-user-id/metadata"
	// Values as bytes, in JSON.
	noteSet, badgeSet = `{"key":"note","value":"MQ=="}`, `{"key":"badge","value":"MQ=="}`
)

var zitadelOperations = []operation{
	{"POST /management/v1/users/:id/metadata/_bulk", "no claim", fixed(managed+"/_bulk", `{"metadata":[`+noteSet+`]}`)},
	{"POST /management/v1/users/:id/metadata/_bulk", "what is a claim", fixed(managed+"/_bulk", `{"metadata":[`+badgeSet+`]}`)},
	{"DELETE /management/v1/users/:id/metadata/_bulk", "no claim", withNote(managed+"/_bulk", `{"keys":["note"]}`)},
	{"DELETE /management/v1/users/:id/metadata/_bulk", "what is a claim", fixed(managed+"/_bulk", `{"keys":["badge"]}`)},
	{"POST /management/v1/users/:id/metadata/_search", "", fixed(managed+"/_search", `{}`)},
	{"POST /management/v1/users/:id/metadata/:key", "no claim", fixed(managed+"/note", `{"value":"MQ=="}`)},
	{"POST /management/v1/users/:id/metadata/:key", "what is a claim", fixed(managed+"/badge", `{"value":"MQ=="}`)},
	{"POST /management/v1/users/:id/metadata/:key", "a key of operators", fixed(managed+"/plan", `{"value":"MQ=="}`)},
	{"GET /management/v1/users/:id/metadata/:key", "", fixed(managed+"/badge", "")},
	{"GET /management/v1/users/:id/metadata/:key", "that operators alone may read", func(c *cast) (string, string) {
		c.put("/api/user/acme-user-id/metadata/rating?org=acme", adminToken, `{"value":1}`).want(c.t, http.StatusOK)
		return managed + "/rating", ""
	}},
	{"GET /management/v1/users/:id/metadata/_bulk", "", fixed(managed+"/_bulk", "")},
	{"GET /management/v1/users/:id/metadata/_search", "", fixed(managed+"/_search", "")},
	{"DELETE /management/v1/users/:id/metadata/:key", "no claim", withNote(managed+"/note", "")},
	{"DELETE /management/v1/users/:id/metadata/:key", "what is a claim", fixed(managed+"/badge", "")},
	{"DELETE /management/v1/users/:id/metadata/_search", "", fixed(managed+"/_search", "")},
	{"POST /auth/v1/users/me/metadata/_search", "", fixed("/auth/v1/users/me/metadata/_search", `{}`)},
	{"GET /auth/v1/users/me/metadata/:key", "", fixed("/auth/v1/users/me/metadata/badge", "")},
	{"GET /auth/v1/users/me/metadata/_search", "", fixed("/auth/v1/users/me/metadata/_search", "")},
	{"POST /v2/users/:user_id/metadata", "no claim", fixed(newer, `{"metadata":[`+noteSet+`]}`)},
	{"POST /v2/users/:user_id/metadata", "what is a claim", fixed(newer, `{"metadata":[`+badgeSet+`]}`)},
	{"POST /v2/users/:user_id/metadata", "removing what is a claim", fixed(newer, `{"metadata":[{"key":"badge"}]}`)},
	{"DELETE /v2/users/:user_id/metadata", "no claim", withNote(newer+"?keys=note", "")},
	{"DELETE /v2/users/:user_id/metadata", "what is a claim", fixed(newer+"?keys=badge", "")},
	{"POST /v2/users/:user_id/metadata/search", "", fixed(newer+"/search", `{}`)},
}

const (
	managementRPC = "POST /zitadel.management.v1.ManagementService/"
	ownRPC        = "POST /zitadel.auth.v1.AuthService/"
	userRPC       = "POST /zitadel.user.v2.UserService/"
)

// called is an operation by Connect in JSON.
func called(route, variant, body string) operation {
	_, path, _ := strings.Cut(route, " ")
	return operation{route, variant, fixed(path, body)}
}

// calledOnNote is one that removes the note.
func calledOnNote(route, body string) operation {
	_, path, _ := strings.Cut(route, " ")
	return operation{route, "no claim", withNote(path, body)}
}

var rpcOperations = []operation{
	called(managementRPC+"SetUserMetadata", "no claim", `{"id":"acme-user-id","key":"note","value":"MQ=="}`),
	called(managementRPC+"SetUserMetadata", "what is a claim", `{"id":"acme-user-id","key":"badge","value":"MQ=="}`),
	called(managementRPC+"BulkSetUserMetadata", "no claim", `{"id":"acme-user-id","metadata":[`+noteSet+`]}`),
	called(managementRPC+"BulkSetUserMetadata", "what is a claim", `{"id":"acme-user-id","metadata":[`+badgeSet+`]}`),
	called(managementRPC+"ListUserMetadata", "", `{"id":"acme-user-id"}`),
	called(managementRPC+"GetUserMetadata", "", `{"id":"acme-user-id","key":"badge"}`),
	calledOnNote(managementRPC+"RemoveUserMetadata", `{"id":"acme-user-id","key":"note"}`),
	called(managementRPC+"RemoveUserMetadata", "what is a claim", `{"id":"acme-user-id","key":"badge"}`),
	calledOnNote(managementRPC+"BulkRemoveUserMetadata", `{"id":"acme-user-id","keys":["note"]}`),
	called(managementRPC+"BulkRemoveUserMetadata", "what is a claim", `{"id":"acme-user-id","keys":["badge"]}`),
	called(ownRPC+"ListMyMetadata", "", `{}`),
	called(ownRPC+"GetMyMetadata", "", `{"key":"badge"}`),
	called(userRPC+"SetUserMetadata", "no claim", `{"userId":"acme-user-id","metadata":[`+noteSet+`]}`),
	called(userRPC+"SetUserMetadata", "what is a claim", `{"userId":"acme-user-id","metadata":[`+badgeSet+`]}`),
	called(userRPC+"ListUserMetadata", "", `{"userId":"acme-user-id"}`),
	calledOnNote(userRPC+"DeleteUserMetadata", `{"userId":"acme-user-id","keys":["note"]}`),
	called(userRPC+"DeleteUserMetadata", "what is a claim", `{"userId":"acme-user-id","keys":["badge"]}`),
}

// dialectOperations has at least one row for every route of the dialects.
var dialectOperations = slices.Concat(platformOperations(), sentinelOperations, zitadelOperations, rpcOperations, memoryOperations(), accountOperations(), pictureOperations(), careerOperations(), resumeOperations())

// inDialect are the headers a dialect's clients send, in organisation acme.
func inDialect(target, bearer string) []string {
	switch {
	case strings.Contains(target, "/career/resume/"):
		return resumeHeaders(bearer)
	case strings.HasPrefix(target, "/dm/"), strings.HasPrefix(target, "/api/core/"):
		return about{bearer: bearer}.scheme("Api-Token")
	case ofPictures.MatchString(target):
		return pictureHeaders(target, bearer)
	case ofAccounts.MatchString(target):
		return accountHeaders(target, bearer)
	case strings.HasPrefix(target, "/auth/v1/"), strings.HasPrefix(target, "/management/"), strings.HasPrefix(target, "/v2/"), strings.HasPrefix(target, "/zitadel."):
		return []string{"X-Zitadel-Orgid", acme}
	case strings.HasPrefix(target, "/auth/"):
		return []string{"X-Api-Key", sentinelKey}
	}
	return nil
}
