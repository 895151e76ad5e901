package native

import (
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/handlers"
)

// route is one operation of the API.
type route struct {
	method, path string
	handler      handler
}

// Mount implements handlers.Dialect. What the API serves is listed below, by subject.
func (d *Dialect) Mount(e *echo.Echo) {
	for _, r := range slices.Concat(
		d.documentRoutes(), d.metadataRoutes(), d.userRoutes(), d.manyRoutes(), d.loginRoutes(), d.configurationRoutes(), d.credentialRoutes(),
		d.auditRoutes(),
	) {
		e.Add(r.method, r.path, d.authenticated(r.handler))
	}
}

// documentRoutes are the entries of users, and those that users inherit from groups and from their organisation.
func (d *Dialect) documentRoutes() []route {
	var all []route
	for _, of := range []documents{
		{d, "/api/user/:userId", userDocument, false}, {d, "/api/group/:group", groupDocument, true}, {d, "/api/org/:org", orgDocument, true},
	} {
		change := func(h handler) handler { return h }
		if of.shared {
			change = patient
		}
		all = append(all,
			route{http.MethodGet, of.path + "/metadata", of.get},
			route{http.MethodPut, of.path + "/metadata", change(of.replace)},
			route{http.MethodPatch, of.path + "/metadata", change(of.patch)},
			route{http.MethodGet, of.path + "/metadata/:key", of.getEntry},
			route{http.MethodPut, of.path + "/metadata/:key", change(of.putEntry)},
			route{http.MethodDelete, of.path + "/metadata/:key", change(of.deleteEntry)},
			route{http.MethodGet, of.path + "/history", of.history},
			route{http.MethodPost, of.path + "/rollback", change(of.rollback)},
		)
	}
	return all
}

func patient(h handler) handler {
	return func(c echo.Context, caller *auth.Caller) error {
		return handlers.Patient(func(c echo.Context) error { return h(c, caller) })(c)
	}
}

// metadataRoutes are what an organisation lays down for all entries, and what comes of it.
func (d *Dialect) metadataRoutes() []route {
	return []route{
		{http.MethodGet, "/api/metadata-key", d.listDefinitions},
		{http.MethodGet, "/api/metadata-key/:key", d.getDefinition},
		{http.MethodPut, "/api/metadata-key/:key", patient(d.putDefinition)},
		{http.MethodDelete, "/api/metadata-key/:key", patient(d.deleteDefinition)},
		{http.MethodPost, "/api/metadata-key/:key/check", patient(d.checkDefinition)},

		{http.MethodGet, "/api/group", d.listGroups},
		{http.MethodPost, "/api/group", d.createGroup},
		{http.MethodGet, "/api/group/:group", d.getGroup},
		{http.MethodPatch, "/api/group/:group", d.updateGroup},
		{http.MethodDelete, "/api/group/:group", patient(d.deleteGroup)},
		{http.MethodGet, "/api/group/:group/member", d.listMembers},
		{http.MethodPut, "/api/group/:group/member/:userId", d.join},
		{http.MethodDelete, "/api/group/:group/member/:userId", d.leave},
		{http.MethodGet, "/api/user/:userId/group", d.getGroupsOf},
		{http.MethodPut, "/api/user/:userId/group", d.setGroupsOf},

		{http.MethodGet, "/api/user/:userId/claims", d.previewClaims},
		{http.MethodPost, "/api/user/:userId/claims", d.previewChange},
	}
}

// userRoutes are the users themselves.
func (d *Dialect) userRoutes() []route {
	return []route{
		{http.MethodGet, "/api/user", d.listUsers},
		{http.MethodPost, "/api/user", d.createUser},
		{http.MethodGet, "/api/user/:userId", d.getUser},
		{http.MethodPatch, "/api/user/:userId", patient(d.updateUser)},
		{http.MethodDelete, "/api/user/:userId", patient(d.deleteUser)},
		{http.MethodPut, "/api/user/:userId/password", d.setPassword},
		{http.MethodGet, "/api/user/:userId/role", d.getRole},
		{http.MethodPut, "/api/user/:userId/role", d.putRole},
		{http.MethodDelete, "/api/user/:userId/role", d.deleteRole},
	}
}

// manyRoutes are about many users at once, or about everything of one. Streams are answered for as long as they take.
func (d *Dialect) manyRoutes() []route {
	return []route{
		{http.MethodPost, "/api/user/search", d.searchUsers},
		{http.MethodPost, "/api/user/import", d.streamed(d.importUsers)},
		{http.MethodGet, "/api/user/export", d.streamed(d.exportUsers)},
		{http.MethodGet, "/api/user/:userId/export", d.streamed(d.archive)},
		{http.MethodPost, "/api/metadata/bulk", d.streamed(d.bulk)},
	}
}

// loginRoutes are where users are logged in, and by what.
func (d *Dialect) loginRoutes() []route {
	return []route{
		{http.MethodGet, "/api/user/:userId/session", d.listSessions},
		{http.MethodDelete, "/api/user/:userId/session", d.endEverything},
		{http.MethodDelete, "/api/user/:userId/session/:sessionId", d.endSession},
		{http.MethodGet, "/api/user/:userId/factor", d.getFactors},
		{http.MethodDelete, "/api/user/:userId/factor", d.resetFactors},
		{http.MethodGet, "/api/user/:userId/consent", d.listConsents},
		{http.MethodDelete, "/api/user/:userId/consent/:clientId", d.withdrawConsent},
	}
}

// configurationRoutes are organisations and their clients.
func (d *Dialect) configurationRoutes() []route {
	return []route{
		{http.MethodGet, "/api/org", d.listOrgs},
		{http.MethodPost, "/api/org", d.createOrg},
		{http.MethodGet, "/api/org/:org", d.getOrg},
		{http.MethodPatch, "/api/org/:org", d.updateOrg},

		{http.MethodGet, "/api/client", d.listClients},
		{http.MethodPost, "/api/client", d.createClient},
		{http.MethodGet, "/api/client/:clientId", d.getClient},
		{http.MethodPatch, "/api/client/:clientId", d.updateClient},
		{http.MethodDelete, "/api/client/:clientId", d.deleteClient},
		{http.MethodPost, "/api/client/:clientId/secret", d.newClientSecret},
	}
}

// auditRoutes are what was done.
func (d *Dialect) auditRoutes() []route {
	return []route{
		{http.MethodGet, "/api/audit", d.listEvents},
		{http.MethodGet, "/api/audit/export", d.streamed(d.exportEvents)},
		{http.MethodGet, "/api/audit/verify", d.streamed(d.verifyEvents)},
	}
}

// credentialRoutes are who may use the API.
func (d *Dialect) credentialRoutes() []route {
	return []route{
		{http.MethodGet, "/api/token", d.listAPITokens},
		{http.MethodPost, "/api/token", d.createAPIToken},
		{http.MethodGet, "/api/token/:tokenId", d.getAPIToken},
		{http.MethodDelete, "/api/token/:tokenId", d.deleteAPIToken},
	}
}
