package metadata_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/claimsmith/claimsmith/internal/audit"
	"github.com/claimsmith/claimsmith/internal/redistest"
	"github.com/claimsmith/claimsmith/metadata"
	"github.com/claimsmith/claimsmith/metadata/storetest"
)

func together(user, app string, change metadata.Change) metadata.Targeted {
	return metadata.Targeted{Target: metadata.Target{User: user, App: app}, Change: change}
}

func toSet(puts ...metadata.Put) metadata.Change { return metadata.Change{Set: puts} }

func replaces(puts ...metadata.Put) metadata.Change {
	return metadata.Change{Replace: true, Set: puts}
}

// count is how many events there are of an action with an outcome.
func count(events []audit.Event, action, outcome string) (n int) {
	for _, e := range events {
		if e.Action == action && e.Outcome == outcome {
			n++
		}
	}
	return n
}

// dumps are all documents that the tests change together.
func (l *laws) dumps() (all []map[string]any) {
	for _, user := range []string{"u-jane", "u-john"} {
		for _, app := range []string{"", "app", "other"} {
			all = append(all, l.users.Dump(l.t, metadata.Owner{Org: "default", User: user, App: app}))
		}
	}
	return all
}

func TestAllIsChangedTogether(t *testing.T) {
	l := newLaws(t)
	l.must(operator, metadata.Target{User: "jane", App: "app"}, put("old", "1"))
	l.trail.take()
	made, _, err := l.ApplyAll(t.Context(), operator, []metadata.Targeted{
		together("jane", "app", replaces(put("new", "2"))), together("u-john", "", toSet(claim("role", `"user"`))),
		together("u-john", "app", toSet(put("a", "3"))), together("john", "other", replaces()),
	})
	var got []string
	for _, doc := range made {
		got = append(got, describe(doc))
	}
	if diff := cmp.Diff([]string{"-new=2", `+role="user"`, "-a=3", ""}, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if events := l.trail.take(); len(events) != 4 || count(events, "metadata.write", audit.Success) != 4 {
		t.Errorf("recorded are %+v", events)
	}
	me, _, err := l.ApplyAll(t.Context(), john, []metadata.Targeted{
		together("me", "", toSet(put("b", "1"))), together("u-john", "app", toSet(put("b", "1"))),
	})
	if err != nil || len(me) != 2 || describe(me[0]) != `-b=1 +role="user"` {
		t.Errorf("of his own: %+v, %v", me, err)
	}
	if none, index, err := l.ApplyAll(t.Context(), powerless, nil); err != nil || len(none) != 0 || index != -1 {
		t.Errorf("nothing is %v, %d, %v", none, index, err)
	}
}

func TestWhereOneIsRefusedNothingIsChanged(t *testing.T) {
	abroad := together("u-jane", "", toSet(put("a", "2")))
	abroad.Org = "acme"
	inherited := together("", "", toSet(put("a", "2")))
	inherited.User, inherited.Shared = "", true
	many := make([]metadata.Targeted, metadata.MaxTogether+1)
	for i := range many {
		many[i] = together("u-jane", fmt.Sprint("app", i), toSet(put("a", "2")))
	}
	first, second := together("u-john", "", toSet(put("a", "2"))), together("u-john", "app", replaces())
	two := func(last metadata.Targeted) []metadata.Targeted { return []metadata.Targeted{first, second, last} }
	tests := []struct {
		name   string
		caller *caller
		all    []metadata.Targeted
		index  int
		code   metadata.Code
	}{
		{"a user there is not", operator, two(together("nobody", "", toSet(put("a", "2")))), 2, metadata.NotFound},
		{"a user of another organisation", operator, two(together("u-acme", "", toSet(put("a", "2")))), 2, metadata.NotFound},
		{"another organisation", admin, two(abroad), 2, metadata.Invalid},
		{"what others inherit", operator, two(inherited), 2, metadata.Invalid},
		{"the same document", operator, two(together("u-john", "app", toSet(put("a", "2")))), 2, metadata.Invalid},
		{"the same document by another name", operator, two(together("john", "", toSet(put("a", "2")))), 2, metadata.Invalid},
		{"somebody else", john, two(together("u-jane", "", toSet(put("a", "2")))), 2, metadata.NotFound},
		{"a claim", john, two(together("me", "other", toSet(put("role", "2")))), 2, metadata.Forbidden},
		{"a reader", reader, two(together("u-jane", "", toSet(put("a", "2")))), 0, metadata.Forbidden},
		{"nobody who may", powerless, two(together("u-jane", "", toSet(put("a", "2")))), 0, metadata.NotFound},
		{"a key", operator, two(together("u-jane", "", toSet(put("", "2")))), 2, metadata.Invalid},
		{"a definition", operator, two(together("u-jane", "", toSet(put("plan", `"gold"`)))), 2, metadata.Invalid},
		{"a limit", operator, two(together("u-jane", "", toSet(put("b", `"`+strings.Repeat("x", 2000)+`"`)))), 2, metadata.LimitExceeded},
		{"two claims", operator, two(together("u-jane", "", toSet(claim("x", "1"), claim("X", "1")))), 2, metadata.Conflict},
		{"what must exist", operator, two(together("u-jane", "", metadata.Change{MustExist: true, Delete: []string{"x"}})), 2, metadata.NotFound},
		{"the first", operator, []metadata.Targeted{together("nobody", "", toSet(put("a", "2"))), first, second}, 0, metadata.NotFound},
		{"too many", operator, many, -1, metadata.LimitExceeded},
	}
	l := newLaws(t)
	l.define(metadata.Definition{Key: "plan", Schema: `{"type":"number"}`})
	l.limits.DocumentBytes = 1000
	for _, user := range []string{"u-jane", "u-john"} {
		for _, app := range []string{"", "app", "other"} {
			l.must(operator, metadata.Target{User: user, App: app}, put("a", "1"), claim("role", `"user"`))
		}
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			before := l.dumps()
			l.trail.take()
			made, index, err := l.ApplyAll(t.Context(), test.caller, test.all)
			if codeOf(err) != test.code || index != test.index || made != nil {
				t.Errorf("%v, %d, %v, want %q about %d", made, index, err, test.code, test.index)
			}
			if diff := cmp.Diff(before, l.dumps()); diff != "" {
				t.Errorf("stored (-before +after):\n%s", diff)
			}
			if events := l.trail.take(); count(events, "metadata.write", audit.Success) != 0 {
				t.Errorf("recorded are %+v", events)
			}
		})
	}
}

