package profile

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // which the machine need not have

	"github.com/go-json-experiment/json/jsontext"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/claims"
)

// shows is what begins the names of the preferences that say who sees a member under auth.PrivacyCustom.
const shows = "visibility."

// Preferences reads a person's preferences of edX, for himself and who may read: account_privacy, time_zone, pref-lang and
// visibility.<field>.
func (s *Service) Preferences(ctx context.Context, caller *auth.Caller, name string) (map[string]string, error) {
	user, err := s.ofHis(ctx, caller, name)
	if err != nil {
		return nil, err
	}
	return preferencesOf(&user), nil
}

// preferencesOf leaves out what is not set, but for a privacy, which there always is.
func preferencesOf(user *auth.User) map[string]string {
	b := &user.Biography
	all := map[string]string{"account_privacy": auth.PrivacyAll}
	for name, value := range map[string]string{
		"account_privacy": b.Privacy, "time_zone": user.Profile.Zoneinfo, "pref-lang": user.Profile.Locale,
	} {
		if value != "" {
			all[name] = value
		}
	}
	for _, field := range sharableFields {
		if slices.Contains(b.Shown, field) {
			all[shows+field] = auth.PrivacyAll
		} else if b.Privacy == auth.PrivacyCustom {
			all[shows+field] = auth.PrivacyPrivate
		}
	}
	return all
}

// SetPreferences changes them like Change; null removes one. One that is not known is a fault.
func (s *Service) SetPreferences(ctx context.Context, caller *auth.Caller, name string, members map[string]jsontext.Value) error {
	user, err := s.self(ctx, caller, name)
	if err != nil {
		return s.refused(ctx, caller, err)
	}
	var c change
	c.read(preferences, members)
	unknown := 0
	for name, value := range members {
		if _, known := preferences[name]; !known && unknown < maxItems {
			c.fault(shortened(name), notPreferred(name, value, "there is no such preference"))
			unknown++
		}
	}
	if err := s.check(&c, &user); err != nil {
		return err
	}
	_, err = s.edit(ctx, caller, user, c.edits)
	return err
}

// preferences are those that are known.
var preferences = knownPreferences()

func knownPreferences() map[string]field {
	all := map[string]field{
		"account_privacy": preference(func(p *claims.Profile, b *auth.Biography, value string) { b.Privacy = value },
			func(value string) (string, bool) {
				return value, slices.Contains([]string{auth.PrivacyAll, auth.PrivacyPrivate, auth.PrivacyCustom}, value)
			}),
		"time_zone": preference(func(p *claims.Profile, _ *auth.Biography, value string) { p.Zoneinfo = value }, parseZone),
		"pref-lang": preference(setLocale, func(value string) (string, bool) {
			locale := parseLocale(value)
			return locale, locale != ""
		}),
	}
	for _, field := range sharableFields {
		all[shows+field] = preference(func(_ *claims.Profile, b *auth.Biography, value string) {
			b.Shown = slices.DeleteFunc(slices.Clone(b.Shown), func(shown string) bool { return shown == field })
			if value == auth.PrivacyAll {
				b.Shown = append(b.Shown, field)
				slices.Sort(b.Shown)
			}
		}, func(value string) (string, bool) {
			return value, value == auth.PrivacyAll || value == auth.PrivacyPrivate
		})
	}
	return all
}

// preference reads one whose text parse knows; set gets "" for none.
func preference(set func(p *claims.Profile, b *auth.Biography, value string), parse func(text string) (value string, ok bool)) field {
	return func(name string, value jsontext.Value) (edit, *Fault) {
		text, fault := words(name, value)
		wanted := ""
		switch {
		case fault != nil:
			return nil, notPreferred(name, value, "Not a valid string.")
		case value.Kind() == 'n':
		case text == "":
			empty := fmt.Sprintf("Preference '%s' cannot be set to an empty value.", name)
			return nil, &Fault{empty, empty}
		default:
			var ok bool
			if wanted, ok = parse(text); !ok {
				return nil, notPreferred(name, value, "this is none of its values")
			}
		}
		return func(p *claims.Profile, b *auth.Biography) { set(p, b, wanted) }, nil
	}
}

func notPreferred(name string, value jsontext.Value, why string) *Fault {
	text := fmt.Sprintf("Value '%s' is not valid for user preference '%s'", told(value), shortened(name))
	return &Fault{Developer: text + ": " + why, User: text + "."}
}

// parseZone returns the name of a time zone (IANA) as it is written.
func parseZone(text string) (zone string, ok bool) {
	if text == "Local" || len(text) > maxLocale || strings.Contains(text, "..") {
		return "", false
	}
	_, err := time.LoadLocation(text)
	return text, err == nil
}

func setLocale(p *claims.Profile, _ *auth.Biography, locale string) { p.Locale = locale }
