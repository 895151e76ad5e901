package zitadel

import (
	"cmp"
	"context"

	"google.golang.org/protobuf/types/known/timestamppb"

	filterv2 "github.com/claimsmith/claimsmith/handlers/zitadel/gen/zitadel/filter/v2"
	metadatav2 "github.com/claimsmith/claimsmith/handlers/zitadel/gen/zitadel/metadata/v2"
	userv2 "github.com/claimsmith/claimsmith/handlers/zitadel/gen/zitadel/user/v2"
	"github.com/claimsmith/claimsmith/metadata"
)

// user is zitadel.user.v2.UserService.
type user struct{ *Dialect }

// SetUserMetadata implements userv2.UserServiceHandler, as the methods below. An empty value deletes an entry that is there. Where a key is
// named twice the last counts.
func (u *user) SetUserMetadata(ctx context.Context, r *userv2.SetUserMetadataRequest) (*userv2.SetUserMetadataResponse, error) {
	if len(r.Metadata) == 0 {
		return nil, errNothingNamed
	}
	last := make(map[string]int, len(r.Metadata))
	for i, e := range r.Metadata {
		last[e.Key] = i
	}
	var change metadata.Change
	for i, e := range r.Metadata {
		switch {
		case last[e.Key] != i:
		case len(e.Value) == 0:
			change.Delete = append(change.Delete, e.Key)
		default:
			change.Set = append(change.Set, put(e.Key, e.Value))
		}
	}
	doc, err := u.change(ctx, r.UserId, change, settingV2)
	if err != nil {
		return nil, err
	}
	return &userv2.SetUserMetadataResponse{SetDate: u.changed(doc)}, nil
}

func (u *user) ListUserMetadata(ctx context.Context, r *userv2.ListUserMetadataRequest) (*userv2.ListUserMetadataResponse, error) {
	part := r.Pagination
	s := selection{offset: part.GetOffset(), limit: uint64(cmp.Or(part.GetLimit(), defaultLimitV2)), asc: part.GetAsc()}
	for _, f := range r.Filters {
		s.conditions = append(s.conditions, conditionOf(f.GetKeyFilter().GetKey(), int32(f.GetKeyFilter().GetMethod())))
	}
	entries, total, _, err := u.list(ctx, r.UserId, s, listingV2)
	if err != nil {
		return nil, err
	}
	list := &userv2.ListUserMetadataResponse{Pagination: &filterv2.PaginationResponse{TotalResult: total, AppliedLimit: s.limit}}
	for _, e := range entries {
		list.Metadata = append(list.Metadata, &metadatav2.Metadata{
			CreationDate: stamp(e.CreatedAt), ChangeDate: stamp(e.ChangedAt), Key: e.Key, Value: e.Value.Opaque(),
		})
	}
	return list, nil
}

func (u *user) DeleteUserMetadata(ctx context.Context, r *userv2.DeleteUserMetadataRequest) (*userv2.DeleteUserMetadataResponse, error) {
	if len(r.Keys) == 0 {
		return nil, errNothingNamed
	}
	doc, err := u.change(ctx, r.UserId, metadata.Change{Delete: r.Keys}, removingManyV2)
	if err != nil {
		return nil, err
	}
	return &userv2.DeleteUserMetadataResponse{DeletionDate: u.changed(doc)}, nil
}

// changed is when a document was last changed or, where it never was, when it was found so.
func (u *user) changed(doc metadata.Document) *timestamppb.Timestamp {
	return timestamppb.New(cmp.Or(doc.ChangedAt, u.Now()))
}
