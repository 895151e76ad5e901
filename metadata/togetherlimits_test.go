package metadata_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/claimsmith/claimsmith/internal/audit"
	"github.com/claimsmith/claimsmith/metadata"
	"github.com/claimsmith/claimsmith/metadata/storetest"
)

// Documents of applications that fit one by one are refused where they do not fit all, before any of them is there.
func TestNewApplicationsAreCountedTogether(t *testing.T) {
	l := newLaws(t)
	l.limits.Applications = 4
	l.users.New(t, storetest.User{ID: "u-both", Orgs: []string{"default", "acme"}})
	elsewhere := metadata.Target{Org: "acme", User: "u-both", App: "first"}
	l.must(acmeOperator, elsewhere, put("a", "1"))
	l.must(operator, metadata.Target{User: "u-both", App: "second"}, put("a", "1"))
	of := func(user string, apps ...string) (all []metadata.Targeted) {
		for _, app := range apps {
			all = append(all, together(user, app, replaces(put("b", "1"))))
		}
		return all
	}
	apps := func() (all []metadata.Owner) {
		for _, user := range []string{"u-both", "u-jane"} {
			documents, err := l.Store.Documents(t.Context(), "default", user)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, documents...)
		}
		return all
	}
	for name, test := range map[string]struct {
		all   []metadata.Targeted
		index int
	}{
		"one too many":              {of("u-both", "", "second", "third", "fourth", "fifth"), 4},
		"one too many in the midst": {slices.Concat(of("u-both", "third", "fourth", "fifth"), of("u-jane", "first")), 2},
		"more than the limit":       {of("u-jane", "1", "2", "3", "4", "5", "6", "7"), 6},
	} {
		before := apps()
		l.trail.take()
		_, index, err := l.ApplyAll(t.Context(), operator, test.all)
		if codeOf(err) != metadata.LimitExceeded || index != test.index || !strings.Contains(err.Error(), "the limit is 4") {
			t.Errorf("%s: %d, %v", name, index, err)
		}
		if diff := cmp.Diff(before, apps()); diff != "" {
			t.Errorf("%s: documents (-before +after):\n%s", name, diff)
		}
		if n := count(l.trail.take(), "metadata.write", audit.Success); n != 0 {
			t.Errorf("%s: %d changes were made", name, n)
		}
	}
	if _, _, err := l.ApplyAll(t.Context(), operator, slices.Concat(
		of("u-both", "", "second", "third", "fourth"), of("u-jane", "", "1", "2", "3", "4"),
	)); err != nil {
		t.Errorf("as many as fit: %v", err)
	}
}

// heavy is a store whose documents are large without taking memory: all entries have the same value.
type heavy struct {
	metadata.Store
	entries func(o metadata.Owner) int
	reads   atomic.Int32
}

var heavyValue = metadata.Bytes(make([]byte, metadata.MaxValueBytes))

func (h *heavy) Get(ctx context.Context, o metadata.Owner) (metadata.Document, error) {
	h.reads.Add(1)
	doc, err := h.Store.Get(ctx, o)
	for n := range h.entries(o) {
		doc.Entries = append(doc.Entries, metadata.Entry{Key: fmt.Sprint(n), Value: heavyValue})
	}
	return doc, err
}

// together128 is how many entries of heavyValue are the most that is kept.
const together128 = 128 << 20 / metadata.MaxValueBytes

func TestNoMoreIsReadThanIsKept(t *testing.T) {
	l := newLaws(t)
	store := &heavy{Store: l.Store, entries: func(metadata.Owner) int { return 8 }}
	l.Store = store
	var all []metadata.Targeted
	for n := range 90 { // fewer than the limit of applications
		all = append(all, together("u-jane", fmt.Sprint("app", n), toSet(put("a", "1"))))
	}
	_, index, err := l.ApplyAll(t.Context(), operator, all)
	if codeOf(err) != metadata.LimitExceeded || index != -1 {
		t.Errorf("%d, %v", index, err)
	}
	if reads := store.reads.Load(); reads > together128/8+16 {
		t.Errorf("%d documents were read", reads)
	}
}

// What a document has become meanwhile is counted instead of what it was.
func TestWhatIsReadAgainIsCounted(t *testing.T) {
	for name, test := range map[string]struct {
		then int // entries, when it is read again
		code metadata.Code
	}{
		"as large": {together128 * 3 / 4, ""}, "too large": {together128 + 1, metadata.LimitExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLaws(t)
			elsewhere := l.another()
			moved := atomic.Bool{}
			store := &heavy{Store: l.Store, entries: func(o metadata.Owner) int {
				switch {
				case o.User != "u-jane":
					return 0
				case moved.Load():
					return test.then
				}
				return together128 * 3 / 4
			}}
			ready := make(chan struct{})
			l.Store = &watched{Store: store, before: func(o metadata.Owner, p metadata.Patch) {
				if o.User != "u-jane" {
					return
				}
				<-ready
				if !moved.Swap(true) {
					if _, err := elsewhere.Apply(t.Context(), operator, target("u-jane"), toSet(put("x", "1")), none); err != nil {
						t.Error(err)
					}
				}
			}, after: once("u-john", "", func() { close(ready) })}
			_, index, err := l.ApplyAll(t.Context(), operator, []metadata.Targeted{
				together("u-jane", "", toSet(put("a", "1"))), together("u-john", "", toSet(put("a", "1"))),
			})
			if codeOf(err) != test.code || index != -1 || !moved.Load() {
				t.Errorf("%d, %v", index, err)
			}
			want := map[metadata.Code]string{"": "-a=1", metadata.LimitExceeded: ""}[test.code]
			if doc, err := elsewhere.Get(t.Context(), operator, target("u-john")); err != nil || describe(doc) != want {
				t.Errorf("john has %s, %v", describe(doc), err)
			}
		})
	}
}

// A panic is one of the goroutine that asked, which may recover from it.
func TestAPanicIsTheCallers(t *testing.T) {
	l := newLaws(t)
	fault := errors.New("broken")
	l.Store = &watched{Store: l.Store, before: once("u-john", "", func() { panic(fault) })}
	defer func() {
		if v := recover(); v != fault { //nolint:errorlint // the very value
			t.Errorf("the panic is %v", v)
		}
	}()
	_, _, err := l.ApplyAll(t.Context(), operator, []metadata.Targeted{
		together("u-jane", "", toSet(put("a", "1"))), together("u-john", "", toSet(put("a", "1"))),
	})
	t.Errorf("it ended: %v", err)
}
