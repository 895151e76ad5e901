package claims

import (
	"iter"
	"strings"
	"time"
)

// AccessToken is the payload of an access token (RFC 9068 §2.2) but for its metadata claims. Times are in whole seconds.
type AccessToken struct {
	Issuer   string
	Subject  string
	Audience []string
	// ID is the jti: unique per token, and what a revocation names. The text of a token does not identify it.
	ID        string
	ClientID  string
	Scope     string // space-separated (RFC 6749 §3.3)
	SessionID string // sid
	Org       string
	ACR       string
	AMR       []string
	IssuedAt  time.Time
	ExpiresAt time.Time
	AuthTime  time.Time
	// Revision is the revision of the user's metadata document that the claims were read from (claims_rev), AppRevision that of the
	// document for this client (claims_app_rev), OrgRevision that of what the organisation lays down for all its users: definitions
	// of keys, groups, and the entries they inherit (claims_org_rev); 0 where there is none.
	Revision    uint64
	AppRevision uint64
	OrgRevision uint64
	// KeyThumbprint is the JWK SHA-256 thumbprint of the key the token is bound to (cnf.jkt, RFC 9449 §6.1), "" for none. A bound
	// token is nothing without a proof, see [VerifyProof].
	KeyThumbprint string
	// Actor is who acts for the subject (RFC 8693 §4.1), nil for nobody.
	Actor *Actor
	// UserMetadata is there where the login has the scope of its name, the user has entries, and they are not too large for a token.
	UserMetadata UserMetadata
}

// Actor is who acts for the subject of a token: a client that exchanged another token for it. Before it, Actor may have acted.
type Actor struct {
	Subject string `json:"sub"`
	Actor   *Actor `json:"act,omitzero"`
}

// AppendJSON appends the payload to dst: first a metadata claim for every pair of key and exact JSON value in profile, as
// they come and without re-encoding them, then the claims the issuer vouches for, which therefore win with a reader that
// lets the last of two equal names win. Pairs that cannot be claims are left out: a key outside the grammar of [ValidKey],
// a key for the second time, a value that is not one JSON text. A nil profile means no metadata.
func (t *AccessToken) AppendJSON(dst []byte, profile iter.Seq2[string, string]) []byte {
	dst = appendMetadata(append(dst, '{'), profile)
	dst = appendUserMetadata(dst, t.UserMetadata)
	dst = appendText(dst, "iss", t.Issuer)
	dst = appendText(dst, "sub", t.Subject)
	dst = appendAudience(dst, t.Audience)
	dst = appendTime(dst, "exp", t.ExpiresAt)
	dst = appendTime(dst, "iat", t.IssuedAt)
	dst = appendText(dst, "jti", t.ID)
	dst = appendText(dst, "client_id", t.ClientID)
	dst = appendText(dst, "scope", t.Scope)
	dst = appendTime(dst, "auth_time", t.AuthTime)
	dst = appendText(dst, "acr", t.ACR)
	dst = appendTexts(dst, "amr", t.AMR)
	dst = appendText(dst, "sid", t.SessionID)
	dst = appendText(dst, "org", t.Org)
	dst = appendCount(dst, "claims_rev", t.Revision)
	dst = appendCount(dst, "claims_app_rev", t.AppRevision)
	dst = appendCount(dst, "claims_org_rev", t.OrgRevision)
	if t.KeyThumbprint != "" {
		dst = append(appendText(append(appendName(dst, "cnf"), '{'), "jkt", t.KeyThumbprint), '}')
	}
	if t.Actor != nil {
		dst = t.Actor.append(appendName(dst, "act"))
	}
	return append(dst, '}')
}

func (a *Actor) append(dst []byte) []byte {
	dst = appendText(append(dst, '{'), "sub", a.Subject)
	if a.Actor != nil {
		dst = a.Actor.append(appendName(dst, "act"))
	}
	return append(dst, '}')
}

// HasScope reports whether the token was granted a scope.
func (t *AccessToken) HasScope(scope string) bool { return scopeHas(t.Scope, scope) }

func scopeHas(scope, want string) bool {
	for s := range strings.SplitSeq(scope, " ") {
		if s == want && s != "" {
			return true
		}
	}
	return false
}
