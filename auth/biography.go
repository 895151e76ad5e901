package auth

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Biography is what a person says about himself beyond the standard claims (seed 001). It is part of his record.
type Biography struct {
	Title string `json:"title,omitempty"`
	Bio   string `json:"bio,omitempty"`
	// LevelOfEducation is one of edX's codes, "" for not said.
	LevelOfEducation string `json:"level_of_education,omitempty"`
	Goals            string `json:"goals,omitempty"`
	// Languages are codes in the order the person gave them; see the standard claim locale.
	Languages []string `json:"languages,omitempty"`
	// Links are pages on social platforms, one per platform, sorted by platform; see the standard claim profile.
	Links []Link `json:"links,omitempty"`
	// Extended are further fields of a registration form, sorted by name.
	Extended []ExtendedField `json:"extended,omitempty"`
	// Privacy says who of his organisation sees what: PrivacyAll (as does ""), PrivacyPrivate or PrivacyCustom, which shows Shown.
	Privacy string   `json:"privacy,omitempty"`
	Shown   []string `json:"shown,omitempty"`
	// Picture is the id of the picture that is kept here, "" for none; then the standard claim picture is its address.
	Picture string `json:"picture,omitempty"`
}

// Values of Biography.Privacy.
const (
	PrivacyAll     = "all_users"
	PrivacyPrivate = "private"
	PrivacyCustom  = "custom"
)

// Link is a page of a person on a social platform.
type Link struct {
	Platform string `json:"platform"`
	URL      string `json:"url"`
}

// ExtendedField is a field of a registration form.
type ExtendedField struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Bounds of a Biography, in characters (seed 001) and in members.
const (
	maxBio            = 300
	maxTitle          = 255
	maxBiographyText  = 2000
	maxBiographyItems = 50
)

// maxBiography is how long all the text of a Biography may be, in bytes: a page of users is read as a whole.
const maxBiography = 32 << 10

// checkBiography holds a biography to its bounds and brings what has an order into it. Lines may be broken where people write text.
func checkBiography(b *Biography) error {
	type text struct {
		field, value string
		longest      int
		lines        bool
	}
	texts := []text{
		{"title", b.Title, maxTitle, false}, {"bio", b.Bio, maxBio, true}, {"goals", b.Goals, maxBiographyText, true},
		{"level_of_education", b.LevelOfEducation, maxTitle, false}, {"picture", b.Picture, maxTitle, false},
	}
	for field, n := range map[string]int{
		"languages": len(b.Languages), "links": len(b.Links), "extended": len(b.Extended), "shown": len(b.Shown),
	} {
		if n > maxBiographyItems {
			return invalidBiography(field, fmt.Sprintf("at most %d", maxBiographyItems))
		}
	}
	for _, code := range b.Languages {
		texts = append(texts, text{"languages", code, maxTitle, false})
	}
	for _, field := range b.Shown {
		texts = append(texts, text{"shown", field, maxTitle, false})
	}
	for _, l := range b.Links {
		texts = append(texts, text{"links", l.Platform, maxTitle, false})
	}
	for _, f := range b.Extended {
		texts = append(texts, text{"extended", f.Name, maxTitle, false}, text{"extended", f.Value, maxBiographyText, true})
	}
	for _, t := range texts {
		shown := t.value
		if t.lines {
			shown = strings.NewReplacer("\n", "", "\r", "", "\t", "").Replace(shown)
		}
		if !printable(shown) || utf8.RuneCountInString(t.value) > t.longest {
			return invalidBiography(t.field, fmt.Sprintf("at most %d characters, no control characters", t.longest))
		}
	}
	if !slices.Contains([]string{"", PrivacyAll, PrivacyPrivate, PrivacyCustom}, b.Privacy) {
		return invalidBiography("privacy", "all_users, private or custom")
	}
	if b.size() > maxBiography {
		return &Error{Code: InvalidRequest, Field: "biography", Detail: fmt.Sprintf("at most %d bytes of text in all", maxBiography)}
	}
	return b.checkLists()
}

// size is the length of all that a person wrote, in bytes.
func (b *Biography) size() int {
	texts := slices.Concat([]string{b.Title, b.Bio, b.LevelOfEducation, b.Goals}, b.Languages, b.Shown)
	for _, l := range b.Links {
		texts = append(texts, l.Platform, l.URL)
	}
	for _, f := range b.Extended {
		texts = append(texts, f.Name, f.Value)
	}
	size := 0
	for _, text := range texts {
		size += len(text)
	}
	return size
}

func (b *Biography) checkLists() error {
	slices.SortStableFunc(b.Links, func(x, y Link) int { return cmp.Compare(x.Platform, y.Platform) })
	slices.SortStableFunc(b.Extended, func(x, y ExtendedField) int { return cmp.Compare(x.Name, y.Name) })
	for n, l := range b.Links {
		if l.Platform == "" || !isPage(l.URL) || !printable(l.URL) || n > 0 && b.Links[n-1].Platform == l.Platform {
			return invalidBiography("links", "one https URL of at most 1024 bytes per platform")
		}
	}
	for n, f := range b.Extended {
		if f.Name == "" || n > 0 && b.Extended[n-1].Name == f.Name {
			return invalidBiography("extended", "every field has a name of its own")
		}
	}
	for n, code := range b.Languages {
		if code == "" || slices.Contains(b.Languages[:n], code) {
			return invalidBiography("languages", "every code once")
		}
	}
	return nil
}

func invalidBiography(field, allowed string) error {
	return &Error{Code: InvalidRequest, Field: "biography/" + field, Detail: allowed}
}

// clone is a copy that shares nothing with b.
func (b Biography) clone() Biography { //nolint:gocritic // a copy is wanted
	b.Languages, b.Links = slices.Clone(b.Languages), slices.Clone(b.Links)
	b.Extended, b.Shown = slices.Clone(b.Extended), slices.Clone(b.Shown)
	return b
}

// checkPerson holds what is said about a person to its rules.
func (s *Users) checkPerson(u *User) error {
	if err := checkProfile(&u.Profile, s.Issuer); err != nil {
		return err
	}
	return checkBiography(&u.Biography)
}

// PendingEmail is an address that a user wants to have and has not shown to be his.
type PendingEmail struct {
	Address string `json:"address"`
	// Hash is the SHA-256 in base64url of what was mailed to the address.
	Hash  string    `json:"hash"`
	Until time.Time `json:"until"`
	// Epoch is the user's when he asked: it is valid no longer than his logins of then.
	Epoch uint64 `json:"epoch,omitempty"`
}

// Asked is the address that the user can still confirm, nil for none.
func (u *User) Asked(now time.Time) *PendingEmail {
	if asked := u.PendingEmail; asked != nil && asked.Epoch == u.Epoch && now.Before(asked.Until) {
		return asked
	}
	return nil
}
