package e2e

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// golang.org/x/oauth2 as a machine client, in both ways to authenticate.
func TestOAuth2LibraryAsMachine(t *testing.T) {
	t.Parallel()
	s := dev(t)
	created := s.send(http.MethodPost, "/api/client", devOperator, `{"client_id":"sync","grant_types":["client_credentials"],"scopes":["iam/"]}`)
	secret := created.want(t, http.StatusCreated).text(t, "client_secret")
	for _, style := range []oauth2.AuthStyle{oauth2.AuthStyleInHeader, oauth2.AuthStyleInParams} {
		config := clientcredentials.Config{
			ClientID: "sync", ClientSecret: secret, TokenURL: s.issuer + "/oauth/token", Scopes: []string{"iam/"}, AuthStyle: style,
		}
		response, err := config.Client(t.Context()).Get(s.url + "/api/user/jane/metadata")
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil || response.StatusCode != http.StatusOK || string(body) != `{"metadata":[]}` {
			t.Errorf("style %d: %d %s, %v", style, response.StatusCode, body, err)
		}

		config.ClientSecret = "wrong"
		_, err = config.Token(t.Context())
		var failure *oauth2.RetrieveError
		if !errors.As(err, &failure) || failure.ErrorCode != "invalid_client" {
			t.Errorf("style %d: a wrong secret: %v", style, err)
		}
	}
}

// golang.org/x/oauth2 and go-oidc as an application: discovery, login, refresh, ID token, userinfo.
func TestOIDCLibraryAsApplication(t *testing.T) {
	t.Parallel()
	s := dev(t)
	s.send(http.MethodPut, "/api/user/jane/metadata/theme", devOperator, `{"value":"Dark Mode","profileClaim":true}`).want(t, http.StatusOK)
	provider, err := oidc.NewProvider(t.Context(), s.issuer)
	if err != nil {
		t.Fatal(err)
	}
	config := oauth2.Config{ClientID: "demo", Endpoint: provider.Endpoint()}
	token, err := config.PasswordCredentialsToken(t.Context(), janeMail, devPassword)
	if err != nil {
		t.Fatal(err)
	}
	if left := time.Until(token.Expiry); left < 9*time.Minute || left > 10*time.Minute {
		t.Errorf("the token lives for %s", left)
	}
	first := idTokenOf(t, provider, token)
	if first.MetadataTheme != "Dark Mode" {
		t.Errorf("the ID token says %+v", first)
	}

	// An expired token is refreshed, with the metadata of now.
	s.send(http.MethodPut, "/api/user/jane/metadata/theme", devOperator, `{"value":"Light","profileClaim":true}`).want(t, http.StatusOK)
	old := *token
	old.Expiry = time.Now().Add(-time.Minute)
	refreshed, err := config.TokenSource(t.Context(), &old).Token()
	if err != nil {
		t.Fatal(err)
	}
	if refreshed.AccessToken == token.AccessToken || refreshed.RefreshToken == token.RefreshToken {
		t.Error("the tokens are the same")
	}
	second := idTokenOf(t, provider, refreshed)
	if second.MetadataTheme != "Light" || second.subject != first.subject || second.AuthTime != first.AuthTime {
		t.Errorf("the ID token said %+v and says %+v", first, second)
	}

	info, err := provider.UserInfo(t.Context(), oauth2.StaticTokenSource(refreshed))
	if err != nil {
		t.Fatal(err)
	}
	var profile struct {
		Name          string `json:"name"`
		MetadataTheme string `json:"metadata_theme"`
	}
	if err := info.Claims(&profile); err != nil {
		t.Fatal(err)
	}
	if info.Subject != first.subject || info.Email != janeMail || !info.EmailVerified || profile.Name != "Jane Doe" || profile.MetadataTheme != "Light" {
		t.Errorf("userinfo says %+v, %+v", info, profile)
	}

	// The library refuses what is not this client's.
	if _, err := provider.Verifier(&oidc.Config{ClientID: "login"}).Verify(t.Context(), rawIDToken(t, token)); err == nil {
		t.Error("an ID token for another client is accepted")
	}
}

type idToken struct {
	MetadataTheme string `json:"metadata_theme"`
	AuthTime      int64  `json:"auth_time"`
	subject       string
}

func rawIDToken(t *testing.T, token *oauth2.Token) string {
	t.Helper()
	raw, ok := token.Extra("id_token").(string)
	if !ok || strings.Count(raw, ".") != 2 {
		t.Fatalf("there is no ID token: %v", token.Extra("id_token"))
	}
	return raw
}

// idTokenOf verifies the ID token that came with an access token, and that they belong together.
func idTokenOf(t *testing.T, provider *oidc.Provider, token *oauth2.Token) idToken {
	t.Helper()
	verified, err := provider.Verifier(&oidc.Config{ClientID: "demo"}).Verify(context.Background(), rawIDToken(t, token))
	if err != nil {
		t.Fatal(err)
	}
	if err := verified.VerifyAccessToken(token.AccessToken); err != nil {
		t.Error(err)
	}
	id := idToken{subject: verified.Subject}
	if err := verified.Claims(&id); err != nil {
		t.Fatal(err)
	}
	return id
}
