package people

import (
	"context"
	"slices"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/profile"
	"github.com/claimsmith/claimsmith/metadata"
)

// pageWithDocuments is how many users' documents are held at once: each may have a megabyte and more.
const pageWithDocuments = 50

// Exported is a user as Import takes him.
type Exported struct {
	Person
	// PasswordHash is "" unless it was asked for and the caller may have it.
	PasswordHash string
	Groups       []string // slugs
}

// Export calls yield for every user of an organisation, until it returns an error. With secrets, those users whom the caller may manage
// come with the hash of their password, which takes a caller who may configure the organisation.
func (s *Service) Export(
	ctx context.Context, caller *auth.Caller, org string, secrets bool,
	step func(context.Context) (context.Context, context.CancelFunc), yield func(*Exported) error,
) error {
	org = caller.OrgOf(org)
	err := s.mayExport(caller, org, secrets)
	action := "user.export"
	if secrets {
		action = "user.export_secrets"
	}
	s.Audit.Record(ctx, auth.About(auth.Outcome(action, caller.Ref(), err), org, "org", org))
	if err != nil {
		return err
	}
	for after := ""; ; {
		page, next, err := s.exportPage(ctx, caller, org, secrets, after, step)
		if err != nil {
			return err
		}
		for n := range page {
			if err := yield(&page[n]); err != nil {
				return err
			}
		}
		if after = next; after == "" {
			return nil
		}
	}
}

func (s *Service) mayExport(caller *auth.Caller, org string, secrets bool) error {
	switch {
	case !caller.MayRead(org):
		return errNoOrg
	case secrets && !caller.MayConfigure(org):
		return &auth.Error{Code: auth.AccessDenied, Detail: "this credential may not export password hashes"}
	}
	return nil
}

func (s *Service) exportPage(
	ctx context.Context, caller *auth.Caller, org string, secrets bool, after string,
	step func(context.Context) (context.Context, context.CancelFunc),
) ([]Exported, string, error) {
	ctx, cancel := step(ctx)
	defer cancel()
	people, next, err := s.List(ctx, caller, org, true, auth.Page{After: after, Limit: pageWithDocuments})
	if err != nil {
		return nil, "", err
	}
	groups, err := s.Metadata.AllGroups(ctx, caller, org)
	if err != nil {
		return nil, "", err
	}
	page := make([]Exported, len(people))
	for n, p := range people {
		page[n].Person = p
		if s.Profile.PictureURL(&p.User, profile.PictureSizes[0]) != "" {
			page[n].Profile.Picture = "" // that of the picture kept here, which is not exported
		}
		if p.Document != nil {
			page[n].Groups = slugs(groups, p.Document)
		}
		if secrets {
			if page[n].PasswordHash, err = s.Users.PasswordHash(ctx, caller, p.ID); err != nil {
				return nil, "", err
			}
		}
	}
	return page, next, nil
}

// slugs are those of the groups of a document that still exist, in the order of their precedence.
func slugs(groups []metadata.Group, doc *metadata.Document) (names []string) {
	for _, g := range groups {
		if slices.Contains(doc.Groups, g.ID) {
			names = append(names, g.Slug)
		}
	}
	return names
}
