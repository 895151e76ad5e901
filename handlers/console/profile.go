package console

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/authorize"
	"github.com/claimsmith/claimsmith/auth/career"
	"github.com/claimsmith/claimsmith/auth/profile"
	"github.com/claimsmith/claimsmith/handlers"
	"github.com/claimsmith/claimsmith/handlers/console/page"
	"github.com/claimsmith/claimsmith/handlers/request"
	"github.com/claimsmith/claimsmith/metadata"
)

// profilePage is the data of the page of what a person says about himself.
type profilePage struct {
	Here string
	// Emblem stands in for a picture; Picture is the address of one kept here, Elsewhere that of one an operator named.
	Emblem, Name, Picture, Elsewhere string
	Upload                           form
	About, Details, Links, Privacy   form
	// Asked is an address that waits for its confirmation until AskedUntil.
	Email, Asked string
	Verified     bool
	AskedUntil   time.Time
	// Fresh: he has proved who he is recently enough to change an address he signs in by (row S-10).
	Fresh  bool
	Change form
}

// profileSaves are what saves the forms of the page, by their names.
var profileSaves = map[string]func(*visit, context.Context, map[string]jsontext.Value) error{
	"about": func(v *visit, ctx context.Context, members map[string]jsontext.Value) error {
		_, err := v.Profile.SetExtended(ctx, v.caller(), "me", members) // which has the title too
		return err
	},
	"details": changeAccount,
	"links":   changeAccount,
	"email":   changeAccount,
	"privacy": func(v *visit, ctx context.Context, members map[string]jsontext.Value) error {
		return v.Profile.SetPreferences(ctx, v.caller(), "me", members)
	},
}

func changeAccount(v *visit, ctx context.Context, members map[string]jsontext.Value) error {
	_, err := v.Profile.Change(ctx, v.caller(), "me", members)
	return err
}

// shownAt shows a page of the account, with what has just been done.
func shownAt(name string, show func(v *visit, done string) error) handler {
	return func(v *visit) error {
		query, err := request.Query(v.Request(), "done")
		if err != nil {
			return err
		}
		return ownedAt(name, func(v *visit) error {
			done := ""
			if what := v.notified(query); what != "" {
				done = v.words().T("done." + what)
			}
			return show(v, done)
		})(v)
	}
}

func showProfile(v *visit, done string) error {
	data, err := v.profile()
	if err != nil {
		return err
	}
	return v.showOwn(http.StatusOK, "profile", data, "", done)
}

// showOwn shows one of the pages of the account.
func (v *visit) showOwn(status int, name string, data any, fault, done string) error {
	shown := v.view(v.step.Org)
	shown.Wide, shown.Fault, shown.Done, shown.Token, shown.Data = true, fault, done, v.Sessions.Token(v.session), data
	return pages.Respond(v, status, name, shown)
}

// profile reads the page's data.
func (v *visit) profile() (*profilePage, error) {
	account, err := v.Profile.Account(v.Request().Context(), v.caller(), "me", false)
	if err != nil {
		return nil, err
	}
	data := profilePageOf(v.words(), v.at, v.Sessions.Token(v.session), &account)
	data.Fresh = v.Sessions.Fresh(v.session)
	data.Picture = v.Profile.PictureURL(&account.User, 120)
	if data.Picture == "" {
		data.Elsewhere = account.User.Profile.Picture
	}
	if p := account.User.PendingEmail; p != nil && v.Profile.Now().Before(p.Until) {
		data.Asked, data.AskedUntil = p.Address, p.Until
	}
	return data, nil
}

