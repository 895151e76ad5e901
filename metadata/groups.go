package metadata

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of groups.
const (
	MaxGroups       = 1000 // of an organisation
	MaxGroupsOfUser = 50
	MaxGroupOrder   = 1_000_000
)

// GroupChange changes the fields that are not nil.
type GroupChange struct {
	Slug        *string
	Name        *string
	Description *string
	Order       *int
}

func (g *Group) change(c GroupChange) error {
	if c.Slug != nil {
		if !isOrg(*c.Slug) {
			return invalid("slug", "1 to 63 of a-z 0-9 -, starting with a letter or digit")
		}
		g.Slug = *c.Slug
	}
	if c.Name != nil {
		g.Name = *c.Name
	}
	if c.Description != nil {
		g.Description = *c.Description
	}
	if c.Order != nil {
		if *c.Order < 0 || *c.Order > MaxGroupOrder {
			return invalid("order", "0 to %d", MaxGroupOrder)
		}
		g.Order = *c.Order
	}
	if err := checkText("name", g.Name, 200); err != nil {
		return err
	}
	return checkText("description", g.Description, 1000)
}

// checkText bounds a free text shown to people.
func checkText(field, text string, most int) error {
	unfit := func(r rune) bool { return unicode.IsControl(r) && r != '\n' || r == 0x2028 || r == 0x2029 }
	if !utf8.ValidString(text) || utf8.RuneCountInString(text) > most || strings.ContainsFunc(text, unfit) {
		return invalid(field, "at most %d characters, no control characters", most)
	}
	return nil
}

// Groups lists an organisation's groups in the order of their precedence.
func (s *Service) Groups(ctx context.Context, c Caller, org string, p Page) (all []Group, next string, err error) {
	scheme, err := s.governed(ctx, c, org)
	if err != nil {
		return nil, "", err
	}
	all, next = page(scheme.Groups, p, func(g Group) string { return fmt.Sprintf("%07d %s", g.Order, g.Slug) })
	return all, next, nil
}

// governed returns the scheme of now to a caller who may read the organisation.
func (s *Service) governed(ctx context.Context, c Caller, org string) (*Scheme, error) {
	org = orgOf(c, org)
	if !isOrg(org) || !c.MayRead(org) {
		return nil, errNoOrg
	}
	return s.latest(ctx, org)
}

// page cuts a page out of a list that is ordered by position.
func page[T any](all []T, p Page, position func(T) string) (some []T, next string) {
	from := 0
	if p.After != "" {
		from = len(all)
		if i := slices.IndexFunc(all, func(item T) bool { return position(item) > p.After }); i >= 0 {
			from = i
		}
	}
	all = all[from:]
	if p.Limit <= 0 || len(all) <= p.Limit {
		return slices.Clone(all), ""
	}
	return slices.Clone(all[:p.Limit]), position(all[p.Limit-1])
}

// Group returns the group of a slug, or NotFound.
func (s *Service) Group(ctx context.Context, c Caller, org, slug string) (Group, error) {
	scheme, err := s.governed(ctx, c, org)
	if err != nil {
		return Group{}, err
	}
	g := scheme.group(slug)
	if g == nil {
		return Group{}, errNoGroup
	}
	return *g, nil
}

// CreateGroup makes a group; its slug must be free.
func (s *Service) CreateGroup(ctx context.Context, c Caller, org string, change GroupChange) (Group, error) {
	org = orgOf(c, org)
	now := s.Now()
	g := Group{ID: strings.ToLower(rand.Text()), CreatedAt: now, UpdatedAt: now}
	err := mayGovern(c, org)
	if err == nil && change.Slug == nil {
		err = invalid("slug", "a group needs a slug")
	}
	if err == nil {
		err = g.change(change)
	}
	if err == nil {
		err = s.putGroup(ctx, c, org, &g, 0)
	}
	s.recordWrite(ctx, c, "group.create", org, groupRef(g), err)
	if err != nil {
		return Group{}, err
	}
	return g, nil
}

// UpdateGroup changes a group. want is the version it must have, nil for any.
func (s *Service) UpdateGroup(ctx context.Context, c Caller, org, slug string, want *uint64, change GroupChange) (Group, error) {
	org = orgOf(c, org)
	var g Group
	err := s.onGroup(ctx, c, org, slug, want, func(known Group) error {
		g = known
		if err := g.change(change); err != nil {
			return err
		}
		if g == known {
			return nil
		}
		g.UpdatedAt = s.Now()
		return s.putGroup(ctx, c, org, &g, known.Version)
	})
	s.recordWrite(ctx, c, "group.update", org, groupRef(g), err)
	if err != nil {
		return Group{}, err
	}
	return g, nil
}

func groupRef(g Group) string {
	if g.ID == "" {
		return ""
	}
	return "group:" + g.ID
}

