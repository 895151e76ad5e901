package auth_test

import (
	"testing"
	"time"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/internal/audit"
)

// Only so many read whole chains at once, and who is done makes room.
func TestTrailIsWalkedByFewAtOnce(t *testing.T) {
	trail, recorder := newTrail(t, func(func(time.Time, audit.Event)) {})
	trail.Audit = recorder
	var ends []func()
	for {
		done, err := trail.Walk()
		if err != nil {
			break
		}
		if ends = append(ends, done); len(ends) > 10 {
			t.Fatal("there is no bound")
		}
	}
	if len(ends) != 2 {
		t.Errorf("%d at once", len(ends))
	}
	if _, err := trail.Verify(t.Context(), auth.System(), ""); auth.CodeOf(err) != auth.Busy {
		t.Errorf("one more: %v", err)
	}
	ends[0]()
	for range 3 {
		if _, err := trail.Verify(t.Context(), auth.System(), ""); err != nil {
			t.Error(err)
		}
	}
}
