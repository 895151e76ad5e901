// Package durable owns how a mutation reaches Redis: as one static script, and, where the operator demands it, acknowledged
// by replicas before the caller hears of success.
//
// The client may send a script again when its reply was lost, so every script run here must be safe to repeat: it remembers
// the operation id it was given, or repeating it changes nothing.
package durable

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// ErrUnconfirmed means that a script ran, but fewer replicas than demanded confirmed it in time. The write may or may not
// survive a failover; repeating the operation is safe.
var ErrUnconfirmed = errors.New("too few replicas confirmed the write")

// Runner runs mutation scripts. It is safe for concurrent use.
type Runner struct {
	Client redis.UniversalClient
	// Replicas that must confirm a write before it counts; 0 leaves it to the primary alone. The count is taken by WAIT in the
	// same pipeline, since WAIT speaks only of its own connection's writes.
	Replicas int
	// Timeout is how long to wait for them.
	Timeout time.Duration
}

// Run executes s on the node that owns keys[0]; all keys must share its slot. An error that is not a script's own reply means
// that the outcome is unknown.
func (r *Runner) Run(ctx context.Context, s *redis.Script, keys []string, args ...any) (any, error) {
	if r.Replicas == 0 {
		return s.Run(ctx, r.Client, keys, args...).Result()
	}
	reply, err := r.runAndWait(ctx, s, keys, args)
	cluster, ok := r.Client.(*redis.ClusterClient)
	if ok && (redis.HasErrorPrefix(err, "MOVED") || redis.HasErrorPrefix(err, "ASK")) {
		cluster.ReloadState(ctx)
		reply, err = r.runAndWait(ctx, s, keys, args)
	}
	return reply, err
}

func (r *Runner) runAndWait(ctx context.Context, s *redis.Script, keys []string, args []any) (any, error) {
	node, err := r.node(ctx, keys[0])
	if err != nil {
		return nil, err
	}
	reply, confirmed, err := r.pipeline(ctx, node, func(p redis.Pipeliner) *redis.Cmd { return s.EvalSha(ctx, p, keys, args...) })
	if redis.HasErrorPrefix(err, "NOSCRIPT") {
		reply, confirmed, err = r.pipeline(ctx, node, func(p redis.Pipeliner) *redis.Cmd { return s.Eval(ctx, p, keys, args...) })
	}
	if err != nil {
		return nil, err
	}
	if confirmed < int64(r.Replicas) {
		return nil, fmt.Errorf("%d of %d: %w", confirmed, r.Replicas, ErrUnconfirmed)
	}
	return reply, nil
}

func (r *Runner) node(ctx context.Context, key string) (redis.UniversalClient, error) {
	if cluster, ok := r.Client.(*redis.ClusterClient); ok {
		return cluster.MasterForKey(ctx, key)
	}
	return r.Client, nil
}

func (r *Runner) pipeline(ctx context.Context, node redis.UniversalClient, run func(redis.Pipeliner) *redis.Cmd) (any, int64, error) {
	p := node.Pipeline()
	script := run(p)
	wait := redis.NewIntCmd(ctx, "wait", r.Replicas, r.Timeout.Milliseconds())
	_ = p.Process(ctx, wait)
	if _, err := p.Exec(ctx); err != nil && script.Err() == nil && wait.Err() != nil {
		return nil, 0, fmt.Errorf("waiting for replicas: %w", err)
	}
	reply, err := script.Result()
	if errors.Is(err, redis.Nil) {
		err = nil
	}
	return reply, wait.Val(), err
}

// Verdict splits an error that the server replied with into its first word and the rest. A caller recognises the words of its
// own scripts, which change nothing when they refuse; any other word (OOM, READONLY, LOADING …) is an unknown outcome like a
// broken connection. Scripts give their errors two words or more, as Redis puts ERR in front of a single one.
func Verdict(err error) (word, rest string, ok bool) {
	var reply redis.Error
	if err == nil || errors.Is(err, redis.Nil) || !errors.As(err, &reply) {
		return "", "", false
	}
	word, rest, found := strings.Cut(reply.Error(), " ")
	return word, rest, found
}
