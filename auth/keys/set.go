package keys

import (
	"fmt"
	"time"
)

// Set is one State with its private keys opened. It is immutable and safe for concurrent use.
type Set struct {
	state State
	keys  []*Key // in the order of the records, without the withdrawn ones
	byID  map[string]*Key
}

// Open opens a state. All of it must be in order: one record that is not makes the whole state ErrCorrupt, ErrNotSealed or
// ErrUnknownKEK, and the zero State is ErrEmpty.
func Open(state State, sealer *Sealer) (*Set, error) {
	if err := state.check(); err != nil {
		return nil, err
	}
	set := &Set{state: state, byID: make(map[string]*Key, len(state.Records))}
	for _, r := range state.Records {
		if r.Withdrawn {
			continue
		}
		k, err := openKey(r, sealer)
		if err != nil {
			return nil, err
		}
		set.keys = append(set.keys, k)
		set.byID[k.ID] = k
	}
	return set, nil
}

// Signing returns the key of the algorithm that signs at a time, or ErrAlgorithm.
func (s *Set) Signing(alg string, now time.Time) (*Key, error) {
	for _, k := range s.keys {
		if k.Alg == alg && k.record.Status(now) == Active {
			return k, nil
		}
	}
	return nil, fmt.Errorf("signing with %q: %w", alg, ErrAlgorithm)
}

// Lookup returns the published key with that identifier. It only ever looks into memory, so any text may be asked for.
func (s *Set) Lookup(kid string, now time.Time) (*Key, bool) {
	k, ok := s.byID[kid]
	if !ok || k.record.Status(now) == Expired {
		return nil, false
	}
	return k, true
}

// JWKS returns the published keys as a JSON Web Key Set (RFC 7517 §5): public members only, oldest key first.
func (s *Set) JWKS(now time.Time) []byte {
	out := []byte(`{"keys":[`)
	for _, k := range s.keys {
		if k.record.Status(now) == Expired {
			continue
		}
		if out[len(out)-1] == '}' {
			out = append(out, ',')
		}
		out = append(out, k.jwk...)
	}
	return append(out, `]}`...)
}

// List describes the keys as State.List does.
func (s *Set) List(now time.Time) []Listing { return s.state.List(now) }
