package redisstore_test

import (
	"strconv"
	"testing"

	"github.com/claimsmith/claimsmith/internal/redistest"
	"github.com/claimsmith/claimsmith/metadata"
	"github.com/claimsmith/claimsmith/metadata/redisstore"
	"github.com/claimsmith/claimsmith/metadata/storetest"
)

// benchmark runs do on a user with the entries of profile and an application's claim, on a real server.
func benchmark(b *testing.B, do func(store *redisstore.Store, o metadata.Owner, n int) error) {
	store, users := open(redistest.NewClient(b, redistest.Server(b, "--hash-max-listpack-value", "512").Addr()))
	o := member(b, users)
	app := o
	app.App = "app"
	p := numbered(0)
	p.Set = profile
	for _, owner := range []metadata.Owner{o, app} {
		if _, err := store.Apply(b.Context(), owner, p); err != nil {
			b.Fatal(err)
		}
		p.Set = p.Set[:1]
	}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n++
		if err := do(store, o, n); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkApply(b *testing.B) {
	benchmark(b, func(store *redisstore.Store, o metadata.Owner, n int) error {
		p := numbered(n, "user-theme")
		p.Op = strconv.Itoa(n)
		_, err := store.Apply(b.Context(), o, p)
		return err
	})
}

func BenchmarkGet(b *testing.B) {
	benchmark(b, func(store *redisstore.Store, o metadata.Owner, _ int) error {
		_, err := store.Get(b.Context(), o)
		return err
	})
}

func BenchmarkProfileClaims(b *testing.B) {
	for name, app := range map[string]string{"user": "", "user and application": "app"} {
		b.Run(name, func(b *testing.B) {
			benchmark(b, func(store *redisstore.Store, o metadata.Owner, _ int) error {
				_, err := storetest.Claims(b.Context(), store, o.Org, o.User, app)
				return err
			})
		})
	}
}
