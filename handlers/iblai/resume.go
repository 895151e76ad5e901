package iblai

import (
	"errors"
	"io"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/career"
	"github.com/claimsmith/claimsmith/auth/records"
	"github.com/claimsmith/claimsmith/handlers"
	"github.com/claimsmith/claimsmith/handlers/origin"
	"github.com/claimsmith/claimsmith/handlers/request"
)

// maxResumeBody is the most bytes of an upload: its files, and what is around them.
const maxResumeBody = career.MaxFile + 1<<20

// mountResume adds the résumé, and its files: for who may read it, and at the addresses that are given out for a while.
func (d *Dialect) mountResume(e *echo.Echo) {
	const path = "/api/career/resume/orgs/:org/users/:username"
	upload := d.authenticated(func(c echo.Context, caller *auth.Caller) error {
		return handlers.Uploading(caller.Ref(), maxResumeBody, func(c echo.Context) error { return d.addToResume(c, caller) })(c)
	})
	d.add(e, dmHost, path,
		origin.Route{Method: http.MethodGet, Handler: d.authenticated(d.resume)},
		origin.Route{Method: http.MethodPost, Handler: upload},
		origin.Route{Method: http.MethodPut, Handler: upload})
	d.add(e, dmHost, path+"/files/:file", origin.Route{Method: http.MethodGet, Handler: d.authenticated(d.resumeFile)})
	d.add(e, dmHost, "/api/career/resume/files/:ticket", origin.Route{Method: http.MethodGet, Handler: d.addressedFile})
}

// person is whose résumé a request is about. The query says nothing about it.
func person(c echo.Context) (org, user string, err error) {
	if _, err = queryOf(c.Request()); err != nil {
		return "", "", err
	}
	if org, err = request.PathValue(c, "org"); err != nil {
		return "", "", err
	}
	user, err = request.PathValue(c, "username")
	return org, user, err
}

func (d *Dialect) resume(c echo.Context, caller *auth.Caller) error {
	org, user, err := person(c)
	if err != nil {
		return err
	}
	r, err := d.Career.Resume(c.Request().Context(), caller, org, user)
	if err != nil {
		return err
	}
	return d.showResume(c, &r)
}

func (d *Dialect) addToResume(c echo.Context, caller *auth.Caller) error {
	org, user, err := person(c)
	if err != nil {
		return err
	}
	r, err := d.Career.AddToResume(c.Request().Context(), caller, org, user, uploaded(c.Request()))
	switch faults, refused := errors.AsType[career.Faults](err); {
	case refused && faults[""] != nil:
		return &refusal{http.StatusBadRequest, inError(faults[""][0])}
	case refused:
		return &refusal{http.StatusBadRequest, faults}
	case errors.Is(err, career.ErrTooLarge):
		return &refusal{http.StatusRequestEntityTooLarge, inDetail(career.ErrTooLarge.Error())}
	case err != nil:
		return err
	}
	return d.showResume(c, &r)
}

// uploaded are the parts of a form. Nothing of it is read before the first one is asked for.
func uploaded(r *http.Request) career.Upload {
	return func(yield func(career.Part, error) bool) {
		if r.ContentLength > maxResumeBody {
			yield(career.Part{}, career.ErrTooLarge)
			return
		}
		parts, err := request.NewParts(r)
		for err == nil {
			var part request.Part
			if part, err = parts.Next(); err == nil && !yield(career.Part{
				Field: part.Field, Name: part.FileName, MediaType: part.MediaType, Body: part.Body,
			}, nil) {
				return
			}
		}
		if !errors.Is(err, io.EOF) {
			yield(career.Part{}, err)
		}
	}
}

// resumeBody is a résumé as ibl.ai shows it. ID is null before there is anything in it.
type resumeBody struct {
	ID       *uint64          `json:"id"`
	User     uint64           `json:"user"`
	Platform string           `json:"platform"`
	Files    []resumeFileBody `json:"files"`
	Links    []resumeLinkBody `json:"links"`
}

type resumeFileBody struct {
	Name string `json:"name"`
	URL  string `json:"url"`
	Type string `json:"type"`
}

type resumeLinkBody struct {
	URL string `json:"url"`
}

func (d *Dialect) showResume(c echo.Context, r *career.Resume) error {
	body := resumeBody{User: r.Person.Number, Platform: r.Org, Files: []resumeFileBody{}, Links: []resumeLinkBody{}}
	if r.ID != 0 {
		body.ID = &r.ID
	}
	for _, f := range r.Files {
		body.Files = append(body.Files, resumeFileBody{f.Name, d.Career.FileURL(r, f.ID), f.Type})
	}
	for _, link := range r.Links {
		body.Links = append(body.Links, resumeLinkBody{link})
	}
	return respond(c, http.StatusOK, body)
}

// resumeFile answers with a file for who may read the résumé.
func (d *Dialect) resumeFile(c echo.Context, caller *auth.Caller) error {
	return handlers.Attachment(caller.Ref(), func(c echo.Context) (handlers.Kept, error) {
		org, user, err := person(c)
		if err != nil {
			return handlers.Kept{}, err
		}
		id, err := request.PathValue(c, "file")
		if err != nil {
			return handlers.Kept{}, err
		}
		return kept(d.Career.OpenFile(c.Request().Context(), caller, org, user, id))
	})(c)
}

// addressedFile answers with the file of an address that was given out.
func (d *Dialect) addressedFile(c echo.Context) error {
	return handlers.Attachment("address:"+c.RealIP(), func(c echo.Context) (handlers.Kept, error) {
		ticket, err := request.PathValue(c, "ticket")
		if err != nil {
			return handlers.Kept{}, err
		}
		return kept(d.Career.OpenURL(c.Request().Context(), ticket))
	})(c)
}

func kept(file career.ResumeFile, content *records.File, err error) (handlers.Kept, error) {
	if err != nil {
		return handlers.Kept{}, err
	}
	return handlers.Kept{
		Name: file.Name, MediaType: file.MediaType, Size: content.Size, ChangedAt: content.ChangedAt, Content: content,
	}, nil
}
