package grant

import (
	"context"

	"github.com/claimsmith/claimsmith/auth"
)

// prove checks that a client has the key it claims to have, and that it claims to have one if it has to.
func (d *Dispatcher) prove(ctx context.Context, client *auth.Client, proof auth.Proof) (keyThumbprint string, err error) {
	if client.RequireDPoP && !proof.Given() {
		// RFC 9449 §5.2 has the request rejected and leaves the code open; §5 has this one for a proof that does not do.
		return "", &auth.Error{Code: auth.InvalidProof, Detail: "this client must send a DPoP proof in the header DPoP"}
	}
	return d.Proofs.Check(ctx, proof, "")
}
