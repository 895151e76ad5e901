package operate

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/handlers/console/page"
	"github.com/claimsmith/claimsmith/handlers/request"
)

// desk is one request of somebody who is logged in to the console.
type desk struct {
	echo.Context
	*Dialect

	login *login
	// who is who is logged in; caller is who he is here, nil where he has no role.
	who    *auth.User
	caller *auth.Caller
	// org is the organisation the page is about, nil for none.
	org *auth.Org
	// tab is the part of the pages about something that is shown.
	tab string
	// form and files are what was posted.
	form  url.Values
	files map[string][]byte
}

type handler func(*desk) error

// Bounds of forms. That of the editor has five fields for each of the entries a document may have.
const (
	maxForm   = 4 << 20
	maxFields = 10_000
)

// shown serves a page, to somebody who has a role. Who is not logged in is sent to do that.
func (d *Dialect) shown(h handler) echo.HandlerFunc {
	return func(c echo.Context) error {
		k, err := d.desk(c)
		switch {
		case err != nil:
			return err
		case k.login == nil:
			return d.begin(c, backTo(c.Request().URL), false)
		case k.caller == nil:
			return k.noRole()
		}
		return k.about(h)
	}
}

// posted serves a form, and refuses it before anything else if another page sent it (row S-04).
func (d *Dialect) posted(h handler) echo.HandlerFunc {
	return d.signed(func(k *desk) error {
		if k.caller == nil {
			return k.noRole()
		}
		return k.about(h)
	})
}

// signed is posted for somebody who need not have a role.
func (d *Dialect) signed(h handler) echo.HandlerFunc {
	return d.taking(h, func(k *desk) (err error) {
		k.form, err = request.DecodeLargeForm(k.Request(), maxForm, maxFields)
		return err
	})
}

// uploaded is posted for a form with a file.
func (d *Dialect) uploaded(h handler) echo.HandlerFunc {
	return d.taking(func(k *desk) error {
		if k.caller == nil {
			return k.noRole()
		}
		return k.about(h)
	}, func(k *desk) (err error) {
		k.form, k.files, err = request.DecodeUpload(k.Request(), maxForm)
		return err
	})
}

// taking serves what read reads. A login is needed before anything large is read.
func (d *Dialect) taking(h handler, read func(*desk) error) echo.HandlerFunc {
	return func(c echo.Context) error {
		if !d.site().FromHere(c.Request().Header) {
			return page.ErrForged
		}
		k, err := d.desk(c)
		if err != nil {
			return err
		}
		if k.login == nil {
			return k.lost()
		}
		if err := read(k); err != nil {
			return err
		}
		if !d.holds(k.login, k.form.Get("token")) {
			return page.ErrForged
		}
		return h(k)
	}
}

// desk finds out who is logged in. A login that has ended is none.
func (d *Dialect) desk(c echo.Context) (*desk, error) {
	k := &desk{Context: c, Dialect: d, login: d.loginOf(c)}
	if k.login == nil {
		return k, nil
	}
	var err error
	k.who, k.caller, err = d.Operators.Resolve(c.Request().Context(), k.login.ref(), k.login.Made)
	if err != nil {
		return nil, err
	}
	if k.who == nil {
		k.login = nil
		return k, nil
	}
	if now := d.Now(); now.Sub(k.login.Seen) >= touchEvery {
		k.login.Seen = now
		d.keep(c, k.login)
	}
	return k, nil
}

// about reads the organisation a path names. One the caller may not see is answered like one that does not exist.
func (k *desk) about(h handler) error {
	if !strings.HasPrefix(k.Path(), pathOrg) {
		return h(k)
	}
	slug, err := request.PathValue(k, "org")
	if err != nil {
		return err
	}
	org, err := k.Orgs.Get(k.Request().Context(), k.caller, slug)
	if err != nil {
		return err
	}
	k.org = &org
	return h(k)
}

// fresh demands that the user has proved who he is a moment ago, for what can do most harm (row S-10).
func fresh(h handler) handler {
	return func(k *desk) error {
		if !k.isFresh(k.login) {
			return confirm(k)
		}
		return h(k)
	}
}

// backTo is a page as it is come back to.
func backTo(u *url.URL) string {
	back := u.EscapedPath()
	if u.RawQuery != "" {
		back += "?" + u.RawQuery
	}
	return back
}

// noRole says that the user is nobody here, and who can change that.
func (k *desk) noRole() error {
	return k.respond(http.StatusForbidden, "no_role", "no_role", noRolePage{
		Name: page.NameOf(k.who), User: k.who.ID, Org: k.login.Org, Issuer: k.Issuer,
	})
}

type noRolePage struct{ Name, User, Org, Issuer string }

// maxLost bounds what is read of a form whose login has ended.
const maxLost = 64 << 10

// lost answers a form that came after the login had ended, with what was typed, so that nothing is lost. Of who never had a login nothing
// is read.
func (k *desk) lost() error {
	var form url.Values
	if k.sealed(k.Context) != nil {
		var err error
		if form, err = request.DecodeLargeForm(k.Request(), maxLost, maxFields); err != nil {
			form = nil // a file, or more than can be shown
		}
	}
	return k.respond(http.StatusForbidden, "lost", "lost", lostPage{Fields: typed(form)})
}

// typed are the fields of a form that somebody filled in, but for secrets and what is not seen.
func typed(form url.Values) []page.Fact {
	var facts []page.Fact
	for _, name := range slices.Sorted(maps.Keys(form)) {
		hidden := name == "token" || name == "back" || name == "password" || strings.HasPrefix(name, "was.")
		if value := form.Get(name); value != "" && !hidden {
			facts = append(facts, page.Fact{Name: name, Value: value})
		}
	}
	return facts
}

type lostPage struct{ Fields []page.Fact }

// home is the first page of an organisation, that of the login where a path names none.
func home(k *desk) error {
	if k.org != nil {
		return k.redirect(k, orgPath(k.org.Slug, "user"))
	}
	return k.redirect(k, orgPath(k.login.Org, "user"))
}

// orgPath is the path of a page about an organisation.
func orgPath(slug string, parts ...string) string {
	return path(append([]string{"org", slug}, parts...)...)
}

func path(parts ...string) string {
	address := pathConsole
	for _, part := range parts {
		address += "/" + url.PathEscape(part)
	}
	return address
}

// here is a page about the organisation of the request.
func (k *desk) here(parts ...string) string { return orgPath(k.org.Slug, parts...) }

// value is a parameter of the path.
func (k *desk) value(name string) (string, error) { return request.PathValue(k, name) }

func (k *desk) mayWrite() bool { return k.org != nil && k.caller.MayWrite(k.org.Slug) }