// watched is a store where something happens before a change reaches it, and after.
type watched struct {
	metadata.Store
	before func(o metadata.Owner, p metadata.Patch)
	after  func(o metadata.Owner, p metadata.Patch) // nil for nothing
}

func (w *watched) Apply(ctx context.Context, o metadata.Owner, p metadata.Patch) (metadata.Document, error) {
	if !p.DryRun {
		w.before(o, p)
	}
	doc, err := w.Store.Apply(ctx, o, p)
	if !p.DryRun && w.after != nil {
		w.after(o, p)
	}
	return doc, err
}

// once returns what runs do before the first change of a document.
func once(user, app string, do func()) func(metadata.Owner, metadata.Patch) {
	var done sync.Once
	return func(o metadata.Owner, _ metadata.Patch) {
		if o.User == user && o.App == app {
			done.Do(do)
		}
	}
}

// wait returns when so many of jane's documents have been changed.
func (l *laws) wait(n int) {
	for made := 0; made < n; {
		made = 0
		for _, app := range []string{"", "app", "other"} {
			_, err := l.Store.GetEntry(l.t.Context(), metadata.Owner{Org: "default", User: "u-jane", App: app}, "new")
			if err == nil {
				made++
			} else if codeOf(err) != metadata.NotFound {
				l.t.Error(err)
				return
			}
		}
	}
}

