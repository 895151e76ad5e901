package zitadel

import (
	"cmp"
	"errors"
	"net/http"

	"connectrpc.com/connect"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/handlers/problem"
	zitadelv1 "github.com/claimsmith/claimsmith/handlers/zitadel/gen/zitadel/v1"
	"github.com/claimsmith/claimsmith/metadata"
)

// failure is an error as clients of Zitadel know it. One without an id has no details.
type failure struct {
	code     connect.Code
	text, id string
	cause    error // for the log
}

func (f *failure) Error() string {
	if f.cause != nil {
		return f.cause.Error()
	}
	return f.message()
}

// Unwrap returns what the failure is to the server around the dialects.
func (f *failure) Unwrap() error {
	if f.cause != nil {
		return f.cause
	}
	return problem.New(problems[f.code], f.text)
}

func (f *failure) because(cause error) *failure {
	return &failure{f.code, f.text, f.id, cause}
}

func (f *failure) message() string {
	if f.id == "" {
		return f.text
	}
	return f.text + " (" + f.id + ")"
}

// The failures Zitadel has ids for.
var (
	errNoCredentials = &failure{code: connect.CodeUnauthenticated, text: "auth header missing"}
	errCredentials   = &failure{code: connect.CodeUnauthenticated, text: "Errors.Token.Invalid", id: "AUTH-7fs1e"}
	errTwoOrgs       = &failure{code: connect.CodeInvalidArgument, text: orgHeader + " is given more than once"}
	errNoOrg         = &failure{code: connect.CodePermissionDenied, text: "Organisation doesn't exist", id: "AUTH-Bs7Ds"}
	errNoPermission1 = &failure{code: connect.CodePermissionDenied, text: "No matching permissions found", id: "AUTH-5mWD2"}
	errNoPermission2 = &failure{code: connect.CodePermissionDenied, text: "No matching permissions found", id: "AUTH-AWfge"}
	errNoMembership  = &failure{code: connect.CodeNotFound, text: "membership not found", id: "AUTHZ-cdgFk"}

	errNoUser        = &failure{code: connect.CodeFailedPrecondition, text: "User could not be found", id: "COMMAND-uXHNj"}
	errNothingNamed  = &failure{code: connect.CodeFailedPrecondition, text: "Metadata list is empty", id: "META-9mm2d"}
	errInvalidSet    = &failure{code: connect.CodeInvalidArgument, text: "Metadata is invalid", id: "META-2m00f"}
	errInvalidRemove = &failure{code: connect.CodeInvalidArgument, text: "Metadata is invalid", id: "META-2n0fs"}
	errInvalidBulk   = &failure{code: connect.CodeInvalidArgument, text: "Metadata is invalid", id: "COMMAND-m29ds"}
	errNotThere      = &failure{code: connect.CodeNotFound, text: "Metadata not found", id: "META-ncnw3"}
	errNotAllThere   = &failure{code: connect.CodeNotFound, text: "One or more keys do not exist", id: "META-2nnds"}
	errNotFound      = &failure{code: connect.CodeNotFound, text: "Metadata not found", id: "QUERY-Rgh32"}
	errQuery         = &failure{code: connect.CodeInvalidArgument, text: "List.Query.Invalid", id: "METAD-fdg23"}
	errLimit         = &failure{code: connect.CodeInvalidArgument, text: "Limit exceeded", id: "QUERY-4M0fs"}
)

// Ids of what Zitadel has none for.
const (
	idInvalid     = "CLAIMSMITH-invalid"
	idLimit       = "CLAIMSMITH-limit"
	idConflict    = "CLAIMSMITH-conflict"
	idThrottled   = "CLAIMSMITH-throttled"
	idUnavailable = "CLAIMSMITH-unavailable"
	idInternal    = "CLAIMSMITH-internal"
)

// operation is what the words of some failures depend on.
type operation struct {
	v2 bool
	// noUser, noEntry and noKey are about a user and an entry who are not there, and a key that cannot be one.
	noUser, noEntry, noKey *failure
}

var (
	getting      = operation{noUser: errNotFound, noEntry: errNotFound, noKey: errNotFound}
	listing      = operation{}
	setting      = operation{noUser: errNoUser, noKey: errInvalidSet}
	removing     = operation{noUser: errNoUser, noEntry: errNotThere, noKey: errInvalidRemove}
	removingMany = operation{noUser: errNoUser, noEntry: errNotAllThere, noKey: errInvalidBulk}

	listingV2      = operation{v2: true}
	settingV2      = operation{v2: true, noUser: setting.noUser, noKey: setting.noKey}
	removingManyV2 = operation{v2: true, noUser: removingMany.noUser, noEntry: removingMany.noEntry, noKey: removingMany.noKey}
)

