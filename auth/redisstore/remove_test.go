package redisstore_test

import (
	"context"
	"errors"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/redisstore"
	"github.com/claimsmith/claimsmith/internal/durable"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

// again sends the next script twice, as after a lost reply, and lets something happen in between.
type again struct{ between func() }

func (again) DialHook(next redis.DialHook) redis.DialHook { return next }

func (again) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (a *again) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		if script := cmd.Name() == "evalsha" || cmd.Name() == "eval"; !script || err != nil || a.between == nil { // a connection begins with commands too
			return err
		}
		a.between()
		a.between = nil
		return next(ctx, cmd)
	}
}

// A deletion that is sent again does not take a new object of the id with it, and is no failure.
func TestRemovalSentAgainSparesWhatIsNew(t *testing.T) {
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		if len(b.Addrs) > 1 {
			t.Skip("the hook stands before one server")
		}
		plain := open(b.Client)
		c := redistest.NewClient(t, b.Addrs[0])
		hook := new(again)
		c.AddHook(hook)
		s := redisstore.New(&durable.Runner{Client: c}, space)
		for _, id := range []string{"web", "page"} { // the first makes the script known
			old := auth.Client{ID: id, Org: "acme", Name: "old"}
			var err error
			if old.Version, err = plain.PutClient(t.Context(), old, "create "+id); err != nil {
				t.Fatal(err)
			}
			var created error
			if id == "page" {
				hook.between = func() {
					_, created = plain.PutClient(t.Context(), auth.Client{ID: id, Org: "acme", Name: "new"}, "create again")
				}
			}
			if err := errors.Join(s.DeleteClient(t.Context(), old), created); err != nil {
				t.Fatal(err)
			}
		}
		if found, err := plain.Client(t.Context(), "page"); err != nil || found.Name != "new" {
			t.Errorf("left is %+v (%v), want the new client", found, err)
		}
	})
}
