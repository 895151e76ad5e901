package redisstore_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/redisstore"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

func benchmark(b *testing.B, run func(b *testing.B, s *redisstore.Store, f auth.Family)) {
	s := open(redistest.NewClient(b, redistest.Server(b).Addr()))
	now := time.Now()
	u := auth.User{
		ID: "01jd3k5v8w9x2y4z6a7b8c9d0e", Username: "jane.doe", Email: "jane@example.com", EmailVerified: true, Orgs: []string{"acme"},
		CreatedAt: now, UpdatedAt: now,
	}
	password := "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g"
	if _, err := s.PutUser(b.Context(), u, &password, nil, "op"); err != nil {
		b.Fatal(err)
	}
	f := auth.Family{
		FamilyRef: auth.FamilyRef{User: u.ID, Org: "acme", ID: "F1"}, Client: "web", Scope: "openid profile", AuthTime: now,
		AMR: []string{"pwd"}, ExpiresAt: now.Add(time.Hour), Generation: 1,
	}
	if err := s.CreateFamily(b.Context(), f, []byte("0"), f.ExpiresAt, 100); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	run(b, s, f)
}

func BenchmarkUser(b *testing.B) {
	benchmark(b, func(b *testing.B, s *redisstore.Store, f auth.Family) {
		for b.Loop() {
			if _, _, err := s.User(b.Context(), f.User); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkLive(b *testing.B) {
	benchmark(b, func(b *testing.B, s *redisstore.Store, f auth.Family) {
		for b.Loop() {
			if live, _, err := s.Live(b.Context(), f.FamilyRef, "01JD3K5V8W9X2Y4Z"); err != nil || !live {
				b.Fatal(live, err)
			}
		}
	})
}

func BenchmarkRotate(b *testing.B) {
	benchmark(b, func(b *testing.B, s *redisstore.Store, f auth.Family) {
		now := time.Now()
		for n := 0; b.Loop(); n++ {
			_, err := s.Rotate(b.Context(), f.FamilyRef, auth.Rotation{
				Client: "web", Presented: []byte(strconv.Itoa(n)), Generation: uint64(n + 1), Successor: []byte(strconv.Itoa(n + 1)),
				Wrapped: make([]byte, 24), Now: now, Grace: 30 * time.Second, IdleUntil: f.ExpiresAt,
			})
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}

// A single round trip, to compare with.
func BenchmarkPing(b *testing.B) {
	c := redistest.NewClient(b, redistest.Server(b).Addr())
	b.ReportAllocs()
	for b.Loop() {
		if err := c.Ping(b.Context()).Err(); err != nil {
			b.Fatal(err)
		}
	}
}
