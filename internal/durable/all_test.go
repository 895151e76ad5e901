package durable_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/claimsmith/claimsmith/internal/durable"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

func sets(n int, value string) (calls []durable.Call) {
	for i := range n {
		calls = append(calls, durable.Call{Keys: []string{fmt.Sprintf("{%d}k", i)}, Args: []any{fmt.Sprint(value, i)}})
	}
	return calls
}

func runAll(t *testing.T, r *durable.Runner, n int, value string) error {
	t.Helper()
	replies, err := r.RunAll(t.Context(), setScript, sets(n, value))
	for i := range replies {
		want := fmt.Sprint(value, i)
		if got := r.Client.Get(t.Context(), fmt.Sprintf("{%d}k", i)).Val(); replies[i] != want || got != want {
			t.Fatalf("call %d replied %v and left %q, want %q", i, replies[i], got, want)
		}
	}
	if err == nil && len(replies) != n {
		t.Fatalf("%d replies to %d calls", len(replies), n)
	}
	return err
}

func TestRunAll(t *testing.T) {
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		r := &durable.Runner{Client: b.Client}
		for _, n := range []int{0, 1, 600, 600} {
			if err := runAll(t, r, n, "v"); err != nil {
				t.Fatal(err)
			}
		}
		refusing := redis.NewScript(`if ARGV[1] == 'v7' then return redis.error_reply('CONFLICT at ' .. KEYS[1]) end return false`)
		if _, err := r.RunAll(t.Context(), refusing, sets(7, "v")); err != nil {
			t.Errorf("scripts that reply with nothing: %v", err)
		}
		_, err := r.RunAll(t.Context(), refusing, sets(9, "v"))
		if word, rest, _ := durable.Verdict(err); word != "CONFLICT" || rest != "at {7}k" {
			t.Errorf("got %v", err)
		}
	})
}

func TestRunAllDemandsReplicas(t *testing.T) {
	primary := redistest.Server(t)
	replica := primary.Replica()
	r := &durable.Runner{Client: redistest.NewClient(t, primary.Addr()), Replicas: 1, Timeout: 200 * time.Millisecond}
	for range 2 {
		if err := runAll(t, r, 20, "confirmed"); err != nil {
			t.Fatal(err)
		}
	}
	if got := redistest.NewClient(t, replica.Addr()).Get(t.Context(), "{19}k").Val(); got != "confirmed19" {
		t.Fatalf("the replica has %q when the writes are confirmed", got)
	}
	replica.Kill()
	if err := runAll(t, r, 20, "lonely"); !errors.Is(err, durable.ErrUnconfirmed) {
		t.Fatalf("without a replica the writes are %v, want ErrUnconfirmed", err)
	}
}

func TestRunAllDemandsReplicasOfACluster(t *testing.T) {
	nodes := redistest.Cluster(t, 3)
	for _, node := range nodes {
		node.Replica()
	}
	r := &durable.Runner{Client: redistest.NewClusterClient(t, redistest.Addrs(nodes)), Replicas: 1, Timeout: time.Second}
	if err := runAll(t, r, 20, "v"); err != nil {
		t.Fatal(err)
	}
	two := &durable.Runner{Client: r.Client, Replicas: 2, Timeout: 50 * time.Millisecond}
	if err := runAll(t, two, 20, "w"); !errors.Is(err, durable.ErrUnconfirmed) {
		t.Errorf("with one replica of two demanded: %v, want ErrUnconfirmed", err)
	}
}
