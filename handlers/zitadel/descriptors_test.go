package zitadel_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/reflect/protoreflect"

	authv1 "github.com/claimsmith/claimsmith/handlers/zitadel/gen/zitadel/auth/v1"
	filterv2 "github.com/claimsmith/claimsmith/handlers/zitadel/gen/zitadel/filter/v2"
	managementv1 "github.com/claimsmith/claimsmith/handlers/zitadel/gen/zitadel/management/v1"
	metadatav1 "github.com/claimsmith/claimsmith/handlers/zitadel/gen/zitadel/metadata/v1"
	metadatav2 "github.com/claimsmith/claimsmith/handlers/zitadel/gen/zitadel/metadata/v2"
	userv2 "github.com/claimsmith/claimsmith/handlers/zitadel/gen/zitadel/user/v2"
	zitadelv1 "github.com/claimsmith/claimsmith/handlers/zitadel/gen/zitadel/v1"
)

// wire is all that clients built from Zitadel's own descriptors rely on: names, numbers and types.
var wire = strings.Split(strings.TrimSpace(`
zitadel.auth.v1.AuthService/GetMyMetadata zitadel.auth.v1.GetMyMetadataRequest zitadel.auth.v1.GetMyMetadataResponse
zitadel.auth.v1.AuthService/ListMyMetadata zitadel.auth.v1.ListMyMetadataRequest zitadel.auth.v1.ListMyMetadataResponse
zitadel.auth.v1.GetMyMetadataRequest.key 1 string
zitadel.auth.v1.GetMyMetadataResponse.metadata 1 zitadel.metadata.v1.Metadata
zitadel.auth.v1.ListMyMetadataRequest.queries 2 repeated zitadel.metadata.v1.MetadataQuery
zitadel.auth.v1.ListMyMetadataRequest.query 1 zitadel.v1.ListQuery
zitadel.auth.v1.ListMyMetadataResponse.details 1 zitadel.v1.ListDetails
zitadel.auth.v1.ListMyMetadataResponse.result 2 repeated zitadel.metadata.v1.Metadata
zitadel.filter.v2.PaginationRequest.asc 3 bool
zitadel.filter.v2.PaginationRequest.limit 2 uint32
zitadel.filter.v2.PaginationRequest.offset 1 uint64
zitadel.filter.v2.PaginationResponse.applied_limit 2 uint64
zitadel.filter.v2.PaginationResponse.total_result 1 uint64
zitadel.filter.v2.TextFilterMethod TEXT_FILTER_METHOD_ EQUALS EQUALS_IGNORE_CASE STARTS_WITH STARTS_WITH_IGNORE_CASE CONTAINS CONTAINS_IGNORE_CASE ENDS_WITH ENDS_WITH_IGNORE_CASE
zitadel.management.v1.BulkRemoveUserMetadataRequest.id 1 string
zitadel.management.v1.BulkRemoveUserMetadataRequest.keys 2 repeated string
zitadel.management.v1.BulkRemoveUserMetadataResponse.details 1 zitadel.v1.ObjectDetails
zitadel.management.v1.BulkSetUserMetadataRequest.Metadata.key 1 string
zitadel.management.v1.BulkSetUserMetadataRequest.Metadata.value 2 bytes
zitadel.management.v1.BulkSetUserMetadataRequest.id 1 string
zitadel.management.v1.BulkSetUserMetadataRequest.metadata 2 repeated zitadel.management.v1.BulkSetUserMetadataRequest.Metadata
zitadel.management.v1.BulkSetUserMetadataResponse.details 1 zitadel.v1.ObjectDetails
zitadel.management.v1.GetUserMetadataRequest.id 1 string
zitadel.management.v1.GetUserMetadataRequest.key 2 string
zitadel.management.v1.GetUserMetadataResponse.metadata 1 zitadel.metadata.v1.Metadata
zitadel.management.v1.ListUserMetadataRequest.id 1 string
zitadel.management.v1.ListUserMetadataRequest.queries 3 repeated zitadel.metadata.v1.MetadataQuery
zitadel.management.v1.ListUserMetadataRequest.query 2 zitadel.v1.ListQuery
zitadel.management.v1.ListUserMetadataResponse.details 1 zitadel.v1.ListDetails
zitadel.management.v1.ListUserMetadataResponse.result 2 repeated zitadel.metadata.v1.Metadata
zitadel.management.v1.ManagementService/BulkRemoveUserMetadata zitadel.management.v1.BulkRemoveUserMetadataRequest zitadel.management.v1.BulkRemoveUserMetadataResponse
zitadel.management.v1.ManagementService/BulkSetUserMetadata zitadel.management.v1.BulkSetUserMetadataRequest zitadel.management.v1.BulkSetUserMetadataResponse
zitadel.management.v1.ManagementService/GetUserMetadata zitadel.management.v1.GetUserMetadataRequest zitadel.management.v1.GetUserMetadataResponse
zitadel.management.v1.ManagementService/ListUserMetadata zitadel.management.v1.ListUserMetadataRequest zitadel.management.v1.ListUserMetadataResponse
zitadel.management.v1.ManagementService/RemoveUserMetadata zitadel.management.v1.RemoveUserMetadataRequest zitadel.management.v1.RemoveUserMetadataResponse
zitadel.management.v1.ManagementService/SetUserMetadata zitadel.management.v1.SetUserMetadataRequest zitadel.management.v1.SetUserMetadataResponse
zitadel.management.v1.RemoveUserMetadataRequest.id 1 string
zitadel.management.v1.RemoveUserMetadataRequest.key 2 string
zitadel.management.v1.RemoveUserMetadataResponse.details 1 zitadel.v1.ObjectDetails
zitadel.management.v1.SetUserMetadataRequest.id 1 string
zitadel.management.v1.SetUserMetadataRequest.key 2 string
zitadel.management.v1.SetUserMetadataRequest.value 3 bytes
zitadel.management.v1.SetUserMetadataResponse.details 2 zitadel.v1.ObjectDetails
zitadel.management.v1.SetUserMetadataResponse.id 1 string
zitadel.metadata.v1.Metadata.details 1 zitadel.v1.ObjectDetails
zitadel.metadata.v1.Metadata.key 2 string
zitadel.metadata.v1.Metadata.value 3 bytes
zitadel.metadata.v1.MetadataKeyQuery.key 1 string
zitadel.metadata.v1.MetadataKeyQuery.method 2 zitadel.v1.TextQueryMethod
zitadel.metadata.v1.MetadataQuery.key_query 1 oneof query zitadel.metadata.v1.MetadataKeyQuery
zitadel.metadata.v2.Metadata.change_date 2 google.protobuf.Timestamp
zitadel.metadata.v2.Metadata.creation_date 1 google.protobuf.Timestamp
zitadel.metadata.v2.Metadata.key 3 string
zitadel.metadata.v2.Metadata.value 4 bytes
zitadel.metadata.v2.MetadataKeyFilter.key 1 string
zitadel.metadata.v2.MetadataKeyFilter.method 2 zitadel.filter.v2.TextFilterMethod
zitadel.metadata.v2.MetadataSearchFilter.key_filter 1 oneof filter zitadel.metadata.v2.MetadataKeyFilter
zitadel.user.v2.DeleteUserMetadataRequest.keys 2 repeated string
zitadel.user.v2.DeleteUserMetadataRequest.user_id 1 string
zitadel.user.v2.DeleteUserMetadataResponse.deletion_date 1 google.protobuf.Timestamp
zitadel.user.v2.ListUserMetadataRequest.filters 3 repeated zitadel.metadata.v2.MetadataSearchFilter
zitadel.user.v2.ListUserMetadataRequest.pagination 2 optional zitadel.filter.v2.PaginationRequest
zitadel.user.v2.ListUserMetadataRequest.user_id 1 string
zitadel.user.v2.ListUserMetadataResponse.metadata 2 repeated zitadel.metadata.v2.Metadata
zitadel.user.v2.ListUserMetadataResponse.pagination 1 zitadel.filter.v2.PaginationResponse
zitadel.user.v2.Metadata.key 1 string
zitadel.user.v2.Metadata.value 2 bytes
zitadel.user.v2.SetUserMetadataRequest.metadata 2 repeated zitadel.user.v2.Metadata
zitadel.user.v2.SetUserMetadataRequest.user_id 1 string
zitadel.user.v2.SetUserMetadataResponse.set_date 1 google.protobuf.Timestamp
zitadel.user.v2.UserService/DeleteUserMetadata zitadel.user.v2.DeleteUserMetadataRequest zitadel.user.v2.DeleteUserMetadataResponse
zitadel.user.v2.UserService/ListUserMetadata zitadel.user.v2.ListUserMetadataRequest zitadel.user.v2.ListUserMetadataResponse
zitadel.user.v2.UserService/SetUserMetadata zitadel.user.v2.SetUserMetadataRequest zitadel.user.v2.SetUserMetadataResponse
zitadel.v1.ErrorDetail.id 1 string
zitadel.v1.ErrorDetail.message 2 string
zitadel.v1.ListDetails.processed_sequence 2 uint64
zitadel.v1.ListDetails.total_result 1 uint64
zitadel.v1.ListDetails.view_timestamp 3 google.protobuf.Timestamp
zitadel.v1.ListQuery.asc 3 bool
zitadel.v1.ListQuery.limit 2 uint32
zitadel.v1.ListQuery.offset 1 uint64
zitadel.v1.ObjectDetails.change_date 3 google.protobuf.Timestamp
zitadel.v1.ObjectDetails.creation_date 2 google.protobuf.Timestamp
zitadel.v1.ObjectDetails.resource_owner 4 string
zitadel.v1.ObjectDetails.sequence 1 uint64
zitadel.v1.TextQueryMethod TEXT_QUERY_METHOD_ EQUALS EQUALS_IGNORE_CASE STARTS_WITH STARTS_WITH_IGNORE_CASE CONTAINS CONTAINS_IGNORE_CASE ENDS_WITH ENDS_WITH_IGNORE_CASE
`), "\n")

