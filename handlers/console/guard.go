package console

import (
	"net/http"
	"net/url"

	"github.com/claimsmith/claimsmith/handlers/problem"
)

// A form that is not from one of our pages, or not from one made for this user, and a flow that this browser cannot go on with. Each has
// an error page of its own.
const (
	detailForged = "the form was sent from another site, or from a page made for another session"
	detailFlow   = "the flow is of another browser, or too old, or none"
)

var (
	errForged error = problem.New(problem.AccessDenied, detailForged)
	errFlow   error = problem.New(problem.InvalidRequest, detailFlow)
)

// fromHere reports whether a page of this origin sent a form. Pages that must not be named as referrer have the Origin null in browsers
// that say by Sec-Fetch-Site where a request is from (Fetch, "append a request Origin header"), so that decides first. What tells neither is
// no browser another site could make do it; the form's token decides there as everywhere.
func (d *Dialect) fromHere(h http.Header) bool {
	sites, origins := h.Values("Sec-Fetch-Site"), h.Values("Origin")
	if len(sites) > 1 || len(origins) > 1 {
		return false
	}
	own := len(origins) == 1 && origins[0] == originOf(d.Issuer)
	if len(sites) == 0 {
		return own || len(origins) == 0
	}
	silent := len(origins) == 0 || origins[0] == "null"
	return (sites[0] == "same-origin" || sites[0] == "none") && (own || silent)
}

// originOf is the origin of an address in the form browsers send it (RFC 6454 §6.2), "" if it has none.
func originOf(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return ""
	}
	host := u.Host
	if port := u.Port(); u.Scheme == "https" && port == "443" || u.Scheme == "http" && port == "80" {
		host = host[:len(host)-len(":")-len(port)]
	}
	return u.Scheme + "://" + host
}

// formFault is what any page with a form says about an error that its user can do something about, "" for all others.
func (v *visit) formFault(err error) string {
	switch p := problem.Of(err); p.Code {
	case problem.Throttled:
		return v.words().T("fault.throttled", "seconds", seconds(p.RetryAfter))
	case problem.Busy:
		return v.words().T("fault.busy")
	}
	return ""
}

// faultStatus is the status of a page that shows a form again.
func (v *visit) faultStatus(err error) int {
	p := problem.Of(err)
	if p.RetryAfter > 0 {
		v.Response().Header().Set("Retry-After", seconds(p.RetryAfter))
	}
	return pageStatus(p)
}

// pageStatus is the status of a page about a problem. It needs no credentials of the kind a browser would ask for, and a 401 without a
// challenge is none (RFC 9110 §15.5.2).
func pageStatus(p problem.Problem) int {
	if p.Status == http.StatusUnauthorized {
		return http.StatusBadRequest
	}
	return p.Status
}
