package authorize

import (
	"context"
	"crypto/rand"
	"strings"
	"time"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/ticket"
)

// A user code is eight of twenty consonants, 34 bits, none of which reads like another or makes words (RFC 8628 §6.1).
const (
	userCodeLetters = "BCDFGHJKLMNPQRSTVWXZ"
	userCodeLen     = 8
	deviceSecretLen = 24
	deviceLifetime  = 10 * time.Minute
	deviceInterval  = 5 * time.Second
)

// maxUserCodes bounds guessing (RFC 8628 §5.1). A right one counts too: a guesser could have codes of his own in between.
var maxUserCodes = auth.Bucket{Kind: "usercodes", Burst: 10, Period: 30 * time.Second}

// Device is the answer to a device's request (RFC 8628 §3.2).
type Device struct {
	DeviceCode, UserCode string
	Lifetime, Interval   time.Duration
}

func (s *Service) deviceCodes() ticket.Codec {
	return ticket.Codec{Prefix: "cs_dc_", Payload: userCodeLen + deviceSecretLen, Keys: s.DeviceKeys}
}

// BeginDevice starts a device's request for an authenticated client. scope and org are as in an authorization request.
func (s *Service) BeginDevice(ctx context.Context, client *auth.Client, scope, org, keyThumbprint, address string) (Device, error) {
	d, err := s.beginDevice(ctx, client, scope, org, keyThumbprint, address)
	s.recordBy(ctx, actionDevice, "client:"+client.ID, client.Org, client.ID, err)
	return d, err
}

func (s *Service) beginDevice(ctx context.Context, client *auth.Client, scope, org, keyThumbprint, address string) (Device, error) {
	if !client.Allows(auth.GrantDeviceCode) {
		return Device{}, &auth.Error{Code: auth.UnauthorizedClient, Detail: "this client may not use this grant type"}
	}
	if err := s.takeFor(ctx, "devices", client, address); err != nil {
		return Device{}, err
	}
	scope, org, err := narrow(client, scope, org)
	if err != nil {
		return Device{}, err
	}
	d := auth.DeviceRequest{
		Client: client.ID, Org: org, Scope: scope, KeyThumbprint: keyThumbprint, State: auth.DevicePending,
		ExpiresAt: s.Now().Add(deviceLifetime),
	}
	secret := ticket.Random(deviceSecretLen)
	const attempts = 5
	for n := 1; ; n++ {
		d.UserCode = newUserCode()
		err := s.Devices.CreateDevice(ctx, d, sha256Sum(secret), deviceInterval)
		if auth.CodeOf(err) == auth.Conflict && n < attempts {
			continue
		}
		if err != nil {
			return Device{}, err
		}
		return Device{
			DeviceCode: s.deviceCodes().Format(append([]byte(d.UserCode), secret...)),
			UserCode:   d.UserCode[:userCodeLen/2] + "-" + d.UserCode[userCodeLen/2:],
			Lifetime:   deviceLifetime, Interval: deviceInterval,
		}, nil
	}
}

func newUserCode() string {
	const fair = 256 - 256%len(userCodeLetters) // bytes from here on would make some letters likelier
	code, b := make([]byte, 0, userCodeLen), make([]byte, 1)
	for len(code) < userCodeLen {
		if _, _ = rand.Read(b); int(b[0]) < fair {
			code = append(code, userCodeLetters[int(b[0])%len(userCodeLetters)])
		}
	}
	return string(code)
}

// canonicalUserCode is what a person has typed without case, spaces and hyphens (RFC 8628 §6.1), "" for what can be no code.
func canonicalUserCode(typed string) string {
	if len(typed) > 64 {
		return ""
	}
	code := strings.NewReplacer("-", "", " ", "").Replace(strings.ToUpper(typed))
	if len(code) != userCodeLen || strings.Trim(code, userCodeLetters) != "" {
		return ""
	}
	return code
}

// BeginPage starts a flow towards one of the product's own pages. userCode is for PageDevice, and checked there.
func (s *Service) BeginPage(ctx context.Context, page, userCode, browser, address string) (*Flow, error) {
	f := s.begin(browser)
	f.Page = page
	switch {
	case f.toAccount():
		return f, nil
	case page == PageDevice:
		err := s.findDevice(ctx, f, userCode, address)
		s.record(ctx, actionUserCode, nil, "", f.Client, err)
		if err != nil {
			return nil, err
		}
		return f, nil
	}
	return nil, &auth.Error{Code: auth.NotFound, Detail: "no such page"}
}

