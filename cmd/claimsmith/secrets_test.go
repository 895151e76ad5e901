package main

import (
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/claimsmith/claimsmith/internal/redistest"
)

// Every kind of secret opens what it is for and nothing else (rows T-06, R-02, A-10).
func TestEverySecretAtEveryOtherInput(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	for _, name := range []string{"one", "two"} {
		c.newPerson(name, acme)
	}
	tokens := c.loginAs(c.acme.user, "")
	access := tokens.text(t, "access_token")
	claims := claimsOf(t, access)
	secrets := map[string]string{
		"access token": access, "ID token": tokens.text(t, "id_token"), "refresh token": tokens.text(t, "refresh_token"),
		"machine's token": c.acme.machineToken, "token of no scope": c.acme.plainToken,
		"operator's token": c.acme.operator, "reader's token": c.acme.reader, "client secret": c.acme.machine.secret,
		"password": c.acme.user.password, "cursor": c.get("/api/user?limit=1", c.acme.operator).text(t, "next"),
		"user id": c.acme.user.id, "client id": "acme-machine", "address": c.acme.user.email,
		"sid": claims["sid"].(string), "jti": claims["jti"].(string),
		"operator token's id": c.post("/api/token", c.acme.operator, `{"role":"operator"}`).text(t, "id"),
	}
	inputs := []struct {
		name    string
		present func(secret string) answer
	}{
		{"userinfo", func(s string) answer { return c.get("/oauth/userinfo", "", "Authorization", "Bearer "+s) }},
		{"userinfo by form", func(s string) answer { return c.form("/oauth/userinfo", "access_token", s) }},
		{"API of the user", func(s string) answer { return c.get("/api/user/me", "", "Authorization", "Bearer "+s) }},
		{"API of operators", func(s string) answer { return c.get("/api/user", "", "Authorization", "Bearer "+s) }},
		{"API of clients", func(s string) answer { return c.get("/api/client", "", "Authorization", "Bearer "+s) }},
		{"introspector", func(s string) answer {
			return c.send(http.MethodPost, "/oauth/introspect", "", encodeForm([]string{"token", access}),
				"Content-Type", "application/x-www-form-urlencoded", "Authorization", "Bearer "+s)
		}},
		{"introspection", func(s string) answer { return c.introspectAs(adminToken, s) }},
		{"refresh", func(s string) answer { return c.refresh(s) }},
		{"client secret, by header", func(s string) answer {
			return c.clientForm("/oauth/token", client{"acme-machine", s}, "grant_type", "client_credentials")
		}},
		{"client secret, in the form", func(s string) answer {
			return c.form("/oauth/token", "grant_type", "client_credentials", "client_id", "acme-machine", "client_secret", s)
		}},
		{"password", func(s string) answer { return c.try(c.acme.user.username, s, "") }},
		{"cursor", func(s string) answer { return c.get("/api/user?limit=1&cursor="+url.QueryEscape(s), c.acme.operator) }},
		{"cursor of clients", func(s string) answer { return c.get("/api/client?cursor="+url.QueryEscape(s), c.acme.operator) }},
	}
	opens := map[string]bool{
		"access token at userinfo": true, "access token at userinfo by form": true, "access token at API of the user": true, "access token at introspection": true,
		"machine's token at API of operators": true, "machine's token at API of clients": true, "machine's token at introspection": true,
		"machine's token at introspector":      true,
		"token of no scope at introspection":   true,
		"operator's token at API of operators": true, "operator's token at API of clients": true, "operator's token at introspector": true,
		"reader's token at API of operators": true, "reader's token at API of clients": true, "reader's token at introspector": true,
		"client secret at client secret, by header": true, "client secret at client secret, in the form": true,
		"refresh token at refresh": true, "password at password": true, "cursor at cursor": true,
	}
	visitors := 0
	for kind, secret := range secrets {
		visitors++
		c.address = fmt.Sprintf("192.0.2.%d:4711", visitors) // or the wrong passwords would be throttled
		for _, input := range inputs {
			what := kind + " at " + input.name
			if kind == "refresh token" && input.name == "refresh" {
				delete(opens, what) // below, since it uses it up
				continue
			}
			a := input.present(secret)
			if success := a.status < 400 && a.body != inactive; success != opens[what] {
				t.Errorf("%s: %d %s", what, a.status, a.body)
			}
			delete(opens, what)
		}
	}
	for what := range opens {
		t.Errorf("%s was never tried", what)
	}
	// None of it was a replay of the refresh token.
	c.refresh(tokens.text(t, "refresh_token")).want(t, http.StatusOK)
}

