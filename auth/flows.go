package auth

import (
	"context"
	"slices"
	"time"
)

// RequestedClaims are the names of standard claims a login asked for besides its scopes (OpenID Connect Core §5.5). The zero value has none.
type RequestedClaims struct {
	UserInfo []string `json:"userinfo,omitempty"`
	IDToken  []string `json:"id_token,omitempty"`
}

// Empty reports whether nothing was asked for.
func (r RequestedClaims) Empty() bool { return len(r.UserInfo) == 0 && len(r.IDToken) == 0 }

// ClaimScopes are the claims that can be asked for by name, with the scope that releases them (OpenID Connect Core §5.4).
var ClaimScopes = map[string]string{
	"name": "profile", "given_name": "profile", "family_name": "profile", "middle_name": "profile", "nickname": "profile",
	"preferred_username": "profile", "profile": "profile", "picture": "profile", "website": "profile", "gender": "profile",
	"birthdate": "profile", "zoneinfo": "profile", "locale": "profile", "updated_at": "profile",
	"email": "email", "email_verified": "email", "phone_number": "phone", "phone_number_verified": "phone", "address": "address",
}

// MayAsk reports whether the client may ask for a claim by name: only for those its scopes release.
func (c *Client) MayAsk(claim string) bool {
	scope, known := ClaimScopes[claim]
	return known && slices.Contains(c.Scopes, scope)
}

// stillFor is the part the client may ask for now, like stillAllowed of scopes.
func (r RequestedClaims) stillFor(c *Client) RequestedClaims {
	lost := func(claim string) bool { return !c.MayAsk(claim) }
	return RequestedClaims{slices.DeleteFunc(slices.Clone(r.UserInfo), lost), slices.DeleteFunc(slices.Clone(r.IDToken), lost)}
}

// Approval is what a user has approved for a client and the client has not yet collected: the meaning of an authorization code or of a
// device code.
type Approval struct {
	Subject
	Client string
	Scope  string
	// Session is the browser session it was given in, "" for a device, whose login has nothing to do with that browser.
	Session string
	// RedirectURI as in the authorization request, or "" for a device. Challenge is its PKCE challenge, always S256, or "".
	RedirectURI string
	Challenge   string
	Nonce       string
	Requested   RequestedClaims
	// KeyThumbprint is that of the DPoP key the code is bound to (RFC 9449 §10), "" for none.
	KeyThumbprint string
	// CreatedAt is when it was given.
	CreatedAt time.Time
	ExpiresAt time.Time
}

// CodeStore keeps approvals until they are redeemed, in the slot of their user. A reference is made by the store, leads it back to the
// record, and matches ^[0-9]{1,5}\.[A-Za-z0-9_-]{16}$; it tells nothing about the user.
type CodeStore interface {
	// CreateCode keeps an approval under the SHA-256 of its code's secret. In the same step it makes sure that the user is active, a
	// member of the organisation, of the approval's epoch, and that its session, if any, is alive (else InvalidGrant). id is 12
	// random bytes; the same id with the same secret again is no error.
	CreateCode(ctx context.Context, id []byte, a Approval, secret []byte) (ref string, err error)
	// Code reads an approval. InvalidGrant: there is none with that secret. An approval that was redeemed is still returned, until
	// ten minutes after its end.
	Code(ctx context.Context, ref string, secret []byte) (Approval, error)
	// Redeem turns an approval into a family, in one step: exactly once, while it has not expired (now), the user is active, a member and of
	// its epoch, and its session alive (else InvalidGrant); f is made as by CreateFamily with the same meaning of head, idleUntil and max,
	// and is among what was opened from f.Session if that is not "". A second Redeem ends the family the first one made and is InvalidGrant with Field
	// "replay" (RFC 6749 §4.1.2); the very same one again, by f.ID and head, succeeds again.
	Redeem(ctx context.Context, ref string, f Family, head []byte, now, idleUntil time.Time, max int) error
}

// PushedStore keeps pushed authorization requests (RFC 9126) for the minute or so until they are used.
type PushedStore interface {
	// Push keeps a request under an id of 16 to 43 base64url characters. The same again is no error.
	Push(ctx context.Context, id string, request []byte, until time.Time) error
	// TakePushed returns a request and makes it gone, in one step; the same op gets the same answer again. NotFound: there is none.
	TakePushed(ctx context.Context, id, op string) ([]byte, error)
}

// States of a device's request.
const (
	DevicePending  = "pending"
	DeviceApproved = "approved"
	DeviceDenied   = "denied"
)

// DeviceRequest is a device waiting for its user (RFC 8628). UserCode is in canonical form: eight consonants without a hyphen.
type DeviceRequest struct {
	UserCode string
	Client   string
	Org      string
	Scope    string
	// KeyThumbprint is that of the DPoP key in the device's request, "" for none.
	KeyThumbprint string
	State         string
	// Code refers to the approval in CodeStore once State is DeviceApproved.
	Code      string
	ExpiresAt time.Time
}

// DeviceStore keeps the requests of devices until they expire.
type DeviceStore interface {
	// CreateDevice keeps a pending request under the SHA-256 of its device code's secret. Conflict: the user code is in use.
	CreateDevice(ctx context.Context, d DeviceRequest, secret []byte, interval time.Duration) error
	// Device reads a request. NotFound: there is none, or it has expired.
	Device(ctx context.Context, userCode string, now time.Time) (DeviceRequest, error)
	// SettleDevice approves (code is the reference of the approval) or denies ("") a pending request, once. The same again is no error;
	// Conflict: it was settled otherwise. NotFound as above.
	SettleDevice(ctx context.Context, userCode, code string, now time.Time) error
	// PollDevice reads a request for the device that made it. InvalidGrant: the secret is not its or the client is another's; NotFound:
	// gone or expired. A poll less than the interval after the last one is SlowDown and makes the interval five seconds longer (RFC
	// 8628 §3.5). An approved request is returned as often as it is asked for: its approval is redeemed once.
	PollDevice(ctx context.Context, userCode, client string, secret []byte, now time.Time) (DeviceRequest, error)
}

// OnceStore remembers what may be used only once.
type OnceStore interface {
	// Once reports whether this is the first time, until then, that something of that kind is used. The same op gets the same answer again.
	Once(ctx context.Context, kind, subject, op string, until time.Time) (first bool, err error)
}

// Consent is what a user has let a client have in an organisation.
type Consent struct {
	Org, Client string
	Scopes      []string
	// RedirectURIs are those it was given for: another one is asked about anew (row O-18).
	RedirectURIs []string
	GrantedAt    time.Time
}

// Covers reports whether nothing in a request goes beyond the consent.
func (c *Consent) Covers(scope, redirectURI string) bool {
	return containsAll(c.Scopes, Scopes(scope)) && containsAll(c.RedirectURIs, nonEmpty(redirectURI))
}

func containsAll(have, want []string) bool { return len(without(want, have)) == 0 }

// ConsentStore keeps consents with their user.
type ConsentStore interface {
	// Consent is NotFound where none was given.
	Consent(ctx context.Context, user, org, client string) (Consent, error)
	// PutConsent adds what c has to the consent that is there. InvalidGrant: the user is not active.
	PutConsent(ctx context.Context, user string, c Consent) error
	DeleteConsent(ctx context.Context, user, org, client string) error
	Consents(ctx context.Context, user string) ([]Consent, error)
}

// OriginStore knows which clients' pages come from a web origin. It may name a client that has it no more, never miss one that has.
type OriginStore interface {
	ClientsOfOrigin(ctx context.Context, origin string) (ids []string, err error)
}
