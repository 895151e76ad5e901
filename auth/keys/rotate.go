package keys

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/claimsmith/claimsmith/internal/audit"
)

// attempts bounds how often a change is tried against other writers. Each failure means that one of them succeeded.
const attempts = 16

// actor is who Run acts as in the audit log.
const actor = "system"

// Init makes the first key of every algorithm, each signing at once. It is ErrNotEmpty when there is a state already, also
// when another process made it a moment ago.
func (r *Ring) Init(ctx context.Context, by string) error {
	err := r.swap(ctx, func(s *State, now time.Time) (bool, error) {
		if s.Version != 0 || len(s.Records) != 0 {
			return false, ErrNotEmpty
		}
		for _, alg := range Algorithms() {
			if _, err := r.add(s, alg, now, r.atOnce(now)); err != nil {
				return false, err
			}
		}
		return true, nil
	})
	return r.record(ctx, "keys.init", by, "", err)
}

// Rotate makes the next key of an algorithm. It is published now and signs as soon as no cache of the key set may lack it any
// more; then the present key retires. While a next key is waiting already, Rotate returns that one and changes nothing, so any
// number of processes may rotate at once; who wants another in its place withdraws it first.
func (r *Ring) Rotate(ctx context.Context, by, alg string) (Listing, error) {
	next, changed, err := r.rotate(ctx, alg, func(*Record, time.Time) bool { return true })
	if changed || err != nil {
		err = r.record(ctx, "keys.rotate", by, next.ID, err)
	}
	return next, err
}

// rotate adds the next key of the algorithm if none is waiting and the one that signs is due.
func (r *Ring) rotate(ctx context.Context, alg string, due func(signing *Record, now time.Time) bool) (next Listing, changed bool, err error) {
	err = r.change(ctx, func(s *State, now time.Time) (bool, error) {
		changed = false
		last := s.last(alg)
		if last != nil && (now.Before(last.ActivatesAt) || !due(last, now)) {
			next = last.listing(last.Status(now))
			return false, nil
		}
		activates := now.Add(r.cfg.lead())
		if last != nil {
			last.RetiresAt, last.ExpiresAt = activates, activates.Add(r.cfg.tail())
		}
		rec, err := r.add(s, alg, now, activates)
		if err != nil {
			return false, err
		}
		next, changed = rec.listing(Next), true
		return true, nil
	})
	return next, changed && err == nil, err
}

// Withdraw makes a key unusable at once and for good: this process stops signing with it, verifying by it and publishing it
// now, the others when they refresh. Tokens it signed are refused from then on. If it was the one to sign, the next key takes over
// immediately, a new one if none is waiting; verifiers that do not know that key yet must fetch the key set again, which they
// do for an unknown kid. Better a short gap at some verifiers than another token under a key that strangers may have.
//
// Withdrawing a key again changes nothing. A key that does not open can be withdrawn, if all others do.
func (r *Ring) Withdraw(ctx context.Context, by, kid string) error {
	err := r.change(ctx, func(s *State, now time.Time) (bool, error) {
		rec := s.find(func(rec *Record) bool { return rec.ID == kid })
		if rec == nil {
			return false, ErrNotFound
		}
		if rec.Withdrawn {
			return false, nil
		}
		rec.Withdrawn, rec.Sealed = true, nil
		if rec.RetiresAt.IsZero() || now.Before(rec.RetiresAt) {
			rec.RetiresAt, rec.ExpiresAt = now, now.Add(r.cfg.tail())
		}
		return true, r.succeed(s, rec.Alg, now)
	})
	return r.record(ctx, "keys.withdraw", by, kid, err)
}

// succeed sees to it that a key of the algorithm signs now and that the last one has no end, after one was withdrawn.
func (r *Ring) succeed(s *State, alg string, now time.Time) error {
	signing, last := s.signing(alg, now), s.last(alg)
	switch {
	case signing == nil && last == nil:
		_, err := r.add(s, alg, now, r.atOnce(now))
		return err
	case signing == nil:
		last.ActivatesAt = r.atOnce(now)
	case last == nil:
		signing.RetiresAt, signing.ExpiresAt = time.Time{}, time.Time{}
	}
	return nil
}

// atOnce is the activation time of a key that must sign now, on clocks that are behind as well.
func (r *Ring) atOnce(now time.Time) time.Time { return now.Add(-r.cfg.Skew) }

