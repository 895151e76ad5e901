package redisstore_test

import (
	"fmt"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/claimsmith/claimsmith/internal/redistest"
	"github.com/claimsmith/claimsmith/metadata"
	"github.com/claimsmith/claimsmith/metadata/storetest"
)

// BenchmarkSearch searches 100,000 users, of whom every 50th has the plan gold, and half are in a group.
func BenchmarkSearch(b *testing.B) {
	const users, hits = 100_000, 2_000
	client := redistest.NewClient(b, redistest.Server(b).Addr())
	store, _ := open(client)
	for from := 0; from < users; from += 1000 {
		_, err := client.Pipelined(b.Context(), func(pipe redis.Pipeliner) error {
			for i := from; i < from+1000; i++ {
				id, plan := fmt.Sprintf("%026d", i), "free"
				if i%(users/hits) == 0 {
					plan = "gold"
				}
				partition := space.Partition(id)
				pipe.HSet(b.Context(), space.User(id), "st", "active", "o:acme", "1")
				pipe.ZAdd(b.Context(), space.UsersOf(partition, "acme"), redis.Z{Member: id})
				members := []redis.Z{{Member: "k\x00plan\x00\"" + plan + "\x00" + id}, {Member: fmt.Sprintf("k\x00seats\x00%d\x00%s", i%7, id)}}
				if i%2 == 0 {
					members = append(members, redis.Z{Member: "g\x00staff\x00" + id})
				}
				pipe.ZAdd(b.Context(), space.Index(partition, "acme"), members...)
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	plan := func(name string) metadata.Query {
		term := metadata.TermOf(metadata.Restore(metadata.KindJSON, `"`+name+`"`))
		return metadata.Query{Has: &metadata.Match{Key: "plan", Equals: &term}}
	}
	one, gold, free := metadata.TermOf(value(1)), plan("gold"), plan("free")
	for _, test := range []struct {
		name  string
		query metadata.Query
		limit int
		want  int
	}{
		{"2000 hits", gold, hits, hits},
		{"first 100 of 2000", gold, 100, 100},
		{"first 100 of 98000", free, 100, 100},
		{"nobody", plan("none"), 100, 0},
		{"one in two groups of conditions", metadata.Query{All: []metadata.Query{
			gold, {Any: []metadata.Query{{Has: &metadata.Match{Key: "seats", Equals: &one}}, {Group: "staff"}}},
		}}, hits, hits},
		{"2000 that are not", metadata.Query{Not: &free}, hits, hits},
	} {
		b.Run(test.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				found, _, err := store.Search(b.Context(), "acme", test.query, metadata.Page{Limit: test.limit})
				if err != nil || len(found) != test.want {
					b.Fatalf("found %d, want %d: %v", len(found), test.want, err)
				}
			}
		})
	}
}

// What is looked for in vain costs few round trips, and so does what is found at once.
func TestRoundTripsOfSearches(t *testing.T) {
	b := redistest.Embedded(t)
	store, users := open(b.Client)
	org := users.NewOrg(t)
	var counter trips
	b.Client.AddHook(&counter)
	search := func(most int, q metadata.Query) {
		t.Helper()
		counter.n = 0
		if _, _, err := store.Search(t.Context(), org, q, metadata.Page{Limit: 10}); err != nil || counter.n > most {
			t.Errorf("%+v: %d round trips, want %d (%v)", q, counter.n, most, err)
		}
	}
	none := metadata.Query{Has: &metadata.Match{Key: "plan"}}
	search(3, none)
	search(4, metadata.Query{Not: &none})
	for range 300 {
		users.New(t, storetest.User{Orgs: []string{org}})
	}
	search(2, metadata.Query{Not: &none})
	counter.n = 0
	if _, err := store.Scheme(t.Context(), org); err != nil || counter.n != 1 {
		t.Errorf("Scheme: %d round trips, %v", counter.n, err)
	}
}
