package memory_test

import (
	"context"
	"sync"
	"testing"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/memory"
	"github.com/claimsmith/claimsmith/auth/records"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

// meanwhile is the store of the kit, where something happens between a reading and what is made of it.
type meanwhile struct {
	records.Store
	happens func()
}

func (m *meanwhile) Records(ctx context.Context, c records.Collection, more ...string) ([]records.Record, error) {
	all, err := m.Store.Records(ctx, c, more...)
	m.happens()
	return all, err
}

// crowd goes on in lock-step: nobody writes before everybody who is still there has read.
type crowd struct {
	sync.Mutex
	all, waiting int
	next         chan struct{}
}

func (c *crowd) read() {
	c.Lock()
	next := c.next
	c.waiting++
	c.proceed()
	c.Unlock()
	<-next
}

func (c *crowd) leave() {
	c.Lock()
	c.all--
	c.proceed()
	c.Unlock()
}

func (c *crowd) proceed() {
	if c.waiting == c.all {
		close(c.next)
		c.next, c.waiting = make(chan struct{}), 0
	}
}

// Of many who set one fact in lock-step one succeeds at a time, and nobody fails.
func TestFactsInLockStep(t *testing.T) {
	t.Parallel()
	const many = 6
	k := newKit(t, redistest.Embedded(t))
	jane, all := k.person("jane"), crowd{all: many, next: make(chan struct{})}
	k.Store = &meanwhile{k.Store, all.read}
	var done sync.WaitGroup
	for n := range many {
		done.Go(func() {
			defer all.leave()
			if err := k.SetFact(t.Context(), jane, org, "me", memory.Fact{Tag: "color", Detail: string(rune('a' + n))}); err != nil {
				t.Errorf("%d: %v", n, err)
			}
		})
	}
	done.Wait()
}

// Who is no member any more is nobody, whether he had such a fact or not.
func TestFactsOfWhoIsGone(t *testing.T) {
	t.Parallel()
	for _, had := range []bool{true, false} {
		k := newKit(t, redistest.Embedded(t))
		ctx, jane := t.Context(), k.person("jane")
		if had {
			check(t, k.SetFact(ctx, jane, org, "me", memory.Fact{Tag: "color", Detail: "red"}))
		}
		var once sync.Once
		k.Store = &meanwhile{k.Store, func() {
			once.Do(func() {
				user, _, err := k.Users.Store.User(ctx, "jane")
				check(t, err)
				check(t, k.Users.Store.BeginDelete(ctx, user))
			})
		}}
		if err := k.SetFact(ctx, jane, org, "me", memory.Fact{Tag: "color", Detail: "blue"}); auth.CodeOf(err) != auth.NotFound {
			t.Errorf("had one %t: %v", had, err)
		}
	}
}

// A fact that somebody removes while it is set is set.
func TestFactRemovedMeanwhile(t *testing.T) {
	t.Parallel()
	k := newKit(t, redistest.Embedded(t))
	ctx, jane, store := t.Context(), k.person("jane"), k.Store
	check(t, k.SetFact(ctx, jane, org, "me", memory.Fact{Tag: "color", Detail: "red"}))
	var once sync.Once
	k.Store = &meanwhile{store, func() {
		once.Do(func() {
			check(t, store.DeleteRecord(ctx, records.Collection{Org: org, User: "jane", Kind: "fact"}, 1, "removed"))
		})
	}}
	check(t, k.SetFact(ctx, jane, org, "me", memory.Fact{Tag: "color", Detail: "blue"}))
	if facts, err := k.Facts(ctx, jane, org, "me"); err != nil || len(facts) != 1 || facts[0].Detail != "blue" {
		t.Errorf("%v, %v", facts, err)
	}
}

// Of the categories of other mentors nothing is read: even one that cannot be read is no harm.
func TestCategoriesOfOtherMentors(t *testing.T) {
	t.Parallel()
	k := newKit(t, redistest.Embedded(t))
	ctx, jane := t.Context(), k.person("jane")
	_, err := k.AddCategory(ctx, auth.System(), org, "tutor", memory.Category{Name: "Projects", Slug: "projects", Active: true})
	check(t, err)
	_, err = k.Add(ctx, jane, org, "me", "tutor", "projects", "A boat.")
	check(t, err)
	shared := records.Collection{Org: org, Kind: "category"}
	_, err = k.Store.CreateRecord(ctx, shared, records.Record{Name: "tutor2:projects", Body: []byte(`{"name":1}`)}, "foreign", 10)
	check(t, err)
	if all, err := k.Categories(ctx, jane, org, "tutor"); err != nil || len(all) != 6 {
		t.Errorf("%v, %v", all, err)
	}
	if all, err := k.Memories(ctx, jane, org, "me", memory.Filter{}); err != nil || len(all) != 1 || all[0].Category.Slug != "projects" {
		t.Errorf("%v, %v", all, err)
	}
	if _, err := k.Categories(ctx, jane, org, "tutor2"); auth.CodeOf(err) != auth.Unavailable {
		t.Errorf("the one that cannot be read: %v", err)
	}
}
