package console

import (
	"net/http"
	"net/url"

	"github.com/claimsmith/claimsmith/auth/authorize"
	"github.com/claimsmith/claimsmith/auth/session"
	"github.com/claimsmith/claimsmith/handlers/console/page"
	"github.com/claimsmith/claimsmith/handlers/request"
)

// logoutPage is the data of the page that asks before logging out.
type logoutPage struct {
	// Parameters are the request's, to be sent again.
	Parameters []authorize.Parameter
}

// logoutParameters are those of OpenID Connect RP-Initiated Logout §2.
var logoutParameters = []string{"id_token_hint", "client_id", "post_logout_redirect_uri", "state"}

func readLogout(params url.Values) authorize.LogoutRequest {
	return authorize.LogoutRequest{
		IDTokenHint: params.Get("id_token_hint"), ClientID: params.Get("client_id"), RedirectURI: params.Get("post_logout_redirect_uri"),
		State: params.Get("state"),
	}
}

// logout logs the browser out, or asks first where anybody could have made the request.
func logout(v *visit) error {
	params, err := request.Parameters(v.Request())
	if err != nil {
		return err
	}
	sess := v.session
	if sess == nil {
		sess = v.Sessions.Past(v.cookie(page.SessionCookie)) // what it opened may still be in use
	}
	l, err := v.Authorize.BeginLogout(v.Request().Context(), readLogout(params), sess)
	switch {
	case err != nil:
		return err
	case !l.Confirm:
		return v.endAndLeave(l, sess)
	case v.session == nil:
		return v.endAndLeave(l, nil) // nobody is logged in who could confirm
	}
	data := logoutPage{}
	for _, name := range logoutParameters {
		if params.Has(name) {
			data.Parameters = append(data.Parameters, authorize.Parameter{Name: name, Value: params.Get(name)})
		}
	}
	shown := v.view(l.Org)
	shown.Token, shown.Destination, shown.Data = v.Sessions.Token(v.session), l.Redirect, data
	return pages.Respond(v, http.StatusOK, "logout", shown)
}

// endLogin logs out whoever has confirmed it.
func endLogin(v *visit) error {
	l, err := v.Authorize.BeginLogout(v.Request().Context(), readLogout(v.form), v.session)
	if err != nil {
		return err
	}
	return v.endAndLeave(l, v.session)
}

func (v *visit) endAndLeave(l authorize.Logout, sess *session.Session) error {
	if sess != nil {
		if err := v.Sessions.Logout(v.Request().Context(), sess); err != nil {
			return err
		}
	}
	v.dropCookie(page.SessionCookie)
	if l.Redirect != "" {
		return v.Redirect(http.StatusSeeOther, l.Redirect)
	}
	return v.redirect(pathSignedOut)
}

func signedOut(v *visit) error {
	if _, err := request.Query(v.Request()); err != nil {
		return err
	}
	return pages.Respond(v, http.StatusOK, "signed_out", v.view(nil))
}
