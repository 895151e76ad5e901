package problem_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"
	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/handlers/problem"
	"github.com/claimsmith/claimsmith/handlers/request"
	"github.com/claimsmith/claimsmith/metadata"
)

const canary = "c4nary: redis 10.0.0.7:6379"

func TestOf(t *testing.T) {
	cause := errors.New(canary)
	tests := []struct {
		name        string
		err         error
		status      int
		code        problem.Code
		detail      string
		field       string
		oauthStatus int
		oauthCode   string
	}{
		{"malformed", &request.Error{Code: request.Malformed, Field: "/value", Detail: "d"}, 400, "invalid_request", "d", "/value", 400, "invalid_request"},
		{"no such path", &request.Error{Code: request.NoSuchPath, Detail: "d"}, 404, "not_found", "d", "", 404, "invalid_request"},
		{"body too large", &request.Error{Code: request.TooLarge, Detail: "d"}, 413, "too_large", "d", "", 413, "invalid_request"},
		{"media type", &request.Error{Code: request.UnsupportedMediaType, Detail: "d"}, 415, "unsupported_media_type", "d", "", 415, "invalid_request"},
		{"no credentials", &request.Error{Code: request.MissingCredentials, Detail: "d"}, 401, "unauthenticated", "d", "", 401, "invalid_token"},
		{"no token", &request.Error{Code: request.InvalidToken, Detail: "d"}, 401, "unauthenticated", "d", "", 401, "invalid_token"},
		{"no client", &request.Error{Code: request.InvalidClient, Detail: "d"}, 401, "invalid_client", "d", "", 401, "invalid_client"},

		{"metadata invalid", &metadata.Error{Code: metadata.Invalid, Field: "theme", Detail: "d", Err: cause}, 400, "invalid_request", "d", "theme", 400, "invalid_request"},
		{"metadata not found", &metadata.Error{Code: metadata.NotFound, Detail: "d", Err: cause}, 404, "not_found", "d", "", 404, "invalid_request"},
		{"metadata forbidden", &metadata.Error{Code: metadata.Forbidden, Detail: "d", Err: cause}, 403, "access_denied", "d", "", 400, "access_denied"},
		{"metadata conflict", &metadata.Error{Code: metadata.Conflict, Detail: "d", Err: cause}, 409, "conflict", "d", "", 409, "invalid_request"},
		{"metadata precondition", &metadata.Error{Code: metadata.PreconditionFailed, Detail: "d", Err: cause}, 412, "precondition_failed", "d", "", 412, "invalid_request"},
		{"metadata limit", &metadata.Error{Code: metadata.LimitExceeded, Detail: "d", Err: cause}, 422, "limit_exceeded", "d", "", 422, "invalid_request"},
		{"metadata unavailable", &metadata.Error{Code: metadata.Unavailable, Detail: "d", Err: cause}, 503, "unavailable", "d", "", 503, "temporarily_unavailable"},
		{"metadata, unknown code", &metadata.Error{Code: "new", Detail: canary, Err: cause}, 500, "internal", "", "", 500, "server_error"},

		{"auth request", &auth.Error{Code: auth.InvalidRequest, Field: "scope", Detail: "d", Err: cause}, 400, "invalid_request", "d", "scope", 400, "invalid_request"},
		{"auth client", &auth.Error{Code: auth.InvalidClient, Detail: "d", Err: cause}, 401, "invalid_client", "d", "", 401, "invalid_client"},
		{"auth grant", &auth.Error{Code: auth.InvalidGrant, Detail: "d", Err: cause}, 400, "invalid_grant", "d", "", 400, "invalid_grant"},
		{"auth unauthorized client", &auth.Error{Code: auth.UnauthorizedClient, Detail: "d", Err: cause}, 400, "unauthorized_client", "d", "", 400, "unauthorized_client"},
		{"auth grant type", &auth.Error{Code: auth.UnsupportedGrantType, Detail: "d", Err: cause}, 400, "unsupported_grant_type", "d", "", 400, "unsupported_grant_type"},
		{"auth scope", &auth.Error{Code: auth.InvalidScope, Detail: "d", Err: cause}, 400, "invalid_scope", "d", "", 400, "invalid_scope"},
		{"auth denied", &auth.Error{Code: auth.AccessDenied, Detail: "d", Err: cause}, 403, "access_denied", "d", "", 400, "access_denied"},
		{"auth credentials", &auth.Error{Code: auth.InvalidCredentials, Detail: "d", Err: cause}, 401, "invalid_credentials", "d", "", 400, "invalid_grant"},
		{"auth bearer", &auth.Error{Code: auth.Unauthenticated, Detail: "d", Err: cause}, 401, "unauthenticated", "d", "", 401, "invalid_token"},
		{"auth not found", &auth.Error{Code: auth.NotFound, Detail: "d", Err: cause}, 404, "not_found", "d", "", 404, "invalid_request"},
		{"auth conflict", &auth.Error{Code: auth.Conflict, Detail: "d", Err: cause}, 409, "conflict", "d", "", 409, "invalid_request"},
		{"auth precondition", &auth.Error{Code: auth.PreconditionFailed, Detail: "d", Err: cause}, 412, "precondition_failed", "d", "", 412, "invalid_request"},
		{"auth throttled", &auth.Error{Code: auth.Throttled, Detail: "d", Err: cause}, 429, "throttled", "d", "", 429, "temporarily_unavailable"},
		{"auth busy", &auth.Error{Code: auth.Busy, Detail: "d", Err: cause}, 503, "busy", "d", "", 503, "temporarily_unavailable"},
		{"auth unavailable", &auth.Error{Code: auth.Unavailable, Detail: "d", Err: cause}, 503, "unavailable", "d", "", 503, "temporarily_unavailable"},
		{"auth response type", &auth.Error{Code: auth.UnsupportedResponseType, Detail: "d", Err: cause}, 400, "unsupported_response_type", "d", "", 400, "unsupported_response_type"},
		{"auth login", &auth.Error{Code: auth.LoginRequired, Detail: "d", Err: cause}, 400, "login_required", "d", "", 400, "login_required"},
		{"auth consent", &auth.Error{Code: auth.ConsentRequired, Detail: "d", Err: cause}, 400, "consent_required", "d", "", 400, "consent_required"},
		{"auth interaction", &auth.Error{Code: auth.InteractionRequired, Detail: "d", Err: cause}, 400, "interaction_required", "d", "", 400, "interaction_required"},
		{"auth account", &auth.Error{Code: auth.AccountRequired, Detail: "d", Err: cause}, 400, "account_selection_required", "d", "", 400, "account_selection_required"},
		{"auth request object", &auth.Error{Code: auth.RequestNotSupported, Detail: "d", Err: cause}, 400, "request_not_supported", "d", "", 400, "request_not_supported"},
		{"auth foreign request_uri", &auth.Error{Code: auth.RequestURINotSupported, Detail: "d", Err: cause}, 400, "request_uri_not_supported", "d", "", 400, "request_uri_not_supported"},
		{"auth request_uri", &auth.Error{Code: auth.InvalidRequestURI, Detail: "d", Err: cause}, 400, "invalid_request_uri", "d", "", 400, "invalid_request_uri"},
		{"auth unmet", &auth.Error{Code: auth.UnmetAuthentication, Detail: "d", Err: cause}, 400, "unmet_authentication_requirements", "d", "", 400, "unmet_authentication_requirements"},
		{"auth target", &auth.Error{Code: auth.InvalidTarget, Detail: "d", Err: cause}, 400, "invalid_target", "d", "", 400, "invalid_target"},
		{"auth pending", &auth.Error{Code: auth.AuthorizationPending, Detail: "d", Err: cause}, 400, "authorization_pending", "d", "", 400, "authorization_pending"},
		{"auth slow down", &auth.Error{Code: auth.SlowDown, Detail: "d", Err: cause}, 400, "slow_down", "d", "", 400, "slow_down"},
		{"auth expired", &auth.Error{Code: auth.ExpiredToken, Detail: "d", Err: cause}, 400, "expired_token", "d", "", 400, "expired_token"},
		{"auth proof", &auth.Error{Code: auth.InvalidProof, Detail: "d", Err: cause}, 400, "invalid_dpop_proof", "d", "", 400, "invalid_dpop_proof"},
		{"auth second factor", &auth.Error{Code: auth.SecondFactorRequired, Field: "otp", Detail: "d", Err: cause}, 401, "second_factor_required", "d", "otp", 400, "invalid_grant"},
		{"auth, unknown code", &auth.Error{Code: "new", Field: "x", Detail: canary, Err: cause}, 500, "internal", "", "", 500, "server_error"},

		{"the outermost decides", &auth.Error{Code: auth.Unavailable, Detail: "d", Err: &metadata.Error{Code: metadata.NotFound, Detail: canary}}, 503, "unavailable", "d", "", 503, "temporarily_unavailable"},
		{"joined", errors.Join(cause, &metadata.Error{Code: metadata.NotFound, Detail: "d"}), 404, "not_found", "d", "", 404, "invalid_request"},
		{"joined, none known", errors.Join(cause, cause), 500, "internal", "", "", 500, "server_error"},

		{"router: no route", echo.ErrNotFound, 404, "not_found", "", "", 404, "invalid_request"},
		{"router: method", echo.ErrMethodNotAllowed, 405, "method_not_allowed", "", "", 405, "invalid_request"},
		{"echo: too large", echo.NewHTTPError(413, canary), 413, "too_large", "", "", 413, "invalid_request"},
		{"echo: media type", echo.NewHTTPError(415, canary).SetInternal(cause), 415, "unsupported_media_type", "", "", 415, "invalid_request"},
		{"echo: unauthorized", echo.NewHTTPError(401, canary), 401, "unauthenticated", "", "", 401, "invalid_token"},
		{"echo: another 4xx", echo.NewHTTPError(418, canary), 400, "invalid_request", "", "", 400, "invalid_request"},
		{"echo: 503", echo.NewHTTPError(503, canary), 503, "unavailable", "", "", 503, "temporarily_unavailable"},
		{"echo: 500", echo.NewHTTPError(500, canary), 500, "internal", "", "", 500, "server_error"},
		{"echo: no error status", echo.NewHTTPError(200, canary), 500, "internal", "", "", 500, "server_error"},
		{"net/http: too large", &http.MaxBytesError{Limit: 1}, 413, "too_large", "", "", 413, "invalid_request"},

		{"deadline", context.DeadlineExceeded, 503, "unavailable", "the request took too long; try again", "", 503, "temporarily_unavailable"},
		{"canceled", context.Canceled, 503, "unavailable", "the request took too long; try again", "", 503, "temporarily_unavailable"},
		{"unknown", cause, 500, "internal", "", "", 500, "server_error"},
		{"nothing", nil, 500, "internal", "", "", 500, "server_error"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := test.err
			if err != nil {
				err = fmt.Errorf("%s: %w", canary, err) // nothing of the wrapping may show either
			}
			got := problem.Of(err)
			if got.Status != test.status || got.Code != test.code || got.Detail != test.detail || got.Title != http.StatusText(test.status) {
				t.Errorf("got %+v", got)
			}
			var errs map[string][]string
			if test.field != "" {
				errs = map[string][]string{test.field: {test.detail}}
			}
			if diff := cmp.Diff(errs, got.Errors); diff != "" {
				t.Error(diff)
			}
			status, body := problem.OAuth(err)
			if status != test.oauthStatus || body.Error != test.oauthCode {
				t.Errorf("OAuth: %d %+v", status, body)
			}

			for form, write := range map[string]func(http.ResponseWriter) error{"problem": got.Write, "oauth": got.WriteOAuth} {
				w := httptest.NewRecorder()
				if err := write(w); err != nil {
					t.Fatal(err)
				}
				if answer := fmt.Sprint(w.Body, w.Header()); strings.Contains(answer, "c4nary") || strings.Contains(answer, "10.0.0.7") {
					t.Errorf("%s leaks: %s", form, answer)
				}
				if w.Header().Get("Cache-Control") != "no-store" || (w.Code == 401) != (w.Header().Get("WWW-Authenticate") != "") ||
					(w.Code == 503 || w.Code == 429) != (w.Header().Get("Retry-After") != "") {
					t.Errorf("%s: %d %v", form, w.Code, w.Header())
				}
			}
		})
	}
}

