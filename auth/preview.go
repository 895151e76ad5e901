package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/claimsmith/claimsmith/claims"
)

// Preview returns the metadata claims a client sees of a user in an organisation in any place, ordered by key, nil for none.
func (i *Issuer) Preview(ctx context.Context, client *Client, org, user string) (iter.Seq2[string, string], error) {
	v, err := i.view(ctx, client, FamilyRef{User: user, Org: org}, "")
	if err != nil {
		return nil, err
	}
	type claim struct{ key, value string }
	var all []claim
	for _, place := range claimPlaces {
		if !client.Shows(place) {
			continue
		}
		for key, value := range v.in(place) {
			if !slices.ContainsFunc(all, func(c claim) bool { return c.key == key }) {
				all = append(all, claim{key, value})
			}
		}
	}
	if len(all) == 0 {
		return nil, nil
	}
	slices.SortFunc(all, func(a, b claim) int { return strings.Compare(a.key, b.key) })
	return func(yield func(string, string) bool) {
		for _, c := range all {
			if !yield(c.key, c.value) {
				return
			}
		}
	}, nil
}

// Sees reports whether the client sees metadata claims of a key at all.
func (c *Client) Sees(key string) bool {
	return c.ClaimKeys == nil || slices.Contains(c.ClaimKeys, key)
}

// Sample is a login that is only thought of, by password, and what of the user's metadata its tokens could show.
type Sample struct {
	Client     *Client
	User       *User
	Org, Scope string
	// At is when.
	At time.Time
	// Entries and the revisions are as ProfileSource reads them.
	Entries                            func(place string) iter.Seq2[string, string]
	Revision, AppRevision, OrgRevision uint64
	UserMetadata                       func(place string) iter.Seq2[string, []byte]
}

// Payload is what is in one kind of token. JSON is nil where there is none of that kind.
type Payload struct {
	JSON []byte
	// Size is the length of the encoded and signed token, 0 where nothing is signed.
	Size int
}

// Payloads are those of a login, and of what is answered about its access token.
type Payloads struct{ AccessToken, IDToken, UserInfo, Introspection Payload }

// Payloads returns what a login would be issued. What differs from one token to the next has the same length: the
// identifiers and the thumbprint of a key are zeros, and at_hash is that of no token.
func (i *Issuer) Payloads(s Sample) (Payloads, error) {
	subject := Subject{User: s.User.ID, Org: s.Org, AuthTime: s.At, AMR: []string{MethodPassword}}
	family, _ := i.newFamily(s.At, s.Client, subject, s.Scope, "")
	family.ID = zeros(len(family.ID))
	n := issue{
		now: s.At, family: family, scope: s.Scope,
		view: view{s.Client, s.Entries, s.Revision, s.AppRevision, s.OrgRevision, nil},
	}
	if HasScope(s.Scope, ScopeUserMetadata) {
		n.view.userMetadata = s.UserMetadata
	}
	if s.Client.RequireDPoP {
		n.keyThumbprint = zeros(base64.RawURLEncoding.EncodedLen(sha256.Size))
	}
	access := i.accessToken(&n, zeros(len(rand.Text())))
	signed := accessPayload(s.Client, &access, n.view.in(InAccessToken))
	size, err := signed.size(i.Keys)
	if err != nil {
		return Payloads{}, err
	}
	token := &Inspected{Token: &claims.Access{AccessToken: access}, User: s.User, view: n.view}
	p := Payloads{AccessToken: Payload{signed.json, size}, Introspection: Payload{JSON: token.Introspection()}}
	if !HasScope(s.Scope, ScopeOpenID) {
		return p, nil
	}
	if signed, err = i.idPayload(&n, ""); err != nil {
		return Payloads{}, err
	}
	if size, err = signed.size(i.Keys); err != nil {
		return Payloads{}, err
	}
	p.IDToken, p.UserInfo = Payload{signed.json, size}, Payload{JSON: token.UserInfo()}
	return p, nil
}

func zeros(n int) string { return strings.Repeat("0", n) }
