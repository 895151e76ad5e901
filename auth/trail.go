package auth

import (
	"context"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/claimsmith/claimsmith/internal/audit"
)

// Kept reports whether an event is remembered beyond the process log: all but the tokens that machines get by the million without
// anybody deciding anything.
func Kept(e audit.Event) bool {
	switch e.Action {
	case "token." + GrantRefreshToken, "token." + GrantClientCredentials, "token." + GrantTokenExchange:
		return e.Outcome == audit.Denied
	case "token." + GrantDeviceCode:
		return e.Reason != string(AuthorizationPending) && e.Reason != string(SlowDown)
	}
	return true
}

// TrailFilter selects audit events; what is "" or zero selects all. A text is compared whole, but for an Action that ends in a dot, which
// selects all actions that begin with it. From is the first moment selected, To the first that is not.
type TrailFilter struct {
	Actor, Target, Action, Outcome string
	From, To                       time.Time
}

func (f *TrailFilter) selects(e *audit.Entry) bool {
	return is(f.Actor, e.Actor) && is(f.Target, e.Target) && is(f.Outcome, e.Outcome) &&
		(is(f.Action, e.Action) || strings.HasSuffix(f.Action, ".") && strings.HasPrefix(e.Action, f.Action)) &&
		(f.From.IsZero() || !e.Time.Before(f.From)) && (f.To.IsZero() || e.Time.Before(f.To))
}

func is(wanted, text string) bool { return wanted == "" || wanted == text }

const (
	// trailReads is how many entries are read at a time, trailScan how many are looked at for one page.
	trailReads = 500
	trailScan  = 5000
	// disorder is how far an event can stand behind later ones: it waits to be written while the store is away.
	disorder = 24 * time.Hour
)

// Trail is what the audit log remembers. Operators and readers see that of their organisation, administrators every one and, with
// organisation "", that of the installation; clients see none.
type Trail struct {
	Store audit.Store
	Keys  [][]byte
	Audit audit.Log
	Now   func() time.Time

	walks atomic.Int32
}

// maxWalks is how many read whole chains at once in one process.
const maxWalks = 2

// Walk admits somebody who reads a chain from end to end, until done is called. It fails with Busy where there are enough.
func (t *Trail) Walk() (done func(), err error) {
	if t.walks.Add(1) > maxWalks {
		t.walks.Add(-1)
		return nil, &Error{Code: Busy, Detail: "others are reading the audit log, try again in a moment", RetryAfter: 10 * time.Second}
	}
	return func() { t.walks.Add(-1) }, nil
}

func (t *Trail) mayRead(caller *Caller, org string) error {
	if caller.machine || !caller.MayRead(org) || org != "" && !ValidSlug(org) {
		return errNotFound("organisation")
	}
	return nil
}

// List pages through events, latest first. A page may have fewer than asked for, or none, and still a next.
func (t *Trail) List(ctx context.Context, caller *Caller, org string, f TrailFilter, p Page) (events []audit.Entry, next string, err error) {
	if err := t.mayRead(caller, org); err != nil {
		return nil, "", err
	}
	from, err := t.last(ctx, org, f.To, p.After)
	if err != nil || from == 0 {
		return nil, "", err
	}
	for looked := 0; looked < trailScan; {
		entries, err := t.Store.Range(ctx, org, from, trailReads, true)
		if err != nil {
			return nil, "", err
		}
		for n := range entries {
			e := &entries[n]
			if !f.From.IsZero() && e.Time.Before(f.From.Add(-disorder)) {
				return events, "", nil
			}
			if len(events) == max(p.Limit, 1) {
				return events, strconv.FormatUint(e.Seq, 10), nil
			}
			if f.selects(e) {
				events = append(events, *e)
			}
		}
		if len(entries) < trailReads || entries[len(entries)-1].Seq <= 1 {
			return events, "", nil
		}
		from = entries[len(entries)-1].Seq - 1
		looked += len(entries)
	}
	return events, strconv.FormatUint(from, 10), nil
}

// last is the entry a list begins with: that of the position, or the last that may be before a time; 0 for none.
func (t *Trail) last(ctx context.Context, org string, before time.Time, after string) (uint64, error) {
	if after != "" {
		seq, err := strconv.ParseUint(after, 10, 64)
		if err != nil || seq == 0 {
			return 0, &Error{Code: InvalidRequest, Detail: "this is not a position in the list", Err: err}
		}
		return seq, nil
	}
	head, err := t.Store.Head(ctx, org)
	if err != nil || before.IsZero() {
		return head.Seq, err
	}
	first, err := t.seek(ctx, org, head, before.Add(disorder))
	return first - 1, err
}

// seek returns the number of the first entry of a chain that is not before a time.
func (t *Trail) seek(ctx context.Context, org string, head audit.Head, at time.Time) (uint64, error) {
	low, high := head.Base.Seq+1, head.Seq+1
	for low < high {
		middle := low + (high-low)/2
		entries, err := t.Store.Range(ctx, org, middle, 1, false)
		if err != nil {
			return 0, err
		}
		if len(entries) > 0 && entries[0].Time.Before(at) {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low, nil
}

// Each calls yield for every event, earliest first, until it returns an error.
func (t *Trail) Each(ctx context.Context, caller *Caller, org string, f TrailFilter, yield func(audit.Entry) error) error {
	if err := t.mayRead(caller, org); err != nil {
		return err
	}
	head, err := t.Store.Head(ctx, org)
	if err != nil {
		return err
	}
	from := head.Base.Seq + 1
	if !f.From.IsZero() {
		if from, err = t.seek(ctx, org, head, f.From.Add(-disorder)); err != nil {
			return err
		}
	}
	for from <= head.Seq {
		entries, err := t.Store.Range(ctx, org, from, trailReads, false)
		if err != nil || len(entries) == 0 {
			return err
		}
		for n := range entries {
			e := &entries[n]
			if !f.To.IsZero() && !e.Time.Before(f.To.Add(disorder)) {
				return nil
			}
			if e.Seq <= head.Seq && f.selects(e) {
				if err := yield(*e); err != nil {
					return err
				}
			}
		}
		from = entries[len(entries)-1].Seq + 1
	}
	return nil
}

// Export is Each for who takes the events away, which is an event itself.
func (t *Trail) Export(ctx context.Context, caller *Caller, org string, f TrailFilter, yield func(audit.Entry) error) error {
	err := t.mayRead(caller, org)
	t.record(ctx, "audit.export", caller, org, err)
	if err != nil {
		return err
	}
	return t.Each(ctx, caller, org, f, yield)
}

// Verify reads an organisation's whole chain and checks it. It fails with Busy where others do.
func (t *Trail) Verify(ctx context.Context, caller *Caller, org string) (audit.Verification, error) {
	err := t.mayRead(caller, org)
	var done func()
	if err == nil {
		done, err = t.Walk()
	}
	var v audit.Verification
	if err == nil {
		defer done()
		v, err = audit.Verify(ctx, t.Store, t.Keys, org)
	}
	e := Outcome("audit.verify", caller.Ref(), err)
	if err == nil && v.Broken > 0 {
		e.Reason = "broken"
	}
	t.Audit.Record(ctx, About(e, org, "", ""))
	return v, err
}

func (t *Trail) record(ctx context.Context, action string, caller *Caller, org string, err error) {
	t.Audit.Record(ctx, About(Outcome(action, caller.Ref(), err), org, "", ""))
}
