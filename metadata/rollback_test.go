package metadata_test

import (
	"context"
	"fmt"
	mathrand "math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claimsmith/claimsmith/internal/audit"
	"github.com/claimsmith/claimsmith/metadata"
)

func TestARollbackIsExact(t *testing.T) {
	for seed := range uint64(histories(t, 100)) {
		f := newHistoryFixture(t)
		r := mathrand.New(mathrand.NewPCG(seed, 7))
		for n := range 3 {
			f.lay(metadata.SchemeChange{PutGroup: &metadata.Group{ID: fmt.Sprint("g", n), Slug: fmt.Sprint("slug", n)}})
		}
		o, target := metadata.Owner{User: "u-jane"}, target("u-jane")
		switch seed % 5 {
		case 1:
			o.App, target.App = "portal", "portal"
		case 2:
			o, target = metadata.Owner{Group: "g1"}, metadata.Target{Shared: true, Group: "slug1"}
		case 3:
			o, target = metadata.Owner{}, metadata.Target{Shared: true}
		}
		were := []map[string]string{contents(metadata.Document{})}
		for range 8 {
			f.at = f.at.Add(time.Minute)
			p := randomPatch(r)
			if o.User != "" && o.App == "" && r.IntN(3) == 0 {
				groups := slices.DeleteFunc([]string{"g0", "g1", "g2"}, func(string) bool { return r.IntN(2) == 0 })
				p.Groups = &groups
			}
			f.write(o, p)
			if doc := f.document(o); int(doc.Revision) == len(were) {
				were = append(were, contents(doc))
			}
		}
		for range 4 {
			before := f.document(o)
			to, key := r.IntN(len(were)), ""
			want := were[to]
			if r.IntN(2) == 0 {
				key = keyPool[r.IntN(len(keyPool))]
				want = contents(before)
				delete(want, "entry "+key)
				if value, ok := were[to]["entry "+key]; ok {
					want["entry "+key] = value
				}
			}
			doc, err := f.Rollback(t.Context(), operator, target, uint64(to), key, none)
			if codeOf(err) == metadata.Conflict && key != "" {
				continue // one entry of then and another of now can be equal but for case
			}
			if err != nil {
				t.Fatalf("seed %d: back to %d of %q: %v", seed, to, key, err)
			}
			if diff := cmp.Diff(want, contents(doc)); diff != "" {
				t.Fatalf("seed %d: %q at revision %d (-then +now):\n%s", seed, key, to, diff)
			}
			if diff := cmp.Diff(contents(f.document(o)), contents(doc)); diff != "" {
				t.Fatalf("seed %d: what was returned is not what is stored (-stored +returned):\n%s", seed, diff)
			}
			changed := !cmp.Equal(want, contents(before))
			if doc.Revision != before.Revision && !changed || doc.Revision != before.Revision+1 && changed {
				t.Fatalf("seed %d: revision %d after %d, changed %t", seed, doc.Revision, before.Revision, changed)
			}
			if changed {
				were = append(were, contents(doc))
			}
		}
	}
}

func TestOnlyOperatorsRollBack(t *testing.T) {
	f := newHistoryFixture(t)
	janes := metadata.Owner{User: "u-jane"}
	f.write(janes, metadata.Patch{Set: []metadata.Put{put("note", `1`)}})
	f.write(janes, metadata.Patch{Set: []metadata.Put{put("note", `2`)}})
	for _, test := range []struct {
		caller *caller
		code   metadata.Code
	}{{jane, metadata.Forbidden}, {reader, metadata.Forbidden}, {john, metadata.NotFound}, {acmeOperator, metadata.NotFound}} {
		f.events.take()
		_, err := f.Rollback(t.Context(), test.caller, metadata.Target{Org: "default", User: "u-jane"}, 1, "", none)
		if codeOf(err) != test.code {
			t.Errorf("%s: %v, want %s", test.caller.ref, err, test.code)
		}
		if events := f.events.take(); len(events) != 1 || events[0].Action != "metadata.rollback" || events[0].Outcome != audit.Denied {
			t.Errorf("%s: recorded %+v", test.caller.ref, events)
		}
	}
	if doc := f.document(janes); doc.Revision != 2 {
		t.Errorf("the document is at revision %d", doc.Revision)
	}
	if _, err := f.Rollback(t.Context(), operator, target("jane"), 1, "", none); err != nil {
		t.Fatal(err)
	}
	want := []audit.Event{{Action: "metadata.rollback", Actor: "token:op", Org: "default", Target: "user:u-jane", Outcome: audit.Success}}
	if diff := cmp.Diff(want, f.events.take()); diff != "" {
		t.Errorf("recorded (-want +got):\n%s", diff)
	}
}

