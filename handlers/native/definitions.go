package native

import (
	"context"
	"math"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/handlers/problem"
	"github.com/claimsmith/claimsmith/handlers/request"
	"github.com/claimsmith/claimsmith/metadata"
)

// definitionBody is a definition as it is shown.
type definitionBody struct {
	Key          string         `json:"key"`
	Description  string         `json:"description,omitempty"`
	Owner        string         `json:"owner,omitempty"`
	Type         string         `json:"type,omitempty"`
	Schema       jsontext.Value `json:"schema,omitzero"`
	MaxBytes     int            `json:"max_bytes"`
	Claim        string         `json:"claim"`
	ProfileClaim bool           `json:"profile_claim"`
	Write        string         `json:"write"`
	Read         string         `json:"read"`
	Clients      *[]string      `json:"clients"`
	Places       *[]string      `json:"places"`
	Default      jsontext.Value `json:"default,omitzero"`
	Searchable   bool           `json:"searchable"`
	Indexed      bool           `json:"indexed"`
	Sensitive    bool           `json:"sensitive"`
	CreatedAt    time.Time      `json:"created_at"`
	UpdatedAt    time.Time      `json:"updated_at"`
	UpdatedBy    string         `json:"updated_by"`
}

// newDefinitionBody is a definition as it is written: all of it.
type newDefinitionBody struct {
	Description  string         `json:"description"`
	Owner        string         `json:"owner"`
	Type         string         `json:"type"`
	Schema       jsontext.Value `json:"schema"`
	MaxBytes     int            `json:"max_bytes"`
	Claim        string         `json:"claim"`
	ProfileClaim bool           `json:"profile_claim"`
	Write        string         `json:"write"`
	Read         string         `json:"read"`
	Clients      *[]string      `json:"clients"`
	Places       *[]string      `json:"places"`
	Default      jsontext.Value `json:"default"`
	Searchable   bool           `json:"searchable"`
	Sensitive    bool           `json:"sensitive"`
}

// typeOnly is a schema that is no more than a type.
type typeOnly struct {
	Type string `json:"type"`
}

func viewDefinition(d *metadata.Definition) definitionBody {
	body := definitionBody{
		Key: d.Key, Description: d.Description, Owner: d.Owner, MaxBytes: d.MaxBytes, Claim: or(d.Claim, metadata.ClaimOptional),
		ProfileClaim: d.ProfileClaim, Write: or(d.Write, metadata.ForOperators), Read: or(d.Read, metadata.ForServices),
		Clients: listOrAll(d.Clients), Places: listOrAll(d.Places), Searchable: d.Searchable, Indexed: d.Indexed, Sensitive: d.Sensitive,
		CreatedAt: d.CreatedAt, UpdatedAt: d.UpdatedAt, UpdatedBy: d.UpdatedBy,
	}
	if d.Default != "" {
		body.Default = jsontext.Value(d.Default)
	}
	if body.MaxBytes == 0 {
		body.MaxBytes = metadata.MaxValueBytes
	}
	if d.Schema != "" {
		var short typeOnly
		if err := json.Unmarshal([]byte(d.Schema), &short, json.RejectUnknownMembers(true)); err == nil && short.Type != "" {
			body.Type = short.Type
		} else {
			body.Schema = jsontext.Value(d.Schema)
		}
	}
	return body
}

// or spells out what an empty text stands for.
func or[T ~string](value, unsaid T) string {
	if value == "" {
		return string(unsaid)
	}
	return string(value)
}

// listOrAll is a list of which none stands for everything.
func listOrAll(list []string) *[]string {
	if list == nil {
		return nil
	}
	return &list
}

func (b *newDefinitionBody) definition(key string) (metadata.Definition, error) {
	d := metadata.Definition{
		Key: key, Description: b.Description, Owner: b.Owner, Schema: string(b.Schema), MaxBytes: b.MaxBytes,
		Claim: metadata.ClaimRule(b.Claim), ProfileClaim: b.ProfileClaim, Write: metadata.Audience(b.Write),
		Read: metadata.Audience(b.Read), Default: string(b.Default), Searchable: b.Searchable, Sensitive: b.Sensitive,
	}
	if b.Clients != nil {
		d.Clients = names(*b.Clients)
	}
	if b.Places != nil {
		d.Places = names(*b.Places)
	}
	if b.Type == "" {
		return d, nil
	}
	if b.Schema != nil {
		return d, &metadata.Error{Code: metadata.Invalid, Field: "type", Detail: "type stands for a schema of that type: send one of the two"}
	}
	schema, err := json.Marshal(typeOnly{b.Type})
	d.Schema = string(schema)
	return d, err
}

type violationBody struct {
	User   string `json:"user,omitempty"`
	App    string `json:"app,omitempty"`
	Group  string `json:"group,omitempty"`
	Key    string `json:"key"`
	Reason string `json:"reason"`
}

type reportBody struct {
	Documents  int             `json:"documents"`
	Entries    int             `json:"entries"`
	Violations int             `json:"violations"`
	SelfWrite  int             `json:"self_write"`
	Gaining    int             `json:"gaining"`
	Losing     int             `json:"losing"`
	Changing   int             `json:"changing"`
	OverBudget int             `json:"over_budget"`
	Listed     []violationBody `json:"listed"`
	Next       string          `json:"next"`
}

func viewReport(r *metadata.Report, next string) reportBody {
	return reportBody{
		Documents: r.Documents, Entries: r.Entries, Violations: r.Violations, SelfWrite: r.SelfWrite, Gaining: r.Gaining,
		Losing: r.Losing, Changing: r.Changing, OverBudget: r.OverBudget, Next: next,
		Listed: each(r.Listed, func(v *metadata.Violation) violationBody {
			return violationBody{User: v.Owner.User, App: v.Owner.App, Group: v.Owner.Group, Key: v.Key, Reason: v.Reason}
		}),
	}
}

