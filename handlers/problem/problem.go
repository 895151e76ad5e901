// Package problem owns the HTTP error model: which status, which stable code and which text a client gets for an error. Of is
// the only place that decides it; the wire forms (RFC 9457 here, OAuth's in oauth.go, those of the dialects in their packages)
// are written from what it returns. Text of an error reaches the client only where its type promises that it may.
package problem

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/handlers/request"
	"github.com/claimsmith/claimsmith/metadata"
)

// Code is what a client may act on. Codes never change their meaning and each has one status.
type Code string

// The codes.
const (
	InvalidRequest       Code = "invalid_request"
	InvalidClient        Code = "invalid_client"
	InvalidGrant         Code = "invalid_grant"
	UnauthorizedClient   Code = "unauthorized_client"
	UnsupportedGrantType Code = "unsupported_grant_type"
	InvalidScope         Code = "invalid_scope"
	InvalidCredentials   Code = "invalid_credentials"
	Unauthenticated      Code = "unauthenticated"
	AccessDenied         Code = "access_denied"
	InsufficientScope    Code = "insufficient_scope"

	UnsupportedResponseType Code = "unsupported_response_type"
	LoginRequired           Code = "login_required"
	ConsentRequired         Code = "consent_required"
	InteractionRequired     Code = "interaction_required"
	AccountRequired         Code = "account_selection_required"
	RequestNotSupported     Code = "request_not_supported"
	RequestURINotSupported  Code = "request_uri_not_supported"
	InvalidRequestURI       Code = "invalid_request_uri"
	UnmetAuthentication     Code = "unmet_authentication_requirements"
	InvalidTarget           Code = "invalid_target"
	AuthorizationPending    Code = "authorization_pending"
	SlowDown                Code = "slow_down"
	ExpiredToken            Code = "expired_token"
	InvalidProof            Code = "invalid_dpop_proof"
	SecondFactorRequired    Code = "second_factor_required"

	NotFound             Code = "not_found"
	MethodNotAllowed     Code = "method_not_allowed"
	NotAcceptable        Code = "not_acceptable"
	Conflict             Code = "conflict"
	DefinitionConflict   Code = "definition_conflict"
	PreconditionFailed   Code = "precondition_failed"
	TooLarge             Code = "too_large"
	UnsupportedMediaType Code = "unsupported_media_type"
	LimitExceeded        Code = "limit_exceeded"
	Throttled            Code = "throttled"
	Internal             Code = "internal"
	Busy                 Code = "busy"
	Unavailable          Code = "unavailable"
)

var statuses = map[Code]int{
	InvalidRequest:       http.StatusBadRequest,
	InvalidClient:        http.StatusUnauthorized,
	InvalidGrant:         http.StatusBadRequest,
	UnauthorizedClient:   http.StatusBadRequest,
	UnsupportedGrantType: http.StatusBadRequest,
	InvalidScope:         http.StatusBadRequest,
	InvalidCredentials:   http.StatusUnauthorized,
	Unauthenticated:      http.StatusUnauthorized,
	AccessDenied:         http.StatusForbidden,
	InsufficientScope:    http.StatusForbidden,

	UnsupportedResponseType: http.StatusBadRequest,
	LoginRequired:           http.StatusBadRequest,
	ConsentRequired:         http.StatusBadRequest,
	InteractionRequired:     http.StatusBadRequest,
	AccountRequired:         http.StatusBadRequest,
	RequestNotSupported:     http.StatusBadRequest,
	RequestURINotSupported:  http.StatusBadRequest,
	InvalidRequestURI:       http.StatusBadRequest,
	UnmetAuthentication:     http.StatusBadRequest,
	InvalidTarget:           http.StatusBadRequest,
	AuthorizationPending:    http.StatusBadRequest, // RFC 8628 §3.5, as the two below
	SlowDown:                http.StatusBadRequest,
	ExpiredToken:            http.StatusBadRequest,
	InvalidProof:            http.StatusBadRequest, // RFC 9449 §5; AtResource has that of §7.1
	SecondFactorRequired:    http.StatusUnauthorized,

	NotFound:             http.StatusNotFound,
	MethodNotAllowed:     http.StatusMethodNotAllowed,
	NotAcceptable:        http.StatusNotAcceptable,
	Conflict:             http.StatusConflict,
	DefinitionConflict:   http.StatusConflict,
	PreconditionFailed:   http.StatusPreconditionFailed,
	TooLarge:             http.StatusRequestEntityTooLarge,
	UnsupportedMediaType: http.StatusUnsupportedMediaType,
	LimitExceeded:        http.StatusUnprocessableEntity,
	Throttled:            http.StatusTooManyRequests,
	Internal:             http.StatusInternalServerError,
	Busy:                 http.StatusServiceUnavailable,
	Unavailable:          http.StatusServiceUnavailable,
}

