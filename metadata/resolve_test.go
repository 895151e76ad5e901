package metadata_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/claimsmith/claimsmith/metadata"
)

// keyPool has keys that are equal but for case, and some that sort between them.
var keyPool = []string{"a", "A", "b", "B2", "b2", "c.d", "C.D", "plan", "Plan", "PLAN", "q-1", "z", "Z_", "z_"}

// randomClaims are claims of different keys, ordered by key, no two of which differ only in case.
func randomClaims(r *rand.Rand, tag string) (claims []metadata.Claim) {
	taken := map[string]bool{}
	for range r.IntN(8) {
		key := keyPool[r.IntN(len(keyPool))]
		if lower := strings.ToLower(key); !taken[lower] {
			taken[lower] = true
			claims = append(claims, metadata.Claim{Key: key, JSON: fmt.Sprintf("%q", tag)})
		}
	}
	slices.SortFunc(claims, func(a, b metadata.Claim) int { return strings.Compare(a.Key, b.Key) })
	return claims
}

func randomScheme(r *rand.Rand) *metadata.Scheme {
	s := &metadata.Scheme{Org: "default", Revision: 1 + r.Uint64N(9), Shared: map[string][]metadata.Claim{"": randomClaims(r, "org")}}
	some := func(of []string) (subset []string) {
		if r.IntN(2) == 0 {
			return nil
		}
		subset = []string{}
		for _, v := range of {
			if r.IntN(2) == 0 {
				subset = append(subset, v)
			}
		}
		return subset
	}
	defined := map[string]bool{}
	for range r.IntN(6) {
		key := keyPool[r.IntN(len(keyPool))]
		if defined[strings.ToLower(key)] {
			continue
		}
		defined[strings.ToLower(key)] = true
		d := metadata.Definition{Key: key, Clients: some([]string{"web", "app"}), Places: some(metadata.Places)}
		d.Claim = []metadata.ClaimRule{"", metadata.ClaimOptional, metadata.ClaimAlways, metadata.ClaimNever}[r.IntN(4)]
		d.Read = []metadata.Audience{"", metadata.ForServices, metadata.ForServices, metadata.ForSelf, metadata.ForOperators}[r.IntN(5)]
		if r.IntN(2) == 0 {
			d.Default = `"default"`
		}
		s.Definitions = append(s.Definitions, d)
	}
	slices.SortFunc(s.Definitions, func(a, b metadata.Definition) int { return strings.Compare(a.Key, b.Key) })
	for n := range r.IntN(4) {
		id := fmt.Sprint("g", n)
		s.Groups = append(s.Groups, metadata.Group{ID: id, Slug: "group-" + id, Order: n / 2})
		s.Shared[id] = randomClaims(r, id)
	}
	return s
}

// shown is what a place shows, found the simple way: every source in the order of precedence, every rule by itself.
func shown(s *metadata.Scheme, own metadata.Claims, client, place string) map[string]string {
	layers := [][]metadata.Claim{own.App, own.User}
	for _, g := range s.Groups {
		if slices.Contains(own.Groups, g.ID) {
			layers = append(layers, s.Shared[g.ID])
		}
	}
	var defaults []metadata.Claim
	for _, d := range s.Definitions {
		if d.Default != "" {
			defaults = append(defaults, metadata.Claim{Key: d.Key, JSON: d.Default})
		}
	}
	result, taken := map[string]string{}, map[string]bool{}
	for _, layer := range append(layers, s.Shared[""], defaults) {
		for _, c := range layer {
			if lower := strings.ToLower(c.Key); !taken[lower] {
				taken[lower] = true
				result[c.Key] = c.JSON
			}
		}
	}
	maps.DeleteFunc(result, func(key, _ string) bool {
		return slices.ContainsFunc(s.Definitions, func(d metadata.Definition) bool {
			return strings.EqualFold(d.Key, key) && (d.Claim == metadata.ClaimNever || d.Read != "" && d.Read != metadata.ForServices ||
				d.Clients != nil && client != "" && !slices.Contains(d.Clients, client) || d.Places != nil && !slices.Contains(d.Places, place))
		})
	})
	return result
}