func (s *Service) putGroup(ctx context.Context, c Caller, org string, g *Group, ifVersion uint64) error {
	scheme, err := s.latest(ctx, org)
	if err != nil {
		return err
	}
	if other := scheme.group(g.Slug); other != nil && other.ID != g.ID {
		return &Error{Code: Conflict, Field: "slug", Detail: "another group has this slug"}
	}
	if ifVersion == 0 && len(scheme.Groups) >= MaxGroups {
		return Exceeded("", "groups of this organisation", len(scheme.Groups)+1, MaxGroups)
	}
	g.Version, err = s.changeScheme(ctx, c, org, SchemeChange{PutGroup: g, IfVersion: ifVersion})
	return err
}

// onGroup runs do with a group as it is. If it is changed meanwhile that is PreconditionFailed for who wants a version, and do runs again
// for anybody else.
func (s *Service) onGroup(ctx context.Context, c Caller, org, slug string, want *uint64, do func(Group) error) error {
	if err := mayGovern(c, org); err != nil {
		return err
	}
	return s.retry(want, func() error {
		scheme, err := s.latest(ctx, org)
		if err != nil {
			return err
		}
		g := scheme.group(slug)
		if g == nil {
			return errNoGroup
		}
		if want != nil && *want != g.Version {
			return errVersion(g.Version)
		}
		return do(*g)
	})
}

func errVersion(current uint64) error {
	text := "none: there is no such object"
	if current != 0 {
		text = fmt.Sprint(current)
	}
	return &Error{Code: PreconditionFailed, Detail: "the current version is " + text}
}

// retry runs do again where somebody else was faster, unless the caller wants a version.
func (s *Service) retry(want *uint64, do func() error) error {
	var err error
	for range schemeAttempts {
		if err = do(); want != nil || !isCode(err, PreconditionFailed) {
			return err
		}
	}
	return Unknown("change the scheme", err)
}

// changeScheme makes a change of an organisation's scheme, of which this instance then knows nothing any more.
func (s *Service) changeScheme(ctx context.Context, c Caller, org string, change SchemeChange) (revision uint64, err error) {
	change.By, change.Via, change.At, change.Op = c.Ref(), via(ctx), s.Now(), newOp()
	revision, err = s.Store.ChangeScheme(ctx, org, change)
	s.forget(org)
	return revision, err
}

// DeleteGroup removes a group, and then what is in its shared document, which nobody inherits any more.
func (s *Service) DeleteGroup(ctx context.Context, c Caller, org, slug string, want *uint64) error {
	org = orgOf(c, org)
	var g Group
	err := s.onGroup(ctx, c, org, slug, want, func(known Group) error {
		g = known
		limits, err := s.limits(ctx, org)
		if err != nil {
			return err
		}
		revision, err := s.changeScheme(ctx, c, org, SchemeChange{DeleteGroup: g.ID, IfVersion: g.Version})
		if err != nil {
			return err
		}
		ctx, cancel := finishing(ctx)
		defer cancel()
		return s.emptyRemains(ctx, c, Owner{Org: org, Group: g.ID}, limits, revision)
	})
	s.recordWrite(ctx, c, "group.delete", org, groupRef(g), err)
	return err
}

// emptyRemains removes what is in the document of a group that is gone since a revision of the scheme.
func (s *Service) emptyRemains(ctx context.Context, c Caller, o Owner, limits Limits, revision uint64) error {
	for range sharedAttempts {
		_, err := s.Store.Apply(ctx, o, Patch{
			Replace: true, Brief: true, Limits: limits, Scheme: revision, ChangedBy: c.Ref(), Via: via(ctx), At: s.Now(), Op: newOp(),
		})
		s.forget(o.Org)
		if !errors.Is(err, ErrSchemeChanged) {
			return err
		}
		scheme, err := s.latest(ctx, o.Org)
		if err != nil {
			return err
		}
		revision = scheme.Revision
	}
	return ErrSchemeChanged
}

// Members lists the ids of a group's members.
func (s *Service) Members(ctx context.Context, c Caller, org, slug string, p Page) (users []string, next string, err error) {
	org = orgOf(c, org)
	g, err := s.Group(ctx, c, org, slug)
	if err != nil {
		return nil, "", err
	}
	return s.Store.Search(ctx, org, Query{Group: g.ID}, p)
}

// GroupsOf returns the groups a user is in, in the order of their precedence, with the revision of his document.
func (s *Service) GroupsOf(ctx context.Context, c Caller, t Target) ([]Group, uint64, error) {
	doc, scheme, err := s.grouped(ctx, c, t)
	if err != nil {
		return nil, 0, err
	}
	return scheme.groupsOf(doc.Groups), doc.Revision, nil
}

// grouped reads a user-wide document, and the scheme that has its groups.
func (s *Service) grouped(ctx context.Context, c Caller, t Target) (doc Document, scheme *Scheme, err error) {
	t.App, t.Shared = "", false
	err = s.read(ctx, c, t, func(o Owner) (err error) {
		if doc, err = s.Store.Get(ctx, o); err == nil {
			scheme, err = s.latest(ctx, o.Org)
		}
		return err
	})
	return doc, scheme, err
}

