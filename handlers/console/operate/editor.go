package operate

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/handlers/console/page"
	"github.com/claimsmith/claimsmith/handlers/problem"
	"github.com/claimsmith/claimsmith/metadata"
)

// subject is whose document a page is about.
type subject struct {
	Target metadata.Target
	// Person or Group is nil but for one's document.
	Person *person
	Group  *metadata.Group
	// Parts lead to its pages below those of the organisation.
	Parts   []string
	Section string
}

// subject reads what a path is about. tab is the part of the pages that is shown.
func (k *desk) subject(tab, app string) (subject, error) {
	s := subject{Target: metadata.Target{Org: k.org.Slug, App: app}, Section: "org"}
	k.tab = tab
	switch {
	case strings.HasPrefix(k.Path(), pathOrg+"/user/:user"):
		user, err := k.named()
		if err != nil {
			return s, err
		}
		p := personOf(&user)
		s.Target.User, s.Person, s.Parts, s.Section = user.ID, &p, []string{"user", user.ID}, "users"
	case strings.HasPrefix(k.Path(), pathOrg+"/group/:group"):
		slug, err := k.value("group")
		if err != nil {
			return s, err
		}
		group, err := k.Metadata.Group(k.Request().Context(), k.caller, k.org.Slug, slug)
		if err != nil {
			return s, err
		}
		s.Target.Shared, s.Target.Group, s.Group, s.Parts, s.Section = true, group.Slug, &group, []string{"group", group.Slug}, "groups"
	default:
		s.Target.Shared = true
	}
	return s, nil
}

// at is the path of one of the subject's pages.
func (k *desk) at(s subject, parts ...string) string {
	return k.here(append(append([]string{}, s.Parts...), parts...)...)
}

// editorPage is the data of the editor.
type editorPage struct {
	Person *person
	Group  *metadata.Group
	// Address is that of the editor's form.
	Address  string
	App      string
	Apps     []auth.Client
	Revision uint64
	Rows     []row
	// Addable are defined keys that there is no entry of.
	Addable []metadata.Definition
	Preview *panel
	// Conflict: somebody else has saved meanwhile; By and At are who and when, as far as the entries tell.
	Conflict bool
	By       string
	At       time.Time
	Changes  int
}

func (k *desk) editor() error {
	query, err := k.query("app", "client")
	if err != nil {
		return err
	}
	s, err := k.subject("metadata", query.Get("app"))
	if err != nil {
		return err
	}
	e, err := k.openEditor(s)
	if err != nil {
		return err
	}
	e.data.Revision, e.data.Rows = e.doc.Revision, rowsOf(e.doc, e.scheme)
	return e.show(http.StatusOK, "", query.Get("client"))
}

// editing is a document that is being edited.
type editing struct {
	*desk
	subject subject
	scheme  *scheme
	doc     metadata.Document
	data    editorPage
}

func (k *desk) openEditor(s subject) (*editing, error) {
	e := &editing{desk: k, subject: s, data: editorPage{
		Person: s.Person, Group: s.Group, App: s.Target.App, Address: k.site().At(k.at(s, "metadata")),
	}}
	var err error
	if e.scheme, err = k.scheme(); err != nil {
		return nil, err
	}
	if e.doc, err = k.Metadata.Get(k.Request().Context(), k.caller, s.Target); err != nil {
		return nil, err
	}
	if s.Person != nil {
		e.data.Apps, err = k.clientsOf(k.Request().Context())
	}
	return e, err
}

// show shows the editor with a preview of what it would do.
func (e *editing) show(status int, fault, client string) error {
	change, _ := e.change()
	var err error
	if e.data.Preview, err = e.preview(change, client); err != nil {
		return err
	}
	e.number()
	v := e.view(e.subject.Section)
	v.Fault, v.Data = fault, &e.data
	return e.desk.show(status, "metadata", v)
}

// number gives the rows their numbers and finds out what can be added.
func (e *editing) number() {
	e.data.Changes, e.data.Addable = 0, nil
	there := map[string]bool{}
	for n := range e.data.Rows {
		r := &e.data.Rows[n]
		r.N = n
		there[strings.ToLower(r.Key)] = true
		if r.Changed() {
			e.data.Changes++
		}
	}
	for _, d := range e.scheme.Definitions {
		if !there[strings.ToLower(d.Key)] {
			e.data.Addable = append(e.data.Addable, d)
		}
	}
}

// change is what the rows would change, and whether all of them can be read; what is wrong with one is noted there.
func (e *editing) change() (metadata.Change, bool) {
	var c metadata.Change
	readable := true
	seen := map[string]bool{}
	for n := range e.data.Rows {
		r := &e.data.Rows[n]
		if seen[r.Key] {
			r.Fault, readable = e.text("editor.twice"), false
			continue
		}
		seen[r.Key] = true
		switch {
		case !r.Changed():
		case r.Delete:
			if r.Was != "" {
				c.Delete = append(c.Delete, r.Key)
			}
		default:
			put, err := r.put(e.doc)
			if err != nil {
				r.Fault, readable = e.rowFault(r, err), false
				continue
			}
			c.Set = append(c.Set, put)
		}
	}
	return c, readable
}

func (e *editing) rowFault(r *row, err error) string {
	var fault *metadata.Error
	if errors.As(err, &fault) && fault.Code == metadata.Invalid && !r.Locked {
		switch r.Kind {
		case page.KindNumber:
			return e.text("editor.fault.number")
		case page.KindYesNo:
			return e.text("editor.fault.boolean")
		}
		return e.text("editor.fault.json", "detail", fault.Detail)
	}
	return problem.Of(err).Detail
}

