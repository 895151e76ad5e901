package authorize

import (
	"errors"
	"net/url"
	"strings"

	"github.com/claimsmith/claimsmith/auth"
)

// Response modes (OAuth 2.0 Multiple Response Types §2.1, Form Post Response Mode §2).
const (
	modeQuery    = "query"
	modeFormPost = "form_post"
)

// URL is where to redirect to for response mode query.
func (a *Answer) URL() string { return withQuery(a.RedirectURI, a.Parameters...) }

// withQuery adds parameters to those a redirect URI has already (RFC 6749 §3.1.2).
func withQuery(uri string, parameters ...Parameter) string {
	var b strings.Builder
	b.WriteString(uri)
	separator := byte('?')
	if strings.Contains(uri, "?") {
		separator = '&'
	}
	for _, p := range parameters {
		b.WriteByte(separator)
		b.WriteString(url.QueryEscape(p.Name) + "=" + url.QueryEscape(p.Value))
		separator = '&'
	}
	return b.String()
}

// answer completes an authorization response: every one names the issuer (RFC 9207 §2) and brings back the state.
func (s *Service) answer(f *Flow, parameters ...Parameter) *Answer {
	if f.State != "" {
		parameters = append(parameters, Parameter{"state", f.State})
	}
	return &Answer{RedirectURI: f.RedirectURI, Mode: f.ResponseMode, Parameters: append(parameters, Parameter{"iss", s.Issuer})}
}

// failure is the error response of RFC 6749 §4.1.2.1.
func (s *Service) failure(f *Flow, err error) *Answer {
	parameters := []Parameter{{"error", string(auth.CodeOf(err))}}
	var e *auth.Error
	if errors.As(err, &e) && e.Detail != "" {
		text := e.Detail
		if e.Field != "" {
			text = e.Field + ": " + text
		}
		parameters = append(parameters, Parameter{"error_description", describable(text)})
	}
	return s.answer(f, parameters...)
}

// describable replaces what RFC 6749 §4.1.2.1 forbids in error_description.
func describable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '"' || r == '\\' {
			return '\''
		}
		return r
	}, text)
}

// redirectable reports whether a client can do something with an error: it is about the request or the user, not about this server.
func redirectable(err error) bool {
	switch auth.CodeOf(err) {
	case auth.Unavailable, auth.Busy, auth.Throttled, "":
		return false
	}
	return true
}
