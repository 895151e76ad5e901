package metadata

import (
	"context"
	"sync"
	"time"
)

// SchemeRecency is how long a remembered scheme may be used.
const SchemeRecency = time.Second

// Nobody who asks for a scheme gives another's question less time than readTimeout, and nobody waits longer than announceTimeout for
// partitions to be told of it: the next who reads it tells them.
const (
	schemeTimeout   = 2 * time.Second
	announceTimeout = 250 * time.Millisecond
)

const maxSchemes = 10_000

// Schemes remembers schemes for as long as an answer may be out of date: a second. It is safe for concurrent use.
type Schemes struct {
	Store SchemeStore
	Now   func() time.Time

	mu    sync.Mutex
	byOrg map[string]*remembered // guarded by mu
}

type remembered struct {
	scheme *Scheme // nil until the first was read
	at     time.Time
	read   *schemeRead // under way, or nil
}

// schemeRead is one read that many may wait for.
type schemeRead struct {
	done   chan struct{} // closed when the rest is there
	scheme *Scheme
	err    error
}

// Of returns an organisation's scheme as it was within the last second. It finishes announcing one that is not fully announced.
func (s *Schemes) Of(ctx context.Context, org string) (*Scheme, error) {
	now := s.Now()
	s.mu.Lock()
	r := s.byOrg[org]
	if r != nil && r.fresh(now) {
		s.mu.Unlock()
		return r.scheme, nil
	}
	if r == nil {
		r = s.put(org, &remembered{})
	}
	read := r.read
	if read == nil {
		read = &schemeRead{done: make(chan struct{})}
		r.read = read
		go s.run(context.WithoutCancel(ctx), org, r, read, now)
	}
	s.mu.Unlock()
	select {
	case <-read.done:
		return read.scheme, read.err
	case <-ctx.Done():
		return nil, Unknown("read the scheme of "+org, ctx.Err())
	}
}

// Latest reads it.
func (s *Schemes) Latest(ctx context.Context, org string) (*Scheme, error) {
	now := s.Now()
	scheme, err := s.load(ctx, org)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.byOrg[org]
	if r == nil {
		r = s.put(org, &remembered{})
	}
	return r.keep(scheme, now), nil
}

// Forget drops what was remembered of an organisation.
func (s *Schemes) Forget(org string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.byOrg, org)
}

func (s *Schemes) put(org string, r *remembered) *remembered {
	if s.byOrg == nil || len(s.byOrg) >= maxSchemes {
		s.byOrg = make(map[string]*remembered)
	}
	s.byOrg[org] = r
	return r
}

func (s *Schemes) run(ctx context.Context, org string, r *remembered, read *schemeRead, now time.Time) {
	ctx, cancel := context.WithTimeout(ctx, schemeTimeout)
	defer cancel()
	scheme, err := s.load(ctx, org)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		scheme = r.keep(scheme, now)
	}
	r.read = nil
	read.scheme, read.err = scheme, err
	close(read.done)
}

func (s *Schemes) load(ctx context.Context, org string) (*Scheme, error) {
	scheme, err := s.Store.Scheme(ctx, org)
	if err != nil || scheme.Announced >= scheme.Revision {
		return scheme, err
	}
	ctx, cancel := context.WithTimeout(ctx, announceTimeout)
	defer cancel()
	if s.Store.Announce(ctx, scheme) == nil { // or else the next one who reads it does
		told := *scheme
		told.Announced = scheme.Revision
		scheme = &told
	}
	return scheme, nil
}

// A clock that was set back must not prolong anything.
func (r *remembered) fresh(now time.Time) bool {
	age := now.Sub(r.at)
	return r.scheme != nil && age >= 0 && age < SchemeRecency
}

// keep remembers what was read at now, unless something later is, and returns what there is to use: of equal schemes the one that was
// there first, so that what has been worked out of it stays good.
func (r *remembered) keep(scheme *Scheme, now time.Time) *Scheme {
	switch {
	case r.scheme != nil && scheme.Revision < r.scheme.Revision && r.fresh(now):
		return r.scheme
	case r.scheme != nil && scheme.Revision == r.scheme.Revision && scheme.Announced == r.scheme.Announced:
		if now.After(r.at) || !r.fresh(now) {
			r.at = now
		}
	default:
		r.scheme, r.at = scheme, now
	}
	return r.scheme
}

// scheme returns an organisation's scheme as it was within the last second, latest as it is.
func (s *Service) scheme(ctx context.Context, org string) (*Scheme, error) {
	if s.Schemes == nil {
		return s.Store.Scheme(ctx, org)
	}
	return s.Schemes.Of(ctx, org)
}

func (s *Service) latest(ctx context.Context, org string) (*Scheme, error) {
	if s.Schemes == nil {
		return s.Store.Scheme(ctx, org)
	}
	return s.Schemes.Latest(ctx, org)
}

// forget is for the instance that changed a scheme.
func (s *Service) forget(org string) {
	if s.Schemes != nil {
		s.Schemes.Forget(org)
	}
}
