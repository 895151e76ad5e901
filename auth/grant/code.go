package grant

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"

	"github.com/claimsmith/claimsmith/auth"
)

// CodeSource knows what authorization codes stand for. *authorize.Service is one.
type CodeSource interface {
	// Code returns the approval and the reference Issuer.Redeem wants. InvalidGrant: there is none.
	Code(ctx context.Context, code string) (a auth.Approval, ref string, err error)
}

// AuthorizationCode is the authorization_code grant (RFC 6749 §4.1.3) with PKCE (RFC 7636 §4.5).
type AuthorizationCode struct {
	Codes  CodeSource
	Issuer *auth.Issuer
}

// Type implements Grant.
func (AuthorizationCode) Type() string { return auth.GrantAuthorizationCode }

// Authorize implements Grant. Whatever is wrong with a request, the code stays as it is: only who could have redeemed it can use
// it up, and only he can end with a second use what the first has begun (rows O-04, O-05).
func (g AuthorizationCode) Authorize(ctx context.Context, client *auth.Client, r Request) (auth.Tokens, About, error) {
	if r.Code == "" {
		return auth.Tokens{}, About{}, &auth.Error{Code: auth.InvalidRequest, Field: "code", Detail: "code is required"}
	}
	a, ref, err := g.Codes.Code(ctx, r.Code)
	if err != nil {
		return auth.Tokens{}, About{}, err
	}
	if a.Client != client.ID { // about whom is nothing for this client's log either
		return auth.Tokens{}, About{}, invalidCode("the code is not valid, or it is not this client's")
	}
	about := About{Target: "user:" + a.User, Org: a.Org}
	switch {
	case a.RedirectURI != r.RedirectURI: // RFC 6749 §4.1.3
		err = invalidCode("redirect_uri must be that of the authorization request")
	case a.Challenge == "" && r.CodeVerifier != "": // RFC 9700 §2.1.1, a request was stripped of its challenge
		err = invalidCode("there was no code_challenge in the authorization request")
	case a.Challenge != "" && !meets(a.Challenge, r.CodeVerifier):
		err = invalidCode("code_verifier must be the 43 to 128 characters the code_challenge was made of")
	case a.KeyThumbprint != "" && a.KeyThumbprint != r.keyThumbprint: // RFC 9449 §10
		err = invalidCode("the code is bound to the DPoP key of the authorization request")
	}
	if err != nil {
		return auth.Tokens{}, about, err
	}
	tokens, err := g.Issuer.Redeem(ctx, client, ref, a, r.keyThumbprint)
	return tokens, about, err
}

func invalidCode(detail string) error { return &auth.Error{Code: auth.InvalidGrant, Detail: detail} }

// meets reports whether a verifier has the form of RFC 7636 §4.1 and is what the challenge was made of, by method S256 (§4.6).
func meets(challenge, verifier string) bool {
	if len(verifier) < 43 || len(verifier) > 128 {
		return false
	}
	for i := range len(verifier) {
		switch c := verifier[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '.', c == '_', c == '~':
		default:
			return false
		}
	}
	sum := sha256.Sum256([]byte(verifier))
	return subtle.ConstantTimeCompare([]byte(base64.RawURLEncoding.EncodeToString(sum[:])), []byte(challenge)) == 1
}
