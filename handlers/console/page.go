package console

import (
	"embed"

	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/handlers/console/page"
	"github.com/claimsmith/claimsmith/handlers/problem"
)

//go:embed templates/*.html
var templateFiles embed.FS

// pages are the templates, each with the layout around it.
var pages = page.ParseTemplates(templateFiles, "shared", "passwords", "forms")

//go:embed messages/*.json
var messageFiles embed.FS

var catalogues = page.ReadCatalogues(messageFiles)

// Languages are those of the pages, the first for who wants another one.
func Languages() []string { return page.Languages() }

func (d *Dialect) site() page.Site { return page.Site{Issuer: d.Issuer} }

// at returns the address of a path, which is below the issuer's own.
func (d *Dialect) at(path string) string { return d.site().At(path) }

// RenderError implements handlers.Dialect with a page.
func (d *Dialect) RenderError(c echo.Context, p problem.Problem) error {
	return d.site().RenderError(c, p)
}