// groupsOf returns those of the scheme's groups that ids name.
func (s *Scheme) groupsOf(ids []string) []Group {
	var groups []Group
	for _, g := range s.Groups {
		if slices.Contains(ids, g.ID) {
			groups = append(groups, g)
		}
	}
	return groups
}

// groupIDs returns the ids of groups, ascending, and Invalid for a slug that names none.
func (s *Scheme) groupIDs(slugs []string) ([]string, error) {
	ids := make([]string, 0, len(slugs))
	for _, slug := range slugs {
		g := s.group(slug)
		if g == nil {
			return nil, invalid("groups", "there is no group %.100q", slug)
		}
		ids = append(ids, g.ID)
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

// checkGroups reports why a user cannot be in these groups.
func (s *Service) checkGroups(ctx context.Context, scheme *Scheme, o Owner, ids []string, limit int) error {
	if n := len(scheme.groupsOf(ids)); n > MaxGroupsOfUser {
		return Exceeded("groups", "groups of one user", n, MaxGroupsOfUser)
	}
	would := scheme.InheritedBytes(ids)
	if would <= limit {
		return nil
	}
	if o.User != "" {
		doc, err := s.Store.Get(ctx, o)
		if err != nil {
			return err
		}
		if would <= scheme.InheritedBytes(doc.Groups) {
			return nil
		}
	}
	return Exceeded("groups", "bytes of profile claims that the user would inherit", would, limit)
}

// SetGroups puts a user into these groups and no others. It is a change of his user-wide document, refused with LimitExceeded where he
// would inherit more than Limits.InheritedBytes.
func (s *Service) SetGroups(ctx context.Context, c Caller, t Target, slugs []string, pre Precondition) ([]Group, uint64, error) {
	return s.regroup(ctx, c, t, "group.set", pre, func(scheme *Scheme, _ []string) ([]string, error) { return scheme.groupIDs(slugs) })
}

// Join and Leave put a user into a group, or take him out. Being there already, or not, is no error.
func (s *Service) Join(ctx context.Context, c Caller, t Target, slug string) error {
	return s.move(ctx, c, t, slug, "group.join", func(ids []string, id string) []string { return append(ids, id) })
}

func (s *Service) Leave(ctx context.Context, c Caller, t Target, slug string) error {
	return s.move(ctx, c, t, slug, "group.leave", func(ids []string, id string) []string {
		return slices.DeleteFunc(ids, func(other string) bool { return other == id })
	})
}

// move is recorded twice, as what happened to the user and to the group.
func (s *Service) move(ctx context.Context, c Caller, t Target, slug, action string, change func(ids []string, id string) []string) error {
	var g Group
	_, _, err := s.regroup(ctx, c, t, action, Precondition{}, func(scheme *Scheme, ids []string) ([]string, error) {
		known := scheme.group(slug)
		if known == nil {
			return nil, errNoGroup
		}
		g = *known
		ids = change(ids, g.ID)
		slices.Sort(ids)
		return slices.Compact(ids), nil
	})
	if g.ID != "" {
		s.recordWrite(ctx, c, action, orgOf(c, t.Org), groupRef(g), err)
	}
	return err
}

// regroup changes the groups of a user to what to makes of those he is in; groups that are gone are left out.
func (s *Service) regroup(ctx context.Context, c Caller, t Target, action string, pre Precondition,
	to func(scheme *Scheme, ids []string) ([]string, error),
) ([]Group, uint64, error) {
	t.App, t.Shared = "", false
	org := orgOf(c, t.Org)
	if !isOrg(org) {
		return nil, 0, ErrUserNotFound
	}
	given := pre.IfMatch != nil || pre.IfNoneMatch != nil
	for range schemeAttempts {
		w := write{change: Change{Brief: true}, pre: pre, action: action, operators: true}
		if c.MayWrite(org) { // or else apply says what is to be said
			would, revision, err := s.regrouped(ctx, c, t, to)
			if err != nil {
				s.recordWrite(ctx, c, action, org, userRef(t.User, err), err)
				return nil, 0, err
			}
			if w.groups = &would; !given {
				w.pre = Precondition{IfMatch: &Condition{Revisions: []uint64{revision}}}
			}
		}
		done, err := s.apply(ctx, c, t, w)
		if isCode(err, PreconditionFailed) && !given {
			continue
		}
		if err != nil {
			return nil, 0, err
		}
		return done.Scheme.groupsOf(*w.groups), done.Document.Revision, nil
	}
	return nil, 0, Unknown("change groups", errors.New("the document kept changing"))
}

// regrouped returns what to makes of a user's groups, and the revision of the document that tells them.
func (s *Service) regrouped(ctx context.Context, c Caller, t Target, to func(scheme *Scheme, ids []string) ([]string, error),
) ([]string, uint64, error) {
	doc, scheme, err := s.grouped(ctx, c, t)
	if err != nil {
		return nil, 0, err
	}
	would, err := to(scheme, scheme.existing(doc.Groups))
	return would, doc.Revision, err
}
