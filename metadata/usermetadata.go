package metadata

import (
	"context"
	"iter"
	"slices"
)

// UserMetadata is part of auth.ProfileSource.
func (s *Service) UserMetadata(ctx context.Context, org, user, app string) (func(place string) iter.Seq2[string, []byte], error) {
	doc, err := s.Store.Get(ctx, Owner{Org: org, User: user})
	if err != nil && !isCode(err, NotFound) { // as of his claims, there is nothing of one who has just gone
		return nil, err
	}
	scheme, err := s.scheme(ctx, org)
	if err != nil {
		return nil, err
	}
	return doc.passedOn(scheme, app), nil
}

// passedOn are the entries of a document that services may read, as far as a client may be told of them, ordered by key; a client of "" may
// be told everything.
func (d Document) passedOn(s *Scheme, client string) func(place string) iter.Seq2[string, []byte] {
	return func(place string) iter.Seq2[string, []byte] {
		return func(yield func(string, []byte) bool) {
			for i := range d.Entries {
				e := &d.Entries[i]
				if s.Definition(e.Key).passesOn(client, place) && !yield(e.Key, e.Value.Opaque()) {
					return
				}
			}
		}
	}
}

// passesOn reports whether a client may be told an entry in a place.
func (d *Definition) passesOn(client, place string) bool {
	switch {
	case d == nil:
		return true
	case d.reads() != ForServices, d.Places != nil && !slices.Contains(d.Places, place):
		return false
	}
	return d.Clients == nil || client == "" || slices.Contains(d.Clients, client)
}
