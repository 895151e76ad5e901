package zitadel

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	metadatav1 "github.com/claimsmith/claimsmith/handlers/zitadel/gen/zitadel/metadata/v1"
	zitadelv1 "github.com/claimsmith/claimsmith/handlers/zitadel/gen/zitadel/v1"
	"github.com/claimsmith/claimsmith/metadata"
)

// Bounds of a list.
const (
	maxLimit       = 1000
	defaultLimitV2 = 100
)

// condition is one about a key, with the methods of both zitadel.v1.TextQueryMethod and zitadel.filter.v2.TextFilterMethod.
type condition struct {
	key    string
	method int32
}

func conditionOf(key string, method int32) condition {
	c := condition{key, method}
	if c.ignoresCase() {
		c.key = strings.ToLower(key)
	}
	return c
}

// ignoresCase is so of every second method.
func (c condition) ignoresCase() bool { return c.method&1 != 0 }

// holds compares a key, in lower case where the condition ignores it.
func (c condition) holds(key string) bool {
	switch c.method >> 1 {
	case 0:
		return key == c.key
	case 1:
		return strings.HasPrefix(key, c.key)
	case 2:
		return strings.Contains(key, c.key)
	}
	return strings.HasSuffix(key, c.key)
}

// selection is what a list is asked for. Limit is at least 1.
type selection struct {
	offset, limit uint64
	asc           bool
	conditions    []condition
}

func (s selection) fits(e metadata.Entry) bool {
	if len(s.conditions) == 0 {
		return true
	}
	lower := strings.ToLower(e.Key)
	return !slices.ContainsFunc(s.conditions, func(c condition) bool {
		if c.ignoresCase() {
			return !c.holds(lower)
		}
		return !c.holds(e.Key)
	})
}

// list returns what a selection selects of a user's entries, and of how many. A user who is not there has none, as far as the caller
// could know of him.
func (d *Dialect) list(
	ctx context.Context, name string, s selection, op operation,
) (part []metadata.Entry, total, revision uint64, err error) {
	c := callOf(ctx)
	if s.limit > maxLimit {
		return nil, 0, 0, errLimit
	}
	doc, err := d.Metadata.Get(ctx, c.caller, c.target(name))
	if errors.Is(err, metadata.ErrUserNotFound) && (c.caller.MayRead(c.owner()) || name == me) {
		return nil, 0, 0, nil
	}
	if err != nil {
		return nil, 0, 0, explain(err, c, op)
	}
	found := slices.DeleteFunc(slices.Clone(doc.Entries), func(e metadata.Entry) bool { return !s.fits(e) })
	slices.SortFunc(found, func(a, b metadata.Entry) int {
		order := cmp.Or(a.CreatedAt.Compare(b.CreatedAt), strings.Compare(a.Key, b.Key))
		if !s.asc {
			order = -order
		}
		return order
	})
	total = uint64(len(found))
	if s.offset >= total {
		return nil, 0, doc.Revision, nil // beyond the end nothing is counted
	}
	return found[s.offset:min(s.offset+s.limit, total)], total, doc.Revision, nil
}

// entry reads one entry.
func (d *Dialect) entry(ctx context.Context, name, key string) (*metadatav1.Metadata, error) {
	c := callOf(ctx)
	e, err := d.Metadata.GetEntry(ctx, c.caller, c.target(name), key)
	if errors.Is(err, metadata.ErrUserNotFound) && name == me {
		return nil, errNotFound
	}
	if err != nil {
		return nil, explain(err, c, getting)
	}
	return c.show(e), nil
}

// change makes a change that leaves alone what is as it should be.
func (d *Dialect) change(ctx context.Context, name string, change metadata.Change, op operation) (metadata.Document, error) {
	c := callOf(ctx)
	change.KeepEqual, change.MustExist, change.Brief = true, op.noEntry != nil, true
	doc, err := d.Metadata.Apply(ctx, c.caller, c.target(name), change, metadata.Precondition{})
	if err != nil {
		return doc, explain(err, c, op)
	}
	return doc, nil
}

// put is an entry of a caller who knows nothing of claims.
func put(key string, value []byte) metadata.Put {
	p := metadata.Put{Key: key, Kept: true}
	p.Value, p.Alike = metadata.FromOpaque(value)
	return p
}

func (c *call) show(e metadata.Entry) *metadatav1.Metadata {
	return &metadatav1.Metadata{Details: c.detailsOf(e), Key: e.Key, Value: e.Value.Opaque()}
}

func (c *call) detailsOf(e metadata.Entry) *zitadelv1.ObjectDetails {
	return &zitadelv1.ObjectDetails{
		Sequence: e.Revision, CreationDate: stamp(e.CreatedAt), ChangeDate: stamp(e.ChangedAt), ResourceOwner: c.owner(),
	}
}

// detailsOfAll are those of a change of several entries.
func (c *call) detailsOfAll(doc metadata.Document) *zitadelv1.ObjectDetails {
	return &zitadelv1.ObjectDetails{Sequence: doc.Revision, ChangeDate: stamp(doc.ChangedAt), ResourceOwner: c.owner()}
}

func stamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}
