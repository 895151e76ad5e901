// Package console is everything a person sees: the authorization endpoint and the pages a login passes through, signing out, letting a
// device in, and the user's own account. Pages are plain forms that work without JavaScript. It only translates; what a flow still
// needs is decided in auth/authorize.
package console

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/authorize"
	"github.com/claimsmith/claimsmith/auth/factor"
	"github.com/claimsmith/claimsmith/auth/people"
	"github.com/claimsmith/claimsmith/auth/preview"
	"github.com/claimsmith/claimsmith/auth/session"
	"github.com/claimsmith/claimsmith/handlers/console/page"
	"github.com/claimsmith/claimsmith/metadata"
)

// Dialect mounts the pages.
type Dialect struct {
	// Issuer is where browsers find the pages; only forms from its origin are accepted.
	Issuer    string
	Authorize *authorize.Service
	Sessions  *session.Service
	Factors   *factor.Service
	Users     *auth.Users
	Registry  *auth.Registry
	Metadata  *metadata.Service
	Preview   *preview.Service
	People    *people.Service
}

// Paths, below the issuer.
const (
	pathAuthorize   = "/oauth/authorize"
	pathLogout      = "/oauth/logout"
	pathSignIn      = "/signin"
	pathSignedOut   = "/signin/signed-out"
	pathDevice      = "/device"
	pathAccount     = "/account"
	pathPreferences = "/" + authorize.PagePreferences
)

// Name implements handlers.Dialect.
func (d *Dialect) Name() string { return "console" }

// Prefixes implements handlers.Dialect.
func (d *Dialect) Prefixes() []string {
	return []string{pathAuthorize, pathLogout, pathSignIn, pathDevice, pathAccount, page.PathStatic, page.PathBrand}
}

// Mount implements handlers.Dialect. This is the list of what the dialect serves. Every form goes through posted, which refuses those
// of other pages; the two routes that take forms of applications change nothing themselves.
func (d *Dialect) Mount(e *echo.Echo) {
	e.Add(http.MethodGet, pathAuthorize, d.visited(begin))
	e.Add(http.MethodPost, pathAuthorize, d.asked)
	e.Add(http.MethodGet, pathLogout, d.visited(logout))
	e.Add(http.MethodPost, pathLogout, d.asked)

	e.Add(http.MethodGet, pathSignIn, d.visited(resume))
	e.Add(http.MethodPost, pathSignIn, d.posted(inFlow(signIn)))
	e.Add(http.MethodPost, pathSignIn+"/factor", d.posted(inFlow(checkCode)))
	e.Add(http.MethodPost, pathSignIn+"/passkey", d.posted(inFlow(checkPasskey)))
	e.Add(http.MethodPost, pathSignIn+"/password", d.posted(inFlow(ofSession(newPassword))))
	e.Add(http.MethodPost, pathSignIn+"/account", d.posted(inFlow(chooseAccount)))
	e.Add(http.MethodPost, pathSignIn+"/organisation", d.posted(inFlow(ofSession(chooseOrg))))
	e.Add(http.MethodPost, pathSignIn+"/consent", d.posted(inFlow(ofSession(consent))))
	e.Add(http.MethodPost, pathSignIn+"/logout", d.posted(ofSession(endLogin)))
	e.Add(http.MethodGet, pathSignedOut, d.visited(signedOut))

	e.Add(http.MethodGet, pathDevice, d.visited(device))
	e.Add(http.MethodPost, pathDevice, d.posted(ofBrowser(enterCode)))

	e.Add(http.MethodGet, pathAccount, d.visited(account))
	e.Add(http.MethodPost, pathAccount+"/confirm", d.posted(ofSession(confirmPerson)))
	e.Add(http.MethodPost, pathAccount+"/password", d.posted(ofSession(fresh(changePassword))))
	e.Add(http.MethodPost, pathAccount+"/totp", d.posted(ofSession(fresh(beginTOTP))))
	e.Add(http.MethodPost, pathAccount+"/totp/confirm", d.posted(ofSession(fresh(finishTOTP))))
	e.Add(http.MethodPost, pathAccount+"/totp/remove", d.posted(ofSession(fresh(removeTOTP))))
	e.Add(http.MethodPost, pathAccount+"/recovery", d.posted(ofSession(fresh(newRecoveryCodes))))
	e.Add(http.MethodPost, pathAccount+"/passkey", d.posted(ofSession(fresh(addPasskey))))
	e.Add(http.MethodPost, pathAccount+"/passkey/remove", d.posted(ofSession(fresh(removePasskey))))
	e.Add(http.MethodPost, pathAccount+"/session/end", d.posted(ofSession(owned(endSession))))
	e.Add(http.MethodPost, pathAccount+"/application/withdraw", d.posted(ofSession(owned(withdraw))))

	e.Add(http.MethodGet, pathPreferences, d.visited(preferences))
	e.Add(http.MethodPost, pathPreferences, d.postedPreferences(ofSession(ownedAt(authorize.PagePreferences, savePreferences))))
	e.Add(http.MethodPost, pathAccount+"/export", d.posted(ofSession(fresh(exportAccount))))

	e.Add(http.MethodGet, page.PathStatic+"/:asset", page.Asset)
	e.Add(http.MethodGet, page.PathBrand+"/:style", page.Brand)
}
