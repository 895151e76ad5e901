package keys

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/claimsmith/claimsmith/claims"
	"github.com/claimsmith/claimsmith/internal/audit"
)

const (
	// RefreshInterval is how often Run should be made to read the state. With it and refreshTimeout, a process that reaches the store
	// knows of a withdrawal within 5 s.
	RefreshInterval = 2 * time.Second
	// MaxStale is how long a process that cannot read the state goes on with the last one it read. After that it neither
	// signs nor verifies nor publishes keys.
	MaxStale = 30 * time.Second

	refreshTimeout = 2 * time.Second
)

// Config is what a Ring needs. The durations must be the same for all processes of an installation.
type Config struct {
	Store  Store
	Sealer *Sealer
	// JWKSMaxAge is how long anybody may cache the published key set: the max-age it is served with.
	JWKSMaxAge time.Duration
	// TokenLifetime is the longest lifetime of any token that is signed, whatever its kind.
	TokenLifetime time.Duration
	// Skew is how far the clocks of two processes, or of a process and a verifier, may be apart.
	Skew time.Duration
	// Rotation is how long a key signs until Run has its successor made; 0 leaves rotation to the operator. It is at least the
	// time a key is published before it signs (JWKSMaxAge + MaxStale + Skew) and an eighth of the time after (TokenLifetime + Skew).
	Rotation time.Duration
	Audit    audit.Log
	Logger   *slog.Logger
	Now      func() time.Time
}

// lead is how long a key is published before it signs: everybody's cache of the key set, filled by a process that had not
// read of the key yet, must have expired on every clock.
func (c *Config) lead() time.Duration { return c.JWKSMaxAge + MaxStale + c.Skew }

// tail is how long a key is published after it has signed its last token.
func (c *Config) tail() time.Duration { return c.TokenLifetime + c.Skew }

// Ring is one process's view of the signing keys, and the way to change them. It is safe for concurrent use. Signing and
// verifying only ever look into memory; Refresh, called by Run, is what reads the store.
type Ring struct {
	cfg  Config
	mu   sync.Mutex // held while reading or changing the store, so that a view is never replaced by an older one
	seen atomic.Pointer[view]
}

// view is what a Ring knows: the last state that was in order, when it was read, and what was wrong with a later one.
type view struct {
	set   *Set
	at    time.Time
	fault error
}

// NewRing returns a Ring that knows no keys until its first Refresh.
func NewRing(c Config) (*Ring, error) {
	var err error
	switch {
	case c.Sealer == nil:
		err = ErrNoKEK
	case c.JWKSMaxAge < 0 || c.Skew < 0 || c.TokenLifetime <= 0:
		err = errors.New("a duration is out of range")
	case c.Rotation != 0 && c.Rotation < max(c.lead(), c.tail()/8):
		err = fmt.Errorf("rotating every %v, while a key is published %v before it signs and %v after", c.Rotation, c.lead(), c.tail())
	default:
		return &Ring{cfg: c}, nil
	}
	return nil, fmt.Errorf("signing keys: %w", err)
}

// Set returns the current keys. It is ErrUnavailable when they were never read, could not be read for MaxStale, or when what
// was read last is not in order.
func (r *Ring) Set() (*Set, error) {
	v := r.seen.Load()
	switch {
	case v == nil:
		return nil, fmt.Errorf("%w: not read yet", ErrUnavailable)
	case v.fault != nil:
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, v.fault)
	case r.cfg.Now().Sub(v.at) > MaxStale:
		return nil, fmt.Errorf("%w: not read since %s", ErrUnavailable, v.at.UTC().Format(time.RFC3339))
	}
	return v.set, nil
}

// Sign signs payload with the key of the algorithm that signs now; see Key.Sign. It is ErrUnavailable as Set is, and ErrAlgorithm
// when there is no such key.
func (r *Ring) Sign(alg, typ string, payload []byte) (string, error) {
	set, err := r.Set()
	if err != nil {
		return "", fmt.Errorf("signing: %w", err)
	}
	k, err := set.Signing(alg, r.cfg.Now())
	if err != nil {
		return "", err
	}
	return k.Sign(typ, payload)
}

