package metadata

import (
	"context"
	"strings"
)

// This file is what is read and changed of many users at once.

// GetAll reads the user-wide documents of users by their ids, in their order; that of a user who is not there is nil. It is for callers
// who may read the organisation.
func (s *Service) GetAll(ctx context.Context, c Caller, org string, users []string) ([]*Document, error) {
	if !c.MayRead(org) {
		return nil, ErrUserNotFound
	}
	scheme, err := s.scheme(ctx, org)
	if err != nil {
		return nil, err
	}
	documents, err := s.Store.GetAll(ctx, org, users)
	if err != nil {
		return nil, err
	}
	for _, d := range documents {
		if d != nil {
			*d = visible(c, org, scheme, *d)
		}
	}
	return documents, nil
}

// AllGroups returns all groups of an organisation in the order of their precedence, to callers who may read it.
func (s *Service) AllGroups(ctx context.Context, c Caller, org string) ([]Group, error) {
	if !c.MayRead(org) {
		return nil, errNoOrg
	}
	scheme, err := s.scheme(ctx, org)
	if err != nil {
		return nil, err
	}
	return scheme.Groups, nil
}

// Documents lists what documents there are about a user in an organisation, see Store.Documents.
func (s *Service) Documents(ctx context.Context, c Caller, t Target) (all []Owner, err error) {
	t.App = ""
	err = s.read(ctx, c, t, func(o Owner) (err error) {
		all, err = s.Store.Documents(ctx, o.Org, o.User)
		return err
	})
	return all, err
}

// Make is Apply and SetGroups in one change. Groups are slugs, nil leaves the user in his. A dry run refuses what would be refused and
// returns the document as it would be.
func (s *Service) Make(
	ctx context.Context, c Caller, t Target, change Change, groups *[]string, pre Precondition, dryRun bool,
) (Document, error) {
	w := write{change: change, pre: pre, dryRun: dryRun}
	org := orgOf(c, t.Org)
	var err error
	if w.groups, err = s.namedGroups(ctx, c, org, groups); err != nil {
		return Document{}, err
	}
	out, err := s.apply(ctx, c, t, w)
	if err != nil {
		return Document{}, err
	}
	return visible(c, org, out.Scheme, out.Document), nil
}

// namedGroups are the groups of a write by their slugs.
func (s *Service) namedGroups(ctx context.Context, c Caller, org string, slugs *[]string) (*[]string, error) {
	if slugs == nil {
		return nil, nil
	}
	if !isOrg(org) || !c.MayWrite(org) { // nobody else is told which groups there are
		return &[]string{}, nil
	}
	ids, err := s.idsOf(ctx, org, *slugs)
	return &ids, err
}

// idsOf returns the ids of groups, ascending.
func (s *Service) idsOf(ctx context.Context, org string, slugs []string) (ids []string, err error) {
	err = s.underScheme(ctx, org, func(scheme *Scheme) (err error) {
		ids, err = scheme.groupIDs(slugs)
		return err
	})
	return ids, err
}

// CheckNew reports what Make would refuse about a user of the organisation who has nothing yet. It is for callers who may write there.
func (s *Service) CheckNew(ctx context.Context, c Caller, org string, change Change, groups *[]string) error {
	if err := mayGovern(c, org); err != nil {
		return err
	}
	patch, err := s.patch(ctx, c, change, Precondition{})
	if err != nil {
		return err
	}
	if patch.Limits, err = s.limits(ctx, org); err != nil {
		return err
	}
	return s.underScheme(ctx, org, func(scheme *Scheme) error {
		checked := patch
		if groups != nil {
			ids, err := scheme.groupIDs(*groups)
			if err != nil {
				return err
			}
			checked.Groups = &ids
		}
		if err := s.check(ctx, scheme, Owner{Org: org}, false, &checked); err != nil {
			return err
		}
		return checked.fits()
	})
}

// CheckNewApplications reports what Make would refuse about so many applications that each keep something about a user who has nothing
// yet. It is for callers who may write in the organisation.
func (s *Service) CheckNewApplications(ctx context.Context, c Caller, org string, n int) error {
	if err := mayGovern(c, org); err != nil {
		return err
	}
	limits, err := s.limits(ctx, org)
	if err != nil {
		return err
	}
	if n > limits.Applications {
		return Exceeded("", "application documents about this user", n, limits.Applications)
	}
	return nil
}

// fits reports what a store would refuse about a checked patch of an empty document.
func (p *Patch) fits() error {
	bytes, claims := 0, 0
	for _, put := range p.Set {
		bytes += len(put.Key) + len(put.Value.raw)
		if put.ProfileClaim {
			claims += ClaimBytes(put.Key, put.Value)
		}
	}
	for _, limit := range []struct {
		what         string
		would, limit int
	}{
		{"entries of this document", len(p.Set), p.Limits.Entries},
		{"bytes of keys and values in this document", bytes, p.Limits.DocumentBytes},
		{"bytes of profile claims in this document", claims, p.Limits.ClaimsBytes},
	} {
		if limit.would > limit.limit {
			return Exceeded("", limit.what, limit.would, limit.limit)
		}
	}
	spelt := map[string]string{}
	for _, put := range p.Set {
		if put.ProfileClaim && put.Value.kind != KindJSON {
			return &Error{Code: Conflict, Field: put.Key, Detail: "the entry is a profile claim, which a value of bytes cannot be"}
		}
		folded := strings.ToLower(put.Key) // claim keys are ASCII
		if other, taken := spelt[folded]; taken && put.ProfileClaim {
			return &Error{Code: Conflict, Field: put.Key, Detail: "the profile claim " + other + " differs only in case"}
		}
		if put.ProfileClaim {
			spelt[folded] = put.Key
		}
	}
	return nil
}
