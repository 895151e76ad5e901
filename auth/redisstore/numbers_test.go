package redisstore_test

import (
	"context"
	"testing"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/redisstore"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

// janesNumber is the first one of her partition, and neighbour another one in it.
var (
	janesNumber = uint64(fewPartitions.Partitions() + fewPartitions.Partition("jane"))
	neighbour   = func() string {
		id := "jane"
		for id == "jane" || fewPartitions.Partition(id) != fewPartitions.Partition("jane") {
			id += "x"
		}
		return id
	}()
)

// numberFlows are of the numbers of clients and of users.
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
	{
		name: "NumberUser",
		call: func(ctx context.Context, s *redisstore.Store, _ *world) error {
			n, err := s.NumberUser(ctx, "jane")
			if err == nil && n != janesNumber {
				return wrong("number %d", n)
			}
			return err
		},
		check: func(ctx context.Context, s *redisstore.Store, _ *world) error {
			if _, err := s.PutUser(ctx, auth.User{ID: neighbour, Orgs: []string{"acme"}}, nil, nil, "neighbour"); err != nil {
				return err
			}
			n, err := s.NumberUser(ctx, neighbour)
			if err == nil && n != janesNumber+uint64(fewPartitions.Partitions()) {
				return wrong("the next one of the partition has number %d", n)
			}
			return err
		},
	},
	{
		name: "NumberedUser",
		prepare: func(ctx context.Context, s *redisstore.Store, _ *world) error {
			_, err := s.NumberUser(ctx, "jane")
			return err
		},
		call: func(ctx context.Context, s *redisstore.Store, _ *world) error {
			id, err := s.NumberedUser(ctx, janesNumber)
			if err == nil && id != "jane" {
				return wrong("her number is that of %q", id)
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
	newWorld(t, s)
	c.HSet(t.Context(), space.User("jane"), "no", "strange")
	if n, err := s.NumberUser(t.Context(), "jane"); auth.CodeOf(err) != auth.Unavailable {
		t.Errorf("a strange number of a user is %d (%v)", n, err)
	}
}
