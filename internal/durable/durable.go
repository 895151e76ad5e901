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

// Reads are commands that ride behind a script, in its round trip.
type Reads struct {
	cmds []redis.Cmder
	sent bool
}

type readsKey struct{}

// WithReads returns a context with which the next Run also sends cmds, right behind its script. They must be about the slot of the
// script's keys. A context is for one goroutine and one Run.
func WithReads(ctx context.Context, cmds ...redis.Cmder) (context.Context, *Reads) {
	reads := &Reads{cmds: cmds}
	return context.WithValue(ctx, readsKey{}, reads), reads
}

// Sent reports whether a Run has sent the commands; they have their replies or errors then.
func (r *Reads) Sent() bool { return r.sent }

// Run executes s on the node that owns keys[0]; all keys must share its slot. An error that is not a script's own reply means
// that the outcome is unknown.
func (r *Runner) Run(ctx context.Context, s *redis.Script, keys []string, args ...any) (any, error) {
	reads, _ := ctx.Value(readsKey{}).(*Reads)
	if reads != nil && reads.sent {
		reads = nil
	}
	if r.Replicas == 0 && reads == nil {
		return s.Run(ctx, r.Client, keys, args...).Result()
	}
	trip := trip{runner: r, reads: reads, send: func(p redis.Scripter) *redis.Cmd { return s.EvalSha(ctx, p, keys, args...) }}
	reply, err := trip.make(ctx, keys[0])
	if redis.HasErrorPrefix(err, "NOSCRIPT") {
		trip.send = func(p redis.Scripter) *redis.Cmd { return s.Eval(ctx, p, keys, args...) }
		reply, err = trip.make(ctx, keys[0])
	}
	return reply, err
}

// trip is one way to the server and back with a script, what rides behind it, and the demand for replicas.
type trip struct {
	runner *Runner
	reads  *Reads
	send   func(redis.Scripter) *redis.Cmd
}

func (t *trip) make(ctx context.Context, key string) (any, error) {
	reply, err := t.once(ctx, key)
	cluster, ok := t.runner.Client.(*redis.ClusterClient)
	if ok && t.runner.Replicas > 0 && (redis.HasErrorPrefix(err, "MOVED") || redis.HasErrorPrefix(err, "ASK")) {
		cluster.ReloadState(ctx) // a client of one node does not follow redirections
		reply, err = t.once(ctx, key)
	}
	return reply, err
}

func (t *trip) once(ctx context.Context, key string) (any, error) {
	client := t.runner.Client
	if cluster, ok := client.(*redis.ClusterClient); ok && t.runner.Replicas > 0 {
		node, err := cluster.MasterForKey(ctx, key) // WAIT has no key that would lead it there
		if err != nil {
			return nil, err
		}
		client = node
	}
	p := client.Pipeline()
	script := t.send(p)
	wait := redis.NewIntCmd(ctx, "wait", t.runner.Replicas, t.runner.Timeout.Milliseconds())
	if t.runner.Replicas > 0 {
		_ = p.Process(ctx, wait)
	}
	if t.reads != nil && !t.reads.sent {
		for _, cmd := range t.reads.cmds {
			_ = p.Process(ctx, cmd)
		}
	}
	if _, err := p.Exec(ctx); err != nil && script.Err() == nil && wait.Err() != nil { // what rides along has its own errors
		return nil, fmt.Errorf("waiting for replicas: %w", err)
	}
	reply, err := script.Result()
	if t.reads != nil && !redis.HasErrorPrefix(err, "NOSCRIPT") {
		t.reads.sent = true
	}
	if errors.Is(err, redis.Nil) {
		err = nil
	}
	if err == nil && wait.Val() < int64(t.runner.Replicas) {
		return nil, fmt.Errorf("%d of %d: %w", wait.Val(), t.runner.Replicas, ErrUnconfirmed)
	}
	return reply, err
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
