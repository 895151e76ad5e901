package auth

import (
	"errors"
	"time"
)

// Code classifies an Error. The OAuth codes are those of RFC 6749 §5.2; the rest belong to the API.
type Code string

// The codes. Every one has exactly one HTTP status and one form per dialect, decided in handlers/problem.
const (
	InvalidRequest       Code = "invalid_request"
	InvalidClient        Code = "invalid_client"
	InvalidGrant         Code = "invalid_grant"
	UnauthorizedClient   Code = "unauthorized_client"
	UnsupportedGrantType Code = "unsupported_grant_type"
	InvalidScope         Code = "invalid_scope"
	AccessDenied         Code = "access_denied"
	InsufficientScope    Code = "insufficient_scope"  // RFC 6750 §3.1
	InvalidCredentials   Code = "invalid_credentials" // a login that failed, whatever the cause
	Unauthenticated      Code = "unauthenticated"     // a bearer that is missing or not valid
	// Of the authorization endpoint and its relatives.
	UnsupportedResponseType Code = "unsupported_response_type"         // RFC 6749 §4.1.2.1
	LoginRequired           Code = "login_required"                    // OpenID Connect Core §3.1.2.6
	ConsentRequired         Code = "consent_required"                  // same
	InteractionRequired     Code = "interaction_required"              // same
	AccountRequired         Code = "account_selection_required"        // same
	RequestNotSupported     Code = "request_not_supported"             // same
	RequestURINotSupported  Code = "request_uri_not_supported"         // same
	InvalidRequestURI       Code = "invalid_request_uri"               // same, RFC 9126 §2.2
	UnmetAuthentication     Code = "unmet_authentication_requirements" // OpenID Connect Core Error Code unmet_authentication_requirements
	InvalidTarget           Code = "invalid_target"                    // RFC 8693 §2.2.2
	AuthorizationPending    Code = "authorization_pending"             // RFC 8628 §3.5
	SlowDown                Code = "slow_down"                         // same
	ExpiredToken            Code = "expired_token"                     // same
	InvalidProof            Code = "invalid_dpop_proof"                // RFC 9449 §5
	SecondFactorRequired    Code = "second_factor_required"            // a login by password that needs a second factor as well

	NotFound           Code = "not_found"
	Conflict           Code = "conflict"
	PreconditionFailed Code = "precondition_failed"
	Throttled          Code = "throttled"
	Busy               Code = "busy"
	Unavailable        Code = "unavailable" // the outcome is unknown; repeating the request is safe
)

// Error is what every operation of this package fails with. Detail is written for the client and says what was wrong and what
// is allowed; Err is the cause, for the log alone.
type Error struct {
	Code   Code
	Detail string
	// Field is the member or parameter at fault, or "".
	Field string
	// RetryAfter is how long to wait before trying again, or 0.
	RetryAfter time.Duration
	Err        error
}

func (e *Error) Error() string {
	text := string(e.Code)
	if e.Field != "" {
		text += " (" + e.Field + ")"
	}
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

func (e *Error) Unwrap() error { return e.Err }

// Is makes errors.Is(err, &Error{Code: NotFound}) match by code.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code && t.Detail == "" && t.Err == nil
}

// CheckResource refuses the parameter resource (RFC 8707 §2), which is not served: whom a token is for must never be passed over.
func CheckResource(resource string) error {
	if resource == "" {
		return nil
	}
	return &Error{Code: InvalidTarget, Field: "resource", Detail: "resource is not supported"}
}

// CodeOf returns the code of the *Error in err's chain, or "".
func CodeOf(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}
