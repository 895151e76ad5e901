package metadata

import "slices"

// This file is the one place that decides who may read and write entries of a key.

// readable reports whether a caller who may see a document sees its entries of the key that d defines; nil is no definition.
func readable(c Caller, org string, d *Definition) bool {
	return d.reads() != ForOperators || c.MayWrite(org)
}

// The rules of a definition, with what "" and no definition mean.

func (d *Definition) claims() ClaimRule {
	if d == nil || d.Claim == "" {
		return ClaimOptional
	}
	return d.Claim
}

func (d *Definition) writes() Audience {
	if d == nil || d.Write == "" {
		return ForOperators
	}
	return d.Write
}

func (d *Definition) reads() Audience {
	if d == nil || d.Read == "" {
		return ForServices
	}
	return d.Read
}

func (d *Definition) bytes() int {
	if d == nil || d.MaxBytes == 0 {
		return MaxValueBytes
	}
	return d.MaxBytes
}

// selfClaims reports whether users may write claims of the key themselves.
func (d *Definition) selfClaims() bool { return d.writes() == ForSelf && d.mayBeClaim() }

// marks reports whether an entry of the key is a profile claim where nobody said so.
func (d *Definition) marks() bool {
	return d.claims() == ClaimAlways || d.claims() == ClaimOptional && d != nil && d.ProfileClaim
}

// group returns the group of a slug, groupByID that of an id, nil if there is none.
func (s *Scheme) group(slug string) *Group {
	return s.findGroup(func(g Group) bool { return g.Slug == slug })
}

func (s *Scheme) groupByID(id string) *Group {
	return s.findGroup(func(g Group) bool { return g.ID == id })
}

func (s *Scheme) findGroup(is func(Group) bool) *Group {
	i := slices.IndexFunc(s.Groups, is)
	if i < 0 {
		return nil
	}
	return &s.Groups[i]
}
