package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/claimsmith/claimsmith/config"
)

var userColumns = []column{
	{"USER", "id"}, {"USERNAME", "username"}, {"EMAIL", "email"}, {"DISABLED", "disabled"}, {"METADATA", "metadata"},
}

func runUsersList(ctx context.Context, c *config.UsersList, stdout io.Writer) error {
	o, where := newOperator(c.API), conditions(c)
	var items []jsontext.Value
	var err error
	if where == nil {
		query := url.Values{}
		if c.Metadata {
			query.Set("metadata", "true")
		}
		items, err = o.all(ctx, "/api/user", "users", query, c.Limit)
	} else {
		items, err = o.search(ctx, where, c.Metadata, c.Limit)
	}
	if err != nil {
		return err
	}
	if c.Output != tableOutput {
		return printList(stdout, c.Output, "users", items)
	}
	columns := userColumns
	if !c.Metadata {
		columns = columns[:len(columns)-1]
	}
	return printTable(stdout, items, columns...)
}

// conditions are what was asked for as the API's where, nil for nothing.
func conditions(c *config.UsersList) any {
	var all []any
	if c.Handle != "" {
		all = append(all, map[string]any{"handle": c.Handle})
	}
	if c.Group != "" {
		all = append(all, map[string]any{"group": c.Group})
	}
	for _, key := range c.Has {
		all = append(all, map[string]any{"key": key, "exists": true})
	}
	for _, key := range c.Without {
		all = append(all, map[string]any{"not": map[string]any{"key": key, "exists": true}})
	}
	for member, pairs := range map[string][]string{"equals": c.Equals, "prefix": c.Prefix} {
		for _, pair := range pairs {
			key, text, _ := strings.Cut(pair, "=")
			all = append(all, map[string]any{"key": key, member: text})
		}
	}
	if all == nil {
		return nil
	}
	return map[string]any{"all": all}
}

func (o *operator) search(ctx context.Context, where any, metadata bool, limit int) ([]jsontext.Value, error) {
	items, body := []jsontext.Value{}, map[string]any{"where": where, "limit": 200}
	if metadata {
		body["metadata"] = true
	}
	for {
		a, err := o.send(ctx, http.MethodPost, "/api/user/search", nil, "", body)
		if err != nil {
			return nil, err
		}
		page, next, err := pageOf(a.body, "users")
		if err != nil {
			return nil, err
		}
		if items = append(items, page...); next == "" || len(items) >= limit {
			return items[:min(len(items), limit)], nil
		}
		body["cursor"] = next
	}
}

func runUsersShow(ctx context.Context, c *config.UsersShow, stdout io.Writer) error {
	a, err := newOperator(c.API).send(ctx, http.MethodGet, userPath(c.Name), nil, "", nil)
	if err != nil {
		return err
	}
	return printObject(stdout, c.Output, a.body)
}

// personBody is what was said of a user, by the API's names.
func personBody(p *config.Person) map[string]any {
	body, profile := map[string]any{}, map[string]any{}
	say(body, "username", p.Username)
	say(body, "email", p.Email)
	say(body, "email_verified", p.EmailVerified)
	say(profile, "name", p.FullName)
	say(profile, "given_name", p.GivenName)
	say(profile, "family_name", p.FamilyName)
	say(profile, "locale", p.Locale)
	if len(profile) > 0 {
		body["profile"] = profile
	}
	return body
}

func runUsersCreate(ctx context.Context, c *config.UsersCreate, stdin io.Reader, stdout io.Writer) error {
	body := personBody(&c.Person)
	if c.ID != "" {
		body["id"] = c.ID
	}
	if c.Password {
		password, err := secretFrom(stdin, "the password")
		if err != nil {
			return err
		}
		body["password"], body["temporary"] = password, true
	}
	a, err := newOperator(c.API).send(ctx, http.MethodPost, "/api/user", nil, "", body)
	if err != nil {
		return err
	}
	return printObject(stdout, c.Output, a.body)
}

func runUsersUpdate(ctx context.Context, c *config.UsersUpdate, stdout io.Writer) error {
	body := personBody(&c.Person)
	say(body, "disabled", c.Disabled)
	a, err := newOperator(c.API).send(ctx, http.MethodPatch, userPath(c.Name), nil, "", body)
	if err != nil {
		return err
	}
	return printObject(stdout, c.Output, a.body)
}

func runUsersPassword(ctx context.Context, c *config.UsersPassword, stdin io.Reader, stdout io.Writer) error {
	password, err := secretFrom(stdin, "the password")
	if err != nil {
		return err
	}
	body := map[string]any{"password": password, "temporary": true}
	if _, err := newOperator(c.API).send(ctx, http.MethodPut, userPath(c.Name)+"/password", nil, "", body); err != nil {
		return err
	}
	return printDone(stdout, c.Output, "User %s has a new password, to be replaced at the next login.", c.Name)
}

