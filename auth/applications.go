package auth

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"
)

// MaxListed is how many applications a directory has at most.
const MaxListed = 1000

// DirectoryRecency is how long what this instance has read of a directory may still be used. Reading one is a walk through all clients of
// the organisation, and anybody may ask for it.
const DirectoryRecency = 10 * time.Second

var errNoApplication = errNotFound("application")

// Application returns the client of a number if it is not disabled and serves the organisation; anything else is NotFound. The caller must
// not change it.
func (r *Registry) Application(ctx context.Context, org string, number uint64) (*Client, error) {
	id, ok := r.numbers.get(number)
	if !ok {
		if number == 0 {
			return nil, errNoApplication
		}
		var err error
		if id, err = r.ClientStore.NumberedClient(ctx, number); err != nil {
			return nil, err
		}
		if id == "" {
			return nil, errNoApplication
		}
		r.numbers.put(number, id)
	}
	client, err := r.Client(ctx, id)
	if CodeOf(err) == InvalidClient || err == nil && !client.Serves(org) {
		return nil, errNoApplication
	}
	return client, err
}

// Directory returns the Listed clients of an organisation, by number: what everybody may know of. It is read once for all who ask at the
// same time, and is at most DirectoryRecency old; the instance that makes a change forgets it at once. The caller must not change them.
func (r *Registry) Directory(ctx context.Context, org string) ([]*Client, error) {
	if _, err := r.Org(ctx, org); err != nil {
		return nil, err
	}
	return r.listed.of(ctx, org, r.Now(), r.readDirectory)
}

func (r *Registry) readDirectory(ctx context.Context, org string) ([]*Client, error) {
	listed := []*Client{}
	for p := (Page{Limit: 1000}); ; {
		clients, next, err := r.ClientStore.Clients(ctx, org, p)
		if err != nil {
			return nil, err
		}
		for n := range clients {
			if c := &clients[n]; c.Listed && !c.Disabled && c.Number > 0 {
				listed = append(listed, c)
			}
		}
		if next == "" {
			break
		}
		p.After = next
	}
	slices.SortFunc(listed, func(a, b *Client) int { return cmp.Compare(a.Number, b.Number) })
	return slices.Clone(listed[:min(len(listed), MaxListed)]), nil
}

// maxDirectories bounds how many organisations' directories are remembered.
const maxDirectories = 1000

// directories remembers those that were read. The zero value is ready; it is safe for concurrent use.
type directories struct {
	mu    sync.Mutex
	byOrg map[string]*directory // guarded by mu
}

// directory is one reading, which many may wait for and use.
type directory struct {
	begun   time.Time
	done    chan struct{} // closed when the rest is there
	clients []*Client
	err     error
}

// of returns what was read of an organisation, or reads it.
func (d *directories) of(
	ctx context.Context, org string, now time.Time, read func(ctx context.Context, org string) ([]*Client, error),
) ([]*Client, error) {
	d.mu.Lock()
	found := d.byOrg[org]
	if found == nil || !found.fresh(now) {
		found = &directory{begun: now, done: make(chan struct{})}
		if d.byOrg == nil || len(d.byOrg) >= maxDirectories {
			d.byOrg = make(map[string]*directory)
		}
		d.byOrg[org] = found
		go func() { // for whoever waits, even if the first who asked goes away
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), DirectoryRecency)
			defer cancel()
			clients, err := read(ctx, org)
			d.keep(org, found, clients, err)
		}()
	}
	d.mu.Unlock()
	select {
	case <-found.done:
		return found.clients, found.err
	case <-ctx.Done():
		return nil, &Error{Code: Unavailable, Err: ctx.Err()}
	}
}

// keep ends a reading. One that failed is for those who wait for it alone.
func (d *directories) keep(org string, found *directory, clients []*Client, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	found.clients, found.err = clients, err
	if err != nil && d.byOrg[org] == found {
		delete(d.byOrg, org)
	}
	close(found.done)
}

func (d *directories) forget() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.byOrg = nil
}

// A clock that was set back must not prolong anything.
func (d *directory) fresh(now time.Time) bool {
	age := now.Sub(d.begun)
	return age >= 0 && age < DirectoryRecency
}

// numbersKnown remembers whose numbers are whose, which never changes. The zero value is ready; it is safe for concurrent use.
type numbersKnown struct {
	mu  sync.RWMutex
	ids map[uint64]string
}

func (k *numbersKnown) get(number uint64) (id string, ok bool) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	id, ok = k.ids[number]
	return id, ok
}

func (k *numbersKnown) put(number uint64, id string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.ids == nil || len(k.ids) >= recentMax {
		k.ids = make(map[uint64]string)
	}
	k.ids[number] = id
}
