package console_test

import (
	"strings"
	"testing"

	"github.com/claimsmith/claimsmith/handlers/console"
	"github.com/claimsmith/claimsmith/handlers/console/page/pagetest"
)

// Every page, in both languages, with the worst names there can be.
func TestPages(t *testing.T) {
	for _, tag := range console.Languages() {
		samples, err := console.Samples(tag, pagetest.Hostile)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range samples {
			t.Run(tag+"/"+s.Name, func(t *testing.T) {
				elements, _ := pagetest.Elements(t, s.Body)
				pagetest.CheckDocument(t, tag, s.Body, elements)
				pagetest.CheckForms(t, elements)
				checkPolicy(t, s)
			})
		}
	}
}

func checkPolicy(t *testing.T, s console.Sample) {
	t.Helper()
	want := "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; form-action 'self' https://planner.example; " +
		"base-uri 'none'; frame-ancestors 'none'"
	if got := s.Header.Get("Content-Security-Policy"); got != want {
		t.Errorf("policy %s", got)
	}
	if got := s.Header.Get("Content-Type"); got != "text/html; charset=UTF-8" {
		t.Errorf("type %s", got)
	}
}

// The account page names what has a name, and says why there is nothing where there is nothing.
func TestAccountSamples(t *testing.T) {
	samples, err := console.Samples("en", "")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range samples {
		_, text := pagetest.Elements(t, s.Body)
		full, plain := s.Name == "account", s.Name == "account_plain"
		if !full && !plain {
			continue
		}
		for said, want := range map[string]bool{
			"Jane Doe at Acme ": full, "\nJane Doe\n": plain, "Since 21 November 2026, at Acme ": full,
			"need this server to be reached by a host name": plain, "You can make them once you have": plain,
		} {
			if strings.Contains(text, said) != want {
				t.Errorf("%s: %q is there: %t\n%s", s.Name, said, !want, text)
			}
		}
	}
}

// Both languages say everything, and templates use only texts that there are.
func TestTexts(t *testing.T) {
	named := []string{"fault.", "done.", "scope.other", "seen.from.", "preferences.refused", "preferences.invalid.", "me.", "mark.", "career.", "memory.", "wrong."}
	for _, scope := range console.Scopes {
		named = append(named, "scope."+scope)
	}
	pagetest.CheckTexts(t, console.MessageFiles, console.Pages, named...)
}
