package backchannel

import "context"

// Deliver is what Run does at every tick.
func (s *Sender) Deliver(ctx context.Context) error { return s.deliver(ctx) }
