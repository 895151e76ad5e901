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
	// ProfileClaims prepares to read the entries visible to an application: user-wide ones, the application's own, and what the user
	// inherits. read returns those a place shows sorted by key, each value as its exact JSON, with the revisions of the two documents and
	// of what the organisation has laid down. Where a store changes something of the user with the context returned, the reading may be
	// done in that round trip, right after the change.
	ProfileClaims(ctx context.Context, org, user, app string) (with context.Context, read func() (
		entries func(place string) iter.Seq2[string, string], revision, appRevision, orgRevision uint64, err error))
	// UserMetadata reads the user-wide entries of a user that services may read, claims or not, as far as their definitions let the tokens
	// of an application show them. entries returns those of a place, sorted by key, each as its bytes. One round trip.
	UserMetadata(ctx context.Context, org, user, app string) (entries func(place string) iter.Seq2[string, []byte], err error)
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
	Codes     CodeStore
	Users     UserStore
	Registry  *Registry
	Lifetimes Lifetimes
	Now       func() time.Time

	refresh refreshCodec
}

// Tokens is what a grant results in, in the terms of RFC 6749 §5.1.
type Tokens struct {
	AccessToken string
	// TokenType is TokenBearer or TokenDPoP.
	TokenType    string
	ExpiresIn    time.Duration
	RefreshToken string
	IDToken      string
	Scope        string
	// IssuedTokenType says what an exchange has issued (RFC 8693 §2.2.1), "" for the other grants.
	IssuedTokenType string
}

// NewIssuer completes an Issuer: refreshKeys authenticate refresh tokens, the first for new ones.
func NewIssuer(i Issuer, refreshKeys [][]byte) *Issuer {
	i.refresh = newRefreshCodec(refreshKeys)
	return &i
}

// Begin starts a family for a subject that just logged in and issues its first tokens. keyThumbprint is that of the key the request
// has proved, "" for none.
func (i *Issuer) Begin(ctx context.Context, client *Client, s Subject, scope, keyThumbprint string) (Tokens, error) {
	if _, err := i.Registry.Org(ctx, s.Org); CodeOf(err) == NotFound {
		return Tokens{}, errLogin // the organisation is disabled (row A-06)
	} else if err != nil {
		return Tokens{}, err
	}
	family, idle := i.newFamily(i.Now(), client, s, scope, keyThumbprint)
	v, err := i.view(ctx, client, family.FamilyRef, scope)
	if err != nil {
		return Tokens{}, err
	}
	tokens, err := i.forUser(issue{now: family.CreatedAt, view: v, family: family, scope: scope, keyThumbprint: keyThumbprint})
	if err != nil {
		return Tokens{}, err
	}
	secret := newRefreshSecret()
	// Last, so that a login that fails leaves nothing behind.
	if err := i.Families.CreateFamily(ctx, family, sha256Sum(secret), idle, maxFamilies); err != nil {
		return Tokens{}, err
	}
	return i.withRefreshToken(tokens, client, family, secret), nil
}

// newFamily makes the family of a login, and says when it ends unless it is used.
func (i *Issuer) newFamily(
	now time.Time, client *Client, s Subject, scope, keyThumbprint string,
) (f Family, idle time.Time) {
	f = Family{
		FamilyRef: FamilyRef{User: s.User, Org: s.Org, ID: newFamilyID()},
		Client:    client.ID, Scope: scope, AuthTime: s.AuthTime, AMR: s.AMR, Epoch: s.Epoch, CreatedAt: now,
		ExpiresAt: now.Add(i.Lifetimes.RefreshAbsolute), Generation: 1,
	}
	if client.Public() { // the others authenticate whenever they refresh (RFC 9449 §5)
		f.KeyThumbprint = keyThumbprint
	}
	if !client.Allows(GrantRefreshToken) {
		f.ExpiresAt = now.Add(i.Lifetimes.AccessToken)
		return f, f.ExpiresAt
	}
	return f, now.Add(i.Lifetimes.RefreshIdle)
}

func (i *Issuer) withRefreshToken(t Tokens, client *Client, f Family, secret []byte) Tokens {
	if client.Allows(GrantRefreshToken) {
		t.RefreshToken = i.refresh.format(refreshToken{f.FamilyRef, f.Generation, secret})
	}
	return t
}

var errRefresh = &Error{Code: InvalidGrant, Detail: "the refresh token is not valid"}

