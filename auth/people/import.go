package people

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"

	"github.com/go-json-experiment/json"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/metadata"
)

// Newcomer is a user to create with his metadata and groups.
type Newcomer struct {
	auth.NewUser
	Metadata []metadata.Put
	Groups   []string // slugs
}

// Imported is a user who is there.
type Imported struct {
	ID string // "" in a dry run, where it is not given
	// Revision is that of his document, 0 where nothing was written now.
	Revision uint64
}

// Import creates users, each completely or not at all. The same line again is the user it created before, whose metadata is left as it
// is since; any other user who has the id, the username or the address is a Conflict. A dry run refuses what would be refused of each
// line if it was the only one.
func (s *Service) Import(ctx context.Context, caller *auth.Caller, org string, dryRun bool, lines Stream[Newcomer, Imported]) error {
	org, err := operates(caller, org)
	if err != nil {
		return err
	}
	return lines.run(ctx,
		func(_ context.Context, n *Newcomer) (string, error) { return n.name(), nil },
		func(ctx context.Context, n *Newcomer) (Imported, error) { return s.admit(ctx, caller, org, n, dryRun) })
}

// name is what another line that creates the same user is likely to share.
func (n *Newcomer) name() string {
	for _, name := range []string{n.Username, n.Email} {
		if h, err := auth.ParseHandle(name); err == nil {
			return h.Canonical
		}
	}
	return n.ID
}

func (s *Service) admit(ctx context.Context, caller *auth.Caller, org string, n *Newcomer, dryRun bool) (Imported, error) {
	change := metadata.Change{Set: n.Metadata, Brief: true}
	var groups *[]string
	if len(n.Groups) > 0 {
		groups = &n.Groups
	}
	// What his metadata is refused for is known before he is created.
	if err := s.Metadata.CheckNew(ctx, caller, org, change, groups); err != nil {
		return Imported{}, err
	}
	key, err := n.key()
	if err != nil {
		return Imported{}, err
	}
	if dryRun {
		return Imported{ID: n.ID}, s.Users.CheckNew(ctx, caller, org, n.NewUser, key)
	}
	user, err := s.Users.Create(ctx, caller, org, n.NewUser, key)
	if err != nil || len(change.Set) == 0 && groups == nil {
		return Imported{ID: user.ID}, err
	}
	// A document that was written before is one that an earlier attempt at this line has written, and others have perhaps changed.
	unwritten := metadata.Precondition{IfNoneMatch: &metadata.Condition{Any: true}}
	doc, err := s.Metadata.Make(ctx, caller, metadata.Target{Org: org, User: user.ID}, change, groups, unwritten, false)
	var refused *metadata.Error
	if errors.As(err, &refused) && refused.Code == metadata.PreconditionFailed {
		return Imported{ID: user.ID}, nil
	}
	return Imported{ID: user.ID, Revision: doc.Revision}, err
}

// key is what only the same line has. The password is not in it: whoever reads the store could guess it from that faster than
// from its hash.
func (n *Newcomer) key() (string, error) {
	type entry struct {
		Key, Raw        string
		Kind            metadata.Kind
		Claim, Unmarked bool
	}
	user := n.NewUser
	user.Password = ""
	entries := make([]entry, len(n.Metadata))
	for i, put := range n.Metadata {
		entries[i] = entry{put.Key, put.Value.Raw(), put.Value.Kind(), put.ProfileClaim, put.Unmarked}
	}
	text, err := json.Marshal(struct {
		User     auth.NewUser
		Metadata []entry
		Groups   []string
	}{user, entries, n.Groups}, json.Deterministic(true))
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	return "import:" + base64.RawURLEncoding.EncodeToString(sum[:]), nil
}
