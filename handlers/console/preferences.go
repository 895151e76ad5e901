package console

import (
	"bytes"
	"cmp"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/auth/authorize"
	"github.com/claimsmith/claimsmith/auth/preview"
	"github.com/claimsmith/claimsmith/handlers"
	"github.com/claimsmith/claimsmith/handlers/console/page"
	"github.com/claimsmith/claimsmith/handlers/request"
	"github.com/claimsmith/claimsmith/metadata"
)

// preferencesPage is the data of the page of what a user may say about himself, and of what services are told.
type preferencesPage struct {
	Preferences []preference
	// Seen is what services see of him, Service the one he asks about: "" for one that sees everything.
	Seen     []seen
	Service  string
	Services []application
}

// preference is an entry that its definition lets the user write.
type preference struct {
	N           int
	Key, Label  string
	Description string
	Kind        page.Kind
	Choices     []page.Choice
	Text        string
	// Own: there is an entry of his own. Claim: services see it.
	Own, Claim bool
	// Was is what the field held when it was shown.
	Was, Fault string
}

// True reports whether the value is yes.
func (p *preference) True() bool { return p.Text == "true" }

// seen is a claim about the user.
type seen struct{ Label, Value, From string }

// mine is the user's own document.
var mine = metadata.Target{User: "me"}

func preferences(v *visit) error {
	query, err := request.Query(v.Request(), "service", "done")
	if err != nil {
		return err
	}
	return ownedAt(authorize.PagePreferences, func(v *visit) error {
		rows, err := v.preferences()
		if err != nil {
			return err
		}
		done := ""
		if what := v.notified(query); what != "" {
			done = v.words().T("done." + what)
		}
		return v.showPreferences(http.StatusOK, rows, query.Get("service"), "", done)
	})(v)
}

// preferences reads what the user may write of himself, in the order of the keys.
func (v *visit) preferences() ([]preference, error) {
	ctx := v.Request().Context()
	doc, err := v.Metadata.Get(ctx, v.caller(), mine)
	if err != nil {
		return nil, err
	}
	var rows []preference
	for at := (metadata.Page{Limit: 200}); ; {
		definitions, next, err := v.Metadata.Definitions(ctx, v.caller(), "", at)
		if err != nil {
			return nil, err
		}
		for i := range definitions {
			if d := &definitions[i]; d.Write == metadata.ForSelf {
				rows = append(rows, preferenceOf(d, doc, len(rows)))
			}
		}
		if at.After = next; next == "" {
			return rows, nil
		}
	}
}

func preferenceOf(d *metadata.Definition, doc metadata.Document, n int) preference {
	shape := page.ShapeOf(d)
	p := preference{
		N: n, Key: d.Key, Label: cmp.Or(d.Description, d.Key), Kind: cmp.Or(shape.Kind, page.KindJSON), Choices: shape.Choices,
		Claim: claimed(d),
	}
	raw := d.Default
	if e, ok := doc.Entry(d.Key); ok {
		p.Own, p.Claim, raw = true, e.ProfileClaim, e.Value.Raw()
		if e.Value.Kind() != metadata.KindJSON {
			raw = ""
		}
	}
	p.Text = raw
	switch p.Kind {
	case page.KindText:
		p.Text, _ = page.PlainText(metadata.Restore(metadata.KindJSON, raw))
	case page.KindYesNo:
		p.Text = strconv.FormatBool(raw == "true") // a box is ticked or not
	}
	p.Was = p.Text
	return p
}

// claimed reports whether a definition makes a claim of an entry that says nothing of it itself.
func claimed(d *metadata.Definition) bool {
	return d.Claim == metadata.ClaimAlways || d.Claim != metadata.ClaimNever && d.ProfileClaim
}

