package claims

import (
	"sync"
	"time"
)

// maxProofs is how many of the latest proofs a Verifier remembers at least, and half of how many at most. A flood of more, which
// takes as many proofs for valid tokens, makes it forget the oldest.
const maxProofs = 1 << 16

// proofMemory remembers the proofs that were used within their time. The zero value is ready; it is safe for concurrent use.
type proofMemory struct {
	mu       sync.Mutex
	recent   map[[2]string]struct{} // guarded by mu, as is all below
	previous map[[2]string]struct{}
	since    time.Time // when recent was begun
}

// first reports whether a proof has not been used before.
func (m *proofMemory) first(p *Proof, now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	// A proof can be used from ProofWindow before its time until ProofWindow after.
	if m.recent == nil || len(m.recent) >= maxProofs || now.Sub(m.since) > 2*ProofWindow {
		m.previous, m.recent, m.since = m.recent, make(map[[2]string]struct{}), now
	}
	id := [2]string{p.KeyThumbprint, p.ID}
	if _, used := m.recent[id]; used {
		return false
	}
	if _, used := m.previous[id]; used {
		return false
	}
	m.recent[id] = struct{}{}
	return true
}
