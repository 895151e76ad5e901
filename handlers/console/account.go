package console

import (
	"encoding/base64"
	"net/http"
	"strconv"
	"time"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/authorize"
	"github.com/claimsmith/claimsmith/auth/factor"
	"github.com/claimsmith/claimsmith/handlers/console/page"
	"github.com/claimsmith/claimsmith/handlers/request"
)

// accountPage is the data of the user's own page.
type accountPage struct {
	Name, Username string
	// Organisation is the name of his organisation, "" if it has none.
	Organisation string
	// Fresh: he has proved who he is recently enough to change how he does that (row S-10).
	Fresh bool
	// Protected: there is a second factor.
	Protected    bool
	TOTP         *factor.TOTP
	Codes        int
	CodesLeft    string
	Passkeys     []passkey
	PasskeysOff  bool            // this server is not reached in a way that allows them
	Ceremony     factor.Ceremony // Options "" where there can be no new passkey
	Sessions     []browserSession
	Applications []application
}

type passkey struct {
	ID, Name          string
	CreatedAt, UsedAt time.Time
}

type browserSession struct {
	ID, Agent, Address string
	CreatedAt, SeenAt  time.Time
	This               bool
}

type application struct {
	Client, Name, Org string
	Organisation      string // what people call it, "" for the default one without a name
	Scopes            []string
	GrantedAt         time.Time
}

// account shows the user's own page, once he is logged in.
func account(v *visit) error {
	query, err := request.Query(v.Request(), "done")
	if err != nil {
		return err
	}
	return owned(func(v *visit) error {
		done := ""
		if what := v.notified(query); what != "" {
			done = v.words().T("done." + what)
		}
		return v.showAccount(http.StatusOK, "", done)
	})(v)
}

// owned is ownedAt the account's first page.
func owned(h handler) handler { return ownedAt(authorize.PageAccount, h) }

// ownedAt finds out whose account it is. Who has still to log in, or to do something else first, is sent to do that, and then to the page.
func ownedAt(name string, h handler) handler {
	return func(v *visit) error {
		flow, err := v.beginPage(name, "")
		if err != nil {
			return err
		}
		step, err := v.Authorize.Next(v.Request().Context(), flow, v.session)
		if err != nil {
			return err
		}
		if step.Kind != authorize.StepPage {
			return v.resumeLater(flow)
		}
		v.step = step
		return h(v)
	}
}

// fresh is owned for what changes how the user proves who he is: he must have done that a moment ago (row S-10).
func fresh(h handler) handler {
	return owned(func(v *visit) error {
		if !v.Sessions.Fresh(v.session) {
			return confirmPerson(v)
		}
		return h(v)
	})
}

// confirmPerson has the user log in again, and leads back to his page.
func confirmPerson(v *visit) error { return confirmAt(authorize.PageAccount)(v) }

// confirmAt is confirmPerson for another of the account's pages.
func confirmAt(name string) handler {
	return func(v *visit) error {
		flow, err := v.beginPage(name, "")
		if err != nil {
			return err
		}
		flow.LogInAgain()
		if v.step != nil {
			flow.LoginHint = page.NameToLogIn(v.step.User)
		}
		return v.resumeLater(flow)
	}
}

// caller is the user at his own page.
func (v *visit) caller() *auth.Caller { return auth.Person(v.step.User.ID, v.step.User.Orgs[0]) }

func (v *visit) showAccount(status int, fault, done string) error {
	ctx, user := v.Request().Context(), v.step.User
	factors, err := v.Factors.Of(ctx, user.ID)
	if err != nil {
		return err
	}
	shown := v.view(v.step.Org)
	shown.Wide, shown.Fault, shown.Done, shown.Token = true, fault, done, v.Sessions.Token(v.session)
	data := accountPage{
		Name: page.NameOf(user), Username: page.NameToLogIn(user), Fresh: v.Sessions.Fresh(v.session),
		Protected: factors.Any(), TOTP: factors.TOTP,
		Codes: len(factors.RecoveryCodes), CodesLeft: strconv.Itoa(len(factors.RecoveryCodes)), PasskeysOff: !v.Factors.PasskeysAvailable(),
	}
	if v.step.Org != nil {
		data.Organisation = v.step.Org.Name
	}
	for _, p := range factors.Passkeys {
		data.Passkeys = append(data.Passkeys, passkey{base64.RawURLEncoding.EncodeToString(p.ID), p.Name, p.CreatedAt, p.UsedAt})
	}
	if data.Fresh && !data.PasskeysOff && len(factors.Passkeys) < factor.MaxPasskeys {
		if data.Ceremony, err = v.Factors.BeginPasskey(ctx, user.ID, data.Username); err != nil {
			return err
		}
	}
	sessions, err := v.Sessions.List(ctx, v.caller(), "", user.ID)
	if err != nil {
		return err
	}
	for _, s := range sessions {
		data.Sessions = append(data.Sessions, browserSession{
			ID: s.ID, Agent: shown.Agent(s.Agent), Address: s.Address, CreatedAt: s.CreatedAt, SeenAt: s.SeenAt, This: s.ID == v.session.ID,
		})
	}
	applications, err := v.Authorize.Applications(ctx, user.ID)
	if err != nil {
		return err
	}
	for _, a := range applications {
		data.Applications = append(data.Applications, application{
			a.Client, a.Name, a.Org, v.organisation(a.Org), scopesIn(shown.Words, a.Scopes), a.GrantedAt,
		})
	}
	shown.Data = data
	return pages.Respond(v, status, "account", shown)
}

// organisation is what people call an organisation: its name, else its slug, and "" for the default one, of which they need not know.
func (v *visit) organisation(slug string) string {
	org, err := v.Registry.Org(v.Request().Context(), slug)
	if err == nil && org.Name != "" {
		return org.Name
	}
	if slug == auth.DefaultOrg {
		return ""
	}
	return slug
}

// refused shows the page again for a fault its user can do something about.
func (v *visit) refused(err error, key string) error {
	return v.showAccount(page.FaultStatus(v, err), v.words().T(key), "")
}

// settled goes back to the page after a change, which failed or has words of its own.
func (v *visit) settled(err error, what string) error {
	switch {
	case auth.CodeOf(err) == auth.NotFound, err == nil: // gone already is what was wanted
		return v.notify(pathAccount, what)
	case v.words().Fault(err) != "":
		return v.showAccount(page.FaultStatus(v, err), v.words().Fault(err), "")
	}
	return err
}

func endSession(v *visit) error {
	id := v.form.Get("id")
	if id == v.session.ID {
		return v.endAndLeave(authorize.Logout{}, v.session)
	}
	return v.settled(v.Sessions.End(v.Request().Context(), v.caller(), "", v.step.User.ID, id), "session")
}

func withdraw(v *visit) error {
	err := v.Authorize.Withdraw(v.Request().Context(), v.step.User.ID, v.form.Get("organisation"), v.form.Get("client"))
	return v.settled(err, "application")
}
