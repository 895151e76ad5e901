package metadata

import (
	"context"
	"slices"
)

// Project returns what tokens of a user for an application are made of: now, at a point in the past, or after a change that is refused
// here as it would be by Apply. The caller must be one who may read the user's metadata, or the user himself, and is told nothing he
// may not read. An app of "" stands for one that no definition keeps anything from. At a point that is not remembered any more it is
// NotFound.
func (s *Service) Project(ctx context.Context, c Caller, t Target, app string, at Point, p *Proposal) (Projection, error) {
	if t.Shared || t.App != "" {
		return Projection{}, invalid("user", "tokens are about a user")
	}
	if app != "" && !isApp(app) {
		return Projection{}, invalid("client_id", "this cannot be a client id")
	}
	if p != nil {
		if at != (Point{}) {
			return Projection{}, invalid("set", "a change is thought of now, not at a point in the past")
		}
		return s.proposed(ctx, c, t, app, p)
	}
	var made Projection
	err := s.read(ctx, c, t, func(o Owner) (err error) {
		made, err = s.projectAt(ctx, o, app, at)
		return err
	})
	if err != nil {
		return Projection{}, err
	}
	now, err := s.scheme(ctx, made.Owner.Org)
	if err != nil {
		return Projection{}, err
	}
	made.finish(c, app, now)
	return made, nil
}

func (s *Service) projectAt(ctx context.Context, o Owner, app string, at Point) (Projection, error) {
	made := Projection{Owner: o}
	var err error
	if made.Limits, err = s.limits(ctx, o.Org); err != nil {
		return made, err
	}
	keep := made.Limits.History
	if made.Document, err = s.documentAt(ctx, o, keep, at.Revision, at.Time, "revision"); err != nil {
		return made, err
	}
	if app != "" {
		own := o
		own.App = app
		doc, err := s.documentAt(ctx, own, keep, at.AppRevision, at.Time, "app_revision")
		if err != nil {
			return made, err
		}
		made.App = &doc
	}
	made.Scheme, err = s.schemeAt(ctx, o.Org, keep, at, made.Document.Groups)
	return made, err
}

// proposed makes the change in every respect but one: it does not happen.
func (s *Service) proposed(ctx context.Context, c Caller, t Target, app string, p *Proposal) (Projection, error) {
	w := write{change: p.Change, dryRun: true}
	w.change.Brief = false
	if p.App {
		if app == "" {
			return Projection{}, invalid("app", "an application's document needs client_id")
		}
		if p.Groups != nil {
			return Projection{}, invalid("groups", "groups belong to the user-wide document")
		}
		t.App = app
	}
	var err error
	if w.groups, err = s.namedGroups(ctx, c, orgOf(c, t.Org), p.Groups); err != nil {
		return Projection{}, err
	}
	done, err := s.apply(ctx, c, t, w)
	if err != nil {
		return Projection{}, err
	}
	made := Projection{Owner: done.Owner, Document: done.Document, Scheme: done.Scheme}
	if made.Limits, err = s.limits(ctx, made.Owner.Org); err != nil {
		return Projection{}, err
	}
	switch {
	case p.App:
		made.Owner.App = ""
		made.App = &done.Document
		made.Document, err = s.Store.Get(ctx, made.Owner)
	case app != "":
		own := made.Owner
		own.App = app
		var doc Document
		doc, err = s.Store.Get(ctx, own)
		made.App = &doc
	}
	if err != nil {
		return Projection{}, err
	}
	made.finish(c, app, made.Scheme)
	return made, nil
}

// finish works out what follows from the documents and the scheme, without what the caller may not read by it, or by that of now.
func (m *Projection) finish(c Caller, app string, now *Scheme) {
	own := Claims{User: claimsIn(m.Document), Revision: m.Document.Revision, Groups: m.Document.Groups}
	if m.App != nil {
		own.App, own.AppRevision = claimsIn(*m.App), m.App.Revision
	}
	m.OwnBytes, m.AppBytes, m.InheritedBytes = sum(own.User), sum(own.App), m.Scheme.InheritedBytes(own.Groups)

	if hidden := unreadable(c, m.Owner.Org, m.Scheme, now); hidden != nil {
		m.Scheme = m.Scheme.hiding(hidden)
		m.Document = m.Document.hiding(hidden)
		own.User = claimsIn(m.Document)
		if m.App != nil {
			doc := m.App.hiding(hidden)
			m.App, own.App = &doc, claimsIn(doc)
		}
	}
	m.ProfileClaims = claimsOf(m.Scheme, own, app)
	m.UserMetadata = m.Document.passedOn(m.Scheme, app)
	m.Candidates = m.ProfileClaims.candidates()
	for _, e := range m.Document.Entries {
		m.addUnclaimed(e, FromUser)
	}
	if m.App != nil {
		for _, e := range m.App.Entries {
			m.addUnclaimed(e, FromApplication)
		}
	}
	sortCandidates(m.Candidates)
}

// hiding is the document without the entries of some keys.
func (d Document) hiding(hidden func(key string) bool) Document {
	d.Entries = slices.DeleteFunc(slices.Clone(d.Entries), func(e Entry) bool { return hidden(e.Key) })
	return d
}

// hiding is the scheme without the values of some keys.
func (s *Scheme) hiding(hidden func(key string) bool) *Scheme {
	rest := *s
	rest.Definitions, rest.Shared = slices.Clone(s.Definitions), make(map[string][]Claim, len(s.Shared))
	for i := range rest.Definitions {
		if d := &rest.Definitions[i]; hidden(d.Key) {
			d.Default = ""
		}
	}
	for group, claims := range s.Shared {
		rest.Shared[group] = slices.DeleteFunc(slices.Clone(claims), func(c Claim) bool { return hidden(c.Key) })
	}
	return &rest
}

const notMarked = "the entry is not marked as a profile claim"

// addUnclaimed adds an entry that is no profile claim.
func (m *Projection) addUnclaimed(e Entry, source Source) {
	if e.ProfileClaim {
		return
	}
	why := make(map[string]string, len(Places))
	for _, place := range Places {
		why[place] = notMarked
	}
	k := Candidate{Key: e.Key, Source: source, Why: why}
	if e.Value.kind == KindJSON {
		k.JSON = e.Value.raw
	}
	m.Candidates = append(m.Candidates, k)
}
