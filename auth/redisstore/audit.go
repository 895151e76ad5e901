package redisstore

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/claimsmith/claimsmith/internal/audit"
	"github.com/claimsmith/claimsmith/internal/durable"
	"github.com/claimsmith/claimsmith/internal/keyspace"
)

var (
	appendScript = script("audit_append")
	trimScript   = script("audit_trim")
)

// Audit keeps chains of audit events: the entries in a stream, under their numbers, and where the chain ends and begins in a hash. It
// implements audit.Store.
type Audit struct {
	runner *durable.Runner
	space  keyspace.Space
}

// NewAudit returns the store of the audit events of an installation.
func NewAudit(r *durable.Runner, s keyspace.Space) *Audit { return &Audit{r, s} }

var _ audit.Store = (*Audit)(nil)

// Append implements audit.Store.
func (a *Audit) Append(ctx context.Context, org string, expected audit.Head, entries []audit.Entry) (conflict bool, err error) {
	keys := []string{a.space.Audit(org), a.space.AuditHead(org)}
	if org != "" {
		keys = append(keys, a.space.Org(org))
	}
	last := &entries[len(entries)-1]
	args := []any{expected.Seq, expected.Hash, last.Seq, last.Hash}
	for n := range entries {
		e := &entries[n]
		args = append(args, e.Seq, e.Time.UnixMicro(), e.Action, e.Actor, e.Org, e.Target, e.Outcome, e.Reason, e.ID, e.Address, e.Dialect, e.Hash)
	}
	_, err = a.runner.Run(ctx, appendScript, keys, args...)
	return auditVerdict("append audit events", err)
}

func auditVerdict(doing string, err error) (conflict bool, failure error) {
	switch word, _, _ := durable.Verdict(err); {
	case err == nil:
		return false, nil
	case word == "CONFLICT":
		return true, nil
	case word == "NOTFOUND":
		return false, fmt.Errorf("%s: %w", doing, audit.ErrNoOrg)
	default:
		return false, unavailable(doing, err)
	}
}

// Trim implements audit.Store.
func (a *Audit) Trim(ctx context.Context, org string, from uint64, to audit.Base) (conflict bool, err error) {
	keys := []string{a.space.Audit(org), a.space.AuditHead(org)}
	_, err = a.runner.Run(ctx, trimScript, keys, from, to.Seq, to.Hash, to.Proof, to.Seq+1)
	return auditVerdict("remove audit events", err)
}

// Head implements audit.Store. A number that is none is 0, which no chain with entries verifies by.
func (a *Audit) Head(ctx context.Context, org string) (audit.Head, error) {
	row, err := a.runner.Client.HMGet(ctx, a.space.AuditHead(org), "n", "h", "b", "bh", "bp").Result()
	if err != nil {
		return audit.Head{}, unavailable("read the head of the audit events", err)
	}
	var field [5]string
	for n, value := range row {
		field[n], _ = value.(string)
	}
	return audit.Head{
		Seq: seqOf(field[0]), Hash: field[1], Base: audit.Base{Seq: seqOf(field[2]), Hash: field[3], Proof: field[4]},
	}, nil
}

// Range implements audit.Store.
func (a *Audit) Range(ctx context.Context, org string, from uint64, limit int, backwards bool) (entries []audit.Entry, err error) {
	var found []redis.XMessage
	key, start := a.space.Audit(org), strconv.FormatUint(from, 10)
	switch {
	case !backwards:
		found, err = a.runner.Client.XRangeN(ctx, key, start, "+", int64(limit)).Result()
	case from == 0:
		found, err = a.runner.Client.XRevRangeN(ctx, key, "+", "-", int64(limit)).Result()
	default:
		found, err = a.runner.Client.XRevRangeN(ctx, key, start, "-", int64(limit)).Result()
	}
	if err != nil {
		return nil, unavailable("read audit events", err)
	}
	entries = make([]audit.Entry, len(found))
	for n := range found {
		entries[n] = readEntry(&found[n])
	}
	return entries, nil
}

// readEntry reads an entry as audit_append.lua writes them. One of another form has no hash.
func readEntry(m *redis.XMessage) audit.Entry {
	var e audit.Entry
	number, rest, _ := strings.Cut(m.ID, "-")
	e.Seq = seqOf(number)
	at := ""
	fields := map[string]*string{
		"t": &at, "do": &e.Action, "by": &e.Actor, "in": &e.Org, "to": &e.Target, "out": &e.Outcome, "why": &e.Reason, "id": &e.ID,
		"ip": &e.Address, "via": &e.Dialect, "h": &e.Hash,
	}
	whole := rest == "0" && len(m.Values) == len(fields)
	for name, field := range fields {
		value, ok := m.Values[name].(string)
		*field, whole = strings.ToValidUTF8(value, "\uFFFD"), whole && ok
	}
	micro, err := strconv.ParseInt(at, 10, 64)
	if err == nil && 0 <= micro && micro <= maxMicro && strconv.FormatInt(micro, 10) == at {
		e.Time = time.UnixMicro(micro).UTC()
	} else {
		whole = false
	}
	if !whole {
		e.Hash = ""
	}
	return e
}

// maxSeq is the last number a script can count to, maxMicro the end of the year 9999.
const (
	maxSeq   = 1 << 53
	maxMicro = 253_402_300_799_999_999
)

func seqOf(text string) uint64 {
	seq, err := strconv.ParseUint(text, 10, 64)
	if err != nil || seq > maxSeq {
		return 0
	}
	return seq
}