// Refresh exchanges a refresh token. A non-empty scope narrows the new access token; the family keeps its own (RFC 6749 §6).
// The token's successor is fixed before anything is minted: a client whose answer is lost, or who is told to try again because the
// metadata could not be read, repeats the request within the grace and gets the same successor.
func (i *Issuer) Refresh(ctx context.Context, client *Client, text, scope, keyThumbprint string) (Tokens, FamilyRef, error) {
	old, ok := i.refresh.parse(text)
	if !ok {
		return Tokens{}, FamilyRef{}, errRefresh
	}
	now := i.Now()
	if err := i.standing(ctx, client, old.Org, now, errRefresh); err != nil {
		return Tokens{}, old.FamilyRef, err
	}
	scope, err := narrowAsked(client, scope)
	if err != nil {
		return Tokens{}, old.FamilyRef, err
	}
	secret := newRefreshSecret()
	with, read := i.prepare(ctx, client, old.FamilyRef)
	rotated, err := i.Families.Rotate(with, old.FamilyRef, Rotation{
		Client: client.ID, Scope: scope,
		Presented: sha256Sum(old.secret), Generation: old.generation,
		Successor: sha256Sum(secret), Wrapped: wrap(secret, old.secret),
		Now: now, Grace: i.Lifetimes.RefreshGrace, IdleUntil: now.Add(i.Lifetimes.RefreshIdle),
		Keep: client.KeepRefreshTokens, KeyThumbprint: keyThumbprint,
	})
	if CodeOf(err) == InvalidGrant {
		err = &Error{Code: InvalidGrant, Detail: errRefresh.Detail, Err: err} // why is nothing for the client
	}
	if err != nil {
		return Tokens{}, old.FamilyRef, err
	}
	family := rotated.Family
	if err := i.standing(ctx, client, old.Org, family.CreatedAt, errRefresh); err != nil {
		return Tokens{}, old.FamilyRef, err
	}
	if scope == "" {
		scope = stillAllowed(client, family.Scope)
	}
	v, err := read(scope)
	if err != nil {
		return Tokens{}, old.FamilyRef, err
	}
	family.Requested = family.Requested.stillFor(client)
	profile, err := i.profile(ctx, family, scope)
	if err != nil {
		return Tokens{}, old.FamilyRef, err
	}
	tokens, err := i.forUser(issue{now: now, view: v, family: family, scope: scope, keyThumbprint: keyThumbprint, profile: profile})
	if err != nil {
		return Tokens{}, old.FamilyRef, err
	}
	tokens.RefreshToken = text
	if !client.KeepRefreshTokens || rotated.Repeated {
		tokens.RefreshToken = i.refresh.format(refreshToken{old.FamilyRef, old.generation + 1, wrap(rotated.Wrapped, old.secret)})
	}
	return tokens, old.FamilyRef, nil
}

// stillAllowed is the part of a scope the client may ask for now: the rest it no longer gets (row O-08).
func stillAllowed(client *Client, scope string) string {
	return strings.Join(slices.DeleteFunc(Scopes(scope), func(s string) bool { return !slices.Contains(client.Scopes, s) }), " ")
}

// standing reports as refused whatever Registry.Standing does not let stand.
func (i *Issuer) standing(ctx context.Context, client *Client, org string, since time.Time, refused error) error {
	_, err := i.Registry.Standing(ctx, client.ID, org, since)
	if CodeOf(err) == InvalidClient {
		return refused
	}
	return err
}

// ForClient issues a client's own access token (RFC 6749 §4.4): no user, no metadata, no refresh token.
func (i *Issuer) ForClient(client *Client, scope, keyThumbprint string) (Tokens, error) {
	now := i.Now()
	return i.signAccess(client, &claims.AccessToken{
		Issuer: i.URL, Subject: client.ID, Audience: i.machineAudience(client, scope), ID: rand.Text(), ClientID: client.ID,
		Scope: scope, Org: client.Org, IssuedAt: now, ExpiresAt: now.Add(i.Lifetimes.AccessToken), KeyThumbprint: keyThumbprint,
	}, nil)
}

// signAccess signs an access token and describes it.
func (i *Issuer) signAccess(client *Client, t *claims.AccessToken, entries iter.Seq2[string, string]) (Tokens, error) {
	text, err := accessPayload(client, t, entries).sign(i.Keys)
	if err != nil {
		return Tokens{}, err
	}
	tokens := Tokens{AccessToken: text, TokenType: TokenBearer, ExpiresIn: t.ExpiresAt.Sub(t.IssuedAt), Scope: t.Scope}
	if t.KeyThumbprint != "" {
		tokens.TokenType = TokenDPoP
	}
	return tokens, nil
}

// issue is what the tokens of a user's login are made of.
type issue struct {
	// now is one moment for the whole of it: a family that is only for this token ends with it.
	now    time.Time
	view   view
	family Family
	scope  string
	nonce  string
	// keyThumbprint is that of the key the access token is bound to, "" for none.
	keyThumbprint string
	// profile is told in the ID token as far as the family's login asked for it.
	profile claims.Profile
}