// A secret that is cut, longer, or of other letters is another (row T-16).
func TestSecretsAreComparedWhole(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	flip := func(s string, n int) string {
		b := []byte(s)
		switch {
		case 'a' <= b[n] && b[n] <= 'z', 'A' <= b[n] && b[n] <= 'Z':
			b[n] ^= 0x20
		default:
			b[n] = 'x'
		}
		return string(b)
	}
	variants := func(s string) []string {
		all := []string{s[:len(s)-1], s + "A", s + "=", s + "\x00", " " + s + "x", strings.ToUpper(s), strings.ToLower(s), s[1:]}
		for n := range s {
			all = append(all, flip(s, n))
		}
		return all
	}
	for _, v := range variants(c.acme.operator) {
		if a := c.get("/api/user", "", "Authorization", "Bearer "+v); v != c.acme.operator && a.status != http.StatusUnauthorized {
			t.Errorf("API token %q: %d %s", v, a.status, a.body)
		}
	}
	for _, v := range variants(c.acme.machine.secret) {
		if a := c.clientForm("/oauth/token", client{"acme-machine", v}, "grant_type", "client_credentials"); v != c.acme.machine.secret && a.status != http.StatusUnauthorized {
			t.Errorf("client secret %q: %d %s", v, a.status, a.body)
		}
	}
	refresh := c.loginAs(c.acme.user, "").text(t, "refresh_token")
	for _, v := range variants(refresh) {
		if a := c.refresh(v); v != refresh && a.status != http.StatusBadRequest {
			t.Errorf("refresh token %q: %d %s", v, a.status, a.body)
		}
		if a := c.form("/oauth/revoke", "client_id", "login", "token", v); v != refresh && a.status != http.StatusOK {
			t.Errorf("revocation of %q: %d %s", v, a.status, a.body)
		}
	}
	payload := refresh[strings.LastIndexByte(refresh, '.')+1:]
	raw, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil {
		t.Fatal(err)
	}
	for n := range raw {
		changed := append([]byte(nil), raw...)
		changed[n] ^= 1
		c.refresh(strings.TrimSuffix(refresh, payload)+base64.RawURLEncoding.EncodeToString(changed)).want(t, http.StatusBadRequest)
	}
	for _, other := range []string{"acme-other-id.acme", "acme-user-id.globex", "acme-user-id.default", ".acme", "acme-user-id.", "acme-user-id"} {
		c.refresh("cs_rt_"+other+"."+payload).want(t, http.StatusBadRequest)
	}
	// Guesses, however close, do not end the session of the one who has it.
	c.refresh(refresh).want(t, http.StatusOK)
}

// Nothing that is handed out is kept as it was (row T-16).
func TestSecretsAreNotKept(t *testing.T) {
	t.Parallel()
	b := redistest.Embedded(t)
	c := newCast(t, b)
	tokens := c.loginAs(c.acme.user, "")
	refreshed := c.refresh(tokens.text(t, "refresh_token"))
	payload := func(refresh string) string {
		text := refresh[strings.LastIndexByte(refresh, '.')+1:]
		raw, err := base64.RawURLEncoding.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		return string(raw[20:44]) // the secret
	}
	secrets := map[string]string{
		"operator's token": c.acme.operator, "client secret": c.acme.machine.secret, "password": c.acme.user.password,
		"refresh token": tokens.text(t, "refresh_token"), "its secret": payload(tokens.text(t, "refresh_token")),
		"successor": refreshed.text(t, "refresh_token"), "successor's secret": payload(refreshed.text(t, "refresh_token")),
		"access token": tokens.text(t, "access_token"), "ID token": tokens.text(t, "id_token"), "admin token": adminToken,
	}
	dump := c.dump(b)
	if !strings.Contains(dump, "acme-user-id") {
		t.Fatal("the dump is empty")
	}
	for kind, secret := range secrets {
		if strings.Contains(dump, secret) {
			t.Errorf("Redis holds the %s", kind)
		}
		if strings.Contains(c.log.String(), secret) {
			t.Errorf("the log holds the %s", kind)
		}
	}
}

// dump is everything Redis holds.
func (c *cast) dump(b redistest.Backend) string {
	c.t.Helper()
	ctx := c.t.Context()
	keys := slices.Sorted(maps.Keys(b.TTLs(c.t)))
	kinds, err := b.Client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for _, key := range keys {
			pipe.Type(ctx, key)
		}
		return nil
	})
	if err != nil {
		c.t.Fatal(err)
	}
	values, err := b.Client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for n, key := range keys {
			switch kind := kinds[n].(*redis.StatusCmd).Val(); kind {
			case "hash":
				pipe.HGetAll(ctx, key)
			case "set":
				pipe.SMembers(ctx, key)
			case "zset":
				pipe.ZRange(ctx, key, 0, -1)
			case "list":
				pipe.LRange(ctx, key, 0, -1)
			case "stream":
				pipe.XRange(ctx, key, "-", "+")
			default: // an error, if it is no string
				pipe.Get(ctx, key)
			}
		}
		return nil
	})
	if err != nil && !errors.Is(err, redis.Nil) { // a key may have ended meanwhile
		c.t.Fatal(err)
	}
	var all strings.Builder
	for n, key := range keys {
		fmt.Fprintln(&all, kinds[n].(*redis.StatusCmd).Val(), key)
		switch value := values[n].(type) {
		case *redis.MapStringStringCmd:
			fmt.Fprintln(&all, value.Val())
		case *redis.StringSliceCmd:
			fmt.Fprintln(&all, value.Val())
		case *redis.StringCmd:
			fmt.Fprintln(&all, value.Val())
		case *redis.XMessageSliceCmd:
			fmt.Fprintln(&all, value.Val())
		}
	}
	return all.String()
}
