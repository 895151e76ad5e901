package zitadel

import (
	"context"
	"net/http"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/handlers/request"
	"github.com/claimsmith/claimsmith/metadata"
)

// orgHeader names the organisation, by its slug.
const orgHeader = "x-zitadel-orgid"

// call is who asks, in which organisation.
type call struct {
	caller *auth.Caller
	org    string // "" for the caller's home
	// failed is why an RPC was answered with an error.
	failed *failure
}

type callKey struct{}

func callOf(ctx context.Context) *call { return ctx.Value(callKey{}).(*call) }

// owner is the organisation all of it is about.
func (c *call) owner() string {
	if c.org == "" {
		return c.caller.HomeOrg()
	}
	return c.org
}

func (c *call) target(user string) metadata.Target { return metadata.Target{Org: c.org, User: user} }

// begin finds out who asks and puts it into the context of the request, before any of its body is read.
func (d *Dialect) begin(r *http.Request) (*http.Request, *failure) {
	bearer, err := request.Bearer(r)
	switch {
	case err != nil && r.Header.Values("Authorization") == nil:
		return nil, errNoCredentials.because(err)
	case err != nil:
		return nil, errCredentials.because(err)
	}
	ctx := r.Context()
	caller, err := d.Callers.Resolve(ctx, bearer)
	if err != nil {
		return nil, explain(err, nil, operation{})
	}
	org, refused := d.orgOf(r, caller)
	if refused != nil {
		return nil, refused
	}
	return r.WithContext(context.WithValue(ctx, callKey{}, &call{caller: caller, org: org})), nil
}

// orgOf is the organisation the header names. One that is not the caller's and one that is not there are refused alike.
func (d *Dialect) orgOf(r *http.Request, caller *auth.Caller) (string, *failure) {
	named := r.Header.Values(orgHeader)
	switch {
	case len(named) > 1:
		return "", errTwoOrgs
	case len(named) == 0, named[0] == "", named[0] == caller.HomeOrg():
		return "", nil
	case !caller.MayRead(named[0]):
		return "", errNoOrg
	}
	if _, err := d.Registry.Org(r.Context(), named[0]); auth.CodeOf(err) == auth.NotFound {
		return "", errNoOrg
	} else if err != nil {
		return "", explain(err, nil, operation{})
	}
	return named[0], nil
}
