package metadata

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"
)

// schemeAt is the scheme at a point, with the shared documents of the organisation and these groups.
func (s *Service) schemeAt(ctx context.Context, org string, keep Retention, at Point, groups []string) (*Scheme, error) {
	if at.OrgRevision == nil && at.Time == nil {
		return s.scheme(ctx, org)
	}
	p := orgPast{service: s, org: org, keep: keep, shared: make(map[string]sharedPast), times: make(map[uint64]time.Time)}
	if err := p.read(ctx); err != nil {
		return nil, err
	}
	to := at.OrgRevision
	if to == nil {
		then, err := p.revisionAt(ctx, *at.Time)
		if err != nil {
			return nil, err
		}
		to = &then
	}
	return p.at(ctx, *to, groups)
}

// orgPast is what is remembered of an organisation's scheme. Definitions and groups have one history, every shared document has its own;
// the scheme's revision counts the changes of all.
type orgPast struct {
	service *Service
	org     string
	keep    Retention

	scheme  *Scheme
	changes []SchemeRevision
	shared  map[string]sharedPast // those that have been read, by group, "" for the organisation's own
	// times are when the revisions that have been read of came about.
	times map[uint64]time.Time
}

type sharedPast struct {
	doc  Document
	past []Revision
	// gone: nothing can be read of it any more.
	gone bool
}

func (p *orgPast) read(ctx context.Context) (err error) {
	p.scheme, p.changes, err = p.service.Store.SchemeHistory(ctx, p.org)
	for i := range p.changes {
		p.times[p.changes[i].Revision] = p.changes[i].At
	}
	return err
}

// recall reads the history of a shared document.
func (p *orgPast) recall(ctx context.Context, group string) error {
	if _, known := p.shared[group]; known {
		return nil
	}
	var h sharedPast
	var err error
	h.doc, h.past, err = p.service.Store.History(ctx, Owner{Org: p.org, Group: group}, p.keep, p.service.Now())
	if isCode(err, NotFound) {
		h.gone, err = true, nil
	}
	if err != nil {
		return err
	}
	for i := range h.past {
		p.times[h.past[i].Scheme] = h.past[i].At
	}
	p.shared[group] = h
	return nil
}

// recallTimes reads the histories of all shared documents there are or were, and keeps of those that are new when they changed.
func (p *orgPast) recallTimes(ctx context.Context) error {
	groups := map[string]bool{"": true}
	for i := range p.scheme.Groups {
		groups[p.scheme.Groups[i].ID] = true
	}
	for i := range p.changes {
		if id := p.changes[i].GroupID; id != "" {
			groups[id] = true
		}
	}
	for group := range groups {
		_, known := p.shared[group]
		if err := p.recall(ctx, group); err != nil {
			return err
		}
		if !known {
			delete(p.shared, group) // a thousand groups may have a megabyte each
		}
	}
	return nil
}

// accounted is the earliest revision that everything has been read of that came after.
func (p *orgPast) accounted() uint64 {
	r := p.scheme.Revision
	for r > 0 {
		if _, known := p.times[r]; !known {
			break
		}
		r--
	}
	return r
}

// revisionAt is the revision the scheme had at a time.
func (p *orgPast) revisionAt(ctx context.Context, t time.Time) (uint64, error) {
	if err := p.recallTimes(ctx); err != nil {
		return 0, err
	}
	accounted := p.accounted()
	for r := p.scheme.Revision; r > accounted; r-- {
		if !p.times[r].After(t) {
			return r, nil
		}
	}
	if accounted > 0 {
		return 0, forgotten("at", accounted)
	}
	return 0, nil
}

// at is the scheme at a revision, with the shared documents of the organisation and these groups.
func (p *orgPast) at(ctx context.Context, to uint64, groups []string) (*Scheme, error) {
	const field = "org_revision"
	if to > p.scheme.Revision {
		return nil, notYet(field, p.scheme.Revision)
	}
	then := p.rewound(to)
	relevant := []string{""}
	for i := range then.Groups {
		if id := then.Groups[i].ID; slices.Contains(groups, id) {
			relevant = append(relevant, id)
		}
	}
	for _, group := range relevant {
		if err := p.recall(ctx, group); err != nil {
			return nil, err
		}
	}
	if to < p.earliest(to, relevant) { // unless the others account for what is missing
		if err := p.recallTimes(ctx); err != nil {
			return nil, err
		}
		if earliest := p.earliest(to, relevant); to < earliest {
			return nil, forgotten(field, earliest)
		}
	}
	for _, group := range relevant {
		h := p.shared[group]
		then.Shared[group] = claimsIn(h.doc.without(h.past[:h.after(to)]))
	}
	return then, nil
}

// earliest is the earliest revision up to which these documents, definitions and groups can be told, for one who wants them at a revision.
func (p *orgPast) earliest(to uint64, documents []string) uint64 {
	accounted := p.accounted()
	earliest := accounted
	if n := len(p.changes); n > 0 {
		earliest = min(accounted, p.changes[n-1].Revision-1)
	}
	for _, group := range documents {
		h := p.shared[group]
		n := len(h.past)
		switch {
		case !h.gone && (h.doc.Revision == uint64(n) || h.after(to) < n): // all of it, or as far as is wanted
		case n > 0:
			earliest = max(earliest, min(accounted, h.past[n-1].Scheme-1))
		default:
			earliest = max(earliest, accounted)
		}
	}
	return earliest
}

// after is how many of the latest changes came after a revision of the scheme.
func (h *sharedPast) after(to uint64) int {
	n := slices.IndexFunc(h.past, func(r Revision) bool { return r.Scheme <= to })
	if n < 0 {
		return len(h.past)
	}
	return n
}

// rewound undoes the remembered changes of definitions and groups that came after a revision. The shared documents are left to the caller.
func (p *orgPast) rewound(to uint64) *Scheme {
	definitions, groups := make(map[string]Definition), make(map[string]Group)
	for _, d := range p.scheme.Definitions {
		definitions[d.Key] = d
	}
	for _, g := range p.scheme.Groups {
		groups[g.ID] = g
	}
	for _, c := range p.changes {
		switch {
		case c.Revision <= to:
		case c.Key != "" && c.Definition != nil:
			definitions[c.Key] = *c.Definition
		case c.Key != "":
			delete(definitions, c.Key)
		case c.Group != nil:
			groups[c.GroupID] = *c.Group
		default:
			delete(groups, c.GroupID)
		}
	}
	return &Scheme{
		Org: p.scheme.Org, Revision: to, Announced: p.scheme.Announced, Shared: make(map[string][]Claim),
		Definitions: slices.SortedFunc(maps.Values(definitions), func(a, b Definition) int { return strings.Compare(a.Key, b.Key) }),
		Groups: slices.SortedFunc(maps.Values(groups), func(a, b Group) int {
			return cmp.Or(cmp.Compare(a.Order, b.Order), strings.Compare(a.Slug, b.Slug))
		}),
	}
}
