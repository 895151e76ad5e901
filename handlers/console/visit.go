package console

import (
	"crypto/hmac"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/authorize"
	"github.com/claimsmith/claimsmith/auth/session"
	"github.com/claimsmith/claimsmith/handlers/console/page"
	"github.com/claimsmith/claimsmith/handlers/request"
)

// visit is one request of a browser.
type visit struct {
	echo.Context
	*Dialect

	// browser is the secret of the browser's own cookie, which binds flows and forms to it (row S-08); session is nil for nobody.
	browser string
	session *session.Session
	// form and flow are what was posted; flow is also the one that is being begun.
	form url.Values
	flow *authorize.Flow
	// parts are what is still to come of a form with a file.
	parts *request.Parts
	// step is the account's, for owned handlers.
	step *authorize.Step
}

type handler func(*visit) error

// visited serves a page.
func (d *Dialect) visited(h handler) echo.HandlerFunc {
	return func(c echo.Context) error {
		v, err := d.visit(c)
		if err != nil {
			return err
		}
		return h(v)
	}
}

// posted serves a form of one of these pages, and refuses it before anything else if another page sent it (row S-04).
func (d *Dialect) posted(h handler) echo.HandlerFunc {
	return func(c echo.Context) error {
		if !d.site().FromHere(c.Request().Header) {
			return page.ErrForged
		}
		form, err := request.DecodeForm(c.Request())
		if err != nil {
			return err
		}
		v, err := d.visit(c)
		if err != nil {
			return err
		}
		v.form = form
		return h(v)
	}
}

// maxPreferencesForm bounds the form of the preferences: its fields are as many as an organisation opens keys to its users.
const (
	maxPreferencesForm   = 1 << 20
	maxPreferencesFields = 2500
)

// postedPreferences is posted for a form that may be long, of which nothing is read for nobody.
func (d *Dialect) postedPreferences(h handler) echo.HandlerFunc {
	return func(c echo.Context) error {
		if !d.site().FromHere(c.Request().Header) {
			return page.ErrForged
		}
		v, err := d.visit(c)
		if err != nil {
			return err
		}
		if v.session == nil {
			return v.redirect(pathPreferences)
		}
		if v.form, err = request.DecodeLargeForm(c.Request(), maxPreferencesForm, maxPreferencesFields); err != nil {
			return err
		}
		return h(v)
	}
}

// asked takes a request that an application had the browser post. Cookies that are SameSite=Lax do not come with that, so the browser is
// sent to ask the same again by GET, with which they do.
func (d *Dialect) asked(c echo.Context) error {
	params, err := request.Parameters(c.Request())
	if err != nil {
		return err
	}
	return c.Redirect(http.StatusSeeOther, d.at(c.Path())+"?"+params.Encode())
}

// visit finds out whose browser it is. One that has no secret yet is given one.
func (d *Dialect) visit(c echo.Context) (*visit, error) {
	v := &visit{Context: c, Dialect: d, browser: d.site().Browser(c)}
	text := v.cookie(page.SessionCookie)
	if text == "" {
		return v, nil
	}
	var err error
	v.session, err = d.Sessions.Resolve(c.Request().Context(), text, c.RealIP())
	return v, err
}

// inFlow opens the flow of a form. That it opens shows that the form was made for this browser.
func inFlow(h handler) handler {
	return func(v *visit) error {
		var err error
		if v.flow, err = v.openFlow(v.form.Get("flow")); err != nil {
			return err
		}
		return h(v)
	}
}

// openFlow opens a flow of this browser.
func (v *visit) openFlow(text string) (*authorize.Flow, error) {
	f, err := v.Authorize.Open(text, v.browser)
	if auth.CodeOf(err) == auth.InvalidRequest {
		return nil, errors.Join(page.ErrFlow, err)
	}
	return f, err
}

// ofSession demands the token of the session, so that what a form decides was shown to the user it is decided for. Who is logged in no
// more is asked to log in.
func ofSession(h handler) handler {
	return func(v *visit) error {
		switch {
		case v.session == nil && v.flow != nil:
			return v.resumeLater(v.flow)
		case v.session == nil:
			return v.redirect(pathAccount)
		case !v.Sessions.Holds(v.session, v.form.Get("token")):
			return page.ErrForged
		}
		return h(v)
	}
}

// ofBrowser demands the token of the browser, for a form that nobody has to be logged in for.
func ofBrowser(h handler) handler {
	return func(v *visit) error {
		if !hmac.Equal([]byte(v.form.Get("token")), []byte(page.BrowserToken(v.browser, "form"))) {
			return page.ErrForged
		}
		return h(v)
	}
}

func (v *visit) cookie(name string) string { return v.site().Cookie(v.Request(), name) }

func (v *visit) setCookie(name, value string) { v.site().SetCookie(v.Response(), name, value) }

func (v *visit) dropCookie(name string) { v.site().DropCookie(v.Response(), name) }

// redirect goes to one of these pages.
func (v *visit) redirect(path string) error { return v.Redirect(http.StatusSeeOther, v.at(path)) }

// resumeLater goes on with a flow after a redirect, so that no form is ever posted twice by going back or reloading.
func (v *visit) resumeLater(f *authorize.Flow) error {
	return v.redirect(pathSignIn + "?flow=" + url.QueryEscape(v.Authorize.Seal(f)))
}

// notify goes to one of these pages, which says once more what was done. That the words come from here shows in the proof.
func (v *visit) notify(path, what string) error {
	return v.redirect(path + "?done=" + what + "." + page.BrowserToken(v.browser, "done "+what))
}

// notified returns what notify said.
func (v *visit) notified(query url.Values) string {
	what, proof, _ := strings.Cut(query.Get("done"), ".")
	if !hmac.Equal([]byte(proof), []byte(page.BrowserToken(v.browser, "done "+what))) {
		return ""
	}
	return what
}
