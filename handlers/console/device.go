package console

import (
	"net/http"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/authorize"
	"github.com/claimsmith/claimsmith/handlers/console/page"
	"github.com/claimsmith/claimsmith/handlers/request"
)

// devicePage is the data of the page that takes a user code, and of the one that says what became of it.
type devicePage struct {
	UserCode string
	Approved bool
}

// What became of a device's request.
const (
	deviceApproved = "approved"
	deviceDenied   = "denied"
)

// device asks for the code a device shows (RFC 8628 §3.3). One in the address is filled in, and confirmed by the user all the same.
func device(v *visit) error {
	query, err := request.Query(v.Request(), "user_code", "done")
	if err != nil {
		return err
	}
	shown := v.view(nil)
	if what := v.notified(query); what != "" {
		shown.Data = devicePage{Approved: what == deviceApproved}
		return pages.Respond(v, http.StatusOK, "device_done", shown)
	}
	return v.askCode(query.Get("user_code"), http.StatusOK, "")
}

const maxUserCode = 32

func (v *visit) askCode(code string, status int, fault string) error {
	if len(code) > maxUserCode {
		code = ""
	}
	shown := v.view(nil)
	shown.Token, shown.Fault, shown.Data = page.BrowserToken(v.browser, "form"), fault, devicePage{UserCode: code}
	return pages.Respond(v, status, "device", shown)
}

// enterCode takes the code and begins the flow that lets the device in.
func enterCode(v *visit) error {
	code := v.form.Get("user_code")
	flow, err := v.beginPage(authorize.PageDevice, code)
	if fault := v.deviceFault(err); fault != "" {
		return v.askCode(code, page.FaultStatus(v, err), fault)
	}
	if err != nil {
		return err
	}
	return v.resumeLater(flow)
}

func (v *visit) deviceFault(err error) string {
	if auth.CodeOf(err) == auth.InvalidRequest {
		return v.words().T("fault.user_code")
	}
	return v.words().Fault(err)
}

// consent takes what the user decides about a client or a device.
func consent(v *visit) error {
	decide, settled := v.Authorize.Deny, deviceDenied
	switch v.form.Get("decision") {
	case "approve":
		decide, settled = v.Authorize.Approve, deviceApproved
	case "deny":
	default:
		return v.resumeLater(v.flow)
	}
	answer, err := decide(v.Request().Context(), v.flow, v.session)
	switch {
	case auth.CodeOf(err) == auth.InteractionRequired: // something else comes first
		return v.resumeLater(v.flow)
	case err != nil && v.flow.Page == authorize.PageDevice && v.deviceFault(err) != "":
		return v.askCode("", page.FaultStatus(v, err), v.deviceFault(err))
	case err != nil:
		return err
	case answer == nil:
		return v.notify(pathDevice, settled)
	}
	return v.answer(answer, nil, "")
}