func TestWrite(t *testing.T) {
	p := problem.Of(&metadata.Error{Code: metadata.Invalid, Field: "a\xffb", Detail: "the key \"a\xff\" is not valid"})
	p.TraceID = "T1"
	w := httptest.NewRecorder()
	if err := p.Write(w); err != nil {
		t.Fatal(err)
	}
	const want = `{"type":"https://tools.ietf.org/html/rfc9110#section-15.5.1","title":"Bad Request","status":400,"code":"invalid_request",` +
		`"detail":"the key \"a�\" is not valid","errors":{"a�b":["the key \"a�\" is not valid"]},"traceId":"T1"}`
	if w.Code != 400 || w.Header().Get("Content-Type") != "application/problem+json" || w.Body.String() != want {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
}

func TestWriteOAuth(t *testing.T) {
	w := httptest.NewRecorder()
	err := &auth.Error{Code: auth.InvalidScope, Field: "scope", Detail: "the scope \"ä\\\x00\n\" is not registered"}
	if err := problem.Of(err).WriteOAuth(w); err != nil {
		t.Fatal(err)
	}
	const want = `{"error":"invalid_scope","error_description":"scope: the scope '?'? ' is not registered"}`
	if w.Code != 400 || w.Header().Get("Content-Type") != "application/json" || w.Body.String() != want {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
	for _, err := range []error{err, &request.Error{Code: request.Malformed, Field: "\xff\u202e", Detail: "x"}} {
		_, body := problem.OAuth(err)
		for _, r := range body.Description {
			if r < 0x20 || r > 0x7e || r == '"' || r == '\\' {
				t.Errorf("%q in %q", r, body.Description)
			}
		}
	}
}

// Two errors of the router have one code in OAuth, so it is the description that tells them apart.
func TestOAuthDescribesTheRouter(t *testing.T) {
	for err, want := range map[error]string{
		echo.ErrNotFound:         "there is nothing at this path",
		echo.ErrMethodNotAllowed: "this method is not allowed here; the Allow header names those that are",
		&request.Error{Code: request.NoSuchPath, Detail: "no such key"}: "no such key",
	} {
		if _, body := problem.OAuth(err); body.Description != want {
			t.Errorf("%v is described by %q, want %q", err, body.Description, want)
		}
	}
}

func TestChallenges(t *testing.T) {
	for _, test := range []struct {
		err  error
		want string
	}{
		{&request.Error{Code: request.MissingCredentials}, `Bearer`},
		{&request.Error{Code: request.InvalidToken}, `Bearer error="invalid_token"`},
		{&auth.Error{Code: auth.Unauthenticated}, `Bearer error="invalid_token"`},
		{&auth.Error{Code: auth.InvalidCredentials}, `Bearer`},
		{&auth.Error{Code: auth.InvalidClient}, `Basic realm="claimsmith"`},
		{&request.Error{Code: request.InvalidClient}, `Basic realm="claimsmith"`},
		{&auth.Error{Code: auth.AccessDenied}, ``},
	} {
		if got := problem.Of(test.err).Challenge; got != test.want {
			t.Errorf("%v: %q, want %q", test.err, got, test.want)
		}
	}
}

// A resource that takes bound tokens as well says so, and in the scheme that failed (RFC 9449 §7.1).
func TestAtResource(t *testing.T) {
	algs := []string{"ES256", "RS256"}
	for _, test := range []struct {
		err    error
		scheme string
		status int
		want   string
	}{
		{&request.Error{Code: request.MissingCredentials}, "Bearer", 401, `Bearer, DPoP algs="ES256 RS256"`},
		{&auth.Error{Code: auth.Unauthenticated}, "Bearer", 401, `Bearer error="invalid_token", DPoP algs="ES256 RS256"`},
		{&auth.Error{Code: auth.Unauthenticated}, "DPoP", 401, `DPoP error="invalid_token", algs="ES256 RS256"`},
		{&request.Error{Code: request.InvalidToken}, "DPoP", 401, `DPoP error="invalid_token", algs="ES256 RS256"`},
		{&auth.Error{Code: auth.InvalidProof}, "DPoP", 401, `DPoP error="invalid_dpop_proof", algs="ES256 RS256"`},
		{&auth.Error{Code: auth.InsufficientScope}, "Bearer", 403, `Bearer error="insufficient_scope"`},
		{&auth.Error{Code: auth.InsufficientScope}, "DPoP", 403, `DPoP error="insufficient_scope", algs="ES256 RS256"`},
		{&request.Error{Code: request.Malformed}, "DPoP", 400, ``},
	} {
		w := httptest.NewRecorder()
		if err := problem.Of(problem.AtResource(test.err, test.scheme, algs)).WriteOAuth(w); err != nil {
			t.Fatal(err)
		}
		if got := w.Header().Get("WWW-Authenticate"); w.Code != test.status || got != test.want {
			t.Errorf("%v: %d %q, want %d %q", test.err, w.Code, got, test.status, test.want)
		}
	}
	cause := &auth.Error{Code: auth.Unavailable, Err: errors.New(canary)}
	if err := problem.AtResource(cause, "DPoP", algs); !errors.Is(err, cause) {
		t.Errorf("the log would not get the cause, but %v", err)
	}
}

func TestRetryAfter(t *testing.T) {
	for wait, want := range map[time.Duration]string{0: "1", time.Millisecond: "1", 1500 * time.Millisecond: "2", time.Minute: "60"} {
		w := httptest.NewRecorder()
		problem.Of(&auth.Error{Code: auth.Throttled, RetryAfter: wait}).SetHeader(w.Header())
		if got := w.Header().Get("Retry-After"); got != want {
			t.Errorf("%v: %q, want %q", wait, got, want)
		}
	}
}

func TestAProblemIsAnError(t *testing.T) {
	want := problem.New(problem.Conflict, "taken")
	if diff := cmp.Diff(want, problem.Of(fmt.Errorf("%s: %w", canary, want))); diff != "" {
		t.Error(diff)
	}
	text, err := json.Marshal(problem.New("no such code", canary))
	if err != nil || strings.Contains(string(text), "c4nary") {
		t.Errorf("%s, %v", text, err)
	}
}
