package console

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"io"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/auth/profile"
	"github.com/claimsmith/claimsmith/handlers/console/page"
	"github.com/claimsmith/claimsmith/handlers/problem"
	"github.com/claimsmith/claimsmith/handlers/request"
)

// errNoPicture is for every address that no picture is at.
var errNoPicture error = problem.New(problem.NotFound, "")

// mountPictures adds where everybody finds people's pictures.
func (d *Dialect) mountPictures(e *echo.Echo) {
	e.Add(http.MethodGet, pathPicture+"/:id/:file", d.picture)
	e.Add(http.MethodGet, pathPicture+"/:id", standardPicture)
}

func (d *Dialect) picture(c echo.Context) error {
	id, malformed := request.PathValue(c, "id")
	name, alsoMalformed := request.PathValue(c, "file")
	if malformed != nil || alsoMalformed != nil {
		return errNoPicture
	}
	file, err := d.Profile.OpenPicture(c.Request().Context(), id, name)
	if err != nil {
		return err
	}
	defer file.Close()
	picture, err := io.ReadAll(file)
	if err != nil {
		return err
	}
	return showPicture(c, "image/jpeg", picture)
}

// showPicture answers with what never changes under its address, to pages of anywhere, and to nobody as a page.
func showPicture(c echo.Context, mediaType string, picture []byte) error {
	h := c.Response().Header()
	h.Set("Cache-Control", page.Unchanging)
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	return c.Blob(http.StatusOK, mediaType, picture)
}

// standardPictures stand in for people without one, by the names they are served under.
var standardPictures = func() map[string][]byte {
	all := make(map[string][]byte)
	for _, size := range profile.PictureSizes {
		all["default_"+strconv.Itoa(size)+".png"] = silhouette(size)
	}
	return all
}()

func standardPicture(c echo.Context) error {
	name, err := request.PathValue(c, "id")
	picture, known := standardPictures[name]
	if err != nil || !known {
		return errNoPicture
	}
	return showPicture(c, "image/png", picture)
}

// silhouette draws a head and shoulders.
func silhouette(size int) []byte {
	background, foreground := color.Gray{0xe4}, color.Gray{0xa8}
	picture := image.NewPaletted(image.Rect(0, 0, size, size), color.Palette{background, foreground})
	within := func(x, y, centreX, centreY, radius int) bool { // in hundredths of the edge
		dx, dy := x*100-centreX*size, y*100-centreY*size
		return dx*dx+dy*dy <= radius*radius*size*size
	}
	for y := range size {
		for x := range size {
			if within(x, y, 50, 38, 20) || within(x, y, 50, 100, 36) {
				picture.SetColorIndex(x, y, 1)
			}
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, picture); err != nil {
		panic(err) // a buffer takes everything
	}
	return b.Bytes()
}
