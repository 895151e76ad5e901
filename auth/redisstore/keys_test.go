package redisstore_test

import (
	"errors"
	"testing"
	"time"

	"github.com/claimsmith/claimsmith/auth/keys"
	"github.com/claimsmith/claimsmith/auth/keys/keystest"
	"github.com/claimsmith/claimsmith/auth/redisstore"
	"github.com/claimsmith/claimsmith/internal/durable"
	"github.com/claimsmith/claimsmith/internal/keyspace"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

var _ keys.Store = (*redisstore.Keys)(nil)

func keysOf(b redistest.Backend) *redisstore.Keys {
	return redisstore.NewKeys(&durable.Runner{Client: b.Client}, keyspace.New(keyspace.DefaultPartitions))
}

func TestKeys(t *testing.T) {
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		keystest.Test(t, func(t *testing.T) keys.Store {
			if err := b.Client.Del(t.Context(), keyspace.New(keyspace.DefaultPartitions).Keys()).Err(); err != nil {
				t.Fatal(err)
			}
			return keysOf(b)
		})
	})
}

func TestKeysHaveNoExpiry(t *testing.T) {
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		if err := keysOf(b).Save(t.Context(), keys.State{Records: []keys.Record{{ID: "a"}}}, "OP"); err != nil {
			t.Fatal(err)
		}
		for name, ttl := range b.TTLs(t) {
			if ttl != -1 {
				t.Errorf("%s expires in %v", name, ttl)
			}
		}
	})
}

func TestDamagedKeysAreNeverTheZeroState(t *testing.T) {
	good := map[string]string{"v": "1", "s": `[]`, "op": "OP"}
	damaged := map[string]map[string]string{
		"no version":       {"v": ""},
		"version zero":     {"v": "0"},
		"negative version": {"v": "-1"},
		"version of text":  {"v": "x"},
		"no records":       {"s": ""},
		"half a document":  {"s": `[{"id":"a"`},
		"unknown member":   {"s": `[{"id":"a","priv":1}]`},
		"member twice":     {"s": `[{"id":"a","id":"b"}]`},
		"other case":       {"s": `[{"ID":"a"}]`},
		"not a list":       {"s": `{}`},
		"trailing data":    {"s": `[][]`},
		"not base64":       {"s": `[{"sealed":"?"}]`},
		"not a time":       {"s": `[{"createdAt":1}]`},
		"not UTF-8":        {"s": "[{\"id\":\"\xff\"}]"},
	}
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		key := keyspace.New(keyspace.DefaultPartitions).Keys()
		store := keysOf(b)
		for name, fields := range damaged {
			if err := b.Client.Del(t.Context(), key).Err(); err != nil {
				t.Fatal(err)
			}
			for f, v := range good {
				if d, ok := fields[f]; ok {
					v = d
				}
				if v != "" {
					b.Client.HSet(t.Context(), key, f, v)
				}
			}
			if state, err := store.Load(t.Context()); !errors.Is(err, keys.ErrCorrupt) {
				t.Errorf("%s: Load = %+v, %v, want ErrCorrupt", name, state, err)
			}
			if fields["v"] != "" || fields["s"] != "" {
				continue
			}
			if err := store.Save(t.Context(), keys.State{}, "NEW"); !errors.Is(err, keys.ErrConflict) {
				t.Errorf("%s: Save as if there were nothing = %v, want ErrConflict", name, err)
			}
		}
	})
}

func TestKeysOfAnotherTypeAreUnavailable(t *testing.T) {
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		b.Client.Set(t.Context(), keyspace.New(keyspace.DefaultPartitions).Keys(), "text", 0)
		if _, err := keysOf(b).Load(t.Context()); !errors.Is(err, keys.ErrUnavailable) {
			t.Errorf("Load = %v, want ErrUnavailable", err)
		}
		if err := keysOf(b).Save(t.Context(), keys.State{}, "OP"); !errors.Is(err, keys.ErrUnavailable) {
			t.Errorf("Save = %v, want ErrUnavailable", err)
		}
	})
}

// FuzzKeysState: no stored text makes loading or opening panic, and none but a sealed one gives a usable key.
func FuzzKeysState(f *testing.F) {
	f.Add("1", `[]`)
	f.Add("1", `[{"id":"a","alg":"ES256","sealed":"AQ==","createdAt":"2026-08-01T12:00:00Z","activatesAt":"2026-08-01T12:00:00Z"}]`)
	f.Add("2", `[{"id":"a","alg":"ES256","createdAt":"2026-08-01T12:00:00Z","activatesAt":"2026-08-01T12:00:00Z",`+
		`"retiresAt":"2026-08-01T12:00:00Z","expiresAt":"2026-08-01T12:10:00Z","withdrawn":true}]`)
	sealer, err := keys.NewSealer(make([]byte, keys.KEKSize))
	if err != nil {
		f.Fatal(err)
	}
	now := time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, version, records string) {
		state, err := redisstore.ParseKeys(map[string]string{"v": version, "s": records})
		if err != nil {
			if !errors.Is(err, keys.ErrCorrupt) || state.Records != nil {
				t.Fatalf("ParseKeys = %+v, %v", state, err)
			}
			return
		}
		state.List(now)
		set, err := keys.Open(state, sealer)
		if err != nil {
			if set != nil {
				t.Fatal("a set with an error")
			}
			return
		}
		if jwks := string(set.JWKS(now)); jwks != `{"keys":[]}` {
			t.Fatalf("a key out of nothing: %s", jwks)
		}
	})
}
