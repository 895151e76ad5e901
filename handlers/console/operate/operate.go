// Package operate is the operator console: the pages by which those who run an organisation, or the whole installation, look after users,
// what tokens say of them, definitions, groups, clients, keys and the audit log. Operators log in through the product's own OpenID flow.
// Pages are plain forms that work without JavaScript. The package only translates: what somebody may do is decided in the services.
package operate

import (
	"embed"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/career"
	"github.com/claimsmith/claimsmith/auth/factor"
	"github.com/claimsmith/claimsmith/auth/grant"
	"github.com/claimsmith/claimsmith/auth/keys"
	"github.com/claimsmith/claimsmith/auth/people"
	"github.com/claimsmith/claimsmith/auth/preview"
	"github.com/claimsmith/claimsmith/auth/session"
	"github.com/claimsmith/claimsmith/claims"
	"github.com/claimsmith/claimsmith/handlers/console/page"
	"github.com/claimsmith/claimsmith/handlers/problem"
	"github.com/claimsmith/claimsmith/metadata"
)

//go:embed templates/*.html
var templateFiles embed.FS

//go:embed messages/*.json
var messageFiles embed.FS

var (
	pages      = page.ParseTemplates(templateFiles, "frame", "parts", "preview")
	catalogues = page.ReadCatalogues(messageFiles)
)

// Dialect mounts the pages.
type Dialect struct {
	// Issuer is where browsers find the pages; only forms from its origin are accepted.
	Issuer    string
	Operators *auth.Operators
	Users     *auth.Users
	Orgs      *auth.Orgs
	Clients   *auth.Clients
	APITokens *auth.APITokens
	Trail     *auth.Trail
	Sessions  *session.Service
	Factors   *factor.Service
	Metadata  *metadata.Service
	Preview   *preview.Service
	People    *people.Service
	Career    *career.Service
	Keys      *keys.Ring
	// Grants and Verifier are what the console redeems its codes and checks its ID tokens by, as any client would.
	Grants   *grant.Dispatcher
	Verifier *claims.Verifier
	Sealer   *keys.Sealer
	// CursorKey authenticates the cursors of lists.
	CursorKey []byte
	Now       func() time.Time
}

// Paths, below the issuer.
const (
	pathConsole   = "/console"
	pathCallback  = pathConsole + "/callback"
	pathOrgs      = pathConsole + "/orgs"
	pathKeys      = pathConsole + "/keys"
	pathAudit     = pathConsole + "/audit"
	pathOrg       = pathConsole + "/org/:org"
	pathAuthorize = "/oauth/authorize"
	pathSignedOut = "/signin/signed-out"
	pathAccount   = "/account"
)

// RedirectURI is where the console's client has codes sent to.
func RedirectURI(issuer string) string { return issuer + pathCallback }

// Name implements handlers.Dialect.
func (d *Dialect) Name() string { return "console" }

// Prefixes implements handlers.Dialect.
func (d *Dialect) Prefixes() []string { return []string{pathConsole} }

// RenderError implements handlers.Dialect with a page.
func (d *Dialect) RenderError(c echo.Context, p problem.Problem) error {
	return d.site().RenderError(c, p)
}

func (d *Dialect) site() page.Site { return page.Site{Issuer: d.Issuer} }

