package auth

import "context"

// Run lets a test put work of its own choosing through the gate.
func (h *Hasher) Run(ctx context.Context, memoryKiB int64, work func()) error {
	return h.run(ctx, memoryKiB, work)
}

// CostKiB is the memory a stored hash takes, or an error.
func (h *Hasher) CostKiB(phc string) (int64, error) {
	s, err := h.parse(phc)
	if err != nil {
		return 0, err
	}
	return s.memoryKiB, nil
}

// CommonPasswords are the embedded ones.
func CommonPasswords() map[string]bool { return commonPasswords }
