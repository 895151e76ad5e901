package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/claimsmith/claimsmith/auth/keys"
	authstore "github.com/claimsmith/claimsmith/auth/redisstore"
	"github.com/claimsmith/claimsmith/config"
	"github.com/claimsmith/claimsmith/handlers"
)

// checkInterval is how often the Redis servers' settings are looked at again: they can change while the program runs.
const checkInterval = 30 * time.Second

// noticeInterval is how often to look for logouts to tell of that another instance left behind, or that are to be tried again.
const noticeInterval = 5 * time.Second

// drainDelay is how long a server that was told to stop still answers, having said that it is not ready.
const drainDelay = 2 * time.Second

// runServe serves an installation until ctx ends.
func runServe(ctx context.Context, c *config.Serve, log *slog.Logger) error {
	sealer, err := newSealer(c.Secrets)
	if err != nil {
		return err
	}
	client := connect(c.Redis)
	defer client.Close()
	guard := newGuard(client, c.Redis, log)
	if err := guard.look(ctx); err != nil {
		return err
	}
	space, err := open(ctx, client)
	if err != nil {
		return err
	}
	files, err := serveFiles(ctx, c, sealer, log)
	if err != nil {
		return err
	}
	defer closeFiles(files, log)
	a, err := newApp(installation{runner(client, c.Redis), space, sealer, time.Now, files}, &c.Server, log)
	if err != nil {
		return err
	}
	if err := a.ring.Refresh(ctx); err != nil {
		return fmt.Errorf("reading signing keys: %w", err)
	}
	if err := a.installConsole(ctx); err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.HTTP.Addr)
	if err != nil {
		return err
	}
	log.InfoContext(ctx, "serving", "address", listener.Addr().String(), "issuer", c.Issuer)
	return a.serve(ctx, listener, drainDelay, client, guard.run, guard.check())
}

// serve runs the HTTP server and what goes on in the background until ctx ends and requests under way are done.
func (a *app) serve(ctx context.Context, listener net.Listener, drain time.Duration, client redis.UniversalClient,
	background func(context.Context), ready ...handlers.Check,
) error {
	ready = append(ready,
		handlers.Check{Name: "redis", Run: func(ctx context.Context) error { return client.Ping(ctx).Err() }},
		handlers.Check{Name: "signing keys", Run: func(context.Context) error { _, err := a.ring.Set(); return err }})
	registry := prometheus.NewRegistry()
	if err := recordingMetrics(a.recorder, registry); err != nil {
		return err
	}
	server, err := handlers.New(handlers.Config{
		Logger: a.logger, Now: a.now, Issuer: a.settings.Issuer, Dialects: a.dialects(), Ready: ready, Registry: registry,
		TrustedProxies: a.settings.HTTP.TrustedProxies.Networks, HTTPS: a.https(),
		AccessLog: a.settings.HTTP.AccessLog, DrainDelay: drain, ShutdownTimeout: a.settings.HTTP.ShutdownTimeout,
	})
	if err != nil {
		return err
	}
	// What runs in the background ends after the last request, and what writes down what was done after all of it.
	last, end := context.WithCancel(context.WithoutCancel(ctx))
	var recording sync.WaitGroup
	defer recording.Wait()
	defer end()
	recording.Go(func() { a.record(last) })
	outlive, stop := context.WithCancel(context.WithoutCancel(ctx))
	var tasks sync.WaitGroup
	defer tasks.Wait()
	defer stop()
	tasks.Go(func() {
		ticker := time.NewTicker(keys.RefreshInterval)
		defer ticker.Stop()
		a.ring.Run(outlive, ticker.C)
	})
	tasks.Go(func() {
		ticker := time.NewTicker(noticeInterval)
		defer ticker.Stop()
		a.logouts.Run(outlive, ticker.C)
	})
	tasks.Go(func() { a.sendMail(outlive) })
	tasks.Go(func() { background(outlive) })
	if a.settings.HTTP.MetricsAddr != "" {
		metrics, err := a.serveMetrics(ctx, server.Metrics())
		if err != nil {
			return err
		}
		defer metrics.Close()
	}
	return server.Run(ctx, listener)
}

func (a *app) serveMetrics(ctx context.Context, handler http.Handler) (*http.Server, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", a.settings.HTTP.MetricsAddr)
	if err != nil {
		return nil, fmt.Errorf("metrics: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", handler)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: handlers.ReadHeaderTimeout, WriteTimeout: handlers.WriteTimeout}
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			a.logger.Error("metrics are not served any more", "error", err)
		}
	}()
	a.logger.InfoContext(ctx, "serving metrics", "address", listener.Addr().String())
	return server, nil
}

// redisGuard watches over the settings of the Redis servers: whether they keep what they confirm. A server at fault makes the
// process not ready, and refuse to start.
type redisGuard struct {
	client       redis.UniversalClient
	requirements authstore.Requirements
	log          *slog.Logger

	fault  atomic.Pointer[error]
	warned sync.Map
}

func newGuard(client redis.UniversalClient, c config.Redis, log *slog.Logger) *redisGuard {
	return &redisGuard{client: client, log: log, requirements: authstore.Requirements{
		Durable: !c.AllowUnsafePersistence, Replicas: c.WaitReplicas,
	}}
}

// check is the verdict of the last look.
func (g *redisGuard) check() handlers.Check {
	return handlers.Check{Name: "redis settings", Run: func(context.Context) error { return *g.fault.Load() }}
}

func (g *redisGuard) look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	found, err := authstore.CheckServer(ctx, g.client, g.requirements)
	if err == nil {
		for _, w := range found.Warnings {
			if _, again := g.warned.LoadOrStore(w, true); !again {
				g.log.WarnContext(ctx, "redis: "+w)
			}
		}
		for _, f := range found.Faults {
			err = errors.Join(err, errors.New(f))
		}
	}
	g.fault.Store(&err)
	return err
}

func (g *redisGuard) run(ctx context.Context) {
	every(ctx, checkInterval, func() {
		if err := g.look(ctx); err != nil {
			g.log.ErrorContext(ctx, "redis is not fit to keep data", "error", err)
		}
	})
}

// every calls do at an interval until ctx ends.
func every(ctx context.Context, interval time.Duration, do func()) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			do()
		}
	}
}
