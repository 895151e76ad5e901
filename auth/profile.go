package auth

import (
	"net/url"
	"regexp"
	"strings"

	"github.com/claimsmith/claimsmith/claims"
)

// maxProfileField bounds each profile field, in bytes, so that userinfo stays small.
const maxProfileField = 1024

var (
	birthdate   = regexp.MustCompile(`^([0-9]{4}|[0-9]{4}-[0-9]{2}-[0-9]{2})$`)
	phoneNumber = regexp.MustCompile(`^\+?[0-9]{5,15}$`) // E.164, or as it is dialled
)

// checkProfile holds a profile to OpenID Connect Core §5.1. Addresses of pages must be https, since others show them as links; one of a
// picture may also lie below the issuer, which is http where somebody tries the program.
func checkProfile(p *claims.Profile, issuer string) error {
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
		own := name == "picture" && issuer != "" && strings.HasPrefix(value, issuer+"/") && printable(value) && len(value) <= maxProfileField
		if value != "" && !own && !isPage(value) {
			return invalidProfile(name, "an https URL of at most 1024 bytes")
		}
	}
	if p.Birthdate != "" && !birthdate.MatchString(p.Birthdate) {
		return invalidProfile("birthdate", "YYYY-MM-DD, 0000-MM-DD or YYYY")
	}
	if p.PhoneNumber != "" && !phoneNumber.MatchString(p.PhoneNumber) {
		return invalidProfile("phone_number", "5 to 15 digits, and a + before them where they begin with the country's: +14155550100")
	}
	if p.PhoneNumber == "" && p.PhoneNumberVerified {
		return invalidProfile("phone_number_verified", "there is no phone_number to be verified")
	}
	return nil
}

// isPage reports whether a text is the address of a page that may be shown as a link.
func isPage(text string) bool {
	u, err := url.Parse(text)
	return err == nil && u.Scheme == "https" && u.Host != "" && u.User == nil && len(text) <= maxProfileField
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
