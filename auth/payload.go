package auth

import (
	"iter"

	"github.com/claimsmith/claimsmith/auth/keys"
	"github.com/claimsmith/claimsmith/claims"
)

// payload is a token before it is signed.
type payload struct {
	alg, typ string
	json     []byte
}

func (p payload) sign(ring *keys.Ring) (string, error) {
	text, err := ring.Sign(p.alg, p.typ, p.json)
	if err != nil {
		return "", &Error{Code: Unavailable, Err: err}
	}
	return text, nil
}

// size is the length of what sign would return.
func (p payload) size(ring *keys.Ring) (int, error) {
	size, err := ring.Size(p.alg, p.typ, p.json)
	if err != nil {
		return 0, &Error{Code: Unavailable, Err: err}
	}
	return size, nil
}

func accessPayload(client *Client, t *claims.AccessToken, entries iter.Seq2[string, string]) payload {
	alg := client.AccessTokenAlg
	if alg == "" {
		alg = DefaultAlg
	}
	return payload{alg, typeAccessToken, fitting(&t.UserMetadata, func(dst []byte) []byte { return t.AppendJSON(dst, entries) })}
}

// accessToken is the access token of a login, with that jti, but for what the metadata adds.
func (i *Issuer) accessToken(n *issue, id string) claims.AccessToken {
	f, v := &n.family, &n.view
	expires := n.now.Add(i.Lifetimes.AccessToken)
	if f.ExpiresAt.Before(expires) {
		expires = f.ExpiresAt
	}
	return claims.AccessToken{
		Issuer: i.URL, Subject: f.User, Audience: i.audience(v.client, n.scope), ID: id, ClientID: v.client.ID, Scope: n.scope,
		SessionID: f.ID, Org: f.Org, ACR: ClassOf(f.AMR), AMR: f.AMR, AuthTime: f.AuthTime, IssuedAt: n.now, ExpiresAt: expires,
		Revision: v.revision, AppRevision: v.appRevision, OrgRevision: v.orgRevision, KeyThumbprint: n.keyThumbprint,
		UserMetadata: v.userMetadataIn(InAccessToken),
	}
}

// idPayload is the ID token of a login beside an access token, "" standing for any.
func (i *Issuer) idPayload(n *issue, accessToken string) (payload, error) {
	f, v := &n.family, &n.view
	alg := v.client.IDTokenAlg
	if alg == "" {
		alg = DefaultIDTokenAlg
	}
	hash, err := claims.AccessTokenHash(alg, accessToken)
	if err != nil {
		return payload{}, &Error{Code: Unavailable, Err: err}
	}
	id := claims.IDToken{
		Issuer: i.URL, Subject: f.User, Audience: []string{v.client.ID}, Nonce: n.nonce, AccessTokenHash: hash, SessionID: f.ID,
		ACR: ClassOf(f.AMR), AMR: f.AMR, AuthTime: f.AuthTime, IssuedAt: n.now, ExpiresAt: n.now.Add(i.Lifetimes.IDToken),
		Profile: n.profile, Requested: f.Requested.IDToken, UserMetadata: v.userMetadataIn(InIDToken),
	}
	// A client of one organisation knows which, and one that sees no metadata here needs no revision of it: its ID token has nothing
	// that it has not asked for.
	if v.client.AllOrgs {
		id.Org = f.Org
	}
	if v.client.Shows(InIDToken) {
		id.Revision, id.AppRevision, id.OrgRevision = v.revision, v.appRevision, v.orgRevision
	}
	entries := v.in(InIDToken)
	return payload{alg, typeIDToken, fitting(&id.UserMetadata, func(dst []byte) []byte { return id.AppendJSON(dst, entries) })}, nil
}
