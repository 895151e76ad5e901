package operate

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/handlers/console/page"
	"github.com/claimsmith/claimsmith/handlers/problem"
	"github.com/claimsmith/claimsmith/handlers/request"
)

// frame is what is around every page of the console: who is there, where he is, and where he can go.
type frame struct {
	site page.Site
	// User and Role are who is logged in; User is "" for nobody.
	User, UserID string
	Role         auth.Role
	// Org and OrgName are the organisation the page is about, "" for none.
	Org, OrgName string
	OrgDisabled  bool
	// Home is the organisation of the login.
	Home string
	// Tab is the part of the pages about something that is shown.
	Tab string
	// Nav and Installation are the navigation.
	Nav, Installation []entry
	Admin             bool
	// Write and Configure: the user may change the organisation's users, and its clients.
	Write, Configure bool
	// Fresh: he has proved who he is a moment ago.
	Fresh bool
	// Back is the page itself, to come back to.
	Back string
}

// entry is one of the navigation.
type entry struct {
	Address, Label string
	Here           bool
}

// Path is the address of a page about the organisation.
func (f *frame) Path(parts ...string) string { return f.site.At(orgPath(f.Org, parts...)) }

// Page is the address of a page about none.
func (f *frame) Page(parts ...string) string { return f.site.At(path(parts...)) }

// OrgPath is the address of a page about an organisation.
func (f *frame) OrgPath(slug string, parts ...string) string {
	return f.site.At(orgPath(slug, parts...))
}

// words are in the language of the browser.
func (k *desk) words() page.Words {
	return catalogues.For("", k.Request().Header.Get("Accept-Language"))
}

// text is one text in the language of the browser.
func (k *desk) text(key string, pairs ...string) string { return k.words().T(key, pairs...) }

// view begins a page.
func (k *desk) view(section string) *page.View {
	f := &frame{site: k.site(), Back: k.back(), Tab: k.tab}
	v := &page.View{Words: k.words(), Site: k.site(), Look: page.LookOf(k.org), Frame: f, Fetches: true}
	if k.login == nil || k.who == nil {
		return v
	}
	v.Token = k.token(k.login)
	f.User, f.UserID, f.Fresh, f.Home = page.NameOf(k.who), k.who.ID, k.isFresh(k.login), k.login.Org
	if k.caller == nil {
		return v
	}
	f.Role, f.Admin = k.who.Role, k.caller.IsAdmin()
	slug := k.login.Org
	if k.org != nil {
		slug = k.org.Slug
		f.OrgName, f.OrgDisabled = v.Look.Name, k.org.Disabled
	}
	f.Org, f.Write, f.Configure = slug, k.caller.MayWrite(slug), k.caller.MayConfigure(slug)
	f.navigate(v.Words, section)
	return v
}

// navigate fills in where the user can go. section is the entry the page belongs to.
func (f *frame) navigate(w page.Words, section string) {
	for _, n := range []struct{ section, page string }{
		{"users", "user"}, {"definitions", "definition"}, {"groups", "group"}, {"clients", "client"}, {"org", "settings"}, {"bulk", "bulk"},
		{"tokens", "token"}, {"audit", "audit"},
	} {
		if n.section != "bulk" || f.Write {
			f.Nav = append(f.Nav, entry{f.Path(n.page), w.T("nav." + n.section), n.section == section})
		}
	}
	if !f.Admin {
		return
	}
	for _, n := range []struct{ section, page string }{{"orgs", "orgs"}, {"keys", "keys"}, {"installation_audit", "audit"}} {
		f.Installation = append(f.Installation, entry{f.Page(n.page), w.T("nav." + n.section), n.section == section})
	}
}

// back is the page to come back to: for a form, the one it was on.
func (k *desk) back() string {
	if k.Request().Method == http.MethodPost {
		return k.form.Get("back")
	}
	return backTo(k.Request().URL)
}

// respond shows a page.
func (k *desk) respond(status int, name, section string, data any) error {
	v := k.view(section)
	v.Data = data
	return k.show(status, name, v)
}

func (k *desk) show(status int, name string, v *page.View) error {
	if status == http.StatusOK && k.Request().Method != http.MethodPost {
		v.Done = k.notified()
	}
	return pages.Respond(k, status, name, v)
}

// refuse shows a page again because of an error its user can do something about: what was wrong is said on it, and what he typed is kept.
// Any other error is an error page.
func (k *desk) refuse(err error, name, section string, data any) error {
	fault := k.fault(err)
	if fault == "" {
		return err
	}
	v := k.view(section)
	v.Fault, v.Data = fault, data
	return k.show(page.FaultStatus(k, err), name, v)
}

// fault is what a page says about an error, "" where it can say nothing of use.
func (k *desk) fault(err error) string {
	p := problem.Of(err)
	if said := k.words().Fault(err); said != "" {
		return said
	}
	switch p.Code {
	case problem.InvalidRequest, problem.Conflict, problem.LimitExceeded, problem.PreconditionFailed, problem.AccessDenied:
	default:
		return ""
	}
	field := fieldOf(p)
	switch {
	case p.Detail == "":
		return k.text("fault." + string(p.Code))
	case field != "" && !strings.HasPrefix(p.Detail, field+" "):
		return k.text("fault.field", "field", field, "detail", p.Detail)
	}
	return p.Detail
}

// fieldOf is the one place an error is about, "" for none.
func fieldOf(p problem.Problem) string {
	if len(p.Errors) == 1 {
		for field := range p.Errors {
			return field
		}
	}
	return ""
}

// done goes to a page, which says once what was done. That the words come from here shows in the proof.
func (k *desk) done(to, what string) error {
	separator := "?"
	if strings.Contains(to, "?") {
		separator = "&"
	}
	return k.redirect(k, to+separator+"done="+what+"."+k.proof(what))
}

func (k *desk) proof(what string) string {
	mac := hmac.New(sha256.New, []byte(k.token(k.login)))
	mac.Write([]byte("done " + what))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:12])
}

// notified returns what done said.
func (k *desk) notified() string {
	what, proof, _ := strings.Cut(k.Request().URL.Query().Get("done"), ".")
	if what == "" || k.login == nil || !hmac.Equal([]byte(proof), []byte(k.proof(what))) {
		return ""
	}
	return k.text("done." + what)
}

// query reads the parameters of a page.
func (k *desk) query(allowed ...string) (url.Values, error) {
	return request.Query(k.Request(), append(allowed, "done")...)
}

// pageSize is how many lines a list has.
const pageSize = 50

// paging is the part of a list that is shown.
type paging struct {
	// After is the position, Next the cursor of the page that follows, "" at the end. First: it is not the first page.
	After, Next string
	First       bool

	key   []byte
	scope string
}

// paging reads the cursor of a list, which is the user's, of this page and these parameters alone (row A-08).
func (k *desk) paging(query url.Values, parameters ...string) (paging, error) {
	scope := []string{"console", k.who.ID, k.Request().URL.EscapedPath()}
	for _, name := range parameters {
		scope = append(scope, name, query.Get(name))
	}
	p := paging{key: k.CursorKey, scope: strings.Join(scope, "\x00"), First: query.Get("cursor") != ""}
	var err error
	p.After, err = request.OpenCursor(p.key, p.scope, query.Get("cursor"))
	return p, err
}

func (p *paging) then(next string) { p.Next = request.SealCursor(p.key, p.scope, next) }
