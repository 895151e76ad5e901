package native

import (
	"github.com/claimsmith/claimsmith/claims"
)

// profileBody is the part of a user's profile the record itself does not already show.
type profileBody struct {
	Name                string       `json:"name,omitempty"`
	GivenName           string       `json:"given_name,omitempty"`
	FamilyName          string       `json:"family_name,omitempty"`
	MiddleName          string       `json:"middle_name,omitempty"`
	Nickname            string       `json:"nickname,omitempty"`
	PreferredUsername   string       `json:"preferred_username,omitempty"`
	Profile             string       `json:"profile,omitempty"`
	Picture             string       `json:"picture,omitempty"`
	Website             string       `json:"website,omitempty"`
	Gender              string       `json:"gender,omitempty"`
	Birthdate           string       `json:"birthdate,omitempty"`
	Zoneinfo            string       `json:"zoneinfo,omitempty"`
	Locale              string       `json:"locale,omitempty"`
	PhoneNumber         string       `json:"phone_number,omitempty"`
	PhoneNumberVerified bool         `json:"phone_number_verified,omitzero"`
	Address             *addressBody `json:"address,omitempty"`
}

type addressBody struct {
	Formatted     string `json:"formatted,omitempty"`
	StreetAddress string `json:"street_address,omitempty"`
	Locality      string `json:"locality,omitempty"`
	Region        string `json:"region,omitempty"`
	PostalCode    string `json:"postal_code,omitempty"`
	Country       string `json:"country,omitempty"`
}

// profilePatch changes the members that are there; "" removes one.
type profilePatch struct {
	Name                *string      `json:"name"`
	GivenName           *string      `json:"given_name"`
	FamilyName          *string      `json:"family_name"`
	MiddleName          *string      `json:"middle_name"`
	Nickname            *string      `json:"nickname"`
	PreferredUsername   *string      `json:"preferred_username"`
	Profile             *string      `json:"profile"`
	Picture             *string      `json:"picture"`
	Website             *string      `json:"website"`
	Gender              *string      `json:"gender"`
	Birthdate           *string      `json:"birthdate"`
	Zoneinfo            *string      `json:"zoneinfo"`
	Locale              *string      `json:"locale"`
	PhoneNumber         *string      `json:"phone_number"`
	PhoneNumberVerified *bool        `json:"phone_number_verified"`
	Address             *addressBody `json:"address"` // as a whole
}

func viewProfile(p *claims.Profile) profileBody {
	body := profileBody{
		Name: p.Name, GivenName: p.GivenName, FamilyName: p.FamilyName, MiddleName: p.MiddleName, Nickname: p.Nickname,
		PreferredUsername: p.PreferredUsername, Profile: p.ProfileURL, Picture: p.Picture, Website: p.Website, Gender: p.Gender,
		Birthdate: p.Birthdate, Zoneinfo: p.Zoneinfo, Locale: p.Locale, PhoneNumber: p.PhoneNumber,
		PhoneNumberVerified: p.PhoneNumberVerified,
	}
	if p.Address != (claims.Address{}) {
		address := addressBody(p.Address)
		body.Address = &address
	}
	return body
}

func (b profilePatch) apply(p *claims.Profile) {
	for _, f := range []struct{ field, value *string }{
		{&p.Name, b.Name}, {&p.GivenName, b.GivenName}, {&p.FamilyName, b.FamilyName}, {&p.MiddleName, b.MiddleName},
		{&p.Nickname, b.Nickname}, {&p.PreferredUsername, b.PreferredUsername}, {&p.ProfileURL, b.Profile},
		{&p.Picture, b.Picture}, {&p.Website, b.Website}, {&p.Gender, b.Gender}, {&p.Birthdate, b.Birthdate},
		{&p.Zoneinfo, b.Zoneinfo}, {&p.Locale, b.Locale}, {&p.PhoneNumber, b.PhoneNumber},
	} {
		if f.value != nil {
			*f.field = *f.value
		}
	}
	if b.PhoneNumberVerified != nil {
		p.PhoneNumberVerified = *b.PhoneNumberVerified
	}
	if b.Address != nil {
		p.Address = claims.Address(*b.Address)
	}
}
