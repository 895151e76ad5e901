package metadata

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"slices"
	"strconv"
	"time"
)

// Past is one change of a document, as it is shown.
type Past struct {
	Revision uint64
	At       time.Time
	By, Via  string
	Changes  []Difference // ordered by key
	// Joined and Left are slugs of groups, or ids of those that are gone.
	Joined, Left []string
}

// Difference is what a change did to one entry; nil where there was, or is, none.
type Difference struct {
	Key           string
	Before, After *Shown
}

// Shown is a value as a history shows it.
type Shown struct {
	Value        Value // the zero Value where Hash is shown instead
	Hash         string
	ProfileClaim bool
}

// History lists a document's changes, latest first; with a key, those that changed its entry. Operators alone see those of entries they
// alone may read.
func (s *Service) History(ctx context.Context, c Caller, t Target, key string, p Page) (past []Past, next string, err error) {
	var before uint64
	if p.After != "" {
		if before, err = strconv.ParseUint(p.After, 10, 64); err != nil {
			return nil, "", &Error{Code: Invalid, Field: "cursor", Detail: "this is no position in a history", Err: err}
		}
	}
	err = s.read(ctx, c, t, func(o Owner) error {
		limits, err := s.limits(ctx, o.Org)
		if err != nil {
			return err
		}
		doc, changes, err := s.Store.History(ctx, o, limits.History, s.Now())
		if err != nil {
			return err
		}
		scheme, err := s.scheme(ctx, o.Org)
		if err != nil {
			return err
		}
		h := historian{scheme: scheme, org: o.Org, hashKey: s.HashKey, hidden: unreadable(c, o.Org, scheme), key: key}
		past = h.tell(doc, changes)
		return nil
	})
	if err != nil {
		return nil, "", err
	}
	if p.After != "" {
		past = slices.DeleteFunc(past, func(p Past) bool { return p.Revision >= before })
	}
	if p.Limit > 0 && len(past) > p.Limit {
		past = past[:p.Limit]
		next = strconv.FormatUint(past[p.Limit-1].Revision, 10)
	}
	return past, next, nil
}

// historian tells a history to somebody.
type historian struct {
	scheme  *Scheme
	org     string
	hashKey []byte
	hidden  func(key string) bool // nil for nothing
	key     string                // the only one that is of interest, "" for all
}

func (h *historian) tell(doc Document, changes []Revision) []Past {
	now := make(map[string]*Entry, len(doc.Entries))
	for i := range doc.Entries {
		now[doc.Entries[i].Key] = &doc.Entries[i]
	}
	groups := doc.Groups
	var past []Past
	for _, r := range changes {
		p := Past{Revision: r.Revision, At: r.At, By: r.By, Via: r.Via}
		for _, key := range slices.Sorted(maps.Keys(r.Before)) {
			if (h.key == "" || key == h.key) && (h.hidden == nil || !h.hidden(key)) {
				p.Changes = append(p.Changes, Difference{key, h.show(r.Before[key]), h.show(now[key])})
			}
			now[key] = r.Before[key]
		}
		if r.GroupsBefore != nil {
			if h.key == "" {
				p.Joined, p.Left = h.names(groups, *r.GroupsBefore), h.names(*r.GroupsBefore, groups)
			}
			groups = *r.GroupsBefore
		}
		if len(p.Changes)+len(p.Joined)+len(p.Left) > 0 {
			past = append(past, p)
		}
	}
	return past
}

func (h *historian) show(e *Entry) *Shown {
	if e == nil {
		return nil
	}
	if d := h.scheme.Definition(e.Key); d == nil || !d.Sensitive {
		return &Shown{Value: e.Value, ProfileClaim: e.ProfileClaim}
	}
	mac := hmac.New(sha256.New, h.hashKey)
	for _, part := range []string{h.org, e.Key, string(e.Value.kind) + e.Value.raw} {
		mac.Write([]byte(strconv.Itoa(len(part)) + ":" + part))
	}
	return &Shown{Hash: "hmac-sha256:" + base64.RawURLEncoding.EncodeToString(mac.Sum(nil)), ProfileClaim: e.ProfileClaim}
}

// names are the groups that are in some and not in others.
func (h *historian) names(some, others []string) (names []string) {
	for _, id := range some {
		if slices.Contains(others, id) {
			continue
		}
		if g := h.scheme.groupByID(id); g != nil {
			id = g.Slug
		}
		names = append(names, id)
	}
	return names
}

// unreadable tells which keys a caller may not read by any of some schemes, nil if there can be none.
func unreadable(c Caller, org string, schemes ...*Scheme) func(key string) bool {
	if c.MayWrite(org) {
		return nil
	}
	return func(key string) bool {
		return slices.ContainsFunc(schemes, func(s *Scheme) bool { return !readable(c, org, s.Definition(key)) })
	}
}
