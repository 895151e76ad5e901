package metadata

import (
	"context"
	"crypto/rand"
	"iter"
	"strings"
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
	// Brief is as in Patch.
	Brief bool
}

// Service is the rules of metadata. It is safe for concurrent use.
//
// A caller who may write an organisation changes everything of its users. A user reads his own documents and changes
// their entries that are not profile claims. To everybody else users do not exist: ErrUserNotFound.
type Service struct {
	Store     Store
	Directory Directory
	// Audit gets "metadata.write" for every change that was made, refused for want of permission, or is of unknown outcome, and
	// "metadata.read" for every refused read.
	Audit audit.Log
	Now   func() time.Time
	// Limits returns an organisation's limits; nil means DefaultLimits for all. An error makes the write Unavailable.
	Limits func(ctx context.Context, org string) (Limits, error)
}

// Get reads a document.
func (s *Service) Get(ctx context.Context, c Caller, t Target) (Document, error) {
	var doc Document
	err := s.read(ctx, c, t, func(o Owner) (err error) {
		doc, err = s.Store.Get(ctx, o)
		return err
	})
	return doc, err
}

// GetEntry reads one entry. NotFound has Field set to the key when it is the entry that does not exist.
func (s *Service) GetEntry(ctx context.Context, c Caller, t Target, key string) (Entry, error) {
	if err := CheckKey(key); err != nil {
		return Entry{}, err
	}
	var entry Entry
	err := s.read(ctx, c, t, func(o Owner) (err error) {
		entry, err = s.Store.GetEntry(ctx, o, key)
		return err
	})
	return entry, err
}

// Apply changes a document and returns it as it stands afterwards, see Store.Apply. It is atomic.
func (s *Service) Apply(ctx context.Context, c Caller, t Target, change Change, pre Precondition) (Document, error) {
	var doc Document
	patch, err := s.patch(c, change, pre)
	if err != nil {
		return doc, err
	}
	err = s.write(ctx, c, t, func(o Owner, asSelf bool) (err error) {
		if asSelf {
			if err := patch.forSelf(); err != nil {
				return err
			}
		}
		if patch.Limits, err = s.limits(ctx, o.Org); err != nil {
			return err
		}
		doc, err = s.Store.Apply(ctx, o, patch)
		return err
	})
	return doc, err
}

// EraseUser removes all metadata of a user in these organisations, see Store.Erase. The caller has ended the user or the
// memberships before, and records the event.
func (s *Service) EraseUser(ctx context.Context, user string, orgs []string) error {
	return s.Store.Erase(ctx, user, orgs)
}

// ProfileClaims prepares to read, see Store.ProfileClaims, what a token of the user embeds: keys (without prefix) in ascending order with the exact JSON of
// their values, and the revisions of the user-wide and of the application's document. An entry of the application hides a
// user-wide one whose key is equal but for case. The caller has made sure that the user may have a token.
func (s *Service) ProfileClaims(ctx context.Context, org, user, app string) (with context.Context,
	read func() (claims iter.Seq2[string, string], revision, appRevision uint64, err error),
) {
	with, readStore := s.Store.ProfileClaims(ctx, org, user, app)
	return with, func() (iter.Seq2[string, string], uint64, uint64, error) {
		c, err := readStore()
		if err != nil {
			return nil, 0, 0, err
		}
		return c.All(), c.Revision, c.AppRevision, nil
	}
}

// All returns the claims of both documents as one ascending sequence, the application's hiding the user-wide ones.
func (c Claims) All() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		apps := c.App
		for _, claim := range c.User {
			for len(apps) > 0 && apps[0].Key < claim.Key {
				if !yield(apps[0].Key, apps[0].JSON) {
					return
				}
				apps = apps[1:]
			}
			if !hidden(claim.Key, c.App) && !yield(claim.Key, claim.JSON) {
				return
			}
		}
		for _, claim := range apps {
			if !yield(claim.Key, claim.JSON) {
				return
			}
		}
	}
}

func hidden(key string, by []Claim) bool {
	for _, claim := range by {
		if strings.EqualFold(claim.Key, key) {
			return true
		}
	}
	return false
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

// patch checks a change, as far as that does not depend on who the user is, and makes it canonical.
func (s *Service) patch(c Caller, change Change, pre Precondition) (Patch, error) {
	p := Patch{Replace: change.Replace, Brief: change.Brief, If: pre, ChangedBy: c.Ref(), At: s.Now(), Op: rand.Text()[:opLength]}
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
	if !p.ProfileClaim {
		return nil
	}
	if p.Value.kind != KindJSON {
		return invalid(p.Key, "a value of bytes cannot be a profile claim")
	}
	return CheckClaimKey(p.Key)
}

// forSelf makes the patch one that a user makes to himself, unless he may not.
func (p *Patch) forSelf() error {
	for _, put := range p.Set {
		if put.ProfileClaim {
			return &Error{Code: Forbidden, Field: put.Key, Detail: "only an operator makes an entry a profile claim"}
		}
	}
	p.KeepClaims = true
	return nil
}
