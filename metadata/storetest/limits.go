package storetest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/claimsmith/claimsmith/metadata"
)

func ofLength(n int) metadata.Value { return text(strings.Repeat("x", n-len(`""`))) }

func (s *suite) limits() {
	limits := metadata.Limits{Entries: 3, DocumentBytes: 100, ClaimsBytes: 60, Applications: 1}
	// Before each: a claim of 10 bytes, which take 24 of the claims budget, and an entry of 20: 32 bytes with the keys.
	before := []metadata.Put{claim("c", ofLength(10)), entry("e", ofLength(20))}
	tests := []struct {
		name  string
		patch metadata.Patch
		code  metadata.Code
	}{
		{"as many entries as allowed", set(entry("1", text(""))), ""},
		{"one entry more", set(entry("1", text("")), entry("2", text(""))), metadata.LimitExceeded},
		{"one more but one deleted", metadata.Patch{Set: []metadata.Put{entry("1", text("")), entry("2", text(""))}, Delete: []string{"e"}}, ""},
		{"too many in a replacement", metadata.Patch{Replace: true, Set: []metadata.Put{entry("1", text("")), entry("2", text("")), entry("3", text("")), entry("4", text(""))}}, metadata.LimitExceeded},
		{"as many in a replacement", metadata.Patch{Replace: true, Set: []metadata.Put{entry("1", text("")), entry("2", text("")), entry("3", text(""))}}, ""},

		{"as many bytes as allowed", set(entry("n", ofLength(67))), ""},
		{"one byte more", set(entry("n", ofLength(68))), metadata.LimitExceeded},
		{"one byte more in the key", set(entry("n2", ofLength(67))), metadata.LimitExceeded},
		{"as many bytes by change", set(entry("e", ofLength(88))), ""},
		{"one byte more by change", set(entry("e", ofLength(89))), metadata.LimitExceeded},
		{"as many bytes after deleting", metadata.Patch{Set: []metadata.Put{entry("n", ofLength(88))}, Delete: []string{"e"}}, ""},
		{"one byte more after deleting", metadata.Patch{Set: []metadata.Put{entry("n", ofLength(89))}, Delete: []string{"e"}}, metadata.LimitExceeded},
		{"as many bytes in a replacement", metadata.Patch{Replace: true, Set: []metadata.Put{entry("n", ofLength(99))}}, ""},
		{"one byte more in a replacement", metadata.Patch{Replace: true, Set: []metadata.Put{entry("n", ofLength(100))}}, metadata.LimitExceeded},
		{"bytes count, not characters", set(entry("é", ofLength(67))), metadata.LimitExceeded},

		{"as many bytes of claims", set(claim("n", ofLength(22))), ""},
		{"one byte of claims more", set(claim("n", ofLength(23))), metadata.LimitExceeded},
		{"one byte more in a claim's key", set(claim("n2", ofLength(22))), metadata.LimitExceeded},
		{"as many bytes by change of a claim", set(claim("c", ofLength(46))), ""},
		{"one byte more by change of a claim", set(claim("c", ofLength(47))), metadata.LimitExceeded},
		{"an entry becomes a claim", set(claim("e", ofLength(22))), ""},
		{"an entry becomes a claim too long", set(claim("e", ofLength(23))), metadata.LimitExceeded},
		{"a claim hidden for another", set(entry("c", ofLength(10)), claim("n", ofLength(46))), ""},
		{"a claim hidden for too long a one", set(entry("c", ofLength(10)), claim("n", ofLength(47))), metadata.LimitExceeded},
		{"a claim deleted for another", metadata.Patch{Set: []metadata.Put{claim("n", ofLength(46))}, Delete: []string{"c"}}, ""},
		{"a claim deleted for too long a one", metadata.Patch{Set: []metadata.Put{claim("n", ofLength(47))}, Delete: []string{"c"}}, metadata.LimitExceeded},
	}
	for _, test := range tests {
		s.Run(test.name, func(t *testing.T) {
			s := &suite{T: t, store: s.store, users: s.users}
			o := s.member()
			stored := s.mustApply(o, set(before...))
			p := test.patch
			p.Limits = limits
			_, err := s.apply(o, p)
			if test.code != "" {
				s.wantRefusal(err, test.code, o, stored)
			} else if err != nil {
				s.Error(err)
			}
		})
	}
	s.Run("the budget is the JSON's length", func(t *testing.T) {
		s := &suite{T: t, store: s.store, users: s.users}
		claims := []metadata.Put{claim("theme", text("dark")), claim("n", ofLength(40)), claim("groups", metadata.Restore(metadata.KindJSON, `[]`))}
		budget := len(`"metadata_theme":"dark","metadata_n":` + claims[1].Value.Raw() + `,"metadata_groups":[],`)
		sum := 0
		for _, c := range claims {
			sum += metadata.ClaimBytes(c.Key, c.Value)
		}
		if sum != budget {
			s.Errorf("ClaimBytes make %d of %d", sum, budget)
		}
		for _, limit := range []int{budget - 1, budget} {
			p := set(claims...)
			p.Limits = metadata.DefaultLimits
			p.Limits.ClaimsBytes = limit
			if _, err := s.apply(s.member(), p); (err == nil) != (limit == budget) {
				s.Errorf("%d bytes with a budget of %d: %v", budget, limit, err)
			}
		}
	})
}

