package people

import (
	"context"
	"errors"
	"hash/maphash"
	"io"
	"sync"
)

// Bounds of what one stream has under way, so that it takes the same memory however long it is and however long its lines are.
const (
	maxLines   = 128
	maxPieces  = 256 // of pieceBytes
	pieceBytes = 64 << 10
	preparers  = 4
	workers    = 16
)

// flow is work on items that come one after the other. next and done are each called by one goroutine at a time, prepare and work by many.
type flow[T any] struct {
	// next returns an item and about how many bytes it holds, or io.EOF.
	next func() (*T, int, error)
	// prepare makes an item ready and says what it is about, "" for nothing.
	prepare func(context.Context, *T) (about string)
	// work is done on items about the same thing one after the other, in their order.
	work func(context.Context, *T)
	// done takes the items in their order. more says that another one is about to follow.
	done func(item *T, more bool) error
}

// underWay is an item on its way.
type underWay[T any] struct {
	item             *T
	about            string
	pieces           int
	prepared, worked chan struct{}
}

// run returns when everything that was begun has ended: nil after io.EOF, the error of next after what came before it has been done, or
// that of done at once.
func (f flow[T]) run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var (
		group    sync.WaitGroup
		pieces   = make(chan struct{}, maxPieces)
		fresh    = make(chan *underWay[T])
		inOrder  = make(chan *underWay[T], maxLines)
		finished = make(chan *underWay[T], maxLines)
		queues   [workers]chan *underWay[T]
	)
	for range preparers {
		group.Go(func() {
			for w := range fresh {
				w.about = f.prepare(ctx, w.item)
				close(w.prepared)
			}
		})
	}
	for n := range queues {
		queues[n] = make(chan *underWay[T], maxLines/workers)
		group.Go(func() {
			for w := range queues[n] {
				f.work(ctx, w.item)
				close(w.worked)
			}
		})
	}
	group.Go(func() {
		seed, turn := maphash.MakeSeed(), uint64(0)
		for w := range inOrder {
			<-w.prepared
			turn++
			queue := turn
			if w.about != "" {
				queue = maphash.String(seed, w.about)
			}
			queues[queue%workers] <- w
			finished <- w
		}
		for _, queue := range queues {
			close(queue)
		}
		close(finished)
	})
	group.Go(func() {
		for w := range finished {
			<-w.worked
			if ctx.Err() == nil {
				if err := f.done(w.item, len(finished) > 0); err != nil {
					cancel(err)
				}
			}
			for range w.pieces {
				<-pieces
			}
		}
	})
	err := f.feed(ctx, pieces, fresh, inOrder)
	close(fresh)
	close(inOrder)
	group.Wait()
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

func (f flow[T]) feed(ctx context.Context, pieces chan<- struct{}, fresh, inOrder chan<- *underWay[T]) error {
	for ctx.Err() == nil {
		item, size, err := f.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		w := &underWay[T]{item: item, pieces: min(1+size/pieceBytes, maxPieces), prepared: make(chan struct{}), worked: make(chan struct{})}
		for range w.pieces {
			pieces <- struct{}{}
		}
		fresh <- w
		inOrder <- w
	}
	return nil
}
