package page

import (
	"cmp"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/claims"
)

// Fact is something that is known, by its name.
type Fact struct{ Name, Value string }

// NameOf is what a user is called.
func NameOf(u *auth.User) string {
	if u == nil {
		return ""
	}
	return cmp.Or(u.Profile.Name, NameToLogIn(u), u.ID)
}

// NameToLogIn is a name the user can log in by, "" for none.
func NameToLogIn(u *auth.User) string {
	if u == nil {
		return ""
	}
	if handles := u.Handles(); len(handles) > 0 {
		return handles[0].Canonical
	}
	return ""
}

// ProfileFields are the fields of a profile that mean something to a person, by the name of their claim.
func ProfileFields(p *claims.Profile) []Fact {
	return []Fact{
		{"name", p.Name}, {"given_name", p.GivenName}, {"middle_name", p.MiddleName}, {"family_name", p.FamilyName},
		{"nickname", p.Nickname}, {"preferred_username", p.PreferredUsername}, {"email", p.Email}, {"phone_number", p.PhoneNumber},
		{"address", addressLine(p.Address)}, {"birthdate", p.Birthdate}, {"gender", p.Gender}, {"website", p.Website},
		{"profile", p.ProfileURL}, {"picture", p.Picture}, {"locale", p.Locale}, {"zoneinfo", p.Zoneinfo},
	}
}

func addressLine(a claims.Address) string {
	if a.Formatted != "" {
		return a.Formatted
	}
	line := ""
	for _, part := range []string{a.StreetAddress, a.PostalCode, a.Locality, a.Region, a.Country} {
		if part != "" && line != "" {
			line += ", "
		}
		line += part
	}
	return line
}

// Readable is a JSON value as people read it: a string without its quotes, unless there is nothing else to see of it. Every other value
// stays as it is, numbers to the last digit.
func Readable(value string) string {
	if text, err := jsontext.AppendUnquote(nil, value); err == nil && strings.TrimSpace(string(text)) != "" {
		return string(text)
	}
	return value
}
