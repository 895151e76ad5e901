package console

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/career"
	"github.com/claimsmith/claimsmith/handlers/console/page"
)

// careerPage is the data of the page of what a person learned, where he worked, and his résumé.
type careerPage struct {
	Here, Token string
	Lists       []careerList
	// Suggestions are the names of the institutions and companies he has, by the id of the list of them.
	Suggestions map[string][]string
	Files       []keptFile
	Upload      form
	Links       form
}

// careerList is one of the four kinds.
type careerList struct {
	Kind                 career.Kind
	Title, Text, Nothing string
	Items                []careerItem
	// Add is the form for another one, Open after it was refused.
	Add  form
	Open bool
}

// careerItem is a record with the form that changes it.
type careerItem struct {
	ID          string
	Name, About string
	Edit        form
	Open        bool
}

// careerKind is a kind with the fields of its form.
type careerKind struct {
	career.Kind
	fields func(w page.Words) []formField
}

// careerKinds are the kinds in the order of the page.
var careerKinds = []careerKind{
	{career.Education, func(w page.Words) []formField {
		return []formField{
			{Name: "institution", Required: true, Suggestions: "institutions", Max: 100, Hint: w.T("career.of.hint")},
			{Name: "degree", Max: 100}, {Name: "field_of_study", Max: 100},
			{Name: "start_date", Kind: fieldDate, Required: true}, {Name: "end_date", Kind: fieldDate}, {Name: "is_current", Kind: fieldTick},
			{Name: "grade", Max: 5}, {Name: "activities", Max: 255}, {Name: "description", Kind: fieldLines},
		}
	}},
	{career.Experience, func(w page.Words) []formField {
		return []formField{
			{Name: "title", Max: 100, Required: true, Fill: "organization-title"},
			{Name: "company", Required: true, Suggestions: "companies", Max: 100, Hint: w.T("career.of.hint")},
			{Name: "employment_type", Kind: fieldChoice, Choices: employments(w)}, {Name: "location", Max: 100},
			{Name: "start_date", Kind: fieldDate, Required: true}, {Name: "end_date", Kind: fieldDate}, {Name: "is_current", Kind: fieldTick},
			{Name: "description", Kind: fieldLines},
		}
	}},
	{career.Institutions, func(w page.Words) []formField {
		return []formField{
			{Name: "name", Max: 100, Required: true},
			{
				Name: "institution_type", Kind: fieldChoice,
				Choices: choicesIn(w, "career.institution_type.", "university", "college", "institute", "academy", "other"),
			},
			{Name: "location", Max: 100}, {Name: "website", Max: 255, Fill: "url"}, {Name: "accreditation", Max: 100},
			{Name: "established_year", Max: 4},
		}
	}},
	{career.Companies, func(page.Words) []formField {
		return []formField{
			{Name: "name", Max: 100, Required: true, Fill: "organization"}, {Name: "industry", Max: 100},
			{Name: "website", Max: 255, Fill: "url"}, {Name: "logo_url", Max: 255, Fill: "url"},
		}
	}},
}

// employments are the kinds of employment that ibl.ai's clients know; any other text may be stored.
func employments(w page.Words) []page.Choice {
	choices := []page.Choice{{Value: "", Text: w.T("me.unsaid")}}
	for _, e := range []struct{ value, key string }{
		{"Full-time", "full"}, {"Part-time", "part"}, {"Contract", "contract"}, {"Freelance", "freelance"}, {"Internship", "internship"},
	} {
		choices = append(choices, page.Choice{Value: e.value, Text: w.T("career.employment." + e.key)})
	}
	return choices
}

// namedBy are the members that name a record of another kind, by the field that shows its name.
var namedBy = map[string]struct {
	member string
	kind   career.Kind
}{
	"institution": {"institution_id", career.Institutions}, "company": {"company_id", career.Companies},
}

func showCareer(v *visit, done string) error {
	data, err := v.career()
	if err != nil {
		return err
	}
	return v.showOwn(http.StatusOK, "profilecareer", data, "", done)
}

// career reads the page's data.
func (v *visit) career() (*careerPage, error) {
	ctx, org := v.Request().Context(), v.caller().HomeOrg()
	lists := map[career.Kind][]career.Item{}
	for _, k := range careerKinds {
		items, err := v.Career.List(ctx, v.caller(), org, "me", k.Kind)
		if err != nil {
			return nil, err
		}
		lists[k.Kind] = items
	}
	resume, err := v.Career.Resume(ctx, v.caller(), org, "me")
	if err != nil {
		return nil, err
	}
	return careerPageOf(v.words(), v.at, v.Sessions.Token(v.session), lists, &resume), nil
}

