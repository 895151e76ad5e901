package metadata

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/claimsmith/claimsmith/internal/audit"
)

// MaxChangedKeys is how many keys one change may name, so that none keeps the store busy for long.
const MaxChangedKeys = 10_000

// Change is what a request wants done. Where Set names a key twice the last counts; a key in both Set and Delete is
// deleted.
type Change struct {
	Set    []Put
	Delete []string
	// Replace removes all other entries the caller may remove.
	Replace bool
	// Brief, KeepEqual and MustExist are as in Patch.
	Brief     bool
	KeepEqual bool
	MustExist bool
}

// Service is the rules of metadata. It is safe for concurrent use.
//
// A caller who may write an organisation changes everything of its users, as its definitions allow, and what they inherit. A user reads
// his own documents, but for entries that only operators may read, and changes their entries that are not profile claims, and those that a
// definition lets him. To everybody else users do not exist: ErrUserNotFound.
type Service struct {
	Store     Store
	Directory Directory
	// Audit gets every change that was made, refused for want of permission, or is of unknown outcome, as "metadata.write", what ApplyAll
	// takes back as "metadata.undo", of groups and of who is in them "group.create", "update", "delete", "set", "join" and "leave", of
	// definitions "definition.put" and "delete"; and "metadata.read" for every refused read.
	Audit audit.Log
	Now   func() time.Time
	// Schemes are those of Store, remembered.
	Schemes *Schemes
	// HashKey keys the hashes that stand for sensitive values.
	HashKey []byte
	// Limits returns an organisation's limits; nil means DefaultLimits for all. An error makes the write Unavailable.
	Limits func(ctx context.Context, org string) (Limits, error)

	resolvers resolvers
	schemas   schemas
	turns     turns // of changing an organisation's shared documents
}

// Get reads a document.
func (s *Service) Get(ctx context.Context, c Caller, t Target) (Document, error) {
	var doc Document
	err := s.read(ctx, c, t, func(o Owner) (err error) {
		if doc, err = s.Store.Get(ctx, o); err != nil || c.MayWrite(o.Org) {
			return err
		}
		scheme, err := s.scheme(ctx, o.Org)
		if err != nil {
			return err
		}
		doc = visible(c, o.Org, scheme, doc)
		return nil
	})
	if err != nil {
		return Document{}, err
	}
	return doc, nil
}

// GetEntry reads one entry. NotFound has Field set to the key when it is the entry that does not exist, or may not be read.
func (s *Service) GetEntry(ctx context.Context, c Caller, t Target, key string) (Entry, error) {
	if err := CheckKey(key); err != nil {
		return Entry{}, err
	}
	var entry Entry
	err := s.read(ctx, c, t, func(o Owner) (err error) {
		if entry, err = s.Store.GetEntry(ctx, o, key); err != nil || c.MayWrite(o.Org) {
			return err
		}
		scheme, err := s.scheme(ctx, o.Org)
		if err == nil && !readable(c, o.Org, scheme.Definition(key)) {
			err = &Error{Code: NotFound, Field: key, Detail: "no such entry"}
		}
		return err
	})
	if err != nil {
		return Entry{}, err
	}
	return entry, nil
}

// Apply changes a document and returns it as it stands afterwards, see Store.Apply. It is atomic.
func (s *Service) Apply(ctx context.Context, c Caller, t Target, change Change, pre Precondition) (Document, error) {
	out, err := s.apply(ctx, c, t, write{change: change, pre: pre})
	if err != nil {
		return Document{}, err
	}
	return visible(c, out.Owner.Org, out.Scheme, out.Document), nil
}

// EraseUser removes all metadata of a user in these organisations, see Store.Erase. The caller has ended the user or the
// memberships before, and records the event. There is no metadata outside of organisations.
func (s *Service) EraseUser(ctx context.Context, user string, orgs []string, _ bool) error {
	return s.Store.Erase(ctx, user, orgs)
}

func (s *Service) limits(ctx context.Context, org string) (Limits, error) {
	if s.Limits == nil {
		return DefaultLimits, nil
	}
	l, err := s.Limits(ctx, org)
	if err != nil {
		return Limits{}, Unknown("read the limits of "+org, err)
	}
	return l, nil
}

// opLength is enough of rand.Text for operation ids: 65 bits, to differ from a few dozen others.
const opLength = 13

func newOp() string { return rand.Text()[:opLength] }

// patch checks a change, as far as that does not depend on who the user is, and makes it canonical.
func (s *Service) patch(ctx context.Context, c Caller, change Change, pre Precondition) (Patch, error) {
	p := Patch{
		Replace: change.Replace, Brief: change.Brief, KeepEqual: change.KeepEqual, MustExist: change.MustExist, If: pre,
		ChangedBy: c.Ref(), Via: via(ctx), At: s.Now(), Op: newOp(),
	}
	if pre.Key != "" {
		if err := CheckKey(pre.Key); err != nil {
			return p, err
		}
	}
	named := len(change.Delete) + len(change.Set)
	if named > MaxChangedKeys {
		return p, Exceeded("", "keys named by this change", named, MaxChangedKeys)
	}
	seen := make(map[string]struct{}, named)
	for _, key := range change.Delete {
		if err := CheckKey(key); err != nil {
			return p, err
		}
		if _, twice := seen[key]; !twice {
			seen[key] = struct{}{}
			p.Delete = append(p.Delete, key)
		}
	}
	for i := len(change.Set) - 1; i >= 0; i-- {
		put := change.Set[i]
		if err := put.check(); err != nil {
			return p, err
		}
		if _, twice := seen[put.Key]; !twice {
			seen[put.Key] = struct{}{}
			p.Set = append(p.Set, put)
		}
	}
	return p, nil
}

func (p *Put) check() error {
	if err := CheckKey(p.Key); err != nil {
		return err
	}
	if p.Value.kind == 0 {
		return invalid(p.Key, "the entry has no value")
	}
	if err := p.Value.checkSize(p.Key); err != nil {
		return err
	}
	if p.Unmarked = p.Unmarked || p.Kept; p.Unmarked || !p.ProfileClaim {
		return nil
	}
	if p.Value.kind != KindJSON {
		return invalid(p.Key, "a value of bytes cannot be a profile claim")
	}
	return CheckClaimKey(p.Key)
}
