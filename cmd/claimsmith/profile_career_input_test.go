package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/claimsmith/claimsmith/internal/redistest"
)

// careerChanges are a creation and a replacement of each kind by an operator, with the body that makes them valid.
func (c *cast) careerChanges() (all []preparedRequest) {
	c.t.Helper()
	for _, kind := range careerKinds {
		path := careerPath(acme, kind, "acme-user")
		body := c.careerBody(acme, kind, "acme-user", "valid")
		all = append(all,
			preparedRequest{"POST", path, body},
			preparedRequest{"PUT", fmt.Sprintf("%s?id=%d", path, c.careerID(acme, kind, "acme-user", "spare")), body})
	}
	return all
}

// Bodies are one strict JSON object, or one form without surprises (row I-04); too much of either is refused (rows D-02, D-04). Nothing is
// stored of what was refused.
func TestBodiesOfCareers(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	c.furnish(acme, "acme-user")
	changes := c.careerChanges()
	before := c.careers(acme, "acme-user")
	var many strings.Builder
	for n := range 10_000 {
		fmt.Fprintf(&many, "&f%d=1", n)
	}
	for _, r := range changes {
		send := func(status int, contentType, body string, headers ...string) {
			t.Helper()
			headers = append([]string{"Content-Type", contentType}, headers...)
			a := c.send(r.route, r.target, c.acme.operator, body, headers...)
			if a.status != status || !strings.HasPrefix(a.body, "{") {
				t.Errorf("%s %s: %s %.60q: %d %.200s, want %d", r.route, r.target, contentType, body, a.status, a.body, status)
			}
		}
		with := func(member string) string { return "{" + member + "," + r.body[1:] }
		for _, body := range []string{
			r.body + " trailing", r.body + "{}", "\ufeff" + r.body, `null`, `[]`, `[` + r.body + `]`, `"x"`, ` `, ``, `{`, r.body[:len(r.body)-1],
			with(`"x":1,"x":2`), with(`"data":{"a":1,"a":2}`), with(`"data":"\ud800"`), with("\"data\":\"\xff\""), with(`"data":01`), with(`'data':1`),
			with(`"data":` + strings.Repeat("[", 33) + strings.Repeat("]", 33)), with(`"data":` + strings.Repeat("[", 40) + strings.Repeat("]", 40)),
			with(`"x":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000)), with(manyMembers(1001)),
			with(`"x":[` + strings.Repeat("1,", 10_000) + `1]`), with(`"data":"` + strings.Repeat("x", 4096) + `"`),
			with(`"metadata":[` + strings.Repeat("{},", 2000) + `{}]`),
		} {
			send(http.StatusBadRequest, "application/json", body)
		}
		send(http.StatusRequestEntityTooLarge, "application/json", with(`"x":"`+strings.Repeat("x", 256<<10)+`"`))
		var fields map[string]any
		if err := json.Unmarshal([]byte(r.body), &fields); err != nil {
			t.Fatal(err)
		}
		form := url.Values{}
		for name, value := range fields {
			form.Set(name, fmt.Sprint(value))
		}
		const plain = "application/x-www-form-urlencoded"
		send(http.StatusRequestEntityTooLarge, plain, form.Encode()+"&x="+strings.Repeat("x", 256<<10))
		send(http.StatusBadRequest, plain, form.Encode()+many.String())
		send(http.StatusBadRequest, plain, form.Encode()+"&x=1&x=2")
		send(http.StatusBadRequest, plain, form.Encode()+"&x=%zz")
		send(http.StatusBadRequest, plain, form.Encode()+"&x=%FF")
		send(http.StatusBadRequest, plain, form.Encode()+"&=x")
		send(http.StatusUnsupportedMediaType, plain+"; charset=utf-16", form.Encode())

		multi, kind := multipartBody(t, form)
		end := multi[:strings.LastIndex(multi, "--")-len(kind[strings.Index(kind, "=")+1:])-2]
		part := func(header, text string) string {
			boundary := kind[strings.Index(kind, "=")+1:]
			return end + "--" + boundary + "\r\n" + header + "\r\n\r\n" + text + "\r\n--" + boundary + "--\r\n"
		}
		named := func(name string) string { return `Content-Disposition: form-data; name="` + name + `"` }
		send(http.StatusBadRequest, kind, part(named("x")+`; filename="x.pdf"`, "%PDF-"))
		send(http.StatusBadRequest, kind, part(named(""), "x"))
		send(http.StatusBadRequest, kind, part("X-Header: y", "x"))
		for name := range fields {
			send(http.StatusBadRequest, kind, part(named(name), form.Get(name)))
		}
		send(http.StatusBadRequest, kind, part(named("x"), "\xff"))
		send(http.StatusBadRequest, kind, multi[:len(multi)-10])
		send(http.StatusBadRequest, kind, "")
		send(http.StatusRequestEntityTooLarge, kind, part(named("x"), strings.Repeat("x", 256<<10)))
		var parts strings.Builder
		for n := range 250 {
			parts.WriteString("--b\r\n" + named(fmt.Sprint("f", n)) + "\r\n\r\nx\r\n")
		}
		send(http.StatusBadRequest, "multipart/form-data; boundary=b", parts.String()+"--b--\r\n")
		send(http.StatusBadRequest, "multipart/form-data", multi)

		for contentType, body := range map[string]string{
			"application/xml": `<name>x</name>`, "text/plain": r.body, "": r.body, "application/json; charset=utf-16": r.body,
			"application/json, text/plain": r.body, "application/merge-patch+json": r.body, "multipart/mixed; boundary=b": multi,
		} {
			send(http.StatusUnsupportedMediaType, contentType, body)
		}
		for contentType, body := range map[string]string{"application/json": r.body, plain: form.Encode(), kind: multi} {
			send(http.StatusUnsupportedMediaType, contentType, body, "Content-Encoding", "gzip")
		}
	}
	for _, query := range []string{"id=%zz", "id=%FF", "id=1&id=2", "%69d=1&id=2"} {
		for _, r := range changes {
			path, _, _ := strings.Cut(r.target, "?")
			c.send(r.route, path+"?"+query, c.acme.operator, r.body).want(t, http.StatusBadRequest)
			c.delete(path+"?"+query, c.acme.operator).want(t, http.StatusBadRequest)
		}
	}
	if after := c.careers(acme, "acme-user"); after != before {
		t.Errorf("it was\n%s\nand is\n%s", before, after)
	}
}

// What the store knows of a record, and of whom, is nothing that is written: not by a member, a parameter or a header (rows A-02, I-05).
func TestCareersAreNotMassAssigned(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	c.furnish(acme, "acme-user")
	c.furnish(acme, "acme-other")
	others := c.careers(acme, "acme-other") + c.get("/api/user/acme-user-id?org=acme", adminToken).body
	for _, r := range c.careerChanges() {
		plain := c.send(r.route, r.target, c.acme.operator, r.body).want(t, http.StatusOK).json(t)
		for _, name := range []string{
			"user", "User", "user_id", "userId", "username", "user_info", "org", "org_id", "platform", "institution", "company", "created_at",
			"updated_at", "version", "Version", "kind", "needs", "object", "body", "role", "roles", "email_verified", "password_hash", "disabled",
			"profileClaim", "Name", "TITLE", "Institution_Id",
		} {
			a := c.send(r.route, r.target, c.acme.operator, `{"`+name+`":"acme-other",`+r.body[1:]).want(t, http.StatusOK)
			got := a.json(t)
			for _, member := range []string{"user", "user_info", "institution", "company", "title", "name", "institution_id", "degree"} {
				if fmt.Sprint(got[member]) != fmt.Sprint(plain[member]) {
					t.Errorf("%s %s with %s: %s is %v", r.route, r.target, name, member, got[member])
				}
			}
			if _, there := got[name]; there != (plain[name] != nil) || fmt.Sprint(got[name]) == "acme-other" {
				t.Errorf("%s was taken: %s", name, a.body)
			}
			if r.route == "POST" {
				path, _, _ := strings.Cut(r.target, "?")
				c.delete(fmt.Sprintf("%s?id=%v", path, got["id"]), c.acme.operator).want(t, http.StatusNoContent)
			}
		}
		separator := "?"
		if strings.Contains(r.target, "?") {
			separator = "&"
		}
		for _, query := range []string{"user=acme-other", "username=acme-other", "org=globex", "platform_key=globex", "userId=acme-other", "ID=1"} {
			a := c.send(r.route, r.target+separator+query, c.acme.operator, r.body, "X-User-Id", "acme-other-id", "X-Org", globex).want(t, http.StatusOK)
			if fmt.Sprint(a.json(t)["user"]) != fmt.Sprint(plain["user"]) {
				t.Errorf("%s: %s", query, a.body)
			}
		}
	}
	if after := c.careers(acme, "acme-other") + c.get("/api/user/acme-user-id?org=acme", adminToken).body; after != others {
		t.Errorf("it was\n%s\nand is\n%s", others, after)
	}
}

// Texts come back as they were, and as nothing a browser would run; addresses lead to the web and nowhere else (row M-13).
func TestTextsOfCareers(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	token := c.loginAs(c.acme.user, "").text(t, "access_token")
	path := careerPath(acme, "companies", "me")
	for _, text := range []string{
		`<img src=x onerror=alert(1)>`, `</script><!--`, `javascript:alert(1)`, "a\u2028\u2029b", `"\'`, "line\r\nline\ttab", "{{7*7}} ${7*7} <%= 7 %>",
		"\U0001F600" + strings.Repeat("\u0301", 50), `]] redis.call('FLUSHALL') --[[`, strings.Repeat("\U0001F600", 100), "\x01\x1f\x7f", "-", "0",
	} {
		encoded, _ := json.Marshal(text)
		body := fmt.Sprintf(`{"name":%s,"industry":%s,"data":{%s:%s}}`, encoded, encoded, encoded, encoded)
		created := c.post(path, token, body).want(t, http.StatusOK)
		got := created.json(t)
		if got["name"] != text || got["industry"] != text || got["data"].(map[string]any)[text] != text {
			t.Errorf("%.100q came back as %.200s", text, created.body)
		}
		if created.header.Get("Content-Type") != "application/json" || created.header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%v", created.header)
		}
	}
	for address, status := range map[string]int{
		"https://example.com/a?b#c": 200, "http://example.com": 200, "example.com": 200, "www.example.com/x": 200, "": 200,
		"javascript:alert(1)": 400, "JaVaScRiPt:alert(1)": 400, "java\tscript:alert(1)": 400, "\u0001javascript:alert(1)": 400,
		"data:text/html,<script>": 400, "vbscript:x": 400, "file:///etc/passwd": 400, "blob:https://x/y": 400, "ftp://x": 400, "%zz": 400,
		strings.Repeat("x", 256): 400,
	} {
		encoded, _ := json.Marshal(address)
		for member, kind := range map[string]string{"website": "institutions", "logo_url": "companies"} {
			a := c.post(careerPath(acme, kind, "me"), token, fmt.Sprintf(`{"name":"x","%s":%s}`, member, encoded))
			if a.status != status || status == 400 && !strings.HasPrefix(a.body, `{"`+member+`":["`) {
				t.Errorf("%s %q: %d %s", member, address, a.status, a.body)
			}
		}
	}
}

// Without Redis the outcome is not known, and the client is told when to come back.
func TestCareersAreUnavailable(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	c.furnish(acme, "acme-user")
	changes := c.careerChanges()
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	for _, r := range changes {
		path, _, _ := strings.Cut(r.target, "?")
		for _, request := range []*http.Request{
			newRequest(r.route, r.target, c.acme.operator, r.body), newRequest("GET", path, c.acme.operator, ""),
			newRequest("DELETE", path+"?id=1", c.acme.operator, ""),
		} {
			a := c.serve(request.WithContext(ended))
			if a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" {
				t.Errorf("%s %s: %d %v %s", request.Method, path, a.status, a.header, a.body)
			}
			a.envelope(t)
		}
	}
}
