package metadata_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/claimsmith/claimsmith/metadata"
)

// counted is a store whose reads and announcements are counted, held up and made to fail.
type counted struct {
	metadata.Store
	reads, announced atomic.Int32
	began, hold      chan struct{} // reads say that they have begun, and wait, unless these are nil
	read, told       error
}

func (c *counted) Scheme(ctx context.Context, org string) (*metadata.Scheme, error) {
	c.reads.Add(1)
	if c.hold != nil {
		c.began <- struct{}{}
		<-c.hold
	}
	if c.read != nil {
		return nil, c.read
	}
	return c.Store.Scheme(ctx, org)
}

func (c *counted) Announce(ctx context.Context, s *metadata.Scheme) error {
	c.announced.Add(1)
	if c.told != nil {
		return c.told
	}
	return c.Store.Announce(ctx, s)
}

func newSchemes(t *testing.T) (l *laws, store *counted, schemes *metadata.Schemes, at *time.Time) {
	l = newLaws(t)
	store = &counted{Store: l.Store}
	clock := now
	at = &clock
	return l, store, &metadata.Schemes{Store: store, Now: func() time.Time { return clock }}, at
}

func wantRevision(t *testing.T, what string, s *metadata.Scheme, err error, revision uint64) {
	t.Helper()
	if err != nil || s.Revision != revision {
		t.Fatalf("%s: %+v, %v, want revision %d", what, s, err, revision)
	}
}

func TestASchemeIsRememberedForASecond(t *testing.T) {
	l, store, schemes, at := newSchemes(t)
	first, err := schemes.Of(t.Context(), "default")
	wantRevision(t, "the first", first, err, 0)
	d := l.define(metadata.Definition{Key: "k"})
	*at = at.Add(metadata.SchemeRecency - time.Millisecond)
	s, err := schemes.Of(t.Context(), "default")
	wantRevision(t, "within a second", s, err, 0)
	if store.reads.Load() != 1 {
		t.Errorf("%d reads", store.reads.Load())
	}
	*at = at.Add(time.Millisecond)
	s, err = schemes.Of(t.Context(), "default")
	wantRevision(t, "after a second", s, err, d.Version)
	*at = at.Add(metadata.SchemeRecency)
	again, err := schemes.Of(t.Context(), "default")
	if err != nil || again != s || store.reads.Load() != 3 {
		t.Errorf("what has not changed is another one: %v, %d reads", err, store.reads.Load())
	}
	*at = at.Add(-time.Hour)
	if _, err := schemes.Of(t.Context(), "default"); err != nil || store.reads.Load() != 4 {
		t.Errorf("a clock that was set back made it %d reads, %v", store.reads.Load(), err)
	}

	changed := l.define(metadata.Definition{Key: "k", Owner: "x"})
	s, err = schemes.Of(t.Context(), "default")
	wantRevision(t, "remembered", s, err, d.Version)
	s, err = schemes.Latest(t.Context(), "default")
	wantRevision(t, "the latest", s, err, changed.Version)
	s, err = schemes.Of(t.Context(), "default")
	wantRevision(t, "after the latest was read", s, err, changed.Version)
	if err := l.Undefine(t.Context(), operator, "", "k", nil); err != nil {
		t.Fatal(err)
	}
	schemes.Forget("default")
	s, err = schemes.Of(t.Context(), "default")
	wantRevision(t, "forgotten", s, err, changed.Version+1)
}

func TestManyAskTheStoreOnce(t *testing.T) {
	_, store, schemes, _ := newSchemes(t)
	store.began, store.hold = make(chan struct{}), make(chan struct{})
	gone, cancel := context.WithCancel(t.Context())
	impatient := make(chan error)
	go func() {
		_, err := schemes.Of(gone, "default")
		impatient <- err
	}()
	<-store.began
	var wait sync.WaitGroup
	for range 20 {
		wait.Go(func() {
			if _, err := schemes.Of(t.Context(), "default"); err != nil {
				t.Error(err)
			}
		})
	}
	cancel() // that of whoever asked first
	if err := <-impatient; codeOf(err) != metadata.Unavailable {
		t.Errorf("who stopped waiting: %v", err)
	}
	close(store.hold)
	wait.Wait()
	if store.reads.Load() != 1 {
		t.Errorf("%d reads", store.reads.Load())
	}
}

func TestAnErrorIsNotRemembered(t *testing.T) {
	_, store, schemes, _ := newSchemes(t)
	store.read = &metadata.Error{Code: metadata.Unavailable}
	for _, read := range []func(context.Context, string) (*metadata.Scheme, error){schemes.Of, schemes.Latest} {
		_, err := read(t.Context(), "default")
		wantOnly(t, "an error", err, metadata.Unavailable)
	}
	store.read = nil
	s, err := schemes.Of(t.Context(), "default")
	wantRevision(t, "afterwards", s, err, 0)
}

func TestWhoeverReadsASchemeFinishesAnnouncingIt(t *testing.T) {
	l, store, schemes, at := newSchemes(t)
	l.store(metadata.SchemeChange{PutDefinition: &metadata.Definition{Key: "k", Schema: `{"type":"integer"}`}})
	store.told = errors.New("a partition is away")
	s, err := schemes.Of(t.Context(), "default")
	wantRevision(t, "while a partition is away", s, err, 1)
	if s.Announced != 0 {
		t.Errorf("announced %d", s.Announced)
	}
	store.told = nil
	*at = at.Add(time.Second)
	s, err = schemes.Of(t.Context(), "default")
	wantRevision(t, "when it is back", s, err, 1)
	stored, err := l.Store.Scheme(t.Context(), "default")
	if err != nil || s.Announced != 1 || stored.Announced != 1 || store.announced.Load() != 2 {
		t.Errorf("%+v, %+v, %v, announced %d times", s, stored, err, store.announced.Load())
	}
	stale := metadata.Patch{Set: []metadata.Put{put("k", `"text"`)}, Limits: metadata.DefaultLimits, ChangedBy: "x", Op: "op", At: now}
	if _, err := l.Store.Apply(t.Context(), metadata.Owner{Org: "default", User: "u-jane"}, stale); !errors.Is(err, metadata.ErrSchemeChanged) {
		t.Errorf("a write by the scheme before: %v", err)
	}
}

// A write that knows an old scheme is checked by the latest one.
func TestAWriteFollowsTheSchemeThatIsInForce(t *testing.T) {
	l := newLaws(t)
	late := l.another()
	late.Schemes.Now = func() time.Time { return now }
	if _, err := late.Schemes.Of(t.Context(), "default"); err != nil {
		t.Fatal(err)
	}
	l.define(metadata.Definition{Key: "k", Schema: `{"type":"integer"}`, ProfileClaim: true})
	_, err := late.Apply(t.Context(), operator, target("jane"), sets(unmarked("k", `"text"`)), none)
	wantOnly(t, "against the new schema", err, metadata.Invalid)
	doc, err := late.Apply(t.Context(), operator, target("jane"), sets(unmarked("k", `1`)), none)
	if e, _ := doc.Entry("k"); err != nil || !e.ProfileClaim {
		t.Errorf("%+v, %v", doc, err)
	}
	l.define(metadata.Definition{Key: "k", ProfileClaim: true})
	if _, err := late.Apply(t.Context(), operator, target("jane"), sets(unmarked("k", `"text"`)), none); err != nil {
		t.Errorf("what only the remembered schema is against: %v", err)
	}
}
