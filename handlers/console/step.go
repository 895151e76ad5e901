package console

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/authorize"
	"github.com/claimsmith/claimsmith/auth/factor"
	"github.com/claimsmith/claimsmith/claims"
)

// signInPage is the data of the first page, and of the new password's.
type signInPage struct {
	Page, Client, Username string
	Ceremony               factor.Ceremony
}

// factorPage is the data of the second factor's.
type factorPage struct {
	TOTP, Codes bool
	Ceremony    factor.Ceremony // Options "" where he has no passkey
}

// choicePage is the data of the pages to choose an account and an organisation by.
type choicePage struct {
	Client, Name  string
	Organisations []organisation
}

type organisation struct{ Slug, Name string }

// consentPage is the data of the consent page, which is also the one to let a device in by.
type consentPage struct {
	Client, Name, Destination, UserCode string
	Scopes                              []string
	Profile, Claims                     []fact
}

type fact struct{ Name, Value string }

// postPage is the data of the page that carries an answer by POST.
type postPage struct {
	Client, RedirectURI string
	Parameters          []authorize.Parameter
}

// proceed finds out what the flow of a visit still needs, and shows it or answers.
func (v *visit) proceed() error {
	step, err := v.Authorize.Next(v.Request().Context(), v.flow, v.session)
	if err != nil {
		return err
	}
	return v.present(step, http.StatusOK, "")
}

// retry shows the form again that was filled in wrongly. What its user can do nothing about is an error page.
func (v *visit) retry(err error) error {
	fault := v.formFault(err)
	if fault == "" {
		return err
	}
	return v.retryWith(err, fault)
}

func (v *visit) retryWith(err error, fault string) error {
	step, nextErr := v.Authorize.Next(v.Request().Context(), v.flow, v.session)
	if nextErr != nil {
		return nextErr
	}
	return v.present(step, v.faultStatus(err), fault)
}

// present shows a step, or does it where it is no page. A status other than 200 is that of a form with a fault.
func (v *visit) present(step *authorize.Step, status int, fault string) error {
	page, name, err := v.pageOf(step)
	if err != nil || page == nil {
		return err
	}
	page.Fault = fault
	page.Flow = v.Authorize.Seal(v.flow)
	if v.session != nil {
		page.Token = v.Sessions.Token(v.session)
	}
	page.destination = v.flow.RedirectURI
	return respond(v, status, name, page)
}

// pageOf returns the page of a step, nil for one that was done instead.
func (v *visit) pageOf(step *authorize.Step) (page *view, name string, err error) {
	client := ""
	if step.Client != nil {
		client = nameOfClient(step.Client)
	}
	page = v.view(step.Org)
	switch step.Kind {
	case authorize.StepSignIn:
		ceremony, err := v.ceremony("")
		page.Data = signInPage{
			Page: v.flow.Page, Client: client, Username: cmp.Or(v.form.Get("username"), v.flow.LoginHint), Ceremony: ceremony,
		}
		return page, "signin", err
	case authorize.StepFactor:
		data := factorPage{TOTP: step.Factors.TOTP != nil, Codes: step.Factors.TOTP != nil || len(step.Factors.RecoveryCodes) > 0}
		if len(step.Factors.Passkeys) > 0 {
			data.Ceremony, err = v.ceremony(v.flow.Primary.User)
		}
		page.Data = data
		return page, "factor", err
	case authorize.StepPassword:
		page.Data = signInPage{Client: client, Username: nameToLogIn(step.User)}
		return page, "new_password", nil
	case authorize.StepAccount:
		page.Data = choicePage{Client: client, Name: nameOf(step.User)}
		return page, "account_choice", nil
	case authorize.StepOrg:
		data := choicePage{Client: cmp.Or(client, product)}
		for _, org := range step.Orgs {
			data.Organisations = append(data.Organisations, organisation{org.Slug, cmp.Or(org.Name, nameOfSlug(org.Slug))})
		}
		page.Data = data
		return page, "organisation", nil
	case authorize.StepConsent:
		page.Data = consentPage{
			Client: client, Name: nameOf(step.User), Destination: originOf(v.flow.RedirectURI), UserCode: shownCode(v.flow.UserCode),
			Scopes: page.scopes(step.Scopes), Profile: page.profile(&step.Profile), Claims: claimsOf(step.Claims),
		}
		return page, "consent", nil
	case authorize.StepAnswer:
		return nil, "", v.answer(step.Answer, step.Org, client)
	}
	return nil, "", v.redirect("/" + v.flow.Page)
}