func (s *suite) cuttingDown() {
	o := s.member()
	s.mustApply(o, set(claim("a", ofLength(40)), claim("b", ofLength(40)), entry("c", ofLength(40)), entry("d", ofLength(40))))
	narrow := func(p metadata.Patch) metadata.Patch {
		p.Limits = metadata.Limits{Entries: 1, DocumentBytes: 50, ClaimsBytes: 20, Applications: 1}
		return p
	}
	for _, p := range []metadata.Patch{
		set(entry("e", ofLength(2))), set(entry("d", ofLength(41))), set(claim("a", ofLength(41))), set(claim("d", ofLength(2))),
	} {
		before := s.get(o)
		_, err := s.apply(o, narrow(p))
		s.wantRefusal(err, metadata.LimitExceeded, o, before)
	}
	for _, p := range []metadata.Patch{
		set(claim("a", ofLength(40))), set(claim("a", ofLength(39))), set(entry("b", ofLength(40))), set(entry("d", ofLength(2))), remove("d"), remove("c", "b"),
	} {
		s.mustApply(o, narrow(p))
	}
}

func (s *suite) applications() {
	o := s.member()
	p := set(entry("a", text("1")))
	p.Limits = metadata.DefaultLimits
	p.Limits.Applications = 2
	apply := func(app string) error {
		o.App = app
		_, err := s.apply(o, p)
		return err
	}
	for _, app := range []string{"", "one", "two", "one", ""} {
		if err := apply(app); err != nil {
			s.Fatal(err)
		}
	}
	if err := apply("three"); codeOf(err) != metadata.LimitExceeded {
		s.Errorf("a third application: %v", err)
	}
	s.wantSame(s.get(o), metadata.Document{})
	s.erase(o.User, o.Org)
	if err := apply("three"); err != nil {
		s.Errorf("after erasing: %v", err)
	}
}

// writers is how many change one document at once.
const writers = 64

func (s *suite) parallelLimits() {
	o := s.member()
	limits := metadata.DefaultLimits
	limits.Entries = 20
	limits.ClaimsBytes = 10 * metadata.ClaimBytes("c00", ofLength(30))
	outcomes := s.parallel(func(i int) error {
		p := set(claim(fmt.Sprintf("c%02d", i), ofLength(30)))
		if i%2 == 1 {
			p = set(entry(fmt.Sprintf("e%02d", i), ofLength(30)))
		}
		p.Limits = limits
		_, err := s.apply(o, p)
		return err
	})
	accepted := 0
	for _, err := range outcomes {
		if err == nil {
			accepted++
		} else if codeOf(err) != metadata.LimitExceeded {
			s.Error(err)
		}
	}
	doc := s.get(o)
	claims, _ := s.claimsOf(o)
	if len(doc.Entries) != 20 || accepted != 20 || len(claims) > 10 {
		s.Errorf("%d accepted, %d entries of 20, %d claims of at most 10", accepted, len(doc.Entries), len(claims))
	}
}