func TestTheNearestEntryWinsAndDefinitionsKeepOut(t *testing.T) {
	for seed := range uint64(20_000) {
		r := rand.New(rand.NewPCG(seed, 4))
		scheme := randomScheme(r)
		own := metadata.Claims{User: randomClaims(r, "user"), Revision: 3}
		client := []string{"", "web", "app", "other"}[r.IntN(4)]
		if client != "" {
			own.App, own.AppRevision = randomClaims(r, "app"), 2
		}
		for _, id := range []string{"g0", "g1", "g2", "gone"} {
			if r.IntN(2) == 0 {
				own.Groups = append(own.Groups, id)
			}
		}
		p := metadata.ClaimsOf(scheme, own, client)
		candidates := metadata.CandidatesOf(p)
		for _, place := range metadata.Places {
			want, got, told := shown(scheme, own, client, place), map[string]string{}, map[string]string{}
			last := ""
			for key, value := range p.In(place) {
				if key <= last {
					t.Fatalf("seed %d: %s after %s", seed, key, last)
				}
				last, got[key] = key, value
			}
			for _, c := range candidates {
				if c.HiddenBy == "" && c.Why[place] == "" {
					told[c.Key] = c.JSON
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("seed %d: %s for %q (-want +got):\n%s", seed, place, client, diff)
			}
			if diff := cmp.Diff(want, told); diff != "" {
				t.Fatalf("seed %d: the explanation of %s for %q (-want +told):\n%s", seed, place, client, diff)
			}
		}
	}
}

func TestClaimsStopWhereTheReaderStops(t *testing.T) {
	scheme := &metadata.Scheme{Org: "default", Revision: 1, Shared: map[string][]metadata.Claim{
		"": {{Key: "0"}, {Key: "B"}, {Key: "bb"}, {Key: "h"}, {Key: "i"}},
	}}
	p := metadata.ClaimsOf(scheme, metadata.Claims{
		User: []metadata.Claim{{Key: "b"}, {Key: "d"}, {Key: "f"}},
		App:  []metadata.Claim{{Key: "a"}, {Key: "c"}, {Key: "e"}, {Key: "g"}},
	}, "")
	all := []string{"0", "a", "b", "bb", "c", "d", "e", "f", "g", "h", "i"}
	for n := 1; n <= len(all); n++ {
		var read []string
		for key := range p.In("id_token") {
			if read = append(read, key); len(read) == n {
				break
			}
		}
		if !slices.Equal(read, all[:n]) {
			t.Errorf("read %v, want %v", read, all[:n])
		}
	}
}

func TestWhatIsInheritedIsCountedWhole(t *testing.T) {
	scheme := &metadata.Scheme{
		Groups: []metadata.Group{{ID: "g1", Slug: "a"}, {ID: "g2", Slug: "b"}},
		Shared: map[string][]metadata.Claim{
			"": {{Key: "a", JSON: "1"}}, "g1": {{Key: "a", JSON: "22"}}, "g2": {{Key: "a", JSON: "333"}}, "gone": {{Key: "z", JSON: "4"}},
		},
		Definitions: []metadata.Definition{
			{Key: "a", Default: "5"}, {Key: "b", Default: "6", Claim: metadata.ClaimNever}, {Key: "c", Default: "7", Read: metadata.ForSelf},
		},
	}
	const empty = len(`"metadata_a":,`)
	for _, test := range []struct {
		groups []string
		want   int
	}{{nil, 2*empty + 2}, {[]string{"g1", "gone"}, 3*empty + 4}, {[]string{"g1", "g2"}, 4*empty + 7}} {
		if got := scheme.InheritedBytes(test.groups); got != test.want {
			t.Errorf("members of %v inherit %d bytes, want %d", test.groups, got, test.want)
		}
	}
}

func BenchmarkClaimsOfAScheme(b *testing.B) {
	scheme, own := benchScheme(), benchClaims()
	for name, scheme := range map[string]*metadata.Scheme{"empty": {Org: "default"}, "20 definitions, a group, inherited entries": scheme} {
		b.Run(name, func(b *testing.B) {
			resolve := metadata.Resolver(scheme)
			b.ReportAllocs()
			for b.Loop() {
				for key := range resolve(own, "web").In("access_token") {
					_ = key
				}
			}
		})
	}
}

// benchScheme has twenty definitions, half of them with rules, a group, and six inherited entries.
func benchScheme() *metadata.Scheme {
	s := &metadata.Scheme{Org: "default", Revision: 7, Groups: []metadata.Group{{ID: "g1", Slug: "staff"}}}
	s.Shared = map[string][]metadata.Claim{
		"":   {{Key: "region", JSON: `"eu"`}, {Key: "theme", JSON: `"light"`}},
		"g1": {{Key: "building", JSON: `"7b"`}, {Key: "plan", JSON: `"staff"`}},
	}
	for n := range 20 {
		d := metadata.Definition{Key: fmt.Sprintf("key%02d", n)}
		if n%2 == 0 {
			d.Places = []string{"access_token", "id_token"}
		}
		if n%10 == 0 {
			d.Default = `"default"`
		}
		s.Definitions = append(s.Definitions, d)
	}
	return s
}

func benchClaims() metadata.Claims {
	c := metadata.Claims{Revision: 5, Groups: []string{"g1"}}
	for n := range 10 {
		c.User = append(c.User, metadata.Claim{Key: fmt.Sprintf("key%02d", n+5), JSON: `"a value of some length"`})
	}
	return c
}
