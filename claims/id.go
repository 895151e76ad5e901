package claims

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"iter"
	"time"
)

// IDToken is the payload of an ID token (OpenID Connect Core §2) but for its metadata claims. Times are in whole seconds.
type IDToken struct {
	Issuer          string
	Subject         string
	Audience        []string // the client
	AuthorizedParty string   // azp
	Nonce           string
	AccessTokenHash string // at_hash, see [AccessTokenHash]
	SessionID       string // sid
	Org             string
	ACR             string
	AMR             []string
	IssuedAt        time.Time
	ExpiresAt       time.Time
	AuthTime        time.Time
	// Profile is written only where Requested, the names from the claims parameter (OpenID Connect Core §5.5), says so;
	// scopes alone put nothing of it here, they do at userinfo.
	Profile   Profile
	Requested []string
	// The revisions and UserMetadata are as in [AccessToken].
	Revision     uint64
	AppRevision  uint64
	OrgRevision  uint64
	UserMetadata UserMetadata
}

// AppendJSON appends the payload to dst, with metadata claims as [AccessToken.AppendJSON] writes them.
func (t *IDToken) AppendJSON(dst []byte, profile iter.Seq2[string, string]) []byte {
	dst = appendMetadata(append(dst, '{'), profile)
	dst = appendUserMetadata(dst, t.UserMetadata)
	dst = t.Profile.append(dst, "", t.Requested)
	dst = appendText(dst, "iss", t.Issuer)
	dst = appendText(dst, "sub", t.Subject)
	dst = appendAudience(dst, t.Audience)
	dst = appendTime(dst, "exp", t.ExpiresAt)
	dst = appendTime(dst, "iat", t.IssuedAt)
	dst = appendTime(dst, "auth_time", t.AuthTime)
	dst = appendText(dst, "nonce", t.Nonce)
	dst = appendText(dst, "acr", t.ACR)
	dst = appendTexts(dst, "amr", t.AMR)
	dst = appendText(dst, "azp", t.AuthorizedParty)
	dst = appendText(dst, "at_hash", t.AccessTokenHash)
	dst = appendText(dst, "sid", t.SessionID)
	dst = appendText(dst, "org", t.Org)
	dst = appendCount(dst, "claims_rev", t.Revision)
	dst = appendCount(dst, "claims_app_rev", t.AppRevision)
	dst = appendCount(dst, "claims_org_rev", t.OrgRevision)
	return append(dst, '}')
}

// AccessTokenHash is the at_hash of an access token beside an ID token signed with alg: the left half of the token's hash
// in base64url, by the hash function of the algorithm (OpenID Connect Core §3.1.3.6), which for Ed25519 is SHA-512.
func AccessTokenHash(alg, accessToken string) (string, error) {
	switch alg {
	case "ES256", "RS256":
		sum := sha256.Sum256([]byte(accessToken))
		return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2]), nil
	case "EdDSA":
		sum := sha512.Sum512([]byte(accessToken))
		return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2]), nil
	}
	return "", fmt.Errorf("claims: no hash known for algorithm %q", alg)
}
