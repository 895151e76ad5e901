package operate

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/handlers/problem"
	"github.com/claimsmith/claimsmith/internal/audit"
)

// auditPage is the data of the audit log.
type auditPage struct {
	paging
	Address string
	Filter  auditFilter
	Events  []audit.Entry
	// Verified is what checking the chain found, nil where it was not checked.
	Verified *audit.Verification
	// Own: it is that of the installation.
	Own bool
}

type auditFilter struct{ Actor, Target, Action, Outcome, From, To string }

var auditParameters = []string{"actor", "target", "action", "outcome", "from", "to"}

// auditOf is whose log a page shows: the organisation's, or that of the installation.
func (k *desk) auditOf() (org, address string, err error) {
	if k.org != nil {
		return k.org.Slug, k.site().At(k.here("audit")), nil
	}
	return "", k.site().At(pathAudit), k.forAdministrators()
}

func (k *desk) audit() error {
	query, err := k.query(append(auditParameters, "cursor")...)
	if err != nil {
		return err
	}
	return k.showAudit(query, nil)
}

func (k *desk) showAudit(query url.Values, verified *audit.Verification) error {
	org, address, err := k.auditOf()
	if err != nil {
		return err
	}
	data := auditPage{Address: address, Verified: verified, Own: org == "", Filter: auditFilter{
		strings.TrimSpace(query.Get("actor")), strings.TrimSpace(query.Get("target")), strings.TrimSpace(query.Get("action")),
		query.Get("outcome"), query.Get("from"), query.Get("to"),
	}}
	if data.paging, err = k.paging(query, auditParameters...); err != nil {
		return err
	}
	section := "audit"
	if data.Own {
		section = "installation_audit"
	}
	filter, err := data.Filter.trail()
	if err == nil {
		var next string
		data.Events, next, err = k.Trail.List(k.Request().Context(), k.caller, org, filter, auth.Page{After: data.After, Limit: pageSize})
		data.then(next)
	}
	if err != nil {
		return k.refuse(err, "audit", section, &data)
	}
	return k.respond(http.StatusOK, "audit", section, &data)
}

// trail is the filter in the terms of the service. Times are those of a day, or with hours, in UTC.
func (f *auditFilter) trail() (auth.TrailFilter, error) {
	t := auth.TrailFilter{Actor: f.Actor, Target: f.Target, Action: f.Action, Outcome: f.Outcome}
	for _, end := range []struct {
		text, field string
		to          *time.Time
		later       time.Duration
	}{{f.From, "from", &t.From, 0}, {f.To, "to", &t.To, day}} {
		if end.text == "" {
			continue
		}
		at, err := time.Parse(time.DateOnly, end.text)
		if err != nil {
			return t, problem.New(problem.InvalidRequest, end.field+" must be a day, such as 2026-11-21")
		}
		*end.to = at.Add(end.later)
	}
	return t, nil
}

// More is the address of the page that follows.
func (p *auditPage) More() string {
	return p.Address + "?" + url.Values{
		"actor": {p.Filter.Actor}, "target": {p.Filter.Target}, "action": {p.Filter.Action}, "outcome": {p.Filter.Outcome},
		"from": {p.Filter.From}, "to": {p.Filter.To}, "cursor": {p.Next},
	}.Encode()
}

func (k *desk) verifyAudit() error {
	org, _, err := k.auditOf()
	if err != nil {
		return err
	}
	verified, err := k.Trail.Verify(k.Request().Context(), k.caller, org)
	if err != nil {
		return err
	}
	return k.showAudit(url.Values{}, &verified)
}
