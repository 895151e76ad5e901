package people

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"
)

// step is an item of these tests.
type step struct {
	n     int
	about string
}

// numbered gives n items, about whom says.
func numbered(n int, about func(int) string) func() (*step, int, error) {
	next := 0
	return func() (*step, int, error) {
		if next == n {
			return nil, 0, io.EOF
		}
		next++
		return &step{next - 1, about(next - 1)}, 100, nil
	}
}

// Whatever is slow, what is about one thing is done in its order, and all of it comes out in the order it went in.
func TestWorkKeepsItsOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var (
			count  = rapid.IntRange(0, 500).Draw(t, "items")
			things = rapid.IntRange(1, 40).Draw(t, "things")
			slow   = rapid.IntRange(1, 7).Draw(t, "slow")
			mu     sync.Mutex
			worked = map[string][]int{}
			done   []int
		)
		about := func(n int) string { return fmt.Sprint(n * n % things) }
		err := flow[step]{
			next: numbered(count, about),
			prepare: func(_ context.Context, s *step) string {
				spin(s.n % slow)
				return s.about
			},
			work: func(_ context.Context, s *step) {
				spin(s.n * 3 % slow)
				mu.Lock()
				defer mu.Unlock()
				worked[s.about] = append(worked[s.about], s.n)
			},
			done: func(s *step, _ bool) error {
				done = append(done, s.n)
				return nil
			},
		}.run(context.Background())
		if err != nil || len(done) != count || !slices.IsSorted(done) {
			t.Errorf("%d of %d are done, in the order %v (%v)", len(done), count, done, err)
		}
		for thing, order := range worked {
			if !slices.IsSorted(order) {
				t.Errorf("what is about %s is done in the order %v", thing, order)
			}
		}
	})
}

// spin gives others their turn.
func spin(times int) {
	for range times * 10 {
		ch := make(chan struct{})
		go close(ch)
		<-ch
	}
}

// However many items there are and however long they are, few are under way at once.
func TestLittleIsUnderWay(t *testing.T) {
	for _, size := range []int{0, 100, pieceBytes, 2 << 20, 1 << 40} {
		var begun, ended, most atomic.Int64
		give := numbered(2000, func(n int) string { return fmt.Sprint(n % 3) })
		err := flow[step]{
			next: func() (*step, int, error) {
				s, _, err := give()
				if err == nil {
					most.Store(max(most.Load(), begun.Add(1)-ended.Load()))
				}
				return s, size, err
			},
			prepare: func(_ context.Context, s *step) string { return s.about },
			work:    func(context.Context, *step) {},
			done: func(*step, bool) error {
				ended.Add(1)
				return nil
			},
		}.run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		// What the channels hold, what the goroutines between them hold, and one that waits to be let in.
		limit := int64(2*maxLines + preparers + workers + 3)
		if pieces := int64(min(1+size/pieceBytes, maxPieces)); pieces > 1 {
			limit = maxPieces/pieces + 2
		}
		if most.Load() > limit {
			t.Errorf("with items of %d bytes %d were under way, the limit is %d", size, most.Load(), limit)
		}
	}
}

var errStop = errors.New("stop")

// When there is nothing more to be had, what was begun is brought to its end; when nobody takes what comes out, nothing more is begun.
func TestWorkStops(t *testing.T) {
	var worked atomic.Int64
	done := 0
	broken := numbered(100, func(int) string { return "one" })
	count := 0
	err := flow[step]{
		next: func() (*step, int, error) {
			if count++; count > 50 {
				return nil, 0, errStop
			}
			return broken()
		},
		prepare: func(_ context.Context, s *step) string { return s.about },
		work:    func(context.Context, *step) { worked.Add(1) },
		done:    func(*step, bool) error { done++; return nil },
	}.run(t.Context())
	if !errors.Is(err, errStop) || done != 50 || worked.Load() != 50 {
		t.Errorf("of 50 items before the break %d were worked on and %d done (%v)", worked.Load(), done, err)
	}

	taken, given := 0, 0
	endless := numbered(1<<30, func(n int) string { return fmt.Sprint(n) })
	err = flow[step]{
		next:    func() (*step, int, error) { given++; return endless() },
		prepare: func(_ context.Context, s *step) string { return s.about },
		work:    func(context.Context, *step) {},
		done: func(*step, bool) error {
			if taken++; taken == 10 {
				return errStop
			}
			return nil
		},
	}.run(t.Context())
	if !errors.Is(err, errStop) || taken != 10 {
		t.Errorf("%d were taken, %d given (%v)", taken, given, err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	err = flow[step]{
		next:    endless,
		prepare: func(_ context.Context, s *step) string { return s.about },
		work:    func(context.Context, *step) {},
		done:    func(*step, bool) error { cancel(); return nil },
	}.run(ctx)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("who is told to stop says %v", err)
	}
}

// Who takes what comes out is told when to expect no more for the moment.
func TestTheLastOneHasNoMore(t *testing.T) {
	var more []bool
	release := make(chan struct{})
	err := flow[step]{
		next:    numbered(20, func(int) string { return "" }), // each has a queue of its own
		prepare: func(_ context.Context, s *step) string { return s.about },
		work: func(_ context.Context, s *step) {
			if s.n == 0 {
				<-release
			}
			if s.n == 19 {
				close(release)
			}
		},
		done: func(_ *step, m bool) error { more = append(more, m); return nil },
	}.run(t.Context())
	if err != nil || len(more) != 20 || more[19] || !more[0] {
		t.Errorf("%v (%v)", more, err)
	}
}
