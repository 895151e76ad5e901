package profile

import (
	"cmp"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/claims"
)

// platform is a site that people have pages on: everything of theirs is at its stub and a name.
type platform struct {
	name, stub string
	page       *regexp.Regexp
}

// platforms are in the order in which one of their links is the claim profile.
var platforms = []platform{
	newPlatform("linkedin", "linkedin.com/in/"),
	newPlatform("facebook", "facebook.com/"),
	newPlatform("twitter", "twitter.com/"),
	newPlatform("x", "x.com/"),
}

// newPlatform knows the addresses that browsers and apps give out: any scheme of the web or none, one label before the domain or none, and
// whatever follows the name as a query or a fragment.
func newPlatform(name, stub string) platform {
	page := `(?i)^(?:https?://)?(?:[a-z0-9-]+\.)?` + regexp.QuoteMeta(stub) + `([^/?#\\]+)/?(?:[?#].*)?$`
	return platform{name, stub, regexp.MustCompile(page)}
}

func platformOf(name string) *platform {
	n := slices.IndexFunc(platforms, func(p platform) bool { return p.name == name })
	if n < 0 {
		return nil
	}
	return &platforms[n]
}

// Bounds of what is written as a link, and of the name in it, in bytes.
const (
	maxLink     = 1024
	maxLinkName = 100
)

// normalize returns the one address of a person's page, which is made here and of which only the name is his: from his name there, with or
// without the @ that some write before it, or from the page's address.
func (p *platform) normalize(text string) (address string, ok bool) {
	text = strings.TrimSpace(text)
	if address, ok = p.pageAt(text); ok || len(text) > maxLink {
		return address, ok
	}
	return p.pageOf(strings.TrimPrefix(text, "@"))
}

// pageAt returns the page that an address leads to.
func (p *platform) pageAt(text string) (address string, ok bool) {
	if len(text) > maxLink {
		return "", false
	}
	match := p.page.FindStringSubmatch(text)
	if match == nil {
		return "", false
	}
	name, err := url.PathUnescape(match[1])
	if err != nil {
		return "", false
	}
	return p.pageOf(name)
}

func (p *platform) pageOf(name string) (address string, ok bool) {
	name = norm.NFC.String(name)
	if name == "" || len(name) > maxLinkName || strings.Trim(name, ".") == "" || !utf8.ValidString(name) ||
		strings.ContainsFunc(name, func(r rune) bool { return !nameRune(r) }) {
		return "", false
	}
	return "https://www." + p.stub + url.PathEscape(name), true
}

// nameRune reports whether a name may have a character: what is none of ASCII is escaped in the address.
func nameRune(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsMark(r) || unicode.IsDigit(r) || strings.ContainsRune("._-", r)
}

// Links returns a person's links, sorted by platform. A page of a platform that the standard claim profile leads to is his link there.
func Links(u *auth.User) []auth.Link { return linksOf(&u.Profile, &u.Biography) }

func linksOf(p *claims.Profile, b *auth.Biography) []auth.Link {
	links := slices.Clone(b.Links)
	if page := pageOf(p.ProfileURL); page != nil {
		links = withLink(links, *page)
	}
	return links
}

// pageOf is the link that an address is, nil for none.
func pageOf(address string) *auth.Link {
	for n := range platforms {
		if page, ok := platforms[n].pageAt(address); ok {
			return &auth.Link{Platform: platforms[n].name, URL: page}
		}
	}
	return nil
}

// withLink adds a link in the place of the one of its platform; with the URL "" there is none of it any more.
func withLink(links []auth.Link, l auth.Link) []auth.Link {
	links = slices.DeleteFunc(slices.Clone(links), func(old auth.Link) bool { return old.Platform == l.Platform })
	if l.URL == "" {
		return links
	}
	links = append(links, l)
	slices.SortFunc(links, func(x, y auth.Link) int { return cmp.Compare(x.Platform, y.Platform) })
	return links
}

// setLinks makes these all of a person's links. The claim profile stays if it is no link; else it is the first there is.
func setLinks(p *claims.Profile, b *auth.Biography, links []auth.Link) {
	isLink := p.ProfileURL == "" || pageOf(p.ProfileURL) != nil
	b.Links = links
	if !isLink {
		return
	}
	p.ProfileURL = ""
	for n := len(platforms) - 1; n >= 0; n-- {
		for _, l := range links {
			if l.Platform == platforms[n].name {
				p.ProfileURL = l.URL
			}
		}
	}
}
