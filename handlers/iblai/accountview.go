package iblai

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/profile"
)

// member is a member of an object whose members have an order.
type member struct {
	name  string
	value any
}

// ordered is a JSON object with its members in their order.
type ordered []member

// MarshalJSONTo implements json.MarshalerTo.
func (o ordered) MarshalJSONTo(e *jsontext.Encoder) error {
	if err := e.WriteToken(jsontext.BeginObject); err != nil {
		return err
	}
	for _, m := range o {
		if err := e.WriteToken(jsontext.String(m.name)); err != nil {
			return err
		}
		if err := json.MarshalEncode(e, m.value); err != nil {
			return err
		}
	}
	return e.WriteToken(jsontext.EndObject)
}

// nameOf is what a user is called: by his username, else by his address if that is his, else by his id.
func nameOf(u *auth.User) string {
	if u.Username == "" && u.EmailVerified {
		return cmp.Or(u.Email, u.ID)
	}
	return cmp.Or(u.Username, u.ID)
}

// orNull is a text, or null for none.
func orNull[T comparable](value T) any {
	var none T
	if value == none {
		return nil
	}
	return value
}

// image is a picture in the sizes of Open edX.
type image struct {
	HasImage bool   `json:"has_image"`
	Full     string `json:"image_url_full"`   // 500 pixels wide and high
	Large    string `json:"image_url_large"`  // 120
	Medium   string `json:"image_url_medium"` // 50
	Small    string `json:"image_url_small"`  // 30
}

func (d *Dialect) viewImage(u *auth.User) image {
	of := func(size int) string {
		standard := d.Profile.Issuer + "/picture/default_" + strconv.Itoa(size) + ".png"
		return cmp.Or(d.Profile.PictureURL(u, size), u.Profile.Picture, standard)
	}
	return image{
		HasImage: d.Profile.PictureURL(u, 500) != "" || u.Profile.Picture != "",
		Full:     of(500), Large: of(120), Medium: of(50), Small: of(30),
	}
}

type languageView struct {
	Code string `json:"code"`
}

type linkView struct {
	Platform string `json:"platform"`
	Link     string `json:"social_link"`
}

type fieldView struct {
	Name  string `json:"field_name"`
	Value string `json:"field_value"`
}

// viewAccount shows what the caller may see of an account, in the order of Open edX.
func (d *Dialect) viewAccount(a *profile.Account) ordered {
	return slices.DeleteFunc(d.accountMembers(a), func(m member) bool { return !a.Shows(m.name) })
}

func (d *Dialect) accountMembers(a *profile.Account) ordered {
	u, p, b := &a.User, &a.User.Profile, &a.User.Biography
	return ordered{
		{"account_privacy", a.Privacy},
		{"profile_image", d.viewImage(u)},
		{"username", nameOf(u)},
		{"bio", orNull(b.Bio)},
		{"course_certificates", nil},
		{"country", orNull(profile.Country(u))},
		{"date_joined", u.CreatedAt.UTC().Format(time.RFC3339)},
		{"language_proficiencies", viewLanguages(u)},
		{"level_of_education", orNull(b.LevelOfEducation)},
		{"social_links", viewLinks(u)},
		{"time_zone", orNull(p.Zoneinfo)},
		{"name", p.Name},
		{"email", u.Email},
		{"id", a.Number},
		{"verified_name", nil},
		{"extended_profile", viewExtendedFields(b.Extended)},
		{"gender", orNull(profile.Gender(u))},
		{"state", orNull(p.Address.Region)},
		{"goals", b.Goals},
		{"is_active", !u.Disabled},
		{"last_login", nil},
		{"mailing_address", p.Address.Formatted},
		{"requires_parental_consent", a.ParentalConsent},
		{"secondary_email", nil},
		{"secondary_email_enabled", nil},
		{"year_of_birth", orNull(profile.YearOfBirth(u))},
		{"phone_number", orNull(p.PhoneNumber)},
		{"pending_name_change", nil},
	}
}

func viewLanguages(u *auth.User) []languageView {
	var all []languageView
	for _, code := range profile.Languages(u) {
		all = append(all, languageView{code})
	}
	return all
}

func viewLinks(u *auth.User) []linkView {
	var all []linkView
	for _, link := range profile.Links(u) {
		all = append(all, linkView{link.Platform, link.URL})
	}
	return all
}

func viewExtendedFields(fields []auth.ExtendedField) []fieldView {
	var all []fieldView
	for _, f := range fields {
		all = append(all, fieldView{f.Name, f.Value})
	}
	return all
}
