package auth

import (
	"context"
	"crypto/rand"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/claimsmith/claimsmith/auth/keys"
	"github.com/claimsmith/claimsmith/claims"
)

// DefaultAlg signs access tokens where the client asks for nothing else; DefaultIDTokenAlg signs ID tokens (OpenID Connect
// Dynamic Registration §2, id_token_signed_response_alg).
const (
	DefaultAlg        = "ES256"
	DefaultIDTokenAlg = "RS256"
)

// Every kind of token has a typ of its own, so that none can be taken for another (RFC 8725 §3.11).
const (
	typeAccessToken = "at+jwt" // RFC 9068 §2.1
	typeIDToken     = "JWT"
)

// ProfileSource knows the claim entries of a user in an organisation. *metadata.Service is one.
type ProfileSource interface {
	// ProfileClaims prepares to read the entries visible to an application, user-wide ones and the application's own. read returns
	// them sorted by key, each value as its exact JSON, with the revisions of the two documents. Where a store changes something of
	// the user with the context returned, the reading may be done in that round trip, right after the change.
	ProfileClaims(ctx context.Context, org, user, app string) (with context.Context,
		read func() (entries iter.Seq2[string, string], revision, appRevision uint64, err error))
}

// Lifetimes bound everything issued.
type Lifetimes struct {
	AccessToken time.Duration
	IDToken     time.Duration
	// RefreshIdle ends a family that is not used, RefreshAbsolute every family, RefreshGrace is how long the predecessor of the
	// live refresh token is accepted.
	RefreshIdle     time.Duration
	RefreshAbsolute time.Duration
	RefreshGrace    time.Duration
}

// maxFamilies is how many logins of one user can be alive; the oldest end first (row D-07).
const maxFamilies = 100

// Issuer makes tokens. If the metadata cannot be read it issues none.
type Issuer struct {
	URL       string
	Keys      *keys.Ring
	Profiles  ProfileSource
	Families  FamilyStore
	Registry  *Registry
	Lifetimes Lifetimes
	Now       func() time.Time

	refresh refreshCodec
}

// Tokens is what a grant results in, in the terms of RFC 6749 §5.1.
type Tokens struct {
	AccessToken  string
	ExpiresIn    time.Duration
	RefreshToken string
	IDToken      string
	Scope        string
}

// NewIssuer completes an Issuer: refreshKeys authenticate refresh tokens, the first for new ones.
func NewIssuer(i Issuer, refreshKeys [][]byte) *Issuer {
	i.refresh = refreshCodec{keys: refreshKeys}
	return &i
}

// Begin starts a family for a subject that just logged in and issues its first tokens.
func (i *Issuer) Begin(ctx context.Context, client *Client, s Subject, scope string) (Tokens, error) {
	if _, err := i.Registry.Org(ctx, s.Org); CodeOf(err) == NotFound {
		return Tokens{}, errLogin // the organisation is disabled (row A-06)
	} else if err != nil {
		return Tokens{}, err
	}
	now := i.Now()
	family := Family{
		FamilyRef: FamilyRef{User: s.User, Org: s.Org, ID: newFamilyID()},
		Client:    client.ID, Scope: scope, AuthTime: s.AuthTime, AMR: s.AMR, Epoch: s.Epoch,
		ExpiresAt: now.Add(i.Lifetimes.RefreshAbsolute), Generation: 1,
	}
	secret := newRefreshSecret()
	idle := now.Add(i.Lifetimes.RefreshIdle)
	if !client.Allows(GrantRefreshToken) {
		idle = now.Add(i.Lifetimes.AccessToken)
		family.ExpiresAt = idle
	}
	v, err := i.view(ctx, client, family.FamilyRef)
	if err != nil {
		return Tokens{}, err
	}
	tokens, err := i.forUser(v, family, scope)
	if err != nil {
		return Tokens{}, err
	}
	// Last, so that a login that fails leaves nothing behind.
	if err := i.Families.CreateFamily(ctx, family, sha256Sum(secret), idle, maxFamilies); err != nil {
		return Tokens{}, err
	}
	if client.Allows(GrantRefreshToken) {
		tokens.RefreshToken = i.refresh.format(refreshToken{family.FamilyRef, family.Generation, secret})
	}
	return tokens, nil
}

var errRefresh = &Error{Code: InvalidGrant, Detail: "the refresh token is not valid"}