func (i *Issuer) forUser(n issue) (Tokens, error) {
	access := i.accessToken(&n, rand.Text())
	tokens, err := i.signAccess(n.view.client, &access, n.view.in(InAccessToken))
	if err != nil || !HasScope(n.scope, ScopeOpenID) {
		return tokens, err
	}
	id, err := i.idPayload(&n, tokens.AccessToken)
	if err != nil {
		return Tokens{}, err
	}
	if tokens.IDToken, err = id.sign(i.Keys); err != nil {
		return Tokens{}, err
	}
	return tokens, nil
}

// profile reads what a login asked to have in its ID token; most ask for nothing.
func (i *Issuer) profile(ctx context.Context, f Family, scope string) (claims.Profile, error) {
	if len(f.Requested.IDToken) == 0 || !HasScope(scope, ScopeOpenID) {
		return claims.Profile{}, nil
	}
	user, _, err := i.Users.User(ctx, f.User)
	if CodeOf(err) == NotFound {
		return claims.Profile{}, &Error{Code: InvalidGrant, Detail: "the login is not valid any more", Err: err}
	}
	if err != nil {
		return claims.Profile{}, err
	}
	return StandardProfile(&user), nil
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

// IsAudience reports whether a client's access tokens for users are for the issuer itself: whether people can act here with them.
func (i *Issuer) IsAudience(client *Client, scope string) bool {
	return slices.Contains(i.audience(client, scope), i.URL)
}

// managesByScope reports whether a scope is for the management API.
func managesByScope(scope string) bool {
	return HasScope(scope, ScopeAPI) || HasScope(scope, ScopeZitadelAPI)
}

func (i *Issuer) machineAudience(client *Client, scope string) []string {
	if managesByScope(scope) {
		return []string{APIAudience(i.URL)}
	}
	return i.audience(client, scope)
}

// view is the metadata of a user as one client may see it.
type view struct {
	client                             *Client
	entries                            func(place string) iter.Seq2[string, string]
	revision, appRevision, orgRevision uint64
	// userMetadata is nil unless the scope asks for it.
	userMetadata func(place string) iter.Seq2[string, []byte]
}

// prepare is ProfileSource.ProfileClaims for what a client may see of a family's user. read also reads what the scope asks for besides.
func (i *Issuer) prepare(ctx context.Context, client *Client, ref FamilyRef) (with context.Context, read func(scope string) (view, error)) {
	with, readClaims := i.Profiles.ProfileClaims(ctx, ref.Org, ref.User, client.ID)
	return with, func(scope string) (view, error) {
		entries, revision, appRevision, orgRevision, err := readClaims()
		if err != nil {
			return view{}, errProfile(err)
		}
		userMetadata, err := i.userMetadata(ctx, client, ref, scope)
		return view{client, entries, revision, appRevision, orgRevision, userMetadata}, err
	}
}

func errProfile(err error) error {
	return &Error{Code: Unavailable, Detail: "the user's metadata could not be read", Err: err}
}

func (i *Issuer) view(ctx context.Context, client *Client, ref FamilyRef, scope string) (view, error) {
	_, read := i.prepare(ctx, client, ref)
	return read(scope)
}

// in returns the entries that appear in a place, nil for none.
func (v view) in(place string) iter.Seq2[string, string] {
	if !v.client.Shows(place) {
		return nil
	}
	if v.client.ClaimKeys == nil {
		return v.entries(place)
	}
	return func(yield func(string, string) bool) {
		for key, value := range v.entries(place) {
			if v.client.Sees(key) && !yield(key, value) {
				return
			}
		}
	}
}

// onlyAsked are the scopes that are never given unasked.
var onlyAsked = []string{ScopeAPI, ScopeZitadelAPI, ScopeOffline, ScopeOpenID, ScopeUserMetadata}

// NarrowScope decides the scope of a request: what was asked for if the client may have all of it, or, if nothing was asked for,
// what the client may have without asking: not openid, offline_access, the user's metadata or the management API. Scopes that name an
// organisation are passed by.
func NarrowScope(client *Client, asked string) (string, error) {
	narrowed, err := narrowAsked(client, asked)
	if err == nil && narrowed == "" {
		var given []string
		for _, s := range client.Scopes {
			if !slices.Contains(onlyAsked, s) {
				given = append(given, s)
			}
		}
		return strings.Join(given, " "), nil
	}
	return narrowed, err
}

// narrowAsked is NarrowScope where nothing stands for nothing.
func narrowAsked(client *Client, asked string) (string, error) {
	var unique []string
	for _, s := range Scopes(asked) {
		if strings.HasPrefix(s, ScopeOrgPrefix) {
			continue
		}
		if !slices.Contains(client.Scopes, s) {
			return "", &Error{Code: InvalidScope, Field: "scope", Detail: "this client may ask for: " + describe(client.Scopes)}
		}
		if !slices.Contains(unique, s) {
			unique = append(unique, s)
		}
	}
	return strings.Join(unique, " "), nil
}
