package profile

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/claims"
	"github.com/claimsmith/claimsmith/metadata"
)

// accountMembers are the names, in lower case, that mean the record in ibl.ai's profile, and so are never those of entries: the members of
// the account, ibl.ai's own, and facts that nobody states about himself (row L-12).
var accountMembers = members(
	publicFields, sharableFields, readOnly, slices.Collect(maps.Keys(fields(nil))), []string{
		"id", "email", "last_login", "verified_name", "pending_name_change", "secondary_email_enabled", "activation_key",
		"accomplishments_shared",
		"about", "title", "language", "is_profile_public", "profile_image_url",
		"sub", "user_id", "email_verified", "phone_number_verified", "is_staff", "is_superuser",
	})

func members(lists ...[]string) map[string]bool {
	all := map[string]bool{}
	for _, name := range slices.Concat(lists...) {
		all[name] = true
	}
	return all
}

func isAccountMember(name string) bool { return accountMembers[strings.ToLower(name)] }

// Extended reads it for the person himself and who may read: AccessDenied for other people of the organisation, NotFound for nobody.
func (s *Service) Extended(ctx context.Context, caller *auth.Caller, name string) (Extended, error) {
	user, err := s.ofHis(ctx, caller, name)
	if err != nil {
		return Extended{}, err
	}
	return s.extended(ctx, caller, user)
}

func (s *Service) extended(ctx context.Context, caller *auth.Caller, user auth.User) (Extended, error) {
	account, err := s.account(ctx, user, true)
	if err != nil {
		return Extended{}, err
	}
	doc, err := s.Metadata.Get(ctx, caller, metadata.Target{Org: caller.HomeOrg(), User: user.ID})
	if err != nil {
		return Extended{}, err
	}
	entries := slices.DeleteFunc(doc.Entries, func(e metadata.Entry) bool { return isAccountMember(e.Key) })
	return Extended{account, entries}, nil
}

// SetExtended changes what is named, for the person himself and who may write. Members of the account change that (Faults), the others
// are entries, under the rules of metadata.Service. What cannot be changed here is passed over; the address is the person's own business.
func (s *Service) SetExtended(ctx context.Context, caller *auth.Caller, name string, members map[string]jsontext.Value) (Extended, error) {
	user, err := s.ofHis(ctx, caller, name)
	_, isUser := caller.Self(caller.HomeOrg())
	if err == nil && !isUser && !caller.MayWrite(caller.HomeOrg()) {
		err = errNotHis
	}
	if err != nil {
		return Extended{}, s.refused(ctx, caller, err)
	}
	var c change
	c.read(s.extendedFields(), members)
	if value, sent := members["email"]; sent {
		c.readEmail(&user, value)
		if c.email != "" && !isUser {
			_, fault := notEditable("email", value)
			c.fault("email", fault)
		}
	}
	puts, err := entriesOf(members)
	if err != nil {
		return Extended{}, err
	}
	if err := s.check(&c, &user); err != nil {
		return Extended{}, err
	}
	if len(c.edits) > 0 { // or entries would be written for nothing by who operates one of his further organisations
		_, err := s.Users.Person(ctx, caller, caller.HomeOrg(), user.ID, true)
		if auth.CodeOf(err) == auth.NotFound {
			err = errNotHis
		}
		if err != nil {
			return Extended{}, s.refused(ctx, caller, err)
		}
	}
	if len(puts) > 0 {
		target := metadata.Target{Org: caller.HomeOrg(), User: user.ID}
		if _, err := s.Metadata.Apply(ctx, caller, target, metadata.Change{Set: puts}, metadata.Precondition{}); err != nil {
			return Extended{}, err
		}
	}
	if user, err = s.make(ctx, caller, user, &c); err != nil {
		return Extended{}, err
	}
	return s.extended(ctx, caller, user)
}

// extendedFields are the members of the account and ibl.ai's names for some of them. What cannot be changed is left out.
func (s *Service) extendedFields() map[string]field {
	all := fields(s.Now)
	for _, name := range readOnly {
		delete(all, name)
	}
	all["about"] = bio // should both be sent, bio counts
	all["title"] = line(func(_ *claims.Profile, b *auth.Biography) *string { return &b.Title })
	all["language"] = locale
	all["is_profile_public"] = isPublic
	return all
}

// locale reads the standard claim of that name.
func locale(name string, value jsontext.Value) (edit, *Fault) {
	text, fault := words(name, value)
	wanted := parseLocale(text)
	if fault == nil && text != "" && wanted == "" {
		fault = invalid(name, value, "A language is a tag as in en or pt-BR.")
	}
	if fault != nil {
		return nil, fault
	}
	return func(p *claims.Profile, b *auth.Biography) { setLocale(p, b, wanted) }, nil
}

// isPublic reads whether the profile is for all. One that shows some of it to all is not, and stays so where it is not to be.
func isPublic(name string, value jsontext.Value) (edit, *Fault) {
	switch value.Kind() {
	case 't':
		return func(_ *claims.Profile, b *auth.Biography) { b.Privacy = auth.PrivacyAll }, nil
	case 'f':
		return func(_ *claims.Profile, b *auth.Biography) {
			if b.Privacy != auth.PrivacyCustom {
				b.Privacy = auth.PrivacyPrivate
			}
		}, nil
	case 'n':
		return nil, isNull(name, value)
	}
	return nil, invalid(name, value, "Must be a valid boolean.")
}

// entriesOf are the members that are none of the account, in the order of their names.
func entriesOf(members map[string]jsontext.Value) (puts []metadata.Put, err error) {
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if isAccountMember(name) {
			continue
		}
		value, err := metadata.JSON(members[name])
		if err != nil {
			return nil, ofMember(name, err)
		}
		puts = append(puts, metadata.Put{Key: name, Value: value, Kept: true})
	}
	return puts, nil
}

// ofMember is an error of metadata with the name of the member it is about.
func ofMember(name string, err error) error {
	refused, ok := errors.AsType[*metadata.Error](err)
	if !ok {
		return err
	}
	about := *refused
	about.Field = name
	return &about
}
