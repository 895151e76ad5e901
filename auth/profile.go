package auth

import (
	"net/url"
	"regexp"

	"github.com/claimsmith/claimsmith/claims"
)

// maxProfileField bounds each profile field, in bytes, so that userinfo stays small.
const maxProfileField = 1024

var (
	birthdate   = regexp.MustCompile(`^([0-9]{4}|[0-9]{4}-[0-9]{2}-[0-9]{2})$`)
	phoneNumber = regexp.MustCompile(`^\+[0-9]{5,15}$`)
)

// checkProfile holds a profile to OpenID Connect Core §5.1. Addresses of pages must be https, since others show them as links.
func checkProfile(p *claims.Profile) error {
	for name, value := range map[string]string{
		"name": p.Name, "given_name": p.GivenName, "family_name": p.FamilyName, "middle_name": p.MiddleName,
		"nickname": p.Nickname, "preferred_username": p.PreferredUsername, "gender": p.Gender, "zoneinfo": p.Zoneinfo,
		"locale": p.Locale, "address/street_address": p.Address.StreetAddress, "address/locality": p.Address.Locality,
		"address/region": p.Address.Region, "address/postal_code": p.Address.PostalCode, "address/country": p.Address.Country,
	} {
		if len(value) > maxProfileField || !printable(value) {
			return invalidProfile(name, "at most 1024 bytes, no control characters")
		}
	}
	if len(p.Address.Formatted) > maxProfileField {
		return invalidProfile("address/formatted", "at most 1024 bytes")
	}
	for name, value := range map[string]string{"profile": p.ProfileURL, "picture": p.Picture, "website": p.Website} {
		u, err := url.Parse(value)
		if value != "" && (err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || len(value) > maxProfileField) {
			return invalidProfile(name, "an https URL of at most 1024 bytes")
		}
	}
	if p.Birthdate != "" && !birthdate.MatchString(p.Birthdate) {
		return invalidProfile("birthdate", "YYYY-MM-DD, 0000-MM-DD or YYYY")
	}
	if p.PhoneNumber != "" && !phoneNumber.MatchString(p.PhoneNumber) {
		return invalidProfile("phone_number", "a number as in +14155550100")
	}
	if p.PhoneNumber == "" && p.PhoneNumberVerified {
		return invalidProfile("phone_number_verified", "there is no phone_number to be verified")
	}
	return nil
}

func invalidProfile(field, allowed string) error {
	return &Error{Code: InvalidRequest, Field: "profile/" + field, Detail: allowed}
}

// StandardProfile is what OpenID Connect says of a user, with the facts of his record in their place.
func StandardProfile(u *User) claims.Profile {
	p := u.Profile
	if p.PreferredUsername == "" {
		p.PreferredUsername = u.Username
	}
	p.Email, p.EmailVerified, p.UpdatedAt = u.Email, u.EmailVerified, u.UpdatedAt
	return p
}
