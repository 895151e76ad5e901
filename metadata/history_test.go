package metadata_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"math"
	mathrand "math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claimsmith/claimsmith/internal/durable"
	"github.com/claimsmith/claimsmith/internal/keyspace"
	"github.com/claimsmith/claimsmith/metadata"
	"github.com/claimsmith/claimsmith/metadata/redisstore"
	"github.com/claimsmith/claimsmith/metadata/storetest"
)

// histories is how many random histories are lived through: few, or one for every twenty of CLAIMSMITH_TEST_CASES.
func histories(t *testing.T, few int) int {
	t.Helper()
	text := os.Getenv("CLAIMSMITH_TEST_CASES")
	if text == "" {
		return few
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n / 20
}

// historyFixture has a clock of its own and lays down schemes without asking what they do.
type historyFixture struct {
	*fixture
	t  *testing.T
	at time.Time
	// changes is how many of a document's changes are remembered.
	changes int
}

func newHistoryFixture(t *testing.T) *historyFixture {
	f := &historyFixture{fixture: newFixture(t), t: t, at: now, changes: 1000}
	f.HashKey = []byte("a key")
	f.Now = func() time.Time { return f.at }
	space := keyspace.New(4) // few have to be told of every change of a scheme
	f.Store = redisstore.New(&durable.Runner{Client: f.backend.Client}, space)
	f.Schemes = &metadata.Schemes{Store: f.Store, Now: f.Now}
	f.users = &storetest.Users{Client: f.backend.Client, Space: space}
	f.users.New(t, storetest.User{ID: "u-jane", Username: "jane", Orgs: []string{"default"}})
	f.Limits = func(context.Context, string) (metadata.Limits, error) {
		l := metadata.DefaultLimits
		l.InheritedBytes, l.History.Changes = 1<<20, f.changes
		return l, nil
	}
	if err := f.users.Client.HSet(t.Context(), space.Org("default"), "rec", "{}").Err(); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *historyFixture) scheme() *metadata.Scheme {
	f.t.Helper()
	s, err := f.Store.Scheme(f.t.Context(), "default")
	if err != nil {
		f.t.Fatal(err)
	}
	return s
}

func (f *historyFixture) lay(c metadata.SchemeChange) {
	f.t.Helper()
	c.By, c.At, c.Op = "token:op", f.at, rand.Text()
	_, err := f.Store.ChangeScheme(f.t.Context(), "default", c)
	if err == nil {
		err = f.Store.Announce(f.t.Context(), f.scheme())
	}
	if err != nil {
		f.t.Fatal(err)
	}
	f.Schemes.Forget("default")
}

func (f *historyFixture) define(d metadata.Definition) {
	f.t.Helper()
	var version uint64
	for _, old := range f.scheme().Definitions {
		if old.Key == d.Key {
			version = old.Version
		}
	}
	f.lay(metadata.SchemeChange{PutDefinition: &d, IfVersion: version})
}

// write changes a document in the store, and reports whether that was allowed.
func (f *historyFixture) write(o metadata.Owner, p metadata.Patch) bool {
	f.t.Helper()
	o.Org = "default"
	p.Limits, _ = f.Limits(f.t.Context(), o.Org)
	p.Scheme, p.ChangedBy, p.Via, p.At, p.Op = f.scheme().Revision, "token:op", "native", f.at, rand.Text()
	_, err := f.Store.Apply(f.t.Context(), o, p)
	f.Schemes.Forget("default")
	if code := codeOf(err); code == metadata.Conflict || code == metadata.LimitExceeded {
		return false
	} else if err != nil {
		f.t.Fatal(err)
	}
	return true
}

func (f *historyFixture) document(o metadata.Owner) metadata.Document {
	f.t.Helper()
	o.Org = "default"
	doc, err := f.Store.Get(f.t.Context(), o)
	if err != nil {
		f.t.Fatal(err)
	}
	return doc
}

// contents are what a rollback brings back of a document.
func contents(d metadata.Document) map[string]string {
	all := map[string]string{"groups": fmt.Sprint(d.Groups)}
	for _, e := range d.Entries {
		all["entry "+e.Key] = fmt.Sprintf("%c %t %s", e.Value.Kind(), e.ProfileClaim, e.Value.Raw())
	}
	return all
}

func randomPatch(r *mathrand.Rand) (p metadata.Patch) {
	named := map[string]bool{}
	for range 1 + r.IntN(4) {
		key := keyPool[r.IntN(len(keyPool))]
		if named[key] {
			continue
		}
		named[key] = true
		switch r.IntN(5) {
		case 0:
			p.Delete = append(p.Delete, key)
		case 1:
			p.Set = append(p.Set, metadata.Put{Key: key, Value: metadata.Bytes([]byte{0, byte(r.IntN(256)), 0xff, ' ', '\n'})})
		default:
			value := []string{`"é 😀"`, `9007199254740993`, `1.0`, `[]`, `{"a":[{}],"b":-0}`, `null`, `"\u0000\""`}[r.IntN(7)]
			p.Set = append(p.Set, metadata.Put{Key: key, Value: metadata.Restore(metadata.KindJSON, value), ProfileClaim: r.IntN(3) > 0})
		}
	}
	p.Replace = r.IntN(8) == 0
	return p
}

// TestThePastIsWhatItWas makes random changes of everything a token is made of and asks for what was there at every step.
func TestThePastIsWhatItWas(t *testing.T) {
	type moment struct {
		at                                 time.Time
		revision, appRevision, orgRevision uint64
		claims                             map[string]map[string]string
	}
	for seed := range uint64(histories(t, 25)) {
		f := newHistoryFixture(t)
		r := mathrand.New(mathrand.NewPCG(seed, 8))
		var moments []moment
		for step := range 25 {
			f.at = f.at.Add(time.Minute)
			f.randomChange(r, step)
			_, read := f.ProfileClaims(t.Context(), "default", "u-jane", "portal")
			claims, revision, appRevision, orgRevision, err := read()
			if err != nil {
				t.Fatal(err)
			}
			m := moment{f.at, revision, appRevision, orgRevision, map[string]map[string]string{}}
			for _, place := range metadata.Places {
				m.claims[place] = map[string]string{}
				for key, value := range claims(place) {
					m.claims[place][key] = value
				}
			}
			moments = append(moments, m)
		}
		for _, m := range moments {
			later := m.at.Add(30 * time.Second)
			for what, point := range map[string]metadata.Point{
				"revisions": {Revision: &m.revision, AppRevision: &m.appRevision, OrgRevision: &m.orgRevision},
				"time":      {Time: &later},
				"both":      {Time: &later, OrgRevision: &m.orgRevision},
			} {
				p, err := f.Project(t.Context(), operator, target("jane"), "portal", point, nil)
				if err != nil {
					t.Fatalf("seed %d: by %s: %v", seed, what, err)
				}
				got := map[string]map[string]string{}
				for _, place := range metadata.Places {
					got[place] = map[string]string{}
					for key, value := range p.ProfileClaims.In(place) {
						got[place][key] = value
					}
				}
				if diff := cmp.Diff(m.claims, got); diff != "" {
					t.Fatalf("seed %d: %+v by %s (-then +projected):\n%s", seed, m, what, diff)
				}
				if c := p.ProfileClaims; c.Revision != m.revision || c.AppRevision != m.appRevision || c.OrgRevision != m.orgRevision {
					t.Fatalf("seed %d: by %s at revisions %d, %d, %d, want %+v", seed, what, c.Revision, c.AppRevision, c.OrgRevision, m)
				}
			}
		}
	}
}

// randomChange changes one thing that jane's tokens for the portal are made of.
func (f *historyFixture) randomChange(r *mathrand.Rand, step int) {
	f.t.Helper()
	scheme := f.scheme()
	jane := metadata.Owner{User: "u-jane"}
	switch r.IntN(8) {
	case 0:
		f.define(randomDefinition(r, scheme))
	case 1:
		if len(scheme.Definitions) > 0 && r.IntN(2) == 0 {
			d := scheme.Definitions[r.IntN(len(scheme.Definitions))]
			f.lay(metadata.SchemeChange{DeleteDefinition: d.Key, IfVersion: d.Version})
			return
		}
		f.lay(metadata.SchemeChange{PutGroup: &metadata.Group{ID: fmt.Sprint("g", step), Slug: fmt.Sprint("slug", step), Order: r.IntN(3)}})
	case 2:
		groups := []string{}
		for i := range scheme.Groups {
			if r.IntN(3) > 0 {
				groups = append(groups, scheme.Groups[i].ID)
			}
		}
		slices.Sort(groups)
		f.write(jane, metadata.Patch{Groups: &groups})
	case 3:
		f.write(metadata.Owner{}, randomPatch(r))
	case 4, 5:
		if len(scheme.Groups) == 0 {
			return
		}
		g := scheme.Groups[r.IntN(len(scheme.Groups))]
		if r.IntN(5) == 0 {
			f.write(metadata.Owner{Group: g.ID}, metadata.Patch{Replace: true})
			f.lay(metadata.SchemeChange{DeleteGroup: g.ID, IfVersion: g.Version})
			return
		}
		f.write(metadata.Owner{Group: g.ID}, randomPatch(r))
	case 6:
		f.write(metadata.Owner{User: "u-jane", App: "portal"}, randomPatch(r))
	default:
		f.write(jane, randomPatch(r))
	}
}

func randomDefinition(r *mathrand.Rand, s *metadata.Scheme) metadata.Definition {
	d := metadata.Definition{Key: keyPool[r.IntN(len(keyPool))]}
	for _, old := range s.Definitions {
		if strings.EqualFold(old.Key, d.Key) {
			d.Key = old.Key
		}
	}
	for _, source := range randomScheme(r).Definitions {
		key := d.Key
		d = source
		d.Key = key
	}
	return d
}

func TestHowFarBackTheMemoryGoes(t *testing.T) {
	f := newHistoryFixture(t)
	f.changes = 3
	for n := range 6 {
		f.at = now.Add(time.Duration(n) * time.Hour)
		f.write(metadata.Owner{User: "u-jane"}, metadata.Patch{Set: []metadata.Put{claim("n", strconv.Itoa(n))}})
		f.write(metadata.Owner{}, metadata.Patch{Set: []metadata.Put{claim("org", strconv.Itoa(n))}})
	}
	revision := func(n uint64) *uint64 { return &n }
	hours := func(n float64) *time.Time {
		at := now.Add(time.Duration(math.Round(n * float64(time.Hour))))
		return &at
	}
	for _, test := range []struct {
		name  string
		point metadata.Point
		want  string // or the detail of the refusal
	}{
		{"now", metadata.Point{}, "5 5"},
		{"an earlier revision", metadata.Point{Revision: revision(4)}, "3 5"},
		{"the earliest revision", metadata.Point{Revision: revision(3)}, "2 5"},
		{"one before it", metadata.Point{Revision: revision(2)}, "nothing is remembered before revision 3"},
		{"one that is yet to come", metadata.Point{Revision: revision(7)}, "there is no such revision; the latest is 6"},
		{"the organisation's earliest", metadata.Point{OrgRevision: revision(3)}, "5 2"},
		{"one before it", metadata.Point{OrgRevision: revision(2)}, "nothing is remembered before revision 3"},
		{"the organisation's to come", metadata.Point{OrgRevision: revision(7)}, "there is no such revision; the latest is 6"},
		{"a time", metadata.Point{Time: hours(3.5)}, "3 3"},
		{"the moment of a change", metadata.Point{Time: hours(3)}, "3 3"},
		{"a time to come", metadata.Point{Time: hours(30)}, "5 5"},
		{"a time before", metadata.Point{Time: hours(2.5)}, "nothing is remembered before revision 3, which was the latest until " +
			hours(3).Format(time.RFC3339)},
	} {
		p, err := f.Project(t.Context(), operator, target("u-jane"), "", test.point, nil)
		got := ""
		if err != nil {
			if codeOf(err) != metadata.NotFound {
				t.Errorf("%s: %v", test.name, err)
			}
			_, got, _ = strings.Cut(err.Error(), "): ")
		} else {
			for _, value := range p.ProfileClaims.In("id_token") {
				got = strings.TrimSpace(got + " " + value)
			}
		}
		if got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
	_, err := f.Rollback(t.Context(), operator, target("u-jane"), 2, "", none)
	if codeOf(err) != metadata.NotFound || !strings.Contains(err.Error(), "before revision 3") {
		t.Errorf("rolling back further: %v", err)
	}
	if _, err := f.Rollback(t.Context(), operator, target("u-jane"), 9, "", none); codeOf(err) != metadata.NotFound {
		t.Errorf("rolling forward: %v", err)
	}
}

func TestWhatAHistoryTells(t *testing.T) {
	f := newHistoryFixture(t)
	f.lay(metadata.SchemeChange{PutGroup: &metadata.Group{ID: "g1", Slug: "staff"}})
	f.define(metadata.Definition{Key: "pin", Sensitive: true})
	f.define(metadata.Definition{Key: "score", Read: metadata.ForOperators})
	janes := metadata.Owner{User: "u-jane"}
	member, left := []string{"g1", "gone"}, []string{}
	f.write(janes, metadata.Patch{Set: []metadata.Put{claim("theme", `"dark"`), put("pin", `1234`)}, Groups: &member})
	f.write(janes, metadata.Patch{Set: []metadata.Put{put("score", `7`)}})
	f.write(janes, metadata.Patch{Set: []metadata.Put{put("theme", `"light"`), put("pin", `4321`), put("score", `8`)}})
	f.write(janes, metadata.Patch{Delete: []string{"theme"}, Set: []metadata.Put{put("pin", `1234`)}, Groups: &left})

	tell := func(c metadata.Caller, key string, p metadata.Page) (lines []string, next string) {
		t.Helper()
		past, next, err := f.History(t.Context(), c, target("u-jane"), key, p)
		if err != nil {
			t.Fatal(err)
		}
		show := func(s *metadata.Shown) string {
			switch {
			case s == nil:
				return "-"
			case s.Hash != "":
				if s.Value != (metadata.Value{}) || !strings.HasPrefix(s.Hash, "hmac-sha256:") || len(s.Hash) != len("hmac-sha256:")+43 {
					t.Errorf("a sensitive value is shown as %+v", s)
				}
				return s.Hash[len("hmac-sha256:"):][:4]
			}
			return fmt.Sprintf("%s/%t", s.Value.Raw(), s.ProfileClaim)
		}
		for _, p := range past {
			line := fmt.Sprintf("%d %s %s:", p.Revision, p.By, p.Via)
			for _, d := range p.Changes {
				line += fmt.Sprintf(" %s %s>%s", d.Key, show(d.Before), show(d.After))
			}
			lines = append(lines, line+fmt.Sprint(" ", p.Joined, p.Left))
			if !p.At.Equal(now) {
				t.Errorf("revision %d at %v", p.Revision, p.At)
			}
		}
		return lines, next
	}
	want := func(what string, got []string, want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	all, _ := tell(operator, "", metadata.Page{})
	first := strings.Fields(all[3])[4] // pin -><hash>
	hash1234, hash4321 := strings.TrimPrefix(first, "->"), strings.Split(strings.Fields(all[1])[4], ">")[1]
	if hash1234 == hash4321 {
		t.Error("two values have one hash")
	}
	if told := strings.Join(all, "\n"); strings.Contains(told, "1234") || strings.Contains(told, "4321") {
		t.Errorf("a sensitive value is told:\n%s", told)
	}
	want("an operator", all,
		"4 token:op native: pin "+hash4321+">"+hash1234+` theme "light"/false>- [] [staff gone]`,
		"3 token:op native: pin "+hash1234+">"+hash4321+` score 7/false>8/false theme "dark"/true>"light"/false [] []`,
		"2 token:op native: score ->7/false [] []",
		"1 token:op native: pin ->"+hash1234+` theme ->"dark"/true [staff gone] []`,
	)
	own, _ := tell(jane, "", metadata.Page{})
	want("jane herself", own,
		"4 token:op native: pin "+hash4321+">"+hash1234+` theme "light"/false>- [] [staff gone]`,
		"3 token:op native: pin "+hash1234+">"+hash4321+` theme "dark"/true>"light"/false [] []`,
		"1 token:op native: pin ->"+hash1234+` theme ->"dark"/true [staff gone] []`,
	)
	readers, _ := tell(reader, "score", metadata.Page{})
	want("a reader about a key of operators", readers)
	one, _ := tell(operator, "score", metadata.Page{})
	want("one key", one, "3 token:op native: score 7/false>8/false [] []", "2 token:op native: score ->7/false [] []")
	var paged []string
	for page := (metadata.Page{Limit: 1}); ; {
		lines, next := tell(operator, "", page)
		if len(lines) > 1 {
			t.Errorf("a page of one is %v", lines)
		}
		paged = append(paged, lines...)
		if page.After = next; next == "" {
			break
		}
	}
	want("page by page", paged, all...)
	if _, _, err := f.History(t.Context(), operator, target("u-jane"), "", metadata.Page{After: "x"}); codeOf(err) != metadata.Invalid {
		t.Errorf("a position that is none: %v", err)
	}
	_, _, err := f.History(t.Context(), john, target("u-jane"), "", metadata.Page{})
	wantCode(t, "another user", err, metadata.NotFound)
}