// explain is the one place where what a service says becomes a failure.
func explain(err error, of *call, op operation) *failure {
	if f, ok := errors.AsType[*failure](err); ok {
		return f
	}
	var f *failure
	if refused, ok := errors.AsType[*metadata.Error](err); ok {
		f = ofMetadata(refused, of, op)
	} else if refused, ok := errors.AsType[*auth.Error](err); ok {
		f = ofAuth(refused)
	} else {
		f = failureOf(problem.Of(err))
	}
	return f.because(err)
}

func ofMetadata(err *metadata.Error, of *call, op operation) *failure {
	f := &failure{text: err.Detail}
	switch err.Code {
	case metadata.NotFound:
		switch {
		case !errors.Is(err, metadata.ErrUserNotFound):
			return cmp.Or(op.noEntry, op.noUser, errNotFound)
		case of.caller.MayRead(of.owner()):
			return cmp.Or(op.noUser, errNotFound)
		case op.v2:
			return errNoPermission2
		}
		return errNoMembership
	case metadata.Forbidden:
		if op.v2 {
			return errNoPermission2
		}
		return errNoPermission1
	case metadata.Invalid:
		if op.noKey != nil && err.Field != "" && metadata.CheckKey(err.Field) != nil {
			return op.noKey
		}
		f.code, f.id = connect.CodeInvalidArgument, idInvalid
	case metadata.LimitExceeded:
		f.code, f.id = connect.CodeFailedPrecondition, idLimit
	case metadata.Conflict, metadata.PreconditionFailed:
		f.code, f.id = connect.CodeFailedPrecondition, idConflict
	default:
		f.code, f.id = connect.CodeUnavailable, idUnavailable
	}
	return f
}

func ofAuth(err *auth.Error) *failure {
	switch err.Code {
	case auth.Unauthenticated:
		return errCredentials
	case auth.Throttled:
		return &failure{code: connect.CodeResourceExhausted, text: "too many requests; try again later", id: idThrottled}
	}
	return &failure{code: connect.CodeUnavailable, text: "not available at the moment; try again", id: idUnavailable}
}

// failureOf is what the server around the dialects, or reading a request, has to say.
func failureOf(p problem.Problem) *failure {
	switch p.Code {
	case problem.NotFound:
		return &failure{code: connect.CodeNotFound, text: "Not Found"}
	case problem.MethodNotAllowed:
		return &failure{code: connect.CodeUnimplemented, text: "Method Not Allowed"}
	case problem.Busy, problem.Unavailable:
		return &failure{code: connect.CodeUnavailable, text: p.Detail, id: idUnavailable}
	case problem.Internal:
		return &failure{code: connect.CodeInternal, text: "internal error", id: idInternal}
	}
	return &failure{code: connect.CodeInvalidArgument, text: p.Detail}
}

// problems are the codes of failures that nothing else is behind.
var problems = map[connect.Code]problem.Code{
	connect.CodeInvalidArgument:    problem.InvalidRequest,
	connect.CodeUnauthenticated:    problem.Unauthenticated,
	connect.CodePermissionDenied:   problem.AccessDenied,
	connect.CodeNotFound:           problem.NotFound,
	connect.CodeFailedPrecondition: problem.InvalidRequest,
}

// statuses are those of grpc-gateway, and 405 for the one thing that is unimplemented over REST.
var statuses = map[connect.Code]int{
	connect.CodeInvalidArgument:    http.StatusBadRequest,
	connect.CodeUnauthenticated:    http.StatusUnauthorized,
	connect.CodePermissionDenied:   http.StatusForbidden,
	connect.CodeNotFound:           http.StatusNotFound,
	connect.CodeFailedPrecondition: http.StatusBadRequest,
	connect.CodeResourceExhausted:  http.StatusTooManyRequests,
	connect.CodeUnimplemented:      http.StatusMethodNotAllowed,
	connect.CodeUnavailable:        http.StatusServiceUnavailable,
}

func (f *failure) status() int {
	if status, ok := statuses[f.code]; ok {
		return status
	}
	return http.StatusInternalServerError
}

// rpc is the failure with its detail.
func (f *failure) rpc() *connect.Error {
	err := connect.NewError(f.code, errors.New(f.message()))
	if f.id == "" {
		return err
	}
	if detail, failed := connect.NewErrorDetail(&zitadelv1.ErrorDetail{Id: f.id, Message: f.text}); failed == nil {
		err.AddDetail(detail)
	}
	return err
}

// status is google.rpc.Status in JSON.
type status struct {
	Code    uint32         `json:"code"`
	Message string         `json:"message"`
	Details []statusDetail `json:"details,omitempty"`
}

type statusDetail struct {
	Type    string `json:"@type"`
	ID      string `json:"id"`
	Message string `json:"message"`
}

func (f *failure) write(c echo.Context, code int) error {
	body := status{Code: uint32(f.code), Message: f.message()}
	if f.id != "" {
		body.Details = []statusDetail{{"type.googleapis.com/zitadel.v1.ErrorDetail", f.id, f.text}}
	}
	text, err := json.Marshal(&body, jsontext.AllowInvalidUTF8(true))
	if err != nil {
		return err
	}
	return c.JSONBlob(code, text)
}
