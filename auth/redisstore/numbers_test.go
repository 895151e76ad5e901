package redisstore_test

import (
	"context"
	"testing"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/redisstore"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

// numberFlows are of the numbers of clients.
var numberFlows = []flow{
	{
		name: "NumberClient",
		prepare: func(ctx context.Context, s *redisstore.Store, _ *world) error {
			_, err := s.NumberClient(ctx, "before")
			return err
		},
		call: func(ctx context.Context, s *redisstore.Store, _ *world) error {
			n, err := s.NumberClient(ctx, "web")
			if err == nil && n != 2 {
				return wrong("number %d", n)
			}
			return err
		},
		check: func(ctx context.Context, s *redisstore.Store, _ *world) error {
			n, err := s.NumberClient(ctx, "after")
			if err == nil && n != 3 {
				return wrong("the one after has number %d", n)
			}
			return err
		},
	},
	{
		name: "NumberedClient",
		prepare: func(ctx context.Context, s *redisstore.Store, _ *world) error {
			_, err := s.NumberClient(ctx, "web")
			return err
		},
		call: func(ctx context.Context, s *redisstore.Store, _ *world) error {
			id, err := s.NumberedClient(ctx, 1)
			if err == nil && id != "web" {
				return wrong("number 1 is that of %q", id)
			}
			return err
		},
	},
}

func TestNumbersStayAndOutliveTheirClients(t *testing.T) {
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		s := open(b.Client)
		w := newWorld(t, s)
		if n, err := s.NumberClient(t.Context(), "web"); err != nil || n != 1 {
			t.Fatalf("the first number is %d (%v)", n, err)
		}
		if ttl := b.TTLs(t)[space.ClientNumbers()]; ttl != -1 {
			t.Errorf("the numbers last %v", ttl)
		}
		if err := s.DeleteClient(t.Context(), w.client); err != nil {
			t.Fatal(err)
		}
		if n, err := s.NumberClient(t.Context(), "other"); err != nil || n != 2 {
			t.Errorf("after a deletion the next number is %d (%v)", n, err)
		}
		if n, err := s.NumberClient(t.Context(), "web"); err != nil || n != 1 {
			t.Errorf("an id that is back has number %d (%v)", n, err)
		}
	})
}

func TestDamagedNumbersAreUnavailable(t *testing.T) {
	c := redistest.Embedded(t).Client
	s := open(c)
	c.HSet(t.Context(), space.ClientNumbers(), "id:web", "strange")
	if n, err := s.NumberClient(t.Context(), "web"); auth.CodeOf(err) != auth.Unavailable {
		t.Errorf("a strange number is %d (%v)", n, err)
	}
}
