package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/claimsmith/claimsmith/internal/redistest"
)

// Names lead to one user or to none, however they are written (rows I-01, I-02).
func TestNamesThatPlatformMetadataTakes(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	for _, name := range []string{
		"acme-user", "%61cme-user", "acme-user%40acme.example", "acme-user@acme.example", "ACME-USER", "Acme-User%40ACME.example", "acme-user-id",
	} {
		a := c.platform("GET", "&username="+name, c.acme.operator, "")
		if a.status != http.StatusOK || a.text(t, "username") != "acme-user" {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	for _, name := range []string{
		".", "..", "%2e%2e", "admin", "a%252Fb", "acme-user%2500", "acme%2Duser%00", "%00", "%0d%0a", "%20", "a@b@acme.example", "acme\u200b-user",
		"acme-user\u202e", "acme-u\u017fer", "ACME-USER-ID", strings.Repeat("x", 1100), "%2561cme-user", "*", "acme-*",
		" acme-user", "acme-user ", "+acme-user",
	} {
		if a := c.platform("PATCH", "&username="+url.PathEscape(name), c.acme.operator, `{"metadata":{"a":1}}`); a.status != http.StatusNotFound || a.body != noUser {
			t.Errorf("%.40q: %d %.200s", name, a.status, a.body)
		}
	}
	for _, query := range []string{
		"&username=%FF", "&username=%zz", "&username=acme-user&username=acme-user", "&username=acme-user&username=acme-other", "&platform_key=acme",
		"&platform_key=globex", "&%75sername=acme-user&username=acme-user", "&=x", "&%FF=x",
	} {
		for _, method := range []string{"GET", "PATCH", "PUT", "DELETE"} {
			a := c.platform(method, query, c.acme.operator, `{"metadata":{"a":1}}`)
			if a.status != http.StatusBadRequest || !strings.HasPrefix(a.body, `{"detail":`) {
				t.Errorf("%s %s: %d %s", method, query, a.status, a.body)
			}
		}
	}
	// The organisation and the user are the parameters' alone (rows ).
	for _, elsewhere := range []string{"&org=globex", "&platform=globex", "&PLATFORM_KEY=globex", "&userId=acme-other", "&USERNAME=acme-other"} {
		a := c.platform("GET", "&username=acme-user"+elsewhere, c.acme.operator, "")
		if a.want(t, http.StatusOK).text(t, "username") != "acme-user" || a.text(t, "platform_key") != acme {
			t.Errorf("%s: %s", elsewhere, a.body)
		}
	}
	for _, header := range []string{"X-Zitadel-Orgid", "X-User-Id", "X-Platform-Key", "X-Http-Method-Override", "X-Original-Url"} {
		a := c.get(platformMetadataPath+"&username=acme-user", c.acme.operator, header, globex)
		if a.want(t, http.StatusOK).text(t, "username") != "acme-user" || a.text(t, "platform_key") != acme {
			t.Errorf("%s: %s", header, a.body)
		}
	}
}

// No other way of writing the path reaches the object without a credential, or is taken for another path (row I-03).
func TestPathsOfPlatformMetadata(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	for _, path := range []string{
		"/dm//api/core/users/platform-metadata/", "/dm/./api/core/users/platform-metadata/", "/dm/x/../api/core/users/platform-metadata/",
		"/dm/%2e%2e/api/core/users/platform-metadata/", "/dm%2Fapi/core/users/platform-metadata/", "/dm/api%5Ccore/users/platform-metadata/",
		"/dm;a=b/api/core/users/platform-metadata/", "/dm/api/core/users/platform-metadata%3B/", "/dm/api/core/users/platform-metadata//",
		"/DM/api/core/users/platform-metadata/", "/dm/api/core/users/Platform-Metadata/", "/dm/api/core/users/platform-metadata/x",
		"/dm/api/core/users/platform-metadata/.", "/api/core/users/platform%2Dmetadata//", "/dm/dm/api/core/users/platform-metadata/",
	} {
		for _, bearer := range []string{"", c.acme.operator} {
			a := c.get(path+"?platform_key=acme&username=acme-user", bearer)
			if a.status != http.StatusNotFound && a.status != http.StatusBadRequest {
				t.Errorf("%s: %d %s", path, a.status, a.body)
			}
		}
	}
	for _, path := range []string{"/dm/api/core/users/platform-metadata/", "/dm/api/core/users/platform-metadata", "/api/core/users/platform-metadata"} {
		for _, method := range []string{"GET", "HEAD", "PATCH", "PUT", "DELETE"} {
			c.send(method, path+"?platform_key=acme&username=acme-user", "", "").want(t, http.StatusUnauthorized)
		}
		for _, method := range []string{"POST", "TRACE", "PURGE", "get"} {
			a := c.send(method, path+"?platform_key=acme", c.acme.operator, "")
			if a.status != http.StatusMethodNotAllowed || a.body != `{"detail":"Method \"`+method+`\" not allowed."}` ||
				!strings.Contains(a.header.Get("Allow"), "PATCH") {
				t.Errorf("%s: %d %v %s", method, a.status, a.header, a.body)
			}
		}
	}
}

// Bodies are one strict JSON object of the right type, and change entries alone: what else the store knows of a user is no part of them (rows
// I-04, I-05).
func TestBodiesOfPlatformMetadata(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	c.platform("PUT", "&username=acme-user", c.acme.operator, `{"metadata":{"theme":"dark"}}`).want(t, http.StatusOK)
	before := c.snapshot(acme)
	send := func(method, contentType, body string) answer {
		t.Helper()
		return c.send(method, platformMetadataPath+"&username=acme-user", c.acme.operator, body, "Content-Type", contentType)
	}
	for _, method := range []string{"PATCH", "PUT"} {
		for _, body := range []string{
			`{"metadata":{"theme":"x"}} trailing`, `{"metadata":{"theme":"x"}}{}`, "\ufeff" + `{"metadata":{}}`, `null`, `[]`, `"x"`, ` `,
			`{"metadata":{"theme":"x"},"metadata":{}}`, `{"metadata":{"a":1,"a":2}}`, `{"metadata":{"a":{"b":1,"b":2}}}`, `{"metadata":{"a":"\ud800"}}`,
			"{\"metadata\":{\"a\":\"\xff\"}}", "{\"metadata\":{\"a\xff\":1}}", `{"metadata":{"a":01}}`, `{"metadata":{"a":NaN}}`, `{'metadata':{}}`,
			`{"x":1,"x":2,"metadata":{}}`, `{"metadata":{"a":1,}}`, `{"metadata":{"a\u0000b":1}}`, `{"metadata":{"` + strings.Repeat("k", 201) + `":1}}`,
			`{"metadata":{"a":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}}`,
			`{"metadata":{"a":` + strings.Repeat("[", 33) + strings.Repeat("]", 33) + `}}`,
		} {
			if a := send(method, "application/json", body); a.status != http.StatusBadRequest {
				t.Errorf("%s %.80q: %d %.200s", method, body, a.status, a.body)
			}
		}
		for contentType, body := range map[string]string{
			"application/xml": `<metadata><theme>x</theme></metadata>`, "text/plain": `{"metadata":{}}`, "application/x-www-form-urlencoded": "metadata=x",
			"multipart/form-data; boundary=x": "--x--", "application/json; charset=utf-16": `{"metadata":{}}`, "application/merge-patch+json": `{"metadata":{}}`,
			"application/json, text/plain": `{"metadata":{}}`, strings.Repeat("é", 300): `{"metadata":{}}`,
		} {
			if a := send(method, contentType, body); a.status != http.StatusUnsupportedMediaType || !strings.HasPrefix(a.body, `{"detail":"Unsupported media type`) {
				t.Errorf("%s %.40s: %d %s", method, contentType, a.status, a.body)
			}
		}
		compressed := c.send(method, platformMetadataPath+"&username=acme-user", c.acme.operator, "x", "Content-Encoding", "gzip")
		if compressed.status != http.StatusUnsupportedMediaType || strings.Contains(compressed.body, "application/json") {
			t.Errorf("compressed: %d %s", compressed.status, compressed.body)
		}
	}
	for _, stored := range []string{
		"id", "user_id", "username", "org", "org_id", "orgs", "platform_key", "role", "roles", "email", "email_verified", "password", "password_hash",
		"disabled", "created_at", "updated_at", "profileClaim", "profile_claim", "version", "revision", "changedBy", "app",
	} {
		c.platform("PATCH", "&username=acme-user", c.acme.operator, `{"metadata":{},"`+stored+`":"globex"}`).want(t, http.StatusOK)
	}
	if after := c.snapshot(acme); after != before {
		t.Errorf("acme was\n%s\nand is\n%s", before, after)
	}
}

// Without Redis the outcome is not known, and the client is told when to come back.
func TestPlatformMetadataIsUnavailable(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Embedded(t).Client)
	target := "/dm/api/core/users/platform-metadata/?platform_key=default&username=jane"
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	for _, method := range []string{"GET", "PATCH", "PUT", "DELETE"} {
		r := httptest.NewRequest(method, target, strings.NewReader(`{"metadata":{}}`)).WithContext(ended)
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Api-Token "+adminToken)
		a := httptest.NewRecorder()
		w.server.ServeHTTP(a, r)
		if a.Code != http.StatusServiceUnavailable || a.Header().Get("Retry-After") == "" || !strings.HasPrefix(a.Body.String(), `{"detail":"`) {
			t.Errorf("%s: %d %v %s", method, a.Code, a.Header(), a.Body)
		}
	}
}
