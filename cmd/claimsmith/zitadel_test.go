package main

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	filterv2 "github.com/claimsmith/claimsmith/handlers/zitadel/gen/zitadel/filter/v2"
	managementv1 "github.com/claimsmith/claimsmith/handlers/zitadel/gen/zitadel/management/v1"
	metadatav1 "github.com/claimsmith/claimsmith/handlers/zitadel/gen/zitadel/metadata/v1"
	metadatav2 "github.com/claimsmith/claimsmith/handlers/zitadel/gen/zitadel/metadata/v2"
	userv2 "github.com/claimsmith/claimsmith/handlers/zitadel/gen/zitadel/user/v2"
	zitadelv1 "github.com/claimsmith/claimsmith/handlers/zitadel/gen/zitadel/v1"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

// What any protocol writes, every protocol reads, to the byte.
func TestZitadelValuesAreBytes(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		w := newWorld(t, b.Client)
		clients := zitadelClients(t, w.serveAll())
		all, long := make([]byte, 256), make([]byte, 500_000)
		for i := range all {
			all[i] = byte(i)
		}
		_, _ = rand.Read(long)
		values := map[string][]byte{
			"text": []byte("dark"), "umlaut": []byte("grün"), "not UTF-8": {0xff, 0x00, 0xfe}, "all": all, "long": long,
			"JSON": []byte(`{"a": [1.0, null]}`), "number": []byte("12"), "quoted": []byte(`"x"`), "control": []byte("\x00\x1f\u007f"),
			"quotes": bytes.Repeat([]byte(`"`), 500_000), "zero": {0}, "half a character": []byte("gr\xc3"), "surrogate": []byte("\xed\xa0\x80"),
		}
		ctx := as(t, adminToken, "")
		for writer, from := range clients {
			for name, value := range values {
				if _, err := from.management.SetUserMetadata(ctx, &managementv1.SetUserMetadataRequest{Id: "jane-id", Key: "k", Value: value}); err != nil {
					t.Fatalf("%s: %s: %v", writer, name, err)
				}
				for reader, by := range clients {
					got, err := by.management.GetUserMetadata(ctx, &managementv1.GetUserMetadataRequest{Id: "jane-id", Key: "k"})
					if err != nil || !bytes.Equal(got.GetMetadata().GetValue(), value) {
						t.Errorf("%s by %s, read by %s: %.40q, %v", name, writer, reader, got.GetMetadata().GetValue(), err)
					}
				}
				a := w.get("/management/v1/users/jane-id/metadata/k", adminToken).want(t, http.StatusOK)
				if !strings.Contains(a.body, `"value":"`+base64.StdEncoding.EncodeToString(value)+`"`) {
					t.Errorf("%s by %s: %.200s", name, writer, a.body)
				}
			}
			w.delete("/management/v1/users/jane-id/metadata/k", adminToken).want(t, http.StatusOK)
		}
	})
}

// A change to what is so already is none, whoever wrote it and as what.
func TestZitadelLeavesEqualEntriesAlone(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		w := newWorld(t, b.Client)
		clients := zitadelClients(t, w.serveAll())
		ctx := as(t, adminToken, "")
		const at = "/api/user/jane-id/metadata"
		w.put(at, adminToken, `{"metadata":[{"key":"list","value":[1, 2]},{"key":"text","value":"café"},
			{"key":"claim","value":"a","profileClaim":true}]}`).want(t, http.StatusOK)
		before := w.get(at, adminToken).want(t, http.StatusOK)
		for name, c := range clients {
			set := func(key, value string) *zitadelv1.ObjectDetails {
				t.Helper()
				w.clock.Advance(time.Second)
				got, err := c.management.SetUserMetadata(ctx, &managementv1.SetUserMetadataRequest{Id: "jane", Key: key, Value: []byte(value)})
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				return got.GetDetails()
			}
			first := set("list", "[1,2]")
			if second := set("list", "[1,2]"); first.GetSequence() != 1 || !proto.Equal(first, second) {
				t.Errorf("%s: %v, then %v", name, first, second)
			}
			set("text", "café")
			bulk, err := c.management.BulkSetUserMetadata(ctx, &managementv1.BulkSetUserMetadataRequest{
				Id: "jane", Metadata: []*managementv1.BulkSetUserMetadataRequest_Metadata{{Key: "claim", Value: []byte("a")}, {Key: "list", Value: []byte("[1,2]")}},
			})
			if err != nil || bulk.GetDetails().GetSequence() != 1 || !bulk.GetDetails().GetChangeDate().AsTime().Equal(first.GetChangeDate().AsTime()) {
				t.Errorf("%s: %v, %v", name, bulk, err)
			}
			both, err := c.users.SetUserMetadata(ctx, &userv2.SetUserMetadataRequest{
				UserId: "jane", Metadata: []*userv2.Metadata{{Key: "claim", Value: []byte("a")}, {Key: "nothing"}},
			})
			if err != nil || !both.GetSetDate().AsTime().Equal(first.GetChangeDate().AsTime()) {
				t.Errorf("%s: %v, %v", name, both, err)
			}
			same(t, name, w.get(at, adminToken), before)
		}
		c := clients["grpc-go"]
		w.clock.Advance(time.Second)
		changed, err := c.management.SetUserMetadata(ctx, &managementv1.SetUserMetadataRequest{Id: "jane", Key: "claim", Value: []byte("b")})
		if d := changed.GetDetails(); err != nil || d.GetSequence() != 2 || d.GetResourceOwner() != "default" ||
			!d.GetChangeDate().AsTime().After(d.GetCreationDate().AsTime()) {
			t.Errorf("%v, %v", changed, err)
		}
		if a := w.get(at+"/claim", adminToken); !strings.Contains(a.body, `"value":"b","profileClaim":true`) {
			t.Errorf("the mark: %s", a.body)
		}
		// Strings are compared as they are written.
		w.put(at+"/escaped", adminToken, `{"value":"caf\u00e9"}`).want(t, http.StatusOK)
		set := &managementv1.SetUserMetadataRequest{Id: "jane", Key: "escaped", Value: []byte("café")}
		first, err := c.management.SetUserMetadata(ctx, set)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := c.management.SetUserMetadata(ctx, set); err != nil || first.GetDetails().GetSequence() != 4 || !proto.Equal(first, again) {
			t.Errorf("%v, then %v, %v", first, again, err)
		}
	})
}