func TestWhatWasMadeIsUndone(t *testing.T) {
	l := newLaws(t)
	l.define(metadata.Definition{Key: "city", Searchable: true})
	elsewhere := l.another()
	store := &watched{Store: l.Store}
	l.Store = store
	at := func(app string) metadata.Target { return metadata.Target{User: "u-jane", App: app} }
	city := metadata.Query{Has: &metadata.Match{Key: "city"}}
	for _, app := range []string{"", "app"} {
		l.limits = metadata.DefaultLimits
		store.before = func(metadata.Owner, metadata.Patch) {}
		l.must(operator, at(app), put("a", "1"), claim("b", "2"), put("city", `"Oslo"`), metadata.Put{Key: "c", Value: metadata.Bytes([]byte{0})})
	}
	l.limits.Entries = 2 // which they are above
	all := []metadata.Targeted{
		together("u-jane", "", replaces(put("new", "3"), put("a", "2"))), together("jane", "app", metadata.Change{
			Set: []metadata.Put{put("new", "3")}, Delete: []string{"a", "b"}, Brief: true,
		}),
		together("u-jane", "other", toSet(put("new", "3"))), together("u-john", "", toSet(put("new", "3"))),
	}
	l.trail.take()
	store.before = once("u-john", "", func() {
		l.wait(3)
		l.users.SetState(t, "u-john", storetest.Deleting)
	})
	made, index, err := l.ApplyAll(t.Context(), operator, all)
	if !errors.Is(err, metadata.ErrUserNotFound) || index != 3 || made != nil {
		t.Fatalf("%v, %d, %v", made, index, err)
	}
	for app, want := range map[string]string{"": `-a=1 +b=2 -c="AA==" -city="Oslo"`, "app": `-a=1 +b=2 -c="AA==" -city="Oslo"`, "other": ""} {
		doc, err := elsewhere.Get(t.Context(), operator, at(app))
		if err != nil || describe(doc) != want {
			t.Errorf("application %q has %s, %v, want %s", app, describe(doc), err, want)
		}
	}
	if found, _, err := l.Store.Search(t.Context(), "default", city, metadata.Page{Limit: 10}); err != nil || len(found) != 1 {
		t.Errorf("found are %v, %v", found, err)
	}
	if got := l.tokens("u-jane"); !cmp.Equal(got, []string{"b=2"}) {
		t.Errorf("her tokens show %v", got)
	}
	events := l.trail.take()
	if count(events, "metadata.write", audit.Success) != 3 || count(events, "metadata.undo", audit.Success) != 3 ||
		count(events, "metadata.write", audit.Denied) != 1 {
		t.Errorf("recorded are %+v", events)
	}
}

func TestWhatOthersChangedMeanwhileStays(t *testing.T) {
	l := newLaws(t)
	elsewhere := l.another()
	store := &watched{Store: l.Store}
	l.Store = store
	write := func(key string) {
		if _, err := elsewhere.Apply(t.Context(), operator, target("u-jane"), toSet(put(key, `"theirs"`)), none); err != nil {
			t.Error(err)
		}
	}
	all := []metadata.Targeted{together("u-jane", "", toSet(put("new", "3"))), together("u-john", "", toSet(put("new", "3")))}

	// Between the trial and the change.
	store.before = once("u-jane", "", func() { write("before") })
	made, _, err := l.ApplyAll(t.Context(), operator, all)
	if err != nil || describe(made[0]) != `-before="theirs" -new=3` {
		t.Fatalf("%+v, %v", made, err)
	}
	// Between the change and its undoing.
	all[0].Set[0], all[1].Set[0] = put("new", "4"), put("new", "4")
	l.trail.take()
	changed := make(chan struct{})
	gone := once("u-john", "", func() {
		<-changed
		l.users.SetState(t, "u-john", storetest.Deleting)
	})
	undoing := once("u-jane", "", func() { write("new") })
	store.before = func(o metadata.Owner, p metadata.Patch) {
		gone(o, p)
		if p.If.IfMatch.Revisions[0] == 3 { // to undo it
			undoing(o, p)
		}
	}
	store.after = once("u-jane", "", func() { close(changed) })
	if _, index, err := l.ApplyAll(t.Context(), operator, all); !errors.Is(err, metadata.ErrUserNotFound) || index != 1 {
		t.Fatalf("%d, %v", index, err)
	}
	doc, err := elsewhere.Get(t.Context(), operator, target("u-jane"))
	events := l.trail.take()
	undone := count(events, "metadata.undo", audit.Success)
	if err != nil || describe(doc) != `-before="theirs" -new="theirs"` || doc.Revision != 4 || undone != 0 {
		t.Errorf("%v, %s at %d, %d undone", err, describe(doc), doc.Revision, undone)
	}
	l.users.SetState(t, "u-john", storetest.Active)

	// Before anything is undone.
	all[0].Set[0], all[1].Set[0] = put("new", "5"), put("new", "5")
	ready := make(chan struct{})
	store.before = once("u-john", "", func() {
		<-ready
		write("late")
		l.users.SetState(t, "u-john", storetest.Deleting)
	})
	store.after = once("u-jane", "", func() { close(ready) })
	l.trail.take()
	if _, index, err := l.ApplyAll(t.Context(), operator, all); !errors.Is(err, metadata.ErrUserNotFound) || index != 1 {
		t.Fatalf("%d, %v", index, err)
	}
	doc, err = elsewhere.Get(t.Context(), operator, target("u-jane"))
	undone = count(l.trail.take(), "metadata.undo", audit.Success)
	if err != nil || describe(doc) != `-before="theirs" -late="theirs" -new=5` || undone != 0 {
		t.Errorf("%v, %s, %d undone", err, describe(doc), undone)
	}
	l.users.SetState(t, "u-john", storetest.Active)

	// All the time.
	store.before = func(o metadata.Owner, p metadata.Patch) {
		if o.User == "u-jane" && p.ChangedBy == operator.ref && p.Replace {
			write("never")
		}
	}
	all[0].Change = replaces(put("new", "5"))
	all[1].Set[0] = put("new", "5")
	if _, _, err := l.ApplyAll(t.Context(), operator, all); codeOf(err) != metadata.Unavailable {
		t.Errorf("a document that never rests: %v", err)
	}
	if doc, err := elsewhere.Get(t.Context(), operator, target("u-john")); err != nil || describe(doc) != "-new=3" {
		t.Errorf("john has %s, %v", describe(doc), err)
	}
}

