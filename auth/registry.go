package auth

import (
	"context"
	"sync"
	"time"
)

// Recency is how long what this instance has read of a client, an organisation or an API credential may still be used. A Caller may
// rest on a client that was read that long before, so disabling one takes effect everywhere within twice the time, a second
// (row A-06). The instance that makes a change forgets it at once.
const Recency = time.Second / 2

const recentMax = 10_000

// recent remembers values read less than Recency ago. The zero value is ready; it is safe for concurrent use.
type recent[K comparable, V any] struct {
	mu     sync.Mutex
	values map[K]recentValue[V]
}

type recentValue[V any] struct {
	value V
	at    time.Time
}

func (r *recent[K, V]) get(key K, now time.Time) (V, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	v, ok := r.values[key]
	// A clock that was set back must not prolong anything.
	if age := now.Sub(v.at); !ok || age < 0 || age >= Recency {
		var none V
		return none, false
	}
	return v.value, true
}

func (r *recent[K, V]) put(key K, value V, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.values == nil || len(r.values) >= recentMax {
		r.values = make(map[K]recentValue[V])
	}
	r.values[key] = recentValue[V]{value, now}
}

func (r *recent[K, V]) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.values = nil
}

// Registry reads clients and organisations on behalf of every flow, at most Recency old.
type Registry struct {
	ClientStore ClientStore
	OrgStore    OrgStore
	OriginStore OriginStore
	Now         func() time.Time

	clients recent[string, *Client]
	orgs    recent[string, *Org]
	origins recent[string, bool]
	listed  directories
	numbers numbersKnown
}

// Client returns a client that is not disabled and whose organisation is not; the caller must not change it. Anything else is
// InvalidClient.
func (r *Registry) Client(ctx context.Context, id string) (*Client, error) {
	now := r.Now()
	client, ok := r.clients.get(id, now)
	if !ok {
		if !ValidClientID(id) {
			return nil, errUnknownClient(nil)
		}
		read, err := r.ClientStore.Client(ctx, id)
		if CodeOf(err) == NotFound {
			return nil, errUnknownClient(err)
		}
		if err != nil {
			return nil, err
		}
		client = &read
		r.clients.put(id, client, now)
	}
	if client.Disabled {
		return nil, errUnknownClient(nil)
	}
	if _, err := r.Org(ctx, client.Org); CodeOf(err) == NotFound {
		return nil, errUnknownClient(err)
	} else if err != nil {
		return nil, err
	}
	return client, nil
}

// Org returns an organisation that is not disabled; anything else is NotFound. The caller must not change it.
func (r *Registry) Org(ctx context.Context, slug string) (*Org, error) {
	org, err := r.anyOrg(ctx, slug)
	if err != nil {
		return nil, err
	}
	if org.Disabled {
		return nil, errNotFound("organisation")
	}
	return org, nil
}

// Standing returns the client something was issued to, in an organisation, if that still stands as far as the two are concerned:
// neither is disabled, the client serves the organisation, and both have been there since. Anything else is InvalidClient.
func (r *Registry) Standing(ctx context.Context, id, slug string, issued time.Time) (*Client, error) {
	client, err := r.Client(ctx, id)
	if err != nil {
		return nil, err
	}
	org, err := r.Org(ctx, slug)
	if CodeOf(err) == NotFound {
		return nil, errUnknownClient(err)
	}
	if err != nil {
		return nil, err
	}
	// Tokens tell the time in seconds.
	if !client.Serves(slug) || issued.Before(client.Since.Truncate(time.Second)) || issued.Before(org.Since.Truncate(time.Second)) {
		return nil, errUnknownClient(nil)
	}
	return client, nil
}

func (r *Registry) anyOrg(ctx context.Context, slug string) (*Org, error) {
	now := r.Now()
	if org, ok := r.orgs.get(slug, now); ok {
		return org, nil
	}
	if !ValidSlug(slug) {
		return nil, errNotFound("organisation")
	}
	org, err := r.OrgStore.Org(ctx, slug)
	if err != nil {
		return nil, err
	}
	r.orgs.put(slug, &org, now)
	return &org, nil
}

// Bounds are what an organisation has set for its metadata, 0 where it has not.
type Bounds struct {
	ClaimsBudget   int // bytes
	HistoryChanges int
	HistoryAge     time.Duration
}

// Bounds returns an organisation's own bounds.
func (r *Registry) Bounds(ctx context.Context, slug string) (Bounds, error) {
	org, err := r.anyOrg(ctx, slug)
	if err != nil {
		return Bounds{}, err
	}
	const day = 24 * time.Hour
	return Bounds{org.ClaimsBudget, org.HistoryChanges, time.Duration(org.HistoryDays) * day}, nil
}

// Forget drops what was remembered, after a change made here.
func (r *Registry) Forget() {
	r.clients.forget()
	r.orgs.forget()
	r.origins.forget()
	r.listed.forget()
}

// One text for every reason, so that the answer does not tell which clients exist.
func errUnknownClient(cause error) *Error {
	return &Error{Code: InvalidClient, Detail: "client authentication failed", Err: cause}
}
