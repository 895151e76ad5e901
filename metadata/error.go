package metadata

import (
	"errors"
	"fmt"
)

// Code says what kind of error an Error is. Callers act on the code alone.
type Code string

// The codes.
const (
	Invalid            Code = "invalid"             // the request can never succeed
	NotFound           Code = "not_found"           // no such user or entry for this caller
	Forbidden          Code = "forbidden"           // the caller sees the object but may not do this
	Conflict           Code = "conflict"            // what is stored does not allow it
	PreconditionFailed Code = "precondition_failed" // the Precondition did not hold
	LimitExceeded      Code = "limit_exceeded"      // Detail has the figures
	Unavailable        Code = "unavailable"         // outcome unknown, try again
)

// Error is every error this package and its stores return.
type Error struct {
	Code Code
	// Detail is a sentence that may be shown to the client.
	Detail string
	// Field is the member or the metadata key at fault, or "".
	Field string
	// Err is the cause. It is for the log and never for the client.
	Err error
}

func (e *Error) Error() string {
	text := "metadata: " + string(e.Code)
	if e.Field != "" {
		text += fmt.Sprintf(" (%q)", e.Field)
	}
	text += ": " + e.Detail
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

func (e *Error) Unwrap() error { return e.Err }

// ErrUserNotFound is the one answer for a user who does not exist, is in another organisation, or is none of the caller's
// business. It is one value so that the cases cannot be told apart.
var ErrUserNotFound = &Error{Code: NotFound, Detail: "no such user"}

// ErrSchemeChanged is a store's refusal of a change that was checked against a scheme that is not the latest. Service checks it again.
var ErrSchemeChanged = &Error{Code: Unavailable, Detail: "the organisation's definitions have just been changed; try again"}

func invalid(field, format string, args ...any) *Error {
	return &Error{Code: Invalid, Field: field, Detail: fmt.Sprintf(format, args...)}
}

// Exceeded returns the LimitExceeded error of a change that would end with that many of something.
func Exceeded(field, what string, would, limit int) *Error {
	return &Error{Code: LimitExceeded, Field: field, Detail: fmt.Sprintf("%s: %d, the limit is %d", what, would, limit)}
}

// Unknown returns the Unavailable error of an operation of which err leaves the outcome unknown.
func Unknown(operation string, err error) *Error {
	return &Error{
		Code: Unavailable, Detail: "metadata is not available at the moment; try again",
		Err: fmt.Errorf("%s: %w", operation, err),
	}
}

func isCode(err error, code Code) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == code
}

// detailOf is what an error says to the client.
func detailOf(err error) string {
	var e *Error
	if !errors.As(err, &e) {
		return ""
	}
	return e.Detail
}
