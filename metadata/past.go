package metadata

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"
)

// A document at a point in the past is what it is now with everything undone that was done after.

// forgotten is the refusal of a point that is not remembered any more.
func forgotten(field string, earliest uint64) *Error {
	return &Error{Code: NotFound, Field: field, Detail: fmt.Sprintf("nothing is remembered before revision %d", earliest)}
}

func notYet(field string, latest uint64) *Error {
	return &Error{Code: NotFound, Field: field, Detail: fmt.Sprintf("there is no such revision; the latest is %d", latest)}
}

// rewound undoes the remembered changes of a document that came after a revision. field names the revision in an error.
func (d Document) rewound(past []Revision, to uint64, field string) (Document, error) {
	if to > d.Revision {
		return Document{}, notYet(field, d.Revision)
	}
	if earliest := d.Revision - uint64(len(past)); to < earliest {
		return Document{}, forgotten(field, earliest)
	}
	return d.without(past[:d.Revision-to]), nil
}

// without undoes the latest changes of a document.
func (d Document) without(latest []Revision) Document {
	if len(latest) == 0 {
		return d
	}
	entries := make(map[string]Entry, len(d.Entries))
	for _, e := range d.Entries {
		entries[e.Key] = e
	}
	then := Document{Revision: d.Revision - uint64(len(latest)), Groups: d.Groups}
	for _, r := range latest {
		for key, e := range r.Before {
			if e == nil {
				delete(entries, key)
			} else {
				entries[key] = *e
			}
		}
		if r.GroupsBefore != nil {
			then.Groups = *r.GroupsBefore
		}
	}
	for _, key := range slices.Sorted(maps.Keys(entries)) {
		then.Entries = append(then.Entries, entries[key])
	}
	return then
}

// revisionAt is the revision a document had at a time.
func (d Document) revisionAt(past []Revision, t time.Time) (uint64, error) {
	for _, r := range past {
		if !r.At.After(t) {
			return r.Revision, nil
		}
	}
	earliest := d.Revision - uint64(len(past))
	if earliest == 0 {
		return 0, nil
	}
	e := forgotten("at", earliest)
	if len(past) > 0 {
		e.Detail += ", which was the latest until " + past[len(past)-1].At.Format(time.RFC3339)
	}
	return 0, e
}

// documentAt reads a document as it was at a revision or else at a time, or as it is where both are nil.
func (s *Service) documentAt(ctx context.Context, o Owner, keep Retention, revision *uint64, t *time.Time, field string) (Document, error) {
	if revision == nil && t == nil {
		return s.Store.Get(ctx, o)
	}
	doc, past, err := s.Store.History(ctx, o, keep, s.Now())
	if err != nil {
		return Document{}, err
	}
	if revision == nil {
		then, err := doc.revisionAt(past, *t)
		if err != nil {
			return Document{}, err
		}
		revision = &then
	}
	return doc.rewound(past, *revision, field)
}

// claimsIn are the claims among a document's entries, ordered by key.
func claimsIn(d Document) []Claim {
	var claims []Claim
	for _, e := range d.Entries {
		if e.ProfileClaim {
			claims = append(claims, Claim{e.Key, e.Value.raw})
		}
	}
	return claims
}
