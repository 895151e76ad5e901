package console

import (
	"bytes"
	"cmp"
	"embed"
	"html/template"
	"net/http"
	"path"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/handlers/problem"
	"github.com/claimsmith/claimsmith/internal/audit"
)

//go:embed templates/*.html
var templateFiles embed.FS

// pages are the templates, each with the layout around it.
var pages = parsePages()

// shared are the templates every page may use.
var shared = []string{"templates/layout.html", "templates/passwords.html"}

func parsePages() map[string]*template.Template {
	base := template.Must(template.ParseFS(templateFiles, shared...))
	files, err := templateFiles.ReadDir("templates")
	if err != nil {
		panic(err) // the files are in the binary
	}
	parsed := make(map[string]*template.Template)
	for _, f := range files {
		name := strings.TrimSuffix(f.Name(), ".html")
		if name == "layout" || name == "passwords" {
			continue
		}
		parsed[name] = template.Must(template.Must(base.Clone()).ParseFS(templateFiles, path.Join("templates", f.Name())))
	}
	return parsed
}

// product is the name where no organisation has one.
const product = "Claimsmith"

// look is how pages look for an organisation.
type look struct {
	Name, Emblem, Logo, Brand string
	// logoOrigin is where the logo is from, for the policy of the page.
	logoOrigin string
}

func lookOf(org *auth.Org) look {
	l := look{Name: product}
	if org != nil {
		l.Name = cmp.Or(org.Name, nameOfSlug(org.Slug))
		l.Brand = validColor(org.Color)
		if origin := sourceOf(org.LogoURL); strings.HasPrefix(origin, "https://") {
			l.Logo, l.logoOrigin = org.LogoURL, origin
		}
	}
	first, _ := utf8.DecodeRuneInString(l.Name)
	l.Emblem = string(unicode.ToUpper(first))
	return l
}

// nameOfSlug is the name of an organisation that has none.
func nameOfSlug(slug string) string {
	if slug == auth.DefaultOrg {
		return product
	}
	return slug
}

// view is what a template is given.
type view struct {
	words
	Look look
	Wide bool
	// Flow and Token go into forms.
	Flow, Token string
	// Fault is what went wrong with the form, Done what has just been done.
	Fault, Done string
	Data        any

	dialect *Dialect
	// destination is where the answer to a form of the page may redirect to, "" for nowhere but here.
	destination string
}

// At returns the address of a path.
func (v *view) At(path string) string { return v.dialect.at(path) }

// Asset returns the address of a static file.
func (v *view) Asset(name string) string { return v.dialect.at(pathStatic + "/" + assetNames[name]) }

// policy lets a page load what is here and, of elsewhere, the organisation's logo. Browsers hold redirects of a form's answer to
// form-action too, so it names the one place a flow can lead to.
func (v *view) policy() string {
	images, forms := "'self'", "'self'"
	if v.Look.logoOrigin != "" {
		images += " " + v.Look.logoOrigin
	}
	if source := sourceOf(v.destination); source != "" {
		forms += " " + source
	}
	return "default-src 'none'; script-src 'self'; style-src 'self'; img-src " + images + "; form-action " + forms +
		"; base-uri 'none'; frame-ancestors 'none'"
}

// sourceOf is an address as a source of a Content Security Policy (CSP3 §2.3.1): its origin, or its scheme where the grammar has no form
// for the host; "" if it has none.
func sourceOf(address string) string {
	scheme, _, found := strings.Cut(address, ":")
	if !found || strings.ContainsFunc(scheme, func(r rune) bool { return !isSchemeRune(r) }) {
		return ""
	}
	origin := originOf(address)
	if scheme != "https" && scheme != "http" {
		return scheme + ":"
	}
	_, host, _ := strings.Cut(origin, "://")
	if host == "" {
		return ""
	}
	if strings.ContainsFunc(host, func(r rune) bool { return !isHostRune(r) }) { // such as an IPv6 address
		return scheme + ":"
	}
	return origin
}

func isSchemeRune(r rune) bool {
	return 'a' <= r && r <= 'z' || '0' <= r && r <= '9' || r == '+' || r == '-' || r == '.'
}

func isHostRune(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-' || r == '.' || r == ':'
}

// respond writes a page.
func respond(c echo.Context, status int, name string, v *view) error {
	var b bytes.Buffer
	if err := pages[name].ExecuteTemplate(&b, "layout", v); err != nil {
		return err
	}
	c.Response().Header().Set("Content-Security-Policy", v.policy())
	c.Response().Header().Set("Content-Language", v.tag)
	return c.HTMLBlob(status, b.Bytes())
}

// RenderError implements handlers.Dialect with a page.
func (d *Dialect) RenderError(c echo.Context, p problem.Problem) error {
	c.Response().Header().Del("WWW-Authenticate")
	return d.fail(c, pageStatus(p), errorKind(p), faultOf(p))
}

// parameterForm is what the name of a parameter looks like. Names that are not of this form were made up by whoever sent them.
var parameterForm = regexp.MustCompile(`^[a-z_]{1,32}$`)

// faultOf says what is wrong, and with which parameter.
func faultOf(p problem.Problem) string {
	if len(p.Errors) != 1 {
		return p.Detail
	}
	for field := range p.Errors {
		if parameterForm.MatchString(field) && !strings.HasPrefix(p.Detail, field+" ") {
			return field + ": " + p.Detail
		}
	}
	return p.Detail
}

// errorPage is the data of the error page.
type errorPage struct{ Title, Text, Detail, Reference string }

// fail says what happened, what to do, and how those who run the server find it in their log. Details are ours and hold no value of
// the request.
func (d *Dialect) fail(c echo.Context, status int, kind, detail string) error {
	w := words{languageOf("", c.Request().Header.Get("Accept-Language"))}
	if status >= http.StatusInternalServerError {
		detail = ""
	}
	return respond(c, status, "error", &view{words: w, Look: lookOf(nil), dialect: d, Data: errorPage{
		Title: w.T("error." + kind + ".title"), Text: w.T("error." + kind + ".text"), Detail: detail,
		Reference: audit.RequestFrom(c.Request().Context()).ID,
	}})
}

// errorKinds are the kinds of error page.
var errorKinds = []string{"request", "client", "denied", "forged", "flow", "missing", "throttled", "unavailable", "internal"}

func errorKind(p problem.Problem) string {
	switch {
	case p.Detail == detailForged:
		return "forged"
	case p.Detail == detailFlow:
		return "flow"
	case p.Code == problem.InvalidClient, p.Code == problem.UnauthorizedClient:
		return "client"
	}
	switch p.Status {
	case http.StatusForbidden:
		return "denied"
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		return "missing"
	case http.StatusTooManyRequests:
		return "throttled"
	case http.StatusServiceUnavailable:
		return "unavailable"
	case http.StatusInternalServerError:
		return "internal"
	}
	return "request"
}