var groupColumns = []column{{"GROUP", "slug"}, {"NAME", "name"}, {"ORDER", "order"}, {"ID", "id"}}

func runUsersGroups(ctx context.Context, c *config.UsersGroups, stdout io.Writer) error {
	o, path := newOperator(c.API), userPath(c.Name)+"/group"
	method, body := http.MethodGet, map[string]any(nil)
	if c.Set != nil {
		slugs := []string{}
		if *c.Set != "" {
			slugs = strings.Split(*c.Set, ",")
		}
		method, body = http.MethodPut, map[string]any{"groups": slugs}
	}
	a, err := o.send(ctx, method, path, nil, "", body)
	if err != nil {
		return err
	}
	if c.Output != tableOutput {
		return printValue(stdout, c.Output, a.body)
	}
	items, _, err := pageOf(a.body, "groups")
	if err != nil {
		return err
	}
	return printTable(stdout, items, groupColumns...)
}

func runUsersRole(ctx context.Context, c *config.UsersRole, stdout io.Writer) error {
	o, path := newOperator(c.API), userPath(c.Name)+"/role"
	switch c.Role {
	case "":
		a, err := o.send(ctx, http.MethodGet, path, nil, "", nil)
		if err != nil {
			return err
		}
		return printObject(stdout, c.Output, a.body)
	case "none":
		if _, err := o.send(ctx, http.MethodDelete, path, nil, "", nil); err != nil {
			return err
		}
	default:
		if _, err := o.send(ctx, http.MethodPut, path, nil, "", map[string]any{"role": c.Role}); err != nil {
			return err
		}
	}
	return printDone(stdout, c.Output, "User %s has the role %s.", c.Name, c.Role)
}

func runUsersSessions(ctx context.Context, c *config.UsersSessions, stdout io.Writer) error {
	o, path := newOperator(c.API), userPath(c.Name)+"/session"
	switch c.End {
	case "":
		a, err := o.send(ctx, http.MethodGet, path, nil, "", nil)
		if err != nil {
			return err
		}
		if c.Output != tableOutput {
			return printValue(stdout, c.Output, a.body)
		}
		items, _, err := pageOf(a.body, "sessions")
		if err != nil {
			return err
		}
		return printTable(stdout, items, column{"SESSION", "id"}, column{"SINCE", "created_at"}, column{"SEEN", "seen_at"},
			column{"ADDRESS", "address"}, column{"BROWSER", "agent"})
	case "all":
	default:
		path += "/" + url.PathEscape(c.End)
	}
	if _, err := o.send(ctx, http.MethodDelete, path, nil, "", nil); err != nil {
		return err
	}
	return printDone(stdout, c.Output, "Ended.")
}

func runUsersArchive(ctx context.Context, c *config.UsersArchive, stdout io.Writer) error {
	r, err := newOperator(c.API).request(ctx, http.MethodGet, userPath(c.Name)+"/export", nil, nil)
	if err != nil {
		return err
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
		return errors.Join(refusal(response, text), err)
	}
	const ownerOnly = 0o600
	file, err := os.OpenFile(c.File, os.O_WRONLY|os.O_CREATE|os.O_EXCL, ownerOnly)
	if err != nil {
		return err
	}
	n, err := io.Copy(file, response.Body)
	if err = errors.Join(err, file.Close()); err != nil {
		return errors.Join(err, os.Remove(c.File)) // half an archive is none
	}
	return printDone(stdout, c.Output, "%d bytes about user %s are in %s.", n, c.Name, c.File)
}

func runUsersDelete(ctx context.Context, c *config.UsersDelete, stdin io.Reader, stdout, stderr io.Writer) error {
	o, etag := newOperator(c.API), ""
	if !c.Yes {
		a, err := o.send(ctx, http.MethodGet, userPath(c.Name), nil, "", nil)
		if err != nil {
			return err
		}
		var found struct {
			ID       string `json:"id"`
			Username string `json:"username"`
			Email    string `json:"email"`
		}
		if err := json.Unmarshal(a.body, &found); err != nil {
			return fmt.Errorf("%w: %w", errNoClaimsmith, err)
		}
		question := fmt.Sprintf("Erase user %s (%s, %s) with everything that is his? It cannot be undone.", found.ID,
			cell(found.Username), cell(found.Email))
		if err := confirm(stdin, stderr, question); err != nil {
			return err
		}
		etag = a.etag
	}
	if _, err := o.send(ctx, http.MethodDelete, userPath(c.Name), nil, etag, nil); err != nil {
		return err
	}
	return printDone(stdout, c.Output, "User %s is erased.", c.Name)
}
