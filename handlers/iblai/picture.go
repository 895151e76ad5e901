package iblai

import (
	"errors"
	"io"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/profile"
	"github.com/claimsmith/claimsmith/handlers"
	"github.com/claimsmith/claimsmith/handlers/origin"
	"github.com/claimsmith/claimsmith/handlers/request"
)

// maxPictureBody is more than any picture takes, so that too large a one is told what is wrong.
const maxPictureBody = 2 << 20

// mountPictures adds what the LMS serves of pictures, with the routes of its earlier releases.
func (d *Dialect) mountPictures(e *echo.Echo) {
	set := d.named(func(c echo.Context, caller *auth.Caller, username string) error {
		return handlers.Uploading(caller.Ref(), maxPictureBody, func(c echo.Context) error { return d.setPicture(c, caller, username) })(c)
	})
	remove := d.named(func(c echo.Context, caller *auth.Caller, username string) error {
		return handlers.Patient(func(c echo.Context) error { return d.removePicture(c, caller, username) })(c)
	})
	d.add(e, lmsHost, "/api/user/v1/accounts/:username/image",
		origin.Route{Method: http.MethodPost, Handler: set}, origin.Route{Method: http.MethodDelete, Handler: remove})
	d.add(e, lmsHost, "/api/profile_images/v1/:username/upload", origin.Route{Method: http.MethodPost, Handler: set})
	d.add(e, lmsHost, "/api/profile_images/v1/:username/remove", origin.Route{Method: http.MethodPost, Handler: remove})
}

func (d *Dialect) setPicture(c echo.Context, caller *auth.Caller, username string) error {
	file, err := pictureIn(c.Request())
	if refused, ok := errors.AsType[*request.Error](err); ok && refused.Code == request.TooLarge {
		err = profile.ErrLargePicture
	} else if err == nil {
		err = d.Profile.SetPicture(c.Request().Context(), caller, username, file.FileName, file.MediaType, file.Body)
	}
	return pictureAnswer(c, err)
}

// pictureIn finds the file of a form, which has no Body where there is none.
func pictureIn(r *http.Request) (request.Part, error) {
	if r.ContentLength == 0 {
		return request.Part{}, nil
	}
	parts, err := request.NewParts(r)
	if err != nil {
		return request.Part{}, err
	}
	file, err := parts.File("file")
	if errors.Is(err, io.EOF) {
		return request.Part{}, nil
	}
	return file, err
}

func (d *Dialect) removePicture(c echo.Context, caller *auth.Caller, username string) error {
	return pictureAnswer(c, d.Profile.RemovePicture(c.Request().Context(), caller, username))
}

func pictureAnswer(c echo.Context, err error) error {
	if faults, ok := errors.AsType[profile.Faults](err); ok {
		said := faults["file"]
		return &refusal{http.StatusBadRequest, map[string]string{"developer_message": said.Developer, "user_message": said.User}}
	}
	if err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}
