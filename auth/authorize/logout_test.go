package authorize_test

import (
	"strings"
	"testing"
	"time"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/authorize"
	"github.com/claimsmith/claimsmith/auth/session"
	"github.com/claimsmith/claimsmith/claims"
)

// PROTOCOL.md "Logout", row O-19.
func TestBeginLogout(t *testing.T) {
	const bye = "https://app.example/bye"
	w := newWorld(t)
	w.client("app", func(c *auth.Client) { c.PostLogoutRedirectURIs = []string{bye, bye + "?x=1"} })
	w.client("of-acme", func(c *auth.Client) { c.Org = "acme" })
	w.client("off", func(c *auth.Client) { c.Disabled = true })
	w.client("native", func(c *auth.Client) {
		c.Type, c.PostLogoutRedirectURIs = auth.TypeNative, []string{"http://127.0.0.1/bye"}
	})
	jane := w.session("jane")
	hint := func(client string, change func(*claims.IDToken)) string { return w.idToken("jane-id", client, change) }
	good := hint("app", nil)
	janes := hint("app", func(t *claims.IDToken) { t.ExpiresAt = t.IssuedAt.Add(-24 * time.Hour) })
	johns := w.idToken("john-id", "app", nil)
	access, err := w.ring.Sign("ES256", "at+jwt", []byte(`{"iss":"`+issuer+`","sub":"jane-id","aud":"app","exp":9999999999,"iat":1}`))
	w.must(err)
	type request = authorize.LogoutRequest
	for name, c := range map[string]struct {
		r       request
		sess    *session.Session
		confirm bool
		to      string
		org     string
		refused bool
	}{
		"the usual":                       {request{good, "", bye, "a b&c"}, jane, false, bye + "?state=a+b%26c", "default", false},
		"without state":                   {request{good, "", bye, ""}, jane, false, bye, "default", false},
		"a registered query":              {request{good, "", bye + "?x=1", "s"}, jane, false, bye + "?x=1&state=s", "default", false},
		"an expired hint":                 {request{janes, "app", bye, ""}, jane, false, bye, "default", false},
		"nobody is logged in":             {request{good, "", bye, ""}, nil, false, bye, "default", false},
		"another user is":                 {request{johns, "", bye, ""}, jane, true, bye, "default", false},
		"a hint alone":                    {request{good, "", "", ""}, jane, false, "", "default", false},
		"a loopback port":                 {request{hint("native", nil), "", "http://127.0.0.1:4711/bye", ""}, jane, false, "http://127.0.0.1:4711/bye", "default", false},
		"nothing":                         {request{}, jane, true, "", "default", false},
		"nothing, and nobody":             {request{}, nil, false, "", "default", false},
		"only state":                      {request{State: "s"}, jane, true, "", "default", false},
		"a URI without a hint":            {request{RedirectURI: bye}, jane, true, "", "default", false},
		"a URI and client_id, no hint":    {request{"", "app", bye, "s"}, jane, true, "", "default", false},
		"an evil URI without a hint":      {request{RedirectURI: "https://evil.example/"}, jane, true, "", "default", false},
		"the look of a client":            {request{ClientID: "of-acme"}, jane, true, "", "acme", false},
		"an unknown client":               {request{ClientID: "nobody"}, jane, true, "", "default", false},
		"a hint of a disabled client":     {request{hint("off", nil), "", "", ""}, jane, false, "", "default", false},
		"to a disabled client":            {request{hint("off", nil), "", bye, ""}, jane, false, "", "", true},
		"an unregistered URI":             {request{good, "", "https://evil.example/", ""}, jane, false, "", "", true},
		"something added":                 {request{good, "", bye + "?foo=bar", ""}, jane, false, "", "", true},
		"a slash more":                    {request{good, "", bye + "/", ""}, jane, false, "", "", true},
		"the callback's":                  {request{good, "", callback, ""}, jane, false, "", "", true},
		"another client's hint":           {request{hint("of-acme", nil), "app", bye, ""}, jane, false, "", "", true},
		"alg none":                        {request{"eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.e30.", "", bye, ""}, jane, false, "", "", true},
		"a changed hint":                  {request{good[:200] + "A" + good[201:], "", bye, ""}, jane, false, "", "", true},
		"a foreign issuer":                {request{hint("app", func(t *claims.IDToken) { t.Issuer = "https://evil.example" }), "", bye, ""}, jane, false, "", "", true},
		"an access token":                 {request{access, "", bye, ""}, jane, false, "", "", true},
		"no token at all":                 {request{"x", "", bye, ""}, jane, false, "", "", true},
		"several audiences, none of them": {request{hint("app", func(t *claims.IDToken) { t.Audience = []string{"app", "x"} }), "", bye, ""}, jane, false, "", "", true},
		"a state too long":                {request{good, "", bye, strings.Repeat("s", 3000)}, jane, false, "", "", true},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := w.BeginLogout(t.Context(), c.r, c.sess)
			if c.refused {
				if auth.CodeOf(err) != auth.InvalidRequest || l.Redirect != "" {
					t.Errorf("got %+v %v", l, err)
				}
				return
			}
			if err != nil || l.Confirm != c.confirm || l.Redirect != c.to || l.Org == nil || l.Org.Slug != c.org {
				t.Errorf("got %+v %v, want confirm %v and to %q in the look of %s", l, err, c.confirm, c.to, c.org)
			}
		})
	}
	// It has ended nothing.
	w.approval(w.next(w.begin("app", "prompt", "none"), jane, authorize.StepAnswer).Answer)
}
