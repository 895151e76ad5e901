package metadata

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// finishTimeout is for ending what has been begun, whoever may have stopped waiting.
const finishTimeout = time.Minute

// finishing is a context for that.
func finishing(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), finishTimeout)
}

// sharedAttempts is how often a change of a shared document is checked anew because other instances changed the scheme.
const sharedAttempts = 20

// turns lets changes of one thing come after each other. The zero value is ready.
type turns struct {
	mu    sync.Mutex
	taken map[string]chan struct{} // guarded by mu; closed and removed at the end of the turn
}

// take waits for the turn and returns what ends it.
func (t *turns) take(ctx context.Context, name string) (end func(), err error) {
	for {
		t.mu.Lock()
		other, taken := t.taken[name]
		if !taken {
			mine := make(chan struct{})
			if t.taken == nil {
				t.taken = make(map[string]chan struct{})
			}
			t.taken[name] = mine
			t.mu.Unlock()
			return func() {
				t.mu.Lock()
				defer t.mu.Unlock()
				delete(t.taken, name)
				close(mine)
			}, nil
		}
		t.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return nil, Unknown("wait for other changes of "+name, ctx.Err())
		}
	}
}

// applyShared changes a shared document. Where its claims grow nobody may come to inherit too much: those who inherit it are looked at
// before, and again when every partition knows of the change, so that nobody has joined on the strength of what it was.
func (s *Service) applyShared(ctx context.Context, patch Patch, out *outcome) error {
	o := out.Owner
	end, err := s.turns.take(ctx, o.Org)
	if err != nil {
		return err
	}
	defer end()
	for range sharedAttempts {
		scheme, err := s.latest(ctx, o.Org)
		if err != nil {
			return err
		}
		if o.Group != "" && scheme.groupByID(o.Group) == nil {
			return errNoGroup
		}
		checked := patch
		if err := s.check(ctx, scheme, o, false, &checked); err != nil {
			return err
		}
		if err := s.settleKept(ctx, o, &checked); err != nil {
			return err
		}
		was := scheme.Shared[o.Group]
		would := checked.sharedClaims(was)
		grows := sum(would) > sum(was)
		var before Document
		if grows {
			if err := s.refuseHeirs(ctx, scheme.sharing(o.Group, would), o.Group, patch.Limits.InheritedBytes); err != nil {
				return err
			}
			if before, err = s.Store.Get(ctx, o); err != nil {
				return err
			}
		}
		out.Scheme = scheme
		out.Document, err = s.Store.Apply(ctx, o, checked) // only if the scheme is still this one
		if errors.Is(err, ErrSchemeChanged) {
			continue
		}
		if err == nil && !patch.DryRun {
			s.forget(o.Org)
			if grows && out.Document.Revision > before.Revision {
				err = s.settleShared(ctx, o, checked, before, out.Document)
			}
		}
		return err
	}
	return ErrSchemeChanged
}

// settleKept settles what a patch leaves to what is stored, in a shared document, which stays as it is while the scheme does.
func (s *Service) settleKept(ctx context.Context, o Owner, p *Patch) error {
	open := func(put Put) bool { return p.KeepEqual || put.Unmarked }
	if !slices.ContainsFunc(p.Set, open) {
		return nil
	}
	doc, err := s.Store.Get(ctx, o)
	if err != nil {
		return err
	}
	for i := range p.Set {
		put := &p.Set[i]
		e, exists := doc.Entry(put.Key)
		equal := exists && p.KeepEqual && (put.Value == e.Value || put.Alike == e.Value)
		if equal {
			put.Value, put.Term = e.Value, ""
		}
		if equal || exists && put.Unmarked {
			put.ProfileClaim = e.ProfileClaim
		}
		put.Unmarked = false
	}
	return nil
}

// settleShared takes back a change by which somebody inherits too much who did not when it was checked.
func (s *Service) settleShared(ctx context.Context, o Owner, p Patch, before, after Document) error {
	ctx, cancel := finishing(ctx)
	defer cancel()
	scheme, err := s.announced(ctx, o.Org)
	if err != nil {
		return err
	}
	refusal := s.refuseHeirs(ctx, scheme, o.Group, p.Limits.InheritedBytes)
	if !isCode(refusal, LimitExceeded) {
		return refusal
	}
	if err := s.takeBack(ctx, o, p, before, after.Revision); err != nil {
		return err
	}
	_, err = s.announced(ctx, o.Org)
	return cmp.Or(err, refusal)
}

