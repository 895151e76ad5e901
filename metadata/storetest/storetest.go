// Package storetest holds what every metadata.Store must do, as tests: single operations, races, and random sequences
// compared with a model. It also has Users, which stands in for the package that owns users' records.
package storetest

import (
	"context"
	"crypto/rand"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/claimsmith/claimsmith/metadata"
)

// Open returns the store under test and its users. It is called once per test; what earlier ones stored may still be
// there.
type Open func(t *testing.T) (metadata.Store, *Users)

// Run runs all tests.
func Run(t *testing.T, open Open) {
	tests := []struct {
		name string
		run  func(*suite)
	}{
		{"a user nothing is stored about has an empty document", (*suite).emptyDocument},
		{"entries come back as they were set", (*suite).setAndGet},
		{"an entry keeps its creation time until it is deleted", (*suite).creationTime},
		{"values are exact", (*suite).exactValues},
		{"any text is literal", (*suite).hostileText},
		{"deleting", (*suite).deleting},
		{"replacing", (*suite).replacing},
		{"one change renames a key", (*suite).renaming},
		{"revisions are never used twice", (*suite).revisions},
		{"documents are separate", (*suite).separateDocuments},
		{"claims follow the entries", (*suite).claims},
		{"claims are read with a change", (*suite).claimsWithChange},
		{"only the owner is found", (*suite).owners},
		{"erasing", (*suite).erasing},
		{"erasing leaves nothing", (*suite).erasingEverything},
		{"many documents are read at once", (*suite).getAll},
		{"a user's documents are listed", (*suite).documents},
		{"groups are part of the user-wide document", (*suite).groups},
		{"searchable entries are indexed", (*suite).index},
		{"shared documents", (*suite).sharedDocuments},
		{"shared documents are refused", (*suite).sharedRefusals},
		{"what was changed is remembered", (*suite).history},
		{"what is remembered is bounded", (*suite).retention},
		{"preconditions", (*suite).preconditions},
		{"no change goes by an earlier scheme", (*suite).schemes},
		{"a user keeps his claims", (*suite).keepClaims},
		{"a user obeys rules", (*suite).selfRules},
		{"an unmarked entry keeps its mark", (*suite).unmarkedEntries},
		{"what is equal is passed over", (*suite).keepEqual},
		{"what is not there cannot be deleted", (*suite).mustExist},
		{"a document knows when it was created and changed", (*suite).documentTimes},
		{"a dry run changes nothing", (*suite).dryRun},
		{"claim keys differ in more than case", (*suite).caseClash},
		{"limits are exact", (*suite).limits},
		{"a document above its limits can be cut down", (*suite).cuttingDown},
		{"applications are limited", (*suite).applications},
		{"a repeated operation is done once", (*suite).repetition},
		{"parallel writers of different keys all win", (*suite).parallelKeys},
		{"one parallel writer wins per revision", (*suite).parallelIfMatch},
		{"one parallel creation wins", (*suite).parallelCreation},
		{"parallel writers of the same write once", (*suite).parallelEqual},
		{"parallel writers stay inside the limits", (*suite).parallelLimits},
		{"parallel writers of shared documents go by the latest scheme", (*suite).parallelShared},
		{"parallel changes are all remembered and indexed", (*suite).parallelHistory},
		{"an announcement ends what went by the scheme before", (*suite).announcement},
		{"readers see whole changes", (*suite).snapshots},
		{"no write survives the end of its user", (*suite).deletionRace},
		{"random changes do what the model does", (*suite).random},
	}
	tests = append(tests, schemesAndSearch...)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			store, users := open(t)
			test.run(&suite{T: t, store: store, users: users})
		})
	}
}

// Claims reads the claims of a user on their own.
func Claims(ctx context.Context, store metadata.Store, org, user, app string) (metadata.Claims, error) {
	_, read := store.ProfileClaims(ctx, org, user, app)
	return read()
}

type suite struct {
	*testing.T
	store metadata.Store
	users *Users
}

// start is when the tests' changes happen.
var start = time.Date(2026, 3, 14, 15, 9, 26, 535e6, time.UTC)

const writer = "token:storetest"

// member is a new user of the default organisation.
func (s *suite) member() metadata.Owner {
	s.Helper()
	return metadata.Owner{Org: "default", User: s.users.New(s.T, User{Orgs: []string{"default"}})}
}

func change(p metadata.Patch) metadata.Patch {
	if p.Limits == (metadata.Limits{}) {
		p.Limits = metadata.DefaultLimits
	}
	if p.ChangedBy == "" {
		p.ChangedBy = writer
	}
	if p.At.IsZero() {
		p.At = start
	}
	if p.Op == "" {
		p.Op = rand.Text()
	}
	return p
}

func (s *suite) apply(o metadata.Owner, p metadata.Patch) (metadata.Document, error) {
	return s.store.Apply(s.Context(), o, change(p))
}

func (s *suite) mustApply(o metadata.Owner, p metadata.Patch) metadata.Document {
	s.Helper()
	doc, err := s.apply(o, p)
	if err != nil {
		s.Fatal(err)
	}
	return doc
}

func (s *suite) get(o metadata.Owner) metadata.Document {
	s.Helper()
	doc, err := s.store.Get(s.Context(), o)
	if err != nil {
		s.Fatal(err)
	}
	return doc
}

// claimsOf returns the claims of a user-wide document as a map, with their revision.
func (s *suite) claimsOf(o metadata.Owner) (map[string]string, uint64) {
	s.Helper()
	c, err := Claims(s.Context(), s.store, o.Org, o.User, "")
	if err != nil {
		s.Fatal(err)
	}
	m := make(map[string]string)
	for _, claim := range c.User {
		m[claim.Key] = claim.JSON
	}
	return m, c.Revision
}

// wantRefusal checks an error, and that the document is what it was.
func (s *suite) wantRefusal(err error, code metadata.Code, o metadata.Owner, before metadata.Document) {
	s.Helper()
	if got := codeOf(err); got != code {
		s.Errorf("error %v, want %s", err, code)
	}
	s.wantSame(s.get(o), before)
}

func (s *suite) wantSame(got, want metadata.Document) {
	s.Helper()
	if diff := diffDocuments(want, got); diff != "" {
		s.Errorf("document (-want +got):\n%s", diff)
	}
}

func diffDocuments(want, got metadata.Document) string {
	return cmp.Diff(want, got, cmp.AllowUnexported(metadata.Value{}), cmpopts.EquateEmpty())
}

func codeOf(err error) metadata.Code {
	var e *metadata.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// emptied is a document created at start and emptied at another time.
func emptied(revision uint64, at time.Time) metadata.Document {
	return metadata.Document{Revision: revision, CreatedAt: start, ChangedAt: at}
}

// text is a JSON string value; s must need no escapes.
func text(s string) metadata.Value { return metadata.Restore(metadata.KindJSON, `"`+s+`"`) }

func entry(key string, v metadata.Value) metadata.Put { return metadata.Put{Key: key, Value: v} }

func claim(key string, v metadata.Value) metadata.Put {
	return metadata.Put{Key: key, Value: v, ProfileClaim: true}
}

func set(puts ...metadata.Put) metadata.Patch { return metadata.Patch{Set: puts} }

func remove(keys ...string) metadata.Patch { return metadata.Patch{Delete: keys} }
