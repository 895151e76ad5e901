package claims

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

type contextKey struct{}

// NewContext returns a context that carries a verified token, for code that verifies by other means than Middleware, and
// for tests of handlers.
func NewContext(ctx context.Context, access *Access) context.Context {
	return context.WithValue(ctx, contextKey{}, access)
}

// FromContext returns the verified token of the request that ctx is of.
func FromContext(ctx context.Context) (*Access, bool) {
	access, ok := ctx.Value(contextKey{}).(*Access)
	return access, ok
}

// Middleware lets only requests pass that bring a valid access token in the Authorization header (RFC 6750 §2.1), never in
// the query or a form, and puts the token into their context. Without one the answer is 401 with a challenge (RFC 6750 §3);
// while the issuer's keys cannot be had it is 503 with Retry-After.
func Middleware(v *Verifier) func(http.Handler) http.Handler {
	retryAfter := strconv.Itoa(int(v.retry / time.Second))
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			headers := r.Header.Values("Authorization")
			if len(headers) > 1 {
				challenge(w, http.StatusBadRequest, `Bearer error="invalid_request"`)
				return
			}
			token, ok := bearer(r.Header.Get("Authorization"))
			if !ok {
				challenge(w, http.StatusUnauthorized, `Bearer`)
				return
			}
			access, err := v.VerifyAccessToken(r.Context(), token)
			switch {
			case err == nil:
				next.ServeHTTP(w, r.WithContext(NewContext(r.Context(), access)))
			case errors.Is(err, ErrUnavailable):
				w.Header().Set("Retry-After", retryAfter)
				http.Error(w, "access tokens cannot be verified now", http.StatusServiceUnavailable)
			case errors.Is(err, ErrExpired):
				challenge(w, http.StatusUnauthorized, `Bearer error="invalid_token", error_description="the access token has expired"`)
			default:
				challenge(w, http.StatusUnauthorized, `Bearer error="invalid_token"`)
			}
		})
	}
}

// RequireScope lets only requests pass whose token was granted the scope; others get 403 insufficient_scope. It stands
// inside Middleware; without it every request gets 401.
func RequireScope(scope string) func(http.Handler) http.Handler {
	insufficient := `Bearer error="insufficient_scope", scope="` + scope + `"`
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			access, ok := FromContext(r.Context())
			switch {
			case !ok:
				challenge(w, http.StatusUnauthorized, `Bearer`)
			case !access.HasScope(scope):
				challenge(w, http.StatusForbidden, insufficient)
			default:
				next.ServeHTTP(w, r)
			}
		})
	}
}

// bearer takes the token from credentials; the scheme's name is in any case (RFC 9110 §11.1).
func bearer(credentials string) (token string, ok bool) {
	scheme, token, _ := strings.Cut(credentials, " ")
	token = strings.TrimLeft(token, " ")
	return token, strings.EqualFold(scheme, "Bearer") && token != ""
}

func challenge(w http.ResponseWriter, status int, value string) {
	w.Header().Set("WWW-Authenticate", value)
	http.Error(w, http.StatusText(status), status)
}
