package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/claimsmith/claimsmith/config"
)

func definitionPath(key string) string { return "/api/metadata-key/" + url.PathEscape(key) }

func runDefinitionsList(ctx context.Context, c *config.DefinitionsList, stdout io.Writer) error {
	items, err := newOperator(c.API).all(ctx, "/api/metadata-key", "definitions", nil, 0)
	if err != nil {
		return err
	}
	if c.Output != tableOutput {
		return printList(stdout, c.Output, "definitions", items)
	}
	return printTable(stdout, items, column{"KEY", "key"}, column{"TYPE", "type"}, column{"CLAIM", "claim"}, column{"WRITE", "write"},
		column{"READ", "read"}, column{"SEARCHABLE", "searchable"}, column{"OWNER", "owner"}, column{"DESCRIPTION", "description"})
}

func runDefinitionsShow(ctx context.Context, c *config.DefinitionsShow, stdout io.Writer) error {
	a, err := newOperator(c.API).send(ctx, http.MethodGet, definitionPath(c.Key.Key), nil, "", nil)
	if err != nil {
		return err
	}
	return printObject(stdout, c.Output, a.body)
}

// ofTheServer are the members of a definition that only the server writes, so that what it shows can be given back to it.
var ofTheServer = []string{"key", "indexed", "created_at", "updated_at", "updated_by"}

// definitionBody is the definition a file and flags describe.
func definitionBody(d *config.Definition, stdin io.Reader) (map[string]any, error) {
	body := map[string]any{}
	if d.File != "" {
		text, err := fileOrInput(d.File, stdin)
		if err != nil {
			return nil, fmt.Errorf("--file: %w", err)
		}
		var members map[string]jsontext.Value
		if err := json.Unmarshal(text, &members); err != nil {
			return nil, fmt.Errorf("--file: %s is no JSON object: %w", d.File, err)
		}
		for name, value := range members {
			if !slices.Contains(ofTheServer, name) {
				body[name] = value
			}
		}
	}
	say(body, "description", d.Description)
	say(body, "owner", d.Owner)
	say(body, "max_bytes", d.MaxBytes)
	say(body, "claim", d.Claim)
	say(body, "profile_claim", d.ProfileClaim)
	say(body, "write", d.Write)
	say(body, "read", d.Read)
	say(body, "searchable", d.Searchable)
	say(body, "sensitive", d.Sensitive)
	if d.Type != nil {
		delete(body, "schema")
		body["type"] = *d.Type
	}
	if d.Schema != "" {
		text, err := fileOrInput(d.Schema, stdin)
		if err != nil {
			return nil, fmt.Errorf("--schema: %w", err)
		}
		schema := jsontext.Value(text)
		if !schema.IsValid() {
			return nil, fmt.Errorf("--schema: %s is no JSON", d.Schema)
		}
		delete(body, "type")
		body["schema"] = schema
	}
	if d.Default != nil {
		value := jsontext.Value(*d.Default)
		if !value.IsValid() {
			return nil, errors.New("--default: is no JSON; a text has quotation marks, '\"like this\"'")
		}
		body["default"] = value
	}
	for name, list := range map[string][]string{"clients": d.Clients, "places": d.Places} {
		switch {
		case list == nil:
		case slices.Equal(list, []string{"*"}):
			delete(body, name)
		default:
			body[name] = list
		}
	}
	return body, nil
}

func fileOrInput(name string, stdin io.Reader) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(io.LimitReader(stdin, maxAnswer))
	}
	return os.ReadFile(name)
}

func runDefinitionsCheck(ctx context.Context, c *config.DefinitionsCheck, stdin io.Reader, stdout io.Writer) error {
	body, err := definitionBody(&c.Definition, stdin)
	if err != nil {
		return err
	}
	a, err := newOperator(c.API).send(ctx, http.MethodPost, definitionPath(c.Key.Key)+"/check", nil, "", body)
	if err != nil {
		return err
	}
	if c.Output != tableOutput {
		return printValue(stdout, c.Output, a.body)
	}
	listed, _, err := pageOf(a.body, "listed")
	if err != nil {
		return err
	}
	members, err := membersOf(a.body)
	if err != nil {
		return fmt.Errorf("%w: %w", errNoClaimsmith, err)
	}
	for _, m := range members {
		if m.name != "listed" && m.name != "next" {
			fmt.Fprintf(stdout, "%-12s %s\n", m.name, m.text())
		}
	}
	if len(listed) == 0 {
		return nil
	}
	fmt.Fprintln(stdout)
	return printTable(stdout, listed, column{"USER", "user"}, column{"APP", "app"}, column{"GROUP", "group"}, column{"REASON", "reason"})
}

func runDefinitionsPut(ctx context.Context, c *config.DefinitionsPut, stdin io.Reader, stdout io.Writer) error {
	body, err := definitionBody(&c.Definition, stdin)
	if err != nil {
		return err
	}
	query := url.Values{}
	if c.Accept != nil {
		query.Set("accept", strings.Join(c.Accept, ","))
	}
	a, err := newOperator(c.API).send(ctx, http.MethodPut, definitionPath(c.Key.Key), query, "", body)
	if err != nil {
		return err
	}
	return printObject(stdout, c.Output, a.body)
}

func runDefinitionsDelete(ctx context.Context, c *config.DefinitionsDelete, stdin io.Reader, stdout, stderr io.Writer) error {
	o, etag := newOperator(c.API), ""
	if !c.Yes {
		a, err := o.send(ctx, http.MethodGet, definitionPath(c.Key.Key), nil, "", nil)
		if err != nil {
			return err
		}
		question := fmt.Sprintf("Delete the definition of %s? Its entries stay, and its rules no longer hold for them.", cell(c.Key.Key))
		if err := confirm(stdin, stderr, question); err != nil {
			return err
		}
		etag = a.etag
	}
	if _, err := o.send(ctx, http.MethodDelete, definitionPath(c.Key.Key), nil, etag, nil); err != nil {
		return err
	}
	return printDone(stdout, c.Output, "The definition of %s is deleted.", cell(c.Key.Key))
}