func TestTheWireIsZitadels(t *testing.T) {
	var got []string
	for _, file := range []protoreflect.FileDescriptor{
		zitadelv1.File_zitadel_v1_object_proto, zitadelv1.File_zitadel_v1_message_proto, metadatav1.File_zitadel_metadata_v1_metadata_proto,
		managementv1.File_zitadel_management_v1_management_proto, authv1.File_zitadel_auth_v1_auth_proto,
		filterv2.File_zitadel_filter_v2_filter_proto, metadatav2.File_zitadel_metadata_v2_metadata_proto,
		userv2.File_zitadel_user_v2_user_service_proto,
	} {
		for i := range file.Services().Len() {
			for methods, n := file.Services().Get(i).Methods(), 0; n < methods.Len(); n++ {
				m := methods.Get(n)
				got = append(got, fmt.Sprintf("%s/%s %s %s", m.Parent().FullName(), m.Name(), m.Input().FullName(), m.Output().FullName()))
			}
		}
		for i := range file.Enums().Len() {
			got = append(got, valuesOf(file.Enums().Get(i)))
		}
		got = append(got, fieldsOf(file.Messages())...)
	}
	slices.Sort(got)
	want := slices.Sorted(slices.Values(wire))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func valuesOf(e protoreflect.EnumDescriptor) string {
	prefix := strings.TrimSuffix(string(e.Values().Get(0).Name()), "EQUALS")
	text := string(e.FullName()) + " " + prefix
	for i := range e.Values().Len() {
		if v := e.Values().ByNumber(protoreflect.EnumNumber(i)); v != nil {
			text += " " + strings.TrimPrefix(string(v.Name()), prefix)
		}
	}
	return text
}

func fieldsOf(messages protoreflect.MessageDescriptors) (all []string) {
	for i := range messages.Len() {
		m := messages.Get(i)
		for n := range m.Fields().Len() {
			f := m.Fields().Get(n)
			kind := f.Kind().String()
			switch {
			case f.Message() != nil:
				kind = string(f.Message().FullName())
			case f.Enum() != nil:
				kind = string(f.Enum().FullName())
			}
			switch of := f.ContainingOneof(); {
			case f.IsList():
				kind = "repeated " + kind
			case f.HasOptionalKeyword():
				kind = "optional " + kind
			case of != nil:
				kind = "oneof " + string(of.Name()) + " " + kind
			}
			all = append(all, fmt.Sprintf("%s %d %s", f.FullName(), f.Number(), kind))
		}
		all = append(all, fieldsOf(m.Messages())...)
	}
	return all
}
