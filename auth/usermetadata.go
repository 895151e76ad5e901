package auth

import (
	"context"
	"iter"

	"github.com/claimsmith/claimsmith/claims"
)

// A token has to fit into a header, so it leaves out claims.UserMetadataClaim where that has more than maxUserMetadata bytes of JSON, or
// the whole payload would have more than maxPayload, with which a token is within what is read of one whatever its signature. Userinfo and
// introspection have no such bounds.
const (
	maxUserMetadata = 4096
	maxPayload      = 11 << 10
)

// userMetadata reads what a scope asks to be told of a family's user, nil for nothing.
func (i *Issuer) userMetadata(
	ctx context.Context, client *Client, ref FamilyRef, scope string,
) (func(place string) iter.Seq2[string, []byte], error) {
	if !HasScope(scope, ScopeUserMetadata) {
		return nil, nil //nolint:nilnil // most ask for nothing
	}
	entries, err := i.Profiles.UserMetadata(ctx, ref.Org, ref.User, client.ID)
	if err != nil {
		return nil, errProfile(err)
	}
	return entries, nil
}

// fitting returns the JSON of a payload with the claim, or without it where that would be too large.
func fitting(m *claims.UserMetadata, appendJSON func(dst []byte) []byte) []byte {
	text := appendJSON(make([]byte, 0, 1024))
	if len(*m) > 0 && len(text) > maxPayload {
		*m = nil
		text = appendJSON(text[:0])
	}
	return text
}

// userMetadataIn is what a place tells, nil for nothing: whoever reads a token that leaves out what is too large finds it at userinfo.
func (v view) userMetadataIn(place string) claims.UserMetadata {
	if v.userMetadata == nil || !v.client.Shows(place) {
		return nil
	}
	told := claims.UserMetadata{}
	for key, value := range v.userMetadata(place) {
		if v.client.Sees(key) {
			told[key] = value
		}
	}
	if (place == InAccessToken || place == InIDToken) && len(told.AppendJSON(nil)) > maxUserMetadata {
		return nil
	}
	return told
}
