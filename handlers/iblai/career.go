package iblai

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/career"
	"github.com/claimsmith/claimsmith/handlers/origin"
	"github.com/claimsmith/claimsmith/handlers/request"
)

const (
	// maxCareerBody bounds what is sent for one record, in bytes; maxCareerFields how many fields a form has.
	maxCareerBody   = 256 << 10
	maxCareerFields = 100
)

var errNoRecordID = &refusal{http.StatusBadRequest, inError("id is required")}

// mountCareer adds the four lists of a career.
func (d *Dialect) mountCareer(e *echo.Echo) {
	for _, kind := range []career.Kind{career.Education, career.Experience, career.Institutions, career.Companies} {
		d.add(e, dmHost, "/api/career/orgs/:org/"+string(kind)+"/users/:username",
			origin.Route{Method: http.MethodGet, Handler: d.careerOf(kind, d.listCareer)},
			origin.Route{Method: http.MethodPost, Handler: d.careerOf(kind, d.createCareer)},
			origin.Route{Method: http.MethodPut, Handler: d.careerOf(kind, d.replaceCareer)},
			origin.Route{Method: http.MethodDelete, Handler: d.careerOf(kind, d.deleteCareer)})
	}
}

// careerRequest is a request about the records of a kind.
type careerRequest struct {
	echo.Context
	caller    *auth.Caller
	org, user string
	kind      career.Kind
	query     url.Values
}

// careerOf finds out what a request is about. Refusals of career.Service are told in the words of ibl.ai.
func (d *Dialect) careerOf(kind career.Kind, do func(r *careerRequest) error) echo.HandlerFunc {
	return d.authenticated(func(c echo.Context, caller *auth.Caller) error {
		r := &careerRequest{Context: c, caller: caller, kind: kind}
		var bad [3]error
		r.org, bad[0] = request.PathValue(c, "org")
		r.user, bad[1] = request.PathValue(c, "username")
		r.query, bad[2] = queryOf(c.Request())
		for _, err := range bad {
			if err != nil {
				return err
			}
		}
		err := do(r)
		if faults, ok := errors.AsType[career.Faults](err); ok {
			return &refusal{http.StatusBadRequest, faults}
		}
		if refused, ok := errors.AsType[*auth.Error](err); ok && refused.Code == auth.Conflict {
			return &refusal{http.StatusBadRequest, inError(refused.Detail)}
		}
		return err
	})
}

// queryOf reads the query of a request, whatever its method.
func queryOf(r *http.Request) (url.Values, error) {
	ofAddress := *r
	ofAddress.Method = http.MethodGet
	return request.Parameters(&ofAddress)
}

func (d *Dialect) listCareer(r *careerRequest) error {
	items, err := d.Career.List(r.Request().Context(), r.caller, r.org, r.user, r.kind)
	if err != nil {
		return err
	}
	shown := make([]ordered, len(items))
	for n := range items {
		shown[n] = viewItem(r.kind, &items[n])
	}
	return respond(r, http.StatusOK, shown)
}

func (d *Dialect) createCareer(r *careerRequest) error {
	sent, err := r.members()
	if err != nil {
		return err
	}
	item, err := d.Career.Create(r.Request().Context(), r.caller, r.org, r.user, r.kind, sent)
	if err != nil {
		return err
	}
	return respond(r, http.StatusOK, viewItem(r.kind, &item))
}

func (d *Dialect) replaceCareer(r *careerRequest) error {
	sent, err := r.members()
	if err != nil {
		return err
	}
	text := r.query.Get("id")
	if text == "" {
		text = idOf(sent["id"])
	}
	id, err := recordID(text)
	if err != nil {
		return err
	}
	item, err := d.Career.Update(r.Request().Context(), r.caller, r.org, r.user, r.kind, id, sent)
	if err != nil {
		return err
	}
	return respond(r, http.StatusOK, viewItem(r.kind, &item))
}

func (d *Dialect) deleteCareer(r *careerRequest) error {
	id, err := recordID(r.query.Get("id"))
	if err != nil {
		return err
	}
	if err := d.Career.Delete(r.Request().Context(), r.caller, r.org, r.user, r.kind, id); err != nil {
		return err
	}
	return r.NoContent(http.StatusNoContent)
}

// members are those of the body: of a JSON object, or the fields of a form.
func (r *careerRequest) members() (map[string]jsontext.Value, error) {
	media, _, _ := strings.Cut(r.Request().Header.Get("Content-Type"), ";")
	switch strings.ToLower(strings.TrimSpace(media)) {
	case "application/x-www-form-urlencoded", "multipart/form-data":
		form, err := request.DecodeFields(r.Request(), maxCareerBody, maxCareerFields)
		return career.FormMembers(form), err
	}
	body, err := decodeUpTo[members](r.Request(), maxCareerBody)
	return body.All, err
}

// idOf is the text of an id in a body, "" where there is none.
func idOf(v jsontext.Value) string {
	switch v.Kind() {
	case 0, 'n':
		return ""
	case '"':
		text, _ := jsontext.AppendUnquote(nil, v) // it was read before
		return string(text)
	}
	return string(v)
}

// recordID reads an id. One that is no number is nobody's, like 0.
func recordID(text string) (uint64, error) {
	if text == "" {
		return 0, errNoRecordID
	}
	id, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, nil //nolint:nilerr // as for a number that is nobody's
	}
	return id, nil
}

// viewItem shows a record: whose it is, what it names, what was written.
func viewItem(kind career.Kind, i *career.Item) ordered {
	shown := ordered{{"id", i.ID}, {"user", i.Person.Number}, {"user_info", viewPerson(&i.Person)}}
	switch kind {
	case career.Education:
		shown = append(shown, member{"institution", part(i.Of, "name", "institution_type")})
	case career.Experience:
		shown = append(shown, member{"company", part(i.Of, "name", "industry", "website", "logo_url")})
	}
	for _, name := range career.Members(kind) {
		shown = append(shown, member{name, i.Members[name]})
	}
	return append(shown, member{"created_at", inUTC(i.CreatedAt)}, member{"updated_at", inUTC(i.UpdatedAt)})
}

// part shows some members of what another record names.
func part(i *career.Item, names ...string) any {
	if i == nil {
		return nil
	}
	shown := ordered{{"id", i.ID}}
	for _, name := range names {
		shown = append(shown, member{name, i.Members[name]})
	}
	return shown
}

func viewPerson(p *career.Person) ordered {
	return ordered{
		{"user_id", p.Number},
		{"username", nameOf(&p.User)},
		{"email", p.Email},
		{"name", p.Profile.Name},
		{"is_active", !p.Disabled},
		{"last_active", nil},
		{"date_joined", p.CreatedAt.UTC().Format(time.RFC3339)},
	}
}