// JWKS returns the key set to publish, or ErrUnavailable as Set does: a stale set could lack the key that is about to sign.
func (r *Ring) JWKS() ([]byte, error) {
	set, err := r.Set()
	if err != nil {
		return nil, fmt.Errorf("publishing keys: %w", err)
	}
	return set.JWKS(r.cfg.Now()), nil
}

// Key implements claims.KeySource: an identifier that is not published is claims.ErrKeyUnknown, at no cost to the store, and
// everything is claims.ErrUnavailable while Set is ErrUnavailable.
func (r *Ring) Key(_ context.Context, kid string) (claims.Key, error) {
	set, err := r.Set()
	if err != nil {
		return claims.Key{}, fmt.Errorf("%w: %w", claims.ErrUnavailable, err)
	}
	k, ok := set.Lookup(kid, r.cfg.Now())
	if !ok {
		return claims.Key{}, claims.ErrKeyUnknown
	}
	return claims.Key{ID: k.ID, Algorithm: k.Alg, Public: k.Public}, nil
}

// Refresh reads the state. A state that cannot be read leaves the view as it is, to age; one that is not in order, or older than
// the last one, ends the use of all keys until a Refresh succeeds.
func (r *Ring) Refresh(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := r.cfg.Now()
	state, err := r.cfg.Store.Load(ctx)
	if err != nil && !errors.Is(err, ErrCorrupt) {
		return fmt.Errorf("reading signing keys: %w", err)
	}
	seen := r.seen.Load()
	var set *Set
	if err == nil {
		set, err = r.accept(seen, state)
	}
	if err != nil {
		err = fmt.Errorf("reading signing keys: %w", err)
		if seen != nil {
			r.seen.Store(&view{set: seen.set, at: seen.at, fault: err})
		}
		return err
	}
	r.seen.Store(&view{set: set, at: at})
	return nil
}

// accept opens a state that was read, unless it contradicts what was seen before. A process that starts has seen nothing, so
// a state restored from a backup takes effect by restarting all processes.
func (r *Ring) accept(seen *view, state State) (*Set, error) {
	if seen == nil {
		return Open(state, r.cfg.Sealer)
	}
	if err := seen.set.precedes(state); err != nil {
		return nil, err
	}
	if state.Version == seen.set.state.Version {
		return seen.set, nil
	}
	return Open(state, r.cfg.Sealer)
}

// precedes reports ErrRolledBack unless state is this set's or a later one.
func (s *Set) precedes(state State) error {
	if state.Version > s.state.Version || state.equal(s.state) {
		return nil
	}
	return fmt.Errorf("version %d after version %d: %w", state.Version, s.state.Version, ErrRolledBack)
}

// Run keeps the view fresh until ctx ends: at once and then at every tick it reads the state and starts the rotations that are
// due. Once, as soon as it can, it seals keys again that are not under the current KEK. The server's tick is
// time.Tick(RefreshInterval).
func (r *Ring) Run(ctx context.Context, tick <-chan time.Time) {
	resealed := false
	for {
		if err := r.upkeep(ctx, &resealed); err != nil && ctx.Err() == nil {
			r.cfg.Logger.ErrorContext(ctx, "signing keys", slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
			return
		case <-tick:
		}
	}
}

func (r *Ring) upkeep(ctx context.Context, resealed *bool) error {
	reading, cancel := context.WithTimeout(ctx, refreshTimeout)
	defer cancel()
	if err := r.Refresh(reading); err != nil {
		return err
	}
	// Once and not whenever it is needed: while processes are being restarted with a new KEK, those with the old one and those with the
	// new one would undo each other's work.
	if !*resealed {
		if err := r.reseal(ctx); err != nil {
			return err
		}
		*resealed = true
	}
	return r.rotateDue(ctx)
}
