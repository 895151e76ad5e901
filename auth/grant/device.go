package grant

import (
	"context"

	"github.com/claimsmith/claimsmith/auth"
)

// DeviceSource knows what device codes stand for. *authorize.Service is one.
type DeviceSource interface {
	// DeviceApproval returns the approval and the reference Issuer.Redeem wants, for the client that asked for the code. It fails
	// with AuthorizationPending, SlowDown, AccessDenied, ExpiredToken or InvalidGrant.
	DeviceApproval(ctx context.Context, client *auth.Client, deviceCode string) (a auth.Approval, ref string, err error)
}

// Device is the device_code grant (RFC 8628 §3.4).
type Device struct {
	Devices DeviceSource
	Issuer  *auth.Issuer
}

// Type implements Grant.
func (Device) Type() string { return auth.GrantDeviceCode }

// Authorize implements Grant.
func (g Device) Authorize(ctx context.Context, client *auth.Client, r Request) (auth.Tokens, About, error) {
	if r.DeviceCode == "" {
		return auth.Tokens{}, About{}, &auth.Error{Code: auth.InvalidRequest, Field: "device_code", Detail: "device_code is required"}
	}
	a, ref, err := g.Devices.DeviceApproval(ctx, client, r.DeviceCode)
	if err != nil {
		return auth.Tokens{}, About{}, err
	}
	if a.Client != client.ID {
		return auth.Tokens{}, About{}, invalidCode("the device code is not valid, or it is not this client's")
	}
	about := About{Target: "user:" + a.User, Org: a.Org}
	if a.KeyThumbprint != "" && a.KeyThumbprint != r.keyThumbprint { // as RFC 9449 §10 has it for authorization codes
		return auth.Tokens{}, about, invalidCode("the device code is bound to the DPoP key of the device's first request")
	}
	tokens, err := g.Issuer.Redeem(ctx, client, ref, a, r.keyThumbprint)
	return tokens, about, err
}
