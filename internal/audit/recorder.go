package audit

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// What is queued at most while the store is away: in all, and of one chain, so that one that cannot be written leaves room for the others.
const (
	DefaultCapacity = 100_000
	shareOfOne      = 4 // a fourth
)

// Config is what a Recorder needs. Retention, Kept, Orgs and Capacity may be zero.
type Config struct {
	Store Store
	// Log is told of every event at once, whatever becomes of its entry.
	Log Log
	// Keys link the entries, the first those to come.
	Keys [][]byte
	// Kept selects the events that are remembered; nil: all.
	Kept      func(Event) bool
	Retention Retention
	// Orgs lists the organisations, by pages. nil: those are tidied of which there was an event here.
	Orgs     func(ctx context.Context, after string) (slugs []string, next string, err error)
	Capacity int // entries that wait at most; DefaultCapacity
	Logger   *slog.Logger
	Now      func() time.Time
}

// Retention is how much of a chain is kept: the latest Events, and none that is older than Age; 0 for no such bound.
type Retention struct {
	Events int
	Age    time.Duration
}

// Recorder is a Log that remembers events in the chains of their organisations. Record only queues: Run writes, in the order of the
// calls, and repeats what failed until it succeeds, so an event is lost only with the process, which at its end writes what is left, or
// when more wait than Capacity. Any number of recorders may write to the same chains.
type Recorder struct {
	cfg  Config
	wake chan struct{}

	mu         sync.Mutex
	chains     map[string]*chain
	queued     int
	dropped    uint64
	suppressed uint64
	noise      noise

	writing sync.Mutex // held by the one who writes; guards what of a chain mu does not
}

// chain is what waits to be written to one organisation's chain.
type chain struct {
	org   string
	queue []Entry // guarded by Recorder.mu

	head  Head
	known bool
	// batch are entries of the queue that were sent, of which it is not known whether they were written.
	batch    []Entry
	failures int
	again    time.Time
	// told is the number of the last entry that was named in the process log.
	told uint64
}

// NewRecorder returns a recorder. Nothing is written before Run or Flush.
func NewRecorder(cfg Config) *Recorder {
	if cfg.Capacity == 0 {
		cfg.Capacity = DefaultCapacity
	}
	return &Recorder{cfg: cfg, wake: make(chan struct{}, 1), chains: map[string]*chain{}}
}

// Record implements Log.
func (r *Recorder) Record(ctx context.Context, e Event) {
	r.cfg.Log.Record(ctx, e)
	if r.cfg.Kept != nil && !r.cfg.Kept(e) {
		return
	}
	request := RequestFrom(ctx)
	entry := Entry{
		Time: r.cfg.Now().UTC().Truncate(time.Microsecond),
		Event: Event{
			Action: tidy(e.Action), Actor: tidy(e.Actor), Org: tidy(e.Org), Target: tidy(e.Target), Outcome: tidy(e.Outcome),
			Reason: tidy(e.Reason),
		},
		Request: Request{ID: tidy(request.ID), Address: tidy(request.Address), Dialect: tidy(request.Dialect)},
	}
	r.mu.Lock()
	r.summarise(entry.Time, false)
	lost := uint64(0)
	if !r.noise.tooMuch(&entry) {
		lost = r.enqueue(entry)
	} else {
		r.suppressed++
	}
	r.mu.Unlock()
	if lost > 0 && (lost == 1 || lost%1000 == 0) {
		r.cfg.Logger.ErrorContext(ctx, "audit events are lost but for this log: too many wait to be written", slog.Uint64("lost", lost))
	}
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// enqueue returns how many entries have been dropped, if this is one of them.
func (r *Recorder) enqueue(e Entry) (lost uint64) {
	c := r.chain(e.Org)
	if r.queued >= r.cfg.Capacity || len(c.queue) >= max(r.cfg.Capacity/shareOfOne, 1) {
		r.dropped++
		return r.dropped
	}
	c.queue = append(c.queue, e)
	r.queued++
	return 0
}

func (r *Recorder) chain(org string) *chain {
	c := r.chains[org]
	if c == nil {
		c = &chain{org: org}
		r.chains[org] = c
	}
	return c
}

// summarise notes how many events were suppressed in the minute that was counted, once it is over, or at once.
func (r *Recorder) summarise(now time.Time, atOnce bool) {
	for _, e := range r.noise.over(now, atOnce) {
		r.enqueue(e)
	}
}

// Stats are what a Recorder can tell of itself: the entries that wait, those that were dropped since there was no room, and the refusals
// that were only counted, as there were too many of a kind.
type Stats struct {
	Queued              int
	Dropped, Suppressed uint64
}

// Stats returns the figures of now.
func (r *Recorder) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	return Stats{r.queued, r.dropped, r.suppressed}
}
