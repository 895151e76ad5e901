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

// Middleware lets only requests pass that bring a valid access token in the Authorization header (RFC 6750 §2.1), never in the
// query or a form, and puts the token into their context. A token that is bound to a key has to come with scheme DPoP and a proof
// (RFC 9449 §7.1). Without a token the answer is 401 with a challenge (RFC 6750 §3); while the issuer's keys cannot be had it is
// 503 with Retry-After.
func Middleware(v *Verifier) func(http.Handler) http.Handler {
	retryAfter := strconv.Itoa(int(v.retry / time.Second))
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			headers := r.Header.Values("Authorization")
			if len(headers) > 1 {
				challenge(w, http.StatusBadRequest, `Bearer error="invalid_request"`)
				return
			}
			scheme, token, ok := credentials(r.Header.Get("Authorization"))
			if !ok {
				challenge(w, http.StatusUnauthorized, schemeBearer)
				return
			}
			access, err := v.verifyRequest(r, scheme, token)
			switch {
			case err == nil:
				next.ServeHTTP(w, r.WithContext(NewContext(r.Context(), access)))
			case errors.Is(err, ErrUnavailable):
				w.Header().Set("Retry-After", retryAfter)
				http.Error(w, "access tokens cannot be verified now", http.StatusServiceUnavailable)
			case errors.Is(err, ErrProof) && scheme == schemeDPoP:
				challenge(w, http.StatusUnauthorized, `DPoP error="invalid_dpop_proof", algs="`+strings.Join(proofAlgorithms, " ")+`"`)
			case errors.Is(err, ErrExpired):
				challenge(w, http.StatusUnauthorized, scheme+` error="invalid_token", error_description="the access token has expired"`)
			default:
				challenge(w, http.StatusUnauthorized, scheme+` error="invalid_token"`)
			}
		})
	}
}

func (v *Verifier) verifyRequest(r *http.Request, scheme, token string) (*Access, error) {
	if scheme == schemeBearer {
		return v.VerifyAccessToken(r.Context(), token)
	}
	proofs := r.Header.Values("DPoP")
	if len(proofs) != 1 { // RFC 9449 §4.3, 1
		return nil, ErrProof
	}
	origin := v.origin
	if origin == "" {
		origin = "http://" + r.Host
		if r.TLS != nil {
			origin = "https://" + r.Host
		}
	}
	return v.VerifyBoundToken(r.Context(), token, proofs[0], r.Method, origin+r.URL.EscapedPath())
}

// RequireScope lets only requests pass whose token was granted the scope; others get 403 insufficient_scope. It stands
// inside Middleware; without it every request gets 401.
func RequireScope(scope string) func(http.Handler) http.Handler {
	insufficient := ` error="insufficient_scope", scope="` + scope + `"`
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			access, ok := FromContext(r.Context())
			switch {
			case !ok:
				challenge(w, http.StatusUnauthorized, schemeBearer)
			case !access.HasScope(scope) && access.KeyThumbprint != "":
				challenge(w, http.StatusForbidden, schemeDPoP+insufficient)
			case !access.HasScope(scope):
				challenge(w, http.StatusForbidden, schemeBearer+insufficient)
			default:
				next.ServeHTTP(w, r)
			}
		})
	}
}

const (
	schemeBearer = "Bearer"
	schemeDPoP   = "DPoP"
)

// credentials takes the token from credentials; the scheme's name is in any case (RFC 9110 §11.1).
func credentials(header string) (scheme, token string, ok bool) {
	given, token, _ := strings.Cut(header, " ")
	token = strings.TrimLeft(token, " ")
	for _, scheme := range [...]string{schemeBearer, schemeDPoP} {
		if strings.EqualFold(given, scheme) {
			return scheme, token, token != ""
		}
	}
	return "", "", false
}

func challenge(w http.ResponseWriter, status int, value string) {
	w.Header().Set("WWW-Authenticate", value)
	http.Error(w, http.StatusText(status), status)
}
