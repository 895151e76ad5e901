package sentinel

import (
	"cmp"
	"errors"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/handlers/request"
)

// applicationBody is an application as everybody may know it.
type applicationBody struct {
	AppID       uint64   `json:"app_id"`
	App         string   `json:"app"`
	Description string   `json:"description"`
	Domains     []string `json:"domains"`
}

func viewApplication(client *auth.Client) applicationBody {
	body := applicationBody{
		AppID: client.Number, App: cmp.Or(client.Name, client.ID), Description: client.Description, Domains: []string{},
	}
	for _, origin := range client.AllowedOrigins {
		body.Domains = append(body.Domains, strings.TrimPrefix(origin, https))
	}
	return body
}

// https begins the web origins that Sentinel has only the domains of.
const https = "https://"

// applications lists those of the organisation of the key, or, without one, of the default organisation.
func (d *Dialect) applications(c echo.Context) error {
	org := auth.DefaultOrg
	if len(c.Request().Header.Values(apiKeyHeader)) > 0 {
		client, err := d.client(c)
		if err != nil {
			return err
		}
		org = client.Org
	}
	listed, err := d.Registry.Directory(c.Request().Context(), org)
	if err != nil {
		return err
	}
	all := make([]applicationBody, len(listed))
	for n, client := range listed {
		all[n] = viewApplication(client)
	}
	return respond(c, http.StatusOK, all)
}

type newApplication struct {
	App         string   `json:"app"`
	Description string   `json:"description"`
	Domains     []string `json:"domains"`
}

// registeredBody is an application with what it authenticates by, which is shown this once.
type registeredBody struct {
	applicationBody
	ClientID string `json:"client_id"`
	APIKey   string `json:"api_key"`
}

// registerApplication makes a client that logs its users in by password.
func (d *Dialect) registerApplication(c echo.Context, caller *auth.Caller) error {
	body, err := request.DecodeJSON[newApplication](c.Request(), maxBody)
	if err != nil {
		return err
	}
	if body.App == "" {
		return required("app")
	}
	origins := make([]string, len(body.Domains))
	for n, domain := range body.Domains {
		if origins[n] = domain; !strings.Contains(domain, "://") {
			origins[n] = https + domain
		}
	}
	yes, no := true, false
	grants := []string{auth.GrantPassword, auth.GrantRefreshToken}
	scopes := []string{auth.ScopeOpenID, "profile", "email"}
	client, secret, err := d.Clients.Create(c.Request().Context(), caller, "", auth.NewClient{
		Public: &no,
		ClientChange: auth.ClientChange{
			Name: &body.App, Description: &body.Description, Listed: &yes, FirstParty: &yes, GrantTypes: &grants, Scopes: &scopes,
			AllowedOrigins: &origins,
		},
	})
	if err != nil {
		return renamed(err)
	}
	return respond(c, http.StatusCreated, registeredBody{viewApplication(&client), client.ID, client.ID + "." + secret})
}

// renamed calls the member of a client at fault as the body did.
func renamed(err error) error {
	refused, ok := errors.AsType[*auth.Error](err)
	name := map[string]string{"name": "app", "allowed_origins": "domains"}
	if !ok || name[refused.Field] == "" {
		return err
	}
	e := *refused
	e.Field = name[e.Field]
	return &e
}
