package operate

import (
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/claimsmith/claimsmith/handlers/console/page"
	"github.com/claimsmith/claimsmith/handlers/problem"
	"github.com/claimsmith/claimsmith/metadata"
)

// definitionsPage is the data of the list of definitions.
type definitionsPage struct{ Definitions []definitionRow }

type definitionRow struct {
	metadata.Definition
	Type    string
	Address string
}

func (k *desk) definitions() error {
	if _, err := k.query(); err != nil {
		return err
	}
	s, err := k.scheme()
	if err != nil {
		return err
	}
	data := definitionsPage{}
	for _, d := range s.Definitions {
		data.Definitions = append(data.Definitions, definitionRow{d, k.typeOf(&d), k.definitionAddress(d.Key)})
	}
	return k.respond(http.StatusOK, "definitions", "definitions", data)
}

// typeOf says in a word what values of a key are.
func (k *desk) typeOf(d *metadata.Definition) string {
	switch s := page.ShapeOf(d); {
	case s.Kind != "":
		return k.text("kind." + string(s.Kind))
	case d.Schema != "":
		return k.text("definition.schema")
	}
	return k.text("kind.any")
}

func (k *desk) definitionAddress(key string) string {
	return k.site().At(k.here("definition", "edit")) + "?key=" + url.QueryEscape(key)
}

// definitionPage is the data of the form for a definition.
type definitionPage struct {
	metadata.Definition
	New bool
	// Type is a schema that is a type alone; Choices are those of an enumeration of texts, one a line.
	Type, Choices string
	Max           string
	Clients       []clientChoice
	Places        []placeChoice
	AllClients    bool
	AllPlaces     bool
	Version       string
	Report        *metadata.Report
	// Accept are what was accepted of the report.
	AcceptViolations, AcceptSelf bool
}

type clientChoice struct {
	ID, Name string
	In       bool
}

type placeChoice struct {
	Name string
	In   bool
}

// definitionTypes are the schemas there are words for.
var definitionTypes = []string{"string", "number", "integer", "boolean", "object", "array"}

func (k *desk) definition() error {
	query, err := k.query("key")
	if err != nil {
		return err
	}
	d := metadata.Definition{Write: metadata.ForOperators, Read: metadata.ForServices, Claim: metadata.ClaimOptional}
	if key := query.Get("key"); key != "" {
		if d, err = k.Metadata.Definition(k.Request().Context(), k.caller, k.org.Slug, key); err != nil {
			return err
		}
	}
	data, err := k.definitionForm(d)
	if err != nil {
		return err
	}
	return k.respond(http.StatusOK, "definition", "definitions", data)
}

// definitionForm is the form for a definition as it is.
func (k *desk) definitionForm(d metadata.Definition) (*definitionPage, error) {
	data := &definitionPage{
		Definition: d, New: d.Version == 0, AllClients: d.Clients == nil, AllPlaces: d.Places == nil,
		Version: strconv.FormatUint(d.Version, 10),
	}
	if d.MaxBytes > 0 {
		data.Max = strconv.Itoa(d.MaxBytes)
	}
	data.Type, data.Choices = simpleType(&d)
	clients, err := k.clientsOf(k.Request().Context())
	if err != nil {
		return nil, err
	}
	listed := map[string]bool{}
	for _, id := range d.Clients {
		listed[id] = true
	}
	for _, c := range clients {
		data.Clients = append(data.Clients, clientChoice{c.ID, c.Name, listed[c.ID]})
		delete(listed, c.ID)
	}
	for _, id := range d.Clients { // of another organisation, or gone
		if listed[id] {
			data.Clients = append(data.Clients, clientChoice{id, "", true})
		}
	}
	for _, place := range metadata.Places {
		in := false
		for _, p := range d.Places {
			in = in || p == place
		}
		data.Places = append(data.Places, placeChoice{place, in})
	}
	return data, nil
}

// simpleType is the type a schema amounts to: one of definitionTypes, "choice" with the choices, "" for any, or "schema".
func simpleType(d *metadata.Definition) (name, choices string) {
	if d.Schema == "" {
		return "", ""
	}
	for _, t := range definitionTypes {
		if d.Schema == `{"type":"`+t+`"}` {
			return t, ""
		}
	}
	if s := page.ShapeOf(d); s.Kind == page.KindChoice && d.Schema == choiceSchema(textsOf(s.Choices)) {
		return "choice", strings.Join(textsOf(s.Choices), "\n")
	}
	return "schema", ""
}

func textsOf(choices []page.Choice) []string {
	var texts []string
	for _, c := range choices {
		texts = append(texts, c.Text)
	}
	return texts
}

// choiceSchema is the schema of an enumeration of texts.
func choiceSchema(texts []string) string {
	var quoted []string
	for _, text := range texts {
		v, err := page.TextValue(text)
		if err != nil {
			continue // what came in a form is UTF-8
		}
		quoted = append(quoted, v.Raw())
	}
	return `{"enum":[` + strings.Join(quoted, ",") + `]}`
}

