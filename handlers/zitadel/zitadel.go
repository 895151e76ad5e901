// Package zitadel is the dialect of Zitadel's user metadata: the v1 management and auth services and the v2 user service, over REST, gRPC,
// gRPC-Web and Connect. Every operation is one method on the messages of its service, whatever it came by. It only translates.
package zitadel

import (
	"strings"
	"time"

	"connectrpc.com/connect"
	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/handlers/origin"
	"github.com/claimsmith/claimsmith/handlers/problem"
	authv1 "github.com/claimsmith/claimsmith/handlers/zitadel/gen/zitadel/auth/v1"
	managementv1 "github.com/claimsmith/claimsmith/handlers/zitadel/gen/zitadel/management/v1"
	userv2 "github.com/claimsmith/claimsmith/handlers/zitadel/gen/zitadel/user/v2"
	"github.com/claimsmith/claimsmith/metadata"
)

// Dialect mounts the routes.
type Dialect struct {
	Callers  *auth.Callers
	Metadata *metadata.Service
	Registry *auth.Registry
	Now      func() time.Time
}

// Name implements handlers.Dialect.
func (d *Dialect) Name() string { return "zitadel" }

// services are the prefixes of RPCs.
var services = []string{"/" + managementv1.ManagementServiceName, "/" + authv1.AuthServiceName, "/" + userv2.UserServiceName}

// Prefixes implements handlers.Dialect.
func (d *Dialect) Prefixes() []string {
	return append([]string{"/management/v1", "/auth/v1", "/v2"}, services...)
}

// Mount implements handlers.Dialect.
func (d *Dialect) Mount(e *echo.Echo) {
	rest := origin.Sharing{Registry: d.Registry, Sent: "Authorization, Content-Type, " + orgHeader}
	for path, routes := range d.rest() {
		rest.Add(e, path, routes...)
	}
	rpc := origin.Sharing{Registry: d.Registry, Sent: sentRPC + ", " + orgHeader, Read: readRPC}
	for path, routes := range d.rpc() {
		rpc.Add(e, path, routes...)
	}
}

// Headers of gRPC-Web and Connect.
const (
	sentRPC = "Authorization, Content-Type, Connect-Protocol-Version, Connect-Timeout-Ms, Grpc-Timeout, X-Grpc-Web, X-User-Agent"
	readRPC = "Grpc-Status, Grpc-Message, Grpc-Status-Details-Bin"
)

// failureKey is what the failure that RenderError is to tell is kept under in the context of a request.
const failureKey = "zitadel.failure"

// refuse has RenderError tell a failure.
func refuse(c echo.Context, f *failure) error {
	c.Set(failureKey, f)
	return f
}

var errorWriter = connect.NewErrorWriter()

// RenderError implements handlers.Dialect: as google.rpc.Status in JSON or, of RPCs, in the protocol of the request.
func (d *Dialect) RenderError(c echo.Context, p problem.Problem) error {
	f, known := c.Get(failureKey).(*failure)
	if !known {
		f = failureOf(p)
	}
	if !isRPC(c.Request().URL.EscapedPath()) {
		return f.write(c, f.status())
	}
	if p.Code == problem.MethodNotAllowed { // RPCs are sent by POST, so this is none
		return f.write(c, p.Status)
	}
	if p.Code == problem.NotFound && !known {
		f = &failure{code: connect.CodeUnimplemented, text: "unknown method"}
	}
	err := errorWriter.Write(c.Response(), c.Request(), f.rpc())
	c.Response().Status = f.status() // for the log and the metrics: what is on the wire is 200
	return err
}

func isRPC(path string) bool {
	for _, service := range services {
		if path == service || strings.HasPrefix(path, service+"/") {
			return true
		}
	}
	return false
}
