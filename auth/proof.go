package auth

import (
	"context"
	"strings"
	"time"

	"github.com/claimsmith/claimsmith/claims"
)

// Types of access tokens (RFC 6749 §7.1): what the holder has to present one as.
const (
	TokenBearer = "Bearer"
	TokenDPoP   = "DPoP" // RFC 9449 §5, bound to a key
)

// Proof is what a request brings to prove the possession of a key (RFC 9449 §4), and the request it proves it for. Without headers
// it is none.
type Proof struct {
	// Headers are all values of the request's DPoP headers.
	Headers []string
	// Method is the request's, URL the address of the endpoint as it is published, without query.
	Method, URL string
}

// Given reports whether there is one.
func (p Proof) Given() bool { return len(p.Headers) > 0 }

// Proofs checks proofs of possession. Each works once, at whichever instance (row O-24).
type Proofs struct {
	Once OnceStore
	Now  func() time.Time
}

// onceProof is the kind of use OnceStore remembers for proofs.
const onceProof = "dpop"

// Verify checks a proof but for its having been used before, and returns the thumbprint of the key it proves. accessToken is the
// token it comes with, "" where there is none yet. The error is InvalidProof.
func (p *Proofs) Verify(proof Proof, accessToken string) (*claims.Proof, error) {
	if len(proof.Headers) != 1 {
		return nil, &Error{Code: InvalidProof, Detail: "exactly one DPoP header is required"} // RFC 9449 §4.3, 1
	}
	verified, err := claims.VerifyProof(proof.Headers[0], claims.ExpectedProof{
		Method: proof.Method, URL: proof.URL, AccessToken: accessToken, Now: p.Now(),
	})
	if err != nil {
		return nil, &Error{Code: InvalidProof,
			Detail: "the DPoP proof is not valid: " + strings.TrimPrefix(err.Error(), "claims: "), Err: err,
		}
	}
	return verified, nil
}

// Spend uses a verified proof up: InvalidProof if it has been used before.
func (p *Proofs) Spend(ctx context.Context, proof *claims.Proof) error {
	subject := proof.KeyThumbprint + "\x00" + proof.ID
	first, err := p.Once.Once(ctx, onceProof, subject, newOperation(), proof.IssuedAt.Add(claims.ProofWindow+claims.MaxLeeway))
	if err != nil {
		return err
	}
	if !first {
		return &Error{Code: InvalidProof, Detail: "this DPoP proof has been used before"}
	}
	return nil
}

// Check verifies a proof and spends it, and returns the thumbprint of its key, "" where no proof is given.
func (p *Proofs) Check(ctx context.Context, proof Proof, accessToken string) (keyThumbprint string, err error) {
	if !proof.Given() {
		return "", nil
	}
	verified, err := p.Verify(proof, accessToken)
	if err != nil {
		return "", err
	}
	if err := p.Spend(ctx, verified); err != nil {
		return "", err
	}
	return verified.KeyThumbprint, nil
}
