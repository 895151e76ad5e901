package metadata

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
)

// MaxTogether is how many documents ApplyAll changes at most.
const MaxTogether = 1000

const (
	// togetherAtOnce is how many of them are worked on at the same time.
	togetherAtOnce = 16
	// togetherBytes bounds what they are before, all together, since that is kept until the end.
	togetherBytes = 128 << 20
	// togetherAttempts is how often one that moves meanwhile is changed.
	togetherAttempts = 8

	actionUndo = "metadata.undo"
)

// Targeted is a change of one document.
type Targeted struct {
	Target
	Change
}

// ApplyAll changes several documents of users, of one organisation and none twice, and returns them as they stand afterwards, in their
// order: all of them or, where one is refused, none. index says which the error is about, -1 where it is about all of them.
//
// Every change is tried before the first is made, and those made are undone when one is refused after all, unless somebody has changed the
// document since. Documents lie in different places, so that others may see some of the changes before the rest; and where the store
// fails in the middle and what was made cannot be undone, the error is Unavailable. Making the same call again then completes it. What is
// undone has been recorded as made, and is recorded as "metadata.undo".
func (s *Service) ApplyAll(ctx context.Context, c Caller, all []Targeted) (made []Document, index int, err error) {
	if len(all) > MaxTogether {
		return nil, -1, Exceeded("", "documents changed together", len(all), MaxTogether)
	}
	parts, kept := make([]*part, len(all)), new(atomic.Int64)
	for i, one := range all {
		switch {
		case one.Shared:
			return nil, i, invalid("", "what users inherit is not changed together with other documents")
		case orgOf(c, one.Org) != orgOf(c, all[0].Org):
			return nil, i, invalid("", "documents changed together are of one organisation")
		}
		parts[i] = &part{service: s, caller: c, target: one.Target, change: one.Change, op: newOp(), kept: kept}
	}
	if index, err := each(ctx, parts, (*part).try); err != nil {
		return nil, aboutOne(index, err), err
	}
	if index, err := checkTogether(parts); err != nil {
		return nil, index, err
	}
	if index, err := each(ctx, parts, (*part).tryWithOthers); err != nil {
		return nil, index, err
	}
	if index, err := each(ctx, parts, (*part).make); err != nil {
		index = aboutOne(index, err)
		return nil, index, undo(ctx, parts, err, &index)
	}
	for _, p := range parts {
		made = append(made, visible(c, p.owner.Org, p.after.Scheme, p.after.Document))
	}
	return made, -1, nil
}

// errKept is the cause of an error about all documents together.
var errKept = errors.New("what the documents were is too much to be kept")

// aboutOne is the index of the document that an error of each is about, -1 where it is about all.
func aboutOne(index int, err error) int {
	if errors.Is(err, errKept) {
		return -1
	}
	return index
}

// each runs do for all parts, some at once, and begins no more after an error. It returns the error of the first part that has one; all
// before it were done. Where do panics, so does each, when all that was begun has ended.
func each(ctx context.Context, parts []*part, do func(*part, context.Context) error) (index int, err error) {
	var (
		mu       sync.Mutex
		next     int
		panicked any
		workers  sync.WaitGroup
	)
	index = -1
	take := func() (int, bool) {
		mu.Lock()
		defer mu.Unlock()
		next++
		return next - 1, next <= len(parts) && err == nil && panicked == nil
	}
	for range min(togetherAtOnce, len(parts)) {
		workers.Go(func() {
			defer func() {
				if v := recover(); v != nil {
					mu.Lock()
					defer mu.Unlock()
					panicked = v
				}
			}()
			for i, ok := take(); ok; i, ok = take() {
				if failure := do(parts[i], ctx); failure != nil {
					mu.Lock()
					if err == nil || i < index {
						index, err = i, failure
					}
					mu.Unlock()
				}
			}
		})
	}
	workers.Wait()
	if panicked != nil {
		panic(panicked)
	}
	return index, err
}

// part is one of the documents changed together.
type part struct {
	service *Service
	caller  Caller
	target  Target
	change  Change
	op      string

	owner  Owner
	before Document // what the change is made of
	after  outcome
	// size is that of before, and kept the sum over all parts.
	size int
	kept *atomic.Int64
	// beside is how many other documents of applications about the same user the call creates, where that is to be tried of this one.
	beside int
	// made: it was; unknown: it may have been.
	made, unknown bool
}

// try finds out whether the change would be refused.
func (p *part) try(ctx context.Context) error {
	would, err := p.service.apply(ctx, p.caller, p.target, write{change: p.change, dryRun: true})
	if err != nil {
		return err
	}
	p.owner = would.Owner
	p.owner.Handle = ""
	p.target = Target{Org: p.owner.Org, User: p.owner.User, App: p.owner.App}
	return p.look(ctx)
}

