package metadata_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/claimsmith/claimsmith/internal/redistest"
	"github.com/claimsmith/claimsmith/metadata"
	"github.com/claimsmith/claimsmith/metadata/storetest"
)

func (l *laws) check(d metadata.Definition) metadata.Report {
	l.t.Helper()
	r, err := l.CheckDefinition(l.t.Context(), operator, "", d, metadata.Page{})
	if err != nil {
		l.t.Fatal(err)
	}
	return r
}

// reported is a report without the list.
func reported(r metadata.Report) metadata.Report {
	r.Listed, r.Next = nil, ""
	return r
}

func TestAReportCountsEverybody(t *testing.T) {
	l := newLaws(t)
	staff := l.group("staff", 1)
	l.users.New(t, storetest.User{ID: "u-none", Orgs: []string{"default"}}) // nothing was ever written about
	l.users.New(t, storetest.User{ID: "u-acme", Orgs: []string{"acme"}})
	for _, to := range []metadata.Target{target("john"), {User: "u-john", App: "portal"}} {
		l.must(operator, to, claim("plan", `"pro"`), put("other", `1`))
	}
	l.must(operator, ofGroup("staff"), claim("plan", `"team"`))
	if err := l.Join(t.Context(), operator, target("u-jane"), "staff"); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		d    metadata.Definition
		want metadata.Report
	}{
		{"nothing", metadata.Definition{Key: "plan"}, metadata.Report{}},
		{
			"a schema", metadata.Definition{Key: "plan", Schema: `{"enum":["team"]}`},
			metadata.Report{Violations: 2},
		},
		{"never a claim", metadata.Definition{Key: "plan", Claim: metadata.ClaimNever}, metadata.Report{Violations: 3, Losing: 2}},
		{"not in one kind of token", metadata.Definition{Key: "plan", Places: []string{"id_token", "userinfo", "introspection"}}, metadata.Report{Losing: 2}},
		{"for one client", metadata.Definition{Key: "plan", Clients: []string{"web"}}, metadata.Report{}},
		{"a default", metadata.Definition{Key: "plan", Default: `"free"`}, metadata.Report{Gaining: 1}},
		{"users may write it", metadata.Definition{Key: "plan", Write: metadata.ForSelf}, metadata.Report{SelfWrite: 3}},
		{"a large default", metadata.Definition{Key: "plan", Default: `"` + strings.Repeat("x", 2100) + `"`}, metadata.Report{Gaining: 1, OverBudget: 3}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			// Documents: of three users, of one application, of the organisation and of a group.
			test.want.Documents, test.want.Entries, test.want.Created = 6, 3, true
			got := l.check(test.d)
			if diff := cmp.Diff(test.want, reported(got)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			before, _ := l.Store.Scheme(t.Context(), "default")
			_, report, err := l.Define(t.Context(), operator, "", test.d, nil, metadata.Accept{})
			want := metadata.Code("")
			switch {
			case test.want.OverBudget > 0:
				want = metadata.LimitExceeded
			case test.want.Violations > 0 || test.want.SelfWrite > 0:
				want = metadata.Conflict
			}
			wantOnly(t, "Define", err, want)
			if diff := cmp.Diff(test.want, reported(report)); diff != "" {
				t.Errorf("Define reports (-want +got):\n%s", diff)
			}
			if after, _ := l.Store.Scheme(t.Context(), "default"); want != "" && after.Revision != before.Revision {
				t.Error("a refusal changed the scheme")
			}
			if want == "" {
				if err := l.Undefine(t.Context(), operator, "", "plan", nil); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
	l.define(metadata.Definition{Key: "plan", Default: `"free"`})
	if got := reported(l.check(metadata.Definition{Key: "plan", Default: `"none"`})); got.Changing != 1 || got.Gaining+got.Losing != 0 || got.Created {
		t.Errorf("another default: %+v", got)
	}
	_ = staff
}

func TestViolationsAreListedInPagesWithTheirReasons(t *testing.T) {
	l := newLaws(t)
	l.group("staff", 1)
	want := map[string]string{}
	for i := range 7 {
		id := l.users.New(t, storetest.User{ID: fmt.Sprintf("u%d", i), Orgs: []string{"default"}})
		l.must(operator, target(id), put("k", `"SECRET"`))
		want["u"+fmt.Sprint(i)] = "the value must be integer, not string: the schema of the definition says so at /type"
	}
	l.must(operator, metadata.Target{User: "u3", App: "portal"}, put("k", `[1,2,3,4,5]`))
	want["u3/portal"] = "the value has 11 bytes, the limit of the definition is 10"
	l.must(operator, ofGroup("staff"), claim("K", `1`))
	want["/"] = `the key differs only in case from "k"`
	got := map[string]string{}
	pages := 0
	for p := (metadata.Page{Limit: 2}); ; pages++ {
		r, err := l.CheckDefinition(t.Context(), operator, "", metadata.Definition{Key: "k", Schema: `{"type":"integer"}`, MaxBytes: 10}, p)
		if err != nil || r.Violations != 9 || len(r.Listed) > 2 {
			t.Fatalf("%+v, %v", r, err)
		}
		for _, v := range r.Listed {
			name := v.Owner.User
			if v.Owner.App != "" {
				name += "/" + v.Owner.App
			} else if v.Owner.Group != "" {
				name = "/"
			}
			if _, twice := got[name]; twice {
				t.Errorf("%s is listed twice", name)
			}
			got[name] = v.Reason
		}
		if p.After = r.Next; p.After == "" {
			break
		}
	}
	if diff := cmp.Diff(want, got); diff != "" || pages != 4 {
		t.Errorf("%d pages (-want +got):\n%s", pages+1, diff)
	}
}

func TestDefinitionsAreCreatedChangedAndRemoved(t *testing.T) {
	l := newLaws(t)
	other := l.another()
	zero, wrong := uint64(0), uint64(99)
	d, report, err := l.Define(t.Context(), operator, "", metadata.Definition{Key: "plan", Owner: "billing"}, &zero, metadata.Accept{})
	if err != nil || !report.Created || d.Version == 0 || d.Claim != metadata.ClaimOptional || d.UpdatedBy != "token:op" || !d.CreatedAt.Equal(now) {
		t.Fatalf("%+v, %+v, %v", d, report, err)
	}
	_, _, err = other.Define(t.Context(), operator, "", metadata.Definition{Key: "plan"}, &zero, metadata.Accept{})
	wantOnly(t, "creating it again", err, metadata.PreconditionFailed)
	_, _, err = other.Define(t.Context(), operator, "", metadata.Definition{Key: "plan"}, &wrong, metadata.Accept{})
	wantOnly(t, "changing what it is not", err, metadata.PreconditionFailed)
	_, _, err = other.Define(t.Context(), operator, "", metadata.Definition{Key: "PLAN"}, nil, metadata.Accept{})
	wantOnly(t, "another case", err, metadata.Conflict)
	same, _, err := other.Define(t.Context(), operator, "", metadata.Definition{Key: "plan", Owner: "billing"}, nil, metadata.Accept{})
	if err != nil || same.Version != d.Version {
		t.Errorf("the same again has version %d, %v, want %d", same.Version, err, d.Version)
	}
	text := metadata.Definition{Key: "plan", Schema: `{ "type":"string" }`}
	changed, report, err := other.Define(t.Context(), operator, "", text, &d.Version, metadata.Accept{})
	if err != nil || report.Created || changed.Version <= d.Version || changed.Schema != `{"type":"string"}` {
		t.Errorf("%+v, %+v, %v", changed, report, err)
	}
	got, err := l.Definition(t.Context(), operator, "", "plan")
	if diff := cmp.Diff(changed, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	_, err = l.apply(operator, target("jane"), put("plan", `1`)) // the scheme this instance remembers is a second old at most, but nothing is stored by it
	wantOnly(t, "a write against the new schema", err, metadata.Invalid)
	wantOnly(t, "removing what it is not", l.Undefine(t.Context(), operator, "", "plan", &d.Version), metadata.PreconditionFailed)
	wantOnly(t, "removing it", l.Undefine(t.Context(), operator, "", "plan", &changed.Version), "")
	wantOnly(t, "removing it again", l.Undefine(t.Context(), operator, "", "plan", nil), metadata.NotFound)
	l.must(operator, target("jane"), put("plan", `1`))
	for i := range metadata.MaxDefinitions {
		l.store(metadata.SchemeChange{PutDefinition: &metadata.Definition{Key: fmt.Sprintf("k%d", i)}})
	}
	_, _, err = l.Define(t.Context(), operator, "", metadata.Definition{Key: "more"}, nil, metadata.Accept{})
	wantOnly(t, "one too many", err, metadata.LimitExceeded)
}

// store changes the scheme whatever the rules say.
func (l *laws) store(c metadata.SchemeChange) {
	l.t.Helper()
	c.By, c.At, c.Op = "token:op", now, rand.Text()
	if _, err := l.Store.ChangeScheme(l.t.Context(), "default", c); err != nil {
		l.t.Fatal(err)
	}
	l.Schemes.Forget("default")
}

func TestSearchableKeysAreIndexed(t *testing.T) {
	l := newLaws(t)
	l.must(operator, target("jane"), put("team", `"red"`))
	d := l.define(metadata.Definition{Key: "team", Searchable: true})
	l.must(operator, target("john"), put("team", `"red"`))
	red := metadata.TermOf(metadata.Restore(metadata.KindJSON, `"red"`))
	found := func() int {
		t.Helper()
		ids, _, err := l.Store.Search(t.Context(), "default", metadata.Query{Has: &metadata.Match{Key: "team", Equals: &red}}, metadata.Page{Limit: 10})
		if err != nil {
			t.Fatal(err)
		}
		return len(ids)
	}
	if stored, _ := l.Definition(t.Context(), operator, "", "team"); !d.Indexed || !stored.Indexed || stored.Version != d.Version || found() != 2 {
		t.Errorf("%+v, stored %+v; %d found", d, stored, found())
	}
	if d = l.define(metadata.Definition{Key: "team", Searchable: true, Owner: "x"}); !d.Indexed {
		t.Errorf("another text: %+v", d)
	}
	if d = l.define(metadata.Definition{Key: "team"}); d.Indexed || found() != 0 {
		t.Errorf("no longer searchable: %+v; %d found", d, found())
	}
	l.define(metadata.Definition{Key: "team", Searchable: true})
	if err := l.Undefine(t.Context(), operator, "", "team", nil); err != nil || found() != 0 {
		t.Errorf("no longer defined: %v; %d found", err, found())
	}
}

func TestAKeyOfClaimsUsersWroteIsNotClosedUnseen(t *testing.T) {
	l := newLaws(t)
	l.define(metadata.Definition{Key: "bio", Write: metadata.ForSelf, ProfileClaim: true})
	l.must(jane, target("me"), unmarked("bio", `"x"`))
	l.must(operator, target("john"), claim("bio", `"y"`))
	wantOnly(t, "Undefine", l.Undefine(t.Context(), operator, "", "bio", nil), metadata.Conflict)
	closed := metadata.Definition{Key: "bio", ProfileClaim: true}
	_, report, err := l.Define(t.Context(), operator, "", closed, nil, metadata.Accept{SelfWrite: true})
	wantOnly(t, "Define", err, metadata.Conflict)
	if report.Violations != 1 || report.Listed[0].Owner.User != "u-jane" {
		t.Errorf("%+v", report)
	}
	if l.must(jane, target("me"), unmarked("bio", `"z"`)); len(l.tokens("u-jane")) != 1 {
		t.Error("it was closed all the same")
	}
	if _, _, err := l.Define(t.Context(), operator, "", closed, nil, metadata.Accept{Violations: true}); err != nil {
		t.Error(err)
	}
	_, err = l.apply(jane, target("me"), unmarked("bio", `"x"`))
	wantOnly(t, "writing what was closed", err, metadata.Forbidden)
	never := metadata.Definition{Key: "bio", Claim: metadata.ClaimNever}
	if _, _, err := l.Define(t.Context(), operator, "", never, nil, metadata.Accept{Violations: true}); err != nil {
		t.Error(err)
	}
	_, report, err = l.Define(t.Context(), operator, "", closed, nil, metadata.Accept{SelfWrite: true})
	wantOnly(t, "Define by way of never", err, metadata.Conflict)
	if report.Violations != 1 || report.Listed[0].Owner.User != "u-jane" {
		t.Errorf("by way of never: %+v", report)
	}
	wantOnly(t, "Undefine by way of never", l.Undefine(t.Context(), operator, "", "bio", nil), metadata.Conflict)
	if _, err := l.Apply(t.Context(), operator, target("u-jane"), metadata.Change{Delete: []string{"bio"}}, none); err != nil {
		t.Fatal(err)
	}
	if err := l.Undefine(t.Context(), operator, "", "bio", nil); err != nil {
		t.Error(err)
	}
}

// between is a store of one instance. Something happens elsewhere before the nth of the steps that a change of a definition is made in, and
// something else, unless that is nil, before all after it.
type between struct {
	metadata.Store
	n           int
	then, later func()
}

func (b *between) step() {
	if b.n--; b.n == 0 {
		b.then()
	} else if b.n < 0 && b.later != nil {
		b.later()
	}
}

func (b *between) Scan(ctx context.Context, org string, what metadata.Extent, visit func(metadata.Holding) error) error {
	b.step()
	return b.Store.Scan(ctx, org, what, visit)
}

func (b *between) ChangeScheme(ctx context.Context, org string, c metadata.SchemeChange) (uint64, error) {
	b.step()
	return b.Store.ChangeScheme(ctx, org, c)
}

func (b *between) Apply(ctx context.Context, o metadata.Owner, p metadata.Patch) (metadata.Document, error) {
	b.step()
	return b.Store.Apply(ctx, o, p)
}

func (b *between) Announce(ctx context.Context, s *metadata.Scheme) error {
	b.step()
	return b.Store.Announce(ctx, s)
}

// A write through an instance that knows only what was, at whatever moment of a change of a definition, is refused, or found.
func TestNoRaceLeavesAViolationUnreported(t *testing.T) {
	open := metadata.Definition{Key: "k", Write: metadata.ForSelf, ProfileClaim: true}
	tight := metadata.Definition{Key: "k", Write: metadata.ForSelf, ProfileClaim: true, Schema: `{"type":"integer"}`}
	closed := metadata.Definition{Key: "k", ProfileClaim: true}
	races := []struct {
		name   string
		before *metadata.Definition
		change func(s *metadata.Service) error
		writer *caller
		put    metadata.Put
	}{
		{"tightening", &open, defining(tight), jane, unmarked("k", `"text"`)},
		{"closing", &open, defining(closed), jane, unmarked("k", `1`)},
		{"opening", &closed, defining(open), operator, claim("k", `1`)},
		{"opening an undefined key", nil, defining(open), operator, claim("k", `1`)},
		{"removing", &open, func(s *metadata.Service) error {
			return s.Undefine(context.Background(), operator, "", "k", nil)
		}, jane, unmarked("k", `1`)},
	}
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		for _, race := range races {
			t.Run(race.name, func(t *testing.T) {
				outcomes := map[string]int{}
				for n := 1; ; n++ {
					flush(t, b)
					l := lawsOver(t, b)
					if race.before != nil {
						l.define(*race.before)
					}
					changing, writing := l.another(), l.another()
					if _, err := writing.Schemes.Of(t.Context(), "default"); err != nil {
						t.Fatal(err)
					}
					var wrote error
					opened := false // before that
					hook := &between{Store: changing.Store, n: n, then: func() {
						scheme, err := l.Store.Scheme(context.Background(), "default")
						if err != nil {
							t.Error(err)
						} else if d := scheme.Definition("k"); d != nil {
							opened = d.Write == metadata.ForSelf && race.writer == operator
						}
						_, wrote = writing.Apply(context.Background(), race.writer, target("u-jane"), sets(race.put), none)
					}}
					changing.Store, changing.Schemes.Store = hook, hook
					changed := race.change(changing)
					if hook.n > 0 { // there is no nth step
						if n < 5 {
							t.Errorf("the change was made in %d steps", n-1)
						}
						break
					}
					outcomes[fmt.Sprintf("%d: %q, %q", n, codeOf(wrote), codeOf(changed))]++
					if code := codeOf(changed); code != "" && code != metadata.Conflict {
						t.Fatalf("step %d: %v", n, changed)
					}
					k := l.state()["k"]
					if wrote == nil && !strings.HasSuffix(k, " "+race.put.Value.Raw()) {
						t.Errorf("step %d: a write was lost", n)
					}
					if wrote == nil && changed == nil && !opened && k == "+ "+race.put.Value.Raw() {
						t.Errorf("step %d left %q", n, k)
					}
					if changed != nil && race.writer == operator {
						_, err := writing.Apply(t.Context(), jane, target("me"), sets(unmarked("k", `2`)), none)
						wantOnly(t, "writing a key whose opening was refused", err, metadata.Forbidden)
					}
					d, err := l.Definition(t.Context(), operator, "", "k")
					switch {
					case changed == nil:
					case race.before == nil:
						wantOnly(t, "the definition after the refusal", err, metadata.NotFound)
					case err != nil || (d.Write == metadata.ForSelf) != (race.before.Write == metadata.ForSelf) || d.Schema != "" || !d.Frozen.IsZero():
						t.Errorf("step %d: after the refusal it is %+v, %v", n, d, err)
					}
				}
				t.Log(outcomes)
			})
		}
	})
}

func defining(d metadata.Definition) func(s *metadata.Service) error {
	return func(s *metadata.Service) error {
		_, _, err := s.Define(context.Background(), operator, "", d, nil, metadata.Accept{})
		return err
	}
}

// An opening that is refused, because an operator wrote a claim while it was under way, was never one: whenever jane tries to write hers,
// that is refused, or the key is open for good.
func TestARefusedOpeningLetsNobodyIn(t *testing.T) {
	open := metadata.Definition{Key: "k", Write: metadata.ForSelf, ProfileClaim: true}
	refused := 0
	for n := 1; ; n++ {
		l := newLaws(t)
		changing, writing := l.another(), l.another()
		hook := &between{Store: changing.Store, n: n}
		hook.then = func() {
			_, err := writing.Apply(context.Background(), operator, target("john"), sets(claim("k", `1`)), none)
			if err != nil && codeOf(err) != metadata.Unavailable {
				t.Error(err)
			}
		}
		hook.later = func() { _, _ = writing.Apply(context.Background(), jane, target("me"), sets(unmarked("k", `2`)), none) }
		changing.Store, changing.Schemes.Store = hook, hook
		err := defining(open)(changing)
		if hook.n > 0 {
			break
		}
		if err != nil {
			refused++
			if k := l.state()["k"]; strings.HasPrefix(k, "+") {
				t.Errorf("step %d: %v, and jane has the claim %s", n, err, k)
			}
		}
	}
	if refused < 2 {
		t.Errorf("only %d refusals", refused)
	}
}

func flush(t *testing.T, b redistest.Backend) {
	t.Helper()
	empty := func(ctx context.Context, node *redis.Client) error { return node.FlushDB(ctx).Err() }
	var err error
	if cluster, ok := b.Client.(*redis.ClusterClient); ok {
		err = cluster.ForEachMaster(t.Context(), empty)
	} else {
		err = b.Client.FlushDB(t.Context()).Err()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// What an opening that was never ended has left is ended by whoever puts the rules there were.
func TestTheOldRulesPutAgainEndAFreeze(t *testing.T) {
	l := newLaws(t)
	d := l.define(metadata.Definition{Key: "k", Description: "text"})
	frozen := d
	frozen.Frozen = now.Add(time.Hour)
	l.store(metadata.SchemeChange{PutDefinition: &frozen, IfVersion: d.Version})
	_, err := l.apply(operator, target("jane"), put("k", `1`))
	wantOnly(t, "writing a frozen key", err, metadata.Unavailable)
	if d = l.define(metadata.Definition{Key: "k", Description: "text"}); !d.Frozen.IsZero() {
		t.Errorf("frozen until %s", d.Frozen)
	}
	l.must(operator, target("jane"), put("k", `1`))
}
