package auth

import (
	"crypto/subtle"
	"slices"
	"strings"
	"time"

	"github.com/claimsmith/claimsmith/claims"
)

// DefaultOrg is the slug of the organisation that always exists.
const DefaultOrg = "default"

// Org is an organisation: the boundary no object, token or operator crosses.
type Org struct {
	Slug     string `json:"-"`
	Name     string `json:"name,omitempty"`
	Disabled bool   `json:"disabled,omitempty"`
	// ClaimsBudget is how many bytes of claims JSON a user's document may have; 0 means the server's default.
	ClaimsBudget int `json:"claims_budget,omitempty"`
	// HistoryChanges is how many changes of a document are remembered, HistoryDays for how many days; 0 means the server's default, and
	// no such bound.
	HistoryChanges int `json:"history_changes,omitempty"`
	HistoryDays    int `json:"history_days,omitempty"`
	// LogoURL and Color are how its pages look beside its Name: an https address, and #rrggbb.
	LogoURL string `json:"logo_url,omitempty"`
	Color   string `json:"color,omitempty"`
	// Since is when the organisation was made or last enabled again: what was issued in it before stays dead (row A-06).
	Since     time.Time `json:"since,omitzero"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
	// Version counts the record's changes from 1; it is the ETag.
	Version uint64 `json:"-"`
}

// User is a person who logs in. ID is the sub of every token: immutable and never reused.
type User struct {
	ID string `json:"-"`
	// Username and Email are handles in canonical form (see ParseHandle), or "". An address names the user only once it is verified.
	Username      string `json:"username,omitempty"`
	Email         string `json:"email,omitempty"`
	EmailVerified bool   `json:"email_verified,omitempty"`
	// Orgs are the organisations the user belongs to, at least one; the first is the home organisation.
	Orgs []string `json:"orgs"`
	// Left are organisations the user was in: what is kept about him there is being erased, or has been.
	Left      []string       `json:"left,omitempty"`
	Disabled  bool           `json:"disabled,omitempty"`
	Profile   claims.Profile `json:"profile,omitzero"`
	Biography Biography      `json:"biography,omitzero"`
	// PendingEmail is an address still to be confirmed, nil for none.
	PendingEmail *PendingEmail `json:"pending_email,omitempty"`
	// EmailProof is the Hash that the address was confirmed by, "" for none, so that confirming can be repeated.
	EmailProof string `json:"email_proof,omitempty"`
	// EmailsBefore are verified addresses that confirming took from the user, until they have been told.
	EmailsBefore []string `json:"emails_before,omitempty"`
	// Role is what the user may do in the console, in his home organisation or, with RoleAdmin, in all of them; "" for nothing.
	Role Role `json:"role,omitempty"`
	// MustChangePassword: the password was chosen by somebody else and is good for nothing but choosing another one (row L-13).
	MustChangePassword bool `json:"must_change_password,omitempty"`
	// Epoch changes whenever everything issued to the user so far must end: password change, disabling.
	Epoch     uint64    `json:"-"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
	Version   uint64    `json:"-"`
	// Deleting marks a user whose deletion has begun: gone for everyone, its remains still being removed.
	Deleting bool `json:"-"`
}

// MemberOf reports whether the user belongs to org.
func (u *User) MemberOf(org string) bool { return slices.Contains(u.Orgs, org) }

// Handles are the names that lead to the user.
func (u *User) Handles() []Handle {
	var hs []Handle
	if u.Username != "" {
		hs = append(hs, Handle{Kind: KindUsername, Canonical: u.Username})
	}
	if u.Email != "" && u.EmailVerified {
		hs = append(hs, Handle{Kind: KindEmail, Canonical: u.Email})
	}
	return hs
}

// Grant types a client may be allowed (RFC 6749 §4, §6, RFC 8628, RFC 8693).
const (
	GrantPassword          = "password"
	GrantRefreshToken      = "refresh_token"
	GrantClientCredentials = "client_credentials"
	GrantAuthorizationCode = "authorization_code"
	GrantDeviceCode        = "urn:ietf:params:oauth:grant-type:device_code"    // RFC 8628 §3.4
	GrantTokenExchange     = "urn:ietf:params:oauth:grant-type:token-exchange" // RFC 8693 §2.1
)

