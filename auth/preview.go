package auth

import (
	"context"
	"iter"
)

// Preview returns the metadata claims a client sees of a user in an organisation, wherever it sees them, nil for none.
func (i *Issuer) Preview(ctx context.Context, client *Client, org, user string) (iter.Seq2[string, string], error) {
	v, err := i.view(ctx, client, FamilyRef{User: user, Org: org})
	if err != nil {
		return nil, err
	}
	for _, place := range claimPlaces {
		if client.Shows(place) {
			return v.in(place), nil
		}
	}
	return nil, nil
}
