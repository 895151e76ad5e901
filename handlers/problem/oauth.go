package problem

import (
	"net/http"
	"strings"
)

// OAuthError is the error response of the OAuth endpoints (RFC 6749 §5.2, RFC 6750 §3.1). Description is printable ASCII without
// quotes and backslashes.
type OAuthError struct {
	Error       string `json:"error"`
	Description string `json:"error_description,omitzero"`
}

// OAuth returns the status and the OAuth form of err.
func OAuth(err error) (int, OAuthError) {
	p := Of(err).asOAuth()
	return p.Status, p.oauth()
}

// WriteOAuth answers with the problem in OAuth's form.
func (p Problem) WriteOAuth(w http.ResponseWriter) error {
	p = p.asOAuth()
	if p.Challenge == "" {
		w.Header().Del("WWW-Authenticate") // of the status it would have had elsewhere
	}
	return p.write(w, "application/json", p.oauth())
}

// asOAuth gives a problem the status it has at the OAuth endpoints: a user's wrong password is an invalid grant there.
func (p Problem) asOAuth() Problem {
	if p.Code != InvalidCredentials {
		return p
	}
	grant := New(InvalidGrant, p.Detail)
	grant.Errors, grant.TraceID, grant.RetryAfter = p.Errors, p.TraceID, p.RetryAfter
	return grant
}

func (p Problem) oauth() OAuthError {
	code := string(p.Code)
	switch p.Code {
	case InvalidRequest, InvalidClient, InvalidGrant, UnauthorizedClient, UnsupportedGrantType, InvalidScope, AccessDenied, InsufficientScope:
	case Unauthenticated:
		code = "invalid_token"
	case Throttled, Busy, Unavailable:
		code = "temporarily_unavailable"
	case Internal:
		code = "server_error"
	default:
		code = string(InvalidRequest)
	}
	description := p.Detail
	if len(p.Errors) == 1 {
		for field := range p.Errors {
			description = field + ": " + description
		}
	}
	return OAuthError{Error: code, Description: printable(description)}
}

// printable keeps what RFC 6749 §5.2 allows in a description.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '"' || r == '\\':
			return '\''
		case r == '\t' || r == '\n' || r == '\r':
			return ' '
		case r < ' ' || r > '~':
			return '?'
		}
		return r
	}, s)
}