// Refresh exchanges a refresh token. A non-empty scope narrows the new access token; the family keeps its own (RFC 6749 §6).
// The token's successor is fixed before anything is minted: a client whose answer is lost, or who is told to try again because the
// metadata could not be read, repeats the request within the grace and gets the same successor.
func (i *Issuer) Refresh(ctx context.Context, client *Client, text, scope string) (Tokens, FamilyRef, error) {
	old, ok := i.refresh.parse(text)
	if !ok {
		return Tokens{}, FamilyRef{}, errRefresh
	}
	now := i.Now()
	if err := i.standing(ctx, client, old.Org, now); err != nil {
		return Tokens{}, old.FamilyRef, err
	}
	if _, err := NarrowScope(client, scope); err != nil {
		return Tokens{}, old.FamilyRef, err
	}
	secret := newRefreshSecret()
	with, read := i.prepare(ctx, client, old.FamilyRef)
	rotated, err := i.Families.Rotate(with, old.FamilyRef, Rotation{
		Client: client.ID, Scope: scope,
		Presented: sha256Sum(old.secret), Generation: old.generation,
		Successor: sha256Sum(secret), Wrapped: wrap(secret, old.secret),
		Now: now, Grace: i.Lifetimes.RefreshGrace, IdleUntil: now.Add(i.Lifetimes.RefreshIdle),
	})
	if CodeOf(err) == InvalidGrant {
		err = &Error{Code: InvalidGrant, Detail: errRefresh.Detail, Err: err} // why is nothing for the client
	}
	if err != nil {
		return Tokens{}, old.FamilyRef, err
	}
	if err := i.standing(ctx, client, old.Org, rotated.Family.AuthTime); err != nil {
		return Tokens{}, old.FamilyRef, err
	}
	if scope == "" {
		// What the client may no longer ask for it no longer gets (row O-08).
		scope = strings.Join(slices.DeleteFunc(Scopes(rotated.Family.Scope), func(s string) bool {
			return !slices.Contains(client.Scopes, s)
		}), " ")
	}
	v, err := read()
	if err != nil {
		return Tokens{}, old.FamilyRef, err
	}
	tokens, err := i.forUser(v, rotated.Family, scope)
	if err != nil {
		return Tokens{}, old.FamilyRef, err
	}
	tokens.RefreshToken = i.refresh.format(refreshToken{old.FamilyRef, old.generation + 1, wrap(rotated.Wrapped, old.secret)})
	return tokens, old.FamilyRef, nil
}

func (i *Issuer) standing(ctx context.Context, client *Client, org string, since time.Time) error {
	_, err := i.Registry.Standing(ctx, client.ID, org, since)
	if CodeOf(err) == InvalidClient {
		return errRefresh
	}
	return err
}

// ForClient issues a client's own access token (RFC 6749 §4.4): no user, no metadata, no refresh token.
func (i *Issuer) ForClient(client *Client, scope string) (Tokens, error) {
	now := i.Now()
	t := claims.AccessToken{
		Issuer: i.URL, Subject: client.ID, Audience: i.machineAudience(client, scope), ID: rand.Text(), ClientID: client.ID,
		Scope: scope, Org: client.Org, IssuedAt: now, ExpiresAt: now.Add(i.Lifetimes.AccessToken),
	}
	text, err := i.Keys.Sign(accessAlg(client), typeAccessToken, t.AppendJSON(make([]byte, 0, 512), nil))
	if err != nil {
		return Tokens{}, &Error{Code: Unavailable, Err: err}
	}
	return Tokens{AccessToken: text, ExpiresIn: i.Lifetimes.AccessToken, Scope: scope}, nil
}

