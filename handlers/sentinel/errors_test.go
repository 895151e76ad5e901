package sentinel_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/handlers/problem"
	"github.com/claimsmith/claimsmith/handlers/sentinel"
	"github.com/claimsmith/claimsmith/metadata"
)

func TestErrorsHaveOneForm(t *testing.T) {
	const bearer, bearerInvalid, key = "Bearer", `Bearer error="invalid_token"`, `ApiKey header="X-API-KEY"`
	fails := func(code auth.Code, field, detail string) error {
		return &auth.Error{Code: code, Field: field, Detail: detail}
	}
	tests := []struct {
		err              error
		status           int
		text             string
		challenge, retry string
	}{
		{err: fails(auth.InvalidRequest, "/user_info/email", "not an address"), status: 400, text: "user_info/email: not an address"},
		{err: fails(auth.InvalidRequest, "app_id", "app_id is required"), status: 400, text: "app_id is required"},
		{err: fails(auth.InvalidClient, "", "authentication failed"), status: 401, text: "authentication failed", challenge: key},
		{err: fails(auth.InvalidGrant, "", "the token is used up"), status: 401, text: "the token is used up", challenge: bearerInvalid},
		{err: fails(auth.InvalidCredentials, "", "wrong"), status: 401, text: "wrong", challenge: bearer},
		{err: fails(auth.SecondFactorRequired, "", "a second factor"), status: 401, text: "a second factor", challenge: bearer},
		{err: fails(auth.Unauthenticated, "", "not valid"), status: 401, text: "not valid", challenge: bearerInvalid},
		{err: fails(auth.UnauthorizedClient, "", "this client may not"), status: 403, text: "this client may not"},
		{err: fails(auth.AccessDenied, "", "only an operator"), status: 403, text: "only an operator"},
		{err: fails(auth.NotFound, "profiles/1/user_id", "no such user"), status: 404, text: "profiles/1/user_id: no such user"},
		{err: fails(auth.Conflict, "username", "this username is in use"), status: 409, text: "this username is in use"},
		{err: metadata.Exceeded("profiles", "profiles in one request", 1001, 1000), status: 400},
		{err: &metadata.Error{Code: metadata.Invalid, Field: "k\xff", Detail: "bad key"}, status: 400, text: "k\ufffd: bad key"},
		{err: &http.MaxBytesError{}, status: 413, text: "Request Entity Too Large"},
		{err: echo.ErrUnsupportedMediaType, status: 415, text: "Unsupported Media Type"},
		{err: echo.ErrNotFound, status: 404, text: "Not Found"},
		{err: echo.ErrMethodNotAllowed, status: 405, text: "Method Not Allowed"},
		{err: &auth.Error{Code: auth.Throttled, Detail: "too many", RetryAfter: 90 * time.Second}, status: 429, text: "too many", retry: "90"},
		{err: fails(auth.Busy, "", "busy"), status: 503, text: "busy", retry: "1"},
		{err: &metadata.Error{Code: metadata.Unavailable, Detail: "try again"}, status: 503, text: "try again", retry: "1"},
		{err: http.ErrBodyNotAllowed, status: 500, text: "Internal Server Error"},
	}
	for _, tt := range tests {
		p := problem.Of(tt.err)
		w := httptest.NewRecorder()
		c := echo.New().NewContext(httptest.NewRequest(http.MethodGet, "/user/profiles/1", http.NoBody), w)
		p.SetHeader(c.Response().Header())
		if err := (&sentinel.Dialect{}).RenderError(c, p); err != nil {
			t.Fatal(err)
		}
		body := w.Body.String()
		if w.Code != tt.status || tt.text != "" && body != `{"error":"`+tt.text+`"}` || w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%v: got %d %s", tt.err, w.Code, body)
		}
		if got := w.Header().Get("WWW-Authenticate"); got != tt.challenge {
			t.Errorf("%v: the challenge is %q, want %q", tt.err, got, tt.challenge)
		}
		if got := w.Header().Get("Retry-After"); got != tt.retry {
			t.Errorf("%v: Retry-After is %q, want %q", tt.err, got, tt.retry)
		}
	}
}
