package auth

import (
	"context"
	"slices"
)

// maxOrigin is the longest web origin that is looked up: a scheme, a host name of 253 characters and a port.
const maxOrigin = 270

// OriginAllowed reports whether pages of a web origin may read answers: some client that is not disabled lists it, character for
// character (row S-07). What was found is used again for at most Recency.
func (r *Registry) OriginAllowed(ctx context.Context, origin string) (bool, error) {
	if len(origin) > maxOrigin || origin == "" || origin == "null" { // the last is what a page without an origin sends
		return false, nil
	}
	now := r.Now()
	if allowed, ok := r.origins.get(origin, now); ok {
		return allowed, nil
	}
	ids, err := r.OriginStore.ClientsOfOrigin(ctx, origin)
	if err != nil {
		return false, err
	}
	allowed := false
	for _, id := range ids {
		client, err := r.Client(ctx, id)
		if CodeOf(err) == InvalidClient {
			continue
		}
		if err != nil {
			return false, err
		}
		if slices.Contains(client.AllowedOrigins, origin) {
			allowed = true
			break
		}
	}
	r.origins.put(origin, allowed, now)
	return allowed, nil
}
