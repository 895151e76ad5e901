package native

import (
	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/people"
	"github.com/claimsmith/claimsmith/handlers/request"
	"github.com/claimsmith/claimsmith/metadata"
)

// bulkBody is a change of one document.
type bulkBody struct {
	User    string         `json:"user"`
	App     string         `json:"app"`
	Set     *[]lineSetBody `json:"set"`
	Delete  *[]string      `json:"delete"`
	Replace bool           `json:"replace"`
	Groups  *[]string      `json:"groups"`
	IfMatch *uint64        `json:"if_match"`
}

func (b bulkBody) line() (people.Line, error) {
	l := people.Line{User: b.User, App: b.App, Groups: b.Groups, Change: metadata.Change{Replace: b.Replace}}
	if b.User == "" {
		return l, &metadata.Error{Code: metadata.Invalid, Field: "user", Detail: "user is required: an id, a username or a verified address"}
	}
	if b.Set == nil && b.Delete == nil && b.Groups == nil && !b.Replace {
		return l, &metadata.Error{Code: metadata.Invalid, Detail: "set, delete, replace or groups is required"}
	}
	if b.Delete != nil {
		l.Change.Delete = *b.Delete
	}
	if b.IfMatch != nil {
		l.If.IfMatch = &metadata.Condition{Revisions: []uint64{*b.IfMatch}}
	}
	var err error
	if b.Set != nil {
		l.Change.Set, err = linePuts(*b.Set)
	}
	return l, err
}

func (d *Dialect) bulk(s *stream, caller *auth.Caller) error {
	org, dryRun, err := s.parameters()
	if err != nil {
		return err
	}
	return eachLine(s, bulkBody.line,
		func(lines people.Stream[people.Line, uint64]) error {
			return d.People.Bulk(s.Request().Context(), caller, org, dryRun, lines)
		},
		func(revision uint64, body *outcomeBody) { body.Revision = revision })
}

// parameters are those of streams that change something.
func (s *stream) parameters() (org string, dryRun bool, err error) {
	query, err := request.Query(s.Request(), "org", "dry_run")
	if err != nil {
		return "", false, err
	}
	dryRun, err = request.Flag(query, "dry_run")
	return query.Get("org"), dryRun, err
}
