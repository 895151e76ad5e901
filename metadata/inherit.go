package metadata

import (
	"cmp"
	"slices"
	"strings"
	"sync"
)

// Places are the kinds of token a definition can tell apart, in the order they are shown in.
var Places = []string{"access_token", "id_token", "userinfo", "introspection"}

// Definition returns the definition that is for a key, nil for none. It is for keys that differ in case too, so that nobody gets around it
// by writing one differently.
func (s *Scheme) Definition(key string) *Definition {
	i, ok := slices.BinarySearchFunc(s.Definitions, key, func(d Definition, key string) int { return strings.Compare(d.Key, key) })
	if !ok {
		i = slices.IndexFunc(s.Definitions, func(d Definition) bool { return strings.EqualFold(d.Key, key) })
	}
	if i < 0 {
		return nil
	}
	return &s.Definitions[i]
}

// InheritedBytes is what members of these groups inherit: the sum of ClaimBytes over all claims of the shared documents, the
// organisation's and the groups', and over the defaults, also of those that others hide.
func (s *Scheme) InheritedBytes(groups []string) int {
	total := sum(s.Shared[""])
	for i := range s.Groups {
		if id := s.Groups[i].ID; slices.Contains(groups, id) {
			total += sum(s.Shared[id])
		}
	}
	for i := range s.Definitions {
		if d := &s.Definitions[i]; d.Default != "" && d.mayBeClaim() {
			total += claimBytes(Claim{d.Key, d.Default})
		}
	}
	return total
}

func claimBytes(c Claim) int { return ClaimBytes(c.Key, Value{KindJSON, c.JSON}) }

func sum(claims []Claim) int {
	total := 0
	for _, c := range claims {
		total += claimBytes(c)
	}
	return total
}

// mayBeClaim reports whether tokens may show the key at all.
func (d *Definition) mayBeClaim() bool { return d.neverShown() == "" }

func (d *Definition) neverShown() string {
	switch {
	case d.Claim == ClaimNever:
		return "its definition says that it is never a profile claim"
	case d.Read != "" && d.Read != ForServices:
		return "its definition lets no service read it"
	}
	return ""
}

// rule is what a definition keeps out of tokens.
type rule struct {
	lower           string // the key in lower case
	never           string // why it is in no token, "" if it may be
	clients, places []string
}

// keepsOut says why a token does not show the key, "" if it may. client "" is one that may see everything.
func (r *rule) keepsOut(client, place string) string {
	switch {
	case r.never != "":
		return r.never
	case r.clients != nil && client != "" && !slices.Contains(r.clients, client):
		return "its definition shows it to other clients only"
	case r.places != nil && !slices.Contains(r.places, place):
		return "its definition shows it in other tokens only"
	}
	return ""
}

// resolver is what has been worked out of a Scheme, so that minting has little to do. The nil resolver is that of one that lays down
// nothing. It is safe for concurrent use.
type resolver struct {
	scheme *Scheme
	rules  []rule // ordered by lower, of definitions that keep out something

	mu       sync.Mutex
	byGroups map[string]*inheritance // guarded by mu, by the ids of the groups
}

// maxInheritances bounds what one resolver remembers.
const maxInheritances = 1000

func newResolver(s *Scheme) *resolver {
	r := &resolver{scheme: s}
	for i := range s.Definitions {
		d := &s.Definitions[i]
		never := d.neverShown()
		if never == "" && d.Clients == nil && d.Places == nil || CheckClaimKey(d.Key) != nil {
			continue
		}
		r.rules = append(r.rules, rule{strings.ToLower(d.Key), never, d.Clients, d.Places})
	}
	slices.SortStableFunc(r.rules, func(a, b rule) int { return strings.Compare(a.lower, b.lower) })
	if len(r.rules) == 0 && !s.inherits() {
		return nil
	}
	return r
}

func (s *Scheme) inherits() bool {
	for _, claims := range s.Shared {
		if len(claims) > 0 {
			return true
		}
	}
	return slices.ContainsFunc(s.Definitions, func(d Definition) bool { return d.Default != "" })
}