// types are the problem types of RFC 9457: the section that defines the status.
var types = map[int]string{
	400: "rfc9110#section-15.5.1", 401: "rfc9110#section-15.5.2", 403: "rfc9110#section-15.5.4", 404: "rfc9110#section-15.5.5",
	405: "rfc9110#section-15.5.6", 406: "rfc9110#section-15.5.7", 409: "rfc9110#section-15.5.10", 412: "rfc9110#section-15.5.13",
	413: "rfc9110#section-15.5.14", 415: "rfc9110#section-15.5.16", 422: "rfc9110#section-15.5.21", 429: "rfc6585#section-4",
	500: "rfc9110#section-15.6.1", 503: "rfc9110#section-15.6.4",
}

// The challenges of a 401, and of a 403 for want of a scope (RFC 9110 §11.6.1, RFC 6750 §3).
const (
	bearerWanted  = `Bearer`
	bearerInvalid = `Bearer error="invalid_token"`
	scopeWanted   = `Bearer error="insufficient_scope"`
	basicWanted   = `Basic realm="claimsmith"`
)

// Problem is an error as a client sees it. It is an error itself, which Of returns unchanged.
type Problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Code   Code   `json:"code"`
	Detail string `json:"detail,omitzero"`
	// Errors says what is wrong by place: a JSON pointer into the body, the name of a parameter, or a metadata key.
	Errors map[string][]string `json:"errors,omitzero"`
	// Report is what a refused definition of a metadata key would have done, in JSON.
	Report jsontext.Value `json:"report,omitzero"`
	// TraceID is the id of the request, by which its records in the log are found.
	TraceID string `json:"traceId,omitzero"`

	// RetryAfter is how long to wait before trying again, or 0. Challenge is what WWW-Authenticate says, or "".
	RetryAfter time.Duration `json:"-"`
	Challenge  string        `json:"-"`
}

func (p Problem) Error() string {
	if p.Detail == "" {
		return string(p.Code)
	}
	return string(p.Code) + ": " + p.Detail
}

// New returns the Problem of a code. The client sees detail.
func New(code Code, detail string) Problem {
	status, known := statuses[code]
	if !known {
		code, status, detail = Internal, http.StatusInternalServerError, ""
	}
	p := Problem{
		Type: "https://tools.ietf.org/html/" + types[status], Title: http.StatusText(status), Status: status, Code: code, Detail: detail,
	}
	switch {
	case status == http.StatusServiceUnavailable, status == http.StatusTooManyRequests:
		p.RetryAfter = time.Second
	case code == InvalidClient:
		p.Challenge = basicWanted
	case code == Unauthenticated:
		p.Challenge = bearerInvalid
	case code == InsufficientScope:
		p.Challenge = scopeWanted
	case status == http.StatusUnauthorized:
		p.Challenge = bearerWanted
	}
	return p
}

// Of returns what the client is told about err. The outermost error of a known type decides; of any other error the client
// learns that there was one.
func Of(err error) Problem {
	if p, known := find(err); known {
		return p
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return New(Unavailable, "the request took too long; try again")
	}
	return New(Internal, "")
}

