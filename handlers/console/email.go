package console

import (
	"net/http"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/handlers/console/page"
	"github.com/claimsmith/claimsmith/handlers/request"
)

// emailPage is the data of the page that a mail to a new address leads to.
type emailPage struct {
	Secret, Address, Name string
	// State is what there is to say about it.
	State string
}

// Values of emailPage.State.
const (
	emailAsked     = "asked"
	emailConfirmed = "confirmed"
	emailDead      = "dead"
	emailTaken     = "taken"
)

// email shows which account an address is to be confirmed for. Programs that look through mail open links, so that confirms nothing.
func email(v *visit) error {
	query, err := request.Query(v.Request(), "secret", "done")
	if err != nil {
		return err
	}
	if v.notified(query) == emailConfirmed {
		return v.showEmail(http.StatusOK, emailPage{State: emailConfirmed})
	}
	secret := query.Get("secret")
	user, address, err := v.Profile.Users.AskedEmail(v.Request().Context(), secret)
	switch {
	case auth.CodeOf(err) == auth.InvalidGrant:
		return v.showEmail(page.FaultStatus(v, err), emailPage{State: emailDead})
	case err != nil:
		return err
	case user.EmailVerified && user.Email == address: // by this link
		return v.showEmail(http.StatusOK, emailPage{State: emailConfirmed})
	}
	return v.showEmail(http.StatusOK, emailPage{Secret: secret, Address: address, Name: page.NameToLogIn(&user), State: emailAsked})
}

func (v *visit) showEmail(status int, data emailPage) error {
	shown := v.view(nil)
	shown.Token, shown.Data = page.BrowserToken(v.browser, "form"), data
	return pages.Respond(v, status, "email", shown)
}

// confirmEmail makes the address the user's. Who reads its mail need not be logged in.
func confirmEmail(v *visit) error {
	_, err := v.Profile.ConfirmEmail(v.Request().Context(), v.form.Get("secret"))
	switch auth.CodeOf(err) {
	case auth.InvalidGrant:
		return v.showEmail(page.FaultStatus(v, err), emailPage{State: emailDead})
	case auth.Conflict:
		return v.showEmail(page.FaultStatus(v, err), emailPage{State: emailTaken})
	}
	if err != nil {
		return err
	}
	return v.notify(pathEmail, emailConfirmed)
}
