package claims_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/claimsmith/claimsmith/claims"
)

func TestMiddleware(t *testing.T) {
	v := testVerifier(t)
	served := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		access, ok := claims.FromContext(r.Context())
		if !ok {
			t.Error("no token in the context of a request that passed")
			return
		}
		theme, _ := access.Metadata.String("theme")
		_, _ = io.WriteString(w, access.Subject+" likes it "+theme)
	})
	handler := claims.Middleware(v)(claims.RequireScope("profile")(served))
	token := es256().access(janesPayload())
	poor := es256().access(payloadWith(t, pair{"scope", `"openid profiles"`}))
	expired := es256().access(payloadWith(t, pair{"exp", `1788260000`}))

	for _, tt := range []struct {
		name          string
		url           string
		authorization []string
		status        int
		challenge     string
		body          string
	}{
		{"a valid token", "/", []string{"Bearer " + token}, 200, "", "jane likes it dark"},
		{"the scheme in another case", "/", []string{"bEARER   " + token}, 200, "", "jane likes it dark"},
		{"no credentials", "/", nil, 401, `Bearer`, "Unauthorized\n"},
		{"a token in the query", "/?access_token=" + token, nil, 401, `Bearer`, "Unauthorized\n"},
		{"another scheme", "/", []string{"Basic amFuZTp4"}, 401, `Bearer`, "Unauthorized\n"},
		{"a scheme that begins alike", "/", []string{"Bearer2 " + token}, 401, `Bearer`, "Unauthorized\n"},
		{"a scheme alone", "/", []string{"Bearer"}, 401, `Bearer`, "Unauthorized\n"},
		{"a scheme and a space", "/", []string{"Bearer "}, 401, `Bearer`, "Unauthorized\n"},
		{"a token alone", "/", []string{token}, 401, `Bearer`, "Unauthorized\n"},
		{"two tokens", "/", []string{"Bearer " + token, "Bearer " + token}, 400, `Bearer error="invalid_request"`, "Bad Request\n"},
		{"something after the token", "/", []string{"Bearer " + token + " x"}, 401, `Bearer error="invalid_token"`, "Unauthorized\n"},
		{"a token in quotes", "/", []string{`Bearer "` + token + `"`}, 401, `Bearer error="invalid_token"`, "Unauthorized\n"},
		{"a forged token", "/", []string{"Bearer " + token[:len(token)-8] + "AAAAAAAA"}, 401, `Bearer error="invalid_token"`, "Unauthorized\n"},
		{"an expired token", "/", []string{"Bearer " + expired}, 401,
			`Bearer error="invalid_token", error_description="the access token has expired"`, "Unauthorized\n"},
		{"an ID token", "/", []string{"Bearer " + es256().token("JWT", janesPayload())}, 401, `Bearer error="invalid_token"`, "Unauthorized\n"},
		{"too narrow a token", "/", []string{"Bearer " + poor}, 403, `Bearer error="insufficient_scope", scope="profile"`, "Forbidden\n"},
	} {
		r := httptest.NewRequest(http.MethodGet, tt.url, nil)
		r.Header["Authorization"] = tt.authorization
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != tt.status || w.Header().Get("WWW-Authenticate") != tt.challenge || w.Body.String() != tt.body {
			t.Errorf("%s: %d %q %q; want %d %q %q", tt.name, w.Code, w.Header().Get("WWW-Authenticate"), w.Body, tt.status, tt.challenge, tt.body)
		}
	}

	form := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("access_token="+token))
	form.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, form)
	if w.Code != 401 {
		t.Errorf("a token in a form: %d, want 401", w.Code)
	}
}

func TestMiddlewareWithoutKeys(t *testing.T) {
	s := newServer(t, es256())
	s.behave(unavailable)
	v := newVerifier(t, claims.Config{Issuer: s.URL, RefreshInterval: 20 * time.Second})
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Authorization", "Bearer "+s.token(es256()))
	w := httptest.NewRecorder()
	claims.Middleware(v)(http.NotFoundHandler()).ServeHTTP(w, r)
	if w.Code != 503 || w.Header().Get("Retry-After") != "20" || w.Header().Get("WWW-Authenticate") != "" {
		t.Errorf("%d %v; want 503 with Retry-After and no challenge", w.Code, w.Header())
	}
	if strings.Contains(w.Body.String(), s.URL) {
		t.Errorf("the answer tells the client of the inside: %s", w.Body)
	}
}

func TestRequireScopeAlone(t *testing.T) {
	w := httptest.NewRecorder()
	claims.RequireScope("x")(http.NotFoundHandler()).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	if w.Code != 401 {
		t.Errorf("without Middleware: %d, want 401", w.Code)
	}
}