// careerPageOf is what the page shows. at makes addresses.
func careerPageOf(
	w page.Words, at func(string) string, token string, lists map[career.Kind][]career.Item, resume *career.Resume,
) *careerPage {
	data := &careerPage{Here: "career", Token: token, Suggestions: map[string][]string{}}
	for _, k := range careerKinds {
		name := string(k.Kind)
		list := careerList{
			Kind: k.Kind, Title: w.T("career." + name), Text: w.T("career." + name + ".text"), Nothing: w.T("career." + name + ".none"),
		}
		ofKind := func(id string, item *career.Item) form {
			f := form{ID: name + "-" + id, Action: at(pathCareer + "/" + name), Token: token, Fields: k.fields(w), Submit: w.T("me.save")}
			if item != nil {
				f.Hidden = []fact{{Name: "id", Value: id}}
			} else {
				f.Submit = w.T("career.add")
			}
			for n := range f.Fields {
				field := &f.Fields[n]
				field.ID, field.Label = f.ID+"-"+field.Name, w.T("career."+field.Name)
				if item != nil {
					field.Value = valueIn(item, field.Name)
				}
			}
			return f
		}
		for n := range lists[k.Kind] {
			item := &lists[k.Kind][n]
			id := strconv.FormatUint(item.ID, 10)
			said, about := headingOf(w, k.Kind, item)
			list.Items = append(list.Items, careerItem{ID: id, Name: said, About: about, Edit: ofKind(id, item)})
			if k.Kind == career.Institutions || k.Kind == career.Companies {
				data.Suggestions[name] = append(data.Suggestions[name], textOf(item.Members["name"]))
			}
		}
		list.Add = ofKind("new", nil)
		data.Lists = append(data.Lists, list)
	}
	data.addResume(w, at, resume)
	return data
}

// valueIn is what a field shows of an item.
func valueIn(item *career.Item, name string) string {
	if _, names := namedBy[name]; !names {
		return textOf(item.Members[name])
	}
	if item.Of == nil {
		return ""
	}
	return textOf(item.Of.Members["name"])
}

// headingOf is what an item is called, and what else is said of it in a line.
func headingOf(w page.Words, kind career.Kind, item *career.Item) (name, about string) {
	member := func(name string) string { return valueIn(item, name) }
	join := func(separator string, parts ...string) string {
		return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), separator)
	}
	switch kind {
	case career.Education:
		return join(", ", member("degree"), member("field_of_study"), ifNone(member("degree")+member("field_of_study"), member("institution"))),
			join(" · ", member("institution"), period(w, item))
	case career.Experience:
		return member("title"), join(" · ", member("company"), member("location"), period(w, item))
	case career.Institutions:
		return member("name"), join(" · ", member("location"), member("website"))
	}
	return member("name"), join(" · ", member("industry"), member("website"))
}

// ifNone is a text where there is no other.
func ifNone(other, text string) string {
	if other != "" {
		return ""
	}
	return text
}

// period is from when until when something was.
func period(w page.Words, item *career.Item) string {
	start, end := textOf(item.Members["start_date"]), textOf(item.Members["end_date"])
	switch {
	case string(item.Members["is_current"]) == "true":
		return w.T("career.since", "start", start)
	case end == "":
		return start
	}
	return start + " – " + end
}

// formOf is the form that was posted: that of an item with the id, or the one for another item.
func (p *careerPage) formOf(kind career.Kind, id string) (f *form, open *bool) {
	for n := range p.Lists {
		list := &p.Lists[n]
		if list.Kind != kind {
			continue
		}
		for i := range list.Items {
			if list.Items[i].ID == id {
				return &list.Items[i].Edit, &list.Items[i].Open
			}
		}
		return &list.Add, &list.Open
	}
	return nil, nil
}

// saveCareer adds a record of a kind, or changes the one whose id is in the form.
func saveCareer(kind career.Kind) handler {
	return func(v *visit) error {
		data, err := v.career()
		if err != nil {
			return err
		}
		id := v.form.Get("id")
		f, open := data.formOf(kind, id)
		if id != "" && len(f.Hidden) == 0 {
			return &auth.Error{Code: auth.NotFound, Detail: "no such record"}
		}
		f.read(v.form)
		if err := v.putCareer(kind, id, f); err != nil {
			return err
		}
		if !f.refused() {
			return v.notify(pathCareer, "career")
		}
		*open = true
		return v.showOwn(http.StatusBadRequest, "profilecareer", data, v.words().T("preferences.refused"), "")
	}
}

