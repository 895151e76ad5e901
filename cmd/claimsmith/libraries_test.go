package main

import (
	"net/http"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/claimsmith/claimsmith/internal/redistest"
)

// golang.org/x/oauth2 and go-oidc as a web application: code with PKCE, ID token, userinfo, refresh.
func TestGoLibrariesAsWebApplication(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Embedded(t).Client)
	w.put("/api/user/jane/metadata/theme", adminToken, `{"value":"Dark Mode","profileClaim":true}`).want(t, http.StatusOK)
	secret := w.webClient("shop", "")
	ctx := oidc.ClientContext(t.Context(), &http.Client{Transport: roundTripper{w}})
	provider, err := oidc.NewProvider(ctx, testIssuer)
	if err != nil {
		t.Fatal(err)
	}
	config := oauth2.Config{
		ClientID: "shop", ClientSecret: secret, Endpoint: provider.Endpoint(), RedirectURL: webRedirect,
		Scopes: []string{oidc.ScopeOpenID, "profile", "email"},
	}
	verifier := oauth2.GenerateVerifier()
	address := config.AuthCodeURL("a-state", oauth2.S256ChallengeOption(verifier), oidc.Nonce("a-nonce"))
	answer := w.newBrowser().open(address).signIn().submit("approve").answered()
	if answer.Get("state") != "a-state" {
		t.Errorf("state %q", answer.Get("state"))
	}
	token, err := config.Exchange(ctx, answer.Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatal(err)
	}
	text, _ := token.Extra("id_token").(string)
	id, err := provider.VerifierContext(ctx, &oidc.Config{ClientID: "shop", Now: w.clock.Now}).Verify(ctx, text)
	if err != nil {
		t.Fatal(err)
	}
	if err := id.VerifyAccessToken(token.AccessToken); err != nil || id.Nonce != "a-nonce" || id.Subject != "jane-id" {
		t.Errorf("ID token %+v: %v", id, err)
	}
	info, err := provider.UserInfo(ctx, oauth2.StaticTokenSource(token))
	if err != nil || info.Subject != id.Subject || info.Email != janeMail || !info.EmailVerified {
		t.Errorf("userinfo %+v: %v", info, err)
	}
	var shown struct {
		Theme string `json:"metadata_theme"`
	}
	if err := info.Claims(&shown); err != nil || shown.Theme != "Dark Mode" {
		t.Errorf("metadata %+v: %v", shown, err)
	}
	refreshed, err := config.TokenSource(ctx, &oauth2.Token{RefreshToken: token.RefreshToken}).Token()
	if err != nil || refreshed.RefreshToken == token.RefreshToken {
		t.Errorf("refresh: %+v, %v", refreshed, err)
	}
	// The library's second use of the code is the theft it would be.
	if _, err := config.Exchange(ctx, answer.Get("code"), oauth2.VerifierOption(verifier)); err == nil {
		t.Error("a code works twice")
	}
	if _, err := provider.UserInfo(ctx, oauth2.StaticTokenSource(refreshed)); err == nil {
		t.Error("what the code gave outlives its replay")
	}
}

// golang.org/x/oauth2 as a device, its user with a browser elsewhere.
func TestGoLibrariesAsDevice(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.Embedded(t).Client)
	w.post("/api/client", adminToken, `{"client_id":"tv","preset":"device"}`).want(t, http.StatusCreated)
	ctx := oidc.ClientContext(t.Context(), &http.Client{Transport: roundTripper{w}})
	provider, err := oidc.NewProvider(ctx, testIssuer)
	if err != nil {
		t.Fatal(err)
	}
	config := oauth2.Config{ClientID: "tv", Endpoint: provider.Endpoint(), Scopes: []string{oidc.ScopeOpenID}}
	device, err := config.DeviceAuth(ctx)
	if err != nil {
		t.Fatal(err)
	}
	page := w.newBrowser().open(device.VerificationURI).submit("continue", "user_code", device.UserCode).signIn()
	page.submit("approve").want(http.StatusOK)
	device.Interval = 1 // of the library's own clock
	device.Expiry = time.Time{}
	token, err := config.DeviceAccessToken(ctx, device)
	if err != nil {
		t.Fatal(err)
	}
	text, _ := token.Extra("id_token").(string)
	if id, err := provider.VerifierContext(ctx, &oidc.Config{ClientID: "tv", Now: w.clock.Now}).Verify(ctx, text); err != nil || id.Subject != "jane-id" {
		t.Errorf("ID token %+v: %v", id, err)
	}
}
