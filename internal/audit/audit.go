// Package audit owns the one record every security-relevant operation leaves behind: who did what to which object of which
// organisation, through which door, and how it ended. Events name objects and never carry values or secrets.
package audit

import (
	"context"
	"log/slog"
)

// Outcomes of an operation. Failed means that the outcome is unknown to the caller, who was told to try again.
const (
	Success = "success"
	Denied  = "denied"
	Failed  = "failed"
)

// Event is one operation. Actor and Target are references such as "user:<id>", "client:<id>", "token:<id>", "key:<kid>"; Reason
// is an error code.
type Event struct {
	Action  string
	Actor   string
	Org     string
	Target  string
	Outcome string
	Reason  string
}

// Log takes events. Record must not block for long and has no error: an implementation that can fail decides itself what a
// failure means. It is called concurrently.
type Log interface {
	Record(ctx context.Context, e Event)
}

// Request is what the transport knows about the call an event belongs to.
type Request struct {
	ID      string
	Address string
	Dialect string
}

type requestKey struct{}

// WithRequest attaches the facts of a request to its context.
func WithRequest(ctx context.Context, r Request) context.Context {
	return context.WithValue(ctx, requestKey{}, r)
}

// RequestFrom returns what WithRequest attached, or the zero Request outside of one.
func RequestFrom(ctx context.Context) Request {
	r, _ := ctx.Value(requestKey{}).(Request)
	return r
}

// NewLog returns a Log that writes each event as one structured record of l, so that no text in an event can forge another.
func NewLog(l *slog.Logger) Log { return slogLog{l} }

type slogLog struct{ logger *slog.Logger }

func (s slogLog) Record(ctx context.Context, e Event) {
	level := slog.LevelInfo
	if e.Outcome != Success {
		level = slog.LevelWarn
	}
	if !s.logger.Enabled(ctx, level) {
		return
	}
	r := RequestFrom(ctx)
	attrs := make([]slog.Attr, 0, 9)
	for _, fact := range [...]struct{ name, value string }{
		{"action", e.Action}, {"outcome", e.Outcome}, {"reason", e.Reason}, {"actor", e.Actor}, {"org", e.Org}, {"target", e.Target},
		{"request_id", r.ID}, {"address", r.Address}, {"dialect", r.Dialect},
	} {
		if fact.value != "" {
			attrs = append(attrs, slog.String(fact.name, fact.value))
		}
	}
	s.logger.LogAttrs(ctx, level, "audit", attrs...)
}