func (d *Dialect) listDefinitions(c echo.Context, caller *auth.Caller) error {
	return list(c, d, caller, "definitions",
		func(ctx context.Context, org string, p auth.Page) ([]metadata.Definition, string, error) {
			return d.Metadata.Definitions(ctx, caller, org, metadata.Page(p))
		}, viewDefinition)
}

func keyOfOrg(c echo.Context) (org_, key string, err error) {
	if org_, err = org(c); err != nil {
		return "", "", err
	}
	key, err = request.PathValue(c, "key")
	return org_, key, err
}

func (d *Dialect) getDefinition(c echo.Context, caller *auth.Caller) error {
	org, key, err := keyOfOrg(c)
	if err != nil {
		return err
	}
	definition, err := d.Metadata.Definition(c.Request().Context(), caller, org, key)
	if err != nil {
		return err
	}
	return show(c, definition.Version, viewDefinition(&definition))
}

// never is a version that nothing has.
const never = math.MaxUint64

// wantedDefinition reads the version a definition must have to be written: nil for any, 0 for none. exists tells whether If-Match is *,
// which wants only that there is one.
func wantedDefinition(c echo.Context) (want *uint64, exists bool, err error) {
	match, err := request.IfMatch(c.Request())
	if err != nil {
		return nil, false, err
	}
	noneMatch, err := request.IfNoneMatch(c.Request())
	if err != nil {
		return nil, false, err
	}
	wanted := uint64(never)
	switch {
	case noneMatch != nil && !noneMatch.Any:
		return nil, false, &request.Error{Code: request.Malformed, Field: "If-None-Match", Detail: "can only be * here"}
	case noneMatch != nil && match == nil:
		wanted = 0
	case match == nil:
		return nil, false, nil
	case match.Any && noneMatch == nil:
		return nil, true, nil
	case len(match.Revisions) == 1 && match.Revisions[0] > 0 && noneMatch == nil:
		wanted = match.Revisions[0]
	}
	return &wanted, false, nil
}

// accepted reads which findings do not keep a definition from being written.
func accepted(list string) (metadata.Accept, error) {
	var accept metadata.Accept
	for name := range strings.SplitSeq(list, ",") {
		switch name {
		case "":
		case "violations":
			accept.Violations = true
		case "self_write":
			accept.SelfWrite = true
		default:
			return accept, &request.Error{Code: request.Malformed, Field: "accept", Detail: "a list of violations and self_write, with commas"}
		}
	}
	return accept, nil
}

func (d *Dialect) putDefinition(c echo.Context, caller *auth.Caller) error {
	key, err := request.PathValue(c, "key")
	if err != nil {
		return err
	}
	query, err := request.Query(c.Request(), "org", "accept")
	if err != nil {
		return err
	}
	accept, err := accepted(query.Get("accept"))
	if err != nil {
		return err
	}
	want, exists, err := wantedDefinition(c)
	if err != nil {
		return err
	}
	body, err := request.DecodeJSON[newDefinitionBody](c.Request(), maxBody)
	if err != nil {
		return err
	}
	definition, err := body.definition(key)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	if exists {
		present, err := d.Metadata.Definition(ctx, caller, query.Get("org"), key)
		if err != nil {
			return err
		}
		want = &present.Version
	}
	definition, report, err := d.Metadata.Define(ctx, caller, query.Get("org"), definition, want, accept)
	if err != nil {
		return withReport(err, &report)
	}
	status := http.StatusOK
	if report.Created {
		status = http.StatusCreated
		location(c, "metadata-key", url.PathEscape(key))
	}
	return respond(c, status, definition.Version, viewDefinition(&definition))
}

// withReport adds to a refusal what the refused definition would have done.
func withReport(err error, r *metadata.Report) error {
	if r.Violations == 0 && r.SelfWrite == 0 && r.OverBudget == 0 {
		return err
	}
	p := problem.Of(err)
	if p.Code == problem.Conflict {
		p.Code = problem.DefinitionConflict
	}
	report, encodingErr := json.Marshal(viewReport(r, ""))
	if encodingErr != nil {
		return encodingErr
	}
	p.Report = report
	return p
}

func (d *Dialect) checkDefinition(c echo.Context, caller *auth.Caller) error {
	key, err := request.PathValue(c, "key")
	if err != nil {
		return err
	}
	query, err := request.Query(c.Request(), "org", "limit", "cursor")
	if err != nil {
		return err
	}
	body, err := request.DecodeJSON[newDefinitionBody](c.Request(), maxBody)
	if err != nil {
		return err
	}
	definition, err := body.definition(key)
	if err != nil {
		return err
	}
	asked, err := json.Marshal(body, json.Deterministic(true))
	if err != nil {
		return err
	}
	page, err := d.paging(c, caller, query, string(asked))
	if err != nil {
		return err
	}
	report, err := d.Metadata.CheckDefinition(c.Request().Context(), caller, query.Get("org"), definition, metadata.Page(page.Page))
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, 0, viewReport(&report, page.next(report.Next)))
}

func (d *Dialect) deleteDefinition(c echo.Context, caller *auth.Caller) error {
	org, key, err := keyOfOrg(c)
	if err != nil {
		return err
	}
	want, err := version(c)
	if err != nil {
		return err
	}
	if err := d.Metadata.Undefine(c.Request().Context(), caller, org, key, want); err != nil {
		return err
	}
	return noContent(c)
}
