package operate

import (
	"strconv"
	"strings"
	"time"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/career"
	"github.com/claimsmith/claimsmith/auth/profile"
	"github.com/claimsmith/claimsmith/handlers/console/page"
)

// ownOf is what a user says of himself at his own page, as far as there is anything.
func (k *desk) ownOf(u *auth.User) ([]page.Fact, error) {
	var facts []page.Fact
	add := func(name, value string) {
		if value != "" {
			facts = append(facts, page.Fact{Name: k.text("user.own." + name), Value: value})
		}
	}
	add("title", u.Biography.Title)
	add("bio", u.Biography.Bio)
	add("goals", u.Biography.Goals)
	add("languages", strings.Join(profile.Languages(u), ", "))
	for _, link := range profile.Links(u) {
		facts = append(facts, page.Fact{Name: link.Platform, Value: link.URL})
	}
	switch u.Biography.Privacy {
	case auth.PrivacyPrivate:
		add("privacy", k.text("user.own.privacy.private"))
	case auth.PrivacyCustom:
		add("privacy", k.text("user.own.privacy.custom"))
	default:
		add("privacy", k.text("user.own.privacy.all"))
	}
	if p := u.PendingEmail; p != nil && k.Now().Before(p.Until) {
		add("email", k.text("user.own.email.until", "address", p.Address, "time", k.words().Moment(p.Until.Truncate(time.Minute))))
	}
	ctx := k.Request().Context()
	for _, kind := range []career.Kind{career.Education, career.Experience, career.Institutions, career.Companies} {
		items, err := k.Career.List(ctx, k.caller, k.org.Slug, u.ID, kind)
		if err != nil {
			return nil, err
		}
		add(string(kind), countOf(len(items)))
	}
	resume, err := k.Career.Resume(ctx, k.caller, k.org.Slug, u.ID)
	if err != nil {
		return nil, err
	}
	add("files", countOf(len(resume.Files)))
	return facts, nil
}

// countOf is a number, "" for none.
func countOf(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}
