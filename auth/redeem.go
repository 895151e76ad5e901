package auth

import (
	"context"
	"time"
)

var errCode = &Error{Code: InvalidGrant, Detail: "the code is not valid, or it has been used"}

// Redeem issues the first tokens of a login a user has approved, and begins its family. That the code is the client's, and
// whatever else it is bound to, has been checked.
func (i *Issuer) Redeem(ctx context.Context, client *Client, ref string, a Approval, keyThumbprint string) (Tokens, error) {
	now := i.Now()
	if err := i.standing(ctx, client, a.Org, a.CreatedAt, errCode); err != nil {
		return Tokens{}, err
	}
	scope := stillAllowed(client, a.Scope)
	family, idle := i.newFamily(now, client, a.Subject, scope, keyThumbprint)
	family.Session, family.Requested = a.Session, a.Requested.stillFor(client)
	secret := newRefreshSecret()
	with, read := i.prepare(ctx, client, family.FamilyRef)
	err := i.Codes.Redeem(with, ref, family, sha256Sum(secret), now, idle, maxFamilies)
	if CodeOf(err) == InvalidGrant {
		return Tokens{}, &Error{Code: InvalidGrant, Detail: errCode.Detail, Err: err} // why is nothing for the client
	}
	if err == nil {
		var tokens Tokens
		n := issue{now: family.CreatedAt, family: family, scope: scope, nonce: a.Nonce, keyThumbprint: keyThumbprint}
		if tokens, err = i.redeemed(ctx, read, n); err == nil {
			return i.withRefreshToken(tokens, client, family, secret), nil
		}
	}
	i.abandon(ctx, family.FamilyRef)
	return Tokens{}, err
}

func (i *Issuer) redeemed(ctx context.Context, read func(scope string) (view, error), n issue) (Tokens, error) {
	var err error
	if n.view, err = read(n.scope); err != nil {
		return Tokens{}, err
	}
	if n.profile, err = i.profile(ctx, n.family, n.scope); err != nil {
		return Tokens{}, err
	}
	return i.forUser(n)
}

// abandonTimeout is how long abandon tries.
const abandonTimeout = time.Second

// abandon ends a family nobody has got a token of, if it exists. Where that fails it ends by itself, unused.
func (i *Issuer) abandon(ctx context.Context, ref FamilyRef) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abandonTimeout)
	defer cancel()
	_ = i.Families.Revoke(ctx, ref, "")
}
