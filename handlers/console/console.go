// Package console is everything a person sees: the authorization endpoint and the pages a login passes through, signing out, letting a
// device in, and the user's own account. Pages are plain forms that work without JavaScript. It only translates; what a flow still
// needs is decided in auth/authorize.
package console

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/authorize"
	"github.com/claimsmith/claimsmith/auth/career"
	"github.com/claimsmith/claimsmith/auth/factor"
	"github.com/claimsmith/claimsmith/auth/memory"
	"github.com/claimsmith/claimsmith/auth/people"
	"github.com/claimsmith/claimsmith/auth/preview"
	"github.com/claimsmith/claimsmith/auth/profile"
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
	Profile   *profile.Service
	Career    *career.Service
	Memory    *memory.Service
}

// Paths, below the issuer.
const (
	pathAuthorize   = "/oauth/authorize"
	pathLogout      = "/oauth/logout"
	pathSignIn      = "/signin"
	pathSignedOut   = "/signin/signed-out"
	pathDevice      = "/device"
	pathAccount     = "/account"
	pathEmail       = "/account/email"
	pathPicture     = "/picture"
	pathPreferences = "/" + authorize.PagePreferences
	pathProfile     = "/" + authorize.PageProfile
	pathCareer      = "/" + authorize.PageCareer
	pathMemory      = "/" + authorize.PageMemory
)

// Name implements handlers.Dialect.
func (d *Dialect) Name() string { return "console" }

// Prefixes implements handlers.Dialect.
func (d *Dialect) Prefixes() []string {
	return []string{pathAuthorize, pathLogout, pathSignIn, pathDevice, pathAccount, pathPicture, page.PathStatic, page.PathBrand}
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

	d.mountProfile(e)

	e.Add(http.MethodGet, pathEmail, d.visited(email))
	e.Add(http.MethodPost, pathEmail, d.posted(ofBrowser(confirmEmail)))
	d.mountPictures(e)

	e.Add(http.MethodGet, page.PathStatic+"/:asset", page.Asset)
	e.Add(http.MethodGet, page.PathBrand+"/:style", page.Brand)
}

// mountProfile adds the pages of what a person says about himself. A form with a file begins with the token, which is looked at before the
// file is.
func (d *Dialect) mountProfile(e *echo.Echo) {
	form := func(page, path string, h handler) {
		e.Add(http.MethodPost, path, d.posted(ofSession(ownedAt(page, h))))
	}

	e.Add(http.MethodGet, pathProfile, d.visited(shownAt(authorize.PageProfile, showProfile)))
	for _, name := range []string{"about", "details", "links", "privacy", "email"} {
		form(authorize.PageProfile, pathProfile+"/"+name, saveProfile(name))
	}
	form(authorize.PageProfile, pathProfile+"/confirm", confirmAt(authorize.PageProfile))
	e.Add(http.MethodPost, pathProfile+"/picture", d.postedFile(authorize.PageProfile, maxPictureForm, uploadPicture))
	form(authorize.PageProfile, pathProfile+"/picture/remove", removePicture)

	e.Add(http.MethodGet, pathCareer, d.visited(shownAt(authorize.PageCareer, showCareer)))
	for _, k := range careerKinds {
		form(authorize.PageCareer, pathCareer+"/"+string(k.Kind), saveCareer(k.Kind))
	}
	form(authorize.PageCareer, pathCareer+"/remove", removeCareer)
	form(authorize.PageCareer, pathCareer+"/links", saveLinks)
	e.Add(http.MethodPost, pathCareer+"/file", d.postedFile(authorize.PageCareer, maxFileForm, uploadFile))
	e.Add(http.MethodGet, pathCareer+"/file/:file", d.download)
	form(authorize.PageCareer, pathCareer+"/remove-file", removeFile)

	e.Add(http.MethodGet, pathMemory, d.visited(shownAt(authorize.PageMemory, showMemory)))
	form(authorize.PageMemory, pathMemory+"/flags", saveFlags)
	form(authorize.PageMemory, pathMemory+"/add", addMemory)
	form(authorize.PageMemory, pathMemory+"/remove", forgetMemory)
	form(authorize.PageMemory, pathMemory+"/fact", setFact)
	form(authorize.PageMemory, pathMemory+"/fact/remove", forgetFact)
}