// Whatever reply of the store is lost, all is changed or none, or the error says that nobody knows and the same call completes it.
func TestNoLostReplyLeavesHalfOfIt(t *testing.T) {
	server := redistest.Embedded(t)
	proxy := redistest.NewProxy(t, server.Addrs[0])
	direct := lawsOver(t, server)
	impatient := func(o *redis.Options) { o.MaxRetries, o.DialerRetries, o.PoolSize = -1, 1, 40 }
	through := server
	through.Client = redistest.NewClient(t, proxy.Addr(), impatient)
	l := *direct
	l.backend = through
	l.Service = l.another()
	targets := []metadata.Target{{User: "u-jane"}, {User: "u-jane", App: "app"}, {User: "u-john"}}
	contents := func() string {
		var all []string
		for _, to := range targets {
			doc, err := direct.Get(t.Context(), operator, to)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, describe(doc))
		}
		return strings.Join(all, ", ")
	}
	round := 0
	change := func() (all []metadata.Targeted, want string) {
		round++
		value := fmt.Sprint(round)
		for _, to := range targets {
			all = append(all, metadata.Targeted{Target: to, Change: replaces(put("round", value), put("of"+value, "1"))})
		}
		one := "-of" + value + "=1 -round=" + value
		return all, one + ", " + one + ", " + one
	}
	all, _ := change()
	if _, _, err := l.ApplyAll(t.Context(), operator, all); err != nil { // the script and the scheme are known from here
		t.Fatal(err)
	}
	for _, cut := range []func(int){proxy.CutReply, proxy.CutAllReplies} {
		unknown := 0
		for n := 1; ; n++ {
			before := contents()
			all, want := change()
			proxy.Reset()
			cut(n)
			_, _, err := l.ApplyAll(t.Context(), operator, all)
			reached := len(proxy.Calls()) >= n
			proxy.Heal()
			switch got := contents(); {
			case err == nil && got != want:
				t.Fatalf("reply %d lost: success, and there is %s, want %s", n, got, want)
			case err != nil && codeOf(err) != metadata.Unavailable:
				t.Fatalf("reply %d lost: %v", n, err)
			case err != nil && got != before:
				if unknown++; !strings.Contains(err.Error(), "undo") {
					t.Fatalf("reply %d lost: %v, and there is %s, before %s", n, err, got, before)
				}
			}
			if err != nil {
				if _, _, err := l.ApplyAll(t.Context(), operator, all); err != nil || contents() != want {
					t.Fatalf("again after reply %d was lost: %v, and there is %s, want %s", n, err, contents(), want)
				}
			}
			if !reached {
				break
			}
		}
		t.Logf("%d calls left something half done", unknown)
	}
}

func TestAThousandDocumentsTakeSeconds(t *testing.T) {
	l := newLaws(t)
	all := make([]metadata.Targeted, metadata.MaxTogether)
	for i := range all {
		id := fmt.Sprint("many-", i/4)
		l.users.New(t, storetest.User{ID: id, Orgs: []string{"default"}})
		all[i] = together(id, fmt.Sprint("app", i%4), replaces(put("profile", `{"name":"x"}`)))
	}
	start := time.Now()
	made, _, err := l.ApplyAll(t.Context(), operator, all)
	took := time.Since(start)
	t.Logf("%d documents in %v", len(all), took)
	if err != nil || len(made) != len(all) || took > 30*time.Second {
		t.Errorf("%d documents, %v, in %v", len(made), err, took)
	}
	if events := l.trail.take(); count(events, "metadata.write", audit.Success) != len(all) {
		t.Errorf("%d events", len(events))
	}
}
