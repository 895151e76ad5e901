package console

import (
	"net/http"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/authorize"
	"github.com/claimsmith/claimsmith/handlers/console/page"
)

// signIn takes a name and a password.
func signIn(v *visit) error {
	who, err := v.Authorize.SignIn(v.Request().Context(), v.flow, v.form.Get("username"), v.form.Get("password"), v.RealIP())
	return v.prove(who, err, "fault.credentials")
}

// checkCode takes a one-time password or a recovery code.
func checkCode(v *visit) error {
	who, err := v.Authorize.CheckCode(v.Request().Context(), v.flow, v.form.Get("otp"), v.RealIP())
	return v.prove(who, err, "fault.code")
}

// checkPasskey takes what a browser answered to a passkey ceremony.
func checkPasskey(v *visit) error {
	who, err := v.Authorize.CheckPasskey(v.Request().Context(), v.flow, v.form.Get("state"), v.form.Get("response"), v.RealIP())
	return v.prove(who, err, "fault.passkey")
}

// prove goes on after a proof of who the user is, which may not have been enough, and asks again after a wrong one.
func (v *visit) prove(who *auth.Subject, err error, wrong string) error {
	switch {
	case auth.CodeOf(err) == auth.InvalidCredentials:
		return v.retryWith(err, v.words().T(wrong))
	case auth.CodeOf(err) == auth.LoginRequired: // too late for the second factor
		return v.resumeLater(v.flow)
	case err != nil:
		return v.retry(err)
	case who != nil:
		if err := v.logIn(*who); err != nil {
			return err
		}
	}
	return v.resumeLater(v.flow)
}

// logIn starts a session in place of the one the browser had (row S-02).
func (v *visit) logIn(who auth.Subject) error {
	_, text, err := v.Sessions.Start(v.Request().Context(), who, v.session, v.Request().UserAgent(), v.RealIP())
	if err != nil {
		return err
	}
	v.setCookie(page.SessionCookie, text)
	return nil
}

// chooseAccount goes on with the account that is logged in, which must be the one the page showed, or with another.
func chooseAccount(v *visit) error {
	if v.form.Get("account") == "other" {
		v.flow.LogInAgain()
		return v.resumeLater(v.flow)
	}
	return ofSession(func(v *visit) error {
		v.flow.GoOn()
		return v.resumeLater(v.flow)
	})(v)
}

func chooseOrg(v *visit) error {
	err := v.Authorize.ChooseOrg(v.Request().Context(), v.flow, v.session, v.form.Get("organisation"))
	if err != nil && auth.CodeOf(err) != auth.InteractionRequired { // that is for something else to be done first
		return err
	}
	return v.resumeLater(v.flow)
}

// newPassword replaces a temporary password on the way.
func newPassword(v *visit) error {
	step, err := v.Authorize.Next(v.Request().Context(), v.flow, v.session)
	if err != nil {
		return err
	}
	if step.Kind != authorize.StepPassword {
		return v.present(step, http.StatusOK, "")
	}
	_, err = v.setPassword(step.User)
	fault := v.words().Fault(err)
	if key := passwordFault(err); key != "" {
		fault = v.words().T(key)
	}
	switch {
	case fault != "":
		return v.present(step, page.FaultStatus(v, err), fault)
	case err != nil:
		return err
	}
	return v.resumeLater(v.flow)
}
