package console

import (
	"cmp"
	"net/http"
	"strings"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/authorize"
	"github.com/claimsmith/claimsmith/auth/factor"
	"github.com/claimsmith/claimsmith/handlers/console/page"
)

// totpPage is the data of the page that sets an authenticator app up.
type totpPage struct {
	Secret, State string
	Barcode       *barcode
}

// recoveryPage is the data of the page that shows recovery codes, once.
type recoveryPage struct{ Codes []string }

// changePassword replaces the password. That ends every session, this one too, so the browser is logged in anew with the new password.
func changePassword(v *visit) error {
	flow, err := v.beginPage(authorize.PageAccount, "")
	if err != nil {
		return err
	}
	v.flow = flow
	again, err := v.setPassword(v.step.User)
	switch key := passwordFault(err); {
	case key != "":
		return v.refused(err, key)
	case err != nil:
		return v.settled(err, "")
	case !again:
		return v.resumeLater(v.flow)
	}
	return v.notify(pathAccount, "password")
}

// setPassword replaces the password and goes on with the flow of the visit. again reports whether the browser is logged in anew; it is
// not where a second factor is due, or it takes another try.
func (v *visit) setPassword(user *auth.User) (again bool, err error) {
	ctx, password := v.Request().Context(), v.form.Get("new_password")
	err = v.Users.SetPassword(ctx, auth.Person(user.ID, user.Orgs[0]), "", "me", auth.NewPassword{
		Password: password, Current: v.form.Get("current_password"),
	})
	if err != nil {
		return false, err
	}
	who, err := v.Authorize.SignIn(ctx, v.flow, page.NameToLogIn(user), password, v.RealIP())
	if err == nil && who != nil {
		err = v.logIn(*who)
		again = err == nil
	}
	if !again {
		v.dropCookie(page.SessionCookie)
	}
	return again, nil // the password is changed whatever came of it; the page to sign in comes next
}

// passwordFault is the text for a password that could not be replaced because of what was typed, "" for other errors.
func passwordFault(err error) string {
	switch auth.CodeOf(err) {
	case auth.AccessDenied:
		return "fault.password.current"
	case auth.InvalidRequest:
		return "fault.password.new"
	}
	return ""
}

// beginTOTP shows a key for an authenticator app, which is kept once a code shows that the app has it.
func beginTOTP(v *visit) error {
	enrolment, err := v.Factors.BeginTOTP(v.Request().Context(), v.step.User.ID, v.nameInApp())
	if auth.CodeOf(err) == auth.Conflict {
		return v.redirect(pathAccount) // there is one, as the page shows
	}
	if err != nil {
		return err
	}
	return v.showTOTP(http.StatusOK, "", enrolment)
}

// nameInApp is what an authenticator app lists the account by.
func (v *visit) nameInApp() string {
	return cmp.Or(page.NameToLogIn(v.step.User), page.NameOf(v.step.User))
}

func (v *visit) showTOTP(status int, fault string, enrolment factor.Enrolment) error {
	code, err := newBarcode(enrolment.URI)
	if err != nil {
		return err
	}
	shown := v.view(v.step.Org)
	shown.Token, shown.Fault = v.Sessions.Token(v.session), fault
	shown.Data = totpPage{Secret: grouped(enrolment.Secret), State: enrolment.State, Barcode: code}
	return pages.Respond(v, status, "totp", shown)
}

// retryTOTP shows the same key again after a wrong code: the app may not have read it.
func (v *visit) retryTOTP(wrong error) error {
	enrolment, err := v.Factors.ResumeTOTP(v.Request().Context(), v.step.User.ID, v.nameInApp(), v.form.Get("state"))
	switch auth.CodeOf(err) {
	case auth.InvalidRequest, auth.Conflict: // since the code was looked at
		return v.refused(err, "fault.begin_again")
	}
	if err != nil {
		return err
	}
	return v.showTOTP(page.FaultStatus(v, wrong), v.words().T("fault.code"), enrolment)
}

func finishTOTP(v *visit) error {
	codes, err := v.Factors.FinishTOTP(v.Request().Context(), v.step.User.ID, v.form.Get("state"), v.form.Get("otp"))
	switch {
	case auth.CodeOf(err) == auth.InvalidCredentials:
		return v.retryTOTP(err)
	case auth.CodeOf(err) == auth.InvalidRequest, auth.CodeOf(err) == auth.Conflict: // too late, or there is one by now
		return v.refused(err, "fault.begin_again")
	case err != nil:
		return v.settled(err, "")
	case len(codes) > 0:
		return v.showRecoveryCodes(codes, v.words().T("done.totp"))
	}
	return v.notify(pathAccount, "totp")
}

func removeTOTP(v *visit) error {
	return v.settled(v.Factors.RemoveTOTP(v.Request().Context(), v.step.User.ID), "totp_removed")
}

func newRecoveryCodes(v *visit) error {
	codes, err := v.Factors.NewRecoveryCodes(v.Request().Context(), v.step.User.ID)
	switch {
	case auth.CodeOf(err) == auth.Conflict:
		return v.redirect(pathAccount) // there is nothing they would stand in for, as the page shows
	case err != nil:
		return v.settled(err, "")
	}
	return v.showRecoveryCodes(codes, "")
}

// showRecoveryCodes answers with the page itself: to show it after a redirect the codes would have to be kept.
func (v *visit) showRecoveryCodes(codes []string, done string) error {
	shown := v.view(v.step.Org)
	shown.Done, shown.Data = done, recoveryPage{codes}
	return pages.Respond(v, http.StatusOK, "recovery", shown)
}

func addPasskey(v *visit) error {
	name := strings.TrimSpace(v.form.Get("name"))
	err := v.Factors.FinishPasskey(v.Request().Context(), v.step.User.ID, name, v.form.Get("state"), v.form.Get("response"))
	switch auth.CodeOf(err) {
	case auth.InvalidRequest, auth.InvalidCredentials, auth.Conflict:
		return v.refused(err, "fault.passkey.new")
	}
	return v.settled(err, "passkey")
}

func removePasskey(v *visit) error {
	return v.settled(v.Factors.RemovePasskey(v.Request().Context(), v.step.User.ID, v.form.Get("id")), "passkey_removed")
}

// grouped writes a key in groups of four, as it is easier to type.
func grouped(key string) string {
	var b strings.Builder
	for n, r := range key {
		if n > 0 && n%4 == 0 {
			b.WriteByte(' ')
		}
		b.WriteRune(r)
	}
	return b.String()
}
