package console

import (
	"github.com/claimsmith/claimsmith/auth/authorize"
	"github.com/claimsmith/claimsmith/handlers/request"
)

// begin is the authorization endpoint (RFC 6749 §3.1). What follows is at /signin, so that an address with a request in it is asked once.
func begin(v *visit) error {
	params, err := request.Parameters(v.Request())
	if err != nil {
		return err
	}
	flow, answer, err := v.Authorize.Begin(v.Request().Context(), params, v.browser)
	switch {
	case err != nil:
		return err
	case answer != nil:
		return v.answer(answer, nil, "")
	}
	return v.resumeLater(flow)
}

// resume shows what a flow needs next. Without a flow it is the way to the user's own account.
func resume(v *visit) error {
	query, err := request.Query(v.Request(), "flow")
	if err != nil {
		return err
	}
	if !query.Has("flow") {
		return v.redirect(pathAccount)
	}
	if v.flow, err = v.openFlow(query.Get("flow")); err != nil {
		return err
	}
	return v.proceed()
}

// beginPage starts a flow towards one of the product's own pages.
func (v *visit) beginPage(page, userCode string) (*authorize.Flow, error) {
	return v.Authorize.BeginPage(v.Request().Context(), page, userCode, v.browser, v.RealIP())
}
