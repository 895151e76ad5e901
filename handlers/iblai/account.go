package iblai

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/profile"
	"github.com/claimsmith/claimsmith/handlers/origin"
	"github.com/claimsmith/claimsmith/handlers/request"
)

const (
	// maxAccountBody bounds what is sent about a person, in bytes.
	maxAccountBody = 256 << 10
	// maxEmails is how many people one request may ask for by their addresses.
	maxEmails = 100
	// mergePatch is what Open edX takes a change as (RFC 7396 §4).
	mergePatch = "application/merge-patch+json"
)

// mountAccounts adds what the LMS serves below /api/user/v1.
func (d *Dialect) mountAccounts(e *echo.Echo) {
	d.add(e, lmsHost, "/api/user/v1/me", origin.Route{Method: http.MethodGet, Handler: d.authenticated(d.me)})
	d.add(e, lmsHost, "/api/user/v1/accounts", origin.Route{Method: http.MethodGet, Handler: d.authenticated(d.accounts)})
	d.add(e, lmsHost, "/api/user/v1/accounts/search_emails",
		origin.Route{Method: http.MethodPost, Handler: d.authenticated(d.searchEmails)})
	d.add(e, lmsHost, "/api/user/v1/accounts/:username",
		origin.Route{Method: http.MethodGet, Handler: d.named(d.account)},
		origin.Route{Method: http.MethodPatch, Handler: d.named(d.changeAccount)})
	d.add(e, lmsHost, "/api/user/v1/preferences/:username",
		origin.Route{Method: http.MethodGet, Handler: d.named(d.preferences)},
		origin.Route{Method: http.MethodPatch, Handler: d.named(d.changePreferences)})
	d.add(e, lmsHost, "/api/user/v1/preferences/:username/:key",
		origin.Route{Method: http.MethodGet, Handler: d.named(d.preference)},
		origin.Route{Method: http.MethodPut, Handler: d.named(d.setPreference)},
		origin.Route{Method: http.MethodDelete, Handler: d.named(d.removePreference)})
}

// named is authenticated for a path that says whom it is about. Refusals of profile.Service are told in the words of Open edX.
func (d *Dialect) named(do func(c echo.Context, caller *auth.Caller, username string) error) echo.HandlerFunc {
	return d.authenticated(func(c echo.Context, caller *auth.Caller) error {
		username, err := request.PathValue(c, "username")
		if err != nil {
			return err
		}
		return ofAccount(do(c, caller, username))
	})
}

// members are all members of an object.
type members struct {
	All map[string]jsontext.Value `json:",embed"`
}

func (d *Dialect) me(c echo.Context, caller *auth.Caller) error {
	user, err := d.Users.Find(c.Request().Context(), caller, "", "me")
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, map[string]string{"username": nameOf(&user)})
}

func (d *Dialect) account(c echo.Context, caller *auth.Caller, username string) error {
	query, err := request.Parameters(c.Request())
	if err != nil {
		return err
	}
	account, err := d.Profile.Account(c.Request().Context(), caller, username, isShared(query))
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, d.viewAccount(&account))
}

func (d *Dialect) changeAccount(c echo.Context, caller *auth.Caller, username string) error {
	body, err := decodeUpTo[members](c.Request(), maxAccountBody, mergePatch)
	if err != nil {
		return err
	}
	account, err := d.Profile.Change(c.Request().Context(), caller, username, body.All)
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, d.viewAccount(&account))
}

// isShared reports whether a query asks for what a person shares, even where the caller may see more.
func isShared(query map[string][]string) bool {
	return len(query["view"]) == 1 && query["view"][0] == "shared"
}

// accounts lists those that the query names by username, or the one of an address or a number. None at all is 404.
func (d *Dialect) accounts(c echo.Context, caller *auth.Caller) error {
	query, err := request.Parameters(c.Request())
	if err != nil {
		return err
	}
	found, err := d.findAccounts(c, caller, query)
	if auth.CodeOf(err) == auth.NotFound || err == nil && len(found) == 0 {
		return errNoAccount
	}
	if err != nil {
		return err
	}
	shown := make([]ordered, len(found))
	for n := range found {
		shown[n] = d.viewAccount(&found[n])
	}
	return respond(c, http.StatusOK, shown)
}

