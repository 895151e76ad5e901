package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/claimsmith/claimsmith/internal/redistest"
)

// What operators alone may read no other caller finds, on any door that reads (row M-14).
func TestHiddenKeysAreNowhere(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	const key, value = "rating", "nobody-but-operators-reads-this"
	for _, of := range []string{ofUser, ofApp, ofGroup, ofOrg} {
		for n := range 2 { // so that it is in the histories as what was and as what is
			c.patch(of, adminToken, `{"set":[{"key":"`+key+`","value":"`+value+strings.Repeat("!", n)+`"}]}`).want(t, http.StatusOK)
		}
	}
	user := c.loginAs(c.acme.user, "").text(t, "access_token")
	shown := 0
	for _, op := range operations {
		method, _, _ := strings.Cut(op.route, " ")
		reads := method == http.MethodGet || strings.HasSuffix(op.route, "/claims") || strings.HasSuffix(op.route, "/search")
		if !reads {
			continue
		}
		target, body := op.prepare(c)
		for _, caller := range []struct{ name, bearer string }{{"reader", c.acme.reader}, {"user", user}} {
			a := c.send(method, target, caller.bearer, body)
			if strings.Contains(a.body, value) || strings.Contains(a.body, `"`+key+`"`) {
				t.Errorf("%s %s shows %s: %s", op.route, op.variant, caller.name, a.body)
			}
		}
		if a := c.send(method, target, c.acme.operator, body); strings.Contains(a.body, value) {
			shown++
		}
	}
	if shown < 6 {
		t.Errorf("only %d doors show it to the operator: the test looks at nothing", shown)
	}
	for _, caller := range []string{c.acme.reader, user} {
		for _, target := range []string{
			"/api/user/acme-user-id/metadata/%s?org=acme", "/api/user/acme-user-id/metadata/%s?org=acme&app=login",
			"/api/user/acme-user-id/history?org=acme&key=%s", "/api/metadata-key/%s?org=acme",
			"/api/group/acme-staff/metadata/%s?org=acme", "/api/org/acme/metadata/%s", "/api/org/acme/history?key=%s",
		} {
			of := func(key string) answer { return c.get(strings.Replace(target, "%s", key, 1), caller).without(key) }
			same(t, target, of(key), of("ratine"))
		}
	}
	for _, name := range []string{"access_token", "id_token"} {
		if claims := decodeSegment(t, strings.Split(c.loginAs(c.acme.user, "").text(t, name), ".")[1]); strings.Contains(claims, value) {
			t.Errorf("the %s has it: %s", name, claims)
		}
	}
}