// readDefinition reads the form.
func (k *desk) readDefinition() (metadata.Definition, error) {
	f := k.form
	d := metadata.Definition{
		Key: f.Get("key"), Description: f.Get("description"), Owner: f.Get("owner"), Claim: metadata.ClaimRule(f.Get("claim")),
		ProfileClaim: f.Get("claim") == string(metadata.ClaimAlways) || k.checked("profile_claim"), Write: metadata.Audience(f.Get("write")),
		Read: metadata.Audience(f.Get("read")), Searchable: k.checked("searchable"), Sensitive: k.checked("sensitive"),
	}
	switch t := f.Get("type"); t {
	case "":
	case "schema":
		d.Schema = strings.TrimSpace(f.Get("schema"))
	case "choice":
		d.Schema = choiceSchema(listed(f.Get("choices")))
	default:
		d.Schema = `{"type":"` + t + `"}`
	}
	if d.Claim == metadata.ClaimNever {
		d.ProfileClaim = false
	}
	if text := strings.TrimSpace(f.Get("max_bytes")); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			return d, &metadata.Error{Code: metadata.Invalid, Field: "max_bytes", Detail: "a number of bytes"}
		}
		d.MaxBytes = n
	}
	if !k.checked("all_clients") {
		d.Clients = k.ticked("client.")
	}
	if !k.checked("all_places") {
		d.Places = k.ticked("place.")
	}
	if text := strings.TrimSpace(f.Get("default")); text != "" {
		v, err := valueTyped(text, &d)
		if err != nil {
			d.Default = text
			return d, &metadata.Error{Code: metadata.Invalid, Field: "default", Detail: problem.Of(err).Detail}
		}
		d.Default = v.Raw()
	}
	return d, nil
}

// ticked are the names of the boxes that are ticked, of those that begin alike.
func (k *desk) ticked(prefix string) []string {
	names := []string{}
	for _, name := range slices.Sorted(maps.Keys(k.form)) {
		if rest, found := strings.CutPrefix(name, prefix); found && k.checked(name) {
			names = append(names, rest)
		}
	}
	return names
}

// saveDefinition checks a definition, and applies it once its report was seen.
func (k *desk) saveDefinition() error {
	ctx := k.Request().Context()
	d, err := k.readDefinition()
	version, versionErr := strconv.ParseUint(k.form.Get("version"), 10, 64)
	if versionErr != nil {
		return problem.New(problem.InvalidRequest, "the form lacks its version")
	}
	d.Version = version
	accept := metadata.Accept{Violations: k.checked("accept_violations"), SelfWrite: k.checked("accept_self_write")}
	var report metadata.Report
	apply := k.form.Get("do") == "apply"
	switch {
	case err != nil:
	case apply:
		_, report, err = k.Metadata.Define(ctx, k.caller, k.org.Slug, d, &version, accept)
	default:
		report, err = k.Metadata.CheckDefinition(ctx, k.caller, k.org.Slug, d, metadata.Page{Limit: pageSize})
	}
	if apply && err == nil {
		return k.done(k.here("definition"), "definition")
	}
	data, formErr := k.definitionForm(d)
	if formErr != nil {
		return formErr
	}
	data.Max, data.AcceptViolations, data.AcceptSelf = k.form.Get("max_bytes"), accept.Violations, accept.SelfWrite
	if data.Type, data.Choices = k.form.Get("type"), k.form.Get("choices"); data.Type == "schema" {
		data.Schema = k.form.Get("schema")
	}
	if text := k.form.Get("default"); err != nil && text != "" {
		data.Default = text
	}
	if err == nil || report.Documents > 0 {
		data.Report = &report
	}
	var refused *metadata.Error
	switch {
	case err == nil:
		return k.respond(http.StatusOK, "definition", "definitions", data)
	case errors.As(err, &refused) && refused.Code == metadata.Conflict && data.Report != nil:
		v := k.view("definitions")
		v.Fault, v.Data = k.text("definition.conflict"), data
		return k.show(page.FaultStatus(k, err), "definition", v)
	}
	return k.refuse(err, "definition", "definitions", data)
}

func (k *desk) deleteDefinition() error {
	version, err := k.version()
	if err != nil {
		return err
	}
	key := k.form.Get("key")
	if err := k.Metadata.Undefine(k.Request().Context(), k.caller, k.org.Slug, key, version); err != nil {
		d, getErr := k.Metadata.Definition(k.Request().Context(), k.caller, k.org.Slug, key)
		if getErr != nil || k.fault(err) == "" {
			return err
		}
		data, formErr := k.definitionForm(d)
		if formErr != nil {
			return formErr
		}
		return k.refuse(err, "definition", "definitions", data)
	}
	return k.done(k.here("definition"), "definition_deleted")
}

// Kinds are the types the form offers.
func (*definitionPage) Kinds() []string {
	return append(append([]string{""}, definitionTypes...), "choice", "schema")
}

// Accepts reports whether the report has something that must be accepted first.
func (p *definitionPage) Accepts() bool {
	return p.Report != nil && (p.Report.Violations > 0 || p.Report.SelfWrite > 0)
}
