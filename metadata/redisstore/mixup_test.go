package redisstore_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/claimsmith/claimsmith/internal/redistest"
	"github.com/claimsmith/claimsmith/metadata"
	"github.com/claimsmith/claimsmith/metadata/storetest"
)

// However many calls are cut off in the middle of their answers, no other call is given what is left of them (row R-06).
func TestAnswersAreNeverMixedUp(t *testing.T) {
	const readers, reads = 64, 150
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		store, users := open(b.Client)
		owners := make([]metadata.Owner, readers)
		for n := range owners {
			owners[n] = member(t, users)
			if _, err := store.Apply(t.Context(), owners[n], numbered(n, "mine")); err != nil {
				t.Fatal(err)
			}
		}
		var running sync.WaitGroup
		answered := make([]int, readers)
		for n, o := range owners {
			running.Go(func() {
				for range reads {
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rand.IntN(3000))*time.Microsecond)
					doc, docErr := store.Get(ctx, o)
					claims, claimsErr := storetest.Claims(ctx, store, o.Org, o.User, "")
					cancel()
					if docErr == nil && (len(doc.Entries) != 1 || doc.Entries[0].Value != value(n)) {
						t.Errorf("user %d got the document %v", n, doc)
					}
					if claimsErr == nil && (len(claims.User) != 1 || claims.User[0].JSON != value(n).Raw()) {
						t.Errorf("user %d got the claims %v", n, claims)
					}
					if docErr == nil {
						answered[n]++
					}
				}
			})
		}
		running.Wait()
		total := 0
		for _, n := range answered {
			total += n
		}
		t.Logf("%d of %d reads were answered before their deadline", total, readers*reads)
	})
}