// readEditor reads the form of the editor.
func (k *desk) readEditor() (*editing, error) {
	s, err := k.subject("metadata", k.form.Get("app"))
	if err != nil {
		return nil, err
	}
	e, err := k.openEditor(s)
	if err != nil {
		return nil, err
	}
	e.data.Rows = readRows(k.form, e.scheme)
	for n := range e.data.Rows {
		r := &e.data.Rows[n]
		if stored, ok := e.doc.Entry(r.Key); ok {
			r.ChangedAt, r.ChangedBy, r.Bytes = stored.ChangedAt, stored.ChangedBy, len(stored.Value.Raw())
			if r.Locked {
				r.Text = rowOf(stored, e.scheme).Text
			}
		}
	}
	e.data.Revision, err = strconv.ParseUint(k.form.Get("revision"), 10, 64)
	if err != nil {
		return nil, problem.New(problem.InvalidRequest, "the form lacks its revision")
	}
	return e, nil
}

// saveEditor does what the pressed button says: saves, shows the page with one more row, or with a new preview.
func (k *desk) saveEditor() error {
	e, err := k.readEditor()
	if err != nil {
		return err
	}
	client := k.form.Get("client")
	switch k.form.Get("do") {
	case "add":
		e.data.Rows = append(e.data.Rows, newRow(k.form.Get("add_key"), e.scheme))
		return e.show(http.StatusOK, "", client)
	case "save":
		return e.save(client)
	}
	return e.show(http.StatusOK, "", client)
}

func (e *editing) save(client string) error {
	if e.doc.Revision != e.data.Revision {
		return e.conflict(client)
	}
	change, readable := e.change()
	switch {
	case !readable:
		return e.show(http.StatusBadRequest, e.text("editor.fault"), client)
	case len(change.Set)+len(change.Delete) == 0:
		return e.show(http.StatusOK, "", client)
	}
	_, err := e.Metadata.Apply(e.Request().Context(), e.caller, e.subject.Target, change, metadata.Precondition{
		IfMatch: &metadata.Condition{Revisions: []uint64{e.data.Revision}},
	})
	switch p := problem.Of(err); {
	case err == nil:
		to := e.at(e.subject, "metadata")
		if e.data.App != "" {
			to += "?app=" + e.data.App
		}
		return e.done(to, "saved")
	case p.Code == problem.PreconditionFailed:
		if e.doc, err = e.Metadata.Get(e.Request().Context(), e.caller, e.subject.Target); err != nil {
			return err
		}
		return e.conflict(client)
	case e.fault(err) == "":
		return err
	default:
		fault := e.fault(err)
		if e.beside(fieldOf(p), p.Detail) {
			fault = e.text("editor.fault")
		}
		return e.show(page.FaultStatus(e, err), fault, client)
	}
}

// beside puts a refusal beside the row it is about.
func (e *editing) beside(key, detail string) bool {
	for n := range e.data.Rows {
		if r := &e.data.Rows[n]; key != "" && r.Key == key {
			r.Fault = detail
			return true
		}
	}
	return false
}

// conflict shows what is stored now with one's own changes over it, and beside each of them what somebody else has made of the same entry.
func (e *editing) conflict(client string) error {
	base := e.data.Revision
	mine := map[string]row{}
	for _, r := range e.data.Rows {
		if r.Changed() {
			mine[r.Key] = r
		}
	}
	var rows []row
	for _, r := range rowsOf(e.doc, e.scheme) {
		stored, _ := e.doc.Entry(r.Key)
		if stored.Revision > base && stored.ChangedAt.After(e.data.At) {
			e.data.By, e.data.At = stored.ChangedBy, stored.ChangedAt
		}
		own, changed := mine[r.Key]
		delete(mine, r.Key)
		switch {
		case !changed:
			rows = append(rows, r)
		case own.Was != r.Was:
			own.Theirs = &theirs{Text: shorten(shownValue(stored.Value), maxShown), Claim: r.Claim, By: stored.ChangedBy, At: stored.ChangedAt}
			own.Was, own.ChangedBy, own.ChangedAt = r.Was, r.ChangedBy, r.ChangedAt
			rows = append(rows, own)
		default:
			rows = append(rows, own)
		}
	}
	for _, r := range e.data.Rows { // what there is no entry of any more, or yet
		if own, left := mine[r.Key]; left {
			if own.Was != "" {
				own.Theirs, own.Was = &theirs{Gone: true}, ""
			}
			rows = append(rows, own)
		}
	}
	e.data.Rows, e.data.Revision, e.data.Conflict = rows, e.doc.Revision, true
	return e.show(http.StatusConflict, "", client)
}

// previewEditor answers the editor's script with the preview alone.
func (k *desk) previewEditor() error {
	e, err := k.readEditor()
	if err != nil {
		return err
	}
	change, readable := e.change()
	if e.data.Preview, err = e.preview(change, k.form.Get("client")); err != nil {
		return err
	}
	if !readable && e.data.Preview.Fault == "" {
		e.data.Preview.Fault = e.text("editor.fault")
	}
	e.number()
	v := e.view(e.subject.Section)
	v.Data = &e.data
	return pages.RespondPart(e, http.StatusOK, "metadata", "preview", v)
}