// takeBack makes entries that a change set or deleted what they were, but for those that were written again since.
func (s *Service) takeBack(ctx context.Context, o Owner, p Patch, before Document, revision uint64) error {
	for range sharedAttempts {
		scheme, err := s.latest(ctx, o.Org)
		if err != nil {
			return err
		}
		now, err := s.Store.Get(ctx, o)
		if err != nil {
			return err
		}
		back := Patch{
			Limits: p.Limits, Scheme: scheme.Revision, Brief: true, ChangedBy: p.ChangedBy, Via: p.Via, At: s.Now(), Op: newOp(),
		}
		for _, e := range now.Entries {
			if _, existed := before.Entry(e.Key); e.Revision == revision && !existed {
				back.Delete = append(back.Delete, e.Key)
			}
		}
		for _, e := range before.Entries {
			current, exists := now.Entry(e.Key)
			if exists && current.Revision == revision || !exists && p.removes(e.Key) {
				back.Set = append(back.Set, Put{Key: e.Key, Value: e.Value, ProfileClaim: e.ProfileClaim})
			}
		}
		if _, err = s.Store.Apply(ctx, o, back); !errors.Is(err, ErrSchemeChanged) {
			return err
		}
	}
	return ErrSchemeChanged
}

// announced returns the latest scheme once all partitions know of it.
func (s *Service) announced(ctx context.Context, org string) (*Scheme, error) {
	scheme, err := s.latest(ctx, org)
	if err == nil && scheme.Announced < scheme.Revision {
		err = s.Store.Announce(ctx, scheme)
	}
	return scheme, err
}

// refuseHeirs is LimitExceeded if somebody inherits more than the limit by a scheme, of a group's members or of all users, among whom one
// in no group counts even if there is none yet.
func (s *Service) refuseHeirs(ctx context.Context, scheme *Scheme, group string, limit int) error {
	over, most := 0, 0
	inherited := scheme.heirs()
	err := s.Store.Scan(ctx, scheme.Org, Extent{Claims: true, Group: group}, func(h Holding) error {
		if h.Owner.App != "" {
			return nil
		}
		if n := inherited(h.Groups); n > limit {
			over, most = over+1, max(most, n)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if n := inherited(nil); over == 0 && group == "" && n > limit {
		over, most = 1, n
	}
	if over == 0 {
		return nil
	}
	return Exceeded("", heirsOver(over), most, limit)
}

func heirsOver(n int) string {
	return fmt.Sprintf("bytes of profile claims inherited by users, %d of whom would have too many", n)
}

// heirs returns InheritedBytes, remembered: most users are in the same groups as others.
func (s *Scheme) heirs() func(groups []string) int {
	known := make(map[string]int)
	return func(groups []string) int {
		key := strings.Join(groups, ",")
		n, ok := known[key]
		if !ok {
			n = s.InheritedBytes(groups)
			known[key] = n
		}
		return n
	}
}

// sharing is a scheme with other claims in one of its shared documents.
func (s *Scheme) sharing(group string, claims []Claim) *Scheme {
	other := *s
	other.Shared = maps.Clone(s.Shared)
	if other.Shared == nil {
		other.Shared = make(map[string][]Claim)
	}
	other.Shared[group] = claims
	return &other
}

func (p *Patch) removes(key string) bool {
	return p.Replace && !slices.ContainsFunc(p.Set, func(put Put) bool { return put.Key == key }) || slices.Contains(p.Delete, key)
}

// sharedClaims is what a document's claims are after a patch, the marks of which are settled.
func (p *Patch) sharedClaims(was []Claim) []Claim {
	set := make(map[string]bool, len(p.Set))
	for _, put := range p.Set {
		set[put.Key] = true
	}
	var would []Claim
	for _, c := range was {
		if !set[c.Key] && !p.removes(c.Key) {
			would = append(would, c)
		}
	}
	for _, put := range p.Set {
		if put.ProfileClaim {
			would = append(would, Claim{put.Key, put.Value.raw})
		}
	}
	slices.SortFunc(would, func(a, b Claim) int { return strings.Compare(a.Key, b.Key) })
	return would
}
