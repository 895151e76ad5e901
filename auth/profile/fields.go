package profile

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/claims"
)

// edit makes a member of a record what a value asks for.
type edit func(p *claims.Profile, b *auth.Biography)

// field reads the value of a member: what it asks for, or what is wrong with it.
type field func(name string, value jsontext.Value) (edit, *Fault)

// Bounds of texts, in characters.
const (
	maxBio   = 300
	maxText  = 2000
	maxShort = 255
	// maxClaim bounds what is a standard claim, in bytes.
	maxClaim = 1024
)

// fields are the members of edX's account that a change can name, but for email. What they read as null is null or "" when it is written.
func fields(now func() time.Time) map[string]field {
	all := map[string]field{
		"name":                   fullName,
		"bio":                    bio,
		"goals":                  text(maxText, 4*maxText, func(p *claims.Profile, b *auth.Biography) *string { return &b.Goals }),
		"mailing_address":        text(maxClaim, maxClaim, func(p *claims.Profile, b *auth.Biography) *string { return &p.Address.Formatted }),
		"state":                  line(func(p *claims.Profile, b *auth.Biography) *string { return &p.Address.Region }),
		"gender":                 oneOf(genders, setGender),
		"level_of_education":     oneOf(levels, func(p *claims.Profile, b *auth.Biography, code string) { b.LevelOfEducation = code }),
		"country":                country,
		"year_of_birth":          yearOfBirth(now),
		"phone_number":           phoneNumber,
		"account_privacy":        privacy(auth.PrivacyAll, auth.PrivacyPrivate),
		"language_proficiencies": languages,
		"social_links":           socialLinks,
		"extended_profile":       extendedProfile,
	}
	for _, name := range readOnly {
		all[name] = notEditable
	}
	return all
}

// readOnly are the members of an account that edX says are no member to change. Others that cannot be changed it passes over.
var readOnly = []string{
	"username", "date_joined", "is_active", "profile_image", "requires_parental_consent", "password_toggle_history",
	"secondary_email", // which is not kept here
}

var (
	genders = []string{female, male, other}
	levels  = []string{"p", "m", "b", "a", "hs", "jhs", "el", "none", "o"}

	webAddress = regexp.MustCompile(`(?i)://|https?:|\bwww\.`)
	phone      = regexp.MustCompile(`^\+?[0-9]{5,15}$`) // as a standard claim is checked
)

// words returns the text of a string without white space around it, "" for null.
func words(name string, value jsontext.Value) (string, *Fault) {
	switch value.Kind() {
	case 'n':
		return "", nil
	case '"':
		if text, err := jsontext.AppendUnquote(nil, value); err == nil {
			return strings.TrimSpace(string(text)), nil
		}
	}
	return "", invalid(name, value, "Not a valid string.")
}

// text reads one of several lines, bounded in characters and bytes.
func text(characters, bytes int, of func(*claims.Profile, *auth.Biography) *string) field {
	return func(name string, value jsontext.Value) (edit, *Fault) {
		text, fault := words(name, value)
		switch {
		case fault != nil:
			return nil, fault
		case utf8.RuneCountInString(text) > characters:
			return nil, invalid(name, value, "Ensure this field has no more than %d characters.", characters)
		case len(text) > bytes:
			return nil, invalid(name, value, "Ensure this field has no more than %d bytes.", bytes)
		case strings.ContainsFunc(text, isControl):
			return nil, invalid(name, value, "Control characters are not allowed.")
		}
		return func(p *claims.Profile, b *auth.Biography) { *of(p, b) = text }, nil
	}
}

// line reads a text of one line.
func line(of func(*claims.Profile, *auth.Biography) *string) field {
	read := text(maxShort, maxClaim, of)
	return func(name string, value jsontext.Value) (edit, *Fault) {
		if text, _ := words(name, value); strings.ContainsAny(text, "\r\n\t") {
			return nil, invalid(name, value, "Control characters are not allowed.")
		}
		return read(name, value)
	}
}

// isText reports whether a text of lines has no more characters, and none that is not shown.
func isText(text string, characters int) bool {
	return utf8.RuneCountInString(text) <= characters && !strings.ContainsFunc(text, isControl)
}

// isControl reports whether a text of lines may not have a character.
func isControl(r rune) bool {
	return r < ' ' && r != '\n' && r != '\r' && r != '\t' || 0x7f <= r && r <= 0x9f || r == 0x2028 || r == 0x2029
}

