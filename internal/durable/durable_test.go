package durable_test

import (
	"errors"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/claimsmith/claimsmith/internal/durable"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

func TestMain(m *testing.M) { redistest.Main(m) }

var setScript = redis.NewScript(`redis.call('SET', KEYS[1], ARGV[1]); return ARGV[1]`)

func run(t *testing.T, r *durable.Runner, key, value string) error {
	t.Helper()
	reply, err := r.Run(t.Context(), setScript, []string{key}, value)
	if err == nil && reply != value {
		t.Errorf("the script replied %v, want %q", reply, value)
	}
	return err
}

func TestRunWithoutReplicas(t *testing.T) {
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		r := &durable.Runner{Client: b.Client}
		for _, value := range []string{"first", "cached"} {
			if err := run(t, r, "{a}k", value); err != nil {
				t.Fatal(err)
			}
		}
		if err := b.Client.ScriptFlush(t.Context()).Err(); err != nil && b.Mode == redistest.Standalone {
			t.Fatal(err)
		}
		if err := run(t, r, "{a}k", "after a flush"); err != nil {
			t.Fatal(err)
		}
	})
}

// A write that a replica has confirmed, one that none can confirm (row R-07), and the way back.
func TestRunDemandsReplicas(t *testing.T) {
	primary := redistest.Server(t)
	replica := primary.Replica()
	client := redistest.NewClient(t, primary.Addr())
	r := &durable.Runner{Client: client, Replicas: 1, Timeout: 200 * time.Millisecond}

	if err := run(t, r, "k", "confirmed"); err != nil {
		t.Fatal(err)
	}
	if got := redistest.NewClient(t, replica.Addr()).Get(t.Context(), "k").Val(); got != "confirmed" {
		t.Fatalf("the replica has %q when the write is confirmed", got)
	}
	if err := client.ScriptFlush(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	if err := run(t, r, "k", "after a flush"); err != nil {
		t.Fatalf("an unknown script is sent again: %v", err)
	}

	own := redis.NewStringCmd(t.Context(), "get", "k")
	ctx, reads := durable.WithReads(t.Context(), own)
	if _, err := r.Run(ctx, setScript, []string{"k"}, "ridden"); err != nil || !reads.Sent() || own.Val() != "ridden" {
		t.Fatalf("with a read behind it: %v, %q", err, own.Val())
	}

	replica.Kill()
	if err := run(t, r, "k", "lonely"); !errors.Is(err, durable.ErrUnconfirmed) {
		t.Fatalf("without a replica the write is %v, want ErrUnconfirmed", err)
	}
	if got := client.Get(t.Context(), "k").Val(); got != "lonely" {
		t.Errorf("the primary has %q: an unconfirmed write is unknown, not undone", got)
	}
}

func TestRunDemandsReplicasOfACluster(t *testing.T) {
	nodes := redistest.Cluster(t, 3)
	for _, node := range nodes {
		node.Replica()
	}
	client := redistest.NewClusterClient(t, redistest.Addrs(nodes))
	r := &durable.Runner{Client: client, Replicas: 1, Timeout: time.Second}
	for _, key := range []string{"{a}", "{b}", "{c}", "{d}"} { // on several masters
		if err := run(t, r, key, "v"); err != nil {
			t.Errorf("%s: %v", key, err)
		}
	}
	two := &durable.Runner{Client: client, Replicas: 2, Timeout: 50 * time.Millisecond}
	if err := run(t, two, "{a}", "w"); !errors.Is(err, durable.ErrUnconfirmed) {
		t.Errorf("with one replica of two demanded: %v, want ErrUnconfirmed", err)
	}
}

func TestReadsRideAlong(t *testing.T) {
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		r := &durable.Runner{Client: b.Client}
		ride := func(key, want string) {
			t.Helper()
			own := redis.NewStringCmd(t.Context(), "get", key)
			missing := redis.NewStringCmd(t.Context(), "get", "{a}missing")
			ctx, reads := durable.WithReads(t.Context(), own, missing)
			if reads.Sent() {
				t.Error("the reads are sent before there is a script")
			}
			if reply, err := r.Run(ctx, setScript, []string{"{a}k"}, want); err != nil || reply != want {
				t.Fatalf("the script replied %v, %v", reply, err)
			}
			if !reads.Sent() || own.Val() != want || !errors.Is(missing.Err(), redis.Nil) {
				t.Errorf("sent %v, read %q and %v", reads.Sent(), own.Val(), missing.Err())
			}
			if _, err := r.Run(ctx, setScript, []string{"{a}k"}, "later"); err != nil || own.Val() != want {
				t.Errorf("a second run: %v, the first's read is %q", err, own.Val())
			}
		}
		ride("{a}k", "unknown script")
		ride("{a}k", "known script")

		wrongType := redis.NewMapStringStringCmd(t.Context(), "hgetall", "{a}k")
		ctx, _ := durable.WithReads(t.Context(), wrongType)
		if reply, err := r.Run(ctx, setScript, []string{"{a}k"}, "v"); err != nil || reply != "v" || wrongType.Err() == nil {
			t.Errorf("with a read that fails the script replied %v, %v, and the read %v", reply, err, wrongType.Err())
		}
	})
}

func TestVerdict(t *testing.T) {
	b := redistest.Embedded(t)
	refusing := redis.NewScript(`return redis.error_reply('CONFLICT 7 8')`)
	_, err := (&durable.Runner{Client: b.Client}).Run(t.Context(), refusing, []string{"k"})
	if word, rest, ok := durable.Verdict(err); word != "CONFLICT" || rest != "7 8" || !ok {
		t.Errorf("got %q %q %v", word, rest, ok)
	}
	for _, err := range []error{nil, redis.Nil, errors.New("connection reset by peer")} {
		if _, _, ok := durable.Verdict(err); ok {
			t.Errorf("%v is a verdict", err)
		}
	}
}
