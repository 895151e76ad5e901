package native

import (
	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/people"
)

// personBody is a user as import takes him and export gives him.
type personBody struct {
	newUserBody
	Disabled  bool          `json:"disabled"`
	Biography biographyBody `json:"biography"`
	Metadata  []lineSetBody `json:"metadata"`
	Groups    []string      `json:"groups"`
	Apps      []appBody     `json:"apps"`
}

// appBody is what an application keeps about a user.
type appBody struct {
	ClientID string        `json:"client_id"`
	Metadata []lineSetBody `json:"metadata"`
}

func (b personBody) newcomer() (people.Newcomer, error) {
	n := people.Newcomer{NewUser: b.newUser(), Groups: b.Groups}
	n.Disabled, n.Biography = b.Disabled, b.Biography.biography()
	var err error
	if n.Metadata, err = linePuts(b.Metadata); err != nil {
		return n, err
	}
	for _, a := range b.Apps {
		document := people.AppDocument{App: a.ClientID}
		if document.Metadata, err = linePuts(a.Metadata); err != nil {
			return n, err
		}
		n.Apps = append(n.Apps, document)
	}
	return n, nil
}

func (d *Dialect) importUsers(s *stream, caller *auth.Caller) error {
	org, dryRun, err := s.parameters()
	if err != nil {
		return err
	}
	return eachLine(s, personBody.newcomer,
		func(lines people.Stream[people.Newcomer, people.Imported]) error {
			return d.People.Import(s.Request().Context(), caller, org, dryRun, lines)
		},
		func(i people.Imported, body *outcomeBody) { body.ID, body.Revision = i.ID, i.Revision })
}