// profilePageOf is what the page shows of an account. at makes addresses.
func profilePageOf(w page.Words, at func(string) string, token string, account *profile.Account) *profilePage {
	u := &account.User
	data := &profilePage{
		Here: "profile", Emblem: page.LookOf(&auth.Org{Name: page.NameOf(u)}).Emblem, Name: page.NameOf(u),
		Email: u.Email, Verified: u.EmailVerified,
	}
	ofPage := func(id string, fields ...formField) form {
		f := form{ID: id, Action: at(pathProfile + "/" + id), Token: token, Submit: w.T("me.save"), Fields: fields}
		for n := range f.Fields {
			field := &f.Fields[n]
			field.ID, field.Was, field.Compared = id+"-"+strings.ReplaceAll(field.Name, ".", "-"), field.Value, true
		}
		return f
	}
	told := func(scope string) string { return w.T("mark.told", "scope", scope) }
	shared, own := w.T("mark.shared"), w.T("mark.own")
	year := ""
	if n := profile.YearOfBirth(u); n > 0 {
		year = strconv.Itoa(n)
	}
	data.About = ofPage("about",
		formField{Name: "name", Label: w.T("profile.name"), Hint: told("profile"), Value: u.Profile.Name, Max: 255, Fill: "name", Required: true},
		formField{Name: "title", Label: w.T("me.title"), Hint: own, Value: u.Biography.Title, Fill: "organization-title"},
		formField{Name: "bio", Label: w.T("me.bio"), Hint: shared, Value: u.Biography.Bio, Kind: fieldLines},
		formField{
			Name: "language_proficiencies", Label: w.T("me.languages"), Hint: w.T("me.languages.hint"), Kind: fieldList,
			Value: strings.Join(profile.Languages(u), ","), Choices: languageChoices(w),
		},
		formField{
			Name: "level_of_education", Label: w.T("me.education"), Hint: shared, Kind: fieldChoice, Value: u.Biography.LevelOfEducation,
			Choices: choicesIn(w, "me.education.", "p", "m", "b", "a", "hs", "jhs", "el", "none", "o"),
		},
		formField{Name: "goals", Label: w.T("me.goals"), Hint: own, Value: u.Biography.Goals, Kind: fieldLines},
	)
	data.Details = ofPage("details",
		formField{
			Name: "year_of_birth", Label: w.T("me.year"), Hint: told("profile") + " " + w.T("me.year.hint"), Value: year, Max: 4, Fill: "bday-year",
		},
		formField{
			Name: "gender", Label: w.T("profile.gender"), Hint: told("profile"), Kind: fieldChoice, Value: profile.Gender(u),
			Choices: choicesIn(w, "me.gender.", "f", "m", "o"),
		},
		formField{
			Name: "mailing_address", Label: w.T("profile.address"), Hint: told("address"), Kind: fieldLines, Value: u.Profile.Address.Formatted,
		},
		formField{Name: "state", Label: w.T("me.state"), Hint: told("address"), Value: u.Profile.Address.Region, Fill: "address-level1"},
		formField{
			Name: "country", Label: w.T("me.country"), Hint: told("address"), Kind: fieldChoice, Value: profile.Country(u),
			Choices: countryChoices(w),
		},
		formField{Name: "phone_number", Label: w.T("profile.phone_number"), Hint: told("phone"), Value: u.Profile.PhoneNumber, Fill: "tel"},
	)
	data.Links = ofPage("links", linkFields(u)...)
	data.Privacy = ofPage("privacy", privacyFields(w, account)...)
	data.Change = ofPage("email", formField{Name: "email", Label: w.T("me.email.new"), Fill: "email", Required: true})
	data.Change.Submit = w.T("me.email.submit")
	data.Upload = form{
		ID: "picture", Action: at(pathProfile + "/picture"), Token: token, Submit: w.T("me.picture.submit"), Files: true,
		Fields: []formField{{
			ID: "picture-file", Name: "file", Label: w.T("me.picture.file"), Hint: w.T("me.picture.hint"), Kind: fieldFile,
			Fill: ".jpg,.jpeg,.png,.gif",
		}},
	}
	return data
}

// Platforms a person may have a page on, by their names to people.
var platforms = []struct{ code, name string }{
	{"linkedin", "LinkedIn"}, {"facebook", "Facebook"}, {"x", "X"}, {"twitter", "Twitter"},
}

