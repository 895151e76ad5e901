package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	rpc "connectrpc.com/connect"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	grpcmetadata "google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/claimsmith/claimsmith/handlers"
	authv1 "github.com/claimsmith/claimsmith/handlers/zitadel/gen/zitadel/auth/v1"
	managementv1 "github.com/claimsmith/claimsmith/handlers/zitadel/gen/zitadel/management/v1"
	userv2 "github.com/claimsmith/claimsmith/handlers/zitadel/gen/zitadel/user/v2"
	zitadelv1 "github.com/claimsmith/claimsmith/handlers/zitadel/gen/zitadel/v1"
)

// serveAll serves the world on a free port of loopback, as the program does, until the test ends.
func (w *world) serveAll() (address string) {
	w.t.Helper()
	logger := slog.New(slog.NewJSONHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	server, err := handlers.New(handlers.Config{
		Logger: logger, Now: w.clock.Now, Dialects: w.app.dialects(), AccessLog: true, RequestTimeout: 20 * time.Second,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx, listener) }()
	w.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			w.t.Errorf("the server: %v", err)
		}
	})
	return listener.Addr().String()
}

// zitadelClient is a client of Zitadel, of one protocol. Whose call it is is in its context, see as.
type zitadelClient struct {
	management managementv1.ManagementServiceClient
	own        authv1.AuthServiceClient
	users      userv2.UserServiceClient
}

// as is the context of calls with this token and, unless "", in this organisation.
func as(t testing.TB, bearer, org string) context.Context {
	ctx := t.Context()
	if bearer != "" {
		ctx = grpcmetadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+bearer)
	}
	if org != "" {
		ctx = grpcmetadata.AppendToOutgoingContext(ctx, "x-zitadel-orgid", org)
	}
	return ctx
}

// withHeaders sends what as has put into the context.
var withHeaders = rpc.UnaryInterceptorFunc(func(next rpc.UnaryFunc) rpc.UnaryFunc {
	return func(ctx context.Context, r rpc.AnyRequest) (rpc.AnyResponse, error) {
		sent, _ := grpcmetadata.FromOutgoingContext(ctx)
		for name, values := range sent {
			for _, value := range values {
				r.Header().Add(name, value)
			}
		}
		return next(ctx, r)
	}
})

// zitadelClients are clients of every protocol, by its name.
func zitadelClients(t testing.TB, address string) map[string]zitadelClient {
	t.Helper()
	transport := &http.Transport{Protocols: new(http.Protocols)}
	transport.Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(transport.CloseIdleConnections)
	of := func(transport *http.Transport, options ...rpc.ClientOption) zitadelClient {
		client, base := &http.Client{Transport: transport}, "http://"+address
		options = append(options, rpc.WithInterceptors(withHeaders))
		return zitadelClient{
			managementv1.NewManagementServiceClient(client, base, options...), authv1.NewAuthServiceClient(client, base, options...),
			userv2.NewUserServiceClient(client, base, options...),
		}
	}
	one := &http.Transport{}
	t.Cleanup(one.CloseIdleConnections)
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = connection.Close() })
	g := grpcClient{connection}
	return map[string]zitadelClient{
		"grpc-go":         {g, g, grpcUsers(g)},
		"gRPC":            of(transport, rpc.WithGRPC()),
		"gRPC-Web":        of(one, rpc.WithGRPCWeb()),
		"Connect":         of(transport),
		"Connect, HTTP/1": of(one),
		"Connect, JSON":   of(one, rpc.WithProtoJSON()),
		"gRPC, JSON":      of(transport, rpc.WithGRPC(), rpc.WithProtoJSON()),
	}
}

// grpcClient is what protoc-gen-go-grpc would generate.
type grpcClient struct{ *grpc.ClientConn }

func invoke[Out any, O interface {
	*Out
	proto.Message
}](ctx context.Context, c grpcClient, procedure string, in proto.Message) (O, error) {
	out := O(new(Out))
	if err := c.Invoke(ctx, procedure, in, out); err != nil {
		return nil, err
	}
	return out, nil
}

func (c grpcClient) ListUserMetadata(ctx context.Context, in *managementv1.ListUserMetadataRequest) (*managementv1.ListUserMetadataResponse, error) {
	return invoke[managementv1.ListUserMetadataResponse](ctx, c, managementv1.ManagementServiceListUserMetadataProcedure, in)
}

