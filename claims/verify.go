package claims

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// Access is a verified access token.
type Access struct {
	AccessToken
	Metadata Metadata
}

// Identity is a verified ID token. Its Profile has what the token says of the user, and Requested is nil.
type Identity struct {
	IDToken
	Metadata Metadata
}

// VerifyAccessToken checks an access token as RFC 9068 §4 and RFC 8725 demand of a resource server. It cannot see that a
// token has been revoked; introspection can. A token that is bound to a key is ErrProof: whoever brings it has to prove more, see
// [Verifier.VerifyBoundToken]. The error is one of this package's (see [ErrMalformed]) wrapped with detail.
func (v *Verifier) VerifyAccessToken(ctx context.Context, token string) (*Access, error) {
	access, err := v.verifyOwnAudience(ctx, token)
	if err == nil && access.KeyThumbprint != "" {
		return nil, ErrProof
	}
	return access, err
}

// VerifyBoundToken checks an access token of the scheme DPoP (RFC 9449 §7.1) with the proof of its key, the value of the one DPoP
// header of a request with that method and URL. Each proof is accepted once by one Verifier.
func (v *Verifier) VerifyBoundToken(ctx context.Context, token, proof, method, url string) (*Access, error) {
	access, err := v.verifyOwnAudience(ctx, token)
	if err != nil {
		return nil, err
	}
	now := v.now()
	verified, err := VerifyProof(proof, ExpectedProof{Method: method, URL: url, AccessToken: token, Now: now})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrProof, err)
	}
	if verified.KeyThumbprint != access.KeyThumbprint {
		return nil, fmt.Errorf("%w: another key", ErrProof)
	}
	if !v.proofs.first(verified, now) {
		return nil, fmt.Errorf("%w: used before", ErrProof)
	}
	return access, nil
}

func (v *Verifier) verifyOwnAudience(ctx context.Context, token string) (*Access, error) {
	access, err := v.VerifyAnyAudience(ctx, token)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(access.Audience, v.audience) {
		return nil, ErrAudience
	}
	return access, nil
}

// VerifyAnyAudience checks an access token but for its audience and for its being bound to a key. It is for the issuer's own
// introspection and revocation; a resource server that used it would accept tokens meant for others.
func (v *Verifier) VerifyAnyAudience(ctx context.Context, token string) (*Access, error) {
	jws, err := v.verifySignature(ctx, token, "at+jwt", "application/at+jwt")
	if err != nil {
		return nil, err
	}
	var p accessPayload
	if err := parsePayload(jws.payload, &p); err != nil {
		return nil, err
	}
	switch {
	case p.ID == "":
		return nil, fmt.Errorf("%w: jti", ErrMissing)
	case p.ClientID == "":
		return nil, fmt.Errorf("%w: client_id", ErrMissing)
	case p.Confirmation != nil && p.Confirmation.KeyThumbprint == "": // how to confirm it is not known here
		return nil, fmt.Errorf("%w: cnf", ErrMissing)
	}
	if err := v.checkCommon(&p.commonPayload); err != nil {
		return nil, err
	}
	if err := v.checkExpiry(&p.commonPayload); err != nil {
		return nil, err
	}
	return p.access(), nil
}

// Expected is what the client knows of the ID token it is to receive.
type Expected struct {
	// ClientID is the client's, which must be in aud. Required.
	ClientID string
	// Nonce is the one of the authentication request, "" if it had none.
	Nonce string
	// AccessToken is the one that came with the ID token; "" leaves at_hash unchecked.
	AccessToken string
}

