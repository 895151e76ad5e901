package profile

import (
	"slices"
	"strings"

	"golang.org/x/text/language"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/claims"
)

// edX tells the two scripts of Chinese apart, by codes that are none of BCP 47.
var scripts = map[string]string{"zh-Hans": "zh_HANS", "zh-Hant": "zh_HANT"}

// isLanguage reports whether a text is the code of a language: one of ISO 639 as BCP 47 has it, of two letters where there is one of two,
// and none that stands for no language in particular.
func isLanguage(code string) bool {
	for _, known := range scripts {
		if code == known {
			return true
		}
	}
	switch code {
	case "und", "mul", "mis", "zxx", "art":
		return false
	}
	base, err := language.ParseBase(code)
	if err != nil || base.IsPrivateUse() {
		return false
	}
	current, err := language.DeprecatedBase.Parse(code) // has another code where this one is deprecated
	return err == nil && current.String() == code
}

// languageOf is the code of the language of a locale (BCP 47), "" for none that is known.
func languageOf(locale string) string {
	tag, err := language.DeprecatedBase.Parse(locale)
	if err != nil {
		return ""
	}
	base, script, _ := tag.Raw()
	code := base.String()
	if known, ok := scripts[code+"-"+script.String()]; ok {
		return known
	}
	if !isLanguage(code) {
		return ""
	}
	return code
}

// localeOf is the locale that is only a language.
func localeOf(code string) string {
	for locale, known := range scripts {
		if code == known {
			return locale
		}
	}
	return code
}

// Languages returns the codes of the languages a person has named, sorted, with that of the standard claim locale.
func Languages(u *auth.User) []string {
	codes := slices.Clone(u.Biography.Languages)
	if code := languageOf(u.Profile.Locale); code != "" && !slices.Contains(codes, code) {
		codes = append(codes, code)
	}
	slices.Sort(codes)
	return codes
}

// setLanguages makes these all of a person's languages. A locale in one of them stays, or else it is the first of them.
func setLanguages(p *claims.Profile, b *auth.Biography, codes []string) {
	b.Languages = codes
	if slices.Contains(codes, languageOf(p.Locale)) {
		return
	}
	p.Locale = ""
	if len(codes) > 0 {
		p.Locale = localeOf(codes[0])
	}
}

// maxLocale is as long as a language tag has to be supported (RFC 5646 §4.4.1).
const maxLocale = 35

// parseLocale returns a locale as it is written as a claim, "" for one in no known language.
func parseLocale(text string) string {
	locale := strings.ReplaceAll(text, "_", "-")
	if len(locale) > maxLocale || languageOf(locale) == "" {
		return ""
	}
	return locale
}
