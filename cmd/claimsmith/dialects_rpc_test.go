package main

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"

	rpc "connectrpc.com/connect"

	managementv1 "github.com/claimsmith/claimsmith/handlers/zitadel/gen/zitadel/management/v1"
	userv2 "github.com/claimsmith/claimsmith/handlers/zitadel/gen/zitadel/user/v2"
)

// wire carries the calls of generated clients to a world, as somebody in an organisation.
type wire struct {
	*cast
	about
}

// Do implements rpc.HTTPClient.
func (w wire) Do(sent *http.Request) (*http.Response, error) {
	r := httptest.NewRequest(sent.Method, sent.URL.Path, sent.Body).WithContext(sent.Context())
	r.Header = sent.Header.Clone()
	r.RemoteAddr = w.address
	r.Header.Set("X-Zitadel-Orgid", w.org)
	if w.bearer != "" {
		r.Header.Set("Authorization", "Bearer "+w.bearer)
	}
	recorder := httptest.NewRecorder()
	w.server.ServeHTTP(recorder, r)
	return recorder.Result(), nil
}

// statuses are what REST answers where a call ends with a code.
var statuses = map[rpc.Code]int{
	rpc.CodeInvalidArgument: http.StatusBadRequest, rpc.CodeFailedPrecondition: http.StatusBadRequest, rpc.CodeNotFound: http.StatusNotFound,
	rpc.CodePermissionDenied: http.StatusForbidden, rpc.CodeUnauthenticated: http.StatusUnauthorized,
	rpc.CodeResourceExhausted: http.StatusTooManyRequests, rpc.CodeUnavailable: http.StatusServiceUnavailable,
}

// outcomeOf is how a call ended, as REST would have put it.
func outcomeOf(err error) answer {
	if err == nil {
		return answer{status: http.StatusOK}
	}
	status := statuses[rpc.CodeOf(err)]
	if failure, ok := errors.AsType[*rpc.Error](err); ok {
		header := failure.Meta().Clone()
		header.Del("Trailer") // in no order
		return answer{status: status, body: failure.Message(), header: header}
	}
	return answer{status: status, body: err.Error()}
}

func (a about) management(c *cast) managementv1.ManagementServiceClient {
	return managementv1.NewManagementServiceClient(wire{c, a}, testIssuer, rpc.WithGRPC())
}

var zitadelGRPC = tongue{
	name: "zitadel v1 gRPC", opaque: true, wide: true, strict: true,
	read: func(c *cast, a about) (answer, map[string]string) {
		got, err := a.management(c).ListUserMetadata(context.Background(), &managementv1.ListUserMetadataRequest{Id: a.user.id})
		if err != nil {
			return outcomeOf(err), nil
		}
		all := map[string]string{}
		for _, e := range got.Result {
			all[e.Key] = string(e.Value)
		}
		return outcomeOf(nil), all
	},
	one: func(c *cast, a about, key string) (answer, string) {
		got, err := a.management(c).GetUserMetadata(context.Background(), &managementv1.GetUserMetadataRequest{Id: a.user.id, Key: key})
		return outcomeOf(err), string(got.GetMetadata().GetValue())
	},
	change: func(c *cast, a about, set []pair, gone []string) answer {
		client, ctx := a.management(c), context.Background()
		var err error
		switch {
		case len(gone) == 1:
			_, err = client.RemoveUserMetadata(ctx, &managementv1.RemoveUserMetadataRequest{Id: a.user.id, Key: gone[0]})
		case len(gone) > 0:
			_, err = client.BulkRemoveUserMetadata(ctx, &managementv1.BulkRemoveUserMetadataRequest{Id: a.user.id, Keys: gone})
		case len(set) == 1:
			_, err = client.SetUserMetadata(ctx, &managementv1.SetUserMetadataRequest{Id: a.user.id, Key: set[0].key, Value: []byte(set[0].value)})
		default:
			in := &managementv1.BulkSetUserMetadataRequest{Id: a.user.id}
			for _, p := range set {
				in.Metadata = append(in.Metadata, &managementv1.BulkSetUserMetadataRequest_Metadata{Key: p.key, Value: []byte(p.value)})
			}
			_, err = client.BulkSetUserMetadata(ctx, in)
		}
		return outcomeOf(err)
	},
}

func (a about) users(c *cast) userv2.UserServiceClient {
	return userv2.NewUserServiceClient(wire{c, a}, testIssuer)
}

var zitadelConnect = tongue{
	name: "zitadel v2 Connect", opaque: true, wide: true, strict: true, bothAtOnce: true,
	read: func(c *cast, a about) (answer, map[string]string) {
		got, err := a.users(c).ListUserMetadata(context.Background(), &userv2.ListUserMetadataRequest{UserId: a.user.id})
		if err != nil {
			return outcomeOf(err), nil
		}
		all := map[string]string{}
		for _, e := range got.Metadata {
			all[e.Key] = string(e.Value)
		}
		return outcomeOf(nil), all
	},
	change: func(c *cast, a about, set []pair, gone []string) answer {
		if len(set) == 0 {
			_, err := a.users(c).DeleteUserMetadata(context.Background(), &userv2.DeleteUserMetadataRequest{UserId: a.user.id, Keys: gone})
			return outcomeOf(err)
		}
		in := &userv2.SetUserMetadataRequest{UserId: a.user.id}
		for _, p := range set {
			in.Metadata = append(in.Metadata, &userv2.Metadata{Key: p.key, Value: []byte(p.value)})
		}
		for _, key := range gone { // no value removes
			in.Metadata = append(in.Metadata, &userv2.Metadata{Key: key})
		}
		_, err := a.users(c).SetUserMetadata(context.Background(), in)
		return outcomeOf(err)
	},
}