func TestARollbackKeepsItsPrecondition(t *testing.T) {
	f := newHistoryFixture(t)
	janes := metadata.Owner{User: "u-jane"}
	for n := range 3 {
		f.write(janes, metadata.Patch{Set: []metadata.Put{put("note", strconv.Itoa(n))}})
	}
	match := func(revisions ...uint64) *metadata.Condition { return &metadata.Condition{Revisions: revisions} }
	for _, test := range []struct {
		name string
		pre  metadata.Precondition
		code metadata.Code
	}{
		{"an earlier document", metadata.Precondition{IfMatch: match(1, 2)}, metadata.PreconditionFailed},
		{"this document not", metadata.Precondition{IfNoneMatch: match(3)}, metadata.PreconditionFailed},
		{"no document", metadata.Precondition{IfNoneMatch: &metadata.Condition{Any: true}}, metadata.PreconditionFailed},
		{"an earlier entry", metadata.Precondition{Key: "note", IfMatch: match(2)}, metadata.PreconditionFailed},
		{"an entry that is not there", metadata.Precondition{Key: "other", IfMatch: &metadata.Condition{Any: true}}, metadata.PreconditionFailed},
		{"this document", metadata.Precondition{IfMatch: match(7, 3)}, ""},
		{"the next one", metadata.Precondition{IfMatch: match(4), IfNoneMatch: match(3)}, ""},
		{"any document", metadata.Precondition{IfMatch: &metadata.Condition{Any: true}}, ""},
	} {
		_, err := f.Rollback(t.Context(), operator, target("u-jane"), uint64(1+len(test.name)%2), "", test.pre)
		if codeOf(err) != test.code {
			t.Errorf("%s: %v, want %q", test.name, err, test.code)
		}
	}
}

// TestARollbackFollowsADocumentThatMoves has others write while a document is rolled back: none of their writes may be lost half-way.
func TestARollbackFollowsADocumentThatMoves(t *testing.T) {
	f := newHistoryFixture(t)
	janes := metadata.Owner{User: "u-jane"}
	f.write(janes, metadata.Patch{Set: []metadata.Put{claim("a", `1`)}})
	f.write(janes, metadata.Patch{Set: []metadata.Put{claim("b", `1`)}, Delete: []string{"a"}})
	moves := 3
	store := &movingStore{Store: f.Store, moved: func() {
		if moves--; moves >= 0 {
			f.write(janes, metadata.Patch{Set: []metadata.Put{claim(fmt.Sprint("late", moves), `1`)}})
		}
	}}
	f.Store = store
	doc, err := f.Rollback(t.Context(), operator, target("u-jane"), 1, "", none)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"groups": "[]", "entry a": "j true 1"}, contents(doc)); diff != "" || doc.Revision != 6 {
		t.Errorf("revision %d (-want +got):\n%s", doc.Revision, diff)
	}
	moves = 1
	pre := metadata.Precondition{IfMatch: &metadata.Condition{Revisions: []uint64{6}}}
	_, err = f.Rollback(t.Context(), operator, target("u-jane"), 2, "", pre)
	if codeOf(err) != metadata.PreconditionFailed {
		t.Errorf("with a precondition: %v", err)
	}
	moves = 1000
	_, err = f.Rollback(t.Context(), operator, target("u-jane"), 2, "", none)
	if codeOf(err) != metadata.Unavailable {
		t.Errorf("of a document that never rests: %v", err)
	}
}

// movingStore calls moved after every history it has read.
type movingStore struct {
	metadata.Store
	moved func()
}

func (s *movingStore) History(ctx context.Context, o metadata.Owner, keep metadata.Retention, now time.Time,
) (metadata.Document, []metadata.Revision, error) {
	doc, past, err := s.Store.History(ctx, o, keep, now)
	s.moved()
	return doc, past, err
}

func TestARollbackObeysTheDefinitionsOfNow(t *testing.T) {
	f := newHistoryFixture(t)
	janes := metadata.Owner{User: "u-jane"}
	f.write(janes, metadata.Patch{Set: []metadata.Put{claim("plan", `"free"`), claim("other", `1`)}})
	f.write(janes, metadata.Patch{Set: []metadata.Put{claim("plan", `1`), claim("other", `2`)}})
	f.define(metadata.Definition{Key: "plan", Schema: `{"type":"integer"}`})
	_, err := f.Rollback(t.Context(), operator, target("u-jane"), 1, "", none)
	if codeOf(err) != metadata.Invalid {
		t.Errorf("back to what is against a schema: %v", err)
	}
	if doc := f.document(janes); doc.Revision != 2 {
		t.Errorf("the document is at revision %d", doc.Revision)
	}
	if _, err := f.Rollback(t.Context(), operator, target("u-jane"), 1, "other", none); err != nil {
		t.Error(err)
	}
}
