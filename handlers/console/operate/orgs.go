package operate

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/handlers/problem"
)

// orgsPage is the data of the list of organisations, with the form for another one.
type orgsPage struct {
	paging
	Orgs       []auth.Org
	Slug, Name string
}

func (k *desk) orgs() error {
	query, err := k.query("cursor")
	if err != nil {
		return err
	}
	p, err := k.paging(query)
	if err != nil {
		return err
	}
	return k.showOrgs(p, nil)
}

func (k *desk) showOrgs(p paging, fault error) error {
	data := orgsPage{paging: p, Slug: k.form.Get("slug"), Name: k.form.Get("name")}
	orgs, next, err := k.Orgs.List(k.Request().Context(), k.caller, auth.Page{After: p.After, Limit: pageSize})
	if err != nil {
		return err
	}
	data.Orgs = orgs
	data.then(next)
	if fault != nil {
		return k.refuse(fault, "orgs", "orgs", &data)
	}
	return k.respond(http.StatusOK, "orgs", "orgs", &data)
}

func (k *desk) createOrg() error {
	slug, name := strings.TrimSpace(k.form.Get("slug")), k.form.Get("name")
	if _, err := k.Orgs.Create(k.Request().Context(), k.caller, slug, auth.OrgChange{Name: &name}); err != nil {
		return k.showOrgs(paging{}, err)
	}
	return k.done(orgPath(slug, "settings"), "org_created")
}

// settingsPage is the data of an organisation's settings.
type settingsPage struct {
	Org                 auth.Org
	Budget, Logo, Color string
	// Changes and Days are how much is remembered of every document, "" for the server's own.
	Changes, Days string
	Version       string
	Largest       int
}

func (k *desk) settings() error {
	if _, err := k.query(); err != nil {
		return err
	}
	k.tab = "settings"
	return k.respond(http.StatusOK, "settings", "org", k.settingsForm())
}

func (k *desk) settingsForm() settingsPage {
	data := settingsPage{
		Org: *k.org, Logo: k.org.LogoURL, Color: k.org.Color, Version: strconv.FormatUint(k.org.Version, 10), Largest: auth.MaxClaimsBudget,
	}
	for text, n := range map[*string]int{
		&data.Budget: k.org.ClaimsBudget, &data.Changes: k.org.HistoryChanges, &data.Days: k.org.HistoryDays,
	} {
		if n > 0 {
			*text = strconv.Itoa(n)
		}
	}
	return data
}

func (k *desk) saveSettings() error {
	version, err := k.version()
	if err != nil {
		return err
	}
	name, logo, color := k.form.Get("name"), strings.TrimSpace(k.form.Get("logo_url")), strings.TrimSpace(k.form.Get("color"))
	disabled := k.checked("disabled")
	numbers := map[string]int{"claims_budget": 0, "history_changes": 0, "history_days": 0}
	for _, field := range []string{"claims_budget", "history_changes", "history_days"} {
		text := strings.TrimSpace(k.form.Get(field))
		if text == "" {
			continue
		}
		n, numberErr := strconv.Atoi(text)
		if numberErr != nil {
			err = &auth.Error{Code: auth.InvalidRequest, Field: field, Detail: "a number"}
		}
		numbers[field] = n
	}
	budget, changes, days := numbers["claims_budget"], numbers["history_changes"], numbers["history_days"]
	if err == nil {
		_, err = k.Orgs.Update(k.Request().Context(), k.caller, k.org.Slug, version, auth.OrgChange{
			Name: &name, Disabled: &disabled, ClaimsBudget: &budget, LogoURL: &logo, Color: &color,
			HistoryChanges: &changes, HistoryDays: &days,
		})
	}
	if err != nil {
		data := k.settingsForm()
		data.Org.Name, data.Logo, data.Color, data.Budget = name, logo, color, k.form.Get("claims_budget")
		data.Org.Disabled, data.Changes, data.Days = disabled, k.form.Get("history_changes"), k.form.Get("history_days")
		return k.refuse(err, "settings", "org", data)
	}
	return k.done(k.here("settings"), "settings")
}

// forAdministrators refuses everybody else, as pages about the whole installation show nothing of an organisation.
func (k *desk) forAdministrators() error {
	if !k.caller.IsAdmin() {
		return problem.New(problem.AccessDenied, "only administrators may see this")
	}
	return nil
}
