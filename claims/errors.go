package claims

import "errors"

// Why a token was refused; compare with [errors.Is]. All but ErrUnavailable are verdicts about the token, which will not
// verify later either (ErrNotYetValid and ErrKeyUnknown aside): answer 401. Their text is safe to log, it quotes no claim
// values and nothing of the token that could be used.
var (
	// ErrMalformed: not a compact JWS of at most 16 KiB in strict base64url, or its JSON is ambiguous or of a wrong type.
	ErrMalformed = errors.New("claims: malformed token")
	// ErrType: another kind of token, such as an ID token where an access token is due.
	ErrType = errors.New("claims: wrong token type")
	// ErrAlgorithm: an algorithm that is not allowed, or not the one of the key.
	ErrAlgorithm = errors.New("claims: wrong signature algorithm")
	// ErrKeyUnknown: the issuer has no such key.
	ErrKeyUnknown = errors.New("claims: unknown signing key")
	// ErrSignature: the signature is not by the key.
	ErrSignature = errors.New("claims: wrong signature")
	// ErrMissing: a required claim is absent, empty or out of range.
	ErrMissing = errors.New("claims: required claim missing or out of range")
	// ErrIssuer: another issuer.
	ErrIssuer = errors.New("claims: wrong issuer")
	// ErrAudience: meant for somebody else.
	ErrAudience = errors.New("claims: wrong audience")
	// ErrExpired: no longer valid.
	ErrExpired = errors.New("claims: token has expired")
	// ErrNotYetValid: issued in the future, by more than the leeway.
	ErrNotYetValid = errors.New("claims: token is not valid yet")
	// ErrProof: a proof of possession that is missing, by another key than the token is bound to, or for another request.
	ErrProof = errors.New("claims: no proof of possession for this request")
	// ErrNonce: an ID token for another authentication request.
	ErrNonce = errors.New("claims: wrong nonce")
	// ErrAccessTokenHash: an ID token issued with another access token.
	ErrAccessTokenHash = errors.New("claims: wrong at_hash")

	// ErrUnavailable: the issuer's keys could not be had, so nothing is known about the token. Answer 503.
	ErrUnavailable = errors.New("claims: signing keys unavailable")

	// ErrNoMetadata: the token has no metadata claim of that key.
	ErrNoMetadata = errors.New("claims: no such metadata claim")
)
