package claims

import (
	"iter"
	"slices"
	"time"
)

// UserInfo is the answer of the userinfo endpoint (OpenID Connect Core §5.3.2) but for its metadata claims.
type UserInfo struct {
	Subject string
	Org     string
	// Scope and Requested, the names from the claims parameter (OpenID Connect Core §5.4, §5.5), decide together which of
	// Profile is told.
	Scope     string
	Requested []string
	Profile   Profile
	// The revisions and UserMetadata are as in [AccessToken], but that nothing is too large here.
	Revision     uint64
	AppRevision  uint64
	OrgRevision  uint64
	UserMetadata UserMetadata
}

// AppendJSON appends the answer to dst, with metadata claims as [AccessToken.AppendJSON] writes them.
func (u *UserInfo) AppendJSON(dst []byte, profile iter.Seq2[string, string]) []byte {
	dst = appendMetadata(append(dst, '{'), profile)
	dst = appendUserMetadata(dst, u.UserMetadata)
	dst = u.Profile.append(dst, u.Scope, u.Requested)
	dst = appendText(dst, "sub", u.Subject)
	dst = appendText(dst, "org", u.Org)
	dst = appendCount(dst, "claims_rev", u.Revision)
	dst = appendCount(dst, "claims_app_rev", u.AppRevision)
	dst = appendCount(dst, "claims_org_rev", u.OrgRevision)
	return append(dst, '}')
}

// Profile is what OpenID Connect Core §5.1 defines about a person. Its JSON form by tags is for records; tokens and
// userinfo get it through [UserInfo] and [IDToken], where updated_at is a number.
type Profile struct {
	Name                string    `json:"name,omitzero"`
	GivenName           string    `json:"given_name,omitzero"`
	FamilyName          string    `json:"family_name,omitzero"`
	MiddleName          string    `json:"middle_name,omitzero"`
	Nickname            string    `json:"nickname,omitzero"`
	PreferredUsername   string    `json:"preferred_username,omitzero"`
	ProfileURL          string    `json:"profile,omitzero"`
	Picture             string    `json:"picture,omitzero"`
	Website             string    `json:"website,omitzero"`
	Gender              string    `json:"gender,omitzero"`
	Birthdate           string    `json:"birthdate,omitzero"` // YYYY-MM-DD, 0000-MM-DD or YYYY
	Zoneinfo            string    `json:"zoneinfo,omitzero"`
	Locale              string    `json:"locale,omitzero"` // BCP 47
	UpdatedAt           time.Time `json:"updated_at,omitzero"`
	Email               string    `json:"email,omitzero"`
	EmailVerified       bool      `json:"email_verified,omitzero"`
	PhoneNumber         string    `json:"phone_number,omitzero"` // E.164
	PhoneNumberVerified bool      `json:"phone_number_verified,omitzero"`
	Address             Address   `json:"address,omitzero"`
}

// Address is the address claim (OpenID Connect Core §5.1.1).
type Address struct {
	Formatted     string `json:"formatted,omitzero"`
	StreetAddress string `json:"street_address,omitzero"`
	Locality      string `json:"locality,omitzero"`
	Region        string `json:"region,omitzero"`
	PostalCode    string `json:"postal_code,omitzero"`
	Country       string `json:"country,omitzero"`
}

// append writes the members that have a value and that a scope (OpenID Connect Core §5.4) or a name in requested releases.
func (p *Profile) append(dst []byte, scope string, requested []string) []byte {
	released := func(byScope bool, name string) bool { return byScope || slices.Contains(requested, name) }
	text := func(byScope bool, name, value string) {
		if released(byScope, name) {
			dst = appendText(dst, name, value)
		}
	}

	profile := scopeHas(scope, "profile")
	text(profile, "name", p.Name)
	text(profile, "given_name", p.GivenName)
	text(profile, "family_name", p.FamilyName)
	text(profile, "middle_name", p.MiddleName)
	text(profile, "nickname", p.Nickname)
	text(profile, "preferred_username", p.PreferredUsername)
	text(profile, "profile", p.ProfileURL)
	text(profile, "picture", p.Picture)
	text(profile, "website", p.Website)
	text(profile, "gender", p.Gender)
	text(profile, "birthdate", p.Birthdate)
	text(profile, "zoneinfo", p.Zoneinfo)
	text(profile, "locale", p.Locale)
	if released(profile, "updated_at") {
		dst = appendTime(dst, "updated_at", p.UpdatedAt)
	}

	email := scopeHas(scope, "email")
	text(email, "email", p.Email)
	if p.Email != "" && released(email, "email_verified") {
		dst = appendBool(dst, "email_verified", p.EmailVerified)
	}

	phone := scopeHas(scope, "phone")
	text(phone, "phone_number", p.PhoneNumber)
	if p.PhoneNumber != "" && released(phone, "phone_number_verified") {
		dst = appendBool(dst, "phone_number_verified", p.PhoneNumberVerified)
	}

	if p.Address != (Address{}) && released(scopeHas(scope, "address"), "address") {
		dst = p.Address.append(appendName(dst, "address"))
	}
	return dst
}

func (a *Address) append(dst []byte) []byte {
	dst = append(dst, '{')
	dst = appendText(dst, "formatted", a.Formatted)
	dst = appendText(dst, "street_address", a.StreetAddress)
	dst = appendText(dst, "locality", a.Locality)
	dst = appendText(dst, "region", a.Region)
	dst = appendText(dst, "postal_code", a.PostalCode)
	dst = appendText(dst, "country", a.Country)
	return append(dst, '}')
}
