package metadata

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"strings"
)

// ProfileClaims are the claim entries that tokens of one user for one application show, and the revisions they come from.
type ProfileClaims struct {
	Revision, AppRevision, OrgRevision uint64

	own       Claims
	client    string
	resolver  *resolver
	inherited *inheritance
}

// ProfileClaims prepares to read, see Store.ProfileClaims, what a token of the user embeds: keys (without prefix) in ascending order with
// the exact JSON of their values, as far as a place (one of Places) shows them to an application, and the revisions of the user-wide
// document, the application's and the organisation's scheme. Where keys are equal but for case, the nearest Source wins. The caller has
// made sure that the user may have a token.
func (s *Service) ProfileClaims(ctx context.Context, org, user, app string) (with context.Context,
	read func() (claims func(place string) iter.Seq2[string, string], revision, appRevision, orgRevision uint64, err error),
) {
	with, readStore := s.Store.ProfileClaims(ctx, org, user, app)
	return with, func() (func(string) iter.Seq2[string, string], uint64, uint64, uint64, error) {
		own, err := readStore()
		if err != nil {
			return nil, 0, 0, 0, err
		}
		scheme, err := s.scheme(ctx, org)
		if err != nil {
			return nil, 0, 0, 0, err
		}
		p := s.resolvers.of(scheme).resolve(own, app, scheme.Revision)
		return p.In, p.Revision, p.AppRevision, p.OrgRevision, nil
	}
}

// claimsOf are what a scheme makes of a user's own claims for a client, "" for one that may see everything.
func claimsOf(s *Scheme, own Claims, client string) *ProfileClaims {
	return newResolver(s).resolve(own, client, s.Revision)
}

func (r *resolver) resolve(own Claims, client string, orgRevision uint64) *ProfileClaims {
	return &ProfileClaims{
		Revision: own.Revision, AppRevision: own.AppRevision, OrgRevision: orgRevision,
		own: own, client: client, resolver: r, inherited: r.of(own.Groups),
	}
}

// In returns what one place shows, in ascending order of the keys.
func (p *ProfileClaims) In(place string) iter.Seq2[string, string] {
	return func(yield func(key, value string) bool) {
		show := func(c Claim) bool { return p.keepsOut(c.Key, place) != "" || yield(c.Key, c.JSON) }
		if p.inherited == nil {
			p.own.each(show)
			return
		}
		var few [4]uint64
		hidden := p.hiddenByOwn(few[:])
		rest := 0
		inherit := func(before string, all bool) bool {
			for ; rest < len(p.inherited.claims) && (all || p.inherited.claims[rest].Key < before); rest++ {
				if !has(hidden, rest) && !show(p.inherited.claims[rest].Claim) {
					return false
				}
			}
			return true
		}
		if p.own.each(func(c Claim) bool { return inherit(c.Key, false) && show(c) }) {
			inherit("", true)
		}
	}
}

func (p *ProfileClaims) keepsOut(key, place string) string {
	return p.resolver.keepsOut(key, p.client, place)
}

// hiddenByOwn is the set of positions of inherited claims that the user's own go before. It is put into set where that is large enough.
func (p *ProfileClaims) hiddenByOwn(set []uint64) []uint64 {
	if words := (len(p.inherited.claims) + 63) / 64; words > len(set) {
		set = make([]uint64, words)
	}
	for _, claims := range [...][]Claim{p.own.App, p.own.User} {
		for i := range claims {
			if n, ok := p.inherited.find(claims[i].Key); ok {
				set[n/64] |= 1 << (n % 64)
			}
		}
	}
	return set
}

func has(set []uint64, n int) bool { return set[n/64]&(1<<(n%64)) != 0 }

// each calls yield for the claims of both documents in ascending order, the application's hiding the user-wide ones, until it returns
// false, and reports whether it never did.
func (c *Claims) each(yield func(Claim) bool) bool {
	apps := c.App
	for _, claim := range c.User {
		for ; len(apps) > 0 && apps[0].Key < claim.Key; apps = apps[1:] {
			if !yield(apps[0]) {
				return false
			}
		}
		if !isAmong(claim.Key, c.App) && !yield(claim) {
			return false
		}
	}
	for _, claim := range apps {
		if !yield(claim) {
			return false
		}
	}
	return true
}

func isAmong(key string, claims []Claim) bool {
	for i := range claims {
		if strings.EqualFold(claims[i].Key, key) {
			return true
		}
	}
	return false
}

// candidates are all the claims that could be shown, with the reasons why some are not, in ascending order of keys in lower case, and
// among equal ones by precedence.
func (p *ProfileClaims) candidates() []Candidate {
	var all []Candidate
	add := func(c Claim, source Source, group string, hiddenBy Source) {
		all = append(all, Candidate{
			Key: c.Key, Source: source, Group: group, JSON: c.JSON, ProfileClaim: true, HiddenBy: hiddenBy, Why: p.reasons(c.Key),
		})
	}
	for _, c := range p.own.App {
		add(c, FromApplication, "", "")
	}
	for _, c := range p.own.User {
		if isAmong(c.Key, p.own.App) {
			add(c, FromUser, "", FromApplication)
		} else {
			add(c, FromUser, "", "")
		}
	}
	if in := p.inherited; in != nil {
		hidden := p.hiddenByOwn(nil)
		for i, c := range in.claims {
			by := c.hiddenBy
			if has(hidden, i) {
				by = p.ownSource(c.Key)
			}
			add(c.Claim, c.source, c.group, by)
		}
		for _, c := range in.hidden {
			by := c.hiddenBy
			if own := p.ownSource(c.Key); own != "" {
				by = own
			}
			add(c.Claim, c.source, c.group, by)
		}
	}
	sortCandidates(all)
	return all
}

// ownSource is whose own claim of the key there is.
func (p *ProfileClaims) ownSource(key string) Source {
	switch {
	case isAmong(key, p.own.App):
		return FromApplication
	case isAmong(key, p.own.User):
		return FromUser
	}
	return ""
}

func (p *ProfileClaims) reasons(key string) map[string]string {
	why := make(map[string]string, len(Places))
	for _, place := range Places {
		why[place] = p.keepsOut(key, place)
	}
	return why
}

// sortCandidates sorts by key in lower case and leaves equal ones in the order of their precedence, in which they come.
func sortCandidates(all []Candidate) {
	slices.SortStableFunc(all, func(a, b Candidate) int {
		return cmp.Or(strings.Compare(strings.ToLower(a.Key), strings.ToLower(b.Key)), cmp.Compare(precedence(a.Source), precedence(b.Source)))
	})
}

func precedence(s Source) int {
	return slices.Index([]Source{FromApplication, FromUser, FromGroup, FromOrganisation, FromDefault}, s)
}
