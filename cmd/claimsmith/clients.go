package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/claimsmith/claimsmith/config"
)

func runClientsCreate(ctx context.Context, c *config.ClientsCreate, stdout io.Writer) error {
	body, err := policyBody(&c.Policy)
	if err != nil {
		return err
	}
	if c.ID != "" {
		body["client_id"] = c.ID
	}
	if c.Preset != "" {
		body["preset"] = c.Preset
	}
	say(body, "public", c.Public)
	a, err := newOperator(c.API).send(ctx, http.MethodPost, "/api/client", nil, "", body)
	if err != nil {
		return err
	}
	return printClient(stdout, c.Output, a.body)
}

func runClientsList(ctx context.Context, c *config.ClientsList, stdout io.Writer) error {
	all, err := newOperator(c.API).all(ctx, "/api/client", "clients", nil, 0)
	if err != nil {
		return err
	}
	if c.Output == tableOutput {
		return printClients(stdout, all)
	}
	return printList(stdout, c.Output, "clients", all)
}

func runClientsShow(ctx context.Context, c *config.ClientsShow, stdout io.Writer) error {
	a, err := newOperator(c.API).send(ctx, http.MethodGet, clientPath(c.ID), nil, "", nil)
	if err != nil {
		return err
	}
	return printClient(stdout, c.Output, a.body)
}

func runClientsUpdate(ctx context.Context, c *config.ClientsUpdate, stdout io.Writer) error {
	body, err := policyBody(&c.Policy)
	if err != nil {
		return err
	}
	a, err := newOperator(c.API).send(ctx, http.MethodPatch, clientPath(c.ID), nil, "", body)
	if err != nil {
		return err
	}
	return printClient(stdout, c.Output, a.body)
}

// runClientsDelete shows what it is about to delete and asks, and then deletes that and nothing somebody has changed meanwhile.
func runClientsDelete(ctx context.Context, c *config.ClientsDelete, stdin io.Reader, stdout, stderr io.Writer) error {
	o, etag := newOperator(c.API), ""
	if !c.Yes {
		a, err := o.send(ctx, http.MethodGet, clientPath(c.ID), nil, "", nil)
		if err != nil {
			return err
		}
		var found clientRow
		if err := json.Unmarshal(a.body, &found); err != nil {
			return fmt.Errorf("%w: %w", errNoClaimsmith, err)
		}
		name := found.ID
		if found.Name != "" {
			name += " (" + found.Name + ")"
		}
		question := fmt.Sprintf("Delete client %s of organisation %s? What was issued to it ends.", name, found.Org)
		if err := confirm(stdin, stderr, question); err != nil {
			return err
		}
		etag = a.etag
	}
	if _, err := o.send(ctx, http.MethodDelete, clientPath(c.ID), nil, etag, nil); err != nil {
		return err
	}
	return printDone(stdout, c.Output, "Client %s is deleted.", c.ID)
}

func clientPath(id string) string { return "/api/client/" + url.PathEscape(id) }

