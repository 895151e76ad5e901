package auth

import (
	"regexp"
	"slices"
	"strconv"
)

// maxRedirectURI keeps an answer within the address lines of all browsers.
const maxRedirectURI = 1024

// The forms of a redirect URI. Each has one spelling and nothing that parsers disagree about: no user, no fragment (RFC 6749
// §3.1.2), no backslash, no wildcard, no character beyond RFC 3986 §2, scheme and host in lower case (row O-01).
const (
	uriRest     = `(?:[A-Za-z0-9._~:/?\[\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*`
	uriHostname = `(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]*[a-z0-9])?`
	uriTail     = `(:[1-9][0-9]{0,4})?((?:[/?]` + uriRest + `)?)$`
)

var (
	secureURI      = regexp.MustCompile(`^https://(?:` + uriHostname + `|\[[0-9a-f:.]+\])` + uriTail)
	loopbackURI    = regexp.MustCompile(`^(http://(?:127\.0\.0\.1|\[::1\]))` + uriTail)
	developmentURI = regexp.MustCompile(`^http://(?:localhost|127\.0\.0\.1|\[::1\])` + uriTail)
	// A scheme of the application's own is a domain name of its maker in reverse, so it has a dot (RFC 8252 §7.1).
	privateURI = regexp.MustCompile(`^[a-z][a-z0-9+-]*(?:\.[a-z0-9+-]+)+:` +
		`(?://[A-Za-z0-9.-]+(?:[/?]` + uriRest + `)?|/(?:[A-Za-z0-9._~?-]` + uriRest + `)?)$`)
)

// ValidRedirectURI reports whether a client of that type may have a URI to be redirected to: an https address, and for TypeNative
// also an http address on 127.0.0.1 or [::1] and one with a scheme of its own (RFC 8252 §7).
func ValidRedirectURI(uri, clientType string) bool {
	if len(uri) > maxRedirectURI {
		return false
	}
	if m := secureURI.FindStringSubmatch(uri); m != nil {
		return validPort(m[1])
	}
	if clientType != TypeNative {
		return false
	}
	if m := loopbackURI.FindStringSubmatch(uri); m != nil {
		return validPort(m[2])
	}
	return privateURI.MatchString(uri)
}

// isDevelopmentURI reports whether an address is http on the machine itself. A web client may have one where the issuer is http too, which
// only dev allows.
func isDevelopmentURI(uri, clientType string) bool {
	m := developmentURI.FindStringSubmatch(uri)
	return m != nil && clientType != TypeNative && len(uri) <= maxRedirectURI && validPort(m[1])
}

// MatchRedirectURI reports whether a URI is one of a client's: the same character by character (RFC 9700 §2.1), but for the port of
// a native client's loopback address, which it cannot know beforehand (RFC 8252 §7.3).
func MatchRedirectURI(registered []string, asked, clientType string) bool {
	return (ValidRedirectURI(asked, clientType) || isDevelopmentURI(asked, clientType)) && slices.ContainsFunc(registered, func(uri string) bool {
		return uri == asked || clientType == TypeNative && sameButPort(uri, asked)
	})
}

// RedirectsTo reports whether the client may be answered at a URI.
func (c *Client) RedirectsTo(uri string) bool {
	return MatchRedirectURI(c.RedirectURIs, uri, c.Application())
}

// ReturnsTo reports whether the client may have browsers sent to a URI after logging out.
func (c *Client) ReturnsTo(uri string) bool {
	return MatchRedirectURI(c.PostLogoutRedirectURIs, uri, c.Application())
}

func sameButPort(a, b string) bool {
	m, n := loopbackURI.FindStringSubmatch(a), loopbackURI.FindStringSubmatch(b)
	return m != nil && n != nil && m[1] == n[1] && m[3] == n[3]
}

func validPort(colonPort string) bool {
	if colonPort == "" {
		return true
	}
	_, err := strconv.ParseUint(colonPort[1:], 10, 16)
	return err == nil
}
