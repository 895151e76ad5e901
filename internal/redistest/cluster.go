package redistest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
)

const slots = 16384

// clusterArgs make a server a cluster node. The node timeout keeps a failover short; it is not shorter because a node
// that gets no processor for so long counts as failed.
var clusterArgs = []string{"--cluster-enabled", "yes", "--cluster-node-timeout", "2000"}

// Cluster starts a Redis Cluster of so many masters, which share all slots in their order, each started with args as
// [Server] does. It has no replicas; [Process.Replica] adds one. The cluster serves when Cluster returns and ends with
// the test.
func Cluster(t testing.TB, masters int, args ...string) []*Process {
	t.Helper()
	nodes, err := launchCluster(t.Context(), serverPath(t), t.TempDir(), masters, args...)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range nodes {
		p.adopt(t)
	}
	return nodes
}

// launchCluster starts a cluster with its files below dir. When it fails, nothing runs.
func launchCluster(ctx context.Context, path, dir string, masters int, args ...string) (nodes []*Process, err error) {
	defer func() {
		if err != nil {
			for _, p := range nodes {
				p.stop()
			}
			nodes = nil
		}
	}()
	for i := range masters {
		p, err := launchNode(ctx, path, filepath.Join(dir, strconv.Itoa(i)), args...)
		if err != nil {
			return nodes, err
		}
		nodes = append(nodes, p)
		first, end := i*slots/masters, (i+1)*slots/masters
		err = errors.Join(
			p.admin.Do(ctx, "CLUSTER", "SET-CONFIG-EPOCH", i+1).Err(),
			p.admin.ClusterAddSlotsRange(ctx, first, end-1).Err(),
		)
		for _, other := range nodes[:i] {
			err = errors.Join(err, p.meet(ctx, other))
		}
		if err != nil {
			return nodes, fmt.Errorf("set up a cluster: %w", err)
		}
	}
	return nodes, awaitCluster(ctx, nodes)
}

func launchNode(ctx context.Context, path, dir string, args ...string) (*Process, error) {
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("start a cluster node: %w", err)
	}
	p, err := launch(ctx, path, dir, slices.Concat(clusterArgs, args)...)
	if err != nil {
		return nil, err
	}
	p.cluster = true
	return p, nil
}

func (p *Process) meet(ctx context.Context, other *Process) error {
	return p.admin.ClusterMeet(ctx, "127.0.0.1", strconv.Itoa(other.port)).Err()
}

// awaitCluster returns when every master of a cluster sees all of them and serves.
func awaitCluster(ctx context.Context, masters []*Process) error {
	for _, p := range masters {
		err := poll(ctx, func() error {
			text, err := p.admin.ClusterInfo(ctx).Result()
			if err != nil {
				return err
			}
			info := fields(text)
			if info["cluster_state"] != "ok" || info["cluster_slots_ok"] != strconv.Itoa(slots) ||
				info["cluster_size"] != strconv.Itoa(len(masters)) {
				return fmt.Errorf("CLUSTER INFO:\n%s", text)
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("wait for cluster node %s: %w", p.Addr(), err)
		}
	}
	return nil
}

func (p *Process) launchClusterReplica(ctx context.Context, dir string, args ...string) (*Process, error) {
	r, err := launchNode(ctx, p.path, dir, args...)
	if err != nil {
		return nil, err
	}
	if err := r.follow(ctx, p); err != nil {
		r.stop()
		return nil, err
	}
	return r, nil
}

// follow makes the empty node p a replica of master, whose cluster it joins.
func (p *Process) follow(ctx context.Context, master *Process) error {
	id, err := master.admin.ClusterMyID(ctx).Result()
	if err == nil {
		err = p.meet(ctx, master)
	}
	if err != nil {
		return fmt.Errorf("join the cluster of %s: %w", master.Addr(), err)
	}
	err = poll(ctx, func() error {
		return p.admin.ClusterReplicate(ctx, id).Err() // an error until the two have met
	})
	if err != nil {
		return fmt.Errorf("replicate cluster node %s: %w", master.Addr(), err)
	}
	return master.awaitReplica(ctx, p)
}