// ceremony asks the browser to prove a passkey, of a user or of anybody. Where there can be none it is the zero one.
func (v *visit) ceremony(user string) (factor.Ceremony, error) {
	if !v.Factors.PasskeysAvailable() {
		return factor.Ceremony{}, nil
	}
	return v.Factors.BeginLogin(v.Request().Context(), user)
}

// answer sends the browser back to the client (RFC 6749 §4.1.2, OAuth 2.0 Form Post Response Mode §2).
func (v *visit) answer(a *authorize.Answer, org *auth.Org, client string) error {
	if a.Mode != "form_post" {
		return v.Redirect(http.StatusSeeOther, a.URL())
	}
	page := v.view(org)
	page.destination = a.RedirectURI
	page.Data = postPage{Client: client, RedirectURI: a.RedirectURI, Parameters: a.Parameters}
	return respond(v, http.StatusOK, "post", page)
}

// words are in the language the flow, if there is one, or the browser asks for.
func (v *visit) words() words {
	locales := ""
	if v.flow != nil {
		locales = v.flow.UILocales
	}
	return words{languageOf(locales, v.Request().Header.Get("Accept-Language"))}
}

// view begins a page in the look of an organisation, the default one's where it is about none.
func (v *visit) view(org *auth.Org) *view {
	if org == nil {
		org, _ = v.Registry.Org(v.Request().Context(), auth.DefaultOrg) // else that of the product
	}
	return &view{words: v.words(), Look: lookOf(org), dialect: v.Dialect}
}

func nameOfClient(c *auth.Client) string { return cmp.Or(c.Name, c.ID) }

// nameOf is what a user is called.
func nameOf(u *auth.User) string {
	if u == nil {
		return ""
	}
	return cmp.Or(u.Profile.Name, nameToLogIn(u), u.ID)
}

// nameToLogIn is a name the user can log in by, "" for none.
func nameToLogIn(u *auth.User) string {
	if u == nil {
		return ""
	}
	if handles := u.Handles(); len(handles) > 0 {
		return handles[0].Canonical
	}
	return ""
}

// shownCode is a user code as devices show it (RFC 8628 §6.1).
func shownCode(code string) string {
	if len(code) != 8 {
		return code
	}
	return code[:4] + "-" + code[4:]
}

// scopes says in words what scopes let a client have.
func (v *view) scopes(scopes []string) []string {
	said := make([]string, 0, len(scopes))
	for _, scope := range scopes {
		if key := "scope." + scope; slices.Contains(knownScopes, scope) {
			said = append(said, v.T(key))
		} else {
			said = append(said, v.T("scope.other", "scope", scope))
		}
	}
	return said
}

var knownScopes = []string{auth.ScopeOpenID, "profile", "email", "phone", "address", auth.ScopeOffline}

// profile lists what there is of a profile.
func (v *view) profile(p *claims.Profile) []fact {
	var facts []fact
	for _, f := range profileFields(p) {
		if f.Value != "" {
			facts = append(facts, fact{v.T("profile." + f.Name), f.Value})
		}
	}
	return facts
}

// profileFields are the fields of a profile that mean something to a person, by the name of their claim.
func profileFields(p *claims.Profile) []fact {
	return []fact{
		{"name", p.Name}, {"given_name", p.GivenName}, {"middle_name", p.MiddleName}, {"family_name", p.FamilyName},
		{"nickname", p.Nickname}, {"preferred_username", p.PreferredUsername}, {"email", p.Email}, {"phone_number", p.PhoneNumber},
		{"address", addressLine(p.Address)}, {"birthdate", p.Birthdate}, {"gender", p.Gender}, {"website", p.Website},
		{"profile", p.ProfileURL}, {"picture", p.Picture}, {"locale", p.Locale}, {"zoneinfo", p.Zoneinfo},
	}
}

func addressLine(a claims.Address) string {
	if a.Formatted != "" {
		return a.Formatted
	}
	line := ""
	for _, part := range []string{a.StreetAddress, a.PostalCode, a.Locality, a.Region, a.Country} {
		if part != "" && line != "" {
			line += ", "
		}
		line += part
	}
	return line
}

func claimsOf(list []authorize.Claim) []fact {
	facts := make([]fact, 0, len(list))
	for _, c := range list {
		facts = append(facts, fact{c.Key, readable(c.Value)})
	}
	return facts
}

// readable is a JSON value as people read it: a string without its quotes, unless there is nothing else to see of it. Every other value
// stays as it is, numbers to the last digit.
func readable(value string) string {
	if text, err := jsontext.AppendUnquote(nil, value); err == nil && strings.TrimSpace(string(text)) != "" {
		return string(text)
	}
	return value
}
