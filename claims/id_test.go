package claims_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/claimsmith/claimsmith/claims"
)

// SECURITY.md T-06: every kind of token with a payload that would do for all, where each kind is taken. Only the diagonal
// succeeds.
func TestTokenTypes(t *testing.T) {
	v := testVerifier(t)
	ctx := context.Background()
	payload := payloadWith(t, pair{"azp", `"https://api.example"`})
	verifyID := func(token string) error {
		_, err := v.VerifyIDToken(ctx, token, claims.Expected{ClientID: audience})
		return err
	}
	verifyHint := func(token string) error {
		_, err := v.VerifyIDTokenHint(ctx, token)
		return err
	}
	verifyAccess := func(token string) error {
		_, err := v.VerifyAccessToken(ctx, token)
		return err
	}
	const access, id = "access", "id"
	for typ, kind := range map[string]string{
		`"at+jwt"`: access, `"application/at+jwt"`: access, `"JWT"`: id, `""`: id, `null`: id, `absent`: id,
		`"AT+JWT"`: "", `"at+JWT"`: "", `"jwt"`: "", `"application/jwt"`: "", `"at+jwt "`: "", `"logout+jwt"`: "", `"dpop+jwt"`: "",
		`"secevent+jwt"`: "", `"JOSE"`: "", `"application/"`: "",
	} {
		header := `{"alg":"ES256","kid":"` + es256().kid + `","typ":` + typ + `}`
		if typ == "absent" {
			header = `{"alg":"ES256","kid":"` + es256().kid + `"}`
		}
		token := es256().sign(header, payload)
		for _, endpoint := range []struct {
			takes  string
			verify func(string) error
		}{{access, verifyAccess}, {id, verifyID}, {id, verifyHint}} {
			var want error
			if endpoint.takes != kind {
				want = claims.ErrType
			}
			if err := endpoint.verify(token); !errors.Is(err, want) {
				t.Errorf("typ %s as %s token: error %v, want %v", typ, endpoint.takes, err, want)
			}
		}
	}
}