func fullName(name string, value jsontext.Value) (edit, *Fault) {
	if value.Kind() == 'n' {
		return nil, isNull(name, value)
	}
	text, fault := words(name, value)
	switch {
	case fault != nil:
		return nil, fault
	case text == "":
		return nil, invalid(name, value, "The name field must be at least 1 character long.")
	case strings.ContainsAny(text, "<>"):
		return nil, thrown("validate_name", "Full Name cannot contain the following characters: < >")
	case webAddress.MatchString(text):
		return nil, thrown("validate_name", "Enter a valid name")
	}
	return line(func(p *claims.Profile, _ *auth.Biography) *string { return &p.Name })(name, value)
}

func bio(name string, value jsontext.Value) (edit, *Fault) {
	if text, _ := words(name, value); utf8.RuneCountInString(text) > maxBio {
		return nil, invalid(name, value, tellBio).telling(tellBio)
	}
	return text(maxBio, 4*maxBio, func(_ *claims.Profile, b *auth.Biography) *string { return &b.Bio })(name, value)
}

// oneOf reads one of some codes, or none.
func oneOf(codes []string, set func(p *claims.Profile, b *auth.Biography, code string)) field {
	return func(name string, value jsontext.Value) (edit, *Fault) {
		code, fault := words(name, value)
		if fault == nil && code != "" && !slices.Contains(codes, code) {
			fault = notAChoice(name, value, code)
		}
		if fault != nil {
			return nil, fault
		}
		return func(p *claims.Profile, b *auth.Biography) { set(p, b, code) }, nil
	}
}

func notAChoice(name string, value jsontext.Value, choice string) *Fault {
	return invalid(name, value, `"%s" is not a valid choice.`, shortened(choice))
}

// setGender keeps the words of a person whose gender has the same code.
func setGender(p *claims.Profile, _ *auth.Biography, code string) {
	if code == Gender(&auth.User{Profile: *p}) {
		return
	}
	p.Gender = map[string]string{"": "", female: "female", male: "male", other: "other"}[code]
}

// country reads one. Whoever leaves the country that has states leaves his state; should the change name another one, that comes after.
func country(name string, value jsontext.Value) (edit, *Fault) {
	code, fault := words(name, value)
	if fault == nil && code != "" && !isCountry(code) {
		fault = notAChoice(name, value, code)
	}
	if fault != nil {
		return nil, fault
	}
	return func(p *claims.Profile, _ *auth.Biography) {
		if p.Address.Country == unitedStates && code != unitedStates {
			p.Address.Region = ""
		}
		p.Address.Country = code
	}, nil
}

const firstYear = 1900

// yearOfBirth reads a year that somebody living can be born in. The day stays that of the record if the year does.
func yearOfBirth(now func() time.Time) field {
	return func(name string, value jsontext.Value) (edit, *Fault) {
		text := string(value)
		if value.Kind() == '"' {
			text, _ = words(name, value)
		}
		year, err := strconv.Atoi(text)
		switch last := now().UTC().Year(); {
		case value.Kind() == 'n':
			return func(p *claims.Profile, _ *auth.Biography) { p.Birthdate = "" }, nil
		case err != nil:
			return nil, invalid(name, value, "A valid integer is required.")
		case year < firstYear || year > last:
			return nil, invalid(name, value, "Ensure this value is from %d to %d.", firstYear, last)
		}
		return func(p *claims.Profile, _ *auth.Biography) {
			if yearOf(p.Birthdate) != year {
				p.Birthdate = fmt.Sprintf("%04d", year)
			}
		}, nil
	}
}

func phoneNumber(name string, value jsontext.Value) (edit, *Fault) {
	number, fault := words(name, value)
	if fault == nil && number != "" && !phone.MatchString(number) {
		fault = invalid(name, value, "A phone number is 5 to 15 digits, with or without a + before them.")
	}
	if fault != nil {
		return nil, fault
	}
	return func(p *claims.Profile, _ *auth.Biography) { p.PhoneNumber = number }, nil
}

// privacy reads one of some values of Biography.Privacy. None is not one: it would show what was hidden.
func privacy(values ...string) field {
	return func(name string, value jsontext.Value) (edit, *Fault) {
		if value.Kind() == 'n' {
			return nil, isNull(name, value)
		}
		wanted, fault := words(name, value)
		if fault == nil && !slices.Contains(values, wanted) {
			fault = notAChoice(name, value, wanted)
		}
		if fault != nil {
			return nil, fault
		}
		return func(_ *claims.Profile, b *auth.Biography) { b.Privacy = wanted }, nil
	}
}
