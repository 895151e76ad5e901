// Package testkit is what tests of many packages stand on: a clock they set, and an audit log and a text log they can ask. All of it is safe
// for concurrent use, and none of it is in the binary.
package testkit

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/claimsmith/claimsmith/internal/audit"
)

// Clock is a time that only tests move. Several may show different times, as the clocks of several machines do.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock returns a clock that shows a time.
func NewClock(at time.Time) *Clock { return &Clock{now: at} }

// Now returns the time shown.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock, also back.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// Set makes the clock show a time.
func (c *Clock) Set(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = at
}

// Trail is an audit.Log that keeps what is recorded.
type Trail struct {
	mu     sync.Mutex
	events []audit.Event
}

// Record implements audit.Log.
func (l *Trail) Record(_ context.Context, e audit.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, e)
}

// Take returns what was recorded since it was asked last, of these actions or, without any, of all.
func (l *Trail) Take(actions ...string) []audit.Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	taken := l.events
	l.events = nil
	if len(actions) > 0 {
		taken = slices.DeleteFunc(taken, func(e audit.Event) bool { return !slices.Contains(actions, e.Action) })
	}
	return taken
}

// Last returns what was recorded last, the zero Event for nothing.
func (l *Trail) Last() audit.Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.events) == 0 {
		return audit.Event{}
	}
	return l.events[len(l.events)-1]
}

// Log is a writer that keeps what is written to it.
type Log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// String returns all that was written.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
