package main

import (
	"context"
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

// subjectPath is the address of whose metadata is meant, without what of it.
func subjectPath(s config.Subject) (string, url.Values) {
	query := url.Values{}
	if s.App != "" {
		query.Set("app", s.App)
	}
	kind, name, named := strings.Cut(s.Of, ":")
	switch {
	case named && kind == "group":
		return "/api/group/" + url.PathEscape(name), query
	case named && kind == "org":
		return "/api/org/" + url.PathEscape(name), query
	case named && kind == "user":
		return userPath(name), query
	}
	return userPath(s.Of), query
}

func userPath(name string) string { return "/api/user/" + url.PathEscape(name) }

func runMetaGet(ctx context.Context, c *config.MetaGet, stdout io.Writer) error {
	path, query := subjectPath(c.Subject)
	a, err := newOperator(c.API).send(ctx, http.MethodGet, path+"/metadata/"+url.PathEscape(c.Key), query, "", nil)
	if err != nil {
		return err
	}
	return printObject(stdout, c.Output, a.body)
}

func runMetaList(ctx context.Context, c *config.MetaList, stdout io.Writer) error {
	path, query := subjectPath(c.Subject)
	a, err := newOperator(c.API).send(ctx, http.MethodGet, path+"/metadata", query, "", nil)
	if err != nil {
		return err
	}
	return printEntries(stdout, c.Output, a.body)
}

var entryColumns = []column{{"KEY", "key"}, {"CLAIM", "profileClaim"}, {"VALUE", "value"}}

func printEntries(w io.Writer, output string, text jsontext.Value) error {
	if output != tableOutput {
		return printValue(w, output, text)
	}
	items, _, err := pageOf(text, "metadata")
	if err != nil {
		return err
	}
	return printTable(w, items, entryColumns...)
}

func runMetaSet(ctx context.Context, c *config.MetaSet, stdin io.Reader, stdout io.Writer) error {
	value, err := valueOf(c.Value, c.JSON, stdin)
	if err != nil {
		return err
	}
	body := map[string]any{"value": value}
	say(body, "profileClaim", c.Claim)
	path, query := subjectPath(c.Subject)
	o := newOperator(c.API)
	if c.DryRun {
		body["key"] = c.Key
		return previewChange(ctx, o, c.Subject, map[string]any{"set": []any{body}}, stdout)
	}
	r, err := o.request(ctx, http.MethodPut, path+"/metadata/"+url.PathEscape(c.Key), query, body)
	if err != nil {
		return err
	}
	switch c.IfMatch {
	case "":
	case "none":
		r.Header.Set("If-None-Match", "*")
	default:
		r.Header.Set("If-Match", strconv.Quote(c.IfMatch))
	}
	a, err := o.do(r)
	if err != nil {
		return err
	}
	return printObject(stdout, c.Output, a.body)
}

// valueOf makes an argument a JSON value.
func valueOf(text string, isJSON bool, stdin io.Reader) (jsontext.Value, error) {
	if text == "-" {
		all, err := io.ReadAll(io.LimitReader(stdin, maxAnswer))
		if err != nil {
			return nil, fmt.Errorf("reading the value: %w", err)
		}
		text = string(all)
	}
	if !isJSON {
		return jsontext.AppendQuote(nil, text)
	}
	value := jsontext.Value(text)
	if !value.IsValid() {
		return nil, fmt.Errorf("the value is no JSON: %s; without --json it would be text", cell(text))
	}
	return value, nil
}

func runMetaUnset(ctx context.Context, c *config.MetaUnset, stdout io.Writer) error {
	path, query := subjectPath(c.Subject)
	a, err := newOperator(c.API).send(ctx, http.MethodPatch, path+"/metadata", query, "", map[string]any{"delete": c.Keys})
	if err != nil {
		return err
	}
	return printEntries(stdout, c.Output, a.body)
}

// pastChange is one revision, as the API shows it.
type pastChange struct {
	Revision uint64    `json:"revision"`
	At       time.Time `json:"at"`
	By       string    `json:"by"`
	Via      string    `json:"via"`
	Changes  []struct {
		Key    string      `json:"key"`
		Before *shownValue `json:"before"`
		After  *shownValue `json:"after"`
	} `json:"changes"`
	Joined []string `json:"joined"`
	Left   []string `json:"left"`
}

type shownValue struct {
	Value        jsontext.Value `json:"value"`
	Hash         string         `json:"hash"`
	ProfileClaim bool           `json:"profileClaim"`
}

func (v *shownValue) String() string {
	if v == nil {
		return "-"
	}
	text := v.Hash
	if text == "" {
		text = string(v.Value)
	}
	if v.ProfileClaim {
		text += " (claim)"
	}
	return cell(text)
}

func runMetaHistory(ctx context.Context, c *config.MetaHistory, stdout io.Writer) error {
	path, query := subjectPath(c.Subject)
	if c.Key != "" {
		query.Set("key", c.Key)
	}
	items, err := newOperator(c.API).all(ctx, path+"/history", "history", query, c.Limit)
	if err != nil {
		return err
	}
	if c.Output != tableOutput {
		return printList(stdout, c.Output, "history", items)
	}
	table := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "REVISION\tWHEN\tWHO\tVIA\tKEY\tBEFORE\tAFTER")
	for _, text := range items {
		var p pastChange
		if err := json.Unmarshal(text, &p); err != nil {
			return fmt.Errorf("%w: %w", errNoClaimsmith, err)
		}
		fact := fmt.Sprintf("%d\t%s\t%s\t%s", p.Revision, p.At.Format(time.RFC3339), cell(p.By), cell(p.Via))
		for _, change := range p.Changes {
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", fact, cell(change.Key), change.Before, change.After)
			fact = "\t\t\t"
		}
		for _, group := range p.Joined {
			fmt.Fprintf(table, "%s\tgroup %s\t-\tmember\n", fact, cell(group))
			fact = "\t\t\t"
		}
		for _, group := range p.Left {
			fmt.Fprintf(table, "%s\tgroup %s\tmember\t-\n", fact, cell(group))
			fact = "\t\t\t"
		}
	}
	return table.Flush()
}

func runMetaRollback(ctx context.Context, c *config.MetaRollback, stdin io.Reader, stdout, stderr io.Writer) error {
	path, query := subjectPath(c.Subject)
	o, etag := newOperator(c.API), ""
	if !c.Yes {
		a, err := o.send(ctx, http.MethodGet, path+"/metadata", query, "", nil)
		if err != nil {
			return err
		}
		what := "all entries of " + c.Of
		if c.Key != "" {
			what = c.Key + " of " + c.Of
		}
		if err := confirm(stdin, stderr, fmt.Sprintf("Make %s what it was at revision %d? It is at %s now.", what, c.Revision, a.etag)); err != nil {
			return err
		}
		etag = a.etag
	}
	body := map[string]any{"revision": c.Revision}
	if c.Key != "" {
		body["key"] = c.Key
	}
	a, err := o.send(ctx, http.MethodPost, path+"/rollback", query, etag, body)
	if err != nil {
		return err
	}
	return printEntries(stdout, c.Output, a.body)
}
