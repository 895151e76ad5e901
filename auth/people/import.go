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

// Newcomer is a user to create with his metadata and groups, and with what applications keep about him.
type Newcomer struct {
	auth.NewUser
	Metadata []metadata.Put
	Groups   []string // slugs
	Apps     []AppDocument
}

// AppDocument is what an application keeps about a user.
type AppDocument struct {
	App      string // its client id
	Metadata []metadata.Put
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
	parts, err := n.parts()
	if err != nil {
		return Imported{}, err
	}
	// What his metadata is refused for is known before he is created.
	if err := s.Metadata.CheckNewApplications(ctx, caller, org, len(n.Apps)); err != nil {
		return Imported{}, err
	}
	for _, p := range parts {
		if err := s.Metadata.CheckNew(ctx, caller, org, p.change, p.groups); err != nil {
			return Imported{}, err
		}
	}
	key, err := n.key()
	if err != nil {
		return Imported{}, err
	}
	if dryRun {
		return Imported{ID: n.ID}, s.Users.CheckNew(ctx, caller, org, n.NewUser, key)
	}
	user, err := s.Users.Create(ctx, caller, org, n.NewUser, key)
	if err != nil {
		return Imported{ID: user.ID}, err
	}
	done := Imported{ID: user.ID}
	for _, p := range parts {
		revision, err := s.furnish(ctx, caller, metadata.Target{Org: org, User: user.ID, App: p.app}, p)
		if p.app == "" {
			done.Revision = revision
		}
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// part is one document of a newcomer.
type part struct {
	app    string // "" for the user-wide one
	change metadata.Change
	groups *[]string
}

// parts are the documents a newcomer gets. What an application keeps is written even where it is nothing.
func (n *Newcomer) parts() (all []part, err error) {
	first := part{change: metadata.Change{Set: n.Metadata, Brief: true}}
	if len(n.Groups) > 0 {
		first.groups = &n.Groups
	}
	all = append(all, first)
	seen := map[string]bool{}
	for _, a := range n.Apps {
		if !auth.ValidClientID(a.App) || seen[a.App] {
			return nil, &auth.Error{Code: auth.InvalidRequest, Field: "apps", Detail: "each names another application by its client_id"}
		}
		seen[a.App] = true
		all = append(all, part{app: a.App, change: metadata.Change{Set: a.Metadata, Brief: true}})
	}
	return all, nil
}

// furnish writes a document, and returns its revision, 0 where nothing was written now.
func (s *Service) furnish(ctx context.Context, caller *auth.Caller, t metadata.Target, p part) (uint64, error) {
	if p.app == "" && len(p.change.Set) == 0 && p.groups == nil {
		return 0, nil
	}
	// A document that was written before is one that an earlier attempt at this line has written, and others have perhaps changed.
	unwritten := metadata.Precondition{IfNoneMatch: &metadata.Condition{Any: true}}
	doc, err := s.Metadata.Make(ctx, caller, t, p.change, p.groups, unwritten, false)
	var refused *metadata.Error
	if errors.As(err, &refused) && refused.Code == metadata.PreconditionFailed {
		return 0, nil
	}
	return doc.Revision, err
}

// key is what only the same line has. The password is not in it, nor is a digest of it: whoever reads the store could guess it from that
// faster than from its hash.
func (n *Newcomer) key() (string, error) {
	type entry struct {
		Key, Raw        string
		Kind            metadata.Kind
		Claim, Unmarked bool
	}
	user := n.NewUser
	user.Password = ""
	if (auth.ImportedHash{Algorithm: user.HashAlgorithm}).IsDigest() {
		user.PasswordHash = ""
	}
	list := func(puts []metadata.Put) []entry {
		entries := make([]entry, len(puts))
		for i, put := range puts {
			entries[i] = entry{put.Key, put.Value.JSON(), put.Value.Kind(), put.ProfileClaim, put.Unmarked}
		}
		return entries
	}
	type document struct {
		App      string
		Metadata []entry
	}
	var apps []document
	for _, a := range n.Apps {
		apps = append(apps, document{a.App, list(a.Metadata)})
	}
	text, err := json.Marshal(struct {
		User     auth.NewUser
		Metadata []entry
		Groups   []string
		Apps     []document `json:",omitempty"`
	}{user, list(n.Metadata), n.Groups, apps}, json.Deterministic(true))
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	return "import:" + base64.RawURLEncoding.EncodeToString(sum[:]), nil
}