func (v *visit) showPreferences(status int, rows []preference, service, fault, done string) error {
	data := preferencesPage{Preferences: rows}
	applications, err := v.Authorize.Applications(v.Request().Context(), v.step.User.ID)
	if err != nil {
		return err
	}
	for _, a := range applications {
		data.Services = append(data.Services, application{Client: a.Client, Name: a.Name})
		if a.Client == service {
			data.Service = service
		}
	}
	if data.Seen, err = v.seen(data.Service); err != nil {
		return err
	}
	shown := v.view(v.step.Org)
	shown.Wide, shown.Fault, shown.Done, shown.Token, shown.Data = true, fault, done, v.Sessions.Token(v.session), &data
	return pages.Respond(v, status, "preferences", shown)
}

// seen finds out what tokens say of the user.
func (v *visit) seen(service string) ([]seen, error) {
	p, err := v.Preview.Preview(v.Request().Context(), v.caller(), preview.Request{Target: mine, Client: service})
	if err != nil {
		return nil, err
	}
	var all []seen
	for _, c := range p.Entries {
		if c.HiddenBy != "" || !c.ProfileClaim || !shownAnywhere(c.Why) {
			continue
		}
		from := v.words().T("seen.from." + string(c.Source))
		all = append(all, seen{Label: c.Key, Value: page.Readable(c.JSON), From: from})
	}
	return all, nil
}

func shownAnywhere(why map[string]string) bool {
	for _, place := range metadata.Places {
		if why[place] == "" {
			return true
		}
	}
	return false
}

// savePreferences makes what was changed on the page one change of the user's document. What somebody else changed meanwhile stays.
func savePreferences(v *visit) error {
	rows, err := v.preferences()
	if err != nil {
		return err
	}
	var change metadata.Change
	faulty := false
	for i := range rows {
		p := &rows[i]
		field := func(name string) string { return v.form.Get(name + "." + p.Key) }
		if field("shown") == "" {
			continue // defined since the page was shown
		}
		p.Text = page.Lines(field("value"))
		switch {
		case p.Own && field("reset") != "":
			change.Delete = append(change.Delete, p.Key)
			continue
		case p.Kind == page.KindYesNo:
			p.Text = strconv.FormatBool(p.Text == "true")
		}
		if p.Text == page.Lines(field("was")) {
			continue
		}
		value, err := p.value()
		if err != nil {
			p.Fault, faulty = v.words().T("preferences.invalid."+string(p.Kind)), true
			continue
		}
		change.Set = append(change.Set, metadata.Put{Key: p.Key, Value: value, Unmarked: true})
	}
	if faulty {
		return v.showPreferences(http.StatusBadRequest, rows, "", v.words().T("preferences.refused"), "")
	}
	if len(change.Set)+len(change.Delete) > 0 {
		_, err = v.Metadata.Apply(v.Request().Context(), v.caller(), mine, change, metadata.Precondition{})
	}
	var refused *metadata.Error
	if errors.As(err, &refused) && refused.Code != metadata.Unavailable {
		fault := v.words().T("preferences.refused")
		for i := range rows {
			if rows[i].Key == refused.Field {
				rows[i].Fault, faulty = refused.Detail, true
			}
		}
		if !faulty {
			fault += " " + refused.Detail
		}
		return v.showPreferences(page.FaultStatus(v, err), rows, "", fault, "")
	}
	if err != nil {
		return err
	}
	return v.notify(pathPreferences, "preferences")
}

// value is what the field says.
func (p *preference) value() (metadata.Value, error) {
	if p.Kind == page.KindText {
		return page.TextValue(p.Text)
	}
	return metadata.JSON([]byte(strings.TrimSpace(p.Text)))
}

// exportAccount answers with everything that is held about the user.
func exportAccount(v *visit) error {
	return handlers.Patient(func(c echo.Context) error {
		var archive bytes.Buffer // whole, so that what goes wrong on the way is an error page and no broken file
		if err := v.People.Archive(c.Request().Context(), v.caller(), "", "me", &archive); err != nil {
			return err
		}
		c.Response().Header().Set("Content-Disposition", `attachment; filename="account.zip"`)
		return c.Blob(http.StatusOK, "application/zip", archive.Bytes())
	})(v.Context)
}
