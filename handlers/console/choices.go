package console

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"unicode"

	"golang.org/x/text/language"
	"golang.org/x/text/language/display"
	"golang.org/x/text/runes"
	"golang.org/x/text/transform"
	"golang.org/x/text/unicode/norm"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/profile"
	"github.com/claimsmith/claimsmith/claims"
	"github.com/claimsmith/claimsmith/handlers/console/page"
)

// named are the languages and countries an account takes, by the language they are named in.
var named = sync.OnceValue(func() map[string][2][]page.Choice {
	all := map[string][2][]page.Choice{}
	for _, tag := range page.Languages() {
		in := language.Make(tag)
		languages, regions := display.Languages(in), display.Regions(in)
		var spoken, countries []page.Choice
		for code := range codes() {
			u := auth.User{Profile: claims.Profile{Locale: strings.ToLower(code), Address: claims.Address{Country: code}}}
			for _, tongue := range profile.Languages(&u) {
				spoken = append(spoken, page.Choice{Value: tongue, Text: languages.Name(language.Make(tongue))})
			}
			if country := profile.Country(&u); country != "" {
				countries = append(countries, page.Choice{Value: country, Text: regions.Name(language.MustParseRegion(country))})
			}
		}
		all[tag] = [2][]page.Choice{inOrder(spoken), inOrder(countries)}
	}
	return all
})

// codes are all of two letters.
func codes() func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for a := 'A'; a <= 'Z'; a++ {
			for b := 'A'; b <= 'Z'; b++ {
				if !yield(string([]rune{a, b})) {
					return
				}
			}
		}
	}
}

// inOrder sorts by how names are looked up: without case and accents. Of two codes with one name the first is enough.
func inOrder(choices []page.Choice) []page.Choice {
	plain := func(name string) string {
		bare, _, err := transform.String(transform.Chain(norm.NFD, runes.Remove(runes.In(unicode.Mn)), norm.NFC), name)
		if err != nil {
			return name
		}
		return strings.ToLower(bare)
	}
	slices.SortFunc(choices, func(a, b page.Choice) int {
		return cmp.Or(strings.Compare(plain(a.Text), plain(b.Text)), strings.Compare(a.Value, b.Value))
	})
	return slices.CompactFunc(choices, func(a, b page.Choice) bool { return a.Text == b.Text })
}

// languageChoices are the languages of ISO 639-1 and none, countryChoices the countries of ISO 3166-1 and none.
func languageChoices(w page.Words) []page.Choice {
	return slices.Concat([]page.Choice{{}}, named()[w.Language()][0])
}

func countryChoices(w page.Words) []page.Choice {
	return slices.Concat([]page.Choice{{Text: w.T("me.unsaid")}}, named()[w.Language()][1])
}
