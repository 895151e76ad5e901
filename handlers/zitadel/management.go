package zitadel

import (
	"cmp"
	"context"

	authv1 "github.com/claimsmith/claimsmith/handlers/zitadel/gen/zitadel/auth/v1"
	managementv1 "github.com/claimsmith/claimsmith/handlers/zitadel/gen/zitadel/management/v1"
	metadatav1 "github.com/claimsmith/claimsmith/handlers/zitadel/gen/zitadel/metadata/v1"
	zitadelv1 "github.com/claimsmith/claimsmith/handlers/zitadel/gen/zitadel/v1"
	"github.com/claimsmith/claimsmith/metadata"
)

// management is zitadel.management.v1.ManagementService.
type management struct{ *Dialect }

// SetUserMetadata implements managementv1.ManagementServiceHandler, as the methods below.
func (m *management) SetUserMetadata(
	ctx context.Context, r *managementv1.SetUserMetadataRequest,
) (*managementv1.SetUserMetadataResponse, error) {
	doc, err := m.change(ctx, r.Id, metadata.Change{Set: []metadata.Put{put(r.Key, r.Value)}}, setting)
	if err != nil {
		return nil, err
	}
	e, _ := doc.Entry(r.Key)
	return &managementv1.SetUserMetadataResponse{Details: callOf(ctx).detailsOf(e)}, nil
}

func (m *management) BulkSetUserMetadata(
	ctx context.Context, r *managementv1.BulkSetUserMetadataRequest,
) (*managementv1.BulkSetUserMetadataResponse, error) {
	if len(r.Metadata) == 0 {
		return nil, errNothingNamed
	}
	var change metadata.Change
	for _, e := range r.Metadata {
		change.Set = append(change.Set, put(e.Key, e.Value))
	}
	doc, err := m.change(ctx, r.Id, change, setting)
	if err != nil {
		return nil, err
	}
	return &managementv1.BulkSetUserMetadataResponse{Details: callOf(ctx).detailsOfAll(doc)}, nil
}

func (m *management) ListUserMetadata(
	ctx context.Context, r *managementv1.ListUserMetadataRequest,
) (*managementv1.ListUserMetadataResponse, error) {
	details, result, err := m.listV1(ctx, r.Id, r.Query, r.Queries)
	if err != nil {
		return nil, err
	}
	return &managementv1.ListUserMetadataResponse{Details: details, Result: result}, nil
}

func (m *management) GetUserMetadata(
	ctx context.Context, r *managementv1.GetUserMetadataRequest,
) (*managementv1.GetUserMetadataResponse, error) {
	e, err := m.entry(ctx, r.Id, r.Key)
	if err != nil {
		return nil, err
	}
	return &managementv1.GetUserMetadataResponse{Metadata: e}, nil
}

func (m *management) RemoveUserMetadata(
	ctx context.Context, r *managementv1.RemoveUserMetadataRequest,
) (*managementv1.RemoveUserMetadataResponse, error) {
	doc, err := m.change(ctx, r.Id, metadata.Change{Delete: []string{r.Key}}, removing)
	if err != nil {
		return nil, err
	}
	return &managementv1.RemoveUserMetadataResponse{Details: callOf(ctx).detailsOfAll(doc)}, nil
}

func (m *management) BulkRemoveUserMetadata(
	ctx context.Context, r *managementv1.BulkRemoveUserMetadataRequest,
) (*managementv1.BulkRemoveUserMetadataResponse, error) {
	if len(r.Keys) == 0 {
		return nil, errNothingNamed
	}
	doc, err := m.change(ctx, r.Id, metadata.Change{Delete: r.Keys}, removingMany)
	if err != nil {
		return nil, err
	}
	return &managementv1.BulkRemoveUserMetadataResponse{Details: callOf(ctx).detailsOfAll(doc)}, nil
}

// own is zitadel.auth.v1.AuthService.
type own struct{ *Dialect }

// me is the caller himself.
const me = "me"

// ListMyMetadata implements authv1.AuthServiceHandler, as the method below. A caller who is no user has none.
func (o *own) ListMyMetadata(ctx context.Context, r *authv1.ListMyMetadataRequest) (*authv1.ListMyMetadataResponse, error) {
	details, result, err := o.listV1(ctx, me, r.Query, r.Queries)
	if err != nil {
		return nil, err
	}
	return &authv1.ListMyMetadataResponse{Details: details, Result: result}, nil
}

func (o *own) GetMyMetadata(ctx context.Context, r *authv1.GetMyMetadataRequest) (*authv1.GetMyMetadataResponse, error) {
	e, err := o.entry(ctx, me, r.Key)
	if err != nil {
		return nil, err
	}
	return &authv1.GetMyMetadataResponse{Metadata: e}, nil
}

func (d *Dialect) listV1(
	ctx context.Context, name string, part *zitadelv1.ListQuery, queries []*metadatav1.MetadataQuery,
) (*zitadelv1.ListDetails, []*metadatav1.Metadata, error) {
	s := selection{offset: part.GetOffset(), limit: uint64(cmp.Or(part.GetLimit(), maxLimit)), asc: part.GetAsc()}
	for _, q := range queries {
		s.conditions = append(s.conditions, conditionOf(q.GetKeyQuery().GetKey(), int32(q.GetKeyQuery().GetMethod())))
	}
	entries, total, revision, err := d.list(ctx, name, s, listing)
	if err != nil {
		return nil, nil, err
	}
	var result []*metadatav1.Metadata
	for _, e := range entries {
		result = append(result, callOf(ctx).show(e))
	}
	return &zitadelv1.ListDetails{TotalResult: total, ProcessedSequence: revision, ViewTimestamp: stamp(d.Now())}, result, nil
}