var errUserCode = &auth.Error{
	Code: auth.InvalidRequest, Field: "user_code", Detail: "the code is wrong, was used already or has expired, begin again at the device",
}

func (s *Service) findDevice(ctx context.Context, f *Flow, typed, address string) error {
	bucket := maxUserCodes
	bucket.Subject = address
	if err := auth.Attempt(ctx, s.Limiter, bucket); err != nil {
		return err
	}
	code := canonicalUserCode(typed)
	if code == "" {
		return errUserCode
	}
	d, err := s.Devices.Device(ctx, code, s.Now())
	if auth.CodeOf(err) == auth.NotFound || err == nil && d.State != auth.DevicePending {
		return errUserCode
	}
	if err != nil {
		return err
	}
	f.UserCode, f.Client, f.Org, f.Scope, f.KeyThumbprint = code, d.Client, d.Org, d.Scope, d.KeyThumbprint
	return nil
}

// approveDevice lets a device in. The approval has no session: a device's login has nothing to do with the browser's.
func (s *Service) approveDevice(ctx context.Context, at *place) error {
	err := s.settle(ctx, at)
	s.record(ctx, actionApprove, at.user, at.org.Slug, at.client.ID, err)
	return err
}

func (s *Service) settle(ctx context.Context, at *place) error {
	code := at.flow.UserCode
	approval := at.approval(s.Now(), deviceLifetime)
	ref, err := s.Codes.CreateCode(ctx, ticket.Random(codeIDLen), approval, approvalSecret(code))
	if auth.CodeOf(err) == auth.InvalidGrant {
		return errElsewhere
	}
	if err != nil {
		return err
	}
	return userCodeError(s.Devices.SettleDevice(ctx, code, ref, s.Now()))
}

func (s *Service) denyDevice(ctx context.Context, at *place) error {
	err := userCodeError(s.Devices.SettleDevice(ctx, at.flow.UserCode, "", s.Now()))
	s.record(ctx, actionDeny, at.user, at.org.Slug, at.client.ID, err)
	return err
}

func userCodeError(err error) error {
	switch auth.CodeOf(err) {
	case auth.NotFound, auth.Conflict:
		return errUserCode
	}
	return err
}

// approvalSecret stands where authorization codes have the hash of their secret. No secret has it, so that the approval of a device cannot
// be reached by an authorization code: PollDevice alone, who has seen the device's own secret, knows its reference.
func approvalSecret(userCode string) []byte {
	return sha256Sum([]byte("device approval\x00" + userCode))
}

// DeviceApproval is Code for a device code: AuthorizationPending, SlowDown, AccessDenied and ExpiredToken as in RFC 8628 §3.5.
func (s *Service) DeviceApproval(ctx context.Context, client *auth.Client, deviceCode string) (a auth.Approval, ref string, err error) {
	refused := &auth.Error{Code: auth.InvalidGrant, Detail: "the device code is not valid"}
	payload, _, ok := s.deviceCodes().Parse(deviceCode)
	if !ok {
		return auth.Approval{}, "", refused
	}
	userCode, secret := string(payload[:userCodeLen]), payload[userCodeLen:]
	d, err := s.Devices.PollDevice(ctx, userCode, client.ID, sha256Sum(secret), s.Now())
	switch {
	case auth.CodeOf(err) == auth.NotFound:
		return auth.Approval{}, "", &auth.Error{Code: auth.ExpiredToken, Detail: "the device code has expired, begin again"}
	case err != nil:
		return auth.Approval{}, "", err
	case d.State == auth.DevicePending:
		return auth.Approval{}, "", &auth.Error{Code: auth.AuthorizationPending, Detail: "the user has not decided yet"}
	case d.State != auth.DeviceApproved:
		return auth.Approval{}, "", &auth.Error{Code: auth.AccessDenied, Detail: "the user has refused"}
	}
	if a, err = s.Codes.Code(ctx, d.Code, approvalSecret(userCode)); err != nil {
		return auth.Approval{}, "", err
	}
	// Approving is consenting, and an approval can lie longer than a code: one whose consent was withdrawn is none (row O-18).
	_, err = s.Consents.Consent(ctx, a.User, a.Org, a.Client)
	if a.Client != client.ID || auth.CodeOf(err) == auth.NotFound {
		return auth.Approval{}, "", refused
	}
	return a, d.Code, err
}
