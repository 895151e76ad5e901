package audit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

const (
	// gather is how long events are gathered before they are written, batch how many go in one piece.
	gather = 50 * time.Millisecond
	batch  = 500
	// parallel is how many chains are written at once.
	parallel = 16
	// How long to wait after a failure, doubling.
	firstDelay = 100 * time.Millisecond
	lastDelay  = 5 * time.Second
	// attempts bounds how often a batch is tried against other writers in a row.
	attempts = 20
	// finishing is how long the last events may take at the end of Run.
	finishing = 5 * time.Second
	// patience bounds one step: reading, or writing one batch.
	patience = 5 * time.Second
)

// Run writes what is recorded until ctx ends, and then what is left. At each tick it removes what has become too old.
func (r *Recorder) Run(ctx context.Context, tidy <-chan time.Time) {
	retry := time.NewTimer(0)
	defer retry.Stop()
	for {
		select {
		case <-ctx.Done():
			r.Finish(ctx)
			return
		case <-r.wake:
			pause(ctx, gather)
		case <-retry.C:
		case <-tidy:
			r.Tidy(ctx)
		}
		if wait, waiting := r.round(context.WithoutCancel(ctx), waitClock()); waiting {
			retry.Reset(wait)
		}
	}
}

// Finish writes all that is queued, or says in the process log that it could not within a few seconds, whether or not ctx ends.
func (r *Recorder) Finish(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishing)
	defer cancel()
	if err := r.Flush(ctx); err != nil {
		r.cfg.Logger.ErrorContext(ctx, "audit events are lost but for this log", slog.Any("error", err))
	}
}

// Flush writes all that is queued. It fails only when ctx ends first.
func (r *Recorder) Flush(ctx context.Context) error {
	r.mu.Lock()
	r.summarise(r.cfg.Now().UTC().Truncate(time.Microsecond), true)
	r.mu.Unlock()
	for {
		if _, waiting := r.round(ctx, waitClock().Add(lastDelay)); !waiting {
			return nil
		}
		if pause(ctx, firstDelay); ctx.Err() != nil {
			return fmt.Errorf("%d audit events were not written: %w", r.Stats().Queued, ctx.Err())
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// round tries once to write what waits in every chain that is not waiting itself at that time. It reports whether some still waits, and
// how long to leave it.
func (r *Recorder) round(ctx context.Context, at time.Time) (wait time.Duration, waiting bool) {
	r.writing.Lock()
	defer r.writing.Unlock()
	r.mu.Lock()
	var due []*chain
	for _, c := range r.chains {
		if len(c.queue) > 0 && !at.Before(c.again) {
			due = append(due, c)
		}
	}
	r.mu.Unlock()
	var writers sync.WaitGroup
	places := make(chan struct{}, parallel)
	for _, c := range due {
		places <- struct{}{}
		writers.Go(func() {
			defer func() { <-places }()
			r.settle(ctx, c, r.drain(ctx, c))
		})
	}
	writers.Wait()

	r.mu.Lock()
	defer r.mu.Unlock()
	wait = lastDelay
	for _, c := range r.chains {
		if len(c.queue) > 0 {
			waiting = true
			wait = min(wait, max(c.again.Sub(waitClock()), 0))
		}
	}
	return wait, waiting
}

// settle notes how writing to a chain went.
func (r *Recorder) settle(ctx context.Context, c *chain, err error) {
	switch {
	case err == nil:
		c.failures, c.again = 0, time.Time{}
	case errors.Is(err, ErrNoOrg):
		r.adopt(c)
	default:
		delay := min(firstDelay<<min(c.failures, 10), lastDelay)
		c.failures++
		c.again = waitClock().Add(delay)
		r.cfg.Logger.WarnContext(ctx, "audit events are not written yet", slog.String("org", c.org), slog.Any("error", err))
	}
}

// adopt gives the events of an organisation that does not exist to the installation.
func (r *Recorder) adopt(c *chain) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.chains, c.org)
	own := r.chain("")
	own.queue = append(own.queue, c.queue...)
}

// drain writes what waits in a chain at the moment.
func (r *Recorder) drain(ctx context.Context, c *chain) error {
	r.mu.Lock()
	left := len(c.queue)
	r.mu.Unlock()
	for left > 0 {
		n, err := r.write(ctx, c)
		if err != nil {
			return err
		}
		left -= n
	}
	if err := r.trimByCount(ctx, c); err != nil {
		r.cfg.Logger.WarnContext(ctx, "old audit events are not removed yet", slog.String("org", c.org), slog.Any("error", err))
	}
	return nil
}

// write writes one batch: the one whose outcome is still unknown, or else the next. It must be the very same again, for the store to know
// it.
func (r *Recorder) write(ctx context.Context, c *chain) (n int, err error) {
	for range attempts {
		if err := r.look(ctx, c); err != nil {
			return 0, err
		}
		if c.batch == nil {
			r.mu.Lock()
			c.batch = append(c.batch, c.queue[:min(len(c.queue), batch)]...)
			r.mu.Unlock()
			chainKey{r.cfg.Keys[0], c.org}.chain(c.head, c.batch)
		}
		conflict, err := r.append(ctx, c)
		if err != nil {
			return 0, err
		}
		if !conflict {
			n := len(c.batch)
			c.head.Seq, c.head.Hash = c.batch[n-1].Seq, c.batch[n-1].Hash
			c.batch = nil
			r.mu.Lock()
			defer r.mu.Unlock()
			r.queued -= n
			if c.queue = c.queue[n:]; len(c.queue) == 0 {
				c.queue = nil
			}
			return n, nil
		}
		c.batch, c.known = nil, false
	}
	return 0, errors.New("others write to the same chain all the time, or its head is damaged")
}

func (r *Recorder) append(ctx context.Context, c *chain) (conflict bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return r.cfg.Store.Append(ctx, c.org, c.head, c.batch)
}

// chain numbers and links entries behind a head.
func (k chainKey) chain(head Head, entries []Entry) {
	seq, hash := head.Seq, head.Hash
	for n := range entries {
		e := &entries[n]
		seq++
		e.Seq = seq
		e.Hash = k.link(hash, e)
		hash = e.Hash
	}
}

// look reads where a chain ends, unless that is known. One that ends earlier than it did has lost what it had confirmed.
func (r *Recorder) look(ctx context.Context, c *chain) error {
	if c.known {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	head, err := r.cfg.Store.Head(ctx, c.org)
	if err != nil {
		return err
	}
	if head.Seq < c.head.Seq {
		r.cfg.Logger.ErrorContext(ctx, "audit events that had been written are gone from the store", slog.String("org", c.org),
			slog.Uint64("had", c.head.Seq), slog.String("hash", c.head.Hash), slog.Uint64("has", head.Seq))
	}
	c.head, c.known = head, true
	return nil
}

// waitClock is what waiting for Redis is measured by: real time, however the events' own clock goes.
func waitClock() time.Time { return time.Now() } //nolint:forbidigo // see above
