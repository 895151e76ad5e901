package console

import (
	"cmp"
	"net/http"
	"slices"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/authorize"
	"github.com/claimsmith/claimsmith/auth/factor"
	"github.com/claimsmith/claimsmith/claims"
	"github.com/claimsmith/claimsmith/handlers/console/page"
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

type fact = page.Fact

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
	fault := v.words().Fault(err)
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
	return v.present(step, page.FaultStatus(v, err), fault)
}

// present shows a step, or does it where it is no page. A status other than 200 is that of a form with a fault.
func (v *visit) present(step *authorize.Step, status int, fault string) error {
	shown, name, err := v.pageOf(step)
	if err != nil || shown == nil {
		return err
	}
	shown.Fault = fault
	shown.Flow = v.Authorize.Seal(v.flow)
	if v.session != nil {
		shown.Token = v.Sessions.Token(v.session)
	}
	shown.Destination = v.flow.RedirectURI
	return pages.Respond(v, status, name, shown)
}

// pageOf returns the page of a step, nil for one that was done instead.
func (v *visit) pageOf(step *authorize.Step) (shown *page.View, name string, err error) {
	client := ""
	if step.Client != nil {
		client = nameOfClient(step.Client)
	}
	shown = v.view(step.Org)
	switch step.Kind {
	case authorize.StepSignIn:
		ceremony, err := v.ceremony("")
		shown.Data = signInPage{
			Page: v.flow.Page, Client: client, Username: cmp.Or(v.form.Get("username"), v.flow.LoginHint), Ceremony: ceremony,
		}
		return shown, "signin", err
	case authorize.StepFactor:
		data := factorPage{TOTP: step.Factors.TOTP != nil, Codes: step.Factors.TOTP != nil || len(step.Factors.RecoveryCodes) > 0}
		if len(step.Factors.Passkeys) > 0 {
			data.Ceremony, err = v.ceremony(v.flow.Primary.User)
		}
		shown.Data = data
		return shown, "factor", err
	case authorize.StepPassword:
		shown.Data = signInPage{Client: client, Username: page.NameToLogIn(step.User)}
		return shown, "new_password", nil
	case authorize.StepAccount:
		shown.Data = choicePage{Client: client, Name: page.NameOf(step.User)}
		return shown, "account_choice", nil
	case authorize.StepOrg:
		data := choicePage{Client: cmp.Or(client, page.Product)}
		for _, org := range step.Orgs {
			data.Organisations = append(data.Organisations, organisation{org.Slug, cmp.Or(org.Name, page.NameOfSlug(org.Slug))})
		}
		shown.Data = data
		return shown, "organisation", nil
	case authorize.StepConsent:
		shown.Data = consentPage{
			Client: client, Name: page.NameOf(step.User), Destination: page.OriginOf(v.flow.RedirectURI), UserCode: shownCode(v.flow.UserCode),
			Scopes: scopesIn(shown.Words, step.Scopes), Profile: profileIn(shown.Words, &step.Profile), Claims: claimsOf(step.Claims),
		}
		return shown, "consent", nil
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
	shown := v.view(org)
	shown.Destination = a.RedirectURI
	shown.Data = postPage{Client: client, RedirectURI: a.RedirectURI, Parameters: a.Parameters}
	return pages.Respond(v, http.StatusOK, "post", shown)
}

// words are in the language the flow, if there is one, or the browser asks for.
func (v *visit) words() page.Words {
	locales := ""
	if v.flow != nil {
		locales = v.flow.UILocales
	}
	return catalogues.For(locales, v.Request().Header.Get("Accept-Language"))
}

// view begins a page in the look of an organisation, the default one's where it is about none.
func (v *visit) view(org *auth.Org) *page.View {
	if org == nil {
		org, _ = v.Registry.Org(v.Request().Context(), auth.DefaultOrg) // else that of the product
	}
	return &page.View{Words: v.words(), Site: v.site(), Look: page.LookOf(org)}
}

func nameOfClient(c *auth.Client) string { return cmp.Or(c.Name, c.ID) }

// shownCode is a user code as devices show it (RFC 8628 §6.1).
func shownCode(code string) string {
	if len(code) != 8 {
		return code
	}
	return code[:4] + "-" + code[4:]
}

// scopesIn says in words what scopes let a client have.
func scopesIn(w page.Words, scopes []string) []string {
	said := make([]string, 0, len(scopes))
	for _, scope := range scopes {
		if key := "scope." + scope; slices.Contains(knownScopes, scope) {
			said = append(said, w.T(key))
		} else {
			said = append(said, w.T("scope.other", "scope", scope))
		}
	}
	return said
}

var knownScopes = []string{auth.ScopeOpenID, "profile", "email", "phone", "address", auth.ScopeOffline, auth.ScopeUserMetadata}

// profileIn lists what there is of a profile.
func profileIn(w page.Words, p *claims.Profile) []fact {
	var facts []fact
	for _, f := range page.ProfileFields(p) {
		if f.Value != "" {
			facts = append(facts, fact{Name: w.T("profile." + f.Name), Value: f.Value})
		}
	}
	return facts
}

func claimsOf(list []authorize.Claim) []fact {
	facts := make([]fact, 0, len(list))
	for _, c := range list {
		facts = append(facts, fact{Name: c.Key, Value: page.Readable(c.Value)})
	}
	return facts
}