func find(err error) (Problem, bool) {
	switch e := err.(type) { //nolint:errorlint // the chain is walked below, from the outside in
	case nil:
		return Problem{}, false
	case Problem:
		return e, true
	case *request.Error:
		return ofRequest(e), true
	case *metadata.Error:
		return at(e.Field, New(ofMetadata[e.Code], e.Detail)), true
	case *auth.Error:
		p := at(e.Field, New(Code(e.Code), e.Detail)) // the codes of auth are ours
		if e.RetryAfter > 0 {
			p.RetryAfter = e.RetryAfter
		}
		return p, true
	case *http.MaxBytesError:
		return New(TooLarge, ""), true
	case *echo.HTTPError:
		return ofStatus(e.Code), true // its message may quote the request
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			if p, known := find(inner); known {
				return p, true
			}
		}
		return Problem{}, false
	}
	return find(errors.Unwrap(err))
}

var ofMetadata = map[metadata.Code]Code{
	metadata.Invalid:            InvalidRequest,
	metadata.NotFound:           NotFound,
	metadata.Forbidden:          AccessDenied,
	metadata.Conflict:           Conflict,
	metadata.PreconditionFailed: PreconditionFailed,
	metadata.LimitExceeded:      LimitExceeded,
	metadata.Unavailable:        Unavailable,
}

func ofRequest(e *request.Error) Problem {
	code := InvalidRequest
	switch e.Code {
	case request.NoSuchPath:
		code = NotFound
	case request.TooLarge:
		code = TooLarge
	case request.UnsupportedMediaType:
		code = UnsupportedMediaType
	case request.MissingCredentials, request.InvalidToken:
		code = Unauthenticated
	case request.InvalidClient:
		code = InvalidClient
	}
	p := at(e.Field, New(code, e.Detail))
	if e.Code == request.MissingCredentials {
		p.Challenge = bearerWanted // RFC 6750 §3.1: no error code where no token was sent
	}
	return p
}

// ofStatus returns the Problem of an error that is no more than a status, such as those of the router.
func ofStatus(status int) Problem {
	switch status {
	case http.StatusUnauthorized:
		return New(Unauthenticated, "")
	case http.StatusServiceUnavailable:
		return New(Unavailable, "")
	}
	for _, code := range []Code{
		AccessDenied, NotFound, MethodNotAllowed, NotAcceptable, Conflict, PreconditionFailed, TooLarge, UnsupportedMediaType, LimitExceeded, Throttled,
	} {
		if statuses[code] == status {
			return New(code, "")
		}
	}
	if status >= 400 && status < 500 {
		return New(InvalidRequest, "")
	}
	return New(Internal, "")
}

func at(field string, p Problem) Problem {
	if field != "" && p.Detail != "" {
		p.Errors = map[string][]string{field: {p.Detail}}
	}
	return p
}

// SetHeader sets the headers every form of the problem needs: that nobody stores it, when to come back, how to authenticate.
func (p Problem) SetHeader(h http.Header) {
	h.Set("Cache-Control", "no-store")
	if p.RetryAfter > 0 {
		seconds := (p.RetryAfter + time.Second - 1) / time.Second
		h.Set("Retry-After", strconv.FormatInt(int64(seconds), 10))
	}
	h.Del("WWW-Authenticate") // of a problem that a dialect made this one of
	if p.Challenge != "" {
		h.Set("WWW-Authenticate", p.Challenge)
	}
}

// Write answers with the problem as application/problem+json.
func (p Problem) Write(w http.ResponseWriter) error {
	return p.write(w, "application/problem+json", p)
}

func (p Problem) write(w http.ResponseWriter, contentType string, body any) error {
	// Details may name keys that were refused for not being UTF-8.
	text, err := json.Marshal(body, json.Deterministic(true), jsontext.AllowInvalidUTF8(true))
	if err != nil {
		return err
	}
	p.SetHeader(w.Header())
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(p.Status)
	_, err = w.Write(text)
	return err
}