func (c grpcClient) GetUserMetadata(ctx context.Context, in *managementv1.GetUserMetadataRequest) (*managementv1.GetUserMetadataResponse, error) {
	return invoke[managementv1.GetUserMetadataResponse](ctx, c, managementv1.ManagementServiceGetUserMetadataProcedure, in)
}

func (c grpcClient) SetUserMetadata(ctx context.Context, in *managementv1.SetUserMetadataRequest) (*managementv1.SetUserMetadataResponse, error) {
	return invoke[managementv1.SetUserMetadataResponse](ctx, c, managementv1.ManagementServiceSetUserMetadataProcedure, in)
}

func (c grpcClient) BulkSetUserMetadata(
	ctx context.Context, in *managementv1.BulkSetUserMetadataRequest,
) (*managementv1.BulkSetUserMetadataResponse, error) {
	return invoke[managementv1.BulkSetUserMetadataResponse](ctx, c, managementv1.ManagementServiceBulkSetUserMetadataProcedure, in)
}

func (c grpcClient) RemoveUserMetadata(
	ctx context.Context, in *managementv1.RemoveUserMetadataRequest,
) (*managementv1.RemoveUserMetadataResponse, error) {
	return invoke[managementv1.RemoveUserMetadataResponse](ctx, c, managementv1.ManagementServiceRemoveUserMetadataProcedure, in)
}

func (c grpcClient) BulkRemoveUserMetadata(
	ctx context.Context, in *managementv1.BulkRemoveUserMetadataRequest,
) (*managementv1.BulkRemoveUserMetadataResponse, error) {
	return invoke[managementv1.BulkRemoveUserMetadataResponse](ctx, c, managementv1.ManagementServiceBulkRemoveUserMetadataProcedure, in)
}

func (c grpcClient) ListMyMetadata(ctx context.Context, in *authv1.ListMyMetadataRequest) (*authv1.ListMyMetadataResponse, error) {
	return invoke[authv1.ListMyMetadataResponse](ctx, c, authv1.AuthServiceListMyMetadataProcedure, in)
}

func (c grpcClient) GetMyMetadata(ctx context.Context, in *authv1.GetMyMetadataRequest) (*authv1.GetMyMetadataResponse, error) {
	return invoke[authv1.GetMyMetadataResponse](ctx, c, authv1.AuthServiceGetMyMetadataProcedure, in)
}

// grpcUsers is the v2 service, whose methods have the names of v1.
type grpcUsers grpcClient

func (c grpcUsers) SetUserMetadata(ctx context.Context, in *userv2.SetUserMetadataRequest) (*userv2.SetUserMetadataResponse, error) {
	return invoke[userv2.SetUserMetadataResponse](ctx, grpcClient(c), userv2.UserServiceSetUserMetadataProcedure, in)
}

func (c grpcUsers) ListUserMetadata(ctx context.Context, in *userv2.ListUserMetadataRequest) (*userv2.ListUserMetadataResponse, error) {
	return invoke[userv2.ListUserMetadataResponse](ctx, grpcClient(c), userv2.UserServiceListUserMetadataProcedure, in)
}

func (c grpcUsers) DeleteUserMetadata(ctx context.Context, in *userv2.DeleteUserMetadataRequest) (*userv2.DeleteUserMetadataResponse, error) {
	return invoke[userv2.DeleteUserMetadataResponse](ctx, grpcClient(c), userv2.UserServiceDeleteUserMetadataProcedure, in)
}

// told is what a client learned of an error: the code's number, the text and the detail.
func told(err error) string {
	if err == nil {
		return "success"
	}
	var code uint32
	var message string
	var details []any
	if failed := new(rpc.Error); errors.As(err, &failed) {
		code, message = uint32(failed.Code()), failed.Message()
		for _, d := range failed.Details() {
			value, err := d.Value()
			if err != nil {
				return "no detail: " + err.Error()
			}
			details = append(details, value)
		}
	} else {
		s, _ := status.FromError(err)
		code, message, details = uint32(s.Code()), s.Message(), s.Details()
	}
	text := fmt.Sprintf("%d %s", code, message)
	for _, d := range details {
		detail, ok := d.(*zitadelv1.ErrorDetail)
		if !ok || message != detail.GetMessage()+" ("+detail.GetId()+")" {
			return fmt.Sprintf("%s, with %v", text, d)
		}
	}
	if strings.HasSuffix(message, ")") != (len(details) == 1) {
		return fmt.Sprintf("%s, with %d details", text, len(details))
	}
	return text
}
