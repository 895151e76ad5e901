package main

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/claimsmith/claimsmith/config"
	"github.com/claimsmith/claimsmith/internal/durable"
)

// connect returns the one client of the process. Deadlines are honoured and short; a command is repeated when its reply was lost,
// which every script run through it allows for; reads go to primaries.
func connect(c config.Redis) redis.UniversalClient {
	o := &redis.UniversalOptions{
		Addrs: c.Addrs, MasterName: c.SentinelMaster, IsClusterMode: c.Mode == config.Cluster,
		Username: c.Username, Password: c.Password.Reveal(), SentinelPassword: c.SentinelPassword.Reveal(),
		Protocol: 3, ContextTimeoutEnabled: true,
		DialTimeout: 500 * time.Millisecond, DialerRetries: 1, ReadTimeout: time.Second, WriteTimeout: time.Second,
		PoolSize: 32, MaxActiveConns: 128, PoolTimeout: 500 * time.Millisecond, MinIdleConns: 4, MaxRetries: 2,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	if c.TLS {
		o.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: c.TLSCA.CertPool}
	}
	switch c.Mode {
	case config.Cluster:
		options := o.Cluster()
		options.ClusterStateReloadInterval = 2 * time.Second // the default leaves a client blind for a minute after a failover
		client := redis.NewClusterClient(options)
		client.AddHook(reloadOnFailure{client})
		return client
	case config.Sentinel:
		return redis.NewFailoverClient(o.Failover())
	default:
		return redis.NewClient(o.Simple())
	}
}

func runner(client redis.UniversalClient, c config.Redis) *durable.Runner {
	return &durable.Runner{Client: client, Replicas: c.WaitReplicas, Timeout: c.WaitTimeout}
}

// reloadOnFailure makes a cluster client look for the new primary as soon as the old one does not answer.
type reloadOnFailure struct{ cluster *redis.ClusterClient }

func (reloadOnFailure) DialHook(next redis.DialHook) redis.DialHook { return next }

func (r reloadOnFailure) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		r.check(ctx, err)
		return err
	}
}

func (r reloadOnFailure) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		err := next(ctx, cmds)
		r.check(ctx, err)
		return err
	}
}

func (r reloadOnFailure) check(ctx context.Context, err error) {
	var failure net.Error
	if errors.As(err, &failure) {
		r.cluster.ReloadState(ctx)
	}
}
