package metadata

import (
	"context"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/claimsmith/claimsmith/internal/audit"
)

// Bounds of a query.
const (
	MaxConditions = 20
	MaxQueryDepth = 5
)

// Search returns ids of users of an organisation ("" for the caller's own) that a query finds, see Store.Search. In it Group is a slug,
// Match.Equals what TermOf makes of a value, Match.Prefix the beginning of a text and Handle that of a name in any spelling; none of them
// has special characters. Keys must be searchable, completely indexed, and readable by the caller, who must be able to read the
// organisation.
func (s *Service) Search(ctx context.Context, c Caller, org string, q Query, p Page) (users []string, next string, err error) {
	org = orgOf(c, org)
	if !isOrg(org) || !c.MayRead(org) {
		s.record(ctx, c, "metadata.read", org, "", audit.Denied, NotFound)
		return nil, "", errNoOrg
	}
	scheme, err := s.Schemes.Of(ctx, org)
	if err != nil {
		return nil, "", err
	}
	r := searching{scheme: scheme, all: c.MayWrite(org)}
	if q, err = r.query(q, 1); err != nil {
		return nil, "", err
	}
	return s.Store.Search(ctx, org, q, p)
}

// searching makes of a query as it is asked one for the store.
type searching struct {
	scheme     *Scheme
	all        bool // keys that operators alone may read, too
	conditions int
}

func (r *searching) query(q Query, depth int) (Query, error) {
	if depth > MaxQueryDepth {
		return q, invalid("where", "the conditions are nested more than %d levels deep", MaxQueryDepth)
	}
	members := 0
	for _, set := range []bool{q.All != nil, q.Any != nil, q.Not != nil, q.Has != nil, q.Group != "", q.Handle != ""} {
		if set {
			members++
		}
	}
	if members != 1 {
		return q, invalid("where", "a condition is exactly one of all, any, not, key, group and handle")
	}
	var err error
	switch {
	case q.Not != nil:
		part, err := r.query(*q.Not, depth+1)
		return Query{Not: &part}, err
	case q.All != nil:
		q.All, err = r.queries(q.All, depth+1)
		return q, err
	case q.Any != nil:
		q.Any, err = r.queries(q.Any, depth+1)
		return q, err
	}
	if r.conditions++; r.conditions > MaxConditions {
		return q, invalid("where", "there are more than %d conditions", MaxConditions)
	}
	switch {
	case q.Has != nil:
		q.Has, err = r.match(*q.Has)
	case q.Group != "":
		q.Group, err = r.group(q.Group)
	default:
		q.Handle, err = canonicalBeginning(q.Handle)
	}
	return q, err
}

func (r *searching) queries(parts []Query, depth int) ([]Query, error) {
	if len(parts) == 0 {
		return nil, invalid("where", "a list of conditions must not be empty")
	}
	resolved := make([]Query, 0, min(len(parts), MaxConditions))
	for _, part := range parts {
		part, err := r.query(part, depth)
		if err != nil {
			return nil, err
		}
		resolved = append(resolved, part)
	}
	return resolved, nil
}

func (r *searching) match(m Match) (*Match, error) {
	if err := r.checkSearchable(m.Key); err != nil {
		return nil, err
	}
	switch {
	case m.Equals != nil && (m.Prefix != nil || *m.Equals == "" || strings.Contains(*m.Equals, "\x00")):
		return nil, invalid(m.Key, "a key is looked for by a JSON value, by the beginning of a text, or by itself")
	case m.Prefix == nil:
		return &m, nil
	case len(*m.Prefix) > MaxTermBytes || !utf8.ValidString(*m.Prefix):
		return nil, invalid(m.Key, "the beginning of a text to look for has at most %d bytes of UTF-8", MaxTermBytes)
	}
	term := textTerm(*m.Prefix)
	m.Prefix = &term
	return &m, nil
}

func (r *searching) checkSearchable(key string) error {
	if err := CheckKey(key); err != nil {
		return err
	}
	for _, d := range r.scheme.Definitions {
		if d.Key != key || !d.Searchable || !r.all && d.Read == ForOperators {
			continue
		}
		if !d.Indexed {
			return invalid(key, "the key %q is not searchable yet; it is being indexed", key)
		}
		return nil
	}
	return invalid(key, "the key %q is not searchable", key)
}

func (r *searching) group(slug string) (string, error) {
	for _, g := range r.scheme.Groups {
		if g.Slug == slug {
			return g.ID, nil
		}
	}
	return "", invalid("group", "there is no group of this name")
}

// canonicalBeginning is the beginning of a handle in the one form in which handles are compared: NFC and the ASCII case fold.
func canonicalBeginning(text string) (string, error) {
	if len(text) > MaxTermBytes || !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
		return "", invalid("handle", "the beginning of a name to look for has at most %d bytes of UTF-8 without control characters", MaxTermBytes)
	}
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, norm.NFC.String(text)), nil
}
