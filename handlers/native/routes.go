package native

import (
	"net/http"

	"github.com/labstack/echo/v4"
)

// Mount implements handlers.Dialect. This is the list of what the API serves.
func (d *Dialect) Mount(e *echo.Echo) {
	for _, route := range []struct {
		method, path string
		handler      handler
	}{
		{http.MethodGet, "/api/user/:userId/metadata", d.getMetadata},
		{http.MethodPut, "/api/user/:userId/metadata", d.replaceMetadata},
		{http.MethodPatch, "/api/user/:userId/metadata", d.patchMetadata},
		{http.MethodGet, "/api/user/:userId/metadata/:key", d.getEntry},
		{http.MethodPut, "/api/user/:userId/metadata/:key", d.putEntry},
		{http.MethodDelete, "/api/user/:userId/metadata/:key", d.deleteEntry},

		{http.MethodGet, "/api/user", d.listUsers},
		{http.MethodPost, "/api/user", d.createUser},
		{http.MethodGet, "/api/user/:userId", d.getUser},
		{http.MethodPatch, "/api/user/:userId", d.updateUser},
		{http.MethodDelete, "/api/user/:userId", d.deleteUser},
		{http.MethodPut, "/api/user/:userId/password", d.setPassword},

		{http.MethodGet, "/api/user/:userId/session", d.listSessions},
		{http.MethodDelete, "/api/user/:userId/session", d.endEverything},
		{http.MethodDelete, "/api/user/:userId/session/:sessionId", d.endSession},
		{http.MethodGet, "/api/user/:userId/factor", d.getFactors},
		{http.MethodDelete, "/api/user/:userId/factor", d.resetFactors},
		{http.MethodGet, "/api/user/:userId/consent", d.listConsents},
		{http.MethodDelete, "/api/user/:userId/consent/:clientId", d.withdrawConsent},

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

		{http.MethodGet, "/api/token", d.listAPITokens},
		{http.MethodPost, "/api/token", d.createAPIToken},
		{http.MethodGet, "/api/token/:tokenId", d.getAPIToken},
		{http.MethodDelete, "/api/token/:tokenId", d.deleteAPIToken},
	} {
		e.Add(route.method, route.path, d.authenticated(route.handler))
	}
}
