// Package request owns how an HTTP request is read: strict JSON and form bodies, path values, query parameters, paging,
// credentials and preconditions. Every dialect reads through it, so that no two doors disagree about what a request says.
//
// It refuses what is ambiguous instead of choosing a reading. Every function fails with an *Error, whose text is written for
// the client: what was wrong, where, and what is allowed, never what the client sent as a value.
package request

import (
	"strings"
	"unicode/utf8"
)

// Code classifies an Error. Which HTTP status each one has is decided in handlers/problem.
type Code string

// The codes.
const (
	Malformed            Code = "malformed"              // the request does not say one clear thing
	NoSuchPath           Code = "no_such_path"           // a path that no route answers, whatever the router matched
	TooLarge             Code = "too_large"              // the body is over its limit
	UnsupportedMediaType Code = "unsupported_media_type" // another media type, or an encoded body
	MissingCredentials   Code = "missing_credentials"    // no Authorization of the scheme that was wanted
	InvalidToken         Code = "invalid_token"          // a bearer that cannot be a token (RFC 6750 §3.1)
	InvalidClient        Code = "invalid_client"         // client credentials that cannot be read (RFC 6749 §5.2)
)

// Error is a request that was refused while reading it.
type Error struct {
	Code Code
	// Field says where: a JSON pointer (RFC 6901) into the body, or the name of a parameter. "" means the whole. It is cut to
	// 200 bytes, since a client chooses the names of members.
	Field string
	// Detail is safe for the client and holds no value of the request.
	Detail string
}

func (e *Error) Error() string {
	if e.Field == "" {
		return "read request: " + e.Detail
	}
	return "read request: " + e.Field + ": " + e.Detail
}

func malformed(field, detail string) *Error {
	return &Error{Code: Malformed, Field: clip(field), Detail: detail}
}

const maxField = 200

func clip(s string) string {
	if len(s) <= maxField {
		return s
	}
	s = s[:maxField]
	for len(s) > 0 && !utf8.ValidString(s) {
		s = s[:len(s)-1]
	}
	return s + "…"
}

// oneOf lists names for a sentence about what is allowed.
func oneOf(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}
