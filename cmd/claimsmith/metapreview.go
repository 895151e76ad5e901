package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/claimsmith/claimsmith/config"
)

func runMetaPreview(ctx context.Context, c *config.MetaPreview, stdin io.Reader, stdout io.Writer) error {
	var set []any
	for _, given := range []struct {
		pairs  []string
		isJSON bool
	}{{c.Set, false}, {c.SetJSON, true}} {
		for _, pair := range given.pairs {
			key, text, _ := strings.Cut(pair, "=")
			value, err := valueOf(text, given.isJSON, stdin)
			if err != nil {
				return fmt.Errorf("%s: %w", key, err)
			}
			entry := map[string]any{"key": key, "value": value}
			if c.Claim {
				entry["profileClaim"] = true
			}
			set = append(set, entry)
		}
	}
	o, path := newOperator(c.API), userPath(c.User)+"/claims"
	if len(set)+len(c.Unset) > 0 {
		body := map[string]any{}
		for name, value := range map[string]string{"client_id": c.Client, "scope": c.Scope} {
			if value != "" {
				body[name] = value
			}
		}
		if set != nil {
			body["set"] = set
		}
		if c.Unset != nil {
			body["delete"] = c.Unset
		}
		a, err := o.send(ctx, http.MethodPost, path, nil, "", body)
		if err != nil {
			return err
		}
		return printPreview(stdout, c.Output, a.body)
	}
	query := url.Values{}
	for name, value := range map[string]string{"client": c.Client, "scope": c.Scope} {
		if value != "" {
			query.Set(name, value)
		}
	}
	if !c.At.IsZero() {
		query.Set("at", c.At.Format(time.RFC3339Nano))
	}
	if c.Revision > 0 {
		query.Set("revision", strconv.FormatUint(c.Revision, 10))
	}
	for name, revision := range map[string]*uint64{"app_revision": c.AppRev, "org_revision": c.OrgRev} {
		if revision != nil {
			query.Set(name, strconv.FormatUint(*revision, 10))
		}
	}
	a, err := o.send(ctx, http.MethodGet, path, query, "", nil)
	if err != nil {
		return err
	}
	return printPreview(stdout, c.Output, a.body)
}

// previewChange shows what a change of a user's metadata would do to his tokens.
func previewChange(ctx context.Context, o *operator, s config.Subject, change map[string]any, stdout io.Writer) error {
	if strings.HasPrefix(s.Of, "group:") || strings.HasPrefix(s.Of, "org:") {
		return errors.New("--dry-run is for a user's own entries: what tokens say of shared ones differs from user to user")
	}
	if s.App != "" {
		change["app"], change["client_id"] = true, s.App
	}
	a, err := o.send(ctx, http.MethodPost, userPath(strings.TrimPrefix(s.Of, "user:"))+"/claims", nil, "", change)
	if err != nil {
		return err
	}
	return printPreview(stdout, o.api.Output, a.body)
}

// previewAnswer is what people want to know of a preview.
type previewAnswer struct {
	Tokens map[string]*struct {
		Claims jsontext.Value `json:"claims"`
		Bytes  int            `json:"bytes"`
		Size   int            `json:"size"`
	} `json:"tokens"`
	Before map[string]*struct {
		Bytes int `json:"bytes"`
	} `json:"before"`
	Budget map[string]*struct {
		After int `json:"after"`
		Limit int `json:"limit"`
		Left  int `json:"left"`
	} `json:"budget"`
	Diff []struct {
		Claim  string         `json:"claim"`
		Tokens []string       `json:"tokens"`
		Before jsontext.Value `json:"before"`
		After  jsontext.Value `json:"after"`
	} `json:"diff"`
	Entries []struct {
		Key      string            `json:"key"`
		Source   string            `json:"source"`
		Group    string            `json:"group"`
		Value    jsontext.Value    `json:"value"`
		HiddenBy string            `json:"hidden_by"`
		Shown    []string          `json:"shown"`
		Reasons  map[string]string `json:"reasons"`
	} `json:"entries"`
}

// tokenKinds in the order people know them in.
var tokenKinds = []string{"access_token", "id_token", "userinfo", "introspection"}

func printPreview(w io.Writer, output string, text jsontext.Value) error {
	if output != tableOutput {
		return printValue(w, output, text)
	}
	var p previewAnswer
	if err := json.Unmarshal(text, &p); err != nil {
		return fmt.Errorf("%w: %w", errNoClaimsmith, err)
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ENTRY\tFROM\tVALUE\tIN\tNOT IN")
	for _, e := range p.Entries {
		from := e.Source
		if e.Group != "" {
			from += " " + e.Group
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", cell(e.Key), cell(from), cell(string(e.Value)), orDash(oneLine(strings.Join(e.Shown, " "))),
			orDash(oneLine(absence(e.HiddenBy, e.Reasons))))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, d := range p.Diff {
		fmt.Fprintf(w, "\n%s in %s: %s -> %s", cell(d.Claim), oneLine(strings.Join(d.Tokens, ", ")), orNothing(d.Before), orNothing(d.After))
	}
	if len(p.Diff) > 0 {
		fmt.Fprintln(w)
	}
	fmt.Fprintln(w)
	table = tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "TOKEN\tCLAIMS\tENCODED\tSAYS")
	for _, kind := range tokenKinds {
		if t := p.Tokens[kind]; t != nil && t.Claims != nil {
			fmt.Fprintf(table, "%s\t%d bytes\t%d\t%s\n", kind, t.Bytes, t.Size, oneLine(string(t.Claims)))
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, name := range []string{"own", "application", "inherited"} {
		if b := p.Budget[name]; b != nil {
			fmt.Fprintf(w, "\nBudget %s: %d of %d bytes, %d left", name, b.After, b.Limit, b.Left)
		}
	}
	_, err := fmt.Fprintln(w)
	return err
}

func orNothing(v jsontext.Value) string {
	if v == nil {
		return "nothing"
	}
	return cell(string(v))
}

// absence is why an entry is not somewhere, each reason once.
func absence(hiddenBy string, reasons map[string]string) string {
	if hiddenBy != "" {
		return "hidden by the entry of the " + hiddenBy
	}
	var said []string
	for _, kind := range tokenKinds {
		if reason := reasons[kind]; reason != "" {
			said = append(said, kind+": "+reason)
		}
	}
	if len(said) == len(tokenKinds) && allSame(reasons) {
		return reasons[tokenKinds[0]]
	}
	return strings.Join(said, "; ")
}

func allSame(reasons map[string]string) bool {
	for _, reason := range reasons {
		if reason != reasons[tokenKinds[0]] {
			return false
		}
	}
	return true
}
