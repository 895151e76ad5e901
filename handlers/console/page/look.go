package page

import (
	"cmp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/claimsmith/claimsmith/auth"
)

// Product is the name where no organisation has one.
const Product = "Claimsmith"

// Look is how pages look for an organisation.
type Look struct {
	Name, Emblem, Logo, Brand string
	// logoOrigin is where the logo is from, for the policy of the page.
	logoOrigin string
}

// LookOf is the look of an organisation, nil for none.
func LookOf(org *auth.Org) Look {
	l := Look{Name: Product}
	if org != nil {
		l.Name = cmp.Or(org.Name, NameOfSlug(org.Slug))
		l.Brand = validColor(org.Color)
		if origin := SourceOf(org.LogoURL); strings.HasPrefix(origin, "https://") {
			l.Logo, l.logoOrigin = org.LogoURL, origin
		}
	}
	first, _ := utf8.DecodeRuneInString(l.Name)
	l.Emblem = string(unicode.ToUpper(first))
	return l
}

// NameOfSlug is the name of an organisation that has none.
func NameOfSlug(slug string) string {
	if slug == auth.DefaultOrg {
		return Product
	}
	return slug
}

// SourceOf is an address as a source of a Content Security Policy (CSP3 §2.3.1): its origin, or its scheme where the grammar has no form
// for the host; "" if it has none.
func SourceOf(address string) string {
	scheme, _, found := strings.Cut(address, ":")
	if !found || strings.ContainsFunc(scheme, func(r rune) bool { return !isSchemeRune(r) }) {
		return ""
	}
	origin := OriginOf(address)
	if scheme != "https" && scheme != "http" {
		return scheme + ":"
	}
	_, host, _ := strings.Cut(origin, "://")
	if host == "" {
		return ""
	}
	if strings.ContainsFunc(host, func(r rune) bool { return !isHostRune(r) }) { // such as an IPv6 address
		return scheme + ":"
	}
	return origin
}

func isSchemeRune(r rune) bool {
	return 'a' <= r && r <= 'z' || '0' <= r && r <= '9' || r == '+' || r == '-' || r == '.'
}

func isHostRune(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-' || r == '.' || r == ':'
}
