package durable

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"
)

// Call is one run of a script. All keys share a slot; there is at least one.
type Call struct {
	Keys []string
	Args []any
}

// callsAtOnce bounds a pipeline.
const callsAtOnce = 512

// RunAll runs s for every call and returns the replies in their order. It takes a few round trips for hundreds of calls, of which some may
// have run when it fails.
func (r *Runner) RunAll(ctx context.Context, s *redis.Script, calls []Call) ([]any, error) {
	replies := make([]any, len(calls))
	for from := 0; from < len(calls); from += callsAtOnce {
		b := batch{runner: r, script: s, calls: calls[from:min(from+callsAtOnce, len(calls))], replies: replies[from:]}
		if err := b.run(ctx); err != nil {
			return nil, err
		}
	}
	return replies, nil
}

type batch struct {
	runner  *Runner
	script  *redis.Script
	calls   []Call
	replies []any
}

func (b *batch) run(ctx context.Context) error {
	pending := make([]int, len(b.calls))
	for i := range pending {
		pending[i] = i
	}
	cluster, ok := b.runner.Client.(*redis.ClusterClient)
	if !ok || b.runner.Replicas == 0 {
		return b.on(ctx, b.runner.Client, pending)
	}
	err := b.perNode(ctx, cluster, pending)
	if redis.HasErrorPrefix(err, "MOVED") || redis.HasErrorPrefix(err, "ASK") {
		cluster.ReloadState(ctx) // a client of one node does not follow redirections
		err = b.perNode(ctx, cluster, pending)
	}
	return err
}

// perNode gives every node its calls, for WAIT has no key that would lead it there.
func (b *batch) perNode(ctx context.Context, cluster *redis.ClusterClient, pending []int) error {
	shares := make(map[*redis.Client][]int)
	for _, i := range pending {
		node, err := cluster.MasterForKey(ctx, b.calls[i].Keys[0])
		if err != nil {
			return err
		}
		shares[node] = append(shares[node], i)
	}
	for node, share := range shares {
		if err := b.on(ctx, node, share); err != nil {
			return err
		}
	}
	return nil
}

// on sends calls through one client, those of a script that a server does not know a second time, with its text.
func (b *batch) on(ctx context.Context, client redis.UniversalClient, pending []int) error {
	unknown, err := b.send(ctx, client, pending, b.script.EvalSha)
	if err == nil && len(unknown) > 0 {
		if unknown, err = b.send(ctx, client, unknown, b.script.Eval); err == nil && len(unknown) > 0 {
			err = errors.New("the server does not know a script it was just given")
		}
	}
	return err
}

type sender func(ctx context.Context, c redis.Scripter, keys []string, args ...any) *redis.Cmd

func (b *batch) send(ctx context.Context, client redis.UniversalClient, pending []int, by sender) (unknown []int, err error) {
	p := client.Pipeline()
	cmds := make([]*redis.Cmd, len(pending))
	for at, i := range pending {
		cmds[at] = by(ctx, p, b.calls[i].Keys, b.calls[i].Args...)
	}
	replicas := b.runner.Replicas
	wait := redis.NewIntCmd(ctx, "wait", replicas, b.runner.Timeout.Milliseconds())
	if replicas > 0 {
		_ = p.Process(ctx, wait)
	}
	_, _ = p.Exec(ctx) // every command has its own error
	for at, i := range pending {
		reply, err := cmds[at].Result()
		switch {
		case redis.HasErrorPrefix(err, "NOSCRIPT"):
			unknown = append(unknown, i)
		case err != nil && !errors.Is(err, redis.Nil):
			return nil, err
		default:
			b.replies[i] = reply
		}
	}
	if replicas > 0 && len(unknown) < len(pending) {
		if wait.Err() != nil {
			return nil, fmt.Errorf("waiting for replicas: %w", wait.Err())
		}
		if wait.Val() < int64(replicas) {
			return nil, fmt.Errorf("%d of %d: %w", wait.Val(), replicas, ErrUnconfirmed)
		}
	}
	return unknown, nil
}
