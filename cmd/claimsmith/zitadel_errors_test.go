package main

import (
	"bytes"
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"

	authv1 "github.com/claimsmith/claimsmith/handlers/zitadel/gen/zitadel/auth/v1"
	filterv2 "github.com/claimsmith/claimsmith/handlers/zitadel/gen/zitadel/filter/v2"
	managementv1 "github.com/claimsmith/claimsmith/handlers/zitadel/gen/zitadel/management/v1"
	metadatav1 "github.com/claimsmith/claimsmith/handlers/zitadel/gen/zitadel/metadata/v1"
	metadatav2 "github.com/claimsmith/claimsmith/handlers/zitadel/gen/zitadel/metadata/v2"
	userv2 "github.com/claimsmith/claimsmith/handlers/zitadel/gen/zitadel/user/v2"
	zitadelv1 "github.com/claimsmith/claimsmith/handlers/zitadel/gen/zitadel/v1"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

// Every error has its code, text and id over every protocol.
func TestZitadelErrors(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	c.put("/api/user/acme-user-id/metadata?org=acme", c.acme.operator, `{"metadata":[{"key":"claim","value":"x","profileClaim":true}]}`).want(t, http.StatusOK)
	person := c.loginAs(c.acme.user, "").want(t, http.StatusOK).text(t, "access_token")
	clients := zitadelClients(t, c.serveAll())
	operator, reader, user := c.acme.operator, c.acme.reader, c.acme.user.id
	long, big := strings.Repeat("ä", 201), bytes.Repeat([]byte("x"), 500_001)
	type entry = managementv1.BulkSetUserMetadataRequest_Metadata
	one := []byte("1")
	queries := []*metadatav1.MetadataQuery{keyQuery("K", 1)}
	filters := []*metadatav2.MetadataSearchFilter{{Filter: &metadatav2.MetadataSearchFilter_KeyFilter{KeyFilter: &metadatav2.MetadataKeyFilter{Key: "k"}}}}
	const (
		missing    = "16 auth header missing"
		unsound    = "16 Errors.Token.Invalid (AUTH-7fs1e)"
		noOrg      = "7 Organisation doesn't exist (AUTH-Bs7Ds)"
		forbidden1 = "7 No matching permissions found (AUTH-5mWD2)"
		forbidden2 = "7 No matching permissions found (AUTH-AWfge)"
		stranger   = "5 membership not found (AUTHZ-cdgFk)"
		nobody     = "9 User could not be found (COMMAND-uXHNj)"
		empty      = "9 Metadata list is empty (META-9mm2d)"
		notFound   = "5 Metadata not found (QUERY-Rgh32)"
		notAll     = "5 One or more keys do not exist (META-2nnds)"
		runes      = "value length must be between 1 and 200 runes, inclusive"
		few        = "value must contain at most 20 items"
		embedded   = "embedded message failed validation | caused by: "
	)
	for _, test := range []struct {
		name, bearer, org string
		call              zitadelCall
		want              string
	}{
		{"no credential", "", "", callSet(user, "k", one), missing},
		{"no credential, and not valid", "", "", callSet("", "", nil), missing},
		{"bad credential", "cs_at_unknown", "", callGet(user, "k"), unsound},
		{"bad credential, my", "a.b.c", "", callGetMy("k"), unsound},
		{"bad credential, v2", "nothing", "", callDeleteV2(user, "k"), unsound},
		{"unknown organisation", operator, "nowhere", callSet(user, "k", one), noOrg},
		{"somebody else's organisation", operator, globex, callGet(user, "k"), noOrg},
		{"no slug", operator, "No Slug", callList(user, 0), noOrg},
		{"unknown organisation, my", person, globex, callListMy(0), noOrg},
		{"unknown to the administrator", adminToken, "nowhere", callGet(user, "k"), noOrg},
		{"the organisation before the message", operator, "nowhere", callSet("", "", nil), noOrg},
		{"one's own by name", operator, acme, callSet(user, "k", one), "success"},
		{"any, to the administrator", adminToken, acme, callGet(user, "k"), "success"},

		{"reader writes", reader, "", callSet(user, "k", one), forbidden1},
		{"reader removes", reader, "", callRemove(user, "k"), forbidden1},
		{"reader writes, v2", reader, "", callSetV2(user, &userv2.Metadata{Key: "k", Value: one}), forbidden2},
		{"reader reads", reader, "", callGet(user, "k"), "success"},
		{"one's own claim", person, "", callSet(user, "claim", one), forbidden1},
		{"one's own claim, v2", person, "", callDeleteV2(user, "claim"), forbidden2},
		{"one's own entry", person, "", callSet(user, "own", one), "success"},
		{"somebody else's", person, "", callSet(c.acme.other.id, "k", one), stranger},
		{"somebody else's, read", person, "", callGet(c.acme.other.id, "k"), stranger},
		{"somebody else's, listed", person, "", callList(c.acme.other.id, 0), stranger},
		{"nobody's, to a person", person, "", callRemove("nobody", "k"), stranger},
		{"somebody else's, v2", person, "", callListV2(c.acme.other.id, 0), forbidden2},
		{"nobody's, v2, to a person", person, "", callSetV2("nobody", &userv2.Metadata{Key: "k"}), forbidden2},

		{"unknown user", operator, "", callSet("nobody", "k", one), nobody},
		{"user of another organisation", operator, "", callBulk(c.globex.user.id, &entry{Key: "k", Value: one}), nobody},
		{"unknown user, removed", operator, "", callRemoveMany("nobody", "k"), nobody},
		{"unknown user, read", operator, "", callGet("nobody", "k"), notFound},
		{"unknown user, listed", operator, "", callList("nobody", 0), "success"},
		{"unknown user, v2", operator, "", callSetV2("nobody", &userv2.Metadata{Key: "k", Value: one}), nobody},
		{"unknown user, v2, deleted", operator, "", callDeleteV2("nobody", "k"), nobody},
		{"unknown user, v2, listed", operator, "", callListV2(c.globex.user.id, 0), "success"},
		{"no user, v2, deleted", operator, "", callDeleteV2("", "k"), nobody},
		{"my, of nobody", operator, "", callGetMy("k"), notFound},
		{"my list, of nobody", operator, "", callListMy(0), "success"},

		{"missing", operator, "", callGet(user, "nothing"), notFound},
		{"missing, my", person, "", callGetMy("nothing"), notFound},
		{"a key that cannot be", operator, "", callGet(user, "\t"), notFound},
		{"missing, removed", operator, "", callRemove(user, "nothing"), "5 Metadata not found (META-ncnw3)"},
		{"missing, in bulk", operator, "", callRemoveMany(user, "k", "nothing"), notAll},
		{"missing, v2", operator, "", callDeleteV2(user, "nothing"), notAll},
		{"empty bulk", operator, "", callBulk(user), empty},
		{"empty bulk removal", operator, "", callRemoveMany(user), empty},
		{"empty, v2", operator, "", callSetV2(user), empty},
		{"empty deletion, v2", operator, "", callDeleteV2(user), empty},
		{"control characters", operator, "", callSet(user, "a\tb", one), "3 Metadata is invalid (META-2m00f)"},
		{"control characters, removed", operator, "", callRemove(user, "a\tb"), "3 Metadata is invalid (META-2n0fs)"},
		{"control characters, in bulk", operator, "", callRemoveMany(user, "a\tb"), "3 Metadata is invalid (COMMAND-m29ds)"},

		{"no id", operator, "", callSet("", "k", one), "3 invalid SetUserMetadataRequest.Id: " + runes},
		{"long id", operator, "", callGet(long, "k"), "3 invalid GetUserMetadataRequest.Id: " + runes},
		{"as long as may be", operator, "", callGet(user, long[:400]), notFound},
		{"no key", operator, "", callRemove(user, ""), "3 invalid RemoveUserMetadataRequest.Key: " + runes},
		{"long key, my", person, "", callGetMy(long), "3 invalid GetMyMetadataRequest.Key: " + runes},
		{"no value", operator, "", callSet(user, "k", nil), "3 invalid SetUserMetadataRequest.Value: value length must be between 1 and 500000 bytes, inclusive"},
		{"long value", operator, "", callSet(user, "k", big), "3 invalid SetUserMetadataRequest.Value: value length must be between 1 and 500000 bytes, inclusive"},
		{"as much as may be", operator, "", callSet(user, "k", big[1:]), "success"},
		{"in bulk", operator, "", callBulk(user, &entry{Key: "k", Value: one}, &entry{Key: "l"}), "3 invalid BulkSetUserMetadataRequest.Metadata[1]: " + embedded +
			"invalid BulkSetUserMetadataRequest_Metadata.Value: value length must be between 1 and 500000 bytes, inclusive"},
		{"in bulk removal", operator, "", callRemoveMany(user, "k", long), "3 invalid BulkRemoveUserMetadataRequest.Keys[1]: " + runes},
		{"long value, v2", operator, "", callSetV2(user, &userv2.Metadata{Key: "k", Value: big}), "3 invalid SetUserMetadataRequest.Metadata[0]: " + embedded +
			"invalid Metadata.Value: value length must be at most 500000 bytes"},
		{"no user, v2", operator, "", callListV2("", 0), "3 invalid ListUserMetadataRequest.UserId: " + runes},
		{"no query", operator, "", callList(user, 0, &metadatav1.MetadataQuery{}), "3 List.Query.Invalid (METAD-fdg23)"},
		{"no filter", operator, "", callListV2(user, 0, &metadatav2.MetadataSearchFilter{}), "3 List.Query.Invalid (METAD-fdg23)"},
		{"long query", operator, "", callList(user, 0, keyQuery("k", 0), keyQuery(long, 0)), "3 invalid ListUserMetadataRequest.Queries[1]: " + embedded +
			"invalid MetadataQuery.KeyQuery: " + embedded + "invalid MetadataKeyQuery.Key: value length must be at most 200 runes"},
		{"as many queries as may be", operator, "", callList(user, 0, slices.Repeat(queries, 20)...), "success"},
		{"many queries", operator, "", callList(user, 0, slices.Repeat(queries, 21)...), "3 invalid ListUserMetadataRequest.Queries: " + few},
		{"many queries, my", person, "", callListMy(0, slices.Repeat(queries, 500)...), "3 invalid ListMyMetadataRequest.Queries: " + few},
		{"as many filters as may be", operator, "", callListV2(user, 0, slices.Repeat(filters, 20)...), "success"},
		{"many filters", operator, "", callListV2(user, 0, slices.Repeat(filters, 21)...), "3 invalid ListUserMetadataRequest.Filters: " + few},
		{"unknown method", operator, "", callList(user, 0, keyQuery("k", 8)), "3 invalid ListUserMetadataRequest.Queries[0]: " + embedded +
			"invalid MetadataQuery.KeyQuery: " + embedded + "invalid MetadataKeyQuery.Method: value must be one of the defined enum values"},
		{"over the limit", operator, "", callList(user, 1001), "3 Limit exceeded (QUERY-4M0fs)"},
		{"over the limit, my", person, "", callListMy(1001), "3 Limit exceeded (QUERY-4M0fs)"},
		{"over the limit, v2", operator, "", callListV2(user, 1001), "3 Limit exceeded (QUERY-4M0fs)"},

		{"more than a document", operator, "", callBulk(user, &entry{Key: "k", Value: big[1:]}, &entry{Key: "l", Value: big[1:]}, &entry{Key: "m", Value: big[1:]}),
			"9 bytes of keys and values in this document: 1500023, the limit is 1048576 (CLAIMSMITH-limit)"},
		{"against the definition", operator, "", callSet(user, "plan", []byte{0xff}), `3 "plan": a value of bytes cannot be a profile claim (CLAIMSMITH-invalid)`},
		{"differs in case", operator, "", callSet(user, "Plan", one), `3 "Plan" differs only in case from "plan", which is defined (CLAIMSMITH-invalid)`},
	} {
		for protocol, client := range clients {
			if got := told(test.call(as(t, test.bearer, test.org), client)); got != test.want {
				t.Errorf("%s, by %s: %s, want %s", test.name, protocol, got, test.want)
			}
		}
	}
}

// zitadelCall is a call that may fail, over whatever protocol.
type zitadelCall func(context.Context, zitadelClient) error

func callSet(id, key string, value []byte) zitadelCall {
	return func(ctx context.Context, z zitadelClient) error {
		_, err := z.management.SetUserMetadata(ctx, &managementv1.SetUserMetadataRequest{Id: id, Key: key, Value: value})
		return err
	}
}

func callGet(id, key string) zitadelCall {
	return func(ctx context.Context, z zitadelClient) error {
		_, err := z.management.GetUserMetadata(ctx, &managementv1.GetUserMetadataRequest{Id: id, Key: key})
		return err
	}
}

func callBulk(id string, entries ...*managementv1.BulkSetUserMetadataRequest_Metadata) zitadelCall {
	return func(ctx context.Context, z zitadelClient) error {
		_, err := z.management.BulkSetUserMetadata(ctx, &managementv1.BulkSetUserMetadataRequest{Id: id, Metadata: entries})
		return err
	}
}

func callRemove(id, key string) zitadelCall {
	return func(ctx context.Context, z zitadelClient) error {
		_, err := z.management.RemoveUserMetadata(ctx, &managementv1.RemoveUserMetadataRequest{Id: id, Key: key})
		return err
	}
}

func callRemoveMany(id string, keys ...string) zitadelCall {
	return func(ctx context.Context, z zitadelClient) error {
		_, err := z.management.BulkRemoveUserMetadata(ctx, &managementv1.BulkRemoveUserMetadataRequest{Id: id, Keys: keys})
		return err
	}
}

func callList(id string, limit uint32, queries ...*metadatav1.MetadataQuery) zitadelCall {
	return func(ctx context.Context, z zitadelClient) error {
		_, err := z.management.ListUserMetadata(ctx, &managementv1.ListUserMetadataRequest{Id: id, Query: &zitadelv1.ListQuery{Limit: limit}, Queries: queries})
		return err
	}
}

func callListMy(limit uint32, queries ...*metadatav1.MetadataQuery) zitadelCall {
	return func(ctx context.Context, z zitadelClient) error {
		_, err := z.own.ListMyMetadata(ctx, &authv1.ListMyMetadataRequest{Query: &zitadelv1.ListQuery{Limit: limit}, Queries: queries})
		return err
	}
}

func callGetMy(key string) zitadelCall {
	return func(ctx context.Context, z zitadelClient) error {
		_, err := z.own.GetMyMetadata(ctx, &authv1.GetMyMetadataRequest{Key: key})
		return err
	}
}

func callSetV2(id string, entries ...*userv2.Metadata) zitadelCall {
	return func(ctx context.Context, z zitadelClient) error {
		_, err := z.users.SetUserMetadata(ctx, &userv2.SetUserMetadataRequest{UserId: id, Metadata: entries})
		return err
	}
}

func callListV2(id string, limit uint32, filters ...*metadatav2.MetadataSearchFilter) zitadelCall {
	return func(ctx context.Context, z zitadelClient) error {
		_, err := z.users.ListUserMetadata(ctx, &userv2.ListUserMetadataRequest{
			UserId: id, Pagination: &filterv2.PaginationRequest{Limit: limit}, Filters: filters,
		})
		return err
	}
}

func callDeleteV2(id string, keys ...string) zitadelCall {
	return func(ctx context.Context, z zitadelClient) error {
		_, err := z.users.DeleteUserMetadata(ctx, &userv2.DeleteUserMetadataRequest{UserId: id, Keys: keys})
		return err
	}
}
