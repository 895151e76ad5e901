package grant_test

import (
	"context"
	"crypto/sha256"
	"strings"
	"testing"
	"time"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/auth/grant"
	"github.com/claimsmith/claimsmith/auth/ticket"
	"github.com/claimsmith/claimsmith/internal/redistest"
)

func canonical(userCode string) string { return strings.ReplaceAll(userCode, "-", "") }

// approveDevice is what jane does on the device page.
func (w *world) approveDevice(userCode, client, keyThumbprint string) {
	w.t.Helper()
	ctx, now, code := context.Background(), w.clock.Now(), canonical(userCode)
	hash := sha256.Sum256([]byte("device approval\x00" + code)) // as package authorize has it
	ref, err := w.CreateCode(ctx, ticket.Random(12), auth.Approval{
		Subject: auth.Subject{User: "jane-id", Org: auth.DefaultOrg, AuthTime: now, AMR: []string{"pwd"}, Epoch: 1},
		Client:  client, Scope: "openid", KeyThumbprint: keyThumbprint, CreatedAt: now, ExpiresAt: now.Add(10 * time.Minute),
	}, hash[:])
	check(w.t, err)
	check(w.t, w.PutConsent(ctx, "jane-id", auth.Consent{Org: auth.DefaultOrg, Client: client, Scopes: []string{"openid"}, GrantedAt: now}))
	check(w.t, w.SettleDevice(ctx, code, ref, now))
}

func TestDevice(t *testing.T) {
	w := newWorld(t, redistest.Embedded(t))
	ctx := context.Background()
	key, other := newKeyPair(t), newKeyPair(t)
	tv := w.client("tv", public)
	w.client("radio", public)
	poll := func(client, code string, proof auth.Proof) grant.Request {
		return grant.Request{GrantType: auth.GrantDeviceCode, Credentials: grant.Credentials{ClientID: client}, DeviceCode: code, Proof: proof}
	}
	device, err := w.authorize.BeginDevice(ctx, tv, "openid", "", key.thumbprint, "192.0.2.1")
	check(t, err)
	w.refused("no code", poll("tv", "", auth.Proof{}), auth.InvalidRequest)
	w.refused("another client", poll("radio", device.DeviceCode, auth.Proof{}), auth.InvalidGrant)
	w.refused("pending", poll("tv", device.DeviceCode, auth.Proof{}), auth.AuthorizationPending)
	w.refused("at once", poll("tv", device.DeviceCode, auth.Proof{}), auth.AuthorizationPending) // the very same poll, repeated
	w.advance(time.Second)
	w.refused("too fast", poll("tv", device.DeviceCode, auth.Proof{}), auth.SlowDown)

	w.approveDevice(device.UserCode, "tv", key.thumbprint)
	w.advance(15 * time.Second)
	w.refused("without the key", poll("tv", device.DeviceCode, auth.Proof{}), auth.InvalidGrant)
	w.refused("by another key", poll("tv", device.DeviceCode, w.proof(other, "")), auth.InvalidGrant)
	w.refused("another client, approved", poll("radio", device.DeviceCode, w.proof(key, "")), auth.InvalidGrant)
	tokens := w.token(poll("tv", device.DeviceCode, w.proof(key, "")))
	if tokens.TokenType != auth.TokenDPoP || tokens.IDToken == "" || tokens.RefreshToken == "" {
		t.Errorf("tokens %+v", tokens)
	}
	w.refused("again", poll("tv", device.DeviceCode, w.proof(key, "")), auth.InvalidGrant)
	if w.active(tokens.AccessToken) {
		t.Error("the access token stands after the device code was used twice")
	}

	denied, err := w.authorize.BeginDevice(ctx, tv, "openid", "", "", "192.0.2.1")
	check(t, err)
	check(t, w.SettleDevice(ctx, canonical(denied.UserCode), "", w.clock.Now()))
	w.refused("denied", poll("tv", denied.DeviceCode, auth.Proof{}), auth.AccessDenied)
	late, err := w.authorize.BeginDevice(ctx, tv, "openid", "", "", "192.0.2.1")
	check(t, err)
	w.advance(late.Lifetime + time.Second)
	w.refused("too late", poll("tv", late.DeviceCode, auth.Proof{}), auth.ExpiredToken)
}
