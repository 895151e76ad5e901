package console_test

import (
	"slices"
	"testing"

	"github.com/claimsmith/claimsmith/handlers/console"
	"github.com/claimsmith/claimsmith/handlers/console/page"
)

// Languages and countries are each there once, by the name they have in the reader's language, where people look for it.
func TestChoices(t *testing.T) {
	at := func(choices []page.Choice, name string) int {
		return slices.IndexFunc(choices, func(c page.Choice) bool { return c.Text == name })
	}
	for tag, names := range map[string][2]string{"en": {"Austria", "German"}, "de": {"Österreich", "Deutsch"}} {
		languages, countries := console.ChoicesIn(tag)
		for _, choices := range [][]page.Choice{languages, countries} {
			codes, texts := map[string]bool{}, map[string]bool{}
			for _, c := range choices {
				if codes[c.Value] || texts[c.Text] {
					t.Errorf("%s: %v is there twice", tag, c)
				}
				codes[c.Value], texts[c.Text] = true, true
			}
		}
		if n := at(countries, names[0]); n < 0 || countries[n].Value != "AT" {
			t.Errorf("%s: no %s", tag, names[0])
		}
		if n := at(languages, names[1]); n < 0 || languages[n].Value != "de" {
			t.Errorf("%s: no %s", tag, names[1])
		}
		if tag == "de" && (at(countries, "Österreich") < at(countries, "Oman") || at(countries, "Österreich") > at(countries, "Palau")) {
			t.Errorf("Österreich is after %v", countries[at(countries, "Österreich")-1])
		}
	}
}