func TestVerifyIDToken(t *testing.T) {
	v := testVerifier(t)
	ctx := context.Background()
	base := claims.IDToken{
		Issuer: issuer, Subject: "jane", Audience: []string{"web"}, AuthorizedParty: "web", Nonce: "n1", SessionID: "s1", Org: "default",
		ACR: "1", AMR: []string{"pwd"}, IssuedAt: issuedAt, ExpiresAt: issuedAt.Add(time.Hour), AuthTime: issuedAt, Revision: 7, AppRevision: 2, OrgRevision: 9,
		Profile: claims.Profile{Name: "Jane", Email: "jane@example.com", EmailVerified: true, UpdatedAt: issuedAt, Address: claims.Address{Country: "AT"}},
	}
	token := func(change func(*claims.IDToken)) string {
		id := base
		id.Requested = []string{"name", "email", "email_verified", "updated_at", "address"}
		if change != nil {
			change(&id)
		}
		return rs256().token("JWT", string(id.AppendJSON(nil, profileOf(pair{"n", "9007199254740993"}))))
	}
	const accessToken = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"
	withHash := func(id *claims.IDToken) { id.AccessTokenHash = "77QmUPtjPfzWtF2AnpK9RQ" }

	got, err := v.VerifyIDToken(ctx, token(nil), claims.Expected{ClientID: "web", Nonce: "n1"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(base, got.IDToken); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if n, ok := got.Metadata.Int64("n"); n != 9007199254740993 || !ok {
		t.Errorf("metadata n: %d, %v", n, ok)
	}

	for _, tt := range []struct {
		name   string
		change func(*claims.IDToken)
		want   claims.Expected
		err    error
	}{
		{"a nonce where none was sent", nil, claims.Expected{ClientID: "web"}, claims.ErrNonce},
		{"another nonce", nil, claims.Expected{ClientID: "web", Nonce: "n2"}, claims.ErrNonce},
		{"no nonce where one was sent", func(id *claims.IDToken) { id.Nonce = "" }, claims.Expected{ClientID: "web", Nonce: "n1"}, claims.ErrNonce},
		{"no nonce at all", func(id *claims.IDToken) { id.Nonce = "" }, claims.Expected{ClientID: "web"}, nil},
		{"another client", nil, claims.Expected{ClientID: "app", Nonce: "n1"}, claims.ErrAudience},
		{"no client expected", func(id *claims.IDToken) { id.Audience, id.AuthorizedParty = []string{""}, "" }, claims.Expected{Nonce: "n1"}, claims.ErrAudience},
		{"azp another client", func(id *claims.IDToken) { id.AuthorizedParty = "app" }, claims.Expected{ClientID: "web", Nonce: "n1"}, claims.ErrAudience},
		{"one audience without azp", func(id *claims.IDToken) { id.AuthorizedParty = "" }, claims.Expected{ClientID: "web", Nonce: "n1"}, nil},
		{"two audiences without azp", func(id *claims.IDToken) { id.Audience, id.AuthorizedParty = []string{"web", "app"}, "" },
			claims.Expected{ClientID: "web", Nonce: "n1"}, claims.ErrAudience},
		{"two audiences with azp", func(id *claims.IDToken) { id.Audience = []string{"app", "web"} }, claims.Expected{ClientID: "web", Nonce: "n1"}, nil},
		{"the access token it came with", withHash, claims.Expected{ClientID: "web", Nonce: "n1", AccessToken: accessToken}, nil},
		{"another access token", withHash, claims.Expected{ClientID: "web", Nonce: "n1", AccessToken: "x"}, claims.ErrAccessTokenHash},
		{"a hash that nobody checks", withHash, claims.Expected{ClientID: "web", Nonce: "n1"}, nil},
		{"no hash", nil, claims.Expected{ClientID: "web", Nonce: "n1", AccessToken: accessToken}, nil},
		{"expired", func(id *claims.IDToken) { id.ExpiresAt = issuedAt.Add(-time.Hour) }, claims.Expected{ClientID: "web", Nonce: "n1"}, claims.ErrExpired},
		{"no exp", func(id *claims.IDToken) { id.ExpiresAt = time.Time{} }, claims.Expected{ClientID: "web", Nonce: "n1"}, claims.ErrMissing},
		{"another issuer", func(id *claims.IDToken) { id.Issuer = "https://evil.example" }, claims.Expected{ClientID: "web", Nonce: "n1"}, claims.ErrIssuer},
		{"no sub", func(id *claims.IDToken) { id.Subject = "" }, claims.Expected{ClientID: "web", Nonce: "n1"}, claims.ErrMissing},
	} {
		got, err := v.VerifyIDToken(ctx, token(tt.change), tt.want)
		if !errors.Is(err, tt.err) || (got == nil) != (tt.err != nil) {
			t.Errorf("%s: %v, error %v; want error %v", tt.name, got, err, tt.err)
		}
	}

	hint, err := v.VerifyIDTokenHint(ctx, token(func(id *claims.IDToken) { id.ExpiresAt = issuedAt.Add(-time.Hour) }))
	if err != nil || hint.Subject != "jane" || hint.SessionID != "s1" || hint.Audience[0] != "web" {
		t.Errorf("an expired hint: %v, %v", hint, err)
	}
	forged := signer{kid: rs256().kid, alg: "ES256", private: es256().private}
	if _, err := v.VerifyIDTokenHint(ctx, forged.token("JWT", janesPayload())); !errors.Is(err, claims.ErrAlgorithm) {
		t.Errorf("a forged hint: %v", err)
	}
	if hint, err := v.VerifyIDTokenHint(ctx, rs256().token("JWT", payloadWith(t, pair{"iss", `"x"`}))); !errors.Is(err, claims.ErrIssuer) || hint != nil {
		t.Errorf("a hint of another issuer: %v, %v", hint, err)
	}
}