// reseal seals every key under the current KEK that is not.
func (r *Ring) reseal(ctx context.Context) error {
	var resealed []string
	err := r.change(ctx, func(s *State, _ time.Time) (bool, error) {
		resealed = nil
		for i := range s.Records {
			rec := &s.Records[i]
			if rec.Withdrawn || r.cfg.Sealer.Current(rec.Sealed) {
				continue
			}
			k, err := openKey(*rec, r.cfg.Sealer)
			if err != nil {
				return false, err
			}
			if rec.Sealed, err = k.seal(r.cfg.Sealer); err != nil {
				return false, err
			}
			resealed = append(resealed, rec.ID)
		}
		return len(resealed) > 0, nil
	})
	if err != nil {
		return fmt.Errorf("sealing signing keys again: %w", err)
	}
	for _, id := range resealed {
		_ = r.record(ctx, "keys.reseal", actor, id, nil)
	}
	return nil
}

// rotateDue starts the rotations whose time has come.
func (r *Ring) rotateDue(ctx context.Context) error {
	if r.cfg.Rotation == 0 {
		return nil
	}
	due := func(signing *Record, now time.Time) bool { return !now.Before(signing.ActivatesAt.Add(r.cfg.Rotation)) }
	state := r.seen.Load().set.state
	for _, alg := range Algorithms() {
		if last := state.last(alg); last != nil && !due(last, r.now()) {
			continue
		}
		next, changed, err := r.rotate(ctx, alg, due)
		if err != nil {
			return fmt.Errorf("rotating %s: %w", alg, err)
		}
		if changed {
			_ = r.record(ctx, "keys.rotate", actor, next.ID, nil)
		}
	}
	return nil
}

// add makes a key that signs from activates on.
func (r *Ring) add(s *State, alg string, now, activates time.Time) (*Record, error) {
	k, err := generate(alg)
	if err != nil {
		return nil, err
	}
	sealed, err := k.seal(r.cfg.Sealer)
	if err != nil {
		return nil, err
	}
	s.Records = append(s.Records, Record{ID: k.ID, Alg: alg, Sealed: sealed, CreatedAt: now, ActivatesAt: activates})
	return &s.Records[len(s.Records)-1], nil
}

// now is the time as records have it.
func (r *Ring) now() time.Time { return r.cfg.Now().UTC().Truncate(time.Millisecond) }

// change is swap for a state that is there already, without its expired records.
func (r *Ring) change(ctx context.Context, edit func(s *State, now time.Time) (changed bool, err error)) error {
	return r.swap(ctx, func(s *State, now time.Time) (bool, error) {
		if err := s.check(); err != nil {
			return false, err
		}
		s.prune(now)
		return edit(s, now)
	})
}

// swap applies edit to the state as it is stored until no other writer comes between. Nothing is stored when edit reports
// no change, or when the state it leaves does not open: a process with a wrong KEK, or before damaged keys, changes nothing.
func (r *Ring) swap(ctx context.Context, edit func(s *State, now time.Time) (changed bool, err error)) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for range attempts {
		at := r.cfg.Now()
		state, err := r.cfg.Store.Load(ctx)
		if err != nil {
			return err
		}
		if seen := r.seen.Load(); seen != nil {
			if err := seen.set.precedes(state); err != nil {
				return err
			}
		}
		if changed, err := edit(&state, r.now()); err != nil || !changed {
			return err
		}
		set, err := Open(State{Version: state.Version + 1, Records: state.Records}, r.cfg.Sealer)
		if err != nil {
			return err
		}
		err = r.cfg.Store.Save(ctx, state, rand.Text())
		if errors.Is(err, ErrConflict) {
			continue
		}
		if err != nil {
			return err
		}
		r.seen.Store(&view{set: set, at: at})
		return nil
	}
	return ErrConflict
}

// record writes the audit event of a change and returns its error with the operation's name.
func (r *Ring) record(ctx context.Context, action, by, kid string, err error) error {
	e := audit.Event{Action: action, Actor: by, Outcome: audit.Success}
	if kid != "" {
		e.Target = "key:" + kid
	}
	if err != nil {
		e.Outcome, e.Reason = verdict(err)
		err = fmt.Errorf("%s: %w", action, err)
	}
	r.cfg.Audit.Record(ctx, e)
	return err
}

// verdict is what an audit event says of an error.
func verdict(err error) (outcome, code string) {
	switch {
	case errors.Is(err, ErrNotFound):
		return audit.Denied, "not_found"
	case errors.Is(err, ErrNotEmpty):
		return audit.Denied, "not_empty"
	case errors.Is(err, ErrAlgorithm):
		return audit.Denied, "algorithm"
	case errors.Is(err, ErrConflict):
		return audit.Failed, "conflict"
	case errors.Is(err, ErrUnavailable):
		return audit.Failed, "unavailable"
	default:
		return audit.Failed, "damaged"
	}
}
