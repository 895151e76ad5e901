package redisstore

import (
	"context"
	_ "embed"
	"fmt"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/redis/go-redis/v9"

	"github.com/claimsmith/claimsmith/auth/keys"
	"github.com/claimsmith/claimsmith/internal/durable"
	"github.com/claimsmith/claimsmith/internal/keyspace"
)

//go:embed keys.lua
var keysLua string

var saveKeys = redis.NewScript(keysLua)

// Keys keeps the signing keys in one hash. It implements keys.Store.
type Keys struct {
	runner *durable.Runner
	key    string
}

// NewKeys returns the store of the signing keys of an installation.
func NewKeys(r *durable.Runner, s keyspace.Space) *Keys { return &Keys{runner: r, key: s.Keys()} }

// Load implements keys.Store. It reads from the primary.
func (k *Keys) Load(ctx context.Context) (keys.State, error) {
	fields, err := k.runner.Client.HGetAll(ctx, k.key).Result()
	if err != nil {
		return keys.State{}, fmt.Errorf("loading signing keys: %w: %w", keys.ErrUnavailable, err)
	}
	state, err := parseKeys(fields)
	if err != nil {
		return keys.State{}, fmt.Errorf("loading signing keys: %w", err)
	}
	return state, nil
}

// parseKeys reads the fields of the hash. Anything Save would not have written is keys.ErrCorrupt.
func parseKeys(fields map[string]string) (keys.State, error) {
	if len(fields) == 0 {
		return keys.State{}, nil
	}
	version, err := strconv.ParseUint(fields["v"], 10, 64)
	if err != nil || version == 0 {
		return keys.State{}, fmt.Errorf("%w: version %q", keys.ErrCorrupt, fields["v"])
	}
	state := keys.State{Version: version}
	if err := json.Unmarshal([]byte(fields["s"]), &state.Records, json.RejectUnknownMembers(true)); err != nil {
		return keys.State{}, fmt.Errorf("%w: %w", keys.ErrCorrupt, err)
	}
	return state, nil
}

// Save implements keys.Store.
func (k *Keys) Save(ctx context.Context, s keys.State, op string) error {
	records, err := json.Marshal(s.Records)
	if err != nil {
		return fmt.Errorf("saving signing keys: %w", err)
	}
	_, err = k.runner.Run(ctx, saveKeys, []string{k.key},
		strconv.FormatUint(s.Version, 10), strconv.FormatUint(s.Version+1, 10), op, records)
	switch word, _, _ := durable.Verdict(err); {
	case err == nil:
		return nil
	case word == "CONFLICT":
		return fmt.Errorf("saving signing keys: %w", keys.ErrConflict)
	default:
		return fmt.Errorf("saving signing keys: %w: %w", keys.ErrUnavailable, err)
	}
}
