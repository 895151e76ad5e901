package zitadel

import (
	"context"
	"net/http"

	"connectrpc.com/connect"
	"github.com/labstack/echo/v4"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/claimsmith/claimsmith/handlers"
	"github.com/claimsmith/claimsmith/handlers/problem"
	authv1 "github.com/claimsmith/claimsmith/handlers/zitadel/gen/zitadel/auth/v1"
	managementv1 "github.com/claimsmith/claimsmith/handlers/zitadel/gen/zitadel/management/v1"
	userv2 "github.com/claimsmith/claimsmith/handlers/zitadel/gen/zitadel/user/v2"
)

// rpc is what is served over gRPC, gRPC-Web and Connect.
func (d *Dialect) rpc() routes {
	all := routes{}
	options := []connect.HandlerOption{
		connect.WithConditionalHandlerOptions(func(method connect.Spec) []connect.HandlerOption {
			return []connect.HandlerOption{connect.WithReadMaxBytes(int(boundOf(method.Procedure)))}
		}),
		// A short request must not become a long message. And an answer holds what others chose beside what is secret: its length must not
		// depend on whether the two are alike.
		connect.WithCompression("gzip", nil, nil),
		connect.WithCodec(binary{}), connect.WithCodec(text{"json"}), connect.WithCodec(text{"json; charset=utf-8"}),
		connect.WithInterceptors(connect.UnaryInterceptorFunc(intercept)),
	}
	mount := func(file protoreflect.FileDescriptor, prefix string, handler http.Handler) {
		methods := file.Services().Get(0).Methods()
		for i := range methods.Len() {
			all.add(http.MethodPost, prefix+string(methods.Get(i).Name()), d.serveRPC(handler))
		}
	}
	prefix, handler := managementv1.NewManagementServiceHandler(&management{d}, options...)
	mount(managementv1.File_zitadel_management_v1_management_proto, prefix, handler)
	prefix, handler = authv1.NewAuthServiceHandler(&own{d}, options...)
	mount(authv1.File_zitadel_auth_v1_auth_proto, prefix, handler)
	prefix, handler = userv2.NewUserServiceHandler(&user{d}, options...)
	mount(userv2.File_zitadel_user_v2_user_service_proto, prefix, handler)
	return all
}

func boundOf(procedure string) bound {
	switch procedure {
	case managementv1.ManagementServiceSetUserMetadataProcedure, managementv1.ManagementServiceBulkSetUserMetadataProcedure,
		managementv1.ManagementServiceBulkRemoveUserMetadataProcedure,
		userv2.UserServiceSetUserMetadataProcedure, userv2.UserServiceDeleteUserMetadataProcedure:
		return long
	}
	return short
}

func (d *Dialect) serveRPC(handler http.Handler) echo.HandlerFunc {
	return func(c echo.Context) error {
		r, refused := d.begin(c.Request())
		if refused != nil {
			return refuse(c, refused)
		}
		handler.ServeHTTP(c.Response(), r)
		if f := callOf(r.Context()).failed; f != nil {
			handlers.Failed(c, f.status(), f)
		}
		return nil
	}
}

// intercept is around every method: it checks the message first, and has the failure told.
func intercept(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, r connect.AnyRequest) (connect.AnyResponse, error) {
		var answer connect.AnyResponse
		err := validate(r.Any())
		if err == nil {
			answer, err = next(ctx, r)
		}
		if err != nil {
			of := callOf(ctx)
			of.failed = explain(err, of, operation{})
			told, headers := of.failed.rpc(), http.Header{}
			problem.Of(of.failed).SetHeader(headers)
			if after := headers.Get("Retry-After"); after != "" {
				told.Meta().Set("Retry-After", after)
			}
			return nil, told
		}
		return answer, nil
	}
}
