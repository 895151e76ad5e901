package page

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"
)

// Site is where browsers find the pages: the issuer's address.
type Site struct{ Issuer string }

// At returns the address of a path, which is below the issuer's own.
func (s Site) At(path string) string {
	u, err := url.Parse(s.Issuer)
	if err != nil {
		return path
	}
	return u.EscapedPath() + path
}

// Asset returns the address of a static file.
func (s Site) Asset(name string) string { return s.At(PathStatic + "/" + AssetNames[name]) }

// FromHere reports whether a page of this origin sent a form. Pages that must not be named as referrer have the Origin null in browsers
// that say by Sec-Fetch-Site where a request is from (Fetch, "append a request Origin header"), so that decides first. What tells neither is
// no browser another site could make do it; the form's token decides there as everywhere (row S-04).
func (s Site) FromHere(h http.Header) bool {
	sites, origins := h.Values("Sec-Fetch-Site"), h.Values("Origin")
	if len(sites) > 1 || len(origins) > 1 {
		return false
	}
	own := len(origins) == 1 && origins[0] == OriginOf(s.Issuer)
	if len(sites) == 0 {
		return own || len(origins) == 0
	}
	silent := len(origins) == 0 || origins[0] == "null"
	return (sites[0] == "same-origin" || sites[0] == "none") && (own || silent)
}

// OriginOf is the origin of an address in the form browsers send it (RFC 6454 §6.2), "" if it has none.
func OriginOf(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return ""
	}
	host := u.Host
	if port := u.Port(); u.Scheme == "https" && port == "443" || u.Scheme == "http" && port == "80" {
		host = host[:len(host)-len(":")-len(port)]
	}
	return u.Scheme + "://" + host
}

func (s Site) secure() bool { return strings.HasPrefix(s.Issuer, "https:") }

// CookieName adds the prefix with which browsers hold a cookie to this host and https. Without https, in development, they would drop it.
func (s Site) CookieName(name string) string {
	if s.secure() {
		return "__Host-" + name
	}
	return name
}

// Cookie returns a cookie's value. One that was sent twice is none: nobody knows which is ours.
func (s Site) Cookie(r *http.Request, name string) string {
	found := r.CookiesNamed(s.CookieName(name))
	if len(found) != 1 {
		return ""
	}
	return found[0].Value
}

// SetCookie sets a cookie without an expiry, so that it ends with the browser; what it stands for has limits of its own (row S-01).
func (s Site) SetCookie(w http.ResponseWriter, name, value string) { s.writeCookie(w, name, value, 0) }

// DropCookie removes a cookie.
func (s Site) DropCookie(w http.ResponseWriter, name string) { s.writeCookie(w, name, "", -1) }

// SessionCookie is the cookie of a browser session.
const SessionCookie = "claimsmith-session"

const (
	browserCookie = "claimsmith-browser"
	secretLen     = 32
)

// Browser returns the secret of the browser's own cookie, which binds flows and forms to it (row S-08). One that has none is given one.
func (s Site) Browser(c echo.Context) string {
	secret := s.Cookie(c.Request(), browserCookie)
	if b, err := base64.RawURLEncoding.Strict().DecodeString(secret); err != nil || len(b) != secretLen {
		b = make([]byte, secretLen)
		_, _ = rand.Read(b)
		secret = base64.RawURLEncoding.EncodeToString(b)
		s.SetCookie(c.Response(), browserCookie, secret)
	}
	return secret
}

// BrowserToken is a text that only pages made for a browser hold.
func BrowserToken(secret, purpose string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(purpose))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func (s Site) writeCookie(w http.ResponseWriter, name, value string, maxAge int) {
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // Secure but where the issuer is http, on loopback in development
		Name: s.CookieName(name), Value: value, Path: "/", MaxAge: maxAge, Secure: s.secure(), HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}