// policyBody is what was said of a client, by the API's names.
func policyBody(p *config.ClientPolicy) (map[string]any, error) {
	body := map[string]any{}
	say(body, "name", p.Name)
	say(body, "description", p.Description)
	say(body, "listed", p.Listed)
	say(body, "self_registration", p.SelfRegistration)
	say(body, "type", p.Type)
	say(body, "first_party", p.FirstParty)
	say(body, "all_orgs", p.AllOrgs)
	say(body, "backchannel_logout_uri", p.BackchannelLogoutURI)
	say(body, "token_endpoint_auth_method", p.TokenEndpointAuth)
	say(body, "allow_token_endpoint_audience", p.AllowTokenEndpointAud)
	say(body, "require_pkce", p.RequirePKCE)
	say(body, "require_par", p.RequirePAR)
	say(body, "require_dpop", p.RequireDPoP)
	say(body, "require_consent", p.RequireConsent)
	say(body, "rotate_refresh_tokens", p.RotateRefreshTokens)
	say(body, "code_lifetime", p.CodeLifetime)
	say(body, "access_token_alg", p.AccessTokenAlg)
	say(body, "id_token_alg", p.IDTokenAlg)
	say(body, "disabled", p.Disabled)
	for name, values := range map[string][]string{
		"grant_types": p.GrantTypes, "scopes": p.Scopes, "audience": p.Audience, "redirect_uris": p.RedirectURIs,
		"post_logout_redirect_uris": p.PostLogoutRedirectURIs, "allowed_origins": p.AllowedOrigins,
		"exchange_audiences": p.ExchangeAudiences, "claims_in": p.ClaimsIn, "claim_keys": p.ClaimKeys,
	} {
		restricts := name == "claims_in" || name == "claim_keys"
		switch {
		case values == nil:
		case restricts && slices.Equal(values, []string{"*"}):
			body[name] = nil
		case slices.Equal(values, []string{""}): // a list given empty
			body[name] = []string{}
		default:
			body[name] = values
		}
	}
	if p.JWKS != "" {
		text, err := os.ReadFile(p.JWKS)
		if err != nil {
			return nil, fmt.Errorf("--jwks: %w", err)
		}
		keys := jsontext.Value(text)
		if !keys.IsValid() {
			return nil, fmt.Errorf("--jwks: %s is no JSON", p.JWKS)
		}
		body["jwks"] = keys
	}
	return body, nil
}

// say puts a value that was given into a body.
func say[T any](body map[string]any, name string, value *T) {
	if value != nil {
		body[name] = *value
	}
}

// clientRow is what people need to tell clients apart.
type clientRow struct {
	ID         string   `json:"client_id"`
	Number     uint64   `json:"number"`
	Org        string   `json:"org"`
	Name       string   `json:"name"`
	Public     bool     `json:"public"`
	GrantTypes []string `json:"grant_types"`
	Disabled   bool     `json:"disabled"`
	Warnings   []struct {
		Code string `json:"code"`
		Text string `json:"text"`
	} `json:"warnings"`
	Secret string `json:"client_secret"`
}

func printClients(w io.Writer, all []jsontext.Value) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NUMBER\tCLIENT\tNAME\tPUBLIC\tDISABLED\tGRANT TYPES\tWARNINGS")
	for _, text := range all {
		var c clientRow
		if err := json.Unmarshal(text, &c); err != nil {
			return fmt.Errorf("%w: %w", errNoClaimsmith, err)
		}
		var warnings []string
		for _, warning := range c.Warnings {
			warnings = append(warnings, warning.Code)
		}
		number := ""
		if c.Number > 0 {
			number = strconv.FormatUint(c.Number, 10)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", orDash(number), c.ID, orDash(c.Name), yesNo(c.Public), yesNo(c.Disabled),
			orDash(strings.Join(c.GrantTypes, " ")), orDash(strings.Join(warnings, " ")))
	}
	return table.Flush()
}

// printClient writes every member of a client by its name in the API, then what to look at.
func printClient(w io.Writer, output string, text jsontext.Value) error {
	if output != tableOutput {
		return printValue(w, output, text)
	}
	var c clientRow
	if err := json.Unmarshal(text, &c); err != nil {
		return fmt.Errorf("%w: %w", errNoClaimsmith, err)
	}
	members, err := membersOf(text)
	if err != nil {
		return fmt.Errorf("%w: %w", errNoClaimsmith, err)
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, m := range members {
		if m.name != "warnings" && m.name != "client_secret" {
			fmt.Fprintf(table, "%s\t%s\n", m.name, m.text())
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, warning := range c.Warnings {
		fmt.Fprintf(w, "\nWarning %s: %s\n", warning.Code, warning.Text)
	}
	if c.Secret != "" {
		fmt.Fprintf(w, "\nThe client's secret. It is shown this once:\n\n%s\n", c.Secret)
	}
	return nil
}
