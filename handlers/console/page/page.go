// Package page is what all pages are made of: layout, languages, an organisation's look, static files, cookies, the policy a browser
// holds a page to, and the guard against forms that other sites send.
package page

import (
	"bytes"
	"embed"
	"html/template"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"
)

//go:embed templates/*.html
var templateFiles embed.FS

// Templates are pages by name, each with the layout around it.
type Templates map[string]*template.Template

// ParseTemplates reads templates/*.html of a file system, which is in the binary. The templates named in common can be used by all others
// and are no pages; one of them may define another layout.
func ParseTemplates(files fs.FS, common ...string) Templates {
	base := template.Must(template.ParseFS(templateFiles, "templates/layout.html"))
	for _, name := range common {
		template.Must(base.ParseFS(files, "templates/"+name+".html"))
	}
	entries, err := fs.ReadDir(files, "templates")
	if err != nil {
		panic(err) // the files are in the binary
	}
	parsed := make(Templates)
	for _, e := range entries {
		name := strings.TrimSuffix(e.Name(), ".html")
		if name == "layout" || slices.Contains(common, name) {
			continue
		}
		parsed[name] = template.Must(template.Must(base.Clone()).ParseFS(files, path.Join("templates", e.Name())))
	}
	return parsed
}

// View is what a template is given.
type View struct {
	Words
	Site
	Look Look
	Wide bool
	// Flow and Token go into forms.
	Flow, Token string
	// Fault is what went wrong with the form, Done what has just been done.
	Fault, Done string
	Data        any
	// Frame is what a layout of another package shows around the page.
	Frame any

	// Destination is where the answer to a form of the page may redirect to, "" for nowhere but here.
	Destination string
	// Fetches: scripts of the page fetch from here.
	Fetches bool
}

// policy lets a page load what is here and, of elsewhere, the organisation's logo. Browsers hold redirects of a form's answer to
// form-action too, so it names the one place a flow can lead to.
func (v *View) policy() string {
	images, forms, fetches := "'self'", "'self'", ""
	if v.Look.logoOrigin != "" {
		images += " " + v.Look.logoOrigin
	}
	if source := SourceOf(v.Destination); source != "" {
		forms += " " + source
	}
	if v.Fetches {
		fetches = "connect-src 'self'; "
	}
	return "default-src 'none'; script-src 'self'; style-src 'self'; img-src " + images + "; " + fetches + "form-action " + forms +
		"; base-uri 'none'; frame-ancestors 'none'"
}

// Respond writes a page.
func (t Templates) Respond(c echo.Context, status int, name string, v *View) error {
	return t.RespondPart(c, status, name, "layout", v)
}

// RespondPart writes one of the templates a page is made of.
func (t Templates) RespondPart(c echo.Context, status int, name, part string, v *View) error {
	var b bytes.Buffer
	if err := t[name].ExecuteTemplate(&b, part, v); err != nil {
		return err
	}
	c.Response().Header().Set("Content-Security-Policy", v.policy())
	c.Response().Header().Set("Content-Language", v.tag)
	return c.HTMLBlob(status, b.Bytes())
}