// VerifyIDToken checks an ID token as OpenID Connect Core §3.1.3.7 demands of a client.
func (v *Verifier) VerifyIDToken(ctx context.Context, token string, want Expected) (*Identity, error) {
	if want.ClientID == "" {
		return nil, fmt.Errorf("%w: no client expected", ErrAudience)
	}
	p, alg, err := v.verifyID(ctx, token)
	if err != nil {
		return nil, err
	}
	if err := v.checkExpiry(&p.commonPayload); err != nil {
		return nil, err
	}
	switch {
	case !slices.Contains(p.Audience, want.ClientID):
		return nil, ErrAudience
	case p.AuthorizedParty != "" && p.AuthorizedParty != want.ClientID, p.AuthorizedParty == "" && len(p.Audience) > 1:
		return nil, fmt.Errorf("%w: azp", ErrAudience)
	case p.Nonce != want.Nonce:
		return nil, ErrNonce
	}
	if p.AccessTokenHash != "" && want.AccessToken != "" {
		if hash, err := AccessTokenHash(alg, want.AccessToken); err != nil || hash != p.AccessTokenHash {
			return nil, ErrAccessTokenHash
		}
	}
	return p.identity(), nil
}

// VerifyIDTokenHint checks an id_token_hint for the issuer that minted it: it may have expired and be for any client
// (OpenID Connect Core §3.1.2.1, RP-Initiated Logout §4). It authenticates nobody.
func (v *Verifier) VerifyIDTokenHint(ctx context.Context, token string) (*Identity, error) {
	p, _, err := v.verifyID(ctx, token)
	if err != nil {
		return nil, err
	}
	return p.identity(), nil
}

func (v *Verifier) verifyID(ctx context.Context, token string) (p *idPayload, alg string, err error) {
	jws, err := v.verifySignature(ctx, token, "JWT", "")
	if err != nil {
		return nil, "", err
	}
	p = new(idPayload)
	if err := parsePayload(jws.payload, p); err != nil {
		return nil, "", err
	}
	return p, jws.header.Algorithm, v.checkCommon(&p.commonPayload)
}

// verifySignature takes a token apart and returns it once its signature holds and its typ is one of types. Nothing of the
// payload is looked at before.
func (v *Verifier) verifySignature(ctx context.Context, token string, types ...string) (compact, error) {
	jws, err := parseCompact(token)
	if err != nil {
		return compact{}, err
	}
	if !slices.Contains(types, jws.header.Type) {
		return compact{}, ErrType
	}
	method, ok := v.methods[jws.header.Algorithm]
	if !ok {
		return compact{}, ErrAlgorithm
	}
	key, err := v.keys.Key(ctx, jws.header.KeyID)
	switch {
	case errors.Is(err, ErrKeyUnknown), errors.Is(err, ErrUnavailable):
		return compact{}, err
	case err != nil: // whatever it is, it says nothing about the token
		return compact{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	// The key says which algorithm (RFC 8725 §3.1); the header, having been signed by it, can only agree.
	if key.Algorithm != jws.header.Algorithm {
		return compact{}, fmt.Errorf("%w: key is for another", ErrAlgorithm)
	}
	if err := method.Verify(jws.signed, jws.signature, key.Public); err != nil {
		return compact{}, ErrSignature
	}
	return jws, nil
}

// checkCommon checks what every kind of token needs but for exp having passed.
func (v *Verifier) checkCommon(p *commonPayload) error {
	switch {
	case p.Issuer == "":
		return fmt.Errorf("%w: iss", ErrMissing)
	case p.Subject == "":
		return fmt.Errorf("%w: sub", ErrMissing)
	case len(p.Audience) == 0, slices.Contains(p.Audience, ""):
		return fmt.Errorf("%w: aud", ErrMissing)
	case !p.ExpiresAt.sane():
		return fmt.Errorf("%w: exp", ErrMissing)
	case !p.IssuedAt.sane():
		return fmt.Errorf("%w: iat", ErrMissing)
	case p.Issuer != v.issuer:
		return ErrIssuer
	}
	limit := v.now().Add(v.leeway)
	if p.IssuedAt.time().After(limit) || p.NotBefore.time().After(limit) {
		return ErrNotYetValid
	}
	return nil
}

func (v *Verifier) checkExpiry(p *commonPayload) error {
	if !v.now().Before(p.ExpiresAt.time().Add(v.leeway)) {
		return ErrExpired
	}
	return nil
}
