package profile_test

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/text/language"
	"pgregory.net/rapid"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/profile"
)

func TestWhichCodesAreLanguages(t *testing.T) {
	for _, code := range []string{"en", "de", "ar", "he", "id", "zh", "zh_HANS", "zh_HANT", "pt", "tl", "yue", "grc", "haw", "no", "nb"} {
		if !profile.KnownLanguage(code) {
			t.Errorf("%q is none", code)
		}
	}
	for _, code := range []string{
		"", "e", "EN", "En", "eng", "deu", "iw", "in", "ji", "xx", "zz", "und", "mul", "mis", "zxx", "qaa", "en-US", "en_US", "zh-Hans",
		"zh_hans", "english", "en ", " en", "e\u0000", "ен", strings.Repeat("e", 1<<20),
	} {
		if profile.KnownLanguage(code) {
			t.Errorf("%q is one", code[:min(len(code), 20)])
		}
	}
}

func TestEveryCodeIsOneLocale(t *testing.T) {
	known := 0
	for _, base := range language.Supported.BaseLanguages() {
		if !profile.KnownLanguage(base.String()) {
			continue
		}
		known++
		u := auth.User{}
		members := inJSON(t, map[string]any{"language_proficiencies": []map[string]string{{"code": base.String()}}})
		if faults := profile.Apply(&u, members, at); faults != nil {
			t.Fatal(faults)
		}
		if got := profile.Languages(&u); !slices.Equal(got, []string{base.String()}) || u.Profile.Locale != base.String() {
			t.Errorf("%s reads as %v, %s", base, got, u.Profile.Locale)
		}
	}
	if known < 7000 {
		t.Errorf("%d languages", known)
	}
}

func TestTheLanguageOfALocaleIsSpoken(t *testing.T) {
	for locale, code := range map[string]string{
		"": "", "en": "en", "en-US": "en", "en_US": "en", "pt-BR": "pt", "zh-Hant-TW": "zh_HANT", "zh-TW": "zh", "iw": "he", "eng": "en",
		"und": "", "xx": "", "klingon!": "", "x-private": "", strings.Repeat("a-", 500): "",
	} {
		u := auth.User{}
		u.Profile.Locale = locale
		if got := strings.Join(profile.Languages(&u), ","); got != code {
			t.Errorf("%.20q is %q, want %q", locale, got, code)
		}
	}
}

// TestLanguagesAndTheClaimLocale holds the two together, whoever writes: the list reads as it was written, and the claim is in one of its
// languages, the one it was in before if that is among them.
func TestLanguagesAndTheClaimLocale(t *testing.T) {
	codes := []string{"en", "de", "pt", "zh", "zh_HANS", "zh_HANT", "yue"}
	tags := map[string]string{"zh_HANS": "zh-Hans", "zh_HANT": "zh-Hant"}
	locales := map[string]string{
		"": "", "en-US": "en", "de": "de", "pt-BR": "pt", "zh-TW": "zh", "zh-Hant-TW": "zh_HANT", "zh-Hans": "zh_HANS", "fr": "fr", "?": "",
	}
	rapid.Check(t, func(t *rapid.T) {
		u := auth.User{}
		list, locale := []string(nil), ""
		for range rapid.IntRange(1, 8).Draw(t, "steps") {
			if rapid.Bool().Draw(t, "by an operator") {
				locale = rapid.SampledFrom([]string{"", "en-US", "de", "pt-BR", "zh-TW", "zh-Hant-TW", "zh-Hans", "fr", "?"}).Draw(t, "locale")
				u.Profile.Locale = locale
			} else {
				list = rapid.SliceOfNDistinct(rapid.SampledFrom(codes), 0, 4, rapid.ID).Draw(t, "codes")
				var sent []map[string]string
				for _, code := range list {
					sent = append(sent, map[string]string{"code": code})
				}
				if faults := profile.Apply(&u, inJSON(t, map[string]any{"language_proficiencies": sent}), at); faults != nil {
					t.Fatal(faults)
				}
				spoken, known := locales[locale]
				if !known {
					spoken = locale // it is a code that was sent
					for code, tag := range tags {
						if tag == locale {
							spoken = code
						}
					}
				}
				if !slices.Contains(list, spoken) {
					locale = ""
					if len(list) > 0 {
						if locale = list[0]; tags[locale] != "" {
							locale = tags[locale]
						}
					}
				}
			}
			if u.Profile.Locale != locale {
				t.Fatalf("the claim is %q, want %q", u.Profile.Locale, locale)
			}
			want := slices.Clone(list)
			spoken, known := locales[locale]
			if known && spoken != "" && !slices.Contains(want, spoken) {
				want = append(want, spoken)
			}
			slices.Sort(want)
			if got := profile.Languages(&u); !slices.Equal(got, want) {
				t.Fatalf("%v, want %v", got, want)
			}
		}
	})
}
