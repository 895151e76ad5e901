package operate

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/claimsmith/claimsmith/auth"
)

// clientsPage is the data of the list of clients.
type clientsPage struct {
	paging
	Clients []clientRow
}

type clientRow struct {
	auth.Client
	Warnings int
}

func (k *desk) clients() error {
	query, err := k.query("cursor")
	if err != nil {
		return err
	}
	data := clientsPage{}
	if data.paging, err = k.paging(query); err != nil {
		return err
	}
	clients, next, err := k.Clients.List(k.Request().Context(), k.caller, k.org.Slug, auth.Page{After: data.After, Limit: pageSize})
	if err != nil {
		return err
	}
	data.then(next)
	for _, c := range clients {
		data.Clients = append(data.Clients, clientRow{c, len(c.Warnings())})
	}
	return k.respond(http.StatusOK, "clients", "clients", &data)
}

// newClientPage is the data of the form for a new client.
type newClientPage struct {
	ID, Name, Preset, Redirects, KeySet, Origins string
	FirstParty                                   bool
	Presets                                      []string
}

func (k *desk) newClient() error {
	if _, err := k.query(); err != nil {
		return err
	}
	return k.respond(http.StatusOK, "client_new", "clients", newClientPage{Preset: auth.PresetWeb, Presets: auth.Presets()})
}

func (k *desk) createClient() error {
	typed := newClientPage{
		strings.TrimSpace(k.form.Get("client_id")), k.form.Get("name"), k.form.Get("preset"), k.form.Get("redirect_uris"), k.form.Get("jwks"), "",
		k.checked("first_party"), auth.Presets(),
	}
	n := auth.NewClient{ID: typed.ID, Preset: typed.Preset, ClientChange: auth.ClientChange{Name: &typed.Name, FirstParty: &typed.FirstParty}}
	if redirects := listed(typed.Redirects); len(redirects) > 0 {
		n.RedirectURIs = &redirects
	}
	if strings.TrimSpace(typed.KeySet) != "" {
		n.KeySet = &typed.KeySet
	}
	client, secret, err := k.Clients.Create(k.Request().Context(), k.caller, k.org.Slug, n)
	if err != nil {
		return k.refuse(err, "client_new", "clients", typed)
	}
	if secret == "" {
		return k.done(k.here("client", client.ID), "client_created")
	}
	return k.showSecret(client.ID, secret)
}

// secretPage is the data of the page that shows a secret, once.
type secretPage struct{ Name, Secret, Address string }

// showSecret answers with the page itself: to show it after a redirect the secret would have to be kept.
func (k *desk) showSecret(id, secret string) error {
	return k.respond(http.StatusOK, "secret", "clients", secretPage{id, secret, k.site().At(k.here("client", id))})
}

// clientPage is the data of a client's page.
type clientPage struct {
	Client   auth.Client
	Warnings []auth.Warning
	Secret   bool // it has one
	Change   bool // the user may change it
	Version  string
	Facts    []clientFact
	// What the form holds.
	Redirects, Logouts, Scopes, Origins string
	AllKeys                             bool
	ClaimKeys                           string
	AllPlaces                           bool
	Places                              []placeChoice
}

type clientFact struct {
	Name   string
	Values []string
}

func (k *desk) client() error {
	if _, err := k.query(); err != nil {
		return err
	}
	return k.showClient(nil)
}

func (k *desk) clientNamed() (auth.Client, error) {
	id, err := k.value("client")
	if err != nil {
		return auth.Client{}, err
	}
	return k.Clients.Get(k.Request().Context(), k.caller, k.org.Slug, id)
}

