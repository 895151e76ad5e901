package main

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/claimsmith/claimsmith/internal/redistest"
)

// Names and keys are decoded once, and lead to one user and one entry or to none, however they are written (rows I-01, I-02).
func TestNamesThatZitadelTakes(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	c.put("/api/user/acme-user-id/metadata/badge?org=acme", adminToken, `{"value":"of this user"}`).want(t, http.StatusOK)
	asked := func(name string) map[string]answer {
		at, called := "/management/v1/users/"+name+"/metadata/", strings.ReplaceAll(managementRPC, "POST ", "")
		decoded, err := url.PathUnescape(name)
		if err != nil {
			t.Fatal(err)
		}
		return map[string]answer{
			"get":    c.get(at+"badge", c.acme.operator),
			"search": c.post(at+"_search", c.acme.operator, `{}`),
			"v2":     c.post("/v2/users/"+name+"/metadata/search", c.acme.operator, `{}`),
			"call":   c.post(called+"GetUserMetadata", c.acme.operator, `{"id":`+quote(decoded)+`,"key":"badge"}`),
		}
	}
	hasBadge := func(a answer) bool { return a.status == http.StatusOK && strings.Contains(a.body, `"key":"badge"`) }
	for _, name := range []string{
		"acme-user-id", "%61cme-user-id", "acme-user", "ACME-USER", "acme-user@acme.example", "acme-user%40acme.example", "%61cme%2Duser@ACME.example",
	} {
		for way, a := range asked(name) {
			if !hasBadge(a) {
				t.Errorf("%s by %s: %d %s", name, way, a.status, a.body)
			}
		}
	}
	before := c.snapshot(acme)
	nobody := asked("nobody")
	for _, name := range []string{
		"acme-user%2540acme.example", "%2561cme-user-id", "a%2Fcme-user-id", "acme-user-id%2F", "..%2Facme-user-id", "me", "admin", "*", "acme-*",
		"%20acme-user", "acme-user%20", "+acme-user", "%E2%80%8Bacme-user", "acme-u%C5%BFer", "acme-user@acme.example@acme.example", "ACME-USER-ID",
		"globex-user-id", "globex-user@globex.example",
	} {
		for way, a := range asked(name) {
			same(t, name+" by "+way, a, nobody[way])
		}
		a := c.post("/management/v1/users/"+name+"/metadata/note", c.acme.operator, `{"value":"MQ=="}`)
		if a.status != http.StatusBadRequest || !strings.Contains(a.body, "COMMAND-uXHNj") {
			t.Errorf("%s, written: %d %s", name, a.status, a.body)
		}
	}
	for _, name := range []string{"%FF", "%C3", "%00", "acme-user-id%00", "%0d%0a", "acme-user-id%7f", strings.Repeat("x", 201), ".", "..", "%2e%2e"} {
		at := "/management/v1/users/" + name + "/metadata/"
		for _, a := range []answer{
			c.get(at+"badge", c.acme.operator), c.post(at+"_search", c.acme.operator, `{}`), c.post(at+"note", c.acme.operator, `{"value":"MQ=="}`),
			c.post("/v2/users/"+name+"/metadata", c.acme.operator, `{"metadata":[`+noteSet+`]}`),
		} {
			if a.status != http.StatusBadRequest || !strings.HasPrefix(a.body, `{"code":3,`) {
				t.Errorf("%.20s: %d %s", name, a.status, a.body)
			}
		}
	}
	for _, key := range []string{"%FF", "a%00", "%0a", "%7f", strings.Repeat("k", 201), ".", "%2e%2e"} {
		for method, body := range map[string]string{"POST": `{"value":"MQ=="}`, "GET": "", "DELETE": ""} {
			if a := c.send(method, managed+"/"+key, c.acme.operator, body); a.status != http.StatusBadRequest {
				t.Errorf("%s of key %.20s: %d %s", method, key, a.status, a.body)
			}
		}
	}
	if after := c.snapshot(acme); after != before {
		t.Errorf("acme was\n%s\nand is\n%s", before, after)
	}
	for written, key := range map[string]string{
		"a%2Fb": "a/b", "a%252Fb": "a%2Fb", "a%25252Fb": "a%252Fb", "a+b": "a+b", "a%20b": "a b", "a;b": "a;b", "caf%C3%A9": "café", "cafe%CC%81": "cafe\u0301",
		"%61%3Fb%23c": "a?b#c", "%5C": `\`, "x%2F..%2Fy": "x/../y", "%2e%2e%2F": "../",
	} {
		at := managed + "/" + written
		c.put("/api/user/acme-user-id/metadata?org=acme", adminToken, `{"metadata":[]}`).want(t, http.StatusOK)
		c.post(at, c.acme.operator, `{"value":"MQ=="}`).want(t, http.StatusOK)
		if stored := parsed[nativeDocument](t, c.get(ofUser, adminToken)).Metadata; len(stored) != 1 || stored[0].Key != key {
			t.Errorf("%s is stored as %s", written, c.stored(ofUser))
		}
		if a := c.get(at, c.acme.operator).want(t, http.StatusOK); !strings.Contains(a.body, `"key":`+quote(key)) {
			t.Errorf("%s reads %s", written, a.body)
		}
		c.delete(at, c.acme.operator).want(t, http.StatusOK)
		if stored := c.stored(ofUser); stored != `{"metadata":[]}` {
			t.Errorf("%s, deleted, leaves %s", written, stored)
		}
	}
}
