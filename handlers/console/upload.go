package console

import (
	"errors"
	"io"

	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/handlers"
	"github.com/claimsmith/claimsmith/handlers/console/page"
	"github.com/claimsmith/claimsmith/handlers/request"
)

// maxToken bounds the first field of a form with a file.
const maxToken = 1 << 10

// errNoFile: a form with a file came without one.
var errNoFile = errors.New("no file was chosen")

// postedFile is posted for a form with a file of up to limit bytes, whose first field is the session's token: of a file that comes from
// elsewhere, or from nobody, nothing is read. name is the page the form is on.
func (d *Dialect) postedFile(name string, limit int64, h handler) echo.HandlerFunc {
	return func(c echo.Context) error {
		if !d.site().FromHere(c.Request().Header) {
			return page.ErrForged
		}
		v, err := d.visit(c)
		if err != nil {
			return err
		}
		if v.session == nil {
			return v.redirect("/" + name)
		}
		return handlers.Uploading(auth.Person(v.session.User, "").Ref(), limit, func(c echo.Context) error {
			v.Context = c
			if v.parts, err = request.NewParts(c.Request()); err != nil {
				return err
			}
			v.form = map[string][]string{}
			if err := v.readField("token", maxToken); err != nil {
				return err
			}
			return ofSession(ownedAt(name, h))(v)
		})(c)
	}
}

// readField reads the next part of the body, which must be a field of that name. Every other is a forged form.
func (v *visit) readField(name string, most int64) error {
	part, err := v.parts.Next()
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if err != nil || part.Field != name || part.FileName != "" {
		return page.ErrForged
	}
	text, err := io.ReadAll(io.LimitReader(part.Body, most))
	if err != nil {
		return err
	}
	v.form.Set(name, string(text))
	return nil
}

// nextFile goes on to the file of a form.
func (v *visit) nextFile(name string) (request.Part, error) {
	part, err := v.parts.File(name)
	if errors.Is(err, io.EOF) {
		err = errNoFile
	}
	return part, err
}
