package auth

import (
	"net/url"
	"regexp"
	"strings"
)

const maxLogoURL = 1024

var (
	colorPattern = regexp.MustCompile(`^#[0-9a-f]{6}$`)
	// An address that can stand in a Content-Security-Policy and in HTML as it is.
	logoPattern = regexp.MustCompile(`^https://[A-Za-z0-9.-]+(:[0-9]{1,5})?/[A-Za-z0-9/._~%!$&()*+=:@?-]*$`)
)

// setLook changes how the pages of an organisation look.
func (o *Org) setLook(c OrgChange) error {
	if c.LogoURL != nil {
		u, err := url.Parse(*c.LogoURL)
		valid := err == nil && u.Hostname() != "" && logoPattern.MatchString(*c.LogoURL) && len(*c.LogoURL) <= maxLogoURL
		if *c.LogoURL != "" && !valid {
			return &Error{Code: InvalidRequest, Field: "logo_url", Detail: "an https address of at most 1024 bytes, with a path and without a fragment"}
		}
		o.LogoURL = *c.LogoURL
	}
	if c.Color != nil {
		color := strings.ToLower(*c.Color)
		if color != "" && !colorPattern.MatchString(color) {
			return &Error{Code: InvalidRequest, Field: "color", Detail: "# and six hexadecimal digits, such as #1a5fb4"}
		}
		o.Color = color
	}
	return nil
}