// Mount implements handlers.Dialect. This is the list of what the dialect serves. All but the way in needs a user with a role; what is
// posted goes through posted as well, which refuses forms of other pages and other sessions.
func (d *Dialect) Mount(e *echo.Echo) {
	get := func(path string, h handler) { e.Add(http.MethodGet, path, d.shown(h)) }
	post := func(path string, h handler) { e.Add(http.MethodPost, path, d.posted(h)) }

	e.Add(http.MethodGet, pathCallback, d.callback)
	e.Add(http.MethodPost, pathConsole+"/signout", d.signed(signOut))
	e.Add(http.MethodPost, pathConsole+"/confirm", d.signed(confirm))
	get(pathConsole, home)
	get(pathOrgs, (*desk).orgs)
	post(pathOrgs, (*desk).createOrg)
	get(pathKeys, (*desk).keys)
	post(pathKeys+"/rotate", fresh((*desk).rotateKeys))
	post(pathKeys+"/withdraw", fresh((*desk).withdrawKey))
	get(pathAudit, (*desk).audit)
	post(pathAudit+"/verify", patient((*desk).verifyAudit))

	get(pathOrg, home)
	d.mountUsers(e)
	d.mountShared(e)
	get(pathOrg+"/settings", (*desk).settings)
	post(pathOrg+"/settings", (*desk).saveSettings)
	get(pathOrg+"/client", (*desk).clients)
	get(pathOrg+"/client/new", (*desk).newClient)
	post(pathOrg+"/client", fresh((*desk).createClient))
	get(pathOrg+"/client/:client", (*desk).client)
	post(pathOrg+"/client/:client", fresh((*desk).saveClient))
	post(pathOrg+"/client/:client/secret", fresh((*desk).renewSecret))
	post(pathOrg+"/client/:client/delete", (*desk).deleteClient)
	get(pathOrg+"/token", (*desk).tokens)
	post(pathOrg+"/token", fresh((*desk).createToken))
	post(pathOrg+"/token/delete", fresh((*desk).deleteToken))
	get(pathOrg+"/audit", (*desk).audit)
	post(pathOrg+"/audit/verify", patient((*desk).verifyAudit))
	get(pathOrg+"/bulk", (*desk).bulk)
	e.Add(http.MethodPost, pathOrg+"/bulk", d.uploaded(patient((*desk).runBulk)))
}

func (d *Dialect) mountUsers(e *echo.Echo) {
	const users, user = pathOrg + "/user", pathOrg + "/user/:user"
	get := func(path string, h handler) { e.Add(http.MethodGet, path, d.shown(h)) }
	post := func(path string, h handler) { e.Add(http.MethodPost, path, d.posted(h)) }
	get(users, (*desk).users)
	get(users+"/new", (*desk).newUser)
	post(users, (*desk).createUser)
	get(user, (*desk).user)
	post(user+"/profile", fresh(patient((*desk).saveProfile)))
	post(user+"/group", (*desk).saveGroups)
	post(user+"/password", fresh((*desk).setPassword))
	post(user+"/state", (*desk).setState)
	post(user+"/role", fresh((*desk).setRole))
	post(user+"/session/end", (*desk).endSession)
	post(user+"/session/end-all", (*desk).endSessions)
	post(user+"/factor/reset", fresh((*desk).resetFactors))
	post(user+"/export", fresh(patient((*desk).exportUser)))
	get(user+"/erase", (*desk).askErase)
	post(user+"/erase", fresh(patient((*desk).eraseUser)))
	d.mountDocument(e, user)
}

func (d *Dialect) mountShared(e *echo.Echo) {
	const definitions, groups, group = pathOrg + "/definition", pathOrg + "/group", pathOrg + "/group/:group"
	get := func(path string, h handler) { e.Add(http.MethodGet, path, d.shown(h)) }
	post := func(path string, h handler) { e.Add(http.MethodPost, path, d.posted(h)) }
	get(definitions, (*desk).definitions)
	get(definitions+"/edit", (*desk).definition)
	post(definitions, patient((*desk).saveDefinition))
	post(definitions+"/delete", patient((*desk).deleteDefinition))
	get(groups, (*desk).groups)
	post(groups, (*desk).createGroup)
	get(group, (*desk).group)
	post(group, (*desk).saveGroup)
	post(group+"/delete", (*desk).deleteGroup)
	post(group+"/member", (*desk).changeMember)
	d.mountDocument(e, group)
	d.mountDocument(e, pathOrg)
}

// mountDocument mounts the editor and the history of the document of what a path is about.
func (d *Dialect) mountDocument(e *echo.Echo, path string) {
	e.Add(http.MethodGet, path+"/metadata", d.shown((*desk).editor))
	e.Add(http.MethodPost, path+"/metadata", d.posted((*desk).saveEditor))
	e.Add(http.MethodPost, path+"/metadata/preview", d.posted((*desk).previewEditor))
	e.Add(http.MethodGet, path+"/history", d.shown((*desk).history))
	e.Add(http.MethodGet, path+"/history/restore", d.shown((*desk).askRestore))
	e.Add(http.MethodPost, path+"/history/restore", d.posted((*desk).restore))
}