// Places metadata claims can appear in.
const (
	InAccessToken   = "access_token"
	InIDToken       = "id_token"
	InUserInfo      = "userinfo"
	InIntrospection = "introspection"
)

// Ways a client authenticates at the token endpoint (OpenID Connect Core §9).
const (
	AuthNone          = "none"
	AuthSecretBasic   = "client_secret_basic"
	AuthSecretPost    = "client_secret_post"
	AuthPrivateKeyJWT = "private_key_jwt"
)

// Kinds of application (OpenID Connect Dynamic Registration §2): a native one may be redirected to loopback on any port and to a scheme
// of its own.
const (
	TypeWeb    = "web"
	TypeNative = "native"
)

// Client is an application that obtains tokens (RFC 6749 §2).
type Client struct {
	ID   string `json:"-"`
	Org  string `json:"org"`
	Name string `json:"name,omitempty"`
	// Number is what systems call the client that number their applications, from 1; never changed, never another client's. The clients
	// that an installation makes for itself have 0 and are nobody's applications.
	Number uint64 `json:"number,omitempty"`
	// Description says what the client is, to people.
	Description string `json:"description,omitempty"`
	// Listed clients are shown to everybody in the directory of applications: number, name, description and origins.
	Listed bool `json:"listed,omitempty"`
	// SelfRegistration lets people make themselves users of the client's organisation through the client.
	SelfRegistration bool `json:"self_registration,omitempty"`
	// SecretHash is the SHA-256 of the client's secret in base64url, or "" for a public client.
	SecretHash string `json:"secret_hash,omitempty"`
	// FirstParty clients belong to the operator and may take a user's password.
	FirstParty bool     `json:"first_party,omitempty"`
	GrantTypes []string `json:"grant_types"`
	// Scopes the client may ask for.
	Scopes []string `json:"scopes"`
	// Audience of its users' access tokens; empty means the issuer itself.
	Audience       []string `json:"audience,omitempty"`
	AccessTokenAlg string   `json:"access_token_alg,omitempty"`
	IDTokenAlg     string   `json:"id_token_alg,omitempty"`
	// ClaimsIn names the places metadata claims appear in for this client, ClaimKeys the only keys it sees; nil means all.
	ClaimsIn  []string `json:"claims_in"`
	ClaimKeys []string `json:"claim_keys"`
	// Type is TypeWeb or TypeNative; "" means TypeWeb.
	Type string `json:"type,omitempty"`
	// RedirectURIs are compared character by character (RFC 9700 §2.1), but for the port of a native client's loopback address.
	RedirectURIs           []string `json:"redirect_uris,omitempty"`
	PostLogoutRedirectURIs []string `json:"post_logout_redirect_uris,omitempty"`
	// BackchannelLogoutURI is told of every end of a session (OpenID Connect Back-Channel Logout §2.2), "" for not.
	BackchannelLogoutURI string `json:"backchannel_logout_uri,omitempty"`
	// AllowedOrigins are the web origins whose pages may read answers of the token endpoint and userinfo.
	AllowedOrigins []string `json:"allowed_origins,omitempty"`
	// AuthMethod is one of the Auth constants; "" means AuthNone for a client without a secret and either way of sending it for one with.
	AuthMethod string `json:"auth_method,omitempty"`
	// KeySet is the client's public keys as a JSON Web Key Set, for AuthPrivateKeyJWT.
	KeySet string `json:"key_set,omitempty"`
	// EndpointAudience also takes assertions addressed to the token endpoint instead of the issuer.
	EndpointAudience bool `json:"endpoint_audience,omitempty"`
	// RequirePKCE, RequirePAR and RequireDPoP refuse requests without a code challenge (RFC 7636), those that were not pushed
	// (RFC 9126) and those without a proof of possession (RFC 9449).
	RequirePKCE bool `json:"require_pkce,omitempty"`
	RequirePAR  bool `json:"require_par,omitempty"`
	RequireDPoP bool `json:"require_dpop,omitempty"`
	// RequireConsent asks the user before the client gets anything of his.
	RequireConsent bool `json:"require_consent,omitempty"`
	// KeepRefreshTokens leaves a refresh token valid when it is used, instead of replacing it.
	KeepRefreshTokens bool `json:"keep_refresh_tokens,omitempty"`
	// CodeLifetime of authorization codes in seconds, 1 to 60; 0 means 60.
	CodeLifetime int `json:"code_lifetime,omitempty"`
	// ExchangeAudiences are the audiences the client may exchange its users' tokens for (RFC 8693).
	ExchangeAudiences []string `json:"exchange_audiences,omitempty"`
	// AllOrgs clients serve the users of every organisation, the others those of their own. Only an administrator may set it.
	AllOrgs  bool `json:"all_orgs,omitempty"`
	Disabled bool `json:"disabled,omitempty"`
	// Since is when the client was made or last enabled again: what was issued to it, or to another of its id, before stays dead
	// (rows A-06, M-15).
	Since     time.Time `json:"since,omitzero"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
	Version   uint64    `json:"-"`
}

// Public reports whether the client cannot authenticate: it has neither a secret nor a key.
func (c *Client) Public() bool { return c.SecretHash == "" && c.AuthMethod != AuthPrivateKeyJWT }

// SecretIs compares a secret with the client's in constant time.
func (c *Client) SecretIs(secret string) bool {
	return c.SecretHash != "" && subtle.ConstantTimeCompare([]byte(hashSecret(secret)), []byte(c.SecretHash)) == 1
}

// Allows reports whether the client may use a grant type.
func (c *Client) Allows(grantType string) bool { return slices.Contains(c.GrantTypes, grantType) }

// Serves reports whether users of an organisation may log in to the client.
func (c *Client) Serves(org string) bool { return c.AllOrgs || c.Org == org }

// Shows reports whether metadata claims appear for this client in a place.
func (c *Client) Shows(place string) bool {
	return c.ClaimsIn == nil || slices.Contains(c.ClaimsIn, place)
}

// Role is what an API token may do inside its organisation, or a person in the console, each including the ones after it.
type Role string

// The roles.
const (
	RoleAdmin    Role = "admin"    // the whole installation; belongs to no organisation
	RoleOperator Role = "operator" // reads and writes everything of its organisation
	RoleReader   Role = "reader"   // reads everything of its organisation
)

// APIToken is an operator's credential. The text itself is shown once; only its hash is kept.
type APIToken struct {
	ID   string `json:"-"`
	Name string `json:"name,omitempty"`
	// Org is the organisation it works in; "" for RoleAdmin.
	Org  string `json:"org,omitempty"`
	Role Role   `json:"role"`
	Hash string `json:"hash"`
	// ExpiresAt is the end of its life; the zero time means none.
	ExpiresAt time.Time `json:"expires_at,omitzero"`
	CreatedAt time.Time `json:"created_at"`
	CreatedBy string    `json:"created_by,omitempty"`
	Version   uint64    `json:"-"`
}

// Scope values with a meaning of their own.
const (
	ScopeOpenID = "openid"
	// ScopeOffline keeps a login alive beyond the browser session it began in (OpenID Connect Core §11).
	ScopeOffline = "offline_access"
	// ScopeOrgPrefix before a slug asks for that organisation, like the parameter org. It is never in a token.
	ScopeOrgPrefix = "org:"
	// ScopeUserMetadata asks for all entries of the user that services may read, as one claim of that name (Zitadel's).
	ScopeUserMetadata = claims.UserMetadataClaim
	// ScopeZitadelAPI is what Zitadel's clients ask for in place of ScopeAPI; in users' tokens it means nothing.
	ScopeZitadelAPI = "urn:zitadel:iam:org:project:id:zitadel:aud"
	// ScopeAPI lets a machine client manage the users of its organisation (seed 002).
	ScopeAPI = "iam/"
)

// Scopes splits a scope parameter into its values (RFC 6749 §3.3).
func Scopes(scope string) []string { return strings.Fields(scope) }

// HasScope reports whether a scope parameter contains a value.
func HasScope(scope, value string) bool {
	for s := range strings.SplitSeq(scope, " ") {
		if s == value {
			return true
		}
	}
	return false
}
