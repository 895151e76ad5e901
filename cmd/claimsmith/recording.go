package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/claimsmith/claimsmith/auth"
	authstore "github.com/claimsmith/claimsmith/auth/redisstore"
	"github.com/claimsmith/claimsmith/config"
	"github.com/claimsmith/claimsmith/internal/audit"
)

// tidyInterval is how often audit events that have become too old are removed.
const tidyInterval = time.Hour

// chainKeys is what the keys that link audit events are derived for.
const chainKeys = "audit chain"

// recorder returns what remembers the audit events of the installation.
func (i installation) recorder(c config.Audit, log *slog.Logger) *audit.Recorder {
	store := authstore.New(i.runner, i.space)
	return audit.NewRecorder(audit.Config{
		Store: authstore.NewAudit(i.runner, i.space), Log: audit.NewLog(log), Keys: i.sealer.DeriveAll(chainKeys), Kept: auth.Kept,
		Retention: audit.Retention{Events: c.Events, Age: c.Age}, Logger: log, Now: i.now,
		Orgs: func(ctx context.Context, after string) (slugs []string, next string, err error) {
			const page = 200
			orgs, next, err := store.Orgs(ctx, auth.Page{After: after, Limit: page})
			for n := range orgs {
				slugs = append(slugs, orgs[n].Slug)
			}
			return slugs, next, err
		},
	})
}

// record writes audit events until ctx ends.
func (a *app) record(ctx context.Context) {
	ticker := time.NewTicker(tidyInterval)
	defer ticker.Stop()
	a.recorder.Run(ctx, ticker.C)
}

// recordingMetrics are what is to be watched of the audit log.
func recordingMetrics(r *audit.Recorder, registry *prometheus.Registry) error {
	counter := func(name, help string, value func(audit.Stats) uint64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, func() float64 { return float64(value(r.Stats())) })
	}
	return errors.Join(
		registry.Register(counter("claimsmith_audit_events_dropped_total", "Audit events that are in the process log alone, as too many waited.",
			func(s audit.Stats) uint64 { return s.Dropped })),
		registry.Register(counter("claimsmith_audit_events_suppressed_total", "Refusals that were only counted, as there were too many of a kind.",
			func(s audit.Stats) uint64 { return s.Suppressed })),
		registry.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "claimsmith_audit_events_queued", Help: "Audit events that wait to be written.",
		}, func() float64 { return float64(r.Stats().Queued) })),
	)
}
