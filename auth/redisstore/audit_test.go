package redisstore_test

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/redisstore"
	"github.com/claimsmith/claimsmith/auth/storetest"
	"github.com/claimsmith/claimsmith/internal/audit"
	"github.com/claimsmith/claimsmith/internal/durable"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

func openAudit(c redis.UniversalClient) *redisstore.Audit {
	return redisstore.NewAudit(&durable.Runner{Client: c}, space)
}

func TestAudit(t *testing.T) {
	redistest.Each(t, func(t *testing.T, b redistest.Backend) {
		storetest.RunAudit(t, open(b.Client), openAudit(b.Client), openAudit(b.Client))
	})
}

func auditEntries(from uint64, hashes ...string) []audit.Entry {
	entries := make([]audit.Entry, len(hashes))
	for n, hash := range hashes {
		entries[n] = audit.Entry{Seq: from + uint64(n), Time: time.UnixMicro(1), Event: audit.Event{Org: "acme"}, Hash: hash}
	}
	return entries
}

// Rows: a reply lost after the command ran is made up for, where replicas must confirm too.
func TestAuditWithLostReplies(t *testing.T) {
	primary := redistest.Server(t)
	primary.Replica()
	proxy := redistest.NewProxy(t, primary.Addr())
	direct := redistest.NewClient(t, primary.Addr())
	if _, err := open(direct).PutOrg(t.Context(), auth.Org{Slug: "acme"}, "op"); err != nil {
		t.Fatal(err)
	}
	for _, replicas := range []int{0, 1} {
		client := redistest.NewClient(t, proxy.Addr())
		faulty := redisstore.NewAudit(&durable.Runner{Client: client, Replicas: replicas, Timeout: time.Second}, space)
		for n := 1; n <= 8; n++ {
			if err := direct.Del(t.Context(), space.Audit("acme"), space.AuditHead("acme")).Err(); err != nil {
				t.Fatal(err)
			}
			proxy.Reset()
			proxy.CutReply(n)
			head := audit.Head{}
			for _, entries := range [][]audit.Entry{auditEntries(1, "a", "b"), auditEntries(3, "c")} {
				if conflict, err := faulty.Append(t.Context(), "acme", head, entries); conflict || err != nil {
					t.Fatalf("append with reply %d lost: %v, %v", n, conflict, err)
				}
				head.Seq, head.Hash = entries[len(entries)-1].Seq, entries[len(entries)-1].Hash
			}
			if conflict, err := faulty.Trim(t.Context(), "acme", 0, audit.Base{Seq: 1, Hash: "a"}); conflict || err != nil {
				t.Fatalf("trim with reply %d lost: %v, %v", n, conflict, err)
			}
			got, err := faulty.Range(t.Context(), "acme", 1, 10, false)
			if err != nil || len(got) != 2 || got[0].Hash != "b" || got[1].Hash != "c" {
				t.Errorf("with reply %d lost the chain is %+v (%v)", n, got, err)
			}
		}
	}
}

// Row R-10: whatever a server refuses with is an unknown outcome, never an answer.
func TestAuditErrorsAreUnavailable(t *testing.T) {
	for _, refusal := range []string{"OOM command not allowed", "READONLY replica", "CLUSTERDOWN down", "ERR smaller than the target stream top item", "WRONGTYPE kind", "CONFLICTX x"} {
		c := redistest.NewClient(t, redistest.Embedded(t).Addrs[0], func(o *redis.Options) { o.MaxRetries = -1 })
		c.AddHook(refuse{proto(refusal)})
		store := openAudit(c)
		_, appendErr := store.Append(t.Context(), "acme", audit.Head{}, auditEntries(1, "a"))
		_, trimErr := store.Trim(t.Context(), "acme", 0, audit.Base{Seq: 1})
		_, headErr := store.Head(t.Context(), "acme")
		_, rangeErr := store.Range(t.Context(), "acme", 1, 1, false)
		for _, err := range []error{appendErr, trimErr, headErr, rangeErr} {
			if auth.CodeOf(err) != auth.Unavailable {
				t.Errorf("%s: %v, want unavailable", refusal, err)
			}
		}
	}
}
