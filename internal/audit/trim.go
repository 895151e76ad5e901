package audit

import (
	"context"
	"log/slog"
)

// trimByCount removes what is beyond the number to keep, once it is worth it.
func (r *Recorder) trimByCount(ctx context.Context, c *chain) error {
	keep := uint64(r.cfg.Retention.Events) //nolint:gosec // not negative
	if keep == 0 || c.head.Seq-c.head.Base.Seq <= keep+keep/100 {
		return nil
	}
	last := c.head.Seq - keep
	return r.trim(ctx, c, func(e *Entry) bool { return e.Seq <= last })
}

func (r *Recorder) trimByAge(ctx context.Context, c *chain) error {
	if r.cfg.Retention.Age <= 0 {
		return nil
	}
	before := r.cfg.Now().Add(-r.cfg.Retention.Age)
	return r.trim(ctx, c, func(e *Entry) bool { return e.Time.Before(before) })
}

// trim removes entries from the beginning of a chain for as long as they are old. The proof of the new base says that all of it was found
// as it had been written: what somebody has made look old is not removed without a trace.
func (r *Recorder) trim(ctx context.Context, c *chain, old func(*Entry) bool) error {
	for {
		head := c.head
		entries, err := r.cfg.Store.Range(ctx, c.org, head.Base.Seq+1, reading, false)
		if err != nil {
			return err
		}
		v := verifier{org: c.org, keys: r.cfg.Keys}
		v.begin(head)
		removed := 0
		for removed < len(entries) && entries[removed].Seq <= head.Seq && old(&entries[removed]) {
			if v.why == "" && !v.check(&entries[removed]) {
				v.broken(v.next, "it is missing")
			}
			removed++
		}
		if removed == 0 {
			return nil
		}
		last := &entries[removed-1]
		base := Base{Seq: last.Seq, Hash: last.Hash}
		if v.why == "" {
			base.Proof = chainKey{r.cfg.Keys[0], c.org}.proof(base.Seq, base.Hash)
		} else {
			r.cfg.Logger.ErrorContext(ctx, "audit events that are removed as too old are not those that were written", slog.String("org", c.org),
				slog.Uint64("entry", v.found.Broken), slog.String("why", v.why))
		}
		conflict, err := r.cfg.Store.Trim(ctx, c.org, head.Base.Seq, base)
		if err != nil || conflict {
			c.known = false // somebody else trims, or it is not known what has happened
			return err
		}
		c.head.Base = base
		if removed < len(entries) {
			return nil
		}
	}
}

// Tidy removes what has become too old from the chains of all organisations, and writes to the process log where each ends that has
// grown: whoever keeps that log elsewhere can tell if a chain was cut off.
func (r *Recorder) Tidy(ctx context.Context) {
	orgs, err := r.orgs(ctx)
	for _, org := range orgs {
		if err == nil {
			err = r.tidy(ctx, org)
		}
	}
	if err != nil {
		r.cfg.Logger.WarnContext(ctx, "old audit events are not removed yet", slog.Any("error", err))
	}
}

func (r *Recorder) orgs(ctx context.Context) (all []string, err error) {
	if r.cfg.Orgs == nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		for org := range r.chains {
			all = append(all, org)
		}
		return all, nil
	}
	all = []string{""}
	for after := ""; ; {
		slugs, next, err := r.cfg.Orgs(ctx, after)
		all = append(all, slugs...)
		if err != nil || next == "" {
			return all, err
		}
		after = next
	}
}

func (r *Recorder) tidy(ctx context.Context, org string) error {
	r.writing.Lock()
	defer r.writing.Unlock()
	r.mu.Lock()
	c := r.chain(org)
	r.mu.Unlock()
	if c.batch != nil {
		return nil // it is not known whether that was written, nor so where the chain ends
	}
	c.known = false
	if err := r.look(ctx, c); err != nil {
		return err
	}
	if err := r.trimByAge(ctx, c); err != nil {
		return err
	}
	if c.head.Seq > c.told {
		c.told = c.head.Seq
		r.cfg.Logger.InfoContext(ctx, "audit chain", slog.String("org", org), slog.Uint64("entries", c.head.Seq),
			slog.String("head", c.head.Hash))
	}
	return nil
}
