package openapi

import (
	"bytes"
	"compress/gzip"
	"embed"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"
	"github.com/swaggest/swgui/v5/static"

	"github.com/claimsmith/claimsmith/handlers/problem"
	"github.com/claimsmith/claimsmith/handlers/request"
)

//go:embed page
var own embed.FS

// file is one of those below /docs/. Where its name ends in .gz it is kept compressed.
type file struct {
	from      fs.FS
	name      string
	mediaType string
}

var index = file{own, "page/index.html", "text/html; charset=utf-8"}

// assets are what index loads: of Swagger UI no more than that.
var assets = map[string]file{
	"start.js":             {own, "page/start.js", "text/javascript; charset=utf-8"},
	"swagger-ui-bundle.js": {static.FS, "swagger-ui-bundle.js.gz", "text/javascript; charset=utf-8"},
	"swagger-ui.css":       {static.FS, "swagger-ui.css.gz", "text/css; charset=utf-8"},
	"favicon-32x32.png":    {static.FS, "favicon-32x32.png", "image/png"},
}

// pagePolicy lets the page load what is here and nothing else. Swagger UI does without inline styles; its icons are data.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

func redirect(c echo.Context) error {
	return c.Redirect(http.StatusPermanentRedirect, "docs/") // relative: the issuer may be below a path
}

func page(c echo.Context) error {
	c.Response().Header().Set("Content-Security-Policy", pagePolicy)
	return index.serve(c)
}

func asset(c echo.Context) error {
	name, err := request.PathValue(c, "asset")
	if err != nil {
		return err
	}
	f, known := assets[name]
	if !known {
		return problem.New(problem.NotFound, "")
	}
	return f.serve(c)
}

func (f file) serve(c echo.Context) error {
	text, err := fs.ReadFile(f.from, f.name)
	if err != nil {
		return fmt.Errorf("read a page of the documentation: %w", err)
	}
	if !strings.HasSuffix(f.name, ".gz") {
		return serve(c, f.mediaType, "", text)
	}
	c.Response().Header().Set("Vary", "Accept-Encoding")
	if acceptsGzip(c.Request().Header) {
		return serve(c, f.mediaType, "gzip", text)
	}
	if text, err = decompress(text); err != nil {
		return fmt.Errorf("decompress a page of the documentation: %w", err)
	}
	return serve(c, f.mediaType, "", text)
}

func decompress(text []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// acceptsGzip reads Accept-Encoding (RFC 9110 §12.5.3); who does not name gzip does not get it.
func acceptsGzip(h http.Header) bool {
	for value := range strings.SplitSeq(strings.Join(h.Values("Accept-Encoding"), ","), ",") {
		coding, parameters, err := mime.ParseMediaType(value)
		if err == nil && coding == "gzip" {
			weight := parameters["q"]
			return weight == "" || strings.Trim(weight, "0.") != ""
		}
	}
	return false
}
