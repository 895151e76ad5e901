package e2e

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// hides fails the test for every secret that the process wrote since it serves, in whatever coding.
func (s *server) hides(t *testing.T, secrets map[string]string) {
	t.Helper()
	_, written, found := strings.Cut(s.stderr.String(), "msg=serving ")
	if !found {
		t.Fatalf("it does not say that it serves:\n%s", s.stderr.tail())
	}
	written += s.stdout.String()
	for name, secret := range secrets {
		for _, form := range []string{
			secret, base64.StdEncoding.EncodeToString([]byte(secret)), base64.RawURLEncoding.EncodeToString([]byte(secret)),
			hex.EncodeToString([]byte(secret)), url.QueryEscape(secret), fmt.Sprintf("%d", []byte(secret)),
		} {
			if at := strings.Index(written, form); at >= 0 {
				t.Errorf("the %s is in the log: %s", name, written[max(0, at-200):min(len(written), at+len(form)+20)])
				break
			}
		}
	}
}

// P-02: whatever is asked, well or badly, no secret gets into the log, at any level.
func TestLogHidesSecrets(t *testing.T) {
	t.Parallel()
	i, redis := newInstallation(t)
	s := i.serve("--log-level", "debug", "--access-log")
	const password, other, value = "canary-password", "canary-wrong-password", "canary-metadata"
	s.send(http.MethodPost, "/api/user", i.admin, `{"id":"jane","username":"jane","password":"`+password+`"}`).want(t, 201)
	client := s.send(http.MethodPost, "/api/client", i.admin,
		`{"client_id":"shop","first_party":true,"grant_types":["password","refresh_token","client_credentials"],"scopes":["openid","iam/"]}`)
	secret := client.want(t, 201).text(t, "client_secret")
	s.send(http.MethodPut, "/api/user/jane/metadata/theme", i.admin, `{"value":"`+value+`","profileClaim":true}`).want(t, 200)
	tokens := s.form("/oauth/token", "grant_type", "password", "client_id", "shop", "client_secret", secret,
		"username", "jane", "password", password, "scope", "openid").want(t, 200)
	access, refresh, id := tokens.text(t, "access_token"), tokens.text(t, "refresh_token"), tokens.text(t, "id_token")
	reader := s.send(http.MethodPost, "/api/token", i.admin, `{"role":"reader"}`).want(t, 201).text(t, "token")
	secrets := map[string]string{
		"password": password, "wrong password": other, "metadata": value, "access token": access, "refresh token": refresh, "ID token": id,
		"client secret": secret, "administrator's token": i.admin, "reader's token": reader, "key-encryption key": i.kek,
	}
	if kek, err := base64.StdEncoding.DecodeString(i.kek); err == nil {
		secrets["key-encryption key itself"] = string(kek)
	}

	// Some of these no client sends.
	ask := func(method, path, bearer, body string, headers ...string) {
		_, _ = s.try(method, path, bearer, body, headers...)
	}
	post := func(path string, parameters ...string) {
		ask(http.MethodPost, path, "", encoded(parameters), "Content-Type", "application/x-www-form-urlencoded")
	}
	login := func(body string) { ask(http.MethodPost, "/login", "", body) }
	// misplace sends a secret where others belong, and where none does.
	misplace := func(text string) {
		escaped, quoted := url.PathEscape(text), strings.ReplaceAll(text, `"`, `\"`)
		ask(http.MethodGet, "/api/user/"+escaped, i.admin, "")
		ask(http.MethodGet, "/api/user/jane/metadata/"+escaped, i.admin, "")
		ask(http.MethodGet, "/api/user/jane?org="+url.QueryEscape(text), i.admin, "")
		ask(http.MethodGet, "/oauth/userinfo?access_token="+url.QueryEscape(text), "", "")
		ask(http.MethodGet, "/oauth/"+escaped, "", "")
		ask(http.MethodGet, "/oauth/userinfo", text+"x", "")
		ask(http.MethodGet, "/api/user/jane", text+"x", "")
		login(`{"username":"` + quoted + `","password":"` + other + `"}`)
		login(`{"username":"jane","` + quoted + `":1}`)
		login(`{"username":"jane","password":"` + quoted)
		login(quoted)
		ask(http.MethodPut, "/api/user/jane/metadata/theme", i.admin, `{"value":"`+quoted+`","profileClaim":"`+quoted+`"}`)
		ask(http.MethodPatch, "/api/user/jane/metadata", i.admin, `{"set":[{"key":"`+quoted+`","value":"`+quoted+`","profileClaim":true}]}`)
		ask(http.MethodPut, "/api/user/jane/metadata/theme", i.admin, `{"value":"`+value+`"}`, "If-Match", `"`+text+`"`)
		post("/oauth/token", "grant_type", text, "client_id", text, "client_secret", text, "scope", text)
		post("/oauth/token", "grant_type", "refresh_token", "client_id", "shop", "client_secret", secret, "refresh_token", text+"x")
		post("/oauth/token", text, text)
		post("/oauth/revoke", "client_id", "shop", "client_secret", secret, "token", text+"x")
		post("/oauth/introspect", "client_id", "shop", "client_secret", text+"x", "token", text+"x")
		for _, header := range []string{
			"Authorization", "X-Request-Id", "X-Forwarded-For", "User-Agent", "Idempotency-Key", "Content-Encoding", "Cookie",
		} {
			ask(http.MethodPost, "/api/user", "", `{"username":"x"}`, header, text)
		}
	}
	battery := func() {
		login(`{"username":"jane","password":"` + other + `"}`)
		ask(http.MethodGet, "/oauth/userinfo", access, "")
		post("/oauth/introspect", "client_id", "shop", "client_secret", secret, "token", access)
		ask(http.MethodGet, "/api/user/jane/metadata", reader, "")
		ask(http.MethodPut, "/api/user/jane/password", i.admin, `{"password":"short"}`)
		var all sync.WaitGroup
		for _, text := range secrets {
			all.Go(func() { misplace(text) })
		}
		all.Wait()
	}
	battery()
	redis.Kill() // what fails is logged with its cause
	battery()
	s.hides(t, secrets)
	if lines := strings.Count(s.stderr.String(), "msg=request "); lines < 100 {
		t.Errorf("the access log has %d lines", lines)
	}
}
