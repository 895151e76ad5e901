package main

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	managementv1 "github.com/claimsmith/claimsmith/handlers/zitadel/gen/zitadel/management/v1"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

// sharing is a route with what pages of registered origins may send to it and read of its answers.
type sharing struct {
	method, target, sent, read string
}

func sharedByDialects() []sharing {
	const (
		common  = "Authorization, Content-Type"
		keyed   = common + ", X-API-KEY"
		zitadel = common + ", x-zitadel-orgid"
	)
	all := []sharing{
		{http.MethodGet, "/app/all", keyed, ""},
		{http.MethodPost, "/auth/register", keyed, ""},
		{http.MethodPost, "/auth/login", keyed, ""},
		{http.MethodPost, "/auth/refresh", keyed, ""},
		{http.MethodGet, "/auth/verify", keyed, ""},
		{http.MethodGet, "/auth/logout", keyed, ""},
		{http.MethodGet, "/user/profiles/1", keyed, ""},
		{http.MethodPost, "/user/profiles/create", keyed, ""},
		{http.MethodPost, "/management/v1/users/acme-user-id/metadata/_search", zitadel, ""},
		{http.MethodPost, "/v2/users/acme-user-id/metadata/search", zitadel, ""},
		{
			http.MethodPost, managementv1.ManagementServiceListUserMetadataProcedure,
			"Authorization, Content-Type, Connect-Protocol-Version, Connect-Timeout-Ms, Grpc-Timeout, X-Grpc-Web, X-User-Agent, x-zitadel-orgid",
			"Grpc-Status, Grpc-Message, Grpc-Status-Details-Bin",
		},
	}
	for _, path := range platformPaths {
		for _, method := range []string{http.MethodGet, http.MethodPatch, http.MethodPut, http.MethodDelete} {
			all = append(all, sharing{method, path + "?platform_key=acme&username=acme-user", common, ""})
		}
	}
	for _, path := range []string{memoriesOf, categoryOf, flagsOf, factsOf} {
		all = append(all, sharing{http.MethodGet, path, common, ""})
	}
	return append(append(all, accountSharing(common)...), pictureSharing(common)...)
}

// Pages of the clients that list their origin may use the dialects, and no others (row S-07).
func TestOriginsOfDialects(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	c.newClient(acme, "acme-spa", `"allowed_origins":["https://app.example"]`)
	for _, route := range sharedByDialects() {
		for _, origin := range []string{"https://app.example", "https://evil.example", "https://app.example.evil", "null"} {
			var want, sent, read string
			if origin == "https://app.example" {
				want, sent, read = origin, route.sent, route.read
			}
			for _, bearer := range []string{c.acme.operator, "cs_at_unknown"} {
				a := c.send(route.method, route.target, bearer, `{"id":"acme-user-id"}`, "Origin", origin)
				if got := a.header; got.Get("Access-Control-Allow-Origin") != want || got.Get("Vary") != "Origin" ||
					got.Get("Access-Control-Allow-Credentials") != "" || got.Get("Access-Control-Expose-Headers") != read {
					t.Errorf("%s %s from %s: %d %v", route.method, route.target, origin, a.status, got)
				}
			}
			a := c.send(http.MethodOptions, route.target, "", "", "Origin", origin, "Access-Control-Request-Method", route.method)
			a.want(t, http.StatusNoContent)
			methods := strings.Split(a.header.Get("Access-Control-Allow-Methods"), ", ")
			if a.header.Get("Access-Control-Allow-Origin") != want || a.header.Get("Access-Control-Allow-Headers") != sent ||
				slices.Contains(methods, route.method) != (want != "") || a.header.Get("Access-Control-Allow-Credentials") != "" {
				t.Errorf("preflight of %s %s from %s: %v", route.method, route.target, origin, a.header)
			}
		}
	}
}

// What only operators use, no page of another origin may (row S-07).
func TestOriginsOfOperators(t *testing.T) {
	t.Parallel()
	c := newCast(t, redistest.Embedded(t))
	c.newClient(acme, "acme-spa", `"allowed_origins":["https://app.example"]`)
	for method, target := range map[string]string{
		http.MethodGet: "/operator/users/profile/acme-user-id/1", http.MethodPost: "/operator/profile/create-bulk",
	} {
		for _, asked := range []string{method, http.MethodOptions} {
			a := c.send(asked, target, c.acme.operator, "", "Origin", "https://app.example", "Access-Control-Request-Method", method)
			for name := range a.header {
				if strings.HasPrefix(name, "Access-Control-") {
					t.Errorf("%s %s: %v", asked, target, a.header)
				}
			}
		}
	}
}
