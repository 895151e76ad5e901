package redisstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
)

// Requirements are what an operator demands of the Redis servers.
type Requirements struct {
	// Durable servers must keep an append-only file; otherwise a server without one is only warned of.
	Durable bool
	// Replicas that must confirm a write.
	Replicas int
}

// Findings are what CheckServer found, sentences that begin with the server's address. Because of a fault the server may lose or
// refuse what it is given, so the program should not serve; a warning is for the operator to weigh.
type Findings struct{ Faults, Warnings []string }

// CheckServer examines every primary: its role, whether it still loads, what it evicts, what it keeps on disk, its version.
// Settings change while servers run, so it belongs in readiness as well as at the start. It needs the right to INFO; the one setting
// INFO does not tell takes the right to CONFIG GET, and without that a warning says so. An error means that a server could not be
// asked. miniredis answers none of this and is not to be checked.
func CheckServer(ctx context.Context, c redis.UniversalClient, r Requirements) (Findings, error) {
	var mu sync.Mutex // ForEachMaster is concurrent
	var all Findings
	check := func(ctx context.Context, node *redis.Client) error {
		s, err := inspect(ctx, node)
		if err != nil {
			return fmt.Errorf("check redis at %s: %w", node.Options().Addr, err)
		}
		mu.Lock()
		defer mu.Unlock()
		s.judge(r, &all)
		return nil
	}
	var err error
	switch c := c.(type) {
	case *redis.ClusterClient:
		err = c.ForEachMaster(ctx, check)
	case *redis.Client:
		err = check(ctx, c)
	default:
		err = fmt.Errorf("check redis: no topology is known for a %T", c)
	}
	if err != nil {
		return Findings{}, err
	}
	slices.Sort(all.Faults)
	slices.Sort(all.Warnings)
	return all, nil
}

// server is what one server tells about itself.
type server struct {
	addr  string
	info  map[string]string
	fsync string // "" where it would not tell
}

func inspect(ctx context.Context, node *redis.Client) (server, error) {
	text, err := node.Info(ctx).Result()
	if err != nil {
		return server{}, err
	}
	s := server{addr: node.Options().Addr, info: make(map[string]string)}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			s.info[name] = value
		}
	}
	var refusal redis.Error
	config, err := node.ConfigGet(ctx, "appendfsync").Result()
	if err != nil && !errors.As(err, &refusal) {
		return server{}, err
	}
	s.fsync = config["appendfsync"]
	return s, nil
}

func (s server) number(name string) int64 {
	n, _ := strconv.ParseInt(s.info[name], 10, 64)
	return n
}

// judge adds what is to be said about s.
func (s server) judge(r Requirements, all *Findings) {
	say := func(list *[]string, format string, args ...any) {
		*list = append(*list, s.addr+": "+fmt.Sprintf(format, args...))
	}
	if role := s.info["role"]; role != "master" {
		say(&all.Faults, "the server's role is %q, not master", role)
	}
	if s.info["loading"] != "0" {
		say(&all.Faults, "the server is still loading its data")
	}

	limit, used := s.number("maxmemory"), s.number("used_memory")
	if policy := s.info["maxmemory_policy"]; policy != "noeviction" {
		say(&all.Faults, "maxmemory-policy is %s, must be noeviction: users, keys and revocations would vanish", policy)
	}
	switch {
	case limit == 0:
		say(&all.Warnings, "maxmemory is 0: without a limit the system may kill the server when memory ends")
	case used > limit/10*8:
		say(&all.Warnings, "%d %% of maxmemory are used", used*100/limit)
	}

	switch {
	case s.info["aof_enabled"] != "1" && r.Durable:
		say(&all.Faults, "appendonly is off: what was acknowledged is lost with the process")
	case s.info["aof_enabled"] != "1":
		say(&all.Warnings, "appendonly is off: what was acknowledged is lost with the process")
	case s.info["aof_last_write_status"] != "ok":
		say(&all.Faults, "the last write to the append-only file failed: %s", s.info["aof_last_write_status"])
	case s.fsync == "":
		say(&all.Warnings, "appendfsync is unknown, CONFIG GET is not allowed: attest that it is always")
	case s.fsync != "always":
		say(&all.Warnings, "appendfsync is %s: a power cut can undo the last seconds", s.fsync)
	}

	if replicas := s.number("connected_slaves"); replicas < int64(r.Replicas) {
		say(&all.Warnings, "%d replicas are connected, %d must confirm each write", replicas, r.Replicas)
	}
	if name := s.info["server_name"]; name != "" && name != "redis" {
		say(&all.Warnings, "the server is %s %s: make sure that it has the fixes of its Lua sandbox", name, s.info[name+"_version"])
	} else if version := s.info["redis_version"]; !patched(version) {
		say(&all.Warnings, "version %s lacks fixes of the Lua sandbox unless its distributor added them", version)
	}
}

// patchedFrom is the first release of each line with all known fixes of the Lua sandbox, up to those of August 2026. Lines that are not
// here are older, and end before the fixes, or newer, and begin with them.
var patchedFrom = map[[2]int]int{{7, 4}: 11, {8, 2}: 9, {8, 4}: 6, {8, 6}: 6, {8, 8}: 2, {8, 10}: 1}

func patched(version string) bool {
	var major, minor, patch int
	if n, err := fmt.Sscanf(version, "%d.%d.%d", &major, &minor, &patch); n != 3 || err != nil {
		return false
	}
	if from, ok := patchedFrom[[2]int{major, minor}]; ok {
		return patch >= from
	}
	return major > 8 || major == 8 && minor > 10
}
