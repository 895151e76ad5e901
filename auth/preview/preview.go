// Package preview answers what tokens a user gets, or would get: the exact claims of every kind of token for a client, now, in the past or
// after a change, made by the code that mints them. It is where auth, which knows tokens, meets metadata, which knows entries.
package preview

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/claimsmith/claimsmith/auth"
	"github.com/claimsmith/claimsmith/metadata"
)

// Service makes previews.
type Service struct {
	Issuer   *auth.Issuer
	Metadata *metadata.Service
	Registry *auth.Registry
	Users    *auth.Users
}

// Request says which tokens.
type Request struct {
	Target metadata.Target // App is not used
	Client string          // id; "" stands for one of the organisation that may have everything
	Scope  string          // as asked for; "" for openid and what the client gets unasked
	At     metadata.Point
	// Change, if not nil, is thought to have been made.
	Change *metadata.Proposal
}

// Preview is the tokens.
type Preview struct {
	User, Org, Client, Scope string
	// After is what is asked about; Before, where there is a change, what it is now.
	After  Tokens
	Before *Tokens
	// Own, App and Inherited are the claims budgets of the user-wide document, the application's, and what is inherited.
	Own, App, Inherited Budget
	Entries             []metadata.Candidate
	// Diff names the claims of any token that the change adds, removes or alters.
	Diff []Difference
	// Revision, AppRevision and OrgRevision are those of claims_rev, claims_app_rev and claims_org_rev of After.
	Revision, AppRevision, OrgRevision uint64
}

// Budget is bytes of claims.
type Budget struct{ Before, After, Limit int }

// Tokens are the kinds of token. A kind the client would not get has no Claims.
type Tokens struct{ AccessToken, IDToken, UserInfo, Introspection Token }

// Token is the payload of one token, with what differs from one to the next (times, identifiers) as it would be now.
type Token struct {
	Claims jsontext.Value
	// Bytes is the length of Claims, Size that of the encoded and signed token, 0 where nothing is signed.
	Bytes, Size int
}

// Difference is one claim of some kinds of token before and after, nil where it is not there.
type Difference struct {
	Claim         string
	Tokens        []string
	Before, After jsontext.Value
}

// Preview makes the preview of a user that the caller may read, see metadata.Service.Project.
func (s *Service) Preview(ctx context.Context, caller *auth.Caller, r Request) (Preview, error) {
	org := caller.OrgOf(r.Target.Org)
	after, err := s.Metadata.Project(ctx, caller, r.Target, r.Client, r.At, r.Change)
	if err != nil {
		return Preview{}, err
	}
	user, err := s.Users.Find(ctx, caller, org, after.Owner.User)
	if err != nil {
		return Preview{}, err
	}
	client, err := s.client(ctx, r.Client, r.Scope, org)
	if err != nil {
		return Preview{}, err
	}
	scope, err := scopeOf(client, r.Scope)
	if err != nil {
		return Preview{}, err
	}
	login := login{client, &user, org, scope, s.Issuer.Now()}
	p := Preview{
		User: user.ID, Org: org, Client: r.Client, Scope: scope, Entries: reasons(after.Candidates, client, scope),
		Revision: after.ProfileClaims.Revision, AppRevision: after.ProfileClaims.AppRevision, OrgRevision: after.ProfileClaims.OrgRevision,
	}
	if p.After, err = s.tokens(login, &after); err != nil {
		return Preview{}, err
	}
	before := after
	if r.Change != nil {
		t := r.Target
		t.User = user.ID
		if before, err = s.Metadata.Project(ctx, caller, t, r.Client, metadata.Point{}, nil); err != nil {
			return Preview{}, err
		}
		tokens, err := s.tokens(login, &before)
		if err != nil {
			return Preview{}, err
		}
		p.Before, p.Diff = &tokens, diff(&tokens, &p.After)
	}
	p.Own = Budget{before.OwnBytes, after.OwnBytes, after.Limits.ClaimsBytes}
	p.App = Budget{before.AppBytes, after.AppBytes, after.Limits.ClaimsBytes}
	p.Inherited = Budget{before.InheritedBytes, after.InheritedBytes, after.Limits.InheritedBytes}
	return p, nil
}

// anyClient is what a client that may have everything is called.
const anyClient = "any"

// client is the one with that id if it serves the organisation, or for "" one that is only thought of.
func (s *Service) client(ctx context.Context, id, scope, org string) (*auth.Client, error) {
	if id == "" {
		scopes := slices.Concat([]string{auth.ScopeOpenID, "profile", "email", "phone", "address"}, auth.Scopes(scope))
		return &auth.Client{
			ID: anyClient, Org: org, Scopes: scopes, GrantTypes: []string{auth.GrantPassword, auth.GrantRefreshToken},
		}, nil
	}
	client, err := s.Registry.Client(ctx, id)
	if auth.CodeOf(err) == auth.InvalidClient || err == nil && !client.Serves(org) {
		return nil, &auth.Error{Code: auth.NotFound, Field: "client_id", Detail: "no such client", Err: err}
	}
	return client, err
}

// scopeOf is the scope of a login that asks for a scope, "" standing for openid and what the client gets unasked.
func scopeOf(client *auth.Client, asked string) (string, error) {
	narrowed, err := auth.NarrowScope(client, asked)
	if err == nil && asked == "" && slices.Contains(client.Scopes, auth.ScopeOpenID) {
		narrowed = strings.TrimSpace(auth.ScopeOpenID + " " + narrowed)
	}
	return narrowed, err
}

// login is one that is only thought of.
type login struct {
	client     *auth.Client
	user       *auth.User
	org, scope string
	at         time.Time
}

func (s *Service) tokens(l login, made *metadata.Projection) (Tokens, error) {
	c := made.ProfileClaims
	p, err := s.Issuer.Payloads(auth.Sample{
		Client: l.client, User: l.user, Org: l.org, Scope: l.scope, At: l.at,
		Entries: c.In, Revision: c.Revision, AppRevision: c.AppRevision, OrgRevision: c.OrgRevision,
		UserMetadata: made.UserMetadata,
	})
	if err != nil {
		return Tokens{}, err
	}
	return Tokens{token(p.AccessToken), token(p.IDToken), token(p.UserInfo), token(p.Introspection)}, nil
}

func token(p auth.Payload) Token {
	return Token{Claims: p.JSON, Bytes: len(p.JSON), Size: p.Size}
}

// reasons adds to what metadata keeps out of a token what the client and the scope do.
func reasons(all []metadata.Candidate, client *auth.Client, scope string) []metadata.Candidate {
	for _, c := range all {
		for _, place := range metadata.Places {
			if c.Why[place] == "" {
				c.Why[place] = withheld(client, scope, place, c.Key)
			}
		}
	}
	return all
}

// withheld says why a login does not show a key in a place, "" if it does.
func withheld(client *auth.Client, scope, place, key string) string {
	switch {
	case (place == auth.InIDToken || place == auth.InUserInfo) && !auth.HasScope(scope, auth.ScopeOpenID):
		return "without scope openid there is none"
	case !client.Shows(place):
		return "the client has no metadata there (claims_in)"
	case !client.Sees(key):
		return "the client sees other keys only (claim_keys)"
	}
	return ""
}