// keepsOut says why the claim of a key is not in a token, "" if it is.
func (r *resolver) keepsOut(key, client, place string) string {
	if r == nil || len(r.rules) == 0 {
		return ""
	}
	i, _ := slices.BinarySearchFunc(r.rules, key, func(rule rule, key string) int { return compareLower(rule.lower, key) })
	for ; i < len(r.rules) && compareLower(r.rules[i].lower, key) == 0; i++ {
		if why := r.rules[i].keepsOut(client, place); why != "" {
			return why
		}
	}
	return ""
}

// compareLower compares a text in lower case with one in any, both ASCII.
func compareLower(lower, text string) int {
	for i := range min(len(lower), len(text)) {
		if c := toLower(text[i]); lower[i] != c {
			return cmp.Compare(lower[i], c)
		}
	}
	return cmp.Compare(len(lower), len(text))
}

func toLower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + ('a' - 'A')
	}
	return c
}

// inheritance is what the members of some groups inherit.
type inheritance struct {
	claims []inherited // those that nothing inherited goes before, ordered by key
	byName []int       // positions in claims, ordered by lower
	hidden []inherited // the others
}

type inherited struct {
	Claim
	lower    string
	source   Source
	group    string // slug
	hiddenBy Source
}

// of returns what the members of groups inherit, nil for nothing.
func (r *resolver) of(groups []string) *inheritance {
	if r == nil {
		return nil
	}
	key := ""
	if len(groups) > 0 {
		key = strings.Join(groups, ",")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	known, ok := r.byGroups[key]
	if !ok {
		if known = r.inherit(groups); len(known.claims) == 0 {
			known = nil
		}
		if r.byGroups == nil || len(r.byGroups) >= maxInheritances {
			r.byGroups = make(map[string]*inheritance)
		}
		r.byGroups[key] = known
	}
	return known
}

// inherit goes through everything there is to inherit, the nearest first.
func (r *resolver) inherit(groups []string) *inheritance {
	var all inheritance
	nearest := make(map[string]Source)
	add := func(source Source, group string, claims ...Claim) {
		for _, c := range claims {
			in := inherited{Claim: c, lower: strings.ToLower(c.Key), source: source, group: group}
			if in.hiddenBy = nearest[in.lower]; in.hiddenBy != "" {
				all.hidden = append(all.hidden, in)
				continue
			}
			nearest[in.lower] = source
			all.claims = append(all.claims, in)
		}
	}
	for i := range r.scheme.Groups {
		if g := &r.scheme.Groups[i]; slices.Contains(groups, g.ID) {
			add(FromGroup, g.Slug, r.scheme.Shared[g.ID]...)
		}
	}
	add(FromOrganisation, "", r.scheme.Shared[""]...)
	for i := range r.scheme.Definitions {
		if d := &r.scheme.Definitions[i]; d.Default != "" && CheckClaimKey(d.Key) == nil {
			add(FromDefault, "", Claim{d.Key, d.Default})
		}
	}
	slices.SortFunc(all.claims, func(a, b inherited) int { return strings.Compare(a.Key, b.Key) })
	all.byName = make([]int, len(all.claims))
	for i := range all.byName {
		all.byName[i] = i
	}
	slices.SortFunc(all.byName, func(a, b int) int { return strings.Compare(all.claims[a].lower, all.claims[b].lower) })
	return &all
}

// find returns the position in claims of a key, compared without case.
func (in *inheritance) find(key string) (int, bool) {
	i, ok := slices.BinarySearchFunc(in.byName, key, func(n int, key string) int { return compareLower(in.claims[n].lower, key) })
	if !ok {
		return 0, false
	}
	return in.byName[i], true
}

// resolvers remembers those of the schemes in use. The zero value is ready.
type resolvers struct {
	mu    sync.Mutex
	byOrg map[string]resolved // guarded by mu
}

type resolved struct {
	scheme *Scheme
	by     *resolver
}

const maxResolvers = 10_000

// of returns the resolver of a scheme. It is worked out once for as long as the organisation's is this one.
func (r *resolvers) of(s *Scheme) *resolver {
	if s.Revision == 0 {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	known, ok := r.byOrg[s.Org]
	if !ok || known.scheme != s {
		known = resolved{s, newResolver(s)}
		if r.byOrg == nil || len(r.byOrg) >= maxResolvers {
			r.byOrg = make(map[string]resolved)
		}
		r.byOrg[s.Org] = known
	}
	return known.by
}