func (d *Dialect) findAccounts(c echo.Context, caller *auth.Caller, query map[string][]string) ([]profile.Account, error) {
	ctx, shared := c.Request().Context(), isShared(query)
	var found profile.Account
	var err error
	switch {
	case query["username"] != nil:
		return d.Profile.Accounts(ctx, caller, strings.Split(query["username"][0], ","), shared)
	case query["email"] != nil:
		found, err = d.Profile.ByEmail(ctx, caller, query["email"][0], shared)
	case query["lms_user_id"] != nil:
		number, unreadable := strconv.ParseUint(query["lms_user_id"][0], 10, 64) // 0, which is nobody's, for what is none
		found, err = d.Profile.ByNumber(ctx, caller, number, shared)
		if unreadable != nil && auth.CodeOf(err) == auth.NotFound {
			return nil, errNoNumber
		}
	default:
		return nil, errNoAccount
	}
	return []profile.Account{found}, err
}

// emailsBody passes over members it does not know.
type emailsBody struct {
	Emails *[]string                 `json:"emails"`
	Others map[string]jsontext.Value `json:",embed"`
}

// match is somebody whose address was asked for.
type match struct {
	Email    string `json:"email"`
	ID       uint64 `json:"id"`
	Username string `json:"username"`
}

func (d *Dialect) searchEmails(c echo.Context, caller *auth.Caller) error {
	if !caller.MayRead(caller.HomeOrg()) {
		return errNotSearched
	}
	body, err := decodeUpTo[emailsBody](c.Request(), maxAccountBody)
	switch {
	case err != nil:
		return err
	case body.Emails == nil:
		return errNoEmails
	case len(*body.Emails) > maxEmails:
		return errTooManyEmails
	}
	found := []match{}
	for _, email := range *body.Emails {
		account, err := d.Profile.ByEmail(c.Request().Context(), caller, email, false)
		if auth.CodeOf(err) == auth.NotFound {
			continue
		}
		if err != nil {
			return err
		}
		found = append(found, match{account.User.Email, account.Number, nameOf(&account.User)})
	}
	return respond(c, http.StatusOK, found)
}

// message is what Open edX tells developers and users.
type message struct {
	Developer string  `json:"developer_message"`
	User      *string `json:"user_message"` // nil for nothing
}

func messageOf(f profile.Fault) message {
	if f.User == "" {
		return message{Developer: f.Developer}
	}
	return message{f.Developer, &f.User}
}

// toBoth is a message that developers and users are told alike.
func toBoth(text string) message { return message{text, &text} }

// The refusals of Open edX.
var (
	errNoAccount     = &refusal{http.StatusNotFound, nil}
	errNoNumber      = &refusal{http.StatusBadRequest, nil}
	errNotSearched   = &refusal{http.StatusNotFound, messageOf(profile.Fault{Developer: "not_found", User: "Not Found"})}
	errNoEmails      = &refusal{http.StatusBadRequest, toBoth("'emails' field is required")}
	errTooManyEmails = &refusal{http.StatusBadRequest, toBoth("emails: at most " + strconv.Itoa(maxEmails) + " addresses")}
)

// ofAccount puts a refusal of profile.Service into the words of Open edX. Most have no body.
func ofAccount(err error) error {
	if faults, ok := errors.AsType[profile.Faults](err); ok {
		return &refusal{http.StatusBadRequest, viewFaults(faults)}
	}
	switch auth.CodeOf(err) {
	case auth.AccessDenied:
		return &refusal{http.StatusForbidden, nil}
	case auth.NotFound:
		return errNoAccount
	}
	return err
}

// viewFaults shows what is wrong with members, or with the change as a whole.
func viewFaults(faults profile.Faults) any {
	if whole, ok := faults[""]; ok {
		return messageOf(whole)
	}
	fields := make(map[string]message, len(faults))
	for name, fault := range faults {
		fields[name] = messageOf(fault)
	}
	return map[string]any{"field_errors": fields}
}