// linkPrefix begins the names of the fields of links.
const linkPrefix = "link."

// linkFields are those of the links: of Twitter only where there is one from its days.
func linkFields(u *auth.User) []formField {
	links := map[string]string{}
	for _, l := range profile.Links(u) {
		links[l.Platform] = l.URL
	}
	var fields []formField
	for _, p := range platforms {
		if p.code != "twitter" || links[p.code] != "" {
			fields = append(fields, formField{Name: linkPrefix + p.code, Label: p.name, Value: links[p.code], Fill: "url"})
		}
	}
	return fields
}

// visible are the members of an account that somebody whose privacy is custom may show.
var visible = []string{"name", "bio", "country", "language_proficiencies", "level_of_education", "social_links", "time_zone", "date_joined"}

func privacyFields(w page.Words, account *profile.Account) []formField {
	b := &account.User.Biography
	privacy := b.Privacy
	if privacy == "" {
		privacy = auth.PrivacyAll
	}
	hint := w.T("me.privacy.hint")
	if account.ParentalConsent {
		hint = w.T("me.privacy.consent")
	}
	fields := []formField{
		{
			Name: "time_zone", Label: w.T("profile.zoneinfo"), Hint: w.T("me.zone.hint") + " " + w.T("mark.told", "scope", "profile"),
			Value: account.User.Profile.Zoneinfo,
		},
		{
			Name: "account_privacy", Label: w.T("me.privacy"), Hint: hint, Kind: fieldChoice, Value: privacy,
			Choices: choicesIn(w, "me.privacy.", auth.PrivacyAll, auth.PrivacyPrivate, auth.PrivacyCustom)[1:],
		},
	}
	for _, member := range visible {
		fields = append(fields, formField{
			Name: "visibility." + member, Label: w.T("me.visible." + member), Kind: fieldTick,
			Value: strconv.FormatBool(slices.Contains(b.Shown, member)),
		})
	}
	return fields
}

// choicesIn are codes to choose from, and none of them.
func choicesIn(w page.Words, prefix string, codes ...string) []page.Choice {
	choices := []page.Choice{{Value: "", Text: w.T("me.unsaid")}}
	for _, code := range codes {
		choices = append(choices, page.Choice{Value: code, Text: w.T(prefix + code)})
	}
	return choices
}

// form is the one with a name.
func (p *profilePage) form(name string) *form {
	return map[string]*form{"about": &p.About, "details": &p.Details, "links": &p.Links, "privacy": &p.Privacy, "email": &p.Change}[name]
}

// saveProfile saves what was changed in one form of the page. What somebody else changed meanwhile stays.
func saveProfile(name string) handler {
	return func(v *visit) error {
		data, err := v.profile()
		if err != nil {
			return err
		}
		if name == "email" && !data.Fresh {
			return confirmAt(authorize.PageProfile)(v)
		}
		f := data.form(name)
		f.read(v.form)
		members := changedMembers(f)
		if len(members) > 0 {
			err = profileSaves[name](v, v.Request().Context(), members)
		}
		faults, refused := errors.AsType[profile.Faults](err)
		switch said := v.words().Fault(err); {
		case refused:
			blameProfile(v.words(), f, faults)
		case said != "":
			f.Fault = said
		case err != nil:
			return err
		default:
			return v.notify(pathProfile, "profile_"+name)
		}
		return v.showOwn(page.FaultStatus(v, statusOf(err)), "profile", data, v.words().T("preferences.refused"), "")
	}
}

// statusOf is an error that a form is shown again for: what is wrong with its fields is a bad request.
func statusOf(err error) error {
	_, ruled := errors.AsType[*metadata.Error](err)
	switch {
	case ruled, auth.CodeOf(err) != "":
		return err
	case errors.Is(err, career.ErrTooLarge):
		return &request.Error{Code: request.TooLarge}
	}
	return &auth.Error{Code: auth.InvalidRequest, Err: err}
}

