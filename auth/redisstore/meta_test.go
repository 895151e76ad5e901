package redisstore_test

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/claimsmith/claimsmith/auth/redisstore"
	"github.com/claimsmith/claimsmith/internal/durable"
	"github.com/claimsmith/claimsmith/internal/keyspace"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

func TestInstallation(t *testing.T) {
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		r := &durable.Runner{Client: b.Client}
		if _, err := redisstore.Open(t.Context(), b.Client); !errors.Is(err, redisstore.ErrNotInitialised) {
			t.Fatalf("opening an empty server: %v, want ErrNotInitialised", err)
		}
		for _, partitions := range []int{0, -1, 16385} {
			if _, err := redisstore.Initialise(t.Context(), r, partitions); err == nil {
				t.Errorf("initialised with %d partitions", partitions)
			}
		}
		// Whoever is first decides, for all and for good.
		var all sync.WaitGroup
		counts := make([]int, 8)
		for i := range counts {
			all.Go(func() {
				s, err := redisstore.Initialise(t.Context(), r, 16+i)
				if err != nil {
					t.Error(err)
				}
				counts[i] = s.Partitions()
			})
		}
		all.Wait()
		s, err := redisstore.Open(t.Context(), b.Client)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range counts {
			if n != s.Partitions() || n < 16 {
				t.Errorf("%v partitions were answered, %d are stored", counts, s.Partitions())
				break
			}
		}
	})
}

func TestDamagedInstallation(t *testing.T) {
	c := redistest.Embedded(t).Client
	for _, facts := range []map[string]string{
		{"partitions": "256"}, {"schema": "2"}, {"partitions": "256", "schema": "3"}, {"partitions": "0", "schema": "2"},
		{"partitions": "x", "schema": "2"}, {"partitions": "99999", "schema": "2"},
	} {
		c.Del(t.Context(), keyspace.Meta)
		if err := c.HSet(t.Context(), keyspace.Meta, facts).Err(); err != nil {
			t.Fatal(err)
		}
		if s, err := redisstore.Open(t.Context(), c); err == nil || errors.Is(err, redisstore.ErrNotInitialised) {
			t.Errorf("%v opened as %v (%v)", facts, s, err)
		}
		if s, err := redisstore.Initialise(t.Context(), &durable.Runner{Client: c}, 256); err == nil {
			t.Errorf("%v initialised as %v", facts, s)
		}
	}
}

// Before documents told when they were created, their headers were another format.
func TestDataOfAnotherFormatIsNotOpened(t *testing.T) {
	c := redistest.Embedded(t).Client
	if err := c.HSet(t.Context(), keyspace.Meta, "partitions", 256, "schema", 1).Err(); err != nil {
		t.Fatal(err)
	}
	_, opened := redisstore.Open(t.Context(), c)
	_, initialised := redisstore.Initialise(t.Context(), &durable.Runner{Client: c}, 256)
	for _, err := range []error{opened, initialised} {
		if err == nil || !strings.Contains(err.Error(), `format "1"`) || !strings.Contains(err.Error(), "format 2 alone") {
			t.Errorf("data of the first format: %v", err)
		}
	}
}
