package page

import (
	"net/http"

	"github.com/claimsmith/claimsmith/auth"
)

// What the tests know of the inside.
var (
	BrandStyle   = brandStyle
	ValidColor   = validColor
	ErrorKinds   = errorKinds
	ErrorPages   = errorPages
	MessageFiles = messageFiles
)

// LanguageOf returns the tag of the language that is chosen.
func LanguageOf(uiLocales, acceptLanguage string) string {
	return shared.For(uiLocales, acceptLanguage).tag
}

// Agent names a browser.
func Agent(tag, userAgent string) string { return shared.For(tag, "").Agent(userAgent) }

// FromHere is Site.FromHere for an issuer.
func FromHere(issuer string, h http.Header) bool { return Site{issuer}.FromHere(h) }

// LookOrigin returns what an organisation's pages take from it.
func LookOrigin(org *auth.Org) (logo, origin, brand string) {
	l := LookOf(org)
	return l.Logo, l.logoOrigin, l.Brand
}
