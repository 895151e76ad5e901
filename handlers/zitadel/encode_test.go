package zitadel_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"

	"github.com/claimsmith/claimsmith/handlers/zitadel"
	authv1 "github.com/claimsmith/claimsmith/handlers/zitadel/gen/zitadel/auth/v1"
	managementv1 "github.com/claimsmith/claimsmith/handlers/zitadel/gen/zitadel/management/v1"
	metadatav1 "github.com/claimsmith/claimsmith/handlers/zitadel/gen/zitadel/metadata/v1"
	userv2 "github.com/claimsmith/claimsmith/handlers/zitadel/gen/zitadel/user/v2"
	zitadelv1 "github.com/claimsmith/claimsmith/handlers/zitadel/gen/zitadel/v1"
)

// Whoever writes it, an answer is what the library would write, but for white space.
func TestEncodeIsProtoJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		moment := rapid.Custom(func(t *rapid.T) *timestamppb.Timestamp {
			unit := rapid.SampledFrom([]int64{1, 1e3, 1e6, 1e9}).Draw(t, "unit")
			return timestamppb.New(time.Unix(0, rapid.Int64Range(0, 4e18/unit).Draw(t, "n")*unit))
		})
		details := rapid.Custom(func(t *rapid.T) *zitadelv1.ObjectDetails {
			return &zitadelv1.ObjectDetails{
				Sequence:     rapid.Uint64().Draw(t, "sequence"),
				CreationDate: rapid.OneOf(moment, rapid.Just[*timestamppb.Timestamp](nil)).Draw(t, "created"),
				ChangeDate:   moment.Draw(t, "changed"), ResourceOwner: rapid.SampledFrom([]string{"", "default"}).Draw(t, "owner"),
			}
		}).Draw(t, "details")
		entry := &metadatav1.Metadata{
			Details: details, Key: rapid.String().Draw(t, "key"), Value: rapid.SliceOf(rapid.Byte()).Draw(t, "value"),
		}
		for _, m := range []proto.Message{
			&managementv1.GetUserMetadataResponse{Metadata: entry}, &authv1.GetMyMetadataResponse{Metadata: entry},
			&managementv1.GetUserMetadataResponse{}, &authv1.GetMyMetadataResponse{Metadata: &metadatav1.Metadata{}},
			&managementv1.SetUserMetadataResponse{Id: entry.Key, Details: details}, &managementv1.SetUserMetadataResponse{},
			&managementv1.RemoveUserMetadataResponse{Details: details}, &managementv1.BulkSetUserMetadataResponse{Details: details},
			&userv2.SetUserMetadataResponse{SetDate: details.ChangeDate},
		} {
			got, err := zitadel.Encode(m)
			if err != nil {
				t.Fatal(err)
			}
			library, err := protojson.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			var want bytes.Buffer
			if err := json.Compact(&want, library); err != nil {
				t.Fatal(err)
			}
			if string(got) != want.String() {
				t.Fatalf("%T:\n%s\n%s", m, got, &want)
			}
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	now := timestamppb.New(time.UnixMilli(1_800_000_000_123))
	m := &managementv1.GetUserMetadataResponse{Metadata: &metadatav1.Metadata{
		Details: &zitadelv1.ObjectDetails{Sequence: 2, CreationDate: now, ChangeDate: now, ResourceOwner: "default"},
		Key:     "theme", Value: []byte("dark"),
	}}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := zitadel.Encode(m); err != nil {
			b.Fatal(err)
		}
	}
}