func (k *desk) showClient(fault error) error {
	c, err := k.clientNamed()
	if err != nil {
		return err
	}
	data := clientPage{
		Client: c, Warnings: c.Warnings(), Secret: c.SecretHash != "", Version: strconv.FormatUint(c.Version, 10),
		Change:    k.caller.MayConfigure(c.Org) && (k.caller.IsAdmin() || !c.AllOrgs),
		Redirects: strings.Join(c.RedirectURIs, "\n"), Logouts: strings.Join(c.PostLogoutRedirectURIs, "\n"),
		Scopes: strings.Join(c.Scopes, "\n"), Origins: strings.Join(c.AllowedOrigins, "\n"), ClaimKeys: strings.Join(c.ClaimKeys, "\n"),
		AllKeys: c.ClaimKeys == nil, AllPlaces: c.ClaimsIn == nil,
		Facts: []clientFact{
			{k.text("client.number"), numberOrNone(c.Number)},
			{k.text("client.type"), []string{c.Application()}},
			{k.text("client.auth_method"), []string{authMethod(&c)}},
			{k.text("client.grants"), c.GrantTypes},
			{k.text("client.algs"), []string{c.AccessTokenAlg, c.IDTokenAlg}},
			{k.text("client.audience"), c.Audience},
			{k.text("client.backchannel"), oneOrNone(c.BackchannelLogoutURI)},
		},
	}
	if fault != nil {
		data.Client.Name, data.Redirects, data.Logouts = k.form.Get("name"), k.form.Get("redirect_uris"), k.form.Get("post_logout_redirect_uris")
		data.Client.Description = k.form.Get("description")
		data.Scopes, data.Origins, data.ClaimKeys = k.form.Get("scopes"), k.form.Get("allowed_origins"), k.form.Get("claim_keys")
	}
	for _, place := range []string{auth.InAccessToken, auth.InIDToken, auth.InUserInfo, auth.InIntrospection} {
		data.Places = append(data.Places, placeChoice{place, slices.Contains(c.ClaimsIn, place)})
	}
	if fault != nil {
		return k.refuse(fault, "client", "clients", data)
	}
	return k.respond(http.StatusOK, "client", "clients", data)
}

func authMethod(c *auth.Client) string {
	switch {
	case c.AuthMethod != "":
		return c.AuthMethod
	case c.SecretHash == "":
		return auth.AuthNone
	}
	return auth.AuthSecretBasic + ", " + auth.AuthSecretPost
}

func numberOrNone(number uint64) []string {
	if number == 0 {
		return nil
	}
	return []string{strconv.FormatUint(number, 10)}
}

func oneOrNone(text string) []string {
	if text == "" {
		return nil
	}
	return []string{text}
}

func (k *desk) saveClient() error {
	id, err := k.value("client")
	if err != nil {
		return err
	}
	version, err := k.version()
	if err != nil {
		return err
	}
	name, description, disabled := k.form.Get("name"), k.form.Get("description"), k.checked("disabled")
	inDirectory, registers := k.checked("listed"), k.checked("self_registration")
	redirects, logouts := listed(k.form.Get("redirect_uris")), listed(k.form.Get("post_logout_redirect_uris"))
	scopes, origins := listed(k.form.Get("scopes")), listed(k.form.Get("allowed_origins"))
	pkce, par, dpop, consent := k.checked("require_pkce"), k.checked("require_par"), k.checked("require_dpop"), k.checked("require_consent")
	var keys, in *[]string
	if !k.checked("all_keys") {
		some := listed(k.form.Get("claim_keys"))
		keys = &some
	}
	if !k.checked("all_places") {
		some := k.ticked("place.")
		in = &some
	}
	_, err = k.Clients.Update(k.Request().Context(), k.caller, k.org.Slug, id, version, auth.ClientChange{
		Name: &name, Description: &description, Listed: &inDirectory, SelfRegistration: &registers, Disabled: &disabled,
		RedirectURIs: &redirects, PostLogoutRedirectURIs: &logouts, Scopes: &scopes, AllowedOrigins: &origins,
		RequirePKCE: &pkce, RequirePAR: &par, RequireDPoP: &dpop, RequireConsent: &consent, ClaimKeys: &keys, ClaimsIn: &in,
	})
	if err != nil {
		return k.clientFault(err)
	}
	return k.done(k.here("client", id), "client")
}

func (k *desk) clientFault(fault error) error {
	if k.fault(fault) == "" {
		return fault
	}
	return k.showClient(fault)
}

func (k *desk) renewSecret() error {
	id, err := k.value("client")
	if err != nil {
		return err
	}
	_, secret, err := k.Clients.NewSecret(k.Request().Context(), k.caller, k.org.Slug, id)
	if err != nil {
		return k.clientFault(err)
	}
	return k.showSecret(id, secret)
}

func (k *desk) deleteClient() error {
	c, err := k.clientNamed()
	if err != nil {
		return err
	}
	version, err := k.version()
	if err != nil {
		return err
	}
	if k.form.Get("confirmation") != c.ID {
		return k.clientFault(&auth.Error{Code: auth.InvalidRequest, Detail: k.text("client.delete.mismatch")})
	}
	if err := k.Clients.Delete(k.Request().Context(), k.caller, k.org.Slug, c.ID, version); err != nil {
		return k.clientFault(err)
	}
	return k.done(k.here("client"), "client_deleted")
}