// Of one key named twice the last counts, an empty value of v2 deletes, and what is not there cannot be removed.
func TestZitadelBulk(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Embedded(t).Client)
	clients := zitadelClients(t, w.serveAll())
	ctx := as(t, adminToken, "")
	stored := func() string {
		t.Helper()
		found, err := clients["grpc-go"].users.ListUserMetadata(ctx, &userv2.ListUserMetadataRequest{UserId: "jane-id", Pagination: &filterv2.PaginationRequest{Asc: true}})
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, e := range found.GetMetadata() {
			all = append(all, e.GetKey()+"="+string(e.GetValue()))
		}
		return strings.Join(all, " ")
	}
	for name, c := range clients {
		entries := func(pairs ...string) (all []*userv2.Metadata) {
			for _, p := range pairs {
				key, value, _ := strings.Cut(p, "=")
				all = append(all, &userv2.Metadata{Key: key, Value: []byte(value)})
			}
			return all
		}
		for _, step := range []struct {
			set  []string
			want string
		}{
			{[]string{"a=1", "b=2", "a=3"}, "a=3 b=2"},
			{[]string{"a=", "c=1"}, "b=2 c=1"},
			{[]string{"b=", "b=4"}, "b=4 c=1"},
			{[]string{"c=5", "c="}, "b=4"},
			{[]string{"nothing="}, "b=4"},
		} {
			if _, err := c.users.SetUserMetadata(ctx, &userv2.SetUserMetadataRequest{UserId: "jane-id", Metadata: entries(step.set...)}); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if got := stored(); got != step.want {
				t.Errorf("%s: %v leaves %s, want %s", name, step.set, got, step.want)
			}
		}
		_, err := c.users.DeleteUserMetadata(ctx, &userv2.DeleteUserMetadataRequest{UserId: "jane-id", Keys: []string{"b", "a"}})
		if got := told(err); got != "5 One or more keys do not exist (META-2nnds)" || stored() != "b=4" {
			t.Errorf("%s: %s, %s", name, got, stored())
		}
		deleted, err := c.users.DeleteUserMetadata(ctx, &userv2.DeleteUserMetadataRequest{UserId: "jane-id", Keys: []string{"b", "b"}})
		if err != nil || deleted.GetDeletionDate().AsTime().IsZero() || stored() != "" {
			t.Errorf("%s: %v %v, %s", name, deleted, err, stored())
		}
	}
}

