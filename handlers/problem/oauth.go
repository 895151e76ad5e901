package problem

import (
	"cmp"
	"net/http"
	"strings"

	"github.com/claimsmith/claimsmith/handlers/request"
)

// OAuthError is the error response of the OAuth endpoints (RFC 6749 §5.2, RFC 6750 §3.1). Description is printable ASCII without
// quotes and backslashes.
type OAuthError struct {
	Error       string `json:"error"`
	Description string `json:"error_description,omitzero"`
}

// WriteOAuth answers with the problem in OAuth's form.
func (p Problem) WriteOAuth(w http.ResponseWriter) error {
	p = p.asOAuth()
	if p.Challenge == "" {
		w.Header().Del("WWW-Authenticate") // of the status it would have had elsewhere
	}
	return p.write(w, "application/json", p.oauth())
}

// asOAuth gives a problem the code and the status it has at the OAuth endpoints: a user's wrong password, and a right one that does not
// do alone, are an invalid grant there, and a user's refusal is as bad a request as any (RFC 8628 §3.5, RFC 6749 §5.2).
func (p Problem) asOAuth() Problem {
	switch p.Code {
	case InvalidCredentials, SecondFactorRequired:
		grant := New(InvalidGrant, p.Detail)
		grant.Errors, grant.TraceID, grant.RetryAfter = p.Errors, p.TraceID, p.RetryAfter
		return grant
	case AccessDenied:
		p.Status, p.Title = http.StatusBadRequest, http.StatusText(http.StatusBadRequest)
	}
	return p
}

// AtResource returns err as a resource says it that takes access tokens bound to a key as well as plain ones: the challenge names the
// scheme that failed, or both where a plain token did not do (RFC 9449 §7.1, §7.2). scheme is the one the token was presented with,
// algs are those of proofs.
func AtResource(err error, scheme string, algs []string) error {
	p := Of(err)
	switch {
	case p.Code == InvalidProof:
		p.Status, p.Title = http.StatusUnauthorized, http.StatusText(http.StatusUnauthorized)
		p.Challenge = boundTokenWanted(InvalidProof, algs)
	case p.Challenge == "":
		return err
	case scheme == request.SchemeDPoP:
		p.Challenge = boundTokenWanted(Code(p.oauth().Error), algs)
	case p.Status == http.StatusUnauthorized:
		p.Challenge += `, DPoP algs="` + strings.Join(algs, " ") + `"`
	}
	return p
}

func boundTokenWanted(code Code, algs []string) string {
	return `DPoP error="` + string(code) + `", algs="` + strings.Join(algs, " ") + `"`
}

// undescribed describes the errors that come without a detail, such as those of the router, but share their OAuth code with others.
var undescribed = map[Code]string{
	NotFound:         "there is nothing at this path",
	MethodNotAllowed: "this method is not allowed here; the Allow header names those that are",
}

func (p Problem) oauth() OAuthError {
	code := string(p.Code)
	switch p.Code {
	case InvalidRequest, InvalidClient, InvalidGrant, UnauthorizedClient, UnsupportedGrantType, InvalidScope, AccessDenied, InsufficientScope,
		UnsupportedResponseType, LoginRequired, ConsentRequired, InteractionRequired, AccountRequired, RequestNotSupported,
		RequestURINotSupported, InvalidRequestURI, UnmetAuthentication, InvalidTarget, AuthorizationPending, SlowDown, ExpiredToken,
		InvalidProof:
	case Unauthenticated:
		code = "invalid_token"
	case Throttled, Busy, Unavailable:
		code = "temporarily_unavailable"
	case Internal:
		code = "server_error"
	default:
		code = string(InvalidRequest)
	}
	description := cmp.Or(p.Detail, undescribed[p.Code])
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