// putCareer stores what a form says. What is wrong with it is said in the form.
func (v *visit) putCareer(kind career.Kind, id string, f *form) error {
	ctx, org := v.Request().Context(), v.caller().HomeOrg()
	members := map[string]jsontext.Value{}
	if id != "" { // what the form does not have stays
		items, err := v.Career.List(ctx, v.caller(), org, "me", kind)
		if err != nil {
			return err
		}
		for n := range items {
			if strconv.FormatUint(items[n].ID, 10) == id {
				members = items[n].Members
			}
		}
	}
	undo := func() {}
	for n := range f.Fields {
		field := &f.Fields[n]
		named, names := namedBy[field.Name]
		switch {
		case names:
			var err error
			if undo, err = v.named(ctx, named.kind, named.member, strings.TrimSpace(field.Value), members); err != nil {
				return v.blameCareer(f, err, field.Name)
			}
		case field.Kind == fieldTick:
			members[field.Name] = jsontext.Value(field.Value)
		case field.Name == "established_year":
			members[field.Name] = numberJSON(field.Value)
		case field.Value == "":
			delete(members, field.Name)
		default:
			members[field.Name] = textJSON(field.Value, false)
		}
	}
	var err error
	if id == "" {
		_, err = v.Career.Create(ctx, v.caller(), org, "me", kind, members)
	} else {
		number, _ := strconv.ParseUint(id, 10, 64) // it was found
		_, err = v.Career.Update(ctx, v.caller(), org, "me", kind, number, members)
	}
	if err != nil {
		undo()
	}
	return v.blameCareer(f, err, "")
}

// named sets a member to the institution or company of a name. One that the person does not have yet is made, which undo takes back.
func (v *visit) named(
	ctx context.Context, kind career.Kind, member, name string, members map[string]jsontext.Value,
) (undo func(), err error) {
	delete(members, member)
	if name == "" {
		return func() {}, nil
	}
	org := v.caller().HomeOrg()
	items, err := v.Career.List(ctx, v.caller(), org, "me", kind)
	if err != nil {
		return nil, err
	}
	n := slices.IndexFunc(items, func(i career.Item) bool { return strings.EqualFold(textOf(i.Members["name"]), name) })
	if n >= 0 {
		members[member] = jsontext.Value(strconv.FormatUint(items[n].ID, 10))
		return func() {}, nil
	}
	item, err := v.Career.Create(ctx, v.caller(), org, "me", kind, map[string]jsontext.Value{"name": textJSON(name, false)})
	if err != nil {
		return nil, err
	}
	members[member] = jsontext.Value(strconv.FormatUint(item.ID, 10))
	return func() { _ = v.Career.Delete(ctx, v.caller(), org, "me", kind, item.ID) }, nil
}

// blameCareer says in a form what is wrong with it. at is the field that everything is about, "" for each its own.
func (v *visit) blameCareer(f *form, err error, at string) error {
	faults, refused := errors.AsType[career.Faults](err)
	w := v.words()
	switch {
	case refused:
		for member, said := range faults {
			for field, named := range namedBy {
				if named.member == member {
					member = field
				}
			}
			if at != "" {
				member = at
			}
			f.blame(member, faultIn(w, member, strings.Join(said, " ")))
		}
		return nil
	case auth.CodeOf(err) == auth.Conflict:
		f.Fault = w.T("wrong.many")
		return nil
	case w.Fault(err) != "":
		f.Fault = w.Fault(err)
		return nil
	}
	return err
}

// removeCareer removes a record. One that others name stays, and the page says so.
func removeCareer(v *visit) error {
	kind := career.Kind(v.form.Get("kind"))
	id, err := strconv.ParseUint(v.form.Get("id"), 10, 64)
	if err != nil || !slices.ContainsFunc(careerKinds, func(k careerKind) bool { return k.Kind == kind }) {
		return &auth.Error{Code: auth.NotFound, Detail: "no such record"}
	}
	err = v.Career.Delete(v.Request().Context(), v.caller(), v.caller().HomeOrg(), "me", kind, id)
	switch auth.CodeOf(err) {
	case auth.Conflict:
		data, readErr := v.career()
		if readErr != nil {
			return readErr
		}
		return v.showOwn(page.FaultStatus(v, err), "profilecareer", data, v.words().T("wrong.needed"), "")
	case auth.NotFound: // gone already is what was wanted
		err = nil
	}
	if err != nil {
		return err
	}
	return v.notify(pathCareer, "career_removed")
}