// look reads what the document is.
func (p *part) look(ctx context.Context) error {
	before, err := p.service.Store.Get(ctx, p.owner)
	if err != nil {
		return err
	}
	size := 0
	for _, e := range before.Entries {
		size += len(e.Key) + len(e.Value.raw)
	}
	if kept := p.kept.Add(int64(size - p.size)); kept > togetherBytes {
		refused := Exceeded("", "bytes of the documents changed together", int(kept), togetherBytes)
		refused.Err = errKept
		return refused
	}
	p.before, p.size = before, size
	return nil
}

// checkTogether reports what is wrong about parts that are not wrong alone, and has of each user the last document that the call creates
// tried with the others.
func checkTogether(parts []*part) (index int, err error) {
	seen := make(map[Owner]bool, len(parts))
	last, count := map[string]*part{}, map[string]int{}
	for i, p := range parts {
		if seen[p.owner] {
			return i, invalid("", "a document is changed twice")
		}
		seen[p.owner] = true
		if p.owner.App != "" && p.before.Revision == 0 {
			last[p.owner.User] = p
			count[p.owner.User]++
		}
	}
	for user, p := range last {
		p.beside = count[user] - 1
	}
	return -1, nil
}

// tryWithOthers finds out whether the document of an application would be one too many, with the others that the call creates.
func (p *part) tryWithOthers(ctx context.Context) error {
	if p.beside == 0 {
		return nil
	}
	_, err := p.service.apply(ctx, p.caller, p.target, write{change: p.change, dryRun: true, beside: p.beside})
	if isCode(err, LimitExceeded) {
		limits, unknown := p.service.limits(ctx, p.owner.Org)
		if unknown != nil {
			return unknown
		}
		return &Error{
			Code: LimitExceeded, Err: err,
			Detail: fmt.Sprintf("application documents about this user: %d more, the limit is %d", p.beside+1, limits.Applications),
		}
	}
	return err
}

// make changes the document, on condition that it is what undo would make it again.
func (p *part) make(ctx context.Context) (err error) {
	for range togetherAttempts {
		p.after, err = p.send(ctx)
		if !isCode(err, PreconditionFailed) {
			p.made = err == nil && p.after.Document.Revision > p.before.Revision
			p.unknown = isCode(err, Unavailable) && !errors.Is(err, ErrSchemeChanged)
			return err
		}
		if err := p.look(ctx); err != nil {
			return err
		}
	}
	return Unknown("change documents together", err)
}

func (p *part) send(ctx context.Context) (outcome, error) {
	as := Precondition{IfMatch: &Condition{Revisions: []uint64{p.before.Revision}}}
	return p.service.apply(ctx, p.caller, p.target, write{change: p.change, pre: as, op: p.op})
}

// undo takes back what was made of parts, and returns what ApplyAll then says about the error that stopped them.
func undo(ctx context.Context, parts []*part, stopped error, index *int) error {
	ctx, cancel := finishing(ctx)
	defer cancel()
	var (
		mu       sync.Mutex
		failures error
	)
	_, _ = each(ctx, parts, func(p *part, ctx context.Context) error {
		if err := p.undo(ctx); err != nil {
			mu.Lock()
			defer mu.Unlock()
			failures = errors.Join(failures, err)
		}
		return nil // the others are undone even so
	})
	if failures == nil {
		return stopped
	}
	*index = -1
	return Unknown("undo changes made together", errors.Join(stopped, failures))
}

// undo makes the document again what it was, unless it has been changed since.
func (p *part) undo(ctx context.Context) error {
	if p.unknown {
		_, err := p.send(ctx) // of what was made already, the store knows that
		switch {
		case isCode(err, PreconditionFailed), errors.Is(err, ErrUserNotFound):
			return nil
		case err != nil:
			return err
		}
		p.made = true
	}
	if !p.made {
		return nil
	}
	err := p.service.underScheme(ctx, p.owner.Org, func(scheme *Scheme) error { return p.putBack(ctx, scheme) })
	if isCode(err, PreconditionFailed) || errors.Is(err, ErrUserNotFound) {
		return nil
	}
	p.service.recordWrite(ctx, p.caller, actionUndo, p.owner.Org, userRef(p.owner.User, err), err)
	return err
}

// putBack is PreconditionFailed for a document that has been changed since. It obeys a scheme, but no limit.
func (p *part) putBack(ctx context.Context, scheme *Scheme) error {
	s := p.service
	limits, err := s.limits(ctx, p.owner.Org)
	if err != nil {
		return err
	}
	limits.Entries, limits.DocumentBytes, limits.ClaimsBytes, limits.Applications = math.MaxInt32, math.MaxInt32, math.MaxInt32, math.MaxInt32
	now, err := s.Store.Get(ctx, p.owner)
	if err != nil {
		return err
	}
	back := Patch{
		Brief: true, If: Precondition{IfMatch: &Condition{Revisions: []uint64{p.before.Revision + 1}}}, Limits: limits,
		ChangedBy: p.caller.Ref(), Via: via(ctx), At: s.Now(), Op: newOp(),
	}
	change := now.changeTo(&p.before, "")
	back.Set, back.Delete = change.Set, change.Delete
	if err := s.check(ctx, scheme, p.owner, false, &back); err != nil {
		return err
	}
	_, err = s.Store.Apply(ctx, p.owner, back)
	return err
}