func (i *Issuer) forUser(view view, f Family, scope string) (Tokens, error) {
	client, now := view.client, i.Now()
	access := claims.AccessToken{
		Issuer: i.URL, Subject: f.User, Audience: i.audience(client, scope), ID: rand.Text(), ClientID: client.ID, Scope: scope,
		SessionID: f.ID, Org: f.Org, ACR: acrOf(f.AMR), AMR: f.AMR, AuthTime: f.AuthTime,
		IssuedAt: now, ExpiresAt: now.Add(i.Lifetimes.AccessToken), Revision: view.revision, AppRevision: view.appRevision,
	}
	alg := accessAlg(client)
	text, err := i.Keys.Sign(alg, typeAccessToken, access.AppendJSON(make([]byte, 0, 1024), view.in(InAccessToken)))
	if err != nil {
		return Tokens{}, &Error{Code: Unavailable, Err: err}
	}
	tokens := Tokens{AccessToken: text, ExpiresIn: i.Lifetimes.AccessToken, Scope: scope}
	if !HasScope(scope, ScopeOpenID) {
		return tokens, nil
	}
	idAlg := client.IDTokenAlg
	if idAlg == "" {
		idAlg = DefaultIDTokenAlg
	}
	hash, err := claims.AccessTokenHash(idAlg, text)
	if err != nil {
		return Tokens{}, &Error{Code: Unavailable, Err: err}
	}
	id := claims.IDToken{
		Issuer: i.URL, Subject: f.User, Audience: []string{client.ID}, AccessTokenHash: hash, SessionID: f.ID, Org: f.Org,
		ACR: acrOf(f.AMR), AMR: f.AMR, AuthTime: f.AuthTime, IssuedAt: now, ExpiresAt: now.Add(i.Lifetimes.IDToken),
		Revision: view.revision, AppRevision: view.appRevision,
	}
	tokens.IDToken, err = i.Keys.Sign(idAlg, typeIDToken, id.AppendJSON(make([]byte, 0, 1024), view.in(InIDToken)))
	if err != nil {
		return Tokens{}, &Error{Code: Unavailable, Err: err}
	}
	return tokens, nil
}

// audience of a user's access token: the client's registered audiences, and the issuer where there are none or where userinfo
// must accept the token.
func (i *Issuer) audience(client *Client, scope string) []string {
	if len(client.Audience) == 0 {
		return []string{i.URL}
	}
	if HasScope(scope, ScopeOpenID) && !slices.Contains(client.Audience, i.URL) {
		return append(slices.Clip(client.Audience), i.URL)
	}
	return client.Audience
}

func (i *Issuer) machineAudience(client *Client, scope string) []string {
	if HasScope(scope, ScopeAPI) {
		return []string{APIAudience(i.URL)}
	}
	return i.audience(client, scope)
}

func accessAlg(client *Client) string {
	if client.AccessTokenAlg == "" {
		return DefaultAlg
	}
	return client.AccessTokenAlg
}

func acrOf(amr []string) string {
	if len(amr) > 1 {
		return "2"
	}
	return "1"
}

// view is the metadata of a user as one client may see it.
type view struct {
	client                *Client
	entries               iter.Seq2[string, string]
	revision, appRevision uint64
}

// prepare is ProfileSource.ProfileClaims for what a client may see of a family's user.
func (i *Issuer) prepare(ctx context.Context, client *Client, ref FamilyRef) (with context.Context, read func() (view, error)) {
	with, readClaims := i.Profiles.ProfileClaims(ctx, ref.Org, ref.User, client.ID)
	return with, func() (view, error) {
		entries, revision, appRevision, err := readClaims()
		if err != nil {
			return view{}, &Error{Code: Unavailable, Detail: "the user's metadata could not be read", Err: err}
		}
		return view{client, entries, revision, appRevision}, nil
	}
}

func (i *Issuer) view(ctx context.Context, client *Client, ref FamilyRef) (view, error) {
	_, read := i.prepare(ctx, client, ref)
	return read()
}

// in returns the entries that appear in a place, nil for none.
func (v view) in(place string) iter.Seq2[string, string] {
	if !v.client.Shows(place) {
		return nil
	}
	if v.client.ClaimKeys == nil {
		return v.entries
	}
	return func(yield func(string, string) bool) {
		for key, value := range v.entries {
			if slices.Contains(v.client.ClaimKeys, key) && !yield(key, value) {
				return
			}
		}
	}
}

// NarrowScope decides the scope of a request: what was asked for if the client may have all of it, or, if nothing was asked for,
// what the client may have without asking. Scope iam/ is never given unasked.
func NarrowScope(client *Client, asked string) (string, error) {
	wanted := Scopes(asked)
	if len(wanted) == 0 {
		var given []string
		for _, s := range client.Scopes {
			if s != ScopeAPI {
				given = append(given, s)
			}
		}
		return strings.Join(given, " "), nil
	}
	var unique []string
	for _, s := range wanted {
		if !slices.Contains(client.Scopes, s) {
			return "", &Error{Code: InvalidScope, Field: "scope", Detail: "this client may ask for: " + describe(client.Scopes)}
		}
		if !slices.Contains(unique, s) {
			unique = append(unique, s)
		}
	}
	return strings.Join(unique, " "), nil
}