// changedMembers are the members of the account that a form changes.
func changedMembers(f *form) map[string]jsontext.Value {
	members := map[string]jsontext.Value{}
	var links []jsontext.Value
	for n := range f.Fields {
		field := &f.Fields[n]
		if field.Value == field.Was {
			continue
		}
		platform, isLink := strings.CutPrefix(field.Name, linkPrefix)
		switch {
		case isLink:
			links = append(links, jsontext.Value(`{"platform":`+string(textJSON(platform, false))+`,"social_link":`+
				string(textJSON(strings.TrimSpace(field.Value), false))+`}`))
		case field.Name == "language_proficiencies":
			var codes []jsontext.Value
			for _, code := range codesIn(field.Value) {
				codes = append(codes, jsontext.Value(`{"code":`+string(textJSON(code, false))+`}`))
			}
			members[field.Name] = listJSON(codes)
		case field.Name == "year_of_birth":
			members[field.Name] = numberJSON(field.Value)
		case field.Name == "time_zone":
			members[field.Name] = textJSON(strings.TrimSpace(field.Value), true)
		case strings.HasPrefix(field.Name, "visibility."):
			who := auth.PrivacyPrivate
			if field.Ticked() {
				who = auth.PrivacyAll
			}
			members[field.Name] = textJSON(who, false)
		default:
			members[field.Name] = textJSON(field.Value, false)
		}
	}
	if len(links) > 0 {
		members["social_links"] = listJSON(links)
	}
	return members
}

func listJSON(values []jsontext.Value) jsontext.Value {
	texts := make([]string, 0, len(values))
	for _, value := range values {
		texts = append(texts, string(value))
	}
	return jsontext.Value("[" + strings.Join(texts, ",") + "]")
}

// blameProfile says at each field what is wrong with it; a link's is at the field of the platform it speaks of.
func blameProfile(w page.Words, f *form, faults profile.Faults) {
	for _, member := range slices.Sorted(maps.Keys(faults)) {
		fault := faults[member]
		said := fault.User
		if said == "" {
			said = fault.Developer
		}
		if member == "" && f.ID == "email" { // the server sends no mail
			f.Fault = w.T("wrong.nomail")
			continue
		}
		if member != "social_links" {
			f.blame(member, faultIn(w, member, said))
			continue
		}
		at := "social_links"
		for n := range f.Fields {
			field := &f.Fields[n]
			platform := strings.TrimPrefix(field.Name, linkPrefix)
			if field.Value != field.Was && (at == "social_links" || strings.Contains(said+fault.Developer, platform+".com")) {
				at = field.Name
			}
		}
		f.blame(at, w.T("wrong.link"))
	}
}

// maxPictureForm is the most bytes that are read of the form with a picture: those of any photograph; see maxFileForm.
const maxPictureForm = 32 << 20

func uploadPicture(v *visit) error {
	part, err := v.nextFile("file")
	if err == nil {
		err = v.Profile.SetPicture(v.Request().Context(), v.caller(), "me", part.FileName, part.MediaType, part.Body)
	}
	if err == nil {
		return v.notify(pathProfile, "picture")
	}
	said, err := v.fileFault(err)
	if faults, refused := errors.AsType[profile.Faults](err); refused {
		said = faultIn(v.words(), "picture", faults["file"].User)
	}
	if said == "" {
		return err
	}
	data, readErr := v.profile()
	if readErr != nil {
		return readErr
	}
	data.Upload.blame("file", said)
	return v.showOwn(page.FaultStatus(v, statusOf(err)), "profile", data, v.words().T("preferences.refused"), "")
}

func removePicture(v *visit) error {
	return handlers.Patient(func(c echo.Context) error {
		err := v.Profile.RemovePicture(c.Request().Context(), v.caller(), "me")
		if err != nil && auth.CodeOf(err) != auth.NotFound {
			return err
		}
		return v.notify(pathProfile, "picture_removed")
	})(v.Context)
}
