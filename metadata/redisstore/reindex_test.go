package redisstore_test

import (
	"context"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/claimsmith/claimsmith/internal/redistest"
	"github.com/claimsmith/claimsmith/metadata"
	"github.com/claimsmith/claimsmith/metadata/storetest"
)

// afterRange runs do when its client has read ranges for the first time.
type afterRange struct {
	trips
	do func()
}

func (h *afterRange) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		err := next(ctx, cmds)
		if do := h.do; do != nil && cmds[0].Name() == "zrangebylex" {
			h.do = nil
			do()
		}
		return err
	}
}

// Somebody finds a key not searchable and removes it from the index; when he has read what to remove, another has made it searchable.
func TestWhatIsSearchableAgainStaysInTheIndex(t *testing.T) {
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		slow, fast := b.Client, redis.UniversalClient(redistest.NewClient(t, b.Addrs[0]))
		if b.Mode == redistest.Clustered {
			fast = redistest.NewClusterClient(t, b.Addrs)
		}
		store, users := open(fast)
		org := users.NewOrg(t)
		o := metadata.Owner{Org: org, User: users.New(t, storetest.User{Orgs: []string{org}})}
		lay := func(change metadata.SchemeChange) uint64 {
			t.Helper()
			change.By, change.At = "token:t", start
			revision, err := store.ChangeScheme(t.Context(), org, change)
			if err != nil {
				t.Fatal(err)
			}
			scheme, err := store.Scheme(t.Context(), org)
			if err == nil {
				err = store.Announce(t.Context(), scheme)
			}
			if err != nil {
				t.Fatal(err)
			}
			return revision
		}
		searchable := &metadata.Definition{Key: "k", Searchable: true}
		revision := lay(metadata.SchemeChange{PutDefinition: searchable, Op: "first"})
		p := numbered(1, "k")
		p.Set[0].Term, p.Scheme = metadata.TermOf(p.Set[0].Value), revision
		if _, err := store.Apply(t.Context(), o, p); err != nil {
			t.Fatal(err)
		}
		lay(metadata.SchemeChange{DeleteDefinition: "k", IfVersion: revision, Op: "second"})

		hook := &afterRange{do: func() {
			lay(metadata.SchemeChange{PutDefinition: searchable, Op: "third"})
			if err := store.Reindex(t.Context(), org, "k"); err != nil {
				t.Error(err)
			}
		}}
		slow.AddHook(hook)
		late, _ := open(slow)
		if err := late.Reindex(t.Context(), org, "k"); err != nil || hook.do != nil {
			t.Fatalf("nothing was removed: %v", err)
		}
		found, _, err := store.Search(t.Context(), org, metadata.Query{Has: &metadata.Match{Key: "k"}}, metadata.Page{Limit: 9})
		if err != nil || len(found) != 1 {
			t.Errorf("found %v, %v", found, err)
		}
	})
}
