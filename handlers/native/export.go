package native

import (
	"io"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/people"
	"github.com/claimsmith/claimsmith/handlers/request"
)

// exportBody is a user in the form personBody reads. What would be empty is left out.
type exportBody struct {
	ID            string         `json:"id"`
	Username      string         `json:"username,omitempty"`
	Email         string         `json:"email,omitempty"`
	EmailVerified bool           `json:"email_verified,omitzero"`
	PasswordHash  string         `json:"password_hash,omitempty"`
	Temporary     bool           `json:"temporary,omitzero"`
	Disabled      bool           `json:"disabled,omitzero"`
	Profile       profileBody    `json:"profile,omitzero"`
	Biography     *biographyBody `json:"biography,omitempty"`
	Metadata      []lineEntry    `json:"metadata,omitempty"`
	Groups        []string       `json:"groups,omitempty"`
}

func viewExported(e *people.Exported) exportBody {
	body := exportBody{
		ID: e.ID, Username: e.Username, Email: e.Email, EmailVerified: e.EmailVerified, PasswordHash: e.PasswordHash,
		Temporary: e.MustChangePassword && e.PasswordHash != "", Disabled: e.Disabled, Profile: viewProfile(&e.Profile), Biography: viewBiography(&e.Biography),
		Groups: e.Groups,
	}
	if e.Document != nil {
		body.Metadata = viewLineEntries(e.Document)
	}
	return body
}

func (d *Dialect) exportUsers(s *stream, caller *auth.Caller) error {
	query, err := request.Query(s.Request(), "org", "secrets")
	if err != nil {
		return err
	}
	secrets, err := request.Flag(query, "secrets")
	if err != nil {
		return err
	}
	err = d.People.Export(s.Request().Context(), caller, query.Get("org"), secrets, s.Step, func(e *people.Exported) error {
		if err := s.authenticated(); err != nil {
			return err
		}
		return s.line(viewExported(e))
	})
	if err != nil {
		return err
	}
	s.begin(request.NDJSON)
	return s.Flush()
}

func (d *Dialect) archive(s *stream, caller *auth.Caller) error {
	org, name, err := userName(s.Context)
	if err != nil {
		return err
	}
	return s.file("archive.zip", "application/zip", func(w io.Writer) error {
		return d.People.Archive(s.Request().Context(), caller, org, name, w)
	})
}