// Every method compares as its name says, and signs that stand for others elsewhere are themselves.
func TestZitadelSearch(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Embedded(t).Client)
	clients := zitadelClients(t, w.serveAll())
	ctx := as(t, adminToken, "")
	for _, key := range []string{"plan", "Plan B", "big plan", "50%", "a_b", "axb", "ÄRGER", "ärger"} {
		w.clock.Advance(time.Second)
		w.put("/api/user/jane-id/metadata/"+strings.NewReplacer(" ", "%20", "%", "%25").Replace(key), adminToken, `{"value":"x"}`).want(t, http.StatusOK)
	}
	for _, test := range []struct {
		method int32
		key    string
		want   string // newest first
	}{
		{0, "plan", "plan"}, {0, "PLAN", ""}, {1, "PLAN", "plan"}, {1, "ärger", "ärger, ÄRGER"},
		{2, "Plan", "Plan B"}, {3, "plan", "Plan B, plan"}, {4, "lan", "big plan, Plan B, plan"}, {4, "PLAN", ""}, {5, "PLAN", "big plan, Plan B, plan"},
		{6, "plan", "big plan, plan"}, {7, " b", "Plan B"}, {4, "%", "50%"}, {4, "_", "a_b"}, {0, "a_b", "a_b"}, {2, "%", ""}, {0, "", ""},
		{2, "", "ärger, ÄRGER, axb, a_b, 50%, big plan, Plan B, plan"},
	} {
		for name, c := range clients {
			v1, err := c.management.ListUserMetadata(ctx, &managementv1.ListUserMetadataRequest{Id: "jane-id", Queries: []*metadatav1.MetadataQuery{keyQuery(test.key, test.method)}})
			if err != nil {
				t.Fatal(err)
			}
			v2, err := c.users.ListUserMetadata(ctx, &userv2.ListUserMetadataRequest{UserId: "jane-id", Filters: []*metadatav2.MetadataSearchFilter{
				{Filter: &metadatav2.MetadataSearchFilter_KeyFilter{KeyFilter: &metadatav2.MetadataKeyFilter{Key: test.key, Method: filterv2.TextFilterMethod(test.method)}}},
			}})
			if err != nil {
				t.Fatal(err)
			}
			var first, second []string
			for _, e := range v1.GetResult() {
				first = append(first, e.GetKey())
			}
			for _, e := range v2.GetMetadata() {
				second = append(second, e.GetKey())
			}
			if got := strings.Join(first, ", "); got != test.want || v1.GetDetails().GetTotalResult() != uint64(len(first)) {
				t.Errorf("%s: v1: %d %q finds %s, want %s", name, test.method, test.key, got, test.want)
			}
			if got := strings.Join(second, ", "); got != test.want || v2.GetPagination().GetTotalResult() != uint64(len(second)) {
				t.Errorf("%s: v2: %d %q finds %s, want %s", name, test.method, test.key, got, test.want)
			}
		}
	}
	both, err := clients["grpc-go"].management.ListUserMetadata(ctx, &managementv1.ListUserMetadataRequest{
		Id: "jane-id", Queries: []*metadatav1.MetadataQuery{keyQuery("plan", 5), keyQuery("b", 3)},
	})
	if err != nil || len(both.GetResult()) != 1 || both.GetResult()[0].GetKey() != "big plan" {
		t.Errorf("both: %v, %v", both, err)
	}
}

func keyQuery(key string, method int32) *metadatav1.MetadataQuery {
	return &metadatav1.MetadataQuery{Query: &metadatav1.MetadataQuery_KeyQuery{
		KeyQuery: &metadatav1.MetadataKeyQuery{Key: key, Method: zitadelv1.TextQueryMethod(method)},
	}}
}

// Parts of lists are cut where they should be, at the limits of each version, and are as old as the last write.
func TestZitadelPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Embedded(t).Client)
	c := zitadelClients(t, w.serveAll())["grpc-go"]
	ctx := as(t, adminToken, "")
	var bulk managementv1.BulkSetUserMetadataRequest
	bulk.Id = "jane-id"
	for i := range 150 {
		bulk.Metadata = append(bulk.Metadata, &managementv1.BulkSetUserMetadataRequest_Metadata{Key: fmt.Sprintf("k%03d", i), Value: []byte("x")})
	}
	if _, err := c.management.BulkSetUserMetadata(ctx, &bulk); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		offset  uint64
		limit   uint32
		asc     bool
		v1, v2  int
		first   string
		total   uint64
		applied uint64
	}{
		{0, 0, true, 150, 100, "k000", 150, 100}, {0, 0, false, 150, 100, "k149", 150, 100}, {140, 20, true, 10, 10, "k140", 150, 20},
		{149, 1, true, 1, 1, "k149", 150, 1}, {150, 1, true, 0, 0, "", 0, 1}, {1 << 63, 1000, true, 0, 0, "", 0, 1000},
		{1<<64 - 1, 1000, false, 0, 0, "", 0, 1000}, {0, 1000, true, 150, 150, "k000", 150, 1000},
	} {
		v1, err := c.management.ListUserMetadata(ctx, &managementv1.ListUserMetadataRequest{
			Id: "jane-id", Query: &zitadelv1.ListQuery{Offset: test.offset, Limit: test.limit, Asc: test.asc},
		})
		if err != nil || len(v1.GetResult()) != test.v1 || v1.GetDetails().GetTotalResult() != test.total ||
			test.first != "" && v1.GetResult()[0].GetKey() != test.first {
			t.Errorf("v1: %+v: %d of %d, %v", test, len(v1.GetResult()), v1.GetDetails().GetTotalResult(), err)
		}
		v2, err := c.users.ListUserMetadata(ctx, &userv2.ListUserMetadataRequest{
			UserId: "jane-id", Pagination: &filterv2.PaginationRequest{Offset: test.offset, Limit: test.limit, Asc: test.asc},
		})
		if p := v2.GetPagination(); err != nil || len(v2.GetMetadata()) != test.v2 || p.GetTotalResult() != test.total || p.GetAppliedLimit() != test.applied ||
			test.first != "" && v2.GetMetadata()[0].GetKey() != test.first {
			t.Errorf("v2: %+v: %d, %v, %v", test, len(v2.GetMetadata()), p, err)
		}
	}
}
