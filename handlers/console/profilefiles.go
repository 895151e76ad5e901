package console

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/authorize"
	"github.com/claimsmith/claimsmith/auth/career"
	"github.com/claimsmith/claimsmith/handlers"
	"github.com/claimsmith/claimsmith/handlers/console/page"
	"github.com/claimsmith/claimsmith/handlers/request"
)

// maxFileForm is the most bytes that are read of a form with a file. The service says how large the file may be; of a larger one the rest is
// read too, since a browser that cannot send all of it shows no answer.
const maxFileForm = 2 * career.MaxFile

// keptFile is a file of the résumé.
type keptFile struct {
	ID, Name, Address, About string
	Resume                   bool
}

// addResume adds the résumé to the page.
func (p *careerPage) addResume(w page.Words, at func(string) string, resume *career.Resume) {
	for _, f := range resume.Files {
		p.Files = append(p.Files, keptFile{
			ID: f.ID, Name: f.Name, Address: at(pathCareer + "/file/" + f.ID), Resume: f.Type == typeResume,
			About: sizeOf(f.Size) + " · " + w.Day(f.AddedAt),
		})
	}
	p.Upload = form{
		ID: "file", Action: at(pathCareer + "/file"), Token: p.Token, Submit: w.T("career.file.submit"), Files: true,
		Fields: []formField{
			{
				ID: "file-type", Name: "type", Label: w.T("career.file.type"), Kind: fieldChoice, Value: typeResume,
				Choices: []page.Choice{{Value: typeResume, Text: w.T("career.file.resume")}, {Value: typeOther, Text: w.T("career.file.other")}},
			},
			{
				ID: "file-file", Name: "file", Label: w.T("career.file.file"), Hint: w.T("career.file.hint"), Kind: fieldFile,
				Fill: ".pdf,.png,.jpg,.jpeg,.gif",
			},
		},
	}
	p.Links = form{
		ID: "links", Action: at(pathCareer + "/links"), Token: p.Token, Submit: w.T("me.save"),
		Fields: []formField{{
			ID: "links-links", Name: "links", Label: w.T("career.links.label"), Hint: w.T("career.links.hint"), Kind: fieldLines,
			Value: strings.Join(resume.Links, "\n"),
		}},
	}
}

// What a file is, in the form: the field of ibl.ai's upload.
const (
	typeResume = "resume"
	typeOther  = "additional_files"
)

// sizeOf is a number of bytes as people read it.
func sizeOf(n int64) string {
	switch {
	case n < 1<<10:
		return strconv.FormatInt(n, 10) + " B"
	case n < 1<<20:
		return strconv.FormatInt((n+1<<9)>>10, 10) + " KiB"
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
}

// uploadFile adds a file to the résumé. What it is comes before the file itself.
func uploadFile(v *visit) error {
	if err := v.readField("type", maxToken); err != nil {
		return err
	}
	field := typeOther
	if v.form.Get("type") == typeResume {
		field = typeResume
	}
	part, err := v.nextFile("file")
	if err == nil {
		err = v.addToResume(career.Part{Field: field, Name: part.FileName, MediaType: part.MediaType, Body: part.Body})
	}
	if err == nil {
		return v.notify(pathCareer, "file")
	}
	return v.refuseResume(err, func(p *careerPage) *form {
		p.Upload.Fields[0].Value = field
		return &p.Upload
	}, "file")
}

// fileFault says what is wrong with a file, "" where the service says it or nobody can do anything about it. A body that is too large has a
// file that is.
func (v *visit) fileFault(err error) (said string, cause error) {
	_, _ = io.Copy(io.Discard, v.Request().Body) // see maxFileForm
	read, unread := errors.AsType[*request.Error](err)
	w := v.words()
	switch {
	case errors.Is(err, errNoFile):
		return w.T("wrong.nofile"), err
	case errors.Is(err, career.ErrTooLarge), unread && read.Code == request.TooLarge:
		return w.T("wrong.large"), career.ErrTooLarge
	case auth.CodeOf(err) == auth.Conflict:
		return w.T("wrong.many"), err
	case auth.CodeOf(err) == auth.Unavailable: // as where there is no place for files
		return w.T("wrong.nowhere"), err
	}
	return w.Fault(err), err
}

func (v *visit) addToResume(parts ...career.Part) error {
	_, err := v.Career.AddToResume(v.Request().Context(), v.caller(), v.caller().HomeOrg(), "me", func(yield func(career.Part, error) bool) {
		for _, p := range parts {
			if !yield(p, nil) {
				return
			}
		}
	})
	return err
}

// refuseResume shows the page again with what is wrong at a field of one of its forms.
func (v *visit) refuseResume(err error, of func(*careerPage) *form, name string) error {
	said, err := v.fileFault(err)
	if faults, refused := errors.AsType[career.Faults](err); refused {
		for _, member := range slices.Sorted(maps.Keys(faults)) {
			said = strings.TrimSpace(said + " " + strings.Join(faults[member], " "))
		}
	}
	if said == "" {
		return err
	}
	data, readErr := v.career()
	if readErr != nil {
		return readErr
	}
	if name == "links" {
		of(data).read(v.form)
	}
	of(data).blame(name, faultIn(v.words(), name, said))
	return v.showOwn(page.FaultStatus(v, statusOf(err)), "profilecareer", data, v.words().T("preferences.refused"), "")
}

// saveLinks replaces the links of the résumé by those typed, one a line.
func saveLinks(v *visit) error {
	var parts []career.Part
	for line := range strings.SplitSeq(page.Lines(v.form.Get("links")), "\n") {
		if line = strings.TrimSpace(line); line != "" {
			parts = append(parts, career.Part{Field: "link_" + strconv.Itoa(len(parts)+1), Body: strings.NewReader(line)})
		}
	}
	if len(parts) == 0 {
		parts = []career.Part{{Field: "link_1", Body: strings.NewReader("")}}
	}
	if err := v.addToResume(parts...); err != nil {
		return v.refuseResume(err, func(p *careerPage) *form { return &p.Links }, "links")
	}
	return v.notify(pathCareer, "career")
}

func removeFile(v *visit) error {
	err := v.Career.RemoveFile(v.Request().Context(), v.caller(), v.caller().HomeOrg(), "me", v.form.Get("id"))
	if err != nil && auth.CodeOf(err) != auth.NotFound {
		return err
	}
	return v.notify(pathCareer, "file_removed")
}

// download answers with a file of the résumé.
func (d *Dialect) download(c echo.Context) error {
	return d.visited(ownedAt(authorize.PageCareer, func(v *visit) error {
		return handlers.Attachment(v.caller().Ref(), func(c echo.Context) (handlers.Kept, error) {
			v.Context = c
			id, err := request.PathValue(c, "file")
			if err != nil {
				return handlers.Kept{}, err
			}
			kept, file, err := v.Career.OpenFile(c.Request().Context(), v.caller(), v.caller().HomeOrg(), "me", id)
			if err != nil {
				return handlers.Kept{}, err
			}
			return handlers.Kept{
				Name: kept.Name, MediaType: kept.MediaType, Size: file.Size, ChangedAt: file.ChangedAt, Content: file,
			}, nil
		})(v.Context)
	}))(c)
}
